//! What lets somebody into a resource who holds no role on what lies behind it: keys, accounts of its own, commands that
//! Azure passes on. Absent is not known, except where the service says what absent means.
//!
//! Sources: "Disable local authentication" of the services named here, "Manage local accounts with AKS-managed Microsoft
//! Entra integration", "Disable command invoke" of AKS, "Prevent Shared Key authorization". Not here: secrets in settings
//! (`settings`).

use crate::model::Doors;
use serde::Deserialize;

const CLUSTERS: &str = "Microsoft.ContainerService/managedClusters";
const STORAGE: &str = "Microsoft.Storage/storageAccounts";
/// Services that take their own keys until they are told not to.
const KEYED: [&str; 12] = [
    "Microsoft.AppConfiguration/configurationStores",
    "Microsoft.CognitiveServices/accounts",
    "Microsoft.DocumentDB/databaseAccounts",
    "Microsoft.EventGrid/domains",
    "Microsoft.EventGrid/namespaces",
    "Microsoft.EventGrid/topics",
    "Microsoft.EventHub/namespaces",
    "Microsoft.Relay/namespaces",
    "Microsoft.Search/searchServices",
    "Microsoft.ServiceBus/namespaces",
    "Microsoft.SignalRService/SignalR",
    "Microsoft.SignalRService/WebPubSub",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    allow_shared_key_access: Option<bool>,
    disable_local_auth: Option<bool>,
    disable_local_accounts: Option<bool>,
    api_server_access_profile: Option<Profile>,
    /// What was said before, by a snapshot of ours.
    doors: Option<Said>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    disable_run_command: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    keys: Option<bool>,
    local_accounts: Option<bool>,
    run_command: Option<bool>,
}

/// What the properties of a resource of a type say.
pub(super) fn doors(kind: &str, properties: &str) -> Doors {
    let is = |known: &str| kind.eq_ignore_ascii_case(known);
    let (cluster, storage) = (is(CLUSTERS), is(STORAGE));
    if !cluster && !storage && !KEYED.into_iter().any(is) {
        return Doors::default();
    }
    // Properties of another shape say nothing that is known.
    let Ok(said) = serde_json::from_str::<Properties>(properties) else { return Doors::default() };
    if let Some(before) = said.doors {
        return Doors {
            keys: before.keys,
            local_accounts: before.local_accounts,
            run_command: before.run_command,
        };
    }
    let off = |disabled: Option<bool>| disabled.map(|disabled| !disabled);
    let profile = said.api_server_access_profile;
    Doors {
        // Storage takes requests that are signed with its keys unless somebody says no.
        keys: if storage {
            said.allow_shared_key_access.or(Some(true))
        } else {
            off(said.disable_local_auth)
        },
        local_accounts: off(said.disable_local_accounts).filter(|_| cluster),
        run_command: profile.and_then(|p| off(p.disable_run_command)).filter(|_| cluster),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_switched_off_is_known_and_what_is_not_said_is_not() {
        let of = |keys, local_accounts, run_command| Doors { keys, local_accounts, run_command };
        for (kind, properties, expected) in [
            (CLUSTERS, r#"{"disableLocalAccounts":true}"#, of(None, Some(false), None)),
            (
                CLUSTERS,
                r#"{"disableLocalAccounts":false,"apiServerAccessProfile":{"disableRunCommand":true}}"#,
                of(None, Some(true), Some(false)),
            ),
            (CLUSTERS, r#"{"disableLocalAccounts":"yes"}"#, Doors::default()),
            (CLUSTERS, r#"{"doors":{"runCommand":false}}"#, of(None, None, Some(false))),
            (
                "microsoft.documentdb/DATABASEACCOUNTS",
                r#"{"disableLocalAuth":true}"#,
                of(Some(false), None, None),
            ),
            (
                STORAGE,
                r#"{"allowSharedKeyAccess":false,"disableLocalAccounts":true}"#,
                of(Some(false), None, None),
            ),
            (STORAGE, "{}", of(Some(true), None, None)),
            (STORAGE, "null", Doors::default()),
            ("Microsoft.Other/things", r#"{"disableLocalAuth":true}"#, Doors::default()),
        ] {
            assert_eq!(doors(kind, properties), expected, "{kind} {properties}");
        }
    }
}
