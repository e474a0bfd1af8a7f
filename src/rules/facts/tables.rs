//! What is worked out once for each identity, role, scope and credential before rules run.

use crate::policy::Verdict;
use crate::rbac::Class;
use std::collections::BTreeSet;

/// What is known of an identity.
#[derive(Clone, Debug, Default)]
pub struct IdentityFacts {
    /// Whether identity rules judge it.
    pub judged: bool,
    /// Whether it may be something else than a managed identity.
    pub uncertain: bool,
    /// Its environment, by configuration, tag or name.
    pub environment: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Whether it is configured as a platform identity.
    pub platform: bool,
    /// How many grants in force it holds, groups included.
    pub grants: usize,
    /// How many of them through groups.
    pub group_grants: usize,
    /// How many vaults name it in their access policies.
    pub vault_policies: usize,
    /// How many grants of other authorization systems it holds.
    pub other_grants: usize,
    /// The classes of operations that it holds anywhere.
    pub classes: BTreeSet<Class>,
    /// The same, by name.
    pub class_names: Vec<String>,
    /// Whether it can do harm beyond its own resources.
    pub privileged: bool,
    /// The workloads that its hosts belong to.
    pub workloads: Vec<String>,
    /// The environments of its hosts.
    pub host_environments: Vec<String>,
    /// Resource groups of its hosts, as scope numbers.
    pub host_groups: Vec<usize>,
    /// Other subscriptions than its own in which it holds grants that are no shared service's.
    pub foreign_subscriptions: Vec<String>,
    /// Days since it was made, or since its oldest grant.
    pub age_days: Option<i64>,
    /// Days since it last got a token, or the length of the logs if it never did.
    pub quiet_days: Option<i64>,
    /// When it last got a token.
    pub last_sign_in: Option<String>,
    /// How often it asked for a token and got none, where sign-in logs say.
    pub refused_tokens: Option<u64>,
    /// What the naming convention says.
    pub naming: Option<Verdict>,
    /// Where other words contradict its environment.
    pub conflicts: Vec<String>,
    /// Required tags that it lacks.
    pub missing_tags: Vec<String>,
    /// How much of what it holds it used, where a log says.
    pub use_index: Option<UseIndex>,
    /// Whether a rule asked for its ways to more power.
    pub ways_known: bool,
    /// The worst place of power that it gets to and does not hold, where a rule asked.
    pub escalates_to: String,
    /// In how many steps.
    pub escalation_steps: usize,
    /// How sure the way is.
    pub escalation_confidence: &'static str,
}

/// How much of what an identity holds on the control plane it used, reads aside: operations weighed by class.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UseIndex {
    /// What it holds weighs.
    pub granted: u64,
    /// What it used of that weighs.
    pub used: u64,
    /// Distinct operations that it was refused.
    pub denied: usize,
    /// In days, what the log covers.
    pub days: i64,
}

impl UseIndex {
    /// In percent; 100 where there is nothing to use. What was used shows as 1 at least.
    pub fn percent(self) -> u64 {
        match (self.granted, self.used) {
            (0, _) => 100,
            (_, 0) => 0,
            (granted, used) => (used * 100 / granted).max(1),
        }
    }
}

/// What is known of a role beyond its profile.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoleFacts {
    pub(crate) classes: Vec<String>,
    pub(crate) wildcards: Vec<String>,
    pub(crate) escalations: Vec<String>,
    pub(crate) authorization_escalation: bool,
    pub(crate) assignable_level: &'static str,
    pub(crate) assigned: bool,
    pub(crate) in_policy: bool,
    pub(crate) keeps_authorization: bool,
    pub(crate) naming: Option<Verdict>,
}

/// What is known of a federated credential.
#[derive(Clone, Debug, Default)]
pub(crate) struct CredentialFacts {
    pub(crate) issuer_class: &'static str,
    pub(crate) host: String,
    pub(crate) organisation: Option<String>,
    pub(crate) trusted: Option<bool>,
    pub(crate) pull_request: bool,
    pub(crate) literal_wildcard: bool,
    pub(crate) open: Vec<String>,
    pub(crate) looseness: String,
    pub(crate) wrong_audiences: Vec<String>,
    pub(crate) expected_audience: &'static str,
    pub(crate) naming: Option<Verdict>,
}

/// What is known of a policy assignment with an identity.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicyFacts {
    pub(crate) held: Vec<String>,
    pub(crate) asked: Vec<String>,
    pub(crate) excess: Vec<String>,
    pub(crate) known: bool,
    pub(crate) privileged: bool,
}
