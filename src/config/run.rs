//! How a sample is run: `call` and `wasi`, with the files they name.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::model::Run;
use crate::model::sample::{RunFiles, Value};

use super::module::{Interface, sha256, unreadable};
use super::problem::{Place, Problems, did_you_mean, escaped, shown};
use super::raw::Node;
use super::reader::Keys;

pub(super) const CALL_KEYS: &[&str] = &["export", "args", "expect"];
pub(super) const WASI_KEYS: &[&str] = &["args", "stdin", "stdout", "exit-code"];

/// What a module can do without being told how: WASI commands run, others are not executed.
pub(super) fn by_itself(interface: Option<&Interface>) -> Run {
    if interface.is_some_and(|interface| interface.wasi_command) {
        Run::Wasi { args: Vec::new(), stdin: None, stdout: None, exit_code: 0 }
    } else {
        Run::Nothing
    }
}

/// Reads `call` and `wasi`, of which one may be there, and the files that they name. Paths are relative to `folder` and shown relative to `root`.
pub(super) fn read(
    keys: &mut Keys,
    interface: Option<&Interface>,
    folder: &Path,
    root: &Path,
    problems: &mut Problems,
) -> (Run, RunFiles) {
    let both = keys.has("call") && keys.has("wasi");
    let call = keys.take("call").map(|(_, node)| call(node, interface, problems));
    let wasi = keys.take("wasi").map(|(place, node)| (place, wasi(node, folder, root, problems)));
    match (call, wasi) {
        (_, Some((place, _))) if both => {
            problems.error(&place, "`call` and `wasi` are both given; keep the one that runs this module");
            (Run::Nothing, RunFiles::default())
        }
        (None, Some((_, run))) => run.unwrap_or((Run::Nothing, RunFiles::default())),
        (Some(run), _) => (run.unwrap_or(Run::Nothing), RunFiles::default()),
        (None, None) => (by_itself(interface), RunFiles::default()),
    }
}

fn call(node: Node, interface: Option<&Interface>, problems: &mut Problems) -> Option<Run> {
    let mut keys = Keys::new(node, "`call`", CALL_KEYS, problems)?;
    if !keys.has("export") {
        problems.error(&keys.place, "`call` has no `export`; name the exported function to call");
    }
    let export = keys.text("export", problems);
    let args = values(&mut keys, "args", problems);
    let expect = values(&mut keys, "expect", problems);
    keys.finish(problems);
    let (place, export) = export?;
    if let Some(interface) = interface {
        compare(interface, (&place, &export), &args, &expect, problems);
    }
    Some(Run::Call { export, args, expect })
}

/// Numbers with their types; wrong ones are recorded and left out.
fn values(keys: &mut Keys, key: &'static str, problems: &mut Problems) -> Vec<Value> {
    let texts = keys.texts(key, problems);
    texts.into_iter().filter_map(|(place, text)| problems.check(&place, Value::from_str(&text))).collect()
}

/// Warns of a call that the module cannot take. Not an error: the module may be what is wrong, and that costs its own
/// `execute` cells only.
fn compare(
    interface: &Interface,
    (place, export): (&Place, &str),
    args: &[Value],
    expect: &[Value],
    problems: &mut Problems,
) {
    let Some(function) = interface.functions.iter().find(|function| function.name == export) else {
        let names: Vec<_> = interface.functions.iter().map(|function| function.name.as_str()).collect();
        // A module may export thousands; a handful shows the style of the names.
        let some: Vec<_> = names.iter().take(8).map(|name| format!("`{}`", escaped(name))).collect();
        let list = if some.is_empty() { "no function at all".to_owned() } else { some.join(", ") };
        let more = if names.len() > 8 { format!(" and {} more", names.len() - 8) } else { String::new() };
        let suggestion = did_you_mean(export, &names);
        let message =
            format!("the module exports no function `{}`{suggestion} it exports {list}{more}", escaped(export));
        return problems.warn(place, message);
    };
    for (key, given, wanted) in [("args", args, &function.params), ("expect", expect, &function.results)] {
        let given: Vec<_> = given.iter().map(type_name).collect();
        if given != *wanted {
            let side = if key == "args" { "takes" } else { "gives" };
            let message = format!(
                "`{}` {side} ({}), and `{key}` has ({}); correct `{key}`",
                escaped(export),
                wanted.join(", "),
                given.join(", ")
            );
            problems.warn(place, message);
        }
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::I32(_) => "i32",
        Value::I64(_) => "i64",
        Value::F32(_) => "f32",
        Value::F64(_) => "f64",
    }
}

fn wasi(node: Node, folder: &Path, root: &Path, problems: &mut Problems) -> Option<(Run, RunFiles)> {
    let mut keys = Keys::or_empty(node, "`wasi`", WASI_KEYS, problems)?;
    let args = keys.texts("args", problems).into_iter().map(|(_, arg)| arg).collect();
    let (stdin, stdin_sha256) = file(&mut keys, "stdin", folder, root, problems).unzip();
    let (stdout, stdout_sha256) = file(&mut keys, "stdout", folder, root, problems).unzip();
    let exit_code = |text: &str| {
        text.parse::<i32>().map_err(|_| format!("`{}` is not an exit code; write a number such as 0", escaped(text)))
    };
    let exit_code = keys.parsed("exit-code", exit_code, problems).map_or(0, |(_, code)| code);
    keys.finish(problems);
    let files = RunFiles { stdin: stdin_sha256, stdout: stdout_sha256 };
    Some((Run::Wasi { args, stdin, stdout, exit_code }, files))
}

/// An existing regular file, as a canonical path, and its checksum.
fn file(
    keys: &mut Keys,
    key: &'static str,
    folder: &Path,
    root: &Path,
    problems: &mut Problems,
) -> Option<(PathBuf, String)> {
    let (place, text) = keys.text(key, problems)?;
    let path = folder.join(text);
    let checked = match path.metadata() {
        Err(error) => Err(unreadable(&error)),
        Ok(metadata) if !metadata.is_file() => Err("is not a regular file; name one".to_owned()),
        Ok(_) => {
            sha256(&path).and_then(|sha256| Ok((path.canonicalize()?, sha256))).map_err(|error| unreadable(&error))
        }
    };
    checked.map_err(|why| problems.absent(&place, &format!("the `{key}` file `{}`", shown(&path, root)), &why)).ok()
}
