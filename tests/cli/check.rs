//! The check of a change, over plans of our own and, where they are at hand, real ones.

use crate::support::{Ran, checkout, folder, json, run, write};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The scenario, in a repository of its own.
fn repository(name: &str) -> PathBuf {
    let dir = folder(name);
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/check/terraform");
    for file in ["plan.json", "main.tf", "modules/worker/main.tf"] {
        write(&dir.join("infra").join(file), std::fs::read(from.join(file)).unwrap());
    }
    std::fs::create_dir_all(dir.join(".git")).unwrap();
    dir
}

fn check(dir: &Path, more: &[&str]) -> Ran {
    run(dir, &[&["check", "infra/plan.json", "--as-of", "2026-06-01T08:00:00Z"], more].concat())
}

/// `severity rule path:line disposition`, for findings of a report.
fn lines(report: &Value) -> Vec<String> {
    let row = |f: &Value| {
        let place = f["location"]["path"].as_str().map(|p| format!("{p}:{}", f["location"]["line"]));
        let texts = ["severity", "rule", "disposition"].map(|k| f[k].as_str().unwrap().to_owned());
        let [severity, rule, disposition] = texts;
        format!("{severity} {rule} {} {disposition}", place.unwrap_or_default())
    };
    report["findings"].as_array().unwrap().iter().map(row).collect()
}

/// The first finding of a rule, which must be there.
fn finding<'r>(report: &'r Value, rule: &str) -> &'r Value {
    report["findings"].as_array().unwrap().iter().find(|f| f["rule"] == rule).unwrap()
}

/// What was there before does not fail a change, unless somebody asks for all.
#[test]
fn what_was_there_counts_where_all_is_asked_for() {
    let dir = repository("check-all");
    let mut plan = json(&dir.join("infra/plan.json"));
    let changes = plan["resource_changes"].as_array_mut().unwrap();
    changes.retain(|c| c["change"]["actions"][0] == "no-op" || c["mode"] == "data");
    write(&dir.join("infra/plan.json"), plan.to_string());
    let of = |ran: &Ran, wanted: &str| {
        let report: Value = serde_json::from_str(&ran.out).unwrap();
        let all = report["findings"].as_array().unwrap().iter();
        (
            all.filter(|f| f["disposition"] == wanted && f["severity"] == "high").count(),
            report["verdict"].clone(),
        )
    };
    let ran = check(&dir, &["--format", "json"]);
    assert_eq!((ran.code, of(&ran, "existing").0, of(&ran, "open").0), (0, 1, 0), "{}", ran.err);
    let ran = check(&dir, &["--format", "json", "--all"]);
    assert_eq!((ran.code, of(&ran, "open")), (1, (1, "findings".into())), "{}", ran.err);
    // A waiver holds for it as for any other.
    write(
        &dir.join("leastwise-waivers.toml"),
        "[[waiver]]\nid = \"w\"\nrules = [\"owner-equivalent-grant\"]\ntarget = { identity = \"app-*\" }\ncategory = \"mitigated\"\nreason = \"moved in the spring, see the ticket\"\nrequested_by = \"ann\"\napproved_by = \"bob\"\napproved_on = 2026-05-01\nexpires = 2026-08-01\n",
    );
    let ran = check(&dir, &["--format", "json", "--all"]);
    assert_eq!((ran.code, of(&ran, "waived").0), (0, 1), "{}{}", ran.err, ran.out);
}

/// A policy assignment whose identity is Contributor, with what its definition says.
fn policy(rule: &str) -> String {
    let scope = "/subscriptions/11111111-2222-4333-8444-000000000001";
    format!(
        "variable \"rule\" {{}}\nresource \"azurerm_policy_definition\" \"p\" {{\n  name = \"p\"\n  policy_type = \"Custom\"\n  mode = \"All\"\n  display_name = \"p\"\n  policy_rule = {rule}\n}}\nresource \"azurerm_subscription_policy_assignment\" \"a\" {{\n  name = \"a\"\n  subscription_id = \"{scope}\"\n  policy_definition_id = azurerm_policy_definition.p.id\n  location = \"x\"\n  identity {{\n    type = \"SystemAssigned\"\n  }}\n}}\nresource \"azurerm_role_assignment\" \"x\" {{\n  scope = \"{scope}\"\n  role_definition_name = \"Contributor\"\n  principal_id = azurerm_subscription_policy_assignment.a.identity[0].principal_id\n}}\n"
    )
}

/// What a definition in the same configuration asks for is enough; more than that, or nobody knows what, is not.
#[test]
fn an_assignment_of_a_policy_is_held_against_its_definition() {
    let asks = |role: &str| {
        format!(
            "jsonencode({{ if = {{}}, then = {{ effect = \"deployIfNotExists\", details = {{ roleDefinitionIds = [\"/providers/Microsoft.Authorization/roleDefinitions/{role}\"] }} }} }})"
        )
    };
    for (rule, severity, confidence, code) in [
        (asks("b24988ac-6180-42a0-ab88-20f7382dd24c"), "medium", "high", 0),
        (asks("acdd72a7-3385-48ef-bd42-f606fba81ae7"), "high", "high", 1),
        ("var.rule".to_owned(), "high", "medium", 1),
    ] {
        let dir = folder("check-policy");
        write(&dir.join("main.tf"), policy(&rule));
        let ran = run(&dir, &["check", "main.tf", "--format", "json"]);
        assert_eq!(ran.code, code, "{rule}: {}{}", ran.err, ran.out);
        let report: Value = serde_json::from_str(&ran.out).unwrap();
        let all = report["findings"].as_array().unwrap();
        let found = all.iter().find(|f| f["rule"] == "policy-identity-privileged").unwrap();
        assert_eq!(
            (&found["severity"], &found["confidence"]),
            (&severity.into(), &confidence.into()),
            "{rule}"
        );
        let broad = all.iter().find(|f| f["rule"] == "broad-write-scope").unwrap();
        assert_eq!(broad["disposition"], "subsumed", "{rule}");
    }
}

const IDENTITY: &str = "resource \"azurerm_user_assigned_identity\" \"a\" {\n  name = \"id-shop-prod-weu\"\n  location = \"westeurope\"\n  resource_group_name = \"rg-shop-prod\"\n}\n";

/// A nested deployment goes by its plain name as by its id.
#[test]
fn outputs_of_a_deployment_are_found_by_its_name() {
    let dir = folder("check-outputs");
    let template = |asked: &str| {
        serde_json::json!({"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0", "resources": [
            {"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "d1", "properties": {"mode": "Incremental", "expressionEvaluationOptions": {"scope": "inner"},
                "template": {"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
                    "resources": [{"type": "Microsoft.ManagedIdentity/userAssignedIdentities", "apiVersion": "2023-01-31", "name": "id-shop-prod-weu", "location": "x"}],
                    "outputs": {"pid": {"type": "string", "value": "[reference(resourceId('Microsoft.ManagedIdentity/userAssignedIdentities','id-shop-prod-weu')).principalId]"}}}}},
            {"type": "Microsoft.Authorization/roleAssignments", "apiVersion": "2022-04-01", "name": "[guid('x')]", "properties": {
                "roleDefinitionId": "[subscriptionResourceId('Microsoft.Authorization/roleDefinitions','8e3af657-a8ff-443c-a75c-2fe8c4bcb635')]",
                "principalId": format!("[reference({asked}).outputs.pid.value]"), "principalType": "ServicePrincipal"}}]})
    };
    for asked in ["'d1'", "resourceId('Microsoft.Resources/deployments','d1')"] {
        write(&dir.join("main.json"), template(asked).to_string());
        let ran = run(&dir, &["check", "main.json", "--format", "json"]);
        let report: Value = serde_json::from_str(&ran.out).unwrap();
        let owner = finding(&report, "owner-equivalent-grant");
        assert_eq!(owner["identity"]["name"], "id-shop-prod-weu", "{asked}");
    }
}

/// What azapi is told by reference is what it refers to, wherever other resources stand.
#[test]
fn azapi_grants_to_the_identity_that_its_body_names() {
    let dir = folder("check-azapi");
    let identity = IDENTITY;
    let grant = |body: &str| {
        format!(
            "resource \"azapi_resource\" \"x\" {{\n  type = \"Microsoft.Authorization/roleAssignments@2022-04-01\"\n  name = \"11111111-2222-4333-8444-555555555555\"\n  parent_id = \"/subscriptions/11111111-2222-4333-8444-000000000001\"\n  body = {body}\n}}\n"
        )
    };
    let body = "{ properties = { roleDefinitionId = \"/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635\", principalId = azurerm_user_assigned_identity.a.principal_id } }";
    let other = "resource \"azurerm_resource_group\" \"first\" {\n  name = \"rg-other\"\n  location = \"westeurope\"\n}\n";
    let mut prints = std::collections::BTreeSet::new();
    for text in [
        format!("{identity}{}", grant(body)),
        format!("{other}{identity}{}", grant(&format!("jsonencode({body})"))),
    ] {
        write(&dir.join("main.tf"), text);
        let ran = run(&dir, &["check", "main.tf", "--format", "json"]);
        assert_eq!(ran.code, 1, "{}", ran.err);
        let report: Value = serde_json::from_str(&ran.out).unwrap();
        let owner = finding(&report, "owner-equivalent-grant");
        assert_eq!(
            (&owner["identity"]["name"], &owner["confidence"]),
            (&"id-shop-prod-weu".into(), &"high".into()),
            "{owner}"
        );
        prints.insert(owner["fingerprint"].to_string());
    }
    assert_eq!(prints.len(), 1);
}

