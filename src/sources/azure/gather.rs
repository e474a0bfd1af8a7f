//! Pages become an estate: records are lowered as they come, repeats are dropped, and what each list was asked for is
//! held against what came. Not here: asking (`collect`).

use super::elements::digest;
use super::listing::{self, Listing, Shape, is_plain};
use super::page::cut;
use super::records::Records;
use super::scheduler::Refusal;
use super::sorted::kind_of;
use super::target::Planned;
use crate::model::{
    Association, Coverage, Estate, Extent, Gap, Instant, Reading, Reason, Scope, Source, tidy,
};
use crate::sources::arm::{Lowering, kind_of_record};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

#[derive(Default)]
pub(super) struct Gather {
    /// What stays in memory.
    pub(super) lowering: Lowering,
    /// What a tenant may have too much of for that.
    pub(super) records: Records,
    pub(super) planned: BTreeSet<Planned>,
    pub(super) tracked: BTreeMap<Source, Reading>,
    /// When the page that is taken in came.
    pub(super) came: Option<Instant>,
    pub(super) counted: BTreeMap<String, u64>,
    /// Subscriptions in which custom roles of their own can be assigned, by folded id.
    pub(super) role_homes: BTreeSet<String>,
    pub(super) planned_roles: Vec<Vec<u8>>,
    /// Subscriptions as they were at the end, by folded id.
    pub(super) seen_again: BTreeSet<String>,
    pub(super) gaps: Vec<Gap>,
    /// How many records came of kinds that nobody reads, by what is to be said of each.
    pub(super) unread: BTreeMap<String, u64>,
    /// What uses an identity, of those of which this was asked.
    pub(super) associated: BTreeMap<String, BTreeSet<String>>,
    /// Identities that are to be followed up, and digests of those that were.
    pub(super) follow: VecDeque<String>,
    met: HashSet<[u8; 16]>,
    /// Pages and items of lists that an earlier run began, by key.
    pub(super) begun: HashMap<String, (usize, usize)>,
    /// How many rows of a query came, and how many there are by its own word.
    rows: HashMap<String, (u64, u64)>,
    /// Records that several scopes list, by what was listed and digest.
    pub(super) inherited: HashSet<(Option<Source>, [u8; 16])>,
    /// Subscriptions in which the caller may not ask what uses an identity.
    closed: BTreeSet<String>,
    /// Identities that may be followed before their lists come.
    pub(super) hints: Vec<String>,
    /// Kinds of data that nobody wants.
    pub(super) skip: BTreeSet<Source>,
    /// Whether Resource Manager alone is asked.
    pub(super) without_graph: bool,
    /// Lists that accounts and servers have behind them.
    pub(super) behind_stores: std::collections::VecDeque<Listing>,
    /// Names of application permissions by folded id.
    pub(super) app_role_names: HashMap<String, String>,
    pub(super) roles: HashMap<String, [u8; 16]>,
}

impl Gather {
    pub(super) fn asked(&mut self, listing: &Listing) {
        for source in listing.sources {
            self.tracked.entry(*source).or_default().lists += 1;
        }
    }

    /// Takes a page in; how many items it had.
    pub(super) fn page(&mut self, listing: &Listing, body: &[u8]) -> usize {
        let page = cut(body, &mut |element| self.element(listing, element));
        if listing.shape == Shape::Associated {
            // That nothing uses it is an answer, too.
            self.associated.entry(listing.scope.clone()).or_default();
        }
        for source in listing.sources {
            let tracked = self.tracked.entry(*source).or_default();
            tracked.pages += 1;
            tracked.items += page.elements;
            tracked.began = tracked.began.min(self.came).or(self.came);
            tracked.ended = tracked.ended.max(self.came);
        }
        if let Some(total) = page.total {
            let rows = self.rows.entry(listing.key.clone()).or_default();
            rows.0 += page.elements as u64;
            rows.1 = rows.1.max(total);
            let (came, there) = *rows;
            if page.next.is_none() && !page.cut && page.broken.is_none() && came < there {
                let detail = format!("Resource Graph counts {there} rows, and {came} came");
                self.incomplete(listing, Reason::Truncated, &detail, None);
            }
        }
        if page.cut {
            self.incomplete(listing, Reason::Truncated, "Resource Graph left rows out", None);
        }
        if let Some(why) = page.broken {
            self.incomplete(listing, Reason::Truncated, why, None);
        }
        page.elements
    }

