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
    pub(in crate::sources::iac) secrets: Secrets,
}

/// What may not be shown: types, and members of types.
#[derive(Clone, Default)]
pub(in crate::sources::iac) struct Secrets {
    pub(in crate::sources::iac) types: Vec<String>,
    pub(in crate::sources::iac) members: Vec<String>,
}

impl Secrets {
    /// What the definitions of a template in JSON say.
    pub(super) fn of(root: &Node) -> Secrets {
        let mut secrets = Secrets::default();
        for (name, definition) in root.get("definitions").map(Node::members).unwrap_or_default() {
            if super::frame::is_secret(definition) {
                secrets.types.push(name.clone());
            }
            secrets.look(definition, 0);
        }
        for (_, parameter) in root.get("parameters").map(Node::members).unwrap_or_default() {
            secrets.look(parameter, 0);
        }
        secrets
    }

    fn look(&mut self, definition: &Node, depth: usize) {
        if depth > 40 {
            return;
        }
        for (name, member) in definition.get("properties").map(Node::members).unwrap_or_default() {
            if super::frame::is_secret(member) {
                self.members.push(name.clone());
            }
            self.look(member, depth + 1);
        }
        if let Some(items) = definition.get("items") {
            self.look(items, depth + 1);
        }
    }

    /// Whether a parameter is of a type whose values may not be shown.
    pub(super) fn hides(&self, declared: &Node) -> bool {
        let named = declared.get("$ref").and_then(Node::text).and_then(|r| r.rsplit('/').next());
        let types = declared.get("types").map(Node::items).unwrap_or_default();
        let mut all = types.iter().filter_map(Node::text).chain(named);
        super::frame::is_secret(declared) || all.any(|t| self.types.iter().any(|s| s == t))
    }
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
    /// What may not be shown, by what it and the files that it imports from say.
    pub(super) fn secrets(&self, modules: &Modules) -> Secrets {
        let mut all = self.secrets.clone();
        for import in &self.imports {
            let Some(there) = modules.get(&import.from) else { continue };
            all.members.extend(there.secrets.members.iter().cloned());
            match import.alias {
                Some(_) => all.types.extend(there.secrets.types.iter().cloned()),
                None => {
                    let secret = import.names.iter().filter(|(name, _)| there.secrets.types.contains(name));
                    all.types.extend(secret.map(|(_, here)| here.clone()));
                }
            }
        }
        all
    }

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
