//! The user's files: configuration and waivers, from text to checked values that know where they stand.
//!
//! Checked here: shape, names of tokens, dates, approvals. Not here: reading files (`app`), and whether a rule or a
//! parameter exists, which `rules` knows and reports at the spans kept here.

mod config;
mod environment;
mod naming;
pub mod people;
mod review;
mod spans;
mod waivers;
mod words;

pub use config::{Accepted, Config, Inline, Level, Owners, Platform, RuleConfig, parse as parse_config};
pub use environment::Environments;
pub(crate) use naming::DEFAULT_IDENTITY;
pub use naming::{Naming, Template, Verdict};
pub use review::ReviewPolicy;
pub use spans::{PolicyError, Span, glob};
pub use waivers::{Category, Target, Waiver, parse as parse_waivers};
pub use words::common_words;
