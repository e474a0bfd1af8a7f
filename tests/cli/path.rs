//! What identities could become, and the smallest roles, as somebody asks for them.

use crate::support::{folder, json, run};
use serde_json::Value;

fn asked(args: &[&str]) -> Value {
    // One for each question: tests run at the same time.
    let dir = folder(&format!("path-{}", args.join("-")));
    let mut all = vec!["path"];
    all.extend(args);
    all.extend(["--demo", "--format", "json"]);
    let ran = run(&dir, &all);
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn a_way_names_the_grants_operations_and_techniques_of_its_steps() {
    let answer = asked(&["id-crm-packer-prod-weu"]);
    let way = &answer["paths"][0];
    assert_eq!(way["to"]["kind"], "authority");
    assert_eq!(way["confidence"], "high");
    let steps = way["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[0]["technique"], "attach-vm");
    // Two halves from two grants.
    let by: Vec<&str> =
        steps[0]["by"].as_array().unwrap().iter().map(|g| g["role"].as_str().unwrap()).collect();
    assert_eq!(by, ["Managed Identity Operator", "Virtual Machine Contributor"]);
    assert_eq!(steps[0]["operations"].as_array().unwrap().len(), 2);
    assert_eq!(steps[1]["technique"], "authz-ra-write");
    assert!(answer["blast"]["resources"]["now"].as_u64() < answer["blast"]["resources"]["by_ways"].as_u64());
    assert!(answer["techniques"].as_array().unwrap().iter().any(|t| t["technique"] == "attach-vm"));
}

#[test]
fn a_target_has_alternatives_and_may_be_an_identity() {
    let to = asked(&["deploy-diagnostics", "--to", "id-crm-installer-prod-weu"]);
    let ways = to["paths"].as_array().unwrap();
    assert!(ways.len() > 1, "{to:#}");
    assert!(ways.iter().all(|w| w["to"]["text"] == "`id-crm-installer-prod-weu`"));
    let distinct: std::collections::BTreeSet<String> = ways.iter().map(Value::to_string).collect();
    assert_eq!(distinct.len(), ways.len());
    let none = asked(&["id-pay-rotator-prod-weu", "--to", "sub-crm-prod"]);
    assert_eq!(none["paths"], serde_json::json!([]));
    let ran = run(&folder("path-nowhere"), &["path", "id-crm-packer-prod-weu", "--to", "nowhere", "--demo"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("nowhere"), "{}", ran.err);
}

#[test]
fn the_report_names_what_to_take_away_first() {
    let dir = folder("path-report");
    assert_eq!(run(&dir, &["audit", "--demo", "-o", "out"]).code, 0);
    let power = &json(&dir.join("out/findings.json"))["power"];
    let chokes = power["choke_points"].as_array().unwrap();
    assert_eq!(power["exact"], true);
    let left: Vec<u64> = chokes.iter().map(|c| c["ways_left"].as_u64().unwrap()).collect();
    assert!(left.is_sorted_by(|a, b| a > b), "{left:?}");
    assert_eq!(left.last(), Some(&0));
    assert!(chokes.len() as u64 >= power["at_least"].as_u64().unwrap());
    let page = std::fs::read_to_string(dir.join("out/report.html")).unwrap();
    assert!(page.contains("Ways to more power") && page.contains("<svg viewBox"));
}

#[test]
fn the_smallest_roles_are_said_to_be_so() {
    let dir = folder("path-suggest");
    let read = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read";
    let ran = run(&dir, &["roles", "suggest", "--need", read, "--format", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(answer["roles"][0]["name"], "Storage Blob Data Reader");
    assert_eq!(answer["optimal"], true);
    assert_eq!(answer["custom_role"]["DataActions"][0], read.to_ascii_lowercase());
    // Nobody but Owner has it for certain, and nothing says that it may be left to a wildcard with a segment too many.
    let assign = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action";
    let ran = run(&dir, &["roles", "suggest", "--need", assign, "--format", "json"]);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    assert_ne!(answer["roles"][0]["name"], "Managed Identity Operator");
    assert_eq!(run(&dir, &["roles", "suggest", "--need", "Microsoft.Web/sites/wrte"]).code, 2);
}

#[test]
fn what_an_identity_did_is_what_it_needs_and_no_more() {
    let dir = folder("path-right-size");
    let demo = leastwise::sources::demo::estate();
    let installer = demo
        .identities
        .iter()
        .find(|i| demo.strings.text(i.id).ends_with("/id-crm-installer-prod-weu"))
        .and_then(|i| i.principal)
        .unwrap();
    let site = "/subscriptions/f483fc56-3c93-5c86-d68f-535faf19f6ff/resourceGroups/rg-crm-app-prod/providers/Microsoft.Web/sites/app-installer-crm-prod";
    let event = |action: &str, status: &str, detail: &str| {
        serde_json::json!({
            "authorization": {"action": action, "scope": site},
            "claims": {"http://schemas.microsoft.com/identity/claims/objectidentifier": demo.strings.text(installer)},
            "category": {"value": "Administrative"}, "eventTimestamp": "2026-05-01T00:00:00Z",
            "status": {"value": status}, "subStatus": {"value": detail},
        })
    };
    let log = serde_json::json!([
        event("Microsoft.Web/sites/restart/action", "Succeeded", "OK"),
        event("Microsoft.Web/sites/write", "Started", ""),
        event("Microsoft.Web/sites/delete", "Failed", "Forbidden"),
    ]);
    crate::support::write(&dir.join("log.json"), log.to_string());
    let args = ["roles", "suggest", "--identity", "id-crm-installer-prod-weu", "--demo"];
    let ran = run(&dir, &[&args[..], &["--activity", "log.json", "--format", "json"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    let place = &answer["places"][0];
    assert_eq!(place["scope"], site);
    assert_eq!(place["used"], serde_json::json!(["microsoft.web/sites/restart/action"]));
    assert_eq!(place["optimal"], true);
    assert!(place["removed"]["authorization"].as_u64().unwrap() > 0);
    assert_eq!(answer["denied"], serde_json::json!(["microsoft.web/sites/delete"]));
    // What one day does not show may be needed on another.
    assert_eq!(answer["delete_after"], serde_json::json!([]));
    assert!(
        answer["notes"].to_string().contains("not deleted before longer logs say so: Owner on"),
        "{answer}"
    );
    // A log of one day takes nothing away in the report: there the scope alone is narrower.
    let ran = run(&dir, &["audit", "--demo", "--activity", "log.json", "--format", "json", "-o", "out"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let rows = crate::support::json(&dir.join("out/findings.json"))["right_size"].clone();
    let installer = |rows: &Value| {
        let mut all = rows.as_array().unwrap().iter();
        all.find(|r| r["identity"] == "id-crm-installer-prod-weu").unwrap().clone()
    };
    assert_eq!(installer(&rows)["basis"], "topology");
    // A log without any record says nothing, and that is said.
    crate::support::write(&dir.join("empty.json"), "[]");
    let ran = run(&dir, &["audit", "--demo", "--activity", "empty.json", "--format", "json", "-o", "none"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let gaps = crate::support::json(&dir.join("none/findings.json"))["coverage"]["gaps"].clone();
    let empty = gaps.as_array().unwrap().iter().find(|g| g["location"]["path"] == "empty.json").unwrap();
    assert_eq!(empty["reason"], "not-collected", "{empty}");
    // One of months does.
    let mut long = log.clone();
    long[1]["eventTimestamp"] = "2026-01-15T00:00:00Z".into();
    crate::support::write(&dir.join("long.json"), long.to_string());
    let ran = run(&dir, &[&args[..], &["--activity", "long.json", "--format", "json"]].concat());
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(answer["delete_after"].as_array().unwrap().len(), 1, "{answer}");
    let ran = run(&dir, &["audit", "--demo", "--activity", "long.json", "-o", "long"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let row = installer(&crate::support::json(&dir.join("long/findings.json"))["right_size"]);
    assert_eq!((&row["basis"], &row["create"][0]["scope"]), (&"activity".into(), &site.into()), "{row}");
    assert_eq!((&row["delete"][0]["role"], row["delete"].as_array().unwrap().len()), (&"Owner".into(), 1));
    assert_eq!(row["removed"][0]["class"], "authorization");
    let page = std::fs::read_to_string(dir.join("long/report.html")).unwrap();
    assert!(page.contains("operations that go: ") && page.contains("applies to "), "both bases are shown");
    // How much was used goes from run to run, for everybody and for each.
    let more = ["--activity", "long.json", "--previous", "out/findings.json", "-o", "next"];
    let ran = run(&dir, &[&["audit", "--demo"][..], &more].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let next = crate::support::json(&dir.join("next/findings.json"));
    let runs = next["trend"]["runs"].as_array().unwrap();
    let used: Vec<_> = runs.iter().map(|r| r["used_percent"].as_u64()).collect();
    assert_eq!(used.len(), 2);
    assert!(
        used.iter().all(Option::is_some) && next["usage"]["used_percent"].as_u64() == used[1],
        "{runs:?}"
    );
    let table = std::fs::read_to_string(dir.join("next/identities.csv")).unwrap();
    let before: Vec<&str> = table.lines().filter(|l| l.starts_with("id-crm-installer-prod-weu,")).collect();
    assert!(
        before[0].ends_with(",1,")
            && table.lines().next().unwrap().ends_with(",used_percent_before,refused_tokens")
    );
    assert!(std::fs::read_to_string(dir.join("next/report.html")).unwrap().contains("rights used"));
    // How little of Owner that is, weighed by harm, and what was refused.
    let ran = run(&dir, &["audit", "--demo", "--activity", "log.json", "--format", "csv", "-o", "out"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let table = std::fs::read_to_string(dir.join("out/identities.csv")).unwrap();
    let row = table.lines().find(|l| l.starts_with("id-crm-installer-prod-weu,")).unwrap();
    assert!(row.contains(",1,1,0,topology,Owner on "), "{row}");
    let idle = table.lines().find(|l| l.starts_with("id-crm-packer-prod-weu,")).unwrap();
    assert!(idle.contains(",0,0,0,"), "{idle}");
    // The log is of one subscription: nothing is said of what lies in others, and nothing of who holds nothing to use.
    for name in ["id-erp-nightly-prod-weu,", "deploy-backup,", "id-shop-empty"] {
        let other = table.lines().find(|l| l.starts_with(name)).unwrap();
        let columns: Vec<&str> = table.lines().next().unwrap().split(',').collect();
        let at = columns.iter().position(|c| *c == "used_percent").unwrap();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(other.as_bytes());
        let record = reader.records().next().unwrap().unwrap();
        assert_eq!(&record[at], "", "{other}");
    }
    // What is given as code reads back as the same grant.
    let code = |form: &str, more: &[&str]| {
        let ran = run(&dir, &[&args[..], &["--format", form], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    };
    for (form, file) in [("terraform", "main.tf"), ("bicep", "main.bicep")] {
        for more in [&["--activity", "log.json"][..], &[]] {
            let text = code(form, more);
            crate::support::write(&dir.join("code").join(file), text.clone());
            let ran = run(&dir, &["check", &format!("code/{file}"), "--format", "json"]);
            let read: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err));
            assert_eq!(read["coverage"]["counts"]["assignments"], 1, "{text}");
            let blocking = |gap: &&Value| gap["blocking"] == true;
            assert_eq!(read["coverage"]["gaps"].as_array().unwrap().iter().find(blocking), None, "{text}");
            // Without a log only the scope is narrower, and it is Owner still.
            let found = ran.out.contains("\"rule\":\"owner-equivalent-grant\",\"severity\"");
            assert_eq!(found, more.is_empty(), "{text}");
        }
    }
}

#[test]
fn without_a_log_the_scope_is_what_lies_beside_the_hosts() {
    let dir = folder("right-size-topology");
    let ran = run(
        &dir,
        &["roles", "suggest", "--identity", "id-crm-installer-prod-weu", "--demo", "--format", "json"],
    );
    assert_eq!(ran.code, 0, "{}", ran.err);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    let grant = &answer["grants"][0];
    let scopes = grant["scopes"].as_array().unwrap();
    assert_eq!(scopes.len(), 1);
    assert!(scopes[0].as_str().unwrap().ends_with("/resourceGroups/rg-crm-app-prod"));
    assert!(grant["beside_hosts"].as_u64().unwrap() < grant["applies_to"].as_u64().unwrap());
    assert_eq!(answer["delete_after"].as_array().unwrap().len(), 1);
    // What comes through groups is said to be changed there.
    let ran = run(&dir, &["roles", "suggest", "--identity", "id-lab-runner-prod-weu", "--demo"]);
    assert!(ran.out.contains("it has 1 through groups"), "{}", ran.out);
    // What runs nowhere says nothing.
    let ran =
        run(&dir, &["roles", "suggest", "--identity", "deploy-diagnostics", "--demo", "--format", "json"]);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(answer["delete_after"], serde_json::json!([]));
    assert!(answer["notes"].to_string().contains("no host"), "{answer}");
}

#[test]
fn a_log_of_one_service_says_nothing_of_another_and_a_condition_stays() {
    let dir = folder("path-services");
    let sub = "/subscriptions/11111111-2222-4333-8444-000000000001";
    let rg = format!("{sub}/resourceGroups/rg-shop-prod");
    let (vault, store) = (
        format!("{rg}/providers/Microsoft.KeyVault/vaults/kv"),
        format!("{rg}/providers/Microsoft.Storage/storageAccounts/st"),
    );
    let who = "11111111-2222-4333-8444-00000000000a";
    let grant = |n: u8, role: &str, condition: Option<&str>| {
        serde_json::json!({"id": format!("{rg}/providers/Microsoft.Authorization/roleAssignments/11111111-2222-4333-8444-00000000010{n}"),
            "type": "Microsoft.Authorization/roleAssignments", "properties": {"principalId": who, "principalType": "ServicePrincipal",
            "roleDefinitionId": format!("/providers/Microsoft.Authorization/roleDefinitions/{role}"), "scope": rg, "condition": condition}})
    };
    let within = "((!(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'})) OR (@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals 'c'))";
    // Secrets User, Blob Data Owner in one container, Service Bus Data Owner.
    let grants = serde_json::json!([
        grant(1, "4633458b-17de-408a-b874-0445c86b69e6", None),
        grant(2, "b7e6dc6d-f1e8-4753-8033-0f276bb0955b", Some(within)),
        grant(3, "090c5cfd-751d-490a-894a-3ce6f1109419", None),
    ]);
    let things = serde_json::json!([
        {"id": format!("{rg}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-shop-prod"), "type": "Microsoft.ManagedIdentity/userAssignedIdentities", "properties": {"principalId": who}},
        {"id": vault, "type": "Microsoft.KeyVault/vaults", "properties": {"enableRbacAuthorization": true}},
        {"id": store, "type": "Microsoft.Storage/storageAccounts", "properties": {}},
    ]);
    crate::support::write(&dir.join("in/grants.json"), grants.to_string());
    crate::support::write(&dir.join("in/things.json"), things.to_string());
    let event = |day: &str, category: &str, operation: &str, resource: &str, right: Option<&str>| {
        let authorization = right
            .map(|action| serde_json::json!([{"action": action, "result": "Granted", "scope": resource}]));
        serde_json::json!({"time": format!("{day}T00:00:00Z"), "category": category, "operationName": operation, "resourceId": resource,
            "resultType": "Success", "statusCode": 200, "identity": {"claim": {"oid": who}, "authorization": authorization,
            "requester": {"objectId": who}}})
    };
    let secret = |day: &str| event(day, "AuditEvent", "SecretGet", &vault, None);
    let blob = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read";
    let suggest = |log: Value| {
        crate::support::write(&dir.join("log.json"), log.to_string());
        let args = [
            "roles",
            "suggest",
            "--identity",
            "id-shop-prod",
            "--arm-export",
            "in",
            "--activity",
            "log.json",
            "--format",
            "json",
        ];
        let ran = run(&dir, &args);
        assert_eq!(ran.code, 0, "{}", ran.err);
        serde_json::from_str::<Value>(&ran.out).unwrap()
    };
    let only_vault = suggest(serde_json::json!([secret("2026-01-01"), secret("2026-05-01")]));
    assert_eq!(only_vault["delete_after"].as_array().map(|d| d.len()), Some(1), "{only_vault}");
    let kept = only_vault["notes"].to_string();
    assert!(
        kept.contains("would not show in these logs: Azure Service Bus Data Owner")
            && kept.contains("Storage Blob"),
        "{kept}"
    );
    // Blobs are read under the condition: no role without it is wider than nothing.
    let both = suggest(serde_json::json!([
        secret("2026-01-01"),
        secret("2026-05-01"),
        event("2026-05-01", "StorageRead", "GetBlob", &store, Some(blob))
    ]));
    assert!(!both["places"].to_string().contains("Storage Blob"), "{both}");
    assert!(
        both["notes"]
            .to_string()
            .contains("used under its condition, and kept with it: Storage Blob Data Owner"),
        "{both}"
    );
    assert!(!both["delete_after"].to_string().contains("00000000102"), "{both}");
}
