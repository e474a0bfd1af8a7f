//! Facts of resources: identities that are gone, secrets in settings, and who holds the data of accounts that take keys.

use super::{Fact, Lens, Subject, Type, Value};
use crate::graph::{AccessGraph, Identity};
use crate::model::{FastMap, FastSet, GrantState, Ix, Level, Operation, Resource, Settings, Source, Sym};
use std::collections::{BTreeSet, HashMap};

/// What is known of a resource beyond its record.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResourceFacts {
    /// Identities that its block names and that are gone.
    pub(crate) dangling: Vec<String>,
    /// Settings that hold a secret of an Azure service.
    pub(crate) azure_secrets: Vec<String>,
    /// Settings that hold another.
    pub(crate) other_secrets: Vec<String>,
    /// Identities with a role over its data.
    pub(crate) data_holders: Vec<String>,
    /// Whether it, or the resource that it is a part of, has an identity.
    pub(crate) has_identity: bool,
    /// Whether it takes requests signed with its own keys.
    pub(crate) shared_keys: Option<bool>,
}

/// The data of a storage account, by the operations that read it.
const STORED: [&str; 4] = [
    "microsoft.storage/storageaccounts/blobservices/containers/blobs/read",
    "microsoft.storage/storageaccounts/fileservices/fileshares/files/read",
    "microsoft.storage/storageaccounts/queueservices/queues/messages/read",
    "microsoft.storage/storageaccounts/tableservices/tables/entities/read",
];

impl Lens<'_> {
    /// Works out what is asked of resources, for those that anything is to be said of.
    pub(super) fn resource_facts(&mut self) {
        let graph = self.graph;
        let estate = graph.estate();
        let known: FastSet<Sym> = estate.identities.iter().map(|i| estate.strings.class(i.id)).collect();
        let mut all: FastMap<usize, ResourceFacts> = FastMap::default();
        let with_settings = estate.resources.iter().any(|r| r.settings.is_some());
        let by_id: HashMap<Sym, &Resource> = if with_settings {
            estate.resources.iter().map(|r| (estate.strings.class(r.id), r)).collect()
        } else {
            HashMap::new()
        };
        for (at, resource) in estate.resources.iter().enumerate() {
            let user = resource.identity.iter().flat_map(|b| &b.user);
            let gone = user.filter(|u| !known.contains(&estate.strings.class(u.id)));
            let mut facts = ResourceFacts {
                dangling: gone.map(|u| graph.text(u.id).to_owned()).collect(),
                ..ResourceFacts::default()
            };
            if let Some(settings) = resource.settings.as_deref() {
                let Settings { azure, other } = settings;
                let texts = |names: &[Sym]| names.iter().map(|n| graph.text(*n).to_owned()).collect();
                (facts.azure_secrets, facts.other_secrets) = (texts(azure), texts(other));
                facts.has_identity = self.around(resource, &by_id).any(|r| r.identity.is_some());
            }
            facts.shared_keys = resource.doors.keys.filter(|_| self.takes_keys(resource));
            if resource.settings.is_none() && facts.shared_keys.is_none() && facts.dangling.is_empty() {
                continue;
            }
            all.insert(at, facts);
        }
        if all.values().any(|f| f.shared_keys == Some(true)) {
            self.data_holders(&mut all);
        }
        self.resources = all;
    }

    /// A resource and those that it is a part of.
    fn around<'r>(
        &self,
        resource: &'r Resource,
        by_id: &'r HashMap<Sym, &'r Resource>,
    ) -> impl Iterator<Item = &'r Resource> {
        let graph: &AccessGraph = self.graph;
        let node = graph.scopes().find(graph.estate(), resource.id);
        let above = node.into_iter().flat_map(|at| graph.scopes().up(at).skip(1));
        let above = above.map(|at| &graph.scopes().nodes()[at]).take_while(|n| n.level == Level::Resource);
        let above: Vec<&'r Resource> =
            above.filter_map(|n| by_id.get(&graph.estate().strings.class(n.id)).copied()).collect();
        std::iter::once(resource).chain(above)
    }

    /// Who holds a role over the data of storage accounts that take keys: above them, on them or inside of them.
    fn data_holders(&self, all: &mut FastMap<usize, ResourceFacts>) {
        let graph = self.graph;
        let (scopes, operations) = (graph.scopes(), graph.catalog().operations());
        let stored: Vec<Operation> = STORED.iter().map(|o| Operation::data(o)).collect();
        let reads: Vec<bool> = graph
            .roles()
            .iter()
            .map(|(_, role)| {
                stored.iter().any(|o| role.compiled.blocks.iter().any(|b| b.holds(o, operations)))
            })
            .collect();
        let direct =
            graph.grants().iter().filter_map(|(at, g)| Some((graph.parties()[g.party].identity?, at)));
        let groups = self.group_grants.iter().map(|g| (g.identity, g.held.grant));
        let mut held: HashMap<usize, BTreeSet<Ix<Identity>>> = HashMap::new();
        let mut inside: HashMap<usize, BTreeSet<Ix<Identity>>> = HashMap::new();
        for (identity, at) in direct.chain(groups) {
            let grant = &graph.grants()[at];
            let counts = grant.state != GrantState::Eligible && self.identity(identity).judged;
            if counts && reads.get(grant.role.index()).copied().unwrap_or(false) {
                held.entry(grant.scope.index()).or_default().insert(identity);
                for above in scopes.up(grant.scope).skip(1) {
                    if scopes.nodes()[above].level < Level::Resource {
                        break;
                    }
                    inside.entry(above.index()).or_default().insert(identity);
                }
            }
        }
        for (at, facts) in all.iter_mut().filter(|(_, f)| f.shared_keys == Some(true)) {
            let Some(resource) = graph.estate().resources.get(*at) else { continue };
            let Some(node) = scopes.find(graph.estate(), resource.id) else { continue };
            let above = scopes.up(node).filter_map(|n| held.get(&n.index())).flatten();
            let holders: BTreeSet<Ix<Identity>> =
                above.chain(inside.get(&node.index()).into_iter().flatten()).copied().collect();
            let mut names: Vec<String> =
                holders.into_iter().map(|i| graph.identity_name(&graph.identities()[i]).to_owned()).collect();
            names.sort_unstable();
            facts.data_holders = names;
        }
    }

    /// Whether a resource is of a type that takes requests signed with keys of its own.
    pub(crate) fn takes_keys(&self, resource: &Resource) -> bool {
        self.graph.text(resource.kind).eq_ignore_ascii_case("Microsoft.Storage/storageAccounts")
    }

    fn resource(&self, subject: &Subject) -> Option<&Resource> {
        self.graph.estate().resources.get(subject.resource?)
    }

    fn about(&self, subject: &Subject) -> Option<&ResourceFacts> {
        self.resources.get(&subject.resource?)
    }
}

