//! Splitting a plan over several machines.
//!
//! Invariants: the plan, the baselines and the number of parts decide alone, so that machines that know nothing of each other agree;
//! a sample goes to one part with all of its backends, because reports set backends side by side; every pair is in exactly one part.
//! Knows nothing of the base: what is the same on both sides costs nothing, and each part finds that out for itself.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use super::cost;
use crate::model::baseline::TimeReference;
use crate::model::results::PlannedPair;
use crate::model::settings::Effort;
use crate::model::{BackendId, Baseline, SampleId, Stage, StageKind};

/// The yardstick that committed ratios are turned into costs with, in nanoseconds: the mean of one on a shared virtual machine
/// with an Intel Xeon of 2023, 566 to 569 µs in three runs. Any other would give nearly the same parts; the machine's own must
/// not be taken, because no two machines would agree.
const NOMINAL_YARDSTICK: f64 = 568e3;

/// Why a plan cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "split the run into {parts} shards: it has {samples} sample{}, and a sample is not split; take no more shards than samples",
    if *samples == 1 { "" } else { "s" }
)]
pub struct TooManyShards {
    pub parts: u32,
    pub samples: usize,
}

/// The plan in `count` parts that are expected to take about as long as each other.
///
/// The sample that costs most goes first, each to the part that has least so far. So a new sample moves none that costs more than
/// itself. Where the baselines do not know a pair, it counts like the mean of its backend's known ones.
///
/// # Errors
/// When there are fewer samples than parts.
pub fn split(
    plan: &[PlannedPair],
    baselines: &BTreeMap<BackendId, Baseline>,
    count: u32,
) -> Result<Vec<Vec<PlannedPair>>, TooManyShards> {
    let mut costs: BTreeMap<&SampleId, Duration> = BTreeMap::new();
    for (pair, cost) in plan.iter().zip(pair_costs(plan, baselines)) {
        *costs.entry(&pair.sample).or_default() += cost;
    }
    let parts = usize::try_from(count).unwrap_or(usize::MAX);
    if parts == 0 || parts > costs.len() {
        return Err(TooManyShards { parts: count, samples: costs.len() });
    }
    let mut order: Vec<(&SampleId, Duration)> = costs.into_iter().collect();
    order.sort_by_key(|(sample, cost)| (Reverse(*cost), *sample));
    let mut loads = vec![(Duration::ZERO, 0_usize); parts];
    let mut part_of: BTreeMap<&SampleId, usize> = BTreeMap::new();
    for (sample, cost) in order {
        // Of parts with the same cost the one with fewer samples, so that none stays empty; then the first.
        let least = (0..parts).min_by_key(|part| loads[*part]).unwrap_or_default();
        loads[least].0 += cost;
        loads[least].1 += 1;
        part_of.insert(sample, least);
    }
    let part = |part: usize| plan.iter().filter(|pair| part_of.get(&pair.sample) == Some(&part)).cloned().collect();
    Ok((0..parts).map(part).collect())
}

/// What one launch of each pair is expected to cost.
fn pair_costs(plan: &[PlannedPair], baselines: &BTreeMap<BackendId, Baseline>) -> Vec<Duration> {
    let known: Vec<Option<Duration>> = plan.iter().map(|pair| known_cost(pair, baselines)).collect();
    let mean = |wanted: &dyn Fn(&PlannedPair) -> bool| {
        let costs: Vec<Duration> =
            plan.iter().zip(&known).filter(|(pair, _)| wanted(pair)).filter_map(|(_, cost)| *cost).collect();
        let count = u32::try_from(costs.len()).ok()?;
        costs.iter().sum::<Duration>().checked_div(count)
    };
    let unknown = |pair: &PlannedPair| {
        mean(&|other| other.backend == pair.backend).or_else(|| mean(&|_| true)).unwrap_or(Duration::from_secs(1))
    };
    plan.iter().zip(&known).map(|(pair, cost)| cost.unwrap_or_else(|| unknown(pair))).collect()
}

