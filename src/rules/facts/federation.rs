//! Facts of federated credentials: who signs, which subjects may come, and what is left open.
//!
//! Sources: Microsoft Entra documentation, "Workload identity federation" and "Flexible federated identity
//! credentials"; GitHub documentation, "OpenID Connect reference" (subject forms).

use super::lens::Lens;
use super::tables::CredentialFacts;
use super::{Fact, Subject, Type, Value};
use crate::graph::AccessGraph;
use crate::model::{FederatedCredential, Sym};
use crate::policy::Config;

/// Works out what rules ask of a credential.
pub(super) fn credential_facts(
    credential: &FederatedCredential,
    graph: &AccessGraph,
    config: &Config,
) -> CredentialFacts {
    let issuer = graph.text(credential.issuer);
    let tenant = graph.estate().tenant.map(|t| graph.text(t));
    let text = |s: Option<Sym>| s.map_or("", |s| graph.text(s));
    let (subject, expression) = (text(credential.subject), text(credential.expression));
    let (host, path) = split_url(issuer);
    let issuer_class = class_of(&host, &path, subject, tenant);
    let pattern = matched_pattern(expression);
    let shown = if subject.is_empty() { pattern.as_deref().unwrap_or("") } else { subject };
    let organisation = organisation(issuer_class, shown);
    let trusted = match (&organisation, config.trusted.is_empty()) {
        (Some(name), false) => Some(config.trusted.iter().any(|t| crate::policy::glob(t, name))),
        _ => None,
    };
    let expected_audience = match graph.estate().cloud.map(|c| graph.text(c)) {
        Some("usgov") => "api://AzureADTokenExchangeUSGov",
        Some("china") => "api://AzureADTokenExchangeChina",
        _ => "api://AzureADTokenExchange",
    };
    let audiences = credential.audiences.iter().map(|a| graph.text(*a));
    let naming = config.naming.federated.as_ref();
    let open = pattern.as_deref().map(|p| open_parts(issuer_class, p)).unwrap_or_default();
    CredentialFacts {
        issuer_class,
        trusted,
        pull_request: shown.ends_with(":pull_request") || shown.contains(":pull_request:"),
        literal_wildcard: subject.contains('*'),
        looseness: if open.is_empty() {
            "it has a literal `*`, which no token's subject does: it never matches".to_owned()
        } else {
            format!("it leaves open: {}", open.join(", "))
        },
        open,
        wrong_audiences: audiences.filter(|a| *a != expected_audience).map(str::to_owned).collect(),
        expected_audience,
        naming: naming
            .map(|t| config.naming.judge(t, graph.text(credential.id.name), &config.environments, None)),
        organisation,
        host,
    }
}

fn split_url(url: &str) -> (String, String) {
    let rest = url.trim().split_once("://").map_or(url.trim(), |(_, rest)| rest);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    (host.to_ascii_lowercase(), path.to_ascii_lowercase())
}

fn class_of(host: &str, path: &str, subject: &str, tenant: Option<&str>) -> &'static str {
    let first = path.split('/').next().unwrap_or_default();
    let own = tenant.map(|t| t.eq_ignore_ascii_case(first));
    let under = |domain: &str| host == domain || host.strip_suffix(domain).is_some_and(|h| h.ends_with('.'));
    // Known after apply: the issuer of a cluster that the same code makes, or nobody's yet.
    if host.starts_with("${") {
        return if host.contains("azurerm_kubernetes_cluster.") { "aks" } else { "not-known-yet" };
    }
    if host == "token.actions.githubusercontent.com"
        || (host.starts_with("token.actions.") && under("ghe.com"))
    {
        "github"
    } else if host == "vstoken.dev.azure.com" {
        "azure-devops"
    } else if host == "gitlab.com" {
        "gitlab"
    } else if host == "app.terraform.io" {
        "hcp-terraform"
    } else if under("oic.prod-aks.azure.com")
        || host == "oidc.prod-aks.azure.com"
        || under("oic.prod-arc.azure.com")
    {
        match own {
            Some(true) => "aks",
            Some(false) => "aks-foreign",
            None => "aks-unknown-tenant",
        }
    } else if [
        "login.microsoftonline.com",
        "sts.windows.net",
        "login.microsoftonline.us",
        "login.partner.microsoftonline.cn",
    ]
    .contains(&host)
    {
        match own {
            Some(true) if subject.starts_with("/eid1/") => "azure-devops",
            Some(true) => "entra",
            Some(false) => "entra-foreign",
            None => "entra-unknown-tenant",
        }
    } else {
        "unknown"
    }
}

