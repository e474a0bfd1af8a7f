//! What code leaves open and matters: who is in a group that is given much, and which identities something has.
//!
//! Not here: what a grant leaves open, which its reader says.

use crate::model::{Estate, Gap, PrincipalType, Reason, Source};
use std::collections::HashSet;

/// Says of groups that are given everything, or nearly so, that nobody knows who is in them: identities may be.
pub(super) fn members(estate: &mut Estate) {
    const WIDE: [&str; 4] = [
        "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
    ];
    let strings = &estate.strings;
    let known: HashSet<_> = estate.groups.iter().map(|g| strings.class(g.id)).collect();
    let gaps: Vec<Gap> = estate
        .assignments
        .iter()
        .filter(|a| a.principal_type == PrincipalType::Group && !known.contains(&strings.class(a.principal)))
        .filter(|a| WIDE.contains(&crate::model::role_key(strings.text(a.role)).to_ascii_lowercase().as_str()))
        .filter_map(|a| {
            let declared = estate.declarations.get(&strings.show_id(a.id).to_ascii_lowercase())?;
            let group = strings.text(a.principal);
            let detail = format!(
                "who is in the group `{group}` is not known, and `{}` gives it a role that its members hold: lay the change over a snapshot with --against",
                declared.address
            );
            let gap = Gap::new(Source::Groups, "", Reason::Unresolved, detail);
            Some(Gap { location: declared.location.clone(), ..gap })
        })
        .collect();
    estate.gaps.extend(gaps);
}

/// Takes identities out of blocks of which the code does not say which they are, and says so: one that nobody knows is not one
/// that is not there.
pub(super) fn identities(estate: &mut Estate) {
    let Estate { strings, resources, declarations, gaps, .. } = estate;
    for resource in resources {
        let Some(declared) = declarations.get(&strings.text(resource.id).to_ascii_lowercase()) else {
            continue;
        };
        let Some(block) = &mut resource.identity else { continue };
        let open = |id: &str| {
            let name = id.rsplit('/').next().unwrap_or_default();
            id.starts_with("${")
                || name.contains("${") && !declarations.contains_key(&id.to_ascii_lowercase())
        };
        let before = block.user.len();
        block.user.retain(|user| !open(strings.text(user.id)));
        if block.user.len() < before {
            let detail = format!(
                "which identity `{}` has is not known: give its parameters, a plan, or --at with --against",
                declared.address
            );
            let gap = Gap::new(Source::Identities, "", Reason::Unresolved, detail);
            gaps.push(Gap { location: declared.location.clone(), ..gap });
        }
    }
}
