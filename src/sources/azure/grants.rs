//! Grants, of which a tenant may have more than memory should hold. Where the caller offers a place for them, they go
//! there in sorted parts as they come, each as the line that a snapshot has of it; what else hangs on them is noted here.
//! Not here: bringing the parts together (`sorted`).

use super::sorted::{Entry, Key, Parts, Shelf, Sorted, Tally};
use crate::model::{Assignment, Estate, PrincipalType, Scope, Source};
use crate::sources::arm::Lowering;
use crate::sources::snapshot::{grant_line, schedule_line};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

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
    shelf: Shelf,
    held: Held,
    /// Whether everybody who holds a grant is to be noted, too.
    all: bool,
    /// Of the parts that there were when it was asked for.
    tally: Option<Tally>,
}

/// The kinds of grants, in the order of a snapshot's sections.
pub(super) const KINDS: [Source; 2] = [Source::RoleAssignments, Source::Schedules];

impl Grants {
    pub(super) fn new(parts: Box<dyn Parts>, all: bool) -> Grants {
        let shelf = Shelf { parts, kinds: Vec::new() };
        Grants { lowering: Lowering::default(), shelf, held: Held::default(), all, tally: None }
    }

    /// Makes a part of what came, if that is enough for one.
    pub(super) fn spill_if_full(&mut self) -> io::Result<()> {
        let estate = &self.lowering.estate;
        if estate.assignments.len() + estate.schedules.len() < self.shelf.parts.rows() {
            return Ok(());
        }
        self.spill()
    }

    fn spill(&mut self) -> io::Result<()> {
        let estate = std::mem::take(&mut self.lowering).estate;
        self.held.note(&estate, self.all);
        for (kind, rows) in (0..).zip([&estate.assignments, &estate.schedules]) {
            if rows.is_empty() {
                continue;
            }
            let ids: Vec<_> = rows.iter().map(|a| a.id).collect();
            self.shelf.parts.add(&mut |out| {
                for at in estate.strings.order_ids(&ids) {
                    if let Some(grant) = rows.get(at as usize) {
                        entry(&estate, kind, grant)?.write(out)?;
                    }
                }
                Ok(())
            })?;
            self.shelf.kinds.push(kind);
        }
        Ok(())
    }

    /// Who holds what, of all that came.
    pub(super) fn held(&mut self) -> io::Result<&mut Held> {
        self.spill()?;
        Ok(&mut self.held)
    }

    fn tally(&mut self) -> io::Result<Tally> {
        self.spill()?;
        match self.tally.take().filter(|t| t.parts == self.shelf.kinds.len()) {
            Some(known) => Ok(known),
            None => Tally::of(&self.shelf),
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
        Ok(Sorted::of(self.shelf, tally))
    }
}

fn entry(estate: &Estate, kind: u8, grant: &Assignment) -> io::Result<Entry> {
    let folded = |sym| estate.strings.text(sym).to_ascii_lowercase().into_bytes();
    let line = if kind == 0 { grant_line(estate, grant) } else { schedule_line(estate, grant) };
    let home = Scope::parse(estate.strings.text(grant.scope)).and_then(|s| s.subscription);
    Ok(Entry {
        key: Key { kind, head: folded(grant.id.dir), name: folded(grant.id.name) },
        subscription: home.unwrap_or_default().to_ascii_lowercase().into_bytes(),
        line: serde_json::to_vec(&line)?,
    })
}
