//! Terraform's addresses and references: how they come apart and together.
//!
//! Source: "Resource addressing" of the Terraform documentation. Not here: what they lead to.

/// The attribute that is left of a reference, or the one that is meant.
pub(super) fn strip(tail: &[String], want: &str) -> String {
    let steps: Vec<&str> = tail.iter().map(|t| t.trim_start_matches('[').trim_end_matches(']')).collect();
    if steps.is_empty() { want.to_owned() } else { steps.join(".") }
}

/// `a.b["c.d"].e` to `a`, `b`, `["c.d"]`, `e`.
pub(super) fn split(reference: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let (mut part, mut quoted, mut inside) = (String::new(), false, false);
    for c in reference.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                part.push(c);
            }
            '.' if !quoted && !inside => parts.push(std::mem::take(&mut part)),
            '[' if !quoted => {
                parts.push(std::mem::take(&mut part));
                inside = true;
                part.push(c);
            }
            ']' if !quoted => {
                inside = false;
                part.push(c);
            }
            _ => part.push(c),
        }
    }
    parts.push(part);
    parts.retain(|p| !p.is_empty());
    parts
}

/// `module.a["x"].module.b` to `a`, `b`.
pub(super) fn module_names(address: &str) -> Vec<String> {
    let parts = split(address);
    let mut names = Vec::new();
    let mut parts = parts.iter().filter(|p| !p.starts_with('['));
    while let (Some(_module), Some(name)) = (parts.next(), parts.next()) {
        names.push(name.clone());
    }
    names
}

/// The module around a module, and the name of the call.
pub(super) fn parent_of(module: &str) -> Option<(String, String)> {
    let parts = split(module);
    let last = parts.iter().rposition(|p| p == "module")?;
    let name = parts.get(last + 1)?.clone();
    let mut outer = String::new();
    for part in parts.get(..last)? {
        if !outer.is_empty() && !part.starts_with('[') {
            outer.push('.');
        }
        outer.push_str(part);
    }
    Some((outer, name))
}

pub(super) fn joined(module: &str, rest: &str) -> String {
    if module.is_empty() { rest.to_owned() } else { format!("{module}.{rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_apart_at_their_dots_alone() {
        assert_eq!(split(r#"a.b["c.d"].e[0].f"#), ["a", "b", r#"["c.d"]"#, "e", "[0]", "f"]);
        assert_eq!(module_names(r#"module.a["x.module"].module.b"#), ["a", "b"]);
        assert_eq!(
            parent_of(r#"module.a["x"].module.b[0]"#),
            Some((r#"module.a["x"]"#.to_owned(), "b".to_owned()))
        );
        assert_eq!(parent_of("module.a"), Some((String::new(), "a".to_owned())));
        assert_eq!(parent_of(""), None);
    }
}
