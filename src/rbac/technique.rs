//! Techniques of escalation as data (`rules/techniques/`): which operations on what let somebody become somebody else, or
//! get at more than a role says.
//!
//! Each names its sources. Not here: who could use one against whom (`graph`).

use super::catalog::Operations;
use super::effective::{Access, CompiledRole, ParsedCondition};
use crate::model::Operation;
use serde::Deserialize;
use std::sync::OnceLock;

/// What kind of thing must be done to what.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Changes who may do what.
    Authorization,
    /// Has an identity trust tokens from outside.
    Federation,
    /// Puts an identity on a host of one's own.
    Attach,
    /// Runs code on a host that has identities.
    Host,
    /// Gets a key, a secret or data.
    Credential,
}

impl Group {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Authorization => "authorization",
            Group::Federation => "federation",
            Group::Attach => "attach",
            Group::Host => "host",
            Group::Credential => "credential",
        }
    }
}

/// How sure it is that a technique works where its operations are allowed, most sure first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// A source states it.
    High,
    /// It follows from what is documented.
    Medium,
    /// It needs more than can be seen.
    Low,
    /// It is told of, and works for few of those who are allowed it: too weak to call anything a finding.
    Doubtful,
}

impl Certainty {
    /// Every one, most sure first.
    pub const ALL: [Certainty; 4] = [Certainty::High, Certainty::Medium, Certainty::Low, Certainty::Doubtful];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Certainty::High => "high",
            Certainty::Medium => "medium",
            Certainty::Low => "low",
            Certainty::Doubtful => "doubtful",
        }
    }
}

/// What a technique gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gain {
    /// Any role at the scope.
    AnyRole,
    /// The roles that a condition lets through.
    SomeRoles,
    /// Whatever a custom role that is held is made to allow.
    Redefine,
    /// The identity that it is done to.
    Identity,
    /// A user-assigned identity, on a host that may be written.
    Attach,
    /// The identities of the host.
    Host,
    /// The identities of the hosts that take their code from it.
    Fed,
    /// The identities of the assignments of a policy definition.
    Policy,
    /// Secrets or data.
    Credential,
    /// Nothing that a managed identity gets by this alone.
    None,
}

/// What an operation must be allowed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum On {
    /// Any scope.
    Scope,
    /// The host.
    Host,
    /// The user-assigned identity.
    Uami,
    /// Every scope where a custom role may be assigned.
    Def,
    /// The storage account.
    Storage,
    /// The vault.
    Vault,
    /// A management group.
    Mg,
}

impl On {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            On::Scope => "scope",
            On::Host => "host",
            On::Uami => "user-assigned identity",
            On::Def => "scopes where the custom role is assignable",
            On::Storage => "storage account",
            On::Vault => "vault",
            On::Mg => "management group",
        }
    }
}

/// What a thing must let in by for a technique to work on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Only {
    /// A vault's own access policies.
    AccessPolicies,
    /// Role assignments.
    Roles,
    /// Its keys.
    Keys,
    /// Accounts of its own.
    LocalAccounts,
    /// Commands that Azure passes on.
    RunCommand,
}

/// Which of the operations of all techniques are allowed: whatever the conditions, and at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Powers {
    /// For sure.
    pub sure: u128,
    /// At most.
    pub most: u128,
}

impl Powers {
    /// All that there are.
    pub const ALL: Powers = Powers { sure: u128::MAX, most: u128::MAX };

    /// Together with others.
    pub fn and(self, other: Powers) -> Powers {
        Powers { sure: self.sure | other.sure, most: self.most | other.most }
    }
}

/// Operations that must be allowed together, or of which one must.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Clause {
    /// On what.
    pub on: On,
    /// Whether all are needed.
    pub all: bool,
    /// Which, as bits of [`Powers`].
    pub operations: u128,
}

