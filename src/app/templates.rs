//! ARM templates and files of Bicep with the values of their parameters: which belong together, and reading them.
//!
//! Not here: finding files (`code`), and what they mean (`sources::iac`).

use super::check::Request;
use super::code::{Code, Unread, folder_of};
use super::error::AppError;
use super::store::Folder;
use crate::model::{Gap, Location, Reason, Source};
use crate::rbac::Catalog;
use crate::sources::decode;
use crate::sources::iac::{Bicep, Kind, Reading, Template, parameters_of};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

type Values = HashMap<String, serde_json::Value>;

impl Code {
    /// Reads a template with what --set and the one file of parameters beside it say.
    pub(super) fn template(
        &mut self,
        path: &Path,
        found: &[(PathBuf, Kind)],
        request: &Request,
        catalog: &'static Catalog,
        reading: &mut Reading,
    ) -> Result<(), Box<Unread>> {
        let text = self.text(path)?.into_owned();
        let values = self.values(path, found, request)?;
        let shown = self.shown(path);
        let template = Template { text: &text, path: &shown, parameters: &values };
        reading.template(template, catalog).map_err(|(line, column, expected)| {
            let why = format!("not valid JSON: expected {expected}");
            Unread::new(&shown, Some((line, column)), &why, Reason::Unparsed)
        })
    }

    /// What --set and the one file of parameters in JSON say of a template.
    fn values(
        &mut self,
        path: &Path,
        found: &[(PathBuf, Kind)],
        request: &Request,
    ) -> Result<Values, Box<Unread>> {
        let mut values = Values::new();
        let beside = parameters_beside(path, found, request);
        match beside.as_slice() {
            [] => {}
            [one] => {
                let text = self.text(one)?;
                values = parameters_of(&text).map_err(|(line, column, expected)| {
                    let why = format!("not valid JSON: expected {expected}");
                    Unread::new(&self.shown(one), Some((line, column)), &why, Reason::Unparsed)
                })?;
            }
            many => {
                let names: Vec<String> = many.iter().map(|p| self.shown(p)).collect();
                self.several(path, &names);
            }
        }
        values.extend(request.parameters.clone());
        Ok(values)
    }

    fn several(&mut self, path: &Path, names: &[String]) {
        let detail = format!(
            "it has several files of parameters, and none of them is used: name one beside it ({})",
            names.join(", ")
        );
        self.gap(path, Reason::Unresolved, detail);
    }

    /// Says of files of parameters that no template took them.
    pub(super) fn unused_parameters(&mut self, found: &[(PathBuf, Kind)]) {
        let templates: Vec<&PathBuf> = found
            .iter()
            .filter(|(_, k)| matches!(k, Kind::ArmTemplate | Kind::Bicep))
            .map(|(p, _)| p)
            .collect();
        for (path, _) in found.iter().filter(|(_, k)| *k == Kind::ArmParameters) {
            if !templates.iter().any(|t| belongs(path, t)) {
                let detail = format!("`{}` holds parameters of no template that was found", path.display());
                self.gap(path, Reason::Unresolved, detail);
            }
        }
    }

