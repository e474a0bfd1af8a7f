//! One page of an answer: its elements, where the next page is, and what is wrong with it.

use crate::sources::arm::table_rows;
use crate::sources::scan::{Position, Problem, Visit, scan};

/// Where a list goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// At this address.
    Link(String),
    /// With this token.
    Token(String),
}

/// What stands around the elements.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Page {
    pub(super) elements: usize,
    pub(super) next: Option<Next>,
    /// Resource Graph left something out that no further page brings.
    pub(super) cut: bool,
    /// How many rows Resource Graph says that there are on all pages.
    pub(super) total: Option<u64>,
    /// The page is no whole JSON list.
    pub(super) broken: Option<&'static str>,
}

struct Cutter<'v> {
    page: Page,
    element: &'v mut dyn FnMut(&[u8]),
    truncated: bool,
    documents: usize,
    lists: usize,
}

/// Hands out the elements of a page, and says what stands around them.
pub(super) fn cut(body: &[u8], element: &mut dyn FnMut(&[u8])) -> Page {
    let mut cutter = Cutter { page: Page::default(), element, truncated: false, documents: 0, lists: 0 };
    scan(body, &mut cutter);
    let mut page = cutter.page;
    if cutter.lists + cutter.documents > 1 {
        page.broken = page.broken.or(Some("the answer holds more than one list"));
    }
    page.cut = cutter.truncated && page.next.is_none();
    page
}

/// Whether a body is a whole list.
pub(super) fn whole(body: &[u8]) -> bool {
    cut(body, &mut |_| ()).broken.is_none()
}

impl Visit for Cutter<'_> {
    fn list(&mut self) {
        self.lists += 1;
    }

    fn element(&mut self, bytes: &[u8], _: Position, listed: bool) {
        if listed {
            self.page.elements += 1;
            return (self.element)(bytes);
        }
        // Not a list: Resource Graph's older form has its rows in a table.
        self.documents += 1;
        let table = table_rows(bytes);
        match table {
            Some((rows, beside)) if self.documents == 1 => {
                for row in rows {
                    self.page.elements += 1;
                    // A row that is no row goes out as it is, to be counted as unread.
                    (self.element)(row.as_bytes());
                }
                for (key, value) in beside {
                    self.beside(key, value.as_bytes(), Position { line: 1, column: 1 });
                }
            }
            _ => self.page.broken = Some("the answer is no list"),
        }
    }

    fn beside(&mut self, key: &str, value: &[u8], _: Position) {
        let text = || serde_json::from_slice::<Option<String>>(value);
        match key {
            "nextLink" | "@odata.nextLink" => match text() {
                Ok(link) => self.page.next = link.filter(|l| !l.is_empty()).map(Next::Link),
                Err(_) => self.page.broken = Some("the link to the next page cannot be read"),
            },
            "$skipToken" => match text() {
                Ok(token) => self.page.next = token.filter(|t| !t.is_empty()).map(Next::Token),
                Err(_) => self.page.broken = Some("the token for the next page cannot be read"),
            },
            "resultTruncated" => {
                self.truncated =
                    value.eq_ignore_ascii_case(b"true") || value.eq_ignore_ascii_case(b"\"true\"");
            }
            "totalRecords" => self.page.total = serde_json::from_slice(value).ok(),
            "error" if value != b"null" => self.page.broken = Some("the answer is an error"),
            _ => {}
        }
    }

    fn problem(&mut self, problem: Problem, _: Position) {
        self.page.broken = Some(match problem {
            Problem::Truncated | Problem::Io(_) => "the answer was cut short",
            Problem::Syntax(_) => "the answer is not JSON",
            Problem::Empty => "the answer is empty",
            Problem::TooLarge => "the answer holds a record above 64 MiB",
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> (Vec<String>, Page) {
        let mut seen = Vec::new();
        let page = cut(body.as_bytes(), &mut |e| seen.push(String::from_utf8_lossy(e).into_owned()));
        (seen, page)
    }

    #[test]
    fn pages_of_every_service() {
        let (seen, page) = read(r#"{"value":[{"a":1},{"b":2}],"nextLink":"https://x/?p=2"}"#);
        assert_eq!((seen.len(), page.next), (2, Some(Next::Link("https://x/?p=2".into()))));
        let (_, page) = read(r#"{"@odata.nextLink":"https://g/2","value":[]}"#);
        assert_eq!(page.next, Some(Next::Link("https://g/2".into())));
        let (_, page) = read(r#"{"value":[],"nextLink":null}"#);
        assert_eq!((page.next, page.broken), (None, None));
        let (_, page) = read(r#"{"data":[{}],"resultTruncated":"true","$skipToken":"t"}"#);
        assert_eq!((page.next, page.cut), (Some(Next::Token("t".into())), false));
        let (_, page) = read(r#"{"data":[{}],"resultTruncated":"true"}"#);
        assert!(page.cut);
        let table = r#"{"totalRecords":1,"data":{"columns":[{"name":"id"},{"name":"n"}],"rows":[["/x",3]]},"$skipToken":"t"}"#;
        let (seen, page) = read(table);
        assert_eq!(
            (seen, page.next),
            (vec![r#"{"id":"/x","n":3}"#.to_owned()], Some(Next::Token("t".into())))
        );
    }

    #[test]
    fn long_links_and_escaped_keys_are_links() {
        let long = "x".repeat(20_000);
        for body in [
            format!(r#"{{"@odata.nextLink":"{long}","value":[{{}}]}}"#),
            format!(r#"{{"value":[{{}}],"\u006eextLink":"{long}"}}"#),
        ] {
            assert_eq!(read(&body).1.next, Some(Next::Link(long.clone())));
        }
        let longer = "x".repeat(100_000);
        let (_, page) = read(&format!(r#"{{"nextLink":"{longer}","value":[]}}"#));
        assert_eq!(page.broken, Some("the link to the next page cannot be read"));
    }

    #[test]
    fn broken_pages_are_told() {
        for (body, why) in [
            (r#"{"value":[{"a":1},{"#, "the answer was cut short"),
            ("<html>", "the answer is not JSON"),
            ("", "the answer is empty"),
            (r#"{"message":"hello"}"#, "the answer is no list"),
            (r#"{"value":[],"nextLink":7}"#, "the link to the next page cannot be read"),
            (r#"{"error":{"code":"x"},"value":[]}"#, "the answer is an error"),
            (r#"{"value":[]}{"value":[{}]}"#, "the answer holds more than one list"),
            (r#"{"value":[],"data":[{}]}"#, "the answer holds more than one list"),
        ] {
            assert_eq!(read(body).1.broken, Some(why), "{body}");
            assert!(!whole(body.as_bytes()));
        }
    }
}
