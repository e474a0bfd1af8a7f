//! A grant as the line of a snapshot: of a large tenant most lines are these, so that they are written without a tree between.

use crate::model::{Assignment, Estate, GrantState, Instant, PrincipalType, Sym};
use serde::{Serialize, Serializer};

/// The line of a role assignment or of a schedule instance. Members are in the order of their names.
#[derive(Serialize)]
pub(super) struct GrantLine<'e> {
    id: String,
    properties: Properties<'e>,
    /// Active instances go by the id of the assignment that they stand for; the line's kind says what it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<bool>,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Properties<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_on: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "delegatedManagedIdentityResourceId")]
    delegated_identity: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "endDateTime")]
    ends: Option<Time>,
    principal_id: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal_type: Option<&'e str>,
    role_definition_id: &'e str,
    scope: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_on: Option<Time>,
}

struct Time(Instant);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The line of a role assignment.
pub(super) fn grant_line<'e>(estate: &'e Estate, grant: &Assignment) -> GrantLine<'e> {
    line(estate, grant, "Microsoft.Authorization/roleAssignments", None)
}

/// The line of a schedule instance.
pub(super) fn schedule_line<'e>(estate: &'e Estate, grant: &Assignment) -> GrantLine<'e> {
    let eligible = grant.state == GrantState::Eligible;
    let kind = match eligible {
        true => "Microsoft.Authorization/roleEligibilityScheduleInstances",
        false => "Microsoft.Authorization/roleAssignmentScheduleInstances",
    };
    line(estate, grant, kind, Some(eligible))
}

fn line<'e>(
    estate: &'e Estate,
    grant: &Assignment,
    kind: &'static str,
    schedule: Option<bool>,
) -> GrantLine<'e> {
    let text = |sym: Sym| estate.strings.text(sym);
    let principal_type = match grant.principal_type {
        PrincipalType::User => Some("User"),
        PrincipalType::Group => Some("Group"),
        PrincipalType::ServicePrincipal => Some("ServicePrincipal"),
        PrincipalType::ForeignGroup => Some("ForeignGroup"),
        PrincipalType::Other(name) => Some(text(name)),
        PrincipalType::Absent => None,
    };
    let properties = Properties {
        condition: grant.condition.map(text),
        created_by: grant.created_by.map(text),
        created_on: grant.created_on.map(Time),
        delegated_identity: grant.delegated_identity.map(text),
        description: grant.description.map(text),
        ends: grant.ends.map(Time),
        principal_id: text(grant.principal),
        principal_type,
        role_definition_id: text(grant.role),
        scope: text(grant.scope),
        updated_on: grant.updated_on.map(Time),
    };
    GrantLine { id: estate.strings.show_id(grant.id), properties, schedule, kind }
}
