//! What is not known: a text `${…}` that says in words what it will be. Different things have different words, so that the
//! same words are the same thing.
//!
//! Not here: what is known (`evaluate`).

use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

/// In bytes: longer words are told apart by a digest.
const LONGEST: usize = 2000;
/// A member of objects of which not all members are known.
pub(super) const OPEN: &str = "\u{1}more";
/// What marks the runtime state of a resource, by its id.
pub(super) const STATE: char = '#';

/// A few digits that different texts do not share.
pub(super) fn digest(text: &str) -> String {
    // A file may be called otherwise, and nothing else be different.
    let digest = Sha256::digest(&*crate::finding::without_files(text));
    crate::model::hex(digest.get(..4).unwrap_or_default())
}

/// A text for what is not known.
pub(super) fn symbol(words: &str) -> Json {
    let mut inner = words.replace("${", "").replace('}', "");
    if inner.len() > LONGEST {
        let start: String = inner.chars().take(80).collect();
        inner = format!("{start}… {}", digest(&inner));
    }
    Json::String(format!("${{{inner}}}"))
}

/// A symbol for what is made of some values. Words that do not tell them whole get digits that do.
pub(super) fn composed(words_of: impl FnOnce(&[String]) -> String, parts: &[&Json]) -> Json {
    let shown = words_of(&parts.iter().map(|p| words(p)).collect::<Vec<_>>());
    if parts.iter().all(|p| is_unknown(p)) {
        return symbol(&shown);
    }
    let exact: Vec<String> = parts.iter().map(|p| p.to_string()).collect();
    symbol(&format!("{shown} {}", digest(&exact.join("\n"))))
}

/// Whether a value is not known.
pub(super) fn is_unknown(value: &Json) -> bool {
    value.as_str().is_some_and(|t| t.starts_with("${") && symbol_in(t).len() == t.len())
}

/// Whether a value is the state of a resource, or a part of it: it will be there, whatever it is.
pub(super) fn is_state(value: &Json) -> bool {
    is_unknown(value) && value.as_str().is_some_and(|t| t.contains(STATE))
}

/// Whether a value has something in it that is not known.
pub(super) fn has_unknown(value: &Json) -> bool {
    match value {
        Json::String(text) => text.contains("${"),
        Json::Array(items) => items.iter().any(has_unknown),
        Json::Object(_) => {
            is_open(value) || value.as_object().into_iter().flatten().any(|(_, v)| has_unknown(v))
        }
        _ => false,
    }
}

/// Whether an object may have members that are not known.
pub(super) fn is_open(value: &Json) -> bool {
    value.as_object().is_some_and(|o| o.keys().any(|k| k == OPEN || k.contains("${")))
}

/// The symbol that a text begins with, with those inside of it.
fn symbol_in(text: &str) -> &str {
    let mut depth = 0_usize;
    let mut before = b' ';
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' if before == b'$' => depth += 1,
            b'}' if depth == 1 => return text.get(..=at).unwrap_or(text),
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        before = byte;
    }
    text
}

/// A text in parts: symbols, and what stands between them.
fn parts(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let part = match rest.find("${") {
            Some(0) => symbol_in(rest),
            Some(at) => rest.get(..at).unwrap_or(rest),
            None => rest,
        };
        found.push(part);
        rest = rest.get(part.len()..).unwrap_or_default();
    }
    found
}

/// The segments of a name or an id; a slash in a symbol parts nothing.
pub(super) fn segments(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for part in parts(text) {
        let mut pieces =
            if part.starts_with("${") { vec![part] } else { part.split('/').collect() }.into_iter();
        if let (Some(first), Some(last)) = (pieces.next(), found.last_mut()) {
            last.push_str(first);
        }
        found.extend(pieces.map(str::to_owned));
    }
    found
}

/// Whether a text has anything in it that is known.
pub(super) fn has_known(text: &str) -> bool {
    parts(text).iter().any(|p| !p.starts_with("${"))
}