impl Clause {
    /// Whether these powers are enough.
    pub fn holds(&self, powers: Powers) -> Access {
        let enough = |mask: u128| {
            if self.all { mask & self.operations == self.operations } else { mask & self.operations != 0 }
        };
        match (enough(powers.sure), enough(powers.most)) {
            (true, _) => Access::Allowed,
            (false, true) => Access::Conditional,
            (false, false) => Access::Denied,
        }
    }
}

/// A technique.
#[derive(Clone, Debug)]
pub struct Technique {
    /// What it is known by.
    pub id: String,
    /// What is done.
    pub title: String,
    /// What kind.
    pub group: Group,
    /// How sure it is.
    pub certainty: Certainty,
    /// What it gives.
    pub gain: Gain,
    /// The same in words.
    pub gives: String,
    /// When it fails all the same.
    pub unless: String,
    /// Types of resources that it works on, lower-case.
    pub hosts: Vec<String>,
    /// What they must let in by.
    pub only: Option<Only>,
    /// Where to read more.
    pub references: Vec<String>,
    /// What it takes, all of it.
    pub clauses: Vec<Clause>,
}

impl Technique {
    /// Whether these powers, all held on the same thing, are enough.
    pub fn holds(&self, powers: Powers) -> Access {
        self.clauses.iter().map(|c| c.holds(powers)).min().unwrap_or(Access::Denied)
    }

    /// Whether it is one that works on a resource of this type, lower-case.
    pub fn works_on(&self, kind: &str) -> bool {
        self.hosts.iter().any(|h| h == kind)
    }
}

/// Where a catalogue has the operations of all techniques; none where it does not know one.
#[derive(Clone, Debug, Default)]
pub struct Located(Vec<Option<usize>>);

/// All techniques, with the operations that they are about.
#[derive(Debug, Default)]
pub struct Techniques {
    list: Vec<Technique>,
    operations: Vec<Operation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    title: String,
    group: Group,
    confidence: Certainty,
    gain: Gain,
    gives: String,
    unless: String,
    #[serde(default)]
    hosts: Vec<String>,
    only: Option<Only>,
    references: Vec<String>,
    require: Vec<RawClause>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClause {
    on: On,
    #[serde(default)]
    all: Vec<String>,
    #[serde(default)]
    any: Vec<String>,
}

/// The files of `rules/techniques/`, by name.
const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/techniques.rs"));

impl Techniques {
    /// The files that they are read from: name and text.
    pub fn texts() -> &'static [(&'static str, &'static str)] {
        EMBEDDED
    }

