//! Frameworks as data: which controls there are, for whom, who decides them, and where each id was verified.
//!
//! Rules say which controls they are about; a framework's file may add rules to its controls, so that a new framework touches no
//! rule. Titles are our own words. What is not verified is kept for those who look, and never told of an estate.

use super::set::RuleSet;
use crate::finding::{RuleText, Severity};
use serde::{Deserialize, Deserializer, de};
use std::sync::{Arc, OnceLock};

/// Whom a control is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Population {
    /// Managed identities: all of them are judged.
    ManagedIdentities,
    /// Those and the principals of applications.
    Workloads,
    /// Users and groups too, whom nothing here judges.
    AllPrincipals,
    /// Roles, vaults, accounts.
    Resources,
}

impl Population {
    /// The word in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Population::ManagedIdentities => "managed-identities",
            Population::Workloads => "workloads",
            Population::AllPrincipals => "all-principals",
            Population::Resources => "resources",
        }
    }
}

/// How a control is concluded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Automation {
    /// Rules conclude it.
    Auto,
    /// Rules conclude it for a part.
    Partial,
    /// A review does.
    Review,
    /// A person does.
    Manual,
}

impl Automation {
    /// The word in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Automation::Auto => "auto",
            Automation::Partial => "partial",
            Automation::Review => "review",
            Automation::Manual => "manual",
        }
    }
}

/// What rules say of a control.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// Whether it is met.
    Decides,
    /// Something that a person weighs.
    Supports,
}

impl Strength {
    /// The word in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Strength::Decides => "decides",
            Strength::Supports => "supports",
        }
    }
}

/// How often a review must come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewEvery {
    /// In days, from close to close.
    pub max_days: i64,
    /// Whether only privileged grants must be in it.
    pub privileged: bool,
}

fn severity<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Severity>, D::Error> {
    let name = String::deserialize(from)?;
    let unknown = || de::Error::custom(format!("`{name}` is no severity"));
    Severity::named(&name).map(Some).ok_or_else(unknown)
}

/// A control.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Its id, as the framework has it.
    pub id: String,
    /// What it is about, in our words.
    pub title: String,
    /// How it is concluded.
    pub automation: Automation,
    /// Whom it is about.
    pub population: Population,
    /// What rules say of it.
    pub strength: Strength,
    /// Where the id was verified; empty where it was not.
    pub verified: String,
    /// Rules that are about it, besides those that say so themselves.
    #[serde(default)]
    pub rules: Vec<String>,
    /// Whether it wants that what its rules find is known, not that there is none: findings list it then.
    #[serde(default)]
    pub lists: bool,
    /// From which severity a finding speaks against it; all do where it is not said.
    #[serde(default, deserialize_with = "severity")]
    pub severity: Option<Severity>,
    /// How often it wants a review.
    pub review: Option<ReviewEvery>,
}

/// A framework.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framework {
    /// Its name.
    pub name: String,
    /// What it is called in tables, without its version.
    pub framework: String,
    /// Its version.
    pub version: String,
    /// Where it stands.
    pub url: String,
    /// Whether its ids are those of an OSCAL catalogue.
    #[serde(default)]
    pub oscal: bool,
    /// Its controls.
    #[serde(rename = "control")]
    pub controls: Vec<Control>,
}

impl Framework {
    /// What rules call it.
    pub fn key(&self) -> String {
        format!("{}-{}", self.framework, self.version)
    }

    /// The embedded ones.
    pub fn all() -> &'static [Framework] {
        static ALL: OnceLock<Vec<Framework>> = OnceLock::new();
        // A file that cannot be read leaves its framework out, which a test would notice.
        ALL.get_or_init(|| EMBEDDED.iter().filter_map(|(_, text)| toml::from_str(text).ok()).collect())
    }
}

/// The files of `rules/frameworks/`, by name.
pub(super) const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/frameworks.rs"));

/// Joins rules with what frameworks say of them.
pub(super) fn join(rules: &mut RuleSet) {
    let all = Framework::all();
    for rule in rules.iter_mut() {
        let mut controls = rule.text.controls.clone();
        for framework in all {
            let key = framework.key();
            let mine = framework.controls.iter().filter(|c| c.rules.iter().any(|r| r == rule.slug()));
            controls.extend(mine.map(|c| (key.clone(), c.id.clone())));
            controls.retain(|(name, id)| {
                *name != key || framework.controls.iter().any(|c| c.id == *id && !c.verified.is_empty())
            });
        }
        controls.sort();
        controls.dedup();
        if controls != rule.text.controls {
            let text = RuleText { controls, ..RuleText::clone(&rule.text) };
            rule.text = Arc::new(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Config;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_is_read_and_named_after_its_framework() {
        assert_eq!(Framework::all().len(), EMBEDDED.len());
        for (framework, (name, text)) in Framework::all().iter().zip(EMBEDDED) {
            toml::from_str::<Framework>(text).unwrap();
            assert_eq!(format!("{}.toml", framework.key()), **name);
            let ids: BTreeSet<&str> = framework.controls.iter().map(|c| c.id.as_str()).collect();
            assert_eq!(ids.len(), framework.controls.len(), "{name}");
        }
    }

    #[test]
    fn rules_and_controls_name_each_other_rightly() {
        let config = Config::default();
        let rules = RuleSet::load(&[], &config, ("", "", &[])).unwrap();
        let slugs: BTreeSet<&str> = rules.iter().map(|r| r.slug()).collect();
        let known: BTreeSet<(String, &str)> = Framework::all()
            .iter()
            .flat_map(|f| f.controls.iter().map(|c| (f.key(), c.id.as_str())))
            .collect();
        for framework in Framework::all() {
            for control in &framework.controls {
                for rule in &control.rules {
                    assert!(slugs.contains(rule.as_str()), "{} {} {rule}", framework.key(), control.id);
                }
                let has_rule =
                    rules.iter().any(|r| r.text.controls.contains(&(framework.key(), control.id.clone())));
                let concluded = has_rule || control.review.is_some();
                let by_hand = control.automation == Automation::Manual || control.verified.is_empty();
                assert!(concluded || by_hand, "{} {}", framework.key(), control.id);
            }
        }
        for rule in rules.iter() {
            assert!(!rule.text.controls.is_empty(), "{} is about no control", rule.slug());
            for (framework, id) in &rule.text.controls {
                assert!(
                    known.contains(&(framework.clone(), id.as_str())),
                    "{} {framework} {id}",
                    rule.slug()
                );
            }
        }
    }
}
