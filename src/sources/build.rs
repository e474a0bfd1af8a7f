//! Makes an estate by hand, text by text: for the demo tenant and for the small worlds that rules are tried in.

use crate::model::{
    ActionPattern, Assignment, AttachedIdentity, Estate, FederatedCredential, GrantState, Group,
    IdentityBlock, Instant, LocalGrant, LocalSystem, ManagementGroup, Permission, PrincipalType, Resource,
    ResourceGroup, RoleDefinition, RoleKind, Subscription, Sym, Tags, UserAssignedIdentity, cmp_folded,
};

/// Tags as pairs of texts.
pub(super) type TagList<'a> = &'a [(&'a str, &'a str)];

#[derive(Default)]
pub(super) struct Builder {
    pub(super) estate: Estate,
}

/// A grant to be made.
#[derive(Clone, Copy)]
pub(super) struct NewGrant<'a> {
    pub(super) id: &'a str,
    pub(super) principal: &'a str,
    pub(super) kind: PrincipalType,
    pub(super) role: &'a str,
    pub(super) scope: &'a str,
    pub(super) condition: Option<&'a str>,
    pub(super) state: GrantState,
    pub(super) created: Option<Instant>,
    pub(super) delegated: Option<&'a str>,
    pub(super) description: Option<&'a str>,
}

/// A grant of another authorization system to be made.
#[derive(Clone, Copy)]
pub(super) struct NewLocal<'a> {
    pub(super) id: &'a str,
    pub(super) system: LocalSystem,
    pub(super) principal: &'a str,
    pub(super) role: &'a str,
    pub(super) role_name: Option<&'a str>,
    pub(super) scope: &'a str,
    pub(super) tenant: Option<&'a str>,
}

impl NewLocal<'_> {
    /// Nobody's yet.
    pub(super) fn of(system: LocalSystem) -> NewLocal<'static> {
        NewLocal { id: "", system, principal: "", role: "", role_name: None, scope: "", tenant: None }
    }
}

impl Builder {
    pub(super) fn local(&mut self, new: &NewLocal<'_>) {
        let made = LocalGrant {
            id: self.estate.strings.intern_id(new.id),
            system: new.system,
            principal: self.sym(new.principal),
            role: self.sym(new.role),
            role_name: new.role_name.map(|n| self.sym(n)),
            scope: self.sym(new.scope),
            tenant: new.tenant.map(|t| self.sym(t)),
        };
        self.estate.local_grants.push(made);
    }

    pub(super) fn sym(&mut self, text: &str) -> Sym {
        self.estate.strings.intern(text)
    }

    pub(super) fn tags(&mut self, tags: TagList<'_>) -> Tags {
        let mut pairs: Vec<_> = tags.to_vec();
        pairs.sort_by(|a, b| cmp_folded(a.0, b.0));
        let pairs = pairs.into_iter().map(|(k, v)| (self.sym(k), self.sym(v))).collect();
        self.estate.tags.intern(pairs)
    }

    pub(super) fn management_group(&mut self, name: &str, shown: &str, parent: Option<&str>) {
        let id = |n: &str| format!("/providers/Microsoft.Management/managementGroups/{n}");
        let made = ManagementGroup {
            id: self.sym(&id(name)),
            name: self.sym(shown),
            parent: parent.map(|p| self.sym(&id(p))),
        };
        self.estate.management_groups.push(made);
    }

    pub(super) fn subscription(&mut self, id: &str, name: &str, parent: Option<&str>, tags: TagList<'_>) {
        let parent =
            parent.map(|p| self.sym(&format!("/providers/Microsoft.Management/managementGroups/{p}")));
        let made = Subscription {
            id: self.sym(id),
            name: self.sym(name),
            tenant: self.estate.tenant,
            parent,
            tags: self.tags(tags),
        };
        self.estate.subscriptions.push(made);
    }

    pub(super) fn resource_group(&mut self, id: &str, tags: TagList<'_>) {
        let made = ResourceGroup { id: self.sym(id), tags: self.tags(tags) };
        self.estate.resource_groups.push(made);
    }

