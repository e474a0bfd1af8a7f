//! CSV as RFC 4180 has it, safe to open in a spreadsheet: a field that would be taken for a formula gets a quote in
//! front. Columns are only ever appended.

use super::RenderError;
use super::kept::Kept;
use crate::report::Report;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::io::Write;
use std::rc::Rc;

/// How tables are written.
#[derive(Clone, Copy, Debug)]
pub struct CsvOptions {
    /// Leave fields as they are, formulas included.
    pub raw: bool,
    /// Start with a byte-order mark, for spreadsheets that need one.
    pub bom: bool,
    /// Between fields.
    pub delimiter: u8,
}

impl Default for CsvOptions {
    fn default() -> Self {
        CsvOptions { raw: false, bom: false, delimiter: b',' }
    }
}

/// One of the tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CsvTable {
    /// Findings.
    Findings,
    /// Identities.
    Identities,
    /// Assignments.
    Assignments,
    /// Controls.
    Controls,
}

impl CsvTable {
    pub(super) fn of_file(file: &str) -> CsvTable {
        match file {
            "identities.csv" => CsvTable::Identities,
            "assignments.csv" => CsvTable::Assignments,
            "controls.csv" => CsvTable::Controls,
            _ => CsvTable::Findings,
        }
    }
}

const FINDINGS: &str = "rule,severity,confidence,disposition,identity,identity_id,principal_id,role,role_id,scope,scope_level,subscription,environment,owner,message,fix,waiver,first_seen,controls,fingerprint,subject_kind,subject_id,tenant,collected_at,path,line";
const IDENTITIES: &str = "name,kind,id,principal_id,client_id,subscription,resource_group,environment,owner,hosts,host_names,federated_credentials,grants,groups,highest_risk,last_activity,last_activity_source,unused_verdict,name_verdict,findings,tags,tenant,collected_at,escalates_to,escalation_steps,escalation_confidence,used_percent,denied_operations,log_days,right_size_basis,right_size_create,right_size_delete,used_percent_before,refused_tokens";
const ASSIGNMENTS: &str = "assignment_id,identity,identity_id,principal_id,principal_type,via,role,role_id,role_kind,scope,scope_level,subscription,condition,state,created_on,created_by,risk,findings,description,tenant,collected_at";
const CONTROLS: &str = "framework,version,control_id,title,automation,population,strength,status,subjects,failed,waived,inconclusive,rules,evidence,reason";

