//! The one place that talks to Azure. It can GET, and POST to three interfaces that only read: the type of a request
//! has no way to say anything else, and `tests/floors.rs` holds that no other file makes one.
//!
//! A token goes to the service that it is for and nowhere else: a next page at another origin is refused. Not here:
//! when to ask and how often (`scheduler`).

use super::cloud::Cloud;
use super::credential::{Surroundings, credentials};
use super::token::Remembered;
use azure_core::credentials::TokenCredential;
use azure_core::http::headers::HeaderName;
use azure_core::http::policies::Policy;
use azure_core::http::policies::auth::BearerTokenAuthorizationPolicy;
use azure_core::http::{
    ClientOptions, Method, Pipeline, PipelineStreamOptions, Request, RetryOptions, Transport, Url,
};
use azure_core::time::OffsetDateTime;
use base64::Engine as _;
use futures::StreamExt as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::sync::Arc;
use time::format_description::well_known::Rfc2822;

/// Which service is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(super) enum Service {
    /// Azure Resource Manager.
    Arm,
    /// Microsoft Graph.
    Directory,
}

/// Something that Azure can be asked. There is no other kind of request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Ask {
    /// A path with its query, or the address of a next page.
    Get(Service, String),
    /// A Resource Graph query.
    Query {
        /// In KQL.
        text: &'static str,
        /// Subscriptions to look into; all that the caller sees if empty.
        subscriptions: Vec<String>,
        /// Where the last page ended.
        skip_token: Option<String>,
    },
    /// What uses a user-assigned identity, by its ARM id: a list that has to be posted for.
    Associated(String),
    /// Up to twenty GETs of Microsoft Graph in one request, as paths.
    Batch(Vec<String>),
}

impl Ask {
    /// Whether it goes on with a list that was begun.
    pub(super) fn is_further_page(&self) -> bool {
        match self {
            Ask::Get(_, path) => path.starts_with("https://"),
            Ask::Query { skip_token, .. } => skip_token.is_some(),
            Ask::Associated(_) | Ask::Batch(_) => false,
        }
    }
}

/// What Azure answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) retry_after: Option<String>,
    /// How many more requests the service would take now, as far as it says.
    pub(super) remaining: Option<u32>,
    /// When the quota is full again, `hh:mm:ss`.
    pub(super) resets_after: Option<String>,
}

/// Why there is no answer at all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum NoAnswer {
    /// No token.
    Credential(String),
    /// The connection failed or broke.
    Network(String),
    /// The request would have left the service that its token is for.
    Foreign(String),
    /// The answer is larger than any that is read.
    TooLarge(usize),
}

/// How an error begins that is about the certificates to trust, and not about signing in.
pub const AUTHORITIES: &str = "certificates: ";

/// A client for one cloud.
#[derive(Debug)]
pub struct Client {
    cloud: Cloud,
    credential: Arc<Remembered>,
    directory: Arc<Remembered>,
    arm: Pipeline,
    graph: Pipeline,
}

const REMAINING: [HeaderName; 3] = [
    HeaderName::from_static("x-ms-ratelimit-remaining-subscription-reads"),
    HeaderName::from_static("x-ms-ratelimit-remaining-tenant-reads"),
    HeaderName::from_static("x-ms-user-quota-remaining"),
];
const RESETS_AFTER: HeaderName = HeaderName::from_static("x-ms-user-quota-resets-after");
const RETRY_AFTER: HeaderName = HeaderName::from_static("retry-after");
const DATE: HeaderName = HeaderName::from_static("date");
/// The versions of the interfaces that are posted to.
const QUERY_PATH: &str = "/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01";
/// In bytes, unpacked: a page of a thousand large records is a few MiB.
const LONGEST_BODY: usize = 128 << 20;
const BATCH_PATH: &str = "/v1.0/$batch";

