//! Where hosts take their code from: the storage account behind a function app, the registry of an image. Names and ids only,
//! never what stands beside them in a connection string.
//!
//! Source: "App settings reference for Azure Functions", "Azure Functions Flex Consumption plan", "Container Apps template",
//! "Workspaces - Get" of Azure Machine Learning.

use serde_json::Value as Json;

/// Settings that name the account of an app's code.
const SETTINGS: [&str; 4] = [
    "AzureWebJobsStorage",
    "AzureWebJobsStorage__accountName",
    "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
    "WEBSITE_RUN_FROM_PACKAGE",
];

/// Whether properties of this type say it.
pub(super) fn matter(kind: &str) -> bool {
    const KINDS: [&str; 6] = [
        "microsoft.web/sites",
        "microsoft.web/sites/slots",
        "microsoft.app/containerapps",
        "microsoft.app/jobs",
        "microsoft.containerinstance/containergroups",
        "microsoft.machinelearningservices/workspaces",
    ];
    KINDS.iter().any(|k| k.eq_ignore_ascii_case(kind))
}

/// The stores: ARM ids, `storage:NAME` or `registry:NAME`, sorted.
pub(super) fn stores(properties: &Json) -> Vec<String> {
    let mut found = Vec::new();
    let at = |path: &[&str]| path.iter().try_fold(properties, |at, key| at.get(key));
    let list = |path: &[&str]| at(path).and_then(Json::as_array).into_iter().flatten();
    // A snapshot keeps what was found.
    found.extend(list(&["codeFrom"]).filter_map(Json::as_str).map(str::to_owned));
    for setting in list(&["siteConfig", "appSettings"]) {
        let text = |key: &str| setting.get(key).and_then(Json::as_str).unwrap_or_default();
        if SETTINGS.contains(&text("name")) {
            found.extend(account(text("value"), text("name").ends_with("__accountName")));
        }
    }
    let package = at(&["functionAppConfig", "deployment", "storage", "value"]).and_then(Json::as_str);
    found.extend(package.and_then(|url| account(url, false)));
    for version in ["linuxFxVersion", "windowsFxVersion"] {
        let image = at(&["siteConfig", version]).and_then(Json::as_str).and_then(|v| v.split_once('|'));
        found.extend(image.and_then(|(_, image)| registry(image)));
    }
    let images = list(&["template", "containers"]).filter_map(|c| c.get("image"));
    let images = images.chain(list(&["containers"]).filter_map(|c| c.get("properties")?.get("image")));
    found.extend(images.filter_map(Json::as_str).filter_map(registry));
    for key in ["storageAccount", "containerRegistry"] {
        let id = at(&[key]).and_then(Json::as_str).filter(|id| id.starts_with('/'));
        found.extend(id.map(str::to_owned));
    }
    found.sort();
    found.dedup();
    found
}

/// The account that a connection string, an address or a bare name names.
fn account(text: &str, bare: bool) -> Option<String> {
    let name = if bare {
        text
    } else if let Some(rest) = text.strip_prefix("https://") {
        let (host, _) = rest.split_once('/').unwrap_or((rest, ""));
        let (name, service) = host.split_once('.')?;
        (service.starts_with("blob.core.") || service.starts_with("file.core.")).then_some(name)?
    } else {
        text.split(';').find_map(|part| part.trim().strip_prefix("AccountName="))?
    };
    named("storage", name)
}

/// The registry that an image comes from, if it is one of Azure's.
fn registry(image: &str) -> Option<String> {
    let host = image.trim_start_matches("https://").split('/').next()?.to_ascii_lowercase();
    let name = host.strip_suffix(".azurecr.io").or_else(|| host.strip_suffix(".azurecr.us"));
    named("registry", name.or_else(|| host.strip_suffix(".azurecr.cn"))?)
}

fn named(kind: &str, name: &str) -> Option<String> {
    let fits = !name.is_empty() && name.len() <= 60 && name.bytes().all(|b| b.is_ascii_alphanumeric());
    fits.then(|| format!("{kind}:{}", name.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn stores_are_named_and_secrets_are_not() {
        let app = json!({"siteConfig": {"linuxFxVersion": "DOCKER|Acme.azurecr.io/app:1", "appSettings": [
            {"name": "AzureWebJobsStorage", "value": "DefaultEndpointsProtocol=https;AccountName=Store1;AccountKey=secret=="},
            {"name": "AzureWebJobsStorage__accountName", "value": "store2"},
            {"name": "WEBSITE_RUN_FROM_PACKAGE", "value": "https://store3.blob.core.windows.net/x/y.zip?sig=secret"},
            {"name": "WEBSITE_RUN_FROM_PACKAGE", "value": "1"},
            {"name": "OTHER", "value": "AccountName=store4"}]},
            "functionAppConfig": {"deployment": {"storage": {"value": "https://store5.blob.core.windows.net/code"}}}});
        let found = stores(&app);
        assert_eq!(
            found,
            ["registry:acme", "storage:store1", "storage:store2", "storage:store3", "storage:store5"]
        );
        let container = json!({"template": {"containers": [{"image": "docker.io/x"}, {"image": "reg.azurecr.io/a/b@sha256:1"}]}});
        assert_eq!(stores(&container), ["registry:reg"]);
        let workspace = json!({"storageAccount": "/subscriptions/s/x", "containerRegistry": null});
        assert_eq!(stores(&workspace), ["/subscriptions/s/x"]);
    }
}
