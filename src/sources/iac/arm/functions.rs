//! Functions of templates that look at their arguments, and at where the template is deployed to.
//!
//! Source: "ARM template functions". What is not here, or would need a value that is not known, gives a symbol.

use super::evaluate::number;
use super::frame::Frame;
use super::frame::open;
use super::symbols::{
    OPEN, changed, composed, digest, has_known, has_unknown, is_no_key, is_open, is_state, is_unknown,
    may_be, segments, state_of, surely_has, symbol,
};
use serde_json::{Map, Value as Json, json};

/// Calls a function by its name in lower case.
pub(super) fn call(frame: &Frame<'_>, name: &str, values: &[Json]) -> Json {
    known(frame, name, values).unwrap_or_else(|| {
        let all: Vec<&Json> = values.iter().collect();
        if matches!(name, "guid" | "uniquestring") {
            // Different arguments give different names, however they are spelled.
            return symbol(&format!("{name} {}", digest(&Json::from(values.to_vec()).to_string())));
        }
        if name == "newguid" {
            // Another each time.
            return symbol(&format!("newguid {}", frame.run.next()));
        }
        composed(|words| format!("{name}({})", words.join("|").replace('/', "\u{2215}")), &all)
    })
}

fn known(frame: &Frame<'_>, name: &str, values: &[Json]) -> Option<Json> {
    let get = |n: usize| values.get(n).unwrap_or(&Json::Null);
    let text = |n: usize| get(n).as_str();
    let int = |n: usize| number(get(n));
    let all_known = !values.iter().any(has_unknown);
    Some(match name {
        "resourceid"
        | "subscriptionresourceid"
        | "tenantresourceid"
        | "extensionresourceid"
        | "managementgroupresourceid" => return resource_id(frame, name, values),
        "reference" => state_of(&id_of(frame, text(0)?)),
        // With a name, one is a scope of Bicep.
        "subscription" => {
            let id = text(0).map_or_else(|| subscription_of(&frame.names.place), str::to_owned);
            open(
                json!({"id": format!("/subscriptions/{id}"), "subscriptionId": id, "tenantId": "${tenant}", "displayName": "${subscription name}"}),
            )
        }
        "resourcegroup" => {
            let place = &frame.names.place;
            let id = match (text(0), text(1)) {
                (Some(subscription), Some(group)) => {
                    format!("/subscriptions/{subscription}/resourceGroups/{group}")
                }
                (Some(group), None) => {
                    format!("/subscriptions/{}/resourceGroups/{group}", subscription_of(place))
                }
                _ => own_group(place),
            };
            open(
                json!({"id": id, "name": id.rsplit('/').next(), "location": "${location}", "tags": "${tags}"}),
            )
        }
        "managementgroup" => {
            let named = |name: &str| format!("/providers/Microsoft.Management/managementGroups/{name}");
            let id = text(0).map_or_else(|| frame.names.place.clone(), named);
            open(json!({"id": id, "name": id.rsplit('/').next()}))
        }
        "tenant" => open(json!({"tenantId": "${tenant}", "id": "/"})),
        "deployer" => open(json!({"objectId": "${deployer}", "tenantId": "${tenant}"})),
        "deployment" => {
            let properties = open(json!({}));
            open(json!({"name": frame.names.deployment, "location": "${location}", "properties": properties}))
        }
        // Which cloud it will be is not known.
        "environment" => symbol("environment"),
        // A built-in role by its name.
        "roledefinitions" => {
            let role = frame.run.catalog.role_by_name(text(0)?)?.guid;
            json!({"id": format!("/providers/Microsoft.Authorization/roleDefinitions/{role}"), "roleDefinitionId": role})
        }
        "any" => get(0).clone(),
        "null" => Json::Null,
        "true" => Json::Bool(true),
        "false" => Json::Bool(false),
        "createarray" => values.to_vec().into(),
        "createobject" => {
            let mut made = Map::new();
            for pair in values.chunks(2) {
                let (Some(Json::String(key)), Some(value)) = (pair.first(), pair.get(1)) else { continue };
                let key = own_key(&made, key);
                made.insert(key, value.clone());
            }
            Json::Object(made)
        }
        "concat" if values.iter().all(Json::is_array) => {
            values.iter().flat_map(|v| v.as_array().cloned().unwrap_or_default()).collect()
        }
        // A list that is not known is no text.
        "concat" if values.iter().any(Json::is_array) => return None,
        "concat" => Json::String(values.iter().map(shown).collect()),
        // A text of Bicep with values put in.
        "interpolate" => Json::String(values.iter().map(put_in).collect()),
        "format" => Json::String(format(text(0)?, values.get(1..)?)),
        "string" if values.first().is_some_and(Json::is_string) => get(0).clone(),
        "string" if !get(0).is_object() && !get(0).is_array() => Json::String(put_in(get(0))),
        "string" => return None,
        "coalesce" => {
            let mut rest = values.iter().skip_while(|v| v.is_null());
            match (rest.next(), rest.next()) {
                (None, _) => Json::Null,
                // It may be nothing, and then something else counts.
                (Some(first), Some(_)) if is_unknown(first) && !is_state(first) => return None,
                (Some(first), _) => first.clone(),
            }
        }
        "tryget" => values.get(1..)?.iter().try_fold(get(0).clone(), |at, key| {
            if is_unknown(&at) || !is_no_key(&at, key) && has_unknown(key) {
                return None;
            }
            let found = match key {
                Json::String(key) => at.get(key),
                key => key.as_u64().and_then(|n| at.get(usize::try_from(n).ok()?)),
            };
            (found.is_some() || !is_open(&at)).then(|| found.cloned().unwrap_or_default())
        })?,
        "union" => return union(values),
        "shallowmerge" => {
            let objects = get(0).as_array()?;
            if objects.iter().any(is_unknown) {
                return None;
            }
            let mut merged = Map::new();
            for (key, value) in objects.iter().filter_map(Json::as_object).flatten() {
                let same = own_key(&merged, key);
                merged.insert(same, value.clone());
            }
            Json::Object(merged)
        }
        "equals" if all_known => Json::Bool(equal(get(0), get(1))?),
        // The same words are the same, whatever they will be.
        "equals" if get(0) == get(1) => Json::Bool(true),
        "equals" => {
            let (a, b) = (text(0)?, text(1)?);
            let differ = match (has_unknown(get(0)), has_unknown(get(1))) {
                (true, false) => !may_be(a, b),
                (false, true) => !may_be(b, a),
                _ => false,
            };
            return differ.then_some(Json::Bool(false));
        }
        "not" => Json::Bool(!get(0).as_bool()?),
        "and" => {
            if values.iter().any(|v| v == &Json::Bool(false)) {
                Json::Bool(false)
            } else {
                Json::Bool(
                    values.iter().map(Json::as_bool).collect::<Option<Vec<_>>>()?.into_iter().all(|v| v),
                )
            }
        }
        "or" => {
            if values.iter().any(|v| v == &Json::Bool(true)) {
                Json::Bool(true)
            } else {
                Json::Bool(
                    values.iter().map(Json::as_bool).collect::<Option<Vec<_>>>()?.into_iter().any(|v| v),
                )
            }
        }
        "bool" => match get(0) {
            Json::Bool(b) => Json::Bool(*b),
            Json::String(t) if all_known => Json::Bool(t.eq_ignore_ascii_case("true") || t == "1"),
            other => Json::Bool(other.as_i64()? != 0),
        },
        "empty" if !is_unknown(get(0)) => Json::Bool(match get(0) {
            Json::Null => true,
            Json::String(t) if all_known || has_known(t) => t.is_empty(),
            Json::String(_) => return None,
            Json::Array(a) => a.is_empty(),
            Json::Object(o) if !o.is_empty() && o.keys().all(|k| k == OPEN) => return None,
            Json::Object(o) => o.is_empty(),
            _ => false,
        }),
        "length" if !is_unknown(get(0)) => Json::from(match get(0) {
            Json::String(t) if !t.contains("${") => t.chars().count(),
            Json::Array(a) => a.len(),
            Json::Object(o) if !is_open(get(0)) => o.len(),
            _ => return None,
        }),
        "contains" if !is_unknown(get(0)) => match get(0) {
            Json::String(t) if all_known => Json::Bool(t.contains(text(1)?)),
            Json::String(t) if !has_unknown(get(1)) && surely_has(t, text(1)?) => Json::Bool(true),
            // The same words are the same; others may be, too.
            Json::Array(a) if a.iter().any(|i| i == get(1)) => Json::Bool(true),
            Json::Array(_) if all_known => Json::Bool(false),
            Json::Object(o) if !has_unknown(get(1)) => {
                let key = text(1)?;
                let there = o.keys().any(|k| k.eq_ignore_ascii_case(key));
                if !there && is_open(get(0)) {
                    return None;
                }
                Json::Bool(there)
            }
            _ => return None,
        },
        "first" | "last" if !is_unknown(get(0)) => {
            let end = name == "last";
            match get(0) {
                Json::Array(a) => if end { a.last() } else { a.first() }.cloned().unwrap_or_default(),
                Json::String(t) if all_known => {
                    let c = if end { t.chars().last() } else { t.chars().next() };
                    Json::String(c.map(String::from).unwrap_or_default())
                }
                _ => return None,
            }
        }
        "take" | "skip" if !is_unknown(get(0)) => {
            let n = usize::try_from(int(1)?).unwrap_or(0);
            let take = name == "take";
            match get(0) {
                Json::Array(a) => {
                    if take {
                        a.iter().take(n).cloned().collect()
                    } else {
                        a.iter().skip(n).cloned().collect()
                    }
                }
                Json::String(t) if all_known => {
                    Json::String(if take { t.chars().take(n).collect() } else { t.chars().skip(n).collect() })
                }
                _ => return None,
            }
        }
        "substring" if all_known => {
            let start = usize::try_from(int(1)?).ok()?;
            let length = int(2).and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
            Json::String(text(0)?.chars().skip(start).take(length).collect())
        }
        "split" if all_known => {
            let separators: Vec<String> = match get(1) {
                Json::String(one) => vec![one.clone()],
                Json::Array(many) => many.iter().filter_map(|s| s.as_str().map(str::to_owned)).collect(),
                _ => return None,
            };
            let mut parts = vec![text(0)?.to_owned()];
            for separator in separators.iter().filter(|s| !s.is_empty()) {
                parts = parts
                    .iter()
                    .flat_map(|p| p.split(separator.as_str()).map(str::to_owned).collect::<Vec<_>>())
                    .collect();
            }
            parts.into_iter().map(Json::String).collect()
        }
        // An id that is not known whole still has its segments.
        "split" if text(1) == Some("/") && text(0)?.starts_with('/') => {
            segments(text(0)?).into_iter().map(Json::from).collect()
        }
        "join" => {
            let items = get(0).as_array()?;
            Json::String(items.iter().map(shown).collect::<Vec<_>>().join(text(1)?))
        }
        "replace" if all_known => {
            Json::String(text(0)?.replace(text(1).filter(|t| !t.is_empty())?, text(2)?))
        }
        "tolower" if all_known => Json::String(text(0)?.to_lowercase()),
        "toupper" if all_known => Json::String(text(0)?.to_uppercase()),
        "trim" if all_known => Json::String(text(0)?.trim().to_owned()),
        "tolower" => Json::String(changed(text(0)?, "tolower", str::to_lowercase)),
        "toupper" => Json::String(changed(text(0)?, "toupper", str::to_uppercase)),
        "startswith" if all_known => {
            Json::Bool(text(0)?.to_lowercase().starts_with(&text(1)?.to_lowercase()))
        }
        "endswith" if all_known => Json::Bool(text(0)?.to_lowercase().ends_with(&text(1)?.to_lowercase())),
        "indexof" if all_known => {
            let at = text(0)?.to_lowercase().find(&text(1)?.to_lowercase());
            Json::from(at.and_then(|n| i64::try_from(n).ok()).unwrap_or(-1))
        }
        "padleft" if all_known => {
            let (shown, width) = (shown(get(0)), usize::try_from(int(1)?).ok()?.min(500));
            let fill = text(2).and_then(|t| t.chars().next()).unwrap_or(' ');
            let missing = width.saturating_sub(shown.chars().count());
            Json::String(std::iter::repeat_n(fill, missing).collect::<String>() + &shown)
        }
        "int" => Json::from(int(0)?),
        "array" if get(0).is_array() => get(0).clone(),
        "array" => vec![get(0).clone()].into(),
        "json" if all_known => serde_json::from_str(text(0)?).ok()?,
        "range" => {
            let (start, count) = (int(0)?, int(1)?.clamp(0, 10_000));
            (start..start.checked_add(count)?).map(Json::from).collect()
        }
        "add" | "sub" | "mul" | "div" | "mod" | "min" | "max" => return arithmetic(name, values),
        "less" | "lessorequals" | "greater" | "greaterorequals" => {
            let order = match (get(0), get(1)) {
                (Json::Number(a), Json::Number(b)) => a.as_i64()?.cmp(&b.as_i64()?),
                _ if all_known => text(0)?.cmp(text(1)?),
                _ => return None,
            };
            Json::Bool(match name {
                "less" => order.is_lt(),
                "lessorequals" => order.is_le(),
                "greater" => order.is_gt(),
                _ => order.is_ge(),
            })
        }
        "flatten" if get(0).as_array()?.iter().any(is_unknown) => return None,
        "flatten" => get(0)
            .as_array()?
            .iter()
            .flat_map(|v| v.as_array().cloned().unwrap_or_else(|| vec![v.clone()]))
            .collect(),
        "items" if is_open(get(0)) => return None,
        "items" => {
            let mut pairs: Vec<_> = get(0).as_object()?.iter().collect();
            pairs.sort_by_key(|(k, _)| k.to_lowercase());
            pairs.into_iter().map(|(k, v)| json!({"key": k, "value": v})).collect()
        }
        "objectkeys" if is_open(get(0)) => return None,
        "objectkeys" => get(0).as_object()?.keys().map(|k| Json::from(k.as_str())).collect(),
        "intersection" if !all_known => return None,
        "intersection" => {
            let first = get(0).as_array()?;
            let others = values.get(1..)?;
            let in_all = |i: &&Json| others.iter().all(|o| o.as_array().is_some_and(|o| o.contains(i)));
            first.iter().filter(in_all).cloned().collect()
        }
        "uri" => {
            Json::String(format!("{}/{}", text(0)?.trim_end_matches('/'), text(1)?.trim_start_matches('/')))
        }
        _ => return None,
    })
}

