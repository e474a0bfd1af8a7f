//! Tables for the page as columns of numbers into one table of texts: a hundred thousand rows of ids and names
//! repeat a few thousand texts.

use super::kept::{Place, place};
use super::text::reorders;
use crate::model::FastMap;
use hashbrown::HashTable;
use std::fmt::Write as _;
use std::hash::BuildHasher as _;
use std::io::Write;

/// The texts that columns point into. A report hands out the same piece of memory for the same cell of many rows, so
/// where a text lies is looked up before what it says.
#[derive(Default)]
pub(super) struct Texts<'a> {
    list: Vec<Box<str>>,
    known: HashTable<usize>,
    places: FastMap<Place, usize>,
    ids: FastMap<Place, (usize, usize)>,
    hasher: foldhash::fast::RandomState,
    report: std::marker::PhantomData<&'a str>,
}

impl<'a> Texts<'a> {
    /// A text that lives as long as the report.
    pub(super) fn put(&mut self, text: &'a str) -> usize {
        let place = place(text);
        if let Some(at) = self.places.get(&place) {
            return *at;
        }
        let at = self.put_passing(text);
        self.places.insert(place, at);
        at
    }

    /// A text that is hardly met twice in the same place.
    pub(super) fn put_passing(&mut self, text: &str) -> usize {
        let hash = self.hasher.hash_one(text);
        let list = &self.list;
        let same = |at: &usize| list.get(*at).is_some_and(|known| **known == *text);
        if let Some(at) = self.known.find(hash, same) {
            return *at;
        }
        let at = self.list.len();
        self.list.push(text.into());
        let (list, hasher) = (&self.list, &self.hasher);
        self.known.insert_unique(hash, at, |at| hasher.hash_one(list.get(*at).map_or("", |t| t)));
        at
    }

    /// An id as its head and its last segment.
    pub(super) fn put_id(&mut self, id: &'a str) -> (usize, usize) {
        let place = place(id);
        if let Some(at) = self.ids.get(&place) {
            return *at;
        }
        let (head, name) = id.rsplit_once('/').unwrap_or(("", id));
        let at = (self.put_passing(head), self.put_passing(name));
        self.ids.insert(place, at);
        at
    }

    pub(super) fn json(&self, to: &mut dyn Write) -> std::io::Result<()> {
        let mut quoted = String::from("[");
        for (n, text) in self.list.iter().enumerate() {
            if n > 0 {
                quoted.push(',');
            }
            quote(text, &mut quoted);
            to.write_all(quoted.as_bytes())?;
            quoted.clear();
        }
        quoted.push(']');
        to.write_all(quoted.as_bytes())
    }
}

/// Columns of numbers, by name.
#[derive(Default)]
pub(super) struct Columns {
    columns: Vec<(&'static str, String)>,
    digits: itoa::Buffer,
}

impl Columns {
    pub(super) fn put(&mut self, column: &'static str, value: usize) {
        let at = self.column(column);
        if let Some((_, text)) = self.columns.get_mut(at) {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(self.digits.format(value));
        }
    }

    pub(super) fn put_list(&mut self, column: &'static str, values: impl Iterator<Item = usize>) {
        let at = self.column(column);
        if let Some((_, text)) = self.columns.get_mut(at) {
            text.push_str(if text.is_empty() { "[" } else { ",[" });
            for (n, value) in values.enumerate() {
                if n > 0 {
                    text.push(',');
                }
                text.push_str(self.digits.format(value));
            }
            text.push(']');
        }
    }

    /// A handful of names: looking through them beats hashing them.
    fn column(&mut self, name: &'static str) -> usize {
        let found = self.columns.iter().position(|(known, _)| *known == name);
        found.unwrap_or_else(|| {
            self.columns.push((name, String::new()));
            self.columns.len() - 1
        })
    }

    pub(super) fn json(&self, to: &mut dyn Write) -> std::io::Result<()> {
        let mut sorted: Vec<&(&str, String)> = self.columns.iter().collect();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        to.write_all(b"{")?;
        for (n, (name, values)) in sorted.into_iter().enumerate() {
            write!(to, "{}\"{name}\":[{values}]", if n > 0 { "," } else { "" })?;
        }
        to.write_all(b"}")
    }
}

/// A JSON text that is safe inside a `script` element of a page.
pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    let risky = |c: char| {
        matches!(c, '"' | '\\' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}') || c < ' ' || reorders(c)
    };
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| risky(*c)) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if reorders(c) => out.push('\u{fffd}'),
            c => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
        }
        rest = after.get(c.len_utf8()..).unwrap_or_default();
    }
    out.push_str(rest);
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
            let shown: String = text.chars().map(|c| if reorders(c) { '\u{fffd}' } else { c }).collect();
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), shown);
            let unsafe_here = out.contains(['<', '>', '&', '\u{2028}', '\u{2029}']);
            prop_assert!(!unsafe_here);
        }
    }

    #[test]
    fn columns_point_into_texts() {
        let (mut texts, mut columns) = (Texts::default(), Columns::default());
        let pieces: Vec<usize> = "`a` on `b`".split('`').map(|piece| texts.put_passing(piece)).collect();
        columns.put_list("m", pieces.into_iter());
        columns.put("n", texts.put(" on "));
        let (mut t, mut c) = (Vec::new(), Vec::new());
        texts.json(&mut t).unwrap();
        columns.json(&mut c).unwrap();
        let (t, c) = (String::from_utf8(t).unwrap(), String::from_utf8(c).unwrap());
        assert_eq!((t.as_str(), c.as_str()), (r#"["","a"," on ","b"]"#, r#"{"m":[[0,1,2,3,0]],"n":[2]}"#));
    }
}
