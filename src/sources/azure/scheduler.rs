//! When to ask: token buckets for the documented quotas, pauses that Azure asks for, repeats, and a bound on how much
//! is asked at once.
//!
//! Sources: "Understand how Azure Resource Manager throttles requests" (reads: a bucket of 250, refilled by 25 a second,
//! for each subscription and principal; the same for the tenant), "Guidance for throttled requests in Azure Resource
//! Graph" (15 queries in 5 seconds for each principal), "Microsoft Graph service-specific throttling limits". Not here:
//! what to ask.

use super::client::{Answer, Ask, Client, NoAnswer};
use super::clock::Clock;
use crate::model::Reason;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Whose bucket a request is taken from.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Quota {
    /// Reads of the tenant's level of Resource Manager.
    Tenant,
    /// Reads of a subscription.
    Subscription(String),
    /// Resource Graph.
    ResourceGraph,
    /// What Azure says uses an identity.
    Associated,
    /// Microsoft Graph.
    Directory,
}

impl Quota {
    /// How many requests at once, and how many a second after that.
    fn size(&self) -> (f64, f64) {
        match self {
            Quota::Tenant | Quota::Subscription(_) => (250.0, 25.0),
            Quota::ResourceGraph => (15.0, 3.0),
            // Documented as one a second for a tenant; a question that comes early costs another.
            Quota::Associated => (1.0, 0.9),
            // 8,000 resource units in 10 seconds for the smallest tenants' lowest class, 3,500; a batch of twenty takes
            // up to a hundred.
            Quota::Directory => (100.0, 30.0),
        }
    }
}

#[derive(Debug)]
struct Bucket {
    level: f64,
    at: Duration,
    not_before: Duration,
}

/// What happened on the way, for people.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Requests that were sent.
    pub requests: AtomicU64,
    /// Answers that asked to slow down.
    pub throttled: AtomicU64,
    /// Repeats after failures.
    pub repeats: AtomicU64,
    /// Bytes of answers.
    pub bytes: AtomicU64,
}

/// Why a request was given up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    pub(super) detail: String,
    /// Nothing can be asked at all: no token, or a token that is not taken.
    pub(super) identity: bool,
}

impl Refusal {
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Refusal {
        Refusal { reason, detail: detail.into(), identity: false }
    }

    /// Whether the service does not know the version that was asked for.
    pub(super) fn says_version(&self) -> bool {
        ["NoRegisteredProviderFound", "InvalidApiVersion", "InvalidResourceType"]
            .iter()
            .any(|code| self.detail.contains(code))
    }

    /// Whether the token is the reason, and not what was asked for: Resource Manager refuses with the same status what
    /// belongs to another tenant.
    fn says_token(&self, quota: &Quota) -> bool {
        self.detail.contains("ExpiredAuthenticationToken")
            || *quota == Quota::Directory && self.detail.contains("InvalidAuthenticationToken")
    }
}

/// Failures that pass, tried this often in a row.
pub(super) const TRIES: u32 = 8;
/// The same while nothing has answered yet.
const FIRST_TRIES: u32 = 3;
/// Throttling ends in patience, not in loss: this often.
pub(super) const PATIENCE: u32 = 60;
/// Long lists read side by side.
const CHAINS: usize = 12;
/// For one answer from its first byte to its last, by the real clock.
const LONGEST_ANSWER: Duration = Duration::from_secs(300);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Asks Azure at the pace that it allows.
#[derive(Debug)]
pub(super) struct Scheduler {
    client: Arc<Client>,
    clock: Arc<dyn Clock>,
    buckets: Mutex<HashMap<Quota, Bucket>>,
    /// Places for requests under way. Short lists queue before they may ask for one, so that a page of Resource Graph or
    /// of the directory, whose lists are long chains, never waits behind thousands of them.
    places: Semaphore,
    short: Semaphore,
    chains: Semaphore,
    /// Whether Azure has answered anything yet.
    answered: AtomicBool,
    /// How tokens that are over were refused, Resource Manager's and the directory's.
    over: [OnceLock<Refusal>; 2],
    pub(super) traffic: Arc<Traffic>,
    /// Whether lists that the generated client has are read through it.
    #[cfg(feature = "azure-mgmt")]
    pub(super) generated: bool,
}

