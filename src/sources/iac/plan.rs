//! A Terraform or OpenTofu plan (`terraform show -json`): what will be there after apply. Most ids are only known then,
//! so that attributes are followed through the configuration's references: module inputs and outputs, what is looked up,
//! and the instances of other resources.
//!
//! Source: "JSON output format" of the Terraform documentation, format versions 0.1 to 1.2. Not here: what resources mean
//! (`azurerm`), and where their blocks stand (`place`).

use super::address::module_names;
use super::instance::{Configuration, Instance, Value};
use super::scripts;
use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};

/// Why a file is no plan that can be read.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Not JSON of a plan.
    #[error("expected the JSON of a plan (`terraform show -json`): {0}")]
    Format(String),
    /// From a newer version.
    #[error("the plan has format version `{0}`, this version reads 0 and 1: use a newer leastwise")]
    Newer(String),
}

#[derive(Deserialize)]
struct Wire<'a> {
    format_version: String,
    #[serde(borrow)]
    resource_changes: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    errored: bool,
    complete: Option<bool>,
    #[serde(borrow, default)]
    deferred_changes: Vec<&'a RawValue>,
    #[serde(borrow)]
    planned_values: Option<&'a RawValue>,
    /// Only a state has them.
    #[serde(borrow)]
    values: Option<&'a RawValue>,
    #[serde(borrow)]
    configuration: Option<&'a RawValue>,
    #[serde(borrow)]
    prior_state: Option<&'a RawValue>,
    #[serde(borrow)]
    variables: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Before {
    before: Option<Json>,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    address: std::borrow::Cow<'a, str>,
    #[serde(default, borrow)]
    module_address: Option<std::borrow::Cow<'a, str>>,
    #[serde(default)]
    mode: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default)]
    index: Option<Json>,
    #[serde(borrow)]
    change: &'a RawValue,
}

#[derive(Deserialize)]
struct Actions {
    actions: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Change {
    #[serde(default)]
    pub(super) after: Json,
    #[serde(default)]
    pub(super) after_unknown: Json,
    #[serde(default)]
    after_sensitive: Json,
}

/// A plan's instance, with what is known of it.
pub(super) struct Planned {
    /// The address of its module, with keys; empty for the root module.
    pub(super) module: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) index: Option<Json>,
    pub(super) change: Change,
}

/// A plan.
pub(super) struct Plan {
    pub(super) instances: Vec<Instance>,
    pub(super) planned: Vec<Planned>,
    /// Instances by module, type and name.
    pub(super) by_name: HashMap<(String, String, String), Vec<usize>>,
    pub(super) configuration: Json,
    pub(super) variables: Json,
    /// What was looked up, by address.
    pub(super) data: HashMap<String, Json>,
    /// Where resources stand in the configuration of their modules, once somebody asked.
    pub(super) written: std::cell::RefCell<HashMap<String, Written>>,
    /// Ids of what goes away, and of assignments that the plan says anew.
    pub(super) gone: Vec<String>,
    /// Why there may be more than the plan says.
    pub(super) unsaid: Vec<&'static str>,
    /// Instances that run such a script.
    scripts: HashSet<usize>,
}

/// Positions of resources, and of lookups, by type and name.
pub(super) type Written = [HashMap<String, HashMap<String, usize>>; 2];

/// The most modules that are looked into one below the other.
const DEPTH: usize = 24;

