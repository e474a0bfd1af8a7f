//! From one element's bytes to a record of the estate, or a gap that names it.

use super::kind::{self, Kind};
use super::wire::{DataTable, Head, Text};
use crate::model::{Estate, Extent, Gap, Instant, LocalSystem, Location, PrincipalType, Reason, Source, Sym};
use crate::sources::scan::{Position, Problem, Visit, scan};
use serde::Deserialize;
use std::collections::{BTreeSet, HashSet};

/// Fills an estate, file by file.
#[derive(Debug, Default)]
pub struct Lowering {
    /// What was read so far.
    pub estate: Estate,
    pub(super) path: String,
    /// The last time that was read, with its text: listings repeat them.
    last_time: Option<(String, Instant)>,
    pub(super) parents: Vec<(Sym, Sym)>,
    pub(super) delegations: super::local::Delegations,
    depth: usize,
    /// Whether the current record is one of a list.
    listed: bool,
    /// Kinds of which only single records came so far, and kinds of which a list came.
    singles: BTreeSet<Source>,
    lists: BTreeSet<Source>,
    /// Elements of the current file so far.
    elements: usize,
    /// Whether the last record was a role assignment: then the next one most likely is, too.
    in_assignments: bool,
}

/// What became of an element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Became {
    /// A record of this kind.
    Record(Source),
    /// It is of a resource type that nobody reads, which was counted.
    Unread,
    /// No record of its own: several, or a gap.
    Nothing,
}

/// Why a record could not be made: what is missing or wrong, in words.
pub(super) type Lowered<T> = Result<T, String>;

impl Lowering {
    /// Makes room for so many more records with so many bytes of texts.
    pub(crate) fn reserve(&mut self, records: usize, bytes: usize) {
        self.estate.assignments.reserve(records);
        self.estate.strings.reserve(records * 2, bytes);
    }

    /// Names the file that the next elements come from.
    pub fn file(&mut self, path: &str) {
        path.clone_into(&mut self.path);
        self.elements = 0;
    }

