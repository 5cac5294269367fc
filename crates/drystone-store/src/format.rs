//! What a data directory is: its marker, its lock, its clean-stop marker.
//!
//! Whatever is not ours, or newer than we are, is refused before anything is touched: a program that
//! "repairs" what it does not understand destroys it. `docs/format.md` describes the bytes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use drystone_core::checksum::crc64;
use drystone_core::world::Entropy;
use rustix::fs::{FlockOperation, Mode, flock};
use rustix::process::umask;

use crate::durable;
use crate::meta::Inventory;

/// Why a data directory was not opened. Nothing was changed, unless an input or output error says so.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{} is in use by another process; stop that one, or choose another directory", dir.display())]
    InUse {
        /// The data directory.
        dir: PathBuf,
    },
    /// The directory holds something else.
    #[error(
        "{} is not empty and is no Drystone data directory (it has no FORMAT file, but has {found}); \
         nothing was changed; choose an empty or a new directory",
        dir.display()
    )]
    NotOurs {
        /// The directory.
        dir: PathBuf,
        /// One thing that is in it.
        found: String,
    },
    /// The directory has a format that this program does not know.
    #[error(
        "{} has data format {found}, and this program knows format {known} only; nothing was changed; \
         use the version of Drystone that wrote it, or a newer one",
        dir.display()
    )]
    UnknownFormat {
        /// The data directory.
        dir: PathBuf,
        /// What its marker says.
        found: String,
        /// What this program knows.
        known: u32,
    },
    /// A small file of the directory is damaged.
    #[error("{} is damaged: {why}; nothing was changed; restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The engine of the metadata refused.
    #[error("the metadata in {} cannot be opened: {why}", path.display())]
    Metadata {
        /// The engine's folder.
        path: PathBuf,
        /// The engine's reason.
        why: String,
    },
    /// The operating system refused.
    #[error("{action} {} failed: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

/// Turns an input or output error at `path` into an [`OpenError`].
pub(crate) fn failed<'p>(action: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> OpenError + 'p {
    move |source| OpenError::Io { action, path: path.to_owned(), source }
}

/// Version of the data directory that this program writes and reads.
const FORMAT_VERSION: u32 = 1;
/// Version of the clean-stop marker.
const CLEAN_VERSION: u32 = 2;

const FORMAT: &str = "FORMAT";
const LOCK: &str = "LOCK";
const CLEAN: &str = "CLEAN";
const META: &str = "meta";

/// What may lie in a directory that is about to become a data directory: what a file system makes by
/// itself, and what a process leaves behind that ended while it made one.
const HARMLESS: [&str; 3] = ["lost+found", LOCK, "FORMAT.new"];

/// A data directory that this process owns until the value is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    installation: String,
    lock: Held,
}

/// Holds the lock on a data directory: dropping the last one lets go of it.
pub(crate) type Held = Arc<Lock>;

/// The `flock` on the file `LOCK` of a data directory.
///
/// It is let go of by name: closing the file is not enough where a child that was forked just then holds the same
/// open file until it executes its program.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Takes the lock of the data directory `path`.
    pub(crate) fn take(path: &Path) -> Result<Self, OpenError> {
        let file = path.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&file)
            .map_err(failed("opening", &file))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(lock)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::InUse { dir: path.to_owned() }),
            Err(error) => Err(failed("locking", &file)(error.into())),
        }
    }

    /// Whether what was synced so far is worth an answer: see [`durable::expect_alive`].
    pub(crate) fn expect_alive(&self) -> io::Result<()> {
        durable::expect_alive(&self.0)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Where this fails, closing the file does the same.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// How the last process that used a directory ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastStop {
    /// In order, or there was none.
    Clean,
    /// By a crash, a kill or a power cut.
    Unclean,
}

impl Directory {
    /// Opens the data directory `path`, or makes it there. From here on whatever this process makes is
    /// for its owner only.
    pub(crate) fn open(path: &Path, entropy: &dyn Entropy) -> Result<(Self, LastStop), OpenError> {
        // The engine makes its files without asking for a mode, so this is the one place that decides it.
        umask(Mode::RWXG | Mode::RWXO);
        // Looked at before the lock file is made, so that a refused directory stays untouched.
        let found = read_format(path)?;
        if found.is_none() {
            durable::make_folder(path).map_err(failed("making the folder", path))?;
        }
        tell_if_others_may_look(path)?;
        let lock = Lock::take(path)?;
        // Another process may have made the directory between the two looks.
        let (installation, fresh) = match read_format(path)? {
            Some(installation) => (installation, false),
            None => (make_format(path, entropy)?, true),
        };
        let directory = Self { path: path.to_owned(), installation, lock: Arc::new(lock) };
        let stop = if fresh || directory.is_clean()? { LastStop::Clean } else { LastStop::Unclean };
        Ok((directory, stop))
    }

