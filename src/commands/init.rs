//! `tollgate init`: a commented configuration for the modules that are there, and a first baseline.

use std::fs::OpenOptions;
use std::io::Write as _;

use anyhow::Context as _;

use super::run;
use super::ui::{Ui, counted};
use crate::cli::{BaseArgs, Filters, Format, InitArgs, Places, RunArgs, Show, TierArg, UpdateArgs};
use crate::config::init::{self, FoundModule};
use crate::exit::Exit;

/// Runs the command.
///
/// # Errors
/// When there is a configuration already, no module was found, or a file cannot be written.
pub fn run(args: &InitArgs, ui: &Ui) -> anyhow::Result<Exit> {
    let found = init::find_modules(&args.dir);
    let usable = found.iter().filter(|module| !matches!(module, FoundModule::Unusable { .. })).count();
    anyhow::ensure!(
        usable > 0,
        "found no .wasm file below {}; build your modules first, or name the folder: tollgate init DIR",
        args.dir.display()
    );
    let path = args.dir.join("tollgate.yml");
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path).with_context(|| {
        format!("failed to create {}; where there is one already, edit it or remove it first", path.display())
    })?;
    file.write_all(init::render(&found).as_bytes()).with_context(|| format!("failed to write {}", path.display()))?;
    let samples = counted(usable, "sample", "samples");
    ui.info(&format!("wrote {} with {samples}; read it, it explains itself", path.display()));
    if args.no_baseline {
        ui.info("next: tollgate run --update-baselines");
        return Ok(Exit::Pass);
    }
    run::run(&first_run(args, path), ui)
}

/// A run that accepts what it finds, because there is nothing yet to compare with.
fn first_run(args: &InitArgs, config: std::path::PathBuf) -> RunArgs {
    RunArgs {
        places: Places { config: Some(config), baselines: None },
        filters: Filters { samples: vec![], backends: vec![], stages: vec![], tier: TierArg::Full },
        show: Show { format: Format::Text, verbose: false },
        base: BaseArgs { no_base: true, ..BaseArgs::default() },
        budget: args.budget,
        fail_on: None,
        seed: None,
        shard: None,
        out: args.dir.join("tollgate-out"),
        update_baselines: true,
        update: UpdateArgs { allow_update_in_ci: true, ..UpdateArgs::default() },
    }
}
