//! Every scope that occurs, with all that lie above it, as a tree with numbered intervals: whether one holds another
//! is two comparisons, and the scopes below one are a range.

use super::FastMap;
use crate::model::{Estate, Ix, Level, Scope, Sym, Table};

/// A scope.
#[derive(Clone, Debug)]
pub struct ScopeNode {
    /// Its id, as it came or, where nothing named it, as one below spells it.
    pub id: Sym,
    /// Its level.
    pub level: Level,
    /// The scope above; none for the root.
    pub parent: Option<Ix<ScopeNode>>,
    /// The subscription that it lies in.
    pub subscription: Option<Ix<ScopeNode>>,
    /// The resource group that it lies in.
    pub resource_group: Option<Ix<ScopeNode>>,
    /// Its number in a walk from the root.
    enter: u32,
    /// The number behind the last one below it.
    exit: u32,
    /// How many resources of the inventory lie in it.
    pub resources: u32,
}

/// The tree of scopes.
#[derive(Debug, Default)]
pub struct Scopes {
    nodes: Table<ScopeNode>,
    by_id: FastMap<Sym, Ix<ScopeNode>>,
    /// For each walk number, how many resources come before it.
    resources_before: Vec<u32>,
}

impl Scopes {
    /// Builds the tree of everything that the estate names. Texts of scopes that only lie above are added to the
    /// estate's table.
    pub(super) fn build(estate: &mut Estate) -> Scopes {
        let mut parents: FastMap<Sym, Sym> = FastMap::default();
        let groups = estate.management_groups.iter().filter_map(|g| Some((g.id, g.parent?)));
        for (child, parent) in
            groups.chain(estate.subscriptions.iter().filter_map(|s| Some((s.id, s.parent?))))
        {
            parents.insert(estate.strings.class(child), parent);
        }
        let mut ids: Vec<Sym> = Vec::new();
        ids.extend(estate.management_groups.iter().map(|r| r.id));
        ids.extend(estate.subscriptions.iter().map(|r| r.id));
        ids.extend(estate.resource_groups.iter().map(|r| r.id));
        ids.extend(estate.resources.iter().map(|r| r.id));
        ids.extend(estate.identities.iter().map(|r| r.id));
        ids.extend(estate.policy_assignments.iter().map(|r| r.id));
        ids.extend(estate.assignments.iter().chain(&estate.schedules).map(|r| r.scope));
        ids.extend(estate.denies.iter().map(|r| r.scope));
        let mut scopes = Scopes::default();
        let slash = estate.strings.intern("/");
        scopes.insert(estate, &parents, slash, 0);
        for id in ids {
            scopes.insert(estate, &parents, id, 0);
        }
        scopes.number(estate);
        scopes
    }

    fn insert(
        &mut self,
        estate: &mut Estate,
        parents: &FastMap<Sym, Sym>,
        id: Sym,
        depth: usize,
    ) -> Option<Ix<ScopeNode>> {
        if let Some(found) = self.by_id.get(&estate.strings.class(id)) {
            return Some(*found);
        }
        let text = estate.strings.text(id);
        let scope = Scope::parse(text)?;
        let level = scope.level;
        // Trailing slashes are another spelling that folding does not see.
        if scope.text.len() != text.len() && level != Level::Root {
            let bare = scope.text.to_owned();
            let bare = estate.strings.intern(&bare);
            let found = self.insert(estate, parents, bare, depth)?;
            self.by_id.insert(estate.strings.class(id), found);
            return Some(found);
        }
        let parent = match scope.parent() {
            Some(parent) => {
                let parent = parent.text.to_owned();
                Some(estate.strings.intern(&parent))
            }
            None => parents.get(&estate.strings.class(id)).copied(),
        };
        // Management groups nest six deep in Azure; a cycle in hostile input ends at the root.
        let parent = match parent {
            Some(parent) if depth < 1000 => self.insert(estate, parents, parent, depth + 1),
            _ => None,
        };
        let class = estate.strings.class(id);
        if let Some(found) = self.by_id.get(&class) {
            return Some(*found);
        }
        let root = (level != Level::Root).then(|| Ix::new(0));
        let parent = parent.or(root);
        let above = parent.map(|p| self.nodes[p].clone());
        let at: Ix<ScopeNode> = Ix::new(self.nodes.len());
        let subscription = match level {
            Level::Subscription => Some(at),
            _ => above.as_ref().and_then(|a| a.subscription),
        };
        let resource_group = match level {
            Level::ResourceGroup => Some(at),
            _ => above.as_ref().and_then(|a| a.resource_group),
        };
        self.nodes.push(ScopeNode {
            id,
            level,
            parent,
            subscription,
            resource_group,
            enter: 0,
            exit: 0,
            resources: 0,
        });
        self.by_id.insert(class, at);
        Some(at)
    }

