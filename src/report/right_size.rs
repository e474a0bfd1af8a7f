//! What identities should have instead of what they hold. Not here: working it out (`app`).

/// A grant, as people read it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeldRow {
    /// The role's name.
    pub role: String,
    /// The scope's ARM id.
    pub scope: String,
    /// The assignment's ARM id; empty for one to make.
    pub assignment: String,
}

/// Of one identity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RightSizeRow {
    /// Its name.
    pub identity: String,
    /// Its ARM id.
    pub identity_id: String,
    /// Its object id.
    pub principal_id: String,
    /// What it rests on: `activity` or `topology`.
    pub basis: &'static str,
    /// What to make first.
    pub create: Vec<HeldRow>,
    /// What to delete once all works.
    pub delete: Vec<HeldRow>,
    /// Resources that the deleted grants apply to; from topology alone.
    pub before: usize,
    /// Those that the new ones do.
    pub after: usize,
    /// Operations that go, by class, the worst first; from activity alone.
    pub removed: Vec<(&'static str, usize)>,
}
