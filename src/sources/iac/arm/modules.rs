//! Templates that others deploy or import from, each read once.
//!
//! Not here: finding them (`bicep`), and walking them (`template`).

use super::json::Node;
use crate::model::Location;
use crate::sources::iac::place::Lines;
use std::collections::HashMap;

/// The language that a template is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sources::iac) enum Written {
    Json,
    Bicep,
}

/// A template.
pub(in crate::sources::iac) struct Module {
    /// How its file is shown.
    pub(in crate::sources::iac) path: String,
    pub(in crate::sources::iac) root: Node,
    pub(in crate::sources::iac) lines: Lines,
    pub(in crate::sources::iac) written: Written,
    /// Whether it lies outside of the repository, so that what it declares is shown at the call.
    pub(in crate::sources::iac) outside: bool,
    pub(in crate::sources::iac) imports: Vec<Import>,
}

/// Names that come from another file.
pub(in crate::sources::iac) struct Import {
    /// The key of the file.
    pub(in crate::sources::iac) from: String,
    /// The name that stands for all of it, if one does.
    pub(in crate::sources::iac) alias: Option<String>,
    /// Names there and here.
    pub(in crate::sources::iac) names: Vec<(String, String)>,
}

/// Templates by their keys: the path in the repository, or the address in a registry.
pub(in crate::sources::iac) type Modules = HashMap<String, Module>;

impl Module {
    /// Where a node stands.
    pub(super) fn location(&self, node: &Node) -> Location {
        let (line, column) = self.lines.position(node.at);
        Location { path: self.path.clone(), line, column }
    }

    /// The names of its parameters.
    pub(in crate::sources::iac) fn parameters(&self) -> Vec<String> {
        let declared = self.root.get("parameters").map(Node::members).unwrap_or_default();
        declared.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The functions that it declares.
    pub(super) fn functions(&self) -> impl Iterator<Item = (&String, &Node)> {
        let namespaces = self.root.get("functions").map(Node::items).unwrap_or_default();
        let members = namespaces.iter().filter_map(|n| n.get("members"));
        members.flat_map(Node::members).map(|(name, function)| (name, function))
    }
}
