//! Runs the real binary against a simulated Azure, and holds what it wrote against the truth.

use super::server::faults::Faults;
use super::server::truth::{Truth, fold, sections, sections_and_tally, text};
use super::server::{Server, Settings, TOKEN};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
    /// The most memory that it held, in KiB, where the system says so.
    pub(crate) memory: u64,
}

pub(crate) fn folder(name: &str) -> PathBuf {
    let root = option_env!("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let path = root.join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// The binary that cargo built for the tests; beside the example, where there are no tests.
fn binary() -> PathBuf {
    option_env!("CARGO_BIN_EXE_leastwise").map_or_else(
        || std::env::current_exe().unwrap().parent().unwrap().with_file_name("leastwise"),
        PathBuf::from,
    )
}

fn prepare(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(args).current_dir(dir).env_clear();
    command
}

fn ended(mut command: Command) -> Ran {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let stderr = child.stderr.take().unwrap();
    let said = std::thread::spawn(move || std::io::read_to_string(stderr).unwrap_or_default());
    let stdout = child.stdout.take().unwrap();
    let gave = std::thread::spawn(move || std::io::read_to_string(stdout).unwrap_or_default());
    let mut memory = 0;
    let code = loop {
        let held = std::fs::read_to_string(&status).unwrap_or_default();
        let most =
            held.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        memory = memory.max(most.unwrap_or(0));
        match child.try_wait().unwrap() {
            Some(status) => break status.code().unwrap_or(-1),
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    Ran { code, out: gave.join().unwrap(), err: said.join().unwrap(), memory }
}

/// Without any Azure.
pub(crate) fn bare(dir: &Path, args: &[&str]) -> Ran {
    ended(prepare(dir, args))
}

fn live(server: &Server, dir: &Path, args: &[&str], token: &str) -> Command {
    std::fs::write(dir.join("authority.pem"), &server.authority).unwrap();
    let mut command = prepare(dir, args);
    for option in ["--arm-endpoint", "--graph-endpoint", "--authority"] {
        command.args([option, server.origin()]);
    }
    command.args(["--cloud", "custom", "--ca-bundle", "authority.pem"]);
    command.env("LEASTWISE_ARM_TOKEN", token).env("LEASTWISE_GRAPH_TOKEN", token);
    command.env("LEASTWISE_TEST_CLOCK_SPEED", server.speed().to_string());
    // Small tenants fill parts, too; sizes that are measured have those that users have.
    if server.speed() >= 100 {
        command.env("LEASTWISE_TEST_PART", "40");
    }
    command
}

/// Signed in by what these variables say.
pub(crate) fn signed_in(server: &Server, dir: &Path, args: &[&str], variables: &[(&str, String)]) -> Ran {
    let mut command = live(server, dir, args, TOKEN);
    command.env_remove("LEASTWISE_ARM_TOKEN").env_remove("LEASTWISE_GRAPH_TOKEN");
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    ended(command)
}

pub(crate) fn with_token(server: &Server, dir: &Path, args: &[&str], token: &str) -> Ran {
    ended(live(server, dir, args, token))
}

pub(crate) fn command(server: &Server, dir: &Path, args: &[&str]) -> Ran {
    with_token(server, dir, args, TOKEN)
}

pub(crate) fn collect(server: &Server, dir: &Path, more: &[&str]) -> Ran {
    let args: Vec<&str> = ["collect", "-o", "tenant.lwsnap"].iter().chain(more).copied().collect();
    command(server, dir, &args)
}

/// Kills the run once the server answers no more.
pub(crate) fn collect_and_kill(server: &Server, dir: &Path) -> Ran {
    collect_while(server, dir, || ())
}

/// The same, with something to do before the kill.
pub(crate) fn collect_while(server: &Server, dir: &Path, meanwhile: impl FnOnce()) -> Ran {
    let mut command = live(server, dir, &["collect", "-o", "tenant.lwsnap"], TOKEN);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while !server.seen().stopped.load(Ordering::SeqCst) {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it could be killed");
        assert!(began.elapsed() < Duration::from_secs(60), "the server was not asked enough");
        std::thread::sleep(Duration::from_millis(2));
    }
    meanwhile();
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    Ran { code: -1, out: String::new(), err, memory: 0 }
}

/// The records of a snapshot, without the time of its run.
pub(crate) fn records(path: &Path) -> String {
    let packed = std::fs::read(path).unwrap();
    let lines = String::from_utf8(zstd::decode_all(packed.as_slice()).unwrap()).unwrap();
    lines.lines().skip(1).filter(|l| !l.contains("\"footer\"")).collect::<Vec<_>>().join("\n")
}

/// What a run gives that nobody kills, and how many requests it takes.
pub(crate) fn undisturbed(server: &Server, dir: &Path) -> (String, u64) {
    let ran = collect(server, dir, &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    (records(&dir.join("tenant.lwsnap")), server.seen().requests.load(Ordering::SeqCst))
}

/// Kills a run after so many requests and starts it again; returns how many requests that took.
pub(crate) fn kill_and_resume(server: &Server, dir: &Path, kill: u64, whole: &str) -> u64 {
    std::fs::remove_file(dir.join("tenant.lwsnap")).unwrap();
    let seen = server.seen();
    seen.stop_after.store(seen.requests.load(Ordering::SeqCst) + kill, Ordering::SeqCst);
    seen.stopped.store(false, Ordering::SeqCst);
    collect_and_kill(server, dir);
    assert!(!dir.join("tenant.lwsnap").exists());
    seen.stop_after.store(u64::MAX, Ordering::SeqCst);
    let before = seen.requests.load(Ordering::SeqCst);
    let ran = collect(server, dir, &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(records(&dir.join("tenant.lwsnap")) == whole, "killed after {kill} requests, the records differ");
    seen.requests.load(Ordering::SeqCst) - before
}

/// One seed of faults.
pub(crate) fn seed(truth: &Truth, seed: u64) {
    let few = seed.is_multiple_of(2);
    let faults =
        Faults { seed, passing: 250, forbidden: if few { 0 } else { 30 }, foreign: if few { 0 } else { 10 } };
    let page = 5 + usize::try_from(seed % 13).unwrap();
    let server = Server::start(truth.clone(), Settings { page, faults, ..Settings::default() });
    let dir = folder(&format!("azure-seed-{seed}"));
    let ran = collect(&server, &dir, &[]);
    assert!(ran.code == 0 || ran.code == 3, "seed {seed}: {} {}", ran.code, ran.err);
    let difference = compare(truth, &dir.join("tenant.lwsnap"));
    assert!(difference.is_empty(), "seed {seed}: {difference:#?}\n{}", ran.err);
    assert_eq!(server.seen().writes.load(Ordering::SeqCst), 0);
    if few {
        assert_eq!(ran.code, 0, "seed {seed}: all faults pass, and something is missing: {}", ran.err);
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

type Lines = BTreeMap<String, BTreeSet<String>>;

fn line(value: &Value) -> String {
    fold(&value.to_string())
}

/// What a collection can bring of the truth, in comparable lines.
fn expected(truth: &Truth) -> Lines {
    let plain = |name: &str| -> BTreeSet<String> { truth.section(name).iter().map(line).collect() };
    let names = [
        "management-groups",
        "subscriptions",
        "resource-groups",
        "vaults",
        "identities",
        "federated-credentials",
        "role-assignments",
        "schedules",
        "deny-assignments",
        "policy-assignments",
        "policy-definitions",
        "associated-resources",
        "local-grants",
    ];
    let mut lines: Lines = names.into_iter().map(|n| (n.to_owned(), plain(n))).collect();
    let without_time = truth.section("resources").iter().map(|r| {
        let mut r = r.clone();
        r.as_object_mut().unwrap().remove("systemData");
        line(&r)
    });
    lines.insert("resources".to_owned(), without_time.collect());
    let roles = truth.section("role-definitions").iter().map(|r| {
        let mut r = r.clone();
        let key = fold(text(&r, &["id"]).rsplit('/').next().unwrap());
        r["id"] = format!("/providers/Microsoft.Authorization/roleDefinitions/{key}").into();
        line(&r)
    });
    lines.insert("role-definitions".to_owned(), roles.collect());
    let sign_ins = truth.sign_ins().into_iter().map(|(id, at)| line(&json!({"principal": id, "last": at})));
    lines.insert("sign-ins".to_owned(), sign_ins.collect());
    lines.insert("principals".to_owned(), truth.service_principals().map(line).collect());
    let grants = truth.section("role-assignments").iter().chain(truth.section("schedules"));
    let holders: BTreeSet<String> = grants
        .filter(|a| text(a, &["properties", "principalType"]) == "Group")
        .map(|a| fold(text(a, &["properties", "principalId"])))
        .collect();
    let others = ["cosmos-db", "database-server", "directory-role"].into_iter().flat_map(|s| truth.local(s));
    let holders: BTreeSet<String> =
        holders.into_iter().chain(others.map(|l| fold(text(l, &["principal"])))).collect();
    let groups = truth.section("groups").iter().filter(|g| holders.contains(&fold(text(g, &["id"]))));
    let flat = groups.map(|g| group(g, &truth.members(text(g, &["id"])).unwrap()));
    lines.insert("groups".to_owned(), flat.collect());
    lines
}

fn group(group: &Value, members: &BTreeSet<String>) -> String {
    line(&json!({"id": group["id"], "displayName": group["displayName"], "members": members}))
}

/// The kind of data that a grant of another system is of.
fn source_of(record: &str) -> &'static str {
    let record: Value = serde_json::from_str(record).unwrap();
    match text(&record, &["system"]) {
        "cosmos-db" => "cosmos-role-assignments",
        "database-server" => "database-administrators",
        "app-role" => "app-role-assignments",
        "directory-role" => "directory-roles",
        _ => "delegations",
    }
}

/// Records that are missing without a gap that says so, and records that the truth does not have.
pub(crate) fn compare(truth: &Truth, snapshot: &Path) -> Vec<String> {
    let packed = std::fs::read(snapshot).unwrap();
    let mut problems = Vec::new();
    let mut got = if truth.has_copies() {
        let (got, grants) = sections_and_tally(&packed, "role-assignments");
        if grants != truth.grants() {
            problems.push(format!("role-assignments: {:?} of {grants:?}", truth.grants()));
        }
        got
    } else {
        sections(&packed)
    };
    let gaps = got.remove("gaps").unwrap_or_default();
    // Where the names of application permissions were refused, the permissions have none.
    let nameless = gaps.iter().any(|g| text(g, &["detail"]).contains("app-role-names"));
    let unnamed = |r: &Value| {
        let mut r = r.clone();
        if nameless && r["system"] == "app-role" {
            r.as_object_mut().unwrap().remove("roleName");
        }
        r
    };
    let mut all = expected(truth);
    if truth.has_copies() {
        all.remove("role-assignments");
    }
    for (section, mut expected) in all {
        if section == "local-grants" {
            expected = truth.section("local-grants").iter().map(|r| line(&unnamed(r))).collect();
        }
        // That nothing uses an identity is an answer that the truth does not write down.
        got.entry("associated-resources".to_owned()).or_default().retain(|a| a.get("resources").is_some());
        let found: BTreeSet<String> = got
            .remove(&section)
            .unwrap_or_default()
            .iter()
            .map(|r| {
                if section != "groups" {
                    return line(&unnamed(r));
                }
                let members = r["members"].as_array().unwrap().iter().map(|m| text(m, &["id"]).to_owned());
                group(r, &members.collect())
            })
            .collect();
        // A group is looked for where it holds a grant, which its record does not say.
        let said = |record: &str| {
            gaps.iter().any(|g| {
                let scope = fold(text(g, &["scope"]));
                let source = if section == "local-grants" { source_of(record) } else { section.as_str() };
                text(g, &["source"]) == source
                    && text(g, &["reason"]) != "disagreement"
                    // Of sign-ins, which are never counted on, a list that was refused is `not-collected`.
                    && (text(g, &["reason"]) != "not-collected"
                        || text(g, &["detail"]).starts_with("sign-ins: ")
                        || text(g, &["detail"]).starts_with("left out by --skip")
                        || text(g, &["detail"]).ends_with("`--deep` asks all")
                        || text(g, &["detail"]).ends_with("may not ask what uses an identity"))
                    && (record.contains(&scope)
                        || !scope.starts_with("/subscriptions")
                        || section == "groups")
            })
        };
        let missing = expected.difference(&found).filter(|r| !said(r));
        problems.extend(missing.map(|r| format!("lost from {section} without a word: {r}")));
        problems.extend(found.difference(&expected).map(|r| format!("not in the truth's {section}: {r}")));
    }
    problems.truncate(6);
    problems
}
