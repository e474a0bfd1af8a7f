//! Access reviews: opened over an estate, decided by people in packets, imported, held against what is there, closed.
//!
//! The ledger is the truth; packets, reminders and tables are made from it. Not here: what an entry means (`review`).

mod close;
mod decide;
mod open;
mod packets;
mod plan;
mod reach;
mod remind;
mod status;

pub use close::{CloseTerms, close, export};
pub use decide::{ImportTerms, import};
pub use open::{OpenTerms, open};
pub use plan::plan;
use reach::Reach;
pub use remind::remind;
use status::review_rows;
pub use status::{StatusForm, Told, status};

use super::Progress;
use super::error::AppError;
use super::estate::Times;
use super::ledger::LedgerFile;
use super::policy::Policy;
use super::query::Ask;
use crate::graph::AccessGraph;
use crate::model::{Extent, Instant, Source};
use crate::rbac::Catalog;
use crate::report::Provenance;
use crate::review::{Campaign, Chain, Item, Reviewers, items};
use crate::rules::{Judged, run};
use std::collections::BTreeSet;
use std::path::Path;

/// The grants that are there now, of which tenant, and when they were read.
#[derive(Clone, Debug, Default)]
pub struct Present {
    /// The grants.
    pub items: Vec<Item>,
    /// The tenant's id; empty where it is not known.
    pub tenant: String,
    /// When they were read.
    pub collected_at: Option<Instant>,
    /// All scopes, lower-case; none where not all were read.
    pub scopes: Option<BTreeSet<String>>,
    /// How far grants were read.
    reach: Reach,
}

impl Present {
    fn of(graph: &AccessGraph, items: Vec<Item>) -> Present {
        let estate = graph.estate();
        let tenant = estate.tenant.map(|t| estate.strings.text(t).to_owned()).unwrap_or_default();
        let read = |s| estate.coverage.of(s) == Extent::Complete;
        let whole = [Source::ResourceGroups, Source::Resources, Source::Subscriptions].into_iter().all(read);
        let ids = graph.scopes().nodes().iter().map(|(_, node)| graph.text(node.id).to_ascii_lowercase());
        let scopes = whole.then(|| ids.collect());
        Present { items, tenant, collected_at: estate.collected_at, scopes, reach: Reach::of(graph) }
    }

    /// Whether a scope is there, as far as that is known.
    fn may_have(&self, scope: &str) -> bool {
        // `/subscriptions/S/resourceGroups/G/providers/N/T/R`: what belongs to a resource is in no inventory.
        let top: Vec<&str> = scope.trim_end_matches('/').split('/').take(9).collect();
        self.scopes.as_ref().is_none_or(|all| all.contains(&top.join("/").to_ascii_lowercase()))
    }

    /// Refuses an estate that can say nothing of a campaign.
    fn fits(&self, campaign: &Campaign) -> Result<(), AppError> {
        let opened = &campaign.opened;
        let known = !self.tenant.is_empty() && !opened.tenant.is_empty();
        if known && !self.tenant.eq_ignore_ascii_case(&opened.tenant) {
            let message = format!(
                "the estate is of tenant `{}`, and campaign `{}` is of `{}`",
                self.tenant, opened.campaign, opened.tenant
            );
            return Err(AppError::usage(message).help("name a snapshot of the tenant that was reviewed"));
        }
        let before = opened.collected_at.as_deref().and_then(Instant::parse);
        if self.collected_at.zip(before).is_some_and(|(now, then)| now < then) {
            let message =
                format!("the estate was read before the one that campaign `{}` is about", opened.campaign);
            return Err(AppError::usage(message).help("name a later snapshot"));
        }
        Ok(())
    }
}

/// What is there now, as a review sees it.
pub(super) struct Now {
    pub(super) graph: AccessGraph,
    pub(super) judged: Judged,
    pub(super) provenance: Provenance,
}

