//! ARM templates: expressions are worked out as far as parameters are known, and each resource becomes the record that Azure
//! would show of it.
//!
//! Source: "Understand the structure and syntax of ARM templates". Read are parameters with their defaults and given values,
//! variables, loops, nested templates with both scopes of evaluation, symbolic names, functions of one's own, conditions,
//! and what policies deploy. Bicep becomes such templates, too. Not here: linked templates at other addresses.

mod evaluate;
mod expression;
mod frame;
mod functions;
mod identify;
mod json;
mod modules;
mod record;
mod symbols;
mod template;

pub(super) use evaluate::OPERATOR;
pub(super) use expression::{Expression, text};
pub(super) use json::{Broken, Node, Tree, parse as parse_json};
pub(super) use modules::{Import, Module, Modules, Secrets, Written};

use super::place::{Lines, position};
use crate::model::{Gap, Location, Reason, Source};
use crate::rbac::Catalog;
use crate::sources::arm::Lowering;
use frame::{Frame, Names, Parameter, Run};
use std::collections::{BTreeSet, HashMap};
use template::{Deployment, Walk};

/// A template, and what is known besides.
#[derive(Clone, Copy, Debug)]
pub struct Template<'t> {
    /// The template.
    pub text: &'t str,
    /// How its file is shown.
    pub path: &'t str,
    /// Values of its parameters, as JSON.
    pub parameters: &'t HashMap<String, serde_json::Value>,
}

/// Takes a template in; gives the names of its parameters.
///
/// # Errors
/// With line, column and what was expected, if it is no JSON that Azure would take.
pub(super) fn read(
    template: Template<'_>,
    at: Option<&str>,
    catalog: &'static Catalog,
    lowering: &mut Lowering,
) -> Result<Vec<String>, (u64, u64, &'static str)> {
    let module = module_of(template.text, template.path, false)?;
    let modules = Modules::from([(template.path.to_owned(), module)]);
    let _entered = deploy(&modules, template.path, template.parameters, at, catalog, lowering);
    Ok(modules.get(template.path).map(Module::parameters).unwrap_or_default())
}

/// A template in JSON.
///
/// # Errors
/// With line, column and what was expected, if it is no JSON that Azure would take.
pub(super) fn module_of(text: &str, path: &str, outside: bool) -> Result<Module, (u64, u64, &'static str)> {
    let root = parse_json(text).map_err(|broken| {
        let (line, column) = position(text, broken.at);
        (line, column, broken.expected)
    })?;
    let (lines, path) = (Lines::of(text), path.to_owned());
    let secrets = modules::Secrets::of(&root);
    Ok(Module { path, root, lines, written: Written::Json, outside, imports: Vec::new(), secrets })
}

/// Deploys one of the templates that are known; gives the keys of those that it deploys in turn.
pub(super) fn deploy(
    modules: &Modules,
    root: &str,
    parameters: &HashMap<String, serde_json::Value>,
    at: Option<&str>,
    catalog: &'static Catalog,
    lowering: &mut Lowering,
) -> BTreeSet<String> {
    let Some(module) = modules.get(root) else { return BTreeSet::new() };
    let run = Run::new(modules, catalog);
    let folder = module.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let place = template::place_of(module, at);
    let to = Deployment { place: &place, name: "${deployment}", address: folder, depth: 0 };
    // What nested templates give back is known once they were walked: others may have asked before. Bicep's resources come
    // in the order in which they ask for each other.
    if modules.values().any(|m| m.written == Written::Json) {
        let mut first = Walk::new(&run, module, root, Lowering::default());
        first.template(&module.root, Some(module), parameters, to);
    }
    let mut walk = Walk::new(&run, module, root, std::mem::take(lowering));
    walk.template(&module.root, Some(module), parameters, to);
    walk.join_policies();
    *lowering = walk.lowering;
    if run.spent() {
        let location = Location { path: module.path.clone(), line: 1, column: 1 };
        let detail = "the template takes more steps to work out than are taken";
        lowering.estate.gaps.push(Gap::new(Source::Files, "", Reason::Unsupported, detail).at(location));
    }
    run.entered.into_inner()
}

/// What a file of Bicep's parameters gives, as far as it is known.
pub(super) fn given(
    module: &Module,
    whose: Option<&Module>,
    modules: &Modules,
    catalog: &'static Catalog,
    depth: usize,
) -> HashMap<String, serde_json::Value> {
    // What a file of parameters adds to comes first.
    let below = module.imports.iter().filter(|i| i.alias.as_deref() == Some(""));
    let mut values = HashMap::new();
    for extended in below.filter_map(|i| modules.get(&i.from)).filter(|m| m.path != module.path) {
        if depth < 8 {
            values.extend(given(extended, whose, modules, catalog, depth + 1));
        }
    }
    let run = Run::new(modules, catalog);
    let mut names = Names::new("${scope}", "${deployment}", Written::Bicep);
    let parameters = module.root.get("parameters").map(Node::members).unwrap_or_default();
    // What the file that takes them says is a secret is one here, too.
    let taken = whose.and_then(|w| w.root.get("parameters"));
    let secret = |name: &str| {
        let declared = taken.and_then(|t| t.get(name));
        declared.is_some_and(|d| whose.is_some_and(|w| w.secrets(modules).hides(d)))
    };
    for (name, declared) in parameters {
        let hidden = || Parameter::Given(symbols::symbol(&format!("parameters('{name}')")));
        let value = if secret(name) { hidden() } else { Parameter::Declared(declared) };
        names.parameters.insert(name.clone(), value);
    }
    names.declare(&module.root, Some(module), modules);
    let frame = Frame::new(names, &run);
    values.extend(parameters.iter().filter_map(|(name, _)| Some((name.clone(), frame.parameter(name, 0)?))));
    values
}

/// The values in a file of parameters. Those that lie in a vault are not known.
///
/// # Errors
/// With line, column and what was expected, if it is no JSON that Azure would take.
pub fn parameters_of(text: &str) -> Result<HashMap<String, serde_json::Value>, (u64, u64, &'static str)> {
    let root = module_of(text, "", false)?.root;
    let given = root.get("parameters").map(json::Node::members).unwrap_or_default();
    let value = |(name, node): &(String, json::Node)| {
        let value = node.get("value").map(json::Node::json);
        (name.clone(), value.unwrap_or_else(|| symbols::symbol(&format!("parameters('{name}')"))))
    };
    Ok(given.iter().map(value).collect())
}
