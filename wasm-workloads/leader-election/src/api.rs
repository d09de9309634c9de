//! The cluster's API as a pod reaches it: address from the environment, token from the mounted service account. TLS is
//! made by the host (`wasi:http`), which believes the cluster's authority.

use serde_json::Value;
use wstd::http::{Body, Client, Request};

/// Where the service account is mounted.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The API.
pub(crate) struct Api {
    address: String,
}

/// What it said.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    /// A refusal in words.
    pub(crate) fn words(&self) -> String {
        let message = self.body.get("message").and_then(Value::as_str).unwrap_or("no reason given");
        format!("the API refuses ({}): {message}", self.status)
    }
}

fn account(file: &str) -> Result<String, String> {
    let path = format!("{ACCOUNT}/{file}");
    std::fs::read_to_string(&path).map(|text| text.trim().to_owned()).map_err(|error| format!("{path}: {error}"))
}

impl Api {
    pub(crate) fn in_cluster() -> Result<Self, String> {
        let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set: this runs in a pod"));
        let (host, port) = (variable("KUBERNETES_SERVICE_HOST")?, variable("KUBERNETES_SERVICE_PORT")?);
        Ok(Self { address: format!("https://{host}:{port}") })
    }

    /// The pod's namespace.
    pub(crate) fn namespace(&self) -> Result<String, String> {
        account("namespace")
    }

    /// Calls. The token is read each time, because the kubelet renews it.
    pub(crate) async fn call(&self, method: &str, path: &str, object: Option<&Value>) -> Result<Answer, String> {
        let wrong = |what: &dyn std::fmt::Display| format!("{method} {path}: {what}");
        let body = object.map_or_else(Body::empty, |object| Body::from(object.to_string()));
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address))
            .header("authorization", format!("Bearer {}", account("token")?))
            .header("content-type", "application/json")
            .header("accept", "application/json")
            .body(body)
            .map_err(|error| wrong(&error))?;
        let mut response = Client::new().send(request).await.map_err(|error| wrong(&error))?;
        let status = response.status().as_u16();
        let text = response.body_mut().str_contents().await.map_err(|error| wrong(&error))?;
        let body = serde_json::from_str(text).unwrap_or(Value::Null);
        Ok(Answer { status, body })
    }
}