/// A plan that was narrowed to a target says nothing of the rest, which stays.
#[test]
fn what_stands_in_the_state_alone_is_there() {
    let dir = folder("check-state");
    let scope = "/subscriptions/11111111-2222-4333-8444-000000000001";
    let plan = serde_json::json!({"format_version": "1.2", "terraform_version": "1.9.0", "resource_changes": [],
        "configuration": {"root_module": {}}, "prior_state": {"format_version": "1.0", "values": {"root_module": {"child_modules": [
            {"address": "module.app[\"a\"]", "resources": [{"address": "module.app[\"a\"].azurerm_role_assignment.x", "mode": "managed",
            "type": "azurerm_role_assignment", "name": "x", "values": {"id": format!("{scope}/providers/Microsoft.Authorization/roleAssignments/11111111-2222-4333-8444-555555555555"),
            "scope": scope, "role_definition_name": "Owner", "principal_id": "11111111-2222-4333-8444-000000000002"}}]}]}}}});
    write(&dir.join("plan.json"), plan.to_string());
    for (more, code, disposition) in [(&[][..], 0, "existing"), (&["--all"][..], 1, "open")] {
        let ran = run(&dir, &[&["check", "plan.json", "--format", "json"], more].concat());
        assert_eq!(ran.code, code, "{}{}", ran.err, ran.out);
        let report: Value = serde_json::from_str(&ran.out).unwrap();
        let owner = finding(&report, "owner-equivalent-grant");
        assert_eq!(owner["disposition"], disposition);
        let address = owner["subject"]["id"].as_str().unwrap();
        assert!(address.ends_with("module.app[\"a\"].azurerm_role_assignment.x"), "{address}");
    }
}