impl Scheduler {
    /// How long ago this run began, by its clock.
    pub(super) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    pub(super) fn new(client: Arc<Client>, clock: Arc<dyn Clock>, at_once: usize) -> Scheduler {
        Scheduler {
            client,
            clock,
            buckets: Mutex::default(),
            places: Semaphore::new(at_once),
            short: Semaphore::new(at_once),
            chains: Semaphore::new(CHAINS),
            answered: AtomicBool::new(false),
            over: Default::default(),
            traffic: Arc::default(),
            #[cfg(feature = "azure-mgmt")]
            generated: false,
        }
    }

    /// The same, with the generated client for the lists that it has, or without.
    #[cfg(feature = "azure-mgmt")]
    pub(super) fn through_generated(self, generated: bool) -> Scheduler {
        Scheduler { generated, ..self }
    }

    /// Where Resource Manager is.
    #[cfg(feature = "azure-mgmt")]
    pub(super) fn endpoint(&self) -> azure_core::http::Url {
        self.client.cloud().arm.clone()
    }

    /// The name of the cloud that is asked.
    pub(super) fn cloud(&self) -> &'static str {
        self.client.cloud().name
    }

    /// Asks until there is an answer that `whole` accepts, or no hope for one. An answer that is never whole is given
    /// out as it is: what stands in it counts.
    pub(super) async fn ask(
        &self,
        quota: &Quota,
        ask: &Ask,
        whole: impl Fn(&[u8]) -> bool,
    ) -> Result<Answer, Refusal> {
        let (mut tries, mut pauses) = (0, 0);
        loop {
            self.pass(quota).await;
            let queue = match quota {
                // Something may wait for the end of a list that is begun.
                _ if ask.is_further_page() => None,
                Quota::ResourceGraph | Quota::Directory | Quota::Associated => Some(&self.chains),
                Quota::Tenant | Quota::Subscription(_) => Some(&self.short),
            };
            let ending = || Refusal::new(Reason::Failed, "the collection is ending");
            let turn = match queue {
                Some(queue) => Some(queue.acquire().await.map_err(|_| ending())?),
                None => None,
            };
            let slot = self.places.acquire().await.map_err(|_| ending())?;
            let [resources, directory] = &self.over;
            let over = if *quota == Quota::Directory { directory } else { resources };
            if let Some(refused) = over.get() {
                return Err(refused.clone());
            }
            let mut answered = self.once(ask).await;
            if answered.as_ref().is_ok_and(|a| a.status == 401) {
                // Once more with the token as it is now, and in the same place: who waits would only be refused, too.
                self.traffic.repeats.fetch_add(1, Ordering::Relaxed);
                self.reserve(quota);
                answered = self.once(ask).await;
            }
            drop((turn, slot));
            let failed = match answered {
                Ok(answer) => {
                    self.answered.store(true, Ordering::Relaxed);
                    self.traffic.bytes.fetch_add(answer.body.len() as u64, Ordering::Relaxed);
                    self.heed(quota, &answer);
                    match answer.status {
                        200..=299 if whole(&answer.body) => return Ok(answer),
                        200..=299 => {
                            if tries + 1 >= TRIES {
                                return Ok(answer);
                            }
                            Refusal::new(Reason::Truncated, "the answer was cut short")
                        }
                        429 | 503 if answer.retry_after.is_some() || answer.status == 429 => {
                            pauses += 1;
                            self.traffic.throttled.fetch_add(1, Ordering::Relaxed);
                            if pauses >= PATIENCE {
                                let detail = format!("Azure asked {PATIENCE} times to slow down");
                                return Err(Refusal::new(Reason::Throttled, detail));
                            }
                            self.slow_down(quota, answer.retry_after.as_deref(), pauses);
                            continue;
                        }
                        status => match refusal(status, &answer.body) {
                            Ok(passing) => passing,
                            Err(last) => {
                                if status == 401 && last.says_token(quota) {
                                    // Whatever comes after this would be refused too.
                                    let _ = over.set(last.clone());
                                }
                                return Err(last);
                            }
                        },
                    }
                }
                Err(NoAnswer::Credential(why)) => {
                    let refused = Refusal::new(Reason::Forbidden, format!("no token: {why}"));
                    return Err(Refusal { identity: true, ..refused });
                }
                Err(NoAnswer::Foreign(why)) => {
                    let detail = format!("the next page lies {why}, where no token is sent");
                    return Err(Refusal::new(Reason::Failed, detail));
                }
                Err(NoAnswer::TooLarge(most)) => {
                    let detail = format!("an answer above {} MiB is not read", most >> 20);
                    return Err(Refusal::new(Reason::Unsupported, detail));
                }
                Err(NoAnswer::Network(why)) => Refusal::new(Reason::Failed, why),
            };
            tries += 1;
            // Where nobody ever answered, most likely nobody will: a wrong address should not take a minute.
            let most = if self.answered.load(Ordering::Relaxed) { TRIES } else { FIRST_TRIES };
            if tries >= most {
                return Err(failed);
            }
            self.traffic.repeats.fetch_add(1, Ordering::Relaxed);
            self.clock.sleep(backoff(tries)).await;
        }
    }

    /// One request, to the end of its answer.
    async fn once(&self, ask: &Ask) -> Result<Answer, NoAnswer> {
        self.traffic.requests.fetch_add(1, Ordering::Relaxed);
        let late = |_| Err(NoAnswer::Network(format!("no whole answer in {} s", LONGEST_ANSWER.as_secs())));
        tokio::time::timeout(LONGEST_ANSWER, self.client.ask(ask)).await.unwrap_or_else(late)
    }

    /// Waits for a place in the quota. Places are given out in order: a bucket may go below zero, and how far says how
    /// long to wait.
    async fn pass(&self, quota: &Quota) {
        let mut wait = self.reserve(quota);
        while wait > Duration::ZERO {
            self.clock.sleep(wait).await;
            // Meanwhile Azure may have asked for a pause.
            let now = self.clock.elapsed();
            wait = self.with(quota, now, |bucket| bucket.not_before.saturating_sub(now));
        }
    }

    fn reserve(&self, quota: &Quota) -> Duration {
        let now = self.clock.elapsed();
        let (_, rate) = quota.size();
        self.with(quota, now, |bucket| {
            bucket.level -= 1.0;
            let debt = if bucket.level < 0.0 { -bucket.level / rate } else { 0.0 };
            Duration::from_secs_f64(debt).max(bucket.not_before.saturating_sub(now))
        })
    }

    /// The bucket as it is now.
    fn with<T>(&self, quota: &Quota, now: Duration, see: impl FnOnce(&mut Bucket) -> T) -> T {
        let (size, rate) = quota.size();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(quota.clone()).or_insert(Bucket {
            level: size,
            at: now,
            not_before: Duration::ZERO,
        });
        let gained = now.saturating_sub(bucket.at).as_secs_f64() * rate;
        bucket.level = (bucket.level + gained).min(size);
        bucket.at = now;
        see(bucket)
    }

    /// A pause that Azure asked for the `pauses`th time in a row; one that it leaves open, or calls nothing, grows.
    pub(super) fn slow_down(&self, quota: &Quota, retry_after: Option<&str>, pauses: u32) {
        let asked = retry_after.and_then(seconds).filter(|s| *s > Duration::ZERO);
        self.hold(quota, asked.unwrap_or_else(|| backoff(pauses)));
    }

    fn hold(&self, quota: &Quota, pause: Duration) {
        let now = self.clock.elapsed();
        let until = now + pause.min(LONGEST_WAIT);
        self.with(quota, now, |bucket| {
            bucket.not_before = bucket.not_before.max(until);
            bucket.level = bucket.level.min(1.0);
        });
    }

    /// Others use the same quota: what the service says is left is believed if it is less than what we think.
    fn heed(&self, quota: &Quota, answer: &Answer) {
        let now = self.clock.elapsed();
        if let Some(left) = answer.remaining {
            self.with(quota, now, |bucket| bucket.level = bucket.level.min(f64::from(left)));
            if let (0, Some(pause)) = (left, answer.resets_after.as_deref().and_then(clock_time)) {
                self.hold(quota, pause);
            }
        }
    }
}

