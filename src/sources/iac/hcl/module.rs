//! The files of a folder of Terraform source: its blocks, with overrides over them, and values for its variables in the
//! order in which Terraform takes them.
//!
//! Source: "Files and Directories", "Override Files" and "Input Variables" of the Terraform language. Not here: what
//! blocks make (`source`).

use super::tree::{Block, Broken, Expr, parse, values};
use crate::model::{Gap, Location, Reason, Source};
use crate::sources::Files;
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::rc::Rc;

/// In bytes: nobody writes larger files by hand.
const LARGEST: u64 = 8 << 20;

/// The blocks of a folder.
#[derive(Default)]
pub(super) struct Module {
    /// By kind.
    pub(super) blocks: HashMap<String, Vec<Rc<Block>>>,
    /// By kind and labels, those that occur once.
    pub(super) named: HashMap<(String, Vec<String>), Rc<Block>>,
    pub(super) locals: HashMap<String, Rc<Expr>>,
}

/// Whether a file is source, by its name.
pub fn is_source(path: &str) -> bool {
    [".tf", ".tofu", ".tf.json", ".tofu.json"].iter().any(|end| path.ends_with(end))
}

fn is_override(path: &str) -> bool {
    let stem = path.rsplit('/').next().unwrap_or_default().split('.').next().unwrap_or_default();
    stem == "override" || stem.ends_with("_override")
}

impl Module {
    /// Reads a folder.
    pub(super) fn read(files: &dyn Files, folder: &str, gaps: &mut Vec<Gap>) -> Module {
        let mut module = Module::default();
        let mut paths = files.list_in(folder).unwrap_or_default();
        paths.retain(|p| is_source(p));
        // Stable: by name, with overrides after all others.
        paths.sort_by_key(|p| is_override(p));
        for path in &paths {
            let (stem, end) = path.strip_suffix(".json").map_or((path.as_str(), ""), |stem| (stem, ".json"));
            if stem.strip_suffix(".tofu").is_some_and(|stem| paths.contains(&format!("{stem}.tf{end}"))) {
                let detail = format!(
                    "`{path}` is not read: OpenTofu takes it in place of the .tf of that name, Terraform does not"
                );
                gaps.push(Gap::new(Source::Files, "", Reason::Unsupported, detail));
                continue;
            }
            let Some(text) = text(files, path, gaps) else { continue };
            let read = if path.ends_with(".json") { super::json::parse } else { parse };
            match read(&text, path) {
                Ok(blocks) if is_override(path) => blocks.into_iter().for_each(|b| module.replace(b)),
                Ok(blocks) => blocks.into_iter().for_each(|b| module.take(b)),
                Err(broken) => gaps.push(unparsed(path, broken)),
            }
        }
        module
    }

    /// Whether somebody applies the folder by itself: modules for others configure no provider and keep no state.
    pub(super) fn is_applied(&self) -> bool {
        let keeps = |b: &Rc<Block>| b.blocks.iter().any(|b| b.kind == "backend" || b.kind == "cloud");
        self.blocks.contains_key("provider") || self.blocks.get("terraform").into_iter().flatten().any(keeps)
    }

    fn take(&mut self, block: Rc<Block>) {
        if block.kind == "locals" {
            self.locals.extend(block.attributes.clone());
        }
        let key = (block.kind.clone(), block.labels.clone());
        self.named.entry(key).or_insert_with(|| Rc::clone(&block));
        self.blocks.entry(block.kind.clone()).or_default().push(block);
    }

    /// An override: its attributes take the place of those of the block that it is named like, and so do its blocks.
    fn replace(&mut self, over: Rc<Block>) {
        let all = self.blocks.entry(over.kind.clone()).or_default();
        let same = |b: &&mut Rc<Block>| b.labels == over.labels;
        let Some(found) = all.iter_mut().find(same).filter(|_| over.kind != "locals") else {
            return self.take(over);
        };
        let mut made = (**found).clone();
        made.attributes.extend(over.attributes.clone());
        made.blocks.retain(|b| !over.blocks.iter().any(|o| o.kind == b.kind && o.labels == b.labels));
        made.blocks.extend(over.blocks.iter().cloned());
        let made = Rc::new(made);
        *found = Rc::clone(&made);
        self.named.insert((made.kind.clone(), made.labels.clone()), made);
    }
}

