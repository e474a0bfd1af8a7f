//! A rule's condition, compiled once somebody asks: a small run needs few of the rules, and reading an expression costs more
//! than judging with it.
//!
//! Not here: the language (`expr`), and where a condition's mistakes stand in a file (`schema`).

use super::expr::{Expr, ExprError, Literal, Names, compile};
use std::sync::{Arc, OnceLock};

/// A condition over the facts of a subject.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    text: String,
    roots: &'static [&'static str],
    params: Arc<[(String, Literal)]>,
    ready: OnceLock<Expr>,
}

impl Condition {
    /// Of a text, with the facts and parameters that it may name.
    pub(super) fn new(
        text: &str,
        roots: &'static [&'static str],
        params: &Arc<[(String, Literal)]>,
    ) -> Condition {
        Condition { text: text.to_owned(), roots, params: Arc::clone(params), ready: OnceLock::new() }
    }

    /// Compiles it now.
    pub(super) fn check(&self) -> Result<(), ExprError> {
        let expr = compile(&self.text, &Names { roots: self.roots, params: &self.params })?;
        self.ready.get_or_init(|| expr);
        Ok(())
    }

    /// The condition, ready to run. One that was never checked and does not compile is never decided, which shows in what
    /// the rule says of itself; a test checks every embedded one.
    pub(super) fn expr(&self) -> &Expr {
        self.ready.get_or_init(|| {
            compile(&self.text, &Names { roots: self.roots, params: &self.params }).unwrap_or(Expr::Undecided)
        })
    }
}
