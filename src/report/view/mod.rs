//! Everything that a report says, rounded, ordered and worded, as plain strings for the renderers.
//!
//! Invariants: what is worst comes first and ties follow the order of cells; lists that a reader cannot use up are cut
//! here and say how much was cut; untrusted text is bounded in length here and escaped by the renderers, never here.
//! Knows nothing of terminals, Markdown, colours or widths.

mod base;
mod cells;
mod environment;
mod headline;
mod loosening;
mod rows;
mod shards;
mod side_by_side;
mod steps;
mod summaries;

use crate::model::compared::Compared;
use crate::model::{Findings, Results};

/// A report before it is rendered. Sections are in the order in which they are shown; empty ones are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub headline: Headline,
    pub counts: Vec<Count>,
    /// What takes weight from the whole run, to be seen at once.
    pub warnings: Vec<String>,
    /// What the two figures of a row are called.
    pub sides: [&'static str; 2],
    pub environment: Vec<Fact>,
    /// In what two runs differ that are laid side by side.
    pub differences: Vec<String>,
    /// Shards that are not there, then workers that failed, in the order of sample and backend.
    pub broken: Vec<Broken>,
    /// What this revision allows that the base did not, one line each; the title says how much that is.
    pub loosened: Option<Listed>,
    /// Gating cells that regressed, worst first.
    pub regressed: Rows,
    /// Gating cells of which the time moved and nothing else did, worst first.
    pub time_alone: Rows,
    /// Cells that would have failed the run if they gated, worst first.
    pub advisory: Rows,
    /// Gating cells that a longer run would decide, nearest to a regression first.
    pub inconclusive: Rows,
    /// Gating cells that got better, most improved first.
    pub improved: Rows,
    /// Times of two runs side by side, those that moved most first.
    pub times: Vec<Row>,
    /// Undecided, new, missing and unsupported cells that are told in groups.
    pub summaries: Vec<Summary>,
    pub composites: Vec<Composite>,
    pub tradeoffs: Vec<TradeOffRow>,
    /// Every cell that was measured, the most severe verdict first.
    pub cells: Vec<CellRow>,
    pub notes: Vec<String>,
    /// What to type next, with a word on what for.
    pub steps: Vec<Step>,
}

/// How a piece of text is to be felt; what colour that is, if any, is the renderer's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
    Caution,
    Plain,
    Quiet,
}

/// The verdict on the run in a word and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headline {
    pub tone: Tone,
    /// `PASS`, `FAIL`, `BROKEN`, `INCONCLUSIVE`, `LOOSENED`, `INCOMPLETE`, `WARN` or `NEW`.
    pub word: &'static str,
    pub sentence: String,
    /// What was compared with what, and what was not.
    pub compared: Vec<Fact>,
}

/// How many cells there are of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    pub tone: Tone,
    pub number: u32,
    pub name: &'static str,
}

/// A title with a list below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub title: String,
    pub lines: Vec<String>,
}

/// A labelled line about the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    pub label: &'static str,
    pub text: String,
}

/// A sample on a backend that failed, or a shard that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// `cranelift · fibonacci` or `shard 2 of 3`.
    pub subject: String,
    /// Where it failed, if within a stage.
    pub stage: Option<String>,
    pub what: String,
    /// The worker's last words, line by line; untrusted.
    pub detail: Vec<String>,
}

/// Judged cells of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// What all rows share, said once.
    pub common: Vec<String>,
    pub rows: Vec<Row>,
}

/// A judged cell with all that supports its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub tone: Tone,
    pub backend: String,
    pub sample: String,
    /// Stage and metric: `compile time`.
    pub what: String,
    /// What the head was compared with, where a reader could take it for something else; else empty.
    pub against: &'static str,
    pub base: String,
    pub head: String,
    pub change: String,
    /// Of the change; absent for exact metrics.
    pub interval: Option<String>,
    pub tolerance: String,
    /// Share of the tolerance that the change takes; empty where that says nothing.
    pub used: String,
    /// Where the tolerance comes from, the reason of the verdict, and what supports it.
    pub evidence: Vec<String>,
}

/// Cells of one kind in groups, when each of them is not worth a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub tone: Tone,
    pub title: String,
    pub lines: Vec<String>,
    /// Groups that were cut.
    pub more: usize,
}

/// The sums of stages that a user lives with, of a sample on a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composite {
    pub sample: String,
    pub backend: String,
    pub figures: [Figure; 3],
}

/// Marks of rows whose head was compared with the base of the run, and with the committed baseline.
pub const BY_BASE: &str = "base";
pub const BY_BASELINE: &str = "baseline";

