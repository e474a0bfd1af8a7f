//! Secrets in the settings of resources: which settings hold one, never what it is.
//!
//! Source: "App settings and connection strings", "Manage secrets in Azure Container Apps". Not here: whether an identity
//! should do instead (`rules`), whether keys let in (`doors`).

use crate::model::Settings;
use serde_json::Value as Json;

/// Types whose settings are looked through, by how they begin.
const LOOKED_AT: [&str; 13] = [
    "terraform.azurerm/",
    "microsoft.web/",
    "microsoft.app/",
    "microsoft.containerinstance/",
    "microsoft.compute/virtualmachine",
    "microsoft.logic/",
    "microsoft.datafactory/",
    "microsoft.synapse/",
    "microsoft.batch/",
    "microsoft.automation/",
    "microsoft.apimanagement/",
    "microsoft.appconfiguration/",
    "microsoft.appplatform/",
];

/// Whose a secret is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Secret {
    /// A service of Azure's, which takes tokens of identities instead.
    Azure,
    Other,
}

/// Whether anything is looked for in resources of a type.
pub(super) fn matter(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    LOOKED_AT.iter().any(|begin| kind.starts_with(begin))
}

/// What the properties of a resource say, as names of settings.
pub(super) fn settings(properties: &Json) -> Option<Settings<String>> {
    let mut found = Settings::default();
    // What was said before, by a snapshot of ours.
    if let Some(before) = properties.get("secretSettings") {
        let names = |key: &str| before.get(key).and_then(Json::as_array).into_iter().flatten();
        let texts = |key: &str| names(key).filter_map(|n| n.as_str().map(str::to_owned)).collect();
        (found.azure, found.other) = (texts("azure"), texts("other"));
    } else {
        look(properties, 0, &mut found);
    }
    for names in [&mut found.azure, &mut found.other] {
        names.sort_unstable();
        names.dedup();
    }
    let empty = found.azure.is_empty() && found.other.is_empty();
    (!empty).then_some(found)
}

fn member<'v>(of: &'v Json, key: &str) -> Option<&'v Json> {
    of.as_object()?.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v)
}

fn look(value: &Json, depth: usize, found: &mut Settings<String>) {
    if depth > 40 {
        return;
    }
    match value {
        Json::Array(items) => items.iter().for_each(|i| look(i, depth + 1, found)),
        Json::Object(members) => {
            // `{"name": …, "value": …}` is a setting; any other member is one by its key.
            let name = member(value, "name").and_then(Json::as_str);
            for (key, inner) in members {
                let Some(text) = inner.as_str() else {
                    look(inner, depth + 1, found);
                    continue;
                };
                let is_value =
                    ["value", "connectionString", "secureValue"].iter().any(|v| v.eq_ignore_ascii_case(key));
                let setting = name.filter(|_| is_value).unwrap_or(key);
                match secret(setting, text) {
                    Some(Secret::Azure) => found.azure.push(setting.to_owned()),
                    Some(Secret::Other) => found.other.push(setting.to_owned()),
                    None => {}
                }
            }
        }
        _ => {}
    }
}

/// What a setting of this name and value holds.
fn secret(name: &str, value: &str) -> Option<Secret> {
    let (name, value) = (name.to_ascii_lowercase(), value.trim().to_ascii_lowercase());
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let has = |needles: &[&str]| needles.iter().any(|n| value.contains(n));
    // A reference into a vault is what a setting should be; what only tells where to send telemetry is no secret.
    if value.is_empty() || value.starts_with("@microsoft.keyvault(") || has(&["instrumentationkey="]) {
        return None;
    }
    // The share of a plan's files takes no identity.
    let whose = if name == "websitecontentazurefileconnectionstring" { Secret::Other } else { Secret::Azure };
    let signed = has(&["sig="]) && has(&["sv=", "se="]);
    if signed || has(&["accountkey=", "sharedaccesskey=", "sharedaccesssignature="]) || asked_for(&value) {
        return Some(whose);
    }
    if has(&["password=", "pwd="]) {
        let azure = has(&[".windows.net", ".azure.com", ".usgovcloudapi.net", ".chinacloudapi.cn"]);
        return Some(if azure { Secret::Azure } else { Secret::Other });
    }
    // Names say it, too, if what they name is not only where the secret lies.
    let elsewhere =
        ["name", "ref", "reference", "uri", "url", "id", "version", "expiry", "enabled", "type", "path"];
    if elsewhere.iter().any(|e| name.ends_with(e)) || value.starts_with("https://") || value.len() < 8 {
        return None;
    }
    if ["clientsecret", "appsecret", "storageaccountkey", "accountaccesskey", "cosmosdbkey", "servicebuskey"]
        .iter()
        .any(|n| name.ends_with(n))
    {
        return Some(Secret::Azure);
    }
    ["password", "apikey", "secretkey"].iter().any(|n| name.ends_with(n)).then_some(Secret::Other)
}

