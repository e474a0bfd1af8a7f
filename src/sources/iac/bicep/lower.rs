//! Declarations of Bicep as the template that they are compiled to, with names in place of `parameters('…')` and the like.
//!
//! Resources come in the order in which they ask for each other, so that what a module gives back is known when somebody
//! asks. Not here: files (`load`), and walking the template (`arm`).

use super::parser::made;
use super::syntax::{Body, Copy, Declaration, Deployed, Names, What};
use crate::sources::iac::arm::{Expression, Node, Secrets, Tree};
use serde_json::Value as Json;
use std::collections::{BTreeSet, HashMap, HashSet};

/// What a file comes to.
pub(super) struct Lowered {
    pub(super) root: Node,
    /// Paths of modules and imported files, with where they are named.
    pub(super) modules: Vec<(String, usize)>,
    pub(super) imports: Vec<(Names, String, usize)>,
    /// The file whose parameters this one gives; `None` is one that gives none.
    pub(super) using: Option<String>,
    /// Names that values are asked of.
    pub(super) used: HashSet<String>,
    /// What may not be shown.
    pub(super) secrets: Secrets,
}

/// Puts it together.
pub(super) fn lower(declarations: Vec<Declaration>, secret: Vec<String>) -> Lowered {
    let secrets = Secrets { types: secret_types(&declarations), members: secret };
    let mut flat = Vec::new();
    declarations.into_iter().for_each(|d| flatten(d, None, &mut flat));
    let (order, used) = order(&flat);
    let mut lowered = Lowered {
        root: object(0, Vec::new()),
        modules: Vec::new(),
        imports: Vec::new(),
        using: None,
        used,
        secrets,
    };
    let mut schema = "deploymentTemplate.json";
    let [mut parameters, mut variables, mut functions, mut outputs] = [const { Vec::new() }; 4];
    let mut resources: Vec<Option<(String, Node)>> = Vec::new();
    for declared in flat {
        let Declaration { at, name, what } = declared;
        let mut resource = None;
        match what {
            What::Target(Expression::Value(Json::String(scope))) => {
                schema = match scope.as_str() {
                    "subscription" => "subscriptionDeploymentTemplate.json",
                    "managementGroup" => "managementGroupDeploymentTemplate.json",
                    "tenant" => "tenantDeploymentTemplate.json",
                    _ => schema,
                }
            }
            What::Parameter { secure, nullable, default, types } => {
                let secure = secure || types.iter().any(|t| lowered.secrets.types.contains(t));
                let mut members = vec![leaf("type", at, if secure { "secure" } else { "plain" })];
                // Types of other files may say that it is a secret, too.
                let types = types.iter().map(|t| leaf("", at, t).1).collect();
                members.push(("types".to_owned(), Node { at, value: Tree::List(types) }));
                members.extend(default.map(|d| ("defaultValue".to_owned(), expression(at, d))));
                if nullable {
                    members.push(leaf("nullable", at, "true"));
                }
                parameters.push((name, object(at, members)));
            }
            What::Variable(value) => variables.push((name, expression(at, value))),
            What::Output { secure, value } => {
                let hidden = || crate::sources::iac::arm::text(&format!("${{outputs.{name}}}"));
                let value = if secure { hidden() } else { value };
                outputs.push((name, object(at, vec![("value".to_owned(), expression(at, value))])));
            }
            What::Function { parameters, body } => {
                let names = parameters.iter().map(|p| object(at, vec![leaf("name", at, p)])).collect();
                let value = object(at, vec![("value".to_owned(), expression(at, body))]);
                let parameters = Node { at, value: Tree::List(names) };
                let function = vec![("parameters".to_owned(), parameters), ("output".to_owned(), value)];
                functions.push((name, object(at, function)));
            }
            What::Resource(deployed) => resource = Some((name, members(at, deployed))),
            What::Module(mut deployed) => {
                lowered.modules.push((deployed.of.clone(), at));
                let path = std::mem::replace(&mut deployed.of, "Microsoft.Resources/deployments".to_owned());
                if !deployed.body.members.iter().any(|(key, _)| key == "name") {
                    let own = crate::sources::iac::arm::text(&name);
                    deployed.body.members.push(("name".to_owned(), own));
                }
                let mut node = members(at, deployed);
                if let Tree::Object(members) = &mut node.value {
                    members.extend([leaf("module", at, &path), leaf("symbol", at, &name)]);
                }
                resource = Some((name, node));
            }
            What::Import { names, from } => lowered.imports.push((names, from, at)),
            What::Using(Some(path)) => lowered.using = Some(path),
            What::Extends(path) => lowered.imports.push((Names::All(String::new()), path, at)),
            What::Target(_) | What::Using(None) | What::Type { .. } | What::Other => {}
        }
        resources.push(resource);
    }
    let sorted = order.into_iter().filter_map(|n| resources.get_mut(n)?.take()).collect();
    let namespace = object(0, vec![("members".to_owned(), object(0, functions))]);
    lowered.root = object(
        0,
        vec![
            leaf("$schema", 0, schema),
            ("parameters".to_owned(), object(0, parameters)),
            ("variables".to_owned(), object(0, variables)),
            ("functions".to_owned(), Node { at: 0, value: Tree::List(vec![namespace]) }),
            ("resources".to_owned(), object(0, sorted)),
            ("outputs".to_owned(), object(0, outputs)),
        ],
    );
    lowered
}

