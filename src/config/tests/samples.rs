//! The `samples` section, sample files and modules.

use crate::model::sample::RunFiles;
use crate::model::{Run, Tier, Value};

use super::*;

const ADD: &str = "(module (func (export \"add\") (param i32 i32) (result i32) i32.const 0))";
const COMMAND: &str =
    "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func (param i32))) (func (export \"_start\")))";

#[test]
fn every_kind_of_entry_is_found() {
    let folder = Folder::new()
        .wat("samples/add/add.wasm", ADD)
        .file(
            "samples/add/sample.yml",
            "description: adds\ntier: smoke\ncall: {export: add, args: [i32:1, \"i32:-2\"], expect: ['i32:0']}\n\
             source: {language: WAT, path: add.wat, licence: MIT, toolchain: wat 1, build: cargo xtask samples}\n",
        )
        .wat("samples/cat/other.wasm", COMMAND)
        .file("samples/cat/in.txt", "")
        .file(
            "samples/cat/sample.yml",
            "id: cat+1\nmodule: other.wasm\nwasi: {args: [-n], stdin: in.txt, stdout: ../../out.txt, exit-code: 3}\n",
        )
        .file("out.txt", "")
        .file("vendor/one.wasm", EMPTY_MODULE)
        .wat("vendor/two.wasm", COMMAND)
        .file("plugins/my filter.wasm", EMPTY_MODULE)
        .file("bare/x.wasm", EMPTY_MODULE)
        .file("bare/notes.txt", "")
        .file("fib.yml", "module: a.wasm\n");
    let config = folder
        .load(
            "\
version: 1
samples:
  - samples/*/sample.yml
  - vendor/*.wasm
  - bare
  - fib.yml
  - path: plugins/my filter.wasm
    id: my-filter
    tier: full
",
        )
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(ids(&config), ["add", "cat+1", "fib", "my-filter", "one", "two", "x"]);
    let root = folder.path();
    let [add, cat, fib, filter, one, two, _] = &config.samples[..] else { panic!("{:?}", config.samples) };
    assert_eq!(add.description.as_deref(), Some("adds"));
    assert_eq!(add.tier, Tier::Smoke);
    assert_eq!(
        add.run,
        Run::Call { export: "add".to_owned(), args: vec![Value::I32(1), Value::I32(-2)], expect: vec![Value::I32(0)] }
    );
    assert_eq!(cat.module, root.join("samples/cat/other.wasm"));
    assert_eq!(
        cat.run,
        Run::Wasi {
            args: vec!["-n".to_owned()],
            stdin: Some(root.join("samples/cat/in.txt")),
            stdout: Some(root.join("out.txt")),
            exit_code: 3
        }
    );
    // SHA-256 of nothing.
    let empty = Some("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned());
    assert_eq!(cat.run_files, RunFiles { stdin: empty.clone(), stdout: empty });
    assert_eq!(add.run_files, RunFiles::default());
    assert_eq!(fib.module, root.join("a.wasm"));
    assert_eq!((filter.tier, &filter.module), (Tier::Full, &root.join("plugins/my filter.wasm")));
    assert_eq!((one.tier, &one.run), (Tier::Pr, &Run::Nothing));
    assert_eq!(two.run, Run::Wasi { args: Vec::new(), stdin: None, stdout: None, exit_code: 0 });
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn a_described_module_is_not_a_second_sample() {
    let folder = Folder::new().file("s/x/x.wasm", EMPTY_MODULE).file("s/x/sample.yml", "tier: pr\n");
    let config = folder.load("version: 1\nsamples: [\"**/*.wasm\", s/x, s/*, \"s/*/sample.yml\", a.wasm]\n").unwrap();
    assert_eq!(ids(&config), ["a", "x"]);
    assert_eq!(config.samples[1].module, folder.path().join("s/x/x.wasm"));
    // One module may be described twice, to be run in two ways.
    let twice = "version: 1\nsamples:\n  - {path: a.wasm, id: one}\n  - {path: a.wasm, id: two}\n  - a.wasm\n";
    assert_eq!(ids(&folder.load(twice).unwrap()), ["one", "two"]);
}

