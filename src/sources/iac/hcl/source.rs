//! A root module with its modules, from source: which instances of which resources there will be, and what their attributes
//! are.
//!
//! Source: "Modules", "Meta-Arguments" and "Input Variables" of the Terraform language. Not here: what expressions come to
//! (`evaluate`).

use super::evaluate::shown;
use super::module::{Module, given};
use super::tree::{Block, Expr};
use crate::model::{Gap, Reason, Source};
use crate::sources::Files;
use crate::sources::iac::instance::{Instance, Mark};
use crate::sources::iac::place::{installed, normal};
use crate::sources::iac::scripts::assigns_roles;
use serde_json::Value as Json;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// What surrounds an expression.
#[derive(Clone, Default, Debug)]
pub(super) struct Env {
    pub(super) each: Option<(Json, Json)>,
    pub(super) count: Option<u64>,
    /// Names of loops, the innermost last.
    pub(super) names: Vec<(String, Json)>,
}

/// Variables and local values by scope, each with how much was known when it was worked out, where that matters.
type Known = HashMap<(usize, String), (Option<usize>, Json)>;

/// A module where it is called.
struct Scope {
    folder: String,
    address: String,
    /// The scope that calls it, with the call and what surrounds that.
    call: Option<(usize, Rc<Block>, Env)>,
    /// What it calls: name, key, scope.
    calls: Vec<(String, Option<Json>, usize)>,
}

pub(super) struct Detail {
    pub(super) scope: usize,
    pub(super) block: Rc<Block>,
    pub(super) env: Env,
    key: Option<Json>,
}

/// A root module.
pub(crate) struct Terraform {
    modules: HashMap<String, Module>,
    scopes: Vec<Scope>,
    pub(super) instances: Vec<Instance>,
    pub(super) details: Vec<Detail>,
    by_name: HashMap<(usize, String, String), Vec<usize>>,
    /// Loops over what is not known before modules are.
    late: Vec<(usize, Rc<Block>)>,
    given: BTreeMap<String, Rc<Expr>>,
    known: RefCell<Known>,
    under_way: RefCell<Vec<(usize, String)>>,
    fuel: Cell<usize>,
    /// Blocks with more instances than are made.
    cut: RefCell<BTreeSet<String>>,
    pub(crate) gaps: Vec<Gap>,
}

/// Modules inside each other, and instances of one block.
const DEEPEST: usize = 16;
pub(super) const MOST: usize = 1000;
const SCOPES: usize = 20_000;
const FUEL: usize = 20_000_000;

impl Terraform {
    /// Reads a root module. `set` are values of its variables.
    /// `more` are files of values, as text, besides those that Terraform takes by itself.
    pub(crate) fn read(
        files: &dyn Files,
        folder: &str,
        set: &HashMap<String, Json>,
        more: &[String],
    ) -> Terraform {
        let mut terraform = Terraform {
            modules: HashMap::new(),
            scopes: Vec::new(),
            instances: Vec::new(),
            details: Vec::new(),
            by_name: HashMap::new(),
            late: Vec::new(),
            given: BTreeMap::new(),
            known: RefCell::default(),
            under_way: RefCell::default(),
            fuel: Cell::new(FUEL),
            cut: RefCell::default(),
            gaps: Vec::new(),
        };
        terraform.load(files, folder);
        terraform.given = given(files, folder, more, &mut terraform.gaps);
        let literal = |(name, value): (&String, &Json)| (name.clone(), Rc::new(Expr::Literal(value.clone())));
        terraform.given.extend(set.iter().map(literal));
        terraform.scopes.push(Scope {
            folder: folder.to_owned(),
            address: String::new(),
            call: None,
            calls: Vec::new(),
        });
        let installed = installed(files, folder);
        terraform.resources(0);
        terraform.calls(files, 0, &installed, 0);
        // Loops over what modules give back come last.
        for (scope, block) in std::mem::take(&mut terraform.late) {
            terraform.made(scope, &block);
        }
        terraform.gaps.extend(terraform.commands());
        for place in terraform.cut.take() {
            let detail = format!("the block at {place} has more instances than are made here ({MOST})");
            terraform.gaps.push(Gap::new(Source::Files, "", Reason::Unsupported, detail));
        }
        if terraform.fuel.get() == 0 {
            let detail = format!("the source in `{folder}` takes more work than is done here: give a plan");
            terraform.gaps.push(Gap::new(Source::Files, "", Reason::Unsupported, detail));
        }
        terraform
    }

