//! What an estate says of grants that it does not have: gone, or not read.
//!
//! Not here: what becomes of a decision then (`review::standings`).

use crate::graph::AccessGraph;
use crate::model::{Extent, Gap, Level, Scope, Source};
use crate::review::Item;
use std::collections::BTreeSet;

/// How far an estate's grants were read.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    /// Whether there are none at all because nobody read them.
    absent: bool,
    /// Where grants may be missing, lower-case; the empty text is everywhere.
    gaps: BTreeSet<String>,
    /// Whether members of groups may be missing.
    groups: bool,
    /// Whether identities may be missing that nothing but a group tells of.
    holders: bool,
    /// Whether grants that end or that somebody may activate are missing.
    schedules: bool,
    /// Subscriptions that the estate knows, by lower-case id, where others may be left out; none where they are gone.
    only: Option<BTreeSet<String>>,
}

impl Reach {
    /// Of an estate.
    pub(super) fn of(graph: &AccessGraph) -> Reach {
        let estate = graph.estate();
        let extent = |s| estate.coverage.of(s);
        let hidden = |g: &&Gap, s| g.source == s && g.reason.can_hide();
        let whole = |s| extent(s) == Extent::Complete && !estate.gaps.iter().any(|g| hidden(&g, s));
        let hiding = estate
            .gaps
            .iter()
            .filter(|g| hidden(g, Source::RoleAssignments) || hidden(g, Source::Subscriptions));
        let mut gaps: BTreeSet<String> =
            hiding.map(|g| g.scope.trim_end_matches('/').to_ascii_lowercase()).collect();
        if extent(Source::RoleAssignments) == Extent::Partial && gaps.is_empty() {
            gaps.insert(String::new());
        }
        // Of a part of a tenant, or of files that somebody chose, what is not there may be elsewhere.
        let part = estate.part.is_some()
            || estate.collected_at.is_none()
            || extent(Source::Subscriptions) != Extent::Complete;
        let nodes = graph.scopes().nodes().iter().filter(|(_, n)| n.level == Level::Subscription);
        let known = nodes.map(|(_, n)| graph.text(n.id).to_ascii_lowercase()).collect();
        Reach {
            absent: extent(Source::RoleAssignments) == Extent::Absent,
            gaps,
            groups: !whole(Source::Groups),
            holders: !(whole(Source::Principals) || whole(Source::Identities) && whole(Source::Resources)),
            schedules: extent(Source::Schedules) != Extent::Complete,
            only: part.then_some(known),
        }
    }

    /// Why it proves nothing that a grant is not there; none where it does.
    pub(super) fn unread(&self, item: &Item) -> Option<String> {
        if self.absent {
            return Some("role assignments were not read".to_owned());
        }
        let (scope, id) = (item.scope.to_ascii_lowercase(), item.assignment.to_ascii_lowercase());
        // What lies below a management group is not known here.
        let hides = |gap: &&String| {
            !gap.starts_with("/subscriptions/")
                || **gap == scope
                || **gap == id
                || scope.strip_prefix(gap.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        if let Some(gap) = self.gaps.iter().find(hides) {
            let place = if gap.is_empty() { String::new() } else { format!(" on {gap}") };
            return Some(format!("role assignments{place} were not read whole"));
        }
        if self.groups && item.via != "direct" {
            return Some("members of groups were not read whole".to_owned());
        }
        if self.holders && item.via != "direct" {
            return Some("identities were not read whole".to_owned());
        }
        if self.schedules && item.state != "active" {
            return Some("grants that end or wait to be activated were not read whole".to_owned());
        }
        let subscription = Scope::parse(&item.scope).and_then(|s| s.subscription);
        let id = subscription.map(|s| format!("/subscriptions/{s}").to_ascii_lowercase())?;
        let left_out = self.only.as_ref().is_some_and(|known| !known.contains(&id));
        left_out.then(|| "its subscription is not in the estate, which is a part of the tenant".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(scope: &str) -> Item {
        Item {
            scope: scope.to_owned(),
            via: "direct".to_owned(),
            state: "active".to_owned(),
            ..Item::default()
        }
    }

    #[test]
    fn what_was_not_read_is_not_gone() {
        let reach = |gaps: &[&str]| Reach {
            gaps: gaps.iter().map(|g| (*g).to_owned()).collect(),
            ..Reach::default()
        };
        let unread = |reach: &Reach, scope: &str| reach.unread(&item(scope)).is_some();
        assert!(!unread(&reach(&[]), "/subscriptions/S/resourceGroups/g"));
        assert!(
            unread(&reach(&[""]), "/")
                && unread(&reach(&["/providers/x/managementgroups/m"]), "/subscriptions/s")
        );
        let one = reach(&["/subscriptions/s"]);
        assert!(unread(&one, "/subscriptions/S/resourceGroups/g") && unread(&one, "/subscriptions/S"));
        assert!(!unread(&one, "/subscriptions/s2") && !unread(&one, "/"));
        let part = Reach { only: Some(["/subscriptions/s".to_owned()].into()), ..Reach::default() };
        assert!(
            unread(&part, "/subscriptions/other")
                && !unread(&part, "/subscriptions/S")
                && !unread(&part, "/")
        );
        let through = Item { via: "team".to_owned(), ..item("/") };
        for reach in [Reach { groups: true, ..Reach::default() }, Reach { holders: true, ..Reach::default() }]
        {
            assert!(!unread(&reach, "/") && reach.unread(&through).is_some());
        }
    }
}
