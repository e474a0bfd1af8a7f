//! All rules: the embedded ones and the user's, joined with the configuration.

use super::schema::Rule;
use crate::policy::{Config, Level, PolicyError, Waiver};
use std::collections::BTreeMap;

/// What is wrong with a rule or with what the configuration says of one.
pub type RuleError = PolicyError;

/// A set of rules, sorted by slug.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
}

/// The files of `rules/`, by name.
pub(super) const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/rules.rs"));

impl RuleSet {
    /// The embedded rules and the user's (`name.toml` with its text), as configured.
    ///
    /// # Errors
    /// If a rule is broken, or the configuration or a waiver names a rule or a parameter that there is not.
    pub fn load(
        more: &[(String, String)],
        config: &Config,
        waivers: (&str, &str, &[Waiver]),
    ) -> Result<RuleSet, RuleError> {
        let embedded = EMBEDDED.iter().map(|(name, text)| (format!("rules/{name}"), *name, *text, false));
        let own = more
            .iter()
            .map(|(path, text)| (path.clone(), path.rsplit('/').next().unwrap_or(path), text.as_str(), true));
        let mut by_slug: BTreeMap<String, Rule> = BTreeMap::new();
        for (path, name, text, now) in embedded.chain(own) {
            let slug = name.strip_suffix(".toml").unwrap_or(name);
            if slug.is_empty()
                || !slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            {
                let message =
                    "expected a file name of lower-case letters, digits and dashes: it is the rule's name";
                return Err(PolicyError::at(&path, text, &(0..0), message));
            }
            let entry = config.rules.iter().find(|r| r.slug == slug);
            let overrides: Vec<(String, toml::Value)> =
                entry.iter().flat_map(|e| &e.params).map(|(n, v, _)| (n.clone(), v.clone())).collect();
            let mut rule = Rule::parse(slug, &path, text, &[], now)?;
            if let Some(entry) = entry {
                let fail = |span: &crate::policy::Span, message: String| {
                    Err(PolicyError::at(&config.path, &config.text, span, message))
                };
                for (name, value, span) in &entry.params {
                    match rule.params.iter().find(|(n, _)| n == name) {
                        None if rule.params.is_empty() => {
                            return fail(span, format!("rule `{slug}` has no parameters, only `level`"));
                        }
                        None => {
                            let known: Vec<&str> = rule.params.iter().map(|(n, _)| n.as_str()).collect();
                            return fail(
                                span,
                                format!(
                                    "rule `{slug}` has no parameter `{name}`; expected level, {}",
                                    known.join(", ")
                                ),
                            );
                        }
                        Some((_, default)) if default.type_str() != value.type_str() => {
                            return fail(
                                span,
                                format!(
                                    "expected a value of type {}, found {}",
                                    default.type_str(),
                                    value.type_str()
                                ),
                            );
                        }
                        Some(_) => {}
                    }
                }
                rule = Rule::parse(slug, &path, text, &overrides, true)?;
                match entry.level {
                    Some(Level::Off) => rule.enabled = false,
                    Some(Level::On) => rule.enabled = true,
                    Some(Level::At(severity)) => {
                        rule.enabled = true;
                        rule.fixed = Some(severity);
                    }
                    None => {}
                }
            }
            if by_slug.insert(slug.to_owned(), rule).is_some() {
                return Err(PolicyError::at(
                    &path,
                    text,
                    &(0..0),
                    format!("there is already a rule `{slug}`"),
                ));
            }
        }
        let mut set = RuleSet { rules: by_slug.into_values().collect() };
        super::framework::join(&mut set);
        for entry in &config.rules {
            if set.get(&entry.slug).is_none() {
                let message = format!(
                    "there is no rule `{}`; `leastwise rules list` shows them, and your own need --rules",
                    entry.slug
                );
                return Err(PolicyError::at(&config.path, &config.text, &entry.span, message));
            }
        }
        let (path, text, waivers) = waivers;
        for (slug, span) in waivers.iter().flat_map(|w| &w.rules) {
            if set.get(slug).is_none() {
                let message = format!("there is no rule `{slug}`; `leastwise rules list` shows them");
                return Err(PolicyError::at(path, text, span, message));
            }
        }
        Ok(set)
    }

    /// The rule of a slug.
    pub fn get(&self, slug: &str) -> Option<&Rule> {
        self.rules.iter().find(|r| r.slug() == slug)
    }

    /// All rules, by slug.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Rule> {
        self.rules.iter_mut()
    }

    /// Only this rule, switched on: for trying one alone.
    pub fn only(&self, slugs: &[&str]) -> RuleSet {
        let mut set = self.clone();
        for rule in &mut set.rules {
            rule.enabled = slugs.contains(&rule.slug());
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_rule_compiles() {
        for (name, text) in EMBEDDED {
            let parsed = Rule::parse(name, name, text, &[], true);
            assert!(parsed.is_ok(), "{name}: {}", parsed.err().unwrap());
        }
        assert!(!EMBEDDED.is_empty());
    }

    fn load(config: &str) -> Result<RuleSet, RuleError> {
        RuleSet::load(&[], &crate::policy::parse_config("c.toml", config).unwrap(), ("", "", &[]))
    }

    #[test]
    fn the_configuration_is_checked_against_the_rules() {
        assert!(load("").is_ok());
        assert!(
            load("[rules.no-such]\nlevel = 'off'")
                .unwrap_err()
                .to_string()
                .starts_with("c.toml:1:8: there is no rule `no-such`")
        );
        let error = load("[rules.dormant-identity]\ncolour = 3").unwrap_err().to_string();
        assert!(
            error.starts_with("c.toml:2:1: rule `dormant-identity` has no parameter `colour`"),
            "{error}"
        );
        assert!(load("[rules.dormant-identity]\nwindow_days = 'x'").is_err());
        let set = load("[rules.dormant-identity]\nlevel = 'critical'\nwindow_days = 30").unwrap();
        assert_eq!(set.get("dormant-identity").unwrap().worst(), crate::finding::Severity::Critical);
    }

    #[test]
    fn a_broken_rule_says_where() {
        let rule = |when: &str| {
            format!(
                "title='t'\nsince='0'\nseverity='low'\nconfidence='high'\nsubject='identity'\nwhen='''{when}'''\nmessage='m'\nwhat='w'\nwhy='y'\nfix='f'\n"
            )
        };
        let error = |when: &str| {
            RuleSet::load(&[("d/x.toml".into(), rule(when))], &Config::default(), ("", "", &[]))
                .unwrap_err()
                .to_string()
        };
        assert!(
            error("identity.grants > 0 && identity.colour == 'x'").starts_with("d/x.toml:6:32: unknown fact"),
            "{}",
            error("identity.grants > 0 && identity.colour == 'x'")
        );
        assert!(error("identity.grants >").starts_with("d/x.toml:6:"));
    }
}
