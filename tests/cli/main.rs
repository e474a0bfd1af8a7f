//! The real binary, run as its users run it.

#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test fails by panicking")]

mod audit;
mod commands;
mod deny;
mod snapshot;
mod support;
