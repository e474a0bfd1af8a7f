//! What a collection could not read, in words: of gaps that are alike but for their place, a few are told and the others
//! counted. A large tenant may refuse thousands of lists for one reason. Every gap of its own is in the snapshot.

use crate::model::{Gap, Reason};
use std::collections::BTreeMap;

/// Of gaps that are alike so many are told.
const TOLD: usize = 3;

/// The lines that tell of gaps.
pub(super) fn lines(gaps: &[Gap]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut met: BTreeMap<_, usize> = BTreeMap::new();
    for gap in gaps {
        let seen = met.entry(kind(gap)).or_default();
        *seen += 1;
        if *seen <= TOLD {
            lines.push(words(gap));
        }
    }
    for ((source, reason, _, grant), seen) in met {
        let more = seen.saturating_sub(TOLD);
        if more == 0 {
            continue;
        }
        let what = format!("{} {}: {more} more like these", source.name(), reason.name());
        lines.push(match grant {
            Some(grant) if grant.starts_with("az role assignment create") => {
                format!("{what}; Reader on a management group above them closes them all")
            }
            Some(_) => format!("{what}; what closes one of them closes all"),
            None => format!("{what}; the snapshot names each"),
        });
    }
    lines
}

/// What gaps that are alike have in common.
fn kind(gap: &Gap) -> (crate::model::Source, Reason, String, Option<String>) {
    let placeless = |text: &str| match gap.scope.as_str() {
        "" => text.to_owned(),
        scope => text.replace(scope, ""),
    };
    (gap.source, gap.reason, placeless(&gap.detail), gap.grant.as_deref().map(placeless))
}

fn words(gap: &Gap) -> String {
    let place = if gap.scope.is_empty() { String::new() } else { format!(" on {}", gap.scope) };
    let remedy = gap.grant.as_ref().map(|c| format!(" (to close it: {c})")).unwrap_or_default();
    let times = if gap.count > 1 { format!(" ({} times)", gap.count) } else { String::new() };
    format!("{} {}{place}: {}{times}{remedy}", gap.source.name(), gap.reason.name(), gap.detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Source;

    #[test]
    fn gaps_that_are_alike_are_counted() {
        let refused = |n: usize| {
            let scope = format!("/subscriptions/s{n}");
            let grant = Some(format!("az role assignment create --role Reader --scope {scope}"));
            let gap = Gap::new(Source::RoleAssignments, scope, Reason::Forbidden, "roleAssignments: no");
            Gap { grant, ..gap }
        };
        let mut gaps: Vec<Gap> = (0..20).map(refused).collect();
        gaps.push(Gap::new(Source::SignIns, "", Reason::NotCollected, "not asked"));
        let told = lines(&gaps);
        assert_eq!(told.len(), TOLD + 2);
        assert!(told[2].contains("on /subscriptions/s2: ") && told[2].contains("--scope /subscriptions/s2)"));
        assert_eq!(told[3], "sign-ins not-collected: not asked");
        assert_eq!(
            told[4],
            "role-assignments forbidden: 17 more like these; Reader on a management group above them closes them all"
        );
        // No role helps whose token ended.
        for gap in &mut gaps {
            gap.grant = Some("az account get-access-token".to_owned());
        }
        let told = lines(&gaps);
        assert!(
            told.iter().any(|l| l.ends_with("17 more like these; what closes one of them closes all")),
            "{told:?}"
        );
        // Few are told one by one.
        assert_eq!(lines(&gaps[..TOLD]).len(), TOLD);
    }
}
