//! The real binary, run as its users run it.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod against;
mod audit;
mod bicep;
mod campaigns;
mod check;
mod commands;
mod deny;
mod diff;
mod evidence;
mod history;
mod mask;
mod path;
mod pipelines;
mod policy;
mod reviews;
mod secrets;
mod snapshot;
mod support;
mod unread;
mod workbooks;
