//! Finds the WIT of `wasi:sockets` inside the wasmtime-wasi crate that cargo resolved, and writes the `bindgen!` call
//! for it: the interface text stays with its owner and always matches the linked version.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../../../Cargo.lock");
    if let Err(error) = run() {
        println!("cargo::error=cannot find the WIT of wasmtime-wasi: {error}");
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let wit = wasi_crate()?.join("src/p2/wit");
    if !wit.join("deps/sockets.wit").is_file() {
        return Err(format!("{} holds no deps/sockets.wit", wit.display()).into());
    }
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("sockets_bindings.rs");
    std::fs::write(out, bindings(&wit))?;
    Ok(())
}

/// The source directory of the wasmtime-wasi crate that this workspace's lock file names: where cargo unpacks crates,
/// or wherever cargo says it is (a vendored copy, a patch).
fn wasi_crate() -> Result<PathBuf, Box<dyn std::error::Error>> {
    let lock = std::fs::read_to_string("../../../Cargo.lock")?;
    let version = lock
        .split_once("name = \"wasmtime-wasi\"\nversion = \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(version, _)| version)
        .ok_or("Cargo.lock does not name it")?;
    let home = std::env::var("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|_| std::env::var("HOME").map(|home| Path::new(&home).join(".cargo")))?;
    for registry in std::fs::read_dir(home.join("registry/src"))
        .into_iter()
        .flatten()
    {
        let unpacked = registry?.path().join(format!("wasmtime-wasi-{version}"));
        if unpacked.is_dir() {
            return Ok(unpacked);
        }
    }
    ask_cargo()
}

fn ask_cargo() -> Result<PathBuf, Box<dyn std::error::Error>> {
    let output = Command::new(std::env::var("CARGO")?)
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args(["--filter-platform", &std::env::var("HOST")?])
        .current_dir(std::env::var("CARGO_MANIFEST_DIR")?)
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == "wasmtime-wasi")
        .and_then(|package| {
            Path::new(package["manifest_path"].as_str()?)
                .parent()
                .map(Path::to_owned)
        })
        .ok_or_else(|| "it is not among the dependencies".into())
}

fn bindings(wit: &Path) -> String {
    format!(
        r#"wasmtime::component::bindgen!({{
    path: {wit:?},
    inline: "
        package glasshouse:pod;
        world network {{
            import wasi:sockets/tcp@0.2.12;
            import wasi:sockets/tcp-create-socket@0.2.12;
            import wasi:sockets/udp@0.2.12;
            import wasi:sockets/udp-create-socket@0.2.12;
            import wasi:sockets/ip-name-lookup@0.2.12;
        }}
    ",
    world: "glasshouse:pod/network",
    imports: {{
        "wasi:sockets/tcp.[method]tcp-socket.start-listen": async | trappable,
        default: trappable,
    }},
    require_store_data_send: true,
    trappable_error_type: {{ "wasi:sockets/network.error-code" => wasmtime_wasi::p2::SocketError }},
    with: {{
        "wasi:io/poll": wasmtime_wasi_io::bindings::wasi::io::poll,
        "wasi:io/streams": wasmtime_wasi_io::bindings::wasi::io::streams,
        "wasi:io/error": wasmtime_wasi_io::bindings::wasi::io::error,
        "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        "wasi:sockets/network": wasmtime_wasi::p2::bindings::sockets::network,
        "wasi:sockets/tcp.tcp-socket": crate::sockets::tcp::TcpSocket,
        "wasi:sockets/udp.udp-socket": crate::sockets::udp::UdpSocket,
        "wasi:sockets/udp.incoming-datagram-stream": crate::sockets::udp::IncomingDatagrams,
        "wasi:sockets/udp.outgoing-datagram-stream": crate::sockets::udp::OutgoingDatagrams,
        "wasi:sockets/ip-name-lookup.resolve-address-stream": crate::sockets::lookup::Addresses,
    }},
}});
"#,
        wit = wit.display().to_string(),
    )
}
