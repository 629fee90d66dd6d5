//! Recorded launches, read from files that may be damaged or hostile.
//!
//! A [`Recording`] is neutral of the format that it came from: pairs of launches, each with the slowdown that was planted on the
//! head side and, for each cell, the blocks of raw observations. Invariants: every value is finite and above zero, every block
//! has two observations a side, and what is kept in memory is bounded by `MOST_BYTES`. Knows no rules.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use crate::model::Stage;

/// Longest line. A pair of launches with 3,500 observed values takes 25 kB.
const MOST_LINE_BYTES: u64 = 16 << 20;

/// Most bytes of a recording, unpacked: some 2,500 such pairs. The shortest observation takes ten bytes of text and about a
/// hundred in memory, so this also bounds the memory.
const MOST_BYTES: u64 = 64 << 20;

/// How a gzip file begins, by RFC 1952.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Short names of cells in recordings, beside the names of stages themselves.
const SHORT_NAMES: [(&str, Stage); 7] = [
    ("exec", Stage::Execute),
    ("val", Stage::Validate),
    ("sp", Stage::Compile),
    ("cl", Stage::Compile),
    ("ser", Stage::Serialize),
    ("deser", Stage::Deserialize),
    ("inst", Stage::Instantiate),
];

/// Launches that were recorded in one place under one kind of conditions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recording {
    pub pairs: Vec<Pair>,
}

/// A launch of the base and one of the head, taking turns.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The slowdown planted on the head side, as a share of its own time; 0 for none.
    pub planted: f64,
    /// Each cell's blocks, in the order in which they were taken.
    pub cells: BTreeMap<CellName, Vec<Block>>,
}

/// What a recording calls a cell. Shown as `name`, ordered by stage and then by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CellName {
    pub stage: Stage,
    /// Printable: control characters are refused.
    pub name: String,
}

/// One round of base and head: the observations of each side in the order in which it took them.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    pub base: [Vec<f64>; 2],
    pub head: [Vec<f64>; 2],
}

/// Why a recording cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error("failed to open it; correct the path or the permission")]
    Open(#[source] io::Error),
    #[error("line {line}: failed to read it; the file is cut short or damaged, record or copy it again")]
    Read {
        line: usize,
        #[source]
        source: io::Error,
    },
    #[error("line {line}: longer than {} MiB; no launch takes that much", MOST_LINE_BYTES >> 20)]
    LongLine { line: usize },
    #[error("line {line}: the recording is larger than {} MiB; split it into several files", MOST_BYTES >> 20)]
    TooLarge { line: usize },
    #[error("line {line}: not a recorded pair of launches; each line must be one object with `planted` and `blocks`")]
    Json {
        line: usize,
        #[source]
        source: serde_json::Error,
    },
    #[error("line {line}: `planted` is {planted}; it must be a share from 0 to 100")]
    Planted { line: usize, planted: f64 },
    #[error(
        "line {line}: cell `{cell}` names no stage; known: exec, val, sp, cl, ser, deser, inst, or a stage's name, alone or after a `/`"
    )]
    Stage { line: usize, cell: String },
    #[error(
        "line {line}: cell `{cell}` has a block of {base} base and {head} head observations; it must have two of each"
    )]
    Block { line: usize, cell: String, base: usize, head: usize },
    #[error(
        "line {line}: cell `{cell}` has an observation that is empty, or not above zero: the clock was too coarse, or the file is damaged"
    )]
    Value { line: usize, cell: String },
    #[error("line {line}: the pair has no cells")]
    NoCells { line: usize },
    #[error("it holds no pairs of launches")]
    Empty,
}

/// One line of the JSON-lines format.
#[derive(Deserialize)]
struct RawPair {
    planted: f64,
    blocks: Vec<BTreeMap<String, Vec<RawObservation>>>,
}

type RawObservation = (RawSide, Vec<f64>);

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
enum RawSide {
    A,
    B,
}

impl Recording {
    /// Reads a file of JSON lines, plain or packed with gzip.
    ///
    /// # Errors
    /// When it cannot be read, or is not a recording; with the line.
    pub fn load(path: &Path) -> Result<Self, RecordingError> {
        Self::read(File::open(path).map_err(RecordingError::Open)?)
    }

