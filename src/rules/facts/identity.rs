//! Facts of identities, and how they are worked out.

use super::lens::Lens;
use super::{Fact, Subject, Type, Value};
use crate::graph::{AccessGraph, Identity, IdentityKind};
use crate::model::{Estate, Extent, Ix, Level, LocalSystem, Reason, Source};
use crate::policy::Verdict;
use std::collections::BTreeSet;

/// Authorization systems that are not part of an estate, and so never searched for grants.
const NEVER_READ: &str = "users inside SQL databases, Kusto, Kubernetes";

/// Those, and the ones that were not read whole this time.
pub(super) fn unread(estate: &Estate) -> String {
    // Delegations are for other tenants' principals.
    let own = LocalSystem::ALL.into_iter().filter(|s| *s != LocalSystem::Lighthouse);
    let unread = own.filter(|s| estate.coverage.of(s.source()) != Extent::Complete).map(LocalSystem::title);
    [NEVER_READ].into_iter().chain(unread).collect::<Vec<_>>().join(", ")
}

impl<'g> Lens<'g> {
    pub(super) fn identity_facts(&mut self) {
        let graph: &'g AccessGraph = self.graph;
        let ages = self.oldest_grants();
        let searched = !graph.estate().local_grants.is_empty();
        for (at, identity) in graph.identities().iter() {
            if !self.identity(at).judged {
                continue;
            }
            let mut facts = std::mem::take(match self.identities.get_mut(at.index()) {
                Some(slot) => slot,
                None => continue,
            });
            facts.class_names = facts.classes.iter().map(|c| c.name().to_owned()).collect();
            let name = graph.identity_name(identity);
            self.hosts(identity, &mut facts);
            let own = self.own_environment(identity, name);
            let around = identity.scope.and_then(|s| self.environment_of(s));
            facts.environment = own.or(around).map(str::to_owned);
            facts.conflicts = self.conflicts(identity, name, &facts.host_environments);
            facts.owner = self.owner(identity);
            facts.platform = self.is_platform(identity, name);
            facts.other_grants = if searched { graph.local_grants(identity).len() } else { 0 };
            facts.missing_tags = self.missing_tags(identity);
            let created = identity.created.or_else(|| ages.get(at.index()).copied().flatten());
            facts.age_days = created.map(|c| self.judged_at.days_since(c));
            if identity.kind == IdentityKind::UserAssigned {
                let naming = &self.config.naming;
                facts.naming = Some(naming.judge_identity(
                    name,
                    &self.config.environments,
                    facts.environment.as_deref(),
                ));
            }
            if let Some(slot) = self.identities.get_mut(at.index()) {
                *slot = facts;
            }
        }
        self.sign_ins();
    }

    /// The time of each identity's oldest direct grant.
    fn oldest_grants(&self) -> Vec<Option<crate::model::Instant>> {
        let graph = self.graph;
        let mut oldest = vec![None; graph.identities().len()];
        for (_, grant) in graph.grants().iter() {
            let Some(identity) = graph.parties()[grant.party].identity else { continue };
            let made = graph.record(grant).and_then(|r| r.created_on);
            if let (Some(made), Some(slot)) = (made, oldest.get_mut(identity.index())) {
                *slot = Some(slot.map_or(made, |known: crate::model::Instant| known.min(made)));
            }
        }
        oldest
    }

    fn hosts(&self, identity: &Identity, facts: &mut super::IdentityFacts) {
        let (mut workloads, mut environments, mut groups) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for host in &identity.hosts {
            let scope = host.scope.map(|s| &self.graph.scopes().nodes()[s]);
            let group = scope.and_then(|s| s.resource_group.or(s.subscription));
            match group {
                Some(group) => {
                    groups.insert(group.index());
                    workloads.insert(workload(self.graph.text(self.graph.scopes().nodes()[group].id)));
                }
                None => {
                    workloads.insert(self.graph.text(host.id).to_ascii_lowercase());
                }
            }
            if let Some(environment) = host.scope.and_then(|s| self.environment_of(s)) {
                environments.insert(environment.to_owned());
            }
        }
        facts.workloads = workloads.into_iter().collect();
        facts.host_environments = environments.into_iter().collect();
        facts.host_groups = groups.into_iter().collect();
    }

