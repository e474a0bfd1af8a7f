//! Objects of the directory, in Microsoft Graph's shape and its predecessor's.

use super::lower::{Lowered, Lowering, read};
use super::wire;
use crate::model::{Group, Principal};

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
        let Some(members) = &wire.members else {
            return Err("a group without `members`: ask for `$expand=members`".to_owned());
        };
        let members = members.iter().filter_map(|m| m.id.as_ref()).map(|t| self.sym(t)).collect();
        self.estate.groups.push(Group { id, name, members });
        Ok(())
    }
}
