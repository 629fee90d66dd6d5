//! Names of CPU feature sets, and the features they stand for: the pin that makes code, sizes and counts travel.
//!
//! Invariant: feature names are those that Wasmer's `CpuFeature` parses. This table knows no engine and detects nothing.

use super::sample::CpuFeatures;

/// The set that generated code may use when the configuration does not say otherwise, by architecture.
const DEFAULTS: &[(&str, &str)] = &[("x86_64", "x86-64-v3"), ("aarch64", "armv8-a")];

/// Features by architecture, as Wasmer 7.4 writes them (`wasmer_types::target::CpuFeature`).
const KNOWN: &[(&str, &[&str])] = &[
    (
        "x86_64",
        &[
            "avx", "avx2", "avx512dq", "avx512f", "avx512vl", "bmi", "bmi2", "fma", "lzcnt", "popcnt", "sse2", "sse3",
            "sse4.1", "sse4.2", "ssse3",
        ],
    ),
    ("aarch64", &["neon"]),
];

/// Architecture, name, features. `x86-64-v3` is the level of that name in the x86-64 psABI as far as Wasmer names its
/// features: up to AVX2, without F16C and MOVBE.
const SETS: &[(&str, &str, &[&str])] = &[
    (
        "x86_64",
        "x86-64-v3",
        &["avx", "avx2", "bmi", "bmi2", "fma", "lzcnt", "popcnt", "sse2", "sse3", "sse4.1", "sse4.2", "ssse3"],
    ),
    ("x86_64", "baseline", &["sse2"]),
    ("aarch64", "armv8-a", &["neon"]),
    ("aarch64", "baseline", &["neon"]),
];

/// The name under which each runner's own features are meant.
pub const NATIVE: &str = "native";
/// The name of a list that the configuration spells out.
pub const CUSTOM: &str = "custom";

/// Why a set of CPU features cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CpuError {
    #[error("`{}` is a name for {other}, and this machine is {arch}; names here: {known}", name.escape_debug())]
    OtherArchitecture { name: String, other: String, arch: String, known: String },
    #[error("unknown CPU feature set `{}`; names for {arch}: {known}; or a list of features", name.escape_debug())]
    UnknownSet { name: String, arch: String, known: String },
    #[error("unknown CPU feature `{}`; features of {arch}: {known}", name.escape_debug())]
    UnknownFeature { name: String, arch: String, known: String },
}

impl CpuFeatures {
    /// The set used on `arch` (as in `std::env::consts::ARCH`) by default; `native` on an architecture without one.
    #[must_use]
    pub fn default_for(arch: &str) -> Self {
        DEFAULTS
            .iter()
            .find(|(of, _)| *of == arch)
            .and_then(|(_, name)| Self::named(name, arch).ok())
            .unwrap_or_else(|| Self { name: NATIVE.to_owned(), features: Vec::new() })
    }

    /// The set called `name` on `arch`.
    ///
    /// # Errors
    /// When there is no set of that name, or only on another architecture; the error lists the names that apply.
    pub fn named(name: &str, arch: &str) -> Result<Self, CpuError> {
        if name == NATIVE {
            return Ok(Self { name: name.to_owned(), features: Vec::new() });
        }
        if let Some((.., features)) = SETS.iter().find(|(of, known, _)| *of == arch && *known == name) {
            return Ok(Self { name: name.to_owned(), features: owned(features) });
        }
        let (name, arch, known) = (name.to_owned(), arch.to_owned(), set_names(arch));
        match SETS.iter().find(|(_, other, _)| *other == name) {
            Some((other, ..)) => Err(CpuError::OtherArchitecture { name, other: (*other).to_owned(), arch, known }),
            None => Err(CpuError::UnknownSet { name, arch, known }),
        }
    }

    /// A set of the given features, sorted and without repetitions.
    ///
    /// # Errors
    /// When a feature is not one of `arch`; the error lists those that are.
    pub fn custom(features: &[String], arch: &str) -> Result<Self, CpuError> {
        let known = KNOWN.iter().find(|(of, _)| *of == arch).map_or(&[] as &[&str], |(_, known)| known);
        if let Some(bad) = features.iter().find(|feature| !known.contains(&feature.as_str())) {
            let (name, arch) = (bad.clone(), arch.to_owned());
            return Err(CpuError::UnknownFeature { name, arch, known: known.join(", ") });
        }
        let mut features = features.to_vec();
        features.sort();
        features.dedup();
        Ok(Self { name: CUSTOM.to_owned(), features })
    }
}

/// Names of the sets that apply on `arch`, for messages.
fn set_names(arch: &str) -> String {
    let named = SETS.iter().filter(|(of, ..)| *of == arch).map(|(_, name, _)| *name);
    named.chain([NATIVE]).collect::<Vec<_>>().join(", ")
}

fn owned(features: &[&str]) -> Vec<String> {
    features.iter().map(|&feature| feature.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_holds_known_features_in_order() {
        for (arch, name, features) in SETS {
            let set = CpuFeatures::named(name, arch).unwrap();
            assert_eq!(CpuFeatures::custom(&owned(features), arch).unwrap().features, set.features, "{arch} {name}");
        }
        for (arch, name) in DEFAULTS {
            assert_eq!(CpuFeatures::default_for(arch), CpuFeatures::named(name, arch).unwrap());
        }
        assert_eq!(CpuFeatures::default_for("riscv64").name, "native");
    }

    #[test]
    fn a_name_of_another_architecture_says_which_apply() {
        assert_eq!(
            CpuFeatures::named("x86-64-v3", "aarch64").unwrap_err().to_string(),
            "`x86-64-v3` is a name for x86_64, and this machine is aarch64; names here: armv8-a, baseline, native"
        );
        assert_eq!(
            CpuFeatures::named("v3\n", "x86_64").unwrap_err().to_string(),
            "unknown CPU feature set `v3\\n`; names for x86_64: x86-64-v3, baseline, native; or a list of features"
        );
        assert_eq!(
            CpuFeatures::custom(&owned(&["neon", "sse9"]), "aarch64").unwrap_err().to_string(),
            "unknown CPU feature `sse9`; features of aarch64: neon"
        );
    }
}
