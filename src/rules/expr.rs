//! The `when` of a rule: CEL, the expression language of Kubernetes admission, read by the `cel` crate and lowered
//! once into a tree of our own over typed facts.
//!
//! Lowering checks that every fact exists and that types fit, so that nothing can fail while rules run. What is left
//! is three-valued: a fact that was not collected makes its comparison unknown, and `&&` and `||` absorb that where
//! the other side decides. Loops, maps, `has()` and other functions are refused.

use super::facts::{FactId, Type, Value, find_fact};
use crate::rbac::Tri;
use cel::Program;
use cel::common::ast::{Expr as Ast, IdedExpr, LiteralValue, operators as op};

/// A rule's condition, ready to run.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Expr {
    /// Neither true nor false, whatever the facts.
    Undecided,
    Literal(Literal),
    Fact(FactId),
    Not(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// A text in a list of texts.
    In(Box<Expr>, Box<Expr>),
    Text(TextTest, Box<Expr>, Box<Expr>),
    Size(Box<Expr>),
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Literal {
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<String>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

/// What is wrong with an expression, and at which byte of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ExprError {
    pub(crate) at: usize,
    pub(crate) message: String,
}

const MAX_DEPTH: usize = 64;

/// What an expression may name: the facts of a subject, and the rule's parameters.
pub(crate) struct Names<'a> {
    pub(crate) roots: &'a [&'static str],
    pub(crate) params: &'a [(String, Literal)],
}

/// Reads and checks a condition.
pub(crate) fn compile(text: &str, names: &Names<'_>) -> Result<Expr, ExprError> {
    // The parser recurses; text from a user's rule must not exhaust the stack.
    if text.len() > 4096 || text.matches(['(', '[', '!']).count() > 200 {
        return Err(ExprError { at: 0, message: "expected a shorter expression".to_owned() });
    }
    let program = Program::compile(text).map_err(|errors| {
        let first = errors.errors.first();
        let at = first.map_or(0, |e| offset(text, e.pos));
        let message = first.map_or("expected an expression", |e| e.msg.as_str());
        ExprError { at, message: message.replace('\n', " ") }
    })?;
    let lower = Lower { program: &program, names, text };
    let (expr, kind) = lower.expr(program.expression(), 0)?;
    match kind {
        Type::Bool => Ok(expr),
        other => Err(ExprError { at: 0, message: format!("expected a condition, found a {}", other.name()) }),
    }
}

/// Byte of a one-based line and column.
fn offset(text: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line - 1).unwrap_or(0);
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    (before + usize::try_from(column).unwrap_or(0)).min(text.len())
}

struct Lower<'a> {
    program: &'a Program,
    names: &'a Names<'a>,
    text: &'a str,
}

type Typed = (Expr, Type);

