//! What each address answers: the documented protocol over a [`Truth`], without faults.

use super::truth::{Truth, text};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: String,
    pub(crate) authorized: bool,
}

/// A list in full, or an error; paging is the server's.
pub(crate) enum Answer {
    /// Resource Manager's and Microsoft Graph's form.
    Value(Arc<Vec<Value>>),
    /// Resource Graph's.
    Data(Arc<Vec<Value>>),
    Whole(Value),
    /// Rows in Resource Manager's form, as text.
    Text(Vec<String>),
    Missing,
    /// The directory does not have it.
    Absent,
}

/// What a caller proves itself with when it asks for a token; `None` for any other request.
pub(crate) fn proofs(request: &Request) -> Option<Vec<String>> {
    if request.path == "/github" {
        return Some(vec![format!("github {}", request.query)]);
    }
    let wanted = request.method == "POST" && request.path.ends_with("/tenant/oauth2/v2.0/token");
    wanted.then(|| request.body.split('&').map(str::to_owned).collect())
}

/// Which of the service's quotas a request falls under, with what it costs.
pub(crate) fn quota(request: &Request) -> (String, f64, f64) {
    let lower = request.path.to_ascii_lowercase();
    if lower.ends_with("/listassociatedresources") {
        return ("associated".to_owned(), 1.0, 1.0);
    }
    if lower.contains("resourcegraph") {
        return ("resource-graph".to_owned(), 15.0, 3.0);
    }
    if lower.starts_with("/v1.0") || lower.starts_with("/beta") {
        return ("directory".to_owned(), 200.0, 60.0);
    }
    let subscription = lower.strip_prefix("/subscriptions/").and_then(|r| r.split('/').next());
    (subscription.unwrap_or("tenant").to_owned(), 250.0, 25.0)
}

pub(crate) fn answer(truth: &Truth, request: &Request) -> Answer {
    let lower = request.path.to_ascii_lowercase();
    match request.method.as_str() {
        "GET" if lower == "/subscriptions" => Answer::Value(truth.subscriptions().into()),
        "POST" if lower == "/providers/microsoft.resourcegraph/resources" => graph(truth, request),
        "GET" if lower == "/beta/reports/serviceprincipalsigninactivities" => {
            let row = |(id, last): (String, String)| json!({"id": id, "appId": id, "lastSignInActivity": {"lastSignInDateTime": last}});
            let rows = || truth.sign_ins().into_iter().map(row).chain([json!({"appId": "never"})]).collect();
            Answer::Value(truth.kept("sign-ins", rows))
        }
        "GET" if lower == "/v1.0/rolemanagement/directory/roleassignments" => {
            let row = |l: &Value| {
                json!({"id": l["grant"], "principalId": l["principal"], "directoryScopeId": l["scope"],
                    "roleDefinitionId": l["role"], "roleDefinition": {"displayName": l["roleName"]}})
            };
            Answer::Value(truth.local("directory-role").map(row).collect::<Vec<_>>().into())
        }
        "GET" if lower.ends_with("/approleassignedto") => app_roles(truth, &lower),
        "GET" if lower == "/v1.0/serviceprincipals" && request.query.contains("appRoles") => {
            let role = |l: &Value| json!({"id": l["role"], "value": l["roleName"]});
            let roles: Vec<Value> = truth.local("app-role").map(role).collect();
            let known = request.query.contains(GRAPH);
            Answer::Value(Arc::new(if known {
                vec![json!({"appId": GRAPH, "appRoles": roles})]
            } else {
                vec![]
            }))
        }
        "GET" if lower.ends_with("/sqlroleassignments") => {
            let row = |l: &Value| {
                json!({"id": l["grant"], "type": "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments",
                    "properties": {"principalId": l["principal"], "roleDefinitionId": l["role"], "scope": l["scope"]}})
            };
            Answer::Value(Arc::new(below(truth, "cosmos-db", &lower).map(row).collect()))
        }
        "GET" if lower.ends_with("/administrators") => {
            let row = |l: &Value| {
                json!({"id": l["grant"], "type": "Microsoft.Sql/servers/administrators",
                    "properties": {"administratorType": "ActiveDirectory", "login": "x", "sid": l["principal"]}})
            };
            Answer::Value(Arc::new(below(truth, "database-server", &lower).map(row).collect()))
        }
        "GET" if lower == "/v1.0/groups" => Answer::Value(truth.section("groups").to_vec().into()),
        "GET" if lower == "/v1.0/serviceprincipals" => {
            let shown = |p: &Value| {
                let mut p = p.clone();
                p.as_object_mut().unwrap().remove("@odata.type");
                p
            };
            Answer::Value(truth.kept("principals", || truth.service_principals().map(shown).collect()))
        }
        "POST" if lower.ends_with("/listassociatedresources") => {
            let identity = lower.trim_end_matches("/listassociatedresources");
            let all = truth.section("associated-resources").iter();
            let of_it = all.filter(|a| text(a, &["identity"]).eq_ignore_ascii_case(identity));
            let ids = of_it.flat_map(|a| a["resources"].as_array().cloned().unwrap_or_default());
            Answer::Value(Arc::new(ids.map(|id| json!({"id": id, "type": "x"})).collect()))
        }
        "POST" if lower == "/v1.0/$batch" => batch(truth, request),
        "GET" if lower.ends_with("/federatedidentitycredentials") => {
            let own = |r: &Value| text(r, &["id"]).to_ascii_lowercase().starts_with(&format!("{lower}/"));
            let identity = lower.trim_end_matches("/federatedidentitycredentials");
            let near = truth.around("federated-credentials", identity, false);
            Answer::Value(Arc::new(near.into_iter().filter(own).collect()))
        }
        "GET" if lower.ends_with("/providers/microsoft.managedidentity/userassignedidentities") => {
            let scope = lower.trim_end_matches("/providers/microsoft.managedidentity/userassignedidentities");
            Answer::Value(truth.around("identities", scope, false).into())
        }
        "GET" => match by_manager(truth, &lower, &request.query) {
            Some(rows) => Answer::Value(rows.into()),
            None => authorization(truth, request),
        },
        _ => Answer::Missing,
    }
}