    fn own_environment(&self, identity: &Identity, name: &str) -> Option<&'g str> {
        let (estate, envs) = (self.graph.estate(), &self.config.environments);
        let tags = envs.of_tags(|key| estate.tags.value(&estate.strings, identity.tags, key));
        let named = (identity.kind == IdentityKind::UserAssigned).then(|| envs.of_name(name)).flatten();
        tags.or(named)
    }

    /// Words that contradict each other: the identity's name, its tags, its place, its hosts.
    fn conflicts(&self, identity: &Identity, name: &str, hosts: &[String]) -> Vec<String> {
        let (estate, envs) = (self.graph.estate(), &self.config.environments);
        let named = (identity.kind == IdentityKind::UserAssigned).then(|| envs.of_name(name)).flatten();
        let tagged = envs.of_tags(|key| estate.tags.value(&estate.strings, identity.tags, key));
        let placed = identity.scope.and_then(|s| self.graph.scopes().nodes()[s].resource_group);
        let placed = placed.and_then(|s| self.environment_of(s));
        let mut said: Vec<(&str, &str)> = Vec::new();
        said.extend(named.map(|e| ("its name", e)));
        said.extend(tagged.map(|e| ("its tag", e)));
        said.extend(placed.map(|e| ("its resource group", e)));
        said.extend(hosts.iter().map(|e| ("a host", e.as_str())));
        let Some((_, first)) = said.first().copied() else { return Vec::new() };
        if said.iter().all(|(_, e)| *e == first) {
            return Vec::new();
        }
        said.iter().map(|(who, e)| format!("{who} says {e}")).collect()
    }

    /// The owner that the identity's tags name, else its hosts', its resource group's, its subscription's.
    fn owner(&self, identity: &Identity) -> Option<String> {
        let estate = self.graph.estate();
        let of = |tags| {
            let named = self.config.owners.tags.iter();
            named
                .filter_map(|key| estate.tags.value(&estate.strings, tags, key))
                .find(|v| !v.trim().is_empty())
        };
        if let Some(owner) = of(identity.tags) {
            return Some(owner.to_owned());
        }
        let mut places: Vec<Ix<crate::graph::ScopeNode>> =
            identity.hosts.iter().filter_map(|h| h.scope).collect();
        let up = |s: Ix<crate::graph::ScopeNode>| self.graph.scopes().up(s);
        places.extend(
            identity
                .scope
                .iter()
                .flat_map(|s| up(*s))
                .filter(|s| self.graph.scopes().nodes()[*s].level >= Level::Subscription),
        );
        places.iter().find_map(|place| self.tags_of(*place).and_then(of).map(str::to_owned))
    }

    fn tags_of(&self, place: Ix<crate::graph::ScopeNode>) -> Option<crate::model::Tags> {
        let estate = self.graph.estate();
        let node = &self.graph.scopes().nodes()[place];
        let find = |rows: &dyn Fn(usize) -> Option<(crate::model::Sym, crate::model::Tags)>, len: usize| {
            // Tables are sorted by folded id.
            let (mut low, mut high) = (0, len);
            while low < high {
                let middle = (low + high) / 2;
                let (id, tags) = rows(middle)?;
                match crate::model::cmp_folded(self.graph.text(id), self.graph.text(node.id)) {
                    std::cmp::Ordering::Equal => return Some(tags),
                    std::cmp::Ordering::Less => low = middle + 1,
                    std::cmp::Ordering::Greater => high = middle,
                }
            }
            None
        };
        match node.level {
            Level::Subscription => {
                find(&|n| estate.subscriptions.get(n).map(|r| (r.id, r.tags)), estate.subscriptions.len())
            }
            Level::ResourceGroup => {
                find(&|n| estate.resource_groups.get(n).map(|r| (r.id, r.tags)), estate.resource_groups.len())
            }
            _ => find(&|n| estate.resources.get(n).map(|r| (r.id, r.tags)), estate.resources.len()),
        }
    }

    fn is_platform(&self, identity: &Identity, name: &str) -> bool {
        let (platform, estate) = (&self.config.platform, self.graph.estate());
        let tagged = platform.tags.iter().any(|(key, value)| {
            estate.tags.value(&estate.strings, identity.tags, key).is_some_and(|v| v == value)
        });
        let home = identity.scope.and_then(|s| self.graph.scopes().nodes()[s].subscription);
        let placed = home.is_some_and(|s| {
            let (id, shown) = (self.graph.text(self.graph.scopes().nodes()[s].id), self.scope_name(s));
            let bare = crate::model::role_key(id);
            platform
                .subscriptions
                .iter()
                .any(|p| crate::policy::glob(p, bare) || crate::policy::glob(p, shown))
        });
        tagged || placed || platform.names.iter().any(|p| crate::policy::glob(p, name))
    }

    fn missing_tags(&self, identity: &Identity) -> Vec<String> {
        let estate = self.graph.estate();
        let required = self.config.required_tags.iter();
        let lacks = |key: &&String| {
            estate.tags.value(&estate.strings, identity.tags, key).is_none_or(|v| v.trim().is_empty())
        };
        required.filter(lacks).cloned().collect()
    }

    fn sign_ins(&mut self) {
        let estate = self.graph.estate();
        let last: std::collections::HashMap<_, _> =
            estate.sign_ins.iter().map(|s| (estate.strings.class(s.principal), s.last)).collect();
        // A single record that could not be read is no reason to know nothing of anybody: logs hold those of people, too.
        let hides = |g: &crate::model::Gap| {
            g.source == Source::SignIns
                && g.reason.can_hide()
                && !matches!(g.reason, Reason::Unparsed | Reason::NotCollected)
        };
        let whole = estate.coverage.of(Source::SignIns) == Extent::Complete && !estate.gaps.iter().any(hides);
        // A log that ended long ago says nothing of the days since.
        let fresh = |w: &crate::model::SignInWindow| self.judged_at.days_since(w.until) <= STALE;
        for (at, identity) in self.graph.identities().iter() {
            let principal = identity.party.map(|p| self.graph.parties()[p].principal);
            if principal.is_none() && identity.client.is_none() {
                continue;
            }
            let seen = [principal, identity.client].into_iter().flatten();
            let seen = seen.filter_map(|s| last.get(&estate.strings.class(s))).max();
            if let Some(facts) = self.identities.get_mut(at.index()) {
                // Without logs that cover a time, a last sign-in is known and nothing after it is; nor is it where some of
                // them are missing.
                facts.quiet_days = estate.sign_in_window.filter(|w| whole && fresh(w)).map(|window| {
                    let since = seen.copied().unwrap_or(window.from);
                    window.until.days_since(since)
                });
                facts.last_sign_in = seen.map(ToString::to_string);
                let ids = [principal, identity.client].into_iter().flatten().map(|s| estate.strings.class(s));
                let refused = estate.refused_tokens.as_ref();
                facts.refused_tokens = refused.map(|all| ids.filter_map(|id| all.get(&id)).sum());
            }
        }
    }
}

