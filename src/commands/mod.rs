//! The commands: the only place that wires the steps of the data flow together, and the only one that prints.

pub mod compare;
pub mod init;
pub mod judge;
pub mod list;
pub mod merge;
pub mod post;
pub mod publish;
pub mod replay;
pub mod report;
pub mod run;
pub mod ui;

pub mod loosening;
mod measuring;
pub mod noise;
mod posting;
mod progress;
mod setup;
mod sides;
mod update;
