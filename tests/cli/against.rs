//! A change laid over a tenant: the demo, as a snapshot.

use crate::support::{checkout, json, run, write};
use leastwise::sources::{demo, snapshot};
use serde_json::Value;
use std::path::{Path, PathBuf};

const GROUP: &str = "/subscriptions/555b5820-5901-d30b-6df7-df1d5318c7d1/resourceGroups/rg-mail-app-prod";
const SCANNER: &str = "9c9062f4-d536-12b1-dfb9-ef49777a8191";

fn tenant(name: &str) -> PathBuf {
    let dir = checkout(name, &[]);
    let mut bytes = Vec::new();
    snapshot::write(&demo::estate(), &mut bytes).unwrap();
    write(&dir.join("tenant.lwsnap"), bytes);
    dir
}

fn check(dir: &Path, file: &str) -> Value {
    let ran = run(
        dir,
        &[
            "check",
            file,
            "--against",
            "tenant.lwsnap",
            "--at",
            GROUP,
            "-o",
            "out",
            "--as-of",
            "2026-06-01T08:00:00Z",
        ],
    );
    assert!(ran.code <= 3, "{}", ran.err);
    json(&dir.join("out/findings.json"))
}

fn grants(report: &Value) -> Vec<String> {
    let all = report["change"]["grants"].as_array().unwrap().iter();
    all.map(|g| {
        let text = |k: &str| g[k].as_str().unwrap().to_owned();
        let redundant = if g["redundant"] == true { " redundant" } else { "" };
        let was =
            g["was"]["role"].as_str().map(|r| format!(" was {r} on {}", g["was"]["scope"].as_str().unwrap()));
        format!(
            "{} {} {} {}{}{redundant}",
            text("change"),
            text("identity"),
            text("role"),
            text("scope"),
            was.unwrap_or_default()
        )
    })
    .collect()
}

const EXISTING: &str =
    "resource scanner 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = {
  name: 'id-mail-scanner-prod-weu'
}
";

fn grant(symbol: &str, role: &str) -> String {
    format!(
        "resource {symbol} 'Microsoft.Authorization/roleAssignments@2022-04-01' = {{
  name: guid(resourceGroup().id, '{symbol}')
  properties: {{
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '{role}')
    principalId: scanner.properties.principalId
    principalType: 'ServicePrincipal'
  }}
}}
"
    )
}

#[test]
fn a_change_is_laid_over_what_is_there() {
    let dir = tenant("against-bicep");
    // Reader it holds at the root already; Contributor is new.
    let text = EXISTING.to_owned()
        + &grant("reads", "acdd72a7-3385-48ef-bd42-f606fba81ae7")
        + &grant("writes", "b24988ac-6180-42a0-ab88-20f7382dd24c");
    write(&dir.join("main.bicep"), text);
    let report = check(&dir, "main.bicep");
    assert_eq!(
        grants(&report),
        [
            format!("added id-mail-scanner-prod-weu Contributor {GROUP}"),
            format!("added id-mail-scanner-prod-weu Reader {GROUP} redundant"),
        ]
    );
    let identities = report["change"]["identities"].as_array().unwrap();
    assert_eq!(identities.len(), 1, "{identities:#?}");
    assert_eq!(identities[0]["principal_id"], SCANNER);
    assert_eq!(identities[0]["change"], "changed");
    let gained: Vec<&str> =
        identities[0]["gained"].as_array().unwrap().iter().map(|g| g["class"].as_str().unwrap()).collect();
    assert_eq!(gained, ["identity", "credential", "execution", "write", "read"], "{identities:#?}");
    assert!(identities[0]["lost"].as_array().unwrap().is_empty());
    // What is said is said of the change: the tenant's own findings are counted, not shown.
    let findings = report["findings"].as_array().unwrap();
    assert!(!findings.is_empty() && findings.len() < 10, "{findings:#?}");
    assert!(findings.iter().all(|f| f["location"]["path"] == "main.bicep" || f["disposition"] == "open"));
    assert!(report["change"]["untouched"].as_u64().unwrap() > 50);
    for file in ["findings.md", "findings.sarif"] {
        assert!(std::fs::metadata(dir.join("out").join(file)).unwrap().len() > 100);
    }
    let comment = std::fs::read_to_string(dir.join("out/findings.md")).unwrap();
    assert!(comment.contains("can now: run code on "), "{comment}");
}

