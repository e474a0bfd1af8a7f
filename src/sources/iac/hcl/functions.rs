//! Functions of Terraform that people use in names, scopes and loops, and operators. Others give what is not known.
//!
//! Source: "Built-in functions" of the Terraform language.

use super::evaluate::shown;
use crate::sources::iac::instance::{Mark, any_marks, has_marks};
use serde_json::{Map, Value as Json};

/// An operator; the right side is only worked out where the left does not decide.
pub(super) fn binary(operator: &str, left: &Json, right: impl FnOnce() -> Json) -> Json {
    match (operator, left) {
        ("&&", Json::Bool(false)) => return Json::Bool(false),
        ("||", Json::Bool(true)) => return Json::Bool(true),
        _ => {}
    }
    let right = right();
    let nothing = || Mark::unknown(&format!("{} {operator} {}", shown(left), shown(&right)));
    let numbers = || Some((left.as_f64()?, right.as_f64()?));
    let whole =
        |n: f64| if n.fract() == 0.0 && n.abs() < 9e15 { Json::from(n as i64) } else { Json::from(n) };
    match operator {
        "==" | "!=" => {
            // What is there is not null, whatever it will be.
            let same = match (Mark::of(left), Mark::of(&right)) {
                (Some(mark), None) | (None, Some(mark)) if left.is_null() || right.is_null() => {
                    if mark.is_unknown() { return nothing() } else { false }
                }
                _ if any_marks(left) || any_marks(&right) => return nothing(),
                // A number and a text of it are not the same, but which one a variable is depends on its type.
                _ if left.is_string() != right.is_string()
                    && !left.is_null()
                    && !right.is_null()
                    && shown(left) == shown(&right) =>
                {
                    return nothing();
                }
                _ => left == &right || left.is_number() && numbers().is_some_and(|(a, b)| a == b),
            };
            Json::Bool(same == (operator == "=="))
        }
        "&&" => match (left, &right) {
            (Json::Bool(true), Json::Bool(b)) => Json::Bool(*b),
            (_, Json::Bool(false)) => Json::Bool(false),
            _ => nothing(),
        },
        "||" => match (left, &right) {
            (Json::Bool(false), Json::Bool(b)) => Json::Bool(*b),
            (_, Json::Bool(true)) => Json::Bool(true),
            _ => nothing(),
        },
        _ => match (operator, numbers()) {
            ("+", Some((a, b))) => whole(a + b),
            ("-", Some((a, b))) => whole(a - b),
            ("*", Some((a, b))) => whole(a * b),
            ("/", Some((a, b))) if b != 0.0 => whole(a / b),
            ("%", Some((a, b))) if b != 0.0 => whole(a % b),
            ("<", Some((a, b))) => Json::Bool(a < b),
            ("<=", Some((a, b))) => Json::Bool(a <= b),
            (">", Some((a, b))) => Json::Bool(a > b),
            (">=", Some((a, b))) => Json::Bool(a >= b),
            _ => nothing(),
        },
    }
}

/// Functions that hand their values on without looking into them. All others need to know what they are given: a mark is no
/// text.
const THROUGH: &[&str] = &[
    "format",
    "join",
    "concat",
    "flatten",
    "merge",
    "lookup",
    "toset",
    "distinct",
    "tolist",
    "tomap",
    "compact",
    "coalesce",
    "coalescelist",
    "length",
    "keys",
    "values",
    "element",
    "one",
    "zipmap",
    "setproduct",
    "reverse",
    "slice",
    "setunion",
    "jsonencode",
    "tostring",
    "sensitive",
    "nonsensitive",
    "ephemeralasnull",
];

/// Calls a function.
pub(super) fn call(name: &str, values: &[Json]) -> Json {
    let open = !THROUGH.contains(&name) && values.iter().any(any_marks);
    known(name, values).filter(|_| !open).unwrap_or_else(|| {
        let arguments: Vec<String> = values.iter().map(shown).collect();
        Mark::unknown(&format!("{name}({})", arguments.join(", ")))
    })
}

fn list(value: &Json) -> Option<Vec<Json>> {
    match value {
        Json::Array(items) => Some(items.clone()),
        Json::Null => Some(Vec::new()),
        _ => None,
    }
}

