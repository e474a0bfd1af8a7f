//! The facts that rules ask about: one table of names, types, meanings and how each is got.
//!
//! A fact that its source did not cover is `Missing`, which makes a rule inconclusive, never false. Numbers are
//! counts and days; texts are borrowed from the graph or from what `lens` worked out once.

mod assignment;
mod escalation;
mod federation;
mod identity;
mod lens;
mod other;
mod resource;
mod tables;
mod usage;

pub(crate) use escalation::{Ways, leads_to, steps};
pub(crate) use lens::Lens;
pub use tables::{IdentityFacts, UseIndex};

use crate::finding::SubjectKind;
use crate::graph::{Grant, Identity, Role};
use crate::model::Ix;

/// The type of a fact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A text.
    Text,
    /// A sorted list of texts.
    List,
}

impl Type {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Type::Bool => "truth value",
            Type::Int => "number",
            Type::Text => "text",
            Type::List => "list",
        }
    }
}

/// The value of a fact.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Value<'v> {
    Missing,
    Bool(bool),
    Int(i64),
    Text(&'v str),
    List(&'v [String]),
}

impl<'v> Value<'v> {
    fn count(n: usize) -> Value<'v> {
        Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
    }

    fn text_or_missing(text: Option<&'v str>) -> Value<'v> {
        text.map_or(Value::Missing, Value::Text)
    }
}

/// What a rule looks at: the parts that a subject has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Subject {
    pub(crate) grant: Option<Ix<Grant>>,
    /// Position of the chain of groups through which the identity holds the grant.
    pub(crate) via: Option<usize>,
    pub(crate) identity: Option<Ix<Identity>>,
    pub(crate) role: Option<Ix<Role>>,
    pub(crate) credential: Option<usize>,
    pub(crate) vault: Option<usize>,
    pub(crate) policy: Option<usize>,
    pub(crate) resource: Option<usize>,
    pub(crate) waiver: Option<usize>,
}

impl Subject {
    /// The position of what is looked at among those of its kind.
    pub(crate) fn row(&self) -> Option<usize> {
        let grant = self.grant.map(Ix::index);
        let role = self.role.map(Ix::index);
        let identity = self.identity.map(Ix::index);
        grant
            .or(role)
            .or(self.credential)
            .or(self.vault)
            .or(self.policy)
            .or(self.resource)
            .or(self.waiver)
            .or(identity)
    }
}

type Get = for<'g> fn(&'g Lens<'g>, &Subject) -> Value<'g>;

/// A fact's entry in the vocabulary.
#[derive(Clone, Copy, Debug)]
pub struct Fact {
    /// What it is about: the word before the dot.
    pub root: &'static str,
    /// The word after the dot.
    pub field: &'static str,
    /// Its type.
    pub kind: Type,
    /// What it means.
    pub meaning: &'static str,
    get: Get,
}

/// A fact's position in the vocabulary.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(crate) struct FactId(u16);

const TABLES: [&[Fact]; 7] = [
    identity::FACTS,
    escalation::FACTS,
    assignment::FACTS,
    federation::FACTS,
    resource::FACTS,
    other::FACTS,
    usage::FACTS,
];

/// Every fact, by table.
pub fn vocabulary() -> impl Iterator<Item = &'static Fact> {
    TABLES.into_iter().flatten()
}

pub(crate) fn find_fact(root: &str, field: &str) -> Option<(FactId, Type)> {
    let (at, fact) = vocabulary().enumerate().find(|(_, f)| f.root == root && f.field == field)?;
    Some((FactId(u16::try_from(at).ok()?), fact.kind))
}

pub(crate) fn get(id: FactId) -> Get {
    static GETTERS: std::sync::OnceLock<Vec<Get>> = std::sync::OnceLock::new();
    let getters = GETTERS.get_or_init(|| vocabulary().map(|f| f.get).collect());
    // Ids are only made by `find_fact`; the fallback keeps this total.
    getters.get(usize::from(id.0)).copied().unwrap_or(|_, _| Value::Missing)
}

/// The words that a subject's rules may use before the dot.
pub fn roots(kind: SubjectKind) -> &'static [&'static str] {
    match kind {
        SubjectKind::Assignment => &["assignment", "identity", "principal", "role", "scope"],
        SubjectKind::Identity => &["identity"],
        SubjectKind::RoleDefinition => &["role"],
        SubjectKind::FederatedCredential => &["federated_credential", "identity"],
        SubjectKind::Resource => &["resource"],
        SubjectKind::Vault => &["vault"],
        SubjectKind::PolicyAssignment => &["policy", "identity"],
        SubjectKind::Waiver => &["waiver"],
        SubjectKind::File => &["estate"],
    }
}
