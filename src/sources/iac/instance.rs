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
    /// How many blocks there are of a name.
    fn blocks(&self, at: usize, name: &str) -> usize;
    /// The GUID of the subscription that the configuration is applied in, where it says.
    fn own_subscription(&self) -> Option<String>;
    /// An attribute of something that is looked up.
    fn looked_up(&self, address: &str, attribute: &str) -> Value;
}

/// A symbol for what an address will be. Slashes would end a segment of an id.
pub(super) fn symbol(address: &str) -> String {
    format!("${{{}}}", address.replace('/', "\u{2215}"))
}
