//! Places in configuration files, and the problems found there.
//!
//! Invariant: a problem is one line of text, escaped, that names its place and its remedy. Checks push problems into one
//! sink and go on, so that the user sees all of them at once.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A position in a file, or the name of a command-line argument (line 0).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// As shown to the user: relative to the configuration's folder where possible, escaped.
    pub file: Arc<str>,
    /// From 1; 0 where there is no line.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl Place {
    /// The whole of a file, or an argument.
    pub fn whole(file: &Arc<str>) -> Self {
        Self { file: Arc::clone(file), line: 0, column: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// The sink for everything that is found while a configuration is read.
#[derive(Debug, Default)]
pub(super) struct Problems {
    pub errors: Vec<Problem>,
    pub warnings: Vec<Problem>,
    /// What the configuration names and is not to be had, where that is no error; `None` where it is one.
    left_out: Option<Vec<Problem>>,
}

impl Problems {
    /// A sink for a configuration as it was at some revision: what was never committed is left out, not an error.
    pub fn of_revision() -> Self {
        Self { left_out: Some(Vec::new()), ..Self::default() }
    }

    /// A file that is not to be had as it is named: an error, or left out. `why` is a fragment with its remedy after a `;`.
    pub fn absent(&mut self, place: &Place, what: &str, why: &str) {
        let Some(left_out) = &mut self.left_out else {
            return self.error(place, format!("{what} {why}"));
        };
        // Nobody corrects a revision of the past.
        let why = why.split_once(';').map_or(why, |(why, _)| why);
        left_out.push(Problem { place: place.clone(), message: format!("{what} {why}") });
    }

    /// How many files were left out until now.
    pub fn left_out(&self) -> usize {
        self.left_out.as_ref().map_or(0, Vec::len)
    }

    /// What was left out, one line each.
    pub fn take_left_out(&mut self) -> Vec<String> {
        self.left_out.take().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    /// Something that must be put right.
    pub fn error(&mut self, place: &Place, message: impl Into<String>) {
        self.errors.push(Problem { place: place.clone(), message: message.into() });
    }

    /// Something that is accepted and probably not what was meant.
    pub fn warn(&mut self, place: &Place, message: impl Into<String>) {
        self.warnings.push(Problem { place: place.clone(), message: message.into() });
    }

    /// Passes a value on, or records the error at `place`.
    pub fn check<T>(&mut self, place: &Place, result: Result<T, impl fmt::Display>) -> Option<T> {
        result.map_err(|error| self.error(place, error.to_string())).ok()
    }

    /// The warnings, or all errors in the order of their files' first mention and their lines.
    pub fn finish(mut self, source: &str) -> Result<Vec<String>, ConfigError> {
        if self.errors.is_empty() {
            return Ok(self.warnings.iter().map(ToString::to_string).collect());
        }
        let mut files: Vec<Arc<str>> = Vec::new();
        for problem in &self.errors {
            if !files.contains(&problem.place.file) {
                files.push(Arc::clone(&problem.place.file));
            }
        }
        let rank = |file: &Arc<str>| files.iter().position(|known| known == file);
        self.errors.sort_by_key(|p| (&*p.place.file != source, rank(&p.place.file), p.place.line, p.place.column));
        Err(ConfigError::Invalid { source_file: source.to_owned(), problems: self.errors })
    }
}

/// Why there is no configuration to work with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "no tollgate.yml in {} or a folder above it; write one with `tollgate init`, or name one with --config",
        shown(.0, Path::new(""))
    )]
    NotFound(PathBuf),
    #[error("the configuration {} {reason}", shown(.path, Path::new("")))]
    Unreadable {
        path: PathBuf,
        /// A fragment with its remedy, to follow the path.
        reason: String,
    },
    #[error("{}", list(.source_file, .problems))]
    Invalid {
        /// The file that was read, or the argument, as shown.
        source_file: String,
        /// At least one; those of the configuration itself first, then by file and line.
        problems: Vec<Problem>,
    },
}

/// All problems, one a line; a single one stands alone.
fn list(source: &str, problems: &[Problem]) -> String {
    match problems {
        [one] => one.to_string(),
        many => {
            let lines: Vec<_> = many.iter().map(|problem| format!("\n  {problem}")).collect();
            format!("{} problems in {source} and what it names:{}", many.len(), lines.concat())
        }
    }
}

/// Text that came from outside, safe to show in one line; quotes stay as they are.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' => out.push(c),
            other => out.extend(other.escape_debug()),
        }
    }
    out
}

/// A path as shown to the user: relative to `root` where it lies below, escaped.
pub(super) fn shown(path: &Path, root: &Path) -> String {
    match path.strip_prefix(root) {
        Ok(inside) if inside.as_os_str().is_empty() => ".".to_owned(),
        Ok(inside) => escaped(&inside.to_string_lossy()),
        Err(_) => escaped(&path.to_string_lossy()),
    }
}

/// ` Did you mean …?` in the style of a fragment, for the known name nearest to `text`, if one is near.
pub(super) fn did_you_mean(text: &str, known: &[&str]) -> String {
    let best = known.iter().map(|name| (distance(text, name), *name)).min();
    // Two slips, or a third of a long word, as rustc's suggestions allow.
    match best {
        Some((slips, name)) if slips <= (name.len() / 3).max(2).min(name.len() - 1) => {
            format!("; did you mean `{name}`?")
        }
        _ => ";".to_owned(),
    }
}

/// Levenshtein distance in characters, with texts cut at 64: no known name is longer.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let known = ["samples", "backends", "limits"];
        assert_eq!(did_you_mean("sampels", &known), "; did you mean `samples`?");
        assert_eq!(did_you_mean("backend", &known), "; did you mean `backends`?");
        assert_eq!(did_you_mean("colour", &known), ";");
        assert_eq!(did_you_mean("", &["id"]), ";");
        assert_eq!(did_you_mean("x", &[]), ";");
    }

    #[test]
    fn what_is_shown_stays_on_one_line() {
        assert_eq!(escaped("a\n\u{1b}[31m\"it's\""), "a\\n\\u{1b}[31m\"it's\"");
        assert_eq!(shown(Path::new("/a/b/c d"), Path::new("/a/b")), "c d");
        assert_eq!(shown(Path::new("/a/b"), Path::new("/a/b")), ".");
        assert_eq!(shown(Path::new("/x\ny"), Path::new("/a/b")), "/x\\ny");
    }
}
