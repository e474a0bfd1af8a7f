//! Commands of evidence.

use super::args::{Estate, Policy};
use super::commands::{ask, places, put};
use super::exit::{self, Code};
use super::terminal::Terminal;
use crate::app::evidence::{self, BuildTerms, VerifyTerms};
use crate::app::{AppError, Progress as _, policy};
use crate::rbac::Catalog;
use clap::Subcommand;
use std::io::Write;
use std::path::PathBuf;

#[derive(Subcommand, Debug)]
pub(super) enum Evidence {
    /// Write a bundle: snapshot, findings, controls, rules, reviews, with a manifest and digests.
    #[command(
        after_help = "Examples:\n  leastwise evidence build --snapshot tenant.lwsnap --ledger ledger.jsonl -o evidence/2026-Q4 --previous evidence/2026-Q3\n  leastwise evidence build --demo -o bundle --sign ~/.ssh/id_ed25519"
    )]
    Build {
        /// The bundle, a new folder.
        #[arg(short, long, value_name = "DIR")]
        out: PathBuf,
        /// The ledger of access reviews.
        #[arg(long, value_name = "FILE")]
        ledger: Option<PathBuf>,
        /// The bundle before, which this one is linked to.
        #[arg(long, value_name = "DIR")]
        previous: Option<PathBuf>,
        /// A private key of OpenSSH (ed25519, without a passphrase) to sign with.
        #[arg(long, value_name = "KEY")]
        sign: Option<PathBuf>,
        /// Put pseudonyms in place of names and ids, the same in every run with the same salt, to share it outside.
        #[arg(long)]
        mask: bool,
        /// The secret that pseudonyms are made with. A new one is written where there is none: keep it, and to yourself.
        #[arg(long, value_name = "FILE", default_value = "leastwise-mask.salt", requires = "mask")]
        mask_salt: PathBuf,
        /// Who runs this. It is recorded as said, not proven.
        #[arg(long, value_name = "NAME", default_value = "unknown")]
        by: String,
        /// The seed of the sample; without it, the snapshot's digest.
        #[arg(long, value_name = "TEXT")]
        seed: Option<String>,
        #[command(flatten)]
        estate: Box<Estate>,
        #[command(flatten)]
        policy: Policy,
    },
    /// Check bundles: every byte, file and link; with --replay, that what is sealed gives what is told.
    #[command(
        after_help = "Examples:\n  leastwise evidence verify evidence/2026-Q4 --replay\n  leastwise evidence verify evidence/2026-Q3 evidence/2026-Q4 --allowed-signers signers --expect-head SHA256\n\nExits with 1 if something is wrong, with 2 if another version of the program is needed."
    )]
    Verify {
        /// The bundles, the oldest first: each must follow the one before.
        #[arg(required = true, value_name = "DIR")]
        bundles: Vec<PathBuf>,
        /// Judge the sealed snapshot once more, and compare every byte.
        #[arg(long)]
        replay: bool,
        /// Who may have signed, as OpenSSH's file of allowed signers; it comes from outside the bundle.
        #[arg(long, value_name = "FILE")]
        allowed_signers: Option<PathBuf>,
        /// The head of the last bundle, as kept elsewhere, so that a dropped one shows.
        #[arg(long, value_name = "SHA256")]
        expect_head: Option<String>,
    },
}

/// What was typed. Where on somebody's machine things lie belongs in no bundle.
fn arguments() -> Vec<String> {
    let cut = |text: &str| text.rsplit(['/', '\\']).next().unwrap_or(text).to_owned();
    std::env::args_os()
        .skip(1)
        .map(|a| {
            let text = a.to_string_lossy().into_owned();
            match text.split_once('=') {
                Some((flag, value)) if flag.starts_with('-') => format!("{flag}={}", cut(value)),
                // `-oDIR`.
                _ if text.starts_with('-') => {
                    let flag = text.split(['/', '\\']).next().unwrap_or_default().to_owned();
                    if flag == text { text } else { format!("{flag}{}", cut(&text)) }
                }
                // An id of Azure is no path.
                _ if text.starts_with("/subscriptions/") || text.starts_with("/providers/") => text,
                _ => cut(&text),
            }
        })
        .collect()
}

pub(super) fn run(
    command: Evidence,
    catalog: &'static Catalog,
    out: &mut dyn Write,
    terminal: &Terminal,
) -> Result<Code, AppError> {
    match command {
        Evidence::Build { out: to, ledger, previous, sign, mask, mask_salt, by, seed, estate, policy } => {
            let ask = ask(&estate)?;
            let loaded = policy::load(&places(&policy, &ask.input))?;
            let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
            let mask = mask.then_some(mask_salt);
            let arguments = arguments();
            let terms = BuildTerms { out: to, ledger, previous, sign, by, arguments, target, mask, seed };
            terminal.step("starting");
            let text = evidence::build(&ask, &terms, &loaded, catalog, terminal)?;
            terminal.done();
            put(out, &text)
        }
        Evidence::Verify { bundles, replay, allowed_signers, expect_head } => {
            let terms = VerifyTerms { bundles, replay, allowed_signers, expect_head };
            terminal.step("starting");
            let found = evidence::verify(&terms, catalog, terminal)?;
            terminal.done();
            put(out, &found.text)?;
            Ok(match (found.failed, found.incomparable) {
                (true, _) => exit::FAILED,
                (false, true) => exit::USAGE,
                (false, false) => exit::DONE,
            })
        }
    }
}
