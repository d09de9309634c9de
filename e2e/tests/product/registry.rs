//! The registry and the database, judged by the stock clients of their protocols.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use e2e::Cluster;
use e2e::cluster::curl;
use e2e::peer::{finish, tool};

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/product/registry")
        .join(name)
}

fn workload(name: &str) -> Result<PathBuf> {
    let folder = env::var_os("GLASSHOUSE_WORKLOADS")
        .context("GLASSHOUSE_WORKLOADS names the built guests")?;
    Ok(PathBuf::from(folder).join(name))
}

/// `127.0.0.1:PORT` of the dashboard, whose port the registry shares.
fn registry(cluster: &Cluster) -> &str {
    cluster.ready.dashboard.trim_start_matches("http://")
}

#[test]
fn an_image_is_pushed_run_and_deleted() -> Result<()> {
    let cluster = Cluster::start(1)?;
    let registry = registry(&cluster);
    let module = workload("counter-cli.wasm")?;
    let mut python = cluster.peer(&tool("python/bin/python")?);
    python.arg(script("images.py")).arg(registry).arg(&module);
    assert_eq!(
        finish(python)?,
        "pushed 201\ntags v1\nlayer application/wasm\nsame True\nsample 1\n"
    );
    let port = registry.rsplit(':').next().context("a port")?;
    for (pod, image) in [
        ("mine", "glasshouse.dev/team/counter:v1".to_owned()),
        ("local", format!("localhost:{port}/team/counter:v1")),
    ] {
        cluster.kubectl(&format!("run {pod} --image={image} --restart=Never"))?;
        cluster.wait(&format!(
            "pod/{pod} --for=jsonpath={{.status.phase}}=Succeeded"
        ))?;
    }
    let manifest = format!("http://{registry}/v2/team/counter/manifests/v1");
    let accept = "Accept: application/vnd.oci.image.manifest.v1+json";
    let head = curl(&["-I", "-H", accept, &manifest])?;
    let digest = head
        .lines()
        .find_map(|line| line.strip_prefix("docker-content-digest: "))
        .context("a digest")?
        .trim();
    let image_id =
        cluster.kubectl("get pod mine -o 'jsonpath={.status.containerStatuses[0].imageID}'")?;
    assert_eq!(image_id, format!("glasshouse.dev/team/counter@{digest}"));

    let by_digest = format!("http://{registry}/v2/team/counter/manifests/{digest}");
    curl(&["-f", "-X", "DELETE", &by_digest])?;
    let gone = curl(&[&manifest])?;
    assert!(gone.contains("MANIFEST_UNKNOWN"), "{gone}");
    let sample = format!("http://{registry}/v2/hello-http/manifests/latest");
    assert!(curl(&["-X", "DELETE", &sample])?.contains("DENIED"));
    Ok(())
}

#[test]
fn other_pages_cannot_push() -> Result<()> {
    let cluster = Cluster::start(1)?;
    let upload = format!("http://{}/v2/evil/blobs/uploads/", registry(&cluster));
    for header in ["Origin: http://evil.example", "Host: rebound.example"] {
        let status = curl(&[
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-X",
            "POST",
            "-H",
            header,
            &upload,
        ])?;
        assert_eq!(status, "403", "{header}");
    }
    Ok(())
}

#[test]
fn the_database_speaks_the_protocol_of_stock_clients() -> Result<()> {
    let cluster = Cluster::start(1)?;
    cluster.kubectl("run cache --image=redis --port=6379")?;
    cluster.kubectl("expose pod cache --type=NodePort --port=6379")?;
    cluster.wait("pod/cache --for=condition=Ready")?;
    let port = cluster.kubectl("get service cache -o 'jsonpath={.spec.ports[0].nodePort}'")?;
    let mut python = cluster.peer(&tool("python/bin/python")?);
    python.arg(script("database.py")).arg(port);
    let once = "ping True\nset True 2 2 True\nmget True ['1', None, '2']\nhash 2 {'f': '1', 'g': '2'}\n\
                list 2 3 ['z', 'a', 'b'] z\nset 2 ['m', 'n']\ntransaction [True, 6]\n\
                keys ['a', 'h', 'l', 'p', 's', 'x', 'y'] 7 1\ninfo standalone {'appendonly': 'no'}\nerror WRONGTYPE\n";
    assert_eq!(finish(python)?, once.repeat(2));
    Ok(())
}
