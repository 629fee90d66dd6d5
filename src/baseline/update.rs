//! What a run changes in the baselines: for each backend the new file, and every entry that is added, removed,
//! tightened or loosened.
//!
//! Invariants: only entries whose verdict says that they moved beyond noise are rewritten; figures come from the judge
//! as they are; ratios of two runner classes never stand in one file; nothing is loosened or removed without a reason.
//! A pure function: the store writes, and the command decides whether an update is allowed at all.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::baseline::{Baseline, BaselineKey, Change, Entry, Provenance, Scatter, TimeReference};
use crate::model::findings::{CellFinding, Findings, Gating};
use crate::model::machine::RunnerClass;
use crate::model::observation::Side;
use crate::model::results::Results;
use crate::model::sample::BackendSpec;
use crate::model::stage::{Stage, StageKind};
use crate::model::verdict::{InconclusiveReason, Verdict};

use super::entry::{allowance, describe, difference, is_ratio, is_unsupported, unfit};
use super::error::clean;
pub use super::proposal::{Moved, NotUpdated, Proposal, Request, UpdateRefused};
use super::{render, scatter, spread, store};

/// The new baselines that accepting this run means, sorted by backend; none for a backend where nothing changes.
///
/// # Errors
/// When an entry would be loosened or removed without a reason, or ratios of two runner classes would be mixed.
pub fn propose(results: &Results, findings: &Findings, request: &Request<'_>) -> Result<Vec<Proposal>, UpdateRefused> {
    let mut backends: Vec<_> = results.header.backends.iter().collect();
    backends.sort_by_key(|spec| &spec.id);
    let mut proposals = Vec::new();
    for spec in backends {
        proposals.extend(Draft::new(results, spec, request).proposal(findings)?);
    }
    let unexplained: Vec<_> = proposals
        .iter()
        .flat_map(|proposal: &Proposal| proposal.weakened().map(|moved| (proposal.backend.clone(), moved.clone())))
        .collect();
    if reason(request).is_none() && !unexplained.is_empty() {
        return Err(UpdateRefused::ReasonNeeded(unexplained));
    }
    Ok(proposals)
}

fn reason<'a>(request: &Request<'a>) -> Option<&'a str> {
    request.reason.map(str::trim).filter(|reason| !reason.is_empty())
}

/// What happens to the time ratios of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    /// The same runner class and reference: those that moved are rewritten.
    Moved,
    /// Another runner class or reference: all are rewritten.
    All,
    /// None is touched.
    Kept,
}

/// One backend's new baseline in the making.
struct Draft<'a> {
    results: &'a Results,
    spec: &'a BackendSpec,
    request: &'a Request<'a>,
    old: Option<&'a Baseline>,
    reference: TimeReference,
    times: Times,
    cells: BTreeMap<BaselineKey, Entry>,
    /// Cells whose ratio is of this run.
    fresh: BTreeSet<BaselineKey>,
    /// Cells about which the run says something usable.
    covered: BTreeSet<BaselineKey>,
    added: Vec<Moved>,
    removed: Vec<Moved>,
    tightened: Vec<Moved>,
    loosened: Vec<Moved>,
    not_updated: Vec<NotUpdated>,
}

impl<'a> Draft<'a> {
    fn new(results: &'a Results, spec: &'a BackendSpec, request: &'a Request<'a>) -> Self {
        let old = results.header.baselines.get(&spec.id);
        let reference = results.header.time_reference();
        let times = match old {
            Some(_) if request.keep_times => Times::Kept,
            Some(old) if old.runner != results.header.machine.class || old.reference != reference => Times::All,
            _ => Times::Moved,
        };
        Self {
            results,
            spec,
            request,
            old,
            reference,
            times,
            cells: old.map(|old| old.cells.clone()).unwrap_or_default(),
            fresh: BTreeSet::new(),
            covered: BTreeSet::new(),
            added: Vec::new(),
            removed: Vec::new(),
            tightened: Vec::new(),
            loosened: Vec::new(),
            not_updated: Vec::new(),
        }
    }

