//! Pages become an estate: records are lowered as they come, repeats are dropped, and what each list was asked for is
//! held against what came. Not here: asking (`collect`).

use super::client::is_guid;
use super::listing::{self, Listing, Shape, is_plain};
use super::page::cut;
use super::scheduler::Refusal;
use crate::model::{
    Association, Coverage, Estate, Extent, Gap, Instant, Reason, Scope, SignIn, Source, Sym, tidy,
};
use crate::sources::arm::{Became, Lowering};
use crate::sources::scan::Position;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A subscription as planning sees it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Planned {
    pub(super) id: String,
    pub(super) tenant: Option<String>,
}

/// How one kind of data came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tracked {
    /// Lists that were asked for.
    pub lists: usize,
    /// Lists that were given up, or came cut.
    pub failed: usize,
    /// Pages.
    pub pages: usize,
    /// Items in them, repeats included.
    pub items: usize,
}

#[derive(Default)]
pub(super) struct Gather {
    pub(super) lowering: Lowering,
    pub(super) planned: BTreeSet<Planned>,
    pub(super) tracked: BTreeMap<Source, Tracked>,
    pub(super) counted: BTreeMap<String, u64>,
    /// Subscriptions in which custom roles of their own can be assigned, by folded id.
    pub(super) role_homes: BTreeSet<String>,
    planned_roles: Vec<Vec<u8>>,
    /// Subscriptions as they were at the end, by folded id.
    pub(super) seen_again: BTreeSet<String>,
    gaps: Vec<Gap>,
    /// What uses an identity, of those of which this was asked.
    associated: BTreeMap<String, BTreeSet<String>>,
    /// How many of the identities were followed up, and which.
    followed: usize,
    met: HashSet<Sym>,
    /// How many rows of a query came, and how many there are by its own word.
    rows: HashMap<String, (u64, u64)>,
    /// Records that several scopes list, by digest.
    inherited: HashSet<[u8; 16]>,
    roles: HashMap<String, [u8; 16]>,
}

fn digest(bytes: &[u8]) -> [u8; 16] {
    let mut first = [0; 16];
    for (to, from) in first.iter_mut().zip(Sha256::digest(bytes)) {
        *to = from;
    }
    first
}

#[derive(Deserialize)]
struct PlanRow {
    #[serde(rename = "subscriptionId")]
    subscription_id: Option<String>,
    #[serde(rename = "tenantId")]
    tenant_id: Option<String>,
    state: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignInRow {
    app_id: Option<String>,
    last_sign_in_activity: Option<LastActivity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LastActivity {
    last_sign_in_date_time: Option<String>,
}

#[derive(Deserialize)]
struct CountRow {
    #[serde(rename = "subscriptionId")]
    subscription_id: String,
    count_: u64,
}

#[derive(Deserialize)]
struct RoleRow<'a> {
    id: String,
    #[serde(borrow)]
    properties: Option<&'a RawValue>,
}

impl Gather {
    pub(super) fn asked(&mut self, listing: &Listing) {
        for source in listing.sources {
            self.tracked.entry(*source).or_default().lists += 1;
        }
    }

    /// Identities that nothing which was read uses: no resource, no property of one, no credential from outside.
    pub(super) fn unused(&self) -> Vec<String> {
        let estate = &self.lowering.estate;
        let class = |sym| estate.strings.class(sym);
        let mut used: HashSet<Sym> = estate.federated.iter().map(|f| class(f.identity)).collect();
        for resource in &estate.resources {
            used.extend(resource.mentions.iter().map(|m| class(*m)));
            used.extend(resource.identity.iter().flat_map(|b| &b.user).map(|u| class(u.id)));
        }
        let policies = estate.policy_assignments.iter().filter_map(|p| p.identity.as_ref());
        used.extend(policies.flat_map(|b| &b.user).map(|u| class(u.id)));
        let left = estate.identities.iter().filter(|i| used.insert(class(i.id)));
        let left = left.map(|i| estate.strings.text(i.id)).filter(|id| is_plain(id));
        let mut left: Vec<String> = left.map(str::to_owned).collect();
        left.sort_by_key(|id| id.to_ascii_lowercase());
        left
    }