/// Whoever begins has code that is not clean: what is there is a baseline, and only what comes counts.
#[test]
fn the_first_steps_leave_a_baseline_of_the_code() {
    let dir = repository("check-init");
    std::fs::remove_file(dir.join("infra/plan.json")).unwrap();
    let ran = run(&dir, &["init", "--as-of", "2026-06-01T08:00:00Z"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let known = ["check", ".", "--baseline", "leastwise-baseline.json", "--fail-on", "low"];
    assert!(!run(&dir, &known[..2]).out.contains("no open findings"));
    let ran = run(&dir, &known);
    assert!(
        ran.out.contains("no open findings") && ran.out.contains("known from the baseline"),
        "{}",
        ran.out
    );
}

/// Plans are mostly written to a folder for what is built, below the root module at the repository's root.
#[test]
fn a_plan_away_from_its_source_is_shown_at_the_root() {
    let dir = repository("check-root");
    std::fs::create_dir_all(dir.join("infra/build")).unwrap();
    std::fs::rename(dir.join("infra/plan.json"), dir.join("infra/build/plan.json")).unwrap();
    std::fs::create_dir_all(dir.join("infra/.git")).unwrap();
    let at = ["--as-of", "2026-06-01T08:00:00Z", "--format", "json"];
    let said = |more: &[&str]| {
        let ran = run(&dir.join("infra"), &[&["check", "build/plan.json"], more, &at[..]].concat());
        assert_eq!(ran.code, 1, "{}", ran.err);
        ran.out
    };
    assert!(said(&[]).contains("\"path\": \"main.tf\"") || said(&[]).contains("\"path\":\"main.tf\""));
    assert_eq!(said(&[]), said(&["--source", "."]));
}

/// A change may touch several root modules, each with a plan of its own.
#[test]
fn plans_of_several_roots_are_checked_together() {
    let dir = repository("check-two");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/check/terraform");
    for file in ["plan.json", "main.tf", "modules/worker/main.tf"] {
        let mut text = std::fs::read_to_string(from.join(file)).unwrap();
        for (here, there) in [
            ("shop", "mart"),
            ("landing-zones", "sandboxes"),
            ("000000000001", "000000000002"),
            ("11111111", "22222222"),
            ("99999999", "88888888"),
        ] {
            text = text.replace(here, there);
        }
        write(&dir.join("other").join(file), text);
    }
    let at = ["--as-of", "2026-06-01T08:00:00Z", "--format", "json"];
    let of = |paths: &[&str]| {
        let ran = run(&dir, &[&["check"], paths, &at].concat());
        assert_eq!(ran.code, 1, "{}", ran.err);
        serde_json::from_str::<Value>(&ran.out).unwrap()
    };
    let both = of(&["infra/plan.json", "other/plan.json"]);
    let each = [of(&["infra/plan.json"]), of(&["other/plan.json"])];
    let prints = |report: &Value| -> std::collections::BTreeSet<String> {
        let all = report["findings"].as_array().unwrap().iter();
        all.map(|f| f["fingerprint"].as_str().unwrap().to_owned()).collect()
    };
    // Each is what it is alone: a baseline of one holds for it in both.
    let [infra, other] = each.each_ref().map(prints);
    let shared = infra.intersection(&other).count();
    assert_eq!(
        (prints(&both), shared),
        (infra.union(&other).cloned().collect(), 1),
        "the estate's own finding"
    );
    assert!(lines(&both).iter().any(|l| l.contains("other/main.tf:24")), "{:#?}", lines(&both));
    // Two of one root are not told apart.
    std::fs::copy(dir.join("infra/plan.json"), dir.join("infra/older.json")).unwrap();
    let ran = run(&dir, &[&["check", "infra/plan.json", "infra/older.json"][..], &at].concat());
    assert!(ran.out.contains("second plan of one root module"), "{}", ran.out);
}

/// Large plans are read by two threads, where their members stand as Terraform writes them.
#[test]
fn a_large_plan_says_the_same_in_any_order() {
    let dir = repository("check-large");
    let mut plan = json(&dir.join("infra/plan.json"));
    let written = |v: &Value| v["type"] == "azurerm_role_assignment" && v["mode"] == "managed";
    let block =
        plan["configuration"]["root_module"]["resources"].as_array().unwrap().iter().find(|v| written(v));
    let block = block.unwrap().clone();
    let same = |v: &&Value| v["address"] == block["address"];
    let change = plan["resource_changes"].as_array().unwrap().iter().find(same).unwrap().clone();
    for n in 0..700 {
        let mut more = [block.clone(), change.clone()];
        for part in &mut more {
            part["name"] = format!("more{n}").into();
            part["address"] = format!("azurerm_role_assignment.more{n}").into();
        }
        let [block, change] = more;
        plan["configuration"]["root_module"]["resources"].as_array_mut().unwrap().push(block);
        plan["resource_changes"].as_array_mut().unwrap().push(change);
    }
    plan["planned_values"] = serde_json::json!({"x": "\"resource_changes\":[".repeat(60_000)});
    let members = plan.as_object().unwrap();
    let usual = ["format_version", "terraform_version", "variables", "planned_values", "resource_changes"];
    let behind = ["configuration"];
    let others = members.keys().map(String::as_str).filter(|k| !usual.contains(k) && !behind.contains(k));
    let order = usual.into_iter().filter(|k| members.contains_key(*k)).chain(others).chain(behind);
    let text: Vec<String> = order.map(|k| format!("{k:?}:{}", members[k])).collect();
    let mut said = Vec::new();
    // Names sorted: the configuration comes first, and all is read from front to back.
    for text in
        [format!("{{{}}}", text.join(",")), plan.to_string(), serde_json::to_string_pretty(&plan).unwrap()]
    {
        assert!(text.len() > 1 << 20);
        write(&dir.join("infra/plan.json"), text);
        let ran = check(&dir, &["--format", "json"]);
        assert_eq!(ran.code, 1, "{}", ran.err);
        said.push(ran.out);
    }
    assert!(said.iter().all(|s| *s == said[0]) && said[0].contains("azurerm_role_assignment.more699"));
}

#[test]
fn a_plan_is_judged_at_the_lines_of_its_source() {
    let dir = repository("check-plan");
    let ran = check(&dir, &["-o", "out", "--format", "json"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let report = json(&dir.join("out/findings.json"));
    assert_eq!(report["source"]["kind"], "terraform-plan");
    let found = lines(&report);
    for expected in [
        "critical owner-equivalent-grant infra/main.tf:24 open",
        "critical role-assignment-write infra/main.tf:30 open",
        // The worker is Owner where the deployer lives, which this change makes powerful: new for the worker that stays, too.
        "critical escalation-path infra/modules/worker/main.tf:10 open",
        "high federable-privileged-identity infra/main.tf:18 open",
        "high escalating-custom-role infra/main.tf:45 open",
        "high federated-pull-request infra/main.tf:36 open",
        "high owner-equivalent-grant infra/modules/worker/main.tf:20 open",
        // The change leaves this one as it is.
        "high owner-equivalent-grant infra/modules/worker/main.tf:20 existing",
        "low identity-name-pattern infra/main.tf:18 open",
        "low wildcard-custom-role infra/main.tf:55 open",
    ] {
        assert!(found.contains(&expected.to_owned()), "{expected} in {found:#?}");
    }
    // What absence would show is not asked of a repository, and nothing else is above low.
    assert!(!found.iter().any(|f| f.contains("unattached") || f.contains("unowned")), "{found:#?}");
    assert_eq!(
        found
            .iter()
            .filter(|f| !f.starts_with("low") && !f.starts_with("info") && !f.ends_with("subsumed"))
            .count(),
        9,
        "{found:#?}"
    );
    let all = report["findings"].as_array().unwrap();
    let way = all.iter().find(|f| f["rule"] == "escalation-path").unwrap();
    let steps = way["evidence"].as_array().unwrap().iter().filter(|e| e["kind"] == "path-step").count();
    assert_eq!(steps, 2, "{way:#}");
    let owner = all.iter().find(|f| f["rule"] == "owner-equivalent-grant").unwrap();
    assert_eq!(owner["subject"]["id"], "infra/azurerm_role_assignment.owner");
    assert_eq!(owner["identity"]["name"], "DeployerIdentity");
    assert_eq!(owner["scope"], "/subscriptions/00000000-0000-4000-8000-000000000001");
    assert_eq!(owner["fix"]["commands"], serde_json::json!([]));
    assert_eq!(report["coverage"]["counts"]["assignments"], 5);
}

#[test]
fn a_trust_that_lets_in_somebody_else_is_new() {
    let dir = folder("check-trust");
    let with = |subject: &str| {
        format!(
            "resource i 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {{\n  name: 'id-a-prod'\n  location: 'x'\n}}\nresource c 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = {{\n  parent: i\n  name: 'n'\n  properties: {{\n    issuer: 'https://token.actions.githubusercontent.com'\n    subject: '{subject}'\n    audiences: ['api://AzureADTokenExchange']\n  }}\n}}\nresource a 'Microsoft.Authorization/roleAssignments@2022-04-01' = {{\n  name: guid('a')\n  properties: {{\n    principalId: i.properties.principalId\n    principalType: 'ServicePrincipal'\n    roleDefinitionId: tenantResourceId('Microsoft.Authorization/roleDefinitions', '8e3af657-a8ff-443c-a75c-2fe8c4bcb635')\n  }}\n}}\n"
        )
    };
    write(&dir.join("main.bicep"), with("repo:contoso/crm:pull_request"));
    let first = run(&dir, &["check", "main.bicep", "--write-baseline", "known.json"]);
    assert_eq!(first.code, 1, "{}", first.err);
    assert_eq!(run(&dir, &["check", "main.bicep", "--baseline", "known.json"]).code, 0);
    write(&dir.join("main.bicep"), with("repo:evil/crm:pull_request"));
    let other = run(&dir, &["check", "main.bicep", "--baseline", "known.json"]);
    assert!(other.code == 1 && other.out.contains("federated-"), "{}", other.out);
}

#[test]
fn a_terminal_shows_the_line_the_fix_and_where_a_role_is_not_known() {
    let dir = folder("check-terminal");
    write(
        &dir.join("main.bicep"),
        "param who string\nresource a 'Microsoft.Authorization/roleAssignments@2022-04-01' = {\n  name: guid(who)\n  properties: {\n    principalId: who\n    roleDefinitionId: tenantResourceId('Microsoft.Authorization/roleDefinitions', '0fa1d4c0-0000-4000-8000-00000000abcd')\n  }\n}\n\
        resource b 'Microsoft.Authorization/roleAssignments@2022-04-01' = {\n  name: guid(who, 'b')\n  properties: {\n    principalId: who\n    roleDefinitionId: tenantResourceId('Microsoft.Authorization/roleDefinitions', '8e3af657-a8ff-443c-a75c-2fe8c4bcb635')\n  }\n}\n",
    );
    let ran = run(&dir, &["check", "main.bicep", "--fail-on", "none"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let after = |start: &str| {
        let mut lines = ran.out.lines().skip_while(|l| !l.starts_with(start));
        lines.by_ref().take(4).map(str::to_owned).collect::<Vec<_>>()
    };
    let found = after("high     owner-equivalent-grant");
    assert!(found[0].contains("main.bicep:9:1: ") && found[1].contains("| resource b"), "{}", ran.out);
    assert!(found[3].trim_start().starts_with("fix: "), "{}", ran.out);
    let missing = ran.out.lines().find(|l| l.contains("nothing that was read defines it")).unwrap();
    assert!(missing.contains("main.bicep:2:1: ") && missing.contains("--against SNAPSHOT"), "{missing}");
}

#[test]
fn a_baseline_keeps_what_was_there_from_counting() {
    let dir = repository("check-baseline");
    assert_eq!(check(&dir, &["--write-baseline", "known.json"]).code, 1);
    let ran = check(&dir, &["--baseline", "known.json", "-o", "out"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let found = lines(&json(&dir.join("out/findings.json")));
    assert!(found.iter().all(|f| !f.ends_with(" open")), "{found:#?}");
    let comment = std::fs::read_to_string(dir.join("out/findings.md")).unwrap();
    assert!(comment.contains("Known from the baseline: ") && comment.len() < 65_536, "{comment}");
    // Lines move, files are renamed, and what is known stays known.
    let source = dir.join("infra/main.tf");
    let text = std::fs::read_to_string(&source).unwrap();
    std::fs::remove_file(&source).unwrap();
    write(&dir.join("infra/other.tf"), format!("# one line\n# and another\n{text}"));
    let ran = check(&dir, &["--baseline", "known.json", "-o", "moved", "--format", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let moved = lines(&json(&dir.join("moved/findings.json")));
    assert!(
        moved.contains(&"critical owner-equivalent-grant infra/other.tf:26 baseline".to_owned()),
        "{moved:#?}"
    );
    // A wider grant is another finding.
    let plan = std::fs::read_to_string(dir.join("infra/plan.json")).unwrap();
    let wider = plan.replacen(
        "\"scope\": \"/subscriptions/00000000-0000-4000-8000-000000000001\"",
        "\"scope\": \"/\"",
        1,
    );
    assert_ne!(plan, wider);
    write(&dir.join("infra/plan.json"), wider);
    assert_eq!(check(&dir, &["--baseline", "known.json"]).code, 1);
}

#[test]
fn every_format_takes_hostile_names() {
    let dir = repository("check-hostile");
    let plan = std::fs::read_to_string(dir.join("infra/plan.json")).unwrap();
    let hostile = "x\\n::error::y\\r##vso[task.setvariable variable=a]z]]><script>alert(1)</script>|`@all";
    write(&dir.join("infra/plan.json"), plan.replace("DeployerIdentity", hostile));
    let formats =
        ["sarif", "markdown", "github", "azure-devops", "gitlab", "junit", "text", "html", "csv", "json"];
    let more: Vec<&str> = formats.iter().flat_map(|f| ["--format", *f]).chain(["-o", "out"]).collect();
    assert_eq!(check(&dir, &more).code, 1);
    let read = |name: &str| std::fs::read_to_string(dir.join("out").join(name)).unwrap();
    for line in read("github.txt").lines() {
        assert!(
            !line.starts_with("::error::") && line.matches("::").count() >= 2 || !line.starts_with("::"),
            "{line}"
        );
    }
    let azure = read("azure-devops.txt");
    assert!(
        azure.lines().all(|l| l.matches("##vso[").count() <= 1 && !l.contains("setvariable variable=a]z")
            || !l.contains("##vso[task.setvariable")),
        "{azure}"
    );
    let comment = read("findings.md");
    assert!(!comment.contains("<script>") && !comment.contains("@all"), "{comment}");
    let junit = read("junit.xml");
    assert!(!junit.contains("<script>"), "{junit}");
    let sarif: Value = serde_json::from_str(&read("findings.sarif")).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(results.len() >= 7);
    for result in results {
        let at = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[at]["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert!(place["artifactLocation"]["uri"].as_str().unwrap().starts_with("infra/"), "{place}");
        assert!(place["region"]["startLine"].as_u64().unwrap() > 0);
    }
    // One rule at two severities is two descriptors.
    let ids: Vec<&str> = rules.iter().map(|r| r["id"].as_str().unwrap()).collect();
    assert!(
        ids.contains(&"owner-equivalent-grant") && ids.contains(&"owner-equivalent-grant/critical"),
        "{ids:?}"
    );
    let gitlab: Value = serde_json::from_str(&read("gitlab.json")).unwrap();
    assert!(gitlab.as_array().unwrap().iter().all(|i| i["location"]["lines"]["begin"].is_u64()));
}

/// GitLab's report has no other place for what was not read.
#[test]
fn what_cannot_be_resolved_stands_in_the_report_for_gitlab() {
    let dir = folder("check-gitlab-gaps");
    let grants = ["a", "b"].map(|name| {
        format!(
            "resource \"azurerm_role_assignment\" \"{name}\" {{\n  scope = var.scope\n  role_definition_name = \"Owner\"\n  principal_id = azurerm_user_assigned_identity.i.principal_id\n}}\n"
        )
    });
    let identity = "resource \"azurerm_user_assigned_identity\" \"i\" {\n  name = \"id-x-prod\"\n  location = \"we\"\n  resource_group_name = \"rg\"\n}\nvariable \"scope\" {}\n";
    write(&dir.join("main.tf"), format!("{identity}{}{}", grants[0], grants[1]));
    let ran = run(&dir, &["check", ".", "--format", "gitlab", "--format", "json", "-o", "out"]);
    assert_ne!(ran.code, 2, "{}", ran.err);
    let gitlab = json(&dir.join("out/gitlab.json"));
    let gitlab = gitlab.as_array().unwrap();
    let told = json(&dir.join("out/findings.json"));
    let gaps = told["coverage"]["gaps"].as_array().unwrap();
    let blocking = gaps.iter().filter(|g| g["blocking"] == true && !g["location"].is_null()).count();
    assert!(blocking > 1, "{gaps:#?}");
    assert_eq!(gitlab.iter().filter(|i| i["check_name"] == "incomplete").count(), blocking);
    let prints: BTreeSet<&str> = gitlab.iter().map(|i| i["fingerprint"].as_str().unwrap()).collect();
    assert_eq!(prints.len(), gitlab.len());
}

#[test]
fn what_is_no_plan_is_said() {
    let dir = folder("check-errors");
    write(
        &dir.join("newer.json"),
        r#"{"format_version":"2.0","terraform_version":"9","resource_changes":[]}"#,
    );
    let ran = run(&dir, &["check", "newer.json"]);
    assert!(ran.code == 2 && ran.err.contains("format version `2.0`"), "{}", ran.err);
    write(&dir.join("words.json"), "{}");
    let ran = run(&dir, &["check", "words.json"]);
    assert!(ran.code == 2 && ran.err.contains("terraform show -json"), "{}", ran.err);
    write(
        &dir.join("broken.json"),
        r#"{"format_version":"1.0","terraform_version":"1","resource_changes":[{"#,
    );
    let ran = run(&dir, &["check", "broken.json"]);
    assert!(ran.code == 2 && ran.err.contains("broken.json"), "{}", ran.err);
    assert_eq!(run(&dir, &["check", "nothing-there"]).code, 2);
    // Beside a plan, what is not read blocks: it could hide anything.
    write(&dir.join("tree/main.bicep"), "param x");
    write(
        &dir.join("tree/plan.json"),
        r#"{"format_version":"1.0","terraform_version":"1","resource_changes":[]}"#,
    );
    let ran = run(&dir, &["check", "tree"]);
    assert!(ran.code == 3 && ran.out.contains("tree/main.bicep:1:8"), "{}{}", ran.out, ran.err);
}

/// What a finding says, whatever language the change is written in: severity, rule, identity, role, level of the scope.
fn said(report: &Value) -> Vec<String> {
    let row = |f: &Value| {
        let text = |v: &Value| v.as_str().unwrap_or("-").to_owned();
        let parts =
            [&f["severity"], &f["rule"], &f["identity"]["name"], &f["role"]["name"], &f["scope_level"]];
        parts.map(text).join(" ")
    };
    let shown = |f: &&Value| f["disposition"] == "open" || f["disposition"] == "existing";
    let mut all: Vec<String> = report["findings"].as_array().unwrap().iter().filter(shown).map(row).collect();
    all.sort();
    all
}

#[test]
fn the_same_change_is_judged_alike_in_every_language() {
    let dir = repository("check-languages");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/check/arm/main.json");
    write(&dir.join("arm/main.json"), std::fs::read(from).unwrap());
    let terraform: Value = serde_json::from_str(&check(&dir, &["--format", "json"]).out).unwrap();
    let ran = run(&dir, &["check", "arm", "--format", "json", "--as-of", "2026-06-01T08:00:00Z"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let arm: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(arm["source"]["kind"], "arm-template");
    assert_eq!(said(&terraform), said(&arm));
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/check/bicep");
    let modules = ["access", "deployer", "group", "roles"].map(|m| format!("modules/{m}.bicep"));
    for file in modules.iter().map(String::as_str).chain(["main.bicep", "main.bicepparam"]) {
        std::fs::create_dir_all(dir.join("bicep/modules")).unwrap();
        write(&dir.join("bicep").join(file), std::fs::read(from.join(file)).unwrap());
    }
    let ran = run(&dir, &["check", "bicep", "--format", "json", "--as-of", "2026-06-01T08:00:00Z"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let bicep: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(bicep["source"]["kind"], "bicep");
    assert_eq!(said(&bicep), said(&arm));
    let places = lines(&bicep);
    for expected in [
        "critical owner-equivalent-grant bicep/main.bicep:25 open",
        "critical role-assignment-write bicep/modules/access.bicep:6 open",
        "high federated-pull-request bicep/modules/deployer.bicep:7 open",
    ] {
        assert!(places.contains(&expected.to_owned()), "{expected} in {places:#?}");
    }
    // From source alone, without a plan.
    std::fs::remove_file(dir.join("infra/plan.json")).unwrap();
    let ran = run(&dir, &["check", "infra", "--format", "json", "--as-of", "2026-06-01T08:00:00Z"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let source: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(source["source"]["kind"], "terraform");
    assert_eq!(said(&source), said(&arm));
    let places = lines(&source);
    assert!(
        places.contains(&"high owner-equivalent-grant infra/modules/worker/main.tf:20 open".to_owned()),
        "{places:#?}"
    );
    assert!(said(&arm).len() >= 9);
    let places: Vec<String> = lines(&arm);
    assert!(
        places.contains(&"critical owner-equivalent-grant arm/main.json:68 open".to_owned()),
        "{places:#?}"
    );
    // The parameter that is missing says how to give it, and giving it closes the gap.
    let gaps = |report: &Value| report["coverage"]["gaps"].to_string();
    assert!(gaps(&arm).contains("parameters('administrationGroup')"), "{}", gaps(&arm));
    let set = "administrationGroup=11111111-2222-4333-8444-555555555555";
    let ran = run(&dir, &["check", "arm/main.json", "--format", "json", "--set", set]);
    let given: Value = serde_json::from_str(&ran.out).unwrap();
    assert!(!gaps(&given).contains("unresolved"), "{}", gaps(&given));
}

#[test]
fn templates_that_are_broken_say_where() {
    let dir = folder("check-broken-template");
    let head =
        r#"{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#","#;
    write(&dir.join("cut.json"), format!("{head}\n  \"resources\": [\n"));
    let ran = run(&dir, &["check", "cut.json"]);
    assert!(ran.code == 2 && ran.err.contains("cut.json:3:1"), "{}", ran.err);
    // One that leads in circles, and one that never ends, end.
    let circles = format!(
        "{head} \"variables\": {{\"a\": \"[variables('b')]\", \"b\": \"[variables('a')]\"}}, \"resources\": [
        {{\"type\": \"Microsoft.Authorization/roleAssignments\", \"name\": \"x\",
          \"copy\": {{\"name\": \"c\", \"count\": 1000000}},
          \"properties\": {{\"roleDefinitionId\": \"[variables('a')]\", \"principalId\": \"p\"}}}}]}}"
    );
    write(&dir.join("circles.json"), circles);
    let ran = run(&dir, &["check", "circles.json", "--fail-on", "none"]);
    assert!(ran.code == 0 && ran.out.contains("the role of"), "{}{}", ran.out, ran.err);
}

/// Modules that many estates are made of, each given two role assignments: the second is Owner.
#[test]
fn real_templates_grant_what_they_are_told_to() {
    let Some(data) = std::env::var_os("LEASTWISE_REAL_DATA") else {
        eprintln!("skipped: LEASTWISE_REAL_DATA is not set");
        return;
    };
    let dir = folder("check-real-templates");
    let given = r#"roleAssignments=[{"principalId":"11111111-2222-4333-8444-555555555555","roleDefinitionIdOrName":"Reader"},{"principalId":"11111111-2222-4333-8444-555555555556","roleDefinitionIdOrName":"/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"}]"#;
    let mut open = vec![Path::new(&data).join("iac/arm")];
    let (mut modules, mut right, mut files) = (0, 0, 0);
    while let Some(at) = open.pop() {
        if at.is_dir() {
            open.extend(std::fs::read_dir(&at).unwrap().map(|e| e.unwrap().path()));
            continue;
        }
        let path = at.to_str().unwrap();
        let report = |more: &[&str]| -> Value {
            let ran = run(&dir, &[&["check", path, "--format", "json", "--fail-on", "none"], more].concat());
            assert_eq!(ran.code, 0, "{path}: {}", ran.err);
            serde_json::from_str(&ran.out).unwrap()
        };
        files += 1;
        report(&[]);
        if !path.ends_with("main.json") {
            continue;
        }
        let template: Value = serde_json::from_slice(&std::fs::read(&at).unwrap()).unwrap();
        let parameters = &template["parameters"];
        if parameters.get("roleAssignments").is_none() {
            continue;
        }
        let mut set = vec!["--set", given];
        if parameters.get("name").is_some() {
            set.extend(["--set", "name=x"]);
        }
        let told = report(&set);
        let owners = told["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|f| f["rule"] == "owner-equivalent-grant")
            .count();
        if told["coverage"]["counts"]["assignments"] == 2 {
            modules += 1;
            right += usize::from(owners == 1);
        }
    }
    println!("{files} templates, {modules} modules with two grants, {right} of them with the one finding");
    assert!(files > 100 && modules > 100 && right == modules);
}

/// Terraform that people write: variables of types, loops, conditions, texts, modules that are not there, broken files.
#[test]
fn terraform_source_is_worked_out_as_far_as_it_says() {
    let dir = checkout("check-source", &[]);
    write(
        &dir.join("main.tf"),
        r#"
variable "teams" {
  type = map(object({ role = optional(string, "Reader"), principal = string }))
  default = {
    a = { principal = "11111111-2222-4333-8444-000000000001" }
    b = { principal = "11111111-2222-4333-8444-000000000002", role = "Owner" }
  }
}
variable "enabled" { default = false }
variable "open" {}
locals {
  prefix = join("-", ["rg", lower("SHOP")])
  owners = { for name, team in var.teams : name => team if team.role == "Owner" }
}
data "azurerm_subscription" "here" {}
resource "azurerm_resource_group" "app" {
  name     = "${local.prefix}-prod"
  location = "westeurope"
}
resource "azurerm_role_assignment" "teams" {
  for_each             = var.teams
  scope                = "${azurerm_resource_group.app.id}/providers/Microsoft.KeyVault/vaults/kv"
  role_definition_name = each.value.role
  principal_id         = each.value.principal
}
resource "azurerm_role_assignment" "owners" {
  for_each             = local.owners
  scope                = data.azurerm_subscription.here.id
  role_definition_name = each.value.role
  principal_id         = each.value.principal
}
resource "azurerm_role_assignment" "off" {
  count                = var.enabled ? 1 : 0
  scope                = "/"
  role_definition_name = "Owner"
  principal_id         = "x"
}
resource "azurerm_role_assignment" "open" {
  count                = var.open ? 1 : 0
  scope                = azurerm_resource_group.app.id
  role_definition_name = "Owner"
  principal_id         = var.open
}
module "far" {
  source = "acme/far/azurerm"
}
"#,
    );
    write(&dir.join("broken.tf"), "resource \"a\" \"b\" {\n  x = \n}\n");
    let ran = run(&dir, &["check", ".", "--format", "json", "--fail-on", "none"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let found = said(&report);
    for expected in [
        "critical owner-equivalent-grant 11111111-2222-4333-8444-000000000002 Owner subscription",
        "high owner-equivalent-grant 11111111-2222-4333-8444-000000000002 Owner resource",
    ] {
        assert!(found.contains(&expected.to_owned()), "{expected}: {found:#?}");
    }
    assert_eq!(report["coverage"]["counts"]["assignments"], 4, "{found:#?}");
    let gaps = report["coverage"]["gaps"].to_string();
    for expected in ["acme/far/azurerm", "var.open", "\"path\":\"broken.tf\""] {
        assert!(gaps.contains(expected), "{expected}: {gaps}");
    }
    let set = [
        "check",
        ".",
        "--format",
        "json",
        "--fail-on",
        "none",
        "--set",
        "enabled=true",
        "--set",
        "open=false",
    ];
    let report: Value = serde_json::from_str(&run(&dir, &set).out).unwrap();
    assert!(said(&report).iter().any(|f| f.ends_with("Owner root")), "{:#?}", said(&report));
    assert_eq!(report["coverage"]["counts"]["assignments"], 4);
}

/// Values that lie beside the code are used, or it is said that they are not: a default would pass for the truth.
#[test]
fn values_beside_the_code_count() {
    let dir = checkout("check-values", &[]);
    let source = r#"
variable "environment" { default = "dev" }
variable "who" { default = "11111111-2222-4333-8444-000000000001" }
data "azurerm_subscription" "here" {}
resource "azurerm_resource_group" "main" { name = "rg-x-prod" }
module "grant" {
  source   = "./m"
  for_each = { group = azurerm_resource_group.main.id, all = data.azurerm_subscription.here.id }
  scope    = each.value
  role     = var.environment == "prod" ? "Owner" : "Reader"
  who      = var.who
}
"#;
    write(&dir.join("tf/main.tf"), source);
    let module = r#"
variable "scope" {}
variable "role" {}
variable "who" {}
resource "azurerm_role_assignment" "this" {
  scope                = var.scope
  role_definition_name = var.role
  principal_id         = var.who
}
"#;
    write(&dir.join("tf/m/main.tf"), module);
    let ran = run(&dir, &["check", "tf"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("(2 assignments"), "{}", ran.out);
    write(&dir.join("tf/prod.tfvars"), "environment = \"prod\"\n");
    let ran = run(&dir, &["check", "tf"]);
    assert!(ran.code == 3 && ran.out.contains("`tf/prod.tfvars` are not used"), "{}{}", ran.out, ran.err);
    for more in [["--var-file", "tf/prod.tfvars"], ["--set", "environment=prod"]] {
        let ran = run(&dir, &[&["check", "tf"], more.as_slice()].concat());
        assert!(ran.code == 1 && ran.out.contains("tf/m/main.tf:5:1"), "{more:?} {}{}", ran.out, ran.err);
        assert!(
            ran.out.contains("Owner on subscription") && ran.out.contains("Owner on resource-group"),
            "{}",
            ran.out
        );
    }
    let ran = run(&dir, &["check", "tf", "--set", "enviroment=prod"]);
    assert!(ran.code == 2 && ran.err.contains("is it `environment`?"), "{}", ran.err);
    let template = r#"{"$schema": "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#",
 "parameters": {"on": {"type": "bool", "defaultValue": false}},
 "resources": [{"condition": "[parameters('on')]", "type": "Microsoft.Authorization/roleAssignments", "name": "x",
  "properties": {"principalId": "p", "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"}}]}"#;
    let given = r#"{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#", "parameters": {"on": {"value": true}}}"#;
    write(&dir.join("arm/main.json"), template);
    assert_eq!(run(&dir, &["check", "arm"]).code, 0);
    write(&dir.join("arm/main.parameters.json"), given);
    for path in ["arm", "arm/main.json"] {
        assert_eq!(run(&dir, &["check", path]).code, 1, "{path}");
    }
    write(&dir.join("arm/main.dev.parameters.json"), given.replace("true", "false"));
    let ran = run(&dir, &["check", "arm"]);
    assert!(ran.code == 3 && ran.out.contains("several files of parameters"), "{}{}", ran.out, ran.err);
    let ran = run(&dir, &["check", "arm/main.json", "arm/main.parameters.json"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
}

/// What shells of Windows write is read; what is no text, links, and what a plan does not speak for are said.
#[test]
fn no_file_is_passed_over() {
    let dir = repository("check-files");
    let plan = std::fs::read_to_string(dir.join("infra/plan.json")).unwrap();
    let wide: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(plan.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    write(&dir.join("infra/plan.json"), &wide);
    assert_eq!(check(&dir, &[]).code, 1);
    write(&dir.join("infra/plan.json"), [b"\xef\xbb\xbf", plan.as_bytes()].concat());
    assert_eq!(check(&dir, &[]).code, 1);
    // A harmless plan elsewhere hides nothing of the source.
    let harmless = r#"{"format_version":"1.0","terraform_version":"1","resource_changes":[]}"#;
    std::fs::remove_file(dir.join("infra/plan.json")).unwrap();
    write(&dir.join("decoy/plan.json"), harmless);
    assert_eq!(run(&dir, &["check", "."]).code, 1);
    write(&dir.join("other/odd.json"), [0xff, 0x00, 0xfe]);
    let ran = run(&dir, &["check", "other", "decoy"]);
    assert!(ran.code == 3 && ran.out.contains("other/odd.json"), "{}{}", ran.out, ran.err);
    write(&dir.join("json/main.tf.json"), "{}");
    write(&dir.join("json/main.tf.json"), "{\"resource\": ");
    let ran = run(&dir, &["check", "json", "decoy"]);
    assert!(ran.code == 3 && ran.out.contains("json/main.tf.json:1:14"), "{}{}", ran.out, ran.err);
    let ran = run(&dir, &["check", "decoy/plan.json", "--source", "other"]);
    assert!(ran.code == 2 && ran.err.contains("holds no Terraform source"), "{}", ran.err);
    // Without a repository, paths are shown from where the user is.
    let outside = std::env::temp_dir().join(format!("leastwise-check-{}", std::process::id()));
    for file in ["main.tf", "modules/worker/main.tf"] {
        write(&outside.join("infra").join(file), std::fs::read(dir.join("infra").join(file)).unwrap());
    }
    let ran = run(&outside, &["check", "infra", "--format", "json"]);
    std::fs::remove_dir_all(&outside).unwrap();
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let found = lines(&report);
    assert!(
        found.contains(&"critical owner-equivalent-grant infra/main.tf:24 open".to_owned()),
        "{found:#?}"
    );
    assert_eq!(report["coverage"]["counts"]["identities"], 3);
}

#[test]
fn real_source_is_accounted_for() {
    let Some(data) = std::env::var_os("LEASTWISE_REAL_DATA") else {
        eprintln!("skipped: LEASTWISE_REAL_DATA is not set");
        return;
    };
    let dir = folder("check-real-source");
    let (mut written, mut found, mut unknown) = (0, 0, 0);
    for repository in std::fs::read_dir(Path::new(&data).join("iac/terraform")).unwrap() {
        let at = repository.unwrap().path();
        let mut open = vec![at.clone()];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
            } else if path.extension().is_some_and(|e| e == "tf") {
                let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                let block = |l: &&str| l.trim_start().starts_with("resource \"azurerm_role_assignment\"");
                written += text.lines().filter(block).count() as u64;
            }
        }
        let ran = run(&dir, &["check", at.to_str().unwrap(), "--format", "json", "--fail-on", "none"]);
        assert_eq!(ran.code, 0, "{}: {}", at.display(), ran.err);
        let report: Value = serde_json::from_str(&ran.out).unwrap();
        found += report["coverage"]["counts"]["assignments"].as_u64().unwrap();
        let gaps = report["coverage"]["gaps"].as_array().unwrap();
        assert!(!gaps.iter().any(|g| g["reason"] == "unparsed"), "{}: {gaps:#?}", at.display());
        let scopes = gaps.iter().filter(|g| g["source"] == "role-assignments" && g["reason"] == "unresolved");
        unknown += scopes.map(|g| g["count"].as_u64().unwrap()).sum::<u64>();
    }
    println!("{written} blocks of role assignments; {found} role assignments, {unknown} of unknown scope");
    assert!(found + unknown >= written - 10 && written > 50);
}

#[test]
fn real_plans_are_accounted_for() {
    let Some(data) = std::env::var_os("LEASTWISE_REAL_DATA") else {
        eprintln!("skipped: LEASTWISE_REAL_DATA is not set");
        return;
    };
    let dir = folder("check-real");
    let mut open = vec![Path::new(&data).join("iac/plan")];
    let (mut plans, mut grants, mut unresolved) = (0, 0, 0);
    while let Some(at) = open.pop() {
        if at.is_dir() {
            open.extend(std::fs::read_dir(&at).unwrap().map(|e| e.unwrap().path()));
            continue;
        }
        let plan = json(&at);
        let goes = |r: &&Value| r["change"]["actions"] == serde_json::json!(["delete"]);
        let kept = plan["resource_changes"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|r| r["mode"] == "managed" && !goes(r));
        let truth = |kind: &str| kept.clone().filter(|r| r["type"] == kind).count() as u64;
        let ran = run(&dir, &["check", at.to_str().unwrap(), "--format", "json", "--fail-on", "none"]);
        assert_eq!(ran.code, 0, "{}: {}", at.display(), ran.err);
        let report: Value = serde_json::from_str(&ran.out).unwrap();
        let counts = &report["coverage"]["counts"];
        assert_eq!(
            counts["assignments"].as_u64().unwrap(),
            truth("azurerm_role_assignment"),
            "{}",
            at.display()
        );
        assert_eq!(
            counts["identities"].as_u64().unwrap(),
            truth("azurerm_user_assigned_identity"),
            "{}",
            at.display()
        );
        let gaps = report["coverage"]["gaps"].as_array().unwrap();
        unresolved += gaps.iter().filter(|g| g["reason"] == "unresolved").count();
        (plans, grants) = (plans + 1, grants + counts["assignments"].as_u64().unwrap());
    }
    println!("{plans} plans, {grants} role assignments, {unresolved} unresolved");
    assert!(plans > 30 && grants > 30);
}

/// What hides code from a check: files of other names, calls that are never made, links, overrides, plans that are not whole.
#[test]
fn nothing_hides_from_a_check() {
    let owner = |name: &str| {
        format!(
            "resource \"azurerm_role_assignment\" \"{name}\" {{\n  scope = \"/subscriptions/{0}1\"\n  role_definition_name = \"Owner\"\n  principal_id = \"{0}2\"\n}}\n",
            "11111111-2222-4333-8444-00000000000"
        )
    };
    let provider = "provider \"azurerm\" {\n  features {}\n}\n";
    let decoy = "module \"infra\" {\n  source = \"../infra\"\n  count  = 0\n}\n";
    let reader = "resource \"azurerm_role_assignment\" \"a\" {\n  role_definition_name = \"Reader\"\n}\n";
    let many = owner("a").replacen("{\n", "{\n  count = 1001\n", 1);
    let azapi = |kind: &str, rest: &str| {
        format!(
            "resource \"azapi_resource\" \"x\" {{\n  type = \"{kind}\"\n  name = \"11111111-1111-4111-8111-111111111111\"\n  parent_id = \"/subscriptions/11111111-2222-4333-8444-000000000001\"\n{rest}}}\n"
        )
    };
    let change = |kind: &str, actions: &str, after: &str, unknown: &str| {
        format!(
            r#"{{"format_version":"1.2","terraform_version":"1.9","resource_changes":[{{"address":"{kind}.x","mode":"managed","type":"{kind}","name":"x","change":{{"actions":{actions},"before":null,"after":{after},"after_unknown":{unknown}}}}}]}}"#
        )
    };
    // Ten million of one text, were each list made.
    let powers = (1..8).fold("locals {\n  a0 = [\"x\", \"x\"]\n".to_owned(), |so_far, n| {
        let ten = vec![format!("local.a{}", n - 1); 10].join(", ");
        so_far + &format!("  a{n} = [{ten}]\n")
    }) + "}\nresource \"azurerm_resource_group\" \"g\" {\n  name = length(flatten(local.a7))\n}\n";
    // Files, findings, and whether something is left unread.
    type Case<'c> = (&'c str, Vec<(&'c str, String)>, bool, bool);
    let cases: Vec<Case<'_>> = vec![
        ("tofu", vec![("main.tofu", owner("a"))], true, false),
        ("json", vec![("main.tf.json", r#"{"resource": {"azurerm_role_assignment": {"a": {"scope": "/subscriptions/11111111-2222-4333-8444-000000000001", "role_definition_name": "${var.role}", "principal_id": "11111111-2222-4333-8444-000000000002"}}}, "variable": {"role": {"default": "Owner"}}}"#.to_owned())], true, false),
        ("json-override", vec![("main.tf", reader.to_owned()), ("a_override.tf.json", r#"{"resource": {"azurerm_role_assignment": {"a": [{"scope": "/subscriptions/11111111-2222-4333-8444-000000000001", "role_definition_name": "Owner", "principal_id": "11111111-2222-4333-8444-000000000002"}]}}}"#.to_owned())], true, false),
        ("elsewhere", vec![("main.tf", "variable \"r\" {\n  default = \"Reader\"\n}\n".to_owned()), ("envs/prod.tfvars", "r = \"Owner\"\n".to_owned())], false, true),
        ("group", vec![("main.tf", owner("a").replace("principal_id =", "principal_type = \"Group\"\n  principal_id ="))], false, true),
        ("mark", vec![("main.tf", format!("\u{feff}{}", owner("a")))], true, false),
        ("target", vec![("target/main.tf", owner("a"))], true, false),
        ("decoy", vec![("infra/main.tf", provider.to_owned() + &owner("a")), ("x/main.tf", decoy.to_owned())], true, false),
        ("override", vec![("main.tf", reader.to_owned()), ("a_override.tf", owner("a"))], true, false),
        ("wide", vec![("main.tf", many)], true, true),
        ("broken-values", vec![("main.tf", owner("a")), ("terraform.tfvars", "a = = 1".to_owned())], true, true),
        ("schemaless", vec![("main.JSONC", r#"{"contentVersion":"1.0.0.0","resources":[{"type":"Microsoft.Authorization/roleAssignments","apiVersion":"2022-04-01","name":"11111111-2222-4333-8444-555555555555","properties":{"principalId":"11111111-2222-4333-8444-555555555556","roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"}}]}"#.to_owned())], true, false),
        ("errored", vec![("plan.json", r#"{"format_version":"1.2","terraform_version":"1.9","errored":true,"resource_changes":[]}"#.to_owned())], false, true),
        ("later", vec![("plan.json", r#"{"format_version":"1.2","terraform_version":"1.9","complete":false,"resource_changes":[]}"#.to_owned())], false, true),
        ("cut", vec![("plan.json", r#"{"format_version":"1.2","terraform_version":"1.9","planned_values":{"root_module":{"resources":[{}]}}}"#.to_owned())], false, true),
        ("stale", vec![("main.tf", owner("a")), ("plan.json", r#"{"format_version":"1.2","terraform_version":"1.9","resource_changes":[]}"#.to_owned())], true, true),
        ("existing", vec![("main.json", r#"{"$schema":"https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#","contentVersion":"1.0.0.0","resources":[{"type":"Microsoft.Authorization/roleAssignments","apiVersion":"2022-04-01","name":"11111111-2222-4333-8444-555555555555","properties":{"principalId":"11111111-2222-4333-8444-555555555556","roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"},"existing":true}]}"#.to_owned())], true, false),
        ("child", vec![("main.json", r#"{"$schema":"https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#","contentVersion":"1.0.0.0","resources":{"s":{"type":"Microsoft.Storage/storageAccounts","apiVersion":"2021-04-01","name":"s","resources":{"x":{"type":"Microsoft.Authorization/roleAssignments","apiVersion":"2022-04-01","name":"11111111-2222-4333-8444-555555555555","properties":{"principalId":"11111111-2222-4333-8444-555555555556","roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"}}}}}}"#.to_owned())], true, false),
        ("either", vec![("main.json", r#"{"$schema":"https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#","contentVersion":"1.0.0.0","resources":[{"type":"Microsoft.Authorization/roleAssignments","apiVersion":"2022-04-01","name":"11111111-2222-4333-8444-555555555555","properties":{"principalId":"11111111-2222-4333-8444-555555555556","roleDefinitionId":"[if(equals('1',1),'a','/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635')]"}}]}"#.to_owned())], false, true),
        ("state", vec![("plan.json", r#"{"format_version":"1.0","terraform_version":"1.9","values":{"root_module":{}}}"#.to_owned())], false, true),
        ("self", vec![("main.tf", owner("a") + "module \"m\" {\n  source = \"./\"\n  count = 0\n}\n")], true, false),
        ("doubled", vec![("main.tf", (0..40).fold(owner("a"), |so_far, n| format!("{so_far}locals {{\n  a{} = \"${{local.a{n}}}${{local.a{n}}}\"\n}}\n", n + 1)) + "locals {\n  a0 = \"aaaaaaaa\"\n}\nresource \"azurerm_resource_group\" \"g\" {\n  name = local.a40\n}\n")], true, false),
        ("unread", vec![("main.tf", "resource \"azurerm_lighthouse_assignment\" \"a\" {\n}\n".to_owned())], false, true),
        ("azapi-deployment", vec![("main.tf", azapi("Microsoft.Resources/deployments@2021-04-01", "  body = { properties = { mode = \"Incremental\" } }\n"))], false, true),
        ("azapi-stack", vec![("main.tf", azapi("Microsoft.Resources/deploymentStacks@2024-03-01", ""))], false, true),
        ("azapi-sensitive", vec![("main.tf", azapi("Microsoft.Authorization/roleAssignments@2022-04-01", "  body = { properties = { principalId = \"11111111-2222-4333-8444-000000000002\", roleDefinitionId = \"/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7\" } }\n  sensitive_body = { properties = { roleDefinitionId = \"/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635\" } }\n"))], false, true),
        ("no-list", vec![("main.json", r#"{"$schema":"https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#","contentVersion":"1.0.0.0","resources":5}"#.to_owned())], false, true),
        ("no-type", vec![("main.json", r#"{"$schema":"https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#","contentVersion":"1.0.0.0","resources":[{"type":5}]}"#.to_owned())], false, true),
        ("dynamic-group", vec![("main.tf", "resource \"azuread_group\" \"s\" {\n  display_name = \"all\"\n  security_enabled = true\n  types = [\"DynamicMembership\"]\n  dynamic_membership {\n    enabled = true\n    rule = \"x\"\n  }\n}\nresource \"azurerm_role_assignment\" \"x\" {\n  scope = \"/subscriptions/11111111-2222-4333-8444-000000000001\"\n  role_definition_name = \"Owner\"\n  principal_id = azuread_group.s.object_id\n}\n".to_owned())], false, true),
        ("script-environment", vec![("main.tf", format!("{IDENTITY}resource \"terraform_data\" \"g\" {{\n  provisioner \"local-exec\" {{\n    command = \"./g.sh\"\n    environment = {{ P = azurerm_user_assigned_identity.a.principal_id }}\n  }}\n}}\n"))], false, true),
        ("script-self", vec![("main.tf", format!("{IDENTITY}resource \"terraform_data\" \"g\" {{\n  input = azurerm_user_assigned_identity.a.principal_id\n  provisioner \"local-exec\" {{\n    command = \"./g.sh ${{self.input}}\"\n  }}\n}}\n"))], false, true),
        ("script-uri", vec![("main.bicep", "resource i 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {\n  name: 'id-shop-prod'\n  location: 'x'\n}\nresource s 'Microsoft.Resources/deploymentScripts@2023-08-01' = {\n  name: 's'\n  location: 'x'\n  kind: 'AzureCLI'\n  properties: {\n    azCliVersion: '2.50.0'\n    retentionInterval: 'P1D'\n    primaryScriptUri: 'https://x/y.sh'\n    arguments: i.properties.principalId\n  }\n}\n".to_owned())], false, true),
        ("moves", vec![("main.tf", "resource \"azurerm_management_group_subscription_association\" \"a\" {\n  management_group_id = \"/providers/Microsoft.Management/managementGroups/corp\"\n  subscription_id = \"/subscriptions/11111111-2222-4333-8444-000000000001\"\n}\n".to_owned())], false, true),
        ("unknown-host", vec![("main.tf", "data \"terraform_remote_state\" \"s\" {\n  backend = \"azurerm\"\n}\nresource \"azurerm_linux_virtual_machine\" \"x\" {\n  name = \"x\"\n  resource_group_name = \"g\"\n  identity {\n    type = \"UserAssigned\"\n    identity_ids = [data.terraform_remote_state.s.outputs.id]\n  }\n}\n".to_owned())], false, true),
        ("unknown-trust", vec![("main.tf", "data \"terraform_remote_state\" \"s\" {\n  backend = \"azurerm\"\n}\nresource \"azurerm_federated_identity_credential\" \"x\" {\n  name = \"x\"\n  parent_id = data.terraform_remote_state.s.outputs.id\n  issuer = \"https://token.actions.githubusercontent.com\"\n  subject = \"repo:evil/x:ref:refs/heads/main\"\n}\n".to_owned())], false, true),
        ("unknown-parameter", vec![("main.bicep", "param i string\nresource x 'Microsoft.Compute/virtualMachines@2023-03-01' = {\n  name: 'x'\n  location: 'x'\n  identity: {\n    type: 'UserAssigned'\n    userAssignedIdentities: { '${i}': {} }\n  }\n}\n".to_owned())], false, true),
        ("unknown-name", vec![("main.bicep", "param n string\nresource i 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = {\n  name: n\n}\nresource x 'Microsoft.Compute/virtualMachines@2023-03-01' = {\n  name: 'x'\n  location: 'x'\n  identity: {\n    type: 'UserAssigned'\n    userAssignedIdentities: { '${i.id}': {} }\n  }\n}\n".to_owned())], false, true),
        ("forget", vec![("plan.json", change("azurerm_role_assignment", r#"["create","forget"]"#, r#"{"scope":"/subscriptions/11111111-2222-4333-8444-000000000001","role_definition_name":"Owner","principal_id":"11111111-2222-4333-8444-000000000002"}"#, "{}"))], true, false),
        ("open-identity", vec![("plan.json", change("azurerm_linux_virtual_machine", r#"["update"]"#, r#"{"name":"x"}"#, r#"{"identity":true}"#))], false, true),
        ("open-role", vec![("plan.json", change("azurerm_role_definition", r#"["update"]"#, r#"{"name":"x","scope":"/subscriptions/11111111-2222-4333-8444-000000000001"}"#, r#"{"permissions":true}"#))], false, true),
        ("listed", vec![("main.tf.json", r#"[{"resource": {"azurerm_role_assignment": {"a": {"scope": "/subscriptions/11111111-2222-4333-8444-000000000001", "role_definition_name": "Owner", "principal_id": "11111111-2222-4333-8444-000000000002"}}}}]"#.to_owned())], true, false),
        ("program", vec![("main.tf", "data \"external\" \"x\" {\n  program = [\"az\", \"role\", \"assignment\", \"create\", \"--role\", \"Owner\"]\n}\n".to_owned())], false, true),
        ("action", vec![("main.tf", "action \"azapi_resource_action\" \"x\" {\n  config {\n    method = \"PUT\"\n  }\n}\n".to_owned())], false, true),
        ("invoked", vec![("plan.json", r#"{"format_version":"1.2","terraform_version":"1.14","resource_changes":[],"action_invocations":[{"address":"action.azapi_resource_action.x","type":"azapi_resource_action","name":"x"}]}"#.to_owned())], false, true),
        ("powers", vec![("main.tf", owner("a") + &powers)], true, false),
    ];
    for (case, files, finds, leaves) in cases {
        let dir = folder(&format!("check-hidden-{case}"));
        std::fs::create_dir_all(dir.join("r/.git")).unwrap();
        for (path, text) in files {
            let path = dir.join("r").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            write(&path, &text);
        }
        let ran = run(&dir, &["check", "r", "--format", "json", "--fail-on", "none"]);
        let report: Value =
            serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{case}: {e}: {}", ran.err));
        let found = report["findings"].as_array().unwrap();
        assert_eq!(found.iter().any(|f| f["rule"] == "owner-equivalent-grant"), finds, "{case}: {}", ran.out);
        let gaps = report["coverage"]["gaps"].as_array().unwrap();
        assert_eq!(gaps.iter().any(|g| g["blocking"] == true), leaves, "{case}: {gaps:?}");
    }
}

/// What goes through another provider lies in the subscription of that.
#[test]
fn providers_with_an_alias_have_subscriptions_of_their_own() {
    let dir = checkout("check-providers", &[]);
    let id = "11111111-2222-4333-8444-00000000000";
    let grant = format!(
        "resource \"azurerm_role_assignment\" \"a\" {{\n  scope = azurerm_resource_group.g.id\n  role_definition_name = \"Owner\"\n  principal_id = \"{id}9\"\n}}\n"
    );
    let group = "resource \"azurerm_resource_group\" \"g\" {\n  name = \"g\"\n  location = \"x\"\n}\n";
    let provider = |more: &str| format!("provider \"azurerm\" {{\n  features {{}}\n  {more}\n}}\n");
    let main = format!(
        "{}{}{}{grant}{}module \"m\" {{\n  source = \"./m\"\n  providers = {{\n    azurerm = azurerm.other\n  }}\n}}\n",
        provider(&format!("alias = \"other\"\n  subscription_id = \"{id}2\"")),
        provider(&format!("subscription_id = \"{id}1\"")),
        provider("alias = \"unsaid\""),
        group.replace("name =", "provider = azurerm.unsaid\n  name =")
    );
    write(&dir.join("main.tf"), main);
    write(&dir.join("m/main.tf"), group.to_owned() + &grant);
    let ran = run(&dir, &["check", ".", "--format", "json", "--fail-on", "none"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let found =
        report["findings"].as_array().unwrap().iter().filter(|f| f["rule"] == "owner-equivalent-grant");
    let mut scopes: Vec<&str> = found.map(|f| f["scope"].as_str().unwrap()).collect();
    scopes.sort_unstable();
    let other = format!("/subscriptions/{id}2/resourceGroups/g");
    assert_eq!(scopes, ["/subscriptions/${provider.azurerm.unsaid}/resourceGroups/g", &other], "{}", ran.out);
}

/// Values of sensitive variables reach no output, wherever they are used.
#[test]
fn sensitive_values_are_not_shown() {
    let dir = checkout("check-sensitive", &[]);
    let id = "11111111-2222-4333-8444-00000000000";
    write(
        &dir.join("main.tf"),
        format!(
            "variable \"s\" {{\n  default = \"hunter2\"\n  sensitive = true\n}}\nresource \"azurerm_user_assigned_identity\" \"i\" {{\n  name = \"id-${{var.s}}\"\n  resource_group_name = \"g\"\n}}\nresource \"azurerm_role_assignment\" \"a\" {{\n  scope = \"/subscriptions/{id}1/resourceGroups/${{var.s}}\"\n  role_definition_name = \"Owner\"\n  principal_id = var.s\n}}\n"
        ),
    );
    for format in ["text", "json", "sarif", "markdown", "html", "csv"] {
        let ran = run(&dir, &["check", "main.tf", "--format", format]);
        assert!(!(ran.out + &ran.err).contains("hunter2"), "{format}");
    }
    // The grant is judged all the same, whoever gets it.
    assert_eq!(run(&dir, &["check", "main.tf"]).code, 1);
    // A plan has the values themselves, with marks beside them.
    let plan = format!(
        r#"{{"format_version":"1.2","terraform_version":"1.9.0","variables":{{"s":{{"value":"hunter2"}}}},"resource_changes":[{{"address":"azurerm_role_assignment.a","mode":"managed","type":"azurerm_role_assignment","name":"a","change":{{"actions":["create"],"before":null,"after":{{"scope":"/subscriptions/{id}1","role_definition_name":"Owner","principal_id":"hunter2","description":"hunter2"}},"after_unknown":{{}},"after_sensitive":{{"principal_id":true,"description":true}}}}}},{{"address":"azurerm_linux_web_app.w","mode":"managed","type":"azurerm_linux_web_app","name":"w","change":{{"actions":["create"],"before":null,"after":{{"name":"w","resource_group_name":"g","app_settings":{{"A":"AccountKey=hunter2"}},"tags":{{"t":"hunter2"}},"identity":[{{"type":"SystemAssigned"}}]}},"after_unknown":{{}},"after_sensitive":{{"app_settings":{{"A":true}},"tags":true}}}}}}],"configuration":{{"root_module":{{"resources":[{{"address":"azurerm_role_assignment.a","mode":"managed","type":"azurerm_role_assignment","name":"a","expressions":{{"principal_id":{{"references":["var.s"]}}}}}}]}}}}}}"#
    );
    write(&dir.join("plan/plan.json"), plan);
    for format in ["text", "json", "sarif", "markdown", "html", "csv"] {
        let ran = run(&dir, &["check", "plan/plan.json", "--format", format]);
        assert!((ran.code == 1 || format == "csv") && !(ran.out + &ran.err).contains("hunter2"), "{format}");
    }
}

#[test]
fn a_comment_says_what_identities_get_even_where_nothing_is_found() {
    let grant = |name: &str, role: &str| {
        format!(
            "resource \"azurerm_role_assignment\" \"{name}\" {{\n  scope = azurerm_resource_group.rg.id\n  role_definition_name = \"{role}\"\n  principal_id = azurerm_user_assigned_identity.app.principal_id\n}}\n"
        )
    };
    let code = [
        "resource \"azurerm_resource_group\" \"rg\" {\n  name = \"rg-shop-prod\"\n  location = \"westeurope\"\n}\nresource \"azurerm_user_assigned_identity\" \"app\" {\n  name = \"id-shop-prod-weu\"\n  location = \"westeurope\"\n  resource_group_name = azurerm_resource_group.rg.name\n}\n".to_owned(),
        grant("read", "Reader"),
        grant("own", "Owner"),
    ];
    let dir = checkout("pipelines-gains", &[("main.tf", &code.concat())]);
    let ran = run(&dir, &["check", ".", "--format", "markdown"]);
    let (_, gains) = ran.out.split_once("### What identities get").unwrap();
    let lines: Vec<&str> = gains.lines().filter(|l| l.contains("rg-shop-prod")).collect();
    assert!(gains.contains("- **id-shop-prod-weu**") && lines.len() == 2, "{gains}");
    // What a finding is about comes first, each with its line.
    assert!(lines[0].contains("Owner on") && lines[0].ends_with(": authorization (main.tf:15)"), "{gains}");
    assert!(lines[1].contains("Reader on") && lines[1].ends_with(": read (main.tf:10)"), "{gains}");
    assert!(ran.out.contains("(2 assignments, 1 identity, 1 subscription)"), "{}", ran.out);
}

#[test]
fn a_role_that_nothing_defines_is_a_gap_and_no_way_to_power() {
    let code = "resource \"azurerm_resource_group\" \"rg\" {\n  name = \"rg-shop-prod\"\n  location = \"westeurope\"\n}\nresource \"azurerm_user_assigned_identity\" \"app\" {\n  name = \"id-shop-prod-weu\"\n  location = \"westeurope\"\n  resource_group_name = azurerm_resource_group.rg.name\n}\nresource \"azurerm_role_assignment\" \"a\" {\n  scope = \"/subscriptions/11111111-2222-4333-8444-000000000001\"\n  role_definition_name = \"Contoso Log Reader\"\n  principal_id = azurerm_user_assigned_identity.app.principal_id\n}\n";
    let dir = checkout("check-undefined-role", &[("main.tf", code)]);
    let ran = run(&dir, &["check", ".", "--format", "json"]);
    let all: Value = serde_json::from_str(&ran.out).unwrap();
    let mut found = all["findings"].as_array().unwrap().iter().map(|f| f["rule"].as_str().unwrap());
    assert!(!found.any(|rule| rule == "escalation-path"), "{}", ran.out);
    let gaps = all["coverage"]["gaps"].as_array().unwrap();
    assert!(gaps.iter().any(|g| g["source"] == "role-definitions" && g["blocking"] == true), "{gaps:?}");
    assert_eq!((ran.code, &all["verdict"]), (3, &"incomplete".into()));
}
