//! Markdown for people: the sheet of one identity. Texts from outside are escaped so that none becomes a link, a
//! table cell or HTML.

use super::text::clean;
use crate::report::Sheet;
use std::fmt::Write as _;

/// A text that Markdown shows as it is.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in clean(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

/// The sheet of an identity.
pub fn sheet(sheet: &Sheet<'_>) -> String {
    let i = &sheet.identity;
    let known = |text: &str| if text.is_empty() { "not known".to_owned() } else { escape(text) };
    let mut out = format!("# {}\n\n", escape(i.name));
    let rows = [
        ("Kind", i.kind.to_owned()),
        ("Id", known(i.id)),
        ("Principal", known(i.principal_id)),
        ("Environment", known(i.environment)),
        ("Owner", known(i.owner)),
        ("Worst that it can do", i.highest_risk.to_owned()),
        (
            "Could become",
            if !i.ways_known {
                "not looked for".to_owned()
            } else if i.escalates_to.is_empty() {
                "no more than it is, as far as is known".to_owned()
            } else {
                let steps = if i.escalation_steps == 1 { "step" } else { "steps" };
                let (to, sure) = (escape(i.escalates_to), i.escalation_confidence);
                format!("{to}, in {} {steps} (confidence {sure})", i.escalation_steps)
            },
        ),
        ("Last sign-in", known(i.last_activity)),
        (
            "Tokens refused",
            i.refused_tokens.map_or_else(|| "no sign-in log".to_owned(), |n| format!("{n} times")),
        ),
        ("Use", i.unused_verdict.to_owned()),
        (
            "Used of what it holds",
            match i.use_index {
                None => "no activity log".to_owned(),
                Some(x) => format!(
                    "{} % in {} days, weighed by harm, reads aside; refused: {}",
                    x.percent(),
                    x.days,
                    x.denied
                ),
            },
        ),
    ];
    out.push_str("| | |\n|---|---|\n");
    for (name, value) in rows {
        let _ = writeln!(out, "| {name} | {value} |");
    }
    let _ = writeln!(out, "\n## Grants ({})\n", sheet.grants.len());
    if sheet.grants.is_empty() {
        out.push_str("None.\n");
    } else {
        out.push_str(
            "| role | scope | level | risk | through | state | condition |\n|---|---|---|---|---|---|---|\n",
        );
    }
    for g in &sheet.grants {
        let condition = if g.condition.is_empty() { "none" } else { "yes" };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {condition} |",
            escape(g.role),
            escape(g.scope),
            g.level,
            g.risk,
            escape(&g.via),
            g.state
        );
    }
    for vault in &sheet.vaults {
        let _ = writeln!(out, "\nAccess policy of {}.", escape(vault));
    }
    list(&mut out, "Held in other systems", &sheet.others.iter().map(|o| escape(o)).collect::<Vec<_>>());
    list(&mut out, "Hosts and dependants", &i.host_names.iter().map(|h| escape(h)).collect::<Vec<_>>());
    list(&mut out, "Federations", &sheet.federations.iter().map(|f| escape(f)).collect::<Vec<_>>());
    let findings: Vec<String> = sheet
        .findings
        .iter()
        .map(|f| format!("**{}** {} ({}): {}", f.severity(), f.rule(), f.disposition(), escape(f.message())))
        .collect();
    list(&mut out, "Findings", &findings);
    out
}

fn list(out: &mut String, title: &str, items: &[String]) {
    let _ = writeln!(out, "\n## {title} ({})\n", items.len());
    if items.is_empty() {
        out.push_str("None.\n");
    }
    for item in items {
        let _ = writeln!(out, "- {item}");
    }
}

/// One line of an answer to who can do something.
pub fn who_can(access: &str, name: &str, principal: &str, how: &str) -> String {
    format!("{access:<12} {} ({}) {}", clean(name), clean(principal), clean(how))
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_becomes_markup() {
        assert_eq!(escape("[a](b) <script> | @x `c`"), "\\[a\\](b) &lt;script&gt; \\| &#64;x \\`c\\`");
    }
}
