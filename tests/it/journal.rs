//! What a run leaves on disk survives kills, full disks and other versions, and says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;
use tollgate::measure::journal::{self, JOURNAL_FILE, Journal, JournalError, OLD_JOURNAL_FILE, RESULTS_FILE};
use tollgate::model::machine::{RunnerClass, Target};
use tollgate::model::observation::Side;
use tollgate::model::results::{End, EndReason, Header, RESULTS_VERSION};
use tollgate::model::settings::{Effort, Limits};
use tollgate::model::{BackendId, Bytes, Launch, Machine, Nanos, Results, SampleId, Settings, Tier};

fn header(seed: u64) -> Header {
    let class = RunnerClass { target: Target { arch: "x86_64".into(), os: "linux".into() }, cpu: "Invented 1".into() };
    let settings = Settings {
        tier: Tier::Pr,
        budget: Nanos(1),
        stages: BTreeSet::new(),
        sample_globs: Vec::new(),
        backend_globs: Vec::new(),
        thresholds: Vec::new(),
        fail_on: BTreeSet::new(),
        limits: Limits { deadline: Nanos(1), memory: Bytes(1) },
        layout_allowances: BTreeMap::new(),
    };
    Header {
        version: RESULTS_VERSION,
        tollgate: "0.1.0".into(),
        commit: None,
        started: "2026-01-02T03:04:05Z".into(),
        seed,
        yardstick: 1,
        effort: Effort::default(),
        machine: Machine {
            class,
            cores: 2,
            memory: None,
            kernel: "Linux 6".into(),
            load: Some(0.5),
            limitations: Vec::new(),
        },
        settings,
        samples: Vec::new(),
        backends: Vec::new(),
        plan: Vec::new(),
        base: None,
        loosening: None,
        shard: None,
        merged: Vec::new(),
        baselines: BTreeMap::new(),
    }
}

fn launch(id: u32) -> Launch {
    Launch {
        id,
        sample: SampleId::new("fibonacci").unwrap(),
        backend: BackendId::new("cranelift").unwrap(),
        side: Side::Head,
        round: 0,
        offset: Nanos(1000 * u64::from(id)),
        duration: Nanos(700),
        measuring: Nanos(300),
        core: Some(1),
        engine: Some("invented 1.0".into()),
        stubbed_imports: vec!["env.\"quoted\"\n".into()],
        yardstick: Vec::new(),
        stages: BTreeMap::new(),
        failure: None,
    }
}

fn results(seed: u64, launches: u32) -> Results {
    let end = End { reason: EndReason::Complete, elapsed: Nanos(9999) };
    Results { header: header(seed), launches: (0..launches).map(launch).collect(), end }
}

/// A folder with the journal of a run that died after `launches` launches.
fn died(seed: u64, launches: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    leave_journal(folder.path(), seed, launches);
    folder
}

fn leave_journal(folder: &Path, seed: u64, launches: u32) {
    let mut journal = Journal::create(folder, &header(seed)).unwrap();
    for id in 0..launches {
        journal.append(&launch(id)).unwrap();
    }
}

fn error(path: &Path) -> String {
    journal::read(path).unwrap_err().to_string()
}

#[test]
fn results_read_back_as_written_and_the_journal_is_gone() {
    let folder = died(1, 3);
    let path = Journal::finish(folder.path(), &results(1, 3)).unwrap();
    assert_eq!(path, folder.path().join(RESULTS_FILE));
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [RESULTS_FILE]);
    // Readable by a later step of a job that runs as somebody else, unless the umask forbids it.
    assert_ne!(fs::metadata(&path).unwrap().permissions().mode() & 0o044, 0);
    for way in [path.as_path(), folder.path()] {
        let loaded = journal::read(way).unwrap();
        assert_eq!(loaded.results, results(1, 3));
        assert_eq!(loaded.warnings, Vec::<String>::new());
    }
}

#[test]
fn reformatted_results_are_still_results() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("renamed.txt");
    fs::write(&path, serde_json::to_string_pretty(&results(1, 2)).unwrap()).unwrap();
    assert_eq!(journal::read(&path).unwrap().results, results(1, 2));
}

#[test]
fn a_journal_gives_what_was_measured_before_the_death() {
    let folder = died(1, 3);
    let loaded = journal::read(folder.path()).unwrap();
    assert_eq!(loaded.results.launches, results(1, 3).launches);
    assert_eq!(loaded.results.end, End { reason: EndReason::Died, elapsed: Nanos(2700) });
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
}

#[test]
fn a_journal_can_be_cut_anywhere() {
    let folder = died(1, 2);
    let path = folder.path().join(JOURNAL_FILE);
    let whole = fs::read(&path).unwrap();
    let ends: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let read = journal::read(&path);
        if cut < ends[0] {
            // Without a whole header nothing says what was measured.
            assert!(read.is_err(), "cut at {cut}");
            continue;
        }
        let loaded = read.unwrap();
        let expected = ends[1..].iter().filter(|end| cut >= **end).count();
        assert_eq!(loaded.results.launches.len(), expected, "cut at {cut}");
        let half = !ends.contains(&cut) && !ends.contains(&(cut - 1));
        assert_eq!(loaded.warnings.len(), if half { 2 } else { 1 }, "cut at {cut}");
    }
}

