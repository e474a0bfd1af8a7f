//! Leastwise: the least-privilege auditor for Azure managed identities. See `docs/ARCHITECTURE.md`.

pub mod model;
pub mod rbac;
pub mod sources;
pub mod app;
pub mod cli;
pub mod graph;
pub mod finding;
pub mod policy;
pub mod rules;
pub mod report;
pub mod render;
