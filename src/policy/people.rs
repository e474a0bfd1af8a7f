//! Names of people as they are typed: whether one can stand as evidence, and whether two are one person's.
//!
//! Nobody is authenticated here. What is refused is what reads like a name and is none, or like another and is the same.

/// Words that fill a field and name nobody.
const NOBODY: [&str; 16] = [
    "none", "na", "nil", "null", "no", "yes", "nobody", "unknown", "tbd", "todo", "same", "self", "me", "ok",
    "true", "false",
];

/// Why a text cannot stand as somebody's name.
pub fn unnamed(name: &str) -> Option<&'static str> {
    if let Some(why) = unseen(name) {
        return Some(why);
    }
    if name.trim_start().starts_with('=') {
        return Some("is a formula");
    }
    let core = core(name);
    if core.chars().count() < 2 || NOBODY.contains(&core.as_str()) {
        return Some("names nobody");
    }
    if name.contains('@') && !name.is_ascii() {
        return Some("has letters in an address that only look like those of another");
    }
    let latin = core.chars().any(|c| c.is_ascii_alphabetic());
    if latin && core.chars().any(|c| matches!(c, '\u{370}'..='\u{52f}' | '\u{ff00}'..='\u{ffef}')) {
        return Some("mixes letters of several scripts that look alike");
    }
    (name.contains(';')).then_some("holds a `;`: name one person")
}

/// Why a text that people read holds something that they do not see.
pub(crate) fn unseen(text: &str) -> Option<&'static str> {
    let hidden = |c: char| {
        c.is_control() && !matches!(c, '\n' | '\r' | '\t')
            || matches!(c, '\u{ad}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}')
    };
    text.chars().any(hidden).then_some("holds characters that nobody sees")
}

/// Whether a text says anything: `n/a`, `tbd` or `TRUE` fill a field and do not.
pub fn says_something(text: &str) -> bool {
    let core = plain_text(text);
    core.chars().count() >= 2 && !NOBODY.contains(&core.as_str())
}

/// Whether two names are one person's, as far as names tell: case, spaces, signs and what stands around an address do not count.
/// A name without a domain is that of any address which begins with it, and so is one of the tenant's first domain.
pub(crate) fn same_person(a: &str, b: &str) -> bool {
    let (x, y) = (core(a), core(b));
    if x.is_empty() || x == y {
        return x == y && !x.is_empty();
    }
    // `Smith, Alice` is `Alice Smith`, and so is `Dr. Alice Smith`.
    if let Some((own, other)) = words(a).zip(words(b)) {
        let (few, many) = if own.len() < other.len() { (own, other) } else { (other, own) };
        if few.iter().all(|word| many.contains(word)) {
            return true;
        }
    }
    let ((one, of_one), (other, of_other)) = (parts(a), parts(b));
    let first = |domain: &str| domain.split('.').next().unwrap_or_default().to_owned();
    let tenant = |d: &str| d.ends_with(".onmicrosoft.com");
    let domains = match (of_one, of_other) {
        (Some(d), Some(e)) => (tenant(&d) || tenant(&e)) && first(&d) == first(&e),
        _ => true,
    };
    !one.is_empty() && one == other && domains
}

/// What stands before the domain of a name, and the domain if it has one: of `contoso\alice` it is not known well enough.
fn parts(name: &str) -> (String, Option<String>) {
    let own = name.rsplit('\\').next().unwrap_or(name);
    match mailbox(own) {
        Some((local, domain)) => (core(local), Some(domain.to_ascii_lowercase())),
        None => (core(own), None),
    }
}

/// Whose mailbox an address in a name is, and where: `alice+x@contoso.com` arrives where `alice@contoso.com` does.
fn mailbox(name: &str) -> Option<(&str, &str)> {
    let (local, domain) = address(name)?.split_once('@')?;
    Some((local.split('+').next().unwrap_or(local), domain))
}

/// The address in a name.
fn address(name: &str) -> Option<&str> {
    name.split(|c: char| c.is_whitespace() || "<>()[]\"',;".contains(c))
        .find(|word| word.contains('@') && word.chars().filter(|c| c.is_alphanumeric()).count() > 2)
        .map(|word| word.trim_start_matches("mailto:"))
}

