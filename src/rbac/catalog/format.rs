//! The catalogue's text. Sorted, a fact a line, so that two catalogues compare with `diff`:
//!
//! ```text
//! leastwise-catalog 1
//! date 2026-08-22
//! digest <SHA-256 of everything below>
//! [operations]
//! Microsoft.Web/sites<TAB>delete read restart/action write<TAB>
//! [roles]
//! role <guid> <name>
//! was <old name>
//! at <assignable scope>          (absent: `/`)
//! block                          (one for each permission block)
//! + <action>     - <notAction>     d+ <dataAction>     d- <notDataAction>     if <condition>
//! ```

use super::CatalogRole;
use crate::model::sha256;
use crate::model::{ActionPattern, Permission};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::ops::Range;

const HEAD: &str = "leastwise-catalog 1";

/// Why a text is no catalogue.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CatalogError {
    /// Not our format.
    #[error("expected a catalogue that starts with `{HEAD}`: made with `leastwise catalog update`")]
    Format,
    /// Changed after it was made.
    #[error(
        "the catalogue's digest is `{found}`, but its text has `{real}`: it was changed by hand or cut short"
    )]
    Digest {
        /// What it says.
        found: String,
        /// What is.
        real: String,
    },
}

pub(super) struct Frame<'t> {
    pub(super) date: &'t str,
    pub(super) digest: &'t str,
    pub(super) operations: Range<usize>,
    pub(super) roles: Range<usize>,
}

pub(super) fn frame(text: &str) -> Result<Frame<'_>, CatalogError> {
    let bad = CatalogError::Format;
    let mut lines = text.splitn(4, '\n');
    let (head, date, digest, body) = (lines.next(), lines.next(), lines.next(), lines.next());
    if head != Some(HEAD) {
        return Err(bad);
    }
    let (Some(date), Some(digest), Some(body)) =
        (date.and_then(|d| d.strip_prefix("date ")), digest.and_then(|d| d.strip_prefix("digest ")), body)
    else {
        return Err(bad);
    };
    let start = text.len() - body.len();
    let find = |heading: &str| memchr::memmem::find(body.as_bytes(), heading.as_bytes());
    let (Some(operations), Some(roles)) = (find("[operations]\n"), find("[roles]\n")) else {
        return Err(bad);
    };
    let operations = start + operations + "[operations]\n".len()..start + roles;
    Ok(Frame { date, digest, operations, roles: start + roles + "[roles]\n".len()..text.len() })
}

/// Checks the digest, which reading alone does not: it costs more than a small audit.
pub fn verify(text: &str) -> Result<(), CatalogError> {
    let frame = frame(text)?;
    let start = frame.operations.start - "[operations]\n".len();
    let real = sha256(text.get(start..).unwrap_or_default().as_bytes());
    if real == frame.digest {
        Ok(())
    } else {
        Err(CatalogError::Digest { found: frame.digest.to_owned(), real })
    }
}

pub(super) fn role_index(text: &str, roles: Range<usize>) -> HashMap<String, Range<usize>> {
    let body = text.get(roles.clone()).unwrap_or_default();
    let starts: Vec<usize> = memchr::memmem::find_iter(body.as_bytes(), b"role ")
        .filter(|at| *at == 0 || body.as_bytes().get(at - 1) == Some(&b'\n'))
        .collect();
    let ends = starts.iter().skip(1).copied().chain(std::iter::once(body.len()));
    let entry = |(start, end): (&usize, usize)| {
        let guid = body.get(start + 5..start + 41)?.to_ascii_lowercase();
        Some((guid, roles.start + start..roles.start + end))
    };
    starts.iter().zip(ends).filter_map(entry).collect()
}

pub(super) fn parse_role(text: &str) -> Option<CatalogRole> {
    let mut lines = text.lines();
    let (guid, name) = lines.next()?.strip_prefix("role ")?.split_once(' ')?;
    let mut role = CatalogRole {
        guid: guid.to_owned(),
        name: name.to_owned(),
        aliases: Vec::new(),
        assignable_scopes: Vec::new(),
        permissions: Vec::new(),
    };
    for line in lines {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        match key {
            "was" => role.aliases.push(value.to_owned()),
            "at" => role.assignable_scopes.push(value.to_owned()),
            "block" => role.permissions.push(Permission::default()),
            _ => {
                let block = role.permissions.last_mut()?;
                match key {
                    "+" => block.actions.push(ActionPattern::new(value)),
                    "-" => block.not_actions.push(ActionPattern::new(value)),
                    "d+" => block.data_actions.push(ActionPattern::new(value)),
                    "d-" => block.not_data_actions.push(ActionPattern::new(value)),
                    "if" => block.condition = Some(value.to_owned()),
                    _ => return None,
                }
            }
        }
    }
    if role.assignable_scopes.is_empty() {
        role.assignable_scopes.push("/".to_owned());
    }
    Some(role)
}

