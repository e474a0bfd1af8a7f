//! Rules are data: a TOML file each, with its prose, its condition over typed facts, and what it maps to.
//!
//! `schema` reads a file, `expr` its condition, `facts` says what can be asked, `engine` runs all of it over a graph.
//! Total, deterministic, sorted. Not here: input and output, the clock, and any comparison of permission strings.

mod condition;
mod coverage;
mod engine;
mod evidence;
mod expr;
pub mod facts;
mod framework;
mod schema;
mod set;
mod subsume;
mod template;
mod waive;

pub use coverage::{JudgedGap, RuleOutcome, Status};
pub use engine::{Judged, Judging, run};
pub use facts::{IdentityFacts, UseIndex};
pub use framework::{Automation, Control, Framework, Population, ReviewEvery, Strength};
pub use schema::{Rule, Whom};
pub use set::{RuleError, RuleSet};

/// Every embedded rule, framework and technique: its path below `rules/`, and its text.
pub fn texts() -> impl Iterator<Item = (String, &'static str)> {
    let below = |folder: &'static str| {
        move |(name, text): &(&'static str, &'static str)| (format!("{folder}{name}"), *text)
    };
    let rules = set::EMBEDDED.iter().map(below(""));
    let frameworks = framework::EMBEDDED.iter().map(below("frameworks/"));
    rules.chain(frameworks).chain(crate::rbac::Techniques::texts().iter().map(below("techniques/")))
}