    fn proposal(mut self, findings: &Findings) -> Result<Option<Proposal>, UpdateRefused> {
        let own: Vec<_> = findings.cells.iter().filter(|finding| self.is_mine(finding)).collect();
        for finding in &own {
            self.apply(finding);
        }
        self.drop_companions();
        self.refuse_mixture()?;
        let scattered = findings.scatter.get(&self.spec.id).cloned().unwrap_or_default();
        Ok(self.finish(&own, &scattered))
    }

    /// Whether the finding belongs into this backend's file: sums and information are derived anew by every run.
    fn is_mine(&self, finding: &CellFinding) -> bool {
        finding.cell.backend == self.spec.id
            && finding.cell.stage.kind() == StageKind::Gating
            && finding.gating != Gating::Information
    }

    fn apply(&mut self, finding: &CellFinding) {
        let key = key_of(finding);
        let measured = finding.measured.as_ref().map(render::rounded);
        let is_kept = |entry: &Entry| self.times == Times::Kept && is_ratio(entry);
        if !matches!(finding.verdict, Verdict::Broken(_)) && measured.as_ref().is_some_and(|entry| !is_kept(entry)) {
            self.covered.insert(key.clone());
        }
        match (&finding.verdict, measured) {
            (Verdict::Missing, _) => self.remove(&key, "the sample or stage is no longer in the configuration"),
            (Verdict::Broken(failure), _) => self.leave(key, format!("broken: {}", failure.kind)),
            (Verdict::Pass | Verdict::Inconclusive(_), Some(entry)) if self.times == Times::All && is_ratio(&entry) => {
                self.set(key, entry);
            }
            (Verdict::Pass | Verdict::Inconclusive(_), _) => {}
            (Verdict::Unsupported(_), None) => {
                if self.cells.get(&key).is_some_and(|old| !matches!(old, Entry::Unsupported(_))) {
                    self.leave(key, "unsupported now, for reasons that do not concern the backend".to_owned());
                }
            }
            (Verdict::New | Verdict::Improved | Verdict::Regressed, None) => {
                self.leave(key, "nothing was measured that is fit to be committed".to_owned());
            }
            (Verdict::New | Verdict::Improved | Verdict::Regressed | Verdict::Unsupported(_), Some(entry)) => {
                self.set(key, entry);
            }
        }
    }

    fn set(&mut self, key: BaselineKey, entry: Entry) {
        if let Some(why) = unfit(key.metric, &entry) {
            return self.leave(key, why);
        }
        let old = self.cells.get(&key);
        if self.times == Times::Kept && (is_ratio(&entry) && old != Some(&entry)) {
            return self.leave(key, "times are left as they are (--keep-times)".to_owned());
        }
        if is_ratio(&entry) {
            self.fresh.insert(key.clone());
        }
        let (list, change) = match old {
            None => (Some(&mut self.added), describe(&entry)),
            Some(old) => {
                let list = match allowance(old, &entry) {
                    Ordering::Greater => Some(&mut self.loosened),
                    Ordering::Less => Some(&mut self.tightened),
                    // The same allowance is the same entry, unless it has to speak of this runner.
                    Ordering::Equal if self.times == Times::All && is_ratio(&entry) => None,
                    Ordering::Equal => return,
                };
                (list, difference(old, &entry, self.times != Times::All || !is_ratio(&entry)))
            }
        };
        if let Some(list) = list {
            list.push(Moved { key: key.clone(), change });
        }
        self.cells.insert(key, entry);
    }

    fn remove(&mut self, key: &BaselineKey, why: &str) {
        if let Some(old) = self.cells.remove(key) {
            self.removed.push(Moved { key: key.clone(), change: format!("{} → nothing: {why}", describe(&old)) });
        }
    }

    fn leave(&mut self, key: BaselineKey, why: String) {
        self.not_updated.push(NotUpdated { key, why });
    }

    /// A stage that became unsupported has no size and no memory either.
    fn drop_companions(&mut self) {
        let unsupported: Vec<_> = self
            .loosened
            .iter()
            .map(|moved| &moved.key)
            .filter(|key| is_unsupported(self.cells.get(*key)))
            .cloned()
            .collect();
        for gone in unsupported {
            let companions: Vec<_> = self
                .cells
                .keys()
                .filter(|key| key.sample == gone.sample && key.stage == gone.stage && key.metric != gone.metric)
                .cloned()
                .collect();
            for key in companions {
                self.remove(&key, "the stage is unsupported now");
                self.not_updated.retain(|left| left.key != key);
            }
        }
    }

