//! Objects of the directory, in Microsoft Graph's shape and its predecessor's.

use super::lower::{Lowered, Lowering, read};
use super::wire;
use crate::model::{Group, Principal, Sym};

impl Lowering {
    pub(super) fn principal(&mut self, bytes: &[u8], user: bool) -> Lowered<()> {
        let wire: wire::DirectoryObject<'_> = read(bytes)?;
        let id = self.need(&wire.id, "id")?;
        let kind = match self.some(&wire.service_principal_type) {
            Some(kind) => kind,
            None => self.estate.strings.intern(if user { "User" } else { "ServicePrincipal" }),
        };
        // The directory keeps the ARM id of an identity, or of its host, among the alternative names.
        let names = wire.alternative_names.iter().flatten();
        let resource =
            names.filter(|n| n.0.starts_with('/')).map(|n| self.estate.strings.intern(&n.0)).next();
        let name = self.some(&wire.display_name).unwrap_or(id);
        let client = self.some(&wire.app_id);
        self.estate.principals.push(Principal { id, kind, name, client, resource });
        Ok(())
    }

    pub(super) fn group(&mut self, bytes: &[u8]) -> Lowered<()> {
        let wire: wire::DirectoryObject<'_> = read(bytes)?;
        let id = self.need(&wire.id, "id")?;
        let name = self.some(&wire.display_name).unwrap_or(id);
        let Some(listed) = &wire.members else {
            return Err("a group without `members`: ask for `$expand=members`".to_owned());
        };
        let members: Vec<Sym> = listed.iter().filter_map(|m| m.id.as_ref()).map(|t| self.sym(t)).collect();
        let (found, all) = (members.len(), listed.len());
        self.estate.groups.push(Group { id, name, members });
        if found < all {
            return Err(format!("{} member(s) of the group have no `id`", all - found));
        }
        match wire.more_members {
            Some(_) => Err("the group has further members that the answer does not hold".to_owned()),
            None => Ok(()),
        }
    }

    /// Pages of one group's members make one group.
    pub(super) fn join_groups(&mut self) {
        let estate = &mut self.estate;
        let mut at: std::collections::HashMap<Sym, usize> = Default::default();
        let mut joined: Vec<Group> = Vec::new();
        for group in std::mem::take(&mut estate.groups) {
            let class = estate.strings.class(group.id);
            match at.get(&class).and_then(|n| joined.get_mut(*n)) {
                Some(known) => {
                    known.members.extend(group.members);
                    known.members.sort_unstable_by_key(|m| estate.strings.class(*m));
                    known.members.dedup_by_key(|m| estate.strings.class(*m));
                }
                None => {
                    at.insert(class, joined.len());
                    joined.push(group);
                }
            }
        }
        estate.groups = joined;
    }
}
