//! Whose policy a change is judged by: the base branch's, and what comments may accept.

use crate::support::{Ran, checkout, folder, json, run, write};
use std::path::{Path, PathBuf};
use std::process::Command;

const GRANT: &str = "resource \"azurerm_role_assignment\" \"a\" {
  scope                = \"/subscriptions/11111111-2222-4333-8444-000000000001/resourceGroups/rg\"
  role_definition_name = \"Owner\"
  principal_id         = \"11111111-2222-4333-8444-000000000002\"
}
";
const INLINE: &str = "[waivers]\ninline = { max_severity = \"high\", max_days = 90 }\n";
const COMMENT: &str =
    "# leastwise: allow owner-equivalent-grant until 2026-08-01 because it is replaced in the next release\n";
const WAIVER: &str = "[[waiver]]
id = \"W-1\"
rules = [\"owner-equivalent-grant\"]
target = { role = \"Owner\" }
category = \"waiver\"
reason = \"it is replaced in the next release\"
requested_by = \"ann\"
approved_by = \"bob\"
approved_on = 2026-05-01
expires = 2026-08-01
";

fn git(dir: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"];
    let ran =
        Command::new("git").current_dir(dir).env_clear().args(identity).args(arguments).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// A repository whose first commit holds some files.
fn repository(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let dir = folder(name);
    git(&dir, &["init", "-q"]);
    put(&dir, files);
    git(&dir, &["add", "-A"]);
    git(&dir, &["commit", "-q", "-m", "base"]);
    dir
}

fn put(dir: &Path, files: &[(&str, &str)]) {
    files.iter().for_each(|(path, text)| write(&dir.join(path), text));
}

fn check(dir: &Path, more: &[&str]) -> Ran {
    run(
        dir,
        &[&["check", "main.tf", "-o", "out", "--format", "json", "--as-of", "2026-06-01T00:00:00Z"], more]
            .concat(),
    )
}

/// What became of the one grant, and its message.
fn became(dir: &Path) -> (String, String) {
    let report = json(&dir.join("out/findings.json"));
    let all = report["findings"].as_array().unwrap();
    let found = all.iter().find(|f| f["rule"] == "owner-equivalent-grant").unwrap();
    (found["disposition"].as_str().unwrap().to_owned(), found["message"].as_str().unwrap().to_owned())
}

#[test]
fn comments_accept_what_the_configuration_lets_them() {
    let with_comment = format!("{COMMENT}{GRANT}");
    let late = with_comment.replace("2026-08-01", "2027-08-01");
    let ended = with_comment.replace("2026-08-01", "2026-05-01");
    let other = with_comment.replace("allow owner-equivalent-grant", "allow broad-write-scope");
    let typo = with_comment.replace("allow owner-equivalent-grant", "allow owner-equivalent");
    let text = GRANT.replace(
        "\"rg\"",
        "\"rg # leastwise: allow owner-equivalent-grant until 2026-08-01 because of this\"",
    );
    let critical = with_comment.replace("/resourceGroups/rg", "");
    for (case, config, code, expected, says) in [
        ("plain", INLINE, GRANT, "open", ""),
        ("held", INLINE, with_comment.as_str(), "waived", ""),
        ("off", "", with_comment.as_str(), "open", "is not configured"),
        ("late", INLINE, late.as_str(), "open", "90 days at most"),
        ("ended", INLINE, ended.as_str(), "open", "it ended on 2026-05-01"),
        ("other", INLINE, other.as_str(), "open", ""),
        ("typo", INLINE, typo.as_str(), "open", "waives `owner-equivalent`, which is no rule"),
        ("text", INLINE, text.as_str(), "open", ""),
        ("critical", INLINE, critical.as_str(), "open", "up to high"),
    ] {
        let dir =
            checkout(&format!("policy-inline-{case}"), &[("leastwise.toml", config), ("main.tf", code)]);
        let ran = check(&dir, &[]);
        let (disposition, message) = became(&dir);
        assert_eq!(
            (disposition.as_str(), ran.code),
            (expected, i32::from(expected == "open")),
            "{case}: {message}"
        );
        // One that is over is as overdue as one in the file of waivers.
        let overdue = check(&dir, &["--fail-on", "none", "--fail-overdue"]).code;
        assert_eq!(overdue, if case == "ended" { 6 } else { 0 }, "{case}");
        assert!(message.contains(says), "{case}: {message}");
    }
}

#[test]
fn the_base_branch_decides() {
    let dir = repository("policy-from", &[("leastwise.toml", INLINE), ("main.tf", "\n")]);
    // The change brings a grant, and three ways to get it accepted.
    put(&dir, &[("main.tf", GRANT)]);
    assert_eq!(check(&dir, &["--write-baseline", "known.json"]).code, 1);
    put(&dir, &[("main.tf", &format!("{COMMENT}{GRANT}")), ("leastwise-waivers.toml", WAIVER)]);
    for (more, expected) in [
        (vec![], "waived"),
        (vec!["--baseline", "known.json"], "waived"),
        (vec!["--policy-from", "main"], "open"),
        (vec!["--policy-from", "HEAD", "--baseline", "known.json"], "open"),
    ] {
        let ran = check(&dir, &more);
        assert_eq!(became(&dir).0, expected, "{more:?} {}", ran.err);
    }
    let report = json(&dir.join("out/findings.json"));
    let new: Vec<&str> =
        report["new_waivers"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
    assert!(new.iter().any(|w| w.contains("`W-1` for owner-equivalent-grant until 2026-08-01")), "{new:?}");
    assert!(new.iter().any(|w| w.contains("the baseline has")), "{new:?}");
    assert!(new.iter().any(|w| w.contains("main.tf:1")), "{new:?}");
    let comment = run(&dir, &["check", "main.tf", "--policy-from", "main", "--format", "markdown"]).out;
    assert!(comment.find("New waivers in this change") < comment.find("| severity |"), "{comment}");
    // Once they are merged, they count.
    git(&dir, &["add", "-A"]);
    git(&dir, &["commit", "-q", "-m", "accept"]);
    let ran = check(&dir, &["--policy-from", "main"]);
    assert_eq!((became(&dir).0.as_str(), ran.code), ("waived", 0), "{}", ran.err);
    // A waiver is for its block as it was: a wider role below the same comment is new.
    std::fs::remove_file(dir.join("leastwise-waivers.toml")).unwrap();
    git(&dir, &["add", "-A"]);
    git(&dir, &["commit", "-q", "-m", "comment alone"]);
    assert_eq!((check(&dir, &["--policy-from", "main"]).code, became(&dir).0.as_str()), (0, "waived"));
    let wider = format!("{COMMENT}{GRANT}").replace("/resourceGroups/rg", "/resourceGroups/other");
    put(&dir, &[("main.tf", &wider)]);
    assert_eq!((check(&dir, &["--policy-from", "main"]).code, became(&dir).0.as_str()), (1, "open"));
    put(&dir, &[("main.tf", &format!("# moved\n\n{COMMENT}{GRANT}"))]);
    assert_eq!(check(&dir, &["--policy-from", "main"]).code, 0);
    // A configuration that a change breaks is not its own judge either.
    put(&dir, &[("leastwise.toml", "nonsense = 1\n")]);
    assert_eq!(check(&dir, &[]).code, 2);
    assert_eq!(check(&dir, &["--policy-from", "main"]).code, 0);
}

#[test]
fn what_git_ignores_is_not_read_unless_it_is_tracked() {
    let dir = repository(
        "policy-ignored",
        &[("tracked/main.tf", GRANT), (".gitignore", "tracked/\nbuild/\n*.gen.tf\n")],
    );
    // It was there before somebody ignored it, or was added by force: it is deployed all the same.
    git(&dir, &["add", "-f", "tracked/main.tf"]);
    put(&dir, &[("build/main.tf", GRANT), ("x.gen.tf", GRANT), ("plain/main.tf", "locals {}\n")]);
    let places = |arguments: &[&str]| {
        let ran = run(&dir, &[&["check", "--format", "json", "--fail-on", "none"], arguments].concat());
        let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        let all =
            report["findings"].as_array().unwrap().iter().filter(|f| f["rule"] == "owner-equivalent-grant");
        all.map(|f| f["location"]["path"].as_str().unwrap().to_owned()).collect::<Vec<String>>()
    };
    assert_eq!(places(&["."]), ["tracked/main.tf"]);
    assert_eq!(places(&["build"]), ["build/main.tf"]);
}

#[test]
fn what_git_does_not_know_is_refused() {
    let dir = repository("policy-refused", &[("main.tf", GRANT)]);
    for name in ["nothing", "--upload-pack=x", "main:main.tf"] {
        let ran = check(&dir, &[&format!("--policy-from={name}")]);
        assert!(ran.code == 2 && ran.err.contains("git"), "{name}: {}", ran.err);
    }
    let outside = folder("policy-outside");
    std::fs::create_dir_all(&outside).unwrap();
    write(&outside.join("main.tf"), GRANT);
    let ran = Command::new(env!("CARGO_BIN_EXE_leastwise"))
        .args(["check", "main.tf", "--policy-from", "main"])
        .current_dir(&outside)
        .env_clear()
        .env("PATH", "/nowhere")
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("needs git"));
}

#[test]
fn rules_of_ones_own_come_from_the_base_branch_too() {
    let rule = |severity: &str| {
        format!(
            "title = \"owner\"\nsince = \"1\"\nseverity = \"{severity}\"\nconfidence = \"high\"\nsubject = \"assignment\"\nwhen = 'role.name == \"Reader\"'\nmessage = \"m\"\nwhat = \"w\"\nwhy = \"y\"\nfix = \"f\"\n"
        )
    };
    let reader = GRANT.replace("\"Owner\"", "\"Reader\"");
    let dir = repository("policy-rules", &[("r/no-readers.toml", &rule("high")), ("main.tf", &reader)]);
    put(&dir, &[("r/no-readers.toml", &rule("info"))]);
    assert_eq!(check(&dir, &["--rules", "r"]).code, 0);
    let ran = check(&dir, &["--rules", "r", "--policy-from", "main"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
}
