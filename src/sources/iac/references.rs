//! What an expression of a plan's configuration refers to: other instances, lookups, and the inputs and outputs of modules,
//! followed to where something is known.
//!
//! Not here: reading the plan (`plan`).

use super::address::{joined, module_names, parent_of, split, strip};
use super::instance::Value;
use super::node::{Look as _, Node};
use super::plan::{Plan, Planned, Written, known};
use serde_json::Value as Json;
use std::collections::HashMap;

/// The most modules and references that are followed one after the other.
const DEPTH: usize = 24;

impl<'a> Plan<'a> {
    /// The configuration of a module, by its address with or without keys.
    pub(super) fn module(&self, address: &str) -> Option<&Node<'a>> {
        let mut at = self.configuration.member("root_module")?;
        if address.is_empty() {
            return Some(at);
        }
        for name in module_names(address) {
            at = at.member("module_calls")?.member(&name)?.member("module")?;
        }
        Some(at)
    }

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

    /// What the configuration says of a resource or lookup.
    fn written(&self, module: &str, kind: &str, name: &str, data: bool) -> Option<&Node<'a>> {
        let resources = self.module(module)?.member("resources")?.as_array()?;
        // Instances of one module are written once.
        let names = module.contains('[').then(|| module_names(module).join("."));
        let module = names.as_deref().unwrap_or(module);
        let mut known = self.written.borrow_mut();
        if !known.contains_key(module) {
            let mut positions: Written = [HashMap::new(), HashMap::new()];
            for (n, resource) in resources.iter().enumerate() {
                let [managed, looked_up] = &mut positions;
                let own = if resource.text("mode") == "data" { looked_up } else { managed };
                let of_kind = own.entry(resource.text("type").to_owned()).or_default();
                of_kind.entry(resource.text("name").to_owned()).or_insert(n);
            }
            known.insert(module.to_owned(), positions);
        }
        let [managed, looked_up] = known.get(module)?;
        let own = if data { looked_up } else { managed };
        resources.get(*own.get(kind)?.get(name)?)
    }

    /// The expression of an attribute of an instance.
    pub(super) fn expression(&self, planned: &Planned, path: &[&str]) -> Option<&Node<'a>> {
        let mut at =
            self.written(&planned.module, &planned.kind, &planned.name, false)?.member("expressions")?;
        for step in path {
            at = match step.parse::<usize>() {
                Ok(n) if at.is_array() => at.items().get(n).or_else(|| at.items().first())?,
                Ok(_) => at,
                Err(_) => at.member(step)?,
            };
        }
        Some(at)
    }

    /// The key of the provider that an instance or a lookup goes through.
    pub(super) fn provider_of(&self, at: Option<usize>, address: &str) -> Option<&str> {
        let written = match at.and_then(|at| self.planned.get(at)) {
            Some(planned) => self.written(&planned.module, &planned.kind, &planned.name, false),
            None => {
                let (module, rest) = address.rsplit_once("data.")?;
                let mut parts = rest.split(['.', '[']);
                let (kind, name) = (parts.next()?, parts.next()?);
                self.written(module.trim_end_matches('.'), kind, name, true)
            }
        };
        written?.member("provider_config_key").and_then(Node::as_str)
    }

    /// What a lookup is told, by its address.
    pub(super) fn expression_of_data(&self, address: &str, attribute: &str) -> Option<&Node<'a>> {
        let (module, rest) = address.rsplit_once("data.").unwrap_or(("", address));
        let mut parts = rest.split(['.', '[']);
        let (kind, name) = (parts.next()?, parts.next()?);
        self.written(module.trim_end_matches('.'), kind, name, true)?.member("expressions")?.member(attribute)
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
        let all = self.by_name.get(&(module.into(), kind.into(), name.into()))?;
        let has =
            |n: &&usize, wanted: &Json| self.planned.get(**n).and_then(|p| p.index.as_ref()) == Some(wanted);
        if let Some(key) = key {
            let inner = key.trim_start_matches('[').trim_end_matches(']');
            let wanted: Json = serde_json::from_str(inner).ok()?;
            return all.iter().find(|n| has(n, &wanted)).copied();
        }
        let ours = self.planned.get(at).and_then(|p| p.index.clone());
        let same = ours.and_then(|ours| all.iter().find(|n| has(n, &ours)).copied());
        same.or_else(|| all.first().copied().filter(|_| all.len() == 1))
    }

    /// An attribute of an instance: its value where it is known, else itself.
    fn attribute(&self, at: usize, path: &str, depth: usize) -> Value {
        let steps: Vec<&str> = path.split('.').filter(|s| !s.is_empty()).collect();
        match self.planned.get(at).map(|p| known(&p.change, &steps)) {
            Some(Some(value)) if !value.is_null() && depth < DEPTH => Value::Known(value.owned()),
            _ => Value::Of(at, path.to_owned()),
        }
    }

    /// A module's input.
    fn input(&self, name: &str, at: usize, module: &str, want: &str, depth: usize) -> Option<Value> {
        let Some((parent, call)) = parent_of(module) else {
            let value = self.variables.member(name).and_then(|v| v.member("value"));
            return value.map(|v| Value::Known(v.owned()));
        };
        let call = self.module(&parent)?.member("module_calls")?.member(&call)?;
        match call.member("expressions").and_then(|e| e.member(name)) {
            Some(expression) => self.follow(expression, at, &parent, want, depth + 1).into_iter().next(),
            None => {
                let input = call.member("module")?.member("variables")?.member(name)?;
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
        let call = self.module(module)?.member("module_calls")?.member(name)?;
        let expression = call.member("module")?.member("outputs")?.member(output)?.member("expression")?;
        let inner = joined(module, &format!("module.{name}{key}"));
        self.follow(expression, at, &inner, want, depth + 1).into_iter().next()
    }
}
