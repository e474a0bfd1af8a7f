//! Who asks: the chain of credentials that the contract documents, and ready tokens.
//!
//! Every value comes in from the caller, except what `azure_identity` itself reads of the environment (the token
//! endpoints of managed identities) and the `az` and `azd` that it starts. Not here: refreshing, which the credentials
//! do, and sending, which `client` does.

use super::certificate::Certificate;
use super::cloud::Cloud;
use azure_core::Error;
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::{ClientMethodOptions, ClientOptions, Method, Pipeline, Request, Transport, Url};
use azure_core::time::{Duration, OffsetDateTime};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzureDeveloperCliCredential,
    AzureDeveloperCliCredentialOptions, AzurePipelinesCredential, AzurePipelinesCredentialOptions,
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use std::sync::Arc;

/// The credentials of the chain, in its order.
pub const CHAIN: [&str; 7] =
    ["environment", "workload-identity", "github", "pipelines", "managed-identity", "az", "azd"];

/// How long a link of the chain may take that is asked on the chance that it is there.
const PROBE: std::time::Duration = std::time::Duration::from_secs(3);

/// What credentials may look at of the machine that they are on.
pub struct Surroundings<'a> {
    /// Reads a variable of the environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Reads a file that a variable names.
    pub file: &'a dyn Fn(&str) -> Result<Vec<u8>, String>,
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Surroundings(…)")
    }
}

/// A ready token: it has one audience, so there is one for each service.
struct Ready(String);

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ready(…)")
    }
}

#[async_trait::async_trait]
impl TokenCredential for Ready {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        // When it ends is inside; Azure says so when it has.
        let expires_on = OffsetDateTime::now_utc() + Duration::hours(24);
        Ok(AccessToken { token: Secret::new(self.0.clone()), expires_on })
    }
}

/// What is said of a service that no token was given for, while one was for another.
pub(super) const NOT_SET: &str = "TOKEN is not set";

/// A service that no token is at hand for.
#[derive(Debug)]
struct Nothing(&'static str);

#[async_trait::async_trait]
impl TokenCredential for Nothing {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        Err(Error::with_message(ErrorKind::Credential, self.0))
    }
}

/// GitHub's own token for a workflow with `id-token: write`, as proof for a federated credential.
#[derive(Debug)]
struct GitHub {
    url: Url,
    token: Secret,
    pipeline: Pipeline,
}

#[async_trait::async_trait]
impl ClientAssertion for GitHub {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        #[derive(serde::Deserialize)]
        struct Answer {
            value: String,
        }
        let mut request = Request::new(self.url.clone(), Method::Get);
        request.insert_header("authorization", format!("Bearer {}", self.token.secret()));
        request.insert_header("accept", "application/json");
        let answer = self.pipeline.send(&Default::default(), &mut request, None).await?;
        Ok(answer.body().json::<Answer>()?.value)
    }
}

/// What is said of hosts whose managed identities cannot be asked.
const UNSUPPORTED: &str = "are not supported";

/// The first credential of a chain that answers is kept.
#[derive(Debug)]
struct Chain {
    links: Vec<(&'static str, Arc<dyn TokenCredential>)>,
    /// That this host's managed identities are none that can be asked.
    unsupported: Option<String>,
    found: std::sync::OnceLock<usize>,
}

#[async_trait::async_trait]
impl TokenCredential for Chain {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        if let Some((_, credential)) = self.found.get().and_then(|at| self.links.get(*at)) {
            return credential.get_token(scopes, None).await;
        }
        let mut why: Vec<String> = self.unsupported.iter().cloned().collect();
        for (at, (name, credential)) in self.links.iter().enumerate() {
            let asked = credential.get_token(scopes, None);
            // Outside Azure nobody answers for a managed identity, and its credential would try for a minute.
            let asked = match (*name, self.links.len()) {
                ("managed-identity", 2..) => tokio::time::timeout(PROBE, asked).await,
                _ => Ok(asked.await),
            };
            let Ok(asked) = asked else {
                why.push(format!("{name}: no answer within {} seconds", PROBE.as_secs()));
                continue;
            };
            match asked {
                Ok(token) => {
                    let _first_wins = self.found.set(at);
                    return Ok(token);
                }
                // The library's advice comes in lines of its own.
                Err(error) => {
                    let said = error.to_string();
                    why.push(format!("{name}: {}", said.lines().next().unwrap_or_default()));
                }
            }
        }
        let message = if why.is_empty() { "no credential is configured".to_owned() } else { why.join("; ") };
        Err(Error::with_message(ErrorKind::Credential, message))
    }
}

