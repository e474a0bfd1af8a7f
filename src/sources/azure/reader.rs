//! Reads one list to its end, page by page, and says what came. Not here: which lists (`collect`).

use super::client::{Ask, Service};
use super::listing::{BATCH, Listing, Shape, older};
use super::members;
use super::page::{Next, cut, whole};
use super::scheduler::{Quota, Refusal, Scheduler};
use crate::model::Reason;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::mpsc;

/// What a reader says.
pub(super) enum Event {
    /// A page, and where its list goes on.
    Page(Box<Listing>, Vec<u8>, Option<Next>),
    /// The list could not be read on.
    Failed(Box<Listing>, Refusal),
    /// The last of each list, and whether that was one of grants.
    Ended(bool),
}

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

/// A list of nothing.
const EMPTY: &[u8] = br#"{"value":[]}"#;

/// Reads a list from its start, or from where it was left, and says when it is over.
pub(super) async fn read(
    listing: Listing,
    start: Option<Next>,
    scheduler: Arc<Scheduler>,
    to: mpsc::Sender<Event>,
) {
    let of_grants = listing.is_of_grants();
    read_on(Box::new(listing), start, &scheduler, &to).await;
    // Nobody waits any more if the run has ended.
    let _nobody_waits = to.send(Event::Ended(of_grants)).await;
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
    let mut resumed = start.is_some();
    let mut ask = start.map_or_else(|| listing.first.clone(), |next| follow(&listing.first, next));
    loop {
        let event = match scheduler.ask(&listing.quota, &ask, whole).await {
            Ok(answer) => {
                resumed = false;
                let page = cut(&answer.body, &mut |_| ());
                // A page that is not whole says nothing of the next one.
                let mut next = page.next.filter(|_| page.broken.is_none());
                let repeats = next.as_ref().is_some_and(|n| !met.insert(write_next(n)));
                if repeats {
                    next = None;
                }
                let going_on = next.clone();
                let sent = to.send(Event::Page(listing.clone(), answer.body, next)).await;
                if repeats {
                    let refusal = Refusal::new(Reason::Truncated, "the pages lead back to one that was read");
                    let _nobody_waits = to.send(Event::Failed(listing.clone(), refusal)).await;
                }
                match (sent, going_on) {
                    (Ok(()), Some(next)) => {
                        ask = follow(&listing.first, next);
                        continue;
                    }
                    _ => return,
                }
            }
            // A tenant without the licence for eligible grants has none, and no list of them.
            Err(refusal) if refusal.detail.contains("AadPremiumLicenseRequired") => {
                let _nobody_waits = to.send(Event::Page(listing, EMPTY.to_vec(), None)).await;
                return;
            }
            Err(refusal) if refusal.says_version() && older(&ask).is_some() => {
                let Some((old, lacks)) = older(&ask) else { return };
                ask = old;
                let detail = format!("this cloud knows an older version alone, which lacks {lacks}");
                let lack = Event::Failed(listing.clone(), Refusal::new(Reason::Unsupported, detail));
                let _nobody_waits = to.send(lack).await;
                continue;
            }
            // Tokens for pages do not live long: a list that cannot be gone on with is read anew.
            Err(refusal) if resumed && !refusal.identity => {
                resumed = false;
                ask = listing.first.clone();
                continue;
            }
            Err(refusal) => Event::Failed(listing.clone(), refusal),
        };
        let _nobody_waits = to.send(event).await;
        return;
    }
}

pub(super) fn follow(first: &Ask, next: Next) -> Ask {
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
    let mut found: BTreeMap<&str, members::Group> = BTreeMap::new();
    let mut open: Vec<(usize, String)> =
        groups.iter().enumerate().flat_map(|(n, g)| members::first(g).map(|p| (n, p))).collect();
    let mut rounds = 0;
    while !open.is_empty() {
        let paths: Vec<String> = open.iter().take(BATCH).map(|(_, path)| path.clone()).collect();
        let asked: Vec<(usize, String)> = open.drain(..paths.len()).collect();
        let answer = match scheduler.ask(&Quota::Directory, &Ask::Batch(paths), members::whole).await {
            Ok(answer) => answer,
            Err(refusal) => {
                let _nobody_waits = to.send(Event::Failed(Box::new(listing.clone()), refusal)).await;
                return;
            }
        };
        rounds += 1;
        for (at, path) in members::take(&answer.body, &asked, groups, &mut found) {
            // What was put off is asked again; what was put off a hundred times is given up.
            if rounds < 100 {
                open.push((at, path));
            } else if let Some(group) = groups.get(at) {
                let refusal =
                    Refusal::new(Reason::Throttled, "the members of a group were put off again and again");
                found.entry(group).or_default().refused = Some(refusal);
            }
        }
    }
    for (group, members) in &found {
        if let Some(refusal) = &members.refused {
            let failed = Listing { scope: (*group).to_owned(), ..listing.clone() };
            let _nobody_waits = to.send(Event::Failed(Box::new(failed), refusal.clone())).await;
        }
    }
    let page = members::page(&found);
    let _nobody_waits = to.send(Event::Page(Box::new(listing.clone()), page, None)).await;
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
