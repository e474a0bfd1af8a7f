//! The JSON of a plan as it lies in the file: texts and keys are pieces of it, so that a tree costs a fraction of what one
//! of owned texts and sorted maps does.
//!
//! Not here: what a plan's parts mean (`plan`).

use serde_json::Value as Json;
use serde_json::value::RawValue;

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
    /// The same with texts of its own.
    fn owned(&self) -> Json;
}

impl<'a> Look<'a> for Node<'a> {
    fn member(&self, key: &str) -> Option<&Node<'a>> {
        self.as_object()?.get(key)
    }

    fn step(&self, step: &str) -> Option<&Node<'a>> {
        match self {
            Node::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => self.member(step),
        }
    }

    fn items(&self) -> &[Node<'a>] {
        self.as_array().unwrap_or_default()
    }

    fn owned(&self) -> Json {
        self.into()
    }
}

/// A part of a file that was left as text, opened.
pub(super) fn node<'a>(raw: Option<&'a RawValue>) -> Result<Node<'a>, serde_json::Error> {
    raw.map_or(Ok(Node::Null), |raw| serde_json::from_str(raw.get()))
}

/// No value.
pub(super) const NULL: &Node<'static> = &Node::Null;

/// A value without what must not be shown.
pub(super) fn without(value: &Node<'_>, marks: &Node<'_>) -> Json {
    match (value, marks) {
        (_, Node::Bool(true)) => Json::Null,
        (Node::Object(members), Node::Object(marked)) => {
            let shown =
                members.iter().map(|(k, v)| (k.to_owned(), without(v, marked.get(k).unwrap_or(NULL))));
            Json::Object(shown.collect())
        }
        (Node::Array(items), Node::Array(marked)) => {
            items.iter().enumerate().map(|(n, v)| without(v, marked.get(n).unwrap_or(NULL))).collect()
        }
        (value, _) => value.owned(),
    }
}

pub(super) fn any_unknown(json: &Node<'_>) -> bool {
    match json {
        Node::Bool(unknown) => *unknown,
        Node::Array(items) => items.iter().any(any_unknown),
        Node::Object(members) => members.values().any(any_unknown),
        _ => false,
    }
}

pub(super) fn at_path<'j, 'a>(json: &'j Node<'a>, path: &[&str]) -> Option<&'j Node<'a>> {
    path.iter().try_fold(json, |at, step| at.step(step))
}
