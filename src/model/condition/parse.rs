//! Recursive descent over the tokens, with a bound on depth: a condition is at most 8 KB in Azure and hostile here.

use super::lex::{Token, lex};
use super::{Attribute, Condition, Kind, Operand, Operator, Quantifier, Relation, Source};
use crate::model::operation::ActionPattern;

const MAX_DEPTH: usize = 64;

/// Why a text is no condition.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("expected {expected} at byte {at} of the condition")]
pub struct ConditionError {
    /// Where, in bytes from the start.
    pub at: usize,
    /// What should stand there.
    pub expected: &'static str,
}

impl ConditionError {
    pub(super) fn at(at: usize, expected: &'static str) -> ConditionError {
        ConditionError { at, expected }
    }
}

/// Reads a whole condition; anything left over is an error.
pub fn parse(text: &str) -> Result<Condition, ConditionError> {
    let mut parser = Parser { tokens: lex(text)?, at: 0, end: text.len() };
    let condition = parser.or(0)?;
    match parser.peek() {
        None => Ok(condition),
        Some(_) => Err(parser.expected("the end, `AND` or `OR`")),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    end: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, t)| t)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }

    fn expected(&self, what: &'static str) -> ConditionError {
        ConditionError::at(self.tokens.get(self.at).map_or(self.end, |(at, _)| *at), what)
    }

    fn take(&mut self, sign: &Token, what: &'static str) -> Result<(), ConditionError> {
        if self.peek() == Some(sign) {
            self.at += 1;
            return Ok(());
        }
        Err(self.expected(what))
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word))
    }

    fn or(&mut self, depth: usize) -> Result<Condition, ConditionError> {
        let mut any = vec![self.and(depth)?];
        while self.peek() == Some(&Token::Or) || self.is_word("OR") {
            self.at += 1;
            any.push(self.and(depth)?);
        }
        Ok(one_or(any, Condition::Or))
    }

    fn and(&mut self, depth: usize) -> Result<Condition, ConditionError> {
        let mut all = vec![self.not(depth)?];
        while self.peek() == Some(&Token::And) || self.is_word("AND") {
            self.at += 1;
            all.push(self.not(depth)?);
        }
        Ok(one_or(all, Condition::And))
    }

    fn not(&mut self, depth: usize) -> Result<Condition, ConditionError> {
        if depth > MAX_DEPTH {
            return Err(self.expected("fewer nested parentheses"));
        }
        if self.peek() == Some(&Token::Not) || self.is_word("NOT") {
            self.at += 1;
            return Ok(Condition::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.peek() == Some(&Token::Open) {
            self.at += 1;
            let inner = self.or(depth + 1)?;
            self.take(&Token::Close, "`)`")?;
            return Ok(inner);
        }
        self.test()
    }

    fn test(&mut self) -> Result<Condition, ConditionError> {
        if self.is_word("ActionMatches") {
            self.at += 1;
            return Ok(Condition::ActionMatches(
                self.texts()?.iter().map(|t| ActionPattern::new(t)).collect(),
            ));
        }
        if self.is_word("SubOperationMatches") {
            self.at += 1;
            return Ok(Condition::SubOperationMatches(self.texts()?));
        }
        if self.is_word("Exists") {
            self.at += 1;
            return match self.operand()? {
                Operand::Attribute(attribute) => Ok(Condition::Exists(attribute)),
                Operand::Literal(_) => Err(self.expected("an attribute after `Exists`")),
            };
        }
        let left = self.operand()?;
        let (quantifier, operator) = self.operator()?;
        let right = self.operands()?;
        Ok(Condition::Compare { left, quantifier, operator, right })
    }

    fn operand(&mut self) -> Result<Operand, ConditionError> {
        let what = "an attribute or a value";
        let found = self.expected(what);
        match self.next() {
            Some(Token::Attribute(source, name)) => {
                let source = match source.to_ascii_lowercase().as_str() {
                    "request" => Source::Request,
                    "resource" => Source::Resource,
                    "principal" => Source::Principal,
                    "environment" => Source::Environment,
                    _ => {
                        return Err(ConditionError {
                            expected: "@Request, @Resource, @Principal or @Environment",
                            ..found
                        });
                    }
                };
                Ok(Operand::Attribute(Attribute { source, name }))
            }
            Some(Token::Word(text) | Token::Text(text)) => Ok(Operand::Literal(text)),
            _ => Err(found),
        }
    }

    /// `{a, b}`, or the scalar that some roles write in its place.
    fn operands(&mut self) -> Result<Vec<Operand>, ConditionError> {
        if self.peek() != Some(&Token::OpenSet) {
            return Ok(vec![self.operand()?]);
        }
        self.at += 1;
        let mut values = Vec::new();
        while self.peek() != Some(&Token::CloseSet) {
            values.push(self.operand()?);
            if self.peek() == Some(&Token::Comma) {
                self.at += 1;
            } else if self.peek() != Some(&Token::CloseSet) {
                return Err(self.expected("`,` or `}`"));
            }
        }
        self.at += 1;
        Ok(values)
    }

    fn texts(&mut self) -> Result<Vec<String>, ConditionError> {
        let found = self.expected("actions in `{'…'}`");
        let values = self.operands()?;
        let texts: Vec<String> = values
            .into_iter()
            .filter_map(|v| if let Operand::Literal(text) = v { Some(text) } else { None })
            .collect();
        if texts.is_empty() { Err(found) } else { Ok(texts) }
    }

    fn operator(&mut self) -> Result<(Quantifier, Operator), ConditionError> {
        let found = self.expected("a comparison such as `StringEquals` or `ForAnyOfAnyValues:GuidEquals`");
        let Some(Token::Word(word)) = self.next() else { return Err(found) };
        let word = word.to_ascii_lowercase();
        let (quantifier, name) = match word.split_once(':') {
            None => (Quantifier::AnyOfAny, word.as_str()),
            Some(("foranyofanyvalues", name)) => (Quantifier::AnyOfAny, name),
            Some(("forallofanyvalues", name)) => (Quantifier::AllOfAny, name),
            Some(("foranyofallvalues", name)) => (Quantifier::AnyOfAll, name),
            Some(("forallofallvalues", name)) => (Quantifier::AllOfAll, name),
            Some(_) => return Err(found),
        };
        // `ForAnyOfAnyValues: GuidEquals` with a space is two words.
        let name = if name.is_empty() {
            match self.next() {
                Some(Token::Word(word)) => word.to_ascii_lowercase(),
                _ => return Err(found),
            }
        } else {
            name.to_owned()
        };
        operator(&name).map(|op| (quantifier, op)).ok_or(found)
    }
}

fn one_or(mut many: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    match (many.len(), many.pop()) {
        (1, Some(only)) => only,
        (_, Some(last)) => {
            many.push(last);
            join(many)
        }
        (_, None) => join(many),
    }
}

fn operator(name: &str) -> Option<Operator> {
    let (kind, rest) = [
        ("string", Kind::String),
        ("guid", Kind::Guid),
        ("numeric", Kind::Numeric),
        ("bool", Kind::Bool),
        ("datetime", Kind::DateTime),
    ]
    .into_iter()
    .find_map(|(prefix, kind)| Some((kind, name.strip_prefix(prefix)?)))?;
    let (kind, rest) = match rest.strip_suffix("ignorecase") {
        Some(rest) if kind == Kind::String => (Kind::StringIgnoreCase, rest),
        _ => (kind, rest),
    };
    let (negated, rest) = match rest.strip_prefix("not") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let relation = match rest {
        "equals" => Relation::Equals,
        "startswith" => Relation::StartsWith,
        "like" => Relation::Like,
        "lessthan" => Relation::Less,
        "lessthanequals" => Relation::LessOrEqual,
        "greaterthan" => Relation::Greater,
        "greaterthanequals" => Relation::GreaterOrEqual,
        _ => return None,
    };
    let text = matches!(kind, Kind::String | Kind::StringIgnoreCase);
    let ordered = matches!(kind, Kind::Numeric | Kind::DateTime);
    let fits = match relation {
        Relation::Equals => true,
        Relation::StartsWith | Relation::Like => text,
        _ => ordered && !negated,
    };
    fits.then_some(Operator { kind, relation, negated })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portal_form_is_read() {
        let text = "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals{00482a5a-887f-4fb3-b363-3b7fe8e74483, 8b9dfcab4b774632a6df94bd07820648} AND @Request[Microsoft.Authorization/roleAssignments:PrincipalType] StringEqualsIgnoreCase 'ServicePrincipal'))";
        let Condition::Or(sides) = parse(text).unwrap() else { panic!("not an or") };
        assert_eq!(sides.len(), 2);
    }

    #[test]
    fn odd_forms_of_built_in_roles_are_read() {
        for text in [
            "@Resource[HasObotoken] boolequals true && (@Request[a:b] ForAnyOfAnyValues:GuidEquals {x, y})",
            "Exists @Resource[a:b] OR NOT Exists @Principal[c]",
            "SubOperationMatches{'Blob.List'}",
            "@Environment[UtcNow] DateTimeGreaterThan '2026-01-01T00:00:00Z'",
            "@Request[a:b] ForAnyOfAllValues:GuidNotEquals {8e3af657-a8ff-443c-a75c-2fe8c4bcb635}",
            "@Principal[p:x] StringEquals @Resource[q:y]",
            "@Resource[a:it's] StringLike 'it''s*'",
        ] {
            assert!(parse(text).is_ok(), "{text}: {:?}", parse(text));
        }
    }

    #[test]
    fn what_is_no_condition_says_where() {
        assert_eq!(parse("(@Request[a:b] StringEquals 'x'").unwrap_err().at, 31);
        assert_eq!(parse("@Request[a:b] Stringy 'x'").unwrap_err().at, 14);
        for bad in [
            "",
            "ActionMatches",
            "@Request[a",
            "'x",
            "a & b",
            "@Nobody[a] StringEquals 'x'",
            "@Request[a] GuidLike {x}",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&"(".repeat(100_000)).is_err());
        assert!(parse(&"!".repeat(100_000)).is_err());
    }
}
