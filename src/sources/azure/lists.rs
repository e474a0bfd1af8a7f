//! Lists that are made when their turn comes: a large tenant has hundreds of thousands. Not here: what a list is
//! (`listing`), and which there are (`plan`).

use super::listing::{Awaited, Listing};
use std::collections::VecDeque;

/// Lists to be read, in order.
pub(super) struct Lists {
    made: std::iter::Peekable<Box<dyn Iterator<Item = Listing> + Send>>,
    left: usize,
}

impl Lists {
    /// So many lists.
    pub(super) fn of(left: usize, made: impl Iterator<Item = Listing> + Send + 'static) -> Lists {
        let made: Box<dyn Iterator<Item = Listing> + Send> = Box::new(made);
        Lists { made: made.peekable(), left }
    }

    /// The first of them.
    pub(super) fn first(&mut self) -> Option<&Listing> {
        self.made.peek()
    }
}

impl From<Vec<Listing>> for Lists {
    fn from(lists: Vec<Listing>) -> Lists {
        Lists::of(lists.len(), lists.into_iter())
    }
}

/// Lists that were not begun, and how many there are not read yet that something waits for.
#[derive(Default)]
pub(super) struct Waiting {
    lists: VecDeque<Lists>,
    begun: [usize; 4],
}

impl Waiting {
    pub(super) fn add(&mut self, lists: Lists) {
        self.lists.push_back(lists);
    }

    /// How many were not begun.
    pub(super) fn left(&self) -> usize {
        self.lists.iter().map(|lists| lists.left).sum()
    }

    /// The next one, which is begun now.
    pub(super) fn begin(&mut self) -> Option<Listing> {
        while let Some(lists) = self.lists.front_mut() {
            lists.left = lists.left.saturating_sub(1);
            if let Some(listing) = lists.made.next() {
                self.begun(listing.awaited_by());
                return Some(listing);
            }
            self.lists.pop_front();
        }
        None
    }

    fn slot(&mut self, awaited: Awaited) -> &mut usize {
        let [plan, groups, others, nobody] = &mut self.begun;
        match awaited {
            Awaited::Plan => plan,
            Awaited::Groups => groups,
            Awaited::Others => others,
            Awaited::Nobody => nobody,
        }
    }

    /// One is begun that something may wait for.
    pub(super) fn begun(&mut self, awaited: Awaited) {
        *self.slot(awaited) += 1;
    }

    /// One is read.
    pub(super) fn read(&mut self, awaited: Awaited) {
        let slot = self.slot(awaited);
        *slot = slot.saturating_sub(1);
    }

    /// Whether what waits for lists of a kind need not wait any more: what those are that were not begun is not known
    /// before they are made.
    pub(super) fn none(&mut self, awaited: Awaited) -> bool {
        self.lists.iter_mut().all(|lists| lists.first().is_none()) && *self.slot(awaited) == 0
    }

    /// Everything was read.
    pub(super) fn end(&mut self) {
        *self = Waiting::default();
    }
}
