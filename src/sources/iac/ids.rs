//! Ids that Azure will only give out on apply, made of what is known of them, and what values are ids of: scopes,
//! principals, roles.
//!
//! Not here: what resources mean (`azurerm`).

use super::azurerm::{Azurerm, ROLES};
use super::instance::{Value, has_marks, replace_marks};
use super::types::arm_type;
use serde_json::Value as Json;

impl Azurerm<'_, '_> {
    /// The id that an instance has or will have.
    pub(super) fn id(&self, at: usize, depth: usize) -> String {
        if let Some(known) = self.ids.borrow().get(&at) {
            return known.clone();
        }
        let id = self.made_id(at, depth);
        // Deep down, something may have been left out.
        if depth < 4 {
            self.ids.borrow_mut().insert(at, id.clone());
        }
        id
    }

    fn made_id(&self, at: usize, depth: usize) -> String {
        let instance = self.of(at);
        if let Some(id) = self.config.value(at, &["id"]).text().filter(|id| id.starts_with('/')) {
            // A custom role's id goes on with the scope that it was made at.
            return id.split('|').next().unwrap_or(id).to_owned();
        }
        if instance.kind == "azapi_resource"
            && let Some((_, _, id)) = self.azapi_place(at, depth + 1)
        {
            return id;
        }
        let name = match self.config.value(at, &["name"]) {
            Value::Known(Json::String(name)) if !name.contains('/') => self.spelled(&name, depth),
            _ => self.symbol(&instance.address),
        };
        match instance.kind.as_str() {
            "azurerm_resource_group" => {
                format!("{}/resourceGroups/{name}", self.subscription_at(Some(at), ""))
            }
            "azurerm_management_group" => format!("/providers/Microsoft.Management/managementGroups/{name}"),
            "azurerm_subscription" => format!("/subscriptions/{}", self.symbol(&instance.address)),
            "azurerm_role_definition" => format!("{ROLES}/{}", self.symbol(&instance.address)),
            "azurerm_policy_definition" | "azurerm_policy_set_definition" => {
                let group = self.config.value(at, &["management_group_id"]);
                let scope = self.scope_of(&group, depth + 1).unwrap_or_else(|| self.subscription());
                let set = instance.kind == "azurerm_policy_set_definition";
                let kind = if set { "policySetDefinitions" } else { "policyDefinitions" };
                format!("{scope}/providers/Microsoft.Authorization/{kind}/{name}")
            }
            kind => {
                let (kind, parent) = arm_type(kind);
                let parent = parent.map(|attribute| self.config.value(at, &[attribute]));
                match parent.and_then(|value| self.scope_of(&value, depth + 1)) {
                    Some(parent) => {
                        let child = kind.rsplit('/').next().unwrap_or_default();
                        format!("{parent}/{child}/{name}")
                    }
                    None => format!("{}/providers/{kind}/{name}", self.group_of(at, depth + 1)),
                }
            }
        }
    }

    /// A text with what is not known in it spelled out: ids where ids are meant, else symbols.
    pub(super) fn spelled(&self, text: &str, depth: usize) -> String {
        if !has_marks(text) {
            return text.to_owned();
        }
        replace_marks(text, |mark| match mark.value() {
            Value::Of(at, path) if path == "id" && depth < 8 => self.id(at, depth + 1),
            Value::Of(at, path) => self.symbol(&format!("{}.{path}", self.of(at).address)),
            Value::Data(kind, address, path) if path == "id" && depth < 8 => {
                let value = Value::Data(kind, address.clone(), path);
                self.scope_of(&value, depth + 1).unwrap_or_else(|| self.symbol(&address))
            }
            Value::Data(_, address, path) => self.symbol(&format!("{address}.{path}")),
            Value::Unknown(why) => {
                self.symbol(why.trim_start_matches("it comes from `").trim_end_matches('`'))
            }
            Value::Known(_) | Value::Absent => String::new(),
        })
    }

    /// The subscription that everything without another one goes to.
    pub(super) fn subscription(&self) -> String {
        let known = self.own_subscription.clone();
        format!("/subscriptions/{}", known.unwrap_or_else(|| self.symbol("subscription")))
    }

    /// The subscription that an instance, or else a lookup by its address, goes to.
    fn subscription_at(&self, at: Option<usize>, address: &str) -> String {
        match self.config.subscription_of(at, address) {
            Some(id) if id.starts_with("${") => {
                format!("/subscriptions/{}", self.symbol(id.trim_start_matches("${").trim_end_matches('}')))
            }
            Some(id) => format!("/subscriptions/{id}"),
            None => self.subscription(),
        }
    }

