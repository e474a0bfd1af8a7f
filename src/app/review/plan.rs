//! What a person does about what was decided: commands or code, create before delete, with the way back. Printed, never run.

use super::{Present, existing, meant};
use crate::app::error::AppError;
use crate::app::right_size::{Form, as_code};
use crate::rbac::Catalog;
use crate::render::remedy::{az_back, az_create, az_delete};
use crate::report::{Remedy, RemedyGrant, RoleRef};
use crate::review::{Campaign, Item, Verdict};
use std::collections::BTreeMap;
use std::path::Path;

/// The plan of a campaign. Where what is there now was read, only what is there still.
///
/// # Errors
/// If the ledger cannot be read.
pub fn plan(
    ledger: &Path,
    campaign: Option<&str>,
    form: Form,
    now: Option<&Present>,
    catalog: &Catalog,
) -> Result<(String, Vec<String>), AppError> {
    let (_, chain) = existing(ledger)?;
    let all = Campaign::all(&chain);
    let campaign = meant(&all, campaign)?;
    if let Some(present) = now {
        present.fits(campaign)?;
    }
    let there: Option<BTreeMap<&str, &Item>> =
        now.map(|p| p.items.iter().map(|i| (i.item.as_str(), i)).collect());
    let held = |new: &RemedyGrant, role: &str| {
        let same = |i: &&Item| {
            i.principal_id == new.principal
                && i.role_id.eq_ignore_ascii_case(role)
                && i.scope.eq_ignore_ascii_case(&new.scope)
                && i.via == "direct"
        };
        now.is_some_and(|p| p.items.iter().any(|i| same(&i)))
    };
    let mut remedies: BTreeMap<(String, String), Remedy> = BTreeMap::new();
    let mut notes = Vec::new();
    let (mut groups, mut gone) = (0, 0);
    let mut unread: Vec<(&Item, String)> = Vec::new();
    for row in &campaign.rows {
        let Some((_, decision)) = row.decided() else { continue };
        if !matches!(decision.verdict, Verdict::Deny | Verdict::Narrow) {
            continue;
        }
        // As it is now: one that was made again has another id.
        let is = there.as_ref().map(|t| t.get(row.item.item.as_str()).copied());
        let item = is.flatten().unwrap_or(&row.item);
        if is == Some(None) {
            match now.and_then(|p| p.reach.unread(item)) {
                None => gone += 1,
                Some(why) => unread.push((item, why)),
            }
            continue;
        }
        if item.via != "direct" {
            groups += 1;
            notes.push(format!(
                "`{}` holds {} through {}: take it out of the group, or take the role from the group, which others may need",
                item.identity, item.role, item.via
            ));
            continue;
        }
        let missing = now.and_then(|p| decision.new_scope.split_whitespace().find(|s| !p.may_have(s)));
        if let Some(scope) = missing {
            notes.push(format!(
                "`{}` is to hold less on {scope}, which the estate does not have: nothing is planned for it, decide it anew",
                item.identity
            ));
            continue;
        }
        let key = (item.identity.clone(), item.principal_id.clone());
        let remedy = remedies
            .entry(key)
            .or_insert_with(|| Remedy { identity: item.identity.clone(), ..Remedy::default() });
        let old = RemedyGrant {
            assignment: item.assignment.clone(),
            principal: item.principal_id.clone(),
            role: RoleRef::Known(item.role_id.clone(), item.role.clone()),
            scope: item.scope.clone(),
            condition: (!item.condition.is_empty()).then(|| item.condition.clone()),
        };
        if decision.verdict == Verdict::Narrow {
            let role = match decision.new_role.as_str() {
                "" => old.role.clone(),
                named => match catalog.role(named).or_else(|| catalog.role_by_name(named)) {
                    Some(role) => RoleRef::Known(role.guid, role.name),
                    None => RoleRef::Known(named.to_owned(), named.to_owned()),
                },
            };
            let scopes: Vec<&str> = decision.new_scope.split_whitespace().collect();
            let scopes = if scopes.is_empty() { vec![item.scope.as_str()] } else { scopes };
            let guid = match &role {
                RoleRef::Known(guid, _) => guid.clone(),
                RoleRef::Made(_) => String::new(),
            };
            let new = scopes.into_iter().map(|scope| RemedyGrant {
                assignment: String::new(),
                role: role.clone(),
                scope: scope.to_owned(),
                ..old.clone()
            });
            remedy.create.extend(new.filter(|g| !held(g, &guid)));
        }
        remedy.delete.push(old);
    }
    if gone > 0 {
        notes.push(format!("{gone} denied or narrowed grant(s) are gone already"));
    }
    if let Some((first, why)) = unread.first() {
        notes.push(format!(
            "of {} denied or narrowed grant(s), such as {} of `{}`, nothing is known ({why}): nothing is planned for them",
            unread.len(),
            first.role,
            first.identity
        ));
    }
    let pending = campaign.at(crate::review::Progress::PendingSecond).count();
    if pending > 0 {
        notes.push(format!("{pending} decision(s) wait for a second approver and are left out"));
    }
    let mark = match form {
        Form::Bicep => "// ",
        Form::Az | Form::Terraform => "# ",
        Form::Text | Form::Json => "",
    };
    let mut out = String::new();
    // What is not in the code stands in it all the same.
    if !mark.is_empty() {
        notes.iter().for_each(|n| out.push_str(&format!("{mark}{}\n", crate::render::clean(n))));
    }
    let before = out.len();
    for remedy in remedies.values() {
        match as_code(form, remedy) {
            Some(code) => {
                out.push_str(&format!("{mark}{}\n{code}\n", crate::render::clean(&remedy.identity)))
            }
            None => out.push_str(&text(remedy)),
        }
    }
    if form == Form::Json {
        let one = |r: &Remedy| {
            serde_json::json!({"identity": r.identity, "create": az_create(r),
                "delete_after": az_delete(r), "back": az_back(r)})
        };
        let all: Vec<_> = remedies.values().map(one).collect();
        let all = serde_json::json!({"campaign": campaign.opened.campaign, "changes": all, "through_groups": groups, "notes": notes});
        return Ok((format!("{all:#}\n"), Vec::new()));
    }
    if out.len() == before {
        out.push_str(&format!("{mark}nothing is to be done\n"));
    }
    Ok((out, notes))
}

fn text(remedy: &Remedy) -> String {
    let mut out = format!("{}\n", crate::render::clean(&remedy.identity));
    let parts = [("first", az_create(remedy)), ("then", az_delete(remedy)), ("and back", az_back(remedy))];
    for (title, commands) in parts.iter().filter(|(_, c)| !c.is_empty()) {
        out.push_str(&format!("  {title}:\n"));
        commands.iter().for_each(|c| out.push_str(&format!("    {c}\n")));
    }
    out
}
