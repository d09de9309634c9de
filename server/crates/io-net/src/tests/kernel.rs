//! Linux as the peer: a kernel vxlan device in a network namespace of its own, TCP and ICMP in both directions.
//! Needs root and iproute2; without them the test says so and does nothing.

use std::process::Command;

use super::*;

fn run(command: &str) -> Result<String, String> {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    let output = Command::new(program)
        .args(words)
        .output()
        .map_err(|e| e.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{command}: {}", text(&output.stderr)))
    }
}

/// A namespace that is deleted at the end, with the devices in it.
struct Namespace(String);

impl Namespace {
    fn new() -> Result<Self, String> {
        let name = format!("glasshouse-{}", std::process::id());
        run(&format!("ip netns add {name}"))?;
        Ok(Self(name))
    }

    fn run(&self, command: &str) -> Result<String, String> {
        run(&format!("ip netns exec {} {command}", self.0))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = run(&format!("ip netns del {}", self.0));
    }
}

const HERE: &str = "198.18.77.1";
const THERE: &str = "198.18.77.2";

/// As flannel sets a node up: a vxlan device, the peer's Ethernet address in its forwarding and neighbour tables.
fn linux_node(ns: &Namespace, mac: Mac, port: u16) -> Result<(), String> {
    let mac = mac.map(|b| format!("{b:02x}")).join(":");
    let veth = format!("gh{}", std::process::id());
    run(&format!(
        "ip link add {veth} type veth peer name eth0 netns {}",
        ns.0
    ))?;
    run(&format!("ip addr add {HERE}/30 dev {veth}"))?;
    run(&format!("ip link set {veth} up"))?;
    for line in [
        format!("ip addr add {THERE}/30 dev eth0"),
        "ip link set eth0 up".to_owned(),
        format!(
            "ip link add flannel.1 type vxlan id 1 local {THERE} dev eth0 dstport {port} nolearning"
        ),
        "ip link set flannel.1 address 02:42:00:00:00:77 mtu 1450 up".to_owned(),
        "ip addr add 10.244.9.0/32 dev flannel.1".to_owned(),
        format!("bridge fdb append {mac} dev flannel.1 dst {HERE}"),
        format!("ip neigh add 10.244.0.0 lladdr {mac} dev flannel.1"),
        "ip route add 10.244.0.0/24 via 10.244.0.0 dev flannel.1 onlink".to_owned(),
    ] {
        ns.run(&line)?;
    }
    Ok(())
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
async fn a_linux_vxlan_device_reaches_a_pod() {
    let ns = match Namespace::new() {
        Ok(ns) => ns,
        Err(why) => {
            eprintln!("skipped: a network namespace needs root and iproute2: {why}");
            return;
        }
    };
    let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
    let config = NodeConfig {
        underlay_port: 8472,
        ..NodeConfig::new("here", HERE.parse().unwrap())
    };
    let mac = overlay::mac_of("here");
    if let Err(why) = linux_node(&ns, mac, 8472) {
        eprintln!("skipped: the kernel has no vxlan or veth: {why}");
        return;
    }
    let clock = Clock::start(Millis(0));
    let node = NodeNetwork::start(config, clock, &tasks, cancel.clone())
        .await
        .unwrap();
    node.set_pod_cidr("10.244.0.0/24".parse().unwrap());
    let remote = THERE.parse().unwrap();
    let mac = [0x02, 0x42, 0, 0, 0, 0x77];
    node.set_routes(&[
        OverlayRoute {
            prefix: "10.244.0.0/24".parse().unwrap(),
            hop: Hop::Local,
        },
        OverlayRoute {
            prefix: "10.244.9.0/24".parse().unwrap(),
            hop: Hop::Vxlan {
                vni: 1,
                remote,
                port: 8472,
                mac,
            },
        },
    ]);
    let pod = node
        .add_pod("p", Ipv4Addr::new(10, 244, 0, 2), Vec::new())
        .unwrap();
    // The kernel's TCP calls the pod: its segments are large and ours to check, and the other way round.
    let listener = pod.tcp_listen(sa("0.0.0.0:80"), 4).await.unwrap();
    let script = "exec 3<>/dev/tcp/10.244.0.2/80; head -c 3000000 /dev/zero >&3 & head -c 3000000 <&3 | wc -c";
    let kernel = tokio::process::Command::new("ip")
        .args(["netns", "exec", &ns.0, "bash", "-c", script])
        .kill_on_drop(true)
        .output();
    let echo = async {
        let (stream, from) = listener.accept().await.unwrap();
        assert_eq!(from.ip(), Ipv4Addr::new(10, 244, 9, 0));
        let (mut from, mut to) = tokio::io::split(stream);
        tokio::io::copy(&mut from, &mut to).await.unwrap();
    };
    let (output, ()) = within(async { tokio::join!(kernel, echo) }).await;
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        text.trim(),
        "3000000",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // The kernel answers echo requests of ours: its checksum, its Ethernet and VXLAN checks.
    within(pod.ping(Ipv4Addr::new(10, 244, 9, 0), 1, 20_000))
        .await
        .unwrap();
    let refused = within(pod.tcp_connect(sa("10.244.9.0:81"), None))
        .await
        .unwrap_err();
    assert_eq!(
        refused.kind(),
        std::io::ErrorKind::ConnectionRefused,
        "the kernel's reset"
    );
    cancel.cancel();
    tasks.close();
    within(tasks.wait()).await;
}
