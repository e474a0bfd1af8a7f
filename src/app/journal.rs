//! The checkpoint of a collection: every page that came, in one file beside the snapshot to be, so that a run that was
//! killed goes on where it was.
//!
//! A file of frames, each a line of JSON and the page behind it, compressed. The digest of a frame covers the one before
//! it too, so that a frame that is cut, changed or missing ends the file: what stood behind it is asked again. Holds what
//! Azure answered and no token; readable by its owner alone, and in use by one run at a time.

use super::parts::{DiskParts, RECORDS};
use crate::model::Instant;
use crate::sources::azure::{self, Journal, Parts};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions, TryLockError};
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
    /// Whether it is the first page of a list that was begun before, in place of what was kept of it.
    #[serde(default)]
    anew: bool,
    /// When it came, RFC 3339.
    came: std::borrow::Cow<'a, str>,
    bytes: u64,
    sha256: String,
}

/// A page: a large tenant has hundreds of thousands.
#[derive(Debug)]
struct Page {
    /// Where it begins.
    at: u64,
    /// In bytes.
    length: u64,
    came: Instant,
    /// The page of its list that came before it, by position.
    before: Option<u32>,
}

/// A checkpoint on disk.
#[derive(Debug)]
pub(super) struct DiskJournal {
    folder: PathBuf,
    /// What was found there, or was begun.
    file: Option<File>,
    /// Whether nothing of what is on disk belongs to this run.
    fresh: bool,
    end: u64,
    /// The digest of the last frame.
    last: String,
    /// The pages that were found, each list's last one by the digest of its key, and where those lists go on that are not whole.
    pages: Vec<Page>,
    last_pages: HashMap<[u8; 16], u32>,
    next: HashMap<u32, String>,
    /// Lists that are read anew: their next pages are the first ones.
    anew: HashSet<String>,
    /// What it is for.
    pub(super) purpose: Purpose,
    /// How many pages it held when it was opened.
    pub(super) found: usize,
    /// How many records are put aside at once.
    pub(super) part: usize,
}

const PAGES: &str = "pages";
const ABOUT: &str = "about.json";
/// Pages of a checkpoint are answers of Azure, none of which is larger unpacked.
const LONGEST_PAGE: u64 = 256 << 20;

/// The digest of a frame behind another.
fn digest(before: &str, frame: &Frame<'_>, page: &[u8]) -> String {
    let mut hasher = Sha256::new();
    let next = frame.next.as_deref();
    let anew = if frame.anew { "anew" } else { "" };
    for text in [before, &*frame.key, &*frame.came, anew, next.map_or("-", |_| "+"), next.unwrap_or("")] {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text);
    }
    hasher.update(page);
    crate::model::hex(hasher.finalize().get(..16).unwrap_or_default())
}

/// Opens a file of ours for its owner alone. What is there and no plain file is nobody's checkpoint.
pub(super) fn open_private(path: &Path, truncate: bool) -> io::Result<File> {
    if fs::symlink_metadata(path).is_ok_and(|m| !m.is_file()) {
        return Err(io::Error::other(format!("`{}` is no plain file", path.display())));
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(truncate);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

/// A file of ours that nobody else uses meanwhile.
fn locked(path: &Path) -> io::Result<File> {
    let file = open_private(path, false)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            Err(io::Error::new(io::ErrorKind::ResourceBusy, "another run is using it"))
        }
        Err(TryLockError::Error(error)) => Err(error),
        Ok(()) => Ok(file),
    }
}

pub(super) fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::symlink_metadata(folder)?.is_dir() {
                return Ok(());
            }
            Err(io::Error::other("it is there and no folder"))
        }
        other => other,
    }
}

impl DiskJournal {
    /// Opens the checkpoint of this purpose in a folder, or begins one. One for another purpose, or one that is `stale`,
    /// will be replaced: then the answer's second half is true. Nothing changes on disk before the first page comes: a run
    /// that is refused at once takes nothing from the one before it.
    pub(super) fn open(
        folder: &Path,
        purpose: Purpose,
        stale: impl Fn(&Purpose) -> bool,
    ) -> io::Result<(DiskJournal, bool)> {
        let mut journal = DiskJournal {
            folder: folder.to_owned(),
            file: None,
            fresh: true,
            end: 0,
            last: String::new(),
            pages: Vec::new(),
            last_pages: HashMap::new(),
            next: HashMap::new(),
            anew: HashSet::new(),
            purpose,
            found: 0,
            part: super::parts::PART,
        };
        if fs::symlink_metadata(folder).is_err() {
            return Ok((journal, false));
        }
        make_private_folder(folder)?;
        if fs::symlink_metadata(folder.join(PAGES)).is_err() {
            return Ok((journal, false));
        }
        let file = locked(&folder.join(PAGES))?;
        let about = open_private(&folder.join(ABOUT), false)?;
        let mut bytes = Vec::new();
        (&about).take(1 << 16).read_to_end(&mut bytes)?;
        let before = serde_json::from_slice::<Purpose>(&bytes).ok();
        let ours = &journal.purpose;
        let fits = |p: &Purpose| Purpose { began: ours.began.clone(), ..p.clone() } == *ours && !stale(p);
        match before {
            Some(before) if fits(&before) => {
                journal.purpose = before;
                journal.fresh = false;
                journal.index(file)?;
                Ok((journal, false))
            }
            other => {
                // Held meanwhile, so that nobody else goes on with it.
                journal.file = Some(file);
                Ok((journal, other.is_some()))
            }
        }
    }

