//! The recursive Fibonacci: nothing but calls, compares and additions.
//!
//! The oldest microbenchmark of compile backends, and still the plainest one for the cost of a call. It is built twice:
//! with its names and debug information (`fibonacci`) and without (`fibonacci-stripped`), which shows what custom
//! sections cost in an artifact, and that they cost nothing in the code.

/// The `n`-th Fibonacci number, by the definition.
#[unsafe(no_mangle)]
pub extern "C" fn run(n: u32) -> u32 {
    if n < 2 { n } else { run(n - 1).wrapping_add(run(n - 2)) }
}

#[cfg(test)]
mod tests {
    use super::run;

    #[test]
    fn follows_the_sequence() {
        let first: Vec<u32> = (0..10).map(|n| run(n)).collect();
        assert_eq!(first, [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]);
        assert_eq!(run(20), 6765);
    }
}
