//! A Terraform or OpenTofu plan (`terraform show -json`): what will be there after apply. Most ids are only known then,
//! so that attributes are followed through the configuration's references: module inputs and outputs, what is looked up,
//! and the instances of other resources.
//!
//! Source: "JSON output format" of the Terraform documentation, format versions 0.1 to 1.2. Not here: what resources mean
//! (`azurerm`), and where their blocks stand (`place`).

use super::instance::{Configuration, Instance, Value};
use super::node::{Look as _, NULL, Node, any_unknown, at_path, node, without};
use super::opened::{Opened, Shelf};
use super::scripts;
use super::wire::{Entry, Known, StateModule, StateResource, Unopened, Wire};
use super::written::{self, sound};
use crate::model::FastMap;
use serde::Deserialize;
use serde_json::Value as Json;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

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

/// A plan's instance, with what is known of it.
pub(super) struct Planned<'a> {
    /// The address of its module, with keys; empty for the root module.
    pub(super) module: Cow<'a, str>,
    pub(super) kind: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
    pub(super) index: Option<Json>,
    pub(super) change: Unopened<'a>,
}

/// The module, type and name that instances share.
pub(super) type Named<'a> = (Cow<'a, str>, Cow<'a, str>, Cow<'a, str>);

/// A plan.
pub(super) struct Plan<'a> {
    pub(super) instances: Vec<Instance>,
    pub(super) planned: Vec<Planned<'a>>,
    /// The first and the last instance of each module, type and name.
    by_name: FastMap<Named<'a>, (usize, usize)>,
    /// For each instance the next one of its name.
    next_of_name: Vec<Option<usize>>,
    /// Changes that were looked into.
    opened: Shelf<Opened<'a>>,
    pub(super) configuration: written::Configuration<'a>,
    pub(super) variables: Node<'a>,
    /// What was looked up, by address.
    pub(super) data: HashMap<String, Node<'a>>,
    /// Ids of what goes away, and of assignments that the plan says anew.
    pub(super) gone: Vec<String>,
    /// Why there may be more than the plan says.
    pub(super) unsaid: Vec<&'static str>,
    /// Instances that run such a script.
    scripts: HashSet<usize>,
}

/// The most modules that are looked into one below the other.
const DEPTH: usize = 24;

/// Whether bytes look like a plan, without parsing them.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    let has = |needle: &[u8]| memchr::memmem::find(bytes, needle).is_some();
    has(b"\"format_version\"")
        && (has(b"\"terraform_version\"") || has(b"\"resource_changes\"") || has(b"\"planned_values\""))
}

