//! Tables that people send back: CSV as spreadsheets save it, with a byte-order mark, another delimiter, columns in another
//! order, and the guard against formulas that we put in front of some fields; or workbooks.
//!
//! Not here: what the rows say (`review`).

use std::collections::HashMap;

/// The most bytes of a table.
const MOST: usize = 256 << 20;

/// Why a table cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TableError {
    /// It is not text.
    #[error("line {0}: it is not UTF-8: save it as `CSV UTF-8`")]
    NotText(usize),
    /// It is an archive, and no workbook that can be read.
    #[error("it is no workbook that can be read: {0}: save it as `.xlsx` or `CSV UTF-8`")]
    Workbook(String),
    /// It has no columns.
    #[error("it has no header: the first line names the columns")]
    Empty,
    /// A column is there twice.
    #[error("the column `{0}` is there twice")]
    Twice(String),
    /// It is too large.
    #[error("it is larger than {0} MB")]
    Large(usize),
    /// A row is broken.
    #[error("line {0}: {1}")]
    Row(u64, String),
}

/// A row, with the line that it starts on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TableRow {
    /// From 1.
    pub line: u64,
    fields: Vec<String>,
}

/// A table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Table {
    columns: HashMap<String, usize>,
    /// Its rows; empty ones are left out.
    pub rows: Vec<TableRow>,
}

impl Table {
    /// Reads a table.
    ///
    /// # Errors
    /// If it is none.
    pub fn read(bytes: &[u8]) -> Result<Table, TableError> {
        if bytes.len() > MOST {
            return Err(TableError::Large(MOST >> 20));
        }
        if bytes.starts_with(b"PK\x03\x04") {
            return Table::of_workbook(bytes);
        }
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|e| {
            let before = bytes.get(..e.valid_up_to()).unwrap_or_default();
            TableError::NotText(1 + before.iter().filter(|b| **b == b'\n').count())
        })?;
        // Excel's own line that names the delimiter.
        let (named, text) = match text.strip_prefix("sep=") {
            Some(rest) => (rest.bytes().next(), rest.split_once('\n').map_or("", |(_, rest)| rest)),
            None => (None, text),
        };
        let header = text.lines().next().unwrap_or_default();
        let likely =
            [b',', b';', b'\t'].into_iter().max_by_key(|d| header.bytes().filter(|b| b == d).count());
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(named.or(likely).unwrap_or(b','))
            .flexible(true)
            .from_reader(text.as_bytes());
        let lines = record_lines(text, named.or(likely).unwrap_or(b','))?;
        let failed = |e: csv::Error| {
            let line = e.position().map_or(1, csv::Position::line);
            TableError::Row(line, "the quotes of a field do not close".to_owned())
        };
        let columns = columns(reader.headers().map_err(failed)?.iter())?;
        let mut rows = Vec::new();
        let width = reader.headers().map_or(0, csv::StringRecord::len);
        for (at, record) in reader.records().enumerate() {
            let record = record.map_err(failed)?;
            // The header is the first record.
            let line = lines.get(at + 1).copied().unwrap_or(0) + u64::from(named.is_some());
            let fields: Vec<String> = record.iter().map(unguarded).collect();
            if fields.iter().skip(width).any(|f| !f.trim().is_empty()) {
                let problem =
                    "it has more fields than there are columns: put fields with a delimiter in quotes";
                return Err(TableError::Row(line, problem.to_owned()));
            }
            if fields.iter().any(|f| !f.trim().is_empty()) {
                rows.push(TableRow { line, fields });
            }
        }
        Ok(Table { columns, rows })
    }

    fn of_workbook(bytes: &[u8]) -> Result<Table, TableError> {
        let mut all = super::workbook::rows(bytes)?;
        let (_, header) = all.pop_first().ok_or(TableError::Empty)?;
        let columns = columns(header.iter().map(String::as_str))?;
        let mut rows = Vec::with_capacity(all.len());
        for (line, fields) in all {
            if fields.iter().skip(header.len()).any(|f| !f.trim().is_empty()) {
                return Err(TableError::Row(line, "it has more fields than there are columns".to_owned()));
            }
            if fields.iter().any(|f| !f.trim().is_empty()) {
                rows.push(TableRow { line, fields: fields.iter().map(|f| unguarded(f)).collect() });
            }
        }
        Ok(Table { columns, rows })
    }

    /// Whether a column is there.
    pub fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }

    /// A field; none where the column is not there. One that the row is too short for is empty.
    pub fn get<'t>(&self, row: &'t TableRow, column: &str) -> Option<&'t str> {
        let at = self.columns.get(column)?;
        Some(row.fields.get(*at).map_or("", String::as_str))
    }
}

/// Where each column is, by its name in lower case.
fn columns<'n>(names: impl Iterator<Item = &'n str>) -> Result<HashMap<String, usize>, TableError> {
    let mut columns = HashMap::new();
    for (at, name) in names.enumerate() {
        let name = name.trim().to_ascii_lowercase();
        if !name.is_empty() && columns.insert(name.clone(), at).is_some() {
            return Err(TableError::Twice(name));
        }
    }
    if columns.is_empty() { Err(TableError::Empty) } else { Ok(columns) }
}

/// How many rows a table of ours has, without holding them.
pub fn count(bytes: &[u8]) -> Option<u64> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    let mut rows = 0;
    while reader.read_byte_record(&mut record).ok()? {
        rows += 1;
    }
    Some(rows)
}

