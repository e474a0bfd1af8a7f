//! What kind of harm an operation can do, from its name and plane alone.
//!
//! The classes order by what their abuse gives: authorization over identity over credential over execution over
//! data over writes over reads. Sources of the operations named here: Azure's own operation list, the attack
//! techniques of the Azure Threat Research Matrix, and the documentation of managed identities on what it takes to
//! use one ("Managed identities for Azure resources frequently asked questions").

use crate::model::{ActionPattern, Plane};

/// A kind of harm, least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Class {
    /// Sees how resources are set up.
    Read,
    /// Sees data.
    DataRead,
    /// Changes resources.
    Write,
    /// Changes data.
    DataWrite,
    /// Runs code where an identity lives.
    Execution,
    /// Gets a secret, a key or a token.
    Credential,
    /// Becomes another identity.
    Identity,
    /// Changes who may do what.
    Authorization,
}

impl Class {
    /// Every class, least first.
    pub const ALL: [Class; 8] = [
        Class::Read,
        Class::DataRead,
        Class::Write,
        Class::DataWrite,
        Class::Execution,
        Class::Credential,
        Class::Identity,
        Class::Authorization,
    ];

    /// The name in reports and rules.
    pub const fn name(self) -> &'static str {
        match self {
            Class::Read => "read",
            Class::DataRead => "data-read",
            Class::Write => "write",
            Class::DataWrite => "data-write",
            Class::Execution => "execution",
            Class::Credential => "credential",
            Class::Identity => "identity",
            Class::Authorization => "authorization",
        }
    }
}

/// Operations that decide who may do what.
const AUTHORIZATION: &[&str] = &[
    "microsoft.authorization/roleassignments/write",
    "microsoft.authorization/roleassignments/delete",
    "microsoft.authorization/roledefinitions/write",
    "microsoft.authorization/elevateaccess/action",
    "microsoft.authorization/denyassignments/write",
    "microsoft.authorization/denyassignments/delete",
    "microsoft.authorization/roleassignmentschedulerequests/write",
    "microsoft.authorization/roleeligibilityschedulerequests/write",
    "microsoft.authorization/rolemanagementpolicies/write",
    "microsoft.authorization/policydefinitions/write",
    "microsoft.authorization/policysetdefinitions/write",
    "microsoft.authorization/policyassignments/write",
    "microsoft.blueprint/blueprintassignments/write",
];

/// Operations that make one identity into another.
const IDENTITY: &[&str] = &[
    "microsoft.managedidentity/userassignedidentities/assign/action",
    "microsoft.managedidentity/userassignedidentities/federatedidentitycredentials/write",
];

/// Control-plane operations that run code on a host, or change the code that it runs.
const EXECUTION: &[&str] = &[
    "microsoft.compute/virtualmachines/runcommand/action",
    "microsoft.compute/virtualmachines/runcommands/write",
    "microsoft.compute/virtualmachines/extensions/write",
    "microsoft.compute/virtualmachines/write",
    "microsoft.compute/virtualmachinescalesets/write",
    "microsoft.compute/virtualmachinescalesets/extensions/write",
    "microsoft.compute/virtualmachinescalesets/virtualmachines/runcommand/action",
    "microsoft.compute/virtualmachinescalesets/virtualmachines/runcommands/write",
    "microsoft.compute/galleries/applications/versions/write",
    "microsoft.serialconsole/serialports/connect/action",
    "microsoft.guestconfiguration/guestconfigurationassignments/write",
    "microsoft.hybridcompute/machines/runcommands/write",
    "microsoft.hybridcompute/machines/extensions/write",
    "microsoft.containerservice/managedclusters/runcommand/action",
    "microsoft.web/sites/write",
    "microsoft.web/sites/slots/write",
    "microsoft.web/sites/config/write",
    "microsoft.web/sites/sourcecontrols/write",
    "microsoft.web/sites/publish/action",
    "microsoft.web/sites/functions/write",
    "microsoft.logic/workflows/write",
    "microsoft.automation/automationaccounts/runbooks/draft/write",
    "microsoft.automation/automationaccounts/runbooks/publish/action",
    "microsoft.automation/automationaccounts/jobs/write",
    "microsoft.automation/automationaccounts/modules/write",
    "microsoft.containerinstance/containergroups/write",
    "microsoft.containerinstance/containergroups/containers/exec/action",
    "microsoft.app/containerapps/write",
    "microsoft.app/jobs/write",
    "microsoft.containerregistry/registries/tasks/write",
    "microsoft.containerregistry/registries/push/write",
    "microsoft.containerregistry/registries/importimage/action",
    "microsoft.containerregistry/registries/schedulerun/action",
    "microsoft.batch/batchaccounts/pools/write",
    "microsoft.datafactory/factories/pipelines/write",
    "microsoft.machinelearningservices/workspaces/computes/write",
    "microsoft.machinelearningservices/workspaces/jobs/write",
    "microsoft.resources/deploymentscripts/write",
    "microsoft.apimanagement/service/policies/write",
];

