//! Role assignments, schedule instances, role definitions and deny assignments.

use super::lower::{Lowered, Lowering, read};
use super::wire::{self, Record, Text};
use crate::model::{
    ActionPattern, Assignment, DenyAssignment, GrantState, Permission, PrincipalType, RoleDefinition,
    RoleKind, Scope, rfind_fold,
};
use serde::Deserialize;

/// The record and its properties, wherever those stand.
fn framed<'a, P: Deserialize<'a>>(bytes: &'a [u8]) -> Lowered<(Record<'a, P>, P)> {
    let mut record: Record<'a, P> = read(bytes)?;
    let properties = match record.properties.take() {
        Some(properties) => properties,
        None => read(bytes)?,
    };
    Ok((record, properties))
}

impl Lowering {
    pub(super) fn assignment(&mut self, bytes: &[u8]) -> Lowered<()> {
        let (record, properties) = framed::<wire::Assignment<'_>>(bytes)?;
        let made = self.grant(
            &record.id,
            &properties,
            "/providers/microsoft.authorization/roleassignments/",
            GrantState::Active,
        )?;
        self.estate.assignments.push(made);
        Ok(())
    }

    /// Reads a role assignment without asking first what the record is. `false` if it is something else, or broken:
    /// then the slow way says what and why.
    pub(super) fn assignment_as_expected(&mut self, bytes: &[u8]) -> bool {
        const KIND: &str = "Microsoft.Authorization/roleAssignments";
        let Ok(record) = read::<Record<'_, wire::Assignment<'_>>>(bytes) else { return false };
        let (Some(properties), Some(kind)) = (&record.properties, &record.kind) else { return false };
        if !kind.0.eq_ignore_ascii_case(KIND) {
            return false;
        }
        let marker = "/providers/microsoft.authorization/roleassignments/";
        // The id decides what a record is; a `type` that lies is for the slow way.
        if record.id.as_ref().and_then(|id| rfind_fold(&id.0, marker)).is_none() {
            return false;
        }
        match self.grant(&record.id, properties, marker, GrantState::Active) {
            Ok(made) => {
                self.estate.assignments.push(made);
                true
            }
            Err(_) => false,
        }
    }

    pub(super) fn schedule(&mut self, bytes: &[u8], state: GrantState) -> Lowered<()> {
        let (record, properties) = framed::<wire::Assignment<'_>>(bytes)?;
        let marker = match state {
            GrantState::Eligible => "/providers/microsoft.authorization/roleeligibilityscheduleinstances/",
            _ => "/providers/microsoft.authorization/roleassignmentscheduleinstances/",
        };
        let mut made = self.grant(&record.id, &properties, marker, state)?;
        // An active instance is the schedule's view of an assignment: it takes that one's id, so that the two meet.
        if state != GrantState::Eligible
            && let Some(origin) = properties.origin_role_assignment_id.as_ref().filter(|o| !o.0.is_empty())
        {
            made.id = self.estate.strings.intern_id(&origin.0);
        }
        self.estate.schedules.push(made);
        Ok(())
    }

    fn grant(
        &mut self,
        id: &Option<Text<'_>>,
        properties: &wire::Assignment<'_>,
        marker: &str,
        state: GrantState,
    ) -> Lowered<Assignment> {
        let text = id.as_ref().map(|t| t.0.as_ref()).filter(|t| !t.is_empty()).ok_or("`id` is missing")?;
        // Where the answer leaves the scope out, the id says it.
        let scope = match &properties.scope {
            Some(scope) if !scope.0.is_empty() => scope.0.as_ref(),
            _ => {
                let at = rfind_fold(text, marker).ok_or("`scope` is missing")?;
                text.get(..at).filter(|s| !s.is_empty()).unwrap_or("/")
            }
        };
        let scope = Scope::parse(scope).ok_or_else(|| format!("`scope` is no scope: `{scope}`"))?.text;
        let principal_type = match properties.principal_type.as_ref().map(|t| t.0.as_ref()) {
            None | Some("") => PrincipalType::Absent,
            Some(kind) if kind.eq_ignore_ascii_case("User") => PrincipalType::User,
            Some(kind) if kind.eq_ignore_ascii_case("Group") => PrincipalType::Group,
            Some(kind) if kind.eq_ignore_ascii_case("ServicePrincipal") => PrincipalType::ServicePrincipal,
            Some(kind) if kind.eq_ignore_ascii_case("ForeignGroup") => PrincipalType::ForeignGroup,
            Some(other) => PrincipalType::Other(self.estate.strings.intern(other)),
        };
        let ends = self.time(&properties.end_date_time, "endDateTime")?;
        Ok(Assignment {
            principal: self.need(&properties.principal_id, "principalId")?,
            principal_type,
            role: self.need(&properties.role_definition_id, "roleDefinitionId")?,
            scope: self.estate.strings.intern(scope),
            condition: self.some(&properties.condition),
            delegated_identity: self.some(&properties.delegated_managed_identity_resource_id),
            description: self.some(&properties.description),
            created_on: self.time(&properties.created_on, "createdOn")?,
            created_by: self.some(&properties.created_by),
            updated_on: self.time(&properties.updated_on, "updatedOn")?,
            state: if ends.is_none() && state == GrantState::TimeBound { GrantState::Active } else { state },
            ends,
            id: self.estate.strings.intern_id(text),
        })
    }

