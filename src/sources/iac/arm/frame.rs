//! What names mean where an expression stands: parameters, variables, functions and resources of a template, and what loops
//! and functions around the expression have bound.
//!
//! Everything is worked out when it is asked for, once. Not here: what expressions come to (`evaluate`).

use super::evaluate::DEEPEST;
use super::json::Node;
use super::modules::{Module, Modules, Written};
use super::symbols::{OPEN, composed, symbol};
use crate::rbac::Catalog;
use serde_json::Value as Json;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// Expressions that are worked out in one deployment: no template of people's takes more.
const FUEL: usize = 10_000_000;

/// What deployments give back, by id and name; nothing for those that are not deployed.
pub(super) type Outputs = HashMap<String, Option<HashMap<String, Json>>>;

/// What one run over a template and those that it deploys has in common.
pub(super) struct Run<'t> {
    pub(super) modules: &'t Modules,
    pub(super) catalog: &'static Catalog,
    pub(super) outputs: RefCell<Outputs>,
    /// Templates whose resources were walked, by their keys.
    pub(super) entered: RefCell<std::collections::BTreeSet<String>>,
    fuel: Cell<usize>,
    given: Cell<usize>,
}

impl<'t> Run<'t> {
    pub(super) fn new(modules: &'t Modules, catalog: &'static Catalog) -> Run<'t> {
        let (outputs, entered) = (RefCell::default(), RefCell::default());
        Run { modules, catalog, outputs, entered, fuel: Cell::new(FUEL), given: Cell::new(0) }
    }

    /// Work is done.
    pub(super) fn burn(&self, much: usize) {
        self.fuel.set(self.fuel.get().saturating_sub(much));
    }

    /// A number that was not given before.
    pub(super) fn next(&self) -> usize {
        self.given.set(self.given.get() + 1);
        self.given.get()
    }

    /// Whether more work was asked for than is done.
    pub(super) fn spent(&self) -> bool {
        self.fuel.get() == 0
    }
}

/// A parameter: as it was given, or as it is declared.
#[derive(Clone)]
pub(super) enum Parameter<'t> {
    Given(Json),
    Declared(&'t Node),
}

/// A variable.
#[derive(Clone, Copy)]
pub(super) enum Variable<'t> {
    Plain(&'t Node),
    /// One that a loop makes.
    Loop(&'t Node),
    /// One of another file.
    Imported(&'t Module, &'t str),
    /// All that another file exports.
    Namespace(&'t Module),
}

/// A function, and the file that it comes from if it is another.
pub(super) type Function<'t> = (&'t Node, Option<&'t Module>);

/// What names mean in one template.
#[derive(Clone)]
pub(super) struct Names<'t> {
    pub(super) parameters: HashMap<String, Parameter<'t>>,
    pub(super) variables: HashMap<String, Variable<'t>>,
    pub(super) functions: HashMap<String, Function<'t>>,
    /// Resources by their symbolic names.
    pub(super) symbols: HashMap<String, &'t Node>,
    /// The id of the scope that is deployed to.
    pub(super) place: String,
    /// The name of the deployment.
    pub(super) deployment: String,
    /// What everything in it is known by begins with.
    pub(super) address: String,
    /// Members whose values may not be shown.
    pub(super) secrets: Vec<String>,
    pub(super) written: Written,
}

impl<'t> Names<'t> {
    pub(super) fn new(place: &str, deployment: &str, written: Written) -> Names<'t> {
        Names {
            parameters: HashMap::new(),
            variables: HashMap::new(),
            functions: HashMap::new(),
            symbols: HashMap::new(),
            place: place.to_owned(),
            deployment: deployment.to_owned(),
            address: String::new(),
            secrets: Vec::new(),
            written,
        }
    }

    /// The resource of a symbolic name. One that lies in another may be called without that, where no other has its name.
    pub(super) fn resource(&self, name: &str) -> Option<&'t Node> {
        let key = self.key(name);
        if let Some(found) = self.symbols.get(&key) {
            return Some(found);
        }
        let inside = format!("::{key}");
        let mut found = self.symbols.iter().filter(|(k, _)| k.ends_with(&inside)).map(|(_, node)| *node);
        found.next().filter(|_| self.written == Written::Bicep && found.next().is_none())
    }

    /// A name as it is looked up: templates do not mind case, Bicep does.
    pub(super) fn key(&self, name: &str) -> String {
        match self.written {
            Written::Json => name.to_ascii_lowercase(),
            Written::Bicep => name.to_owned(),
        }
    }
}

