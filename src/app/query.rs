//! Questions to the graph: what can an identity do, and who can do something.

use super::Progress;
use super::error::AppError;
use super::estate::{Input, Times, load};
use super::policy::Policy;
use crate::finding::Severity;
use crate::graph::{AccessGraph, Identity, ScopeNode};
use crate::model::{GrantState, Ix, Operation, Plane, Source};
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

/// An answer, and what to know about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// For standard output.
    pub text: String,
    /// What the answer does not cover.
    pub notes: Vec<String>,
}

/// What is missing of the estate that could hide a part of the answer.
fn missing(graph: &AccessGraph) -> Vec<String> {
    const ASKED: [Source; 7] = [
        Source::RoleAssignments,
        Source::RoleDefinitions,
        Source::Groups,
        Source::ManagementGroups,
        Source::DenyAssignments,
        Source::Vaults,
        Source::Files,
    ];
    let all = graph.estate().gaps.iter().chain(graph.gaps());
    let mut names: Vec<&str> =
        all.filter(|g| g.reason.can_hide() && ASKED.contains(&g.source)).map(|g| g.source.name()).collect();
    names.sort_unstable();
    names.dedup();
    let text = format!("not read whole, so there may be more: {}", names.join(", "));
    if names.is_empty() { Vec::new() } else { vec![text] }
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
) -> Result<Reply, AppError> {
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
    let text = if markdown { sheet_markdown(&sheet) } else { sheet_text(&sheet) };
    Ok(Reply { text, notes: missing(&graph) })
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
) -> Result<Reply, AppError> {
    let (graph, _) = graph(ask, catalog, progress)?;
    known(operation, catalog)?;
    let mut notes = missing(&graph);
    if catalog.operations().find(operation.plane, &operation.name).is_none() {
        let (name, date) = (&operation.name, catalog.date());
        notes.push(format!(
            "`{name}` is not among the operations known on {date}: answered from patterns alone"
        ));
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
        return Ok(Reply { text: out, notes });
    };
    let target = scope(&graph, on)?;
    let decided = vault_policies(&graph, operation, target, &mut out);
    if decided {
        notes
            .push("the vault decides by its own access policies: data roles on it have no effect".to_owned());
    }
    let answers = if decided { Vec::new() } else { graph.who_can(operation, target) };
    for answer in answers {
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
    Ok(Reply { text: out, notes })
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

/// A vault that decides by its own list: who is on it, in place of who holds a role. Says whether
/// there is such a vault.
fn vault_policies(
    graph: &AccessGraph,
    operation: &Operation,
    target: Ix<ScopeNode>,
    out: &mut String,
) -> bool {
    let estate = graph.estate();
    let here = |v: &&crate::model::Vault| {
        graph.scopes().find(estate, v.id).is_some_and(|at| graph.scopes().contains(at, target))
    };
    let Some(vault) = estate.vaults.iter().find(here).filter(|v| !v.uses_roles) else { return false };
    if operation.plane != Plane::Data {
        return false;
    }
    // `…/vaults/secrets/getSecret/action` is the policy's `secrets/get`.
    let tail = operation.name.strip_prefix("microsoft.keyvault/vaults/").unwrap_or_default();
    let mut words = tail.split('/');
    let (kind, verb) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let verb = verb.strip_suffix("secret").unwrap_or(verb);
    for policy in &vault.policies {
        let gives = |p: &&crate::model::Sym| {
            let (k, v) = graph.text(**p).split_once('/').unwrap_or_default();
            k == kind && (v == verb || v == "all")
        };
        if policy.permissions.iter().any(|p| gives(&p)) {
            let who = graph.text(policy.principal);
            let name = graph.party_of(policy.principal).map_or(who, |p| graph.party_name(p));
            let how = format!("through an access policy of {}", graph.text(vault.id));
            let _ = writeln!(out, "{}", who_can_text("allow", name, who, &how));
        }
    }
    true
}
