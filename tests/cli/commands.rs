//! The other commands as their users run them, and the documents that are made from the program.

use crate::support::{folder, run};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn can_says_through_what() {
    let dir = folder("can");
    let text = run(&dir, &["can", "id-crm-installer-prod-weu", "--demo"]);
    assert!(text.out.contains("Owner on subscription /subscriptions/"), "{}", text.out);
    assert!(text.out.contains("through /subscriptions/") && text.out.contains("/roleAssignments/"));
    let group = run(&dir, &["can", "id-lab-runner-prod-weu", "--demo"]);
    assert!(group.out.contains("group grp-lab-runners > grp-lab-admins"), "{}", group.out);
    let sheet = run(&dir, &["can", "id-pay-common-dev-weu", "--demo", "--format", "markdown"]);
    for part in [
        "# id-pay-common-dev-weu",
        "## Grants (1)",
        "## Hosts and dependants (2)",
        "## Federations (0)",
        "## Findings (",
    ] {
        assert!(sheet.out.contains(part), "{part}: {}", sheet.out);
    }
    let nobody = run(&dir, &["can", "nobody", "--demo"]);
    assert!(nobody.code == 2 && nobody.err.contains("no identity `nobody`"));
}

#[test]
fn who_can_says_through_what() {
    let dir = folder("who-can");
    let action = "Microsoft.Authorization/roleAssignments/write";
    let ran = run(&dir, &["who-can", action, "--on", "sub-crm-prod", "--demo"]);
    assert!(
        ran.out.contains("id-crm-installer-prod-weu") && ran.out.contains("through Owner on"),
        "{}",
        ran.out
    );
    let below = run(&dir, &["who-can", "Microsoft.Web/sites/write", "--on", "sub-lab-prod", "--demo"]);
    assert!(below.out.contains("via group grp-lab-runners > grp-lab-admins"), "{}", below.out);
    assert_eq!(run(&dir, &["who-can", "a/*", "--demo"]).code, 2);
    let secret = "Microsoft.KeyVault/vaults/secrets/getSecret/action";
    let wrong = run(&dir, &["who-can", secret, "--demo"]);
    assert!(wrong.code == 2 && wrong.err.contains("add --data"), "{}", wrong.err);
    let estate = leastwise::sources::demo::estate();
    let vault = estate.vaults.iter().find(|v| !v.uses_roles).unwrap();
    let vault = run(&dir, &["who-can", secret, "--data", "--demo", "--on", estate.strings.text(vault.id)]);
    assert!(
        vault.out.contains("id-erp-ledger-prod-weu") && vault.out.contains("through an access policy of"),
        "{}",
        vault.out
    );
    let anywhere = run(&dir, &["who-can", action, "--demo"]);
    assert!(anywhere.out.contains("conditional  id-web-granter-prod-weu"), "{}", anywhere.out);
    assert!(anywhere.out.contains("through Owner on"), "{}", anywhere.out);
    let anywhere = run(&dir, &["who-can", "Microsoft.Web/sites/write", "--demo"]);
    assert!(anywhere.out.contains("via group grp-lab-runners > grp-lab-admins"), "{}", anywhere.out);
    // Of another tenant, through a delegation.
    let metrics = run(&dir, &["who-can", "Microsoft.Insights/metrics/read", "--demo", "--on", "sub-erp-dev"]);
    assert!(
        metrics.out.contains("Fabrikam operators") && metrics.out.contains("by Lighthouse"),
        "{}",
        metrics.out
    );
    let elsewhere =
        run(&dir, &["who-can", "Microsoft.Insights/metrics/read", "--demo", "--on", "sub-crm-prod"]);
    assert!(!elsewhere.out.contains("Fabrikam"), "{}", elsewhere.out);
    let typo = run(&dir, &["who-can", "Microsoft.Web/sites/wrte", "--demo", "-q"]);
    assert!(typo.err.contains("is it `microsoft.web/sites/write`?"), "{}", typo.err);
    let typo = run(&dir, &["who-can", "Microsoft.Web/sites/write", "--demo", "--on", "sub-erp-dve"]);
    assert!(typo.code == 2 && typo.err.contains("is it `sub-erp-dev`?"), "{}", typo.err);
    let other = run(&dir, &["can", "id-erp-archive-prod-weu", "--demo"]);
    assert!(other.out.contains("app-role: User.Read.All on Microsoft Graph"), "{}", other.out);
}