impl<'a> Plan<'a> {
    /// Reads a plan.
    ///
    /// # Errors
    /// If it is none, or of a newer major format.
    pub(super) fn read(text: &'a str) -> Result<Plan<'a>, PlanError> {
        let broken = |e: serde_json::Error| PlanError::Format(e.to_string());
        let wire = match Wire::read(text) {
            Ok(wire) => wire,
            // What is newer may be laid out otherwise, and is better named than what it lacks.
            Err(error) => {
                return Err(version_of(text)
                    .and_then(|v| unread_version(&v))
                    .unwrap_or_else(|| broken(error)));
            }
        };
        let Some(version) = &wire.format_version else {
            return Err(PlanError::Format("`format_version` is missing".to_owned()));
        };
        if let Some(newer) = unread_version(version) {
            return Err(newer);
        }
        let planned =
            if wire.resource_changes.is_none() { node(wire.planned_values) } else { Ok(Node::Null) };
        let planned = planned.map_err(broken)?;
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
                wire.action_invocations
                    .iter()
                    .any(|a| a.kind.starts_with("azapi_") || a.kind == "local_command"),
                "it runs actions, which may grant access and are not read",
            ),
            (
                wire.resource_changes.is_none() && planned.member("root_module").is_some_and(has_resources),
                "the plan holds resources and no changes of them: it is cut, or a state",
            ),
        ];
        let mut plan = Plan {
            instances: Vec::new(),
            planned: Vec::new(),
            by_name: FastMap::default(),
            next_of_name: Vec::new(),
            opened: Shelf::default(),
            configuration: wire.configuration.unwrap_or_default(),
            variables: wire.variables.unwrap_or_default(),
            data: HashMap::new(),
            gone: Vec::new(),
            unsaid: reasons.iter().filter(|(is, _)| *is).map(|(_, why)| *why).collect(),
            scripts: HashSet::new(),
        };
        let scripted = scripts::in_plan(&plan.configuration);
        let mut there = Vec::new();
        if let Some(module) = wire.prior_state.and_then(|s| s.values?.root_module) {
            plan.state(module, &mut there, 0).map_err(broken)?;
        }
        let mut changes = wire.resource_changes.unwrap_or_default();
        if !there.is_empty() {
            // What the change leaves out, as one that was narrowed with `-target` does, stays as it was.
            let before = |e: &Entry<'a>| e.previous_address.as_ref().map(|a| a.0.clone());
            let said: HashSet<Cow<'a, str>> =
                changes.iter().flat_map(|e| [Some(e.address.clone()), before(e)]).flatten().collect();
            let untold = there.into_iter().filter(|r| !said.contains(&r.address));
            changes.extend(untold.map(StateResource::unchanged));
        }
        plan.instances.reserve(changes.len());
        plan.planned.reserve(changes.len());
        plan.by_name.reserve(changes.len());
        plan.next_of_name.reserve(changes.len());
        for entry in changes {
            plan.change(entry, &scripted).map_err(broken)?;
        }
        Ok(plan)
    }

    /// Takes what was looked up out of a state, and gives what else there is.
    fn state(
        &mut self,
        module: StateModule<'a>,
        there: &mut Vec<StateResource<'a>>,
        depth: usize,
    ) -> Result<(), serde_json::Error> {
        for resource in module.resources.into_iter().flatten() {
            if resource.mode == "data" {
                self.data.insert(resource.address.into_owned(), node(resource.values)?);
            } else if is_of_interest(&resource.kind, false) {
                there.push(resource);
            }
        }
        for child in module.child_modules.into_iter().flatten().filter(|_| depth < DEPTH) {
            self.state(child, there, depth + 1)?;
        }
        Ok(())
    }

    fn change(
        &mut self,
        entry: Entry<'a>,
        scripted: &HashMap<String, Vec<String>>,
    ) -> Result<(), serde_json::Error> {
        let Entry { address, module_address, mode, kind, name, index, previous_address: _, change } = entry;
        let does = change.actions;
        let data = mode.as_ref().is_some_and(|m| m.as_str() == "data");
        // Scripts run when something is made, and not again.
        let scripted =
            does.create && scripted.get(kind.as_ref()).is_some_and(|names| names.iter().any(|n| *n == name));
        if !is_of_interest(&kind, data) && !scripted {
            return Ok(());
        }
        // What is only forgotten stays in Azure, and so does what is forgotten for a new one.
        if does.forget && !does.create {
            return Ok(());
        }
        let anew = kind.ends_with("_role_assignment");
        if let Some(before) = change.before.filter(|_| !does.forget && (does.delete || anew)) {
            let before: Known<'_> = serde_json::from_str(before.get())?;
            // A custom role's id goes on with the scope that it was made at.
            self.gone.extend(before.id.as_deref().and_then(|id| id.split('|').next()).map(str::to_owned));
        }
        if does.delete && !does.create {
            return Ok(());
        }
        if data {
            self.data.entry(address.into_owned()).or_insert(node(change.after)?);
            return Ok(());
        }
        for part in [change.after, change.after_unknown, change.after_sensitive] {
            sound(part)?;
        }
        let module = module_address.unwrap_or_default().0;
        let at = self.instances.len();
        if scripted {
            self.scripts.insert(at);
        }
        let key = (module.clone(), kind.clone(), name.clone());
        let (_, last) = self.by_name.entry(key).or_insert((at, at));
        if let Some(next) = self.next_of_name.get_mut(std::mem::replace(last, at)) {
            *next = Some(at);
        }
        self.next_of_name.push(None);
        let (kept, kind_of) = (does.nothing, kind.clone().into_owned());
        self.instances.push(Instance { address: clean(&address), kind: kind_of, location: None, kept });
        self.planned.push(Planned { module, kind, name, index, change });
        Ok(())
    }

    /// The instances of a module, type and name.
    pub(super) fn named(&self, module: &str, kind: &str, name: &str) -> impl Iterator<Item = usize> {
        let first = self.by_name.get(&(module.into(), kind.into(), name.into())).map(|(first, _)| *first);
        std::iter::successors(first, |at| self.next_of_name.get(*at).copied().flatten())
    }

    /// The change of an instance, looked into, with what is written for it.
    pub(super) fn opened(&self, at: usize) -> Option<Rc<Opened<'a>>> {
        let planned = self.planned.get(at)?;
        let written = || {
            let module = self.configuration.module(&planned.module);
            module.and_then(|m| m.block(&planned.kind, &planned.name, false))
        };
        Some(self.opened.get(at, || Opened::new(&planned.change, written())))
    }

    /// Where each instance's block stands, as somebody knows who has the source.
    pub(super) fn place(
        &mut self,
        find: &mut dyn FnMut(&written::Configuration<'_>, &str, &str, &str) -> Option<crate::model::Location>,
    ) {
        for (instance, planned) in self.instances.iter_mut().zip(&self.planned) {
            instance.location = find(&self.configuration, &planned.module, &planned.kind, &planned.name);
        }
    }
}

