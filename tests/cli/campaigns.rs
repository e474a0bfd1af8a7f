//! Campaigns over estates that were not read whole, and ledgers that do not count right.

use crate::reviews::{ADMIN, counts, import, ok, opened, principal, saved, usual};
use crate::support::{folder, run, write};
use leastwise::model::{Estate, Instant};
use leastwise::sources::demo;
use std::fs;
use std::path::PathBuf;

/// A folder with the campaign of a quarter that is over.
fn closed(name: &str) -> PathBuf {
    let dir = folder(name);
    write(&dir.join("leastwise.toml"), demo::CONFIG);
    saved(&dir, "q1.lwsnap", "2026-01-05T08:00:00Z", |_| {});
    opened(&dir, "2026-Q1");
    usual(&dir, "2026-Q1");
    assert_eq!(import(&dir, "2026-Q1", "2026-01-07T08:00:00Z").code, 0);
    ok(&dir, &["review", "close", "--acknowledged-by", "A. Manager", "--as-of", "2026-01-08T08:00:00Z"]);
    dir
}

#[test]
fn what_was_not_read_is_neither_reviewed_nor_gone() {
    use leastwise::model::{Extent, Gap, Reason, Source};
    let dir = closed("reviews-partly");
    let through_groups = |ledger: &str| {
        ledger.lines().filter(|l| !l.contains("\"via\":\"direct\"") && l.contains("\"via\":\"")).count()
    };
    let text = fs::read_to_string(dir.join("ledger.jsonl")).unwrap();
    assert!(through_groups(&text) > 0);
    // A subscription that could not be looked into, whatever its coverage says.
    let sub = std::cell::RefCell::new(String::new());
    saved(&dir, "sub.lwsnap", "2026-02-01T08:00:00Z", |e| {
        let of = |e: &Estate, n: usize| e.strings.text(e.assignments[n].scope).to_ascii_lowercase();
        let at = (0..e.assignments.len()).find(|n| of(e, *n).starts_with("/subscriptions/")).unwrap();
        let scope = of(e, at).chars().take("/subscriptions/".len() + 36).collect::<String>();
        let strings = e.strings.clone();
        e.assignments.retain(|a| !strings.text(a.scope).to_ascii_lowercase().starts_with(&scope));
        e.gaps.push(Gap::new(Source::Subscriptions, scope.clone(), Reason::Forbidden, "403"));
        sub.replace(scope);
    });
    let stand = counts(&dir, "2026-Q1", "sub.lwsnap", "2026-02-01T08:00:00Z");
    assert!(stand["not-read"].as_u64().unwrap() > 0 && stand.get("gone").is_none(), "{stand} {sub:?}");
    // Whoever holds something through a group alone, and neither the identity nor the principal was read.
    saved(&dir, "holders.lwsnap", "2026-02-01T08:00:00Z", |e| {
        e.identities.clear();
        e.principals.clear();
        for source in [Source::Identities, Source::Principals] {
            e.coverage.note(source, Extent::Partial);
        }
    });
    let stand = counts(&dir, "2026-Q1", "holders.lwsnap", "2026-02-01T08:00:00Z");
    assert_eq!(stand["not-read"].as_u64().unwrap(), through_groups(&text) as u64, "{stand}");
    assert!(stand.get("gone").is_none(), "{stand}");
    // Nor is a campaign one over all grants where nothing but the coverage says that some are missing.
    for (n, (source, extent)) in [
        (Source::RoleAssignments, Extent::Partial),
        (Source::Subscriptions, Extent::Partial),
        (Source::Groups, Extent::Absent),
    ]
    .into_iter()
    .enumerate()
    {
        saved(&dir, "q1.lwsnap", "2026-01-05T08:00:00Z", |e| {
            let others: Vec<_> = e.coverage.iter().filter(|(s, _)| *s != source).collect();
            e.coverage = leastwise::model::Coverage::default();
            others.into_iter().chain([(source, extent)]).for_each(|(s, x)| e.coverage.note(s, x));
        });
        let ledger = format!("{n}.jsonl");
        let open =
            ["review", "open", "--campaign", "other", "--snapshot", "q1.lwsnap", "--due", "2026-01-20"];
        let (n, at) = (n.to_string(), ["--as-of", "2026-01-06T08:00:00Z"]);
        ok(&dir, &[&open[..], &at, &["--ledger", &ledger, "-o", &n]].concat());
        let first = fs::read_to_string(dir.join(ledger)).unwrap();
        assert!(first.lines().next().unwrap().contains("\"complete\":false"), "{source:?}");
    }
}

#[test]
fn what_a_campaign_ends_with_is_counted() {
    let dir = closed("reviews-counted");
    let text = fs::read_to_string(dir.join("ledger.jsonl")).unwrap();
    assert_eq!(run(&dir, &["review", "status"]).code, 0);
    for (kind, key, problem) in [
        ("closed", "approved", "and its decisions say"),
        ("closed", "denied", "and its decisions say"),
        ("imported", "decisions", "has fewer decisions"),
    ] {
        write(&dir.join("ledger.jsonl"), changed(&text, kind, key));
        let ran = run(&dir, &["review", "status"]);
        assert_eq!(ran.code, 2, "{kind} {key}: {}", ran.err);
        assert!(ran.err.contains(problem), "{kind} {key}: {}", ran.err);
    }
}

