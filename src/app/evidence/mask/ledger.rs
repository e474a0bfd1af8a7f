//! A ledger over pseudonyms.

use super::{Masking, unread};
use crate::app::error::AppError;
use crate::model::{Instant, is_guid};
use crate::policy::people::{same_person, unnamed};
use crate::review::{Body, Chain, Entry};
use serde_json::Value;
use std::collections::HashMap;

/// Fields that hold who decides with whom. Owners come first, and are called as in the tables.
const PEOPLE: [&str; 4] = ["owner", "created_by", "reviewer", "second"];

/// Names of a ledger with their pseudonyms.
#[derive(Default)]
struct People {
    exactly: HashMap<String, String>,
    all: Vec<(String, String)>,
}

impl Masking {
    /// The ledger over pseudonyms, chained anew: the same entries at the same times.
    pub(in crate::app::evidence) fn ledger(&mut self, chain: &Chain) -> Result<Vec<u8>, AppError> {
        let mut out = Vec::new();
        let mut anew = Chain::default();
        let mut items: HashMap<String, String> = HashMap::new();
        let mut people = People::default();
        for entry in chain.entries() {
            let mut value = serde_json::to_value(entry).map_err(unread)?;
            if let Value::Object(members) = &mut value {
                let role_id = members.get("role_id").and_then(Value::as_str).unwrap_or_default().to_owned();
                for (key, value) in members.iter_mut() {
                    match value {
                        Value::String(name) if PEOPLE.contains(&key.as_str()) => {
                            *name = self.person(name, &mut people);
                        }
                        _ => self.entry(key, value, &role_id),
                    }
                }
            }
            let mut masked: Entry = serde_json::from_value(value).map_err(unread)?;
            let renamed = |items: &HashMap<String, String>, item: &String| {
                items.get(item).cloned().unwrap_or_else(|| item.clone())
            };
            match &mut masked.body {
                Body::Item(item) => {
                    let id = item.id();
                    items.insert(std::mem::replace(&mut item.item, id.clone()), id);
                }
                Body::Decided(decision) => decision.item = renamed(&items, &decision.item),
                Body::Closed(closed) => {
                    for item in &mut closed.undecided {
                        *item = renamed(&items, item);
                    }
                }
                Body::Opened(_) | Body::Imported(_) => {}
            }
            let at = Instant::parse(&entry.at).ok_or_else(|| unread(format!("`{}` is no time", entry.at)))?;
            out.extend(anew.lines(at, vec![masked.body]).map_err(unread)?);
        }
        Ok(out)
    }

    /// A name's pseudonym. Spellings of one person stay one person, and what names nobody names nobody.
    fn person(&mut self, name: &str, people: &mut People) -> String {
        // Whoever made a grant is known by an object id, which has one spelling but for its case; there may be thousands.
        let id = is_guid(name).then(|| name.to_ascii_lowercase());
        let key = id.as_deref().unwrap_or(name);
        if let Some(known) = people.exactly.get(key) {
            return known.clone();
        }
        if id.is_some() {
            let pseudonym = self.mask.text(name);
            people.exactly.insert(key.to_owned(), pseudonym.clone());
            return pseudonym;
        }
        let alike = people.all.iter().find(|(other, _)| same_person(other, name));
        let pseudonym = match alike {
            _ if name.trim().is_empty() => String::new(),
            _ if unnamed(name).is_some() => "n/a".to_owned(),
            Some((_, pseudonym)) => pseudonym.clone(),
            None => self.mask.text(name),
        };
        people.exactly.insert(name.to_owned(), pseudonym.clone());
        people.all.push((name.to_owned(), pseudonym.clone()));
        pseudonym
    }

    fn entry(&mut self, key: &str, value: &mut Value, role_id: &str) {
        const KEPT: [&str; 29] = [
            "schema",
            "at",
            "previous",
            "kind",
            "due",
            "collected_at",
            "second_approver",
            "sha256",
            "item",
            "verdict",
            "expires",
            "undecided",
            "identity_kind",
            "environment",
            "role_kind",
            "scope_level",
            "state",
            "created_on",
            "last_used",
            "last_used_source",
            "findings",
            "risk",
            "previous_decision",
            "previous_date",
            "recommendation",
            "suggested_role_kind",
            "seq",
            "privileged",
            "new_privileged",
        ];
        let Value::String(text) = value else { return };
        if KEPT.contains(&key) || key == "via" && text == "direct" {
            return;
        }
        // The digest of a file is a name of it, not its text.
        if key == "file" && text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return;
        }
        *text = match key {
            "condition" => self.mask.condition(text),
            "recommendation_reason" | "justification" | "exceptions" | "statement" => self.mask.prose(text),
            "role" if !role_id.is_empty() && self.mask.role(role_id) == role_id => return,
            "role" | "role_id" | "new_role" | "suggested_role" => self.mask.role(text),
            _ => self.mask.text(text),
        };
    }
}