/// What a catalogue is made from.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// The day of the newest fact.
    pub date: String,
    /// Folded name and plane → name as it came. The first spelling stays.
    pub operations: BTreeMap<(String, crate::model::Plane), String>,
    /// GUID → role. The first one stays; later names become aliases.
    pub roles: BTreeMap<String, DraftRole>,
}

/// A role of a draft, its lists as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DraftRole {
    /// Its name.
    pub name: String,
    /// Names it had.
    pub aliases: BTreeSet<String>,
    /// Where it may be assigned.
    pub assignable_scopes: Vec<String>,
    /// actions, notActions, dataActions, notDataActions, condition, for each block.
    pub blocks: Vec<([Vec<String>; 4], Option<String>)>,
}

/// Writes a catalogue: the same draft gives the same bytes.
pub fn write(draft: &Draft) -> String {
    let mut body = String::from("[operations]\n");
    let mut types: BTreeMap<String, (String, [BTreeSet<String>; 2])> = BTreeMap::new();
    for ((folded, plane), name) in &draft.operations {
        let (Some((kind, verb)), Some((folded, _))) = (split(name), split(folded)) else { continue };
        let entry = types.entry(folded.to_owned()).or_insert_with(|| (kind.to_owned(), Default::default()));
        if let Some(verbs) = entry.1.get_mut(usize::from(*plane == crate::model::Plane::Data)) {
            verbs.insert(verb.to_owned());
        }
    }
    let join = |set: &BTreeSet<String>| set.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    for (kind, [control, data]) in types.values() {
        let _ = writeln!(body, "{kind}\t{}\t{}", join(control), join(data));
    }
    body.push_str("[roles]\n");
    for (guid, role) in &draft.roles {
        let _ = writeln!(body, "role {guid} {}", line(&role.name));
        for alias in role.aliases.iter().filter(|a| **a != role.name) {
            let _ = writeln!(body, "was {}", line(alias));
        }
        for scope in role.assignable_scopes.iter().filter(|_| role.assignable_scopes != ["/"]) {
            let _ = writeln!(body, "at {}", line(scope));
        }
        for (lists, condition) in &role.blocks {
            body.push_str("block\n");
            for (sign, list) in ["+", "-", "d+", "d-"].iter().zip(lists) {
                for pattern in list {
                    let _ = writeln!(body, "{sign} {}", line(pattern));
                }
            }
            if let Some(condition) = condition {
                let _ = writeln!(body, "if {}", line(condition));
            }
        }
    }
    format!("{HEAD}\ndate {}\ndigest {}\n{body}", draft.date, sha256(body.as_bytes()))
}

/// One line, whatever the text.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `Microsoft.Web/sites/restart/action` is the verb `restart/action` of `Microsoft.Web/sites`.
fn split(operation: &str) -> Option<(&str, &str)> {
    let (head, verb) = operation.rsplit_once('/')?;
    if verb.eq_ignore_ascii_case("action")
        && let Some((kind, word)) = head.rsplit_once('/')
    {
        return Some((kind, operation.get(operation.len() - verb.len() - word.len() - 1..)?));
    }
    Some((head, verb))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Plane;

    #[test]
    fn what_is_written_is_read() {
        let mut draft = Draft { date: "2026-01-01".into(), ..Draft::default() };
        for (name, plane) in
            [("A.B/c/read", Plane::Control), ("A.B/c/go/action", Plane::Data), ("A.B/action", Plane::Control)]
        {
            draft.operations.insert((name.to_ascii_lowercase(), plane), name.into());
        }
        let role = DraftRole {
            name: "New".into(),
            aliases: ["Old".to_owned()].into(),
            assignable_scopes: vec!["/".into()],
            blocks: vec![(
                [vec!["*".into()], vec!["A.B/c/read ".into()], vec![], vec![]],
                Some("a\n b".into()),
            )],
        };
        draft.roles.insert("00000000-0000-0000-0000-000000000001".into(), role);
        let text = write(&draft);
        assert_eq!(verify(&text), Ok(()));
        let catalog = super::super::Catalog::parse(text.clone().into()).unwrap();
        assert_eq!(
            catalog.operations().iter(Plane::Control).collect::<Vec<_>>(),
            ["a.b/action", "a.b/c/read"]
        );
        assert_eq!(catalog.operations().iter(Plane::Data).collect::<Vec<_>>(), ["a.b/c/go/action"]);
        let role = catalog.role_by_name("old").unwrap();
        assert_eq!((role.name.as_str(), role.permissions.len()), ("New", 1));
        assert_eq!(role.permissions[0].condition.as_deref(), Some("a b"));
        let changed = text.replace("New", "Now");
        assert!(matches!(verify(&changed), Err(CatalogError::Digest { .. })));
        assert_eq!(verify("x"), Err(CatalogError::Format));
    }
}
