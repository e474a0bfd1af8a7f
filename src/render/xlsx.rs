//! Workbooks for people who live in spreadsheets. Every field is a text or a number by type, so that nothing in it is ever run.
//!
//! Not here: which columns there are (`csv` has them).

use super::RenderError;
use super::csv::{CsvOptions, CsvTable};
use super::text::{clean, summary};
use crate::model::Instant;
use crate::report::Report;
use rust_xlsxwriter::{
    DataValidation, DocProperties, ExcelDateTime, Format, FormatAlign, Workbook, Worksheet, XlsxError,
};
use std::io::Write;

/// The most rows of a sheet, its header included.
const ROWS: usize = 1_048_576;
/// The most characters of a field.
const FIELD: usize = 32_767;
/// In characters: no column is wider.
const WIDEST: usize = 60;

/// A sheet: its name, its columns, its rows.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    /// At most 31 characters.
    pub name: String,
    /// Names of its columns.
    pub head: Vec<String>,
    /// Its rows.
    pub rows: Vec<Vec<String>>,
    /// Columns that are to be filled in, from this one on.
    pub filled_from: Option<usize>,
    /// Words that the first of them takes.
    pub choices: Vec<String>,
}

impl From<XlsxError> for RenderError {
    fn from(error: XlsxError) -> RenderError {
        RenderError::Io(std::io::Error::other(error.to_string()))
    }
}

/// A workbook of sheets, as it was at an instant.
///
/// # Errors
/// If a sheet has a name that spreadsheets refuse.
pub fn workbook(sheets: &[Sheet], at: Option<Instant>) -> Result<Vec<u8>, RenderError> {
    let mut book = Workbook::new();
    // The clock of the machine reaches no output.
    let seconds = at.map_or(0, |t| t.milliseconds().div_euclid(1000));
    let made = ExcelDateTime::from_timestamp(seconds)?;
    book.set_properties(&DocProperties::new().set_creation_datetime(&made));
    for sheet in sheets {
        put(book.add_worksheet(), sheet)?;
    }
    Ok(book.save_to_buffer()?)
}

fn column(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(u16::MAX)
}

