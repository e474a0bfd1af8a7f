//! A run over some subscriptions answers for those: what the directory and the tree say of the rest is left out, so that
//! nothing is judged of which only a part was read.

use super::grants::Held;
use crate::model::{Estate, LocalGrant, LocalSystem, Scope, Sym};
use std::collections::{BTreeSet, HashSet};

/// Leaves in an estate what lies in these subscriptions, above them, or holds something there.
pub(super) fn within(estate: &mut Estate, held: &Held, subscriptions: &[String]) {
    let wanted: BTreeSet<&str> = subscriptions.iter().map(String::as_str).collect();
    let strings = &estate.strings;
    let lies_in = |id: Sym| {
        let scope = Scope::parse(strings.text(id)).and_then(|s| s.subscription);
        scope.map(|s| wanted.contains(s.to_ascii_lowercase().as_str()))
    };
    estate.subscriptions.retain(|s| lies_in(s.id) != Some(false));
    estate.resource_groups.retain(|g| lies_in(g.id) != Some(false));
    // A role for all of the tenant may be assigned where nobody looked.
    let key = |sym: Sym| crate::model::role_key(strings.text(sym)).to_ascii_lowercase();
    estate.roles.retain(|role| {
        let own = !role.assignable_scopes.is_empty()
            && role.assignable_scopes.iter().all(|s| lies_in(*s) == Some(true));
        own || held.roles.contains(&key(role.id.name))
    });
    // What the directory itself grants lies nowhere: it stays with those who are here.
    let of_directory = |l: &LocalGrant| matches!(l.system, LocalSystem::AppRole | LocalSystem::Directory);
    estate.local_grants.retain(|l| of_directory(l) || lies_in(l.scope) != Some(false));
    // So may a service principal that holds nothing here.
    let class = |sym: Sym| strings.class(sym);
    let mut here: HashSet<Sym> = HashSet::new();
    here.extend(held.principals.iter().filter_map(|p| strings.find(p)));
    here.extend(estate.identities.iter().filter_map(|i| i.principal).map(class));
    here.extend(estate.groups.iter().flat_map(|g| &g.members).map(|m| class(*m)));
    here.extend(estate.vaults.iter().flat_map(|v| &v.policies).map(|p| class(p.principal)));
    let blocks = estate.resources.iter().filter_map(|r| r.identity.as_ref());
    let blocks = blocks.chain(estate.policy_assignments.iter().filter_map(|p| p.identity.as_ref()));
    here.extend(blocks.filter_map(|b| b.principal).map(class));
    here.extend(estate.local_grants.iter().filter(|l| !of_directory(l)).map(|l| class(l.principal)));
    estate.local_grants.retain(|l| !of_directory(l) || here.contains(&class(l.principal)));
    estate.principals.retain(|p| here.contains(&class(p.id)));
}