    /// That actions and programs run which assign roles, or write to Azure by themselves.
    fn commands(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for scope in 0..self.scopes.len() {
            let said = |expr: &Rc<Expr>| self.evaluate(expr, scope, &Env::default(), 0).to_string();
            let assigns = |block: &Block| {
                block.attributes.values().chain(block.blocks.iter().flat_map(|b| b.attributes.values())).any(
                    |e| {
                        // A program is a list of words.
                        assigns_roles(&said(e).replace("\",\"", " "))
                    },
                )
            };
            let actions = self
                .blocks(scope, "action")
                .into_iter()
                .filter(|b| b.labels.first().is_some_and(|kind| kind.starts_with("azapi_")) || assigns(b));
            let programs = self.blocks(scope, "data").into_iter();
            let programs =
                programs.filter(|b| b.labels.first().is_some_and(|k| k == "external") && assigns(b));
            for block in actions.chain(programs) {
                let detail = format!("`{}` may grant access, and is not read", block.labels.join("."));
                let gap = Gap::new(Source::RoleAssignments, "", Reason::Unsupported, detail);
                gaps.push(gap.at(block.location.clone()));
            }
        }
        gaps
    }

    fn load(&mut self, files: &dyn Files, folder: &str) -> bool {
        if self.modules.contains_key(folder) {
            return true;
        }
        let module = Module::read(files, folder, &mut self.gaps);
        let there = !module.blocks.is_empty();
        self.modules.insert(folder.to_owned(), module);
        there
    }

    fn blocks(&self, scope: usize, kind: &str) -> Vec<Rc<Block>> {
        let module = self.scopes.get(scope).and_then(|s| self.modules.get(&s.folder));
        module.and_then(|m| m.blocks.get(kind)).cloned().unwrap_or_default()
    }

    /// The block of a kind with these labels.
    fn block(&self, scope: usize, kind: &str, labels: &[&str]) -> Option<Rc<Block>> {
        let module = self.scopes.get(scope).and_then(|s| self.modules.get(&s.folder))?;
        let labels = labels.iter().map(|l| (*l).to_owned()).collect();
        module.named.get(&(kind.to_owned(), labels)).cloned()
    }

    /// Folders whose blocks were made into something.
    pub(crate) fn entered(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(|s| s.folder.as_str())
    }

    /// Whether no block of any file was read.
    pub(crate) fn is_empty(&self) -> bool {
        self.modules.values().all(|module| module.blocks.is_empty())
    }

    /// Names of variables of the root module.
    pub(crate) fn declared(&self) -> Vec<String> {
        let variables = self.blocks(0, "variable");
        variables.iter().filter_map(|b| b.labels.first().cloned()).collect()
    }

    /// Modules that a scope calls.
    fn calls(&mut self, files: &dyn Files, scope: usize, installed: &HashMap<String, String>, depth: usize) {
        for call in self.blocks(scope, "module") {
            let Some(name) = call.labels.first().cloned() else { continue };
            let address = self.inside(scope, &format!("module.{name}"));
            let Some(folder) = self.folder(scope, &call, &address, installed).filter(|f| self.load(files, f))
            else {
                let source =
                    call.attributes.get("source").map(|s| self.evaluate(s, scope, &Env::default(), 0));
                let source = source.map(|s| shown(&s)).unwrap_or_default();
                let detail = format!(
                    "the module `{address}` ({source}) is not there: `terraform init` fetches it, or give a plan"
                );
                self.gaps
                    .push(Gap::new(Source::Files, "", Reason::Unresolved, detail).at(call.location.clone()));
                continue;
            };
            if depth >= DEEPEST || self.scopes.len() >= SCOPES {
                let detail = format!(
                    "the module `{address}` lies deeper than modules are read, or there are too many"
                );
                self.gaps
                    .push(Gap::new(Source::Files, "", Reason::Unsupported, detail).at(call.location.clone()));
                continue;
            }
            for (key, env) in self.turns(&call, scope) {
                let at = self.scopes.len();
                let shown = key.as_ref().map(bracketed).unwrap_or_default();
                self.scopes.push(Scope {
                    folder: folder.clone(),
                    address: format!("{address}{shown}"),
                    call: Some((scope, Rc::clone(&call), env)),
                    calls: Vec::new(),
                });
                if let Some(outer) = self.scopes.get_mut(scope) {
                    outer.calls.push((name.clone(), key, at));
                }
                self.resources(at);
                self.calls(files, at, installed, depth + 1);
            }
        }
    }

