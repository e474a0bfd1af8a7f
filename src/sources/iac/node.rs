//! The JSON of a plan as it lies in the file: texts and keys are pieces of it, so that a tree costs a fraction of what one
//! of owned texts and sorted maps does.
//!
//! Not here: what a plan's parts mean (`plan`).

use serde_json::Value as Json;

/// A value of a plan.
pub(super) type Node<'a> = serde_json_borrow::Value<'a>;

/// Looking into a value without knowing what it is.
pub(super) trait Look<'a> {
    /// A member of an object.
    fn member(&self, key: &str) -> Option<&Node<'a>>;
    /// One step of a path: a member, or an element by its number.
    fn step(&self, step: &str) -> Option<&Node<'a>>;
    /// The elements of an array, or none.
    fn items(&self) -> &[Node<'a>];
    /// The text of a member, or an empty one.
    fn text(&self, key: &str) -> &str;
    /// The same with texts of its own.
    fn owned(&self) -> Json;
}

impl<'a> Look<'a> for Node<'a> {
    fn member(&self, key: &str) -> Option<&Node<'a>> {
        self.as_object()?.get(key)
    }

    fn step(&self, step: &str) -> Option<&Node<'a>> {
        match (self, step.parse::<usize>()) {
            (Node::Array(items), Ok(n)) => items.get(n),
            _ => self.member(step),
        }
    }

    fn items(&self) -> &[Node<'a>] {
        self.as_array().unwrap_or_default()
    }

    fn text(&self, key: &str) -> &str {
        self.member(key).and_then(Node::as_str).unwrap_or_default()
    }

    fn owned(&self) -> Json {
        self.into()
    }
}
