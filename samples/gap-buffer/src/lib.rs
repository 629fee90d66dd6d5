//! A text editor's gap buffer under a session of edits: bulk memory.
//!
//! The text lies in one array with a gap at the cursor. Typing fills the gap; moving the cursor moves the text between,
//! which is one `memory.copy` of up to the whole text; erasing overwrites what was there, which is a `memory.fill`; a full
//! gap doubles the array, which may grow the memory. Little else is executed, so what is measured is the backends' and the
//! runtime's path into the machine's copy and fill.

use std::ops::Range;

struct GapBuffer {
    bytes: Vec<u8>,
    gap: Range<usize>,
}

impl GapBuffer {
    fn new(text: &[u8]) -> Self {
        let mut bytes = vec![0; text.len() * 2];
        bytes[..text.len()].copy_from_slice(text);
        Self { gap: text.len()..bytes.len(), bytes }
    }

    fn len(&self) -> usize {
        self.bytes.len() - self.gap.len()
    }

    fn move_cursor(&mut self, position: usize) {
        let Range { start, end } = self.gap;
        if position < start {
            let moved = start - position;
            self.bytes.copy_within(position..start, end - moved);
            self.gap = position..end - moved;
        } else {
            let moved = position - start;
            self.bytes.copy_within(end..end + moved, start);
            self.gap = position..end + moved;
        }
    }

    fn insert(&mut self, text: &[u8]) {
        if self.gap.len() < text.len() {
            self.grow(text.len());
        }
        let end = self.gap.start + text.len();
        self.bytes[self.gap.start..end].copy_from_slice(text);
        self.gap.start = end;
    }

    /// Erases up to `count` bytes after the cursor. What was there is wiped, so that no secret outlives its deletion.
    fn erase(&mut self, count: usize) {
        let end = (self.gap.end + count).min(self.bytes.len());
        self.bytes[self.gap.end..end].fill(0);
        self.gap.end = end;
    }

    fn grow(&mut self, needed: usize) {
        let old = self.bytes.len();
        self.bytes.resize((old * 2).max(old + needed), 0);
        let grown = self.bytes.len() - old;
        self.bytes.copy_within(self.gap.end..old, self.gap.end + grown);
        self.gap.end += grown;
    }

    fn before_and_after(&self) -> [&[u8]; 2] {
        [&self.bytes[..self.gap.start], &self.bytes[self.gap.end..]]
    }
}

/// A 64-bit linear congruential generator (Knuth's constants); its upper half is used.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }
}

const PARAGRAPH: &[u8] = b"Moving the gap is the price of a jump; typing where the cursor stands is free. ";

/// Opens a document of `paragraphs` and makes `edits` to it: jumps, insertions, deletions and pastes.
fn session(paragraphs: usize, edits: usize) -> GapBuffer {
    let mut buffer = GapBuffer::new(&PARAGRAPH.repeat(paragraphs));
    let mut random = Random(42);
    for _ in 0..edits {
        let target = random.below(buffer.len() + 1);
        buffer.move_cursor(target);
        match random.below(4) {
            0 => buffer.erase(random.below(4096)),
            1 => {
                let length = random.below(PARAGRAPH.len());
                buffer.insert(&PARAGRAPH[..length]);
            }
            2 => buffer.insert(&PARAGRAPH.repeat(1 + random.below(40))),
            _ => {
                buffer.erase(8);
                buffer.insert(b"replaced");
            }
        }
    }
    buffer
}

/// FNV-1a of the document after `edits` edits of a text of `paragraphs`, eight bytes at a time.
#[unsafe(no_mangle)]
pub extern "C" fn run(paragraphs: u32, edits: u32) -> u64 {
    let buffer = session(paragraphs as usize, edits as usize);
    let mut text = buffer.before_and_after().concat();
    text.resize(text.len().next_multiple_of(8), 0);
    text.as_chunks::<8>().0.iter().fold(0xcbf2_9ce4_8422_2325, |hash, word| {
        (hash ^ u64::from_le_bytes(*word)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::GapBuffer;

    #[test]
    fn edits_like_a_string() {
        let mut buffer = GapBuffer::new(b"hello world");
        buffer.move_cursor(5);
        buffer.insert(b", wide and very, very wide");
        buffer.move_cursor(2);
        buffer.erase(3);
        buffer.move_cursor(buffer.len());
        buffer.insert(b"!");
        assert_eq!(buffer.before_and_after().concat(), b"he, wide and very, very wide world!");
        buffer.move_cursor(0);
        buffer.erase(usize::MAX / 2);
        assert_eq!(buffer.len(), 0);
    }
}
