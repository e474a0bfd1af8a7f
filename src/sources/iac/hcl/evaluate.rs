//! What Terraform's expressions come to, as far as the source says. What it does not say is a mark inside a text: an
//! attribute of an instance, of a lookup, or nothing that is known.
//!
//! Source: "Expressions" of the Terraform language. Not here: which instances there are (`source`), functions
//! (`functions`).

use super::functions;
use super::source::{Env, Terraform};
use super::tree::{Expr, For};
use crate::sources::iac::instance::Mark;
use crate::sources::iac::size_of;
use serde_json::{Map, Value as Json};

const DEEPEST: usize = 120;

impl Terraform {
    pub(super) fn evaluate(&self, expr: &Expr, scope: usize, env: &Env, depth: usize) -> Json {
        if depth > DEEPEST || !self.burn() {
            return Mark::unknown("too deep to be worked out");
        }
        let go = |e: &Expr| self.evaluate(e, scope, env, depth + 1);
        match expr {
            Expr::Literal(json) => json.clone(),
            Expr::Template(parts) => match parts.as_slice() {
                // A text that is one expression is that, whatever it is.
                [only] if !matches!(only, Expr::Literal(_)) => go(only),
                parts => bounded(Json::String(parts.iter().map(|p| shown(&go(p))).collect())),
            },
            // Lists of lists grow with every name that stands for one.
            Expr::List(items) => bounded(items.iter().map(go).collect()),
            Expr::Object(members) => {
                bounded(Json::Object(members.iter().map(|(k, v)| (shown(&go(k)), go(v))).collect()))
            }
            Expr::Name(_) | Expr::Get(..) => self.path(expr, scope, env, depth),
            Expr::Splat(of, steps) => {
                let of = go(of);
                let items = match of {
                    Json::Array(items) => items,
                    Json::Null => Vec::new(),
                    // Of what is one, the list of it.
                    other => vec![other],
                };
                let steps: Vec<Json> = steps.iter().map(go).collect();
                let each = |item: Json| steps.iter().fold(item, |at, step| self.member(&at, step, depth));
                items.into_iter().map(each).collect()
            }
            Expr::If(parts) => {
                let [condition, yes, no] = &**parts;
                match go(condition) {
                    Json::Bool(true) => go(yes),
                    Json::Bool(false) => go(no),
                    _ => {
                        // Which one it will be is not known: only what both say is.
                        let (yes, no) = (go(yes), go(no));
                        if yes == no { yes } else { Mark::unknown("a condition that is not known") }
                    }
                }
            }
            Expr::Unary(sign, of) => match (sign, go(of)) {
                ('!', Json::Bool(b)) => Json::Bool(!b),
                ('-', number) => {
                    number.as_i64().map_or_else(|| Mark::unknown("a number"), |n| Json::from(-n))
                }
                (_, other) => Mark::unknown(&shown(&other)),
            },
            Expr::Binary(operator, sides) => {
                let [left, right] = &**sides;
                functions::binary(operator, &go(left), || go(right))
            }
            Expr::Call(name, arguments, expand) => {
                if name == "try" || name == "can" {
                    let first = arguments.iter().map(go).find(|v| !v.is_null());
                    let known = first.as_ref().and_then(Mark::of).is_none_or(|m| !m.is_unknown());
                    return match (name == "can", known) {
                        (true, true) => Json::Bool(first.is_some()),
                        (true, false) => Mark::unknown("whether it can be worked out"),
                        (false, _) => first.unwrap_or_default(),
                    };
                }
                let mut values: Vec<Json> = arguments.iter().map(go).collect();
                if let (true, Some(Json::Array(last))) = (*expand, values.last().cloned()) {
                    values.pop();
                    values.extend(last);
                }
                bounded(functions::call(name, &values))
            }
            Expr::For(f) => self.each(f, scope, env, depth),
            Expr::Opaque(what) => Mark::unknown(what),
        }
    }

    fn each(&self, f: &For, scope: usize, env: &Env, depth: usize) -> Json {
        let over = self.evaluate(&f.over, scope, env, depth + 1);
        let pairs: Vec<(Json, Json)> = match &over {
            Json::Array(items) => items.iter().enumerate().map(|(n, v)| (Json::from(n), v.clone())).collect(),
            Json::Object(members) => {
                members.iter().map(|(k, v)| (Json::from(k.as_str()), v.clone())).collect()
            }
            Json::Null => Vec::new(),
            other => return Mark::unknown(&format!("a loop over {}", shown(other))),
        };
        let mut list = Vec::new();
        let mut object: Map<String, Json> = Map::new();
        for (key, value) in pairs {
            let mut inner = env.clone();
            inner.names.push((f.value_name.clone(), value));
            if let Some(name) = &f.key_name {
                inner.names.push((name.clone(), key));
            }
            let go = |e: &Expr| self.evaluate(e, scope, &inner, depth + 1);
            if f.condition.as_ref().is_some_and(|c| go(c) == Json::Bool(false)) {
                continue;
            }
            match &f.key {
                Some(key) => {
                    let (key, value) = (shown(&go(key)), go(&f.value));
                    if f.grouping {
                        let group = object.entry(key).or_insert_with(|| Vec::<Json>::new().into());
                        if let Json::Array(group) = group {
                            group.push(value);
                        }
                    } else {
                        object.insert(key, value);
                    }
                }
                None => list.push(go(&f.value)),
            }
        }
        bounded(if f.key.is_some() { object.into() } else { list.into() })
    }

