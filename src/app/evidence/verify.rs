//! Checking a bundle: every byte, file, name and link, the signature, and, by replay, that what is sealed gives what is told.

use super::manifest::{Manifest, SCHEMA};
use super::{
    CATALOG, CONFIG, LEDGER, MANIFEST, OWN_RULES, RULES, SIGNATURE, SNAPSHOT, SUMS, WAIVERS, conclusions,
    derived, seal, sha256, sums,
};
use crate::app::Progress;
use crate::app::error::AppError;
use crate::app::policy::{Texts, from_texts};
use crate::app::store::read_file;
use crate::model::Instant;
use crate::rbac::Catalog;
use crate::report::Provenance;
use crate::review::Chain;
use crate::sources::snapshot;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Files that a replay makes again.
const REPLAYED: [&str; 7] = [
    "report.html",
    "findings.csv",
    "identities.csv",
    "assignments.csv",
    "controls.csv",
    "findings.json",
    "oscal.json",
];

/// What is checked.
#[derive(Clone, Debug)]
pub struct VerifyTerms {
    /// The bundles, the oldest first.
    pub bundles: Vec<PathBuf>,
    /// Judge once more, and compare.
    pub replay: bool,
    /// Who may have signed, as OpenSSH's file of allowed signers.
    pub allowed_signers: Option<PathBuf>,
    /// The digest of the last bundle's list, as kept elsewhere.
    pub expect_head: Option<String>,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verified {
    /// For standard output.
    pub text: String,
    /// Whether something is wrong.
    pub failed: bool,
    /// Whether something could not be compared, because another version made it.
    pub incomparable: bool,
}

/// Checks bundles.
///
/// # Errors
/// If one cannot be read at all.
pub fn verify(
    terms: &VerifyTerms,
    catalog: &'static Catalog,
    progress: &dyn Progress,
) -> Result<Verified, AppError> {
    let mut all = Verified::default();
    let mut before: Option<String> = None;
    for (at, bundle) in terms.bundles.iter().enumerate() {
        progress.step(&format!("checking {}", bundle.display()));
        let mut check = Check { root: bundle, problems: Vec::new(), notes: Vec::new(), incomparable: false };
        let manifest = check.files()?;
        let head = fs::read(bundle.join(SUMS)).map(|b| sha256(&b)).unwrap_or_default();
        if let Some(manifest) = &manifest {
            match (&before, &manifest.previous) {
                (None, Some(previous)) if at == 0 => check.notes.push(format!("follows the bundle with head {previous}")),
                (None, None) => check.notes.push("the first of its chain".to_owned()),
                (Some(head), Some(previous)) if head == previous => {}
                (Some(head), previous) => check.problems.push(format!(
                    "{MANIFEST}: the bundle before it has head {head}, and it follows {}: one is missing or was changed",
                    previous.as_deref().unwrap_or("none")
                )),
                (None, Some(_)) => {}
            }
            check.signature(terms.allowed_signers.as_deref())?;
            if terms.replay && check.problems.is_empty() {
                check.replay(manifest, catalog, progress)?;
            }
        }
        let last = at + 1 == terms.bundles.len();
        if let Some(expected) = terms.expect_head.as_ref().filter(|_| last)
            && !expected.eq_ignore_ascii_case(&head)
        {
            check.problems.push(format!(
                "its head is {head}, and {expected} was expected: it is another bundle, or not the last"
            ));
        }
        before = Some(head.clone());
        all.failed |= !check.problems.is_empty();
        all.incomparable |= check.incomparable;
        let state = match (check.problems.is_empty(), check.incomparable) {
            (false, _) => "FAILED",
            (true, true) => "not comparable",
            (true, false) => "ok",
        };
        all.text.push_str(&format!("{}: {state}, head {head}\n", bundle.display()));
        for line in check.problems.iter().chain(&check.notes) {
            all.text.push_str(&format!("  {}\n", crate::render::clean(line)));
        }
    }
    Ok(all)
}

struct Check<'t> {
    root: &'t Path,
    problems: Vec<String>,
    notes: Vec<String>,
    incomparable: bool,
}

