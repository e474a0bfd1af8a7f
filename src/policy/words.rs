//! Words of names that say what something is, where it runs and in which environment: everybody's words, not one's own.

use super::config::{Config, Owners};
use super::environment::Environments;
use super::naming::{MADE_BY_AZURE, PREFIXES, REGIONS};
use std::collections::BTreeSet;

/// Abbreviations of what things are.
/// Source: Cloud Adoption Framework, "Abbreviation recommendations for Azure resources", and the roles in our own words.
const KINDS: &[&str] = &[
    "mg", "sub", "rg", "vm", "vmss", "app", "func", "asp", "aks", "acr", "cr", "ca", "cae", "kv", "st",
    "sql", "sqldb", "cosmos", "redis", "sb", "evh", "logic", "apim", "vnet", "snet", "nsg", "pip", "log",
    "appi", "aa", "ci", "dep", "role", "grp", "sp", "team", "mc",
];

/// Quarters, as campaigns are named.
const QUARTERS: &[&str] = &["q1", "q2", "q3", "q4", "h1", "h2"];

/// Words that tell nobody whose something is, lower-case.
pub fn common_words(config: &Config) -> BTreeSet<String> {
    // What an estate calls its environments is kept where it is one word; tag keys are its own, but for those that everybody has.
    let environments = &config.environments;
    let one = |text: &&String| text.chars().all(char::is_alphanumeric);
    let named = environments.names.iter().flat_map(|(name, words)| std::iter::once(name).chain(words));
    let named = named.chain(&environments.neutral).filter(one);
    let (tags, owners) = (Environments::default().tags, Owners::default().tags);
    let own = named.chain(&tags).chain(&owners);
    let fixed = [REGIONS, PREFIXES, MADE_BY_AZURE, KINDS, QUARTERS].into_iter().flatten().copied();
    own.map(String::as_str)
        .chain(fixed)
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()))
        .filter(|w| !w.is_empty())
        .map(str::to_lowercase)
        .collect()
}