    /// Takes a page in.
    pub(super) fn page(&mut self, listing: &Listing, body: &[u8]) {
        let page = cut(body, &mut |element| self.element(listing, element));
        if listing.shape == Shape::Associated {
            // That nothing uses it is an answer, too.
            self.associated.entry(listing.scope.clone()).or_default();
        }
        for source in listing.sources {
            let tracked = self.tracked.entry(*source).or_default();
            tracked.pages += 1;
            tracked.items += page.elements;
        }
        if let Some(total) = page.total {
            let rows = self.rows.entry(listing.key.clone()).or_default();
            rows.0 += page.elements as u64;
            rows.1 = rows.1.max(total);
            let (came, there) = *rows;
            if page.next.is_none() && !page.cut && page.broken.is_none() && came < there {
                let detail = format!("Resource Graph counts {there} rows, and {came} came");
                self.incomplete(listing, Reason::Truncated, &detail, None);
            }
        }
        if page.cut {
            self.incomplete(listing, Reason::Truncated, "Resource Graph left rows out", None);
        }
        if let Some(why) = page.broken {
            self.incomplete(listing, Reason::Truncated, why, None);
        }
    }

    pub(super) fn failed(&mut self, listing: &Listing, refusal: &Refusal, remedy: &str) {
        let remedy = (refusal.reason == Reason::Forbidden).then_some(remedy);
        // Not every tenant has the licence for the report, so that it is never counted on.
        let optional = listing.shape == Shape::SignIns;
        let reason = if optional { Reason::NotCollected } else { refusal.reason };
        self.incomplete(listing, reason, &refusal.detail, remedy);
    }

    fn incomplete(&mut self, listing: &Listing, reason: Reason, detail: &str, remedy: Option<&str>) {
        let name = listing.key.split(' ').next().unwrap_or_default();
        if listing.shape == Shape::Counts {
            // Without counts the lists still stand; they are held against nothing.
            let detail = format!("the lists could not be held against Resource Graph's counts: {detail}");
            return self.gaps.push(Gap::new(Source::RoleAssignments, "", Reason::Disagreement, detail));
        }
        for source in listing.sources.iter().chain(listing.leads_to) {
            let gap = Gap::new(*source, listing.scope.clone(), reason, format!("{name}: {detail}"));
            self.short_of(Gap { grant: remedy.map(str::to_owned), ..gap });
        }
    }

    /// A gap that leaves its kind of data incomplete.
    pub(super) fn short_of(&mut self, gap: Gap) {
        self.tracked.entry(gap.source).or_default().failed += 1;
        self.gaps.push(gap);
    }

    /// The next list that an item has behind it: the credentials of an identity.
    pub(super) fn next_behind(&mut self) -> Option<Listing> {
        loop {
            let estate = &self.lowering.estate;
            let identity = estate.identities.get(self.followed)?;
            self.followed += 1;
            if !self.met.insert(estate.strings.class(identity.id)) {
                continue;
            }
            let id = estate.strings.text(identity.id).to_owned();
            if let Some(subscription) =
                Scope::parse(&id).and_then(|s| s.subscription).filter(|_| is_plain(&id))
            {
                return Some(listing::federated(&id, subscription));
            }
            let detail = format!("`{id}` is no id that can be asked for");
            self.short_of(Gap::new(Source::FederatedCredentials, "", Reason::Unresolved, detail));
        }
    }

    /// How many of them may be left.
    pub(super) fn behind(&self) -> usize {
        self.lowering.estate.identities.len().saturating_sub(self.followed)
    }

    /// Whether a list of this kind was given up at this scope.
    pub(super) fn lacks(&self, source: Source, scope: &str) -> bool {
        self.gaps.iter().any(|g| g.source == source && g.scope.eq_ignore_ascii_case(scope))
    }

