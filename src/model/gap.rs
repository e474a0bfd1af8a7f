//! What could not be read, as a value that travels to the report and the exit code. Nothing is skipped silently.

/// Where in the user's material.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Location {
    /// The file, as the user named its folder.
    pub path: String,
    /// From 1.
    pub line: u64,
    /// In bytes, from 1.
    pub column: u64,
}

/// Why something is missing. Open: consumers of the reports accept new ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Reason {
    /// The caller may not read it.
    Forbidden,
    /// Azure asked to slow down until we gave up.
    Throttled,
    /// The call or the file failed.
    Failed,
    /// There was more than what came.
    Truncated,
    /// A record of a kind that we read, which we could not.
    Unparsed,
    /// Something refers to what is not there.
    Unresolved,
    /// Known, and not handled.
    Unsupported,
    /// A record of a kind that we do not read.
    Unrecognised,
    /// Two records with one id differ.
    Disagreement,
    /// Never asked for, or not part of the input.
    NotCollected,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 10] = [
        Reason::Forbidden,
        Reason::Throttled,
        Reason::Failed,
        Reason::Truncated,
        Reason::Unparsed,
        Reason::Unresolved,
        Reason::Unsupported,
        Reason::Unrecognised,
        Reason::Disagreement,
        Reason::NotCollected,
    ];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Forbidden => "forbidden",
            Reason::Throttled => "throttled",
            Reason::Failed => "failed",
            Reason::Truncated => "truncated",
            Reason::Unparsed => "unparsed",
            Reason::Unresolved => "unresolved",
            Reason::Unsupported => "unsupported",
            Reason::Unrecognised => "unrecognised",
            Reason::Disagreement => "disagreement",
            Reason::NotCollected => "not-collected",
        }
    }

    /// Whether a gap of this kind can hide a finding at all.
    pub const fn can_hide(self) -> bool {
        !matches!(self, Reason::Unrecognised | Reason::Disagreement)
    }
}

/// One thing that could not be read, or many identical ones.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gap {
    /// Which kind of data is affected.
    pub source: super::Source,
    /// Where in Azure; empty for the whole input.
    pub scope: String,
    /// Why.
    pub reason: Reason,
    /// One sentence with the facts.
    pub detail: String,
    /// Where in the user's files.
    pub location: Option<Location>,
    /// The command that would close it.
    pub grant: Option<String>,
    /// How many identical ones this stands for.
    pub count: u64,
}

impl Gap {
    /// A gap of one.
    pub fn new(
        source: super::Source,
        scope: impl Into<String>,
        reason: Reason,
        detail: impl Into<String>,
    ) -> Gap {
        let (scope, detail) = (scope.into(), detail.into());
        Gap { source, scope, reason, detail, location: None, grant: None, count: 1 }
    }

    /// The same gap, at a place in a file.
    pub fn at(self, location: Location) -> Gap {
        Gap { location: Some(location), ..self }
    }

    fn key(&self) -> (super::Source, &str, Reason, &str, &Option<Location>) {
        (self.source, &self.scope, self.reason, &self.detail, &self.location)
    }
}

/// Sorts gaps and counts identical ones together.
pub fn tidy(mut gaps: Vec<Gap>) -> Vec<Gap> {
    gaps.sort_by(|a, b| a.key().cmp(&b.key()));
    let mut tidied: Vec<Gap> = Vec::new();
    for gap in gaps {
        match tidied.last_mut() {
            Some(last) if last.key() == gap.key() => last.count = last.count.saturating_add(gap.count),
            _ => tidied.push(gap),
        }
    }
    tidied
}
