//! `tollgate init`: what it finds, what it writes, what it leaves alone.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::{Project, exists, module};

#[test]
fn modules_with_awkward_names_are_listed_under_ids() {
    let project = Project::empty();
    let names = [
        "my filter",
        "a\"b",
        "line\nbreak",
        "| *md* `x` <b>",
        "-lead",
        "é",
        "yes",
        "1",
        "# hash",
        "{a}",
        "plain",
        "sub/plain",
        "node_modules/dependency",
        ".hidden/module",
    ];
    names.iter().for_each(|name| project.write(&format!("{name}.wasm"), module()));
    project.write("empty.wasm", "");
    project.write("text.wasm", "hello");
    project.write("notes.txt", "hello");
    fs::create_dir(project.work("folder.wasm")).unwrap();
    fs::write(project.work("").join(OsStr::from_bytes(b"\xff.wasm")), module()).unwrap();

    let ended = project.tollgate(&["init", "--no-baseline"]);
    ended.exits(0).warns(&["wrote ./tollgate.yml with 12 samples", "next: tollgate run --update-baselines"]);
    assert_eq!(ended.stdout, "");
    let text = project.read("tollgate.yml");
    for words in ["# Left out: empty.wasm is empty", "# Left out: text.wasm is not a WebAssembly module", "not UTF-8"] {
        assert!(text.contains(words), "no `{words}` in {text}");
    }
    assert!(text.contains("# call: {export: run, args: [], expect: [\"i32:0\"]}"), "{text}");
    // Every one of them can be loaded again, and none under a hidden folder or among dependencies is there.
    let list = project.tollgate(&["list"]);
    list.exits(0).says(&["12 samples × 3 backends", "my-filter ", "line-break ", "sub-plain "]);
    assert!(!list.stdout.contains("dependency") && !list.stdout.contains("hidden"), "{list}");
    assert_eq!(list.stderr, "", "and nothing about it is worth a warning");
}

#[test]
fn a_folder_without_modules_gets_no_configuration() {
    let project = Project::empty();
    project.write("text.wasm", "hello");
    project.tollgate(&["init"]).refuses(&["found no .wasm file below .", "tollgate init DIR"]);
    project.tollgate(&["init", "absent"]).refuses(&["below absent"]);
    assert!(!exists(&project.work("tollgate.yml")));
}

#[test]
fn a_configuration_that_is_there_is_left_alone() {
    let project = Project::new();
    let before = project.read("tollgate.yml");
    project.tollgate(&["init"]).refuses(&[
        "failed to create ./tollgate.yml",
        "edit it or remove it first",
        "File exists",
    ]);
    assert_eq!(project.read("tollgate.yml"), before);
    std::os::unix::fs::symlink("nowhere", project.work("sub.yml")).unwrap();
    fs::rename(project.work("sub.yml"), project.work("tollgate.yml")).unwrap();
    project.tollgate(&["init"]).refuses(&["failed to create ./tollgate.yml"]);
    assert!(!exists(&project.work("nowhere")), "a link is not followed");
    assert!(!exists(&project.work("tollgate-out")));
}
