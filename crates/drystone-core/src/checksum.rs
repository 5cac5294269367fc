//! Checksums that S3 clients know, computed while bytes pass by.
//!
//! [`Digests`] travels with the bytes to wherever they are written, so that hashing and writing
//! happen on one thread while the bytes are in its cache. The CRC64NVME of a stored body is not
//! computed here: the data door returns it, combined from the checks it stores with each frame.
//!
//! Source: Amazon S3 User Guide, "Checking object integrity in Amazon S3".

mod combine;
pub mod md5;

use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use sha2::Digest as _;

use self::combine::{CRC32, CRC32C, CRC64NVME, Combiner};
use self::md5::Md5;

/// The algorithms of `x-amz-checksum-*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Algorithm {
    /// CRC-32 (ISO-HDLC), 4 bytes.
    Crc32 = 1,
    /// CRC-32C (Castagnoli, iSCSI), 4 bytes.
    Crc32c = 2,
    /// CRC-64/NVME, 8 bytes.
    Crc64Nvme = 3,
    /// SHA-1, 20 bytes.
    Sha1 = 4,
    /// SHA-256, 32 bytes.
    Sha256 = 5,
}

impl Algorithm {
    /// Every algorithm, in the order of their stored numbers.
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// Length of a value, in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Reads the stored number of an algorithm.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|a| *a as u8 == number)
    }

    /// S3's name, as in `x-amz-checksum-algorithm` ("CRC32", "CRC64NVME", ...).
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// Reads S3's name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    fn combiner(self) -> Option<&'static Combiner> {
        match self {
            Self::Crc32 => Some(&CRC32),
            Self::Crc32c => Some(&CRC32C),
            Self::Crc64Nvme => Some(&CRC64NVME),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// Whether a whole object's value can be combined from its parts' values.
    pub fn combines(self) -> bool {
        self.crc().is_some()
    }
}

/// Whether a multipart object's checksum is of all its bytes or of its parts' checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ChecksumType {
    /// Of all bytes of the object.
    FullObject = 1,
    /// Of the parts' checksums, written `value-N`.
    Composite = 2,
}

impl ChecksumType {
    /// S3's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }
}

/// A checksum value: the algorithm and its bytes, big-endian.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checksum {
    algorithm: Algorithm,
    bytes: [u8; 32],
}

impl Checksum {
    /// Wraps a value; `None` when its length is not the algorithm's.
    pub fn new(algorithm: Algorithm, value: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        (value.len() == algorithm.size()).then(|| {
            for (to, from) in bytes.iter_mut().zip(value) {
                *to = *from;
            }
            Self { algorithm, bytes }
        })
    }

    /// The CRC64NVME `crc` as a checksum.
    pub fn crc64(crc: u64) -> Self {
        Self::new(Algorithm::Crc64Nvme, &crc.to_be_bytes()).expect("a CRC64 has 8 bytes")
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The value, big-endian, [`Algorithm::size`] bytes.
    pub fn value(&self) -> &[u8] {
        self.bytes.get(..self.algorithm.size()).expect("no value is longer than 32 bytes")
    }

    /// The value as a number, of which the last 64 bits count.
    pub(crate) fn as_u64(&self) -> u64 {
        self.value().iter().fold(0, |n, &b| n << 8 | u64::from(b))
    }

    /// The checksum of `self`'s bytes followed by `len_next` bytes with the checksum `next`.
    ///
    /// Returns `None` unless both are CRCs of one algorithm.
    pub fn combine(&self, next: &Self, len_next: u64) -> Option<Self> {
        let combiner = self.algorithm.combiner().filter(|_| self.algorithm == next.algorithm)?;
        let combined = combiner.combine(self.as_u64(), next.as_u64(), len_next);
        Self::new(self.algorithm, combined.to_be_bytes().get(8 - self.algorithm.size()..)?)
    }
}

impl std::fmt::Debug for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:", self.algorithm.name())?;
        self.value().iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// Combines two CRC64NVMEs: of some bytes, and of the `len_next` bytes that follow them.
pub fn crc64_combine(crc: u64, next: u64, len_next: u64) -> u64 {
    CRC64NVME.combine(crc, next, len_next)
}

/// The CRC64NVME of `bytes`.
pub fn crc64(bytes: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes)
}

/// A running CRC64NVME.
#[derive(Debug)]
pub struct Crc64(crc_fast::Digest);

impl Crc64 {
    /// Starts a CRC64NVME.
    pub fn new() -> Self {
        Self(crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme))
    }

    /// Takes in `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The CRC64NVME of everything taken in.
    pub fn finish(self) -> u64 {
        self.0.finalize()
    }
}

impl Default for Crc64 {
    fn default() -> Self {
        Self::new()
    }
}

/// One running checksum.
pub enum Hasher {
    /// A CRC of any width.
    Crc(Algorithm, Box<crc_fast::Digest>),
    /// SHA-1.
    Sha1(Box<sha1::Sha1>),
    /// SHA-256.
    Sha256(Box<sha2::Sha256>),
}

