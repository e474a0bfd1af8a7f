//! Commands of access reviews.

use super::args::{Estate, Policy, SuggestFormat};
use super::commands::{ask, instant, now, places, put};
use super::exit::{self, Code};
use super::terminal::Terminal;
use crate::app::estate::{Input, Times};
use crate::app::query::Ask;
use crate::app::review::{self, CloseTerms, ImportTerms, OpenTerms, StatusForm};
use crate::app::{AppError, policy};
use crate::rbac::Catalog;
use crate::render::CsvOptions;
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use std::io::Write;
use std::path::PathBuf;

/// Where a review lies.
#[derive(ClapArgs, Debug)]
pub(super) struct Which {
    /// The ledger: entries that are only ever appended.
    #[arg(long, value_name = "FILE", default_value = "ledger.jsonl")]
    ledger: PathBuf,
    /// The campaign; without it, the one that is open.
    #[arg(long, value_name = "NAME")]
    campaign: Option<String>,
    /// The time of this run (RFC 3339), in place of the clock's.
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
}

/// What is there now, where it is to be looked at: without any of this, the ledger alone speaks.
#[derive(ClapArgs, Debug)]
pub(super) struct Present {
    /// The embedded tenant.
    #[arg(long, group = "input")]
    demo: bool,
    /// A snapshot of what is there now.
    #[arg(long, value_name = "FILE", group = "input")]
    snapshot: Option<PathBuf>,
    /// A folder of Azure's answers.
    #[arg(long, value_name = "DIR", group = "input")]
    arm_export: Option<PathBuf>,
    /// Logs of use and sign-ins (repeatable).
    #[arg(long, value_name = "PATH")]
    activity: Vec<PathBuf>,
    #[command(flatten)]
    live: super::args::Live,
    #[command(flatten)]
    policy: Policy,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum StatusFormat {
    Text,
    Json,
}

#[derive(Subcommand, Debug)]
pub(super) enum Review {
    /// Open a campaign: every grant of every identity, in packets for their owners.
    #[command(
        after_help = "Examples:\n  leastwise review open --campaign 2026-Q4 --snapshot tenant.lwsnap --due 2026-12-15\n  leastwise review open --campaign privileged --demo --due 2026-06-15 --as-of 2026-06-01T08:00:00Z"
    )]
    Open {
        /// Its name, such as 2026-Q4.
        #[arg(long, value_name = "NAME")]
        campaign: String,
        /// The last day for decisions, in UTC.
        #[arg(long, value_name = "DATE")]
        due: String,
        /// The ledger.
        #[arg(long, value_name = "FILE", default_value = "ledger.jsonl")]
        ledger: PathBuf,
        /// The folder for packets; without it, one with the campaign's name.
        #[arg(short, long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Only grants that can do harm beyond their own resources.
        #[arg(long)]
        privileged: bool,
        #[command(flatten)]
        estate: Box<Estate>,
        #[command(flatten)]
        policy: Policy,
    },
    /// Write a reminder for each owner with rows to decide, with the packet of what is left.
    #[command(after_help = "Example:\n  leastwise review remind --campaign 2026-Q4 -o reminders")]
    Remind {
        #[command(flatten)]
        which: Which,
        /// The folder.
        #[arg(short, long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Import packets that came back: every row of every file, or nothing.
    #[command(
        after_help = "Example:\n  leastwise review import 2026-Q4/packets/*.csv --by ci@contoso.com\n  leastwise review import crm-filled-in.xlsx --by ci@contoso.com\n\nExits with 1 if anything is refused; then nothing is imported."
    )]
    Import {
        /// The packets.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        which: Which,
        /// Who decided, where a row names nobody.
        #[arg(long, value_name = "NAME")]
        reviewer: Option<String>,
        /// Who imports. It is recorded as said, not proven.
        #[arg(long, value_name = "NAME", default_value = "unknown")]
        by: String,
        /// Only say what would be taken.
        #[arg(long)]
        dry_run: bool,
    },
    /// Say how far a campaign is; with an estate, what became of its decisions.
    #[command(
        after_help = "Examples:\n  leastwise review status\n  leastwise review status --campaign 2026-Q4 --snapshot today.lwsnap --fail-overdue"
    )]
    Status {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        present: Present,
        /// The form of the answer.
        #[arg(long, value_enum, default_value = "text")]
        format: StatusFormat,
        /// Exit with 6 if decisions, removals or approvals are overdue.
        #[arg(long)]
        fail_overdue: bool,
    },
    /// Print what is to be done about what was decided: create before delete, and the way back. Nothing is run.
    #[command(
        after_help = "Examples:\n  leastwise review plan --campaign 2026-Q4\n  leastwise review plan --snapshot today.lwsnap --format terraform"
    )]
    Plan {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        present: Present,
        /// The form of the answer.
        #[arg(long, value_enum, default_value = "text")]
        format: SuggestFormat,
    },
    /// Close a campaign, acknowledged by the management.
    #[command(
        after_help = "Example:\n  leastwise review close --campaign 2026-Q4 --acknowledged-by \"A. Manager, CISO\" --statement \"reviewed and accepted\""
    )]
    Close {
        #[command(flatten)]
        which: Which,
        /// Who acknowledges it. It is recorded as said, not proven.
        #[arg(long, value_name = "NAME")]
        acknowledged_by: String,
        /// What they say.
        #[arg(long, value_name = "TEXT", default_value = "")]
        statement: String,
        /// Why grants that nobody decided are accepted.
        #[arg(long, value_name = "TEXT")]
        exceptions: Option<String>,
    },
    /// Print a campaign in the columns of Entra's review history report.
    #[command(after_help = "Example:\n  leastwise review export --campaign 2026-Q4 > history.csv")]
    Export {
        #[command(flatten)]
        which: Which,
        /// CSV without the guard against formulas.
        #[arg(long)]
        csv_raw: bool,
        /// CSV with a byte-order mark.
        #[arg(long)]
        csv_bom: bool,
    },
}

