//! A plain reading of the techniques: single steps, repeated until nothing new comes.

use super::*;

/// Sets of operations that somebody has been given, by number, or everything, and where.
type Owned = BTreeSet<(usize, Ix<ScopeNode>)>;

const ALL: usize = usize::MAX;

/// What one party gives another, or itself, for sure, by the conditions of its grants: every role tried for everybody that the
/// other is.
fn gives(graph: &AccessGraph, giver: Ix<Party>, to: Ix<Party>) -> Owned {
    let assign = "microsoft.authorization/roleassignments/write";
    let operation = crate::model::Operation::control(assign);
    let groups = graph.groups_of(to).into_iter().map(|(group, _)| (group, "Group"));
    let selves: Vec<_> = std::iter::once((to, "ServicePrincipal")).chain(groups).collect();
    let mut found = Owned::new();
    for held in graph.held_by(giver) {
        let grant = &graph.grants()[held.grant];
        let role = &graph.roles()[grant.role];
        let Some(condition) = graph.condition(grant) else { continue };
        if role.compiled.holds(&operation, graph.catalog().operations()) == Access::Denied {
            continue;
        }
        for (who, kind) in &selves {
            let principal = Some(graph.text(graph.parties()[*who].principal));
            let names: Vec<String> = (0..SETS.len()).map(|n| format!("r{n}")).collect();
            let all = names.iter().enumerate().map(|(n, name)| (n, Some(name.as_str()))).chain([(ALL, None)]);
            for (set, role) in all {
                let facts =
                    crate::rbac::Facts { action: assign, role, principal_type: Some(kind), principal };
                if condition.parsed.evaluate(&facts) == crate::rbac::Tri::True {
                    found.insert((set, grant.scope));
                }
            }
        }
    }
    found
}

/// What one party gives another that it cannot give itself: that the other has more by what the giver could have, too, is not
/// looked at.
fn lends(graph: &AccessGraph, giver: Ix<Party>, to: Ix<Party>) -> Owned {
    let mut all = gives(graph, giver, to);
    if all.is_empty() {
        return all;
    }
    let own = gives(graph, giver, giver);
    let operations = |set: usize| -> BTreeSet<String> {
        let all = Techniques::embedded().operations(u128::MAX);
        let given = all.filter(|o| match SETS.get(set) {
            Some(actions) => actions.iter().any(|a| crate::rbac::matches(&ActionPattern::new(a), &o.name)),
            None => true,
        });
        given.map(|o| format!("{:?} {}", o.plane, o.name)).collect()
    };
    all.retain(|(set, scope)| {
        let there = own.iter().filter(|(_, s)| s == scope).flat_map(|(set, _)| operations(*set));
        !operations(*set).is_subset(&there.collect())
    });
    all
}

