//! Live Azure: into a snapshot with a checkpoint, or straight into an estate to be judged.

use super::Progress;
use super::error::AppError;
use super::journal::{DiskJournal, Purpose};
use super::parts::PART;
use super::store::write_atomically;
use crate::model::{Estate, Instant};
use crate::sources::azure::{
    self, AUTHORITIES, Client, Clock, Cloud, Collected, Failure, Journal, Moments, Surroundings, Target,
    Traffic, Watch,
};
use crate::sources::simulate::Size;
use crate::sources::snapshot;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How to reach Azure, and what to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Live {
    /// The cloud.
    pub cloud: Cloud,
    /// The one credential to use; the chain if none is named.
    pub credential: Option<String>,
    /// Certificates to trust beside the system's.
    pub authorities: Option<PathBuf>,
    /// What to read.
    pub target: Target,
    /// Where credentials look for what they need.
    pub environment: Environment,
    /// How many times as fast as it should the clock for pauses runs: 1, except in tests.
    pub speed: u32,
    /// How many records are held in memory before they are put beside the checkpoint, if not as many as is good.
    pub part: Option<usize>,
}

/// Reads a variable of the environment. A function, so that no secret lies in a value that could be printed.
#[derive(Clone, Copy, Debug)]
pub struct Environment(pub fn(&str) -> Option<String>);

impl PartialEq for Environment {
    fn eq(&self, _: &Environment) -> bool {
        true
    }
}

impl Eq for Environment {}

/// Time that goes as it goes, or faster.
#[derive(Debug)]
pub struct Pace {
    began: std::time::Instant,
    speed: u32,
}

impl Pace {
    /// A clock that runs so many times as fast as it should.
    pub fn new(speed: u32) -> Pace {
        Pace { began: std::time::Instant::now(), speed: speed.max(1) }
    }
}

impl Clock for Pace {
    fn elapsed(&self) -> Duration {
        self.began.elapsed().saturating_mul(self.speed)
    }

    fn sleep(&self, how_long: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(how_long / self.speed))
    }
}

/// How a line of the summary reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The kind of data.
    pub source: &'static str,
    /// `complete`, `partial` or `absent`.
    pub extent: &'static str,
    /// Lists.
    pub lists: usize,
    /// Lists that were given up.
    pub failed: usize,
    /// Pages.
    pub pages: usize,
    /// Items in them, repeats included.
    pub items: usize,
    /// Records that the snapshot has.
    pub kept: usize,
}

/// What a collection came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The digest of the snapshot's lines.
    pub digest: String,
    /// A line for each kind of data.
    pub lines: Vec<Line>,
    /// What is missing, in words.
    pub missing: Vec<String>,
    /// Whether something that was asked for could not be read.
    pub blocked: bool,
    /// Requests, throttled answers, repeats, bytes.
    pub traffic: [u64; 4],
    /// Pages that an earlier run had kept.
    pub resumed: usize,
}

/// Nothing outlives a run that has no file.
struct Forgetful;

impl Journal for Forgetful {
    fn kept(
        &mut self,
        _: &str,
        _: &mut dyn FnMut(&[u8], Instant),
    ) -> std::io::Result<Option<Option<String>>> {
        Ok(None)
    }

    fn keep(&mut self, _: &str, _: &[u8], _: Option<&str>, _: Instant) -> std::io::Result<()> {
        Ok(())
    }
}

struct Shown<'p> {
    progress: &'p dyn Progress,
    clock: Arc<dyn Clock>,
    /// Seconds and lists that were done then: at the last turn of a window, and at the one before.
    turns: Mutex<[(u64, usize); 2]>,
}

/// In seconds: the pace of late says more than that of the whole run, since some lists are asked one a second.
const WINDOW: u64 = 10;

/// Seconds until `left` more lists are done, at the pace since the turn before the last.
fn remaining(turns: &mut [(u64, usize); 2], (now, done): (u64, usize), left: usize) -> Option<u64> {
    let [before, last] = turns;
    if now >= last.0 + WINDOW {
        *before = std::mem::replace(last, (now, done));
    }
    let (took, came) = (now.saturating_sub(before.0), done.saturating_sub(before.1));
    (left as u64 * took).checked_div(came as u64)
}

impl Watch for Shown<'_> {
    fn at(&self, done: usize, known: usize, items: usize, traffic: &Traffic) {
        let read = |n: &std::sync::atomic::AtomicU64| n.load(Ordering::Relaxed);
        let (elapsed, requests) = (self.clock.elapsed().as_secs(), read(&traffic.requests));
        let mut text = format!("collecting: {done} of {known} lists, {items} records");
        if let Some(rate) = requests.checked_div(elapsed) {
            text.push_str(&format!(", {rate} requests/s"));
        }
        // Lists take about the same: how many there are is known once the subscriptions are.
        let left = known.saturating_sub(done);
        let seconds = self.turns.lock().ok().and_then(|mut t| remaining(&mut t, (elapsed, done), left));
        if let Some(seconds) = seconds.filter(|_| elapsed > 5 && done > 50 && left > 0) {
            text.push_str(&format!(", about {seconds} s left"));
        }
        let throttled = read(&traffic.throttled);
        if throttled > 0 {
            text.push_str(&format!(", slowed down {throttled} times"));
        }
        self.progress.tick(&text);
    }
}

