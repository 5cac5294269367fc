//! Checksums that can be put together: of pieces, in any order of computation, into that of the whole.
//!
//! S3 calls such a checksum "full object"; a "composite" one is of the parts' checksums and says nothing to whoever
//! does not know the parts. Source: Amazon S3 User Guide, "Checking object integrity".

use aws_sdk_s3::types::ChecksumType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;

/// Which CRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// CRC-64/NVME, that S3 and its clients use by default.
    Crc64Nvme,
    /// CRC-32/ISO-HDLC.
    Crc32,
    /// CRC-32/ISCSI.
    Crc32c,
}

impl Kind {
    fn algorithm(self) -> CrcAlgorithm {
        match self {
            Self::Crc64Nvme => CrcAlgorithm::Crc64Nvme,
            Self::Crc32 => CrcAlgorithm::Crc32IsoHdlc,
            Self::Crc32c => CrcAlgorithm::Crc32Iscsi,
        }
    }
}

/// The checksum of a run of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crc {
    kind: Kind,
    value: u64,
    bytes: u64,
}

impl Crc {
    /// That of these bytes.
    pub fn of(kind: Kind, bytes: &[u8]) -> Self {
        let value = crc_fast::checksum(kind.algorithm(), bytes);
        Self { kind, value, bytes: bytes.len() as u64 }
    }

    /// That of these bytes followed by those of `next`, which is of the same kind.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        debug_assert_eq!(self.kind, next.kind, "checksums of one kind");
        let value = crc_fast::checksum_combine(self.kind.algorithm(), self.value, next.value, next.bytes);
        Self { kind: self.kind, value, bytes: self.bytes + next.bytes }
    }

    /// As S3's headers carry it: big-endian, in base64.
    pub fn base64(self) -> String {
        match self.kind {
            Kind::Crc64Nvme => STANDARD.encode(self.value.to_be_bytes()),
            Kind::Crc32 | Kind::Crc32c => STANDARD.encode((self.value as u32).to_be_bytes()),
        }
    }
}

/// The checksum that a server keeps of a whole object, in S3's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which one.
    pub kind: Kind,
    /// Its value in base64.
    pub base64: String,
}

impl Kept {
    /// The best checksum of all bytes among those that an answer carries; `None` when it has none but composite ones.
    pub fn choose(
        kind: Option<&ChecksumType>,
        crc64nvme: Option<&str>,
        crc32: Option<&str>,
        crc32c: Option<&str>,
    ) -> Option<Self> {
        let known = [(Kind::Crc64Nvme, crc64nvme), (Kind::Crc32c, crc32c), (Kind::Crc32, crc32)];
        let (kind, base64) = known
            .into_iter()
            .filter_map(|(found, value)| Some((found, value?)))
            // A composite one ends in the number of parts: not every server names the type.
            .find(|(_, value)| kind != Some(&ChecksumType::Composite) && !value.contains('-'))?;
        Some(Self { kind, base64: base64.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_pieces_make_that_of_the_whole() {
        // The catalogue's check values, of "123456789": crc-32 cbf43926, crc-32c e3069283, crc-64/nvme ae8b14860a799888.
        for (kind, expected) in
            [(Kind::Crc32, "y/Q5Jg=="), (Kind::Crc32c, "4waSgw=="), (Kind::Crc64Nvme, "rosUhgp5mIg=")]
        {
            let pieces = [&b"1234"[..], b"", b"5", b"6789"].map(|bytes| Crc::of(kind, bytes));
            let whole = pieces.into_iter().reduce(Crc::then).unwrap();
            assert_eq!(whole.base64(), expected, "{kind:?}");
            assert_eq!(whole, Crc::of(kind, b"123456789"));
        }
    }

    #[test]
    fn composite_checksums_are_not_taken_for_those_of_all_bytes() {
        let full = Some(&ChecksumType::FullObject);
        let chosen = Kept::choose(full, Some("a"), Some("b"), None).unwrap();
        assert_eq!((chosen.kind, chosen.base64.as_str()), (Kind::Crc64Nvme, "a"));
        assert_eq!(Kept::choose(Some(&ChecksumType::Composite), None, Some("b"), None), None);
        assert_eq!(Kept::choose(None, None, Some("b-2"), None), None);
        assert_eq!(Kept::choose(None, None, None, None), None);
    }
}
