//! Tests of the store: paths, whole files at any moment, full disks, killed writers.

use std::env;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use rand::{Rng as _, SeedableRng as _};

use super::super::testing::{example, large, target};
use super::*;

/// Tells a test that it is the child process of itself, and in which folder to work.
const CHILD_FOLDER: &str = "TOLLGATE_TEST_CHILD_FOLDER";

fn id(text: &str) -> BackendId {
    BackendId::new(text).expect("an id")
}

fn place(dir: &Path) -> PathBuf {
    path_of(dir, &example().backend, &target())
}

fn read_example(dir: &Path) -> Result<Option<Baseline>, BaselineError> {
    read(dir, &example().backend, &target())
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The command line that runs one test of this file in a process of its own.
fn child_arguments(test: &str) -> [String; 3] {
    let module = module_path!().split_once("::").expect("a crate").1;
    [format!("{module}::{test}"), "--exact".to_owned(), "--nocapture".to_owned()]
}

#[test]
fn every_backend_has_its_own_file() {
    let dir = Path::new("baselines");
    assert_eq!(path_of(dir, &id("llvm"), &target()), Path::new("baselines/x86_64-linux/llvm.yml"));
    assert_eq!(path_of(dir, &id("old/llvm"), &target()), Path::new("baselines/x86_64-linux/old~llvm.yml"));
    let hostile = Target { arch: "../..".to_owned(), os: "a/b\0".to_owned() };
    assert_eq!(path_of(dir, &id("llvm"), &hostile), Path::new("baselines/_____-a_b_/llvm.yml"));
}

#[test]
fn what_is_written_is_read_and_nothing_else_is_left() {
    let dir = tempfile::tempdir().expect("a folder");
    assert_eq!(read_example(dir.path()).expect("no file"), None);
    let path = write(dir.path(), &example()).expect("written");
    assert_eq!(path, place(dir.path()));
    assert_eq!(read_example(dir.path()).expect("read"), Some(example()));
    assert_eq!(names_in(path.parent().expect("a folder")), ["cranelift.yml"]);
}

#[test]
fn errors_name_the_file_and_every_place_in_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = write(dir.path(), &example()).expect("written");
    fs::write(&path, render::render(&example()).replace("ratio: 1.5", "ratio: 0").replace("4242", "4242, count: 1"))
        .expect("written");
    let error = read_example(dir.path()).expect_err("refused").to_string();
    let path = path.display();
    assert!(error.contains(&format!("{path}:28:27: `ratio` is 0")), "{error}");
    assert!(error.contains(&format!("{path}:31:29: `size`")), "{error}");
    assert!(error.ends_with("run `tollgate run --update-baselines` to measure it anew"), "{error}");
}

#[test]
fn a_file_of_another_backend_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = write(dir.path(), &example()).expect("written");
    fs::rename(&path, path_of(dir.path(), &id("llvm"), &target())).expect("renamed");
    let error = read(dir.path(), &id("llvm"), &target()).expect_err("refused").to_string();
    assert!(error.contains("in the place of the one of `llvm`"), "{error}");
}

#[test]
fn what_is_no_text_file_of_sensible_size_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = place(dir.path());
    fs::create_dir_all(&path).expect("a folder in the place of the file");
    assert!(matches!(read_example(dir.path()), Err(BaselineError::NotAFile { .. })));
    assert!(matches!(write(dir.path(), &example()), Err(BaselineError::NotAFile { .. })));
    fs::remove_dir(&path).expect("removed");

    fs::write(&path, b"version: 1\nab\xc3\xa4\xff").expect("written");
    let error = read_example(dir.path()).expect_err("refused").to_string();
    assert!(error.contains(":2:4: the file is not text in UTF-8"), "{error}");

    File::create(&path).and_then(|file| file.set_len(MAX_FILE + 1)).expect("a sparse file");
    assert!(matches!(read_example(dir.path()), Err(BaselineError::TooLarge { .. })));
    File::create(&path).and_then(|file| file.set_len(MAX_FILE)).expect("a sparse file");
    assert!(matches!(read_example(dir.path()), Err(BaselineError::Invalid { .. })), "all zeros, as after a power cut");
}

#[test]
fn a_baseline_that_could_not_be_read_again_is_not_written() {
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path(), &example()).expect("written");
    let mut bad = example();
    bad.changes[0].date = "today".to_owned();
    assert!(matches!(write(dir.path(), &bad), Err(BaselineError::Unrepresentable { .. })));
    assert_eq!(read_example(dir.path()).expect("read"), Some(example()));
}

#[test]
fn permissions_are_kept_and_respected() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = write(dir.path(), &example()).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("set");
    write(dir.path(), &large(3, 1)).expect("written");
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o640);

    fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).expect("set");
    assert!(matches!(write(dir.path(), &example()), Err(BaselineError::ReadOnly { .. })));
    assert_eq!(read_example(dir.path()).expect("read"), Some(large(3, 1)));
}

#[test]
fn a_link_stays_a_link() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = write(dir.path(), &example()).expect("written");
    let elsewhere = dir.path().join("elsewhere.yml");
    fs::rename(&path, &elsewhere).expect("moved");
    symlink(&elsewhere, &path).expect("linked");
    write(dir.path(), &large(3, 1)).expect("written");
    assert!(fs::symlink_metadata(&path).expect("there").is_symlink());
    assert_eq!(fs::read_to_string(&elsewhere).expect("read"), render::render(&large(3, 1)));
}

