//! JSON as Azure takes it for templates: with comments, control characters inside texts, and commas too many; every value
//! with its place.
//!
//! Not here: what expressions in texts mean (`expression`).

use super::expression::Expression;
use serde_json::{Map, Value as Json};

/// A value with where it begins, as a byte.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::sources::iac) struct Node {
    pub(in crate::sources::iac) at: usize,
    pub(in crate::sources::iac) value: Tree,
}

#[derive(Clone, PartialEq, Debug)]
pub(in crate::sources::iac) enum Tree {
    /// Anything without parts.
    Leaf(Json),
    /// What another language says in place of a text in brackets.
    Expression(Expression),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// A value that stands at one place.
    pub(super) fn of(value: &Json, at: usize) -> Node {
        let value = match value {
            Json::Array(items) => Tree::List(items.iter().map(|i| Node::of(i, at)).collect()),
            Json::Object(members) => {
                Tree::Object(members.iter().map(|(k, v)| (k.clone(), Node::of(v, at))).collect())
            }
            leaf => Tree::Leaf(leaf.clone()),
        };
        Node { at, value }
    }

    /// A member, in any case: Azure does not mind.
    pub(in crate::sources::iac) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Tree::Object(members) => {
                members.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, n)| n)
            }
            _ => None,
        }
    }

    pub(in crate::sources::iac) fn text(&self) -> Option<&str> {
        match &self.value {
            Tree::Leaf(Json::String(text)) => Some(text),
            _ => None,
        }
    }

    pub(in crate::sources::iac) fn members(&self) -> &[(String, Node)] {
        match &self.value {
            Tree::Object(members) => members,
            _ => &[],
        }
    }

    pub(in crate::sources::iac) fn items(&self) -> &[Node] {
        match &self.value {
            Tree::List(items) => items,
            _ => &[],
        }
    }

    /// The value without places.
    pub(in crate::sources::iac) fn json(&self) -> Json {
        match &self.value {
            Tree::Leaf(leaf) => leaf.clone(),
            Tree::Expression(_) => Json::Null,
            Tree::List(items) => items.iter().map(Node::json).collect(),
            Tree::Object(members) => {
                Json::Object(members.iter().map(|(k, n)| (k.clone(), n.json())).collect::<Map<_, _>>())
            }
        }
    }
}

/// What was expected where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sources::iac) struct Broken {
    pub(in crate::sources::iac) at: usize,
    pub(in crate::sources::iac) expected: &'static str,
}

/// Deeper than anything that people nest.
const DEEPEST: usize = 200;

/// Reads a document.
pub(in crate::sources::iac) fn parse(text: &str) -> Result<Node, Broken> {
    let mut parser = Parser { text: text.as_bytes(), source: text, at: 0 };
    if text.starts_with('\u{feff}') {
        parser.at = 3;
    }
    parser.space()?;
    let node = parser.value(0)?;
    parser.space()?;
    if parser.at < parser.text.len() {
        return parser.broken("the end of the document");
    }
    Ok(node)
}

struct Parser<'t> {
    text: &'t [u8],
    source: &'t str,
    at: usize,
}

