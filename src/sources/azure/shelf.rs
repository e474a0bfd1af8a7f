//! Records that are too many for memory, in sorted parts somewhere else, which are read as one list. Not here: what the
//! records are (`records`), and which of those with one id counts (`sorted`).

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashSet};
use std::io::{self, Read, Write};
use std::sync::Arc;

/// A place outside memory.
pub trait Parts: Send + Sync {
    /// How many records should be put aside at once.
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

/// Parts in memory, compressed, for those who have no other place.
#[derive(Default)]
pub(super) struct Memory {
    parts: Vec<Arc<[u8]>>,
    rows: Option<usize>,
}

#[cfg(test)]
impl Memory {
    pub(super) fn of(rows: usize) -> Memory {
        Memory { parts: Vec::new(), rows: Some(rows) }
    }
}

impl Parts for Memory {
    fn rows(&self) -> usize {
        self.rows.unwrap_or(1 << 15)
    }

    fn add(&mut self, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let mut packed = zstd::Encoder::new(Vec::new(), 1)?;
        write(&mut packed)?;
        self.parts.push(packed.finish()?.into());
        Ok(())
    }

    fn read(&self, part: usize) -> io::Result<Box<dyn Read>> {
        let Some(part) = self.parts.get(part) else { return Err(io::ErrorKind::NotFound.into()) };
        Ok(Box::new(zstd::Decoder::new(io::Cursor::new(Arc::clone(part)))?))
    }
}

/// A record of a part. Parts are sorted by its kind, the folded id without its last segment, and that segment: the order of a
/// snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Entry {
    /// The position in `LARGE`, or one behind them.
    pub(super) kind: u8,
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
    /// What sets it apart from others of its kind: see `Filed::add`.
    pub(super) mark: &'e [u8],
    /// The snapshot's line.
    pub(super) line: &'e [u8],
}

impl Entry {
    /// Writes a record.
    pub(super) fn write(kind: u8, texts: Texts<'_>, out: &mut dyn Write) -> io::Result<()> {
        let Texts { head, name, mark, line } = texts;
        out.write_all(&[kind])?;
        for text in [head, name, mark, line] {
            out.write_all(&u32::try_from(text.len()).map_err(io::Error::other)?.to_le_bytes())?;
        }
        [head, name, mark, line].into_iter().try_for_each(|text| out.write_all(text))
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

    pub(super) fn texts(&self) -> Texts<'_> {
        let [head, name, mark, line] = self.ends;
        let text = |from: usize, to: usize| self.bytes.get(from..to).unwrap_or_default();
        Texts { head: text(0, head), name: text(head, name), mark: text(name, mark), line: text(mark, line) }
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

/// What is left in of the directory and the tree, where only some subscriptions are read.
#[derive(Debug)]
pub(super) struct Only {
    /// The kind whose ids lie in subscriptions, and these, by folded id.
    pub(super) inside: (Option<u8>, HashSet<String>),
    /// The kind of those who may hold something, and who of them does, by folded id.
    pub(super) known: (Option<u8>, HashSet<String>),
}

impl Only {
    fn has(&self, entry: &Entry) -> bool {
        let id = std::str::from_utf8(entry.texts().head).unwrap_or_default();
        if Some(entry.kind) == self.inside.0 {
            let home = crate::model::Scope::parse(id).and_then(|s| s.subscription);
            return home.is_none_or(|home| self.inside.1.contains(home));
        }
        Some(entry.kind) != self.known.0 || self.known.1.contains(id)
    }
}

/// So many parts of a kind become one: what is read side by side grows with the logarithm of what there is.
const TOGETHER: usize = 16;

/// A part: its number, and what it holds.
struct Part {
    number: usize,
    kind: u8,
    /// How often its records were put into a larger one before.
    level: u32,
}

/// Parts of one kind each.
pub(super) struct Shelf {
    place: Box<dyn Parts>,
    /// How many there ever were.
    added: usize,
    parts: Vec<Part>,
    /// Who is left in, if not all are.
    pub(super) only: Option<Only>,
}

impl Shelf {
    pub(super) fn new(place: Box<dyn Parts>) -> Shelf {
        Shelf { place, added: 0, parts: Vec::new(), only: None }
    }

    /// The number of a kind's last part: as long as it is the same, there are no more records.
    pub(super) fn last(&self, kind: u8) -> Option<usize> {
        self.parts.iter().filter(|part| part.kind == kind).map(|part| part.number).max()
    }

    /// Adds a part of a kind, whose records `write` writes in their order.
    pub(super) fn add(
        &mut self,
        kind: u8,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        self.place.add(write)?;
        self.parts.push(Part { number: self.added, kind, level: 0 });
        self.added += 1;
        for level in 0.. {
            let alike = |part: &Part| part.kind == kind && part.level == level;
            let numbers: Vec<usize> = self.parts.iter().filter(|p| alike(p)).map(|p| p.number).collect();
            if numbers.len() < TOGETHER {
                break;
            }
            let mut inputs = Some(self.open(&numbers)?);
            self.place.add(&mut |out| {
                let Some(inputs) = inputs.take() else { return Ok(()) };
                merge(inputs, &mut |entry| Entry::write(entry.kind, entry.texts(), out))
            })?;
            self.parts.retain(|part| !alike(part));
            self.parts.push(Part { number: self.added, kind, level: level + 1 });
            self.added += 1;
        }
        Ok(())
    }

    fn open(&self, parts: &[usize]) -> io::Result<Vec<Input>> {
        let open = |n: &usize| Ok(io::BufReader::with_capacity(1 << 14, self.place.read(*n)?));
        parts.iter().map(open).collect()
    }

    /// Hands out the records of all parts of a kind in order, those of one id together, and none that is equal to another.
    pub(super) fn each(&self, kind: u8, each: &mut dyn FnMut(&[Entry]) -> io::Result<()>) -> io::Result<()> {
        let parts: Vec<usize> =
            self.parts.iter().filter(|part| part.kind == kind).map(|part| part.number).collect();
        let mut alike: Vec<Entry> = Vec::new();
        merge(self.open(&parts)?, &mut |entry| {
            if alike.first().is_some_and(|first| !first.is_of(&entry)) {
                each(&alike)?;
                alike.clear();
            }
            let left_in = self.only.as_ref().is_none_or(|only| only.has(&entry));
            // A part holds the records of an id as they came, so that equal ones need not be neighbours.
            if left_in && !alike.contains(&entry) {
                alike.push(entry);
            }
            Ok(())
        })?;
        if alike.is_empty() { Ok(()) } else { each(&alike) }
    }
}

type Input = io::BufReader<Box<dyn Read>>;

/// Hands out the records of parts in order.
fn merge(mut inputs: Vec<Input>, each: &mut dyn FnMut(Entry) -> io::Result<()>) -> io::Result<()> {
    let mut heads = BinaryHeap::new();
    for (n, input) in inputs.iter_mut().enumerate() {
        heads.extend(Entry::read(input)?.map(|entry| Reverse((entry, n))));
    }
    while let Some(Reverse((entry, n))) = heads.pop() {
        if let Some(input) = inputs.get_mut(n) {
            heads.extend(Entry::read(input)?.map(|entry| Reverse((entry, n))));
        }
        each(entry)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_cut_is_an_error() {
        let texts = Texts { head: b"a", name: b"", mark: b"s", line: b"{}" };
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
