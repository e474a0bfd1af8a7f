//! Bundles under pseudonyms: nothing of a name is left in them, they still can be replayed, and rules say the same.

use crate::reviews::{fill, first_quarter, import, ok, opened, saved};
use crate::support::{folder, json, run, write};
use leastwise::sources::demo;
use std::fs;
use std::path::{Path, PathBuf};

const BUILD: [&str; 6] = ["evidence", "build", "--mask", "--as-of", "2026-06-01T08:00:00Z", "-o"];

/// A salt that stays, so that no pseudonym of some run happens to hold a word that is looked for.
const SALT: &str = "a salt that is the same in every run of the tests\n";

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

/// Texts of a bundle, the snapshot's among them.
fn texts(bundle: &Path) -> Vec<(String, String)> {
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        let bytes = if path.ends_with("snapshot.lwsnap") {
            zstd::decode_all(bytes.as_slice()).unwrap()
        } else {
            bytes
        };
        (path.display().to_string(), String::from_utf8(bytes).unwrap())
    };
    files(bundle).into_iter().map(read).collect()
}

fn nothing_of(words: &[&str], bundle: &Path) {
    let name = bundle.display().to_string();
    for (path, text) in texts(bundle) {
        // Rules and catalogue are the program's own.
        if path[name.len()..].starts_with("/rules/") || path.ends_with("catalog.txt") {
            continue;
        }
        let text = text.to_ascii_lowercase();
        for word in words {
            let at = text.find(word);
            let around = at.map_or("", |at| &text[at.saturating_sub(60)..at]);
            assert!(at.is_none(), "`{word}` is left in {path} after `{around}`");
        }
    }
}

