//! The catalogue: every operation and every built-in role that Azure is known to have, as facts with a date.
//!
//! It is embedded as text that people can review and compare (`catalog.txt`, format in `format`), and read on first
//! use: the list of operations and each role's blocks only when somebody asks. `leastwise catalog update` makes it
//! anew from Azure's own answers. Not here: reading those answers (`sources::catalog`).

mod format;
mod operations;

pub use format::{CatalogError, Draft, DraftRole, verify, write};
pub use operations::Operations;

use super::effective::CompiledRole;
use super::profile::{ClassSets, RoleProfile};
use crate::model::Permission;
use std::collections::HashMap;
use std::sync::OnceLock;

/// A catalogue of operations and built-in roles.
#[derive(Debug)]
pub struct Catalog {
    text: std::borrow::Cow<'static, str>,
    date: String,
    digest: String,
    roles: HashMap<String, Entry>,
    operations_at: std::ops::Range<usize>,
    /// Whether it is the embedded one, whose operations need not be read.
    embedded: bool,
    operations: OnceLock<Operations>,
    classes: OnceLock<ClassSets>,
    names: OnceLock<HashMap<String, String>>,
    aliases: OnceLock<HashMap<String, String>>,
}

/// Where a role is, and what it means once somebody asked.
#[derive(Debug)]
struct Entry {
    at: std::ops::Range<usize>,
    meaning: OnceLock<Option<BuiltIn>>,
}

/// A built-in role with what it means.
#[derive(Debug)]
pub struct BuiltIn {
    /// Its name today.
    pub name: String,
    /// What it allows.
    pub compiled: CompiledRole,
    /// What that amounts to.
    pub profile: RoleProfile,
}

/// A built-in role.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CatalogRole {
    /// Its GUID, lower-case.
    pub guid: String,
    /// Its name today.
    pub name: String,
    /// Names it had.
    pub aliases: Vec<String>,
    /// Where it may be assigned; `/` is everywhere.
    pub assignable_scopes: Vec<String>,
    /// What it allows.
    pub permissions: Vec<Permission>,
}

