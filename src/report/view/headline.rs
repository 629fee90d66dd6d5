//! The verdict on the run in a word, a sentence and counts. The headline never says fine over rows that are not.

use super::{Count, Headline, Tone, Words, base, bounded, loosening, plural, shards};
use crate::model::findings::{Gating, Outcome};
use crate::model::results::EndReason;
use crate::model::settings::FailOn;
use crate::model::verdict::InconclusiveReason;
use crate::model::{CellFinding, Findings, Results, StageKind, Verdict};

/// The word for a run that fails for what it loosens and for nothing else.
const LOOSENED: &str = "LOOSENED";

/// How many gating cells there are of each kind, and what else a headline depends on.
struct Tally<'w> {
    words: &'w Words,
    broken: usize,
    regressed: usize,
    /// Undecided, without those of which the time alone moved.
    inconclusive: usize,
    time_alone: usize,
    decided: usize,
    new: usize,
    missing: usize,
    /// Cells that were, or should have been, measured and compared, and count towards the outcome. Those that are the same on both
    /// sides are none of them.
    gating: usize,
    would_fail: usize,
}

impl<'w> Tally<'w> {
    fn of(findings: &Findings, words: &'w Words) -> Self {
        let count = |name: &str| findings.counts.get(name).map_or(0, |count| *count as usize);
        let (broken, regressed, undecided) = (count("broken"), count("regressed"), count("inconclusive"));
        let time_alone = findings.cells.iter().filter(|f| is_time_alone(f)).count();
        let same = findings.cells.iter().filter(|f| f.gating == Gating::Gates && base::is_same(f)).count();
        let (decided, missing) = ((count("pass") + count("improved")).saturating_sub(same), count("missing"));
        Self {
            words,
            broken,
            regressed,
            inconclusive: undecided.saturating_sub(time_alone),
            time_alone,
            decided,
            new: findings.cells.iter().filter(|f| is_new(f)).count(),
            missing,
            gating: broken + regressed + undecided + decided,
            would_fail: findings.cells.iter().filter(|f| would_fail(f)).count(),
        }
    }
}

/// Whether a cell has nothing to be compared with although its kind is judged.
pub(super) fn is_new(finding: &CellFinding) -> bool {
    finding.verdict == Verdict::New && finding.cell.stage.kind() == StageKind::Gating
}

/// Whether a cell would have failed the run, had it counted.
pub(super) fn would_fail(finding: &CellFinding) -> bool {
    matches!(finding.gating, Gating::Advisory(_)) && finding.verdict == Verdict::Regressed
}

/// Whether a cell counts and nothing but its time moved.
pub(super) fn is_time_alone(finding: &CellFinding) -> bool {
    finding.gating == Gating::Gates
        && matches!(finding.verdict, Verdict::Inconclusive(InconclusiveReason::TimeAlone { .. }))
}

/// The verdict heading, its sentence, and what it is about.
pub(super) fn headline(results: &Results, findings: &Findings, words: &Words) -> Headline {
    let tally = Tally::of(findings, words);
    let (tone, word, mut sentence) = match findings.outcome {
        Outcome::Broken => (Tone::Bad, "BROKEN", broken(findings, &tally)),
        Outcome::Regressed => (Tone::Bad, "FAIL", regressed(&tally)),
        Outcome::Inconclusive => undecided(results, &tally),
        Outcome::Pass => passed(results, &tally),
    };
    let (tone, word) = match (results.end.reason, findings.outcome) {
        (EndReason::Interrupted, outcome) => {
            sentence += "; interrupted before the end";
            if outcome == Outcome::Pass { (Tone::Caution, "INCOMPLETE") } else { (tone, word) }
        }
        (EndReason::Died, outcome) => {
            sentence += "; recovered from a run that died";
            if outcome == Outcome::Pass { (Tone::Caution, "INCOMPLETE") } else { (tone, word) }
        }
        (EndReason::Complete | EndReason::Budget, _) => (tone, word),
    };
    let loosened = loosening::count(results);
    if loosened > 0 {
        let fails = if word == LOOSENED { ", which fail-on makes fail" } else { "" };
        sentence += &format!("; {} loosened{fails}", plural(loosened, "rule"));
    }
    if let Some(shard) = &results.header.shard {
        sentence += &format!("; only shard {} of {}", shard.number, shard.of());
    }
    // Green over a run that doubts itself, or is held to less, would say more than it knows.
    let doubted = tone == Tone::Good && (loosened > 0 || findings.controls.iter().any(|control| control.biased));
    let tone = if doubted { Tone::Caution } else { tone };
    Headline { tone, word, sentence, compared: base::compared(results) }
}

fn broken(findings: &Findings, tally: &Tally<'_>) -> String {
    let faulty = shards::faulty(findings);
    let what = match findings.failures.as_slice() {
        [] if !faulty.is_empty() => shards::told(&faulty),
        _ if !faulty.is_empty() => {
            format!("{}; {} failed", shards::told(&faulty), plural(findings.failures.len(), "worker"))
        }
        [] => format!("{} did not run to the end", plural(tally.broken, "cell")),
        [only] => {
            let what = bounded(&only.failure.kind.to_string(), super::TEXT_LENGTH);
            match only.failure.stage {
                Some(stage) => format!("{} on {}, {stage}: {what}", only.sample, only.backend),
                None => format!("{} on {}: {what}", only.sample, only.backend),
            }
        }
        several => format!("{} of a sample on a backend did not run to the end", plural(several.len(), "pair")),
    };
    if tally.regressed > 0 { format!("{what}; {} regressed", plural(tally.regressed, "cell")) } else { what }
}

