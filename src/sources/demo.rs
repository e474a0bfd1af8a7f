//! The demo tenant: Contoso, made up by us, with about forty subscriptions and a few hundred identities. Most of
//! them are as they should be; every kind of fault that the rules know is there at least once.
//!
//! `landscape` is what is fine, `faults` is what is not. Not here: chance. The same program gives the same tenant.

mod faults;
mod landscape;
mod others;

use super::build::{Builder, NewGrant};
use crate::model::{Coverage, Estate, GrantState, Instant, PrincipalType};
use crate::rbac::Catalog;
use sha2::{Digest as _, Sha256};

/// The configuration that the demo is judged by, where the user has none.
pub const CONFIG: &str = include_str!("demo/leastwise.toml");
/// The demo's waivers.
pub const WAIVERS: &str = include_str!("demo/leastwise-waivers.toml");

/// The moment at which the demo stands still: 2026-06-01T08:00:00Z.
pub fn moment() -> Instant {
    Instant::from_seconds(1_780_300_800)
}

/// The tenant.
pub fn estate() -> Estate {
    let mut demo = Demo { b: Builder::default() };
    let tenant = guid("tenant contoso");
    demo.b.estate.tenant = Some(demo.b.sym(&tenant));
    demo.b.estate.cloud = Some(demo.b.sym("public"));
    demo.b.estate.collected_at = Some(moment());
    demo.b.estate.coverage = Coverage::complete();
    demo.landscape();
    demo.faults();
    demo.other_systems();
    demo.directory();
    demo.b.estate.settle();
    demo.b.estate
}

/// A GUID that a text always gives.
fn guid(text: &str) -> String {
    let hex = crate::model::hex(Sha256::digest(text.as_bytes()).get(..16).unwrap_or_default());
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default().to_owned();
    [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
}

struct Demo {
    b: Builder,
}

/// The days before the demo's moment at which something was made.
fn ago(days: i64) -> Option<Instant> {
    Some(moment().plus_days(-days))
}

impl Demo {
    fn subscription_id(name: &str) -> String {
        format!("/subscriptions/{}", guid(&format!("subscription {name}")))
    }

    fn group(subscription: &str, name: &str) -> String {
        format!("{}/resourceGroups/{name}", Self::subscription_id(subscription))
    }

    /// The object id of an identity, by its ARM id.
    fn principal(id: &str) -> String {
        guid(&format!("principal {id}"))
    }

    fn new_group(&mut self, subscription: &str, name: &str, tags: &[(&str, &str)]) -> String {
        let id = Self::group(subscription, name);
        self.b.resource_group(&id, tags);
        id
    }

    /// A user-assigned identity; returns its ARM id.
    fn new_identity(&mut self, group: &str, name: &str, tags: &[(&str, &str)], age: i64) -> String {
        let id = format!("{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}");
        let made =
            self.b.identity(&id, &Self::principal(&id), &guid(&format!("client {id}")), tags, ago(age));
        self.b.estate.identities.push(made);
        self.signed_in(&id, age % 3);
        id
    }

    fn signed_in(&mut self, id: &str, days: i64) {
        let principal = self.b.sym(&Self::principal(id));
        let last = moment().plus_days(-days);
        self.b.estate.sign_ins.push(crate::model::SignIn { principal, last });
    }

    /// As if it had never signed in.
    fn silence(&mut self, id: &str) {
        let principal = self.b.sym(&Self::principal(id));
        self.b.estate.sign_ins.retain(|s| s.principal != principal);
    }

    /// A resource; returns its id.
    fn new_resource(
        &mut self,
        group: &str,
        kind: &str,
        name: &str,
        uses: &[&String],
        system: bool,
    ) -> String {
        let id = format!("{group}/providers/{kind}/{name}");
        let own = Self::principal(&id);
        let uses: Vec<String> = uses.iter().map(|u| (*u).clone()).collect();
        self.b.resource(
            &id,
            kind,
            system.then_some(own.as_str()),
            &uses,
            &[("costcenter", "4711")],
            ago(400),
        );
        if system {
            self.signed_in(&id, 1);
        }
        id
    }

    fn give(&mut self, to: &str, role: &str, on: &str) {
        self.give_with(to, role, on, None);
    }

    fn give_with(&mut self, to: &str, role: &str, on: &str, condition: Option<&str>) {
        let principal = if to.starts_with('/') { Self::principal(to) } else { to.to_owned() };
        let key =
            Catalog::embedded().role_by_name(role).map_or_else(|| guid(&format!("role {role}")), |r| r.guid);
        let name = guid(&format!("{principal} {key} {on}"));
        self.b.grant(&NewGrant {
            id: &format!(
                "{}/providers/Microsoft.Authorization/roleAssignments/{name}",
                on.trim_end_matches('/')
            ),
            principal: &principal,
            kind: if self.b.estate.groups.iter().any(|g| self.b.estate.strings.text(g.id) == to) {
                PrincipalType::Group
            } else {
                PrincipalType::ServicePrincipal
            },
            role: &format!("/providers/Microsoft.Authorization/roleDefinitions/{key}"),
            scope: on,
            condition,
            state: GrantState::Active,
            created: ago(380),
            delegated: None,
            description: None,
        });
    }

    /// Everyone who is in the directory: all that was made here.
    fn directory(&mut self) {
        let mut ids: Vec<crate::model::Sym> =
            self.b.estate.identities.iter().filter_map(|i| i.principal).collect();
        ids.extend(
            self.b.estate.resources.iter().filter_map(|r| r.identity.as_ref().and_then(|i| i.principal)),
        );
        ids.extend(
            self.b
                .estate
                .policy_assignments
                .iter()
                .filter_map(|p| p.identity.as_ref().and_then(|i| i.principal)),
        );
        let kind = self.b.sym("ManagedIdentity");
        for id in ids {
            self.b.estate.principals.push(crate::model::Principal {
                id,
                kind,
                name: id,
                client: None,
                resource: None,
            });
        }
    }
}