#[test]
fn what_is_there_already_is_no_change() {
    let dir = tenant("against-same");
    // Its own grant, as code: nothing happens.
    let text = "targetScope = 'tenant'\nresource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {\n  name: guid('x')\n  properties: {\n    roleDefinitionId: '/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7'\n    principalId: '9c9062f4-d536-12b1-dfb9-ef49777a8191'\n    principalType: 'ServicePrincipal'\n  }\n}\n";
    write(&dir.join("main.bicep"), text);
    let report = check(&dir, "main.bicep");
    assert_eq!(grants(&report), Vec::<String>::new());
    let root =
        report["findings"].as_array().unwrap().iter().find(|f| f["rule"] == "root-scope-grant").unwrap();
    assert_eq!((&root["disposition"], &root["location"]["line"]), (&"existing".into(), &2.into()));
    assert_eq!(report["change"]["fixed"], serde_json::json!([]));
    // It has another name there: Azure would refuse a second one.
    let present = &report["change"]["present"][0];
    assert_eq!((&present["role"], &present["scope"]), (&"Reader".into(), &"/".into()));
    assert!(present["there_as"].as_str().unwrap().ends_with("/3924cefc-e00f-4d7b-23b5-84963bb0191d"));
}

#[test]
fn what_a_plan_takes_away_counts() {
    let dir = tenant("against-plan");
    let plan = r#"{"format_version":"1.2","terraform_version":"1.9.0","resource_changes":[{"address":"azurerm_role_assignment.root","mode":"managed","type":"azurerm_role_assignment","name":"root","provider_name":"registry.terraform.io/hashicorp/azurerm","change":{"actions":["delete"],"before":{"id":"/providers/Microsoft.Authorization/roleAssignments/3924cefc-e00f-4d7b-23b5-84963bb0191d"},"after":null,"after_unknown":{}}}]}"#;
    write(&dir.join("plan.json"), plan);
    let report = check(&dir, "plan.json");
    assert_eq!(grants(&report), ["removed id-mail-scanner-prod-weu Reader /"]);
    let fixed: Vec<&str> =
        report["change"]["fixed"].as_array().unwrap().iter().map(|f| f["rule"].as_str().unwrap()).collect();
    assert!(fixed.contains(&"root-scope-grant"), "{fixed:?}");
    let identity = &report["change"]["identities"][0];
    assert_eq!(
        (&identity["lost"][0]["scope"], identity["gained"].as_array().unwrap().len()),
        (&"/".into(), 0)
    );
    // It holds less, and so no open finding is left of what it did.
    assert!(!report["findings"].to_string().contains("root-scope-grant"));
    // What the tenant does not have cannot be taken away from it, and that is said.
    write(&dir.join("plan.json"), plan.replace("3924cefc", "00000000"));
    let report = check(&dir, "plan.json");
    assert!(grants(&report).is_empty(), "{:?}", grants(&report));
    let gaps = report["coverage"]["gaps"].as_array().unwrap();
    let lacking = gaps.iter().find(|g| g["detail"].to_string().contains("are not in the snapshot")).unwrap();
    assert_eq!((&lacking["reason"], &lacking["blocking"]), (&"disagreement".into(), &false.into()));
}

#[test]
fn whoever_leaves_a_group_loses_what_it_holds() {
    let dir = tenant("against-leave");
    let estate = demo::estate();
    let text = |sym| estate.strings.text(sym);
    let holds = |g: &&leastwise::model::Group| estate.assignments.iter().any(|a| a.principal == g.id);
    let group = estate.groups.iter().find(|g| holds(g) && !g.members.is_empty()).unwrap();
    let member = text(group.members[0]);
    let plan = format!(
        r#"{{"format_version":"1.2","terraform_version":"1.9.0","resource_changes":[{{"address":"azuread_group_member.m","mode":"managed","type":"azuread_group_member","name":"m","change":{{"actions":["delete"],"before":{{"id":"{}/member/{member}"}},"after":null,"after_unknown":{{}}}}}}]}}"#,
        text(group.id)
    );
    write(&dir.join("plan.json"), plan);
    let report = check(&dir, "plan.json");
    let lost = report["change"]["identities"].as_array().unwrap();
    assert!(!lost.is_empty() && lost.iter().all(|i| !i["lost"].as_array().unwrap().is_empty()), "{lost:?}");
}

