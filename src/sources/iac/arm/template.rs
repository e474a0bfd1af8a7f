//! Walks a template: parameters, variables, resources with their loops and conditions, and templates inside.
//!
//! Not here: what expressions come to (`evaluate`).

use super::Template;
use super::evaluate::{Frame, Outputs, is_unknown, number, principal_of, symbol};
use super::functions::below;
use super::json::Node;
use crate::model::{Gap, Location, Reason, Source};
use crate::sources::arm::Lowering;
use crate::sources::iac::declare::declare;
use crate::sources::iac::place::Lines;
use serde_json::{Value as Json, json};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

/// Templates inside each other.
const DEEPEST: usize = 12;
/// Turns of one loop: Azure allows 800.
const TURNS: usize = 800;

pub(super) struct Walk<'w> {
    file: Template<'w>,
    lines: &'w Lines,
    outputs: &'w RefCell<Outputs>,
    fuel: &'w Cell<usize>,
    pub(super) lowering: Lowering,
}

/// A resource that others lie in.
#[derive(Clone)]
struct Parent {
    kind: String,
    names: Vec<String>,
}

impl<'w> Walk<'w> {
    pub(super) fn new(
        (file, lines): (Template<'w>, &'w Lines),
        lowering: Lowering,
        outputs: &'w RefCell<Outputs>,
        fuel: &'w Cell<usize>,
    ) -> Walk<'w> {
        Walk { file, lines, outputs, fuel, lowering }
    }

    fn location(&self, node: &Node) -> Location {
        let (line, column) = self.lines.position(node.at);
        Location { path: self.file.path.to_owned(), line, column }
    }

    fn gap(&mut self, node: &Node, source: Source, reason: Reason, detail: String) {
        let gap = Gap::new(source, "", reason, detail).at(self.location(node));
        self.lowering.estate.gaps.push(gap);
    }

    /// Walks a template with values for its parameters; gives what it gives back.
    pub(super) fn template(
        &mut self,
        root: &'w Node,
        given: &HashMap<String, Json>,
        place: &str,
        address: &str,
        depth: usize,
    ) -> HashMap<String, Json> {
        let mut frame = Frame::new(place, self.outputs, self.fuel);
        for (name, declared) in root.get("parameters").map(Node::members).unwrap_or_default() {
            let value = given.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone());
            let kind = declared.get("type").and_then(Node::text).unwrap_or_default().to_ascii_lowercase();
            // A secret is nobody's to show, and decides no grant.
            let value = value.filter(|_| !kind.starts_with("secure"));
            let value = value.unwrap_or_else(|| {
                match declared.get("defaultValue").filter(|_| !kind.starts_with("secure")) {
                    Some(default) => frame.value(default),
                    None if declared.get("nullable").is_some() => Json::Null,
                    None => symbol(&format!("parameters('{name}')")),
                }
            });
            frame.parameters.insert(name.clone(), value);
        }
        self.inside(root, true, frame, address, depth)
    }

    /// Walks what a template holds besides parameters.
    fn inside(
        &mut self,
        root: &'w Node,
        own: bool,
        mut frame: Frame<'w>,
        address: &str,
        depth: usize,
    ) -> HashMap<String, Json> {
        // Worked out in the template around it, its own variables do not count.
        let variables = root.get("variables").filter(|_| own).map(Node::members).unwrap_or_default();
        frame.variables.extend(variables.iter().map(|(name, node)| (name.to_ascii_lowercase(), node)));
        if let Some((_, copies)) = variables.iter().find(|(name, _)| name == "copy") {
            // Variables that loops make are in no member of their own.
            for copy in copies.items() {
                if let (Some(name), Some(input)) = (copy.get("name").and_then(Node::text), copy.get("input"))
                {
                    let count =
                        copy.get("count").map(|c| frame.value(c)).and_then(|c| number(&c)).unwrap_or(0);
                    let turns = usize::try_from(count).unwrap_or(0).min(TURNS);
                    let items: Json = (0..turns).map(|n| frame.inside(name, n).value(input)).collect();
                    frame.know(name, items);
                }
            }
        }
        for namespace in root.get("functions").map(Node::items).unwrap_or_default() {
            let prefix = namespace.get("namespace").and_then(Node::text).unwrap_or_default();
            for (name, own) in namespace.get("members").map(Node::members).unwrap_or_default() {
                frame.functions.insert(format!("{prefix}.{name}").to_ascii_lowercase(), own);
            }
        }
        let Some(resources) = root.get("resources") else { return HashMap::new() };
        let named: Vec<(Option<&str>, &Node)> = match resources.members() {
            [] => resources.items().iter().map(|r| (None, r)).collect(),
            members => members.iter().map(|(name, r)| (Some(name.as_str()), r)).collect(),
        };
        for (name, resource) in &named {
            if let Some(name) = name {
                let id = self.id(resource, &frame, None).0;
                frame.symbols.insert((*name).to_owned(), id);
            }
        }
        for (name, resource) in named {
            self.resource(resource, name, &frame, None, address, depth);
        }
        let outputs = root.get("outputs").map(Node::members).unwrap_or_default();
        let value =
            |(name, node): &(String, Node)| Some((name.clone(), node.get("value").map(|v| frame.value(v))?));
        outputs.iter().filter_map(value).collect()
    }

    /// The id of a resource, its type and its names.
    fn id(
        &self,
        node: &'w Node,
        frame: &Frame<'w>,
        parent: Option<&Parent>,
    ) -> (String, String, Vec<String>) {
        let text = |key: &str| match node.get(key).map(|n| frame.value(n)) {
            Some(Json::String(text)) => text,
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let (mut kind, name) = (text("type"), text("name"));
        let kind_only = kind.split('@').next().unwrap_or_default().to_owned();
        kind = kind_only;
        let wanted = kind.matches('/').count().max(1);
        let mut names: Vec<String> = if is_unknown(&Json::String(name.clone()))
            || wanted == 1 && parent.is_none() && !name.contains('/')
        {
            vec![name.replace('/', "\u{2215}")]
        } else {
            name.split('/').map(str::to_owned).collect()
        };
        if let Some(parent) = parent
            && !kind.contains('.')
        {
            kind = format!("{}/{kind}", parent.kind);
            names = [parent.names.clone(), names].concat();
        }
        let base = match node.get("scope").map(|n| frame.value(n)) {
            Some(Json::String(scope))
                if scope.starts_with('/') || is_unknown(&Json::String(scope.clone())) =>
            {
                scope
            }
            Some(Json::String(scope)) if scope.contains('/') => relative(&frame.place, &scope),
            _ => match parent {
                // An extension of the resource around it.
                Some(parent) if kind.to_ascii_lowercase().starts_with("microsoft.authorization/") => {
                    below(&frame.place, &parent.kind, &parent.names)
                }
                _ => frame.place.clone(),
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
            let id = below(&below(&base, outer, own), &kind, rest.get(1..).unwrap_or_default());
            return (id, kind, rest.get(1..).unwrap_or_default().to_vec());
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
        (id, kind, names)
    }

    fn resource(
        &mut self,
        node: &'w Node,
        symbol_name: Option<&str>,
        frame: &Frame<'w>,
        parent: Option<&Parent>,
        address: &str,
        depth: usize,
    ) {
        if let Some(copy) = node.get("copy") {
            let name = copy.get("name").and_then(Node::text).unwrap_or_default();
            let count = copy.get("count").map(|c| frame.value(c)).unwrap_or_default();
            // How often is not known: once stands for all.
            let turns = number(&count).and_then(|n| usize::try_from(n).ok());
            if turns.is_some_and(|n| n > TURNS) {
                let detail = format!("the loop `{name}` has more turns than Azure takes ({TURNS})");
                self.gap(node, Source::Files, Reason::Unsupported, detail);
            }
            for n in 0..turns.unwrap_or(1).min(TURNS) {
                let inner = frame.inside(name, n);
                self.one(node, symbol_name, &inner, parent, (address, Some(n)), depth);
            }
            return;
        }
        self.one(node, symbol_name, frame, parent, (address, None), depth);
    }

    fn one(
        &mut self,
        node: &'w Node,
        symbol_name: Option<&str>,
        frame: &Frame<'w>,
        parent: Option<&Parent>,
        (address, turn): (&str, Option<usize>),
        depth: usize,
    ) {
        let off = |key: &str, when: bool| node.get(key).map(|n| frame.value(n)) == Some(Json::Bool(when));
        // Only what has a symbolic name can stand for what is there already.
        if off("condition", false) || symbol_name.is_some() && off("existing", true) {
            return;
        }
        let (id, kind, names) = self.id(node, frame, parent);
        let written = |key: &str| node.get(key).and_then(Node::text).unwrap_or_default();
        let own =
            symbol_name.map_or_else(|| format!("{}/{}", written("type"), written("name")), str::to_owned);
        let turn = turn.map(|n| format!("[{n}]")).unwrap_or_default();
        let address =
            if address.is_empty() { format!("{own}{turn}") } else { format!("{address}/{own}{turn}") };
        let folded = kind.to_ascii_lowercase();
        let beyond = [
            "microsoft.resources/deploymentstacks",
            "microsoft.authorization/roleassignmentschedulerequests",
            "microsoft.authorization/roleeligibilityschedulerequests",
            "microsoft.managedservices/registrationdefinitions",
        ];
        if folded.contains("${") || beyond.contains(&folded.as_str()) {
            let detail = format!("`{address}` ({kind}) may grant access, and is not read");
            return self.gap(node, Source::RoleAssignments, Reason::Unsupported, detail);
        }
        if kind.eq_ignore_ascii_case("Microsoft.Resources/deployments") {
            return self.deployment(node, frame, &id, &address, depth);
        }
        if folded == "microsoft.authorization/policydefinitions"
            && node
                .json()
                .to_string()
                .to_ascii_lowercase()
                .contains("microsoft.authorization/roleassignments\"")
        {
            let detail = format!("what the policy `{address}` deploys grants roles, and is not read");
            self.gap(node, Source::RoleAssignments, Reason::Unsupported, detail);
        }
        self.record(node, frame, &id, &kind, &address);
        let parent = Parent { kind, names };
        let Some(children) = node.get("resources") else { return };
        let named = children.members().iter().map(|(name, child)| (Some(name.as_str()), child));
        for (name, child) in children.items().iter().map(|child| (None, child)).chain(named) {
            self.resource(child, name, frame, Some(&parent), &address, depth);
        }
    }

    fn record(&mut self, node: &'w Node, frame: &Frame<'w>, id: &str, kind: &str, address: &str) {
        let value = |key: &str| node.get(key).map(|n| frame.value(n)).unwrap_or_default();
        let folded = kind.to_ascii_lowercase();
        let mut properties = value("properties");
        let mut identity = value("identity");
        if let Some(block) = identity.as_object_mut()
            && block
                .get("type")
                .and_then(Json::as_str)
                .is_some_and(|t| t.to_ascii_lowercase().contains("systemassigned"))
        {
            block.insert("principalId".to_owned(), principal_of(id));
        }
        if !identity.is_object() {
            identity = Json::Null;
        }
        let location = self.location(node);
        if let Some(object) = properties.as_object_mut() {
            match folded.as_str() {
                "microsoft.managedidentity/userassignedidentities" => {
                    object.insert("principalId".to_owned(), principal_of(id));
                    object.insert("clientId".to_owned(), symbol(&format!("{id}#clientId")));
                }
                "microsoft.authorization/roleassignments" if !self.assignment(node, object, id, address) => {
                    return;
                }
                _ => {}
            }
        } else if folded == "microsoft.managedidentity/userassignedidentities" {
            properties =
                json!({"principalId": principal_of(id), "clientId": symbol(&format!("{id}#clientId"))});
        }
        let tags = match value("tags") {
            Json::Object(tags) => Json::Object(tags.into_iter().filter(|(_, v)| v.is_string()).collect()),
            _ => json!({}),
        };
        let properties = if properties.is_object() { properties } else { json!({}) };
        let place = value("location");
        let record = json!({"id": id, "type": kind, "identity": identity, "tags": tags, "properties": properties,
            "location": place.as_str()});
        declare(&mut self.lowering, &record, address, Some(&location), false);
    }

    /// Fills in what a role assignment's place says. `false` if where it holds is not known.
    fn assignment(
        &mut self,
        node: &'w Node,
        object: &mut serde_json::Map<String, Json>,
        id: &str,
        address: &str,
    ) -> bool {
        let marker = "/providers/microsoft.authorization/roleassignments/";
        let at = id.to_ascii_lowercase().rfind(marker);
        let scope = at.and_then(|at| id.get(..at)).map(|s| if s.is_empty() { "/" } else { s });
        let Some(scope) = scope.filter(|s| s.starts_with('/')) else {
            let detail = format!(
                "the scope of `{address}` is not known: give its parameters with --set NAME=VALUE or a parameter file"
            );
            self.gap(node, Source::RoleAssignments, Reason::Unresolved, detail);
            return false;
        };
        object.insert("scope".to_owned(), scope.into());
        let role = object.get("roleDefinitionId").cloned().unwrap_or_default();
        let open = |r: &str| r.starts_with("${") || r.rsplit('/').next().is_some_and(|r| r.contains("${"));
        if role.as_str().is_none_or(open) {
            let detail = format!(
                "the role of `{address}` is not known ({}): give its parameters with --set NAME=VALUE",
                role.as_str().unwrap_or("nothing")
            );
            self.gap(node, Source::RoleDefinitions, Reason::Unresolved, detail);
            let Some(text) = role.as_str() else { return false };
            if text.starts_with("${") {
                // One segment of an id, whatever is in it.
                object.insert("roleDefinitionId".to_owned(), text.replace('/', "\u{2215}").into());
            }
        }
        match object.get("principalId").and_then(Json::as_str) {
            Some(principal) if principal.starts_with("${") && !principal.contains('#') => {
                let detail = format!(
                    "the principal of `{address}` is not known ({principal}): whoever it is, the grant is judged"
                );
                self.gap(node, Source::Principals, Reason::Unresolved, detail);
            }
            Some(_) => {}
            None => {
                object.insert(
                    "principalId".to_owned(),
                    symbol(&format!("{address} principal").replace('/', "\u{2215}")),
                );
            }
        }
        true
    }

    fn loaded(
        &mut self,
        node: &'w Node,
        value: &Json,
        given: &HashMap<String, Json>,
        (place, address): (&str, &str),
        depth: usize,
    ) -> HashMap<String, Json> {
        if !value.is_object() {
            let detail = format!("`{address}` deploys a template that is not known");
            self.gap(node, Source::Files, Reason::Unresolved, detail);
            return HashMap::new();
        }
        let inside = Node::of(value, node.at);
        let mut walk = Walk {
            file: self.file,
            lines: self.lines,
            outputs: self.outputs,
            fuel: self.fuel,
            lowering: std::mem::take(&mut self.lowering),
        };
        let outputs = walk.template(&inside, given, place, address, depth);
        self.lowering = walk.lowering;
        outputs
    }

    fn deployment(&mut self, node: &'w Node, frame: &Frame<'w>, id: &str, address: &str, depth: usize) {
        let Some(properties) = node.get("properties") else { return };
        let Some(template) = properties.get("template") else {
            let detail = format!("`{address}` deploys a template at another address, which is not read");
            return self.gap(node, Source::Files, Reason::Unresolved, detail);
        };
        if depth >= DEEPEST {
            let detail = format!("`{address}` lies deeper than templates are read");
            return self.gap(node, Source::Files, Reason::Unsupported, detail);
        }
        let value = |key: &str| match node.get(key).map(|n| frame.value(n)) {
            Some(Json::String(text)) => Some(text),
            _ => None,
        };
        let subscription = value("subscriptionId").map(|s| format!("/subscriptions/{s}"));
        let own = frame.place.split("/resourceGroups/").next().unwrap_or_default().to_owned();
        let place = match (value("scope"), value("resourceGroup")) {
            (Some(scope), _) if scope.starts_with('/') => scope,
            (Some(scope), _) => format!("/providers/{scope}"),
            (None, Some(group)) => format!("{}/resourceGroups/{group}", subscription.unwrap_or(own)),
            (None, None) => subscription.unwrap_or_else(|| frame.place.clone()),
        };
        let options = properties.get("expressionEvaluationOptions").and_then(|o| o.get("scope"));
        let inner = options.and_then(Node::text).is_some_and(|s| s.eq_ignore_ascii_case("inner"));
        let loaded = template.text().is_some();
        let given = if inner || loaded {
            let mut given = HashMap::new();
            for (name, parameter) in properties.get("parameters").map(Node::members).unwrap_or_default() {
                // The frame around a value may be worked out, too.
                let framed = frame.value(parameter);
                match framed.get("value") {
                    Some(value) => given.insert(name.clone(), value.clone()),
                    None if framed.is_object() && framed.get("reference").is_none() => None,
                    None => given.insert(name.clone(), symbol(&format!("parameters('{name}')"))),
                };
            }
            if loaded {
                // A template that was loaded from a file is a value of the one around it, its expressions quoted.
                self.loaded(node, &frame.value(template), &given, (&place, address), depth + 1)
            } else {
                self.template(template, &given, &place, address, depth + 1)
            }
        } else {
            let mut outer = frame.inside("", 0);
            outer.copies.pop();
            outer.place = place;
            self.inside(template, false, outer, address, depth + 1)
        };
        self.outputs.borrow_mut().insert(id.to_ascii_lowercase(), given);
    }
}

/// The scope that a template is for, by its schema. Which one it will be is not known, so that it goes by the file.
pub(super) fn place_of(root: &Node, path: &str) -> String {
    let schema = root.get("$schema").and_then(Node::text).unwrap_or_default().to_ascii_lowercase();
    let own = path.replace('/', "\u{2215}");
    if schema.contains("subscriptiondeploymenttemplate") {
        format!("/subscriptions/${{{own}}}")
    } else if schema.contains("managementgroupdeploymenttemplate") {
        format!("/providers/Microsoft.Management/managementGroups/${{{own}}}")
    } else if schema.contains("tenantdeploymenttemplate") {
        "/".to_owned()
    } else {
        format!("/subscriptions/${{{own}}}/resourceGroups/${{{own}}}")
    }
}

/// `Microsoft.Storage/storageAccounts/x` below a scope; `Microsoft.Management/managementGroups/x` lies below none.
fn relative(place: &str, scope: &str) -> String {
    let parts: Vec<&str> = scope.split('/').collect();
    if scope.to_ascii_lowercase().starts_with("microsoft.management/") {
        return format!("/providers/{scope}");
    }
    format!("{}/providers/{}", place.trim_end_matches('/'), parts.join("/"))
}