/// Types whose values may not be shown, and those that name one.
fn secret_types(declarations: &[Declaration]) -> Vec<String> {
    let types: Vec<(&String, bool, &Vec<String>)> = declarations
        .iter()
        .filter_map(|d| match &d.what {
            What::Type { secure, types } => Some((&d.name, *secure, types)),
            _ => None,
        })
        .collect();
    let mut found: Vec<String> =
        types.iter().filter(|(_, secure, _)| *secure).map(|(name, ..)| (*name).clone()).collect();
    loop {
        let more = types
            .iter()
            .find(|(name, _, uses)| !found.contains(name) && uses.iter().any(|u| found.contains(u)));
        match more {
            Some((name, ..)) => found.push((*name).clone()),
            None => return found,
        }
    }
}

fn object(at: usize, members: Vec<(String, Node)>) -> Node {
    Node { at, value: Tree::Object(members) }
}

fn leaf(key: &str, at: usize, text: &str) -> (String, Node) {
    (key.to_owned(), Node { at, value: Tree::Leaf(Json::String(text.to_owned())) })
}

fn expression(at: usize, value: Expression) -> Node {
    Node { at, value: Tree::Expression(value) }
}

fn member(of: Expression, name: &str) -> Expression {
    match of {
        // Each side of a choice is a scope of its own.
        Expression::Call(function, mut arguments) if function.ends_with("=if") && arguments.len() == 3 => {
            let sides = arguments.split_off(1).into_iter().map(|side| member(side, name));
            arguments.extend(sides);
            Expression::Call(function, arguments)
        }
        other => Expression::Member(Box::new(other), name.to_owned()),
    }
}

/// A resource, and those that are declared inside of it, which lie in it.
fn flatten(mut declared: Declaration, around: Option<&Declaration>, into: &mut Vec<Declaration>) {
    let What::Resource(own) = &mut declared.what else { return into.push(declared) };
    if let Some((Declaration { name: parent, what: What::Resource(outer), .. }, true)) =
        around.map(|a| (a, true))
    {
        declared.name = format!("{parent}::{}", declared.name);
        if !own.of.split('/').next().unwrap_or_default().contains('.') {
            let kind = outer.of.split('@').next().unwrap_or_default();
            own.of = format!("{kind}/{}", own.of);
        }
        let parent = Expression::Name(parent.clone());
        let parent = match &outer.copy {
            // One in each that a loop deploys.
            Some(copy) => {
                let turn = copy.names.get(1).cloned().unwrap_or_default();
                own.copy = Some(copy.clone());
                Expression::Index(Box::new(parent), Box::new(Expression::Name(turn)))
            }
            None => parent,
        };
        own.condition = match (outer.condition.clone(), own.condition.take()) {
            (Some(outer), Some(own)) => Some(made("and", vec![outer, own])),
            (one, other) => one.or(other),
        };
        own.body.members.push(("parent".to_owned(), parent));
    }
    let nested = std::mem::take(&mut own.body.nested);
    if let Some(copy) = own.copy.as_mut().filter(|c| c.names.len() < 2 && !nested.is_empty()) {
        copy.names.push("turn of the loop".to_owned());
    }
    for inside in nested {
        flatten(inside, Some(&declared), into);
    }
    into.push(declared);
}

