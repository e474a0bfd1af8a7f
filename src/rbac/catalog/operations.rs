//! The list of operations, one index an operation and plane, and the sets that patterns name in it.

use crate::model::{ActionPattern, Plane};
use crate::rbac::matching::matches;
use crate::rbac::opset::OpSet;
use std::borrow::Cow;

/// All known operations.
#[derive(Debug, Default)]
pub struct Operations {
    control: Names,
    data: Names,
}

/// Names in lower case, sorted: pieces of one text, since tens of thousands of small ones take long to make.
#[derive(Debug, Default)]
struct Names {
    text: Cow<'static, str>,
    sorted: Vec<Piece>,
}

/// Names while they are read.
#[derive(Default)]
struct Reading {
    text: String,
    sorted: Vec<Piece>,
    /// Read, and perhaps greater than what comes next.
    waiting: Vec<Piece>,
}

/// Where a name begins and ends.
type Piece = (u32, u32);

fn piece(text: &str, (start, end): Piece) -> &str {
    text.get(start as usize..end as usize).unwrap_or_default()
}

impl Operations {
    /// Reads the catalogue's section: a line a resource type, `type<TAB>control verbs<TAB>data verbs`.
    pub(super) fn parse(text: &str) -> Operations {
        let folded = text.to_ascii_lowercase();
        let (mut control, mut data) = (Reading::default(), Reading::default());
        for line in folded.lines() {
            let mut fields = line.split('\t');
            let kind = fields.next().unwrap_or_default();
            for (into, verbs) in [(&mut control, fields.next()), (&mut data, fields.next())] {
                into.add(kind, verbs.unwrap_or_default());
            }
        }
        Operations { control: control.sorted(), data: data.sorted() }
    }

    /// Those of the embedded catalogue, which were sorted when the program was built.
    pub(super) fn embedded() -> Operations {
        Operations {
            control: Names::lines(include_str!(concat!(env!("OUT_DIR"), "/operations-control.txt"))),
            data: Names::lines(include_str!(concat!(env!("OUT_DIR"), "/operations-data.txt"))),
        }
    }

    fn names(&self, plane: Plane) -> &Names {
        match plane {
            Plane::Control => &self.control,
            Plane::Data => &self.data,
        }
    }

    /// How many a plane has.
    pub fn len(&self, plane: Plane) -> usize {
        self.names(plane).sorted.len()
    }

    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        Plane::ALL.iter().all(|p| self.len(*p) == 0)
    }

    /// Where an operation, in lower case, stands in its plane.
    pub fn find(&self, plane: Plane, name: &str) -> Option<usize> {
        self.names(plane).find(name)
    }

    /// The lower-case names of a plane's operations, sorted.
    pub fn all(&self, plane: Plane) -> impl Iterator<Item = &str> {
        self.names(plane).iter()
    }

    /// The lower-case name of an operation.
    pub fn name(&self, plane: Plane, at: usize) -> &str {
        self.names(plane).get(at)
    }

    /// Every name of a plane, sorted.
    pub fn iter(&self, plane: Plane) -> impl Iterator<Item = &str> {
        self.names(plane).iter()
    }

    /// Adds to `set` what a pattern names. Returns whether it named anything: a pattern that names nothing known
    /// is a new provider's, not a harmless one.
    pub fn add(&self, set: &mut OpSet, plane: Plane, pattern: &ActionPattern) -> bool {
        let names = self.names(plane);
        let mut any = false;
        let mut put = |at: usize| {
            set.insert(plane, at);
            any = true;
        };
        let text = pattern.text();
        if pattern.stars() == 0 {
            if let Some(at) = names.find(text) {
                put(at);
            }
            return any;
        }
        // Names are sorted, so those with the text before the first star stand together. `a/*/b` also names `a/b`,
        // which lies outside: start from `a`.
        let before = text.split('*').next().unwrap_or_default().trim_end_matches('/');
        let start = names.sorted.partition_point(|at| names.at(*at) < before);
        for (at, name) in names.iter().enumerate().skip(start) {
            if !name.starts_with(before) {
                break;
            }
            if matches(pattern, name) {
                put(at);
            }
        }
        any
    }
}

impl Reading {
    /// Adds a resource type's operations. Types come sorted, so that what is less than one is in its place, and only a few
    /// names wait for theirs.
    fn add(&mut self, kind: &str, verbs: &str) {
        let text = std::mem::take(&mut self.text);
        let settled = self.waiting.partition_point(|w| piece(&text, *w) < kind);
        self.sorted.extend(self.waiting.drain(..settled));
        self.text = text;
        for verb in verbs.split(' ').filter(|v| !v.is_empty()) {
            let start = self.text.len();
            self.text.extend([kind, "/", verb]);
            let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(self.text.len())) else { return };
            let name = piece(&self.text, (start, end));
            let at = self.waiting.partition_point(|w| piece(&self.text, *w) < name);
            self.waiting.insert(at, (start, end));
        }
    }

    fn sorted(mut self) -> Names {
        self.sorted.append(&mut self.waiting);
        let text = &self.text;
        // Somebody else's list may be in another order.
        if !self.sorted.is_sorted_by(|a, b| piece(text, *a) < piece(text, *b)) {
            self.sorted.sort_by(|a, b| piece(text, *a).cmp(piece(text, *b)));
            self.sorted.dedup_by(|a, b| piece(text, *a) == piece(text, *b));
        }
        Names { text: self.text.into(), sorted: self.sorted }
    }
}

impl Names {
    /// Sorted lines.
    fn lines(text: &'static str) -> Names {
        let mut start = 0;
        let ends = memchr::memchr_iter(b'\n', text.as_bytes()).filter_map(|end| u32::try_from(end).ok());
        let sorted = ends.map(|end| (std::mem::replace(&mut start, end + 1), end)).collect();
        Names { text: text.into(), sorted }
    }

    fn at(&self, piece_of: Piece) -> &str {
        piece(&self.text, piece_of)
    }

    fn get(&self, at: usize) -> &str {
        self.sorted.get(at).map_or("", |at| self.at(*at))
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        self.sorted.iter().map(|at| self.at(*at))
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.sorted.binary_search_by(|known| self.at(*known).cmp(name)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_whatever_the_order_of_types() {
        let all = |text: &str| {
            let operations = Operations::parse(text);
            operations.iter(Plane::Control).map(str::to_owned).collect::<Vec<_>>()
        };
        let sorted = ["a.b/c/d/write", "a.b/c/read", "a.b/c-d/read", "a.b/x", "a.c/x"].map(str::to_owned);
        let mut expected = sorted.to_vec();
        expected.sort();
        assert_eq!(all("A.b\tx\t\na.b/C\tread\t\na.b/c-d\tread\t\na.b/c/d\twrite\t\na.c\tx\t\n"), expected);
        assert_eq!(all("a.c\tx x\t\na.b/c/d\twrite\t\na.b/c-d\tread\t\na.b/c\tread\t\na.b\tx\t\n"), expected);
        let embedded = crate::rbac::Catalog::embedded().operations();
        assert!(Plane::ALL.iter().all(|p| embedded.iter(*p).is_sorted_by(|a, b| a < b)));
    }

    #[test]
    fn what_was_sorted_at_build_time_is_what_reading_gives() {
        let catalog = crate::rbac::Catalog::embedded();
        let again = crate::rbac::Catalog::parse(catalog.text().to_owned().into()).unwrap();
        for plane in Plane::ALL {
            assert!(catalog.operations().len(plane) > 3_000);
            assert!(catalog.operations().iter(plane).eq(again.operations().iter(plane)), "{plane:?}");
        }
    }
}