    /// Lowers one element, and says what it became.
    pub fn record(&mut self, bytes: &[u8], at: Position) -> Became {
        if self.in_assignments && self.assignment_as_expected(bytes) {
            let seen = if self.listed { &mut self.lists } else { &mut self.singles };
            seen.insert(Source::RoleAssignments);
            return Became::Record(Source::RoleAssignments);
        }
        self.in_assignments = false;
        let head: Head<'_> = match serde_json::from_slice(bytes) {
            Ok(head) => head,
            Err(error) => {
                self.broken(bytes, at, &error);
                return Became::Nothing;
            }
        };
        if let (None, Some(error)) = (&head.id, &head.error) {
            let code = error.code.as_ref().map_or("an error", |c| &c.0);
            let detail = format!("Azure answered with `{code}` instead of data");
            self.gap(Gap::new(Source::Files, "", Reason::Failed, detail), at);
            return Became::Nothing;
        }
        if let Some(body) = head.responses.as_ref().and_then(|r| r.ok.as_ref()).and_then(|a| a.body) {
            self.nested(body.get().as_bytes(), at);
            return Became::Nothing;
        }
        if let (None, Some(data)) = (&head.id, head.data)
            && let Ok(table) = serde_json::from_str::<DataTable<'_>>(data.get())
        {
            self.elements = table.rows.len();
            for (key, value) in head.ends() {
                self.beside(key, value.as_bytes(), at);
            }
            self.table(&table, at);
            return Became::Nothing;
        }
        match kind::of(&head) {
            Ok(kind) => {
                let source = source_of(kind);
                match self.lower(kind, bytes) {
                    Ok(()) => {
                        self.in_assignments = kind == Kind::RoleAssignment;
                        let seen = if self.listed { &mut self.lists } else { &mut self.singles };
                        seen.insert(source);
                        Became::Record(source)
                    }
                    Err(why) => {
                        let id = head.id.map(|t| t.0.into_owned()).unwrap_or_default();
                        self.gap(Gap::new(source, id, Reason::Unparsed, why), at);
                        Became::Nothing
                    }
                }
            }
            Err(name) => {
                // Counted by type, not listed one by one: their places say nothing.
                let detail = format!("records of type `{name}` are not read");
                self.estate.gaps.push(Gap::new(Source::Other, "", Reason::Unrecognised, detail));
                if name.contains('/') { Became::Unread } else { Became::Nothing }
            }
        }
    }

    /// Lowers a service principal, known as one by the list that it stands in.
    pub(crate) fn principal_record(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.principal(bytes, false)
    }

    fn lower(&mut self, kind: Kind, bytes: &[u8]) -> Lowered<()> {
        match kind {
            Kind::RoleAssignment => self.assignment(bytes),
            Kind::ActiveInstance => self.schedule(bytes, crate::model::GrantState::TimeBound),
            Kind::EligibleInstance => self.schedule(bytes, crate::model::GrantState::Eligible),
            Kind::RoleDefinition => self.role(bytes),
            Kind::DenyAssignment => self.deny(bytes),
            Kind::ManagementGroup => self.management_group(bytes),
            Kind::Subscription | Kind::Account => self.subscription(bytes, kind == Kind::Account),
            Kind::ResourceGroup => self.resource_group(bytes),
            Kind::Identity => self.identity(bytes),
            Kind::FederatedCredential => self.federated(bytes),
            Kind::PolicyAssignment => self.policy_assignment(bytes),
            Kind::PolicyDefinition => self.policy_definition(bytes),
            Kind::Vault => self.vault(bytes),
            Kind::Resource => self.resource(bytes),
            Kind::ServicePrincipal | Kind::User => self.principal(bytes, kind == Kind::User),
            Kind::Group => self.group(bytes),
            Kind::CosmosAssignment => self.cosmos_assignment(bytes),
            Kind::DatabaseAdministrator => self.database_administrator(bytes),
            Kind::Delegation => self.delegation(bytes),
            Kind::DelegationDefinition => self.delegation_definition(bytes),
            Kind::AppRole => self.directory_grant(bytes, LocalSystem::AppRole),
            Kind::DirectoryRole => self.directory_grant(bytes, LocalSystem::Directory),
        }
    }

    /// A schedule's line of a snapshot: its id alone does not say which kind it is.
    pub(crate) fn schedule_line(&mut self, bytes: &[u8]) -> Result<(), String> {
        #[derive(Deserialize)]
        struct Which {
            schedule: bool,
        }
        let which: Which = read(bytes)?;
        let state = if which.schedule {
            crate::model::GrantState::Eligible
        } else {
            crate::model::GrantState::TimeBound
        };
        self.schedule(bytes, state)
    }

    /// Notes that one container lies in another.
    pub(crate) fn lies_below(&mut self, child: &str, parent: &str) {
        let strings = &mut self.estate.strings;
        let pair = (strings.intern(child), strings.intern(parent));
        self.parents.push(pair);
    }

    /// A vault's line of a snapshot whose resource was not read.
    pub(crate) fn vault_line(&mut self, bytes: &[u8]) -> Result<(), String> {
        let before = self.estate.resources.len();
        self.vault(bytes)?;
        self.estate.resources.truncate(before);
        Ok(())
    }

    fn nested(&mut self, bytes: &[u8], at: Position) {
        // An example within an example within … is nobody's answer.
        if self.depth < 4 {
            self.depth += 1;
            scan(bytes, self);
            self.depth -= 1;
        } else {
            let detail = "an example inside an example is not read";
            self.gap(Gap::new(Source::Files, "", Reason::Unsupported, detail), at);
        }
    }

    fn table(&mut self, table: &DataTable<'_>, at: Position) {
        for row in &table.rows {
            match table.object(row) {
                Ok(object) => {
                    self.record(object.as_bytes(), at);
                }
                Err(error) => {
                    let detail = format!("a row of the table: {}", plain(&error));
                    self.gap(Gap::new(Source::Files, "", Reason::Unparsed, detail), at);
                }
            }
        }
    }

    fn broken(&mut self, bytes: &[u8], at: Position, error: &serde_json::Error) {
        // The kind is unknown, so the gap belongs to the file; an id-like piece of text still helps to find it.
        let first = bytes.first().copied().unwrap_or_default();
        if first != b'{' {
            let detail = "list elements that are no objects are not read".to_owned();
            self.estate.gaps.push(Gap::new(Source::Other, "", Reason::Unrecognised, detail));
            return;
        }
        let source = guess(bytes);
        self.gap(Gap::new(source, "", Reason::Unparsed, format!("not valid JSON: {}", plain(error))), at);
    }

    pub(super) fn gap(&mut self, gap: Gap, at: Position) {
        if gap.source != Source::Files && gap.source != Source::Other {
            self.estate.coverage.note(gap.source, Extent::Partial);
        }
        let location = Location { path: self.path.clone(), line: at.line, column: at.column };
        self.estate.gaps.push(gap.at(location));
    }

    /// The estate, with what parents elsewhere said filled in.
    pub fn finish(mut self) -> Estate {
        self.cover();
        self.join_parents();
        self.join_delegations();
        self.join_groups();
        self.find_tenant();
        self.estate
    }

    /// A list of a kind is taken for all of it. A single record says nothing of the others, and neither does a list
    /// of the directory that lacks most of those who hold grants.
    fn cover(&mut self) {
        for source in &self.lists {
            self.estate.coverage.note(*source, Extent::Complete);
        }
        for source in self.singles.difference(&self.lists) {
            self.estate.coverage.note(*source, Extent::Partial);
            let detail = format!("the export holds single records, and no list, of {}", source.name());
            self.estate.gaps.push(Gap::new(*source, "", Reason::NotCollected, detail));
        }
        let estate = &self.estate;
        let class = |s: Sym| estate.strings.class(s);
        let known: HashSet<Sym> = estate.principals.iter().map(|p| class(p.id)).collect();
        let holders =
            estate.assignments.iter().filter(|a| a.principal_type == PrincipalType::ServicePrincipal);
        let holders: HashSet<Sym> = holders.map(|a| class(a.principal)).collect();
        let found = holders.intersection(&known).count();
        if self.lists.contains(&Source::Principals) && found * 2 < holders.len() {
            let detail = format!(
                "the list of service principals has {found} of the {} that hold grants: it is taken for a part of the directory",
                holders.len()
            );
            self.estate.coverage.note(Source::Principals, Extent::Partial);
            self.estate.gaps.push(Gap::new(Source::Principals, "", Reason::Truncated, detail));
        }
    }

    pub(super) fn sym(&mut self, text: &Text<'_>) -> Sym {
        self.estate.strings.intern(&text.0)
    }

    /// A text that is there and not empty.
    pub(super) fn some(&mut self, text: &Option<Text<'_>>) -> Option<Sym> {
        text.as_ref().filter(|t| !t.0.is_empty()).map(|t| self.estate.strings.intern(&t.0))
    }

    pub(super) fn need(&mut self, text: &Option<Text<'_>>, what: &str) -> Lowered<Sym> {
        self.some(text).ok_or_else(|| format!("`{what}` is missing"))
    }

    /// An ARM id; slashes at its end are no part of it.
    pub(super) fn need_id(&mut self, text: &Option<Text<'_>>) -> Lowered<Sym> {
        let id = text.as_ref().map_or("", |t| t.0.trim_end_matches('/'));
        if id.is_empty() { Err("`id` is missing".to_owned()) } else { Ok(self.estate.strings.intern(id)) }
    }

    pub(super) fn time(&mut self, text: &Option<Text<'_>>, what: &str) -> Lowered<Option<Instant>> {
        let Some(text) = text.as_ref().filter(|t| !t.0.is_empty()) else { return Ok(None) };
        if let Some((last, instant)) = &self.last_time
            && *last == text.0
        {
            return Ok(Some(*instant));
        }
        let instant = Instant::parse(&text.0).ok_or_else(|| format!("`{what}` is no time: `{}`", text.0))?;
        self.last_time = Some((text.0.clone().into_owned(), instant));
        Ok(Some(instant))
    }
}