/// Microsoft Graph as an application of the directory.
const GRAPH: &str = "00000003-0000-0000-c000-000000000000";

/// Grants of a system whose id lies below an address.
fn below<'t>(truth: &'t Truth, system: &'t str, path: &'t str) -> impl Iterator<Item = &'t Value> {
    truth
        .local(system)
        .filter(move |l| text(l, &["grant"]).to_ascii_lowercase().starts_with(&format!("{path}/")))
}

fn app_roles(truth: &Truth, path: &str) -> Answer {
    if !path.contains(GRAPH) {
        return Answer::Absent;
    }
    let row = |l: &Value| {
        json!({"id": l["grant"], "appRoleId": l["role"], "principalId": l["principal"],
            "principalType": "ServicePrincipal", "resourceId": "r", "resourceDisplayName": l["scope"]})
    };
    Answer::Value(Arc::new(truth.local("app-role").map(row).collect()))
}

/// Delegations as Resource Graph shows them: where, and apart from that to whom.
fn delegations(truth: &Truth) -> Vec<Value> {
    let mut rows = Vec::new();
    for l in truth.local("lighthouse") {
        let id = text(l, &["grant"]).rsplitn(3, '/').last().unwrap();
        let definition = id.replace("registrationAssignments", "registrationDefinitions");
        rows.push(json!({"id": id, "type": "microsoft.managedservices/registrationassignments",
            "properties": {"registrationDefinitionId": definition, "provisioningState": "Succeeded"}}));
        rows.push(json!({"id": definition, "type": "microsoft.managedservices/registrationdefinitions",
            "properties": {"managedByTenantId": l["tenant"], "authorizations": [{"principalId": l["principal"],
                "principalIdDisplayName": l["roleName"], "roleDefinitionId": l["role"]}]}}));
    }
    rows
}

/// Accounts and servers; of every second server Resource Graph does not say who administers it.
fn stores(truth: &Truth) -> Vec<Value> {
    let kinds = ["microsoft.documentdb/databaseaccounts", "microsoft.sql/servers"];
    let resources = truth.section("resources").iter();
    let stores = resources.filter(|r| kinds.contains(&text(r, &["type"]).to_ascii_lowercase().as_str()));
    let row = |(n, r): (usize, &Value)| {
        let id = text(r, &["id"]).to_ascii_lowercase();
        let own = below(truth, "database-server", &id).next().filter(|_| n.is_multiple_of(2));
        let cosmos = id.contains("documentdb");
        json!({"id": r["id"], "type": r["type"], "kind": if cosmos { "GlobalDocumentDB" } else { "v12.0" },
            "administrator": own.map(|l| l["principal"].clone())})
    };
    stores.enumerate().map(row).collect()
}

