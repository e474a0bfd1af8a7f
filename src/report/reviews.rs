//! What a ledger says of reviews, one row for each campaign.

use crate::model::Instant;

/// A campaign.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReviewRow {
    /// Its name.
    pub campaign: String,
    /// When it was opened.
    pub opened_at: Option<Instant>,
    /// When it was closed.
    pub closed_at: Option<Instant>,
    /// When it is due.
    pub due: String,
    /// Whether all grants of the estate were in it, and not only some.
    pub all_grants: bool,
    /// Grants in it.
    pub grants: usize,
    /// Those that were decided, whatever for.
    pub decided: usize,
    /// Those that nobody decided.
    pub undecided: usize,
    /// Those that were approved.
    pub approved: usize,
    /// Those that were denied.
    pub denied: usize,
    /// Those that were denied or narrowed and are there still past the time that is given, or again.
    pub overdue: usize,
    /// Those that were approved until a day that is over.
    pub expired: usize,
    /// Those that changed since they were approved.
    pub drifted: usize,
    /// Grants that came since it was opened, and are in no review.
    pub new: usize,
    /// Grants that were there when it was opened, by the day that they were made on, and that it does not have.
    pub missed: usize,
    /// Those of which the estate says nothing, because not all was read.
    pub unread: usize,
    /// Those that were denied or narrowed too late for the estate to show what became of them.
    pub unproven: usize,
    /// Whether the estate that it was opened over was read whole.
    pub complete: bool,
    /// Those that were decided after the day that they were due on.
    pub late: usize,
    /// Who acknowledged it.
    pub acknowledged_by: String,
}

impl ReviewRow {
    /// Whether it is open past its day with something undecided.
    pub fn is_late(&self, at: Instant) -> bool {
        self.closed_at.is_none() && self.undecided > 0 && self.due < at.date()
    }
}
