//! An even footing: what a worker does to itself so that one launch resembles the next.
//!
//! Each of these has its measurement beside it. What a system does not have is left out; figures then scatter more, and stay true.

/// Maps all of the executable's own code and constants that lie in files.
///
/// Pages of files count as resident once they are touched, and how many the kernel maps around a touched one depends on where the
/// executable was loaded. Over 12 launches the growth of resident memory over the first compile scattered by 2.5 to 5.5 % (300 to
/// 600 KiB) because of that, and by 0 to 1 % with all of it mapped before (LLVM: 2.4 %). It takes about 2 ms for 115 MiB.
#[cfg(target_os = "linux")]
pub fn map_own_code() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    for (start, end) in maps.lines().filter_map(constant_file_mapping) {
        // SAFETY: populating pages for reading changes nothing in them, and the mappings of this executable stay where they are.
        // An error (a kernel before 5.14, a mapping that is gone) leaves things as they were.
        let _ = unsafe {
            let address = std::ptr::without_provenance_mut(start);
            rustix::mm::madvise(address, end - start, rustix::mm::Advice::LinuxPopulateRead)
        };
    }
}

/// There is no such call.
#[cfg(not(target_os = "linux"))]
pub fn map_own_code() {}

/// The range of a line of `/proc/self/maps`, if it is a mapping of a file that is read and never written to.
#[cfg(target_os = "linux")]
fn constant_file_mapping(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (range, permissions, path) = (fields.next()?, fields.next()?, fields.nth(3)?);
    if !path.starts_with('/') || !permissions.starts_with("r-") {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

/// Moves what the heap hands out next by some bytes, and what is mapped next by as many pages, for the life of the process. Where the
/// system itself places them at random, this adds nothing; where it was told not to, it is what tells one launch from another.
pub fn move_memory(shift: u32) {
    if shift == 0 {
        return;
    }
    let bytes = shift as usize;
    std::mem::forget(std::hint::black_box(Vec::<u8>::with_capacity(bytes)));
    let none = rustix::mm::ProtFlags::empty();
    // SAFETY: a fresh mapping that nobody may touch, at an address of the kernel's choice. Without one, nothing is moved.
    let _ =
        unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), bytes * PAGE, none, rustix::mm::MapFlags::PRIVATE) };
}

/// The smallest page that there is; a larger one is moved by as well.
const PAGE: usize = 4096;

/// Lets the allocator keep what is freed, where it is glibc's.
///
/// By default glibc learns from what is freed how much to give back to the system, so whether an artifact is serialized into fresh
/// pages or into known ones depends on what came before: 48 page faults an operation or none, 285 or 200 µs for an artifact of
/// 590 kB. Over 15 launches, `serialize` scattered by 10 % because of that, by 5 % with this; compile times were the same.
/// Done after the first compile, because it raises peaks a little (2 to 17 %).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep_freed_memory() {
    // The largest that glibc takes for the first (`HEAP_MAX_SIZE` / 2); the second is more than any stage here frees at once.
    const MMAP_THRESHOLD: libc::c_int = 32 << 20;
    const TRIM_THRESHOLD: libc::c_int = 1 << 30;
    // SAFETY: sets two parameters of the allocator under its own lock; what is allocated stays as it is.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD);
        libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD);
    }
}

/// Other allocators have habits of their own.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_freed_memory() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_constant_mappings_of_files_are_taken() {
        let code = "55d0c0000000-55d0c0400000 r-xp 00001000 fe:00 1234    /usr/bin/tollgate";
        assert_eq!(constant_file_mapping(code), Some((0x55d0_c000_0000, 0x55d0_c040_0000)));
        for other in [
            "55d0c0000000-55d0c0400000 rw-p 00001000 fe:00 1234    /usr/bin/tollgate",
            "55d0c0000000-55d0c0400000 ---p 00001000 fe:00 1234    /usr/bin/tollgate",
            "55d0c0000000-55d0c0400000 r-xp 00000000 00:00 0    [vdso]",
            "55d0c0000000-55d0c0400000 r--p 00000000 00:00 0",
            "",
        ] {
            assert_eq!(constant_file_mapping(other), None, "{other}");
        }
    }

    #[test]
    fn own_code_is_found_and_mapped() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let here = own_code_is_found_and_mapped as *const () as usize;
        assert!(maps.lines().filter_map(constant_file_mapping).any(|(start, end)| (start..end).contains(&here)));
        map_own_code();
        keep_freed_memory();
    }
}