fn row(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn put(to: &mut Worksheet, sheet: &Sheet) -> Result<(), RenderError> {
    to.set_name(&sheet.name)?;
    let bold = Format::new().set_bold();
    let wrapped = Format::new().set_align(FormatAlign::Top);
    let open = Format::new().set_background_color("FFF8DC").set_align(FormatAlign::Top);
    let fill = |at: usize| sheet.filled_from.is_some_and(|from| at >= from);
    for (at, name) in sheet.head.iter().enumerate() {
        to.write_string_with_format(0, column(at), name, &bold)?;
        let longest = sheet.rows.iter().take(200).filter_map(|r| r.get(at)).map(|f| f.chars().count()).max();
        let width = longest.unwrap_or(0).max(name.len()).clamp(6, WIDEST);
        to.set_column_width(column(at), f64::from(u32::try_from(width).unwrap_or(10)) + 2.0)?;
    }
    to.set_freeze_panes(1, 0)?;
    for (n, fields) in sheet.rows.iter().take(ROWS - 1).enumerate() {
        for (at, field) in fields.iter().enumerate() {
            // Lines of a condition stay lines.
            let lines: Vec<String> = field.lines().map(clean).collect();
            let text: String = lines.join("\n").chars().take(FIELD).collect();
            let format = if fill(at) { &open } else { &wrapped };
            match number(&text) {
                Some(value) => to.write_number_with_format(row(n + 1), column(at), value, format)?,
                None if text.is_empty() => to.write_blank(row(n + 1), column(at), format)?,
                None => to.write_string_with_format(row(n + 1), column(at), &text, format)?,
            };
        }
    }
    let last = sheet.rows.len().min(ROWS - 1);
    if !sheet.head.is_empty() && last > 0 {
        to.autofilter(0, 0, row(last), column(sheet.head.len() - 1))?;
    }
    if let Some(from) = sheet.filled_from.filter(|_| last > 0 && !sheet.choices.is_empty()) {
        let choices = DataValidation::new().allow_list_strings(&sheet.choices)?;
        to.add_data_validation(1, column(from), row(last), column(from), &choices)?;
    }
    Ok(())
}

/// A short whole number. Longer ones are ids, which a spreadsheet would round.
fn number(text: &str) -> Option<f64> {
    let plain = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    if !plain || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    text.parse::<u32>().ok().map(f64::from)
}

/// A table as its sheet.
fn table(report: &Report<'_>, name: &str, table: CsvTable) -> Result<Sheet, RenderError> {
    let mut bytes = Vec::new();
    super::csv::write(table, report, &CsvOptions { raw: true, ..CsvOptions::default() }, &mut bytes)?;
    let mut reader = ::csv::ReaderBuilder::new().flexible(true).from_reader(bytes.as_slice());
    let failed = |e: ::csv::Error| RenderError::Io(e.into());
    let head = reader.headers().map_err(failed)?.iter().map(str::to_owned).collect();
    let mut rows = Vec::new();
    for record in reader.records().take(ROWS) {
        rows.push(record.map_err(failed)?.iter().map(str::to_owned).collect());
    }
    Ok(Sheet { name: name.to_owned(), head, rows, ..Sheet::default() })
}

pub(super) fn write(report: &Report<'_>, to: &mut dyn Write) -> Result<(), RenderError> {
    let p = &report.provenance;
    let time = |t: Option<Instant>| t.map(|t| t.to_string()).unwrap_or_default();
    let line = |name: &str, value: String| vec![name.to_owned(), value];
    let about = vec![
        line("verdict", report.verdict().to_owned()),
        line("summary", summary(report)),
        line("source", format!("{} {}", p.kind, p.name)),
        line("tenant", report.tenant().unwrap_or_default().to_owned()),
        line("read at", time(p.collected_at)),
        line("judged at", time(p.judged_at)),
        line("waivers judged at", time(p.decided_at)),
        line("leastwise", report.version().to_owned()),
        line("catalogue", report.catalog()),
    ];
    let gaps = report.gaps().map(|g| {
        let place = g.location.map(|(path, at, _)| format!("{path}:{at}")).unwrap_or_default();
        let blocks = if g.blocking { "yes" } else { "no" };
        vec![
            g.source.to_owned(),
            g.reason.to_owned(),
            g.detail.to_string(),
            place,
            blocks.to_owned(),
            g.count.to_string(),
        ]
    });
    let names = |all: &[&str]| all.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    let mut sheets = vec![
        Sheet { name: "Summary".to_owned(), head: names(&["what", "is"]), rows: about, ..Sheet::default() },
        table(report, "Findings", CsvTable::Findings)?,
        table(report, "Identities", CsvTable::Identities)?,
        table(report, "Assignments", CsvTable::Assignments)?,
        table(report, "Controls", CsvTable::Controls)?,
        Sheet {
            name: "Not read".to_owned(),
            head: names(&["source", "reason", "what", "where", "blocks", "times"]),
            rows: gaps.collect(),
            ..Sheet::default()
        },
    ];
    for sheet in &mut sheets {
        if sheet.rows.len() >= ROWS {
            sheet.name.push_str(" (cut)");
        }
    }
    to.write_all(&workbook(&sheets, p.decided_at.or(p.judged_at))?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_sheets_give_the_same_bytes_and_ids_stay_texts() {
        let sheet = Sheet {
            name: "x".to_owned(),
            head: vec!["a".to_owned(), "decision".to_owned()],
            rows: vec![vec!["=1+1".to_owned(), String::new()]],
            filled_from: Some(1),
            choices: vec!["approve".to_owned(), "deny".to_owned()],
        };
        let at = Instant::parse("2026-06-01T08:00:00Z");
        let once = workbook(std::slice::from_ref(&sheet), at).unwrap();
        assert_eq!(once, workbook(&[sheet], at).unwrap());
        assert_eq!(
            (number("12"), number("0"), number("007"), number("1e5"), number("12345678901")),
            (Some(12.0), Some(0.0), None, None, None)
        );
    }
}
