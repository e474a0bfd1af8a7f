//! Bundles of evidence, built, checked, and tampered with.

use crate::support::{Ran, folder, run, write};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

fn built(dir: &Path, more: &[&str]) -> String {
    let args = ["evidence", "build", "--demo", "--by", "ci", "--as-of", "2026-06-01T08:00:00Z"];
    let ran = run(dir, &[&args[..], more].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran.out.lines().last().unwrap().trim_start_matches("head ").to_owned()
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Makes digests and manifest fit again, as a careful forger would.
fn reseal(bundle: &Path, change: impl Fn(&mut serde_json::Value)) {
    let path = bundle.join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    // The order of keys is kept by hand: only values change.
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let old = value.clone();
    for file in value["files"].as_array_mut().unwrap() {
        let bytes = fs::read(bundle.join(file["path"].as_str().unwrap())).unwrap();
        file["sha256"] = hex(&bytes).into();
        file["bytes"] = bytes.len().into();
    }
    change(&mut value);
    let mut text = text;
    for (before, after) in old["files"].as_array().unwrap().iter().zip(value["files"].as_array().unwrap()) {
        let line =
            |f: &serde_json::Value| format!("\"bytes\": {},\n      \"sha256\": {}", f["bytes"], f["sha256"]);
        text = text.replace(&line(before), &line(after));
    }
    for pointer in ["/tool/version", "/origin/decided_at", "/run/by"] {
        let (before, after) = (old.pointer(pointer).unwrap(), value.pointer(pointer).unwrap());
        let key = pointer.rsplit('/').next().unwrap();
        text = text.replacen(&format!("\"{key}\": {before}"), &format!("\"{key}\": {after}"), 1);
    }
    fs::write(&path, text).unwrap();
    let list = fs::read_to_string(bundle.join("SHA256SUMS")).unwrap();
    let lines = list.lines().map(|line| {
        let path = line.split_once("  ").unwrap().1;
        format!("{}  {path}\n", hex(&fs::read(bundle.join(path)).unwrap()))
    });
    let list: String = lines.collect();
    fs::write(bundle.join("SHA256SUMS"), list).unwrap();
}

fn verify(dir: &Path, more: &[&str]) -> Ran {
    run(dir, &[&["evidence", "verify"][..], more].concat())
}

#[test]
fn a_bundle_is_the_same_each_time_and_replays() {
    let dir = folder("evidence");
    let head = built(&dir, &["-o", "one", "--seed", "s"]);
    fs::rename(dir.join("one"), dir.join("first")).unwrap();
    assert_eq!(built(&dir, &["-o", "one", "--seed", "s"]), head);
    let ran = verify(&dir, &["one", "--replay", "--expect-head", &head]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(ran.out.contains("byte for byte"), "{}", ran.out);
    // Never over one that is there.
    assert_eq!(run(&dir, &["evidence", "build", "--demo", "-o", "one"]).code, 2);
    // The chain: what was dropped shows, at the end only against a head that is kept elsewhere.
    let second = built(&dir, &["-o", "two", "--previous", "one"]);
    let third = built(&dir, &["-o", "three", "--previous", "two"]);
    assert_eq!(verify(&dir, &["one", "two", "three", "--expect-head", &third]).code, 0);
    let dropped = verify(&dir, &["one", "three"]);
    assert!(dropped.code == 1 && dropped.out.contains("one is missing"), "{}", dropped.out);
    assert_eq!(verify(&dir, &["one", "two", "--expect-head", &third]).code, 1);
    assert_eq!(verify(&dir, &["two", "one"]).code, 1);
    assert_ne!(second, third);
    let left: Vec<_> = fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|n| !n.to_string_lossy().contains('.')), "{left:?}");
}

#[test]
fn tampering_is_named() {
    let dir = folder("evidence-tampered");
    let ledger = ["--ledger", "ledger.jsonl"];
    let open = ["review", "open", "--campaign", "c", "--demo", "--due", "2026-06-15", "--as-of"];
    assert_eq!(run(&dir, &[&open[..], &["2026-06-01T08:00:00Z"]].concat()).code, 0);
    let head = built(&dir, &[&["-o", "good"][..], &ledger].concat());
    let (good, bad) = (dir.join("good"), dir.join("bad"));
    let mut ways = 0;
    let mut tried = |what: &str, named: &str, change: &dyn Fn(&Path)| {
        ways += 1;
        copy(&good, &bad);
        change(&bad);
        let ran = verify(&dir, &["bad"]);
        assert_eq!(ran.code, 1, "{what}: {}", ran.out);
        assert!(ran.out.contains(named), "{what}: {}", ran.out);
    };
    let files = [
        "assignments.csv",
        "catalog.txt",
        "controls.csv",
        "findings.csv",
        "findings.json",
        "identities.csv",
        "ledger.jsonl",
        "policy/leastwise.toml",
        "policy/leastwise-waivers.toml",
        "report.html",
        "rules/broad-write-scope.toml",
        "sample.csv",
        "snapshot.lwsnap",
    ];
    for name in files {
        let edit = |how: fn(&mut Vec<u8>)| {
            move |b: &Path| {
                let mut bytes = fs::read(b.join(name)).unwrap();
                how(&mut bytes);
                fs::write(b.join(name), bytes).unwrap();
            }
        };
        let changed = format!("{name}: it was changed");
        tried(
            "a bit",
            &changed,
            &edit(|b| {
                let at = b.len() / 2;
                b[at] ^= 1;
            }),
        );
        tried("a line more", &changed, &edit(|b| b.push(b'\n')));
        tried("removed", &format!("{name}: it is listed, and is not there"), &|b| {
            fs::remove_file(b.join(name)).unwrap()
        });
    }
    let text = |name: &'static str, how: fn(String) -> String| {
        move |b: &Path| fs::write(b.join(name), how(fs::read_to_string(b.join(name)).unwrap())).unwrap()
    };
    tried("put in", "new.txt: it is there, and is not listed", &|b| write(&b.join("new.txt"), "x"));
    tried("hidden", ".x: it is there", &|b| write(&b.join(".x"), "x"));
    tried("a folder", "empty: it is there", &|b| fs::create_dir(b.join("empty")).unwrap());
    tried("renamed", "findings2.csv: it is there", &|b| {
        fs::rename(b.join("findings.csv"), b.join("findings2.csv")).unwrap()
    });
    tried("swapped", "identities.csv: it was changed", &|b| {
        fs::rename(b.join("findings.csv"), b.join("x")).unwrap();
        fs::rename(b.join("identities.csv"), b.join("findings.csv")).unwrap();
        fs::rename(b.join("x"), b.join("identities.csv")).unwrap();
    });
    #[cfg(unix)]
    tried("a link", "findings.csv: it was changed", &|b| {
        fs::rename(b.join("findings.csv"), dir.join("elsewhere.csv")).unwrap();
        std::os::unix::fs::symlink(dir.join("elsewhere.csv"), b.join("findings.csv")).unwrap();
    });
    let form = "SHA256SUMS: it is not written";
    tried("upper case", form, &text("SHA256SUMS", |t| t.to_uppercase()));
    tried("line ends", form, &text("SHA256SUMS", |t| t.replace('\n', "\r\n")));
    tried("order", form, &text("SHA256SUMS", |t| t.lines().rev().map(|l| format!("{l}\n")).collect()));
    tried("twice", form, &text("SHA256SUMS", |t| format!("{t}{}\n", t.lines().next().unwrap())));
    tried("a mark", form, &text("SHA256SUMS", |t| t.replacen("  ", " *", 1)));
    tried("a line less", "is not listed", &text("SHA256SUMS", |t| t.split_once('\n').unwrap().1.to_owned()));
    tried("no list", "SHA256SUMS:", &|b| fs::remove_file(b.join("SHA256SUMS")).unwrap());
    tried("no manifest", "manifest.json:", &|b| fs::remove_file(b.join("manifest.json")).unwrap());
    tried("a space", "manifest.json: it was changed", &text("manifest.json", |t| t.replacen(": ", ":  ", 1)));
    // With digests that fit again.
    tried("a space, sealed", "manifest.json: it is not written as it is here", &|b| {
        text("manifest.json", |t| t.replacen(": ", ":  ", 1))(b);
        reseal(b, |_| {});
    });
    tried("a ledger, sealed", "ledger.jsonl: line", &|b| {
        text("ledger.jsonl", |t| t.replacen("team-sales", "team-bribe", 1))(b);
        reseal(b, |_| {});
    });
    assert!(ways >= 50, "{ways}");

    // What only a replay, a signature or a head that is kept elsewhere tells.
    copy(&good, &bad);
    text("findings.csv", |t| t.replacen("critical", "low", 1))(&bad);
    reseal(&bad, |_| {});
    let ran = verify(&dir, &["bad", "--replay"]);
    assert!(
        ran.code == 1 && ran.out.contains("findings.csv: what is sealed gives something else"),
        "{}",
        ran.out
    );
    assert_eq!(verify(&dir, &["bad", "--expect-head", &head]).code, 1);
    copy(&good, &bad);
    reseal(&bad, |m| m["origin"]["decided_at"] = "2027-06-01T08:00:00Z".into());
    assert_eq!(verify(&dir, &["bad", "--replay"]).code, 1);
    for (from, to, named) in [
        ("\"groups\": 3", "\"groups\": 2", "population"),
        ("\"extent\": \"complete\"", "\"extent\": \"partial\"", "sources"),
        ("users and groups are not assessed", "everybody is assessed", "limitations"),
    ] {
        copy(&good, &bad);
        let path = bad.join("manifest.json");
        let told = fs::read_to_string(&path).unwrap();
        assert!(told.contains(from), "{from}");
        fs::write(&path, told.replacen(from, to, 1)).unwrap();
        reseal(&bad, |_| {});
        assert_eq!(verify(&dir, &["bad"]).code, 0);
        let ran = verify(&dir, &["bad", "--replay"]);
        assert!(ran.code == 1 && ran.out.contains(&format!("{named} is not what follows")), "{}", ran.out);
    }
    // What was sealed anew: files that do not belong, hidden bytes, rules of another version that are not its own.
    let sealed = |change: &dyn Fn(&Path)| {
        copy(&good, &bad);
        change(&bad);
        reseal(&bad, |_| {});
        verify(&dir, &["bad", "--replay"])
    };
    let hidden = sealed(&|b| {
        let mut bytes = fs::read(b.join("snapshot.lwsnap")).unwrap();
        bytes.extend([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, b'x', b'y', b'z']);
        fs::write(b.join("snapshot.lwsnap"), bytes).unwrap();
    });
    assert_eq!(hidden.code, 1, "{}", hidden.out);
    let other = sealed(&|b| {
        let path = b.join("rules/broad-write-scope.toml");
        fs::write(&path, fs::read_to_string(&path).unwrap() + "# none\n").unwrap();
        let manifest = b.join("manifest.json");
        let told = fs::read_to_string(&manifest).unwrap().replacen("\"version\": \"", "\"version\": \"9", 1);
        fs::write(&manifest, told).unwrap();
    });
    assert!(other.code == 1 && other.out.contains("the rules that are sealed are not"), "{}", other.out);
    // Nothing that is no file is opened, and what waits for a reader waits for ever.
    #[cfg(unix)]
    for name in ["pipe", "findings.csv", "SHA256SUMS", "manifest.json"] {
        copy(&good, &bad);
        let _ = fs::remove_file(bad.join(name));
        let made = std::process::Command::new("mkfifo").arg(bad.join(name)).status();
        if made.is_ok_and(|m| m.success()) {
            assert_eq!(verify(&dir, &["bad"]).code, 1, "{name}");
        }
    }
    let _ = fs::remove_dir_all(&bad);
    // What is no whole bundle is followed by none.
    write(&dir.join("fake/SHA256SUMS"), "hello\n");
    let follow = ["evidence", "build", "--demo", "-o", "next", "--previous", "fake"];
    assert_eq!(run(&dir, &follow).code, 2);
    let empty = ["evidence", "verify", "good", "--expect-head", ""];
    assert_eq!(run(&dir, &empty).code, 2);
    // Another version is not tampering.
    copy(&good, &bad);
    reseal(&bad, |m| m["tool"]["version"] = "9.9.9".into());
    let ran = verify(&dir, &["bad", "--replay"]);
    assert!(
        ran.code == 2 && ran.out.contains("needs leastwise 9.9.9") && !ran.out.contains("changed"),
        "{}",
        ran.out
    );
}

