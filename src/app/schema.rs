//! JSON Schemas of what people write and pipelines read, and the vocabulary that rules are written in.

use super::error::AppError;
use crate::rules::facts::{Type, roots, vocabulary};
use serde_json::{Value, json};

/// The names of all schemas.
pub const NAMES: [&str; 6] = ["findings", "snapshot", "config", "rule", "waivers", "history"];

/// A schema by name, as JSON text.
///
/// # Errors
/// If there is none of that name.
pub fn schema(name: &str) -> Result<String, AppError> {
    let (title, body) = match name {
        // Of a database, in its own language.
        "history" => return Ok(super::history::SCHEMA.trim_end().to_owned()),
        "findings" => ("leastwise.findings/1", findings()),
        "snapshot" => ("leastwise.snapshot/1: one line", snapshot()),
        "config" => ("leastwise.toml", config()),
        "rule" => ("a file of rules/", rule()),
        "waivers" => ("leastwise-waivers.toml", waivers()),
        _ => {
            let help = format!("expected one of {}", NAMES.join(", "));
            return Err(AppError::usage(format!("there is no schema `{name}`")).help(help));
        }
    };
    let mut schema = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title});
    if let (Value::Object(whole), Value::Object(body)) = (&mut schema, body) {
        whole.extend(body);
    }
    serde_json::to_string_pretty(&schema).map_err(|e| AppError::internal(e.to_string()))
}

fn text() -> Value {
    json!({"type": "string"})
}

fn maybe(kind: &str) -> Value {
    json!({"type": [kind, "null"]})
}

fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn texts() -> Value {
    json!({"type": "array", "items": {"type": "string"}})
}

/// An object all of whose members must be there.
fn whole(members: Value) -> Value {
    let required: Vec<String> = members.as_object().map(|m| m.keys().cloned().collect()).unwrap_or_default();
    Value::Object(
        [("type", "object".into()), ("required", required.into()), ("properties", members)]
            .map(|(k, v): (&str, Value)| (k.to_owned(), v))
            .into_iter()
            .collect(),
    )
}

fn or_null(schema: Value) -> Value {
    json!({"anyOf": Value::Array(vec![schema, json!({"type": "null"})])})
}

fn list(schema: Value) -> Value {
    Value::Object(
        [("type", "array".into()), ("items", schema)]
            .map(|(k, v): (&str, Value)| (k.to_owned(), v))
            .into_iter()
            .collect(),
    )
}