#[test]
fn what_gets_an_identity_is_said_with_what_that_holds() {
    let dir = tenant("against-host");
    let bicep = "resource id 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = {\n  name: 'id-crm-installer-prod-weu'\n}\n\
        resource app 'Microsoft.Web/sites@2022-09-01' = {\n  name: 'app-new'\n  location: 'westeurope'\n  identity: {\n    type: 'UserAssigned'\n    userAssignedIdentities: { '${id.id}': {} }\n  }\n}\n";
    write(&dir.join("main.bicep"), bicep);
    let group = "/subscriptions/f483fc56-3c93-5c86-d68f-535faf19f6ff/resourceGroups/rg-crm-app-prod";
    let args = ["check", "main.bicep", "--against", "tenant.lwsnap", "--at", group, "-o", "out"];
    let ran = run(&dir, &args);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ways = json(&dir.join("out/findings.json"))["change"]["ways"].clone();
    assert_eq!(ways.as_array().unwrap().len(), 1, "{ways}");
    let way = &ways[0];
    assert_eq!((&way["kind"], &way["change"]), (&"host".into(), &"added".into()));
    assert_eq!(way["identity"], "id-crm-installer-prod-weu");
    assert!(way["says"].as_str().unwrap().starts_with("which holds Owner on subscription"), "{way}");
    let comment = std::fs::read_to_string(dir.join("out/findings.md")).unwrap();
    assert!(comment.contains("added host ") && !comment.contains("Nobody can do more"), "{comment}");
}

/// Rule, scope and what became of it, for findings at or above high.
fn grave(report: &Value) -> Vec<String> {
    let all = report["findings"].as_array().unwrap().iter();
    let grave = all.filter(|f| f["severity"] == "critical" || f["severity"] == "high");
    grave.map(|f| format!("{} {}", f["rule"].as_str().unwrap(), f["disposition"].as_str().unwrap())).collect()
}

fn name_of(report: &Value, principal: &str) -> bool {
    let all = report["change"]["identities"].as_array().unwrap().iter();
    all.into_iter().any(|i| i["principal_id"] == principal && !i["gained"].as_array().unwrap().is_empty())
}

