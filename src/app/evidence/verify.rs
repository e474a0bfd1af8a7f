//! Checking a bundle: every byte, file, name and link, the signature, and, by replay, that what is sealed gives what is told.

use super::manifest::{Listed, Manifest, SCHEMA};
use super::seal::Signed;
use super::sums::There;
use super::{CATALOG, LEDGER, MANIFEST, RULES, SIGNATURE, SUMS, derived, seal, sums};
use crate::app::Progress;
use crate::app::error::AppError;
use crate::app::store::read_file;
use crate::model::{Instant, sha256};
use crate::rbac::Catalog;
use crate::review::Chain;
use std::fs;
use std::path::{Path, PathBuf};

/// In bytes: the most of a file that is held at once.
const MOST: u64 = 4 << 30;

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
    if let Some(head) = terms.expect_head.as_ref().filter(|h| !is_digest(&h.to_ascii_lowercase())) {
        return Err(AppError::usage(format!("`{head}` is no SHA-256"))
            .help("give the 64 digits that evidence build printed as head"));
    }
    let allowed = match &terms.allowed_signers {
        Some(path) => Some(String::from_utf8_lossy(&read_file(path)?).into_owned()),
        None => None,
    };
    let mut all = Verified::default();
    let mut last_one: Option<Manifest> = None;
    let mut before: Option<String> = None;
    for (at, bundle) in terms.bundles.iter().enumerate() {
        progress.step(&format!("checking {}", bundle.display()));
        let mut check = Check::of(bundle);
        let manifest = check.files()?;
        let head = check.head.clone();
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
            if let Some(masked) = &manifest.masked {
                let differs = match masked.differs.len() {
                    0 => "rules find as many of each severity as by names, as it says".to_owned(),
                    n => format!("rules find more or fewer than by names in {n} place(s): see {MANIFEST}"),
                };
                check.notes.push(format!("pseudonyms stand for names (salt {}); {differs}", masked.salt_id));
            }
            check.signature(allowed.as_deref());
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
        if let (Some(earlier), Some(manifest)) = (&last_one, &manifest) {
            check.problems.extend(order(earlier, manifest));
            if let Some(path) = at.checked_sub(1).and_then(|n| terms.bundles.get(n)) {
                check.problems.extend(continues(path, bundle));
            }
        }
        last_one = manifest.or(last_one);
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

/// What keeps a bundle from following another.
pub(super) fn order(earlier: &Manifest, later: &Manifest) -> Option<String> {
    let salt = |m: &Manifest| m.masked.as_ref().map(|m| m.salt_id.clone());
    if salt(earlier) != salt(later) {
        return Some(format!(
            "{MANIFEST}: only one of it and the bundle before it is under pseudonyms, or they are of two salts: keep a chain for each"
        ));
    }
    if !earlier.origin.tenant.eq_ignore_ascii_case(&later.origin.tenant) {
        return Some(format!("{MANIFEST}: it is of another tenant than the bundle before it"));
    }
    let at = |m: &Manifest| Instant::parse(&m.origin.decided_at);
    (at(earlier) > at(later)).then(|| format!("{MANIFEST}: it was made before the bundle that it follows"))
}

/// Why a bundle's ledger does not go on with that of the one before: what was decided once stays decided.
pub(super) fn continues(earlier: &Path, later: &Path) -> Option<String> {
    let ledger = |bundle: &Path| read_file(&bundle.join(LEDGER)).ok();
    let was = ledger(earlier)?;
    match ledger(later) {
        None => Some(format!("{LEDGER}: the bundle before it has one, and it has none")),
        Some(is) if !is.starts_with(&was) => Some(format!(
            "{LEDGER}: it does not go on with that of the bundle before it: entries were taken away or changed"
        )),
        Some(_) => None,
    }
}

/// The manifest and the head of a bundle whose files are as they were listed.
///
/// # Errors
/// If they are not.
pub(super) fn sound(bundle: &Path) -> Result<(Manifest, String), AppError> {
    let mut check = Check::of(bundle);
    let manifest = check.files()?;
    match (manifest, check.problems.first()) {
        (Some(manifest), None) => Ok((manifest, check.head)),
        (_, problem) => {
            let why = problem.cloned().or_else(|| check.notes.first().cloned()).unwrap_or_default();
            Err(AppError::usage(format!("`{}` is no whole bundle: {why}", bundle.display()))
                .help("leastwise evidence verify says what is wrong with it"))
        }
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A bundle that is being checked.
pub(super) struct Check<'t> {
    pub(super) root: &'t Path,
    /// The digest of its list; empty while that was not read.
    head: String,
    pub(super) problems: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) incomparable: bool,
}

impl<'t> Check<'t> {
    fn of(root: &'t Path) -> Check<'t> {
        Check { root, head: String::new(), problems: Vec::new(), notes: Vec::new(), incomparable: false }
    }

    /// Something is wrong.
    pub(super) fn wrong(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// The bytes of a file of the bundle. A link, a pipe or a device is never opened.
    pub(super) fn bytes(&mut self, name: &str) -> Option<Vec<u8>> {
        let path = self.root.join(name);
        let read = fs::symlink_metadata(&path).and_then(|m| match m.is_file() {
            true if m.len() <= MOST => fs::read(&path),
            true => Err(std::io::Error::other("it is too large")),
            false => Err(std::io::Error::other("it is no file")),
        });
        match read {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.wrong(format!("{name}: {error}"));
                None
            }
        }
    }

    /// The same as text.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let bytes = self.bytes(name)?;
        self.utf8(name, bytes)
    }

    fn utf8(&mut self, name: &str, bytes: Vec<u8>) -> Option<String> {
        let text = String::from_utf8(bytes).ok();
        if text.is_none() {
            self.wrong(format!("{name}: it is not UTF-8"));
        }
        text
    }

    /// The list, the manifest, and every file against both.
    fn files(&mut self) -> Result<Option<Manifest>, AppError> {
        if !self.root.is_dir() {
            return Err(AppError::usage(format!("`{}` is no folder", self.root.display())));
        }
        let there = sums::of_folder(self.root)
            .map_err(|e| AppError::usage(format!("cannot read `{}`: {e}", self.root.display())))?;
        let Some(bytes) = self.bytes(SUMS) else { return Ok(None) };
        self.head = sha256(&bytes);
        let Some(list) = self.utf8(SUMS, bytes) else { return Ok(None) };
        let Some(listed) = sums::parse(&list) else {
            self.wrong(format!("{SUMS}: it is not written as it is here: lower-case digests, two spaces, sorted, lines that end with LF"));
            return Ok(None);
        };
        for (path, digest) in &listed {
            match there.get(path) {
                None => self.wrong(format!("{path}: it is listed, and is not there")),
                Some(There::Other(what)) => self.wrong(format!("{path}: it was changed: it is {what}")),
                Some(There::File(_)) => match sums::digest(&self.root.join(path)) {
                    Ok(found) if found == *digest => {}
                    Ok(_) => self.wrong(format!("{path}: it was changed")),
                    Err(error) => self.wrong(format!("{path}: it cannot be read: {error}")),
                },
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
        // Another layout is another version's, which may say more than is looked at here.
        if manifest.schema != SCHEMA && manifest.schema.starts_with("leastwise.evidence/") {
            self.incomparable = true;
            self.notes.push(format!("its schema is {}, and this program knows {SCHEMA}", manifest.schema));
            return Ok(None);
        }
        if manifest.text().ok().as_deref() != Some(text.as_str()) {
            self.wrong(format!("{MANIFEST}: it is not written as it is here"));
        }
        if manifest.schema != SCHEMA {
            self.wrong(format!("{MANIFEST}: its schema is `{}`", manifest.schema));
        }
        if manifest.tool.name != "leastwise" {
            self.wrong(format!("{MANIFEST}: it was made by `{}`, not by leastwise", manifest.tool.name));
        }
        if manifest.previous.as_deref().is_some_and(|p| !is_digest(p)) {
            self.wrong(format!("{MANIFEST}: what it follows is no digest"));
        }
        let own = listed.iter().filter(|(path, _)| *path != MANIFEST).map(|(path, digest)| {
            let bytes = match there.get(path) {
                Some(There::File(bytes)) => *bytes,
                _ => 0,
            };
            Listed { path: path.clone(), bytes, sha256: digest.clone() }
        });
        if !own.eq(manifest.files.iter().cloned()) && self.problems.is_empty() {
            self.wrong(format!("{MANIFEST}: its list of files is not that of {SUMS}"));
        }
        for r in manifest.derived.reconciliation.iter().filter(|r| !r.equal || r.left_count != r.right_count)
        {
            self.wrong(format!("{MANIFEST}: {} of {} do not agree with {}", r.what, r.left, r.right));
        }
        if there.contains_key(LEDGER) || manifest.ledger_head.is_some() {
            match self.bytes(LEDGER).map(|bytes| Chain::read(&bytes)) {
                None => {}
                Some(Err(error)) => self.wrong(format!("{LEDGER}: {error}")),
                Some(Ok(chain)) if Some(chain.head()) != manifest.ledger_head.as_deref() => {
                    self.wrong(format!(
                        "{LEDGER}: its head is {}, and the manifest says another",
                        chain.head()
                    ));
                }
                Some(Ok(_)) => {}
            }
        }
        // Whatever version made it: the rules and the catalogue that are sealed are those that it names.
        let rules = listed
            .iter()
            .filter_map(|(path, digest)| Some((path.strip_prefix(RULES)?.to_owned(), digest.clone())));
        if derived::rules_digest(rules) != manifest.tool.rules_sha256 {
            self.wrong(format!("{MANIFEST}: the rules that are sealed are not those that it names"));
        }
        if let Some(text) = self.text(CATALOG) {
            match Catalog::parse(text.into()) {
                Ok(sealed)
                    if sealed.digest() == manifest.tool.catalog_sha256
                        && sealed.date() == manifest.tool.catalog_date => {}
                _ => self.wrong(format!("{CATALOG}: it is not the catalogue that the manifest names")),
            }
        }
        Ok(Some(manifest))
    }

    fn signature(&mut self, allowed: Option<&str>) {
        if fs::symlink_metadata(self.root.join(SIGNATURE)).is_err() {
            match allowed {
                None => self.notes.push("not signed".to_owned()),
                Some(_) => self.wrong(format!("{SIGNATURE}: it is not there")),
            }
            return;
        }
        let (Some(signature), Some(list)) = (self.text(SIGNATURE), self.text(SUMS)) else { return };
        match seal::check(&signature, &list, allowed) {
            Signed::By(who) if allowed.is_some() => self.notes.push(format!("signed by {who}")),
            Signed::By(key) => {
                self.notes
                    .push(format!("signed with {key}; whose it is was not checked (--allowed-signers FILE)"));
            }
            Signed::Bad(problem) => self.wrong(format!("{SIGNATURE}: {problem}")),
            Signed::Unknown(why) => {
                self.incomparable |= allowed.is_some();
                self.notes.push(format!("{SIGNATURE}: not checked: {why}"));
            }
        }
    }
}
