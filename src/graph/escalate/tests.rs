//! The net against a plain reading of the techniques, on random worlds.

use super::*;
use crate::model::{
    ActionPattern, Assignment, AttachedIdentity, Estate, GrantState, Group, Id, IdentityBlock, Permission,
    PrincipalType, Resource, RoleDefinition, RoleKind, Tags, UserAssignedIdentity,
};
use crate::rbac::{Access, Catalog, Gain, On};
use proptest::prelude::*;
use std::collections::BTreeSet;

mod naive;

use naive::naive;

const SUB: &str = "/subscriptions/00000000-0000-0000-0000-00000000000";

/// What a world is made of: small numbers.
#[derive(Clone, Debug)]
struct World {
    /// For each identity: its resource group, and whether it is a machine's own.
    identities: Vec<(usize, bool)>,
    /// Machines: their group, and the user-assigned identity on them.
    machines: Vec<(usize, usize)>,
    /// Who, what, at which scope, whether through a group.
    grants: Vec<(usize, usize, usize, bool)>,
    /// What is denied, at which scope, and whom it spares.
    denies: Vec<(usize, usize, usize)>,
    /// The condition of each grant; none where there is none for it.
    conditions: Vec<usize>,
}

/// None; one that nobody can decide; any role but a harmless one is out; something else than the rest of the role; and those
/// that ask whom a role is given to.
const CONDITIONS: [&str; 10] = [
    "",
    "@Resource[Microsoft.ManagedIdentity/userAssignedIdentities:name] StringEquals 'x'",
    "!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'}) OR @Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {acdd72a7-3385-48ef-bd42-f606fba81ae7}",
    "!(ActionMatches{'Microsoft.Compute/virtualMachines/runCommand/action'}) AND !(ActionMatches{'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write'})",
    "!(ActionMatches{'Microsoft.Storage/storageAccounts/write'}) OR @Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'x'",
    "!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'}) OR @Request[Microsoft.Authorization/roleAssignments:PrincipalId] ForAnyOfAnyValues:GuidEquals {'p0', 'p1'}",
    "!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'}) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {'r3', 'r4'} AND @Request[Microsoft.Authorization/roleAssignments:PrincipalId] ForAnyOfAnyValues:GuidEquals {'p2', 'p3'})",
    "!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'}) OR @Request[Microsoft.Authorization/roleAssignments:PrincipalType] StringEqualsIgnoreCase 'Group'",
    "!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'}) OR (@Request[Microsoft.Authorization/roleAssignments:PrincipalId] ForAnyOfAllValues:GuidNotEquals {'p0'} AND @Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {'r2', 'r6'})",
    "!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'}) OR @Request[Microsoft.Authorization/roleAssignments:PrincipalId] ForAnyOfAnyValues:GuidEquals {'grp0', 'grp1', 'grp2'}",
];

const SETS: [&[&str]; 10] = [
    &["Microsoft.Authorization/roleAssignments/write"],
    &["Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"],
    &["Microsoft.Compute/virtualMachines/write"],
    &["Microsoft.Compute/virtualMachines/runCommand/action"],
    &["Microsoft.ManagedIdentity/userAssignedIdentities/*"],
    &["Microsoft.Compute/galleries/applications/versions/write"],
    &["*"],
    &["Microsoft.Authorization/roleDefinitions/write"],
    &["Microsoft.Web/sites/*", "*/read"],
    &["*/read"],
];

fn group(n: usize) -> String {
    format!("{SUB}{}/resourceGroups/g{n}", n % 2)
}

impl World {
    fn scope(&self, n: usize) -> String {
        match n % 8 {
            0 => "/".to_owned(),
            n @ (1 | 2) => format!("{SUB}{}", n - 1),
            n @ 3..=6 => group(n - 3),
            _ => match self.machines.first() {
                Some((g, _)) => format!("{}/providers/Microsoft.Compute/virtualMachines/m0", group(*g)),
                None => group(0),
            },
        }
    }