impl Catalog {
    /// The embedded catalogue.
    pub fn embedded() -> &'static Catalog {
        static CATALOG: OnceLock<Catalog> = OnceLock::new();
        CATALOG.get_or_init(|| {
            // A damaged embedded text would mean a damaged binary; an empty catalogue then answers nothing, and
            // the test that reads the real one keeps this from ever shipping.
            let read = Catalog::parse(include_str!("catalog.txt").into());
            read.map(|c| Catalog { embedded: true, ..c }).unwrap_or_else(|_| Catalog {
                text: "".into(),
                date: String::new(),
                digest: String::new(),
                roles: HashMap::new(),
                operations_at: 0..0,
                embedded: false,
                operations: OnceLock::new(),
                classes: OnceLock::new(),
                names: OnceLock::new(),
                aliases: OnceLock::new(),
            })
        })
    }

    /// Reads a catalogue's frame; its lists are read when asked for.
    pub fn parse(text: std::borrow::Cow<'static, str>) -> Result<Catalog, CatalogError> {
        let frame = format::frame(&text)?;
        let (date, digest) = (frame.date.to_owned(), frame.digest.to_owned());
        let roles = format::role_index(&text, frame.roles.clone()).into_iter();
        let roles = roles.map(|(guid, at)| (guid, Entry { at, meaning: OnceLock::new() })).collect();
        let operations_at = frame.operations;
        Ok(Catalog {
            text,
            date,
            digest,
            roles,
            operations_at,
            embedded: false,
            operations: OnceLock::new(),
            classes: OnceLock::new(),
            names: OnceLock::new(),
            aliases: OnceLock::new(),
        })
    }

    /// Its text, as it was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The day of the newest fact in it.
    pub fn date(&self) -> &str {
        &self.date
    }

    /// SHA-256 of its lists, in hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The operations.
    pub fn operations(&self) -> &Operations {
        self.operations.get_or_init(|| match self.embedded {
            true => Operations::embedded(),
            false => Operations::parse(self.text.get(self.operations_at.clone()).unwrap_or_default()),
        })
    }

    /// The operations by what harm they do.
    pub fn classes(&self) -> &ClassSets {
        self.classes.get_or_init(|| ClassSets::new(self.operations()))
    }

    /// How many roles there are.
    pub fn role_count(&self) -> usize {
        self.roles.len()
    }

    /// The role of this GUID, in any case.
    pub fn role(&self, guid: &str) -> Option<CatalogRole> {
        let entry = self.roles.get(&guid.to_ascii_lowercase())?;
        format::parse_role(self.text.get(entry.at.clone())?)
    }

    /// What the role of this GUID means: worked out once.
    pub fn built_in(&self, guid: &str) -> Option<&BuiltIn> {
        let entry = self.roles.get(&guid.to_ascii_lowercase())?;
        let meaning = entry.meaning.get_or_init(|| {
            let role = format::parse_role(self.text.get(entry.at.clone())?)?;
            let compiled = CompiledRole::compile(&role.permissions, self.operations());
            let profile = RoleProfile::new(&compiled, self.operations(), self.classes());
            Some(BuiltIn { name: role.name, compiled, profile })
        });
        meaning.as_ref()
    }

    /// The name of the role of this GUID, without reading its blocks.
    pub fn role_name(&self, guid: &str) -> Option<&str> {
        let text = self.text.get(self.roles.get(guid)?.at.clone())?;
        text.lines().next()?.strip_prefix("role ")?.split_once(' ').map(|(_, name)| name)
    }

    /// The role with this name, today's or an old one, without regard to case.
    pub fn role_by_name(&self, name: &str) -> Option<CatalogRole> {
        let wanted = name.trim().to_lowercase();
        // Today's names win over old ones of other roles, and are found without reading what roles allow.
        let names = self.names.get_or_init(|| {
            let all = self
                .guids()
                .into_iter()
                .filter_map(|g| Some((self.role_name(g)?.to_lowercase(), g.to_owned())));
            all.collect()
        });
        if let Some(guid) = names.get(&wanted) {
            return self.role(guid);
        }
        let aliases = self.aliases.get_or_init(|| {
            let mut aliases = HashMap::new();
            for role in self.guids().into_iter().filter_map(|g| self.role(g)) {
                for alias in &role.aliases {
                    aliases.entry(alias.to_lowercase()).or_insert_with(|| role.guid.clone());
                }
            }
            aliases
        });
        self.role(aliases.get(&wanted)?)
    }

    /// Every role's GUID, sorted.
    pub fn guids(&self) -> Vec<&str> {
        let mut guids: Vec<&str> = self.roles.keys().map(String::as_str).collect();
        guids.sort_unstable();
        guids
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Plane;

    #[test]
    fn the_embedded_catalogue_is_whole() {
        let catalog = Catalog::parse(include_str!("catalog.txt").into()).unwrap();
        assert_eq!(catalog.role_count(), 967);
        let operations = catalog.operations();
        // Of the 20,389 rows that Azure's lists give, two differ by a trailing space alone.
        assert_eq!(operations.len(Plane::Control) + operations.len(Plane::Data), 20_388);
        for guid in catalog.guids() {
            assert!(catalog.role(guid).is_some(), "{guid}");
        }
    }

    #[test]
    fn roles_are_found_by_guid_name_and_old_name() {
        let catalog = Catalog::embedded();
        let owner = catalog.role("8E3AF657-A8FF-443C-A75C-2FE8C4BCB635").unwrap();
        assert_eq!(owner.name, "Owner");
        assert_eq!(catalog.role_by_name("owner").unwrap(), owner);
        assert_eq!(catalog.role_by_name("Azure AI User").unwrap().name, "Foundry User");
        assert!(catalog.role_by_name("no such role").is_none());
    }
}