fn known_cost(pair: &PlannedPair, baselines: &BTreeMap<BackendId, Baseline>) -> Option<Duration> {
    let baseline = baselines.get(&pair.backend)?;
    // A ratio to a reference worker is one to its time for the same sample, and says nothing about how long that is.
    if !matches!(baseline.reference, TimeReference::Yardstick { .. }) {
        return None;
    }
    // What is for information is measured once, and no part of what a round costs.
    let stages: Vec<Stage> =
        pair.stages.iter().copied().filter(|stage| stage.kind() != StageKind::Information).collect();
    cost::of_launch(&pair.sample, &stages, baseline, &Effort::default(), NOMINAL_YARDSTICK)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::num::NonZeroU16;

    use super::*;
    use crate::model::baseline::Provenance;
    use crate::model::machine::{RunnerClass, Target};
    use crate::model::results::Comparison;
    use crate::model::sample::{BackendOptions, CpuFeatures, OptLevel};
    use crate::model::{BaselineKey, Entry, Metric};

    fn plan(samples: &[&str]) -> Vec<PlannedPair> {
        let pair = |sample: &str, backend: &str| PlannedPair {
            sample: SampleId::new(sample).unwrap(),
            backend: BackendId::new(backend).unwrap(),
            stages: vec![Stage::Compile, Stage::CompileAllCores],
            comparison: Comparison::default(),
        };
        samples.iter().flat_map(|sample| ["x", "y"].map(|backend| pair(sample, backend))).collect()
    }

    /// Baselines by which a compile takes so many milliseconds.
    fn baselines(compiles: &[(&str, u32)], reference: &TimeReference) -> BTreeMap<BackendId, Baseline> {
        let key = |sample: &str| BaselineKey {
            sample: SampleId::new(sample).unwrap(),
            stage: Stage::Compile,
            metric: Metric::Time,
        };
        let entry = |millis: u32| Entry::Time {
            ratio: f64::from(millis) * 1e6 / NOMINAL_YARDSTICK,
            deviation: 0.01,
            launches: 5,
        };
        let target = Target { arch: "x86_64".to_owned(), os: "linux".to_owned() };
        let options = BackendOptions {
            opt_level: OptLevel::Speed,
            canonicalize_nans: false,
            cpu_features: CpuFeatures { name: "native".to_owned(), features: vec![] },
            threads: NonZeroU16::MIN,
        };
        let baseline = |backend: &BackendId| Baseline {
            backend: backend.clone(),
            target: target.clone(),
            provenance: Provenance {
                tollgate: String::new(),
                engine: String::new(),
                compiler: String::new(),
                options: options.clone(),
            },
            runner: RunnerClass { target: target.clone(), cpu: String::new() },
            reference: reference.clone(),
            spread: BTreeMap::new(),
            scatter: BTreeMap::new(),
            changes: vec![],
            cells: compiles.iter().map(|(sample, millis)| (key(sample), entry(*millis))).collect(),
        };
        ["x", "y"].map(|id| BackendId::new(id).unwrap()).map(|id| (id.clone(), baseline(&id))).into()
    }

    fn yardstick() -> TimeReference {
        TimeReference::Yardstick { version: 1 }
    }

    /// The samples of each part.
    fn names(parts: &[Vec<PlannedPair>]) -> Vec<Vec<&str>> {
        let own = |part: &'_ Vec<PlannedPair>| -> Vec<String> {
            part.iter().map(|pair| pair.sample.to_string()).collect::<BTreeSet<_>>().into_iter().collect()
        };
        let all: Vec<Vec<String>> = parts.iter().map(own).collect();
        all.into_iter().map(|part| part.into_iter().map(|name| &*name.leak()).collect()).collect()
    }

    const COSTS: [(&str, u32); 5] = [("a", 100), ("b", 8000), ("c", 3000), ("d", 4000), ("e", 900)];

    #[test]
    fn parts_cost_about_the_same_and_are_the_whole_plan() {
        let plan = plan(&["a", "b", "c", "d", "e"]);
        let parts = split(&plan, &baselines(&COSTS, &yardstick()), 2).unwrap();
        assert_eq!(names(&parts), [vec!["a", "b"], vec!["c", "d", "e"]]);
        let mut together: Vec<_> = parts.concat();
        together.sort();
        assert_eq!(together, plan);
        assert_eq!(split(&plan, &BTreeMap::new(), 1).unwrap(), [plan]);
    }

    #[test]
    fn a_new_sample_moves_none_that_costs_more() {
        let more = [&COSTS[..], &[("f", 950)]].concat();
        let before = split(&plan(&["a", "b", "c", "d", "e"]), &baselines(&COSTS, &yardstick()), 3).unwrap();
        let after = split(&plan(&["a", "b", "c", "d", "e", "f"]), &baselines(&more, &yardstick()), 3).unwrap();
        let part_of = |parts: &[Vec<PlannedPair>], sample| names(parts).iter().position(|part| part.contains(&sample));
        for sample in ["b", "c", "d"] {
            assert_eq!(part_of(&before, sample), part_of(&after, sample), "{sample}");
        }
    }

    #[test]
    fn what_no_baseline_knows_counts_like_the_others() {
        let plan = plan(&["a", "b", "c", "d"]);
        let even = [vec!["a", "c"], vec!["b", "d"]];
        assert_eq!(names(&split(&plan, &BTreeMap::new(), 2).unwrap()), even);
        // Ratios to a worker's own time for the sample.
        let reference = TimeReference::Worker { sha256: String::new() };
        assert_eq!(names(&split(&plan, &baselines(&COSTS, &reference), 2).unwrap()), even);
        // `new` counts like the mean of 8000 and 100.
        let known = baselines(&[("a", 100), ("b", 8000)], &yardstick());
        assert_eq!(names(&split(&self::plan(&["a", "b", "new"]), &known, 2).unwrap()), [vec!["b"], vec!["a", "new"]]);
    }

    #[test]
    fn no_part_is_empty() {
        let plan = plan(&["a", "b", "c"]);
        assert!(split(&plan, &BTreeMap::new(), 3).unwrap().iter().all(|part| part.len() == 2));
        let error = split(&plan, &BTreeMap::new(), 4).unwrap_err();
        assert_eq!(error, TooManyShards { parts: 4, samples: 3 });
        assert!(error.to_string().contains("it has 3 samples, and a sample is not split"), "{error}");
        assert!(split(&plan, &BTreeMap::new(), 0).is_err());
    }
}