    fn refuse_mixture(&self) -> Result<(), UpdateRefused> {
        let Some(old) = self.old else { return Ok(()) };
        let backend = self.spec.id.clone();
        let keys_of = |stale: &dyn Fn(&BaselineKey, &Entry) -> bool| -> Vec<_> {
            self.cells.iter().filter(|(key, entry)| stale(key, entry)).map(|(key, _)| key.clone()).collect()
        };
        if self.times == Times::All {
            let cells = keys_of(&|key, entry| is_ratio(entry) && !self.fresh.contains(key));
            if !cells.is_empty() {
                let committed = source(&old.runner, &old.reference);
                let measured = source(&self.results.header.machine.class, &self.reference);
                return Err(UpdateRefused::MixedTimes { backend, committed, measured, cells });
            }
        }
        if !interchangeable(&self.provenance(), &old.provenance) {
            let cells = keys_of(&|key, _| !self.covered.contains(key));
            if !cells.is_empty() {
                return Err(UpdateRefused::MixedOptions { backend, cells });
            }
        }
        Ok(())
    }

    fn finish(self, own: &[&CellFinding], scattered: &BTreeMap<Stage, Scatter>) -> Option<Proposal> {
        let header = &self.results.header;
        let class = &header.machine.class;
        let provenance = self.provenance();
        let (new, accepted) = match self.old {
            None => {
                let (target, runner) = (class.target.clone(), class.clone());
                let backend = self.spec.id.clone();
                let (spread, changes) = (BTreeMap::new(), Vec::new());
                let scatter = scatter::fold(&BTreeMap::new(), scattered);
                let cells = self.cells.clone();
                let reference = self.reference.clone();
                let accepted = !cells.is_empty();
                let new = Baseline { backend, target, provenance, runner, reference, spread, scatter, changes, cells };
                (new, accepted)
            }
            Some(old) => {
                let mut new = Baseline { cells: self.cells.clone(), ..old.clone() };
                let made_alike = alike(&provenance, &old.provenance);
                if self.times == Times::All {
                    new.runner = class.clone();
                    new.reference = self.reference.clone();
                    // What was seen between runs of another class says nothing about this one.
                    new.spread.clear();
                    new.scatter.clear();
                }
                let accepted = new != *old || !made_alike;
                if accepted {
                    new.provenance = provenance;
                }
                let times_moved =
                    self.fresh.iter().any(|key| old.cells.get(key).is_some_and(|old| *old != self.cells[key]));
                let comparable = made_alike && old.runner == *class && old.reference == self.reference;
                if accepted || self.request.record_spread {
                    new.scatter = scatter::fold(&new.scatter, scattered);
                }
                if comparable && (self.request.record_spread || times_moved) {
                    record_spread(&mut new, old, own);
                }
                (new, accepted)
            }
        };
        self.wrap(new, accepted)
    }

    /// The proposal for a new baseline that differs from the old one; an accepted change goes on record, mere evidence
    /// does not.
    fn wrap(self, mut new: Baseline, accepted: bool) -> Option<Proposal> {
        if accepted {
            let count = |list: &[Moved]| u32::try_from(list.len()).unwrap_or(u32::MAX);
            new.changes.push(Change {
                date: self.request.date.to_owned(),
                commit: self.request.commit.map(str::to_owned),
                reason: reason(self.request).map(str::to_owned),
                added: count(&self.added),
                removed: count(&self.removed),
                tightened: count(&self.tightened),
                loosened: count(&self.loosened),
            });
        }
        if self.old.map_or(!accepted, |old| *old == new) {
            return None;
        }
        let notes = self.old.map(|old| notes(old, &new)).unwrap_or_default();
        Some(Proposal {
            path: store::path_of(self.request.dir, &new.backend, &new.target),
            backend: new.backend.clone(),
            old_text: self.old.map(render::render),
            old: self.old.cloned(),
            new_text: render::render(&new),
            new,
            added: self.added,
            removed: self.removed,
            tightened: self.tightened,
            loosened: self.loosened,
            not_updated: self.not_updated,
            notes,
        })
    }

