//! Lists of grants through the client that Microsoft generates, for those who want a second one: it forms the requests,
//! follows the pages and reads the records, and the scheduler sends what it asks for. It is given no token and opens no
//! connection.
//!
//! Its models are older than what Azure answers: deny assignments lose their effect, a record that lacks a text takes
//! its page with it, and fields that the models do not know are lost. Pages are not kept for a later run, since its
//! lists cannot be gone on with. Not here: any other list.

use super::client::{Ask, Service};
use super::listing::Listing;
use super::page::whole;
use super::scheduler::{Refusal, Scheduler};
use crate::model::Reason;
use azure_core_021 as old;
use azure_mgmt_authorization::package_2022_05_01_preview as authorization;
use futures::StreamExt as _;
use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::Sender;

/// Stands where the generated client expects a credential.
#[derive(Debug)]
struct NoToken;

#[async_trait::async_trait]
impl old::auth::TokenCredential for NoToken {
    async fn get_token(&self, _: &[&str]) -> old::Result<old::auth::AccessToken> {
        Ok(old::auth::AccessToken::new(
            "none",
            time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(99_999),
        ))
    }

    async fn clear_cache(&self) -> old::Result<()> {
        Ok(())
    }
}

/// Sends what the generated client asks for through the scheduler.
#[derive(Debug)]
struct Bridge {
    scheduler: Arc<Scheduler>,
    listing: Listing,
    /// Why the last request was given up: the generated client's own words say less.
    refused: Mutex<Option<Refusal>>,
}

#[async_trait::async_trait]
impl old::HttpClient for Bridge {
    async fn execute_request(&self, request: &old::Request) -> old::Result<old::Response> {
        let fail = |text: &str| old::Error::message(old::error::ErrorKind::Other, text.to_owned());
        if *request.method() != old::Method::Get {
            return Err(fail("only reading is allowed"));
        }
        let ask = Ask::Get(Service::Arm, request.url().to_string());
        match self.scheduler.ask(&self.listing.quota, &ask, whole).await {
            Ok(answer) => {
                let body = Box::pin(futures::stream::once(async move { Ok(answer.body.into()) }));
                Ok(old::Response::new(old::StatusCode::Ok, old::headers::Headers::new(), body))
            }
            Err(refusal) => {
                let shown = fail(&refusal.detail);
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
                Err(shown)
            }
        }
    }
}

/// Whether the generated client has a list.
pub(super) fn has(listing: &Listing) -> bool {
    let names = [
        "roleAssignments",
        "denyAssignments",
        "roleDefinitions",
        "roleEligibilityScheduleInstances",
        "roleAssignmentScheduleInstances",
    ];
    names.contains(&name(listing)) && !listing.scope.is_empty() && matches!(listing.first, Ask::Get(..))
}

fn name(listing: &Listing) -> &str {
    listing.key.split(' ').next().unwrap_or_default()
}

/// Reads a list to its end, a page at a time.
pub(super) async fn pages(
    listing: &Listing,
    scheduler: &Arc<Scheduler>,
    to: &Sender<Vec<u8>>,
) -> Result<(), Refusal> {
    let bridge = Arc::new(Bridge {
        scheduler: Arc::clone(scheduler),
        listing: listing.clone(),
        refused: Mutex::new(None),
    });
    let broken = |e: old::Error| Refusal::new(Reason::Unparsed, format!("the generated client: {e}"));
    let client = authorization::Client::builder(Arc::new(NoToken))
        .endpoint(scheduler.endpoint())
        .retry(old::RetryOptions::none())
        .transport(old::TransportOptions::new(Arc::clone(&bridge) as Arc<dyn old::HttpClient>))
        .build()
        .map_err(broken)?;
    let scope = listing.scope.trim_start_matches('/').to_owned();
    let Ask::Get(_, path) = &listing.first else { return Ok(()) };
    let filter = path.contains("atScope()").then_some("atScope()");
    macro_rules! each {
        ($request:expr) => {{
            let mut request = $request;
            if let Some(filter) = filter {
                request = request.filter(filter);
            }
            let mut stream = request.into_stream();
            while let Some(page) = stream.next().await {
                let page = page.map_err(|e| {
                    let said = bridge.refused.lock().unwrap_or_else(PoisonError::into_inner).take();
                    said.unwrap_or_else(|| broken(e))
                })?;
                if to.send(packed(&page.value)).await.is_err() {
                    break;
                }
            }
        }};
    }
    match name(listing) {
        "roleAssignments" => each!(client.role_assignments_client().list_for_scope(scope)),
        "denyAssignments" => each!(client.deny_assignments_client().list_for_scope(scope)),
        "roleDefinitions" => {
            let custom = "type eq 'CustomRole'";
            each!(client.role_definitions_client().list(scope).filter(custom));
        }
        "roleEligibilityScheduleInstances" => {
            each!(client.role_eligibility_schedule_instances_client().list_for_scope(scope));
        }
        _ => each!(client.role_assignment_schedule_instances_client().list_for_scope(scope)),
    }
    Ok(())
}

/// A page as Azure would have sent it, of what the models kept.
fn packed(rows: &[impl Serialize]) -> Vec<u8> {
    serde_json::to_vec(&serde_json::json!({ "value": rows })).unwrap_or_default()
}
