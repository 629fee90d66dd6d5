//! `tollgate replay`: how often our rule and those of the field are wrong on recorded launches.

use anyhow::Context as _;

use super::progress::Steps;
use super::ui::Ui;
use crate::cli::{PlainFormat, ReplayArgs};
use crate::exit::Exit;
use crate::replay::recording::Recording;
use crate::replay::{self, Options, table};

/// Runs the command.
///
/// # Errors
/// When a recording cannot be read, or standard output cannot be written.
pub fn run(args: &ReplayArgs, ui: &Ui) -> anyhow::Result<Exit> {
    let options = Options {
        runs: args.runs,
        cells: args.cells,
        seed: args.seed,
        launches: args.pairs as usize,
        most_pairs: args.most_pairs,
        tolerances: args.tolerances.iter().map(|percent| percent / 100.0).collect(),
        history: args.history,
        swap: args.swap,
    };
    // All are read before the first is replayed: a typing error should not cost a minute.
    let mut recordings = Vec::new();
    for file in &args.recordings {
        let name = file.display().to_string();
        let failed = || format!("failed to use the recording {}", name.escape_debug());
        recordings.push((Recording::load(file).with_context(failed)?, name));
    }
    let steps = recordings.iter().map(|(recording, _)| replay::steps(recording, &options)).sum();
    let progress = Steps::start(steps, "runs replayed");
    let mut replayed = Vec::new();
    for (recording, name) in recordings {
        let failed = || format!("failed to replay {}", name.escape_debug());
        let one = replay::replay(&recording, &options, &mut || progress.done()).with_context(failed)?;
        replayed.push((name, one));
    }
    progress.finish();
    let text = match args.format {
        PlainFormat::Text => table::text(&replayed, &options, args.verbose),
        PlainFormat::Json => table::json(&replayed, &options)?,
    };
    ui.data(&text)?;
    Ok(Exit::Pass)
}
