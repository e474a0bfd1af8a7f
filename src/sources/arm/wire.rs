//! The shapes of Azure's answers that we read, borrowed from the bytes. Every field may be absent or null: what a
//! record needs is decided in `lower`, which says what is missing.

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A text, borrowed unless it has escapes. (`Option<Cow<str>>` alone would always be copied.)
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize, Debug)]
pub(in crate::sources) struct Text<'a>(#[serde(borrow)] pub(in crate::sources) Cow<'a, str>);

impl Text<'_> {
    pub(in crate::sources) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// What says which kind of record an object is.
#[derive(Deserialize, Debug)]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow, rename = "@odata.type", alias = "odata.type")]
    pub(super) odata: Option<Text<'a>>,
    #[serde(borrow, rename = "objectType")]
    pub(super) object: Option<Text<'a>>,
    #[serde(borrow, rename = "servicePrincipalType")]
    pub(super) principal: Option<&'a RawValue>,
    #[serde(borrow, rename = "securityEnabled")]
    pub(super) group: Option<&'a RawValue>,
    #[serde(borrow, rename = "homeTenantId")]
    pub(super) account: Option<&'a RawValue>,
    #[serde(borrow, rename = "appRoleId")]
    pub(super) app_role: Option<&'a RawValue>,
    #[serde(borrow, rename = "directoryScopeId")]
    pub(super) directory_scope: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) responses: Option<Responses<'a>>,
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<ErrorBody<'a>>,
    #[serde(borrow, rename = "resultTruncated", alias = "result_truncated")]
    pub(super) truncated: Option<&'a RawValue>,
    #[serde(borrow, rename = "$skipToken", alias = "skip_token", alias = "skipToken")]
    pub(super) skip: Option<&'a RawValue>,
    #[serde(borrow, rename = "totalRecords", alias = "total_records")]
    pub(super) total: Option<&'a RawValue>,
}

impl Head<'_> {
    /// What says that a list goes on or was cut.
    pub(super) fn ends(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let ends =
            [("resultTruncated", self.truncated), ("$skipToken", self.skip), ("totalRecords", self.total)];
        ends.into_iter().filter_map(|(key, value)| Some((key, value?.get())))
    }
}

/// What Azure answers when it refuses.
#[derive(Deserialize, Debug)]
pub(super) struct ErrorBody<'a> {
    #[serde(borrow)]
    pub(super) code: Option<Text<'a>>,
}

/// An official example.
#[derive(Deserialize, Debug)]
pub(super) struct Responses<'a> {
    #[serde(borrow, rename = "200")]
    pub(super) ok: Option<Answer<'a>>,
}

#[derive(Deserialize, Debug)]
pub(super) struct Answer<'a> {
    #[serde(borrow)]
    pub(super) body: Option<&'a RawValue>,
}

/// Resource Graph's older form.
#[derive(Deserialize, Debug)]
pub(super) struct DataTable<'a> {
    pub(super) columns: Vec<Column>,
    #[serde(borrow)]
    pub(super) rows: Vec<&'a RawValue>,
}

impl DataTable<'_> {
    /// A row as an object.
    pub(super) fn object(&self, row: &RawValue) -> Result<String, serde_json::Error> {
        let row: Vec<&RawValue> = serde_json::from_str(row.get())?;
        let mut object = String::from("{");
        for (column, value) in self.columns.iter().zip(&row) {
            if object.len() > 1 {
                object.push(',');
            }
            object.push_str(&serde_json::Value::from(column.name.as_str()).to_string());
            object.push(':');
            object.push_str(value.get());
        }
        object.push('}');
        Ok(object)
    }
}

#[derive(Deserialize, Debug)]
pub(super) struct Column {
    pub(super) name: String,
}

/// The frame that most records share. `properties` is read again once the kind is known; the command-line tools
/// leave it out and put its members beside `id`.
#[derive(Deserialize, Debug)]
pub(super) struct Record<'a, P> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Text<'a>>,
    pub(super) properties: Option<P>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Assignment<'a> {
    #[serde(borrow)]
    pub(super) principal_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) principal_type: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) role_definition_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) scope: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) condition: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) description: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) delegated_managed_identity_resource_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) created_on: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) created_by: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) updated_on: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) end_date_time: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) origin_role_assignment_id: Option<Text<'a>>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Role<'a> {
    #[serde(borrow)]
    pub(super) role_name: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) role_type: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) assignable_scopes: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(super) permissions: Option<Vec<Permission<'a>>>,
    #[serde(borrow)]
    pub(super) updated_on: Option<Text<'a>>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Permission<'a> {
    #[serde(borrow)]
    pub(super) actions: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(super) not_actions: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(super) data_actions: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(super) not_data_actions: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(super) condition: Option<Text<'a>>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deny<'a> {
    #[serde(borrow)]
    pub(super) deny_assignment_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) permissions: Option<Vec<Permission<'a>>>,
    #[serde(borrow)]
    pub(super) scope: Option<Text<'a>>,
    pub(super) do_not_apply_to_child_scopes: Option<bool>,
    #[serde(borrow)]
    pub(super) principals: Option<Vec<Ref<'a>>>,
    #[serde(borrow)]
    pub(super) exclude_principals: Option<Vec<Ref<'a>>>,
    #[serde(borrow)]
    pub(super) deny_assignment_effect: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) condition: Option<Text<'a>>,
}

