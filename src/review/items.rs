//! The grants of an estate as reviewers see them, with a recommendation and its reason.
//!
//! Denial is never recommended for want of a log, and no workload is ever told to activate a grant by hand.

use super::campaign::Campaign;
use super::item::Item;
use super::ledger::Verdict;
use super::standing::{how, turned};
use super::topology::Topology;
use crate::finding::{Disposition, Finding, Severity, SubjectKind};
use crate::graph::{AccessGraph, Escalation, Grant, Held, Identity, IdentityKind};
use crate::model::Ix;
use crate::policy::glob;
use crate::rbac::Class;
use crate::rules::{IdentityFacts, Judged};
use std::collections::{BTreeSet, HashMap};

/// Names of hosts that a row has.
const HOSTS: usize = 10;

/// Who answers for identities that name nobody.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reviewers {
    /// Patterns of names with `*`, and the owner of those that fit; the first counts.
    pub mapped: Vec<(String, String)>,
    /// For the rest.
    pub fallback: String,
}

impl Reviewers {
    fn of(&self, name: &str, tagged: Option<&str>) -> String {
        let mapped =
            self.mapped.iter().find(|(pattern, _)| glob(pattern, name)).map(|(_, owner)| owner.as_str());
        let owner = tagged.filter(|o| !o.is_empty()).or(mapped).unwrap_or(&self.fallback);
        owner.to_owned()
    }
}

/// What was decided before of the same grants.
type Before = HashMap<String, (String, String, String)>;

/// The grants of identities that are judged, by owner, identity, role and scope. `privileged` alone, if asked.
pub fn items(
    graph: &AccessGraph,
    judged: &Judged,
    campaign: &str,
    reviewers: &Reviewers,
    earlier: &[Campaign],
    privileged: bool,
) -> Vec<Item> {
    let topology = Topology::new(graph);
    let chokes = chokes(graph);
    let mut before = Before::new();
    for row in earlier.iter().filter(|c| c.closed.is_some()).flat_map(|c| &c.rows) {
        if let Some((at, d)) = row.decided() {
            let day = at.get(..10).unwrap_or_default().to_owned();
            before.insert(row.item.item.clone(), (d.verdict.name().to_owned(), d.reviewer, day));
        }
    }
    let mut findings: HashMap<(SubjectKind, usize), Vec<&Finding>> = HashMap::new();
    for finding in judged.findings.iter().filter(|f| f.disposition == Disposition::Open) {
        if let Some(row) = finding.row {
            findings.entry((finding.subject_kind, row)).or_default().push(finding);
        }
    }
    let mut all = Vec::new();
    for (at, identity) in graph.identities().iter() {
        let (Some(facts), Some(party)) = (judged.identities.get(at.index()), identity.party) else {
            continue;
        };
        // Whoever is gone is judged by no rule of identities, and its grants are there all the same.
        if !facts.judged && graph.parties()[party].exists != Some(false) {
            continue;
        }
        let near = topology.near(identity);
        let trusts = identity.federated.iter().map(|c| (SubjectKind::FederatedCredential, *c));
        let policy = identity.policy.map(|p| (SubjectKind::PolicyAssignment, p));
        let own: Vec<_> =
            std::iter::once((SubjectKind::Identity, at.index())).chain(trusts).chain(policy).collect();
        for held in graph.held_by(party) {
            let about = About {
                graph,
                identity,
                facts,
                findings: findings_of(&findings, &own, graph, &held),
                topology: &topology,
                near: &near,
                choke: chokes.get(&held.grant).map(String::as_str),
            };
            let mut item = about.item(&held);
            if privileged && !item.privileged {
                continue;
            }
            campaign.clone_into(&mut item.campaign);
            item.owner = reviewers.of(&item.identity, facts.owner.as_deref());
            if let Some((decision, reviewer, day)) = before.get(&item.item) {
                item.previous_decision.clone_from(decision);
                item.previous_reviewer.clone_from(reviewer);
                item.previous_date.clone_from(day);
            }
            all.push(item);
        }
    }
    note_changes(&mut all, earlier);
    all.sort_by(|a, b| {
        let key = |i: &Item| {
            let fold = |t: &str| t.to_lowercase();
            (fold(&i.owner), fold(&i.identity), i.role.clone(), fold(&i.scope), i.item.clone())
        };
        key(a).cmp(&key(b))
    });
    all.dedup_by(|a, b| a.item == b.item);
    all
}

