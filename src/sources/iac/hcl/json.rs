//! Terraform's source in its JSON syntax: the same blocks, with expressions in texts.
//!
//! Source: "JSON Configuration Syntax" of the Terraform language. Whether an object is a block or a value only the provider's
//! schema says: values are those members that are maps in every provider, the rest are blocks. Not here: what blocks make.

use super::tree::{Block, Broken, Expr, template_of};
use crate::model::Location;
use crate::sources::iac::arm::{Node, Tree, parse_json};
use crate::sources::iac::place::{Lines, position};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How many labels a block has.
fn labels(kind: &str) -> usize {
    match kind {
        "resource" | "data" | "ephemeral" => 2,
        "module" | "variable" | "output" | "provider" | "check" => 1,
        _ => 0,
    }
}

/// Members of resources that are maps, not blocks.
const MAPS: [&str; 9] = [
    "tags",
    "app_settings",
    "settings",
    "environment_variables",
    "secure_environment_variables",
    "body",
    "triggers",
    "keepers",
    "metadata",
];

struct File<'f> {
    lines: Lines,
    path: &'f str,
}

/// Reads a file.
pub(super) fn parse(text: &str, path: &str) -> Result<Vec<Rc<Block>>, Broken> {
    let root = parse_json(text).map_err(|broken| {
        let (line, column) = position(text, broken.at);
        Broken { line, column, why: format!("expected {}", broken.expected) }
    })?;
    let file = File { lines: Lines::of(text), path };
    let mut found = Vec::new();
    // The body of a file, too, may be a list of objects.
    let bodies = if let Tree::List(items) = &root.value { items.iter().collect() } else { vec![&root] };
    for (kind, node) in bodies.iter().flat_map(|b| b.members()).filter(|(kind, _)| kind != "//") {
        file.labelled(kind, node, &mut Vec::new(), labels(kind), &mut found);
    }
    Ok(found)
}

impl File<'_> {
    /// The blocks below labels that are still to come; each step may be a list.
    fn labelled(
        &self,
        kind: &str,
        node: &Node,
        above: &mut Vec<String>,
        to_come: usize,
        found: &mut Vec<Rc<Block>>,
    ) {
        if let Tree::List(items) = &node.value {
            return items.iter().for_each(|item| self.labelled(kind, item, above, to_come, found));
        }
        if to_come == 0 {
            return found.push(Rc::new(self.block(kind, above.clone(), node)));
        }
        for (label, inner) in node.members().iter().filter(|(label, _)| label != "//") {
            above.push(label.clone());
            self.labelled(kind, inner, above, to_come - 1, found);
            above.pop();
        }
    }

    fn block(&self, kind: &str, labels: Vec<String>, node: &Node) -> Block {
        let (line, column) = self.lines.position(node.at);
        let mut attributes = BTreeMap::new();
        let mut blocks = Vec::new();
        // Arguments of modules, values of locals and defaults of variables are what they look like.
        let plain = matches!(kind, "module" | "locals" | "variable" | "output");
        for (key, value) in node.members().iter().filter(|(key, _)| key != "//") {
            let nested = match &value.value {
                Tree::Object(_) => true,
                Tree::List(items) => {
                    !items.is_empty() && items.iter().all(|i| matches!(i.value, Tree::Object(_)))
                }
                _ => false,
            };
            if key == "dynamic" {
                let mut inside = Vec::new();
                self.labelled("dynamic", value, &mut Vec::new(), 1, &mut inside);
                blocks.extend(inside);
            } else if nested && !plain && !MAPS.contains(&key.as_str()) {
                self.labelled(key, value, &mut Vec::new(), 0, &mut blocks);
            } else {
                attributes.insert(
                    key.clone(),
                    Rc::new(if kind == "variable" { literal(value) } else { expression(value) }),
                );
            }
        }
        Block { kind: kind.to_owned(), labels, attributes, blocks, location: self.at(line, column) }
    }

    fn at(&self, line: u64, column: u64) -> Location {
        Location { path: self.path.to_owned(), line, column }
    }
}

fn literal(node: &Node) -> Expr {
    Expr::Literal(node.json())
}

fn expression(node: &Node) -> Expr {
    match &node.value {
        Tree::Leaf(Json::String(text)) if text.contains("${") || text.contains("%{") => template_of(text),
        Tree::Leaf(_) | Tree::Expression(_) => literal(node),
        Tree::List(items) => Expr::List(items.iter().map(expression).collect()),
        Tree::Object(members) => {
            let key = |key: &str| {
                if key.contains("${") { template_of(key) } else { Expr::Literal(Json::from(key)) }
            };
            Expr::Object(members.iter().map(|(k, v)| (key(k), expression(v))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_those_of_the_other_syntax() {
        let text = r#"{"//": "c", "resource": {"a": {"b": {"x": "${y.z}", "n": "p-${var.e}", "tags": {"k": "v"}, "identity": {"type": "SystemAssigned"},
            "dynamic": {"part": {"for_each": "${var.all}", "content": {"q": 1}}}}}}, "locals": {"m": {"r": "Owner"}}, "module": [{"s": {"source": "./s", "o": {"k": 1}}}]}"#;
        let blocks = parse(text, "main.tf.json").unwrap();
        let shown: Vec<String> =
            blocks.iter().map(|b| format!("{} {}", b.kind, b.labels.join("."))).collect();
        assert_eq!(shown, ["resource a.b", "locals ", "module s"]);
        let resource = &blocks[0];
        assert!(matches!(&*resource.attributes["x"], Expr::Get(..)));
        assert!(matches!(&*resource.attributes["n"], Expr::Template(parts) if parts.len() == 2));
        assert!(resource.attributes.contains_key("tags"));
        let inside: Vec<&str> = resource.blocks.iter().map(|b| b.kind.as_str()).collect();
        assert_eq!(inside, ["identity", "dynamic"]);
        assert_eq!(resource.blocks[1].labels, ["part"]);
        assert!(matches!(&*blocks[2].attributes["o"], Expr::Object(_)));
        assert_eq!(parse("{\"resource\": ", "x").unwrap_err().line, 1);
    }
}
