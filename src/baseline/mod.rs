//! Baselines on disk: a versioned schema, a sorted and atomic store, and the update that rewrites only what moved.
//!
//! `schema` reads the text of a file, `render` writes it, `store` is the only part that touches the file system,
//! `update` decides what a run changes, `diff` shows it; `loosening` compares with the base revision. The format and its rules are in `docs/baselines.md`.
//!
//! Architecture invariant: apart from `store`, everything here is a pure function of its arguments; nothing here
//! prints, and nothing here computes a measurement: figures come from the judge as they are to be committed.

pub mod diff;
mod entry;
pub mod error;
pub mod loosening;
pub mod proposal;
pub mod render;
pub mod scatter;
pub mod schema;
pub mod spread;
pub mod store;
pub mod update;

pub use error::{BaselineError, Problem, Problems};
pub use proposal::{Moved, NotUpdated, Proposal, Request, UpdateRefused};
pub use store::{path_of, read, replace, write};
pub use update::propose;

#[cfg(test)]
mod testing;