    fn estate(&self) -> Estate {
        let mut estate = Estate::default();
        let mut sym = |text: &str| estate.strings.intern(text);
        let whole = |s: crate::model::Sym| Id { dir: s, name: s };
        let (mut resources, mut identities, mut roles, mut assignments, mut groups, mut denies) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let kind = sym("Microsoft.Compute/virtualMachines");
        for (n, (at, own)) in self.identities.iter().enumerate() {
            let principal = sym(&format!("p{n}"));
            if *own {
                let id = sym(&format!("{}/providers/Microsoft.Compute/virtualMachines/own{n}", group(*at)));
                let block =
                    IdentityBlock { system: true, principal: Some(principal), ..IdentityBlock::default() };
                resources.push(resource(id, kind, block));
            } else {
                identities.push(UserAssignedIdentity {
                    id: sym(&format!(
                        "{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u{n}",
                        group(*at)
                    )),
                    principal: Some(principal),
                    client: None,
                    tenant: None,
                    location: None,
                    tags: Tags::default(),
                    isolation: None,
                    restricted_to: None,
                    created: None,
                });
            }
        }
        for (n, (at, user)) in self.machines.iter().enumerate() {
            let id = sym(&format!("{}/providers/Microsoft.Compute/virtualMachines/m{n}", group(*at)));
            let user = identities.get(*user % identities.len().max(1)).map(|u| u.id);
            let user = user.map(|id| AttachedIdentity { id, principal: None }).into_iter().collect();
            resources.push(resource(id, kind, IdentityBlock { user, ..IdentityBlock::default() }));
        }
        for (n, actions) in SETS.iter().enumerate() {
            roles.push(RoleDefinition {
                id: whole(sym(&format!("r{n}"))),
                name: sym(&format!("role {n}")),
                kind: RoleKind::Custom,
                assignable_scopes: vec![sym(&format!("{SUB}0"))],
                permissions: vec![Permission {
                    actions: actions.iter().map(|a| ActionPattern::new(a)).collect(),
                    ..Permission::default()
                }],
                updated_on: None,
            });
        }
        for (n, (who, what, at, through)) in self.grants.iter().enumerate() {
            let member = sym(&format!("p{}", who % self.identities.len().max(1)));
            let principal = if *through { sym(&format!("grp{n}")) } else { member };
            if *through {
                groups.push(Group { id: principal, name: principal, members: vec![member] });
            }
            assignments.push(Assignment {
                id: whole(sym(&format!("a{n}"))),
                principal,
                principal_type: if *through { PrincipalType::Group } else { PrincipalType::ServicePrincipal },
                role: sym(&format!("r{}", what % SETS.len())),
                scope: sym(&self.scope(*at)),
                condition: self
                    .conditions
                    .get(n)
                    .and_then(|c| CONDITIONS.get(*c))
                    .filter(|c| !c.is_empty())
                    .map(|c| sym(c)),
                delegated_identity: None,
                description: None,
                created_on: None,
                created_by: None,
                updated_on: None,
                state: GrantState::Active,
                ends: None,
            });
        }
        for (n, (what, at, spared)) in self.denies.iter().enumerate() {
            let everyone = sym(crate::model::EVERYONE);
            denies.push(crate::model::DenyAssignment {
                id: whole(sym(&format!("d{n}"))),
                name: everyone,
                permissions: vec![Permission {
                    actions: SETS[what % SETS.len()].iter().map(|a| ActionPattern::new(a)).collect(),
                    ..Permission::default()
                }],
                scope: sym(&self.scope(*at)),
                this_scope_only: false,
                principals: vec![everyone],
                excluded: vec![sym(&format!("p{}", spared % self.identities.len().max(1)))],
                enforced: true,
                condition: None,
            });
        }
        estate.denies = denies;
        estate.resources = resources;
        estate.identities = identities;
        estate.roles = roles;
        estate.assignments = assignments;
        estate.groups = groups;
        estate
    }
}

fn resource(id: crate::model::Sym, kind: crate::model::Sym, block: IdentityBlock) -> Resource {
    Resource {
        id,
        kind,
        location: None,
        tags: Tags::default(),
        identity: Some(Box::new(block)),
        mentions: Vec::new(),
        code_from: Vec::new(),
        doors: crate::model::Doors::default(),
        settings: None,
        created: None,
    }
}

fn world() -> impl Strategy<Value = World> {
    (
        prop::collection::vec((0..4usize, any::<bool>()), 1..6),
        prop::collection::vec((0..4usize, 0..6usize), 0..3),
        prop::collection::vec((0..6usize, 0..SETS.len(), 0..8usize, any::<bool>()), 0..8),
    )
        .prop_map(|(identities, machines, grants)| World {
            identities,
            machines,
            grants,
            denies: Vec::new(),
            conditions: Vec::new(),
        })
}

fn denied_world() -> impl Strategy<Value = World> {
    (world(), prop::collection::vec((0..SETS.len(), 0..8usize, 0..6usize), 1..3))
        .prop_map(|(world, denies)| World { denies, ..world })
}