#[test]
fn globs_reach_upwards_skip_hidden_files_and_tell_what_they_cannot_use() {
    let folder = Folder::new()
        .file("work/tollgate.yml", "version: 1\nsamples:\n  - ../s/*\n")
        .file("work/hidden.yml", "version: 1\nsamples:\n  - ../s/.h*/*.wasm\n  - '**/{c,none}.wasm'\n")
        .file("work/x/y/c.wasm", EMPTY_MODULE)
        .file("s/b.wasm", EMPTY_MODULE)
        .file("s/.hidden/h.wasm", EMPTY_MODULE)
        .file("s/readme.md", "")
        .file("s/empty/readme.md", "");
    let config = load(&folder.path().join("work/tollgate.yml")).unwrap();
    assert_eq!(ids(&config), ["b"]);
    assert_eq!(
        config.warnings,
        [
            "tollgate.yml:3:5: `../s/*` also matches `../s/empty`, `../s/readme.md`, skipped: neither a sample file, nor a \
          .wasm file, nor a folder with one"
        ]
    );
    assert_eq!(ids(&load(&folder.path().join("work/hidden.yml")).unwrap()), ["c", "h"]);
}

#[test]
fn a_name_with_glob_characters_is_taken_as_it_stands_where_it_exists() {
    let folder = Folder::new().file("x[1].wasm", EMPTY_MODULE).file("x1.wasm", EMPTY_MODULE);
    assert_eq!(
        folder.error("version: 1\nsamples: ['x[1].wasm']\n"),
        "tollgate.yml:2:11: `x[1].wasm` gives the id `x[1]`: an id consists of ASCII letters, digits, `.`, `_`, `-`, `+` and `/`; it must not contain '['; list it as a mapping with an id of its own: - {path: …, id: x-1}"
    );
    fs::remove_file(folder.path().join("x[1].wasm")).unwrap();
    assert_eq!(ids(&folder.load("version: 1\nsamples: ['x[1].wasm']\n").unwrap()), ["x1"]);
}

#[test]
fn duplicate_ids_name_both_places() {
    let folder = Folder::new()
        .file("b/a.wasm", EMPTY_MODULE)
        .file("x/sample.yml", "id: a\nmodule: ../a.wasm\n")
        .file("y/sample.yml", "tier: pr\nid: a\nmodule: ../b/a.wasm\n");
    assert_eq!(
        folder.error("version: 1\nsamples: [a.wasm, b/a.wasm]\n"),
        "tollgate.yml:2:19: the id `a` (b/a.wasm) is taken by the sample at tollgate.yml:2:11 (a.wasm); give one of them another with `id:`"
    );
    assert_eq!(
        folder.error("version: 1\nsamples: ['*/sample.yml']\n"),
        "y/sample.yml:2:5: the id `a` (b/a.wasm) is taken by the sample at x/sample.yml:1:5 (a.wasm); give one of them another with `id:`"
    );
}

#[test]
fn names_that_are_no_ids_are_refused_with_a_suggestion() {
    let folder = Folder::new()
        .file("my filter.wasm", EMPTY_MODULE)
        .file("q/\"quoted\".wasm", EMPTY_MODULE)
        .file("n/new\nline.wasm", EMPTY_MODULE)
        .file("m/**bold**.wasm", EMPTY_MODULE)
        .file("odd one/sample.yml", "module: ../a.wasm\n");
    let error = |entry: &str| folder.error(&format!("version: 1\nsamples:\n  - {entry}\n"));
    assert_eq!(
        error("my filter.wasm"),
        "tollgate.yml:3:5: `my filter.wasm` gives the id `my filter`: an id consists of ASCII letters, digits, `.`, `_`, `-`, `+` and `/`; it must not contain ' '; list it as a mapping with an id of its own: - {path: …, id: my-filter}"
    );
    assert_eq!(
        error("q"),
        "tollgate.yml:3:5: `q/\"quoted\".wasm` gives the id `\"quoted\"`: an id starts with a letter or a digit, not with '\"'; list it as a mapping with an id of its own: - {path: …, id: quoted}"
    );
    assert_eq!(
        error("n"),
        "tollgate.yml:3:5: `n/new\\nline.wasm` gives the id `new\\nline`: an id consists of ASCII letters, digits, `.`, `_`, `-`, `+` and `/`; it must not contain '\\n'; list it as a mapping with an id of its own: - {path: …, id: new-line}"
    );
    assert_eq!(
        error("m"),
        "tollgate.yml:3:5: `m/**bold**.wasm` gives the id `**bold**`: an id starts with a letter or a digit, not with '*'; list it as a mapping with an id of its own: - {path: …, id: bold}"
    );
    assert_eq!(
        error("odd one"),
        "odd one/sample.yml:1:1: the name `odd one` is no id: an id consists of ASCII letters, digits, `.`, `_`, `-`, `+` and `/`; it must not contain ' '; add `id: odd-one`"
    );
    assert_eq!(
        error("{path: my filter.wasm}"),
        "tollgate.yml:3:5: the name `my filter` is no id: an id consists of ASCII letters, digits, `.`, `_`, `-`, `+` and `/`; it must not contain ' '; add `id: my-filter`"
    );
    assert_eq!(
        error("{path: a.wasm, id: \"a|b\\n\"}"),
        "tollgate.yml:3:24: `a|b\\n` is no id: an id consists of ASCII letters, digits, `.`, `_`, `-`, `+` and `/`; it must not contain '|'; for example a-b"
    );
}

