//! From an entry of `samples:` to the files it means: sample files and modules, sorted. Opens none of them.

use std::fs;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use walkdir::WalkDir;

use super::module::unreadable;
use super::problem::{Place, Problems, escaped, shown};

/// The file in a sample's folder that describes it.
pub(super) const SAMPLE_FILE: &str = "sample.yml";

/// A file that stands for a sample.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Found {
    /// A `sample.yml` or another YAML file of that kind.
    Description(PathBuf),
    /// A module without a description.
    Module(PathBuf),
}

/// Finds what a path or glob, relative to `base`, means. Paths are shown relative to `root`.
pub(super) fn expand(entry: &str, base: &Path, root: &Path, place: &Place, problems: &mut Problems) -> Vec<Found> {
    if entry.is_empty() {
        problems.error(place, "an entry of `samples` is empty; name a sample file, a module, a folder or a glob");
        return Vec::new();
    }
    let path = base.join(entry);
    // A file whose name has glob characters in it is meant as it stands.
    if !entry.contains(['*', '?', '[', '{']) || path.symlink_metadata().is_ok() {
        return literal(&path, root, place, problems);
    }
    let (folder, pattern) = split(entry);
    match GlobBuilder::new(&pattern).literal_separator(true).build() {
        Ok(glob) => walk(&base.join(folder), &pattern, &glob.compile_matcher(), (entry, root, place), problems),
        Err(error) => {
            problems.error(place, format!("`{}` is not a glob: {}; correct it", escaped(entry), error.kind()));
            Vec::new()
        }
    }
}

/// What a path without glob characters means.
pub(super) fn literal(path: &Path, root: &Path, place: &Place, problems: &mut Problems) -> Vec<Found> {
    let name = shown(path, root);
    match fs::metadata(path) {
        Err(error) => problems.absent(place, &format!("`{name}`"), &unreadable(&error)),
        Ok(metadata) if metadata.is_dir() => match in_folder(path) {
            Err(error) => problems.absent(place, &format!("`{name}`"), &unreadable(&error)),
            Ok(found) if found.is_empty() => {
                let why = format!("holds neither a {SAMPLE_FILE} nor a .wasm file; add one of them");
                problems.absent(place, &format!("the folder `{name}`"), &why);
            }
            Ok(found) => return found,
        },
        Ok(_) if is_description(path) => return vec![Found::Description(path.to_owned())],
        Ok(_) => return vec![Found::Module(path.to_owned())],
    }
    Vec::new()
}

/// A folder stands for its sample file, else for the modules in it.
fn in_folder(folder: &Path) -> std::io::Result<Vec<Found>> {
    let description = folder.join(SAMPLE_FILE);
    if description.is_file() {
        return Ok(vec![Found::Description(description)]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if is_module(&path) && path.is_file() {
            found.push(Found::Module(path));
        }
    }
    found.sort();
    Ok(found)
}

fn has_extension(path: &Path, of: &[&str]) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| of.contains(&extension))
}

fn is_description(path: &Path) -> bool {
    has_extension(path, &["yml", "yaml"])
}

pub(super) fn is_module(path: &Path) -> bool {
    has_extension(path, &["wasm"])
}

/// Splits a glob into the folder it surely lies in and the pattern below that folder.
fn split(entry: &str) -> (PathBuf, String) {
    let parts: Vec<&str> = entry.split('/').collect();
    let first = parts.iter().position(|part| part.contains(['*', '?', '[', '{'])).unwrap_or(parts.len() - 1);
    let (folder, pattern) = parts.split_at(first);
    // A leading `/` leaves an empty first part, which must stay the root.
    let folder = if folder == [""] { PathBuf::from("/") } else { PathBuf::from(folder.join("/")) };
    (folder, pattern.join("/"))
}

/// Collects what matches below a folder.
fn walk(
    folder: &Path,
    pattern: &str,
    glob: &GlobMatcher,
    (entry, root, place): (&str, &Path, &Place),
    problems: &mut Problems,
) -> Vec<Found> {
    let depth = if pattern.contains("**") { usize::MAX } else { pattern.split('/').count() };
    // Hidden files are meant only by patterns that say so, as in a shell.
    let hidden = pattern.starts_with('.') || pattern.contains("/.");
    let visible = |entry: &walkdir::DirEntry| {
        entry.depth() == 0 || hidden || !entry.file_name().to_string_lossy().starts_with('.')
    };
    let mut found = Vec::new();
    let mut neither = Vec::new();
    let walker = WalkDir::new(folder).min_depth(1).max_depth(depth).follow_links(true).sort_by_file_name();
    for item in walker.into_iter().filter_entry(visible) {
        let item = match item {
            Ok(item) => item,
            Err(error) if error.loop_ancestor().is_some() => continue,
            Err(error) => {
                unwalkable(&error, root, place, problems);
                continue;
            }
        };
        let path = item.path();
        if !path.strip_prefix(folder).is_ok_and(|below| glob.is_match(below)) {
            continue;
        }
        let here = if item.file_type().is_dir() {
            in_folder(path).unwrap_or_default()
        } else if is_description(path) {
            vec![Found::Description(path.to_owned())]
        } else if is_module(path) {
            vec![Found::Module(path.to_owned())]
        } else {
            Vec::new()
        };
        if here.is_empty() {
            neither.push(shown(path, root));
        }
        found.extend(here);
    }
    report(entry, &found, &neither, place, problems);
    found
}

/// A folder that cannot be read hides samples, which must not pass in silence; a missing one merely matches nothing.
fn unwalkable(error: &walkdir::Error, root: &Path, place: &Place, problems: &mut Problems) {
    let name = error.path().map_or_else(|| ".".to_owned(), |path| shown(path, root));
    match error.io_error() {
        Some(io) if io.kind() == std::io::ErrorKind::NotFound => {}
        Some(io) => problems.error(place, format!("`{name}` {}", unreadable(io))),
        None => problems.error(place, format!("`{name}` cannot be read; check the path")),
    }
}

/// Says what a glob did not find, or found and cannot use.
fn report(entry: &str, found: &[Found], neither: &[String], place: &Place, problems: &mut Problems) {
    let entry = escaped(entry);
    if found.is_empty() {
        let why = "matches no sample file, no .wasm file and no folder with one; correct or remove it (paths are relative to \
                   the file they stand in)";
        problems.absent(place, &format!("`{entry}`"), why);
    } else if !neither.is_empty() {
        let some: Vec<_> = neither.iter().take(3).map(|name| format!("`{name}`")).collect();
        let more = if neither.len() > 3 { format!(" and {} more", neither.len() - 3) } else { String::new() };
        let message = format!(
            "`{entry}` also matches {}{more}, skipped: neither a sample file, nor a .wasm file, nor a folder with one",
            some.join(", ")
        );
        problems.warn(place, message);
    }
}
