//! Records with where they are declared.

use crate::model::{Declaration, Gap, Location, Reason, Source};
use crate::sources::arm::Lowering;
use crate::sources::scan::Position;
use serde_json::Value as Json;

/// Takes a record in, known by an address. What could not be read of it is said at its place; kinds that nobody reads are
/// none of the code's faults.
pub(super) fn declare(
    lowering: &mut Lowering,
    record: &Json,
    address: &str,
    location: Option<&Location>,
    kept: bool,
) {
    if let Some(id) = record.get("id").and_then(Json::as_str) {
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
    let known = without_unknown(record);
    if known.is_some() {
        let detail =
            "which identity it has is not known: give its parameters, a plan, or --at with --against";
        lowering.estate.gaps.push(Gap::new(Source::Identities, "", Reason::Unresolved, detail));
    }
    let record = known.as_ref().unwrap_or(record);
    lowering.record(record.to_string().as_bytes(), Position { line: 0, column: 0 });
    let said = lowering.estate.gaps.split_off(before.min(lowering.estate.gaps.len()));
    for mut gap in said.into_iter().filter(|g| g.reason != Reason::Unrecognised) {
        gap.location = location.cloned();
        gap.detail = format!("`{address}`: {}", gap.detail);
        lowering.estate.gaps.push(gap);
    }
}

/// A record without identities of which not even a part of the id is known; none where there are no such.
fn without_unknown(record: &Json) -> Option<Json> {
    let of = |r: &Json| r.get("identity").and_then(|i| i.get("userAssignedIdentities")).cloned();
    let user = of(record)?;
    let unknown: Vec<&String> = user.as_object()?.keys().filter(|id| id.starts_with("${")).collect();
    if unknown.is_empty() {
        return None;
    }
    let mut record = record.clone();
    let block = record.get_mut("identity")?.get_mut("userAssignedIdentities")?.as_object_mut()?;
    unknown.into_iter().for_each(|id| {
        block.remove(id);
    });
    Some(record)
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