    /// Forgets what was counted of a list that is read anew: its records are told apart by their ids.
    pub(super) fn anew(&mut self, listing: &Listing) {
        self.rows.remove(&listing.key);
        let (pages, items) = self.begun.remove(&listing.key).unwrap_or_default();
        for source in listing.sources {
            let tracked = self.tracked.entry(*source).or_default();
            tracked.pages = tracked.pages.saturating_sub(pages);
            tracked.items = tracked.items.saturating_sub(items);
        }
    }

    pub(super) fn failed(&mut self, listing: &Listing, refusal: &Refusal, remedy: &str) {
        let remedy = (refusal.reason == Reason::Forbidden).then_some(remedy);
        // Not every tenant has the licence for the report, and Reader may not ask what uses an identity, so that neither
        // is ever counted on.
        let optional = listing.shape == Shape::SignIns
            || (listing.shape == Shape::Associated && refusal.reason == Reason::Forbidden);
        let reason = if optional { Reason::NotCollected } else { refusal.reason };
        if listing.shape == Shape::Associated && reason == Reason::NotCollected {
            // A right that is missing for one identity is missing for its neighbours.
            let home = Scope::parse(&listing.scope).and_then(|s| s.subscription);
            let scope =
                home.map_or_else(String::new, |id| format!("/subscriptions/{}", id.to_ascii_lowercase()));
            self.closed.insert(scope.clone());
            let remedy = "leastwise doctor --role-json";
            let detail = format!("{}: Reader may not ask what uses an identity", refusal.detail);
            let gap = Gap::new(Source::AssociatedResources, scope, reason, detail);
            return self.short_of(Gap { grant: Some(remedy.to_owned()), ..gap });
        }
        self.incomplete(listing, reason, &refusal.detail, remedy);
    }

    pub(super) fn incomplete(
        &mut self,
        listing: &Listing,
        reason: Reason,
        detail: &str,
        remedy: Option<&str>,
    ) {
        let name = listing.key.split(' ').next().unwrap_or_default();
        if listing.shape == Shape::Hints {
            // The lists of subscriptions have them all.
            return;
        }
        if listing.shape == Shape::Counts {
            // Without counts the lists still stand; they are held against nothing.
            let detail = format!("the lists could not be held against Resource Graph's counts: {detail}");
            return self.gaps.push(Gap::new(Source::RoleAssignments, "", Reason::Disagreement, detail));
        }
        for source in listing.sources.iter().chain(listing.leads_to) {
            let gap = Gap::new(*source, listing.scope.clone(), reason, format!("{name}: {detail}"));
            self.short_of(Gap { grant: remedy.map(str::to_owned), ..gap });
        }
    }

    /// A gap that leaves its kind of data incomplete.
    pub(super) fn short_of(&mut self, gap: Gap) {
        self.tracked.entry(gap.source).or_default().failed += 1;
        self.gaps.push(gap);
    }

    /// The next list that an item has behind it: the credentials of an identity.
    pub(super) fn next_behind(&mut self) -> Option<Listing> {
        if let Some(listing) = self.behind_stores.pop_front() {
            return Some(listing);
        }
        loop {
            let id = self.hints.pop().or_else(|| self.follow.pop_front())?;
            if !self.met.insert(digest(id.to_ascii_lowercase().as_bytes())) {
                continue;
            }
            if let Some(subscription) =
                Scope::parse(&id).and_then(|s| s.subscription).filter(|_| is_plain(&id))
            {
                return Some(listing::federated(&id, subscription));
            }
            let detail = format!("`{id}` is no id that can be asked for");
            self.short_of(Gap::new(Source::FederatedCredentials, "", Reason::Unresolved, detail));
        }
    }

