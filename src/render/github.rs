//! Annotations of GitHub Actions. Ten errors and ten warnings a step are shown and the rest silently dropped, so that the
//! worst come first and the last line says how many there are.
//!
//! Source: GitHub "Workflow commands for GitHub Actions".

use super::RenderError;
use super::text::{clean, summary};
use crate::report::Report;
use std::io::Write;

/// What is shown of each kind in a step.
const SHOWN: usize = 10;

/// A text inside a command: nothing in it can end the command or begin another.
fn data(text: &str) -> String {
    clean(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The part of a command that says where.
fn place(at: Option<(&str, u64, u64)>) -> String {
    let shown = |(path, line, column)| format!("file={},line={line},col={column},", property(path));
    at.map(shown).unwrap_or_default()
}

pub(super) fn write(report: &Report<'_>, to: &mut dyn Write) -> Result<(), RenderError> {
    let mut counts = [0usize; 2];
    let mut left_out = 0;
    for row in report.findings().filter(|f| f.disposition() == "open") {
        let (command, slot) = match row.severity() {
            "critical" | "high" => ("error", 0),
            "info" => continue,
            _ => ("warning", 1),
        };
        let Some(count) = counts.get_mut(slot) else { continue };
        *count += 1;
        if *count > SHOWN {
            left_out += 1;
            continue;
        }
        let title = property(&format!("{} ({})", row.rule(), row.severity()));
        writeln!(to, "::{command} {}title={title}::{}", place(row.location()), data(row.message()))?;
    }
    for gap in report.gaps().filter(|g| g.blocking) {
        let title = property(&format!("not read: {}", gap.source));
        writeln!(to, "::error {}title={title}::{}", place(gap.location), data(&gap.detail))?;
    }
    if left_out > 0 {
        writeln!(to, "::notice title=leastwise::{left_out} more findings are in the report")?;
    }
    // A line that begins with two colons would be a command.
    writeln!(to, "{}", data(&summary(report)).trim_start_matches(':'))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_begin_a_command() {
        assert_eq!(data("a\n::error::b%"), "a\u{fffd}::error::b%25");
        assert_eq!(property("a:b,c"), "a%3Ab%2Cc");
    }
}
