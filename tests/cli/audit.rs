//! The main job as its user runs it: the demo, exports good and bad, exit codes, and what is written.

use crate::support::{folder, json, run, write};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const FILES: [&str; 6] =
    ["assignments.csv", "controls.csv", "findings.csv", "findings.json", "identities.csv", "report.html"];

#[test]
fn the_demo_shows_every_rule_and_is_complete() {
    let dir = folder("demo");
    let ran = run(&dir, &["audit", "--demo", "-o", "out"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    for file in FILES {
        assert!(fs::metadata(dir.join("out").join(file)).unwrap().len() > 1000, "{file}");
    }
    let found = json(&dir.join("out/findings.json"));
    assert_eq!(found["coverage"]["complete"], json!(true), "{}", found["coverage"]["gaps"]);
    let fired: BTreeSet<&str> =
        found["findings"].as_array().unwrap().iter().map(|f| f["rule"].as_str().unwrap()).collect();
    // What is only asked of code, and what is off unless somebody wants it, cannot show there.
    let of_a_tenant =
        |r: &&serde_json::Value| !matches!(r["status"].as_str(), Some("not-applicable" | "disabled"));
    let rules: BTreeSet<&str> = found["rules"]
        .as_array()
        .unwrap()
        .iter()
        .filter(of_a_tenant)
        .map(|r| r["rule"].as_str().unwrap())
        .collect();
    assert_eq!(rules.difference(&fired).collect::<Vec<_>>(), Vec::<&&str>::new());
    let with_findings: BTreeSet<&str> =
        found["findings"].as_array().unwrap().iter().filter_map(|f| f["identity"]["id"].as_str()).collect();
    let identities = found["coverage"]["counts"]["identities"].as_u64().unwrap() as usize;
    assert!(
        identities > 200 && with_findings.len() * 2 < identities,
        "{} of {identities}",
        with_findings.len()
    );
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let dir = folder("same");
    for out in ["a", "b"] {
        assert_eq!(run(&dir, &["audit", "--demo", "-o", out]).code, 0);
    }
    for file in FILES {
        assert_eq!(
            fs::read(dir.join("a").join(file)).unwrap(),
            fs::read(dir.join("b").join(file)).unwrap(),
            "{file}"
        );
    }
}

#[test]
fn findings_json_fits_its_schema() {
    let dir = folder("schema");
    run(&dir, &["audit", "--demo", "-o", "out"]);
    let schema: Value = serde_json::from_str(&run(&dir, &["schema", "findings"]).out).unwrap();
    let mut wrong = Vec::new();
    check(&schema, &json(&dir.join("out/findings.json")), "$", &mut wrong);
    assert!(wrong.is_empty(), "{wrong:?}");
    check(&schema, &json!({"schema": "x"}), "$", &mut wrong);
    assert!(!wrong.is_empty());
}

/// The part of JSON Schema that ours use; members that the schema does not name are wrong here.
pub(crate) fn check(schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    if let Some(any) = schema["anyOf"].as_array() {
        let fits = |s: &Value| {
            let mut inner = Vec::new();
            check(s, value, at, &mut inner);
            inner.is_empty()
        };
        if !any.iter().any(fits) {
            wrong.push(format!("{at}: none fits"));
        }
        return;
    }
    let name = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().map(|t| t.as_str().unwrap()).collect(),
        _ => vec![name],
    };
    if !types.contains(&name) {
        wrong.push(format!("{at}: expected {types:?}, found {name}"));
    }
    if schema.get("const").is_some_and(|c| c != value) {
        wrong.push(format!("{at}: not the constant"));
    }
    if let (Some(members), Some(object)) = (schema["properties"].as_object(), value.as_object()) {
        for key in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(key.as_str().unwrap()) {
                wrong.push(format!("{at}: lacks {key}"));
            }
        }
        for (key, inner) in object {
            match members.get(key) {
                Some(schema) => check(schema, inner, &format!("{at}.{key}"), wrong),
                None => wrong.push(format!("{at}: unknown {key}")),
            }
        }
    }
    for (n, inner) in value.as_array().into_iter().flatten().enumerate() {
        check(&schema["items"], inner, &format!("{at}[{n}]"), wrong);
    }
}

