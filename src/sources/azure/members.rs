//! Members of groups, through groups inside them, from Microsoft Graph's batches: twenty answers in one, each with a
//! status of its own. An answer that is not what was asked for is no empty group.
//!
//! Source: "Combine multiple HTTP requests using JSON batching" and "List group transitive members" of Microsoft Graph.

use super::scheduler::{PATIENCE, Refusal, TRIES};
use crate::model::Reason;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What is known of a group so far.
#[derive(Debug, Default)]
struct Group {
    id: String,
    name: Option<String>,
    members: BTreeSet<String>,
    /// The directory does not have it.
    gone: bool,
    refused: Option<Refusal>,
}

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum For {
    Name,
    Members,
    MoreMembers,
}

#[derive(Clone, Debug)]
struct Open {
    group: usize,
    what: For,
    path: String,
    tries: u32,
    pauses: u32,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    responses: Vec<Response<'a>>,
}

#[derive(Deserialize)]
struct Response<'a> {
    id: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, serde_json::Value>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

impl Response<'_> {
    fn body<T: for<'d> Deserialize<'d>>(&self) -> Option<T> {
        serde_json::from_str(self.body?.get()).ok()
    }

    fn retry_after(&self) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }
}

#[derive(Deserialize)]
struct Members {
    value: Vec<Member>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Member {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    display_name: Option<String>,
}

#[derive(Deserialize)]
struct Failed {
    error: Error,
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
    serde_json::from_slice::<Batch<'_>>(body).is_ok()
}

/// The members of several groups, as they come.
#[derive(Debug)]
pub(super) struct Found {
    groups: Vec<Group>,
    open: VecDeque<Open>,
    asked: Vec<Open>,
    batches: usize,
}

impl Found {
    /// Nothing is known yet of these groups.
    pub(super) fn new(groups: &[String]) -> Found {
        let open = groups.iter().enumerate().flat_map(|(group, id)| {
            let [name, members] = first(id);
            let open = move |what, path| Open { group, what, path, tries: 0, pauses: 0 };
            [open(For::Name, name), open(For::Members, members)]
        });
        let open = open.collect();
        let groups = groups.iter().map(|id| Group { id: id.clone(), ..Group::default() }).collect();
        Found { groups, open, asked: Vec::new(), batches: 0 }
    }

    /// The paths of the next batch; `None` when all is known or given up.
    pub(super) fn next(&mut self, most: usize) -> Option<Vec<String>> {
        self.batches += 1;
        if self.batches > 2000 {
            for open in self.open.drain(..) {
                let refusal = Refusal::new(Reason::Truncated, "the members of a group do not end");
                if let Some(group) = self.groups.get_mut(open.group) {
                    group.refused = Some(refusal);
                }
            }
        }
        let groups = &self.groups;
        self.open.retain(|o| groups.get(o.group).is_some_and(|g| g.refused.is_none() && !g.gone));
        self.asked = self.open.drain(..most.min(self.open.len())).collect();
        let paths: Vec<String> = self.asked.iter().map(|o| o.path.clone()).collect();
        (!paths.is_empty()).then_some(paths)
    }

    /// Takes the answers in. If some were put off: how long Azure says, and how often in a row it has.
    pub(super) fn take(&mut self, body: &[u8]) -> Option<(Option<String>, u32)> {
        let responses = serde_json::from_slice::<Batch<'_>>(body).map(|b| b.responses).unwrap_or_default();
        let mut answers: BTreeMap<usize, Response<'_>> = BTreeMap::new();
        let mut twice = BTreeSet::new();
        for response in responses {
            let Ok(at) = response.id.parse() else { continue };
            if answers.insert(at, response).is_some() {
                twice.insert(at);
            }
        }
        let mut put_off: Option<(Option<String>, u32)> = None;
        for (at, open) in std::mem::take(&mut self.asked).into_iter().enumerate() {
            match answers.remove(&at).filter(|_| !twice.contains(&at)) {
                Some(answer) if answer.status == 429 => {
                    let pauses = open.pauses + 1;
                    let asked = answer.retry_after();
                    let seconds = |t: &Option<String>| t.as_ref().and_then(|t| t.parse::<u64>().ok());
                    put_off = match put_off {
                        Some((longest, n)) if seconds(&longest) >= seconds(&asked) => {
                            Some((longest, n.max(pauses)))
                        }
                        Some((_, n)) => Some((asked, n.max(pauses))),
                        None => Some((asked, pauses)),
                    };
                    if pauses >= PATIENCE {
                        let detail = format!("Azure asked {PATIENCE} times to slow down");
                        self.refuse(open.group, Reason::Throttled, &detail);
                    } else {
                        self.open.push_back(Open { pauses, ..open });
                    }
                }
                Some(answer) => self.answered(open, &answer),
                None => self.again(open, "a group's members: no answer of its own came"),
            }
        }
        put_off
    }

