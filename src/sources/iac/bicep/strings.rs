//! Reads texts of Bicep, with what is put into them.
//!
//! Source: "Strings in Bicep".

use super::parser::{Parsed, Parser, made};
use crate::sources::iac::arm::{Expression, text};
use serde_json::Value as Json;

impl Parser<'_> {
    /// A text that nothing is put into, as names of types and paths are.
    pub(super) fn plain_text(&mut self) -> Parsed<String> {
        self.space();
        let before = self.at;
        match self.string(0)? {
            Expression::Value(Json::String(text)) => Ok(text),
            _ => {
                self.at = before;
                self.broken("a text without `${…}`")
            }
        }
    }

    /// `'…'`, `'''…'''` and `$'''…'''`.
    pub(super) fn string(&mut self, depth: usize) -> Parsed<Expression> {
        let rest = self.rest();
        let dollars = rest.bytes().take_while(|b| *b == b'$').count();
        if rest.get(dollars..).is_some_and(|r| r.starts_with("'''")) {
            self.at += dollars + 3;
            return self.long_string(dollars, depth);
        }
        if dollars > 0 || self.byte(0) != Some(b'\'') {
            return self.broken("a text in quotes");
        }
        self.at += 1;
        let mut parts = Vec::new();
        let mut plain = String::new();
        loop {
            let rest = self.rest();
            let Some(next) = rest.find(['\'', '\\', '$', '\n', '\r']) else {
                return self.broken("the end of a text");
            };
            plain.push_str(rest.get(..next).unwrap_or_default());
            self.at += next;
            match (self.byte(0), self.byte(1)) {
                (Some(b'\''), _) => {
                    self.at += 1;
                    return Ok(joined(parts, &plain));
                }
                (Some(b'$'), Some(b'{')) => {
                    self.at += 2;
                    self.put_in(&mut parts, &mut plain, depth)?;
                }
                (Some(b'$'), _) => {
                    plain.push('$');
                    self.at += 1;
                }
                (Some(b'\\'), _) => {
                    let (char, length) = self.escape()?;
                    plain.push(char);
                    self.at += length;
                }
                _ => return self.broken("the end of a text"),
            }
        }
    }

    /// `${…}`, behind its opening.
    fn put_in(&mut self, parts: &mut Vec<Expression>, plain: &mut String, depth: usize) -> Parsed<()> {
        parts.push(text(&std::mem::take(plain)));
        self.lines();
        parts.push(self.expression(depth + 1)?);
        self.lines();
        self.expect("}", "`}`")
    }

    fn escape(&self) -> Parsed<(char, usize)> {
        Ok(match self.byte(1) {
            Some(b'n') => ('\n', 2),
            Some(b'r') => ('\r', 2),
            Some(b't') => ('\t', 2),
            Some(c @ (b'\\' | b'\'' | b'$')) => (char::from(c), 2),
            Some(b'u') => {
                let inside = self.rest().get(2..).and_then(|r| r.strip_prefix('{')?.split_once('}'));
                let digits = inside.map(|(digits, _)| digits).unwrap_or_default();
                match u32::from_str_radix(digits, 16).ok().and_then(char::from_u32) {
                    Some(char) => (char, digits.len() + 4),
                    None => return self.broken("a code point, as in `\\u{1F600}`"),
                }
            }
            _ => return self.broken("an escape that Bicep has"),
        })
    }

    /// Behind `'''`: as it stands, but for what as many dollars as stood before it put in.
    fn long_string(&mut self, dollars: usize, depth: usize) -> Parsed<Expression> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mark = format!("{}{{", "$".repeat(dollars));
        let first = self.rest();
        let begun = first.strip_prefix("\r\n").or_else(|| first.strip_prefix('\n'));
        self.at += first.len() - begun.unwrap_or(first).len();
        loop {
            let rest = self.rest();
            let Some(end) = rest.find("'''") else { return self.broken("`'''`") };
            let inside = rest.get(..end).unwrap_or_default();
            match inside.find(&mark).filter(|_| dollars > 0) {
                Some(open) => {
                    plain.push_str(inside.get(..open).unwrap_or_default());
                    self.at += open + mark.len();
                    self.put_in(&mut parts, &mut plain, depth)?;
                }
                None => {
                    plain.push_str(inside);
                    self.at += end + 3;
                    // Quotes before the last three belong to the text.
                    while self.byte(0) == Some(b'\'') {
                        plain.push('\'');
                        self.at += 1;
                    }
                    return Ok(joined(parts, &plain));
                }
            }
        }
    }
}

fn joined(mut parts: Vec<Expression>, plain: &str) -> Expression {
    if parts.is_empty() {
        return text(plain);
    }
    parts.push(text(plain));
    made("interpolate", parts)
}
