//! One launch: the script of requests that turns a sample on a backend into a [`Launch`].
//!
//! Invariants: each stage is asked for once; nothing is measured of `execute` before its output was found right. Does
//! not know how launches are scheduled or judged, nor how a worker is spoken with.

use std::time::Instant;

use super::cancel::Cancel;
use super::child::Stopped;
use super::conversation::{Conversation, Worker, time_measuring};
use super::protocol::Measure;
use crate::model::{Launch, Stage};

pub use super::conversation::LaunchSpec;

/// The user wants the run to stop; what the launch had recorded is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Runs one launch to its end, good or bad.
///
/// # Errors
/// Only when the user interrupts; everything else that goes wrong is the launch's `failure`.
pub fn run(spec: &LaunchSpec<'_>, cancel: &Cancel) -> Result<Launch, Interrupted> {
    let started = Instant::now();
    let mut launch = spec.empty(started);
    match converse(spec, &mut launch, cancel) {
        Ok(()) => {}
        Err(Stopped::Failed(failure)) => launch.failure = Some(failure),
        Err(Stopped::Interrupted) => return Err(Interrupted),
    }
    launch.duration = started.elapsed().into();
    launch.measuring = time_measuring(&launch);
    Ok(launch)
}

/// Starts the worker and goes through the script with it. It is gone on return.
fn converse(spec: &LaunchSpec<'_>, launch: &mut Launch, cancel: &Cancel) -> Result<(), Stopped> {
    // Every stage with its yardstick and, for one of them, a check; a greeting, a preparation, a yardstick and an end.
    let requests = spec.stages.len() as u64 * 2 + 5;
    let worker = Worker::start(spec, requests, cancel).map_err(Stopped::Failed)?;
    let mut conversation = Conversation::new(*spec, worker, launch);
    if conversation.prepare()? {
        conversation.yardstick(spec.effort.yardsticks_before, None)?;
        for stage in spec.stages {
            if measure(spec, &mut conversation, *stage)? {
                conversation.yardstick(spec.effort.yardsticks_after, Some(*stage))?;
            }
        }
    }
    conversation.quit()
}

/// Whether the stage could be measured.
fn measure(spec: &LaunchSpec<'_>, conversation: &mut Conversation<'_>, stage: Stage) -> Result<bool, Stopped> {
    if !conversation.begin(stage)? {
        return Ok(false);
    }
    let measured = conversation.measure(Measure {
        stage,
        batch: None,
        min_batch: spec.effort.min_batch,
        max_observations: spec.effort.max_observations,
        time_cap: spec.effort.time_cap,
    })?;
    Ok(measured.map(|measured| conversation.record(stage, measured)).is_some())
}
