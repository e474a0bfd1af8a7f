//! Role definitions as Azure stores them. What they allow is `rbac`.

use super::operation::{ActionPattern, Plane};
use super::strings::{Id, Sym};

/// Who made a role.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum RoleKind {
    /// Microsoft.
    BuiltIn,
    /// The tenant.
    Custom,
}

impl RoleKind {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            RoleKind::BuiltIn => "built-in",
            RoleKind::Custom => "custom",
        }
    }
}

/// One permission block: what its `not…` lists take away is taken from this block only.
#[derive(Clone, PartialEq, Eq, Debug, Default, Hash)]
pub struct Permission {
    /// Control-plane patterns.
    pub actions: Vec<ActionPattern>,
    /// Taken from `actions`.
    pub not_actions: Vec<ActionPattern>,
    /// Data-plane patterns.
    pub data_actions: Vec<ActionPattern>,
    /// Taken from `data_actions`.
    pub not_data_actions: Vec<ActionPattern>,
    /// A condition on this block, as it came.
    pub condition: Option<String>,
}

impl Permission {
    /// What the block gives and takes on one plane.
    pub fn on(&self, plane: Plane) -> (&[ActionPattern], &[ActionPattern]) {
        match plane {
            Plane::Control => (&self.actions, &self.not_actions),
            Plane::Data => (&self.data_actions, &self.not_data_actions),
        }
    }
}

/// A role definition.
#[derive(Clone, Debug)]
pub struct RoleDefinition {
    /// The ARM id as it came.
    pub id: Id,
    /// Its display name.
    pub name: Sym,
    /// Who made it.
    pub kind: RoleKind,
    /// Where it may be assigned.
    pub assignable_scopes: Vec<Sym>,
    /// Its blocks.
    pub permissions: Vec<Permission>,
    /// When it last changed.
    pub updated_on: Option<super::Instant>,
}

/// What a role is known by everywhere: the last segment of any form of its id. The same built-in role stands
/// under `/providers/…` and under every `/subscriptions/…/providers/…`.
pub fn role_key(id: &str) -> &str {
    let id = id.trim_end_matches('/');
    id.rsplit('/').next().unwrap_or(id)
}
