//! Reminders: for each owner with rows to decide, a text, a mail to send, and the packet with what is left.

use super::packets::{self, Packet};
use super::{existing, moment, still_open};
use crate::app::error::AppError;
use crate::app::estate::Times;
use crate::app::store::write_atomically;
use crate::render::{clean, markdown};
use crate::review::{Campaign, Progress, Row};
use std::path::Path;

/// Rows that a mail lists.
const LISTED: usize = 20;

/// Writes reminders, and says for whom.
///
/// # Errors
/// If the ledger cannot be read or a file cannot be written.
pub fn remind(ledger: &Path, campaign: Option<&str>, to: &Path, times: Times) -> Result<String, AppError> {
    let (_, chain) = existing(ledger)?;
    let all = Campaign::all(&chain);
    let campaign = still_open(&all, campaign)?;
    let packets = Packet::all(campaign, |row| row.progress() != Progress::Decided);
    packets::empty(&to.join("packets"))?;
    packets::write(campaign, &packets, &to.join("packets"))?;
    let at = moment(times);
    let late = campaign.is_due(at);
    let opened = &campaign.opened;
    let mut out = String::new();
    for packet in &packets {
        let count = |p| packet.rows.iter().filter(|r| r.progress() == p).count();
        let (open, pending) = (count(Progress::Open), count(Progress::PendingSecond));
        let due =
            if late { format!("were due on {}", opened.due) } else { format!("are due on {}", opened.due) };
        let owner = clean(packet.owner);
        // What waits, and who may help: the owner may not.
        let waiting: Vec<&Row> =
            packet.rows.iter().filter(|r| r.progress() == Progress::PendingSecond).copied().collect();
        let body = |shown: fn(&str) -> String| {
            let (owner, name) = (shown(packet.owner), shown(&opened.campaign));
            let row = |r: &&Row| {
                format!(
                    "- {} of {} on {}\n",
                    shown(&r.item.role),
                    shown(&r.item.identity),
                    shown(&r.item.scope)
                )
            };
            let rows: String = waiting.iter().take(LISTED).map(row).collect();
            let more = pending.saturating_sub(LISTED);
            let rest = if more > 0 { format!("- and {more} more\n") } else { String::new() };
            let second = if pending > 0 {
                format!(
                    "\n\nA second approver is somebody else than the owner, the first reviewer and whoever made the grant. It is missing for:\n\n{rows}{rest}"
                )
            } else {
                String::new()
            };
            format!(
                "Access review {name}: decisions {due} (end of day, UTC).\n\n{open} grant(s) of identities of {owner} wait for a decision, {pending} for a second approver.{second}\n\nFill in packets/{}.csv or the workbook of that name, its last columns, and send it back. {}.html beside it shows the same rows to read, and what each decision means.\n",
                packet.name, packet.name
            )
        };
        let name = clean(&opened.campaign);
        // An address is taken as one only if it could not hold another header.
        let address = owner.contains('@') && !owner.contains(char::is_whitespace) && owner.is_ascii();
        let recipient = if address { format!("To: <{owner}>\r\n") } else { String::new() };
        let seconds =
            if pending > 0 { format!(", {pending} second approval(s) missing") } else { String::new() };
        let mail = format!(
            "{recipient}Subject: Access review {name}: {open} decision(s) {}{seconds}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nX-Unsent: 1\r\n\r\n{}",
            if late { "overdue" } else { "due" },
            body(clean).replace('\n', "\r\n")
        );
        let text = format!("# Access review {}\n\n{}", markdown(&opened.campaign), body(markdown));
        write_atomically(&to.join(format!("{}.md", packet.name)), false, |f| f.write_all(text.as_bytes()))?;
        write_atomically(&to.join(format!("{}.eml", packet.name)), false, |f| f.write_all(mail.as_bytes()))?;
        out.push_str(&format!("{owner}: {open} open, {pending} wait for a second approver\n"));
    }
    if packets.is_empty() {
        out.push_str("everything is decided: leastwise review close ends the campaign\n");
    }
    Ok(out)
}