/// What Resource Manager lists of what Resource Graph shows, too.
fn by_manager(truth: &Truth, path: &str, query: &str) -> Option<Vec<Value>> {
    const GROUPS: &str = "/providers/microsoft.management/managementgroups";
    if path == GROUPS {
        let shown = |g: &Value| {
            json!({"id": g["id"], "type": "Microsoft.Management/managementGroups",
                "properties": {"displayName": g["properties"]["displayName"]}})
        };
        return Some(truth.section("management-groups").iter().map(shown).collect());
    }
    if let Some(group) = path.strip_suffix("/descendants") {
        return truth.has_group(group).then(|| truth.descendants(group));
    }
    let Some((scope, list)) =
        path.split_once("/providers/microsoft.authorization/polic").map(|(s, l)| (s, l.to_owned()))
    else {
        let (scope, list) = path.strip_prefix("/subscriptions/")?.split_once('/')?;
        let scope = format!("/subscriptions/{scope}");
        let there = |section: &str| truth.around(section, &scope, false);
        return match list {
            "resourcegroups" => Some(there("resource-groups")),
            "providers/microsoft.keyvault/vaults" => {
                let vaults = there("resources").into_iter();
                Some(
                    vaults
                        .filter(|r| text(r, &["type"]).eq_ignore_ascii_case("Microsoft.KeyVault/vaults"))
                        .collect(),
                )
            }
            "providers/microsoft.managedservices/registrationassignments" => {
                let all = delegations(truth).into_iter();
                let inside = all.filter(|d| text(d, &["id"]).to_ascii_lowercase().starts_with(&scope));
                Some(joined(&inside.collect::<Vec<_>>()))
            }
            "resources" if query.contains("databaseAccounts") => {
                let inside = stores(truth)
                    .into_iter()
                    .filter(|s| text(s, &["id"]).to_ascii_lowercase().starts_with(&scope));
                // Nothing of who administers it.
                Some(inside.map(|s| json!({"id": s["id"], "type": s["type"], "kind": s["kind"]})).collect())
            }
            "resources" => Some(
                there("resources")
                    .into_iter()
                    .map(|mut r| {
                        r.as_object_mut().unwrap().remove("properties");
                        r.as_object_mut().unwrap().remove("systemData");
                        r
                    })
                    .collect(),
            ),
            _ => None,
        };
    };
    let above = query.contains("atScope()");
    let own = |r: &Value| {
        let id = text(r, &["id"]).to_ascii_lowercase();
        // A definition lies where its id says; those without a place are built in.
        if query.contains("Custom") {
            id.starts_with(&format!("{scope}/"))
        } else {
            scope.is_empty() && id.starts_with("/providers/microsoft.authorization")
        }
    };
    match list.as_str() {
        "yassignments" => Some(truth.policy_assignments(scope, above)),
        "ydefinitions" => {
            Some(truth.section("policy-definitions").iter().filter(|r| own(r)).cloned().collect())
        }
        "ysetdefinitions" => Some(Vec::new()),
        _ => None,
    }
}

/// Delegations with their definitions inside, as Resource Manager shows them when asked to.
fn joined(rows: &[Value]) -> Vec<Value> {
    let of_kind =
        |kind: &str| rows.iter().filter(|r| text(r, &["type"]).ends_with(kind)).cloned().collect::<Vec<_>>();
    let (assignments, definitions) = (of_kind("registrationassignments"), of_kind("registrationdefinitions"));
    let with = |mut a: Value| {
        let id = a["properties"]["registrationDefinitionId"].clone();
        let found = definitions.iter().find(|d| d["id"] == id).unwrap();
        a["properties"]["registrationDefinition"] = found.clone();
        a
    };
    assignments.into_iter().map(with).collect()
}

fn authorization(truth: &Truth, request: &Request) -> Answer {
    let Some((scope, list)) = request.path.split_once("/providers/Microsoft.Authorization/") else {
        return Answer::Missing;
    };
    let above = request.query.contains("atScope()");
    let rows = match list {
        "roleAssignments" if truth.has_copies() => return Answer::Text(truth.grants_around(scope, above)),
        "roleAssignments" => truth.around("role-assignments", scope, above),
        "denyAssignments" => truth.around("deny-assignments", scope, above),
        "roleEligibilityScheduleInstances" => truth.around("eligible-instances", scope, above),
        "roleAssignmentScheduleInstances" => truth.around("active-instances", scope, above),
        "providerOperations" => {
            let operation = |name: &str| json!({"name": name, "isDataAction": false});
            let of_type = [json!({"name": "things", "operations": [operation("Contoso.New/things/read")]})];
            vec![json!({"name": "Contoso.New", "type": "Microsoft.Authorization/providerOperations",
                "operations": [operation("Contoso.New/register/action")], "resourceTypes": of_type})]
        }
        "permissions" => {
            let asked = "Microsoft.ManagedIdentity/userAssignedIdentities/listAssociatedResources/action";
            vec![json!({"actions": ["*/read", asked], "notActions": []})]
        }
        "roleDefinitions" => {
            let wanted = if request.query.contains("CustomRole") { "CustomRole" } else { "BuiltInRole" };
            let all = truth.section("role-definitions").iter();
            let kind = all.filter(|r| text(r, &["properties", "type"]) == wanted);
            // Each scope shows a role under an id of its own.
            let shown = kind.map(|r| {
                let mut r = r.clone();
                let name = text(&r, &["id"]).rsplit('/').next().unwrap().to_owned();
                r["id"] = format!("{scope}/providers/Microsoft.Authorization/roleDefinitions/{name}").into();
                r
            });
            let there = |r: &Value| {
                let scopes = r["properties"]["assignableScopes"].as_array().unwrap();
                wanted == "BuiltInRole"
                    || scopes.iter().any(|s| {
                        let s = s.as_str().unwrap();
                        // A role for a resource group alone is not in its subscription's list.
                        s.eq_ignore_ascii_case(scope) || s == "/" || s.contains("managementGroups")
                    })
            };
            shown.filter(there).collect()
        }
        _ => return Answer::Missing,
    };
    Answer::Value(rows.into())
}

