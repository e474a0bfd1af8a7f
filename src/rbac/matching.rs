//! Whether a pattern names an operation.
//!
//! `*` stands for any text, slashes included. `/*/` also stands for a single `/`: Managed Identity Operator holds
//! only `…/userAssignedIdentities/*/assign/action` and Azure lets it assign. No official text states this, so it is
//! taken for what a role allows and for what its `not` lists take away alike, as `leastwise roles check` documents.

use crate::model::ActionPattern;

/// Whether `operation`, in lower case, is named by `pattern`.
pub fn matches(pattern: &ActionPattern, operation: &str) -> bool {
    let text = pattern.text();
    match pattern.stars() {
        0 => text == operation,
        1 => match text.split_once('*') {
            Some((before, after)) => one_star(before, after, operation),
            None => false,
        },
        _ => may_match(text, operation) && many_stars(text.as_bytes(), operation.as_bytes()),
    }
}

/// Whether `operation` is named by `pattern` without taking `/*/` for a single `/`: what to rely on when a role is
/// recommended, since no official text promises that.
pub fn matches_strictly(pattern: &ActionPattern, operation: &str) -> bool {
    let mut pieces = pattern.text().split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = operation.strip_prefix(first) else { return false };
    if pattern.stars() == 0 {
        return rest.is_empty();
    }
    let mut pieces: Vec<&str> = pieces.collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = rest.get(at + piece.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

fn one_star(before: &str, after: &str, operation: &str) -> bool {
    if let Some(rest) = operation.strip_prefix(before)
        && rest.ends_with(after)
    {
        return true;
    }
    // `a/*/b` without the segment between: `a/b`.
    match (before.strip_suffix('/'), operation.strip_suffix(after)) {
        (Some(head), Some(rest)) => after.starts_with('/') && rest == head,
        _ => false,
    }
}

/// Whether the pieces between the stars stand in the operation in their order, slashes at their ends aside, which
/// `/*/` may leave out. Cheap, and enough to turn nearly everything away.
fn may_match(pattern: &str, operation: &str) -> bool {
    let mut rest = operation;
    pattern.split('*').map(|piece| piece.trim_matches('/')).all(|piece| {
        let found = memchr::memmem::find(rest.as_bytes(), piece.as_bytes());
        match found.and_then(|at| rest.get(at + piece.len()..)) {
            Some(after) => {
                rest = after;
                true
            }
            None => false,
        }
    })
}

/// The set of pattern positions that are reachable after each byte, as one walk: pattern times operation, and
/// only for patterns whose pieces are all there, so that a hostile role cannot stall an audit.
fn many_stars(pattern: &[u8], operation: &[u8]) -> bool {
    let end = pattern.len();
    let mut now = vec![false; end + 1];
    let mut next = vec![false; end + 1];
    reach(pattern, &mut now, 0);
    for byte in operation {
        next.fill(false);
        for at in 0..end {
            if now.get(at) != Some(&true) {
                continue;
            }
            match pattern.get(at) {
                Some(b'*') => reach(pattern, &mut next, at),
                Some(expected) if expected == byte => reach(pattern, &mut next, at + 1),
                _ => {}
            }
        }
        std::mem::swap(&mut now, &mut next);
    }
    now.get(end) == Some(&true)
}

/// Marks a position and those that it reaches without reading: behind a `*`, and behind the `*` of a `/*/` from
/// its first slash.
fn reach(pattern: &[u8], set: &mut [bool], at: usize) {
    match set.get_mut(at) {
        Some(slot) if !*slot => *slot = true,
        _ => return,
    }
    if pattern.get(at) == Some(&b'*') {
        reach(pattern, set, at + 1);
    }
    if pattern.get(at..at + 3) == Some(b"/*/") {
        reach(pattern, set, at + 2);
    }
}

/// The same question, answered by trying everything. For tests only, where the fast form is held against it.
#[cfg(test)]
pub(crate) fn matches_naively(pattern: &str, operation: &str) -> bool {
    fn go(p: &[u8], o: &[u8]) -> bool {
        if p.starts_with(b"/*/") && go(&p[2..], o) {
            return true;
        }
        match (p.first(), o.first()) {
            (None, None) => true,
            (Some(b'*'), _) => go(&p[1..], o) || (!o.is_empty() && go(p, &o[1..])),
            (Some(a), Some(b)) => a == b && go(&p[1..], &o[1..]),
            _ => false,
        }
    }
    go(pattern.trim().to_lowercase().as_bytes(), operation.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hit(pattern: &str, operation: &str) -> bool {
        matches(&ActionPattern::new(pattern), operation)
    }

    #[test]
    fn documented_cases() {
        let uami = "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action";
        assert!(hit(uami, "microsoft.managedidentity/userassignedidentities/assign/action"));
        assert!(hit(uami, "microsoft.managedidentity/userassignedidentities/x/y/assign/action"));
        assert!(hit("*/read", "a/b/c/read"));
        assert!(hit(
            "Microsoft.Compute/virtualMachines/*",
            "microsoft.compute/virtualmachines/extensions/write"
        ));
        assert!(!hit("Microsoft.Compute/virtualMachines/*", "microsoft.compute/virtualmachines"));
        assert!(!hit("*/read", "read"));
        assert!(hit("Microsoft.Network/virtualNetworks/read ", "microsoft.network/virtualnetworks/read"));
        assert!(hit("Microsoft.*/write", "microsoft.web/sites/write"));
        assert!(hit("*/*/assign/action", "a/b/assign/action"));
        assert!(hit("a/*/*/b", "a/b"));
        assert!(!hit("a*b*c", "ab"));
        assert!(!hit("*/**//*", "//a"));
        assert!(hit(&"*".repeat(1_000_000), "a/b"));
        assert!(hit(&format!("a{}/b", "/*".repeat(100_000)), "a/b"));
        assert!(!hit(&format!("*{}*", "a".repeat(100_000)), "a/b"));
    }

    proptest! {
        #[test]
        fn fast_is_naive(pattern in "[ab/*]{0,11}", operation in "[ab/]{0,9}") {
            prop_assert_eq!(hit(&pattern, &operation), matches_naively(&pattern, &operation));
        }
    }
}
