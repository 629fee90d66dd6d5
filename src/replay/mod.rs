//! The judge run over recorded launches.

pub mod life;
pub mod noise;
