//! The files that Bicep refers to: modules, imported files, and texts and JSON that become values.
//!
//! Modules of registries are read where `bicep restore` has put them, if somebody says where that is; else they are gaps.
//! Not here: finding files to begin with (`app`), and what they say (`lower`).

use super::declarations::parse;
use super::lower::{Lowered, lower};
use super::registry::{Registry, address_in};
use super::syntax::Names;
use crate::model::{Gap, Location, Reason, Source};
use crate::rbac::Catalog;
use crate::sources::arm::Lowering;
use crate::sources::iac::arm::{self, Expression, Import, Module, Modules, Node, Tree, Written};
use crate::sources::iac::place::{Lines, normal, position};
use crate::sources::{Files, decode};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Read as _;

/// In bytes: nobody writes larger files by hand.
const LARGEST: u64 = 8 << 20;

/// Why a file could not be read: line, column and what was expected.
type Unread = (u64, u64, String);

/// Files of Bicep in a tree, and everything that they refer to.
pub struct Bicep<'f> {
    files: &'f dyn Files,
    registry: Registry<'f>,
    modules: Modules,
    /// Files that others call as modules, or import.
    called: BTreeSet<String>,
    /// Whose parameters a file gives.
    using: BTreeMap<String, String>,
    unread: BTreeMap<String, Unread>,
    gaps: Vec<Gap>,
    catalog: &'static Catalog,
}

impl std::fmt::Debug for Bicep<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bicep({} files)", self.modules.len())
    }
}

