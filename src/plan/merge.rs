//! Putting the results of shards together to those of one run.
//!
//! Invariants: nothing is computed from observations; what comes out holds every pair of the plan once; a shard that is not there as a
//! whole is said to be faulty and counts as not measured, with a failure that breaks its cells. Shards of different things are
//! refused, with what differs. Paths do not count: the same file lies elsewhere on another machine. Does not read files.

use std::collections::BTreeMap;

use super::comparison;
use crate::model::results::{Base, Comparison, End, EndReason, Header, PlannedPair};
use crate::model::sample::EngineSpec;
use crate::model::shard::{MergedShard, Shard, ShardFault, ShardRun, ShardState};
use crate::model::{BackendSpec, Failure, FailureKind, Launch, Nanos, Results, Sample};

/// What a reader is told to do about a faulty shard.
const REMEDY: &str =
    "its cells were not measured: run the job of this shard again, and merge the results of all shards anew";

/// Results of one shard, and what they are called.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// The file, as named to the user.
    pub name: String,
    pub results: Results,
}

/// Results put together, and how whole they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    pub results: Results,
    /// What is wrong with shards, one sentence each, with the files.
    pub problems: Vec<String>,
}

/// Why results cannot be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    #[error("find anything to put together; name the results of shards")]
    Nothing,
    #[error("put {} together with others: it is of a whole run, and no shard; `tollgate judge` takes it as it is", .0.escape_debug())]
    Whole(String),
    #[error("put {} together with others: it was put together already; name the results of the shards", .0.escape_debug())]
    MergedAlready(String),
    #[error("use {}: it does not say which part of the plan it is; is it a file of Tollgate's?", .0.escape_debug())]
    NoPart(String),
    #[error(
        "put {expected} shards together: the runs were split into {found}; correct --shards, or run all {expected} of them"
    )]
    OtherCount { expected: u32, found: u32 },
    #[error(
        "put {} and {} together: {what} differs{}; measure all shards at one revision, with one Tollgate and the same \
         arguments but for --shard",
        .first.escape_debug(), .second.escape_debug(), shown(.values)
    )]
    Different { first: String, second: String, what: String, values: Option<(String, String)> },
}

fn shown(values: &Option<(String, String)>) -> String {
    values.as_ref().map_or_else(String::new, |(a, b)| format!(" ({} and {})", a.escape_debug(), b.escape_debug()))
}

/// Puts results of shards together. `expected` is how many there should be, where somebody says so.
///
/// # Errors
/// When they are no shards, or not of the same run.
pub fn merge(mut inputs: Vec<Input>, expected: Option<u32>) -> Result<Merged, MergeError> {
    inputs.sort_by(|a, b| (number(a), &a.name).cmp(&(number(b), &b.name)));
    inputs.iter().try_for_each(check_shard)?;
    let (first, others) = inputs.split_first().ok_or(MergeError::Nothing)?;
    others.iter().try_for_each(|other| check_same(first, other))?;
    let Some(Shard { parts, .. }) = first.results.header.shard.clone() else {
        return Err(MergeError::Whole(first.name.clone()));
    };
    let found = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        return Err(MergeError::OtherCount { expected, found });
    }
    let header = first.results.header.clone();
    let mut by_number: BTreeMap<u32, Vec<Input>> = BTreeMap::new();
    for input in inputs {
        by_number.entry(number(&input)).or_default().push(input);
    }
    let mut whole = Whole::new(header);
    for (number, part) in (1..).zip(parts) {
        whole.add((number, found), part, by_number.remove(&number).unwrap_or_default());
    }
    Ok(whole.finish())
}

fn number(input: &Input) -> u32 {
    input.results.header.shard.as_ref().map_or(0, |shard| shard.number)
}

/// Whether the results are those of a shard, and measured what they say is its part.
fn check_shard(input: &Input) -> Result<(), MergeError> {
    let header = &input.results.header;
    if !header.merged.is_empty() {
        return Err(MergeError::MergedAlready(input.name.clone()));
    }
    let Some(shard) = &header.shard else { return Err(MergeError::Whole(input.name.clone())) };
    let planned: Vec<_> = header.plan.iter().map(uncompared).collect();
    if (1..=shard.of()).contains(&shard.number) && shard.own() == planned {
        Ok(())
    } else {
        Err(MergeError::NoPart(input.name.clone()))
    }
}

