//! Baselines on disk: a versioned schema, a sorted and atomic store, and the update that rewrites only what moved.
