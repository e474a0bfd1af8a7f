//! A bundle for people outside: everything that is sealed in it stands under pseudonyms, so that it still can be replayed.
//!
//! What rules say of pseudonyms may differ from what they say of names. Both are judged, and the manifest says where they differ.
//! Not here: what is masked and what stays (`sources::mask`).

use super::manifest::{JudgedTwice, Masked};
use crate::app::error::AppError;
use crate::app::policy::{Policy, Texts};
use crate::finding::{Disposition, Severity};
use crate::graph::AccessGraph;
use crate::model::{Estate, Instant};
use crate::policy::common_words;
use crate::rbac::Catalog;
use crate::report::Provenance;
use crate::review::{Body, Chain, Entry};
use crate::rules::run;
use crate::sources::mask::Mask;
use crate::sources::snapshot;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

/// The shortest salt, in characters: nobody should find names by trying.
const LEAST: usize = 32;

/// Open findings of each rule.
type Counts = BTreeMap<String, u64>;

/// Masks what a bundle is made of.
pub(super) struct Masking {
    mask: Mask,
    of_snapshot: String,
    before: Counts,
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

fn counts(estate: Estate, provenance: &Provenance, policy: &Policy, catalog: &'static Catalog) -> Counts {
    let at = provenance.judged_at.unwrap_or(Instant::from_seconds(0));
    let graph = AccessGraph::build(estate, catalog, Some(at));
    let judged = run(&graph, &policy.judging("snapshot", provenance, at, Severity::High));
    let mut counts = Counts::new();
    for finding in judged.findings.iter().filter(|f| f.disposition == Disposition::Open) {
        *counts.entry(finding.rule.slug.to_string()).or_default() += 1;
    }
    counts
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
        let before = counts(estate, provenance, policy, catalog);
        Ok((Masking { mask, of_snapshot, before }, masked))
    }

