//! What is different between two estates: grants, what identities can do, and what rules find; and what people decided of grants.
//!
//! The one comparison for reviews, history and changes that are laid over a tenant. Reviews are entries of a ledger, read into
//! campaigns. Not here: formats and storage.

mod campaign;
mod diff;
mod escalations;
mod findings;
mod import;
mod item;
mod items;
mod ledger;
mod narrow;
mod power;
mod standing;
mod topology;
mod ways;

pub use campaign::{Campaign, Progress, Row};
pub use diff::{Change, Diff, GrantChange, Present, diff};
pub use escalations::{EscalationChange, GetsTo};
pub use findings::{Sorted, sort_findings};
pub use import::{Refusal, Taken, Terms, decisions};
pub use item::{FILLED, Item};
pub use items::{Reviewers, items};
pub use ledger::{Body, Chain, Closed, Decision, Entry, Imported, Ledger, LedgerError, Opened, Verdict};
pub use power::{IdentityChange, Power};
pub use standing::{Against, Standing, Stands, standings};
pub use topology::{Narrowed, Topology};
pub use ways::WayChange;
