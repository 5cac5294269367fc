//! Keys as listings carry them.
//!
//! A key can hold characters that XML cannot, so listings are asked for with `encoding-type=url`. A server says
//! whether it did encode; one that ignores the wish does not, and its keys must be left alone.

use aws_sdk_s3::types::EncodingType;
use percent_encoding::percent_decode_str;

/// A key as it is, from a listing that says how it was encoded.
pub fn decoded(encoding: Option<&EncodingType>, text: &str) -> String {
    if encoding != Some(&EncodingType::Url) {
        return text.to_owned();
    }
    // As in a form: a space may be a plus.
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded_when_the_server_says_that_it_encoded_them() {
        assert_eq!(decoded(Some(&EncodingType::Url), "a%2Bb+c%00%C3%A4/"), "a+b c\0ä/");
        assert_eq!(decoded(None, "100%25+x"), "100%25+x");
    }
}