    /// One text: a name, an id, an argument.
    pub(super) fn text(&mut self, text: &str) -> String {
        match text.split_once('=').filter(|_| text.starts_with('-')) {
            Some((flag, value)) => format!("{flag}={}", self.mask.text(value)),
            None if text.starts_with('-') => text.to_owned(),
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
        let after = counts(masked, provenance, policy, catalog);
        let rules: std::collections::BTreeSet<&String> = self.before.keys().chain(after.keys()).collect();
        let of = |counts: &Counts, rule: &String| counts.get(rule).copied().unwrap_or(0);
        Masked {
            salt_id: self.mask.salt_id(),
            of_snapshot_sha256: self.of_snapshot.clone(),
            differs: rules
                .into_iter()
                .map(|rule| JudgedTwice {
                    rule: rule.clone(),
                    named: of(&self.before, rule),
                    masked: of(&after, rule),
                })
                .filter(|j| j.named != j.masked)
                .collect(),
        }
    }

    /// The policy over pseudonyms. Comments go.
    pub(super) fn policy(&mut self, texts: &Texts) -> Result<Texts, AppError> {
        Ok(Texts {
            config: self.toml(&texts.config)?,
            waivers: self.toml(&texts.waivers)?,
            rules: Vec::new(),
        })
    }

    fn toml(&mut self, text: &str) -> Result<String, AppError> {
        if text.is_empty() {
            return Ok(String::new());
        }
        let mut table: toml::Table = toml::from_str(text).map_err(unread)?;
        for (key, value) in table.iter_mut() {
            self.setting(key, value);
        }
        toml::to_string(&table).map_err(unread)
    }

    /// A value of the configuration or of waivers; `path` is its keys with dots between them.
    fn setting(&mut self, path: &str, value: &mut toml::Value) {
        const KEPT: [&str; 9] = [
            "environments.names",
            "environments.neutral",
            "scope.principals",
            "coverage.require",
            "coverage.accept.source",
            "waivers.inline",
            "review.second_approver",
            "waiver.rules",
            "waiver.category",
        ];
        if KEPT
            .iter()
            .any(|k| path.strip_prefix(k).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
            || path.starts_with("rules.") && path.ends_with(".level")
            || path == "waiver.target.fingerprint"
        {
            return;
        }
        match value {
            toml::Value::Array(items) => {
                for item in items {
                    self.setting(path, item);
                }
            }
            toml::Value::Table(members)
                if matches!(path, "environments.scopes" | "identities.platform.tags") =>
            {
                let named = std::mem::take(members);
                for (name, mut value) in named {
                    // An environment's own name stays, a tag's value does not.
                    if path == "identities.platform.tags" {
                        self.setting("", &mut value);
                    }
                    members.insert(self.mask.text(&name), value);
                }
            }
            toml::Value::Table(members) => {
                for (key, value) in members.iter_mut() {
                    self.setting(&format!("{path}.{key}"), value);
                }
            }
            toml::Value::String(text) => {
                *text = match path {
                    "waiver.reason" | "coverage.accept.reason" => self.mask.prose(text),
                    "waiver.target.role" => self.mask.role(text),
                    "waivers.file" => super::WAIVERS.rsplit('/').next().unwrap_or_default().to_owned(),
                    "naming.identity" | "naming.role" | "naming.federated_credential" => self.template(text),
                    _ => self.mask.text(text),
                };
            }
            _ => {}
        }
    }

    /// A template of names: what stands between tokens is part of names.
    fn template(&mut self, text: &str) -> String {
        let mut out = String::new();
        for part in text.split_inclusive('}') {
            let (literal, token) =
                part.split_at_checked(part.find('{').unwrap_or(part.len())).unwrap_or((part, ""));
            out.push_str(&self.mask.text(literal));
            out.push_str(token);
        }
        out
    }

    /// The ledger over pseudonyms, chained anew: the same entries at the same times.
    pub(super) fn ledger(&mut self, chain: &Chain) -> Result<Vec<u8>, AppError> {
        let mut out = Vec::new();
        let mut anew = Chain::default();
        let mut items: HashMap<String, String> = HashMap::new();
        for entry in chain.entries() {
            let mut value = serde_json::to_value(entry).map_err(unread)?;
            if let Value::Object(members) = &mut value {
                let role_id = members.get("role_id").and_then(Value::as_str).unwrap_or_default().to_owned();
                for (key, value) in members.iter_mut() {
                    self.entry(key, value, &role_id);
                }
            }
            let mut masked: Entry = serde_json::from_value(value).map_err(unread)?;
            let renamed = |items: &HashMap<String, String>, item: &String| {
                items.get(item).cloned().unwrap_or_else(|| item.clone())
            };
            match &mut masked.body {
                Body::Item(item) => {
                    let id = item.id();
                    items.insert(std::mem::replace(&mut item.item, id.clone()), id);
                }
                Body::Decided(decision) => decision.item = renamed(&items, &decision.item),
                Body::Closed(closed) => {
                    for item in &mut closed.undecided {
                        *item = renamed(&items, item);
                    }
                }
                Body::Opened(_) | Body::Imported(_) => {}
            }
            let at = Instant::parse(&entry.at).ok_or_else(|| unread(format!("`{}` is no time", entry.at)))?;
            out.extend(anew.lines(at, vec![masked.body]).map_err(unread)?);
        }
        Ok(out)
    }

    fn entry(&mut self, key: &str, value: &mut Value, role_id: &str) {
        const KEPT: [&str; 29] = [
            "schema",
            "at",
            "previous",
            "kind",
            "due",
            "collected_at",
            "second_approver",
            "sha256",
            "item",
            "verdict",
            "expires",
            "undecided",
            "identity_kind",
            "environment",
            "role_kind",
            "scope_level",
            "state",
            "created_on",
            "last_used",
            "last_used_source",
            "findings",
            "risk",
            "previous_decision",
            "previous_date",
            "recommendation",
            "suggested_role_kind",
            "seq",
            "privileged",
            "new_privileged",
        ];
        let Value::String(text) = value else { return };
        if KEPT.contains(&key) || key == "via" && text == "direct" {
            return;
        }
        // The digest of a file is a name of it, not its text.
        if key == "file" && text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return;
        }
        *text = match key {
            "condition" => self.mask.condition(text),
            "recommendation_reason" | "justification" | "exceptions" | "statement" => self.mask.prose(text),
            "role" if !role_id.is_empty() && self.mask.role(role_id) == role_id => return,
            "role" | "role_id" | "new_role" | "suggested_role" => self.mask.role(text),
            _ => self.mask.text(text),
        };
    }
}
