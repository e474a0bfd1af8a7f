//! Ways to more power of a whole estate, for findings.json and for the page: there each is a picture with its text beside.

use super::paths::path_json;
use crate::report::{PathRow, PowerRow};
use serde::Serialize;
use serde_json::{Value, json};

/// The member `power` of findings.json.
pub(super) fn power_json(power: &PowerRow) -> Value {
    let chokes: Vec<Value> = power
        .chokes
        .iter()
        .map(|c| {
            json!({"holder": c.holder, "role": c.role, "scope": c.scope, "assignment": c.assignment,
                "ways_left": c.left, "identities_left": c.identities_left, "percent_cut": c.cut})
        })
        .collect();
    let paths: Vec<Value> = power.paths.iter().map(path_json).collect();
    json!({"ways": power.ways, "identities": power.identities, "choke_points": chokes,
        "at_least": power.at_least, "exact": power.exact, "paths": paths})
}

/// A box of a picture.
#[derive(Serialize)]
struct Node {
    y: usize,
    text_y: usize,
    text: String,
    end: bool,
}

/// An arrow of a picture, with what is done beside it.
#[derive(Serialize)]
struct Arrow {
    from: usize,
    to: usize,
    head: String,
    label_y: usize,
    does: String,
    by_y: usize,
    by: String,
}

#[derive(Serialize)]
struct Way {
    from: String,
    to: String,
    confidence: &'static str,
    height: usize,
    nodes: Vec<Node>,
    arrows: Vec<Arrow>,
    steps: Vec<String>,
}

#[derive(Serialize)]
struct Choke {
    holder: String,
    role: String,
    scope: String,
    cut: usize,
    left: usize,
}

/// What the page shows.
#[derive(Serialize)]
pub(super) struct Page {
    ways: usize,
    identities: usize,
    at_least: usize,
    exact: bool,
    chokes: Vec<Choke>,
    paths: Vec<Way>,
}

/// Heights in the picture.
const BOX: usize = 30;
const GAP: usize = 52;

impl Page {
    pub(super) fn new(power: &PowerRow) -> Page {
        let chokes = power.chokes.iter().map(|c| Choke {
            holder: c.holder.clone(),
            role: c.role.clone(),
            scope: c.scope.clone(),
            cut: c.cut,
            left: c.left,
        });
        Page {
            ways: power.ways,
            identities: power.identities,
            at_least: power.at_least,
            exact: power.exact,
            chokes: chokes.collect(),
            paths: power.paths.iter().map(picture).collect(),
        }
    }
}

fn picture(path: &PathRow) -> Way {
    let plain = |text: &str| short(&text.replace('`', ""), 62);
    let mut nodes = vec![Node { y: 4, text_y: 4 + 20, text: plain(&path.from), end: false }];
    let mut arrows = Vec::new();
    let mut steps = Vec::new();
    for (n, step) in path.steps.iter().enumerate() {
        let top = 4 + n * (BOX + GAP) + BOX;
        let y = top + GAP;
        let by: Vec<String> =
            step.by.iter().map(|b| format!("{} on {}", b.role, b.place.replace('`', ""))).collect();
        let by = if by.is_empty() { "by what the step before gives".to_owned() } else { by.join(" and ") };
        let on = step.place.as_deref().map(|on| format!(": {}", on.replace('`', ""))).unwrap_or_default();
        arrows.push(Arrow {
            from: top,
            to: y - 7,
            head: format!("24,{} 36,{} 30,{}", y - 9, y - 9, y - 1),
            label_y: top + 20,
            does: short(&format!("{}{on}", step.does), 84),
            by_y: top + 38,
            by: short(&by, 92),
        });
        nodes.push(Node { y, text_y: y + 20, text: plain(&step.gains), end: n + 1 == path.steps.len() });
        let by: Vec<String> = step.by.iter().map(|b| format!("{} on {}", b.role, b.scope)).collect();
        steps.push(format!(
            "{} can {}{} and gets {}; by {}; with {}{}",
            step.actor,
            step.does,
            step.on.as_deref().map(|on| format!(" on {on}")).unwrap_or_default(),
            step.gains.replace('`', ""),
            if by.is_empty() { "what the step before gives".to_owned() } else { by.join(" and ") },
            step.operations.join(", "),
            if step.unless.is_empty() { String::new() } else { format!("; unless {}", step.unless) },
        ));
    }
    let height = 4 + path.steps.len() * (BOX + GAP) + BOX + 4;
    let to = path.to.replace('`', "");
    Way { from: path.from.clone(), to, confidence: path.confidence, height, nodes, arrows, steps }
}

fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}
