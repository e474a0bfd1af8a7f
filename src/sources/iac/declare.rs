//! Records with where they are declared.

use crate::model::{Declaration, Location, Reason};
use crate::sources::arm::Lowering;
use crate::sources::scan::Position;
use serde_json::Value as Json;

/// Takes a record in, known by an address. What could not be read of it is said at its place; kinds that nobody reads are
/// none of the code's faults. Without an id nothing is declared.
pub(super) fn declare(
    lowering: &mut Lowering,
    record: &[u8],
    id: &str,
    address: &str,
    location: Option<&Location>,
    kept: bool,
) {
    if !id.is_empty() {
        let (stable, location) = (without_positions(address), location.cloned());
        let made = Declaration {
            address: address.to_owned(),
            stable,
            location,
            kept,
            remarks: Vec::new(),
            says: String::new(),
        };
        lowering.estate.declarations.insert(id.to_ascii_lowercase(), made);
    }
    let before = lowering.estate.gaps.len();
    lowering.record(record, Position { line: 0, column: 0 });
    let said = lowering.estate.gaps.split_off(before.min(lowering.estate.gaps.len()));
    for mut gap in said.into_iter().filter(|g| g.reason != Reason::Unrecognised) {
        gap.location = location.cloned();
        gap.detail = format!("`{address}`: {}", gap.detail);
        lowering.estate.gaps.push(gap);
    }
}

/// Takes a record in that code makes.
pub(super) fn declare_new(lowering: &mut Lowering, record: &Json, address: &str, location: &Location) {
    let id = record.get("id").and_then(Json::as_str).unwrap_or_default();
    declare(lowering, record.to_string().as_bytes(), id, address, Some(location), false);
}

/// An address without `[0]`; keys stay.
pub(super) fn without_positions(address: &str) -> String {
    let mut out = String::new();
    let mut rest = address;
    while let Some((before, behind)) = rest.split_once('[') {
        out.push_str(before);
        match behind.split_once(']') {
            Some((inner, after)) if !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_digit()) => {
                rest = after;
            }
            _ => {
                out.push('[');
                rest = behind;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    #[test]
    fn positions_are_no_part_of_what_stays() {
        let stable = super::without_positions;
        assert_eq!(stable("module.a[0].b.c[12]"), "module.a.b.c");
        assert_eq!(stable(r#"b.c["x"]"#), r#"b.c["x"]"#);
        assert_eq!(stable("b.c[]["), "b.c[][");
    }
}
