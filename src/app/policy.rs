//! The user's files: configuration, waivers and more rules, found and read.

use super::error::AppError;
use super::git::Ref;
use crate::finding::Severity;
use crate::model::Instant;
use crate::policy::{Config, Waiver, parse_config, parse_waivers};
use crate::report::Provenance;
use crate::rules::{Judging, RuleSet};
use crate::sources::demo;
use std::fs;
use std::path::{Path, PathBuf};

const CONFIG: &str = "leastwise.toml";
const WAIVERS: &str = "leastwise-waivers.toml";

/// Everything that a run is judged by.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The configuration.
    pub config: Config,
    /// The waivers.
    pub waivers: Vec<Waiver>,
    /// The rules, as configured.
    pub rules: RuleSet,
    /// The ref that configuration and waivers come from, if not from disk.
    pub from: Option<Ref>,
    /// What a change adds to them, in words: it does not count yet.
    pub proposed: Vec<String>,
    /// The texts that it was read from.
    pub texts: Texts,
}

impl Policy {
    /// What an estate is judged by, at its own instants, or else now.
    pub(super) fn judging<'p>(
        &'p self,
        source: &'p str,
        provenance: &Provenance,
        now: Instant,
        threshold: Severity,
    ) -> Judging<'p> {
        Judging {
            rules: &self.rules,
            config: &self.config,
            waivers: &self.waivers,
            source,
            judged_at: provenance.judged_at.unwrap_or(now),
            decided_at: provenance.decided_at.unwrap_or(now),
            threshold,
            all: false,
        }
    }
}

/// The texts of a policy, as a bundle of evidence carries them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Texts {
    /// `leastwise.toml`; empty if there is none.
    pub config: String,
    /// `leastwise-waivers.toml`; empty if there is none.
    pub waivers: String,
    /// More rules, by file name.
    pub rules: Vec<(String, String)>,
}

/// The policy that texts make, whatever files they came from.
///
/// # Errors
/// If one is wrong somewhere: the message says where.
pub fn from_texts(texts: &Texts) -> Result<Policy, AppError> {
    let wrong = |e: crate::policy::PolicyError| AppError::usage(e.to_string());
    let config = parse_config(CONFIG, &texts.config).map_err(wrong)?;
    let waivers = parse_waivers(WAIVERS, &texts.waivers).map_err(wrong)?;
    let rules = RuleSet::load(&texts.rules, &config, (WAIVERS, &texts.waivers, &waivers)).map_err(wrong)?;
    Ok(Policy { config, waivers, rules, from: None, proposed: Vec::new(), texts: texts.clone() })
}

/// Where to look.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The configuration that the user named.
    pub config: Option<PathBuf>,
    /// Where to look upwards from, if none was named.
    pub start: Option<PathBuf>,
    /// Folders with more rules.
    pub rules: Vec<PathBuf>,
    /// The ref to read them from, in place of the disk.
    pub from: Option<Ref>,
    /// Whether the demo's own configuration stands in where there is none.
    pub demo: bool,
}

/// Reads all of it.
///
/// # Errors
/// If a file that was named cannot be read, or is wrong somewhere: the message says where.
pub fn load(places: &Places) -> Result<Policy, AppError> {
    let given = files(places, places.from.as_ref())?;
    let wrong = |e: crate::policy::PolicyError| AppError::usage(e.to_string());
    let more = match &places.from {
        None => more_rules(&places.rules)?,
        Some(from) => rules_of(from, &places.rules)?,
    };
    let waivers = (given.waiver_path.as_str(), given.waiver_text.as_str(), given.waivers.as_slice());
    let rules = RuleSet::load(&more, &given.config, waivers).map_err(wrong)?;
    let mut proposed = Vec::new();
    if let Some(from) = &places.from {
        if more_rules(&places.rules).map(|own| own.into_iter().map(|(_, text)| text).collect::<Vec<_>>()).ok()
            != Some(more.iter().map(|(_, text)| text.clone()).collect())
        {
            proposed.push(format!("rules of --rules differ: those of `{}` hold", from.name()));
        }
        // What the change itself says of them is told, and decides nothing.
        match files(places, None) {
            Ok(own) => {
                let known: Vec<String> = given.waivers.iter().map(said).collect();
                let new = own.waivers.iter().filter(|w| !known.contains(&said(w)));
                proposed.extend(new.map(|w| {
                    let rules: Vec<&str> = w.rules.iter().map(|(slug, _)| slug.as_str()).collect();
                    format!("`{}` for {} until {}: {}", w.id, rules.join(", "), w.expires.date(), w.reason)
                }));
                if own.config.text != given.config.text {
                    proposed.push(format!("leastwise.toml differs: the one of `{}` holds", from.name()));
                }
            }
            Err(error) => proposed.push(format!("the change breaks its own policy: {error}")),
        }
    }
    let name = |path: &str| path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned();
    let texts = Texts {
        config: given.config.text.clone(),
        waivers: given.waiver_text.clone(),
        rules: more.iter().map(|(path, text)| (name(path), text.clone())).collect(),
    };
    let (config, from) = (given.config, places.from.clone());
    Ok(Policy { config, waivers: given.waivers, rules, from, proposed, texts })
}

