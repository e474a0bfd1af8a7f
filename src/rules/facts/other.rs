//! Facts of vaults, policy assignments, waivers and the estate as a whole.

use super::{Fact, Type, Value};

macro_rules! fact {
    ($root:literal, $field:literal, $kind:ident, $meaning:literal, |$lens:ident, $subject:ident| $value:expr) => {
        Fact {
            root: $root,
            field: $field,
            kind: Type::$kind,
            meaning: $meaning,
            get: |$lens, $subject| $value.unwrap_or(Value::Missing),
        }
    };
}

pub(super) const FACTS: &[Fact] = &[
    fact!("vault", "name", Text, "its name", |lens, s| {
        s.vault
            .and_then(|at| lens.graph.estate().vaults.get(at))
            .map(|v| Value::Text(crate::model::role_key(lens.graph.text(v.id))))
    }),
    fact!("vault", "uses_roles", Bool, "whether role assignments decide over its data", |lens, s| {
        s.vault.and_then(|at| lens.graph.estate().vaults.get(at)).map(|v| Value::Bool(v.uses_roles))
    }),
    fact!("vault", "policies", Int, "its access policies", |lens, s| {
        s.vault.and_then(|at| lens.graph.estate().vaults.get(at)).map(|v| Value::count(v.policies.len()))
    }),
    fact!("policy", "name", Text, "its display name", |lens, s| {
        s.policy
            .and_then(|at| lens.graph.estate().policy_assignments.get(at))
            .map(|p| Value::Text(crate::model::role_key(lens.graph.text(p.name))))
    }),
    fact!(
        "policy",
        "privileged",
        Bool,
        "whether its identity can run code, get secrets, become others or change access",
        |lens, s| { s.policy.and_then(|at| lens.policies.get(&at)).map(|p| Value::Bool(p.privileged)) }
    ),
    fact!("policy", "roles", List, "the roles that its identity holds", |lens, s| {
        s.policy.and_then(|at| lens.policies.get(&at)).map(|p| Value::List(&p.held))
    }),
    fact!(
        "policy",
        "unread_in_code",
        Bool,
        "whether code assigns it, and what its definitions ask for is not known",
        |lens, s| {
            let estate = lens.graph.estate();
            let record = s.policy.and_then(|at| estate.policy_assignments.get(at));
            let id = record.map(|r| lens.graph.text(r.id).to_ascii_lowercase());
            let declared = id.is_some_and(|id| estate.declarations.contains_key(&id));
            s.policy.and_then(|at| lens.policies.get(&at)).map(|p| Value::Bool(declared && !p.known))
        }
    ),
    fact!(
        "policy",
        "asked",
        List,
        "the roles that its definitions ask for; missing if those were not read",
        |lens, s| {
            s.policy.and_then(|at| lens.policies.get(&at)).filter(|p| p.known).map(|p| Value::List(&p.asked))
        }
    ),
    fact!(
        "policy",
        "excess",
        List,
        "roles that it holds and nobody asks for; missing if the definitions were not read",
        |lens, s| {
            s.policy.and_then(|at| lens.policies.get(&at)).filter(|p| p.known).map(|p| Value::List(&p.excess))
        }
    ),
    fact!("waiver", "id", Text, "its id", |lens, s| {
        s.waiver.and_then(|at| lens.waivers.get(at)).map(|w| Value::Text(&w.id))
    }),
    fact!("waiver", "expired", Bool, "whether its end has come", |lens, s| {
        s.waiver.and_then(|at| lens.waivers.get(at)).map(|w| Value::Bool(w.expired))
    }),
    fact!("waiver", "expires", Text, "its end", |lens, s| {
        s.waiver.and_then(|at| lens.waivers.get(at)).map(|w| Value::Text(&w.expires))
    }),
    fact!("waiver", "matches", Int, "findings that it is for", |lens, s| {
        s.waiver.and_then(|at| lens.waivers.get(at)).map(|w| Value::count(w.matches))
    }),
    fact!("waiver", "rules", List, "the rules that it is for", |lens, s| {
        s.waiver.and_then(|at| lens.waivers.get(at)).map(|w| Value::List(&w.rules))
    }),
    fact!("estate", "naming_configured", Bool, "whether [naming] is configured", |lens, _s| Some(
        Value::Bool(lens.config.naming.configured)
    )),
    fact!("estate", "naming_judged", Int, "names that the convention judges", |lens, _s| Some(Value::count(
        lens.naming_judged
    ))),
    fact!("estate", "naming_failures", Int, "names that do not fit", |lens, _s| Some(Value::count(
        lens.naming_failures
    ))),
    fact!(
        "estate",
        "naming_mostly_fails",
        Bool,
        "whether more than a third of the names fail",
        |lens, _s| Some(Value::Bool(lens.naming_failures * 3 > lens.naming_judged))
    ),
    fact!("estate", "naming_inferred", Text, "a template that fits the names that are there", |lens, _s| {
        Some(Value::Text(&lens.naming_inferred))
    }),
    fact!(
        "estate",
        "organisations",
        List,
        "organisations that federated credentials trust",
        |lens, _s| Some(Value::List(&lens.organisations))
    ),
    fact!("estate", "trusted_configured", Bool, "whether [federation] trusted is configured", |lens, _s| {
        Some(Value::Bool(!lens.config.trusted.is_empty()))
    }),
];