/// Whether a value that is only known on deployment is a key or a connection string that a service is asked for.
fn asked_for(value: &str) -> bool {
    let mut symbols = value.match_indices("${").filter_map(|(at, _)| value.get(at..));
    symbols.any(|symbol| {
        let asks = symbol.find("list").is_some_and(|at| {
            let call = symbol.get(at..).and_then(|s| s.split_once('(')).map_or("", |(call, _)| call);
            call.len() < 40
                && ["key", "connectionstring", "sas", "credential"].iter().any(|what| call.contains(what))
        });
        let inside = symbol.split_once('}').map_or(symbol, |(inside, _)| inside);
        let last = inside.rsplit('.').next().unwrap_or_default();
        asks || [
            "access_key",
            "connection_string",
            "primary_key",
            "secondary_key",
            "primary_shared_key",
            "sas",
        ]
        .iter()
        .any(|end| last.ends_with(end) && !inside.contains("azurerm_application_insights"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_of_azure_are_told_from_others_and_from_none() {
        for (name, value, expected) in [
            (
                "AzureWebJobsStorage",
                "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=abc",
                Some(Secret::Azure),
            ),
            ("Bus", "Endpoint=sb://x;SharedAccessKey=abc", Some(Secret::Azure)),
            ("K", "${listkeys(x)}.keys[0].value", Some(Secret::Azure)),
            ("K", "${a.listKeys().keys[0].value}", Some(Secret::Azure)),
            ("K", "${azurerm_storage_account.x.primary_connection_string}", Some(Secret::Azure)),
            ("Url", "https://x.blob.core.windows.net/?sv=1&sig=abc", Some(Secret::Azure)),
            ("AZURE_CLIENT_SECRET", "${parameters('s')}", Some(Secret::Azure)),
            ("Sql", "Server=tcp:x.database.windows.net;Password=p", Some(Secret::Azure)),
            ("Sql", "Server=own;Password=p", Some(Secret::Other)),
            ("WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "AccountKey=abc", Some(Secret::Other)),
            ("STRIPE_API_KEY", "sk_12345678", Some(Secret::Other)),
            ("AzureWebJobsStorage__accountName", "account", None),
            ("APPLICATIONINSIGHTS_CONNECTION_STRING", "InstrumentationKey=1;IngestionEndpoint=x", None),
            ("APPI", "${azurerm_application_insights.x.connection_string}", None),
            ("Key", "@Microsoft.KeyVault(SecretUri=https://v/secrets/s)", None),
            ("clientSecretSettingName", "MICROSOFT_PROVIDER_SECRET", None),
            ("secretName", "something-long", None),
            ("List", "${parameters('list of keys')}", None),
        ] {
            assert_eq!(secret(name, value), expected, "{name} {value}");
        }
    }

    #[test]
    fn settings_are_found_where_services_keep_them() {
        let found = settings(&json!({"siteConfig": {"appSettings": [
            {"name": "A", "value": "AccountKey=x"}, {"name": "B", "value": "plain"}],
            "connectionStrings": [{"name": "C", "connectionString": "SharedAccessKey=x", "type": "Custom"}]}}));
        assert_eq!(found.unwrap().azure, ["A", "C"]);
        let config = settings(&json!({"D": "AccountKey=x", "E": {"value": "AccountKey=y"}}));
        assert_eq!(config.unwrap().azure, ["D", "value"]);
        assert!(!matter("Microsoft.KeyVault/vaults/secrets"));
    }
}
