//! What a change allows that the base revision did not: the two configurations and their baselines, compared.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::setup::{self, Setup};
use super::ui::Ui;
use crate::baseline;
use crate::config::Config;
use crate::judge::loosening::{self, Rules};
use crate::model::loosening::Loosening;
use crate::model::settings::FailOn;
use crate::model::{BackendId, BackendSpec, SampleId};

/// How a revision differs from its base in what cells are held to.
#[derive(Debug)]
pub struct Compared {
    pub loosening: Loosening,
    /// Samples on backends that are held to something else, so that their measurement says something although they did not change.
    pub edited: BTreeSet<(SampleId, BackendId)>,
}

/// Compares the head with the configuration of the base, whose checkout is still there.
///
/// # Errors
/// When a baseline of the head cannot be used; one of the base is warned of, and counts as not there.
pub fn compare(setup: &Setup, base: &Config, ui: &Ui) -> anyhow::Result<Compared> {
    let both: Vec<BackendSpec> = setup.config.backends.iter().chain(&base.backends).cloned().collect();
    let head = rules(&setup.config, setup::baselines(&setup.baselines_dir, &both)?);
    let mut old = rules(base, Default::default());
    match base_folder(setup, base) {
        Some(folder) => match setup::baselines(&folder, &both) {
            Ok(baselines) => old.baselines = baselines,
            Err(error) => {
                ui.warn(&format!("the baselines of the base are not compared with those here: {error:#}"));
                old.baselines.clone_from(&head.baselines);
            }
        },
        None => {
            ui.warn("baselines outside of the configuration's folder are not compared with those of the base");
            old.baselines.clone_from(&head.baselines);
        }
    }
    let mut edited = baseline::loosening::edited(&old.baselines, &head.baselines);
    edited.extend(loosening::stricter(&old, &head));
    Ok(Compared { loosening: between(&old, &head), edited })
}

/// What `head` loosens, rules and baselines together.
#[must_use]
pub fn between(base: &Rules, head: &Rules) -> Loosening {
    let mut items = loosening::loosened(base, head);
    items.extend(baseline::loosening::loosened(&base.baselines, &head.baselines));
    items.sort_by_key(|item| item.kind);
    // A rule that goes with the change that breaks it is none.
    Loosening { fails: base.fail_on.contains(&FailOn::Loosened), items }
}

fn rules(config: &Config, baselines: std::collections::BTreeMap<BackendId, crate::model::Baseline>) -> Rules {
    Rules {
        thresholds: config.thresholds.clone(),
        layout_allowances: config.layout_allowances.clone(),
        limits: config.limits,
        fail_on: config.fail_on.clone(),
        samples: Some(config.samples.clone()),
        backends: config.backends.iter().map(|backend| backend.id.clone()).collect(),
        baselines,
    }
}

/// Where the base has its baselines: what its configuration says, unless the command line says where.
fn base_folder(setup: &Setup, base: &Config) -> Option<PathBuf> {
    if setup.baselines_dir == setup.config.baselines {
        return base.baselines.starts_with(&base.root).then(|| base.baselines.clone());
    }
    let folder = setup.baselines_dir.canonicalize().ok()?;
    let inside = folder.strip_prefix(&setup.config.root).ok()?;
    Some(base.root.join(inside))
}