/// Whether a text that is known in part may turn out to be another.
pub(super) fn may_be(text: &str, other: &str) -> bool {
    let parts = parts(text);
    let last = parts.len().saturating_sub(1);
    let mut rest = other;
    for (n, part) in parts.iter().enumerate().filter(|(_, p)| !p.starts_with("${")) {
        rest = match (n, n == last) {
            (0, true) => return rest == *part,
            (0, false) => match rest.strip_prefix(part) {
                Some(behind) => behind,
                None => return false,
            },
            (_, true) => return rest.ends_with(part),
            (_, false) => match rest.split_once(part) {
                Some((_, behind)) => behind,
                None => return false,
            },
        };
    }
    true
}

/// Whether a name that is known in part is that of no member of an object, whatever it turns out to be.
pub(super) fn is_no_key(object: &Json, name: &Json) -> bool {
    let (Some(members), Some(name)) = (object.as_object(), name.as_str()) else { return false };
    let name = name.to_ascii_lowercase();
    !is_open(object)
        && !is_unknown(&Json::from(name.as_str()))
        && members.keys().all(|k| !may_be(&name, &k.to_ascii_lowercase()))
}

/// Whether what is known of a text has something in it for sure.
pub(super) fn surely_has(text: &str, wanted: &str) -> bool {
    parts(text).iter().any(|p| !p.starts_with("${") && p.contains(wanted))
}

/// A text in which each part that is known is changed, and each other says so.
pub(super) fn changed(text: &str, how: &str, change: impl Fn(&str) -> String) -> String {
    let mark = format!("${{{how}(");
    let each = parts(text).into_iter().map(|part| match part.strip_prefix("${") {
        Some(_) if part.starts_with(&mark) => part.to_owned(),
        Some(inner) => format!("{mark}{})}}", inner.strip_suffix('}').unwrap_or(inner)),
        None => change(part),
    });
    each.collect()
}

/// A value in words, for symbols.
pub(super) fn words(value: &Json) -> String {
    match value {
        Json::String(text) => match text.strip_prefix("${").and_then(|t| t.strip_suffix('}')) {
            Some(inner) if is_unknown(value) => inner.to_owned(),
            _ => text.clone(),
        },
        Json::Array(_) | Json::Object(_) => format!("… {}", digest(&value.to_string())),
        other => other.to_string(),
    }
}

/// The runtime state of a resource.
pub(super) fn state_of(id: &str) -> Json {
    Json::String(format!("${{{id}{STATE}}}"))
}

/// The object id that an identity, or a resource's own one, will have.
pub(super) fn principal_of(id: &str) -> Json {
    Json::String(format!("${{{}{STATE}principalId}}", id.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_symbol_is_one_thing() {
        let unknown = |t: &str| is_unknown(&Json::from(t));
        assert!(unknown("${a}") && unknown("${/x/${b}#}"));
        assert!(!unknown("${a}/${b}") && !unknown("a${b}") && !unknown("a"));
        assert_eq!(segments("${a/b}/c${/d${e/f}}/"), ["${a/b}", "c${/d${e/f}}", ""]);
        assert_eq!(segments("${a/b"), ["${a/b"]);
        assert_eq!(changed("A-${B}", "tolower", str::to_lowercase), "a-${tolower(B)}");
        assert!(has_known("${a}-") && !has_known("${a}${b}"));
        for (text, other, may) in [
            ("/s/${a}/r", "/s/1/r", true),
            ("/s/${a}/r", "Owner", false),
            ("/s/${a}/r", "/s/1/x", false),
            ("${a}", "anything", true),
            ("p-${a}", "p-", true),
            ("p-${a}", "q-", false),
            ("${a}-p", "x-p", true),
            ("${a}-p", "x-p-y", false),
            ("p", "p", true),
            ("p", "pq", false),
        ] {
            assert_eq!(may_be(text, other), may, "{text} {other}");
        }
        assert!(surely_has("x/${y}", "/") && !surely_has("x${y}", "y"));
    }

    #[test]
    fn different_things_have_different_words() {
        let made = |value: &Json| composed(|w| format!("f({})", w.join("|")), &[value]);
        let all = [
            json!("${a}"),
            json!("a"),
            json!("${a}-b"),
            json!("${a-b}"),
            json!({"x": 1}),
            json!({"x": 2}),
            json!([1]),
        ];
        for (n, one) in all.iter().enumerate() {
            assert!(all.iter().skip(n + 1).all(|other| made(one) != made(other)), "{one}");
        }
    }
}
