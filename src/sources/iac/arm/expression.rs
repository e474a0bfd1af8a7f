//! The expression language of templates, as a tree. `[…]` is an expression, `[[` a text that begins with a bracket.
//!
//! Source: "Syntax and expressions in ARM templates". Not here: what functions give (`evaluate`).

use serde_json::Value as Json;

/// An expression.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::sources::iac) enum Expression {
    /// A value as it is written.
    Value(Json),
    /// What a name stands for, in Bicep.
    Name(String),
    Call(String, Vec<Expression>),
    Member(Box<Expression>, String),
    Index(Box<Expression>, Box<Expression>),
}

/// A text as it is written.
pub(in crate::sources::iac) fn text(text: &str) -> Expression {
    Expression::Value(Json::String(text.to_owned()))
}

/// What a text in a template is.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Content {
    Plain(String),
    Expression(Expression),
    /// It begins like an expression and is none, from this byte on.
    Broken(usize),
}

/// Deeper than anything that people or compilers write.
const DEEPEST: usize = 120;

/// Reads a text of a template.
pub(super) fn content(text: &str) -> Content {
    match text.strip_prefix('[') {
        Some(rest) if rest.starts_with('[') => Content::Plain(rest.to_owned()),
        Some(rest) if text.ends_with(']') => {
            let inner = rest.strip_suffix(']').unwrap_or_default();
            let mut parser = Parser { text: inner.as_bytes(), source: inner, at: 0 };
            match parser.expression(0) {
                Some(found) => {
                    parser.space();
                    if parser.at == inner.len() {
                        Content::Expression(found)
                    } else {
                        Content::Broken(parser.at + 1)
                    }
                }
                None => Content::Broken(parser.at + 1),
            }
        }
        _ => Content::Plain(text.to_owned()),
    }
}

struct Parser<'t> {
    text: &'t [u8],
    source: &'t str,
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn eat(&mut self, wanted: u8) -> bool {
        self.space();
        let there = self.peek() == Some(wanted);
        self.at += usize::from(there);
        there
    }

    fn expression(&mut self, depth: usize) -> Option<Expression> {
        if depth > DEEPEST {
            return None;
        }
        let mut found = self.primary(depth)?;
        let mut steps = 0;
        loop {
            steps += 1;
            // Each step is one more box inside another.
            if steps > DEEPEST {
                return None;
            }
            self.space();
            match self.peek() {
                Some(b'.') => {
                    self.at += 1;
                    self.space();
                    // `.?` is a member that may be missing.
                    self.at += usize::from(self.peek() == Some(b'?'));
                    found = Expression::Member(Box::new(found), self.name()?);
                }
                Some(b'[') => {
                    self.at += 1;
                    self.space();
                    self.at += usize::from(self.peek() == Some(b'?'));
                    let index = self.expression(depth + 1)?;
                    if !self.eat(b']') {
                        return None;
                    }
                    found = Expression::Index(Box::new(found), Box::new(index));
                }
                _ => return Some(found),
            }
        }
    }

    fn primary(&mut self, depth: usize) -> Option<Expression> {
        self.space();
        match self.peek()? {
            b'\'' => self.string().map(|t| text(&t)),
            b'-' | b'0'..=b'9' => {
                let end = self.text.get(self.at + 1..)?.iter().position(|b| !b.is_ascii_digit());
                let end = end.map_or(self.text.len(), |n| self.at + 1 + n);
                let number: i64 = self.source.get(self.at..end)?.parse().ok()?;
                self.at = end;
                Some(Expression::Value(Json::from(number)))
            }
            _ => {
                let mut name = self.name()?;
                // Functions of one's own have a namespace.
                if self.peek() == Some(b'.') {
                    let before = self.at;
                    self.at += 1;
                    match self.name() {
                        Some(own) if self.peek() == Some(b'(') => name = format!("{name}.{own}"),
                        _ => self.at = before,
                    }
                }
                if !self.eat(b'(') {
                    return None;
                }
                let mut arguments = Vec::new();
                if self.eat(b')') {
                    return Some(Expression::Call(name, arguments));
                }
                loop {
                    arguments.push(self.expression(depth + 1)?);
                    if self.eat(b')') {
                        return Some(Expression::Call(name, arguments));
                    }
                    if !self.eat(b',') {
                        return None;
                    }
                }
            }
        }
    }

    fn name(&mut self) -> Option<String> {
        let plain = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'$' || *b == b'-';
        let rest = self.text.get(self.at..)?;
        let end = rest.iter().position(|b| !plain(b)).unwrap_or(rest.len());
        let name = self.source.get(self.at..self.at + end).filter(|n| !n.is_empty())?;
        self.at += end;
        Some(name.to_owned())
    }

    /// `'it''s'`.
    fn string(&mut self) -> Option<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let end = memchr::memchr(b'\'', self.text.get(self.at..)?)?;
            out.push_str(self.source.get(self.at..self.at + end)?);
            self.at += end + 1;
            if self.peek() != Some(b'\'') {
                return Some(out);
            }
            out.push('\'');
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_text_is_too_odd(text in "[\\[\\]().,'a-c0-9 ?-]{0,60}") {
            let _any = content(&text);
            let _inside = content(&format!("[f({text})]"));
        }
    }

    #[test]
    fn texts_are_plain_expressions_or_broken() {
        assert_eq!(content("abc"), Content::Plain("abc".to_owned()));
        assert_eq!(content("[[abc]"), Content::Plain("[abc]".to_owned()));
        assert_eq!(content("[abc] x"), Content::Plain("[abc] x".to_owned()));
        let found = content("[concat(parameters('a''b').c[0], -1)]");
        let parameter = Expression::Call("parameters".into(), vec![super::text("a'b")]);
        let member = Expression::Member(Box::new(parameter), "c".into());
        let index = Expression::Index(Box::new(member), Box::new(Expression::Value(Json::from(0))));
        assert_eq!(
            found,
            Content::Expression(Expression::Call(
                "concat".into(),
                vec![index, Expression::Value(Json::from(-1))]
            ))
        );
        assert!(
            matches!(content("[contoso.unique(variables('x'))]"), Content::Expression(Expression::Call(n, _)) if n == "contoso.unique")
        );
        for broken in ["[concat(]", "[a]", "[concat('x)]", "[f(1) g(2)]", "[]"] {
            assert!(matches!(content(broken), Content::Broken(_)), "{broken}");
        }
        assert!(matches!(content(&format!("[{}]", "f(".repeat(10_000))), Content::Broken(_)));
    }
}
