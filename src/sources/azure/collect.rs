//! The order of reading: what the caller sees, then everything that hangs on it, then what only those answers name.
//!
//! Lists are read side by side, page by page; every page is written to the journal before it is taken in. Not here: what
//! the lists are (`listing`), the pace (`scheduler`), what pages become (`gather`).

use super::client::{Client, is_guid};
use super::clock::Clock;
use super::gather::Gather;
pub use super::gather::Tracked;
use super::listing::{self, BATCH, Listing};
use super::reader::{Event, pages, read, read_next, write_next};
use super::scheduler::{Refusal, Scheduler, Traffic};
use super::target::{Target, Via};
use super::{inventory, local};
use crate::model::{Estate, Gap, Instant, PrincipalType, Reason, Source};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Pages that outlive the run.
pub trait Journal: Send {
    /// Hands out the pages of a list that were kept, in order, and says where it goes on: `None` if nothing was kept,
    /// `Some(None)` if the list is whole.
    ///
    /// # Errors
    /// If they cannot be read.
    fn kept(&mut self, key: &str, page: &mut dyn FnMut(&[u8])) -> std::io::Result<Option<Option<String>>>;
    /// Keeps a page.
    ///
    /// # Errors
    /// If it cannot be written.
    fn keep(&mut self, key: &str, page: &[u8], next: Option<&str>) -> std::io::Result<()>;
}

/// Told how far a run is.
pub trait Watch: Sync {
    /// Lists that are done, lists that are known, items so far, and what happened on the way.
    fn at(&self, done: usize, known: usize, items: usize, traffic: &Traffic);
}

/// Why nothing was collected.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Azure could not be asked at all.
    #[error("{0}")]
    Unreachable(String),
    /// What was asked for is not there.
    #[error("{0}")]
    NotThere(String),
    /// The checkpoint could not be used.
    #[error("the checkpoint: {0}")]
    Journal(#[from] std::io::Error),
}

/// What came.
#[derive(Debug)]
pub struct Collected {
    /// The estate, settled.
    pub estate: Estate,
    /// How each kind of data came.
    pub tracked: BTreeMap<Source, Tracked>,
    /// What happened on the way.
    pub traffic: Arc<Traffic>,
    /// Whether the token stopped being accepted: a later run with a new one could read on.
    pub interrupted: bool,
}

/// Requests under way at once: the latency of tens of thousands of small lists is what a large tenant costs.
const AT_ONCE: usize = 100;
/// Lists that are begun and not ended.
const BEGUN: usize = 3 * AT_ONCE;
/// Identities whose uses are asked for, one a second, unless all are wanted: five minutes.
const ASSOCIATED: usize = 300;
/// How often a list that is shorter than was counted is read again.
const ASKED_AGAIN: usize = 3;
/// Pages that wait to be taken in.
const WAITING: usize = 16;