    pub(super) fn role(&mut self, bytes: &[u8]) -> Lowered<()> {
        let (record, properties) = framed::<wire::Role<'_>>(bytes)?;
        let id = record.id.as_ref().filter(|t| !t.0.is_empty()).ok_or("`id` is missing")?;
        let id = self.estate.strings.intern_id(&id.0);
        let kinds = [&properties.role_type, &properties.kind, &record.kind];
        let is =
            |name: &str| kinds.iter().any(|k| k.as_ref().is_some_and(|k| k.0.eq_ignore_ascii_case(name)));
        let known = crate::rbac::Catalog::embedded()
            .role_name(&self.estate.strings.text(id.name).to_ascii_lowercase());
        let kind = match (is("CustomRole"), is("BuiltInRole") || known.is_some()) {
            (false, true) => RoleKind::BuiltIn,
            _ => RoleKind::Custom,
        };
        let permissions = properties.permissions.as_ref().ok_or("`permissions` is missing")?;
        let permissions = permissions.iter().map(permission).collect();
        let scopes = properties.assignable_scopes.iter().flatten();
        let assignable_scopes = scopes.map(|s| self.estate.strings.intern(&s.0)).collect();
        let name = match self.some(&properties.role_name) {
            Some(name) => name,
            None => self.need(&properties.name, "roleName")?,
        };
        let updated_on = self.time(&properties.updated_on, "updatedOn")?;
        self.estate.roles.push(RoleDefinition { id, name, kind, assignable_scopes, permissions, updated_on });
        Ok(())
    }

    pub(super) fn deny(&mut self, bytes: &[u8]) -> Lowered<()> {
        let (record, properties) = framed::<wire::Deny<'_>>(bytes)?;
        let id = record.id.as_ref().filter(|t| !t.0.is_empty()).ok_or("`id` is missing")?;
        let permissions = properties.permissions.as_ref().ok_or("`permissions` is missing")?;
        let effect = properties.deny_assignment_effect.as_ref().map(|t| t.0.to_ascii_lowercase());
        let nameless = [&properties.principals, &properties.exclude_principals];
        if nameless.into_iter().flatten().flatten().any(|r| r.id.is_none()) {
            return Err("a principal of the deny assignment has no `id`".to_owned());
        }
        let mut refs = |list: &Option<Vec<wire::Ref<'_>>>| {
            let ids = list.iter().flatten().filter_map(|r| r.id.as_ref());
            ids.map(|id| self.estate.strings.intern(&id.0)).collect::<Vec<_>>()
        };
        let (principals, excluded) = (refs(&properties.principals), refs(&properties.exclude_principals));
        let made = DenyAssignment {
            permissions: permissions.iter().map(permission).collect(),
            scope: self.need(&properties.scope, "scope")?,
            this_scope_only: properties.do_not_apply_to_child_scopes.unwrap_or(false),
            principals,
            excluded,
            enforced: effect.as_deref() != Some("audit"),
            condition: self.some(&properties.condition),
            name: self.need(&properties.deny_assignment_name, "denyAssignmentName")?,
            id: self.estate.strings.intern_id(&id.0),
        };
        self.estate.denies.push(made);
        Ok(())
    }
}

fn permission(block: &wire::Permission<'_>) -> Permission {
    let read =
        |list: &Option<Vec<Text<'_>>>| list.iter().flatten().map(|t| ActionPattern::new(&t.0)).collect();
    Permission {
        actions: read(&block.actions),
        not_actions: read(&block.not_actions),
        data_actions: read(&block.data_actions),
        not_data_actions: read(&block.not_data_actions),
        condition: block.condition.as_ref().filter(|c| !c.0.is_empty()).map(|c| c.0.clone().into_owned()),
    }
}
