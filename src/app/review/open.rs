//! Opening a campaign.

use super::packets::{self, Packet};
use super::{Now, entry_moment};
use crate::app::Progress;
use crate::app::error::AppError;
use crate::app::ledger::LedgerFile;
use crate::app::policy::Policy;
use crate::app::query::{Ask, Reply};
use crate::model::{Extent, Source};
use crate::rbac::Catalog;
use crate::review::{Body, Campaign, Ledger as _, Opened};
use crate::sources::table::day;
use std::path::PathBuf;

/// In days: what was read longer ago is told.
const FRESH: i64 = 7;

/// What is opened.
#[derive(Clone, Debug)]
pub struct OpenTerms {
    /// Its name.
    pub campaign: String,
    /// The last day for decisions.
    pub due: String,
    /// The ledger.
    pub ledger: PathBuf,
    /// Where packets go.
    pub out: PathBuf,
    /// Only privileged grants.
    pub privileged: bool,
}

/// Opens a campaign: its grants go to the ledger, packets to their owners' files.
///
/// # Errors
/// If the estate cannot be read, the name is taken, or something cannot be written.
pub fn open(
    ask: &Ask,
    terms: &OpenTerms,
    policy: &Policy,
    catalog: &'static Catalog,
    progress: &dyn Progress,
) -> Result<Reply, AppError> {
    let due = day(&terms.due).ok_or_else(|| {
        AppError::usage(format!("`{}` is no day", terms.due)).help("write it as 2026-12-31")
    })?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let first = terms.campaign.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if !first || terms.campaign.len() > 60 || !terms.campaign.chars().all(plain) {
        return Err(AppError::usage(format!("`{}` is no name of a campaign", terms.campaign))
            .help("up to 60 letters, digits, `-`, `_` and `.`, such as 2026-Q4"));
    }
    let at = entry_moment(ask.times)?;
    if due < at.date() {
        return Err(AppError::usage(format!("the day that decisions are due, {due}, is over")));
    }
    let mut ledger = LedgerFile::at(&terms.ledger);
    let earlier = Campaign::all(&ledger.read()?);
    if earlier.iter().any(|c| c.opened.campaign.eq_ignore_ascii_case(&terms.campaign)) {
        return Err(AppError::usage(format!("there is a campaign `{}` already", terms.campaign))
            .help("leastwise review remind writes its packets again"));
    }
    let now = Now::read(ask, policy, catalog, progress)?;
    let items = now.items(policy, &terms.campaign, &earlier, terms.privileged);
    if items.is_empty() {
        return Err(AppError::usage("no identity holds a grant: there is nothing to review"));
    }
    let estate = now.graph.estate();
    let mut missing = crate::app::query::missing(&now.graph);
    if estate.coverage.of(Source::Groups) == Extent::Absent {
        missing.push("members of groups were not read: what is held through them is in no packet".to_owned());
    }
    let complete = missing.is_empty();
    if let Some(read) = now.provenance.collected_at {
        if read > at {
            let message = format!("the estate was read at {read}, after the review is opened ({at})");
            return Err(AppError::usage(message).help("leave --as-of out, or give a time after that"));
        }
        let days = at.days_since(read);
        if days > FRESH {
            missing.push(format!("the estate was read {days} days ago: grants may have changed since"));
        }
    }
    let opened = Opened {
        campaign: terms.campaign.clone(),
        due,
        estate: match &estate.digest {
            Some(digest) => format!("{} ({digest})", now.provenance.name),
            None => now.provenance.name.clone(),
        },
        tenant: estate.tenant.map(|t| estate.strings.text(t).to_owned()).unwrap_or_default(),
        collected_at: now.provenance.collected_at.map(|t| t.to_string()),
        complete,
        all_grants: !terms.privileged,
        grants: items.len(),
        sla_days: policy.config.review.sla_days,
        second_approver: policy.config.review.second_approver.clone(),
    };
    // Before anything is in the ledger: what cannot be written is not opened.
    let packets = terms.out.join("packets");
    packets::empty(&packets)?;
    let mut bodies = vec![Body::Opened(opened)];
    bodies.extend(items.into_iter().map(|i| Body::Item(Box::new(i))));
    let all = Campaign::all(&ledger.append(at, bodies)?);
    let campaign = super::meant(&all, Some(&terms.campaign))?;
    let all = Packet::all(campaign, |_| true);
    let files = packets::write(campaign, &all, &packets)?;
    let privileged = campaign.rows.iter().filter(|r| r.item.privileged).count();
    let text = format!(
        "campaign {}: {} grants of {} owners ({privileged} privileged), due {}\n{} packets in {}\n",
        campaign.opened.campaign,
        campaign.rows.len(),
        all.len(),
        campaign.opened.due,
        files,
        packets.display()
    );
    Ok(Reply { text, notes: missing })
}
