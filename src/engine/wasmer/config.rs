//! Compilers, their options and their target: from names to Wasmer engines.

use std::num::NonZeroUsize;

use wasmer::sys::{CompilerConfig, CpuFeature, EngineBuilder, Target, Triple};

use crate::engine::{Loader, StageError, Tuning};
use crate::model::sample::{BackendOptions, OptLevel};

/// The compilers in this build.
pub const COMPILERS: &[&str] = &[
    #[cfg(feature = "singlepass")]
    "singlepass",
    #[cfg(feature = "cranelift")]
    "cranelift",
    #[cfg(feature = "llvm")]
    "llvm",
];

/// Every compiler that a build can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compiler {
    #[cfg(feature = "singlepass")]
    Singlepass,
    #[cfg(feature = "cranelift")]
    Cranelift,
    #[cfg(feature = "llvm")]
    Llvm,
}

/// A compiler with its options, checked.
#[derive(Debug, Clone)]
pub struct Config {
    compiler: Compiler,
    pub name: String,
    options: BackendOptions,
    target: Target,
}

impl Config {
    /// Checks names and options.
    pub fn new(name: &str, options: &BackendOptions) -> Result<Self, StageError> {
        let compiler = match name {
            #[cfg(feature = "singlepass")]
            "singlepass" => Compiler::Singlepass,
            #[cfg(feature = "cranelift")]
            "cranelift" => Compiler::Cranelift,
            #[cfg(feature = "llvm")]
            "llvm" => Compiler::Llvm,
            _ => {
                return Err(StageError::Failed(format!(
                    "this build has no compiler `{}`; it has: {}",
                    name.escape_debug(),
                    COMPILERS.join(", ")
                )));
            }
        };
        check_level(compiler, name, options.opt_level)?;
        Ok(Self { compiler, name: name.to_owned(), options: options.clone(), target: target(options)? })
    }

    /// An engine for one compilation.
    pub fn compile_engine(&self, tuning: Tuning) -> Result<wasmer::Engine, StageError> {
        let (threads, target) = match tuning {
            Tuning::Gating => (self.options.threads.into(), self.target.clone()),
            Tuning::Native { threads } => (threads, Target::default()),
        };
        Ok(EngineBuilder::new(self.compiler_config(threads)).set_target(Some(target)).into())
    }

    /// An engine to deserialize into.
    pub fn load_engine(&self, loader: Loader) -> Result<wasmer::Engine, StageError> {
        match loader {
            Loader::Full => self.compile_engine(Tuning::Gating),
            // A headless engine always has the machine's own target.
            Loader::Headless => match self.missing_cpu_features() {
                None => Ok(EngineBuilder::headless().into()),
                Some(reason) => Err(StageError::Unsupported(reason)),
            },
        }
    }

    /// Why this machine cannot run what is compiled for the target, if it cannot.
    pub fn missing_cpu_features(&self) -> Option<String> {
        let missing: Vec<_> =
            self.target.cpu_features().difference(CpuFeature::for_host()).iter().map(|f| f.to_string()).collect();
        if missing.is_empty() {
            return None;
        }
        Some(format!(
            "this machine's processor lacks {}, which the pinned CPU features `{}` let generated code use; \
             run on another machine or pin fewer features",
            missing.join(", "),
            self.options.cpu_features.name.escape_debug()
        ))
    }

    fn compiler_config(&self, threads: NonZeroUsize) -> Box<dyn CompilerConfig> {
        match self.compiler {
            #[cfg(feature = "singlepass")]
            Compiler::Singlepass => {
                let mut config = wasmer::sys::Singlepass::new();
                config.canonicalize_nans(self.options.canonicalize_nans).num_threads(threads);
                Box::new(config)
            }
            #[cfg(feature = "cranelift")]
            Compiler::Cranelift => {
                use wasmer::sys::CraneliftOptLevel;
                let level = match self.options.opt_level {
                    OptLevel::None => CraneliftOptLevel::None,
                    OptLevel::Speed | OptLevel::Less => CraneliftOptLevel::Speed,
                    OptLevel::SpeedAndSize => CraneliftOptLevel::SpeedAndSize,
                };
                let mut config = wasmer::sys::Cranelift::new();
                config.canonicalize_nans(self.options.canonicalize_nans).num_threads(threads).opt_level(level);
                Box::new(config)
            }
            #[cfg(feature = "llvm")]
            Compiler::Llvm => {
                use wasmer::sys::LLVMOptLevel;
                let level = match self.options.opt_level {
                    OptLevel::None => LLVMOptLevel::None,
                    OptLevel::Less => LLVMOptLevel::Less,
                    // Wasmer's own default.
                    OptLevel::Speed | OptLevel::SpeedAndSize => LLVMOptLevel::Aggressive,
                };
                let mut config = wasmer::sys::LLVM::new();
                config.opt_level(level).num_threads(threads);
                CompilerConfig::canonicalize_nans(&mut config, self.options.canonicalize_nans);
                Box::new(config)
            }
        }
    }
}

