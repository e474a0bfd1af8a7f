//! A bundle for people outside: everything that is sealed in it stands under pseudonyms, so that it still can be replayed.
//!
//! What rules say of pseudonyms may differ from what they say of names. Both are judged, and the manifest says where they differ.
//! Not here: what is masked and what stays (`sources::mask`).

mod ledger;
mod policy;

use super::manifest::{JudgedTwice, Masked};
use crate::app::error::AppError;
use crate::app::policy::Policy;
use crate::finding::{Disposition, Severity};
use crate::graph::AccessGraph;
use crate::model::{Estate, Instant};
use crate::policy::common_words;
use crate::rbac::Catalog;
use crate::report::Provenance;
use crate::rules::run;
use crate::sources::mask::Mask;
use crate::sources::snapshot;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

/// The shortest salt, in characters: nobody should find names by trying.
const LEAST: usize = 32;

/// Open findings of each rule and severity.
type Counts = BTreeMap<(String, &'static str), u64>;

/// A finding by what it is about: its rule, subject, principal, role and scope.
type About = (String, [String; 4]);

/// Masks what a bundle is made of.
pub(super) struct Masking {
    mask: Mask,
    catalog: &'static Catalog,
    of_snapshot: String,
    before: Counts,
    /// What findings with names are about, by fingerprint.
    found: HashMap<String, About>,
    /// Names that patterns may be for.
    names: BTreeSet<String>,
}

/// The salt of a file; a new one if there is none.
fn salt(path: &Path) -> Result<String, AppError> {
    let shown = path.display();
    let failed = |e: std::io::Error| AppError::usage(format!("cannot write the salt `{shown}`: {e}"));
    match fs::read_to_string(path) {
        Ok(text) if text.trim().chars().count() >= LEAST => return Ok(text.trim().to_owned()),
        Ok(_) => {
            return Err(AppError::usage(format!("the salt in `{shown}` has fewer than {LEAST} characters"))
                .help("give a longer secret text, or name a file that is not there to have one made"));
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(AppError::usage(format!("cannot read the salt `{shown}`: {e}"))),
    }
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| AppError::internal(format!("no random bytes: {e}")))?;
    let text = crate::model::hex(&bytes);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).and_then(|mut f| f.write_all(format!("{text}\n").as_bytes())).map_err(failed)?;
    Ok(text)
}

fn judged(
    estate: Estate,
    provenance: &Provenance,
    policy: &Policy,
    catalog: &'static Catalog,
) -> (Counts, HashMap<String, About>) {
    let at = provenance.judged_at.unwrap_or(Instant::from_seconds(0));
    let graph = AccessGraph::build(estate, catalog, Some(at));
    let judged = run(&graph, &policy.judging("snapshot", provenance, at, Severity::High));
    let (mut counts, mut found) = (Counts::new(), HashMap::new());
    for f in &judged.findings {
        if f.disposition == Disposition::Open {
            *counts.entry((f.rule.slug.to_string(), f.severity.name())).or_default() += 1;
        }
        let principal = f.identity.as_ref().and_then(|i| i.principal_id.clone()).unwrap_or_default();
        let role = f.role.as_deref().map(|(_, key)| key.clone()).unwrap_or_default();
        let scope = f.place.as_deref().map(|p| p.scope.clone()).unwrap_or_default();
        found.insert(
            f.fingerprint.clone(),
            (
                f.rule.slug.to_string(),
                [f.subject.to_string(), principal.to_string(), role.to_string(), scope.to_string()],
            ),
        );
    }
    (counts, found)
}

/// The last parts of ids, display names and owners: what people write patterns for.
fn names(estate: &Estate) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut add = |sym: crate::model::Sym| {
        let text = estate.strings.text(sym);
        all.insert(text.rsplit('/').next().unwrap_or(text).to_owned());
    };
    estate.identities.iter().for_each(|i| add(i.id));
    estate.resources.iter().filter(|r| r.identity.is_some()).for_each(|r| add(r.id));
    estate.principals.iter().for_each(|p| add(p.name));
    for (id, name) in estate.subscriptions.iter().map(|s| (s.id, s.name)) {
        add(id);
        add(name);
    }
    for (id, name) in estate.management_groups.iter().map(|g| (g.id, g.name)) {
        add(id);
        add(name);
    }
    all
}

fn unread(error: impl std::fmt::Display) -> AppError {
    AppError::internal(format!("what was masked cannot be read back: {error}"))
}

impl Masking {
    /// With the salt of a file. Gives the estate under pseudonyms too.
    pub(super) fn new(
        path: &Path,
        estate: Estate,
        provenance: &Provenance,
        policy: &Policy,
        catalog: &'static Catalog,
    ) -> Result<(Masking, Estate), AppError> {
        if !policy.texts.rules.is_empty() {
            return Err(AppError::usage("rules of your own cannot be masked: they may name anything")
                .help("leave out --rules, or build without --mask"));
        }
        let words = ["evidence", "build", "demo", "snapshot", "leastwise"].map(str::to_owned);
        let mut mask =
            Mask::new(salt(path)?.as_bytes(), common_words(&policy.config).into_iter().chain(words), catalog);
        let of_snapshot = snapshot::write(&estate, &mut std::io::sink()).map_err(unread)?;
        let mut bytes = Vec::new();
        snapshot::write_masked(&estate, &mut mask, &mut bytes).map_err(unread)?;
        let masked = snapshot::read(bytes.as_slice()).map_err(unread)?;
        let names = names(&estate);
        let (before, found) = judged(estate, provenance, policy, catalog);
        Ok((Masking { mask, catalog, of_snapshot, before, found, names }, masked))
    }

    /// One text: a name, an id, an argument.
    pub(super) fn text(&mut self, text: &str) -> String {
        match text.split_once('=').filter(|_| text.starts_with('-')) {
            Some((flag, value)) => format!("{flag}={}", self.mask.text(value)),
            None if text.starts_with("--") => text.to_owned(),
            // `-oDIR`.
            None if text.starts_with('-') => {
                let (flag, value) = text.split_at_checked(2).unwrap_or((text, ""));
                format!("{flag}{}", self.mask.text(value))
            }
            None => self.mask.text(text),
        }
    }

    /// What is to be said of it in the manifest.
    pub(super) fn told(
        &self,
        masked: Estate,
        provenance: &Provenance,
        policy: &Policy,
        catalog: &'static Catalog,
    ) -> Masked {
        let (after, _) = judged(masked, provenance, policy, catalog);
        let rules: BTreeSet<&(String, &str)> = self.before.keys().chain(after.keys()).collect();
        let of = |counts: &Counts, rule: &(String, &'static str)| counts.get(rule).copied().unwrap_or(0);
        Masked {
            salt_id: self.mask.salt_id(),
            of_snapshot_sha256: self.of_snapshot.clone(),
            differs: rules
                .into_iter()
                .map(|rule| JudgedTwice {
                    rule: rule.0.clone(),
                    severity: rule.1.to_owned(),
                    named: of(&self.before, rule),
                    masked: of(&after, rule),
                })
                .filter(|j| j.named != j.masked)
                .collect(),
        }
    }
}
