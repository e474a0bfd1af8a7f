//! What a bundle says of itself. Written in one way only, so that a changed space shows.

use serde::{Deserialize, Serialize};

/// The schema.
pub(super) const SCHEMA: &str = "leastwise.evidence/1";

/// The program.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) version: String,
    /// The day and digest of roles and operations.
    pub(super) catalog_date: String,
    pub(super) catalog_sha256: String,
    /// The digest of its own rules, frameworks and techniques.
    pub(super) rules_sha256: String,
}

/// The run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    /// Who ran it, as they said.
    pub(super) by: String,
    /// What was typed, paths cut to their last part.
    pub(super) arguments: Vec<String>,
    /// The machine that it ran on.
    pub(super) target: String,
    /// What else to know of it.
    pub(super) notes: Vec<String>,
}

/// Where the estate came from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Origin {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) tenant: String,
    pub(super) cloud: String,
    pub(super) collected_at: Option<String>,
    pub(super) judged_at: String,
    pub(super) decided_at: String,
}

/// How one kind of data was read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceRead {
    pub(super) source: String,
    /// `complete`, `partial` or `absent`.
    pub(super) extent: String,
    /// What is missing of it.
    pub(super) gaps: u64,
    /// Lists that were asked for, where it was read from a service.
    pub(super) lists: Option<u64>,
    /// Lists that were given up, or came cut.
    pub(super) failed: Option<u64>,
    /// Pages that came.
    pub(super) pages: Option<u64>,
    /// Items in them, repeats included.
    pub(super) items: Option<u64>,
    /// When the first page came, RFC 3339.
    pub(super) began: Option<String>,
    /// When the last one came.
    pub(super) ended: Option<String>,
}

/// Two counts of one thing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reconciled {
    pub(super) what: String,
    pub(super) left: String,
    pub(super) left_count: u64,
    pub(super) right: String,
    pub(super) right_count: u64,
    pub(super) equal: bool,
}

/// The sample.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sampled {
    pub(super) file: String,
    pub(super) seed: String,
    pub(super) method: String,
    pub(super) size: u64,
    pub(super) population: u64,
}

/// A file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// What follows from what is sealed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Derived {
    pub(super) sources: Vec<SourceRead>,
    /// How many there are of each, by name.
    pub(super) population: std::collections::BTreeMap<String, u64>,
    pub(super) reconciliation: Vec<Reconciled>,
    pub(super) limitations: Vec<String>,
    pub(super) sample: Sampled,
}

/// What a rule found, judged by names and by pseudonyms.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JudgedTwice {
    pub(super) rule: String,
    pub(super) severity: String,
    pub(super) named: u64,
    pub(super) masked: u64,
}

/// That names are pseudonyms.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Masked {
    /// Bundles with the same have the same pseudonyms.
    pub(super) salt_id: String,
    /// The digest of the snapshot with names, which whoever made this has.
    pub(super) of_snapshot_sha256: String,
    /// Rules that find more or fewer than they do by names.
    pub(super) differs: Vec<JudgedTwice>,
}

/// A bundle.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) schema: String,
    pub(super) tool: Tool,
    pub(super) run: Run,
    pub(super) origin: Origin,
    pub(super) snapshot_sha256: String,
    pub(super) derived: Derived,
    /// The head of the ledger of reviews, where there is one.
    pub(super) ledger_head: Option<String>,
    /// The digest of `SHA256SUMS` of the bundle before.
    pub(super) previous: Option<String>,
    /// Where names are pseudonyms, what is to be known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) masked: Option<Masked>,
    /// Every other file.
    pub(super) files: Vec<Listed>,
}

impl Manifest {
    /// The one way to write it.
    pub(super) fn text(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}
