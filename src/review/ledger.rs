//! The truth of reviews: entries that are only ever appended, each holding the digest of the line before it.
//!
//! A line is JSON; its digest is the SHA-256 of its bytes without the line's end. Whoever knows the head, which is the digest of the
//! last line, can tell whether anything before it was changed or dropped. Not here: where the lines lie (`app`).

use super::item::Item;
use crate::model::{Instant, sha256};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What stands in every entry.
const SCHEMA: &str = "leastwise.ledger/1";

/// What is before the first entry.
const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What somebody decided of a grant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It stays as it is.
    Approve,
    /// It goes.
    Deny,
    /// Another, narrower one takes its place.
    Narrow,
    /// The reviewer cannot say.
    DontKnow,
}

impl Verdict {
    /// Every one, in the order in which packets offer them.
    pub const ALL: [Verdict; 4] = [Verdict::Approve, Verdict::Deny, Verdict::Narrow, Verdict::DontKnow];

    /// The word in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Approve => "approve",
            Verdict::Deny => "deny",
            Verdict::Narrow => "narrow",
            Verdict::DontKnow => "dont-know",
        }
    }

    /// The verdict of a word that a person typed.
    pub fn named(word: &str) -> Option<Verdict> {
        match word.trim().to_ascii_lowercase().replace(['_', ' ', '\''], "-").as_str() {
            "approve" | "approved" => Some(Verdict::Approve),
            "deny" | "denied" | "remove" => Some(Verdict::Deny),
            "narrow" | "modify" => Some(Verdict::Narrow),
            "dont-know" | "don-t-know" | "unknown" => Some(Verdict::DontKnow),
            _ => None,
        }
    }
}

/// A campaign, as it was opened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Opened {
    /// Its name.
    pub campaign: String,
    /// When decisions are due, as a day in UTC that is still in time.
    pub due: String,
    /// The estate: what the user named it, and the digest of the snapshot, where it was one.
    pub estate: String,
    /// The tenant.
    pub tenant: String,
    /// When the estate was read.
    pub collected_at: Option<String>,
    /// Whether everything that grants depend on was read.
    pub complete: bool,
    /// Whether all grants of identities are in it, and not only privileged ones.
    pub all_grants: bool,
    /// How many grants are in it.
    pub grants: usize,
    /// How many days a denied grant may still be there.
    pub sla_days: i64,
    /// Which grants need a second approver: `privileged`, `all` or `none`.
    pub second_approver: String,
}

/// A file that was imported.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Imported {
    /// The campaign.
    pub campaign: String,
    /// Its name.
    pub file: String,
    /// Its digest.
    pub sha256: String,
    /// Who imported it, as they said.
    pub by: String,
    /// How many rows it has.
    pub rows: usize,
    /// How many of them decide something anew.
    pub decisions: usize,
}

/// A decision. Who made it is asserted by the file, not authenticated.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Decision {
    /// The campaign.
    pub campaign: String,
    /// The grant, by its item.
    pub item: String,
    /// What was decided.
    pub verdict: Verdict,
    /// Why.
    pub justification: String,
    /// The role that takes its place, where it is narrowed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub new_role: String,
    /// The scope that does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub new_scope: String,
    /// Whether what takes its place may do harm beyond its own resources, as far as is known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new_privileged: bool,
    /// The last day on which an approval holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Who decided.
    pub reviewer: String,
    /// Who else approved it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub second: String,
    /// The digest of the file that it came in.
    pub file: String,
}

/// The end of a campaign.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Closed {
    /// The campaign.
    pub campaign: String,
    /// How many grants were in it.
    pub grants: usize,
    /// How many were approved, denied and narrowed.
    pub approved: usize,
    /// How many were denied.
    pub denied: usize,
    /// How many were narrowed.
    pub narrowed: usize,
    /// Grants that nobody decided, or nobody else approved: by item.
    pub undecided: Vec<String>,
    /// Why that is accepted.
    pub exceptions: String,
    /// Who of the management acknowledges it, as they said.
    pub acknowledged_by: String,
    /// What they say.
    pub statement: String,
}

/// What an entry says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Body {
    /// A campaign was opened.
    Opened(Opened),
    /// A grant is in it.
    Item(Box<Item>),
    /// A file was imported.
    Imported(Imported),
    /// A grant was decided.
    Decided(Decision),
    /// A campaign was closed.
    Closed(Closed),
}

/// An entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// [`SCHEMA`].
    pub schema: String,
    /// Its number, from 1.
    pub seq: u64,
    /// When it was made, RFC 3339.
    pub at: String,
    /// The digest of the entry before it.
    pub previous: String,
    /// What it says.
    #[serde(flatten)]
    pub body: Body,
}

/// Why lines are no ledger.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct LedgerError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

/// Entries that hold together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Chain {
    entries: Vec<Entry>,
    head: Option<String>,
}

/// Where a ledger lies.
pub trait Ledger {
    /// What goes wrong there.
    type Error;

