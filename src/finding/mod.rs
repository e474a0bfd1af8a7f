//! What a result is: a complete value with its facts, before anyone thinks of a format.
//! Not here: how rules make one (`rules`), how it looks (`report`, `render`).

mod fingerprint;

pub use fingerprint::{FingerprintParts, fingerprint, without_files};

use crate::model::Location;
use std::sync::Arc;

/// How bad. Ordered, worst last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth cleaning up.
    Low,
    /// Worth planning for.
    Medium,
    /// Worth doing this week.
    High,
    /// Worth doing now.
    Critical,
}

impl Severity {
    /// All of them, worst first.
    pub const ALL: [Severity; 5] =
        [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// The severity of this name.
    pub fn named(name: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|s| s.name() == name)
    }

    /// One step less bad; info stays.
    pub const fn lower(self) -> Severity {
        match self {
            Severity::Critical => Severity::High,
            Severity::High => Severity::Medium,
            Severity::Medium => Severity::Low,
            Severity::Low | Severity::Info => Severity::Info,
        }
    }
}

/// How sure. Ordered, surest last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Confidence {
    /// Perhaps.
    Low,
    /// Probably.
    Medium,
    /// Surely.
    High,
}

impl Confidence {
    /// All of them, surest first.
    pub const ALL: [Confidence; 3] = [Confidence::High, Confidence::Medium, Confidence::Low];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        }
    }

    /// The confidence of this name.
    pub fn named(name: &str) -> Option<Confidence> {
        Confidence::ALL.into_iter().find(|c| c.name() == name)
    }
}

/// What became of a finding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Disposition {
    /// To be dealt with.
    Open,
    /// Accepted for a time, with a reason.
    Waived,
    /// It was there before, and an earlier run says so.
    Baseline,
    /// The change does not create or widen it.
    Existing,
    /// A stronger finding on the same subject says it.
    Subsumed,
}

impl Disposition {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Disposition::Open => "open",
            Disposition::Waived => "waived",
            Disposition::Baseline => "baseline",
            Disposition::Existing => "existing",
            Disposition::Subsumed => "subsumed",
        }
    }
}

/// What a finding is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum SubjectKind {
    /// A role assignment.
    Assignment,
    /// An identity.
    Identity,
    /// A role definition.
    RoleDefinition,
    /// A federated credential.
    FederatedCredential,
    /// A resource.
    Resource,
    /// A key vault.
    Vault,
    /// A policy assignment.
    PolicyAssignment,
    /// A waiver.
    Waiver,
    /// A file.
    File,
}

impl SubjectKind {
    /// All of them.
    pub const ALL: [SubjectKind; 9] = [
        SubjectKind::Assignment,
        SubjectKind::Identity,
        SubjectKind::RoleDefinition,
        SubjectKind::FederatedCredential,
        SubjectKind::Resource,
        SubjectKind::Vault,
        SubjectKind::PolicyAssignment,
        SubjectKind::Waiver,
        SubjectKind::File,
    ];

    /// The name in reports and rules.
    pub const fn name(self) -> &'static str {
        match self {
            SubjectKind::Assignment => "assignment",
            SubjectKind::Identity => "identity",
            SubjectKind::RoleDefinition => "role-definition",
            SubjectKind::FederatedCredential => "federated-credential",
            SubjectKind::Resource => "resource",
            SubjectKind::Vault => "vault",
            SubjectKind::PolicyAssignment => "policy-assignment",
            SubjectKind::Waiver => "waiver",
            SubjectKind::File => "file",
        }
    }

    /// So many of them, in words.
    pub fn counted(self, number: usize) -> String {
        let (one, more) = match self {
            SubjectKind::Assignment => ("assignment", "assignments"),
            SubjectKind::Identity => ("identity", "identities"),
            SubjectKind::RoleDefinition => ("custom role", "custom roles"),
            SubjectKind::FederatedCredential => ("federated credential", "federated credentials"),
            SubjectKind::Resource => ("resource", "resources"),
            SubjectKind::Vault => ("vault", "vaults"),
            SubjectKind::PolicyAssignment => ("policy assignment", "policy assignments"),
            SubjectKind::Waiver => ("waiver", "waivers"),
            SubjectKind::File => ("estate", "estates"),
        };
        format!("{number} {}", if number == 1 { one } else { more })
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<SubjectKind> {
        SubjectKind::ALL.into_iter().find(|k| k.name() == name)
    }
}

/// What a rule says of all its findings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleText {
    /// The slug.
    pub slug: String,
    /// The title.
    pub title: String,
    /// What to do.
    pub fix: String,
    /// `(framework, control)`.
    pub controls: Vec<(String, String)>,
}

/// The identity that a finding is about.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IdentityRef {
    /// Its name.
    pub name: String,
    /// Its ARM id.
    pub id: Option<String>,
    /// Its object id.
    pub principal_id: Option<String>,
    /// Its kind.
    pub kind: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Its environment.
    pub environment: Option<String>,
}

/// A fact that a finding rests on. Many findings rest on the same, so the words are shared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    /// `assignment`, `group`, `condition`, `host`, `permission`, `activity`.
    pub kind: &'static str,
    /// In words.
    pub text: Arc<str>,
    /// The id of what it is about.
    pub id: Option<Arc<str>>,
}

/// Where a finding's grant holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// The scope.
    pub scope: String,
    /// Its level.
    pub level: &'static str,
    /// Its subscription's id.
    pub subscription: Option<String>,
}

/// A result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Its rule.
    pub rule: Arc<RuleText>,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// What became of it.
    pub disposition: Disposition,
    /// One sentence with the facts.
    pub message: String,
    /// What kind of thing it is about.
    pub subject_kind: SubjectKind,
    /// Which one.
    pub subject: Arc<str>,
    /// The subject's position among those of its kind, where it has one: for counting, never for output.
    pub row: Option<usize>,
    /// Whose identity.
    pub identity: Option<Arc<IdentityRef>>,
    /// `(name, GUID)`.
    pub role: Option<Arc<(String, String)>>,
    /// Where.
    pub place: Option<Arc<Place>>,
    /// Where in the user's files.
    pub location: Option<Location>,
    /// What it rests on.
    pub evidence: Arc<[Evidence]>,
    /// Commands that would fix it, for a person to run.
    pub commands: Vec<String>,
    /// Findings of these rules say the same more strongly.
    pub related: Vec<String>,
    /// The waiver that accepts it.
    pub waiver: Option<String>,
    /// When it was first seen.
    pub first_seen: Option<String>,
    /// What it is known by from run to run.
    pub fingerprint: String,
}
