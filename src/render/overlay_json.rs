//! What a change does to the tenant that it was laid over, as the member `change` of findings.json.

use crate::report::Overlay;
use crate::review::{EscalationChange, GetsTo, GrantChange, IdentityChange, Power, Present, WayChange};
use serde::Serialize;

#[derive(Serialize)]
struct Was<'a> {
    role: &'a str,
    scope: &'a str,
}

#[derive(Serialize)]
struct Grant<'a> {
    change: &'a str,
    identity: &'a str,
    principal_id: &'a str,
    kind: &'a str,
    role: &'a str,
    role_id: &'a str,
    scope: &'a str,
    scope_level: &'a str,
    condition: Option<&'a str>,
    state: &'a str,
    was: Option<Was<'a>>,
    redundant: bool,
}

#[derive(Serialize)]
struct Gain<'a> {
    class: &'a str,
    scope: &'a str,
    count: usize,
    operations: &'a [String],
}

#[derive(Serialize)]
struct Identity<'a> {
    name: &'a str,
    principal_id: &'a str,
    kind: &'a str,
    change: &'a str,
    gained: Vec<Gain<'a>>,
    lost: Vec<Gain<'a>>,
}

#[derive(Serialize)]
struct Way<'a> {
    change: &'a str,
    kind: &'a str,
    identity: &'a str,
    resource: &'a str,
    says: &'a str,
}

/// A grant that is declared and there already.
#[derive(Serialize)]
struct PresentJson<'a> {
    identity: &'a str,
    role: &'a str,
    scope: &'a str,
    declared_as: &'a str,
    there_as: &'a str,
}

impl<'a> PresentJson<'a> {
    fn new(p: &'a Present) -> PresentJson<'a> {
        let Present { identity, role, scope, declared_as, there_as } = p;
        PresentJson { identity, role, scope, declared_as, there_as }
    }
}

/// Where an identity gets to step by step.
#[derive(Serialize)]
struct GetsToJson<'a> {
    kind: &'a str,
    id: &'a str,
    text: &'a str,
    steps: usize,
    confidence: &'a str,
}

#[derive(Serialize)]
struct Reach {
    now: u32,
    by_ways: u32,
}

#[derive(Serialize)]
struct Escalation<'a> {
    identity: &'a str,
    principal_id: &'a str,
    before: Option<GetsToJson<'a>>,
    after: Option<GetsToJson<'a>>,
    resources_before: Reach,
    resources_after: Reach,
}

impl<'a> Escalation<'a> {
    fn new(change: &'a EscalationChange) -> Escalation<'a> {
        let to = |to: &'a GetsTo| GetsToJson {
            kind: to.kind,
            id: &to.id,
            text: &to.words,
            steps: to.steps,
            confidence: to.confidence,
        };
        let reach = |(now, by_ways): (u32, u32)| Reach { now, by_ways };
        Escalation {
            identity: &change.identity,
            principal_id: &change.principal,
            before: change.before.as_ref().map(to),
            after: change.after.as_ref().map(to),
            resources_before: reach(change.reach_before),
            resources_after: reach(change.reach_after),
        }
    }
}

#[derive(Serialize)]
struct Fixed<'a> {
    rule: &'a str,
    severity: &'a str,
    message: &'a str,
    subject: &'a str,
    fingerprint: &'a str,
}

/// The member `change` of findings.json.
#[derive(Serialize)]
pub(super) struct Json<'a> {
    grants: Vec<Grant<'a>>,
    identities: Vec<Identity<'a>>,
    ways: Vec<Way<'a>>,
    present: Vec<PresentJson<'a>>,
    escalations: Vec<Escalation<'a>>,
    fixed: Vec<Fixed<'a>>,
    untouched: usize,
}

impl<'a> Json<'a> {
    pub(super) fn new(overlay: &'a Overlay) -> Json<'a> {
        let grant = |g: &'a GrantChange| Grant {
            change: g.change.name(),
            identity: &g.identity,
            principal_id: &g.principal,
            kind: g.holder,
            role: &g.role,
            role_id: &g.role_id,
            scope: &g.scope,
            scope_level: g.level,
            condition: g.condition.as_deref(),
            state: g.state,
            was: g.was.as_ref().map(|(role, scope)| Was { role, scope }),
            redundant: g.redundant,
        };
        let gain = |p: &'a Power| Gain {
            class: p.class,
            scope: &p.scope,
            count: p.count,
            operations: &p.operations,
        };
        let identity = |i: &'a IdentityChange| Identity {
            name: &i.name,
            principal_id: &i.principal,
            kind: i.kind,
            change: i.change,
            gained: i.gained.iter().map(gain).collect(),
            lost: i.lost.iter().map(gain).collect(),
        };
        let way = |w: &'a WayChange| Way {
            change: w.change,
            kind: w.kind,
            identity: &w.identity,
            resource: &w.resource,
            says: &w.says,
        };
        let fixed = overlay.sorted.fixed.iter().map(|f| Fixed {
            rule: &f.rule.slug,
            severity: f.severity.name(),
            message: &f.message,
            subject: &f.subject,
            fingerprint: &f.fingerprint,
        });
        Json {
            grants: overlay.diff.grants.iter().map(grant).collect(),
            identities: overlay.diff.identities.iter().map(identity).collect(),
            ways: overlay.diff.ways.iter().map(way).collect(),
            present: overlay.diff.present.iter().map(PresentJson::new).collect(),
            escalations: overlay.diff.escalations.iter().map(Escalation::new).collect(),
            fixed: fixed.collect(),
            untouched: overlay.sorted.untouched,
        }
    }
}
