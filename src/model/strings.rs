//! One table for every text of an estate: a text is stored once and named by a `Sym` of four bytes.
//!
//! Azure compares ids without regard to case but answers in any case it likes, so a `Sym` keeps the spelling
//! that came and its *class* says which spellings are the same. Folding is ASCII only, as ids are; names of
//! resource groups may hold other letters, which Azure's own comparison leaves to the service.
//!
//! Not here: what a text means (see `scope`, `operation`, `condition`).

use hashbrown::HashTable;
use std::cmp::Ordering;
use std::hash::{BuildHasher, Hasher};
use std::num::NonZeroU32;

/// A text of one [`Strings`] table. Only that table can read it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Sym(NonZeroU32);

impl Sym {
    fn ix(self) -> usize {
        self.0.get() as usize - 1
    }

    /// A number that is dense from zero, for tables beside the string table.
    pub fn index(self) -> usize {
        self.ix()
    }
}

/// An id split at its last `/`: thousands of assignment ids share all but their last segment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Id {
    /// Everything before the last `/`; the empty text for a bare name.
    pub dir: Sym,
    /// The last segment, without the `/`.
    pub name: Sym,
}

/// The string table.
#[derive(Clone, Default)]
pub struct Strings {
    text: String,
    ends: Vec<usize>,
    class: Vec<Sym>,
    /// Each name with its hash, so that a growing table need not read the texts again.
    table: HashTable<(u32, Sym)>,
    hasher: foldhash::quality::RandomState,
}

impl std::fmt::Debug for Strings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Strings({} texts, {} bytes)", self.ends.len(), self.text.len())
    }
}

fn hash_folded(state: &foldhash::quality::RandomState, text: &str) -> u32 {
    let mut hasher = state.build_hasher();
    let mut buffer = [0u8; 64];
    for chunk in text.as_bytes().chunks(64) {
        for (to, from) in buffer.iter_mut().zip(chunk) {
            *to = from.to_ascii_lowercase();
        }
        hasher.write(buffer.get(..chunk.len()).unwrap_or_default());
    }
    let hash = hasher.finish();
    (hash ^ (hash >> 32)) as u32
}

/// The table looks at both ends of a hash.
const fn spread(hash: u32) -> u64 {
    (hash as u64) << 32 | hash as u64
}

/// Order of two texts without regard to ASCII case.
pub fn cmp_folded(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut same = 0;
    for (x, y) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
        if x != y {
            break;
        }
        same += 16;
    }
    let (a, b) = (a.get(same..).unwrap_or_default(), b.get(same..).unwrap_or_default());
    a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase))
}

fn text_at<'a>(text: &'a str, ends: &[usize], sym: Sym) -> &'a str {
    let at = sym.ix();
    let start = if at == 0 { 0 } else { ends.get(at - 1).copied().unwrap_or(0) };
    ends.get(at).and_then(|end| text.get(start..*end)).unwrap_or("")
}

impl Strings {
    /// The name of this exact spelling, adding it if it is new.
    pub fn intern(&mut self, text: &str) -> Sym {
        let hash = hash_folded(&self.hasher, text);
        let (all, ends) = (&self.text, &self.ends);
        let folded = |e: &(u32, Sym)| e.0 == hash && text_at(all, ends, e.1).eq_ignore_ascii_case(text);
        let class = match self.table.find(spread(hash), folded) {
            // Nearly always there is one spelling, and it is this one.
            Some((_, found)) if text_at(all, ends, *found) == text => return *found,
            Some((_, other)) => {
                let exact = |e: &(u32, Sym)| e.0 == hash && text_at(all, ends, e.1) == text;
                if let Some((_, found)) = self.table.find(spread(hash), exact) {
                    return *found;
                }
                self.class.get(other.ix()).copied()
            }
            None => None,
        };
        self.text.push_str(text);
        self.ends.push(self.text.len());
        let count = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        let sym = Sym(NonZeroU32::new(count).unwrap_or(NonZeroU32::MAX));
        self.class.push(class.unwrap_or(sym));
        self.table.insert_unique(spread(hash), (hash, sym), |e| spread(e.0));
        sym
    }

    /// Makes room for so many more texts with so many bytes: growing step by step copies all of it each time.
    pub fn reserve(&mut self, texts: usize, bytes: usize) {
        self.text.reserve(bytes);
        self.ends.reserve(texts);
        self.class.reserve(texts);
        self.table.reserve(texts, |e| spread(e.0));
    }

    /// The class of a text in any spelling, if any spelling of it is here.
    pub fn find(&self, text: &str) -> Option<Sym> {
        let hash = hash_folded(&self.hasher, text);
        let same = |e: &(u32, Sym)| e.0 == hash && self.text(e.1).eq_ignore_ascii_case(text);
        Some(self.class(self.table.find(spread(hash), same)?.1))
    }

    /// The text as it came.
    pub fn text(&self, sym: Sym) -> &str {
        text_at(&self.text, &self.ends, sym)
    }

    /// The text of an optional name; absent is empty.
    pub fn text_or_empty(&self, sym: Option<Sym>) -> &str {
        sym.map_or("", |s| self.text(s))
    }

    /// The representative of all spellings of this text. Which one it is depends on the order of reading:
    /// compare classes, never show them.
    pub fn class(&self, sym: Sym) -> Sym {
        self.class.get(sym.ix()).copied().unwrap_or(sym)
    }

