//! Logs: who got a token, who did what, and over which span the logs speak. Added up as they are read, so that memory grows
//! with principals, operations and resources, and not with the log.
//!
//! Reads the lines or arrays that Azure Monitor exports (category `ManagedIdentitySignInLogs`) and Microsoft Graph's
//! `auditLogs/signIns` answers. Only the principal and the time are kept.

use super::log_tables::{self, Form};
use super::usage;
use crate::model::{
    Estate, Extent, Gap, Instant, Location, Reason, SignIn, SignInWindow, Source, Sym, Usage, UsageLog,
};
use crate::sources::scan::{Position, Problem, Visit, scan};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read};

/// The most rows of use that are kept.
const MOST: usize = 4_000_000;

/// Why no log could be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "no records in `{0}`: expected sign-in logs of managed identities, the activity log, or resource logs of vaults, storage and message buses, as JSON"
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
    #[serde(alias = "ResultType")]
    result_type: Option<serde_json::Value>,
    status: Option<Status>,
    properties: Option<Box<Record>>,
}

/// What became of a request for a token.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    error_code: Option<serde_json::Value>,
}

impl Record {
    /// Whether no token was given.
    fn failed(&self) -> bool {
        let code = self.status.as_ref().and_then(|s| s.error_code.as_ref());
        let said = |code: &serde_json::Value| {
            let text = code.to_string();
            !matches!(text.trim_matches('"'), "" | "0" | "null" | "Success" | "success")
        };
        [code, self.result_type.as_ref()].into_iter().flatten().any(said)
            || self.properties.as_deref().is_some_and(Record::failed)
    }

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
    /// How often no token was given.
    refused: BTreeMap<String, u64>,
    span: Option<(Instant, Instant)>,
    used: HashMap<(String, String, bool, String), Usage>,
    used_span: Option<(Instant, Instant)>,
    full: bool,
    /// Whether there was anything at all, good or bad.
    any: bool,
}

impl Visit for Reader<'_> {
    fn element(&mut self, bytes: &[u8], at: Position, _: bool) {
        self.any = true;
        match usage::record(bytes) {
            usage::Record::Other => {}
            usage::Record::Nothing(when) => return self.seen(when),
            usage::Record::Event(event) => return self.used(event, at),
            usage::Record::Broken(what) => {
                let detail = format!("a record of the activity log without {what}");
                return self.gap(Reason::Unparsed, &detail, at);
            }
        }
        let read = serde_json::from_slice::<Record>(bytes).ok();
        let found = read.and_then(|r| {
            let inner = r.properties.as_deref();
            let time = r.when().or_else(|| inner.and_then(Record::when))?;
            let who = r
                .service_principal_id
                .clone()
                .or_else(|| inner.and_then(|i| i.service_principal_id.clone()))?;
            Some((who.to_ascii_lowercase(), Instant::parse(&time)?, r.failed()))
        });
        let Some((who, when, failed)) = found else {
            self.gap(Reason::Unparsed, "a sign-in record without time or servicePrincipalId", at);
            return;
        };
        let span = self.span.unwrap_or((when, when));
        self.span = Some((span.0.min(when), span.1.max(when)));
        // Who asked and was given no token did not use anything.
        if failed {
            *self.refused.entry(who).or_default() += 1;
            return;
        }
        let slot = self.last.entry(who).or_insert(when);
        *slot = (*slot).max(when);
    }

    fn beside(&mut self, key: &str, value: &[u8], at: Position) {
        if key.eq_ignore_ascii_case("@odata.nextLink") && value != b"null" {
            self.gap(Reason::Truncated, "the sign-in list has further pages that are not in the file", at);
        }
    }

    fn problem(&mut self, problem: Problem, at: Position) {
        self.any = true;
        let reason = match problem {
            Problem::TooLarge | Problem::Empty => Reason::Unparsed,
            // What comes after is missing.
            Problem::Truncated | Problem::Syntax(_) | Problem::Io(_) => Reason::Truncated,
        };
        self.gap(reason, "the sign-in log could not be read to its end", at);
    }
}

impl Reader<'_> {
    fn seen(&mut self, when: Option<Instant>) {
        if let Some(when) = when {
            let span = self.used_span.unwrap_or((when, when));
            self.used_span = Some((span.0.min(when), span.1.max(when)));
        }
    }

    fn used(&mut self, event: usage::Event, at: Position) {
        self.seen(Some(event.at));
        let key = (event.who, event.operation, event.data, event.scope.to_ascii_lowercase());
        if self.used.len() >= MOST && !self.used.contains_key(&key) {
            if !self.full {
                self.full = true;
                self.gap(Reason::Truncated, "the activity log has more distinct uses than are kept", at);
            }
            return;
        }
        let strings = &mut self.estate.strings;
        let row = self.used.entry(key).or_insert_with_key(|(who, operation, data, _)| Usage {
            principal: strings.intern(who),
            operation: strings.intern(operation),
            data: *data,
            scope: strings.intern(&event.scope),
            first: event.at,
            last: event.at,
            done: 0,
            denied: 0,
            failed: 0,
        });
        row.first = row.first.min(event.at);
        row.last = row.last.max(event.at);
        match event.outcome {
            usage::Outcome::Done => row.done += 1,
            usage::Outcome::Denied => row.denied += 1,
            usage::Outcome::Failed => row.failed += 1,
        }
    }

    fn gap(&mut self, reason: Reason, detail: &str, at: Position) {
        let location = Location { path: self.path.to_owned(), line: at.line, column: at.column };
        self.estate.gaps.push(Gap::new(Source::SignIns, "", reason, detail).at(location));
    }
}

