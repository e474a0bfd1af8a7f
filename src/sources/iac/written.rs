//! A plan's configuration: the modules and blocks that are written, and where each is found.
//!
//! What blocks say is left as text until somebody asks: a tree of all of it takes several times the file's size. Not here:
//! what expressions refer to (`references`).

use super::address::module_names;
use super::node::{Node, node};
use crate::model::FastMap;
use crate::sources::arm::Text;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;

/// The part of a plan that says what is written.
#[derive(Deserialize, Default)]
#[serde(bound(deserialize = "'a: 'de"))]
pub(super) struct Configuration<'a> {
    #[serde(borrow, default)]
    pub(super) provider_config: Node<'a>,
    #[serde(borrow)]
    root_module: Option<Module<'a>>,
}

/// A module of it.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'a: 'de"))]
pub(super) struct Module<'a> {
    #[serde(borrow)]
    resources: Option<Vec<Block<'a>>>,
    #[serde(borrow)]
    module_calls: Option<BTreeMap<Text<'a>, Call<'a>>>,
    #[serde(borrow, default)]
    pub(super) outputs: Node<'a>,
    #[serde(borrow, default)]
    pub(super) variables: Node<'a>,
    /// Where its resources are in the list by type and name, and where its lookups.
    #[serde(skip)]
    positions: [Positions<'a>; 2],
    /// Where the last one was found: blocks are mostly asked for in their order.
    #[serde(skip)]
    last: Cell<usize>,
}

type Positions<'a> = FastMap<(Cow<'a, str>, Cow<'a, str>), usize>;

/// A call of a module, with the module as far as it is known.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'a: 'de"))]
pub(super) struct Call<'a> {
    #[serde(borrow, default)]
    source: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) expressions: Node<'a>,
    #[serde(borrow)]
    pub(super) module: Option<Module<'a>>,
}

/// The block of a resource, or of a lookup.
#[derive(Deserialize)]
pub(super) struct Block<'a> {
    #[serde(default, borrow)]
    mode: Cow<'a, str>,
    #[serde(rename = "type", default, borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) provider_config_key: Option<Text<'a>>,
    #[serde(borrow)]
    expressions: Option<&'a RawValue>,
    #[serde(borrow)]
    provisioners: Option<&'a RawValue>,
}

impl<'a> Block<'a> {
    /// What it says for its attributes; nothing where that cannot be read.
    pub(super) fn expressions(&self) -> Node<'a> {
        node(self.expressions).unwrap_or_default()
    }

    /// The scripts that run when it is made.
    pub(super) fn provisioners(&self) -> Node<'a> {
        node(self.provisioners).unwrap_or_default()
    }
}

impl<'a> Module<'a> {
    fn index(&mut self) {
        for (n, block) in self.resources.iter().flatten().enumerate() {
            let [managed, looked_up] = &mut self.positions;
            let own = if block.mode == "data" { looked_up } else { managed };
            own.entry((block.kind.clone(), block.name.clone())).or_insert(n);
        }
        let called = self.module_calls.iter_mut().flat_map(BTreeMap::values_mut);
        called.filter_map(|call| call.module.as_mut()).for_each(Module::index);
    }

    /// The block of a resource, or of a lookup.
    pub(super) fn block(&self, kind: &str, name: &str, data: bool) -> Option<&Block<'a>> {
        let [managed, looked_up] = &self.positions;
        let own = if data { looked_up } else { managed };
        let resources = self.resources.as_ref()?;
        let is = |b: &&Block<'_>| b.kind == kind && b.name == name && (b.mode == "data") == data;
        let (last, next) = (self.last.get(), self.last.get() + 1);
        let near = |at: usize| resources.get(at).filter(is).map(|block| (at, block));
        let (at, block) = match near(last).or_else(|| near(next)) {
            Some(found) => found,
            None => {
                let at = *own.get(&(kind.into(), name.into()))?;
                (at, resources.get(at)?)
            }
        };
        self.last.set(at);
        Some(block)
    }

    /// A call in it, by its name.
    pub(super) fn call(&self, name: &str) -> Option<&Call<'a>> {
        self.module_calls.as_ref()?.get(name)
    }
}

impl<'a> Configuration<'a> {
    /// Notes where everything is, and looks whether all of it can be read.
    ///
    /// # Errors
    /// If something in it cannot.
    pub(super) fn index(&mut self) -> Result<(), serde_json::Error> {
        self.blocks().try_for_each(|b| sound(b.expressions).and_then(|()| sound(b.provisioners)))?;
        if let Some(root) = &mut self.root_module {
            root.index();
        }
        Ok(())
    }

    /// A module, by its address with or without keys.
    pub(super) fn module(&self, address: &str) -> Option<&Module<'a>> {
        let root = self.root_module.as_ref()?;
        if address.is_empty() {
            return Some(root);
        }
        module_names(address).iter().try_fold(root, |at, name| at.call(name)?.module.as_ref())
    }

    /// Every block of every module.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &Block<'a>> {
        let mut modules: Vec<&Module<'a>> = self.root_module.iter().collect();
        std::iter::from_fn(move || {
            let module = modules.pop()?;
            let calls = module.module_calls.iter().flat_map(BTreeMap::values);
            modules.extend(calls.filter_map(|call| call.module.as_ref()));
            Some(module.resources.iter().flatten())
        })
        .flatten()
    }

    /// Where the call of a module points, by the names of the modules on the way to it.
    pub(super) fn call_source(&self, path: &[String]) -> Option<&str> {
        let (last, outer) = path.split_last()?;
        let root = self.root_module.as_ref()?;
        let inner = outer.iter().try_fold(root, |at, name| at.call(name)?.module.as_ref())?;
        Some(inner.call(last)?.source.as_ref().map_or("", Text::as_str))
    }
}

/// Whether a part can be opened later. What is skipped over is not looked at closely: depth, escapes and numbers are
/// only checked where they are read.
///
/// # Errors
/// If it cannot be.
pub(super) fn sound(part: Option<&RawValue>) -> Result<(), serde_json::Error> {
    /// Well below the parser's 128 levels.
    const DEEP: usize = 100;
    let Some(part) = part else { return Ok(()) };
    let bytes = part.get().as_bytes();
    let deep = bytes.len() > DEEP && memchr::memchr2_iter(b'{', b'[', bytes).nth(DEEP).is_some();
    if deep || memchr::memmem::find(bytes, b"\\u").is_some() { node(Some(part)).map(drop) } else { Ok(()) }
}
