//! Terraform's resources as its readers see them, whatever they were read from: a plan today. What is not known before
//! apply is a symbol, written `${address}`.
//!
//! Not here: what a resource means to Azure (`azurerm`).

use crate::model::Location;

/// One instance of a resource.
#[derive(Clone, Debug, Default)]
pub(super) struct Instance {
    /// Module, type, name and key.
    pub(super) address: String,
    /// `azurerm_role_assignment`, …
    pub(super) kind: String,
    /// Where its block stands.
    pub(super) location: Option<Location>,
    /// Whether the change leaves it as it is.
    pub(super) kept: bool,
}

/// What an attribute is, as far as it is known.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value {
    /// Not set.
    Absent,
    /// This.
    Known(serde_json::Value),
    /// Whatever this attribute of that instance will be.
    Of(usize, String),
    /// This attribute of something that is looked up, of this type, at this address.
    Data(String, String, String),
    /// Not to be found out; in words, what is missing.
    Unknown(String),
}

impl Value {
    /// A known text.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Value::Known(serde_json::Value::String(text)) => Some(text),
            _ => None,
        }
    }
}

/// A Terraform configuration with its instances.
pub(super) trait Configuration {
    /// All instances that will be there.
    fn instances(&self) -> &[Instance];
    /// An attribute of an instance, by its path through blocks (`identity`, `0`, `type`).
    fn value(&self, at: usize, path: &[&str]) -> Value;
    /// The elements of an attribute that is a list; of a list that is not known, what it refers to.
    fn list(&self, at: usize, path: &[&str]) -> Vec<Value>;
    /// Whether something is written for an attribute, whether or not it is known.
    fn is_written(&self, at: usize, name: &str) -> bool {
        self.value(at, &[name]) != Value::Absent
    }
    /// Whether of the blocks of a name not even their number is known.
    fn is_open(&self, _at: usize, _name: &str) -> bool {
        false
    }
    /// Whether making an instance runs a script that assigns roles.
    fn assigns_by_script(&self, at: usize) -> bool;
    /// How many blocks there are of a name.
    fn blocks(&self, at: usize, name: &str) -> usize;
    /// The subscription that an instance, or else a lookup by its address, goes to, if that is not the configuration's own:
    /// its GUID, or what stands for it.
    fn subscription_of(&self, at: Option<usize>, address: &str) -> Option<String>;
    /// The GUID of the subscription that the configuration is applied in, where it says.
    fn own_subscription(&self) -> Option<String>;
    /// An attribute of something that is looked up.
    fn looked_up(&self, address: &str, attribute: &str) -> Value;
}

/// A symbol for what an address will be. Slashes would end a segment of an id.
pub(super) fn symbol(address: &str) -> String {
    // Ids are compared without case, and addresses are not.
    let mut inner = String::new();
    for c in address.chars() {
        match c {
            '/' => inner.push('\u{2215}'),
            c if c.is_ascii_uppercase() => inner.extend(['^', c]),
            c => inner.push(c),
        }
    }
    format!("${{{inner}}}")
}

/// What begins and ends a mark. No source has it: it would be no character of a text.
const EDGE: char = '\u{1}';

/// Something inside a text that the source does not say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Mark {
    /// An attribute of an instance; empty for all of it.
    Instance(usize, String),
    /// An attribute of a lookup: its type, its address, the attribute.
    Data(String, String, String),
    /// In words.
    Unknown(String),
}

impl Mark {
    pub(super) fn instance(at: usize) -> serde_json::Value {
        Mark::Instance(at, String::new()).json()
    }

    pub(super) fn data(kind: &str, address: &str) -> serde_json::Value {
        Mark::Data(kind.to_owned(), address.to_owned(), String::new()).json()
    }

    pub(super) fn unknown(words: &str) -> serde_json::Value {
        Mark::Unknown(clear(words)).json()
    }

    pub(super) fn is_unknown(&self) -> bool {
        matches!(self, Mark::Unknown(_))
    }

    /// As a text.
    pub(super) fn json(&self) -> serde_json::Value {
        let inner = match self {
            Mark::Instance(at, path) => format!("i{at}\u{2}{path}"),
            Mark::Data(kind, address, path) => format!("d{kind}\u{2}{address}\u{2}{path}"),
            Mark::Unknown(words) => format!("?{words}"),
        };
        format!("{EDGE}{inner}{EDGE}").into()
    }

    fn read(inner: &str) -> Option<Mark> {
        let mut parts = inner.get(1..)?.split('\u{2}');
        Some(match inner.get(..1)? {
            "i" => Mark::Instance(parts.next()?.parse().ok()?, parts.next()?.to_owned()),
            "d" => Mark::Data(parts.next()?.to_owned(), parts.next()?.to_owned(), parts.next()?.to_owned()),
            _ => Mark::Unknown(parts.next()?.to_owned()),
        })
    }

    /// The mark that a value is.
    pub(super) fn of(value: &serde_json::Value) -> Option<Mark> {
        let inner = value.as_str()?.strip_prefix(EDGE)?.strip_suffix(EDGE)?;
        (!inner.contains(EDGE)).then(|| Mark::read(inner)).flatten()
    }

    /// A member of what it stands for.
    pub(super) fn with(self, name: &str) -> Mark {
        let join = |path: String| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match self {
            Mark::Instance(at, path) => Mark::Instance(at, join(path)),
            Mark::Data(kind, address, path) => Mark::Data(kind, address, join(path)),
            Mark::Unknown(words) => Mark::Unknown(join(words)),
        }
    }

    /// The same as a reader's value.
    pub(super) fn value(self) -> Value {
        match self {
            Mark::Instance(at, path) => Value::Of(at, path),
            Mark::Data(kind, address, path) => Value::Data(kind, address, path),
            Mark::Unknown(words) => Value::Unknown(format!("it comes from `{words}`")),
        }
    }
}

/// Words without marks. Instances go by no number: that changes with whatever is put before them.
fn clear(words: &str) -> String {
    let named = replace_marks(words, |mark| match mark {
        Mark::Instance(_, path) if path.is_empty() => "a resource".to_owned(),
        Mark::Instance(_, path) => format!("its {path}"),
        Mark::Data(_, address, path) => format!("{address}.{path}"),
        Mark::Unknown(words) => words,
    });
    named.replace([EDGE, '\u{2}'], "")
}

/// A text with each mark in it made into something else.
pub(super) fn replace_marks(text: &str, mut with: impl FnMut(Mark) -> String) -> String {
    let mut out = String::new();
    for (n, part) in text.split(EDGE).enumerate() {
        match (n % 2 == 1).then(|| Mark::read(part)).flatten() {
            Some(mark) => out.push_str(&with(mark)),
            None => out.push_str(part),
        }
    }
    out
}

/// Whether a value, or something in it, has marks inside.
pub(super) fn any_marks(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::String(text) => has_marks(text),
        serde_json::Value::Array(items) => items.iter().any(any_marks),
        serde_json::Value::Object(members) => members.values().any(any_marks),
        _ => false,
    }
}

/// Whether a text has marks inside it.
pub(super) fn has_marks(text: &str) -> bool {
    text.contains(EDGE)
}
