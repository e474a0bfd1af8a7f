//! Sorted parts of what is too much for memory, read as one list: the lines of a snapshot in its order, each id once.
//! Where the records of an id differ, an estate of those few settles which counts, as it would have settled all of them.

use super::grants::KINDS;
use crate::model::{Gap, Source};
use crate::sources::arm::Lowering;
use crate::sources::scan::Position;
use crate::sources::snapshot::{Lines, grant_line, schedule_line};
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};
use std::io::{self, Read, Write};

/// A place outside memory.
pub trait Parts: Send + Sync {
    /// How many records a part should have.
    fn rows(&self) -> usize;
    /// Keeps a part, which `write` writes.
    ///
    /// # Errors
    /// If it cannot be written.
    fn add(&mut self, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> io::Result<()>;
    /// Opens one, by its number in the order in which they came. Several are read side by side.
    ///
    /// # Errors
    /// If it cannot be read.
    fn read(&self, part: usize) -> io::Result<Box<dyn Read>>;
}

/// A record of a part. Parts are sorted by its kind, the folded id without its last segment, and that segment: the order of a
/// snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Entry {
    /// The position in `KINDS`.
    kind: u8,
    /// Its texts, one after the other.
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: [usize; 4],
}

/// The texts of a record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Texts<'e> {
    /// The folded id, without its last segment.
    pub(super) head: &'e [u8],
    /// The last segment.
    pub(super) name: &'e [u8],
    /// The folded id of the subscription that its scope is in; empty above.
    pub(super) subscription: &'e [u8],
    /// The snapshot's line.
    pub(super) line: &'e [u8],
}

impl Entry {
    /// Writes a record.
    pub(super) fn write(kind: u8, texts: Texts<'_>, out: &mut dyn Write) -> io::Result<()> {
        let Texts { head, name, subscription, line } = texts;
        out.write_all(&[kind])?;
        for text in [head, name, subscription, line] {
            out.write_all(&u32::try_from(text.len()).map_err(io::Error::other)?.to_le_bytes())?;
        }
        [head, name, subscription, line].into_iter().try_for_each(|text| out.write_all(text))
    }

    /// The next one of a part; `None` at its end.
    fn read(from: &mut dyn Read) -> io::Result<Option<Entry>> {
        let mut kind = [0];
        if from.read(&mut kind)? == 0 {
            return Ok(None);
        }
        let (mut ends, mut end) = ([0; 4], 0usize);
        for slot in &mut ends {
            let mut length = [0; 4];
            from.read_exact(&mut length)?;
            end = end.saturating_add(u32::from_le_bytes(length) as usize);
            *slot = end;
        }
        // A length that is none does not fill the memory.
        let mut bytes = Vec::with_capacity(end.min(1 << 14));
        let came = from.take(end as u64).read_to_end(&mut bytes)?;
        if came != end {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(Entry { kind: kind[0], bytes, ends }))
    }