    /// The embedded ones, in the order of their ids.
    pub fn embedded() -> &'static Techniques {
        static TECHNIQUES: OnceLock<Techniques> = OnceLock::new();
        TECHNIQUES.get_or_init(|| {
            let mut all = Techniques::default();
            for (name, text) in EMBEDDED {
                // One that is broken would be left out; a test reads every one.
                let _ = all.add(name.trim_end_matches(".toml"), text);
            }
            all
        })
    }

    fn add(&mut self, id: &str, text: &str) -> Result<(), String> {
        let raw: Raw = toml::from_str(text).map_err(|e| e.to_string())?;
        let mut clauses = Vec::new();
        for clause in &raw.require {
            let all = !clause.all.is_empty();
            if all != clause.any.is_empty() {
                return Err("expected `all` or `any` operations".to_owned());
            }
            let mut operations = 0;
            for name in clause.all.iter().chain(&clause.any) {
                let operation = match name.strip_prefix("data:") {
                    Some(name) => Operation::data(name),
                    None => Operation::control(name),
                };
                let at = self.operations.iter().position(|o| *o == operation).unwrap_or_else(|| {
                    self.operations.push(operation);
                    self.operations.len() - 1
                });
                let bit = u32::try_from(at).ok().and_then(|at| 1u128.checked_shl(at));
                operations |= bit.ok_or("more operations than there are bits for")?;
            }
            clauses.push(Clause { on: clause.on, all, operations });
        }
        self.list.push(Technique {
            id: id.to_owned(),
            title: raw.title,
            group: raw.group,
            certainty: raw.confidence,
            gain: raw.gain,
            gives: raw.gives,
            unless: raw.unless,
            hosts: raw.hosts.iter().map(|h| h.to_ascii_lowercase()).collect(),
            only: raw.only,
            references: raw.references,
            clauses,
        });
        Ok(())
    }

    /// Each with its number.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Technique)> {
        self.list.iter().enumerate()
    }

    /// One by its number.
    pub fn get(&self, at: usize) -> Option<&Technique> {
        self.list.get(at)
    }

    /// One by its id.
    pub fn named(&self, id: &str) -> Option<&Technique> {
        self.list.iter().find(|t| t.id == id)
    }

    /// The operations of a mask.
    pub fn operations(&self, mask: u128) -> impl Iterator<Item = &Operation> {
        self.operations.iter().enumerate().filter(move |(at, _)| mask >> at & 1 == 1).map(|(_, o)| o)
    }

    /// Where a catalogue has the operations, to look each up once and not for each role.
    pub fn located(&self, operations: &Operations) -> Located {
        Located(self.operations.iter().map(|o| operations.find(o.plane, &o.name)).collect())
    }

    /// What a role gives under an assignment's own condition.
    pub fn powers(&self, role: &CompiledRole, located: &Located, own: Option<&ParsedCondition>) -> Powers {
        let mut powers = Powers::default();
        for ((bit, operation), at) in self.operations.iter().enumerate().zip(&located.0) {
            let bit = 1u128 << (bit & 127);
            match role.allows_at(operation, *at, own) {
                Access::Allowed => {
                    powers.sure |= bit;
                    powers.most |= bit;
                }
                Access::Conditional => powers.most |= bit,
                Access::Denied => {}
            }
        }
        powers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rbac::Catalog;

    #[test]
    fn every_technique_is_read_and_names_operations_that_exist() {
        let mut all = Techniques::default();
        for (name, text) in EMBEDDED {
            all.add(name.trim_end_matches(".toml"), text).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        assert_eq!(all.list.len(), 66);
        let known = Catalog::embedded().operations();
        let missing: Vec<&str> = all
            .operations
            .iter()
            .filter(|o| known.find(o.plane, &o.name).is_none())
            .map(|o| o.name.as_str())
            .collect();
        // Roles name these, and documents; the provider's list does not, or not on this plane.
        let unlisted = [
            "microsoft.app/containerapps/exec/action",
            "microsoft.app/containerapps/debug/action",
            "microsoft.automation/automationaccounts/sourcecontrols/write",
            "microsoft.web/sites/hostruntime/vfs/write",
        ];
        assert_eq!(missing, unlisted);
        for technique in &all.list {
            assert!(!technique.references.is_empty() && !technique.clauses.is_empty(), "{}", technique.id);
            assert!(technique.clauses.iter().all(|c| c.operations != 0), "{}", technique.id);
        }
    }

    /// Which built-in roles are enough for a technique, from the patterns' texts alone.
    #[test]
    fn powers_are_what_the_operations_are_one_by_one() {
        let catalog = Catalog::embedded();
        let techniques = Techniques::embedded();
        let located = techniques.located(catalog.operations());
        let mut open = 0;
        for guid in catalog.guids() {
            let role = catalog.role(guid).unwrap();
            let compiled = CompiledRole::compile(&role.permissions, catalog.operations());
            let powers = techniques.powers(&compiled, &located, None);
            for (_, technique) in techniques.iter() {
                let naive = technique.clauses.iter().map(|clause| {
                    let each = techniques
                        .operations(clause.operations)
                        .map(|o| compiled.allows(o, catalog.operations(), None));
                    if clause.all { each.min() } else { each.max() }.unwrap()
                });
                let naive = naive.min().unwrap();
                assert_eq!(technique.holds(powers), naive, "{} {guid}", technique.id);
                open += usize::from(naive != Access::Denied);
            }
        }
        assert!(open > 500, "{open}");
    }
}