    /// Whether two names are spellings of one text.
    pub fn same(&self, a: Sym, b: Sym) -> bool {
        self.class(a) == self.class(b)
    }

    /// Splits and stores an id.
    pub fn intern_id(&mut self, id: &str) -> Id {
        let (dir, name) = id.rsplit_once('/').unwrap_or(("", id));
        Id { dir: self.intern(dir), name: self.intern(name) }
    }

    /// The id as it came.
    pub fn show_id(&self, id: Id) -> String {
        let (dir, name) = (self.text(id.dir), self.text(id.name));
        if dir.is_empty() { name.to_owned() } else { [dir, "/", name].concat() }
    }

    /// The class of an id: equal for every spelling of it.
    pub fn id_class(&self, id: Id) -> Id {
        Id { dir: self.class(id.dir), name: self.class(id.name) }
    }

    /// Whether an id comes before another in the order of folded texts; equal ones in neither way.
    fn comes_before(&self, a: Id, b: Id) -> bool {
        let heads = if self.same(a.dir, b.dir) {
            Ordering::Equal
        } else {
            cmp_folded(self.text(a.dir), self.text(b.dir))
        };
        heads.then_with(|| cmp_folded(self.text(a.name), self.text(b.name))).is_lt()
    }

    /// Whether ids stand in the order of their folded texts, each once.
    pub fn are_ordered(&self, ids: &[Id]) -> bool {
        ids.is_sorted_by(|a, b| self.comes_before(*a, *b))
    }

    /// Positions of `ids` in the order of their folded text, equal ones as they came. Ranks the few distinct heads
    /// first, so that hundreds of thousands of ids compare as numbers, and needs sixteen bytes for each.
    pub fn order_ids(&self, ids: &[Id]) -> Vec<u32> {
        let mut heads: Vec<Sym> = ids.iter().map(|id| self.class(id.dir)).collect();
        heads.sort_unstable();
        heads.dedup();
        heads.sort_by(|a, b| cmp_folded(self.text(*a), self.text(*b)));
        let mut rank = vec![0u32; self.ends.len()];
        for (n, head) in (0u32..).zip(&heads) {
            if let Some(slot) = rank.get_mut(head.ix()) {
                *slot = n;
            }
        }
        let start = |id: &Id| {
            let mut first = [0u8; 8];
            for (to, from) in first.iter_mut().zip(self.text(id.name).bytes()) {
                *to = from.to_ascii_lowercase();
            }
            u64::from_be_bytes(first)
        };
        let head = |id: &Id| rank.get(self.class(id.dir).ix()).copied().unwrap_or(0);
        let mut keyed: Vec<(u32, u32, u64)> =
            (0u32..).zip(ids).map(|(n, id)| (head(id), n, start(id))).collect();
        let name = |n: u32| ids.get(n as usize).map_or("", |id| self.text(id.name));
        keyed.sort_unstable_by(|a, b| {
            (a.0, a.2).cmp(&(b.0, b.2)).then_with(|| cmp_folded(name(a.1), name(b.1))).then(a.1.cmp(&b.1))
        });
        keyed.into_iter().map(|(_, n, _)| n).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_kept_and_share_a_class() {
        let mut strings = Strings::default();
        let a = strings.intern("/subscriptions/S/resourceGroups/rg");
        let b = strings.intern("/subscriptions/s/resourcegroups/RG");
        assert_ne!(a, b);
        assert!(strings.same(a, b));
        assert_eq!(strings.text(b), "/subscriptions/s/resourcegroups/RG");
        assert_eq!(strings.find("/SUBSCRIPTIONS/s/resourcegroups/rg"), Some(strings.class(a)));
        assert_eq!(strings.find("rg"), None);
    }

    #[test]
    fn folded_order_is_the_order_of_the_lower_case_texts() {
        let texts = ["", "a", "B", "abcdefghijklmnopQ", "ABCDEFGHIJKLMNOPR", "abcdefghijklmnop", "é", "z"];
        for a in texts {
            for b in texts {
                assert_eq!(cmp_folded(a, b), a.to_ascii_lowercase().cmp(&b.to_ascii_lowercase()), "{a} {b}");
            }
        }
    }

    #[test]
    fn ids_are_ordered_by_head_then_name() {
        let mut strings = Strings::default();
        let texts =
            ["/b/x", "/A/z", "/a/B", "/a/a", "bare", "/a/aaaaaaaaaaaaaaaaaaaaZ", "/a/aaaaaaaaaaaaaaaaaaaab"];
        let ids: Vec<Id> = texts.iter().map(|t| strings.intern_id(t)).collect();
        let shown: Vec<String> =
            strings.order_ids(&ids).iter().map(|n| strings.show_id(ids[*n as usize])).collect();
        let expected =
            ["bare", "/a/a", "/a/aaaaaaaaaaaaaaaaaaaab", "/a/aaaaaaaaaaaaaaaaaaaaZ", "/a/B", "/A/z", "/b/x"];
        assert_eq!(shown, expected);
        assert!(!strings.are_ordered(&ids));
        let mut ordered: Vec<Id> = expected.iter().map(|t| strings.intern_id(t)).collect();
        assert!(strings.are_ordered(&ordered));
        ordered.push(strings.intern_id("/B/X"));
        assert!(!strings.are_ordered(&ordered), "an id twice, in two spellings");
    }
}
