//! What the simulated Azure holds: the records of a snapshot, by section, as Azure would show them.

use leastwise::model::Estate;
use leastwise::sources::snapshot;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::sync::{Arc, Mutex, OnceLock};

/// Records by section.
#[derive(Clone, Default)]
pub(crate) struct Truth {
    sections: BTreeMap<String, Vec<Value>>,
    parents: BTreeMap<String, String>,
    /// Positions of a section's records by the subscription that they lie in; by nothing above subscriptions.
    places: HashMap<(String, String), Vec<usize>>,
    kept: Arc<Mutex<HashMap<String, Arc<Vec<Value>>>>>,
    /// The object ids of service principals, folded, once they were asked for.
    principals: Arc<OnceLock<BTreeSet<String>>>,
    /// How often each grant in a subscription is there besides, under other names. They are made when they are asked
    /// for: five million would not fit in memory.
    copies: usize,
}

/// The same grant under another name.
fn copy(grant: &Value, number: usize) -> Value {
    let mut copy = grant.clone();
    let id = text(grant, &["id"]);
    let (head, _) = id.rsplit_once('/').unwrap();
    copy["id"] = format!("{head}/{}", other_name(id, number)).into();
    copy
}

/// What a copy is called.
fn other_name(id: &str, number: usize) -> String {
    let mut hasher = DefaultHasher::new();
    (id, number).hash(&mut hasher);
    let own = hasher.finish();
    let (_, name) = id.rsplit_once('/').unwrap();
    format!("{}-{:04x}-{:012x}", name.get(..18).unwrap(), own >> 48, own & 0xffff_ffff_ffff)
}

/// What decides where a record lies.
fn place(record: &Value) -> &str {
    match text(record, &["properties", "scope"]) {
        "" => text(record, &["id"]),
        scope => scope,
    }
}

fn subscription(scope: &str) -> String {
    let inside = scope.strip_prefix("/subscriptions/").and_then(|s| s.split('/').next());
    inside.unwrap_or("").to_owned()
}

pub(crate) fn fold(text: &str) -> String {
    text.to_ascii_lowercase()
}

pub(crate) fn text<'v>(value: &'v Value, path: &[&str]) -> &'v str {
    let found = path.iter().try_fold(value, |v, key| v.get(*key));
    found.and_then(Value::as_str).unwrap_or("")
}

/// Calls with each record of a snapshot and its section.
fn each_record(packed: &[u8], mut record: impl FnMut(&str, Value)) {
    let lines = BufReader::new(zstd::Decoder::new(packed).unwrap()).lines().map(Result::unwrap);
    let mut section = String::new();
    for line in lines.filter(|l| !l.is_empty()).skip(1) {
        let value: Value = serde_json::from_str(&line).unwrap();
        if let Some(name) = value.get("section").and_then(Value::as_str) {
            section = name.to_owned();
        } else if value.get("footer").is_none() {
            record(&section, value);
        }
    }
}

/// The records of a snapshot, by section.
pub(crate) fn sections(packed: &[u8]) -> BTreeMap<String, Vec<Value>> {
    let mut sections: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    each_record(packed, |section, value| sections.entry(section.to_owned()).or_default().push(value));
    sections
}

/// How many records, and a sum over them that no order changes: two lists of the same have the same.
#[derive(Default, PartialEq, Eq, Debug)]
pub(crate) struct Tally(u64, u64);

impl Tally {
    fn add(&mut self, record: &Value) {
        let mut hasher = DefaultHasher::new();
        fold(&record.to_string()).hash(&mut hasher);
        self.0 += 1;
        self.1 = self.1.wrapping_add(hasher.finish());
    }
}

/// The records of a snapshot but those of one section, of which only a tally is made.
pub(crate) fn sections_and_tally(packed: &[u8], tallied: &str) -> (BTreeMap<String, Vec<Value>>, Tally) {
    let (mut sections, mut tally): (BTreeMap<String, Vec<Value>>, _) = (BTreeMap::new(), Tally::default());
    each_record(packed, |section, value| {
        if section == tallied {
            tally.add(&value);
        } else {
            sections.entry(section.to_owned()).or_default().push(value);
        }
    });
    (sections, tally)
}

impl Truth {
    pub(crate) fn of(estate: &Estate) -> Truth {
        let mut packed = Vec::new();
        snapshot::write(estate, &mut packed).unwrap();
        Truth::of_lines(sections(&packed))
    }

