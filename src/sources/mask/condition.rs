//! Conditions of grants: their structure, known attributes and built-in roles stay, what they compare with goes. One that cannot be
//! read is replaced as a whole, and still cannot be read.

use super::Mask;

/// Values that conditions compare with, and that say nothing of anybody. Suboperations among them.
const VALUES: &[&str] = &[
    "User",
    "Group",
    "ServicePrincipal",
    "ForeignGroup",
    "Device",
    "true",
    "false",
    "Blob.List",
    "Blob.Read.WithTagConditions",
    "Blob.Write.WithTagHeaders",
    "Blob.Write.Tags",
];

/// Words of the language, lower-case.
const KEYWORDS: &[&str] =
    &["and", "or", "not", "exists", "actionmatches", "suboperationmatches", "true", "false"];

/// Sources of attributes, lower-case.
const SOURCES: &[&str] = &["@request", "@resource", "@principal", "@environment", "@context"];

/// Last parts of attributes that Azure names.
/// Source: Microsoft Learn, "Azure role assignment condition format and syntax".
const ATTRIBUTES: &[&str] = &[
    "RoleDefinitionId",
    "PrincipalId",
    "PrincipalType",
    "name",
    "path",
    "prefix",
    "delimiter",
    "include",
    "snapshot",
    "versionId",
    "isCurrentVersion",
    "isHnsEnabled",
    "isPrivateLink",
    "UtcNow",
    "accountKind",
    "containers",
    "tags",
    "metadata",
    "directory",
];

/// What stands in pointed brackets behind a tag.
const FLAGS: &[&str] = &["$key_case_sensitive$", "$key_case_insensitive$", "$keys$"];

/// The one source of attributes that is no type of Azure's.
const DIRECTORY: &str = "Microsoft.Directory/CustomSecurityAttributes/Id";

impl Mask {
    /// The same condition over pseudonyms.
    pub fn condition(&mut self, text: &str) -> String {
        if crate::model::condition::parse(text).is_err() {
            return self.prose(text);
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let (taken, shown) = match first {
                '\'' => {
                    let (value, taken) = literal_of(rest);
                    (taken, format!("'{}'", self.literal(&value).replace('\'', "''")))
                }
                '[' => {
                    let end = rest.find(']').unwrap_or(rest.len());
                    let inner = rest.get(1..end).unwrap_or_default().to_owned();
                    (end, format!("[{}", self.attribute(&inner)))
                }
                c if in_word(c) => {
                    let end = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
                    let word = rest.get(..end).unwrap_or(rest).to_owned();
                    (end, if is_keyword(&word) { word } else { self.text(&word) })
                }
                c => (c.len_utf8(), c.to_string()),
            };
            out.push_str(&shown);
            rest = rest.get(taken..).unwrap_or_default();
        }
        out
    }

    fn literal(&mut self, value: &str) -> String {
        let operation = value.get(..10).is_some_and(|h| h.eq_ignore_ascii_case("microsoft."));
        if VALUES.iter().any(|v| v.eq_ignore_ascii_case(value))
            || crate::model::Instant::parse(value).is_some()
        {
            value.to_owned()
        } else if operation {
            self.kind(value)
        } else {
            self.text(value)
        }
    }

