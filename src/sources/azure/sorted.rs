//! The large kinds of records as sections of a snapshot, each id once. Where the records of an id differ, an estate of those
//! few settles which counts, as it would have settled all of them.

use super::shelf::{Entry, Shelf};
use crate::model::{Gap, Source};
use crate::sources::arm::Lowering;
use crate::sources::snapshot::{LARGE, Lines, large_ids, only_line, read_large};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;

/// The mark of a vault, which lies among resources: it is told by its resource's line, if there is one.
pub(super) const VAULT: &[u8] = b"vault";

/// The kinds, each with its number.
pub(super) fn kinds() -> impl Iterator<Item = (u8, Source)> {
    (0..).zip(LARGE)
}

/// The number of a kind.
pub(super) fn kind_of(source: Source) -> Option<u8> {
    let source = if source == Source::Vaults { Source::Resources } else { source };
    kinds().find(|(_, s)| *s == source).map(|(kind, _)| kind)
}

/// What there is of a kind.
#[derive(Clone, Default)]
pub(super) struct Tally {
    /// The last part that it is of.
    pub(super) last: Option<usize>,
    /// Lines of the kind's own section.
    lines: usize,
    /// Vaults, and how many of them have no resource that tells them.
    vaults: usize,
    alone: usize,
    /// How many role assignments lie in each subscription, by its folded id.
    pub(super) homes: BTreeMap<String, u64>,
    /// Where records of one id differ.
    gaps: Vec<Gap>,
}

impl Tally {
    pub(super) fn of(shelf: &Shelf, kind: u8, source: Source) -> io::Result<Tally> {
        let mut tally = Tally { last: shelf.last(kind), ..Tally::default() };
        shelf.each(kind, &mut |alike| {
            let settled = settled(source, alike)?;
            let alone = settled.section == Source::Vaults;
            tally.lines += usize::from(!alone);
            tally.alone += usize::from(alone);
            tally.vaults += usize::from(alike.iter().any(|e| e.texts().mark == VAULT));
            tally.gaps.extend(settled.gaps);
            let home = alike.first().map(|e| e.texts().mark).unwrap_or_default();
            if source == Source::RoleAssignments && !home.is_empty() {
                *tally.homes.entry(String::from_utf8_lossy(home).into_owned()).or_default() += 1;
            }
            Ok(())
        })?;
        Ok(tally)
    }
}

/// Records that lie sorted outside memory, each id once.
pub struct Sorted {
    shelf: Shelf,
    tallies: BTreeMap<u8, Tally>,
}

impl std::fmt::Debug for Sorted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(kinds().map(|(_, source)| (source, self.kept(source)))).finish()
    }
}

impl Sorted {
    /// Counts what was not counted yet.
    pub(super) fn of(shelf: Shelf, mut tallies: BTreeMap<u8, Tally>) -> io::Result<Sorted> {
        for (kind, source) in kinds() {
            if tallies.get(&kind).is_none_or(|t| t.last != shelf.last(kind)) {
                tallies.insert(kind, Tally::of(&shelf, kind, source)?);
            }
        }
        Ok(Sorted { shelf, tallies })
    }

    fn tally(&self, source: Source) -> Option<&Tally> {
        self.tallies.get(&kind_of(source)?)
    }

    /// How many records of a kind there are.
    pub fn kept(&self, source: Source) -> usize {
        self.tally(source).map_or(0, |t| if source == Source::Vaults { t.vaults } else { t.lines })
    }

    /// Takes out what is to be said of records that differ.
    pub(super) fn gaps(&mut self) -> Vec<Gap> {
        self.tallies.values_mut().flat_map(|t| std::mem::take(&mut t.gaps)).collect()
    }
}

impl Lines for Sorted {
    fn count(&self, source: Source) -> usize {
        self.tally(source).map_or(0, |t| if source == Source::Vaults { t.alone } else { t.lines })
    }

