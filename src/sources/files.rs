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
    /// How large one is, in bytes, if that is known without reading it.
    fn size(&self, _path: &str) -> Option<u64> {
        None
    }
    /// Opens one of them.
    fn open(&self, path: &str) -> std::io::Result<Box<dyn Read + Send + '_>>;
}

/// The text of a file: UTF-8, or UTF-16 with a mark, as shells of Windows write it.
pub fn decode(mut bytes: Vec<u8>) -> Option<String> {
    let wide = |read: fn([u8; 2]) -> u16| {
        let units = bytes
            .get(2..)?
            .chunks_exact(2)
            .map(|c| read([c.first().copied().unwrap_or(0), c.get(1).copied().unwrap_or(0)]));
        String::from_utf16(&units.collect::<Vec<u16>>()).ok()
    };
    match bytes.as_slice() {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, ..] => String::from_utf8(bytes.split_off(3)).ok(),
        _ => String::from_utf8(bytes).ok(),
    }
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