impl Client {
    /// A client that signs in as the chain of credentials says. `authorities` are certificates (PEM) to trust beside
    /// the system's.
    ///
    /// # Errors
    /// If no credential fits or a certificate is none.
    pub fn new(
        cloud: Cloud,
        credential: Option<&str>,
        tenant: Option<&str>,
        around: &Surroundings<'_>,
        authorities: Option<&[u8]>,
    ) -> Result<Client, String> {
        let transport = transport(authorities)?;
        let credentials = credentials(credential, &cloud, tenant, around, &transport)?;
        let pipeline = |credential, service: &Url| {
            let auth: Arc<dyn Policy> =
                Arc::new(BearerTokenAuthorizationPolicy::new(credential, [Cloud::audience(service)]));
            let options = ClientOptions {
                // The scheduler repeats, since it knows the quotas.
                retry: RetryOptions::none(),
                transport: Some(transport.clone()),
                ..ClientOptions::default()
            };
            Pipeline::new(
                Some(env!("CARGO_PKG_NAME")),
                Some(env!("CARGO_PKG_VERSION")),
                options,
                vec![],
                vec![auth],
                None,
            )
        };
        let (credential, directory) = (Remembered::new(credentials.arm), Remembered::new(credentials.graph));
        let (arm, graph) = (
            pipeline(Arc::clone(&credential) as Arc<dyn TokenCredential>, &cloud.arm),
            pipeline(Arc::clone(&directory) as Arc<dyn TokenCredential>, &cloud.graph),
        );
        Ok(Client { cloud, credential, directory, arm, graph })
    }

    /// The caller's object id, as its own token has it: for commands that people run, never for a decision.
    pub async fn caller(&self) -> Option<String> {
        let token = self.credential.get_token(&[&Cloud::audience(&self.cloud.arm)], None).await.ok()?;
        Claims::of(token.token.secret())?.oid.filter(|oid| crate::model::is_guid(oid))
    }

    /// What a checkpoint belongs to: the services and, without showing them, the caller and its tenant. A token that does
    /// not say who it is for stands for itself.
    ///
    /// # Errors
    /// If there is no token.
    pub async fn identity(&self) -> Result<String, String> {
        let token = self.credential.get_token(&[&Cloud::audience(&self.cloud.arm)], None).await;
        let token = token.map_err(|e| chained(&e))?;
        let secret = token.token.secret();
        let who = match Claims::of(secret) {
            Some(Claims { oid: Some(oid), tid: Some(tid) }) => format!("{tid} {oid}"),
            _ => secret.to_owned(),
        };
        let digest = Sha256::digest(format!("leastwise checkpoint {who}"));
        let shown = crate::model::hex(digest.get(..8).unwrap_or_default());
        Ok(format!("{} {} {} {shown}", self.cloud.name, self.cloud.arm, self.cloud.graph))
    }

    /// The cloud that is asked.
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    pub(super) async fn ask(&self, ask: &Ask) -> Result<Answer, NoAnswer> {
        let (service, mut request) = self.request(ask)?;
        let pipeline = match service {
            Service::Arm => &self.arm,
            Service::Directory => &self.graph,
        };
        let options = PipelineStreamOptions { skip_checks: true, ..Default::default() };
        let sent = pipeline.stream(&Default::default(), &mut request, Some(options)).await;
        let network = |e: azure_core::Error| match e.kind() {
            azure_core::error::ErrorKind::Credential => NoAnswer::Credential(chained(&e)),
            _ => NoAnswer::Network(chained(&e)),
        };
        let (status, headers, mut stream) = sent.map_err(network)?.deconstruct();
        let mut body = Vec::new();
        while let Some(piece) = stream.next().await {
            body.extend_from_slice(&piece.map_err(network)?);
            if body.len() > LONGEST_BODY {
                return Err(NoAnswer::TooLarge(LONGEST_BODY));
            }
        }
        match service {
            Service::Arm => self.credential.blot(&mut body),
            Service::Directory => self.directory.blot(&mut body),
        }
        let text = |name: &HeaderName| headers.get_optional_string(name);
        Ok(Answer {
            status: u16::from(status),
            retry_after: text(&RETRY_AFTER).map(|at| in_seconds(&at, text(&DATE).as_deref())),
            remaining: REMAINING.iter().filter_map(|h| text(h)?.parse().ok()).min(),
            resets_after: text(&RESETS_AFTER),
            body,
        })
    }

