//! Changes of grants as a person makes them: what to create, what to delete after, and the way back. Not here: the words of a
//! shell or of a language of infrastructure (`render`).

/// A role that a grant gives.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RoleRef {
    /// One that is there: its GUID and name.
    Known(String, String),
    /// One that is made first, by its position.
    Made(usize),
}

/// A grant to make, or one that is there.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RemedyGrant {
    /// The ARM id of the assignment; empty for one to make.
    pub assignment: String,
    /// The object id of whoever holds it.
    pub principal: String,
    /// The role.
    pub role: RoleRef,
    /// The scope's ARM id.
    pub scope: String,
    /// Its condition.
    pub condition: Option<String>,
}

/// A custom role to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemedyRole {
    /// Its name.
    pub name: String,
    /// What it allows on the control plane.
    pub actions: Vec<String>,
    /// What it allows on the data plane.
    pub data_actions: Vec<String>,
    /// Where it can be assigned.
    pub assignable: String,
}

/// All of it, in the order in which it is done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Remedy {
    /// Whose, by name.
    pub identity: String,
    /// Roles to make first.
    pub roles: Vec<RemedyRole>,
    /// Grants to make then.
    pub create: Vec<RemedyGrant>,
    /// Grants to delete once all works.
    pub delete: Vec<RemedyGrant>,
}
