//! The checkpoint of a collection: every page that came, in one file beside the snapshot to be, so that a run that was
//! killed goes on where it was.
//!
//! A file of frames, each a line of JSON and the page behind it, compressed. A frame that is cut or changed ends the
//! file: what stood behind it is asked again. Holds what Azure answered and no token; readable by its owner alone.

use crate::sources::azure::Journal;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// What a checkpoint is for: it is of no use to another run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Purpose {
    pub(super) schema: String,
    pub(super) version: String,
    pub(super) asked: String,
    /// When the run that began it began: the time of the snapshot.
    pub(super) began: String,
}

#[derive(Serialize, Deserialize)]
struct Frame<'a> {
    key: std::borrow::Cow<'a, str>,
    next: Option<std::borrow::Cow<'a, str>>,
    bytes: u64,
    sha256: String,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    pages: Vec<(u64, u64)>,
    next: Option<String>,
}

/// A checkpoint on disk.
#[derive(Debug)]
pub(super) struct DiskJournal {
    folder: PathBuf,
    file: File,
    end: u64,
    kept: HashMap<String, Kept>,
    /// What it is for.
    pub(super) purpose: Purpose,
    /// How many pages it held when it was opened.
    pub(super) found: usize,
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).map(|b| format!("{b:02x}")).collect()
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

impl DiskJournal {
    /// Opens the checkpoint of this purpose in a folder, or begins one. One for another purpose is replaced: then the
    /// answer's second half is true.
    pub(super) fn open(folder: &Path, purpose: Purpose) -> io::Result<(DiskJournal, bool)> {
        fs::create_dir_all(folder)?;
        let about = folder.join("about.json");
        let before = fs::read(&about).ok().and_then(|b| serde_json::from_slice::<Purpose>(&b).ok());
        let fits = |p: &Purpose| Purpose { began: purpose.began.clone(), ..p.clone() } == purpose;
        let (purpose, fresh, replaced) = match before {
            Some(before) if fits(&before) => (before, false, false),
            other => (purpose, true, other.is_some()),
        };
        let path = folder.join("pages");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(fresh);
        let file = private(&mut options).open(path)?;
        if fresh {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            let mut about = private(&mut options).open(about)?;
            about.write_all(&serde_json::to_vec(&purpose)?)?;
        }
        let folder = folder.to_owned();
        let mut journal = DiskJournal { folder, file, end: 0, kept: HashMap::new(), purpose, found: 0 };
        journal.index()?;
        Ok((journal, replaced))
    }

    /// Finds the whole frames; whatever stands behind the last of them is cut off.
    fn index(&mut self) -> io::Result<()> {
        let mut input = BufReader::with_capacity(1 << 18, self.file.try_clone()?);
        input.seek(SeekFrom::Start(0))?;
        let (mut line, mut page) = (Vec::new(), Vec::new());
        loop {
            line.clear();
            let head = input.by_ref().take(1 << 20).read_until(b'\n', &mut line)? as u64;
            let Ok(frame) = serde_json::from_slice::<Frame<'_>>(&line) else { break };
            page.clear();
            let got = input.by_ref().take(frame.bytes).read_to_end(&mut page)? as u64;
            if got < frame.bytes || digest(&page) != frame.sha256 {
                break;
            }
            let kept = self.kept.entry(frame.key.into_owned()).or_default();
            kept.pages.push((self.end + head, frame.bytes));
            kept.next = frame.next.map(std::borrow::Cow::into_owned);
            self.end += head + frame.bytes;
            self.found += 1;
        }
        self.file.set_len(self.end)?;
        self.file.seek(SeekFrom::Start(self.end))?;
        Ok(())
    }

    /// The run is over and its snapshot written: the checkpoint goes.
    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_dir_all(&self.folder)
    }
}

impl Journal for DiskJournal {
    fn kept(&mut self, key: &str, page: &mut dyn FnMut(&[u8])) -> io::Result<Option<Option<String>>> {
        let Some(kept) = self.kept.get(key).cloned() else { return Ok(None) };
        let mut bytes = Vec::new();
        for (at, length) in kept.pages {
            self.file.seek(SeekFrom::Start(at))?;
            bytes.clear();
            (&self.file).take(length).read_to_end(&mut bytes)?;
            page(&zstd::decode_all(bytes.as_slice())?);
        }
        self.file.seek(SeekFrom::Start(self.end))?;
        Ok(Some(kept.next))
    }

    fn keep(&mut self, key: &str, page: &[u8], next: Option<&str>) -> io::Result<()> {
        let packed = zstd::encode_all(page, 1)?;
        let frame = Frame {
            key: key.into(),
            next: next.map(Into::into),
            bytes: packed.len() as u64,
            sha256: digest(&packed),
        };
        let mut bytes = serde_json::to_vec(&frame)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(&packed);
        self.file.write_all(&bytes)?;
        self.end += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purpose(asked: &str) -> Purpose {
        let began = "2026-01-01T00:00:00Z".to_owned();
        Purpose { schema: "s".into(), version: "1".into(), asked: asked.into(), began }
    }

    fn all(journal: &mut DiskJournal, key: &str) -> (Vec<String>, Option<Option<String>>) {
        let mut pages = Vec::new();
        let next = journal.kept(key, &mut |p| pages.push(String::from_utf8_lossy(p).into_owned())).unwrap();
        (pages, next)
    }

    #[test]
    fn a_cut_file_keeps_what_is_whole() {
        let folder = std::env::temp_dir().join(format!("leastwise-journal-{}", std::process::id()));
        let open = |asked: &str| DiskJournal::open(&folder, purpose(asked)).unwrap();
        let (mut journal, replaced) = open("a");
        assert!(!replaced);
        journal.keep("list", b"one", Some("link 2")).unwrap();
        journal.keep("other", b"whole", None).unwrap();
        let whole = journal.end;
        journal.keep("list", b"two", None).unwrap();
        let full = fs::read(folder.join("pages")).unwrap();
        drop(journal);
        // Cut at every byte of the last frame, and with one byte of it changed.
        for length in whole..full.len() as u64 {
            fs::write(folder.join("pages"), &full[..usize::try_from(length).unwrap()]).unwrap();
            let (mut journal, _) = open("a");
            assert_eq!((journal.found, journal.end), (2, whole), "{length}");
            assert_eq!(all(&mut journal, "list"), (vec!["one".into()], Some(Some("link 2".into()))));
            assert_eq!(all(&mut journal, "other"), (vec!["whole".into()], Some(None)));
            assert_eq!(all(&mut journal, "none").1, None);
        }
        let mut changed = full.clone();
        *changed.last_mut().unwrap() ^= 1;
        fs::write(folder.join("pages"), &changed).unwrap();
        let (mut journal, _) = open("a");
        journal.keep("list", b"again", None).unwrap();
        assert_eq!(all(&mut journal, "list"), (vec!["one".into(), "again".into()], Some(None)));
        drop(journal);
        let (journal, replaced) = open("b");
        assert_eq!((replaced, journal.found), (true, 0));
        journal.remove().unwrap();
    }
}
