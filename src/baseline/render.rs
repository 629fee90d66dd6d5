//! Writes a baseline as text: sections, then one cell a line, sorted, with stable rounding.
//!
//! Invariants: the same baseline always gives the same bytes; rendering what was parsed from a rendered text gives
//! that text again; a change of one cell changes one line. An empty line parts the samples, so that changes of
//! different samples never touch in a merge. Any text survives: what is not plainly a word is written as a
//! double-quoted YAML scalar.

use std::fmt::Write as _;

use crate::model::baseline::{Baseline, Change, Entry, Provenance, Scatter, Spread, TimeReference};
use crate::model::ids::SampleId;
use crate::model::machine::Target;
use crate::model::sample::OptLevel;

use super::error::clean;
use super::schema::VERSION;

/// Significant digits of a committed ratio: steps of at most 0.01 %, a twentieth of the best deviation ever seen of a
/// launch (0.17 %, recorded), so rounding never shows in a verdict.
pub const RATIO_DIGITS: usize = 5;

/// Significant digits of a committed deviation, which five launches know to a third of itself at best.
pub const DEVIATION_DIGITS: usize = 2;

/// The text of a baseline file.
#[must_use]
pub fn render(baseline: &Baseline) -> String {
    let mut out = String::new();
    header(&mut out, baseline);
    spread(&mut out, baseline);
    scatter(&mut out, baseline);
    changes(&mut out, &baseline.changes);
    cells(&mut out, baseline);
    out.push_str("\n# The last line tells a whole file from a half-written one.\nend: true\n");
    out
}

/// The entry as a reader of the rendered file sees it.
#[must_use]
pub fn rounded(entry: &Entry) -> Entry {
    match entry {
        Entry::Time { ratio, deviation, launches } => Entry::Time {
            ratio: significant(*ratio, RATIO_DIGITS),
            deviation: significant(*deviation, DEVIATION_DIGITS),
            launches: *launches,
        },
        Entry::Score { ratio, deviation, launches } => Entry::Score {
            ratio: significant(*ratio, RATIO_DIGITS),
            deviation: significant(*deviation, DEVIATION_DIGITS),
            launches: *launches,
        },
        Entry::Bytes(_) | Entry::Count(_) | Entry::Unsupported(_) => entry.clone(),
    }
}

/// The spread as a reader of the rendered file sees it.
#[must_use]
pub fn rounded_spread(spread: Spread) -> Spread {
    Spread { deviation: significant(spread.deviation, DEVIATION_DIGITS), runs: spread.runs }
}

/// The scatter as a reader of the rendered file sees it.
#[must_use]
pub fn rounded_scatter(scatter: Scatter) -> Scatter {
    Scatter { deviation: significant(scatter.deviation, DEVIATION_DIGITS), freedom: scatter.freedom }
}

/// `value` rounded to `digits` significant decimal digits, ties as the exact binary value falls. Zero and what is not
/// finite stay as they are, and so does a value that rounding would push out of range.
fn significant(value: f64, digits: usize) -> f64 {
    let text = format!("{value:.*e}", digits - 1);
    text.parse().ok().filter(|rounded: &f64| rounded.is_finite()).unwrap_or(value)
}

fn header(out: &mut String, baseline: &Baseline) {
    let Baseline { backend, target, provenance, runner, reference, .. } = baseline;
    // The comment holds the target without quotes, so it must not be able to end its line.
    let place = clean(&target.to_string());
    line(out, format_args!("# Tollgate baseline of `{backend}` on {place}: what was last accepted, one cell a line."));
    line(
        out,
        format_args!(
            "# Written by `tollgate run --update-baselines`, which rewrites only what moved; comments are lost."
        ),
    );
    line(out, format_args!("version: {VERSION}"));
    line(out, format_args!("backend: {}", scalar(backend.as_str())));
    line(out, format_args!("target: {}", target_map(target)));
    out.push('\n');
    provenance_map(out, provenance);
    let Target { arch, os } = &runner.target;
    line(out, format_args!("runner: {{arch: {}, os: {}, cpu: {}}}", scalar(arch), scalar(os), scalar(&runner.cpu)));
    match reference {
        TimeReference::Yardstick { version } => line(out, format_args!("reference: {{yardstick: {version}}}")),
        TimeReference::Worker { sha256 } => line(out, format_args!("reference: {{worker: {}}}", quoted(sha256))),
    }
}

fn target_map(Target { arch, os }: &Target) -> String {
    format!("{{arch: {}, os: {}}}", scalar(arch), scalar(os))
}

