//! One rule: from its file to a checked value.

use super::condition::Condition;
use super::expr::{Literal, Names};
use super::facts::{FactId, Ways, roots};
use super::template::Template;
use crate::finding::{Confidence, RuleText, Severity, SubjectKind};
use crate::model::Source;
use crate::policy::{PolicyError, Span};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::Spanned;

/// Whom a rule about assignments judges.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Whom {
    /// Identities, and principals that may be one.
    #[default]
    Identities,
    /// Every principal.
    Anyone,
}

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What its findings say in common.
    pub text: Arc<RuleText>,
    /// Since which version it exists.
    pub since: String,
    /// Its severity where no special case holds.
    pub severity: Severity,
    /// How sure its findings are.
    pub confidence: Confidence,
    /// What it looks at.
    pub subject: SubjectKind,
    /// Whom, if that is assignments.
    pub whom: Whom,
    /// What must have been read for it to say that something is clean.
    pub needs: Vec<Source>,
    /// Where it is meaningful: `live`, `snapshot`, `check`, `check-against`.
    pub sources: Vec<String>,
    /// Whether it runs without being asked to.
    pub enabled: bool,
    /// Rules whose findings on the same subject say this more strongly.
    pub subsumed_by: Vec<String>,
    /// What it flags.
    pub what: String,
    /// Why that is bad.
    pub why: String,
    /// Where to read more.
    pub references: Vec<String>,
    /// Its parameters with their values.
    pub params: Vec<(String, toml::Value)>,
    /// Its condition, as written.
    pub when_text: String,
    /// Its special severities, as written.
    pub severities_text: Vec<(Severity, String)>,
    pub(super) when: Condition,
    pub(super) severities: Vec<(Severity, Condition)>,
    pub(super) confidences: Vec<(Confidence, Condition)>,
    pub(super) message: Template,
    pub(super) commands: Vec<Template>,
    pub(super) estate: Option<EstateRule>,
    /// A severity that the configuration sets, whatever the conditions say.
    pub(super) fixed: Option<Severity>,
}

