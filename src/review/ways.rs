//! Ways in that are no role assignments and that changed: federated credentials, access policies of key vaults, and
//! what runs as an identity.
//!
//! Compared by what they say, so that one with another name is the same. Not here: grants (`diff`).

use crate::graph::{AccessGraph, Identity, IdentityKind};
use std::collections::BTreeMap;

/// Grants that are named where something gets an identity.
const NAMED: usize = 2;

/// A way in that is new or gone; one that changed is both.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct WayChange {
    /// Whose: a name to show.
    pub identity: String,
    /// `federated-credential`, `access-policy`, `local-grant` or `host`.
    pub kind: &'static str,
    /// `added` or `removed`.
    pub change: &'static str,
    /// The identity that may be signed in as, the vault, or what runs as the identity.
    pub resource: String,
    /// What it says, in words.
    pub says: String,
}

/// Ways by what they say.
type Ways = BTreeMap<[String; 3], WayChange>;

pub(super) fn ways(before: &AccessGraph, after: &AccessGraph) -> Vec<WayChange> {
    let (was, is) = (all(before, "removed"), all(after, "added"));
    let gone = was.iter().filter(|(key, _)| !is.contains_key(*key));
    let new = is.iter().filter(|(key, _)| !was.contains_key(*key));
    let mut changed: Vec<WayChange> = gone.chain(new).map(|(_, way)| way.clone()).collect();
    let (was, is) = (hosts(before), hosts(after));
    let lost = was.iter().filter(|(key, _)| !is.contains_key(*key));
    changed.extend(lost.map(|(_, (identity, host))| runs(before, identity, host, "removed")));
    let got = is.iter().filter(|(key, _)| !was.contains_key(*key));
    changed.extend(got.map(|(_, (identity, host))| runs(after, identity, host, "added")));
    changed.sort();
    changed
}

/// What runs as user-assigned identities: whoever may change its code gets at what the identity may do. One that is a
/// resource's own comes and goes with that.
fn hosts(graph: &AccessGraph) -> BTreeMap<[String; 2], (&Identity, &str)> {
    let own = |i: &&Identity| i.kind == IdentityKind::UserAssigned;
    let all = graph.identities().rows().iter().filter(own).filter_map(|i| Some((i, graph.text(i.id?))));
    let hosts = all.flat_map(|(identity, id)| {
        identity.hosts.iter().map(move |host| {
            let host = graph.text(host.id);
            ([id.to_ascii_lowercase(), host.to_ascii_lowercase()], (identity, host))
        })
    });
    hosts.collect()
}

fn runs(graph: &AccessGraph, identity: &Identity, host: &str, change: &'static str) -> WayChange {
    let mut held = identity.party.map(|p| graph.held_by(p)).unwrap_or_default();
    let grant = |h: &crate::graph::Held| &graph.grants()[h.grant];
    // The worst first; of those that are as bad, the widest.
    held.sort_by_cached_key(|h| {
        let node = &graph.scopes().nodes()[grant(h).scope];
        let worst = graph.roles()[grant(h).role].profile.worst();
        (std::cmp::Reverse(worst), node.level, graph.text(node.id).to_ascii_lowercase())
    });
    let named = held.iter().take(NAMED).map(|h| {
        let node = &graph.scopes().nodes()[grant(h).scope];
        format!("{} on {} {}", graph.roles()[grant(h).role].name, node.level.name(), graph.text(node.id))
    });
    let named: Vec<String> = named.collect();
    let more = held.len().saturating_sub(NAMED);
    let says = match (named.is_empty(), more) {
        (true, _) => "which holds no grant that was read".to_owned(),
        (false, 0) => format!("which holds {}", named.join(" and ")),
        (false, more) => format!("which holds {} and {more} more", named.join(", ")),
    };
    WayChange {
        identity: graph.identity_name(identity).to_owned(),
        kind: "host",
        change,
        resource: host.to_owned(),
        says,
    }
}

fn all(graph: &AccessGraph, change: &'static str) -> Ways {
    let text = |sym| graph.text(sym).to_owned();
    let mut found = Ways::new();
    for credential in &graph.estate().federated {
        let resource = text(credential.identity);
        let subject = credential.subject.or(credential.expression).map(text).unwrap_or_default();
        let mut audiences: Vec<String> = credential.audiences.iter().map(|a| text(*a)).collect();
        audiences.sort();
        let (issuer, audiences) = (text(credential.issuer), audiences.join(", "));
        let says = format!("{subject} of {issuer} for {audiences} may sign in as it");
        let identity = resource.rsplit('/').next().unwrap_or_default().to_owned();
        let key = ["federated-credential".to_owned(), resource.to_ascii_lowercase(), says.clone()];
        found.insert(key, WayChange { identity, kind: "federated-credential", change, resource, says });
    }
    // Grants of other authorization systems: databases, Cosmos DB, the directory, Lighthouse.
    for local in &graph.estate().local_grants {
        let (principal, system) = (text(local.principal), local.system.name());
        let identity = graph.party_of(local.principal).map(|p| graph.party_name(p).to_owned());
        let (role, scope) = (text(local.role_name.unwrap_or(local.role)), text(local.scope));
        let says = format!("{role} ({system})");
        let key = [principal.to_ascii_lowercase(), scope.to_ascii_lowercase(), says.to_ascii_lowercase()];
        let identity = identity.unwrap_or(principal);
        found.insert(key, WayChange { identity, kind: "local-grant", change, resource: scope, says });
    }
    // Policies count only where roles do not decide.
    for vault in graph.estate().vaults.iter().filter(|v| !v.uses_roles) {
        let resource = text(vault.id);
        for policy in &vault.policies {
            let mut permissions: Vec<String> = policy.permissions.iter().map(|p| text(*p)).collect();
            permissions.sort();
            permissions.dedup();
            let principal = text(policy.principal);
            let identity = graph.party_of(policy.principal).map(|p| graph.party_name(p).to_owned());
            let says = permissions.join(", ");
            let key =
                [principal.to_ascii_lowercase(), resource.to_ascii_lowercase(), says.to_ascii_lowercase()];
            let identity = identity.unwrap_or(principal);
            let resource = resource.clone();
            found.insert(key, WayChange { identity, kind: "access-policy", change, resource, says });
        }
    }
    found
}