    fn refuse(&mut self, group: usize, reason: Reason, detail: &str) {
        if let Some(group) = self.groups.get_mut(group) {
            group.refused = Some(Refusal::new(reason, detail));
        }
    }

    /// Asks once more, as often as anything is asked.
    fn again(&mut self, open: Open, why: &str) {
        if open.tries + 1 >= TRIES {
            self.refuse(open.group, Reason::Failed, why);
        } else {
            self.open.push_back(Open { tries: open.tries + 1, ..open });
        }
    }

    fn answered(&mut self, open: Open, answer: &Response<'_>) {
        let Some(group) = self.groups.get_mut(open.group) else { return };
        match (answer.status, open.what) {
            (200..=299, For::Name) => group.name = answer.body::<Named>().and_then(|n| n.display_name),
            (200..=299, _) => {
                let Some(members) = answer.body::<Members>() else {
                    return self.again(open, "a group's members: the answer is no list of them");
                };
                group.members.extend(members.value.into_iter().map(|m| m.id));
                let Some(link) = members.next.filter(|l| !l.is_empty()) else { return };
                match within_service(&link) {
                    Some(path) => {
                        self.open.push_back(Open {
                            what: For::MoreMembers,
                            path,
                            tries: 0,
                            pauses: 0,
                            ..open
                        });
                    }
                    None => self.refuse(
                        open.group,
                        Reason::Truncated,
                        "a group's members: the next page cannot be found",
                    ),
                }
            }
            // Without a name it goes by its id; whether it is there, its members say.
            (404, For::Name) => {}
            (404, For::Members) => group.gone = true,
            (403, For::Name) => {}
            (403, _) => self.refuse(open.group, Reason::Forbidden, &said(answer)),
            (408 | 500..=599, _) => self.again(open, &said(answer)),
            _ => self.refuse(open.group, Reason::Failed, &said(answer)),
        }
    }

    /// Groups that were given up.
    pub(super) fn refused(&self) -> Vec<(String, Refusal)> {
        self.groups.iter().filter_map(|g| Some((g.id.clone(), g.refused.clone()?))).collect()
    }

