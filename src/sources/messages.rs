//! Runtime audit logs of Service Bus and Event Hubs: who sent and received messages, minute by minute.
//!
//! They name an application by its id, or the policy of a shared key, which is nobody in particular. Sources: "Azure Service
//! Bus monitoring data reference", "Azure Monitor table AZMSRunTimeAuditLogs". Not here: the activity log, vaults and
//! storage (`usage`).

use super::usage::{Event, Outcome, Record};
use crate::model::{Instant, is_guid, rfind_fold};
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Audit<'a> {
    #[serde(borrow, alias = "ActivityName_s")]
    activity_name: Option<Cow<'a, str>>,
    #[serde(borrow, alias = "AuthType_s")]
    auth_type: Option<Cow<'a, str>>,
    #[serde(borrow, alias = "AuthKey_s")]
    auth_key: Option<Cow<'a, str>>,
    #[serde(borrow, alias = "status_s", alias = "Status_s")]
    status: Option<Cow<'a, str>>,
    #[serde(
        borrow,
        alias = "time",
        alias = "Timestamp",
        alias = "TimeGenerated",
        alias = "TimeGenerated (UTC)"
    )]
    time: Option<Cow<'a, str>>,
    #[serde(borrow, alias = "_ResourceId", alias = "resourceId")]
    resource_id: Option<Cow<'a, str>>,
}

/// What a record says; none if it is no such log's.
pub(super) fn record(bytes: &[u8]) -> Option<Record> {
    let audit = serde_json::from_slice::<Audit<'_>>(bytes).ok()?;
    let (name, kind) = (audit.activity_name.as_deref()?, audit.auth_type.as_deref()?);
    let Some(at) = audit.time.as_deref().and_then(moment) else { return Some(Record::Broken("its time")) };
    let resource = audit.resource_id.as_deref().unwrap_or_default();
    let Some((provider, scope)) = namespace(resource) else { return Some(Record::Broken("its namespace")) };
    // What came with a shared key, or under a name, is of nobody who could be told.
    let who = audit.auth_key.as_deref().filter(|key| is_guid(key) && !kind.eq_ignore_ascii_case("SAS"));
    let does = match name {
        "SendMessage" => "send",
        "ReceiveMessage" | "PeekLockMessage" => "receive",
        // To connect and to be let in take no right of their own.
        _ => return Some(Record::Nothing(Some(at))),
    };
    let Some(who) = who else { return Some(Record::Nothing(Some(at))) };
    let done = audit.status.as_deref().is_some_and(|s| s.eq_ignore_ascii_case("success"));
    Some(Record::Event(Event {
        who: who.to_ascii_lowercase(),
        operation: format!("{provider}/namespaces/messages/{does}/action"),
        data: true,
        scope: scope.to_owned(),
        at,
        outcome: if done { Outcome::Done } else { Outcome::Failed },
    }))
}

/// The provider and the id of the namespace in what a log calls a resource, which goes on with the namespace's name.
fn namespace(resource: &str) -> Option<(&'static str, &str)> {
    let all = [
        ("microsoft.servicebus", "/Microsoft.ServiceBus/namespaces/"),
        ("microsoft.eventhub", "/Microsoft.EventHub/namespaces/"),
    ];
    all.into_iter().find_map(|(provider, part)| {
        let name = rfind_fold(resource, part)? + part.len();
        let end = resource.get(name..)?.find('/').map_or(resource.len(), |at| name + at);
        Some((provider, resource.get(..end).filter(|_| end > name)?))
    })
}

