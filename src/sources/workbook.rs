//! Workbooks that people send back: the rows of the first sheet, as texts.
//!
//! A formula is refused: what it shows depends on who opens it. Dates come as ISO 8601. What unpacks to more than it may, or names
//! cells far out, ends early. Not here: what the rows say (`review`), and which columns there are (`table`).

use super::table::TableError;
use calamine::{DataRef, Reader as _, Xlsx};
use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

/// The most bytes of a file.
const MOST_PACKED: usize = 32 << 20;
/// The most bytes that all of it unpacks to.
const MOST_UNPACKED: u64 = 512 << 20;
/// The most columns.
const MOST_COLUMNS: u32 = 256;
/// The most bytes of all texts.
const MOST_TEXT: usize = 256 << 20;

/// The rows that have something in them, by their number from 1.
///
/// # Errors
/// If it is no workbook, too large, or a cell holds a formula or an error.
pub(super) fn rows(bytes: &[u8]) -> Result<BTreeMap<u64, Vec<String>>, TableError> {
    if bytes.len() > MOST_PACKED {
        return Err(TableError::Large(MOST_PACKED >> 20));
    }
    let broken = |e: String| TableError::Workbook(e);
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| broken(e.to_string()))?;
    // What an archive says of its sizes need not be so: it is unpacked once to count.
    let mut left = MOST_UNPACKED;
    for at in 0..archive.len() {
        let part = archive.by_index(at).map_err(|e| broken(e.to_string()))?;
        let counted = std::io::copy(&mut part.take(left + 1), &mut std::io::sink());
        let size = counted.map_err(|e| broken(e.to_string()))?;
        left = left.checked_sub(size).ok_or(TableError::Large(MOST_UNPACKED as usize >> 20))?;
    }
    let mut book: Xlsx<_> = calamine::open_workbook_from_rs(Cursor::new(bytes))
        .map_err(|e: calamine::XlsxError| broken(e.to_string()))?;
    let name = book.sheet_names().first().cloned().ok_or(TableError::Empty)?;
    let mut cells = book.worksheet_cells_reader(&name).map_err(|e| broken(e.to_string()))?;
    let mut rows: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    let mut text_left = MOST_TEXT;
    while let Some(cell) = cells.next_cell_with_formula().map_err(|e| broken(e.to_string()))? {
        let line = u64::from(cell.pos.0) + 1;
        if cell.formula.is_some() {
            let problem = format!("column {}: it is a formula: paste its value", cell.pos.1 + 1);
            return Err(TableError::Row(line, problem));
        }
        let Some(text) = text(&cell.value, line)? else { continue };
        if cell.pos.1 >= MOST_COLUMNS {
            return Err(TableError::Row(line, format!("it has more than {MOST_COLUMNS} columns")));
        }
        text_left = text_left.checked_sub(text.len() + 24).ok_or(TableError::Large(MOST_TEXT >> 20))?;
        let row = rows.entry(line).or_default();
        let at = cell.pos.1 as usize;
        if row.len() <= at {
            row.resize(at + 1, String::new());
        }
        if let Some(slot) = row.get_mut(at) {
            *slot = text;
        }
    }
    Ok(rows)
}

fn text(value: &DataRef<'_>, line: u64) -> Result<Option<String>, TableError> {
    let text = match value {
        DataRef::Empty => return Ok(None),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Int(number) => number.to_string(),
        // Whole numbers show without a point, as in a sheet.
        DataRef::Float(number) => number.to_string(),
        DataRef::Bool(flag) => flag.to_string(),
        DataRef::DateTime(at) if at.is_datetime() => {
            let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
            let date = format!("{year:04}-{month:02}-{day:02}");
            match (hour, minute, second) {
                (0, 0, 0) => date,
                _ => format!("{date}T{hour:02}:{minute:02}:{second:02}Z"),
            }
        }
        DataRef::DateTime(span) => span.as_f64().to_string(),
        DataRef::Error(error) => {
            return Err(TableError::Row(line, format!("a cell shows the error {error}")));
        }
    };
    Ok((!text.is_empty()).then_some(text))
}
