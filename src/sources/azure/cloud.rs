//! Which Azure: where its Resource Manager, its directory and its sign-in are.
//!
//! Sources: "Azure Government developer guide", "Azure China developer guide", "Microsoft Graph national cloud
//! deployments". Not here: tokens (`credential`).

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::http::Url;

/// Where the services of a cloud are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cloud {
    /// `public`, `usgov`, `china` or `custom`.
    pub name: &'static str,
    /// Azure Resource Manager.
    pub arm: Url,
    /// Microsoft Graph.
    pub graph: Url,
    /// Where callers sign in.
    pub authority: Url,
}

/// Why a cloud is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CloudError {
    /// Not one of the names.
    #[error("there is no cloud `{0}`: expected public, usgov, china or custom")]
    Unknown(String),
    /// Not an address that a token may be sent to.
    #[error("`{0}` is no https address without path, query and user")]
    Address(String),
    /// A custom cloud needs all of its addresses.
    #[error("the custom cloud needs an address for {0}")]
    Missing(&'static str),
}

impl Cloud {
    /// The cloud of this name; `custom` takes its three addresses in the order ARM, Graph, sign-in.
    ///
    /// # Errors
    /// If the name is unknown or an address is missing or not https.
    pub fn named(name: &str, custom: [Option<&str>; 3]) -> Result<Cloud, CloudError> {
        let [arm, graph, authority] = custom;
        let (name, arm, graph, authority) = match name {
            "public" => (
                "public",
                "https://management.azure.com",
                "https://graph.microsoft.com",
                "https://login.microsoftonline.com",
            ),
            "usgov" => (
                "usgov",
                "https://management.usgovcloudapi.net",
                "https://graph.microsoft.us",
                "https://login.microsoftonline.us",
            ),
            "china" => (
                "china",
                "https://management.chinacloudapi.cn",
                "https://microsoftgraph.chinacloudapi.cn",
                "https://login.chinacloudapi.cn",
            ),
            "custom" => (
                "custom",
                arm.ok_or(CloudError::Missing("Resource Manager"))?,
                graph.ok_or(CloudError::Missing("Microsoft Graph"))?,
                authority.ok_or(CloudError::Missing("signing in"))?,
            ),
            other => return Err(CloudError::Unknown(other.to_owned())),
        };
        Ok(Cloud { name, arm: address(arm)?, graph: address(graph)?, authority: address(authority)? })
    }

    /// The same for the credentials' own library.
    pub(super) fn configuration(&self) -> CloudConfiguration {
        match self.name {
            "usgov" => CloudConfiguration::AzureGovernment,
            "china" => CloudConfiguration::AzureChina,
            "custom" => {
                let mut custom = CustomConfiguration::default();
                custom.authority_host = self.authority.to_string();
                custom.into()
            }
            _ => CloudConfiguration::AzurePublic,
        }
    }

    /// Whom tokens for a service are for.
    pub(super) fn audience(service: &Url) -> String {
        format!("{}/.default", service.as_str().trim_end_matches('/'))
    }
}

/// Tokens travel over TLS only.
fn address(text: &str) -> Result<Url, CloudError> {
    let bad = || CloudError::Address(text.to_owned());
    let url = Url::parse(text).map_err(|_| bad())?;
    let plain = url.path() == "/" && url.query().is_none() && url.username().is_empty();
    if url.scheme() == "https" && url.host_str().is_some() && plain { Ok(url) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clouds_are_named_or_given_whole() {
        assert_eq!(
            Cloud::named("usgov", [None; 3]).unwrap().arm.as_str(),
            "https://management.usgovcloudapi.net/"
        );
        assert_eq!(Cloud::named("moon", [None; 3]), Err(CloudError::Unknown("moon".to_owned())));
        assert_eq!(
            Cloud::named("custom", [Some("https://a"), None, None]),
            Err(CloudError::Missing("Microsoft Graph"))
        );
        for bad in ["http://localhost", "https://user@host", "https://host/path", "host"] {
            let made = Cloud::named("custom", [Some(bad), Some("https://g"), Some("https://l")]);
            assert_eq!(made, Err(CloudError::Address(bad.to_owned())), "{bad}");
        }
    }
}
