//! The id that a resource of a template will have.
//!
//! Source: "Set name and type for child resources", "Set scope for extension resources in ARM templates".

use super::frame::Frame;
use super::functions::below;
use super::json::Node;
use super::modules::Written;
use super::symbols::{is_unknown, segments};
use serde_json::Value as Json;

/// A resource's id, type and names.
pub(super) struct Identified {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) names: Vec<String>,
}

/// A resource that others lie in.
#[derive(Clone)]
pub(super) struct Parent {
    pub(super) kind: String,
    pub(super) names: Vec<String>,
}

/// Works it out.
pub(super) fn identify(node: &Node, frame: &Frame<'_>, parent: Option<&Parent>) -> Identified {
    let text = |key: &str| match node.get(key).map(|n| frame.value(n)) {
        Some(Json::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let (mut kind, name) = (text("type").split('@').next().unwrap_or_default().to_owned(), text("name"));
    // Only Bicep says which resource one lies in.
    if frame.names.written == Written::Bicep
        && let Some(Json::String(around)) = node.get("parent").map(|n| frame.value(n))
    {
        let own = kind.rsplit('/').next().unwrap_or_default();
        let name = name.replace('/', "\u{2215}");
        return Identified { id: format!("{around}/{own}/{name}"), kind, names: vec![name] };
    }
    // Modules may have no name, or one that others have, too: what they give back goes by where they are called.
    if let Some(own) = node.get("module").and_then(|_| node.get("symbol")).and_then(Node::text) {
        let turn = frame.copies.last().map(|(_, n)| n.map_or("[each]".to_owned(), |n| format!("[{n}]")));
        let call = format!("{}/{own}{}", frame.names.address, turn.unwrap_or_default());
        let name = call.replace('/', "\u{2215}");
        return Identified { id: below(&frame.names.place, &kind, &[name]), kind, names: vec![call] };
    }
    let wanted = kind.matches('/').count().max(1);
    let single = wanted == 1 && parent.is_none() && !name.contains('/');
    let mut names: Vec<String> = if is_unknown(&Json::String(name.clone())) || single {
        vec![name.replace('/', "\u{2215}")]
    } else {
        segments(&name)
    };
    if let Some(parent) = parent
        && !kind.contains('.')
    {
        kind = format!("{}/{kind}", parent.kind);
        names = [parent.names.clone(), names].concat();
    }
    let place = &frame.names.place;
    let base = match node.get("scope").map(|n| frame.value(n)) {
        Some(Json::String(scope)) if scope.starts_with('/') || is_unknown(&Json::String(scope.clone())) => {
            scope
        }
        Some(Json::String(scope)) if scope.contains('/') => relative(place, &scope),
        _ => match parent {
            // An extension of the resource around it.
            Some(parent) if kind.to_ascii_lowercase().starts_with("microsoft.authorization/") => {
                below(place, &parent.kind, &parent.names)
            }
            _ => place.clone(),
        },
    };
    // `Microsoft.Storage/storageAccounts/providers/roleAssignments`, named `account/Microsoft.Authorization/guid`.
    let folded = kind.to_ascii_lowercase();
    if let Some(at) = folded.find("/providers/") {
        let (outer, extension) =
            (kind.get(..at).unwrap_or_default(), kind.get(at + 11..).unwrap_or_default());
        let inner = outer.matches('/').count();
        let (own, rest) = names.split_at(inner.min(names.len()));
        let provider = rest.first().cloned().unwrap_or_default();
        let kind = format!("{provider}/{extension}");
        let names = rest.get(1..).unwrap_or_default().to_vec();
        return Identified { id: below(&below(&base, outer, own), &kind, &names), kind, names };
    }
    let id = match folded.as_str() {
        "microsoft.resources/resourcegroups" => {
            let subscription = base.split("/resourceGroups/").next().unwrap_or_default().to_owned();
            format!("{subscription}/resourceGroups/{}", names.join("/"))
        }
        "microsoft.management/managementgroups" => {
            format!("/providers/Microsoft.Management/managementGroups/{}", names.join("/"))
        }
        _ => below(&base, &kind, &names),
    };
    Identified { id, kind, names }
}

/// `Microsoft.Storage/storageAccounts/x` below a scope; `Microsoft.Management/managementGroups/x` lies below none.
fn relative(place: &str, scope: &str) -> String {
    if scope.to_ascii_lowercase().starts_with("microsoft.management/") {
        return format!("/providers/{scope}");
    }
    format!("{}/providers/{scope}", place.trim_end_matches('/'))
}
