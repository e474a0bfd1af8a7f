//! Texts with `{fact.name}` in them, for messages and commands. Plain text: escaping is the renderer's, except that
//! a command quotes what it is given for a POSIX shell.

use super::expr::{Literal, Names};
use super::facts::{FactId, Value, find_fact};
use std::borrow::Cow;
use std::fmt::Write as _;

#[derive(Clone, PartialEq, Debug)]
enum Part {
    Text(String),
    Fact(FactId),
    Param(Literal),
    /// `{subject}`: the id of what the finding is about.
    Subject,
}

/// A parsed text.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Template(Vec<Part>);

impl Template {
    pub(super) fn parse(text: &str, names: &Names<'_>) -> Result<Template, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            parts.push(Part::Text(before.to_owned()));
            let (name, after) = after.split_once('}').ok_or("expected `}` behind the fact's name")?;
            rest = after;
            if name == "subject" {
                parts.push(Part::Subject);
                continue;
            }
            let (root, field) = name
                .split_once('.')
                .ok_or_else(|| format!("expected `{{fact.name}}`, found `{{{name}}}`"))?;
            if root == "params" {
                let found = names.params.iter().find(|(n, _)| n == field);
                parts.push(Part::Param(
                    found.ok_or_else(|| format!("the rule has no parameter `{field}`"))?.1.clone(),
                ));
                continue;
            }
            match find_fact(root, field).filter(|_| names.roots.contains(&root)) {
                Some((id, _)) => parts.push(Part::Fact(id)),
                None => return Err(format!("unknown fact `{name}`; `leastwise schema rule` lists them")),
            }
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Template(parts))
    }

    pub(super) fn fill<'v>(&self, subject: &str, fact: &dyn Fn(FactId) -> Value<'v>, shell: bool) -> String {
        let mut out = String::with_capacity(192);
        for part in &self.0 {
            let value = match part {
                // The rule's own words are trusted: only what is put between them is quoted.
                Part::Text(text) => {
                    out.push_str(text);
                    continue;
                }
                Part::Subject => Value::Text(subject),
                Part::Param(literal) => literal.value(),
                Part::Fact(id) => fact(*id),
            };
            let text: Cow<'_, str> = match value {
                Value::Missing => "not known".into(),
                Value::Bool(b) => b.to_string().into(),
                Value::Int(n) => n.to_string().into(),
                Value::Text(t) => t.into(),
                Value::List(list) => listed(list).into(),
            };
            out.push_str(&if shell { quoted(&text) } else { text });
        }
        out
    }
}

/// The most things of a list that are told: all classes of operations, so that the worst is never among the rest.
const LISTED: usize = 8;

/// As many as are told, then how many more.
fn listed(list: &[String]) -> String {
    let shown: Vec<&str> = list.iter().take(LISTED).map(String::as_str).collect();
    let mut text = shown.join(", ");
    if list.len() > LISTED {
        let _ = write!(text, " and {} more", list.len() - LISTED);
    }
    text
}

/// Quoted for a POSIX shell, unless it is plainly safe.
fn quoted(text: &str) -> Cow<'_, str> {
    let safe = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:@".contains(&b));
    if safe { text.into() } else { format!("'{}'", text.replace('\'', "'\\''")).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names<'static> = Names { roots: &["identity"], params: &[] };

    #[test]
    fn facts_are_filled_in_and_quoted_for_a_shell() {
        let template = Template::parse("delete {subject} of `{identity.name}`", &NAMES).unwrap();
        let fact = |_| Value::Text("a'; rm -rf");
        assert_eq!(template.fill("/s/x", &fact, false), "delete /s/x of `a'; rm -rf`");
        assert_eq!(template.fill("/s/x", &fact, true), "delete /s/x of `'a'\\''; rm -rf'`");
        assert!(Template::parse("{identity.nothing}", &NAMES).is_err());
        assert!(Template::parse("{identity.name", &NAMES).is_err());
    }

    #[test]
    fn long_lists_are_cut() {
        let list: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        assert_eq!(listed(&list), "0, 1, 2, 3, 4, 5, 6, 7 and 2 more");
    }
}