#[test]
fn roles_answer_alone_and_in_batches() {
    let dir = folder("roles");
    let check = |args: &[&str]| run(&dir, &[&["roles", "check"], args].concat()).out.trim().to_owned();
    assert_eq!(check(&["Owner", "Microsoft.Authorization/roleAssignments/write"]), "allow");
    assert_eq!(check(&["contributor", "Microsoft.Authorization/roleAssignments/write"]), "deny");
    assert_eq!(
        check(&["Key Vault Data Access Administrator", "Microsoft.Authorization/roleAssignments/write"]),
        "conditional"
    );
    assert_eq!(
        check(&["Key Vault Secrets User", "Microsoft.KeyVault/vaults/secrets/getSecret/action", "--data"]),
        "allow"
    );
    assert_eq!(check(&["Azure AI User", "Microsoft.Web/sites/write"]), "deny");
    let mut child = Command::new(env!("CARGO_BIN_EXE_leastwise"))
        .args(["roles", "check", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = "f1a07417-d97a-45cb-824c-7a7467783830\tcontrol\tMicrosoft.ManagedIdentity/userAssignedIdentities/assign/action\n8e3af657-a8ff-443c-a75c-2fe8c4bcb635\tdata\tMICROSOFT.Web/sites/x \n";
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let out = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let expected: String = lines.lines().zip(["allow", "deny"]).map(|(l, a)| format!("{l}\t{a}\n")).collect();
    assert_eq!(out, expected);
}

#[test]
fn every_command_shows_an_example() {
    let dir = folder("help");
    for command in [
        &["audit"][..],
        &["can"],
        &["who-can"],
        &["roles", "show"],
        &["roles", "check"],
        &["rules", "list"],
        &["rules", "show"],
        &["rules", "test"],
        &["explain"],
        &["schema"],
        &["init"],
        &["catalog", "info"],
        &["catalog", "update"],
        &["completions"],
        &["man"],
    ] {
        let ran = run(&dir, &[command, &["--help"]].concat());
        assert!(ran.code == 0 && ran.out.contains("Example"), "{command:?}: {}", ran.out);
    }
}

#[test]
fn small_commands_do_what_they_say() {
    let dir = folder("small");
    assert!(run(&dir, &["explain", "shared-identity"]).out.contains("## What it flags"));
    assert!(run(&dir, &["rules", "list"]).out.contains("owner-equivalent-grant"));
    assert!(run(&dir, &["roles", "show", "Owner"]).out.contains("  + *\n"));
    assert!(run(&dir, &["catalog", "info"]).out.contains("built-in roles 967"));
    assert!(run(&dir, &["completions", "bash"]).out.contains("leastwise"));
    for name in ["findings", "snapshot", "config", "rule", "waivers"] {
        let schema = run(&dir, &["schema", name]).out;
        assert!(serde_json::from_str::<serde_json::Value>(&schema).is_ok(), "{name}");
    }
    assert_eq!(run(&dir, &["schema", "nothing"]).code, 2);
    // The folder is made.
    assert_eq!(run(&dir, &["man", "share/man"]).code, 0);
    assert!(dir.join("share/man/leastwise-who-can.1").is_file());
    assert_eq!(run(&dir, &["init", "--demo"]).code, 0);
    assert!(
        fs::read_to_string(dir.join("leastwise.toml")).unwrap().contains("identity = \"id-{workload}-{env}")
    );
    assert_eq!(run(&dir, &["init"]).code, 2);
    assert_eq!(run(&dir, &["audit", "--snapshot", "x", "--demo"]).code, 2);
}

#[test]
fn a_catalogue_of_ones_own_is_used_and_checked() {
    let dir = folder("catalog");
    crate::support::write(
        &dir.join("roles.json"),
        r#"[{"name":"00000000-0000-0000-0000-000000000001","roleName":"Mine","roleType":"BuiltInRole","permissions":[{"actions":["*"]}]}]"#,
    );
    crate::support::write(&dir.join("ops.tsv"), "A.B/c/read\tA\n");
    assert_eq!(
        run(&dir, &["catalog", "update", "roles.json", "ops.tsv", "--date", "2026-01-01", "-o", "c.txt"])
            .code,
        0
    );
    assert_eq!(run(&dir, &["--catalog", "c.txt", "roles", "check", "Mine", "a.b/c/read"]).out, "allow\n");
    let text = fs::read_to_string(dir.join("c.txt")).unwrap();
    crate::support::write(&dir.join("c.txt"), text.replace("Mine", "Theirs"));
    let ran = run(&dir, &["--catalog", "c.txt", "catalog", "info"]);
    assert!(ran.code == 2 && ran.err.contains("changed by hand"), "{}", ran.err);
}

/// `UPDATE_DOCS=1 cargo test --test cli` writes them anew.
#[test]
fn the_pages_of_the_rules_are_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = folder("docs");
    assert_eq!(run(&dir, &["rules", "docs", "."]).code, 0);
    let kept = root.join("docs/rules");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(&kept).unwrap();
        assert_eq!(run(&kept, &["rules", "docs", "."]).code, 0);
    }
    let list = |path: &Path| {
        let mut names: Vec<String> = fs::read_dir(path)
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(list(&dir), list(&kept), "run UPDATE_DOCS=1 cargo test --test cli");
    for name in list(&dir) {
        let (made, found) =
            (fs::read_to_string(dir.join(&name)).unwrap(), fs::read_to_string(kept.join(&name)).unwrap());
        assert_eq!(made, found, "{name} is stale: run UPDATE_DOCS=1 cargo test --test cli");
    }
}

#[test]
fn the_readme_shows_what_the_demo_finds() {
    let dir = folder("commands-readme");
    let ran = run(&dir, &["audit", "--demo", "-o", "out"]);
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let line = readme.lines().find(|l| l.starts_with("verdict ")).unwrap();
    let (head, tail) = line.split_once("\u{2026} ").unwrap();
    let told =
        [&ran.out, &ran.err].into_iter().flat_map(|t| t.lines()).find(|l| l.starts_with("verdict ")).unwrap();
    assert!(told.starts_with(head.trim_end()) && told.ends_with(tail), "README.md: {line}\ndemo: {told}");
}

/// What `-o` names is a file: a link is followed, a pipe is not made into one.
#[cfg(unix)]
#[test]
fn links_are_followed_and_pipes_are_left_alone() {
    let dir = folder("targets");
    let simulate = |to: &str| run(&dir, &["simulate", "--subscriptions", "1", "--seed", "1", "-o", to]);
    fs::write(dir.join("real.lwsnap"), "").unwrap();
    std::os::unix::fs::symlink("real.lwsnap", dir.join("link.lwsnap")).unwrap();
    assert_eq!(simulate("link.lwsnap").code, 0);
    assert!(std::fs::symlink_metadata(dir.join("link.lwsnap")).unwrap().is_symlink());
    assert!(std::fs::metadata(dir.join("real.lwsnap")).unwrap().len() > 0);
    let made = std::process::Command::new("mkfifo").arg(dir.join("pipe")).status();
    if made.is_ok_and(|status| status.success()) {
        let ran = simulate("pipe");
        assert!(ran.code == 2 && ran.err.contains("no file that can be written anew"), "{}", ran.err);
        assert!(!std::fs::metadata(dir.join("pipe")).unwrap().is_file());
    }
}
