//! Why a compiler refused a module: because the module is broken, because the compiler does not support what it uses, or because
//! the compiler failed.
//!
//! Wasmer tells the three apart only in part (Singlepass meets a vector instruction with a panic or a code generation error), so
//! the module itself is asked: what wasmparser accepts with every proposal enabled is a valid module.

use std::any::Any;

use wasmer::{CompileError, WasmError};
use wasmparser::{Validator, WasmFeatures};

use crate::engine::StageError;

/// Proposals by name, as a reader knows them. Those that every compiler here has for long are left out.
const PROPOSALS: &[(WasmFeatures, &str)] = &[
    (WasmFeatures::SIMD, "simd"),
    (WasmFeatures::RELAXED_SIMD, "relaxed-simd"),
    (WasmFeatures::THREADS, "threads"),
    (WasmFeatures::SHARED_EVERYTHING_THREADS, "shared-everything-threads"),
    (WasmFeatures::TAIL_CALL, "tail-call"),
    (WasmFeatures::MULTI_MEMORY, "multi-memory"),
    (WasmFeatures::MEMORY64, "memory64"),
    (WasmFeatures::EXCEPTIONS, "exceptions"),
    (WasmFeatures::LEGACY_EXCEPTIONS, "legacy-exceptions"),
    (WasmFeatures::COMPONENT_MODEL, "component-model"),
    (WasmFeatures::FUNCTION_REFERENCES, "function-references"),
    (WasmFeatures::GC, "gc"),
    (WasmFeatures::STACK_SWITCHING, "stack-switching"),
    (WasmFeatures::WIDE_ARITHMETIC, "wide-arithmetic"),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "custom-page-sizes"),
    (WasmFeatures::MEMORY_CONTROL, "memory-control"),
];

/// What a refusal in stage `validate` means.
pub fn of_validation(compiler: &str, module: &[u8], error: &CompileError) -> StageError {
    if let Some(reason) = no_core_module(module) {
        return StageError::Failed(reason);
    }
    match Validator::new_with_features(WasmFeatures::all()).validate_all(module) {
        Err(invalid) => StageError::Failed(format!("not a valid module: {invalid}")),
        Ok(_) => StageError::Unsupported(unsupported(compiler, &needed(module), &message(error))),
    }
}

/// What something is that does not even begin like a module, in the words of whoever gave it to us by mistake.
fn no_core_module(bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() {
        return Some("not a valid module: the file is empty".to_owned());
    }
    // The header is `\0asm` and the version; the two bytes after the version's are 1 in a component.
    match bytes.strip_prefix(b"\0asm") {
        Some([_, _, 1, 0, ..]) => Some("a component, not a core module; give the core module inside it".to_owned()),
        Some(_) => None,
        None if bytes.trim_ascii_start().starts_with(b"(") => Some(
            "not a valid module (at offset 0x0): this looks like the text format; translate it with `wasm-tools parse`"
                .to_owned(),
        ),
        None => Some(format!(
            "not a valid module (at offset 0x0): a module starts with `\\0asm`, this file with `{}`",
            bytes[..bytes.len().min(8)].escape_ascii()
        )),
    }
}

/// What an error in stage `compile` of a valid module means.
pub fn of_compilation(compiler: &str, module: &[u8], error: &CompileError) -> StageError {
    let refused = matches!(
        error,
        CompileError::UnsupportedFeature(_)
            | CompileError::UnsupportedTarget(_)
            | CompileError::Wasm(WasmError::Unsupported(_))
    );
    classify(compiler, module, &message(error), refused)
}

/// What a panic in stage `compile` of a valid module means.
pub fn of_panic(compiler: &str, module: &[u8], payload: &(dyn Any + Send)) -> StageError {
    let text = panic_text(payload);
    classify(compiler, module, &format!("the compiler panicked: {text}"), false)
}

/// The text of a panic.
pub fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

