//! What ways lead to, in words.

use super::Target;
use crate::graph::AccessGraph;
use crate::graph::scopes::ScopeNode;
use crate::model::{Ix, role_key};

impl AccessGraph {
    /// A scope by its level and name.
    pub fn scope_words(&self, scope: Ix<ScopeNode>) -> String {
        let node = &self.scopes.nodes()[scope];
        let text = self.text(node.id);
        if text == "/" {
            return "the root".to_owned();
        }
        let class = self.estate.strings.class(node.id);
        let named = self.estate.subscriptions.iter().map(|s| (s.id, s.name));
        let mut named = named.chain(self.estate.management_groups.iter().map(|g| (g.id, g.name)));
        let name = named.find(|(id, _)| self.estate.strings.class(*id) == class);
        let name = name.map(|(_, name)| self.text(name)).filter(|n| !n.starts_with('/'));
        format!("{} `{}`", node.level.name().replace('-', " "), name.unwrap_or_else(|| role_key(text)))
    }
}

impl Target {
    /// In words.
    pub fn words(&self, graph: &AccessGraph) -> String {
        match self {
            Target::Party(party) => format!("`{}`", graph.party_name(*party)),
            Target::Group(party) => format!("membership in `{}`", graph.party_name(*party)),
            Target::Authority(scope) => format!("any role on {}", graph.scope_words(*scope)),
            Target::Write(scope) => format!("writes of most providers on {}", graph.scope_words(*scope)),
            Target::Role(name, scope, None) => format!("{name} on {}", graph.scope_words(*scope)),
            Target::Role(name, scope, Some(other)) => {
                format!("{name} on {}, for `{}`", graph.scope_words(*scope), graph.party_name(*other))
            }
            Target::Directory => "any role of the directory".to_owned(),
        }
    }

    /// What kind it is.
    pub const fn kind(&self) -> &'static str {
        match self {
            Target::Party(_) => "identity",
            Target::Group(_) => "group",
            Target::Authority(_) => "authority",
            Target::Write(_) => "write",
            Target::Role(..) => "role",
            Target::Directory => "directory",
        }
    }

    /// The object id or ARM id of it; empty for the directory.
    pub fn id<'g>(&self, graph: &'g AccessGraph) -> &'g str {
        match self {
            Target::Party(party) | Target::Group(party) => graph.text(graph.parties()[*party].principal),
            Target::Authority(scope) | Target::Write(scope) | Target::Role(_, scope, _) => {
                graph.text(graph.scopes().nodes()[*scope].id)
            }
            Target::Directory => "",
        }
    }
}
