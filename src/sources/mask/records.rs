//! Records of snapshots and entries of ledgers: which members stay as they are. All others are masked.

use super::Mask;
use serde_json::{Map, Value};

/// Members that hold a word out of a list, an instant or something of Azure's own.
const KEPT: &[&str] = &[
    "@odata.type",
    "schema",
    "tool",
    "coverage",
    "cloud",
    "collected_at",
    "sign_in_window",
    "createdAt",
    "createdOn",
    "updatedOn",
    "endDateTime",
    "last",
    "location",
    "isolationScope",
    "denyAssignmentEffect",
    "actions",
    "notActions",
    "dataActions",
    "notDataActions",
    "system",
    "source",
    "reason",
    "secrets",
    "keys",
    "certificates",
    "storage",
];

/// Kinds of principals.
const PRINCIPALS: &[&str] = &[
    "User",
    "Group",
    "ServicePrincipal",
    "ForeignGroup",
    "Device",
    "ManagedIdentity",
    "Application",
    "Legacy",
    "SocialIdp",
    "ServiceIdentity",
];

impl Mask {
    /// A record of a snapshot.
    pub(in crate::sources) fn record(&mut self, section: &str, record: &mut Value) {
        let Value::Object(members) = record else { return };
        if section == "gaps" {
            self.gap(members);
            return;
        }
        let builtin = members.get("properties").and_then(|p| p.get("type")).and_then(Value::as_str)
            == Some("BuiltInRole");
        let is = |key: &str, value: &str| members.get(key).and_then(Value::as_str) == Some(value);
        // Permissions of Microsoft Graph and roles of the directory go by public ids.
        let public = section == "local-grants" && !is("system", "lighthouse") && !is("system", "cosmos-db");
        let graph = public && is("scope", "Microsoft Graph");
        for (key, value) in members.iter_mut() {
            match key.as_str() {
                "role" if public => {}
                "roleName" | "scope" if graph => {}
                _ => self.member(section, key, value, builtin),
            }
        }
    }

    /// A header of a snapshot.
    pub(in crate::sources) fn header(&mut self, header: &mut Value) {
        self.record("header", header);
    }

    /// Sentences of a gap are Azure's or ours about names: only what kind of gap it is, where, and how often, stays.
    fn gap(&mut self, members: &mut Map<String, Value>) {
        members.remove("grant");
        if let Some(Value::String(detail)) = members.get_mut("detail") {
            *detail = self.prose(detail);
        }
        if let Some(Value::String(scope)) = members.get_mut("scope") {
            *scope = self.text(scope);
        }
        if let Some(Value::String(path)) = members.get_mut("location").and_then(|l| l.get_mut("path")) {
            *path = self.text(path);
        }
    }

    fn member(&mut self, under: &str, key: &str, value: &mut Value, builtin: bool) {
        if KEPT.contains(&key) {
            return;
        }
        match value {
            Value::Array(items) => {
                for item in items {
                    self.member(under, key, item, builtin);
                }
            }
            Value::Object(members) if matches!(key, "tags" | "userAssignedIdentities") => {
                let named = std::mem::take(members);
                for (name, mut value) in named {
                    self.member(key, "", &mut value, builtin);
                    members.insert(self.text(&name), value);
                }
            }
            Value::Object(members) => {
                for (inner, value) in members.iter_mut() {
                    self.member(key, inner, value, builtin);
                }
            }
            Value::String(text) => {
                let masked = match key {
                    // `SystemAssigned`, `CustomRole`.
                    "type" if matches!(under, "identity" | "properties") => return,
                    "roleName" if builtin => return,
                    "principalType" | "servicePrincipalType" if PRINCIPALS.contains(&text.as_str()) => return,
                    "type" | "providers" => self.kind(text),
                    "condition" => self.condition(text),
                    "issuer" | "subject" | "value" | "audiences" => self.federated(text),
                    "description" => self.prose(text),
                    "codeFrom" => {
                        match text.split_once(':').filter(|(k, _)| matches!(*k, "storage" | "registry")) {
                            Some((kind, name)) => format!("{kind}:{}", self.text(name)),
                            None => self.text(text),
                        }
                    }
                    _ => self.text(text),
                };
                *text = masked;
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}
