//! Baselines to test with: one of every kind of entry, a large one, and arbitrary ones.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::model::baseline::{Baseline, BaselineKey, Change, Entry, Provenance, Scatter, Spread, TimeReference};
use crate::model::ids::BackendId;
use crate::model::machine::{RunnerClass, Target};
use crate::model::sample::{BackendOptions, CpuFeatures, OptLevel};
use crate::model::stage::{Metric, Stage, StageKind};
use crate::model::units::Bytes;

pub fn key(text: &str) -> BaselineKey {
    BaselineKey::try_from(text.to_owned()).expect("a key")
}

pub fn time(ratio: f64) -> Entry {
    Entry::Time { ratio, deviation: 0.012, launches: 5 }
}

pub fn target() -> Target {
    Target { arch: "x86_64".to_owned(), os: "linux".to_owned() }
}

pub fn runner() -> RunnerClass {
    RunnerClass { target: target(), cpu: "Intel(R) Xeon(R) Processor".to_owned() }
}

pub fn options() -> BackendOptions {
    BackendOptions {
        opt_level: OptLevel::Speed,
        canonicalize_nans: false,
        cpu_features: CpuFeatures {
            name: "x86-64-v3".to_owned(),
            features: ["avx", "avx2", "sse4.2"].map(str::to_owned).to_vec(),
        },
        threads: NonZeroU16::MIN,
    }
}

/// A baseline with every kind of entry and section.
pub fn example() -> Baseline {
    let cells = [
        ("fibonacci/validate/time", time(0.012_34)),
        ("fibonacci/compile/time", time(1.5)),
        ("fibonacci/compile/memory", Entry::Bytes(Bytes(123_456))),
        ("fibonacci/compile/instructions", Entry::Count(987_654_321)),
        ("fibonacci/serialize/size", Entry::Bytes(Bytes(4242))),
        ("fibonacci/execute/score", Entry::Score { ratio: 2.5, deviation: 0.0, launches: 1 }),
        ("matmul-simd/compile/time", Entry::Unsupported("no SIMD: \"v128\"\n# not a comment".to_owned())),
        ("zlib/compile/time", time(3.25)),
        ("zlib/serialize/size", Entry::Bytes(Bytes(99_000))),
    ];
    Baseline {
        backend: BackendId::new("cranelift").expect("an id"),
        target: target(),
        provenance: Provenance {
            tollgate: "0.1.0".to_owned(),
            engine: "wasmer 7.4.2".to_owned(),
            compiler: "cranelift".to_owned(),
            options: options(),
        },
        runner: runner(),
        reference: TimeReference::Yardstick { version: 1 },
        spread: BTreeMap::from([(Stage::Compile, Spread { deviation: 0.021, runs: 6 })]),
        scatter: BTreeMap::new(),
        changes: vec![change("2026-11-20", None)],
        cells: cells.into_iter().map(|(name, entry)| (key(name), entry)).collect(),
    }
}

pub fn change(date: &str, reason: Option<&str>) -> Change {
    Change {
        date: date.to_owned(),
        commit: Some("0123abc-dirty".to_owned()),
        reason: reason.map(str::to_owned),
        added: 9,
        removed: 0,
        tightened: 0,
        loosened: 0,
    }
}

/// A baseline of `samples` samples whose sizes are all `size`.
pub fn large(samples: u32, size: u64) -> Baseline {
    let cells = (0..samples).map(|i| (key(&format!("sample-{i}/serialize/size")), Entry::Bytes(Bytes(size)))).collect();
    Baseline { cells, ..example() }
}

/// Any baseline that the format can hold, before rounding.
pub fn any_baseline() -> impl Strategy<Value = Baseline> {
    (
        (any_id(), hostile_text(), hostile_text(), any_provenance(), hostile_text(), any_reference()),
        (btree_map(any_stage(), (0.0..10.0, 1..100_u32), 0..4), btree_map(any_stage(), (0.0..10.0, 1..100_u32), 0..4)),
        vec(any_change(), 0..4),
        vec(any_cell(), 0..12),
    )
        .prop_map(|((backend, arch, os, provenance, cpu, reference), (spread, scatter), changes, cells)| {
            let target = Target { arch, os };
            Baseline {
                backend: BackendId::new(backend).expect("an id"),
                target: target.clone(),
                provenance,
                runner: RunnerClass { target, cpu },
                reference,
                spread: spread
                    .into_iter()
                    .map(|(stage, (deviation, runs))| (stage, Spread { deviation, runs }))
                    .collect(),
                scatter: scatter
                    .into_iter()
                    .map(|(stage, (deviation, freedom))| (stage, Scatter { deviation, freedom }))
                    .collect(),
                changes,
                cells: cells.into_iter().collect(),
            }
        })
}

