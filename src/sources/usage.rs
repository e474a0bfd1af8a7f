//! Records of what was done: the Azure Activity Log as the REST API and the Azure CLI answer it, as diagnostic settings archive
//! it and as Log Analytics exports it, and the resource logs of Key Vault and Storage that name who asked.
//!
//! The right comes from `authorization.action`, the principal from its object or application id: names are translated, and ids
//! are not. What only began is no use yet, what failed is none. Sources: "Azure Activity Log event schema", "Azure Key Vault
//! logging", "Azure Blob Storage monitoring data reference". Not here: adding records up (`activity`).

use super::messages;
use crate::model::Instant;
use serde::Deserialize;
use std::borrow::Cow;

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// It was done.
    Done,
    /// It was refused for want of a right.
    Denied,
    /// It failed otherwise.
    Failed,
}

/// Something that a principal did, or tried to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Event {
    /// Its object id, or else its application id, lower-case.
    pub(super) who: String,
    /// The operation, lower-case.
    pub(super) operation: String,
    /// Whether it is one of the data plane.
    pub(super) data: bool,
    /// The resource.
    pub(super) scope: String,
    pub(super) at: Instant,
    pub(super) outcome: Outcome,
}

/// What a record is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Record {
    /// None of these logs'.
    Other,
    /// One that says nothing of use: it only began, or is no principal's.
    Nothing(Option<Instant>),
    /// Something done or tried.
    Event(Event),
    /// One of these logs' that lacks something.
    Broken(&'static str),
}

/// A text, or an object with one as its value.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text<'a> {
    Plain(#[serde(borrow)] Cow<'a, str>),
    Valued {
        #[serde(borrow)]
        value: Option<Cow<'a, str>>,
    },
    Other(serde::de::IgnoredAny),
}

impl Text<'_> {
    fn get(&self) -> &str {
        match self {
            Text::Plain(text) => text,
            Text::Valued { value } => value.as_deref().unwrap_or_default(),
            Text::Other(_) => "",
        }
    }
}

#[derive(Deserialize)]
struct Claims<'a> {
    #[serde(borrow, rename = "http://schemas.microsoft.com/identity/claims/objectidentifier", alias = "oid")]
    object: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "appid")]
    application: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Right<'a> {
    #[serde(borrow)]
    action: Option<Cow<'a, str>>,
    #[serde(borrow)]
    scope: Option<Cow<'a, str>>,
    #[serde(borrow)]
    result: Option<Cow<'a, str>>,
}

/// One right, several, or the text of one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Rights<'a> {
    One(#[serde(borrow)] Right<'a>),
    Many(#[serde(borrow)] Vec<Right<'a>>),
    Inside(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Requester<'a> {
    #[serde(borrow)]
    object_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    app_id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Identity<'a> {
    #[serde(borrow)]
    authorization: Option<Rights<'a>>,
    #[serde(borrow, alias = "claim")]
    claims: Option<Claims<'a>>,
    #[serde(borrow)]
    requester: Option<Requester<'a>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Claimed<'a> {
    Whole(#[serde(borrow)] Claims<'a>),
    Inside(String),
}

/// One table of Log Analytics has a column in two or three spellings, so that each is a field of its own.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    authorization: Option<Rights<'a>>,
    #[serde(borrow, rename = "Authorization")]
    authorization_text: Option<Rights<'a>>,
    #[serde(borrow, rename = "Authorization_d")]
    authorization_d: Option<Rights<'a>>,
    #[serde(borrow)]
    claims: Option<Claimed<'a>>,
    #[serde(borrow, rename = "Claims")]
    claims_text: Option<Claimed<'a>>,
    #[serde(borrow, rename = "Claims_d")]
    claims_d: Option<Claimed<'a>>,
    #[serde(borrow)]
    identity: Option<Identity<'a>>,
    #[serde(borrow)]
    caller: Option<Text<'a>>,
    #[serde(borrow, rename = "Caller")]
    caller_column: Option<Text<'a>>,
    #[serde(borrow, rename = "operationName")]
    operation: Option<Text<'a>>,
    #[serde(borrow)]
    category: Option<Text<'a>>,
    #[serde(borrow, rename = "CategoryValue")]
    category_value: Option<Text<'a>>,
    #[serde(borrow, rename = "Category")]
    category_column: Option<Text<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow, rename = "ActivityStatusValue")]
    status_value: Option<Text<'a>>,
    #[serde(borrow, rename = "resultType")]
    result_type: Option<Text<'a>>,
    #[serde(borrow, rename = "subStatus")]
    detail: Option<Text<'a>>,
    #[serde(borrow, rename = "ActivitySubstatusValue")]
    detail_value: Option<Text<'a>>,
    #[serde(borrow, rename = "resultSignature")]
    signature: Option<Text<'a>>,
    #[serde(borrow, rename = "eventTimestamp")]
    timestamp: Option<Text<'a>>,
    #[serde(borrow, rename = "TimeGenerated")]
    generated: Option<Text<'a>>,
    #[serde(borrow)]
    time: Option<Text<'a>>,
    #[serde(borrow, rename = "resourceId")]
    resource: Option<Text<'a>>,
    #[serde(borrow, rename = "_ResourceId")]
    resource_column: Option<Text<'a>>,
    #[serde(borrow, rename = "ResourceId")]
    resource_text: Option<Text<'a>>,
    #[serde(rename = "statusCode")]
    code: Option<serde_json::Value>,
}

/// The first of several that says something.
fn first<'t>(texts: &[&'t Option<Text<'_>>]) -> &'t str {
    texts.iter().filter_map(|t| t.as_ref()).map(Text::get).find(|t| !t.is_empty()).unwrap_or_default()
}

impl Raw<'_> {
    fn category(&self) -> &str {
        first(&[&self.category, &self.category_value, &self.category_column])
    }

    /// The authorization, in each spelling that is there.
    fn authorizations(&self) -> impl Iterator<Item = &Rights<'_>> {
        [&self.authorization, &self.authorization_d, &self.authorization_text].into_iter().flatten()
    }

    fn rights(&self) -> Option<(String, Option<String>, Option<String>)> {
        self.authorizations().find_map(|rights| right(Some(rights)))
    }

    fn has_rights(&self) -> bool {
        self.authorizations().next().is_some()
    }
}

