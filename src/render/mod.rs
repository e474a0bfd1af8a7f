//! From a report to bytes: one file for each format, and one place that names them all.
//!
//! Every text in a report is hostile: each format escapes in its own way. Not here: what is in a report.

mod azure_devops;
mod changes;
mod columns;
mod csv;
mod difference;
mod github;
mod gitlab;
mod html;
mod json;
mod junit;
mod kept;
mod markdown;
mod matrix;
mod ocsf;
mod oscal;
mod overlay;
mod overlay_json;
mod page;
mod paths;
mod power;
pub mod remedy;
mod right_size;
mod sarif;
mod text;
mod trend;
mod xlsx;

pub use csv::{CsvOptions, CsvTable, csv_text};
pub use difference::{Difference, Side};
pub(crate) use markdown::escape as markdown;
pub use markdown::{sheet as sheet_markdown, who_can as who_can_text};
pub use page::{Page, Section};
pub use paths::{blast_json, blast_text, open_json, open_text, path_json, paths_text};
pub(crate) use text::summary;
pub use text::{clean, sheet as sheet_text};
pub use xlsx::{Sheet as XlsxSheet, workbook};

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
    /// Findings for code scanning.
    Sarif,
    /// Findings for a comment on a change.
    Markdown,
    /// Findings as annotations of GitHub.
    Github,
    /// Findings as commands of Azure Pipelines.
    AzureDevops,
    /// Findings for GitLab's code quality.
    Gitlab,
    /// Rules as test cases.
    Junit,
    /// Assessment results for governance tools.
    Oscal,
    /// Findings for security lakes.
    Ocsf,
    /// A workbook.
    Xlsx,
}

/// How reports are written.
#[derive(Clone, Debug)]
pub struct Options {
    /// Tables.
    pub csv: CsvOptions,
    /// The file that findings without one of their own are shown at.
    pub anchor: Option<String>,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 13] = [
        Format::Html,
        Format::Csv,
        Format::Json,
        Format::Text,
        Format::Sarif,
        Format::Markdown,
        Format::Github,
        Format::AzureDevops,
        Format::Gitlab,
        Format::Junit,
        Format::Oscal,
        Format::Ocsf,
        Format::Xlsx,
    ];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Html => "html",
            Format::Csv => "csv",
            Format::Json => "json",
            Format::Text => "text",
            Format::Sarif => "sarif",
            Format::Markdown => "markdown",
            Format::Github => "github",
            Format::AzureDevops => "azure-devops",
            Format::Gitlab => "gitlab",
            Format::Junit => "junit",
            Format::Oscal => "oscal",
            Format::Ocsf => "ocsf",
            Format::Xlsx => "xlsx",
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
            Format::Sarif => &["findings.sarif"],
            Format::Markdown => &["findings.md"],
            Format::Github => &["github.txt"],
            Format::AzureDevops => &["azure-devops.txt"],
            Format::Gitlab => &["gitlab.json"],
            Format::Junit => &["junit.xml"],
            Format::Oscal => &["oscal.json"],
            Format::Ocsf => &["ocsf.ndjson"],
            Format::Xlsx => &["report.xlsx"],
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
        options: &Options,
        to: &mut dyn Write,
    ) -> Result<(), RenderError> {
        match self {
            Format::Html => html::write(report, to),
            Format::Csv => csv::write(CsvTable::of_file(file), report, &options.csv, to),
            Format::Json => json::write(report, to),
            Format::Text => text::write(report, to),
            Format::Sarif => sarif::write(report, options.anchor.as_deref(), to),
            Format::Markdown => changes::write(report, to),
            Format::Github => github::write(report, to),
            Format::AzureDevops => azure_devops::write(report, to),
            Format::Gitlab => gitlab::write(report, options.anchor.as_deref(), to),
            Format::Junit => junit::write(report, to),
            Format::Oscal => oscal::write(report, to),
            Format::Ocsf => ocsf::write(report, to),
            Format::Xlsx => xlsx::write(report, to),
        }
    }
}