macro_rules! fact {
    ($field:literal, $kind:ident, $meaning:literal, |$lens:ident, $subject:ident| $value:expr) => {
        Fact {
            root: "resource",
            field: $field,
            kind: Type::$kind,
            meaning: $meaning,
            get: |$lens, $subject| $value.unwrap_or(Value::Missing),
        }
    };
}

fn list(of: Option<&Vec<String>>) -> Value<'_> {
    of.map_or(Value::List(&[]), |names| Value::List(names))
}

pub(super) const FACTS: &[Fact] = &[
    fact!("name", Text, "its name", |lens, s| {
        lens.resource(s).map(|r| Value::Text(crate::model::role_key(lens.graph.text(r.id))))
    }),
    fact!("type", Text, "its type", |lens, s| lens.resource(s).map(|r| Value::Text(lens.graph.text(r.kind)))),
    fact!("dangling", List, "identities that its identity block names and that are gone", |lens, s| {
        lens.read(Source::Identities).then(|| list(lens.about(s).map(|f| &f.dangling)))
    }),
    fact!(
        "has_identity",
        Bool,
        "whether it, or the resource that it is a part of, has an identity",
        |lens, s| { Some(Value::Bool(lens.about(s).is_some_and(|f| f.has_identity))) }
    ),
    fact!(
        "azure_secrets",
        List,
        "settings with a key, a connection string or a client secret that an identity could stand in for",
        |lens, s| Some(list(lens.about(s).map(|f| &f.azure_secrets)))
    ),
    fact!("other_secrets", List, "settings with another secret", |lens, s| {
        Some(list(lens.about(s).map(|f| &f.other_secrets)))
    }),
    fact!("shared_keys", Bool, "whether it takes requests that are signed with its own keys", |lens, s| {
        match lens.about(s).and_then(|f| f.shared_keys) {
            Some(takes) => Some(Value::Bool(takes)),
            None => lens.resource(s).filter(|r| !lens.takes_keys(r)).map(|_| Value::Bool(false)),
        }
    }),
    fact!(
        "data_holders",
        List,
        "identities with a role over its data; missing if keys are, too",
        |lens, s| { lens.about(s).map(|f| Value::List(&f.data_holders)) }
    ),
];
