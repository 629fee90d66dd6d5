//! Measuring: the worker protocol, both of its ends, and what is recorded of the machine.

pub mod cancel;
pub mod chance;
pub mod child;
mod conversation;
pub mod cores;
pub mod death;
pub mod duel;
pub mod footing;
pub mod journal;
pub mod launch;
pub mod machine;
pub mod meters;
pub mod observe;
pub mod protocol;
pub mod spawn;
pub mod stages;
pub mod worker;
pub mod yardstick;
