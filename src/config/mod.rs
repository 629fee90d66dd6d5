//! The configuration: `raw` mirrors the file, validation turns it into resolved samples, backends and thresholds.