#[test]
fn damage_in_the_middle_is_told_with_its_position() {
    let folder = died(1, 3);
    let path = folder.path().join(JOURNAL_FILE);
    let text = fs::read_to_string(&path).unwrap().replacen("\"id\":0", "\"id\":x", 1);
    let column = text.lines().nth(1).unwrap().find('x').unwrap() + 1;
    fs::write(&path, text).unwrap();
    assert!(error(&path).contains(&format!("{JOURNAL_FILE}`:2:{column}: expected value")), "{}", error(&path));

    let path = folder.path().join("cut.json");
    let text = serde_json::to_string_pretty(&results(1, 1)).unwrap();
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    assert!(error(&path).contains("EOF while parsing"), "{}", error(&path));
}

#[test]
fn other_versions_are_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(RESULTS_FILE);
    let write = |version: u32| {
        let mut value = serde_json::to_value(results(1, 1)).unwrap();
        value["header"]["version"] = version.into();
        value["header"]["tollgate"] = "9.8.7".into();
        // What another version calls a launch is not known here.
        value["launches"] = "other".into();
        fs::write(&path, value.to_string()).unwrap();
    };
    write(RESULTS_VERSION + 1);
    assert!(matches!(journal::read(&path), Err(JournalError::Newer { .. })));
    assert!(error(&path).contains("use tollgate 9.8.7 or newer"), "{}", error(&path));
    write(RESULTS_VERSION - 1);
    assert!(matches!(journal::read(&path), Err(JournalError::Older { .. })));
    assert!(error(&path).contains("or run again"), "{}", error(&path));
}

#[test]
fn what_is_no_results_file_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert!(error(path).contains("holds neither"), "{}", error(path));
    assert!(error(&path.join("absent")).contains("name a results.json"));
    assert!(error(Path::new("/dev/zero")).contains("not a regular file"));
    fs::write(path.join("empty"), " \n").unwrap();
    assert!(error(&path.join("empty")).contains("is empty"));
    fs::write(path.join("text"), "hello\n").unwrap();
    assert!(error(&path.join("text")).contains("text`:1:1: expected value"), "{}", error(&path.join("text")));
    fs::File::create(path.join("huge")).unwrap().set_len((1 << 30) + 1).unwrap();
    assert!(error(&path.join("huge")).contains("1073741825 bytes"));
}

#[test]
fn a_later_run_that_died_is_not_hidden_by_older_results() {
    let folder = tempfile::tempdir().unwrap();
    Journal::finish(folder.path(), &results(1, 5)).unwrap();
    leave_journal(folder.path(), 2, 1);
    let loaded = journal::read(folder.path()).unwrap();
    assert_eq!((loaded.results.header.seed, loaded.results.launches.len()), (2, 1));
    assert!(loaded.warnings.iter().any(|warning| warning.contains("later run")), "{:?}", loaded.warnings);

    // The other way round, a kill between the results and the journal's removal left both of one run.
    let folder = tempfile::tempdir().unwrap();
    Journal::finish(folder.path(), &results(1, 5)).unwrap();
    leave_journal(folder.path(), 1, 3);
    let loaded = journal::read(folder.path()).unwrap();
    assert_eq!((loaded.results.launches.len(), loaded.warnings.len()), (5, 0));
}

#[test]
fn the_journal_of_a_run_that_died_is_kept_by_the_next_one() {
    let folder = died(1, 2);
    let next = Journal::create(folder.path(), &header(2)).unwrap();
    assert_eq!(journal::read(&folder.path().join(OLD_JOURNAL_FILE)).unwrap().results.launches.len(), 2);
    drop(next);
    // And results of one run do not remove the journal of another.
    Journal::finish(folder.path(), &results(3, 1)).unwrap();
    assert!(folder.path().join(JOURNAL_FILE).exists());
}

#[test]
fn two_runs_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = Journal::create(folder.path(), &header(1)).unwrap();
    let second = Journal::create(folder.path(), &header(2));
    assert!(matches!(second, Err(JournalError::InUse(_))), "{second:?}");
    drop(first);
    assert!(Journal::create(folder.path(), &header(2)).is_ok());
}

#[test]
fn a_place_that_cannot_be_written_to_is_named_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let text = Journal::create(&file, &header(1)).unwrap_err().to_string();
    assert!(text.contains("another folder with --out"), "{text}");
    let text = Journal::create(&file.join("below"), &header(1)).unwrap_err().to_string();
    assert!(text.contains("another folder with --out"), "{text}");
    let text = Journal::finish(&file, &results(1, 1)).unwrap_err().to_string();
    assert!(text.contains("another folder with --out"), "{text}");
}

/// `/dev/full` is the disk that is always full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join(JOURNAL_FILE)).unwrap();
    let text = Journal::create(folder.path(), &header(1)).unwrap_err().to_string();
    assert!(text.contains("free some space"), "{text}");
}
