//! What can be said of a `.wasm` file without compiling it: that it is one, its checksum, and how it could be run.
//!
//! Invariant: a file with a good magic number is accepted whatever follows. A truncated or invalid module is measured and
//! comes out as broken for its own cells; only a file that is no module at all is the configuration's fault.

use std::fs;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef, ValType};

use crate::model::Bytes;

use super::problem::escaped;

/// Largest file that is read as a module: engines refuse more than 1 GiB, by the WebAssembly JavaScript interface's limits.
const MAX_MODULE: u64 = 1 << 30;

/// A module as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// Lower-case hexadecimal SHA-256.
    pub sha256: String,
    pub size: Bytes,
    /// Absent where the module is truncated or invalid.
    pub interface: Option<Interface>,
}

/// How a module meets the world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// Exports `_start` and imports from a WASI preview 1 module.
    pub wasi_command: bool,
    /// Exported functions in the module's order.
    pub functions: Vec<ExportedFunction>,
}

/// An exported function, with types as the text format writes them (`i32`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedFunction {
    pub name: String,
    pub params: Vec<String>,
    pub results: Vec<String>,
}

/// Reads a module.
///
/// # Errors
/// A fragment that says why this is no module and what to do; the caller names the file.
pub(super) fn inspect(path: &Path) -> Result<Inspected, String> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(&error))?;
    if metadata.is_dir() {
        return Err("is a directory; name the .wasm file inside it".to_owned());
    }
    if !metadata.is_file() {
        return Err("is not a regular file; name a .wasm file".to_owned());
    }
    if metadata.len() > MAX_MODULE {
        return Err(format!("has {}; modules of more than 1 GiB are not read", Bytes(metadata.len())));
    }
    let content = fs::read(path).map_err(|error| unreadable(&error))?;
    header(&content)?;
    Ok(Inspected {
        sha256: hex(&Sha256::digest(&content)),
        size: Bytes(content.len() as u64),
        interface: interface(&content).ok(),
    })
}

/// The SHA-256 of a file of any size, in lower-case hexadecimal.
pub(super) fn sha256(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut fs::File::open(path)?, &mut hasher)?;
    Ok(hex(&hasher.finalize()))
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a file cannot be read, with what to do about it.
pub(super) fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "does not exist; create it or correct the path".to_owned(),
        io::ErrorKind::PermissionDenied => "cannot be read; give this user permission to".to_owned(),
        _ => format!("cannot be read: {}; check the path and the disk", escaped(&error.to_string())),
    }
}

/// Tells a module from what people hand over in its place.
fn header(content: &[u8]) -> Result<(), String> {
    if content.is_empty() {
        return Err("is empty (0 bytes); build it again".to_owned());
    }
    let Some(after) = content.strip_prefix(b"\0asm") else {
        return Err(not_wasm(content));
    };
    // Version and layer, two bytes each; layer 1 is a component. Anything else is for the engine to refuse.
    match after {
        [_, _, 1, 0, ..] => {
            Err("is a WebAssembly component; Tollgate measures core modules: take the one inside it, for \
                                 example with `wasm-tools component unbundle`"
                .to_owned())
        }
        _ => Ok(()),
    }
}

fn not_wasm(content: &[u8]) -> String {
    if content.starts_with(b"version https://git-lfs") {
        return "is a Git LFS pointer in place of a WebAssembly module; fetch the file with `git lfs pull`".to_owned();
    }
    let text = content.trim_ascii_start();
    let remedy = if text.starts_with(b"(") || text.starts_with(b";;") {
        "it looks like the text format: convert it first, for example with `wat2wasm`"
    } else if content.starts_with(b"\x1f\x8b") || content.starts_with(b"\x28\xb5\x2f\xfd") {
        "it is compressed: unpack it first"
    } else {
        "name a file that a compiler for WebAssembly wrote"
    };
    format!("is not a WebAssembly module: it does not begin with \\0asm; {remedy}")
}

