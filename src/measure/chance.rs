//! Chance inside a worker: what the system gives out as random, pinned to the launch's own number.
//!
//! Hash tables are seeded with random bytes, and where their entries lie decides what a stage of microseconds takes. Both sides of a pair are
//! to have the same luck, and the next pair other luck, as with everything else that is drawn. It also makes a command that asks for
//! random numbers repeatable.
//!
//! Invariant: nothing is pinned before [`pin`] is called, which only a worker does; every other process of this program gets
//! the kernel's own random bytes.

use std::sync::atomic::{AtomicU64, Ordering};

/// 0 while nothing is pinned.
static PINNED: AtomicU64 = AtomicU64::new(0);

/// From now on, random bytes of this process follow from `number`.
pub fn pin(number: u32) {
    PINNED.store(u64::from(number) + 1, Ordering::Relaxed);
}

/// What the standard library and the engines ask for random bytes; stands in for the C library's function of this name.
///
/// # Safety
/// As getrandom(2): `buffer` must be valid for writes of `length` bytes.
#[cfg(target_os = "linux")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut libc::c_void, length: usize, flags: libc::c_uint) -> isize {
    let mut state = PINNED.load(Ordering::Relaxed);
    if state == 0 {
        // SAFETY: the caller's promise is the system call's.
        let read = unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) };
        return isize::try_from(read).unwrap_or(-1);
    }
    // SAFETY: the caller promises so many bytes.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<std::mem::MaybeUninit<u8>>(), length) };
    for chunk in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        for (to, from) in chunk.iter_mut().zip(mixed(state).to_le_bytes()) {
            to.write(from);
        }
    }
    isize::try_from(length).unwrap_or(isize::MAX)
}

/// Spreads the bits of a counter: SplitMix64, Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators".
#[cfg(target_os = "linux")]
fn mixed(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Tests run beside each other in one process, so the generator is looked at and nothing is pinned.
    #[test]
    fn nothing_is_pinned_by_itself() {
        let mut bytes = [[0_u8; 32]; 2];
        for one in &mut bytes {
            // SAFETY: the buffer has as many bytes as it says.
            let read = unsafe { getrandom(one.as_mut_ptr().cast(), one.len(), 0) };
            assert_eq!(read, 32);
        }
        assert_ne!(bytes[0], bytes[1]);
        assert_eq!(PINNED.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn numbers_that_are_close_give_bytes_that_are_not() {
        let differing = (0..64_u64).map(|at| (mixed(at) ^ mixed(at + 1)).count_ones()).sum::<u32>();
        // Half of 64 bits each.
        assert!((64 * 28..64 * 36).contains(&differing), "{differing}");
    }
}
