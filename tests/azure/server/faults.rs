//! What goes wrong, decided by a seed: the same seed, the same faults, whatever the order of requests.

use super::routes::Request;
use sha2::{Digest as _, Sha256};

/// A fault of one answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    None,
    /// A status; throttling may say how long.
    Status(u16, Option<u64>),
    /// The connection ends inside the body.
    Reset,
    /// The body comes in small pieces.
    Drip,
    /// The body is cut, and its length says so.
    Cut,
    /// The body is no JSON.
    Garbage,
    /// The last row of a page comes again on the next.
    Again,
    /// Rows in another order.
    Reordered,
    /// A row slips between two pages.
    Slipped,
    /// Ids in upper case.
    Loud,
    /// Resource Graph answers as a table.
    Table,
    /// The next page is said to be somewhere else.
    Foreign,
}

/// How much goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    pub(crate) seed: u64,
    /// In a thousand first tries.
    pub(crate) passing: u64,
    /// Of a thousand lists, forbidden for good.
    pub(crate) forbidden: u64,
    /// Of a thousand lists, with a next page elsewhere.
    pub(crate) foreign: u64,
}

impl Faults {
    pub(crate) const NONE: Faults = Faults { seed: 0, passing: 0, forbidden: 0, foreign: 0 };

    fn dice(&self, what: &str) -> u64 {
        let digest = Sha256::digest(format!("{} {what}", self.seed));
        u64::from_be_bytes(digest[..8].try_into().unwrap())
    }

    /// The fault of the answer to this request, asked for the `attempt`th time.
    pub(crate) fn of(&self, request: &Request, attempt: u64) -> Fault {
        let list = request.path.to_ascii_lowercase();
        let first = ["/subscriptions", "/providers/microsoft.resourcegraph/resources"];
        let leading = first.contains(&list.as_str()) || list.contains("$batch");
        if !leading && self.dice(&format!("forbidden {list}")) % 1000 < self.forbidden {
            return Fault::Status(403, None);
        }
        let paged = request.query.contains("skiptoken");
        if !leading && !paged && self.dice(&format!("foreign {list}")) % 1000 < self.foreign {
            return Fault::Foreign;
        }
        let key = format!("{attempt} {} {} {}", request.path, request.query, request.body);
        if attempt >= 4 || self.dice(&key) % 1000 >= self.passing >> attempt {
            return Fault::None;
        }
        let assignments = list.ends_with("/roleassignments") && list.starts_with("/subscriptions/");
        match self.dice(&format!("which {key}")) % 16 {
            0 => Fault::Status(429, Some(1)),
            1 => Fault::Status(429, None),
            2 => Fault::Status(500, None),
            3 => Fault::Status(502, None),
            4 => Fault::Status(503, Some(2)),
            5 => Fault::Reset,
            6 => Fault::Drip,
            7 => Fault::Cut,
            8 => Fault::Garbage,
            9 => Fault::Again,
            10 => Fault::Reordered,
            // Only role assignments are counted twice; elsewhere a slipped row could not be noticed.
            11 if assignments => Fault::Slipped,
            12 => Fault::Loud,
            13 if list.contains("resourcegraph") => Fault::Table,
            14 if attempt == 0 => Fault::Status(401, None),
            _ => Fault::Status(504, None),
        }
    }
}
