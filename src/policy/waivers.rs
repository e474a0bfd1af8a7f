//! `leastwise-waivers.toml`: findings that are accepted for a time, by whom and why.

use super::people::{same_person, unnamed};
use super::spans::{PolicyError, Span, glob};
use crate::model::Instant;
use serde::Deserialize;
use toml::Spanned;

/// The longest that a waiver may run, in days from its approval.
pub(crate) const MAX_DAYS: i64 = 366;
/// The longest for findings of severity critical.
pub(crate) const MAX_DAYS_CRITICAL: i64 = 90;

/// Why a finding is accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// The risk is accepted.
    Waiver,
    /// Something else bounds the risk.
    Mitigated,
    /// The finding is wrong here.
    FalsePositive,
}

/// Which findings a waiver is for. All that is given must fit.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Target {
    /// The identity's name, with `*`.
    pub identity: Option<String>,
    /// The identity's object id.
    pub principal_id: Option<String>,
    /// The role's name or GUID.
    pub role: Option<String>,
    /// The scope, or one above it.
    pub scope: Option<String>,
    /// The subject's id.
    pub subject: Option<String>,
    /// One finding alone.
    pub fingerprint: Option<String>,
}

/// A waiver.
#[derive(Clone, Debug)]
pub struct Waiver {
    /// Its id.
    pub id: String,
    /// The rules that it is for.
    pub rules: Vec<(String, Span)>,
    /// The findings that it is for.
    pub target: Target,
    /// Why, in one word.
    pub category: Category,
    /// Why, in words.
    pub reason: String,
    /// Who approved it.
    pub approved_by: String,
    /// When.
    pub approved_on: Instant,
    /// From when on it no longer holds.
    pub expires: Instant,
    /// Where it was discussed.
    pub ticket: Option<String>,
    /// Where it stands.
    pub span: Span,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    waiver: Vec<Spanned<RawWaiver>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWaiver {
    id: Spanned<String>,
    rules: Spanned<Vec<Spanned<String>>>,
    target: Spanned<Target>,
    category: Category,
    reason: Spanned<String>,
    requested_by: Spanned<String>,
    approved_by: Spanned<String>,
    approved_on: Spanned<toml::value::Datetime>,
    expires: Spanned<toml::value::Datetime>,
    ticket: Option<String>,
}

/// Reads waivers.
///
/// # Errors
/// At the first thing that is wrong, with its place.
pub fn parse(path: &str, text: &str) -> Result<Vec<Waiver>, PolicyError> {
    let raw: Raw = toml::from_str(text).map_err(|e| PolicyError::toml(path, text, &e))?;
    let fail = |span: &Span, message: &str| Err(PolicyError::at(path, text, span, message));
    let mut waivers: Vec<Waiver> = Vec::new();
    for entry in raw.waiver {
        let span = entry.span();
        let w = entry.into_inner();
        let date = |d: &Spanned<toml::value::Datetime>| {
            Instant::parse(&d.get_ref().to_string())
                .ok_or_else(|| PolicyError::at(path, text, &d.span(), "expected a date such as 2027-01-31"))
        };
        let (approved_on, expires) = (date(&w.approved_on)?, date(&w.expires)?);
        if waivers.iter().any(|other| other.id == *w.id.get_ref()) {
            return fail(&w.id.span(), "two waivers have this id");
        }
        if w.rules.get_ref().is_empty() {
            return fail(&w.rules.span(), "expected at least one rule");
        }
        if w.rules.get_ref().iter().any(|r| r.get_ref().contains('*')) {
            return fail(&w.rules.span(), "expected rule names without `*`: a waiver says what it accepts");
        }
        let t = w.target.get_ref();
        let given = [&t.identity, &t.principal_id, &t.role, &t.scope, &t.subject, &t.fingerprint];
        if given.iter().all(|g| g.as_ref().is_none_or(|g| g.trim_matches(['*', '/', ' ']).is_empty())) {
            return fail(
                &w.target.span(),
                "expected a target: identity, principal_id, role, scope, subject or fingerprint",
            );
        }
        if w.reason.get_ref().trim().chars().count() < 15 {
            return fail(&w.reason.span(), "expected a reason of at least 15 characters");
        }
        if let Some(name) =
            [&w.requested_by, &w.approved_by].into_iter().find(|n| unnamed(n.get_ref()).is_some())
        {
            return fail(&name.span(), "expected somebody's name");
        }
        if same_person(w.approved_by.get_ref(), w.requested_by.get_ref()) {
            return fail(&w.approved_by.span(), "expected an approver who is not the requester");
        }
        let days = expires.days_since(approved_on);
        if days > MAX_DAYS
            || days == MAX_DAYS && !spans_leap_day(approved_on, expires)
            || expires <= approved_on
        {
            return fail(&w.expires.span(), "expected an end after the approval and at most a year later");
        }
        let rules = w.rules.into_inner().into_iter();
        waivers.push(Waiver {
            id: w.id.into_inner(),
            rules: rules.map(|r| (r.get_ref().clone(), r.span())).collect(),
            target: w.target.into_inner(),
            category: w.category,
            reason: w.reason.into_inner(),
            approved_by: w.approved_by.into_inner(),
            approved_on,
            expires,
            ticket: w.ticket,
            span,
        });
    }
    Ok(waivers)
}

impl Waiver {
    /// Whether a finding, given by its texts, is one that this waiver is for; its rule and end aside.
    pub fn fits(&self, finding: &crate::finding::Finding) -> bool {
        let t = &self.target;
        let identity = finding.identity.as_deref();
        let name = identity.map_or("", |i| i.name.as_str());
        let principal = identity.and_then(|i| i.principal_id.as_deref()).unwrap_or("");
        let (role, key) = finding.role.as_deref().map_or(("", ""), |(n, k)| (n.as_str(), k.as_str()));
        let scope = finding.place.as_deref().map_or("", |p| p.scope.as_str());
        let eq = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        let all = |given: &Option<String>, fits: &dyn Fn(&str) -> bool| given.as_deref().is_none_or(fits);
        all(&t.identity, &|p| glob(p, name))
            && all(&t.principal_id, &|p| eq(p, principal))
            && all(&t.role, &|r| eq(r, role) || eq(crate::model::role_key(r), key))
            && all(&t.subject, &|s| eq(s, &finding.subject))
            && all(&t.fingerprint, &|f| eq(f, &finding.fingerprint))
            && all(&t.scope, &|s| {
                let (outer, inner) = (crate::model::Scope::parse(s), crate::model::Scope::parse(scope));
                matches!((outer, inner), (Some(outer), Some(inner)) if outer.contains(&inner))
            })
    }