#[test]
fn nobody_escapes_by_not_being_there_yet() {
    let dir = tenant("against-unknown");
    let owner = grant("owns", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635");
    // Who it is is not known, or was made after the snapshot.
    for (file, principal, before) in [
        ("param.bicep", "who", "param who string\n"),
        ("new.bicep", "'0f0f0f0f-0000-4000-8000-000000000001'", ""),
    ] {
        let text = before.to_owned() + &owner.replace("scanner.properties.principalId", principal);
        write(&dir.join(file), text);
        let report = check(&dir, file);
        assert_eq!(grave(&report), ["owner-equivalent-grant open"], "{file}: {report:#}");
    }
    let ran = run(&dir, &["check", "new.bicep", "--against", "tenant.lwsnap", "--at", "foo"]);
    assert!(ran.code == 2 && ran.err.contains("--at: `foo` is no scope"), "{}", ran.err);
}

#[test]
fn what_is_looked_up_is_found_in_the_tenant() {
    let dir = tenant("against-lookups");
    let text = "provider \"azurerm\" {\n  features {}\n  subscription_id = \"555b5820-5901-d30b-6df7-df1d5318c7d1\"\n}
data \"azurerm_resource_group\" \"g\" {\n  name = \"rg-mail-app-prod\"\n}
data \"azurerm_user_assigned_identity\" \"i\" {\n  name = \"id-mail-scanner-prod-weu\"\n  resource_group_name = \"rg-mail-app-prod\"\n}
resource \"azurerm_role_assignment\" \"a\" {\n  scope = data.azurerm_resource_group.g.id\n  role_definition_name = \"Owner\"\n  principal_id = data.azurerm_user_assigned_identity.i.principal_id\n}
";
    write(&dir.join("main.tf"), text);
    let report = check(&dir, "main.tf");
    assert_eq!(grants(&report), [format!("added id-mail-scanner-prod-weu Owner {GROUP}")]);
    assert!(name_of(&report, SCANNER), "{report:#}");
}

#[test]
fn whoever_joins_a_group_gains_what_it_holds() {
    let dir = tenant("against-group");
    let estate = demo::estate();
    let text = |sym| estate.strings.text(sym).to_owned();
    let holds = |id| estate.assignments.iter().any(|a| estate.strings.same(a.principal, id));
    let group = estate.groups.iter().find(|g| holds(g.id)).unwrap();
    let (id, name) = (text(group.id), text(group.name));
    for (case, group) in [("id", format!("\"{id}\"")), ("name", "data.azuread_group.g.object_id".to_owned())]
    {
        let code = format!(
            "data \"azuread_group\" \"g\" {{\n  display_name = \"{name}\"\n}}\nresource \"azuread_group_member\" \"m\" {{\n  group_object_id = {group}\n  member_object_id = \"{SCANNER}\"\n}}\n"
        );
        write(&dir.join("main.tf"), code);
        let report = check(&dir, "main.tf");
        assert!(name_of(&report, SCANNER), "{case}: {:#}", report["change"]);
    }
}

#[test]
fn a_role_of_the_tenant_that_gets_wider_counts() {
    let dir = tenant("against-role");
    let estate = demo::estate();
    let held = |r: &&leastwise::model::RoleDefinition| {
        let key = estate.strings.text(r.id.name);
        estate.assignments.iter().any(|a| estate.strings.text(a.role).ends_with(key))
    };
    let role = estate.roles.iter().find(held).unwrap();
    let (key, name) = (estate.strings.text(role.id.name), estate.strings.text(role.name));
    let scope = "/subscriptions/555b5820-5901-d30b-6df7-df1d5318c7d1";
    let bicep = format!(
        "targetScope = 'subscription'\nresource r 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {{\n  name: '{key}'\n  properties: {{\n    roleName: '{name}'\n    type: 'CustomRole'\n    permissions: [{{ actions: ['*'] }}]\n    assignableScopes: [subscription().id]\n  }}\n}}\n"
    );
    let terraform = format!(
        "resource \"azurerm_role_definition\" \"r\" {{\n  name = \"{name}\"\n  scope = \"{scope}\"\n  permissions {{\n    actions = [\"*\"]\n  }}\n}}\n"
    );
    let plan = format!(
        r#"{{"format_version":"1.2","terraform_version":"1.9.0","resource_changes":[{{"address":"azurerm_role_definition.r","mode":"managed","type":"azurerm_role_definition","name":"r","change":{{"actions":["update"],"before":{{"id":"{scope}/providers/Microsoft.Authorization/roleDefinitions/{key}|{scope}"}},"after":{{"id":"{scope}/providers/Microsoft.Authorization/roleDefinitions/{key}|{scope}","name":"{name}","scope":"{scope}","permissions":[{{"actions":["*"],"not_actions":[],"data_actions":[],"not_data_actions":[]}}],"assignable_scopes":["{scope}"]}},"after_unknown":{{}}}}}}]}}"#
    );
    for (file, text) in [("main.bicep", bicep), ("main.tf", terraform), ("plan.json", plan)] {
        let dir = dir.join(file.replace('.', "-"));
        std::fs::create_dir_all(dir.join(".git")).unwrap();
        std::fs::copy(dir.join("../tenant.lwsnap"), dir.join("tenant.lwsnap")).unwrap();
        write(&dir.join(file), &text);
        let report = check(&dir, file);
        let found = grave(&report);
        assert!(
            found.iter().any(|f| f.starts_with("owner-equivalent-grant") || f.starts_with("wildcard")),
            "{file}: {found:?}"
        );
        let lines = report["change"]["grants"].to_string() + &report["change"]["identities"].to_string();
        assert!(!report["change"]["identities"].as_array().unwrap().is_empty(), "{file}: {lines}");
    }
}

#[test]
fn ways_in_that_are_no_grants_count() {
    let dir = tenant("against-ways");
    let bicep = format!(
        "{EXISTING}resource trust 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = {{
  parent: scanner
  name: 'deploy'
  properties: {{
    issuer: 'https://token.actions.githubusercontent.com'
    subject: 'repo:contoso/mail:environment:prod'
    audiences: ['api://AzureADTokenExchange']
  }}
}}
resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {{
  name: 'kv-mail-prod'
  properties: {{
    enableRbacAuthorization: false
    accessPolicies: [{{ objectId: '{SCANNER}', permissions: {{ secrets: ['get'] }} }}]
  }}
}}
"
    );
    write(&dir.join("main.bicep"), bicep);
    let report = check(&dir, "main.bicep");
    let (schema, mut wrong) = (run(&dir, &["schema", "findings"]).out, Vec::new());
    crate::audit::check(&serde_json::from_str(&schema).unwrap(), &report, "$", &mut wrong);
    assert!(wrong.is_empty(), "{wrong:?}");
    let ways = report["change"]["ways"].as_array().unwrap();
    let told: Vec<String> =
        ways.iter().map(|w| format!("{} {} {}", w["change"], w["kind"], w["says"])).collect();
    assert_eq!(
        told,
        [
            r#""added" "access-policy" "secrets/get""#,
            r#""added" "federated-credential" "repo:contoso/mail:environment:prod of https://token.actions.githubusercontent.com for api://AzureADTokenExchange may sign in as it""#,
        ]
    );
    let written = |format: &str| {
        let common = ["check", "main.bicep", "--against", "tenant.lwsnap", "--at", GROUP, "--format", format];
        run(&dir, &common).out
    };
    let (page, note, shown) = (written("html"), written("markdown"), written("text"));
    for text in [page, note, shown] {
        assert!(
            text.contains("added federated credential: ") && text.contains("added access policy of "),
            "{text}"
        );
        assert!(!text.contains("Nobody can do more or less"));
    }
}

