//! The yardstick: small frozen native kernels that say how fast this machine is right now.
//!
//! Architecture invariant: a kernel's work never changes within a [`YARDSTICK_VERSION`]; committed time ratios are ratios to it.
//! Therefore everything is written out here, sorting and hashing included: the standard library's may improve. Each kernel is
//! sized to take between a third of a millisecond and a millisecond on a server of 2023, and returns a checksum that the tests hold
//! it to. Knows no stages and no Wasmer.

use std::hint::black_box;

use crate::model::observation::{Kernel, YardstickReading};

use super::meters::Stopwatch;

/// Raised when any kernel changes; baselines that hold ratios to another version are not compared.
pub const YARDSTICK_VERSION: u32 = 1;

/// Steps of the arithmetic chain.
const ARITHMETIC_STEPS: u32 = 150_000;
/// Entries of the pointer cycle: 256 KiB, more than a first-level and less than a second-level cache holds.
const CHASE_ENTRIES: usize = 1 << 16;
/// Loads along the cycle.
const CHASE_STEPS: u32 = 100_000;
/// Keys to sort.
const SORT_KEYS: usize = 8_000;
/// Entries of the hash map; a compiler's symbol table for a module of medium size.
const HASH_ENTRIES: u64 = 6_000;

/// The kernels with the buffers that they work on, allocated once.
#[derive(Debug)]
pub struct Yardstick {
    cycle: Vec<u32>,
    keys: Vec<u32>,
    sorted: Vec<u32>,
}

impl Default for Yardstick {
    fn default() -> Self {
        Self::new()
    }
}

impl Yardstick {
    /// Allocates and fills the buffers.
    #[must_use]
    pub fn new() -> Self {
        let mut random = XorShift::new();
        Self {
            cycle: random_cycle(&mut random, CHASE_ENTRIES),
            keys: (0..SORT_KEYS).map(|_| random.next_u32()).collect(),
            sorted: vec![0; SORT_KEYS],
        }
    }

    /// Runs every kernel `repeats` times, taking turns, so that all of them see the same stretch of time.
    ///
    /// Each is run once more off the clock before: whatever was measured last has left its own data in the caches, and how fast
    /// they fill is not what the yardstick is to say.
    #[must_use]
    pub fn read(&mut self, repeats: u32) -> Vec<YardstickReading> {
        let mut readings = Vec::with_capacity(repeats as usize * Kernel::ALL.len());
        for _ in 0..repeats {
            for kernel in Kernel::ALL {
                black_box(self.run(black_box(kernel)));
                let mut watch = Stopwatch::default();
                watch.time(|| black_box(self.run(black_box(kernel))));
                readings.push(YardstickReading { kernel, observation: watch.observation() });
            }
        }
        readings
    }

    /// Runs one kernel and returns its checksum.
    #[inline(never)]
    fn run(&mut self, kernel: Kernel) -> u64 {
        match kernel {
            Kernel::Arithmetic => arithmetic(ARITHMETIC_STEPS),
            Kernel::PointerChase => pointer_chase(&self.cycle, CHASE_STEPS),
            Kernel::BranchySort => {
                self.sorted.copy_from_slice(&self.keys);
                heap_sort(&mut self.sorted);
                (u64::from(self.sorted[SORT_KEYS / 2]) << 32) | u64::from(self.sorted[SORT_KEYS / 3])
            }
            Kernel::AllocateAndHash => allocate_and_hash(HASH_ENTRIES),
        }
    }
}

/// A chain in which every step needs the one before it: no instruction-level parallelism, no memory.
#[inline(never)]
fn arithmetic(steps: u32) -> u64 {
    let mut x: u64 = 0x9e37_79b9_7f4a_7c15;
    for step in 0..black_box(steps) {
        x = x.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(u64::from(step));
        x ^= x >> 29;
    }
    x
}

/// Follows the cycle: every load's address is the value of the one before it.
#[inline(never)]
fn pointer_chase(cycle: &[u32], steps: u32) -> u64 {
    let mut at = 0;
    for _ in 0..black_box(steps) {
        at = cycle[at] as usize;
    }
    at as u64
}

/// Sorts by a heap: compares and swaps in an order that no branch predictor can learn.
#[inline(never)]
fn heap_sort(keys: &mut [u32]) {
    for root in (0..keys.len() / 2).rev() {
        sift_down(keys, root);
    }
    for end in (1..keys.len()).rev() {
        keys.swap(0, end);
        sift_down(&mut keys[..end], 0);
    }
}

fn sift_down(keys: &mut [u32], mut root: usize) {
    loop {
        let mut child = 2 * root + 1;
        if child >= keys.len() {
            return;
        }
        if child + 1 < keys.len() && keys[child] < keys[child + 1] {
            child += 1;
        }
        if keys[root] >= keys[child] {
            return;
        }
        keys.swap(root, child);
        root = child;
    }
}