fn conditioned_world() -> impl Strategy<Value = World> {
    (world(), prop::collection::vec(0..CONDITIONS.len(), 8))
        .prop_map(|(world, conditions)| World { conditions, ..world })
}

proptest! {
    // The same worlds every time; more of them are tried by raising the number.
    #![proptest_config(ProptestConfig { cases: 200, rng_seed: proptest::test_runner::RngSeed::Fixed(1), ..ProptestConfig::default() })]

    /// The net reaches whom single steps reach, one after the other.
    #[test]
    fn the_net_is_the_steps(world in world()) {
        let graph = AccessGraph::build(world.estate(), Catalog::embedded(), None);
        let escalation = Escalation::new(&graph);
        for (_, identity) in graph.identities().iter() {
            let Some(party) = identity.party else { continue };
            let (parties, authority) = naive(&graph, party);
            let found: BTreeSet<_> = escalation.becomes(identity, Certainty::Medium).into_iter().collect();
            prop_assert_eq!(&found, &parties, "who {:?} becomes", graph.party_name(party));
            // Places of power: those that are reached or lie below one.
            for (scope, _) in graph.scopes().nodes().iter() {
                let expected = authority.iter().any(|a| graph.scopes().contains(*a, scope));
                let path = escalation.path(identity, &Target::Authority(scope), Certainty::Medium);
                prop_assert_eq!(path.is_some(), expected, "{}", graph.text(graph.scopes().nodes()[scope].id));
                if let Some(path) = path {
                    prop_assert!(path.steps.iter().all(|s| s.access == Access::Allowed));
                    prop_assert!(!path.steps.is_empty());
                }
            }
            for other in parties {
                let path = escalation.path(identity, &Target::Party(other), Certainty::Medium);
                let path = path.expect("a way to everyone who is reached");
                // Each step is one that its actor can take.
                for (n, step) in path.steps.iter().enumerate() {
                    let before = n.checked_sub(1).map(|n| &path.steps[n].gains);
                    if matches!(before, Some(Target::Authority(_) | Target::Role(..))) {
                        continue;
                    }
                    for operation in &step.operations {
                        let allows = |h: &crate::graph::Held| {
                            graph.grant_allows(&graph.grants()[h.grant], operation) == Access::Allowed
                        };
                        prop_assert!(step.held.iter().any(allows), "{:?}", step);
                    }
                }
            }
        }
    }

    /// Where something is denied to all but one, ways are those of single steps that are held against that.
    #[test]
    fn denies_are_held_against_each_step(world in denied_world()) {
        let graph = AccessGraph::build(world.estate(), Catalog::embedded(), None);
        let escalation = Escalation::new(&graph);
        for (_, identity) in graph.identities().iter() {
            let Some(party) = identity.party else { continue };
            let (parties, _) = naive(&graph, party);
            for (_, other) in graph.identities().iter() {
                let Some(target) = other.party.filter(|t| *t != party) else { continue };
                let path = escalation.path(identity, &Target::Party(target), Certainty::Medium);
                prop_assert_eq!(path.is_some(), parties.contains(&target), "{} to {}", graph.party_name(party), graph.party_name(target));
            }
        }
    }

    /// Where grants have conditions, ways that are sure are those of single steps that are surely allowed.
    #[test]
    fn conditions_are_held_against_each_step(world in conditioned_world()) {
        let graph = AccessGraph::build(world.estate(), Catalog::embedded(), None);
        let escalation = Escalation::new(&graph);
        let readable = graph.grants().iter().filter_map(|(_, g)| graph.condition(g));
        for condition in readable {
            prop_assert!(matches!(condition.parsed, crate::rbac::ParsedCondition::Known(_)), "{}", graph.text(condition.text));
        }
        for (_, identity) in graph.identities().iter() {
            let Some(party) = identity.party else { continue };
            let (parties, authority) = naive(&graph, party);
            for (_, other) in graph.identities().iter() {
                let Some(target) = other.party.filter(|t| *t != party) else { continue };
                let path = escalation.path(identity, &Target::Party(target), Certainty::Medium);
                prop_assert_eq!(path.is_some(), parties.contains(&target), "{} to {}", graph.party_name(party), graph.party_name(target));
            }
            for (scope, _) in graph.scopes().nodes().iter() {
                let expected = authority.iter().any(|a| graph.scopes().contains(*a, scope));
                let path = escalation.path(identity, &Target::Authority(scope), Certainty::Medium);
                prop_assert_eq!(path.is_some(), expected, "{} at {}", graph.party_name(party), graph.text(graph.scopes().nodes()[scope].id));
            }
        }
    }

    /// What is worked out for all at once is what a walk from each finds.
    #[test]
    fn all_at_once_is_one_by_one(world in world()) {
        let graph = AccessGraph::build(world.estate(), Catalog::embedded(), None);
        let escalation = Escalation::new(&graph);
        let alone: Vec<_> = graph.identities().iter().map(|(at, _)| escalation.one(at)).collect();
        let all = escalation.all();
        for (at, identity) in graph.identities().iter() {
            let places = escalation.places(identity, Certainty::Low);
            let summary = all.get(at.index()).cloned().flatten();
            prop_assert_eq!(&summary, &alone[at.index()]);
            prop_assert_eq!(summary.is_some(), !places.is_empty());
            if let Some(summary) = summary {
                let surest = places.iter().map(|(_, c)| *c).min().unwrap();
                prop_assert_eq!(summary.certainty, surest);
                let first = places.iter().find(|(_, c)| *c == surest).map(|(t, _)| t.clone());
                prop_assert_eq!(Some(&summary.worst), first.as_ref());
                // As short as a walk from the other side finds it, and one that can be gone.
                let way = escalation.way(identity, &summary).expect("a way");
                let other = escalation.path(identity, &summary.worst, surest).expect("a way");
                prop_assert_eq!(way.steps.len(), other.steps.len());
            }
        }
    }
}

