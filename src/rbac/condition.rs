//! Whether a condition lets a request through: yes, no, or not to be known from here.
//!
//! Logic is Kleene's: unknown spreads unless the other side decides. Source of the operators: Azure RBAC
//! documentation, "Azure role assignment condition format and syntax".

use super::matching::matches;
use crate::model::Instant;
use crate::model::condition::{Attribute, Condition, Kind, Operand, Operator, Quantifier, Relation, Source};

/// A truth value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord, Hash)]
pub enum Tri {
    /// No.
    False,
    /// It depends on what is not known.
    Unknown,
    /// Yes.
    True,
}

impl Tri {
    /// Both.
    pub fn and(self, other: Tri) -> Tri {
        self.min(other)
    }
    /// Either.
    pub fn or(self, other: Tri) -> Tri {
        self.max(other)
    }
}

impl std::ops::Not for Tri {
    type Output = Tri;

    fn not(self) -> Tri {
        match self {
            Tri::True => Tri::False,
            Tri::Unknown => Tri::Unknown,
            Tri::False => Tri::True,
        }
    }
}

impl From<bool> for Tri {
    fn from(value: bool) -> Tri {
        if value { Tri::True } else { Tri::False }
    }
}

/// What is known of a request. What is absent is unknown, never false.
#[derive(Clone, Copy, Default, Debug)]
pub struct Facts<'a> {
    /// The action, in lower case.
    pub action: &'a str,
    /// For a role assignment that is written or deleted: the role's GUID.
    pub role: Option<&'a str>,
    /// For whom: `User`, `Group`, `ServicePrincipal`.
    pub principal_type: Option<&'a str>,
    /// For whom, by object id.
    pub principal: Option<&'a str>,
}

/// Evaluates a condition for a request.
pub fn evaluate(condition: &Condition, facts: &Facts<'_>) -> Tri {
    match condition {
        Condition::And(all) => all.iter().fold(Tri::True, |t, c| t.and(evaluate(c, facts))),
        Condition::Or(any) => any.iter().fold(Tri::False, |t, c| t.or(evaluate(c, facts))),
        Condition::Not(inner) => !evaluate(inner, facts),
        Condition::ActionMatches(patterns) => patterns.iter().any(|p| matches(p, facts.action)).into(),
        // Which sub-operation a request has is decided by the service.
        Condition::SubOperationMatches(_) => Tri::Unknown,
        Condition::Exists(attribute) => {
            if value_of(attribute, facts).is_some() {
                Tri::True
            } else {
                Tri::Unknown
            }
        }
        Condition::Compare { left, quantifier, operator, right } => {
            compare(left, *quantifier, *operator, right, facts)
        }
    }
}

fn compare(
    left: &Operand,
    quantifier: Quantifier,
    operator: Operator,
    right: &[Operand],
    facts: &Facts<'_>,
) -> Tri {
    let Some(left) = operand(left, facts) else { return Tri::Unknown };
    let results = right.iter().map(|r| operand(r, facts).map_or(Tri::Unknown, |r| one(left, operator, r)));
    // Every attribute known here has a single value, so only the right side's half of the quantifier matters.
    match quantifier {
        Quantifier::AnyOfAny | Quantifier::AllOfAny => results.fold(Tri::False, Tri::or),
        Quantifier::AnyOfAll | Quantifier::AllOfAll => results.fold(Tri::True, Tri::and),
    }
}

fn operand<'a>(operand: &'a Operand, facts: &Facts<'a>) -> Option<&'a str> {
    match operand {
        Operand::Literal(text) => Some(text),
        Operand::Attribute(attribute) => value_of(attribute, facts),
    }
}

/// The attributes of role assignments are in `@Request` when one is written and in `@Resource` when one is deleted.
fn value_of<'a>(attribute: &Attribute, facts: &Facts<'a>) -> Option<&'a str> {
    let source = if facts.action.ends_with("/delete") { Source::Resource } else { Source::Request };
    if attribute.source != source {
        return None;
    }
    match attribute.name.strip_prefix("microsoft.authorization/roleassignments:")? {
        "roledefinitionid" => facts.role,
        "principaltype" => facts.principal_type,
        "principalid" => facts.principal,
        _ => None,
    }
}