    /// The file to write to. One for another purpose ends here.
    fn begin(&mut self) -> io::Result<&mut File> {
        if self.fresh {
            make_private_folder(&self.folder)?;
            let file = match self.file.take() {
                Some(file) => file,
                None => locked(&self.folder.join(PAGES))?,
            };
            file.set_len(0)?;
            let mut about = open_private(&self.folder.join(ABOUT), true)?;
            about.write_all(&serde_json::to_vec(&self.purpose)?)?;
            self.file = Some(file);
            self.fresh = false;
        }
        self.file.as_mut().ok_or_else(|| io::Error::other("it was never opened"))
    }

    /// Finds the whole frames; whatever stands behind the last of them is cut off.
    fn index(&mut self, mut file: File) -> io::Result<()> {
        let mut input = BufReader::with_capacity(1 << 18, file.try_clone()?);
        input.seek(SeekFrom::Start(0))?;
        let (mut line, mut page) = (Vec::new(), Vec::new());
        loop {
            line.clear();
            let head = input.by_ref().take(1 << 20).read_until(b'\n', &mut line)? as u64;
            let Ok(frame) = serde_json::from_slice::<Frame<'_>>(&line) else { break };
            page.clear();
            let got = input.by_ref().take(frame.bytes).read_to_end(&mut page)? as u64;
            let seen = digest(&self.last, &frame, &page);
            let Some(came) = Instant::parse(&frame.came) else { break };
            if got < frame.bytes || seen != frame.sha256 {
                break;
            }
            self.last = seen;
            let number = u32::try_from(self.pages.len()).map_err(io::Error::other)?;
            let before = self.last_pages.insert(azure::digest(frame.key.as_bytes()), number);
            if let Some(before) = before {
                self.next.remove(&before);
            }
            self.next.extend(frame.next.map(|next| (number, next.into_owned())));
            let before = before.filter(|_| !frame.anew);
            self.pages.push(Page { at: self.end + head, length: frame.bytes, came, before });
            self.end += head + frame.bytes;
            self.found += 1;
        }
        file.set_len(self.end)?;
        file.seek(SeekFrom::Start(self.end))?;
        self.file = Some(file);
        Ok(())
    }

