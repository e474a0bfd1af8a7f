//! Records of a collection outside memory: sorted parts in one file beside the checkpoint, each compressed by itself. They
//! are made anew by every run, from the pages of the checkpoint.

use super::journal::{make_private_folder, open_private};
use crate::sources::azure::Parts;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The file's name.
pub(super) const RECORDS: &str = "records";
/// Records that are put aside at once: some 10 MiB in memory.
pub(super) const PART: usize = 1 << 15;
/// How far back a part's compression looks, as a power of two: what each part that is read holds in memory.
const WINDOW: u32 = 16;

/// The parts of one run.
#[derive(Debug)]
pub(super) struct DiskParts {
    folder: PathBuf,
    file: Option<File>,
    /// Where each ends.
    ends: Vec<u64>,
    rows: usize,
}

impl DiskParts {
    /// None yet. Nothing changes on disk before the first one comes.
    pub(super) fn new(folder: &Path, rows: usize) -> DiskParts {
        DiskParts { folder: folder.to_owned(), file: None, ends: Vec::new(), rows }
    }
}

impl Parts for DiskParts {
    fn rows(&self) -> usize {
        self.rows
    }

    fn add(&mut self, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        if self.file.is_none() {
            make_private_folder(&self.folder)?;
            self.file = Some(open_private(&self.folder.join(RECORDS), true)?);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut packed = zstd::Encoder::new(io::BufWriter::new(&mut *file), 1)?;
        packed.window_log(WINDOW)?;
        write(&mut packed)?;
        packed.finish()?.flush()?;
        self.ends.push(file.stream_position()?);
        Ok(())
    }

    fn read(&self, part: usize) -> io::Result<Box<dyn Read>> {
        let end = |n: usize| self.ends.get(n).copied();
        let Some(until) = end(part) else { return Err(io::ErrorKind::NotFound.into()) };
        let from = part.checked_sub(1).and_then(end).unwrap_or(0);
        // Each has a place of its own in the file.
        let mut file = File::open(self.folder.join(RECORDS))?;
        file.seek(SeekFrom::Start(from))?;
        Ok(Box::new(zstd::Decoder::new(file.take(until - from))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_side_by_side() {
        let folder = std::env::temp_dir().join(format!("leastwise-parts-{}", std::process::id()));
        let mut parts = DiskParts::new(&folder, 3);
        let texts = ["one".repeat(100_000), String::new(), "two".to_owned()];
        for text in &texts {
            parts.add(&mut |out| out.write_all(text.as_bytes())).unwrap();
        }
        let mut open: Vec<_> = (0..3).map(|n| parts.read(n).unwrap()).collect();
        for (input, text) in open.iter_mut().zip(&texts).rev() {
            assert_eq!(io::read_to_string(input).unwrap(), *text);
        }
        assert!(parts.read(3).is_err());
        // Another run begins anew.
        let mut again = DiskParts::new(&folder, 3);
        again.add(&mut |out| out.write_all(b"three")).unwrap();
        assert_eq!(io::read_to_string(again.read(0).unwrap()).unwrap(), "three");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
