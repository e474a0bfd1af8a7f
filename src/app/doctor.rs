//! What the caller may read of a tenant, and what that means: the rules and controls that would be inconclusive, and the
//! commands that change it.

use super::collect::{Live, connect};
use super::error::AppError;
use crate::model::Source;
use crate::rules::RuleSet;
use crate::sources::azure::{self, ASSOCIATED, DIRECTORY_SOURCES, EVERYTHING, Examined, Lack, NEEDS};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// What was found, as text for people.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// The text.
    pub text: String,
    /// Whether nothing is missing.
    pub well: bool,
}

/// Asks Azure what the caller may read.
///
/// # Errors
/// If Azure cannot be asked.
pub fn examine(live: &Live, rules: &RuleSet) -> Result<Diagnosis, AppError> {
    let (client, runtime, clock) = connect(live)?;
    let examined =
        runtime.block_on(azure::examine(client, clock, &live.target)).map_err(super::collect::told)?;
    Ok(Diagnosis { text: describe(&examined, rules, &live.target.skip), well: examined.lacks.is_empty() })
}

fn describe(examined: &Examined, rules: &RuleSet, skip: &BTreeSet<Source>) -> String {
    let mut out = String::new();
    let tenant = examined.tenant.as_deref().unwrap_or("not known");
    let caller = examined.caller.as_deref().unwrap_or("not known");
    let _ =
        writeln!(out, "tenant {tenant}, caller {caller}, {} subscription(s)\n", examined.subscriptions.len());
    let lacking: BTreeSet<Source> = examined.lacks.iter().map(|l| l.source).collect();
    let asked = NEEDS.iter().map(|(_, s)| *s).chain([Source::Resources]).chain(DIRECTORY_SOURCES);
    for source in asked.collect::<BTreeSet<_>>() {
        let word = match lacking.contains(&source) {
            _ if skip.contains(&source) => "not asked",
            true => "incomplete",
            false => "ok",
        };
        let _ = writeln!(out, "{word:<12}{}", source.name());
    }
    if examined.lacks.is_empty() {
        out.push_str("\nnothing is missing\n");
        return out;
    }
    out.push_str("\nmissing\n");
    for lack in &examined.lacks {
        let _ = write!(out, "  {}: {}{}", lack.source.name(), lack.permission, places(lack));
        let _ = writeln!(out, "{}", lack.said.as_ref().map(|s| format!(" ({s})")).unwrap_or_default());
    }
    let concerned: Vec<_> =
        rules.iter().filter(|r| r.enabled && r.needs.iter().any(|s| lacking.contains(s))).collect();
    if !concerned.is_empty() {
        let names: Vec<&str> = concerned.iter().map(|r| r.slug()).collect();
        let _ = writeln!(out, "\nrules that would be inconclusive\n  {}", names.join("\n  "));
        let controls: BTreeSet<String> =
            concerned.iter().flat_map(|r| &r.text.controls).map(|(f, c)| format!("{f} {c}")).collect();
        let controls: Vec<String> = controls.into_iter().collect();
        let _ = writeln!(out, "\ncontrols that would be inconclusive\n  {}", controls.join("\n  "));
    }
    out.push_str("\ncommands that grant it, for somebody who may\n");
    for command in commands(examined) {
        let _ = writeln!(out, "  {command}");
    }
    out
}

fn places(lack: &Lack) -> String {
    match lack.scopes.as_slice() {
        [] => String::new(),
        [one] => format!(" on {one}"),
        [first, rest @ ..] => format!(" on {first} and {} more", rest.len()),
    }
}

