//! Changes of a plan that somebody looks into: most are asked about a few times in a row, and few again later, so that only
//! the last ones are kept open.
//!
//! Not here: what their attributes come from (`references`).

use super::node::{Look as _, Node, node};
use super::wire::Unopened;
use super::written::Block;
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::rc::Rc;

/// A change with what is known of its instance, and what is written for it.
pub(super) struct Opened<'a> {
    pub(super) after: Node<'a>,
    pub(super) after_unknown: Node<'a>,
    pub(super) after_sensitive: Node<'a>,
    expressions: Option<Node<'a>>,
}

impl<'a> Opened<'a> {
    pub(super) fn new(change: &Unopened<'a>, block: Option<&Block<'a>>) -> Opened<'a> {
        let expressions = block.map(Block::expressions);
        // Most often there is nothing to mark.
        let marks = |part: Option<&'a RawValue>| node(part.filter(|p| !matches!(p.get(), "{}" | "false")));
        let parts = [node(change.after), marks(change.after_unknown), marks(change.after_sensitive)];
        match parts {
            [Ok(after), Ok(after_unknown), Ok(after_sensitive)] => {
                Opened { after, after_unknown, after_sensitive, expressions }
            }
            // What cannot be read is not known.
            _ => Opened {
                after: Node::Null,
                after_unknown: Node::Bool(true),
                after_sensitive: Node::Null,
                expressions,
            },
        }
    }

    /// The expression of an attribute.
    pub(super) fn expression(&self, path: &[&str]) -> Option<&Node<'a>> {
        let mut at = self.expressions.as_ref()?;
        for step in path {
            at = match step.parse::<usize>() {
                Ok(n) if at.is_array() => at.items().get(n).or_else(|| at.items().first())?,
                Ok(_) => at,
                Err(_) => at.member(step)?,
            };
        }
        Some(at)
    }
}

/// How many are kept open.
const OPEN: usize = 64;

/// Something by number, of which the last ones that were asked for are kept.
pub(super) struct Shelf<T>(RefCell<Vec<Slot<T>>>);

type Slot<T> = Option<(usize, Rc<T>)>;

impl<T> Default for Shelf<T> {
    fn default() -> Shelf<T> {
        Shelf(RefCell::new((0..OPEN).map(|_| None).collect()))
    }
}

impl<T> Shelf<T> {
    /// The one of a number, made if it is not there.
    pub(super) fn get(&self, at: usize, make: impl FnOnce() -> T) -> Rc<T> {
        let kept = self.0.borrow().get(at % OPEN).cloned().flatten();
        if let Some((_, made)) = kept.filter(|(whose, _)| *whose == at) {
            return made;
        }
        let made = Rc::new(make());
        if let Some(slot) = self.0.borrow_mut().get_mut(at % OPEN) {
            *slot = Some((at, Rc::clone(&made)));
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_again_is_made_once_and_others_do_not_pass_for_it() {
        let shelf = Shelf::default();
        let made = std::cell::Cell::new(0);
        let get = |at: usize| {
            *shelf.get(at, || {
                made.set(made.get() + 1);
                at
            })
        };
        assert_eq!((get(1), get(1), get(1 + OPEN), get(1)), (1, 1, 1 + OPEN, 1));
        assert_eq!(made.get(), 3);
    }
}
