//! A certificate as proof of who asks: a short-lived token, signed with its key, in place of a secret.
//!
//! Source: "Microsoft identity platform application authentication certificate credentials". Not here: reading the file,
//! and exchanging the proof (`azure_identity`).

use azure_core::Error;
use azure_core::error::ErrorKind;
use azure_core::http::{ClientMethodOptions, Url};
use azure_core::time::OffsetDateTime;
use azure_identity::ClientAssertion;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{RSA_PSS_SHA256, RsaKeyPair};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// In seconds: as long as Microsoft's own libraries let it live.
const LIFETIME: i64 = 600;

/// The proof of one application in one tenant.
pub(super) struct Certificate {
    key: RsaKeyPair,
    /// The certificate's SHA-256, by which the directory finds it.
    thumbprint: String,
    client: String,
    audience: String,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificate(…)")
    }
}

impl Certificate {
    /// From a PEM file that holds a certificate and its RSA key without a password.
    ///
    /// # Errors
    /// In words, with what would do.
    pub(super) fn new(
        pem: &[u8],
        authority: &Url,
        tenant: &str,
        client: &str,
    ) -> Result<Certificate, String> {
        const WANTED: &str = "expected PEM with a certificate and its RSA key, without a password (from a .pfx: openssl pkcs12 -in FILE.pfx -nodes -out FILE.pem)";
        let certificate =
            CertificateDer::from_pem_slice(pem).map_err(|_| format!("no certificate: {WANTED}"))?;
        let key = match PrivateKeyDer::from_pem_slice(pem).map_err(|_| format!("no key: {WANTED}"))? {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            _ => return Err(format!("the key is of another kind: {WANTED}")),
        };
        let key = key.map_err(|e| format!("the key cannot be used ({e}): {WANTED}"))?;
        let audience = authority.join(&format!("{tenant}/oauth2/v2.0/token")).map_err(|e| e.to_string())?;
        let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(&certificate));
        Ok(Certificate { key, thumbprint, client: client.to_owned(), audience: audience.into() })
    }

    fn proof(&self, now: i64) -> Result<String, ring::error::Unspecified> {
        let random = SystemRandom::new();
        let mut id = [0; 16];
        random.fill(&mut id)?;
        let head = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint});
        let claims = json!({"aud": self.audience, "iss": self.client, "sub": self.client,
            "jti": URL_SAFE_NO_PAD.encode(id), "nbf": now, "iat": now, "exp": now + LIFETIME});
        let [head, claims] = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let said = format!("{head}.{claims}");
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key.sign(&RSA_PSS_SHA256, &random, said.as_bytes(), &mut signature)?;
        Ok(format!("{said}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[async_trait::async_trait]
impl ClientAssertion for Certificate {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let proof = self.proof(OffsetDateTime::now_utc().unix_timestamp());
        proof.map_err(|_| Error::with_message(ErrorKind::Credential, "the certificate's key does not sign"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// A key and its certificate, made where the tests run: none is kept among the sources.
    fn made() -> Option<Vec<u8>> {
        let folder = std::env::temp_dir().join(format!("leastwise-certificate-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-days", "1"])
            .args(["-keyout".as_ref(), key.as_os_str(), "-out".as_ref(), certificate.as_os_str()])
            .output();
        let both = made
            .is_ok_and(|o| o.status.success())
            .then(|| [std::fs::read(&key).unwrap(), std::fs::read(&certificate).unwrap()].concat());
        std::fs::remove_dir_all(&folder).unwrap();
        both
    }

    #[test]
    fn a_proof_names_its_certificate_and_is_signed_by_it() {
        let authority = Url::parse("https://login.microsoftonline.com").unwrap();
        let Some(pem) = made() else {
            eprintln!("skipped: there is no openssl to make a certificate with");
            return;
        };
        let made = Certificate::new(&pem, &authority, "tenant", "client").unwrap();
        let proof = made.proof(1000).unwrap();
        let parts: Vec<Vec<u8>> = proof.split('.').map(|p| URL_SAFE_NO_PAD.decode(p).unwrap()).collect();
        let claims: serde_json::Value = serde_json::from_slice(&parts[1]).unwrap();
        assert_eq!((claims["sub"].as_str(), claims["exp"].as_i64()), (Some("client"), Some(1600)));
        assert_eq!(claims["aud"], "https://login.microsoftonline.com/tenant/oauth2/v2.0/token");
        let said = proof.rsplit_once('.').unwrap().0;
        let public = ring::signature::UnparsedPublicKey::new(
            &ring::signature::RSA_PSS_2048_8192_SHA256,
            made.key.public().as_ref(),
        );
        public.verify(said.as_bytes(), &parts[2]).unwrap();
        assert!(public.verify(b"another", &parts[2]).is_err());
        assert_eq!(format!("{made:?}"), "Certificate(…)");
        for odd in [&b""[..], b"words", &pem[..400]] {
            let why = Certificate::new(odd, &authority, "tenant", "client").unwrap_err();
            assert!(why.contains("openssl pkcs12"), "{why}");
        }
    }
}
