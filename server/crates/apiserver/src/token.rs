//! Service-account tokens: issued by TokenRequest, believed while their account and what they are bound to live
//! (`pkg/registry/core/serviceaccount/storage/token.go`, `pkg/serviceaccount`).
//!
//! Keys are the shell's: a [`TokenSigner`] signs claims and checks signatures. What is in the claims, and whether they
//! still hold, is decided here.

mod claims;
mod request;

use serde_json::json;
use shared::Millis;
use store::Snapshot;

pub(crate) use claims::Claims;

use crate::render::Response;
use crate::server::{ApiServer, User};

/// Who issues the tokens (`--service-account-issuer`), and whom they are for unless the request says otherwise.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// Where the public keys are to be found.
const JWKS_PATH: &str = "/openid/v1/jwks";
/// Where it is said where they are.
const CONFIGURATION_PATH: &str = "/.well-known/openid-configuration";

/// Signs tokens and checks their signatures (JWS compact serialisation, RFC 7515).
pub trait TokenSigner: Send + Sync {
    /// Signs claims.
    ///
    /// # Errors
    /// Why the key cannot sign.
    fn sign(&self, claims: &serde_json::Value) -> Result<String, String>;

    /// The claims of a token that this signer signed; whether they still hold is the caller's to judge.
    ///
    /// # Errors
    /// What is wrong with the token.
    fn verify(&self, token: &str) -> Result<serde_json::Value, String>;

    /// The public keys as a JSON Web Key Set (RFC 7517).
    fn keys(&self) -> serde_json::Value;

    /// The algorithm's name (RFC 7518): `ES256`.
    fn algorithm(&self) -> &'static str;
}

/// Why a token is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// This server has no key for tokens.
    #[error("this server does not accept tokens")]
    NoKey,
    /// It is no token of this cluster.
    #[error("invalid bearer token: {0}")]
    Foreign(String),
    /// Its time is over, or has not come yet.
    #[error("{0}")]
    Time(&'static str),
    /// It is for others.
    #[error("token audiences {have:?} is invalid for the target audiences {want:?}")]
    Audience {
        /// Whom the token is for.
        have: Vec<String>,
        /// Who was asked about.
        want: Vec<String>,
    },
    /// The account or what it is bound to is gone.
    #[error("service account token has been invalidated: {0}")]
    Invalidated(String),
}

impl ApiServer {
    /// Who a bearer token stands for, and which of the audiences it is meant for. No audiences at all stand for the
    /// API's own.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn authenticate(
        &self,
        token: &str,
        audiences: &[String],
        snapshot: &Snapshot,
        now: Millis,
    ) -> Result<(User, Vec<String>), TokenError> {
        let signer = self.tokens.as_ref().ok_or(TokenError::NoKey)?;
        let claims = signer.verify(token).map_err(TokenError::Foreign)?;
        let claims: Claims =
            serde_json::from_value(claims).map_err(|e| TokenError::Foreign(e.to_string()))?;
        claims.check_time(now)?;
        let own = [ISSUER.to_owned()];
        let audiences = if audiences.is_empty() {
            &own
        } else {
            audiences
        };
        let meant: Vec<String> = audiences
            .iter()
            .filter(|a| claims.aud.contains(a))
            .cloned()
            .collect();
        if meant.is_empty() {
            return Err(TokenError::Audience {
                have: claims.aud,
                want: audiences.to_vec(),
            });
        }
        claims.check_objects(snapshot, now)?;
        Ok((claims.user(), meant))
    }

    /// What relying parties need in order to check tokens themselves (OpenID Connect Discovery 1.0); `None` for other
    /// paths, and without a key.
    pub(crate) fn open_id(&self, path: &str) -> Option<Response> {
        let signer = self.tokens.as_ref()?;
        let (content_type, document) = match path {
            JWKS_PATH => ("application/jwk-set+json", signer.keys()),
            CONFIGURATION_PATH => (
                "application/json",
                json!({
                    "issuer": ISSUER,
                    "jwks_uri": format!("https://{}{JWKS_PATH}", self.config.server_address),
                    "response_types_supported": ["id_token"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": [signer.algorithm()],
                }),
            ),
            _ => return None,
        };
        let mut response = Response::new(200, content_type, document.to_string());
        response.headers = vec![("Cache-Control", "public, max-age=3600".into())];
        Some(response)
    }
}
