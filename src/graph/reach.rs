//! Who can do something on which part of the tenant, for everyone at once: cost grows with the grants that give it,
//! never with grants times resources.

use super::AccessGraph;
use super::parties::Party;
use crate::model::{GrantState, Ix, Operation};
use crate::rbac::Access;
use std::ops::Range;

/// The part of the tenant on which one party can do something: ranges of the scope tree that do not overlap.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reach {
    /// Who.
    pub party: Ix<Party>,
    /// Where, as walk numbers of scopes.
    pub ranges: Vec<Range<u32>>,
    /// How many resources of the inventory that is.
    pub resources: u32,
}

impl AccessGraph {
    /// Everyone who can surely do `operation` somewhere, with where. Groups are parties of their own here. Deny
    /// assignments are not subtracted: `who_can` does that for one target.
    pub fn reach(&self, operation: &Operation) -> Vec<Reach> {
        let operations = self.catalog.operations();
        let by_role: Vec<Option<Access>> = self
            .roles
            .iter()
            .map(|(_, role)| role.defined.then(|| role.compiled.allows(operation, operations, None)))
            .collect();
        let mut found: Vec<(Ix<Party>, Range<u32>)> = Vec::new();
        for (_, grant) in self.grants.iter() {
            if by_role.get(grant.role.index()) != Some(&Some(Access::Allowed))
                || grant.state == GrantState::Eligible
            {
                continue;
            }
            if grant.condition.is_some() && self.grant_allows(grant, operation) != Access::Allowed {
                continue;
            }
            found.push((grant.party, self.scopes.range(grant.scope)));
        }
        // Wider ranges first among those that start together: ranges of a tree nest or are apart.
        found.sort_unstable_by(|a, b| {
            (a.0, a.1.start, std::cmp::Reverse(a.1.end)).cmp(&(b.0, b.1.start, std::cmp::Reverse(b.1.end)))
        });
        let mut reach: Vec<Reach> = Vec::new();
        for (party, range) in found {
            let resources = self.scopes.resources_in(range.clone());
            match reach.last_mut() {
                Some(last) if last.party == party => {
                    if last.ranges.last().is_none_or(|r| range.start >= r.end) {
                        last.ranges.push(range);
                        last.resources += resources;
                    }
                }
                _ => reach.push(Reach { party, ranges: vec![range], resources }),
            }
        }
        reach
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rbac::Catalog;

    /// The fast answer for everyone at once is the slow answer for each party and scope alone.
    #[test]
    fn reach_is_can_for_everyone_everywhere() {
        let graph = AccessGraph::build(crate::sources::demo::estate(), Catalog::embedded(), None);
        let operations = [
            Operation::control("Microsoft.Authorization/roleAssignments/write"),
            Operation::control("Microsoft.Web/sites/write"),
            Operation::data("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"),
        ];
        for operation in operations {
            let reach = graph.reach(&operation);
            let mut allowed = 0;
            for (party, _) in graph.parties().iter() {
                let mut whose = vec![party];
                whose.extend(graph.groups_of(party).into_iter().map(|(group, _)| group));
                for (scope, _) in graph.scopes().nodes().iter().step_by(7) {
                    let start = graph.scopes().range(scope).start;
                    let fast = reach
                        .iter()
                        .any(|r| whose.contains(&r.party) && r.ranges.iter().any(|x| x.contains(&start)));
                    let slow = graph.can(party, &operation, scope) == Access::Allowed;
                    assert_eq!(fast, slow, "{operation:?} {} {scope:?}", graph.party_name(party));
                    allowed += usize::from(slow);
                }
            }
            assert!(allowed > 0, "{operation:?}");
        }
    }
}