/// In days: sign-in logs that end longer before the time that is judged at do not show who sleeps.
const STALE: i64 = 7;

/// What counts as one workload: a resource group, and the group that a cluster keeps its nodes in counts as the
/// cluster's own.
fn workload(group: &str) -> String {
    let folded = group.to_ascii_lowercase();
    let Some((head, name)) = folded.rsplit_once('/') else { return folded };
    // `MC_{group}_{cluster}_{region}` is what AKS calls it.
    match name.strip_prefix("mc_").and_then(|rest| rest.split_once('_')) {
        Some((owner, _)) => format!("{head}/{owner}"),
        None => folded,
    }
}

fn facts<'g>(lens: &'g Lens<'g>, subject: &Subject) -> Option<(&'g Identity, &'g super::IdentityFacts)> {
    let at = subject.identity?;
    Some((&lens.graph.identities()[at], lens.identity(at)))
}

macro_rules! fact {
    ($field:literal, $kind:ident, $meaning:literal, |$lens:ident, $identity:ident, $facts:ident| $value:expr) => {
        Fact {
            root: "identity",
            field: $field,
            kind: Type::$kind,
            meaning: $meaning,
            get: |$lens, subject| match facts($lens, subject) {
                Some(($identity, $facts)) => $value,
                None => Value::Missing,
            },
        }
    };
}

