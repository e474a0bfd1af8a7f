//! Everything that was read, in one value: tables of records over one table of texts, with what is missing.
//!
//! `settle` makes it canonical: sorted by folded id and free of repeats, so that the same records in any order
//! give the same estate. Not here: joins between records, which are `graph`'s.

use super::coverage::{Coverage, Source};
use super::gap::{Gap, Location, Reason, tidy};
use super::instant::Instant;
use super::local::{LocalGrant, LocalSystem};
use super::records::*;
use super::role::RoleDefinition;
use super::strings::{Id, Strings, Sym};
use super::tags::TagTable;

/// The span that the sign-in logs cover.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignInWindow {
    /// Its start.
    pub from: Instant,
    /// Its end.
    pub until: Instant,
}

/// How often a principal did something somewhere, as far as logs show.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Usage {
    /// The object id or application id.
    pub principal: Sym,
    /// The operation, lower-case.
    pub operation: Sym,
    /// Whether it is one of the data plane.
    pub data: bool,
    /// The resource.
    pub scope: Sym,
    /// The first time that it was done or tried.
    pub first: Instant,
    /// The last time.
    pub last: Instant,
    /// How often it was done.
    pub done: u64,
    /// How often it was refused for want of a right.
    pub denied: u64,
    /// How often it failed otherwise.
    pub failed: u64,
}

/// What logs of use say, and over which span.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageLog {
    /// Sorted by principal, operation and scope.
    pub rows: Vec<Usage>,
    /// When the first record was made.
    pub from: Instant,
    /// And the last.
    pub until: Instant,
}

/// Where something is declared in infrastructure code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Declaration {
    /// Its address there: what it is known by.
    pub address: String,
    /// The same without positions, which change when something is put before it: what it is known by from run to run.
    pub stable: String,
    /// Where it stands.
    pub location: Option<Location>,
    /// Whether the change leaves it as it was.
    pub kept: bool,
    /// What is wrong with how it is written, whatever it says.
    pub remarks: Vec<String>,
    /// Digits of what it says, where two may have one id.
    pub says: String,
}

/// An Azure tenant, or the part of it that was read.
#[derive(Clone, Debug, Default)]
pub struct Estate {
    /// All texts.
    pub strings: Strings,
    /// All sets of tags.
    pub tags: TagTable,
    /// The tenant's id, where known.
    pub tenant: Option<Sym>,
    /// The cloud, `public` where not said.
    pub cloud: Option<Sym>,
    /// Which part of the tenant was asked for, in words, where it was not all of it.
    pub part: Option<Sym>,
    /// Whether a generator made it up.
    pub simulated: bool,
    /// The digest of the snapshot that it was read from.
    pub digest: Option<String>,
    /// When it was read, where known.
    pub collected_at: Option<Instant>,
    /// Management groups.
    pub management_groups: Vec<ManagementGroup>,
    /// Subscriptions.
    pub subscriptions: Vec<Subscription>,
    /// Resource groups.
    pub resource_groups: Vec<ResourceGroup>,
    /// Resources.
    pub resources: Vec<Resource>,
    /// User-assigned identities.
    pub identities: Vec<UserAssignedIdentity>,
    /// Federated credentials.
    pub federated: Vec<FederatedCredential>,
    /// Role assignments.
    pub assignments: Vec<Assignment>,
    /// Schedule instances: eligible, and active ones with their ends.
    pub schedules: Vec<Assignment>,
    /// Role definitions that came; built-in ones that did not are in the catalogue.
    pub roles: Vec<RoleDefinition>,
    /// Deny assignments.
    pub denies: Vec<DenyAssignment>,
    /// Service principals and other objects of the directory.
    pub principals: Vec<Principal>,
    /// Groups.
    pub groups: Vec<Group>,
    /// Last sign-ins.
    pub sign_ins: Vec<SignIn>,
    /// What the sign-in logs cover.
    pub sign_in_window: Option<SignInWindow>,
    /// How often somebody asked for a token and was given none, by the class of the id, where sign-in logs were given.
    pub refused_tokens: Option<super::FastMap<Sym, u64>>,
    /// What was done, as far as logs were given.
    pub usage: Option<UsageLog>,
    /// Key vaults.
    pub vaults: Vec<Vault>,
    /// Policy assignments.
    pub policy_assignments: Vec<PolicyAssignment>,
    /// Policy definitions.
    pub policy_definitions: Vec<PolicyDefinition>,
    /// Associated resources.
    pub associations: Vec<Association>,
    /// Grants of other authorization systems.
    pub local_grants: Vec<LocalGrant>,
    /// Where records are declared, by folded id, where they come from infrastructure code.
    pub declarations: super::FastMap<String, Declaration>,
    /// What was read.
    pub coverage: Coverage,
    /// What is missing.
    pub gaps: Vec<Gap>,
}

