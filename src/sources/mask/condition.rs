//! Conditions of grants: their structure, attributes and built-in roles stay, what they compare with goes.

use super::Mask;

/// Values that conditions compare with, and that say nothing of anybody.
const VALUES: &[&str] = &["User", "Group", "ServicePrincipal", "ForeignGroup", "Device", "true", "false"];

/// Attributes whose last part a user named.
const NAMED: &[&str] = &["customsecurityattributes/id", "/tags"];

impl Mask {
    /// The same condition over pseudonyms.
    pub fn condition(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let (taken, shown) = match first {
                '\'' => {
                    let inner = rest.get(1..).unwrap_or_default();
                    let end = inner.find('\'').unwrap_or(inner.len());
                    let (value, after) = inner.split_at_checked(end).unwrap_or((inner, ""));
                    let close = if after.is_empty() { "" } else { "'" };
                    (1 + end + close.len(), format!("'{}{close}", self.literal(value)))
                }
                '[' => {
                    let end = rest.find(']').unwrap_or(rest.len());
                    let inner = rest.get(..end).unwrap_or(rest);
                    (end.max(1), self.attribute(inner))
                }
                _ => {
                    let end = rest.find(['\'', '[']).unwrap_or(rest.len());
                    (end, self.bare(rest.get(..end).unwrap_or(rest)))
                }
            };
            out.push_str(&shown);
            rest = rest.get(taken..).unwrap_or_default();
        }
        out
    }

    /// Operators and keywords, with GUIDs between them.
    fn bare(&mut self, text: &str) -> String {
        let keyword = |w: &str| w.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'@' | b':' | b'_'));
        let mut out = String::new();
        for piece in
            text.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '@' | ':' | '_')))
        {
            let word = piece.trim_end_matches(|c: char| {
                !(c.is_ascii_alphanumeric() || matches!(c, '-' | '@' | ':' | '_'))
            });
            let tail = piece.get(word.len()..).unwrap_or_default();
            out.push_str(&if keyword(word) { word.to_owned() } else { self.words(word, false) });
            out.push_str(tail);
        }
        out
    }

    fn literal(&mut self, value: &str) -> String {
        let operation = value.get(..10).is_some_and(|h| h.eq_ignore_ascii_case("microsoft."));
        if VALUES.iter().any(|v| v.eq_ignore_ascii_case(value)) {
            value.to_owned()
        } else if operation {
            self.kind(value)
        } else if crate::model::Instant::parse(value).is_some() {
            value.to_owned()
        } else if let Some((family, verb)) =
            value.split_once('.').filter(|(f, _)| *f == "Blob" || *f == "Queue")
        {
            // Suboperations, as `Blob.List`.
            format!("{family}.{verb}")
        } else {
            self.text(value)
        }
    }

    /// `[Microsoft.Authorization/roleAssignments:PrincipalType]`, without the last bracket.
    fn attribute(&mut self, text: &str) -> String {
        let Some((source, name)) = text.rsplit_once(':') else { return text.to_owned() };
        let folded = source.to_ascii_lowercase();
        if NAMED.iter().any(|end| folded.ends_with(end)) {
            let (name, flag) = name.split_once('<').map_or((name, None), |(n, f)| (n, Some(f)));
            let flag = flag.map_or(String::new(), |f| format!("<{f}"));
            return format!("{source}:{}{flag}", self.words(name, false));
        }
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rbac::Catalog;

    #[test]
    fn structure_stays_and_values_go() {
        let mut mask = Mask::new(b"salt", [], Catalog::embedded());
        let text = "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {acdd72a7-3385-48ef-bd42-f606fba81ae7, 11111111-2222-3333-4444-555555555555} AND @Request[Microsoft.Authorization/roleAssignments:PrincipalType] StringEqualsIgnoreCase 'ServicePrincipal' AND @Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals 'payroll'))";
        let masked = mask.condition(text);
        let guid = mask.text("11111111-2222-3333-4444-555555555555");
        let name = mask.text("payroll");
        assert!(guid != "11111111-2222-3333-4444-555555555555" && name != "payroll");
        assert_eq!(
            masked,
            text.replace("11111111-2222-3333-4444-555555555555", &guid).replace("payroll", &name)
        );
        let named = "@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Payroll_Level] StringEquals @Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags:Payroll<$key_case_sensitive$>]";
        let masked = mask.condition(named);
        assert!(!masked.to_ascii_lowercase().contains("payroll"), "{masked}");
        assert!(
            masked.contains("<$key_case_sensitive$>]") && masked.contains("CustomSecurityAttributes/Id:")
        );
    }

    #[test]
    fn broken_conditions_end() {
        let mut mask = Mask::new(b"salt", [], Catalog::embedded());
        for text in ["'", "[", "@Request[", "'é", "]]", "@Request[x:é'"] {
            mask.condition(text);
        }
    }
}
