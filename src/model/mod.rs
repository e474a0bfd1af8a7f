//! The nouns of the field as values: texts become types here and nowhere else.
//!
//! Not here: input and output, what a permission means (`rbac`), who reaches what (`graph`).

mod canonical;
pub mod condition;
mod coverage;
mod estate;
mod gap;
mod hex;
mod instant;
mod local;
mod operation;
mod records;
mod role;
mod scope;
mod strings;
mod table;
mod tags;

pub use coverage::{Coverage, Extent, Reading, Source};
pub use estate::{Declaration, Estate, SignInWindow, Usage, UsageLog};
pub use gap::{Gap, Location, Reason, tidy};
pub use hex::{hex, is_guid, sha256};
pub use instant::Instant;
pub use local::{LocalGrant, LocalSystem};
pub use operation::{ActionPattern, Plane};
pub use records::*;
pub use role::{Permission, RoleDefinition, RoleKind, role_key};
pub use scope::{Level, Scope, rfind_fold};
pub use strings::{Id, Strings, Sym, cmp_folded};
pub use table::{Ix, Table};
pub use tags::{TagTable, Tags};

/// A map whose order nobody sees, with a fast hash that differs from run to run.
pub type FastMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;
/// The same as a set.
pub type FastSet<T> = std::collections::HashSet<T, foldhash::fast::RandomState>;