/// Values of variables: `terraform.tfvars`, then `*.auto.tfvars` by name, then those that were named (`more`).
pub(super) fn given(
    files: &dyn Files,
    folder: &str,
    more: &[String],
    gaps: &mut Vec<Gap>,
) -> BTreeMap<String, Rc<Expr>> {
    let mut given = BTreeMap::new();
    let mut paths = files.list_in(folder).unwrap_or_default();
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let own = |path: &str| path.trim_end_matches(".json").ends_with(".tfvars");
    paths.retain(|p| own(p));
    paths.sort_by_key(|p| !name(p).starts_with("terraform.tfvars"));
    for path in paths {
        let file = name(&path);
        let plain = file.trim_end_matches(".json");
        if plain != "terraform.tfvars" && !plain.ends_with(".auto.tfvars") {
            if more.is_empty() {
                let detail = format!("the values in `{path}` are not used: name the file with --var-file");
                gaps.push(Gap::new(Source::Files, "", Reason::Unresolved, detail));
            }
            continue;
        }
        let Some(text) = text(files, &path, gaps) else { continue };
        match file_of_values(&text) {
            Ok(found) => given.extend(found),
            Err(broken) => gaps.push(unparsed(&path, broken)),
        }
    }
    for text in more {
        match file_of_values(text) {
            Ok(found) => given.extend(found),
            Err(broken) => {
                let detail = format!(
                    "a file given with --var-file is broken at {}:{}: {}",
                    broken.line, broken.column, broken.why
                );
                gaps.push(Gap::new(Source::Files, "", Reason::Unparsed, detail));
            }
        }
    }
    given
}

/// In either syntax.
fn file_of_values(text: &str) -> Result<BTreeMap<String, Rc<Expr>>, Broken> {
    if !text.trim_start().starts_with('{') {
        return values(text);
    }
    let members: BTreeMap<String, Json> = serde_json::from_str(text).map_err(|e| Broken {
        line: e.line() as u64,
        column: e.column() as u64,
        why: "expected a JSON object of values".to_owned(),
    })?;
    Ok(members.into_iter().map(|(name, value)| (name, Rc::new(Expr::Literal(value)))).collect())
}

fn unparsed(path: &str, broken: Broken) -> Gap {
    let location = Location { path: path.to_owned(), line: broken.line, column: broken.column };
    Gap::new(Source::Files, "", Reason::Unparsed, broken.why).at(location)
}

/// A file, whole or not at all.
pub(super) fn text(files: &dyn Files, path: &str, gaps: &mut Vec<Gap>) -> Option<String> {
    let mut bytes = Vec::new();
    let read = files.open(path).and_then(|f| f.take(LARGEST + 1).read_to_end(&mut bytes));
    let why = match read {
        Err(error) => format!("`{path}` cannot be read: {error}"),
        Ok(_) if bytes.len() as u64 > LARGEST => format!("`{path}` is larger than 8 MiB, and not read"),
        Ok(_) => match String::from_utf8(bytes) {
            Ok(text) => return Some(text.trim_start_matches('\u{feff}').to_owned()),
            Err(_) => format!("`{path}` is no text in UTF-8"),
        },
    };
    let location = Location { path: path.to_owned(), line: 1, column: 1 };
    gaps.push(Gap::new(Source::Files, "", Reason::Unparsed, why).at(location));
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::MemoryFiles;

    #[test]
    fn later_files_of_values_win_and_overrides_replace() {
        let files = MemoryFiles(BTreeMap::from(
            [
                ("terraform.tfvars", "a = 1\nb = 1\n"),
                ("a.auto.tfvars.json", "{\"a\": 2}"),
                ("main.tf", "resource \"x\" \"y\" {\n  role = \"Owner\"\n  scope = 1\n}\n"),
                ("a_override.tf", "resource \"x\" \"y\" {\n  role = \"Reader\"\n}\n"),
            ]
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec())),
        ));
        let mut gaps = Vec::new();
        let values = given(&files, "", &[], &mut gaps);
        assert_eq!(*values["a"], Expr::Literal(Json::from(2)));
        assert_eq!(*values["b"], Expr::Literal(Json::from(1)));
        let module = Module::read(&files, "", &mut gaps);
        let block = &module.named[&("resource".to_owned(), vec!["x".to_owned(), "y".to_owned()])];
        assert_eq!(*block.attributes["role"], Expr::Literal(Json::from("Reader")));
        assert!(block.attributes.contains_key("scope"));
        assert!(gaps.is_empty(), "{gaps:?}");
    }
}
