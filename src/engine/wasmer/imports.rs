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
use wasmparser::{Parser, Payload, TypeRef};

use super::wasi::{Process, System};
use crate::engine::{StageError, Task};

/// Most names that a message lists.
const LISTED: usize = 8;

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
    /// Those of the stubs that are functions.
    functions: Vec<String>,
}

/// An import of the module.
struct Import {
    module: String,
    name: String,
    is_function: bool,
}

impl Provision {
    /// Reads the module's imports. What cannot be read imports nothing here and fails in stage `validate`.
    pub fn of(module: &[u8]) -> Self {
        let imports = imports(module);
        let system = imports.iter().any(|import| System::has_namespace(&import.module)).then(System::new);
        let mut stubs = BTreeSet::new();
        let mut functions = BTreeSet::new();
        for import in imports {
            if system.as_ref().is_some_and(|system| system.provides(&import.module, &import.name)) {
                continue;
            }
            let name = format!("{}.{}", import.module, import.name);
            if import.is_function {
                functions.insert(name.clone());
            }
            stubs.insert(name);
        }
        Self { system, stubs: stubs.into_iter().collect(), functions: functions.into_iter().collect() }
    }

    /// All stubs, as `module.name`, sorted.
    pub fn stubs(&self) -> &[String] {
        &self.stubs
    }

    /// Executing is only meaningful when every function is there.
    pub fn require_functions(&self) -> Result<(), StageError> {
        if self.functions.is_empty() {
            return Ok(());
        }
        let listed = self.functions.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = match self.functions.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Err(StageError::Unsupported(format!("imports that nobody provides: {listed}{more}")))
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
            .map(|import| Import {
                module: import.module.to_owned(),
                name: import.name.to_owned(),
                is_function: matches!(import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)),
            })
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
        assert_eq!(
            provision.require_functions(),
            Err(StageError::Unsupported(
                "imports that nobody provides: env.read, env.write, wasi_snapshot_preview1.fd_dance".to_owned()
            ))
        );
    }

    #[test]
    fn a_stubbed_memory_alone_does_not_hinder_execution() {
        let module = wat::parse_str(r#"(module (import "env" "memory" (memory 1)))"#).unwrap();
        let provision = Provision::of(&module);
        assert_eq!((provision.stubs().len(), provision.require_functions()), (1, Ok(())));
    }

    #[test]
    fn long_lists_are_cut() {
        let imports: String = (0..20).map(|n| format!(r#"(import "env" "f{n:02}" (func))"#)).collect();
        let provision = Provision::of(&wat::parse_str(format!("(module {imports})")).unwrap());
        let text = provision.require_functions().unwrap_err().to_string();
        assert!(text.ends_with("env.f07 and 12 more"), "{text}");
    }

    #[test]
    fn what_is_no_module_imports_nothing() {
        for bytes in [&b""[..], b"\0asm", b"(module)", &[0xff; 64]] {
            assert!(Provision::of(bytes).stubs().is_empty());
        }
    }
}
