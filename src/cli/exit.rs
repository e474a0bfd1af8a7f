//! Exit codes. Where several hold, the first of 5, 2, 4, 1, 6, 3, 0 is taken.

use crate::app::audit::Outcome;
use crate::app::{AppError, Failure};
use std::process::ExitCode;

/// An exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Code(u8);

/// Done, and nothing open that counts.
pub(super) const DONE: Code = Code(0);
/// Open findings that count, or a check that failed.
pub(super) const FAILED: Code = Code(1);
/// Usage, configuration, a broken rule, or no input.
pub(super) const USAGE: Code = Code(2);
/// Something could not be read that could hide a finding that counts.
pub(super) const BLOCKED: Code = Code(3);
/// Azure could not be asked.
pub(super) const UNREACHABLE: Code = Code(4);
/// An internal error.
pub(super) const INTERNAL: Code = Code(5);
/// A waiver has ended.
pub(super) const OVERDUE: Code = Code(6);

impl From<Code> for ExitCode {
    fn from(code: Code) -> ExitCode {
        ExitCode::from(code.0)
    }
}

pub(super) fn of_error(error: &AppError) -> Code {
    match error.failure {
        Failure::Usage => USAGE,
        Failure::Unreachable => UNREACHABLE,
        Failure::Internal => INTERNAL,
    }
}

/// The code of an audit. `counts` says whether `--fail-on` was given at all.
pub(super) fn of_audit(outcome: &Outcome, counts: bool, require_complete: bool, fail_overdue: bool) -> Code {
    if outcome.failing > 0 {
        FAILED
    } else if fail_overdue && outcome.overdue {
        OVERDUE
    } else if (counts && outcome.blocked) || (require_complete && outcome.gaps) {
        BLOCKED
    } else {
        DONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precedence() {
        let outcome = |failing, blocked, expired| Outcome {
            failing,
            blocked,
            gaps: blocked,
            overdue: expired,
            ..Outcome::default()
        };
        assert_eq!(of_audit(&outcome(1, true, true), true, true, true), FAILED);
        assert_eq!(of_audit(&outcome(0, true, true), true, true, true), OVERDUE);
        assert_eq!(of_audit(&outcome(0, true, true), true, false, false), BLOCKED);
        assert_eq!(of_audit(&outcome(0, true, true), false, false, false), DONE);
        assert_eq!(of_audit(&outcome(0, true, false), false, true, false), BLOCKED);
    }
}