/// Reads a tenant.
///
/// # Errors
/// If nothing can be read at all, or the checkpoint fails.
pub async fn collect(
    client: Client,
    clock: Arc<dyn Clock>,
    target: &Target,
    journal: &mut dyn Journal,
    watch: &dyn Watch,
    now: Instant,
) -> Result<Collected, Failure> {
    let client = Arc::new(client);
    let scheduler = Scheduler::new(Arc::clone(&client), clock, AT_ONCE);
    #[cfg(feature = "azure-mgmt")]
    let scheduler = scheduler.through_generated(target.generated);
    let scheduler = Arc::new(scheduler);
    let mut run = Run {
        scheduler,
        gather: Gather::default(),
        journal,
        watch,
        done: 0,
        refused: Vec::new(),
        met: BTreeSet::new(),
    };
    run.begin(target).await?;
    let subscriptions = run.plan(target)?;
    let lists = run.lists(target, &subscriptions);
    run.stage(lists, |run| {
        run.gather.take_planned_roles();
        let mut lists = run.holders();
        lists.push(listing::subscriptions_again());
        lists
    })
    .await?;
    // What nobody seems to use is asked for by name: some uses show in no inventory.
    let narrow = target.is_narrow();
    let mut unused =
        if target.skip.contains(&Source::AssociatedResources) { Vec::new() } else { run.gather.unused() };
    run.gather.tracked.entry(Source::AssociatedResources).or_default();
    if unused.len() > ASSOCIATED && !target.deep {
        let detail = format!(
            "Azure answers one question a second about who uses an identity: {ASSOCIATED} of {} were asked, `--deep` asks all",
            unused.len()
        );
        unused.truncate(ASSOCIATED);
        run.gather.short_of(Gap::new(Source::AssociatedResources, "", Reason::NotCollected, detail));
    }
    run.stage(unused.iter().map(|id| listing::associated(id)).collect(), |_| Vec::new()).await?;
    run.appeared(narrow);
    if target.via == Via::Auto {
        run.reconcile(&subscriptions).await;
    }
    // Grants that only came now may be of groups that nobody asked for; those of other systems do not say what holds them.
    let mut late = run.holders();
    let others = run.gather.maybe_groups();
    late.extend(run.members_of(others));
    run.stage(late, |_| Vec::new()).await?;
    let interrupted = run.refused.iter().any(|r| r.identity);
    let traffic = Arc::clone(&run.scheduler.traffic);
    let tracked = run.gather.tracked.clone();
    let tenant = target.tenant.as_deref();
    let mut estate = run.gather.finish(now, client.cloud().name, tenant);
    if narrow {
        super::narrow::within(&mut estate, &subscriptions);
    }
    estate.part = target.part(subscriptions.len()).map(|part| estate.strings.intern(&part));
    Ok(Collected { estate, tracked, traffic, interrupted })
}

struct Run<'r> {
    scheduler: Arc<Scheduler>,
    gather: Gather,
    journal: &'r mut dyn Journal,
    watch: &'r dyn Watch,
    done: usize,
    refused: Vec<Refusal>,
    /// Groups whose members were asked for, by folded id.
    met: BTreeSet<String>,
}