/// The words of a name that has no address, in order; none where there is one word.
fn words(name: &str) -> Option<Vec<String>> {
    if address(name).is_some() {
        return None;
    }
    let name = bare(name);
    let words = name.split(|c: char| c.is_whitespace() || c == ',').map(core);
    let mut words: Vec<String> = words.filter(|w| !w.is_empty()).collect();
    words.sort_unstable();
    (words.len() > 1).then_some(words)
}

/// A name without what stands in brackets behind it, which says what somebody is.
fn bare(name: &str) -> &str {
    match name.split_once('(') {
        Some((before, _)) if !before.trim().is_empty() => before,
        _ => name,
    }
}

/// What is left of a name: of an address the address, letters and digits alone, accents left out as far as one sees them.
fn core(name: &str) -> String {
    match mailbox(name) {
        Some((local, domain)) => plain_text(local) + &plain_text(domain),
        None => plain_text(bare(name)),
    }
}

/// Letters and digits alone, in lower case and without accents.
fn plain_text(text: &str) -> String {
    text.to_lowercase().chars().filter_map(plain).collect()
}

/// A letter without its accent; none for what is neither letter nor digit.
fn plain(c: char) -> Option<char> {
    let base = match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'è'..='ë' | 'ē' | 'ė' | 'ę' | 'ě' => 'e',
        'ì'..='ï' | 'ī' | 'į' => 'i',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò'..='ö' | 'ø' | 'ō' | 'ő' => 'o',
        'ù'..='ü' | 'ū' | 'ů' | 'ű' => 'u',
        'ý' | 'ÿ' => 'y',
        'š' | 'ś' => 's',
        'ž' | 'ź' | 'ż' => 'z',
        'ł' => 'l',
        // Accents that stand by themselves.
        '\u{300}'..='\u{36f}' => return None,
        other if other.is_alphanumeric() => other,
        _ => return None,
    };
    Some(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_under_other_spellings() {
        for other in [
            "Alice@Contoso.com",
            " alice@contoso.com ",
            "alice@contoso.com.",
            "Alice <alice@contoso.com>",
            "mailto:alice@contoso.com",
            "\"alice@contoso.com\"",
            "'alice@contoso.com",
            "Alice",
            "CONTOSO\\alice",
            "ALICE@contoso.onmicrosoft.com",
            "alice+reviews@contoso.com",
            "alice (deputy)",
        ] {
            assert!(same_person("alice@contoso.com", other), "{other}");
        }
        assert!(same_person("team-finance", "Team  Finance") && same_person("team-finance", "team_finance"));
        assert!(same_person("José", "Jose\u{301}"));
        assert!(same_person("Smith, Alice", "alice smith") && same_person("team-shop (lead)", "team-shop"));
        assert!(
            same_person("Dr. Alice Smith", "alice smith") && same_person("Smith, Alice", "Ms Alice Smith")
        );
        assert!(!same_person("Alice Smith", "Alice Smythe") && !same_person("alice b", "alice"));
        assert!(!same_person("alice@contoso.com", "alice@contoso.org") && !same_person("", ""));
        assert!(
            !same_person("alice@contoso.com", "alice@fabrikam.onmicrosoft.com")
                && !same_person("alice", "bob")
        );
    }

    #[test]
    fn what_names_nobody_is_no_name() {
        for name in
            ["", "-", "n/a", "None", ".", "?", "yes", "x", "\u{2800}\u{2800}", "a\u{200b}b", "al\u{202e}ice"]
        {
            assert!(unnamed(name).is_some(), "{name:?}");
        }
        for name in ["=1+1", "\u{430}lice@contoso.com", "ａlice@contoso.com", "\u{430}lice Smith", "a; b"] {
            assert!(unnamed(name).is_some(), "{name:?}");
        }
        for name in ["alice@contoso.com", "A. Manager (CISO)", "José Núñez", "Иван Петров", "王芳"]
        {
            assert_eq!(unnamed(name), None, "{name:?}");
        }
        assert!(["n/a", "TRUE", "tbd", " ok.", "-", "yes"].iter().all(|t| !says_something(t)));
        assert!(["it deploys the shop", "CHG-12", "部署"].iter().all(|t| says_something(t)));
    }
}
