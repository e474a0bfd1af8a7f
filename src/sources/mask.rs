//! Pseudonyms for what is shared outside: every name, id and GUID becomes another one, the same again wherever it stands and in every
//! run with the same salt.
//!
//! What is kept is listed, everything else is replaced: a member of a record that nobody thought of is masked. Kept are what Azure's own
//! catalogue has (providers, types, operations, built-in roles), instants, regions, words that the policy says mean an environment,
//! numbers of at most three digits and years. Not here: where the salt comes from (`app`).

mod condition;
mod records;

use crate::model::Plane;
use crate::rbac::Catalog;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeSet, HashMap};

/// Words of issuers and subjects of tokens that say what they are, not whose.
/// Source: the issuers and subject forms that the rules about federated credentials know.
const FEDERATION: &[&str] = &[
    "https",
    "api",
    "AzureADTokenExchange",
    "AzureADTokenExchangeUSGov",
    "AzureADTokenExchangeChina",
    "token",
    "actions",
    "githubusercontent",
    "com",
    "ghe",
    "vstoken",
    "dev",
    "azure",
    "gitlab",
    "app",
    "terraform",
    "io",
    "oic",
    "oidc",
    "prod",
    "aks",
    "arc",
    "login",
    "microsoftonline",
    "sts",
    "windows",
    "net",
    "us",
    "cn",
    "partner",
    "v2",
    "eid1",
    "c",
    "pub",
    "t",
    "a",
    "sc",
    "repo",
    "repository_owner",
    "environment",
    "ref",
    "refs",
    "heads",
    "tags",
    "pull",
    "pull_request",
    "request",
    "project_path",
    "project",
    "path",
    "ref_type",
    "type",
    "branch",
    "tag",
    "organization",
    "workspace",
    "run_phase",
    "run",
    "phase",
    "job",
    "workflow",
    "job_workflow_ref",
    "repository",
    "owner",
    "system",
    "serviceaccount",
    "claims",
    "sub",
    "matches",
    "eq",
    "and",
    "main",
    "master",
];

/// What is kept, and what was given for the rest.
pub struct Mask {
    salt: Vec<u8>,
    kept: BTreeSet<String>,
    federation: BTreeSet<String>,
    /// Segments of providers, types and operations that the catalogue has, lower-case.
    azure: BTreeSet<String>,
    /// GUIDs and names of built-in roles, lower-case.
    roles: BTreeSet<String>,
    given: HashMap<String, String>,
}

impl Mask {
    /// `kept` are words that may stay.
    pub fn new(salt: &[u8], kept: impl IntoIterator<Item = String>, catalog: &Catalog) -> Mask {
        let mut azure = BTreeSet::new();
        for plane in Plane::ALL {
            for operation in catalog.operations().iter(plane) {
                for segment in operation.split('/') {
                    if !azure.contains(segment) {
                        azure.insert(segment.to_ascii_lowercase());
                    }
                }
            }
        }
        Mask {
            salt: salt.to_vec(),
            kept: kept.into_iter().map(|w| w.to_ascii_lowercase()).collect(),
            federation: FEDERATION.iter().map(|w| w.to_ascii_lowercase()).collect(),
            azure,
            roles: catalog
                .guids()
                .into_iter()
                .flat_map(|g| [Some(g), catalog.role_name(g)])
                .flatten()
                .map(str::to_ascii_lowercase)
                .collect(),
            given: HashMap::new(),
        }
    }

    /// What the salt is known by, without telling it.
    pub fn salt_id(&self) -> String {
        crate::model::hex(self.digest("salt", "").get(..8).unwrap_or_default())
    }

    /// A name, an id, an address: each of its words.
    pub fn text(&mut self, text: &str) -> String {
        if text.starts_with('/') { self.path(text) } else { self.words(text, false) }
    }

    /// What a person wrote: nothing of it stays but whether it is the same.
    pub fn prose(&mut self, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        format!("masked {}", letters(&self.digest("prose", text), 10))
    }

    /// A role by name or id: those that everybody has stay.
    pub fn role(&mut self, text: &str) -> String {
        if self.roles.contains(&text.to_ascii_lowercase()) { text.to_owned() } else { self.text(text) }
    }

    /// Issuers, subjects and patterns of tokens.
    pub fn federated(&mut self, text: &str) -> String {
        self.words(text, true)
    }