    /// A user-assigned identity, to be changed and pushed.
    pub(super) fn identity(
        &mut self,
        id: &str,
        principal: &str,
        client: &str,
        tags: TagList<'_>,
        created: Option<Instant>,
    ) -> UserAssignedIdentity {
        UserAssignedIdentity {
            id: self.sym(id),
            principal: Some(self.sym(principal)),
            client: Some(self.sym(client)),
            tenant: self.estate.tenant,
            location: Some(self.sym("westeurope")),
            tags: self.tags(tags),
            isolation: None,
            restricted_to: None,
            created,
        }
    }

    /// A resource; `system` is its own identity's object id, `uses` are user-assigned identities by id.
    pub(super) fn resource(
        &mut self,
        id: &str,
        kind: &str,
        system: Option<&str>,
        uses: &[String],
        tags: TagList<'_>,
        created: Option<Instant>,
    ) {
        let user = uses.iter().map(|u| AttachedIdentity { id: self.sym(u), principal: None }).collect();
        let block = IdentityBlock {
            system: system.is_some(),
            principal: system.map(|p| self.sym(p)),
            tenant: system.and(self.estate.tenant),
            user,
        };
        let made = Resource {
            id: self.sym(id),
            kind: self.sym(kind),
            location: Some(self.sym("westeurope")),
            tags: self.tags(tags),
            identity: (block.system || !block.user.is_empty()).then(|| Box::new(block)),
            mentions: Vec::new(),
            code_from: Vec::new(),
            doors: crate::model::Doors::default(),
            settings: None,
            created,
        };
        self.estate.resources.push(made);
    }

    pub(super) fn grant(&mut self, new: &NewGrant<'_>) {
        let made = Assignment {
            id: self.estate.strings.intern_id(new.id),
            principal: self.sym(new.principal),
            principal_type: new.kind,
            role: self.sym(new.role),
            scope: self.sym(new.scope),
            condition: new.condition.map(|c| self.sym(c)),
            delegated_identity: new.delegated.map(|d| self.sym(d)),
            description: new.description.map(|d| self.sym(d)),
            created_on: new.created,
            created_by: None,
            updated_on: new.created,
            state: new.state,
            ends: None,
        };
        if new.state == GrantState::Eligible {
            self.estate.schedules.push(made)
        } else {
            self.estate.assignments.push(made)
        }
    }

    /// A custom role: its blocks are actions, not actions, data actions, not data actions and a condition.
    pub(super) fn role(
        &mut self,
        id: &str,
        name: &str,
        scopes: &[String],
        blocks: Vec<([Vec<String>; 4], Option<String>)>,
    ) {
        let permissions =
            blocks.into_iter().map(|([actions, not_actions, data_actions, not_data_actions], condition)| {
                let read = |list: Vec<String>| list.iter().map(|t| ActionPattern::new(t)).collect();
                Permission {
                    actions: read(actions),
                    not_actions: read(not_actions),
                    data_actions: read(data_actions),
                    not_data_actions: read(not_data_actions),
                    condition,
                }
            });
        let permissions = permissions.collect();
        let made = RoleDefinition {
            id: self.estate.strings.intern_id(id),
            name: self.sym(name),
            kind: RoleKind::Custom,
            assignable_scopes: scopes.iter().map(|s| self.sym(s)).collect(),
            permissions,
            updated_on: None,
        };
        self.estate.roles.push(made);
    }

    pub(super) fn group(&mut self, id: &str, name: &str, members: &[String]) {
        let made = Group {
            id: self.sym(id),
            name: self.sym(name),
            members: members.iter().map(|m| self.sym(m)).collect(),
        };
        self.estate.groups.push(made);
    }

    pub(super) fn federated(
        &mut self,
        identity: &str,
        name: &str,
        issuer: &str,
        subject: Option<&str>,
        expression: Option<&str>,
        audience: &str,
    ) {
        let id = format!("{identity}/federatedIdentityCredentials/{name}");
        let made = FederatedCredential {
            id: self.estate.strings.intern_id(&id),
            identity: self.sym(identity),
            issuer: self.sym(issuer),
            subject: subject.map(|s| self.sym(s)),
            expression: expression.map(|e| self.sym(e)),
            audiences: vec![self.sym(audience)],
        };
        self.estate.federated.push(made);
    }
}
