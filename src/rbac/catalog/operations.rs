//! The list of operations, one index an operation and plane, and the sets that patterns name in it.

use crate::model::{ActionPattern, Plane};
use crate::rbac::matching::matches;
use crate::rbac::opset::OpSet;

/// All known operations.
#[derive(Debug, Default)]
pub struct Operations {
    control: Names,
    data: Names,
}

#[derive(Debug, Default)]
struct Names {
    /// Lower-case and sorted.
    sorted: Vec<Box<str>>,
}

impl Operations {
    /// Reads the catalogue's section: a line a resource type, `type<TAB>control verbs<TAB>data verbs`.
    pub(super) fn parse(text: &str) -> Operations {
        let (mut control, mut data) = (Vec::new(), Vec::new());
        for line in text.lines() {
            let mut fields = line.split('\t');
            let kind = fields.next().unwrap_or_default().to_ascii_lowercase();
            for (into, verbs) in [(&mut control, fields.next()), (&mut data, fields.next())] {
                for verb in verbs.unwrap_or_default().split(' ').filter(|v| !v.is_empty()) {
                    into.push([kind.as_str(), "/", &verb.to_ascii_lowercase()].concat().into_boxed_str());
                }
            }
        }
        Operations { control: Names::of(control), data: Names::of(data) }
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
        self.names(plane).sorted.iter().map(AsRef::as_ref)
    }

    /// The lower-case name of an operation.
    pub fn name(&self, plane: Plane, at: usize) -> &str {
        self.names(plane).sorted.get(at).map_or("", |n| n)
    }

    /// Every name of a plane, sorted.
    pub fn iter(&self, plane: Plane) -> impl Iterator<Item = &str> {
        self.names(plane).sorted.iter().map(|n| &**n)
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
        let start = names.sorted.partition_point(|n| &**n < before);
        for (at, name) in names.sorted.iter().enumerate().skip(start) {
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

impl Names {
    fn of(mut sorted: Vec<Box<str>>) -> Names {
        sorted.sort_unstable();
        sorted.dedup();
        Names { sorted }
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.sorted.binary_search_by(|known| (**known).cmp(name)).ok()
    }
}
