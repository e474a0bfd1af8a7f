//! Cuts a JSON document of any size into the elements of its list, one at a time, without holding it whole.
//!
//! The list is a bare array, the array under `value` or `data`, or the document itself if it has neither. Only
//! strings and brackets are looked at, so that an element that is no valid JSON inside costs only itself, and all
//! whole elements before a cut are kept. Not here: what an element means.

use memchr::{memchr_iter, memchr2};
use std::io::Read;

/// Elements above this size are refused, so that memory stays bounded. In bytes.
pub(crate) const MAX_ELEMENT: usize = 64 << 20;
const BLOCK: usize = 256 << 10;
/// What is kept of a member beside a list. A link to a next page is never longer; what is cut here cannot be read as a
/// text, and so is noticed.
const BESIDE: usize = 64 << 10;

/// A place in a document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// From 1.
    pub line: u64,
    /// In bytes, from 1.
    pub column: u64,
}

/// Why a document, or its rest, could not be cut.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Problem {
    /// It ended inside a value.
    Truncated,
    /// Something else than JSON stands here.
    Syntax(&'static str),
    /// Nothing stands in it.
    Empty,
    /// An element above [`MAX_ELEMENT`].
    TooLarge,
    /// The file could not be read on.
    Io(String),
}

/// What a scan hands out.
pub trait Visit {
    /// One element of the list, or a document that is no list: then `listed` is false.
    fn element(&mut self, bytes: &[u8], at: Position, listed: bool);
    /// A member beside the list, such as `nextLink`.
    fn beside(&mut self, key: &str, value: &[u8], at: Position);
    /// A list begins.
    fn list(&mut self) {}
    /// The scan ended here, early.
    fn problem(&mut self, problem: Problem, at: Position);
}

/// Cuts a document, or several one after the other.
pub fn scan(input: impl Read, visit: &mut dyn Visit) {
    let mut scanner = Scanner {
        input,
        buffer: Vec::with_capacity(2 * BLOCK),
        ended: false,
        line: 1,
        line_start: 0,
        base: 0,
        counted: 0,
    };
    if let Err((problem, at)) = scanner.documents(visit) {
        visit.problem(problem, at);
    }
}

struct Scanner<R> {
    input: R,
    /// What was read and not yet dropped.
    buffer: Vec<u8>,
    ended: bool,
    line: u64,
    /// Where the current line starts, counted from the file's start.
    line_start: u64,
    /// How many bytes were dropped before the buffer.
    base: u64,
    /// Up to where in the buffer lines are counted.
    counted: usize,
}

type Cut<T> = Result<T, (Problem, Position)>;

impl<R: Read> Scanner<R> {
    fn documents(&mut self, visit: &mut dyn Visit) -> Cut<()> {
        let mut at = self.skip_mark()?;
        let mut documents = 0;
        loop {
            at = self.skip_space(at)?;
            let Some(first) = self.byte(at)? else {
                return if documents == 0 { Err((Problem::Empty, self.position(0))) } else { Ok(()) };
            };
            documents += 1;
            at = match first {
                b'[' => {
                    visit.list();
                    self.array(at + 1, visit)?
                }
                b'{' => self.object(at, visit)?,
                _ => return Err((Problem::Syntax("`{` or `[`"), self.position(at))),
            };
        }
    }

    /// The byte-order mark of UTF-8 is skipped; UTF-16, which shells write on some systems, is named.
    fn skip_mark(&mut self) -> Cut<usize> {
        self.byte(2)?;
        if self.buffer.starts_with(&[0xEF, 0xBB, 0xBF]) {
            return Ok(3);
        }
        if self.buffer.starts_with(&[0xFF, 0xFE]) || self.buffer.starts_with(&[0xFE, 0xFF]) {
            return Err((Problem::Syntax("UTF-8: the file is UTF-16, save it as UTF-8"), self.position(0)));
        }
        Ok(0)
    }

    fn array(&mut self, mut at: usize, visit: &mut dyn Visit) -> Cut<usize> {
        loop {
            at = self.skip_space(at)?;
            at = self.drop_before(at);
            match self.need(at)? {
                b']' => return Ok(at + 1),
                b',' => at += 1,
                _ => {
                    let end = self.value_end(at)?;
                    let position = self.position(at);
                    if end == at {
                        return Err((Problem::Syntax("a value or `]`"), position));
                    }
                    visit.element(self.buffer.get(at..end).unwrap_or_default(), position, true);
                    at = end;
                }
            }
        }
    }

