//! The live tenant: everything that is read from Azure, and nothing that could change it.
//!
//! `client` sends, `scheduler` says when, `listing` says what, `collect` brings it together into an estate. Pages go
//! through a [`Journal`], so that a run that was killed goes on where it was. Not here: files, clocks and variables of
//! the environment, which are given in as capabilities.

mod certificate;
mod check;
mod client;
mod clock;
mod cloud;
mod collect;
mod credential;
mod doctor;
mod elements;
mod gather;
#[cfg(feature = "azure-mgmt")]
mod generated;
mod inventory;
mod listing;
mod lists;
mod local;
mod members;
mod narrow;
mod page;
mod plan;
mod reader;
mod records;
mod scheduler;
mod shelf;
mod sorted;
mod target;
mod token;

pub use client::{AUTHORITIES, Client};
pub use clock::Clock;
pub use cloud::{Cloud, CloudError};
pub use collect::{Collected, Failure, Journal, Moments, Watch, collect};
pub use credential::{CHAIN, Surroundings};
pub use doctor::{
    ASSOCIATED, DIRECTORY_SOURCES, EVERYTHING, Examined, Lack, NEEDS, app_role_command, catalogue, examine,
};
pub use elements::digest;
pub use listing::QUERIES;
pub use scheduler::Traffic;
pub use shelf::Parts;
pub use sorted::Sorted;
pub use target::{OPTIONAL, Target, Via};