impl Visit for Lowering {
    fn element(&mut self, bytes: &[u8], at: Position, listed: bool) {
        self.elements += 1;
        // Several documents in one file are a list, too.
        self.listed = listed || self.elements > 1;
        self.record(bytes, at);
    }

    fn beside(&mut self, key: &str, value: &[u8], at: Position) {
        let set = !matches!(value, b"null" | b"\"\"" | b"\"false\"" | b"false" | b"\"...\"");
        let detail = match key {
            "nextLink" | "@odata.nextLink" | "$skipToken" | "skip_token" | "skipToken" if set => {
                "the page names a next page, and nothing says that the export holds it"
            }
            "resultTruncated" | "result_truncated" if set => {
                "Resource Graph says that its answer is cut short"
            }
            "totalRecords" | "total_records" => {
                // The list before it has been counted; a smaller count than the total is a cut, token or not.
                let total = std::str::from_utf8(value).ok().and_then(|t| t.parse::<usize>().ok());
                if total.is_none_or(|total| total <= self.elements) {
                    return;
                }
                "the answer says that there are more records than it holds"
            }
            _ => return,
        };
        self.gap(Gap::new(Source::Files, "", Reason::Truncated, detail), at);
    }

    fn problem(&mut self, problem: Problem, at: Position) {
        let (reason, detail) = match problem {
            Problem::Truncated => (Reason::Truncated, "the file ends inside a record".to_owned()),
            Problem::Syntax(expected) => (Reason::Unparsed, format!("not valid JSON: expected {expected}")),
            Problem::Empty => (Reason::Failed, "the file is empty".to_owned()),
            Problem::TooLarge => (Reason::Unsupported, "a record above 64 MiB is not read".to_owned()),
            Problem::Io(error) => (Reason::Failed, format!("the file could not be read on: {error}")),
        };
        self.gap(Gap::new(Source::Files, "", reason, detail), at);
    }
}

