//! The documentation of the format: its examples load, and it names every key.

use super::*;

const TEXT: &str = include_str!("../../../docs/configuration.md");

/// The YAML blocks of the documentation.
fn examples() -> Vec<&'static str> {
    TEXT.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
#[cfg(unix)]
fn its_examples_load_without_warnings() {
    let [whole, sample, engines, built, reference, allowance] = examples()[..] else { panic!("{:?}", examples()) };
    let add = "(module (func (export \"run\") (param i32) (result i32) i32.const 0))";
    let folder = Folder::new()
        .file("samples/word-count/word-count.wasm", EMPTY_MODULE)
        .file("samples/word-count/sample.yml", sample)
        .file("samples/word-count/input.txt", "")
        .file("samples/word-count/expected.txt", "")
        .wat("plugins/my filter.wasm", add)
        .file("vendor/fib.wasm", EMPTY_MODULE)
        .file("tools/old-worker", "#!/bin/sh\n");
    backends::executable(&folder, "tools/old-worker");
    let config = folder.load(whole).unwrap();
    assert_eq!(ids(&config), ["fib", "my-filter", "word-count"]);
    assert_eq!(config.warnings, Vec::<String>::new());
    for example in [engines, built, reference, allowance] {
        assert_eq!(folder.load_in(example).warnings, Vec::<String>::new(), "{example}");
    }
}

#[test]
fn it_has_a_row_for_every_key() {
    use crate::config::{backends, engines, run, samples, settings};
    let tables = [
        KEYS,
        samples::FILE_KEYS,
        run::CALL_KEYS,
        run::WASI_KEYS,
        engines::ENGINE_KEYS,
        engines::REFERENCE_KEYS,
        backends::BACKEND_KEYS,
        settings::RULE_KEYS,
        settings::LIMIT_KEYS,
    ];
    for key in tables.concat() {
        assert!(TEXT.contains(&format!("\n| `{key}` |")), "{key}");
    }
    for key in [samples::ENTRY_KEYS, samples::SOURCE_KEYS].concat() {
        assert!(TEXT.contains(&format!("`{key}`")), "{key}");
    }
}

#[test]
fn its_layout_allowances_are_those_of_the_code() {
    use crate::model::Stage;
    let (_, section) = TEXT.split_once("\n## layout-allowance\n").unwrap();
    for (stage, allowance) in crate::config::settings::default_layout_allowances() {
        let name = if stage == Stage::Instantiate { "`instantiate`" } else { "every other that gates" };
        let percent = (allowance * 1e4).round() / 1e2;
        assert!(section.contains(&format!("\n| {name} | {percent} % |")), "{stage} {percent}");
    }
}
