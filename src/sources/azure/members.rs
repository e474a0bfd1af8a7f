//! Members of groups, through groups inside them, from Microsoft Graph's batches: twenty answers in one, each with a
//! status of its own.
//!
//! Source: "Combine multiple HTTP requests using JSON batching" and "List group transitive members" of Microsoft Graph.

use super::scheduler::Refusal;
use crate::model::Reason;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a group so far.
#[derive(Debug, Default)]
pub(super) struct Group {
    name: Option<String>,
    members: BTreeSet<String>,
    /// The directory does not have it.
    gone: bool,
    pub(super) refused: Option<Refusal>,
}

#[derive(Deserialize)]
struct Batch {
    responses: Vec<Response>,
}

#[derive(Deserialize)]
struct Response {
    id: String,
    status: u16,
    #[serde(default)]
    body: Body,
}

#[derive(Deserialize, Default)]
struct Body {
    value: Option<Vec<Member>>,
    #[serde(rename = "displayName")]
    name: Option<String>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
    error: Option<Error>,
}

#[derive(Deserialize)]
struct Member {
    id: Option<String>,
}

#[derive(Deserialize)]
struct Error {
    code: Option<String>,
}

/// What is asked of a group: its name, and the service principals in it.
pub(super) fn first(group: &str) -> [String; 2] {
    [
        format!("/groups/{group}?$select=id,displayName"),
        format!(
            "/groups/{group}/transitiveMembers/microsoft.graph.servicePrincipal?$select=id&$count=true&$top=999"
        ),
    ]
}

/// Whether a body is the answer to a batch.
pub(super) fn whole(body: &[u8]) -> bool {
    serde_json::from_slice::<Batch>(body).is_ok()
}

/// Takes the answers in; what has to be asked again, or asked on, comes back.
pub(super) fn take<'g>(
    body: &[u8],
    asked: &[(usize, String)],
    groups: &'g [String],
    found: &mut BTreeMap<&'g str, Group>,
) -> Vec<(usize, String)> {
    let responses = serde_json::from_slice::<Batch>(body).map(|b| b.responses).unwrap_or_default();
    let mut answers: BTreeMap<usize, Response> =
        responses.into_iter().filter_map(|r| Some((r.id.parse().ok()?, r))).collect();
    let mut more = Vec::new();
    for (n, (at, path)) in asked.iter().enumerate() {
        let Some(name) = groups.get(*at) else { continue };
        let group = found.entry(name).or_default();
        // An answer that did not come is asked for again.
        let Some(answer) = answers.remove(&n) else {
            more.push((*at, path.clone()));
            continue;
        };
        match answer.status {
            200..=299 => {
                group.name = answer.body.name.or(group.name.take());
                let members = answer.body.value.into_iter().flatten();
                group.members.extend(members.filter_map(|m| m.id));
                if let Some(next) = answer.body.next.as_deref().and_then(within_service) {
                    more.push((*at, next));
                }
            }
            429 | 500..=599 => more.push((*at, path.clone())),
            404 => group.gone = true,
            status => {
                let code = answer.body.error.and_then(|e| e.code).unwrap_or_else(|| status.to_string());
                let reason = if status == 403 { Reason::Forbidden } else { Reason::Failed };
                group.refused = Some(Refusal::new(reason, format!("a group's members: {code}")));
            }
        }
    }
    more
}

/// The path of a next page inside the batch's own service, without its version: a batch names no hosts.
fn within_service(link: &str) -> Option<String> {
    let path = link.split_once("://").map_or(link, |(_, rest)| rest.split_once('/').map_or("", |(_, p)| p));
    let (_version, path) = path.trim_start_matches('/').split_once('/')?;
    Some(format!("/{path}"))
}

/// One page with a record for each group that is there.
pub(super) fn page(found: &BTreeMap<&str, Group>) -> Vec<u8> {
    let there = found.iter().filter(|(_, g)| !g.gone && g.refused.is_none());
    let record = |(id, group): (&&str, &Group)| {
        let members: Vec<_> = group.members.iter().map(|m| json!({"id": m})).collect();
        json!({"@odata.type": "#microsoft.graph.group", "id": id, "displayName": group.name, "members": members})
    };
    json!({"value": there.map(record).collect::<Vec<_>>()}).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_put_together_whatever_their_order() {
        let groups = ["g1".to_owned(), "g2".to_owned()];
        let asked: Vec<(usize, String)> =
            groups.iter().enumerate().flat_map(|(n, g)| first(g).map(|p| (n, p))).collect();
        let body = json!({"responses": [
            {"id": "3", "status": 429, "body": {"error": {"code": "TooManyRequests"}}},
            {"id": "1", "status": 200, "body": {"value": [{"id": "m1"}], "@odata.nextLink": "https://graph.microsoft.com/v1.0/groups/g1/transitiveMembers/microsoft.graph.servicePrincipal?$skiptoken=x"}},
            {"id": "0", "status": 200, "body": {"id": "g1", "displayName": "Admins"}},
            {"id": "2", "status": 404, "body": {"error": {"code": "Request_ResourceNotFound"}}},
        ]});
        let mut found = BTreeMap::new();
        let more = take(body.to_string().as_bytes(), &asked, &groups, &mut found);
        let next = "/groups/g1/transitiveMembers/microsoft.graph.servicePrincipal?$skiptoken=x".to_owned();
        assert_eq!(more, [(0, next), (1, first("g2")[1].clone())]);
        let page: serde_json::Value = serde_json::from_slice(&page(&found)).unwrap();
        assert_eq!(page["value"].as_array().unwrap().len(), 1);
        assert_eq!(page["value"][0]["displayName"], "Admins");
        assert_eq!(page["value"][0]["members"][0]["id"], "m1");
    }
}
