//! Building a bundle: beside its place first, then in it, so that there is a whole one or none.

use super::manifest::{Listed, Manifest, Origin, Reconciled, Run, SCHEMA, Sampled, SourceRead, Tool};
use super::{
    CATALOG, CONFIG, LEDGER, MANIFEST, OWN_RULES, RULES, SIGNATURE, SNAPSHOT, SUMS, WAIVERS, conclusions,
    sample, seal, sha256, sums,
};
use crate::app::Progress;
use crate::app::error::AppError;
use crate::app::estate::load;
use crate::app::policy::{Policy, from_texts};
use crate::app::query::Ask;
use crate::app::store::read_file;
use crate::model::{Estate, Extent, Source};
use crate::rbac::Catalog;
use crate::review::Chain;
use crate::sources::{snapshot, table::Table};
use std::collections::BTreeMap;
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
    /// The seed of the sample; without it, the snapshot's digest.
    pub seed: Option<String>,
}

/// A folder that goes away unless it is kept.
struct Beside(Option<PathBuf>);

impl Drop for Beside {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // A half bundle is worth nothing; that it stays is not worth hiding the real error.
            let _gone = fs::remove_dir_all(path);
        }
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
    let previous = terms.previous.as_deref().map(head_of).transpose()?;
    let mut name = terms.out.file_name().unwrap_or_default().to_owned();
    name.push(format!(".tmp-{}", std::process::id()));
    let beside = terms.out.with_file_name(name);
    let failed = |e: std::io::Error| AppError::usage(format!("cannot write `{shown}`: {e}"));
    fs::create_dir_all(&beside).map_err(failed)?;
    let mut guard = Beside(Some(beside.clone()));
    let put = |path: &str, bytes: &[u8]| -> Result<(), AppError> {
        let path = beside.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        File::create(&path).and_then(|mut f| f.write_all(bytes)).map_err(failed)
    };

    let loaded = load(&ask.input, &ask.activity, ask.times, progress)?;
    let provenance = loaded.provenance.clone();
    let mut limitations = Vec::new();
    if loaded.estate.usage.is_some() {
        limitations.push("the activity log is not sealed, so that nothing here rests on it".to_owned());
    }
    progress.step("sealing the snapshot");
    let mut bytes = Vec::new();
    let digest = snapshot::write(&loaded.estate, &mut bytes).map_err(failed)?;
    drop(loaded);
    put(SNAPSHOT, &bytes)?;
    // What is judged is what is sealed.
    let unread =
        |e: snapshot::SnapshotError| AppError::internal(format!("the snapshot cannot be read back: {e}"));
    let estate = snapshot::read(bytes.as_slice()).map_err(unread)?;
    drop(bytes);

    let sealed = from_texts(&policy.texts)?;
    put(CONFIG, policy.texts.config.as_bytes())?;
    put(WAIVERS, policy.texts.waivers.as_bytes())?;
    for (name, text) in &policy.texts.rules {
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
        ledger_head = Some(chain.head().to_owned());
        put(LEDGER, &bytes)?;
    } else {
        limitations.push("no ledger of access reviews was given".to_owned());
    }
    limitations.extend(limits(&estate, policy));
    let (origin, sources) = (origin(&estate, &provenance), read_sources(&estate));
    let counted = counted(&estate);
    let ledger = terms.ledger.is_some().then(|| beside.join(LEDGER));
    let outcome = conclusions(estate, provenance, &sealed, ledger.as_deref(), catalog, &beside, progress)?;

    progress.step("writing the manifest");
    let assignments = read_file(&beside.join("assignments.csv"))?;
    let seed = terms.seed.clone().unwrap_or_else(|| digest.clone());
    let (table, population) = sample::sample(&assignments, &seed)
        .ok_or_else(|| AppError::internal("assignments.csv cannot be read back"))?;
    put("sample.csv", &table)?;
    let (population_counts, reconciliation) = reconciled(&beside, counted)?;
    let files = sums::of_folder(&beside)?;
    let manifest = Manifest {
        schema: SCHEMA.to_owned(),
        tool: tool(catalog),
        run: Run { by: terms.by.clone(), arguments: terms.arguments.clone(), target: terms.target.clone() },
        origin,
        snapshot_sha256: digest,
        sources,
        population: population_counts,
        reconciliation,
        limitations,
        sample: Sampled {
            file: "sample.csv".to_owned(),
            seed,
            method: sample::METHOD.to_owned(),
            size: sample::SIZE.min(population) as u64,
            population: population as u64,
        },
        ledger_head,
        previous,
        files: files
            .iter()
            .map(|(path, (sha256, bytes))| Listed {
                path: path.clone(),
                bytes: *bytes,
                sha256: sha256.clone(),
            })
            .collect(),
    };
    let unequal = manifest.reconciliation.iter().filter(|r| !r.equal).count();
    let text = manifest.text().map_err(|e| AppError::internal(e.to_string()))?;
    put(MANIFEST, text.as_bytes())?;
    let list = sums::text(&sums::of_folder(&beside)?);
    put(SUMS, list.as_bytes())?;
    if let Some(key) = &terms.sign {
        put(SIGNATURE, seal::sign(key, &list)?.as_bytes())?;
    }
    sync(&beside).map_err(failed)?;
    fs::rename(&beside, &terms.out).map_err(failed)?;
    guard.0 = None;
    let note = if unequal > 0 {
        format!("\n{unequal} count(s) do not agree: see manifest.json")
    } else {
        String::new()
    };
    Ok(format!(
        "{shown}: {} files, {}\nhead {}{note}\n",
        manifest.files.len() + 2,
        outcome.summary,
        sha256(list.as_bytes())
    ))
}

