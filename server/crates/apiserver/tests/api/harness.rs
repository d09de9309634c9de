//! A cluster for tests: the apiserver over an in-memory store, driven through its HTTP edge.

#![allow(dead_code, reason = "every test file uses a part of it")]

use std::sync::{Arc, OnceLock};

use apiserver::{
    Answer, ApiServer, Config, Context, HttpRequest, NonResource, Outcome, Parsed, Representation,
    Response, TokenSigner, User, WatchEncoder, WatchPlan,
};
use client::Request;
use serde_json::Value;
use shared::{Millis, Status};
use store::{Store, TxnError};

/// When the tests happen.
pub(crate) const NOW: &str = "2026-01-01T00:00:00Z";

pub(crate) struct Cluster {
    pub(crate) server: Arc<ApiServer>,
    pub(crate) store: Store,
    pub(crate) now: Millis,
    pub(crate) user: User,
    seed: u64,
}

/// Tokens that anybody could make: `unsigned.` and the claims.
struct Unsigned;

impl TokenSigner for Unsigned {
    fn sign(&self, claims: &Value) -> Result<String, String> {
        Ok(format!("unsigned.{claims}"))
    }

    fn verify(&self, token: &str) -> Result<Value, String> {
        let claims = token.strip_prefix("unsigned.").ok_or("no signature")?;
        serde_json::from_str(claims).map_err(|e| e.to_string())
    }

    fn keys(&self) -> Value {
        serde_json::json!({"keys": []})
    }

    fn algorithm(&self) -> &'static str {
        "none"
    }
}

/// What came back.
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) content_type: &'static str,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Cluster {
    /// A cluster with what a fresh one has, and a namespace `rec` with its account. Made once; all others start from
    /// a copy of its store.
    pub(crate) fn new() -> Self {
        static FRESH: OnceLock<Store> = OnceLock::new();
        let store = FRESH.get_or_init(|| Self::fresh().store).clone();
        Self {
            store,
            seed: 1000,
            ..Self::empty()
        }
    }

    /// Begins again with the first seed.
    pub(crate) fn rewind(&mut self) {
        self.seed = 1000;
    }

    fn fresh() -> Self {
        let mut cluster = Self::empty();
        for request in cluster.server.bootstrap() {
            cluster
                .request(&request)
                .unwrap_or_else(|s| panic!("bootstrap {request:?}: {s}"));
        }
        cluster.create("/api/v1/namespaces", r#"{"metadata":{"name":"rec"}}"#);
        cluster.create(
            "/api/v1/namespaces/rec/serviceaccounts",
            r#"{"metadata":{"name":"default"}}"#,
        );
        cluster
    }

    /// A cluster with nothing in it.
    pub(crate) fn empty() -> Self {
        let now = Millis::parse_rfc3339(NOW).expect("a time");
        let user = User::new("kubernetes-admin", &["system:masters"]);
        Self {
            server: Arc::new(ApiServer::new(Config::default()).with_tokens(Box::new(Unsigned))),
            store: Store::new(),
            now,
            user,
            seed: 0,
        }
    }

    fn create(&mut self, path: &str, body: &str) {
        let reply = self.send("POST", path, body);
        assert_eq!(reply.code, 201, "{path} {}", reply.text);
    }

    /// Handles a request and commits what it comes to, as a shell does.
    pub(crate) fn request(
        &mut self,
        request: &Request,
    ) -> Result<(Answer, u16, Vec<String>), Status> {
        for _ in 0..8 {
            self.seed += 1;
            let snapshot = self.store.snapshot();
            let mut observer = ();
            let mut ctx = Context::new(&self.user, self.now, self.seed, &snapshot, &mut observer);
            let outcome = self.server.handle(request, &mut ctx)?;
            let warnings = ctx.warnings;
            match outcome {
                Outcome::Answer(answer, code) => return Ok((answer, code, warnings)),
                Outcome::Commit(proposal) => match self.store.commit(proposal.txn.clone()) {
                    Ok(committed) => {
                        let (answer, code) = proposal.answer(&committed);
                        return Ok((answer, code, warnings));
                    }
                    Err(TxnError::CompareFailed { .. }) => {}
                    Err(other) => return Err(proposal.refuse(&other)),
                },
                Outcome::Each(each) => {
                    for request in &each.requests {
                        self.request(request)?;
                    }
                    return Ok((each.answer, 200, warnings));
                }
                Outcome::Connect(connect) => {
                    return Err(Status::failure(101, "Connect", format!("{connect:?}")));
                }
                Outcome::Watch(_) => return Err(Status::failure(200, "Watch", "a watch")),
            }
        }
        panic!("the request never commits: {request:?}");
    }

    pub(crate) fn send(&mut self, method: &str, url: &str, body: &str) -> Reply {
        let content_type = if method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        self.exchange(method, url, content_type, "", body.as_bytes())
    }

    pub(crate) fn patch(&mut self, kind: &str, url: &str, body: &str) -> Reply {
        let content_type = match kind {
            "json" => "application/json-patch+json",
            "merge" => "application/merge-patch+json",
            "strategic" => "application/strategic-merge-patch+json",
            "apply" => "application/apply-patch+yaml",
            other => other,
        };
        self.exchange("PATCH", url, content_type, "", body.as_bytes())
    }

    pub(crate) fn get(&mut self, url: &str, accept: &str) -> Reply {
        self.exchange("GET", url, "", accept, b"")
    }

    /// The media type and the bytes of an answer that is no text.
    pub(crate) fn exchange_bytes(
        &mut self,
        method: &str,
        url: &str,
        accept: &str,
    ) -> (&'static str, bytes::Bytes) {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let http = HttpRequest {
            method,
            path,
            query,
            accept,
            ..HttpRequest::default()
        };
        let response = self.respond(&http).expect("an answer");
        (response.content_type, response.body)
    }

    pub(crate) fn exchange(
        &mut self,
        method: &str,
        url: &str,
        content_type: &str,
        accept: &str,
        body: &[u8],
    ) -> Reply {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let http = HttpRequest {
            method,
            path,
            query,
            content_type,
            accept,
            user_agent: "test/1.0",
            if_none_match: "",
            body,
        };
        let response = self
            .respond(&http)
            .unwrap_or_else(|status| self.server.refuse(&status));
        reply(response)
    }

    fn respond(&mut self, http: &HttpRequest<'_>) -> Result<Response, Status> {
        let parsed = self.server.parse(http)?;
        let representation = self.server.negotiate(http, &parsed)?;
        match &parsed {
            Parsed::NonResource(what) => self.path(what, http, representation),
            Parsed::Resource(request) => {
                let (answer, code, warnings) = self.request(request)?;
                Ok(self
                    .server
                    .render(representation, &answer, code, self.now, &warnings))
            }
        }
    }

    fn path(
        &self,
        what: &NonResource,
        http: &HttpRequest<'_>,
        how: Representation,
    ) -> Result<Response, Status> {
        let checks = [apiserver::Check::ok("ping"), apiserver::Check::ok("etcd")];
        self.server
            .serve(what, http, how, &self.user, &self.store.snapshot(), &checks)
    }

    /// Opens a watch.
    pub(crate) fn watch(&mut self, url: &str) -> Result<WatchPlan, Status> {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let http = HttpRequest {
            method: "GET",
            path,
            query,
            ..HttpRequest::default()
        };
        let Parsed::Resource(request) = self.server.parse(&http)? else {
            panic!("{url} is no resource")
        };
        let snapshot = self.store.snapshot();
        let mut observer = ();
        let mut ctx = Context::new(&self.user, self.now, 1, &snapshot, &mut observer);
        match self.server.handle(&request, &mut ctx)? {
            Outcome::Watch(plan) => Ok(plan),
            other => panic!("{url} is no watch: {other:?}"),
        }
    }
}