fn findings() -> Value {
    let location = or_null(whole(json!({"path": text(), "line": count(), "column": count()})));
    let finding = whole(json!({
        "rule": text(), "severity": text(), "confidence": text(), "disposition": text(), "title": text(), "message": text(),
        "subject": whole(json!({"kind": text(), "id": text()})),
        "identity": or_null(whole(json!({"name": text(), "id": maybe("string"), "principal_id": maybe("string"), "kind": maybe("string"), "owner": maybe("string"), "environment": maybe("string")}))),
        "role": or_null(whole(json!({"name": text(), "id": maybe("string")}))),
        "scope": maybe("string"), "scope_level": maybe("string"), "subscription": maybe("string"), "location": location,
        "evidence": list(whole(json!({"kind": text(), "text": text(), "id": maybe("string")}))),
        "fix": whole(json!({"text": text(), "commands": texts()})),
        "controls": list(whole(json!({"framework": text(), "id": text()}))),
        "related": texts(), "waiver": maybe("string"), "first_seen": maybe("string"),
        "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    }));
    let gap = whole(json!({
        "source": text(), "scope": text(), "reason": text(), "detail": text(), "blocking": {"type": "boolean"}, "rules": texts(),
        "location": or_null(whole(json!({"path": text(), "line": count(), "column": count()}))), "grant": maybe("string"), "count": count(),
    }));
    let counts = whole(
        json!({"subscriptions": count(), "identities": count(), "assignments": count(), "role_definitions": count(), "resources": count()}),
    );
    whole(json!({
        "schema": {"const": "leastwise.findings/1"},
        "tool": whole(json!({"name": text(), "version": text(), "catalog": text()})),
        "source": whole(json!({"kind": text(), "name": text(), "tenant": maybe("string"), "part": maybe("string"), "collected_at": maybe("string"), "judged_at": maybe("string"), "decided_at": maybe("string")})),
        "verdict": {"enum": ["clean", "findings", "incomplete"]},
        "coverage": whole(json!({"complete": {"type": "boolean"}, "counts": counts, "gaps": list(gap)})),
        "rules": list(whole(json!({"rule": text(), "status": text(), "subjects": count(), "findings": count(), "inconclusive": count(), "needs": texts()}))),
        "change": or_null(change()), "power": or_null(power()), "right_size": list(right_size()), "usage": or_null(usage()), "trend": or_null(trend()), "new_waivers": texts(),
        "findings": list(finding),
    }))
}

/// What an identity should have instead of what it holds.
fn right_size() -> Value {
    let grants = || list(whole(json!({"role": text(), "scope": text(), "assignment": text()})));
    whole(json!({
        "identity": text(), "id": text(), "principal_id": text(), "basis": {"enum": ["activity", "topology"]},
        "create": grants(), "delete": grants(), "resources_before": count(), "resources_after": count(),
        "removed": list(whole(json!({"class": text(), "operations": count()}))),
    }))
}

/// How much of what identities hold they used, where an activity log was given.
fn usage() -> Value {
    let one = json!({"principal_id": text(), "used_percent": count(), "denied_operations": count(),
        "refused_tokens": maybe("integer")});
    whole(json!({"used_percent": count(), "log_days": {"type": "integer"}, "identities": list(whole(one))}))
}

/// How findings went from run to run.
fn trend() -> Value {
    let number = || json!({"type": "integer"});
    let open = whole(
        json!({"critical": number(), "high": number(), "medium": number(), "low": number(), "info": number()}),
    );
    let run = whole(json!({"at": text(), "open": open, "used_percent": maybe("integer")}));
    let rule = whole(json!({"rule": text(), "fixed": number(), "median_days": number()}));
    whole(json!({"runs": list(run), "rules": list(rule)}))
}

/// Ways to more power, and the grants that most of them need.
fn power() -> Value {
    let flag = || json!({"type": "boolean"});
    let grant = whole(json!({
        "role": text(), "scope": text(), "assignment": text(), "via": texts(), "condition": flag(), "condition_text": maybe("string"), "ends": flag(),
    }));
    let step = whole(json!({
        "actor": whole(json!({"name": text(), "principal_id": text()})), "does": text(), "technique": maybe("string"),
        "on": maybe("string"), "gains": text(), "by": list(grant), "operations": texts(), "unless": text(),
        "confidence": text(), "conditional": flag(), "references": texts(),
    }));
    let path = whole(json!({
        "from": text(), "to": whole(json!({"kind": text(), "id": text(), "text": text()})), "confidence": text(),
        "steps": list(step),
    }));
    let choke = whole(json!({
        "holder": text(), "role": text(), "scope": text(), "assignment": text(), "ways_left": count(),
        "identities_left": count(), "percent_cut": count(),
    }));
    whole(json!({
        "ways": count(), "identities": count(), "choke_points": list(choke), "at_least": count(), "exact": flag(),
        "paths": list(path),
    }))
}

/// What a change does to the tenant that it was laid over.
fn change() -> Value {
    let grant = whole(json!({
        "change": text(), "identity": text(), "principal_id": text(), "kind": text(), "role": text(), "role_id": text(),
        "scope": text(), "scope_level": text(), "condition": maybe("string"), "state": text(),
        "was": or_null(whole(json!({"role": text(), "scope": text()}))), "redundant": {"type": "boolean"},
    }));
    let gain = whole(json!({"class": text(), "scope": text(), "count": count(), "operations": texts()}));
    let identity = whole(json!({
        "name": text(), "principal_id": text(), "kind": text(), "change": text(), "gained": list(gain.clone()), "lost": list(gain),
    }));
    let fixed = whole(
        json!({"rule": text(), "severity": text(), "message": text(), "subject": text(), "fingerprint": text()}),
    );
    let way = whole(json!({
        "change": text(), "kind": text(), "identity": text(), "resource": text(), "says": text(),
    }));
    let to = || {
        or_null(whole(
            json!({"kind": text(), "id": text(), "text": text(), "steps": count(), "confidence": text()}),
        ))
    };
    let present = whole(json!({
        "identity": text(), "role": text(), "scope": text(), "declared_as": text(), "there_as": text(),
    }));
    let reach = || whole(json!({"now": count(), "by_ways": count()}));
    let escalation = whole(json!({
        "identity": text(), "principal_id": text(), "before": to(), "after": to(),
        "resources_before": reach(), "resources_after": reach(),
    }));
    whole(json!({
        "grants": list(grant), "identities": list(identity), "ways": list(way), "present": list(present), "escalations": list(escalation), "fixed": list(fixed), "untouched": count(),
    }))
}

fn snapshot() -> Value {
    let coverage =
        json!({"type": "object", "additionalProperties": {"enum": ["complete", "partial", "absent"]}});
    let read = whole(json!({"lists": count(), "failed": count(), "pages": count(), "items": count(),
        "began": maybe("string"), "ended": maybe("string")}));
    let reads = json!({"description": "how each kind was read from a service", "type": "object", "additionalProperties": read});
    json!({"anyOf": [
        {"description": "the first line", "type": "object", "required": ["schema"], "properties": {"schema": text(), "tool": {"type": "object"}, "collected_at": text(), "cloud": text(), "tenant": text(), "coverage": coverage, "reads": reads}},
        {"description": "before each section", "type": "object", "required": ["section", "count"], "properties": {"section": text(), "count": count()}},
        {"description": "the last line; the digest is of all lines before it", "type": "object", "required": ["footer"], "properties": {"footer": whole(json!({"records": count(), "sha256": text()}))}},
        {"description": "a record in the shape of Azure's own answer", "type": "object"},
    ]})
}

fn config() -> Value {
    let level = json!({"enum": ["off", "on", "critical", "high", "medium", "low", "info"]});
    let rule = json!({"type": "object", "properties": {"level": level}});
    let section =
        |members: Value| json!({"type": "object", "additionalProperties": false, "properties": members});
    section(json!({
        "naming": section(json!({"identity": text(), "role": text(), "federated_credential": text(), "ignore": texts()})),
        "environments": section(json!({"names": {"type": "object", "additionalProperties": texts()}, "neutral": texts(), "tags": texts(), "scopes": {"type": "object", "additionalProperties": text()}})),
        "owners": section(json!({"tags": texts()})),
        "tags": section(json!({"required": texts()})),
        "identities": section(json!({"platform": section(json!({"names": texts(), "tags": {"type": "object", "additionalProperties": text()}, "subscriptions": texts()}))})),
        "scope": section(json!({"principals": {"enum": ["managed-identities", "workloads"]}})),
        "federation": section(json!({"trusted": texts()})),
        "rules": {"type": "object", "additionalProperties": rule},
        "coverage": section(json!({"require": texts(), "accept": list(whole(json!({"source": text(), "reason": text(), "until": text()})))})),
        "review": section(json!({"fallback": text(), "second_approver": {"enum": ["privileged", "all", "none"]}, "sla_days": {"type": "integer", "minimum": 0, "maximum": 366}, "owners": list(whole(json!({"names": texts(), "owner": text()})))})),
        "waivers": section(json!({"file": text(), "inline": section(json!({"max_severity": {"enum": ["high", "medium", "low", "info"]}, "max_days": {"type": "integer", "minimum": 1, "maximum": 366}}))})),
    }))
}

fn waivers() -> Value {
    let target = json!({"type": "object", "minProperties": 1, "additionalProperties": false, "properties": {"identity": text(), "principal_id": text(), "role": text(), "scope": text(), "subject": text(), "fingerprint": text()}});
    let mut waiver = whole(json!({
        "id": text(), "rules": {"type": "array", "items": text(), "minItems": 1}, "target": target,
        "category": {"enum": ["waiver", "mitigated", "false-positive"]}, "reason": {"type": "string", "minLength": 15},
        "requested_by": text(), "approved_by": text(), "approved_on": text(), "expires": text(),
    }));
    if let Some(members) = waiver.get_mut("properties").and_then(Value::as_object_mut) {
        members.insert("ticket".to_owned(), text());
    }
    json!({"type": "object", "properties": {"waiver": list(waiver)}})
}

fn rule() -> Value {
    let kinds: Vec<Value> = crate::finding::SubjectKind::ALL
        .iter()
        .map(|k| json!({"subject": k.name(), "facts_of": roots(*k)}))
        .collect();
    let facts: Vec<Value> = vocabulary()
        .map(|f| {
            let kind = match f.kind {
                Type::Bool => "bool",
                Type::Int => "int",
                Type::Text => "string",
                Type::List => "list of string",
            };
            json!({"fact": format!("{}.{}", f.root, f.field), "type": kind, "meaning": f.meaning})
        })
        .collect();
    json!({
        "type": "object",
        "required": ["title", "since", "severity", "confidence", "subject", "when", "message", "what", "why", "fix"],
        "additionalProperties": false,
        "properties": {
            "title": text(), "since": text(), "severity": text(), "confidence": text(), "subject": text(),
            "whom": {"enum": ["identities", "anyone"]}, "needs": texts(), "sources": texts(), "enabled": {"type": "boolean"},
            "subsumed_by": texts(), "when": text(), "message": text(), "what": text(), "why": text(), "fix": text(),
            "commands": texts(), "references": texts(),
            "severity_when": list(whole(json!({"severity": text(), "when": text()}))),
            "confidence_when": list(whole(json!({"confidence": text(), "when": text()}))),
            "estate": whole(json!({"severity": text(), "when": text(), "message": text()})),
            "params": {"type": "object"}, "controls": {"type": "object", "additionalProperties": texts()},
        },
        "subjects": kinds,
        "facts": facts,
    })
}
