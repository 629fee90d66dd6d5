//! Measuring: the worker protocol, both of its ends, and what is recorded of the machine.

pub mod protocol;