impl Run<'_> {
    /// What has to be known before anything else: which subscriptions there are, and where in the tree.
    async fn begin(&mut self, target: &Target) -> Result<(), Failure> {
        self.gather.skip.clone_from(&target.skip);
        if target.via != Via::Arm {
            let lists = vec![listing::subscriptions(), listing::containers(), listing::role_plan()];
            return self.stage(lists, |_| Vec::new()).await;
        }
        self.gather.without_graph = true;
        let lack = Gap::new(Source::Resources, "", Reason::NotCollected, inventory::LACKS);
        self.gather.short_of(lack);
        let lists = vec![listing::subscriptions(), inventory::management_groups()];
        self.stage(lists, |_| Vec::new()).await?;
        let below = self.groups().iter().map(|id| inventory::descendants(id)).collect();
        self.stage(below, |_| Vec::new()).await?;
        self.gather.lowering.join_parents();
        Ok(())
    }

    /// The lists of a run, but those that only their answers name.
    fn lists(&mut self, target: &Target, subscriptions: &[String]) -> Vec<Listing> {
        let chosen = if target.is_narrow() { subscriptions } else { &[] };
        let groups = self.groups();
        let mut lists = match target.via {
            Via::Auto | Via::Graph => listing::inventory(chosen),
            Via::Arm => {
                let above = groups.iter().flat_map(|id| inventory::above(id));
                let inside = subscriptions.iter().flat_map(|id| inventory::of_subscription(id));
                inventory::built_in_policies().into_iter().chain(above).chain(inside).collect()
            }
        };
        if target.via == Via::Graph {
            lists.extend(listing::grants_of_graph(chosen));
        }
        lists.push(listing::principals());
        lists.extend(local::of_the_directory());
        if matches!(self.scheduler.cloud(), "public" | "custom") {
            lists.push(listing::sign_ins());
        }
        lists.push(listing::built_in_roles());
        // Identities first: each has a list of its own behind it.
        if target.via != Via::Graph {
            lists.extend(subscriptions.iter().map(|id| listing::identities(id)));
        }
        let unplanned = target.via == Via::Arm || self.gather.lacks(Source::RoleDefinitions, "");
        let homes = self.gather.role_homes.clone();
        lists
            .extend(subscriptions.iter().flat_map(|id| listing::access(id, unplanned || homes.contains(id))));
        lists.extend(groups.iter().flat_map(|id| listing::access_above(id)));
        if target.via == Via::Graph {
            // What Resource Graph has is not asked for again.
            lists.retain(|l| l.is_of_graph() || l.sources != [Source::RoleAssignments]);
        }
        lists
    }

    /// Reads lists side by side to their ends, and the lists that their items have behind them. Only so many are begun
    /// that the next request never waits for one: a large tenant has hundreds of thousands. `then` says what to read
    /// once all grants are there.
    async fn stage(
        &mut self,
        lists: Vec<Listing>,
        then: impl FnOnce(&mut Self) -> Vec<Listing>,
    ) -> Result<(), Failure> {
        let (to, mut from) = mpsc::channel(WAITING);
        let mut readers = JoinSet::new();
        let mut waiting = VecDeque::from(lists);
        let mut open = 0usize;
        let mut grants = waiting.iter().filter(|l| l.is_of_grants()).count();
        let mut then = Some(then);
        loop {
            if grants == 0
                && let Some(then) = then.take()
            {
                waiting.extend(then(self));
            }
            while open < BEGUN
                && let Some(listing) = waiting.pop_front().or_else(|| self.gather.next_behind())
            {
                let unwanted = |s: &Source| self.gather.skip.contains(s);
                if (!listing.sources.is_empty() && listing.sources.iter().all(unwanted))
                    || self.gather.is_closed(&listing)
                {
                    continue;
                }
                self.gather.asked(&listing);
                let gather = &mut self.gather;
                let mut take = |page: &[u8]| {
                    gather.page(&listing, page);
                };
                let start = match self.journal.kept(&listing.key, &mut take)? {
                    Some(None) => {
                        self.done += 1;
                        grants = grants.saturating_sub(usize::from(listing.is_of_grants()));
                        continue;
                    }
                    Some(Some(next)) => read_next(&next),
                    None => None,
                };
                open += 1;
                readers.spawn(read(listing, start, Arc::clone(&self.scheduler), to.clone()));
            }
            if grants == 0 && then.is_some() {
                continue;
            }
            if open == 0 {
                return Ok(());
            }
            match from.recv().await {
                Some(Event::Page { listing, body, next, keep }) => {
                    // What a list failed with is not kept: its pages are asked for again.
                    if keep {
                        let shown = next.as_ref().map(write_next);
                        self.journal.keep(&listing.key, &body, shown.as_deref())?;
                    }
                    self.gather.page(&listing, &body);
                }
                Some(Event::Failed(listing, refusal)) => {
                    let tenant = self.tenant();
                    self.gather.failed(&listing, &refusal, &listing::remedy(&listing, &tenant));
                    self.refused.push(refusal);
                }
                Some(Event::Ended(of_grants)) => {
                    open -= 1;
                    self.done += 1;
                    grants = grants.saturating_sub(usize::from(of_grants));
                }
                // This side holds a sender itself: the channel does not end before the stage does.
                None => return Ok(()),
            }
            while readers.try_join_next().is_some() {}
            let known = self.done + open + waiting.len() + self.gather.behind();
            let items = self.gather.tracked.values().map(|t| t.items).sum();
            self.watch.at(self.done, known, items, &self.scheduler.traffic);
        }
    }

    fn tenant(&self) -> String {
        let first = self.gather.planned.iter().find_map(|p| p.tenant.clone());
        first.filter(|t| is_guid(t)).unwrap_or_else(|| "<tenant id>".to_owned())
    }

    /// The subscriptions to read, sorted.
    fn plan(&mut self, target: &Target) -> Result<Vec<String>, Failure> {
        if let Some(refusal) = self.refused.iter().find(|r| r.identity) {
            return Err(Failure::Unreachable(refusal.detail.clone()));
        }
        if let (true, Some(refusal)) = (self.gather.planned.is_empty(), self.refused.first()) {
            return Err(Failure::Unreachable(refusal.detail.clone()));
        }
        let fold = |text: &String| crate::model::role_key(text).to_ascii_lowercase();
        let groups: BTreeSet<String> = target.management_groups.iter().map(fold).collect();
        for group in &groups {
            let estate = &self.gather.lowering.estate;
            let mut known = estate.management_groups.iter().map(|g| estate.strings.text(g.id));
            if !known.any(|id| crate::model::role_key(id).eq_ignore_ascii_case(group)) {
                let what = format!(
                    "the caller sees no management group `{group}`: `az account management-group list` shows their names"
                );
                return Err(Failure::NotThere(what));
            }
        }
        let chosen = target.choose(&self.gather.planned, &self.below(&groups))?;
        for missing in chosen.missing {
            let detail = "the subscription was asked for, and the caller does not see it";
            let scope = format!("/subscriptions/{missing}");
            for source in [Source::Subscriptions, Source::RoleAssignments, Source::Resources] {
                self.gather.short_of(Gap::new(source, scope.clone(), Reason::Forbidden, detail));
            }
        }
        Ok(chosen.subscriptions.into_iter().collect())
    }

    /// Subscriptions below management groups, by folded id.
    fn below(&self, groups: &BTreeSet<String>) -> BTreeSet<String> {
        let estate = &self.gather.lowering.estate;
        let name = |sym| crate::model::role_key(estate.strings.text(sym)).to_ascii_lowercase();
        let parents: BTreeMap<String, String> =
            estate.management_groups.iter().filter_map(|g| Some((name(g.id), name(g.parent?)))).collect();
        let lies_below = |start: String| {
            let mut at = Some(start);
            // A chain is never longer than there are groups, unless it is a circle.
            for _ in 0..=parents.len() {
                match at {
                    Some(group) if groups.contains(&group) => return true,
                    Some(group) => at = parents.get(&group).cloned(),
                    None => return false,
                }
            }
            false
        };
        let subscriptions = estate.subscriptions.iter();
        subscriptions.filter(|s| s.parent.is_some_and(|p| lies_below(name(p)))).map(|s| name(s.id)).collect()
    }

    /// Management groups, whose grants subscriptions without access to them would hide, by id.
    fn groups(&mut self) -> Vec<String> {
        let estate = &self.gather.lowering.estate;
        let groups = estate.management_groups.iter().map(|g| estate.strings.text(g.id));
        let groups: BTreeMap<String, String> =
            groups.map(|id| (id.to_ascii_lowercase(), id.to_owned())).collect();
        let (plain, odd): (Vec<String>, Vec<String>) =
            groups.into_values().partition(|id| listing::is_plain(id));
        for id in odd {
            let detail = format!("`{id}` is no id that can be asked for");
            self.gather.short_of(Gap::new(Source::RoleAssignments, "", Reason::Unresolved, detail));
        }
        plain
    }

    /// The members of groups that hold grants and were not asked for yet.
    fn holders(&mut self) -> Vec<Listing> {
        let estate = &self.gather.lowering.estate;
        let grants = estate.assignments.iter().chain(&estate.schedules);
        let holders = grants.filter(|a| a.principal_type == PrincipalType::Group);
        let holders: BTreeSet<String> =
            holders.map(|a| estate.strings.text(a.principal).to_ascii_lowercase()).collect();
        self.members_of(holders)
    }

    /// The members of those of these groups that were not asked for yet.
    fn members_of(&mut self, holders: BTreeSet<String>) -> Vec<Listing> {
        let holders: Vec<String> = holders.into_iter().filter(|id| self.met.insert(id.clone())).collect();
        let (holders, odd): (Vec<String>, Vec<String>) = holders.into_iter().partition(|id| is_guid(id));
        for id in odd {
            let detail = format!("a group that holds a grant goes by `{id}`, which is no object id");
            self.gather.short_of(Gap::new(Source::Groups, "", Reason::Unresolved, detail));
        }
        // Where nothing needs to be asked, nothing is missing.
        for source in [Source::Groups, Source::FederatedCredentials] {
            self.gather.tracked.entry(source).or_default();
        }
        holders.chunks(BATCH / 2).map(listing::members).collect()
    }

    /// Holds the lists of Resource Manager against the counts of Resource Graph. Where fewer came than were counted, the
    /// list is read again: rows can slip between pages while others change them.
    async fn reconcile(&mut self, subscriptions: &[String]) {
        let (mut listed, counted) = (self.gather.listed(), self.gather.counted.clone());
        let short = |listed: &std::collections::HashMap<String, u64>, id: &String| {
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
                }
            }
            if again.is_empty() {
                return;
            }
            listed = self.gather.listed();
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
    }

    /// Subscriptions that came while the run was under way are said to be missing.
    fn appeared(&mut self, narrow: bool) {
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
