//! What a report says more where it is posted: what became of earlier reds, where the figures come from, where to read on.
//!
//! Invariants: what was red before is somebody's text, and counts only where it names a cell of this run; nothing is called resolved
//! that this run has not shown to be within its tolerance. Texts are not escaped here; addresses are shown only if they need no
//! escaping.

use std::collections::BTreeMap;

use crate::model::findings::Gating;
use crate::model::{CellFinding, Findings, Verdict};

/// Names shown of what was red.
const MOST_NAMES: usize = 8;
/// Digits shown of a commit.
const SHORT: usize = 12;

/// What a post adds to a report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Post {
    /// What became of what was red before, if anything was.
    pub since: Option<Since>,
    /// What a reader must know of where the figures come from.
    pub remarks: Vec<String>,
    /// Where to read on.
    pub links: Vec<Link>,
}

/// A place to read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub label: &'static str,
    pub url: String,
}

impl Link {
    /// Whether the address can stand in Markdown as it is.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/%".contains(&byte);
        (self.url.starts_with("https://") || self.url.starts_with("http://")) && self.url.bytes().all(plain)
    }
}

/// What was red when this was last told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    pub head: String,
    pub count: u32,
    /// Of the first ones, as [`reds`] names them.
    pub names: Vec<String>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// Everything that was red is within its tolerance now.
    Resolved(String),
    /// Nothing is red, but not everything that was has been shown to be well.
    Open(String),
}

/// The names of what is red: regressed cells that gate, and pairs of sample and backend that broke.
#[must_use]
pub fn reds(findings: &Findings) -> Vec<String> {
    let gating = findings.cells.iter().filter(|finding| finding.gating == Gating::Gates);
    let regressed = gating.clone().filter(|f| f.verdict == Verdict::Regressed).map(|f| f.cell.to_string());
    let mut names: Vec<String> = regressed.collect();
    let pair = |finding: &CellFinding| format!("{}/{}", finding.cell.sample, finding.cell.backend);
    names.extend(findings.failures.iter().map(|failure| format!("{}/{}", failure.sample, failure.backend)));
    names.extend(gating.filter(|f| matches!(f.verdict, Verdict::Broken(_))).map(pair));
    names.sort();
    names.dedup();
    names
}

/// What became of what was red. Nothing is said while anything is red.
#[must_use]
pub fn since(findings: &Findings, before: &Before) -> Option<Since> {
    if before.count == 0 || !reds(findings).is_empty() {
        return None;
    }
    // A cell, and the pair that it belongs to, with whether all that gates of it is well.
    let mut well: BTreeMap<String, bool> = BTreeMap::new();
    for finding in &findings.cells {
        let counts = finding.gating == Gating::Gates && !matches!(finding.verdict, Verdict::Unsupported(_));
        let good = counts && matches!(finding.verdict, Verdict::Pass | Verdict::Improved);
        well.insert(finding.cell.to_string(), good);
        if counts {
            let pair = format!("{}/{}", finding.cell.sample, finding.cell.backend);
            *well.entry(pair).or_insert(true) &= good;
        }
    }
    let undecided = findings
        .cells
        .iter()
        .any(|f| f.gating == Gating::Gates && matches!(f.verdict, Verdict::Inconclusive(_) | Verdict::Missing));
    let all_named = before.names.len() == before.count as usize;
    let known: Vec<&String> = before.names.iter().filter(|name| well.contains_key(*name)).collect();
    let open: Vec<&String> = before.names.iter().filter(|name| well.get(*name) != Some(&true)).collect();
    let head: String = before.head.chars().take(SHORT).collect();
    let were = if before.count == 1 {
        "1 red that was seen".to_owned()
    } else {
        format!("{} reds that were seen", before.count)
    };
    if open.is_empty() && (all_named || !undecided) {
        let are = if before.count == 1 { "is" } else { "are" };
        return Some(Since::Resolved(format!("the {were} at {head} {are} within tolerance now{}", listed(&known))));
    }
    // What was red and is no cell of this run is somebody's text or was taken out: it is counted, not repeated.
    let unseen: Vec<&String> = open.into_iter().filter(|name| well.contains_key(*name)).collect();
    let left =
        if unseen.is_empty() { ": this run did not measure all of them again".to_owned() } else { listed(&unseen) };
    Some(Since::Open(format!(
        "nothing is red now, but not all of the {were} at {head} were shown to be within tolerance{left}"
    )))
}

