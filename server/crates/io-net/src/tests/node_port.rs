//! From the host's own sockets into pods.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use super::*;

#[tokio::test]
async fn a_node_port_leads_from_the_host_to_a_pod() {
    let w = World::new(2).await;
    let pod = w.pod(1, 2);
    w.echo_server(&pod, 8080).await;
    let node_ip = w.nodes[0].host().ip();
    let port = node_port();
    let service = SocketAddrV4::new(node_ip, port);
    w.nodes[0].set_rules(Rules::one(service, Some(SocketAddrV4::new(pod.ip(), 8080))));
    let mut ports = ServicePorts::new(w.nodes[0].clone(), w.tasks.clone(), w.cancel.clone());
    assert_eq!(ports.set(&BTreeSet::from([port])).await, []);
    for address in [node_ip, Ipv4Addr::LOCALHOST] {
        let mut client = tokio::net::TcpStream::connect((address, port))
            .await
            .unwrap();
        client.write_all(b"from the host").await.unwrap();
        client.shutdown().await.unwrap();
        let mut got = Vec::new();
        within(client.read_to_end(&mut got)).await.unwrap();
        assert_eq!(
            got, b"from the host",
            "the answer comes after our half is closed"
        );
    }
    ports.set(&BTreeSet::new()).await;
    let closed = async {
        while tokio::net::TcpStream::connect((node_ip, port))
            .await
            .is_ok()
        {
            tokio::task::yield_now().await;
        }
    };
    within(closed).await;
    drop(ports);
    w.end().await;
}

#[tokio::test]
async fn a_port_that_somebody_has_is_reported_and_tried_again() {
    let w = World::new(1).await;
    let node_ip = w.nodes[0].host().ip();
    let taken = tokio::net::TcpListener::bind((node_ip, 0)).await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut ports = ServicePorts::new(w.nodes[0].clone(), w.tasks.clone(), w.cancel.clone());
    let conflicts = ports.set(&BTreeSet::from([port])).await;
    let on_node: Vec<_> = conflicts.iter().filter(|c| c.on_node_ip).collect();
    assert_eq!(on_node.len(), 1, "{conflicts:?}");
    assert_eq!(on_node[0].address, SocketAddr::from((node_ip, port)));
    drop(taken);
    let conflicts = ports.set(&BTreeSet::from([port])).await;
    assert!(conflicts.iter().all(|c| !c.on_node_ip), "{conflicts:?}");
    drop(ports);
    w.end().await;
}

#[tokio::test]
async fn a_pod_reaches_the_apiserver_on_the_host_through_its_service() {
    let w = World::new(1).await;
    let pod = w.pod(0, 2);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let SocketAddr::V4(api) = listener.local_addr().unwrap() else {
        panic!("IPv4 was asked for");
    };
    let service: SocketAddrV4 = "10.96.0.1:443".parse().unwrap();
    w.nodes[0].set_rules(Rules::one(service, Some(api)));
    let error = within(pod.tcp_connect(service.into(), None))
        .await
        .unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::HostUnreachable,
        "only what was allowed"
    );
    w.nodes[0].set_outside([api].into());
    let stream = within(pod.tcp_connect(service.into(), None)).await.unwrap();
    let serve = async {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        client.read_to_end(&mut asked).await.unwrap();
        client.write_all(&asked).await.unwrap();
    };
    let (answer, ()) = tokio::join!(ask(stream, b"GET /api"), within(serve));
    assert_eq!(answer, b"GET /api");
    drop(listener);
    let mut stream = within(pod.tcp_connect(service.into(), None)).await.unwrap();
    let error = within(stream.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    w.end().await;
}

#[tokio::test]
async fn forwarding_joins_a_host_connection_with_a_pod() {
    let w = World::new(1).await;
    let pod = w.pod(0, 2);
    w.echo_server(&pod, 80).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = tokio::net::TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    client.write_all(b"port-forward").await.unwrap();
    client.shutdown().await.unwrap();
    let carried = within(forward(accepted, &w.nodes[0].host(), sa("10.244.0.2:80"))).await;
    assert_eq!(carried.unwrap(), (12, 12));
    let mut got = Vec::new();
    within(client.read_to_end(&mut got)).await.unwrap();
    assert_eq!(got, b"port-forward");
    let nowhere = tokio::net::TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let error = within(forward(nowhere, &w.nodes[0].host(), sa("10.244.0.2:81"))).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    w.end().await;
}