/// Where the `csv` crate's writer leaves what it made.
#[derive(Clone, Default)]
struct Sink(Rc<RefCell<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Makes fields as they stand in a file.
struct Quoter {
    writer: ::csv::Writer<Sink>,
    made: Sink,
    delimiter: u8,
    raw: bool,
}

impl Quoter {
    /// Appends fields, each with a delimiter behind it.
    fn append(&mut self, fields: &[&str], to: &mut Vec<u8>) -> Result<(), RenderError> {
        // The writer would quote a record of one empty field, so that its line is not empty.
        if !matches!(fields, [""]) {
            for field in fields {
                let guarded = if self.raw { Cow::Borrowed(*field) } else { guard(field) };
                self.writer.write_field(guarded.as_bytes()).map_err(failed)?;
            }
            self.writer.write_record(None::<&[u8]>).map_err(failed)?;
            self.writer.flush()?;
            let mut made = self.made.0.borrow_mut();
            let line = made.len().saturating_sub(2);
            made.truncate(line);
            to.append(&mut made);
        }
        to.push(self.delimiter);
        Ok(())
    }
}

/// A table in the making. Most of a row is neighbours that many rows share (an identity's fields, a role's, a scope's):
/// those are quoted once and copied.
struct Table<'w, 'a> {
    to: &'w mut dyn Write,
    quoter: Quoter,
    row: Vec<u8>,
    kept: Kept<'a, Vec<u8>>,
    digits: itoa::Buffer,
}

impl<'w, 'a> Table<'w, 'a> {
    fn new(header: &str, options: &CsvOptions, to: &'w mut dyn Write) -> Result<Table<'w, 'a>, RenderError> {
        let made = Sink::default();
        let writer = ::csv::WriterBuilder::new()
            .delimiter(options.delimiter)
            .terminator(::csv::Terminator::CRLF)
            .flexible(true)
            .from_writer(made.clone());
        let quoter = Quoter { writer, made, delimiter: options.delimiter, raw: options.raw };
        let mut table =
            Table { to, quoter, row: Vec::new(), kept: Kept::default(), digits: itoa::Buffer::new() };
        if options.bom {
            table.row.extend_from_slice(b"\xEF\xBB\xBF");
        }
        table.fields(&header.split(',').collect::<Vec<_>>())?;
        table.end()?;
        Ok(table)
    }

    /// Neighbouring fields that live as long as the report.
    fn kept(&mut self, fields: &[&'a str]) -> Result<(), RenderError> {
        let quoter = &mut self.quoter;
        let made = self.kept.get(fields.iter().map(|f| Some(*f)), || {
            let mut made = Vec::new();
            quoter.append(fields, &mut made).map(|()| made)
        })?;
        self.row.extend_from_slice(made);
        Ok(())
    }

    /// Fields that only this row has.
    fn fields(&mut self, fields: &[&str]) -> Result<(), RenderError> {
        self.quoter.append(fields, &mut self.row)
    }

    fn number(&mut self, number: usize) -> Result<(), RenderError> {
        let mut digits = self.digits;
        self.fields(&[digits.format(number)])
    }

    fn end(&mut self) -> Result<(), RenderError> {
        self.row.pop();
        self.row.extend_from_slice(b"\r\n");
        self.to.write_all(&self.row)?;
        self.row.clear();
        Ok(())
    }
}

fn failed(error: ::csv::Error) -> RenderError {
    RenderError::Io(error.into())
}

/// A field that a spreadsheet would run gets a `'` in front. Full-width signs count too: some spreadsheets fold them.
fn guard(text: &str) -> Cow<'_, str> {
    let risky = ['=', '+', '-', '@', '\t', '\r', '\n', '\0', '＝', '＋', '－', '＠'];
    // Nearly every field starts with a letter, a digit or a slash.
    if text.bytes().next().is_none_or(|b| b.is_ascii_alphanumeric() || b == b'/') {
        return text.into();
    }
    // What nobody sees does not keep a spreadsheet from what stands behind it.
    if text.trim_start_matches(super::text::reorders).starts_with(risky) {
        format!("'{text}").into()
    } else {
        text.into()
    }
}

/// A table of any kind, as a text.
///
/// # Errors
/// Never, as it is written to memory.
pub fn csv_text(header: &str, rows: &[Vec<String>], options: &CsvOptions) -> Result<Vec<u8>, RenderError> {
    let mut made = Vec::new();
    let mut table = Table::new(header, options, &mut made)?;
    for row in rows {
        table.fields(&row.iter().map(String::as_str).collect::<Vec<_>>())?;
        table.end()?;
    }
    Ok(made)
}

pub(super) fn write(
    table: CsvTable,
    report: &Report<'_>,
    options: &CsvOptions,
    to: &mut dyn Write,
) -> Result<(), RenderError> {
    match table {
        CsvTable::Findings => findings(report, options, to),
        CsvTable::Identities => identities(report, options, to),
        CsvTable::Assignments => assignments(report, options, to),
        CsvTable::Controls => controls(report, options, to),
    }
}

fn collected(report: &Report<'_>) -> String {
    report.provenance.collected_at.map(|t| t.to_string()).unwrap_or_default()
}

fn findings(report: &Report<'_>, options: &CsvOptions, to: &mut dyn Write) -> Result<(), RenderError> {
    let (tenant, collected) = (report.tenant().unwrap_or(""), collected(report));
    let or_empty = |text| -> &str { Option::unwrap_or(text, "") };
    let mut controls: BTreeMap<&str, String> = BTreeMap::new();
    for row in report.findings() {
        controls.entry(row.rule()).or_insert_with(|| {
            let all: Vec<String> = row.controls().iter().map(|(f, c)| format!("{f}:{c}")).collect();
            all.join(" ")
        });
    }
    let mut out = Table::new(FINDINGS, options, to)?;
    for row in report.findings() {
        out.kept(&[row.rule(), row.severity(), row.confidence(), row.disposition()])?;
        let identity = [row.identity(), row.identity_id(), row.principal_id()];
        out.kept(&identity.map(or_empty))?;
        let grant = [row.role(), row.role_id(), row.scope(), row.scope_level(), row.subscription()];
        out.kept(&grant.map(or_empty))?;
        out.kept(&[row.environment(), row.owner()].map(or_empty))?;
        out.fields(&[row.message()])?;
        let waiver = [row.waiver(), row.first_seen()].map(or_empty);
        let controls = controls.get(row.rule()).map_or("", String::as_str);
        out.kept(&[row.fix(), waiver[0], waiver[1], controls])?;
        out.fields(&[row.fingerprint(), row.subject_kind(), row.subject()])?;
        match row.location() {
            Some((path, line, _)) => out.fields(&[tenant, &collected, path, &line.to_string()])?,
            None => out.kept(&[tenant, &collected, "", ""])?,
        }
        out.end()?;
    }
    Ok(())
}

fn identities(report: &Report<'_>, options: &CsvOptions, to: &mut dyn Write) -> Result<(), RenderError> {
    let (tenant, collected) = (report.tenant().unwrap_or(""), collected(report));
    let mut out = Table::new(IDENTITIES, options, to)?;
    let smaller: HashMap<&str, &crate::report::RightSizeRow> =
        report.right_size.iter().map(|r| (r.principal_id.as_str(), r)).collect();
    for row in report.identities() {
        out.fields(&[row.name, row.kind, row.id, row.principal_id, row.client_id])?;
        out.kept(&[row.subscription, row.resource_group, row.environment, row.owner])?;
        out.number(row.hosts)?;
        out.fields(&[&row.host_names.join(" ")])?;
        for number in [row.federated_credentials, row.grants, row.groups] {
            out.number(number)?;
        }
        out.kept(&[row.highest_risk, row.last_activity, row.last_activity_source])?;
        out.kept(&[row.unused_verdict, row.name_verdict])?;
        out.number(row.findings)?;
        let tags: Vec<String> = row.tags.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let steps =
            if row.escalates_to.is_empty() { String::new() } else { row.escalation_steps.to_string() };
        out.fields(&[tags.join("; ").as_str(), tenant, &collected])?;
        out.fields(&[row.escalates_to, &steps, row.escalation_confidence])?;
        match row.use_index {
            Some(i) => {
                let numbers = [i.percent().to_string(), i.denied.to_string(), i.days.to_string()];
                out.fields(&numbers.each_ref().map(String::as_str))?;
            }
            None => out.kept(&["", "", ""])?,
        }
        out.fields(
            &super::right_size::cells(smaller.get(row.principal_id).copied()).each_ref().map(String::as_str),
        )?;
        let before = report.used_before.get(row.principal_id).map(u64::to_string).unwrap_or_default();
        let refused = row.refused_tokens.map(|n| n.to_string()).unwrap_or_default();
        out.fields(&[&before, &refused])?;
        out.end()?;
    }
    Ok(())
}

fn assignments(report: &Report<'_>, options: &CsvOptions, to: &mut dyn Write) -> Result<(), RenderError> {
    let (tenant, collected) = (report.tenant().unwrap_or(""), collected(report));
    let mut out = Table::new(ASSIGNMENTS, options, to)?;
    let mut id = String::new();
    for row in report.assignments() {
        id.clear();
        let (head, name) = row.assignment_id;
        [head, if head.is_empty() { "" } else { "/" }, name].iter().for_each(|part| id.push_str(part));
        let created = row.created_on.map(|t| t.to_string()).unwrap_or_default();
        out.fields(&[&id])?;
        out.kept(&[row.identity, row.identity_id, row.principal_id, row.principal_type])?;
        match &row.via {
            Cow::Borrowed(via) => out.kept(&[*via])?,
            Cow::Owned(via) => out.fields(&[via])?,
        }
        out.kept(&[row.role, row.role_id, row.role_kind])?;
        out.kept(&[row.scope, row.scope_level, row.subscription])?;
        out.kept(&[row.condition, row.state])?;
        out.fields(&[&created])?;
        out.kept(&[row.created_by, row.risk])?;
        out.number(row.findings)?;
        out.kept(&[row.description, tenant, &collected])?;
        out.end()?;
    }
    Ok(())
}

fn controls(report: &Report<'_>, options: &CsvOptions, to: &mut dyn Write) -> Result<(), RenderError> {
    let mut out = Table::new(CONTROLS, options, to)?;
    for row in report.controls() {
        out.fields(&[&row.framework, &row.version, &row.control_id, &row.title])?;
        out.fields(&[row.automation, row.population, row.strength, row.status])?;
        for number in [row.subjects, row.failed, row.waived, row.inconclusive] {
            out.number(number)?;
        }
        out.fields(&[row.rules.join(" ").as_str(), row.evidence, &row.reason])?;
        out.end()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_quoted() {
        for text in ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "＝x"] {
            assert_eq!(guard(text), format!("'{text}"));
        }
        for text in ["", "a=1", "id-x", "'quoted"] {
            assert_eq!(guard(text), text);
        }
    }
}