impl Check<'_> {
    fn wrong(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    fn text(&mut self, name: &str) -> Option<String> {
        match fs::read(self.root.join(name)).map(String::from_utf8) {
            Ok(Ok(text)) => Some(text),
            Ok(Err(_)) => {
                self.wrong(format!("{name}: it is not UTF-8"));
                None
            }
            Err(error) => {
                self.wrong(format!("{name}: {error}"));
                None
            }
        }
    }

    /// The list, the manifest, and every file against both.
    fn files(&mut self) -> Result<Option<Manifest>, AppError> {
        if !self.root.is_dir() {
            return Err(AppError::usage(format!("`{}` is no folder", self.root.display())));
        }
        let there = sums::of_folder(self.root)?;
        let Some(list) = self.text(SUMS) else { return Ok(None) };
        let Some(listed) = sums::parse(&list) else {
            self.wrong(format!("{SUMS}: it is not written as it is here: lower-case digests, two spaces, sorted, lines that end with LF"));
            return Ok(None);
        };
        for (path, digest) in &listed {
            match there.get(path) {
                None => self.wrong(format!("{path}: it is listed, and is not there")),
                Some((found, _)) if found != digest => self.wrong(format!("{path}: it was changed")),
                Some(_) => {}
            }
        }
        for path in there.keys().filter(|p| !listed.contains_key(*p)) {
            self.wrong(format!("{path}: it is there, and is not listed"));
        }
        let Some(text) = self.text(MANIFEST) else { return Ok(None) };
        let manifest: Manifest = match serde_json::from_str(&text) {
            Ok(manifest) => manifest,
            Err(error) => {
                let schema = serde_json::from_str::<serde_json::Value>(&text).ok();
                let other = schema.as_ref().and_then(|s| s.get("schema")?.as_str()).filter(|s| *s != SCHEMA);
                match other {
                    Some(other) => {
                        self.incomparable = true;
                        self.notes.push(format!("its schema is {other}, and this program knows {SCHEMA}"));
                    }
                    None => self.wrong(format!("{MANIFEST}: {error}")),
                }
                return Ok(None);
            }
        };
        if manifest.text().ok().as_deref() != Some(text.as_str()) {
            self.wrong(format!("{MANIFEST}: it is not written as it is here"));
        }
        let inside: BTreeSet<(&str, &str, u64)> =
            manifest.files.iter().map(|f| (f.path.as_str(), f.sha256.as_str(), f.bytes)).collect();
        let mut own: BTreeSet<(&str, &str, u64)> =
            there.iter().map(|(path, (digest, bytes))| (path.as_str(), digest.as_str(), *bytes)).collect();
        own.retain(|(path, _, _)| *path != MANIFEST);
        for (path, ..) in inside.symmetric_difference(&own) {
            let problem = format!("{MANIFEST}: what it says of {path} is not so");
            if !self.problems.contains(&problem)
                && !self.problems.iter().any(|p| p.starts_with(&format!("{path}: ")))
            {
                self.wrong(problem);
            }
        }
        if inside.len() != manifest.files.len() {
            self.wrong(format!("{MANIFEST}: it lists a file twice"));
        }
        for r in manifest.derived.reconciliation.iter().filter(|r| !r.equal || r.left_count != r.right_count)
        {
            self.wrong(format!("{MANIFEST}: {} of {} do not agree with {}", r.what, r.left, r.right));
        }
        if there.contains_key(LEDGER) || manifest.ledger_head.is_some() {
            let bytes = fs::read(self.root.join(LEDGER)).unwrap_or_default();
            match Chain::read(&bytes) {
                Err(error) => self.wrong(format!("{LEDGER}: {error}")),
                Ok(chain) if Some(chain.head()) != manifest.ledger_head.as_deref() => {
                    self.wrong(format!(
                        "{LEDGER}: its head is {}, and the manifest says another",
                        chain.head()
                    ));
                }
                Ok(_) => {}
            }
        }
        Ok(Some(manifest))
    }

    fn signature(&mut self, allowed: Option<&Path>) -> Result<(), AppError> {
        let there = self.root.join(SIGNATURE).is_file();
        match (allowed, there) {
            (None, false) => self.notes.push("not signed".to_owned()),
            (None, true) => {
                self.notes.push("signed; by whom was not checked (--allowed-signers FILE)".to_owned())
            }
            (Some(_), false) => self.wrong(format!("{SIGNATURE}: it is not there")),
            (Some(path), true) => {
                let allowed = String::from_utf8_lossy(&read_file(path)?).into_owned();
                let (Some(signature), Some(list)) = (self.text(SIGNATURE), self.text(SUMS)) else {
                    return Ok(());
                };
                match seal::check(&signature, &list, &allowed) {
                    Ok(who) => self.notes.push(format!("signed by {who}")),
                    Err(problem) => self.wrong(format!("{SIGNATURE}: {problem}")),
                }
            }
        }
        Ok(())
    }

    /// Judges what is sealed once more.
    fn replay(
        &mut self,
        manifest: &Manifest,
        catalog: &'static Catalog,
        progress: &dyn Progress,
    ) -> Result<(), AppError> {
        let own = derived::tool(catalog);
        if manifest.tool != own {
            self.incomparable = true;
            let what = if manifest.tool.version == own.version {
                "with another catalogue or other rules: give its catalogue with --catalog, or take the program that made it".to_owned()
            } else {
                format!("it needs leastwise {}", manifest.tool.version)
            };
            self.notes
                .push(format!("not replayed: it was made by leastwise {} ({what})", manifest.tool.version));
            return Ok(());
        }
        for (name, text) in crate::rules::texts() {
            if fs::read(self.root.join(format!("{RULES}{name}"))).ok().as_deref() != Some(text.as_bytes()) {
                self.wrong(format!("{RULES}{name}: it is not the rule of this version"));
            }
        }
        if fs::read(self.root.join(CATALOG)).ok().as_deref() != Some(catalog.text().as_bytes()) {
            self.wrong(format!("{CATALOG}: it is not the catalogue that the manifest names"));
        }
        let (Some(config), Some(waivers)) = (self.text(CONFIG), self.text(WAIVERS)) else { return Ok(()) };
        let mut rules = Vec::new();
        for listed in manifest.files.iter().filter(|f| f.path.starts_with(OWN_RULES)) {
            let name = listed.path.rsplit('/').next().unwrap_or_default().to_owned();
            let Some(text) = self.text(&listed.path) else { return Ok(()) };
            rules.push((name, text));
        }
        let policy = match from_texts(&Texts { config, waivers, rules }) {
            Ok(policy) => policy,
            Err(error) => {
                self.wrong(format!("policy: {error}"));
                return Ok(());
            }
        };
        let estate = match fs::File::open(self.root.join(SNAPSHOT)).map(snapshot::read) {
            Ok(Ok(estate)) => estate,
            Ok(Err(error)) => {
                self.wrong(format!("{SNAPSHOT}: {error}"));
                return Ok(());
            }
            Err(error) => {
                self.wrong(format!("{SNAPSHOT}: {error}"));
                return Ok(());
            }
        };
        if estate.digest.as_deref() != Some(manifest.snapshot_sha256.as_str()) {
            self.wrong(format!("{SNAPSHOT}: it is not the snapshot that the manifest names"));
        }
        let time = |text: &str| Instant::parse(text);
        let (Some(judged_at), Some(decided_at)) =
            (time(&manifest.origin.judged_at), time(&manifest.origin.decided_at))
        else {
            self.wrong(format!("{MANIFEST}: its instants cannot be read"));
            return Ok(());
        };
        let provenance = Provenance {
            kind: manifest.origin.kind.clone(),
            name: manifest.origin.name.clone(),
            collected_at: manifest.origin.collected_at.as_deref().and_then(time),
            judged_at: Some(judged_at),
            decided_at: Some(decided_at),
        };
        let scratch = Scratch::new(self.root)?;
        let ledger = self.root.join(LEDGER);
        let ledger = ledger.is_file().then_some(ledger);
        let origin = derived::origin(&estate, &provenance);
        let read = derived::Sealed::new(&estate, &policy, ledger.is_some());
        conclusions(estate, provenance, &policy, ledger.as_deref(), catalog, &scratch.0, progress)?;
        for name in REPLAYED {
            let again = fs::read(scratch.0.join(name)).ok();
            if again.is_none() || again != fs::read(self.root.join(name)).ok() {
                self.wrong(format!("{name}: what is sealed gives something else"));
            }
        }
        let (again, picked) = read.with_tables(&scratch.0, manifest.derived.sample.seed.clone())?;
        let said = &manifest.derived;
        for (what, same) in [
            ("origin", origin == manifest.origin),
            ("sources", again.sources == said.sources),
            ("population", again.population == said.population),
            ("reconciliation", again.reconciliation == said.reconciliation),
            ("limitations", again.limitations == said.limitations),
            ("sample", again.sample == said.sample),
        ] {
            if !same {
                self.wrong(format!("{MANIFEST}: {what} is not what follows from what is sealed"));
            }
        }
        if Some(picked) != fs::read(self.root.join("sample.csv")).ok() {
            self.wrong("sample.csv: the seed picks other rows");
        }
        if self.problems.is_empty() {
            self.notes.push(
                "replayed: what is sealed gives every table, finding and page, byte for byte".to_owned(),
            );
        }
        Ok(())
    }
}

/// A folder for a replay, beside the bundle, gone when it ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(bundle: &Path) -> Result<Scratch, AppError> {
        let mut name = bundle.file_name().unwrap_or_default().to_owned();
        name.push(format!(".replay-{}", std::process::id()));
        let path = bundle.with_file_name(name);
        fs::create_dir_all(&path)
            .map_err(|e| AppError::usage(format!("cannot make the folder `{}`: {e}", path.display())))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is only what could be made again.
        let _gone = fs::remove_dir_all(&self.0);
    }
}