    fn element(&mut self, listing: &Listing, bytes: &[u8]) {
        match listing.shape {
            Shape::Records | Shape::Members(_) => {
                if self.is_new(listing, bytes) {
                    self.record(listing, bytes);
                }
            }
            Shape::Principals => {
                if let Err(why) = self.lowering.principal_record(bytes) {
                    self.unparsed(listing, &why);
                }
            }
            Shape::Roles => self.role(listing, bytes, false),
            Shape::RolePlan => self.plan_role(listing, bytes),
            Shape::Plan | Shape::Again => match serde_json::from_slice::<PlanRow>(bytes) {
                Ok(PlanRow { subscription_id: Some(id), tenant_id, state }) => {
                    let id = id.to_ascii_lowercase();
                    let deleted = state.is_some_and(|s| s.eq_ignore_ascii_case("Deleted"));
                    if !is_guid(&id) {
                        self.unparsed(listing, "a subscription whose id is no GUID");
                    } else if deleted {
                        // Nothing is left of it to be read.
                    } else if listing.shape == Shape::Again {
                        self.seen_again.insert(id);
                    } else {
                        self.planned.insert(Planned { id, tenant: tenant_id });
                    }
                }
                _ => self.unparsed(listing, "a subscription without `subscriptionId`"),
            },
            Shape::Associated => self.association(listing, bytes),
            Shape::SignIns => self.sign_in(listing, bytes),
            Shape::Counts => match serde_json::from_slice::<CountRow>(bytes) {
                Ok(row) => {
                    self.counted.insert(row.subscription_id.to_ascii_lowercase(), row.count_);
                }
                Err(_) => {
                    self.incomplete(listing, Reason::Unparsed, "a count without `subscriptionId`", None)
                }
            },
        }
    }

    fn association(&mut self, listing: &Listing, bytes: &[u8]) {
        #[derive(Deserialize)]
        struct Row {
            id: Option<String>,
        }
        match serde_json::from_slice::<Row>(bytes) {
            Ok(Row { id: Some(id) }) if !id.is_empty() => {
                self.associated.entry(listing.scope.clone()).or_default().insert(id);
            }
            _ => self.unparsed(listing, "a resource that uses an identity, without `id`"),
        }
    }

    fn sign_in(&mut self, listing: &Listing, bytes: &[u8]) {
        let row = match serde_json::from_slice::<SignInRow>(bytes) {
            Ok(SignInRow { app_id: Some(id), last_sign_in_activity }) if !id.is_empty() => {
                (id, last_sign_in_activity.and_then(|a| a.last_sign_in_date_time))
            }
            _ => return self.unparsed(listing, "a sign-in without `appId`"),
        };
        // The report lists some without any time: nothing is known of those.
        let (id, Some(time)) = row else { return };
        match Instant::parse(&time) {
            Some(last) => {
                let principal = self.lowering.estate.strings.intern(&id);
                self.lowering.estate.sign_ins.push(SignIn { principal, last });
            }
            None => self.unparsed(listing, "a sign-in whose time is none"),
        }
    }

    /// One item that could not be read: its list is not whole.
    fn unparsed(&mut self, listing: &Listing, detail: &str) {
        self.unparsed_at(listing, &listing.scope, detail);
    }

    fn unparsed_at(&mut self, listing: &Listing, scope: &str, detail: &str) {
        for source in listing.sources {
            self.short_of(Gap::new(*source, scope, Reason::Unparsed, detail));
        }
    }

    fn record(&mut self, listing: &Listing, bytes: &[u8]) {
        let before = self.lowering.estate.gaps.len();
        // A page is no file of the user's: where in it a record stands says nothing.
        match self.lowering.record(bytes, Position { line: 0, column: 0 }) {
            Became::Record(source) if listing.sources.contains(&source) => return,
            // Only the inventory holds kinds that nobody reads.
            Became::Unread if listing.is_inventory() => return,
            _ => {}
        }
        // What was asked for is known: whatever is none of it is an item that could not be read.
        let said: Vec<Gap> = self.lowering.estate.gaps.drain(before..).collect();
        if said.is_empty() {
            self.unparsed(listing, "a record of another kind than was asked for");
        }
        for gap in said {
            let scope = if gap.scope.is_empty() { &listing.scope } else { &gap.scope };
            self.unparsed_at(listing, scope, &gap.detail);
        }
    }

    /// What is granted above a scope stands in the lists of all scopes below: thousands of times in a large tenant.
    fn is_new(&mut self, listing: &Listing, bytes: &[u8]) -> bool {
        let own = listing.scope.is_empty() || memchr::memmem::find(bytes, listing.scope.as_bytes()).is_some();
        own || self.inherited.insert(digest(bytes))
    }

    fn plan_role(&mut self, listing: &Listing, bytes: &[u8]) {
        #[derive(Deserialize)]
        struct Row {
            properties: Properties,
        }
        #[derive(Deserialize)]
        struct Properties {
            #[serde(rename = "assignableScopes")]
            scopes: Vec<String>,
        }
        match serde_json::from_slice::<Row>(bytes) {
            Ok(row) => {
                let homes = row.properties.scopes.iter().filter_map(|s| Scope::parse(s)?.subscription);
                self.role_homes.extend(homes.map(str::to_ascii_lowercase));
                self.planned_roles.push(bytes.to_vec());
            }
            Err(_) => self.unparsed(listing, "a custom role without `assignableScopes`"),
        }
    }

