//! From accepted baselines to a patch, and from a patch to a commit that holds nothing else.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::scripts::Runner;

const BASELINE: &str = "baselines/x86_64-linux/a.yml";

fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "user.name=n", "-c", "user.email=e", "-c", "init.defaultBranch=main"]);
    let output = command.args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A runner whose workspace is a clone of `origin.git`, with one baseline committed.
fn runner() -> Runner {
    let runner = Runner::new();
    git(runner.folder.path(), &["init", "--quiet", "--bare", "origin.git"]);
    let workspace = runner.path("workspace");
    git(&workspace, &["init", "--quiet"]);
    write(&runner, BASELINE, "size: 1\n");
    write(&runner, "src.txt", "source\n");
    git(&workspace, &["add", "."]);
    git(&workspace, &["commit", "--quiet", "-m", "first"]);
    git(&workspace, &["remote", "add", "origin", "../origin.git"]);
    git(&workspace, &["push", "--quiet", "origin", "HEAD:refs/heads/main"]);
    fs::create_dir(runner.path("workspace/tollgate-out")).unwrap();
    runner
}

fn write(runner: &Runner, path: &str, text: &str) {
    let path = runner.path("workspace").join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn new_baselines_become_a_patch_that_applies() {
    let runner = runner();
    write(&runner, BASELINE, "size: 2\n");
    write(&runner, "baselines/x86_64-linux/b.yml", "size: 3\n");
    let ran = runner.run("patch.sh", &[], &[]);
    assert_eq!(ran.code, 0, "{}", ran.log);
    assert!(fs::read_to_string(runner.path("summary")).unwrap().contains("git apply baselines.patch"));

    let patch = runner.path("workspace/tollgate-out/baselines.patch");
    let kept = runner.path("baselines.patch");
    fs::copy(patch, &kept).unwrap();
    let workspace = runner.path("workspace");
    git(&workspace, &["reset", "--quiet", "--hard"]);
    git(&workspace, &["clean", "--quiet", "-fd", "baselines"]);
    let ran = runner.run("apply.sh", &[&kept.display().to_string(), "topic", "why"], &[]);
    assert_eq!(ran.code, 0, "{}", ran.log);
    let origin = runner.path("origin.git");
    assert_eq!(git(&origin, &["log", "-1", "--format=%s", "topic"]), "why");
    let changed = git(&origin, &["diff", "--name-only", "main", "topic"]);
    assert_eq!(changed, format!("{BASELINE}\nbaselines/x86_64-linux/b.yml"));
}

#[test]
fn nothing_new_is_no_patch() {
    let runner = runner();
    let ran = runner.run("patch.sh", &[], &[]);
    assert_eq!(ran.code, 0, "{}", ran.log);
    assert!(!runner.path("workspace/tollgate-out/baselines.patch").exists());
}

#[test]
fn a_run_that_changed_anything_else_gives_no_patch() {
    for path in ["src.txt", "new.txt", "baselines.yml"] {
        let runner = runner();
        write(&runner, BASELINE, "size: 2\n");
        write(&runner, path, "changed\n");
        let ran = runner.run("patch.sh", &[], &[]);
        assert!(ran.code == 2 && ran.log.contains("has changes outside of `baselines`"), "{path}: {}", ran.log);
    }
}

#[test]
fn a_patch_of_anything_else_is_not_applied() {
    let new = |path: &str, mode: &str| {
        format!("diff --git a/{path} b/{path}\nnew file mode {mode}\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n")
    };
    let change = "diff --git a/src.txt b/src.txt\n--- a/src.txt\n+++ b/src.txt\n@@ -1 +1 @@\n-source\n+evil\n";
    let rename = format!(
        "diff --git a/src.txt b/{BASELINE}\nsimilarity index 100%\nrename from src.txt\nrename to {BASELINE}\n"
    );
    let workflow = new(".github/workflows/evil.yml", "100644");
    for (patch, message) in [
        (change.to_owned(), "touches `src.txt`"),
        (workflow, "which is no baseline"),
        (new("baselines/x86_64-linux/../../evil.yml", "100644"), ""),
        (new("baselines/x86_64-linux/evil.sh", "100644"), "which is no baseline"),
        (new("baselines/x86_64-linux/evil.yml", "100755"), "does more than change files of text"),
        (new("baselines/x86_64-linux/evil.yml", "120000"), "does more than change files of text"),
        (rename, "does more than change files of text"),
        (String::new(), ""),
    ] {
        let runner = runner();
        let file = runner.path("p.patch");
        fs::write(&file, &patch).unwrap();
        let ran = runner.run("apply.sh", &[&file.display().to_string(), "topic", "why"], &[]);
        assert!(ran.code != 0 && ran.log.contains(message), "{patch}: {}", ran.log);
        assert_eq!(git(&runner.path("origin.git"), &["branch", "--list", "topic"]), "", "{patch}");
    }
}