/// Whether bytes look like a plan, without parsing them.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    let has = |needle: &[u8]| memchr::memmem::find(bytes, needle).is_some();
    has(b"\"format_version\"")
        && (has(b"\"terraform_version\"") || has(b"\"resource_changes\"") || has(b"\"planned_values\""))
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// If it is none, or of a newer major format.
    pub(super) fn read(bytes: &[u8]) -> Result<Plan, PlanError> {
        let broken = |e: serde_json::Error| PlanError::Format(e.to_string());
        let wire: Wire<'_> = serde_json::from_slice(bytes).map_err(broken)?;
        let major = wire.format_version.split('.').next().and_then(|m| m.parse::<u32>().ok());
        if !matches!(major, Some(0 | 1)) {
            return Err(PlanError::Newer(wire.format_version));
        }
        let json = |raw: Option<&RawValue>| -> Result<Json, PlanError> {
            raw.map_or(Ok(Json::Null), |raw| serde_json::from_str(raw.get()).map_err(broken))
        };
        let mut plan = Plan {
            instances: Vec::new(),
            planned: Vec::new(),
            by_name: HashMap::new(),
            configuration: json(wire.configuration)?,
            variables: json(wire.variables)?,
            data: HashMap::new(),
            written: std::cell::RefCell::default(),
            gone: Vec::new(),
            unsaid: Vec::new(),
            scripts: HashSet::new(),
        };
        let scripted = scripts::in_plan(&plan.configuration);
        let planned = if wire.resource_changes.is_none() { json(wire.planned_values)? } else { Json::Null };
        let reasons = [
            (
                wire.values.is_some(),
                "it is a state, not a plan: use the JSON of a plan that was saved with -out",
            ),
            (wire.errored, "planning ended with an error, so that the plan is not whole"),
            (
                wire.complete == Some(false) || !wire.deferred_changes.is_empty(),
                "the plan is not complete: some changes are left for a later one",
            ),
            (
                wire.resource_changes.is_none() && planned.get("root_module").is_some_and(has_resources),
                "the plan holds resources and no changes of them: it is cut, or a state",
            ),
        ];
        plan.unsaid.extend(reasons.iter().filter(|(is, _)| *is).map(|(_, why)| *why));
        if let Some(values) = json(wire.prior_state)?.get("values").and_then(|v| v.get("root_module")) {
            plan.looked_up_in(values, 0);
        }
        for raw in wire.resource_changes.unwrap_or_default() {
            plan.change(raw, &scripted).map_err(broken)?;
        }
        Ok(plan)
    }

    fn looked_up_in(&mut self, module: &Json, depth: usize) {
        let list = |name: &str| module.get(name).and_then(Json::as_array).into_iter().flatten();
        for resource in list("resources").filter(|r| text(r, "mode") == "data") {
            let values = resource.get("values").cloned().unwrap_or_default();
            self.data.insert(text(resource, "address").to_owned(), values);
        }
        if depth < DEPTH {
            list("child_modules").for_each(|m| self.looked_up_in(m, depth + 1));
        }
    }

    fn change(
        &mut self,
        raw: &RawValue,
        scripted: &HashMap<String, Vec<String>>,
    ) -> Result<(), serde_json::Error> {
        let head: Head<'_> = serde_json::from_str(raw.get())?;
        let actions: Actions = serde_json::from_str(head.change.get())?;
        let does = |action: &str| actions.actions.iter().any(|a| a == action);
        let data = head.mode.as_deref() == Some("data");
        // Scripts run when something is made, and not again.
        let scripted =
            does("create") && scripted.get(&head.kind).is_some_and(|names| names.contains(&head.name));
        if !is_of_interest(&head, data) && !scripted {
            return Ok(());
        }
        if does("forget") {
            return Ok(());
        }
        let anew = head.kind.ends_with("_role_assignment");
        if does("delete") || anew {
            let before: Before = serde_json::from_str(head.change.get())?;
            let id = before.before.as_ref().and_then(|b| b.get("id")).and_then(Json::as_str);
            // A custom role's id goes on with the scope that it was made at.
            self.gone.extend(id.and_then(|id| id.split('|').next()).map(str::to_owned));
        }
        if does("delete") && !does("create") {
            return Ok(());
        }
        let change: Change = serde_json::from_str(head.change.get())?;
        if data {
            self.data.entry(head.address.into_owned()).or_insert(change.after);
            return Ok(());
        }
        let module = head.module_address.unwrap_or_default().into_owned();
        if scripted {
            self.scripts.insert(self.instances.len());
        }
        let key = (module.clone(), head.kind.clone(), head.name.clone());
        self.by_name.entry(key).or_default().push(self.instances.len());
        self.instances.push(Instance {
            address: clean(&head.address),
            kind: head.kind.clone(),
            location: None,
            kept: actions.actions == ["no-op"],
        });
        self.planned.push(Planned { module, kind: head.kind, name: head.name, index: head.index, change });
        Ok(())
    }

    /// Where each instance's block stands, as somebody knows who has the source.
    pub(super) fn place(
        &mut self,
        find: &mut dyn FnMut(&Json, &str, &str, &str) -> Option<crate::model::Location>,
    ) {
        for (instance, planned) in self.instances.iter_mut().zip(&self.planned) {
            instance.location = find(&self.configuration, &planned.module, &planned.kind, &planned.name);
        }
    }
}