    /// Reads JSON lines, plain or packed with gzip. Each is `{"planted": share, "blocks": [{"cell": [[side, [nanoseconds, …]],
    /// …]}, …]}`, with side `A` for the base and `B` for the head; other fields are left unread, and so are empty lines.
    ///
    /// # Errors
    /// When the bytes end too early, are too many, or are no recording; with the line.
    pub fn read(input: impl Read) -> Result<Self, RecordingError> {
        let mut input = BufReader::new(input);
        let magic = input.fill_buf().map_err(|source| RecordingError::Read { line: 1, source })?;
        if magic.starts_with(&GZIP_MAGIC) {
            Self::lines(BufReader::new(MultiGzDecoder::new(input)), MOST_BYTES)
        } else {
            Self::lines(input, MOST_BYTES)
        }
    }

    fn lines(mut input: impl BufRead, most_bytes: u64) -> Result<Self, RecordingError> {
        let mut pairs = Vec::new();
        let mut left = most_bytes;
        let mut text = Vec::new();
        for line in 1.. {
            text.clear();
            let most = MOST_LINE_BYTES.min(left);
            let read = (&mut input).take(most + 1).read_until(b'\n', &mut text);
            let read = read.map_err(|source| RecordingError::Read { line, source })? as u64;
            if read == 0 {
                break;
            }
            if read > most {
                return Err(if most == left {
                    RecordingError::TooLarge { line }
                } else {
                    RecordingError::LongLine { line }
                });
            }
            left -= read;
            if !text.iter().all(u8::is_ascii_whitespace) {
                let raw = serde_json::from_slice(&text).map_err(|source| RecordingError::Json { line, source })?;
                pairs.push(pair(raw, line)?);
            }
        }
        if pairs.is_empty() { Err(RecordingError::Empty) } else { Ok(Self { pairs }) }
    }
}

fn pair(raw: RawPair, line: usize) -> Result<Pair, RecordingError> {
    if !(0.0..=100.0).contains(&raw.planted) {
        return Err(RecordingError::Planted { line, planted: raw.planted });
    }
    let mut cells: BTreeMap<CellName, Vec<Block>> = BTreeMap::new();
    for round in raw.blocks {
        for (name, observations) in round {
            let shown = name.escape_debug().to_string();
            let Some(stage) = stage(&name).filter(|_| !name.contains(char::is_control)) else {
                return Err(RecordingError::Stage { line, cell: shown });
            };
            let block = block(observations, line, shown)?;
            cells.entry(CellName { stage, name }).or_default().push(block);
        }
    }
    if cells.is_empty() {
        return Err(RecordingError::NoCells { line });
    }
    Ok(Pair { planted: raw.planted, cells })
}

fn stage(name: &str) -> Option<Stage> {
    let last = name.rsplit('/').next().unwrap_or(name);
    let short = SHORT_NAMES.iter().find(|(short, _)| *short == last).map(|(_, stage)| *stage);
    short.or_else(|| last.parse().ok())
}