/// Refuses a level that the compiler would silently take for another.
fn check_level(compiler: Compiler, name: &str, level: OptLevel) -> Result<(), StageError> {
    let known = match compiler {
        // It knows one way to compile and takes any level for it.
        #[cfg(feature = "singlepass")]
        Compiler::Singlepass => return Ok(()),
        #[cfg(feature = "cranelift")]
        Compiler::Cranelift => [OptLevel::None, OptLevel::Speed, OptLevel::SpeedAndSize],
        #[cfg(feature = "llvm")]
        Compiler::Llvm => [OptLevel::None, OptLevel::Less, OptLevel::Speed],
    };
    if known.contains(&level) {
        return Ok(());
    }
    Err(StageError::Failed(format!(
        "{name} has no optimisation level `{}`; change `opt-level` of this backend to {}",
        level_name(level),
        known.map(level_name).join(", ")
    )))
}

/// The level's name in the configuration.
fn level_name(level: OptLevel) -> &'static str {
    match level {
        OptLevel::None => "none",
        OptLevel::Speed => "speed",
        OptLevel::SpeedAndSize => "speed-and-size",
        OptLevel::Less => "less",
    }
}

/// The machine's own triple with the options' CPU features.
fn target(options: &BackendOptions) -> Result<Target, StageError> {
    let pinned = &options.cpu_features;
    if pinned.name == "native" && pinned.features.is_empty() {
        return Ok(Target::default());
    }
    let mut features = CpuFeature::set();
    for name in &pinned.features {
        let feature: CpuFeature = name.parse().map_err(|_| {
            let known: Vec<_> = CpuFeature::all().iter().map(|feature| feature.to_string()).collect();
            StageError::Failed(format!(
                "Wasmer knows no CPU feature `{}`; known: {}",
                name.escape_debug(),
                known.join(", ")
            ))
        })?;
        features.insert(feature);
    }
    if cfg!(target_arch = "x86_64") && !features.contains(CpuFeature::SSE2) {
        return Err(StageError::Failed(
            "no compiler can do without the CPU feature sse2 on x86_64; add it to `cpu-features`".to_owned(),
        ));
    }
    Ok(Target::new(Triple::host(), features))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::CpuFeatures;

    fn options(name: &str, features: &[&str]) -> BackendOptions {
        BackendOptions {
            opt_level: OptLevel::Speed,
            canonicalize_nans: false,
            cpu_features: CpuFeatures {
                name: name.to_owned(),
                features: features.iter().map(|&feature| feature.to_owned()).collect(),
            },
            threads: std::num::NonZeroU16::MIN,
        }
    }

    fn failure(result: Result<Config, StageError>) -> String {
        match result {
            Err(StageError::Failed(text)) => text,
            other => panic!("expected a failure, got {other:?}"),
        }
    }

    #[test]
    fn an_unknown_compiler_names_the_known_ones() {
        let text = failure(Config::new("v8", &options("native", &[])));
        assert!(COMPILERS.iter().all(|name| text.contains(name)), "{text}");
    }

    #[cfg(feature = "cranelift")]
    #[test]
    fn a_level_of_another_compiler_is_refused() {
        let wrong = BackendOptions { opt_level: OptLevel::Less, ..options("native", &[]) };
        let text = failure(Config::new("cranelift", &wrong));
        assert!(text.contains("`less`") && text.contains("`opt-level`") && text.contains("speed-and-size"), "{text}");
    }

    #[cfg(feature = "cranelift")]
    #[test]
    fn unknown_cpu_features_are_refused() {
        let text = failure(Config::new("cranelift", &options("custom", &["sse2", "mmx"])));
        assert!(text.contains("`mmx`") && text.contains("avx2"), "{text}");
    }

    #[cfg(all(feature = "cranelift", target_arch = "x86_64"))]
    #[test]
    fn features_of_another_processor_are_named() {
        let text = failure(Config::new("cranelift", &options("custom", &[])));
        assert!(text.contains("sse2"), "{text}");
        let foreign = Config::new("cranelift", &options("custom", &["sse2", "neon"])).unwrap();
        let reason = foreign.missing_cpu_features().unwrap();
        assert!(reason.contains("lacks neon"), "{reason}");
        assert!(matches!(foreign.load_engine(Loader::Headless), Err(StageError::Unsupported(_))));
        assert_eq!(Config::new("cranelift", &options("native", &[])).unwrap().missing_cpu_features(), None);
    }
}
