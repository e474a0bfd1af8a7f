//! Records of which a tenant may have more than memory should hold. They go somewhere else in sorted parts as they come, each
//! as the line that a snapshot has of it; what is asked or left out because of them is noted here. Not here: bringing the
//! parts together (`shelf`, `sorted`).

use super::shelf::{Entry, Memory, Only, Parts, Shelf, Texts};
use super::sorted::{Sorted, Tally, VAULT, kind_of, kinds};
use crate::model::{Estate, IdentityBlock, PrincipalType, Scope, Source, Sym};
use crate::sources::arm::Lowering;
use crate::sources::snapshot::{LARGE, large_ids, large_line};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::thread::JoinHandle;

/// What is asked or left out because of who holds what; ids are folded.
#[derive(Default)]
pub(super) struct Held {
    /// Groups that hold grants.
    pub(super) groups: BTreeSet<String>,
    /// Everybody who holds one, has rights in a vault, or is the identity of something. Empty unless wanted.
    pub(super) principals: BTreeSet<String>,
    /// The last segments of the roles that are granted. Empty unless wanted.
    pub(super) roles: BTreeSet<String>,
    /// How many identities are of each tenant.
    pub(super) tenants: BTreeMap<String, usize>,
}

impl Held {
    fn note(&mut self, estate: &Estate, all: bool) {
        let folded = |sym| estate.strings.text(sym).to_ascii_lowercase();
        for grant in estate.assignments.iter().chain(&estate.schedules) {
            if grant.principal_type == PrincipalType::Group {
                self.groups.insert(folded(grant.principal));
            }
        }
        for tenant in estate.identities.iter().filter_map(|i| i.tenant) {
            *self.tenants.entry(folded(tenant)).or_default() += 1;
        }
        if all {
            self.note_all(estate);
        }
    }

    fn note_all(&mut self, estate: &Estate) {
        let folded = |sym| estate.strings.text(sym).to_ascii_lowercase();
        for grant in estate.assignments.iter().chain(&estate.schedules) {
            self.principals.insert(folded(grant.principal));
            let role = estate.strings.text(grant.role);
            self.roles.insert(crate::model::role_key(role).to_ascii_lowercase());
        }
        let identities = estate.identities.iter().filter_map(|i| i.principal);
        let vaults = estate.vaults.iter().flat_map(|v| &v.policies).map(|p| p.principal);
        let blocks = blocks(estate).filter_map(|b| b.principal);
        self.principals.extend(identities.chain(vaults).chain(blocks).map(folded));
    }
}

fn blocks(estate: &Estate) -> impl Iterator<Item = &IdentityBlock> {
    let resources = estate.resources.iter().filter_map(|r| r.identity.as_deref());
    resources.chain(estate.policy_assignments.iter().filter_map(|p| p.identity.as_deref()))
}

/// Records on their way out of memory.
pub(super) struct Records {
    /// Those since the last part.
    pub(super) lowering: Lowering,
    /// How many come before there is a part.
    rows: usize,
    filing: Filing,
    /// Of the parts that there were when it was asked for, by kind.
    tallies: BTreeMap<u8, Tally>,
}

impl Default for Records {
    fn default() -> Records {
        Records::new(Box::new(Memory::default()), false)
    }
}

/// What there is outside memory; a part is written while the next records come.
enum Filing {
    Idle(Box<Filed>),
    Busy(JoinHandle<io::Result<Box<Filed>>>),
    /// A part could not be written: that was said once.
    Failed,
}

struct Filed {
    shelf: Shelf,
    held: Held,
    /// Whether everybody who holds something is to be noted, too.
    all: bool,
}

/// The number of the kind that says which identities there are, and which of them something uses.
const USES: u8 = LARGE.len() as u8;
/// The mark of an identity that something uses.
const USED: &[u8] = b"used";

impl Records {
    pub(super) fn new(parts: Box<dyn Parts>, all: bool) -> Records {
        let rows = parts.rows();
        let filed = Filed { shelf: Shelf::new(parts), held: Held::default(), all };
        Records {
            lowering: Lowering::default(),
            rows,
            filing: Filing::Idle(Box::new(filed)),
            tallies: BTreeMap::new(),
        }
    }

    /// Makes parts of what came, if that is enough.
    pub(super) fn spill_if_full(&mut self) -> io::Result<()> {
        let rows: usize = LARGE.iter().map(|source| self.lowering.estate.count(*source)).sum();
        if rows < self.rows { Ok(()) } else { self.spill() }
    }

    /// Has what came written, once what came before is.
    fn spill(&mut self) -> io::Result<()> {
        let mut filed = self.take()?;
        let estate = std::mem::take(&mut self.lowering).estate;
        self.filing = Filing::Busy(std::thread::Builder::new().spawn(move || {
            filed.add(&estate)?;
            Ok(filed)
        })?);
        Ok(())
    }

    fn take(&mut self) -> io::Result<Box<Filed>> {
        match std::mem::replace(&mut self.filing, Filing::Failed) {
            Filing::Idle(filed) => Ok(filed),
            Filing::Busy(thread) => thread.join().unwrap_or_else(|_| Err(lost())),
            Filing::Failed => Err(lost()),
        }
    }

    /// All that came, outside memory.
    fn filed(&mut self) -> io::Result<&mut Filed> {
        self.spill()?;
        self.filing = Filing::Idle(self.take()?);
        match &mut self.filing {
            Filing::Idle(filed) => Ok(filed),
            Filing::Busy(_) | Filing::Failed => Err(lost()),
        }
    }

