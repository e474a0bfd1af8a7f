//! A change laid over a tenant: what it declares takes the place of what is there, what it takes away goes, and symbols for
//! what is there already become what Azure calls it.
//!
//! Not here: comparing the two (`review`).

use crate::model::{
    AccessPolicy, Assignment, Estate, Gap, Reason, RoleKind, Source, Sym, rfind_fold, role_key,
};
use std::collections::{HashMap, HashSet};

/// That a plan knows grants which a tenant does not have: what it says of taking them away shows nothing then.
fn lacking(live: &Estate, gone: &[String]) -> Option<Gap> {
    let grants: Vec<&String> = gone
        .iter()
        .filter(|id| rfind_fold(id, "/providers/Microsoft.Authorization/roleAssignments/").is_some())
        .collect();
    if grants.is_empty() {
        return None;
    }
    let rows = live.assignments.iter().chain(&live.schedules);
    let there: HashSet<String> = rows.map(|a| live.strings.show_id(a.id).to_ascii_lowercase()).collect();
    let mut missing = grants.into_iter().filter(|id| !there.contains(&id.to_ascii_lowercase()));
    let first = missing.next()?;
    let detail = format!(
        "{} role assignment(s) that the plan takes away or knows are not in the snapshot, `{first}` first: it was read before they were made, or does not cover them",
        missing.count() + 1
    );
    Some(Gap::new(Source::RoleAssignments, first.clone(), Reason::Disagreement, detail))
}

/// Principals that are declared or read.
fn known_principals(estate: &Estate) -> HashSet<Sym> {
    let strings = &estate.strings;
    let blocks = estate.resources.iter().filter_map(|r| r.identity.as_ref()).filter_map(|b| b.principal);
    let identities = estate.identities.iter().filter_map(|i| i.principal);
    let groups = estate.groups.iter().map(|g| g.id);
    let all = blocks.chain(identities).chain(groups).chain(estate.principals.iter().map(|p| p.id));
    all.map(|sym| strings.class(sym)).collect()
}

/// That it is not known who joins a group: whoever it is gets what the group holds, and nothing else would say so.
fn strangers(estate: &Estate) -> Vec<Gap> {
    let (strings, known) = (&estate.strings, known_principals(estate));
    let unknown = |sym: &Sym| strings.text(*sym).starts_with("${") && !known.contains(&strings.class(*sym));
    // A group that is looked up and not found is none that the change makes.
    let looked_up = |sym: &Sym| ["${data.", "${group "].iter().any(|p| strings.text(*sym).starts_with(p));
    let told = |group: &crate::model::Group| {
        let member = group.members.iter().find(|m| unknown(m));
        let member = member.or_else(|| Some(&group.id).filter(|id| looked_up(id)))?;
        let (group, member) = (strings.text(group.id), strings.text(*member));
        let detail = format!("who joins the group `{group}` is not known: nothing says who `{member}` is");
        Some(Gap::new(Source::Groups, "", Reason::Unresolved, detail))
    };
    estate.groups.iter().filter_map(told).collect()
}

/// Takes members out of groups: the provider azuread names a membership `GROUP/member/MEMBER`.
fn leave(live: &mut Estate, gone: &[String]) {
    let left = gone.iter().filter_map(|id| id.split_once("/member/"));
    let left: HashSet<(String, String)> =
        left.map(|(group, member)| (group.to_ascii_lowercase(), member.to_ascii_lowercase())).collect();
    if left.is_empty() {
        return;
    }
    let Estate { strings, groups, .. } = live;
    let text = |sym: Sym| strings.text(sym).to_ascii_lowercase();
    for group in groups {
        let own = text(group.id);
        group.members.retain(|m| !left.contains(&(own.clone(), text(*m))));
    }
}

/// A tenant that a change is to be laid over.
#[derive(Debug)]
pub(super) struct Below {
    /// Object ids by the ARM id of the identity, or of the host whose own it is.
    principals: HashMap<String, String>,
    /// The same by the symbols that the change has for them.
    symbols: HashMap<String, String>,
    /// Object ids of groups and service principals, by what they are called, where only one is.
    named: HashMap<String, Option<String>>,
    /// Ids of custom roles by the symbols that the change has for them.
    roles: HashMap<String, String>,
    /// Members of groups and policies of vaults that the change adds to.
    members: Vec<(String, Vec<String>)>,
    policies: Vec<(String, Vec<AccessPolicy>)>,
}

