//! Signatures as OpenSSH makes and checks them (`ssh-keygen -Y`), over the list of files. Keys come from outside the bundle.

use super::NAMESPACE;
use crate::app::error::AppError;
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};
use std::path::Path;

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

/// Who signed the list, by a file of allowed signers as OpenSSH has it.
///
/// # Errors
/// In words, what is wrong with the signature.
pub(super) fn check(signature: &str, list: &str, allowed: &str) -> Result<String, String> {
    let signature = SshSig::from_pem(signature).map_err(|e| format!("the signature cannot be read: {e}"))?;
    if signature.namespace() != NAMESPACE {
        return Err(format!("the signature is for `{}`, not for {NAMESPACE}", signature.namespace()));
    }
    let data = signature.public_key();
    for line in allowed.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let Some((who, rest)) = line.split_once(char::is_whitespace) else { continue };
        // Options may stand before the key: what they restrict is not left out of account.
        let Some(at) = ["ssh-", "ecdsa-", "sk-"].iter().filter_map(|t| rest.find(t)).min() else { continue };
        let (options, key) = rest.split_at(at);
        let Ok(key) = PublicKey::from_openssh(key) else { continue };
        if key.key_data() != data {
            continue;
        }
        let options = options.trim();
        if !options.is_empty() {
            let named = format!("namespaces=\"{NAMESPACE}\"");
            if options != named {
                return Err(format!(
                    "`{who}` is allowed with options that are not evaluated here ({options}): check with ssh-keygen -Y verify -f ALLOWED -I {who} -n {NAMESPACE} -s SHA256SUMS.sig < SHA256SUMS"
                ));
            }
        }
        return match key.verify(NAMESPACE, list.as_bytes(), &signature) {
            Ok(()) => Ok(who.to_owned()),
            Err(error) if key.algorithm() != Algorithm::Ed25519 => Err(format!(
                "a key of type {} cannot be checked here ({error}): use ssh-keygen -Y verify -f ALLOWED -I {who} -n {NAMESPACE} -s SHA256SUMS.sig < SHA256SUMS",
                key.algorithm()
            )),
            Err(error) => Err(format!("the signature is not {who}'s over this list: {error}")),
        };
    }
    Err("no allowed signer has the key that signed".to_owned())
}
