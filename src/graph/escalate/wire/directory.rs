//! Roles of the directory and permissions on Microsoft Graph that make their holder a master of others.
//!
//! Source: Microsoft Graph permissions reference; Microsoft Entra built-in roles; BloodHound documentation, edges from
//! application permissions.

use super::Wire;
use crate::graph::escalate::Node;
use crate::graph::parties::Identity;
use crate::model::{LocalSystem, role_key};
use crate::rbac::Certainty;

/// What such a role gives.
#[derive(Clone, Copy)]
enum Gives {
    /// Any role of the directory, or credentials of those who have them.
    Directory(Certainty),
    /// Membership in any group that no role of the directory is given to.
    Groups,
}

const ROLES: [(LocalSystem, &str, Gives); 16] = [
    // RoleManagement.ReadWrite.Directory
    (LocalSystem::AppRole, "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8", Gives::Directory(Certainty::High)),
    // AppRoleAssignment.ReadWrite.All
    (LocalSystem::AppRole, "06b708a9-e830-4db3-a914-8e69da51d44f", Gives::Directory(Certainty::High)),
    // Application.ReadWrite.All
    (LocalSystem::AppRole, "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9", Gives::Directory(Certainty::Medium)),
    // ServicePrincipalEndpoint.ReadWrite.All
    (LocalSystem::AppRole, "89c8469c-83ad-45f7-8ff2-6e3d4285709e", Gives::Directory(Certainty::Medium)),
    // Directory.ReadWrite.All
    (LocalSystem::AppRole, "19dbc75e-c2e2-444c-a770-ec69d8559fc7", Gives::Groups),
    // Group.ReadWrite.All
    (LocalSystem::AppRole, "62a82d76-70ea-41e2-9197-370581804d09", Gives::Groups),
    // GroupMember.ReadWrite.All
    (LocalSystem::AppRole, "dbaae8cf-10b5-4b86-a4a1-f871c94c6695", Gives::Groups),
    // Global Administrator
    (LocalSystem::Directory, "62e90394-69f5-4237-9190-012177145e10", Gives::Directory(Certainty::High)),
    // Privileged Role Administrator
    (LocalSystem::Directory, "e8611ab8-c189-46e8-94e1-60213ab1f814", Gives::Directory(Certainty::High)),
    // Privileged Authentication Administrator
    (LocalSystem::Directory, "7be44c8a-adaf-4e2a-84d6-ab2649e08a13", Gives::Directory(Certainty::Medium)),
    // Application Administrator
    (LocalSystem::Directory, "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3", Gives::Directory(Certainty::Medium)),
    // Cloud Application Administrator
    (LocalSystem::Directory, "158c047a-c907-4556-b7ef-446551a6b5f7", Gives::Directory(Certainty::Medium)),
    // Hybrid Identity Administrator
    (LocalSystem::Directory, "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2", Gives::Directory(Certainty::Medium)),
    // Partner Tier2 Support
    (LocalSystem::Directory, "e00e864a-17c5-4a4b-9c06-f5b95a8d5bd8", Gives::Directory(Certainty::Medium)),
    // Groups Administrator
    (LocalSystem::Directory, "fdd7a751-b60b-444a-984c-02652fe8fa1c", Gives::Groups),
    // User Administrator
    (LocalSystem::Directory, "fe930be7-5e62-47db-91af-98c3a49a38b1", Gives::Groups),
];

impl Wire<'_, '_> {
    pub(super) fn directory(&mut self, identity: &Identity) {
        let graph = self.graph;
        let Some(party) = identity.party else { return };
        if graph.estate().local_grants.is_empty() {
            return;
        }
        for (grant, _) in graph.local_grants(identity) {
            let key = role_key(graph.text(grant.role));
            let known = ROLES
                .iter()
                .find(|(system, role, _)| *system == grant.system && role.eq_ignore_ascii_case(key));
            let Some((_, _, gives)) = known else { continue };
            let label = graph.estate().local_grants.iter().position(|g| g.id == grant.id);
            let from = self.draft.node(Node::Party(party));
            match gives {
                Gives::Directory(certainty) => {
                    let to = self.draft.node(Node::Directory);
                    self.draft.edge(from, to, *certainty, true, label);
                }
                Gives::Groups => {
                    let to = self.draft.node(Node::AnyGroup);
                    self.draft.edge(from, to, Certainty::Medium, false, label);
                }
            }
        }
    }
}
