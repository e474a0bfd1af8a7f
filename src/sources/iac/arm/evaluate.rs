//! What expressions of a template come to. What is only known on deployment is a text `${…}`, and stays one through every
//! function that does not need it; what would need it is such a text, too.
//!
//! Not here: the functions that look at their arguments alone (`functions`).

use super::expression::{Content, Expression, content};
use super::functions;
use super::json::{Node, Tree};
use crate::sources::iac::size_of;
use serde_json::{Map, Value as Json};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

/// A text for what is not known.
pub(super) fn symbol(words: &str) -> Json {
    let inner = words.replace("${", "").replace('}', "");
    Json::String(format!("${{{inner}}}"))
}

/// Whether a value is not known.
pub(super) fn is_unknown(value: &Json) -> bool {
    value.as_str().is_some_and(|t| t.starts_with("${") && t.ends_with('}'))
}

/// A number as templates have it.
pub(super) fn number(value: &Json) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str().and_then(|t| t.parse().ok()))
}

/// Expressions that are worked out in one deployment: no template of people's takes more.
const FUEL: usize = 2_000_000;
const DEEPEST: usize = 120;

/// What deployments give back, by id and name.
pub(super) type Outputs = HashMap<String, HashMap<String, Json>>;

/// What the expressions of one template may refer to.
pub(super) struct Frame<'t> {
    pub(super) parameters: HashMap<String, Json>,
    pub(super) variables: HashMap<String, &'t Node>,
    pub(super) functions: HashMap<String, &'t Node>,
    /// Resources by their symbolic names, with their ids.
    pub(super) symbols: HashMap<String, String>,
    /// The id of the scope that is deployed to.
    pub(super) place: String,
    /// Loops that are under way, by name, the innermost last.
    pub(super) copies: Vec<(String, usize)>,
    pub(super) outputs: &'t RefCell<Outputs>,
    lambdas: RefCell<Vec<(String, Json)>>,
    known: RefCell<HashMap<String, Json>>,
    under_way: RefCell<Vec<String>>,
    fuel: &'t Cell<usize>,
}

