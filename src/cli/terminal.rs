//! What people see while a command runs and when it fails: on standard error only.

use super::args::{Color, Global, LogFormat};
use crate::app::{AppError, Progress};
use crate::render::clean;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal as _, Write as _};

/// Between two lines about progress, where nobody sees a bar.
const EVERY: std::time::Duration = std::time::Duration::from_secs(20);

/// Standard error.
#[derive(Debug)]
pub(super) struct Terminal {
    quiet: bool,
    verbose: bool,
    json: bool,
    color: bool,
    bar: ProgressBar,
    /// Where nobody sees a bar: when the next line about progress is due.
    due: Option<std::sync::Mutex<std::time::Instant>>,
}

impl Terminal {
    pub(super) fn new(global: &Global) -> Terminal {
        let terminal = std::io::stderr().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let color = match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !plain,
        };
        let json = global.log_format == LogFormat::Json;
        let bar = ProgressBar::new_spinner();
        if !terminal || global.quiet || json {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        } else if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
            bar.enable_steady_tick(std::time::Duration::from_millis(120));
        }
        let lines = !terminal && !global.quiet;
        let due = lines.then(|| std::sync::Mutex::new(std::time::Instant::now() + EVERY));
        Terminal { quiet: global.quiet, verbose: global.verbose > 0, json, color, bar, due }
    }

    /// Ends the progress line, so that what follows stands alone.
    pub(super) fn done(&self) {
        self.bar.finish_and_clear();
    }

    /// A line for people.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            self.line("info", text, None);
        }
    }

    /// A line that must be seen with the answer: what it does not cover.
    pub(super) fn warn(&self, text: &str) {
        self.line("warning", text, None);
    }

    /// What went wrong and what to do.
    pub(super) fn error(&self, error: &AppError) {
        self.done();
        self.line("error", &error.to_string(), error.help.as_deref());
    }

    fn line(&self, level: &str, text: &str, help: Option<&str>) {
        let mut err = std::io::stderr().lock();
        // Nowhere is left to say that standard error is gone.
        let _written = if self.json {
            let line = serde_json::json!({"level": level, "message": text, "help": help});
            writeln!(err, "{line}")
        } else if level == "error" {
            let (on, off) = if self.color { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
            let help = help.map(|h| format!("\n  help: {}", clean(h))).unwrap_or_default();
            writeln!(err, "{on}error{off}: {}{help}", clean(text))
        } else {
            writeln!(err, "{}", clean(text))
        };
    }
}

impl Progress for Terminal {
    fn step(&self, what: &str) {
        self.bar.set_message(clean(what));
        if self.verbose {
            self.line("info", what, None);
        }
    }

    fn tick(&self, how_far: &str) {
        self.bar.set_message(clean(how_far));
        // In a pipeline's log, long work shows that it goes on.
        let Some(due) = &self.due else { return };
        let mut due = due.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = std::time::Instant::now();
        if now >= *due {
            *due = now + EVERY;
            self.line("info", how_far, None);
        }
    }
}