    /// A name with what is asked of it.
    fn path(&self, expr: &Expr, scope: usize, env: &Env, depth: usize) -> Json {
        let mut steps = Vec::new();
        let mut at = expr;
        while let Expr::Get(of, step) = at {
            steps.push(self.evaluate(step, scope, env, depth + 1));
            at = of;
        }
        steps.reverse();
        let Expr::Name(root) = at else {
            let start = self.evaluate(at, scope, env, depth + 1);
            return steps.iter().fold(start, |at, step| self.member(&at, step, depth));
        };
        let (start, used) = self.root(root, &steps, scope, env, depth);
        steps.iter().skip(used).fold(start, |at, step| self.member(&at, step, depth))
    }

    /// What a name and its first steps mean, and how many steps those are.
    fn root(&self, root: &str, steps: &[Json], scope: usize, env: &Env, depth: usize) -> (Json, usize) {
        let step = |n: usize| steps.get(n).and_then(Json::as_str).unwrap_or_default();
        if let Some((_, value)) = env.names.iter().rev().find(|(name, _)| name == root) {
            return (value.clone(), 0);
        }
        match root {
            "var" => (self.variable(step(0), scope, depth), 1),
            "local" => (self.local(step(0), scope, depth), 1),
            "each" => match (step(0), &env.each) {
                ("key", Some((key, _))) => (key.clone(), 1),
                ("value", Some((_, value))) => (value.clone(), 1),
                _ => (Mark::unknown(&format!("each.{}", step(0))), 1),
            },
            "count" => (env.count.map_or_else(|| Mark::unknown("count.index"), Json::from), 1),
            "path" => (Json::from("."), 1),
            "terraform" => (Mark::unknown("terraform.workspace"), 1),
            "self" => (Mark::unknown("self"), 0),
            "module" => self.module_output(steps, scope, depth),
            "data" => {
                let address = self.inside(scope, &format!("data.{}.{}", step(0), step(1)));
                // Which one of several is looked up says nothing more.
                let keyed =
                    steps.get(2).is_some_and(|s| s.is_number() || self.is_keyed(scope, step(0), step(1)));
                (Mark::data(step(0), &address), if keyed { 3 } else { 2 })
            }
            kind => self.resource(kind, steps, scope, env),
        }
    }

    fn resource(&self, kind: &str, steps: &[Json], scope: usize, _env: &Env) -> (Json, usize) {
        let name = steps.first().and_then(Json::as_str).unwrap_or_default();
        let found = self.instances_of(scope, kind, name);
        let Some(first) = found.first() else {
            return (Mark::unknown(&self.inside(scope, &format!("{kind}.{name}"))), 1);
        };
        if first.1.is_none() {
            return (Mark::instance(first.0), 1);
        }
        match steps.get(1) {
            Some(wanted) => {
                let same = |key: &Option<Json>| {
                    key.as_ref().is_some_and(|k| k == wanted || shown(k) == shown(wanted))
                };
                let picked = found.iter().find(|(_, key)| same(key));
                // One stands for all where keys are not known.
                let picked = picked.or_else(|| {
                    found.first().filter(|(_, k)| k.as_ref().is_some_and(|k| Mark::of(k).is_some()))
                });
                let picked = picked.map(|(at, _)| Mark::instance(*at));
                (picked.unwrap_or_else(|| Mark::unknown(&format!("{kind}.{name}[{}]", shown(wanted)))), 2)
            }
            None if first.1.as_ref().is_some_and(Json::is_number) => {
                (found.iter().map(|(at, _)| Mark::instance(*at)).collect(), 1)
            }
            None => {
                let members = found
                    .iter()
                    .map(|(at, key)| (key.as_ref().map(shown).unwrap_or_default(), Mark::instance(*at)));
                (Json::Object(members.collect()), 1)
            }
        }
    }

    /// A member of a value; of an instance, what its block says or the mark of what it will be.
    pub(super) fn member(&self, of: &Json, key: &Json, depth: usize) -> Json {
        let name = shown(key);
        match of {
            Json::Object(members) => return members.get(&name).cloned().unwrap_or_default(),
            Json::Array(items) => {
                let at = key.as_u64().or_else(|| name.parse().ok()).and_then(|n| usize::try_from(n).ok());
                return at.and_then(|n| items.get(n)).cloned().unwrap_or_default();
            }
            _ => {}
        }
        match Mark::of(of) {
            Some(Mark::Instance(at, path)) if path.is_empty() => {
                let said = self.attribute(at, &name, depth + 1);
                let unknown = Mark::of(&said).is_some_and(|m| m.is_unknown());
                if said.is_null() || unknown { Mark::Instance(at, name).json() } else { said }
            }
            Some(mark) => mark.with(&name).json(),
            None => Json::Null,
        }
    }
}

/// A value of a size that people write: what multiplies without end is not known.
fn bounded(value: Json) -> Json {
    if size_of(&value) > 50_000 { Mark::unknown("a value larger than is worked out") } else { value }
}

/// A value inside a text.
pub(super) fn shown(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}
