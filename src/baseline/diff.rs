//! Shows what an update does to a baseline file, as a unified diff.
//!
//! Without colour codes: a terminal reporter colours lines by their first character.

use similar::TextDiff;

/// Unchanged lines shown around a change. One tells an appended line from a changed section; every line of the file
/// names its own cell, so more would only be noise.
pub const CONTEXT: usize = 1;

/// The unified diff that turns `old` into `new`; empty if there is none. A file that was not there is `/dev/null`, as
/// git writes it. `path` is shown as given, and escaped.
#[must_use]
pub fn unified(path: &std::path::Path, old: Option<&str>, new: &str) -> String {
    let path = super::error::shown(path);
    let before = if old.is_some() { path.as_str() } else { "/dev/null" };
    TextDiff::from_lines(old.unwrap_or(""), new)
        .unified_diff()
        .context_radius(CONTEXT)
        .header(before, &path)
        .to_string()
}

/// The unified diff between the old and the new file of a proposal.
#[must_use]
pub fn render(proposal: &super::update::Proposal) -> String {
    unified(&proposal.path, proposal.old_text.as_deref(), &proposal.new_text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_changed_line_is_shown_with_its_neighbours() {
        let diff = unified(Path::new("b/cranelift.yml"), Some("a\nb\nc\nd\ne\n"), "a\nb\nC\nd\ne\n");
        assert_eq!(diff, "--- b/cranelift.yml\n+++ b/cranelift.yml\n@@ -2,3 +2,3 @@\n b\n-c\n+C\n d\n");
    }

    #[test]
    fn a_new_file_is_all_added_and_an_unchanged_one_shows_nothing() {
        let diff = unified(Path::new("new\n.yml"), None, "a\nb\n");
        assert_eq!(diff, "--- /dev/null\n+++ new\\n.yml\n@@ -0,0 +1,2 @@\n+a\n+b\n");
        assert_eq!(unified(Path::new("x"), Some("a\n"), "a\n"), "");
    }
}