/// Whom one party can act as in one step, and at which scopes it gives itself any role: each technique, identity and scope
/// tried, with operations asked one by one.
fn steps(
    graph: &AccessGraph,
    party: Ix<Party>,
    owned: &Owned,
) -> (BTreeSet<Ix<Party>>, BTreeSet<Ix<ScopeNode>>) {
    let techniques = Techniques::embedded();
    let scopes: Vec<Ix<ScopeNode>> = graph.scopes().nodes().iter().map(|(at, _)| at).collect();
    let can = |operation: &crate::model::Operation, at: Ix<ScopeNode>| {
        let gives = |set: usize| match SETS.get(set) {
            Some(actions) => {
                operation.plane == crate::model::Plane::Control
                    && actions.iter().any(|a| crate::rbac::matches(&ActionPattern::new(a), &operation.name))
            }
            None => true,
        };
        let given = owned.iter().any(|(set, o)| gives(*set) && graph.scopes().contains(*o, at));
        (given && graph.after_denies(party, Access::Allowed, operation, at).0 == Access::Allowed)
            || graph.can(party, operation, at) == Access::Allowed
    };
    let clause = |c: &crate::rbac::Clause, at: Ix<ScopeNode>| {
        let mut each = techniques.operations(c.operations).map(|o| can(o, at));
        if c.all { each.all(|x| x) } else { each.any(|x| x) }
    };
    let mut become_ = BTreeSet::new();
    let mut authority = BTreeSet::new();
    for (_, t) in techniques.iter().filter(|(_, t)| t.certainty < Certainty::Low) {
        let anywhere = |c: &crate::rbac::Clause| scopes.iter().any(|s| clause(c, *s));
        match t.gain {
            Gain::AnyRole => {
                // Blueprints are assigned to subscriptions, not within them.
                let fits = |s: Ix<ScopeNode>| {
                    let within = graph.scopes().nodes()[s].level > crate::model::Level::Subscription;
                    !(within && t.id == "authz-blueprint")
                };
                let all = |s: Ix<ScopeNode>| t.clauses.iter().all(|c| clause(c, s));
                authority.extend(scopes.iter().filter(|s| fits(**s) && all(**s)))
            }
            Gain::Redefine => {
                // Held, custom, and changeable wherever it is assignable.
                for held in graph.held_by(party) {
                    let grant = &graph.grants()[held.grant];
                    let role = &graph.roles()[grant.role];
                    let all = role.assignable_scopes.iter().all(|s| {
                        let known = graph.estate().strings.find(s);
                        let at = known.and_then(|s| graph.scopes().find(graph.estate(), s));
                        // What nobody has named lies right below the root.
                        let at = at.unwrap_or(graph.scopes().root());
                        t.clauses.iter().all(|c| clause(c, at))
                    });
                    // Whatever the role becomes, the condition of the grant stays.
                    let assign =
                        crate::model::Operation::control("Microsoft.Authorization/roleAssignments/write");
                    let lets = graph.condition(grant).is_none_or(|c| {
                        let selves = graph.groups_of(party).into_iter().map(|(group, _)| (group, "Group"));
                        let mut selves = selves.chain([(party, "ServicePrincipal")]);
                        selves.any(|(who, kind)| {
                            let facts = crate::rbac::Facts {
                                action: &assign.name,
                                role: None,
                                principal_type: Some(kind),
                                principal: Some(graph.text(graph.parties()[who].principal)),
                            };
                            c.parsed.evaluate(&facts) == crate::rbac::Tri::True
                        })
                    });
                    if all && lets {
                        authority.insert(grant.scope);
                    }
                }
            }
            _ => {}
        }
        for (_, identity) in graph.identities().iter() {
            let Some(target) = identity.party else { continue };
            let own = identity.record.is_some().then_some(identity.scope).flatten();
            let works = match t.gain {
                Gain::Identity => own.is_some_and(|at| t.clauses.iter().all(|c| clause(c, at))),
                Gain::Host => identity.hosts.iter().any(|host| {
                    let kind =
                        crate::model::Scope::parse(graph.text(host.id)).and_then(|s| s.resource_type());
                    kind.is_some_and(|k| t.works_on(&k.to_ascii_lowercase()))
                        && host.scope.is_some_and(|at| {
                            let several = t.clauses.len() > 1;
                            t.clauses.iter().all(|c| {
                                if several && c.on == On::Scope { anywhere(c) } else { clause(c, at) }
                            })
                        })
                }),
                Gain::Attach => own.is_some_and(|at| {
                    let (to_it, to_host): (Vec<_>, Vec<_>) = t.clauses.iter().partition(|c| c.on == On::Uami);
                    // All that a host takes at one place: one that is there and fits, or anywhere one may be made.
                    let place = |s: Ix<ScopeNode>| {
                        let node = &graph.scopes().nodes()[s];
                        let kind =
                            crate::model::Scope::parse(graph.text(node.id)).and_then(|s| s.resource_type());
                        node.level < crate::model::Level::Resource
                            || kind.is_some_and(|k| t.works_on(&k.to_ascii_lowercase()))
                    };
                    to_it.iter().all(|c| clause(c, at))
                        && scopes.iter().any(|s| place(*s) && to_host.iter().all(|c| clause(c, *s)))
                }),
                _ => false,
            };
            if works {
                become_.insert(target);
            }
        }
    }
    (become_, authority)
}

/// Everyone and everywhere that somebody gets to, by repeating single steps until nothing new comes.
pub(super) fn naive(graph: &AccessGraph, start: Ix<Party>) -> (BTreeSet<Ix<Party>>, BTreeSet<Ix<ScopeNode>>) {
    let mut parties = BTreeSet::from([start]);
    let mut authority = BTreeSet::new();
    loop {
        let before = (parties.len(), authority.len());
        for party in parties.clone() {
            // What others give it, each by itself: two gifts together are not looked at.
            let others = parties.iter().filter(|other| **other != party);
            let gifts: Owned = others.flat_map(|other| lends(graph, *other, party)).collect();
            let with = gifts.into_iter().map(|gift| Owned::from([gift])).chain([Owned::new()]);
            for mut own in with.collect::<Vec<_>>() {
                // With the roles that it gives itself, it has more steps.
                own.extend(gives(graph, party, party));
                loop {
                    let (become_, more) = steps(graph, party, &own);
                    parties.extend(become_);
                    let more: Owned = more.into_iter().map(|scope| (ALL, scope)).collect();
                    if more.is_subset(&own) {
                        break;
                    }
                    own.extend(more);
                }
                authority.extend(own.iter().filter(|(set, _)| *set == ALL).map(|(_, scope)| *scope));
            }
        }
        if before == (parties.len(), authority.len()) {
            parties.remove(&start);
            return (parties, authority);
        }
    }
}
