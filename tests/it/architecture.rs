//! Holds the `use crate::` lines to the table in ARCHITECTURE.md, and a few invariants that a search can see.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The table's first and last columns: what each module may import. `None` stands for everything.
fn allowed() -> BTreeMap<String, Option<BTreeSet<String>>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut table = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let columns: Vec<&str> =
            line.trim_matches('|').split(" | ").map(|column| column.trim_matches(['|', ' '])).collect();
        let names = |column: &str| column.split_whitespace().map(|name| name.trim_matches('`').to_owned()).collect();
        let may = columns.get(2).copied().unwrap_or_default();
        table.insert(columns[0].trim_matches('`').to_owned(), (may != "all").then(|| names(may)));
    }
    table
}

fn sources() -> Vec<PathBuf> {
    let walk = walkdir::WalkDir::new(root().join("src")).sort_by_file_name();
    let files = walk.into_iter().map(|entry| entry.unwrap().into_path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// Whether a file is for tests alone, as its name says; unit tests may read files.
fn is_test(file: &Path) -> bool {
    let names = file.components().map(|part| part.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned());
    names.into_iter().any(|name| ["tests", "fixtures", "testing", "recorded"].contains(&name.as_str()))
}

/// The module below `src` that a file belongs to.
fn module(file: &Path) -> String {
    let relative = file.strip_prefix(root().join("src")).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The lines of a file that are neither comments nor within its tests.
fn code(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let product = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned();
    product.lines().map(str::trim).filter(|line| !line.starts_with("//")).map(str::to_owned).collect()
}

#[test]
fn imports_go_one_way() {
    let allowed = allowed();
    assert!(allowed.len() >= 10, "the table in ARCHITECTURE.md was not found");
    let mut wrong = Vec::new();
    for file in sources() {
        let here = module(&file);
        if matches!(here.as_str(), "lib" | "main") {
            continue;
        }
        let Some(may) = allowed.get(&here) else {
            wrong.push(format!("ARCHITECTURE.md does not list `{here}`"));
            continue;
        };
        let Some(may) = may else { continue };
        for line in code(&file) {
            for target in line.split("crate::").skip(1) {
                let other: String = target.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if !other.is_empty() && other != here && !may.contains(&other) {
                    wrong.push(format!("{} uses crate::{other}", file.strip_prefix(root()).unwrap().display()));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_file_says_what_it_is_for() {
    for file in sources() {
        assert!(fs::read_to_string(&file).unwrap().starts_with("//! "), "{} has no `//!`", file.display());
    }
}

#[test]
fn only_one_engine_names_wasmer() {
    let naming: Vec<String> = sources()
        .iter()
        .filter(|file| {
            code(file)
                .iter()
                .any(|line| line.starts_with("use wasmer") || line.contains("wasmer_") || line.contains("::wasmer::"))
        })
        .map(|file| file.strip_prefix(root().join("src")).unwrap().display().to_string())
        .collect();
    assert!(naming.iter().all(|file| file.starts_with("engine/wasmer")), "{naming:?}");
    assert!(!naming.is_empty());
}

#[test]
fn pure_modules_touch_no_file_no_process_and_no_clock() {
    let pure =
        |file: &&PathBuf| ["model", "plan", "judge", "report"].contains(&module(file).as_str()) && !is_test(file);
    for file in sources().iter().filter(pure) {
        for line in code(file) {
            for what in ["std::fs", "std::process", "std::net", "Instant::now", "SystemTime", "Timestamp::now"] {
                assert!(!line.contains(what), "{} uses {what}", file.display());
            }
        }
    }
}
