//! Where in a file something stands, and errors that say so.

use crate::model::Location;
use std::ops::Range;

/// A range of bytes in a file.
pub type Span = Range<usize>;

/// What is wrong in a user's file, where, and what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}:{}:{}: {message}", .location.path, .location.line, .location.column)]
pub struct PolicyError {
    /// Where.
    pub location: Location,
    /// What is wrong and what was expected.
    pub message: String,
}

impl PolicyError {
    /// An error at a range of a file's text.
    pub fn at(path: &str, text: &str, span: &Span, message: impl Into<String>) -> PolicyError {
        PolicyError { location: locate(path, text, span.start), message: message.into() }
    }

    /// An error that the TOML reader found.
    pub fn toml(path: &str, text: &str, error: &toml::de::Error) -> PolicyError {
        let span = error.span().unwrap_or(0..0);
        PolicyError::at(path, text, &span, error.message().replace('\n', " "))
    }
}

/// Line and column, from 1, of a byte of a text.
pub(crate) fn locate(path: &str, text: &str, at: usize) -> Location {
    let before = text.get(..at.min(text.len())).unwrap_or(text);
    let line = before.bytes().filter(|b| *b == b'\n').count() as u64 + 1;
    let column = before.rsplit('\n').next().unwrap_or("").len() as u64 + 1;
    Location { path: path.to_owned(), line, column }
}

/// Whether a pattern with `*` for any text names a text, without regard to ASCII case.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part).and_then(|at| rest.get(at + part.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            ("id-*-prod", "ID-app-prod", true),
            ("*", "", true),
            ("a*b*c", "abc", true),
            ("a*a", "a", false),
            ("abc", "abcd", false),
            ("", "", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn lines_and_columns_start_at_one() {
        let at = |n| locate("f", "ab\ncd", n);
        assert_eq!((at(0).line, at(0).column, at(4).line, at(4).column), (1, 1, 2, 2));
    }
}