impl<'f> Bicep<'f> {
    /// Over a tree; `restored` is where modules of registries were put.
    pub fn new(
        files: &'f dyn Files,
        restored: Option<&'f dyn Files>,
        catalog: &'static Catalog,
    ) -> Bicep<'f> {
        Bicep {
            files,
            registry: Registry::new(files, restored),
            modules: Modules::new(),
            called: BTreeSet::new(),
            using: BTreeMap::new(),
            unread: BTreeMap::new(),
            gaps: Vec::new(),
            catalog,
        }
    }

    /// Takes in a file, and all that it refers to.
    pub fn add(&mut self, path: &str) {
        let mut waiting = vec![path.to_owned()];
        while let Some(path) = waiting.pop() {
            if self.modules.contains_key(&path) || self.unread.contains_key(&path) {
                continue;
            }
            let found = self.load(&path).unwrap_or_else(|why| {
                self.unread.insert(path.clone(), why);
                Vec::new()
            });
            waiting.extend(found);
        }
    }

    /// Why a file could not be read, if it could not: line, column and what was expected.
    pub fn unread(&self, path: &str) -> Option<&(u64, u64, String)> {
        self.unread.get(path)
    }

    /// Whether another file calls this one.
    pub fn is_called(&self, path: &str) -> bool {
        self.called.contains(path)
    }

    /// The file whose parameters a file of parameters gives.
    pub fn using(&self, path: &str) -> Option<&str> {
        self.using.get(path).map(String::as_str)
    }

    /// The values that a file of parameters gives.
    pub fn parameters(&self, path: &str) -> HashMap<String, Json> {
        let whose = self.using(path).and_then(|whose| self.modules.get(whose));
        self.modules
            .get(path)
            .map(|m| arm::given(m, whose, &self.modules, self.catalog, 0))
            .unwrap_or_default()
    }

    /// Whether a file deploys anything.
    pub fn deploys(&self, path: &str) -> bool {
        let resources = self.modules.get(path).and_then(|m| m.root.get("resources"));
        resources.is_some_and(|r| !r.members().is_empty() || !r.items().is_empty())
    }

    /// Deploys a file; gives the names of its parameters, and the files that it deploys in turn.
    pub(in crate::sources::iac) fn deploy(
        &mut self,
        path: &str,
        parameters: &HashMap<String, Json>,
        at: Option<&str>,
        lowering: &mut Lowering,
    ) -> (Vec<String>, BTreeSet<String>) {
        lowering.estate.gaps.append(&mut self.gaps);
        let entered = arm::deploy(&self.modules, path, parameters, at, self.catalog, lowering);
        (self.modules.get(path).map(Module::parameters).unwrap_or_default(), entered)
    }

    /// A file, whole or not at all.
    fn read(files: &dyn Files, path: &str) -> Result<String, Unread> {
        let why = |why: &str| (1, 1, why.to_owned());
        let mut bytes = Vec::new();
        let opened = files.open(path).map_err(|e| (1, 1, format!("it cannot be read: {e}")))?;
        opened
            .take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| (1, 1, format!("it cannot be read: {e}")))?;
        if bytes.len() as u64 > LARGEST {
            return Err(why("it is larger than 8 MiB, and not read"));
        }
        decode(bytes).ok_or_else(|| why("it is no text in UTF-8 or UTF-16"))
    }

    /// Reads a file; gives the keys of those that it refers to.
    fn load(&mut self, key: &str) -> Result<Vec<String>, Unread> {
        let broken = |(line, column, expected): (u64, u64, &str)| {
            (line, column, format!("not valid JSON: expected {expected}"))
        };
        if self.registry.knows(key) {
            let text = self.registry.read(key).ok_or_else(|| (1, 1, "it cannot be read".to_owned()))?;
            self.modules.insert(key.to_owned(), arm::module_of(&text, key, true).map_err(broken)?);
            return Ok(Vec::new());
        }
        let text = Bicep::read(self.files, key)?;
        if key.ends_with(".json") || key.ends_with(".jsonc") {
            self.modules.insert(key.to_owned(), arm::module_of(&text, key, false).map_err(broken)?);
            return Ok(Vec::new());
        }
        let (declarations, secret) = parse(&text).map_err(|broken| {
            let (line, column) = position(&text, broken.at);
            (line, column, format!("expected {}", broken.expected))
        })?;
        let Lowered { mut root, modules, imports, using, used, secrets } = lower(declarations, secret);
        let lines = Lines::of(&text);
        let mut references = Vec::new();
        let mut resolved = HashMap::new();
        for (path, _) in &modules {
            let found = self.resolve(key, path);
            references.extend(found.clone().ok());
            resolved.insert(path.clone(), found);
        }
        name_modules(&mut root, &resolved);
        let folder = folder_of(key);
        if text.contains("load") {
            load_values(&mut root, self.files, folder);
        }
        let mut found = Vec::new();
        for (names, path, at) in imports {
            match self.resolve(key, &path) {
                Ok(from) => {
                    references.push(from.clone());
                    found.push(match names {
                        Names::All(alias) => Import { from, alias: Some(alias), names: Vec::new() },
                        Names::These(names) => Import { from, alias: None, names },
                    });
                }
                // Types decide nothing.
                Err(missing) if asked(&names, &used) => {
                    let (line, column) = lines.position(at);
                    let location = Location { path: key.to_owned(), line, column };
                    let detail = format!("values come from {missing}");
                    self.gaps.push(Gap::new(Source::Files, "", Reason::Unresolved, detail).at(location));
                }
                Err(_) => {}
            }
        }
        self.called.extend(references.iter().cloned());
        if let Some(whose) = using
            && let Ok(whose) = self.resolve(key, &whose)
        {
            self.using.insert(key.to_owned(), whose.clone());
            references.push(whose);
        }
        let (path, written, imports) = (key.to_owned(), Written::Bicep, found);
        let module = Module { path, root, lines, written, outside: false, imports, secrets };
        self.modules.insert(key.to_owned(), module);
        Ok(references)
    }

    /// The key of what a path in a file leads to, or what it is in words.
    fn resolve(&mut self, from: &str, path: &str) -> Result<String, String> {
        if let Some(address) = address_in(path) {
            return self.registry.find(from, &address).ok_or_else(|| {
                format!("the module `{path}` of a registry, which is not restored here (run `bicep restore {from}`)")
            });
        }
        let key = normal(&format!("{}/{path}", folder_of(from)));
        if self.files.open(&key).is_ok() {
            Ok(key)
        } else {
            Err(format!("`{path}`, a file that is not there"))
        }
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Whether a value is asked of what an import brings.
fn asked(names: &Names, used: &HashSet<String>) -> bool {
    match names {
        Names::These(names) => names.iter().any(|(_, here)| used.contains(here)),
        Names::All(alias) => used.contains(alias),
    }
}

/// Puts keys in the place of paths.
fn name_modules(root: &mut Node, resolved: &HashMap<String, Result<String, String>>) {
    let Tree::Object(members) = &mut root.value else { return };
    let resources = members.iter_mut().find(|(name, _)| name == "resources");
    let Some((_, Node { value: Tree::Object(resources), .. })) = resources else { return };
    for (_, resource) in resources {
        let Tree::Object(members) = &mut resource.value else { continue };
        let Some((name, module)) = members.iter_mut().find(|(name, _)| name == "module") else { continue };
        let Tree::Leaf(Json::String(path)) = &mut module.value else { continue };
        match resolved.get(path.as_str()) {
            Some(Ok(key)) => path.clone_from(key),
            Some(Err(missing)) => {
                let missing = Node { at: module.at, value: Tree::Leaf(Json::String(missing.clone())) };
                "".clone_into(path);
                let _kept = name;
                members.push(("missing".to_owned(), missing));
            }
            None => {}
        }
    }
}

/// Puts what functions read from files in their place.
fn load_values(node: &mut Node, files: &dyn Files, folder: &str) {
    match &mut node.value {
        Tree::Leaf(_) => {}
        Tree::List(items) => items.iter_mut().for_each(|i| load_values(i, files, folder)),
        Tree::Object(members) => members.iter_mut().for_each(|(_, m)| load_values(m, files, folder)),
        Tree::Expression(expression) => load_value(expression, files, folder),
    }
}

fn load_value(expression: &mut Expression, files: &dyn Files, folder: &str) {
    let arguments = match expression {
        Expression::Value(_) | Expression::Name(_) => return,
        Expression::Member(of, _) => return load_value(of, files, folder),
        Expression::Index(of, index) => {
            load_value(of, files, folder);
            return load_value(index, files, folder);
        }
        Expression::Call(name, arguments) => {
            arguments.iter_mut().for_each(|a| load_value(a, files, folder));
            let name = name.strip_prefix("sys.").unwrap_or(name);
            let is_json = name == "loadJsonContent";
            if !is_json && name != "loadTextContent" {
                return;
            }
            (is_json, arguments)
        }
    };
    let (is_json, [Expression::Value(Json::String(path)), steps @ ..]) =
        (arguments.0, arguments.1.as_slice())
    else {
        return;
    };
    let Ok(text) = Bicep::read(files, &normal(&format!("{folder}/{path}"))) else { return };
    let value = match (is_json, steps) {
        (false, _) => Json::String(text),
        (true, steps) => {
            let Ok(whole) = arm::parse_json(&text) else { return };
            let whole = whole.json();
            match steps {
                [Expression::Value(Json::String(steps)), ..] => {
                    // Paths that look for something are not followed.
                    if steps.contains("..") || steps.contains(['[', '*', '?', '(']) {
                        return;
                    }
                    let steps = steps.trim_start_matches('$').split('.').filter(|s| !s.is_empty());
                    match steps.into_iter().try_fold(&whole, |at, step| at.get(step)) {
                        Some(part) => part.clone(),
                        None => return,
                    }
                }
                _ => whole,
            }
        }
    };
    *expression = Expression::Value(value);
}