    fn folder(
        &self,
        scope: usize,
        call: &Block,
        address: &str,
        installed: &HashMap<String, String>,
    ) -> Option<String> {
        let source = shown(&self.evaluate(call.attributes.get("source")?, scope, &Env::default(), 0));
        if source.starts_with("./") || source.starts_with("../") {
            let own = &self.scopes.get(scope)?.folder;
            return Some(normal(&format!("{own}/{source}")));
        }
        let key = super::super::address::module_names(address).join(".");
        installed.get(&key).cloned()
    }

    /// Once for each instance of a block: its key, and what surrounds its expressions.
    fn turns(&self, block: &Block, scope: usize) -> Vec<(Option<Json>, Env)> {
        let outer = Env::default();
        if let Some(count) = block.attributes.get("count") {
            let count = self.evaluate(count, scope, &outer, 0);
            return match count.as_u64().or_else(|| count.as_bool().map(u64::from)) {
                Some(n) => (0..self.at_most(block, n))
                    .map(|n| (Some(Json::from(n)), Env { count: Some(n), ..Env::default() }))
                    .collect(),
                None => vec![(None, outer)],
            };
        }
        let Some(each) = block.attributes.get("for_each") else { return vec![(None, outer)] };
        let turn =
            |key: Json, value: Json| (Some(key.clone()), Env { each: Some((key, value)), ..Env::default() });
        match self.evaluate(each, scope, &outer, 0) {
            Json::Object(members) => {
                self.at_most(block, members.len() as u64);
                members.into_iter().take(MOST).map(|(key, value)| turn(Json::from(key), value)).collect()
            }
            Json::Array(items) => {
                self.at_most(block, items.len() as u64);
                items.into_iter().take(MOST).map(|item| turn(item.clone(), item)).collect()
            }
            Json::Null => Vec::new(),
            // How often is not known: once stands for all.
            _ => {
                let key = Mark::unknown("each.key");
                vec![(
                    Some(key.clone()),
                    Env { each: Some((key, Mark::unknown("each.value"))), ..Env::default() },
                )]
            }
        }
    }

    /// So many instances, and a note where they are fewer than there will be.
    fn at_most(&self, block: &Block, n: u64) -> u64 {
        if n > MOST as u64 {
            let at = &block.location;
            self.cut.borrow_mut().insert(format!("{}:{}:{}", at.path, at.line, at.column));
        }
        n.min(MOST as u64)
    }

    /// Resources of a scope, before the modules that it calls: those are told of them.
    fn resources(&mut self, scope: usize) {
        let mut blocks = self.blocks(scope, "resource");
        // Loops over other resources come after those.
        let looped =
            |b: &Rc<Block>| b.attributes.contains_key("for_each") || b.attributes.contains_key("count");
        blocks.sort_by_key(looped);
        for block in blocks {
            let unknown = looped(&block) && {
                let turns = self.turns(&block, scope);
                matches!(turns.as_slice(), [(key, _)] if key.as_ref().is_none_or(|k| Mark::of(k).is_some()))
            };
            if unknown {
                self.late.push((scope, block));
            } else {
                self.made(scope, &block);
            }
        }
    }

    /// The instances of a block.
    fn made(&mut self, scope: usize, block: &Rc<Block>) {
        let [kind, name] = block.labels.as_slice() else { return };
        for (key, env) in self.turns(block, scope) {
            let shown = key.as_ref().map(bracketed).unwrap_or_default();
            let made = Instance {
                address: self.inside(scope, &format!("{kind}.{name}{shown}")),
                kind: kind.clone(),
                location: Some(block.location.clone()),
                kept: false,
            };
            let known = self.by_name.entry((scope, kind.clone(), name.clone())).or_default();
            known.push(self.instances.len());
            self.instances.push(made);
            self.details.push(Detail { scope, block: Rc::clone(block), env, key });
        }
    }

    pub(super) fn inside(&self, scope: usize, address: &str) -> String {
        match self.scopes.get(scope) {
            Some(scope) if !scope.address.is_empty() => format!("{}.{address}", scope.address),
            _ => address.to_owned(),
        }
    }