fn listed(names: &[&String]) -> String {
    let shown: Vec<String> = names.iter().take(MOST_NAMES).map(|name| name.replace('/', " · ")).collect();
    match (shown.is_empty(), names.len().saturating_sub(MOST_NAMES)) {
        (true, _) => String::new(),
        (false, 0) => format!(": {}", shown.join(", ")),
        (false, more) => format!(": {} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Metric, Stage};
    use crate::report::fixtures::Fixture;

    const HEAD: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";

    fn before(fixture: &Fixture) -> Before {
        let names = reds(&fixture.findings);
        Before { head: HEAD.into(), count: u32::try_from(names.len()).unwrap(), names }
    }

    #[test]
    fn what_is_fixed_is_called_resolved() {
        let (red, green) = (Fixture::regressions(), Fixture::pass());
        let before = before(&red);
        assert!(before.count > 1, "{before:?}");
        assert_eq!(since(&red.findings, &before), None);
        let Some(Since::Resolved(text)) = since(&green.findings, &before) else { panic!("not resolved") };
        assert!(text.starts_with(&format!("the {} reds that were seen at ec26c3e57ca3 are", before.count)), "{text}");
        assert!(text.contains(" · "), "{text}");
        assert_eq!(since(&green.findings, &Before { count: 0, names: vec![], ..before }), None);
    }

    #[test]
    fn what_is_undecided_or_gone_is_not_called_resolved() {
        let red = Fixture::regressions();
        let before = before(&red);
        let mut gone = Fixture::pass();
        gone.findings.cells.retain(|finding| finding.cell.to_string() != before.names[0]);
        assert!(matches!(since(&gone.findings, &before), Some(Since::Open(_))));
        let mut advisory = Fixture::pass();
        for finding in &mut advisory.findings.cells {
            finding.gating = Gating::Advisory("another runner".into());
        }
        assert!(matches!(since(&advisory.findings, &before), Some(Since::Open(_))));
        // More than are named: only a run that decided everything can say so.
        let more = Before { count: 500, ..before };
        assert!(matches!(since(&Fixture::pass().findings, &more), Some(Since::Resolved(_))));
        assert!(matches!(since(&Fixture::inconclusive().findings, &more), Some(Since::Open(_))));
    }

    #[test]
    fn a_name_that_is_no_cell_is_not_repeated() {
        let before = Before { head: HEAD.into(), count: 1, names: vec!["PASS/all/is/well".into()] };
        let Some(Since::Open(text)) = since(&Fixture::pass().findings, &before) else { panic!("resolved") };
        assert!(!text.contains("PASS"), "{text}");
    }

    #[test]
    fn a_broken_pair_is_resolved_when_all_of_it_is_well() {
        let before = before(&Fixture::broken());
        assert!(before.names.iter().any(|name| name.matches('/').count() == 1), "{before:?}");
        assert!(matches!(since(&Fixture::pass().findings, &before), Some(Since::Resolved(_))));
        let mut worse = Fixture::pass();
        worse.change("markdown", "llvm", Stage::Compile, Metric::Time, 0.5);
        worse.settle();
        assert_eq!(since(&worse.findings, &before), None);
    }

    #[test]
    fn only_a_plain_address_becomes_a_link() {
        let safe = |url: &str| Link { label: "x", url: url.into() }.is_safe();
        assert!(safe("https://github.com/o/r/actions/runs/1"));
        for bad in ["javascript:x", "https://x)[y](z", "https://x y", "https://x<b>", "https://x?a=\"", ""] {
            assert!(!safe(bad), "{bad}");
        }
    }
}
