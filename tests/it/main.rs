//! The one integration binary: what Tollgate does across modules, processes and files.

mod architecture;
mod journal;
mod workers;
