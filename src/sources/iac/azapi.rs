//! What the provider azapi makes: Azure's own form, in Terraform's frame.
//!
//! Source: the documentation of the provider azapi. Not here: what records say (`sources::arm`).

use super::azurerm::{Azurerm, unknown};
use super::instance::{Mark, any_marks, has_marks, replace_marks};
use super::types::grants_beyond;
use crate::model::Source;
use serde_json::{Value as Json, json};

impl Azurerm<'_, '_> {
    /// The type, the parent and the id of what azapi makes, where they are known.
    pub(super) fn azapi_place(&self, at: usize, depth: usize) -> Option<(String, String, String)> {
        let kind = self.text(at, "type");
        let kind = kind.split('@').next().unwrap_or_default().to_owned();
        let parent = self.scope_of(&self.config.value(at, &["parent_id"]), depth);
        let parent = parent.filter(|_| !kind.starts_with("${"))?;
        let name = self.text(at, "name").replace('/', "\u{2215}");
        let child = kind.matches('/').count() > 1 && !kind.starts_with("Microsoft.Authorization/");
        let id = if child {
            format!("{parent}/{}/{name}", kind.rsplit('/').next().unwrap_or_default())
        } else {
            format!("{}/providers/{kind}/{name}", parent.trim_end_matches('/'))
        };
        Some((kind, parent, id))
    }

    /// A body with what it refers to in the form that Azure has it in; what is not known keeps its mark.
    pub(super) fn plain_body(&self, value: &Json, name: &str) -> Json {
        each_text(value, name, &|text, name| self.plain_text(text, name).unwrap_or_else(|| text.to_owned()))
    }

    /// A text of a body without marks, if all of them are known.
    fn plain_text(&self, text: &str, name: &str) -> Option<String> {
        if !has_marks(text) {
            return Some(text.to_owned());
        }
        let whole = Mark::of(&Json::String(text.to_owned()));
        if let Some(mark) = whole.clone().filter(|_| name.eq_ignore_ascii_case("principalId")) {
            return self.principal_of(&mark.value()).map(|(principal, _)| principal);
        }
        if whole.is_some_and(|mark| mark.is_unknown()) {
            return None;
        }
        let mut known = true;
        replace_marks(text, |mark| {
            known &= !mark.is_unknown();
            String::new()
        });
        known.then(|| self.spelled(text, 0))
    }

    /// A body with symbols for what is not known.
    fn without_marks(&self, value: &Json) -> Json {
        each_text(value, "", &|text, _| self.spelled(text, 0))
    }

    /// Azure's own form, in Terraform's frame.
    pub(super) fn azapi(&mut self, at: usize) {
        let Some((kind, parent, id)) = self.azapi_place(at, 0) else {
            let parent = self.config.value(at, &["parent_id"]);
            return self.unresolved(at, Source::Resources, "the type or the parent", &unknown(&parent, "it"));
        };
        // What goes through a deployment or a script, too.
        let through = ["microsoft.resources/deployments", "microsoft.resources/deploymentscripts"];
        let through = through.iter().any(|t| kind.eq_ignore_ascii_case(t));
        if through
            || grants_beyond(&kind)
            || kind.eq_ignore_ascii_case("microsoft.keyvault/vaults/accesspolicies")
        {
            return self.unread(at);
        }
        let body = match self.optional(at, "body") {
            Json::String(text) => serde_json::from_str(&text).unwrap_or(Json::Null),
            other => other,
        };
        if self.config.is_written(at, "sensitive_body") {
            self.unresolved(
                at,
                Source::RoleAssignments,
                "a part of the body",
                "it is sensitive, and not looked at",
            );
        }
        let body = self.plain_body(&body, "");
        if body.is_null() && self.config.is_written(at, "body") || any_marks(&body) {
            self.unresolved(at, Source::Resources, "a part of the body", "it comes from elsewhere");
        }
        let body = self.without_marks(&body);
        let mut properties = body.get("properties").cloned().unwrap_or(json!({}));
        if kind.eq_ignore_ascii_case("Microsoft.ManagedIdentity/userAssignedIdentities")
            && let Some(object) = properties.as_object_mut()
        {
            object.insert("principalId".to_owned(), self.symbol(&self.of(at).address).into());
        }
        if kind.eq_ignore_ascii_case("Microsoft.Authorization/roleAssignments")
            && let Some(object) = properties.as_object_mut()
        {
            object.insert("scope".to_owned(), parent.into());
        }
        // The identity stands in a block, or in the body as Azure has it.
        let identity = match (self.block(at), body.get("identity")) {
            (Json::Null, Some(own)) => own.clone(),
            (block, _) => block,
        };
        let record = json!({"id": id, "type": kind, "identity": identity, "tags": self.tags(at), "properties": properties});
        self.record(at, &record);
    }
}

/// A body with each of its texts and names replaced; a text is told with the name that it stands under.
fn each_text(value: &Json, name: &str, replaced: &impl Fn(&str, &str) -> String) -> Json {
    match value {
        Json::Object(members) => {
            let of = |(key, value): (&String, &Json)| (replaced(key, ""), each_text(value, key, replaced));
            Json::Object(members.iter().map(of).collect())
        }
        Json::Array(items) => items.iter().map(|v| each_text(v, name, replaced)).collect(),
        Json::String(text) => replaced(text, name).into(),
        other => other.clone(),
    }
}