fn provenance_map(out: &mut String, provenance: &Provenance) {
    let Provenance { tollgate, engine, compiler, options } = provenance;
    out.push_str("provenance:\n");
    line(out, format_args!("  tollgate: {}", scalar(tollgate)));
    line(out, format_args!("  engine: {}", scalar(engine)));
    line(out, format_args!("  compiler: {}", scalar(compiler)));
    let level = match options.opt_level {
        OptLevel::None => "none",
        OptLevel::Speed => "speed",
        OptLevel::SpeedAndSize => "speed-and-size",
        OptLevel::Less => "less",
    };
    out.push_str("  options:\n");
    line(out, format_args!("    opt-level: {level}"));
    line(out, format_args!("    canonicalize-nans: {}", options.canonicalize_nans));
    line(out, format_args!("    threads: {}", options.threads));
    line(out, format_args!("    cpu-features: {}", scalar(&options.cpu_features.name)));
    let features: Vec<_> = options.cpu_features.features.iter().map(|feature| scalar(feature)).collect();
    line(out, format_args!("    features: [{}]", features.join(", ")));
}

fn spread(out: &mut String, baseline: &Baseline) {
    if baseline.spread.is_empty() {
        return out.push_str("\nspread: {}\n");
    }
    out.push_str("\nspread:\n");
    for (stage, Spread { deviation, runs }) in &baseline.spread {
        let deviation = significant(*deviation, DEVIATION_DIGITS);
        line(out, format_args!("  {stage}: {{deviation: {deviation}, runs: {runs}}}"));
    }
}

/// Left out where no run was paired, so that files of those who never compare with a base do not speak of it.
fn scatter(out: &mut String, baseline: &Baseline) {
    if baseline.scatter.is_empty() {
        return;
    }
    out.push_str("\nscatter:\n");
    for (stage, Scatter { deviation, freedom }) in &baseline.scatter {
        let deviation = significant(*deviation, DEVIATION_DIGITS);
        line(out, format_args!("  {stage}: {{deviation: {deviation}, freedom: {freedom}}}"));
    }
}

fn changes(out: &mut String, changes: &[Change]) {
    if changes.is_empty() {
        return out.push_str("\nchanges: []\n");
    }
    out.push_str("\nchanges:\n");
    for Change { date, commit, reason, added, removed, tightened, loosened } in changes {
        let mut words = format!("date: {}", quoted(date));
        for (key, text) in [("commit", commit), ("reason", reason)] {
            if let Some(text) = text {
                words += &format!(", {key}: {}", quoted(text));
            }
        }
        line(
            out,
            format_args!(
                "  - {{{words}, added: {added}, removed: {removed}, tightened: {tightened}, loosened: {loosened}}}"
            ),
        );
    }
}

fn cells(out: &mut String, baseline: &Baseline) {
    if baseline.cells.is_empty() {
        return out.push_str("\ncells: {}\n");
    }
    out.push_str("\ncells:\n");
    let mut sample: Option<&SampleId> = None;
    for (key, entry) in &baseline.cells {
        if sample.is_some_and(|before| *before != key.sample) {
            out.push('\n');
        }
        sample = Some(&key.sample);
        line(out, format_args!("  {key}: {}", entry_map(entry)));
    }
}

/// One cell's entry as it stands in the file, without its key.
#[must_use]
pub fn entry_map(entry: &Entry) -> String {
    match rounded(entry) {
        Entry::Time { ratio, deviation, launches } | Entry::Score { ratio, deviation, launches } => {
            format!("{{ratio: {ratio}, deviation: {deviation}, launches: {launches}}}")
        }
        Entry::Bytes(bytes) => format!("{{bytes: {}}}", bytes.0),
        Entry::Count(count) => format!("{{count: {count}}}"),
        Entry::Unsupported(reason) => format!("{{unsupported: {}}}", quoted(&reason)),
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}

/// A word as it is, anything else quoted.
fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// Whether every YAML reader takes `text` for this very string without quotes: words of harmless characters, single
/// spaces between them, that start with a letter and are no keyword of YAML 1.1 or 1.2.
fn is_plain(text: &str) -> bool {
    const KEYWORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " ._+/-".contains(c))
        && !text.ends_with(' ')
        && !text.contains("  ")
        && !KEYWORDS.contains(&text.to_ascii_lowercase().as_str())
}

/// A double-quoted YAML scalar on one line. Everything outside of visible text is escaped, also what JSON would let
/// through: YAML breaks lines at some of it, and invisible characters would make a diff lie.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\'' => out.push(c),
            c if c.escape_debug().count() == 1 => out.push(c),
            c if u32::from(c) <= 0xffff => out += &format!("\\u{:04x}", u32::from(c)),
            c => out += &format!("\\U{:08x}", u32::from(c)),
        }
    }
    out.push('"');
    out
}