    fn texts(&self) -> Texts<'_> {
        let [head, name, subscription, line] = self.ends;
        let text = |from: usize, to: usize| self.bytes.get(from..to).unwrap_or_default();
        Texts {
            head: text(0, head),
            name: text(head, name),
            subscription: text(name, subscription),
            line: text(subscription, line),
        }
    }

    /// Whether two records are of one id.
    fn is_of(&self, other: &Entry) -> bool {
        let (own, other) = ((self.kind, self.texts()), (other.kind, other.texts()));
        (own.0, own.1.head, own.1.name) == (other.0, other.1.head, other.1.name)
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        (self.kind, self.texts()).cmp(&(other.kind, other.texts()))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Parts of one kind each, by the position of their kinds in `KINDS`.
pub(super) struct Shelf {
    pub(super) parts: Box<dyn Parts>,
    pub(super) kinds: Vec<u8>,
}

/// Hands out the records of all parts of a kind in order, those of one id together, and none that is equal to another.
fn merge(shelf: &Shelf, kind: u8, each: &mut dyn FnMut(&[Entry]) -> io::Result<()>) -> io::Result<()> {
    let wanted = shelf.kinds.iter().enumerate().filter(|(_, k)| **k == kind).map(|(n, _)| n);
    let open = |n| Ok(io::BufReader::with_capacity(1 << 16, shelf.parts.read(n)?));
    let mut inputs = wanted.map(open).collect::<io::Result<Vec<_>>>()?;
    let mut heads = BinaryHeap::new();
    for (n, input) in inputs.iter_mut().enumerate() {
        heads.extend(Entry::read(input)?.map(|entry| Reverse((entry, n))));
    }
    let mut alike: Vec<Entry> = Vec::new();
    while let Some(Reverse((entry, n))) = heads.pop() {
        if let Some(input) = inputs.get_mut(n) {
            heads.extend(Entry::read(input)?.map(|entry| Reverse((entry, n))));
        }
        if alike.first().is_some_and(|first| !first.is_of(&entry)) {
            each(&alike)?;
            alike.clear();
        }
        // A part holds the records of an id as they came, so that equal ones need not be neighbours.
        if !alike.contains(&entry) {
            alike.push(entry);
        }
        if heads.is_empty() {
            each(&alike)?;
            alike.clear();
        }
    }
    Ok(())
}

/// What there is in parts, each id once.
#[derive(Clone, Default)]
pub(super) struct Tally {
    /// How many parts it is of.
    pub(super) parts: usize,
    counts: [usize; KINDS.len()],
    /// How many role assignments lie in each subscription, by its folded id.
    pub(super) homes: BTreeMap<String, u64>,
    /// Where records of one id differ.
    gaps: Vec<Gap>,
}

impl Tally {
    pub(super) fn of(shelf: &Shelf) -> io::Result<Tally> {
        let mut tally = Tally { parts: shelf.kinds.len(), ..Tally::default() };
        for (kind, count) in (0..).zip(&mut tally.counts) {
            merge(shelf, kind, &mut |alike| {
                *count += 1;
                tally.gaps.extend(settled(alike)?.1);
                let home = alike.first().map(|e| e.texts().subscription).unwrap_or_default();
                if kind == 0 && !home.is_empty() {
                    *tally.homes.entry(String::from_utf8_lossy(home).into_owned()).or_default() += 1;
                }
                Ok(())
            })?;
        }
        Ok(tally)
    }
}

/// Grants that lie sorted outside memory, each id once.
pub struct Sorted {
    shelf: Shelf,
    counts: [usize; KINDS.len()],
    gaps: Vec<Gap>,
}

impl std::fmt::Debug for Sorted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sorted({:?})", self.counts)
    }
}

impl Sorted {
    pub(super) fn of(shelf: Shelf, tally: Tally) -> Sorted {
        Sorted { shelf, counts: tally.counts, gaps: tally.gaps }
    }

    /// Takes out what is to be said of records that differ.
    pub(super) fn gaps(&mut self) -> Vec<Gap> {
        std::mem::take(&mut self.gaps)
    }
}

impl Lines for Sorted {
    fn count(&self, source: Source) -> usize {
        let kinds = KINDS.iter().zip(self.counts);
        kinds.filter(|(kind, _)| **kind == source).map(|(_, count)| count).sum()
    }

    fn each(&self, source: Source, line: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let kinds = (0..).zip(KINDS).filter(|(_, kind)| *kind == source);
        for (kind, _) in kinds {
            merge(&self.shelf, kind, &mut |alike| line(&settled(alike)?.0))?;
        }
        Ok(())
    }
}

