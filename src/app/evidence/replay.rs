//! Judging what is sealed once more: every table, finding and page, and what the manifest says of them, must come out again.

use super::manifest::Manifest;
use super::verify::Check;
use super::{CATALOG, CONFIG, LEDGER, MANIFEST, OWN_RULES, RULES, SNAPSHOT, WAIVERS, conclusions, derived};
use crate::app::Progress;
use crate::app::error::AppError;
use crate::app::policy::{Texts, from_texts};
use crate::model::Instant;
use crate::rbac::Catalog;
use crate::report::Provenance;
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

/// The other files that a bundle has.
const FIXED: [&str; 6] = [SNAPSHOT, LEDGER, CONFIG, WAIVERS, CATALOG, "sample.csv"];

impl Check<'_> {
    /// Judges what is sealed once more.
    pub(super) fn replay(
        &mut self,
        manifest: &Manifest,
        catalog: &'static Catalog,
        progress: &dyn Progress,
    ) -> Result<(), AppError> {
        let own = derived::tool(catalog);
        if manifest.tool != own {
            self.incomparable = true;
            let what = if manifest.tool.version == own.version {
                "with another catalogue or other rules: give the catalogue with --catalog, from where it was published and not from the bundle".to_owned()
            } else {
                format!("it needs leastwise {}", manifest.tool.version)
            };
            self.notes
                .push(format!("not replayed: it was made by leastwise {} ({what})", manifest.tool.version));
            return Ok(());
        }
        if catalog.digest() != Catalog::embedded().digest() {
            self.notes.push("replayed with a catalogue that is not the program's own".to_owned());
        }
        let known: BTreeSet<String> =
            crate::rules::texts().map(|(name, _)| format!("{RULES}{name}")).collect();
        for listed in &manifest.files {
            let path = listed.path.as_str();
            let own_rule = path
                .strip_prefix(OWN_RULES)
                .is_some_and(|name| !name.contains('/') && name.ends_with(".toml"));
            if !FIXED.contains(&path) && !REPLAYED.contains(&path) && !own_rule && !known.contains(path) {
                self.wrong(format!("{path}: it does not belong into a bundle"));
            }
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
        let Some(bytes) = self.bytes(SNAPSHOT) else { return Ok(()) };
        let estate = match snapshot::read(bytes.as_slice()) {
            Ok(estate) => estate,
            Err(error) => {
                self.wrong(format!("{SNAPSHOT}: {error}"));
                return Ok(());
            }
        };
        let mut again = Vec::new();
        let written = snapshot::write(&estate, &mut again);
        if written.is_err() || again != bytes {
            self.wrong(format!("{SNAPSHOT}: it is not written as it is here: something may hide in it"));
        }
        drop((again, bytes));
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
        let read = derived::Sealed::new(&estate, &policy, &provenance, ledger.is_some(), catalog);
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
        crate::app::make_folder(&path)?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is only what could be made again.
        let _gone = fs::remove_dir_all(&self.0);
    }
}
