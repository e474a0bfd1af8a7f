//! Which environment something belongs to: by configuration, by a tag, or by a whole word of its name. Never by a
//! guess: what none of the three says is unknown.

use serde::Deserialize;
use std::collections::BTreeMap;

/// How environments are told apart.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Environments {
    /// The environments, each with the words that mean it.
    pub names: BTreeMap<String, Vec<String>>,
    /// Words that belong to no environment: shared things.
    pub neutral: Vec<String>,
    /// Tags that say the environment, first one wins.
    pub tags: Vec<String>,
    /// Scopes (subscription name or id, management group, id prefix; `*` allowed) with their environment.
    pub scopes: BTreeMap<String, String>,
}

impl Default for Environments {
    fn default() -> Self {
        let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let names = [
            ("prod", &["prod", "production", "prd", "live"][..]),
            ("staging", &["staging", "stage", "stg", "preprod", "uat"]),
            ("test", &["test", "tst", "qa"]),
            ("dev", &["dev", "development", "devtest"]),
            ("sandbox", &["sandbox", "sbx"]),
        ];
        Environments {
            names: names.iter().map(|(name, list)| ((*name).to_owned(), words(list))).collect(),
            neutral: words(&["shared", "hub", "platform", "mgmt", "management"]),
            tags: words(&["environment", "env"]),
            scopes: BTreeMap::new(),
        }
    }
}

impl Environments {
    /// The environment that a word means.
    pub fn of_word(&self, word: &str) -> Option<&str> {
        let is = |w: &String| w.eq_ignore_ascii_case(word);
        self.names
            .iter()
            .find(|(name, words)| is(name) || words.iter().any(is))
            .map(|(name, _)| name.as_str())
    }

    fn is_neutral(&self, word: &str) -> bool {
        self.neutral.iter().any(|w| w.eq_ignore_ascii_case(word))
    }

    /// Whether a word of a name says that it belongs to no environment.
    pub fn is_neutral_name(&self, name: &str) -> bool {
        words(name).any(|w| self.is_neutral(w))
    }

    /// The environment that a name's whole words say. Two different ones, or a neutral word, say nothing.
    pub fn of_name(&self, name: &str) -> Option<&str> {
        let mut found: Option<&str> = None;
        for word in words(name) {
            if self.is_neutral(word) {
                return None;
            }
            match (self.of_word(word), found) {
                (Some(here), Some(before)) if here != before => return None,
                (Some(here), _) => found = Some(here),
                (None, _) => {}
            }
        }
        found
    }

    /// The environment that tags say; `value` looks a tag up.
    pub fn of_tags<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> Option<&str> {
        self.tags.iter().find_map(|tag| value(tag)).and_then(|word| self.of_word(word.trim()))
    }

    /// The environment that the configuration gives to a scope, by its id or its name.
    pub fn of_scope(&self, id: &str, name: &str) -> Option<&str> {
        let hit = |pattern: &str| super::spans::glob(pattern, id) || super::spans::glob(pattern, name);
        self.scopes.iter().find(|(pattern, _)| hit(pattern)).map(|(_, env)| env.as_str())
    }
}

/// The words of a name. What stands for something in code that is not known yet (`${folder∕address}`) is no part of one.
fn words(name: &str) -> impl Iterator<Item = &str> {
    let mut rest = name;
    let known = std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (before, behind) = rest.split_once("${").unwrap_or((rest, ""));
        rest = behind.split_once('}').map_or("", |(_, after)| after);
        Some(before)
    });
    known.flat_map(|part| part.split(|c: char| !c.is_alphanumeric())).filter(|w| !w.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_only() {
        let envs = Environments::default();
        assert_eq!(envs.of_name("id-shop-prod-weu"), Some("prod"));
        assert_eq!(envs.of_name("id-product-api"), None);
        assert_eq!(envs.of_name("${env∕dev∕subscription}"), None);
        assert_eq!(envs.of_name("rg-${dev∕x}-prod"), Some("prod"));
        assert_eq!(envs.of_name("id-shop-dev-prod"), None);
        assert_eq!(envs.of_name("rg-hub-prod"), None);
        assert_eq!(envs.of_tags(|tag| (tag == "env").then_some("PRD")), Some("prod"));
        assert_eq!(envs.of_tags(|_| None), None);
    }
}
