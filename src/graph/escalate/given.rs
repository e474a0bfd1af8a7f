//! Which roles whoever may assign roles gives itself, where a condition bounds that: by its own object id, or by that of a group
//! that it is in.
//!
//! Of many roles those are kept that add something to what stronger ones give. Not here: what it gives to others.

use crate::graph::AccessGraph;
use crate::graph::parties::{Party, PartyKind};
use crate::model::Ix;
use crate::rbac::{
    Asks, Catalog, Certainty, Class, CompiledRole, Delegation, Powers, Recipient, RoleProfile, Techniques,
    Tri,
};
use std::sync::{Arc, OnceLock};

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

/// All roles that matter, those that give most first.
pub(super) fn candidates(graph: &AccessGraph, techniques: &'static Techniques) -> Vec<Arc<Candidate>> {
    static EMBEDDED: OnceLock<Vec<Arc<Candidate>>> = OnceLock::new();
    let catalog = graph.catalog();
    let mut all = if std::ptr::eq(catalog, Catalog::embedded()) {
        EMBEDDED.get_or_init(|| built_in(catalog, techniques)).clone()
    } else {
        built_in(catalog, techniques)
    };
    // What was read is more than what is known of built-in roles.
    all.retain(|known| graph.roles().of_key(&known.key).is_none());
    let read = graph.roles().iter().filter_map(|(_, role)| {
        candidate(catalog, techniques, (&role.key, &role.name), (&role.compiled, &role.profile))
    });
    all.extend(read);
    all.sort_by(|a, b| a.rank().cmp(&b.rank()));
    all
}

fn built_in(catalog: &Catalog, techniques: &Techniques) -> Vec<Arc<Candidate>> {
    let each = catalog.guids().into_iter().filter_map(|key| {
        let role = catalog.role(key)?;
        let compiled = CompiledRole::compile(&role.permissions, catalog.operations());
        let profile = RoleProfile::new(&compiled, catalog.operations(), catalog.classes());
        candidate(catalog, techniques, (key, &role.name), (&compiled, &profile))
    });
    each.collect()
}

/// A role as a candidate, if it matters.
fn candidate(
    catalog: &Catalog,
    techniques: &Techniques,
    (key, name): (&str, &str),
    (compiled, profile): (&CompiledRole, &RoleProfile),
) -> Option<Arc<Candidate>> {
    let powers = techniques.powers(compiled, catalog.operations(), None);
    let matters = powers.most != 0 || profile.harmful();
    let (broad, classes) = (is_broad(profile), classes(profile));
    let (key, name) = (key.to_owned(), name.to_owned());
    matters.then(|| Arc::new(Candidate { key, name, powers, broad, classes }))
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

/// Which of the candidates a delegation lets somebody have, by number, and how sure that is. What it would let `another` have,
/// if there is one, may be had by a principal that the holder makes or takes. None stands for any role.
pub(super) fn given(
    delegation: &Delegation<'_>,
    candidates: &[Arc<Candidate>],
    selves: &[Recipient],
    another: Option<&Recipient>,
) -> Option<Vec<(usize, Certainty)>> {
    if selves.iter().any(|to| delegation.lets(None, Some(to)) == Tri::True) {
        return None;
    }
    let another =
        |role: &Candidate| another.map_or(Tri::False, |to| delegation.lets(Some(&role.key), Some(to)));
    let mut kept = Vec::new();
    let (mut powers, mut broad, mut classes) = (Powers::default(), false, 0);
    for (sure, certainty) in [(Tri::True, Certainty::High), (Tri::Unknown, Certainty::Low)] {
        for (at, role) in candidates.iter().enumerate() {
            let both = powers.and(role.powers);
            let adds = both != powers || (role.broad && !broad) || role.classes & !classes != 0;
            if !adds {
                continue;
            }
            let own = selves.iter().map(|to| delegation.lets(Some(&role.key), Some(to))).max();
            let own = own.unwrap_or(Tri::False);
            let may =
                own == sure || (sure == Tri::Unknown && own == Tri::False && another(role) != Tri::False);
            if may {
                (powers, broad, classes) = (both, broad || role.broad, classes | role.classes);
                kept.push((at, certainty));
            }
        }
    }
    Some(kept)
}