fn one(left: &str, operator: Operator, right: &str) -> Tri {
    let holds = match operator.kind {
        Kind::Guid => Some(guid(left) == guid(right)),
        Kind::String => text(left, operator.relation, right),
        Kind::StringIgnoreCase => text(&left.to_lowercase(), operator.relation, &right.to_lowercase()),
        Kind::Bool => Some(left.eq_ignore_ascii_case(right)),
        Kind::Numeric => match (left.parse::<f64>(), right.parse::<f64>()) {
            (Ok(l), Ok(r)) => l.partial_cmp(&r).map(|order| related(order, operator.relation)),
            _ => None,
        },
        Kind::DateTime => match (Instant::parse(left), Instant::parse(right)) {
            (Some(l), Some(r)) => Some(related(l.cmp(&r), operator.relation)),
            _ => None,
        },
    };
    holds.map_or(Tri::Unknown, |h| Tri::from(h != operator.negated))
}

/// A GUID as conditions compare it: they stand with and without dashes, and role ids sometimes as whole ARM ids.
pub fn guid(text: &str) -> String {
    crate::model::role_key(text).chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect()
}

fn text(left: &str, relation: Relation, right: &str) -> Option<bool> {
    match relation {
        Relation::Equals => Some(left == right),
        Relation::StartsWith => Some(left.starts_with(right)),
        Relation::Like => Some(like(right.as_bytes(), left.as_bytes())),
        _ => None,
    }
}

/// `*` is any text, `?` any one byte; iterative, so that no pattern is slow.
fn like(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star, mut mark) = (0, 0, None, 0);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some(p);
                mark = t;
                p += 1;
            }
            Some(c) if *c == b'?' || Some(c) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some(at) => {
                    p = at + 1;
                    mark += 1;
                    t = mark;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == b'*')
}

fn related(order: std::cmp::Ordering, relation: Relation) -> bool {
    match relation {
        Relation::Equals => order.is_eq(),
        Relation::Less => order.is_lt(),
        Relation::LessOrEqual => order.is_le(),
        Relation::Greater => order.is_gt(),
        Relation::GreaterOrEqual => order.is_ge(),
        Relation::StartsWith | Relation::Like => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::condition::parse;

    const WRITE: &str = "microsoft.authorization/roleassignments/write";
    const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
    const ADMIN: &str = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9";

    fn ask(condition: &str, facts: &Facts<'_>) -> Tri {
        evaluate(&parse(condition).unwrap(), facts)
    }

    #[test]
    fn a_condition_binds_only_the_actions_it_names() {
        let text = "(!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals{8e3af657a8ff443ca75c2fe8c4bcb635})";
        let write = Facts { action: WRITE, ..Facts::default() };
        assert_eq!(ask(text, &Facts { action: "microsoft.web/sites/write", ..write }), Tri::True);
        assert_eq!(ask(text, &write), Tri::Unknown);
        assert_eq!(ask(text, &Facts { role: Some(OWNER), ..write }), Tri::True);
        assert_eq!(ask(text, &Facts { role: Some(ADMIN), ..write }), Tri::False);
    }

    #[test]
    fn an_exclusion_list_lets_the_others_through() {
        let text = "@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAllValues:GuidNotEquals {8e3af657-a8ff-443c-a75c-2fe8c4bcb635, f58310d9-a9f6-439a-9e8d-f62e7b41a168}";
        let write = Facts { action: WRITE, ..Facts::default() };
        assert_eq!(ask(text, &Facts { role: Some(OWNER), ..write }), Tri::False);
        assert_eq!(ask(text, &Facts { role: Some(ADMIN), ..write }), Tri::True);
    }

    #[test]
    fn what_is_not_known_stays_unknown_unless_the_other_side_decides() {
        let write = Facts { action: WRITE, principal_type: Some("ServicePrincipal"), ..Facts::default() };
        let token = "@Resource[HasObotoken] boolequals true";
        assert_eq!(ask(token, &write), Tri::Unknown);
        let kind =
            "@Request[Microsoft.Authorization/roleAssignments:PrincipalType] StringEqualsIgnoreCase 'user'";
        assert_eq!(ask(&format!("{token} && {kind}"), &write), Tri::False);
        assert_eq!(ask(&format!("{token} || !({kind})"), &write), Tri::True);
    }

    #[test]
    fn like_takes_stars_and_question_marks() {
        for (pattern, text, expected) in [
            ("a*c", "abbc", true),
            ("a?c", "abc", true),
            ("*", "", true),
            ("a*", "b", false),
            ("?", "", false),
        ] {
            assert_eq!(like(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }
}