impl Parser<'_> {
    fn broken<T>(&self, expected: &'static str) -> Result<T, Broken> {
        Err(Broken { at: self.at, expected })
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) -> Result<(), Broken> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.at += 1,
                Some(b'/') if self.rest().starts_with(b"//") => {
                    self.at += memchr::memchr(b'\n', self.rest()).unwrap_or(self.rest().len());
                }
                Some(b'/') if self.rest().starts_with(b"/*") => {
                    match memchr::memmem::find(self.rest(), b"*/") {
                        Some(end) => self.at += end + 2,
                        None => return self.broken("the end of a comment"),
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Broken> {
        if depth > DEEPEST {
            return self.broken("fewer values inside each other");
        }
        let at = self.at;
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Tree::Leaf(Json::String(self.string()?)),
            _ => Tree::Leaf(self.word()?),
        };
        Ok(Node { at, value })
    }

    fn object(&mut self, depth: usize) -> Result<Tree, Broken> {
        self.at += 1;
        let mut members = Vec::new();
        let mut names = std::collections::HashSet::new();
        loop {
            self.space()?;
            match self.peek() {
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Tree::Object(members));
                }
                Some(b'"') => {}
                _ => return self.broken("a name in quotes or `}`"),
            }
            let before = self.at;
            let key = self.string()?;
            // Which of two counts, readers disagree about.
            if !names.insert(key.clone()) {
                self.at = before;
                return self.broken("a name that is not there already");
            }
            self.space()?;
            if self.peek() != Some(b':') {
                return self.broken("`:`");
            }
            self.at += 1;
            self.space()?;
            members.push((key, self.value(depth + 1)?));
            self.space()?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {}
                _ => return self.broken("`,` or `}`"),
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Tree, Broken> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.space()?;
            if self.peek() == Some(b']') {
                self.at += 1;
                return Ok(Tree::List(items));
            }
            items.push(self.value(depth + 1)?);
            self.space()?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {}
                _ => return self.broken("`,` or `]`"),
            }
        }
    }

    /// A text. Line breaks and tabs may stand in it as they are.
    fn string(&mut self) -> Result<String, Broken> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(next) = memchr::memchr2(b'"', b'\\', self.rest()) else {
                return self.broken("the end of a text");
            };
            out.push_str(self.source.get(self.at..self.at + next).unwrap_or_default());
            self.at += next;
            if self.peek() == Some(b'"') {
                self.at += 1;
                return Ok(out);
            }
            self.at += 1;
            let escape = self.peek();
            self.at += 1;
            match escape {
                Some(b'n') => out.push('\n'),
                Some(b't') => out.push('\t'),
                Some(b'r') => out.push('\r'),
                Some(b'b') => out.push('\u{8}'),
                Some(b'f') => out.push('\u{c}'),
                Some(c @ (b'"' | b'\\' | b'/')) => out.push(char::from(c)),
                Some(b'u') => {
                    let code = self.text.get(self.at..self.at + 4).and_then(|h| std::str::from_utf8(h).ok());
                    let code = code.and_then(|h| u32::from_str_radix(h, 16).ok());
                    let Some(code) = code else { return self.broken("four hexadecimal digits") };
                    self.at += 4;
                    // Halves of a pair say nothing alone.
                    out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
                }
                _ => return self.broken("an escape that JSON has"),
            }
        }
    }

    fn word(&mut self) -> Result<Json, Broken> {
        let end = self.rest().iter().position(|b| !(b.is_ascii_alphanumeric() || b"+-.".contains(b)));
        let end = self.at + end.unwrap_or(self.rest().len());
        let word = self.source.get(self.at..end).unwrap_or_default();
        match serde_json::from_str(word) {
            Ok(value) => {
                self.at = end;
                Ok(value)
            }
            Err(_) => self.broken("a value"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_azure_takes_is_read_with_places() {
        let text = "\u{feff}{ // a comment\n \"a\": [1, 2,], /* another */ \"B\": \"x\ny\\u0041\", }";
        let node = parse(text).unwrap();
        assert_eq!(node.json(), serde_json::json!({"a": [1, 2], "B": "x\nyA"}));
        let b = node.get("b").unwrap();
        assert!(text.get(b.at..).unwrap().starts_with("\"x"));
    }

    proptest::proptest! {
        #[test]
        fn what_serde_reads_is_read_alike(value in proptest::collection::vec(("[a-z\"\\\\/\u{0}-\u{20}é]{0,6}", -5i64..5), 0..6)) {
            let object: serde_json::Map<String, Json> =
                value.iter().map(|(k, n)| (k.clone(), serde_json::json!([n, k, null, true]))).collect();
            let text = Json::Object(object.clone()).to_string();
            proptest::prop_assert_eq!(parse(&text).unwrap().json(), Json::Object(object));
            // Cut anywhere, it is broken and says so.
            for end in (0..text.len()).filter(|n| text.is_char_boundary(*n)) {
                proptest::prop_assert!(parse(text.get(..end).unwrap()).is_err());
            }
        }
    }

    #[test]
    fn what_is_broken_says_where() {
        for (text, expected) in [
            ("{\"a\" 1}", "`:`"),
            ("{\"a\": 1", "`,` or `}`"),
            ("[1 2]", "`,` or `]`"),
            ("\"a", "the end of a text"),
            ("{} x", "the end of the document"),
            ("/* x", "the end of a comment"),
            ("nul", "a value"),
            ("", "a value"),
        ] {
            assert_eq!(parse(text).unwrap_err().expected, expected, "{text}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }
}
