//! Terraform source: modules, variables, loops and expressions, as far as the source says what there will be.
//!
//! Not here: what resources mean to Azure (`azurerm`).

mod attributes;
mod evaluate;
mod functions;
mod json;
mod module;
mod provider;
mod source;
mod tree;

pub(super) use source::Terraform;

use super::place::normal;
use crate::model::Location;
use crate::sources::Files;
use module::Module;
pub use module::is_source;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use tree::Expr;

/// Where the blocks of a folder stand, by `resource.type.name` or `module.name`. What cannot be read has no place.
pub(super) fn places(files: &dyn Files, folder: &str) -> HashMap<String, Location> {
    let module = Module::read(files, folder, &mut Vec::new());
    let place = |((kind, labels), block): ((String, Vec<String>), Rc<tree::Block>)| {
        (format!("{kind}.{}", labels.join(".")), block.location.clone())
    };
    module.named.into_iter().map(place).collect()
}

/// Of folders with Terraform source, those that no other of them calls as a module: they are applied themselves. And those
/// that some other calls, but that are made to be applied: a call that is never made must not hide one.
pub(super) fn roots(files: &dyn Files, folders: &BTreeSet<String>) -> (Vec<String>, Vec<String>) {
    let (mut called, mut applied) = (BTreeSet::new(), BTreeSet::new());
    for folder in folders {
        // What cannot be read is said by whoever reads the folder for its own sake.
        let module = Module::read(files, folder, &mut Vec::new());
        let never = |call: &tree::Block| {
            let is =
                |name: &str, empty: fn(&Expr) -> bool| call.attributes.get(name).is_some_and(|e| empty(e));
            is("count", |e| matches!(e, Expr::Literal(n) if n == 0 || n == false))
                || is("for_each", |e| {
                    matches!(e, Expr::List(l) if l.is_empty()) || matches!(e, Expr::Object(o) if o.is_empty())
                })
        };
        for call in module.blocks.get("module").into_iter().flatten().filter(|c| !never(c)) {
            if let Some(Expr::Literal(source)) = call.attributes.get("source").map(|e| &**e)
                && let Some(source) = source.as_str().filter(|s| s.starts_with('.'))
            {
                // A folder that calls itself is not another's for that.
                called.extend(Some(normal(&format!("{folder}/{source}"))).filter(|c| c != folder));
            }
        }
        if module.is_applied() {
            applied.insert(folder.clone());
        }
    }
    let roots = folders.difference(&called).cloned().collect();
    (roots, applied.intersection(&called).cloned().collect())
}