    /// How many of them may be left.
    pub(super) fn behind(&self) -> usize {
        self.behind_stores.len() + self.hints.len() + self.follow.len()
    }

    /// Whether there is no hope for a list, since its neighbour was refused.
    pub(super) fn is_closed(&self, listing: &Listing) -> bool {
        let home = Scope::parse(&listing.scope).and_then(|s| s.subscription);
        let scope = home.map(|id| format!("/subscriptions/{}", id.to_ascii_lowercase()));
        listing.shape == Shape::Associated && scope.is_some_and(|s| self.closed.contains(&s))
    }

    /// Whether a list of this kind was given up at this scope.
    pub(super) fn lacks(&self, source: Source, scope: &str) -> bool {
        self.gaps.iter().any(|g| g.source == source && g.scope.eq_ignore_ascii_case(scope))
    }

    /// Where a record goes. Some lists have records of kinds that stay in memory and of others.
    pub(super) fn lowering_of(&mut self, listing: &Listing, bytes: &[u8]) -> &mut Lowering {
        let is_large = |source: Source| kind_of(source).is_some();
        let large = listing.sources.iter().filter(|s| is_large(**s)).count();
        let all = large == listing.sources.len();
        if large > 0 && (all || kind_of_record(bytes).is_some_and(is_large)) {
            &mut self.records.lowering
        } else {
            &mut self.lowering
        }
    }

    /// The estate but for what a tenant may have too much of, with what is missing from all.
    pub(super) fn finish(mut self, collected_at: Instant, cloud: &str, tenant: Option<&str>) -> Estate {
        self.name_app_roles();
        self.lowering.join_delegations();
        let found = std::mem::take(&mut self.lowering.estate.gaps);
        let marked = std::mem::take(&mut self.lowering.estate.coverage);
        let mut estate = self.lowering.finish();
        for (identity, resources) in self.associated {
            let identity = estate.strings.intern(&identity);
            let resources = resources.iter().map(|r| estate.strings.intern(r)).collect();
            estate.associations.push(Association { identity, resources });
        }
        let mut gaps = self.gaps;
        gaps.extend(self.unread.into_iter().map(|(detail, count)| {
            let gap = Gap::new(Source::Other, "", Reason::Unrecognised, detail);
            Gap { count, ..gap }
        }));
        gaps.extend(found.into_iter().map(|gap| Gap { location: None, ..gap }));
        let mut coverage = Coverage::default();
        for source in Source::ALL.into_iter().filter(|s| !matches!(s, Source::Files | Source::Other)) {
            let extent = match self.tracked.get(&source) {
                _ if self.skip.contains(&source) => {
                    gaps.push(Gap::new(source, "", Reason::NotCollected, "left out by --skip"));
                    Extent::Absent
                }
                None => {
                    let detail = format!("{} are not collected by this version", source.name());
                    gaps.push(Gap::new(source, "", Reason::NotCollected, detail));
                    Extent::Absent
                }
                Some(tracked)
                    if tracked.lists > 0 && tracked.failed >= tracked.lists && tracked.items == 0 =>
                {
                    Extent::Absent
                }
                Some(_) if source == Source::SignIns => {
                    let detail = "the directory's report has the last sign-in of those that it lists; of others nothing is known: give sign-in logs with --activity";
                    gaps.push(Gap::new(source, "", Reason::NotCollected, detail));
                    Extent::Partial
                }
                Some(tracked) if tracked.failed > 0 || marked.of(source) == Extent::Partial => {
                    Extent::Partial
                }
                Some(_) => Extent::Complete,
            };
            coverage.note(source, extent);
        }
        coverage.note_readings(self.tracked);
        estate.coverage = coverage;
        estate.gaps = tidy(gaps);
        estate.collected_at = Some(collected_at);
        estate.cloud = Some(estate.strings.intern(cloud));
        if let Some(tenant) = tenant {
            estate.tenant = Some(estate.strings.intern(&tenant.to_ascii_lowercase()));
        }
        estate.settle();
        estate
    }
}
