//! Tokens as they were given out last, so that an answer that repeats one can be cleaned of it: what a service says ends in
//! messages and files. Not here: where tokens come from (`credential`).

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use std::sync::{Arc, Mutex};

/// Shorter ones are none, and would be found in anything.
const SHORTEST: usize = 16;

/// A credential that knows what it gave.
pub(super) struct Remembered {
    inner: Arc<dyn TokenCredential>,
    last: Mutex<String>,
}

impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Remembered({:?})", self.inner)
    }
}

impl Remembered {
    pub(super) fn new(inner: Arc<dyn TokenCredential>) -> Arc<Remembered> {
        Arc::new(Remembered { inner, last: Mutex::default() })
    }

    /// Takes the token out of a text.
    pub(super) fn blot(&self, text: &mut Vec<u8>) {
        let Ok(token) = self.last.lock() else { return };
        blot(token.as_bytes(), text);
    }
}

fn blot(token: &[u8], text: &mut Vec<u8>) {
    if token.len() < SHORTEST || memchr::memmem::find(text, token).is_none() {
        return;
    }
    let mut clean = Vec::with_capacity(text.len());
    let mut rest = text.as_slice();
    while let Some(at) = memchr::memmem::find(rest, token) {
        clean.extend_from_slice(rest.get(..at).unwrap_or_default());
        clean.extend_from_slice(b"(token)");
        rest = rest.get(at + token.len()..).unwrap_or_default();
    }
    clean.extend_from_slice(rest);
    *text = clean;
}

#[async_trait::async_trait]
impl TokenCredential for Remembered {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let given = self.inner.get_token(scopes, options).await?;
        if let Ok(mut last) = self.last.lock() {
            given.token.secret().clone_into(&mut last);
        }
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_repeated_is_taken_out() {
        let cleaned = |token: &str, text: &str| {
            let mut text = text.as_bytes().to_vec();
            blot(token.as_bytes(), &mut text);
            String::from_utf8(text).unwrap()
        };
        let token = "eyJ0eXAiOiJKV1QiLCJhbGci.x.y";
        let echo = format!(r#"{{"error":{{"code":"Bad {token}","message":"{token}"}}}}"#);
        assert_eq!(cleaned(token, &echo), r#"{"error":{"code":"Bad (token)","message":"(token)"}}"#);
        assert_eq!(cleaned(token, "nothing"), "nothing");
        assert_eq!(cleaned("", "nothing"), "nothing");
        assert_eq!(cleaned("short", "too short"), "too short");
    }
}
