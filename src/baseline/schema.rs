//! Reads the text of a baseline file: a mirror of the format, made into the model with every problem reported at its
//! position.
//!
//! Invariants: nothing of a doubtful file is used; a file that ends early is noticed even where its rest is valid
//! YAML, by the missing last line; a file of another version is named as such before anything else is said about it.
//! Knows nothing of files: `store` brings the text and says which backend and target it must be of.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU16;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_yaml::Spanned;

use crate::model::baseline::{Baseline, BaselineKey, Change, Entry, Provenance, Scatter, Spread, TimeReference};
use crate::model::ids::BackendId;
use crate::model::machine::{RunnerClass, Target};
use crate::model::sample::{BackendOptions, CpuFeatures, OptLevel};
use crate::model::stage::{Metric, Stage, StageKind};
use crate::model::units::Bytes;

use super::error::{Problem, Problems, clean};

/// Version of the format; raised when an older Tollgate would misread a newer file.
pub const VERSION: u64 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBaseline {
    version: Spanned<u64>,
    backend: Spanned<String>,
    target: Spanned<RawTarget>,
    provenance: RawProvenance,
    runner: RawRunner,
    reference: Spanned<RawReference>,
    spread: Entries<RawSpread>,
    #[serde(default)]
    scatter: Entries<RawScatter>,
    changes: Vec<RawChange>,
    cells: Entries<RawEntry>,
    end: Spanned<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTarget {
    arch: String,
    os: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProvenance {
    tollgate: String,
    engine: String,
    compiler: String,
    options: RawOptions,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawOptions {
    opt_level: OptLevel,
    canonicalize_nans: bool,
    threads: NonZeroU16,
    cpu_features: String,
    features: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRunner {
    arch: String,
    os: String,
    cpu: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReference {
    yardstick: Option<u32>,
    worker: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSpread {
    deviation: f64,
    runs: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScatter {
    deviation: f64,
    freedom: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChange {
    date: Spanned<String>,
    commit: Option<String>,
    reason: Option<String>,
    added: u32,
    removed: u32,
    tightened: u32,
    loosened: u32,
}

/// Every field that an entry of any metric can have; which ones belong together is checked afterwards, for all cells.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    ratio: Option<f64>,
    deviation: Option<f64>,
    launches: Option<u32>,
    bytes: Option<u64>,
    count: Option<u64>,
    unsupported: Option<String>,
}

/// A mapping with the positions of its keys and values, in the order of the file.
struct Entries<T>(Vec<(Spanned<String>, Spanned<T>)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

/// Reads a baseline that must be of the given backend and target, if any.
///
/// # Errors
/// Everything that is wrong with the text, as far as it can be told: a text that is not YAML, or a value of the wrong
/// type, stops at the first; all values that are of the right type and wrong are reported together.
pub fn parse(text: &str, expected: Option<(&BackendId, &Target)>) -> Result<Baseline, Problems> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(problem) = misfit(text) {
        return Err(Problems(vec![problem]));
    }
    let raw: RawBaseline = serde_yaml::from_str_with_options(text, options()).map_err(|error| {
        let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
        let said = error.without_snippet().render_with_formatter(&serde_yaml::UserMessageFormatter);
        let place = format!(" at line {line}, column {column}");
        Problems(vec![Problem { line, column, message: clean(said.strip_suffix(&place).unwrap_or(&said)) }])
    })?;
    let mut checks = Checks::default();
    let baseline = checks.baseline(raw, expected);
    match baseline {
        Some(baseline) if checks.problems.is_empty() => Ok(baseline),
        _ => {
            checks.problems.sort_by_key(|problem| (problem.line, problem.column));
            Err(Problems(checks.problems))
        }
    }
}

/// The line, from 1, on which a file's text has the cell `key`. Every cell has a line of its own.
#[must_use]
pub fn line_of(text: &str, key: &str) -> Option<usize> {
    let is_cell = |line: &str| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.starts_with(':'));
    text.lines().position(is_cell).map(|at| at + 1)
}

/// The parser's limits suit a file of the largest size that `store` accepts: the shortest lines of cells have a node for
/// every seven bytes and an event for every five. Anchors, aliases and merge keys have no place in this format.
fn options() -> serde_yaml::Options {
    serde_yaml::options! {
        with_snippet: false,
        strict_booleans: true,
        merge_keys: serde_yaml::MergeKeyPolicy::Error,
        budget: serde_yaml::budget! {
            max_events: 6_000_000,
            max_nodes: 3_000_000,
            max_aliases: 0,
            max_depth: 8,
        },
    }
}

/// What shows from the lines alone, before the text is read as YAML: none of it would get a helpful message there.
fn misfit(text: &str) -> Option<Problem> {
    let at = |line: usize, message: String| Some(Problem { line: line as u64 + 1, column: 1, message });
    if text.trim().is_empty() {
        return at(0, "the file is empty".to_owned());
    }
    if let Some((line, _)) = text.lines().enumerate().find(|(_, line)| is_conflict_marker(line)) {
        let message = "a merge was left unresolved here: keep both sides under `changes`, elsewhere the side that was \
                       measured last, and remove the marker lines";
        return at(line, message.to_owned());
    }
    let version = text
        .lines()
        .enumerate()
        .find_map(|(line, text)| Some((line, text.strip_prefix("version:")?.split('#').next()?.trim().parse().ok()?)));
    if let Some((line, version)) = version
        && let Some(message) = other_version(version)
    {
        return at(line, message);
    }
    let last = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#')).last();
    let (line, last) = last.unwrap_or((0, ""));
    if last.split('#').next().map(str::trim_end) != Some("end: true") {
        let message =
            "the file is incomplete: its last line must be `end: true`; it was cut off, or written only in part";
        return at(line, message.to_owned());
    }
    None
}

fn is_conflict_marker(line: &str) -> bool {
    line == "=======" || ["<<<<<<< ", ">>>>>>> ", "||||||| "].iter().any(|marker| line.starts_with(marker))
}

/// Why this version cannot be read here, unless it is ours.
fn other_version(version: u64) -> Option<String> {
    if version == VERSION {
        return None;
    }
    Some(if version > VERSION {
        format!(
            "the file has format {version}, written by a newer Tollgate; this one ({}) reads format {VERSION}: update \
             Tollgate",
            env!("CARGO_PKG_VERSION")
        )
    } else {
        format!(
            "the file has format {version}, and this Tollgate reads format {VERSION}: bring it forward by deleting the file \
             and running `tollgate run --update-baselines`"
        )
    })
}

/// Collects problems while raw values become model values.
#[derive(Default)]
struct Checks {
    problems: Vec<Problem>,
}

impl Checks {
    fn problem<T>(&mut self, at: &Spanned<T>, message: impl Into<String>) {
        let (line, column) = (at.referenced.line(), at.referenced.column());
        self.problems.push(Problem { line, column, message: message.into() });
    }

    fn baseline(&mut self, raw: RawBaseline, expected: Option<(&BackendId, &Target)>) -> Option<Baseline> {
        if let Some(message) = other_version(raw.version.value) {
            self.problem(&raw.version, message);
        }
        if !raw.end.value {
            self.problem(&raw.end, "`end` is always `true`");
        }
        let backend = self.backend(&raw.backend, expected.map(|(backend, _)| backend));
        let target = self.target(raw.target, expected.map(|(_, target)| target));
        let reference = self.reference(raw.reference);
        let spread = self.spread(raw.spread);
        let scatter = self.scatter(raw.scatter);
        let changes = raw.changes.into_iter().map(|change| self.change(change)).collect();
        let cells = self.cells(raw.cells);
        let RawProvenance { tollgate, engine, compiler, options } = raw.provenance;
        let RawOptions { opt_level, canonicalize_nans, threads, cpu_features, features } = options;
        let cpu_features = CpuFeatures { name: cpu_features, features };
        let options = BackendOptions { opt_level, canonicalize_nans, cpu_features, threads };
        let RawRunner { arch, os, cpu } = raw.runner;
        Some(Baseline {
            backend: backend?,
            target,
            provenance: Provenance { tollgate, engine, compiler, options },
            runner: RunnerClass { target: Target { arch, os }, cpu },
            reference: reference?,
            spread,
            scatter,
            changes,
            cells,
        })
    }

    fn backend(&mut self, raw: &Spanned<String>, expected: Option<&BackendId>) -> Option<BackendId> {
        match BackendId::new(raw.value.as_str()) {
            Ok(backend) => {
                if let Some(expected) = expected.filter(|expected| **expected != backend) {
                    let message = format!(
                        "this is the baseline of backend `{backend}`, in the place of the one of `{expected}`: rename the \
                         file after its backend"
                    );
                    self.problem(raw, message);
                }
                Some(backend)
            }
            Err(error) => {
                self.problem(raw, format!("`{}` names no backend: {error}", raw.value.escape_debug()));
                None
            }
        }
    }

    fn target(&mut self, raw: Spanned<RawTarget>, expected: Option<&Target>) -> Target {
        let at = Spanned::new((), raw.referenced, raw.defined);
        let RawTarget { arch, os } = raw.value;
        let target = Target { arch, os };
        if let Some(expected) = expected.filter(|expected| **expected != target) {
            let [found, expected] = [&target, expected].map(|target| clean(&target.to_string()));
            let message =
                format!("this is a baseline for {found}, in the folder for {expected}: move it to its own folder");
            self.problem(&at, message);
        }
        target
    }

    fn reference(&mut self, raw: Spanned<RawReference>) -> Option<TimeReference> {
        let at = Spanned::new((), raw.referenced, raw.defined);
        match raw.value {
            RawReference { yardstick: Some(version), worker: None } => Some(TimeReference::Yardstick { version }),
            RawReference { yardstick: None, worker: Some(sha256) } => {
                let is_digest = sha256.len() == 64 && sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if !is_digest {
                    self.problem(&at, "`worker` is a SHA-256 in 64 lower-case hexadecimal digits");
                }
                Some(TimeReference::Worker { sha256 })
            }
            _ => {
                self.problem(&at, "`reference` has either `yardstick` or `worker`");
                None
            }
        }
    }

    fn spread(&mut self, raw: Entries<RawSpread>) -> BTreeMap<Stage, Spread> {
        let mut spread = BTreeMap::new();
        for (key, value) in raw.0 {
            let RawSpread { deviation, runs } = value.value;
            let at = Spanned::new((), value.referenced, value.defined);
            self.deviation(&at, deviation);
            if runs == 0 {
                self.problem(&at, "`runs` is at least 1");
            }
            match key.value.parse() {
                Ok(stage) => {
                    spread.insert(stage, Spread { deviation, runs });
                }
                Err(message) => self.problem(&key, message),
            }
        }
        spread
    }

    fn scatter(&mut self, raw: Entries<RawScatter>) -> BTreeMap<Stage, Scatter> {
        let mut scatter = BTreeMap::new();
        for (key, value) in raw.0 {
            let RawScatter { deviation, freedom } = value.value;
            let at = Spanned::new((), value.referenced, value.defined);
            self.deviation(&at, deviation);
            if freedom == 0 {
                self.problem(&at, "`freedom` is at least 1");
            }
            match key.value.parse() {
                Ok(stage) => {
                    scatter.insert(stage, Scatter { deviation, freedom });
                }
                Err(message) => self.problem(&key, message),
            }
        }
        scatter
    }

    fn change(&mut self, raw: RawChange) -> Change {
        if !is_date(&raw.date.value) {
            self.problem(&raw.date, format!("`{}` is not a date; write YYYY-MM-DD", raw.date.value.escape_debug()));
        }
        let RawChange { date, commit, reason, added, removed, tightened, loosened } = raw;
        Change { date: date.value, commit, reason, added, removed, tightened, loosened }
    }

    fn cells(&mut self, raw: Entries<RawEntry>) -> BTreeMap<BaselineKey, Entry> {
        let mut cells = BTreeMap::new();
        for (key, value) in raw.0 {
            match BaselineKey::try_from(key.value.clone()) {
                Ok(cell) => {
                    if let Some(entry) = self.entry(&cell, value) {
                        cells.insert(cell, entry);
                    }
                }
                Err(message) => self.problem(&key, message),
            }
        }
        cells
    }

    fn entry(&mut self, key: &BaselineKey, raw: Spanned<RawEntry>) -> Option<Entry> {
        let at = Spanned::new((), raw.referenced, raw.defined);
        if key.stage.kind() != StageKind::Gating {
            self.problem(&at, format!("`{}` is never judged, so a baseline does not hold it", key.stage));
        }
        let RawEntry { ratio, deviation, launches, bytes, count, unsupported } = raw.value;
        let entry = match (key.metric, ratio, deviation, launches, bytes, count, unsupported) {
            (Metric::Time, Some(ratio), Some(deviation), Some(launches), None, None, None) => {
                Entry::Time { ratio, deviation, launches }
            }
            (Metric::Score, Some(ratio), Some(deviation), Some(launches), None, None, None) => {
                Entry::Score { ratio, deviation, launches }
            }
            (Metric::Size | Metric::Memory, None, None, None, Some(bytes), None, None) => Entry::Bytes(Bytes(bytes)),
            (Metric::Instructions, None, None, None, None, Some(count), None) => Entry::Count(count),
            (Metric::Time, None, None, None, None, None, Some(reason)) => Entry::Unsupported(reason),
            _ => {
                let message = match key.metric {
                    Metric::Time => "`time` has `ratio`, `deviation` and `launches`, or `unsupported` alone",
                    Metric::Score => "`score` has `ratio`, `deviation` and `launches`",
                    Metric::Size | Metric::Memory => "`size` and `memory` have `bytes` alone",
                    Metric::Instructions => "`instructions` has `count` alone",
                };
                self.problem(&at, message);
                return None;
            }
        };
        if let Entry::Time { ratio, deviation, launches } | Entry::Score { ratio, deviation, launches } = &entry {
            if !(ratio.is_finite() && *ratio > 0.0) {
                self.problem(&at, format!("`ratio` is {ratio}; it must be a number above 0"));
            }
            self.deviation(&at, *deviation);
            if *launches == 0 {
                self.problem(&at, "`launches` is at least 1");
            }
        }
        Some(entry)
    }

    fn deviation(&mut self, at: &Spanned<()>, deviation: f64) {
        if !(deviation.is_finite() && deviation >= 0.0) {
            self.problem(at, format!("`deviation` is {deviation}; it must be 0 or a number above it"));
        }
    }
}

/// Whether the text has the form `YYYY-MM-DD`, with a month and a day that exist in some year.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shape = bytes.len() == 10
        && bytes.iter().enumerate().all(|(i, b)| if matches!(i, 4 | 7) { *b == b'-' } else { b.is_ascii_digit() });
    shape && matches!(text[5..7].parse(), Ok(1..=12)) && matches!(text[8..10].parse(), Ok(1..=31))
}

#[cfg(test)]
mod tests;