/// The credentials for Resource Manager and for Microsoft Graph.
pub(super) struct Credentials {
    pub(super) arm: Arc<dyn TokenCredential>,
    pub(super) graph: Arc<dyn TokenCredential>,
}

/// Ready tokens where there are any, else the chain, or the one of its links that `only` names.
///
/// # Errors
/// If `only` names none, or what it needs is not there.
pub(super) fn credentials(
    only: Option<&str>,
    cloud: &Cloud,
    tenant: Option<&str>,
    around: &Surroundings<'_>,
    transport: &Transport,
) -> Result<Credentials, String> {
    let set = |name: &str| (around.variable)(name).filter(|v| !v.trim().is_empty());
    let ready =
        |name: &str| set(name).map(|t| Arc::new(Ready(t.trim().to_owned())) as Arc<dyn TokenCredential>);
    let (arm, graph) = (ready("LEASTWISE_ARM_TOKEN"), ready("LEASTWISE_GRAPH_TOKEN"));
    if only.is_none() && (arm.is_some() || graph.is_some()) {
        let none = |what| -> Arc<dyn TokenCredential> { Arc::new(Nothing(what)) };
        return Ok(Credentials {
            arm: arm.unwrap_or_else(|| none("LEASTWISE_ARM_TOKEN is not set")),
            graph: graph.unwrap_or_else(|| none("LEASTWISE_GRAPH_TOKEN is not set")),
        });
    }
    let wanted: Vec<&str> = match (only, set("AZURE_TOKEN_CREDENTIALS").map(|v| v.to_lowercase()).as_deref())
    {
        (Some(one), _) => vec![one],
        (None, Some("dev")) => vec!["az", "azd"],
        (None, Some("prod")) => vec!["environment", "workload-identity", "managed-identity"],
        (None, Some("environmentcredential")) => vec!["environment"],
        (None, Some("workloadidentitycredential")) => vec!["workload-identity"],
        (None, Some("managedidentitycredential")) => vec!["managed-identity"],
        (None, Some("azureclicredential")) => vec!["az"],
        (None, Some("azuredeveloperclicredential")) => vec!["azd"],
        (None, Some(other)) => {
            return Err(format!("AZURE_TOKEN_CREDENTIALS names `{other}`, which is not supported here"));
        }
        (None, None) => CHAIN.to_vec(),
    };
    let mut links = Vec::new();
    let mut problems = Vec::new();
    for name in wanted {
        let Some(known) = CHAIN.into_iter().find(|k| *k == name) else {
            return Err(format!("there is no credential `{name}`: expected one of {}", CHAIN.join(", ")));
        };
        match link(known, cloud, tenant, &set, around.file, transport) {
            Ok(credential) => links.push((known, credential)),
            Err(why) => problems.push(format!("{known}: {why}")),
        }
    }
    if links.is_empty() {
        return Err(problems.join("; "));
    }
    let unsupported = problems.into_iter().find(|p| p.contains(UNSUPPORTED));
    let chain = Arc::new(Chain { links, unsupported, found: std::sync::OnceLock::new() });
    Ok(Credentials { arm: Arc::clone(&chain) as Arc<dyn TokenCredential>, graph: chain })
}