/// A set: each once, texts in their order.
fn set(items: Vec<Json>) -> Vec<Json> {
    let mut items = unique(items);
    if items.iter().all(|i| i.is_string() && !any_marks(i)) {
        items.sort_by_key(shown);
    }
    items
}

fn unique(items: Vec<Json>) -> Vec<Json> {
    let mut kept: Vec<Json> = Vec::new();
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

fn known(name: &str, values: &[Json]) -> Option<Json> {
    let get = |n: usize| values.get(n).unwrap_or(&Json::Null);
    let text = |n: usize| get(n).as_str();
    let plain = |n: usize| get(n).as_str().filter(|t| !has_marks(t));
    let index = |n: usize| get(n).as_i64();
    Some(match name {
        "format" => Json::String(format(text(0)?, values.get(1..)?)?),
        "join" => {
            let items = values.get(1..)?.iter().map(list).collect::<Option<Vec<_>>>()?.concat();
            Json::String(items.iter().map(shown).collect::<Vec<_>>().join(text(0)?))
        }
        "concat" => values.iter().map(list).collect::<Option<Vec<_>>>()?.concat().into(),
        "flatten" => flat(get(0))?.into(),
        "merge" => {
            let mut merged = Map::new();
            for value in values.iter().filter(|v| !v.is_null()) {
                merged.extend(value.as_object()?.clone());
            }
            merged.into()
        }
        "lookup" if any_marks(get(1)) => return None,
        "lookup" => match get(0).as_object()?.get(&shown(get(1))) {
            Some(found) => found.clone(),
            None => values.get(2)?.clone(),
        },
        "toset" => set(list(get(0))?).into(),
        "distinct" => unique(list(get(0))?).into(),
        "tolist" => list(get(0))?.into(),
        "tomap" => Json::Object(get(0).as_object()?.clone()),
        "compact" => list(get(0))?.into_iter().filter(|v| !v.is_null() && v != "").collect(),
        "coalesce" => values.iter().find(|v| !v.is_null() && *v != "")?.clone(),
        "coalescelist" => values.iter().find(|v| v.as_array().is_some_and(|a| !a.is_empty()))?.clone(),
        "length" => match get(0) {
            Json::Array(items) => Json::from(items.len()),
            Json::Object(members) => Json::from(members.len()),
            Json::String(t) if !has_marks(t) => Json::from(t.chars().count()),
            _ => return None,
        },
        "keys" => get(0).as_object()?.keys().map(|k| Json::from(k.as_str())).collect(),
        "values" => get(0).as_object()?.values().cloned().collect(),
        "element" => {
            let items = list(get(0))?;
            let at = usize::try_from(index(1)?.rem_euclid(i64::try_from(items.len()).ok()?.max(1))).ok()?;
            items.get(at)?.clone()
        }
        "one" => list(get(0))?.into_iter().next().unwrap_or_default(),
        "contains" if !any_marks(get(0)) && !any_marks(get(1)) => Json::Bool(list(get(0))?.contains(get(1))),
        "index" => Json::from(list(get(0))?.iter().position(|v| v == get(1))?),
        "zipmap" => {
            let keys = list(get(0))?;
            Json::Object(keys.iter().map(shown).zip(list(get(1))?).collect())
        }
        "setproduct" => {
            let mut all: Vec<Vec<Json>> = vec![Vec::new()];
            for value in values {
                let items = list(value)?;
                if all.len().saturating_mul(items.len()) > 10_000 {
                    return None;
                }
                all = all
                    .iter()
                    .flat_map(|so_far| {
                        items.iter().map(|i| [so_far.clone(), vec![i.clone()]].concat()).collect::<Vec<_>>()
                    })
                    .collect();
            }
            all.into_iter().map(Json::from).collect()
        }
        "range" => {
            let (start, end) = if values.len() == 1 { (0, index(0)?) } else { (index(0)?, index(1)?) };
            let step = if values.len() > 2 {
                index(2)?
            } else if start > end {
                -1
            } else {
                1
            };
            let each = (0..10_000).map_while(|n| start.checked_add(step.checked_mul(n)?));
            let inside = |n: &i64| if step < 0 { *n > end } else { *n < end };
            if step == 0 {
                return None;
            }
            each.take_while(inside).map(Json::from).collect()
        }
        "reverse" => list(get(0))?.into_iter().rev().collect(),
        "sort" => {
            let mut items: Vec<String> = list(get(0))?.iter().map(shown).collect();
            items.sort();
            items.into_iter().map(Json::String).collect()
        }
        "slice" => {
            let (from, to) = (usize::try_from(index(1)?).ok()?, usize::try_from(index(2)?).ok()?);
            list(get(0))?.get(from..to)?.to_vec().into()
        }
        "setunion" => set(values.iter().map(list).collect::<Option<Vec<_>>>()?.concat()).into(),
        "setsubtract" => {
            let without = list(get(1))?;
            list(get(0))?.into_iter().filter(|v| !without.contains(v)).collect()
        }
        "lower" => Json::String(plain(0)?.to_lowercase()),
        "upper" => Json::String(plain(0)?.to_uppercase()),
        "title" => {
            let words = plain(0)?.split(' ').map(|w| {
                let mut chars = w.chars();
                chars
                    .next()
                    .map(|c| c.to_uppercase().collect::<String>() + chars.as_str())
                    .unwrap_or_default()
            });
            Json::String(words.collect::<Vec<_>>().join(" "))
        }
        "trimspace" | "chomp" => Json::String(text(0)?.trim().to_owned()),
        "trimprefix" => Json::String(text(0)?.strip_prefix(plain(1)?).unwrap_or(text(0)?).to_owned()),
        "trimsuffix" => Json::String(text(0)?.strip_suffix(plain(1)?).unwrap_or(text(0)?).to_owned()),
        "trim" => {
            let cut: Vec<char> = plain(1)?.chars().collect();
            Json::String(plain(0)?.trim_matches(cut.as_slice()).to_owned())
        }
        "replace" if !plain(1)?.starts_with('/') && !plain(1)?.is_empty() => {
            Json::String(text(0)?.replace(plain(1)?, plain(2)?))
        }
        "split" => text(1)?.split(plain(0)?).map(Json::from).collect(),
        "substr" => {
            let (start, length) =
                (usize::try_from(index(1)?).ok()?, usize::try_from(index(2)?).unwrap_or(usize::MAX));
            Json::String(plain(0)?.chars().skip(start).take(length).collect())
        }
        "startswith" => Json::Bool(plain(0)?.starts_with(plain(1)?)),
        "endswith" => Json::Bool(plain(0)?.ends_with(plain(1)?)),
        "basename" => Json::from(plain(0)?.rsplit('/').next().unwrap_or_default()),
        "jsonencode" => Json::String(get(0).to_string()),
        "jsondecode" => serde_json::from_str(plain(0)?).ok()?,
        "tostring" => Json::String(shown(get(0))),
        "tonumber" => match get(0) {
            Json::Number(_) => get(0).clone(),
            _ => Json::from(plain(0)?.parse::<i64>().ok()?),
        },
        "tobool" => match get(0) {
            Json::Bool(_) => get(0).clone(),
            _ => Json::Bool(plain(0)? == "true"),
        },
        "sensitive" | "nonsensitive" | "ephemeralasnull" => get(0).clone(),
        "min" | "max" => {
            let numbers = values.iter().map(Json::as_i64).collect::<Option<Vec<_>>>()?;
            Json::from(if name == "min" { numbers.into_iter().min()? } else { numbers.into_iter().max()? })
        }
        "alltrue" | "anytrue" if !any_marks(get(0)) => {
            let items = list(get(0))?;
            let yes = |v: &Json| v == &Json::Bool(true);
            Json::Bool(if name == "alltrue" { items.iter().all(yes) } else { items.iter().any(yes) })
        }
        _ => return None,
    })
}

fn flat(value: &Json) -> Option<Vec<Json>> {
    let mut out = Vec::new();
    for item in list(value)? {
        match item {
            Json::Array(_) => out.extend(flat(&item)?),
            other => out.push(other),
        }
    }
    Some(out)
}

/// `%s`, `%d`, `%02d`, `%-5s`, `%q`, `%v`, `%%`, each also with the number of its value: `%[1]s`. None for what is written
/// otherwise, or names a value that is not there.
fn format(pattern: &str, values: &[Json]) -> Option<String> {
    let mut out = String::new();
    let mut next = 0;
    let mut rest = pattern;
    while let Some((before, verb)) = rest.split_once('%') {
        out.push_str(before);
        let end = verb.find(|c: char| c.is_ascii_alphabetic() || c == '%')?;
        let (about, behind) = verb.split_at_checked(end)?;
        let kind = behind.chars().next()?;
        rest = behind.get(kind.len_utf8()..)?;
        if kind == '%' {
            out.push('%');
            continue;
        }
        let flags = match about.split_once('[') {
            Some((flags, number)) => {
                next = number.strip_suffix(']')?.parse::<usize>().ok()?.checked_sub(1)?;
                flags
            }
            None => about,
        };
        let value = values.get(next).map(shown)?;
        next += 1;
        let value = match kind {
            's' | 'd' | 'v' | 't' => value,
            'q' => format!("\"{value}\""),
            _ => return None,
        };
        let (flags, places) =
            flags.split_at_checked(flags.find(|c| ('1'..='9').contains(&c)).unwrap_or(flags.len()))?;
        if !flags.chars().all(|c| "+-# 0".contains(c)) {
            return None;
        }
        let width = if places.is_empty() { 0 } else { places.parse::<usize>().ok()?.min(200) };
        let missing = width.saturating_sub(value.chars().count());
        let fill = |c: char| std::iter::repeat_n(c, missing).collect::<String>();
        if flags.contains('-') {
            out.push_str(&value);
            out.push_str(&fill(' '));
        } else {
            out.push_str(&fill(if flags.contains('0') { '0' } else { ' ' }));
            out.push_str(&value);
        }
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn functions_give_what_their_pages_say() {
        let is = |name: &str, values: Json, expected: Json| {
            assert_eq!(call(name, values.as_array().unwrap()), expected, "{name} {values}");
        };
        is("format", json!(["id-%s-%02d%%", "a", 7]), json!("id-a-07%"));
        is("format", json!(["%[2]s/%[1]s/%s|%-4s|%4s|", "a", "b", "c", 4]), json!("b/a/b|c   |   4|"));
        is("join", json!(["-", ["a", "b"]]), json!("a-b"));
        is("merge", json!([{"a": 1}, null, {"a": 2, "b": 3}]), json!({"a": 2, "b": 3}));
        is("lookup", json!([{"a": 1}, "b", "c"]), json!("c"));
        is("flatten", json!([[1, [2, [3]]]]), json!([1, 2, 3]));
        is("toset", json!([["a", "a", "b"]]), json!(["a", "b"]));
        is("setproduct", json!([["a", "b"], [1]]), json!([["a", 1], ["b", 1]]));
        is("toset", json!([["b", "a", "b"]]), json!(["a", "b"]));
        is("range", json!([1, 0]), json!([1]));
        is("range", json!([0, 6, 4]), json!([0, 4]));
        is("element", json!([["a", "b"], 3]), json!("b"));
        is("coalesce", json!([null, "", "x"]), json!("x"));
        is("zipmap", json!([["a"], [1]]), json!({"a": 1}));
        is("substr", json!(["hello", 1, 3]), json!("ell"));
        let unknown = Mark::unknown("var.x");
        assert!(Mark::of(&call("lower", std::slice::from_ref(&unknown))).is_some());
        assert!(Mark::of(&binary("==", &unknown, || json!("a"))).is_some());
        assert_eq!(binary("==", &Mark::instance(3), || Json::Null), json!(false));
        assert_eq!(binary("&&", &unknown, || json!(false)), json!(false));
        for name in ["replace", "trimsuffix", "split", "sort", "index"] {
            let open = call(name, &[unknown.clone(), json!("a"), json!("b")]);
            assert!(Mark::of(&open).is_some_and(|m| m.is_unknown()), "{name}");
        }
        assert!(Mark::of(&call("lookup", &[json!({"a": 1}), unknown.clone(), json!("c")])).is_some());
        assert!(Mark::of(&binary("==", &json!("1"), || json!(1))).is_some());
        assert_eq!(binary("==", &json!("1"), || json!(2)), json!(false));
        assert_eq!(binary("+", &json!(1), || json!(2)), json!(3));
    }
}
