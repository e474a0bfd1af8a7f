//! Two snapshots of one tenant, compared as somebody compares them.

use crate::support::{folder, json, run, write};
use leastwise::model::Estate;
use leastwise::sources::{demo, snapshot};

fn saved(estate: &Estate) -> Vec<u8> {
    let mut bytes = Vec::new();
    snapshot::write(estate, &mut bytes).unwrap();
    bytes
}

/// The demo tenant a quarter later: Owner of the installer is gone, and its role on the subscription moved to another's group.
fn later() -> Estate {
    let mut estate = demo::estate();
    let named = |estate: &Estate, end: &str| {
        let found = estate.identities.iter().find(|i| estate.strings.text(i.id).ends_with(end));
        found.and_then(|i| i.principal).unwrap()
    };
    let (installer, packer) =
        (named(&estate, "/id-crm-installer-prod-weu"), named(&estate, "/id-crm-packer-prod-weu"));
    let owner = estate.assignments.iter().position(|a| a.principal == installer).unwrap();
    let mut moved = estate.assignments.remove(owner);
    moved.principal = packer;
    estate.assignments.push(moved);
    estate.settle();
    estate
}

#[test]
fn what_changed_is_told_in_every_form() {
    let dir = folder("diff");
    write(&dir.join("old.lwsnap"), saved(&demo::estate()));
    write(&dir.join("new.lwsnap"), saved(&later()));
    let ran = run(&dir, &["diff", "old.lwsnap", "new.lwsnap", "-o", "out"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let all = json(&dir.join("out/diff.json"));
    assert_eq!(all["schema"], "leastwise.diff/1");
    assert_eq!(
        (all["counts"]["grants_added"].as_u64(), all["counts"]["grants_removed"].as_u64()),
        (Some(1), Some(1))
    );
    let grants = all["change"]["grants"].as_array().unwrap();
    let who = |change: &str| {
        let grant = grants.iter().find(|g| g["change"] == change).unwrap();
        grant["identity"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (who("removed"), who("added")),
        ("id-crm-installer-prod-weu".into(), "id-crm-packer-prod-weu".into())
    );
    // Its own way to the subscription is no way any more: it holds it.
    let owner =
        all["findings_new"].as_array().unwrap().iter().find(|f| f["rule"] == "owner-equivalent-grant");
    assert!(owner.unwrap()["message"].as_str().unwrap().contains("id-crm-packer-prod-weu"));
    assert!(all["counts"]["findings_ended"].as_u64().unwrap() > 0);
    let table = std::fs::read_to_string(dir.join("out/changes.csv")).unwrap();
    assert_eq!(table.lines().filter(|l| l.starts_with("grant,")).count(), 2);
    let page = std::fs::read_to_string(dir.join("out/diff.html")).unwrap();
    assert!(page.contains("id-crm-packer-prod-weu") && !page.contains("<script"));
    let text = run(&dir, &["diff", "old.lwsnap", "new.lwsnap"]);
    assert!(text.out.contains("1 grants added, 1 removed"), "{}", text.out);
}

#[test]
fn the_same_tenant_read_twice_has_not_changed() {
    let dir = folder("diff-same");
    write(&dir.join("a.lwsnap"), saved(&demo::estate()));
    let ran = run(&dir, &["diff", "a.lwsnap", "a.lwsnap", "--format", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let all: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert!(all["counts"].as_object().unwrap().values().all(|n| n == 0), "{}", all["counts"]);
    assert_eq!(run(&dir, &["diff", "a.lwsnap", "gone.lwsnap"]).code, 2);
}
