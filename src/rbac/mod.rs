//! What a role means: which operations it allows, on which plane, under which condition.
//!
//! The fast form works on bit sets over the catalogue's operations; the naive form, which the property tests hold
//! it against, reads the patterns one by one. Not here: who holds a role and where (`graph`).

pub mod catalog;
mod condition;
mod delegation;
mod effective;
mod matching;
mod opset;
mod profile;
mod risk;
mod suggest;
mod technique;

pub use catalog::{BuiltIn, Catalog};
pub use condition::{Facts, Tri, evaluate, guid};
pub use delegation::{ASSIGN, Asks, Bound, Delegation, Recipient};
pub use effective::{Access, Block, CompiledRole, ParsedCondition};
pub use matching::{matches, matches_strictly};
pub use opset::OpSet;
pub use profile::{ClassSets, RoleProfile, count_by_class};
pub use risk::{Class, classify, classify_pattern};
pub use suggest::{Candidate, Cost, Suggestion, suggest, weight};
pub use technique::{
    Certainty, Clause, Gain, Group as TechniqueGroup, Located, On, Only, Powers, Technique, Techniques,
};
