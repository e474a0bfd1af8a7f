//! Reads expressions of Bicep.
//!
//! Source: the language grammar that the Bicep project publishes, and "Bicep operators", "Strings in Bicep". Spaces never
//! matter, line breaks end a declaration and part items. Operators become the functions of templates that they compile to.
//! Not here: texts (`strings`), declarations (`declarations`) and types (`types`).

use crate::sources::iac::arm::{Broken, Expression, OPERATOR, text};
use serde_json::Value as Json;

/// Deeper than anything that people nest.
pub(super) const DEEPEST: usize = 100;

pub(super) struct Parser<'t> {
    pub(super) source: &'t str,
    pub(super) at: usize,
    /// Types that were named since somebody asked.
    pub(super) types: Vec<String>,
    /// Members of types whose values may not be shown.
    pub(super) secrets: Vec<String>,
}

pub(super) type Parsed<T> = Result<T, Broken>;

/// Operators between two values, from those that bind least, and the function that each is.
const OPERATORS: [&[(&str, &str)]; 7] = [
    &[("??", "coalesce")],
    &[("||", "or")],
    &[("&&", "and")],
    &[("==", "equals"), ("!=", "!equals"), ("=~", "~equals"), ("!~", "!~equals")],
    &[("<=", "lessOrEquals"), (">=", "greaterOrEquals"), ("<", "less"), (">", "greater")],
    &[("+", "add"), ("-", "sub")],
    &[("*", "mul"), ("/", "div"), ("%", "mod")],
];

/// Functions that take as many arguments as there are operands in a row.
const CHAINS: [&str; 3] = ["and", "or", "coalesce"];

fn is_chain(name: &str, function: &str) -> bool {
    CHAINS.contains(&function) && name.strip_prefix(OPERATOR) == Some(function)
}

/// A call of a function of templates, as the language makes it: no function that is declared takes its place.
pub(super) fn call<const N: usize>(name: &str, arguments: [Expression; N]) -> Expression {
    made(name, arguments.into())
}

/// The same with as many arguments as there are.
pub(super) fn made(name: &str, arguments: Vec<Expression>) -> Expression {
    Expression::Call(format!("{OPERATOR}{name}"), arguments)
}

impl<'t> Parser<'t> {
    pub(super) fn new(source: &'t str) -> Parser<'t> {
        let at = if source.starts_with('\u{feff}') { 3 } else { 0 };
        Parser { source, at, types: Vec::new(), secrets: Vec::new() }
    }

    pub(super) fn broken<T>(&self, expected: &'static str) -> Parsed<T> {
        Err(Broken { at: self.at, expected })
    }

    pub(super) fn rest(&self) -> &'t str {
        self.source.get(self.at..).unwrap_or_default()
    }

    pub(super) fn byte(&self, ahead: usize) -> Option<u8> {
        self.source.as_bytes().get(self.at + ahead).copied()
    }

