//! What expressions of a template come to. What is only known on deployment is a text `${…}`, and stays one through every
//! function that does not need it; what would need it is such a text, too.
//!
//! Not here: the functions that look at their arguments alone (`functions`).

use super::expression::{Content, Expression, content};
use super::frame::{Frame, Function, Names, Parameter};
use super::functions;
use super::json::{Node, Tree};
use super::modules::Written;
use super::symbols::{
    STATE, composed, digest, has_unknown, is_no_key, is_open, is_unknown, principal_of, state_of, symbol,
    words,
};
use crate::sources::iac::size_of;
use serde_json::{Map, Value as Json};

/// A number as templates have it.
pub(super) fn number(value: &Json) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str().and_then(|t| t.parse().ok()))
}

/// Turns of one loop: Azure allows 800.
pub(super) const TURNS: usize = 800;
/// Parts of a value: nobody writes larger ones.
const MOST: usize = 50_000;
/// Items that are put in order: each is compared with others.
const MOST_SORTED: usize = 200;
/// What names of operators begin with, so that no function has one.
pub(in crate::sources::iac) const OPERATOR: char = '=';
/// Values inside each other.
pub(super) const DEEPEST: usize = 300;

impl<'t> Frame<'t> {
    /// The value of a node, with everything inside it.
    pub(super) fn value(&self, node: &Node) -> Json {
        self.value_at(node, 0)
    }