const OWNER: &str = "/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

fn assignment(n: usize, principal: &str, scope: &str, role: &str) -> Value {
    json!({"id": format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{n:08}-0000-0000-0000-000000000000"),
        "type": "Microsoft.Authorization/roleAssignments", "name": "x",
        "properties": {"principalId": principal, "principalType": "ServicePrincipal", "roleDefinitionId": role, "scope": scope}})
}

fn identity(name: &str) -> Value {
    json!({"id": format!("/subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"),
        "type": "Microsoft.ManagedIdentity/userAssignedIdentities", "name": name, "location": "westeurope",
        "tags": {"env": "prod", "x": "</script><script>alert(1)</script>"},
        "properties": {"principalId": format!("p-{name}"), "clientId": "c", "tenantId": "t"}})
}

#[test]
fn exit_codes_follow_what_was_asked() {
    let dir = folder("codes");
    let code = |args: &[&str]| run(&dir, args).code;
    assert_eq!(code(&["audit", "--demo", "-o", "out"]), 0);
    assert_eq!(code(&["audit", "--demo", "-o", "out", "--fail-on", "critical"]), 1);
    assert_eq!(code(&["audit", "--demo", "-o", "out", "--fail-overdue"]), 6);
    assert_eq!(code(&["audit", "--demo", "-o", "out", "--require-complete"]), 0);
    // Without an estate the live tenant is meant; `environment` is a credential that asks nobody.
    assert_eq!(code(&["audit", "--credential", "environment"]), 4);
    assert_eq!(code(&["audit", "--credential", "nonsense"]), 2);
    assert_eq!(code(&["audit", "--cloud", "moon"]), 2);
    assert_eq!(code(&["audit", "--demo", "--tenant", "t"]), 2);
    assert_eq!(code(&["audit", "--arm-export", "nowhere", "-o", "out"]), 2);
    assert_eq!(code(&["audit", "--demo", "--fail-on", "loud"]), 2);
    assert_eq!(code(&["audit", "--what"]), 2);
    assert_eq!(code(&["--help"]), 0);
    write(&dir.join("export/a.json"), json!({"value": [identity("id-a-prod")]}).to_string());
    assert_eq!(code(&["audit", "--arm-export", "export", "-o", "out", "--fail-on", "high"]), 3);
    assert_eq!(code(&["audit", "--arm-export", "export", "-o", "out"]), 0);
    write(&dir.join("empty/readme.txt"), "nothing");
    assert_eq!(code(&["audit", "--arm-export", "empty", "-o", "out"]), 2);
}

