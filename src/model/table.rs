//! A vector whose positions have a type of their own, so that an index of one table cannot read another.
//! Not here: hashing or order.

use std::marker::PhantomData;

/// A position in a `Table<T>`.
pub struct Ix<T>(u32, PhantomData<fn() -> T>);

impl<T> Clone for Ix<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Ix<T> {}
impl<T> PartialEq for Ix<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T> Eq for Ix<T> {}
impl<T> PartialOrd for Ix<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Ix<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<T> std::hash::Hash for Ix<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<T> std::fmt::Debug for Ix<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl<T> Ix<T> {
    /// The position as a number.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// A position by number. Whoever makes one up from outside a table reads what is there, or panics:
    /// only for numbers that a table gave out.
    pub fn new(at: usize) -> Self {
        Ix(u32::try_from(at).unwrap_or(u32::MAX), PhantomData)
    }
}

/// A growable table addressed by [`Ix`].
#[derive(Clone, Debug)]
pub struct Table<T>(Vec<T>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table(Vec::new())
    }
}

impl<T> Table<T> {
    /// Adds a row and says where.
    pub fn push(&mut self, row: T) -> Ix<T> {
        self.0.push(row);
        Ix::new(self.0.len() - 1)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rows with their positions.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Ix<T>, &T)> + ExactSizeIterator {
        self.0.iter().enumerate().map(|(n, row)| (Ix::new(n), row))
    }

    /// The rows alone.
    pub fn rows(&self) -> &[T] {
        &self.0
    }

    /// The rows, to change in place.
    pub fn rows_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

impl<T> From<Vec<T>> for Table<T> {
    fn from(rows: Vec<T>) -> Self {
        Table(rows)
    }
}

impl<T> std::ops::Index<Ix<T>> for Table<T> {
    type Output = T;

    #[expect(
        clippy::indexing_slicing,
        reason = "an Ix comes from push or iter of this table, and rows are never removed after"
    )]
    fn index(&self, at: Ix<T>) -> &T {
        &self.0[at.index()]
    }
}

impl<T> std::ops::IndexMut<Ix<T>> for Table<T> {
    #[expect(
        clippy::indexing_slicing,
        reason = "an Ix comes from push or iter of this table, and rows are never removed after"
    )]
    fn index_mut(&mut self, at: Ix<T>) -> &mut T {
        &mut self.0[at.index()]
    }
}
