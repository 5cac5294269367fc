//! Cyclic redundancy checks by the textbook, one table and one byte at a time: slow, and nothing of it
//! is shared with the code under test.

/// A reflected CRC of `WIDTH` bits that begins with ones and is inverted at the end.
fn crc<const WIDTH: u32>(polynomial: u64, bytes: &[u8]) -> u64 {
    let table: Vec<u64> = (0..256)
        .map(|byte| (0..8).fold(byte, |c: u64, _| if c & 1 == 1 { c >> 1 ^ polynomial } else { c >> 1 }))
        .collect();
    let ones = u64::MAX >> (64 - WIDTH);
    ones ^ bytes.iter().fold(ones, |c, byte| c >> 8 ^ table[((c ^ u64::from(*byte)) & 0xFF) as usize])
}

/// CRC-32 (ISO-HDLC), big-endian.
pub(crate) fn crc32(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(crc::<32>(0xEDB8_8320, bytes)).unwrap().to_be_bytes()
}

/// CRC-32C (iSCSI), big-endian.
pub(crate) fn crc32c(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(crc::<32>(0x82F6_3B78, bytes)).unwrap().to_be_bytes()
}

/// CRC-64/NVME.
pub(crate) fn crc64(bytes: &[u8]) -> u64 {
    crc::<64>(0x9A6C_9329_AC4B_C9B5, bytes)
}

#[test]
fn the_catalogue_agrees() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926_u32.to_be_bytes());
    assert_eq!(crc32c(b"123456789"), 0xE306_9283_u32.to_be_bytes());
    assert_eq!(crc64(b"123456789"), 0xAE8B_1486_0A79_9888);
}