#[test]
fn the_order_of_the_input_does_not_matter() {
    let dir = folder("order");
    let mut records: Vec<Value> =
        (0..40).map(|n| assignment(n, &format!("p-id-{}-prod", n % 7), "/subscriptions/s", OWNER)).collect();
    records.extend((0..7).map(|n| identity(&format!("id-{n}-prod"))));
    // The same record twice, in another case, and once with another role.
    let mut twin = records[3].clone();
    twin["id"] = twin["id"].as_str().unwrap().to_uppercase().into();
    records.push(twin);
    records.push(assignment(
        5,
        "p-id-5-prod",
        "/subscriptions/s",
        "/providers/x/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7",
    ));
    write(&dir.join("one/e/a.json"), Value::from(records.clone()).to_string());
    records.reverse();
    let (first, second) = records.split_at(20);
    write(&dir.join("two/e/z.json"), json!({"value": first}).to_string());
    write(&dir.join("two/e/b.json"), json!({"data": second, "resultTruncated": "false"}).to_string());
    for name in ["one", "two"] {
        let ran = run(
            &dir.join(name),
            &["audit", "--arm-export", "e", "-o", "out", "--as-of", "2026-06-01T00:00:00Z"],
        );
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    for file in FILES {
        assert_eq!(
            fs::read_to_string(dir.join("one/out").join(file)).unwrap(),
            fs::read_to_string(dir.join("two/out").join(file)).unwrap(),
            "{file}"
        );
    }
    let found = json(&dir.join("one/out/findings.json"));
    assert_eq!(found["coverage"]["counts"]["assignments"], 40);
    let reasons: Vec<&str> =
        found["coverage"]["gaps"].as_array().unwrap().iter().map(|g| g["reason"].as_str().unwrap()).collect();
    assert!(reasons.contains(&"disagreement"), "{reasons:?}");
}

#[test]
fn bad_records_cost_only_themselves() {
    let dir = folder("bad");
    let good = |n| assignment(n, "p-id-a-prod", "/subscriptions/s", OWNER).to_string();
    let files: [(&str, Vec<u8>); 9] = [
        ("truncated.json", format!("{{\"value\":[{},{{\"id\":\"/sub", good(1)).into()),
        ("not-utf8.json", [b"[".as_slice(), good(2).as_bytes(), b",{\"id\":\"/subscriptions/\xff/providers/Microsoft.Authorization/roleAssignments/x\",\"type\":\"Microsoft.Authorization/roleAssignments\"}]"].concat()),
        ("deep.json", format!("[{},{{\"id\":\"/subscriptions/s/providers/P.Q/t/n\",\"properties\":{}{}}}]", good(3), "[".repeat(10_000), "]".repeat(10_000)).into()),
        ("null.json", format!("[{},{{\"id\":\"/subscriptions/s/providers/Microsoft.Authorization/roleAssignments/n\",\"properties\":{{\"principalId\":null,\"scope\":null,\"roleDefinitionId\":null}}}},null,7,[]]", good(4)).into()),
        ("twice.json", b"[{\"id\":\"/subscriptions/s/providers/Microsoft.Authorization/roleAssignments/d\",\"id\":\"x\"}]".to_vec()),
        ("utf16.json", vec![0xFF, 0xFE, b'[', 0]),
        ("words.json", b"hello".to_vec()),
        ("identity.json", identity("id-a-prod").to_string().into()),
        ("odd-scope.json", assignment(9, "p", "nowhere", OWNER).to_string().into()),
    ];
    for (name, bytes) in &files {
        write(&dir.join("e").join(name), bytes);
    }
    let ran = run(&dir, &["audit", "--arm-export", "e", "-o", "out", "--fail-on", "critical"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let found = json(&dir.join("out/findings.json"));
    assert_eq!(found["coverage"]["counts"]["assignments"], 4);
    let gaps = found["coverage"]["gaps"].as_array().unwrap();
    for (name, _) in files.iter().filter(|(n, _)| !["identity.json", "deep.json", "null.json"].contains(n)) {
        let named = gaps.iter().any(|g| g["location"]["path"] == *name && g["blocking"] == true);
        assert!(named, "{name} is in no blocking gap: {gaps:#?}");
    }
    assert!(
        gaps.iter()
            .any(|g| g["location"]["path"] == "null.json" && g["detail"] == "`principalId` is missing")
    );
}

#[test]
fn hostile_texts_stay_texts() {
    let dir = folder("hostile");
    let name = "=cmd|calc!A0";
    let mut bad = identity(name);
    bad["tags"] = json!({"owner": "</script><img src=x onerror=alert(1)>"});
    write(
        &dir.join("e/a.json"),
        json!([bad, assignment(1, &format!("p-{name}"), "/subscriptions/s", OWNER)]).to_string(),
    );
    assert_eq!(run(&dir, &["audit", "--arm-export", "e", "-o", "out"]).code, 0);
    let page = fs::read_to_string(dir.join("out/report.html")).unwrap();
    assert_eq!(page.matches("<script").count(), 2);
    assert!(!page.contains("<img"));
    assert!(!page.contains("style=\"") && !page.contains(" onclick"));
    let table = fs::read_to_string(dir.join("out/findings.csv")).unwrap();
    assert!(table.contains(",'=cmd|"), "{table}");
    let raw = run(&dir, &["audit", "--arm-export", "e", "-o", "raw", "--csv-raw", "--csv-delimiter", ";"]);
    assert_eq!(raw.code, 0, "{}", raw.err);
    assert!(fs::read_to_string(dir.join("raw/findings.csv")).unwrap().contains(";=cmd|"));
}

#[test]
fn since_when_a_finding_is_known() {
    let dir = folder("previous");
    run(&dir, &["audit", "--demo", "-o", "one", "--as-of", "2026-05-01T00:00:00Z"]);
    let ran = run(&dir, &["audit", "--demo", "-o", "two", "--previous", "one/findings.json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let first: BTreeSet<String> = json(&dir.join("two/findings.json"))["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["first_seen"].as_str().unwrap().to_owned())
        .collect();
    assert!(first.contains("2026-05-01T00:00:00Z"), "{first:?}");
    assert_eq!(run(&dir, &["audit", "--demo", "-o", "two", "--previous", "two/findings.csv"]).code, 2);
    // Which of them are new is said where people and pipelines look, and not of others.
    let mut earlier = json(&dir.join("two/findings.json"));
    let all = earlier["findings"].as_array_mut().unwrap();
    let open = all.iter().position(|f| f["disposition"] == "open").unwrap();
    let gone = all.remove(open);
    write(&dir.join("less.json"), earlier.to_string());
    let with = |format: &str| {
        let args =
            ["audit", "--demo", "--previous", "less.json", "--sarif-anchor", "README.md", "--format", format];
        run(&dir, &args).out
    };
    for format in ["text", "markdown"] {
        assert_eq!(with(format).matches("(new since the earlier run)").count(), 1, "{format}");
    }
    let sarif: serde_json::Value = serde_json::from_str(&with("sarif")).unwrap();
    let new: Vec<_> = sarif["runs"][0]["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|r| r["baselineState"] == "new")
        .collect();
    assert_eq!(new.len(), 1);
    assert_eq!(new[0]["partialFingerprints"]["leastwise/v1"], gone["fingerprint"]);
}

#[test]
fn a_wrong_configuration_says_where() {
    let dir = folder("config");
    let error = |text: &str| {
        write(&dir.join("leastwise.toml"), text);
        let ran = run(&dir, &["audit", "--demo", "-o", "out"]);
        assert_eq!(ran.code, 2);
        ran.err
    };
    assert!(
        error("[naming]\nidentify = \"x\"\n").contains("leastwise.toml:2:1: unknown field"),
        "{}",
        error("[naming]\nidentify = \"x\"\n")
    );
    assert!(
        error("[rules.no-such]\nlevel = \"off\"\n")
            .contains("leastwise.toml:1:8: there is no rule `no-such`")
    );
    write(&dir.join("r/my-rule.toml"), "title = 3");
    fs::remove_file(dir.join("leastwise.toml")).unwrap();
    let ran = run(&dir, &["audit", "--demo", "--rules", "r"]);
    assert!(ran.code == 2 && ran.err.contains("my-rule.toml:1:9"), "{}", ran.err);
}

#[test]
fn a_rule_of_ones_own_needs_no_code() {
    let dir = folder("own");
    let rule = "title = \"reader\"\nsince = \"1\"\nseverity = \"low\"\nconfidence = \"high\"\nsubject = \"assignment\"\nwhen = 'role.name == \"Reader\" && scope.level == \"root\"'\nmessage = \"{identity.name} reads {scope.id}\"\nwhat = \"w\"\nwhy = \"y\"\nfix = \"f\"\n";
    write(&dir.join("r/reads-root.toml"), rule);
    let ran = run(&dir, &["audit", "--demo", "--rules", "r"]);
    assert!(ran.out.contains("reads-root                 id-mail-scanner-prod-weu reads /"), "{}", ran.out);
}

#[test]
fn real_recordings_are_accounted_for() {
    let Some(data) = std::env::var_os("LEASTWISE_REAL_DATA") else {
        eprintln!("skipped: LEASTWISE_REAL_DATA is not set");
        return;
    };
    let dir = folder("real");
    let export = Path::new(&data).join("rest-examples");
    let ran = run(&dir, &["audit", "--arm-export", export.to_str().unwrap(), "-o", "out"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let counts = json(&dir.join("out/findings.json"))["coverage"]["counts"].clone();
    assert_eq!(
        (counts["assignments"].as_u64(), counts["role_definitions"].as_u64(), counts["identities"].as_u64()),
        (Some(1), Some(1), Some(1))
    );
}

#[test]
fn nothing_is_lost_in_odd_frames() {
    let dir = folder("frames");
    let grant = |n| assignment(n, "p-id-a-prod", "/subscriptions/s", OWNER);
    let row = |n| {
        let g = grant(n);
        json!([g["id"], g["type"], g["properties"]])
    };
    let columns = json!([{"name": "id"}, {"name": "type"}, {"name": "properties"}]);
    let group = |members: Value| json!({"@odata.type": "#microsoft.graph.group", "id": "g", "displayName": "g", "members": members});
    let files: [(&str, String); 8] = [
        ("a.json", format!("{{\"value\":[],\"value\":[{}],\"data\":[{}]}}", grant(1), grant(2))),
        (
            "b.json",
            format!(
                "{}",
                json!({"id": grant(3)["id"], "type": grant(3)["type"], "properties": grant(3)["properties"], "value": []})
            ),
        ),
        (
            "c.json",
            json!({"data": {"columns": columns, "rows": [row(4), null, row(5)]}, "totalRecords": 5000})
                .to_string(),
        ),
        (
            "d.json",
            json!({"count": 1, "data": [grant(6)], "skip_token": "ew", "total_records": 4000}).to_string(),
        ),
        ("e.json", String::new()),
        ("f.json", json!({"error": {"code": "AuthorizationFailed"}}).to_string()),
        ("g.json", json!([group(json!([{"id": "p-id-a-prod"}])), group(json!([{"id": "p-b"}]))]).to_string()),
        (
            "h.json",
            assignment(7, "g", "/subscriptions/s/", OWNER).to_string().replace("ServicePrincipal", "GROUP"),
        ),
    ];
    for (name, text) in &files {
        write(&dir.join("e").join(name), text);
    }
    write(&dir.join("e/z.json"), identity("id-a-prod").to_string());
    assert_eq!(run(&dir, &["audit", "--arm-export", "e", "-o", "out"]).code, 0);
    let found = json(&dir.join("out/findings.json"));
    assert_eq!(found["coverage"]["counts"]["assignments"], 7, "{}", found["coverage"]);
    let gaps = found["coverage"]["gaps"].as_array().unwrap();
    for (name, reason) in [
        ("c.json", "unparsed"),
        ("c.json", "truncated"),
        ("d.json", "truncated"),
        ("e.json", "failed"),
        ("f.json", "failed"),
    ] {
        let named =
            |g: &&Value| g["location"]["path"] == name && g["reason"] == reason && g["blocking"] == true;
        assert!(gaps.iter().any(|g| named(&g)), "{name} {reason}: {gaps:#?}");
    }
    let who =
        run(&dir, &["who-can", "Microsoft.Web/sites/write", "--on", "/subscriptions/s", "--arm-export", "e"]);
    for holder in ["id-a-prod (p-id-a-prod)", "p-b (p-b)", "g (g)"] {
        assert!(who.out.contains(holder), "{holder}: {}", who.out);
    }
    assert!(who.err.contains("not read whole"), "{}", who.err);
}

#[test]
fn one_record_of_the_directory_is_not_the_directory() {
    let dir = folder("directory");
    let grants: Vec<Value> =
        (0..9).map(|n| assignment(n, &format!("sp-{n}"), "/subscriptions/s", OWNER)).collect();
    write(&dir.join("e/a.json"), json!({"value": grants}).to_string());
    let sp = |n: usize| json!({"id": format!("sp-{n}"), "displayName": "x", "appId": "a", "servicePrincipalType": "ManagedIdentity"});
    let rules = |name: &str| -> Vec<String> {
        assert_eq!(run(&dir, &["audit", "--arm-export", "e", "-o", name]).code, 0);
        let found = json(&dir.join(name).join("findings.json"));
        found["findings"].as_array().unwrap().iter().map(|f| f["rule"].as_str().unwrap().to_owned()).collect()
    };
    let count = |rules: &[String], slug: &str| rules.iter().filter(|r| *r == slug).count();
    for (name, directory) in [("single", sp(0)), ("few", json!({"value": [sp(0), sp(1)]}))] {
        write(&dir.join("e/d.json"), directory.to_string());
        let found = rules(name);
        assert_eq!(
            (count(&found, "orphaned-grant"), count(&found, "owner-equivalent-grant")),
            (0, 9),
            "{name}"
        );
    }
    write(&dir.join("e/d.json"), json!({"value": (0..8).map(sp).collect::<Vec<_>>()}).to_string());
    let found = rules("most");
    assert_eq!((count(&found, "orphaned-grant"), count(&found, "owner-equivalent-grant")), (1, 8));
}

#[test]
fn files_that_an_export_does_not_read_are_said() {
    let dir = folder("unread-files");
    write(&dir.join("e/a.json"), "[]");
    write(&dir.join("e/more.jsonl"), "{}");
    write(&dir.join("e/notes/read.me"), "hello");
    #[cfg(unix)]
    std::os::unix::fs::symlink(dir.join("e/a.json"), dir.join("e/link.json")).unwrap();
    write(&dir.join("e/b.json"), json!([{"id": "/subscriptions/s", "subscriptionId": "s"}]).to_string());
    let ran = run(&dir, &["audit", "--arm-export", "e", "-o", "out"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let found = json(&dir.join("out/findings.json"));
    let gaps: Vec<String> = found["coverage"]["gaps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| format!("{} {}", g["reason"], g["detail"]))
        .collect();
    let said = |text: &str| gaps.iter().any(|g| g.contains(text));
    assert!(said("\"unsupported\" \"files that end in `.jsonl`"), "{gaps:?}");
    assert!(said("\"unrecognised\" \"files that do not end in `.json`"), "{gaps:?}");
    assert!(cfg!(not(unix)) || said("links in the folder are not followed"), "{gaps:?}");
}

#[test]
fn governance_tools_never_take_what_is_open_for_satisfied() {
    let dir = folder("audit-oscal");
    let ran = run(
        &dir,
        &["audit", "--demo", "-o", "out", "--format", "oscal", "--format", "ocsf", "--format", "csv"],
    );
    assert_eq!(ran.code, 0, "{}", ran.err);
    let all = json(&dir.join("out/oscal.json"));
    let result = &all["assessment-results"]["results"][0];
    let table = std::fs::read_to_string(dir.join("out/controls.csv")).unwrap();
    let rows = csv::Reader::from_reader(table.as_bytes()).records().map(Result::unwrap).collect::<Vec<_>>();
    let findings = result["findings"].as_array().unwrap();
    // A finding for each control that is concluded, and none for the rest.
    let concluded =
        |r: &&csv::StringRecord| ["satisfied", "satisfied-with-exceptions", "not-satisfied"].contains(&&r[7]);
    assert_eq!(findings.len(), rows.iter().filter(concluded).count());
    let selected = &result["reviewed-controls"]["control-selections"][0]["include-controls"];
    assert_eq!(selected.as_array().unwrap().len(), rows.len());
    let known: std::collections::BTreeSet<&str> =
        result["observations"].as_array().unwrap().iter().map(|o| o["uuid"].as_str().unwrap()).collect();
    assert_eq!(known.len(), result["observations"].as_array().unwrap().len());
    for finding in findings {
        for related in finding["related-observations"].as_array().unwrap() {
            assert!(known.contains(related["observation-uuid"].as_str().unwrap()));
        }
    }
    let lines = std::fs::read_to_string(dir.join("out/ocsf.ndjson")).unwrap();
    for line in lines.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((line["class_uid"].as_u64(), line["type_uid"].as_u64()), (Some(2003), Some(200_301)));
    }
}

#[test]
fn several_earlier_runs_show_how_it_went() {
    let dir = folder("audit-trend");
    let quarter = |name: &str, at: &str, config: &str, earlier: &[&str]| {
        write(&dir.join("leastwise.toml"), config);
        let out = format!("runs/{name}");
        let mut args =
            vec!["audit", "--demo", "--as-of", at, "--format", "json", "--format", "html", "-o", &out];
        earlier.iter().for_each(|e| args.extend(["--previous", e]));
        let ran = run(&dir, &args);
        assert_eq!(ran.code, 0, "{}", ran.err);
        json(&dir.join(&out).join("findings.json"))
    };
    let off = "[rules.owner-equivalent-grant]\nlevel = 'off'\n";
    quarter("1", "2026-06-01T08:00:00Z", "", &[]);
    quarter("2", "2026-06-11T08:00:00Z", off, &[]);
    // The order in which they are named does not count.
    let all = quarter("3", "2026-06-21T08:00:00Z", "", &["runs/2/findings.json", "runs/1/findings.json"]);
    let runs = all["trend"]["runs"].as_array().unwrap();
    assert_eq!(
        runs.iter().map(|r| r["at"].as_str().unwrap().get(..10).unwrap()).collect::<Vec<_>>(),
        ["2026-06-01", "2026-06-11", "2026-06-21"]
    );
    let criticals: Vec<u64> = runs.iter().map(|r| r["open"]["critical"].as_u64().unwrap()).collect();
    assert!(criticals[1] < criticals[0] && criticals[2] == criticals[0], "{criticals:?}");
    let rule = all["trend"]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["rule"] == "owner-equivalent-grant")
        .unwrap();
    assert_eq!(rule["median_days"], 10);
    let since = |rule: &str| {
        let found = all["findings"].as_array().unwrap().iter().find(|f| f["rule"] == rule).unwrap();
        found["first_seen"].as_str().unwrap().get(..10).unwrap().to_owned()
    };
    // What came back is known since it came back; what was there all the time since the first run.
    assert_eq!(since("owner-equivalent-grant"), "2026-06-21");
    assert_eq!(since("escalation-path"), "2026-06-01");
    let page = fs::read_to_string(dir.join("runs/3/report.html")).unwrap();
    assert!(page.contains("Over time") && page.contains("<polyline"));
}

#[test]
fn a_workbook_has_the_tables_and_the_same_bytes_each_time() {
    let dir = folder("audit-xlsx");
    for out in ["a", "b"] {
        let ran = run(&dir, &["audit", "--demo", "--format", "xlsx", "-o", out]);
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    let bytes = fs::read(dir.join("a/report.xlsx")).unwrap();
    assert!(bytes.starts_with(b"PK") && bytes == fs::read(dir.join("b/report.xlsx")).unwrap());
    assert_eq!(run(&dir, &["audit", "--demo", "--format", "xlsx"]).code, 2);
}
