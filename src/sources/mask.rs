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

/// Begins names that Azure itself makes, and that rules know by it.
const AZURE_MADE: &str = "defaultazuremonitoring";

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
        let folded = segment.to_ascii_lowercase();
        // A pattern that fits something of the catalogue's must go on doing so.
        let fits = |known: &String| crate::rbac::matches(&crate::model::ActionPattern::new(&folded), known);
        if self.azure.contains(&folded)
            || folded.chars().all(|c| c == '*')
            || folded.contains('*') && self.azure.iter().any(fits)
        {
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
            if let Some(guid) = rest.get(..36).filter(|g| crate::model::is_guid(g)) {
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
            if let Some(run) = numbers(rest) {
                out.push_str(&self.digits(run));
                rest = rest.get(run.len()..).unwrap_or_default();
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
        if let Some(rest) = folded.strip_prefix(AZURE_MADE).filter(|r| !r.is_empty()) {
            let rest = self.word(rest, federated);
            return format!("{}{rest}", word.get(..AZURE_MADE.len()).unwrap_or_default());
        }
        if word.bytes().all(|b| b.is_ascii_digit()) {
            return if word.len() <= 3 || is_year(word) { word.to_owned() } else { self.digits(word) };
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
        let upper = |c: char| c.is_ascii_uppercase();
        match (word.chars().any(lower), word.starts_with(upper), word.chars().any(upper)) {
            (true, true, _) => given.replacen('x', "X", 1),
            (true, false, true) => {
                let (head, last) = given.split_at_checked(given.len() - 1).unwrap_or((&given, ""));
                format!("{head}{}", last.to_ascii_uppercase())
            }
            (false, _, true) => given.to_ascii_uppercase(),
            _ => given,
        }
    }

    /// A number becomes another of as many digits, and no two become one; what stands between its digits stays.
    fn digits(&self, text: &str) -> String {
        let own: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect();
        let mut shuffled = self.shuffled(&own);
        // A year stays, so nothing else becomes one: the walk ends, since it comes back to where it began.
        while is_year(&shown(&shuffled)) && own.len() == text.len() {
            shuffled = self.shuffled(&shuffled);
        }
        let mut digits = shuffled.into_iter();
        let put =
            |c: char| if c.is_ascii_digit() { digits.next().map_or(c, |d| char::from(b'0' + d)) } else { c };
        text.chars().map(put).collect()
    }

    /// A permutation of all numbers of a length: both halves are shifted in turn by what the other gives.
    fn shuffled(&self, digits: &[u8]) -> Vec<u8> {
        let (head, tail) = digits.split_at(digits.len() / 2);
        let (mut head, mut tail) = (head.to_vec(), tail.to_vec());
        for round in 0..8u8 {
            let (from, to) = if round % 2 == 0 { (&tail, &mut head) } else { (&head, &mut tail) };
            let mut key = vec![round, u8::try_from(digits.len()).unwrap_or(u8::MAX)];
            key.extend(from);
            let mut stream = Vec::new();
            let mut block = 0u32;
            while stream.len() < to.len() {
                let text: Vec<String> = key.iter().chain(&block.to_be_bytes()).map(u8::to_string).collect();
                stream.extend(self.digest("digits", &text.join(".")));
                block += 1;
            }
            for (digit, shift) in to.iter_mut().zip(stream) {
                *digit = (*digit + shift % 10) % 10;
            }
        }
        [head, tail].concat()
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

/// Whether a word stays as a year.
fn is_year(word: &str) -> bool {
    word.len() == 4 && (word.starts_with("19") || word.starts_with("20"))
}

fn shown(digits: &[u8]) -> String {
    digits.iter().map(|d| char::from(b'0' + d)).collect()
}

/// An address or a number written in groups: `203.0.113.77`, `612 345 678`. One that is short or of one group is none.
fn numbers(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let (mut end, mut digits, mut groups) = (0, 0, 0);
    loop {
        let own = bytes.get(end..)?.iter().take_while(|b| b.is_ascii_digit()).count();
        if own == 0 {
            break;
        }
        (end, digits, groups) = (end + own, digits + own, groups + 1);
        let next = (bytes.get(end), bytes.get(end + 1));
        match next {
            (Some(b' ' | b'.' | b'-' | b'/' | b':'), Some(b)) if b.is_ascii_digit() => end += 1,
            _ => break,
        }
    }
    let run = text.get(..end)?;
    let ends = text.get(end..).is_none_or(|after| !after.starts_with(part_of_word));
    (groups > 1 && digits >= 7 && ends).then_some(run)
}

fn part_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || !c.is_ascii()
}

/// Letters that no name's pattern refuses.
fn letters(digest: &[u8], count: usize) -> String {
    digest.iter().take(count).map(|byte| char::from(b'a' + byte % 26)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn mask() -> Mask {
        Mask::new(b"salt", ["prod".to_owned(), "id".to_owned()], Catalog::embedded())
    }

    #[test]
    fn no_two_numbers_become_one() {
        let mut mask = mask();
        let all: HashSet<String> = (0..10_000).map(|n| mask.text(&format!("{n:04}"))).collect();
        assert_eq!(all.len(), 10_000);
        let some: HashSet<String> = (0..20_000).map(|n| mask.text(&format!("id-{n:05}"))).collect();
        assert_eq!(some.len(), 20_000);
        assert!(some.iter().all(|t| t.len() == 8));
        assert_eq!(
            (mask.text("2026-01"), mask.text("rg-007")),
            ("2026-01".to_owned(), mask.text("rg") + "-007")
        );
    }

    #[test]
    fn numbers_in_groups_go_whole() {
        let mut mask = mask();
        for text in ["+31 612 345 678", "10.20.30.40", "https://203.0.113.77/", "123-45-6789"] {
            let masked = mask.text(text);
            assert_ne!(masked, text);
            for group in text.split(|c: char| !c.is_ascii_digit()).filter(|g| g.len() > 2) {
                assert!(!masked.contains(group), "{text} gives {masked}");
            }
        }
    }

    #[test]
    fn case_is_kept_as_far_as_rules_look_at_it() {
        let mut mask = mask();
        let words = ["payroll", "PAYROLL", "Payroll", "payRoll"].map(|w| mask.text(w));
        assert!(words.iter().all(|w| w.eq_ignore_ascii_case(&words[0])));
        assert_eq!(words.iter().collect::<HashSet<_>>().len(), 4, "{words:?}");
    }

    #[test]
    fn ids_keep_their_types_and_lose_their_names() {
        let mut mask = mask();
        let masked = mask.text("/subscriptions/s1/resourceGroups/Pay/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-pay-prod");
        assert!(
            masked.contains("/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-"),
            "{masked}"
        );
        assert!(masked.ends_with("-prod") && !masked.to_ascii_lowercase().contains("pay"), "{masked}");
        assert_eq!(mask.kind("Microsoft.Compute/virtual*/read"), "Microsoft.Compute/virtual*/read");
        assert!(!mask.kind("Canary.Own/canary*/read").to_ascii_lowercase().contains("canary"));
    }
}