impl Configuration for Plan<'_> {
    fn instances(&self) -> &[Instance] {
        &self.instances
    }

    fn value(&self, at: usize, path: &[&str]) -> Value {
        let (Some(planned), Some(change)) = (self.planned.get(at), self.opened(at)) else {
            return Value::Absent;
        };
        let sensitive = sensitive(&change, path);
        if sensitive.as_bool() == Some(true) {
            return Value::Unknown(SENSITIVE.to_owned());
        }
        match known(&change, path) {
            Some(value) if !value.is_null() => return Value::Known(without(value, sensitive)),
            Some(_) => return Value::Absent,
            None => {}
        }
        let want = wanted(path.last().copied().unwrap_or_default());
        match change.expression(path) {
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
        let (Some(planned), Some(change)) = (self.planned.get(at), self.opened(at)) else {
            return Vec::new();
        };
        if any_unknown(sensitive(&change, path)) {
            return vec![Value::Unknown(SENSITIVE.to_owned())];
        }
        let want = wanted(path.last().copied().unwrap_or_default());
        match known(&change, path) {
            Some(Node::Array(items)) if items.iter().all(|i| !i.is_null()) => {
                return items.iter().map(|i| Value::Known(i.owned())).collect();
            }
            Some(Node::Null) => return Vec::new(),
            _ => {}
        }
        match change.expression(path) {
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

    fn is_written(&self, at: usize, name: &str) -> bool {
        let expression = || self.opened(at).is_some_and(|c| c.expression(&[name]).is_some());
        self.value(at, &[name]) != Value::Absent || expression()
    }

    fn is_open(&self, at: usize, name: &str) -> bool {
        self.opened(at).is_some_and(|change| match &change.after_unknown {
            Node::Bool(all) => *all,
            marks => marks.member(name).is_some_and(|u| u.as_bool() == Some(true)),
        })
    }

    fn assigns_by_script(&self, at: usize) -> bool {
        self.scripts.contains(&at)
    }

    fn blocks(&self, at: usize, name: &str) -> usize {
        let Some(change) = self.opened(at) else { return 0 };
        let known = change.after.member(name).and_then(Node::as_array).map(<[_]>::len);
        known.unwrap_or_else(|| change.expression(&[name]).map_or(0, |e| e.items().len()))
    }

    fn subscription_of(&self, at: Option<usize>, address: &str) -> Option<String> {
        let key = self.provider_of(at, address)?;
        let (_, alias) = key.rsplit(':').next()?.split_once('.')?;
        let told = self.configuration.provider_config.member(key);
        let told = told.and_then(|p| p.member("expressions")?.member("subscription_id"));
        let known = told.and_then(|t| match t.member("constant_value") {
            Some(id) => id.as_str().map(str::to_owned),
            None => {
                let first = t.member("references")?.items().first()?.as_str()?.strip_prefix("var.")?;
                Some(self.variables.member(first)?.member("value")?.as_str()?.to_owned())
            }
        });
        Some(known.unwrap_or_else(|| format!("${{provider.azurerm.{alias}}}")))
    }

    fn own_subscription(&self) -> Option<String> {
        let provider = self.configuration.provider_config.member("azurerm");
        let written = provider.and_then(|p| {
            p.member("expressions")?.member("subscription_id")?.member("constant_value")?.as_str()
        });
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
                values.member("subscription_id")?.as_str().filter(|_| !other).map(str::to_owned)
            })
        };
        own("azurerm_client_config").or_else(|| own("azurerm_subscription"))
    }

    fn looked_up(&self, address: &str, attribute: &str) -> Value {
        let path: Vec<&str> = attribute.split('.').filter(|s| !s.is_empty()).collect();
        let known = self.data.get(address).and_then(|values| at_path(values, &path));
        if let Some(value) = known.filter(|v| !v.is_null()) {
            return Value::Known(value.owned());
        }
        // What a lookup is told may be written down.
        match self.expression_of_data(address, attribute) {
            Some(expression) => match expression.member("constant_value") {
                Some(value) => Value::Known(value.owned()),
                None => Value::Unknown("it is told from elsewhere".to_owned()),
            },
            None => Value::Absent,
        }
    }
}

