//! What each kind of element becomes: a record of the estate, something to plan by, or a gap that says it could not be
//! read. Not here: pages and what is made of them (`gather`).

use super::gather::Gather;
use super::listing::{self, Listing, Shape};
use super::target::Planned;
use crate::model::{Gap, Instant, Reason, Scope, SignIn, Source};
use crate::sources::arm::Became;
use crate::sources::scan::Position;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

/// What tells texts apart without keeping them.
pub fn digest(bytes: &[u8]) -> [u8; 16] {
    let mut first = [0; 16];
    first.iter_mut().zip(Sha256::digest(bytes)).for_each(|(to, from)| *to = from);
    first
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignInRow {
    app_id: Option<String>,
    last_sign_in_activity: Option<LastActivity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LastActivity {
    last_sign_in_date_time: Option<String>,
}

#[derive(Deserialize)]
struct CountRow {
    #[serde(rename = "subscriptionId")]
    subscription_id: String,
    count_: u64,
}

#[derive(Deserialize)]
struct RoleRow<'a> {
    id: String,
    #[serde(borrow)]
    properties: Option<&'a RawValue>,
}

impl Gather {
    pub(super) fn element(&mut self, listing: &Listing, bytes: &[u8]) {
        match listing.shape {
            Shape::Records | Shape::Members(_) => {
                self.shared(listing, bytes);
            }
            Shape::Principals => {
                if let Err(why) = self.records.lowering.principal_record(bytes) {
                    self.unparsed(listing, &why);
                }
            }
            Shape::Roles => self.role(listing, bytes, false),
            Shape::RolePlan => self.plan_role(listing, bytes),
            Shape::Plan | Shape::Again => match Planned::of(bytes) {
                Ok(None) => {}
                Ok(Some(planned)) if listing.shape == Shape::Again => {
                    self.seen_again.insert(planned.id);
                }
                Ok(Some(planned)) => {
                    self.planned.insert(planned);
                    if self.without_graph {
                        self.record(listing, bytes);
                    }
                }
                Err(why) => self.unparsed(listing, why),
            },
            Shape::Hints => {
                #[derive(Deserialize)]
                struct Row {
                    id: String,
                }
                if let Ok(Row { id }) = serde_json::from_slice(bytes) {
                    self.hints.push(id);
                }
            }
            Shape::Associated => self.association(listing, bytes),
            Shape::SignIns => self.sign_in(listing, bytes),
            Shape::Vaults => {
                if let Err(why) = self.records.lowering.vault_line(bytes) {
                    self.unparsed(listing, &why);
                }
            }
            Shape::Tree => self.branch(listing, bytes),
            Shape::Stores => self.store(listing, bytes),
            Shape::AppRoles => self.app_roles(listing, bytes),
            Shape::Counts => match serde_json::from_slice::<CountRow>(bytes) {
                Ok(row) => {
                    self.counted.insert(row.subscription_id.to_ascii_lowercase(), row.count_);
                }
                Err(_) => {
                    self.incomplete(listing, Reason::Unparsed, "a count without `subscriptionId`", None)
                }
            },
        }
    }

    /// Something below a management group: what it is, its own list says.
    fn branch(&mut self, listing: &Listing, bytes: &[u8]) {
        #[derive(Deserialize)]
        struct Row {
            id: String,
            properties: Place,
        }
        #[derive(Deserialize)]
        struct Place {
            parent: Above,
        }
        #[derive(Deserialize)]
        struct Above {
            id: String,
        }
        match serde_json::from_slice::<Row>(bytes) {
            Ok(row) => self.lowering.lies_below(&row.id, &row.properties.parent.id),
            Err(_) => self.unparsed(listing, "something below a management group, without a parent"),
        }
    }

    fn association(&mut self, listing: &Listing, bytes: &[u8]) {
        #[derive(Deserialize)]
        struct Row {
            id: Option<String>,
        }
        match serde_json::from_slice::<Row>(bytes) {
            Ok(Row { id: Some(id) }) if !id.is_empty() => {
                self.associated.entry(listing.scope.clone()).or_default().insert(id);
            }
            _ => self.unparsed(listing, "a resource that uses an identity, without `id`"),
        }
    }

    fn sign_in(&mut self, listing: &Listing, bytes: &[u8]) {
        let row = match serde_json::from_slice::<SignInRow>(bytes) {
            Ok(SignInRow { app_id: Some(id), last_sign_in_activity }) if !id.is_empty() => {
                (id, last_sign_in_activity.and_then(|a| a.last_sign_in_date_time))
            }
            _ => return self.unparsed(listing, "a sign-in without `appId`"),
        };
        // The report lists some without any time: nothing is known of those.
        let (id, Some(time)) = row else { return };
        match Instant::parse(&time) {
            Some(last) => {
                let estate = &mut self.records.lowering.estate;
                let principal = estate.strings.intern(&id);
                estate.sign_ins.push(SignIn { principal, last });
            }
            None => self.unparsed(listing, "a sign-in whose time is none"),
        }
    }

    /// One item that could not be read: its list is not whole.
    pub(super) fn unparsed(&mut self, listing: &Listing, detail: &str) {
        self.unparsed_at(listing, &listing.scope, detail);
    }

    fn unparsed_at(&mut self, listing: &Listing, scope: &str, detail: &str) {
        for source in listing.sources {
            self.short_of(Gap::new(*source, scope, Reason::Unparsed, detail));
        }
    }

    /// Takes a record in; whether it became one.
    fn record(&mut self, listing: &Listing, bytes: &[u8]) -> bool {
        let lowering = self.lowering_of(listing, bytes);
        // A page is no file of the user's: where in it a record stands says nothing.
        let became = lowering.record(bytes, Position { line: 0, column: 0 });
        let said = std::mem::take(&mut lowering.estate.gaps);
        match became {
            Became::Record(source) if listing.sources.contains(&source) => {
                if source == Source::Identities {
                    self.follow_last();
                }
                return true;
            }
            // A vault is a resource, too.
            Became::Record(Source::Vaults) if listing.is_inventory() => return true,
            // Only the inventory holds kinds that nobody reads.
            Became::Unread if listing.is_inventory() => {
                for gap in said {
                    *self.unread.entry(gap.detail).or_default() += 1;
                }
                return true;
            }
            _ => {}
        }
        // What was asked for is known: whatever is none of it is an item that could not be read.
        if said.is_empty() {
            self.unparsed(listing, "a record of another kind than was asked for");
        }
        for gap in said {
            let scope = if gap.scope.is_empty() { &listing.scope } else { &gap.scope };
            self.unparsed_at(listing, scope, &gap.detail);
        }
        false
    }

    /// The identity that came last has a list of its own behind it.
    fn follow_last(&mut self) {
        let estate = &self.records.lowering.estate;
        let id = estate.identities.last().map(|i| estate.strings.text(i.id).to_owned());
        self.follow.extend(id);
    }

    /// What is granted above a scope stands in the lists of all scopes below: thousands of times in a large tenant. What
    /// could not be read is told for each list that it stands in.
    fn shared(&mut self, listing: &Listing, bytes: &[u8]) {
        let own = listing.scope.is_empty() || memchr::memmem::find(bytes, listing.scope.as_bytes()).is_some();
        if own {
            self.record(listing, bytes);
            return;
        }
        let key = (listing.sources.first().copied(), digest(bytes));
        if !self.inherited.contains(&key) && self.record(listing, bytes) {
            self.inherited.insert(key);
        }
    }

    fn plan_role(&mut self, listing: &Listing, bytes: &[u8]) {
        #[derive(Deserialize)]
        struct Row {
            properties: Properties,
        }
        #[derive(Deserialize)]
        struct Properties {
            #[serde(rename = "assignableScopes")]
            scopes: Vec<String>,
        }
        match serde_json::from_slice::<Row>(bytes) {
            Ok(row) => {
                let homes = row.properties.scopes.iter().filter_map(|s| Scope::parse(s)?.subscription);
                self.role_homes.extend(homes.map(str::to_ascii_lowercase));
                self.planned_roles.push(bytes.to_vec());
            }
            Err(_) => self.unparsed(listing, "a custom role without `assignableScopes`"),
        }
    }

    /// Roles that no scope listed: those for resource groups alone are in no subscription's list.
    pub(super) fn take_planned_roles(&mut self) {
        let listing = listing::role_plan();
        for role in std::mem::take(&mut self.planned_roles) {
            self.role(&listing, &role, true);
        }
    }

    /// Every scope lists the roles that can be assigned on it, each time with an id of its own. They are known by their
    /// last segment; the estate gets each once, under an id that no scope decides.
    fn role(&mut self, listing: &Listing, bytes: &[u8], only_new: bool) {
        let Ok(RoleRow { id, properties: Some(properties) }) = serde_json::from_slice(bytes) else {
            self.record(listing, bytes);
            return;
        };
        let key = crate::model::role_key(&id).to_ascii_lowercase();
        if only_new && self.roles.contains_key(&key) {
            return;
        }
        let seen = digest(properties.get().as_bytes());
        if self.roles.insert(key.clone(), seen) == Some(seen) {
            return;
        }
        let id = serde_json::Value::from(format!("/providers/Microsoft.Authorization/roleDefinitions/{key}"));
        let kind = "Microsoft.Authorization/roleDefinitions";
        let record = format!("{{\"id\":{id},\"type\":\"{kind}\",\"properties\":{}}}", properties.get());
        self.record(listing, record.as_bytes());
    }
}
