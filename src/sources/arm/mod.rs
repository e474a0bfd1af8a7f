//! Azure Resource Manager's JSON, from wherever it was saved: a folder of answers, examples or command output.
//!
//! `scan` cuts a file into elements, `kind` says what each is, `lower` makes it a record or a gap. The same records
//! come from a snapshot and from the live tenant. Not here: opening folders (`app`).

mod directory;
mod doors;
mod grants;
mod inventory;
mod kind;
mod local;
mod lower;
mod settings;
mod supply;
mod wire;

pub(super) use inventory::most_named;
pub use lower::{Became, Lowering};
pub(super) use lower::{kind_of_record, table_rows};
pub(super) use wire::Text;

use super::files::Files;
use super::scan::scan;
use crate::model::{Estate, Extent, Gap, Reason, Source};

/// In bytes: room is made for so much of a tree at most.
const LARGEST: u64 = 2 << 30;

/// Reads every `*.json` of a tree into an estate.
///
/// # Errors
/// Only if the tree itself cannot be listed; files that cannot be read are gaps.
pub fn read(files: &dyn Files, mut progress: impl FnMut(&str)) -> std::io::Result<Estate> {
    let mut lowering = Lowering::default();
    let all = files.list()?;
    let bytes: u64 = all.iter().filter_map(|path| files.size(path)).sum();
    // Records of Azure are some thousand bytes each, of which an eighth or so is new.
    let bytes = usize::try_from(bytes.min(LARGEST)).unwrap_or_default();
    lowering.reserve(bytes / 1000, bytes / 8);
    for path in all {
        if !path.to_ascii_lowercase().ends_with(".json") {
            lowering.estate.gaps.push(not_read(&path));
            continue;
        }
        progress(&path);
        match files.open(&path) {
            Ok(file) => {
                lowering.file(&path);
                scan(file, &mut lowering);
            }
            Err(error) => {
                let detail = format!("`{path}` could not be opened: {error}");
                lowering.estate.gaps.push(Gap::new(Source::Files, "", Reason::Failed, detail));
            }
        }
    }
    if files.links() > 0 {
        let detail = "links in the folder are not followed: copy what they point to";
        let gap = Gap::new(Source::Files, "", Reason::Unsupported, detail);
        lowering.estate.gaps.push(Gap { count: files.links(), ..gap });
    }
    let mut estate = lowering.finish();
    // What an export does not hold was not collected, and saying so is the difference to a clean answer.
    let absent: Vec<Source> = estate
        .coverage
        .iter()
        .filter(|(_, extent)| *extent == Extent::Absent)
        .map(|(source, _)| source)
        .collect();
    for source in absent {
        let detail = format!("the export holds no {}", source.name());
        estate.gaps.push(Gap::new(source, "", Reason::NotCollected, detail));
    }
    estate.settle();
    Ok(estate)
}

/// A file that is not `*.json`: what may hold answers in another form is missing, anything else is only counted.
fn not_read(path: &str) -> Gap {
    const PACKED: [&str; 8] = ["jsonl", "ndjson", "gz", "zip", "zst", "bz2", "xz", "tar"];
    let name = path.rsplit('/').next().unwrap_or(path);
    let ending = name.rsplit_once('.').map_or("", |(_, e)| e).to_ascii_lowercase();
    if PACKED.contains(&ending.as_str()) {
        let detail = format!("files that end in `.{ending}` are not read: give their answers as *.json");
        return Gap::new(Source::Files, "", Reason::Unsupported, detail);
    }
    Gap::new(Source::Other, "", Reason::Unrecognised, "files that do not end in `.json` are not read")
}
