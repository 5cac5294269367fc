//! Lower-case hexadecimal, the only form in which Signature Version 4 writes digests.

/// A SHA-256 digest or signature, written in hexadecimal.
pub(crate) type Hex = [u8; 64];

/// Writes a digest in lower-case hexadecimal.
pub(crate) fn encode(digest: &[u8; 32]) -> Hex {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    let mut text = [0; 64];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(digest) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    text
}

/// Reads 64 hexadecimal digits; `None` for anything else.
pub(crate) fn decode(text: &[u8]) -> Option<[u8; 32]> {
    let text: &Hex = text.try_into().ok()?;
    let mut digest = [0; 32];
    for (byte, [high, low]) in digest.iter_mut().zip(text.as_chunks::<2>().0) {
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(digest)
}

/// The value of one hexadecimal digit.
pub(crate) fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// The text of a digest that [`encode`] wrote.
pub(crate) fn text(hex: &Hex) -> &str {
    std::str::from_utf8(hex).expect("hexadecimal digits are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_survive_the_round_trip() {
        let digest: [u8; 32] = std::array::from_fn(|n| u8::try_from(n * 8 + 3).expect("below 256"));
        assert_eq!(decode(&encode(&digest)), Some(digest));
        assert!(text(&encode(&digest)).starts_with("030b131b"));
    }

    #[test]
    fn what_is_not_64_hexadecimal_digits_is_refused() {
        let good = [b'a'; 64];
        assert!(decode(&good).is_some());
        assert!(decode(&good[1..]).is_none());
        for bad in [b'g', b'/', b':', b'@', b'`', b' ', 0xff] {
            let mut text = good;
            text[63] = bad;
            assert!(decode(&text).is_none(), "{bad:#x}");
        }
    }
}