/// Reader where Azure's permissions lack, on the root if it lacks everywhere; application permissions for the directory.
fn commands(examined: &Examined) -> Vec<String> {
    let caller = examined.caller.as_deref().unwrap_or("<object id of the caller>");
    let (asked, plain): (Vec<&Lack>, Vec<&Lack>) =
        examined.lacks.iter().partition(|l| l.permission == ASSOCIATED);
    let scopes: BTreeSet<&String> = plain.iter().flat_map(|l| &l.scopes).collect();
    let root =
        examined.tenant.as_ref().map(|t| format!("/providers/Microsoft.Management/managementGroups/{t}"));
    let at: Vec<&String> = match &root {
        Some(root) if scopes.len() > 3 || scopes.contains(root) => vec![root],
        _ => scopes.into_iter().collect(),
    };
    let reader = |scope: &String| {
        format!("az role assignment create --assignee-object-id {caller} --role Reader --scope {scope}")
    };
    let mut all: Vec<String> = at.into_iter().map(reader).collect();
    if !asked.is_empty() {
        let tenant = examined.tenant.as_deref().unwrap_or("<tenant id>");
        let root = format!("/providers/Microsoft.Management/managementGroups/{tenant}");
        all.push(format!("leastwise doctor --role-json --tenant {tenant} > leastwise-role.json"));
        all.push("az role definition create --role-definition leastwise-role.json".to_owned());
        all.push(format!(
            "az role assignment create --assignee-object-id {caller} --role 'Leastwise reader' --scope {root}"
        ));
    }
    if examined.lacks.iter().any(|l| l.scopes.is_empty() && l.app_role.is_none()) {
        all.push("az account get-access-token --resource https://graph.microsoft.com".to_owned());
    }
    let roles: BTreeSet<&str> = examined.lacks.iter().filter_map(|l| l.app_role).collect();
    let roles = roles.into_iter();
    all.extend(roles.map(|role| azure::app_role_command(caller, role)));
    all
}

/// A custom role with what reading needs and no more, for `az role definition create --role-definition @FILE`.
/// Assignable at `scopes`, or else in the whole tenant.
pub fn role_json(tenant: Option<&str>, scopes: &[String]) -> Value {
    let mut actions: BTreeSet<&str> = NEEDS.iter().map(|(operation, _)| *operation).collect();
    actions.extend([
        // What the doctor itself asks, and what only `--via arm` does.
        "Microsoft.Authorization/permissions/read",
        "Microsoft.Management/managementGroups/descendants/read",
    ]);
    let tenant = tenant.unwrap_or("<tenant id>");
    let whole = [format!("/providers/Microsoft.Management/managementGroups/{tenant}")];
    let scopes = if scopes.is_empty() { &whole[..] } else { scopes };
    json!({
        "Name": "Leastwise reader",
        "IsCustom": true,
        "Description": format!("What leastwise reads. Resources of kinds that are not named here stay invisible: the hosts of identities are complete only with {EVERYTHING}, as Reader has it."),
        "Actions": actions,
        "NotActions": [],
        "DataActions": [],
        "NotDataActions": [],
        "AssignableScopes": scopes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_the_caller_and_the_widest_scope_that_is_needed() {
        let lack = |scope: &str| Lack {
            source: Source::Vaults,
            permission: "p".to_owned(),
            scopes: vec![scope.to_owned()],
            said: None,
            app_role: None,
        };
        let mut examined =
            Examined { tenant: Some("t".into()), caller: Some("c".into()), ..Examined::default() };
        examined.lacks = vec![lack("/subscriptions/a")];
        let reader = "az role assignment create --assignee-object-id c --role Reader --scope ";
        assert_eq!(commands(&examined), [format!("{reader}/subscriptions/a")]);
        examined.lacks = ["a", "b", "c", "d"].map(|s| lack(&format!("/subscriptions/{s}"))).to_vec();
        let root = "/providers/Microsoft.Management/managementGroups/t";
        assert_eq!(commands(&examined), [format!("{reader}{root}")]);
    }

    #[test]
    fn the_custom_role_only_reads() {
        let role = role_json(Some("t"), &[]);
        let actions: Vec<&str> =
            role["Actions"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect();
        let reads = |a: &&str| a.ends_with("/read") || *a == ASSOCIATED;
        assert!(actions.len() > NEEDS.len() && actions.iter().all(reads));
    }
}