/// Reads a record.
pub(super) fn record(bytes: &[u8]) -> Record {
    let Ok(raw) = serde_json::from_slice::<Raw<'_>>(bytes) else { return Record::Other };
    let category = raw.category();
    let vault = category.eq_ignore_ascii_case("AuditEvent");
    let storage =
        ["StorageRead", "StorageWrite", "StorageDelete"].iter().any(|c| category.eq_ignore_ascii_case(c));
    let own = raw.has_rights();
    let within = raw.identity.as_ref().is_some_and(|i| i.authorization.is_some());
    if !(own || within || vault || storage) {
        return messages::record(bytes).unwrap_or(Record::Other);
    }
    let at = Instant::parse(first(&[&raw.timestamp, &raw.generated, &raw.time]));
    let Some(at) = at else { return Record::Broken("its time") };
    // Policies, alerts and scaling speak of themselves.
    if !(vault || storage || category.is_empty() || category.eq_ignore_ascii_case("Administrative")) {
        return Record::Nothing(Some(at));
    }
    let Some(who) = who(&raw) else { return Record::Nothing(Some(at)) };
    let right = raw.rights().or_else(|| right(raw.identity.as_ref().and_then(|i| i.authorization.as_ref())));
    let resources = [&raw.resource, &raw.resource_column, &raw.resource_text];
    let resource = first(&resources);
    let (operation, scope) = match right {
        Some((action, scope, _)) => (action, scope.unwrap_or_else(|| resource.to_owned())),
        None if vault => match vault_operation(raw.operation.as_ref().map_or("", Text::get)) {
            Some(operation) => (operation.to_owned(), resource.to_owned()),
            None => return Record::Nothing(Some(at)),
        },
        None => return Record::Nothing(Some(at)),
    };
    if operation.is_empty() || scope.is_empty() {
        return Record::Broken("what was done, or to what");
    }
    let Some(outcome) = outcome(&raw, right_result(&raw)) else { return Record::Nothing(Some(at)) };
    let data = vault || storage;
    let scope = if storage { account(&scope, resource) } else { scope };
    Record::Event(Event { who, operation: operation.to_ascii_lowercase(), data, scope, at, outcome })
}

/// The action and scope of the first right that is named.
fn right(rights: Option<&Rights<'_>>) -> Option<(String, Option<String>, Option<String>)> {
    let of = |r: &Right<'_>| {
        Some((
            r.action.as_deref()?.to_owned(),
            r.scope.as_deref().map(str::to_owned),
            r.result.as_deref().map(str::to_owned),
        ))
    };
    match rights? {
        Rights::One(right) => of(right),
        Rights::Many(all) => all.iter().find_map(of),
        Rights::Inside(text) => of(&serde_json::from_str(text).ok()?),
    }
}

fn right_result(raw: &Raw<'_>) -> Option<String> {
    right(raw.identity.as_ref().and_then(|i| i.authorization.as_ref())).and_then(|(_, _, result)| result)
}

