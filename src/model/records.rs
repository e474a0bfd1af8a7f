//! The records of an estate, as they came from wherever it was read.

use super::instant::Instant;
use super::operation::Plane;
use super::role::Permission;
use super::strings::{Id, Sym};
use super::tags::Tags;

/// What Azure says a principal is. Open: Azure adds kinds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum PrincipalType {
    /// A person.
    User,
    /// A group.
    Group,
    /// A managed identity or an application.
    ServicePrincipal,
    /// A group of another tenant.
    ForeignGroup,
    /// A kind that we do not know, by name.
    Other(Sym),
    /// Azure did not say.
    Absent,
}

/// Whether a grant is in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum GrantState {
    /// In force without end.
    Active,
    /// In force until its end.
    TimeBound,
    /// Someone may activate it. A managed identity cannot.
    Eligible,
}

impl GrantState {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            GrantState::Active => "active",
            GrantState::TimeBound => "time-bound",
            GrantState::Eligible => "eligible",
        }
    }
}

/// A role assignment, or a schedule instance that stands for one.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The ARM id.
    pub id: Id,
    /// The object id of who gets the role.
    pub principal: Sym,
    /// What that is.
    pub principal_type: PrincipalType,
    /// The role definition's id as it came; compare only its key.
    pub role: Sym,
    /// Where it holds.
    pub scope: Sym,
    /// The condition's text.
    pub condition: Option<Sym>,
    /// A managed identity of another tenant that this is for.
    pub delegated_identity: Option<Sym>,
    /// What somebody wrote about it.
    pub description: Option<Sym>,
    /// When it was made.
    pub created_on: Option<Instant>,
    /// Who made it, by object id.
    pub created_by: Option<Sym>,
    /// When it last changed.
    pub updated_on: Option<Instant>,
    /// Whether it is in force.
    pub state: GrantState,
    /// When it ends.
    pub ends: Option<Instant>,
}

/// An assignment that takes away.
#[derive(Clone, Debug)]
pub struct DenyAssignment {
    /// The ARM id.
    pub id: Id,
    /// Its name.
    pub name: Sym,
    /// What it denies.
    pub permissions: Vec<Permission>,
    /// Where.
    pub scope: Sym,
    /// Whether scopes below are left alone.
    pub this_scope_only: bool,
    /// Whom it denies, by object id; the zero GUID is everyone.
    pub principals: Vec<Sym>,
    /// Whom it spares.
    pub excluded: Vec<Sym>,
    /// Whether it blocks. One with the effect `audit` does not.
    pub enforced: bool,
    /// A condition on the whole.
    pub condition: Option<Sym>,
}

/// A user-assigned identity named in an identity block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttachedIdentity {
    /// The identity's ARM id.
    pub id: Sym,
    /// Its object id, where the host's answer said.
    pub principal: Option<Sym>,
}

/// The `identity` block of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityBlock {
    /// Whether it has an identity of its own.
    pub system: bool,
    /// That identity's object id.
    pub principal: Option<Sym>,
    /// Its tenant.
    pub tenant: Option<Sym>,
    /// The user-assigned ones.
    pub user: Vec<AttachedIdentity>,
}

/// What the settings of a resource say of secrets: names of settings, never values.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings<T> {
    /// Those with a key, a connection string or a client secret that an identity could stand in for.
    pub azure: Vec<T>,
    /// Those with other secrets.
    pub other: Vec<T>,
}

/// What lets somebody in who holds no role on what lies behind it, where that is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Doors {
    /// Whether its own keys do.
    pub keys: Option<bool>,
    /// Whether accounts of its own do.
    pub local_accounts: Option<bool>,
    /// Whether Azure passes commands on to it.
    pub run_command: Option<bool>,
}

/// A resource that can matter: a host of identities, or something that grants apply to.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The ARM id.
    pub id: Sym,
    /// Its type as it came.
    pub kind: Sym,
    /// Its region.
    pub location: Option<Sym>,
    /// Its tags.
    pub tags: Tags,
    /// Its identities.
    pub identity: Option<Box<IdentityBlock>>,
    /// User-assigned identities that its properties name: a kubelet's, a customer-managed key's.
    pub mentions: Vec<Sym>,
    /// Where it takes its code from: ARM ids, `storage:NAME` or `registry:NAME`.
    pub code_from: Vec<Sym>,
    /// What lets in, as far as its properties say.
    pub doors: Doors,
    /// What its settings say of secrets, if anything.
    pub settings: Option<Box<Settings<Sym>>>,
    /// When it was made.
    pub created: Option<Instant>,
}

