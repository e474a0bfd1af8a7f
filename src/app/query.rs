//! Questions to the graph: what can an identity do, and who can do something.

use super::Progress;
use super::error::AppError;
use super::estate::{Input, Times, load};
use super::policy::Policy;
use crate::finding::Severity;
use crate::graph::{AccessGraph, Identity, ScopeNode};
use crate::model::{GrantState, Ix, Operation};
use crate::rbac::Catalog;
use crate::render::{sheet_markdown, sheet_text, who_can_text};
use crate::report::Report;
use crate::rules::{Judging, run};
use std::fmt::Write as _;
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

fn graph(
    ask: &Ask,
    catalog: &'static Catalog,
    progress: &dyn Progress,
) -> Result<(AccessGraph, crate::report::Provenance), AppError> {
    let loaded = load(&ask.input, &ask.activity, ask.times, progress)?;
    let graph = AccessGraph::build(loaded.estate, catalog, loaded.provenance.judged_at);
    Ok((graph, loaded.provenance))
}

fn scope(graph: &AccessGraph, text: &str) -> Result<Ix<ScopeNode>, AppError> {
    let estate = graph.estate();
    let bare = if text == "/" { text } else { text.trim_end_matches('/') };
    let mut found = estate.strings.find(bare).and_then(|s| graph.scopes().find(estate, s));
    // A subscription by its GUID or its name is what people have at hand.
    if found.is_none() {
        let wanted = |s: &&crate::model::Subscription| {
            let (id, name) = (graph.text(s.id), graph.text(s.name));
            name.eq_ignore_ascii_case(bare) || crate::model::role_key(id).eq_ignore_ascii_case(bare)
        };
        found = estate.subscriptions.iter().find(wanted).and_then(|s| graph.scopes().find(estate, s.id));
    }
    // What the inventory does not have lies in the nearest scope above that it has.
    let mut above = crate::model::Scope::parse(bare);
    while let (None, Some(outer)) = (found, above) {
        found = estate.strings.find(outer.text).and_then(|s| graph.scopes().find(estate, s));
        above = outer.parent();
    }
    found.ok_or_else(|| {
        AppError::usage(format!("`{text}` is no scope that the estate knows"))
            .help("give an id such as /subscriptions/…/resourceGroups/…, or a subscription's name")
    })
}

/// Finds an identity by name, ARM id, object id or application id.
fn identity(graph: &AccessGraph, wanted: &str) -> Result<Ix<Identity>, AppError> {
    let fits = |identity: &Identity| {
        let ids = [identity.id, identity.client, identity.party.map(|p| graph.parties()[p].principal)];
        let by_id = ids
            .into_iter()
            .flatten()
            .any(|s| graph.text(s).eq_ignore_ascii_case(wanted.trim_end_matches('/')));
        (by_id, graph.identity_name(identity).eq_ignore_ascii_case(wanted))
    };
    let mut named = Vec::new();
    for (at, one) in graph.identities().iter() {
        match fits(one) {
            (true, _) => return Ok(at),
            (_, true) => named.push(at),
            _ => {}
        }
    }
    match named.as_slice() {
        [only] => Ok(*only),
        [] => Err(AppError::usage(format!("no identity `{wanted}` in the estate"))
            .help("give its name, ARM id, object id or application id; identities.csv lists them")),
        many => {
            let ids: Vec<&str> = many
                .iter()
                .filter_map(|at| graph.identities()[*at].id)
                .map(|s| graph.text(s))
                .take(5)
                .collect();
            let message = format!("{} identities are called `{wanted}`: {}", many.len(), ids.join(", "));
            Err(AppError::usage(message).help("give its ARM id or object id"))
        }
    }
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
) -> Result<String, AppError> {
    let (graph, provenance) = graph(ask, catalog, progress)?;
    let at = identity(&graph, who)?;
    let on = on.map(|text| scope(&graph, text)).transpose()?;
    let judging = Judging {
        rules: &policy.rules,
        config: &policy.config,
        waivers: &policy.waivers,
        source: ask.input.source(),
        judged_at: provenance.judged_at.unwrap_or(ask.times.now),
        decided_at: provenance.decided_at.unwrap_or(ask.times.now),
        threshold: Severity::High,
    };
    let judged = run(&graph, &judging);
    let report = Report::new(&graph, &judged, &policy.rules, provenance, Severity::High);
    let sheet = report.sheet(at, on).ok_or_else(|| AppError::internal("the identity has no facts"))?;
    Ok(if markdown { sheet_markdown(&sheet) } else { sheet_text(&sheet) })
}

/// Who can do an operation on a scope, each with how.
///
/// # Errors
/// If the estate or the scope is not there.
pub fn who_can(
    ask: &Ask,
    operation: &Operation,
    on: Option<&str>,
    catalog: &'static Catalog,
    progress: &dyn Progress,
) -> Result<String, AppError> {
    let (graph, _) = graph(ask, catalog, progress)?;
    if operation.name.contains('*') {
        return Err(AppError::usage(format!("`{}` is a pattern", operation.name))
            .help("give one operation, such as Microsoft.Web/sites/write"));
    }
    let mut out = String::new();
    let Some(on) = on else {
        // Without a scope: everyone who can somewhere, widest reach first.
        let mut reach = graph.reach(operation);
        reach.sort_by(|a, b| b.resources.cmp(&a.resources).then_with(|| a.party.cmp(&b.party)));
        for one in reach {
            let principal = graph.text(graph.parties()[one.party].principal);
            let places = format!("on {} scope(s) with {} known resource(s)", one.ranges.len(), one.resources);
            let _ =
                writeln!(out, "{}", who_can_text("allow", graph.party_name(one.party), principal, &places));
        }
        return Ok(out);
    };
    let target = scope(&graph, on)?;
    for answer in graph.who_can(operation, target) {
        let grant = &graph.grants()[answer.held.grant];
        let at = graph.text(graph.scopes().nodes()[grant.scope].id);
        let mut how = format!("through {} on {at}", graph.roles()[grant.role].name);
        if let Some(record) = graph.record(grant) {
            let _ = write!(how, ", assignment {}", graph.text(record.id.name));
        }
        let groups: Vec<&str> = answer.held.via.iter().map(|g| graph.party_name(*g)).collect();
        if !groups.is_empty() {
            let _ = write!(how, ", via group {}", groups.join(" > "));
        }
        if grant.scope != target {
            how.push_str(", inherited");
        }
        if grant.state == GrantState::TimeBound {
            how.push_str(", for a time");
        }
        if grant.condition.is_some() {
            how.push_str(", under a condition");
        }
        if let Some(deny) = answer.denied_by {
            let _ = write!(how, ", deny assignment {}", graph.estate().strings.show_id(deny));
        }
        let principal = graph.text(graph.parties()[answer.party].principal);
        let _ = writeln!(
            out,
            "{}",
            who_can_text(answer.access.name(), graph.party_name(answer.party), principal, &how)
        );
    }
    Ok(out)
}
