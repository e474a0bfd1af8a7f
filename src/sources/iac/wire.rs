//! The shapes of a plan's JSON. What may not matter is left as text.
//!
//! Source: "JSON output format" of the Terraform documentation, format versions 0.1 to 1.2. Not here: what it means (`plan`).

use super::node::Node;
use super::sections::sections;
use super::written;
use crate::sources::arm::Text;
use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::LinkedList;

/// The file.
#[derive(Default, Deserialize)]
// A tree borrows exactly from what it is read from.
#[serde(bound(deserialize = "'a: 'de"))]
pub(super) struct Wire<'a> {
    pub(super) format_version: Option<String>,
    // Each is dropped once it was looked at, and a list of them never moves while it grows.
    #[serde(borrow)]
    pub(super) resource_changes: Option<LinkedList<Entry<'a>>>,
    #[serde(default)]
    pub(super) errored: bool,
    pub(super) complete: Option<bool>,
    #[serde(borrow, default)]
    pub(super) deferred_changes: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) action_invocations: Vec<Invocation<'a>>,
    /// Only looked at where no changes are.
    #[serde(borrow)]
    pub(super) planned_values: Option<&'a RawValue>,
    /// Only a state has them.
    #[serde(borrow)]
    pub(super) values: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) configuration: Option<written::Configuration<'a>>,
    #[serde(borrow)]
    pub(super) prior_state: Option<State<'a>>,
    #[serde(borrow)]
    pub(super) variables: Option<Node<'a>>,
}

impl<'a> Wire<'a> {
    pub(super) fn read(text: &'a str) -> Result<Wire<'a>, serde_json::Error> {
        if let Some(wire) = sections(text) {
            return Ok(wire);
        }
        let mut wire: Wire<'a> = serde_json::from_str(text)?;
        wire.configuration.as_mut().map_or(Ok(()), written::Configuration::index)?;
        Ok(wire)
    }

    /// What two parts of a file hold that have nothing in common.
    pub(super) fn with(mut self, mut other: Wire<'a>) -> Wire<'a> {
        self.deferred_changes.append(&mut other.deferred_changes);
        self.action_invocations.append(&mut other.action_invocations);
        Wire {
            format_version: self.format_version.or(other.format_version),
            resource_changes: self.resource_changes.or(other.resource_changes),
            errored: self.errored || other.errored,
            complete: self.complete.or(other.complete),
            planned_values: self.planned_values.or(other.planned_values),
            values: self.values.or(other.values),
            configuration: self.configuration.or(other.configuration),
            prior_state: self.prior_state.or(other.prior_state),
            variables: self.variables.or(other.variables),
            deferred_changes: self.deferred_changes,
            action_invocations: self.action_invocations,
        }
    }
}

/// An action that runs beside changes.
#[derive(Deserialize)]
pub(super) struct Invocation<'a> {
    #[serde(rename = "type", default, borrow)]
    pub(super) kind: Cow<'a, str>,
}

/// One of a plan's changes, as far as it tells whether the rest matters.
#[derive(Deserialize)]
pub(super) struct Entry<'a> {
    #[serde(borrow)]
    pub(super) address: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(super) module_address: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub(super) mode: Option<Text<'a>>,
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(default)]
    pub(super) index: Option<Json>,
    /// Where it was before it was moved.
    #[serde(default, borrow)]
    pub(super) previous_address: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) change: Unopened<'a>,
}

/// A change, as the file has it.
#[derive(Deserialize)]
pub(super) struct Unopened<'a> {
    pub(super) actions: Does,
    #[serde(borrow)]
    pub(super) before: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) after: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) after_unknown: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) after_sensitive: Option<&'a RawValue>,
}

/// What a change does.
#[derive(Clone, Copy, Deserialize)]
#[serde(from = "Vec<String>")]
pub(super) struct Does {
    pub(super) create: bool,
    pub(super) delete: bool,
    pub(super) forget: bool,
    pub(super) nothing: bool,
}

impl From<Vec<String>> for Does {
    fn from(actions: Vec<String>) -> Does {
        let does = |action: &str| actions.iter().any(|a| a == action);
        let nothing = actions == ["no-op"];
        Does { create: does("create"), delete: does("delete"), forget: does("forget"), nothing }
    }
}

/// The state before the change: of it, what was looked up matters, and what the change says nothing of.
#[derive(Deserialize)]
pub(super) struct State<'a> {
    #[serde(borrow)]
    pub(super) values: Option<StateValues<'a>>,
}

#[derive(Deserialize)]
pub(super) struct StateValues<'a> {
    #[serde(borrow)]
    pub(super) root_module: Option<StateModule<'a>>,
}

#[derive(Deserialize)]
pub(super) struct StateModule<'a> {
    #[serde(borrow)]
    pub(super) resources: Option<Vec<StateResource<'a>>>,
    #[serde(borrow)]
    pub(super) child_modules: Option<Vec<StateModule<'a>>>,
}

#[derive(Deserialize)]
pub(super) struct StateResource<'a> {
    #[serde(default, borrow)]
    pub(super) address: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(super) mode: Cow<'a, str>,
    #[serde(rename = "type", default, borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(default)]
    pub(super) index: Option<Json>,
    #[serde(borrow)]
    pub(super) values: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) sensitive_values: Option<&'a RawValue>,
}

impl<'a> StateResource<'a> {
    /// The same as a change that leaves it as it is.
    pub(super) fn unchanged(self) -> Entry<'a> {
        let own = format!("{}.{}", self.kind, self.name);
        let module = self.address.rfind(&own).and_then(|at| self.address.get(..at)).unwrap_or_default();
        let module = module.trim_end_matches('.').to_owned();
        let change = Unopened {
            actions: Does { create: false, delete: false, forget: false, nothing: true },
            before: self.values,
            after: self.values,
            after_unknown: None,
            after_sensitive: self.sensitive_values,
        };
        Entry {
            module_address: Some(Text(module.into())),
            address: self.address,
            mode: None,
            kind: self.kind,
            name: self.name,
            index: self.index,
            previous_address: None,
            change,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Known<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Cow<'a, str>>,
}