fn times(as_of: Option<&str>) -> Result<Times, AppError> {
    Ok(Times { as_of: instant(as_of)?, now: now() })
}

/// The grants that are there now, if an estate was named.
fn present(
    which: &Which,
    present: &Present,
    catalog: &'static Catalog,
    terminal: &Terminal,
) -> Result<Option<review::Present>, AppError> {
    let snapshot = present.snapshot.clone().map(Input::Snapshot);
    let named = snapshot.or_else(|| present.arm_export.clone().map(Input::ArmExport));
    let named = named.or_else(|| present.demo.then_some(Input::Demo));
    let Some(input) = super::commands::told_of(named, &present.live)? else { return Ok(None) };
    let loaded = policy::load(&places(&present.policy, &input))?;
    let ask = Ask { input, activity: present.activity.clone(), times: times(which.as_of.as_deref())? };
    let found = review::current(&ask, &loaded, catalog, terminal)?;
    terminal.done();
    Ok(Some(found))
}

pub(super) fn run(
    command: Review,
    catalog: &'static Catalog,
    out: &mut dyn Write,
    terminal: &Terminal,
) -> Result<Code, AppError> {
    match command {
        Review::Open { campaign, due, ledger, out: to, privileged, estate, policy } => {
            let ask = ask(&estate)?;
            let loaded = policy::load(&places(&policy, &ask.input))?;
            let to = to.unwrap_or_else(|| ledger.with_file_name(&campaign));
            let terms = OpenTerms { campaign, due, ledger, out: to, privileged };
            let reply = review::open(&ask, &terms, &loaded, catalog, terminal)?;
            terminal.done();
            reply.notes.iter().for_each(|n| terminal.warn(n));
            put(out, &reply.text)
        }
        Review::Remind { which, out: to } => {
            let times = times(which.as_of.as_deref())?;
            put(out, &review::remind(&which.ledger, which.campaign.as_deref(), &to, times)?)
        }
        Review::Import { files, which, reviewer, by, dry_run } => {
            let times = times(which.as_of.as_deref())?;
            let terms =
                ImportTerms { ledger: which.ledger, campaign: which.campaign, files, reviewer, by, dry_run };
            let (text, refused) = review::import(&terms, catalog, times)?;
            put(out, &text)?;
            Ok(if refused { exit::FAILED } else { exit::DONE })
        }
        Review::Status { which, present: at, format, fail_overdue } => {
            let current = present(&which, &at, catalog, terminal)?;
            let form = match format {
                StatusFormat::Text => StatusForm::Text,
                StatusFormat::Json => StatusForm::Json,
            };
            let times = times(which.as_of.as_deref())?;
            let told =
                review::status(&which.ledger, which.campaign.as_deref(), current.as_ref(), times, form)?;
            put(out, &told.text)?;
            Ok(if told.overdue && fail_overdue { exit::OVERDUE } else { exit::DONE })
        }
        Review::Plan { which, present: at, format } => {
            let current = present(&which, &at, catalog, terminal)?;
            let form = format.form();
            let (text, notes) =
                review::plan(&which.ledger, which.campaign.as_deref(), form, current.as_ref(), catalog)?;
            notes.iter().for_each(|n| terminal.warn(n));
            put(out, &text)
        }
        Review::Close { which, acknowledged_by, statement, exceptions } => {
            let times = times(which.as_of.as_deref())?;
            let terms = CloseTerms {
                ledger: which.ledger,
                campaign: which.campaign,
                acknowledged_by,
                statement,
                exceptions,
            };
            put(out, &review::close(&terms, times)?)
        }
        Review::Export { which, csv_raw, csv_bom } => {
            let options = CsvOptions { raw: csv_raw, bom: csv_bom, ..CsvOptions::default() };
            let table = review::export(&which.ledger, which.campaign.as_deref(), &options)?;
            put(out, &String::from_utf8_lossy(&table))
        }
    }
}
