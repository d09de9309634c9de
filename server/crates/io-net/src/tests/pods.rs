//! Pods talking within a node and between nodes.

use std::io::ErrorKind;

use super::*;

#[tokio::test]
async fn pods_of_two_nodes_talk_through_the_tunnel() {
    let w = World::new(2).await;
    let (a, b) = (w.pod(0, 2), w.pod(1, 2));
    w.echo_server(&b, 80).await;
    let stream = within(a.tcp_connect(sa("10.244.1.2:80"), None))
        .await
        .unwrap();
    assert_eq!(stream.peer_addr(), sa("10.244.1.2:80"));
    assert_eq!(stream.local_addr().ip(), a.ip());
    assert_eq!(ask(stream, b"over the overlay").await, b"over the overlay");
    let tunnels = w.nodes[0].tunnels();
    assert_eq!(tunnels[0].peer, w.nodes[1].host().ip());
    assert!(
        tunnels[0].packets >= 8 && tunnels[0].bytes > 300,
        "{tunnels:?}"
    );
    w.end().await;
}

#[tokio::test]
async fn ten_megabytes_cross_the_tunnel_whole() {
    let w = World::new(2).await;
    let (a, b) = (w.pod(0, 2), w.pod(1, 2));
    w.echo_server(&b, 80).await;
    let data: Vec<u8> = (0..10_000_000_u32).map(|i| (i ^ (i >> 9)) as u8).collect();
    let stream = within(a.tcp_connect(sa("10.244.1.2:80"), None))
        .await
        .unwrap();
    assert!(ask(stream, &data).await == data);
    w.end().await;
}