/// Collects into a snapshot, going on from a checkpoint if there is one.
///
/// # Errors
/// If nothing could be read, or the snapshot cannot be written.
pub fn collect(live: &Live, to: &Path, now: Instant, progress: &dyn Progress) -> Result<Outcome, AppError> {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let folder = to.with_file_name(name);
    let failed = |e: std::io::Error| {
        let help = match e.kind() {
            std::io::ErrorKind::ResourceBusy => "wait until it is over, or name another file with -o",
            std::io::ErrorKind::StorageFull => {
                "make room and run the same command again: it goes on from the pages that are kept"
            }
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                "name a place that can be written, such as -o tenant.lwsnap"
            }
            _ => "remove that folder to start anew",
        };
        AppError::usage(format!("cannot keep a checkpoint in `{}`: {e}", folder.display())).help(help)
    };
    // Said now, and not after an hour of reading.
    let place = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let odd = std::fs::metadata(to).is_ok_and(|known| !known.is_file());
    if !place.is_dir() || odd || to.file_name().is_none() {
        return Err(AppError::usage(format!("cannot write a snapshot to `{}`", to.display()))
            .help("give a file in a folder that is there, such as -o tenant.lwsnap"));
    }
    let connection = connect(live)?;
    let identity = connection.1.block_on(connection.0.identity()).map_err(|why| no_token(&why))?;
    let purpose = Purpose {
        schema: "leastwise.partial/2".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        asked: format!("{identity} {:?}", live.target),
        began: now.to_string(),
    };
    // What came a day ago is no longer one moment with what comes now.
    let stale = |p: &Purpose| Instant::parse(&p.began).is_none_or(|began| now.days_since(began) >= 1);
    let (mut journal, replaced) = DiskJournal::open(&folder, purpose, stale).map_err(failed)?;
    journal.part = live.part.unwrap_or(PART);
    if replaced {
        progress.step("the checkpoint beside the snapshot is of another run or too old: starting anew");
    }
    let resumed = journal.found;
    if resumed > 0 {
        progress.step(&format!("going on from {resumed} pages of the run of {}", journal.purpose.began));
    }
    let began = Instant::parse(&journal.purpose.began).unwrap_or(now);
    let moments = Moments { collected: began, started: now };
    let collected = run(live, connection, moments, &mut journal, progress).map_err(|e| match e {
        Failure::Journal(e) => failed(e),
        other => told(other),
    })?;
    if collected.interrupted && to.exists() {
        // A snapshot that is whole is worth more than one that broke off.
        let message = format!(
            "the token stopped being accepted, and `{}` was not written over with what came before",
            to.display()
        );
        return Err(AppError::unreachable(message).help(
            "sign in anew, or set a new LEASTWISE_ARM_TOKEN and LEASTWISE_GRAPH_TOKEN, and run the same command again: it goes on from the pages that are kept",
        ));
    }
    progress.step("writing the snapshot");
    let mut digest = String::new();
    write_atomically(to, true, |file| {
        digest = snapshot::write_with(&collected.estate, &collected.records, file)?;
        Ok(())
    })?;
    // A run whose token ended in the middle can be gone on with.
    if !collected.interrupted {
        journal.remove().map_err(failed)?;
    }
    Ok(outcome(&collected, digest, resumed))
}

/// Writes the snapshot of a made-up tenant; gives the digest of its lines.
///
/// # Errors
/// If it cannot be written.
pub fn simulate(size: &Size, seed: u64, to: &Path) -> Result<String, AppError> {
    let estate = crate::sources::simulate::estate(size, seed);
    let mut digest = String::new();
    write_atomically(to, true, |file| {
        digest = snapshot::write(&estate, file)?;
        Ok(())
    })?;
    Ok(digest)
}

/// Reads the live tenant into an estate, by way of the snapshot that a collection would write.
///
/// # Errors
/// If nothing could be read.
pub fn read(live: &Live, now: Instant, progress: &dyn Progress) -> Result<Estate, AppError> {
    let moments = Moments { collected: now, started: now };
    let collected = run(live, connect(live)?, moments, &mut Forgetful, progress).map_err(told)?;
    let mut bytes = Vec::new();
    snapshot::write_with(&collected.estate, &collected.records, &mut bytes)
        .map_err(|e| told(Failure::Journal(e)))?;
    drop(collected);
    let estate = snapshot::read(bytes.as_slice());
    let estate = estate.map_err(|e| AppError::internal(format!("what was collected cannot be read: {e}")))?;
    // It is no file that anybody could name.
    Ok(Estate { digest: None, ..estate })
}

