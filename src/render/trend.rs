//! How findings went from run to run: a picture for the page with its numbers beside, and the member `trend` of findings.json.

use crate::report::TrendRow;
use serde::Serialize;
use serde_json::{Value, json};

/// The severities, the worst first, as counts of a run have them.
const NAMES: [&str; 5] = ["critical", "high", "medium", "low", "info"];

/// In units of the picture.
const WIDTH: usize = 640;
const HEIGHT: usize = 180;
const LEFT: usize = 44;
const TOP: usize = 12;
/// Room for names and for the last day.
const RIGHT: usize = 84;

/// The member `trend` of findings.json.
pub(super) fn trend_json(trend: &TrendRow) -> Value {
    let counts = |open: &[usize; 5]| -> Value {
        NAMES
            .iter()
            .zip(open)
            .map(|(name, n)| ((*name).to_owned(), json!(n)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let runs: Vec<Value> = trend
        .points
        .iter()
        .map(|p| json!({"at": p.at, "open": counts(&p.open), "used_percent": p.used_percent}))
        .collect();
    let rules: Vec<Value> = trend
        .rules
        .iter()
        .map(|r| json!({"rule": r.rule, "fixed": r.fixed, "median_days": r.median_days}))
        .collect();
    json!({"runs": runs, "rules": rules})
}

#[derive(Serialize)]
struct Line {
    name: &'static str,
    points: String,
    dots: Vec<(usize, usize)>,
    name_x: usize,
    name_y: usize,
}

#[derive(Serialize)]
struct Tick {
    at: usize,
    text: String,
}

#[derive(Serialize)]
struct Run {
    at: String,
    open: [usize; 5],
    used: Option<u64>,
}

#[derive(Serialize)]
struct Fixed {
    rule: String,
    fixed: usize,
    median_days: i64,
}

/// What the page shows.
#[derive(Serialize)]
pub(super) struct Page {
    width: usize,
    height: usize,
    left: usize,
    bottom: usize,
    lines: Vec<Line>,
    days: Vec<Tick>,
    most: usize,
    top: usize,
    runs: Vec<Run>,
    /// Whether any run knew how much was used.
    used: bool,
    rules: Vec<Fixed>,
}

impl Page {
    pub(super) fn new(trend: &TrendRow) -> Page {
        let most = trend.points.iter().flat_map(|p| p.open).max().unwrap_or(0).max(1);
        let last = trend.points.len().saturating_sub(1).max(1);
        let across = |n: usize| LEFT + n * (WIDTH - LEFT - RIGHT) / last;
        let up = |count: usize| TOP + HEIGHT - count * HEIGHT / most;
        let line = |(at, name): (usize, &&'static str)| {
            let count = |p: &crate::report::TrendPoint| p.open.get(at).copied().unwrap_or(0);
            let dots: Vec<(usize, usize)> =
                trend.points.iter().enumerate().map(|(n, p)| (across(n), up(count(p)))).collect();
            let points: Vec<String> = dots.iter().map(|(x, y)| format!("{x},{y}")).collect();
            let (name_x, name_y) = dots.last().map_or((0, 0), |(x, y)| (x + 8, y + 4));
            Line { name, points: points.join(" "), dots, name_x, name_y }
        };
        // Days stand side by side as far as there is room.
        let step = trend.points.len().div_ceil(7).max(1);
        let day = |at: &str| at.get(..10).unwrap_or(at).to_owned();
        let days = trend.points.iter().enumerate().step_by(step);
        Page {
            width: WIDTH,
            height: TOP + HEIGHT + 26,
            left: LEFT,
            bottom: TOP + HEIGHT,
            top: TOP,
            most,
            lines: NAMES.iter().enumerate().map(line).collect(),
            days: days.map(|(n, p)| Tick { at: across(n), text: day(&p.at) }).collect(),
            runs: trend
                .points
                .iter()
                .map(|p| Run { at: day(&p.at), open: p.open, used: p.used_percent })
                .collect(),
            used: trend.points.iter().any(|p| p.used_percent.is_some()),
            rules: trend
                .rules
                .iter()
                .map(|r| Fixed { rule: r.rule.clone(), fixed: r.fixed, median_days: r.median_days })
                .collect(),
        }
    }
}
