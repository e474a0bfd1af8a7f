//! The sections of a large plan, read side by side: what is planned is passed over, since the changes say it again, and the
//! configuration is read by a second thread.
//!
//! Places are found by the names of members: inside a text their quotes would be escaped. A place that was none shows in
//! what stands behind it, and then nothing is given: the plan is read from front to back.
//! Not here: what sections hold (`wire`).

use super::wire::Wire;
use crate::sources::arm::Text;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeSet;

/// In bytes: below, a second thread takes longer than it saves.
const LARGE: usize = 1 << 20;
/// A member's name, and what its value begins with.
type Member = (&'static [u8], u8);
const CHANGES: Member = (b"\"resource_changes\"", b'[');
const CONFIGURATION: Member = (b"\"configuration\"", b'{');

/// The sections of a large plan; none if they must be read from front to back.
pub(super) fn sections(text: &str) -> Option<Wire<'_>> {
    if text.len() < LARGE {
        return None;
    }
    let changes = find(text, 0, CHANGES)?;
    let cut = find(text, changes, CONFIGURATION)?;
    std::thread::scope(|scope| {
        let behind = scope.spawn(move || {
            let (mut wire, seen) = Walk { text, at: cut }.until(None)?;
            wire.configuration.as_mut().map_or(Ok(()), super::written::Configuration::index).ok()?;
            Some((wire, seen))
        });
        let before = Walk { text, at: 0 }.until(Some(cut));
        let behind = behind.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let ((before, seen), (behind, also)) = (before?, behind?);
        seen.is_disjoint(&also).then(|| before.with(behind))
    })
}

/// The comma before a member.
fn find(text: &str, from: usize, (name, opens): Member) -> Option<usize> {
    let bytes = text.as_bytes();
    memchr::memmem::find_iter(bytes.get(from..)?, name).find_map(|at| {
        let (before, behind) = bytes.split_at_checked(from + at)?;
        let comma = before.trim_ascii_end().strip_suffix(b",")?.len();
        let value = behind.get(name.len()..)?.trim_ascii_start().strip_prefix(b":")?;
        value.trim_ascii_start().starts_with(&[opens]).then_some(comma)
    })
}

/// A way along the members of the outermost object.
struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    /// Reads members up to a place, or to the end, with their names. None if anything is not as expected.
    fn until(mut self, end: Option<usize>) -> Option<(Wire<'a>, BTreeSet<String>)> {
        let (mut wire, mut seen) = (Wire::default(), BTreeSet::new());
        loop {
            self.skip_space();
            match end {
                Some(end) if self.at == end => return Some((wire, seen)),
                Some(end) if self.at > end => return None,
                _ => {}
            }
            let Some(key) = self.key()? else { return end.is_none().then_some((wire, seen)) };
            match key.as_str() {
                "format_version" => wire.format_version = self.take()?,
                "planned_values" => match find(self.text, self.at, CHANGES) {
                    Some(at) => self.at = at,
                    None => wire.planned_values = self.take()?,
                },
                "resource_changes" => wire.resource_changes = self.take()?,
                "errored" => wire.errored = self.take()?,
                "complete" => wire.complete = self.take()?,
                "deferred_changes" => wire.deferred_changes = self.take()?,
                "action_invocations" => wire.action_invocations = self.take()?,
                "values" => wire.values = self.take()?,
                "configuration" => wire.configuration = self.take()?,
                "prior_state" => wire.prior_state = self.take()?,
                "variables" => wire.variables = self.take()?,
                _ => drop(self.take::<IgnoredAny>()?),
            }
            // Of two members with one name, who knows which is meant?
            seen.insert(key.0.into_owned()).then_some(())?;
        }
    }

    /// The name of the next member; none inside where the object ends, and the text with it.
    fn key(&mut self) -> Option<Option<Text<'a>>> {
        match self.mark()? {
            b'}' => return self.text.get(self.at..)?.trim_ascii().is_empty().then_some(None),
            b'{' | b',' => {}
            _ => return None,
        }
        let key = self.take()?;
        (self.mark()? == b':').then_some(Some(key))
    }

    fn skip_space(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.len() - rest.trim_ascii_start().len();
    }

    /// The next byte that is no space.
    fn mark(&mut self) -> Option<u8> {
        self.skip_space();
        let mark = self.text.as_bytes().get(self.at).copied();
        self.at += 1;
        mark
    }

    fn take<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let mut values = serde_json::Deserializer::from_str(self.text.get(self.at..)?).into_iter();
        let value = values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(planned: &str, changes: &str, more: &str) -> String {
        let spaces = " ".repeat(LARGE);
        format!(
            r#"{{"format_version":"1.2",{more}"planned_values":{planned},"resource_changes":[{changes}],"configuration":{{"root_module":{{}}}},"errored":true}}{spaces}"#
        )
    }

    const CHANGE: &str = r#"{"address":"a.b","type":"a","name":"b","change":{"actions":["create"]}}"#;

    fn changes(text: &str) -> Option<usize> {
        sections(text).map(|wire| {
            assert!(wire.errored && wire.configuration.is_some() && wire.format_version.is_some());
            wire.resource_changes.map_or(0, |c| c.len())
        })
    }

    #[test]
    fn sections_are_found_and_what_only_looks_like_one_is_not_taken() {
        let both = format!("{CHANGE},{CHANGE}");
        assert_eq!(changes(&plan("{}", &both, "")), Some(2));
        let spaced = plan("{}", &both, "").replace("\":", "\" :\n ").replace(",\"", " ,\r\n\t\"");
        assert_eq!(changes(&spaced), Some(2));
        // Inside a text, quotes are escaped.
        let text = r#"{"a":",\"resource_changes\":["}"#;
        assert_eq!(changes(&plan(text, CHANGE, "")), Some(1));
        // A member of what is planned that is called so: what stands behind it does not fit.
        let nested = r#"{"a":1,"resource_changes":[]}"#;
        assert_eq!(changes(&plan(nested, CHANGE, "")), None);
        let nested = r#"{"a":1,"configuration":{}}"#;
        assert_eq!(
            changes(&plan("{}", &CHANGE.replace("\"create\"", "\"create\",\"configuration\""), "")),
            Some(1)
        );
        assert_eq!(
            changes(&plan(
                "{}",
                &CHANGE.replace(r#""actions""#, &format!(r#""after":{nested},"actions""#)),
                ""
            )),
            None
        );
        // Twice the same, and a cut.
        assert_eq!(changes(&plan("{}", CHANGE, r#""resource_changes":[],"#)), None);
        let whole = plan("{}", CHANGE, "");
        assert_eq!(changes(&whole.replace(r#""errored":true}"#, r#""errored":true"#)), None);
    }
}