/// A role that lets a reader take the identities of its group: nothing that it holds itself says how far that goes.
#[test]
fn what_identities_could_become_is_told_before_and_after() {
    let dir = tenant("against-becomes");
    let estate = demo::estate();
    let group = "/subscriptions/f483fc56-3c93-5c86-d68f-535faf19f6ff/resourceGroups/rg-crm-app-prod";
    assert!(estate.resource_groups.iter().any(|g| estate.strings.text(g.id) == group));
    let contributor = "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59";
    write(
        &dir.join("main.bicep"),
        format!(
            "targetScope = 'resourceGroup'\nresource g 'Microsoft.Authorization/roleAssignments@2022-04-01' = {{
  name: guid('g')\n  properties: {{
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '{contributor}')
    principalId: '{SCANNER}'\n    principalType: 'ServicePrincipal'\n  }}\n}}\n"
        ),
    );
    let ran = run(
        &dir,
        &[
            "check",
            "main.bicep",
            "--against",
            "tenant.lwsnap",
            "--at",
            group,
            "-o",
            "out",
            "--as-of",
            "2026-06-01T08:00:00Z",
        ],
    );
    // The way is what fails the check: Managed Identity Contributor on one group is no broad role.
    assert_eq!(ran.code, 1, "{}", ran.err);
    let report = json(&dir.join("out/findings.json"));
    let all = report["change"]["escalations"].as_array().unwrap();
    let scanner = all.iter().find(|e| e["principal_id"] == SCANNER).unwrap();
    assert_eq!(scanner["before"], Value::Null);
    assert_eq!(scanner["after"]["kind"], "authority");
    assert_eq!(scanner["after"]["steps"], 2);
    assert_eq!(scanner["after"]["id"], "/subscriptions/f483fc56-3c93-5c86-d68f-535faf19f6ff");
    let (now, ways) = (&scanner["resources_after"]["now"], &scanner["resources_after"]["by_ways"]);
    assert!(now.as_u64() < ways.as_u64(), "{scanner:#}");
    let rules: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["disposition"] == "open" && f["severity"] != "info")
        .map(|f| f["rule"].as_str().unwrap())
        .collect();
    // That the owner can be taken was so before: a policy's identity can.
    assert_eq!(rules, ["escalation-path"]);
    let comment = std::fs::read_to_string(dir.join("out/findings.md")).unwrap();
    assert!(comment.contains("could become more: any role on subscription"), "{comment}");
}
