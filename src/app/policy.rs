//! The user's files: configuration, waivers and more rules, found and read.

use super::error::AppError;
use crate::policy::{Config, Waiver, parse_config, parse_waivers};
use crate::rules::RuleSet;
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
    /// Whether the demo's own configuration stands in where there is none.
    pub demo: bool,
}

/// Reads all of it.
///
/// # Errors
/// If a file that was named cannot be read, or is wrong somewhere: the message says where.
pub fn load(places: &Places) -> Result<Policy, AppError> {
    let path =
        places.config.clone().or_else(|| places.start.as_deref().and_then(|start| find(start, CONFIG)));
    let mut config = Config::default();
    let wrong = |e: crate::policy::PolicyError| AppError::usage(e.to_string());
    let (mut waivers, mut waiver_path, mut waiver_text) = (Vec::new(), String::new(), String::new());
    let beside = places.start.as_deref().and_then(|start| find(start, WAIVERS));
    let mut folder = beside.as_deref().and_then(Path::parent).map(Path::to_owned).unwrap_or_default();
    if let Some(path) = &path {
        let text = read(path)?;
        config = parse_config(&shown(path), &text).map_err(wrong)?;
        folder = path.parent().unwrap_or(Path::new("")).to_owned();
    }
    if path.is_none() && places.demo {
        (waiver_path, waiver_text) = (WAIVERS.to_owned(), demo::WAIVERS.to_owned());
        config = parse_config(CONFIG, demo::CONFIG).map_err(wrong)?;
        waivers = parse_waivers(&waiver_path, &waiver_text).map_err(wrong)?;
    }
    let named = config.waivers.is_some();
    let file = folder.join(config.waivers.as_deref().unwrap_or(WAIVERS));
    if named || ((path.is_some() || beside.is_some()) && file.is_file()) {
        waiver_text = read(&file)?;
        waiver_path = shown(&file);
        waivers = parse_waivers(&waiver_path, &waiver_text).map_err(wrong)?;
    }
    let more = more_rules(&places.rules)?;
    let rules = RuleSet::load(&more, &config, (&waiver_path, &waiver_text, &waivers)).map_err(wrong)?;
    Ok(Policy { config, waivers, rules })
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

fn read(path: &Path) -> Result<String, AppError> {
    let bytes = super::read_file(path)?;
    String::from_utf8(bytes).map_err(|_| AppError::usage(format!("`{}`: expected UTF-8", path.display())))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The nearest file of this name from here up to the root of the repository.
fn find(start: &Path, name: &str) -> Option<PathBuf> {
    for folder in start.ancestors() {
        let file = folder.join(name);
        if file.is_file() {
            return Some(file);
        }
        if folder.join(".git").exists() {
            return None;
        }
    }
    None
}