    /// One page with a record for each group that is there.
    pub(super) fn page(&self) -> Vec<u8> {
        let there = self.groups.iter().filter(|g| !g.gone && g.refused.is_none());
        let record = |group: &Group| {
            let members: Vec<_> = group.members.iter().map(|m| json!({"id": m})).collect();
            json!({"@odata.type": "#microsoft.graph.group", "id": group.id, "displayName": group.name,
                "members": members})
        };
        json!({"value": there.map(record).collect::<Vec<_>>()}).to_string().into_bytes()
    }
}

fn said(answer: &Response<'_>) -> String {
    let code = answer.body::<Failed>().and_then(|f| f.error.code);
    let code: String = code.unwrap_or_else(|| answer.status.to_string()).chars().take(80).collect();
    format!("a group's members: {code}")
}

/// The path of a next page inside the batch's own service, without its version: a batch names no hosts.
fn within_service(link: &str) -> Option<String> {
    let (_, rest) = link.split_once("://")?;
    let (_host, path) = rest.split_once('/')?;
    let (_version, path) = path.split_once('/')?;
    path.starts_with("groups/").then(|| format!("/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ids: &[&str]) -> Found {
        Found::new(&ids.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>())
    }

    fn answer(found: &mut Found, responses: &serde_json::Value) -> Option<(Option<String>, u32)> {
        found.take(json!({"responses": responses}).to_string().as_bytes())
    }

    const LINK: &str = "https://graph.microsoft.com/v1.0/groups/g1/transitiveMembers/microsoft.graph.servicePrincipal?$skiptoken=x";

    #[test]
    fn answers_are_put_together_whatever_their_order() {
        let mut found = found(&["g1", "g2"]);
        assert_eq!(found.next(20).unwrap().len(), 4);
        let pause = answer(
            &mut found,
            &json!([
                {"id": "3", "status": 429, "headers": {"Retry-After": "17"}, "body": {"error": {"code": "TooManyRequests"}}},
                {"id": "1", "status": 200, "body": {"value": [{"id": "m1"}], "@odata.nextLink": LINK}},
                {"id": "0", "status": 200, "body": {"id": "g1", "displayName": "Admins"}},
                {"id": "2", "status": 404, "body": {"error": {"code": "Request_ResourceNotFound"}}},
            ]),
        );
        assert_eq!(pause, Some((Some("17".to_owned()), 1)));
        let next = found.next(20).unwrap();
        assert_eq!(next.len(), 2);
        assert!(next.contains(&LINK.replace("https://graph.microsoft.com/v1.0", "")), "{next:?}");
        let gone = json!({"status": 404, "body": {}});
        let more = json!({"status": 200, "body": {"value": [{"id": "m2"}]}});
        let mut two = if next[0].contains("g1") { [more, gone] } else { [gone, more] };
        two[0]["id"] = "0".into();
        two[1]["id"] = "1".into();
        assert_eq!(answer(&mut found, &json!(two)), None);
        assert_eq!(found.next(20), None);
        let page: serde_json::Value = serde_json::from_slice(&found.page()).unwrap();
        assert_eq!(page["value"].as_array().unwrap().len(), 1);
        assert_eq!(page["value"][0]["displayName"], "Admins");
        assert_eq!(page["value"][0]["members"], json!([{"id": "m1"}, {"id": "m2"}]));
        assert!(found.refused().is_empty());
    }

    #[test]
    fn what_is_no_list_of_members_is_no_empty_group() {
        for odd in [
            json!({"id": "1", "status": 200}),
            json!({"id": "1", "status": 200, "body": {}}),
            json!({"id": "1", "status": 200, "body": {"value": null}}),
            json!({"id": "1", "status": 200, "body": {"value": [{"id": null}]}}),
            json!({"id": "1", "status": 200, "body": "PGh0bWw+"}),
            json!({"id": "1", "status": 200, "body": {"error": {"code": "x"}}}),
            json!({"id": "7", "status": 200, "body": {"value": []}}),
            json!({"id": "1", "status": 502, "body": "PGh0bWw+"}),
        ] {
            let mut found = found(&["g1"]);
            let mut batches = 0;
            while let Some(paths) = found.next(20) {
                batches += 1;
                let at = paths.iter().position(|p| p.contains("transitive")).unwrap();
                let mut odd = odd.clone();
                if odd["id"] == "1" {
                    odd["id"] = at.to_string().into();
                }
                let name = json!({"id": (1 - at).to_string(), "status": 200, "body": {"displayName": "n"}});
                answer(&mut found, &json!([name, odd]));
            }
            assert_eq!((batches, found.refused().len()), (8, 1), "{odd}");
        }
    }

    #[test]
    fn a_next_page_that_cannot_be_found_is_said() {
        for (page, reason) in [
            (json!({"value": [], "@odata.nextLink": "next"}), Reason::Truncated),
            (json!({"value": [], "@odata.nextLink": "https://graph.microsoft.com"}), Reason::Truncated),
            (
                json!({"value": [], "@odata.nextLink": "https://graph.microsoft.com/v1.0/users/x"}),
                Reason::Truncated,
            ),
        ] {
            let mut found = found(&["g1"]);
            found.next(20).unwrap();
            answer(
                &mut found,
                &json!([{"id": "0", "status": 200, "body": {}}, {"id": "1", "status": 200, "body": page}]),
            );
            assert_eq!(found.refused()[0].1.reason, reason);
        }
        let mut found = found(&["g1"]);
        found.next(20).unwrap();
        let page = json!({"value": [{"id": "m"}], "@odata.nextLink": LINK});
        answer(&mut found, &json!([{"id": "0", "status": 404}, {"id": "1", "status": 200, "body": page}]));
        found.next(20).unwrap();
        answer(&mut found, &json!([{"id": "0", "status": 404}]));
        // A page that is gone is not a group that is gone.
        assert_eq!(found.refused()[0].1.reason, Reason::Failed);
    }
}
