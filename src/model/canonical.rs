//! What two records with one id are compared by. `Debug` of the record would name positions in the string table,
//! which depend on the order of reading; these texts do not. A field that is absent sorts before one that is there,
//! so that of two records the fuller one wins.

use super::estate::Canonical;
use super::local::LocalGrant;
use super::records::*;
use super::role::{Permission, RoleDefinition, role_key};
use super::strings::{Strings, Sym};
use super::tags::{TagTable, Tags};
use std::fmt::Write as _;

/// Sorts before every other character, so that an absent field is less than a present one.
const END: char = '\u{1}';

struct Text<'s>(&'s Strings, &'s TagTable, String);

impl<'s> Text<'s> {
    fn text(mut self, text: &str) -> Self {
        self.2.push_str(text);
        self.2.push(END);
        self
    }
    fn sym(self, sym: Sym) -> Self {
        let text = self.0.text(sym);
        self.text(text)
    }
    fn opt(self, sym: Option<Sym>) -> Self {
        let text = self.0.text_or_empty(sym);
        self.text(text)
    }
    fn raw(mut self, value: &impl std::fmt::Debug) -> Self {
        let _ = write!(self.2, "{value:?}{END}");
        self
    }
    fn list(self, many: &[Sym]) -> Self {
        let mut texts: Vec<&str> = many.iter().map(|s| self.0.text(*s)).collect();
        texts.sort_unstable_by_key(|t| t.to_ascii_lowercase());
        self.raw(&texts)
    }
    fn permissions(self, many: &[Permission]) -> Self {
        let mut texts: Vec<String> = many.iter().map(|p| format!("{p:?}")).collect();
        texts.sort_unstable();
        self.raw(&texts)
    }
    fn tags(self, tags: Tags) -> Self {
        let pairs = self.1.pairs(tags).iter().map(|(k, v)| (self.0.text(*k), self.0.text(*v)));
        let pairs: Vec<(&str, &str)> = pairs.collect();
        self.raw(&pairs)
    }
    fn block(self, block: Option<&IdentityBlock>) -> Self {
        let Some(block) = block else { return self };
        let ids: Vec<Sym> = block.user.iter().map(|u| u.id).collect();
        let principals: Vec<Sym> = block.user.iter().filter_map(|u| u.principal).collect();
        self.raw(&block.system).opt(block.principal).opt(block.tenant).list(&ids).list(&principals)
    }
    fn settings(self, settings: Option<&Settings<Sym>>) -> Self {
        let Some(settings) = settings else { return self };
        self.list(&settings.azure).list(&settings.other)
    }
    fn principal_type(self, kind: PrincipalType) -> Self {
        match kind {
            PrincipalType::Other(name) => self.sym(name),
            PrincipalType::Absent => self.text(""),
            known => self.raw(&known),
        }
    }
    fn policies(self, many: &[AccessPolicy]) -> Self {
        let mut texts: Vec<String> = many
            .iter()
            .map(|p| {
                p.permissions
                    .iter()
                    .fold(self.0.text(p.principal).to_owned(), |t, s| t + " " + self.0.text(*s))
            })
            .collect();
        texts.sort_unstable();
        self.raw(&texts)
    }
}

macro_rules! canonical {
    ($kind:ty, $r:ident, $t:ident => $body:expr) => {
        impl Canonical for $kind {
            fn canonical(&self, strings: &Strings, tags: &TagTable) -> String {
                let ($r, $t) = (self, Text(strings, tags, String::new()));
                $body.2
            }
        }
    };
}

canonical!(Assignment, r, t => {
    let role = role_key(t.0.text(r.role));
    t.sym(r.principal).text(role).sym(r.scope).principal_type(r.principal_type).opt(r.condition)
        .opt(r.delegated_identity).opt(r.description).opt(r.created_by).raw(&r.created_on).raw(&r.state).raw(&r.ends)
});
canonical!(DenyAssignment, r, t => t.sym(r.name).permissions(&r.permissions).sym(r.scope).raw(&r.this_scope_only)
    .list(&r.principals).list(&r.excluded).raw(&r.enforced).opt(r.condition));
canonical!(Resource, r, t => t.block(r.identity.as_deref()).sym(r.kind).opt(r.location).list(&r.mentions).list(&r.code_from).settings(r.settings.as_deref()).raw(&r.doors).tags(r.tags).raw(&r.created));
canonical!(UserAssignedIdentity, r, t => {
    let restricted = r.restricted_to.clone().unwrap_or_default();
    t.opt(r.principal).opt(r.client).opt(r.tenant).opt(r.location).tags(r.tags).opt(r.isolation)
        .raw(&r.restricted_to.is_some()).list(&restricted).raw(&r.created)
});
canonical!(FederatedCredential, r, t => t.sym(r.issuer).opt(r.subject).opt(r.expression).list(&r.audiences));
canonical!(ManagementGroup, r, t => t.opt(r.parent).sym(r.name));
canonical!(Subscription, r, t => t.opt(r.parent).sym(r.name).opt(r.tenant).tags(r.tags));
canonical!(ResourceGroup, r, t => t.tags(r.tags));
canonical!(Principal, r, t => t.sym(r.kind).sym(r.name).opt(r.client).opt(r.resource));
canonical!(Group, r, t => t.list(&r.members).sym(r.name));
canonical!(SignIn, r, t => t.raw(&r.last));
canonical!(Vault, r, t => t.raw(&r.uses_roles).policies(&r.policies));
canonical!(PolicyAssignment, r, t => t.block(r.identity.as_deref()).sym(r.name).opt(r.definition));
canonical!(PolicyDefinition, r, t => t.list(&r.roles).list(&r.members));
canonical!(LocalGrant, r, t => t.sym(r.principal).sym(r.role).sym(r.scope).opt(r.role_name).opt(r.tenant));
canonical!(Association, r, t => t.list(&r.resources));
canonical!(RoleDefinition, r, t => t.permissions(&r.permissions).sym(r.name).raw(&r.kind).list(&r.assignable_scopes));