#[derive(Deserialize, Debug)]
pub(super) struct Ref<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
}

/// A resource of any kind; its properties stay bytes.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) location: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) tags: TagMap<'a>,
    #[serde(borrow)]
    pub(super) identity: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) system_data: Option<SystemData<'a>>,
    #[serde(borrow)]
    pub(super) properties: Option<&'a RawValue>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct SystemData<'a> {
    #[serde(borrow)]
    pub(super) created_at: Option<Text<'a>>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Block<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) principal_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) tenant_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) user_assigned_identities:
        Option<std::collections::BTreeMap<Cow<'a, str>, Option<Attached<'a>>>>,
    #[serde(borrow)]
    pub(super) identity_ids: Option<Vec<Text<'a>>>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attached<'a> {
    #[serde(borrow)]
    pub(super) principal_id: Option<Text<'a>>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Identity<'a> {
    #[serde(borrow)]
    pub(super) tenant_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) principal_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) client_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) isolation_scope: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) assignment_restrictions: Option<Restrictions<'a>>,
}

#[derive(Deserialize, Debug)]
pub(super) struct Restrictions<'a> {
    #[serde(borrow)]
    pub(super) providers: Option<Vec<Text<'a>>>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Federated<'a> {
    #[serde(borrow)]
    pub(super) issuer: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) subject: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) audiences: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(super) claims_matching_expression: Option<Expression<'a>>,
}

#[derive(Deserialize, Debug)]
pub(super) struct Expression<'a> {
    #[serde(borrow)]
    pub(super) value: Option<Text<'a>>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Container<'a> {
    #[serde(borrow)]
    pub(super) display_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) tenant_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) details: Option<Details<'a>>,
    #[serde(borrow)]
    pub(super) children: Option<Vec<Ref<'a>>>,
    #[serde(borrow)]
    pub(super) management_group_ancestors_chain: Option<Vec<Ref<'a>>>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Details<'a> {
    #[serde(borrow)]
    pub(super) parent: Option<Ref<'a>>,
    #[serde(borrow)]
    pub(super) management_group_ancestors_chain: Option<Vec<Ref<'a>>>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Vault<'a> {
    pub(super) enable_rbac_authorization: Option<bool>,
    #[serde(borrow)]
    pub(super) access_policies: Option<Vec<AccessPolicy<'a>>>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccessPolicy<'a> {
    #[serde(borrow)]
    pub(super) object_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) permissions: Option<std::collections::BTreeMap<Cow<'a, str>, Option<Vec<Text<'a>>>>>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Policy<'a> {
    #[serde(borrow)]
    pub(super) display_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) policy_definition_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) policy_rule: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) policy_definitions: Option<Vec<Member<'a>>>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Member<'a> {
    #[serde(borrow)]
    pub(super) policy_definition_id: Option<Text<'a>>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct DirectoryObject<'a> {
    #[serde(borrow, alias = "objectId")]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) display_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) app_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) service_principal_type: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) alternative_names: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(super) members: Option<Vec<Ref<'a>>>,
    #[serde(borrow, rename = "members@odata.nextLink")]
    pub(super) more_members: Option<Text<'a>>,
}

/// Tags. Values that are no text (some tools write numbers) are taken as text; a null value as an empty one.
#[derive(Debug, Default)]
pub(super) struct TagMap<'a>(pub(super) Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for TagMap<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tags<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Tags<'a> {
            type Value = TagMap<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tags")
            }
            fn visit_unit<E: de::Error>(self) -> Result<TagMap<'a>, E> {
                Ok(TagMap::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<TagMap<'a>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(TagMap::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TagMap<'a>, A::Error> {
                let mut tags = Vec::new();
                while let Some(key) = map.next_key::<Text<'a>>()? {
                    tags.push((key.0, map.next_value::<TagValue<'a>>()?.0));
                }
                Ok(TagMap(tags))
            }
        }
        deserializer.deserialize_any(Tags(std::marker::PhantomData))
    }
}

struct TagValue<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for TagValue<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw: &'a RawValue = Deserialize::deserialize(deserializer)?;
        let text = serde_json::from_str::<Text<'a>>(raw.get()).map(|t| t.0);
        Ok(TagValue(text.unwrap_or_else(|_| if raw.get() == "null" { "".into() } else { raw.get().into() })))
    }
}