#[test]
fn what_a_killed_writer_left_is_removed_and_never_followed() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = write(dir.path(), &example()).expect("written");
    let (temporary, victim) = (temporary_of(&path), dir.path().join("victim"));
    fs::write(&victim, "precious").expect("written");
    symlink(&victim, &temporary).expect("linked");
    write(dir.path(), &large(3, 1)).expect("written");
    assert_eq!(fs::read_to_string(&victim).expect("read"), "precious");
    assert_eq!(names_in(path.parent().expect("a folder")), ["cranelift.yml"]);
}

#[test]
fn an_update_by_someone_else_is_not_undone() {
    let dir = tempfile::tempdir().expect("a folder");
    replace(dir.path(), None, &example()).expect("the first one");
    assert!(matches!(replace(dir.path(), None, &example()), Err(BaselineError::ChangedMeanwhile { .. })));
    replace(dir.path(), Some(&example()), &large(3, 1)).expect("the second one");
    assert!(matches!(replace(dir.path(), Some(&example()), &large(3, 2)), Err(BaselineError::ChangedMeanwhile { .. })));
    assert_eq!(read_example(dir.path()).expect("read"), Some(large(3, 1)));
}

#[test]
fn where_no_folder_can_be_the_error_says_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("file");
    fs::write(&file, "").expect("written");
    let error = write(&file, &example()).expect_err("refused").to_string();
    assert!(error.contains("create the folder") && error.contains("--baselines"), "{error}");
}

#[test]
fn one_process_writes_at_a_time() {
    let dir = tempfile::tempdir().expect("a folder");
    let holder = File::open(dir.path()).expect("open");
    lock(&holder, dir.path(), 1).expect("free");
    let other = File::open(dir.path()).expect("open");
    assert!(matches!(lock(&other, dir.path(), 2), Err(BaselineError::Busy { .. })));
    drop(holder);
    lock(&other, dir.path(), 1).expect("free again");
}

/// Whether the folder's file is exactly one of the two, as a reader at any moment must find it.
fn assert_whole(path: &Path, texts: &[String; 2], when: &str) {
    let text = fs::read_to_string(path).expect("there is always a file");
    assert!(texts.contains(&text), "{when}: {} bytes that are neither file", text.len());
}

#[test]
fn a_reader_sees_whole_files_while_two_writers_take_turns() {
    let dir = tempfile::tempdir().expect("a folder");
    let baselines = [large(300, 1), large(300, 22)];
    let texts = [0, 1].map(|i| render::render(&baselines[i]));
    let path = write(dir.path(), &baselines[0]).expect("written");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers = baselines.each_ref().map(|baseline| {
            scope.spawn(|| {
                for _ in 0..20 {
                    write(dir.path(), baseline).expect("written");
                }
            })
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                assert_whole(&path, &texts, "while written");
            }
        });
        let outcomes = writers.map(thread::ScopedJoinHandle::join);
        done.store(true, Ordering::Relaxed);
        assert!(outcomes.iter().all(Result::is_ok), "a writer failed");
    });
    assert_eq!(names_in(path.parent().expect("a folder")), ["cranelift.yml"]);
}

/// Kills the process when dropped, also when an assertion fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The parent kills the child, which is this same test, at random moments while it rewrites the file without end.
#[test]
fn a_killed_writer_leaves_a_whole_file() {
    const KILLS: u32 = 20;
    let baselines = [large(400, 1), large(400, 22)];
    if let Some(dir) = env::var_os(CHILD_FOLDER) {
        loop {
            for baseline in &baselines {
                write(Path::new(&dir), baseline).expect("written");
            }
        }
    }
    let texts = [0, 1].map(|i| render::render(&baselines[i]));
    let dir = tempfile::tempdir().expect("a folder");
    let path = write(dir.path(), &baselines[0]).expect("written");
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    for _ in 0..KILLS {
        let before = modified(&path);
        let child = Command::new(env::current_exe().expect("this program"))
            .args(child_arguments("a_killed_writer_leaves_a_whole_file"))
            .env(CHILD_FOLDER, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let mut child = Killed(child);
        while modified(&path) == before {
            assert!(child.0.try_wait().expect("asked").is_none(), "the child ended instead of writing");
            assert_whole(&path, &texts, "before the first write");
        }
        for _ in 0..random.random_range(0..200) {
            assert_whole(&path, &texts, "while written");
        }
        child.0.kill().expect("killed");
        assert_eq!(child.0.wait().expect("ended").signal(), Some(9), "the child was still writing");
        assert_whole(&path, &texts, "after the kill");
        assert!(read_example(dir.path()).expect("a baseline").is_some());
    }
    write(dir.path(), &baselines[0]).expect("the lock of the dead is free");
    assert_eq!(names_in(path.parent().expect("a folder")), ["cranelift.yml"], "leftovers are gone");
}

fn modified(path: &Path) -> std::time::SystemTime {
    fs::metadata(path).and_then(|metadata| metadata.modified()).expect("there")
}

/// A limit on file sizes stands for the full disk: like there, a part is written before the system refuses.
#[test]
fn a_full_disk_leaves_the_old_file() {
    if let Some(dir) = env::var_os(CHILD_FOLDER) {
        let error = write(Path::new(&dir), &large(5000, 1)).expect_err("more than the limit");
        let text = error.to_string();
        assert!(text.contains("write the new file beside it") && text.contains("the old file is unchanged"), "{text}");
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let path = write(dir.path(), &example()).expect("written");
    // Ignored, the signal becomes an error of the write; a limit of 16 blocks is 8 or 16 kB, by the shell.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\""])
        .arg(env::current_exe().expect("this program"))
        .args(child_arguments("a_full_disk_leaves_the_old_file"))
        .env(CHILD_FOLDER, dir.path())
        .output()
        .expect("started");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(read_example(dir.path()).expect("read"), Some(example()));
    assert_eq!(names_in(path.parent().expect("a folder")), ["cranelift.yml"]);
}
