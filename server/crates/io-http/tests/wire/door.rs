//! An apiserver over a store in memory behind a door on a loopback port.

use std::net::SocketAddr;
use std::sync::Arc;

use apiserver::{ApiServer, Config, User};
use axum::body::Bytes;
use client::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper::{Response, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use io_clock::Clock;
use io_disk::{Committer, Options};
use io_driver::api::{Api, InProcess};
use io_driver::backstage::{
    BoxIo, Dial, Enter, LogQuery, LogStream, NodeUse, Nodes, Place, Session,
};
use io_driver::client::{Client, Pending};
use io_driver::flow::FlowLog;
use io_driver::seed::Seeds;
use io_http::api::{ApiState, router};
use io_http::serve::{Door, Patience, serve};
use serde_json::json;
use shared::live::Tunnel;
use shared::{KindRef, Millis, Status};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The running apiserver; it ends with its token.
pub(crate) struct House {
    pub(crate) api: Arc<Api>,
    pub(crate) state: ApiState,
    tasks: TaskTracker,
    cancel: CancellationToken,
    _committer: Committer,
}

/// Nodes of a cluster that has none.
struct Nobody;

fn nobody<T: Send + 'static>() -> Pending<Result<T, Status>> {
    Box::pin(async {
        Err(Status::failure(
            503,
            "ServiceUnavailable",
            "there are no nodes",
        ))
    })
}

impl Nodes for Nobody {
    fn logs(&self, _: LogQuery) -> Pending<Result<LogStream, Status>> {
        nobody()
    }
    fn enter(&self, _: Place, _: Enter, _: bool) -> Pending<Result<Session, Status>> {
        nobody()
    }
    fn dial(&self, _: Dial) -> Pending<Result<BoxIo, Status>> {
        nobody()
    }
    fn usage(&self, _: &str) -> Result<NodeUse, Status> {
        Err(Status::failure(404, "NotFound", "there are no nodes"))
    }
    fn stop(&self, _: &str) -> Pending<Result<(), Status>> {
        nobody()
    }
    fn start(&self, _: &str) -> Pending<Result<(), Status>> {
        nobody()
    }
    fn tunnels(&self) -> Vec<Tunnel> {
        Vec::new()
    }
}

pub(crate) fn admin() -> User {
    User::new("admin", &["system:masters"])
}

impl House {
    /// Starts with the namespace `default`.
    pub(crate) async fn start() -> Self {
        let clock = Clock::start(Millis(0));
        let time = clock.clone();
        let options = Options::new(Arc::new(move || time.now()));
        let committer = Committer::in_memory(options).unwrap();
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        let api = Arc::new(Api::new(
            ApiServer::new(Config::default()),
            committer.handle(),
            clock,
            Arc::<FlowLog>::default(),
            Seeds::new(1),
            tasks.clone(),
            cancel.clone(),
        ));
        let (feeder, until) = (Arc::clone(&api), cancel.clone());
        tasks.spawn(async move { feeder.feed_watches(until).await });
        let state = ApiState::new(Arc::clone(&api), Arc::new(Nobody));
        let house = Self {
            api,
            state,
            tasks,
            cancel,
            _committer: committer,
        };
        let namespace = json!({"metadata": {"name": "default"}});
        let kind = KindRef::new("", "v1", "namespaces");
        house.call(Request::create(kind, namespace)).await;
        house
    }

    /// Makes a call inside the process that must succeed.
    pub(crate) async fn call(&self, request: Request) {
        InProcess::new(Arc::clone(&self.api), admin(), "test")
            .call(request, None)
            .await
            .unwrap();
    }

    /// Serves a door; answers where.
    pub(crate) async fn open(&self, state: ApiState, patience: Patience) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let door = Door::new(router(state)).with_patience(patience);
        let (tasks, cancel) = (self.tasks.clone(), self.cancel.clone());
        self.tasks.spawn(serve(listener, door, tasks, cancel));
        address
    }

    /// A door where everybody is the admin.
    pub(crate) async fn admin_door(&self) -> SocketAddr {
        let state = self.state.always(admin(), "test");
        self.open(state, Patience::default()).await
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// A client over HTTP/2 without TLS.
pub(crate) struct Wire {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
    tasks: TaskTracker,
}

impl Wire {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        let tasks = TaskTracker::new();
        tasks.spawn(connection);
        Self {
            sender,
            address,
            tasks,
        }
    }

    pub(crate) async fn open(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Response<Incoming> {
        let mut request = hyper::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        self.sender.send_request(request).await.unwrap()
    }

    /// Code, headers of interest and body.
    pub(crate) async fn call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> (u16, hyper::HeaderMap, serde_json::Value) {
        let response = self.open(method, path, headers, body).await;
        let (code, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body)
            .unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into());
        (code, headers, body)
    }

    pub(crate) fn close(self) -> TaskTracker {
        self.tasks
    }
}

/// Waits until something holds; fails loudly when it never does.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    const LOOKS_MAX: usize = 2000;
    for _ in 0..LOOKS_MAX {
        if holds().await {
            return;
        }
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        tick.tick().await;
        tick.tick().await;
    }
    panic!("{what} never came to be");
}