impl Lower<'_> {
    fn fail<T>(&self, node: &IdedExpr, message: impl Into<String>) -> Result<T, ExprError> {
        let at = self.program.source_info().offset_for(node.id).map_or(0, |(start, _)| start as usize);
        Err(ExprError { at: at.min(self.text.len()), message: message.into() })
    }

    fn expr(&self, node: &IdedExpr, depth: usize) -> Result<Typed, ExprError> {
        if depth > MAX_DEPTH {
            return self.fail(node, "expected fewer nested parts");
        }
        match &node.expr {
            Ast::Literal(LiteralValue::Boolean(b)) => Ok((Expr::Literal(Literal::Bool(*b.inner())), Type::Bool)),
            Ast::Literal(LiteralValue::Int(i)) => Ok((Expr::Literal(Literal::Int(*i.inner())), Type::Int)),
            Ast::Literal(LiteralValue::String(s)) => Ok((Expr::Literal(Literal::Text(s.inner().to_owned())), Type::Text)),
            Ast::List(list) => {
                let mut texts = Vec::new();
                for element in &list.elements {
                    match &element.expr {
                        Ast::Literal(LiteralValue::String(s)) => texts.push(s.inner().to_owned()),
                        _ => return self.fail(element, "expected a text in the list"),
                    }
                }
                Ok((Expr::Literal(Literal::List(texts)), Type::List))
            }
            Ast::Select(select) if !select.test => {
                let Ast::Ident(root) = &select.operand.expr else {
                    return self.fail(node, "expected a fact such as `identity.kind`");
                };
                self.name(&select.operand, root, &select.field)
            }
            Ast::Call(call) => {
                let mut args: Vec<&IdedExpr> = call.target.iter().map(AsRef::as_ref).collect();
                args.extend(&call.args);
                self.call(node, &call.func_name, &args, depth)
            }
            _ => self.fail(node, "expected facts, literals, comparisons, `in`, `&&`, `||`, `!`; loops, maps and `has()` are not part of rules"),
        }
    }

    fn name(&self, node: &IdedExpr, root: &str, field: &str) -> Result<Typed, ExprError> {
        if root == "params" {
            return match self.names.params.iter().find(|(name, _)| name == field) {
                Some((_, value)) => Ok((Expr::Literal(value.clone()), value.kind())),
                None => self.fail(node, format!("the rule has no parameter `{field}`")),
            };
        }
        match find_fact(root, field) {
            Some((id, kind)) if self.names.roots.contains(&root) => Ok((Expr::Fact(id), kind)),
            Some(_) => self.fail(
                node,
                format!(
                    "`{root}` is no fact of this rule's subject; expected one of {}",
                    self.names.roots.join(", ")
                ),
            ),
            None => {
                self.fail(node, format!("unknown fact `{root}.{field}`; `leastwise schema rule` lists them"))
            }
        }
    }

    fn call(
        &self,
        node: &IdedExpr,
        function: &str,
        args: &[&IdedExpr],
        depth: usize,
    ) -> Result<Typed, ExprError> {
        let mut typed = Vec::new();
        for arg in args {
            typed.push(self.expr(arg, depth + 1)?);
        }
        let mut typed = typed.into_iter();
        let (first, second, more) = (typed.next(), typed.next(), typed.next());
        let compare = |c: Comparison| (function, c);
        let comparisons = [
            (op::EQUALS, Comparison::Equal),
            (op::NOT_EQUALS, Comparison::NotEqual),
            (op::LESS, Comparison::Less),
            (op::LESS_EQUALS, Comparison::LessOrEqual),
            (op::GREATER, Comparison::Greater),
            (op::GREATER_EQUALS, Comparison::GreaterOrEqual),
        ];
        let comparison =
            comparisons.into_iter().find(|(name, _)| *name == function).map(|(_, c)| compare(c).1);
        let test = match function {
            "startsWith" => Some(TextTest::StartsWith),
            "endsWith" => Some(TextTest::EndsWith),
            "contains" => Some(TextTest::Contains),
            _ => None,
        };
        match (function, first, second, more) {
            (op::LOGICAL_NOT, Some((a, Type::Bool)), None, None) => Ok((Expr::Not(Box::new(a)), Type::Bool)),
            (op::NEGATE, Some((Expr::Literal(Literal::Int(n)), Type::Int)), None, None) => {
                Ok((Expr::Literal(Literal::Int(n.saturating_neg())), Type::Int))
            }
            (op::LOGICAL_AND, Some((a, Type::Bool)), Some((b, Type::Bool)), None) => {
                Ok((Expr::And(Box::new(a), Box::new(b)), Type::Bool))
            }
            (op::LOGICAL_OR, Some((a, Type::Bool)), Some((b, Type::Bool)), None) => {
                Ok((Expr::Or(Box::new(a), Box::new(b)), Type::Bool))
            }
            (op::IN, Some((a, Type::Text)), Some((b, Type::List)), None) => {
                Ok((Expr::In(Box::new(a), Box::new(b)), Type::Bool))
            }
            ("size", Some((a, Type::List | Type::Text)), None, None) => {
                Ok((Expr::Size(Box::new(a)), Type::Int))
            }
            (_, Some((a, Type::Text)), Some((b, Type::Text)), None) if test.is_some() => match test {
                Some(test) => Ok((Expr::Text(test, Box::new(a), Box::new(b)), Type::Bool)),
                None => self.fail(node, "expected a test of a text"),
            },
            (_, Some((a, left)), Some((b, right)), None) if comparison.is_some() => match comparison {
                Some(c @ (Comparison::Equal | Comparison::NotEqual)) if left == right => {
                    Ok((Expr::Compare(c, Box::new(a), Box::new(b)), Type::Bool))
                }
                Some(c) if left == right && left == Type::Int => {
                    Ok((Expr::Compare(c, Box::new(a), Box::new(b)), Type::Bool))
                }
                _ => self
                    .fail(node, format!("a {} cannot be compared with a {} here", left.name(), right.name())),
            },
            _ => self.fail(
                node,
                format!(
                    "`{}` is not part of rules, or not with these types",
                    function.trim_matches(['_', '@', '?', ':', '[', ']'])
                ),
            ),
        }
    }
}