    /// Roles that no scope listed: those for resource groups alone are in no subscription's list.
    pub(super) fn take_planned_roles(&mut self) {
        let listing = listing::role_plan();
        for role in std::mem::take(&mut self.planned_roles) {
            self.role(&listing, &role, true);
        }
    }

    /// Every scope lists the roles that can be assigned on it, each time with an id of its own. They are known by their
    /// last segment; the estate gets each once, under an id that no scope decides.
    fn role(&mut self, listing: &Listing, bytes: &[u8], only_new: bool) {
        let Ok(RoleRow { id, properties: Some(properties) }) = serde_json::from_slice(bytes) else {
            return self.record(listing, bytes);
        };
        let key = crate::model::role_key(&id).to_ascii_lowercase();
        if only_new && self.roles.contains_key(&key) {
            return;
        }
        let seen = digest(properties.get().as_bytes());
        if self.roles.insert(key.clone(), seen) == Some(seen) {
            return;
        }
        let id = serde_json::Value::from(format!("/providers/Microsoft.Authorization/roleDefinitions/{key}"));
        let kind = "Microsoft.Authorization/roleDefinitions";
        let record = format!("{{\"id\":{id},\"type\":\"{kind}\",\"properties\":{}}}", properties.get());
        self.record(listing, record.as_bytes());
    }

    /// How many role assignments lie in each subscription, by its folded id.
    pub(super) fn listed(&self) -> HashMap<String, u64> {
        let estate = &self.lowering.estate;
        let mut ids: HashMap<String, HashSet<_>> = HashMap::new();
        for assignment in &estate.assignments {
            let scope = Scope::parse(estate.strings.text(assignment.scope));
            if let Some(subscription) = scope.and_then(|s| s.subscription) {
                let of_one = ids.entry(subscription.to_ascii_lowercase()).or_default();
                of_one.insert(estate.strings.id_class(assignment.id));
            }
        }
        ids.into_iter().map(|(subscription, ids)| (subscription, ids.len() as u64)).collect()
    }

    /// The estate, with what is missing from it.
    pub(super) fn finish(mut self, collected_at: Instant, cloud: &str, tenant: Option<&str>) -> Estate {
        let found = std::mem::take(&mut self.lowering.estate.gaps);
        let marked = std::mem::take(&mut self.lowering.estate.coverage);
        let mut estate = self.lowering.finish();
        for (identity, resources) in self.associated {
            let identity = estate.strings.intern(&identity);
            let resources = resources.iter().map(|r| estate.strings.intern(r)).collect();
            estate.associations.push(Association { identity, resources });
        }
        let mut gaps = self.gaps;
        gaps.extend(found.into_iter().map(|gap| Gap { location: None, ..gap }));
        let mut coverage = Coverage::default();
        for source in Source::ALL.into_iter().filter(|s| !matches!(s, Source::Files | Source::Other)) {
            let extent = match self.tracked.get(&source) {
                None => {
                    let detail = format!("{} are not collected by this version", source.name());
                    gaps.push(Gap::new(source, "", Reason::NotCollected, detail));
                    Extent::Absent
                }
                Some(tracked)
                    if tracked.lists > 0 && tracked.failed >= tracked.lists && tracked.items == 0 =>
                {
                    Extent::Absent
                }
                Some(_) if source == Source::SignIns => {
                    let detail = "the directory's report has the last sign-in of those that it lists; of others nothing is known: give sign-in logs with --activity";
                    gaps.push(Gap::new(source, "", Reason::NotCollected, detail));
                    Extent::Partial
                }
                Some(tracked) if tracked.failed > 0 || marked.of(source) == Extent::Partial => {
                    Extent::Partial
                }
                Some(_) => Extent::Complete,
            };
            coverage.note(source, extent);
        }
        estate.coverage = coverage;
        estate.gaps = tidy(gaps);
        estate.collected_at = Some(collected_at);
        estate.cloud = Some(estate.strings.intern(cloud));
        if let Some(tenant) = tenant {
            estate.tenant = Some(estate.strings.intern(&tenant.to_ascii_lowercase()));
        }
        estate.settle();
        estate
    }
}
