//! Closing a campaign, and handing it out in the columns that auditors know.

use super::{entry_moment, existing, meant, still_open};
use crate::app::error::AppError;
use crate::app::estate::Times;
use crate::policy::people::{says_something, unnamed};
use crate::render::{CsvOptions, csv_text};
use crate::review::{Body, Campaign, Closed, Ledger as _, Progress, Row, Verdict};
use std::path::{Path, PathBuf};

/// How a campaign is closed.
#[derive(Clone, Debug)]
pub struct CloseTerms {
    /// The ledger.
    pub ledger: PathBuf,
    /// The campaign, where several are open.
    pub campaign: Option<String>,
    /// Who of the management acknowledges it, as they say.
    pub acknowledged_by: String,
    /// What they say.
    pub statement: String,
    /// Why undecided grants are accepted.
    pub exceptions: Option<String>,
}

/// Closes a campaign.
///
/// # Errors
/// If grants are undecided and nothing says why that is accepted, or the ledger cannot be written.
pub fn close(terms: &CloseTerms, times: Times) -> Result<String, AppError> {
    let (mut ledger, chain) = existing(&terms.ledger)?;
    let all = Campaign::all(&chain);
    let campaign = still_open(&all, terms.campaign.as_deref())?;
    let undecided: Vec<String> = campaign.undecided().cloned().collect();
    let exceptions = terms.exceptions.clone().unwrap_or_default();
    if let Some(why) = unnamed(&terms.acknowledged_by) {
        return Err(
            AppError::usage(format!("--acknowledged-by {why}")).help("name who of the management does")
        );
    }
    if !undecided.is_empty() && !says_something(&exceptions) {
        let message = format!("{} of {} grants are not decided", undecided.len(), campaign.rows.len());
        return Err(AppError::usage(message)
            .help("leastwise review status lists their owners; to close all the same, say why with --exceptions TEXT"));
    }
    let (approved, denied, narrowed, _) = campaign.counts();
    let closed = Closed {
        campaign: campaign.opened.campaign.clone(),
        grants: campaign.rows.len(),
        approved,
        denied,
        narrowed,
        undecided,
        exceptions,
        acknowledged_by: terms.acknowledged_by.clone(),
        statement: terms.statement.clone(),
    };
    let text = format!(
        "campaign {} is closed: {} grants, {} approved, {} denied, {} narrowed, {} not decided; acknowledged by {}\n",
        closed.campaign,
        closed.grants,
        closed.approved,
        closed.denied,
        closed.narrowed,
        closed.undecided.len(),
        crate::render::clean(&closed.acknowledged_by)
    );
    let chain = ledger.append(entry_moment(times)?, vec![Body::Closed(closed)])?;
    Ok(format!("{text}ledger head {}\n", chain.head()))
}

/// The columns of Entra's review history report.
const HISTORY: &str = "AccessReviewId,AccessReviewSeriesId,ReviewType,ResourceDisplayName,ResourceId,ReviewName,CreatedDateTime,ReviewStartDate,ReviewEndDate,ReviewStatus,OwnerId,OwnerName,OwnerUPN,PrincipalId,PrincipalName,PrincipalUPN,PrincipalType,ReviewDate,ReviewResult,Justification,ReviewerId,ReviewerName,ReviewerUPN,ReviewerEmailAddress,AppliedByName,AppliedByUPN,AppliedByEmailAddress,AppliedDate,AccessRecommendation,SubmissionResult";

/// A campaign as a table with those columns.
///
/// # Errors
/// If the ledger cannot be read.
pub fn export(ledger: &Path, campaign: Option<&str>, options: &CsvOptions) -> Result<Vec<u8>, AppError> {
    let (_, chain) = existing(ledger)?;
    let all = Campaign::all(&chain);
    let campaign = meant(&all, campaign)?;
    let rows: Vec<Vec<String>> = campaign.rows.iter().map(|r| history(campaign, r)).collect();
    csv_text(HISTORY, &rows, options).map_err(|e| AppError::internal(e.to_string()))
}

fn history(campaign: &Campaign, row: &Row) -> Vec<String> {
    let (item, opened) = (&row.item, &campaign.opened);
    let last = row.decisions.last();
    let mail = |who: &str| if who.contains('@') { who.to_owned() } else { String::new() };
    let result = match row.decided().map(|(_, d)| d.verdict) {
        Some(Verdict::Approve) => "Approve",
        // What is narrowed is not approved as it is.
        Some(Verdict::Deny | Verdict::Narrow) => "Deny",
        _ if last.is_some_and(|(_, d)| d.verdict == Verdict::DontKnow) => "Don't know",
        _ => "Not reviewed",
    };
    let recommended = match item.recommendation.as_str() {
        "approve" => "Approve",
        "deny" => "Deny",
        // To be narrowed is neither; the table has no word for it.
        _ => "No Info",
    };
    // What waits for a second approver is not reviewed: who spoke first is told with the reason, and nowhere else.
    let waits = row.progress() == Progress::PendingSecond;
    let spoke = last.filter(|_| !waits);
    let reviewer = spoke.map(|(_, d)| d.reviewer.clone()).unwrap_or_default();
    let justification = last.map_or_else(String::new, |(_, d)| {
        let verdict = match d.verdict {
            Verdict::Narrow => {
                let to = [d.new_role.as_str(), d.new_scope.as_str()];
                let to: Vec<&str> = to.into_iter().filter(|t| !t.is_empty()).collect();
                format!("narrow to {}", to.join(" on "))
            }
            other => other.name().to_owned(),
        };
        match d.verdict {
            _ if waits => {
                format!("waits for a second approver; {} said {verdict}: {}", d.reviewer, d.justification)
            }
            Verdict::Narrow => format!("{verdict}: {}", d.justification),
            _ => d.justification.clone(),
        }
    });
    // Names hold no `;`: what stands behind one is another name.
    let named = match last.filter(|(_, d)| row.may_second(&d.second, &d.reviewer)) {
        Some((_, d)) => format!("{reviewer}; {}", d.second),
        None => reviewer.clone(),
    };
    vec![
        format!("{}/{}", opened.campaign, item.item),
        opened.tenant.clone(),
        "Azure resource role".to_owned(),
        format!("{} on {}", item.role, item.scope),
        item.assignment.clone(),
        opened.campaign.clone(),
        campaign.opened_at.clone(),
        campaign.opened_at.clone(),
        opened.due.clone(),
        if campaign.closed.is_some() { "Completed" } else { "InProgress" }.to_owned(),
        String::new(),
        item.owner.clone(),
        mail(&item.owner),
        item.principal_id.clone(),
        item.identity.clone(),
        String::new(),
        "servicePrincipal".to_owned(),
        spoke.map(|(at, _)| at.clone()).unwrap_or_default(),
        result.to_owned(),
        justification,
        String::new(),
        named,
        mail(&reviewer),
        mail(&reviewer),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        recommended.to_owned(),
        // Whether it was applied is what a later estate shows (`review status`), which this table has not seen.
        String::new(),
    ]
}