fn uncompared(pair: &PlannedPair) -> PlannedPair {
    PlannedPair { comparison: Comparison::default(), ..pair.clone() }
}

/// Results in the making.
struct Whole {
    results: Results,
    problems: Vec<String>,
    measured: u32,
}

impl Whole {
    fn new(header: Header) -> Self {
        let header = Header { shard: None, plan: Vec::new(), ..header };
        let end = End { reason: EndReason::Complete, elapsed: Nanos::default() };
        Self { results: Results { header, launches: Vec::new(), end }, problems: Vec::new(), measured: 0 }
    }

    fn add(&mut self, shard: (u32, u32), part: Vec<PlannedPair>, found: Vec<Input>) {
        let names: Vec<_> = found.iter().map(|input| input.name.escape_debug().to_string()).collect();
        let mut found = found.into_iter();
        let fault = match (found.next(), found.next()) {
            (None, _) => ShardFault::Missing,
            (Some(_), Some(_)) => ShardFault::Doubled,
            (Some(one), None) => match one.results.end.reason {
                EndReason::Complete | EndReason::Budget => return self.take(one.results),
                EndReason::Interrupted => ShardFault::Interrupted,
                EndReason::Died => ShardFault::Died,
            },
        };
        let kind = FailureKind::Shard { number: shard.0, of: shard.1, fault };
        let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
        self.problems.push(format!("{kind}{names}; {REMEDY}"));
        self.results.header.plan.extend(part.iter().cloned());
        let failure = Failure { stage: None, kind, detail: REMEDY.to_owned() };
        self.results.header.merged.push(MergedShard { part, state: ShardState::Faulty(failure) });
    }

    fn take(&mut self, shard: Results) {
        let Results { header: own, launches, end } = shard;
        let header = &mut self.results.header;
        // A run has one start, one seed and one machine: those of the first shard that is there.
        if self.measured == 0 {
            header.started.clone_from(&own.started);
            header.seed = own.seed;
            header.machine = own.machine.clone();
        }
        self.measured += 1;
        header.plan.extend(own.plan.iter().cloned());
        let is_own = |launch: &Launch| {
            own.plan.iter().any(|pair| (&pair.sample, &pair.backend) == (&launch.sample, &launch.backend))
        };
        for launch in launches.into_iter().filter(is_own) {
            let id = u32::try_from(self.results.launches.len()).unwrap_or(u32::MAX);
            self.results.launches.push(Launch { id, ..launch });
        }
        let sum = &mut self.results.end;
        sum.elapsed = Nanos(sum.elapsed.0.saturating_add(end.elapsed.0));
        if end.reason == EndReason::Budget {
            sum.reason = EndReason::Budget;
        }
        let run = ShardRun { started: own.started, seed: own.seed, machine: own.machine, end };
        header.merged.push(MergedShard { part: own.plan, state: ShardState::Measured(run) });
    }

    fn finish(mut self) -> Merged {
        self.results.header.plan.sort();
        Merged { results: self.results, problems: self.problems }
    }
}

/// Whether two shards are of the same run: everything that decides what is measured and how it is judged.
fn check_same(first: &Input, second: &Input) -> Result<(), MergeError> {
    let (a, b) = (&first.results.header, &second.results.header);
    match difference(a, b) {
        None => Ok(()),
        Some((what, values)) => {
            Err(MergeError::Different { first: first.name.clone(), second: second.name.clone(), what, values })
        }
    }
}

type Difference = (String, Option<(String, String)>);

