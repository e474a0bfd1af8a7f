//! Names as templates of tokens: `id-{workload}-{env}[-{region}][-{instance}]`. Says which token failed and proposes
//! a name that fits.

use super::environment::Environments;
use crate::model::FastSet;
use std::collections::HashSet;

/// The default template for user-assigned identities.
/// Source: Cloud Adoption Framework, "Define your naming convention".
pub(crate) const DEFAULT_IDENTITY: &str = "id-{workload}-{env}[-{region}][-{instance}]";

/// Names that Azure itself gives to identities that it makes.
pub(super) const MADE_BY_AZURE: &[&str] = &[
    "*-agentpool",
    "azurekeyvaultsecretsprovider-*",
    "omsagent-*",
    "azurepolicy-*",
    "extensionaddon-*",
    "webapprouting-*",
    "ingressapplicationgateway-*",
    "MSI-*",
    "DefaultAzureMonitoring*",
    "policy-*-managedidentity",
];

/// Words that people put in front of identity names; a proposal leaves them out.
pub(super) const PREFIXES: &[&str] = &["id", "mi", "msi", "uami", "umi", "identity", "managedidentity"];

/// Regions by their programmatic names and common short forms.
pub(super) const REGIONS: &[&str] = &[
    "westeurope",
    "weu",
    "northeurope",
    "neu",
    "eastus",
    "eus",
    "eastus2",
    "eus2",
    "westus",
    "wus",
    "westus2",
    "wus2",
    "westus3",
    "wus3",
    "centralus",
    "cus",
    "northcentralus",
    "ncus",
    "southcentralus",
    "scus",
    "westcentralus",
    "wcus",
    "canadacentral",
    "cac",
    "canadaeast",
    "cae",
    "brazilsouth",
    "brs",
    "uksouth",
    "uks",
    "ukwest",
    "ukw",
    "francecentral",
    "frc",
    "francesouth",
    "frs",
    "germanywestcentral",
    "gwc",
    "germanynorth",
    "gn",
    "switzerlandnorth",
    "szn",
    "switzerlandwest",
    "szw",
    "norwayeast",
    "nwe",
    "norwaywest",
    "nww",
    "swedencentral",
    "sdc",
    "polandcentral",
    "plc",
    "italynorth",
    "itn",
    "spaincentral",
    "spc",
    "austriaeast",
    "belgiumcentral",
    "southeastasia",
    "sea",
    "eastasia",
    "ea",
    "japaneast",
    "jpe",
    "japanwest",
    "jpw",
    "koreacentral",
    "krc",
    "koreasouth",
    "krs",
    "centralindia",
    "inc",
    "southindia",
    "ins",
    "westindia",
    "inw",
    "australiaeast",
    "ae",
    "australiasoutheast",
    "ase",
    "australiacentral",
    "acl",
    "newzealandnorth",
    "nzn",
    "southafricanorth",
    "san",
    "southafricawest",
    "saw",
    "uaenorth",
    "uan",
    "uaecentral",
    "uac",
    "qatarcentral",
    "qac",
    "israelcentral",
    "ilc",
    "mexicocentral",
    "mxc",
    "global",
    "glb",
];

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Literal(String),
    Token(String),
    Optional(Vec<Part>),
}

/// A compiled template.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template {
    /// As the user wrote it.
    pub text: String,
    parts: Vec<Part>,
}

/// What a template makes of a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It fits.
    Fits,
    /// Azure made it; nobody could have named it otherwise.
    Exempt,
    /// It does not fit.
    Fails {
        /// What was expected where it stopped fitting, and where.
        why: String,
        /// A name that fits, as far as it is known.
        proposal: String,
    },
}

/// The conventions that are in force.
#[derive(Clone, Debug)]
pub struct Naming {
    /// For user-assigned identities.
    pub identity: Template,
    /// For custom roles' display names.
    pub role: Option<Template>,
    /// For federated credentials.
    pub federated: Option<Template>,
    /// Names that are left alone, with `*`.
    pub ignore: Vec<String>,
    /// Whether the user wrote any of this.
    pub configured: bool,
}

impl Default for Naming {
    fn default() -> Self {
        let identity = Template {
            text: DEFAULT_IDENTITY.to_owned(),
            parts: parse(DEFAULT_IDENTITY).unwrap_or_default(),
        };
        Naming { identity, role: None, federated: None, ignore: Vec::new(), configured: false }
    }
}

impl Template {
    /// Compiles a template; the error says what is wrong with it.
    pub fn new(text: &str) -> Result<Template, String> {
        Ok(Template { text: text.to_owned(), parts: parse(text)? })
    }
}

