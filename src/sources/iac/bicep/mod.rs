//! Bicep: files are read with a parser of our own and become the templates that they compile to, which `arm` works out.
//!
//! Source: the language grammar that the Bicep project publishes; "Bicep file structure". Not here: calling a compiler.

mod declarations;
mod load;
mod lower;
mod parser;
mod registry;
mod strings;
mod syntax;
mod types;

pub use load::Bicep;
