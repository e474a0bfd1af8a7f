//! Terraform's source as a tree of our own: what evaluation needs, and where blocks stand. Parsed by `hcl-edit`.
//!
//! Not here: what expressions come to (`evaluate`).

use crate::model::Location;
use crate::sources::iac::place::{Lines, position};
use hcl_edit::Span as _;
use hcl_edit::expr::{Expression, ObjectKey, TraversalOperator};
use hcl_edit::structure::Body;
use hcl_edit::template::{Element, Template};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::rc::Rc;

/// An expression.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Expr {
    Literal(Json),
    Template(Vec<Expr>),
    List(Vec<Expr>),
    Object(Vec<(Expr, Expr)>),
    Name(String),
    Get(Box<Expr>, Box<Expr>),
    /// What follows a `[*]` is asked of each.
    Splat(Box<Expr>, Vec<Expr>),
    If(Box<[Expr; 3]>),
    /// The last argument may stand for many.
    Call(String, Vec<Expr>, bool),
    Unary(char, Box<Expr>),
    Binary(&'static str, Box<[Expr; 2]>),
    For(Box<For>),
    /// Of a kind that is not worked out.
    Opaque(&'static str),
}

#[derive(Clone, PartialEq, Debug)]
pub(super) struct For {
    pub(super) key_name: Option<String>,
    pub(super) value_name: String,
    pub(super) over: Expr,
    pub(super) key: Option<Expr>,
    pub(super) value: Expr,
    pub(super) condition: Option<Expr>,
    pub(super) grouping: bool,
}

/// A block.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Block {
    pub(super) kind: String,
    pub(super) labels: Vec<String>,
    pub(super) attributes: BTreeMap<String, Rc<Expr>>,
    pub(super) blocks: Vec<Rc<Block>>,
    pub(super) location: Location,
}

/// Where a file is broken, and what was expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Broken {
    pub(super) line: u64,
    pub(super) column: u64,
    pub(super) why: String,
}

/// In bytes of nesting: the parser works on the stack.
const DEEPEST: usize = 150;

/// Where brackets are nested beyond all measure: that is refused before the parser sees it.
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    text.bytes().position(|byte| {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > DEEPEST
    })
}

fn body_of(text: &str) -> Result<Body, Broken> {
    if let Some(at) = too_deep(text) {
        let (line, column) = position(text, at);
        return Err(Broken { line, column, why: "expected fewer brackets inside each other".to_owned() });
    }
    text.parse().map_err(|e: hcl_edit::parser::Error| {
        let (line, column) = (e.location().line() as u64, e.location().column() as u64);
        let why = e.message().lines().next().unwrap_or("expected something else").to_owned();
        Broken { line, column, why }
    })
}

/// Reads a file.
pub(super) fn parse(text: &str, path: &str) -> Result<Vec<Rc<Block>>, Broken> {
    let body = body_of(text)?;
    let lines = Lines::of(text);
    Ok(body.blocks().map(|b| Rc::new(block(b, &lines, path))).collect())
}

fn block(from: &hcl_edit::structure::Block, lines: &Lines, path: &str) -> Block {
    let (line, column) = lines.position(from.ident.span().map_or(0, |s| s.start));
    Block {
        kind: from.ident.as_str().to_owned(),
        labels: from.labels.iter().map(|l| l.as_str().to_owned()).collect(),
        attributes: from
            .body
            .attributes()
            .map(|a| (a.key.as_str().to_owned(), Rc::new(expression(&a.value))))
            .collect(),
        blocks: from.body.blocks().map(|b| Rc::new(block(b, lines, path))).collect(),
        location: Location { path: path.to_owned(), line, column },
    }
}

/// The attributes of a file of values (`terraform.tfvars`).
pub(super) fn values(text: &str) -> Result<BTreeMap<String, Rc<Expr>>, Broken> {
    let body = body_of(text)?;
    Ok(body.attributes().map(|a| (a.key.as_str().to_owned(), Rc::new(expression(&a.value)))).collect())
}

fn text_of(text: &str) -> Expr {
    Expr::Literal(Json::from(text))
}

