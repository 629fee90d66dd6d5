//! Tollgate: a regression gate for WebAssembly compile backends.
//!
//! Data flows one way, `config → plan → measure → judge → report → post`, and each arrow is a plain serializable value.
//! ARCHITECTURE.md is the map.

pub mod base;
pub mod baseline;
pub mod cli;
pub mod commands;
pub mod config;
pub mod engine;
pub mod exit;
pub mod forge;
pub mod judge;
pub mod measure;
pub mod model;
pub mod plan;
pub mod replay;
pub mod report;
