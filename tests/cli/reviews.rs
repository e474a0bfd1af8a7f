//! A year of access reviews over the demo tenant, as its people would hold them.

use crate::support::{Ran, folder, run, write};
use leastwise::model::{Estate, Instant};
use leastwise::sources::{demo, snapshot};
use std::fs;
use std::path::Path;

pub(crate) const ADMIN: &str = "id-crm-installer-prod-weu";

pub(crate) fn saved(dir: &Path, name: &str, at: &str, change: impl Fn(&mut Estate)) {
    let mut estate = demo::estate();
    estate.collected_at = Instant::parse(at);
    change(&mut estate);
    estate.settle();
    let mut bytes = Vec::new();
    snapshot::write(&estate, &mut bytes).unwrap();
    write(&dir.join(name), bytes);
}

pub(crate) fn principal(estate: &Estate, name: &str) -> leastwise::model::Sym {
    let end = format!("/{name}");
    let found = estate.identities.iter().find(|i| estate.strings.text(i.id).ends_with(&end));
    found.and_then(|i| i.principal).unwrap()
}

/// Takes an identity's grants away.
fn without(estate: &mut Estate, name: &str) {
    let who = principal(estate, name);
    estate.assignments.retain(|a| a.principal != who);
}

pub(crate) fn ok(dir: &Path, args: &[&str]) -> Ran {
    let ran = run(dir, args);
    assert_eq!(ran.code, 0, "{args:?}: {}{}", ran.out, ran.err);
    ran
}

/// Fills in every packet of a campaign: what `decide` says of a row, as decision, justification, reviewer, second approver.
pub(crate) fn fill(
    dir: &Path,
    campaign: &str,
    decide: impl Fn(&csv::StringRecord, &dyn Fn(&str) -> usize) -> [String; 4],
) {
    for entry in fs::read_dir(dir.join(campaign).join("packets")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "csv") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let between = if text.lines().next().unwrap().contains(';') { b';' } else { b',' };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(between)
            .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let head = reader.headers().unwrap().clone();
        let at = |name: &str| head.iter().position(|h| h == name).unwrap();
        // As a spreadsheet of somebody in Munich saves it.
        let mut writer = csv::WriterBuilder::new().delimiter(b';').from_writer(Vec::new());
        writer.write_record(&head).unwrap();
        for row in reader.records() {
            let row = row.unwrap();
            let [decision, why, reviewer, second] = decide(&row, &at);
            let mut fields: Vec<String> = row.iter().map(str::to_owned).collect();
            fields[at("decision")] = decision;
            fields[at("justification")] = why;
            fields[at("reviewer")] = reviewer;
            fields[at("second_approver")] = second;
            writer.write_record(&fields).unwrap();
        }
        let mut bytes = b"\xEF\xBB\xBF".to_vec();
        bytes.extend(writer.into_inner().unwrap());
        fs::write(path, bytes).unwrap();
    }
}

/// Approves all but what the administrator's identity holds.
pub(crate) fn usual(dir: &Path, campaign: &str) {
    fill(dir, campaign, |row, at| {
        let deny = &row[at("identity")] == ADMIN;
        let word = if deny { "Deny" } else { "approve" };
        let owner = row[at("owner")].to_owned();
        [word.to_owned(), "the pipeline needs it".to_owned(), owner, "ciso@contoso.example".to_owned()]
    });
}

pub(crate) fn packets(dir: &Path, campaign: &str) -> Vec<String> {
    let folder = dir.join(campaign).join("packets");
    let names = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut all: Vec<String> =
        names.filter(|n| n.ends_with(".csv")).map(|n| format!("{campaign}/packets/{n}")).collect();
    all.sort();
    all
}

pub(crate) fn import(dir: &Path, campaign: &str, at: &str) -> Ran {
    let files = packets(dir, campaign);
    let mut args = vec!["review", "import", "--by", "ci", "--as-of", at, "--campaign", campaign];
    args.extend(files.iter().map(String::as_str));
    run(dir, &args)
}

