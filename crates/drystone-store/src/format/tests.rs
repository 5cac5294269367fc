use tempfile::TempDir;

use super::*;

/// Chance that is always the same.
struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

fn temp() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).expect("the folder is there");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn golden_sheets() {
    let dir = temp();
    let (directory, stop) =
        Directory::open(dir.path(), &Sevens).expect("an empty folder becomes a data directory");
    assert_eq!(stop, LastStop::Clean);
    fs::create_dir(directory.meta()).expect("made");
    fs::write(directory.meta().join("0.jnl"), "rows").expect("written");
    fs::write(directory.meta().join("version"), "3").expect("written");
    directory.mark_clean().expect("the marker is written");
    let golden = [
        (
            "FORMAT",
            "drystone format 1\ninstallation 07070707070707070707070707070707\ncheck c714e3041ccb8328\n",
        ),
        (
            "CLEAN",
            "drystone clean 2\ninstallation 07070707070707070707070707070707\nmeta/0.jnl 4 2b7789670322e76a\nmeta/version 1 dd4840532670ac20\ncheck 4331ad0faa09f09f\n",
        ),
    ];
    for (name, want) in golden {
        assert_eq!(fs::read_to_string(dir.path().join(name)).expect("it is there"), want);
    }
}

#[test]
fn clean_and_unclean_stops_are_told_apart() {
    let dir = temp();
    let open = || Directory::open(dir.path(), &Sevens).expect("opens");
    let (directory, _) = open();
    directory.mark_in_use().expect("marks");
    drop(directory);
    let (directory, stop) = open();
    assert_eq!(stop, LastStop::Unclean);
    directory.mark_clean().expect("marks");
    drop(directory);
    let (directory, stop) = open();
    assert_eq!(stop, LastStop::Clean);
    directory.mark_in_use().expect("marks");
    drop(directory);
    assert_eq!(open().1, LastStop::Unclean);
}

#[test]
fn a_second_process_is_refused_and_told_which_directory() {
    let dir = temp();
    let first = Directory::open(dir.path(), &Sevens).expect("opens");
    let second = Directory::open(dir.path(), &Sevens).expect_err("it is in use");
    assert!(matches!(second, OpenError::InUse { .. }));
    assert!(second.to_string().contains(&*dir.path().to_string_lossy()), "{second}");
    drop(first);
    Directory::open(dir.path(), &Sevens).expect("the lock is free again");
}

#[test]
fn a_directory_is_free_at_once_even_while_a_forked_child_has_its_files() {
    let dir = temp();
    let (directory, _) = Directory::open(dir.path(), &Sevens).expect("opens");
    // What a fork copies until the child executes its program.
    let copied = directory.lock.0.try_clone().expect("it is open");
    drop(directory);
    Directory::open(dir.path(), &Sevens).expect("nobody uses it");
    drop(copied);
}

#[test]
fn what_is_not_ours_is_refused_and_not_touched() {
    let dir = temp();
    fs::write(dir.path().join("thesis.tex"), "years of work").expect("written");
    let refused = Directory::open(dir.path(), &Sevens).expect_err("it is not ours");
    assert!(matches!(refused, OpenError::NotOurs { .. }), "{refused}");
    assert!(refused.to_string().contains("thesis.tex"), "{refused}");
    assert_eq!(names(dir.path()), ["thesis.tex"]);
}

#[test]
fn a_new_mount_and_a_crash_while_making_a_directory_are_fine() {
    let dir = temp();
    fs::create_dir(dir.path().join("lost+found")).expect("made");
    fs::write(dir.path().join("FORMAT.new"), "half").expect("written");
    fs::write(dir.path().join("LOCK"), "").expect("written");
    Directory::open(dir.path(), &Sevens).expect("opens");
}

#[test]
fn an_unknown_or_newer_format_is_refused_and_not_touched() {
    for (kind, version) in [("format", 2), ("format", 4_000_000), ("something", 1)] {
        let dir = temp();
        let bytes = Sheet::new(kind, version).with("whatever", "else").to_bytes();
        fs::write(dir.path().join("FORMAT"), &bytes).expect("written");
        let refused = Directory::open(dir.path(), &Sevens).expect_err("it is unknown");
        assert!(matches!(refused, OpenError::UnknownFormat { known: 1, .. }), "{refused}");
        assert_eq!(names(dir.path()), ["FORMAT"]);
        assert_eq!(fs::read(dir.path().join("FORMAT")).expect("it is there"), bytes);
    }
}

#[test]
fn every_flipped_bit_of_a_sheet_is_noticed() {
    let bytes = Sheet::new("format", 1).with("installation", "0123").to_bytes();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            let parsed = Sheet::parse(&damaged);
            assert!(parsed.is_err(), "bit {bit} of byte {at}: {parsed:?}");
        }
    }
    for len in 0..bytes.len() {
        assert!(Sheet::parse(&bytes[..len]).is_err(), "cut to {len} bytes");
    }
}

#[test]
fn only_the_owners_rights_are_no_reason_for_a_notice() {
    let loose = [0o700, 0o500, 0o750, 0o701, 0o755, 0o777].map(|mode| others_may_look(0o040_000 | mode));
    assert_eq!(loose, [false, false, true, true, true, true]);
}

#[test]
fn a_marker_that_names_no_files_is_that_of_an_older_program_and_proves_nothing() {
    let dir = temp();
    drop(Directory::open(dir.path(), &Sevens).expect("opens"));
    let old = Sheet::new("clean", 1).with("installation", "07".repeat(16));
    fs::write(dir.path().join(CLEAN), old.to_bytes()).expect("written");
    assert_eq!(Directory::open(dir.path(), &Sevens).expect("opens").1, LastStop::Unclean);
}

#[test]
fn metadata_that_changed_after_a_clean_stop_is_damaged() {
    let dir = temp();
    let (directory, _) = Directory::open(dir.path(), &Sevens).expect("opens");
    fs::create_dir(directory.meta()).expect("made");
    let journal = directory.meta().join("0.jnl");
    fs::write(&journal, "rows").expect("written");
    directory.mark_clean().expect("marks");
    drop(directory);
    fs::write(&journal, "row").expect("written");
    let error = Directory::open(dir.path(), &Sevens).expect_err("it is refused");
    assert!(matches!(&error, OpenError::Damaged { path, .. } if *path == journal), "{error}");
    fs::write(&journal, "rows").expect("written");
    assert_eq!(Directory::open(dir.path(), &Sevens).expect("opens").1, LastStop::Clean);
}
