//! Signatures as OpenSSH makes and checks them (`ssh-keygen -Y`), over the list of files. Keys come from outside the bundle.
//!
//! What is not evaluated here (keys of other kinds, patterns of names, options with times) is said to be so, never taken for good
//! or for bad.

use super::NAMESPACE;
use crate::app::error::AppError;
use crate::policy::glob;
use ssh_key::{Algorithm, Error, HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};
use std::path::Path;

/// What is known of a signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Signed {
    /// It is the one of somebody who is allowed, or, where nobody was asked for, of a key.
    By(String),
    /// It is none, or somebody else's.
    Bad(String),
    /// It cannot be checked here.
    Unknown(String),
}

/// Signs the list of files with a private key.
pub(super) fn sign(key: &Path, list: &str) -> Result<String, AppError> {
    let shown = key.display();
    let by_hand = format!("or sign by hand: ssh-keygen -Y sign -n {NAMESPACE} -f KEY SHA256SUMS");
    let text = crate::app::store::read_file(key)?;
    let key = PrivateKey::from_openssh(&text).map_err(|e| {
        AppError::usage(format!("`{shown}` is no private key of OpenSSH: {e}")).help(by_hand.clone())
    })?;
    if key.is_encrypted() {
        return Err(AppError::usage(format!("`{shown}` is locked with a passphrase")).help(by_hand));
    }
    let signature = SshSig::sign(&key, NAMESPACE, HashAlg::Sha512, list.as_bytes()).map_err(|e| {
        AppError::usage(format!("cannot sign with `{shown}`, a key of type {}: {e}", key.algorithm()))
            .help(by_hand)
    })?;
    signature.to_pem(LineEnding::LF).map_err(|e| AppError::internal(e.to_string()))
}

fn by_hand(who: &str) -> String {
    format!("use ssh-keygen -Y verify -f ALLOWED -I {who} -n {NAMESPACE} -s SHA256SUMS.sig < SHA256SUMS")
}

/// Who signed the list, by a file of allowed signers as OpenSSH has it; without one, with which key.
pub(super) fn check(text: &str, list: &str, allowed: Option<&str>) -> Signed {
    let framed = text.starts_with("-----BEGIN SSH SIGNATURE-----\n")
        && text.trim_end_matches('\n').ends_with("\n-----END SSH SIGNATURE-----")
        && !text.contains('\r')
        && text.matches("-----").count() == 4;
    if !framed {
        return Signed::Bad("it is no signature of OpenSSH, or something stands beside it".to_owned());
    }
    let signature = match SshSig::from_pem(text) {
        Ok(signature) => signature,
        Err(Error::Encoding(error)) => {
            return Signed::Bad(format!("it was changed, or is cut short: {error}"));
        }
        Err(error) => {
            return Signed::Unknown(format!(
                "it is of a kind that is not checked here ({error}): {}",
                by_hand("WHO")
            ));
        }
    };
    if signature.namespace() != NAMESPACE {
        return Signed::Bad(format!("it is for `{}`, not for {NAMESPACE}", signature.namespace()));
    }
    let key = PublicKey::from(signature.public_key().clone());
    if key.algorithm() != Algorithm::Ed25519 {
        let kind = key.algorithm();
        return Signed::Unknown(format!("a key of type {kind} is not checked here: {}", by_hand("WHO")));
    }
    if let Err(error) = key.verify(NAMESPACE, list.as_bytes(), &signature) {
        return Signed::Bad(format!("it is not over this list: {error}"));
    }
    match allowed {
        None => Signed::By(format!("the key {}", key.fingerprint(HashAlg::Sha256))),
        Some(allowed) => allowed_by(&key, allowed),
    }
}

/// Whose key it is.
fn allowed_by(key: &PublicKey, allowed: &str) -> Signed {
    let mut unknown = None;
    for line in allowed.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let (who, rest) = match line.strip_prefix('"').and_then(|l| l.split_once('"')) {
            Some((who, rest)) => (who, rest.trim_start()),
            None => match line.split_once(char::is_whitespace) {
                Some((who, rest)) => (who, rest),
                None => continue,
            },
        };
        let starts = ["ssh-", "ecdsa-", "sk-"].iter().filter_map(|t| rest.find(t)).min();
        let Some((options, own)) = starts.and_then(|at| rest.split_at_checked(at)) else { continue };
        let Ok(own) = PublicKey::from_openssh(own) else { continue };
        if own.key_data() != key.key_data() {
            continue;
        }
        if who.contains(['*', '?', '!', ',']) {
            unknown = Some(format!("`{who}` is a pattern of names: {}", by_hand("WHO")));
            continue;
        }
        let options = options.trim();
        let named = options.strip_prefix("namespaces=\"").and_then(|o| o.strip_suffix('"'));
        match (options.is_empty(), named) {
            (true, _) => return Signed::By(who.to_owned()),
            (_, Some(names)) if !names.contains(['"', '!', '?']) => {
                if names.split(',').any(|pattern| glob(pattern, NAMESPACE)) {
                    return Signed::By(who.to_owned());
                }
                return Signed::Bad(format!("`{who}` is allowed for other things ({options})"));
            }
            _ => {
                unknown = Some(format!(
                    "`{who}` is allowed with {options}, which is not evaluated: {}",
                    by_hand(who)
                ));
            }
        }
    }
    match unknown {
        Some(why) => Signed::Unknown(why),
        None => Signed::Bad("no allowed signer has the key that signed".to_owned()),
    }
}
