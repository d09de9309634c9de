//! The apiserver's handle: what it is configured with, what it needs to know for a request, and what comes out.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use client::{Request, Verb};
use schema::{OpenApi, Schema, Served};
use shared::{Kind, Millis, Status};
use store::Snapshot;

use crate::answer::{Answer, Outcome};
use crate::authz::{Authorizer, Decision, Modes, attributes};
use crate::registry::Registry;
use crate::strategy::{self, Strategy};
use crate::token::TokenSigner;
use crate::{options, refuse};

/// What differs between clusters.
#[derive(Clone, Debug)]
pub struct Config {
    /// First address and prefix length of the range that Services get their addresses from.
    pub service_cidr: (Ipv4Addr, u8),
    /// First and last port that NodePort Services may get.
    pub node_ports: (u16, u16),
    /// The cluster's CA certificate as PEM: what `kube-root-ca.crt` holds.
    pub ca_pem: String,
    /// Where clients reach the apiserver: `127.0.0.1:6443`.
    pub server_address: String,
}

impl Default for Config {
    /// The ranges of a kubeadm cluster.
    fn default() -> Self {
        Self {
            service_cidr: (Ipv4Addr::new(10, 96, 0, 0), 12),
            node_ports: (30_000, 32_767),
            ca_pem: String::new(),
            server_address: "127.0.0.1:6443".into(),
        }
    }
}

/// Who asks, as authentication found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// `kubernetes-admin`, `system:node:node-1`, ...
    pub name: String,
    /// Tells users of one name apart; often empty.
    pub uid: String,
    /// `system:masters`, `system:authenticated`, ...
    pub groups: Vec<String>,
    /// More about them, by key: `authentication.kubernetes.io/pod-name`, ...
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// A user with these groups besides `system:authenticated`.
    #[must_use]
    pub fn new(name: &str, groups: &[&str]) -> Self {
        let all = groups.iter().chain(&["system:authenticated"]);
        Self {
            name: name.into(),
            groups: all.map(|g| (*g).to_owned()).collect(),
            ..Self::default()
        }
    }

    /// Whoever did not say who they are.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            name: "system:anonymous".into(),
            groups: vec!["system:unauthenticated".into()],
            ..Self::default()
        }
    }
}

/// What the apiserver is doing with a request; the shell reads the clock at each step for the flow log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// May this user do this?
    Authorization,
    /// Reading the body: decoding, field checks, defaults.
    Decode,
    /// Admission plugins change or refuse the object.
    Admission,
    /// The object is checked field by field.
    Validation,
    /// Reading from the snapshot.
    Read,
}

impl Phase {
    /// The word that the flow log shows.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Authorization => "authz",
            Self::Decode => "decode",
            Self::Admission => "admission",
            Self::Validation => "validation",
            Self::Read => "read",
        }
    }
}

/// Told as a request moves from phase to phase.
pub trait Observer {
    /// The request enters a phase.
    fn enter(&mut self, phase: Phase);

    /// A plugin of the admission chain has done its part, and refused the request or not.
    fn admitted(&mut self, _plugin: &'static str, _is_rejected: bool) {}
}

/// An observer that does not care.
impl Observer for () {
    fn enter(&mut self, _phase: Phase) {}
}

/// Everything a request is judged by.
pub struct Context<'a> {
    /// Who asks.
    pub user: &'a User,
    /// The cluster clock.
    pub now: Millis,
    /// Where uids, name suffixes and allocations come from; a new one for every attempt.
    pub seed: u64,
    /// The store as it is for this request.
    pub snapshot: &'a Snapshot,
    /// Told of the phases.
    pub observer: &'a mut dyn Observer,
    /// Filled with what the answer should warn of (`Warning` headers, RFC 9111 code 299).
    pub warnings: Vec<String>,
}

impl<'a> Context<'a> {
    /// A context without warnings yet.
    pub fn new(
        user: &'a User,
        now: Millis,
        seed: u64,
        snapshot: &'a Snapshot,
        observer: &'a mut dyn Observer,
    ) -> Self {
        Self {
            user,
            now,
            seed,
            snapshot,
            observer,
            warnings: Vec::new(),
        }
    }
}

/// The Kubernetes API as functions over a snapshot of the store.
pub struct ApiServer {
    pub(crate) config: Config,
    pub(crate) registry: Registry,
    pub(crate) schema: Arc<Schema>,
    pub(crate) open_api: OpenApi,
    pub(crate) authorizer: Box<dyn Authorizer>,
    pub(crate) tokens: Option<Box<dyn TokenSigner>>,
}

/// A request whose kind is known.
#[derive(Clone, Copy)]
pub(crate) struct Target<'r> {
    pub(crate) kind: &'static Kind,
    pub(crate) strategy: &'static Strategy,
    pub(crate) request: &'r Request,
    pub(crate) schema: &'r Schema,
}

