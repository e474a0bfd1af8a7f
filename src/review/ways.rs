//! Ways in that are no role assignments and that changed: federated credentials, and access policies of key vaults.
//!
//! Compared by what they say, so that one with another name is the same. Not here: grants (`diff`).

use crate::graph::AccessGraph;
use std::collections::BTreeMap;

/// A way in that is new or gone; one that changed is both.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct WayChange {
    /// Whose: a name to show.
    pub identity: String,
    /// `federated-credential` or `access-policy`.
    pub kind: &'static str,
    /// `added` or `removed`.
    pub change: &'static str,
    /// The identity that may be signed in as, or the vault.
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
    changed.sort();
    changed
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
