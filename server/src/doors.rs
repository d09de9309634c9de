//! The doors of the cluster: the Kubernetes API over HTTPS and the dashboard over HTTP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use apiserver::User;
use io_driver::api::{Api, InProcess};
use io_driver::client::Client;
use io_driver::node::House;
use io_http::api::ApiState;
use io_http::assets::Assets;
use io_http::dashboard::Dashboard;
use io_http::guard::Guard;
use io_http::pki::Authority;
use io_http::pulse::{About, Pulses};
use io_http::registry::Registry;
use io_http::serve::Door;
use io_http::static_tokens::StaticTokens;
use io_http::{kubeconfig, serve, tls};
use io_wasm::Engine;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::config::Up;
use crate::embedded;
use crate::images::LocalImages;
use crate::nodes::LocalNodes;
use crate::registry::EngineStorage;

/// Bound ports that are not served yet: what cannot be bound is known before anything else is started.
pub(crate) struct Doors {
    api: TcpListener,
    dashboard: TcpListener,
}

/// Served ports.
pub(crate) struct Served {
    pub(crate) api_url: String,
    pub(crate) dashboard_url: String,
    pub(crate) kubeconfig: PathBuf,
    /// A way in under the dashboard's name.
    pub(crate) admin: Arc<dyn Client>,
}

async fn bind(address: IpAddr, port: u16, option: &str) -> Result<TcpListener> {
    let wanted = SocketAddr::new(address, port);
    TcpListener::bind(wanted).await.with_context(|| {
        format!("cannot listen on {wanted}; choose another port with {option}, 0 for any free one")
    })
}

/// An unspecified address is no address to connect to.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = if address.ip().is_unspecified() {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        address.ip()
    };
    SocketAddr::new(ip, address.port())
}

/// TLS under a certificate for every name the API is reached by.
fn acceptor(authority: &Authority, api_address: SocketAddr) -> Result<TlsAcceptor> {
    let serving = authority.serving(&[
        api_address.ip(),
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(Ipv4Addr::new(10, 96, 0, 1)),
    ])?;
    Ok(TlsAcceptor::from(Arc::new(tls::server_config(
        authority, &serving,
    )?)))
}

/// The tokens of `--token-auth-file`, or the cluster's own file with one of the admin.
fn static_tokens(up: &Up, data_dir: &Path) -> Result<StaticTokens> {
    if let Some(path) = &up.token_auth_file {
        return Ok(StaticTokens::read(path)?);
    }
    let token = random_token()?;
    Ok(StaticTokens::open(
        &data_dir.join("pki/tokens.csv"),
        || token,
    )?)
}

/// 128 bits in hexadecimal.
fn random_token() -> Result<String> {
    Ok(format!(
        "{:016x}{:016x}",
        getrandom::u64()?,
        getrandom::u64()?
    ))
}

/// The registry over the engine's images, on the dashboard's port.
fn registry(engine: &Engine, address: SocketAddr) -> Registry {
    let hosts = [format!("localhost:{}", address.port()), address.to_string()];
    engine.images().set_registry_hosts(hosts.to_vec());
    Registry::new(Arc::new(EngineStorage(engine.images().clone())))
}

impl Doors {
    /// Binds both ports.
    pub(crate) async fn open(up: &Up) -> Result<Self> {
        let api = bind(up.api_address, up.api_port, "--api-port").await?;
        let dashboard = bind(up.dashboard_address, up.dashboard_port, "--dashboard-port").await?;
        Ok(Self { api, dashboard })
    }

    /// Where the API is bound.
    pub(crate) fn api_address(&self) -> Result<SocketAddr> {
        Ok(self.api.local_addr()?)
    }

    /// Serves both ports in the house's tasks and writes the admin's kubeconfig.
    #[expect(
        clippy::too_many_arguments,
        reason = "the wiring of everything that is served"
    )]
    pub(crate) fn serve(
        self,
        up: &Up,
        data_dir: &Path,
        authority: &Authority,
        api: &Arc<Api>,
        house: &House,
        nodes: &Arc<LocalNodes>,
        engine: Engine,
    ) -> Result<Served> {
        let api_address = self.api.local_addr()?;
        let kubeconfig = data_dir.join("admin.kubeconfig");
        let admin = authority.client("admin", "kubernetes-admin", &["system:masters"])?;
        kubeconfig::write(
            &kubeconfig,
            &format!("https://{}", reachable(api_address)),
            authority.certificate_pem(),
            &admin,
        )?;
        let acceptor = acceptor(authority, api_address)?;
        let state = ApiState::new(Arc::clone(api), Arc::clone(nodes) as Arc<_>)
            .with_tokens(static_tokens(up, data_dir)?);
        let (tasks, cancel) = (&house.tasks, &house.cancel);
        let metrics = Arc::clone(api);
        let door = Door::new(io_http::api::router(state.clone()))
            .over_tls(acceptor, move || metrics.metrics().handshake_failed());
        tasks.spawn(serve::serve(self.api, door, tasks.clone(), cancel.clone()));

        let about = About {
            api: format!("https://{api_address}"),
            kubeconfig: kubeconfig.display().to_string(),
            network: up.network.name().into(),
        };
        let dashboard_address = self.dashboard.local_addr()?;
        let user = User::new("dashboard", &["system:masters"]);
        let admin: Arc<dyn Client> =
            Arc::new(InProcess::new(Arc::clone(api), user.clone(), "dashboard"));
        let rooms = Arc::clone(&house.rooms);
        let pulses = Pulses::new(
            Arc::clone(api),
            rooms,
            Arc::clone(nodes) as Arc<_>,
            about.clone(),
        );
        let token = random_token()?;
        let router = io_http::dashboard::router(Dashboard {
            guard: Arc::new(Guard::new(dashboard_address, token)),
            assets: Assets(embedded::DIST),
            api: state.always(user, "dashboard"),
            around: house.around(Arc::clone(&admin)),
            pulses: Arc::new(pulses),
            nodes: Arc::clone(nodes) as Arc<_>,
            images: Arc::new(LocalImages::new(engine.clone())),
            registry: registry(&engine, dashboard_address),
        });
        tasks.spawn(serve::serve(
            self.dashboard,
            Door::new(router),
            tasks.clone(),
            cancel.clone(),
        ));
        let dashboard_url = format!("http://{dashboard_address}");
        Ok(Served {
            api_url: about.api,
            dashboard_url,
            kubeconfig,
            admin,
        })
    }
}
