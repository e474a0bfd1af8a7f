//! Commands over time: what changed, and the database of many runs.

use super::args::Policy;
use super::commands::{instant, now, places, put};
use super::exit::{self, Code};
use super::terminal::Terminal;
use crate::app::estate::{Input, Times};
use crate::app::{AppError, Progress as _, diff, history as database, policy};
use crate::render::CsvOptions;
use clap::{Args as ClapArgs, ValueEnum};
use std::io::Write;
use std::path::PathBuf;

#[derive(ClapArgs, Debug)]
pub(super) struct Diff {
    /// The snapshot before.
    old: PathBuf,
    /// The snapshot after.
    new: PathBuf,
    /// Write into this folder: diff.json, changes.csv, diff.html.
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// A format (repeatable with -o; text without).
    #[arg(long, value_enum)]
    format: Vec<DiffFormat>,
    /// Judge as of this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
    #[command(flatten)]
    policy: Policy,
}

#[derive(ClapArgs, Debug)]
pub(super) struct History {
    /// findings.json of runs, snapshots, ledgers, and bundles of evidence.
    #[arg(required = true, value_name = "PATH")]
    inputs: Vec<PathBuf>,
    /// The database. It is made anew.
    #[arg(short, long, value_name = "FILE", default_value = "history.db")]
    out: PathBuf,
}

pub(super) fn history(args: &History, terminal: &Terminal) -> Result<Code, AppError> {
    terminal.step("starting");
    let made = database::make(&args.inputs, &args.out, terminal)?;
    terminal.done();
    let (runs, snapshots, ledgers) = (made.runs, made.snapshots, made.ledgers);
    let shown = args.out.display();
    if made.twice > 0 {
        terminal.say(&format!("{} file(s) came more than once, and count once", made.twice));
    }
    terminal.say(&format!("wrote {shown}: {runs} run(s), {snapshots} snapshot(s), {ledgers} ledger(s)"));
    Ok(exit::DONE)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum DiffFormat {
    Text,
    Json,
    Csv,
    Html,
}

impl DiffFormat {
    fn form(self) -> diff::Form {
        match self {
            DiffFormat::Text => diff::Form::Text,
            DiffFormat::Json => diff::Form::Json,
            DiffFormat::Csv => diff::Form::Csv,
            DiffFormat::Html => diff::Form::Html,
        }
    }
}

pub(super) fn diff(
    args: &Diff,
    catalog: &'static crate::rbac::Catalog,
    out: &mut dyn Write,
    terminal: &Terminal,
) -> Result<Code, AppError> {
    let mut forms: Vec<diff::Form> = args.format.iter().map(|f| f.form()).collect();
    if forms.len() > 1 && args.out.is_none() {
        return Err(AppError::usage("several formats were asked for, and one goes to standard output")
            .help("name a folder with -o DIR, or give one --format"));
    }
    let loaded = policy::load(&places(&args.policy, &Input::Snapshot(args.new.clone())))?;
    let times = Times { as_of: instant(args.as_of.as_deref())?, now: now() };
    terminal.step("starting");
    let found = diff::compare((&args.old, &args.new), times, &loaded, catalog, terminal)?;
    terminal.done();
    found.missing.iter().for_each(|n| terminal.warn(n));
    match &args.out {
        Some(folder) => {
            if forms.is_empty() {
                forms = vec![diff::Form::Json, diff::Form::Csv, diff::Form::Html];
            }
            for file in diff::write(&found, &forms, &CsvOptions::default(), folder)? {
                terminal.say(&format!("wrote {}", file.display()));
            }
            Ok(exit::DONE)
        }
        None => {
            let form = forms.first().copied().unwrap_or(diff::Form::Text);
            let bytes = diff::rendered(&found, form, &CsvOptions::default())?;
            put(out, &String::from_utf8_lossy(&bytes))
        }
    }
}
