//! What a file of Bicep declares, as a tree. Expressions are those of templates (`arm`), in which names stand for
//! parameters, variables, resources, modules and what loops and functions bind.
//!
//! Not here: reading (`parser`, `declarations`), and what it means (`lower`).

use crate::sources::iac::arm::Expression;

/// A declaration with where it begins, as a byte.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Declaration {
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) what: What,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum What {
    /// `targetScope`.
    Target(Expression),
    Parameter {
        /// No value of it may be shown.
        secure: bool,
        nullable: bool,
        default: Option<Expression>,
        /// Types that its own names.
        types: Vec<String>,
    },
    Variable(Expression),
    Function {
        parameters: Vec<String>,
        body: Expression,
    },
    Output {
        secure: bool,
        value: Expression,
    },
    Type {
        secure: bool,
        /// Types that it names.
        types: Vec<String>,
    },
    Resource(Deployed),
    Module(Deployed),
    Import {
        names: Names,
        from: String,
    },
    /// Whose parameters a file gives: `None` is `using none`.
    Using(Option<String>),
    /// The file of parameters that another adds to.
    Extends(String),
    /// What decides nothing about what is deployed: metadata, assertions, extensions.
    Other,
}

/// What an import brings.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Names {
    /// `{ name as alias }`: pairs of the name there and the name here.
    These(Vec<(String, String)>),
    /// `* as namespace`.
    All(String),
}

/// A resource or a module.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Deployed {
    /// The type with its version, or the path of the module.
    pub(super) of: String,
    pub(super) existing: bool,
    pub(super) copy: Option<Copy>,
    pub(super) condition: Option<Expression>,
    pub(super) body: Body,
}

/// `for item in over` and `for (item, index) in over`.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Copy {
    pub(super) names: Vec<String>,
    pub(super) over: Expression,
}

/// The members of a resource or module.
#[derive(Clone, PartialEq, Default, Debug)]
pub(super) struct Body {
    pub(super) members: Vec<(String, Expression)>,
    /// Objects whose members count, too.
    pub(super) spread: Vec<Expression>,
    pub(super) nested: Vec<Declaration>,
}
