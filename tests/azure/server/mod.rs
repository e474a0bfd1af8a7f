//! A simulated Azure on loopback: Resource Manager, Resource Graph and Microsoft Graph over TLS with a throw-away
//! authority, quotas with the documented headers, pages, and faults on a seed.
//!
//! It listens on 127.0.0.1 only. What it holds is a snapshot's records (`truth`), what it answers is in `routes`, what
//! goes wrong in `faults`.

pub(crate) mod faults;
pub(crate) mod routes;
pub(crate) mod truth;

use faults::{Fault, Faults};
use routes::{Answer, Request};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use truth::Truth;

/// The token that it takes.
pub(crate) const TOKEN: &str = "simulated-token-that-must-never-be-seen";

/// How it behaves.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) faults: Faults,
    /// Rows a page.
    pub(crate) page: usize,
    /// How many times as fast as it should its clock runs.
    pub(crate) speed: u32,
    /// Time before each answer, of its own clock.
    pub(crate) latency: Duration,
    /// Changes an answer on its way out.
    pub(crate) alter: fn(&Request, String) -> String,
    /// Refuses the newer versions of interfaces, as a cloud that lags behind does.
    pub(crate) lags: bool,
    /// Refuses lists of eligible grants, as a tenant without the licence does.
    pub(crate) unlicensed: bool,
    /// Subscriptions that are there only from the second look on.
    pub(crate) late: Vec<Value>,
}

impl Default for Settings {
    fn default() -> Settings {
        let latency = Duration::ZERO;
        Settings {
            faults: Faults::NONE,
            page: 1000,
            speed: 100,
            latency,
            alter: |_, text| text,
            lags: false,
            unlicensed: false,
            late: Vec::new(),
        }
    }
}

struct State {
    truth: Truth,
    settings: Settings,
    origin: String,
    began: Instant,
    tries: Mutex<HashMap<String, u64>>,
    buckets: Mutex<HashMap<String, (f64, f64)>>,
    seen: Seen,
}

/// What it saw.
pub(crate) struct Seen {
    pub(crate) requests: AtomicU64,
    pub(crate) throttled: AtomicU64,
    pub(crate) writes: AtomicU64,
    /// From so many requests on, it answers nobody.
    pub(crate) stop_after: AtomicU64,
    /// From so many requests on, Resource Manager's token is over.
    pub(crate) expires_after: AtomicU64,
    pub(crate) stopped: AtomicBool,
    /// Requests by quota, with the quota's size and rate.
    pub(crate) by_quota: Mutex<HashMap<String, (f64, f64, f64)>>,
    pub(crate) bytes: AtomicU64,
    /// What callers proved themselves with.
    pub(crate) proofs: Mutex<Vec<String>>,
}

impl Default for Seen {
    fn default() -> Seen {
        Seen {
            requests: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            stop_after: AtomicU64::new(u64::MAX),
            expires_after: AtomicU64::new(u64::MAX),
            stopped: AtomicBool::new(false),
            by_quota: Mutex::default(),
            proofs: Mutex::default(),
            bytes: AtomicU64::new(0),
        }
    }
}

/// A running server; it ends with the process.
pub(crate) struct Server {
    /// The authority that signed its certificate, in PEM.
    pub(crate) authority: String,
    state: Arc<State>,
}

