//! Which roles whoever may assign roles gives itself, where a condition bounds that: by its own object id, or by that of a group
//! that it is in.
//!
//! Of many roles those are kept that add something to what stronger ones give. Not here: what it gives to others.

use crate::graph::parties::{Party, PartyKind};
use crate::graph::{AccessGraph, FastMap};
use crate::model::Ix;
use crate::rbac::{
    Asks, Certainty, Class, Delegation, Located, Powers, Recipient, RoleProfile, Techniques, Tri,
};
use std::rc::Rc;

/// A role that somebody may be given.
#[derive(Debug)]
pub(super) struct Candidate {
    /// The GUID, or what stands for it, in lower case.
    pub(super) key: String,
    /// What it is called.
    pub(super) name: String,
    /// What it gives, of the operations of techniques.
    pub(super) powers: Powers,
    /// Whether it writes in most providers.
    pub(super) broad: bool,
    /// The classes of operations that it gives for sure, as bits in the order of [`Class::ALL`].
    pub(super) classes: u8,
}

/// Percent of the providers with writes from which on a role writes in most: as the rule `broad-write-scope` has it.
const MOST: u8 = 50;

/// Whether a role writes in most providers.
pub(super) fn is_broad(profile: &RoleProfile) -> bool {
    profile.write_breadth >= MOST
}

/// The classes of operations that a role gives for sure, as bits in the order of [`Class::ALL`].
pub(super) fn classes(profile: &RoleProfile) -> u8 {
    let each = Class::ALL.iter().enumerate().filter(|(_, class)| profile.classes.contains(class));
    each.fold(0, |bits, (n, _)| bits | 1 << n)
}

/// All roles that may be given; what each means is worked out when a condition lets it through.
pub(super) struct Candidates<'g> {
    graph: &'g AccessGraph,
    techniques: &'static Techniques,
    located: Located,
    keys: Vec<String>,
    known: FastMap<String, Option<Rc<Candidate>>>,
}

impl<'g> Candidates<'g> {
    pub(super) fn new(
        graph: &'g AccessGraph,
        techniques: &'static Techniques,
        located: Located,
    ) -> Candidates<'g> {
        let keys = graph.roles().keys(graph.catalog());
        Candidates { graph, techniques, located, keys, known: FastMap::default() }
    }

    /// One of them, if it gives anything that matters.
    fn get(&mut self, key: &str) -> Option<Rc<Candidate>> {
        if let Some(known) = self.known.get(key) {
            return known.clone();
        }
        let graph = self.graph;
        let (name, compiled, profile) = match graph.roles().of_key(key) {
            Some(at) => {
                let role = &graph.roles()[at];
                (&role.name, &*role.compiled, &*role.profile)
            }
            None => {
                let role = graph.catalog().built_in(key)?;
                (&role.name, &role.compiled, &role.profile)
            }
        };
        let powers = self.techniques.powers(compiled, &self.located, None);
        let (broad, classes) = (is_broad(profile), classes(profile));
        let made = (powers.most != 0 || profile.harmful())
            .then(|| Rc::new(Candidate { key: key.to_owned(), name: name.clone(), powers, broad, classes }));
        self.known.insert(key.to_owned(), made.clone());
        made
    }

    /// Those that a delegation lets somebody have, those that give most first, and how sure that is.
    fn admitted(&mut self, lets: impl Fn(&str) -> Tri) -> Vec<(Rc<Candidate>, Certainty)> {
        let keys = std::mem::take(&mut self.keys);
        let each = keys.iter().filter_map(|key| {
            let sure = match lets(key) {
                Tri::True => Certainty::High,
                Tri::Unknown => Certainty::Low,
                Tri::False => return None,
            };
            Some((self.get(key)?, sure))
        });
        let mut all: Vec<_> = each.collect();
        self.keys = keys;
        all.sort_by(|(a, s), (b, t)| (s, a.rank()).cmp(&(t, b.rank())));
        all
    }
}

impl Candidate {
    /// What sorts those that give most first, and the same every time.
    fn rank(&self) -> impl Ord + '_ {
        let counts = (self.powers.sure.count_ones(), self.powers.most.count_ones(), self.classes);
        (std::cmp::Reverse(counts), &self.key)
    }
}

/// Somebody of a kind whom no condition names.
pub(super) fn unnamed(kind: &'static str) -> Recipient {
    Recipient { kind, id: Some(String::new()) }
}

/// As whom a holder may be given a role: itself, and the groups that it is in. Those whom conditions do not tell apart are one.
pub(super) fn selves(graph: &AccessGraph, asks: &Asks, holder: Ix<Party>) -> Vec<Recipient> {
    let as_recipient = |party: Ix<Party>| {
        let party = &graph.parties()[party];
        let kind = if party.kind == PartyKind::Group { "Group" } else { "ServicePrincipal" };
        let id = graph.text(party.principal);
        if asks.tells(id) { Recipient { kind, id: Some(id.to_owned()) } } else { unnamed(kind) }
    };
    let groups = graph.groups_of(holder).into_iter().map(|(group, _)| group);
    let mut all: Vec<Recipient> = std::iter::once(holder).chain(groups).map(as_recipient).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Which roles a delegation lets somebody have that add something to stronger ones, and how sure that is. What it would let
/// `another` have, if there is one, may be had by a principal that the holder makes or takes. None stands for any role.
pub(super) fn given(
    delegation: &Delegation<'_>,
    candidates: &mut Candidates<'_>,
    selves: &[Recipient],
    another: Option<&Recipient>,
) -> Option<Vec<(Rc<Candidate>, Certainty)>> {
    if selves.iter().any(|to| delegation.lets(None, Some(to)) == Tri::True) {
        return None;
    }
    let mut admitted = candidates.admitted(|role| {
        let own = selves.iter().map(|to| delegation.lets(Some(role), Some(to))).max();
        let another = another.map_or(Tri::False, |to| delegation.lets(Some(role), Some(to)));
        own.unwrap_or(Tri::False).max(another.min(Tri::Unknown))
    });
    let (mut powers, mut broad, mut classes) = (Powers::default(), false, 0);
    admitted.retain(|(role, _)| {
        let both = powers.and(role.powers);
        let adds = both != powers || (role.broad && !broad) || role.classes & !classes != 0;
        (powers, broad, classes) = (both, broad || role.broad, classes | role.classes);
        adds
    });
    Some(admitted)
}
