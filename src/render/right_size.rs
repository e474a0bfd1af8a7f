//! What identities should have instead, for findings.json, identities.csv and the page, where it is a difference of two colours.

use crate::report::{HeldRow, RightSizeRow};
use serde::Serialize;
use serde_json::{Value, json};

/// The most that the page tells.
const SHOWN: usize = 50;

/// An element of the member `right_size` of findings.json.
pub(super) fn right_size_json(row: &RightSizeRow) -> Value {
    let grant = |g: &HeldRow| json!({"role": g.role, "scope": g.scope, "assignment": g.assignment});
    let removed = row.removed.iter().map(|(class, count)| json!({"class": class, "operations": count}));
    json!({
        "identity": row.identity, "id": row.identity_id, "principal_id": row.principal_id, "basis": row.basis,
        "create": row.create.iter().map(grant).collect::<Vec<_>>(),
        "delete": row.delete.iter().map(grant).collect::<Vec<_>>(),
        "resources_before": row.before, "resources_after": row.after, "removed": removed.collect::<Vec<_>>(),
    })
}

/// Cells of identities.csv: what it rests on, what to make, what to delete.
pub(super) fn cells(row: Option<&RightSizeRow>) -> [String; 3] {
    let told = |grants: &[HeldRow]| {
        let all: Vec<String> = grants.iter().map(|g| format!("{} on {}", g.role, g.scope)).collect();
        all.join("; ")
    };
    row.map_or_else(Default::default, |row| [row.basis.to_owned(), told(&row.create), told(&row.delete)])
}

#[derive(Serialize)]
struct Line {
    role: String,
    scope: String,
}

#[derive(Serialize)]
struct Row {
    identity: String,
    gain: String,
    delete: Vec<Line>,
    create: Vec<Line>,
}

/// What the page shows.
#[derive(Serialize)]
pub(super) struct Page {
    total: usize,
    by_logs: usize,
    rows: Vec<Row>,
}

impl Page {
    /// None where nothing can be smaller.
    pub(super) fn new(all: &[RightSizeRow]) -> Option<Page> {
        let line = |g: &HeldRow| Line { role: g.role.clone(), scope: g.scope.clone() };
        let rows = all.iter().take(SHOWN).map(|row| Row {
            identity: row.identity.clone(),
            gain: gain(row),
            delete: row.delete.iter().map(line).collect(),
            create: row.create.iter().map(line).collect(),
        });
        (!all.is_empty()).then(|| Page {
            total: all.len(),
            by_logs: all.iter().filter(|r| r.basis == "activity").count(),
            rows: rows.collect(),
        })
    }
}

/// What goes, in words.
fn gain(row: &RightSizeRow) -> String {
    if row.basis == "topology" {
        let plural = if row.before == 1 { "" } else { "s" };
        return format!("applies to {} resource{plural}, {} beside its hosts", row.before, row.after);
    }
    let removed: Vec<String> =
        row.removed.iter().take(4).map(|(class, count)| format!("{count} {class}")).collect();
    format!("operations that go: {}", removed.join(", "))
}
