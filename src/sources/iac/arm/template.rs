//! Walks a template: resources with their loops and conditions, and templates inside.
//!
//! Not here: what expressions come to (`evaluate`), what ids are (`identify`), and what records say (`record`).

use super::evaluate::TURNS;
use super::frame::{Frame, Names, Parameter, Run, hidden, is_secret};
use super::identify::{Identified, Parent, identify};
use super::json::{Node, Tree};
use super::modules::{Module, Written};
use super::symbols::symbol;
use crate::model::{Gap, Location, Reason, Source};
use crate::sources::arm::Lowering;
use crate::sources::iac::types::grants_beyond;
use serde_json::Value as Json;
use std::collections::HashMap;

/// What each deployment costs, besides what is in it.
const PER_TEMPLATE: usize = 500;
/// Templates inside each other.
const DEEPEST: usize = 12;

pub(super) struct Walk<'w> {
    pub(super) run: &'w Run<'w>,
    pub(super) module: &'w Module,
    /// Where the nearest call stands, for what lies outside of the repository.
    pub(super) called: Option<Location>,
    pub(super) lowering: Lowering,
    /// Access policies that stand beside their vaults: the vault's id, the policies, address and place.
    pub(super) policies: Vec<(String, Json, String, Location)>,
    /// The templates that are under way, by their keys.
    pub(super) under_way: Vec<String>,
}

/// Where a template is deployed.
#[derive(Clone, Copy)]
pub(super) struct Deployment<'d> {
    /// The id of the scope.
    pub(super) place: &'d str,
    pub(super) name: &'d str,
    /// What everything in it is known by begins with.
    pub(super) address: &'d str,
    pub(super) depth: usize,
}

/// A resource as it is declared.
#[derive(Clone, Copy)]
struct Declared<'w, 'p> {
    node: &'w Node,
    symbol: Option<&'w str>,
    parent: Option<&'p Parent>,
}

