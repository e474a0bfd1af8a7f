//! What people call things, to what the estate knows: identities and scopes, by any of their names.

use super::error::AppError;
use crate::graph::{AccessGraph, Identity, ScopeNode};
use crate::model::{Ix, Level, role_key};

/// A scope by its id, or a subscription, resource group, resource or management group by its name.
pub(super) fn scope(graph: &AccessGraph, text: &str) -> Result<Ix<ScopeNode>, AppError> {
    let estate = graph.estate();
    let bare = if text == "/" { text } else { text.trim_end_matches('/') };
    let by_id = |id: &str| estate.strings.find(id).and_then(|s| graph.scopes().find(estate, s));
    if let Some(found) = by_id(bare) {
        return Ok(found);
    }
    // What the inventory does not have lies in the nearest scope above that it has.
    let mut above = crate::model::Scope::parse(bare);
    while let Some(outer) = above {
        if let Some(found) = by_id(outer.text) {
            return Ok(found);
        }
        above = outer.parent();
    }
    let groups = estate.management_groups.iter().map(|g| (g.id, Some(g.name)));
    let subscriptions = estate.subscriptions.iter().map(|s| (s.id, Some(s.name)));
    let named = groups.chain(subscriptions);
    let named = named.chain(estate.resource_groups.iter().map(|g| (g.id, None)));
    let named = named.chain(estate.resources.iter().map(|r| (r.id, None)));
    let fits = |id: &str, name: Option<&str>| {
        role_key(id).eq_ignore_ascii_case(bare) || name.is_some_and(|n| n.eq_ignore_ascii_case(bare))
    };
    let found = named.filter(|(id, name)| fits(graph.text(*id), name.map(|n| graph.text(n))));
    let found: Vec<&str> = found.map(|(id, _)| graph.text(id)).collect();
    match found.as_slice() {
        [only] => {
            by_id(only).ok_or_else(|| AppError::internal("a scope of the inventory is not in the graph"))
        }
        [] => {
            Err(AppError::usage(format!("`{text}` is no scope that the estate knows"))
                .help(near(graph, bare)))
        }
        many => {
            let shown = many.iter().take(5).copied().collect::<Vec<_>>().join(", ");
            let message = format!("{} scopes are called `{text}`: {shown}", many.len());
            Err(AppError::usage(message).help("give its id"))
        }
    }
}

/// Names that look like one that is not there.
fn near(graph: &AccessGraph, wanted: &str) -> String {
    let nodes = graph.scopes().nodes().iter().map(|(_, node)| node);
    let named = nodes.filter(|n| n.level != Level::Resource).map(|n| role_key(graph.text(n.id)));
    let shown = graph.estate().subscriptions.iter().map(|s| graph.text(s.name));
    match closest(wanted, named.chain(shown)) {
        Some(name) => format!("is it `{name}`? Ids such as /subscriptions/…/resourceGroups/… are taken, too"),
        None => "give an id such as /subscriptions/…/resourceGroups/…, or a name".to_owned(),
    }
}

/// The text that is most like another, if one is much like it.
pub(super) fn closest<'t>(wanted: &str, from: impl Iterator<Item = &'t str>) -> Option<&'t str> {
    let wanted = wanted.to_ascii_lowercase();
    let scored =
        from.map(|text| (strsim::normalized_damerau_levenshtein(&wanted, &text.to_ascii_lowercase()), text));
    let best = scored.fold(None, |best: Option<(f64, &str)>, one| match best {
        Some(known) if known.0 >= one.0 => Some(known),
        _ => Some(one),
    });
    best.filter(|(score, _)| *score > 0.75).map(|(_, text)| text)
}

/// Finds an identity by name, ARM id, object id or application id.
pub(super) fn identity(graph: &AccessGraph, wanted: &str) -> Result<Ix<Identity>, AppError> {
    let fits = |identity: &Identity| {
        let ids = [identity.id, identity.client, identity.party.map(|p| graph.parties()[p].principal)];
        let by_id = ids
            .into_iter()
            .flatten()
            .any(|s| graph.text(s).eq_ignore_ascii_case(wanted.trim_end_matches('/')));
        (by_id, graph.identity_name(identity).eq_ignore_ascii_case(wanted))
    };
    let mut named = Vec::new();
    for (at, one) in graph.identities().iter() {
        match fits(one) {
            (true, _) => return Ok(at),
            (_, true) => named.push(at),
            _ => {}
        }
    }
    match named.as_slice() {
        [only] => Ok(*only),
        [] => {
            let names = graph.identities().iter().map(|(_, one)| graph.identity_name(one));
            let like = closest(wanted, names).map(|name| format!("is it `{name}`? ")).unwrap_or_default();
            Err(AppError::usage(format!("no identity `{wanted}` in the estate")).help(format!(
                "{like}give its name, ARM id, object id or application id; identities.csv lists them"
            )))
        }
        many => {
            let ids: Vec<&str> = many
                .iter()
                .filter_map(|at| graph.identities()[*at].id)
                .map(|s| graph.text(s))
                .take(5)
                .collect();
            let message = format!("{} identities are called `{wanted}`: {}", many.len(), ids.join(", "));
            Err(AppError::usage(message).help("give its ARM id or object id"))
        }
    }
}