impl<'t> Frame<'t> {
    pub(super) fn new(place: &str, outputs: &'t RefCell<Outputs>, fuel: &'t Cell<usize>) -> Frame<'t> {
        Frame {
            parameters: HashMap::new(),
            variables: HashMap::new(),
            functions: HashMap::new(),
            symbols: HashMap::new(),
            place: place.to_owned(),
            copies: Vec::new(),
            outputs,
            lambdas: RefCell::default(),
            known: RefCell::default(),
            under_way: RefCell::default(),
            fuel,
        }
    }

    /// A full tank.
    pub(super) fn fuel() -> Cell<usize> {
        Cell::new(FUEL)
    }

    /// The value of a node, with everything inside it.
    pub(super) fn value(&self, node: &Node) -> Json {
        self.value_at(node, 0)
    }

    fn value_at(&self, node: &Node, depth: usize) -> Json {
        if depth > DEEPEST || !self.burn() {
            return symbol("too deep to be worked out");
        }
        match &node.value {
            Tree::Leaf(Json::String(text)) => self.text(text, depth),
            Tree::Leaf(leaf) => leaf.clone(),
            Tree::List(items) => items.iter().map(|i| self.value_at(i, depth + 1)).collect(),
            Tree::Object(members) => {
                let mut object = Map::new();
                for (key, inner) in members {
                    if key == "copy" && !inner.items().is_empty() {
                        self.loops(inner, &mut object, depth);
                        continue;
                    }
                    let key = match self.text(key, depth) {
                        Json::String(key) => key,
                        other => other.to_string(),
                    };
                    object.insert(key, self.value_at(inner, depth + 1));
                }
                Json::Object(object)
            }
        }
    }

    /// Members that loops make: `"copy": [{"name", "count", "input"}]`.
    fn loops(&self, copies: &Node, object: &mut Map<String, Json>, depth: usize) {
        for copy in copies.items() {
            let (Some(name), Some(input)) = (copy.get("name").and_then(Node::text), copy.get("input")) else {
                continue;
            };
            let count = copy.get("count").map_or(Json::from(0), |c| self.value_at(c, depth + 1));
            let Some(count) = number(&count).and_then(|c| usize::try_from(c).ok()) else {
                object.insert(name.to_owned(), symbol(&format!("a loop over {name}")));
                continue;
            };
            let mut items = Vec::new();
            for n in 0..count.min(800) {
                let inner = self.inside(name, n);
                items.push(inner.value_at(input, depth + 1));
            }
            object.insert(name.to_owned(), items.into());
        }
    }

    /// The same with one more loop under way.
    pub(super) fn inside(&self, name: &str, n: usize) -> Frame<'t> {
        let mut copies = self.copies.clone();
        copies.push((name.to_owned(), n));
        Frame {
            parameters: self.parameters.clone(),
            variables: self.variables.clone(),
            functions: self.functions.clone(),
            symbols: self.symbols.clone(),
            place: self.place.clone(),
            copies,
            outputs: self.outputs,
            lambdas: RefCell::new(self.lambdas.borrow().clone()),
            // Variables do not know of loops around resources.
            known: RefCell::new(self.known.borrow().clone()),
            under_way: RefCell::new(self.under_way.borrow().clone()),
            fuel: self.fuel,
        }
    }

    /// Notes what a variable is.
    pub(super) fn know(&self, variable: &str, value: Json) {
        self.known.borrow_mut().insert(variable.to_ascii_lowercase(), value);
    }

    fn burn(&self) -> bool {
        let left = self.fuel.get();
        self.fuel.set(left.saturating_sub(1));
        left > 0
    }

    /// Large values are work, too.
    fn spend(&self, value: &Json) {
        let size = value.as_array().map_or(0, Vec::len) + value.as_str().map_or(0, |t| t.len() / 64);
        self.fuel.set(self.fuel.get().saturating_sub(size));
    }

    fn text(&self, text: &str, depth: usize) -> Json {
        match content(text) {
            Content::Plain(plain) => Json::String(plain),
            Content::Expression(expression) => self.work_out(&expression, depth + 1),
            Content::Broken(_) => symbol("an expression that could not be read"),
        }
    }

    fn work_out(&self, expression: &Expression, depth: usize) -> Json {
        if depth > DEEPEST || !self.burn() {
            return symbol("too deep to be worked out");
        }
        match expression {
            Expression::Text(text) => Json::String(text.clone()),
            Expression::Number(number) => Json::from(*number),
            Expression::Member(of, name) => member(self, &self.work_out(of, depth + 1), name),
            Expression::Index(of, index) => {
                let (of, index) = (self.work_out(of, depth + 1), self.work_out(index, depth + 1));
                match &index {
                    Json::String(name) if !is_unknown(&index) => member(self, &of, name),
                    index => match number(index).and_then(|n| usize::try_from(n).ok()) {
                        Some(n) if of.is_array() => of.get(n).cloned().unwrap_or(Json::Null),
                        _ => symbol(&format!("{}[{}]", words(&of), words(index))),
                    },
                }
            }
            Expression::Call(name, arguments) => self.call(name, arguments, depth),
        }
    }

    fn call(&self, name: &str, arguments: &[Expression], depth: usize) -> Json {
        let lower = name.to_ascii_lowercase();
        let argument = |n: usize| arguments.get(n).map(|a| self.work_out(a, depth + 1));
        let text = |n: usize| argument(n).and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
        match lower.as_str() {
            "parameters" => self.named(&text(0), depth),
            "variables" => self.variable(&text(0), depth),
            "copyindex" => {
                self.copy_index(&arguments.iter().map(|a| self.work_out(a, depth + 1)).collect::<Vec<_>>())
            }
            "if" => match argument(0) {
                Some(Json::Bool(true)) => argument(1).unwrap_or_default(),
                Some(Json::Bool(false)) => argument(2).unwrap_or_default(),
                // Either, as far as anybody knows: only what both say is known.
                _ => match (argument(1).unwrap_or_default(), argument(2).unwrap_or_default()) {
                    (yes, no) if yes == no => yes,
                    (yes, no) => symbol(&format!("{} or {}", words(&yes), words(&no))),
                },
            },
            "lambda" => symbol("a function"),
            "map" | "filter" | "reduce" | "sort" | "toobject" | "groupby" | "mapvalues" => {
                self.over(&lower, arguments, depth)
            }
            "lambdavariables" => {
                let wanted = text(0);
                let found =
                    self.lambdas.borrow().iter().rev().find(|(n, _)| *n == wanted).map(|(_, v)| v.clone());
                found.unwrap_or_else(|| symbol(&wanted))
            }
            _ => {
                let values: Vec<Json> = arguments.iter().map(|a| self.work_out(a, depth + 1)).collect();
                if let Some(own) = self.functions.get(&lower) {
                    return self.own_function(own, values, depth);
                }
                let value = bounded(functions::call(self, &lower, &values));
                self.spend(&value);
                value
            }
        }
    }

    fn named(&self, name: &str, _depth: usize) -> Json {
        let found = self.parameters.iter().find(|(k, _)| k.eq_ignore_ascii_case(name));
        found.map_or_else(|| symbol(&format!("parameters('{name}')")), |(_, v)| v.clone())
    }

    fn variable(&self, name: &str, depth: usize) -> Json {
        let key = name.to_ascii_lowercase();
        if let Some(known) = self.known.borrow().get(&key) {
            self.spend(known);
            return known.clone();
        }
        let Some(node) = self.variables.get(&key) else { return symbol(&format!("variables('{name}')")) };
        if self.under_way.borrow().contains(&key) {
            return symbol(&format!("variables('{name}')"));
        }
        self.under_way.borrow_mut().push(key.clone());
        let value = self.value_at(node, depth + 1);
        self.under_way.borrow_mut().pop();
        self.known.borrow_mut().insert(key, value.clone());
        value
    }

    /// `copyIndex()`, `copyIndex('loop')`, each with an offset.
    fn copy_index(&self, arguments: &[Json]) -> Json {
        let name = arguments.first().and_then(Json::as_str);
        let offset = arguments.last().and_then(Json::as_i64).unwrap_or(0);
        let found = match name {
            Some(name) => self.copies.iter().rev().find(|(n, _)| n.eq_ignore_ascii_case(name)),
            None => self.copies.last(),
        };
        match found.and_then(|(_, n)| i64::try_from(*n).ok()) {
            Some(n) => Json::from(n + offset),
            None => symbol("copyIndex()"),
        }
    }

    fn own_function(&self, own: &Node, values: Vec<Json>, depth: usize) -> Json {
        let names = own.get("parameters").map(Node::items).unwrap_or_default();
        let names = names.iter().filter_map(|p| p.get("name")?.text());
        let mut frame = self.inside("", 0);
        frame.parameters = names.map(str::to_owned).zip(values).collect();
        frame.variables = HashMap::new();
        frame.known = RefCell::default();
        own.get("output").and_then(|o| o.get("value")).map_or(Json::Null, |v| frame.value_at(v, depth + 1))
    }

    /// Functions that take a function.
    fn over(&self, name: &str, arguments: &[Expression], depth: usize) -> Json {
        let Some(over) = arguments.first().map(|a| self.work_out(a, depth + 1)) else { return Json::Null };
        let lambda = arguments.iter().rev().find_map(|a| match a {
            Expression::Call(n, parts) if n.eq_ignore_ascii_case("lambda") => Some(parts.as_slice()),
            _ => None,
        });
        let (Some(items), Some([names @ .., body])) = (over.as_array(), lambda) else {
            return symbol(&format!("{name}({})", words(&over)));
        };
        let names: Vec<String> = names
            .iter()
            .map(|n| match self.work_out(n, depth + 1) {
                Json::String(text) => text,
                other => other.to_string(),
            })
            .collect();
        let apply = |values: &[Json]| {
            let before = self.lambdas.borrow().len();
            self.lambdas.borrow_mut().extend(names.iter().cloned().zip(values.iter().cloned()));
            let value = self.work_out(body, depth + 1);
            self.lambdas.borrow_mut().truncate(before);
            value
        };
        let each = items.iter().enumerate().map(|(n, item)| apply(&[item.clone(), Json::from(n)]));
        match name {
            "map" => bounded(each.collect()),
            "filter" => {
                let kept = items.iter().zip(each).filter(|(_, keep)| keep != &Json::Bool(false));
                kept.map(|(item, _)| item.clone()).collect()
            }
            "reduce" => {
                let start = arguments.get(1).map(|a| self.work_out(a, depth + 1)).unwrap_or_default();
                items
                    .iter()
                    .enumerate()
                    .fold(start, |so_far, (n, item)| apply(&[so_far, item.clone(), Json::from(n)]))
            }
            "toobject" => {
                let keys = each.map(|k| k.as_str().map_or_else(|| k.to_string(), str::to_owned));
                Json::Object(keys.zip(items.iter().cloned()).collect())
            }
            // The order changes nothing about what is granted.
            "sort" => over,
            _ => symbol(&format!("{name}(…)")),
        }
    }
}

