//! `tollgate replay` on a few recorded launches.
//!
//! `tests/data/launches-few.jsonl` holds 20 of the pairs recorded on a quiet, shared 2-core machine (10 null, 5 with a planted
//! 2 %, 5 with 5 %), each observation as the median of its iterations.

use serde_json::Value;

use super::{Ended, Project};

const RECORDING: &str = include_str!("../../data/launches-few.jsonl");

/// A replay that takes a second in a debug build.
fn replay(project: &Project, args: &[&str]) -> Ended {
    project.tollgate(&[&["replay", "few.jsonl", "--runs", "20", "--cells", "50"], args].concat())
}

fn project() -> Project {
    let project = Project::empty();
    project.write("few.jsonl", RECORDING);
    project
}

fn document(ended: &Ended) -> Value {
    serde_json::from_str(&ended.exits(0).stdout).unwrap()
}

#[test]
fn ours_stands_beside_the_field() {
    let project = project();
    let shown = replay(&project, &["--tolerance", "1", "--verbose"]);
    shown.exits(0).says(&[
        "few.jsonl: pairs of launches: 10 null, 5 with +2 %, 5 with +5 %; cells: val cl sp ser deser inst exec\n",
        "\ntollgate: tolerance 1 % ",
        "\n    deser ",
        "20 runs of 50 null cells",
        "golang.org/x/perf",
    ]);
    assert_eq!(shown.stderr, "");
    let report = document(&replay(&project, &["--tolerance", "1", "--format", "json"]));
    assert_eq!(report["version"], 1);
    let rows = report["recordings"][0]["replayed"]["rows"].as_array().unwrap();
    let rule = |name: &str| rows.iter().find(|row| row["rule"].as_str().unwrap().starts_with(name)).unwrap();
    let red = |name: &str, planted: usize| rule(name)["planted"][planted]["all"]["red"]["count"].as_u64().unwrap();
    assert_eq!(rows.len(), 8);
    assert_eq!((red("tollgate", 0), &rule("tollgate")["red_runs"]), (0, &serde_json::json!({"count": 0, "of": 20})));
    // Twenty draws of each of seven cells.
    assert!(red("tollgate", 2) > 130, "{}", rule("tollgate"));
    assert_eq!((red("ratio of 2", 0), red("ratio of 2", 2)), (0, 0));
    assert!(red("tango", 2) > red("ratio of 1.1, means", 2));
}

#[test]
fn a_seed_repeats_a_replay() {
    let project = project();
    let replayed = |seed: &str| replay(&project, &["--seed", seed, "--format", "json"]).exits(0).stdout.clone();
    assert_eq!(replayed("3"), replayed("3"));
    assert_ne!(replayed("3"), replayed("4"));
}

#[test]
fn what_cannot_be_replayed_says_where_and_why() {
    let project = project();
    project.write("bad.jsonl", format!("{RECORDING}{{\"planted\": 0, \"blocks\": [{{\"exec\": [[\"A\", [0]]]}}]}}\n"));
    project.write("empty.jsonl", "");
    project.write("cut.jsonl.gz", [0x1f, 0x8b, 8, 0]);
    let cases: [(&str, &[&str]); 4] = [
        (
            "bad.jsonl",
            &["recording bad.jsonl", "line 21: cell `exec` has an observation that is empty, or not above zero"],
        ),
        ("empty.jsonl", &["it holds no pairs of launches"]),
        ("cut.jsonl.gz", &["line 1: failed to read it", "cut short or damaged"]),
        ("a\nb", &["recording a\\nb", "correct the path"]),
    ];
    for (file, words) in cases {
        // A good recording before it is not replayed for nothing.
        project.tollgate(&["replay", "few.jsonl", file, "--runs", "1000000"]).refuses(words);
    }
    for (option, value) in
        [("--runs", "0"), ("--cells", "0"), ("--pairs", "0"), ("--tolerance", "-1"), ("--tolerance", "NaN")]
    {
        project.tollgate(&["replay", "few.jsonl", &format!("{option}={value}")]).exits(2).warns(&[option]);
    }
    project.tollgate(&["replay"]).exits(2).warns(&["<FILE>"]);
}