/// A node as compilers have them: boxed, with operands that grow one by one.
struct Node {
    key: u64,
    operands: Vec<u64>,
    next: Option<Box<Node>>,
}

/// Fills a chained hash map with boxed nodes, doubling it as it grows, looks keys up, and takes it apart.
#[inline(never)]
fn allocate_and_hash(entries: u64) -> u64 {
    let mut buckets: Vec<Option<Box<Node>>> = Vec::new();
    let mut random = XorShift::new();
    let mut sum: u64 = 0;
    for count in 0..black_box(entries) {
        if count as usize >= buckets.len() {
            buckets = doubled(buckets);
        }
        let key = u64::from(random.next_u32());
        let mut operands = Vec::new();
        for operand in 0..=key & 7 {
            operands.push(operand ^ key);
        }
        let bucket = bucket_of(key, buckets.len());
        let next = buckets[bucket].take();
        buckets[bucket] = Some(Box::new(Node { key, operands, next }));
        // Half of the look-ups find nothing, as with a compiler's value numbering.
        let wanted = if count & 1 == 0 { key } else { key ^ (1 << 40) };
        let mut node = buckets[bucket_of(wanted, buckets.len())].as_deref();
        while let Some(found) = node {
            if found.key == wanted {
                sum = sum.wrapping_add(found.operands.iter().fold(found.key, |a, b| a.rotate_left(5) ^ b));
                break;
            }
            node = found.next.as_deref();
        }
    }
    sum
}

/// A map of twice the size with the same nodes.
fn doubled(buckets: Vec<Option<Box<Node>>>) -> Vec<Option<Box<Node>>> {
    let size = (buckets.len() * 2).max(16);
    let mut larger: Vec<Option<Box<Node>>> = Vec::new();
    larger.resize_with(size, || None);
    for mut chain in buckets {
        while let Some(mut node) = chain {
            chain = node.next.take();
            let bucket = bucket_of(node.key, size);
            node.next = larger[bucket].take();
            larger[bucket] = Some(node);
        }
    }
    larger
}

/// FNV-1a over the key's bytes, <http://www.isthe.com/chongo/tech/comp/fnv/>. The size is a power of two.
fn bucket_of(key: u64, size: usize) -> usize {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in key.to_le_bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash as usize & (size - 1)
}

/// Every entry holds the index of the next, in one cycle through all of them (Sattolo's algorithm).
fn random_cycle(random: &mut XorShift, entries: usize) -> Vec<u32> {
    let mut cycle: Vec<u32> = (0..).take(entries).collect();
    for last in (1..entries).rev() {
        let other = ((u64::from(random.next_u32()) * last as u64) >> 32) as usize;
        cycle.swap(last, other);
    }
    cycle
}

/// Marsaglia's xorshift64 with a fixed seed.
#[derive(Debug)]
struct XorShift(u64);

impl XorShift {
    fn new() -> Self {
        Self(0x2545_f491_4f6c_dd1d)
    }

    fn next_u32(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_frozen() {
        let mut yardstick = Yardstick::new();
        let sums = Kernel::ALL.map(|kernel| yardstick.run(kernel));
        // Whoever changes one of these raises YARDSTICK_VERSION.
        let frozen = [0x7d5f_99f2_5fef_a467, 0x5440, 0x81fb_7a04_57e7_5797, 0x9c46_1aac_87a8_c73a];
        assert_eq!((YARDSTICK_VERSION, sums), (1, frozen));
    }

    #[test]
    fn kernels_repeat() {
        let mut yardstick = Yardstick::new();
        for kernel in Kernel::ALL {
            assert_eq!(yardstick.run(kernel), yardstick.run(kernel), "{kernel}");
        }
    }

    #[test]
    fn the_cycle_goes_through_all_entries() {
        let yardstick = Yardstick::new();
        let mut seen = vec![false; CHASE_ENTRIES];
        let mut at = 0;
        for _ in 0..CHASE_ENTRIES {
            seen[at] = true;
            at = yardstick.cycle[at] as usize;
        }
        assert!(at == 0 && seen.iter().all(|seen| *seen));
    }

    #[test]
    fn the_keys_are_sorted() {
        let mut yardstick = Yardstick::new();
        yardstick.run(Kernel::BranchySort);
        let mut expected = yardstick.keys.clone();
        expected.sort_unstable();
        assert_eq!(yardstick.sorted, expected);
    }

    #[test]
    fn readings_take_turns() {
        let readings = Yardstick::new().read(2);
        let kernels: Vec<_> = readings.iter().map(|reading| reading.kernel).collect();
        assert_eq!(kernels, [Kernel::ALL, Kernel::ALL].concat());
        assert!(readings.iter().all(|reading| reading.observation.batch == 1 && reading.observation.wall.0 > 0));
    }
}