impl Below {
    /// Takes out of a tenant what a change declares or takes away.
    pub(super) fn prepare(live: &mut Estate, change: &Estate, gone: &[String]) -> Below {
        let mut below = Below {
            principals: principals(live),
            symbols: HashMap::new(),
            named: named(live),
            roles: HashMap::new(),
            members: Vec::new(),
            policies: Vec::new(),
        };
        let made = principals(change).into_iter();
        below.symbols = made
            .filter_map(|(id, symbol)| {
                Some((symbol.to_ascii_lowercase(), below.principals.get(&id)?.clone()))
            })
            .collect();
        live.gaps.extend(lacking(live, gone));
        leave(live, gone);
        let mut declared: HashSet<String> = change.declarations.keys().cloned().collect();
        declared.extend(gone.iter().map(|id| id.trim_end_matches('/').to_ascii_lowercase()));
        let same: HashSet<[String; 4]> =
            change.assignments.iter().chain(&change.schedules).map(|a| said(change, a, &below)).collect();
        // A role that the change has another id for is the tenant's of that name.
        let known_roles: HashMap<String, String> = live
            .roles
            .iter()
            .filter(|r| r.kind == RoleKind::Custom)
            .map(|r| (live.strings.text(r.name).to_lowercase(), live.strings.show_id(r.id)))
            .collect();
        let mut written: HashSet<String> = HashSet::new();
        for role in &change.roles {
            let key = change.strings.text(role.id.name).to_ascii_lowercase();
            if key.contains("${")
                && let Some(known) = known_roles.get(&change.strings.text(role.name).to_lowercase())
            {
                written.insert(role_key(known).to_ascii_lowercase());
                below.roles.insert(key, known.clone());
            } else {
                written.insert(key);
            }
        }
        let stays = |live: &Estate, a: &Assignment| {
            !declared.contains(&live.strings.show_id(a.id).to_ascii_lowercase())
                && !same.contains(&said(live, a, &below))
        };
        let kept = |rows: &[Assignment]| -> Vec<Assignment> {
            rows.iter().filter(|a| stays(live, a)).cloned().collect()
        };
        let (assignments, schedules) = (kept(&live.assignments), kept(&live.schedules));
        (live.assignments, live.schedules) = (assignments, schedules);
        let Estate {
            strings,
            resources,
            identities,
            federated,
            roles,
            vaults,
            groups,
            policy_assignments,
            ..
        } = live;
        let text = |sym: Sym| strings.text(sym).to_ascii_lowercase();
        resources.retain(|r| !declared.contains(&text(r.id)));
        identities.retain(|i| !declared.contains(&text(i.id)));
        federated.retain(|f| !declared.contains(&strings.show_id(f.id).to_ascii_lowercase()));
        roles.retain(|r| {
            let key = strings.text(r.id.name).to_ascii_lowercase();
            !written.contains(&key) && !declared.contains(&strings.show_id(r.id).to_ascii_lowercase())
        });
        policy_assignments.retain(|p| !declared.contains(&text(p.id)));
        let added_to: HashSet<String> =
            change.vaults.iter().map(|v| change.strings.text(v.id).to_ascii_lowercase()).collect();
        vaults.retain(|v| {
            let id = text(v.id);
            // A policy may be declared beside its vault: those that are there stay.
            if added_to.contains(&id) {
                below.policies.push((id.clone(), v.policies.clone()));
            }
            !added_to.contains(&id) && !declared.contains(&id)
        });
        let grown: HashSet<String> = change
            .groups
            .iter()
            .map(|g| change.strings.text(g.id))
            .map(|id| below.real(id).unwrap_or(id).to_ascii_lowercase())
            .collect();
        groups.retain(|g| {
            let grows = grown.contains(&text(g.id));
            if grows {
                below
                    .members
                    .push((text(g.id), g.members.iter().map(|m| strings.text(*m).to_owned()).collect()));
            }
            !grows
        });
        below
    }