impl Server {
    pub(crate) fn start(truth: Truth, settings: Settings) -> Server {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).unwrap();
        let issuer = rcgen::Issuer::new(params, key);
        let own = rcgen::KeyPair::generate().unwrap();
        let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&own, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let secret = rustls::pki_types::PrivatePkcs8KeyDer::from(own.serialize_der());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], secret.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            truth,
            settings,
            origin: format!("https://localhost:{port}"),
            began: Instant::now(),
            tries: Mutex::default(),
            buckets: Mutex::default(),
            seen: Seen::default(),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    let (acceptor, state) = (acceptor.clone(), Arc::clone(&shared));
                    tokio::spawn(async move {
                        // A client that goes away is the client's business.
                        let _ended = serve(stream, acceptor, state).await;
                    });
                }
            });
        });
        Server { authority: authority.pem(), state }
    }

    pub(crate) fn origin(&self) -> &str {
        &self.state.origin
    }

    pub(crate) fn speed(&self) -> u32 {
        self.state.settings.speed
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.state.seen
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, state: Arc<State>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = acceptor.accept(stream).await?;
    let mut buffer = Vec::new();
    loop {
        let head = loop {
            if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let text = String::from_utf8_lossy(&buffer[..head]).into_owned();
        let header = |name: &str| {
            text.lines().find_map(|l| {
                let (key, value) = l.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let length: usize = header("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
        while buffer.len() < head + length {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        let body = String::from_utf8_lossy(&buffer[head..head + length]).into_owned();
        buffer.drain(..head + length);
        let mut first = text.split([' ', '\r']);
        let (method, target) = (first.next().unwrap_or(""), first.next().unwrap_or(""));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let authorized = header("authorization").is_some_and(|v| v == format!("Bearer {TOKEN}"));
        let query = query.replace("%20", " ").replace("%27", "'").replace("%28", "(").replace("%29", ")");
        let request = Request { method: method.to_owned(), path: path.to_owned(), query, body, authorized };
        if !respond(&mut stream, &state, &request).await? {
            return Ok(());
        }
    }
}

type Stream = tokio_rustls::server::TlsStream<TcpStream>;

async fn respond(stream: &mut Stream, state: &State, request: &Request) -> std::io::Result<bool> {
    let seen = &state.seen;
    let number = seen.requests.fetch_add(1, Ordering::SeqCst);
    if number >= seen.stop_after.load(Ordering::SeqCst) {
        seen.stopped.store(true, Ordering::SeqCst);
        // Whoever asks now waits for ever, until it is killed.
        std::future::pending::<()>().await;
    }
    let reads = request.method == "GET"
        || ["/providers/Microsoft.ResourceGraph/resources", "/v1.0/$batch"].contains(&request.path.as_str())
        || request.path.ends_with("/listAssociatedResources");
    if let Some(proofs) = routes::proofs(request) {
        seen.proofs.lock().unwrap().extend(proofs);
        let token = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN, "value": "from-github"});
        return put(stream, 200, &[], token.to_string().as_bytes()).await;
    }
    if !reads {
        seen.writes.fetch_add(1, Ordering::SeqCst);
    }
    tokio::time::sleep(state.settings.latency / state.settings.speed).await;
    if let Some(wait) = over_quota(state, request) {
        seen.throttled.fetch_add(1, Ordering::SeqCst);
        let error = json!({"error": {"code": "TooManyRequests"}}).to_string();
        return put(stream, 429, &[("retry-after", wait.to_string())], error.as_bytes()).await;
    }
    if !request.authorized {
        let error = json!({"error": {"code": "InvalidAuthenticationToken"}}).to_string();
        return put(stream, 401, &[], error.as_bytes()).await;
    }
    let directory = request.path.starts_with("/v1.0/");
    if number >= seen.expires_after.load(Ordering::SeqCst) && !directory {
        let error = json!({"error": {"code": "ExpiredAuthenticationToken"}}).to_string();
        return put(stream, 401, &[], error.as_bytes()).await;
    }
    let key = format!("{} {} {} {}", request.method, request.path, request.query, request.body);
    let attempt = {
        let mut tries = state.tries.lock().unwrap();
        let tries = tries.entry(key).or_default();
        *tries += 1;
        *tries - 1
    };
    let fault = state.settings.faults.of(request, attempt);
    if let Fault::Status(status, wait) = fault {
        let headers: Vec<_> = wait.map(|w| ("retry-after", w.to_string())).into_iter().collect();
        let error = json!({"error": {"code": "Simulated", "message": "a fault"}}).to_string();
        return put(stream, status, &headers, error.as_bytes()).await;
    }
    let refused = |code: &str| json!({"error": {"code": code, "message": "no"}}).to_string();
    let new = ["2026-05-31", "2024-07-01-preview", "2022-05-01-preview"];
    if state.settings.lags && new.iter().any(|v| request.query.contains(v)) {
        return put(stream, 400, &[], refused("NoRegisteredProviderFound").as_bytes()).await;
    }
    if state.settings.unlicensed && request.path.contains("ScheduleInstances") {
        return put(stream, 403, &[], refused("AadPremiumLicenseRequired").as_bytes()).await;
    }
    let mut answer = routes::answer(&state.truth, request);
    if let (Answer::Value(rows), true) = (&mut answer, request.path == "/subscriptions" && attempt > 0) {
        Arc::make_mut(rows).extend(state.settings.late.iter().cloned());
    }
    let (status, body) = match answer {
        Answer::Text(rows) => {
            let text = lines(state, request, &rows);
            state.seen.bytes.fetch_add(text.len() as u64, Ordering::Relaxed);
            return put(stream, 200, &[], text.as_bytes()).await;
        }
        Answer::Missing => (404, json!({"error": {"code": "NotFound"}})),
        Answer::Absent => (404, json!({"error": {"code": "Request_ResourceNotFound"}})),
        Answer::Whole(body) => (200, body),
        Answer::Value(rows) => (200, page(state, request, rows, false, fault)),
        Answer::Data(rows) => (200, page(state, request, rows, true, fault)),
    };
    let mut text = (state.settings.alter)(request, body.to_string());
    match fault {
        Fault::Cut => text.truncate(text.len() / 2),
        Fault::Garbage => text = "<html>Service unavailable</html>".to_owned(),
        Fault::Reset => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&text.as_bytes()[..text.len() / 2]).await?;
            stream.flush().await?;
            return Ok(false);
        }
        Fault::Drip => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
            stream.write_all(head.as_bytes()).await?;
            for piece in text.as_bytes().chunks(text.len() / 5 + 1) {
                stream.write_all(piece).await?;
                stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(100) / state.settings.speed).await;
            }
            return Ok(true);
        }
        _ => {}
    }
    state.seen.bytes.fetch_add(text.len() as u64, Ordering::Relaxed);
    put(stream, status, &[], text.as_bytes()).await
}