/// A user-assigned identity.
#[derive(Clone, Debug)]
pub struct UserAssignedIdentity {
    /// The ARM id.
    pub id: Sym,
    /// Its object id in the directory.
    pub principal: Option<Sym>,
    /// Its application id.
    pub client: Option<Sym>,
    /// Its tenant.
    pub tenant: Option<Sym>,
    /// Its region.
    pub location: Option<Sym>,
    /// Its tags.
    pub tags: Tags,
    /// `None` or `Regional`; absent in old API versions.
    pub isolation: Option<Sym>,
    /// Which providers may use it; absent in old API versions.
    pub restricted_to: Option<Vec<Sym>>,
    /// When it was made.
    pub created: Option<Instant>,
}

/// A trust in tokens from outside.
#[derive(Clone, Debug)]
pub struct FederatedCredential {
    /// The ARM id; the identity's id is its head.
    pub id: Id,
    /// The identity.
    pub identity: Sym,
    /// Who signs.
    pub issuer: Sym,
    /// Which subject, compared exactly.
    pub subject: Option<Sym>,
    /// A pattern over claims, in place of a subject.
    pub expression: Option<Sym>,
    /// For whom the tokens are.
    pub audiences: Vec<Sym>,
}

/// A management group.
#[derive(Clone, Debug)]
pub struct ManagementGroup {
    /// The ARM id.
    pub id: Sym,
    /// Its display name.
    pub name: Sym,
    /// The management group above; absent for the tenant's root group.
    pub parent: Option<Sym>,
}

/// A subscription.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// `/subscriptions/{id}`.
    pub id: Sym,
    /// Its display name.
    pub name: Sym,
    /// Its tenant.
    pub tenant: Option<Sym>,
    /// The management group above.
    pub parent: Option<Sym>,
    /// Its tags.
    pub tags: Tags,
}

/// A resource group.
#[derive(Clone, Debug)]
pub struct ResourceGroup {
    /// The ARM id.
    pub id: Sym,
    /// Its tags.
    pub tags: Tags,
}

/// What the directory says of a service principal.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The object id.
    pub id: Sym,
    /// `ManagedIdentity`, `Application`, … as the directory says; `User` or `Group` for those.
    pub kind: Sym,
    /// Its display name.
    pub name: Sym,
    /// The application id.
    pub client: Option<Sym>,
    /// The ARM id of the identity or its host, for managed identities.
    pub resource: Option<Sym>,
}

/// A group of the directory.
#[derive(Clone, Debug)]
pub struct Group {
    /// The object id.
    pub id: Sym,
    /// Its display name.
    pub name: Sym,
    /// Direct members, by object id; groups among them.
    pub members: Vec<Sym>,
}

/// When a principal last got a token.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The object id or application id.
    pub principal: Sym,
    /// The last time within the window of the logs.
    pub last: Instant,
}

/// A grant of a vault's own list, which role assignments do not show.
#[derive(Clone, Debug)]
pub struct AccessPolicy {
    /// The object id.
    pub principal: Sym,
    /// `secrets/get`, `keys/sign`, … lower-case.
    pub permissions: Vec<Sym>,
}

/// A key vault.
#[derive(Clone, Debug)]
pub struct Vault {
    /// The ARM id.
    pub id: Sym,
    /// Whether role assignments decide. Absent means access policies decide.
    pub uses_roles: bool,
    /// Its access policies, in force only where roles do not decide.
    pub policies: Vec<AccessPolicy>,
}

/// A policy assignment with an identity of its own.
#[derive(Clone, Debug)]
pub struct PolicyAssignment {
    /// The ARM id.
    pub id: Sym,
    /// Its display name.
    pub name: Sym,
    /// The definition or set of definitions.
    pub definition: Option<Sym>,
    /// Its identities.
    pub identity: Option<Box<IdentityBlock>>,
}

/// A policy definition, or a set of them.
#[derive(Clone, Debug)]
pub struct PolicyDefinition {
    /// The ARM id.
    pub id: Sym,
    /// The roles that its deployments ask for.
    pub roles: Vec<Sym>,
    /// For a set, the definitions in it.
    pub members: Vec<Sym>,
}

/// What Azure says uses a user-assigned identity.
#[derive(Clone, Debug)]
pub struct Association {
    /// The identity.
    pub identity: Sym,
    /// The resources.
    pub resources: Vec<Sym>,
}

/// The principal that stands for everyone in a deny assignment.
/// Source: Azure RBAC documentation, "Understand Azure deny assignments".
pub const EVERYONE: &str = "00000000-0000-0000-0000-000000000000";

/// An operation by name and plane, as users ask for it.
#[derive(Clone, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct Operation {
    /// The name, lower-case.
    pub name: String,
    /// The plane.
    pub plane: Plane,
}

impl Operation {
    /// An operation on the control plane.
    pub fn control(name: &str) -> Operation {
        Operation { name: name.trim().to_ascii_lowercase(), plane: Plane::Control }
    }

    /// An operation on the data plane.
    pub fn data(name: &str) -> Operation {
        Operation { name: name.trim().to_ascii_lowercase(), plane: Plane::Data }
    }
}