    /// Members are looked at in order: the first list that is found is handed out element by element, and what
    /// stands beside it is handed out as it is. Without a list the object is one element.
    fn object(&mut self, start: usize, visit: &mut dyn Visit) -> Cut<usize> {
        let mut start = start;
        let mut at = start + 1;
        let mut list = false;
        let mut beside: Vec<(String, Vec<u8>, Position)> = Vec::new();
        let opened = self.position(start);
        loop {
            at = self.skip_space(at)?;
            match self.need(at)? {
                b'}' => break,
                b',' => {
                    at += 1;
                    continue;
                }
                b'"' => {}
                _ => return Err((Problem::Syntax("a quoted key"), self.position(at))),
            }
            let key_end = self.value_end(at)?;
            let key = self.buffer.get(at + 1..key_end.saturating_sub(1)).unwrap_or_default();
            let quoted = self.buffer.get(at..key_end).unwrap_or_default();
            let key = match key.contains(&b'\\') {
                // An escaped key is the same key.
                true => serde_json::from_slice(quoted).unwrap_or_default(),
                false => String::from_utf8_lossy(key).into_owned(),
            };
            at = self.skip_space(key_end)?;
            if self.need(at)? != b':' {
                return Err((Problem::Syntax("`:` after the key"), self.position(at)));
            }
            at = self.skip_space(at + 1)?;
            // A record that has an id is no list, whatever its members are called.
            let record = beside.iter().any(|(key, _, _)| key == "id");
            if self.need(at)? == b'[' && !record && (key == "value" || key == "data") {
                list = true;
                visit.list();
                at = self.array(at + 1, visit)?;
                start = at;
                continue;
            }
            let end = self.value_end(at)?;
            let position = self.position(at);
            let value = self.buffer.get(at..end.min(at + BESIDE)).unwrap_or_default().to_vec();
            beside.push((key, value, position));
            at = end;
            if list {
                at = self.drop_before(at);
                start = at;
            }
        }
        at += 1;
        if list {
            for (key, value, position) in &beside {
                visit.beside(key, value, *position);
            }
        } else {
            visit.element(self.buffer.get(start..at).unwrap_or_default(), opened, false);
        }
        Ok(self.drop_before(at))
    }

    /// Where the value that starts at `at` ends. Counts brackets outside strings; never recurses.
    fn value_end(&mut self, at: usize) -> Cut<usize> {
        let first = self.need(at)?;
        let mut i = at;
        let mut depth = 0usize;
        let mut in_string = false;
        let scalar = !matches!(first, b'{' | b'[' | b'"');
        loop {
            let rest = self.buffer.get(i..).unwrap_or_default();
            if in_string {
                match memchr2(b'"', b'\\', rest) {
                    None => i += rest.len(),
                    Some(n) if rest.get(n) == Some(&b'"') => {
                        i += n + 1;
                        in_string = false;
                        if depth == 0 {
                            return Ok(i);
                        }
                    }
                    Some(n) if n + 1 < rest.len() => i += n + 2,
                    // The escaped byte is in the next block.
                    Some(n) => {
                        i += n;
                        self.more(at)?;
                    }
                }
            } else {
                let stop = |b: &u8| {
                    matches!(b, b'"' | b'{' | b'}' | b'[' | b']')
                        || (scalar && matches!(b, b',' | b' ' | b'\n' | b'\r' | b'\t'))
                };
                match rest.iter().position(stop) {
                    None => i += rest.len(),
                    Some(n) => {
                        let found = rest.get(n).copied().unwrap_or_default();
                        i += n + 1;
                        match found {
                            _ if scalar => return Ok(i - 1),
                            b'"' => in_string = true,
                            b'{' | b'[' => depth += 1,
                            _ => {
                                depth = depth.saturating_sub(1);
                                if depth == 0 {
                                    return Ok(i);
                                }
                            }
                        }
                    }
                }
            }
            if i >= self.buffer.len() && !self.fill(at)? {
                return if scalar { Ok(i) } else { Err((Problem::Truncated, self.position(at))) };
            }
        }
    }

