//! One identity on one page: who, where, what it holds, who depends on it, what was found.

use super::{FindingRow, IdentityRow, Report};
use crate::graph::{AccessGraph, Identity, Party, ScopeNode};
use crate::model::{GrantState, Ix, LocalGrant};
use crate::rbac::Class;

/// A grant on the sheet.
#[derive(Clone, Debug)]
pub struct SheetGrant<'a> {
    /// The role's name.
    pub role: &'a str,
    /// The scope's level.
    pub level: &'a str,
    /// The scope.
    pub scope: &'a str,
    /// `direct`, or the groups between.
    pub via: String,
    /// `active`, `time-bound` or `eligible`.
    pub state: &'a str,
    /// The condition.
    pub condition: &'a str,
    /// The worst class of operations.
    pub risk: &'a str,
    /// The assignment's id.
    pub assignment: String,
    /// For a question about a scope: `here` or `inherited`.
    pub where_held: &'a str,
}

/// The sheet.
#[derive(Clone, Debug)]
pub struct Sheet<'a> {
    /// The identity.
    pub identity: IdentityRow<'a>,
    /// What it holds, in the order of records.
    pub grants: Vec<SheetGrant<'a>>,
    /// `name: issuer, subject` of its federated credentials.
    pub federations: Vec<String>,
    /// Vaults whose access policies name it.
    pub vaults: Vec<&'a str>,
    /// What it holds in other authorization systems, in words.
    pub others: Vec<String>,
    /// Its findings, whatever became of them.
    pub findings: Vec<FindingRow<'a>>,
}

impl<'a> Report<'a> {
    /// The sheet of an identity; with `on`, only grants that hold on that scope.
    pub fn sheet(&self, at: Ix<Identity>, on: Option<Ix<ScopeNode>>) -> Option<Sheet<'a>> {
        let graph = self.graph;
        let identity = &graph.identities()[at];
        let row = self.identity(at, identity, self.judged.identities.get(at.index())?);
        let held = identity.party.map(|p| graph.held_by(p)).unwrap_or_default();
        let holds = |h: &&crate::graph::Held| {
            on.is_none_or(|on| graph.scopes().contains(graph.grants()[h.grant].scope, on))
        };
        let grants = held.iter().filter(holds).map(|h| {
            let grant = &graph.grants()[h.grant];
            let node = &graph.scopes().nodes()[grant.scope];
            let role = &graph.roles()[grant.role];
            let groups: Vec<&str> = h.via.iter().map(|g| graph.party_name(*g)).collect();
            SheetGrant {
                role: &role.name,
                level: node.level.name(),
                scope: graph.text(node.id),
                via: if groups.is_empty() {
                    "direct".to_owned()
                } else {
                    format!("group {}", groups.join(" > "))
                },
                state: grant.state.name(),
                condition: graph.condition(grant).map_or("", |c| graph.text(c.text)),
                risk: match (role.defined, grant.state) {
                    (false, _) => "unknown",
                    (_, GrantState::Eligible) => "none until activated",
                    _ => role.profile.worst().map_or("none", Class::name),
                },
                assignment: graph
                    .record(grant)
                    .map(|r| graph.estate().strings.show_id(r.id))
                    .unwrap_or_default(),
                where_held: if on == Some(grant.scope) || on.is_none() { "here" } else { "inherited" },
            }
        });
        let estate = graph.estate();
        let federations = identity.federated.iter().filter_map(|at| estate.federated.get(*at)).map(|c| {
            let subject = c.subject.or(c.expression).map_or("", |s| graph.text(s));
            format!("{}: {}, {subject}", graph.text(c.id.name), graph.text(c.issuer))
        });
        let names = |v: &&crate::model::Vault| {
            !v.uses_roles
                && v.policies
                    .iter()
                    .any(|p| identity.party.is_some() && graph.party_of(p.principal) == identity.party)
        };
        let findings = self.findings().filter(|f| {
            let same =
                |a: Option<&str>, b: &str| !b.is_empty() && a.is_some_and(|a| a.eq_ignore_ascii_case(b));
            same(f.principal_id(), row.principal_id)
                || (row.principal_id.is_empty() && same(f.identity_id(), row.id))
        });
        Some(Sheet {
            grants: grants.collect(),
            federations: federations.collect(),
            vaults: estate.vaults.iter().filter(names).map(|v| graph.text(v.id)).collect(),
            others: graph.local_grants(identity).into_iter().map(|(l, via)| other(graph, l, via)).collect(),
            findings: findings.collect(),
            identity: row,
        })
    }
}

/// A grant of another system in words: role, place, group.
fn other(graph: &AccessGraph, grant: &LocalGrant, via: Option<Ix<Party>>) -> String {
    let role =
        grant.role_name.map_or_else(|| crate::model::role_key(graph.text(grant.role)), |n| graph.text(n));
    let via = via.map(|g| format!(", via group {}", graph.party_name(g))).unwrap_or_default();
    format!("{}: {role} on {}{via}", grant.system.name(), graph.text(grant.scope))
}