fn who(raw: &Raw<'_>) -> Option<String> {
    let of = |claims: &Claims<'_>| {
        let id = claims.object.as_deref().or(claims.application.as_deref())?;
        Some(id.to_ascii_lowercase())
    };
    let claimed = [&raw.claims, &raw.claims_d, &raw.claims_text].into_iter().flatten();
    let own = claimed.filter_map(|claimed| match claimed {
        Claimed::Whole(claims) => of(claims),
        Claimed::Inside(text) => serde_json::from_str::<Claims<'_>>(text).ok().as_ref().and_then(of),
    });
    let own = own.into_iter().next();
    let identity = raw.identity.as_ref();
    let requester = identity.and_then(|i| i.requester.as_ref());
    // A workload calls by its object id, a person by a name.
    let callers = [&raw.caller, &raw.caller_column];
    let caller = Some(first(&callers)).filter(|c| crate::model::is_guid(c)).map(str::to_ascii_lowercase);
    own.or(caller).or_else(|| identity.and_then(|i| i.claims.as_ref()).and_then(of)).or_else(|| {
        let id = requester?.object_id.as_deref().or(requester?.app_id.as_deref())?;
        Some(id.to_ascii_lowercase())
    })
}

/// What became of it; none of what only began.
fn outcome(raw: &Raw<'_>, result: Option<String>) -> Option<Outcome> {
    let status = first(&[&raw.status, &raw.status_value, &raw.result_type]).to_ascii_lowercase();
    let detail = first(&[&raw.detail, &raw.detail_value, &raw.signature]).to_ascii_lowercase();
    let code = raw.code.as_ref().map(serde_json::Value::to_string).unwrap_or_default();
    let refused = ["forbidden", "authorizationfailed", "unauthorized", "403", "401"];
    if result.is_some_and(|r| r.eq_ignore_ascii_case("denied"))
        || refused.iter().any(|word| detail.contains(word))
        || ["403", "401"].iter().any(|c| code.trim_matches('"') == *c)
    {
        return Some(Outcome::Denied);
    }
    match status.as_str() {
        "started" | "start" | "accepted" | "accept" | "active" => None,
        "succeeded" | "success" | "resolved" => Some(Outcome::Done),
        "failed" | "failure" => Some(Outcome::Failed),
        // Storage says it by the code alone.
        _ if code.trim_matches('"').starts_with('2') => Some(Outcome::Done),
        _ if !code.is_empty() => Some(Outcome::Failed),
        _ => None,
    }
}

/// The storage account that a service of it belongs to.
fn account(scope: &str, resource: &str) -> String {
    let id = if scope.contains("/storageAccounts/") { scope } else { resource };
    match id.find("/storageAccounts/").map(|at| at + "/storageAccounts/".len()) {
        Some(name) => {
            let end = id.get(name..).and_then(|rest| rest.find('/')).map_or(id.len(), |n| name + n);
            id.get(..end).unwrap_or(id).to_owned()
        }
        None => id.to_owned(),
    }
}

