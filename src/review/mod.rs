//! What is different between two estates: grants, what identities can do, and what rules find.
//!
//! The one comparison for reviews, history and changes that are laid over a tenant. Not here: formats and storage.

mod diff;
mod escalations;
mod findings;
mod power;
mod ways;

pub use diff::{Change, Diff, GrantChange, Present, diff};
pub use escalations::{EscalationChange, GetsTo};
pub use findings::{Sorted, sort_findings};
pub use power::{IdentityChange, Power};
pub use ways::WayChange;
