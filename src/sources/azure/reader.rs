//! Reads one list to its end, page by page, and says what came. Not here: which lists (`collect`).

use super::client::{Ask, Service};
use super::listing::{Awaited, BATCH, Listing, Shape, older};
use super::members;
use super::page::{Next, cut, whole};
use super::scheduler::{Quota, Refusal, Scheduler};
use crate::model::Reason;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What a reader says.
pub(super) enum Event {
    /// A page.
    Page {
        listing: Box<Listing>,
        body: Vec<u8>,
        /// Where its list goes on.
        next: Option<Next>,
        /// Whether a later run may rely on it. What comes with a failure is not kept, so that it fails again.
        keep: bool,
    },
    /// The list is read from its start once more: what an earlier run had of it is not gone on with.
    Anew(Box<Listing>),
    /// The list could not be read on.
    Failed(Box<Listing>, Refusal),
    /// The last of each list, and what waits for it.
    Ended(Awaited),
}

/// Pages in a row that bring nothing new, after which a list is taken for endless.
const IDLE_PAGES: usize = 50;
/// Pages of one list, after which it is taken for endless whatever they bring: ten million records.
const MOST_PAGES: usize = 10_000;

/// Where a list goes on, as a checkpoint keeps it.
pub(super) fn write_next(next: &Next) -> String {
    match next {
        Next::Link(link) => format!("link {link}"),
        Next::Token(token) => format!("token {token}"),
    }
}

/// The other way round.
pub(super) fn read_next(text: &str) -> Option<Next> {
    match text.split_once(' ')? {
        ("link", link) => Some(Next::Link(link.to_owned())),
        ("token", token) => Some(Next::Token(token.to_owned())),
        _ => None,
    }
}

/// What a tenant without a licence for Privileged Identity Management is told.
const NO_LICENCE: &str = "AadPremiumLicenseRequired";
/// A list of nothing.
const EMPTY: &[u8] = br#"{"value":[]}"#;

/// Reads a list from its start, or from where it was left, and says when it is over.
pub(super) async fn read(
    listing: Listing,
    start: Option<Next>,
    scheduler: Arc<Scheduler>,
    to: mpsc::Sender<Event>,
) {
    let awaited = listing.awaited_by();
    #[cfg(feature = "azure-mgmt")]
    if scheduler.generated && super::generated::has(&listing) {
        read_generated(&listing, &scheduler, &to).await;
        let _nobody_waits = to.send(Event::Ended(awaited)).await;
        return;
    }
    read_on(Box::new(listing), start, &scheduler, &to).await;
    // Nobody waits any more if the run has ended.
    let _nobody_waits = to.send(Event::Ended(awaited)).await;
}

/// Reads a list through the generated client. Its pages are read anew by a later run.
#[cfg(feature = "azure-mgmt")]
async fn read_generated(listing: &Listing, scheduler: &Arc<Scheduler>, to: &mpsc::Sender<Event>) {
    let (send, mut pages) = mpsc::channel(1);
    let passed_on = async {
        while let Some(body) = pages.recv().await {
            let event = Event::Page { listing: Box::new(listing.clone()), body, next: None, keep: false };
            let _nobody_waits = to.send(event).await;
        }
    };
    let read = async {
        let read = super::generated::pages(listing, scheduler, &send).await;
        drop(send);
        read
    };
    let (read, ()) = futures::join!(read, passed_on);
    match read {
        Err(refusal) if refusal.detail.contains(NO_LICENCE) => {}
        Err(refusal) => {
            let _nobody_waits = to.send(Event::Failed(Box::new(listing.clone()), refusal)).await;
        }
        Ok(()) => {}
    }
}