/// The operation of Azure that one of Key Vault's own names is.
fn vault_operation(name: &str) -> Option<&'static str> {
    Some(match name {
        "SecretGet" => "microsoft.keyvault/vaults/secrets/getsecret/action",
        "SecretList" | "SecretListVersions" => "microsoft.keyvault/vaults/secrets/readmetadata/action",
        "SecretSet" => "microsoft.keyvault/vaults/secrets/setsecret/action",
        "SecretUpdate" => "microsoft.keyvault/vaults/secrets/update/action",
        "SecretDelete" => "microsoft.keyvault/vaults/secrets/delete",
        "SecretBackup" => "microsoft.keyvault/vaults/secrets/backup/action",
        "KeyGet" | "KeyList" | "KeyListVersions" => "microsoft.keyvault/vaults/keys/read",
        "KeyCreate" => "microsoft.keyvault/vaults/keys/create/action",
        "KeyDelete" => "microsoft.keyvault/vaults/keys/delete",
        "KeySign" => "microsoft.keyvault/vaults/keys/sign/action",
        "KeyVerify" => "microsoft.keyvault/vaults/keys/verify/action",
        "KeyEncrypt" => "microsoft.keyvault/vaults/keys/encrypt/action",
        "KeyDecrypt" => "microsoft.keyvault/vaults/keys/decrypt/action",
        "KeyWrap" => "microsoft.keyvault/vaults/keys/wrap/action",
        "KeyUnwrap" => "microsoft.keyvault/vaults/keys/unwrap/action",
        "CertificateGet" | "CertificateList" => "microsoft.keyvault/vaults/certificates/read",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Event {
        match record(text.as_bytes()) {
            Record::Event(event) => event,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_same_deed_reads_the_same_from_every_form() {
        let rest = event(
            r#"{"authorization":{"action":"Microsoft.Web/sites/write","scope":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/a"},
            "caller":"x","claims":{"http://schemas.microsoft.com/identity/claims/objectidentifier":"AB"},"category":{"value":"Administrative","localizedValue":"Verwaltung"},
            "eventTimestamp":"2026-05-01T00:00:00Z","operationName":{"value":"Microsoft.Web/sites/write","localizedValue":"Web-App aktualisieren"},
            "status":{"value":"Succeeded","localizedValue":"Erfolgreich"},"subStatus":{"value":"OK"}}"#,
        );
        let archived = event(
            r#"{"time":"2026-05-01T00:00:00Z","resourceId":"/SUBSCRIPTIONS/S","operationName":"MICROSOFT.WEB/SITES/WRITE","category":"Administrative","resultType":"Success","resultSignature":"Succeeded.OK",
            "identity":{"authorization":{"scope":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/a","action":"Microsoft.Web/sites/write","evidence":{"role":"Contributor"}},"claims":{"http://schemas.microsoft.com/identity/claims/objectidentifier":"ab","appid":"c"}}}"#,
        );
        let exported = event(
            r#"{"TimeGenerated":"2026-05-01T00:00:00Z","CategoryValue":"Administrative","ActivityStatusValue":"Success","ActivitySubstatusValue":"OK","OperationNameValue":"x",
            "Authorization":"{\"action\":\"Microsoft.Web/sites/write\",\"scope\":\"/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/a\"}",
            "Claims":"{\"http://schemas.microsoft.com/identity/claims/objectidentifier\":\"ab\"}"}"#,
        );
        // The table as it is: a column in each of its spellings, and some of them empty.
        let whole = event(
            r#"{"TimeGenerated":"2026-05-01T00:00:00Z","Category":"Administrative","CategoryValue":"Administrative","ActivityStatus":"","ActivityStatusValue":"Success","ActivitySubstatusValue":"OK",
            "Authorization":"{\"action\":\"Microsoft.Web/sites/write\",\"scope\":\"/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/a\"}",
            "Authorization_d":{"action":"Microsoft.Web/sites/write","scope":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/a"},
            "Claims":"","Claims_d":{"http://schemas.microsoft.com/identity/claims/objectidentifier":"ab"},"ResourceId":"","_ResourceId":"/subscriptions/s"}"#,
        );
        assert_eq!(rest, archived);
        assert_eq!(rest, exported);
        assert_eq!(rest, whole);
        assert_eq!((rest.outcome, rest.data), (Outcome::Done, false));
    }

    #[test]
    fn what_began_or_was_refused_is_no_use() {
        let with = |status: &str, sub: &str| {
            format!(
                r#"{{"authorization":{{"action":"a/b/write","scope":"/s"}},"claims":{{"appid":"x"}},"eventTimestamp":"2026-05-01T00:00:00Z","status":{{"value":"{status}"}},"subStatus":{{"value":"{sub}"}}}}"#
            )
        };
        assert!(matches!(record(with("Started", "").as_bytes()), Record::Nothing(_)));
        assert_eq!(event(&with("Failed", "Forbidden")).outcome, Outcome::Denied);
        assert_eq!(event(&with("Failed", "Conflict")).outcome, Outcome::Failed);
        assert_eq!(record(br#"{"servicePrincipalId":"x","time":"2026-05-01T00:00:00Z"}"#), Record::Other);
    }

    #[test]
    fn resource_logs_name_rights_of_the_data_plane() {
        let vault = event(
            r#"{"time":"2026-05-01T00:00:00Z","category":"AuditEvent","operationName":"SecretGet","resultType":"Success","resultSignature":"OK","resourceId":"/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v",
            "identity":{"claim":{"http://schemas.microsoft.com/identity/claims/objectidentifier":"ab","appid":"c"}},"properties":{"httpStatusCode":200}}"#,
        );
        assert_eq!(
            (vault.operation.as_str(), vault.data),
            ("microsoft.keyvault/vaults/secrets/getsecret/action", true)
        );
        let storage = event(
            r#"{"time":"2026-05-01T00:00:00Z","category":"StorageRead","operationName":"GetBlob","statusCode":200,"resourceId":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a/blobServices/default",
            "identity":{"type":"OAuth","requester":{"objectId":"ab"},"authorization":[{"action":"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read","result":"Granted"}]}}"#,
        );
        assert!(storage.scope.ends_with("/storageAccounts/a"), "{storage:?}");
        assert_eq!(storage.outcome, Outcome::Done);
    }
}
