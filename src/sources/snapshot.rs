//! `*.lwsnap`: an estate in one file. A zstd frame of JSON lines: a header, sections in a fixed order each with its
//! count, one record a line sorted by folded id, and a footer with the SHA-256 of all lines before it.
//!
//! Records have the shapes of Azure's own answers, so the reader of exports reads them too, and people read them
//! with `zstd -dc` and `jq`. The same estate gives the same bytes. Holds no secret.

mod grant;
mod large;
mod pack;
mod read;
mod row;
mod write;

pub(super) use large::{LARGE, large_ids, large_line, only_line, read_large};
pub use read::{SnapshotError, read};
pub use write::{Lines, write, write_masked, write_with};

/// The schema that this version writes and the newest that it reads.
const SCHEMA: &str = "leastwise.snapshot/1";
/// Uncompressed bytes that a snapshot may have. In bytes.
const MAX_BYTES: u64 = 64 << 30;
/// How much larger than its file a snapshot may be.
const MAX_RATIO: u64 = 400;