impl Target<'_> {
    /// The store key of an object of this kind.
    pub(crate) fn key(&self, name: &str) -> String {
        let prefix = crate::convert::storage_kind(self.kind).storage_prefix();
        if self.kind.namespaced {
            format!("{prefix}{}/{name}", self.request.namespace)
        } else {
            format!("{prefix}{name}")
        }
    }

    pub(crate) fn not_found(&self) -> Status {
        Status::not_found(self.kind.plural, self.kind.group, &self.request.name)
    }

    pub(crate) fn modified(&self) -> Status {
        Status::modified(self.kind.plural, self.kind.group, &self.request.name)
    }

    pub(crate) fn conflict(&self, why: &str) -> Status {
        Status::conflict(self.kind.plural, self.kind.group, &self.request.name, why)
    }
}

impl ApiServer {
    /// An apiserver for the built-in kinds that authorises by nodes and roles.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let (registry, schema) = (Registry::built_in(), Schema::built_in().clone());
        let open_api = OpenApi::new(schema.clone(), registry.kinds().map(Served::from).collect());
        Self {
            config,
            registry,
            schema,
            open_api,
            authorizer: Box::new(Modes::default()),
            tokens: None,
        }
    }

    /// The same with keys for service-account tokens; without any, it issues and accepts none.
    #[must_use]
    pub fn with_tokens(mut self, signer: Box<dyn TokenSigner>) -> Self {
        self.tokens = Some(signer);
        self
    }

    /// The same with another authorizer.
    #[must_use]
    pub fn with_authorizer(mut self, authorizer: Box<dyn Authorizer>) -> Self {
        self.authorizer = authorizer;
        self
    }

    /// The kinds it serves.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Decides about a request over the context's snapshot. Nothing has happened yet when it returns: an
    /// [`Outcome::Commit`] is the caller's to commit.
    ///
    /// # Errors
    /// The refusal, as the API answers it.
    pub fn handle(&self, request: &Request, ctx: &mut Context<'_>) -> Result<Outcome, Status> {
        let target = self.target(request)?;
        ctx.observer.enter(Phase::Authorization);
        self.authorize(request, ctx)?;
        options::check(request)?;
        if request.subresource.is_empty() {
            self.handle_object(&target, ctx)
        } else {
            self.handle_subresource(&target, ctx)
        }
    }

    fn target<'r>(&'r self, request: &'r Request) -> Result<Target<'r>, Status> {
        let kind = self
            .registry
            .find(&request.kind)
            .ok_or_else(refuse::no_such_resource)?;
        let verbs = if request.subresource.is_empty() {
            kind.verbs
        } else {
            kind.subresource(&request.subresource)
                .ok_or_else(refuse::no_such_resource)?
                .verbs
        };
        if !verbs.contains(&request.verb.word()) {
            return Err(refuse::method_not_allowed());
        }
        if kind.namespaced == request.namespace.is_empty() && !spans_namespaces(kind, request) {
            return Err(refuse::no_such_resource());
        }
        Ok(Target {
            kind,
            strategy: strategy::of(kind),
            request,
            schema: &self.schema,
        })
    }

    fn authorize(&self, request: &Request, ctx: &Context<'_>) -> Result<(), Status> {
        let attributes = attributes(request, ctx.user);
        match self.authorizer.authorize(&attributes, ctx.snapshot) {
            Decision::Allow => Ok(()),
            Decision::Deny(why) => Err(attributes.refusal(&why)),
        }
    }

    fn handle_object(&self, target: &Target<'_>, ctx: &mut Context<'_>) -> Result<Outcome, Status> {
        if let Some(outcome) = crate::component_status::answer(target, ctx)? {
            return Ok(outcome);
        }
        if target.kind.group == crate::proxy::METRICS {
            return Ok(crate::proxy::metrics(target));
        }
        if let Some(outcome) = self.review(target, ctx)? {
            return Ok(outcome);
        }
        match target.request.verb {
            Verb::Get => self.get(target, ctx).map(|item| Answer::Object(item).ok()),
            Verb::List => self.list(target, ctx).map(|list| Answer::List(list).ok()),
            Verb::Watch => self.watch(target, ctx).map(Outcome::Watch),
            Verb::Create => self.create(target, ctx),
            Verb::Update => self.update(target, ctx),
            Verb::Patch => self.patch(target, ctx),
            Verb::Delete => self.delete(target, ctx),
            Verb::DeleteCollection => self.delete_collection(target, ctx),
        }
    }
}

/// True for what may leave the namespace out: collections of a namespaced kind.
fn spans_namespaces(kind: &Kind, request: &Request) -> bool {
    let collection = matches!(
        request.verb,
        Verb::List | Verb::Watch | Verb::DeleteCollection
    );
    kind.namespaced && request.name.is_empty() && collection
}
