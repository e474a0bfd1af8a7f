//! What of a manifest follows from what is sealed: worked out when a bundle is built, and once more when it is replayed.

use super::manifest::{Derived, Origin, Reconciled, Sampled, SourceRead, Tool};
use super::{SNAPSHOT, sample};
use crate::app::error::AppError;
use crate::app::policy::Policy;
use crate::app::store::read_file;
use crate::model::{Estate, Extent, Instant, Reading, Source, sha256};
use crate::rbac::Catalog;
use crate::sources::table::{Table, count};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::path::Path;

/// What follows from the estate and the policy.
pub(super) struct Sealed {
    sources: Vec<SourceRead>,
    limitations: Vec<String>,
    counted: BTreeMap<String, u64>,
}

impl Sealed {
    pub(super) fn new(
        estate: &Estate,
        policy: &Policy,
        provenance: &crate::report::Provenance,
        ledger: bool,
        catalog: &Catalog,
    ) -> Sealed {
        let mut limitations = limits(estate, policy);
        let before =
            |at: Option<Instant>| at.zip(provenance.collected_at).is_some_and(|(at, read)| at < read);
        if before(provenance.judged_at) || before(provenance.decided_at) {
            limitations.push("it was judged as of a time before the estate was read".to_owned());
        }
        if ledger {
            limitations.push(
                "times of the ledger's entries are as they were given: their order is proven, the days are not"
                    .to_owned(),
            );
        }
        if catalog.digest() != Catalog::embedded().digest() {
            limitations.push(
                "roles and operations are those of a catalogue that is not the program's own".to_owned(),
            );
        }
        if !ledger {
            limitations.push("no ledger of access reviews was given".to_owned());
        }
        Sealed { sources: read_sources(estate), limitations, counted: counted(estate) }
    }

    /// The same with what follows from the tables, and the sample.
    pub(super) fn with_tables(self, folder: &Path, seed: String) -> Result<(Derived, Vec<u8>), AppError> {
        let assignments = Table::read(&read_file(&folder.join("assignments.csv"))?)
            .map_err(|e| AppError::internal(format!("assignments.csv cannot be read back: {e}")))?;
        let (table, population) =
            sample::sample(&assignments, &seed).map_err(|e| AppError::internal(e.to_string()))?;
        let (counts, reconciliation) = reconciled(folder, &assignments, self.counted)?;
        let sample = Sampled {
            file: "sample.csv".to_owned(),
            seed,
            method: sample::METHOD.to_owned(),
            size: sample::SIZE.min(population) as u64,
            population: population as u64,
        };
        let (sources, limitations) = (self.sources, self.limitations);
        Ok((Derived { sources, population: counts, reconciliation, limitations, sample }, table))
    }
}

/// The program as a manifest has it.
pub(super) fn tool(catalog: &Catalog) -> Tool {
    let rules = crate::rules::texts().map(|(name, text)| (name, sha256(text.as_bytes())));
    Tool {
        name: "leastwise".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        catalog_date: catalog.date().to_owned(),
        catalog_sha256: catalog.digest().to_owned(),
        rules_sha256: rules_digest(rules),
    }
}

/// The digest of rules by their names and digests, in whatever order they come.
pub(super) fn rules_digest(rules: impl Iterator<Item = (String, String)>) -> String {
    let sorted: BTreeMap<String, String> = rules.collect();
    let lines: String = sorted.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect();
    sha256(lines.as_bytes())
}

/// Where an estate came from.
pub(super) fn origin(estate: &Estate, provenance: &crate::report::Provenance) -> Origin {
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
    let one = |source: &Source| {
        let reading = estate.coverage.reading(*source);
        let count = |of: fn(&Reading) -> usize| reading.map(|r| of(r) as u64);
        SourceRead {
            source: source.name().to_owned(),
            extent: estate.coverage.of(*source).name().to_owned(),
            gaps: estate.gaps.iter().filter(|g| g.source == *source).map(|g| g.count).sum(),
            lists: count(|r| r.lists),
            failed: count(|r| r.failed),
            pages: count(|r| r.pages),
            items: count(|r| r.items),
            began: reading.and_then(|r| r.began).map(|t| t.to_string()),
            ended: reading.and_then(|r| r.ended).map(|t| t.to_string()),
        }
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
        count("subscriptions", estate.subscription_count()),
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

/// What findings.json counts, its findings unread: there may be very many.
#[derive(Deserialize)]
struct Told {
    coverage: ToldCoverage,
    findings: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct ToldCoverage {
    counts: BTreeMap<String, u64>,
}

impl Told {
    fn count(&self, name: &str) -> u64 {
        self.coverage.counts.get(name).copied().unwrap_or(0)
    }
}

/// Counts of the same thing from two files: that a table has every row can be seen.
fn reconciled(
    folder: &Path,
    assignments: &Table,
    mut counted: BTreeMap<String, u64>,
) -> Result<(BTreeMap<String, u64>, Vec<Reconciled>), AppError> {
    let rows = |name: &str| -> Result<u64, AppError> {
        count(&read_file(&folder.join(name))?)
            .ok_or_else(|| AppError::internal(format!("{name} cannot be read back")))
    };
    let (identities, findings) = (rows("identities.csv")?, rows("findings.csv")?);
    let told: Told = serde_json::from_slice(&read_file(&folder.join("findings.json"))?)
        .map_err(|e| AppError::internal(format!("findings.json cannot be read back: {e}")))?;
    let mut direct: Vec<&str> = assignments
        .rows
        .iter()
        .filter(|r| assignments.get(r, "state") != Some("eligible"))
        .filter_map(|r| assignments.get(r, "assignment_id"))
        .collect();
    direct.sort_unstable();
    direct.dedup();
    counted.insert("identities_judged".to_owned(), identities);
    counted.insert("findings".to_owned(), findings);
    let sealed = |name: &str| counted.get(name).copied().unwrap_or(0);
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
            ("findings.json coverage", told.count("assignments")),
        ),
        pair(
            "subscriptions",
            (SNAPSHOT, sealed("subscriptions")),
            ("findings.json coverage", told.count("subscriptions")),
        ),
        pair("findings", ("findings.csv", findings), ("findings.json", told.findings.len() as u64)),
    ];
    counted.insert("assignments_listed".to_owned(), direct.len() as u64);
    // A grant of a group has a row for each identity in it: the sample is drawn from rows.
    counted.insert("assignment_rows".to_owned(), assignments.rows.len() as u64);
    Ok((counted, all))
}
