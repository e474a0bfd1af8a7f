//! How far campaigns are: by owner, and against what is there now.

use super::{Present, existing, meant, moment};
use crate::app::error::AppError;
use crate::app::estate::Times;
use crate::model::Instant;
use crate::report::ReviewRow;
use crate::review::{Against, Campaign, Chain, Item, Progress, Standing, Stands, standings};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Rows that are told one by one on a terminal.
const SHOWN: usize = 30;

/// The form of the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatusForm {
    /// For a terminal.
    Text,
    /// For programs.
    Json,
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// For standard output.
    pub text: String,
    /// Whether something is overdue: a campaign, a denied grant, an approval.
    pub overdue: bool,
}

/// Tells how far a campaign is; with what is there now, what became of its decisions.
///
/// # Errors
/// If the ledger cannot be read.
pub fn status(
    ledger: &Path,
    campaign: Option<&str>,
    now: Option<&Present>,
    times: Times,
    form: StatusForm,
) -> Result<Told, AppError> {
    let (_, chain) = existing(ledger)?;
    let all = Campaign::all(&chain);
    let campaign = meant(&all, campaign)?;
    let at = moment(times);
    let late = campaign.closed.is_none() && campaign.is_due(at);
    let undecided = campaign.rows.len() - campaign.at(Progress::Decided).count();
    let stands = match now {
        Some(present) => {
            present.fits(campaign)?;
            Some(held_against(campaign, present, at))
        }
        None => None,
    };
    let acts = stands
        .iter()
        .flatten()
        .any(|s| matches!(s.standing, Standing::Overdue | Standing::Regranted | Standing::Expired));
    let overdue = (late && undecided > 0) || acts;
    let read_at = now.and_then(|p| p.collected_at);
    let text = match form {
        StatusForm::Json => as_json(campaign, (stands.as_deref(), read_at), late, chain.head()),
        StatusForm::Text => as_text(campaign, (stands.as_deref(), read_at), late, chain.head()),
    };
    Ok(Told { text, overdue })
}

fn held_against(campaign: &Campaign, now: &Present, at: Instant) -> Vec<Stands> {
    let current = scoped(campaign, &now.items);
    let unread = |item: &Item| now.reach.unread(item);
    standings(campaign, Against { current: &current, read_at: now.collected_at, now: at, unread: &unread })
}

/// A campaign of privileged grants alone says nothing of others.
fn scoped(campaign: &Campaign, items: &[Item]) -> Vec<Item> {
    items.iter().filter(|i| campaign.opened.all_grants || i.privileged).cloned().collect()
}

/// By owner: grants, decided, waiting for a second approver, open.
fn by_owner(campaign: &Campaign) -> BTreeMap<&str, [usize; 4]> {
    let mut owners: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    for row in &campaign.rows {
        let [all, decided, pending, open] = owners.entry(&row.item.owner).or_default();
        *all += 1;
        match row.progress() {
            Progress::Decided => *decided += 1,
            Progress::PendingSecond => *pending += 1,
            Progress::Open => *open += 1,
        }
    }
    owners
}

fn counts(stands: &[Stands]) -> BTreeMap<Standing, usize> {
    let mut all = BTreeMap::new();
    stands.iter().for_each(|s| *all.entry(s.standing).or_default() += 1);
    all
}

/// How grants stand, and when they were read.
type Now<'s> = (Option<&'s [Stands]>, Option<Instant>);

fn as_text(campaign: &Campaign, (stands, read_at): Now<'_>, late: bool, head: &str) -> String {
    let opened = &campaign.opened;
    let state = match (&campaign.closed, late) {
        (Some((at, _)), _) => format!("closed at {at}"),
        (None, true) => format!("OVERDUE since {}", opened.due),
        (None, false) => format!("due {}", opened.due),
    };
    let mut out = format!("campaign {}, {state}, {} grants\n", opened.campaign, campaign.rows.len());
    let owners = by_owner(campaign);
    let width = owners.keys().map(|o| o.chars().count()).max().unwrap_or(0).clamp(5, 50);
    let _ =
        writeln!(out, "{:<width$}  {:>7} {:>7} {:>7} {:>7}", "owner", "grants", "decided", "second", "open");
    for (owner, [all, decided, pending, open]) in owners {
        let owner = crate::render::clean(owner);
        let _ = writeln!(out, "{owner:<width$}  {all:>7} {decided:>7} {pending:>7} {open:>7}");
    }
    if let Some(stands) = stands {
        // What is there and was not in the review is not of its grants.
        let (besides, own): (Vec<_>, Vec<_>) =
            counts(stands).into_iter().partition(|(s, _)| matches!(s, Standing::New | Standing::Narrowed));
        let say = |all: Vec<(Standing, usize)>| {
            all.iter().map(|(s, n)| format!("{n} {}", s.name())).collect::<Vec<_>>().join(", ")
        };
        let besides =
            if besides.is_empty() { String::new() } else { format!("; besides these: {}", say(besides)) };
        let when = read_at.map_or_else(|| "now".to_owned(), |t| format!("as read {t}"));
        let _ = writeln!(out, "against what is there, {when}: {}{besides}", say(own));
        if let Some(unread) = stands.iter().find(|s| s.standing == Standing::Unread) {
            let _ = writeln!(out, "not-read: {}: it is not told whether these are gone", unread.detail);
        }
        let act: Vec<&Stands> = stands.iter().filter(|s| s.standing.acts()).collect();
        for s in act.iter().take(SHOWN) {
            let i = &s.item;
            let line =
                format!("{:<16} {}: {} on {} ({})", s.standing.name(), i.identity, i.role, i.scope, s.detail);
            let _ = writeln!(out, "{}", crate::render::clean(&line));
        }
        if act.len() > SHOWN {
            let _ = writeln!(out, "and {} more: --format json has all", act.len() - SHOWN);
        }
    }
    let _ = writeln!(out, "ledger head {head}");
    out
}

