//! What is asked for: which part of the tenant, through which interface, and what is left out.

use super::collect::Failure;
use crate::model::{Source, is_guid, role_key};
use std::collections::BTreeSet;

/// Which interface of Azure brings what both have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Via {
    /// The inventory from Resource Graph, everything about access from Resource Manager: few requests for the one, and
    /// for the other the service that decides.
    #[default]
    Auto,
    /// Everything from Resource Manager.
    Arm,
    /// Whatever Resource Graph has from there: few requests, and a picture that may be minutes old.
    Graph,
}

impl Via {
    /// Every interface.
    pub const ALL: [Via; 3] = [Via::Auto, Via::Arm, Via::Graph];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Via::Auto => "auto",
            Via::Arm => "arm",
            Via::Graph => "graph",
        }
    }
}

/// Kinds of data that can be left out: those that take a request for each object, and those of the directory that need
/// permissions of their own.
pub const OPTIONAL: [Source; 8] = [
    Source::FederatedCredentials,
    Source::AssociatedResources,
    Source::CosmosRoleAssignments,
    Source::DatabaseAdministrators,
    Source::AppRoleAssignments,
    Source::DirectoryRoles,
    Source::SignIns,
    Source::Delegations,
];

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Target {
    /// The tenant, where the caller sees several.
    pub tenant: Option<String>,
    /// Only these subscriptions.
    pub subscriptions: Vec<String>,
    /// Only what lies below these management groups, by name.
    pub management_groups: Vec<String>,
    /// Not these subscriptions.
    pub exclude: Vec<String>,
    /// Ask for the uses of every identity that nothing seems to use, however long that takes.
    pub deep: bool,
    /// Through which interface.
    pub via: Via,
    /// Grants through the generated client.
    #[cfg(feature = "azure-mgmt")]
    pub generated: bool,
    /// Not these kinds of data.
    pub skip: BTreeSet<Source>,
}

impl Target {
    /// Whether only a part of the tenant is asked for.
    pub(super) fn is_narrow(&self) -> bool {
        !self.subscriptions.is_empty() || !self.management_groups.is_empty() || !self.exclude.is_empty()
    }

    /// Which part, in words, where it is one.
    pub(super) fn part(&self, read: usize, narrow: bool) -> Option<String> {
        let named =
            |what: &str, list: &[String]| (!list.is_empty()).then(|| format!("{what} {}", list.join(", ")));
        let parts = [
            named("only", &self.subscriptions),
            named("only below", &self.management_groups),
            named("without", &self.exclude),
            self.tenant.as_ref().filter(|_| !self.is_narrow()).map(|t| format!("only of tenant {t}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        narrow.then(|| format!("{read} subscription(s): {}", parts.join("; ")))
    }

    /// Which of these subscriptions are meant. `below` are those below the management groups that were named.
    ///
    /// # Errors
    /// If one that was named is not there, or is left out again, or none is left: then with what to do.
    pub(super) fn choose(
        &self,
        all: &BTreeSet<Planned>,
        below: &BTreeSet<String>,
    ) -> Result<Chosen, Failure> {
        let meant = |text: &str, p: &Planned| {
            role_key(text).eq_ignore_ascii_case(&p.id)
                || p.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(text))
        };
        let ours = |p: &&Planned| match (&self.tenant, &p.tenant) {
            (Some(wanted), Some(found)) => wanted.eq_ignore_ascii_case(found),
            _ => true,
        };
        let all: Vec<&Planned> = all.iter().filter(ours).collect();
        for text in self.subscriptions.iter().chain(&self.exclude) {
            let named: Vec<&str> = all.iter().filter(|p| meant(text, p)).map(|p| p.id.as_str()).collect();
            if let [_, _, ..] = named.as_slice() {
                let what = format!("{} subscriptions are called `{text}`: {}", named.len(), named.join(", "));
                return Err(Failure::NotThere(what));
            }
            // One that is left out by a name that nothing has would be read.
            if named.is_empty() && self.exclude.contains(text) && !is_guid(role_key(text)) {
                let what = format!(
                    "the caller sees no subscription called `{text}` to leave out: `az account list` shows names and ids"
                );
                return Err(Failure::NotThere(what));
            }
        }
        let mut chosen = Chosen::default();
        for text in &self.subscriptions {
            match all.iter().find(|p| meant(text, p)) {
                Some(one) if self.exclude.iter().any(|e| meant(e, one)) => {
                    let what = format!("subscription `{text}` is asked for and left out at once");
                    return Err(Failure::Contradiction(what));
                }
                Some(one) => chosen.subscriptions.extend([one.id.clone()]),
                None if is_guid(role_key(text)) => {
                    chosen.missing.insert(role_key(text).to_ascii_lowercase());
                }
                None => {
                    let what = format!(
                        "the caller sees no subscription called `{text}`: `az account list` shows its names and ids"
                    );
                    return Err(Failure::NotThere(what));
                }
            }
        }
        if self.subscriptions.is_empty() || !self.management_groups.is_empty() {
            let wide = self.management_groups.is_empty();
            let more = all.iter().filter(|p| wide || below.contains(&p.id));
            let more = more.filter(|p| !self.exclude.iter().any(|e| meant(e, p)));
            chosen.subscriptions.extend(more.map(|p| p.id.clone()));
        }
        if chosen.subscriptions.is_empty() {
            let what = if self.is_narrow() {
                "none of the subscriptions that were asked for is visible to the caller"
            } else {
                "the caller sees no subscription: it has no role on any, or is signed in to another tenant"
            };
            return Err(Failure::NotThere(what.to_owned()));
        }
        Ok(chosen)
    }
}

/// A subscription as planning sees it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Planned {
    /// Its GUID, folded.
    pub(super) id: String,
    pub(super) tenant: Option<String>,
    pub(super) name: Option<String>,
}

impl Planned {
    /// From an item of the list of subscriptions; `None` for one that is deleted.
    ///
    /// # Errors
    /// In words, if it is none.
    pub(super) fn of(bytes: &[u8]) -> Result<Option<Planned>, &'static str> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Row {
            subscription_id: String,
            tenant_id: Option<String>,
            display_name: Option<String>,
            state: Option<String>,
        }
        let row: Row =
            serde_json::from_slice(bytes).map_err(|_| "a subscription without `subscriptionId`")?;
        let id = row.subscription_id.to_ascii_lowercase();
        if !is_guid(&id) {
            return Err("a subscription whose id is no GUID");
        }
        // Nothing is left to be read of what was deleted.
        let there = row.state.is_none_or(|s| !s.eq_ignore_ascii_case("Deleted"));
        Ok(there.then_some(Planned { id, tenant: row.tenant_id, name: row.display_name }))
    }
}