#[test]
fn wrong_entries_are_refused() {
    let folder = Folder::new()
        .file("empty.wasm", "")
        .file("text.wat", "(module)")
        .file("component.wasm", b"\0asm\x0d\0\x01\0")
        .file("nothing/here.txt", "");
    let error = |entry: &str| folder.error(&format!("version: 1\nsamples:\n  - {entry}\n"));
    assert_eq!(
        error("vendor/*.wasm"),
        "tollgate.yml:3:5: `vendor/*.wasm` matches no sample file, no .wasm file and no folder with one; correct or remove it (paths are relative to the file they stand in)"
    );
    assert_eq!(
        error("'[z.wasm'"),
        "tollgate.yml:3:5: `[z.wasm` is not a glob: unclosed character class; missing ']'; correct it"
    );
    assert_eq!(error("none.wasm"), "tollgate.yml:3:5: `none.wasm` does not exist; create it or correct the path");
    assert_eq!(error("empty.wasm"), "tollgate.yml:3:5: `empty.wasm` is empty (0 bytes); build it again");
    assert_eq!(
        error("text.wat"),
        "tollgate.yml:3:5: `text.wat` is not a WebAssembly module: it does not begin with \\0asm; it looks like the text format: convert it first, for example with `wat2wasm`"
    );
    assert_eq!(
        error("component.wasm"),
        "tollgate.yml:3:5: `component.wasm` is a WebAssembly component; Tollgate measures core modules: take the one inside it, for example with `wasm-tools component unbundle`"
    );
    assert_eq!(
        error("nothing"),
        "tollgate.yml:3:5: the folder `nothing` holds neither a sample.yml nor a .wasm file; add one of them"
    );
    assert_eq!(
        error("'*.txt'"),
        "tollgate.yml:3:5: `*.txt` matches no sample file, no .wasm file and no folder with one; correct or remove it (paths are relative to the file they stand in)"
    );
    assert_eq!(
        error("''"),
        "tollgate.yml:3:5: an entry of `samples` is empty; name a sample file, a module, a folder or a glob"
    );
    assert_eq!(
        error("[a.wasm]"),
        "tollgate.yml:3:5: an entry of `samples` must be a path, a glob or a mapping, not a list"
    );
    assert_eq!(error("~"), "tollgate.yml:3:5: an entry of `samples` must be a path, a glob or a mapping, not nothing");
    assert_eq!(error("{id: a}"), "tollgate.yml:3:5: a sample has no `path`; name its module, relative to this file");
    assert_eq!(
        error("{path: nothing, id: a}"),
        "tollgate.yml:3:12: `nothing` is a directory; name the .wasm file inside it"
    );
    assert_eq!(error("{path: [a.wasm]}"), "tollgate.yml:3:12: `path` must be a text or number, not a list");
    assert_eq!(
        error("{path: a.wasm, module: b.wasm}"),
        "tollgate.yml:3:20: unknown key `module` in a sample; known here: path, id, description, tier, call, wasi, source"
    );
}

