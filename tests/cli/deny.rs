//! Deny assignments, asked as a user asks: who is hit, who is spared, what an audit effect does.

use crate::support::{folder, run, write};
use serde_json::{Value, json};

fn deny(name: &str, properties: &Value) -> Value {
    let mut all = json!({"denyAssignmentName": name, "scope": "/subscriptions/s", "permissions": [{"actions": ["*/write"], "notActions": []}],
        "principals": [{"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}], "excludePrincipals": []});
    for (key, value) in properties.as_object().unwrap() {
        all.as_object_mut().unwrap().insert(key.clone(), value.clone());
    }
    json!({"id": format!("/subscriptions/s/providers/Microsoft.Authorization/denyAssignments/{name}"), "type": "Microsoft.Authorization/denyAssignments", "properties": all})
}

fn answers(name: &str, denies: &Value, on: &str) -> Vec<String> {
    let dir = folder(name);
    let grant = |n: usize, who: &str, kind: &str| {
        json!({"id": format!("/subscriptions/s/providers/Microsoft.Authorization/roleAssignments/{n}"), "type": "Microsoft.Authorization/roleAssignments",
            "properties": {"principalId": who, "principalType": kind, "scope": "/subscriptions/s", "roleDefinitionId": "/x/b24988ac-6180-42a0-ab88-20f7382dd24c"}})
    };
    let group = json!({"@odata.type": "#microsoft.graph.group", "id": "g", "displayName": "g", "members": [{"id": "p2"}]});
    write(
        &dir.join("e/a.json"),
        json!([grant(1, "p1", "ServicePrincipal"), grant(2, "p2", "ServicePrincipal"), group]).to_string(),
    );
    write(&dir.join("e/d.json"), json!({"value": denies}).to_string());
    let out = run(&dir, &["who-can", "Microsoft.Web/sites/write", "--on", on, "--arm-export", "e"]).out;
    let words = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    out.lines().map(words).collect()
}

#[test]
fn a_deny_hits_everyone_but_whom_it_spares() {
    let subscription = "/subscriptions/s";
    let none = answers("deny-none", &json!([]), subscription);
    assert_eq!(none, ["allow p1", "allow p2"]);
    let all = answers("deny-all", &json!([deny("d", &json!({}))]), subscription);
    assert_eq!(all, ["deny p1", "deny p2"]);
    let audit =
        answers("deny-audit", &json!([deny("d", &json!({"denyAssignmentEffect": "audit"}))]), subscription);
    assert_eq!(audit, ["allow p1", "allow p2"]);
    let group =
        answers("deny-group", &json!([deny("d", &json!({"principals": [{"id": "g"}]}))]), subscription);
    assert_eq!(group, ["allow p1", "deny p2"]);
    let spared = answers(
        "deny-spared",
        &json!([deny("d", &json!({"excludePrincipals": [{"id": "G"}]}))]),
        subscription,
    );
    assert_eq!(spared, ["deny p1", "allow p2"]);
    let other = answers(
        "deny-other",
        &json!([deny(
            "d",
            &json!({"permissions": [{"actions": ["*/write"], "notActions": ["Microsoft.Web/*"]}]})
        )]),
        subscription,
    );
    assert_eq!(other, ["allow p1", "allow p2"]);
    let maybe = answers(
        "deny-maybe",
        &json!([deny("d", &json!({"condition": "@Resource[x] StringEquals 'y'"}))]),
        subscription,
    );
    assert_eq!(maybe, ["conditional p1", "conditional p2"]);
}

#[test]
fn a_deny_may_leave_the_scopes_below_alone() {
    let denies = json!([deny("d", &json!({"doNotApplyToChildScopes": true}))]);
    assert_eq!(answers("deny-here", &denies, "/subscriptions/s"), ["deny p1", "deny p2"]);
    let estate = json!([deny("d", &json!({"doNotApplyToChildScopes": true})), {"id": "/subscriptions/s/resourceGroups/rg", "type": "Microsoft.Resources/resourceGroups"}]);
    assert_eq!(
        answers("deny-below", &estate, "/subscriptions/s/resourceGroups/rg"),
        ["allow p1", "allow p2"]
    );
}
