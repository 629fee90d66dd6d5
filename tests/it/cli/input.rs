//! Bad input: each is refused before anything is measured, with its position and what to do about it.

use std::fs;

use super::{CALL, Ended, Project, exists, module};

/// A run that must come to nothing.
#[track_caller]
fn refused(project: &Project, words: &[&str]) -> Ended {
    let ended = project.run(&[]);
    ended.refuses(words);
    assert!(!exists(&project.work("tollgate-out")), "nothing was to be measured: {ended}");
    ended
}

#[test]
fn what_is_no_module_is_refused_with_its_line() {
    let project = Project::new();
    project.write("text.wasm", "hello");
    project.write("empty.wasm", "");
    // The magic number with the version of a component.
    project.write("component.wasm", b"\0asm\x0d\0\x01\0");
    fs::create_dir(project.work("folder.wasm")).unwrap();
    let cases = [
        ("text", "`text.wasm` is not a WebAssembly module"),
        ("empty", "`empty.wasm` is empty (0 bytes)"),
        ("component", "component"),
        ("folder", "`folder.wasm` is a directory; name the .wasm file inside it"),
        ("absent", "`absent.wasm` does not exist; create it or correct the path"),
    ];
    for (name, words) in cases {
        project.samples(&format!("  - {{path: {name}.wasm, id: x}}"), "", "", "");
        refused(&project, &[&format!("tollgate.yml:3:12: `{name}.wasm` "), words]);
        project.tollgate(&["list"]).refuses(&[words]);
    }
}

#[test]
fn all_problems_of_a_configuration_come_at_once_with_line_and_column() {
    let project = Project::new();
    let samples = "  - {path: tiny.wasm, id: tiny, teir: smoke}\n  - {path: tiny.wasm, id: tiny}\n  - absent.wasm";
    project.samples(samples, "", "", "fail-on: [regresed]\nthreshold: []\nlimits: {deadline: soon}");
    refused(
        &project,
        &[
            "problems in tollgate.yml",
            "tollgate.yml:3:33: unknown key `teir`",
            "tollgate.yml:4:27: the id `tiny` (tiny.wasm) is taken by the sample at tollgate.yml:3:27",
            "tollgate.yml:5:5: `absent.wasm` does not exist",
            "tollgate.yml:12:11: unknown verdict `regresed`; did you mean `regressed`?",
            "tollgate.yml:13:1: unknown key `threshold` in the configuration; did you mean `thresholds`?",
            "tollgate.yml:14:20: `soon` is not a duration",
        ],
    );
}

#[test]
fn what_is_no_configuration_is_refused() {
    let project = Project::new();
    let cases: [(&[u8], &str); 7] = [
        (b"", "tollgate.yml"),
        (b"samples: [tiny.wasm]\n", "version"),
        (b"version: 9\nsamples: [tiny.wasm]\n", "tollgate.yml:1:10"),
        (b"version: 1\nsamples: {\n", "tollgate.yml:"),
        (b"version: 1\nversion: 1\nsamples: [tiny.wasm]\n", "tollgate.yml:2:1"),
        (b"version: 1\nsamples: [\"*.wat\"]\n", "`*.wat` matches no"),
        (b"version: 1\nsamples: [\xff]\n", "UTF-8"),
    ];
    for (text, words) in cases {
        project.write("tollgate.yml", text);
        refused(&project, &[words]);
    }
    fs::remove_file(project.work("tollgate.yml")).unwrap();
    refused(&project, &["no tollgate.yml in", "tollgate init", "--config"]);
    fs::create_dir(project.work("tollgate.yml")).unwrap();
    refused(&project, &["tollgate.yml"]);
}

#[test]
fn a_duplicate_id_names_both_places() {
    let project = Project::new();
    project.write("sub/tiny.wasm", module());
    project.samples("  - tiny.wasm\n  - sub/tiny.wasm", "", "", "");
    refused(
        &project,
        &[
            "tollgate.yml:4:5: the id `tiny` (sub/tiny.wasm) is taken by the sample at tollgate.yml:3:5",
            "another with `id:`",
        ],
    );
}