/// What a rule says once of the whole estate.
#[derive(Clone, Debug)]
pub(super) struct EstateRule {
    pub(super) severity: Severity,
    pub(super) when: Condition,
    pub(super) message: Template,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    title: String,
    since: String,
    severity: Spanned<String>,
    confidence: Spanned<String>,
    subject: Spanned<String>,
    #[serde(default)]
    whom: Whom,
    #[serde(default)]
    needs: Vec<Spanned<String>>,
    #[serde(default)]
    sources: Option<Vec<Spanned<String>>>,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    subsumed_by: Vec<String>,
    when: Spanned<String>,
    message: Spanned<String>,
    what: String,
    why: String,
    fix: String,
    #[serde(default)]
    commands: Vec<Spanned<String>>,
    #[serde(default)]
    references: Vec<String>,
    #[serde(default)]
    severity_when: Vec<RawSeverity>,
    #[serde(default)]
    confidence_when: Vec<RawConfidence>,
    estate: Option<RawEstate>,
    #[serde(default)]
    params: BTreeMap<String, Spanned<toml::Value>>,
    #[serde(default)]
    controls: BTreeMap<String, Vec<String>>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSeverity {
    severity: Spanned<String>,
    when: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfidence {
    confidence: Spanned<String>,
    when: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEstate {
    severity: Spanned<String>,
    when: Spanned<String>,
    message: Spanned<String>,
}

const SOURCES: [&str; 4] = ["live", "snapshot", "check", "check-against"];

impl Rule {
    /// The slug.
    pub fn slug(&self) -> &str {
        &self.text.slug
    }

    /// The worst severity that it can give.
    pub fn worst(&self) -> Severity {
        let special = self.severities.iter().map(|(s, _)| *s);
        self.fixed.unwrap_or_else(|| special.chain([self.severity]).max().unwrap_or(self.severity))
    }

    /// Reads a rule. `overrides` are the file's parameters that somebody sets, by name. With `now`, its conditions are
    /// checked at once.
    ///
    /// # Errors
    /// At the first thing that is wrong, with its place in the file.
    pub(super) fn parse(
        slug: &str,
        path: &str,
        text: &str,
        overrides: &[(String, toml::Value)],
        now: bool,
    ) -> Result<Rule, PolicyError> {
        let raw: Raw = toml::from_str(text).map_err(|e| PolicyError::toml(path, text, &e))?;
        let fail = |span: &Span, message: String| PolicyError::at(path, text, span, message);
        let severity = |name: &Spanned<String>| {
            Severity::named(name.get_ref())
                .ok_or_else(|| fail(&name.span(), "expected critical, high, medium, low or info".into()))
        };
        let confidence_of = |name: &Spanned<String>| {
            Confidence::named(name.get_ref())
                .ok_or_else(|| fail(&name.span(), "expected high, medium or low".into()))
        };
        let confidence = confidence_of(&raw.confidence)?;
        let subject = SubjectKind::named(raw.subject.get_ref()).ok_or_else(|| {
            let names: Vec<&str> = SubjectKind::ALL.iter().map(|k| k.name()).collect();
            fail(&raw.subject.span(), format!("expected one of {}", names.join(", ")))
        })?;
        let needs = raw.needs.iter().map(|n| {
            Source::named(n.get_ref()).ok_or_else(|| {
                let names: Vec<&str> = Source::ALL.iter().map(|s| s.name()).collect();
                fail(&n.span(), format!("expected one of {}", names.join(", ")))
            })
        });
        let needs = needs.collect::<Result<Vec<_>, _>>()?;
        let sources = raw.sources.unwrap_or_default();
        if let Some(bad) = sources.iter().find(|s| !SOURCES.contains(&s.get_ref().as_str())) {
            return Err(fail(&bad.span(), format!("expected one of {}", SOURCES.join(", "))));
        }
        let mut params = Vec::new();
        let mut literals = Vec::new();
        for (name, value) in &raw.params {
            let chosen = overrides.iter().find(|(n, _)| n == name).map_or(value.get_ref(), |(_, v)| v);
            let literal = literal(chosen).ok_or_else(|| {
                fail(&value.span(), "expected a number, a text, a truth value or a list of texts".into())
            })?;
            literals.push((name.clone(), literal));
            params.push((name.clone(), chosen.clone()));
        }
        let names = Names { roots: roots(subject), params: &literals };
        let estate_names = Names { roots: roots(SubjectKind::File), params: &literals };
        let shared: Arc<[(String, Literal)]> = literals.clone().into();
        let condition = |when: &Spanned<String>, kind: SubjectKind| {
            let condition = Condition::new(when.get_ref(), roots(kind), &shared);
            let checked = if now { condition.check() } else { Ok(()) };
            checked.map_err(|e| fail(&inside(text, &when.span(), when.get_ref(), e.at), e.message))?;
            Ok(condition)
        };
        let expr = |when: &Spanned<String>| condition(when, subject);
        let filled = |t: &Spanned<String>, names: &Names<'_>| {
            Template::parse(t.get_ref(), names).map_err(|e| fail(&t.span(), e))
        };
        let template = |t: &Spanned<String>| filled(t, &names);
        let estate = match &raw.estate {
            Some(e) => Some(EstateRule {
                severity: severity(&e.severity)?,
                when: condition(&e.when, SubjectKind::File)?,
                message: filled(&e.message, &estate_names)?,
            }),
            None => None,
        };
        let mut severities = Vec::new();
        let mut severities_text = Vec::new();
        for case in &raw.severity_when {
            severities.push((severity(&case.severity)?, expr(&case.when)?));
            severities_text.push((severity(&case.severity)?, case.when.get_ref().clone()));
        }
        let confidences = raw.confidence_when.iter();
        let confidences = confidences.map(|case| Ok((confidence_of(&case.confidence)?, expr(&case.when)?)));
        let confidences = confidences.collect::<Result<Vec<_>, PolicyError>>()?;
        let controls =
            raw.controls.into_iter().flat_map(|(f, ids)| ids.into_iter().map(move |id| (f.clone(), id)));
        Ok(Rule {
            text: Arc::new(RuleText {
                slug: slug.to_owned(),
                title: raw.title,
                fix: raw.fix,
                controls: controls.collect(),
            }),
            since: raw.since,
            severity: severity(&raw.severity)?,
            confidence,
            subject,
            whom: raw.whom,
            needs,
            sources: if sources.is_empty() {
                SOURCES.iter().map(|s| (*s).to_owned()).collect()
            } else {
                sources.into_iter().map(Spanned::into_inner).collect()
            },
            enabled: raw.enabled,
            subsumed_by: raw.subsumed_by,
            what: raw.what,
            why: raw.why,
            references: raw.references,
            params,
            when: expr(&raw.when)?,
            when_text: raw.when.into_inner().trim().to_owned(),
            severities,
            confidences,
            severities_text,
            message: template(&raw.message)?,
            commands: raw.commands.iter().map(template).collect::<Result<_, _>>()?,
            estate,
            fixed: None,
        })
    }

    /// Which ways it is about, if it is: their steps are its evidence.
    pub(super) fn ways(&self) -> Option<Ways> {
        let about = [
            ("identity.escalat", Ways::Own),
            ("identity.federable_", Ways::Federating),
            ("identity.attachable_", Ways::Attaching),
        ];
        let named = about.into_iter().find(|(fact, _)| self.when_text.contains(fact));
        named.map(|(_, ways)| ways).filter(|_| self.subject == SubjectKind::Identity)
    }

    /// The facts that decide, each once.
    pub(super) fn deciding_facts(&self, into: &mut Vec<FactId>) {
        self.when.expr().facts(into);
        for (_, when) in &self.severities {
            when.expr().facts(into);
        }
        for (_, when) in &self.confidences {
            when.expr().facts(into);
        }
    }
}

fn literal(value: &toml::Value) -> Option<Literal> {
    Some(match value {
        toml::Value::Integer(n) => Literal::Int(*n),
        toml::Value::Boolean(b) => Literal::Bool(*b),
        toml::Value::String(s) => Literal::Text(s.clone()),
        toml::Value::Array(items) => {
            Literal::List(items.iter().map(|i| i.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()?)
        }
        _ => return None,
    })
}

/// Where a byte of a value stands in the file: the value starts where its first line does behind the quotes.
fn inside(text: &str, span: &Span, value: &str, at: usize) -> Span {
    let raw = text.get(span.clone()).unwrap_or_default();
    let first = value.lines().next().unwrap_or_default();
    let start = span.start + if first.is_empty() { 0 } else { raw.find(first).unwrap_or(0) };
    start + at..start + at
}
