//! A run over some subscriptions answers for those: what the directory and the tree say of the rest is left out, so that
//! nothing is judged of which only a part was read.

use super::records::Held;
use super::shelf::Only;
use super::sorted::kind_of;
use crate::model::{Estate, LocalGrant, LocalSystem, Scope, Source, Sym};
use std::collections::HashSet;

/// Leaves in an estate what lies in these subscriptions, above them, or holds something there; says what of the records
/// that lie elsewhere is left in.
pub(super) fn within(estate: &mut Estate, held: Held, subscriptions: &[String]) -> Only {
    let wanted: HashSet<String> = subscriptions.iter().cloned().collect();
    let strings = &estate.strings;
    let lies_in = |id: Sym| {
        let scope = Scope::parse(strings.text(id)).and_then(|s| s.subscription);
        scope.map(|s| wanted.contains(&s.to_ascii_lowercase()))
    };
    estate.subscriptions.retain(|s| lies_in(s.id) != Some(false));
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
    let folded = |sym: Sym| strings.text(sym).to_ascii_lowercase();
    let mut here: HashSet<String> = held.principals.into_iter().collect();
    here.extend(estate.groups.iter().flat_map(|g| &g.members).map(|m| folded(*m)));
    here.extend(estate.local_grants.iter().filter(|l| !of_directory(l)).map(|l| folded(l.principal)));
    estate.local_grants.retain(|l| !of_directory(l) || here.contains(&folded(l.principal)));
    Only { inside: (kind_of(Source::ResourceGroups), wanted), known: (kind_of(Source::Principals), here) }
}