    /// Reads the files of Bicep of a repository: each that no other calls, and each that has parameters of its own. Files are
    /// given with their paths in the repository.
    pub(super) fn bicep(
        &mut self,
        repository: &Path,
        mut files: Vec<(String, PathBuf)>,
        found: &[(PathBuf, Kind)],
        request: &Request,
        catalog: &'static Catalog,
        reading: &mut Reading,
    ) -> Result<BTreeSet<PathBuf>, AppError> {
        let more = bicepparam_beside(&files, request);
        let beside = !more.is_empty();
        files.extend(more);
        let tree = Folder::open(repository)?;
        let restored = request.restored.as_deref().and_then(|r| Folder::open(r).ok());
        let restored = restored.as_ref().map(|r| r as &dyn crate::sources::Files);
        let mut bicep = Bicep::new(&tree, restored, catalog);
        files.iter().for_each(|(inside, _)| bicep.add(inside));
        let mut given: HashMap<String, Vec<String>> = HashMap::new();
        for (inside, path) in &files {
            if let Some((line, column, why)) = bicep.unread(inside) {
                if files.len() == 1 && found.len() == 1 {
                    return Err(AppError::usage(format!("`{inside}:{line}:{column}`: {why}")));
                }
                let location = Location { path: inside.clone(), line: *line, column: *column };
                self.gaps.push(Gap::new(Source::Files, "", Reason::Unparsed, why.as_str()).at(location));
            } else if is_bicepparam(inside) {
                match bicep.using(inside).filter(|whose| bicep.unread(whose).is_none()) {
                    Some(whose) => given.entry(whose.to_owned()).or_default().push(inside.clone()),
                    // Others add to it.
                    None if bicep.is_called(inside) => {}
                    None if beside => {}
                    None => {
                        let detail = "it holds parameters of a file that is not there, or of none".to_owned();
                        self.gap(path, Reason::Unresolved, detail);
                    }
                }
            }
        }
        // Beside a file that was named there may be parameters of others.
        if beside {
            given.retain(|whose, _| files.iter().any(|(inside, _)| inside == whose));
        }
        let named = |inside: &str| files.iter().any(|(i, p)| i == inside && request.paths.contains(p));
        // Files of parameters that were named count before those that were found.
        for all in given.values_mut().filter(|all| all.iter().any(|i| named(i))) {
            all.retain(|i| named(i));
        }
        let mut waiting: Vec<String> = given.keys().cloned().collect();
        waiting.sort();
        let sources = || files.iter().filter(|(i, _)| !is_bicepparam(i) && !given.contains_key(i));
        let own = |path: &Path| !parameters_beside(path, found, request).is_empty();
        waiting.extend(sources().filter(|(i, p)| !bicep.is_called(i) || own(p)).map(|(i, _)| i.clone()));
        // What is called and never deployed, as by modules under conditions, is looked at by itself.
        waiting.extend(sources().map(|(i, _)| i.clone()));
        let mut entered = BTreeSet::new();
        for (n, inside) in waiting.iter().enumerate() {
            if bicep.unread(inside).is_some() || waiting.get(..n).is_some_and(|w| w.contains(inside)) {
                continue;
            }
            let path = files.iter().find(|(i, _)| i == inside).map(|(_, p)| p.clone());
            let path = path.unwrap_or_else(|| repository.join(inside));
            let is_root = !bicep.is_called(inside) || given.contains_key(inside) || own(&path);
            if entered.contains(inside) && !is_root {
                continue;
            }
            *self.read.entry(Kind::Bicep).or_default() += 1;
            if !bicep.deploys(inside) {
                continue;
            }
            let mut values = match self.values(&path, found, request) {
                Ok(values) => values,
                Err(unread) => {
                    self.gaps.push(unread.gap);
                    Values::new()
                }
            };
            let beside = parameters_beside(&path, found, request);
            match given.get(inside).map(Vec::as_slice) {
                Some([one]) if !beside.is_empty() => {
                    let all = [one.clone(), self.shown(&beside.first().cloned().unwrap_or_default())];
                    self.several(&path, &all);
                    values = Values::new();
                }
                Some([one]) => values = bicep.parameters(one),
                Some(many) => self.several(&path, many),
                None => {}
            }
            values.extend(request.parameters.clone());
            entered.extend(reading.bicep(&mut bicep, inside, &values));
            entered.insert(inside.clone());
        }
        Ok(entered.iter().filter_map(|inside| repository.join(inside).canonicalize().ok()).collect())
    }
}

fn is_bicepparam(path: &str) -> bool {
    path.to_ascii_lowercase().ends_with(".bicepparam")
}

/// Files of parameters in Bicep beside a file that was named alone.
fn bicepparam_beside(files: &[(String, PathBuf)], request: &Request) -> Vec<(String, PathBuf)> {
    let alone = |path: &PathBuf| request.paths.contains(path) && !files.iter().any(|(i, _)| is_bicepparam(i));
    let mut found = Vec::new();
    for (inside, path) in files.iter().filter(|(i, p)| !is_bicepparam(i) && alone(p)) {
        let beside = std::fs::read_dir(folder_of(path)).into_iter().flatten();
        let mut names: Vec<String> =
            beside.filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned())).collect();
        names.sort();
        names.retain(|name| is_bicepparam(name));
        let folder = inside.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        found.extend(names.into_iter().map(|n| (format!("{folder}{n}"), folder_of(path).join(&n))));
    }
    found
}

/// Whether a file of parameters is a template's by its name: `x.parameters.json` or `x.prod.parameters.json` for `x.json`.
fn belongs(parameters: &Path, template: &Path) -> bool {
    let stem = |p: &Path| {
        let name = p.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let known = [".json", ".bicep", ".bicepparam"].iter().find_map(|end| name.strip_suffix(end));
        known.unwrap_or(&name).to_owned()
    };
    let (own, other) = (stem(template), stem(parameters));
    parameters.parent() == template.parent()
        && other.strip_prefix(&own).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        && parameters != template
}

/// The files of parameters that may be a template's: those that were named, else those beside it.
fn parameters_beside(path: &Path, found: &[(PathBuf, Kind)], request: &Request) -> Vec<PathBuf> {
    let all = found.iter().filter(|(_, k)| *k == Kind::ArmParameters).map(|(p, _)| p);
    let named: Vec<PathBuf> = all.clone().filter(|p| request.paths.contains(p)).cloned().collect();
    if !named.is_empty() {
        return named;
    }
    let mut own: Vec<PathBuf> = all.filter(|p| belongs(p, path)).cloned().collect();
    // A template that was named alone has its parameters beside it all the same.
    if own.is_empty() && request.paths.iter().any(|p| p == path) {
        let inside =
            std::fs::read_dir(folder_of(path)).into_iter().flatten().filter_map(|e| Some(e.ok()?.path()));
        own = inside
            .filter(|p| {
                p.extension().is_some_and(|e| e == "json")
                    && belongs(
                        &folder_of(path).join(p.file_name().unwrap_or_default()),
                        &folder_of(path).join(path.file_name().unwrap_or_default()),
                    )
            })
            .collect();
        own.sort();
        own.retain(|p| {
            let text = std::fs::read(p).ok().and_then(decode).unwrap_or_default();
            Kind::of(&p.to_string_lossy(), text.as_bytes()) == Some(Kind::ArmParameters)
        });
    }
    own
}