fn classify(compiler: &str, module: &[u8], text: &str, refused: bool) -> StageError {
    let needed = needed(module);
    // Singlepass passes vector instructions on from its validator and fails over them later, in more than one way.
    let vectors = compiler == "singlepass" && needed.iter().any(|name| name.ends_with("simd"));
    let says_so = ["not yet implemented", "not implemented", "unimplemented", "not yet supported", "unsupported"]
        .iter()
        .any(|phrase| text.to_lowercase().contains(phrase));
    if refused || vectors || says_so {
        StageError::Unsupported(unsupported(compiler, &needed, text))
    } else {
        StageError::Failed(text.to_owned())
    }
}

fn unsupported(compiler: &str, needed: &[&str], text: &str) -> String {
    if needed.is_empty() {
        format!("{compiler} does not support this module: {text}")
    } else {
        format!("{compiler} does not support this module, which uses {}: {text}", needed.join(", "))
    }
}

/// The proposals without which the module is not valid.
fn needed(module: &[u8]) -> Vec<&'static str> {
    let uses = |feature: WasmFeatures| {
        Validator::new_with_features(WasmFeatures::all().difference(feature)).validate_all(module).is_err()
    };
    PROPOSALS.iter().filter(|(feature, _)| uses(*feature)).map(|(_, name)| *name).collect()
}

/// The error without Wasmer's prefix, which repeats what the report says anyway.
fn message(error: &CompileError) -> String {
    match error {
        CompileError::Validate(text) | CompileError::Codegen(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTOR: &str = "(module (func (result i32) (i32x4.extract_lane 1 (v128.const i32x4 1 2 3 4))))";

    #[test]
    fn a_broken_module_fails_with_position() {
        let mut module = wat::parse_str("(module (func (result i32) i32.const 1))").unwrap();
        module.truncate(module.len() - 2);
        let refused = CompileError::Validate("whatever the engine says".to_owned());
        let StageError::Failed(text) = of_validation("cranelift", &module, &refused) else {
            panic!("a truncated module must fail")
        };
        assert!(text.contains("at offset 0x"), "{text}");
    }

    #[test]
    fn what_is_no_module_at_all_is_called_by_its_name() {
        let refused = CompileError::Validate("bad magic number".to_owned());
        let told = |bytes: &[u8]| of_validation("llvm", bytes, &refused).to_string();
        assert!(told(b"").contains("empty"));
        assert!(told(b" (module)").contains("text format"));
        assert!(told(b"\x7fELF\x02").contains("`\\x7fELF\\x02`"), "{}", told(b"\x7fELF\x02"));
        assert!(told(b"\0asm\x0d\0\x01\0").contains("component"));
        assert!(told(b"\0asm\x01\0").contains("at offset 0x"), "{}", told(b"\0asm\x01\0"));
    }

    #[test]
    fn a_valid_module_that_is_refused_is_unsupported_and_says_what_it_needs() {
        let module = wat::parse_str("(module (memory i64 1))").unwrap();
        let refused = CompileError::Validate("memory64 must be enabled for 64-bit memories".to_owned());
        let StageError::Unsupported(text) = of_validation("cranelift", &module, &refused) else {
            panic!("a refused feature is unsupported")
        };
        assert!(text.contains("uses memory64"), "{text}");
    }

    #[test]
    fn singlepass_meeting_vectors_is_unsupported_however_it_fails() {
        let module = wat::parse_str(VECTOR).unwrap();
        let error = CompileError::Codegen("not yet implemented: V128Const".to_owned());
        assert!(matches!(of_compilation("singlepass", &module, &error), StageError::Unsupported(_)));
        assert!(matches!(of_panic("singlepass", &module, &"index out of bounds"), StageError::Unsupported(_)));
        assert!(matches!(of_panic("cranelift", &module, &"index out of bounds"), StageError::Failed(_)));
    }

    #[test]
    fn a_compiler_that_fails_over_a_plain_module_failed() {
        let module = wat::parse_str("(module (func))").unwrap();
        let error = CompileError::Codegen("singlepass cannot acquire temp gpr".to_owned());
        assert_eq!(
            of_compilation("singlepass", &module, &error),
            StageError::Failed("singlepass cannot acquire temp gpr".to_owned())
        );
        let text = of_panic("llvm", &module, &"internal error".to_owned()).to_string();
        assert!(text.contains("panicked: internal error"), "{text}");
    }
}
