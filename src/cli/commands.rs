//! One arm for each command: from what was typed to a use-case, and from its answer to standard output.

use super::args::{
    Args, Audit, Catalog, Check, Command, Estate, PathFormat, Policy, Roles, Rules, SheetFormat, Sure,
};
use super::exit::{self, Code};
use super::roles::show_role;
use super::terminal::Terminal;
use crate::app::audit::{Outcome, Output, Request, audit};
use crate::app::estate::{Input, Times};
use crate::app::path::{Question, path};
use crate::app::policy::Places;
use crate::app::query::{Ask, can};
use crate::app::who_can::who_can;
use crate::app::{
    AppError, Progress as _, catalog, init, make_folder, policy, roles, rules, schema, write_atomically,
};
use crate::finding::{Confidence, Severity};
use crate::model::{Instant, Operation};
use crate::rbac::Certainty;
use crate::render::{CsvOptions, Format, clean};
use crate::sources::simulate::Size;
use clap::CommandFactory as _;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub(super) fn run(args: Args, terminal: &Terminal) -> Result<Code, AppError> {
    let catalog: &'static crate::rbac::Catalog = match &args.global.catalog {
        // Lives as long as the program: everything that is compiled from it points into it.
        Some(path) => Box::leak(Box::new(catalog::open(path)?)),
        None => crate::rbac::Catalog::embedded(),
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    let code = match args.command {
        Command::Audit(args) => run_audit(&args, catalog, &mut out, terminal)?,
        Command::Check(args) => run_check(&args, catalog, &mut out, terminal)?,
        Command::Collect { out: to, live } => super::live::collect(&to, &live, now(), terminal)?,
        Command::Doctor { role_json, live } => {
            if role_json {
                let role = crate::app::doctor::role_json(live.tenant.as_deref(), &super::live::scopes(&live));
                put(&mut out, &format!("{role:#}\n"))?
            } else {
                terminal.step("asking what may be read");
                let rules = policy::load(&Places::default())?.rules;
                let diagnosis = crate::app::doctor::examine(&super::live::live(&live)?, &rules)?;
                terminal.done();
                put(&mut out, &diagnosis.text)?;
                if diagnosis.well { exit::DONE } else { exit::BLOCKED }
            }
        }
        Command::Simulate { subscriptions, seed, assignments, identities, out: to } => {
            let size = Size { subscriptions, assignments, identities, ..Size::default() };
            let digest = crate::app::collect::simulate(&size, seed, &to)?;
            terminal.say(&format!("wrote {} ({digest})", to.display()));
            exit::DONE
        }
        Command::Can { identity, on, format, estate, policy } => {
            let ask = ask(&estate)?;
            let loaded = policy::load(&places(&policy, &ask.input))?;
            let reply = can(
                &ask,
                &loaded,
                &identity,
                on.as_deref(),
                format == SheetFormat::Markdown,
                catalog,
                terminal,
            )?;
            terminal.done();
            reply.notes.iter().for_each(|n| terminal.warn(n));
            put(&mut out, &reply.text)?
        }
        Command::WhoCan { action, on, data, estate } => {
            let ask = ask(&estate)?;
            let operation = if data { Operation::data(&action) } else { Operation::control(&action) };
            let reply = who_can(&ask, &operation, on.as_deref(), catalog, terminal)?;
            terminal.done();
            reply.notes.iter().for_each(|n| terminal.warn(n));
            if reply.text.is_empty() {
                terminal.say(&format!("nobody can `{action}`, as far as the estate shows"));
            }
            put(&mut out, &reply.text)?
        }
        Command::Path { identity, to, min_confidence, format, estate } => {
            let ask = ask(&estate)?;
            let at_least = match min_confidence {
                Sure::High => Certainty::High,
                Sure::Medium => Certainty::Medium,
                Sure::Low => Certainty::Low,
                Sure::Doubtful => Certainty::Doubtful,
            };
            let json = format == PathFormat::Json;
            let question = Question { who: &identity, to: to.as_deref(), at_least, json };
            let reply = path(&ask, question, catalog, terminal)?;
            terminal.done();
            reply.notes.iter().for_each(|n| terminal.warn(n));
            put(&mut out, &reply.text)?
        }
        Command::Evidence(command) => super::evidence::run(*command, catalog, &mut out, terminal)?,
        Command::Review(command) => super::reviews::run(*command, catalog, &mut out, terminal)?,
        Command::History(args) => super::history::history(&args, terminal)?,
        Command::Diff(args) => super::history::diff(&args, catalog, &mut out, terminal)?,
        Command::Roles(Roles::Show { role }) => {
            put(&mut out, &show_role(catalog, &roles::find(catalog, &role)?))?
        }
        Command::Roles(Roles::Check { role, action, data, batch }) => {
            if batch {
                roles::check_batch(catalog, std::io::stdin().lock(), &mut out)?;
                exit::DONE
            } else {
                let role = roles::find(catalog, role.as_deref().unwrap_or_default())?;
                let action = action.unwrap_or_default();
                let operation = if data { Operation::data(&action) } else { Operation::control(&action) };
                crate::app::query::known(&operation, catalog)?;
                put(&mut out, &format!("{}\n", roles::check(catalog, &role, &operation).name()))?
            }
        }
        Command::Roles(Roles::Suggest { identity: Some(identity), format, estate, .. }) => {
            let reply = crate::app::right_size::for_identity(
                &ask(&estate)?,
                &identity,
                format.form(),
                catalog,
                terminal,
            )?;
            terminal.done();
            reply.notes.iter().for_each(|n| terminal.warn(n));
            put(&mut out, &reply.text)?
        }
        Command::Roles(Roles::Suggest { need, on, format, .. }) => {
            let form = format.form();
            let needs = crate::app::suggest::Needs { operations: need, on, form };
            put(&mut out, &crate::app::suggest::for_needs(&needs, catalog)?)?
        }
        Command::Rules(command) => run_rules(command, &mut out, terminal)?,
        Command::Explain { slug, rules } => {
            put(&mut out, &page(&slug, &Places { rules, ..Places::default() })?)?
        }
        Command::Catalog(Catalog::Info) => {
            let info = catalog::info(catalog);
            let text = format!(
                "date {}\ndigest {}\nbuilt-in roles {}\ncontrol-plane operations {}\ndata-plane operations {}\n",
                info.date, info.digest, info.roles, info.control, info.data
            );
            put(&mut out, &text)?
        }
        Command::Catalog(Catalog::Update { files, date, out: to, live }) => {
            let (read, info) = match (files.as_slice(), date) {
                ([], date) => {
                    terminal.step("asking for roles and operations");
                    let live = super::live::live(&live)?;
                    catalog::update_live(&live, &date.unwrap_or_else(|| now().date()), &to)?
                }
                (files, Some(date)) => catalog::update(files, &date, &to)?,
                (_, None) => {
                    return Err(AppError::usage("the day of the newest fact is missing")
                        .help("add --date, such as --date 2026-08-22"));
                }
            };
            terminal.done();
            for file in read {
                let r = file.read;
                terminal.say(&format!(
                    "{}: {} roles, {} names, {} operations, {} skipped",
                    file.name, r.roles, r.names, r.operations, r.skipped
                ));
            }
            let known = catalog::info(catalog);
            if info.roles * 10 < known.roles * 9
                || (info.control + info.data) * 10 < (known.control + known.data) * 9
            {
                terminal.warn(&format!(
                    "it has {} roles and {} operations, and the one in use has {} and {}: was everything given?",
                    info.roles,
                    info.control + info.data,
                    known.roles,
                    known.control + known.data
                ));
            }
            terminal.say(&format!(
                "wrote {} with {} roles and {} operations",
                to.display(),
                info.roles,
                info.control + info.data
            ));
            exit::DONE
        }
        Command::Schema { name } => put(&mut out, &format!("{}\n", schema::schema(&name)?))?,
        Command::Init { estate, folder } => {
            let input = input_of(&estate);
            let path = init::init(&folder, input.as_ref(), times(&estate)?, terminal)?;
            terminal.done();
            terminal.say(&format!("wrote {}", path.display()));
            write_baseline(&folder, times(&estate)?, catalog, terminal)?;
            exit::DONE
        }
        Command::Completions { shell } => {
            let mut command = Args::command();
            // In memory first: the library takes a reader that stops for a bug.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "leastwise", &mut script);
            written(out.write_all(&script))?;
            exit::DONE
        }
        Command::Man { dir } => {
            make_folder(&dir)?;
            man(&Args::command(), "leastwise", &dir)?;
            exit::DONE
        }
    };
    written(out.flush())?;
    terminal.done();
    Ok(code)
}

