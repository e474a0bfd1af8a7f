//! The use-cases: what each command does, with files, threads and progress, and none of the printing.
//! Not here: arguments, the clock, the terminal (`cli`).

pub mod audit;
pub mod catalog;
pub mod check;
mod code;
mod code_files;
pub mod collect;
pub mod diff;
pub mod doctor;
mod error;
pub mod estate;
pub mod evidence;
mod git;
pub mod history;
pub mod init;
mod inline;
mod journal;
pub mod ledger;
mod lookup;
mod missing;
mod parts;
pub mod path;
pub mod policy;
mod previous;
pub mod query;
pub mod review;
pub mod right_size;
pub mod roles;
pub mod rules;
pub mod schema;
mod store;
pub mod suggest;
mod templates;
pub mod who_can;

pub use error::{AppError, Failure};
pub use git::Ref;
pub use store::{Folder, make_folder, read_file, write_atomically};

/// Told what a long run is doing.
pub trait Progress: Sync {
    /// A step has begun.
    fn step(&self, what: &str);

    /// A step is so far.
    fn tick(&self, _how_far: &str) {}
}

/// Nobody listens.
#[derive(Clone, Copy, Debug)]
pub struct Quiet;

impl Progress for Quiet {
    fn step(&self, _: &str) {}
}