impl Literal {
    fn kind(&self) -> Type {
        match self {
            Literal::Bool(_) => Type::Bool,
            Literal::Int(_) => Type::Int,
            Literal::Text(_) => Type::Text,
            Literal::List(_) => Type::List,
        }
    }

    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Literal::Bool(b) => Value::Bool(*b),
            Literal::Int(i) => Value::Int(*i),
            Literal::Text(t) => Value::Text(t),
            Literal::List(l) => Value::List(l),
        }
    }
}

impl Expr {
    /// Every fact that is named, in order, each once.
    pub(crate) fn facts(&self, into: &mut Vec<FactId>) {
        match self {
            Expr::Literal(_) | Expr::Undecided => {}
            Expr::Fact(id) => {
                if !into.contains(id) {
                    into.push(*id);
                }
            }
            Expr::Not(a) | Expr::Size(a) => a.facts(into),
            Expr::And(a, b)
            | Expr::Or(a, b)
            | Expr::Compare(_, a, b)
            | Expr::In(a, b)
            | Expr::Text(_, a, b) => {
                a.facts(into);
                b.facts(into);
            }
        }
    }

    /// Whether it holds; `fact` looks a fact up.
    pub(crate) fn evaluate<'v>(&'v self, fact: &dyn Fn(FactId) -> Value<'v>) -> Tri {
        match self {
            Expr::And(a, b) => match a.evaluate(fact) {
                Tri::False => Tri::False,
                left => left.and(b.evaluate(fact)),
            },
            Expr::Or(a, b) => match a.evaluate(fact) {
                Tri::True => Tri::True,
                left => left.or(b.evaluate(fact)),
            },
            Expr::Not(a) => !a.evaluate(fact),
            _ => match self.value(fact) {
                Value::Bool(b) => b.into(),
                _ => Tri::Unknown,
            },
        }
    }

    fn value<'v>(&'v self, fact: &dyn Fn(FactId) -> Value<'v>) -> Value<'v> {
        match self {
            Expr::Undecided => Value::Missing,
            Expr::Literal(literal) => literal.value(),
            Expr::Fact(id) => fact(*id),
            Expr::Not(_) | Expr::And(..) | Expr::Or(..) => match self.evaluate(fact) {
                Tri::True => Value::Bool(true),
                Tri::False => Value::Bool(false),
                Tri::Unknown => Value::Missing,
            },
            Expr::Compare(comparison, a, b) => match (a.value(fact), b.value(fact)) {
                (Value::Missing, _) | (_, Value::Missing) => Value::Missing,
                (Value::Int(a), Value::Int(b)) => Value::Bool(match comparison {
                    Comparison::Equal => a == b,
                    Comparison::NotEqual => a != b,
                    Comparison::Less => a < b,
                    Comparison::LessOrEqual => a <= b,
                    Comparison::Greater => a > b,
                    Comparison::GreaterOrEqual => a >= b,
                }),
                (a, b) => Value::Bool((a == b) == (*comparison == Comparison::Equal)),
            },
            Expr::In(a, b) => match (a.value(fact), b.value(fact)) {
                (Value::Text(text), Value::List(list)) => Value::Bool(list.iter().any(|t| t == text)),
                _ => Value::Missing,
            },
            Expr::Text(test, a, b) => match (a.value(fact), b.value(fact)) {
                (Value::Text(a), Value::Text(b)) => Value::Bool(match test {
                    TextTest::StartsWith => a.starts_with(b),
                    TextTest::EndsWith => a.ends_with(b),
                    TextTest::Contains => a.contains(b),
                }),
                _ => Value::Missing,
            },
            Expr::Size(a) => match a.value(fact) {
                Value::List(list) => Value::Int(i64::try_from(list.len()).unwrap_or(i64::MAX)),
                Value::Text(text) => Value::Int(i64::try_from(text.chars().count()).unwrap_or(i64::MAX)),
                _ => Value::Missing,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAMES: Names<'static> = Names { roots: &["identity", "role", "scope"], params: &[] };

    fn error(text: &str) -> String {
        compile(text, &NAMES).unwrap_err().message
    }

    #[test]
    fn what_is_not_a_condition_is_refused() {
        assert!(error("identity.colour == 'red'").starts_with("unknown fact `identity.colour`"));
        assert!(error("vault.policies > 0").starts_with("`vault` is no fact of this rule's subject"));
        assert!(error("identity.grants").starts_with("expected a condition, found a number"));
        assert!(error("identity.grants == 'x'").contains("cannot be compared"));
        assert!(error("has(identity.grants)").contains("loops, maps"));
        assert!(
            error("role.classes.exists(c, c == 'x')").contains("not part of rules"),
            "{}",
            error("role.classes.exists(c, c == 'x')")
        );
        assert!(error("params.x > 1").contains("no parameter `x`"));
        assert!(compile("identity.grants >", &NAMES).is_err());
        assert!(compile(&"(".repeat(3000), &NAMES).is_err());
        let at = compile("scope.level == 'root' &&\n identity.colour == 'x'", &NAMES).unwrap_err().at;
        assert!((26..42).contains(&at), "{at}");
    }

    #[test]
    fn unknown_is_absorbed_only_where_the_other_side_decides() {
        let run = |text: &str| {
            let expr = compile(text, &NAMES).unwrap();
            expr.evaluate(&|_| Value::Missing)
        };
        assert_eq!(run("identity.grants > 1"), Tri::Unknown);
        assert_eq!(run("identity.grants > 1 && 1 > 2"), Tri::False);
        assert_eq!(run("1 < 2 || identity.grants > 1"), Tri::True);
        assert_eq!(run("!(identity.grants > 1)"), Tri::Unknown);
    }

    fn text() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "identity.grants > 1",
            "identity.grants == 2",
            "scope.level == 'root'",
            "scope.level in ['root', 'resource']",
            "'write' in role.classes",
            "role.control_wildcard",
            "size(role.classes) >= 1",
            "scope.level.startsWith('r')",
            "true",
            "1 > 2",
        ])
        .prop_map(str::to_owned);
        leaf.prop_recursive(4, 24, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
                inner.prop_map(|a| format!("!({a})")),
            ]
        })
    }

    proptest! {
        /// Our tree says what the library's interpreter says, missing facts included.
        #[test]
        fn lowered_is_cel(text in text(), grants in prop::option::of(0..4i64), level in prop::option::of(prop::sample::select(vec!["root", "resource", "x"])),
            classes in prop::option::of(prop::collection::vec(prop::sample::select(vec!["write", "read"]).prop_map(str::to_owned), 0..3)), wild in any::<bool>()) {
            let expr = compile(&text, &NAMES).unwrap();
            let ids = |root, field| find_fact(root, field).unwrap().0;
            let classes_ref = classes.as_deref();
            let ours = expr.evaluate(&|id| {
                if id == ids("identity", "grants") { grants.map_or(Value::Missing, Value::Int) }
                else if id == ids("scope", "level") { level.map_or(Value::Missing, Value::Text) }
                else if id == ids("role", "classes") { classes_ref.map_or(Value::Missing, Value::List) }
                else { Value::Bool(wild) }
            });
            let mut context = cel::Context::default();
            let map = |pairs: Vec<(&str, Option<cel::Value>)>| cel::Value::from(pairs.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?))).collect::<std::collections::HashMap<String, cel::Value>>());
            context.add_variable_from_value("identity", map(vec![("grants", grants.map(cel::Value::from))]));
            context.add_variable_from_value("scope", map(vec![("level", level.map(|l| cel::Value::from(l.to_owned())))]));
            context.add_variable_from_value("role", map(vec![("control_wildcard", Some(wild.into())), ("classes", classes.clone().map(cel::Value::from))]));
            let theirs = match Program::compile(&text).unwrap().execute(&context) {
                Ok(cel::Value::Bool(b)) => Tri::from(b),
                Ok(other) => panic!("{other:?}"),
                Err(_) => Tri::Unknown,
            };
            prop_assert_eq!(ours, theirs, "{}", text);
        }
    }
}
