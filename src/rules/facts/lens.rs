//! Looks at a graph through the user's configuration: works out, once, everything that facts are read from.

use super::federation::credential_facts;
use super::resource::ResourceFacts;
use super::tables::{CredentialFacts, IdentityFacts, PolicyFacts, RoleFacts};
use crate::graph::{AccessGraph, Grant, Held, Identity, IdentityKind, PartyKind, Role, ScopeNode, Uses};
use crate::model::{Extent, FastMap, GrantState, Instant, Ix, Level, Operation, RoleKind, Source, Sym, Tags};
use crate::policy::{Config, Verdict, Waiver};
use crate::rbac::{ASSIGN, Bound, Class};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A grant that an identity holds through groups.
#[derive(Clone, Debug)]
pub(crate) struct GroupGrant {
    pub(crate) identity: Ix<Identity>,
    pub(crate) held: Held,
    pub(crate) groups: Vec<String>,
}

/// What a waiver did in this run.
#[derive(Clone, Debug, Default)]
pub(crate) struct WaiverFacts {
    pub(crate) id: String,
    pub(crate) matches: usize,
    pub(crate) expired: bool,
    pub(crate) rules: Vec<String>,
    pub(crate) expires: String,
}

/// A graph as rules see it.
#[derive(Debug)]
pub(crate) struct Lens<'g> {
    pub(crate) graph: &'g AccessGraph,
    pub(crate) config: &'g Config,
    pub(crate) judged_at: Instant,
    pub(crate) identities: Vec<IdentityFacts>,
    pub(crate) roles: Vec<RoleFacts>,
    pub(crate) credentials: Vec<CredentialFacts>,
    pub(crate) policies: FastMap<usize, PolicyFacts>,
    pub(crate) group_grants: Vec<GroupGrant>,
    /// A direct grant that another of the same party covers, with that other.
    pub(crate) covered: FastMap<Ix<Grant>, Ix<Grant>>,
    pub(crate) applicable: FastMap<(Ix<ScopeNode>, Ix<Role>), usize>,
    pub(crate) scope_environment: Vec<Option<&'g str>>,
    pub(crate) scope_names: HashMap<usize, Sym>,
    pub(crate) authorization: FastMap<Ix<Grant>, (&'static str, Vec<String>)>,
    pub(crate) resources: FastMap<usize, ResourceFacts>,
    pub(crate) waivers: Vec<WaiverFacts>,
    pub(crate) naming_judged: usize,
    pub(crate) naming_failures: usize,
    pub(crate) naming_inferred: String,
    pub(crate) organisations: Vec<String>,
    pub(crate) unread_systems: String,
    pub(crate) log_days: Option<i64>,
    /// What was used of what, where a log was given.
    pub(super) uses: Option<(Uses<'g>, super::usage::UseTable)>,
    /// What identities could become, once a rule asks.
    pub(super) powers: std::sync::OnceLock<super::escalation::PowerTable>,
}

impl<'g> Lens<'g> {
    pub(crate) fn new(graph: &'g AccessGraph, config: &'g Config, judged_at: Instant) -> Lens<'g> {
        let estate = graph.estate();
        let window = estate.sign_in_window;
        let mut lens = Lens {
            graph,
            config,
            judged_at,
            identities: vec![IdentityFacts::default(); graph.identities().len()],
            roles: Vec::new(),
            credentials: Vec::new(),
            policies: FastMap::default(),
            group_grants: Vec::new(),
            covered: FastMap::default(),
            applicable: FastMap::default(),
            scope_environment: Vec::new(),
            scope_names: HashMap::new(),
            authorization: FastMap::default(),
            resources: FastMap::default(),
            waivers: Vec::new(),
            naming_judged: 0,
            naming_failures: 0,
            naming_inferred: String::new(),
            organisations: Vec::new(),
            unread_systems: super::identity::unread(estate),
            log_days: window.map(|w| w.until.days_since(w.from)),
            uses: None,
            powers: std::sync::OnceLock::new(),
        };
        lens.scopes();
        lens.role_facts();
        lens.judge_whom();
        lens.grants();
        lens.redundant();
        lens.use_facts();
        lens.bounds();
        lens.identity_facts();
        lens.use_indexes();
        lens.naming_of_the_estate();
        lens.credentials = estate.federated.iter().map(|c| credential_facts(c, graph, config)).collect();
        let known: BTreeSet<String> =
            lens.credentials.iter().filter_map(|c| c.organisation.clone()).collect();
        lens.organisations = known.into_iter().collect();
        lens.policy_facts();
        lens.resource_facts();
        lens
    }

    pub(crate) fn read(&self, source: Source) -> bool {
        self.graph.estate().coverage.of(source) == Extent::Complete
    }

    pub(crate) fn identity(&self, at: Ix<Identity>) -> &IdentityFacts {
        static NONE: std::sync::OnceLock<IdentityFacts> = std::sync::OnceLock::new();
        self.identities.get(at.index()).unwrap_or_else(|| NONE.get_or_init(IdentityFacts::default))
    }

    /// The name to show for a scope: its display name, or the last segment of its id.
    pub(crate) fn scope_name(&self, at: Ix<ScopeNode>) -> &str {
        let node = &self.graph.scopes().nodes()[at];
        match self.scope_names.get(&at.index()) {
            Some(name) => self.graph.text(*name),
            // The root is called by its id.
            None => match crate::model::role_key(self.graph.text(node.id)) {
                "" => "/",
                name => name,
            },
        }
    }

    fn scopes(&mut self) {
        let (graph, config) = (self.graph, self.config);
        let estate = graph.estate();
        let mut tags: FastMap<usize, Tags> = FastMap::default();
        let mut note = |id: Sym, value: Tags| {
            if let Some(at) = graph.scopes().find(estate, id)
                && value != Tags::default()
            {
                tags.insert(at.index(), value);
            }
        };
        estate.subscriptions.iter().for_each(|s| note(s.id, s.tags));
        estate.resource_groups.iter().for_each(|g| note(g.id, g.tags));
        estate.resources.iter().for_each(|r| note(r.id, r.tags));
        let names = estate.subscriptions.iter().map(|s| (s.id, s.name));
        for (id, name) in names.chain(estate.management_groups.iter().map(|g| (g.id, g.name))) {
            if let Some(at) = graph.scopes().find(estate, id)
                && id != name
            {
                self.scope_names.insert(at.index(), name);
            }
        }
        let mut environments: Vec<Option<&'g str>> = Vec::with_capacity(graph.scopes().nodes().len());
        for (at, node) in graph.scopes().nodes().iter() {
            let id = graph.text(node.id);
            let name = match self.scope_names.get(&at.index()) {
                Some(name) => graph.text(*name),
                None => id.rsplit('/').next().unwrap_or(id),
            };
            let value =
                |key: &str| tags.get(&at.index()).and_then(|t| estate.tags.value(&estate.strings, *t, key));
            let envs = &config.environments;
            let own = envs.of_scope(id, name).or_else(|| envs.of_tags(value)).or_else(|| envs.of_name(name));
            let inherited = match node.parent {
                Some(parent) if !envs.is_neutral_name(name) && node.level > Level::Subscription => {
                    environments.get(parent.index()).copied().flatten()
                }
                _ => None,
            };
            environments.push(own.or(inherited));
        }
        self.scope_environment = environments;
    }

    pub(crate) fn environment_of(&self, at: Ix<ScopeNode>) -> Option<&'g str> {
        self.scope_environment.get(at.index()).copied().flatten()
    }

    fn role_facts(&mut self) {
        let graph = self.graph;
        let operations = graph.catalog().operations();
        let mut assigned = vec![false; graph.roles().len()];
        for (_, grant) in graph.grants().iter() {
            if let Some(slot) = assigned.get_mut(grant.role.index()) {
                *slot = true;
            }
        }
        let policies = graph.estate().policy_definitions.iter().flat_map(|p| &p.roles);
        let in_policy: BTreeSet<String> =
            policies.map(|r| crate::model::role_key(graph.text(*r)).to_ascii_lowercase()).collect();
        let authorization = [
            ASSIGN,
            "microsoft.authorization/roledefinitions/write",
            "microsoft.authorization/elevateaccess/action",
            "microsoft.authorization/denyassignments/write",
            "microsoft.authorization/denyassignments/delete",
        ];
        for (at, role) in graph.roles().iter() {
            let free = role.compiled.blocks.iter().filter(|b| b.condition.is_none());
            let named = |name: &str| {
                let operation = Operation::control(name);
                free.clone().any(|b| b.holds(&operation, operations))
            };
            let mut escalations: Vec<String> =
                authorization.iter().filter(|n| named(n)).map(|n| (*n).to_owned()).collect();
            let direct = !escalations.is_empty();
            let techniques = [Class::Identity, Class::Execution, Class::Credential];
            escalations.extend(
                techniques.iter().filter(|c| role.profile.classes.contains(c)).map(|c| c.name().to_owned()),
            );
            let mut wildcards: Vec<String> = free
                .clone()
                .flat_map(|b| b.permission.actions.iter().chain(&b.permission.data_actions))
                .map(|p| p.text())
                .filter(|p| p.starts_with('*') && *p != "*/read")
                .map(str::to_owned)
                .collect();
            wildcards.sort_unstable();
            wildcards.dedup();
            let levels =
                role.assignable_scopes.iter().filter_map(|s| crate::model::Scope::parse(s)).map(|s| s.level);
            let naming = self.config.naming.role.as_ref().filter(|_| role.kind == RoleKind::Custom);
            self.roles.push(RoleFacts {
                classes: role.profile.classes.iter().map(|c| c.name().to_owned()).collect(),
                wildcards,
                escalations,
                authorization_escalation: direct,
                assignable_level: levels.min().map_or("", Level::name),
                assigned: assigned.get(at.index()) == Some(&true),
                in_policy: in_policy.contains(&role.key),
                keeps_authorization: named(ASSIGN),
                naming: naming
                    .map(|t| self.config.naming.judge(t, &role.name, &self.config.environments, None)),
            });
        }
    }

    fn judge_whom(&mut self) {
        for (at, identity) in self.graph.identities().iter() {
            let kind = identity.party.map(|p| self.graph.parties()[p].kind);
            let gone = identity.party.is_some_and(|p| self.graph.parties()[p].exists == Some(false));
            let managed = matches!(identity.kind, IdentityKind::SystemAssigned | IdentityKind::UserAssigned);
            let uncertain = identity.kind == IdentityKind::Unknown && kind == Some(PartyKind::Unknown);
            let application = identity.kind == IdentityKind::ServicePrincipal && self.config.workloads;
            if let Some(facts) = self.identities.get_mut(at.index()) {
                facts.judged = managed || (uncertain && !gone) || application;
                facts.uncertain = uncertain;
            }
        }
    }

    /// What each identity holds, directly and through groups.
    fn grants(&mut self) {
        let graph = self.graph;
        let mut held: Vec<(Ix<Identity>, Ix<Grant>)> = graph
            .grants()
            .iter()
            .filter_map(|(at, grant)| Some((graph.parties()[grant.party].identity?, at)))
            .collect();
        if !graph.estate().groups.is_empty() {
            for (at, identity) in graph.identities().iter() {
                let Some(party) = identity.party else { continue };
                for way in graph.held_by(party).into_iter().filter(|h| !h.via.is_empty()) {
                    held.push((at, way.grant));
                    let groups = way.via.iter().map(|g| graph.party_name(*g).to_owned()).collect();
                    if let Some(facts) = self.identities.get_mut(at.index()) {
                        facts.group_grants += 1;
                    }
                    self.group_grants.push(GroupGrant { identity: at, held: way, groups });
                }
            }
        }
        let mut foreign: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (identity, at) in held {
            let grant = &graph.grants()[at];
            if grant.state == GrantState::Eligible {
                continue;
            }
            let node = &graph.scopes().nodes()[grant.scope];
            let role = &graph.roles()[grant.role];
            let home =
                graph.identities()[identity].scope.and_then(|s| graph.scopes().nodes()[s].subscription);
            let Some(facts) = self.identities.get_mut(identity.index()) else { continue };
            facts.grants += 1;
            facts.classes.extend(&role.profile.classes);
            let wide = node.level <= Level::Subscription;
            facts.privileged |=
                role.profile.classes.iter().any(|c| *c >= Class::Execution || (*c >= Class::Write && wide));
            if let (Some(home), Some(there)) = (home, node.subscription)
                && home != there
                // Which subscription a symbol stands for is not known: it may be the same.
                && ![home, there].iter().any(|at| graph.text(graph.scopes().nodes()[*at].id).contains("${"))
                && !is_shared_service(graph.text(node.id), &role.key)
            {
                foreign.entry(identity.index()).or_default().insert(there.index());
            }
        }
        for (identity, there) in foreign {
            let names: Vec<String> = there.iter().map(|s| self.scope_name(Ix::new(*s)).to_owned()).collect();
            if let Some(facts) = self.identities.get_mut(identity) {
                facts.foreign_subscriptions = names;
            }
        }
        for vault in graph.estate().vaults.iter().filter(|v| !v.uses_roles) {
            for policy in &vault.policies {
                let identity = graph.party_of(policy.principal).and_then(|p| graph.parties()[p].identity);
                if let Some(facts) = identity.and_then(|i| self.identities.get_mut(i.index())) {
                    facts.vault_policies += 1;
                    if policy
                        .permissions
                        .iter()
                        .any(|p| matches!(graph.text(*p), "secrets/get" | "secrets/all" | "secrets/backup"))
                    {
                        facts.classes.insert(Class::Credential);
                        facts.privileged = true;
                    }
                }
            }
        }
    }

    /// Direct grants in force, without condition, that another such grant of the same party covers.
    fn redundant(&mut self) {
        let graph = self.graph;
        let mut by_party: Vec<(usize, Ix<Grant>)> = graph
            .grants()
            .iter()
            .filter(|(_, g)| {
                g.condition.is_none() && g.state == GrantState::Active && graph.roles()[g.role].defined
            })
            .filter(|(_, g)| graph.parties()[g.party].identity.is_some_and(|i| self.identity(i).judged))
            .map(|(at, g)| (g.party.index(), at))
            .collect();
        by_party.sort_unstable();
        let mut covers: FastMap<(Ix<Role>, Ix<Role>), bool> = FastMap::default();
        let mut role_covers = |wide: Ix<Role>, narrow: Ix<Role>| {
            *covers.entry((wide, narrow)).or_insert_with(|| {
                let (w, n) = (&graph.roles()[wide].compiled, &graph.roles()[narrow].compiled);
                wide == narrow || (w.sure.covers(&n.most) && n.unknown.iter().all(|p| w.unknown.contains(p)))
            })
        };
        for of_one in by_party.chunk_by(|a, b| a.0 == b.0) {
            // A party with thousands of grants has other problems; comparing all pairs would be one more.
            if of_one.len() < 2 || of_one.len() > 512 {
                continue;
            }
            for (_, narrow) in of_one {
                let inner = &graph.grants()[*narrow];
                let found = of_one.iter().find(|(_, wide)| {
                    let outer = &graph.grants()[*wide];
                    let mut covers = |a: &Grant, b: &Grant| {
                        graph.scopes().contains(a.scope, b.scope) && role_covers(a.role, b.role)
                    };
                    // Of two that cover each other, the later one is the spare.
                    wide != narrow && covers(outer, inner) && (wide < narrow || !covers(inner, outer))
                });
                if let Some((_, wide)) = found {
                    self.covered.insert(*narrow, *wide);
                }
            }
        }
    }

    /// How far each grant that can assign roles goes.
    fn bounds(&mut self) {
        for (at, grant) in self.graph.grants().iter() {
            let word = match self.graph.bound(grant) {
                Bound::None => continue,
                Bound::Unbounded => ("unbounded", Vec::new()),
                Bound::Harmless => ("bounded", Vec::new()),
                Bound::Unknown => ("unknown", Vec::new()),
                Bound::Escapable(roles) => {
                    let names = roles.iter().map(|key| match self.graph.roles().of_key(key) {
                        Some(role) => self.graph.roles()[role].name.clone(),
                        None => self.graph.catalog().role_name(key).unwrap_or(key).to_owned(),
                    });
                    ("escapable", names.collect())
                }
            };
            self.authorization.insert(at, word);
        }
    }

    fn policy_facts(&mut self) {
        let graph = self.graph;
        let estate = graph.estate();
        for (_, identity) in graph.identities().iter() {
            let (Some(policy), Some(party)) = (identity.policy, identity.party) else { continue };
            let mut facts = PolicyFacts::default();
            let mut keys = BTreeSet::new();
            for way in graph.held_by(party) {
                let grant = &graph.grants()[way.grant];
                let role = &graph.roles()[grant.role];
                facts.privileged |= role.profile.harmful();
                keys.insert(role.key.clone());
            }
            let Some(record) = estate.policy_assignments.get(policy) else { continue };
            let asked = record.definition.and_then(|d| self.asked_by(d, 0));
            facts.known = asked.is_some();
            let asked = asked.unwrap_or_default();
            let name = |key: &String| {
                graph.roles().of_key(key).map_or(key.clone(), |r| graph.roles()[r].name.clone())
            };
            facts.held = keys.iter().map(name).collect();
            facts.excess = keys.difference(&asked).map(name).collect();
            facts.asked = asked.iter().map(name).collect();
            self.policies.insert(policy, facts);
        }
    }

    /// The roles that a definition, or the definitions of a set, ask for; `None` if one of them was not read.
    fn asked_by(&self, definition: Sym, depth: usize) -> Option<BTreeSet<String>> {
        let estate = self.graph.estate();
        let record = estate.policy_definitions.iter().find(|d| estate.strings.same(d.id, definition))?;
        let mut roles: BTreeSet<String> = record
            .roles
            .iter()
            .map(|r| crate::model::role_key(self.graph.text(*r)).to_ascii_lowercase())
            .collect();
        for member in &record.members {
            if depth < 2 {
                roles.extend(self.asked_by(*member, depth + 1)?);
            }
        }
        Some(roles)
    }

    /// Notes what the waivers did, for the rules about waivers.
    pub(crate) fn note_waivers(&mut self, waivers: &[Waiver], matches: &[usize], decided_at: Instant) {
        let facts = waivers.iter().zip(matches).map(|(waiver, matches)| WaiverFacts {
            id: waiver.id.clone(),
            matches: *matches,
            expired: waiver.expires <= decided_at,
            rules: waiver.rules.iter().map(|(slug, _)| slug.clone()).collect(),
            expires: waiver.expires.date(),
        });
        self.waivers = facts.collect();
    }

    fn naming_of_the_estate(&mut self) {
        let verdicts = self.identities.iter().filter_map(|i| i.naming.as_ref());
        let judged: Vec<&Verdict> = verdicts.filter(|v| **v != Verdict::Exempt).collect();
        self.naming_judged = judged.len();
        self.naming_failures = judged.iter().filter(|v| matches!(v, Verdict::Fails { .. })).count();
        // The prefix that most names share, as a template to start from.
        let mut prefixes: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, identity) in
            self.graph.identities().iter().filter(|(_, i)| i.kind == IdentityKind::UserAssigned)
        {
            let name = self.graph.identity_name(identity);
            *prefixes.entry(name.split(['-', '_']).next().unwrap_or(name)).or_default() += 1;
        }
        let best = prefixes.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(a.0)));
        let (prefix, count) = best.unwrap_or(("id", 0));
        self.naming_inferred = if count * 2 > self.naming_judged && prefix.len() <= 8 {
            format!("{prefix}-{{workload}}-{{env}}")
        } else {
            "{workload}-{env}".to_owned()
        };
    }
}

/// Services that a hub offers to everybody: pulling images, private names, logs.
fn is_shared_service(scope: &str, role: &str) -> bool {
    const ROLES: [&str; 5] = [
        "7f951dda-4ed3-4680-a7ca-43fe172d538d", // AcrPull
        "b12aa53e-6015-4669-85d0-8515ebb3ae7f", // Private DNS Zone Contributor
        "92aaf0da-9dab-42b6-94a3-d43ce8d16293", // Log Analytics Contributor
        "73c42c96-874c-492b-b04d-ab87d138a893", // Log Analytics Reader
        "3913510d-42f4-4e42-8a64-420c390055eb", // Monitoring Metrics Publisher
    ];
    let folded = scope.to_ascii_lowercase();
    let types = [
        "/microsoft.containerregistry/registries/",
        "/microsoft.network/privatednszones/",
        "/microsoft.operationalinsights/workspaces/",
    ];
    ROLES.contains(&role)
        || types.iter().any(|t| folded.contains(t))
        || (folded.contains("/microsoft.keyvault/vaults/") && folded.contains("shared"))
}
