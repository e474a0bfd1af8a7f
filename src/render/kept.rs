//! What was made from texts, remembered by where the texts lie: a report hands out the same piece of memory for the
//! same identity, role or scope of many rows, and comparing two numbers is cheaper than reading an id again.

use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;
use std::marker::PhantomData;

/// Where a text lies and how long it is; no text lies where `NOTHING` says.
pub(super) type Place = (usize, usize);
const NOTHING: Place = (0, usize::MAX);

/// Where this one does.
pub(super) fn place(text: &str) -> Place {
    (text.as_ptr() as usize, text.len())
}

/// Things made from neighbouring texts of a report.
pub(super) struct Kept<'a, T> {
    known: HashMap<Vec<Place>, T, foldhash::fast::RandomState>,
    key: Vec<Place>,
    report: PhantomData<&'a str>,
}

impl<T> Default for Kept<'_, T> {
    fn default() -> Self {
        Kept { known: HashMap::default(), key: Vec::new(), report: PhantomData }
    }
}

impl<'a, T> Kept<'a, T> {
    /// What was made from these texts before, or else what `make` makes of them. Everything that goes into it must be
    /// among the texts; they live as long as the report, so that none of their places is used again.
    pub(super) fn get<E>(
        &mut self,
        texts: impl IntoIterator<Item = Option<&'a str>>,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<&T, E> {
        self.key.clear();
        self.key.extend(texts.into_iter().map(|t| t.map_or(NOTHING, place)));
        Ok(match self.known.entry_ref(self.key.as_slice()) {
            EntryRef::Occupied(known) => known.into_mut(),
            EntryRef::Vacant(new) => new.insert(make()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_places_are_made_once_and_absent_is_not_empty() {
        let (one, other) = (String::from("a"), String::from("a"));
        let mut kept: Kept<'_, usize> = Kept::default();
        let mut made = 0;
        let mut ask = |texts: [Option<&'static str>; 2]| {
            *kept
                .get(texts, || {
                    made += 1;
                    Ok::<_, ()>(made)
                })
                .unwrap()
        };
        let (one, other): (&'static str, &'static str) = (one.leak(), other.leak());
        assert_eq!(ask([Some(one), None]), 1);
        assert_eq!(ask([Some(one), None]), 1);
        assert_eq!(ask([Some(one), Some("")]), 2);
        assert_eq!(ask([Some(other), None]), 3);
    }
}