/// The text behind `matches` in `claims['sub'] matches 'repo:contoso/*'`; nothing for `eq`, which is exact.
fn matched_pattern(expression: &str) -> Option<String> {
    let (_, rest) = expression.split_once(" matches ")?;
    let rest = rest.trim();
    let quoted = rest.strip_prefix('\'').or_else(|| rest.strip_prefix('"'));
    let text = quoted.map_or_else(
        || rest.split(" and ").next().unwrap_or(rest),
        |q| q.split(['\'', '"']).next().unwrap_or(q),
    );
    Some(text.trim().to_owned())
}

/// `repo:org/name:…`, and the form with ids, `repo:org@1/name@2:…`.
fn organisation(class: &str, subject: &str) -> Option<String> {
    let owner = match class {
        "github" => subject.strip_prefix("repo:").or_else(|| subject.strip_prefix("repository_owner:"))?,
        "gitlab" => subject.strip_prefix("project_path:")?,
        "hcp-terraform" => subject.strip_prefix("organization:")?,
        "azure-devops" => subject.strip_prefix("sc://")?,
        _ => return None,
    };
    let owner = owner.split(['/', ':', '@']).next().unwrap_or(owner);
    (!owner.is_empty() && !owner.contains('*')).then(|| owner.to_owned())
}

/// Which parts of a pattern are open, widest first.
fn open_parts(class: &str, pattern: &str) -> Vec<String> {
    let mut open = Vec::new();
    let mut add = |part: &str| open.push(part.to_owned());
    let mut parts = pattern.splitn(3, ':');
    let (first, second, rest) = (parts.next().unwrap_or(""), parts.next(), parts.next());
    if pattern == "*" || first.contains('*') {
        return vec!["owner".to_owned()];
    }
    match class {
        "aks" | "aks-foreign" | "aks-unknown-tenant" => {
            // system:serviceaccount:namespace:name
            let mut rest = rest.unwrap_or("*").split(':');
            if rest.next().is_some_and(|namespace| namespace.contains('*')) {
                add("namespace");
            }
            if rest.next().is_none_or(|name| name.contains('*')) {
                add("service account");
            }
        }
        _ => {
            let (owner, name) = second.unwrap_or("*").split_once('/').unwrap_or((second.unwrap_or("*"), ""));
            if owner.contains('*') {
                add("owner");
            }
            if name.contains('*') {
                add("repository");
            }
            match rest {
                Some(rest) if rest.starts_with("ref:") && rest.contains('*') => add("ref"),
                Some(rest) if rest.starts_with("ref:") => {}
                Some(rest) if rest.contains('*') => add("environment"),
                None if !name.contains('*') && pattern.contains('*') => add("environment"),
                _ => {}
            }
        }
    }
    open
}

fn facts<'g>(
    lens: &'g Lens<'g>,
    subject: &Subject,
) -> Option<(&'g FederatedCredential, &'g CredentialFacts)> {
    let at = subject.credential?;
    Some((lens.graph.estate().federated.get(at)?, lens.credentials.get(at)?))
}

macro_rules! fact {
    ($field:literal, $kind:ident, $meaning:literal, |$lens:ident, $record:ident, $facts:ident| $value:expr) => {
        Fact {
            root: "federated_credential",
            field: $field,
            kind: Type::$kind,
            meaning: $meaning,
            get: |$lens, subject| match facts($lens, subject) {
                Some(($record, $facts)) => $value,
                None => Value::Missing,
            },
        }
    };
}