fn expression(from: &Expression) -> Expr {
    let boxed = |e: &Expression| Box::new(expression(e));
    match from {
        Expression::Null(_) => Expr::Literal(Json::Null),
        Expression::Bool(b) => Expr::Literal(Json::Bool(*b.value())),
        Expression::Number(n) => {
            let number = n.value();
            let json = number.as_i64().map(Json::from).or_else(|| number.as_f64().map(Json::from));
            Expr::Literal(json.unwrap_or_default())
        }
        Expression::String(s) => text_of(s.as_str()),
        Expression::Array(items) => Expr::List(items.iter().map(expression).collect()),
        Expression::Object(members) => {
            let member = |(key, value): (&ObjectKey, &hcl_edit::expr::ObjectValue)| {
                let key = match key {
                    ObjectKey::Ident(name) => text_of(name.as_str()),
                    ObjectKey::Expression(e) => expression(e),
                };
                (key, expression(value.expr()))
            };
            Expr::Object(members.iter().map(member).collect())
        }
        Expression::StringTemplate(t) => Expr::Template(t.iter().map(element).collect()),
        Expression::HeredocTemplate(t) => template(&t.template),
        Expression::Parenthesis(inner) => expression(inner.inner()),
        Expression::Variable(name) => Expr::Name(name.as_str().to_owned()),
        Expression::Conditional(c) => Expr::If(Box::new([
            expression(&c.cond_expr),
            expression(&c.true_expr),
            expression(&c.false_expr),
        ])),
        Expression::FuncCall(call) if call.name.namespace.is_empty() => Expr::Call(
            call.name.name.as_str().to_owned(),
            call.args.iter().map(expression).collect(),
            call.args.expand_final(),
        ),
        Expression::FuncCall(_) => Expr::Opaque("a provider's function"),
        Expression::Traversal(t) => traversal(expression(&t.expr), t.operators.iter().map(|o| o.value())),
        Expression::UnaryOp(op) => {
            let sign = if op.operator.as_str() == "!" { '!' } else { '-' };
            Expr::Unary(sign, boxed(&op.expr))
        }
        Expression::BinaryOp(op) => Expr::Binary(
            op.operator.value().as_str(),
            Box::new([expression(&op.lhs_expr), expression(&op.rhs_expr)]),
        ),
        Expression::ForExpr(f) => Expr::For(Box::new(For {
            key_name: f.intro.key_var.as_ref().map(|k| k.as_str().to_owned()),
            value_name: f.intro.value_var.as_str().to_owned(),
            over: expression(&f.intro.collection_expr),
            key: f.key_expr.as_ref().map(expression),
            value: expression(&f.value_expr),
            condition: f.cond.as_ref().map(|c| expression(&c.expr)),
            grouping: f.grouping,
        })),
    }
}

fn traversal<'o>(start: Expr, operators: impl Iterator<Item = &'o TraversalOperator>) -> Expr {
    let mut at = start;
    let operators: Vec<&TraversalOperator> = operators.collect();
    // Each step is one more box inside another.
    if operators.len() > DEEPEST {
        return Expr::Opaque("a path longer than is followed");
    }
    // After a splat everything is asked of each element.
    let mut behind: Option<Vec<Expr>> = None;
    for operator in operators {
        let step = match operator {
            TraversalOperator::GetAttr(name) => text_of(name.as_str()),
            TraversalOperator::Index(e) => expression(e),
            TraversalOperator::LegacyIndex(n) => Expr::Literal(Json::from(*n.value())),
            TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_) => {
                if let Some(steps) = behind.take() {
                    at = Expr::Splat(Box::new(at), steps);
                }
                behind = Some(Vec::new());
                continue;
            }
        };
        match &mut behind {
            Some(steps) => steps.push(step),
            None => at = Expr::Get(Box::new(at), Box::new(step)),
        }
    }
    match behind {
        Some(steps) => Expr::Splat(Box::new(at), steps),
        None => at,
    }
}

/// A text with expressions in it, as the JSON syntax has them. What is one expression alone is that.
pub(super) fn template_of(text: &str) -> Expr {
    match too_deep(text).map_or_else(|| text.parse::<Template>().ok(), |_| None) {
        Some(parsed) => match (template(&parsed), parsed.iter().count()) {
            (Expr::Template(mut parts), 1) => parts.pop().unwrap_or(Expr::Opaque("a text")),
            (made, _) => made,
        },
        None => Expr::Opaque("a text that could not be read"),
    }
}

fn template(from: &Template) -> Expr {
    Expr::Template(from.iter().map(element).collect())
}

fn element(from: &Element) -> Expr {
    match from {
        Element::Literal(text) => text_of(text.as_str()),
        Element::Interpolation(i) => expression(&i.expr),
        Element::Directive(_) => Expr::Opaque("a directive in a text"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_places_and_expressions() {
        let text = "# c\nresource \"a\" \"b\" {\n  x = y[\"k\"].z[*].id\n  inner {\n  }\n}\n";
        let blocks = parse(text, "main.tf").unwrap();
        let block = &blocks[0];
        assert_eq!((block.location.line, block.labels.len(), block.blocks.len()), (2, 2, 1));
        assert!(matches!(&*block.attributes["x"], Expr::Splat(_, steps) if steps.len() == 1));
        let broken = parse("resource \"a\" {\n  x = \n}", "x").unwrap_err();
        assert_eq!(broken.line, 2);
        assert!(parse(&"[".repeat(100_000), "x").is_err());
    }
}