#[tokio::test]
async fn failures_have_the_kinds_programs_expect() {
    let w = World::new(2).await;
    let (a, b) = (w.pod(0, 2), w.pod(1, 2));
    for (to, kind) in [
        ("10.244.1.2:81", ErrorKind::ConnectionRefused),
        ("10.244.1.99:80", ErrorKind::HostUnreachable),
        ("10.244.0.99:80", ErrorKind::HostUnreachable),
        ("192.0.2.1:80", ErrorKind::HostUnreachable),
        ("127.0.0.1:80", ErrorKind::ConnectionRefused),
        ("0.0.0.0:80", ErrorKind::InvalidInput),
        ("[::1]:80", ErrorKind::Unsupported),
    ] {
        let error = within(a.tcp_connect(sa(to), None)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{to}: {error}");
    }
    let taken = a.tcp_listen(sa("0.0.0.0:80"), 1).await.unwrap();
    let error = a.tcp_listen(sa("0.0.0.0:80"), 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    drop(taken);
    a.tcp_listen(sa("0.0.0.0:80"), 1).await.unwrap();
    // Nobody answers for a removed node: the cluster's clock decides when that is too long.
    let mut routes = w.routes(0);
    if let Hop::Vxlan { port, .. } = &mut routes[1].hop {
        *port = 9;
    }
    w.nodes[0].set_routes(&routes);
    w.clock.set_rate(500.0).unwrap();
    let error = within(a.tcp_connect(SocketAddr::from((b.ip(), 80)), None))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    w.end().await;
}

#[tokio::test]
async fn services_lead_to_endpoints_here_there_and_back() {
    let w = World::new(2).await;
    let (a, b) = (w.pod(0, 2), w.pod(1, 2));
    for pod in [&a, &b] {
        w.echo_server(pod, 8080).await;
    }
    let service = SocketAddrV4::new(Ipv4Addr::new(10, 96, 3, 4), 80);
    let client = w.pod(0, 3);
    for (caller, endpoint) in [
        (&client, &a),
        (&client, &b),
        (&a, &a),
        (&w.nodes[0].host(), &b),
    ] {
        w.nodes[0].set_rules(Rules::one(
            service,
            Some(SocketAddrV4::new(endpoint.ip(), 8080)),
        ));
        let stream = within(caller.tcp_connect(service.into(), None))
            .await
            .unwrap();
        assert_eq!(stream.peer_addr(), service.into());
        assert_eq!(ask(stream, b"hello").await, b"hello");
    }
    w.nodes[0].set_rules(Rules::one(service, None));
    let error = within(client.tcp_connect(service.into(), None))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    w.end().await;
}

#[tokio::test]
async fn datagrams_and_pings_cross_too() {
    let w = World::new(2).await;
    let (a, b) = (w.pod(0, 2), w.pod(1, 2));
    let server = b.udp_bind(sa("0.0.0.0:53")).unwrap();
    let client = a.udp_bind(sa("0.0.0.0:0")).unwrap();
    client
        .send_to(b"question", sa("10.244.1.2:53"))
        .await
        .unwrap();
    let mut buf = [0; 100];
    let (len, from) = within(server.recv_from(&mut buf)).await.unwrap();
    assert_eq!((&buf[..len], from.ip()), (&b"question"[..], a.ip().into()));
    server.send_to(b"answer", from).await.unwrap();
    let (len, from) = within(client.recv_from(&mut buf)).await.unwrap();
    assert_eq!((&buf[..len], from), (&b"answer"[..], sa("10.244.1.2:53")));
    within(a.ping(b.ip(), 1, 60_000)).await.unwrap();
    let hosts = [w.nodes[0].host(), w.nodes[1].host()];
    within(a.ping(hosts[1].ip(), 1, 60_000)).await.unwrap();
    within(hosts[0].ping(b.ip(), 1, 60_000)).await.unwrap();
    w.end().await;
}

#[tokio::test]
async fn a_removed_pod_is_gone_for_both_sides() {
    let w = World::new(2).await;
    let (a, b) = (w.pod(0, 2), w.pod(1, 2));
    let listener = b.tcp_listen(sa("0.0.0.0:80"), 4).await.unwrap();
    let mut stream = within(a.tcp_connect(sa("10.244.1.2:80"), None))
        .await
        .unwrap();
    let (mut other, _) = within(listener.accept()).await.unwrap();
    w.nodes[1].remove_pod("1-2");
    let error = within(stream.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(
        within(other.read_u8()).await.unwrap_err().kind(),
        ErrorKind::NotConnected
    );
    assert_eq!(
        within(listener.accept()).await.unwrap_err().kind(),
        ErrorKind::NotConnected
    );
    assert!(w.nodes[1].pod("1-2").is_none());
    w.pod(1, 2);
    w.end().await;
}

#[tokio::test]
async fn a_thousand_connections_leave_nothing() {
    let w = World::new(2).await;
    let (a, b) = (w.pod(0, 2), w.pod(1, 2));
    w.echo_server(&b, 80).await;
    for _ in 0..20 {
        let streams: Vec<_> = (0..50)
            .map(|_| a.tcp_begin_connect(sa("10.244.1.2:80"), None).unwrap())
            .collect();
        for stream in streams {
            within(stream.connected()).await.unwrap();
            assert_eq!(ask(stream, b"x").await, b"x");
        }
    }
    let gone = async {
        while a.socket_count() > 0 || b.socket_count() > 1 {
            tokio::task::yield_now().await;
        }
    };
    within(gone).await;
    w.end().await;
}

#[tokio::test]
async fn strangers_and_garbage_are_ignored() {
    let w = World::new(2).await;
    let (a, b) = (w.pod(0, 2), w.pod(1, 2));
    let udp = b.udp_bind(sa("0.0.0.0:53")).unwrap();
    let to = SocketAddr::from((w.nodes[1].host().ip(), w.nodes[1].underlay_port()));
    let stranger = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut forged = Vec::new();
    vxlan::put_header(&mut forged, 1, [2; 6], w.nodes[1].vtep_mac());
    let packet = netstack::Packet::udp(
        "10.244.0.2:9".parse().unwrap(),
        "10.244.1.2:53".parse().unwrap(),
        b"forged",
    );
    forged.extend_from_slice(&packet.seal());
    for datagram in [&forged[..], b"", b"x", &[8; 40], &[0xff; 2000]] {
        stranger.send_to(datagram, to).await.unwrap();
    }
    let client = a.udp_bind(sa("0.0.0.0:0")).unwrap();
    client.send_to(b"real", sa("10.244.1.2:53")).await.unwrap();
    let mut buf = [0; 100];
    let (len, _) = within(udp.recv_from(&mut buf)).await.unwrap();
    assert_eq!(&buf[..len], b"real");
    w.end().await;
}

#[tokio::test]
async fn host_gw_carries_packets_without_a_wrapping() {
    let w = World::new(2).await;
    let (a, b) = (w.pod(0, 2), w.pod(1, 2));
    w.echo_server(&b, 80).await;
    for n in 0..2 {
        let mut routes = w.routes(n);
        for route in &mut routes {
            if let Hop::Vxlan { remote, port, .. } = route.hop {
                route.hop = Hop::Direct { remote, port };
            }
        }
        w.nodes[n].set_routes(&routes);
    }
    let stream = within(a.tcp_connect(sa("10.244.1.2:80"), None))
        .await
        .unwrap();
    assert_eq!(ask(stream, &[7; 100_000]).await, [7; 100_000]);
    w.end().await;
}
