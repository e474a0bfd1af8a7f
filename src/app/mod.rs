//! The use-cases: what each command does, with files, threads and progress, and none of the printing.
//! Not here: arguments, the clock, the terminal (`cli`).

pub mod catalog;
mod error;
pub mod roles;
mod store;

pub use error::{AppError, Failure};
pub use store::{Folder, read_file, write_atomically};
