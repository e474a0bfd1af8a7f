//! Words of names that say what something is, where it runs and in which environment: everybody's words, not one's own.

use super::config::{Config, Owners};
use super::naming::{MADE_BY_AZURE, PREFIXES, REGIONS};
use std::collections::BTreeSet;

/// Abbreviations of what things are.
/// Source: Cloud Adoption Framework, "Abbreviation recommendations for Azure resources", and the roles in our own words.
const KINDS: &[&str] = &[
    "mg", "sub", "rg", "vm", "vmss", "app", "func", "asp", "aks", "acr", "cr", "ca", "cae", "kv", "st",
    "sql", "sqldb", "cosmos", "redis", "sb", "evh", "logic", "apim", "vnet", "snet", "nsg", "pip", "log",
    "appi", "aa", "ci", "dep", "role", "grp", "sp", "team",
];

/// Quarters, as campaigns are named.
const QUARTERS: &[&str] = &["q1", "q2", "q3", "q4", "h1", "h2"];

/// Words that tell nobody whose something is, lower-case.
pub fn common_words(config: &Config) -> BTreeSet<String> {
    let environments = &config.environments;
    let named = environments.names.iter().flat_map(|(name, words)| std::iter::once(name).chain(words));
    let default = Owners::default();
    let own = named.chain(&environments.neutral).chain(&environments.tags).chain(&default.tags);
    let fixed = [REGIONS, PREFIXES, MADE_BY_AZURE, KINDS, QUARTERS].into_iter().flatten().copied();
    own.map(String::as_str)
        .chain(fixed)
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()))
        .filter(|w| !w.is_empty())
        .map(str::to_lowercase)
        .collect()
}
