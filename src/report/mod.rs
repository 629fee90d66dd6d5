//! Reports: results and findings in, text out.
//!
//! Architecture invariant: [`View`] does all rounding, ordering and wording, once; `terminal` and `markdown` read only
//! it, so they cannot disagree. No statistic is computed here, no clock is read, nothing is printed: the same input gives
//! the same text. No string of a view is escaped; each renderer escapes every one of them for its own medium.

mod escape;
pub mod json;
pub mod markdown;
pub mod post;
mod table;
pub mod terminal;
pub mod units;
pub mod view;

pub use escape::terminal as plain;
pub use terminal::Style;
pub use view::View;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
