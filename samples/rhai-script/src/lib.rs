//! A script interpreter, Rhai with its standard packages, which reads a program and runs it: a large module.
//!
//! Plugin systems ship modules like this: over a megabyte, of which one run touches a small part. Compile time, artifact
//! size and loading are what matters; execution is an interpreter's, deep calls through tables of functions and values
//! behind pointers. The interpreter is compiled for size, as those who ship such a module do; integers are of one kind and
//! there is no clock, so that it needs nothing from its host.

use rhai::{AST, Engine, EvalAltResult, Scope};

const PROGRAM: &str = include_str!("program.rhai");

/// Compiles the program and calls its `main` with `size`, in an engine of its own: nothing outlives the call.
fn interpret(size: i64) -> Result<i64, Box<EvalAltResult>> {
    let mut engine = Engine::new();
    // The defaults, which are lower in a debug build: the tests would refuse the program.
    engine.set_max_expr_depths(64, 32);
    let program: AST = engine.compile(PROGRAM)?;
    engine.call_fn(&mut Scope::new(), &program, "main", (size,))
}

/// What the program returns for `size`.
#[unsafe(no_mangle)]
pub extern "C" fn run(size: i32) -> i64 {
    interpret(i64::from(size)).unwrap_or_else(|error| panic!("the program failed: {error}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_program_runs() {
        // 4 queens have 2 solutions, 5 have 10.
        assert_eq!(super::interpret(4).unwrap() / 1_000_000, 2);
        assert_eq!(super::interpret(5).unwrap() / 1_000_000, 10);
    }
}