    /// Whether it is still in force.
    pub fn in_force(&self, now: Instant) -> bool {
        self.approved_on <= now && now < self.expires
    }

    /// Whether it may accept a finding of severity critical.
    pub fn short_enough_for_critical(&self) -> bool {
        self.expires.days_since(self.approved_on) <= MAX_DAYS_CRITICAL
    }
}

/// Whether a time of a year or so has a 29th of February in it, and so a day more.
fn spans_leap_day(from: Instant, until: Instant) -> bool {
    let year = |at: Instant| at.date().get(..4).and_then(|y| y.parse::<i64>().ok());
    let (Some(first), Some(last)) = (year(from), year(until)) else { return false };
    (first..=last).any(|year| {
        let day = Instant::parse(&format!("{year:04}-02-29"));
        day.is_some_and(|day| from <= day && day < until)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[[waiver]]
id = "W-1"
rules = ["owner-equivalent-grant"]
target = { identity = "id-*" }
category = "mitigated"
reason = "bounded by a deny assignment"
requested_by = "ann@contoso.com"
approved_by = "bob"
approved_on = 2026-01-01
expires = 2026-06-01
"#;

    #[test]
    fn good_and_bad() {
        let waivers = parse("w.toml", GOOD).unwrap();
        assert_eq!(waivers.len(), 1);
        assert!(!waivers[0].short_enough_for_critical());
        let end = Instant::parse("2026-06-01").unwrap();
        assert!(!waivers[0].in_force(end) && waivers[0].in_force(end.plus_days(-1)));
        assert!(parse("w.toml", &GOOD.replace("2026-06-01", "2027-01-01")).is_ok());
        let leap = GOOD.replace("2026-01-01", "2028-01-01").replace("2026-06-01", "2029-01-01");
        assert!(parse("w.toml", &leap).is_ok());
        for (from, to, line) in [
            ("2026-06-01", "2027-01-02", 11),
            ("approved_by = \"bob\"", "approved_by = \"Ann\"", 9),
            ("approved_by = \"bob\"", "approved_by = \"n/a\"", 9),
            ("2026-06-01", "2027-06-01", 11),
            ("[\"owner-equivalent-grant\"]", "[\"*\"]", 4),
            ("{ identity = \"id-*\" }", "{ identity = \"*\" }", 5),
            ("bounded by a deny assignment", "because", 7),
            ("ticket", "ticket", 0),
        ] {
            let text = GOOD.replace(from, to);
            match parse("w.toml", &text) {
                Ok(_) => assert_eq!(line, 0, "{to}"),
                Err(error) => assert_eq!(error.location.line, line, "{error}"),
            }
        }
    }
}
