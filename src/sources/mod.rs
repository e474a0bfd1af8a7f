//! From bytes to an estate: every reader gives what it could read and a gap for what it could not.
//!
//! Readers get bytes; those that follow references get [`Files`]. Not here: judging (`rules`), opening files
//! (`app`), and asking Azure, which only a submodule of its own may do.

mod activity;
pub mod arm;
pub mod azure;
mod build;
pub mod catalog;
pub mod demo;
pub mod iac;
mod usage;
mod workbook;

mod files;
mod log_tables;
pub mod mask;
mod messages;
mod scan;
pub mod simulate;
pub mod snapshot;
pub mod table;
pub mod world;

pub use activity::{SignInError, read as read_activity};
pub use files::{Files, MemoryFiles, decode};
pub use scan::{Position, Problem, Visit, scan};
