//! The judge: results in, findings out. Does no I/O and reads no clock.
