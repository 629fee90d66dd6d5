//! How far a backend's baseline speaks for this run: what gates, what only advises, and why.
//!
//! A new engine version is what users test and changes nothing here; other options, another compiler or another engine are
//! another backend by the same name, and are said to be.

use std::collections::BTreeSet;

use crate::model::baseline::TimeReference;
use crate::model::findings::Gating;
use crate::model::machine::Target;
use crate::model::observation::Side;
use crate::model::sample::BackendOptions;
use crate::model::{BackendId, BackendSpec, Baseline, Results};

/// What a baseline is good for in this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Of size, memory and what is supported.
    pub exact: Gating,
    pub time: Gating,
    /// Why committed ratios cannot be compared at all, where they cannot.
    pub no_reference: Option<String>,
}

/// The standing of one backend's baseline.
#[must_use]
pub fn standing(results: &Results, id: &BackendId, baseline: &Baseline) -> Standing {
    let class = &results.header.machine.class;
    let no_reference = reference_problem(&baseline.reference, &results.header.time_reference());
    let exact = other_backend(results, id, baseline);
    let time = exact.clone().or_else(|| no_reference.clone()).or_else(|| {
        // A ratio to a reference worker is one of like to like on one machine, and travels within an architecture.
        let travels = matches!(baseline.reference, TimeReference::Worker { .. });
        (baseline.runner != *class && !travels).then(|| {
            format!(
                "the times of the baseline were measured on {}, this is {}",
                baseline.runner.to_string().escape_debug(),
                class.to_string().escape_debug()
            )
        })
    });
    let gating = |problem: Option<String>| problem.map_or(Gating::Gates, Gating::Advisory);
    Standing { exact: gating(exact), time: gating(time), no_reference }
}

fn reference_problem(committed: &TimeReference, run: &TimeReference) -> Option<String> {
    if committed == run {
        return None;
    }
    let name = |reference: &TimeReference| match reference {
        TimeReference::Yardstick { version } => format!("yardstick version {version}"),
        TimeReference::Worker { sha256 } => format!("the reference worker {}", short(sha256)),
    };
    Some(format!(
        "the baseline's ratios are to {}, this run's to {}; measure them again with `tollgate run --update-baselines`",
        name(committed),
        name(run)
    ))
}

/// Enough of a checksum to tell two apart, of text that need not be one.
fn short(sha256: &str) -> String {
    sha256.chars().take(12).collect::<String>().escape_debug().to_string()
}

/// Why the baseline is not that of this backend, if so.
fn other_backend(results: &Results, id: &BackendId, baseline: &Baseline) -> Option<String> {
    let header = &results.header;
    let target = &header.machine.class.target;
    if baseline.target != *target {
        let of = |target: &Target| target.to_string().escape_debug().to_string();
        return Some(format!("the baseline is that of {}, this is {}", of(&baseline.target), of(target)));
    }
    // A backend that is no longer configured has only vanished cells, to which this does not matter.
    let spec = header.backends.iter().find(|spec| spec.id == *id)?;
    let provenance = &baseline.provenance;
    let mut other = other_options(&provenance.options, &spec.options);
    if provenance.compiler != spec.compiler {
        other.push("compiler");
    }
    if other_engine(results, spec, &provenance.engine) {
        other.push("engine");
    }
    if !other.is_empty() {
        return Some(format!(
            "the baseline was measured with another {}; measure it again with `tollgate run --update-baselines`",
            other.join(", ")
        ));
    }
    (is_native(&spec.options) && baseline.runner != header.machine.class).then(|| {
        "each runner compiles for its own processor, and the baseline is another runner's; pin `cpu-features`"
            .to_owned()
    })
}

/// Whether the runner's own processor decides what code is generated.
fn is_native(options: &BackendOptions) -> bool {
    options.cpu_features.name == "native"
}

fn other_options(base: &BackendOptions, head: &BackendOptions) -> Vec<&'static str> {
    let mut other = Vec::new();
    let mut note = |differs: bool, name| {
        if differs {
            other.push(name);
        }
    };
    note(base.opt_level != head.opt_level, "optimisation level");
    note(base.canonicalize_nans != head.canonicalize_nans, "NaN canonicalisation");
    let cpu = (&base.cpu_features, &head.cpu_features);
    note(cpu.0.features != cpu.1.features || is_native(base) != is_native(head), "set of CPU features");
    note(base.threads != head.threads, "number of compiler threads");
    other
}

/// Whether every launch of the backend says that it is another engine than the baseline's, by the first word.
fn other_engine(results: &Results, spec: &BackendSpec, base: &str) -> bool {
    let name = |text: &str| text.split_whitespace().next().unwrap_or_default().to_owned();
    let heads: BTreeSet<String> = results
        .launches
        .iter()
        .filter(|launch| launch.backend == spec.id && launch.side == Side::Head)
        .filter_map(|launch| launch.engine.as_deref().map(name))
        .collect();
    !heads.is_empty() && !heads.contains(&name(base))
}