impl Configuration for Plan {
    fn instances(&self) -> &[Instance] {
        &self.instances
    }

    fn value(&self, at: usize, path: &[&str]) -> Value {
        let Some(planned) = self.planned.get(at) else { return Value::Absent };
        let sensitive = sensitive(&planned.change, path);
        if sensitive == &Json::Bool(true) {
            return Value::Unknown(SENSITIVE.to_owned());
        }
        match known(&planned.change, path) {
            Some(value) if !value.is_null() => return Value::Known(without(value, sensitive)),
            Some(_) => return Value::Absent,
            None => {}
        }
        let want = wanted(path.last().copied().unwrap_or_default());
        match self.expression(planned, path) {
            Some(expression) => {
                let mut all = self.follow(expression, at, &planned.module, want, 0);
                match (all.pop(), all.pop()) {
                    (Some(only), None) => only,
                    (Some(_), Some(_)) => Value::Unknown("it is put together from several values".to_owned()),
                    (None, _) => Value::Absent,
                }
            }
            None => Value::Unknown("it is known after apply".to_owned()),
        }
    }

    fn list(&self, at: usize, path: &[&str]) -> Vec<Value> {
        let Some(planned) = self.planned.get(at) else { return Vec::new() };
        if any_unknown(sensitive(&planned.change, path)) {
            return vec![Value::Unknown(SENSITIVE.to_owned())];
        }
        let want = wanted(path.last().copied().unwrap_or_default());
        match known(&planned.change, path) {
            Some(Json::Array(items)) if items.iter().all(|i| !i.is_null()) => {
                return items.iter().cloned().map(Value::Known).collect();
            }
            Some(Json::Null) => return Vec::new(),
            _ => {}
        }
        match self.expression(planned, path) {
            Some(expression) => {
                let all = self.follow(expression, at, &planned.module, want, 0);
                // A constant that is a list is its elements.
                all.into_iter()
                    .flat_map(|value| match value {
                        Value::Known(Json::Array(items)) => items.into_iter().map(Value::Known).collect(),
                        other => vec![other],
                    })
                    .collect()
            }
            None => vec![Value::Unknown("it is known after apply".to_owned())],
        }
    }

    fn assigns_by_script(&self, at: usize) -> bool {
        self.scripts.contains(&at)
    }

    fn blocks(&self, at: usize, name: &str) -> usize {
        let after = self.planned.get(at).and_then(|p| p.change.after.get(name));
        let known = after.and_then(Json::as_array).map(Vec::len);
        known.unwrap_or_else(|| {
            let expression = self.planned.get(at).and_then(|p| self.expression(p, &[name]));
            expression.and_then(Json::as_array).map_or(0, Vec::len)
        })
    }