    /// Skips spaces, comments and instructions to the linter, which end with their line.
    pub(super) fn space(&mut self) {
        loop {
            match self.byte(0) {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'#') => self.skip_line(),
                Some(b'/') if self.byte(1) == Some(b'/') => self.skip_line(),
                Some(b'/') if self.byte(1) == Some(b'*') => {
                    let rest = self.rest();
                    self.at += rest.find("*/").map_or(rest.len(), |n| n + 2);
                }
                _ => return,
            }
        }
    }

    fn skip_line(&mut self) {
        let rest = self.rest();
        self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
    }

    /// Skips line breaks, too.
    pub(super) fn lines(&mut self) {
        self.space();
        while matches!(self.byte(0), Some(b'\n' | b'\r')) {
            self.at += 1;
            self.space();
        }
    }

    /// Whether `wanted` comes next on this line; then it is behind.
    pub(super) fn eat(&mut self, wanted: &str) -> bool {
        self.space();
        let there = self.rest().starts_with(wanted);
        self.at += if there { wanted.len() } else { 0 };
        there
    }

    pub(super) fn expect(&mut self, wanted: &'static str, named: &'static str) -> Parsed<()> {
        if self.eat(wanted) { Ok(()) } else { self.broken(named) }
    }

    /// The name that comes next, without taking it.
    pub(super) fn word(&mut self) -> Option<&'t str> {
        self.space();
        let plain = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        let rest = self.rest();
        let end = rest.bytes().position(|b| !plain(&b)).unwrap_or(rest.len());
        rest.get(..end).filter(|w| w.bytes().next().is_some_and(|b| !b.is_ascii_digit()))
    }

    pub(super) fn name(&mut self) -> Parsed<String> {
        match self.word() {
            Some(word) => {
                self.at += word.len();
                Ok(word.to_owned())
            }
            None => self.broken("a name"),
        }
    }

    /// Takes a word if it is this one.
    pub(super) fn keyword(&mut self, wanted: &str) -> bool {
        let there = self.word() == Some(wanted);
        self.at += if there { wanted.len() } else { 0 };
        there
    }

    pub(super) fn expression(&mut self, depth: usize) -> Parsed<Expression> {
        if depth > DEEPEST {
            return self.broken("fewer expressions inside each other");
        }
        let condition = self.binary(0, depth)?;
        let before = self.at;
        self.lines();
        if self.byte(0) == Some(b'?') && !matches!(self.byte(1), Some(b'?' | b'.')) {
            self.at += 1;
            self.lines();
            let yes = self.expression(depth + 1)?;
            self.lines();
            self.expect(":", "`:` and what holds otherwise")?;
            self.lines();
            let no = self.expression(depth + 1)?;
            return Ok(call("if", [condition, yes, no]));
        }
        self.at = before;
        Ok(condition)
    }

    /// Operators of this level and those that bind more.
    fn binary(&mut self, least: usize, depth: usize) -> Parsed<Expression> {
        let mut left = self.unary(depth)?;
        let mut steps = depth;
        loop {
            let before = self.at;
            self.space();
            let line = self.at;
            self.lines();
            let found = self.operator().filter(|(level, ..)| *level >= least);
            // Only operators that nothing else begins with may begin a line.
            let Some((level, spelled, function)) = found.filter(|(l, ..)| line == self.at || *l < 4) else {
                self.at = before;
                return Ok(left);
            };
            self.at += spelled.len();
            self.lines();
            // Each step but those is one more box around another.
            steps += usize::from(!CHAINS.contains(&function));
            if steps > DEEPEST {
                return self.broken("fewer operators in a row");
            }
            let right = self.binary(level + 1, depth + 1)?;
            left = match function.split_once("equals") {
                Some((negated, "")) => {
                    let folded = |e| call("toLower", [e]);
                    let alike =
                        if negated.contains('~') { [folded(left), folded(right)] } else { [left, right] };
                    let same = call("equals", alike);
                    if negated.contains('!') { call("not", [same]) } else { same }
                }
                // One call for as many as there are in a row.
                _ => match left {
                    Expression::Call(name, mut all) if is_chain(&name, function) => {
                        all.push(right);
                        Expression::Call(name, all)
                    }
                    left => call(function, [left, right]),
                },
            };
        }
    }

    /// The operator that comes next: how much it binds, how it is spelled and its function.
    fn operator(&self) -> Option<(usize, &'static str, &'static str)> {
        let rest = self.rest();
        OPERATORS.iter().enumerate().find_map(|(level, operators)| {
            let found = operators.iter().find(|(spelled, _)| rest.starts_with(spelled))?;
            Some((level, found.0, found.1))
        })
    }

    fn unary(&mut self, depth: usize) -> Parsed<Expression> {
        if depth > DEEPEST {
            return self.broken("fewer operators in a row");
        }
        self.space();
        match self.byte(0) {
            Some(b'!') => {
                self.at += 1;
                Ok(call("not", [self.unary(depth + 1)?]))
            }
            Some(b'-') => {
                self.at += 1;
                Ok(match self.unary(depth + 1)? {
                    Expression::Value(Json::Number(n)) => Expression::Value(
                        n.as_i64().and_then(i64::checked_neg).map_or(Json::Null, Json::from),
                    ),
                    other => call("sub", [Expression::Value(Json::from(0)), other]),
                })
            }
            Some(b'+') => {
                self.at += 1;
                self.unary(depth + 1)
            }
            _ => self.postfix(depth),
        }
    }

    fn postfix(&mut self, depth: usize) -> Parsed<Expression> {
        let mut found = self.primary(depth)?;
        let mut steps = depth;
        loop {
            steps += 1;
            if steps > DEEPEST {
                return self.broken("fewer steps in a row");
            }
            let before = self.at;
            self.space();
            // A line may go on with a member; `...` begins another item.
            if matches!(self.byte(0), Some(b'\n' | b'\r')) {
                self.lines();
                if self.byte(0) != Some(b'.') || self.byte(1) == Some(b'.') {
                    self.at = before;
                    return Ok(found);
                }
            }
            found = match (self.byte(0), self.byte(1)) {
                (Some(b'.'), Some(b'.')) => return Ok(found),
                (Some(b'.'), _) => {
                    self.at += 1;
                    let _safe = self.eat("?");
                    let name = self.name()?;
                    let behind = self.at;
                    self.space();
                    let is_call = self.byte(0) == Some(b'(');
                    if !is_call {
                        self.at = behind;
                    }
                    if is_call {
                        self.method(found, &name, depth)?
                    } else {
                        Expression::Member(Box::new(found), name)
                    }
                }
                // `parent::child`.
                (Some(b':'), Some(b':')) => {
                    self.at += 2;
                    let name = self.name()?;
                    match found {
                        Expression::Name(parent) => Expression::Name(format!("{parent}::{name}")),
                        other => Expression::Member(Box::new(other), name),
                    }
                }
                // That it is not null is the compiler's business.
                (Some(b'!'), next) if !matches!(next, Some(b'=' | b'~')) => {
                    self.at += 1;
                    found
                }
                (Some(b'['), _) => {
                    self.at += 1;
                    let _safe = self.eat("?");
                    let from_end = self.eat("^");
                    self.lines();
                    let mut index = self.expression(depth + 1)?;
                    self.lines();
                    self.expect("]", "`]`")?;
                    if from_end {
                        index = call("sub", [call("length", [found.clone()]), index]);
                    }
                    Expression::Index(Box::new(found), Box::new(index))
                }
                _ => {
                    self.at = before;
                    return Ok(found);
                }
            };
        }
    }

    /// A function of a namespace, or of a resource.
    fn method(&mut self, of: Expression, name: &str, depth: usize) -> Parsed<Expression> {
        let mut arguments = self.arguments(depth)?;
        Ok(match of {
            Expression::Name(namespace) => Expression::Call(format!("{namespace}.{name}"), arguments),
            other => {
                arguments.insert(0, other);
                Expression::Call(name.to_owned(), arguments)
            }
        })
    }

    fn arguments(&mut self, depth: usize) -> Parsed<Vec<Expression>> {
        self.expect("(", "`(`")?;
        let mut arguments = Vec::new();
        loop {
            self.lines();
            if self.eat(")") {
                return Ok(arguments);
            }
            arguments.push(self.expression(depth + 1)?);
            self.lines();
            if !self.eat(",") && self.byte(0) != Some(b')') {
                return self.broken("`,` or `)`");
            }
        }
    }

    fn primary(&mut self, depth: usize) -> Parsed<Expression> {
        self.space();
        match self.byte(0) {
            Some(b'\'' | b'$') => self.string(depth),
            Some(b'0'..=b'9') => self.number(),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'(') => {
                if let Some(lambda) = self.lambda(depth)? {
                    return Ok(lambda);
                }
                self.at += 1;
                self.lines();
                let inside = self.expression(depth + 1)?;
                self.lines();
                self.expect(")", "`)`")?;
                Ok(inside)
            }
            _ => {
                let Some(word) = self.word() else { return self.broken("a value") };
                if let Some(lambda) = self.lambda(depth)? {
                    return Ok(lambda);
                }
                self.at += word.len();
                let behind = self.at;
                self.space();
                let is_call = self.byte(0) == Some(b'(');
                if !is_call {
                    self.at = behind;
                }
                let value = match word {
                    "true" => Json::Bool(true),
                    "false" => Json::Bool(false),
                    "null" => Json::Null,
                    _ if is_call => {
                        return Ok(Expression::Call(word.to_owned(), self.arguments(depth)?));
                    }
                    _ => return Ok(Expression::Name(word.to_owned())),
                };
                Ok(Expression::Value(value))
            }
        }
    }

    fn number(&mut self) -> Parsed<Expression> {
        let rest = self.rest();
        let end = rest.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
        match rest.get(..end).and_then(|digits| digits.parse::<i64>().ok()) {
            Some(number) => {
                self.at += end;
                Ok(Expression::Value(Json::from(number)))
            }
            None => self.broken("a whole number that fits"),
        }
    }

    /// `x => …` and `(x, y) => …`; nothing else is taken.
    fn lambda(&mut self, depth: usize) -> Parsed<Option<Expression>> {
        let before = self.at;
        let mut names = Vec::new();
        if self.eat("(") {
            self.lines();
            while let Some(word) = self.word() {
                self.at += word.len();
                names.push(text(word));
                self.lines();
                if !self.eat(",") {
                    break;
                }
                self.lines();
            }
            self.lines();
            if !self.eat(")") {
                self.at = before;
                return Ok(None);
            }
        } else if let Some(word) = self.word() {
            self.at += word.len();
            names.push(text(word));
        }
        if !self.eat("=>") {
            self.at = before;
            return Ok(None);
        }
        self.lines();
        names.push(self.expression(depth + 1)?);
        Ok(Some(made("lambda", names)))
    }

    fn object(&mut self, depth: usize) -> Parsed<Expression> {
        self.expect("{", "`{`")?;
        let mut parts = Vec::new();
        let mut members = Vec::new();
        while !self.ends(b'}')? {
            if self.eat("...") {
                parts.push(made("createObject", std::mem::take(&mut members)));
                parts.push(self.expression(depth + 1)?);
            } else {
                let key =
                    if self.byte(0) == Some(b'\'') { self.string(depth + 1)? } else { text(&self.name()?) };
                self.expect(":", "`:`")?;
                self.lines();
                members.extend([key, self.expression(depth + 1)?]);
            }
            self.parted(b'}')?;
        }
        let last = made("createObject", members);
        Ok(if parts.is_empty() {
            last
        } else {
            parts.push(last);
            call("shallowMerge", [Expression::Call("createArray".to_owned(), parts)])
        })
    }

    /// Whether a list ends here; then its end is behind.
    pub(super) fn ends(&mut self, end: u8) -> Parsed<bool> {
        self.lines();
        let there = self.byte(0) == Some(end);
        self.at += usize::from(there);
        if !there && self.at >= self.source.len() {
            return self.broken(if end == b'}' { "`}`" } else { "`]`" });
        }
        Ok(there)
    }

    /// Items are parted by commas or line breaks.
    pub(super) fn parted(&mut self, end: u8) -> Parsed<()> {
        let parted =
            self.eat(",") || self.byte(0) == Some(end) || matches!(self.byte(0), Some(b'\n' | b'\r'));
        if parted { Ok(()) } else { self.broken("a new line, or a comma") }
    }

    fn array(&mut self, depth: usize) -> Parsed<Expression> {
        self.expect("[", "`[`")?;
        self.lines();
        if self.word() == Some("for") {
            let (copy, _) = self.each(depth)?;
            let body = self.expression(depth + 1)?;
            self.lines();
            self.expect("]", "`]`")?;
            let mut lambda: Vec<Expression> = copy.names.iter().map(|n| text(n)).collect();
            lambda.push(body);
            return Ok(call("map", [copy.over, made("lambda", lambda)]));
        }
        let mut parts = Vec::new();
        let mut items = Vec::new();
        while !self.ends(b']')? {
            if self.eat("...") {
                parts.push(made("createArray", std::mem::take(&mut items)));
                parts.push(self.expression(depth + 1)?);
            } else {
                items.push(self.expression(depth + 1)?);
            }
            self.parted(b']')?;
        }
        let last = made("createArray", items);
        Ok(if parts.is_empty() {
            last
        } else {
            parts.push(last);
            made("concat", parts)
        })
    }

    /// `for item in over:`, with the condition behind it, if there is one.
    pub(super) fn each(&mut self, depth: usize) -> Parsed<(super::syntax::Copy, Option<Expression>)> {
        let _for = self.keyword("for");
        let mut names = Vec::new();
        if self.eat("(") {
            self.lines();
            names.push(self.name()?);
            self.lines();
            self.expect(",", "`,`")?;
            self.lines();
            names.push(self.name()?);
            self.lines();
            self.expect(")", "`)`")?;
        } else {
            names.push(self.name()?);
        }
        if !self.keyword("in") {
            return self.broken("`in`");
        }
        let over = self.expression(depth + 1)?;
        self.expect(":", "`:`")?;
        self.lines();
        let condition = if self.keyword("if") { Some(self.condition(depth)?) } else { None };
        self.lines();
        Ok((super::syntax::Copy { names, over }, condition))
    }

    /// `(…)` behind an `if`.
    pub(super) fn condition(&mut self, depth: usize) -> Parsed<Expression> {
        self.expect("(", "`(`")?;
        self.lines();
        let condition = self.expression(depth + 1)?;
        self.lines();
        self.expect(")", "`)`")?;
        self.lines();
        Ok(condition)
    }
}