impl Estate {
    /// Sorts every table, drops repeats, and notes those that disagree.
    pub fn settle(&mut self) {
        let s = (&self.strings, &self.tags);
        let mut gaps = std::mem::take(&mut self.gaps);
        let whole = |sym: &Sym| Id { dir: *sym, name: *sym };
        let g = &mut gaps;
        settle(s, g, Source::ManagementGroups, &mut self.management_groups, |r| whole(&r.id), |_| None);
        settle(s, g, Source::Subscriptions, &mut self.subscriptions, |r| whole(&r.id), |_| None);
        settle(s, g, Source::ResourceGroups, &mut self.resource_groups, |r| whole(&r.id), |_| None);
        settle(s, g, Source::Resources, &mut self.resources, |r| whole(&r.id), |_| None);
        settle(s, g, Source::Identities, &mut self.identities, |r| whole(&r.id), |_| None);
        settle(s, g, Source::FederatedCredentials, &mut self.federated, |r| r.id, |_| None);
        settle(s, g, Source::RoleAssignments, &mut self.assignments, |r| r.id, |r| r.updated_on);
        settle(s, g, Source::Schedules, &mut self.schedules, |r| r.id, |r| r.updated_on);
        settle(s, g, Source::RoleDefinitions, &mut self.roles, |r| r.id, |r| r.updated_on);
        settle(s, g, Source::DenyAssignments, &mut self.denies, |r| r.id, |_| None);
        settle(s, g, Source::Principals, &mut self.principals, |r| whole(&r.id), |_| None);
        settle(s, g, Source::Groups, &mut self.groups, |r| whole(&r.id), |_| None);
        settle(s, g, Source::SignIns, &mut self.sign_ins, |r| whole(&r.principal), |r| Some(r.last));
        settle(s, g, Source::Vaults, &mut self.vaults, |r| whole(&r.id), |_| None);
        settle(s, g, Source::PolicyAssignments, &mut self.policy_assignments, |r| whole(&r.id), |_| None);
        settle(s, g, Source::PolicyDefinitions, &mut self.policy_definitions, |r| whole(&r.id), |_| None);
        settle(s, g, Source::AssociatedResources, &mut self.associations, |r| whole(&r.identity), |_| None);
        // Each system says itself what disagrees.
        let mut local = std::mem::take(&mut self.local_grants);
        for system in LocalSystem::ALL {
            let (mut own, others) = local.into_iter().partition::<Vec<_>, _>(|l| l.system == system);
            settle(s, g, system.source(), &mut own, |r| r.id, |_| None);
            self.local_grants.append(&mut own);
            local = others;
        }
        self.gaps = tidy(gaps);
    }

    /// How many records of a kind there are.
    pub fn count(&self, source: Source) -> usize {
        let local = |system| self.local_grants.iter().filter(|l| l.system == system).count();
        match source {
            Source::ManagementGroups => self.management_groups.len(),
            Source::Subscriptions => self.subscriptions.len(),
            Source::ResourceGroups => self.resource_groups.len(),
            Source::Resources => self.resources.len(),
            Source::Identities => self.identities.len(),
            Source::FederatedCredentials => self.federated.len(),
            Source::RoleAssignments => self.assignments.len(),
            Source::RoleDefinitions => self.roles.len(),
            Source::DenyAssignments => self.denies.len(),
            Source::Schedules => self.schedules.len(),
            Source::Principals => self.principals.len(),
            Source::Groups => self.groups.len(),
            Source::SignIns => self.sign_ins.len(),
            Source::Vaults => self.vaults.len(),
            Source::PolicyAssignments => self.policy_assignments.len(),
            Source::PolicyDefinitions => self.policy_definitions.len(),
            Source::AssociatedResources => self.associations.len(),
            Source::CosmosRoleAssignments => local(LocalSystem::CosmosDb),
            Source::DatabaseAdministrators => local(LocalSystem::DatabaseServer),
            Source::AppRoleAssignments => local(LocalSystem::AppRole),
            Source::DirectoryRoles => local(LocalSystem::Directory),
            Source::Delegations => local(LocalSystem::Lighthouse),
            Source::Files | Source::Other => 0,
        }
    }

    /// How many subscriptions the estate knows of: those listed, or else those that ids name.
    pub fn subscription_count(&self) -> usize {
        if !self.subscriptions.is_empty() {
            return self.subscriptions.len();
        }
        let named = |sym: Sym| super::Scope::parse(self.strings.text(sym)).and_then(|s| s.subscription);
        let scopes = self.assignments.iter().map(|a| a.scope);
        let ids =
            scopes.chain(self.resources.iter().map(|r| r.id)).chain(self.identities.iter().map(|i| i.id));
        let mut seen: Vec<String> = ids.filter_map(named).map(str::to_ascii_lowercase).collect();
        seen.sort_unstable();
        seen.dedup();
        seen.len()
    }
}