impl Now {
    /// Reads and judges an estate.
    pub(super) fn read(
        ask: &Ask,
        policy: &Policy,
        catalog: &'static Catalog,
        progress: &dyn Progress,
    ) -> Result<Now, AppError> {
        let (graph, provenance) = super::query::graph(ask, catalog, progress)?;
        progress.step("running the rules");
        let judging =
            policy.judging(ask.input.source(), &provenance, ask.times.now, crate::finding::Severity::High);
        let judged = run(&graph, &judging);
        Ok(Now { graph, judged, provenance })
    }

    /// Its grants.
    pub(super) fn items(
        &self,
        policy: &Policy,
        campaign: &str,
        earlier: &[Campaign],
        privileged: bool,
    ) -> Vec<Item> {
        let review = &policy.config.review;
        let reviewers = Reviewers { mapped: review.owners.clone(), fallback: review.fallback.clone() };
        items(&self.graph, &self.judged, campaign, &reviewers, earlier, privileged)
    }
}

/// The grants of an estate that are there now.
///
/// # Errors
/// If the estate cannot be read.
pub fn current(
    ask: &Ask,
    policy: &Policy,
    catalog: &'static Catalog,
    progress: &dyn Progress,
) -> Result<Present, AppError> {
    let now = Now::read(ask, policy, catalog, progress)?;
    Ok(Present::of(&now.graph, now.items(policy, "", &[], false)))
}

/// What a ledger says of reviews, held against an estate that was judged.
pub(super) fn reviewed(
    path: &Path,
    graph: &AccessGraph,
    judged: &Judged,
    at: Instant,
) -> Result<Vec<crate::report::ReviewRow>, AppError> {
    let (_, chain) = existing(path)?;
    let now = Present::of(graph, items(graph, judged, "", &Reviewers::default(), &[], false));
    review_rows(&chain, &now, at)
}

/// The instant that entries are made at, and that days are counted to.
fn moment(times: Times) -> Instant {
    times.as_of.unwrap_or(times.now)
}

/// The same for an entry that is written, which is of no far day: nothing could be written after it until then.
///
/// # Errors
/// If it is more than a year ahead of the clock.
fn entry_moment(times: Times) -> Result<Instant, AppError> {
    let at = moment(times);
    if at > times.now.plus_days(366) {
        return Err(AppError::usage(format!("`{at}` is more than a year ahead"))
            .help("a ledger does not go back in time: nothing could be written until then"));
    }
    Ok(at)
}

/// Reads a ledger that must be there.
fn existing(path: &Path) -> Result<(LedgerFile, Chain), AppError> {
    let mut ledger = LedgerFile::at(path);
    let chain = ledger.read()?;
    if chain.entries().is_empty() {
        let message = format!("`{}` has no entries", path.display());
        return Err(
            AppError::usage(message).help("begin with leastwise review open, or name it with --ledger FILE")
        );
    }
    Ok((ledger, chain))
}

/// The campaign that is meant: the named one, or the only one that is open.
fn meant<'c>(all: &'c [Campaign], name: Option<&str>) -> Result<&'c Campaign, AppError> {
    let names = || all.iter().map(|c| c.opened.campaign.clone()).collect::<Vec<_>>().join(", ");
    if let Some(name) = name {
        let found = all.iter().find(|c| c.opened.campaign == name);
        return found.ok_or_else(|| {
            AppError::usage(format!("no campaign `{name}` in the ledger"))
                .help(format!("there are: {}", names()))
        });
    }
    let open: Vec<&Campaign> = all.iter().filter(|c| c.closed.is_none()).collect();
    match open.as_slice() {
        [one] => Ok(one),
        [] => all.last().ok_or_else(|| AppError::usage("the ledger has no campaign")),
        _ => Err(AppError::usage("several campaigns are open")
            .help(format!("name one with --campaign: {}", names()))),
    }
}

/// The same, which must still be open.
fn still_open<'c>(all: &'c [Campaign], name: Option<&str>) -> Result<&'c Campaign, AppError> {
    let campaign = meant(all, name)?;
    match &campaign.closed {
        None => Ok(campaign),
        Some((at, _)) => {
            let name = &campaign.opened.campaign;
            Err(AppError::usage(format!("campaign `{name}` was closed at {at}"))
                .help("a closed campaign is not changed: open a new one"))
        }
    }
}
