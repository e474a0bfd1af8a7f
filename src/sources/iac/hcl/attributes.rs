//! What instances of Terraform source say: attributes, and blocks with those that loops make.
//!
//! Not here: which instances there are (`source`).

use super::source::{Env, MOST, Terraform};
use super::tree::{Block, Expr};
use crate::sources::iac::instance::{Configuration, Instance, Mark, Value, has_marks};
use crate::sources::iac::scripts::{TOLD, TOLD_BY_SELF, assigns_roles, names_principal};
use serde_json::Value as Json;
use std::rc::Rc;

impl Terraform {
    /// Blocks of a name inside an instance's, those that loops make included, each with what surrounds it.
    fn inner(&self, at: usize, name: &str) -> Vec<(Rc<Block>, Env)> {
        let Some(detail) = self.details.get(at) else { return Vec::new() };
        let mut found = Vec::new();
        for block in &detail.block.blocks {
            if block.kind == name {
                found.push((Rc::clone(block), detail.env.clone()));
            }
            if block.kind == "dynamic" && block.labels == [name] {
                let Some(content) = block.blocks.iter().find(|b| b.kind == "content") else { continue };
                let iterator = match block.attributes.get("iterator").map(|e| &**e) {
                    Some(Expr::Name(name)) => name.clone(),
                    _ => name.to_owned(),
                };
                let over = block.attributes.get("for_each");
                let over = over.map(|e| self.evaluate(e, detail.scope, &detail.env, 0)).unwrap_or_default();
                let pairs: Vec<(Json, Json)> = match over {
                    Json::Array(items) => items.into_iter().map(|v| (v.clone(), v)).collect(),
                    Json::Object(members) => members.into_iter().map(|(k, v)| (Json::from(k), v)).collect(),
                    Json::Null => Vec::new(),
                    other => vec![(other.clone(), other)],
                };
                for (key, value) in pairs.into_iter().take(MOST) {
                    let mut env = detail.env.clone();
                    env.names.push((iterator.clone(), serde_json::json!({"key": key, "value": value})));
                    found.push((Rc::clone(content), env));
                }
            }
        }
        found
    }

    fn raw(&self, at: usize, path: &[&str]) -> Json {
        match path {
            [] => Json::Null,
            [name] => self.attribute(at, name, 0),
            [block, n, rest @ ..] => {
                let scope = self.details.get(at).map_or(0, |d| d.scope);
                let found = self.inner(at, block).into_iter().nth(n.parse().unwrap_or(0));
                match (found, rest) {
                    (Some((block, env)), [name]) => block
                        .attributes
                        .get(*name)
                        .map(|e| self.evaluate(e, scope, &env, 0))
                        .unwrap_or_default(),
                    // Some blocks may be written as a list of objects.
                    (None, rest) => {
                        let list = self.attribute(at, block, 0);
                        let item = list.as_array().and_then(|all| all.get(n.parse::<usize>().ok()?));
                        item.and_then(|item| rest.iter().try_fold(item, |at, name| at.get(name)))
                            .cloned()
                            .unwrap_or_default()
                    }
                    _ => Json::Null,
                }
            }
        }
    }
}

impl Configuration for Terraform {
    fn instances(&self) -> &[Instance] {
        &self.instances
    }

    fn value(&self, at: usize, path: &[&str]) -> Value {
        read(self.raw(at, path))
    }

    fn list(&self, at: usize, path: &[&str]) -> Vec<Value> {
        match self.raw(at, path) {
            Json::Array(items) => items.into_iter().map(read).collect(),
            Json::Null => Vec::new(),
            other => vec![read(other)],
        }
    }

    fn assigns_by_script(&self, at: usize) -> bool {
        let provisioners = self.inner(at, "provisioner").len();
        let told = (0..provisioners).any(|n| {
            let n = n.to_string();
            TOLD.iter().any(|key| {
                let said = self.raw(at, &["provisioner", &n, key]);
                assigns_roles(&said.to_string()) || names_principal(&said)
            })
        });
        // What a resource is told, its scripts have as `self`.
        told || provisioners > 0 && TOLD_BY_SELF.iter().any(|key| names_principal(&self.raw(at, &[key])))
    }

    fn blocks(&self, at: usize, name: &str) -> usize {
        match self.inner(at, name).len() {
            0 => self.attribute(at, name, 0).as_array().map_or(0, |items| items.len().min(MOST)),
            some => some,
        }
    }

    fn subscription_of(&self, at: Option<usize>, address: &str) -> Option<String> {
        let (scope, block) = match at {
            Some(at) => self.details.get(at).map(|d| (d.scope, Rc::clone(&d.block)))?,
            None => self.looked_up_by(address)?,
        };
        self.subscription_through(scope, &block)
    }

    fn own_subscription(&self) -> Option<String> {
        let provider = self.provider(0, None)?;
        let id = self.evaluate(provider.attributes.get("subscription_id")?, 0, &Env::default(), 0);
        id.as_str().filter(|id| !has_marks(id)).map(str::to_owned)
    }

    fn looked_up(&self, address: &str, attribute: &str) -> Value {
        let Some((scope, block)) = self.looked_up_by(address) else { return Value::Absent };
        match block.attributes.get(attribute) {
            Some(expr) => read(self.evaluate(expr, scope, &Env::default(), 0)),
            None => Value::Absent,
        }
    }
}

fn read(json: Json) -> Value {
    match (Mark::of(&json), &json) {
        (Some(mark), _) => mark.value(),
        (None, Json::Null) => Value::Absent,
        _ => Value::Known(json),
    }
}