/// What was approved and is there no longer as it was: one thing of it changed, and nobody approved that.
fn note_changes(items: &mut [Item], earlier: &[Campaign]) {
    let there: BTreeSet<String> = items.iter().map(|i| i.item.clone()).collect();
    let mut approved: HashMap<String, Vec<(&Item, String)>> = HashMap::new();
    for row in earlier.iter().filter(|c| c.closed.is_some()).flat_map(|c| &c.rows) {
        let Some((at, d)) = row.decided().filter(|(_, d)| d.verdict == Verdict::Approve) else { continue };
        if !there.contains(&row.item.item) {
            let said = format!("{} approved it on {}", d.reviewer, at.get(..10).unwrap_or_default());
            approved.entry(row.item.principal_id.to_ascii_lowercase()).or_default().push((&row.item, said));
        }
    }
    for item in items {
        let why = match item.previous_decision.as_str() {
            "approve" => made_again(item),
            "" => {
                let own = approved.get(&item.principal_id.to_ascii_lowercase()).into_iter().flatten();
                let was = own.rev().find(|(was, _)| turned(was, item));
                was.map(|(was, said)| format!("changed since {said}: {}", how(was, item)))
            }
            _ => None,
        };
        let Some(why) = why else { continue };
        item.recommendation_reason = format!("{why}; {}", item.recommendation_reason);
        if item.recommendation == "approve" {
            "no-information".clone_into(&mut item.recommendation);
        }
    }
}

/// That what was approved went, and that this is another.
fn made_again(item: &Item) -> Option<String> {
    let (made, approved) = (item.created_on.get(..10)?, item.previous_date.as_str());
    let later = !approved.is_empty() && made > approved;
    later.then(|| format!("made again on {made}, after it was approved on {approved}"))
}

/// The grants whose removal cuts most ways to more power, with what that does, in words.
fn chokes(graph: &AccessGraph) -> HashMap<Ix<Grant>, String> {
    let chokes = Escalation::new(graph).chokes();
    let ways = chokes.ways;
    let mut before = ways;
    let mut all = HashMap::new();
    for (n, choke) in chokes.grants.iter().enumerate() {
        let cut = before.saturating_sub(choke.left);
        before = choke.left;
        let told = match n {
            0 => format!("without it, {cut} of {ways} ways to more power are closed"),
            _ => format!(
                "without it and the grants that close more, {cut} more of {ways} ways to more power are closed"
            ),
        };
        if cut > 0 {
            all.insert(choke.grant, told);
        }
    }
    all
}

/// What was found of a grant, of its role, and of who holds it.
fn findings_of<'a>(
    all: &HashMap<(SubjectKind, usize), Vec<&'a Finding>>,
    holder: &[(SubjectKind, usize)],
    graph: &AccessGraph,
    held: &Held,
) -> Vec<&'a Finding> {
    let grant = (SubjectKind::Assignment, held.grant.index());
    let role = (SubjectKind::RoleDefinition, graph.grants()[held.grant].role.index());
    [grant, role].iter().chain(holder).filter_map(|key| all.get(key)).flatten().copied().collect()
}

/// What is known of one grant of one identity.
struct About<'a> {
    graph: &'a AccessGraph,
    identity: &'a Identity,
    facts: &'a IdentityFacts,
    findings: Vec<&'a Finding>,
    topology: &'a Topology<'a>,
    near: &'a BTreeSet<Ix<crate::graph::ScopeNode>>,
    /// What taking the grant away does to ways to more power, where it is one of those that do most.
    choke: Option<&'a str>,
}

