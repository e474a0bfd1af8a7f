//! A simulated Azure to try the collector on: `cargo run --release --example simulated-azure`.
//!
//! `serve` says how to reach it and waits; `prove` runs many seeds of faults; `measure` runs sizes of tenants and
//! holds the time against the least that the quotas allow. It listens on loopback only.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a tool for trying things out ends by panicking, and talks"
)]
#![allow(dead_code, clippy::allow_attributes, reason = "the tests use the rest of what is shared with them")]

#[path = "../prove.rs"]
mod prove;
#[path = "mod.rs"]
mod server;

use leastwise::sources::simulate::{Size, estate};
use server::truth::Truth;
use server::{Server, Settings, TOKEN};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: usize| {
        let at = args.iter().position(|a| a == name);
        at.and_then(|at| args.get(at + 1)).map_or(default, |v| v.parse().unwrap())
    };
    match args.first().map(String::as_str) {
        None | Some("serve") if !args.iter().any(|a| a.contains("help")) => {
            serve(number("--subscriptions", 0))
        }
        Some("prove") => prove(number("--seeds", 500) as u64, number("--kills", 50) as u64),
        Some("measure") => {
            let skip: Vec<&str> =
                args.iter().skip_while(|a| *a != "--skip").take(2).map(String::as_str).collect();
            let size = (number("--subscriptions", 10), number("--assignments", 100));
            measure(size, number("--speed", 1), &skip);
        }
        _ => {
            println!(
                "usage: simulated-azure [serve [--subscriptions N] | prove [--seeds N] [--kills N] | measure [--subscriptions N] [--assignments N] [--speed N] [--skip SOURCE]]"
            );
        }
    }
}

fn truth(subscriptions: usize, assignments: usize) -> Truth {
    match subscriptions {
        0 => Truth::of(&leastwise::sources::demo::estate()),
        subscriptions => Truth::of(&estate(&Size { subscriptions, assignments, ..Size::default() }, 1)),
    }
}

fn serve(subscriptions: usize) {
    let server = Server::start(truth(subscriptions, 100), Settings { speed: 1, ..Settings::default() });
    std::fs::write("simulated-azure.pem", &server.authority).unwrap();
    let at = server.origin();
    println!("A simulated Azure listens at {at} until this is ended. In another terminal, here:\n");
    println!("export LEASTWISE_ARM_TOKEN={TOKEN} LEASTWISE_GRAPH_TOKEN={TOKEN}");
    println!(
        "leastwise collect -o simulated.lwsnap --cloud custom --arm-endpoint {at} --graph-endpoint {at} --authority {at} --ca-bundle simulated-azure.pem"
    );
    println!("leastwise audit --snapshot simulated.lwsnap -o out");
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

fn prove(seeds: u64, kills: u64) {
    let size = Size { subscriptions: 6, assignments: 30, identities: 12, resources: 12, vaults: 2 };
    let truths = [truth(0, 0), Truth::of(&estate(&size, 1))];
    for seed in 0..seeds {
        prove::seed(&truths[usize::try_from(seed / 2 % 2).unwrap()], seed);
        if seed % 50 == 49 {
            println!("{} seeds: the truth, or said what is missing", seed + 1);
        }
    }
    if !seeds.is_multiple_of(50) {
        println!("{seeds} seeds: the truth, or said what is missing");
    }
    let server = Server::start(truth(0, 0), Settings { page: 11, ..Settings::default() });
    let dir = prove::folder("leastwise-kills");
    let (whole, all) = prove::undisturbed(&server, &dir);
    let mut again = 0;
    for kill in 0..kills {
        // Spread over the run, never twice at the same place.
        let at = 1 + kill.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (all - 2);
        again += prove::kill_and_resume(&server, &dir, at, &whole);
    }
    println!("{kills} kills in a run of {all} requests: the same records, {again} requests to end them all");
}

/// Requests that the collector has under way at once, and how long each takes.
const AT_ONCE: f64 = 100.0;
const LATENCY: Duration = Duration::from_millis(200);

/// The least time that the quotas allow for what was asked: whichever is longest of what each quota takes, and of the
/// latency of all requests side by side.
fn least(seen: &server::Seen) -> f64 {
    let counts = seen.by_quota.lock().unwrap();
    let quotas = counts.values().map(|(n, size, rate)| (*n - size).max(0.0) / rate);
    let all: f64 = counts.values().map(|(n, _, _)| n).sum();
    quotas.fold(all / AT_ONCE * LATENCY.as_secs_f64(), f64::max)
}

fn measure((subscriptions, assignments): (usize, usize), speed: usize, more: &[&str]) {
    // Whatever is more than a hundred a subscription is made of those when it is asked for.
    let held = assignments.min(100);
    let truth = truth(subscriptions, held).copied(assignments / held - 1);
    let speed = u32::try_from(speed).unwrap();
    let settings = Settings { speed, latency: LATENCY, ..Settings::default() };
    let server = Server::start(truth.clone(), settings);
    let dir = prove::folder("leastwise-measure");
    let began = Instant::now();
    let ran = prove::collect(&server, &dir, more);
    let took = began.elapsed().as_secs_f64() * f64::from(speed);
    let lost = prove::compare(&truth, &dir.join("tenant.lwsnap"));
    let seen = server.seen();
    let least = least(seen);
    let count = |n: &std::sync::atomic::AtomicU64| n.load(Ordering::SeqCst);
    println!(
        "{subscriptions} subscriptions x {assignments}: {} requests, {:.1} MB, {took:.1} s, least {least:.1} s, {:.2} times, {} over quota, exit {}, {} MiB, lost {}",
        count(&seen.requests),
        count(&seen.bytes) as f64 / 1e6,
        took / least,
        count(&seen.throttled),
        ran.code,
        ran.memory / 1024,
        lost.len()
    );
    lost.iter().take(10).for_each(|what| println!("  {what}"));
}