/// The rows of a table, and what stands beside it.
pub(crate) type TableRows = (Vec<String>, Vec<(&'static str, String)>);

/// An answer in Resource Graph's older form: its rows as objects, and what stands beside them. A row that is none comes
/// as it stands.
pub(crate) fn table_rows(bytes: &[u8]) -> Option<TableRows> {
    let head: Head<'_> = serde_json::from_slice(bytes).ok()?;
    let table: DataTable<'_> = serde_json::from_str(head.data?.get()).ok()?;
    let rows = table.rows.iter().map(|row| table.object(row).unwrap_or_else(|_| row.get().to_owned()));
    Some((rows.collect(), head.ends().map(|(key, value)| (key, value.to_owned())).collect()))
}

/// The kind of data that a record is, if it is of one that is read.
pub(crate) fn kind_of_record(bytes: &[u8]) -> Option<Source> {
    let head: Head<'_> = serde_json::from_slice(bytes).ok()?;
    kind::of(&head).ok().map(source_of)
}

/// Reads a shape; the error says what did not fit, without positions inside the element, which mislead.
pub(super) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Lowered<T> {
    serde_json::from_slice(bytes).map_err(|e| plain(&e))
}

pub(super) fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(what, _)| what.to_owned())
}

/// The kind of a record that is no JSON, as far as its text shows: a broken assignment must not pass for an
/// unknown thing.
fn guess(bytes: &[u8]) -> Source {
    let has = |needle: &str| memchr::memmem::find(&bytes.to_ascii_lowercase(), needle.as_bytes()).is_some();
    if has("/roleassignments/") {
        Source::RoleAssignments
    } else if has("/roledefinitions/") {
        Source::RoleDefinitions
    } else if has("/userassignedidentities/") {
        Source::Identities
    } else {
        Source::Files
    }
}

fn source_of(kind: Kind) -> Source {
    match kind {
        Kind::RoleAssignment => Source::RoleAssignments,
        Kind::RoleDefinition => Source::RoleDefinitions,
        Kind::DenyAssignment => Source::DenyAssignments,
        Kind::ActiveInstance | Kind::EligibleInstance => Source::Schedules,
        Kind::ManagementGroup => Source::ManagementGroups,
        Kind::Subscription | Kind::Account => Source::Subscriptions,
        Kind::ResourceGroup => Source::ResourceGroups,
        Kind::Identity => Source::Identities,
        Kind::FederatedCredential => Source::FederatedCredentials,
        Kind::PolicyAssignment => Source::PolicyAssignments,
        Kind::PolicyDefinition => Source::PolicyDefinitions,
        Kind::Vault => Source::Vaults,
        Kind::Resource => Source::Resources,
        Kind::ServicePrincipal | Kind::User => Source::Principals,
        Kind::Group => Source::Groups,
        Kind::CosmosAssignment => Source::CosmosRoleAssignments,
        Kind::DatabaseAdministrator => Source::DatabaseAdministrators,
        Kind::Delegation | Kind::DelegationDefinition => Source::Delegations,
        Kind::AppRole => Source::AppRoleAssignments,
        Kind::DirectoryRole => Source::DirectoryRoles,
    }
}
