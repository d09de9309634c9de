//! Translation for Services, and the answers that refuse.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::flow::Protocol;

/// One endpoint for each Service address, or none.
#[derive(Debug, Default)]
struct Rules(BTreeMap<SocketAddrV4, Option<SocketAddrV4>>);

impl Services for Rules {
    fn verdict(&self, flow: &FiveTuple, _: Origin) -> Verdict {
        match self.0.get(&flow.destination) {
            None => Verdict::Pass,
            Some(None) => Verdict::Reject,
            Some(Some(to)) => Verdict::Translate {
                to: *to,
                masquerade: false,
            },
        }
    }

    fn keeps(&self, flow: &FiveTuple, to: SocketAddrV4) -> bool {
        self.0.get(&flow.destination) == Some(&Some(to))
    }
}

fn rules(list: &[(&str, Option<SocketAddrV4>)]) -> Arc<Rules> {
    Arc::new(Rules(list.iter().map(|(vip, to)| (sa(vip), *to)).collect()))
}

const VIP: &str = "10.96.0.50:80";

#[test]
fn a_service_leads_to_its_endpoint_from_everywhere() {
    let mut w = World::new(2, 1);
    let (near, far, client) = (w.pod(0, 2), w.pod(1, 2), w.pod(0, 3));
    for server in [near, far] {
        w.nodes[0].set_services(rules(&[(VIP, Some(server.at(8080)))]));
        let listener = w.listen(server, 8080);
        for from in [client, w.host(0)] {
            let peer = w.echo(from, sa(VIP), server, listener);
            assert_eq!(*peer.ip(), from.ip, "the caller's address stays");
        }
        if server.node == 0 {
            let peer = w.echo(server, sa(VIP), server, listener);
            assert_eq!(
                *peer.ip(),
                w.host(0).ip,
                "a pod calling itself is masqueraded"
            );
        }
    }
    assert!(w.nodes[0].counters().translated > 0);
}

#[test]
fn a_service_without_endpoints_refuses() {
    let mut w = World::new(1, 2);
    let client = w.pod(0, 3);
    w.nodes[0].set_services(rules(&[(VIP, None)]));
    assert_eq!(
        w.connect(client, sa(VIP)),
        Err(NetError::ConnectionRefused(sa(VIP)))
    );
    let (udp, _) = w.stack(client).udp_bind(sa("0.0.0.0:0")).unwrap();
    w.stack(client).udp_send(udp, sa(VIP), b"x").unwrap();
    w.settle();
    assert_eq!(w.stack(client).udp_take_refused(udp), Some(sa(VIP)));
    assert_eq!(w.nodes[0].counters().dropped_for(DropReason::Rejected), 2);
}

#[test]
fn connections_stay_and_datagrams_follow_when_rules_change() {
    let mut w = World::new(1, 3);
    let (one, two, client) = (w.pod(0, 2), w.pod(0, 3), w.pod(0, 4));
    w.nodes[0].set_services(rules(&[(VIP, Some(one.at(80)))]));
    let listener = w.listen(one, 80);
    let c = w.connect(client, sa(VIP)).unwrap();
    let (s, _) = w.accept(one, listener);
    let servers = [one, two].map(|p| (p, w.stack(p).udp_bind(sa("0.0.0.0:80")).unwrap().0));
    let (udp, _) = w.stack(client).udp_bind(sa("0.0.0.0:0")).unwrap();
    let ask = |w: &mut World| {
        w.stack(client).udp_send(udp, sa(VIP), b"?").unwrap();
        w.settle();
        servers.map(|(p, id)| w.stack(p).udp_poll_recv(id, Waker::noop()).is_ready())
    };
    assert_eq!(ask(&mut w), [true, false]);
    w.nodes[0].set_services(rules(&[(VIP, Some(one.at(80))), ("10.96.0.51:80", None)]));
    assert_eq!(ask(&mut w), [true, false], "an endpoint that stays is kept");
    w.nodes[0].set_services(rules(&[(VIP, Some(two.at(80)))]));
    assert_eq!(ask(&mut w), [false, true], "one that went is not");
    w.write_all(client, c, b"still here");
    assert_eq!(w.read(one, s).unwrap(), b"still here");
}

