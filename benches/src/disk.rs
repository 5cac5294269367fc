//! How much of the file system a data directory takes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes of a block as `st_blocks` counts them (stat(2)).
const BLOCK_BYTES: u64 = 512;

/// Bytes that the file system has given to everything under `folder`. Files that come and go while
/// it looks are counted or not; links are not followed.
pub fn bytes_taken(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let mut taken = 0;
    for entry in entries.flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        taken += metadata.blocks() * BLOCK_BYTES;
        if metadata.is_dir() {
            taken += bytes_taken(&entry.path());
        }
    }
    taken
}

/// Bytes that are free for us on the file system of `folder`.
///
/// # Errors
/// What the operating system says.
pub fn bytes_free(folder: &Path) -> std::io::Result<u64> {
    let space = rustix::fs::statvfs(folder)?;
    Ok(space.f_bavail * space.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_not_counted_and_a_folder_inside_is() {
        let folder = tempfile::tempdir().unwrap();
        let before = bytes_taken(folder.path());
        fs::create_dir(folder.path().join("inside")).unwrap();
        let file = fs::File::create(folder.path().join("inside/file")).unwrap();
        file.set_len(1 << 30).unwrap();
        assert!(bytes_taken(folder.path()) < before + (1 << 20), "a file of holes takes nothing");
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, 1 << 20).unwrap();
        assert!(bytes_taken(folder.path()) >= before + (1 << 20));
    }
}