    /// The id of the resource group that an instance names.
    pub(super) fn group_of(&self, at: usize, depth: usize) -> String {
        let named = |name: &str| format!("{}/resourceGroups/{name}", self.subscription_at(Some(at), ""));
        match self.config.value(at, &["resource_group_name"]) {
            Value::Known(Json::String(name)) => named(&self.spelled(&name, depth)),
            Value::Of(other, _) if depth < 8 && self.of(other).kind == "azurerm_resource_group" => {
                self.id(other, depth + 1)
            }
            Value::Data(_, address, _) => named(&self.symbol(&address)),
            Value::Absent => match self.config.value(at, &["resource_group_id"]) {
                Value::Absent => named(&self.symbol(&format!("{}.resource_group", self.of(at).address))),
                value => {
                    self.scope_of(&value, depth + 1).unwrap_or_else(|| named(&self.symbol("resource_group")))
                }
            },
            _ => named(&self.symbol(&format!("{}.resource_group_name", self.of(at).address))),
        }
    }

    /// The scope that a value is the id of.
    pub(super) fn scope_of(&self, value: &Value, depth: usize) -> Option<String> {
        if depth > 8 {
            return None;
        }
        match value {
            Value::Known(Json::String(text)) => {
                Some(self.spelled(text, depth)).filter(|t| t.starts_with('/'))
            }
            Value::Of(at, attribute) => match attribute.as_str() {
                "id" | "" | "resource_id" => Some(self.id(*at, depth + 1)),
                other if other.ends_with("resource_group_id") => {
                    let own = self.symbol(&format!("{}.{other}", self.of(*at).address));
                    Some(format!("{}/resourceGroups/{own}", self.subscription_at(Some(*at), "")))
                }
                _ => None,
            },
            Value::Data(kind, address, attribute) => {
                if let Some(known) = self.config.looked_up(address, attribute).text() {
                    return Some(known.to_owned()).filter(|t| t.starts_with('/'));
                }
                // What is looked up by a name has that name.
                let own = match self.config.looked_up(address, "name") {
                    Value::Known(Json::String(name)) if !has_marks(&name) && !name.contains('/') => name,
                    _ => self.symbol(address),
                };
                match kind.as_str() {
                    "azurerm_subscription" | "azurerm_client_config"
                        if self.config.looked_up(address, "subscription_id") == Value::Absent =>
                    {
                        Some(self.subscription_at(None, address))
                    }
                    "azurerm_subscription" | "azurerm_subscriptions" => {
                        match self.config.looked_up(address, "subscription_id") {
                            Value::Known(Json::String(id)) if !has_marks(&id) => {
                                Some(format!("/subscriptions/{id}"))
                            }
                            _ => Some(format!("/subscriptions/{}", self.symbol(address))),
                        }
                    }
                    "azurerm_management_group" => {
                        Some(format!("/providers/Microsoft.Management/managementGroups/{own}"))
                    }
                    "azurerm_role_definition" => {
                        let known = self.catalog.role_by_name(&own).map(|role| role.guid);
                        let made = || self.own_role(&own).unwrap_or_else(|| self.symbol(address));
                        Some(format!("{ROLES}/{}", known.unwrap_or_else(made)))
                    }
                    "azurerm_resource_group" => {
                        Some(format!("{}/resourceGroups/{own}", self.subscription_at(None, address)))
                    }
                    "azapi_resource" => match self.config.looked_up(address, "resource_id") {
                        Value::Known(Json::String(id)) if id.starts_with('/') => {
                            Some(self.spelled(&id, depth))
                        }
                        _ => None,
                    },
                    // Of other things than what it looks up, and of what other providers answer, nothing is known.
                    kind if !kind.starts_with("azurerm_")
                        || !(attribute.is_empty() || attribute == "id" || attribute == "resource_id") =>
                    {
                        None
                    }
                    kind => {
                        let named = match self.config.looked_up(address, "resource_group_name") {
                            Value::Known(Json::String(name)) if !has_marks(&name) => name,
                            _ => self.symbol(address),
                        };
                        let group = format!("{}/resourceGroups/{named}", self.subscription_at(None, address));
                        Some(format!("{group}/providers/{}/{own}", arm_type(kind).0))
                    }
                }
            }
            _ => None,
        }
    }