/// One page of rows that are text, without faults.
fn lines(state: &State, request: &Request, rows: &[String]) -> String {
    let token = request.query.split('&').find_map(|p| p.strip_prefix("$skiptoken="));
    let start = token.and_then(|t| t.parse().ok()).unwrap_or(0).min(rows.len());
    let end = (start + state.settings.page).min(rows.len());
    let mut text = format!("{{\"value\":[{}]", rows[start..end].join(","));
    if end < rows.len() {
        text.push_str(&format!(",\"nextLink\":{}", json!(link(state, request, end))));
    }
    text.push('}');
    text
}

/// Where the rows from one on are.
fn link(state: &State, request: &Request, next: usize) -> String {
    let others: Vec<&str> = request.query.split('&').filter(|p| !p.starts_with("$skiptoken=")).collect();
    let query = others.join("&").replace(' ', "%20");
    format!("{}{}?{query}&$skiptoken={next}", state.origin, request.path)
}

/// One page of a list.
fn page(state: &State, request: &Request, rows: Arc<Vec<Value>>, graph: bool, fault: Fault) -> Value {
    let size = state.settings.page;
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let token = match graph {
        true => truth::text(&body, &["options", "$skipToken"]).to_owned(),
        false => {
            request.query.split('&').find_map(|p| p.strip_prefix("$skiptoken=")).unwrap_or("").to_owned()
        }
    };
    let start: usize = token.parse().unwrap_or(0);
    let total = rows.len();
    let end = (start + size).min(total);
    let next = (end < total).then_some(end);
    let more_before = start > 0;
    // Thousands of rows are moved where that can be, so that this end of the line is not the slower one.
    let mut shown: Vec<Value> = match (start, next) {
        (0, None) => Arc::try_unwrap(rows).unwrap_or_else(|rows| rows.to_vec()),
        _ => rows[start.min(end)..end].to_vec(),
    };
    match fault {
        Fault::Again if !shown.is_empty() => shown.push(shown[0].clone()),
        Fault::Reordered => shown.reverse(),
        Fault::Slipped if more_before => drop(shown.pop()),
        Fault::Loud => {
            for row in &mut shown {
                if let Some(id) =
                    row["id"].as_str().map(str::to_ascii_uppercase).filter(|id| id.starts_with('/'))
                {
                    row["id"] = id.into();
                }
            }
        }
        _ => {}
    }
    if graph {
        let count = shown.len();
        let data = if fault == Fault::Table { table(&shown) } else { Value::Array(shown) };
        let mut answer =
            json!({"totalRecords": total, "count": count, "facets": [], "resultTruncated": "false"});
        answer["data"] = data;
        if let Some(next) = next {
            answer["$skipToken"] = next.to_string().into();
            answer["resultTruncated"] = "true".into();
        }
        return answer;
    }
    let member = if request.path.starts_with("/v1.0") || request.path.starts_with("/beta") {
        "@odata.nextLink"
    } else {
        "nextLink"
    };
    let mut answer = json!({});
    answer["value"] = Value::Array(shown);
    if fault == Fault::Foreign {
        answer[member] = "https://127.0.0.1:9/steal?$skiptoken=1".into();
    } else if let Some(next) = next {
        answer[member] = link(state, request, next).into();
    }
    answer
}

fn table(rows: &[Value]) -> Value {
    let mut columns: Vec<&String> = rows.iter().filter_map(Value::as_object).flat_map(|o| o.keys()).collect();
    columns.sort();
    columns.dedup();
    let named: Vec<Value> = columns.iter().map(|c| json!({"name": c, "type": "object"})).collect();
    let cells: Vec<Value> = rows
        .iter()
        .map(|r| columns.iter().map(|c| r.get(*c).cloned().unwrap_or(Value::Null)).collect())
        .collect();
    json!({"columns": named, "rows": cells})
}

/// Whole seconds to wait, if the quota is used up.
fn over_quota(state: &State, request: &Request) -> Option<u64> {
    let (name, size, rate) = routes::quota(request);
    let now = state.began.elapsed().as_secs_f64() * f64::from(state.settings.speed);
    let mut buckets = state.buckets.lock().unwrap();
    let (level, at) = buckets.entry(name.clone()).or_insert((size, now));
    *level = (*level + (now - *at) * rate).min(size);
    *at = now;
    if *level >= 1.0 {
        *level -= 1.0;
        // What was refused is not part of what had to be asked.
        state.seen.by_quota.lock().unwrap().entry(name).or_insert((0.0, size, rate)).0 += 1.0;
        return None;
    }
    Some(((1.0 - *level) / rate).ceil().max(1.0) as u64)
}

async fn put(
    stream: &mut Stream,
    status: u16,
    headers: &[(&str, String)],
    body: &[u8],
) -> std::io::Result<bool> {
    let mut head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.flush().await?;
    Ok(true)
}