    fn request(&self, ask: &Ask) -> Result<(Service, Request), NoAnswer> {
        let (service, path, body): (Service, Cow<'_, str>, _) = match ask {
            Ask::Get(service, path) => (*service, path.as_str().into(), None),
            Ask::Associated(identity) => {
                let marker = "/providers/microsoft.managedidentity/userassignedidentities/";
                let folded = identity.to_ascii_lowercase();
                let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./()".contains(&b);
                if !folded.contains(marker) || !identity.bytes().all(plain) || identity.contains("..") {
                    return Err(NoAnswer::Foreign(format!("at `{identity}`, which is no identity")));
                }
                let path = format!("{identity}/listAssociatedResources?api-version=2021-09-30-preview");
                (Service::Arm, path.into(), Some(json!({})))
            }
            Ask::Query { text, subscriptions, skip_token } => {
                let mut options = serde_json::Map::new();
                options.insert("resultFormat".to_owned(), "objectArray".into());
                options.insert("$top".to_owned(), 1000.into());
                options.insert("authorizationScopeFilter".to_owned(), "AtScopeAboveAndBelow".into());
                if let Some(token) = skip_token {
                    options.insert("$skipToken".to_owned(), token.as_str().into());
                }
                let mut body = serde_json::Map::new();
                body.insert("query".to_owned(), (*text).into());
                body.insert("options".to_owned(), options.into());
                if !subscriptions.is_empty() {
                    body.insert("subscriptions".to_owned(), json!(subscriptions));
                }
                (Service::Arm, QUERY_PATH.into(), Some(Value::Object(body)))
            }
            Ask::Batch(paths) => {
                // A list of one kind of members is an advanced query: it needs the header, in each request of its own.
                let get = |(n, path): (usize, &String)| {
                    json!({"id": n.to_string(), "method": "GET", "url": path,
                        "headers": {"ConsistencyLevel": "eventual"}})
                };
                let requests: Vec<Value> = paths.iter().enumerate().map(get).collect();
                (Service::Directory, BATCH_PATH.into(), Some(json!({"requests": requests})))
            }
        };
        let origin = match service {
            Service::Arm => &self.cloud.arm,
            Service::Directory => &self.cloud.graph,
        };
        let url = origin.join(&path).map_err(|e| NoAnswer::Foreign(format!("`{path}`: {e}")))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NoAnswer::Foreign("behind a name and a password".to_owned()));
        }
        if url.origin() != origin.origin() {
            let there = url.host_str().unwrap_or("nowhere");
            return Err(NoAnswer::Foreign(format!("at `{there}` instead of `{origin}`")));
        }
        let mut request = match body {
            None => Request::new(url, Method::Get),
            Some(body) => {
                let mut request = Request::new(url, Method::Post);
                request.insert_header("content-type", "application/json");
                request.set_body(body.to_string().into_bytes());
                request
            }
        };
        request.insert_header("accept", "application/json");
        if service == Service::Directory {
            // Filters and counts over directory objects need it.
            request.insert_header("consistencylevel", "eventual");
        }
        Ok((service, request))
    }
}

/// `Retry-After` in seconds: where it is a date, from the service's own clock, so that nobody else's matters.
fn in_seconds(at: &str, date: Option<&str>) -> String {
    let read = |text: &str| OffsetDateTime::parse(text, &Rfc2822).ok();
    match (read(at), date.and_then(read)) {
        (Some(at), Some(now)) => (at - now).whole_seconds().max(0).to_string(),
        _ => at.to_owned(),
    }
}

/// What a token says of its caller.
#[derive(serde::Deserialize)]
struct Claims {
    oid: Option<String>,
    tid: Option<String>,
}

