//! For a terminal. Texts from outside lose their control characters, so that none can move the cursor or colour
//! what follows.

use super::RenderError;
use crate::report::{Report, Sheet};
use std::collections::HashSet;
use std::io::Write;

/// In characters: what a line of code shows of itself.
const MOST_SHOWN: usize = 140;

/// A text without control characters and without marks that reorder what is shown.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || reorders(c) { '\u{fffd}' } else { c }).collect()
}

/// Whether a character is not seen, and changes how others are.
pub(super) fn reorders(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

pub(super) fn write(report: &Report<'_>, to: &mut dyn Write) -> Result<(), RenderError> {
    for proposed in &report.proposed {
        writeln!(to, "{:<8} {:<26} {}", "policy", "new in this change", clean(proposed))?;
    }
    let mut told = HashSet::new();
    for row in report.findings().filter(|r| r.disposition() == "open") {
        let place = row.location().map(|(path, line, column)| format!("{}:{line}:{column}: ", clean(path)));
        let place = place.unwrap_or_default();
        let new = if report.is_new(&row) { " (new since the earlier run)" } else { "" };
        writeln!(to, "{:<8} {:<26} {place}{}{new}", row.severity(), row.rule(), clean(row.message()))?;
        if let Some((path, line, column)) = row.location()
            && let Some(excerpt) = report.excerpts.get(&(path.to_owned(), line))
        {
            write!(to, "{}", marked(excerpt, line, column))?;
        }
        // Once for each rule: a hundred findings have one remedy.
        if told.insert(row.rule()) {
            writeln!(to, "{:>8} fix: {}", "", clean(row.fix()))?;
        }
    }
    for gap in report.gaps() {
        let mark = if gap.blocking { "missing" } else { "note" };
        let times = if gap.count > 1 { format!(" ({} times)", gap.count) } else { String::new() };
        let place = gap
            .location
            .map(|(path, line, column)| format!("{}:{line}:{column}: ", clean(path)))
            .unwrap_or_default();
        writeln!(to, "{mark:<8} {:<26} {place}{}{times}", gap.source, clean(&gap.detail))?;
    }
    let quiet = [("waived", "waived"), ("baseline", "known from the baseline"), ("existing", "there before")];
    let quiet = quiet.iter().filter_map(|(disposition, words)| {
        let count = report.findings().filter(|r| r.disposition() == *disposition).count();
        (count > 0).then(|| format!("{count} {words}"))
    });
    let quiet: Vec<String> = quiet.collect();
    if !quiet.is_empty() {
        writeln!(to, "not listed: {}", quiet.join(", "))?;
    }
    if let Some(change) = report.change {
        write!(to, "{}", super::overlay::text(change))?;
    }
    writeln!(to, "{}", summary(report))?;
    Ok(())
}

/// A line of code with its number, and a mark below where something begins.
fn marked(text: &str, line: u64, column: u64) -> String {
    let before = usize::try_from(column).unwrap_or(1).saturating_sub(1);
    let before = text.get(..before).map_or(0, |t| t.chars().count());
    let shown: String = clean(&text.replace('\t', " ")).chars().take(MOST_SHOWN).collect();
    let number = line.to_string();
    let gap = " ".repeat(number.len());
    let mark = if before < MOST_SHOWN { format!("{}^", " ".repeat(before)) } else { "…".to_owned() };
    format!("{:>8} {number} | {shown}\n{:>8} {gap} | {mark}\n", "", "")
}

/// The verdict in a sentence.
pub(crate) fn summary(report: &Report<'_>) -> String {
    let totals = report.totals();
    let open: Vec<String> =
        totals.open.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{n} {name}")).collect();
    let counts = report.counts();
    let found = if open.is_empty() {
        "no open findings".to_owned()
    } else {
        format!("open findings: {}", open.join(", "))
    };
    let blocked = report.gaps().filter(|g| g.blocking).count();
    let many = |n: usize, one: &str, more: &str| format!("{n} {}", if n == 1 { one } else { more });
    let missing = match blocked {
        0 => String::new(),
        n => format!("; {} could hide more", many(n, "gap", "gaps")),
    };
    let read = [
        many(counts.assignments, "assignment", "assignments"),
        many(counts.identities, "identity", "identities"),
        many(counts.subscriptions, "subscription", "subscriptions"),
    ];
    format!("verdict {}: {found}{missing} ({})", report.verdict(), read.join(", "))
}

/// What an identity can do, for a terminal.
pub fn sheet(sheet: &Sheet<'_>) -> String {
    let identity = &sheet.identity;
    let mut out = format!("{} ({}), {} grant(s)\n", clean(identity.name), identity.kind, sheet.grants.len());
    for grant in &sheet.grants {
        let condition = if grant.condition.is_empty() { "" } else { ", under a condition" };
        out.push_str(&format!(
            "  {:<14} {} on {} {} ({}, {}{condition}{})\n    through {}\n",
            grant.risk,
            clean(grant.role),
            grant.level,
            clean(grant.scope),
            clean(&grant.via),
            grant.state,
            if grant.where_held == "inherited" { ", inherited" } else { "" },
            clean(&grant.assignment),
        ));
    }
    if !identity.escalates_to.is_empty() {
        out.push_str(&format!(
            "  {:<14} {}, steps: {} (confidence {}); leastwise path shows them\n",
            "could become",
            clean(identity.escalates_to),
            identity.escalation_steps,
            identity.escalation_confidence
        ));
    }
    if let Some(index) = identity.use_index {
        out.push_str(&format!(
            "  {:<14} {} % of what it holds, weighed by harm, in {} days; refused: {} operations\n",
            "used",
            index.percent(),
            index.days,
            index.denied
        ));
    }
    if let Some(refused) = identity.refused_tokens.filter(|n| *n > 0) {
        out.push_str(&format!("  {:<14} {refused} times, as the sign-in log says\n", "no token"));
    }
    for vault in &sheet.vaults {
        out.push_str(&format!("  credential     access policy of {}\n", clean(vault)));
    }
    for other in &sheet.others {
        out.push_str(&format!("  {:<14} {}\n", "elsewhere", clean(other)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn nothing_can_move_the_cursor() {
        assert_eq!(clean("a\x1b[31mb\u{202e}c\n"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}");
        assert_eq!(clean("größe"), "größe");
    }
}