/// A world whose every text that somebody chose has `canary` in it, and whose GUIDs begin with `c0ffee`.
const WORLD: &str = r##"{"value":[
{"id":"/providers/Microsoft.Management/managementGroups/canary-mg","type":"Microsoft.Management/managementGroups","name":"canary-mg","properties":{"displayName":"Canary Holding","details":{"parent":{"id":"/providers/Microsoft.Management/managementGroups/canary-root"}}}},
{"id":"/subscriptions/c0ffee00-0000-4000-8000-000000000001","type":"Microsoft.Resources/subscriptions","subscriptionId":"c0ffee00-0000-4000-8000-000000000001","displayName":"sub-canary-prod","tenantId":"c0ffee00-0000-4000-8000-0000000000ff","tags":{"canary-tag":"canary value","Owner":"canary@canary.example"},"properties":{"managementGroupAncestorsChain":[{"name":"canary-mg"}]}},
{"id":"/subscriptions/c0ffee00-0000-4000-8000-000000000001/resourceGroups/rg-canary-prod","type":"Microsoft.Resources/resourceGroups","tags":{"env":"prod","team":"canarians"}},
{"id":"/subscriptions/c0ffee00-0000-4000-8000-000000000001/resourceGroups/rg-canary-prod/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-canary-prod","type":"Microsoft.ManagedIdentity/userAssignedIdentities","location":"westeurope","tags":{},"properties":{"principalId":"c0ffee00-0000-4000-8000-000000000002","clientId":"c0ffee00-0000-4000-8000-000000000003","tenantId":"c0ffee00-0000-4000-8000-0000000000ff"}},
{"id":"/subscriptions/c0ffee00-0000-4000-8000-000000000001/resourceGroups/rg-canary-prod/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-canary-prod/federatedIdentityCredentials/canary-fed","type":"Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials","properties":{"issuer":"https://canary.example/c0ffee00-0000-4000-8000-000000000004","subject":"repo:canary/canary-app:environment:prod","audiences":["api://canary"]}},
{"id":"/subscriptions/c0ffee00-0000-4000-8000-000000000001/resourceGroups/rg-canary-prod/providers/Microsoft.Web/sites/app-canary","type":"Microsoft.Web/sites","location":"westeurope","tags":{"canary":"canary"},"identity":{"type":"SystemAssigned, UserAssigned","principalId":"c0ffee00-0000-4000-8000-000000000005","tenantId":"c0ffee00-0000-4000-8000-0000000000ff","userAssignedIdentities":{"/subscriptions/c0ffee00-0000-4000-8000-000000000001/resourcegroups/rg-canary-prod/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-canary-prod":{"principalId":"c0ffee00-0000-4000-8000-000000000002"}}},"properties":{}},
{"id":"/subscriptions/c0ffee00-0000-4000-8000-000000000001/resourceGroups/rg-canary-prod/providers/Microsoft.KeyVault/vaults/kv-canary","type":"Microsoft.KeyVault/vaults","location":"westeurope","properties":{"enableRbacAuthorization":false,"accessPolicies":[{"objectId":"c0ffee00-0000-4000-8000-000000000002","permissions":{"secrets":["get"]}}]}},
{"id":"/subscriptions/c0ffee00-0000-4000-8000-000000000001/resourceGroups/rg-canary-prod/providers/Canary.Own/canaryKinds/canary","type":"Canary.Own/canaryKinds","location":"westeurope","identity":{"type":"SystemAssigned","principalId":"c0ffee00-0000-4000-8000-00000000000a","tenantId":"c0ffee00-0000-4000-8000-0000000000ff"}},
{"id":"/subscriptions/c0ffee00-0000-4000-8000-000000000001/providers/Microsoft.Authorization/roleDefinitions/c0ffee00-0000-4000-8000-000000000006","type":"Microsoft.Authorization/roleDefinitions","properties":{"roleName":"Canary Keeper","type":"CustomRole","description":"for canaries","assignableScopes":["/subscriptions/c0ffee00-0000-4000-8000-000000000001"],"permissions":[{"actions":["*"],"notActions":[],"dataActions":[],"notDataActions":[],"condition":"@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringLike 'canary*'"}]}},
{"id":"/subscriptions/c0ffee00-0000-4000-8000-000000000001/providers/Microsoft.Authorization/roleAssignments/c0ffee00-0000-4000-8000-000000000007","type":"Microsoft.Authorization/roleAssignments","properties":{"principalId":"c0ffee00-0000-4000-8000-000000000002","principalType":"ServicePrincipal","roleDefinitionId":"/subscriptions/c0ffee00-0000-4000-8000-000000000001/providers/Microsoft.Authorization/roleDefinitions/c0ffee00-0000-4000-8000-000000000006","scope":"/subscriptions/c0ffee00-0000-4000-8000-000000000001","description":"canary needs it","createdBy":"c0ffee00-0000-4000-8000-000000000009","condition":"@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Canary_Level] StringEquals 'canary'"}},
{"id":"/subscriptions/c0ffee00-0000-4000-8000-000000000001/providers/Microsoft.Authorization/roleAssignments/c0ffee00-0000-4000-8000-000000000008","type":"Microsoft.Authorization/roleAssignments","properties":{"principalId":"c0ffee00-0000-4000-8000-00000000000b","principalType":"Canaries","roleDefinitionId":"/subscriptions/c0ffee00-0000-4000-8000-000000000001/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635","scope":"/subscriptions/c0ffee00-0000-4000-8000-000000000001/canary/odd"}},
{"id":"/subscriptions/c0ffee00-0000-4000-8000-000000000001/providers/Microsoft.Authorization/policyAssignments/canary-policy","type":"Microsoft.Authorization/policyAssignments","identity":{"type":"SystemAssigned","principalId":"c0ffee00-0000-4000-8000-00000000000c","tenantId":"c0ffee00-0000-4000-8000-0000000000ff"},"properties":{"displayName":"Canary policy","policyDefinitionId":"/providers/Microsoft.Management/managementGroups/canary-mg/providers/Microsoft.Authorization/policyDefinitions/canary-def"}},
{"id":"/subscriptions/c0ffee00-0000-4000-8000-000000000001/providers/Microsoft.Authorization/denyAssignments/c0ffee00-0000-4000-8000-00000000000d","type":"Microsoft.Authorization/denyAssignments","properties":{"denyAssignmentName":"canary deny","permissions":[{"actions":["*/delete"]}],"scope":"/subscriptions/c0ffee00-0000-4000-8000-000000000001","principals":[{"id":"c0ffee00-0000-4000-8000-00000000000e"}],"excludePrincipals":[]}},
{"id":"/subscriptions/c0ffee00-0000-4000-8000-000000000001/providers/Microsoft.Authorization/roleAssignments/c0ffee00-0000-4000-8000-0000000000bb","type":"Microsoft.Authorization/roleAssignments","properties":{"principalId":["canary"]}}
]}"##;