    fn each(&self, source: Source, line: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let Some(kind) = kind_of(source).filter(|_| self.count(source) > 0) else { return Ok(()) };
        self.shelf.each(kind, &mut |alike| {
            let settled = settled(source, alike)?;
            if settled.section == source { line(&settled.line) } else { Ok(()) }
        })
    }
}

/// What the records of one id come to.
struct Settled<'e> {
    /// The section that its line stands in.
    section: Source,
    line: Cow<'e, [u8]>,
    /// What is to be said of those that do not count.
    gaps: Vec<Gap>,
}

fn settled(source: Source, alike: &[Entry]) -> io::Result<Settled<'_>> {
    // Vaults lie with their resources.
    let source = if source == Source::Vaults { Source::Resources } else { source };
    let kind_of = |entry: &Entry| match source {
        Source::Resources if entry.texts().mark == VAULT => Source::Vaults,
        _ => source,
    };
    if let [only] = alike {
        return Ok(Settled { section: kind_of(only), line: only.texts().line.into(), gaps: Vec::new() });
    }
    let mut alike: Vec<&Entry> = alike.iter().collect();
    alike.sort_unstable();
    let mut lowering = Lowering::default();
    for entry in alike {
        read_large(&mut lowering, kind_of(entry), entry.texts().line).map_err(io::Error::other)?;
    }
    let mut estate = lowering.estate;
    estate.settle();
    let (section, line) = only_line(&estate, source)?;
    if large_ids(&estate, section).len() != 1 {
        return Err(io::Error::other("a line that was kept cannot be read"));
    }
    Ok(Settled { section, line: line.into(), gaps: estate.gaps })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::azure::records::Records;
    use crate::sources::azure::shelf::Memory;
    use proptest::prelude::*;

    /// One of a few records of any kind under one of a few ids in one of two spellings, with one of a few contents and times.
    fn record((id, upper, role, time, kind): (u8, bool, u8, u8, u8)) -> String {
        let sub = if upper { "/SUBSCRIPTIONS/S" } else { "/subscriptions/s" };
        let of = |kind: &str, rest: &str| {
            format!(r#"{{"id":"{sub}/providers/{kind}/g{id}","type":"{kind}"{rest}}}"#)
        };
        let rg = format!("{sub}/resourceGroups/rg");
        match kind % 12 {
            kind @ 0..3 => {
                let kind = [
                    "roleAssignments",
                    "roleAssignmentScheduleInstances",
                    "roleEligibilityScheduleInstances",
                ][usize::from(kind)];
                let updated = match time % 3 {
                    0 => String::new(),
                    n => format!(r#","updatedOn":"2026-01-0{n}T00:00:00Z""#),
                };
                of(
                    &format!("Microsoft.Authorization/{kind}"),
                    &format!(
                        r#","properties":{{"principalId":"p","principalType":"Group","roleDefinitionId":"/x/r{role}","scope":"{sub}"{updated}}}"#
                    ),
                )
            }
            3 => format!(
                r#"{{"id":"{rg}{id}","type":"Microsoft.Resources/resourceGroups","tags":{{"role":"r{role}"}}}}"#
            ),
            // A vault with or without what it is as a resource.
            4 => {
                let kind = "Microsoft.KeyVault/vaults";
                let properties = match time % 3 {
                    0 => "",
                    1 => r#","properties":{"enableRbacAuthorization":true}"#,
                    _ => {
                        r#","properties":{"accessPolicies":[{"objectId":"p","permissions":{"keys":["get"]}}]}"#
                    }
                };
                let only = if role == 0 { "" } else { r#","vaultOnly":true"# };
                format!(r#"{{"id":"{rg}/providers/{kind}/v{id}","type":"{kind}"{properties}{only}}}"#)
            }
            5 => of(
                "Microsoft.Compute/virtualMachines",
                &format!(
                    r#","location":"l{role}","identity":{{"type":"SystemAssigned","principalId":"p{time}"}}"#
                ),
            ),
            6 => of(
                "Microsoft.ManagedIdentity/userAssignedIdentities",
                &format!(r#","location":"l{role}","properties":{{"principalId":"p{time}"}}"#),
            ),
            7 => format!(
                r##"{{"@odata.type":"#microsoft.graph.servicePrincipal","id":"p{id}","displayName":"n{role}","servicePrincipalType":"ManagedIdentity"}}"##
            ),
            8 => of(
                "Microsoft.Authorization/denyAssignments",
                &format!(
                    r#","properties":{{"denyAssignmentName":"n{role}","permissions":[{{"actions":["*"]}}],"scope":"{sub}"}}"#
                ),
            ),
            9 => {
                let kind = "Microsoft.ManagedIdentity/userAssignedIdentities";
                format!(
                    r#"{{"id":"{sub}/providers/{kind}/g{id}/federatedIdentityCredentials/f{time}","type":"{kind}/federatedIdentityCredentials","properties":{{"issuer":"https://i{role}","subject":"s","audiences":["a"]}}}}"#
                )
            }
            10 => format!(r#"{{"principal":"p{id}","last":"2026-01-0{}T00:00:00Z"}}"#, time % 3 + 1),
            _ => of(
                "Microsoft.Authorization/policyAssignments",
                &format!(r#","properties":{{"displayName":"n{role}"}}"#),
            ),
        }
    }

    fn take_in(lowering: &mut Lowering, record: &str) {
        let source = match record {
            r if r.contains("vaultOnly") => Source::Vaults,
            r if r.contains("\"last\"") => Source::SignIns,
            _ => Source::Other,
        };
        read_large(lowering, source, record.as_bytes()).unwrap();
    }

    proptest! {
        #[test]
        fn parts_give_what_memory_gives(
            picks in prop::collection::vec((0u8..5, any::<bool>(), 0u8..2, 0u8..3, 0u8..12), 0..80),
            rows in 1usize..8,
        ) {
            let picked: Vec<String> = picks.into_iter().map(record).collect();
            let mut records = Records::new(Box::new(Memory::of(rows)), true);
            for record in &picked {
                take_in(&mut records.lowering, record);
                records.spill_if_full().unwrap();
            }
            // Repeats that disagree are told pair by pair, in the order in which they lie there.
            let mut ordered = picked.clone();
            ordered.sort_unstable();
            ordered.dedup();
            let mut whole = Lowering::default();
            ordered.iter().for_each(|r| take_in(&mut whole, r));
            let mut estate = whole.estate;
            estate.settle();
            let gaps = std::mem::take(&mut estate.gaps);
            prop_assert_eq!(records.listed().unwrap().get("s").copied().unwrap_or(0), estate.assignments.len() as u64);
            let used = |id| estate.federated.iter().any(|f| estate.strings.same(f.identity, id));
            let unused = estate.identities.iter().map(|i| i.id).filter(|id| !used(*id));
            let unused: Vec<&str> = unused.map(|id| estate.strings.text(id)).collect();
            let told = records.unused().unwrap();
            prop_assert!(told.iter().map(|id| id.to_ascii_lowercase()).eq(unused.iter().map(|id| id.to_ascii_lowercase())));
            let mut sorted = records.finish(None).unwrap();
            for source in LARGE.into_iter().chain([Source::Vaults]) {
                prop_assert_eq!(sorted.kept(source), estate.count(source));
            }
            prop_assert_eq!(crate::model::tidy(sorted.gaps()), crate::model::tidy(gaps));
            let (mut own, mut elsewhere) = (Vec::new(), Vec::new());
            crate::sources::snapshot::write(&estate, &mut own).unwrap();
            crate::sources::snapshot::write_with(&crate::model::Estate::default(), &sorted, &mut elsewhere).unwrap();
            let text = |packed: &[u8]| String::from_utf8(zstd::decode_all(packed).unwrap()).unwrap();
            prop_assert_eq!(text(&elsewhere), text(&own));
        }
    }
}