/// The members of a resource as a template has them.
fn members(at: usize, deployed: Deployed) -> Node {
    let Deployed { of, existing, copy, condition, body } = deployed;
    let Body { members, spread, .. } = body;
    let mut all = vec![leaf("type", at, &of)];
    if existing {
        all.push(("existing".to_owned(), Node { at, value: Tree::Leaf(Json::Bool(true)) }));
    }
    if let Some(Copy { names, over }) = copy {
        let names = names.iter().map(|n| leaf("", at, n).1).collect();
        let inside = vec![
            leaf("name", at, "for"),
            ("over".to_owned(), expression(at, over)),
            ("names".to_owned(), Node { at, value: Tree::List(names) }),
        ];
        all.push(("copy".to_owned(), object(at, inside)));
    }
    all.extend(condition.map(|c| ("condition".to_owned(), expression(at, c))));
    if !spread.is_empty() {
        let merged = made("createArray", spread);
        let merged = made("shallowMerge", vec![merged]);
        for key in ["name", "properties", "identity", "tags", "params"] {
            if !members.iter().any(|(k, _)| k == key) {
                all.push((key.to_owned(), expression(at, member(merged.clone(), key))));
            }
        }
    }
    for (key, value) in members {
        let value = if matches!(key.as_str(), "scope" | "parent") { member(value, "id") } else { value };
        // What templates have of their own is not what a member of the same name says here.
        if !matches!(
            key.as_str(),
            "type" | "existing" | "copy" | "condition" | "module" | "missing" | "symbol" | "resources"
        ) {
            all.push((key, expression(at, value)));
        }
    }
    object(at, all)
}

/// The order in which declarations are asked for, and all names that are.
fn order(flat: &[Declaration]) -> (Vec<usize>, HashSet<String>) {
    let index: HashMap<&str, usize> = flat.iter().enumerate().map(|(n, d)| (d.name.as_str(), n)).collect();
    let mut all = HashSet::new();
    let uses: Vec<BTreeSet<usize>> = flat
        .iter()
        .map(|declared| {
            let mut found = BTreeSet::new();
            each_expression(declared, &mut |name| {
                found.extend(index.get(name));
                if !all.contains(name) {
                    all.insert(name.to_owned());
                }
            });
            found
        })
        .collect();
    let mut order = Vec::with_capacity(flat.len());
    let mut seen = vec![false; flat.len()];
    for start in 0..flat.len() {
        // Without calling itself: chains of declarations may be as long as the file.
        let mut under_way = vec![(start, false)];
        while let Some((n, ready)) = under_way.pop() {
            if ready {
                order.push(n);
                continue;
            }
            let Some(seen) = seen.get_mut(n).filter(|s| !**s) else { continue };
            *seen = true;
            under_way.push((n, true));
            under_way.extend(uses.get(n).into_iter().flatten().rev().map(|used| (*used, false)));
        }
    }
    (order, all)
}

/// Every name that the expressions of a declaration ask for.
fn each_expression(declared: &Declaration, found: &mut dyn FnMut(&str)) {
    match &declared.what {
        What::Target(e)
        | What::Variable(e)
        | What::Output { value: e, .. }
        | What::Function { body: e, .. } => names(e, found),
        What::Parameter { default, .. } => default.iter().for_each(|e| names(e, found)),
        What::Resource(deployed) | What::Module(deployed) => {
            deployed.copy.iter().for_each(|c| names(&c.over, found));
            deployed.condition.iter().for_each(|c| names(c, found));
            deployed.body.members.iter().for_each(|(_, e)| names(e, found));
            deployed.body.spread.iter().for_each(|e| names(e, found));
        }
        What::Import { .. } | What::Using(_) | What::Extends(_) | What::Type { .. } | What::Other => {}
    }
}

fn names(expression: &Expression, found: &mut dyn FnMut(&str)) {
    match expression {
        Expression::Value(_) => {}
        Expression::Name(name) => found(name),
        Expression::Call(name, arguments) => {
            found(name.split_once('.').map_or(name.as_str(), |(namespace, _)| namespace));
            arguments.iter().for_each(|a| names(a, found));
        }
        Expression::Member(of, _) => names(of, found),
        Expression::Index(of, index) => {
            names(of, found);
            names(index, found);
        }
    }
}