/// Whether anything of an instance bears on access.
fn is_of_interest(kind: &str, data: bool) -> bool {
    let kinds = ["azurerm_", "azuread_", "azapi_", "msgraph_"];
    // Nothing else is worth its memory in plans of hundreds of megabytes: a resource without an identity matters where
    // grants refer to it, and then by its name.
    kinds.iter().any(|k| kind.starts_with(k)) || data
}

fn has_resources(module: &Node<'_>) -> bool {
    ["resources", "child_modules"].iter().any(|k| module.member(k).is_some())
}

/// Why a plan of a format version is not read.
fn unread_version(version: &str) -> Option<PlanError> {
    let major = version.split('.').next().and_then(|m| m.parse::<u32>().ok());
    (!matches!(major, Some(0 | 1))).then(|| PlanError::Newer(version.to_owned()))
}

/// The format version of something that is not laid out as a plan is.
fn version_of(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Version {
        format_version: String,
    }
    serde_json::from_str::<Version>(text).ok().map(|v| v.format_version)
}

/// No text of a plan can pass for a symbol of ours.
fn clean(text: &str) -> String {
    text.replace("${", "$\u{fffd}{")
}

/// A value inside a change: `None` where it is not known before apply.
pub(super) fn known<'c, 'a>(change: &'c Opened<'a>, path: &[&str]) -> Option<&'c Node<'a>> {
    let (mut value, mut unknown) = (&change.after, &change.after_unknown);
    for step in path {
        if unknown.as_bool() == Some(true) {
            return None;
        }
        value = value.step(step).unwrap_or(NULL);
        unknown = unknown.step(step).unwrap_or(NULL);
    }
    // A part that is unknown makes the whole so.
    if any_unknown(unknown) { None } else { Some(value) }
}

const SENSITIVE: &str = "it is sensitive, and so it is not looked at";

/// What of a value must not be shown: the marks at a path, or those above it.
fn sensitive<'c, 'a>(change: &'c Opened<'a>, path: &[&str]) -> &'c Node<'a> {
    path.iter().fold(&change.after_sensitive, |marks, step| match marks {
        Node::Bool(true) => marks,
        other => other.step(step).unwrap_or(NULL),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_in_part_is_not_known() {
        let text = r#"{"actions": ["create"], "before": null,
            "after": {"a": "x", "identity": [{"type": "UserAssigned"}]},
            "after_unknown": {"b": true, "identity": [{"identity_ids": true}]}}"#;
        let change = serde_json::from_str::<Unopened<'_>>(text).unwrap();
        let change = Opened::new(&change, None);
        assert_eq!(known(&change, &["a"]), Some(&Node::from("x")));
        assert_eq!(known(&change, &["b"]), None);
        assert_eq!(known(&change, &["identity", "0", "type"]), Some(&Node::from("UserAssigned")));
        assert_eq!(known(&change, &["identity", "0", "identity_ids"]), None);
        assert_eq!(known(&change, &["identity"]), None);
        assert_eq!(known(&change, &["c"]), Some(&Node::Null));
    }

    #[test]
    fn newer_minors_are_read_and_newer_majors_are_not() {
        let read = |version: &str| {
            let plan =
                format!(r#"{{"format_version":"{version}","terraform_version":"1","resource_changes":[]}}"#);
            Plan::read(&plan).map(|p| p.instances.len())
        };
        assert_eq!(read("1.9").unwrap(), 0);
        assert_eq!(read("0.1").unwrap(), 0);
        assert!(matches!(read("2.0"), Err(PlanError::Newer(_))));
        assert!(matches!(read("x"), Err(PlanError::Newer(_))));
    }
}