pub(super) const FACTS: &[Fact] = &[
    fact!("name", Text, "its name", |lens, record, _f| Value::Text(lens.graph.text(record.id.name))),
    fact!("issuer", Text, "who signs the tokens", |lens, record, _f| Value::Text(
        lens.graph.text(record.issuer)
    )),
    fact!("host", Text, "the issuer's host", |_lens, _r, f| Value::Text(&f.host)),
    fact!(
        "issuer_class",
        Text,
        "github, azure-devops, gitlab, hcp-terraform, aks, entra (own tenant), the last two also -foreign and -unknown-tenant, or unknown",
        |_lens, _r, f| Value::Text(f.issuer_class)
    ),
    fact!("subject", Text, "the subject, or the expression in its place", |lens, record, _f| {
        Value::text_or_missing(record.subject.or(record.expression).map(|s| lens.graph.text(s)))
    }),
    fact!("pull_request", Bool, "whether tokens of pull requests come through", |_lens, _r, f| Value::Bool(
        f.pull_request
    )),
    fact!(
        "literal_wildcard",
        Bool,
        "whether the exact subject has a `*`, which matches nothing else",
        |_lens, _r, f| Value::Bool(f.literal_wildcard)
    ),
    fact!(
        "looseness",
        Text,
        "which parts are open, in words; or that a literal star matches nothing",
        |_lens, _r, f| Value::Text(&f.looseness)
    ),
    fact!(
        "open",
        List,
        "parts of the expression that are open: owner, repository, environment, namespace, service account, ref",
        |_lens, _r, f| Value::List(&f.open)
    ),
    fact!("wrong_audiences", List, "audiences that are not this cloud's", |_lens, _r, f| Value::List(
        &f.wrong_audiences
    )),
    fact!("expected_audience", Text, "this cloud's audience", |_lens, _r, f| Value::Text(
        f.expected_audience
    )),
    fact!(
        "organisation",
        Text,
        "the organisation in the subject; empty if none",
        |_lens, _r, f| Value::Text(f.organisation.as_deref().unwrap_or(""))
    ),
    fact!(
        "untrusted",
        Bool,
        "whether [federation] trusted is configured and lacks the organisation",
        |_lens, _r, f| Value::Bool(f.trusted == Some(false))
    ),
    fact!(
        "name_verdict",
        Text,
        "what the naming convention says: fits, fails, exempt, not-judged",
        |_lens, _r, f| super::identity::naming_verdict(&f.naming)
    ),
    fact!("name_why", Text, "which part of the name does not fit", |_lens, _r, f| {
        super::identity::naming_why(&f.naming)
    }),
    fact!("name_proposal", Text, "a name that fits", |_lens, _r, f| super::identity::naming_proposal(
        &f.naming
    )),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_by_host_and_tenant() {
        let class = |url: &str, subject: &str| {
            let (host, path) = split_url(url);
            class_of(&host, &path, subject, Some("T1"))
        };
        assert_eq!(class("https://token.actions.githubusercontent.com", ""), "github");
        assert_eq!(class("https://vstoken.dev.azure.com/x", ""), "azure-devops");
        assert_eq!(class("https://login.microsoftonline.com/t1/v2.0", "/eid1/c/pub/t/x"), "azure-devops");
        assert_eq!(class("https://login.microsoftonline.com/t2/v2.0", "x"), "entra-foreign");
        assert_eq!(class("https://westeurope.oic.prod-aks.azure.com/t1/guid/", ""), "aks");
        assert_eq!(class("https://evil-oic.prod-aks.azure.com.example/t1", ""), "unknown");
        assert_eq!(class("https://notgitlab.com", ""), "unknown");
    }

    #[test]
    fn open_parts_of_patterns() {
        let open = |pattern: &str| open_parts("github", pattern).join(",");
        assert_eq!(open("repo:contoso/app:ref:refs/heads/*"), "ref");
        assert_eq!(open("repo:contoso/*:ref:refs/heads/main"), "repository");
        assert_eq!(open("repo:contoso/app:environment:*"), "environment");
        assert_eq!(open("repo:contoso/app:*"), "environment");
        assert_eq!(open("repo:*"), "owner,environment");
        assert_eq!(open("*"), "owner");
        assert_eq!(open("repo:contoso/app:environment:prod"), "");
        assert_eq!(open_parts("aks", "system:serviceaccount:ns:*").join(","), "service account");
        assert_eq!(matched_pattern("claims['sub'] matches 'repo:a/*'").as_deref(), Some("repo:a/*"));
        assert_eq!(
            matched_pattern("claims['sub'] matches system:serviceaccount:ns:*").as_deref(),
            Some("system:serviceaccount:ns:*")
        );
        assert_eq!(matched_pattern("claims['sub'] eq 'x'"), None);
    }

    #[test]
    fn organisations_with_and_without_ids() {
        assert_eq!(organisation("github", "repo:contoso@12/app@34:ref:x").as_deref(), Some("contoso"));
        assert_eq!(organisation("github", "repo:contoso/app:pull_request").as_deref(), Some("contoso"));
        assert_eq!(organisation("unknown", "repo:contoso/app"), None);
    }
}