fn block(observations: Vec<RawObservation>, line: usize, cell: String) -> Result<Block, RecordingError> {
    // JSON knows no infinity and no NaN, and serde_json refuses numbers beyond f64's; so above zero is all there is to ask.
    if observations.iter().any(|(_, values)| values.is_empty() || !values.iter().all(|value| *value > 0.0)) {
        return Err(RecordingError::Value { line, cell });
    }
    let (base, head): (Vec<_>, Vec<_>) = observations.into_iter().partition(|(side, _)| *side == RawSide::A);
    let two = |side: Vec<RawObservation>| -> Result<[Vec<f64>; 2], usize> {
        let values: Vec<_> = side.into_iter().map(|(_, values)| values).collect();
        values.try_into().map_err(|values: Vec<_>| values.len())
    };
    match (two(base), two(head)) {
        (Ok(base), Ok(head)) => Ok(Block { base, head }),
        (base, head) => {
            Err(RecordingError::Block { line, cell, base: base.err().unwrap_or(2), head: head.err().unwrap_or(2) })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const LINE: &str = r#"{"planted": 0.02, "launch": 3, "blocks": [
        {"exec": [["A", [10, 12]], ["B", [11]], ["B", [13]], ["A", [14.5]]], "x/compile": [["B", [1]], ["A", [2]], ["A", [3]], ["B", [4]]]},
        {"exec": [["B", [5]], ["A", [6]], ["A", [7]], ["B", [8]]]}]}"#;

    fn line() -> String {
        LINE.replace('\n', "")
    }

    fn read(text: &str) -> Result<Recording, RecordingError> {
        Recording::read(text.as_bytes())
    }

    fn refused(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn sides_keep_their_order_and_gzip_makes_no_difference() {
        let text = format!("\n{}\n", line());
        let recording = read(&text).unwrap();
        let pair = &recording.pairs[0];
        assert_eq!(pair.planted, 0.02);
        let names: Vec<_> = pair.cells.keys().map(|cell| (cell.name.as_str(), cell.stage)).collect();
        assert_eq!(names, [("x/compile", Stage::Compile), ("exec", Stage::Execute)]);
        let blocks = &pair.cells.values().nth(1).unwrap();
        assert_eq!(blocks.len(), 2);
        assert_eq!(blocks[0], Block { base: [vec![10.0, 12.0], vec![14.5]], head: [vec![11.0], vec![13.0]] });
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        assert_eq!(Recording::read(packed.as_slice()).unwrap(), recording);
        let cut = Recording::read(&packed[..packed.len() / 2]).unwrap_err();
        assert!(matches!(cut, RecordingError::Read { .. }), "{cut:?}");
    }

    #[test]
    fn what_is_no_recording_is_refused_with_its_line() {
        let good = line();
        let second = |bad: &str| refused(&format!("{good}\n{bad}\n"));
        assert_eq!(refused(""), "it holds no pairs of launches");
        assert_eq!(refused("\n \n"), "it holds no pairs of launches");
        for bad in ["{", "[]", "null", "{\"planted\": 0}", "\u{0}", &good[..40], &good.replace("\"A\"", "\"C\"")] {
            assert!(second(bad).starts_with("line 2: not a recorded pair"), "{bad}: {}", second(bad));
        }
        for huge in ["1e999", "NaN", "\"1\"", "null"] {
            assert!(second(&good.replace("14.5", huge)).starts_with("line 2: not a recorded pair"), "{huge}");
        }
        for value in ["0", "-1", "-0.0", "1e-999"] {
            let text = second(&good.replace("14.5", value));
            assert!(text.starts_with("line 2: cell `exec` has an observation"), "{value}: {text}");
        }
        assert!(second(&good.replace("[14.5]", "[]")).starts_with("line 2: cell `exec` has an observation"));
        for planted in ["-0.1", "101"] {
            assert!(second(&good.replace("0.02", planted)).contains("`planted` is"), "{planted}");
        }
        let uneven = good.replace(r#", ["A", [14.5]]"#, "");
        assert!(second(&uneven).contains("a block of 1 base and 2 head observations"), "{}", second(&uneven));
        let name = second(&good.replace("exec", "\\u001b[31m"));
        assert!(name.contains(r"cell `\u{1b}[31m` names no stage"), "{name}");
        let name = second(&good.replace("exec", "\\u001b/exec"));
        assert!(name.contains("names no stage"), "{name}");
        assert_eq!(second("{\"planted\": 0, \"blocks\": []}"), "line 2: the pair has no cells");
        assert!(second("\u{fffd}\u{1}").starts_with("line 2: not"));
    }

    #[test]
    fn a_line_without_end_is_not_read_to_its_end() {
        let endless = io::repeat(b' ');
        assert!(matches!(Recording::read(endless), Err(RecordingError::LongLine { line: 1 })));
        let lines = BufReader::new(io::repeat(b'\n'));
        assert!(matches!(Recording::lines(lines, 1000), Err(RecordingError::TooLarge { line: 1001 })));
    }
}