/// A ledger whose last entry of a kind says one less of something, chained anew.
fn changed(ledger: &str, kind: &str, key: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let of_kind = |l: &str| l.contains(&format!("\"kind\":\"{kind}\""));
    let last = ledger.lines().enumerate().filter(|(_, l)| of_kind(l)).last().map(|(n, _)| n).unwrap();
    let (mut out, mut previous) = (String::new(), None::<String>);
    for (n, line) in ledger.lines().enumerate() {
        let mut line = line.to_owned();
        if n == last {
            let field = format!("\"{key}\":");
            let (before, rest) = line.split_once(&field).unwrap();
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
            let number: usize = rest[..end].parse().unwrap();
            line = format!("{before}{field}{}{}", number.saturating_sub(1), &rest[end..]);
        }
        if let Some(previous) = previous {
            let (before, rest) = line.split_once("\"previous\":\"").unwrap();
            line = format!("{before}\"previous\":\"{previous}{}", &rest[64..]);
        }
        previous = Some(Sha256::digest(&line).iter().map(|b| format!("{b:02x}")).collect());
        out.push_str(&line);
        out.push('\n');
    }
    out
}

#[test]
fn what_was_approved_and_made_again_is_told() {
    let dir = closed("reviews-again");
    saved(&dir, "q2.lwsnap", "2026-04-01T08:00:00Z", |e| {
        let at = Instant::parse("2026-03-03T08:00:00Z");
        e.assignments.iter_mut().for_each(|a| a.created_on = at);
    });
    let open = ["review", "open", "--campaign", "2026-Q2", "--snapshot", "q2.lwsnap", "--due", "2026-04-20"];
    ok(&dir, &[&open[..], &["--as-of", "2026-04-02T08:00:00Z"]].concat());
    let ledger = fs::read_to_string(dir.join("ledger.jsonl")).unwrap();
    let items = ledger.lines().filter(|l| l.contains("\"campaign\":\"2026-Q2\"") && l.contains("\"item\":"));
    let approved: Vec<&str> = items.filter(|l| l.contains("\"previous_decision\":\"approve\"")).collect();
    assert!(approved.len() > 200, "{}", approved.len());
    for line in approved {
        assert!(line.contains("made again on 2026-03-03, after it was approved on 2026-01-07"), "{line}");
        assert!(!line.contains("\"recommendation\":\"approve\""), "{line}");
    }
}

#[test]
fn what_was_denied_and_comes_back_through_a_group_is_granted_again() {
    use leastwise::model::{Group, PrincipalType};
    let dir = closed("reviews-through-a-group");
    saved(&dir, "again.lwsnap", "2026-02-01T08:00:00Z", |e| {
        let who = principal(e, ADMIN);
        let group = e.strings.intern("11111111-2222-4333-8444-00000000000f");
        let name = e.strings.intern("operators");
        e.groups.push(Group { id: group, name, members: vec![who] });
        for grant in e.assignments.iter_mut().filter(|a| a.principal == who) {
            (grant.principal, grant.principal_type) = (group, PrincipalType::Group);
        }
    });
    let stand = counts(&dir, "2026-Q1", "again.lwsnap", "2026-02-01T08:00:00Z");
    assert!(stand["re-granted"].as_u64().unwrap() > 0 && stand.get("new").is_none(), "{stand}");
    let late = ["review", "status", "--campaign", "2026-Q1", "--snapshot", "again.lwsnap", "--fail-overdue"];
    let ran = run(&dir, &[&late[..], &["--as-of", "2026-02-01T08:00:00Z"]].concat());
    assert!(ran.code == 6 && ran.out.contains("held again through operators"), "{} {}", ran.code, ran.out);
}

#[test]
fn an_audit_fails_where_a_review_is_overdue() {
    let dir = folder("reviews-overdue");
    write(&dir.join("leastwise.toml"), demo::CONFIG);
    saved(&dir, "q1.lwsnap", "2026-01-05T08:00:00Z", |_| {});
    opened(&dir, "2026-Q1");
    let at = |day: &str, more: &[&str]| {
        let args = [
            "audit",
            "--snapshot",
            "q1.lwsnap",
            "--ledger",
            "ledger.jsonl",
            "--format",
            "text",
            "--as-of",
            day,
        ];
        run(&dir, &[&args[..], more].concat()).code
    };
    assert_eq!(at("2026-01-19T08:00:00Z", &["--fail-overdue"]), 0);
    assert_eq!(at("2026-01-25T08:00:00Z", &[]), 0);
    assert_eq!(at("2026-01-25T08:00:00Z", &["--fail-overdue"]), 6);
}
