//! The collector against a simulated Azure over a real socket, faults included.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod prove;
mod server;

use leastwise::sources::simulate;
use prove::{collect, command, compare, folder};
use server::faults::Faults;
use server::truth::{Truth, sections, text};
use server::{Server, Settings, TOKEN};
use std::sync::atomic::Ordering;
use std::time::Duration;

fn demo() -> Truth {
    Truth::of(&leastwise::sources::demo::estate())
}

#[test]
fn a_quiet_azure_is_read_whole() {
    let server = Server::start(demo(), Settings { page: 7, ..Settings::default() });
    let dir = folder("azure-quiet");
    let ran = collect(&server, &dir, &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let difference = compare(&demo(), &dir.join("tenant.lwsnap"));
    assert!(difference.is_empty(), "{difference:#?}\n{}", ran.err);
    assert_eq!(server.seen().writes.load(Ordering::SeqCst), 0);
    assert!(!dir.join("tenant.lwsnap.partial").exists());
    let (coverage, _) = said(&dir.join("tenant.lwsnap"));
    for (source, extent) in coverage.as_object().unwrap() {
        // Whoever is not in the report of sign-ins may have signed in all the same.
        let expected = if source == "sign-ins" { "partial" } else { "complete" };
        assert_eq!(extent, expected, "{source}");
    }
    // The same by the main job, without a snapshot between.
    let live = command(&server, &dir, &["audit", "-o", "live", "--as-of", "2026-06-01T08:00:00Z"]);
    assert_eq!(live.code, 0, "{}", live.err);
    let from = ["audit", "--snapshot", "tenant.lwsnap", "-o", "kept", "--as-of", "2026-06-01T08:00:00Z"];
    let kept = command(&server, &dir, &from);
    assert_eq!(kept.code, 2, "options for live Azure do not go with a snapshot");
    let kept = prove::bare(&dir, &from);
    assert_eq!(kept.code, 0, "{}", kept.err);
    let findings = |name: &str| std::fs::read_to_string(dir.join(name).join("findings.csv")).unwrap();
    let without_time = |text: String| text.replace(",2026-", ",").lines().count();
    assert_eq!(without_time(findings("live")), without_time(findings("kept")));
}

#[test]
fn every_way_to_azure_gives_the_same() {
    for via in ["arm", "graph"] {
        let server = Server::start(demo(), Settings { page: 50, ..Settings::default() });
        let dir = folder(&format!("azure-via-{via}"));
        let ran = collect(&server, &dir, &["--via", via]);
        assert_eq!(ran.code, 0, "{via}: {}", ran.err);
        let difference = compare(&demo(), &dir.join("tenant.lwsnap"));
        let difference: Vec<&String> = difference
            .iter()
            // Resource Manager's list of resources has no properties, and the snapshot says so.
            .filter(|d| via != "arm" || !(d.contains("from resources ") || d.contains("truth's resources")))
            .collect();
        assert!(difference.is_empty(), "{via}: {difference:#?}\n{}", ran.err);
        let (coverage, _) = said(&dir.join("tenant.lwsnap"));
        for (source, extent) in coverage.as_object().unwrap() {
            let partial = source == "sign-ins" || (via == "arm" && source == "resources");
            assert_eq!(extent, if partial { "partial" } else { "complete" }, "{via} {source}");
        }
        let sections = sections(&std::fs::read(dir.join("tenant.lwsnap")).unwrap());
        let vaults = sections["resources"].iter().filter(|r| r["properties"]["accessPolicies"].is_array());
        assert_eq!(
            vaults.count() + sections.get("vaults").map_or(0, Vec::len),
            leastwise::sources::demo::estate().vaults.len()
        );
    }
}

/// The client that Microsoft generates, which knows nothing of ours, brings the same from the same Azure. It lacks what
/// a deny assignment does instead of denying (`denyAssignmentEffect`), which its models do not know.
#[cfg(feature = "azure-mgmt")]
#[test]
fn the_generated_client_brings_the_same() {
    let size = simulate::Size { subscriptions: 4, assignments: 40, identities: 6, resources: 6, vaults: 1 };
    for (name, truth) in [("demo", demo()), ("made-up", Truth::of(&simulate::estate(&size, 5)))] {
        let faults = Faults { seed: 9, passing: 200, forbidden: 0, foreign: 0 };
        let server = Server::start(truth.clone(), Settings { page: 11, faults, ..Settings::default() });
        let dir = folder(&format!("azure-generated-{name}"));
        let read = |more: &[&str]| {
            let ran = collect(&server, &dir, more);
            assert_eq!(ran.code, 0, "{name}: {}", ran.err);
            let difference = compare(&truth, &dir.join("tenant.lwsnap"));
            assert!(difference.is_empty(), "{name}: {difference:#?}");
            let mut all = sections(&std::fs::read(dir.join("tenant.lwsnap")).unwrap());
            for deny in all.get_mut("deny-assignments").into_iter().flatten() {
                deny["properties"].as_object_mut().unwrap().remove("denyAssignmentEffect");
            }
            all
        };
        let ours = read(&[]);
        let generated = read(&["--generated-client"]);
        for (section, records) in ours {
            // Faults spell ids in another case, at times.
            let line = |r: &serde_json::Value| r.to_string().to_ascii_lowercase();
            let there: Vec<String> = generated.get(&section).into_iter().flatten().map(line).collect();
            for (here, there) in records.iter().map(line).zip(&there) {
                assert_eq!(&here, there, "{name}: {section}");
            }
            assert_eq!(records.len(), there.len(), "{name}: {section}");
        }
    }
}

#[test]
fn what_is_left_out_is_said() {
    let server = Server::start(demo(), Settings::default());
    let dir = folder("azure-skip");
    let ran = collect(&server, &dir, &["--skip", "federated-credentials", "--skip", "sign-ins"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let (coverage, gaps) = said(&dir.join("tenant.lwsnap"));
    assert_eq!(
        (coverage["federated-credentials"].as_str(), coverage["sign-ins"].as_str()),
        (Some("absent"), Some("absent"))
    );
    assert!(gaps.concat().contains("left out by --skip"), "{gaps:?}");
    let ran = collect(&server, &dir, &["--skip", "role-assignments"]);
    assert!(ran.code == 2 && ran.err.contains("expected one of federated-credentials"), "{}", ran.err);
}

#[test]
fn a_part_of_the_tenant_says_that_it_is_one() {
    let server = Server::start(demo(), Settings::default());
    let dir = folder("azure-part");
    let ran = collect(&server, &dir, &["--subscription", "sub-erp-prod"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = prove::bare(&dir, &["audit", "--snapshot", "tenant.lwsnap", "--format", "json"]);
    assert!(
        ran.out.contains("tenant.lwsnap (1 subscription(s): only sub-erp-prod)"),
        "{}",
        ran.out.get(..400).unwrap()
    );
}

#[test]
fn a_token_is_seen_nowhere_but_by_azure() {
    let faults = Faults { seed: 3, passing: 300, forbidden: 30, foreign: 30 };
    let server = Server::start(demo(), Settings { page: 9, faults, ..Settings::default() });
    let dir = folder("azure-token");
    server.seen().stop_after.store(150, Ordering::SeqCst);
    let ran = prove::collect_and_kill(&server, &dir);
    let mut seen: Vec<Vec<u8>> = vec![ran.err.into_bytes()];
    let partial = dir.join("tenant.lwsnap.partial");
    seen.extend(std::fs::read_dir(&partial).unwrap().map(|e| std::fs::read(e.unwrap().path()).unwrap()));
    server.seen().stop_after.store(u64::MAX, Ordering::SeqCst);
    let ran = collect(&server, &dir, &["-v", "--log-format", "json"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    seen.push(ran.err.into_bytes());
    seen.push(zstd::decode_all(std::fs::read(dir.join("tenant.lwsnap")).unwrap().as_slice()).unwrap());
    for bytes in seen {
        assert!(!String::from_utf8_lossy(&bytes).contains(TOKEN));
    }
}

/// How many seeds; the example's `prove` runs as many as one likes.
fn seeds() -> u64 {
    std::env::var("LEASTWISE_TEST_SEEDS").ok().and_then(|v| v.parse().ok()).unwrap_or(50)
}

#[test]
fn under_faults_the_snapshot_is_the_truth_or_says_what_is_missing() {
    let size = simulate::Size { subscriptions: 6, assignments: 30, identities: 12, resources: 12, vaults: 2 };
    let truths = [demo(), Truth::of(&simulate::estate(&size, 1))];
    for seed in 0..seeds() {
        prove::seed(&truths[usize::try_from(seed / 2 % 2).unwrap()], seed);
    }
}

#[test]
fn grants_that_are_made_when_asked_for_arrive_as_those_that_are_held() {
    // What the measurement of large tenants rests on.
    let size = simulate::Size { subscriptions: 3, assignments: 20, identities: 6, resources: 6, vaults: 1 };
    let truth = Truth::of(&simulate::estate(&size, 1)).copied(4);
    let server = Server::start(truth.clone(), Settings { page: 30, ..Settings::default() });
    let dir = folder("azure-copies");
    assert_eq!(collect(&server, &dir, &["--via", "arm"]).code, 0);
    let snapshot = dir.join("tenant.lwsnap");
    assert_eq!(compare(&truth, &snapshot), Vec::<String>::new());
    // One copy more or less would show.
    assert_eq!(compare(&truth.copied(5), &snapshot).len(), 1);
}

#[test]
fn a_killed_run_goes_on_and_ends_as_if_undisturbed() {
    let server = Server::start(demo(), Settings { page: 11, ..Settings::default() });
    let dir = folder("azure-killed");
    let (whole, all) = prove::undisturbed(&server, &dir);
    // Near the end, but not so near that a run with fewer retries would be over before.
    for kill in [1, all / 10, all / 3, all / 2, all - all / 20] {
        let asked = prove::kill_and_resume(&server, &dir, kill, &whole);
        assert!(asked <= all.saturating_sub(kill / 2) + 110, "{asked} requests after {kill} of {all}");
    }
}

#[test]
fn with_a_token_that_is_over_nothing_more_is_asked() {
    let server = Server::start(demo(), Settings { page: 11, ..Settings::default() });
    let dir = folder("azure-over");
    let (whole, all) = prove::undisturbed(&server, &dir);
    let (seen, kept) = (server.seen(), dir.join("tenant.lwsnap"));
    std::fs::remove_file(&kept).unwrap();
    seen.expires_after.store(all + all / 4, Ordering::SeqCst);
    let ran = collect(&server, &dir, &[]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.err.contains("ExpiredAuthenticationToken"), "{}", ran.err);
    // A hundred are under way at once, each is repeated once; the directory is asked on.
    let asked = seen.requests.load(Ordering::SeqCst) - all;
    assert!(
        asked < all / 4 + 2 * 100 + 80,
        "{asked} requests, where the token was over after {} of {all}",
        all / 4
    );
    seen.expires_after.store(u64::MAX, Ordering::SeqCst);
    let ran = collect(&server, &dir, &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(prove::records(&kept) == whole, "the records differ");
}

#[test]
fn a_next_page_elsewhere_gets_no_token() {
    let faults = Faults { seed: 1, passing: 0, forbidden: 0, foreign: 1000 };
    let server = Server::start(demo(), Settings { faults, ..Settings::default() });
    let dir = folder("azure-foreign");
    let ran = collect(&server, &dir, &[]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.err.contains("where no token is sent"), "{}", ran.err);
}

#[test]
fn one_subscription_brings_what_it_inherits() {
    let truth = demo();
    let id = text(&truth.section("subscriptions")[3], &["id"]).rsplit('/').next().unwrap().to_owned();
    let server = Server::start(truth.clone(), Settings::default());
    let dir = folder("azure-scoped");
    let ran = collect(&server, &dir, &["--subscription", &id]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let got = sections(&std::fs::read(dir.join("tenant.lwsnap")).unwrap());
    assert_eq!(got["subscriptions"].len(), 1);
    let at = |r: &serde_json::Value| text(r, &["properties", "scope"]).to_owned();
    let inside = truth.around("role-assignments", &format!("/subscriptions/{id}"), false).len();
    let groups = got["role-assignments"].iter().filter(|a| !at(a).starts_with("/subscriptions")).count();
    assert!(got["role-assignments"].len() >= inside && groups > 0);
    assert!(
        got["role-assignments"].iter().all(|a| !at(a).starts_with("/subscriptions") || at(a).contains(&id))
    );
    // Nothing is judged that lives elsewhere and holds nothing here.
    let holders: std::collections::BTreeSet<&str> =
        got["role-assignments"].iter().map(|a| text(a, &["properties", "principalId"])).collect();
    assert!(got["principals"].len() <= holders.len() + got["identities"].len() + got["resources"].len());
    assert_eq!(prove::bare(&dir, &["audit", "--snapshot", "tenant.lwsnap", "-o", "out"]).code, 0);
    let findings = std::fs::read_to_string(dir.join("out/findings.csv")).unwrap();
    assert!(!findings.contains("unassigned-custom-role"), "{findings}");
    assert!(findings.lines().count() < 60, "{} findings for one subscription", findings.lines().count());
    let ran = collect(&server, &dir, &["--subscription", "00000000-0000-0000-0000-00000000beef"]);
    assert_eq!(ran.code, 4, "{}", ran.err);
}

#[test]
fn a_subscription_that_appears_is_said() {
    let new = serde_json::json!({"id": "x", "subscriptionId": "0fa1d4c0-0000-4000-8000-0000000000aa", "state": "Enabled"});
    let server = Server::start(demo(), Settings { late: vec![new], ..Settings::default() });
    let dir = folder("azure-late");
    let ran = collect(&server, &dir, &[]);
    assert!(ran.err.contains("appeared while the tenant was read"), "{}", ran.err);
}

#[test]
fn every_credential_signs_in_with_its_own_proof() {
    let dir = folder("azure-credentials");
    let server = Server::start(demo(), Settings::default());
    let pair = |name: &'static str, value: &str| (name, value.to_owned());
    let who = [pair("AZURE_TENANT_ID", "tenant"), pair("AZURE_CLIENT_ID", "client")];
    std::fs::write(dir.join("federated"), "from-the-cluster").unwrap();
    let mut ways = vec![
        ("environment", vec![pair("AZURE_CLIENT_SECRET", "secret")], "client_secret=secret"),
        (
            "workload-identity",
            vec![pair("AZURE_FEDERATED_TOKEN_FILE", "federated")],
            "client_assertion=from-the-cluster",
        ),
        (
            "github",
            vec![
                pair("ACTIONS_ID_TOKEN_REQUEST_URL", &format!("{}/github?api-version=1", server.origin())),
                pair("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "runner"),
            ],
            "client_assertion=from-github",
        ),
    ];
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-days", "1"])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(&dir)
        .output();
    if made.is_ok_and(|o| o.status.success()) {
        let read = |name: &str| std::fs::read(dir.join(name)).unwrap();
        std::fs::write(dir.join("both.pem"), [read("key.pem"), read("certificate.pem")].concat()).unwrap();
        ways.push((
            "environment",
            vec![pair("AZURE_CLIENT_CERTIFICATE_PATH", "both.pem")],
            "client_assertion=ey",
        ));
    } else {
        eprintln!("skipped: there is no openssl to make a certificate with");
    }
    for (name, variables, proof) in ways {
        server.seen().proofs.lock().unwrap().clear();
        let variables = [who.as_slice(), &variables].concat();
        let args = ["collect", "-o", "x.lwsnap", "--credential", name, "--subscription", "sub-erp-prod"];
        let ran = prove::signed_in(&server, &dir, &args, &variables);
        assert_eq!(ran.code, 0, "{name}: {}", ran.err);
        let proofs = server.seen().proofs.lock().unwrap().clone();
        assert!(proofs.iter().any(|p| p.starts_with(proof)), "{name}: {proofs:?}");
        assert!(proofs.iter().any(|p| p == "client_id=client"), "{name}: {proofs:?}");
    }
    let odd = [who.as_slice(), &[pair("AZURE_CLIENT_CERTIFICATE_PATH", "authority.pem")]].concat();
    let ran =
        prove::signed_in(&server, &dir, &["collect", "-o", "x.lwsnap", "--credential", "environment"], &odd);
    assert!(ran.code == 4 && ran.err.contains("`authority.pem`: no key"), "{}", ran.err);
}

#[test]
fn without_a_token_or_a_network_nothing_is_written() {
    let dir = folder("azure-nothing");
    let ran = prove::bare(&dir, &["collect", "-o", "x.lwsnap", "--credential", "environment"]);
    assert_eq!(ran.code, 4, "{}", ran.err);
    assert!(
        ran.err.contains("AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH are not set"),
        "{}",
        ran.err
    );
    let server = Server::start(demo(), Settings::default());
    let ran = prove::with_token(&server, &dir, &["collect", "-o", "x.lwsnap"], "wrong");
    assert_eq!(ran.code, 4, "{}", ran.err);
    assert!(ran.err.contains("the token is not accepted"), "{}", ran.err);
    let at =
        ["--arm-endpoint", "--graph-endpoint", "--authority"].map(|o| [o, "https://localhost:1"]).concat();
    let args =
        [&["collect", "-o", "x.lwsnap", "--cloud", "custom", "--credential", "az"], at.as_slice()].concat();
    let ran = prove::bare(&dir, &args);
    assert!(
        ran.code == 4 && ran.err.contains("az not found on PATH") && !ran.err.contains('\u{fffd}'),
        "{}",
        ran.err
    );
    assert!(!dir.join("x.lwsnap").exists());
}

#[test]
fn the_doctor_says_what_would_be_missing() {
    let dir = folder("azure-doctor");
    let server = Server::start(demo(), Settings::default());
    let ran = command(&server, &dir, &["doctor"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(ran.out.contains("39 subscription(s)") && ran.out.contains("nothing is missing"), "{}", ran.out);
    let ran = command(&server, &dir, &["doctor", "--management-group", "corp"]);
    let there = ran.out.split_once(" subscription(s)").and_then(|(start, _)| start.rsplit(' ').next());
    let there: usize = there.unwrap().parse().unwrap();
    assert!(ran.code == 0 && (1..39).contains(&there), "{}{}", ran.out, ran.err);
    let ran = command(&server, &dir, &["doctor", "--management-group", "nobody"]);
    assert!(ran.code == 4 && ran.err.contains("sees no management group `nobody`"), "{}", ran.err);
    // A third of all addresses is forbidden.
    let faults = Faults { seed: 2, passing: 0, forbidden: 333, foreign: 0 };
    let server = Server::start(demo(), Settings { faults, ..Settings::default() });
    let ran = command(&server, &dir, &["doctor"]);
    assert_eq!(ran.code, 3, "{}", ran.out);
    for line in ["incomplete  role-assignments", "owner-equivalent-grant", "--role Reader --scope", "and "] {
        assert!(ran.out.contains(line), "{line}: {}", ran.out);
    }
    let nobody = ["doctor", "--subscription", "00000000-0000-0000-0000-00000000beef"];
    assert_eq!(command(&server, &dir, &nobody).code, 4);
    std::fs::write(dir.join("words.pem"), "hello").unwrap();
    let ran = prove::bare(&dir, &["doctor", "--credential", "az", "--ca-bundle", "words.pem"]);
    assert!(ran.code == 2 && ran.err.contains("`words.pem`"), "{}", ran.err);
    let ran = prove::bare(&dir, &["doctor", "--role-json", "--tenant", "t"]);
    assert_eq!(ran.code, 0);
    let role: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(role["AssignableScopes"][0], "/providers/Microsoft.Management/managementGroups/t");
}

#[test]
fn a_catalogue_is_made_from_the_live_tenant() {
    let dir = folder("azure-catalogue");
    let server = Server::start(demo(), Settings::default());
    let ran = command(&server, &dir, &["catalog", "update", "-o", "catalog.txt", "--date", "2026-11-25"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = prove::bare(&dir, &["--catalog", "catalog.txt", "roles", "show", "Simulated Reader"]);
    assert!(ran.code == 0 && ran.out.contains("+ */read"), "{}{}", ran.out, ran.err);
    let text = std::fs::read_to_string(dir.join("catalog.txt")).unwrap();
    assert!(text.contains("Contoso.New/things"), "{text}");
}

#[test]
fn a_cloud_that_lags_and_a_tenant_without_licence_are_read_as_far_as_they_go() {
    let dir = folder("azure-lags");
    let server = Server::start(demo(), Settings { lags: true, unlicensed: true, ..Settings::default() });
    let ran = collect(&server, &dir, &[]);
    // What an older version lacks could hide something; what needs a licence that is not there is not there either.
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.err.contains("which lacks whether a deny assignment only audits"), "{}", ran.err);
    assert!(!ran.err.contains("AadPremiumLicenseRequired"), "{}", ran.err);
    let difference = compare(&demo(), &dir.join("tenant.lwsnap"));
    assert!(difference.is_empty(), "{difference:#?}");
    let got = sections(&std::fs::read(dir.join("tenant.lwsnap")).unwrap());
    assert_eq!(got["identities"].len(), demo().section("identities").len());
    assert_eq!(got["federated-credentials"].len(), demo().section("federated-credentials").len());
}

/// What a snapshot says of itself: extents by source, and gaps as `source reason detail`.
fn said(path: &std::path::Path) -> (serde_json::Value, Vec<String>) {
    let packed = std::fs::read(path).unwrap();
    let lines = zstd::decode_all(packed.as_slice()).unwrap();
    let first: serde_json::Value =
        serde_json::from_slice(lines.split(|b| *b == b'\n').next().unwrap()).unwrap();
    let gaps = sections(&packed).remove("gaps").unwrap_or_default();
    let line = |g: &serde_json::Value| {
        format!("{} {} {}", text(g, &["source"]), text(g, &["reason"]), text(g, &["detail"]))
    };
    (first["coverage"].clone(), gaps.iter().map(line).collect())
}

#[test]
fn items_that_are_none_of_what_was_asked_for_are_missing_from_it() {
    type Alter = fn(&server::routes::Request, String) -> String;
    let cases: [(&str, Alter); 5] = [
        ("role-assignments", |request, body| {
            let list = request.path.ends_with("/roleAssignments");
            if list {
                body.replacen("\"value\":[", "\"value\":[null,5,{},{\"properties\":{}},", 1)
            } else {
                body
            }
        }),
        ("role-assignments", |request, body| {
            let list = request.path.ends_with("/roleAssignments");
            if list { body.replacen("\"value\":[", "\"value\":[{\"id\":5},", 1) } else { body }
        }),
        ("resources", |request, body| {
            let list = request.body.contains("resources | where");
            if list { body.replacen("\"totalRecords\":", "\"totalRecords\":1", 1) } else { body }
        }),
        ("principals", |request, body| {
            let list = request.path.ends_with("/servicePrincipals");
            if list { body.replacen("\"value\":[", "\"value\":[{\"appId\":\"x\"},", 1) } else { body }
        }),
        ("groups", |request, body| {
            let batch = request.path.ends_with("$batch");
            if batch { body.replace("{\"value\":[", "{\"values\":[") } else { body }
        }),
    ];
    for (n, (source, alter)) in cases.into_iter().enumerate() {
        let dir = folder(&format!("azure-odd-{n}"));
        let server = Server::start(demo(), Settings { alter, ..Settings::default() });
        let ran = collect(&server, &dir, &[]);
        assert_eq!(ran.code, 3, "case {n}: {}", ran.err);
        let (coverage, gaps) = said(&dir.join("tenant.lwsnap"));
        assert_ne!(coverage[source], "complete", "case {n}: {gaps:?}");
        assert!(gaps.iter().any(|g| g.starts_with(source)), "case {n}: {gaps:?}");
    }
}

/// The same bytes in many lists are no record that was read before, if they were none.
#[test]
fn what_no_list_could_read_is_told_for_each() {
    let alter: fn(&server::routes::Request, String) -> String = |request, body| {
        let list = request.path.ends_with("/roleAssignments");
        if list { body.replacen("\"value\":[", "\"value\":[{},", 1) } else { body }
    };
    let dir = folder("azure-odd-everywhere");
    let server = Server::start(demo(), Settings { alter, ..Settings::default() });
    assert_eq!(collect(&server, &dir, &["--via", "arm"]).code, 3);
    let packed = std::fs::read(dir.join("tenant.lwsnap")).unwrap();
    let gaps = sections(&packed).remove("gaps").unwrap();
    let broken = gaps.iter().filter(|g| text(g, &["source"]) == "role-assignments");
    let broken = broken.filter(|g| text(g, &["reason"]) == "unparsed");
    let scopes: std::collections::BTreeSet<&str> = broken.map(|g| text(g, &["scope"])).collect();
    assert_eq!(
        scopes.len(),
        demo().section("subscriptions").len() + demo().section("management-groups").len()
    );
}

#[test]
fn a_subscription_of_another_tenant_is_none_of_this_one() {
    let alter: fn(&server::routes::Request, String) -> String = |request, body| {
        if request.path != "/subscriptions" {
            return body;
        }
        let mut all: serde_json::Value = serde_json::from_str(&body).unwrap();
        all["value"][0]["tenantId"] = "00000000-0000-4000-8000-00000000ffff".into();
        all.to_string()
    };
    let dir = folder("azure-delegated");
    let truth = demo();
    let server = Server::start(truth.clone(), Settings { alter, page: 500, ..Settings::default() });
    let tenant = text(&truth.section("subscriptions")[0], &["tenantId"]).to_owned();
    let ran = collect(&server, &dir, &["--tenant", &tenant]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let packed = std::fs::read(dir.join("tenant.lwsnap")).unwrap();
    let got = sections(&packed);
    let ids = |of: &[serde_json::Value]| {
        of.iter().map(|s| text(s, &["id"]).to_owned()).collect::<std::collections::BTreeSet<_>>()
    };
    let all = ids(truth.section("subscriptions"));
    let gone: Vec<String> = all.difference(&ids(&got["subscriptions"])).cloned().collect();
    let [gone] = gone.as_slice() else { panic!("{gone:?}") };
    for section in ["resource-groups", "resources", "identities"] {
        assert!(got[section].iter().all(|r| !text(r, &["id"]).contains(gone.as_str())), "{section}");
    }
    let first = zstd::decode_all(packed.as_slice()).unwrap();
    let first = String::from_utf8_lossy(first.split(|b| *b == b'\n').next().unwrap()).into_owned();
    assert!(first.contains(&format!("only of tenant {tenant}")), "{first}");
}

#[test]
fn one_token_reads_its_half_again_and_again() {
    let dir = folder("azure-half");
    let server = Server::start(demo(), Settings::default());
    for _ in 0..2 {
        let arm = ("LEASTWISE_ARM_TOKEN", TOKEN.to_owned());
        let ran = prove::signed_in(&server, &dir, &["collect", "-o", "tenant.lwsnap"], &[arm]);
        assert_eq!(ran.code, 3, "{}", ran.err);
        assert!(ran.err.contains("LEASTWISE_GRAPH_TOKEN is not set"), "{}", ran.err);
        assert!(!dir.join("tenant.lwsnap.partial").exists());
    }
}

#[test]
fn a_service_principal_without_a_type_is_one_all_the_same() {
    let dir = folder("azure-typeless");
    let alter = |request: &server::routes::Request, body: String| {
        let list = request.path.ends_with("/servicePrincipals");
        if list {
            body.replace("\"servicePrincipalType\":\"ManagedIdentity\"", "\"servicePrincipalType\":null")
        } else {
            body
        }
    };
    let server = Server::start(demo(), Settings { alter, ..Settings::default() });
    let ran = collect(&server, &dir, &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let got = sections(&std::fs::read(dir.join("tenant.lwsnap")).unwrap());
    assert_eq!(got["principals"].len(), demo().service_principals().count());
}

#[test]
fn what_was_refused_before_a_kill_is_refused_after_it() {
    let dir = folder("azure-refused");
    let alter = |request: &server::routes::Request, body: String| {
        let batch = request.path.ends_with("$batch");
        if batch { body.replace("\"status\":200", "\"status\":403") } else { body }
    };
    let server = Server::start(demo(), Settings { alter, ..Settings::default() });
    let ran = collect(&server, &dir, &[]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    let undisturbed = said(&dir.join("tenant.lwsnap"));
    assert_eq!(undisturbed.0["groups"], "absent");
    std::fs::remove_file(dir.join("tenant.lwsnap")).unwrap();
    let all = server.seen().requests.load(Ordering::SeqCst);
    server.seen().stop_after.store(all * 2 - 3, Ordering::SeqCst);
    prove::collect_and_kill(&server, &dir);
    server.seen().stop_after.store(u64::MAX, Ordering::SeqCst);
    let ran = collect(&server, &dir, &[]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert_eq!(said(&dir.join("tenant.lwsnap")), undisturbed);
}

#[test]
fn two_runs_on_one_file_do_not_meet() {
    let dir = folder("azure-two");
    let server = Server::start(demo(), Settings::default());
    server.seen().stop_after.store(100, Ordering::SeqCst);
    let first = prove::collect_while(&server, &dir, || {
        let second = collect(&server, &dir, &[]);
        assert_eq!(second.code, 2, "{}", second.err);
        assert!(second.err.contains("another run is using it"), "{}", second.err);
    });
    assert!(!dir.join("tenant.lwsnap").exists(), "{}", first.err);
}

#[test]
fn quotas_are_kept() {
    // A bucket of fifteen queries: the collector waits instead of being told to.
    let settings = Settings { page: 3, latency: Duration::from_millis(200), ..Settings::default() };
    let server = Server::start(demo(), settings);
    let dir = folder("azure-quota");
    let ran = collect(&server, &dir, &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.memory < 200 << 10, "{} KiB", ran.memory);
    let (asked, refused) =
        (server.seen().requests.load(Ordering::SeqCst), server.seen().throttled.load(Ordering::SeqCst));
    assert!(refused * 20 <= asked, "{refused} of {asked} requests were over the quota");
}