fn parse(text: &str) -> Result<Vec<Part>, String> {
    // Each optional part doubles the ways to read a name; nobody's convention has more than a few.
    if text.matches('[').count() > 6 || text.matches('{').count() > 12 {
        return Err("expected at most 6 optional parts and 12 tokens".to_owned());
    }
    let mut rest = text;
    parse_until(&mut rest, false)
}

fn parse_until(rest: &mut &str, optional: bool) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    loop {
        let end = rest.find(['{', '[', ']']).unwrap_or(rest.len());
        let (literal, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.to_ascii_lowercase()));
        }
        let mut chars = after.chars();
        match chars.next() {
            None if optional => return Err("expected `]` to end the optional part".to_owned()),
            None => return Ok(parts),
            Some('{') => {
                let (name, after) = chars.as_str().split_once('}').ok_or("expected `}` to end the token")?;
                if !["workload", "env", "region", "instance", "any"].contains(&name) {
                    return Err(format!(
                        "expected a token `{{workload}}`, `{{env}}`, `{{region}}`, `{{instance}}` or `{{any}}`, found `{{{name}}}`"
                    ));
                }
                parts.push(Part::Token(name.to_owned()));
                *rest = after;
            }
            Some('[') if optional => return Err("optional parts cannot be nested".to_owned()),
            Some('[') => {
                *rest = chars.as_str();
                parts.push(Part::Optional(parse_until(rest, true)?));
            }
            Some(_) if optional => {
                *rest = chars.as_str();
                return Ok(parts);
            }
            Some(_) => return Err("`]` without `[`".to_owned()),
        }
    }
}

impl Naming {
    /// Judges the name of a user-assigned identity. `environment` is what is otherwise known, for the proposal.
    pub fn judge_identity(
        &self,
        name: &str,
        environments: &Environments,
        environment: Option<&str>,
    ) -> Verdict {
        if MADE_BY_AZURE.iter().any(|p| super::glob(p, name)) {
            return Verdict::Exempt;
        }
        self.judge(&self.identity, name, environments, environment)
    }