    fn subscription_of(&self, at: Option<usize>, address: &str) -> Option<String> {
        let key = self.provider_of(at, address)?;
        let (_, alias) = key.rsplit(':').next()?.split_once('.')?;
        let told = self.configuration.get("provider_config").and_then(|all| all.get(key));
        let told = told.and_then(|p| p.get("expressions")?.get("subscription_id"));
        let known = told.and_then(|t| match t.get("constant_value") {
            Some(id) => id.as_str().map(str::to_owned),
            None => {
                let first = t.get("references")?.as_array()?.first()?.as_str()?.strip_prefix("var.")?;
                Some(self.variables.get(first)?.get("value")?.as_str()?.to_owned())
            }
        });
        Some(known.unwrap_or_else(|| format!("${{provider.azurerm.{alias}}}")))
    }

    fn own_subscription(&self) -> Option<String> {
        let provider = self.configuration.get("provider_config").and_then(|p| p.get("azurerm"));
        let written = provider
            .and_then(|p| p.get("expressions")?.get("subscription_id")?.get("constant_value")?.as_str());
        if let Some(id) = written {
            return Some(id.to_owned());
        }
        // Lookups that name no subscription give the one that is signed in to.
        let own = |kind: &str| {
            let marker = format!("data.{kind}.");
            let mut found: Vec<&String> = self.data.keys().filter(|a| a.contains(&marker)).collect();
            found.sort();
            found.into_iter().find_map(|address| {
                let values = self.data.get(address)?;
                let other = kind == "azurerm_subscription"
                    && self.expression_of_data(address, "subscription_id").is_some();
                values.get("subscription_id")?.as_str().filter(|_| !other).map(str::to_owned)
            })
        };
        own("azurerm_client_config").or_else(|| own("azurerm_subscription"))
    }

    fn looked_up(&self, address: &str, attribute: &str) -> Value {
        let path: Vec<&str> = attribute.split('.').filter(|s| !s.is_empty()).collect();
        let known = self.data.get(address).and_then(|values| at_path(values, &path));
        if let Some(value) = known.filter(|v| !v.is_null()) {
            return Value::Known(value.clone());
        }
        // What a lookup is told may be written down.
        match self.expression_of_data(address, attribute) {
            Some(expression) => match expression.get("constant_value") {
                Some(value) => Value::Known(value.clone()),
                None => Value::Unknown("it is told from elsewhere".to_owned()),
            },
            None => Value::Absent,
        }
    }
}

/// Whether anything of an instance bears on access.
fn is_of_interest(head: &Head<'_>, data: bool) -> bool {
    let kinds = ["azurerm_", "azuread_", "azapi_"];
    // Nothing else is worth its memory in plans of hundreds of megabytes: a resource without an identity matters where
    // grants refer to it, and then by its name.
    kinds.iter().any(|k| head.kind.starts_with(k)) || data
}

fn has_resources(module: &Json) -> bool {
    ["resources", "child_modules"].iter().any(|k| module.get(k).is_some())
}

pub(super) fn text<'j>(value: &'j Json, key: &str) -> &'j str {
    value.get(key).and_then(Json::as_str).unwrap_or_default()
}

/// No text of a plan can pass for a symbol of ours.
fn clean(text: &str) -> String {
    text.replace("${", "$\u{fffd}{")
}

/// A value inside a change: `None` where it is not known before apply.
pub(super) fn known<'c>(change: &'c Change, path: &[&str]) -> Option<&'c Json> {
    const NULL: &Json = &Json::Null;
    let (mut value, mut unknown) = (&change.after, &change.after_unknown);
    for step in path {
        if unknown == &Json::Bool(true) {
            return None;
        }
        let down = |json: &'c Json| match step.parse::<usize>() {
            Ok(n) if json.is_array() => json.get(n),
            _ => json.get(step),
        };
        value = down(value).unwrap_or(NULL);
        unknown = down(unknown).unwrap_or(NULL);
    }
    // A part that is unknown makes the whole so.
    if any_unknown(unknown) { None } else { Some(value) }
}

const SENSITIVE: &str = "it is sensitive, and so it is not looked at";

