//! The order of reading: what the caller sees, then everything that hangs on it, then what only those answers name.
//!
//! Lists are read side by side, page by page; every page is written to the journal before it is taken in. Not here: what
//! the lists are (`listing`), the pace (`scheduler`), what pages become (`gather`).

use super::client::Client;
use super::clock::Clock;
use super::credential::NOT_SET;
use super::gather::Gather;
use super::listing::{self, Awaited, Listing, Shape};
use super::lists::{Lists, Waiting};
use super::reader::{Event, read, read_next, write_next};
use super::records::Records;
use super::scheduler::{Refusal, Scheduler, Traffic};
use super::shelf::{Memory, Parts};
use super::sorted::Sorted;
use super::target::{Target, Via};
use crate::model::{Estate, Gap, Instant, Reason, Source, is_guid, tidy};
use crate::sources::arm::most_named;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Pages that outlive the run.
pub trait Journal: Send {
    /// Hands out the pages of a list that were kept, in order and each with when it came, and says where it goes on: `None`
    /// if nothing was kept, `Some(None)` if the list is whole.
    ///
    /// # Errors
    /// If they cannot be read.
    fn kept(
        &mut self,
        key: &str,
        page: &mut dyn FnMut(&[u8], Instant),
    ) -> std::io::Result<Option<Option<String>>>;
    /// Keeps a page that came just now.
    ///
    /// # Errors
    /// If it cannot be written.
    fn keep(&mut self, key: &str, page: &[u8], next: Option<&str>, came: Instant) -> std::io::Result<()>;
    /// Forgets the pages of a list, which is read anew.
    fn anew(&mut self, _key: &str) {}
    /// A place outside memory for what a tenant may have too much of, if there is one. Asked once.
    fn parts(&mut self) -> Option<Box<dyn Parts>> {
        None
    }
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
    /// What was asked for takes itself back.
    #[error("{0}")]
    Contradiction(String),
    /// The checkpoint could not be used.
    #[error("the checkpoint: {0}")]
    Journal(#[from] std::io::Error),
}

/// What came.
#[derive(Debug)]
pub struct Collected {
    /// The estate, settled, without its records of the large kinds.
    pub estate: Estate,
    /// Those.
    pub records: Sorted,
    /// What happened on the way.
    pub traffic: Arc<Traffic>,
    /// Whether the token stopped being accepted: a later run with a new one could read on.
    pub interrupted: bool,
}

/// Requests under way at once: the latency of tens of thousands of small lists is what a large tenant costs.
const AT_ONCE: usize = 100;
/// Lists that are begun and not ended.
const BEGUN: usize = 3 * AT_ONCE;
/// Of those whose service answers one a second.
const SLOW: usize = 2;
/// Items that may wait for what they have behind them to be asked.
const MANY: usize = 10_000;
/// Identities whose uses are asked for, one a second, unless all are wanted: five minutes.
const ASSOCIATED: usize = 300;
/// Pages that wait to be taken in.
const WAITING: usize = 16;

/// When things were read.
#[derive(Clone, Copy, Debug)]
pub struct Moments {
    /// When reading began, in an earlier run if this one goes on with it: what ages are counted to.
    pub collected: Instant,
    /// When this run began.
    pub started: Instant,
}

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
    moments: Moments,
) -> Result<Collected, Failure> {
    let client = Arc::new(client);
    let scheduler = Scheduler::new(Arc::clone(&client), clock, AT_ONCE);
    #[cfg(feature = "azure-mgmt")]
    let scheduler = scheduler.through_generated(target.generated);
    let scheduler = Arc::new(scheduler);
    let mut gather = Gather::default();
    let parts = journal.parts().unwrap_or_else(|| Box::new(Memory::default()));
    gather.records = Records::new(parts, target.is_narrow() || target.tenant.is_some());
    let mut run = Run {
        scheduler,
        gather,
        journal,
        watch,
        done: 0,
        refused: Vec::new(),
        unplanned: None,
        subscriptions: Vec::new(),
        met: BTreeSet::new(),
        narrow: target.is_narrow(),
        moments,
    };
    let first = run.first(target).await?;
    run.stage(first, Some(target), &[Awaited::Plan, Awaited::Groups, Awaited::Others]).await?;
    let subscriptions = std::mem::take(&mut run.subscriptions);
    let narrow = run.narrow;
    // What nobody seems to use is asked for by name: some uses show in no inventory.
    let skipped = target.skip.contains(&Source::AssociatedResources);
    let mut unused = if skipped { Vec::new() } else { run.gather.records.unused()? };
    unused.retain(|id| listing::is_plain(id));
    run.gather.tracked.entry(Source::AssociatedResources).or_default();
    if unused.len() > ASSOCIATED && !target.deep {
        let detail = format!(
            "Azure answers one question a second about who uses an identity: {ASSOCIATED} of {} were asked, `--deep` asks all",
            unused.len()
        );
        unused.truncate(ASSOCIATED);
        run.gather.short_of(Gap::new(Source::AssociatedResources, "", Reason::NotCollected, detail));
    }
    let questions = unused.into_iter().map(|id| listing::associated(&id));
    run.stage(Lists::of(questions.len(), questions), None, &[]).await?;
    run.appeared(target.is_narrow());
    if target.via == Via::Auto {
        run.reconcile(&subscriptions).await?;
    }
    // Grants that only came now may be of groups that nobody asked for; those of other systems do not say what holds them.
    let mut late = run.holders()?;
    let others = run.gather.maybe_groups()?;
    late.extend(run.members_of(others));
    run.stage(late, None, &[]).await?;
    // Who gave no token for a service wants nothing of it: that is no run which a later one could go on with.
    let interrupted = run.refused.iter().any(|r| r.identity && !r.detail.contains(NOT_SET));
    let traffic = Arc::clone(&run.scheduler.traffic);
    let tenant = target.tenant.as_deref();
    let mut records = std::mem::take(&mut run.gather.records);
    let held = std::mem::take(records.held()?);
    let mut estate = run.gather.finish(moments.collected, client.cloud().name, tenant);
    if estate.tenant.is_none() {
        let best = most_named(&held.tenants);
        estate.tenant = best.map(|tenant| estate.strings.intern(tenant));
    }
    let only = narrow.then(|| super::narrow::within(&mut estate, held, &subscriptions));
    let mut records = records.finish(only)?;
    estate.gaps.extend(records.gaps());
    estate.gaps = tidy(std::mem::take(&mut estate.gaps));
    estate.part = target.part(subscriptions.len(), narrow).map(|part| estate.strings.intern(&part));
    Ok(Collected { estate, records, traffic, interrupted })
}