impl Claims {
    fn of(token: &str) -> Option<Claims> {
        let claims = token.split('.').nth(1)?.trim_end_matches('=');
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

/// An error with its causes, which the library keeps apart.
fn chained(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn transport(authorities: Option<&[u8]>) -> Result<Transport, String> {
    // Set once in a process; a second client finds it set.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let second = std::time::Duration::from_secs(1);
    let mut builder = reqwest::Client::builder()
        .https_only(true)
        .connect_timeout(second * 20)
        .read_timeout(second * 60)
        .redirect(reqwest::redirect::Policy::none());
    if let Some(pem) = authorities {
        let bundle = reqwest::Certificate::from_pem_bundle(pem)
            .map_err(|e| format!("{AUTHORITIES}{}", chained(&e)))?;
        if bundle.is_empty() {
            return Err(format!("{AUTHORITIES}it holds no certificate in PEM form"));
        }
        builder = builder.tls_certs_merge(bundle);
    }
    Ok(Transport::new(Arc::new(builder.build().map_err(|e| chained(&e))?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        let cloud = Cloud::named("public", [None; 3]).unwrap();
        let tokens = |name: &str| name.starts_with("LEASTWISE_").then(|| "token".to_owned());
        let around = Surroundings { variable: &tokens, file: &|_| Err(String::new()) };
        Client::new(cloud, None, None, &around, None).unwrap()
    }

    #[test]
    fn a_token_stays_with_its_service() {
        let client = client();
        let get = |path: &str| client.request(&Ask::Get(Service::Arm, path.to_owned()));
        assert!(get("/subscriptions?api-version=2022-12-01").is_ok());
        assert!(get("https://management.azure.com/subscriptions?$skiptoken=x").is_ok());
        for foreign in [
            "https://evil.example/subscriptions",
            "http://management.azure.com/subscriptions",
            "//evil.example/x",
            "https://management.azure.com:444/x",
            "https://management.azure.com@evil.example/x",
            "https://somebody@management.azure.com/x",
            "https://graph.microsoft.com/v1.0/servicePrincipals",
        ] {
            assert!(matches!(get(foreign), Err(NoAnswer::Foreign(_))), "{foreign}");
        }
    }

    #[test]
    fn a_checkpoint_belongs_to_a_caller_and_not_to_a_token() {
        let who = |claims: &str, signature: &str| {
            let packed = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims);
            let token = format!("head.{packed}.{signature}");
            let tokens = move |name: &str| (name == "LEASTWISE_ARM_TOKEN").then(|| token.clone());
            let cloud = Cloud::named("public", [None; 3]).unwrap();
            let around = Surroundings { variable: &tokens, file: &|_| Err(String::new()) };
            let client = Client::new(cloud, None, None, &around, None).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(client.identity()).unwrap()
        };
        let (one, other) = (r#"{"oid":"a","tid":"t","exp":1}"#, r#"{"oid":"b","tid":"t","exp":1}"#);
        assert_eq!(who(one, "x"), who(&one.replace('1', "2"), "y"));
        assert_ne!(who(one, "x"), who(other, "x"));
        assert_ne!(who("{}", "x"), who("{}", "y"));
        assert!(!who("{}", "secret").contains("secret"));
    }

    #[test]
    fn a_pause_until_a_date_is_one_from_the_services_clock() {
        let (now, then) = ("Wed, 25 Nov 2026 21:00:00 GMT", "Wed, 25 Nov 2026 21:01:30 GMT");
        assert_eq!(in_seconds(then, Some(now)), "90");
        assert_eq!(in_seconds(now, Some(then)), "0");
        assert_eq!(in_seconds("17", Some(now)), "17");
        assert_eq!(in_seconds(then, None), then);
    }

    #[test]
    fn only_reading_can_be_said() {
        let client = client();
        let query = Ask::Query { text: "resources", subscriptions: vec![], skip_token: None };
        let identity =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
        let get = Ask::Get(Service::Directory, "/v1.0/groups".to_owned());
        let asks = [get, query, Ask::Batch(vec![]), Ask::Associated(identity.to_owned())];
        let made: Vec<_> = asks.iter().map(|a| client.request(a).unwrap().1).collect();
        let shown: Vec<_> = made.iter().map(|r| format!("{} {}", r.method(), r.url().path())).collect();
        assert_eq!(
            shown,
            [
                "GET /v1.0/groups",
                "POST /providers/Microsoft.ResourceGraph/resources",
                "POST /v1.0/$batch",
                &format!("POST {identity}/listAssociatedResources"),
            ]
        );
        for other in ["/subscriptions/s", &format!("{identity}?x="), &format!("{identity}/../../delete")] {
            assert!(client.request(&Ask::Associated(other.to_owned())).is_err(), "{other}");
        }
    }
}
