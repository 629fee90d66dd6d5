//! `tollgate noise`: base against itself, and what the gate can promise.

use serde_json::Value;

use super::Project;

#[test]
fn noise_measures_everything_against_itself_and_promises() {
    let project = Project::new();
    project.configure("--luck, own", "--luck, own", "");
    project.run(&["--update-baselines"]).exits(0);
    let ended = project.tollgate(&[
        "noise", "--budget", "10s", "--seed", "2", "--stage", "compile", "--stage", "execute", "--format", "json",
        "--record",
    ]);
    ended.exits(0).warns(&["recorded the scatter of 2 stages"]);
    let noise: Value = serde_json::from_str(&ended.stdout).unwrap();
    let rows = noise["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &noise["cells"]), (4, &Value::from(4)));
    for row in rows {
        assert!(row["pairs"].as_u64() >= Some(2) && row["deviation"].as_f64() < Some(0.01), "{row}");
        // How many pairs there are depends on how fast this machine is; the reds are of cells without any tolerance.
        let bias = row["bias"]["relative"].as_f64().unwrap();
        assert!(row["false_reds"].as_u64() <= Some(5) && bias.abs() < 0.01, "{row}");
    }
    assert_eq!(noise["runs_with_a_red"], 0);
    assert!(project.read(&project.baseline("alpha")).contains("\nscatter:\n  compile: {deviation: "));
    // What was measured can be replayed.
    let replayed = project.tollgate(&["replay", "tollgate-noise/launches.jsonl", "--runs", "20", "--cells", "20"]);
    replayed.exits(0).says(&["tiny/alpha/compile", "tollgate: tolerance 0 %"]);
    // The saved results give the same figures.
    let again = project.tollgate(&["noise", "--results", "tollgate-noise", "--format", "json"]);
    assert_eq!(again.exits(0).stdout, ended.stdout);
    let text = project.tollgate(&["noise", "--results", "tollgate-noise"]);
    text.exits(0).says(&["alpha    compile", "0 of 1000 resampled runs of 4 cells had a false red"]);
}