    fn of_lines(mut sections: BTreeMap<String, Vec<Value>>) -> Truth {
        // A snapshot leaves built-in roles to the catalogue; Azure lists them.
        let built_in = json!({"id": "/providers/Microsoft.Authorization/roleDefinitions/0fa1d4c0-0000-4000-8000-000000000001",
            "type": "Microsoft.Authorization/roleDefinitions", "properties": {"roleName": "Simulated Reader",
            "type": "BuiltInRole", "assignableScopes": ["/"], "permissions": [{"actions": ["*/read"]}]}});
        sections.entry("role-definitions".to_owned()).or_default().push(built_in);
        let mut parents = BTreeMap::new();
        for group in sections.get("management-groups").into_iter().flatten() {
            let parent = text(group, &["properties", "details", "parent", "id"]);
            parents.insert(fold(text(group, &["id"])), fold(parent));
        }
        for subscription in sections.get("subscriptions").into_iter().flatten() {
            let chain = &subscription["properties"]["managementGroupAncestorsChain"][0];
            let parent =
                format!("/providers/microsoft.management/managementgroups/{}", fold(text(chain, &["name"])));
            parents.insert(fold(text(subscription, &["id"])), parent);
        }
        let mut truth = Truth {
            sections,
            parents,
            places: HashMap::new(),
            kept: Arc::default(),
            principals: Arc::default(),
            copies: 0,
        };
        for (name, eligible) in [("eligible-instances", true), ("active-instances", false)] {
            let instances = truth.instances(eligible);
            truth.sections.insert(name.to_owned(), instances);
        }
        for (section, records) in &truth.sections {
            for (at, record) in records.iter().enumerate() {
                let key = (section.clone(), subscription(&fold(place(record))));
                truth.places.entry(key).or_default().push(at);
            }
        }
        truth
    }

    /// Rows that are made once, however many pages they fill.
    pub(crate) fn kept(&self, key: &str, make: impl FnOnce() -> Vec<Value>) -> Arc<Vec<Value>> {
        let mut kept = self.kept.lock().unwrap();
        Arc::clone(kept.entry(key.to_owned()).or_insert_with(|| Arc::new(make())))
    }

    /// The same with each grant in a subscription so many times more.
    pub(crate) fn copied(self, copies: usize) -> Truth {
        Truth { copies, ..self }
    }

    pub(crate) fn has_copies(&self) -> bool {
        self.copies > 0
    }

