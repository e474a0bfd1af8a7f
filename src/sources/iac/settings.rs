//! Settings of Terraform's hosts, where services keep secrets, in the form that Azure has them in.
//!
//! Not here: which of them is a secret (`sources::arm`).

use super::azurerm::Azurerm;
use super::instance::Value;
use serde_json::{Map, Value as Json, json};

/// Attributes that are maps of settings.
const MAPS: [&[&str]; 4] =
    [&["app_settings"], &["settings"], &["environment_variables"], &["secure_environment_variables"]];
/// Blocks with a name and a value each: where they are, and what holds the value.
const BLOCKS: [(&[&str], &str); 2] = [(&["connection_string"], "value"), (&["secret"], "value")];
/// Attributes that are secrets themselves.
const KEYS: [&str; 5] = [
    "storage_account_access_key",
    "storage_connection_string",
    "primary_access_key",
    "connection_string",
    "protected_settings",
];
/// Blocks inside of which containers keep their variables.
const CONTAINERS: [&[&str]; 3] =
    [&["container"], &["template", "0", "container"], &["template", "0", "init_container"]];

impl Azurerm<'_, '_> {
    /// The settings of an instance as properties of a resource; null if it has none.
    pub(super) fn settings(&self, at: usize) -> Json {
        let kind = self.of(at).kind.as_str();
        if kind == "azurerm_storage_account" {
            let takes = match self.config.value(at, &["shared_access_key_enabled"]) {
                Value::Known(Json::Bool(takes)) => takes,
                _ => true,
            };
            return json!({"allowSharedKeyAccess": takes});
        }
        let flag = |name: &str| match self.config.value(at, &[name]) {
            Value::Known(Json::Bool(flag)) => Some(flag),
            _ => None,
        };
        if kind == "azurerm_kubernetes_cluster" {
            let commands = flag("run_command_enabled").map(|on| !on);
            return json!({"disableLocalAccounts": flag("local_account_disabled"),
                "apiServerAccessProfile": {"disableRunCommand": commands}});
        }
        let off = flag("local_authentication_disabled");
        if let Some(off) =
            off.or(flag("local_authentication_enabled").or(flag("local_auth_enabled")).map(|on| !on))
        {
            return json!({"disableLocalAuth": off});
        }
        let mut found = Vec::new();
        let mut note = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                found.push(json!({"name": name, "value": value}));
            }
        };
        for path in MAPS {
            self.map(at, path, &mut note);
        }
        for key in KEYS {
            note(key, self.setting(&self.config.value(at, &[key])));
        }
        for (path, held) in BLOCKS {
            for n in 0..self.blocks_at(at, path) {
                let n = n.to_string();
                let of = |last: &'static str| self.config.value(at, &[path, &[n.as_str(), last]].concat());
                let name = of("name");
                note(name.text().unwrap_or(held), self.setting(&of(held)));
            }
        }
        for path in CONTAINERS {
            for n in 0..self.blocks_at(at, path) {
                let n = n.to_string();
                let inside = [path, &[n.as_str()]].concat();
                for map in ["environment_variables", "secure_environment_variables"] {
                    self.map(at, &[inside.as_slice(), &[map]].concat(), &mut note);
                }
                let variables = [inside.as_slice(), &["env"]].concat();
                for m in 0..self.blocks_at(at, &variables) {
                    let m = m.to_string();
                    let of = |last: &'static str| {
                        self.config.value(at, &[variables.as_slice(), &[m.as_str(), last]].concat())
                    };
                    note(of("name").text().unwrap_or("env"), self.setting(&of("value")));
                }
            }
        }
        if found.is_empty() { Json::Null } else { json!({"settings": found}) }
    }

    fn blocks_at(&self, at: usize, path: &[&str]) -> usize {
        match path {
            [name] => self.config.blocks(at, name),
            _ => (0..64)
                .take_while(|n| self.config.value(at, &[path, &[&n.to_string()]].concat()) != Value::Absent)
                .count(),
        }
    }

    fn map(&self, at: usize, path: &[&str], note: &mut dyn FnMut(&str, Option<String>)) {
        if let Value::Known(Json::Object(members)) = self.config.value(at, path) {
            let members: Map<String, Json> = members;
            for (name, value) in &members {
                note(name, value.as_str().map(|text| self.spelled(text, 0)));
            }
        }
    }

    /// A value of a setting; what comes from another resource by what it is called there.
    fn setting(&self, value: &Value) -> Option<String> {
        match value {
            Value::Known(Json::String(text)) => Some(self.spelled(text, 0)),
            Value::Of(other, path) => Some(self.symbol(&format!("{}.{path}", self.of(*other).address))),
            Value::Data(_, address, path) => Some(self.symbol(&format!("{address}.{path}"))),
            _ => None,
        }
    }
}