/// The digest of the list of a bundle.
pub(super) fn head_of(bundle: &Path) -> Result<String, AppError> {
    let list = bundle.join(SUMS);
    if !list.is_file() {
        return Err(AppError::usage(format!("`{}` is no bundle: it has no {SUMS}", bundle.display())));
    }
    Ok(sha256(&read_file(&list)?))
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

/// The program as a manifest has it.
pub(super) fn tool(catalog: &Catalog) -> Tool {
    let rules: String =
        crate::rules::texts().map(|(name, text)| format!("{}  {name}\n", sha256(text.as_bytes()))).collect();
    Tool {
        name: "leastwise".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        catalog_date: catalog.date().to_owned(),
        catalog_sha256: catalog.digest().to_owned(),
        rules_sha256: sha256(rules.as_bytes()),
    }
}

fn origin(estate: &Estate, provenance: &crate::report::Provenance) -> Origin {
    let text =
        |sym: Option<crate::model::Sym>| sym.map(|s| estate.strings.text(s).to_owned()).unwrap_or_default();
    let time = |t: Option<crate::model::Instant>| t.map(|t| t.to_string()).unwrap_or_default();
    Origin {
        kind: provenance.kind.clone(),
        name: provenance.name.clone(),
        tenant: text(estate.tenant),
        cloud: estate.cloud.map(|c| text(Some(c))).unwrap_or_default(),
        collected_at: provenance.collected_at.map(|t| t.to_string()),
        judged_at: time(provenance.judged_at),
        decided_at: time(provenance.decided_at),
    }
}

fn read_sources(estate: &Estate) -> Vec<SourceRead> {
    let one = |source: &Source| SourceRead {
        source: source.name().to_owned(),
        extent: estate.coverage.of(*source).name().to_owned(),
        gaps: estate.gaps.iter().filter(|g| g.source == *source).map(|g| g.count).sum(),
    };
    Source::ALL.iter().map(one).collect()
}

/// What the evidence does not show.
fn limits(estate: &Estate, policy: &Policy) -> Vec<String> {
    let mut all = vec![
        "who ran this, who reviewed and who acknowledged is recorded as said, not proven".to_owned(),
        "users and groups are not assessed, but as holders through which identities have grants".to_owned(),
    ];
    if !policy.config.workloads {
        all.push("principals of applications are not assessed".to_owned());
    }
    let asked = Source::ALL.iter().filter(|s| !matches!(s, Source::Files | Source::Other));
    let partial = asked.filter(|s| estate.coverage.of(**s) != Extent::Complete);
    let names: Vec<&str> = partial.map(|s| s.name()).collect();
    if !names.is_empty() {
        all.push(format!("not read whole: {}", names.join(", ")));
    }
    all
}

/// How many of each the sealed estate has.
fn counted(estate: &Estate) -> BTreeMap<String, u64> {
    let count = |name: &str, n: usize| (name.to_owned(), n as u64);
    BTreeMap::from([
        count("subscriptions", estate.subscriptions.len()),
        count("management_groups", estate.management_groups.len()),
        count("resources", estate.resources.len()),
        count("user_assigned_identities", estate.identities.len()),
        count("assignments", estate.assignments.len()),
        count("schedules", estate.schedules.len()),
        count("role_definitions", estate.roles.len()),
        count("deny_assignments", estate.denies.len()),
        count("federated_credentials", estate.federated.len()),
        count("groups", estate.groups.len()),
    ])
}

/// Counts of the same thing from two files: that a table has every row can be seen.
fn reconciled(
    folder: &Path,
    mut counted: BTreeMap<String, u64>,
) -> Result<(BTreeMap<String, u64>, Vec<Reconciled>), AppError> {
    let table = |name: &str| -> Result<Table, AppError> {
        Table::read(&read_file(&folder.join(name))?)
            .map_err(|e| AppError::internal(format!("{name} cannot be read back: {e}")))
    };
    let (assignments, identities, findings) =
        (table("assignments.csv")?, table("identities.csv")?, table("findings.csv")?);
    let json: serde_json::Value = serde_json::from_slice(&read_file(&folder.join("findings.json"))?)
        .map_err(|e| AppError::internal(format!("findings.json cannot be read back: {e}")))?;
    let told =
        |name: &str| json.pointer(&format!("/coverage/counts/{name}")).and_then(serde_json::Value::as_u64);
    let mut direct: Vec<&str> = assignments
        .rows
        .iter()
        .filter(|r| assignments.get(r, "state") != Some("eligible"))
        .filter_map(|r| assignments.get(r, "assignment_id"))
        .collect();
    direct.sort_unstable();
    direct.dedup();
    counted.insert("identities_judged".to_owned(), identities.rows.len() as u64);
    counted.insert("findings".to_owned(), findings.rows.len() as u64);
    let sealed = |name: &str| counted.get(name).copied().unwrap_or(0);
    let found = json.get("findings").and_then(serde_json::Value::as_array).map_or(0, Vec::len) as u64;
    let pair = |what: &str, left: (&str, u64), right: (&str, u64)| Reconciled {
        what: what.to_owned(),
        left: left.0.to_owned(),
        left_count: left.1,
        right: right.0.to_owned(),
        right_count: right.1,
        equal: left.1 == right.1,
    };
    let all = vec![
        pair(
            "role assignments",
            (SNAPSHOT, sealed("assignments")),
            ("findings.json coverage", told("assignments").unwrap_or(0)),
        ),
        pair(
            "subscriptions",
            (SNAPSHOT, sealed("subscriptions")),
            ("findings.json coverage", told("subscriptions").unwrap_or(0)),
        ),
        pair("findings", ("findings.csv", findings.rows.len() as u64), ("findings.json", found)),
    ];
    counted.insert("assignments_listed".to_owned(), direct.len() as u64);
    Ok((counted, all))
}