type Connection = (Client, tokio::runtime::Runtime, Arc<dyn Clock>);

fn no_token(why: &str) -> AppError {
    AppError::unreachable(format!("no credential to sign in with: {why}"))
        .help("sign in with `az login`, or set LEASTWISE_ARM_TOKEN and LEASTWISE_GRAPH_TOKEN")
}

fn run(
    live: &Live,
    connection: Connection,
    moments: Moments,
    journal: &mut dyn Journal,
    progress: &dyn Progress,
) -> Result<Collected, Failure> {
    let (client, runtime, clock) = connection;
    let (target, watch) =
        (&live.target, Shown { progress, clock: Arc::clone(&clock), turns: Mutex::default() });
    runtime.block_on(azure::collect(client, clock, target, journal, &watch, moments))
}

/// Why nothing was read, with what to do.
pub(super) fn told(failure: Failure) -> AppError {
    match failure {
        Failure::Unreachable(why) if why.contains("certificate") => {
            AppError::unreachable(format!("nothing could be read from Azure: {why}"))
                .help("a proxy that opens TLS has a certificate of its own: give its authority with --ca-bundle FILE")
        }
        Failure::Unreachable(why) => AppError::unreachable(format!("nothing could be read from Azure: {why}"))
            .help("check the sign-in (`az account show`), the network and the cloud; `leastwise collect --help` lists credentials"),
        // What has no name that the caller sees may be misspelt, or not be for it to see.
        Failure::NotThere(why) => AppError::unreachable(why)
            .help("if it is spelled as it should be, the caller needs a role there; Reader on the root management group is enough: az role assignment create --role Reader --assignee <caller> --scope /providers/Microsoft.Management/managementGroups/<tenant id>"),
        Failure::Contradiction(why) => {
            AppError::usage(why).help("leave out --subscription or --exclude-subscription for it")
        }
        Failure::Journal(e) => AppError::usage(format!("what was collected cannot be kept: {e}")),
    }
}

/// Signs in, and makes what talking to Azure needs.
pub(super) fn connect(live: &Live) -> Result<Connection, AppError> {
    let authorities = live.authorities.as_ref().map(|path| super::read_file(path)).transpose()?;
    let tenant = live.target.tenant.as_deref();
    let client = Client::new(
        live.cloud.clone(),
        live.credential.as_deref(),
        tenant,
        &Surroundings {
            variable: &live.environment.0,
            file: &|path| super::read_file(Path::new(path)).map_err(|e| e.to_string()),
        },
        authorities.as_deref(),
    )
    .map_err(|why| match (&live.authorities, why.strip_prefix(AUTHORITIES)) {
        (Some(path), Some(why)) => AppError::usage(format!("`{}`: {why}", path.display()))
            .help("give certificates in PEM form with --ca-bundle"),
        _ => no_token(&why),
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // They look up names: as many threads as requests would each have memory of their own.
        .max_blocking_threads(4)
        .build()
        .map_err(|e| AppError::internal(format!("no runtime: {e}")))?;
    let clock: Arc<dyn Clock> = Arc::new(Pace::new(live.speed));
    Ok((client, runtime, clock))
}

fn outcome(collected: &Collected, digest: String, resumed: usize) -> Outcome {
    let estate = &collected.estate;
    let lines = estate.coverage.iter().map(|(source, extent)| {
        let tracked = estate.coverage.reading(source).cloned().unwrap_or_default();
        Line {
            source: source.name(),
            extent: extent.name(),
            lists: tracked.lists,
            failed: tracked.failed,
            pages: tracked.pages,
            items: tracked.items,
            kept: estate.count(source) + collected.records.kept(source),
        }
    });
    let asked =
        |g: &&crate::model::Gap| g.reason != crate::model::Reason::NotCollected && g.reason.can_hide();
    let traffic = &collected.traffic;
    let count = |n: &std::sync::atomic::AtomicU64| n.load(Ordering::Relaxed);
    Outcome {
        digest,
        lines: lines.collect(),
        missing: super::missing::lines(&estate.gaps),
        blocked: estate.gaps.iter().any(|g| asked(&g)),
        traffic: [&traffic.requests, &traffic.throttled, &traffic.repeats, &traffic.bytes].map(count),
        resumed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_by_the_pace_of_late() {
        let mut turns = [(0, 0); 2];
        // A hundred a second, then one a second: after two windows the slow pace counts.
        for now in 1..=10 {
            let left = usize::try_from(1300 - now * 100).unwrap();
            let seconds = remaining(&mut turns, (now, usize::try_from(now).unwrap() * 100), left);
            assert_eq!(seconds, Some(13 - now));
        }
        let mut seconds = None;
        for now in 11..=40 {
            let done = 1000 + usize::try_from(now).unwrap() - 10;
            seconds = remaining(&mut turns, (now, done), 1300 - done);
        }
        assert_eq!(seconds, Some(270));
        assert_eq!(remaining(&mut [(0, 0); 2], (3, 0), 5), None);
    }
}
