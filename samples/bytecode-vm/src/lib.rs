//! An assembler and a stack machine, running a small program: the interpreter's loop.
//!
//! One `match` over all operations, which becomes a `br_table` inside a loop: a branch that depends on data at every step,
//! the shape of every interpreter, emulator and contract machine. Backends differ in how they compile that table and in
//! what they keep in registers across it.

mod assembler;
mod machine;

const PROGRAM: &str = include_str!("primes.asm");

/// Assembles the program and runs it with `limit` on the stack; returns what it leaves there.
#[unsafe(no_mangle)]
pub extern "C" fn run(limit: i32) -> i32 {
    let program = assembler::assemble(PROGRAM).expect("the program is part of this crate and assembles");
    machine::run(&program, limit).expect("the program halts with its result on the stack")
}

#[cfg(test)]
mod tests {
    use super::{assembler::assemble, machine, run};

    #[test]
    fn the_program_sums_primes_and_counts_coprime_pairs() {
        fn gcd(a: i32, b: i32) -> i32 {
            if b == 0 { a } else { gcd(b, a % b) }
        }
        let limit = 200;
        let primes: i32 = (2..limit).filter(|n| (2..*n).all(|d| n % d != 0)).sum();
        let side = limit / 16;
        let coprime = (1..=side).flat_map(|a| (1..=side).map(move |b| (a, b))).filter(|&(a, b)| gcd(a, b) == 1);
        assert_eq!(run(limit), primes * 31 + coprime.count() as i32);
    }

    #[test]
    fn mistakes_are_errors_and_not_panics() {
        assert!(assemble("jump nowhere").unwrap_err().contains("nowhere"));
        assert!(assemble("frobnicate").unwrap_err().contains("line 1"));
        assert_eq!(machine::run(&assemble("drop\ndrop\nhalt").unwrap(), 1), None);
        assert_eq!(machine::run(&assemble("push 0\ndiv\nhalt").unwrap(), 1), None);
    }
}
