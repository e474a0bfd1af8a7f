//! Why a use-case failed, sorted by what the user can do about it. The exit code follows from the sort (`cli::exit`).

/// What kind of failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The command line, a configuration or a rule is wrong, or no input could be read.
    Usage,
    /// Azure could not be asked: no token, no network, or nothing that the caller may see.
    Unreachable,
    /// Something that should not happen.
    Internal,
}

/// A failure with what it is and what to do next.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct AppError {
    /// Its kind.
    pub failure: Failure,
    /// What happened, where.
    pub message: String,
    /// What to do next.
    pub help: Option<String>,
}

impl AppError {
    /// The user's material is wrong.
    pub fn usage(message: impl Into<String>) -> AppError {
        AppError { failure: Failure::Usage, message: message.into(), help: None }
    }

    /// Azure is.
    pub fn unreachable(message: impl Into<String>) -> AppError {
        AppError { failure: Failure::Unreachable, message: message.into(), help: None }
    }

    /// Ours is.
    pub fn internal(message: impl Into<String>) -> AppError {
        AppError { failure: Failure::Internal, message: message.into(), help: None }
    }

    /// With advice.
    pub fn help(self, help: impl Into<String>) -> AppError {
        AppError { help: Some(help.into()), ..self }
    }
}
