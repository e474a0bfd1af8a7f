//! Snapshots: the same estate gives the same bytes, and a damaged file is refused.

use crate::support::{folder, run, write};
use leastwise::sources::{demo, snapshot};
use std::fs;

fn bytes() -> Vec<u8> {
    let mut bytes = Vec::new();
    snapshot::write(&demo::estate(), &mut bytes).unwrap();
    bytes
}

/// A snapshot with its lines changed and its footer left as it was.
fn changed(change: impl Fn(String) -> String) -> Vec<u8> {
    let text = String::from_utf8(zstd::decode_all(bytes().as_slice()).unwrap()).unwrap();
    zstd::encode_all(change(text).as_bytes(), 3).unwrap()
}

#[test]
fn what_is_written_is_read() {
    let first = bytes();
    let mut second = Vec::new();
    let estate = snapshot::read(first.as_slice()).unwrap();
    snapshot::write(&estate, &mut second).unwrap();
    let text = |b: &[u8]| String::from_utf8(zstd::decode_all(b).unwrap()).unwrap();
    assert_eq!(text(&first), text(&second));
    assert_eq!(first, second);
}

#[test]
fn an_audit_of_the_snapshot_finds_what_the_estate_has() {
    let dir = folder("snapshot");
    write(&dir.join("demo.lwsnap"), bytes());
    write(&dir.join("leastwise.toml"), demo::CONFIG);
    write(&dir.join("leastwise-waivers.toml"), demo::WAIVERS);
    let as_of = ["--as-of", "2026-06-01T08:00:00Z"];
    assert_eq!(run(&dir, &[&["audit", "--demo", "-o", "a"][..], &as_of].concat()).code, 0);
    let ran = run(&dir, &[&["audit", "--snapshot", "demo.lwsnap", "-o", "b"][..], &as_of].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    for file in ["findings.csv", "identities.csv", "assignments.csv", "controls.csv"] {
        assert_eq!(
            fs::read_to_string(dir.join("a").join(file)).unwrap(),
            fs::read_to_string(dir.join("b").join(file)).unwrap(),
            "{file}"
        );
    }
}

#[test]
fn damaged_and_newer_files_are_refused() {
    let dir = folder("damaged");
    let whole = bytes();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", Vec::new(), "expected a snapshot"),
        ("words", b"hello".to_vec(), "expected a snapshot"),
        ("cut", whole[..whole.len() / 2].to_vec(), "damaged"),
        (
            "newer",
            changed(|t| t.replacen("leastwise.snapshot/1", "leastwise.snapshot/2", 1)),
            "use a newer leastwise",
        ),
        (
            "other",
            changed(|t| t.replacen("leastwise.snapshot/1", "someone.else/1", 1)),
            "expected a snapshot",
        ),
        (
            "edited",
            changed(|t| t.replacen("id-crm-installer", "id-crm-harmless1", 1)),
            "its digest does not fit",
        ),
        ("footless", changed(|t| t[..t.rfind("{\"footer").unwrap()].to_owned()), "without its footer"),
        ("longer", changed(|t| t + "{}\n"), "behind its footer"),
        ("bomb", zstd::encode_all(vec![b' '; 200 << 20].as_slice(), 3).unwrap(), "larger than is read"),
    ];
    for (name, bytes, expected) in cases {
        let file = format!("{name}.lwsnap");
        write(&dir.join(&file), bytes);
        let ran = run(&dir, &["audit", "--snapshot", &file, "-o", "out"]);
        assert_eq!(ran.code, 2, "{name}: {}", ran.err);
        assert!(ran.err.contains(expected), "{name}: {}", ran.err);
    }
}