#[test]
fn refusals_of_translated_datagrams_name_the_service() {
    let mut w = World::new(2, 4);
    let (client, server) = (w.pod(0, 2), w.pod(1, 2));
    w.nodes[0].set_services(rules(&[(VIP, Some(server.at(53)))]));
    let (udp, _) = w.stack(client).udp_bind(sa("0.0.0.0:0")).unwrap();
    w.stack(client).udp_send(udp, sa(VIP), b"x").unwrap();
    w.settle();
    assert_eq!(w.stack(client).udp_take_refused(udp), Some(sa(VIP)));
}

#[test]
fn a_claimed_address_is_the_nodes_own() {
    let mut w = World::new(1, 5);
    let client = w.pod(0, 2);
    let dns = Ipv4Addr::new(10, 96, 0, 10);
    let bridge = w.host(0).ip;
    w.nodes[0].set_host_addresses(&[bridge], &[dns]);
    w.nodes[0].set_services(rules(&[("10.96.0.10:53", None)]));
    let at = SocketAddrV4::new(dns, 53);
    let host = w.host(0);
    let (server, _) = w.stack(host).udp_bind(at).unwrap();
    let (udp, _) = w.stack(client).udp_bind(sa("0.0.0.0:0")).unwrap();
    w.stack(client).udp_send(udp, at, b"who?").unwrap();
    let (from, _) = w
        .wait(1, |w| w.stack(host).udp_poll_recv(server, Waker::noop()))
        .unwrap();
    w.stack(host).udp_send(server, from, b"me").unwrap();
    let (from, data) = w
        .wait(1, |w| w.stack(client).udp_poll_recv(udp, Waker::noop()))
        .unwrap();
    assert_eq!((from, &data[..]), (at, &b"me"[..]));
}

#[test]
fn a_pod_cannot_speak_for_another() {
    let mut w = World::new(2, 6);
    let (a, b, far) = (w.pod(0, 2), w.pod(0, 3), w.pod(1, 2));
    let (server, _) = w.stack(far).udp_bind(sa("0.0.0.0:53")).unwrap();
    let forged = |source: Pod| Packet::udp(source.at(9), far.at(53), b"x");
    let now = w.now;
    let mut router = Router::new(node::HOST, 1);
    router.set_routes([Route {
        prefix: "0.0.0.0/0".parse().unwrap(),
        next: Next::Unreachable,
    }]);
    router.add_pod(a.ip, a.stack);
    router.add_pod(b.ip, b.stack);
    let from = router::From::Stack(a.stack);
    assert!(matches!(
        router.route(from, forged(b), now),
        router::Routed::Dropped
    ));
    assert!(matches!(
        router.route(router::From::Link, forged(b), now),
        router::Routed::Dropped
    ));
    assert_eq!(router.counters.dropped_for(DropReason::SpoofedSource), 2);
    let _ = w.nodes[1].inject(LinkId(0), forged(far).seal());
    w.settle();
    assert!(
        w.stack(far)
            .udp_poll_recv(server, Waker::noop())
            .is_pending()
    );
    let flow = forged(a).flow().unwrap();
    assert_eq!(flow.protocol, Protocol::Udp);
}

#[test]
fn an_address_outside_is_taken_over_by_the_host() {
    let mut w = World::new(2, 7);
    let client = w.pod(0, 2);
    let api = sa("127.0.0.1:6443");
    w.nodes[0].set_services(rules(&[(VIP, Some(api))]));
    let refused = w.connect(client, sa(VIP));
    assert_eq!(
        refused,
        Err(NetError::HostUnreachable(sa(VIP))),
        "not unless allowed"
    );
    w.nodes[0].set_outside([api].into());
    assert_eq!(
        w.connect(client, sa(VIP)),
        Err(NetError::ConnectionRefused(sa(VIP)))
    );
    let host = w.host(0);
    let listener = w.stack(host).tcp_listen_outside(4).unwrap();
    for from in [client, host] {
        w.echo(from, sa(VIP), host, listener);
    }
    let c = w.connect(client, sa(VIP)).unwrap();
    let (s, _) = w.accept(host, listener);
    assert_eq!(
        w.stack(host).tcp_addresses(s).unwrap().0,
        api,
        "the address that was called"
    );
    w.stack(host).tcp_abort(s);
    assert_eq!(w.read(client, c), Err(NetError::ConnectionReset(sa(VIP))));
    let inside = w.connect(client, w.host(0).at(6443));
    assert_eq!(
        inside,
        Err(NetError::ConnectionRefused(host.at(6443))),
        "the node itself does not listen"
    );
}