/// What a waiver says, wherever it stands.
fn said(waiver: &Waiver) -> String {
    let rules: Vec<&str> = waiver.rules.iter().map(|(slug, _)| slug.as_str()).collect();
    format!(
        "{:?}",
        (
            &waiver.id,
            rules,
            &waiver.target,
            waiver.category,
            &waiver.reason,
            waiver.approved_on,
            waiver.expires
        )
    )
}

#[derive(Default)]
struct Files {
    config: Config,
    waivers: Vec<Waiver>,
    waiver_path: String,
    waiver_text: String,
}

/// Configuration and waivers on disk, or as a ref has them.
fn files(places: &Places, from: Option<&Ref>) -> Result<Files, AppError> {
    let there = |path: &Path| match from {
        Some(from) => from.read(path).is_ok_and(|found| found.is_some()),
        None => path.is_file(),
    };
    let read = |path: &Path| match from {
        Some(from) => {
            let bytes = from.read(path)?;
            let missing = || AppError::usage(format!("`{}` does not have `{}`", from.name(), path.display()));
            text(path, bytes.ok_or_else(missing)?)
        }
        None => read(path),
    };
    let found = |name: &str| places.start.as_deref().and_then(|start| find(start, name, &there));
    // One that was named and that the ref does not have yet is no policy there.
    let named = places.config.clone().filter(|path| from.is_none() || there(path));
    let path = named.or_else(|| places.config.is_none().then(|| found(CONFIG)).flatten());
    let wrong = |e: crate::policy::PolicyError| AppError::usage(e.to_string());
    let mut files = Files::default();
    let beside = found(WAIVERS);
    let mut folder = beside.as_deref().and_then(Path::parent).map(Path::to_owned).unwrap_or_default();
    if let Some(path) = &path {
        files.config = parse_config(&shown(path), &read(path)?).map_err(wrong)?;
        folder = path.parent().unwrap_or(Path::new("")).to_owned();
    }
    if path.is_none() && places.demo {
        (files.waiver_path, files.waiver_text) = (WAIVERS.to_owned(), demo::WAIVERS.to_owned());
        files.config = parse_config(CONFIG, demo::CONFIG).map_err(wrong)?;
        files.waivers = parse_waivers(&files.waiver_path, &files.waiver_text).map_err(wrong)?;
    }
    let named = files.config.waivers.is_some();
    let file = folder.join(files.config.waivers.as_deref().unwrap_or(WAIVERS));
    if named || ((path.is_some() || beside.is_some()) && there(&file)) {
        files.waiver_text = read(&file)?;
        files.waiver_path = shown(&file);
        files.waivers = parse_waivers(&files.waiver_path, &files.waiver_text).map_err(wrong)?;
    }
    Ok(files)
}

/// The files of folders with more rules: path and text.
///
/// # Errors
/// If one cannot be read.
pub fn more_rules(folders: &[PathBuf]) -> Result<Vec<(String, String)>, AppError> {
    let mut more = Vec::new();
    for folder in folders {
        let entries = fs::read_dir(folder)
            .map_err(|e| AppError::usage(format!("cannot read the rules in `{}`: {e}", folder.display())))?;
        let mut files: Vec<PathBuf> = entries
            .flatten()
            .map(|e| e.path())
            .filter(|p| p.extension().is_some_and(|e| e == "toml"))
            .collect();
        files.sort();
        for file in files {
            more.push((shown(&file), read(&file)?));
        }
    }
    Ok(more)
}

/// The same as a ref has them.
fn rules_of(from: &Ref, folders: &[PathBuf]) -> Result<Vec<(String, String)>, AppError> {
    let mut more = Vec::new();
    for folder in folders {
        let mut files = from.list(folder)?;
        files.retain(|p| p.extension().is_some_and(|e| e == "toml"));
        files.sort();
        for file in files {
            more.push((shown(&file), text(&file, from.read(&file)?.unwrap_or_default())?));
        }
    }
    Ok(more)
}

fn read(path: &Path) -> Result<String, AppError> {
    text(path, super::read_file(path)?)
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, AppError> {
    String::from_utf8(bytes).map_err(|_| AppError::usage(format!("`{}`: expected UTF-8", path.display())))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The nearest file of this name from here up to the root of the repository.
fn find(start: &Path, name: &str, there: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
    for folder in start.ancestors() {
        let file = folder.join(name);
        if there(&file) {
            return Some(file);
        }
        if folder.join(".git").exists() {
            return None;
        }
    }
    None
}