fn graph(truth: &Truth, request: &Request) -> Answer {
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let asked = text(&body, &["query"]);
    let known = leastwise::sources::azure::QUERIES.into_iter().find(|(_, query)| *query == asked);
    let Some((name, _)) = known else { return Answer::Missing };
    let within = &body["subscriptions"];
    Answer::Data(truth.kept(&format!("{name} {within}"), || rows(truth, name, within)))
}

fn rows(truth: &Truth, query: &str, within: &Value) -> Vec<Value> {
    let within = within.as_array();
    let within: Option<HashSet<&str>> = within.map(|list| list.iter().filter_map(Value::as_str).collect());
    let inside = |record: &Value| {
        within.as_ref().is_none_or(|list| {
            let id = text(record, &["id"]).to_ascii_lowercase();
            let subscription = id.strip_prefix("/subscriptions/").and_then(|rest| rest.split('/').next());
            subscription.is_some_and(|s| list.contains(s))
        })
    };
    let mut rows = match query {
        "containers" => truth.containers(),
        "resources" => {
            let shown = truth.section("resources").iter().map(|r| {
                let mut r = r.clone();
                // Resource Graph does not show when a resource was made.
                r.as_object_mut().unwrap().remove("systemData");
                r
            });
            shown.filter(inside).collect()
        }
        "policies" => {
            let policies =
                truth.section("policy-assignments").iter().chain(truth.section("policy-definitions"));
            policies.cloned().collect()
        }
        "counts" => truth.counts(),
        "hints" => truth.section("identities").iter().take(1000).map(|i| json!({"id": i["id"]})).collect(),
        "identities" => truth.section("identities").iter().filter(|r| inside(r)).cloned().collect(),
        "assignments" => truth.section("role-assignments").to_vec(),
        "delegations" => delegations(truth).into_iter().filter(inside).collect(),
        "stores" => stores(truth).into_iter().filter(inside).collect(),
        _ => {
            let all = truth.section("role-definitions").iter();
            all.filter(|r| text(r, &["properties", "type"]) == "CustomRole").cloned().collect()
        }
    };
    rows.sort_by_key(|r| text(r, &["id"]).to_ascii_lowercase());
    rows
}

fn batch(truth: &Truth, request: &Request) -> Answer {
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let requests = body["requests"].as_array().unwrap();
    assert!(requests.len() <= 20, "a batch holds at most twenty");
    let one = |r: &Value| {
        let url = text(r, &["url"]);
        let advanced = r["headers"]["ConsistencyLevel"] == "eventual" && url.contains("$count=true");
        if url.contains("transitiveMembers") && !advanced {
            return json!({"id": r["id"], "status": 400, "body": {"error": {"code": "Request_UnsupportedQuery"}}});
        }
        let group = url.trim_start_matches("/groups/").split(['/', '?']).next().unwrap();
        let (status, body) = match truth.members(group) {
            None => (404, json!({"error": {"code": "Request_ResourceNotFound"}})),
            Some(members) if url.contains("transitiveMembers") => {
                let rows: Vec<Value> = members.iter().map(|m| json!({"id": m})).collect();
                (200, json!({"value": rows}))
            }
            Some(_) => {
                let found =
                    truth.section("groups").iter().find(|g| text(g, &["id"]).eq_ignore_ascii_case(group));
                (200, json!({"id": group, "displayName": found.unwrap()["displayName"]}))
            }
        };
        json!({"id": r["id"], "status": status, "body": body})
    };
    let mut responses: Vec<Value> = requests.iter().map(one).collect();
    // Answers come in any order.
    responses.reverse();
    Answer::Whole(json!({"responses": responses}))
}