/// Where an expression stands.
#[derive(Clone)]
pub(super) struct Frame<'t> {
    pub(super) names: Rc<Names<'t>>,
    pub(super) run: &'t Run<'t>,
    /// Loops that are under way, by name, the innermost last, with the turn if it is known.
    pub(super) copies: Vec<(String, Option<usize>)>,
    /// What functions and Bicep's loops have bound, the innermost last.
    pub(super) locals: RefCell<Vec<(String, Json)>>,
    /// Variables, parameters and ids know of no loops, so that all frames of a template share them.
    known: Rc<RefCell<HashMap<String, Json>>>,
    under_way: Rc<RefCell<Vec<String>>>,
}

impl<'t> Frame<'t> {
    pub(super) fn new(names: Names<'t>, run: &'t Run<'t>) -> Frame<'t> {
        Frame {
            names: Rc::new(names),
            run,
            copies: Vec::new(),
            locals: RefCell::default(),
            known: Rc::default(),
            under_way: Rc::default(),
        }
    }

    /// The same with one more loop under way.
    pub(super) fn inside(&self, name: &str, n: Option<usize>) -> Frame<'t> {
        let mut inner = self.clone();
        inner.copies.push((name.to_owned(), n));
        inner
    }

    /// The same outside of all loops and functions: what is named is worked out there.
    fn outside(&self) -> Frame<'t> {
        Frame { copies: Vec::new(), locals: RefCell::default(), ..self.clone() }
    }

    pub(super) fn burn(&self) -> bool {
        let left = self.run.fuel.get();
        self.run.fuel.set(left.saturating_sub(1));
        left > 0
    }

    /// Large values are work, too.
    pub(super) fn spend(&self, value: &Json) {
        self.run.burn(crate::sources::iac::size_of(value));
    }

    /// What `key` is: known, or worked out now. What leads back to itself is not known.
    fn once(&self, key: String, unknown: impl FnOnce() -> Json, work: impl FnOnce() -> Json) -> Json {
        if let Some(known) = self.known.borrow().get(&key) {
            self.spend(known);
            return known.clone();
        }
        if self.under_way.borrow().contains(&key) {
            return unknown();
        }
        self.under_way.borrow_mut().push(key.clone());
        let value = super::evaluate::bounded(work());
        self.under_way.borrow_mut().pop();
        self.known.borrow_mut().insert(key, value.clone());
        value
    }

    /// A parameter, if there is one of this name.
    pub(super) fn parameter(&self, name: &str, depth: usize) -> Option<Json> {
        let key = self.names.key(name);
        let unknown = || symbol(&format!("parameters('{name}')"));
        match self.names.parameters.get(&key)? {
            Parameter::Given(value) => Some(value.clone()),
            Parameter::Declared(declared) => {
                // A secret is nobody's to show, and decides no grant.
                let default = declared.get("defaultValue").filter(|_| !is_secret(declared));
                Some(match default {
                    Some(default) => self.once(format!("p:{key}"), unknown, || {
                        hidden(&self.outside().value_at(default, depth + 1), &self.names.secrets)
                    }),
                    None if declared.get("nullable").is_some() => Json::Null,
                    None => unknown(),
                })
            }
        }
    }

    /// A variable, if there is one of this name.
    pub(super) fn variable(&self, name: &str, depth: usize) -> Option<Json> {
        let key = self.names.key(name);
        let unknown = || symbol(&format!("variables('{name}')"));
        let variable = *self.names.variables.get(&key)?;
        // Files may import from each other in circles.
        if depth > DEEPEST {
            return Some(unknown());
        }
        Some(self.once(format!("v:{key}"), unknown, || match variable {
            Variable::Plain(node) => self.outside().value_at(node, depth + 1),
            Variable::Loop(copy) => self.outside().looped(copy, depth).1,
            Variable::Imported(module, original) => {
                let there = self.elsewhere(module);
                there.variable(original, depth + 1).unwrap_or_else(unknown)
            }
            Variable::Namespace(module) => {
                let there = self.elsewhere(module);
                let names = there.names.variables.keys();
                let pair = |name: &String| Some((name.clone(), there.variable(name, depth + 1)?));
                Json::Object(names.filter_map(pair).collect())
            }
        }))
    }

    /// What names mean in another file, of which only variables and functions are asked for.
    pub(super) fn elsewhere(&self, module: &'t Module) -> Frame<'t> {
        let mut names = Names::new(&self.names.place, &self.names.deployment, module.written);
        names.declare(&module.root, Some(module), self.run.modules);
        self.run.burn(names.variables.len() + names.functions.len());
        Frame::new(names, self.run)
    }

    /// The turns of a resource's loop, if it is in one; inside, `None` if their number is not known.
    pub(super) fn turns(&self, node: &Node) -> Option<Option<usize>> {
        let copy = node.get("copy")?;
        if let Some(over) = copy.get("over") {
            return Some(match self.outside().value(over) {
                Json::Null => Some(0),
                over => over.as_array().map(Vec::len),
            });
        }
        let count = copy.get("count").map(|c| self.value(c)).unwrap_or_default();
        Some(super::evaluate::number(&count).and_then(|n| usize::try_from(n).ok()))
    }

    /// The frame of one turn of a resource's loop; of none that is known, one that stands for all.
    pub(super) fn turn(&self, node: &Node, n: Option<usize>) -> Frame<'t> {
        let Some(copy) = node.get("copy") else { return self.clone() };
        let Some(over) = copy.get("over") else {
            return self.inside(copy.get("name").and_then(Node::text).unwrap_or_default(), n);
        };
        let mut outer = self.outside();
        let over = outer.value(over);
        let (item, index) = match n {
            Some(n) => (super::evaluate::indexed(&over, &Json::from(n)), Json::from(n)),
            None => {
                let each = composed(|w| format!("each of {}", w.join("")), &[&over]);
                (each, composed(|w| format!("index in {}", w.join("")), &[&over]))
            }
        };
        let names = copy.get("names").map(Node::items).unwrap_or_default();
        let bound = names.iter().filter_map(Node::text).map(str::to_owned).zip([item, index]);
        outer.locals.borrow_mut().extend(bound);
        outer.copies.push((String::new(), n));
        outer
    }

    /// The id of a resource by its symbolic name, in one turn of its loop if it is in one.
    pub(super) fn id_of(&self, name: &str, turn: Option<usize>) -> Option<String> {
        let node: &'t Node = self.names.resource(name)?;
        let unknown = || symbol(name);
        let id = self.once(format!("s:{}[{turn:?}]", self.names.key(name)), unknown, || {
            let frame =
                if node.get("copy").is_some() { self.outside().turn(node, turn) } else { self.outside() };
            Json::String(super::identify::identify(node, &frame, None).id)
        });
        id.as_str().map(str::to_owned)
    }
}