    pub(super) fn value_at(&self, node: &Node, depth: usize) -> Json {
        if depth > DEEPEST || !self.burn() {
            return symbol("too deep to be worked out");
        }
        match &node.value {
            Tree::Leaf(Json::String(text)) => self.text(text, depth),
            Tree::Leaf(leaf) => leaf.clone(),
            Tree::Expression(expression) => self.work_out(expression, depth + 1),
            Tree::List(items) => items.iter().map(|i| self.value_at(i, depth + 1)).collect(),
            Tree::Object(members) => {
                let mut object = Map::new();
                for (key, inner) in members {
                    if key == "copy" && !inner.items().is_empty() {
                        // Members that loops make: `"copy": [{"name", "count", "input"}]`.
                        for copy in inner.items() {
                            let (name, value) = self.looped(copy, depth);
                            object.insert(name, value);
                        }
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

    /// What a loop makes, `{"name", "count", "input"}`, with its name.
    pub(super) fn looped(&self, copy: &Node, depth: usize) -> (String, Json) {
        let name = copy.get("name").and_then(Node::text).unwrap_or_default();
        let count = copy.get("count").map_or(Json::from(0), |c| self.value_at(c, depth + 1));
        let value = match (number(&count).and_then(|c| usize::try_from(c).ok()), copy.get("input")) {
            (Some(count), Some(input)) => {
                let turns = 0..count.min(TURNS);
                bounded(turns.map(|n| self.inside(name, Some(n)).value_at(input, depth + 1)).collect())
            }
            _ => symbol(&format!("a loop over {name}")),
        };
        (name.to_owned(), value)
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
            Expression::Value(value) => value.clone(),
            Expression::Name(name) => self.bound(name, depth),
            Expression::Member(of, name) => member(self, &self.work_out(of, depth + 1), name),
            Expression::Index(of, index) => {
                let index = self.work_out(index, depth + 1);
                // One of the resources that a loop deploys.
                if let Expression::Name(name) = &**of
                    && let Some(state) = self.deployed(name, Some(&index))
                {
                    return state;
                }
                let of = self.work_out(of, depth + 1);
                match &index {
                    Json::String(name) if !has_unknown(&index) => member(self, &of, name),
                    index if is_no_key(&of, index) => Json::Null,
                    index => indexed(&of, index),
                }
            }
            Expression::Call(name, arguments) => self.call(name, arguments, depth),
        }
    }

    /// What a name of Bicep stands for.
    fn bound(&self, name: &str, depth: usize) -> Json {
        let local = self.locals.borrow().iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let found = local.or_else(|| self.parameter(name, depth)).or_else(|| self.variable(name, depth));
        found.or_else(|| self.deployed(name, None)).unwrap_or_else(|| symbol(name))
    }

    /// The state of what a symbolic name stands for; of a loop that of one turn, or of each.
    fn deployed(&self, name: &str, turn: Option<&Json>) -> Option<Json> {
        let node = self.names.resource(name)?;
        if self.locals.borrow().iter().any(|(n, _)| n == name) {
            return None;
        }
        let state = |n: Option<usize>| Some(state_of(&self.id_of(name, n)?));
        match (self.turns(node), turn) {
            (None, None) => state(None),
            (None, Some(_)) => None,
            // How often is not known: one stands for all.
            (Some(None), _) => state(None),
            (Some(Some(turns)), None) => (0..turns.min(TURNS)).map(|n| state(Some(n))).collect(),
            (Some(Some(_)), Some(index)) => match index.as_u64().and_then(|n| usize::try_from(n).ok()) {
                Some(n) => state(Some(n)),
                None => Some(composed(|w| format!("{name}[{}]", w.join("")), &[index])),
            },
        }
    }

    fn call(&self, name: &str, arguments: &[Expression], depth: usize) -> Json {
        // Operators are nobody's to declare anew.
        let operator = name.strip_prefix(OPERATOR);
        let mut lower = operator.unwrap_or(name).to_ascii_lowercase();
        if let Some(own) = self.names.functions.get(&self.names.key(name)) {
            let values = arguments.iter().map(|a| self.work_out(a, depth + 1)).collect();
            return self.own_function(*own, values, depth);
        }
        if self.names.written == Written::Bicep
            && let Some((namespace, function)) = name.split_once('.')
        {
            if !matches!(namespace, "az" | "sys") {
                // What a resource gives when it is asked, as its keys.
                return symbol(&format!("{namespace}.{function}()"));
            }
            lower = function.to_ascii_lowercase();
        }
        let argument = |n: usize| arguments.get(n).map(|a| self.work_out(a, depth + 1));
        let text = |n: usize| argument(n).and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
        match lower.as_str() {
            "parameters" => {
                let name = text(0);
                self.parameter(&name, depth).unwrap_or_else(|| symbol(&format!("parameters('{name}')")))
            }
            "variables" => {
                let name = text(0);
                self.variable(&name, depth).unwrap_or_else(|| symbol(&format!("variables('{name}')")))
            }
            "nameof" => match arguments.first() {
                Some(Expression::Name(name) | Expression::Member(_, name)) => Json::from(name.as_str()),
                _ => symbol("nameof()"),
            },
            "copyindex" => {
                self.copy_index(&arguments.iter().map(|a| self.work_out(a, depth + 1)).collect::<Vec<_>>())
            }
            "if" => match argument(0) {
                Some(Json::Bool(true)) => argument(1).unwrap_or_default(),
                Some(Json::Bool(false)) => argument(2).unwrap_or_default(),
                // Either, as far as anybody knows: only what both say is known.
                _ => match (argument(1).unwrap_or_default(), argument(2).unwrap_or_default()) {
                    (yes, no) if yes == no => yes,
                    (yes, no) => composed(|w| w.join(" or "), &[&yes, &no]),
                },
            },
            "lambda" => symbol("a function"),
            "map" | "filter" | "reduce" | "sort" | "toobject" | "groupby" | "mapvalues" => {
                self.over(&lower, arguments, depth)
            }
            "lambdavariables" => {
                let wanted = text(0);
                let found =
                    self.locals.borrow().iter().rev().find(|(n, _)| *n == wanted).map(|(_, v)| v.clone());
                found.unwrap_or_else(|| symbol(&wanted))
            }
            _ => {
                let values: Vec<Json> = arguments.iter().map(|a| self.work_out(a, depth + 1)).collect();
                let value = bounded(functions::call(self, &lower, &values));
                self.spend(&value);
                value
            }
        }
    }

    /// `copyIndex()`, `copyIndex('loop')`, each with an offset.
    fn copy_index(&self, arguments: &[Json]) -> Json {
        let name = arguments.first().and_then(Json::as_str);
        let offset = arguments.last().and_then(Json::as_i64).unwrap_or(0);
        let found = match name {
            Some(name) => self.copies.iter().rev().find(|(n, _)| n.eq_ignore_ascii_case(name)),
            None => self.copies.last(),
        };
        match found.and_then(|(_, n)| i64::try_from((*n)?).ok()) {
            Some(n) => Json::from(n.saturating_add(offset)),
            None => symbol(&format!("copyIndex({})", name.unwrap_or_default())),
        }
    }

    fn own_function(&self, (own, from): Function<'t>, values: Vec<Json>, depth: usize) -> Json {
        let names = own.get("parameters").map(Node::items).unwrap_or_default();
        let names = names.iter().filter_map(|p| p.get("name")?.text()).map(str::to_owned);
        let frame = match (self.names.written, from) {
            (Written::Bicep, from) => {
                let frame = from.map_or_else(|| self.clone(), |module| self.elsewhere(module));
                *frame.locals.borrow_mut() = names.zip(values).collect();
                frame
            }
            (Written::Json, _) => {
                let parameters = names.zip(values).map(|(n, v)| (self.names.key(&n), Parameter::Given(v)));
                let mut inner = Names::new(&self.names.place, &self.names.deployment, Written::Json);
                inner.parameters = parameters.collect();
                inner.functions.clone_from(&self.names.functions);
                Frame::new(inner, self.run)
            }
        };
        own.get("output").and_then(|o| o.get("value")).map_or(Json::Null, |v| frame.value_at(v, depth + 1))
    }

    /// Functions that take a function.
    fn over(&self, name: &str, arguments: &[Expression], depth: usize) -> Json {
        let Some(over) = arguments.first().map(|a| self.work_out(a, depth + 1)) else { return Json::Null };
        let mut lambdas = arguments.iter().filter_map(|a| match a {
            Expression::Call(n, parts) if n.trim_start_matches(OPERATOR).eq_ignore_ascii_case("lambda") => {
                Some(parts.as_slice())
            }
            _ => None,
        });
        let (lambda, second) = (lambdas.next(), lambdas.next());
        let listed = match &over {
            Json::Object(members) if name == "mapvalues" => Some(members.values().cloned().collect()),
            other => other.as_array().cloned(),
        };
        // What a function makes of values goes by what it is, and by what is bound around it.
        let unknown = || {
            let bound = format!("{lambda:?} {second:?} {:?} {:?}", self.locals.borrow(), self.copies);
            symbol(&format!("{name}({}) {}", words(&over), digest(&bound)))
        };
        let (Some(items), Some(lambda)) = (listed, lambda) else { return unknown() };
        let apply_to = |lambda: &[Expression], values: &[Json]| {
            let Some((body, names)) = lambda.split_last() else { return Json::Null };
            let names = names.iter().map(|n| match self.work_out(n, depth + 1) {
                Json::String(text) => text,
                other => other.to_string(),
            });
            let names: Vec<String> = names.collect();
            let before = self.locals.borrow().len();
            self.locals.borrow_mut().extend(names.iter().cloned().zip(values.iter().cloned()));
            let value = self.work_out(body, depth + 1);
            self.locals.borrow_mut().truncate(before);
            value
        };
        let apply = |values: &[Json]| apply_to(lambda, values);
        let each = items.iter().enumerate().map(|(n, item)| apply(&[item.clone(), Json::from(n)]));
        match name {
            "map" => bounded(each.collect()),
            "filter" => {
                let mut kept = Vec::new();
                for (item, keep) in items.iter().zip(each) {
                    match keep {
                        Json::Bool(true) => kept.push(item.clone()),
                        Json::Bool(false) => {}
                        // Which items are left is not known, then.
                        _ => return unknown(),
                    }
                }
                kept.into()
            }
            "reduce" => {
                let start = arguments.get(1).map(|a| self.work_out(a, depth + 1)).unwrap_or_default();
                items
                    .iter()
                    .enumerate()
                    .fold(start, |so_far, (n, item)| bounded(apply(&[so_far, item.clone(), Json::from(n)])))
            }
            "toobject" => {
                let keys = each.map(|k| k.as_str().map_or_else(|| k.to_string(), str::to_owned));
                let values = items.iter().map(|i| match second {
                    Some(second) => apply_to(second, std::slice::from_ref(i)),
                    None => i.clone(),
                });
                bounded(Json::Object(keys.zip(values).collect()))
            }
            "mapvalues" => {
                let keys = over.as_object().into_iter().flat_map(Map::keys).cloned();
                Json::Object(keys.zip(each).collect())
            }
            "sort" if items.len() <= MOST_SORTED => {
                let mut sorted: Vec<Json> = Vec::with_capacity(items.len());
                for item in &items {
                    let mut at = sorted.len();
                    while let Some(before) = at.checked_sub(1) {
                        let other = sorted.get(before).cloned().unwrap_or_default();
                        match apply(&[item.clone(), other]) {
                            Json::Bool(true) => at = before,
                            Json::Bool(false) => break,
                            _ => return unknown(),
                        }
                    }
                    sorted.insert(at, item.clone());
                }
                sorted.into()
            }
            _ => unknown(),
        }
    }
}

/// A value of a size that people write: what multiplies without end is not known.
pub(super) fn bounded(value: Json) -> Json {
    if size_of(&value) > MOST { symbol("a value larger than is worked out") } else { value }
}

/// An item of a list, or a member whose name is not known.
pub(super) fn indexed(of: &Json, index: &Json) -> Json {
    let at = index.as_u64().and_then(|n| usize::try_from(n).ok());
    match at {
        Some(n) if of.is_array() => of.get(n).cloned().unwrap_or(Json::Null),
        _ if of.is_null() => Json::Null,
        _ => composed(|w| w.join("[") + "]", &[of, index]),
    }
}

/// A member of a value; of a resource's state, what stands for it.
fn member(frame: &Frame<'_>, of: &Json, name: &str) -> Json {
    if let Json::Object(members) = of {
        let found = members
            .get(name)
            .or_else(|| members.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v));
        let missing =
            || if is_open(of) { composed(|w| format!("{}.{name}", w.join("")), &[of]) } else { Json::Null };
        return found.cloned().unwrap_or_else(missing);
    }
    let Some(text) = of.as_str().filter(|_| is_unknown(of)) else {
        // A text that is known in part may be anything.
        return if has_unknown(of) {
            composed(|w| format!("{}.{name}", w.join("")), &[of])
        } else {
            Json::Null
        };
    };
    let inner = text.strip_prefix("${").and_then(|t| t.strip_suffix('}')).unwrap_or_default();
    // Names may have the mark in them, paths of members do not.
    let Some((id, path)) = inner.rsplit_once(STATE) else { return symbol(&format!("{inner}.{name}")) };
    let outputs = frame.run.outputs.borrow();
    match outputs.get(&id.to_ascii_lowercase()) {
        // What is not deployed has no state.
        Some(None) => return Json::Null,
        Some(Some(given)) => {
            let output = match path.split_once("outputs.") {
                Some((_, output)) if name == "value" => Some(output),
                // Bicep leaves out what stands between.
                None if path == "outputs" && frame.names.written == Written::Bicep => Some(name),
                _ => None,
            };
            let Some(output) = output else {
                return Json::String(format!("${{{id}{STATE}{}}}", join(path, name)));
            };
            let found = given.iter().find(|(k, _)| k.eq_ignore_ascii_case(output));
            return found.map_or_else(|| symbol(&format!("{inner}.{name}")), |(_, v)| v.clone());
        }
        None => {}
    }
    match name {
        "principalId" => principal_of(id),
        "id" | "resourceId" if path.is_empty() => Json::String(id.to_owned()),
        "name" if path.is_empty() && frame.names.written == Written::Bicep => {
            Json::from(id.rsplit('/').next().unwrap_or_default())
        }
        // `reference(…, 'full').identity.principalId` and `.properties.…` are ways to the same.
        "identity" | "properties" => of.clone(),
        _ => Json::String(format!("${{{id}{STATE}{}}}", join(path, name))),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