/// What of a value must not be shown: the marks at a path, or those above it.
fn sensitive<'c>(change: &'c Change, path: &[&str]) -> &'c Json {
    const NULL: &Json = &Json::Null;
    path.iter().fold(&change.after_sensitive, |marks, step| match marks {
        Json::Bool(true) => marks,
        Json::Array(items) => step.parse::<usize>().ok().and_then(|n| items.get(n)).unwrap_or(NULL),
        other => other.get(step).unwrap_or(NULL),
    })
}

/// A value without what must not be shown.
fn without(value: &Json, marks: &Json) -> Json {
    match (value, marks) {
        (_, Json::Bool(true)) => Json::Null,
        (Json::Object(members), Json::Object(marked)) => {
            let shown =
                members.iter().map(|(k, v)| (k.clone(), without(v, marked.get(k).unwrap_or(&Json::Null))));
            Json::Object(shown.collect())
        }
        (Json::Array(items), Json::Array(marked)) => {
            items.iter().enumerate().map(|(n, v)| without(v, marked.get(n).unwrap_or(&Json::Null))).collect()
        }
        (value, _) => value.clone(),
    }
}

fn any_unknown(json: &Json) -> bool {
    match json {
        Json::Bool(unknown) => *unknown,
        Json::Array(items) => items.iter().any(any_unknown),
        Json::Object(members) => members.values().any(any_unknown),
        _ => false,
    }
}

fn at_path<'j>(mut json: &'j Json, path: &[&str]) -> Option<&'j Json> {
    for step in path {
        json = match step.parse::<usize>() {
            Ok(n) if json.is_array() => json.get(n)?,
            _ => json.get(step)?,
        };
    }
    Some(json)
}

/// What a whole resource stands for where one of its attributes is meant and a key hides which.
fn wanted(attribute: &str) -> &'static str {
    match attribute {
        "principal_id" | "object_id" | "member_object_id" | "principal_object_id" | "members" => {
            "principal_id"
        }
        "resource_group_name" | "name" => "name",
        _ => "id",
    }
}

/// Names of modules on the way to one, for those who look for their source.
pub(super) fn path_of(module: &str) -> Vec<String> {
    module_names(module)
}

/// Where a configuration's module calls point, by name.
pub(super) fn call_source(configuration: &Json, path: &[String]) -> Option<String> {
    let mut at = configuration.get("root_module")?;
    let (last, outer) = path.split_last()?;
    for name in outer {
        at = at.get("module_calls")?.get(name)?.get("module")?;
    }
    Some(text(at.get("module_calls")?.get(last)?, "source").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_in_part_is_not_known() {
        let change = Change {
            after: serde_json::json!({"a": "x", "identity": [{"type": "UserAssigned"}]}),
            after_sensitive: Json::Null,
            after_unknown: serde_json::json!({"b": true, "identity": [{"identity_ids": true}]}),
        };
        assert_eq!(known(&change, &["a"]), Some(&Json::from("x")));
        assert_eq!(known(&change, &["b"]), None);
        assert_eq!(known(&change, &["identity", "0", "type"]), Some(&Json::from("UserAssigned")));
        assert_eq!(known(&change, &["identity", "0", "identity_ids"]), None);
        assert_eq!(known(&change, &["identity"]), None);
        assert_eq!(known(&change, &["c"]), Some(&Json::Null));
    }

    #[test]
    fn newer_minors_are_read_and_newer_majors_are_not() {
        let read = |version: &str| {
            let plan =
                format!(r#"{{"format_version":"{version}","terraform_version":"1","resource_changes":[]}}"#);
            Plan::read(plan.as_bytes()).map(|p| p.instances.len())
        };
        assert_eq!(read("1.9").unwrap(), 0);
        assert_eq!(read("0.1").unwrap(), 0);
        assert!(matches!(read("2.0"), Err(PlanError::Newer(_))));
        assert!(matches!(read("x"), Err(PlanError::Newer(_))));
    }
}