/// Title of [`View::time_alone`].
pub const TIME_ALONE: &str = "Time alone moved: warned, not failed";

/// Title of [`View::times`].
pub const TIMES: &str = "Times, for information: each run by its own yardstick";

/// Names of [`Composite::figures`].
pub const COMPOSITES: [&str; 3] = ["jit", "aot-compile", "aot-execute"];

/// A figure and its change, if it has a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    pub head: String,
    pub change: Option<String>,
}

/// A backend's standing: multiples of the best.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TradeOffRow {
    pub backend: String,
    /// Each with whether it is the best.
    pub figures: [(String, bool); 4],
    pub samples: u32,
}

/// Names of [`TradeOffRow::figures`].
pub const TRADEOFFS: [&str; 4] = ["compile time", "artifact size", "compile memory", "execution time"];

/// One line of the list of all cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellRow {
    pub tone: Tone,
    pub sample: String,
    pub backend: String,
    pub what: String,
    /// As in [`Row::against`].
    pub against: &'static str,
    pub base: String,
    pub head: String,
    pub change: String,
    pub verdict: String,
}

/// What a reader may do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub purpose: &'static str,
    /// Command lines made of ids and hexadecimal digits only, which need no escaping.
    pub commands: Vec<String>,
    /// Commands that were cut.
    pub more: usize,
}

impl View {
    /// Words and orders what the judge found.
    #[must_use]
    pub fn new(results: &Results, findings: &Findings) -> Self {
        Self::worded(results, findings, &GATE)
    }

    /// Words and orders what the judge found in two runs side by side; `results` are those of the second.
    #[must_use]
    pub fn side_by_side(results: &Results, findings: &Findings, compared: &Compared) -> Self {
        Self {
            environment: side_by_side::facts(compared),
            differences: side_by_side::differences(compared),
            times: side_by_side::times(findings),
            // They stand side by side within each run, and are nothing to compare runs by.
            tradeoffs: Vec::new(),
            // A saved file is nothing that one could accept or measure again.
            steps: Vec::new(),
            ..Self::worded(results, findings, &SIDE_BY_SIDE)
        }
    }

    fn worded(results: &Results, findings: &Findings, words: &Words) -> Self {
        Self {
            headline: headline::headline(results, findings, words),
            counts: headline::counts(results, findings),
            warnings: base::warnings(findings),
            sides: words.sides,
            environment: environment::facts(results, findings),
            differences: Vec::new(),
            times: Vec::new(),
            broken: rows::broken(findings),
            loosened: loosening::listed(results),
            regressed: rows::regressed(findings),
            time_alone: rows::time_alone(findings),
            advisory: rows::advisory(findings),
            inconclusive: rows::inconclusive(findings),
            improved: rows::improved(findings),
            summaries: summaries::summaries(findings, words),
            composites: cells::composites(findings),
            tradeoffs: cells::tradeoffs(findings),
            cells: cells::all(findings),
            notes: findings.notes.iter().map(|note| bounded(note, NOTE_LENGTH)).collect(),
            steps: steps::steps(results, findings),
        }
    }
}

/// How a comparison speaks of its two sides.
struct Words {
    sides: [&'static str; 2],
    /// Of cells that only the head has, and what that means.
    new: &'static str,
    new_means: &'static str,
    /// Of cells that only the base has, and what that means.
    missing: &'static str,
    missing_means: &'static str,
}

/// Of a run that is held to a baseline.
const GATE: Words = Words {
    sides: ["base", "head"],
    new: "without a baseline yet",
    new_means: "nothing to compare with yet",
    missing: "missing",
    missing_means: "in the baselines, no longer in the configuration",
};

/// Of two runs.
const SIDE_BY_SIDE: Words = Words {
    sides: ["A", "B"],
    new: "in B only",
    new_means: "measured in B only",
    missing: "in A only",
    missing_means: "measured in A only",
};

/// Most characters of a note.
const NOTE_LENGTH: usize = 600;
/// Most characters of any other untrusted text: two to three lines of a terminal.
const TEXT_LENGTH: usize = 240;
/// Shown where there is no figure.
const NOTHING: &str = "–";

/// The text, or its beginning and a mark that something was cut.
fn bounded(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// `1 cell`, `2 cells`.
fn plural(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(bounded("äöü", 3), "äöü");
        assert_eq!(bounded("äöüß", 3), "äöü…");
    }

    #[test]
    fn one_is_singular() {
        assert_eq!([0, 1, 2].map(|n| plural(n, "cell")), ["0 cells", "1 cell", "2 cells"]);
    }
}
