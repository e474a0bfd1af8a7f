//! Sign-in logs of managed identities: who got a token, and over which span the logs speak.
//!
//! Reads the lines or arrays that Azure Monitor exports (category `ManagedIdentitySignInLogs`) and Microsoft Graph's
//! `auditLogs/signIns` answers. Only the principal and the time are kept.

use crate::model::{Estate, Extent, Gap, Instant, Location, Reason, SignIn, SignInWindow, Source};
use crate::sources::scan::{Position, Problem, Visit, scan};
use serde::Deserialize;
use std::collections::HashMap;
use std::io::Read;

/// Why no log could be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "no sign-in records in `{0}`: expected the managed identity sign-in logs as JSON, exported from Azure Monitor or Microsoft Graph"
)]
pub struct SignInError(pub String);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    time: Option<String>,
    created_date_time: Option<String>,
    #[serde(rename = "TimeGenerated")]
    generated: Option<String>,
    #[serde(rename = "CreatedDateTime")]
    created: Option<String>,
    #[serde(alias = "ServicePrincipalId")]
    service_principal_id: Option<String>,
    properties: Option<Box<Record>>,
}

impl Record {
    fn when(&self) -> Option<String> {
        [&self.created_date_time, &self.created, &self.time, &self.generated]
            .into_iter()
            .flatten()
            .next()
            .cloned()
    }
}

struct Reader<'e> {
    estate: &'e mut Estate,
    path: &'e str,
    last: HashMap<String, Instant>,
    span: Option<(Instant, Instant)>,
}

impl Visit for Reader<'_> {
    fn element(&mut self, bytes: &[u8], at: Position, _: bool) {
        let read = serde_json::from_slice::<Record>(bytes).ok();
        let found = read.and_then(|r| {
            let inner = r.properties.as_deref();
            let time = r.when().or_else(|| inner.and_then(Record::when))?;
            let who = r
                .service_principal_id
                .clone()
                .or_else(|| inner.and_then(|i| i.service_principal_id.clone()))?;
            Some((who.to_ascii_lowercase(), Instant::parse(&time)?))
        });
        let Some((who, when)) = found else {
            self.gap(Reason::Unparsed, "a sign-in record without time or servicePrincipalId", at);
            return;
        };
        let span = self.span.unwrap_or((when, when));
        self.span = Some((span.0.min(when), span.1.max(when)));
        let slot = self.last.entry(who).or_insert(when);
        *slot = (*slot).max(when);
    }

    fn beside(&mut self, key: &str, value: &[u8], at: Position) {
        if key.eq_ignore_ascii_case("@odata.nextLink") && value != b"null" {
            self.gap(Reason::Truncated, "the sign-in list has further pages that are not in the file", at);
        }
    }

    fn problem(&mut self, problem: Problem, at: Position) {
        let reason = if problem == Problem::Truncated { Reason::Truncated } else { Reason::Unparsed };
        self.gap(reason, "the sign-in log could not be read to its end", at);
    }
}

impl Reader<'_> {
    fn gap(&mut self, reason: Reason, detail: &str, at: Position) {
        let location = Location { path: self.path.to_owned(), line: at.line, column: at.column };
        self.estate.gaps.push(Gap::new(Source::SignIns, "", reason, detail).at(location));
    }
}

/// Adds a log to an estate. The span of several logs is the span of all their records.
pub fn read(estate: &mut Estate, path: &str, input: impl Read) -> Result<(), SignInError> {
    let mut reader = Reader { estate, path, last: HashMap::new(), span: None };
    scan(input, &mut reader);
    let (last, span) = (reader.last, reader.span);
    let Some((from, until)) = span else { return Err(SignInError(path.to_owned())) };
    let window = estate.sign_in_window.unwrap_or(SignInWindow { from, until });
    estate.sign_in_window =
        Some(SignInWindow { from: window.from.min(from), until: window.until.max(until) });
    let mut all: Vec<(String, Instant)> = last.into_iter().collect();
    all.sort_unstable();
    for (who, last) in all {
        let principal = estate.strings.intern(&who);
        let strings = &estate.strings;
        if let Some(known) = estate.sign_ins.iter_mut().find(|s| strings.same(s.principal, principal)) {
            known.last = known.last.max(last);
            continue;
        }
        estate.sign_ins.push(SignIn { principal, last });
    }
    estate.coverage.note(Source::SignIns, Extent::Complete);
    Ok(())
}
