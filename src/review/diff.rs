//! Grants of two graphs, compared by who holds what where: ids and dates do not count.

use super::escalations::{EscalationChange, escalations};
use super::power::{IdentityChange, powers};
use super::ways::{WayChange, ways};
use crate::graph::{AccessGraph, Grant, PartyKind};
use crate::model::{GrantState, Ix};
use crate::rbac::OpSet;
use std::collections::{BTreeMap, HashMap};

/// How a grant changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Change {
    /// It was not there.
    Added,
    /// It reaches or gives more than one that it takes the place of.
    Widened,
    /// It reaches or gives less.
    Narrowed,
    /// It is no longer there.
    Removed,
}

impl Change {
    /// The word in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Widened => "widened",
            Change::Narrowed => "narrowed",
            Change::Removed => "removed",
        }
    }
}

/// A grant that changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GrantChange {
    /// How.
    pub change: Change,
    /// Whose: a name to show.
    pub identity: String,
    /// The object id of the holder.
    pub principal: String,
    /// What the holder is.
    pub holder: &'static str,
    /// The role, after the change; of a removed one, what it was.
    pub role: String,
    /// Its GUID.
    pub role_id: String,
    /// The scope.
    pub scope: String,
    /// Its level.
    pub level: &'static str,
    /// The condition, if there is one.
    pub condition: Option<String>,
    /// Whether it is active, time-bound or eligible.
    pub state: &'static str,
    /// What it takes the place of: role and scope.
    pub was: Option<(String, String)>,
    /// The ARM id of its record.
    pub record: String,
    /// Whether everything that it gives was held there already.
    pub redundant: bool,
}

/// A grant that code declares and that is there already, under another name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Present {
    /// Whose: a name to show.
    pub identity: String,
    /// The role.
    pub role: String,
    /// The scope.
    pub scope: String,
    /// Where it is declared.
    pub declared_as: String,
    /// The ARM id that it is there under.
    pub there_as: String,
}

/// What is different.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Diff {
    /// Grants, by holder, then how they changed.
    pub grants: Vec<GrantChange>,
    /// Identities that are new, gone, or can do more or less.
    pub identities: Vec<IdentityChange>,
    /// Federated credentials, access policies, and what runs as identities, new or gone.
    pub ways: Vec<WayChange>,
    /// Grants that are declared and there already: Azure refuses a second one of the kind.
    pub present: Vec<Present>,
    /// What identities could become, where that is something else than before.
    pub escalations: Vec<EscalationChange>,
}

impl Diff {
    /// Whether nobody can do more or less.
    pub fn is_empty(&self) -> bool {
        self.grants.is_empty()
            && self.identities.is_empty()
            && self.ways.is_empty()
            && self.escalations.is_empty()
            && self.present.is_empty()
    }
}