const CONFIG: &str = r#"# the canary's own
[naming]
identity = "id-canary-{env}"
[owners]
tags = ["canary-tag", "owner"]
[tags]
required = ["canary-tag"]
[environments]
scopes = { "sub-canary-*" = "prod" }
[identities.platform]
names = ["id-canary-land*"]
tags = { canary = "canary" }
subscriptions = ["c0ffee00-0000-4000-8000-000000000001"]
[federation]
trusted = ["canary"]
[coverage]
accept = [{ source = "groups", reason = "canary has none", until = 2027-01-31 }]
[review]
fallback = "canary@canary.example"
owners = [{ names = ["id-canary-*"], owner = "canary team" }]
"#;

const WAIVERS: &str = r#"[[waiver]]
id = "canary-1"
rules = ["missing-required-tag"]
target = { identity = "id-canary-*", scope = "/subscriptions/c0ffee00-0000-4000-8000-000000000001" }
category = "waiver"
reason = "the canary will get its tag"
requested_by = "canary keeper"
approved_by = "canary board"
approved_on = 2026-05-01
expires = 2026-12-31
ticket = "CANARY-17"
"#;

#[test]
fn nothing_of_a_name_is_left() {
    let dir = folder("mask-canary");
    write(&dir.join("leastwise-mask.salt"), SALT);
    write(&dir.join("canary-export/all.json"), WORLD);
    write(&dir.join("leastwise.toml"), CONFIG);
    write(&dir.join("leastwise-waivers.toml"), WAIVERS);
    let more = ["canary-out", "--arm-export", "canary-export", "--by", "Canary <c@canary.example>"];
    let ran = ok(&dir, &[&BUILD[..], &more].concat());
    let bundle = dir.join("canary-out");
    assert!(ran.out.contains("files"), "{}", ran.out);
    nothing_of(&["canar", "c0ffee"], &bundle);
    let replayed = run(&dir, &["evidence", "verify", "canary-out", "--replay"]);
    assert!(replayed.code == 0 && replayed.out.contains("byte for byte"), "{}", replayed.out);
    assert!(replayed.out.contains("pseudonyms"), "{}", replayed.out);
    // Everything is still there: the grant through the custom role, its condition, the waiver, the record that cannot be parsed.
    let findings = json(&bundle.join("findings.json"));
    let gaps = findings["coverage"]["gaps"].as_array().unwrap();
    assert!(gaps.iter().any(|g| g["reason"] == "unparsed"), "{gaps:?}");
    assert_eq!(findings["coverage"]["counts"]["assignments"], 2);
    let manifest = json(&bundle.join("manifest.json"));
    assert_eq!(manifest["masked"]["differs"], serde_json::json!([]), "{}", manifest["masked"]);
}

#[test]
fn rules_of_ones_own_are_not_sealed_under_pseudonyms() {
    let dir = folder("mask-rules");
    fs::create_dir_all(dir.join("own")).unwrap();
    write(
        &dir.join("own/x.toml"),
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/unowned-identity.toml")).unwrap(),
    );
    let ran = run(&dir, &[&BUILD[..], &["out", "--demo", "--rules", "own"]].concat());
    assert!(ran.code == 2 && !dir.join("out").exists(), "{}", ran.err);
}