/// What a status means: `Ok` for failures that pass, `Err` for those that do not.
fn refusal(status: u16, body: &[u8]) -> Result<Refusal, Refusal> {
    let said = said(body);
    let detail = |what: &str| if said.is_empty() { what.to_owned() } else { format!("{what}: {said}") };
    match status {
        408 | 500 | 502 | 503 | 504 => {
            Ok(Refusal::new(Reason::Failed, detail(&format!("Azure failed with {status}"))))
        }
        401 => {
            let refused = Refusal::new(Reason::Forbidden, detail("the token is not accepted"));
            Err(Refusal { identity: true, ..refused })
        }
        403 => Err(Refusal::new(Reason::Forbidden, detail("not allowed"))),
        404 => Err(Refusal::new(Reason::Failed, detail("not there"))),
        _ => Err(Refusal::new(Reason::Failed, detail(&format!("Azure answered {status}")))),
    }
}

/// The code of an error; its message names callers and correlation ids, which differ from run to run.
fn said(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Body {
        error: Error,
    }
    #[derive(serde::Deserialize)]
    struct Error {
        code: String,
    }
    serde_json::from_slice::<Body>(body).map(|b| b.error.code.chars().take(80).collect()).unwrap_or_default()
}

/// Twice as long each time, from half a second to half a minute.
fn backoff(tries: u32) -> Duration {
    Duration::from_millis(250 << tries.min(7)).min(Duration::from_secs(30))
}