fn link(
    name: &str,
    cloud: &Cloud,
    tenant: Option<&str>,
    set: &dyn Fn(&str) -> Option<String>,
    file: &dyn Fn(&str) -> Result<Vec<u8>, String>,
    transport: &Transport,
) -> Result<Arc<dyn TokenCredential>, String> {
    let need = |name: &str| set(name).ok_or_else(|| format!("{name} is not set"));
    // All that is missing at once, so that nobody sets one variable after the other.
    let missing = |names: &[&str], either: &str| {
        let unset = names.iter().copied().filter(|n| set(n).is_none());
        let unset: Vec<&str> = unset.chain([either]).filter(|n| !n.is_empty()).collect();
        format!("{} {} not set", unset.join(", "), if unset.len() == 1 { "is" } else { "are" })
    };
    let plain = |e: Error| e.to_string();
    let options = || ClientOptions {
        transport: Some(transport.clone()),
        cloud: Some(Arc::new(cloud.configuration())),
        ..ClientOptions::default()
    };
    let own_tenant = || tenant.map(str::to_owned).map_or_else(|| need("AZURE_TENANT_ID"), Ok);
    Ok(match name {
        "environment" => {
            let secret = match (set("AZURE_CLIENT_SECRET"), set("AZURE_CLIENT_CERTIFICATE_PATH")) {
                (Some(secret), _) => secret,
                (None, Some(path)) => {
                    let (tenant, client) = (own_tenant()?, need("AZURE_CLIENT_ID")?);
                    let shown = |why: String| format!("`{path}`: {why}");
                    let pem = file(&path).map_err(shown)?;
                    let proof = Certificate::new(&pem, &cloud.authority, &tenant, &client).map_err(shown)?;
                    let options = ClientAssertionCredentialOptions { client_options: options() };
                    return Ok(ClientAssertionCredential::new(tenant, client, proof, Some(options))
                        .map_err(plain)?);
                }
                (None, None) => {
                    return Err(missing(
                        &["AZURE_TENANT_ID", "AZURE_CLIENT_ID"],
                        "AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH",
                    ));
                }
            };
            let options = ClientSecretCredentialOptions { client_options: options() };
            let client = need("AZURE_CLIENT_ID")?;
            ClientSecretCredential::new(&own_tenant()?, client, secret.into(), Some(options))
                .map_err(plain)?
        }
        "workload-identity" => {
            let options = WorkloadIdentityCredentialOptions {
                credential_options: ClientAssertionCredentialOptions { client_options: options() },
                client_id: Some(need("AZURE_CLIENT_ID")?),
                tenant_id: Some(own_tenant()?),
                token_file_path: Some(need("AZURE_FEDERATED_TOKEN_FILE")?.into()),
            };
            WorkloadIdentityCredential::new(Some(options)).map_err(plain)?
        }
        "github" => {
            let mut url = Url::parse(&need("ACTIONS_ID_TOKEN_REQUEST_URL")?).map_err(|e| e.to_string())?;
            if url.scheme() != "https" {
                return Err("ACTIONS_ID_TOKEN_REQUEST_URL is not https".into());
            }
            url.query_pairs_mut().append_pair("audience", "api://AzureADTokenExchange");
            let token = Secret::new(need("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?);
            let pipeline = Pipeline::new(None, None, options(), vec![], vec![], None);
            let options = ClientAssertionCredentialOptions { client_options: options() };
            let proof = GitHub { url, token, pipeline };
            let client = need("AZURE_CLIENT_ID")?;
            ClientAssertionCredential::new(own_tenant()?, client, proof, Some(options)).map_err(plain)?
        }
        "pipelines" => {
            let options = AzurePipelinesCredentialOptions {
                credential_options: ClientAssertionCredentialOptions { client_options: options() },
            };
            AzurePipelinesCredential::new(
                tenant.map(str::to_owned).map_or_else(|| need("AZURESUBSCRIPTION_TENANT_ID"), Ok)?,
                need("AZURESUBSCRIPTION_CLIENT_ID")?,
                &need("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID")?,
                need("SYSTEM_ACCESSTOKEN")?,
                Some(options),
            )
            .map_err(plain)?
        }
        "managed-identity" => {
            let elsewhere = [
                ("IMDS_ENDPOINT", "Azure Arc"),
                ("MSI_ENDPOINT", "Cloud Shell or Machine Learning"),
                ("IDENTITY_SERVER_THUMBPRINT", "Service Fabric"),
            ];
            if let Some((_, place)) = elsewhere.into_iter().find(|(name, _)| set(name).is_some()) {
                return Err(format!(
                    "managed identities of {place} {UNSUPPORTED}: sign in with `az login --identity`, or give LEASTWISE_ARM_TOKEN and LEASTWISE_GRAPH_TOKEN"
                ));
            }
            let options = ManagedIdentityCredentialOptions {
                user_assigned_id: set("AZURE_CLIENT_ID").map(UserAssignedId::ClientId),
                // The address of the metadata service is plain http and local: no proxy, no custom authority.
                client_options: ClientOptions::default(),
            };
            ManagedIdentityCredential::new(Some(options)).map_err(plain)?
        }
        "az" => {
            let options =
                AzureCliCredentialOptions { tenant_id: tenant.map(str::to_owned), ..Default::default() };
            AzureCliCredential::new(Some(options)).map_err(plain)?
        }
        _ => {
            let options = AzureDeveloperCliCredentialOptions {
                tenant_id: tenant.map(str::to_owned),
                ..Default::default()
            };
            AzureDeveloperCliCredential::new(Some(options)).map_err(plain)?
        }
    })
}