/// Whether no value of a parameter may be shown, by its type.
pub(super) fn is_secret(declared: &Node) -> bool {
    let kind = declared.get("type").and_then(Node::text).unwrap_or_default();
    kind.get(..6).is_some_and(|k| k.eq_ignore_ascii_case("secure"))
}

/// A value without the values of members that may not be shown.
pub(super) fn hidden(value: &Json, members: &[String]) -> Json {
    match value {
        Json::Object(object) if !members.is_empty() => {
            let shown = object.iter().map(|(key, inner)| {
                let secret = members.iter().any(|m| m.eq_ignore_ascii_case(key));
                (key.clone(), if secret { symbol(key) } else { hidden(inner, members) })
            });
            Json::Object(shown.collect())
        }
        Json::Array(items) if !members.is_empty() => items.iter().map(|i| hidden(i, members)).collect(),
        other => other.clone(),
    }
}

/// An object of which more members may be there than are known.
pub(super) fn open(mut object: Json) -> Json {
    if let Json::Object(members) = &mut object {
        members.insert(OPEN.to_owned(), symbol("more"));
    }
    object
}

impl<'t> Names<'t> {
    /// Takes in the variables and functions that a template declares, and what it imports.
    pub(super) fn declare(&mut self, root: &'t Node, own: Option<&'t Module>, modules: &'t Modules) {
        let written = own.map_or(self.written, |m| m.written);
        for (name, node) in root.get("variables").map(Node::members).unwrap_or_default() {
            // Variables that loops make are in no member of their own.
            if name.eq_ignore_ascii_case("copy") && written == Written::Json {
                for copy in node.items() {
                    if let Some(name) = copy.get("name").and_then(Node::text) {
                        self.variables.insert(self.key(name), Variable::Loop(copy));
                    }
                }
                continue;
            }
            self.variables.insert(self.key(name), Variable::Plain(node));
        }
        for namespace in root.get("functions").map(Node::items).unwrap_or_default() {
            let prefix = namespace.get("namespace").and_then(Node::text).unwrap_or_default();
            for (name, function) in namespace.get("members").map(Node::members).unwrap_or_default() {
                let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                self.functions.insert(self.key(&name), (function, None));
            }
        }
        for import in own.map(|m| m.imports.as_slice()).unwrap_or_default() {
            let Some(there) = modules.get(&import.from) else { continue };
            match &import.alias {
                Some(namespace) => {
                    self.variables.insert(namespace.clone(), Variable::Namespace(there));
                    for (name, function) in there.functions() {
                        self.functions.insert(format!("{namespace}.{name}"), (function, Some(there)));
                    }
                }
                None => {
                    for (original, here) in &import.names {
                        match there.functions().find(|(name, _)| *name == original) {
                            Some((_, function)) => {
                                self.functions.insert(here.clone(), (function, Some(there)));
                            }
                            None => {
                                self.variables.insert(here.clone(), Variable::Imported(there, original));
                            }
                        }
                    }
                }
            }
        }
    }
}
