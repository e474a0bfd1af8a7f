//! Building a bundle: beside its place first, then in it, so that there is a whole one or none.

use super::manifest::{Listed, Manifest, Run, SCHEMA};
use super::mask::Masking;
use super::{
    CATALOG, CONFIG, LEDGER, MANIFEST, OWN_RULES, RULES, SIGNATURE, SNAPSHOT, SUMS, WAIVERS, conclusions,
    derived, seal, sums, verify,
};
use crate::app::Progress;
use crate::app::error::AppError;
use crate::app::estate::load;
use crate::app::policy::{Policy, from_texts};
use crate::app::query::Ask;
use crate::app::store::read_file;
use crate::model::sha256;
use crate::rbac::Catalog;
use crate::review::Chain;
use crate::sources::snapshot;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What is built, and how.
#[derive(Clone, Debug)]
pub struct BuildTerms {
    /// The bundle.
    pub out: PathBuf,
    /// The ledger of reviews.
    pub ledger: Option<PathBuf>,
    /// The bundle before.
    pub previous: Option<PathBuf>,
    /// The private key to sign with.
    pub sign: Option<PathBuf>,
    /// Who runs it, as they say.
    pub by: String,
    /// What was typed.
    pub arguments: Vec<String>,
    /// The machine that it runs on.
    pub target: String,
    /// The file with the salt, where names become pseudonyms.
    pub mask: Option<PathBuf>,
    /// The seed of the sample; without it, the snapshot's digest.
    pub seed: Option<String>,
}

/// A folder that goes away unless it has become the bundle.
struct Beside {
    folder: PathBuf,
    /// Beside the folder, and locked while it is filled.
    marker: PathBuf,
    _lock: File,
}

const MARKER: &str = ".lock";

impl Beside {
    /// A folder beside where the bundle will be. Those that killed runs left there go.
    fn new(bundle: &Path) -> std::io::Result<Beside> {
        let mut name = bundle.file_name().unwrap_or_default().to_owned();
        name.push(".tmp-");
        let place = bundle.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(place)?;
        for entry in fs::read_dir(place)?.flatten() {
            let marker = entry.path();
            let named = entry.file_name();
            let number = named.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
            let number = number.and_then(|rest| rest.strip_suffix(MARKER.as_bytes()));
            if !number.is_some_and(|n| !n.is_empty() && n.iter().all(u8::is_ascii_digit)) {
                continue;
            }
            // What another run fills, or what cannot be removed, stays: neither is in the way.
            let Some(lock) = File::open(&marker).ok().filter(|file| file.try_lock().is_ok()) else {
                continue;
            };
            drop(Beside { folder: marker.with_extension(""), marker, _lock: lock });
        }
        name.push(std::process::id().to_string());
        let folder = bundle.with_file_name(&name);
        name.push(MARKER);
        let marker = bundle.with_file_name(name);
        let lock = File::create(&marker)?;
        lock.try_lock()?;
        let beside = Beside { folder, marker, _lock: lock };
        fs::create_dir_all(&beside.folder)?;
        Ok(beside)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // A half bundle is worth nothing; that it stays is not worth hiding the real error.
        let _gone = (fs::remove_dir_all(&self.folder), fs::remove_file(&self.marker));
    }
}

