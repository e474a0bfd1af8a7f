//! What an expression of a plan's configuration refers to: other instances, lookups, and the inputs and outputs of modules,
//! followed to where something is known.
//!
//! Not here: reading the plan (`plan`).

use super::address::{joined, parent_of, split, strip};
use super::instance::Value;
use super::node::{Look as _, Node};
use super::plan::{Plan, known};
use super::written::Block;
use crate::sources::arm::Text;
use serde_json::Value as Json;

/// The most modules and references that are followed one after the other.
const DEPTH: usize = 24;

impl<'a> Plan<'a> {
    /// What an expression of the configuration refers to, the most exact first.
    fn references<'e>(expression: &'e Node<'a>) -> Vec<&'e str> {
        let all = expression.member("references").map(|r| r.items()).unwrap_or_default();
        let mut kept: Vec<&str> = Vec::new();
        for reference in all.iter().filter_map(Node::as_str) {
            let prefix = |longer: &&str| {
                longer.strip_prefix(reference).is_some_and(|rest| rest.starts_with(['.', '[']))
            };
            if !kept.iter().any(prefix) && !kept.contains(&reference) {
                kept.push(reference);
            }
        }
        kept
    }

    /// What the configuration says of a lookup, by its address.
    fn lookup(&self, address: &str) -> Option<&Block<'a>> {
        let (module, rest) = address.rsplit_once("data.")?;
        let mut parts = rest.split(['.', '[']);
        let (kind, name) = (parts.next()?, parts.next()?);
        self.configuration.module(module.trim_end_matches('.'))?.block(kind, name, true)
    }

    /// The key of the provider that an instance or a lookup goes through.
    pub(super) fn provider_of(&self, at: Option<usize>, address: &str) -> Option<&str> {
        let written = match at.and_then(|at| self.planned.get(at)) {
            Some(planned) => {
                self.configuration.module(&planned.module)?.block(&planned.kind, &planned.name, false)
            }
            None => self.lookup(address),
        };
        written?.provider_config_key.as_ref().map(Text::as_str)
    }

    /// What a lookup is told, by its address.
    pub(super) fn expression_of_data(&self, address: &str, attribute: &str) -> Option<Node<'a>> {
        self.lookup(address)?.expressions().member(attribute).cloned()
    }

    pub(super) fn follow(
        &self,
        expression: &Node<'a>,
        at: usize,
        module: &str,
        want: &str,
        depth: usize,
    ) -> Vec<Value> {
        if let Some(known) = expression.member("constant_value") {
            return vec![Value::Known(known.owned())];
        }
        let references = Self::references(expression);
        let real =
            |r: &&str| !matches!(*r, "count.index" | "each.key" | "each.value" | "path.module" | "path.root");
        let real: Vec<&str> = references.iter().copied().filter(real).collect();
        if real.is_empty() {
            let key = self.planned.get(at).and_then(|p| p.index.clone());
            return match (references.first(), key) {
                (Some(&"each.key" | &"count.index"), Some(key)) => vec![Value::Known(key)],
                (Some(first), _) => vec![Value::Unknown(format!("it comes from `{first}`"))],
                (None, _) => vec![Value::Unknown("it is worked out by an expression".to_owned())],
            };
        }
        real.into_iter().map(|r| self.reference(r, at, module, want, depth)).collect()
    }

    /// What a reference in a module means to one instance.
    fn reference(&self, reference: &str, at: usize, module: &str, want: &str, depth: usize) -> Value {
        let missing = || Value::Unknown(format!("it comes from `{reference}`"));
        if depth > DEPTH {
            return Value::Unknown(format!("references to `{reference}` do not end"));
        }
        let mut parts = split(reference);
        match parts.first().map(String::as_str) {
            Some("var") => match parts.get(1) {
                Some(name) => self.input(name, at, module, want, depth).unwrap_or_else(missing),
                None => missing(),
            },
            Some("local" | "each" | "self" | "root" | "path" | "terraform") => missing(),
            Some("module") => self.output(&parts, at, module, want, depth).unwrap_or_else(missing),
            Some("data") => {
                let (Some(kind), Some(name)) = (parts.get(1).cloned(), parts.get(2).cloned()) else {
                    return missing();
                };
                let tail = strip(&parts.split_off(3), want);
                Value::Data(kind.clone(), joined(module, &format!("data.{kind}.{name}")), tail)
            }
            Some(kind) => {
                let Some(name) = parts.get(1).cloned() else { return missing() };
                let tail = parts.get(2..).unwrap_or_default();
                let (key, tail) = match tail.first().filter(|t| t.starts_with('[')) {
                    Some(key) => (Some(key.as_str()), tail.get(1..).unwrap_or_default()),
                    None => (None, tail),
                };
                match self.pick(module, kind, &name, key, at) {
                    Some(found) => self.attribute(found, &strip(tail, want), depth),
                    None => missing(),
                }
            }
            None => missing(),
        }
    }

    /// The instance that a reference means: the one of the key, else the one that shares ours, else the only one.
    fn pick(&self, module: &str, kind: &str, name: &str, key: Option<&str>, at: usize) -> Option<usize> {
        let all = || self.named(module, kind, name);
        let has =
            |n: &usize, wanted: &Json| self.planned.get(*n).and_then(|p| p.index.as_ref()) == Some(wanted);
        if let Some(key) = key {
            let inner = key.trim_start_matches('[').trim_end_matches(']');
            let wanted: Json = serde_json::from_str(inner).ok()?;
            return all().find(|n| has(n, &wanted));
        }
        let ours = self.planned.get(at).and_then(|p| p.index.as_ref());
        let same = ours.and_then(|ours| all().find(|n| has(n, ours)));
        let mut only = all();
        same.or_else(|| only.next().filter(|_| only.next().is_none()))
    }

    /// An attribute of an instance: its value where it is known, else itself.
    fn attribute(&self, at: usize, path: &str, depth: usize) -> Value {
        let steps: Vec<&str> = path.split('.').filter(|s| !s.is_empty()).collect();
        let change = self.opened(at);
        match change.as_deref().and_then(|change| known(change, &steps)) {
            Some(value) if !value.is_null() && depth < DEPTH => Value::Known(value.owned()),
            _ => Value::Of(at, path.to_owned()),
        }
    }

    /// A module's input.
    fn input(&self, name: &str, at: usize, module: &str, want: &str, depth: usize) -> Option<Value> {
        let Some((parent, call)) = parent_of(module) else {
            let value = self.variables.member(name).and_then(|v| v.member("value"));
            return value.map(|v| Value::Known(v.owned()));
        };
        let call = self.configuration.module(&parent)?.call(&call)?;
        match call.expressions.member(name) {
            Some(expression) => self.follow(expression, at, &parent, want, depth + 1).into_iter().next(),
            None => {
                let input = call.module.as_ref()?.variables.member(name)?;
                input.member("default").map(|v| Value::Known(v.owned()))
            }
        }
    }

    /// A module's output.
    fn output(&self, parts: &[String], at: usize, module: &str, want: &str, depth: usize) -> Option<Value> {
        let (name, rest) = (parts.get(1)?, parts.get(2..)?);
        let (key, rest) = match rest.first().filter(|r| r.starts_with('[')) {
            Some(key) => (key.as_str(), rest.get(1..)?),
            None => ("", rest),
        };
        let output = rest.first()?;
        let called = self.configuration.module(module)?.call(name)?.module.as_ref()?;
        let expression = called.outputs.member(output)?.member("expression")?;
        let inner = joined(module, &format!("module.{name}{key}"));
        self.follow(expression, at, &inner, want, depth + 1).into_iter().next()
    }
}
