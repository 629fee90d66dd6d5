//! Progress on standard error: what is being done and how long it will take. A no-op where that is no terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::model::results::PlannedPair;

/// A bar over the launches of a run.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Starts with the number of launches expected; more may come for cells that stay open.
    #[must_use]
    pub fn start(launches: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(launches as u64), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{elapsed:>4} [{bar:30}] {pos}/{len} launches, {prefix} left  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        bar.set_prefix("?");
        bar.enable_steady_tick(Duration::from_millis(500));
        Self { bar }
    }

    /// A launch begins; `left` is the time that the rest is thought to take.
    pub fn launch(&self, pair: &PlannedPair, round: u32, left: Option<Duration>) {
        self.bar.set_prefix(left.map_or_else(|| "?".to_owned(), |left| format!("{} s", left.as_secs())));
        self.bar.set_message(format!("{} on {}, round {}", pair.sample, pair.backend, round + 1));
    }

    /// A launch has ended.
    pub fn done(&self) {
        self.bar.inc(1);
    }

    /// More launches are needed than was thought.
    pub fn more(&self, launches: usize) {
        self.bar.inc_length(launches as u64);
    }

    /// Prints beside the bar without tearing it.
    pub fn suspend(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// Takes the bar away, so that the report starts on a clean line.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A bar over steps that are alike, for work that measures nothing.
#[derive(Debug)]
pub struct Steps {
    bar: ProgressBar,
}

impl Steps {
    /// Starts with the number of steps and what they are called.
    #[must_use]
    pub fn start(steps: u64, what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{elapsed:>4} [{bar:30}] {pos}/{len} {msg}, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(500));
        Self { bar }
    }

    /// One step is done.
    pub fn done(&self) {
        self.bar.inc(1);
    }

    /// Takes the bar away, so that what follows starts on a clean line.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
