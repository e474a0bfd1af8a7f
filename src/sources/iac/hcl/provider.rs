//! Which provider a block goes through: its own alias, or what the calls of its modules pass on.
//!
//! Source: "Provider Configuration" and "The providers Meta-Argument" of the Terraform language.

use super::source::{Env, Terraform};
use super::tree::{Block, Expr};
use crate::sources::iac::instance::has_marks;
use std::rc::Rc;

/// `azurerm` is nothing, `azurerm.name` is the name.
fn alias(expression: &Expr) -> Option<Option<String>> {
    match expression {
        Expr::Name(name) if name == "azurerm" => Some(None),
        Expr::Get(of, step) => match (&**of, &**step) {
            (Expr::Name(name), Expr::Literal(step)) if name == "azurerm" => {
                Some(step.as_str().map(str::to_owned))
            }
            _ => None,
        },
        // The JSON syntax has it as a text.
        Expr::Literal(text) => {
            let text = text.as_str()?;
            match text.split_once('.') {
                Some(("azurerm", name)) => Some(Some(name.to_owned())),
                _ => (text == "azurerm").then_some(None),
            }
        }
        _ => None,
    }
}

impl Terraform {
    /// The subscription that a block of a scope goes to, if that is not the configuration's own: its id, or words for it.
    pub(super) fn subscription_through(&self, scope: usize, block: &Block) -> Option<String> {
        let own = block.attributes.get("provider").and_then(|e| alias(e)).flatten();
        let (scope, name) = self.passed(scope, own, 0);
        let name = name?;
        let provider = self.provider(scope, Some(&name));
        let id = provider.and_then(|p| {
            Some(self.evaluate(p.attributes.get("subscription_id")?, scope, &Env::default(), 0))
        });
        let known = id.as_ref().and_then(|id| id.as_str()).filter(|id| !has_marks(id));
        Some(known.map_or_else(|| format!("${{provider.azurerm.{name}}}"), str::to_owned))
    }

    /// A provider by its alias; the one without is the configuration's own.
    pub(super) fn provider(&self, scope: usize, name: Option<&str>) -> Option<Rc<Block>> {
        let named = |block: &&Rc<Block>| {
            let own = block.attributes.get("alias").and_then(|e| match &**e {
                Expr::Literal(text) => text.as_str(),
                _ => None,
            });
            block.labels.first().is_some_and(|l| l == "azurerm") && own == name
        };
        self.blocks_of(scope, "provider").iter().find(named).cloned()
    }

    /// The scope that configures what is called so in another.
    fn passed(&self, scope: usize, name: Option<String>, depth: usize) -> (usize, Option<String>) {
        let Some((outer, call)) = self.call_of(scope).filter(|_| depth < 16) else { return (scope, name) };
        let given = call.attributes.get("providers").map(|e| (**e).clone());
        if let Some(Expr::Object(pairs)) = given {
            let same = pairs.iter().find(|(key, _)| alias(key) == Some(name.clone()));
            if let Some((_, value)) = same {
                return self.passed(outer, alias(value).flatten(), depth + 1);
            }
        }
        match name {
            // Modules take over the provider of who calls them.
            None => self.passed(outer, None, depth + 1),
            name => (scope, name),
        }
    }
}
