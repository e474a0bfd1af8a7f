//! `leastwise.toml`: from text to checked values. Unknown keys are errors at their place.

use super::environment::Environments;
use super::naming::{Naming, Template};
use super::review::{RawReview, ReviewPolicy};
use super::spans::{PolicyError, Span};
use crate::finding::Severity;
use crate::model::{Instant, Source};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// What a rule is set to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Not run.
    Off,
    /// Run, at its own severity, even if it is off by default.
    On,
    /// Run at this severity, whatever the rule says.
    At(Severity),
}

/// The configuration of one rule.
#[derive(Clone, Debug)]
pub struct RuleConfig {
    /// Its slug.
    pub slug: String,
    /// Where the slug stands.
    pub span: Span,
    /// Its level, if set.
    pub level: Option<Level>,
    /// Its parameters, each with where it stands.
    pub params: Vec<(String, toml::Value, Span)>,
}

/// Who answers for things.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Owners {
    /// Tags that name an owner, first one wins.
    pub tags: Vec<String>,
}

impl Default for Owners {
    fn default() -> Self {
        let tags = ["owner", "opsteam", "team", "contact", "ownedby", "managedby"];
        Owners { tags: tags.iter().map(|t| (*t).to_owned()).collect() }
    }
}

/// Which identities deploy landing zones, and are expected to be powerful.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Platform {
    /// Their names, with `*`.
    pub names: Vec<String>,
    /// Their tags.
    pub tags: BTreeMap<String, String>,
    /// Their subscriptions, by id or name, with `*`.
    pub subscriptions: Vec<String>,
}

/// A gap that somebody accepted for a time.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Which source.
    pub source: Source,
    /// Why.
    pub reason: String,
    /// Until when.
    pub until: Instant,
}

/// The whole configuration.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Where it was read from; empty if it is the default.
    pub path: String,
    /// Its text, for errors found later.
    pub text: String,
    /// Naming.
    pub naming: Naming,
    /// Environments.
    pub environments: Environments,
    /// Owners.
    pub owners: Owners,
    /// Tags that must be there.
    pub required_tags: Vec<String>,
    /// Platform identities.
    pub platform: Platform,
    /// Whether application service principals are judged too.
    pub workloads: bool,
    /// Organisations, projects and hosts that federated credentials may trust.
    pub trusted: Vec<String>,
    /// Rules.
    pub rules: Vec<RuleConfig>,
    /// Sources that must have been read.
    pub require: Vec<Source>,
    /// Gaps that are accepted.
    pub accept: Vec<Accepted>,
    /// The waivers' file, relative to this one.
    pub waivers: Option<String>,
    /// What waivers in comments of code may do, if anything.
    pub inline: Option<Inline>,
    /// How reviews are held.
    pub review: ReviewPolicy,
}