fn reply(response: Response) -> Reply {
    let text = String::from_utf8_lossy(&response.body).into_owned();
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    Reply {
        code: response.code,
        headers: response.headers,
        content_type: response.content_type,
        text,
        json,
    }
}

impl Reply {
    /// `404 pods "x" not found`, or the code alone when it went well.
    pub(crate) fn summary(&self) -> String {
        match self.json.get("message").and_then(Value::as_str) {
            Some(message) if self.json.get("kind") == Some(&"Status".into()) => {
                format!("{} {message}", self.code)
            }
            _ => self.code.to_string(),
        }
    }

    pub(crate) fn at(&self, pointer: &str) -> Value {
        self.json.pointer(pointer).cloned().unwrap_or(Value::Null)
    }
}

/// The frames of a watch so far, one line each: what happened to which object, with one field of it.
pub(crate) fn frames(plan: &mut WatchPlan, store: &Store, show: &str) -> Vec<String> {
    let mut all = std::mem::take(&mut plan.initial);
    all.extend(plan.cursor.catch_up(&store.snapshot()).expect("history"));
    let mut encoder = WatchEncoder::new(Representation::Json);
    all.iter()
        .map(|frame| {
            let line = encoder.encode(frame, Millis(0)).expect("a frame");
            let value: Value = serde_json::from_slice(&line).expect("json");
            let at = |p: &str| {
                value
                    .pointer(p)
                    .and_then(Value::as_str)
                    .unwrap_or("-")
                    .to_owned()
            };
            format!(
                "{} {} {}",
                at("/type"),
                at("/object/metadata/name"),
                at(&format!("/object{show}"))
            )
        })
        .collect()
}
