//! The commands: the only place that wires the steps together.