/// The line that counts of those of one id, and what is to be said of the others.
fn settled(alike: &[Entry]) -> io::Result<(std::borrow::Cow<'_, [u8]>, Vec<Gap>)> {
    if let [only] = alike {
        return Ok((only.texts().line.into(), Vec::new()));
    }
    let mut alike: Vec<&Entry> = alike.iter().collect();
    alike.sort_unstable();
    let mut lowering = Lowering::default();
    for entry in alike {
        let line = entry.texts().line;
        if entry.kind == 0 {
            lowering.record(line, Position { line: 0, column: 0 });
        } else {
            lowering.schedule_line(line).map_err(io::Error::other)?;
        }
    }
    let mut estate = lowering.estate;
    estate.settle();
    let line = match (estate.assignments.as_slice(), estate.schedules.as_slice()) {
        ([grant], []) => serde_json::to_vec(&grant_line(&estate, grant)),
        ([], [grant]) => serde_json::to_vec(&schedule_line(&estate, grant)),
        _ => return Err(io::Error::other("a line that was kept cannot be read")),
    };
    Ok((line?.into(), estate.gaps))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::azure::grants::Grants;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Memory(Vec<Vec<u8>>, usize);

    impl Parts for Memory {
        fn rows(&self) -> usize {
            self.1
        }

        fn add(&mut self, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
            let mut part = Vec::new();
            write(&mut part)?;
            self.0.push(part);
            Ok(())
        }

        fn read(&self, part: usize) -> io::Result<Box<dyn Read>> {
            Ok(Box::new(io::Cursor::new(self.0[part].clone())))
        }
    }

    /// One of a few ids in one of two spellings, with one of a few contents and times; a schedule instance or none.
    fn record((id, upper, role, time, kind): (u8, bool, u8, u8, u8)) -> String {
        let sub = if upper { "/SUBSCRIPTIONS/S" } else { "/subscriptions/s" };
        let kind = ["roleAssignments", "roleAssignmentScheduleInstances", "roleEligibilityScheduleInstances"]
            [usize::from(kind % 3)];
        let updated = match time % 3 {
            0 => String::new(),
            n => format!(r#","updatedOn":"2026-01-0{n}T00:00:00Z""#),
        };
        format!(
            r#"{{"id":"{sub}/providers/Microsoft.Authorization/{kind}/g{id}","type":"Microsoft.Authorization/{kind}","properties":{{"principalId":"p","principalType":"Group","roleDefinitionId":"/x/r{role}","scope":"{sub}"{updated}}}}}"#
        )
    }

    proptest! {
        #[test]
        fn parts_give_what_memory_gives(
            picks in prop::collection::vec((0u8..5, any::<bool>(), 0u8..2, 0u8..3, 0u8..3), 0..30),
            rows in 1usize..8,
        ) {
            let records: Vec<String> = picks.into_iter().map(record).collect();
            let at = Position { line: 0, column: 0 };
            let text = |line: &crate::sources::snapshot::GrantLine<'_>| serde_json::to_string(line).unwrap();
            // Repeats that disagree are told pair by pair, in the order in which they lie there.
            let mut ordered = records.clone();
            let mut grants = Grants::new(Box::new(Memory(Vec::new(), rows)), true);
            for record in &records {
                grants.lowering.record(record.as_bytes(), at);
                grants.spill_if_full().unwrap();
            }
            ordered.sort_unstable();
            ordered.dedup();
            let mut whole = Lowering::default();
            ordered.iter().for_each(|r| { whole.record(r.as_bytes(), at); });
            let mut estate = whole.estate;
            estate.settle();
            prop_assert_eq!(grants.listed().unwrap().get("s").copied().unwrap_or(0), estate.assignments.len() as u64);
            let mut sorted = grants.finish().unwrap();
            let mut lines = KINDS.map(|_| Vec::new());
            for (kind, lines) in KINDS.into_iter().zip(&mut lines) {
                sorted.each(kind, &mut |line| { lines.push(String::from_utf8(line.to_vec()).unwrap()); Ok(()) }).unwrap();
                prop_assert_eq!(sorted.count(kind), lines.len());
            }
            let expected = [
                estate.assignments.iter().map(|a| text(&grant_line(&estate, a))).collect::<Vec<_>>(),
                estate.schedules.iter().map(|a| text(&schedule_line(&estate, a))).collect(),
            ];
            prop_assert_eq!(lines, expected);
            prop_assert_eq!(crate::model::tidy(sorted.gaps()), estate.gaps);
        }
    }

    #[test]
    fn a_part_that_is_cut_is_an_error() {
        let texts = Texts { head: b"a", name: b"", subscription: b"s", line: b"{}" };
        let mut whole = Vec::new();
        Entry::write(1, texts, &mut whole).unwrap();
        let read = Entry::read(&mut whole.as_slice()).unwrap().unwrap();
        assert!((read.kind, read.texts()) == (1, texts));
        for length in 1..whole.len() {
            let read = Entry::read(&mut &whole[..length]);
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "{length}");
        }
    }
}