    fn with_copies<'v>(&self, grant: &'v Value) -> impl Iterator<Item = Value> + use<'v> {
        std::iter::once(grant.clone()).chain(self.numbers(grant).map(|number| copy(grant, number)))
    }

    /// The numbers of a grant's copies.
    fn numbers(&self, grant: &Value) -> std::ops::Range<usize> {
        let inside = fold(place(grant)).starts_with("/subscriptions/");
        0..if inside { self.copies } else { 0 }
    }

    /// A tally of all grants.
    pub(crate) fn grants(&self) -> Tally {
        let mut tally = Tally::default();
        let all = self.section("role-assignments").iter();
        all.flat_map(|grant| self.with_copies(grant)).for_each(|grant| tally.add(&grant));
        tally
    }

    pub(crate) fn section(&self, name: &str) -> &[Value] {
        self.sections.get(name).map_or(&[], Vec::as_slice)
    }

    /// A scope with everything above it, folded.
    fn above(&self, scope: &str) -> BTreeSet<String> {
        let mut all = BTreeSet::from(["/".to_owned()]);
        let mut at = fold(scope);
        while !at.is_empty() && all.insert(at.clone()) {
            at = self.parents.get(&at).cloned().unwrap_or_default();
        }
        all
    }

    /// Records of a section at a scope, above it and, unless `only_above`, below it.
    pub(crate) fn around(&self, section: &str, scope: &str, only_above: bool) -> Vec<Value> {
        let found = self.near(section, scope, only_above);
        if section == "role-assignments" {
            return found.into_iter().flat_map(|grant| self.with_copies(grant)).collect();
        }
        found.into_iter().cloned().collect()
    }

    /// Grants at a scope with their copies, as text: this end must not be the slower one, and millions of trees are slow.
    pub(crate) fn grants_around(&self, scope: &str, only_above: bool) -> Vec<String> {
        let each = self.near("role-assignments", scope, only_above).into_iter().flat_map(|grant| {
            let id = text(grant, &["id"]);
            let (_, name) = id.rsplit_once('/').unwrap();
            let whole = grant.to_string();
            let copies = self
                .numbers(grant)
                .map(|number| whole.replacen(name, &other_name(id, number), 1))
                .collect::<Vec<_>>();
            std::iter::once(whole).chain(copies)
        });
        each.collect()
    }

    fn near(&self, section: &str, scope: &str, only_above: bool) -> Vec<&Value> {
        let (above, inside) = (self.above(scope), format!("{}/", fold(scope)));
        let all = self.section(section);
        let near = [subscription(&fold(scope)), String::new()].map(|s| (section.to_owned(), s));
        let near: BTreeSet<usize> =
            near.iter().filter_map(|key| self.places.get(key)).flatten().copied().collect();
        let there = |record: &&Value| {
            let at = fold(place(record));
            above.contains(&at) || (!only_above && at.starts_with(&inside))
        };
        near.into_iter().filter_map(|at| all.get(at)).filter(there).collect()
    }

    /// Containers as Resource Graph has them.
    pub(crate) fn containers(&self) -> Vec<Value> {
        let subscription = |s: &Value| {
            json!({"id": s["id"], "name": s["displayName"], "type": "microsoft.resources/subscriptions",
                "tenantId": s["tenantId"], "tags": s["tags"], "properties": s["properties"]})
        };
        let mut all: Vec<Value> = self.section("management-groups").to_vec();
        all.extend(self.section("subscriptions").iter().map(subscription));
        all.extend_from_slice(self.section("resource-groups"));
        all
    }

    /// Schedule instances of one kind, with the ids that they have in Azure.
    fn instances(&self, eligible: bool) -> Vec<Value> {
        let rows = self.section("schedules").iter().filter(|r| r["schedule"] == json!(eligible));
        let shown = rows.map(|row| {
            let mut row = row.clone();
            if !eligible {
                let id = text(&row, &["id"]).to_owned();
                let there = id.replace("/roleAssignments/", "/roleAssignmentScheduleInstances/");
                row["properties"]["originRoleAssignmentId"] = id.into();
                row["id"] = there.into();
            }
            row
        });
        shown.collect()
    }

    /// The service principals in a group, through groups inside it, by object id.
    pub(crate) fn members(&self, group: &str) -> Option<BTreeSet<String>> {
        let groups: BTreeMap<String, &Value> =
            self.section("groups").iter().map(|g| (fold(text(g, &["id"])), g)).collect();
        let principals = self
            .principals
            .get_or_init(|| self.service_principals().map(|p| fold(text(p, &["id"]))).collect());
        groups.get(&fold(group))?;
        let (mut met, mut open, mut found) = (BTreeSet::new(), vec![fold(group)], BTreeSet::new());
        while let Some(at) = open.pop() {
            let Some(group) = groups.get(&at).filter(|_| met.insert(at.clone())) else { continue };
            for member in group["members"].as_array().into_iter().flatten() {
                let id = text(member, &["id"]);
                if principals.contains(&fold(id)) {
                    found.insert(id.to_owned());
                }
                open.push(fold(id));
            }
        }
        Some(found)
    }

    pub(crate) fn service_principals(&self) -> impl Iterator<Item = &Value> {
        self.section("principals").iter().filter(|p| p["@odata.type"] == "#microsoft.graph.servicePrincipal")
    }

    /// Last sign-ins by application id, for those that have one.
    pub(crate) fn sign_ins(&self) -> Vec<(String, String)> {
        let clients: HashMap<String, &str> = self
            .section("identities")
            .iter()
            .map(|i| (fold(text(i, &["properties", "principalId"])), text(i, &["properties", "clientId"])))
            .collect();
        let all = self.section("sign-ins").iter();
        all.filter_map(|s| {
            let client = clients.get(&fold(text(s, &["principal"])))?;
            Some(((*client).to_owned(), text(s, &["last"]).to_owned()))
        })
        .collect()
    }

    /// Grants of another authorization system.
    pub(crate) fn local(&self, system: &str) -> impl Iterator<Item = &Value> {
        self.section("local-grants").iter().filter(move |l| l["system"] == system)
    }

    /// Policy assignments at a scope and above it; below it too, unless only what is above is asked for.
    pub(crate) fn policy_assignments(&self, scope: &str, only_above: bool) -> Vec<Value> {
        let place = |r: &Value| {
            let id = fold(text(r, &["id"]));
            id.rsplit_once("/providers/microsoft.authorization/").unwrap().0.to_owned()
        };
        let above = self.above(scope);
        let all = self.section("policy-assignments").iter();
        let there = |r: &&Value| {
            let at = place(r);
            above.contains(&at) || (!only_above && at.starts_with(&format!("{scope}/")))
        };
        all.filter(there).cloned().collect()
    }

    pub(crate) fn has_group(&self, group: &str) -> bool {
        self.section("management-groups").iter().any(|g| text(g, &["id"]).eq_ignore_ascii_case(group))
    }

    /// What lies below a management group, with its parent.
    pub(crate) fn descendants(&self, group: &str) -> Vec<Value> {
        let below = |id: &str| id != group && self.above(id).contains(group);
        let shown = |id: &String| {
            let kind = if id.starts_with("/subscriptions/") {
                "/subscriptions"
            } else {
                "Microsoft.Management/managementGroups"
            };
            json!({"id": id, "type": kind, "properties": {"parent": {"id": self.parents[id]}}})
        };
        self.parents.keys().filter(|id| below(id)).map(shown).collect()
    }

    pub(crate) fn subscriptions(&self) -> Vec<Value> {
        let list = self.section("subscriptions").iter();
        list.map(|s| {
            let id = text(s, &["id"]);
            json!({"id": id, "subscriptionId": id.rsplit('/').next(), "displayName": s["displayName"],
                "tenantId": s["tenantId"], "state": "Enabled", "tags": s["tags"]})
        })
        .collect()
    }

    pub(crate) fn counts(&self) -> Vec<Value> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for assignment in self.section("role-assignments") {
            let scope = fold(text(assignment, &["properties", "scope"]));
            if let Some(id) = scope.strip_prefix("/subscriptions/").and_then(|s| s.split('/').next()) {
                *counts.entry(id.to_owned()).or_default() += 1 + self.copies;
            }
        }
        counts.into_iter().map(|(id, n)| json!({"id": id, "subscriptionId": id, "count_": n})).collect()
    }
}