    pub(super) fn burn(&self) -> bool {
        let left = self.fuel.get();
        self.fuel.set(left.saturating_sub(1));
        left > 0
    }

    /// Instances of a resource with their keys.
    pub(super) fn instances_of(&self, scope: usize, kind: &str, name: &str) -> Vec<(usize, Option<Json>)> {
        let found = self.by_name.get(&(scope, kind.to_owned(), name.to_owned())).into_iter().flatten();
        found.filter_map(|at| Some((*at, self.details.get(*at)?.key.clone()))).collect()
    }

    /// Whether a lookup is made several times.
    pub(super) fn is_keyed(&self, scope: usize, kind: &str, name: &str) -> bool {
        let found = self.lookup(scope, kind, name);
        found.is_some_and(|b| b.attributes.contains_key("for_each") || b.attributes.contains_key("count"))
    }

    fn lookup(&self, scope: usize, kind: &str, name: &str) -> Option<Rc<Block>> {
        self.block(scope, "data", &[kind, name])
    }

    /// What looks something up, by its address.
    pub(super) fn looked_up_by(&self, address: &str) -> Option<(usize, Rc<Block>)> {
        let (module, rest) = address.rsplit_once("data.").unwrap_or(("", address));
        let module = module.trim_end_matches('.');
        let (kind, name) = rest.split_once('.')?;
        let name = name.split('.').next()?;
        let scope = self.scopes.iter().position(|s| s.address == module)?;
        Some((scope, self.lookup(scope, kind, name)?))
    }

    /// Blocks of a kind in the module of a scope.
    pub(super) fn blocks_of(&self, scope: usize, kind: &str) -> &[Rc<Block>] {
        let module = self.scopes.get(scope).and_then(|s| self.modules.get(&s.folder));
        module.and_then(|m| m.blocks.get(kind)).map_or(&[], Vec::as_slice)
    }

    /// The scope that calls another, with the call.
    pub(super) fn call_of(&self, scope: usize) -> Option<(usize, &Rc<Block>)> {
        self.scopes.get(scope)?.call.as_ref().map(|(outer, block, _)| (*outer, block))
    }

    /// What is worked out once: a variable or a local value, which may not need itself.
    fn once(&self, scope: usize, name: String, work: impl FnOnce() -> Json) -> Json {
        let key = (scope, name);
        let now = self.instances.len() + self.scopes.len();
        // Before all instances are known, what refers to them is not said for good.
        if let Some((at, known)) = self.known.borrow().get(&key)
            && at.is_none_or(|at| at == now)
        {
            return known.clone();
        }
        if self.under_way.borrow().contains(&key) {
            return Mark::unknown(&key.1);
        }
        self.under_way.borrow_mut().push(key.clone());
        let value = work();
        self.under_way.borrow_mut().pop();
        let at = value.to_string().contains("\\u0001").then_some(now);
        self.known.borrow_mut().insert(key, (at, value.clone()));
        value
    }

    pub(super) fn variable(&self, name: &str, scope: usize, depth: usize) -> Json {
        self.once(scope, format!("var.{name}"), || {
            let declared = self.block(scope, "variable", &[name]);
            // A secret is nobody's to show: what depends on it is not known.
            let secret = declared.as_ref().and_then(|d| d.attributes.get("sensitive"));
            if secret.is_some_and(|s| matches!(&**s, Expr::Literal(Json::Bool(true)))) {
                return Mark::unknown(&format!("var.{name}, which is sensitive"));
            }
            let given = match self.scopes.get(scope).and_then(|s| s.call.as_ref()) {
                Some((outer, call, env)) => {
                    call.attributes.get(name).map(|e| self.evaluate(e, *outer, env, depth + 1))
                }
                None => self.given.get(name).map(|e| self.evaluate(e, scope, &Env::default(), depth + 1)),
            };
            let default = || {
                let default = declared.as_ref().and_then(|d| d.attributes.get("default"));
                default.map(|e| self.evaluate(e, scope, &Env::default(), depth + 1))
            };
            let value = given.or_else(default).unwrap_or_else(|| Mark::unknown(&format!("var.{name}")));
            match declared.as_ref().and_then(|d| d.attributes.get("type")) {
                Some(kind) => self.of_type(value, kind, scope, depth),
                None => value,
            }
        })
    }

