//! What a finding rests on, in words with ids.

use super::facts::{Lens, Subject};
use crate::finding::{Evidence, IdentityRef, Place};
use crate::graph::{Grant, Identity, ScopeNode};
use crate::model::Ix;
use std::collections::HashMap;
use std::sync::Arc;

const MOST_HOSTS: usize = 3;

/// Evidence that many subjects share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    hosts: HashMap<usize, Vec<Evidence>>,
    permissions: HashMap<usize, Option<Evidence>>,
}

/// Evidence for a subject, in a fixed order: the assignment, the groups between, the condition, the hosts.
pub(super) fn gather(
    lens: &Lens<'_>,
    subject: &Subject,
    id: &Arc<str>,
    shared: &mut Shared,
) -> Arc<[Evidence]> {
    let mut all = Vec::new();
    if let Some(at) = subject.grant {
        let grant = &lens.graph.grants()[at];
        all.push(assignment(lens, grant, id));
        if let Some(held) = subject.via.and_then(|v| lens.group_grants.get(v)) {
            for (group, name) in held.held.via.iter().zip(&held.groups) {
                let id = lens.graph.text(lens.graph.parties()[*group].principal).into();
                let text = format!("through the group `{name}`").into();
                all.push(Evidence { kind: "group", text, id: Some(id) });
            }
        }
        if let Some(condition) = lens.graph.condition(grant) {
            let text = lens.graph.text(condition.text).into();
            all.push(Evidence { kind: "condition", text, id: None });
        }
        let permission = shared.permissions.entry(grant.role.index()).or_insert_with(|| {
            let operations = &lens.graph.roles()[grant.role].profile.secret_operations;
            let text = format!("gives {}", operations.join(", ")).into();
            (!operations.is_empty()).then_some(Evidence { kind: "permission", text, id: None })
        });
        all.extend(permission.clone());
    }
    if let Some(identity) = subject.identity {
        let hosts = shared.hosts.entry(identity.index());
        all.extend_from_slice(hosts.or_insert_with(|| hosts_of(lens, &lens.graph.identities()[identity])));
    }
    all.into()
}

fn assignment(lens: &Lens<'_>, grant: &Grant, id: &Arc<str>) -> Evidence {
    let record = lens.graph.record(grant);
    let (role, node) = (&lens.graph.roles()[grant.role], &lens.graph.scopes().nodes()[grant.scope]);
    let mut text = String::with_capacity(160);
    for part in [&role.name, " on ", node.level.name(), " `", lens.scope_name(grant.scope), "`"] {
        text.push_str(part);
    }
    if let Some(record) = record {
        if let Some(made) = record.created_on {
            text.push_str(", made ");
            text.push_str(&made.date());
        }
        if let Some(by) = record.created_by {
            text.push_str(" by ");
            text.push_str(lens.graph.text(by));
        }
        if let Some(end) = record.ends {
            text.push_str(", ends ");
            text.push_str(&end.date());
        }
    }
    Evidence { kind: "assignment", text: text.into(), id: record.map(|_| Arc::clone(id)) }
}

fn hosts_of(lens: &Lens<'_>, identity: &Identity) -> Vec<Evidence> {
    let shown = identity.hosts.iter().take(MOST_HOSTS).map(|host| {
        let id = lens.graph.text(host.id);
        let how = if host.attached { "runs on" } else { "is needed by" };
        let text = format!("{how} `{}`", crate::model::role_key(id)).into();
        Evidence { kind: "host", text, id: Some(id.into()) }
    });
    let more = identity.hosts.len().checked_sub(MOST_HOSTS).filter(|more| *more > 0).map(|more| Evidence {
        kind: "host",
        text: format!("and {more} more hosts").into(),
        id: None,
    });
    shown.chain(more).collect()
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

/// Whom a credential lets in, as a text: another subject is another trust, whatever the credential is called.
pub(super) fn trust(lens: &Lens<'_>, at: usize) -> String {
    let graph = lens.graph;
    let Some(credential) = graph.estate().federated.get(at) else { return String::new() };
    let text = |sym: Option<crate::model::Sym>| sym.map_or("", |s| graph.text(s));
    let mut audiences: Vec<&str> = credential.audiences.iter().map(|a| graph.text(*a)).collect();
    audiences.sort_unstable();
    let audiences = audiences.join(" ");
    [graph.text(credential.issuer), text(credential.subject), text(credential.expression), &audiences]
        .join("\n")
}