pub(super) struct Run<'r> {
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) gather: Gather,
    journal: &'r mut dyn Journal,
    watch: &'r dyn Watch,
    done: usize,
    refused: Vec<Refusal>,
    /// The first refusal of a list that the choice of subscriptions needs.
    pub(super) unplanned: Option<Refusal>,
    /// The subscriptions that are read, by folded id, sorted.
    pub(super) subscriptions: Vec<String>,
    /// Groups whose members were asked for, by folded id.
    pub(super) met: BTreeSet<String>,
    /// Whether only some of the subscriptions that the caller sees are read.
    pub(super) narrow: bool,
    moments: Moments,
}

impl Run<'_> {
    /// Reads lists side by side to their ends, and the lists that their items have behind them. Only so many are begun
    /// that the next request never waits for one: a large tenant has hundreds of thousands. What can only be asked once
    /// others are read is asked as soon as they are, in the order of `due`.
    pub(super) async fn stage(
        &mut self,
        lists: impl Into<Lists>,
        target: Option<&Target>,
        due: &[Awaited],
    ) -> Result<(), Failure> {
        let (to, mut from) = mpsc::channel(WAITING);
        let mut readers = JoinSet::new();
        let (mut open, mut due) = (0usize, VecDeque::from(due.to_vec()));
        // Of those that are asked one a second, the next one may not be worth asking once the last is answered.
        let slow = |l: &Listing| l.shape == Shape::Associated;
        let mut lists = lists.into();
        let begun = if lists.first().is_some_and(slow) { SLOW } else { BEGUN };
        let mut waiting = Waiting::default();
        waiting.add(lists);
        loop {
            while let Some(next) = due.front().copied().filter(|next| waiting.none(*next)) {
                if next == Awaited::Others && !self.gather.behind_stores.is_empty() {
                    break;
                }
                due.pop_front();
                waiting.add(self.due(next, target)?);
            }
            // Nothing hangs on anything before it is known which subscriptions are read.
            let planned = due.front() != Some(&Awaited::Plan);
            while open < begun
                && let Some(listing) = self.next(planned, &mut waiting)
            {
                let unwanted = |s: &Source| self.gather.skip.contains(s);
                if (!listing.sources.is_empty() && listing.sources.iter().all(unwanted))
                    || self.gather.is_closed(&listing)
                {
                    waiting.read(listing.awaited_by());
                    continue;
                }
                self.gather.asked(&listing);
                let gather = &mut self.gather;
                let mut room = Ok(());
                let mut take = |page: &[u8], came| {
                    gather.came = Some(came);
                    let items = gather.page(&listing, page);
                    let begun = gather.begun.entry(listing.key.clone()).or_default();
                    *begun = (begun.0 + 1, begun.1 + items);
                    if room.is_ok() {
                        room = gather.records.spill_if_full();
                    }
                };
                let kept = self.journal.kept(&listing.key, &mut take)?;
                room?;
                let start = match kept {
                    Some(None) => {
                        self.gather.begun.remove(&listing.key);
                        self.done += 1;
                        waiting.read(listing.awaited_by());
                        continue;
                    }
                    Some(Some(next)) => read_next(&next),
                    None => None,
                };
                open += 1;
                readers.spawn(read(listing, start, Arc::clone(&self.scheduler), to.clone()));
            }
            if open == 0 && due.is_empty() {
                return Ok(());
            }
            if open == 0 {
                // Everything was read: nothing is waited for any more.
                waiting.end();
                continue;
            }
            match from.recv().await {
                Some(Event::Page { listing, body, next, keep }) => {
                    // What a list failed with is not kept: its pages are asked for again.
                    let since = i64::try_from(self.scheduler.elapsed().as_micros()).unwrap_or(i64::MAX);
                    let came = self.moments.started.plus_micros(since);
                    if keep {
                        let shown = next.as_ref().map(write_next);
                        self.journal.keep(&listing.key, &body, shown.as_deref(), came)?;
                    }
                    self.gather.came = Some(came);
                    self.gather.page(&listing, &body);
                    self.gather.records.spill_if_full()?;
                }
                Some(Event::Anew(listing)) => {
                    self.journal.anew(&listing.key);
                    self.gather.anew(&listing);
                }
                Some(Event::Failed(listing, refusal)) => {
                    let tenant = self.tenant();
                    self.gather.failed(&listing, &refusal, &listing::remedy(&listing, &refusal, &tenant));
                    if listing.awaited_by() == Awaited::Plan {
                        self.unplanned.get_or_insert_with(|| refusal.clone());
                    }
                    self.refused.push(refusal);
                }
                Some(Event::Ended(awaited)) => {
                    open -= 1;
                    self.done += 1;
                    waiting.read(awaited);
                }
                // This side holds a sender itself: the channel does not end before the stage does.
                None => return Ok(()),
            }
            while readers.try_join_next().is_some() {}
            let known = self.done + open + waiting.left() + self.gather.behind();
            let items = self.gather.tracked.values().map(|t| t.items).sum();
            self.watch.at(self.done, known, items, &self.scheduler.traffic);
        }
    }

    /// The next list to begin. Those that items have behind them come last, unless too many wait.
    fn next(&mut self, planned: bool, waiting: &mut Waiting) -> Option<Listing> {
        let many = planned && self.gather.behind() > MANY;
        if let Some(listing) = (!many).then(|| waiting.begin()).flatten() {
            return Some(listing);
        }
        match if planned { self.gather.next_behind() } else { None } {
            Some(listing) => {
                waiting.begun(listing.awaited_by());
                Some(listing)
            }
            None => waiting.begin(),
        }
    }

    fn tenant(&self) -> String {
        let first = self.gather.planned.iter().find_map(|p| p.tenant.clone());
        first.filter(|t| is_guid(t)).unwrap_or_else(|| "<tenant id>".to_owned())
    }
}