    /// The run is over and its snapshot written: the checkpoint goes, and nothing else that lies there.
    pub(super) fn remove(self) -> io::Result<()> {
        if self.fresh && !self.folder.join(RECORDS).exists() {
            return Ok(());
        }
        for name in [PAGES, ABOUT, RECORDS] {
            match fs::remove_file(self.folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        match fs::remove_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

impl Journal for DiskJournal {
    fn parts(&mut self) -> Option<Box<dyn Parts>> {
        Some(Box::new(DiskParts::new(&self.folder, self.part)))
    }

    fn kept(
        &mut self,
        key: &str,
        page: &mut dyn FnMut(&[u8], Instant),
    ) -> io::Result<Option<Option<String>>> {
        let Some(last) = self.last_pages.get(&azure::digest(key.as_bytes())).copied() else {
            return Ok(None);
        };
        let Some(file) = self.file.as_mut().filter(|_| !self.fresh) else { return Ok(None) };
        let mut bytes = Vec::new();
        let mut pages: Vec<&Page> = Vec::new();
        let mut at = Some(last);
        while let Some(kept) = at.and_then(|at| self.pages.get(at as usize)) {
            pages.push(kept);
            at = kept.before;
        }
        for &Page { at, length, came, .. } in pages.into_iter().rev() {
            file.seek(SeekFrom::Start(at))?;
            bytes.clear();
            (&*file).take(length).read_to_end(&mut bytes)?;
            let mut unpacked = Vec::new();
            zstd::Decoder::new(bytes.as_slice())?.take(LONGEST_PAGE).read_to_end(&mut unpacked)?;
            page(&unpacked, came);
        }
        file.seek(SeekFrom::Start(self.end))?;
        Ok(Some(self.next.get(&last).cloned()))
    }

    fn anew(&mut self, key: &str) {
        self.anew.insert(key.to_owned());
    }

    fn keep(&mut self, key: &str, page: &[u8], next: Option<&str>, came: Instant) -> io::Result<()> {
        let packed = zstd::encode_all(page, 1)?;
        let came = came.to_string();
        let mut frame = Frame {
            key: key.into(),
            next: next.map(Into::into),
            anew: self.anew.remove(key),
            bytes: packed.len() as u64,
            sha256: String::new(),
            came: came.into(),
        };
        frame.sha256 = digest(&self.last, &frame, &packed);
        let mut bytes = serde_json::to_vec(&frame)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(&packed);
        self.begin()?.write_all(&bytes)?;
        self.end += bytes.len() as u64;
        self.last = frame.sha256;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Instant {
        Instant::from_seconds(1_800_000_000)
    }

    fn purpose(asked: &str) -> Purpose {
        let began = "2026-01-01T00:00:00Z".to_owned();
        Purpose { schema: "s".into(), version: "1".into(), asked: asked.into(), began }
    }

    fn all(journal: &mut DiskJournal, key: &str) -> (Vec<String>, Option<Option<String>>) {
        let mut pages = Vec::new();
        let next = journal
            .kept(key, &mut |p, came| {
                assert_eq!(came, now());
                pages.push(String::from_utf8_lossy(p).into_owned());
            })
            .unwrap();
        (pages, next)
    }

    #[test]
    fn a_cut_file_keeps_what_is_whole() {
        let folder = std::env::temp_dir().join(format!("leastwise-journal-{}", std::process::id()));
        let open = |asked: &str| DiskJournal::open(&folder, purpose(asked), |_| false).unwrap();
        let (mut journal, replaced) = open("a");
        assert!(!replaced);
        journal.keep("list", b"one", Some("link 2"), now()).unwrap();
        journal.keep("other", b"whole", None, now()).unwrap();
        let whole = journal.end;
        journal.keep("list", b"two", None, now()).unwrap();
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
        journal.keep("list", b"again", None, now()).unwrap();
        drop(journal);
        let (mut journal, _) = open("a");
        assert_eq!(all(&mut journal, "list"), (vec!["one".into(), "again".into()], Some(None)));
        // What is read anew stands in place of what was there.
        journal.anew("list");
        journal.keep("list", b"new one", Some("link 3"), now()).unwrap();
        drop(journal);
        let (mut journal, _) = open("a");
        assert_eq!(all(&mut journal, "list"), (vec!["new one".into()], Some(Some("link 3".into()))));
        // Nobody else may use it meanwhile.
        assert!(DiskJournal::open(&folder, purpose("a"), |_| false).is_err());
        drop(journal);
        // A frame that is missing in the middle, or whose name was changed, ends the file.
        let first = full.windows(6).position(|w| w == b"\"other").unwrap() - 7;
        let without = [&full[..0], &full[first..]].concat();
        fs::write(folder.join("pages"), without).unwrap();
        assert_eq!(open("a").0.found, 0);
        let mut renamed = full.clone();
        let at = renamed.windows(6).position(|w| w == b"\"list\"").unwrap();
        renamed[at + 1] = b'L';
        fs::write(folder.join("pages"), renamed).unwrap();
        assert_eq!(open("a").0.found, 0);
        fs::write(folder.join("mine.txt"), "kept").unwrap();
        // A run for something else that brings nothing leaves what is there alone.
        let before = fs::read(folder.join("pages")).unwrap();
        let (journal, replaced) = open("b");
        assert_eq!((replaced, journal.found), (true, 0));
        assert!(DiskJournal::open(&folder, purpose("a"), |_| false).is_err());
        drop(journal);
        assert_eq!(fs::read(folder.join("pages")).unwrap(), before);
        let (mut journal, _) = open("b");
        journal.keep("list", b"page", None, now()).unwrap();
        assert_eq!(all(&mut journal, "none").1, None);
        journal.remove().unwrap();
        assert!(folder.join("mine.txt").exists() && !folder.join("pages").exists());
        assert!(DiskJournal::open(&folder, purpose("b"), |_| true).is_ok());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_plain_file_is_left_alone() {
        let folder = std::env::temp_dir().join(format!("leastwise-journal-links-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let victim = folder.join("victim");
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, folder.join("pages")).unwrap();
        assert!(DiskJournal::open(&folder, purpose("a"), |_| false).is_err());
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        fs::remove_dir_all(&folder).unwrap();
    }
}
