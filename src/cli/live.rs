//! Live Azure from the command line: what was typed becomes a target, and a collection's outcome a table.

use super::args;
use super::exit::{self, Code};
use super::terminal::Terminal;
use crate::app::collect::{self, Environment, Live, Outcome};
use crate::app::{AppError, Progress as _};
use crate::model::{Instant, is_guid, role_key};
use crate::sources::azure::{CHAIN, Cloud, OPTIONAL, Target, Via};
use std::path::Path;

/// Variables that speed up the clock of pauses, for tests against a simulated Azure.
const SPEED: &str = "LEASTWISE_TEST_CLOCK_SPEED";
/// How many grants stay in memory, so that small tenants try what large ones need.
const PART: &str = "LEASTWISE_TEST_PART";

/// What the options say.
pub(super) fn live(args: &args::Live) -> Result<Live, AppError> {
    let custom = [&args.arm_endpoint, &args.graph_endpoint, &args.authority].map(Option::as_deref);
    let cloud = Cloud::named(&args.cloud, custom).map_err(|e| AppError::usage(e.to_string()))?;
    if args.cloud != "custom" && custom.iter().any(Option::is_some) {
        return Err(
            AppError::usage("an endpoint was given, and the cloud has its own").help("add --cloud custom")
        );
    }
    if let Some(name) = args.credential.as_deref().filter(|n| !CHAIN.contains(n)) {
        return Err(AppError::usage(format!("there is no credential `{name}`"))
            .help(format!("expected one of {}", CHAIN.join(", "))));
    }
    let via = Via::ALL.into_iter().find(|v| v.name() == args.via).ok_or_else(|| {
        AppError::usage(format!("there is no way `{}` to Azure", args.via))
            .help("expected auto, arm or graph")
    })?;
    let mut skip = std::collections::BTreeSet::new();
    for name in &args.skip {
        let known = OPTIONAL.into_iter().find(|s| s.name() == name);
        skip.insert(known.ok_or_else(|| {
            let names: Vec<&str> = OPTIONAL.iter().map(|s| s.name()).collect();
            AppError::usage(format!("`{name}` cannot be left out"))
                .help(format!("expected one of {}", names.join(", ")))
        })?);
    }
    let variable = |name: &str| std::env::var(name).ok();
    Ok(Live {
        cloud,
        credential: args.credential.clone(),
        authorities: args.ca_bundle.clone(),
        target: Target {
            tenant: args.tenant.clone(),
            subscriptions: args.subscription.clone(),
            management_groups: args.management_group.clone(),
            exclude: args.exclude_subscription.clone(),
            deep: args.deep,
            via,
            skip,
            #[cfg(feature = "azure-mgmt")]
            generated: args.generated_client,
        },
        environment: Environment(|name| std::env::var(name).ok()),
        speed: variable(SPEED).and_then(|v| v.parse().ok()).unwrap_or(1),
        part: variable(PART).and_then(|v| v.parse().ok()),
    })
}

pub(super) fn collect(
    to: &Path,
    args: &args::Live,
    now: Instant,
    terminal: &Terminal,
) -> Result<Code, AppError> {
    terminal.step("signing in");
    let outcome = collect::collect(&live(args)?, to, now, terminal)?;
    terminal.done();
    table(&outcome).iter().for_each(|line| terminal.say(line));
    terminal.say(&format!("wrote {} ({})", to.display(), outcome.digest));
    Ok(if outcome.blocked { exit::BLOCKED } else { exit::DONE })
}

fn table(outcome: &Outcome) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<26}{:<10}{:>8}{:>8}{:>8}{:>10}{:>10}",
        "source", "extent", "lists", "failed", "pages", "items", "kept"
    )];
    lines.extend(outcome.lines.iter().map(|l| {
        format!(
            "{:<26}{:<10}{:>8}{:>8}{:>8}{:>10}{:>10}",
            l.source, l.extent, l.lists, l.failed, l.pages, l.items, l.kept
        )
    }));
    lines.extend(outcome.missing.iter().map(|m| format!("missing: {m}")));
    let [requests, throttled, repeats, bytes] = outcome.traffic;
    lines.push(format!(
        "{requests} requests ({throttled} slowed down, {repeats} repeated), {} KiB, {} pages from an earlier run",
        bytes / 1024,
        outcome.resumed
    ));
    lines
}

/// The scopes that were asked for by id: a role can be assignable there. Names are no ids, and mean the whole tenant here.
pub(super) fn scopes(args: &args::Live) -> Vec<String> {
    let ids: Vec<&str> = args.subscription.iter().map(|id| role_key(id)).collect();
    if ids.iter().any(|id| !is_guid(id)) {
        return Vec::new();
    }
    let groups = args.management_group.iter().map(|id| role_key(id));
    let groups = groups.map(|g| format!("/providers/Microsoft.Management/managementGroups/{g}"));
    ids.iter().map(|id| format!("/subscriptions/{id}")).chain(groups).collect()
}
