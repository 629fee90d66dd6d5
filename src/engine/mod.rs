//! The trait that an engine implements inside a worker. `wasmer.rs` is the only file that names Wasmer.