/// What was chosen.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Chosen {
    /// By folded GUID.
    pub(super) subscriptions: BTreeSet<String>,
    /// Named by id, and not visible to the caller.
    pub(super) missing: BTreeSet<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_are_chosen_by_id_name_and_place() {
        let id = |n: u8| format!("00000000-0000-4000-8000-0000000000{n:02x}");
        let one = |n: u8, name: &str| Planned { id: id(n), tenant: None, name: Some(name.to_owned()) };
        let all = BTreeSet::from([one(1, "prod"), one(2, "dev"), one(3, "twin"), one(4, "Twin")]);
        let texts = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let choose = |only: &[&str], groups: &[&str], not: &[&str]| {
            let (subscriptions, management_groups, exclude) = (texts(only), texts(groups), texts(not));
            let target = Target { subscriptions, management_groups, exclude, ..Target::default() };
            target.choose(&all, &BTreeSet::from([id(2)])).map_err(|e| e.to_string())
        };
        let ids = |list: &[u8]| list.iter().map(|n| id(*n)).collect::<BTreeSet<_>>();
        assert_eq!(choose(&[], &[], &[]).unwrap().subscriptions, ids(&[1, 2, 3, 4]));
        assert_eq!(choose(&["PROD"], &[], &[]).unwrap().subscriptions, ids(&[1]));
        assert_eq!(
            choose(&[&format!("/subscriptions/{}", id(3))], &[], &[]).unwrap().subscriptions,
            ids(&[3])
        );
        assert_eq!(choose(&["prod"], &["mg"], &[]).unwrap().subscriptions, ids(&[1, 2]));
        assert_eq!(choose(&[], &[], &["dev"]).unwrap().subscriptions, ids(&[1, 3, 4]));
        assert_eq!(choose(&["prod", &id(9)], &[], &[]).unwrap().missing, ids(&[9]));
        assert!(choose(&["twin"], &[], &[]).unwrap_err().contains("2 subscriptions are called"));
        assert!(choose(&[], &[], &["dve"]).unwrap_err().contains("to leave out"));
        assert!(choose(&["prdo"], &[], &[]).unwrap_err().contains("no subscription called `prdo`"));
        assert!(choose(&["prod"], &[], &["prod"]).unwrap_err().contains("left out at once"));
        assert!(choose(&[], &["mg"], &["dev"]).unwrap_err().contains("none of the subscriptions"));
    }
}