    /// Where this run's figures come from. An engine that never said its name keeps the committed one.
    fn provenance(&self) -> Provenance {
        let said = self
            .results
            .launches
            .iter()
            .rev()
            .filter(|launch| launch.backend == self.spec.id && launch.side == Side::Head)
            .find_map(|launch| launch.engine.clone());
        Provenance {
            tollgate: self.results.header.tollgate.clone(),
            engine: said
                .or_else(|| self.old.map(|old| old.provenance.engine.clone()))
                .unwrap_or_else(|| "unknown".to_owned()),
            compiler: self.spec.compiler.clone(),
            options: self.spec.options.clone(),
        }
    }
}

/// Whether figures made by the one may stand beside figures made by the other: another version of an engine is what a
/// gate is there to judge, another engine or other options make another backend.
fn interchangeable(one: &Provenance, other: &Provenance) -> bool {
    let name = |engine: &str| engine.split_whitespace().next().unwrap_or_default().to_owned();
    name(&one.engine) == name(&other.engine) && one.compiler == other.compiler && one.options == other.options
}

/// Whether the verdict is that of a well measured cell that did not move beyond noise.
fn is_unmoved(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Pass => true,
        Verdict::Inconclusive(reason) => match reason {
            InconclusiveReason::IntervalAcrossTolerance { .. }
            | InconclusiveReason::NotConfirmed
            | InconclusiveReason::TimeAlone { .. } => true,
            InconclusiveReason::TooFewLaunches { .. }
            | InconclusiveReason::MachineBusy { .. }
            | InconclusiveReason::BiasedControl { .. }
            | InconclusiveReason::Degenerate(_) => false,
        },
        Verdict::Improved
        | Verdict::New
        | Verdict::Missing
        | Verdict::Unsupported(_)
        | Verdict::Regressed
        | Verdict::Broken(_) => false,
    }
}

/// Folds what the cells that did not move say about the spread between runs into that of `new`.
fn record_spread(new: &mut Baseline, old: &Baseline, own: &[&CellFinding]) {
    let unmoved = own.iter().filter(|finding| is_unmoved(&finding.verdict));
    let moves = unmoved.filter_map(|finding| {
        let (Some(Entry::Time { ratio: before, .. }), Some(Entry::Time { ratio: now, .. })) =
            (old.cells.get(&key_of(finding)), &finding.measured)
        else {
            return None;
        };
        Some((finding.cell.stage, (now / before).ln()))
    });
    for (stage, deviation) in spread::observed(moves) {
        let folded = spread::fold(new.spread.get(&stage).copied(), deviation);
        new.spread.insert(stage, render::rounded_spread(folded));
    }
}

/// Whether two baselines were made by the same engine, compiler and options; Tollgate's own version does not count,
/// since it changes no figure without raising the yardstick's version.
fn alike(one: &Provenance, other: &Provenance) -> bool {
    one.engine == other.engine && one.compiler == other.compiler && one.options == other.options
}

/// What a reader of the update should know beyond its entries.
fn notes(old: &Baseline, new: &Baseline) -> Vec<String> {
    let mut notes = Vec::new();
    let (before, now) = (source(&old.runner, &old.reference), source(&new.runner, &new.reference));
    if before != now {
        notes.push(format!(
            "all times are rewritten, because they come from {now} and the committed ones from {before}; --keep-times \
             leaves them as they are"
        ));
    }
    if old.provenance.engine != new.provenance.engine {
        let [before, now] = [&old.provenance.engine, &new.provenance.engine].map(|engine| clean(engine));
        notes.push(format!("the engine was `{before}` and is `{now}`"));
    }
    if old.provenance.compiler != new.provenance.compiler || old.provenance.options != new.provenance.options {
        notes.push("the compiler or its options are other ones than before".to_owned());
    }
    notes
}

/// Where time ratios come from, in words.
fn source(runner: &RunnerClass, reference: &TimeReference) -> String {
    let reference = match reference {
        TimeReference::Yardstick { version } => format!("yardstick {version}"),
        TimeReference::Worker { sha256 } => format!("worker {}", clean(sha256)),
    };
    format!("`{}` with {reference}", clean(&runner.to_string()))
}

fn key_of(finding: &CellFinding) -> BaselineKey {
    let cell = &finding.cell;
    BaselineKey { sample: cell.sample.clone(), stage: cell.stage, metric: cell.metric }
}

#[cfg(test)]
mod tests;