impl Hasher {
    /// Starts a checksum.
    pub fn new(algorithm: Algorithm) -> Self {
        match (algorithm, algorithm.crc()) {
            (_, Some(crc)) => Self::Crc(algorithm, Box::new(crc_fast::Digest::new(crc))),
            (Algorithm::Sha1, None) => Self::Sha1(Box::default()),
            (_, None) => Self::Sha256(Box::default()),
        }
    }

    /// Takes in `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
        }
    }

    /// The checksum of everything taken in.
    pub fn finish(self) -> Checksum {
        match self {
            Self::Crc(algorithm, digest) => {
                let crc = digest.finalize().to_be_bytes();
                Checksum::new(algorithm, crc.get(8 - algorithm.size()..).unwrap_or_default())
            }
            Self::Sha1(digest) => Checksum::new(Algorithm::Sha1, &digest.finalize()),
            Self::Sha256(digest) => Checksum::new(Algorithm::Sha256, &digest.finalize()),
        }
        .expect("a digest has its algorithm's length")
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

/// Everything that must be known of a body's bytes besides its CRC64NVME.
#[derive(Debug)]
pub struct Digests {
    md5: Md5,
    sha256: Option<Hasher>,
    checksum: Option<Hasher>,
}

/// What [`Digests`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigestValues {
    /// MD5 of the bytes.
    pub md5: [u8; 16],
    /// SHA-256 of the bytes, where it was asked for.
    pub sha256: Option<[u8; 32]>,
    /// The checksum asked for, unless it was CRC64NVME.
    pub checksum: Option<Checksum>,
}

impl Digests {
    /// Starts the digests: MD5 always, SHA-256 when the request signed its payload, and `checksum`.
    pub fn new(payload: Option<PayloadSha256>, checksum: Option<Algorithm>) -> Self {
        Self {
            md5: Md5::default(),
            sha256: payload.map(|_| Hasher::new(Algorithm::Sha256)),
            // The data door gives the CRC64NVME; and one SHA-256 serves both purposes.
            checksum: checksum
                .filter(|a| *a != Algorithm::Crc64Nvme && !(payload.is_some() && *a == Algorithm::Sha256))
                .map(Hasher::new),
        }
    }

    /// Takes in `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.update_others(bytes);
    }

    /// Takes in the pieces of several bodies, which costs less than one body after the other.
    pub fn update_together<'p>(bodies: impl IntoIterator<Item = (&'p mut Self, &'p [Bytes])>) {
        Md5::update_together(bodies.into_iter().map(|(digests, pieces)| {
            pieces.iter().for_each(|piece| digests.update_others(piece));
            (&mut digests.md5, pieces)
        }));
    }

    /// Everything but MD5.
    fn update_others(&mut self, bytes: &[u8]) {
        if let Some(hasher) = &mut self.sha256 {
            hasher.update(bytes);
        }
        if let Some(hasher) = &mut self.checksum {
            hasher.update(bytes);
        }
    }

    /// The values of everything taken in.
    pub fn finish(self) -> DigestValues {
        let sha256 = self.sha256.map(Hasher::finish);
        DigestValues {
            md5: self.md5.finish(),
            sha256: sha256.map(|sum| sum.bytes),
            checksum: self.checksum.map(Hasher::finish).or(sha256),
        }
    }
}

/// The SHA-256 that the request's signature promises for the body (`x-amz-content-sha256`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadSha256(pub [u8; 32]);

#[cfg(test)]
mod tests {
    use super::*;

    fn of(algorithm: Algorithm, bytes: &[u8]) -> Checksum {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    #[test]
    fn check_values_of_the_catalogues() {
        // The catalogue of parametrised CRC algorithms and FIPS 180 give the values for "123456789".
        let want = [
            (Algorithm::Crc32, "CRC32:cbf43926"),
            (Algorithm::Crc32c, "CRC32C:e3069283"),
            (Algorithm::Crc64Nvme, "CRC64NVME:ae8b14860a799888"),
            (Algorithm::Sha1, "SHA1:f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (Algorithm::Sha256, "SHA256:15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ];
        for (algorithm, text) in want {
            assert_eq!(format!("{:?}", of(algorithm, b"123456789")), text);
        }
    }

    #[test]
    fn crcs_combine_to_the_crc_of_the_whole() {
        let (left, right) = (vec![7_u8; 100_003], vec![9_u8; 54_321]);
        let whole = [left.clone(), right.clone()].concat();
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let combined = of(algorithm, &left).combine(&of(algorithm, &right), right.len() as u64);
            assert_eq!(combined, Some(of(algorithm, &whole)));
        }
        assert_eq!(of(Algorithm::Sha1, &left).combine(&of(Algorithm::Sha1, &right), 3), None);
    }

    #[test]
    fn one_sha256_serves_the_payload_and_the_checksum() {
        let mut digests = Digests::new(Some(PayloadSha256([0; 32])), Some(Algorithm::Sha256));
        digests.update(b"123456789");
        let values = digests.finish();
        assert_eq!(values.checksum, Some(of(Algorithm::Sha256, b"123456789")));
        assert_eq!(
            values.sha256.as_ref().map(<[u8; 32]>::as_slice),
            values.checksum.as_ref().map(Checksum::value)
        );
    }
}
