//! The check of Bicep: files of our own, and real ones where they are at hand.

use crate::support::{checkout, folder, run, write};
use serde_json::Value;
use std::path::Path;

fn report(dir: &Path, arguments: &[&str]) -> Value {
    let ran = run(dir, &[&["check", "--format", "json", "--fail-on", "none"], arguments].concat());
    assert!(!ran.out.is_empty(), "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

/// `rule scope principal`, for findings that are open.
fn found(report: &Value) -> Vec<String> {
    let open = report["findings"].as_array().unwrap().iter().filter(|f| f["disposition"] == "open");
    open.map(|f| {
        let text = |v: &Value| v.as_str().unwrap_or("-").to_owned();
        format!("{} {} {}", text(&f["rule"]), text(&f["scope"]), text(&f["identity"]["principal_id"]))
    })
    .collect()
}

fn gaps(report: &Value) -> Vec<String> {
    let all = report["coverage"]["gaps"].as_array().unwrap().iter();
    all.map(|g| {
        let place = &g["location"];
        let place = format!("{}:{}:{}", place["path"].as_str().unwrap_or(""), place["line"], place["column"]);
        format!("{place} {} {}", g["reason"].as_str().unwrap(), g["detail"].as_str().unwrap())
    })
    .collect()
}

const OWNER: &str = "/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

/// A role assignment; `more` goes before its properties.
fn grant(name: &str, more: &str, role: &str) -> String {
    format!(
        "resource {name} 'Microsoft.Authorization/roleAssignments@2022-04-01' = {{\n  name: '11111111-2222-4333-8444-555555555555'\n{more}  properties: {{\n    roleDefinitionId: {role}\n    principalId: '11111111-2222-4333-8444-555555555556'\n  }}\n}}\n"
    )
}

#[test]
fn whatever_the_language_says_in_a_roundabout_way_is_found() {
    let owner = format!("'{OWNER}'");
    let plain = grant("a", "", &owner);
    // The main file, others beside it, and how many Owners are found; the last is whether something is left unread.
    type Case<'c> = (&'c str, String, Vec<(&'c str, String)>, usize, bool);
    let cases: Vec<Case<'_>> = vec![
        ("plain", plain.clone(), vec![], 1, false),
        ("never", plain.replace("= {\n  name", "= if (1 > 2) {\n  name"), vec![], 0, false),
        ("perhaps", format!("param on bool\n{}", plain.replace("= {\n  name", "= if (on) {\n  name")), vec![], 1, false),
        ("names", format!("var v = p\nparam p string = w['x'].?y ?? 'none'\nvar w = {{ x: {{ y: {owner} }} }}\n{}", grant("a", "", "v!")), vec![], 1, false),
        ("case", format!("param Role string = {owner}\nparam role string = 'x'\n{}", grant("a", "", "Role")), vec![], 1, false),
        ("comments",
            format!("/* {plain}\n*/ // resource b\n#disable-next-line x\n{plain}"),
            vec![], 1, false),
        ("text", format!("var t = '''\n{plain}'''\nvar u = 'it\\'s \\${{x}} \\u{{1F600}}'\n{plain}"), vec![], 1, false),
        ("loop", grant("a", "", &owner).replace("= {\n  name: '", "= [for (x, i) in ['a', 'b']: {\n  name: '${x}${i}").trim_end().to_owned() + "]\n", vec![], 2, false),
        ("unknown-loop", "param all array\n".to_owned() + grant("a", "", &owner).replace("= {\n", "= [for x in all: {\n").trim_end() + "]\n", vec![], 1, false),
        ("lambda", format!("var ids = map(filter([{{ n: 'Reader', i: 'x' }}, {{ n: 'Owner', i: {owner} }}], (r, i) => r.n =~ 'OWNER'), r => r.i)\n{}", grant("a", "", "first(ids)!")), vec![], 1, false),
        ("spread", format!("var one = {{ roleDefinitionId: {owner}, principalId: '11111111-2222-4333-8444-555555555556' }}\nresource a 'Microsoft.Authorization/roleAssignments@2022-04-01' = {{\n  name: 'x'\n  properties: {{ ...one }}\n}}\n"), vec![], 1, false),
        ("ternary", format!("param x bool = true\n{}", grant("a", "", &format!("x\n      ? {owner}\n      : 'none'"))), vec![], 1, false),
        ("either", format!("param x bool\n{}", grant("a", "", &format!("x ? {owner} : 'none'"))), vec![], 0, true),
        ("nested", format!("resource s 'Microsoft.Storage/storageAccounts@2023-01-01' existing = {{\n  name: 's'\n  resource b 'blobServices' existing = {{\n    name: 'default'\n  }}\n}}\n{}", grant("a", "  scope: s::b\n", &owner)), vec![], 1, false),
        ("function", format!("func role(n string) string => n == 'o' ? {owner} : 'x'\n{}", grant("a", "", "role('o')")), vec![], 1, false),
        ("module", "module m 'm.bicep' = {\n  params: { role: v }\n}\nvar v = n.outputs.role\nmodule n 'n.bicep' = {}\n".to_owned(), vec![("m.bicep", format!("param role string\n{}", grant("a", "", "role"))), ("n.bicep", format!("output role string = {owner}\n"))], 1, false),
        ("not-called", "module m 'm.bicep' = if (false) {\n  name: 'm'\n}\n".to_owned(), vec![("m.bicep", plain.clone())], 1, false),
        ("circle", "module m 'main.bicep' = {\n  name: 'm'\n}\n".to_owned() + &plain, vec![], 1, true),
        ("registry", "module m 'br/public:avm/res/x/y:1.0.0' = {\n  name: 'm'\n}\n".to_owned(), vec![], 0, true),
        ("template", "module m 'm.json' = {\n  name: 'm'\n}\n".to_owned(), vec![("m.json", format!(r#"{{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0", "resources": [{{"type": "Microsoft.Authorization/roleAssignments", "apiVersion": "2022-04-01", "name": "n", "properties": {{"principalId": "p", "roleDefinitionId": "{OWNER}"}}}}]}}"#))], 1, false),
        ("json", format!("var r = loadJsonContent('roles.json', 'all.owner')\n{}", grant("a", "", "r")), vec![("roles.json", format!(r#"{{"all": {{"owner": "{OWNER}"}}}}"#))], 1, false),
        ("named", grant("a", "", "roleDefinitions('Owner').id"), vec![], 1, false),
        ("raw", format!("resource d 'Microsoft.Resources/deployments@2024-03-01' = {{\n  name: 'd'\n  properties: {{\n    mode: 'Incremental'\n    template: {{\n      '$schema': 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#'\n      contentVersion: '1.0.0.0'\n      resources: [\n        {{\n          type: 'Microsoft.Authorization/roleAssignments'\n          name: 'n'\n          properties: {{ principalId: 'p', roleDefinitionId: {owner} }}\n        }}\n      ]\n    }}\n  }}\n}}\n"), vec![], 1, false),
        ("policy", format!("targetScope = 'subscription'\nresource p 'Microsoft.Authorization/policyDefinitions@2023-04-01' = {{\n  name: 'p'\n  properties: {{\n    policyRule: {{\n      if: {{ field: 'type', equals: 'x' }}\n      then: {{ effect: 'deployIfNotExists', details: {{ roleDefinitionIds: [{owner}], deployment: {{ properties: {{ template: {{ resources: [] }} }} }} }} }}\n    }}\n  }}\n}}\n"), vec![], 1, false),
        ("same-name", "param on bool\n".to_owned() + &grant("a", "", "'/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7'").replace("= {\n  name", "= if (!on) {\n  name") + &plain.replace("resource a", "resource b").replace("= {\n  name", "= if (on) {\n  name"), vec![], 1, false),
        ("unknown-index", "param all array\n".to_owned() + grant("a", "", &owner).replace("= {\n", "= [for (x, i) in all: if (i == 1) {\n").trim_end() + "]\n", vec![], 1, false),
        ("unknown-bool", "param on string\n".to_owned() + &plain.replace("= {\n  name", "= if (bool(on)) {\n  name"), vec![], 1, false),
        ("filtered", "param all array\n".to_owned() + &plain.replace("= {\n  name", "= if (!empty(filter(['a'], x => contains(all, x)))) {\n  name"), vec![], 1, false),
        ("unions", "param all array\n".to_owned() + grant("a", "", &owner).replace("= {\n", "= [for x in union(all, []): {\n").trim_end() + "]\n", vec![], 1, false),
        ("null", "module m 'm.bicep' = {\n  params: { on: null }\n}\n".to_owned(), vec![("m.bicep", "param on bool = true\n".to_owned() + &plain.replace("= {\n  name", "= if (on) {\n  name"))], 1, false),
        ("own-not", "func not(x bool) bool => false\n".to_owned() + &plain.replace("= {\n  name", "= if (!false) {\n  name"), vec![], 1, false),
        ("sorted", format!("var all = sort([{{ n: 2, r: {owner} }}, {{ n: 1, r: 'x' }}], (a, b) => a.n < b.n)\n{}", grant("a", "", "all[1].r")), vec![], 1, false),
        ("partly", "param e string\n".to_owned() + &plain.replace("= {\n  name", "= if (!contains('is-${e}', 'prod')) {\n  name"), vec![], 1, false),
        ("nameless", "module m 'm.bicep' = [for r in ['x', v]: {\n  params: { role: r }\n}]\n".to_owned() + &format!("var v = {owner}\n") + &grant("a", "", "m[1].outputs.role"), vec![("m.bicep", "param role string\noutput role string = role\n".to_owned())], 1, false),
        ("custom", "param p string\nresource r 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {\n  name: guid('r')\n  properties: {\n    roleName: 'r'\n    permissions: [{ actions: [p] }]\n    assignableScopes: []\n  }\n}\n".to_owned(), vec![], 0, true),
        ("space", grant("a", "", "concat ('/providers/Microsoft.Authorization/roleDefinitions/', '8e3af657-a8ff-443c-a75c-2fe8c4bcb635')"), vec![], 1, false),
        ("alias", "resource s 'Microsoft.Subscription/aliases@2021-10-01' = {\n  name: 's'\n  properties: { additionalProperties: { subscriptionOwnerId: 'x' } }\n}\n".to_owned(), vec![], 0, true),
        ("doubling", (0..40).fold("var v0 = ['a']\n".to_owned(), |t, n| format!("{t}var v{} = [v{n}, v{n}]\n", n + 1)) + &plain.replace("  properties: {", "  tags: { t: string(v40) }\n  properties: {"), vec![], 1, false),
        ("broken", format!("{plain}resource b 'x@y' = {{\n  name: \n}}\n"), vec![], 0, true),
    ];
    for (case, main, others, owners, leaves) in cases {
        let files: Vec<(&str, &str)> =
            others.iter().map(|(p, t)| (*p, t.as_str())).chain([("main.bicep", main.as_str())]).collect();
        let dir = checkout(&format!("bicep-{case}"), &files);
        // Another file, so that one that is broken is not all there is.
        write(&dir.join("other.bicep"), "param x string\n");
        let report = report(&dir, &["."]);
        let found = found(&report).iter().filter(|f| f.starts_with("owner-equivalent-grant")).count();
        assert_eq!(found, owners, "{case}: {report:#}");
        let blocking = report["coverage"]["gaps"].as_array().unwrap().iter().any(|g| g["blocking"] == true);
        assert_eq!(blocking, leaves, "{case}: {:#?}", gaps(&report));
    }
}

#[test]
fn parameters_come_from_files_beside_and_from_the_command_line() {
    let main = format!("param role string\nparam names string[] = []\n{}", grant("a", "", "role"));
    let given = format!("using 'main.bicep'\nvar all = {{ owner: '{OWNER}' }}\nparam role = all.owner\n");
    let reader = "using './main.bicep'\nparam role = '/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7'\n";
    let dir = checkout("bicep-parameters", &[("main.bicep", &main)]);
    assert!(
        gaps(&report(&dir, &["."]))
            .iter()
            .any(|g| g.contains("main.bicep:3:1") && g.contains("parameters('role')"))
    );
    write(&dir.join("main.prod.bicepparam"), &given);
    assert_eq!(found(&report(&dir, &["."])).len(), 1);
    // What the command line says comes last.
    let set = "role=/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7";
    assert_eq!(found(&report(&dir, &[".", "--set", set])).len(), 0);
    // Of several, one has to be named.
    write(&dir.join("main.test.bicepparam"), reader);
    let both = report(&dir, &["."]);
    assert!(gaps(&both).iter().any(|g| g.contains("several files of parameters")), "{:?}", gaps(&both));
    assert_eq!(found(&report(&dir, &["main.bicep", "main.prod.bicepparam"])).len(), 1);
    assert_eq!(found(&report(&dir, &["main.prod.bicepparam"])).len(), 1);
    assert_eq!(found(&report(&dir, &[".", "main.test.bicepparam"])).len(), 0);
    // One may add to another, and JSON does as well.
    write(&dir.join("main.test.bicepparam"), "using none\nextends 'main.prod.bicepparam'\n");
    std::fs::remove_file(dir.join("main.test.bicepparam")).unwrap();
    std::fs::remove_file(dir.join("main.prod.bicepparam")).unwrap();
    write(
        &dir.join("main.parameters.json"),
        format!(
            r#"{{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#", "contentVersion": "1.0.0.0", "parameters": {{"role": {{"value": "{OWNER}"}}}}}}"#
        ),
    );
    assert_eq!(found(&report(&dir, &["."])).len(), 1);
}

#[test]
fn modules_that_were_restored_are_read_and_shown_at_their_calls() {
    let main = "module m 'br/shop:storage/account:1.0.0' = {\n  name: 'm'\n}\nmodule n 'br/public:avm/x:2.0.0' = {\n  name: 'n'\n}\n";
    let config =
        r#"{"moduleAliases": {"br": {"shop": {"registry": "Shop.azurecr.io", "modulePath": "modules"}}}}"#;
    let dir = checkout("bicep-registry", &[("infra/main.bicep", main), ("bicepconfig.json", config)]);
    let template = format!(
        r#"{{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0", "resources": [{{"type": "Microsoft.Authorization/roleAssignments", "apiVersion": "2022-04-01", "name": "n", "properties": {{"principalId": "p", "roleDefinitionId": "{OWNER}"}}}}]}}"#
    );
    write(&dir.join("cache/br/shop.azurecr.io/modules$storage$account/1.0.0$/main.json"), &template);
    write(
        &dir.join("cache/br/mcr.microsoft.com/bicep$avm$x/2.0.0$/main.json"),
        template.replace("\"n\"", "\"o\""),
    );
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_leastwise"))
        .args(["check", "infra", "--format", "json", "--fail-on", "none"])
        .current_dir(&dir)
        .env_clear()
        .env("BICEP_CACHE_DIRECTORY", dir.join("cache"))
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let places: Vec<String> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["rule"] == "owner-equivalent-grant")
        .map(|f| format!("{}:{}", f["location"]["path"].as_str().unwrap(), f["location"]["line"]))
        .collect();
    assert_eq!(places, ["infra/main.bicep:1", "infra/main.bicep:4"], "{report:#}");
}

#[test]
fn a_file_may_be_called_otherwise_and_lines_may_move() {
    let text = format!(
        "resource i 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {{\n  name: 'id-${{uniqueString(resourceGroup().id)}}'\n}}\n{}",
        grant("a", "", &format!("'{OWNER}'"))
            .replace("'11111111-2222-4333-8444-555555555556'", "i.properties.principalId")
    );
    let dir = checkout("bicep-renamed", &[("infra/main.bicep", &text)]);
    let fingerprints = || {
        let report = report(&dir, &["infra"]);
        let all = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["fingerprint"].as_str().unwrap().to_owned());
        let mut all: Vec<String> = all.collect();
        all.sort();
        all
    };
    let before = fingerprints();
    std::fs::rename(dir.join("infra/main.bicep"), dir.join("infra/deploy.bicep")).unwrap();
    write(&dir.join("infra/deploy.bicep"), format!("// moved\n\n{text}"));
    assert_eq!(fingerprints(), before);
    // A wider role is new.
    write(
        &dir.join("infra/deploy.bicep"),
        text.replace("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"),
    );
    assert_ne!(fingerprints(), before);
}

#[test]
fn secrets_of_bicep_are_not_shown() {
    let used = |of: &str| {
        grant("a", "", &format!("'{OWNER}'")).replace("'11111111-2222-4333-8444-555555555556'", of)
    };
    let module =
        format!("@secure()\nparam s string\n@secure()\noutput o string = '${{s}}hunter2'\n{}", used("s"));
    for (case, text) in [
        ("type", format!("@secure()\ntype t = string\nparam s t = 'hunter2'\n{}", used("s"))),
        (
            "member",
            format!("type t = {{ @secure()\n p: string }}\nparam s t = {{ p: 'hunter2' }}\n{}", used("s.p")),
        ),
        ("output", format!("module m 'm.bicep' = {{\n  params: {{ s: 'x' }}\n}}\n{}", used("m.outputs.o"))),
    ] {
        let dir = checkout(&format!("bicep-secret-{case}"), &[("main.bicep", &text), ("m.bicep", &module)]);
        let ran = run(&dir, &["check", ".", "--format", "json"]);
        assert!(
            ran.out.contains("owner-equivalent-grant") && !ran.out.contains("hunter2"),
            "{case}: {}",
            ran.out
        );
    }
    let text = format!(
        "@secure()\nparam s string = 'hunter2'\nvar t = '${{s}}x'\n{}",
        grant("a", "", &format!("'{OWNER}'")).replace("'11111111-2222-4333-8444-555555555556'", "t")
    );
    let dir = checkout("bicep-secrets", &[("main.bicep", &text)]);
    for format in ["text", "json", "sarif", "markdown", "html", "csv"] {
        let ran = run(&dir, &["check", "main.bicep", "--format", format, "--set", "s=hunter2"]);
        assert!(!(ran.out + &ran.err).contains("hunter2"), "{format}");
    }
}

#[test]
fn what_is_no_bicep_says_where() {
    let cases = [
        ("param x string = 'a\n", "1:20", "the end of a text"),
        ("var x = {\n  a: 1 b: 2\n}\n", "2:8", "a new line, or a comma"),
        ("resource a 'b@c' {\n", "1:18", "`=`"),
        ("hello\n", "1:1", "a declaration"),
        ("var x = (1 + 2\n", "2:1", "`)`"),
        ("var x = 99999999999999999999\n", "1:9", "a whole number that fits"),
    ];
    for (text, place, expected) in cases {
        let dir = checkout("bicep-broken", &[("main.bicep", text)]);
        let ran = run(&dir, &["check", "main.bicep"]);
        assert_eq!(ran.code, 2, "{text}: {}", ran.err);
        assert!(
            ran.err.contains(&format!("main.bicep:{place}")) && ran.err.contains(expected),
            "{text}: {}",
            ran.err
        );
    }
    // What is nested without end, ends.
    for deep in ["(", "[", "{a:", "!", "f(", "'${", "a ? ", "1 + ", "x."] {
        let text = format!("var x = {}\n", deep.repeat(100_000));
        let dir = checkout("bicep-deep", &[("main.bicep", &text)]);
        assert_eq!(run(&dir, &["check", "main.bicep"]).code, 2, "{deep}");
    }
}

/// Modules that many estates are made of, as they were written and as they were compiled.
#[test]
fn real_modules_grant_what_their_compiled_forms_do() {
    let Some(data) = std::env::var_os("LEASTWISE_REAL_DATA") else {
        eprintln!("skipped: LEASTWISE_REAL_DATA is not set");
        return;
    };
    let dir = folder("bicep-real");
    let data = Path::new(&data).canonicalize().unwrap().join("iac");
    let whole = report(&dir, &[data.join("bicep").to_str().unwrap()]);
    let unread = whole["coverage"]["gaps"].as_array().unwrap().iter().filter(|g| {
        g["reason"] == "unparsed" && g["location"]["path"].as_str().is_some_and(|p| p.ends_with(".bicep"))
    });
    assert_eq!(unread.count(), 0);
    let mut open = vec![data.join("bicep")];
    let (mut pairs, mut alike, mut grants) = (0, 0, 0);
    while let Some(at) = open.pop() {
        if at.is_dir() {
            open.extend(std::fs::read_dir(&at).unwrap().map(|e| e.unwrap().path()));
            continue;
        }
        let compiled =
            data.join("arm").join(at.strip_prefix(data.join("bicep")).unwrap()).with_extension("json");
        if at.file_name().unwrap() != "main.bicep" || !compiled.exists() {
            continue;
        }
        let mut set = Vec::new();
        if std::fs::read_to_string(&at).unwrap().contains("\nparam roleAssignments ") {
            set = vec![
                "--set",
                r#"roleAssignments=[{"principalId":"11111111-2222-4333-8444-555555555555","roleDefinitionIdOrName":"Owner"},{"principalId":"11111111-2222-4333-8444-555555555556","roleDefinitionIdOrName":"b24988ac-6180-42a0-ab88-20f7382dd24c"}]"#,
            ];
        }
        let of = |path: &Path| {
            let report = report(&dir, &[&[path.to_str().unwrap()], set.as_slice()].concat());
            // How names that are not known are spelled goes by the language.
            let level = |f: &Value| {
                format!("{} {} {} {}", f["rule"], f["severity"], f["role"]["id"], f["scope_level"])
            };
            let mut said: Vec<String> = report["findings"].as_array().unwrap().iter().map(level).collect();
            said.sort();
            let counts = report["coverage"]["counts"].clone();
            let missing = gaps(&report)
                .iter()
                .any(|g| g.contains("a file that is not there") || g.contains("not restored"));
            (
                said,
                [
                    counts["assignments"].clone(),
                    counts["identities"].clone(),
                    counts["role_definitions"].clone(),
                ],
                missing,
            )
        };
        let (written, compiled) = (of(&at), of(&compiled));
        pairs += 1;
        if (&written.0, &written.1) == (&compiled.0, &compiled.1) {
            alike += 1;
            grants += written.1[0].as_u64().unwrap();
        } else {
            println!("{}: modules missing: {}", at.display(), written.2);
            assert!(written.2, "{}: {written:?} {compiled:?}", at.display());
        }
    }
    println!("{pairs} pairs, {alike} agree, with {grants} grants");
    assert!(pairs > 100 && alike > 120);
}

#[test]
fn parameters_without_a_schema_are_values_all_the_same() {
    let code = "targetScope = 'subscription'
param role string = 'acdd72a7-3385-48ef-bd42-f606fba81ae7'
resource a 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid('a')
  properties: {
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    principalId: '11111111-2222-4333-8444-000000000002'
  }
}
";
    let values = r#"{"parameters": {"role": {"value": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"}}}"#;
    let dir = checkout("bicep-parameters-plain", &[("main.bicep", code), ("main.parameters.json", values)]);
    for path in [".", "main.bicep"] {
        let ran = run(&dir, &["check", path]);
        assert!(
            ran.code == 1 && ran.out.contains("owner-equivalent-grant"),
            "{path}: {} {}",
            ran.out,
            ran.err
        );
    }
}