/// A grant by what it says.
pub(super) type Key = (String, String, String, String, &'static str);

pub(super) fn key(graph: &AccessGraph, grant: &Grant) -> Key {
    let condition = graph.condition(grant).map_or("", |c| graph.text(c.text));
    (
        graph.text(graph.parties()[grant.party].principal).to_ascii_lowercase(),
        graph.roles()[grant.role].key.clone(),
        graph.text(graph.scopes().nodes()[grant.scope].id).to_ascii_lowercase(),
        condition.to_owned(),
        grant.state.name(),
    )
}

/// Compares two graphs.
pub fn diff(before: &AccessGraph, after: &AccessGraph) -> Diff {
    let (mut removed, mut added, present) = one_sided(before, after);
    let mut grants = Vec::new();
    // Of one holder, one that goes and one that comes may be the same grant, wider or narrower.
    added.retain(|new| {
        let same = removed.iter().position(|old| turned(before, *old, after, *new).is_some());
        let Some((change, old)) =
            same.map(|at| removed.remove(at)).and_then(|old| Some((turned(before, old, after, *new)?, old)))
        else {
            return true;
        };
        let old = &before.grants()[old];
        let scope = before.text(before.scopes().nodes()[old.scope].id).to_owned();
        let was = Some((before.roles()[old.role].name.clone(), scope));
        grants.push(GrantChange { was, ..shown(after, *new, change) });
        false
    });
    for at in added {
        let redundant = held_already(before, after, at);
        grants.push(GrantChange { redundant, ..shown(after, at, Change::Added) });
    }
    grants.extend(removed.into_iter().map(|at| shown(before, at, Change::Removed)));
    grants.sort_by(|a, b| {
        let by = |g: &GrantChange| {
            (g.identity.clone(), g.principal.clone(), g.change, g.role.clone(), g.scope.clone())
        };
        by(a).cmp(&by(b)).then_with(|| a.record.cmp(&b.record))
    });
    let identities = powers(before, after, &grants);
    let changed = identities.iter().map(|i| i.principal.to_ascii_lowercase()).collect();
    let escalations = escalations(before, after, &changed);
    Diff { identities, ways: ways(before, after), present, escalations, grants }
}

/// Grants that only the one graph has, those that only the other has, and those that code declares anew.
fn one_sided(before: &AccessGraph, after: &AccessGraph) -> (Vec<Ix<Grant>>, Vec<Ix<Grant>>, Vec<Present>) {
    let mut present = Vec::new();
    let mut counts: HashMap<Key, Vec<Ix<Grant>>> = HashMap::new();
    for (at, grant) in before.grants().iter() {
        counts.entry(key(before, grant)).or_default().push(at);
    }
    let (mut added, mut again) = (Vec::new(), Vec::new());
    for (at, grant) in after.grants().iter() {
        match counts.get_mut(&key(after, grant)).and_then(Vec::pop) {
            Some(old) if redefined(before, &before.grants()[old], after, grant) => {
                again.push(old);
                added.push(at);
            }
            Some(old) => present.extend(declared_again(before, &before.grants()[old], after, grant)),
            None => added.push(at),
        }
    }
    let mut removed: Vec<Ix<Grant>> = counts.into_values().flatten().chain(again).collect();
    removed.sort_unstable();
    present.sort();
    (removed, added, present)
}

/// A grant that a change makes although it is there under another name.
fn declared_again(before: &AccessGraph, old: &Grant, after: &AccessGraph, new: &Grant) -> Option<Present> {
    let id = |graph: &AccessGraph, grant| Some(graph.estate().strings.show_id(graph.record(grant)?.id));
    let (was, is) = (id(before, old)?, id(after, new)?);
    let declared = after.estate().declarations.get(&is.to_ascii_lowercase()).filter(|d| !d.kept)?;
    if was.eq_ignore_ascii_case(&is) {
        return None;
    }
    Some(Present {
        identity: after.party_name(new.party).to_owned(),
        role: after.roles()[new.role].name.clone(),
        scope: after.text(after.scopes().nodes()[new.scope].id).to_owned(),
        declared_as: declared.address.clone(),
        there_as: was,
    })
}

/// Whether a grant's role gives something else than it did: a custom role is changed in its place. Of one that was not
/// read on either side, nothing is known.
fn redefined(before: &AccessGraph, old: &Grant, after: &AccessGraph, new: &Grant) -> bool {
    let (was, is) = (&before.roles()[old.role], &after.roles()[new.role]);
    was.defined && is.defined && was.compiled.most != is.compiled.most
}

/// Whether a new grant is an old one that became wider or narrower: one of role, scope and condition changed, in one
/// direction.
fn turned(before: &AccessGraph, old: Ix<Grant>, after: &AccessGraph, new: Ix<Grant>) -> Option<Change> {
    let (old, new) = (&before.grants()[old], &after.grants()[new]);
    let ((principal, role, scope, condition, state), other) = (key(before, old), key(after, new));
    if principal != other.0 || state != other.4 {
        return None;
    }
    if (&role, &condition) == (&other.1, &other.3) && scope != other.2 {
        return match () {
            () if is_above(&other.2, &scope) => Some(Change::Widened),
            () if is_above(&scope, &other.2) => Some(Change::Narrowed),
            () => None,
        };
    }
    if scope != other.2 {
        return None;
    }
    if role == other.1 && condition != other.3 {
        return match (condition.is_empty(), other.3.is_empty()) {
            (false, true) => Some(Change::Widened),
            (true, false) => Some(Change::Narrowed),
            // Which of two conditions lets more through is not worked out here.
            _ => None,
        };
    }
    let (was, is) = (&before.roles()[old.role].compiled.most, &after.roles()[new.role].compiled.most);
    match (is.covers(was), was.covers(is)) {
        (true, false) => Some(Change::Widened),
        (false, true) => Some(Change::Narrowed),
        _ => None,
    }
}

fn shown(graph: &AccessGraph, at: Ix<Grant>, change: Change) -> GrantChange {
    let grant = &graph.grants()[at];
    let (role, node) = (&graph.roles()[grant.role], &graph.scopes().nodes()[grant.scope]);
    let party = &graph.parties()[grant.party];
    let record = graph.record(grant).map(|r| graph.estate().strings.show_id(r.id));
    GrantChange {
        change,
        identity: graph.party_name(grant.party).to_owned(),
        principal: graph.text(party.principal).to_owned(),
        holder: match party.identity {
            Some(identity) if party.kind != PartyKind::Group => graph.identities()[identity].kind.name(),
            _ => party.kind.name(),
        },
        role: role.name.clone(),
        role_id: role.key.clone(),
        scope: graph.text(node.id).to_owned(),
        level: node.level.name(),
        condition: graph.condition(grant).map(|c| graph.text(c.text).to_owned()),
        state: grant.state.name(),
        was: None,
        record: record.unwrap_or_default(),
        redundant: false,
    }
}

/// Whether others that were in force before, without a condition, gave all that a new grant gives, there and above.
fn held_already(before: &AccessGraph, after: &AccessGraph, at: Ix<Grant>) -> bool {
    let grant = &after.grants()[at];
    let principal = after.text(after.parties()[grant.party].principal);
    let Some(party) = before.estate().strings.find(principal).and_then(|s| before.party_of(s)) else {
        return false;
    };
    let scope = after.text(after.scopes().nodes()[grant.scope].id);
    let gives = &after.roles()[grant.role].compiled.most;
    let mut held = OpSet::new();
    for way in before.held_by(party) {
        let other = &before.grants()[way.grant];
        let covers = before.reaches(other, scope);
        if covers && other.condition.is_none() && other.state != GrantState::Eligible {
            held.union(&before.roles()[other.role].compiled.sure);
        }
    }
    after.roles()[grant.role].defined && held.covers(gives)
}

/// Whether a scope lies above another, both as texts without case: those of a change may be symbols, which are no ids.
pub(super) fn is_above(outer: &str, inner: &str) -> bool {
    outer == "/" || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
}

/// The grants of a graph that changed, by the principal that holds them.
pub(super) fn by_principal(grants: &[GrantChange]) -> BTreeMap<String, Vec<&GrantChange>> {
    let mut all: BTreeMap<String, Vec<&GrantChange>> = BTreeMap::new();
    for grant in grants {
        all.entry(grant.principal.to_ascii_lowercase()).or_default().push(grant);
    }
    all
}
