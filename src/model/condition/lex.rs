//! Words, strings and signs of a condition, each with the byte where it starts.

use super::ConditionError;

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Token {
    /// A word: a keyword, an operator, a number, a bare GUID.
    Word(String),
    /// `'text'`, quotes removed.
    Text(String),
    /// `@Source[name]`
    Attribute(String, String),
    Open,
    Close,
    OpenSet,
    CloseSet,
    Comma,
    Not,
    And,
    Or,
}

pub(super) fn lex(text: &str) -> Result<Vec<(usize, Token)>, ConditionError> {
    let mut tokens = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let token = match c {
            c if c.is_whitespace() => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            '{' => Token::OpenSet,
            '}' => Token::CloseSet,
            ',' => Token::Comma,
            '!' => Token::Not,
            '&' | '|' => match rest.next() {
                Some((_, d)) if d == c => {
                    if c == '&' {
                        Token::And
                    } else {
                        Token::Or
                    }
                }
                _ => return Err(ConditionError::at(at, "`&&` or `||`")),
            },
            '\'' => {
                let mut value = String::new();
                loop {
                    match rest.next() {
                        None => return Err(ConditionError::at(at, "a closing quote")),
                        Some((_, '\'')) if rest.peek().is_some_and(|(_, d)| *d == '\'') => {
                            rest.next();
                            value.push('\'');
                        }
                        Some((_, '\'')) => break Token::Text(value),
                        Some((_, d)) => value.push(d),
                    }
                }
            }
            '@' => {
                let source = word(&mut rest);
                if rest.next().is_none_or(|(_, d)| d != '[') {
                    return Err(ConditionError::at(at, "`[` after the attribute's source"));
                }
                let mut name = String::new();
                loop {
                    match rest.next() {
                        None => return Err(ConditionError::at(at, "`]` after the attribute's name")),
                        Some((_, ']')) => break Token::Attribute(source, name.trim().to_ascii_lowercase()),
                        Some((_, d)) => name.push(d),
                    }
                }
            }
            c if in_word(c) => Token::Word(format!("{c}{}", word(&mut rest))),
            _ => return Err(ConditionError::at(at, "a word, a value or a sign of the condition language")),
        };
        tokens.push((at, token));
    }
    Ok(tokens)
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || "_-:.+/*$".contains(c)
}

fn word(rest: &mut std::iter::Peekable<std::str::CharIndices<'_>>) -> String {
    std::iter::from_fn(|| rest.next_if(|(_, c)| in_word(*c)).map(|(_, c)| c)).collect()
}