    /// `Microsoft.Authorization/roleAssignments:PrincipalType`, as it stands in brackets.
    fn attribute(&mut self, text: &str) -> String {
        let (source, name) = match text.rsplit_once(':') {
            Some((source, name)) => (Some(source), name),
            None => (None, text),
        };
        let (name, flag) = match name.split_once('<') {
            Some((name, flag)) => (name, Some(flag.trim_end_matches('>'))),
            None => (name, None),
        };
        let mut out = String::new();
        if let Some(source) = source {
            let known = source.eq_ignore_ascii_case(DIRECTORY);
            out.push_str(&if known { source.to_owned() } else { self.kind(source) });
            out.push(':');
        }
        // Behind a tag or a custom attribute stands what a user named.
        let folded = source.unwrap_or_default().to_ascii_lowercase();
        let named =
            ["customsecurityattributes/id", "/tags", "/metadata"].iter().any(|end| folded.ends_with(end));
        let known = !named && ATTRIBUTES.iter().any(|a| a.eq_ignore_ascii_case(name));
        out.push_str(&if known { name.to_owned() } else { self.text(name) });
        if let Some(flag) = flag {
            let known = FLAGS.iter().any(|f| f.eq_ignore_ascii_case(flag));
            out.push_str(&format!("<{}>", if known { flag.to_owned() } else { self.text(flag) }));
        }
        out
    }
}

/// The text in quotes at the beginning, and how many bytes it takes with them.
fn literal_of(text: &str) -> (String, usize) {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != '\'' {
            value.push(c);
        } else if chars.peek().is_some_and(|(_, d)| *d == '\'') {
            chars.next();
            value.push('\'');
        } else {
            return (value, at + 1);
        }
    }
    (value, text.len())
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || "_-:.+/*$@".contains(c)
}

/// Whether a word belongs to the language, and not to who wrote in it.
fn is_keyword(word: &str) -> bool {
    let folded = word.to_ascii_lowercase();
    if KEYWORDS.contains(&folded.as_str()) || SOURCES.contains(&folded.as_str()) {
        return true;
    }
    let (quantifier, name) = folded.split_once(':').map_or((None, folded.as_str()), |(q, n)| (Some(q), n));
    let quantified = ["foranyofanyvalues", "forallofanyvalues", "foranyofallvalues", "forallofallvalues"];
    let fits = |q: &str| quantified.contains(&q);
    let kinds = ["string", "guid", "numeric", "bool", "datetime"];
    let Some(rest) = kinds.iter().find_map(|k| name.strip_prefix(k)) else {
        return quantifier.is_some_and(fits) && name.is_empty();
    };
    let rest = rest.strip_suffix("ignorecase").unwrap_or(rest);
    let rest = rest.strip_prefix("not").unwrap_or(rest);
    let relations =
        ["equals", "startswith", "like", "lessthan", "lessthanequals", "greaterthan", "greaterthanequals"];
    relations.contains(&rest) && quantifier.is_none_or(fits)
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
        assert!(crate::model::condition::parse(&masked).is_ok());
    }

    #[test]
    fn what_users_named_goes() {
        let mut mask = Mask::new(b"salt", [], Catalog::embedded());
        for text in [
            "@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Canary_Level] StringEquals @Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags:Canary<$key_case_sensitive$>]",
            "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/metadata:canary] StringEquals 'it''s canary'",
            "@Resource[Microsoft.Foo/bar:canary] StringLike 'canary*' AND @Resource[canary] StringEquals 'Blob.canary'",
            "@Resource[Microsoft.Foo/x:tags<canary>] ForAnyOfAnyValues:StringEquals {'canary', canary}",
            "SubOperationMatches{'Queue.canary'}",
            // What cannot be read goes as a whole.
            "canary",
            "@Resource[a:b] StringEquals \"canary\"",
            "@Resource[a:b] StringEquals 'x' -- canary",
            "@Resource[a:b] StringEquals 'it\\'s canary' AND canary",
            "'",
            "[",
            "@Request[canary",
            "'é canary",
        ] {
            let masked = mask.condition(text);
            assert!(!masked.to_ascii_lowercase().contains("canary"), "{text} gives {masked}");
            let readable = |t: &str| crate::model::condition::parse(t).is_ok();
            assert_eq!(readable(text), readable(&masked), "{text} gives {masked}");
        }
        assert!(
            mask.condition("@Resource[a/tags:b<$key_case_sensitive$>] StringEquals 'x'")
                .contains("<$key_case_sensitive$>]")
        );
    }
}