    fn skip_space(&mut self, mut at: usize) -> Cut<usize> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte(at)? {
            at += 1;
        }
        Ok(at)
    }

    fn byte(&mut self, at: usize) -> Cut<Option<u8>> {
        while self.buffer.len() <= at {
            if !self.fill(at)? {
                return Ok(None);
            }
        }
        Ok(self.buffer.get(at).copied())
    }

    fn need(&mut self, at: usize) -> Cut<u8> {
        match self.byte(at)? {
            Some(byte) => Ok(byte),
            None => Err((Problem::Truncated, self.position(at))),
        }
    }

    fn more(&mut self, element: usize) -> Cut<()> {
        if self.fill(element)? { Ok(()) } else { Err((Problem::Truncated, self.position(element))) }
    }

    /// Reads another block behind the buffer. `false` at the end of the file.
    fn fill(&mut self, element: usize) -> Cut<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.buffer.len().saturating_sub(element) > MAX_ELEMENT {
            return Err((Problem::TooLarge, self.position(element)));
        }
        let had = self.buffer.len();
        let taken = self.input.by_ref().take(BLOCK as u64).read_to_end(&mut self.buffer);
        match taken {
            Ok(0) => {
                self.ended = true;
                Ok(false)
            }
            Ok(_) => Ok(true),
            Err(error) => {
                self.buffer.truncate(had);
                self.ended = true;
                Err((Problem::Io(error.to_string()), self.position(element)))
            }
        }
    }

    /// Forgets what lies before `at`, once that is worth a move, and says where `at` is now.
    fn drop_before(&mut self, at: usize) -> usize {
        if at < BLOCK {
            return at;
        }
        self.count_to(at);
        self.buffer.drain(..at.min(self.buffer.len()));
        self.base += at as u64;
        self.counted = 0;
        0
    }

    fn count_to(&mut self, at: usize) {
        let fresh = self.buffer.get(self.counted..at).unwrap_or_default();
        for n in memchr_iter(b'\n', fresh) {
            self.line += 1;
            self.line_start = self.base + (self.counted + n + 1) as u64;
        }
        self.counted = self.counted.max(at);
    }

    fn position(&mut self, at: usize) -> Position {
        self.count_to(at.min(self.buffer.len()));
        Position { line: self.line, column: (self.base + at as u64).saturating_sub(self.line_start) + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Seen(Vec<String>, Vec<String>, Option<Problem>);

    impl Visit for Seen {
        fn element(&mut self, bytes: &[u8], _: Position, _: bool) {
            self.0.push(String::from_utf8_lossy(bytes).into_owned());
        }
        fn beside(&mut self, key: &str, value: &[u8], _: Position) {
            self.1.push(format!("{key}={}", String::from_utf8_lossy(value)));
        }
        fn problem(&mut self, problem: Problem, _: Position) {
            self.2 = Some(problem);
        }
    }

    /// A reader that gives one byte at a time finds every mistake at a block's edge.
    struct Slow<'a>(&'a [u8]);
    impl Read for Slow<'_> {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            let n = self.0.len().min(to.len()).min(1);
            to[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn cut(text: &str) -> Seen {
        let mut seen = Seen::default();
        scan(Slow(text.as_bytes()), &mut seen);
        seen
    }

    #[test]
    fn lists_in_every_form() {
        for text in [
            r#"[{"a":1},{"b":"]}"}]"#,
            r#" {"value":[{"a":1} , {"b":"]}"}]}"#,
            "\u{feff}{\"data\" : [{\"a\":1},{\"b\":\"]}\"}]}",
        ] {
            assert_eq!(cut(text).0, [r#"{"a":1}"#, r#"{"b":"]}"}"#], "{text}");
        }
        let seen = cut(r#"{"count":2,"data":[1,2],"resultTruncated":"true","x":{"y":[3]}}"#);
        assert_eq!(seen.0, ["1", "2"]);
        assert_eq!(seen.1, ["count=2", "resultTruncated=\"true\"", "x={\"y\":[3]}"]);
        assert_eq!(
            cut(r#"{"id":"x","data":{"rows":[]}} {"id":"y"}"#).0,
            [r#"{"id":"x","data":{"rows":[]}}"#, r#"{"id":"y"}"#]
        );
    }

    #[test]
    fn whole_elements_before_a_cut_are_kept() {
        let seen = cut(r#"{"value":[{"a":"\""},{"b":1"#);
        assert_eq!((seen.0.len(), seen.2), (1, Some(Problem::Truncated)));
        assert_eq!(cut("nothing").2, Some(Problem::Syntax("`{` or `[`")));
        assert_eq!(cut(" ").2, Some(Problem::Empty));
        assert!(cut(&"[".repeat(20_000)).2.is_some());
    }

    #[test]
    fn positions_are_of_the_element() {
        struct At(Vec<(u64, u64)>);
        impl Visit for At {
            fn element(&mut self, _: &[u8], at: Position, _: bool) {
                self.0.push((at.line, at.column));
            }
            fn beside(&mut self, _: &str, _: &[u8], _: Position) {}
            fn problem(&mut self, _: Problem, _: Position) {}
        }
        let mut at = At(Vec::new());
        scan("[\n {},\n\n  {}]".as_bytes(), &mut at);
        assert_eq!(at.0, [(2, 2), (4, 3)]);
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_panic(bytes in prop::collection::vec(prop::sample::select(b"[]{}\",:\\ \nab1".to_vec()), 0..60)) {
            let mut seen = Seen::default();
            scan(bytes.as_slice(), &mut seen);
            let mut slow = Seen::default();
            scan(Slow(&bytes), &mut slow);
            prop_assert_eq!(seen.0, slow.0);
        }
    }
}
