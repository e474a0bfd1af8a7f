//! What a finding rests on, in words with ids.

use super::facts::{Lens, Subject};
use crate::finding::{Evidence, IdentityRef, Place};
use crate::graph::{Grant, Identity, ScopeNode};
use crate::model::Ix;

const MOST_HOSTS: usize = 3;

/// Evidence for a subject, in a fixed order: the assignment, the groups between, the condition, the hosts.
pub(super) fn gather(lens: &Lens<'_>, subject: &Subject) -> Vec<Evidence> {
    let mut all = Vec::new();
    if let Some(at) = subject.grant {
        let grant = &lens.graph.grants()[at];
        all.push(assignment(lens, grant));
        if let Some(held) = subject.via.and_then(|v| lens.group_grants.get(v)) {
            for (group, name) in held.held.via.iter().zip(&held.groups) {
                let id = lens.graph.text(lens.graph.parties()[*group].principal).to_owned();
                all.push(Evidence {
                    kind: "group",
                    text: format!("through the group `{name}`"),
                    id: Some(id),
                });
            }
        }
        if let Some(condition) = lens.graph.condition(grant) {
            all.push(Evidence {
                kind: "condition",
                text: lens.graph.text(condition.text).to_owned(),
                id: None,
            });
        }
        let role = &lens.graph.roles()[grant.role];
        if !role.profile.secret_operations.is_empty() {
            let text = format!("gives {}", role.profile.secret_operations.join(", "));
            all.push(Evidence { kind: "permission", text, id: None });
        }
    }
    if let Some(identity) = subject.identity {
        hosts(lens, &lens.graph.identities()[identity], &mut all);
    }
    all
}

fn assignment(lens: &Lens<'_>, grant: &Grant) -> Evidence {
    let record = lens.graph.record(grant);
    let mut text = format!(
        "{} on {} `{}`",
        lens.graph.roles()[grant.role].name,
        lens.graph.scopes().nodes()[grant.scope].level.name(),
        lens.scope_name(grant.scope)
    );
    if let Some(record) = record {
        if let Some(made) = record.created_on {
            text.push_str(&format!(", made {}", made.date()));
        }
        if let Some(by) = record.created_by {
            text.push_str(&format!(" by {}", lens.graph.text(by)));
        }
        if let Some(end) = record.ends {
            text.push_str(&format!(", ends {}", end.date()));
        }
    }
    let id = record.map(|r| lens.graph.estate().strings.show_id(r.id));
    Evidence { kind: "assignment", text, id }
}

fn hosts(lens: &Lens<'_>, identity: &Identity, into: &mut Vec<Evidence>) {
    for host in identity.hosts.iter().take(MOST_HOSTS) {
        let id = lens.graph.text(host.id);
        let how = if host.attached { "runs on" } else { "is needed by" };
        let text = format!("{how} `{}`", crate::model::role_key(id));
        into.push(Evidence { kind: "host", text, id: Some(id.to_owned()) });
    }
    if identity.hosts.len() > MOST_HOSTS {
        let text = format!("and {} more hosts", identity.hosts.len() - MOST_HOSTS);
        into.push(Evidence { kind: "host", text, id: None });
    }
}

/// The identity as findings name it.
pub(super) fn identity_ref(lens: &Lens<'_>, at: Ix<Identity>) -> IdentityRef {
    let identity = &lens.graph.identities()[at];
    let facts = lens.identity(at);
    let principal = identity.party.map(|p| lens.graph.text(lens.graph.parties()[p].principal).to_owned());
    IdentityRef {
        name: lens.graph.identity_name(identity).to_owned(),
        id: identity.id.map(|id| lens.graph.text(id).to_owned()),
        principal_id: principal,
        kind: identity.kind.name().to_owned(),
        owner: facts.owner.clone(),
        environment: facts.environment.clone(),
    }
}

/// A scope as findings name it.
pub(super) fn place(lens: &Lens<'_>, at: Ix<ScopeNode>) -> Place {
    let node = &lens.graph.scopes().nodes()[at];
    let subscription = node.subscription.map(|s| lens.graph.text(lens.graph.scopes().nodes()[s].id));
    Place {
        scope: lens.graph.text(node.id).to_owned(),
        level: node.level.name(),
        subscription: subscription.map(|s| crate::model::role_key(s).to_owned()),
    }
}
