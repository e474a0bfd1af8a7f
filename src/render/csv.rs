//! CSV as RFC 4180 has it, safe to open in a spreadsheet: a field that would be taken for a formula gets a quote in
//! front. Columns are only ever appended.

use super::RenderError;
use crate::report::Report;
use std::borrow::Cow;
use std::io::Write;

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
const IDENTITIES: &str = "name,kind,id,principal_id,client_id,subscription,resource_group,environment,owner,hosts,host_names,federated_credentials,grants,groups,highest_risk,last_activity,last_activity_source,unused_verdict,name_verdict,findings,tags,tenant,collected_at";
const ASSIGNMENTS: &str = "assignment_id,identity,identity_id,principal_id,principal_type,via,role,role_id,role_kind,scope,scope_level,subscription,condition,state,created_on,created_by,risk,findings,description,tenant,collected_at";
const CONTROLS: &str = "framework,version,control_id,title,automation,population,strength,status,subjects,failed,waived,inconclusive,rules,evidence,reason";

struct Table<'w> {
    writer: ::csv::Writer<&'w mut dyn Write>,
    raw: bool,
}

impl Table<'_> {
    fn field(&mut self, text: &str) -> Result<(), RenderError> {
        let guarded = if self.raw { Cow::Borrowed(text) } else { guard(text) };
        self.writer.write_field(guarded.as_bytes()).map_err(failed)
    }

    fn number(&mut self, number: usize) -> Result<(), RenderError> {
        self.writer.write_field(number.to_string()).map_err(failed)
    }

    fn end(&mut self) -> Result<(), RenderError> {
        self.writer.write_record(None::<&[u8]>).map_err(failed)
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
    if text.starts_with(risky) { format!("'{text}").into() } else { text.into() }
}

pub(super) fn write(
    table: CsvTable,
    report: &Report<'_>,
    options: &CsvOptions,
    to: &mut dyn Write,
) -> Result<(), RenderError> {
    if options.bom {
        to.write_all(b"\xEF\xBB\xBF")?;
    }
    let writer = ::csv::WriterBuilder::new()
        .delimiter(options.delimiter)
        .terminator(::csv::Terminator::CRLF)
        .buffer_capacity(1 << 18)
        .from_writer(to);
    let mut out = Table { writer, raw: options.raw };
    let header = match table {
        CsvTable::Findings => FINDINGS,
        CsvTable::Identities => IDENTITIES,
        CsvTable::Assignments => ASSIGNMENTS,
        CsvTable::Controls => CONTROLS,
    };
    out.writer.write_record(header.split(',')).map_err(failed)?;
    match table {
        CsvTable::Findings => findings(report, &mut out)?,
        CsvTable::Identities => identities(report, &mut out)?,
        CsvTable::Assignments => assignments(report, &mut out)?,
        CsvTable::Controls => controls(report, &mut out)?,
    }
    out.writer.flush()?;
    Ok(())
}

fn collected(report: &Report<'_>) -> String {
    report.provenance.collected_at.map(|t| t.to_string()).unwrap_or_default()
}

fn findings(report: &Report<'_>, out: &mut Table<'_>) -> Result<(), RenderError> {
    let (tenant, collected) = (report.tenant().unwrap_or(""), collected(report));
    for row in report.findings() {
        let controls: Vec<String> = row.controls().iter().map(|(f, c)| format!("{f}:{c}")).collect();
        let known = |text: Option<&'_ str>| text.map(str::to_owned).unwrap_or_default();
        for text in [row.rule(), row.severity(), row.confidence(), row.disposition()] {
            out.field(text)?;
        }
        for text in [
            row.identity(),
            row.identity_id(),
            row.principal_id(),
            row.role(),
            row.role_id(),
            row.scope(),
            row.scope_level(),
            row.subscription(),
            row.environment(),
            row.owner(),
        ] {
            out.field(text.unwrap_or(""))?;
        }
        for text in [
            row.message(),
            row.fix(),
            &known(row.waiver()),
            &known(row.first_seen()),
            &controls.join(" "),
            row.fingerprint(),
            row.subject_kind(),
            row.subject(),
            tenant,
            &collected,
        ] {
            out.field(text)?;
        }
        match row.location() {
            Some((path, line, _)) => {
                out.field(path)?;
                out.field(&line.to_string())?;
            }
            None => {
                out.field("")?;
                out.field("")?;
            }
        }
        out.end()?;
    }
    Ok(())
}

fn identities(report: &Report<'_>, out: &mut Table<'_>) -> Result<(), RenderError> {
    let (tenant, collected) = (report.tenant().unwrap_or(""), collected(report));
    for row in report.identities() {
        for text in [
            row.name,
            row.kind,
            row.id,
            row.principal_id,
            row.client_id,
            row.subscription,
            row.resource_group,
            row.environment,
            row.owner,
        ] {
            out.field(text)?;
        }
        out.number(row.hosts)?;
        out.field(&row.host_names.join(" "))?;
        for number in [row.federated_credentials, row.grants, row.groups] {
            out.number(number)?;
        }
        for text in [
            row.highest_risk,
            row.last_activity,
            row.last_activity_source,
            row.unused_verdict,
            row.name_verdict,
        ] {
            out.field(text)?;
        }
        out.number(row.findings)?;
        let tags: Vec<String> = row.tags.iter().map(|(k, v)| format!("{k}={v}")).collect();
        for text in [tags.join("; ").as_str(), tenant, &collected] {
            out.field(text)?;
        }
        out.end()?;
    }
    Ok(())
}

fn assignments(report: &Report<'_>, out: &mut Table<'_>) -> Result<(), RenderError> {
    let (tenant, collected) = (report.tenant().unwrap_or(""), collected(report));
    let mut id = String::new();
    for row in report.assignments() {
        id.clear();
        let (head, name) = row.assignment_id;
        [head, if head.is_empty() { "" } else { "/" }, name].iter().for_each(|part| id.push_str(part));
        let created = row.created_on.map(|t| t.to_string()).unwrap_or_default();
        for text in [
            id.as_str(),
            row.identity,
            row.identity_id,
            row.principal_id,
            row.principal_type,
            &row.via,
            row.role,
            row.role_id,
            row.role_kind,
            row.scope,
            row.scope_level,
            row.subscription,
            row.condition,
            row.state,
            &created,
            row.created_by,
            row.risk,
        ] {
            out.field(text)?;
        }
        out.number(row.findings)?;
        for text in [row.description, tenant, &collected] {
            out.field(text)?;
        }
        out.end()?;
    }
    Ok(())
}

fn controls(report: &Report<'_>, out: &mut Table<'_>) -> Result<(), RenderError> {
    for row in report.controls() {
        // Titles, automation and strength belong to a framework's own file; a rule's mapping does not know them.
        for text in [row.framework.as_str(), &row.version, &row.control_id, "", "partial", "", "", row.status]
        {
            out.field(text)?;
        }
        for number in [row.subjects, row.failed, row.waived, row.inconclusive] {
            out.number(number)?;
        }
        for text in [row.rules.join(" ").as_str(), "findings.csv", &row.reason] {
            out.field(text)?;
        }
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
