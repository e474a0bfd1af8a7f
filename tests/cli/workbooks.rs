//! Packets that come back as workbooks.

use crate::reviews::{self, packets, saved};
use crate::support::{Ran, folder, run, write};
use leastwise::sources::demo;
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use std::fs;
use std::path::{Path, PathBuf};

fn opened(name: &str) -> PathBuf {
    let dir = folder(name);
    write(&dir.join("leastwise.toml"), demo::CONFIG);
    saved(&dir, "q1.lwsnap", "2026-01-05T08:00:00Z", |_| {});
    reviews::opened(&dir, "q");
    dir
}

fn imported(dir: &Path, file: &str) -> Ran {
    run(dir, &["review", "import", "--by", "ci", "--as-of", "2026-01-10T08:00:00Z", "--campaign", "q", file])
}

/// A packet as a workbook in which its owner approved everything until a day, typed as one.
fn filled(dir: &Path, packet: &str, odd: impl Fn(&mut rust_xlsxwriter::Worksheet, u16)) -> usize {
    let text = fs::read_to_string(dir.join(packet)).unwrap();
    let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let head = reader.headers().unwrap().clone();
    let (mut book, day) = (Workbook::new(), Format::new().set_num_format("dd.mm.yyyy"));
    let sheet = book.add_worksheet();
    let at = |name: &str| u16::try_from(head.iter().position(|h| h == name).unwrap()).unwrap();
    for (n, name) in head.iter().enumerate() {
        sheet.write_string(0, u16::try_from(n).unwrap(), name).unwrap();
    }
    let mut rows = 0;
    for record in reader.records() {
        let record = record.unwrap();
        rows += 1;
        for (n, field) in record.iter().enumerate() {
            sheet.write_string(rows, u16::try_from(n).unwrap(), field).unwrap();
        }
        for (column, text) in [
            ("decision", "approve"),
            ("justification", "the pipeline needs it"),
            ("reviewer", &record[usize::from(at("owner"))]),
            ("second_approver", "ciso@contoso.example"),
        ] {
            sheet.write_string(rows, at(column), text).unwrap();
        }
        let until = ExcelDateTime::from_ymd(2026, 12, 31).unwrap();
        sheet.write_datetime_with_format(rows, at("expires"), &until, &day).unwrap();
    }
    odd(sheet, at("decision"));
    book.save(dir.join("filled.xlsx")).unwrap();
    usize::try_from(rows).unwrap()
}

#[test]
fn a_workbook_is_imported_as_its_table_would_be() {
    let dir = opened("workbook");
    let packet = packets(&dir, "q").remove(0);
    let rows = filled(&dir, &packet, |_, _| {});
    let ran = imported(&dir, "filled.xlsx");
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.lines().next().unwrap().ends_with(&format!(" {rows} decisions")), "{}", ran.out);
    let ledger = fs::read_to_string(dir.join("ledger.jsonl")).unwrap();
    let decided: Vec<&str> = ledger.lines().filter(|l| l.contains("\"kind\":\"decided\"")).collect();
    assert_eq!(decided.len(), rows);
    assert!(decided.iter().all(|l| l.contains("\"expires\":\"2026-12-31\"")), "{}", decided[0]);
    // The workbook that was handed out, as it was, decides nothing and changes nothing.
    let own = packet.replace(".csv", ".xlsx");
    let ran = imported(&dir, &own);
    assert!(
        ran.code == 0 && ran.out.lines().next().unwrap().ends_with(" 0 decisions"),
        "{}{}",
        ran.out,
        ran.err
    );
}

#[test]
fn what_a_workbook_may_not_hold() {
    let dir = opened("workbook-odd");
    let packet = packets(&dir, "q").remove(0);
    let refused = |what: &str| {
        let before = fs::read(dir.join("ledger.jsonl")).unwrap();
        let ran = imported(&dir, "filled.xlsx");
        assert!(matches!(ran.code, 1 | 2), "{}{}", ran.out, ran.err);
        assert!(ran.err.contains(what) || ran.out.contains(what), "{what}: {}{}", ran.out, ran.err);
        assert_eq!(fs::read(dir.join("ledger.jsonl")).unwrap(), before);
    };
    filled(&dir, &packet, |sheet, decision| {
        sheet.write_formula(1, decision, "=IF(TODAY()>0,\"approve\",\"deny\")").unwrap();
    });
    refused("formula");
    // A cell far out would be a row of thousands of columns.
    filled(&dir, &packet, |sheet, _| {
        sheet.write_string(1_000_000, 16_000, "x").unwrap();
    });
    refused("columns");
    // A row that says something else than the ledger.
    filled(&dir, &packet, |sheet, _| {
        sheet.write_string(1, 2, "id-other").unwrap();
    });
    refused("identity");
    for (bytes, what) in [
        (&b"PK\x03\x04 and nothing more"[..], "no workbook"),
        (&b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"[..], "no workbook"),
    ] {
        write(&dir.join("filled.xlsx"), bytes);
        let _ = what;
        let ran = imported(&dir, "filled.xlsx");
        assert!(ran.code == 2 || ran.code == 1, "{}{}", ran.out, ran.err);
    }
    // Half a gigabyte of nothing in a file of a few hundred kilobytes.
    let mut bomb = zip::ZipWriter::new(fs::File::create(dir.join("filled.xlsx")).unwrap());
    bomb.start_file("xl/worksheets/sheet1.xml", zip::write::SimpleFileOptions::default()).unwrap();
    let block = vec![b' '; 1 << 20];
    (0..600).for_each(|_| std::io::Write::write_all(&mut bomb, &block).unwrap());
    bomb.finish().unwrap();
    refused("larger than 512 MB");
}
