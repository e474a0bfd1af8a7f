//! Terraform source: modules, variables, loops and expressions, as far as the source says what there will be.
//!
//! Not here: what resources mean to Azure (`azurerm`).

mod evaluate;
mod functions;
mod source;
mod tree;

pub(super) use source::Terraform;

use super::place::normal;
use crate::sources::Files;
use std::collections::BTreeSet;
use std::io::Read as _;
use tree::Expr;

/// Of folders with Terraform source, those that no other of them calls as a module: they are applied themselves.
pub(super) fn roots(files: &dyn Files, folders: &BTreeSet<String>) -> Vec<String> {
    let mut called = BTreeSet::new();
    for folder in folders {
        for path in files.list_in(folder).unwrap_or_default().iter().filter(|p| p.ends_with(".tf")) {
            let mut text = String::new();
            let read = files.open(path).map(|f| f.take(8 << 20).read_to_string(&mut text));
            let blocks = if matches!(read, Ok(Ok(_))) {
                tree::parse(&text, path).unwrap_or_default()
            } else {
                Vec::new()
            };
            for call in blocks.iter().filter(|b| b.kind == "module") {
                if let Some(Expr::Literal(source)) = call.attributes.get("source").map(|e| &**e)
                    && let Some(source) = source.as_str().filter(|s| s.starts_with('.'))
                {
                    called.insert(normal(&format!("{folder}/{source}")));
                }
            }
        }
    }
    folders.difference(&called).cloned().collect()
}
