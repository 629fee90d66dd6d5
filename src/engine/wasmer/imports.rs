//! What a module imports, who provides it, and stubs for the rest.
//!
//! A module from anywhere can be compiled, and mostly instantiated, without its host: functions that nobody provides are replaced by
//! traps that name themselves, other imports by empty ones of the right type.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use wasmer::{
    ExternType, Function, Global, Imports, Memory, Module, Mutability, RuntimeError, Store, Table, Tag, Type, Value,
};
use wasmparser::{Parser, Payload};

use super::wasi::{Process, System};
use crate::engine::{StageError, Task};

/// A call of a function that nobody provides.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the module called the import {0}, which nobody provides")]
pub struct StubCalled(String);

/// Who provides the module's imports.
pub struct Provision {
    /// Present if the module imports anything of WASI.
    system: Option<System>,
    /// `module.name`, sorted.
    stubs: Vec<String>,
}

/// An import of the module.
struct Import {
    module: String,
    name: String,
}

impl Provision {
    /// Reads the module's imports. What cannot be read imports nothing here and fails in stage `validate`.
    pub fn of(module: &[u8]) -> Self {
        let imports = imports(module);
        let system = imports.iter().any(|import| System::has_namespace(&import.module)).then(System::new);
        let mut stubs = BTreeSet::new();
        for import in imports {
            if system.as_ref().is_some_and(|system| system.provides(&import.module, &import.name)) {
                continue;
            }
            stubs.insert(format!("{}.{}", import.module, import.name));
        }
        Self { system, stubs: stubs.into_iter().collect() }
    }

    /// All stubs, as `module.name`, sorted.
    pub fn stubs(&self) -> &[String] {
        &self.stubs
    }

    /// Fills a store with everything the module imports.
    pub fn fill(
        &self,
        store: &mut Store,
        module: &Module,
        name: &str,
        task: &Task,
    ) -> Result<(Imports, Option<Process>), StageError> {
        let (mut imports, process) = match &self.system {
            Some(system) => {
                let (process, imports) = system.process(store, module, name, task)?;
                (imports, Some(process))
            }
            None => (Imports::new(), None),
        };
        for import in module.imports() {
            if !imports.exists(import.module(), import.name()) {
                let stub = stub(store, import.module(), import.name(), import.ty())?;
                imports.define(import.module(), import.name(), stub);
            }
        }
        Ok((imports, process))
    }
}

/// The module's imports, as far as they can be read.
fn imports(module: &[u8]) -> Vec<Import> {
    for payload in Parser::new(0).parse_all(module) {
        let Ok(Payload::ImportSection(section)) = payload else {
            if payload.is_err() {
                return Vec::new();
            }
            continue;
        };
        return section
            .into_imports()
            .map_while(Result::ok)
            .map(|import| Import { module: import.module.to_owned(), name: import.name.to_owned() })
            .collect();
    }
    Vec::new()
}

/// Something of the right type: a function that traps, or an empty memory, table, global or tag.
fn stub(store: &mut Store, module: &str, name: &str, ty: &ExternType) -> Result<wasmer::Extern, StageError> {
    let failed = |error: &dyn fmt::Display| {
        StageError::Failed(format!("no stand-in for the import {module}.{name} can be made: {error}"))
    };
    Ok(match ty {
        ExternType::Function(ty) => {
            let called: Arc<StubCalled> = Arc::new(StubCalled(format!("{module}.{name}")));
            let trap = move |_: &[Value]| Err(RuntimeError::user(Box::new(StubCalled::clone(&called))));
            Function::new(store, ty.clone(), trap).into()
        }
        ExternType::Memory(ty) => Memory::new(store, *ty).map_err(|error| failed(&error))?.into(),
        ExternType::Table(ty) => {
            let empty = null(ty.ty);
            Table::new(store, *ty, empty).map_err(|error| failed(&error))?.into()
        }
        ExternType::Global(ty) => match ty.mutability {
            Mutability::Const => Global::new(store, null(ty.ty)).into(),
            Mutability::Var => Global::new_mut(store, null(ty.ty)).into(),
        },
        ExternType::Tag(ty) => Tag::new(store, ty.params.clone()).into(),
    })
}

/// Zero, or no reference.
fn null(ty: Type) -> Value {
    match ty {
        Type::I32 => Value::I32(0),
        Type::I64 => Value::I64(0),
        Type::F32 => Value::F32(0.0),
        Type::F64 => Value::F64(0.0),
        Type::V128 => Value::V128(0),
        Type::ExternRef => Value::ExternRef(None),
        Type::FuncRef => Value::FuncRef(None),
        Type::ExceptionRef => Value::ExceptionRef(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_provides_is_listed_sorted_and_once() {
        let module = wat::parse_str(
            r#"(module
                (import "env" "write" (func)) (import "env" "read" (func)) (import "env" "read" (func (param i32)))
                (import "env" "memory" (memory 1))
                (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
                (import "wasi_snapshot_preview1" "fd_dance" (func)))"#,
        )
        .unwrap();
        let provision = Provision::of(&module);
        assert_eq!(provision.stubs(), ["env.memory", "env.read", "env.write", "wasi_snapshot_preview1.fd_dance"]);
    }

    #[test]
    fn what_is_no_module_imports_nothing() {
        for bytes in [&b""[..], b"\0asm", b"(module)", &[0xff; 64]] {
            assert!(Provision::of(bytes).stubs().is_empty());
        }
    }
}
