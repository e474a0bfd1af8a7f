//! The command line: arguments, clock, environment, terminal, exit codes. Everything else is `app`.

mod args;
mod commands;
mod evidence;
mod exit;
mod history;
mod live;
mod reviews;
mod roles;
mod terminal;

use clap::Parser as _;
use std::process::ExitCode;

/// Runs the program.
pub fn main() -> ExitCode {
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are answers, not mistakes.
            let code = if error.use_stderr() { exit::USAGE } else { exit::DONE };
            let _shown = error.print();
            return code.into();
        }
    };
    let terminal = terminal::Terminal::new(&args.global);
    match commands::run(args, &terminal) {
        Ok(code) => code.into(),
        Err(error) => {
            terminal.error(&error);
            exit::of_error(&error).into()
        }
    }
}
