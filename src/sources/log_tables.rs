//! Answers of Log Analytics in their table form, and its exports as CSV: each row becomes the object that the columns name, and is
//! read like any other record.
//!
//! Source: "Azure Monitor Log Analytics API response format". Not here: what a record says (`usage`, `activity`).

use super::scan::{Position, Problem, Visit};
use super::table::Table;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::io::Read;

/// In bytes: the service answers at most 64 MB at once; a file of several is larger.
const MOST: u64 = 1 << 30;

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    tables: Vec<Rows<'a>>,
}

#[derive(Deserialize)]
struct Rows<'a> {
    #[serde(borrow)]
    columns: Vec<Column<'a>>,
    #[serde(borrow)]
    rows: Vec<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Column<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

/// What a file begins like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// Objects, in whatever list.
    Records,
    /// An answer in table form.
    Tables,
    /// CSV.
    Csv,
}

/// The form of a file, by its first bytes.
pub(super) fn form(begins: &[u8]) -> Form {
    let begins = begins.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(begins);
    let text = String::from_utf8_lossy(begins);
    let text = text.trim_start();
    match text.chars().next() {
        Some('{') => {
            let inside = text.get(1..).unwrap_or_default().trim_start();
            if inside.starts_with("\"tables\"") { Form::Tables } else { Form::Records }
        }
        Some('[') | None => Form::Records,
        // A header names the time of each row.
        Some(_) => match text.lines().next() {
            Some(header) if header.contains("TimeGenerated") => Form::Csv,
            _ => Form::Records,
        },
    }
}

/// Reads a file of one of these forms, row by row.
pub(super) fn read(form: Form, input: impl Read, to: &mut impl Visit) {
    let start = Position { line: 1, column: 1 };
    let mut bytes = Vec::new();
    if input.take(MOST + 1).read_to_end(&mut bytes).is_err() || bytes.len() as u64 > MOST {
        return to.problem(Problem::Truncated, start);
    }
    if form == Form::Csv { csv(&bytes, to) } else { tables(&bytes, to) }
}

fn tables(bytes: &[u8], to: &mut impl Visit) {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let answer: Answer<'_> = match serde_json::from_slice(bytes) {
        Ok(answer) => answer,
        Err(error) => {
            let at = Position { line: error.line() as u64, column: error.column() as u64 };
            return to.problem(Problem::Truncated, at);
        }
    };
    for table in answer.tables {
        for (n, row) in table.rows.iter().enumerate() {
            let fields =
                table.columns.iter().zip(row).filter(|(_, v)| v.get() != "null" && v.get() != "\"\"");
            let fields: Vec<String> = fields
                .map(|(c, v)| format!("{}:{}", serde_json::Value::from(c.name.as_ref()), v.get()))
                .collect();
            // Rows have no lines of their own in what is often one line: the number of the row is what helps.
            let at = Position { line: n as u64 + 1, column: 1 };
            to.element(format!("{{{}}}", fields.join(",")).as_bytes(), at, false);
        }
    }
}

fn csv(bytes: &[u8], to: &mut impl Visit) {
    let table = match Table::read(bytes) {
        Ok(table) => table,
        Err(_) => return to.problem(Problem::Truncated, Position { line: 1, column: 1 }),
    };
    // Names of columns are known without case there: the spelling of the service is put back.
    const NAMES: [&str; 18] = [
        "TimeGenerated",
        "CategoryValue",
        "Category",
        "ActivityStatusValue",
        "ActivitySubstatusValue",
        "OperationNameValue",
        "OperationName",
        "Authorization",
        "Claims",
        "Caller",
        "_ResourceId",
        "ResourceId",
        "ServicePrincipalId",
        "CreatedDateTime",
        "ActivityName",
        "AuthType",
        "AuthKey",
        "Status",
    ];
    for row in &table.rows {
        let fields = NAMES.iter().filter_map(|name| {
            let value =
                table.get(row, &name.to_ascii_lowercase()).map(str::trim).filter(|v| !v.is_empty())?;
            Some(((*name).to_owned(), serde_json::Value::from(value)))
        });
        let object: serde_json::Map<String, serde_json::Value> = fields.collect();
        let at = Position { line: row.line, column: 1 };
        to.element(serde_json::Value::Object(object).to_string().as_bytes(), at, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen(Vec<serde_json::Value>, usize);

    impl Visit for Seen {
        fn element(&mut self, bytes: &[u8], _: Position, _: bool) {
            self.0.push(serde_json::from_slice(bytes).unwrap());
        }

        fn beside(&mut self, _: &str, _: &[u8], _: Position) {}

        fn problem(&mut self, _: Problem, _: Position) {
            self.1 += 1;
        }
    }

    #[test]
    fn rows_become_the_objects_that_their_columns_name() {
        let tables = br#"{"tables":[{"name":"PrimaryResult","columns":[{"name":"TimeGenerated","type":"datetime"},{"name":"Authorization","type":"string"},{"name":"Caller","type":"string"}],
            "rows":[["2026-05-01T00:00:00Z","{\"action\":\"a/b/write\"}",null]]}]}"#;
        let csv = b"TimeGenerated,Authorization,Other\r\n2026-05-01T00:00:00Z,\"{\"\"action\"\":\"\"a/b/write\"\"}\",x\r\n";
        let expected = serde_json::json!({"TimeGenerated": "2026-05-01T00:00:00Z", "Authorization": "{\"action\":\"a/b/write\"}"});
        for (bytes, kind) in [(&tables[..], Form::Tables), (&csv[..], Form::Csv)] {
            assert_eq!(form(bytes), kind);
            let mut seen = Seen::default();
            read(kind, bytes, &mut seen);
            assert_eq!((seen.0.as_slice(), seen.1), (std::slice::from_ref(&expected), 0));
        }
        for text in ["{\"value\":[]}", "[]", "{\"records\":[],\"tables\":1}", "", "hello"] {
            assert_eq!(form(text.as_bytes()), Form::Records, "{text}");
        }
        for broken in ["{\"tables\":[", "{\"tables\":[{\"columns\":1}]}"] {
            let mut seen = Seen::default();
            read(Form::Tables, broken.as_bytes(), &mut seen);
            assert_eq!((seen.0.len(), seen.1), (0, 1));
        }
    }
}
