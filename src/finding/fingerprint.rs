//! What a finding is known by from run to run: what it is about, never how it is worded or how bad it is.

use crate::model::sha256;

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

/// A text without the names of files that symbols in it (`${folder∕file.bicep}`) go by: a file may be called otherwise.
pub fn without_files(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains("${") {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, symbol) = rest.split_at(at);
        out.push_str(before);
        let end = symbol.get(2..).and_then(|inner| inner.find(['}', '$'])).map_or(symbol.len(), |n| n + 2);
        let (inner, behind) = symbol.split_at(end);
        let lower = inner.to_ascii_lowercase();
        let is_file = [".bicep", ".json", ".jsonc"].iter().any(|e| lower.ends_with(e));
        let folder = inner.rfind('\u{2215}').map_or("${", |at| inner.get(..at).unwrap_or(inner));
        out.push_str(if is_file { folder } else { inner });
        rest = behind;
    }
    out.push_str(rest);
    out.into()
}

/// SHA-256 over the parts, in hex.
pub fn fingerprint(parts: &FingerprintParts<'_>) -> String {
    let condition =
        if parts.condition.is_empty() { String::new() } else { sha256(parts.condition.as_bytes()) };
    let mut bytes = Vec::with_capacity(512);
    for text in [VERSION, parts.rule] {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    for text in [parts.subject, parts.principal, parts.role, parts.scope] {
        let text = without_files(text.trim_end_matches('/'));
        let text = text.as_bytes();
        bytes.extend(text.iter().map(u8::to_ascii_lowercase));
        bytes.push(0);
    }
    for text in [condition.as_str(), &parts.ordinal.to_string()] {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    sha256(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_do_not_count() {
        assert_eq!(without_files("/s/${a∕main.bicep}/g/${a∕main.JSON}/x"), "/s/${a}/g/${a}/x");
        assert_eq!(without_files("${main.bicep}"), "${}");
        assert_eq!(without_files("${/s/${main.json}/x#principalId}"), "${/s/${}/x#principalId}");
        assert_eq!(without_files("${var.json_name}${x"), "${var.json_name}${x");
    }

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
