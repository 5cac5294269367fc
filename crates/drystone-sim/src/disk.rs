//! Small real file systems for tests: loop-mounted, filled to the last block, cut off from power.
//!
//! Only a real file system shows what is lost without a sync and what fails on a full disk. Mounting
//! needs root; a test that cannot run says so loudly and is not silently green.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Which file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// ext4, from 8 MiB.
    Ext4,
    /// XFS, from 300 MiB.
    Xfs,
}

/// How the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerCut {
    /// At once: what is not on the disk is lost.
    Sudden,
    /// After the file system's own journal was written: metadata may be newer than data.
    AfterJournal,
}

/// A mounted file system of its own, gone with this value.
#[derive(Debug)]
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Makes and mounts a file system of `mebibytes`. `None`, with a loud line, where that cannot be:
    /// without root, or without the file system's tools.
    ///
    /// # Panics
    /// When it can be and fails.
    #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
    pub fn mount(kind: FileSystem, mebibytes: u64) -> Option<Self> {
        let (tool, package) = match kind {
            FileSystem::Ext4 => ("mkfs.ext4", "e2fsprogs"),
            FileSystem::Xfs => ("mkfs.xfs", "xfsprogs"),
        };
        for (needed, package) in [(tool, package), ("xfs_io", "xfsprogs"), ("losetup", "mount")] {
            if !succeeds("sh", &["-c", &format!("command -v {needed}")]) {
                eprintln!("SKIPPED: {kind:?} needs {needed}: install the package {package}");
                return None;
            }
        }
        if std::fs::metadata("/proc/self").map_or(1, |process| std::os::unix::fs::MetadataExt::uid(&process))
            != 0
        {
            eprintln!("SKIPPED: mounting {kind:?} needs root");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let disk = Self { folder };
        let image = std::fs::File::create(disk.image()).expect("the image is made");
        image.set_len(mebibytes << 20).expect("the image gets its length");
        std::fs::create_dir(disk.path()).expect("the mount point is made");
        let image = disk.image();
        match kind {
            FileSystem::Ext4 => run(tool, &["-q", "-F", "-m", "0", &text(&image)]),
            FileSystem::Xfs => run(tool, &["-q", "-f", &text(&image)]),
        }
        disk.attach();
        Some(disk)
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("mount")
    }

    /// Cuts the power: from now on every access fails, and only what was on the disk remains.
    ///
    /// # Panics
    /// When the file system does not obey.
    pub fn cut_power(&self, how: PowerCut) {
        let command = match how {
            PowerCut::Sudden => "shutdown",
            PowerCut::AfterJournal => "shutdown -f",
        };
        run("xfs_io", &["-x", "-c", command, &text(&self.path())]);
    }

    /// Brings the file system back, as after a boot. Nobody may have a file open on it.
    ///
    /// # Panics
    /// When it cannot be mounted again.
    pub fn restart(&self) {
        run("umount", &[&text(&self.path())]);
        self.attach();
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn attach(&self) {
        run("mount", &["-o", "loop", &text(&self.image()), &text(&self.path())]);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, so that a file that a failed test left open does not keep the mount.
        succeeds("umount", &["-l", &text(&self.path())]);
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn command(program: &str, arguments: &[&str]) -> std::process::Output {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command.output().unwrap_or_else(|error| panic!("{program} does not start: {error}"))
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    command(program, arguments).status.success()
}

fn run(program: &str, arguments: &[&str]) {
    let output = command(program, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?} failed: {said}");
}