/// Whoever reads our output may stop reading: that is no failure.
fn written(result: std::io::Result<()>) -> Result<(), AppError> {
    match result {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(AppError::usage(format!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}

pub(super) fn put(out: &mut dyn Write, text: &str) -> Result<Code, AppError> {
    written(out.write_all(text.as_bytes()))?;
    Ok(exit::DONE)
}

pub(super) fn now() -> Instant {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    Instant::from_seconds(i64::try_from(since).unwrap_or(i64::MAX))
}

fn times(estate: &Estate) -> Result<Times, AppError> {
    Ok(Times { as_of: instant(estate.as_of.as_deref())?, now: now() })
}

pub(super) fn instant(text: Option<&str>) -> Result<Option<Instant>, AppError> {
    let Some(text) = text else { return Ok(None) };
    let bad = || {
        AppError::usage(format!("`{text}` is no time"))
            .help("expected RFC 3339, such as 2026-06-01T08:00:00Z")
    };
    Instant::parse(text).ok_or_else(bad).map(Some)
}

fn input_of(estate: &Estate) -> Option<Input> {
    if estate.demo {
        return Some(Input::Demo);
    }
    let snapshot = estate.snapshot.clone().map(Input::Snapshot);
    snapshot.or_else(|| estate.arm_export.clone().map(Input::ArmExport))
}

fn input(estate: &Estate) -> Result<Input, AppError> {
    match told_of(input_of(estate), &estate.live)? {
        Some(input) => Ok(input),
        None => Ok(Input::Live(Box::new(super::live::live(&estate.live)?))),
    }
}

/// The estate that options name: live Azure only where one of its own says so.
///
/// # Errors
/// If they name two.
pub(super) fn told_of(named: Option<Input>, live: &super::args::Live) -> Result<Option<Input>, AppError> {
    match (named, *live != super::args::Live::default()) {
        (Some(_), true) => {
            Err(AppError::usage("options for live Azure were given together with another estate")
                .help("leave out --demo, --snapshot or --arm-export, or the options for live Azure"))
        }
        (None, true) => Ok(Some(Input::Live(Box::new(super::live::live(live)?)))),
        (named, false) => Ok(named),
    }
}

pub(super) fn ask(estate: &Estate) -> Result<Ask, AppError> {
    Ok(Ask { input: input(estate)?, activity: estate.activity.clone(), times: times(estate)? })
}

pub(super) fn places(policy: &Policy, input: &Input) -> Places {
    let start = std::env::current_dir().ok();
    Places {
        config: policy.config.clone(),
        start,
        rules: policy.rules.clone(),
        from: None,
        demo: *input == Input::Demo,
    }
}

fn run_audit(
    args: &Audit,
    catalog: &'static crate::rbac::Catalog,
    out: &mut dyn Write,
    terminal: &Terminal,
) -> Result<Code, AppError> {
    let input = input(&args.estate)?;
    let fail_on = severity(&args.fail_on)?;
    let (default_files, alone) = (vec![Format::Html, Format::Csv, Format::Json], Format::Text);
    let output = output(&args.output, fail_on, default_files, alone)?;
    if output.formats.contains(&Format::Sarif) && output.anchor.is_none() {
        return Err(AppError::usage("a tenant has no files for SARIF to point at")
            .help("name a file of the repository with --sarif-anchor PATH"));
    }
    let policy = policy::load(&places(&args.policy, &input))?;
    let request =
        Request { input, activity: args.estate.activity.clone(), times: times(&args.estate)?, output };
    terminal.step("starting");
    let outcome = audit(&request, &policy, catalog, out, terminal)?;
    Ok(told(&outcome, &args.output, fail_on, terminal))
}

fn run_check(
    args: &Check,
    catalog: &'static crate::rbac::Catalog,
    out: &mut dyn Write,
    terminal: &Terminal,
) -> Result<Code, AppError> {
    let fail_on = severity(&args.fail_on)?;
    let default_files = vec![Format::Json, Format::Sarif, Format::Markdown];
    let mut output = output(&args.output, fail_on, default_files, Format::Text)?;
    output.baseline.clone_from(&args.baseline);
    output.write_baseline.clone_from(&args.write_baseline);
    output.all = args.all;
    let start = std::env::current_dir().ok();
    let folder = start.as_deref().unwrap_or(std::path::Path::new("."));
    let from = args.policy_from.as_deref().map(|name| crate::app::Ref::open(folder, name)).transpose()?;
    let places = Places {
        config: args.policy.config.clone(),
        start: start.clone(),
        rules: args.policy.rules.clone(),
        from,
        demo: false,
    };
    let policy = policy::load(&places)?;
    let times = Times { as_of: instant(args.as_of.as_deref())?, now: now() };
    let request = crate::app::check::Request {
        source: args.source.clone(),
        parameters: parameters(&args.set)?,
        var_files: args.var_file.clone(),
        against: args.against.clone(),
        at: args.at.clone(),
        ..of_code(args.paths.clone(), times, output)
    };
    let outcome = crate::app::check::check(&request, &policy, catalog, out, terminal)?;
    Ok(told(&outcome, &args.output, fail_on, terminal))
}

/// A check of code, with nothing said of it.
fn of_code(paths: Vec<std::path::PathBuf>, times: Times, output: Output) -> crate::app::check::Request {
    crate::app::check::Request {
        paths,
        source: None,
        parameters: std::collections::HashMap::new(),
        var_files: Vec::new(),
        against: None,
        at: None,
        restored: restored_modules(),
        here: std::env::current_dir().ok(),
        times,
        output,
    }
}

/// Writes what the code in a folder has today beside its new configuration, if there is any: what comes later counts.
fn write_baseline(
    folder: &std::path::Path,
    times: Times,
    catalog: &'static crate::rbac::Catalog,
    terminal: &Terminal,
) -> Result<(), AppError> {
    let file = folder.join("leastwise-baseline.json");
    if file.exists() {
        terminal.say(&format!("{} is already there, and stays", file.display()));
        return Ok(());
    }
    let start = folder.canonicalize().ok();
    let places = Places { config: None, start, rules: Vec::new(), from: None, demo: false };
    let policy = policy::load(&places)?;
    let output = Output {
        formats: vec![Format::Text],
        out: None,
        csv: CsvOptions::default(),
        ledger: None,
        previous: Vec::new(),
        baseline: None,
        write_baseline: Some(file.clone()),
        anchor: None,
        fail_on: None,
        min_confidence: Confidence::Medium,
        all: false,
    };
    let request = of_code(vec![folder.to_owned()], times, output);
    match crate::app::check::check(&request, &policy, catalog, &mut std::io::sink(), terminal) {
        Ok(_) => {
            terminal.done();
            terminal.say(&format!(
                "wrote {}: with check --baseline {} only new findings count",
                file.display(),
                file.display()
            ));
        }
        // A folder without code needs none.
        Err(error) => {
            terminal.done();
            terminal.say(&format!("no baseline: {error}"));
        }
    }
    Ok(())
}

/// The folder that `bicep restore` puts modules into.
fn restored_modules() -> Option<std::path::PathBuf> {
    let named = std::env::var_os("BICEP_CACHE_DIRECTORY").filter(|d| !d.is_empty());
    let home = || std::env::home_dir().map(|home| home.join(".bicep"));
    named.map(std::path::PathBuf::from).or_else(home)
}

/// `NAME=VALUE`, where the value is JSON or else a text.
fn parameters(set: &[String]) -> Result<std::collections::HashMap<String, serde_json::Value>, AppError> {
    let one = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
            Ok((name.to_owned(), value))
        }
        _ => Err(AppError::usage(format!("`{text}` names no parameter")).help("expected NAME=VALUE")),
    };
    set.iter().map(one).collect()
}

fn severity(name: &str) -> Result<Option<Severity>, AppError> {
    match name {
        "none" => Ok(None),
        name => Severity::named(name).map(Some).ok_or_else(|| {
            AppError::usage(format!("`{name}` is no severity"))
                .help("expected critical, high, medium, low, info or none")
        }),
    }
}

fn output(
    args: &super::args::Output,
    fail_on: Option<Severity>,
    files: Vec<Format>,
    alone: Format,
) -> Result<Output, AppError> {
    let min_confidence = Confidence::named(&args.min_confidence).ok_or_else(|| {
        AppError::usage(format!("`{}` is no confidence", args.min_confidence))
            .help("expected high, medium or low")
    })?;
    let mut formats = Vec::new();
    for name in &args.format {
        let names: Vec<&str> = Format::ALL.iter().map(|f| f.name()).collect();
        let found = Format::named(name).ok_or_else(|| {
            AppError::usage(format!("`{name}` is no format"))
                .help(format!("expected one of {}", names.join(", ")))
        })?;
        formats.push(found);
    }
    if formats.is_empty() {
        formats = if args.out.is_some() { files } else { vec![alone] };
    }
    let files_only = formats.contains(&Format::Csv) || formats.contains(&Format::Xlsx);
    if args.out.is_none() && (formats.len() > 1 || files_only) {
        return Err(AppError::usage("these formats go to files").help("give a folder with -o DIR"));
    }
    let delimiter = match args.csv_delimiter.as_bytes() {
        [one] if !matches!(one, b'"' | b'\r' | b'\n') => *one,
        _ => {
            return Err(AppError::usage(format!("`{}` cannot stand between fields", args.csv_delimiter))
                .help("expected one character, such as ;"));
        }
    };
    Ok(Output {
        formats,
        out: args.out.clone(),
        csv: CsvOptions { raw: args.csv_raw, bom: args.csv_bom, delimiter },
        ledger: args.ledger.clone(),
        previous: args.previous.clone(),
        baseline: None,
        write_baseline: None,
        anchor: args.sarif_anchor.clone(),
        fail_on,
        min_confidence,
        all: false,
    })
}

/// What came of a run, in words and as a code.
fn told(
    outcome: &Outcome,
    args: &super::args::Output,
    fail_on: Option<Severity>,
    terminal: &Terminal,
) -> Code {
    terminal.done();
    if args.out.is_some() {
        terminal.say(&outcome.summary);
        let files: Vec<String> = outcome.files.iter().map(|f| f.display().to_string()).collect();
        terminal.say(&format!("wrote {}", files.join(", ")));
    }
    if let Some(new) = outcome.new {
        terminal.say(&format!("{new} finding(s) are new since the earlier run"));
    }
    exit::of_audit(outcome, fail_on.is_some(), args.require_complete, args.fail_overdue)
}

fn page(slug: &str, places: &Places) -> Result<String, AppError> {
    let loaded = policy::load(places)?;
    let rule = loaded.rules.get(slug).ok_or_else(|| {
        AppError::usage(format!("there is no rule `{slug}`")).help("`leastwise rules list` shows them")
    })?;
    Ok(rules::page(rule))
}

fn run_rules(command: Rules, out: &mut dyn Write, terminal: &Terminal) -> Result<Code, AppError> {
    let places_of = |policy: &Policy| Places {
        from: None,
        config: policy.config.clone(),
        start: None,
        rules: policy.rules.clone(),
        demo: false,
    };
    match command {
        Rules::List { policy } => {
            let loaded = policy::load(&places_of(&policy))?;
            for rule in loaded.rules.iter() {
                let state = if rule.enabled { rule.severity.name() } else { "off" };
                put(out, &format!("{:<34} {state:<9} {}\n", rule.slug(), rule.text.title))?;
            }
            Ok(exit::DONE)
        }
        Rules::Show { slug, policy } => put(out, &page(&slug, &places_of(&policy))?),
        Rules::Test { dir, policy } => {
            let more = policy::more_rules(&policy.rules)?;
            let results = rules::test(&dir, &more)?;
            let mut failed = 0;
            for result in &results {
                let word = if result.problems.is_empty() { "ok" } else { "FAILED" };
                failed += usize::from(!result.problems.is_empty());
                put(out, &format!("{word:<7} {}: {}\n", clean(&result.path), clean(&result.says)))?;
                for problem in &result.problems {
                    put(out, &format!("        {}\n", clean(problem)))?;
                }
            }
            terminal.say(&format!("{} case(s), {failed} failed", results.len()));
            Ok(if failed > 0 { exit::FAILED } else { exit::DONE })
        }
        Rules::Docs { dir } => {
            let loaded = policy::load(&Places::default())?;
            let write = |path: PathBuf, text: &str| {
                write_atomically(&path, false, |file| file.write_all(text.as_bytes()))
            };
            for rule in loaded.rules.iter() {
                write(dir.join(format!("{}.md", rule.slug())), &rules::page(rule))?;
            }
            write(dir.join("README.md"), &rules::index(&loaded.rules))?;
            write(dir.join("techniques.md"), &rules::techniques_page())?;
            Ok(exit::DONE)
        }
    }
}

fn man(command: &clap::Command, name: &str, dir: &Path) -> Result<(), AppError> {
    let page = clap_mangen::Man::new(command.clone().display_name(name.to_owned())).title(name.to_owned());
    write_atomically(&dir.join(format!("{name}.1")), false, |file| {
        let mut bytes = Vec::new();
        page.render(&mut bytes)?;
        file.write_all(&bytes)
    })?;
    for sub in command.get_subcommands().filter(|s| !s.is_hide_set() && s.get_name() != "help") {
        man(sub, &format!("{name}-{}", sub.get_name()), dir)?;
    }
    Ok(())
}