/// Reads imports and exports; fails on a module that is truncated or malformed anywhere in its structure.
fn interface(content: &[u8]) -> wasmparser::Result<Interface> {
    let mut types = Vec::new();
    let mut functions: Vec<u32> = Vec::new();
    let mut exports = Vec::new();
    let mut wasi_import = false;
    for payload in Parser::new(0).parse_all(content) {
        match payload? {
            Payload::TypeSection(reader) => {
                for ty in reader.into_iter_err_on_gc_types() {
                    types.push(ty?);
                }
            }
            Payload::ImportSection(reader) => {
                for import in reader.into_imports() {
                    let import = import?;
                    wasi_import |= matches!(import.module, "wasi_snapshot_preview1" | "wasi_unstable");
                    if let TypeRef::Func(ty) | TypeRef::FuncExact(ty) = import.ty {
                        functions.push(ty);
                    }
                }
            }
            Payload::FunctionSection(reader) => {
                for ty in reader {
                    functions.push(ty?);
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader {
                    let export = export?;
                    if matches!(export.kind, ExternalKind::Func | ExternalKind::FuncExact) {
                        exports.push((export.name.to_owned(), export.index));
                    }
                }
            }
            _ => {}
        }
    }
    let function = |(name, index): (String, u32)| {
        let ty = functions.get(usize::try_from(index).ok()?).and_then(|ty| types.get(usize::try_from(*ty).ok()?))?;
        let names = |of: &[ValType]| of.iter().map(ToString::to_string).collect();
        Some(ExportedFunction { name, params: names(ty.params()), results: names(ty.results()) })
    };
    let functions: Vec<_> = exports.into_iter().filter_map(function).collect();
    let wasi_command = wasi_import && functions.iter().any(|function| function.name == "_start");
    Ok(Interface { wasi_command, functions })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspect_bytes(content: &[u8]) -> Result<Inspected, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.wasm");
        fs::write(&path, content).unwrap();
        inspect(&path)
    }

    #[test]
    fn what_is_no_module_is_told_apart() {
        let cases: [(&[u8], &str); 6] = [
            (b"", "is empty (0 bytes); build it again"),
            (
                b" (module)",
                "is not a WebAssembly module: it does not begin with \\0asm; it looks like the text format: convert it \
                 first, for example with `wat2wasm`",
            ),
            (
                b"version https://git-lfs.github.com/spec/v1\n",
                "is a Git LFS pointer in place of a WebAssembly module; fetch the file with `git lfs pull`",
            ),
            (
                b"\x1f\x8b\x08",
                "is not a WebAssembly module: it does not begin with \\0asm; it is compressed: unpack it first",
            ),
            (
                b"\0as",
                "is not a WebAssembly module: it does not begin with \\0asm; name a file that a compiler for WebAssembly \
                 wrote",
            ),
            (
                b"\0asm\x0d\0\x01\0",
                "is a WebAssembly component; Tollgate measures core modules: take the one inside it, for example with \
                 `wasm-tools component unbundle`",
            ),
        ];
        for (content, message) in cases {
            assert_eq!(inspect_bytes(content).unwrap_err(), message);
        }
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(inspect(folder.path()).unwrap_err(), "is a directory; name the .wasm file inside it");
        assert_eq!(inspect(&folder.path().join("none")).unwrap_err(), "does not exist; create it or correct the path");
    }

    #[test]
    fn a_broken_module_with_a_good_header_is_accepted_without_an_interface() {
        let whole = wat::parse_str("(module (func (export \"f\") (param i32 f64) (result i64) i64.const 1))").unwrap();
        for content in [&whole[..4], &whole[..whole.len() - 3], b"\0asm\x09\0\0\0"] {
            let inspected = inspect_bytes(content).unwrap();
            assert_eq!(inspected.interface, None);
            assert_eq!(inspected.size, Bytes(content.len() as u64));
        }
    }

    #[test]
    fn the_interface_counts_imported_functions_first() {
        let module = wat::parse_str(
            "(module (import \"wasi_snapshot_preview1\" \"f\" (func (param i64)))
               (func $start) (func $run (param i32 f64) (result f32) f32.const 1)
               (memory (export \"memory\") 1) (export \"_start\" (func $start)) (export \"run\" (func $run)))",
        )
        .unwrap();
        let inspected = inspect_bytes(&module).unwrap();
        let function = |name: &str, params: &[&str], results: &[&str]| ExportedFunction {
            name: name.to_owned(),
            params: params.iter().map(ToString::to_string).collect(),
            results: results.iter().map(ToString::to_string).collect(),
        };
        let functions = vec![function("_start", &[], &[]), function("run", &["i32", "f64"], &["f32"])];
        assert_eq!(inspected.interface, Some(Interface { wasi_command: true, functions }));
        assert_eq!(inspected.sha256.len(), 64);
    }

    #[test]
    fn checksums_are_of_the_content() {
        let empty_module = b"\0asm\x01\0\0\0";
        assert_eq!(
            inspect_bytes(empty_module).unwrap().sha256,
            "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476"
        );
    }
}
