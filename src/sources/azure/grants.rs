//! Grants, of which a tenant may have more than memory should hold. Where the caller offers a place for them, they go
//! there in sorted parts as they come, each as the line that a snapshot has of it; what else hangs on them is noted here.
//! Not here: bringing the parts together (`sorted`).

use super::sorted::{Entry, Parts, Shelf, Sorted, Tally, Texts};
use crate::model::{Estate, PrincipalType, Scope, Source};
use crate::sources::arm::Lowering;
use crate::sources::snapshot::{grant_line, schedule_line};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::thread::JoinHandle;

/// What is asked or left out because of who holds what; ids are folded.
#[derive(Default)]
pub(super) struct Held {
    /// Groups that hold grants.
    pub(super) groups: BTreeSet<String>,
    /// Everybody who holds one. Empty unless wanted.
    pub(super) principals: BTreeSet<String>,
    /// The last segments of the roles that are granted. Empty unless wanted.
    pub(super) roles: BTreeSet<String>,
}

impl Held {
    /// Notes the grants of an estate.
    pub(super) fn note(&mut self, estate: &Estate, all: bool) {
        let folded = |sym| estate.strings.text(sym).to_ascii_lowercase();
        for grant in estate.assignments.iter().chain(&estate.schedules) {
            if grant.principal_type == PrincipalType::Group {
                self.groups.insert(folded(grant.principal));
            }
            if all {
                self.principals.insert(folded(grant.principal));
                let role = estate.strings.text(grant.role);
                self.roles.insert(crate::model::role_key(role).to_ascii_lowercase());
            }
        }
    }
}

/// Grants on their way out of memory.
pub(super) struct Grants {
    /// Those since the last part.
    pub(super) lowering: Lowering,
    /// How many a part should have.
    rows: usize,
    filing: Filing,
    /// Of the parts that there were when it was asked for.
    tally: Option<Tally>,
}

/// What there is outside memory; a part is written while the next ones come.
enum Filing {
    Idle(Filed),
    Busy(JoinHandle<io::Result<Filed>>),
    /// A part could not be written: that was said once.
    Failed,
}

struct Filed {
    shelf: Shelf,
    held: Held,
    /// Whether everybody who holds a grant is to be noted, too.
    all: bool,
}

/// The kinds of grants, in the order of a snapshot's sections.
pub(super) const KINDS: [Source; 2] = [Source::RoleAssignments, Source::Schedules];

impl Grants {
    pub(super) fn new(parts: Box<dyn Parts>, all: bool) -> Grants {
        let rows = parts.rows();
        let filed = Filed { shelf: Shelf { parts, kinds: Vec::new() }, held: Held::default(), all };
        Grants { lowering: Lowering::default(), rows, filing: Filing::Idle(filed), tally: None }
    }

    /// Makes a part of what came, if that is enough for one.
    pub(super) fn spill_if_full(&mut self) -> io::Result<()> {
        let estate = &self.lowering.estate;
        if estate.assignments.len() + estate.schedules.len() < self.rows {
            return Ok(());
        }
        self.spill()
    }

    /// Has what came written, once the part before is.
    fn spill(&mut self) -> io::Result<()> {
        let mut filed = self.take()?;
        let estate = std::mem::take(&mut self.lowering).estate;
        self.filing = Filing::Busy(std::thread::Builder::new().spawn(move || {
            filed.add(&estate)?;
            Ok(filed)
        })?);
        Ok(())
    }

    fn take(&mut self) -> io::Result<Filed> {
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

    fn tally(&mut self) -> io::Result<Tally> {
        let known = self.tally.take();
        let shelf = &self.filed()?.shelf;
        match known.filter(|t| t.parts == shelf.kinds.len()) {
            Some(known) => Ok(known),
            None => Tally::of(shelf),
        }
    }

    /// How many role assignments lie in each subscription, by its folded id.
    pub(super) fn listed(&mut self) -> io::Result<BTreeMap<String, u64>> {
        let tally = self.tally()?;
        let homes = tally.homes.clone();
        self.tally = Some(tally);
        Ok(homes)
    }

    /// All of them, in order.
    pub(super) fn finish(mut self) -> io::Result<Sorted> {
        let tally = self.tally()?;
        Ok(Sorted::of(self.take()?.shelf, tally))
    }
}

/// What is being written does not outlive who asked for it.
impl Drop for Grants {
    fn drop(&mut self) {
        if let Filing::Busy(thread) = std::mem::replace(&mut self.filing, Filing::Failed) {
            let _ = thread.join();
        }
    }
}

impl Filed {
    /// Makes parts of the grants of an estate: one of each kind that it has.
    fn add(&mut self, estate: &Estate) -> io::Result<()> {
        self.held.note(estate, self.all);
        for (kind, rows) in (0..).zip([&estate.assignments, &estate.schedules]) {
            if rows.is_empty() {
                continue;
            }
            let ids: Vec<_> = rows.iter().map(|a| a.id).collect();
            let fold = |sym, into: &mut Vec<u8>| {
                into.clear();
                into.extend_from_slice(estate.strings.text(sym).as_bytes());
                into.make_ascii_lowercase();
            };
            let (mut head, mut name, mut line) = (Vec::new(), Vec::new(), Vec::new());
            self.shelf.parts.add(&mut |out| {
                for at in estate.strings.order_ids(&ids) {
                    let Some(grant) = rows.get(at as usize) else { continue };
                    fold(grant.id.dir, &mut head);
                    fold(grant.id.name, &mut name);
                    let home = Scope::parse(estate.strings.text(grant.scope)).and_then(|s| s.subscription);
                    let home = home.unwrap_or_default().to_ascii_lowercase();
                    line.clear();
                    let lowered = if kind == 0 { grant_line } else { schedule_line };
                    serde_json::to_writer(&mut line, &lowered(estate, grant))?;
                    let texts =
                        Texts { head: &head, name: &name, subscription: home.as_bytes(), line: &line };
                    Entry::write(kind, texts, out)?;
                }
                Ok(())
            })?;
            self.shelf.kinds.push(kind);
        }
        Ok(())
    }
}

fn lost() -> io::Error {
    io::Error::other("grants that came before could not be kept")
}
