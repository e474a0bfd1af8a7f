//! The files that a reader may see, as a capability: `app` gives a folder that links cannot leave, tests give memory.

use std::collections::BTreeMap;
use std::io::Read;

/// A tree of files.
pub trait Files {
    /// Every file, by path relative to the root with `/` between folders, sorted.
    fn list(&self) -> std::io::Result<Vec<String>>;
    /// Files of one folder, not of those below it, by path like [`Files::list`].
    fn list_in(&self, folder: &str) -> std::io::Result<Vec<String>> {
        let inside = |path: &String| match path.rsplit_once('/') {
            Some((dir, _)) => dir == folder,
            None => folder.is_empty(),
        };
        Ok(self.list()?.into_iter().filter(inside).collect())
    }
    /// How many links there are, which are not followed.
    fn links(&self) -> u64 {
        0
    }
    /// Opens one of them.
    fn open(&self, path: &str) -> std::io::Result<Box<dyn Read + Send + '_>>;
}

/// Files in memory, for tests and embedded data.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles(pub BTreeMap<String, Vec<u8>>);

impl Files for MemoryFiles {
    fn list(&self) -> std::io::Result<Vec<String>> {
        Ok(self.0.keys().cloned().collect())
    }

    fn open(&self, path: &str) -> std::io::Result<Box<dyn Read + Send + '_>> {
        match self.0.get(path) {
            Some(bytes) => Ok(Box::new(bytes.as_slice())),
            None => Err(std::io::ErrorKind::NotFound.into()),
        }
    }
}