    /// Who holds what, of all that came.
    pub(super) fn held(&mut self) -> io::Result<&mut Held> {
        Ok(&mut self.filed()?.held)
    }

    /// How many role assignments lie in each subscription, by its folded id.
    pub(super) fn listed(&mut self) -> io::Result<BTreeMap<String, u64>> {
        let source = Source::RoleAssignments;
        let Some(kind) = kind_of(source) else { return Ok(BTreeMap::new()) };
        let last = self.filed()?.shelf.last(kind);
        if let Some(known) = self.tallies.get(&kind).filter(|t| t.last == last) {
            return Ok(known.homes.clone());
        }
        let tally = Tally::of(&self.filed()?.shelf, kind, source)?;
        let homes = tally.homes.clone();
        self.tallies.insert(kind, tally);
        Ok(homes)
    }

    /// Identities that nothing which was read uses: no resource, no property of one, no credential from outside. By id, in
    /// order.
    pub(super) fn unused(&mut self) -> io::Result<Vec<String>> {
        let mut left = Vec::new();
        self.filed()?.shelf.each(USES, &mut |alike| {
            let used = alike.iter().any(|entry| entry.texts().mark == USED);
            let shown = alike.first().and_then(|entry| std::str::from_utf8(entry.texts().line).ok());
            left.extend(shown.filter(|_| !used).map(str::to_owned));
            Ok(())
        })?;
        Ok(left)
    }

    /// The lines of all records of a kind, those that repeat one, too.
    pub(super) fn lines(&mut self, source: Source, line: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let Some(kind) = kind_of(source) else { return Ok(()) };
        self.filed()?.shelf.each(kind, &mut |alike| {
            alike.iter().for_each(|entry| line(entry.texts().line));
            Ok(())
        })
    }

    /// All of them in order, or only some.
    pub(super) fn finish(mut self, only: Option<Only>) -> io::Result<Sorted> {
        self.spill()?;
        let mut shelf = self.take()?.shelf;
        let mut tallies = std::mem::take(&mut self.tallies);
        if only.is_some() {
            tallies.clear();
        }
        shelf.only = only;
        Sorted::of(shelf, tallies)
    }
}

/// What is being written does not outlive who asked for it.
impl Drop for Records {
    fn drop(&mut self) {
        if let Filing::Busy(thread) = std::mem::replace(&mut self.filing, Filing::Failed) {
            let _ = thread.join();
        }
    }
}

impl Filed {
    /// Makes parts of the records of an estate: one of each kind that it has. Role assignments are marked with the folded id
    /// of the subscription that their scope is in, vaults as such among the resources.
    fn add(&mut self, estate: &Estate) -> io::Result<()> {
        self.held.note(estate, self.all);
        for (kind, source) in kinds() {
            let mut ids = large_ids(estate, source);
            let own = ids.len();
            if source == Source::Resources {
                ids.extend(large_ids(estate, Source::Vaults));
            }
            if ids.is_empty() {
                continue;
            }
            let fold = |text: &str, into: &mut Vec<u8>| {
                into.clear();
                into.extend_from_slice(text.as_bytes());
                into.make_ascii_lowercase();
            };
            let text = |sym: Sym| estate.strings.text(sym);
            let (mut head, mut name, mut mark, mut line) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            self.shelf.add(kind, &mut |out| {
                for at in estate.strings.order_ids(&ids) {
                    let at = at as usize;
                    let Some(id) = ids.get(at) else { continue };
                    fold(text(id.dir), &mut head);
                    fold(if id.dir == id.name { "" } else { text(id.name) }, &mut name);
                    mark.clear();
                    line.clear();
                    match at.checked_sub(own) {
                        Some(at) => {
                            mark.extend_from_slice(VAULT);
                            large_line(estate, Source::Vaults, at, &mut line)?;
                        }
                        None => large_line(estate, source, at, &mut line)?,
                    }
                    if let (Source::RoleAssignments, Some(grant)) = (source, estate.assignments.get(at)) {
                        let home = Scope::parse(text(grant.scope)).and_then(|s| s.subscription);
                        fold(home.unwrap_or_default(), &mut mark);
                    }
                    let texts = Texts { head: &head, name: &name, mark: &mark, line: &line };
                    Entry::write(kind, texts, out)?;
                }
                Ok(())
            })?;
        }
        self.add_uses(estate)
    }

    fn add_uses(&mut self, estate: &Estate) -> io::Result<()> {
        let there = estate.identities.iter().map(|i| (i.id, &b""[..]));
        let federated = estate.federated.iter().map(|f| f.identity);
        let mentioned = estate.resources.iter().flat_map(|r| &r.mentions).copied();
        let carried = blocks(estate).flat_map(|b| &b.user).map(|u| u.id);
        let uses = federated.chain(mentioned).chain(carried).map(|id| (id, USED));
        let text = |sym: Sym| estate.strings.text(sym);
        let mut all: Vec<(String, &[u8], &str)> = there
            .chain(uses)
            .map(|(id, mark)| (text(id).to_ascii_lowercase(), mark, if mark == USED { "" } else { text(id) }))
            .collect();
        all.sort_unstable();
        all.dedup();
        if all.is_empty() {
            return Ok(());
        }
        self.shelf.add(USES, &mut |out| {
            all.iter().try_for_each(|(id, mark, line)| {
                let texts = Texts { head: id.as_bytes(), name: b"", mark, line: line.as_bytes() };
                Entry::write(USES, texts, out)
            })
        })
    }
}

fn lost() -> io::Error {
    io::Error::other("records that came before could not be kept")
}
