//! The database of many runs, asked in SQL.

use crate::reviews::{first_quarter, ok, saved};
use crate::support::{folder, run, write};
use leastwise::sources::demo;
use rusqlite::Connection;
use std::fs;
use std::path::Path;

fn asked(database: &Path, sql: &str) -> Vec<String> {
    let database = Connection::open(database).unwrap();
    let mut query = database.prepare(sql).unwrap();
    let width = query.column_count();
    let rows = query.query_map([], |row| {
        let cell = |n| row.get_ref(n).map(|v| format!("{v:?}"));
        (0..width).map(cell).collect::<rusqlite::Result<Vec<_>>>().map(|c| c.join(" "))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn number(database: &Path, sql: &str) -> i64 {
    Connection::open(database).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn two_quarters_in_sql() {
    let dir = folder("history");
    write(&dir.join("leastwise.toml"), demo::CONFIG);
    saved(&dir, "q1.lwsnap", "2026-01-05T08:00:00Z", |_| {});
    // The second quarter has no assignments at the top of the tree.
    saved(&dir, "q2.lwsnap", "2026-04-05T08:00:00Z", |e| {
        let strings = e.strings.clone();
        e.assignments.retain(|a| strings.text(a.scope).starts_with("/subscriptions/"));
    });
    first_quarter(&dir);
    for (quarter, at) in [("q1", "2026-01-22T08:00:00Z"), ("q2", "2026-04-06T08:00:00Z")] {
        let snapshot = format!("{quarter}.lwsnap");
        ok(&dir, &["audit", "--snapshot", &snapshot, "--as-of", at, "--format", "json", "-o", quarter]);
    }
    let inputs = ["q1/findings.json", "q2/findings.json", "q1.lwsnap", "q2.lwsnap", "ledger.jsonl"];
    let made = ok(&dir, &[&["history"][..], &inputs].concat());
    assert!(made.err.contains("2 run(s), 2 snapshot(s), 1 ledger(s)"), "{}", made.err);
    let database = dir.join("history.db");

    // The database says what the files say.
    for quarter in ["q1", "q2"] {
        let findings: serde_json::Value =
            serde_json::from_slice(&fs::read(dir.join(quarter).join("findings.json")).unwrap()).unwrap();
        let at = findings["source"]["judged_at"].as_str().unwrap();
        let open = findings["findings"].as_array().unwrap().iter();
        let critical = open.filter(|f| f["disposition"] == "open" && f["severity"] == "critical").count();
        let told = number(&database, &format!("SELECT critical FROM run WHERE at = '{at}'"));
        assert_eq!(told, i64::try_from(critical).unwrap());
    }
    // What ended is gone at the second run, 74 days after the first.
    let gone = asked(&database, "SELECT DISTINCT gone_at FROM finding_life WHERE gone_at IS NOT NULL");
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert!(number(&database, "SELECT fixed FROM time_to_fix WHERE rule = 'owner-equivalent-grant'") > 0);
    let days = asked(&database, "SELECT DISTINCT mean_days FROM time_to_fix WHERE fixed > 0");
    assert_eq!(days, ["Real(74.0)"]);
    let ended = number(&database, "SELECT count(*) FROM grant_life WHERE snapshots = 1");
    assert!(ended > 0 && number(&database, "SELECT count(*) FROM grant_life WHERE snapshots = 2") > 200);
    // The last decision of each grant, and the campaign's end.
    let items = number(&database, "SELECT count(*) FROM item");
    assert_eq!(number(&database, "SELECT count(*) FROM last_decision"), items);
    // Names are there for people: who holds Owner, by name.
    let owners =
        asked(&database, "SELECT DISTINCT principal FROM grant_life WHERE role = 'Owner' ORDER BY 1");
    assert!(owners.iter().any(|o| o.contains("Text")) && !owners.contains(&"Null".to_owned()), "{owners:?}");
    assert_eq!(number(&database, "SELECT grants FROM campaign WHERE closed_at LIKE '2026-01-21%'"), items);
    assert!(number(&database, "SELECT count(*) FROM last_decision WHERE verdict = 'deny'") > 0);

    // The same files give the same bytes; a bundle of evidence stands for its files.
    let first = fs::read(&database).unwrap();
    ok(&dir, &[&["history"][..], &inputs].concat());
    assert_eq!(fs::read(&database).unwrap(), first);
    ok(&dir, &["evidence", "build", "--snapshot", "q1.lwsnap", "--ledger", "ledger.jsonl", "-o", "bundle"]);
    let made = ok(&dir, &["history", "bundle", "-o", "b.db"]);
    assert!(made.err.contains("1 run(s), 1 snapshot(s), 1 ledger(s)"), "{}", made.err);
    // Its schema is what `schema history` prints.
    let schema = ok(&dir, &["schema", "history"]).out;
    Connection::open_in_memory().unwrap().execute_batch(&schema).unwrap();
}

#[test]
fn what_is_none_of_these_is_refused_and_leaves_nothing() {
    let dir = folder("history-bad");
    write(&dir.join("half.json"), "{\"schema\":\"leastwise.findings/1\",");
    write(&dir.join("other.json"), "{}");
    write(&dir.join("cut.lwsnap"), [0x28, 0xb5, 0x2f, 0xfd, 0, 0]);
    write(&dir.join("ledger.jsonl"), "{\"schema\":\"leastwise.ledger/1\",\"seq\":2}\n");
    for bad in ["half.json", "other.json", "cut.lwsnap", "ledger.jsonl", "missing", "."] {
        let folder = if bad == "." { dir.join("empty") } else { dir.clone() };
        fs::create_dir_all(&folder).unwrap();
        let ran = run(&folder, &["history", bad, "-o", "history.db"]);
        assert!(ran.code == 2 && !ran.err.contains("panicked"), "{bad}: {}", ran.err);
        assert!(!folder.join("history.db").exists() && !folder.join("history.db.tmp").exists(), "{bad}");
    }
    // One that was there stays as it was.
    write(&dir.join("history.db"), "mine");
    assert_eq!(run(&dir, &["history", "other.json", "-o", "history.db"]).code, 2);
    assert_eq!(fs::read(dir.join("history.db")).unwrap(), b"mine");
}

/// A run of nothing but one rule, with the fingerprints that it found.
fn run_of(tenant: &str, part: &str, at: &str, status: &str, found: &[(&str, &str)]) -> String {
    let finding = |(fingerprint, disposition): &(&str, &str)| {
        serde_json::json!({"rule": "r", "severity": "high", "confidence": "high", "disposition": disposition,
            "message": "m", "subject": {"kind": "identity", "id": "/i"}, "identity": null, "role": null, "scope": null,
            "scope_level": null, "waiver": null, "fingerprint": fingerprint})
    };
    let part = if part.is_empty() { serde_json::Value::Null } else { part.into() };
    let all = serde_json::json!({"schema": "leastwise.findings/1",
        "source": {"kind": "azure", "name": "n", "tenant": tenant, "part": part, "judged_at": format!("2026-{at}T00:00:00Z")},
        "verdict": "findings", "coverage": {"gaps": []},
        "rules": [{"rule": "r", "status": status, "subjects": 1, "findings": found.len(), "inconclusive": 0}],
        "findings": found.iter().map(finding).collect::<Vec<_>>()});
    // The schema comes first, as in every file of ours.
    let rest = all.as_object().unwrap().iter().filter(|(k, _)| *k != "schema");
    let rest: Vec<String> = rest.map(|(k, v)| format!("\"{k}\": {v}")).collect();
    format!("{{\n  \"schema\": \"leastwise.findings/1\",\n{}\n}}", rest.join(",\n"))
}

#[test]
fn findings_live_as_often_as_they_come() {
    let dir = folder("history-lives");
    let runs = [
        run_of("t", "", "01-01", "evaluated", &[("back", "open"), ("waived", "open"), ("stays", "open")]),
        run_of("T", "", "02-01", "evaluated", &[("waived", "waived"), ("stays", "open")]),
        run_of("t", "", "03-01", "evaluated", &[("back", "open"), ("waived", "open"), ("stays", "open")]),
        // What a run could not judge, or was of another part, is not gone.
        run_of("t", "", "04-01", "inconclusive", &[("stays", "open")]),
        run_of("t", "management group a", "04-15", "evaluated", &[]),
        run_of("t", "", "05-01", "evaluated", &[("stays", "open")]),
    ];
    let names: Vec<String> = (0..runs.len()).map(|n| format!("{n}.json")).collect();
    runs.iter().zip(&names).for_each(|(text, name)| write(&dir.join(name), text));
    let mut args = vec!["history"];
    args.extend(names.iter().map(String::as_str));
    // The same file once more counts once.
    args.push("0.json");
    let made = ok(&dir, &args);
    assert!(
        made.err.contains("6 run(s)") && made.err.contains("1 file(s) came more than once"),
        "{}",
        made.err
    );
    let lives = asked(&dir.join("history.db"), "SELECT fingerprint, first_seen FROM finding_life");
    assert_eq!(lives.len(), 4, "{lives:?}");
    let database = dir.join("history.db");
    let gone = |fingerprint: &str, first: &str| {
        let sql = format!(
            "SELECT coalesce(gone_at, 'no') FROM finding_life WHERE fingerprint = '{fingerprint}' AND first_seen LIKE '2026-{first}%'"
        );
        Connection::open(&database).unwrap().query_row(&sql, [], |row| row.get::<_, String>(0)).unwrap()
    };
    assert_eq!(gone("back", "01-01"), "2026-02-01T00:00:00Z");
    assert_eq!(gone("back", "03-01"), "2026-05-01T00:00:00Z");
    assert_eq!(gone("waived", "01-01"), "2026-05-01T00:00:00Z");
    assert_eq!(gone("stays", "01-01"), "no");
    assert_eq!(number(&database, "SELECT fixed FROM time_to_fix WHERE rule = 'r' AND series = 't'"), 3);
}

#[test]
fn nothing_else_is_written_over_and_ledgers_count_once() {
    let dir = folder("history-care");
    write(&dir.join("leastwise.toml"), demo::CONFIG);
    saved(&dir, "q1.lwsnap", "2026-01-05T08:00:00Z", |_| {});
    first_quarter(&dir);
    let whole = fs::read_to_string(dir.join("ledger.jsonl")).unwrap();
    let ran = run(&dir, &["history", "ledger.jsonl", "-o", "ledger.jsonl"]);
    assert_eq!((ran.code, fs::read_to_string(dir.join("ledger.jsonl")).unwrap()), (2, whole.clone()));
    // An earlier state of the ledger says nothing of its own; one that was changed is refused.
    let lines: Vec<&str> = whole.lines().collect();
    let cut = |keep: usize| lines[..keep].iter().map(|l| format!("{l}\n")).collect::<String>();
    write(&dir.join("early.jsonl"), cut(lines.len() - 1));
    let made = ok(&dir, &["history", "early.jsonl", "ledger.jsonl"]);
    assert!(made.err.contains("1 ledger(s)"), "{}", made.err);
    let database = dir.join("history.db");
    assert_eq!(number(&database, "SELECT count(*) FROM campaign"), 1);
    // What a program left behind would be taken for a part of the new one.
    write(&dir.join("history.db-wal"), "");
    let ran = run(&dir, &["history", "ledger.jsonl"]);
    assert!(ran.code == 2 && ran.err.contains("history.db-wal"), "{}", ran.err);
}
