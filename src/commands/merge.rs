//! `tollgate merge`: put the results of all shards of a run together.
//!
//! What cannot be read counts as not there: the shard that it was is then missing, which is said in the results. They are written
//! whenever the shards belong together, so that whoever judges or posts them says what is missing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use walkdir::WalkDir;

use super::run::save;
use super::ui::{Ui, counted};
use crate::cli::MergeArgs;
use crate::exit::Exit;
use crate::measure::journal::{self, JOURNAL_FILE, Loaded, RESULTS_FILE};
use crate::plan::merge::{self, Input};

/// Runs the command.
///
/// # Errors
/// When there are no results, or they are not of one run, or cannot be written.
pub fn run(args: &MergeArgs, ui: &Ui) -> anyhow::Result<Exit> {
    let inputs = inputs(&args.paths, &args.out, ui)?;
    anyhow::ensure!(
        !inputs.is_empty(),
        "found no results of shards; name the folder that those of `tollgate run --shard` were put into"
    );
    let merged = merge::merge(inputs, args.shards).map_err(|error| anyhow::anyhow!("failed to {error}"))?;
    save(&merged.results, &args.out, ui)?;
    let shards = counted(merged.results.header.merged.len(), "shard", "shards");
    if merged.problems.is_empty() {
        ui.info(&format!("{shards} put together"));
        return Ok(Exit::Pass);
    }
    for problem in &merged.problems {
        ui.warn(problem);
    }
    ui.info(&format!("{shards} put together, of which {} not whole", merged.problems.len()));
    Ok(Exit::Broken)
}

/// The results below the paths, each once.
fn inputs(paths: &[PathBuf], out: &Path, ui: &Ui) -> anyhow::Result<Vec<Input>> {
    let mut inputs = Vec::new();
    let mut seen = BTreeSet::new();
    let out = out.canonicalize().ok();
    let is_out = |loaded: &Loaded| {
        let folder = loaded.path.canonicalize().ok().and_then(|path| Some(path.parent()?.to_owned()));
        folder.is_some() && folder == out
    };
    for path in paths {
        if !path.exists() {
            ui.warn(&format!("there is nothing at {}", shown(path)));
            continue;
        }
        for place in places(path).with_context(|| format!("failed to look through {}", shown(path)))? {
            match journal::read(&place) {
                // What an earlier merge left there is no shard.
                Ok(loaded) if is_out(&loaded) && !loaded.results.header.merged.is_empty() => {}
                Ok(loaded) if is_out(&loaded) => anyhow::bail!(
                    "{} holds results that would be overwritten; choose another folder with --out",
                    shown(&place)
                ),
                // A folder and the file in it are one.
                Ok(loaded) if !seen.insert(loaded.path.canonicalize().unwrap_or_else(|_| loaded.path.clone())) => {}
                Ok(loaded) => {
                    loaded.warnings.iter().for_each(|warning| ui.warn(warning));
                    inputs.push(Input { name: loaded.path.display().to_string(), results: loaded.results });
                }
                Err(error) => ui.warn(&format!("not counted: {error}")),
            }
        }
    }
    Ok(inputs)
}

/// A file, or every folder at or below the path in which a run left something, sorted.
fn places(path: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    if !path.is_dir() {
        return Ok([path.to_owned()].into());
    }
    let mut folders = BTreeSet::new();
    for entry in WalkDir::new(path) {
        let entry = entry?;
        let is_left = [RESULTS_FILE, JOURNAL_FILE].iter().any(|name| entry.file_name() == *name);
        if is_left && let Some(folder) = entry.path().parent() {
            folders.insert(folder.to_owned());
        }
    }
    Ok(folders)
}

fn shown(path: &Path) -> String {
    format!("`{}`", path.display().to_string().escape_debug())
}
