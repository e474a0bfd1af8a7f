//! Questions to the graph: what can an identity do. Who can do something is `who_can`'s.

use super::Progress;
use super::error::AppError;
use super::estate::{Input, Times, load};
use super::lookup::{identity, scope};
use super::policy::Policy;
use crate::finding::Severity;
use crate::graph::AccessGraph;
use crate::model::{Extent, Operation, Plane, Source};
use crate::rbac::Catalog;
use crate::render::{sheet_markdown, sheet_text};
use crate::report::Report;
use crate::rules::run;
use std::path::PathBuf;

/// Where the estate comes from, and when it is judged.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The input.
    pub input: Input,
    /// Sign-in logs.
    pub activity: Vec<PathBuf>,
    /// The instants.
    pub times: Times,
}

/// An answer, and what to know about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// For standard output.
    pub text: String,
    /// What the answer does not cover.
    pub notes: Vec<String>,
}

/// What is missing of the estate that could hide a part of the answer.
pub(super) fn missing(graph: &AccessGraph) -> Vec<String> {
    const ASKED: [Source; 8] = [
        Source::Subscriptions,
        Source::RoleAssignments,
        Source::RoleDefinitions,
        Source::Groups,
        Source::ManagementGroups,
        Source::DenyAssignments,
        Source::Vaults,
        Source::Files,
    ];
    let all = graph.estate().gaps.iter().chain(graph.gaps());
    let gaps = all.filter(|g| g.reason.can_hide() && ASKED.contains(&g.source)).map(|g| g.source);
    let partial = |s: &Source| graph.estate().coverage.of(*s) == Extent::Partial;
    let mut names: Vec<&str> = gaps.chain(ASKED.into_iter().filter(partial)).map(Source::name).collect();
    names.sort_unstable();
    names.dedup();
    let text = format!("not read whole, so there may be more: {}", names.join(", "));
    if names.is_empty() { Vec::new() } else { vec![text] }
}

pub(super) fn graph(
    ask: &Ask,
    catalog: &'static Catalog,
    progress: &dyn Progress,
) -> Result<(AccessGraph, crate::report::Provenance), AppError> {
    let loaded = load(&ask.input, &ask.activity, ask.times, progress)?;
    let graph = AccessGraph::build(loaded.estate, catalog, loaded.provenance.judged_at);
    Ok((graph, loaded.provenance))
}

/// What an identity can do, on a scope or anywhere; as a one-page sheet if asked for Markdown.
///
/// # Errors
/// If the estate, the identity or the scope is not there.
pub fn can(
    ask: &Ask,
    policy: &Policy,
    who: &str,
    on: Option<&str>,
    markdown: bool,
    catalog: &'static Catalog,
    progress: &dyn Progress,
) -> Result<Reply, AppError> {
    let (graph, provenance) = graph(ask, catalog, progress)?;
    let at = identity(&graph, who)?;
    let on = on.map(|text| scope(&graph, text)).transpose()?;
    let judging = policy.judging(ask.input.source(), &provenance, ask.times.now, Severity::High);
    let judged = run(&graph, &judging);
    let report = Report::new(&graph, &judged, &policy.rules, provenance, Severity::High);
    let sheet = report.sheet(at, on).ok_or_else(|| AppError::internal("the identity has no facts"))?;
    let text = if markdown { sheet_markdown(&sheet) } else { sheet_text(&sheet) };
    Ok(Reply { text, notes: missing(&graph) })
}

/// Refuses patterns, and operations that only the other plane has: the answer would be right and mislead.
///
/// # Errors
/// If it is one of these.
pub fn known(operation: &Operation, catalog: &Catalog) -> Result<(), AppError> {
    let name = &operation.name;
    if name.contains('*') || !name.contains('/') {
        let help = "give one whole operation, such as Microsoft.Web/sites/write";
        return Err(AppError::usage(format!("`{name}` is no operation")).help(help));
    }
    let has = |plane| catalog.operations().find(plane, name).is_some();
    match operation.plane {
        Plane::Control if !has(Plane::Control) && has(Plane::Data) => {
            Err(AppError::usage(format!("`{name}` is an operation of the data plane")).help("add --data"))
        }
        Plane::Data if !has(Plane::Data) && has(Plane::Control) => {
            Err(AppError::usage(format!("`{name}` is an operation of the control plane"))
                .help("leave --data out"))
        }
        _ => Ok(()),
    }
}
