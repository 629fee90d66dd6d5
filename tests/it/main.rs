//! The one integration binary: what Tollgate does across modules, processes and files.

mod action;
mod architecture;
mod cli;
mod duel;
mod forge;
mod journal;
mod method;
mod support;
mod workers;