impl About<'_> {
    fn item(&self, held: &Held) -> Item {
        let (graph, identity) = (self.graph, self.identity);
        let grant = &graph.grants()[held.grant];
        let role = &graph.roles()[grant.role];
        let node = &graph.scopes().nodes()[grant.scope];
        let record = graph.record(grant);
        let text = |sym: Option<crate::model::Sym>| sym.map(|s| graph.text(s).to_owned()).unwrap_or_default();
        let principal = text(identity.party.map(|p| graph.parties()[p].principal));
        let holder = graph.text(graph.parties()[grant.party].principal);
        let condition = text(graph.condition(grant).map(|c| c.text));
        let via_id = if held.via.is_empty() { String::new() } else { holder.to_owned() };
        let scope = graph.text(node.id).to_owned();
        let hosts: Vec<&str> = identity
            .hosts
            .iter()
            .take(HOSTS)
            .map(|h| graph.text(h.id).rsplit('/').next().unwrap_or_default())
            .collect();
        let more = identity.hosts.len().saturating_sub(HOSTS);
        let groups: Vec<&str> = held.via.iter().map(|g| graph.party_name(*g)).collect();
        let mut rules: Vec<&str> = self.findings.iter().map(|f| f.rule.slug.as_str()).collect();
        rules.sort_unstable();
        rules.dedup();
        let worst = role.profile.worst();
        let mut item = Item {
            identity: graph.identity_name(identity).to_owned(),
            identity_kind: identity.kind.name().to_owned(),
            identity_id: text(identity.id),
            principal_id: principal,
            via_id,
            hosts: if more > 0 { format!("{} and {more} more", hosts.join(" ")) } else { hosts.join(" ") },
            environment: self.facts.environment.clone().unwrap_or_default(),
            assignment: record.map(|r| graph.estate().strings.show_id(r.id)).unwrap_or_default(),
            role: role.name.clone(),
            role_id: role.key.clone(),
            role_kind: if graph.catalog().role(&role.key).is_some() { "built-in" } else { "custom" }
                .to_owned(),
            privileged: role.profile.harmful() || role.profile.control_wildcard || !role.defined,
            scope,
            scope_level: node.level.name().to_owned(),
            via: if groups.is_empty() { "direct".to_owned() } else { groups.join(" > ") },
            condition,
            state: grant.state.name().to_owned(),
            created_on: record.and_then(|r| r.created_on).map(|t| t.to_string()).unwrap_or_default(),
            created_by: text(record.and_then(|r| r.created_by)),
            last_used: self.facts.last_sign_in.clone().unwrap_or_default(),
            last_used_source: if self.facts.last_sign_in.is_some() { "sign-ins" } else { "" }.to_owned(),
            findings: rules.join(" "),
            risk: worst.map_or("none", Class::name).to_owned(),
            ..Item::default()
        };
        item.item = item.id();
        let (what, why) = self.recommended(held, &mut item);
        let (what, why) = match self.choke {
            Some(choke) if what == "approve" => ("no-information", format!("{choke}; {why}")),
            Some(choke) => (what, format!("{why}; {choke}")),
            None => (what, why),
        };
        what.clone_into(&mut item.recommendation);
        item.recommendation_reason = why;
        item
    }

    /// What to do, and why.
    fn recommended(&self, held: &Held, item: &mut Item) -> (&'static str, String) {
        let has = |slug: &str| self.findings.iter().find(|f| f.rule.slug == slug);
        if let Some(finding) = has("orphaned-grant") {
            return ("deny", finding.message.clone());
        }
        // Says so only where the logs cover the window.
        if let Some(finding) = has("dormant-identity").filter(|f| f.severity > Severity::Info) {
            return ("deny", finding.message.clone());
        }
        let grant = &self.graph.grants()[held.grant];
        let narrowed = self.topology.narrow(grant, self.near);
        if held.via.is_empty() && !narrowed.scopes.is_empty() {
            let text = |s: &Ix<_>| self.graph.text(self.graph.scopes().nodes()[*s].id).to_owned();
            item.suggested_role.clone_from(&item.role);
            item.suggested_scope = narrowed.scopes.iter().map(text).collect::<Vec<_>>().join(" ");
            let why = format!(
                "of the resources that it applies to, {} lie beside the hosts; logs would say what is used",
                narrowed.near
            );
            return ("narrow", why);
        }
        let bad = self.findings.iter().filter(|f| f.severity >= Severity::Medium);
        if let Some(worst) = bad.max_by_key(|f| f.severity) {
            return ("no-information", format!("to look into: {}", worst.message));
        }
        let runs = !self.identity.hosts.is_empty() || !self.identity.federated.is_empty();
        match (&self.facts.last_sign_in, runs) {
            (Some(day), true) => {
                ("approve", format!("it runs, last got a token on {}", day.get(..10).unwrap_or(day)))
            }
            (None, true) if self.identity.kind == IdentityKind::SystemAssigned => {
                ("no-information", "it has a host; no log says whether it uses this".to_owned())
            }
            (None, true) => {
                ("no-information", "it has a host or a trust; no log says whether it uses this".to_owned())
            }
            (_, false) => {
                ("no-information", "nothing that was read uses it; no log says that nothing does".to_owned())
            }
        }
    }
}