#[test]
fn pseudonyms_are_the_same_in_every_run_with_a_salt_and_others_with_another() {
    let dir = folder("mask-salt");
    let built = |to: &str, salt: &str| {
        ok(&dir, &[&BUILD[..], &[to, "--demo", "--mask-salt", salt]].concat());
        fs::read(dir.join(to).join("identities.csv")).unwrap()
    };
    let first = built("one", "salt");
    assert_eq!(built("two", "salt"), first);
    assert_ne!(built("three", "other"), first);
    write(&dir.join("short"), "short");
    let ran = run(&dir, &[&BUILD[..], &["four", "--demo", "--mask-salt", "short"]].concat());
    assert!(ran.code == 2 && ran.err.contains("fewer than 32"), "{}", ran.err);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(dir.join("salt")).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn reviews_are_sealed_under_pseudonyms_and_still_hold() {
    let dir = folder("mask-reviews");
    write(&dir.join("leastwise-mask.salt"), SALT);
    write(&dir.join("leastwise.toml"), demo::CONFIG);
    saved(&dir, "q1.lwsnap", "2026-01-05T08:00:00Z", |_| {});
    first_quarter(&dir);
    let build = |to: &str, more: &[&str]| {
        let args = [
            "evidence",
            "build",
            "--snapshot",
            "q1.lwsnap",
            "--ledger",
            "ledger.jsonl",
            "--as-of",
            "2026-01-22T08:00:00Z",
            "-o",
            to,
        ];
        ok(&dir, &[&args[..], more].concat());
        dir.join(to)
    };
    let (named, masked) = (build("named", &[]), build("masked", &["--mask"]));
    let replayed = ok(&dir, &["evidence", "verify", "masked", "--replay"]);
    assert!(replayed.out.contains("byte for byte"), "{}", replayed.out);
    nothing_of(
        &["contoso", "team-sales", "crm", "installer", "a. manager", "the pipeline needs it"],
        &masked,
    );
    // The controls that want reviews come to the same conclusion of the masked ledger.
    let statuses = |bundle: &Path| -> Vec<String> {
        let text = fs::read_to_string(bundle.join("controls.csv")).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        reader.records().map(|r| r.unwrap()).map(|r| format!("{}/{}: {}", &r[0], &r[2], &r[7])).collect()
    };
    assert_eq!(statuses(&masked), statuses(&named));
    let (a, b) = (
        fs::read_to_string(named.join("ledger.jsonl")).unwrap(),
        fs::read_to_string(masked.join("ledger.jsonl")).unwrap(),
    );
    assert_eq!(a.lines().count(), b.lines().count());
}

#[test]
fn one_person_stays_one_under_pseudonyms() {
    let dir = folder("mask-people");
    write(&dir.join("leastwise-mask.salt"), SALT);
    write(&dir.join("leastwise.toml"), demo::CONFIG);
    saved(&dir, "q1.lwsnap", "2026-01-05T08:00:00Z", |_| {});
    opened(&dir, "2026-Q1");
    let seconds = ["a.lice@contoso.com", "n/a", "Alice <alice+x@contoso.com>", "ciso@contoso.com"];
    let next = std::cell::Cell::new(0);
    fill(&dir, "2026-Q1", |_, _| {
        next.set(next.get() + 1);
        ["approve", "the pipeline needs it", "alice@contoso.com", seconds[next.get() % 4]].map(str::to_owned)
    });
    assert_eq!(import(&dir, "2026-Q1", "2026-01-07T08:00:00Z").code, 0);
    let close = ["review", "close", "--acknowledged-by", "A. Manager", "--as-of", "2026-01-08T08:00:00Z"];
    let closed = ok(&dir, &[&close[..], &["--exceptions", "second approvers are away"]].concat()).out;
    assert!(!closed.contains(" 0 not decided"), "{closed}");
    // What the campaign ends with is counted again over pseudonyms, and agrees.
    let build = ["evidence", "build", "--snapshot", "q1.lwsnap", "--ledger", "ledger.jsonl", "--mask"];
    ok(&dir, &[&build[..], &["--as-of", "2026-01-22T08:00:00Z", "-o", "masked"]].concat());
    ok(&dir, &["evidence", "verify", "masked", "--replay"]);
    nothing_of(&["alice", "ciso@", "contoso"], &dir.join("masked"));
}

/// An identity in a resource group, with Owner on the subscription.
fn identity(name: &str, group: &str, n: usize) -> String {
    let sub = "/subscriptions/c0ffee00-0000-4000-8000-000000000001";
    format!(
        r#"{{"id":"{sub}/resourceGroups/{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}","type":"Microsoft.ManagedIdentity/userAssignedIdentities","location":"canaryland","tags":{{"owner":"+31 612 345 678"}},"properties":{{"principalId":"c0ffee00-0000-4000-8001-{n:012}","clientId":"c0ffee00-0000-4000-8002-{n:012}","isolationScope":"canary"}}}},
{{"id":"{sub}/providers/Microsoft.Authorization/roleAssignments/c0ffee00-0000-4000-8003-{n:012}","type":"Microsoft.Authorization/roleAssignments","properties":{{"principalId":"c0ffee00-0000-4000-8001-{n:012}","principalType":"ServicePrincipal","roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635","scope":"{sub}"}}}},
{{"id":"{sub}/resourceGroups/{group}","type":"Microsoft.Resources/resourceGroups"}},
{{"id":"{sub}/resourceGroups/{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}/federatedIdentityCredentials/f","type":"Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials","properties":{{"issuer":"https://token.actions.githubusercontent.com","subject":"repo:Azure/canary:environment:prod","audiences":["api://AzureADTokenExchange"]}}}}"#
    )
}

#[test]
fn rules_say_of_pseudonyms_what_they_say_of_names() {
    let dir = folder("mask-rules-agree");
    write(&dir.join("salt"), SALT);
    let mut world: Vec<String> =
        (1000..1300).map(|n| identity(&format!("id-canary-prod-{n}"), &format!("rg-{n}"), n)).collect();
    let names =
        ["id-canaryzone-prod", "id-canRy-prod", "DefaultAzureMonitoringCanary", "id-canary-land-prod"];
    world.extend(names.iter().enumerate().map(|(n, name)| identity(name, "MC_canary_aks_westeurope", n)));
    world.push(r#"{"id":"/subscriptions/c0ffee00-0000-4000-8000-000000000001/providers/Microsoft.Authorization/roleDefinitions/c0ffee00-0000-4000-8004-000000000001","type":"Microsoft.Authorization/roleDefinitions","properties":{"roleName":"Canary","type":"BuiltInRole","assignableScopes":["/"],"permissions":[{"actions":["Canary.Own/canary/read","Microsoft.Compute/virtual*/read"],"dataActions":["Canary.Own/canary*/write"]}]}}"#.to_owned());
    write(&dir.join("in/all.json"), format!("{{\"value\":[{}]}}", world.join(",\n")));
    write(
        &dir.join("leastwise.toml"),
        "[environments]\ntags = [\"canary-env\"]\nnames = { prod = [\"prod\", \"canary-live\"], dev = [\"dev\"] }\n[identities.platform]\nnames = [\"id-canaryz*\"]\n[federation]\ntrusted = [\"Azure\"]\n",
    );
    // A first run tells the fingerprint that a waiver is for.
    ok(
        &dir,
        &[
            "audit",
            "--arm-export",
            "in",
            "--as-of",
            "2026-06-01T08:00:00Z",
            "--format",
            "json",
            "-o",
            "named",
        ],
    );
    let findings = json(&dir.join("named/findings.json"));
    let owner = |f: &&serde_json::Value| {
        f["rule"] == "owner-equivalent-grant" && f["identity"]["name"] == "id-canary-land-prod"
    };
    let fingerprint =
        findings["findings"].as_array().unwrap().iter().find(owner).unwrap()["fingerprint"].clone();
    let waiver = |id: &str, target: &str| {
        format!(
            "[[waiver]]\nid = \"{id}\"\nrules = [\"owner-equivalent-grant\"]\ntarget = {{ {target} }}\ncategory = \"waiver\"\nreason = \"the canary will get less\"\nrequested_by = \"canary keeper\"\napproved_by = \"canary board\"\napproved_on = 2026-05-20\nexpires = 2026-08-01\n"
        )
    };
    let waivers = [
        waiver("EX-1001", &format!("fingerprint = {fingerprint}")),
        waiver("EX-1002", "identity = \"id-canR*\""),
    ];
    write(&dir.join("leastwise-waivers.toml"), waivers.concat());
    let more = ["bundle", "--arm-export", "in", "--seed", "canary", "-ocanary"];
    ok(&dir, &[&BUILD[..5], &["--mask-salt", "salt"], &more[1..5], &["-ocanary"]].concat()[..]);
    let bundle = dir.join("canary");
    let word = fingerprint.as_str().unwrap();
    nothing_of(&["canar", "c0ffee", "612 345", word], &bundle);
    let manifest = json(&bundle.join("manifest.json"));
    assert_eq!(manifest["masked"]["differs"], serde_json::json!([]));
    assert_eq!(json(&bundle.join("findings.json"))["coverage"]["counts"]["identities"], 304);
    ok(&dir, &["evidence", "verify", "canary", "--replay"]);
}