    /// A type or an operation: the catalogue's words stay.
    pub fn kind(&mut self, text: &str) -> String {
        let segments: Vec<String> = text.split('/').map(|s| self.segment(s)).collect();
        segments.join("/")
    }

    fn segment(&mut self, segment: &str) -> String {
        if self.azure.contains(&segment.to_ascii_lowercase()) || segment.chars().all(|c| c == '*') {
            segment.to_owned()
        } else {
            self.words(segment, false)
        }
    }

    /// An ARM id, or a scope: names and GUIDs go, types stay.
    fn path(&mut self, text: &str) -> String {
        const HEADS: [&str; 3] = ["subscriptions", "resourcegroups", "managementgroups"];
        // What the next segment is: a namespace behind `providers`, then types and names in turn.
        enum Next {
            Head,
            Namespace,
            Type,
            Name,
            NameOfHead,
        }
        let mut next = Next::Head;
        let mut out = Vec::new();
        for segment in text.split('/') {
            let folded = segment.to_ascii_lowercase();
            let (shown, then) = match next {
                _ if segment.is_empty() => (String::new(), next),
                Next::Head | Next::Type if folded == "providers" => (segment.to_owned(), Next::Namespace),
                Next::Head if HEADS.contains(&folded.as_str()) => (segment.to_owned(), Next::NameOfHead),
                Next::Head => (self.words(segment, false), Next::Head),
                Next::Namespace => (self.segment(segment), Next::Type),
                Next::Type => (self.segment(segment), Next::Name),
                Next::Name => (self.words(segment, false), Next::Type),
                Next::NameOfHead => (self.words(segment, false), Next::Head),
            };
            out.push(shown);
            next = then;
        }
        out.join("/")
    }

    fn words(&mut self, text: &str, federated: bool) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some(guid) = rest.get(..36).filter(|g| is_guid(g)) {
                let ends = rest.get(36..).unwrap_or_default();
                if !ends.starts_with(part_of_word) {
                    out.push_str(&self.guid(guid));
                    rest = ends;
                    continue;
                }
            }
            if !part_of_word(first) {
                out.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
                continue;
            }
            let end = rest.find(|c| !part_of_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            out.push_str(&self.word(word, federated));
            rest = after;
        }
        out
    }

    fn guid(&mut self, guid: &str) -> String {
        let folded = guid.to_ascii_lowercase();
        if self.roles.contains(&folded) || folded.chars().all(|c| c == '0' || c == '-') {
            return guid.to_owned();
        }
        let hex = crate::model::hex(self.digest("guid", &folded).get(..16).unwrap_or_default());
        let part = |range| hex.get(range).unwrap_or_default();
        [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
    }

    fn word(&mut self, word: &str, federated: bool) -> String {
        let folded = word.to_ascii_lowercase();
        if self.kept.contains(&folded) || federated && self.federation.contains(&folded) {
            return word.to_owned();
        }
        if word.bytes().all(|b| b.is_ascii_digit()) {
            let year = word.len() == 4 && (word.starts_with("19") || word.starts_with("20"));
            return if word.len() <= 3 || year { word.to_owned() } else { self.digits(word) };
        }
        let given = match self.given.get(&folded) {
            Some(given) => given.clone(),
            None => {
                let given = format!("x{}", letters(&self.digest("word", &folded), 10));
                self.given.insert(folded, given.clone());
                given
            }
        };
        // Naming rules look at case.
        let lower = |c: char| c.is_ascii_lowercase();
        match (word.chars().any(lower), word.starts_with(|c: char| c.is_ascii_uppercase())) {
            (true, true) => given.replacen('x', "X", 1),
            (false, _) => given.to_ascii_uppercase(),
            _ => given,
        }
    }

    fn digits(&self, word: &str) -> String {
        let digest = self.digest("digits", word);
        word.bytes().zip(digest.iter().cycle()).map(|(_, byte)| char::from(b'0' + byte % 10)).collect()
    }

    fn digest(&self, what: &str, text: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [&self.salt[..], what.as_bytes(), text.as_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

fn part_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || !c.is_ascii()
}

fn is_guid(text: &str) -> bool {
    text.bytes()
        .enumerate()
        .all(|(n, b)| if matches!(n, 8 | 13 | 18 | 23) { b == b'-' } else { b.is_ascii_hexdigit() })
}

/// Letters that no name's pattern refuses.
fn letters(digest: &[u8], count: usize) -> String {
    digest.iter().take(count).map(|byte| char::from(b'a' + byte % 26)).collect()
}
