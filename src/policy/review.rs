//! How reviews are held: who is asked, who else must approve, how long a denied grant may stay.

use super::spans::{PolicyError, Span};
use serde::Deserialize;
use toml::Spanned;

/// How reviews are held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReviewPolicy {
    /// Who is asked about identities that name nobody.
    pub fallback: String,
    /// Patterns of names and the owner of those that fit; the first counts.
    pub owners: Vec<(String, String)>,
    /// `privileged`, `all` or `none`.
    pub second_approver: String,
    /// In days.
    pub sla_days: i64,
}

impl Default for ReviewPolicy {
    fn default() -> Self {
        ReviewPolicy {
            fallback: "unowned".to_owned(),
            owners: Vec::new(),
            second_approver: "privileged".to_owned(),
            sla_days: 7,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawReview {
    fallback: Option<Spanned<String>>,
    owners: Vec<RawOwner>,
    second_approver: Option<Spanned<String>>,
    sla_days: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOwner {
    names: Vec<String>,
    owner: String,
}

impl RawReview {
    /// Checks it; `fail` puts an error where it stands.
    pub(super) fn check(
        self,
        fail: impl Fn(&Span, String) -> PolicyError,
    ) -> Result<ReviewPolicy, PolicyError> {
        let default = ReviewPolicy::default();
        let second_approver = match self.second_approver {
            None => default.second_approver,
            Some(word) if ["privileged", "all", "none"].contains(&word.get_ref().as_str()) => {
                word.into_inner()
            }
            Some(word) => {
                let message = format!("expected `privileged`, `all` or `none`, found `{}`", word.get_ref());
                return Err(fail(&word.span(), message));
            }
        };
        let sla_days = match self.sla_days {
            None => default.sla_days,
            Some(days) if (0..=366).contains(days.get_ref()) => days.into_inner(),
            Some(days) => return Err(fail(&days.span(), "expected 0 to 366 days".to_owned())),
        };
        let fallback = match self.fallback {
            None => default.fallback,
            Some(name) if name.get_ref().trim().is_empty() => {
                return Err(fail(&name.span(), "expected somebody's name".to_owned()));
            }
            Some(name) => name.into_inner(),
        };
        let owners = self.owners.into_iter().flat_map(|o| {
            let owner = o.owner;
            o.names.into_iter().map(move |name| (name, owner.clone()))
        });
        Ok(ReviewPolicy { fallback, owners: owners.collect(), second_approver, sla_days })
    }
}
