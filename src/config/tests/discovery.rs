//! Where the configuration file is looked for.

use super::*;

#[test]
fn the_nearest_file_above_is_taken() {
    let folder = Folder::new().file("tollgate.yml", "").file("x/y/z", "").file("x/tollgate.yml", "");
    let root = folder.path();
    assert_eq!(discover(None, &root).unwrap(), root.join("tollgate.yml"));
    assert_eq!(discover(None, &root.join("x/y")).unwrap(), root.join("x/tollgate.yml"));
}

#[test]
fn a_named_file_or_folder_is_taken_relative_to_the_working_directory() {
    let folder = Folder::new().file("x/tollgate.yml", "").file("other.yml", "");
    let root = folder.path();
    assert_eq!(discover(Some(Path::new("other.yml")), &root).unwrap(), root.join("other.yml"));
    assert_eq!(discover(Some(Path::new("x")), &root).unwrap(), root.join("x/tollgate.yml"));
    let missing = discover(Some(Path::new("none.yml")), &root).unwrap_err().to_string();
    assert_eq!(
        missing,
        format!("the configuration {} does not exist; create it or correct the path", root.join("none.yml").display())
    );
}

#[test]
fn no_file_at_all_names_init_and_the_flag() {
    let folder = Folder::new();
    assert_eq!(
        ConfigError::NotFound(PathBuf::from("/a\nb")).to_string(),
        "no tollgate.yml in /a\\nb or a folder above it; write one with `tollgate init`, or name one with --config"
    );
    // Holds wherever no folder above the system's temporary one has a configuration.
    assert!(matches!(discover(None, &folder.path()), Err(ConfigError::NotFound(cwd)) if cwd == folder.path()));
}

#[test]
fn unreadable_files_are_told_apart() {
    let folder = Folder::new();
    let reason = |path: PathBuf| match load(&path) {
        Err(ConfigError::Unreadable { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(folder.path().join("none.yml")), "does not exist; create it or correct the path");
    assert_eq!(reason(folder.path()), "is not a regular file; name a YAML file");
    let folder = folder.file("latin.yml", b"version: 1 # caf\xe9\n").file("huge.yml", vec![b'#'; 1 << 21]);
    assert_eq!(reason(folder.path().join("latin.yml")), "is not UTF-8 from byte 16 on; save it as UTF-8");
    assert_eq!(
        reason(folder.path().join("huge.yml")),
        "has more than 1 MiB, which no configuration needs; name another file"
    );
}