/// `Retry-After`: seconds, or an HTTP date, which needs a wall clock and is taken as half a minute.
fn seconds(text: &str) -> Option<Duration> {
    match text.trim().parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(Duration::from_secs(30)),
    }
}

/// `hh:mm:ss`.
fn clock_time(text: &str) -> Option<Duration> {
    let mut parts = text.trim().splitn(3, ':').map(|p| p.parse::<u64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    hours
        .checked_mul(60)?
        .checked_add(minutes)?
        .checked_mul(60)?
        .checked_add(seconds)
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_read() {
        assert_eq!(seconds("17"), Some(Duration::from_secs(17)));
        assert_eq!(seconds("Wed, 21 Oct 2026 07:28:00 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(clock_time("00:01:05"), Some(Duration::from_secs(65)));
        assert_eq!(clock_time("5"), None);
        assert_eq!(backoff(1), Duration::from_millis(500));
        assert_eq!(backoff(40), Duration::from_secs(30));
    }

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        let body = br#"{"error":{"code":"AuthorizationFailed","message":"The client 'x'"}}"#;
        let refused = refusal(403, body).unwrap_err();
        assert_eq!(
            (refused.reason, refused.detail.as_str()),
            (Reason::Forbidden, "not allowed: AuthorizationFailed")
        );
        assert!(refusal(401, b"").unwrap_err().identity);
        assert_eq!(refusal(404, b"<html>").unwrap_err().detail, "not there");
        assert!(refusal(502, b"").is_ok());
        assert!(refusal(400, b"").is_err());
    }
}