/// Where OpenSSH is there: what it signs is checked here, and what is signed here it checks.
#[test]
fn signatures_are_those_of_openssh() {
    let dir = folder("evidence-signed");
    let keygen =
        |args: &[&str]| std::process::Command::new("ssh-keygen").args(args).current_dir(&dir).output();
    for name in ["key", "other"] {
        match keygen(&["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", name]) {
            Ok(ran) => assert!(ran.status.success()),
            Err(_) => {
                eprintln!("skipped: no ssh-keygen here");
                return;
            }
        }
    }
    let public = |name: &str| fs::read_to_string(dir.join(format!("{name}.pub"))).unwrap();
    write(
        &dir.join("signers"),
        format!("# ours\nci@contoso.example namespaces=\"leastwise-evidence\" {}", public("key")),
    );
    write(&dir.join("others"), format!("x@contoso.example {}", public("other")));
    built(&dir, &["-o", "b", "--sign", "key"]);
    let good = verify(&dir, &["b", "--allowed-signers", "signers"]);
    assert!(good.code == 0 && good.out.contains("signed by ci@contoso.example"), "{}", good.out);
    assert_eq!(verify(&dir, &["b", "--allowed-signers", "others"]).code, 1);
    let list: PathBuf = dir.join("b/SHA256SUMS");
    let theirs = std::process::Command::new("ssh-keygen")
        .args([
            "-Y",
            "verify",
            "-f",
            "signers",
            "-I",
            "ci@contoso.example",
            "-n",
            "leastwise-evidence",
            "-s",
            "b/SHA256SUMS.sig",
        ])
        .current_dir(&dir)
        .stdin(fs::File::open(&list).unwrap())
        .output()
        .unwrap();
    assert!(theirs.status.success(), "{}", String::from_utf8_lossy(&theirs.stderr));
    // A name with a pattern, and a signature that is none.
    write(&dir.join("negated"), format!("!ci@contoso.example {}", public("key")));
    assert_eq!(verify(&dir, &["b", "--allowed-signers", "negated"]).code, 2);
    let signature = fs::read_to_string(dir.join("b/SHA256SUMS.sig")).unwrap();
    for bad in [
        String::new(),
        signature.replace('\n', "\r\n"),
        format!("x\n{signature}"),
        format!("{signature}{signature}"),
        signature.replacen("U1NIU0lH", "U1NIU0l#", 1),
        signature.replacen("U1NIU0lH", "", 1),
    ] {
        fs::write(dir.join("b/SHA256SUMS.sig"), &bad).unwrap();
        assert_eq!(verify(&dir, &["b"]).code, 1, "{bad}");
    }
    // By hand, for another purpose, and not at all.
    fs::remove_file(dir.join("b/SHA256SUMS.sig")).unwrap();
    keygen(&["-q", "-Y", "sign", "-n", "leastwise-evidence", "-f", "other", "b/SHA256SUMS"]).unwrap();
    assert_eq!(verify(&dir, &["b", "--allowed-signers", "others"]).code, 0);
    fs::remove_file(dir.join("b/SHA256SUMS.sig")).unwrap();
    assert_eq!(verify(&dir, &["b", "--allowed-signers", "others"]).code, 1);
    keygen(&["-q", "-Y", "sign", "-n", "git", "-f", "other", "b/SHA256SUMS"]).unwrap();
    let other = verify(&dir, &["b", "--allowed-signers", "others"]);
    assert!(other.code == 1 && other.out.contains("is for `git`"), "{}", other.out);
}

