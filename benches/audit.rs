//! What the main job costs, as ratios to only reading the same bytes: `cargo bench`.
//!
//! `parse` is the floor: serde_json into borrowed structs. `lower` is reading into an estate, `graph` building, `rules`
//! judging, `reach` sixty sensitive operations for everyone on everything, `snapshot` reading the same estate back.
//! The tenant is made here, from counts alone; its size is set by `LEASTWISE_BENCH_SUBSCRIPTIONS` (default 10, with a
//! thousand grants each).

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use criterion::{Criterion, criterion_group, criterion_main};
use leastwise::finding::Severity;
use leastwise::graph::AccessGraph;
use leastwise::model::{Estate, Instant, Operation};
use leastwise::policy::Config;
use leastwise::rbac::Catalog;
use leastwise::rules::{Judging, RuleSet, run};
use leastwise::sources::{MemoryFiles, arm, snapshot};
use serde::Deserialize;
use std::fmt::Write as _;
use std::hint::black_box;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Floor<'a> {
    #[expect(dead_code, reason = "reading it is what is measured")]
    id: &'a str,
    properties: FloorProperties<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FloorProperties<'a> {
    principal_id: &'a str,
    #[expect(dead_code, reason = "reading it is what is measured")]
    role_definition_id: &'a str,
    #[expect(dead_code, reason = "reading it is what is measured")]
    scope: &'a str,
}

/// A number that a position always gives, spread over 64 bits.
fn spread(n: u64) -> u64 {
    (n ^ (n >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

fn tenant() -> (String, MemoryFiles) {
    let subscriptions: u64 =
        std::env::var("LEASTWISE_BENCH_SUBSCRIPTIONS").ok().and_then(|v| v.parse().ok()).unwrap_or(10);
    let roles = [
        "acdd72a7-3385-48ef-bd42-f606fba81ae7",
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        "4633458b-17de-408a-b874-0445c86b69e6",
        "de139f84-1756-47ae-9be6-808fbbe84772",
        "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    ];
    let (mut assignments, mut resources) = (String::from("["), String::from("["));
    for s in 0..subscriptions {
        for r in 0..300u64 {
            let comma = if s + r > 0 { ",\n" } else { "" };
            write!(resources, "{comma}{{\"id\":\"/subscriptions/{s:08}/resourceGroups/rg-{}/providers/Microsoft.Web/sites/app{r}\",\"type\":\"Microsoft.Web/sites\",\"tags\":{{\"env\":\"prod\"}},\"identity\":{{\"type\":\"SystemAssigned\",\"principalId\":\"p-{s}-{r}\",\"tenantId\":\"t\"}}}}", r % 20).unwrap();
        }
        for a in 0..1000u64 {
            let x = spread(s * 1000 + a);
            let comma = if s + a > 0 { ",\n" } else { "" };
            let scope = match x % 10 {
                0 => format!("/subscriptions/{s:08}"),
                1..=4 => format!("/subscriptions/{s:08}/resourceGroups/rg-{}", x / 16 % 20),
                _ => format!(
                    "/subscriptions/{s:08}/resourceGroups/rg-{}/providers/Microsoft.Web/sites/app{}",
                    x / 16 % 300 % 20,
                    x / 16 % 300
                ),
            };
            let role = roles.get(usize::try_from(x / 4096 % 6).unwrap()).unwrap();
            write!(assignments, "{comma}{{\"properties\":{{\"roleDefinitionId\":\"/subscriptions/{s:08}/providers/Microsoft.Authorization/roleDefinitions/{role}\",\"principalId\":\"p-{s}-{}\",\"principalType\":\"ServicePrincipal\",\"scope\":\"{scope}\",\"condition\":null,\"createdOn\":\"2024-03-04T10:11:12.1234567Z\",\"updatedOn\":\"2024-03-04T10:11:12.1234567Z\",\"createdBy\":\"someone\",\"description\":null}},\"id\":\"{scope}/providers/Microsoft.Authorization/roleAssignments/{x:016x}\",\"type\":\"Microsoft.Authorization/roleAssignments\",\"name\":\"{x:016x}\"}}", x / 64 % 400).unwrap();
        }
    }
    assignments.push(']');
    resources.push(']');
    let files = [
        ("assignments.json".to_owned(), assignments.clone().into_bytes()),
        ("resources.json".to_owned(), resources.into_bytes()),
    ];
    (assignments, MemoryFiles(files.into_iter().collect()))
}

fn sensitive() -> Vec<Operation> {
    let catalog = Catalog::embedded().operations();
    let all = catalog.iter(leastwise::model::Plane::Control);
    let wanted = all.filter(|n| {
        leastwise::rbac::classify(leastwise::model::Plane::Control, n) >= leastwise::rbac::Class::Execution
    });
    wanted.take(60).map(Operation::control).collect()
}

fn audit(c: &mut Criterion) {
    let (assignments, files) = tenant();
    let catalog = Catalog::embedded();
    let lower = || -> Estate { arm::read(&files, |_| ()).unwrap() };
    let estate = lower();
    let mut packed = Vec::new();
    snapshot::write(&estate, &mut packed).unwrap();
    let graph = AccessGraph::build(estate.clone(), catalog, None);
    let (config, now) = (Config::default(), Instant::from_seconds(1_780_300_800));
    let rules = RuleSet::load(&[], &config, ("", "", &[])).unwrap();
    let judging = Judging {
        rules: &rules,
        config: &config,
        waivers: &[],
        source: "snapshot",
        judged_at: now,
        decided_at: now,
        threshold: Severity::High,
        all: false,
    };
    let operations = sensitive();
    let mut group = c.benchmark_group("audit");
    group.sample_size(10);
    group.bench_function("parse", |b| {
        b.iter(|| {
            let rows: Vec<Floor<'_>> = serde_json::from_str(&assignments).unwrap();
            rows.iter().map(|r| r.properties.principal_id.len()).sum::<usize>()
        });
    });
    group.bench_function("lower", |b| b.iter(|| black_box(lower().assignments.len())));
    group.bench_function("snapshot", |b| {
        b.iter(|| black_box(snapshot::read(packed.as_slice()).unwrap().assignments.len()))
    });
    group.bench_function("graph", |b| {
        b.iter_batched(
            || estate.clone(),
            |e| AccessGraph::build(e, catalog, None).grants().len(),
            criterion::BatchSize::LargeInput,
        );
    });
    group.bench_function("rules", |b| b.iter(|| black_box(run(&graph, &judging).findings.len())));
    group.bench_function("reach", |b| {
        b.iter(|| operations.iter().map(|o| graph.reach(o).len()).sum::<usize>())
    });
    group.finish();
}

criterion_group!(benches, audit);
criterion_main!(benches);
