//! What was read, held against what there should be: counts of another interface, and the subscriptions at the end.

use super::collect::{Failure, Run};
use super::listing;
use super::reader::pages;
use crate::model::{Gap, Reason, Source};
use std::collections::{BTreeMap, BTreeSet};

/// How often a list that is shorter than was counted is read again.
const ASKED_AGAIN: usize = 3;

impl Run<'_> {
    /// Holds the lists of Resource Manager against the counts of Resource Graph. Where fewer came than were counted, the
    /// list is read again: rows can slip between pages while others change them.
    ///
    /// # Errors
    /// If what lies outside memory cannot be read.
    pub(super) async fn reconcile(&mut self, subscriptions: &[String]) -> Result<(), Failure> {
        let (mut listed, counted) = (self.gather.records.listed()?, self.gather.counted.clone());
        let short = |listed: &BTreeMap<String, u64>, id: &String| {
            let (had, told) = (listed.get(id).copied().unwrap_or(0), counted.get(id).copied().unwrap_or(0));
            (had < told).then_some((had, told))
        };
        let whole =
            |id: &&String| !self.gather.lacks(Source::RoleAssignments, &format!("/subscriptions/{id}"));
        let fewer = subscriptions.iter().filter(|id| short(&listed, id).is_some());
        let mut again: Vec<&String> = fewer.filter(whole).collect();
        for _ in 0..ASKED_AGAIN {
            for id in &again {
                let lists = listing::access(id, false);
                let Some(list) = lists.into_iter().find(|l| l.sources.contains(&Source::RoleAssignments))
                else {
                    continue;
                };
                // What fails here failed or was said before; the journal has no part in it.
                for page in pages(&list, &self.scheduler).await.unwrap_or_default() {
                    self.gather.page(&list, &page);
                    self.gather.records.spill_if_full()?;
                }
            }
            if again.is_empty() {
                return Ok(());
            }
            listed = self.gather.records.listed()?;
            again.retain(|id| short(&listed, id).is_some());
        }
        for id in again {
            if let Some((had, told)) = short(&listed, id) {
                let detail = format!(
                    "Resource Graph counts {told} role assignments, Resource Manager lists {had} of them, asked {} times",
                    ASKED_AGAIN + 1
                );
                let scope = format!("/subscriptions/{id}");
                self.gather.short_of(Gap::new(Source::RoleAssignments, scope, Reason::Truncated, detail));
            }
        }
        Ok(())
    }

    /// Subscriptions that came while the run was under way are said to be missing.
    pub(super) fn appeared(&mut self, narrow: bool) {
        let before: BTreeSet<String> = self.gather.planned.iter().map(|p| p.id.clone()).collect();
        let new: Vec<String> = self.gather.seen_again.difference(&before).cloned().collect();
        for id in new.into_iter().filter(|_| !narrow) {
            let detail = "the subscription appeared while the tenant was read; collect again";
            let scope = format!("/subscriptions/{id}");
            self.gather.short_of(Gap::new(Source::Subscriptions, scope, Reason::Truncated, detail));
            for source in listing::subscriptions().leads_to {
                self.gather.tracked.entry(*source).or_default().failed += 1;
            }
        }
    }
}
