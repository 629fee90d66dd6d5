//! The command line as such: help, usage errors, what goes to which stream, colour, and readers that go away.

use std::io::Read as _;
use std::process::Stdio;

use serde_json::Value;

use super::Project;

#[test]
fn help_teaches() {
    let project = Project::empty();
    let codes =
        ["Exit codes:", "0    pass", "1    regressed", "2    could not run", "3    broken", "4    inconclusive", "130"];
    let top = project.tollgate(&["--help"]);
    top.exits(0).says(&codes).says(&["tollgate init", "tollgate run --update-baselines", "Commands:"]);
    assert!(!top.stdout.contains("worker protocol"), "workers are for Tollgate to start: {top}");
    let commands = [
        ("run", true),
        ("compare", true),
        ("judge", true),
        ("merge", true),
        ("report", false),
        ("list", false),
        ("noise", false),
        ("replay", false),
        ("init", false),
    ];
    for (command, decides) in commands {
        for args in [["help", command], [command, "--help"]] {
            let help = project.tollgate(&args);
            help.exits(0).says(&["Usage: tollgate ", "Examples:", &format!("\n  tollgate {command} ")]);
            assert_eq!(help.stderr, "");
            assert_eq!(help.stdout.contains("Exit codes:"), decides, "{help}");
        }
    }
    project.tollgate(&["--version"]).exits(0).says(&[&format!("tollgate {}\n", env!("CARGO_PKG_VERSION"))]);
}

#[test]
fn help_shows_options_that_exist() {
    let project = Project::empty();
    for command in ["run", "compare", "judge", "merge", "report", "list", "noise", "replay", "init"] {
        let help = project.tollgate(&[command, "--help"]).stdout;
        let (options, examples) = help.split_once("Examples:").unwrap();
        let used = examples.split_whitespace().filter(|word| word.starts_with("--"));
        let is_listed = |option: &str| [' ', '\n'].iter().any(|end| options.contains(&format!("{option}{end}")));
        used.for_each(|option| assert!(is_listed(option), "{command} {option}"));
    }
}

#[test]
fn usage_errors_could_not_run() {
    let project = Project::new();
    let cases: [(&[&str], &str); 16] = [
        (&[], "Usage: tollgate"),
        (&["rum"], "unrecognized subcommand 'rum'"),
        (&["run", "--fast"], "unexpected argument '--fast'"),
        (&["run", "--tier", "huge"], "possible values: smoke, pr, full"),
        (&["run", "--budget", "soon"], "--budget"),
        (&["run", "--seed", "-1"], "-1"),
        (&["run", "--reason", "why"], "--update-baselines"),
        (&["run", "--keep-times"], "--update-baselines"),
        (&["run", "--shard", "0/2"], "K/N with K from 1 to N"),
        (&["run", "--shard", "3/2"], "K/N with K from 1 to N"),
        (&["run", "--shard", "2"], "K/N with K from 1 to N"),
        (&["run", "--shard", "1/2", "--update-baselines"], "cannot be used with"),
        (&["merge", "a"], "--out <DIR>"),
        (&["judge"], "<RESULTS>"),
        (&["compare", "a"], "<B>"),
        (&["list", "--format", "markdown"], "possible values: text, json"),
    ];
    for (args, words) in cases {
        let ended = project.tollgate(args);
        ended.exits(2).warns(&[words]);
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn standard_output_is_for_data_alone() {
    let project = Project::accepted();
    project.configure("--wrong-answer, verify", "", "");
    let ended = project.run(&["--format", "json"]);
    ended
        .exits(3)
        .warns(&["warning: tiny on alpha is broken: execute: wrong output", "results: tollgate-out/results.json"]);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let document = include_str!("../../../docs/results.md");
    assert!(document.contains(&format!("## The report\nVersion {}.", report["version"])), "{}", report["version"]);
    assert_eq!((&report["outcome"], &report["run"]["seed"]), (&"broken".into(), &2.into()));
    assert_eq!(report["failures"][0]["failure"]["kind"], "wrong-output");
    // Neither the project's path nor the worker's is anybody's business who reads the report.
    assert!(!ended.stdout.contains("[project]") && !ended.stdout.contains("misbehave\""), "{ended}");

    let mut command = project.command(&["report", "tollgate-out"]);
    command.env("TOLLGATE_FORMAT", "markdown");
    project.ends(command).exits(0).says(&["## ❌ BROKEN"]);
}

#[test]
fn the_seed_decides_everything_that_is_drawn() {
    let project = Project::new();
    let launches = |seed: &str| {
        project.tollgate(&["run", "--budget", "1h", "--seed", seed]).exits(0);
        let results: Value = serde_json::from_str(&project.read("tollgate-out/results.json")).unwrap();
        let of = |launch: &Value| (launch["backend"].clone(), launch["stages"].clone());
        results["launches"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(launches("7"), launches("7"));
    assert_ne!(launches("7"), launches("8"));
    let drawn = project.tollgate(&["run", "--budget", "1h", "--format", "json"]);
    let report: Value = serde_json::from_str(&drawn.exits(0).stdout).unwrap();
    assert!(report["run"]["seed"].as_u64().is_some());
}

#[test]
fn colour_is_for_terminals_and_for_who_asks() {
    let project = Project::accepted();
    project.run(&[]).exits(0);
    let coloured = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = project.command(&[&["report", "tollgate-out"], args].concat());
        command.envs(variables.iter().copied());
        project.ends(command).exits(0).stdout.contains('\u{1b}')
    };
    assert!(!coloured(&[], &[]), "this is no terminal");
    assert!(coloured(&["--color", "always"], &[]));
    assert!(coloured(&[], &[("TOLLGATE_COLOR", "always")]));
    assert!(!coloured(&["--color", "never"], &[("TOLLGATE_COLOR", "always")]));
    assert!(!coloured(&["--color", "auto"], &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]));
    assert!(coloured(&["--color", "always"], &[("NO_COLOR", "1")]), "an option outweighs the environment");
    project.tollgate(&["judge", "absent", "--color", "always"]).exits(2).warns(&["\u{1b}[31m"]);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let project = Project::accepted();
    for args in [&["run", "--seed", "2", "--budget", "1h"][..], &["list"], &["report", "tollgate-out"], &["--help"]] {
        let mut child = project.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Closed before anything can have been written: no process starts and reports within an instant.
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{args:?}: {stderr}");
        assert!(!stderr.contains("error") && !stderr.contains("panicked"), "{args:?}: {stderr}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn output_that_cannot_be_written_is_an_error() {
    let project = Project::accepted();
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for args in [&["run", "--seed", "2", "--budget", "1h"][..], &["list"], &["report", "tollgate-out"]] {
        let child = project.command(args).stdout(full()).stderr(Stdio::piped()).spawn().unwrap();
        let ended = project.ended(child.wait_with_output().unwrap());
        ended.exits(2).warns(&["error: failed to write to standard output", "No space left on device"]);
    }
}
