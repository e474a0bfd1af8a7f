//! What is read and in which order: what everything else hangs on, the lists of the subscriptions that are chosen, and
//! what only those name. Not here: reading (`collect`), and what a list is (`listing`).

use super::collect::{Failure, Run};
use super::listing::{self, Awaited, BATCH, Listing};
use super::lists::Lists;
use super::target::{Target, Via};
use super::{inventory, local};
use crate::model::{Gap, Reason, Source, is_guid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the lists hang on.
struct Planned {
    via: Via,
    /// By folded id, sorted.
    subscriptions: Vec<String>,
    /// Whether they are only some of those that the caller sees.
    narrow: bool,
    /// Management groups.
    groups: Vec<String>,
    /// Subscriptions that have custom roles of their own.
    homes: BTreeSet<String>,
    /// Whether it is not known which those are.
    unplanned: bool,
}

impl Planned {
    fn each(
        self: &Arc<Planned>,
        lists: fn(&Planned, &str) -> Vec<Listing>,
    ) -> impl Iterator<Item = Listing> + use<> {
        let planned = Arc::clone(self);
        (0..planned.subscriptions.len())
            .flat_map(move |n| planned.subscriptions.get(n).map_or_else(Vec::new, |id| lists(&planned, id)))
    }

    fn lists(self: &Arc<Planned>) -> impl Iterator<Item = Listing> + use<> {
        let via = self.via;
        let chosen = if self.narrow { self.subscriptions.as_slice() } else { &[] };
        let above = |lists: fn(&str) -> Vec<Listing>| self.groups.iter().flat_map(move |id| lists(id));
        let mut first = match via {
            Via::Auto | Via::Graph => listing::inventory(chosen),
            Via::Arm => inventory::built_in_policies().into_iter().chain(above(inventory::above)).collect(),
        };
        if via == Via::Graph {
            first.extend(listing::grants_of_graph(chosen));
        }
        let inside = self.each(|planned, id| match planned.via {
            Via::Arm => inventory::of_subscription(id),
            Via::Auto | Via::Graph => Vec::new(),
        });
        // Identities first: each has a list of its own behind it.
        let identities = self.each(|planned, id| match planned.via {
            Via::Graph => Vec::new(),
            Via::Auto | Via::Arm => vec![listing::identities(id)],
        });
        let access =
            self.each(|planned, id| listing::access(id, planned.unplanned || planned.homes.contains(id)));
        let access_above: Vec<Listing> = above(listing::access_above).collect();
        let all = first.into_iter().chain(inside).chain(identities).chain(access).chain(access_above);
        // What Resource Graph has is not asked for again.
        all.filter(move |l| via != Via::Graph || l.is_of_graph() || l.sources != [Source::RoleAssignments])
    }
}

/// That a management group was asked for which the caller does not see.
pub(super) fn unseen(group: &str) -> Failure {
    Failure::NotThere(format!(
        "the caller sees no management group `{group}`: `az account management-group list` shows their names"
    ))
}

impl Run<'_> {
    /// What is asked before anything is known: which subscriptions there are and where in the tree, and the directory.
    pub(super) async fn first(&mut self, target: &Target) -> Result<Vec<Listing>, Failure> {
        self.gather.skip.clone_from(&target.skip);
        let mut lists = vec![listing::subscriptions()];
        if target.via == Via::Arm {
            self.gather.without_graph = true;
            let lack = Gap::new(Source::Resources, "", Reason::NotCollected, inventory::LACKS);
            self.gather.short_of(lack);
            self.stage(vec![inventory::management_groups()], None, &[]).await?;
            lists.extend(self.groups().iter().map(|id| inventory::descendants(id)));
        } else {
            lists.extend([listing::containers(), listing::role_plan(), listing::hints()]);
        }
        lists.push(listing::principals());
        lists.extend(local::of_the_directory());
        if matches!(self.scheduler.cloud(), "public" | "custom") {
            lists.push(listing::sign_ins());
        }
        lists.push(listing::built_in_roles());
        Ok(lists)
    }

    /// The lists of a run, but those that only their answers name.
    fn lists(&mut self, target: &Target) -> Lists {
        // What was begun before the subscriptions were chosen is for those alone.
        let inside = |id: &String| {
            let home =
                crate::model::Scope::parse(id).and_then(|s| s.subscription.map(str::to_ascii_lowercase));
            home.is_some_and(|home| self.subscriptions.contains(&home))
        };
        self.gather.hints.retain(inside);
        if target.via == Via::Arm || target.skip.contains(&Source::FederatedCredentials) {
            self.gather.hints.clear();
        }
        let planned = Planned {
            via: target.via,
            subscriptions: self.subscriptions.clone(),
            narrow: self.narrow,
            groups: self.groups(),
            homes: self.gather.role_homes.clone(),
            unplanned: target.via == Via::Arm || self.gather.lacks(Source::RoleDefinitions, ""),
        };
        let planned = Arc::new(planned);
        Lists::of(planned.lists().count(), planned.lists())
    }

    /// What can be asked now.
    pub(super) fn due(&mut self, what: Awaited, target: Option<&Target>) -> Result<Lists, Failure> {
        Ok(match (what, target) {
            (Awaited::Plan, Some(target)) => {
                if target.via == Via::Arm {
                    self.gather.lowering.join_parents();
                }
                self.subscriptions = self.plan(target)?;
                // Subscriptions of other tenants that were delegated to this one are none of it.
                let seen: BTreeSet<&str> = self.gather.planned.iter().map(|p| p.id.as_str()).collect();
                self.narrow |= self.subscriptions.len() < seen.len();
                self.lists(target)
            }
            (Awaited::Groups, _) => {
                self.gather.take_planned_roles();
                let mut lists = self.holders()?;
                lists.push(listing::subscriptions_again());
                lists.into()
            }
            (Awaited::Others, _) => {
                let others = self.gather.maybe_groups()?;
                self.members_of(others).into()
            }
            _ => Vec::new().into(),
        })
    }

    /// The subscriptions to read, sorted.
    fn plan(&mut self, target: &Target) -> Result<Vec<String>, Failure> {
        match &self.unplanned {
            Some(refusal) if refusal.identity || self.gather.planned.is_empty() => {
                return Err(Failure::Unreachable(refusal.detail.clone()));
            }
            _ => {}
        }
        let fold = |text: &String| crate::model::role_key(text).to_ascii_lowercase();
        let groups: BTreeSet<String> = target.management_groups.iter().map(fold).collect();
        for group in &groups {
            let estate = &self.gather.lowering.estate;
            let mut known = estate.management_groups.iter().map(|g| estate.strings.text(g.id));
            if !known.any(|id| crate::model::role_key(id).eq_ignore_ascii_case(group)) {
                return Err(unseen(group));
            }
        }
        let chosen = target.choose(&self.gather.planned, &self.below(&groups))?;
        for missing in chosen.missing {
            let detail = "the subscription was asked for, and the caller does not see it";
            let scope = format!("/subscriptions/{missing}");
            for source in [Source::Subscriptions, Source::RoleAssignments, Source::Resources] {
                self.gather.short_of(Gap::new(source, scope.clone(), Reason::Forbidden, detail));
            }
        }
        Ok(chosen.subscriptions.into_iter().collect())
    }

    /// Subscriptions below management groups, by folded id.
    fn below(&self, groups: &BTreeSet<String>) -> BTreeSet<String> {
        let estate = &self.gather.lowering.estate;
        let name = |sym| crate::model::role_key(estate.strings.text(sym)).to_ascii_lowercase();
        let parents: BTreeMap<String, String> =
            estate.management_groups.iter().filter_map(|g| Some((name(g.id), name(g.parent?)))).collect();
        let lies_below = |start: String| {
            let mut at = Some(start);
            // A chain is never longer than there are groups, unless it is a circle.
            for _ in 0..=parents.len() {
                match at {
                    Some(group) if groups.contains(&group) => return true,
                    Some(group) => at = parents.get(&group).cloned(),
                    None => return false,
                }
            }
            false
        };
        let subscriptions = estate.subscriptions.iter();
        subscriptions.filter(|s| s.parent.is_some_and(|p| lies_below(name(p)))).map(|s| name(s.id)).collect()
    }

    /// Management groups, whose grants subscriptions without access to them would hide, by id.
    fn groups(&mut self) -> Vec<String> {
        let estate = &self.gather.lowering.estate;
        let groups = estate.management_groups.iter().map(|g| estate.strings.text(g.id));
        let groups: BTreeMap<String, String> =
            groups.map(|id| (id.to_ascii_lowercase(), id.to_owned())).collect();
        let (plain, odd): (Vec<String>, Vec<String>) =
            groups.into_values().partition(|id| listing::is_plain(id));
        for id in odd {
            let detail = format!("`{id}` is no id that can be asked for");
            self.gather.short_of(Gap::new(Source::RoleAssignments, "", Reason::Unresolved, detail));
        }
        plain
    }

    /// The members of groups that hold grants and were not asked for yet.
    ///
    /// # Errors
    /// If what lies outside memory cannot be written.
    pub(super) fn holders(&mut self) -> Result<Vec<Listing>, Failure> {
        let holders = self.gather.records.held()?.groups.clone();
        Ok(self.members_of(holders))
    }

    /// The members of those of these groups that were not asked for yet.
    pub(super) fn members_of(&mut self, holders: BTreeSet<String>) -> Vec<Listing> {
        let holders: Vec<String> = holders.into_iter().filter(|id| self.met.insert(id.clone())).collect();
        let (holders, odd): (Vec<String>, Vec<String>) = holders.into_iter().partition(|id| is_guid(id));
        for id in odd {
            let detail = format!("a group that holds a grant goes by `{id}`, which is no object id");
            self.gather.short_of(Gap::new(Source::Groups, "", Reason::Unresolved, detail));
        }
        // Where nothing needs to be asked, nothing is missing.
        for source in [Source::Groups, Source::FederatedCredentials] {
            self.gather.tracked.entry(source).or_default();
        }
        holders.chunks(BATCH / 2).map(listing::members).collect()
    }
}
