//! The text that `tollgate init` writes.

use proptest::prelude::*;

use crate::config::init::{FoundModule, find_modules, render};
use crate::model::Run;

use super::*;

fn project() -> Folder {
    Folder::new()
        .wat("lib/math.wasm", "(module (func (export \"fib\") (param i32) (result i32) i32.const 0) (func (export \"init\")) (func (export \"v\") (param v128)))")
        .wat("my tools/wc.wasm", "(module (import \"wasi_snapshot_preview1\" \"x\" (func)) (func (export \"_start\")))")
        .file("other/math.wasm", EMPTY_MODULE)
        .file("described/sample.yml", "module: d.wasm\n")
        .file("described/d.wasm", EMPTY_MODULE)
        .file("broken/zero.wasm", "")
        .file("target/x.wasm", EMPTY_MODULE)
        .file("node_modules/x.wasm", EMPTY_MODULE)
        .file(".git/x.wasm", EMPTY_MODULE)
}

#[test]
fn the_text_teaches_and_loads() {
    let folder = project();
    let text = render(&find_modules(&folder.path()));
    assert_eq!(text, include_str!("first.yml"));
    let config = folder.load(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(ids(&config), ["a", "described", "math", "other-math", "wc"]);
    assert_eq!(config.warnings, Vec::<String>::new());
    assert!(matches!(config.samples[4].run, Run::Wasi { .. }));
}

#[test]
fn removing_the_comment_signs_changes_nothing() {
    let folder = project();
    let text = render(&find_modules(&folder.path()));
    let spelled: Vec<_> = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(yaml) if yaml.starts_with("  ") || yaml.starts_with(|c: char| c.is_ascii_alphabetic()) => yaml,
            _ => line,
        })
        .collect();
    assert!(spelled.len() > 30);
    let written = folder.load(&text).unwrap();
    let mut spelled = folder.load(&spelled.join("\n")).unwrap_or_else(|error| panic!("{error}"));
    let defaults = written.thresholds.len();
    assert_eq!(spelled.thresholds.len(), 2 * defaults, "every default rule is spelled out");
    for (own, default) in spelled.thresholds.split_off(defaults).into_iter().zip(&written.thresholds) {
        assert_eq!(ThresholdRule { origin: default.origin.clone(), ..own }, *default);
    }
    assert_eq!(spelled, written);
}

#[test]
fn without_modules_the_text_says_what_is_missing() {
    let folder = Folder::new();
    fs::remove_file(folder.path().join("a.wasm")).unwrap();
    let text = render(&find_modules(&folder.path()));
    assert_eq!(
        folder.error(&text),
        "tollgate.yml:8:1: `samples` needs at least one entry: a sample file, a module, a folder or a glob"
    );
}

#[test]
fn many_modules_are_cut_off_aloud() {
    let found: Vec<_> = (0..105).map(|n| FoundModule::Described(PathBuf::from(format!("s{n}/sample.yml")))).collect();
    let text = render(&found);
    assert!(text.contains("  - s99/sample.yml\n  # 5 more were found; list them, or use a glob.\n"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn any_file_name_survives_the_round_trip(names in prop::collection::btree_set("[^/\0]{1,20}", 1..4)) {
        let folder = Folder(tempfile::tempdir().unwrap());
        for name in &names {
            fs::write(folder.path().join(format!("{name}.wasm")), EMPTY_MODULE).unwrap();
        }
        let found = find_modules(&folder.path());
        let text = render(&found);
        let shown = found.iter().filter(|module| matches!(module, FoundModule::Bare { .. })).count();
        prop_assert_eq!(shown, names.iter().filter(|name| !name.starts_with('.')).count());
        match folder.load(&text) {
            Ok(config) => prop_assert_eq!(config.samples.len(), shown),
            Err(error) => prop_assert!(shown == 0, "{}\n{}", error, text),
        }
    }
}