/// A value inside a text.
fn shown(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A value put into a text: words begin large, and null is nothing.
fn put_in(value: &Json) -> String {
    match value {
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Null => String::new(),
        other => shown(other),
    }
}

/// `None` for a number and a text of it: which one a parameter is depends on who gives it.
fn equal(a: &Json, b: &Json) -> Option<bool> {
    let same = number(a).is_some() && number(a) == number(b);
    match (a.is_string(), b.is_string()) {
        (true, true) => Some(a == b),
        (false, false) => Some(a == b || same),
        _ => (!same).then_some(false),
    }
}

/// `{0}` and `{0:D3}`.
fn format(pattern: &str, values: &[Json]) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(open) = rest.find(['{', '}']) {
        out.push_str(rest.get(..open).unwrap_or_default());
        rest = rest.get(open..).unwrap_or_default();
        if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
            out.push(if rest.starts_with('{') { '{' } else { '}' });
            rest = after;
            continue;
        }
        let close = rest.find('}');
        let inner = close.and_then(|c| rest.get(1..c)).unwrap_or_default();
        let (at, how) = inner.split_once(':').unwrap_or((inner, ""));
        match at.parse::<usize>().ok().and_then(|n| values.get(n)) {
            Some(value) => {
                let width = how.strip_prefix(['D', 'd']).and_then(|w| w.parse::<usize>().ok()).unwrap_or(0);
                out.push_str(&match number(value).filter(|_| width > 0) {
                    Some(number) => format!("{number:0>width$}", width = width.min(50)),
                    None => put_in(value),
                });
            }
            None => out.push_str(close.and_then(|c| rest.get(..=c)).unwrap_or(rest)),
        }
        rest = close.and_then(|c| rest.get(c + 1..)).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The key of an object that a name means: templates do not mind case.
fn own_key(object: &Map<String, Json>, name: &str) -> String {
    if object.contains_key(name) {
        return name.to_owned();
    }
    let same = object.keys().find(|k| k.eq_ignore_ascii_case(name));
    same.map_or_else(|| name.to_owned(), Clone::clone)
}

fn union(values: &[Json]) -> Option<Json> {
    if values.iter().any(is_unknown) {
        return None;
    }
    if values.iter().any(Json::is_array) {
        let mut seen = std::collections::HashSet::new();
        let items = values.iter().filter_map(Json::as_array).flatten();
        return Some(items.filter(|item| seen.insert(item.to_string())).cloned().collect());
    }
    let mut merged = Map::new();
    let objects: Vec<_> = values.iter().filter_map(Json::as_object).collect();
    if objects.is_empty() {
        return None;
    }
    for object in objects {
        for (key, value) in object {
            let key = own_key(&merged, key);
            let slot = merged.entry(key).or_insert(Json::Null);
            *slot = match (&*slot, value) {
                (Json::Object(_), Json::Object(_)) => union(&[slot.clone(), value.clone()])?,
                (old, new) if new.is_object() && is_unknown(old) || old.is_object() && is_unknown(new) => {
                    composed(|words| words.join(" and "), &[old, new])
                }
                _ => value.clone(),
            };
        }
    }
    Some(merged.into())
}

fn arithmetic(name: &str, values: &[Json]) -> Option<Json> {
    let list = values.first().and_then(Json::as_array).map_or(values, Vec::as_slice);
    let numbers = list.iter().map(number).collect::<Option<Vec<_>>>()?;
    let (a, b) = (numbers.first().copied()?, numbers.get(1).copied());
    Some(Json::from(match name {
        "add" => a.checked_add(b?)?,
        "sub" => a.checked_sub(b?)?,
        "mul" => a.checked_mul(b?)?,
        "div" => a.checked_div(b?)?,
        "mod" => a.checked_rem(b?)?,
        "min" => numbers.into_iter().min()?,
        _ => numbers.into_iter().max()?,
    }))
}

fn subscription_of(place: &str) -> String {
    let inside = place.strip_prefix("/subscriptions/").and_then(|r| r.split('/').next());
    inside.unwrap_or("${subscription}").to_owned()
}

/// The id of the resource group that is deployed to.
fn own_group(place: &str) -> String {
    let group = place.to_ascii_lowercase().find("/resourcegroups/").and_then(|at| {
        let end = place.get(at + 16..)?.find('/').map_or(place.len(), |e| at + 16 + e);
        place.get(..end)
    });
    group.map_or_else(
        || format!("/subscriptions/{}/resourceGroups/${{resourceGroup}}", subscription_of(place)),
        str::to_owned,
    )
}

/// The id behind what `reference` is given: an id, or a symbolic name, `name[0]` in a loop.
fn id_of(frame: &Frame<'_>, text: &str) -> String {
    if text.starts_with('/') || text.starts_with("${") {
        return text.to_owned();
    }
    let (name, turn) = text.strip_suffix(']').and_then(|t| t.split_once('[')).unwrap_or((text, ""));
    let known = frame.id_of(name, turn.parse().ok()).or_else(|| deployment(frame, text));
    known.unwrap_or_else(|| text.to_owned())
}

/// The id of the deployment in a template that has this name, if just one has.
fn deployment(frame: &Frame<'_>, name: &str) -> Option<String> {
    let ends = format!("/providers/microsoft.resources/deployments/{}", name.to_ascii_lowercase());
    let outputs = frame.run.outputs.borrow();
    let place = frame.names.place.to_ascii_lowercase();
    let mut found =
        outputs.keys().filter(|id| id.ends_with(&ends) && id.starts_with(place.trim_end_matches('/')));
    found.next().filter(|_| found.next().is_none()).cloned()
}

fn resource_id(frame: &Frame<'_>, name: &str, values: &[Json]) -> Option<Json> {
    let texts: Vec<String> = values.iter().map(shown).collect();
    // What comes before the type says where.
    let at = texts.iter().position(|t| t.contains('/') && !t.starts_with('/') && t.contains('.'))?;
    let (before, rest) = texts.split_at_checked(at)?;
    let (kind, names) = rest.split_first()?;
    let base = match name {
        "tenantresourceid" => String::new(),
        "extensionresourceid" => values.first().map(shown)?,
        "managementgroupresourceid" => match before.first() {
            Some(group) => format!("/providers/Microsoft.Management/managementGroups/{group}"),
            None => frame.names.place.clone(),
        },
        "subscriptionresourceid" => {
            let own = subscription_of(&frame.names.place);
            format!("/subscriptions/{}", before.first().unwrap_or(&own))
        }
        _ => {
            let own = subscription_of(&frame.names.place);
            let folded = frame.names.place.to_ascii_lowercase();
            let group = folded.find("/resourcegroups/").and_then(|at| frame.names.place.get(at + 16..));
            let group = group.and_then(|g| g.split('/').next());
            match (before, group) {
                ([subscription, group], _) => format!("/subscriptions/{subscription}/resourceGroups/{group}"),
                ([group], Some(_)) => format!("/subscriptions/{own}/resourceGroups/{group}"),
                ([subscription], None) => format!("/subscriptions/{subscription}"),
                ([], Some(group)) => format!("/subscriptions/{own}/resourceGroups/{group}"),
                _ if frame.names.place.starts_with("/subscriptions/") => format!("/subscriptions/{own}"),
                _ => frame.names.place.trim_end_matches('/').to_owned(),
            }
        }
    };
    Some(Json::String(below(&base, kind, names)))
}

/// The id of a resource below a scope: names go between the segments of the type.
pub(super) fn below(base: &str, kind: &str, names: &[String]) -> String {
    let mut segments = kind.split('/');
    let mut id = format!("{}/providers/{}", base.trim_end_matches('/'), segments.next().unwrap_or_default());
    for (segment, name) in segments.zip(names) {
        id.push('/');
        id.push_str(segment);
        id.push('/');
        id.push_str(name);
    }
    id
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Names, Run};
    use super::super::modules::{Modules, Written};
    use super::*;
    use crate::rbac::Catalog;

    #[test]
    fn functions_give_what_their_pages_say() {
        let (modules, catalog) = (Modules::default(), Catalog::embedded());
        let run = Run::new(&modules, catalog);
        let names = Names::new("/subscriptions/s/resourceGroups/g", "d", Written::Json);
        let frame = Frame::new(names, &run);
        let is = |name: &str, values: Json, expected: Json| {
            let values = values.as_array().unwrap().clone();
            assert_eq!(call(&frame, name, &values), expected, "{name} {values:?}");
        };
        is("format", json!(["{0}-{1:D3}-{{x}}", "a", 7]), json!("a-007-{x}"));
        is("union", json!([{"a": {"b": 1}}, {"a": {"c": 2}}]), json!({"a": {"b": 1, "c": 2}}));
        is("union", json!([[1, 2], [2, 3]]), json!([1, 2, 3]));
        is("take", json!([[1, 2, 3], 2]), json!([1, 2]));
        is("split", json!(["a/b;c", ["/", ";"]]), json!(["a", "b", "c"]));
        is(
            "resourceid",
            json!(["Microsoft.Storage/storageAccounts", "x"]),
            json!("/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/x"),
        );
        is(
            "resourceid",
            json!(["h", "A.B/c/d", "x", "y"]),
            json!("/subscriptions/s/resourceGroups/h/providers/A.B/c/x/d/y"),
        );
        is(
            "subscriptionresourceid",
            json!(["Microsoft.Authorization/roleDefinitions", "r"]),
            json!("/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/r"),
        );
        is(
            "extensionresourceid",
            json!(["/subscriptions/t", "A.B/c", "x"]),
            json!("/subscriptions/t/providers/A.B/c/x"),
        );
        is("and", json!([true, "${x}", false]), json!(false));
        is("length", json!([{"a": 1}]), json!(1));
        is("contains", json!([{"Ab": 1}, "aB"]), json!(true));
        is("padleft", json!(["7", 3, "0"]), json!("007"));
        is("items", json!([{"b": 1, "a": 2}]), json!([{"key": "a", "value": 2}, {"key": "b", "value": 1}]));
        assert!(is_unknown(&call(&frame, "length", &[json!("${x}")])));
        assert!(is_unknown(&call(&frame, "listKeys", &[json!("x")])));
        assert!(is_unknown(&call(&frame, "div", &[json!(1), json!(0)])));
    }
}
