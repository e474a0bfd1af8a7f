//! From a report to bytes: one file for each format, and one place that names them all.
//!
//! Every text in a report is hostile: each format escapes in its own way. Not here: what is in a report.

mod columns;
mod csv;
mod html;
mod json;
mod kept;
mod markdown;
mod text;

pub use csv::{CsvOptions, CsvTable};
pub use markdown::{sheet as sheet_markdown, who_can as who_can_text};
pub(crate) use text::summary;
pub use text::{clean, sheet as sheet_text};

use crate::report::Report;
use std::io::Write;

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The destination failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The page's template is broken.
    #[error("the page could not be made: {0}")]
    Template(String),
}

/// A format, and so a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// The page.
    Html,
    /// Four tables.
    Csv,
    /// Findings for programs.
    Json,
    /// Findings for a terminal.
    Text,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 4] = [Format::Html, Format::Csv, Format::Json, Format::Text];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Html => "html",
            Format::Csv => "csv",
            Format::Json => "json",
            Format::Text => "text",
        }
    }

    /// The format of this name.
    pub fn named(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|f| f.name() == name)
    }

    /// The files that it writes into a folder.
    pub fn files(self) -> &'static [&'static str] {
        match self {
            Format::Html => &["report.html"],
            Format::Csv => &["findings.csv", "identities.csv", "assignments.csv", "controls.csv"],
            Format::Json => &["findings.json"],
            Format::Text => &["findings.txt"],
        }
    }

    /// Writes one of its files.
    ///
    /// # Errors
    /// If the destination fails.
    pub fn write(
        self,
        file: &str,
        report: &Report<'_>,
        options: &CsvOptions,
        to: &mut dyn Write,
    ) -> Result<(), RenderError> {
        match self {
            Format::Html => html::write(report, to),
            Format::Csv => csv::write(CsvTable::of_file(file), report, options, to),
            Format::Json => json::write(report, to),
            Format::Text => text::write(report, to),
        }
    }
}
