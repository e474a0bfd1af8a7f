//! What a finding is known by from run to run: what it is about, never how it is worded or how bad it is.

use sha2::{Digest as _, Sha256};

/// The version of the fingerprint's definition.
const VERSION: &str = "1";

/// What a fingerprint is made of; ids in any case.
#[derive(Clone, Copy, Debug, Default)]
pub struct FingerprintParts<'a> {
    /// The rule's slug.
    pub rule: &'a str,
    /// The subject's id.
    pub subject: &'a str,
    /// The principal.
    pub principal: &'a str,
    /// The role's GUID.
    pub role: &'a str,
    /// The scope.
    pub scope: &'a str,
    /// The condition's text.
    pub condition: &'a str,
    /// Which of several that are equal in all else.
    pub ordinal: usize,
}

/// SHA-256 over the parts, in hex.
pub fn fingerprint(parts: &FingerprintParts<'_>) -> String {
    let condition = if parts.condition.is_empty() { String::new() } else { hex(parts.condition.as_bytes()) };
    let mut hasher = Sha256::new();
    let fold = |t: &str| t.trim_end_matches('/').to_ascii_lowercase();
    let ordinal = parts.ordinal.to_string();
    let texts =
        [fold(parts.subject), fold(parts.principal), fold(parts.role), fold(parts.scope), condition, ordinal];
    for text in [VERSION, parts.rule].into_iter().chain(texts.iter().map(String::as_str)) {
        hasher.update(text.as_bytes());
        hasher.update([0]);
    }
    to_hex(&hasher.finalize())
}

fn hex(bytes: &[u8]) -> String {
    to_hex(&Sha256::digest(bytes))
}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| DIGITS.get(usize::from(n)).copied().unwrap_or(b'0') as char;
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_matter_and_everything_else_does() {
        let base = FingerprintParts {
            rule: "r",
            subject: "/A",
            principal: "P",
            role: "G",
            scope: "/S/",
            condition: "c",
            ordinal: 0,
        };
        let same = FingerprintParts { subject: "/a", principal: "p", role: "g", scope: "/s", ..base };
        assert_eq!(fingerprint(&base), fingerprint(&same));
        let others = [
            FingerprintParts { rule: "q", ..base },
            FingerprintParts { subject: "/b", ..base },
            FingerprintParts { principal: "q", ..base },
            FingerprintParts { role: "h", ..base },
            FingerprintParts { scope: "/t", ..base },
            FingerprintParts { condition: "C", ..base },
            FingerprintParts { ordinal: 1, ..base },
        ];
        for other in others {
            assert_ne!(fingerprint(&base), fingerprint(&other), "{other:?}");
        }
    }
}