fn any_provenance() -> impl Strategy<Value = Provenance> {
    let level = prop::sample::select(vec![OptLevel::None, OptLevel::Speed, OptLevel::SpeedAndSize, OptLevel::Less]);
    let options = (level, any::<bool>(), any::<NonZeroU16>(), hostile_text(), vec(hostile_text(), 0..4)).prop_map(
        |(opt_level, canonicalize_nans, threads, name, features)| BackendOptions {
            opt_level,
            canonicalize_nans,
            cpu_features: CpuFeatures { name, features },
            threads,
        },
    );
    (hostile_text(), hostile_text(), hostile_text(), options)
        .prop_map(|(tollgate, engine, compiler, options)| Provenance { tollgate, engine, compiler, options })
}

fn any_reference() -> impl Strategy<Value = TimeReference> {
    prop_oneof![
        any::<u32>().prop_map(|version| TimeReference::Yardstick { version }),
        "[0-9a-f]{64}".prop_map(|sha256| TimeReference::Worker { sha256 }),
    ]
}

fn any_change() -> impl Strategy<Value = Change> {
    let counts = any::<[u32; 4]>();
    (
        "20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9])",
        prop::option::of(hostile_text()),
        prop::option::of(hostile_text()),
        counts,
    )
        .prop_map(|(date, commit, reason, [added, removed, tightened, loosened])| Change {
            date,
            commit,
            reason,
            added,
            removed,
            tightened,
            loosened,
        })
}

fn any_cell() -> impl Strategy<Value = (BaselineKey, Entry)> {
    let stage = any_stage().prop_filter("judged", |stage| stage.kind() == StageKind::Gating);
    (any_id(), stage, any_entry())
        .prop_map(|(sample, stage, (metric, entry))| (key(&format!("{sample}/{stage}/{metric}")), entry))
}

fn any_entry() -> impl Strategy<Value = (Metric, Entry)> {
    let figures = || (1e-12..1e12_f64, 0.0..10.0_f64, 1..u32::MAX);
    prop_oneof![
        figures().prop_map(|(ratio, deviation, launches)| (Metric::Time, Entry::Time { ratio, deviation, launches })),
        figures().prop_map(|(ratio, deviation, launches)| (Metric::Score, Entry::Score { ratio, deviation, launches })),
        any::<u64>().prop_map(|bytes| (Metric::Size, Entry::Bytes(Bytes(bytes)))),
        any::<u64>().prop_map(|bytes| (Metric::Memory, Entry::Bytes(Bytes(bytes)))),
        any::<u64>().prop_map(|count| (Metric::Instructions, Entry::Count(count))),
        hostile_text().prop_map(|reason| (Metric::Time, Entry::Unsupported(reason))),
    ]
}

fn any_stage() -> impl Strategy<Value = Stage> {
    prop::sample::select(Stage::ALL.to_vec())
}

/// Ids, among them ones that YAML would take for something else.
fn any_id() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9][A-Za-z0-9_+-]{0,20}(/[a-z0-9]{1,5})?",
        prop::sample::select(vec!["true", "No", "null", "1.5", "0x10", "1e5", "y", "2026-11-20", "1_000", "NaN"])
            .prop_map(str::to_owned),
    ]
}

/// Any text, and what YAML treats in particular.
fn hostile_text() -> impl Strategy<Value = String> {
    const TRAPS: [&str; 16] = [
        "",
        " ",
        "null",
        "~",
        "- a",
        "a: b",
        "a #b",
        "#",
        "\"quoted\"",
        "'",
        "\\",
        "line\nend: true\n",
        "\u{85}\u{2028}\u{feff}",
        "\u{0}\u{7f}\u{202e}\u{10ffff}",
        "<<<<<<< ours",
        "&a *a !b %c @d `e`",
    ];
    prop_oneof![
        any::<String>(),
        vec(any::<char>(), 0..20).prop_map(String::from_iter),
        prop::sample::select(TRAPS.to_vec()).prop_map(str::to_owned)
    ]
}
