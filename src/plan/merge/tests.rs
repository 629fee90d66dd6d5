//! Shards put together, whole and not.
