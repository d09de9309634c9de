//! What a kubeconfig says about reaching its current context: the server, whom to trust, what to show.
//!
//! Read are embedded data and files, client certificates and bearer tokens
//! (`kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig`). Credential plugins are not.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use io_http::pki::Credential;
use serde::Deserialize;

/// How to reach one cluster as one user.
#[derive(Clone, Debug)]
pub struct Access {
    /// `HOST:PORT`.
    pub server: String,
    /// The certificate authority to trust, as PEM.
    pub authority_pem: String,
    /// What to show.
    pub identity: Identity,
}

/// What a client shows.
#[derive(Clone, Debug)]
pub enum Identity {
    /// A client certificate with its key.
    Certificate(Credential),
    /// `Authorization: Bearer`.
    Token(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    current_context: String,
    clusters: Vec<NamedCluster>,
    contexts: Vec<NamedContext>,
    users: Vec<NamedUser>,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: ClusterPart,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: ContextPart,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    user: UserPart,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ClusterPart {
    server: String,
    certificate_authority: Option<String>,
    certificate_authority_data: Option<String>,
}

#[derive(Deserialize)]
struct ContextPart {
    cluster: String,
    user: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct UserPart {
    client_certificate: Option<String>,
    client_certificate_data: Option<String>,
    client_key: Option<String>,
    client_key_data: Option<String>,
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<String>,
}

impl Access {
    /// Reads the current context of a kubeconfig.
    ///
    /// # Errors
    /// When the file cannot be read, or names something that it does not hold.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the kubeconfig {}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, folder).with_context(|| format!("the kubeconfig {}", path.display()))
    }

    fn parse(text: &str, folder: &Path) -> Result<Self> {
        let config: Config = serde_saphyr::from_str(text)?;
        let context = config
            .contexts
            .into_iter()
            .find(|c| c.name == config.current_context)
            .with_context(|| format!("there is no context {:?}", config.current_context))?
            .context;
        let cluster = config
            .clusters
            .into_iter()
            .find(|c| c.name == context.cluster)
            .with_context(|| format!("there is no cluster {:?}", context.cluster))?
            .cluster;
        let user = config
            .users
            .into_iter()
            .find(|u| u.name == context.user)
            .with_context(|| format!("there is no user {:?}", context.user))?
            .user;
        let server = authority(&cluster.server)?;
        let authority_pem = pem(
            cluster.certificate_authority_data,
            cluster.certificate_authority,
            folder,
        )?
        .context("the cluster has no certificate-authority: whom should the client trust?")?;
        Ok(Self {
            server,
            authority_pem,
            identity: user.identity(folder)?,
        })
    }
}

impl UserPart {
    fn identity(self, folder: &Path) -> Result<Identity> {
        if let Some(token) = self.token {
            return Ok(Identity::Token(token));
        }
        if let Some(file) = self.token_file {
            let token = fs::read_to_string(folder.join(file))?;
            return Ok(Identity::Token(token.trim().to_owned()));
        }
        let certificate = pem(
            self.client_certificate_data,
            self.client_certificate,
            folder,
        )?;
        let key = pem(self.client_key_data, self.client_key, folder)?;
        match (certificate, key) {
            (Some(certificate_pem), Some(key_pem)) => Ok(Identity::Certificate(Credential {
                certificate_pem,
                key_pem,
            })),
            _ => bail!("the user has neither a client certificate with its key nor a token"),
        }
    }
}

/// `HOST:PORT` of an `https` URL.
fn authority(server: &str) -> Result<String> {
    let rest = server
        .strip_prefix("https://")
        .with_context(|| format!("the server {server:?} is not reached over https"))?;
    let host = rest.split('/').next().unwrap_or_default();
    let has_port = host
        .rsplit(':')
        .next()
        .is_some_and(|p| p.parse::<u16>().is_ok());
    Ok(if has_port {
        host.to_owned()
    } else {
        format!("{host}:443")
    })
}

fn pem(data: Option<String>, file: Option<String>, folder: &Path) -> Result<Option<String>> {
    if let Some(data) = data {
        return Ok(Some(String::from_utf8(STANDARD.decode(data)?)?));
    }
    let read = |file| {
        let path = folder.join(file);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    file.map(read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(cluster: &str, user: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters:\n- name: one\n  cluster: {cluster}\n\
             users:\n- name: me\n  user: {user}\ncontexts:\n- name: c\n  context: {{cluster: one, user: me}}\n"
        )
    }

    #[test]
    fn kubeconfigs_are_read_as_kubectl_reads_them() {
        let ca = "{server: 'https://10.0.0.1', certificate-authority-data: Q0E=}";
        for (cluster, user, want) in [
            (ca, "{token: t}", "10.0.0.1:443 CA token t"),
            (
                "{server: 'https://h:6443/prefix', certificate-authority-data: Q0E=}",
                "{client-certificate-data: YQ==, client-key-data: Yg==}",
                "h:6443 CA certificate a b",
            ),
            (ca, "{}", "the user has neither"),
            ("{server: 'https://h'}", "{token: t}", "whom should"),
            (
                "{server: 'http://h', certificate-authority-data: Q0E=}",
                "{token: t}",
                "not reached over https",
            ),
            (ca, "{client-certificate: no/such/file}", "cannot read"),
        ] {
            let got = match Access::parse(&config(cluster, user), Path::new(".")) {
                Err(error) => format!("{error:#}"),
                Ok(access) => {
                    let shown = match &access.identity {
                        Identity::Token(token) => format!("token {token}"),
                        Identity::Certificate(c) => {
                            format!("certificate {} {}", c.certificate_pem, c.key_pem)
                        }
                    };
                    format!("{} {} {shown}", access.server, access.authority_pem)
                }
            };
            assert!(got.contains(want), "{got} should mention {want}");
        }
    }
}