    /// The object id of a principal and, where the configuration says, what it is.
    pub(super) fn principal_of(&self, value: &Value) -> Option<(String, Option<&'static str>)> {
        match value {
            Value::Known(Json::String(text)) => Some((self.spelled(text, 0), None)),
            Value::Of(at, attribute) => {
                let instance = self.of(*at);
                let kind = match instance.kind.as_str() {
                    "azuread_group" => "Group",
                    "azuread_user" => "User",
                    _ => "ServicePrincipal",
                };
                // A cluster's kubelet has an identity of its own.
                let kubelet = attribute.starts_with("kubelet_identity");
                let whose = if kubelet {
                    format!("{}.kubelet_identity", instance.address)
                } else {
                    instance.address.clone()
                };
                Some((self.symbol(&whose), Some(kind)))
            }
            Value::Data(kind, address, attribute) => {
                if let Some(known) = self.config.looked_up(address, attribute).text() {
                    return Some((known.to_owned(), None));
                }
                let kind = match kind.as_str() {
                    "azuread_group" => Some("Group"),
                    "azuread_user" => Some("User"),
                    "azuread_service_principal" | "azurerm_user_assigned_identity" => {
                        Some("ServicePrincipal")
                    }
                    _ => None,
                };
                // Whoever is looked up by name may be known elsewhere by that.
                let named = |attribute: &str| match self.config.looked_up(address, attribute) {
                    Value::Known(Json::String(name)) if !has_marks(&name) => Some(name),
                    _ => None,
                };
                let whose = match kind {
                    Some("ServicePrincipal")
                        if named("name").is_some() && named("resource_group_name").is_some() =>
                    {
                        let looked_up = Value::Data(
                            "azurerm_user_assigned_identity".to_owned(),
                            address.clone(),
                            "id".to_owned(),
                        );
                        self.scope_of(&looked_up, 1)
                            .map(|id| format!("${{{}#principalId}}", id.to_ascii_lowercase()))
                    }
                    Some("Group") => {
                        named("display_name").map(|name| super::instance::symbol(&format!("group {name}")))
                    }
                    Some("ServicePrincipal") => named("display_name")
                        .map(|name| super::instance::symbol(&format!("service principal {name}"))),
                    _ => None,
                };
                // Two values of one lookup are two, unless both are of whom it looks up.
                let own = kind.is_some() || attribute.is_empty();
                let asked = if own { address.clone() } else { format!("{address}.{attribute}") };
                Some((whose.unwrap_or_else(|| self.symbol(&asked)), kind))
            }
            _ => None,
        }
    }

    /// The id of the role that an instance gives.
    pub(super) fn role_of(&self, at: usize) -> Result<String, String> {
        let by_name = |name: &str| {
            let mut names = self.role_names.borrow_mut();
            let known = names
                .entry(name.to_owned())
                .or_insert_with(|| self.catalog.role_by_name(name).map(|r| r.guid));
            let known = known.clone();
            drop(names);
            known.or_else(|| self.own_role(name)).unwrap_or_else(|| name.replace('/', "\u{2215}"))
        };
        match self.config.value(at, &["role_definition_name"]) {
            Value::Known(Json::String(name)) => return Ok(format!("{ROLES}/{}", by_name(&name))),
            Value::Of(other, _) if self.of(other).kind == "azurerm_role_definition" => {
                return Ok(self.id(other, 0));
            }
            _ => {}
        }
        match self.config.value(at, &["role_definition_id"]) {
            Value::Known(Json::String(id)) => Ok(id.split('|').next().unwrap_or_default().to_owned()),
            Value::Of(other, _) if self.of(other).kind == "azurerm_role_definition" => Ok(self.id(other, 0)),
            Value::Data(_, address, _) => match self.config.looked_up(&address, "name") {
                Value::Known(Json::String(name)) => Ok(format!("{ROLES}/{}", by_name(&name))),
                _ => match self.config.looked_up(&address, "role_definition_id") {
                    Value::Known(Json::String(id)) => Ok(format!("{ROLES}/{id}")),
                    _ => Err(format!("it is looked up by `{address}`")),
                },
            },
            Value::Unknown(why) => Err(why),
            _ => match self.config.value(at, &["role_definition_name"]) {
                Value::Unknown(why) => Err(why),
                _ => Err("neither a name nor an id of it is there".to_owned()),
            },
        }
    }

    /// A custom role of this configuration, by name.
    pub(super) fn own_role(&self, name: &str) -> Option<String> {
        self.own_roles.get(name).map(|at| self.symbol(&self.of(*at).address))
    }
}
