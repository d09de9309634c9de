//! The cluster's key for service-account tokens, kept in `DATA/pki` as `sa.key` and `sa.pub`.
//!
//! ECDSA on P-256 (`ES256`, RFC 7518), one of the algorithms that the original takes for
//! `--service-account-signing-key-file`. Whether what a token says still holds is the apiserver's to judge.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use apiserver::TokenSigner;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use parking_lot::Mutex;
use rcgen::{KeyPair, PublicKeyData};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::pki::{PkiError, write_private};

/// Tokens whose signatures are known to hold, so that a client that calls often costs one check. Bounded: when it is
/// full, it starts anew.
const KNOWN_MAX: usize = 1024;
/// An uncompressed point of P-256: a mark and two coordinates.
const POINT_BYTES: usize = 65;

/// Signs and checks tokens.
pub struct Tokens {
    key_id: String,
    signing: EncodingKey,
    checking: DecodingKey,
    x: String,
    y: String,
    known: Mutex<BTreeMap<[u8; 32], Value>>,
}

impl Tokens {
    /// Opens the key in `dir`, or makes it; readable by its owner only (CIS 1.1.21).
    ///
    /// # Errors
    /// When the files cannot be read or written, or hold no key.
    pub fn open(dir: &Path) -> Result<Self, PkiError> {
        let failed = |source| PkiError::Certificate {
            name: "sa".into(),
            source,
        };
        let path = dir.join("sa.key");
        if !path.exists() {
            let key = KeyPair::generate().map_err(failed)?;
            write_private(&path, key.serialize_pem().as_bytes())?;
            write_private(&dir.join("sa.pub"), key.public_key_pem().as_bytes())?;
        }
        let pem = fs::read_to_string(&path).map_err(|source| PkiError::File {
            path: path.clone(),
            source,
        })?;
        let key = KeyPair::from_pem(&pem).map_err(failed)?;
        let point = key.public_key_raw();
        let (x, y) = match point {
            [4, coordinates @ ..] if point.len() == POINT_BYTES => {
                let (x, y) = coordinates.split_at(POINT_BYTES / 2);
                (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
            }
            _ => return Err(failed(rcgen::Error::CouldNotParseKeyPair)),
        };
        let checking = DecodingKey::from_ec_components(&x, &y)
            .map_err(|_| failed(rcgen::Error::CouldNotParseKeyPair))?;
        Ok(Self {
            key_id: URL_SAFE_NO_PAD.encode(Sha256::digest(key.subject_public_key_info())),
            signing: EncodingKey::from_ec_der(key.serialized_der()),
            checking,
            x,
            y,
            known: Mutex::default(),
        })
    }

    fn check(&self, token: &str) -> Result<Value, String> {
        let mut rules = Validation::new(Algorithm::ES256);
        // Times and audiences are judged by the cluster's clock, not by the host's.
        rules.required_spec_claims.clear();
        rules.validate_exp = false;
        rules.validate_aud = false;
        let data = jsonwebtoken::decode(token, &self.checking, &rules);
        data.map(|data| data.claims).map_err(|e| e.to_string())
    }
}

impl TokenSigner for Tokens {
    fn sign(&self, claims: &Value) -> Result<String, String> {
        let header = Header {
            typ: None,
            kid: Some(self.key_id.clone()),
            ..Header::new(Algorithm::ES256)
        };
        jsonwebtoken::encode(&header, claims, &self.signing).map_err(|e| e.to_string())
    }

    fn verify(&self, token: &str) -> Result<Value, String> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        if let Some(claims) = self.known.lock().get(&digest) {
            return Ok(claims.clone());
        }
        let claims = self.check(token)?;
        let mut known = self.known.lock();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(digest, claims.clone());
        Ok(claims)
    }

    fn keys(&self) -> Value {
        json!({"keys": [{
            "use": "sig",
            "kty": "EC",
            "kid": self.key_id,
            "crv": "P-256",
            "alg": self.algorithm(),
            "x": self.x,
            "y": self.y,
        }]})
    }

    fn algorithm(&self) -> &'static str {
        "ES256"
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_it_signed_it_knows_again_after_a_restart() {
        let dir = std::env::temp_dir().join(format!("glasshouse-tokens-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let claims = json!({"sub": "system:serviceaccount:a:b", "exp": 1});
        let token = Tokens::open(&dir).unwrap().sign(&claims).unwrap();
        let tokens = Tokens::open(&dir).unwrap();
        let mode = fs::metadata(dir.join("sa.key"))
            .unwrap()
            .permissions()
            .mode();
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(tokens.verify(&token), Ok(claims.clone()));
        assert_eq!(tokens.verify(&token), Ok(claims), "from memory");
        let (head, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = head.split_once('.').unwrap();
        let forged = URL_SAFE_NO_PAD.encode(r#"{"sub":"system:serviceaccount:a:admin"}"#);
        let unsigned = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        for bad in [
            String::new(),
            "x".into(),
            format!("{header}.{forged}.{signature}"),
            format!("{unsigned}.{forged}."),
            format!("{head}.{}", "A".repeat(86)),
        ] {
            assert!(tokens.verify(&bad).is_err(), "{bad}");
        }
        assert_eq!(tokens.keys()["keys"][0]["kid"], json!(tokens.key_id));
    }
}