/// The first thing that differs and must not, with both values where they are short.
fn difference(a: &Header, b: &Header) -> Option<Difference> {
    let commit = |header: &Header| header.commit.clone().unwrap_or_else(|| "unknown".to_owned());
    let of = |header: &Header| header.shard.as_ref().map_or(0, Shard::of).to_string();
    let texts = [
        ("the version of Tollgate", a.tollgate.clone(), b.tollgate.clone()),
        ("the commit", commit(a), commit(b)),
        ("the number of shards", of(a), of(b)),
        ("the target", a.machine.class.target.to_string(), b.machine.class.target.to_string()),
        ("the version of the yardstick", a.yardstick.to_string(), b.yardstick.to_string()),
        ("the tier", a.settings.tier.to_string(), b.settings.tier.to_string()),
        ("the budget", seconds(a.settings.budget), seconds(b.settings.budget)),
    ];
    if let Some((what, a, b)) = texts.into_iter().find(|(_, a, b)| a != b) {
        return Some((what.to_owned(), Some((a, b))));
    }
    let (x, y) = (&a.settings, &b.settings);
    let rest = [
        ("the selection of samples", x.sample_globs != y.sample_globs),
        ("the selection of backends", x.backend_globs != y.backend_globs),
        ("the selection of stages", x.stages != y.stages),
        ("`thresholds`", x.thresholds != y.thresholds),
        ("`fail-on`", x.fail_on != y.fail_on),
        ("`limits`", x.limits != y.limits),
        ("`layout-allowance`", x.layout_allowances != y.layout_allowances),
        ("the effort of a launch", a.effort != b.effort),
        ("what is loosened", a.loosening != b.loosening),
    ];
    if let Some((what, _)) = rest.into_iter().find(|(_, differs)| *differs) {
        return Some((what.to_owned(), None));
    }
    samples(&a.samples, &b.samples, "")
        .or_else(|| backends(&a.backends, &b.backends, ""))
        .or_else(|| baselines(a, b))
        .or_else(|| base(a.base.as_ref(), b.base.as_ref()))
        .or_else(|| parts(a, b))
}

fn seconds(time: Nanos) -> String {
    format!("{} s", time.as_f64() / 1e9)
}

fn samples(a: &[Sample], b: &[Sample], of: &str) -> Option<Difference> {
    let same = |a: &Sample, b: &Sample| {
        let described = |sample: &Sample| (sample.id.clone(), sample.size, sample.tier, sample.description.clone());
        described(a) == described(b) && comparison::same_sample(a, b)
    };
    let different = a.iter().zip(b).find(|(a, b)| !same(a, b));
    match different {
        Some((a, b)) if a.id == b.id => Some((format!("the sample `{}`{of}", a.id), None)),
        None if a.len() == b.len() => None,
        Some(_) | None => Some((format!("which samples there are{of}"), None)),
    }
}

fn backends(a: &[BackendSpec], b: &[BackendSpec], of: &str) -> Option<Difference> {
    let engine = |spec: &BackendSpec| match &spec.engine {
        EngineSpec::BuiltIn => None,
        EngineSpec::Executable { name, args, sha256, .. } => Some((name.clone(), args.clone(), sha256.clone())),
    };
    let different = a
        .iter()
        .zip(b)
        .find(|(a, b)| a.id != b.id || a.compiler != b.compiler || a.options != b.options || engine(a) != engine(b));
    match different {
        Some((a, b)) if a.id == b.id && engine(a) != engine(b) => {
            let checksums = engine(a).zip(engine(b)).map(|(a, b)| (short(&a.2), short(&b.2)));
            Some((format!("the engine of the backend `{}`{of}", a.id), checksums))
        }
        Some((a, b)) if a.id == b.id => Some((format!("the backend `{}`{of}", a.id), None)),
        None if a.len() == b.len() => None,
        Some(_) | None => Some((format!("which backends there are{of}"), None)),
    }
}

/// Enough of a checksum to tell two apart.
fn short(sha256: &str) -> String {
    format!("sha256 {}", sha256.chars().take(12).collect::<String>())
}

fn baselines(a: &Header, b: &Header) -> Option<Difference> {
    let ids = a.baselines.keys().chain(b.baselines.keys());
    let mut different = ids.filter(|id| a.baselines.get(*id) != b.baselines.get(*id));
    different.next().map(|id| (format!("the baseline of `{id}`"), None))
}

fn base(a: Option<&Base>, b: Option<&Base>) -> Option<Difference> {
    match (a, b) {
        (None, None) => None,
        (Some(a), Some(b)) if a.kind == b.kind => samples(&a.samples, &b.samples, " in the base")
            .or_else(|| backends(&a.backends, &b.backends, " in the base")),
        _ => Some(("the base".to_owned(), None)),
    }
}

fn parts(a: &Header, b: &Header) -> Option<Difference> {
    let of = |header: &Header| header.shard.as_ref().map(|shard| shard.parts.clone());
    (of(a) != of(b)).then(|| ("the plan".to_owned(), None))
}

#[cfg(test)]
mod tests;
