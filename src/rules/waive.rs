//! Waivers change what becomes of a finding, never whether it is there.

use crate::finding::{Disposition, Finding, Severity};
use crate::model::Instant;
use crate::policy::Waiver;

/// Applies waivers; says for each how many findings it is for, in force or not.
pub(super) fn apply(findings: &mut [Finding], waivers: &[Waiver], now: Instant) -> Vec<usize> {
    let mut matches = vec![0; waivers.len()];
    for finding in findings.iter_mut() {
        for (waiver, count) in waivers.iter().zip(&mut matches) {
            let named = waiver.rules.iter().any(|(slug, _)| *slug == finding.rule.slug);
            if !named || !waiver.fits(finding) {
                continue;
            }
            *count += 1;
            let allowed = finding.severity != Severity::Critical || waiver.short_enough_for_critical();
            if !allowed && waiver.in_force(now) {
                let why = format!(
                    " (the waiver `{}` does not hold: for a critical finding it may run 90 days)",
                    waiver.id
                );
                finding.message.push_str(&why);
            }
            if waiver.in_force(now) && allowed && finding.waiver.is_none() {
                finding.waiver = Some(waiver.id.clone());
                finding.disposition = Disposition::Waived;
            }
        }
    }
    matches
}
