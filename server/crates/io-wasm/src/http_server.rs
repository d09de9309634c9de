//! Serves a `wasi:http/incoming-handler` component on a port of its pod: HTTP/1.1 and HTTP/2, one fresh instance per
//! request, so that a trap or a leak ends with the request it belongs to.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::guest::Guest;
use crate::logs::{LogWriter, Output};
use crate::network::{BoxListener, BoxStream};
use crate::process::{Environment, Exit, Stdio, exit_of};

/// Connections at a time; more wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 512;
/// Requests that run at a time; more wait.
const REQUESTS_MAX: usize = 256;
/// Connections that may wait to be accepted.
pub(crate) const BACKLOG: usize = 256;

/// A component being served.
pub(crate) struct HttpServer {
    pub(crate) environment: Environment,
    pub(crate) program: String,
    pub(crate) pre: ProxyPre<Guest>,
    pub(crate) log: Arc<LogWriter>,
}

struct Shared {
    server: HttpServer,
    requests: Semaphore,
    /// Ends instances: the container is over.
    over: CancellationToken,
    tasks: TaskTracker,
}

impl HttpServer {
    /// Serves until `stop`, then answers what is under way. Dropping the future ends everything at once.
    pub(crate) async fn serve(self, mut listener: BoxListener, stop: &CancellationToken) -> Exit {
        let over = CancellationToken::new();
        let _guard = over.clone().drop_guard();
        let memory = Arc::clone(&self.environment.memory);
        let shared = Arc::new(Shared {
            server: self,
            requests: Semaphore::new(REQUESTS_MAX),
            over,
            tasks: TaskTracker::new(),
        });
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let accepting = async {
                let slot = Arc::clone(&slots).acquire_owned().await.ok()?;
                let accepted = poll_fn(|cx| listener.poll_accept(cx)).await;
                Some((slot, accepted))
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = accepting => match accepted {
                    Some((slot, Ok((stream, _)))) => {
                        let (shared, stop) = (Arc::clone(&shared), stop.clone());
                        let tasks = shared.tasks.clone();
                        tasks.spawn(async move {
                            let _slot = slot;
                            connection(shared, stream, stop).await;
                        });
                    }
                    // The pod's network is gone.
                    Some((_, Err(error))) => {
                        shared.server.complain(&format!("cannot accept connections: {error}"));
                        return Exit::code(1);
                    }
                    None => return Exit::killed(),
                },
            }
        }
        drop(listener);
        shared.tasks.close();
        shared.tasks.wait().await;
        if memory.exceeded().is_cancelled() {
            return Exit::out_of_memory("memory limit exceeded".to_owned());
        }
        Exit::terminated()
    }

    fn complain(&self, text: &str) {
        if let Err(error) = self
            .log
            .write(Output::Stderr, format!("{text}\n").as_bytes())
        {
            tracing::warn!(%error, "a container's log cannot be written");
        }
    }
}

/// Runs hyper's background work in the container's own tasks.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

async fn connection(shared: Arc<Shared>, stream: BoxStream, stop: CancellationToken) {
    let over = shared.over.clone();
    let builder = auto::Builder::new(Tracked(shared.tasks.clone()));
    let service = hyper::service::service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(respond(shared, request).await) }
    });
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let ended = tokio::select! {
        biased;
        () = over.cancelled() => return,
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                () = over.cancelled() => return,
                ended = serving => ended,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an http connection ended early");
    }
}

async fn respond(shared: Arc<Shared>, request: Request<Incoming>) -> Response<HyperOutgoingBody> {
    let Ok(_permit) = shared.requests.acquire().await else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping\n");
    };
    match run(&shared, request).await {
        Ok(response) => response,
        Err(text) => {
            shared.server.complain(&text);
            plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the component failed: see the container's log\n",
            )
        }
    }
}

/// Runs one instance for one request; the instance may go on streaming its body after the answer began.
async fn run(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<HyperOutgoingBody>, String> {
    let server = &shared.server;
    let failed = |error: wasmtime::Error| format!("the component cannot be started: {error:#}");
    let argv = [server.program.clone()];
    let stdio = Stdio::Log {
        log: Arc::clone(&server.log),
        stdin: None,
        tty: false,
    };
    let mut store = server.environment.store(&argv, stdio).map_err(failed)?;
    let (sender, receiver) = oneshot::channel();
    let Ok(request) = store
        .data_mut()
        .http()
        .new_incoming_request(Scheme::Http, request)
    else {
        return Ok(plain(
            StatusCode::BAD_REQUEST,
            "the request names no host\n",
        ));
    };
    let out = store
        .data_mut()
        .http()
        .new_response_outparam(sender)
        .map_err(failed)?;
    // A client that leaves before it is answered takes its instance along.
    let abandoned = CancellationToken::new();
    let guard = abandoned.clone().drop_guard();
    let (pre, over) = (server.pre.clone(), shared.over.clone());
    let instance = server.environment.metered(async move {
        let proxy = pre.instantiate_async(&mut store).await?;
        proxy
            .wasi_http_incoming_handler()
            .call_handle(&mut store, request, out)
            .await
    });
    let task = shared.tasks.spawn(async move {
        tokio::select! {
            biased;
            () = over.cancelled() => Ok(()),
            () = abandoned.cancelled() => Ok(()),
            ended = instance => ended,
        }
    });
    match receiver.await {
        Ok(Ok(response)) => {
            guard.disarm();
            let shared = Arc::clone(shared);
            let tasks = shared.tasks.clone();
            tasks.spawn(async move {
                if let Ok(Err(error)) = task.await {
                    shared.server.complain(&format!(
                        "the component failed after it answered: {}",
                        describe(&error)
                    ));
                }
            });
            Ok(response)
        }
        Ok(Err(code)) => Err(format!("the component answered with an error: {code:?}")),
        Err(_) => Err(match task.await {
            Ok(Ok(())) => "the component ended without an answer".to_owned(),
            Ok(Err(error)) => format!("the component failed: {}", describe(&error)),
            Err(error) => format!("the engine failed: {error}"),
        }),
    }
}

fn describe(error: &wasmtime::Error) -> String {
    let exit = exit_of(error);
    if exit.message.is_empty() {
        format!("it exited with code {} without an answer", exit.code)
    } else {
        exit.message
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<HyperOutgoingBody> {
    let body = Full::new(Bytes::from_static(text.as_bytes()))
        .map_err(|never: Infallible| match never {})
        .boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}