    /// Calls principals what the tenant calls them, and joins what the change only adds to.
    pub(super) fn settle(&self, estate: &mut Estate) {
        let mut known: HashMap<Sym, Option<Sym>> = HashMap::new();
        let mut strings = std::mem::take(&mut estate.strings);
        let mut rename = |sym: &mut Sym| {
            let renamed = *known.entry(*sym).or_insert_with(|| {
                let real = self.real(strings.text(*sym))?.to_owned();
                Some(strings.intern(&real))
            });
            *sym = renamed.unwrap_or(*sym);
        };
        estate.assignments.iter_mut().chain(&mut estate.schedules).for_each(|a| rename(&mut a.principal));
        estate.identities.iter_mut().filter_map(|i| i.principal.as_mut()).for_each(&mut rename);
        let blocks = estate.resources.iter_mut().filter_map(|r| r.identity.as_mut());
        for block in blocks {
            block.principal.iter_mut().for_each(&mut rename);
            block.user.iter_mut().filter_map(|u| u.principal.as_mut()).for_each(&mut rename);
        }
        for group in &mut estate.groups {
            rename(&mut group.id);
            group.members.iter_mut().for_each(&mut rename);
        }
        estate.vaults.iter_mut().flat_map(|v| &mut v.policies).for_each(|p| rename(&mut p.principal));
        estate.local_grants.iter_mut().for_each(|l| rename(&mut l.principal));
        let mut roles: HashMap<Sym, Option<Sym>> = HashMap::new();
        for grant in estate.assignments.iter_mut().chain(&mut estate.schedules) {
            let renamed = *roles.entry(grant.role).or_insert_with(|| {
                let real = self.roles.get(&role_key(strings.text(grant.role)).to_ascii_lowercase())?.clone();
                Some(strings.intern(&real))
            });
            grant.role = renamed.unwrap_or(grant.role);
        }
        for role in &mut estate.roles {
            if let Some(real) = self.roles.get(&strings.text(role.id.name).to_ascii_lowercase()) {
                role.id = strings.intern_id(real);
            }
        }
        for (id, members) in &self.members {
            let group = estate.groups.iter_mut().find(|g| strings.text(g.id).eq_ignore_ascii_case(id));
            if let Some(group) = group {
                group.members.extend(members.iter().map(|m| strings.intern(m)));
            }
        }
        for (id, policies) in &self.policies {
            let vault = estate.vaults.iter_mut().find(|v| strings.text(v.id).eq_ignore_ascii_case(id));
            if let Some(vault) = vault {
                vault.policies.extend(policies.iter().cloned());
            }
        }
        estate.strings = strings;
        let strangers = strangers(estate);
        estate.gaps.extend(strangers);
    }

    /// The object id behind a symbol, if the tenant knows it.
    fn real(&self, text: &str) -> Option<&str> {
        let symbol = text.strip_prefix("${")?.strip_suffix('}')?;
        let of_an_id =
            symbol.strip_suffix("#principalId").and_then(|id| self.principals.get(&id.to_ascii_lowercase()));
        let named = || self.named.get(&symbol.to_lowercase()).and_then(Option::as_ref);
        of_an_id.or_else(|| self.symbols.get(&text.to_ascii_lowercase())).or_else(named).map(String::as_str)
    }
}

/// Object ids of groups and service principals, by `group NAME` and `service principal NAME`; none where several have one
/// name.
fn named(estate: &Estate) -> HashMap<String, Option<String>> {
    let text = |sym: Sym| estate.strings.text(sym);
    let groups = estate.groups.iter().map(|g| ("group", g.name, g.id));
    let principals = estate.principals.iter().filter(|p| !matches!(text(p.kind), "User" | "Group"));
    let principals = principals.map(|p| ("service principal", p.name, p.id));
    let mut all: HashMap<String, Option<String>> = HashMap::new();
    for (what, name, id) in groups.chain(principals) {
        let id = text(id).to_owned();
        all.entry(format!("{what} {}", text(name)).to_lowercase())
            .and_modify(|known| *known = known.take().filter(|k| k.eq_ignore_ascii_case(&id)))
            .or_insert(Some(id));
    }
    all
}

/// Object ids of identities and of hosts with their own, by ARM id.
fn principals(estate: &Estate) -> HashMap<String, String> {
    let text = |sym: Sym| estate.strings.text(sym);
    let own = estate.identities.iter().filter_map(|i| Some((i.id, i.principal?)));
    let hosts = estate.resources.iter().filter_map(|r| Some((r.id, r.identity.as_ref()?.principal?)));
    own.chain(hosts)
        .map(|(id, principal)| (text(id).to_ascii_lowercase(), text(principal).to_owned()))
        .collect()
}

/// What a grant says, whatever its record is called.
fn said(estate: &Estate, grant: &Assignment, below: &Below) -> [String; 4] {
    let text = |sym: Sym| estate.strings.text(sym);
    let principal = text(grant.principal);
    let principal = below.real(principal).unwrap_or(principal);
    let scope = text(grant.scope).trim_end_matches('/');
    [principal, role_key(text(grant.role)), scope, grant.condition.map_or("", text)]
        .map(str::to_ascii_lowercase)
}
