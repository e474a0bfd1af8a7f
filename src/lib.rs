//! Leastwise: the least-privilege auditor for Azure managed identities. See `docs/ARCHITECTURE.md`.

pub mod app;
pub mod cli;
pub mod finding;
pub mod graph;
pub mod model;
pub mod policy;
pub mod rbac;
pub mod render;
pub mod report;
pub mod review;
pub mod rules;
pub mod sources;
