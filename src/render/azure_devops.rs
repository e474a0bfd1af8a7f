//! Logging commands of Azure Pipelines.
//!
//! Source: Microsoft "Logging commands" of Azure Pipelines.

use super::RenderError;
use super::text::{clean, summary};
use crate::report::Report;
use std::io::Write;

/// A text that is shown: no part of it is a command, wherever it stands in the line.
fn message(text: &str) -> String {
    clean(text).replace('%', "%AZP25").replace("##", "#\u{200a}#")
}

/// A value inside a command.
fn property(text: &str) -> String {
    message(text).replace(';', "%3B").replace(']', "%5D")
}

/// The part of a command that says where.
fn place(at: Option<(&str, u64, u64)>) -> String {
    let shown = |(path, line, column)| {
        format!("sourcepath={};linenumber={line};columnnumber={column};", property(path))
    };
    at.map(shown).unwrap_or_default()
}

pub(super) fn write(report: &Report<'_>, to: &mut dyn Write) -> Result<(), RenderError> {
    for row in report.findings().filter(|f| f.disposition() == "open" && f.severity() != "info") {
        let kind = if matches!(row.severity(), "critical" | "high") { "error" } else { "warning" };
        writeln!(
            to,
            "##vso[task.logissue type={kind};{}code={};]{}: {}",
            place(row.location()),
            property(row.rule()),
            row.severity(),
            message(row.message())
        )?;
    }
    for gap in report.gaps().filter(|g| g.blocking) {
        writeln!(
            to,
            "##vso[task.logissue type=error;{}]not read: {}",
            place(gap.location),
            message(&gap.detail)
        )?;
    }
    writeln!(to, "{}", message(&summary(report)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_begin_a_command() {
        let hostile = message("x ##vso[task.setvariable variable=a]b\n##[error]c");
        assert!(!hostile.contains("##") && !hostile.contains('\n'), "{hostile}");
        assert_eq!(property("a;b]c"), "a%3Bb%5Dc");
    }
}