/// Whether a text has something in it that is not known.
pub(super) fn has_unknown(value: &Json) -> bool {
    match value {
        Json::String(text) => text.contains("${"),
        Json::Array(items) => items.iter().any(has_unknown),
        Json::Object(members) => members.values().any(has_unknown),
        _ => false,
    }
}

/// A value of a size that people write: what multiplies without end is not known.
fn bounded(value: Json) -> Json {
    if size_of(&value) > 16_384 { symbol("a value larger than is worked out") } else { value }
}

/// A value in words, for symbols.
pub(super) fn words(value: &Json) -> String {
    match value {
        Json::String(text) => text.trim_start_matches("${").trim_end_matches('}').to_owned(),
        Json::Array(items) if items.len() > 3 => "…".to_owned(),
        Json::Object(_) => "…".to_owned(),
        other => other.to_string(),
    }
}

/// What marks the runtime state of a resource, by its id.
const STATE: char = '#';

/// The runtime state of a resource.
pub(super) fn state_of(id: &str) -> Json {
    Json::String(format!("${{{id}{STATE}}}"))
}

/// The object id that an identity, or a resource's own one, will have.
pub(super) fn principal_of(id: &str) -> Json {
    Json::String(format!("${{{}{STATE}principalId}}", id.to_ascii_lowercase()))
}