    /// Judges a name by a template.
    pub fn judge(
        &self,
        template: &Template,
        name: &str,
        environments: &Environments,
        environment: Option<&str>,
    ) -> Verdict {
        if self.ignore.iter().any(|p| super::glob(p, name)) {
            return Verdict::Exempt;
        }
        let mut furthest = (0, None);
        let parts: Vec<&Part> = template.parts.iter().collect();
        if fits(&parts, name, name.len(), environments, &mut furthest, &mut HashSet::default()) {
            return Verdict::Fits;
        }
        let (at, expected) = furthest;
        let expected = match expected {
            Some(Part::Literal(text)) => format!("`{text}`"),
            Some(Part::Token(token)) => format!("`{{{token}}}`"),
            Some(Part::Optional(_)) | None => "the name to end".to_owned(),
        };
        let rest = name.get(at..).unwrap_or_default();
        let found = if rest.is_empty() { "the name ends".to_owned() } else { format!("found `{rest}`") };
        let why = format!("expected {expected}, {found}");
        Verdict::Fails { why, proposal: propose(&template.parts, name, environments, environment) }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn token_fits(token: &str, text: &str, environments: &Environments) -> bool {
    match token {
        "env" => environments.of_word(text).is_some() && text.bytes().all(|b| !b.is_ascii_uppercase()),
        "region" => REGIONS.contains(&text),
        "instance" => (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()),
        "any" => !text.is_empty(),
        _ => text.split('-').all(is_word),
    }
}

/// Tries every way; names are at most 128 characters and templates a few tokens. Keeps the furthest place that
/// was reached, with what was expected there.
fn fits<'p>(
    parts: &[&'p Part],
    rest: &str,
    total: usize,
    environments: &Environments,
    furthest: &mut (usize, Option<&'p Part>),
    failed: &mut FastSet<(usize, usize)>,
) -> bool {
    let at = total - rest.len();
    let mut fail = |expected: Option<&'p Part>| {
        if at >= furthest.0 {
            *furthest = (at, expected);
        }
        false
    };
    let Some((first, after)) = parts.split_first() else {
        return rest.is_empty() || fail(None);
    };
    // A part says what follows it, so a part and a place that failed once always fail.
    let key = (std::ptr::from_ref::<Part>(*first) as usize, at);
    if failed.contains(&key) {
        return false;
    }
    let fit = match first {
        Part::Literal(text) => match rest.strip_prefix(text.as_str()) {
            Some(rest) => fits(after, rest, total, environments, furthest, failed),
            None => fail(Some(*first)),
        },
        Part::Optional(inner) => {
            let with: Vec<&'p Part> = inner.iter().chain(after.iter().copied()).collect();
            fits(&with, rest, total, environments, furthest, failed)
                || fits(after, rest, total, environments, furthest, failed)
        }
        Part::Token(token) => {
            let ends: Vec<usize> = rest.char_indices().map(|(n, c)| n + c.len_utf8()).take(128).collect();
            let heads = ends.into_iter().rev().filter_map(|end| rest.split_at_checked(end));
            let good: Vec<&str> =
                heads.filter(|(h, _)| token_fits(token, h, environments)).map(|(_, t)| t).collect();
            if good.is_empty() {
                fail(Some(*first));
            }
            good.into_iter().any(|tail| fits(after, tail, total, environments, furthest, failed))
        }
    };
    if !fit {
        failed.insert(key);
    }
    fit
}

/// Fills a template's required parts from the words of a name.
fn propose(parts: &[Part], name: &str, environments: &Environments, environment: Option<&str>) -> String {
    let lower = split_camel(name);
    let mut words: Vec<&str> =
        lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let mut take = |fits: &dyn Fn(&str) -> bool| {
        words.iter().position(|w| fits(w)).map(|at| words.remove(at).to_owned())
    };
    let env = environment.map(str::to_owned).or_else(|| take(&|w| environments.of_word(w).is_some()));
    let region = take(&|w| REGIONS.contains(&w));
    let instance = take(&|w| w.len() >= 2 && w.bytes().all(|b| b.is_ascii_digit()));
    words.retain(|w| !PREFIXES.contains(w) && environments.of_word(w).is_none());
    let workload = if words.is_empty() { "workload".to_owned() } else { words.join("-") };
    let value = |token: &str| match token {
        "workload" | "any" => Some(workload.clone()),
        "env" => Some(env.clone().unwrap_or_else(|| "<env>".to_owned())),
        "region" => region.clone(),
        _ => instance.clone(),
    };
    fill(parts, &value)
}

fn fill(parts: &[Part], value: &dyn Fn(&str) -> Option<String>) -> String {
    parts
        .iter()
        .map(|part| match part {
            Part::Literal(text) => text.clone(),
            Part::Token(token) => value(token).unwrap_or_else(|| format!("<{token}>")),
            Part::Optional(inner) => {
                let known = inner.iter().all(|p| !matches!(p, Part::Token(t) if value(t).is_none()));
                if known { fill(inner, value) } else { String::new() }
            }
        })
        .collect()
}

/// `myIdentity7` → `my-identity-7`, lower-case.
fn split_camel(name: &str) -> String {
    let mut out = String::new();
    let mut before = ' ';
    for c in name.chars() {
        let edge = (before.is_lowercase() && c.is_uppercase())
            || (before.is_alphabetic() && c.is_ascii_digit() && before.is_lowercase() && out.len() > 2);
        if edge {
            out.push('-');
        }
        out.extend(c.to_lowercase());
        before = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(name: &str) -> Verdict {
        Naming::default().judge_identity(name, &Environments::default(), None)
    }

    #[test]
    fn the_default_template() {
        for name in ["id-shop-prod", "id-shop-web-dev-weu", "id-a1-test-westeurope-001", "id-shop-qa-002"] {
            assert_eq!(judge(name), Verdict::Fits, "{name}");
        }
        assert_eq!(judge("aks-prod-agentpool"), Verdict::Exempt);
    }

    #[test]
    fn a_failure_names_the_token_and_proposes() {
        let Verdict::Fails { why, proposal } = judge("id-shop-weu") else { panic!("fits") };
        assert_eq!(why, "expected `-`, the name ends");
        assert_eq!(proposal, "id-shop-<env>-weu");
        let Verdict::Fails { why, proposal } = judge("uami-shop-prod") else { panic!("fits") };
        assert_eq!(
            (why.as_str(), proposal.as_str()),
            ("expected `id-`, found `uami-shop-prod`", "id-shop-prod")
        );
        let Verdict::Fails { proposal, .. } = judge("myIdentityProd") else { panic!("fits") };
        assert_eq!(proposal, "id-my-prod");
    }

    #[test]
    fn hostile_templates_end() {
        for template in [
            "{any}{any}{any}{any}{any}{any}Z",
            "{workload}{workload}{workload}{workload}{workload}-{env}",
            "[{instance}][{instance}][{instance}][{instance}]-x",
        ] {
            let naming = Naming { identity: Template::new(template).unwrap(), ..Naming::default() };
            let verdict = naming.judge_identity(&"1-".repeat(64), &Environments::default(), None);
            assert!(matches!(verdict, Verdict::Fails { .. }));
        }
        assert!(Template::new(&"[a]".repeat(40)).is_err());
    }

    #[test]
    fn bad_templates_say_why() {
        for bad in ["id-{what}", "id-{env", "id-[x", "id]", "[a[b]]"] {
            assert!(Template::new(bad).is_err(), "{bad}");
        }
        assert!(Template::new("{workload}").is_ok());
    }
}