#[test]
fn wrong_descriptions_are_refused() {
    let folder = Folder::new();
    let error = |keys: &str| folder.error(&format!("version: 1\nsamples:\n  - {{path: a.wasm, {keys}}}\n"));
    assert_eq!(error("tier: fast"), "tollgate.yml:3:26: unknown tier `fast`; known: smoke, pr, full");
    assert_eq!(
        error("call: {export: f}, wasi: {}"),
        "tollgate.yml:3:39: `call` and `wasi` are both given; keep the one that runs this module"
    );
    assert_eq!(error("call: {}"), "tollgate.yml:3:26: `call` has no `export`; name the exported function to call");
    assert_eq!(
        error("call: f"),
        "tollgate.yml:3:26: `call` must be a mapping with keys out of export, args, expect, not a text or number"
    );
    assert_eq!(
        error("call: {export: f, args: [i32:x]}"),
        "tollgate.yml:3:45: `i32:x` is not a value; write i32:20, i64:-1, f32:0.5 or f64:1e3"
    );
    assert_eq!(
        error("call: {export: f, args: [20]}"),
        "tollgate.yml:3:45: `20` is not a value; write i32:20, i64:-1, f32:0.5 or f64:1e3"
    );
    assert_eq!(
        error("call: {export: f, expect: i32:1}"),
        "tollgate.yml:3:46: `expect` must be a list such as [one, two], not a text or number"
    );
    assert_eq!(
        error("call: {export: f, expects: []}"),
        "tollgate.yml:3:38: unknown key `expects` in `call`; did you mean `expect`? known here: export, args, expect"
    );
    assert_eq!(
        error("wasi: {stdin: none.txt}"),
        "tollgate.yml:3:34: the `stdin` file `none.txt` does not exist; create it or correct the path"
    );
    assert_eq!(error("wasi: {stdout: .}"), "tollgate.yml:3:35: the `stdout` file `.` is not a regular file; name one");
    assert_eq!(error("wasi: {exit-code: ok}"), "tollgate.yml:3:38: `ok` is not an exit code; write a number such as 0");
    assert_eq!(
        error("wasi: {args: [[a]]}"),
        "tollgate.yml:3:34: an entry of `args` must be a text or number, not a list; quote it if it is one"
    );
    assert_eq!(
        error("source: {license: MIT}"),
        "tollgate.yml:3:29: unknown key `license` in `source`; did you mean `licence`? known here: language, path, licence, toolchain, build"
    );
    assert_eq!(
        error("source: MIT"),
        "tollgate.yml:3:28: `source` must be a mapping with keys out of language, path, licence, toolchain, build, not a text or number"
    );
    assert_eq!(error("id: [a]"), "tollgate.yml:3:24: `id` must be a text or number, not a list");
}

#[test]
fn wrong_sample_files_are_refused_in_their_own_place() {
    let error = |content: &str| Folder::new().file("s/f/sample.yml", content).error("version: 1\nsamples: ['s/*']\n");
    assert_eq!(
        error(""),
        "s/f/sample.yml:1:1: the file is empty; describe the sample (docs/configuration.md), or delete the file to use the folder's .wasm files as they are"
    );
    assert_eq!(
        error("tier: pr\n"),
        "s/f/sample.yml:1:1: `s/f/f.wasm` does not exist; create it or correct the path; or name the module with `module:`"
    );
    assert_eq!(
        error("module: g.wasm\ntier: full\n"),
        "s/f/sample.yml:1:9: `s/f/g.wasm` does not exist; create it or correct the path"
    );
    assert_eq!(error("modul: ../../a.wasm\n"), "\
2 problems in tollgate.yml and what it names:
  s/f/sample.yml:1:1: `s/f/f.wasm` does not exist; create it or correct the path; or name the module with `module:`
  s/f/sample.yml:1:1: unknown key `modul` in a sample file; did you mean `module`? known here: id, description, module, tier, call, wasi, source");
    assert_eq!(error("tier: [\n"), "s/f/sample.yml:1:7: not valid YAML: unclosed bracket '['");
    assert_eq!(
        error("- tier\n"),
        "s/f/sample.yml:1:1: a sample file must be a mapping with keys out of id, description, module, tier, call, wasi, source, not a list"
    );
    assert_eq!(
        error("path: ../../a.wasm\nmodule: ../../a.wasm\n"),
        "s/f/sample.yml:1:1: unknown key `path` in a sample file; known here: id, description, module, tier, call, wasi, source"
    );
}

#[test]
fn calls_that_the_module_cannot_take_are_warned_of() {
    let folder = Folder::new().wat("add.wasm", ADD);
    let config = folder
        .load(
            "\
version: 1
samples:
  - {path: add.wasm, id: one, call: {export: ad}}
  - {path: add.wasm, id: two, call: {export: add, args: [\"i32:1\", \"i64:1\"]}}
  - {path: a.wasm, id: three, call: {export: add}}
",
        )
        .unwrap();
    assert_eq!(
        config.warnings,
        [
            "tollgate.yml:3:46: the module exports no function `ad`; did you mean `add`? it exports `add`",
            "tollgate.yml:4:46: `add` takes (i32, i32), and `args` has (i32, i64); correct `args`",
            "tollgate.yml:4:46: `add` gives (i32), and `expect` has (); correct `expect`",
            "tollgate.yml:5:46: the module exports no function `add`; it exports no function at all",
        ]
    );
}

#[test]
fn a_truncated_module_is_a_sample() {
    let whole = wat::parse_str(COMMAND).unwrap();
    let folder = Folder::new().file("t.wasm", &whole[..whole.len() - 2]);
    let config = folder.load("version: 1\nsamples: [t.wasm]\n").unwrap();
    assert_eq!(config.samples[0].run, Run::Nothing);
}