async fn read_on(
    listing: Box<Listing>,
    start: Option<Next>,
    scheduler: &Scheduler,
    to: &mpsc::Sender<Event>,
) {
    if let Shape::Members(groups) = &listing.shape {
        return read_members(&listing, groups, scheduler, to).await;
    }
    let mut met: BTreeSet<String> = BTreeSet::new();
    let (mut resumed, mut keep) = (start.is_some(), true);
    let mut ask = start.map_or_else(|| listing.first.clone(), |next| follow(&listing.first, next));
    let (mut idle, mut before, mut doubts) = (0, 0, 0);
    loop {
        let refusal = match scheduler.ask(&listing.quota, &ask, whole).await {
            Ok(answer) => {
                resumed = false;
                let page = cut(&answer.body, &mut |_| ());
                // A page that is not whole says nothing of the next one.
                let next = page.next.filter(|_| page.broken.is_none());
                let seen = hash(&answer.body);
                idle = if page.elements == 0 || seen == before { idle + 1 } else { 0 };
                before = seen;
                let misled = next.as_ref().and_then(|next| match next {
                    _ if idle >= IDLE_PAGES => Some("page after page brings nothing new"),
                    _ if met.len() >= MOST_PAGES => Some("the list does not end"),
                    Next::Token(_) if !matches!(ask, Ask::Query { .. }) => {
                        Some("the next page has a token that this list does not take")
                    }
                    next if !met.insert(write_next(next)) => Some("the pages lead back to one that was read"),
                    _ => None,
                });
                let going_on = next.clone();
                let event = Event::Page { listing: listing.clone(), body: answer.body, next, keep };
                match (to.send(event).await, going_on, misled) {
                    (Ok(()), Some(next), None) => {
                        ask = follow(&listing.first, next);
                        continue;
                    }
                    (Ok(()), Some(_), Some(why)) => Refusal::new(Reason::Truncated, why),
                    _ => return,
                }
            }
            // A tenant without the licence for eligible grants has none, and no list of them; one that does not use a
            // service has not granted anything on it.
            Err(refusal)
                if refusal.detail.contains(NO_LICENCE)
                    || (listing.is_of_service() && refusal.detail.contains("Request_ResourceNotFound")) =>
            {
                let event = Event::Page { listing, body: EMPTY.to_vec(), next: None, keep };
                let _nobody_waits = to.send(event).await;
                return;
            }
            // That it is not there, said without a code, is not the service's word: somebody between says so, too.
            Err(refusal) if listing.is_of_service() && refusal.detail == "not there" && doubts < 3 => {
                doubts += 1;
                continue;
            }
            Err(refusal) if refusal.says_version() && older(&ask).is_some() => {
                let Some((old, lacks)) = older(&ask) else { return };
                (ask, keep) = (old, false);
                let detail = format!("this cloud knows an older version alone, which lacks {lacks}");
                let lack = Event::Failed(listing.clone(), Refusal::new(Reason::Unsupported, detail));
                let _nobody_waits = to.send(lack).await;
                continue;
            }
            // Tokens for pages do not live long: a list that cannot be gone on with is read anew.
            Err(refusal) if resumed && !refusal.identity => {
                resumed = false;
                ask = listing.first.clone();
                if to.send(Event::Anew(listing.clone())).await.is_err() {
                    return;
                }
                continue;
            }
            Err(refusal) => refusal,
        };
        let _nobody_waits = to.send(Event::Failed(listing, refusal)).await;
        return;
    }
}

/// Tells one page from the next.
fn hash(body: &[u8]) -> u64 {
    use std::hash::BuildHasher as _;
    foldhash::fast::FixedState::with_seed(0).hash_one(body)
}

/// The request for the next page.
fn follow(first: &Ask, next: Next) -> Ask {
    match (first, next) {
        (Ask::Query { text, subscriptions, .. }, Next::Token(token)) => {
            Ask::Query { text, subscriptions: subscriptions.clone(), skip_token: Some(token) }
        }
        (Ask::Get(service, _), Next::Link(link)) => Ask::Get(*service, link),
        (_, Next::Link(link)) => Ask::Get(Service::Arm, link),
        (other, Next::Token(_)) => other.clone(),
    }
}

/// Reads the members of several groups, in as few requests as they fit into, and makes one page of them.
async fn read_members(listing: &Listing, groups: &[String], scheduler: &Scheduler, to: &mpsc::Sender<Event>) {
    let mut found = members::Found::new(groups);
    while let Some(paths) = found.next(BATCH) {
        let answer = match scheduler.ask(&Quota::Directory, &Ask::Batch(paths), members::whole).await {
            Ok(answer) => answer,
            Err(refusal) => {
                let _nobody_waits = to.send(Event::Failed(Box::new(listing.clone()), refusal)).await;
                return;
            }
        };
        if let Some((pause, pauses)) = found.take(&answer.body) {
            scheduler.slow_down(&Quota::Directory, pause.as_deref(), pauses);
        }
    }
    let refused = found.refused();
    let keep = refused.is_empty();
    for (group, refusal) in refused {
        let failed = Listing { scope: group, ..listing.clone() };
        let _nobody_waits = to.send(Event::Failed(Box::new(failed), refusal)).await;
    }
    let event = Event::Page { listing: Box::new(listing.clone()), body: found.page(), next: None, keep };
    let _nobody_waits = to.send(event).await;
}

/// All pages of a list that somebody waits for, one after the other.
pub(super) async fn pages(listing: &Listing, scheduler: &Scheduler) -> Result<Vec<Vec<u8>>, Refusal> {
    let mut pages = Vec::new();
    let mut ask = listing.first.clone();
    // No such list has thousands of pages, unless it leads in circles.
    for _ in 0..5000 {
        let answer = scheduler.ask(&listing.quota, &ask, whole).await?;
        let page = cut(&answer.body, &mut |_| ());
        pages.push(answer.body);
        match (page.broken, page.next) {
            (Some(why), _) => return Err(Refusal::new(Reason::Truncated, why)),
            (None, Some(next)) => ask = follow(&listing.first, next),
            (None, None) => return Ok(pages),
        }
    }
    Err(Refusal::new(Reason::Truncated, "the list does not end"))
}