    /// Keeps the directory ours for as long as it lives.
    pub(crate) fn held(&self) -> Held {
        Arc::clone(&self.lock)
    }

    /// The folder of the metadata engine.
    pub(crate) fn meta(&self) -> PathBuf {
        self.path.join(META)
    }

    /// Refuses a directory that has volumes and no metadata: to begin with none would forget every object,
    /// and the recovery would then give back the bytes of all.
    pub(crate) fn expect_meta(&self, volumes: &[u64]) -> Result<(), OpenError> {
        let path = self.meta();
        if volumes.is_empty() || path.is_dir() {
            return Ok(());
        }
        Err(OpenError::Damaged { path, why: "it is missing, but there are volumes".into() })
    }

    /// The folder of the volumes.
    pub(crate) fn volumes(&self) -> PathBuf {
        self.path.join("volumes")
    }

    /// The file that keeps room for metadata.
    pub(crate) fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    fn is_clean(&self) -> Result<bool, OpenError> {
        let path = self.path.join(CLEAN);
        let Some(sheet) = Sheet::read(&path)? else { return Ok(false) };
        if sheet.expect("clean", 1, &path).is_ok() {
            // It does not name the metadata's files.
            return Ok(false);
        }
        sheet.expect("clean", CLEAN_VERSION, &path)?;
        // The marker of another directory, copied here with other files, says nothing about this one.
        if sheet.field("installation", &path)? != self.installation {
            return Ok(false);
        }
        let folder = self.meta();
        let before = Inventory::of(
            sheet
                .fields()
                .filter_map(|(name, what)| Some((name.strip_prefix(META)?.strip_prefix('/')?, what))),
        );
        let now = Inventory::take(&folder).map_err(failed("looking at the files of", &folder))?;
        match now.change_since(&before) {
            None => Ok(true),
            Some((file, why)) => Err(OpenError::Damaged { path: folder.join(file), why }),
        }
    }

    /// From here on a crash leaves traces: takes the clean-stop marker away.
    pub(crate) fn mark_in_use(&self) -> Result<(), OpenError> {
        let path = self.path.join(CLEAN);
        durable::remove(&path).map_err(failed("removing", &path))
    }

    /// Everything is finished and synced, and nobody uses the metadata's folder: writes the clean-stop
    /// marker, which says what is in that folder.
    pub(crate) fn mark_clean(&self) -> io::Result<()> {
        let mut sheet = Sheet::new("clean", CLEAN_VERSION).with("installation", &self.installation);
        for (file, what) in Inventory::take(&self.meta())?.iter() {
            sheet = sheet.with(&format!("{META}/{file}"), what);
        }
        durable::replace_private(&self.path.join(CLEAN), &sheet.to_bytes())
    }
}

/// The installation id of the data directory `path`; `None` when one can be made there.
fn read_format(path: &Path) -> Result<Option<String>, OpenError> {
    let file = path.join(FORMAT);
    if let Some(sheet) = Sheet::read(&file)? {
        if sheet.kind != "format" || sheet.version != FORMAT_VERSION {
            let found = format!("\"{} {}\"", sheet.kind, sheet.version);
            return Err(OpenError::UnknownFormat { dir: path.to_owned(), found, known: FORMAT_VERSION });
        }
        return sheet.field("installation", &file).map(Some);
    }
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        entries => entries.map_err(failed("reading the folder", path))?,
    };
    for entry in entries {
        let name = entry.map_err(failed("reading the folder", path))?.file_name();
        if !HARMLESS.iter().any(|harmless| name == *harmless) {
            let found = name.to_string_lossy().into_owned();
            return Err(OpenError::NotOurs { dir: path.to_owned(), found });
        }
    }
    Ok(None)
}