impl<'w> Walk<'w> {
    /// From a template that is known by a key.
    pub(super) fn new(run: &'w Run<'w>, module: &'w Module, key: &str, lowering: Lowering) -> Walk<'w> {
        let under_way = vec![key.to_owned()];
        Walk { run, module, called: None, lowering, policies: Vec::new(), under_way }
    }

    pub(super) fn location(&self, node: &Node) -> Location {
        match &self.called {
            Some(call) if self.module.outside => call.clone(),
            _ => self.module.location(node),
        }
    }

    pub(super) fn gap(&mut self, node: &Node, source: Source, reason: Reason, detail: String) {
        let gap = Gap::new(source, "", reason, detail).at(self.location(node));
        self.lowering.estate.gaps.push(gap);
    }

    /// Walks a template with values for its parameters; gives what it gives back. `file` is what it stands in, if it is
    /// all of that.
    pub(super) fn template(
        &mut self,
        root: &'w Node,
        file: Option<&'w Module>,
        given: &HashMap<String, Json>,
        to: Deployment<'_>,
    ) -> HashMap<String, Json> {
        let mut names = Names::new(to.place, to.name, self.module.written);
        to.address.clone_into(&mut names.address);
        let secrets = match file {
            Some(file) => file.secrets(self.run.modules),
            None => super::modules::Secrets::of(root),
        };
        for (name, declared) in root.get("parameters").map(Node::members).unwrap_or_default() {
            let same = |(k, _): &(&String, &Json)| k.eq_ignore_ascii_case(name);
            // A secret is nobody's to show, and decides no grant. Null is nothing, where there is a default.
            let default = declared.get("defaultValue").is_some();
            let value = given.get_key_value(name).or_else(|| given.iter().find(same));
            let value = value.filter(|(_, v)| !(default && v.is_null()));
            let value = if secrets.hides(declared) {
                Parameter::Given(symbol(&format!("parameters('{name}')")))
            } else {
                value.map_or(Parameter::Declared(declared), |(_, v)| {
                    Parameter::Given(hidden(v, &secrets.members))
                })
            };
            names.parameters.insert(names.key(name), value);
        }
        names.secrets = secrets.members;
        names.declare(root, file, self.run.modules);
        self.run.burn(PER_TEMPLATE + names.parameters.len() + names.variables.len() + names.functions.len());
        self.inside(root, names, to)
    }

    /// Walks what a template holds besides what its names mean.
    fn inside(&mut self, root: &'w Node, mut names: Names<'w>, to: Deployment<'_>) -> HashMap<String, Json> {
        let Some(resources) = root.get("resources") else { return HashMap::new() };
        let empty = resources.members().is_empty() && resources.items().is_empty();
        if empty && !matches!(resources.json(), Json::Array(_) | Json::Object(_) | Json::Null) {
            let detail = "`resources` is no list of resources, and nothing of it is read".to_owned();
            self.gap(resources, Source::Files, Reason::Unparsed, detail);
        }
        let named: Vec<(Option<&str>, &Node)> = match resources.members() {
            [] => resources.items().iter().map(|r| (None, r)).collect(),
            members => members.iter().map(|(name, r)| (Some(name.as_str()), r)).collect(),
        };
        for (name, resource) in &named {
            if let Some(name) = name {
                names.symbols.insert(names.key(name), resource);
            }
        }
        let frame = Frame::new(names, self.run);
        for (symbol, node) in named {
            self.resource(Declared { node, symbol, parent: None }, &frame, to);
        }
        let outputs = root.get("outputs").map(Node::members).unwrap_or_default();
        let value = |(name, node): &(String, Node)| {
            let value = node.get("value").filter(|_| !is_secret(node)).map(|v| frame.value(v));
            Some((name.clone(), value.unwrap_or_else(|| symbol(&format!("outputs.{name}")))))
        };
        outputs.iter().filter_map(value).collect()
    }

    fn resource(&mut self, declared: Declared<'w, '_>, frame: &Frame<'w>, to: Deployment<'_>) {
        let node = declared.node;
        // That more was asked for than is done is said once, at the end.
        if self.run.spent() {
            return;
        }
        if !node.members().is_empty() && node.get("type").is_some_and(|kind| kind.text().is_none()) {
            let detail = "the type of a resource is no text, and it is not read".to_owned();
            self.gap(node, Source::Files, Reason::Unparsed, detail);
        }
        let Some(turns) = frame.turns(node) else { return self.one(declared, frame, None, to) };
        if turns.is_some_and(|n| n > TURNS) {
            let name = node.get("copy").and_then(|c| c.get("name")).and_then(Node::text).unwrap_or_default();
            let detail = format!("the loop `{name}` has more turns than Azure takes ({TURNS})");
            self.gap(node, Source::Files, Reason::Unsupported, detail);
        }
        // How often is not known: once stands for all.
        let Some(turns) = turns else { return self.one(declared, &frame.turn(node, None), Some(0), to) };
        for n in 0..turns.min(TURNS) {
            self.one(declared, &frame.turn(node, Some(n)), Some(n), to);
        }
    }

    fn one(
        &mut self,
        declared: Declared<'w, '_>,
        frame: &Frame<'w>,
        turn: Option<usize>,
        to: Deployment<'_>,
    ) {
        let node = declared.node;
        let is = |key: &str, when: bool| node.get(key).map(|n| frame.value(n)) == Some(Json::Bool(when));
        // Only what has a symbolic name can stand for what is there already.
        if declared.symbol.is_some() && is("existing", true) {
            return;
        }
        let off = is("condition", false);
        // What is there under no condition has no state, which only Bicep can ask about.
        if off && (self.module.written == Written::Json || node.get("module").is_none()) {
            return;
        }
        let found = identify(node, frame, declared.parent);
        if off {
            self.run.outputs.borrow_mut().insert(found.id.to_ascii_lowercase(), None);
            return;
        }
        let written = |key: &str| node.get(key).and_then(Node::text).unwrap_or_default();
        let own =
            declared.symbol.map_or_else(|| format!("{}/{}", written("type"), written("name")), str::to_owned);
        let turn = turn.map(|n| format!("[{n}]")).unwrap_or_default();
        let above = if to.address.is_empty() { String::new() } else { format!("{}/", to.address) };
        let address = format!("{above}{own}{turn}");
        let inside = Deployment { address: &address, ..to };
        let folded = found.kind.to_ascii_lowercase();
        if grants_beyond(&folded) {
            let detail = format!("`{address}` ({}) may grant access, and is not read", found.kind);
            return self.gap(node, Source::RoleAssignments, Reason::Unsupported, detail);
        }
        if folded == "microsoft.resources/deployments" {
            return self.deployment(node, frame, &found.id, inside);
        }
        self.record(node, frame, &found, &address);
        if folded == "microsoft.authorization/policydefinitions" {
            self.policy(node, frame, &found, inside);
        }
        let Some(children) = node.get("resources") else { return };
        let Identified { kind, names, .. } = found;
        let parent = Some(&Parent { kind, names });
        let named = children.members().iter().map(|(name, child)| (Some(name.as_str()), child));
        for (symbol, node) in children.items().iter().map(|child| (None, child)).chain(named) {
            self.resource(Declared { node, symbol, parent }, frame, inside);
        }
    }

    /// Walks a template that is a value of the one around it, its expressions quoted.
    pub(super) fn loaded(
        &mut self,
        node: &'w Node,
        value: &Json,
        given: &HashMap<String, Json>,
        to: Deployment<'_>,
    ) -> HashMap<String, Json> {
        if !value.is_object() {
            let detail = format!("`{}` deploys a template that is not known", to.address);
            self.gap(node, Source::Files, Reason::Unresolved, detail);
            return HashMap::new();
        }
        let location = self.location(node);
        let root = Node::of(value, node.at);
        let module = Module {
            path: self.module.path.clone(),
            lines: crate::sources::iac::place::Lines::of(""),
            written: Written::Json,
            outside: true,
            imports: Vec::new(),
            secrets: super::modules::Secrets::of(&root),
            root,
        };
        let mut walk = Walk {
            run: self.run,
            module: &module,
            called: Some(location),
            lowering: std::mem::take(&mut self.lowering),
            policies: std::mem::take(&mut self.policies),
            under_way: Vec::new(),
        };
        let outputs = walk.template(&module.root, None, given, to);
        (self.lowering, self.policies) = (walk.lowering, walk.policies);
        outputs
    }

    fn deployment(&mut self, node: &'w Node, frame: &Frame<'w>, id: &str, to: Deployment<'_>) {
        if to.depth >= DEEPEST {
            let detail = format!("`{}` lies deeper than templates are read", to.address);
            return self.gap(node, Source::Files, Reason::Unsupported, detail);
        }
        let place = place_within(node, frame);
        let name = match node.get("name").map(|n| frame.value(n)) {
            Some(Json::String(name)) => name,
            _ => id.rsplit('/').next().unwrap_or_default().to_owned(),
        };
        let name = name.as_str();
        let to = Deployment { place: &place, name, depth: to.depth + 1, ..to };
        let given = match node.get("module").and_then(Node::text) {
            Some(key) => self.called(node, frame, key, to),
            None => self.nested(node, frame, to),
        };
        self.run.outputs.borrow_mut().insert(id.to_ascii_lowercase(), given);
    }

    /// A module of Bicep.
    fn called(
        &mut self,
        node: &'w Node,
        frame: &Frame<'w>,
        key: &str,
        to: Deployment<'_>,
    ) -> Option<HashMap<String, Json>> {
        let Some(module) = self.run.modules.get(key) else {
            let known = node.get("missing").and_then(Node::text).unwrap_or_default();
            let detail = format!("`{}` deploys {known}, so that what it grants is not known", to.address);
            self.gap(node, Source::Files, Reason::Unresolved, detail);
            return Some(HashMap::new());
        };
        if self.under_way.iter().any(|other| other == key) {
            let detail = format!("`{}` calls a module that it is a part of", to.address);
            self.gap(node, Source::Files, Reason::Unresolved, detail);
            return Some(HashMap::new());
        }
        self.under_way.push(key.to_owned());
        self.run.entered.borrow_mut().insert(key.to_owned());
        let given = node.get("params").map(|p| frame.value(p)).unwrap_or_default();
        let given: HashMap<String, Json> = match given {
            Json::Object(members) => members.into_iter().collect(),
            _ => HashMap::new(),
        };
        let call = self.location(node);
        let (before, called) = (self.module, self.called.replace(call));
        self.module = module;
        let outputs = self.template(&module.root, Some(module), &given, to);
        (self.module, self.called) = (before, called);
        self.under_way.pop();
        Some(outputs)
    }

    /// A template inside of one.
    fn nested(
        &mut self,
        node: &'w Node,
        frame: &Frame<'w>,
        to: Deployment<'_>,
    ) -> Option<HashMap<String, Json>> {
        let properties = node.get("properties")?;
        if matches!(properties.value, Tree::Expression(_)) {
            return self.worked_out(node, frame, to);
        }
        let Some(template) = properties.get("template") else {
            let detail = format!("`{}` deploys a template at another address, which is not read", to.address);
            self.gap(node, Source::Files, Reason::Unresolved, detail);
            return Some(HashMap::new());
        };
        let options = properties.get("expressionEvaluationOptions").and_then(|o| o.get("scope"));
        let inner = options.and_then(Node::text).is_some_and(|s| s.eq_ignore_ascii_case("inner"));
        let loaded = template.text().is_some();
        if !inner && !loaded {
            // Worked out in the template around it, its own variables do not count.
            let mut names = (*frame.names).clone();
            to.place.clone_into(&mut names.place);
            return Some(self.inside(template, names, to));
        }
        let mut given = HashMap::new();
        for (name, parameter) in properties.get("parameters").map(Node::members).unwrap_or_default() {
            // The frame around a value may be worked out, too.
            let framed = frame.value(parameter);
            match framed.get("value") {
                Some(value) => given.insert(name.clone(), value.clone()),
                None if framed.is_object() && framed.get("reference").is_none() => None,
                None => given.insert(name.clone(), symbol(&format!("parameters('{name}')"))),
            };
        }
        Some(if loaded {
            self.loaded(node, &frame.value(template), &given, to)
        } else {
            self.template(template, None, &given, to)
        })
    }
}

impl<'w> Walk<'w> {
    /// A template inside of one that is a value of its language, as in Bicep.
    fn worked_out(
        &mut self,
        node: &'w Node,
        frame: &Frame<'w>,
        to: Deployment<'_>,
    ) -> Option<HashMap<String, Json>> {
        let properties = node.get("properties").map(|p| frame.value(p)).unwrap_or_default();
        let parameters = properties.get("parameters").and_then(Json::as_object).into_iter().flatten();
        let given = parameters.map(|(name, framed)| {
            let value = framed.get("value").cloned();
            (name.clone(), value.unwrap_or_else(|| symbol(&format!("parameters('{name}')"))))
        });
        let template = properties.get("template").cloned().unwrap_or_default();
        Some(self.loaded(node, &template, &given.collect(), to))
    }
}

/// Where a deployment inside of another goes.
fn place_within(node: &Node, frame: &Frame<'_>) -> String {
    let value = |key: &str| match node.get(key).map(|n| frame.value(n)) {
        Some(Json::String(text)) => Some(text),
        _ => None,
    };
    let place = &frame.names.place;
    let subscription = value("subscriptionId").map(|s| format!("/subscriptions/{s}"));
    let own = place.split("/resourceGroups/").next().unwrap_or_default().to_owned();
    match (value("scope"), value("resourceGroup")) {
        (Some(scope), _) if scope.starts_with('/') || scope.starts_with("${") => scope,
        (Some(scope), _) => format!("/providers/{scope}"),
        (None, Some(group)) => format!("{}/resourceGroups/{group}", subscription.unwrap_or(own)),
        (None, None) => subscription.unwrap_or_else(|| place.clone()),
    }
}

/// The scope that a template is for, by its schema. Which one it will be is known if somebody says, else it goes by the file.
pub(super) fn place_of(module: &Module, at: Option<&str>) -> String {
    let schema = module.root.get("$schema").and_then(Node::text).unwrap_or_default().to_ascii_lowercase();
    let own = module.path.replace('/', "\u{2215}");
    let at = at.unwrap_or_default().trim_end_matches('/');
    let inside = |marker: &str| {
        let begin = at.to_ascii_lowercase().find(marker)? + marker.len();
        at.get(begin..)?.split('/').next().filter(|name| !name.is_empty())
    };
    let unsaid = format!("${{{own}}}");
    let subscription = inside("/subscriptions/").unwrap_or(&unsaid);
    if schema.contains("subscriptiondeploymenttemplate") {
        format!("/subscriptions/{subscription}")
    } else if schema.contains("managementgroupdeploymenttemplate") {
        let group = inside("/managementgroups/").unwrap_or(&unsaid);
        format!("/providers/Microsoft.Management/managementGroups/{group}")
    } else if schema.contains("tenantdeploymenttemplate") {
        "/".to_owned()
    } else {
        let group = inside("/resourcegroups/").unwrap_or(&unsaid);
        format!("/subscriptions/{subscription}/resourceGroups/{group}")
    }
}