    /// All entries that there are.
    ///
    /// # Errors
    /// If it cannot be read, or does not hold together.
    fn chain(&self) -> Result<Chain, Self::Error>;

    /// Appends entries: all of them, or none. Gives all that there are then.
    ///
    /// # Errors
    /// If they cannot be written, or somebody else has written meanwhile.
    fn append(&mut self, at: Instant, bodies: Vec<Body>) -> Result<Chain, Self::Error>;
}

/// What entries may follow those before: whoever can write a chain can write nonsense.
#[derive(Default)]
struct Sense {
    last: Option<Instant>,
    campaigns: BTreeMap<String, Told>,
}

/// What was told of a campaign so far.
struct Told {
    open: bool,
    /// How many grants it said to have.
    grants: usize,
    items: BTreeSet<String>,
    /// Files that were imported, by digest, with how many decisions of each are still to come.
    files: BTreeMap<String, usize>,
}

impl Told {
    /// What an import has that is not there: its decisions stand right behind it.
    fn short(&self) -> Result<(), String> {
        match self.files.values().sum::<usize>() {
            0 => Ok(()),
            short => Err(format!("{short} decision(s) of an import before it are missing")),
        }
    }
}

impl Sense {
    fn follows(&mut self, entry: &Entry) -> Result<(), String> {
        let Some(at) = Instant::parse(&entry.at) else { return Err(format!("`{}` is no time", entry.at)) };
        if self.last.is_some_and(|last| at < last) {
            return Err(format!("it is of {}, before the entry that it follows", entry.at));
        }
        self.last = Some(at);
        let name = match &entry.body {
            Body::Opened(o) => {
                let told =
                    Told { open: true, grants: o.grants, items: BTreeSet::new(), files: BTreeMap::new() };
                let new = self.campaigns.insert(o.campaign.clone(), told).is_none();
                return if new { Ok(()) } else { Err(format!("campaign `{}` is opened twice", o.campaign)) };
            }
            Body::Item(i) => &i.campaign,
            Body::Imported(i) => &i.campaign,
            Body::Decided(d) => &d.campaign,
            Body::Closed(c) => &c.campaign,
        };
        let Some(told) = self.campaigns.get_mut(name) else {
            return Err(format!("no campaign `{name}` was opened"));
        };
        if !told.open {
            return Err(format!("campaign `{name}` is closed"));
        }
        let there = told.items.len();
        if !matches!(entry.body, Body::Item(_)) && there != told.grants {
            return Err(format!(
                "campaign `{name}` was opened with {} grant(s), and {there} stand before this",
                told.grants
            ));
        }
        if !matches!(entry.body, Body::Decided(_)) {
            told.short()?;
        }
        match &entry.body {
            Body::Item(item) if !told.items.insert(item.item.clone()) => {
                Err(format!("`{}` is there twice", item.item))
            }
            Body::Decided(d) if !told.items.contains(&d.item) => {
                Err(format!("`{}` is no grant of `{name}`", d.item))
            }
            Body::Decided(d) => match told.files.get_mut(&d.file) {
                None => Err(format!("it is of a file that was not imported into `{name}`")),
                Some(0) => Err("the import that it is of has fewer decisions".to_owned()),
                Some(left) => {
                    *left -= 1;
                    Ok(())
                }
            },
            Body::Closed(c) if c.grants != there => {
                Err(format!("`{name}` has {there} grant(s), and it is closed with {}", c.grants))
            }
            Body::Imported(i) => {
                if i.decisions > i.rows {
                    return Err(format!("it has {} rows, and {} decisions", i.rows, i.decisions));
                }
                told.files.insert(i.sha256.clone(), i.decisions);
                Ok(())
            }
            Body::Closed(_) => {
                told.open = false;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Chain {
    /// Reads lines and holds each against the one before. What a campaign ends with is not counted here.
    ///
    /// # Errors
    /// At the first line that is no entry, or does not follow.
    pub(super) fn lines_of(bytes: &[u8]) -> Result<Chain, LedgerError> {
        let mut chain = Chain::default();
        let mut sense = Sense::default();
        let mut line = 0;
        let mut rest = bytes;
        while !rest.is_empty() {
            line += 1;
            let fail = |problem: String| Err(LedgerError { line, problem });
            let Some(end) = rest.iter().position(|b| *b == b'\n') else {
                return fail("it has no end: the file was cut off".to_owned());
            };
            let (text, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            let entry: Entry = match serde_json::from_slice(text) {
                Ok(entry) => entry,
                Err(error) => return fail(format!("it is no entry of a ledger: {error}")),
            };
            if entry.schema != SCHEMA {
                return fail(format!("its schema is `{}`; this program knows {SCHEMA}", entry.schema));
            }
            if entry.seq != line as u64 {
                return fail(format!("it is number {}: entries were dropped or put in", entry.seq));
            }
            if serde_json::to_vec(&entry).ok().as_deref() != Some(text) {
                let ends = if text.ends_with(b"\r") {
                    ": its lines end as on Windows, which git may do (`ledger.jsonl -text` in .gitattributes keeps it from that)"
                } else {
                    ""
                };
                return fail(format!("it is not written as it is here{ends}"));
            }
            if entry.previous != chain.head() {
                return fail("it does not follow the line before: something was changed".to_owned());
            }
            if let Err(problem) = sense.follows(&entry) {
                return fail(problem);
            }
            chain.head = Some(sha256(text));
            chain.entries.push(entry);
        }
        // A campaign and its grants are written at once.
        if let Some((name, told)) = sense.campaigns.iter().find(|(_, t)| t.items.len() != t.grants) {
            let there = told.items.len();
            let problem = format!(
                "campaign `{name}` was opened with {} grant(s), and {there} are there: lines are missing",
                told.grants
            );
            return Err(LedgerError { line, problem });
        }
        if let Some(problem) = sense.campaigns.values().find_map(|t| t.short().err()) {
            return Err(LedgerError { line, problem });
        }
        Ok(chain)
    }

    /// The digest of the last entry.
    pub fn head(&self) -> &str {
        self.head.as_deref().unwrap_or(NOTHING)
    }

    /// When the last entry was made.
    pub fn last(&self) -> Option<Instant> {
        self.entries.last().and_then(|e| Instant::parse(&e.at))
    }

    /// All entries, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Lines for further entries, which follow those that are there.
    ///
    /// # Errors
    /// Never: an entry is always JSON.
    pub fn lines(&mut self, at: Instant, bodies: Vec<Body>) -> Result<Vec<u8>, serde_json::Error> {
        let mut out = Vec::new();
        for body in bodies {
            let entry = Entry {
                schema: SCHEMA.to_owned(),
                seq: self.entries.len() as u64 + 1,
                at: at.to_string(),
                previous: self.head().to_owned(),
                body,
            };
            let line = serde_json::to_vec(&entry)?;
            self.head = Some(sha256(&line));
            self.entries.push(entry);
            out.extend_from_slice(&line);
            out.push(b'\n');
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Vec<u8> {
        let imported = |file: &str| {
            Body::Imported(Imported {
                campaign: "c".to_owned(),
                file: file.to_owned(),
                sha256: String::new(),
                by: "b".to_owned(),
                rows: 1,
                decisions: 0,
            })
        };
        let at = Instant::from_seconds(1_700_000_000);
        let opened = Body::Opened(Opened {
            campaign: "c".to_owned(),
            due: "2026-01-01".to_owned(),
            estate: String::new(),
            tenant: String::new(),
            collected_at: None,
            complete: true,
            all_grants: true,
            grants: 0,
            sla_days: 7,
            second_approver: "none".to_owned(),
        });
        let mut chain = Chain::default();
        chain.lines(at, vec![opened, imported("two"), imported("three")]).unwrap()
    }

    fn imported_of(chain: &Chain) -> Imported {
        match &chain.entries()[1].body {
            Body::Imported(imported) => imported.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_written_is_read_and_goes_on() {
        let bytes = three();
        let chain = Chain::read(&bytes).unwrap();
        assert_eq!(chain.entries().len(), 3);
        assert_eq!(Chain::read(b"").unwrap().head(), NOTHING);
        let mut more = chain.clone();
        let later = Instant::from_seconds(1_700_000_001);
        let line = more.lines(later, vec![chain.entries()[1].body.clone()]).unwrap();
        let all = [bytes, line].concat();
        assert_eq!(Chain::read(&all).unwrap().head(), more.head());
        // Whoever can write a chain can write nonsense.
        for (at, body) in [
            (Instant::from_seconds(0), chain.entries()[1].body.clone()),
            (later, chain.entries()[0].body.clone()),
            (later, Body::Imported(Imported { campaign: "d".to_owned(), ..imported_of(&chain) })),
        ] {
            let bytes = three();
            let line = Chain::read(&bytes).unwrap().lines(at, vec![body]).unwrap();
            assert_eq!(Chain::read(&[bytes, line].concat()).unwrap_err().line, 4);
        }
    }

    #[test]
    fn every_changed_byte_before_the_last_line_shows() {
        let bytes = three();
        let head = Chain::read(&bytes).unwrap().head().to_owned();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            // In the last line, only the head tells.
            match Chain::read(&changed) {
                Ok(chain) => assert_ne!(chain.head(), head, "byte {at}"),
                Err(error) => assert!(error.line >= 1),
            }
        }
        for cut in 1..bytes.len() {
            match Chain::read(&bytes[..cut]) {
                Ok(chain) => assert_ne!(chain.head(), head),
                Err(error) => {
                    assert!(error.problem.contains("cut off") || error.problem.contains("no entry"))
                }
            }
        }
    }

    #[test]
    fn lines_that_are_dropped_put_in_or_moved_show() {
        let bytes = three();
        let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
        for order in [vec![1, 2], vec![0, 2], vec![0, 0, 1, 2], vec![1, 0, 2], vec![0, 2, 1]] {
            let changed: Vec<u8> = order.iter().flat_map(|n| lines[*n].to_vec()).collect();
            assert!(Chain::read(&changed).is_err(), "{order:?}");
        }
    }
}
