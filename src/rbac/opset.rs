//! Sets of catalogue operations as bits: one bit an operation, each plane on its own.
//! Not here: which operations there are (`catalog`).

use crate::model::Plane;

/// A set of operations of both planes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OpSet {
    control: Vec<u64>,
    data: Vec<u64>,
}

impl OpSet {
    /// The empty set.
    pub fn new() -> OpSet {
        OpSet::default()
    }

    fn words(&self, plane: Plane) -> &[u64] {
        match plane {
            Plane::Control => &self.control,
            Plane::Data => &self.data,
        }
    }

    fn words_mut(&mut self, plane: Plane) -> &mut Vec<u64> {
        match plane {
            Plane::Control => &mut self.control,
            Plane::Data => &mut self.data,
        }
    }

    /// Adds an operation.
    pub fn insert(&mut self, plane: Plane, at: usize) {
        let words = self.words_mut(plane);
        if words.len() <= at / 64 {
            words.resize(at / 64 + 1, 0);
        }
        if let Some(word) = words.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    /// Takes an operation away.
    pub fn remove(&mut self, plane: Plane, at: usize) {
        if let Some(word) = self.words_mut(plane).get_mut(at / 64) {
            *word &= !(1 << (at % 64));
        }
    }

    /// Whether an operation is in it.
    pub fn contains(&self, plane: Plane, at: usize) -> bool {
        self.words(plane).get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Adds all of `other`.
    pub fn union(&mut self, other: &OpSet) {
        for plane in Plane::ALL {
            let theirs = other.words(plane);
            let ours = self.words_mut(plane);
            if ours.len() < theirs.len() {
                ours.resize(theirs.len(), 0);
            }
            for (our, their) in ours.iter_mut().zip(theirs) {
                *our |= their;
            }
        }
    }

    /// Takes all of `other` away.
    pub fn subtract(&mut self, other: &OpSet) {
        for plane in Plane::ALL {
            for (our, their) in self.words_mut(plane).iter_mut().zip(other.words(plane)) {
                *our &= !their;
            }
        }
    }

    /// Whether both have an operation in common.
    pub fn meets(&self, other: &OpSet) -> bool {
        Plane::ALL.iter().any(|p| self.words(*p).iter().zip(other.words(*p)).any(|(a, b)| a & b != 0))
    }

    /// Whether all of `other` is in it.
    pub fn covers(&self, other: &OpSet) -> bool {
        Plane::ALL.iter().all(|p| {
            let ours = self.words(*p).iter().chain(std::iter::repeat(&0));
            other.words(*p).iter().zip(ours).all(|(their, our)| their & !our == 0)
        })
    }

    /// The operations of a plane, by position.
    pub fn iter(&self, plane: Plane) -> impl Iterator<Item = usize> + '_ {
        let words = self.words(plane).iter().enumerate();
        words.flat_map(|(n, word)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| n * 64 + bit)
        })
    }
}