/// Builds a bundle, and says what is in it.
///
/// # Errors
/// If something cannot be read or written, or the folder is there already.
pub fn build(
    ask: &Ask,
    terms: &BuildTerms,
    policy: &Policy,
    catalog: &'static Catalog,
    progress: &dyn Progress,
) -> Result<String, AppError> {
    let shown = terms.out.display().to_string();
    if fs::symlink_metadata(&terms.out).is_ok() {
        return Err(AppError::usage(format!("`{shown}` is there already"))
            .help("a bundle is not changed: name a new folder"));
    }
    // Before anything is read: what cannot be linked or signed is not worth the wait.
    let before = terms.previous.as_deref().map(verify::sound).transpose()?;
    if terms.seed.as_ref().is_some_and(|s| s.trim().is_empty()) {
        return Err(AppError::usage("the seed of the sample is empty"));
    }
    let failed = |e: std::io::Error| AppError::usage(format!("cannot write `{shown}`: {e}"));
    let guard = Beside::new(&terms.out).map_err(failed)?;
    let beside = guard.folder.clone();
    let put = |path: &str, bytes: &[u8]| -> Result<(), AppError> {
        let path = beside.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        File::create(&path).and_then(|mut f| f.write_all(bytes)).map_err(failed)
    };

    let loaded = load(&ask.input, &ask.activity, ask.times, progress)?;
    let mut provenance = loaded.provenance.clone();
    let mut notes = Vec::new();
    if loaded.estate.usage.is_some() {
        notes.push("the activity log is not sealed, so that nothing here rests on it".to_owned());
    }
    let (mut estate, mut texts) = (loaded.estate, policy.texts.clone());
    let (mut by, mut arguments) = (terms.by.clone(), terms.arguments.clone());
    let mut seed = terms.seed.clone();
    let mut masking = None;
    if let Some(salt) = &terms.mask {
        progress.step("giving pseudonyms");
        let (mut with, masked) = Masking::new(salt, estate, &provenance, policy, catalog)?;
        estate = masked;
        by = with.text(&by);
        seed = seed.map(|s| with.text(&s));
        arguments = arguments.iter().map(|a| with.text(a)).collect();
        provenance.name = with.text(&provenance.name);
        masking = Some(with);
    }
    progress.step("sealing the snapshot");
    let mut bytes = Vec::new();
    let digest = snapshot::write(&estate, &mut bytes).map_err(failed)?;
    drop(estate);
    put(SNAPSHOT, &bytes)?;
    if let Some(with) = &mut masking {
        texts = with.policy(&texts, &provenance, &bytes)?;
    }
    // What is judged is what is sealed.
    let unread =
        |e: snapshot::SnapshotError| AppError::internal(format!("the snapshot cannot be read back: {e}"));
    let estate = snapshot::read(bytes.as_slice()).map_err(unread)?;
    let sealed = from_texts(&texts)?;
    let masked = match &masking {
        Some(with) => {
            let again = snapshot::read(bytes.as_slice()).map_err(unread)?;
            Some(with.told(again, &provenance, &sealed, catalog))
        }
        None => None,
    };
    drop(bytes);

    put(CONFIG, texts.config.as_bytes())?;
    put(WAIVERS, texts.waivers.as_bytes())?;
    for (name, text) in &texts.rules {
        put(&format!("{OWN_RULES}{name}"), text.as_bytes())?;
    }
    for (name, text) in crate::rules::texts() {
        put(&format!("{RULES}{name}"), text.as_bytes())?;
    }
    put(CATALOG, catalog.text().as_bytes())?;
    let mut ledger_head = None;
    if let Some(path) = &terms.ledger {
        let bytes = read_file(path)?;
        let chain = Chain::read(&bytes).map_err(|e| AppError::usage(format!("`{}`: {e}", path.display())))?;
        if chain.entries().is_empty() {
            return Err(AppError::usage(format!("`{}` has no entries", path.display())));
        }
        let (bytes, chain) = match &mut masking {
            None => (bytes, chain),
            Some(with) => {
                let bytes = with.ledger(&chain)?;
                let chain = Chain::read(&bytes)
                    .map_err(|e| AppError::internal(format!("the masked ledger does not hold: {e}")))?;
                (bytes, chain)
            }
        };
        ledger_head = Some(chain.head().to_owned());
        put(LEDGER, &bytes)?;
    }
    let origin = derived::origin(&estate, &provenance);
    let read = derived::Sealed::new(&estate, &sealed, &provenance, ledger_head.is_some(), catalog);
    let ledger = terms.ledger.is_some().then(|| beside.join(LEDGER));
    let outcome = conclusions(estate, provenance, &sealed, ledger.as_deref(), catalog, &beside, progress)?;

    progress.step("writing the manifest");
    let seed = seed.unwrap_or_else(|| digest.clone());
    let (derived, table) = read.with_tables(&beside, seed)?;
    put("sample.csv", &table)?;
    let mut files = sums::digests(&beside)?;
    let manifest = Manifest {
        schema: SCHEMA.to_owned(),
        tool: derived::tool(catalog),
        run: Run { by, arguments, target: terms.target.clone(), notes },
        origin,
        snapshot_sha256: digest,
        derived,
        ledger_head,
        previous: before.as_ref().map(|(_, head)| head.clone()),
        masked,
        files: files
            .iter()
            .map(|(path, (sha256, bytes))| Listed {
                path: path.clone(),
                bytes: *bytes,
                sha256: sha256.clone(),
            })
            .collect(),
    };
    let problem = before.and_then(|(before, _)| verify::order(&before, &manifest));
    let problem = problem.or_else(|| verify::continues(terms.previous.as_deref()?, &beside));
    if let Some(problem) = problem {
        return Err(AppError::usage(problem).help("name the bundle that this one follows with --previous"));
    }
    let unequal = manifest.derived.reconciliation.iter().filter(|r| !r.equal).count();
    let text = manifest.text().map_err(|e| AppError::internal(e.to_string()))?;
    put(MANIFEST, text.as_bytes())?;
    files.insert(MANIFEST.to_owned(), (sha256(text.as_bytes()), text.len() as u64));
    let list = sums::text(&files);
    put(SUMS, list.as_bytes())?;
    if let Some(key) = &terms.sign {
        put(SIGNATURE, seal::sign(key, &list)?.as_bytes())?;
    }
    sync(&beside).map_err(failed)?;
    fs::rename(&beside, &terms.out).map_err(failed)?;
    drop(guard);
    let mut note = if unequal > 0 {
        format!("\n{unequal} count(s) do not agree: see manifest.json")
    } else {
        String::new()
    };
    manifest.run.notes.iter().for_each(|n| note.push_str(&format!("\nnote: {n}")));
    Ok(format!(
        "{shown}: {} files, {}\nhead {}{note}\n",
        manifest.files.len() + 2,
        outcome.summary,
        sha256(list.as_bytes())
    ))
}

/// Everything reaches the disk before the bundle has its name.
fn sync(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    // Folders cannot be told so everywhere.
    let _synced = File::open(folder).and_then(|f| f.sync_all());
    Ok(())
}
