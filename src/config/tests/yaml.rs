//! Files that are not YAML, or YAML that asks for trouble.

use proptest::prelude::*;

use super::*;

#[test]
fn oddities_are_refused_with_their_place() {
    let folder = Folder::new();
    let error = |text: &str| folder.error(text);
    assert_eq!(error(""), "tollgate.yml:1:1: the file is empty; delete it and run `tollgate init` to write one");
    assert_eq!(
        error("# only a comment\n"),
        "tollgate.yml:2:1: the file is empty; delete it and run `tollgate init` to write one"
    );
    assert_eq!(
        error("just text\n"),
        "tollgate.yml:1:1: the configuration must be a mapping with keys out of version, samples, engines, backends, reference, thresholds, layout-allowance, limits, fail-on, baselines, not a text or number"
    );
    assert_eq!(
        error("- a\n- b\n"),
        "tollgate.yml:1:1: the configuration must be a mapping with keys out of version, samples, engines, backends, reference, thresholds, layout-allowance, limits, fail-on, baselines, not a list"
    );
    assert_eq!(
        error("version: 1\nsamples: [a.wasm]\n---\nversion: 1\n"),
        "tollgate.yml:4:1: a second YAML document begins here; keep one document in a file"
    );
    assert_eq!(
        error("version: 1\nsamples: [a.wasm]\nversion: 1\n"),
        "tollgate.yml:3:1: the key `version` is here for the second time; keep one"
    );
    assert_eq!(error("version: 1\nsamples: [a.wasm\n"), "tollgate.yml:2:10: not valid YAML: unclosed bracket '['");
    assert_eq!(
        error("version: 1\n samples: [a.wasm]\n"),
        "tollgate.yml:2:9: not valid YAML: mapping values are not allowed in this context"
    );
    assert_eq!(
        error("version: 1\nsamples: [*nobody]\n"),
        "tollgate.yml:2:11: not valid YAML: reference to unknown value"
    );
    assert_eq!(
        error("version: 1\nsamples: !include [a.wasm]\n"),
        "tollgate.yml:2:19: the tag `!include` means nothing here; remove it"
    );
    assert_eq!(
        error("version: 1\nsamples: !mine [a.wasm]\n"),
        "tollgate.yml:2:16: the tag `!mine` means nothing here; remove it"
    );
    assert_eq!(
        error("version: \"1\nsamples: [a.wasm]\n"),
        "tollgate.yml:2:1: not valid YAML: invalid indentation in multiline quoted scalar"
    );
    assert_eq!(
        error("version: 1\nsamples: \0\n"),
        "tollgate.yml:2:10: not valid YAML: unexpected character: `\\\\u{0}'"
    );
    assert_eq!(
        error("version: 1\nsamples: [a.wasm]\n? [x]\n: 1\n"),
        "tollgate.yml:3:3: not valid YAML: expected string scalar"
    );
}

#[test]
fn alias_bombs_and_deep_nesting_are_refused() {
    let folder = Folder::new();
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (from, to) in ["a", "b", "c", "d", "e", "f", "g", "h"].iter().zip(["b", "c", "d", "e", "f", "g", "h", "i"]) {
        bomb.push_str(&format!("{to}: &{to} [{}]\n", vec![format!("*{from}"); 9].join(", ")));
    }
    assert_eq!(
        folder.error(&bomb),
        "tollgate.yml:6:16: too large or too deeply nested, counting what aliases stand for; simplify the file"
    );
    assert_eq!(folder.error(&"[".repeat(100_000)), "tollgate.yml:1:256: not valid YAML: recursion limit exceeded");
    assert_eq!(
        folder.error(&format!("{}1", "- ".repeat(100_000))),
        "tollgate.yml:1:33: too large or too deeply nested, counting what aliases stand for; simplify the file"
    );
}

#[test]
fn aliases_and_merges_work_within_reason() {
    let folder = Folder::new();
    let config = folder.load_in(
        "backends:\n  cranelift: &options {compiler: cranelift, canonicalize-nans: true}\n  other: *options\n  third: {<<: *options, opt-level: none}\n",
    );
    assert_eq!(config.backends.len(), 3);
    assert!(config.backends.iter().all(|backend| backend.options.canonicalize_nans));
    assert_eq!(
        folder.error_in("backends:\n  cranelift: &o {threads: 0}\n  llvm: *o\n"),
        "\
2 problems in tollgate.yml and what it names:
  tollgate.yml:4:27: `0` is not a number of threads; write 1 to 65535
  tollgate.yml:5:9: `0` is not a number of threads; write 1 to 65535"
    );
}

#[test]
fn scalars_keep_the_text_that_was_written() {
    let folder = Folder::new();
    let config = folder
        .load("version: 1\nsamples:\n  - {path: a.wasm, id: 007, wasi: {args: [1.50, 0x10, true, yes, ~x, 1e999, .nan, '#']}}\n")
        .unwrap();
    assert_eq!(ids(&config), ["007"]);
    let crate::model::Run::Wasi { args, .. } = &config.samples[0].run else { panic!("{:?}", config.samples[0].run) };
    assert_eq!(args, &["1.50", "0x10", "true", "yes", "~x", "1e999", ".nan", "#"]);
}

/// Fragments of configurations, which reach further than arbitrary text does.
fn fragment() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "version: 1\n",
        "samples:\n",
        "samples: [a.wasm]\n",
        "  - a.wasm\n",
        "  - '*'\n",
        "  - {path: a.wasm, id: ",
        "backends:\n",
        "  cranelift: {",
        "opt-level: none",
        "}\n",
        "]\n",
        "thresholds:\n",
        "  - {tolerance: ",
        "5%",
        "limits: {memory: ",
        "1 GiB",
        "fail-on: [",
        "regressed",
        ", ",
        "\n",
        "&a ",
        "*a",
        "<<: *a\n",
        "call: {export: x, args: [",
        "i32:1",
        "engines: {",
        "'",
        "\"",
        "~",
        "- ",
        ": ",
        "wasi:\n",
        "    ",
        "---\n",
        "!!binary ",
        "|\n",
        "é",
        "\u{feff}",
        "1e999",
    ]);
    prop::collection::vec(words, 0..25).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_makes_load_panic(text in prop_oneof![any::<String>(), "[ -~\n]{0,200}", fragment()]) {
        let folder = Folder::new();
        let lines = |text: &str| text.chars().all(|c| c == '\n' || !c.is_control());
        match folder.load(&text) {
            Ok(config) => prop_assert!(!config.samples.is_empty() && !config.backends.is_empty()),
            Err(error) => prop_assert!(lines(&error.to_string()), "{:?}", error),
        }
    }
}
