//! A grant as it stands in a review: everything that a reviewer sees, and what it is known by from review to review.

use crate::policy::people::unseen;
use crate::sources::table::day;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A grant of an identity.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Item {
    /// The campaign.
    pub campaign: String,
    /// What the grant is known by: its principal, role, scope and condition.
    pub item: String,
    /// The identity's name.
    pub identity: String,
    /// Its kind.
    pub identity_kind: String,
    /// Its ARM id.
    pub identity_id: String,
    /// The identity's object id.
    pub principal_id: String,
    /// The object id of the group that has the grant, where the identity has it as a member.
    pub via_id: String,
    /// What it runs on.
    pub hosts: String,
    /// Its environment.
    pub environment: String,
    /// Who answers for it, and reviews.
    pub owner: String,
    /// The assignment's ARM id.
    pub assignment: String,
    /// The role's name.
    pub role: String,
    /// Its GUID.
    pub role_id: String,
    /// Whether it is built in or custom.
    pub role_kind: String,
    /// Whether it can do harm beyond its own resources.
    pub privileged: bool,
    /// The scope's ARM id.
    pub scope: String,
    /// Its level.
    pub scope_level: String,
    /// `direct`, or the group.
    pub via: String,
    /// The condition.
    pub condition: String,
    /// Whether it is active, time-bound or eligible.
    pub state: String,
    /// When it was made.
    pub created_on: String,
    /// Who made it, by object id.
    pub created_by: String,
    /// When the identity last got a token.
    pub last_used: String,
    /// Who says so.
    pub last_used_source: String,
    /// Rules with open findings on it.
    pub findings: String,
    /// The worst that it can do.
    pub risk: String,
    /// What the review before said.
    pub previous_decision: String,
    /// Who said it.
    pub previous_reviewer: String,
    /// When.
    pub previous_date: String,
    /// `approve`, `deny`, `narrow` or `no-information`.
    pub recommendation: String,
    /// Why.
    pub recommendation_reason: String,
    /// The role that would be enough.
    pub suggested_role: String,
    /// The scope that would.
    pub suggested_scope: String,
}

/// What a grant is known by.
fn item_id(principal: &str, role_id: &str, scope: &str, condition: &str) -> String {
    let parts = [principal, role_id, scope].map(str::to_ascii_lowercase);
    let mut hash = Sha256::new();
    for part in parts.iter().map(String::as_str).chain([condition]) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let hex = crate::model::hex(hash.finalize().get(..16).unwrap_or_default());
    // A letter in front, so that no spreadsheet takes it for a number.
    format!("g-{hex}")
}

/// Columns of a packet that the reviewer fills in.
pub const FILLED: [&str; 7] =
    ["decision", "justification", "new_role", "new_scope", "expires", "reviewer", "second_approver"];

/// Days that spreadsheets rewrite to their own taste: compared as days.
const DATES: [&str; 3] = ["created_on", "last_used", "previous_date"];

impl Item {
    /// Its columns in a packet, by name: what the reviewer sees.
    pub fn columns(&self) -> [(&'static str, &str); 32] {
        [
            ("item_id", &self.item),
            ("campaign", &self.campaign),
            ("identity", &self.identity),
            ("identity_kind", &self.identity_kind),
            ("identity_id", &self.identity_id),
            ("principal_id", &self.principal_id),
            ("hosts", &self.hosts),
            ("environment", &self.environment),
            ("owner", &self.owner),
            ("assignment_id", &self.assignment),
            ("role", &self.role),
            ("role_id", &self.role_id),
            ("role_kind", &self.role_kind),
            ("privileged", if self.privileged { "yes" } else { "no" }),
            ("scope", &self.scope),
            ("scope_level", &self.scope_level),
            ("via", &self.via),
            ("condition", &self.condition),
            ("state", &self.state),
            ("created_on", &self.created_on),
            ("created_by", &self.created_by),
            ("last_used", &self.last_used),
            ("last_used_source", &self.last_used_source),
            ("findings", &self.findings),
            ("risk", &self.risk),
            ("previous_decision", &self.previous_decision),
            ("previous_reviewer", &self.previous_reviewer),
            ("previous_date", &self.previous_date),
            ("recommendation", &self.recommendation),
            ("recommendation_reason", &self.recommendation_reason),
            ("suggested_role", &self.suggested_role),
            ("suggested_scope", &self.suggested_scope),
        ]
    }

    /// The columns of a row that say something else than this grant, by name, as they came.
    pub fn altered(&self, value: impl Fn(&str) -> Option<String>) -> Vec<&'static str> {
        // What nobody sees is not in a workbook, nor is its stand-in in the ledger.
        let seen = |c: &char| *c != '\u{fffd}' && unseen(c.encode_utf8(&mut [0; 4])).is_none();
        let plain = |text: &str| -> String {
            let text: String = text.chars().filter(seen).collect();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let differs = |(name, own): &(&'static str, &str)| match value(name) {
            None => true,
            Some(came) if plain(&came) == plain(own) => false,
            Some(came) => !DATES.contains(name) || day(&came).is_none() || day(&came) != day(own),
        };
        self.columns().iter().filter(|c| differs(c)).map(|(name, _)| *name).collect()
    }

    /// What it is known by, worked out anew.
    pub fn id(&self) -> String {
        let whole = if self.via_id.is_empty() {
            self.principal_id.clone()
        } else {
            format!("{}>{}", self.principal_id, self.via_id)
        };
        item_id(&whole, &self.role_id, &self.scope, &self.condition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_known_by_who_what_where_and_under_which_condition() {
        let id = item_id("P", "R", "/S", "");
        assert_eq!(id, item_id("p", "r", "/s", ""));
        for other in [item_id("q", "r", "/s", ""), item_id("p", "r", "/s", "c"), item_id("p", "r/s", "", "")]
        {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn what_a_spreadsheet_changes_is_not_what_somebody_changed() {
        let item = Item { role: "Owner".to_owned(), created_on: "2026-01-31".to_owned(), ..Item::default() };
        let row = |role: &'static str, day: &'static str| {
            move |name: &str| {
                Some(match name {
                    "role" => role.to_owned(),
                    "created_on" => day.to_owned(),
                    "privileged" => "no".to_owned(),
                    _ => String::new(),
                })
            }
        };
        assert_eq!(item.altered(row("Owner ", "31.01.2026")), Vec::<&str>::new());
        assert_eq!(item.altered(row("Ow\u{fffd}ner", "2026-01-31")), Vec::<&str>::new());
        assert_eq!(item.altered(row("Reader", "2026-01-31")), ["role"]);
        assert_eq!(item.altered(row("Owner", "2026-02-01")), ["created_on"]);
        assert_eq!(item.altered(row("Owner", "")), ["created_on"]);
    }
}