/// A member of a value; of a resource's state, what stands for it.
fn member(frame: &Frame<'_>, of: &Json, name: &str) -> Json {
    if let Json::Object(members) = of {
        let found = members.iter().find(|(k, _)| k.eq_ignore_ascii_case(name));
        return found.map_or(Json::Null, |(_, v)| v.clone());
    }
    let Some(text) = of.as_str().filter(|_| is_unknown(of)) else { return Json::Null };
    let inner = text.trim_start_matches("${").trim_end_matches('}');
    let Some((id, path)) = inner.split_once(STATE) else { return symbol(&format!("{inner}.{name}")) };
    let outputs = frame.outputs.borrow();
    if let Some(given) = outputs.get(&id.to_ascii_lowercase()) {
        let mut steps = path.split('.').filter(|s| !s.is_empty());
        match (steps.next(), steps.next(), name) {
            (Some("outputs"), Some(output), "value") => {
                let found = given.iter().find(|(k, _)| k.eq_ignore_ascii_case(output));
                return found.map_or_else(|| symbol(&format!("{inner}.{name}")), |(_, v)| v.clone());
            }
            _ => return Json::String(format!("${{{id}{STATE}{}}}", join(path, name))),
        }
    }
    match name {
        "principalId" => principal_of(id),
        "id" | "resourceId" if path.is_empty() => Json::String(id.to_owned()),
        // `reference(…, 'full').identity.principalId` and `.properties.…` are ways to the same.
        "identity" | "properties" => of.clone(),
        _ => Json::String(format!("${{{id}{STATE}{}}}", join(path, name))),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