/// Components against reachability both ways, on random nets with cycles.
#[test]
fn components_are_those_that_reach_each_other() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let nets = prop::collection::vec((0..9usize, 0..9usize), 0..30);
    runner
        .run(&nets, |pairs| {
            let mut draft = net::Draft::default();
            let nodes: Vec<usize> = (0..9).map(|n| draft.node(Node::Right(n, Ix::new(0)))).collect();
            for (a, b) in &pairs {
                draft.edge(nodes[*a], nodes[*b], Certainty::High, true, None);
            }
            let net = draft.finish();
            let (component, _) = net.components(Certainty::High);
            let reach: Vec<net::Walk> =
                nodes.iter().map(|n| net.walk(*n, Certainty::High, &|_, _| false)).collect();
            for a in 0..9 {
                for b in 0..9 {
                    let both = reach[a].get(b).is_some() && reach[b].get(a).is_some();
                    prop_assert_eq!(both, component[a] == component[b]);
                    if reach[a].get(b).is_some() {
                        prop_assert!(component[a] >= component[b]);
                    }
                }
            }
            Ok(())
        })
        .unwrap();
}

/// What is given to another is given first, and had by acting as that one.
#[test]
fn a_role_for_another_is_told_with_the_way_to_that_one() {
    let world = World {
        identities: vec![(0, false), (1, false)],
        machines: vec![(0, 0)],
        grants: vec![(1, 3, 3, false), (1, 0, 1, false)],
        denies: Vec::new(),
        conditions: vec![0, CONDITIONS.iter().position(|c| c.contains("'p0', 'p1'")).unwrap()],
    };
    let estate = |named: &str| {
        let mut estate = world.estate();
        let condition = CONDITIONS[world.conditions[1]].replace("'p0', 'p1'", named);
        let text = estate.strings.intern(&condition);
        estate
            .assignments
            .iter_mut()
            .filter(|a| a.condition.is_some())
            .for_each(|a| a.condition = Some(text));
        estate
    };
    let ways = |named: &str| {
        let graph = AccessGraph::build(estate(named), Catalog::embedded(), None);
        let escalation = Escalation::new(&graph);
        let identities = graph.identities().rows();
        let deployer = identities.iter().find(|i| graph.identity_name(i) == "u1").unwrap();
        let places = escalation.places(deployer, Certainty::Low);
        let paths: Vec<Vec<String>> = places
            .iter()
            .filter_map(|(target, sure)| escalation.path(deployer, target, *sure))
            .map(|path| path.steps.iter().map(|s| s.gains.words(&graph)).collect())
            .collect();
        (escalation.power(deployer).is_some(), paths)
    };
    let (holds, paths) = ways("'p0'");
    assert!(!holds);
    let sub = "subscription `00000000-0000-0000-0000-000000000000`";
    assert_eq!(paths, [[format!("any role on {sub}, for `u0`"), "`u0`".to_owned()]]);
    // Itself: that is as good as held. Somebody else: no way.
    assert_eq!(ways("'p1'"), (true, Vec::new()));
    assert_eq!(ways("'p7'"), (false, Vec::new()));
}
