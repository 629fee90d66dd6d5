//! The forge: where a job runs, on which pull request, and what is told there.
//!
//! Architecture invariant: receives rendered text and never renders or changes a verdict. Only `transport` opens a socket;
//! everything else is a pure function, or works on the [`http::Transport`] that it is given. What a forge answers and what a
//! run of somebody else left is untrusted. No error holds a token or a payload.

pub mod address;
pub mod artifact;
pub mod client;
pub mod comment;
pub mod contents;
pub mod context;
pub mod error;
pub mod http;
pub mod identity;
pub mod marker;
pub mod output;
pub mod status;
pub mod sticky;
pub mod transport;

#[cfg(test)]
mod testing;