/// What waivers in comments of code may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inline {
    /// The worst severity that they accept; never critical.
    pub max_severity: Severity,
    /// For how many days.
    pub max_days: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Raw {
    naming: Option<RawNaming>,
    environments: Environments,
    owners: Owners,
    tags: RawTags,
    identities: RawIdentities,
    scope: RawScope,
    federation: RawFederation,
    rules: BTreeMap<Spanned<String>, BTreeMap<Spanned<String>, Spanned<toml::Value>>>,
    coverage: RawCoverage,
    waivers: RawWaivers,
    review: RawReview,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNaming {
    identity: Option<Spanned<String>>,
    role: Option<Spanned<String>>,
    federated_credential: Option<Spanned<String>>,
    #[serde(default)]
    ignore: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawTags {
    required: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawIdentities {
    platform: Platform,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawScope {
    principals: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawFederation {
    trusted: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawCoverage {
    require: Vec<Spanned<String>>,
    accept: Vec<RawAccept>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAccept {
    source: Spanned<String>,
    reason: String,
    until: Spanned<toml::value::Datetime>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawWaivers {
    file: Option<String>,
    inline: Option<RawInline>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInline {
    max_severity: Spanned<String>,
    max_days: Spanned<i64>,
}

/// Reads a configuration.
///
/// # Errors
/// At the first thing that is wrong, with its place.
pub fn parse(path: &str, text: &str) -> Result<Config, PolicyError> {
    let raw: Raw = toml::from_str(text).map_err(|e| PolicyError::toml(path, text, &e))?;
    let fail = |span: &Span, message: String| PolicyError::at(path, text, span, message);
    let source = |name: &Spanned<String>| {
        Source::named(name.get_ref()).ok_or_else(|| {
            let names: Vec<&str> = Source::ALL.iter().map(|s| s.name()).collect();
            fail(&name.span(), format!("expected one of {}, found `{}`", names.join(", "), name.get_ref()))
        })
    };
    let template = |text: &Option<Spanned<String>>| match text {
        Some(text) => Template::new(text.get_ref()).map(Some).map_err(|e| fail(&text.span(), e)),
        None => Ok(None),
    };
    let mut naming = Naming::default();
    if let Some(raw) = &raw.naming {
        naming = Naming {
            identity: template(&raw.identity)?.unwrap_or(naming.identity),
            role: template(&raw.role)?,
            federated: template(&raw.federated_credential)?,
            ignore: raw.ignore.clone(),
            configured: true,
        };
    }
    let workloads = match &raw.scope.principals {
        None => false,
        Some(name) => match name.get_ref().as_str() {
            "managed-identities" => false,
            "workloads" => true,
            other => {
                let message = format!("expected `managed-identities` or `workloads`, found `{other}`");
                return Err(fail(&name.span(), message));
            }
        },
    };
    let mut rules = Vec::new();
    for (slug, entries) in raw.rules {
        let mut rule =
            RuleConfig { span: slug.span(), slug: slug.into_inner(), level: None, params: Vec::new() };
        for (key, value) in entries {
            if key.get_ref() == "level" {
                let text = value.get_ref().as_str().unwrap_or_default();
                rule.level = Some(match (text, Severity::named(text)) {
                    ("off", _) => Level::Off,
                    ("on", _) => Level::On,
                    (_, Some(severity)) => Level::At(severity),
                    _ => {
                        let message = "expected `off`, `on` or a severity: critical, high, medium, low, info";
                        return Err(fail(&value.span(), message.to_owned()));
                    }
                });
            } else {
                let span = key.span();
                rule.params.push((key.into_inner(), value.into_inner(), span));
            }
        }
        rules.push(rule);
    }
    let mut accept = Vec::new();
    for entry in &raw.coverage.accept {
        let until = Instant::parse(&entry.until.get_ref().to_string())
            .ok_or_else(|| fail(&entry.until.span(), "expected a date such as 2027-01-31".to_owned()))?;
        accept.push(Accepted { source: source(&entry.source)?, reason: entry.reason.clone(), until });
    }
    let inline = match &raw.waivers.inline {
        None => None,
        Some(inline) => {
            let span = inline.max_severity.span();
            let max_severity = Severity::named(inline.max_severity.get_ref())
                .filter(|s| *s != Severity::Critical)
                .ok_or_else(|| fail(&span, "expected `high`, `medium`, `low` or `info`".to_owned()))?;
            let max_days = *inline.max_days.get_ref();
            if !(1..=366).contains(&max_days) {
                return Err(fail(&inline.max_days.span(), "expected 1 to 366 days".to_owned()));
            }
            Some(Inline { max_severity, max_days })
        }
    };
    Ok(Config {
        path: path.to_owned(),
        text: text.to_owned(),
        naming,
        environments: raw.environments,
        owners: raw.owners,
        required_tags: raw.tags.required,
        platform: raw.identities.platform,
        workloads,
        trusted: raw.federation.trusted,
        rules,
        require: raw.coverage.require.iter().map(source).collect::<Result<_, _>>()?,
        accept,
        waivers: raw.waivers.file,
        inline,
        review: raw.review.check(fail)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_configuration() {
        let text = r#"
[naming]
identity = "mi-{workload}-{env}"
[environments]
names = { prod = ["p"], dev = ["d"] }
[rules.unowned-identity]
level = "off"
[rules.dormant-identity]
window_days = 30
[coverage]
require = ["groups"]
accept = [{ source = "sign-ins", reason = "no licence", until = 2027-01-31 }]
[scope]
principals = "workloads"
"#;
        let config = parse("leastwise.toml", text).unwrap();
        assert!(config.workloads && config.naming.configured);
        assert_eq!(config.rules.len(), 2);
        assert_eq!(config.accept[0].until.date(), "2027-01-31");
    }

    #[test]
    fn errors_point_at_their_place() {
        let at = |text: &str| parse("f.toml", text).unwrap_err().to_string();
        assert!(at("a = 1\n").starts_with("f.toml:1:1: "), "{}", at("a = 1\n"));
        assert!(at("\n[naming]\nidentity = \"id-{x}\"\n").starts_with("f.toml:3:12: "));
        assert!(at("[rules.x]\nlevel = \"loud\"\n").starts_with("f.toml:2:9: "));
        assert!(at("[coverage]\nrequire = [\"moon\"]\n").starts_with("f.toml:2:12: "));
        assert!(at("[scope\n").starts_with("f.toml:1:"));
    }
}