pub(super) fn naming_verdict(naming: &Option<Verdict>) -> Value<'_> {
    match naming {
        Some(Verdict::Fits) => Value::Text("fits"),
        Some(Verdict::Exempt) => Value::Text("exempt"),
        Some(Verdict::Fails { .. }) => Value::Text("fails"),
        None => Value::Text("not-judged"),
    }
}

pub(super) fn naming_why(naming: &Option<Verdict>) -> Value<'_> {
    match naming {
        Some(Verdict::Fails { why, .. }) => Value::Text(why),
        _ => Value::Text(""),
    }
}

pub(super) fn naming_proposal(naming: &Option<Verdict>) -> Value<'_> {
    match naming {
        Some(Verdict::Fails { proposal, .. }) => Value::Text(proposal),
        _ => Value::Text(""),
    }
}

pub(super) const FACTS: &[Fact] = &[
    fact!("name", Text, "its name", |lens, identity, _f| Value::Text(lens.graph.identity_name(identity))),
    fact!("id", Text, "its ARM id, or its host's; its object id where it has none", |lens, identity, _f| {
        let principal = identity.party.map(|p| lens.graph.parties()[p].principal);
        Value::text_or_missing(identity.id.or(principal).map(|s| lens.graph.text(s)))
    }),
    fact!(
        "kind",
        Text,
        "system-assigned, user-assigned, service-principal or unknown",
        |_lens, identity, _f| { Value::Text(identity.kind.name()) }
    ),
    fact!("environment", Text, "its environment; empty if not known", |_lens, _i, f| {
        Value::Text(f.environment.as_deref().unwrap_or(""))
    }),
    fact!(
        "owner",
        Text,
        "who answers for it, by tag of it, its hosts, its resource group or subscription; empty if nobody",
        |_lens, _i, f| { Value::Text(f.owner.as_deref().unwrap_or("")) }
    ),
    fact!("platform", Bool, "whether [identities.platform] names it", |_lens, _i, f| Value::Bool(f.platform)),
    fact!("grants", Int, "grants in force, through groups too, and vault access policies", |lens, _i, f| {
        if lens.read(Source::RoleAssignments) {
            Value::count(f.grants + f.vault_policies)
        } else {
            Value::Missing
        }
    }),
    fact!(
        "other_grants",
        Int,
        "what it holds in other authorization systems, as far as those were read: Cosmos DB's own roles, database servers, application permissions, directory roles",
        |_lens, _i, f| Value::count(f.other_grants)
    ),
    fact!("group_membership_known", Bool, "true; missing if groups were not read", |lens, _i, _f| {
        if lens.read(Source::Groups) { Value::Bool(true) } else { Value::Missing }
    }),
    fact!(
        "classes",
        List,
        "the classes of operations that it holds anywhere: read, data-read, write, data-write, execution, credential, identity, authorization",
        |_lens, _i, f| Value::List(&f.class_names)
    ),
    fact!(
        "privileged",
        Bool,
        "whether it can run code on hosts, get secrets, become others or change access anywhere, or write in a whole subscription",
        |_lens, _i, f| Value::Bool(f.privileged)
    ),
    fact!(
        "hosts",
        Int,
        "resources that it runs on or that need it: identity blocks, kubelets, customer-managed keys",
        |lens, identity, _f| {
            if !identity.hosts.is_empty() || lens.read(Source::Resources) {
                Value::count(identity.hosts.len())
            } else {
                Value::Missing
            }
        }
    ),
    fact!("federated", Int, "its federated credentials", |lens, identity, _f| {
        if !identity.federated.is_empty() || lens.read(Source::FederatedCredentials) {
            Value::count(identity.federated.len())
        } else {
            Value::Missing
        }
    }),
    fact!("workloads", Int, "distinct workloads among its hosts; a resource group is one", |_lens, _i, f| {
        Value::count(f.workloads.len())
    }),
    fact!("workload_names", List, "those workloads", |_lens, _i, f| Value::List(&f.workloads)),
    fact!("host_environments", List, "the environments of its hosts, where known", |_lens, _i, f| {
        Value::List(&f.host_environments)
    }),
    fact!("host_groups", Int, "resource groups that its hosts lie in", |lens, _i, f| {
        if f.host_groups.is_empty() && !lens.read(Source::Resources) {
            Value::Missing
        } else {
            Value::count(f.host_groups.len())
        }
    }),
    fact!(
        "age_days",
        Int,
        "days since it was made, or since its oldest grant if that is all that is known",
        |_lens, _i, f| f.age_days.map_or(Value::Missing, Value::Int)
    ),
    fact!("quiet_days", Int, "days without a sign-in, as far as the logs reach back", |_lens, _i, f| f
        .quiet_days
        .map_or(Value::Missing, Value::Int)),
    fact!("log_days", Int, "days that the sign-in logs cover", |lens, _i, _f| lens
        .log_days
        .map_or(Value::Missing, Value::Int)),
    fact!("last_sign_in", Text, "when it last got a token; `never in the logs` if not", |_lens, _i, f| {
        Value::Text(f.last_sign_in.as_deref().unwrap_or("never in the logs"))
    }),
    fact!(
        "name_verdict",
        Text,
        "what the naming convention says: fits, fails, exempt, not-judged",
        |_lens, _i, f| naming_verdict(&f.naming)
    ),
    fact!("name_why", Text, "which part of the name does not fit", |_lens, _i, f| naming_why(&f.naming)),
    fact!("name_proposal", Text, "a name that fits", |_lens, _i, f| naming_proposal(&f.naming)),
    fact!("environment_conflict", List, "what says which environment, where they differ", |_lens, _i, f| {
        Value::List(&f.conflicts)
    }),
    fact!("missing_tags", List, "required tags that it lacks", |_lens, _i, f| Value::List(&f.missing_tags)),
    fact!(
        "foreign_subscriptions",
        List,
        "other subscriptions than its own where it holds grants, shared services aside",
        |_lens, _i, f| Value::List(&f.foreign_subscriptions)
    ),
    fact!(
        "restricted",
        Bool,
        "whether isolationScope or assignmentRestrictions bound where it can be used",
        |lens, identity, _f| {
            let record = identity.record.and_then(|at| lens.graph.estate().identities.get(at));
            let isolated = record
                .and_then(|r| r.isolation)
                .is_some_and(|s| !lens.graph.text(s).eq_ignore_ascii_case("None"));
            Value::Bool(
                isolated || record.is_some_and(|r| r.restricted_to.as_ref().is_some_and(|l| !l.is_empty())),
            )
        }
    ),
    fact!("policy", Bool, "whether a policy assignment uses it", |_lens, identity, _f| Value::Bool(
        identity.policy.is_some()
    )),
    fact!("naming_configured", Bool, "whether [naming] is configured", |lens, _i, _f| Value::Bool(
        lens.config.naming.configured
    )),
    fact!("naming_mostly_fails", Bool, "whether more than a third of the names fail", |lens, _i, _f| {
        Value::Bool(lens.naming_failures * 3 > lens.naming_judged)
    }),
    fact!(
        "unread_systems",
        Text,
        "authorization systems whose grants were not searched, or not all",
        |lens, _i, _f| { Value::Text(&lens.unread_systems) }
    ),
];
