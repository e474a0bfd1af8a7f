//! ARM templates: expressions are worked out as far as parameters are known, and each resource becomes the record that Azure
//! would show of it.
//!
//! Source: "Understand the structure and syntax of ARM templates". Read are parameters with their defaults and given values,
//! variables, loops, nested templates with both scopes of evaluation, symbolic names, functions of one's own, conditions.
//! Not here: linked templates at other addresses.

mod evaluate;
mod expression;
mod functions;
mod json;
mod template;

use crate::model::{Gap, Location, Reason, Source};
use crate::sources::arm::Lowering;
use std::cell::RefCell;
use std::collections::HashMap;
use template::Walk;

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
    lowering: &mut Lowering,
) -> Result<Vec<String>, (u64, u64, &'static str)> {
    let root = json::parse(template.text).map_err(|broken| {
        let (line, column) = super::place::position(template.text, broken.at);
        (line, column, broken.expected)
    })?;
    let outputs = RefCell::default();
    let fuel = evaluate::Frame::fuel();
    let folder = template.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let place = template::place_of(&root, template.path);
    // What modules give back is known once they were walked: others may have asked before.
    let lines = super::place::Lines::of(template.text);
    let mut first = Walk::new((template, &lines), Lowering::default(), &outputs, &fuel);
    first.template(&root, template.parameters, &place, folder, 0);
    let mut walk = Walk::new((template, &lines), std::mem::take(lowering), &outputs, &fuel);
    walk.template(&root, template.parameters, &place, folder, 0);
    *lowering = walk.lowering;
    if fuel.get() == 0 {
        let location = Location { path: template.path.to_owned(), line: 1, column: 1 };
        let detail = "the template takes more steps to work out than are taken";
        lowering.estate.gaps.push(Gap::new(Source::Files, "", Reason::Unsupported, detail).at(location));
    }
    let declared = root.get("parameters").map(json::Node::members).unwrap_or_default();
    Ok(declared.iter().map(|(name, _)| name.clone()).collect())
}

/// The values in a file of parameters. Those that lie in a vault are not known.
///
/// # Errors
/// With line, column and what was expected, if it is no JSON that Azure would take.
pub fn parameters_of(text: &str) -> Result<HashMap<String, serde_json::Value>, (u64, u64, &'static str)> {
    let root = json::parse(text).map_err(|broken| {
        let (line, column) = super::place::position(text, broken.at);
        (line, column, broken.expected)
    })?;
    let given = root.get("parameters").map(json::Node::members).unwrap_or_default();
    let value = |(name, node): &(String, json::Node)| {
        let value = node.get("value").map(json::Node::json);
        (name.clone(), value.unwrap_or_else(|| evaluate::symbol(&format!("parameters('{name}')"))))
    };
    Ok(given.iter().map(value).collect())
}
