//! Where Terraform's blocks stand: a plan has no lines, so that addresses are looked for in the source that it came from.
//!
//! Modules lie where their calls say, or where `terraform init` has put them (`.terraform/modules/modules.json`). What
//! cannot be found is at the call of its module. Not here: what blocks say.

use super::address::module_names;
use super::written::Configuration;
use crate::model::Location;
use crate::sources::Files;
use serde::Deserialize;
use std::collections::HashMap;
use std::io::Read as _;

/// In bytes: nobody writes larger files by hand.
const LARGEST: u64 = 8 << 20;

/// Blocks of a folder: `resource.type.name` or `module.name`.
type Blocks = HashMap<String, Location>;

/// The source of a root module.
pub(super) struct Places<'f> {
    files: &'f dyn Files,
    /// The folder of the root module.
    root: String,
    installed: HashMap<String, String>,
    folders: HashMap<String, Blocks>,
}

#[derive(Deserialize)]
struct Installed {
    #[serde(rename = "Modules")]
    modules: Vec<InstalledModule>,
}

#[derive(Deserialize)]
struct InstalledModule {
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "Dir")]
    dir: String,
}

impl<'f> Places<'f> {
    /// Over a tree, from a folder in it.
    pub(super) fn new(files: &'f dyn Files, root: &str) -> Places<'f> {
        let installed = installed(files, root);
        Places { files, root: root.to_owned(), installed, folders: HashMap::new() }
    }

    /// The block of a resource in a module of a configuration.
    pub(super) fn find(
        &mut self,
        configuration: &Configuration<'_>,
        module: &str,
        kind: &str,
        name: &str,
    ) -> Option<Location> {
        let path = module_names(module);
        let mut folder = self.root.clone();
        let mut call = None;
        for n in 0..path.len() {
            let here = path.get(..=n)?;
            // The nearest call that is known stands for what is behind it.
            call = self.block(&folder, &format!("module.{}", here.last()?)).or(call);
            match self.folder_of(configuration, here, &folder) {
                Some(next) => folder = next,
                None => return call,
            }
        }
        self.block(&folder, &format!("resource.{kind}.{name}")).or(call)
    }

    fn folder_of(&self, configuration: &Configuration<'_>, path: &[String], parent: &str) -> Option<String> {
        if let Some(dir) = self.installed.get(&path.join(".")) {
            return Some(dir.clone());
        }
        let source = configuration.call_source(path)?;
        let local = source.starts_with("./") || source.starts_with("../");
        local.then(|| normal(&format!("{parent}/{source}")))
    }

    fn block(&mut self, folder: &str, key: &str) -> Option<Location> {
        if !self.folders.contains_key(folder) {
            self.folders.insert(folder.to_owned(), super::hcl::places(self.files, folder));
        }
        self.folders.get(folder)?.get(key).cloned()
    }
}

/// Where `terraform init` has put modules, by their keys.
pub(super) fn installed(files: &dyn Files, root: &str) -> HashMap<String, String> {
    let under =
        |path: &str| normal(&if root.is_empty() { path.to_owned() } else { format!("{root}/{path}") });
    let mut text = String::new();
    let read = files
        .open(&under(".terraform/modules/modules.json"))
        .map(|f| f.take(LARGEST).read_to_string(&mut text));
    if !matches!(read, Ok(Ok(_))) {
        return HashMap::new();
    }
    let found = serde_json::from_str::<Installed>(&text).map(|i| i.modules).unwrap_or_default();
    found.into_iter().map(|m| (m.key, under(&m.dir))).collect()
}

/// Where lines begin, so that places are found without counting from the start each time.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Lines {
        Lines(std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|n| n + 1)).collect())
    }

    /// Line and column of a byte, both from 1.
    pub(super) fn position(&self, at: usize) -> (u64, u64) {
        let line = self.0.partition_point(|start| *start <= at);
        let start = line.checked_sub(1).and_then(|n| self.0.get(n)).copied().unwrap_or(0);
        (line.max(1) as u64, (at - start.min(at)) as u64 + 1)
    }
}

/// Line and column of a byte, both from 1.
pub(super) fn position(text: &str, at: usize) -> (u64, u64) {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    let line = before.iter().filter(|b| **b == b'\n').count();
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
    (line as u64 + 1, (at - start) as u64 + 1)
}

/// A path without `.` and `..`; nothing leads out of the tree.
pub(super) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::MemoryFiles;

    #[test]
    fn blocks_are_found_through_modules() {
        let files: MemoryFiles = MemoryFiles(
            [
                ("infra/main.tf", "# x\n\nmodule \"app\" {\n  source = \"../modules/app\"\n}\nmodule \"far\" {\n  source = \"acme/far/azurerm\"\n}\n"),
                ("modules/app/main.tf", "resource \"a\" \"b\" {}\n  resource \"a\" \"c\" {}\n"),
            ]
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
            .into(),
        );
        let configuration: Configuration<'_> = serde_json::from_str(
            r#"{"root_module": {"module_calls": {"app": {"source": "../modules/app", "module": {}},
                "far": {"source": "acme/far/azurerm", "module": {}}}}}"#,
        )
        .unwrap();
        let mut places = Places::new(&files, "infra");
        let mut at = |module: &str, name: &str| {
            places.find(&configuration, module, "a", name).map(|l| (l.path, l.line, l.column))
        };
        assert_eq!(at("module.app", "c"), Some(("modules/app/main.tf".to_owned(), 2, 3)));
        // What is not there is at the call of its module.
        assert_eq!(at("module.app[\"x\"]", "d"), Some(("infra/main.tf".to_owned(), 3, 1)));
        assert_eq!(at("module.far", "d"), Some(("infra/main.tf".to_owned(), 6, 1)));
        assert_eq!(at("", "d"), None);
        assert_eq!(normal("a/../../b/./c"), "b/c");
    }
}