/// Adds a log to an estate, and says whether it held anything. The span of several logs is the span of all their
/// records.
pub fn read(estate: &mut Estate, path: &str, input: impl Read) -> Result<bool, SignInError> {
    let mut reader = Reader {
        estate,
        path,
        last: HashMap::new(),
        refused: BTreeMap::new(),
        span: None,
        used: HashMap::new(),
        used_span: None,
        full: false,
        any: false,
    };
    let mut input = BufReader::with_capacity(1 << 16, input);
    // What cannot be read at all is told by whoever reads on.
    match input.fill_buf().map_or(Form::Records, log_tables::form) {
        Form::Records => scan(input, &mut reader),
        form => log_tables::read(form, input, &mut reader),
    }
    if !reader.any {
        let location = Location { path: path.to_owned(), line: 1, column: 1 };
        let detail = "a log without any record: it says of no day what was done, nor that nothing was";
        estate.gaps.push(Gap::new(Source::SignIns, "", Reason::NotCollected, detail).at(location));
        return Ok(false);
    }
    let (last, span, used, used_span) = (reader.last, reader.span, reader.used, reader.used_span);
    let refused = reader.refused;
    if let Some((from, until)) = used_span {
        add(estate, used, from, until);
    }
    let Some((from, until)) = span else {
        return used_span.map(|_| true).ok_or_else(|| SignInError(path.to_owned()));
    };
    let window = estate.sign_in_window.unwrap_or(SignInWindow { from, until });
    estate.sign_in_window =
        Some(SignInWindow { from: window.from.min(from), until: window.until.max(until) });
    for (who, times) in refused {
        let who = estate.strings.intern(&who);
        let class = estate.strings.class(who);
        *estate.refused_tokens.get_or_insert_default().entry(class).or_default() += times;
    }
    estate.refused_tokens.get_or_insert_default();
    let mut all: Vec<(String, Instant)> = last.into_iter().collect();
    all.sort_unstable();
    let known = estate.sign_ins.iter().enumerate();
    let mut known: HashMap<Sym, usize> =
        known.map(|(at, s)| (estate.strings.class(s.principal), at)).collect();
    for (who, last) in all {
        let principal = estate.strings.intern(&who);
        let at = *known.entry(estate.strings.class(principal)).or_insert(estate.sign_ins.len());
        match estate.sign_ins.get_mut(at) {
            Some(known) => known.last = known.last.max(last),
            None => estate.sign_ins.push(SignIn { principal, last }),
        }
    }
    estate.coverage.note(Source::SignIns, Extent::Complete);
    Ok(true)
}

/// Adds uses to those of other files.
fn add(
    estate: &mut Estate,
    used: HashMap<(String, String, bool, String), Usage>,
    from: Instant,
    until: Instant,
) {
    let mut log = estate.usage.take().unwrap_or(UsageLog { rows: Vec::new(), from, until });
    log.from = log.from.min(from);
    log.until = log.until.max(until);
    let strings = &estate.strings;
    let key = |u: &Usage| {
        let scope = strings.text(u.scope).to_ascii_lowercase();
        (strings.text(u.principal).to_owned(), strings.text(u.operation).to_owned(), u.data, scope)
    };
    log.rows.extend(used.into_values());
    log.rows.sort_by_cached_key(key);
    log.rows.dedup_by(|new, old| {
        let same = strings.same(new.principal, old.principal)
            && new.operation == old.operation
            && new.data == old.data
            && strings.same(new.scope, old.scope);
        if same {
            old.first = old.first.min(new.first);
            old.last = old.last.max(new.last);
            old.done += new.done;
            old.denied += new.denied;
            old.failed += new.failed;
        }
        same
    });
    estate.usage = Some(log);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_given_no_token_has_not_signed_in() {
        for (good, bad) in [
            (
                r#"{"createdDateTime":"2026-01-01T00:00:00Z","servicePrincipalId":"A","status":{"errorCode":0}}"#,
                r#"{"createdDateTime":"2026-05-31T00:00:00Z","servicePrincipalId":"a","status":{"errorCode":7000215}}"#,
            ),
            (
                r#"{"TimeGenerated":"2026-01-01T00:00:00Z","ServicePrincipalId":"A","ResultType":"0"}"#,
                r#"{"TimeGenerated":"2026-05-31T00:00:00Z","ServicePrincipalId":"a","ResultType":"7000215"}"#,
            ),
            (
                r#"{"time":"2026-01-01T00:00:00Z","resultType":"0","properties":{"servicePrincipalId":"A","status":{"errorCode":0}}}"#,
                r#"{"time":"2026-05-31T00:00:00Z","resultType":"7000215","properties":{"servicePrincipalId":"a"}}"#,
            ),
        ] {
            let mut estate = Estate::default();
            let log = format!("{good}\n{bad}\n");
            assert!(read(&mut estate, "log", log.as_bytes()).unwrap());
            let day = |text: &str| Instant::parse(text).unwrap();
            let last: Vec<Instant> = estate.sign_ins.iter().map(|s| s.last).collect();
            assert_eq!(last, [day("2026-01-01T00:00:00Z")], "{bad}");
            let who = estate.strings.find("A").unwrap();
            assert_eq!(estate.refused_tokens.as_ref().unwrap().get(&who), Some(&1));
            // The log speaks of that day all the same.
            assert_eq!(estate.sign_in_window.unwrap().until, day("2026-05-31T00:00:00Z"));
        }
    }
}
