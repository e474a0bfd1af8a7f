//! Files of code by the paths that findings show them with: lines for whoever reads a report, and comments beside a block.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::rc::Rc;

/// In bytes: nobody writes larger files by hand.
const LARGEST: u64 = 8 << 20;

/// Code on disk.
#[derive(Debug, Default)]
pub(super) struct CodeFiles {
    /// The folders that paths are shown from.
    pub(super) bases: BTreeSet<PathBuf>,
    texts: RefCell<HashMap<String, Option<Rc<Vec<String>>>>>,
}

impl CodeFiles {
    /// Over the folders that paths are shown from.
    pub(super) fn new(bases: BTreeSet<PathBuf>) -> CodeFiles {
        CodeFiles { bases, texts: RefCell::default() }
    }

    /// Where a file lies.
    pub(super) fn place(&self, path: &str) -> Option<PathBuf> {
        self.bases.iter().map(|base| base.join(path)).find(|p| p.is_file())
    }

    /// The lines of a file.
    pub(super) fn lines(&self, path: &str) -> Option<Rc<Vec<String>>> {
        let mut texts = self.texts.borrow_mut();
        let lines = texts.entry(path.to_owned()).or_insert_with(|| {
            let place = self.place(path)?;
            let small = std::fs::metadata(&place).is_ok_and(|m| m.len() <= LARGEST);
            let text = crate::sources::decode(std::fs::read(place).ok().filter(|_| small)?)?;
            Some(Rc::new(text.lines().map(str::to_owned).collect()))
        });
        lines.clone()
    }

    /// One line, from 1.
    pub(super) fn line(&self, path: &str, line: u64) -> Option<String> {
        let at = usize::try_from(line).ok()?.checked_sub(1)?;
        self.lines(path)?.get(at).cloned()
    }
}