fn make_format(path: &Path, entropy: &dyn Entropy) -> Result<String, OpenError> {
    let mut id = [0; 16];
    entropy.fill(&mut id);
    let installation = format!("{:032x}", u128::from_be_bytes(id));
    let sheet = Sheet::new("format", FORMAT_VERSION).with("installation", &installation);
    let file = path.join(FORMAT);
    durable::replace_private(&file, &sheet.to_bytes()).map_err(failed("writing", &file))?;
    Ok(installation)
}

/// A directory that was there keeps its mode, which its owner may have chosen for a reason.
fn tell_if_others_may_look(path: &Path) -> Result<(), OpenError> {
    let mode = fs::metadata(path).map_err(failed("looking at", path))?.permissions().mode();
    if others_may_look(mode) {
        tracing::info!(
            data = %path.display(),
            mode = %format_args!("{:04o}", mode & 0o7777),
            "others on this machine may list the data directory, though not what is in it; chmod 700 prevents it"
        );
    }
    Ok(())
}

/// Whether `mode` lets anybody but the owner in.
fn others_may_look(mode: u32) -> bool {
    mode & 0o077 != 0
}

/// A small file of text lines with a marker, a version and a check.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sheet {
    kind: String,
    version: u32,
    fields: Vec<(String, String)>,
}

/// Longest sheet that is read, in bytes: `CLEAN` has some 50 for each table of the engine, of which there is one
/// for each 8 MiB of metadata: more than two terabytes of it.
const SHEET_BYTES_MAX: u64 = 16 * 1024 * 1024;

impl Sheet {
    pub(crate) fn new(kind: &str, version: u32) -> Self {
        Self { kind: kind.into(), version, fields: Vec::new() }
    }

    /// Adds a field; the order counts.
    pub(crate) fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.fields.push((name.into(), format!("{value}")));
        self
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("drystone {} {}\n", self.kind, self.version);
        for (name, value) in &self.fields {
            text.extend([name, " ", value, "\n"]);
        }
        let check = crc64(text.as_bytes());
        [text, format!("check {check:016x}\n")].concat().into_bytes()
    }

    /// Reads the sheet at `path`; `None` when there is no such file.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, OpenError> {
        let damaged = |why: &str| OpenError::Damaged { path: path.to_owned(), why: why.into() };
        match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("reading", path)(error)),
            Ok(metadata) if metadata.len() > SHEET_BYTES_MAX => return Err(damaged("it is too long")),
            Ok(_) => {}
        }
        let bytes = fs::read(path).map_err(failed("reading", path))?;
        Self::parse(&bytes).map(Some).map_err(damaged)
    }

    fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let text = str::from_utf8(bytes).map_err(|_| "it is not text")?;
        let marker = text.lines().next().and_then(|line| line.strip_prefix("drystone "));
        let (kind, version) = marker
            .and_then(|marker| marker.split_once(' '))
            .ok_or("it does not begin with Drystone's marker")?;
        let version = version.parse().map_err(|_| "its version is no number")?;
        let (body, check) = text.rsplit_once("check ").ok_or("its check is missing")?;
        if check.strip_suffix('\n') != Some(format!("{:016x}", crc64(body.as_bytes())).as_str()) {
            return Err("its check does not match");
        }
        let fields = body.lines().skip(1).map(|line| line.split_once(' ').ok_or("a line has no value"));
        let fields = fields.map(|field| field.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Ok(Self { kind: kind.to_owned(), version, fields: fields.collect::<Result<_, _>>()? })
    }

    /// Refuses a sheet of another kind or version.
    pub(crate) fn expect(&self, kind: &str, version: u32, path: &Path) -> Result<(), OpenError> {
        if self.kind == kind && self.version == version {
            return Ok(());
        }
        let why = format!("it is \"{} {}\" instead of \"{kind} {version}\"", self.kind, self.version);
        Err(OpenError::Damaged { path: path.to_owned(), why })
    }

    /// All fields: their names and values.
    fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of the field `name`.
    pub(crate) fn field(&self, name: &str, path: &Path) -> Result<String, OpenError> {
        let found = self.fields.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.clone()).ok_or_else(|| OpenError::Damaged {
            path: path.to_owned(),
            why: format!("it has no field \"{name}\""),
        })
    }

    /// The value of the field `name` as a number.
    pub(crate) fn number(&self, name: &str, path: &Path) -> Result<u64, OpenError> {
        self.field(name, path)?.parse().map_err(|_| OpenError::Damaged {
            path: path.to_owned(),
            why: format!("its field \"{name}\" is no number"),
        })
    }
}

#[cfg(test)]
mod tests;