/// Opens a campaign over `q1.lwsnap`.
pub(crate) fn opened(dir: &Path, campaign: &str) {
    let open = ["review", "open", "--campaign", campaign, "--snapshot", "q1.lwsnap", "--due", "2026-01-20"];
    ok(dir, &[&open[..], &["--as-of", "2026-01-06T08:00:00Z"]].concat());
}

/// A campaign over `q1.lwsnap`, from its packets to its end.
pub(crate) fn first_quarter(dir: &Path) {
    opened(dir, "2026-Q1");
    usual(dir, "2026-Q1");
    assert_eq!(import(dir, "2026-Q1", "2026-01-10T08:00:00Z").code, 0);
    ok(dir, &["review", "close", "--acknowledged-by", "A. Manager", "--as-of", "2026-01-21T08:00:00Z"]);
}

pub(crate) fn counts(dir: &Path, campaign: &str, now: &str, at: &str) -> serde_json::Value {
    let args =
        ["review", "status", "--campaign", campaign, "--snapshot", now, "--as-of", at, "--format", "json"];
    let all: serde_json::Value = serde_json::from_str(&ok(dir, &args).out).unwrap();
    all["now"]["counts"].clone()
}

#[test]
fn a_year_of_reviews() {
    let dir = folder("reviews-year");
    write(&dir.join("leastwise.toml"), demo::CONFIG);
    let waiver = "[[waiver]]\nid = \"W-1\"\nrules = [\"secret-read-scope\"]\ntarget = { identity = \"id-fleet-rotator-prod-weu\" }\ncategory = \"waiver\"\nreason = \"rotates every secret of the group\"\nrequested_by = \"team-logistics\"\napproved_by = \"security-board\"\napproved_on = 2026-01-02\nexpires = 2026-06-30\n";
    write(&dir.join("leastwise-waivers.toml"), waiver);
    saved(&dir, "q1.lwsnap", "2026-01-05T08:00:00Z", |_| {});
    let open = |campaign: &str, snap: &str, due: &str, at: &str| {
        ok(
            &dir,
            &["review", "open", "--campaign", campaign, "--snapshot", snap, "--due", due, "--as-of", at],
        );
    };
    // First quarter: everything is approved but what the administrator's identity holds.
    open("2026-Q1", "q1.lwsnap", "2026-01-20", "2026-01-06T08:00:00Z");
    let due = ["review", "status", "--as-of", "2026-01-20T23:59:59Z", "--fail-overdue"];
    assert_eq!(run(&dir, &due).code, 0);
    let late = ["review", "status", "--as-of", "2026-01-21T00:00:00Z", "--fail-overdue"];
    assert_eq!(run(&dir, &late).code, 6);
    ok(&dir, &["review", "remind", "-o", "reminders", "--as-of", "2026-01-21T08:00:00Z"]);
    assert!(fs::read_to_string(dir.join("reminders/team-sales.eml")).unwrap().contains("overdue\r\n"));
    usual(&dir, "2026-Q1");
    let ran = import(&dir, "2026-Q1", "2026-01-22T08:00:00Z");
    assert_eq!(ran.code, 0, "{}", ran.out);
    // The same files once more are nothing new.
    let again = import(&dir, "2026-Q1", "2026-01-22T09:00:00Z");
    assert!(again.out.lines().next().unwrap().ends_with(" 0 decisions"), "{}", again.out);
    let plan = ok(&dir, &["review", "plan", "--format", "az"]).out;
    assert!(
        plan.contains("az role assignment delete") && plan.contains("# az role assignment create"),
        "{plan}"
    );
    let close = ["review", "close", "--acknowledged-by", "A. Manager", "--as-of", "2026-01-23T08:00:00Z"];
    ok(&dir, &close);
    assert_eq!(run(&dir, &close).code, 2);
    // What was denied is due for a week, then overdue; once gone it is closed; made anew it is re-granted.
    assert!(counts(&dir, "2026-Q1", "q1.lwsnap", "2026-01-25T08:00:00Z")["unproven"].as_u64().unwrap() > 0);
    saved(&dir, "later.lwsnap", "2026-01-24T08:00:00Z", |_| {});
    let denied = counts(&dir, "2026-Q1", "later.lwsnap", "2026-01-25T08:00:00Z")["due"].as_u64().unwrap();
    assert!(denied > 0);
    // What was read within the week does not show the day after.
    assert_eq!(counts(&dir, "2026-Q1", "later.lwsnap", "2026-02-01T08:00:00Z")["unproven"], denied);
    saved(&dir, "after.lwsnap", "2026-02-01T08:00:00Z", |_| {});
    assert_eq!(counts(&dir, "2026-Q1", "after.lwsnap", "2026-02-01T08:00:00Z")["overdue"], denied);
    // Nor is gone what was not read.
    saved(&dir, "unread.lwsnap", "2026-02-01T08:00:00Z", |e| {
        e.assignments.clear();
        e.coverage.note(leastwise::model::Source::RoleAssignments, leastwise::model::Extent::Partial);
    });
    let unread = counts(&dir, "2026-Q1", "unread.lwsnap", "2026-02-01T08:00:00Z");
    assert!(unread["not-read"].as_u64().unwrap() > 300 && unread.get("closed").is_none(), "{unread}");
    let plan = ["review", "plan", "--campaign", "2026-Q1", "--format", "az", "--snapshot"];
    let nothing = ok(&dir, &[&plan[..], &["unread.lwsnap"]].concat()).out;
    assert!(nothing.contains("nothing is known") && !nothing.contains("az role assignment"), "{nothing}");
    let judged =
        ["--ledger", "ledger.jsonl", "--as-of", "2026-02-01T08:00:00Z", "--format", "csv", "-o", "unread"];
    ok(&dir, &[&["audit", "--snapshot", "unread.lwsnap"][..], &judged].concat());
    let controls = fs::read_to_string(dir.join("unread/controls.csv")).unwrap();
    assert!(controls.contains("the estate says nothing"), "{controls}");
    saved(&dir, "q2.lwsnap", "2026-04-06T08:00:00Z", |e| without(e, ADMIN));
    assert_eq!(counts(&dir, "2026-Q1", "q2.lwsnap", "2026-04-06T08:00:00Z")["closed"], denied);
    saved(&dir, "back.lwsnap", "2026-05-01T08:00:00Z", |e| {
        let who = principal(e, ADMIN);
        let mine = e.assignments.iter_mut().filter(|a| a.principal == who);
        mine.for_each(|a| a.created_on = Instant::parse("2026-04-20T08:00:00Z"));
    });
    assert_eq!(counts(&dir, "2026-Q1", "back.lwsnap", "2026-05-01T08:00:00Z")["re-granted"], denied);
    // One that was made anew goes by its own id.
    saved(&dir, "anew.lwsnap", "2026-05-01T08:00:00Z", |e| {
        let who = principal(e, ADMIN);
        let fresh = e.strings.intern("aaaaaaaa-0000-4000-8000-000000000001");
        let mine = e.assignments.iter_mut().filter(|a| a.principal == who).take(1);
        mine.for_each(|a| a.id.name = fresh);
    });
    let anew = ok(&dir, &[&plan[..], &["anew.lwsnap"]].concat()).out;
    assert!(
        anew.contains("delete --ids") && anew.contains("/aaaaaaaa-0000-4000-8000-000000000001"),
        "{anew}"
    );

    // Second quarter: the row carries what was said before; the grant drifts to a wider scope after.
    open("2026-Q2", "q2.lwsnap", "2026-04-20", "2026-04-06T08:00:00Z");
    let table = fs::read_to_string(dir.join("2026-Q2/packets/team-sales.csv")).unwrap();
    assert!(table.contains(",approve,team-sales,2026-01-22,"), "{table}");
    usual(&dir, "2026-Q2");
    assert_eq!(import(&dir, "2026-Q2", "2026-04-10T08:00:00Z").code, 0);
    ok(&dir, &["review", "close", "--acknowledged-by", "A. Manager", "--as-of", "2026-04-21T08:00:00Z"]);
    saved(&dir, "q3.lwsnap", "2026-07-06T08:00:00Z", |e| {
        without(e, ADMIN);
        let who = principal(e, "id-crm-packer-prod-weu");
        let wide = e.strings.intern("/subscriptions/f483fc56-3c93-5c86-d68f-535faf19f6ff");
        e.assignments.iter_mut().filter(|a| a.principal == who).take(1).for_each(|a| a.scope = wide);
    });
    let standing = counts(&dir, "2026-Q2", "q3.lwsnap", "2026-07-06T08:00:00Z");
    assert_eq!((&standing["drifted"], &standing["new"]), (&1.into(), &serde_json::Value::Null), "{standing}");

    // Third quarter: nobody answers, and the exceptions are written down.
    open("2026-Q3", "q3.lwsnap", "2026-07-20", "2026-07-06T08:00:00Z");
    let table = fs::read_to_string(dir.join("2026-Q3/packets/team-sales.csv")).unwrap();
    let drifted = "changed since team-sales approved it on 2026-04-10: scope was ";
    assert!(table.contains(drifted), "{table}");
    let bare = ["review", "close", "--acknowledged-by", "A. Manager", "--as-of", "2026-07-21T08:00:00Z"];
    let refused = run(&dir, &bare);
    assert!(refused.code == 2 && refused.err.contains("not decided"), "{}", refused.err);
    ok(&dir, &[&bare[..], &["--exceptions", "summer freeze, moved to Q4"]].concat());
    let history = ok(&dir, &["review", "export", "--campaign", "2026-Q2"]).out;
    assert_eq!(history.lines().next().unwrap().split(',').count(), 30);
    assert!(history.contains(",Completed,") && history.contains(",Approve,"));

    // Fourth quarter: what was left open in summer is decided, and nothing is overdue at the end.
    saved(&dir, "q4.lwsnap", "2026-10-05T08:00:00Z", |e| without(e, ADMIN));
    open("2026-Q4", "q4.lwsnap", "2026-10-20", "2026-10-06T08:00:00Z");
    usual(&dir, "2026-Q4");
    assert_eq!(import(&dir, "2026-Q4", "2026-10-12T08:00:00Z").code, 0);
    ok(&dir, &["review", "close", "--acknowledged-by", "A. Manager", "--as-of", "2026-10-21T08:00:00Z"]);
    let end =
        ["review", "status", "--campaign", "2026-Q4", "--snapshot", "q4.lwsnap", "--fail-overdue", "--as-of"];
    ok(&dir, &[&end[..], &["2026-10-21T09:00:00Z"]].concat());

    // Each quarter is sealed with the ledger as it was then, chained, and replayed at the end of the year.
    let whole = fs::read_to_string(dir.join("ledger.jsonl")).unwrap();
    let mut before: Option<String> = None;
    let mut statuses = Vec::new();
    for (quarter, snap, at) in [
        ("2026-Q1", "later.lwsnap", "2026-01-24T08:00:00Z"),
        ("2026-Q2", "q2.lwsnap", "2026-04-21T08:00:00Z"),
        ("2026-Q3", "q3.lwsnap", "2026-07-21T08:00:00Z"),
        ("2026-Q4", "q4.lwsnap", "2026-10-21T09:00:00Z"),
    ] {
        let closed = format!("\"kind\":\"closed\",\"campaign\":\"{quarter}\"");
        let lines = whole.lines().position(|l| l.contains(&closed)).unwrap() + 1;
        let then: String = whole.lines().take(lines).map(|l| format!("{l}\n")).collect();
        write(&dir.join("then.jsonl"), then);
        let out = format!("evidence/{quarter}");
        let mut args = vec![
            "evidence",
            "build",
            "--snapshot",
            snap,
            "--ledger",
            "then.jsonl",
            "-o",
            &out,
            "--as-of",
            at,
        ];
        if let Some(before) = &before {
            args.extend(["--previous", before]);
        }
        ok(&dir, &args);
        let table = fs::read_to_string(dir.join(&out).join("controls.csv")).unwrap();
        let row = table.lines().find(|l| l.starts_with("c5,2025,IAM-05.01AC,")).unwrap();
        statuses.push(row.split(',').nth(7).unwrap().to_owned());
        // The waiver ends with its last day in June, and its finding is back.
        let found = fs::read_to_string(dir.join(&out).join("findings.csv")).unwrap();
        let (waived, ended) = (found.contains(",waived,"), found.contains("waiver-expired"));
        assert_eq!((waived, ended), if at < "2026-07" { (true, false) } else { (false, true) }, "{quarter}");
        before = Some(out);
    }
    // A ledger that lost what it said before, or its end, is none that a bundle may go on with.
    let last = before.clone().unwrap();
    let broken = ["evidence", "build", "--snapshot", "q4.lwsnap", "--previous", &last, "-o", "broken"];
    let none = run(&dir, &broken);
    assert!(none.code == 2 && none.err.contains("it has none"), "{}", none.err);
    let text = fs::read_to_string(dir.join("ledger.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    write(&dir.join("short.jsonl"), lines[..lines.len() - 1].join("\n") + "\n");
    let short = run(&dir, &[&broken[..], &["--ledger", "short.jsonl"]].concat());
    assert!(short.code == 2 && short.err.contains("does not go on with"), "{}", short.err);
    // Of summer, where nobody answered, nothing was reviewed.
    assert_eq!(statuses, ["partial", "partial", "not-satisfied", "partial"]);
    let all = ["evidence/2026-Q1", "evidence/2026-Q2", "evidence/2026-Q3", "evidence/2026-Q4"];
    let checked = ok(&dir, &[&["evidence", "verify", "--replay"][..], &all].concat());
    assert_eq!(checked.out.matches("byte for byte").count(), 4, "{}", checked.out);

    // The chain holds, and any change of it shows.
    let bytes = fs::read(dir.join("ledger.jsonl")).unwrap();
    for at in [10, bytes.len() / 2, bytes.len() - 30] {
        let mut changed = bytes.clone();
        changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
        write(&dir.join("changed.jsonl"), changed);
        let ran = run(&dir, &["review", "status", "--ledger", "changed.jsonl", "--campaign", "2026-Q1"]);
        // In the last line, only the head tells.
        let head = |r: &Ran| r.out.lines().last().unwrap_or_default().to_owned();
        let good = run(&dir, &["review", "status", "--campaign", "2026-Q1"]);
        assert!(ran.code == 2 || head(&ran) != head(&good), "byte {at}: {}", ran.out);
    }
}

#[test]
fn what_would_be_false_evidence_is_refused_whole() {
    let dir = folder("reviews-refused");
    saved(&dir, "now.lwsnap", "2026-01-05T08:00:00Z", |_| {});
    let open = ["review", "open", "--campaign", "c", "--snapshot", "now.lwsnap", "--due", "2026-01-20"];
    ok(&dir, &[&open[..], &["--as-of", "2026-01-06T08:00:00Z"]].concat());
    let before = fs::read(dir.join("ledger.jsonl")).unwrap();
    usual(&dir, "c");
    let first = packets(&dir, "c").remove(0);
    let text = fs::read_to_string(dir.join(&first)).unwrap();
    let changed = text.replacen("Storage Blob Data Contributor", "Storage Blob Data Reader", 1);
    assert_ne!(text, changed);
    fs::write(dir.join(&first), changed).unwrap();
    let ran = import(&dir, "c", "2026-01-10T08:00:00Z");
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("role of `g-") && ran.out.contains("nothing was imported"), "{}", ran.out);
    assert_eq!(fs::read(dir.join("ledger.jsonl")).unwrap(), before);
    // A privileged approval that only its owner made waits for somebody else.
    fs::write(dir.join(&first), text).unwrap();
    fill(&dir, "c", |row, at| {
        let owner = row[at("owner")].to_owned();
        ["approve".to_owned(), "needed".to_owned(), owner.clone(), owner]
    });
    assert_eq!(import(&dir, "c", "2026-01-10T08:00:00Z").code, 0);
    let status = ok(&dir, &["review", "status", "--format", "json"]).out;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let sum = |key: &str| {
        status["owners"].as_array().unwrap().iter().map(|o| o[key].as_u64().unwrap()).sum::<u64>()
    };
    assert!(sum("pending_second") > 0 && sum("decided") > 0 && sum("open") == 0, "{status}");
    // A workbook is told to be one.
    write(&dir.join("x.xlsx"), b"PK\x03\x04");
    let ran = run(&dir, &["review", "import", "x.xlsx"]);
    assert!(ran.code == 2 && ran.err.contains("CSV UTF-8"), "{}", ran.err);
}

#[test]
fn another_tenant_an_older_estate_and_an_earlier_time_prove_nothing() {
    let dir = folder("reviews-other");
    saved(&dir, "now.lwsnap", "2026-03-05T08:00:00Z", |_| {});
    saved(&dir, "older.lwsnap", "2026-01-05T08:00:00Z", |_| {});
    ok(&dir, &["simulate", "--subscriptions", "1", "--seed", "3", "-o", "other.lwsnap"]);
    let open = ["review", "open", "--campaign", "c", "--snapshot", "now.lwsnap", "--due", "2026-03-20"];
    assert_eq!(run(&dir, &[&open[..], &["--as-of", "2026-03-01T08:00:00Z"]].concat()).code, 2);
    ok(&dir, &[&open[..], &["--as-of", "2026-03-06T08:00:00Z"]].concat());
    for (snap, said) in [("other.lwsnap", "is of tenant"), ("older.lwsnap", "was read before")] {
        for command in [&["review", "status"][..], &["review", "plan"]] {
            let ran = run(&dir, &[command, &["--snapshot", snap]].concat());
            assert!(ran.code == 2 && ran.err.contains(said), "{snap}: {}", ran.err);
        }
        let audit = ["audit", "--snapshot", snap, "--ledger", "ledger.jsonl", "-o", "out"];
        assert_eq!(run(&dir, &audit).code, 2, "{snap}");
    }
    usual(&dir, "c");
    let back = import(&dir, "c", "2026-02-01T08:00:00Z");
    assert!(back.code == 2 && back.err.contains("does not go back"), "{}", back.err);
    // A dry run says what the real one would.
    let mut dry = vec!["review", "import", "--dry-run", "--as-of", "2026-02-01T08:00:00Z"];
    let files = packets(&dir, "c");
    dry.extend(files.iter().map(String::as_str));
    let dry = run(&dir, &dry);
    assert!(dry.code == 2 && dry.err.contains("does not go back"), "{}", dry.err);
    // What people filled in is not written over.
    let again = run(&dir, &["review", "remind", "-o", "c"]);
    assert!(again.code == 2 && again.err.contains("not written over"), "{}", again.err);
}

#[test]
fn what_is_narrowed_is_narrower_and_stands_as_such() {
    let dir = folder("reviews-narrow");
    saved(&dir, "now.lwsnap", "2026-03-05T08:00:00Z", |_| {});
    let open = ["review", "open", "--campaign", "c", "--snapshot", "now.lwsnap", "--due", "2026-03-20"];
    ok(&dir, &[&open[..], &["--as-of", "2026-03-06T08:00:00Z"]].concat());
    let fix_at = |role: &str, below: Option<&str>, at_time: &str| {
        let path = dir.join("c/packets/team-finance.csv");
        let between = if fs::read_to_string(&path).unwrap().lines().next().unwrap().contains(';') {
            b';'
        } else {
            b','
        };
        let mut reader = csv::ReaderBuilder::new().delimiter(between).from_path(&path).unwrap();
        let head = reader.headers().unwrap().clone();
        let at = |name: &str| head.iter().position(|h| h.trim_start_matches('\u{feff}') == name).unwrap();
        let mut writer = csv::WriterBuilder::new().delimiter(b';').from_writer(Vec::new());
        writer.write_record(&head).unwrap();
        for row in reader.records() {
            let mut fields: Vec<String> = row.unwrap().iter().map(str::to_owned).collect();
            fields.truncate(at("decision"));
            let here = fields[at("identity")] == "id-erp-batch-dev-weu";
            let scope = below.map(|b| format!("{}{b}", fields[at("scope")])).unwrap_or_default();
            let filled =
                if here { ["narrow", "less", role, &scope, "", "ann@contoso.example", ""] } else { [""; 7] };
            fields.extend(filled.map(str::to_owned));
            writer.write_record(&fields).unwrap();
        }
        fs::write(&path, writer.into_inner().unwrap()).unwrap();
        run(&dir, &["review", "import", "c/packets/team-finance.csv", "--as-of", at_time])
    };
    let fix = |role: &str| fix_at(role, None, "2026-03-10T08:00:00Z");
    let wider = fix("Owner");
    assert!(wider.code == 1 && wider.out.contains("gives more than"), "{}", wider.out);
    let less = fix("Storage Blob Data Reader");
    assert_eq!(less.code, 0, "{}", less.out);
    let reader = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1";
    let plan = ok(&dir, &["review", "plan", "--format", "terraform"]).out;
    assert!(plan.contains(reader) && plan.contains("# Storage Blob Data Reader"), "{plan}");
    // A container is in no inventory, and may be there.
    let below = fix_at(
        "Storage Blob Data Reader",
        Some("/blobServices/default/containers/c"),
        "2026-03-10T09:00:00Z",
    );
    assert_eq!(below.code, 0, "{}", below.out);
    let plan = ok(&dir, &["review", "plan", "--snapshot", "now.lwsnap", "--format", "az"]).out;
    assert!(plan.contains("/containers/c") && plan.contains("set -e"), "{plan}");
    assert_eq!(fix_at("Storage Blob Data Reader", None, "2026-03-10T11:00:00Z").code, 0);
    // A resource group that is not there: nothing can be made in it, and so nothing is deleted.
    let packet = "c/packets/team-sales.csv";
    let text = fs::read_to_string(dir.join(packet)).unwrap();
    let row = text.lines().find(|l| l.contains("id-crm-installer-prod-weu")).unwrap();
    let scope = "/subscriptions/f483fc56-3c93-5c86-d68f-535faf19f6ff/resourceGroups/rg-nope";
    let filled = format!(
        "{},narrow,less,,{scope},,team-sales,ciso@contoso.example",
        row.trim_end_matches('\r').trim_end_matches(',')
    );
    let head = text.lines().next().unwrap();
    // Until a second approver is there, it waits, and whoever exports sees for what.
    let waits = filled.replace("ciso@contoso.example", "");
    write(&dir.join("waits.csv"), format!("{head}\n{waits}\n"));
    ok(&dir, &["review", "import", "waits.csv", "--as-of", "2026-03-10T11:30:00Z"]);
    let table = ok(&dir, &["review", "export", "--campaign", "c"]).out;
    let said = format!("waits for a second approver; team-sales said narrow to {scope}: less");
    assert!(table.lines().any(|l| l.contains(&said) && l.contains("Not reviewed")), "{table}");
    write(&dir.join("nope.csv"), format!("{head}\n{filled}\n"));
    let came = run(&dir, &["review", "import", "nope.csv", "--as-of", "2026-03-10T12:00:00Z"]);
    assert_eq!(came.code, 0, "{}{}", came.out, came.err);
    let plan = ok(&dir, &["review", "plan", "--snapshot", "now.lwsnap", "--format", "az"]).out;
    let commands: Vec<&str> = plan.lines().filter(|l| !l.starts_with('#')).collect();
    assert!(plan.contains("which the estate does not have"), "{plan}");
    assert!(
        !commands.iter().any(|c| c.contains("rg-nope")) && !plan.contains("id-crm-installer-prod-weu\n"),
        "{plan}"
    );
    saved(&dir, "done.lwsnap", "2026-03-12T08:00:00Z", |e| {
        let who = principal(e, "id-erp-batch-dev-weu");
        let role = e.strings.intern(&format!("/providers/Microsoft.Authorization/roleDefinitions/{reader}"));
        e.assignments.iter_mut().filter(|a| a.principal == who).for_each(|a| a.role = role);
    });
    let standing = counts(&dir, "c", "done.lwsnap", "2026-03-12T09:00:00Z");
    assert_eq!(
        (&standing["narrowed"], &standing["closed"], &standing["new"]),
        (&1.into(), &1.into(), &serde_json::Value::Null)
    );
    assert!(ok(&dir, &["review", "plan", "--snapshot", "done.lwsnap"]).out.contains("nothing is to be done"));
}

/// A limit on the size of files ends the program in the middle of a write, at whatever byte.
#[cfg(unix)]
#[test]
fn a_killed_import_leaves_all_or_nothing() {
    let dir = folder("reviews-killed");
    saved(&dir, "now.lwsnap", "2026-01-05T08:00:00Z", |_| {});
    let open = ["review", "open", "--campaign", "c", "--snapshot", "now.lwsnap", "--due", "2026-01-20"];
    ok(&dir, &[&open[..], &["--as-of", "2026-01-06T08:00:00Z"]].concat());
    usual(&dir, "c");
    let before = fs::read(dir.join("ledger.jsonl")).unwrap();
    let script = format!(
        "ulimit -f \"$1\"; exec {} review import --as-of 2026-01-10T08:00:00Z c/packets/*.csv",
        env!("CARGO_BIN_EXE_leastwise")
    );
    // In blocks of 512 bytes: from nothing to just before the end.
    let blocks = before.len() / 512;
    let mut killed = 0;
    for limit in (0..blocks + 400).step_by(blocks / 12) {
        let ran = std::process::Command::new("sh")
            .args(["-c", &script, "sh", &limit.to_string()])
            .current_dir(&dir)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap();
        let now = fs::read(dir.join("ledger.jsonl")).unwrap();
        if ran.status.success() {
            assert!(now.len() > before.len());
            break;
        }
        killed += 1;
        assert_eq!(now, before, "limit {limit}");
    }
    assert!(killed > 5, "{killed}");
    // Whatever lies beside is no hindrance.
    assert_eq!(import(&dir, "c", "2026-01-11T08:00:00Z").code, 0);
    assert!(!dir.join("ledger.jsonl.tmp").exists());
}

#[cfg(unix)]
#[test]
fn of_two_runs_on_one_ledger_one_says_so() {
    let dir = folder("reviews-two");
    saved(&dir, "now.lwsnap", "2026-01-05T08:00:00Z", |_| {});
    let open = ["review", "open", "--campaign", "c", "--snapshot", "now.lwsnap", "--due", "2026-01-20"];
    ok(&dir, &[&open[..], &["--as-of", "2026-01-06T08:00:00Z"]].concat());
    let beside = fs::File::create(dir.join("ledger.jsonl.tmp")).unwrap();
    beside.lock().unwrap();
    let close = ["review", "close", "--acknowledged-by", "A. Manager", "--exceptions", "none decided"];
    let ran = run(&dir, &close);
    assert!(ran.code == 2 && ran.err.contains("another run is writing"), "{}", ran.err);
    drop(beside);
    ok(&dir, &close);
}
