//! Sets of tags, each stored once: a tenant has many resources and few different sets.

use super::strings::{Strings, Sym};
use std::collections::HashMap;

/// A set of tags in a [`TagTable`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tags(u32);

/// All distinct sets of tags.
#[derive(Clone, Debug)]
pub struct TagTable {
    sets: Vec<Box<[(Sym, Sym)]>>,
    seen: HashMap<Box<[(Sym, Sym)]>, u32>,
}

impl Default for TagTable {
    fn default() -> Self {
        TagTable { sets: vec![Box::default()], seen: HashMap::from([(Box::default(), 0)]) }
    }
}

impl TagTable {
    /// Stores a set; its order is kept, so sort it first.
    pub fn intern(&mut self, tags: Vec<(Sym, Sym)>) -> Tags {
        let tags = tags.into_boxed_slice();
        if let Some(found) = self.seen.get(&tags) {
            return Tags(*found);
        }
        let at = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        self.sets.push(tags.clone());
        self.seen.insert(tags, at);
        Tags(at)
    }

    /// The pairs of a set, in the order of their folded keys.
    pub fn pairs(&self, tags: Tags) -> &[(Sym, Sym)] {
        self.sets.get(tags.0 as usize).map_or(&[], |set| set)
    }

    /// The value of a key. Azure compares tag keys without regard to case.
    pub fn value<'s>(&self, strings: &'s Strings, tags: Tags, key: &str) -> Option<&'s str> {
        let (_, value) = self.pairs(tags).iter().find(|(k, _)| strings.text(*k).eq_ignore_ascii_case(key))?;
        Some(strings.text(*value))
    }
}