/// The line that each record starts on, from 1; lines that are empty are none.
///
/// # Errors
/// Where a quote stands that a spreadsheet would not write: what follows could be taken for other fields.
fn record_lines(text: &str, delimiter: u8) -> Result<Vec<u64>, TableError> {
    #[derive(PartialEq)]
    enum At {
        Start,
        Plain,
        Quoted,
        Closed,
    }
    let wrong = |line, problem: &str| Err(TableError::Row(line, problem.to_owned()));
    let (mut lines, mut line, mut started, mut opened) = (Vec::new(), 1, None, 1);
    let mut at = At::Start;
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match (&at, byte) {
            (At::Quoted, b'"') if bytes.peek() == Some(&b'"') => {
                bytes.next();
            }
            (At::Quoted, b'"') => at = At::Closed,
            (At::Quoted, _) => {}
            (_, b'\r') => {}
            (_, b'\n') => {
                lines.extend(started.take());
                at = At::Start;
            }
            (_, b) if b == delimiter => {
                started.get_or_insert(line);
                at = At::Start;
            }
            (At::Start, b'"') => {
                started.get_or_insert(line);
                opened = line;
                at = At::Quoted;
            }
            (At::Closed, _) => return wrong(line, "something stands behind the quote that ends a field"),
            (_, b'"') => return wrong(line, "a quote stands inside a field that has none around it"),
            (_, _) => {
                started.get_or_insert(line);
                at = At::Plain;
            }
        }
        line += u64::from(byte == b'\n');
    }
    if at == At::Quoted {
        return wrong(opened, "a quote is opened, and not closed");
    }
    lines.extend(started);
    Ok(lines)
}

/// A field without the quote that we put in front of what a spreadsheet would run.
fn unguarded(field: &str) -> String {
    let risky = ['=', '+', '-', '@', '\t', '\r', '\n', '\0', '＝', '＋', '－', '＠'];
    match field.strip_prefix('\'') {
        Some(rest) if rest.starts_with(risky) => rest.to_owned(),
        _ => field.to_owned(),
    }
}

/// A day as people write it, as `2026-12-31`. None for what could be two days, or none.
pub fn day(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.split_once(['T', ' ']).map_or(text, |(day, _)| day);
    let parts: Vec<&str> = text.split(['-', '.', '/']).collect();
    let [a, b, c] = parts.as_slice() else { return None };
    let number = |t: &str| t.parse::<u32>().ok();
    let (year, month, of_month) = if a.len() == 4 {
        (number(a)?, number(b)?, number(c)?)
    } else if c.len() == 4 {
        let (first, second) = (number(a)?, number(b)?);
        match (text.contains('.'), first > 12, second > 12) {
            // Days come first where they are followed by a dot.
            (true, _, false) | (false, true, false) => (number(c)?, second, first),
            (false, false, true) => (number(c)?, first, second),
            _ if first == second => (number(c)?, first, second),
            _ => return None,
        }
    } else {
        return None;
    };
    let day = format!("{year:04}-{month:02}-{of_month:02}");
    crate::model::Instant::parse(&day).is_some().then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(bytes: &[u8]) -> Vec<Vec<String>> {
        let table = Table::read(bytes).unwrap();
        let get = |row: &TableRow, c: &str| table.get(row, c).unwrap_or("-").to_owned();
        table.rows.iter().map(|r| vec![get(r, "a"), get(r, "b")]).collect()
    }

    #[test]
    fn what_spreadsheets_save_reads_the_same() {
        let expected = vec![vec!["-x".to_owned(), "y, z".to_owned()]];
        for text in [
            "a,b\r\n'-x,\"y, z\"\r\n",
            "\u{feff}a;b\n'-x;y, z\n",
            "sep=;\r\na;b\r\n'-x;\"y, z\"\r\n",
            "B\tA\ny, z\t'-x\n\t\n",
            "b,a,\n\"y, z\",'-x,\n,,\n",
        ] {
            assert_eq!(values(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_table_is_refused() {
        assert!(matches!(Table::read(b"PK\x03\x04x"), Err(TableError::Workbook(_))));
        assert_eq!(Table::read(b""), Err(TableError::Empty));
        assert_eq!(Table::read(b"a,A\n"), Err(TableError::Twice("a".to_owned())));
        assert_eq!(Table::read(b"a\n\xff\n"), Err(TableError::NotText(2)));
        for (text, line) in [
            ("a,b\nx,y\n\n\"z,y\nx,y\n", 4),
            ("a,b\n\"x\" y,z\n", 2),
            ("a,b\nx\"y\",z\n", 2),
            ("a,b\n1,2\nx,y,z\n", 3),
        ] {
            assert!(
                matches!(Table::read(text.as_bytes()), Err(TableError::Row(at, _)) if at == line),
                "{text:?}"
            );
        }
        let table = Table::read(b"a,b\r\n\r\n1,\"x\r\ny\"\r\n2,z\r\n").unwrap();
        assert_eq!(table.rows.iter().map(|r| r.line).collect::<Vec<_>>(), [3, 5]);
        // A row that is too short has empty fields.
        assert_eq!(values(b"a,b\nx\n"), [["x".to_owned(), String::new()]]);
    }

    #[test]
    fn days_that_could_be_two_are_none() {
        for (text, expected) in [
            ("2026-12-31", Some("2026-12-31")),
            ("31.12.2026", Some("2026-12-31")),
            ("1.2.2026", Some("2026-02-01")),
            ("31/12/2026", Some("2026-12-31")),
            ("12/31/2026", Some("2026-12-31")),
            ("02/03/2026", None),
            ("03/03/2026", Some("2026-03-03")),
            ("2026-02-30", None),
            ("2026-12-31T00:00:00Z", Some("2026-12-31")),
            ("46022", None),
            ("soon", None),
        ] {
            assert_eq!(day(text).as_deref(), expected, "{text}");
        }
    }
}