/// A limit on the size of files ends the program in the middle: there is a whole bundle or none.
#[cfg(unix)]
#[test]
fn a_killed_build_leaves_no_bundle() {
    let dir = folder("evidence-killed");
    let script =
        format!("ulimit -f \"$1\"; exec {} evidence build --demo -o b", env!("CARGO_BIN_EXE_leastwise"));
    for limit in ["0", "10", "100", "400", "1500"] {
        let ran = std::process::Command::new("sh")
            .args(["-c", &script, "sh", limit])
            .current_dir(&dir)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap();
        assert!(!ran.status.success(), "{limit}");
        assert!(!dir.join("b").exists(), "{limit}");
    }
    // What killed runs left goes with the next one; what nobody has locked and is no such folder stays.
    std::fs::create_dir_all(dir.join("b.tmp-1/reports")).unwrap();
    std::fs::write(dir.join("b.tmp-1.lock"), "").unwrap();
    std::fs::create_dir_all(dir.join("b.tmp-mine")).unwrap();
    std::fs::write(dir.join("b.tmp-mine.lock"), "").unwrap();
    built(&dir, &["-o", "b"]);
    let left = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert_eq!(
        left.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>(),
        ["b", "b.tmp-mine", "b.tmp-mine.lock"]
    );
    assert_eq!(verify(&dir, &["b", "--replay"]).code, 0);
}