fn regressed(tally: &Tally<'_>) -> String {
    format!("{} of {} regressed{}", tally.regressed, plural(tally.gating, "gating cell"), remainder(tally))
}

/// Of a run that fails although nothing regressed: for what is undecided or missing, or for what is loosened alone.
fn undecided(results: &Results, tally: &Tally<'_>) -> (Tone, &'static str, String) {
    let fail_on = &results.header.settings.fail_on;
    let open = fail_on.contains(&FailOn::Inconclusive) && tally.inconclusive + tally.time_alone > 0;
    if open || (fail_on.contains(&FailOn::Missing) && tally.missing > 0) || loosening::count(results) == 0 {
        return (Tone::Caution, "INCONCLUSIVE", open_cells(tally));
    }
    let (_, _, sentence) = passed(results, tally);
    (Tone::Caution, LOOSENED, sentence)
}

fn open_cells(tally: &Tally<'_>) -> String {
    let mut parts = Vec::new();
    let undecided = tally.inconclusive + tally.time_alone;
    if undecided > 0 {
        parts.push(format!("{undecided} of {} undecided", plural(tally.gating, "gating cell")));
    }
    if tally.missing > 0 {
        parts.push(format!("{} of the baselines gone from the configuration", plural(tally.missing, "cell")));
    }
    format!("{}; fail-on makes that fail", parts.join(", "))
}

fn passed(results: &Results, tally: &Tally<'_>) -> (Tone, &'static str, String) {
    if tally.regressed + tally.broken > 0 {
        let fallen = tally.regressed + tally.broken;
        let text = format!("{} regressed, which fail-on lets pass", plural(fallen, "gating cell"));
        return (Tone::Caution, "WARN", text);
    }
    if let Some(text) = base::unchanged(results).filter(|_| tally.gating == 0) {
        return (Tone::Good, "PASS", text + &remainder(tally));
    }
    if tally.decided == 0 && tally.inconclusive + tally.time_alone > 0 {
        let text = format!("none of {} could be decided", plural(tally.gating, "gating cell"));
        return (Tone::Caution, "INCONCLUSIVE", text + &remainder_without_inconclusive(tally));
    }
    if tally.gating + tally.missing == 0 && tally.new > 0 {
        let text = format!("nothing to compare with yet: {}, no baseline", plural(tally.new, "new cell"));
        return (Tone::Caution, "NEW", text + &advisory(tally));
    }
    if tally.decided == 0 {
        let text = format!("no cell gates in this run{}", remainder_without_inconclusive(tally));
        return (Tone::Caution, "WARN", text);
    }
    let undecided = tally.gating - tally.decided > 0;
    let of = if undecided { format!("{} of ", tally.decided) } else { String::new() };
    let text = format!("no regression in {of}{}{}", plural(tally.gating, "gating cell"), remainder(tally));
    let tone = if tally.would_fail + tally.time_alone > 0 { Tone::Caution } else { Tone::Good };
    (tone, "PASS", text)
}

/// What else a reader must not overlook, after a semicolon each.
fn remainder(tally: &Tally<'_>) -> String {
    let inconclusive = match tally.inconclusive {
        0 => String::new(),
        number => format!("; {number} inconclusive"),
    };
    let time_alone = match tally.time_alone {
        0 => String::new(),
        number => format!("; the time alone of {} moved", plural(number, "cell")),
    };
    time_alone + &inconclusive + &remainder_without_inconclusive(tally)
}

fn remainder_without_inconclusive(tally: &Tally<'_>) -> String {
    let mut text = String::new();
    if tally.missing > 0 {
        text += &format!("; {} {}", tally.missing, tally.words.missing);
    }
    if tally.new > 0 {
        text += &format!("; {} {}", tally.new, tally.words.new);
    }
    text + &advisory(tally)
}

fn advisory(tally: &Tally<'_>) -> String {
    match tally.would_fail {
        0 => String::new(),
        number => format!("; {} regressed", plural(number, "advisory cell")),
    }
}

/// How many gating cells there are of each kind; of the empty kinds only `regressed` is shown.
pub(super) fn counts(results: &Results, findings: &Findings) -> Vec<Count> {
    let count = |name: &str| findings.counts.get(name).copied().unwrap_or(0);
    let would_fail = findings.cells.iter().filter(|f| would_fail(f)).count();
    let new = findings.cells.iter().filter(|f| is_new(f)).count();
    let time_alone = findings.cells.iter().filter(|f| is_time_alone(f)).count();
    let same = findings.cells.iter().filter(|f| f.gating == Gating::Gates && base::is_same(f)).count();
    let measured = base::unchanged(results).is_none();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    [
        (Tone::Bad, count("broken"), "broken"),
        (Tone::Bad, count("regressed"), "regressed"),
        (Tone::Caution, number(would_fail), "advisory regressed"),
        (Tone::Caution, number(time_alone), "moved in time alone"),
        (Tone::Caution, count("inconclusive").saturating_sub(number(time_alone)), "inconclusive"),
        (Tone::Good, count("improved"), "improved"),
        (Tone::Plain, count("pass").saturating_sub(number(same)), "passed"),
        (Tone::Plain, number(same), "the same"),
        (Tone::Plain, number(new), "new"),
        (Tone::Caution, count("missing"), "missing"),
        (Tone::Quiet, count("unsupported"), "unsupported"),
    ]
    .into_iter()
    .filter(|(_, number, name)| *number > 0 || *name == "regressed" && measured)
    .map(|(tone, number, name)| Count { tone: if number == 0 { Tone::Plain } else { tone }, number, name })
    .collect()
}
