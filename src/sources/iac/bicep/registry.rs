//! Modules of registries, where `bicep restore` has put them.
//!
//! Source: "Private registry for Bicep modules", "Add module settings in the Bicep config file". Below the folder of restored
//! modules, one lies at `br/REGISTRY/PATH/TAG$/main.json`, with `$` for the slashes of its path and the colon before a port.

use crate::sources::Files;
use crate::sources::iac::arm;
use std::collections::HashMap;
use std::io::Read as _;

/// In bytes: compiled modules are long, and not longer.
const LARGEST: u64 = 64 << 20;

/// What registries are known by, and what was restored of them.
pub(super) struct Registry<'f> {
    files: &'f dyn Files,
    restored: Option<&'f dyn Files>,
    /// Aliases by the folder that they hold in: registry, and the path that all its modules begin with.
    aliases: HashMap<String, HashMap<String, (String, String)>>,
}

/// `br:registry/path:tag` and `br/alias:path:tag`, without what they begin with; `None` for files.
pub(super) fn address_in(path: &str) -> Option<String> {
    let (scheme, rest) = path.split_at_checked(3)?;
    matches!(scheme, "br:" | "br/" | "ts:" | "ts/").then(|| format!("{scheme}{rest}"))
}

impl<'f> Registry<'f> {
    pub(super) fn new(files: &'f dyn Files, restored: Option<&'f dyn Files>) -> Registry<'f> {
        Registry { files, restored, aliases: HashMap::new() }
    }

    /// The key of a module, if it was restored. Keys begin with `br:`, which no path does.
    pub(super) fn find(&mut self, from: &str, address: &str) -> Option<String> {
        let (whole, tag) = match address.split_at_checked(3)? {
            ("br:", rest) => {
                let (path, tag) = rest.rsplit_once([':', '@'])?;
                (path.to_owned(), tag)
            }
            ("br/", rest) => {
                let (alias, rest) = rest.split_once(':')?;
                let (path, tag) = rest.rsplit_once([':', '@'])?;
                let (registry, prefix) = self.alias(from, alias)?;
                let prefix = if prefix.is_empty() { prefix } else { format!("{prefix}/") };
                (format!("{registry}/{prefix}{path}"), tag)
            }
            _ => return None,
        };
        let (registry, path) = whole.split_once('/')?;
        let registry = registry.to_ascii_lowercase().replace(':', "$");
        let place = format!("br/{registry}/{}/{tag}$/main.json", path.replace('/', "$"));
        // Names in addresses are no way out of the folder.
        let safe = !place.split('/').any(|step| matches!(step, "" | "." | ".."));
        (safe && self.restored?.open(&place).is_ok()).then(|| format!("br:{place}"))
    }

    pub(super) fn knows(&self, key: &str) -> bool {
        key.starts_with("br:")
    }

    pub(super) fn read(&self, key: &str) -> Option<String> {
        let mut text = String::new();
        self.restored?.open(key.strip_prefix("br:")?).ok()?.take(LARGEST).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// The registry and path that an alias stands for in a file: `bicepconfig.json` of the nearest folder says so.
    fn alias(&mut self, from: &str, alias: &str) -> Option<(String, String)> {
        let mut folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
        loop {
            let path = if folder.is_empty() {
                "bicepconfig.json".to_owned()
            } else {
                format!("{folder}/bicepconfig.json")
            };
            let known = self.aliases.entry(folder.to_owned()).or_insert_with(|| aliases(self.files, &path));
            if let Some(found) = known.get(alias) {
                return Some(found.clone());
            }
            // The nearest file counts alone; that it is there is all that matters.
            if folder.is_empty() || !known.is_empty() {
                break;
            }
            folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
        }
        (alias == "public").then(|| ("mcr.microsoft.com".to_owned(), "bicep".to_owned()))
    }
}

fn aliases(files: &dyn Files, path: &str) -> HashMap<String, (String, String)> {
    let mut text = String::new();
    let read = files.open(path).map(|f| f.take(LARGEST).read_to_string(&mut text));
    let (Ok(Ok(_)), Ok(root)) = (read, arm::parse_json(&text)) else { return HashMap::new() };
    let found =
        root.get("moduleAliases").and_then(|a| a.get("br")).map(arm::Node::members).unwrap_or_default();
    let text =
        |of: &arm::Node, key: &str| of.get(key).and_then(arm::Node::text).unwrap_or_default().to_owned();
    found.iter().map(|(name, a)| (name.clone(), (text(a, "registry"), text(a, "modulePath")))).collect()
}