    /// Numbers the nodes in a walk from the root. Parents are always inserted before their children, so two passes
    /// over the table do it without a stack.
    fn number(&mut self, estate: &Estate) {
        let count = self.nodes.len();
        let mut size = vec![1u32; count];
        let parents: Vec<Option<usize>> = self.nodes.rows().iter().map(|n| n.parent.map(Ix::index)).collect();
        for at in (0..count).rev() {
            let mine = size.get(at).copied().unwrap_or(1);
            if let Some(slot) = parents.get(at).copied().flatten().and_then(|p| size.get_mut(p)) {
                *slot += mine;
            }
        }
        let mut next = vec![0u32; count];
        for at in 0..count {
            let start = match parents.get(at).copied().flatten() {
                None => 0,
                Some(parent) => {
                    let start = next.get(parent).copied().unwrap_or(0);
                    if let Some(slot) = next.get_mut(parent) {
                        *slot += size.get(at).copied().unwrap_or(1);
                    }
                    start
                }
            };
            if let Some(slot) = next.get_mut(at) {
                *slot = start + 1;
            }
            let node = &mut self.nodes[Ix::new(at)];
            node.enter = start;
            node.exit = start + size.get(at).copied().unwrap_or(1);
        }
        let mut own = vec![0u32; count + 1];
        for resource in &estate.resources {
            if let Some(at) = self.find(estate, resource.id)
                && let Some(slot) = own.get_mut(self.nodes[at].enter as usize + 1)
            {
                *slot = 1;
            }
        }
        let mut sum = 0;
        for slot in &mut own {
            sum += *slot;
            *slot = sum;
        }
        self.resources_before = own;
        for at in 0..count {
            let (enter, exit) = (self.nodes[Ix::new(at)].enter, self.nodes[Ix::new(at)].exit);
            self.nodes[Ix::new(at)].resources = self.resources_in(enter..exit);
        }
    }

    /// How many resources of the inventory lie in a range of walk numbers.
    pub(super) fn resources_in(&self, range: std::ops::Range<u32>) -> u32 {
        let before = |at: u32| self.resources_before.get(at as usize).copied().unwrap_or(0);
        before(range.end).saturating_sub(before(range.start))
    }

    /// All scopes, parents before children.
    pub fn nodes(&self) -> &Table<ScopeNode> {
        &self.nodes
    }

    /// The scope of this id, in any case.
    pub fn find(&self, estate: &Estate, id: Sym) -> Option<Ix<ScopeNode>> {
        self.by_id.get(&estate.strings.class(id)).copied()
    }

    /// The root.
    pub fn root(&self) -> Ix<ScopeNode> {
        Ix::new(0)
    }

    /// The range of walk numbers of a scope and all below it.
    pub fn range(&self, at: Ix<ScopeNode>) -> std::ops::Range<u32> {
        self.nodes[at].enter..self.nodes[at].exit
    }

    /// Whether `inner` is `outer` or lies in it.
    pub fn contains(&self, outer: Ix<ScopeNode>, inner: Ix<ScopeNode>) -> bool {
        self.range(outer).contains(&self.nodes[inner].enter)
    }

    /// The scope and all above it, nearest first.
    pub fn up(&self, from: Ix<ScopeNode>) -> impl Iterator<Item = Ix<ScopeNode>> + '_ {
        std::iter::successors(Some(from), |at| self.nodes[*at].parent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ManagementGroup, Subscription, Tags};
    use proptest::prelude::*;

    fn estate() -> Estate {
        let mut estate = Estate::default();
        let mut sym = |t: &str| estate.strings.intern(t);
        let mg = |n: &str| format!("/providers/Microsoft.Management/managementGroups/{n}");
        let (top, low) = (sym(&mg("top")), sym(&mg("low")));
        let (s1, s2) = (sym("/subscriptions/s1"), sym("/subscriptions/s2"));
        estate.management_groups.push(ManagementGroup { id: top, name: top, parent: None });
        estate.management_groups.push(ManagementGroup { id: low, name: low, parent: Some(top) });
        for (id, parent) in [(s1, Some(low)), (s2, None)] {
            estate.subscriptions.push(Subscription {
                id,
                name: id,
                tenant: None,
                parent,
                tags: Tags::default(),
            });
        }
        estate
    }

    #[test]
    fn management_groups_hold_what_the_tenant_says() {
        let mut estate = estate();
        let scopes = Scopes::build(&mut estate);
        let find = |t: &str| scopes.find(&estate, estate.strings.find(t).unwrap()).unwrap();
        let top = find("/PROVIDERS/microsoft.management/managementgroups/TOP");
        assert!(scopes.contains(top, find("/subscriptions/S1")));
        assert!(!scopes.contains(top, find("/subscriptions/s2")));
        assert!(scopes.contains(scopes.root(), find("/subscriptions/s2")));
    }

    #[test]
    fn a_cycle_of_management_groups_ends() {
        let mut estate = estate();
        let low = estate.management_groups[1].id;
        estate.management_groups[0].parent = Some(low);
        let scopes = Scopes::build(&mut estate);
        assert!(scopes.nodes().len() >= 4);
    }

    proptest! {
        /// The intervals say what the texts say.
        #[test]
        fn intervals_are_containment(picks in prop::collection::vec((0..3usize, 0..3usize, 0..3usize, 0..3usize), 1..12)) {
            let mut estate = Estate::default();
            let mut texts = vec!["/".to_owned()];
            for (s, g, r, depth) in picks {
                let mut text = format!("/subscriptions/s{s}");
                if depth > 0 { text += &format!("/resourceGroups/g{g}"); }
                if depth > 1 { text += &format!("/providers/P.Q/t/r{r}"); }
                let scope = estate.strings.intern(&text);
                estate.subscriptions.push(Subscription { id: scope, name: scope, tenant: None, parent: None, tags: Tags::default() });
                texts.push(text);
            }
            let scopes = Scopes::build(&mut estate);
            for a in &texts {
                for b in &texts {
                    let find = |t: &str| scopes.find(&estate, estate.strings.find(t).unwrap()).unwrap();
                    let by_text = Scope::parse(a).unwrap().contains(&Scope::parse(b).unwrap());
                    prop_assert_eq!(scopes.contains(find(a), find(b)), by_text, "{} {}", a, b);
                }
            }
        }
    }
}
