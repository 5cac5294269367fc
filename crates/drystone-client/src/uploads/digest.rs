//! What a run of a file's bytes comes to, as S3 writes it: checksums in base64, and the MD5 that an ETag is.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use crc_fast::CrcAlgorithm;
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::Sha256;

use crate::uploads::parts::Part;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 1 << 20;

/// How bytes are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// The strongest that S3 has.
    Sha256,
    /// Strong enough against chance.
    Sha1,
    /// S3's default today.
    Crc64Nvme,
    /// Older.
    Crc32C,
    /// Older.
    Crc32,
    /// What the ETag of a part is on most servers.
    Md5,
}

/// From the one that tells most.
const BY_STRENGTH: &[Algorithm] =
    &[Algorithm::Sha256, Algorithm::Sha1, Algorithm::Crc64Nvme, Algorithm::Crc32C, Algorithm::Crc32];

impl Algorithm {
    /// S3's name of it, in upper case: `CRC64NVME`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA256",
            Self::Sha1 => "SHA1",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Crc32C => "CRC32C",
            Self::Crc32 => "CRC32",
            Self::Md5 => "MD5",
        }
    }

    /// The algorithm of this name.
    pub fn named(name: &str) -> Option<Self> {
        BY_STRENGTH.iter().copied().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// How a stored part can be compared, and what it must come to; `None` when it cannot.
    pub fn of(part: &Part) -> Option<(Self, String)> {
        let listed = |algorithm: &Self| {
            let (_, value) = part.checksums.iter().find(|(name, _)| Self::named(name) == Some(*algorithm))?;
            Some((*algorithm, value.clone()))
        };
        BY_STRENGTH.iter().find_map(listed).or_else(|| {
            let etag = part.etag.trim_matches('"').to_ascii_lowercase();
            // Encrypted parts have an ETag of another form.
            let is_md5 = etag.len() == 32 && etag.bytes().all(|b| b.is_ascii_hexdigit());
            is_md5.then_some((Self::Md5, etag))
        })
    }
}

/// A digest under way.
enum Hasher {
    Sha256(Sha256),
    Sha1(Sha1),
    Crc(crc_fast::Digest, usize),
    Md5(Md5),
}

impl Hasher {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Crc64Nvme => Self::Crc(crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme), 8),
            Algorithm::Crc32C => Self::Crc(crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi), 4),
            Algorithm::Crc32 => Self::Crc(crc_fast::Digest::new(CrcAlgorithm::Crc32IsoHdlc), 4),
            Algorithm::Md5 => Self::Md5(Md5::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha1(hash) => hash.update(bytes),
            Self::Crc(crc, _) => crc.update(bytes),
            Self::Md5(hash) => hash.update(bytes),
        }
    }

    /// The checksum in base64; an MD5 in hexadecimal, as in an ETag.
    fn finish(self) -> String {
        match self {
            Self::Sha256(hash) => BASE64_STANDARD.encode(hash.finalize()),
            Self::Sha1(hash) => BASE64_STANDARD.encode(hash.finalize()),
            Self::Crc(crc, bytes) => {
                let all = crc.finalize().to_be_bytes();
                BASE64_STANDARD.encode(all.get(all.len() - bytes..).unwrap_or_default())
            }
            Self::Md5(hash) => hash.finalize().iter().fold(String::with_capacity(32), |mut text, byte| {
                // Writing to a String cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            }),
        }
    }
}

/// What `length` bytes of a file come to, from `offset`.
///
/// # Errors
/// When the file cannot be read, or is shorter.
pub fn of_range(path: &Path, offset: u64, length: u64, algorithm: Algorithm) -> io::Result<String> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut hasher = Hasher::new(algorithm);
    let mut piece = vec![0; PIECE_BYTES];
    let mut left = length;
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let read = file.read(piece.get_mut(..wanted).unwrap_or_default())?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        hasher.update(piece.get(..read).unwrap_or_default());
        left -= u64::try_from(read).unwrap_or(left);
    }
    Ok(hasher.finish())
}

/// An MD5 as Content-MD5 has it, from the form that an ETag has it in.
pub fn content_md5(hexadecimal: &str) -> Option<String> {
    let digit = |at: usize| u8::from_str_radix(hexadecimal.get(at..at + 2)?, 16).ok();
    let bytes = (0..hexadecimal.len()).step_by(2).map(digit).collect::<Option<Vec<u8>>>()?;
    Some(BASE64_STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_published_check_values() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"__123456789__").unwrap();
        let of = |algorithm| of_range(&path, 2, 9, algorithm).unwrap();
        // "123456789", the check value of every catalogue of CRCs; the hashes by sha1sum, sha256sum and md5sum.
        assert_eq!(of(Algorithm::Crc32), BASE64_STANDARD.encode(0xcbf4_3926_u32.to_be_bytes()));
        assert_eq!(of(Algorithm::Crc32C), BASE64_STANDARD.encode(0xe306_9283_u32.to_be_bytes()));
        assert_eq!(of(Algorithm::Crc64Nvme), BASE64_STANDARD.encode(0xae8b_1486_0a79_9888_u64.to_be_bytes()));
        assert_eq!(of(Algorithm::Md5), "25f9e794323b453885f5181f1b624d0b");
        assert_eq!(content_md5("25f9e794323b453885f5181f1b624d0b").unwrap(), "JfnnlDI7RTiF9RgfG2JNCw==");
        assert_eq!(of(Algorithm::Sha1), "98O8HYCOBHMq32eZZczDTKeuNEE=");
        assert_eq!(of(Algorithm::Sha256), "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=");
        assert!(of_range(&path, 10, 9, Algorithm::Crc32).is_err(), "the file is shorter");
    }

    #[test]
    fn a_part_is_compared_by_what_tells_most() {
        let mut part = Part { etag: "\"25F9e794323b453885f5181f1b624d0b\"".into(), ..Part::default() };
        assert_eq!(Algorithm::of(&part), Some((Algorithm::Md5, "25f9e794323b453885f5181f1b624d0b".into())));
        part.checksums =
            vec![("CRC32".into(), "a".into()), ("SHA256".into(), "b".into()), ("New".into(), "c".into())];
        assert_eq!(Algorithm::of(&part), Some((Algorithm::Sha256, "b".into())));
        assert_eq!(Algorithm::of(&Part { etag: "\"abc-2\"".into(), ..Part::default() }), None);
    }
}