/// A moment as RFC 3339, or as these logs write it: `1/31/2026 8:40:06 PM +00:00`.
fn moment(text: &str) -> Option<Instant> {
    if let Some(known) = Instant::parse(text) {
        return Some(known);
    }
    let mut words = text.split_whitespace();
    let (date, clock, half, offset) = (words.next()?, words.next()?, words.next()?, words.next());
    let mut date = date.split('/').map(|n| n.parse::<u32>().ok());
    let (month, day, year) = (date.next()??, date.next()??, date.next()??);
    let (hour, rest) = clock.split_once(':')?;
    let hour = hour.parse::<u32>().ok().filter(|h| (1..=12).contains(h))? % 12;
    let hour = match half {
        "AM" => hour,
        "PM" => hour + 12,
        _ => return None,
    };
    Instant::parse(&format!("{year:04}-{month:02}-{day:02}T{hour:02}:{rest}{}", offset.unwrap_or("Z")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, kind: &str, key: &str, status: &str) -> Option<Record> {
        let text = format!(
            r#"{{"ActivityId":"x","ActivityName":"{name}","ResourceId":"/SUBSCRIPTIONS/S/RESOURCEGROUPS/G/PROVIDERS/MICROSOFT.SERVICEBUS/NAMESPACES/BUS/servicebus/bus",
            "Time":"1/31/2026 8:40:06 PM +00:00","Status":"{status}","Protocol":"AMQP","AuthType":"{kind}","AuthKey":"{key}","Count":3,"Category":"RuntimeAuditLogs"}}"#
        );
        record(text.as_bytes())
    }

    const WHO: &str = "0F0F0F0F-0000-4000-8000-000000000001";

    #[test]
    fn messages_are_rights_of_the_data_plane_at_the_namespace() {
        let Some(Record::Event(event)) = read("PeekLockMessage", "AAD", WHO, "Success") else { panic!() };
        assert_eq!(event.operation, "microsoft.servicebus/namespaces/messages/receive/action");
        assert!(
            event.scope.ends_with("/NAMESPACES/BUS") && event.data && event.who == WHO.to_ascii_lowercase()
        );
        assert_eq!((event.at.to_string().as_str(), event.outcome), ("2026-01-31T20:40:06Z", Outcome::Done));
        let table = format!(
            r#"{{"TimeGenerated":"2026-01-31T20:40:06Z","ActivityName":"SendMessage","AuthType":"AAD","AuthKey":"{WHO}","Status":"Failure","Provider":"EVENTHUB",
            "_ResourceId":"/subscriptions/s/resourcegroups/g/providers/microsoft.eventhub/namespaces/hub","Type":"AZMSRunTimeAuditLogs"}}"#
        );
        let Some(Record::Event(event)) = record(table.as_bytes()) else { panic!() };
        assert_eq!(event.operation, "microsoft.eventhub/namespaces/messages/send/action");
        assert_eq!(event.outcome, Outcome::Failed);
    }

    #[test]
    fn keys_names_and_connections_are_nobodys_use() {
        for (name, kind, key) in [
            ("SendMessage", "SAS", "RootManageSharedAccessKey"),
            ("SendMessage", "AAD", "an application"),
            ("ConnectionOpen", "AAD", WHO),
        ] {
            assert!(
                matches!(read(name, kind, key, "Success"), Some(Record::Nothing(Some(_)))),
                "{name} {key}"
            );
        }
        assert_eq!(record(br#"{"category":"AuditEvent"}"#), None);
        let nowhere = br#"{"ActivityName":"SendMessage","AuthType":"AAD","Time":"13/45/2026 99:00:00 PM"}"#;
        assert_eq!(record(nowhere), Some(Record::Broken("its time")));
    }

    #[test]
    fn noon_and_midnight_are_where_they_should_be() {
        let at = |text: &str| moment(text).map(|t| t.to_string());
        assert_eq!(at("2/1/2026 12:00:00 AM +00:00").as_deref(), Some("2026-02-01T00:00:00Z"));
        assert_eq!(at("2/1/2026 12:30:00 PM +02:00").as_deref(), Some("2026-02-01T10:30:00Z"));
        assert_eq!(at("2/1/2026 13:30:00 PM"), None);
    }
}