/// Everything of a record but the spelling of its id, as text: what decides whether two records are equal.
/// Texts are compared folded, since Azure spells ids as it likes.
pub(crate) trait Canonical {
    /// The comparable text.
    fn canonical(&self, strings: &Strings, tags: &TagTable) -> String;
}

fn settle<T: Canonical>(
    (strings, tags): (&Strings, &TagTable),
    gaps: &mut Vec<Gap>,
    source: Source,
    rows: &mut Vec<T>,
    id: impl Fn(&T) -> Id,
    updated: impl Fn(&T) -> Option<Instant>,
) {
    let ids: Vec<Id> = rows.iter().map(&id).collect();
    if strings.are_ordered(&ids) {
        return;
    }
    let mut order = strings.order_ids(&ids);
    let same = |a: u32, b: u32| match (ids.get(a as usize), ids.get(b as usize)) {
        (Some(a), Some(b)) => strings.id_class(*a) == strings.id_class(*b),
        _ => false,
    };
    // Whether a record wins over another of the same id, and what is to be said of that.
    let shown = |row: &T| show(strings, id(row));
    let better = |row: &T, other: &T| {
        let (ours, theirs) = (row.canonical(strings, tags), other.canonical(strings, tags));
        if ours.eq_ignore_ascii_case(&theirs) {
            // Equal after folding: keep the spelling that sorts first, whatever came first.
            return ((shown(row), &ours) < (shown(other), &theirs), None);
        }
        let name = std::cmp::min(shown(row), shown(other));
        let mut times = [updated(row), updated(other)];
        times.sort_unstable();
        let detail = match times {
            [Some(one), Some(two)] if one != two => {
                format!("two records of `{name}` differ, of {one} and of {two}; the later one is used")
            }
            [None, Some(two)] => {
                format!("two records of `{name}` differ, one of no time and one of {two}, which is used")
            }
            _ => format!(
                "two records of `{name}` differ and neither is later; the one that sorts last is used"
            ),
        };
        let gap = Gap::new(source, name, Reason::Disagreement, detail);
        ((updated(row), &ours) > (updated(other), &theirs), Some(gap))
    };
    let mut dropped: Vec<u32> = Vec::new();
    order = order
        .chunk_by(|a, b| same(*a, *b))
        .filter_map(|alike| {
            if let [only] = alike {
                return Some(*only);
            }
            // What is said of them does not hang on the order in which they came.
            let mut alike = alike.to_vec();
            alike.sort_by_cached_key(|n| {
                rows.get(*n as usize).map(|row| (updated(row), row.canonical(strings, tags), shown(row)))
            });
            let (first, others) = alike.split_first()?;
            let mut best = *first;
            for n in others {
                let (Some(row), Some(other)) = (rows.get(*n as usize), rows.get(best as usize)) else {
                    continue;
                };
                let (wins, gap) = better(row, other);
                gaps.extend(gap);
                dropped.push(if wins { std::mem::replace(&mut best, *n) } else { *n });
            }
            Some(best)
        })
        .collect();
    let kept = order.len();
    order.append(&mut dropped);
    rearrange(rows, &mut order);
    rows.truncate(kept);
}

/// Puts at each position the row that stands where `order` says, in place: `order` names every position once.
fn rearrange<T>(rows: &mut [T], order: &mut [u32]) {
    for start in 0..order.len() {
        let mut at = start;
        while let Some(slot) = order.get_mut(at) {
            let from = std::mem::replace(slot, u32::try_from(at).unwrap_or(u32::MAX)) as usize;
            if from == start || from == at || from >= rows.len() {
                break;
            }
            rows.swap(at, from);
            at = from;
        }
    }
}

fn show(strings: &Strings, id: Id) -> String {
    if id.dir == id.name { strings.text(id.dir).to_owned() } else { strings.show_id(id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_rearranged_as_a_new_list_would_be() {
        // Every order of six things.
        let mut orders: Vec<Vec<u32>> = vec![Vec::new()];
        for n in 0..6u32 {
            let insert = |order: Vec<u32>| {
                (0..=order.len()).map(move |at| {
                    let mut longer = order.clone();
                    longer.insert(at, n);
                    longer
                })
            };
            orders = orders.into_iter().flat_map(insert).collect();
        }
        assert_eq!(orders.len(), 720);
        for order in orders {
            let mut rows = ["a", "b", "c", "d", "e", "f"];
            let expected: Vec<&str> = order.iter().map(|n| rows[*n as usize]).collect();
            rearrange(&mut rows, &mut order.clone());
            assert_eq!(rows.to_vec(), expected, "{order:?}");
        }
    }
}