#[test]
fn a_baseline_that_cannot_be_used_stops_the_run_before_it_measures() {
    let project = Project::accepted();
    let path = project.baseline("alpha");
    let good = project.read(&path);
    let half = &good[..good.find("\n\n# The last line").unwrap()];
    let cut = &good[..good.len() / 2];
    let conflict = good.replace("changes:\n", "<<<<<<< ours\nchanges:\n=======\nchanges:\n>>>>>>> theirs\n");
    let cases: [(&str, &[&str]); 9] = [
        (
            &good.replace("version: 1", "version: 9"),
            &["alpha.yml:3:1: the file has format 9", "newer", "update Tollgate"],
        ),
        (&good.replace("version: 1", "version: 0"), &["alpha.yml:3:1: the file has format 0", "deleting the file"]),
        (half, &["the file is incomplete: its last line must be `end: true`"]),
        (cut, &["the file is incomplete: its last line must be `end: true`"]),
        ("", &["alpha.yml:1:1: "]),
        (&good.replace("runner:", "runer:"), &["alpha.yml:", "unknown field `runer`"]),
        (&good.replace("{bytes: 10000}", "{bytes: many}"), &["alpha.yml:30:32: invalid"]),
        (
            &good.replace("backend: alpha", "backend: beta"),
            &["the baseline of backend `beta`, in the place of the one of `alpha`"],
        ),
        (&conflict, &["alpha.yml:", "merge"]),
    ];
    fs::remove_dir_all(project.work("tollgate-out")).unwrap();
    for (text, words) in cases {
        project.write(&path, text);
        refused(&project, &["error: failed to use baseline ", "restore it from version control"]);
        refused(&project, words);
        // An update has read the file too, and does not paper over it.
        project.run(&["--update-baselines", "--reason", "x"]).refuses(words);
        assert_eq!(project.read(&path), text);
        project.tollgate(&["list"]).refuses(words);
        // A backend that is not selected is not read.
        project.tollgate(&["run", "--seed", "2", "--out", "other", "--backend", "beta"]).exits(0);
    }
    fs::remove_file(project.work(&path)).unwrap();
    fs::create_dir(project.work(&path)).unwrap();
    refused(&project, &["error: failed to read baseline ", "not a regular file"]);
}

#[test]
fn awkward_names_are_shown_on_one_line_and_change_nothing() {
    let project = Project::new();
    let names = ["my filter", "a\"b'c", "line\nbreak", "| *md* `x` <b>", "\u{1b}[31mred", "é\u{202e}x"];
    for name in names {
        project.write(&format!("{name}.wasm"), module());
        let quoted = serde_json::to_string(&format!("{name}.wasm")).unwrap();
        // As a bare module, its name is no id; as a mapping with an id, it is a module as any other.
        project.samples(&format!("  - {quoted}"), "", "", "");
        let ended = refused(&project, &["tollgate.yml:3:5: ", "list it as a mapping with an id of its own"]);
        assert_eq!(ended.stderr.lines().count(), 1, "{ended}");
        assert!(!ended.stderr.trim_end().contains(|c: char| c.is_control() || c == '\u{202e}'), "{ended}");
        project.samples(&format!("  - {{path: {quoted}, id: x, {CALL}}}"), "", "", "");
        project.run(&["--format", "markdown"]).exits(0).says(&["**0** regressed · **22** new"]);
        fs::remove_dir_all(project.work("tollgate-out")).unwrap();
    }
    for id in ["a b", "a\"b", "a\nb", "|x|", "", "*", "é", "../x"] {
        let quoted = serde_json::to_string(id).unwrap();
        project.samples(&format!("  - {{path: tiny.wasm, id: {quoted}}}"), "", "", "");
        refused(&project, &["tollgate.yml:3:"]);
    }
}

#[test]
fn hostile_words_of_a_worker_and_a_description_stay_words() {
    let project = Project::new();
    let description = r##""<b>|\n# x\e[31m""##;
    let sample = format!("  - {{path: tiny.wasm, id: tiny, description: {description}, {CALL}}}");
    project.samples(&sample, "--complain, compile, --exit, serialize", "--nonsense, execute", "");
    let text = project.run(&["--verbose"]);
    text.exits(3).says(&[r"\u{1b}[31mthe last words", r"\u{1b}[31mfine"]);
    for format in ["text", "markdown", "json"] {
        let shown = project.tollgate(&["report", "tollgate-out", "--format", format]);
        assert!(!shown.exits(0).stdout.contains(|c: char| c.is_control() && c != '\n'), "{shown}");
        assert!(format == "json" || !shown.stdout.contains("<b>"), "{shown}");
    }
}