/// Data-plane operations that run code on a host.
const DATA_EXECUTION: &[&str] = &[
    "microsoft.app/containerapps/exec/action",
    "microsoft.compute/virtualmachines/login/action",
    "microsoft.compute/virtualmachines/loginasadmin/action",
    "microsoft.compute/virtualmachines/wacloginasadmin/action",
    "microsoft.hybridcompute/machines/login/action",
    "microsoft.hybridcompute/machines/loginasadmin/action",
    "microsoft.hybridcompute/machines/wacloginasadmin/action",
    "microsoft.containerservice/managedclusters/pods/write",
    "microsoft.containerservice/managedclusters/pods/exec/action",
    "microsoft.containerservice/managedclusters/serviceaccounts/impersonate/action",
];

/// Operations that give a secret and are not called so.
const CREDENTIAL: &[&str] = &[
    "microsoft.keyvault/vaults/accesspolicies/write",
    "microsoft.keyvault/vaults/write",
    "microsoft.sql/servers/administrators/write",
    "microsoft.sql/servers/write",
    "microsoft.compute/disks/begingetaccess/action",
    "microsoft.compute/snapshots/begingetaccess/action",
    "microsoft.web/sites/config/list/action",
    "microsoft.web/sites/publishxml/action",
    "microsoft.documentdb/databaseaccounts/sqlroleassignments/write",
];

/// Data-plane operations that give a secret.
const DATA_CREDENTIAL: &[&str] = &[
    "microsoft.keyvault/vaults/secrets/getsecret/action",
    "microsoft.keyvault/vaults/secrets/backup/action",
    "microsoft.containerservice/managedclusters/secrets/read",
];

const SECRET_WORDS: &[&str] =
    &["key", "secret", "credential", "connectionstring", "token", "sas", "password"];

/// The class of an operation; its name in lower case.
pub fn classify(plane: Plane, name: &str) -> Class {
    let is = |list: &[&str]| list.contains(&name);
    match plane {
        Plane::Control if is(AUTHORIZATION) => Class::Authorization,
        Plane::Control if is(IDENTITY) => Class::Identity,
        Plane::Control if is(CREDENTIAL) || gives_secret(name) => Class::Credential,
        Plane::Control if is(EXECUTION) => Class::Execution,
        // Signs with the holder's own data rights and gives none of its own.
        Plane::Control if name.ends_with("/read") || name.ends_with("/generateuserdelegationkey/action") => {
            Class::Read
        }
        Plane::Control => Class::Write,
        Plane::Data if is(DATA_CREDENTIAL) => Class::Credential,
        Plane::Data if is(DATA_EXECUTION) => Class::Execution,
        Plane::Data if name.ends_with("/read") || name.ends_with("/readmetadata/action") => Class::DataRead,
        Plane::Data => Class::DataWrite,
    }
}

/// `…/listKeys/action` and its many kin.
fn gives_secret(name: &str) -> bool {
    let Some(head) = name.strip_suffix("/action") else { return false };
    let verb = head.rsplit('/').next().unwrap_or(head);
    let lists = ["list", "regenerate", "get", "show"].iter().any(|w| verb.starts_with(w));
    lists && SECRET_WORDS.iter().any(|w| verb.contains(w))
}

/// The class of a pattern that names nothing known: by what it ends in, and at least a write if that is open.
pub fn classify_pattern(plane: Plane, pattern: &ActionPattern) -> Class {
    classify(plane, pattern.text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rbac::catalog::Catalog;

    #[test]
    fn classes_of_well_known_operations() {
        let control = |n: &str| classify(Plane::Control, n);
        assert_eq!(control("microsoft.authorization/roleassignments/write"), Class::Authorization);
        assert_eq!(control("microsoft.authorization/locks/write"), Class::Write);
        assert_eq!(control("microsoft.storage/storageaccounts/listkeys/action"), Class::Credential);
        assert_eq!(control("microsoft.keyvault/vaults/secrets/read"), Class::Read);
        assert_eq!(control("microsoft.compute/virtualmachines/runcommand/action"), Class::Execution);
        assert_eq!(
            classify(Plane::Data, "microsoft.keyvault/vaults/secrets/getsecret/action"),
            Class::Credential
        );
        assert_eq!(
            classify(Plane::Data, "microsoft.storage/storageaccounts/blobservices/containers/blobs/read"),
            Class::DataRead
        );
        assert_eq!(classify_pattern(Plane::Control, &ActionPattern::new("New.Provider/*")), Class::Write);
        assert_eq!(classify_pattern(Plane::Control, &ActionPattern::new("New.Provider/*/read")), Class::Read);
    }

    #[test]
    fn every_listed_operation_exists() {
        let operations = Catalog::embedded().operations();
        let lists = [
            (Plane::Control, AUTHORIZATION),
            (Plane::Control, IDENTITY),
            (Plane::Control, EXECUTION),
            (Plane::Control, CREDENTIAL),
            (Plane::Data, DATA_EXECUTION),
            (Plane::Data, DATA_CREDENTIAL),
        ];
        let missing: Vec<&str> = lists
            .iter()
            .flat_map(|(plane, list)| list.iter().copied().filter(|n| operations.find(*plane, n).is_none()))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