    /// A value of a type: members that may be left out get their defaults.
    fn of_type(&self, value: Json, kind: &Expr, scope: usize, depth: usize) -> Json {
        if let Expr::Name(name) = kind {
            return match (name.as_str(), &value) {
                ("string", Json::Number(_) | Json::Bool(_)) => shown(&value).into(),
                ("number", Json::String(text)) => text.parse::<i64>().map_or(value, Json::from),
                ("bool", Json::String(text)) if text == "true" || text == "false" => (text == "true").into(),
                _ => value,
            };
        }
        let Expr::Call(name, arguments, _) = kind else { return value };
        let inner = arguments.first();
        match (name.as_str(), value, inner) {
            ("optional", value, Some(inner)) => self.of_type(value, inner, scope, depth),
            ("object", Json::Object(mut members), Some(Expr::Object(declared))) => {
                // What is not declared is dropped.
                let mut kept = serde_json::Map::new();
                for (key, kind) in declared {
                    let key = match key {
                        Expr::Literal(key) => shown(key),
                        Expr::Name(key) => key.clone(),
                        _ => continue,
                    };
                    let default = || match kind {
                        Expr::Call(name, arguments, _) if name == "optional" => {
                            let default = arguments.get(1);
                            default
                                .map_or(Json::Null, |d| self.evaluate(d, scope, &Env::default(), depth + 1))
                        }
                        _ => Json::Null,
                    };
                    let found = members.remove(&key).filter(|v| !v.is_null()).unwrap_or_else(default);
                    kept.insert(key, self.of_type(found, kind, scope, depth));
                }
                kept.into()
            }
            ("map", Json::Object(members), Some(inner)) => {
                let each = members.into_iter().map(|(k, v)| (k, self.of_type(v, inner, scope, depth)));
                Json::Object(each.collect())
            }
            ("list" | "set", Json::Array(items), Some(inner)) => {
                items.into_iter().map(|v| self.of_type(v, inner, scope, depth)).collect()
            }
            (_, value, _) => value,
        }
    }

    pub(super) fn local(&self, name: &str, scope: usize, depth: usize) -> Json {
        self.once(scope, format!("local.{name}"), || {
            let module = self.scopes.get(scope).and_then(|s| self.modules.get(&s.folder));
            match module.and_then(|m| m.locals.get(name)) {
                Some(expr) => self.evaluate(expr, scope, &Env::default(), depth + 1),
                None => Mark::unknown(&format!("local.{name}")),
            }
        })
    }

    /// `module.name.output`, with a key between where there are several.
    pub(super) fn module_output(&self, steps: &[Json], scope: usize, depth: usize) -> (Json, usize) {
        let name = steps.first().and_then(Json::as_str).unwrap_or_default();
        let all = self.scopes.get(scope).map(|s| s.calls.as_slice()).unwrap_or_default();
        let called: Vec<_> = all.iter().filter(|(n, ..)| n == name).collect();
        let keyed = called.first().is_some_and(|(_, key, _)| key.is_some());
        let picked = if keyed {
            let wanted = steps.get(1).map(shown);
            called.iter().find(|(_, key, _)| key.as_ref().map(shown) == wanted).or(called.first())
        } else {
            called.first()
        };
        let used = if keyed { 3 } else { 2 };
        let output = steps.get(used - 1).map(shown).unwrap_or_default();
        let Some((.., inner)) = picked else {
            return (Mark::unknown(&format!("module.{name}.{output}")), used);
        };
        let declared = self.block(*inner, "output", &[&output]);
        let value = declared.as_ref().and_then(|d| d.attributes.get("value"));
        let value = value.map(|e| self.evaluate(e, *inner, &Env::default(), depth + 1));
        (value.unwrap_or_else(|| Mark::unknown(&format!("module.{name}.{output}"))), used)
    }

    /// What the block of an instance says of an attribute.
    pub(super) fn attribute(&self, at: usize, name: &str, depth: usize) -> Json {
        let Some(detail) = self.details.get(at) else { return Json::Null };
        match detail.block.attributes.get(name) {
            Some(expr) => self.evaluate(expr, detail.scope, &detail.env, depth),
            None => Json::Null,
        }
    }
}

/// A key as addresses have it.
fn bracketed(key: &Json) -> String {
    match (key, Mark::of(key)) {
        (_, Some(_)) => "[each.key]".to_owned(),
        (Json::String(text), _) => format!("[\"{text}\"]"),
        (other, _) => format!("[{other}]"),
    }
}