fn as_json(campaign: &Campaign, (stands, read_at): Now<'_>, late: bool, head: &str) -> String {
    let opened = &campaign.opened;
    let owners: Vec<_> = by_owner(campaign)
        .iter()
        .map(|(owner, [all, decided, pending, open])| {
            json!({"owner": owner, "grants": all, "decided": decided, "pending_second": pending, "open": open})
        })
        .collect();
    let stands = stands.map(|all| {
        let rows: Vec<_> = all
            .iter()
            .map(|s| {
                json!({"standing": s.standing.name(), "item": s.item.item, "identity": s.item.identity,
                    "owner": s.item.owner, "role": s.item.role, "scope": s.item.scope,
                    "assignment": s.item.assignment, "detail": s.detail})
            })
            .collect();
        let counts: serde_json::Map<String, serde_json::Value> =
            counts(all).iter().map(|(s, n)| (s.name().to_owned(), json!(n))).collect();
        json!({"counts": counts, "grants": rows, "read_at": read_at.map(|t| t.to_string())})
    });
    let waiting = campaign.rows.iter().filter(|r| r.progress() != Progress::Decided).map(|r| {
        let progress = if r.progress() == Progress::Open { "open" } else { "pending-second" };
        json!({"item": r.item.item, "owner": r.item.owner, "identity": r.item.identity, "role": r.item.role,
            "scope": r.item.scope, "progress": progress})
    });
    let all = json!({
        "campaign": opened.campaign, "due": opened.due, "overdue": late && waiting.clone().next().is_some(), "opened_at": campaign.opened_at,
        "closed_at": campaign.closed.as_ref().map(|(at, _)| at), "estate": opened.estate, "complete": opened.complete,
        "grants": campaign.rows.len(), "owners": owners, "waiting": waiting.collect::<Vec<_>>(), "now": stands, "ledger_head": head,
    });
    format!("{all:#}\n")
}

/// What the controls are told of reviews.
///
/// # Errors
/// If the estate is another tenant's, or older than a campaign.
pub(super) fn review_rows(chain: &Chain, now: &Present, at: Instant) -> Result<Vec<ReviewRow>, AppError> {
    let row = |campaign: &Campaign| -> Result<ReviewRow, AppError> {
        now.fits(campaign)?;
        let (approved, denied, narrowed, undecided) = campaign.counts();
        let decided = campaign.rows.len() - undecided;
        let stands = held_against(campaign, now, at);
        let opened = Instant::parse(&campaign.opened_at);
        let made_before =
            |s: &&Stands| Instant::parse(&s.item.created_on).zip(opened).is_some_and(|(made, at)| made < at);
        let missed = stands.iter().filter(|s| s.standing == Standing::New).filter(made_before).count();
        let standing = |all: &[Standing]| stands.iter().filter(|s| all.contains(&s.standing)).count();
        let late = |day: &str| day.get(..10).unwrap_or_default() > campaign.opened.due.as_str();
        Ok(ReviewRow {
            campaign: campaign.opened.campaign.clone(),
            opened_at: Instant::parse(&campaign.opened_at),
            // What is yet to come at the time that is judged at is not closed.
            closed_at: campaign.closed.as_ref().and_then(|(c, _)| Instant::parse(c)).filter(|c| *c <= at),
            due: campaign.opened.due.clone(),
            all_grants: campaign.opened.all_grants,
            grants: campaign.rows.len(),
            decided,
            undecided,
            approved,
            denied: denied + narrowed,
            overdue: standing(&[Standing::Overdue, Standing::Regranted]),
            expired: standing(&[Standing::Expired]),
            drifted: standing(&[Standing::Drifted]),
            new: standing(&[Standing::New]) - missed,
            missed,
            unread: standing(&[Standing::Unread]),
            unproven: standing(&[Standing::Unproven]),
            complete: campaign.opened.complete,
            late: campaign.rows.iter().filter_map(|r| r.decided()).filter(|(day, _)| late(day)).count(),
            acknowledged_by: campaign
                .closed
                .as_ref()
                .map(|(_, c)| c.acknowledged_by.clone())
                .unwrap_or_default(),
        })
    };
    Campaign::all(chain).iter().map(row).collect()
}
