//! Evidence: a folder with what was read, what was found, by which rules, when and by whom, that anybody can check without trusting
//! whoever hands it over.
//!
//! `SHA256SUMS` lists every file, `manifest.json` among them; the chain and the signature cover it. Checking needs `sha256sum -c` and
//! `ssh-keygen -Y verify` alone; replaying needs this program in the same version.

mod build;
mod derived;
mod manifest;
mod mask;
mod replay;
mod sample;
mod seal;
mod sums;
mod verify;

pub use build::{BuildTerms, build};
pub use verify::{VerifyTerms, verify};

use super::Progress;
use super::audit::{Output, judge};
use super::error::AppError;
use super::estate::{Loaded, Times};
use super::policy::Policy;
use crate::finding::Confidence;
use crate::model::{Estate, Instant};
use crate::rbac::Catalog;
use crate::render::{CsvOptions, Format};
use crate::report::Provenance;
use std::path::Path;

/// The name of the file that lists all others.
const SUMS: &str = "SHA256SUMS";
/// The signature over it.
const SIGNATURE: &str = "SHA256SUMS.sig";
const MANIFEST: &str = "manifest.json";
const SNAPSHOT: &str = "snapshot.lwsnap";
const LEDGER: &str = "ledger.jsonl";
const CONFIG: &str = "policy/leastwise.toml";
const WAIVERS: &str = "policy/leastwise-waivers.toml";
/// Rules that were given with `--rules`.
const OWN_RULES: &str = "policy/rules/";
/// The program's own rules, frameworks and techniques, to be read: a replay uses those in the program, and compares.
const RULES: &str = "rules/";
const CATALOG: &str = "catalog.txt";

/// The namespace of signatures: a signature for something else is none for evidence.
const NAMESPACE: &str = "leastwise-evidence";

/// Writes everything that follows from the estate and the policy. The same again gives the same bytes.
fn conclusions(
    estate: Estate,
    provenance: Provenance,
    policy: &Policy,
    ledger: Option<&Path>,
    catalog: &'static Catalog,
    to: &Path,
    progress: &dyn Progress,
) -> Result<super::audit::Outcome, AppError> {
    let output = Output {
        formats: vec![Format::Html, Format::Csv, Format::Json, Format::Oscal],
        out: Some(to.to_owned()),
        csv: CsvOptions::default(),
        ledger: ledger.map(Path::to_owned),
        previous: Vec::new(),
        baseline: None,
        write_baseline: None,
        anchor: None,
        fail_on: None,
        min_confidence: Confidence::Medium,
        all: false,
    };
    let at = provenance.judged_at.unwrap_or(Instant::from_seconds(0));
    let times = Times { as_of: None, now: at };
    let loaded = Loaded { estate, provenance, before: None, code: None };
    judge(loaded, "snapshot", times, &output, policy, catalog, &mut std::io::sink(), progress)
}
