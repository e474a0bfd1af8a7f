//! Tables for the page as columns of numbers into one table of texts: a hundred thousand rows of ids and names
//! repeat a few thousand texts.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

/// The texts that columns point into.
#[derive(Default)]
pub(super) struct Texts {
    list: Vec<Box<str>>,
    known: HashMap<Box<str>, usize, foldhash::fast::RandomState>,
}

impl Texts {
    pub(super) fn put(&mut self, text: &str) -> usize {
        if let Some(at) = self.known.get(text) {
            return *at;
        }
        let at = self.list.len();
        self.list.push(text.into());
        self.known.insert(text.into(), at);
        at
    }

    /// A sentence as pieces: what stands between backticks repeats, and so does what stands around.
    pub(super) fn put_sentence(&mut self, text: &str) -> Vec<usize> {
        text.split('`').map(|piece| self.put(piece)).collect()
    }

    /// An id as its head and its last segment.
    pub(super) fn put_id(&mut self, id: &str) -> (usize, usize) {
        let (head, name) = id.rsplit_once('/').unwrap_or(("", id));
        (self.put(head), self.put(name))
    }

    pub(super) fn json(&self, out: &mut String) {
        out.push('[');
        for (n, text) in self.list.iter().enumerate() {
            if n > 0 {
                out.push(',');
            }
            quote(text, out);
        }
        out.push(']');
    }
}

/// Columns of numbers, by name.
#[derive(Default)]
pub(super) struct Columns(BTreeMap<&'static str, String>);

impl Columns {
    pub(super) fn put(&mut self, column: &'static str, value: usize) {
        let text = self.column(column);
        if !text.is_empty() {
            text.push(',');
        }
        let _ = write!(text, "{value}");
    }

    pub(super) fn put_list(&mut self, column: &'static str, values: &[usize]) {
        let text = self.column(column);
        text.push_str(if text.is_empty() { "[" } else { ",[" });
        for (n, value) in values.iter().enumerate() {
            let _ = write!(text, "{}{value}", if n > 0 { "," } else { "" });
        }
        text.push(']');
    }

    fn column(&mut self, name: &'static str) -> &mut String {
        self.0.entry(name).or_default()
    }

    pub(super) fn json(&self, out: &mut String) {
        out.push('{');
        for (n, (name, values)) in self.0.iter().enumerate() {
            let _ = write!(out, "{}\"{name}\":[{values}]", if n > 0 { "," } else { "" });
        }
        out.push('}');
    }
}

/// A JSON text that is safe inside a `script` element of a page.
pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quoted_is_json_and_cannot_end_its_element(text in any::<String>()) {
            let mut out = String::new();
            quote(&text, &mut out);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
            let unsafe_here = out.contains(['<', '>', '&', '\u{2028}', '\u{2029}']);
            prop_assert!(!unsafe_here);
        }
    }

    #[test]
    fn columns_point_into_texts() {
        let (mut texts, mut columns) = (Texts::default(), Columns::default());
        let pieces = texts.put_sentence("`a` on `b`");
        columns.put_list("m", &pieces);
        columns.put("n", texts.put(" on "));
        let (mut t, mut c) = (String::new(), String::new());
        texts.json(&mut t);
        columns.json(&mut c);
        assert_eq!((t.as_str(), c.as_str()), (r#"["","a"," on ","b"]"#, r#"{"m":[[0,1,2,3,0]],"n":[2]}"#));
    }
}
