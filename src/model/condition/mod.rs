//! Conditions of attribute-based access control, as they stand on assignments and inside role definitions.
//!
//! The whole published language is read (`conditions-format` in the Azure RBAC documentation), and the variants
//! that built-in roles really use: GUIDs without dashes, scalars for sets, lower-case operators, `&&`, attributes
//! without namespace. What a condition *means* for a request is `rbac::condition`.

mod lex;
mod parse;

pub use parse::{ConditionError, parse};

use super::operation::ActionPattern;

/// A parsed condition.
#[derive(Clone, PartialEq, Debug)]
pub enum Condition {
    /// All hold.
    And(Vec<Condition>),
    /// At least one holds.
    Or(Vec<Condition>),
    /// Does not hold.
    Not(Box<Condition>),
    /// The request's action is one of these.
    ActionMatches(Vec<ActionPattern>),
    /// The request's sub-operation is one of these.
    SubOperationMatches(Vec<String>),
    /// The attribute has a value.
    Exists(Attribute),
    /// A comparison of an attribute with values.
    Compare {
        /// What stands on the left.
        left: Operand,
        /// How the two sides are combined.
        quantifier: Quantifier,
        /// The comparison.
        operator: Operator,
        /// What stands on the right.
        right: Vec<Operand>,
    },
}

/// Whose attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// What the request carries.
    Request,
    /// What the request is about.
    Resource,
    /// Who asks.
    Principal,
    /// Where and when.
    Environment,
}

/// `@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId]`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attribute {
    /// Whose it is.
    pub source: Source,
    /// The text in brackets, lower-case.
    pub name: String,
}

/// One value of a comparison.
#[derive(Clone, PartialEq, Debug)]
pub enum Operand {
    /// A literal, quotes removed.
    Literal(String),
    /// Another attribute.
    Attribute(Attribute),
}

/// How several values on each side are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quantifier {
    /// Some value on the left with some value on the right; also what a plain operator means.
    AnyOfAny,
    /// Every value on the left with some value on the right.
    AllOfAny,
    /// Some value on the left with every value on the right.
    AnyOfAll,
    /// Every value on the left with every value on the right.
    AllOfAll,
}

/// What two values are compared as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Text, case counts.
    String,
    /// Text, case does not count.
    StringIgnoreCase,
    /// GUIDs, with or without dashes.
    Guid,
    /// Numbers.
    Numeric,
    /// `true` and `false`.
    Bool,
    /// Moments.
    DateTime,
}

/// The relation that is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// Equal.
    Equals,
    /// The left starts with the right.
    StartsWith,
    /// The left matches the right, in which `*` is any text and `?` any character.
    Like,
    /// Less.
    Less,
    /// Less or equal.
    LessOrEqual,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterOrEqual,
}

/// A comparison operator, `StringNotEqualsIgnoreCase` and its kin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Operator {
    /// What is compared.
    pub kind: Kind,
    /// Which relation.
    pub relation: Relation,
    /// Whether the relation must not hold.
    pub negated: bool,
}
