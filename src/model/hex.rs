//! Digests and GUIDs as people and files write them.

use sha2::{Digest as _, Sha256};

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

/// The SHA-256 of bytes, as lower-case hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Whether a text is a GUID as Azure writes it.
pub fn is_guid(text: &str) -> bool {
    let fits =
        |(n, b): (usize, u8)| if matches!(n, 8 | 13 | 18 | 23) { b == b'-' } else { b.is_ascii_hexdigit() };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_guid_has_its_dashes_in_their_places() {
        assert!(super::is_guid("8e3af657-a8ff-443c-a75c-2fe8c4bcb635"));
        for text in
            ["", "8e3af657", "8e3af657a-8ff-443c-a75c-2fe8c4bcb635", "8e3af657-a8ff-443c-a75c-2fe8c4bcb63g"]
        {
            assert!(!super::is_guid(text), "{text}");
        }
    }

    #[test]
    fn two_digits_a_byte() {
        assert_eq!(super::hex(&[0, 10, 255]), "000aff");
    }
}
