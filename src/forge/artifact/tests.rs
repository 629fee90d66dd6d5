//! Archives of every kind that must not be taken, and the one that must.

use std::io::Write as _;

use serde_json::json;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

fn small() -> Value {
    json!({
        "header": {
            "version": RESULTS_VERSION, "tollgate": "0.1.0", "commit": null, "started": "2026-11-20T10:00:00Z", "seed": 1,
            "yardstick": 1,
            "effort": {"min_batch": 1, "max_observations": 1, "time_cap": 1, "yardsticks_before": 1, "yardsticks_after": 1},
            "machine": {
                "class": {"target": {"arch": "x86_64", "os": "linux"}, "cpu": "x"}, "cores": 2, "memory": null, "kernel": "x",
                "load": 0.5, "limitations": []
            },
            "settings": {
                "tier": "pr", "budget": 1, "stages": ["compile"], "sample_globs": [], "backend_globs": [], "thresholds": [],
                "fail_on": ["regressed"], "limits": {"deadline": 1, "memory": 1}
            },
            "samples": [], "backends": [], "plan": [], "baselines": {}
        },
        "launches": [],
        "end": {"reason": "complete", "elapsed": 1}
    })
}

fn packed(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn one(value: &Value) -> Vec<u8> {
    packed(&[(FILE, value.to_string().as_bytes())])
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[test]
fn results_come_out_as_they_went_in() {
    let archive = one(&small());
    for digest in [Some(digest(&archive)), None] {
        let results = results(&archive, digest.as_deref()).unwrap();
        assert_eq!((results.header.tollgate.as_str(), results.launches.len()), ("0.1.0", 0));
    }
}

#[test]
fn bytes_are_held_to_their_digest() {
    let archive = one(&small());
    assert_eq!(results(&archive, Some(&digest(b"other"))), Err(ArtifactError::Digest));
    for odd in ["md5:0123", "sha256:0123", ""] {
        assert_eq!(results(&archive, Some(odd)), Err(ArtifactError::UnknownDigest));
    }
    assert_eq!(results(b"PK", None), Err(ArtifactError::Archive));
    assert_eq!(results(&archive[..archive.len() / 2], None), Err(ArtifactError::Archive));
}

#[test]
fn one_plain_file_of_the_right_name_and_nothing_else() {
    let good = small().to_string();
    let of = |names: &[&str]| {
        let entries: Vec<_> = names.iter().map(|name| (*name, good.as_bytes())).collect();
        results(&packed(&entries), None)
    };
    assert_eq!(of(&[]), Err(ArtifactError::Entries(0)));
    assert_eq!(of(&[FILE, "PASS.md"]), Err(ArtifactError::Entries(2)));
    for name in [
        "../results.json",
        "/results.json",
        "a/results.json",
        "./results.json",
        "results.json/",
        "Results.json",
        "results.json\0",
    ] {
        assert_eq!(of(&[name]), Err(ArtifactError::Name), "{name:?}");
    }
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink(FILE, "/etc/passwd", SimpleFileOptions::default()).unwrap();
    assert_eq!(results(&writer.finish().unwrap().into_inner(), None), Err(ArtifactError::Name));
}

#[test]
fn a_bomb_is_not_unpacked() {
    let zeros = vec![b' '; usize::try_from(MOST_UNPACKED).unwrap() + 1];
    let archive = packed(&[(FILE, &zeros)]);
    assert!((archive.len() as u64) < MOST_PACKED / 100);
    assert_eq!(results(&archive, None), Err(ArtifactError::Inflated));
}

#[test]
fn every_field_is_known_and_bounded() {
    let with = |pointer: &str, value: Value| {
        let mut results = small();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        results.pointer_mut(parent).unwrap()[key] = value;
        super::results(&one(&results), None)
    };
    assert!(with("/header/commit", "abc".into()).is_ok());
    let said = |result: Result<Results, ArtifactError>| result.unwrap_err().to_string();
    assert!(said(with("/verdict", "pass".into())).contains("does not know"));
    assert!(said(with("/header/machine/more", 1.into())).contains("does not know"));
    assert!(said(with("/header/version", 99.into())).contains("format"));
    assert!(said(with("/header/tollgate", "x".repeat(LONGEST_TEXT + 1).into())).contains("text that is longer"));
    assert!(
        said(with("/header/settings/sample_globs", json!(vec![""; MOST_ENTRIES + 1]))).contains("list that is longer")
    );
    let mut key = small();
    key["header"]["baselines"]["x".repeat(LONGEST_KEY + 1)] = Value::Null;
    assert!(said(results(&one(&key), None)).contains("key that is longer"));
    let endless = small().to_string().replace("\"load\":0.5", "\"load\":1e999");
    assert!(said(results(&packed(&[(FILE, endless.as_bytes())]), None)).contains("malformed at 1:"));
    let hostile = small().to_string().replace("\"complete\"", "\"## PASS\\n@everyone\"");
    let text = said(results(&packed(&[(FILE, hostile.as_bytes())]), None));
    assert!(!text.contains("PASS"), "{text}");
    for odd in ["", "[]", "{", "null"] {
        assert!(results(&packed(&[(FILE, odd.as_bytes())]), None).is_err());
    }
}

fn listed(name: &str, expired: bool, run: u64) -> Listed {
    let workflow_run = Some(ListedRun { id: Some(run), head_sha: Some("ABC".into()) });
    Listed { id: 5, name: name.into(), size_in_bytes: 10, expired, digest: None, workflow_run }
}

#[test]
fn the_artifact_is_picked_by_its_whole_name() {
    let run = Run { id: 9, attempt: 1 };
    let of = |artifacts: Vec<Listed>| pick(&List { artifacts }, "results", run, "abc").map(|one| one.map(|one| one.id));
    assert_eq!(
        of(vec![listed("results-2", false, 9), listed("Results", false, 9), listed("results", true, 9)]),
        Ok(None)
    );
    assert_eq!(of(vec![listed("results", true, 9), listed("results", false, 9)]), Ok(Some(5)));
    assert_eq!(of(vec![listed("results", false, 9), listed("results", false, 9)]), Err(ArtifactError::Several(2)));
    assert_eq!(of(vec![listed("results", false, 8)]), Err(ArtifactError::Foreign));
    assert_eq!(of(vec![Listed { workflow_run: None, ..listed("results", false, 8) }]), Ok(Some(5)));
    let large = Listed { size_in_bytes: MOST_PACKED + 1, ..listed("results", false, 9) };
    assert_eq!(of(vec![large]), Err(ArtifactError::TooLarge(MOST_PACKED + 1)));
}
