//! The kinds of records of which a tenant may have more than memory should hold: each record as a line by itself, and back.
//! Not here: where such lines lie meanwhile, which is the collector's.

use super::grant::{grant_line, schedule_line};
use super::row::Rows;
use crate::model::{Estate, Id, Source, Sym};
use crate::sources::Position;
use crate::sources::arm::Lowering;

/// These kinds, in the order of a snapshot's sections. A vault goes with its resource.
pub(in crate::sources) const LARGE: [Source; 10] = [
    Source::ResourceGroups,
    Source::Resources,
    Source::Identities,
    Source::FederatedCredentials,
    Source::RoleAssignments,
    Source::Schedules,
    Source::DenyAssignments,
    Source::PolicyAssignments,
    Source::Principals,
    Source::SignIns,
];

/// The ids of all records of such a kind, or of all vaults, as they lie in their table.
pub(in crate::sources) fn large_ids(e: &Estate, source: Source) -> Vec<Id> {
    let whole = |sym: Sym| Id { dir: sym, name: sym };
    match source {
        Source::ResourceGroups => e.resource_groups.iter().map(|r| whole(r.id)).collect(),
        Source::Resources => e.resources.iter().map(|r| whole(r.id)).collect(),
        Source::Vaults => e.vaults.iter().map(|r| whole(r.id)).collect(),
        Source::Identities => e.identities.iter().map(|r| whole(r.id)).collect(),
        Source::FederatedCredentials => e.federated.iter().map(|r| r.id).collect(),
        Source::RoleAssignments => e.assignments.iter().map(|r| r.id).collect(),
        Source::Schedules => e.schedules.iter().map(|r| r.id).collect(),
        Source::DenyAssignments => e.denies.iter().map(|r| r.id).collect(),
        Source::PolicyAssignments => e.policy_assignments.iter().map(|r| whole(r.id)).collect(),
        Source::Principals => e.principals.iter().map(|r| whole(r.id)).collect(),
        Source::SignIns => e.sign_ins.iter().map(|r| whole(r.principal)).collect(),
        _ => Vec::new(),
    }
}

/// The line of one of them. A vault has one of its own here, and its resource one without it.
pub(in crate::sources) fn large_line(
    e: &Estate,
    source: Source,
    at: usize,
    into: &mut Vec<u8>,
) -> std::io::Result<()> {
    let rows = Rows(e);
    let value = match source {
        Source::ResourceGroups => e.resource_groups.get(at).map(|r| rows.resource_group(r)),
        Source::Resources => e.resources.get(at).map(|r| rows.resource(r, None)),
        Source::Vaults => e.vaults.get(at).map(|r| rows.vault_alone(r)),
        Source::Identities => e.identities.get(at).map(|r| rows.identity(r)),
        Source::FederatedCredentials => e.federated.get(at).map(|r| rows.federated(r)),
        Source::DenyAssignments => e.denies.get(at).map(|r| rows.deny(r)),
        Source::PolicyAssignments => e.policy_assignments.get(at).map(|r| rows.policy_assignment(r)),
        Source::Principals => e.principals.get(at).map(|r| rows.principal(r)),
        Source::SignIns => e.sign_ins.get(at).map(|r| rows.sign_in(r)),
        Source::RoleAssignments | Source::Schedules => {
            let (table, line) = match source {
                Source::RoleAssignments => (&e.assignments, grant_line as fn(_, _) -> _),
                _ => (&e.schedules, schedule_line as fn(_, _) -> _),
            };
            let grant = table.get(at).map(|grant| line(e, grant));
            return Ok(grant.map_or(Ok(()), |line| serde_json::to_writer(into, &line))?);
        }
        _ => None,
    };
    Ok(value.map_or(Ok(()), |value| serde_json::to_writer(into, &value))?)
}

/// The snapshot's line of the one record that an estate has of such a kind, and the section that it stands in: a vault is
/// told by its resource.
pub(in crate::sources) fn only_line(e: &Estate, source: Source) -> std::io::Result<(Source, Vec<u8>)> {
    let (section, mut line) = match (e.resources.first(), e.vaults.first()) {
        (Some(resource), vault) if source == Source::Resources => {
            return Ok((source, serde_json::to_vec(&Rows(e).resource(resource, vault))?));
        }
        (None, Some(_)) if source == Source::Resources => (Source::Vaults, Vec::new()),
        _ => (source, Vec::new()),
    };
    large_line(e, section, 0, &mut line)?;
    Ok((section, line))
}

/// Reads such a line back.
///
/// # Errors
/// What was expected in its place.
pub(in crate::sources) fn read_large(
    lowering: &mut Lowering,
    source: Source,
    line: &[u8],
) -> Result<(), String> {
    match source {
        Source::Schedules => lowering.schedule_line(line),
        Source::Vaults => lowering.vault_line(line),
        Source::SignIns => super::read::sign_in(lowering, line),
        _ => {
            let before = lowering.estate.gaps.len();
            lowering.record(line, Position { line: 0, column: 0 });
            let said = lowering.estate.gaps.get(before).map(|g| g.detail.clone());
            said.map_or(Ok(()), Err)
        }
    }
}
