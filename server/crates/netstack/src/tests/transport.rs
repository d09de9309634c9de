//! Sockets between pods: what arrives, what is refused, what is left behind.

use super::*;

#[test]
fn pods_reach_each_other_wherever_they_are() {
    let mut w = World::new(2, 1);
    let (a, b, c) = (w.pod(0, 2), w.pod(0, 3), w.pod(1, 2));
    for server in [a, b, c, w.host(0), w.host(1)] {
        let listener = w.listen(server, 80);
        for client in [a, b, c, w.host(0), w.host(1)] {
            let peer = w.echo(client, server.at(80), server, listener);
            assert_eq!(*peer.ip(), client.ip, "no translation between pods");
        }
        w.stack(server).tcp_close(listener);
    }
    for pod in [a, b, c] {
        assert_eq!(w.stack(pod).socket_count(), 0, "{pod:?}");
    }
}

#[test]
fn loopback_is_inside_the_pod() {
    let mut w = World::new(1, 2);
    let (a, b) = (w.pod(0, 2), w.pod(0, 3));
    let listener = w.listen(a, 80);
    for to in ["127.0.0.1:80", "10.244.0.2:80"] {
        w.echo(a, sa(to), a, listener);
    }
    assert_eq!(w.nodes[0].counters().forwarded, 0, "nothing left the pod");
    let refused = w.connect(b, sa("127.0.0.1:80"));
    assert_eq!(
        refused,
        Err(NetError::ConnectionRefused(sa("127.0.0.1:80")))
    );
}

#[test]
fn failures_are_told_apart() {
    let mut w = World::new(2, 3);
    let (a, _b) = (w.pod(0, 2), w.pod(1, 2));
    let (dead, out) = (sa("10.244.0.77:80"), sa("8.8.8.8:80"));
    for (to, want) in [
        (
            sa("10.244.1.2:80"),
            NetError::ConnectionRefused(sa("10.244.1.2:80")),
        ),
        (
            sa("10.244.1.77:80"),
            NetError::HostUnreachable(sa("10.244.1.77:80")),
        ),
        (dead, NetError::HostUnreachable(dead)),
        (out, NetError::HostUnreachable(out)),
        (
            sa("10.244.0.2:0"),
            NetError::InvalidAddress(sa("10.244.0.2:0")),
        ),
        (sa("0.0.0.0:80"), NetError::InvalidAddress(sa("0.0.0.0:80"))),
    ] {
        assert_eq!(w.connect(a, to), Err(want), "{to}");
    }
    w.loss = 1000;
    let before = w.now;
    let lost = sa("10.244.1.2:80");
    assert_eq!(w.connect(a, lost), Err(NetError::TimedOut(lost)));
    let took = w.now.since(before);
    assert!((126_000..129_000).contains(&took), "{took}");
}

#[test]
fn addresses_are_bound_once() {
    let mut w = World::new(1, 4);
    let a = w.pod(0, 2);
    let any = sa("0.0.0.0:80");
    let own = sa("10.244.0.2:80");
    let s = w.stack(a);
    let (id, _) = s.tcp_listen(own, 1).unwrap();
    assert_eq!(s.tcp_listen(any, 1), Err(NetError::AddressInUse(any)));
    s.tcp_listen(sa("127.0.0.1:80"), 1).unwrap();
    s.tcp_close(id);
    s.tcp_listen(own, 1).unwrap();
    let foreign = sa("10.244.0.3:80");
    assert_eq!(
        s.tcp_listen(foreign, 1),
        Err(NetError::AddressNotAvailable(foreign))
    );
    let (u, _) = s.udp_bind(any).unwrap();
    assert_eq!(s.udp_bind(own), Err(NetError::AddressInUse(own)));
    s.udp_close(u);
    s.udp_bind(own).unwrap();
    let (_, free) = s.udp_bind(sa("0.0.0.0:0")).unwrap();
    assert!(free.port() >= 32_768);
}

#[test]
fn a_full_backlog_makes_callers_wait() {
    let mut w = World::new(1, 5);
    let (a, b) = (w.pod(0, 2), w.pod(0, 3));
    let (listener, _) = w.stack(a).tcp_listen(sa("0.0.0.0:80"), 2).unwrap();
    let calls: Vec<_> = (0..3)
        .map(|_| w.stack(b).tcp_connect(a.at(80), None).unwrap())
        .collect();
    w.settle();
    let state = |w: &mut World, id| w.stack(b).tcp_poll_connected(id, Waker::noop());
    assert_eq!(state(&mut w, calls[1]), Poll::Ready(Ok(())));
    assert_eq!(state(&mut w, calls[2]), Poll::Pending);
    assert_eq!(w.stack(a).drops()[&DropReason::BacklogFull], 1);
    w.accept(a, listener);
    w.wait(10, |w| state(w, calls[2])).unwrap();
}

#[test]
fn ten_megabytes_arrive_whole_over_links_that_lose() {
    for (loss, seed) in [(0, 1), (10, 2), (30, 3)] {
        let mut w = World::new(2, seed);
        let began = w.now;
        let (a, b) = (w.pod(0, 2), w.pod(1, 2));
        let listener = w.listen(b, 80);
        w.loss = loss;
        let c = w.connect(a, b.at(80)).unwrap();
        let (s, _) = w.accept(b, listener);
        let mut rng = seed;
        let data: Vec<u8> = (0..10_000_000 / 8)
            .flat_map(|_| next_random(&mut rng).to_le_bytes())
            .collect();
        let (mut sent, mut got) = (0, Vec::with_capacity(data.len()));
        let mut buf = vec![0; 65_536];
        while got.len() < data.len() {
            if sent < data.len()
                && let Poll::Ready(n) = w.stack(a).tcp_poll_write(c, &data[sent..], Waker::noop())
            {
                sent += n.unwrap();
            }
            match w.stack(b).tcp_poll_read(s, &mut buf, Waker::noop()) {
                Poll::Ready(n) => got.extend_from_slice(&buf[..n.unwrap()]),
                Poll::Pending => {
                    let until = w.now.plus_secs(120);
                    w.settle();
                    if w.stack(b).tcp_poll_readable(s, Waker::noop()).is_pending() {
                        w.advance(until);
                    }
                }
            }
        }
        assert!(got == data, "loss {loss}: the bytes differ");
        // One loss in a hundred is mended without waiting for the retransmission timer, mostly.
        let took = w.now.since(began) / 1000;
        assert!(loss > 10 || took < 30, "loss {loss}: {took} s");
    }
}

#[test]
fn halves_close_one_by_one() {
    let mut w = World::new(2, 6);
    let (a, b) = (w.pod(0, 2), w.pod(1, 2));
    let listener = w.listen(b, 80);
    let c = w.connect(a, b.at(80)).unwrap();
    let (s, _) = w.accept(b, listener);
    w.write_all(a, c, b"question");
    w.stack(a).tcp_shutdown(c, Shutdown::Write).unwrap();
    assert_eq!(w.read(b, s).unwrap(), b"question");
    assert_eq!(w.read(b, s).unwrap(), b"", "end of the question");
    w.write_all(b, s, b"answer");
    assert_eq!(w.read(a, c).unwrap(), b"answer");
    let refused = w.stack(a).tcp_poll_write(c, b"x", Waker::noop());
    assert_eq!(refused, Poll::Ready(Err(NetError::BrokenPipe(b.at(80)))));
    w.stack(b).tcp_close(s);
    assert_eq!(w.read(a, c).unwrap(), b"");
    w.stack(a).tcp_close(c);
    w.settle();
    assert_eq!(
        (w.stack(a).socket_count(), w.stack(b).socket_count()),
        (0, 1)
    );
}

#[test]
fn closing_with_unread_data_is_a_reset() {
    let mut w = World::new(2, 7);
    let (a, b) = (w.pod(0, 2), w.pod(1, 2));
    let listener = w.listen(b, 80);
    let c = w.connect(a, b.at(80)).unwrap();
    let (s, _) = w.accept(b, listener);
    w.write_all(a, c, b"never read");
    w.settle();
    w.stack(b).tcp_close(s);
    assert_eq!(w.read(a, c), Err(NetError::ConnectionReset(b.at(80))));
    w.stack(a).tcp_close(c);
    w.settle();
    assert_eq!(w.stack(a).socket_count(), 0);
}

#[test]
fn what_was_written_before_close_still_arrives() {
    let mut w = World::new(2, 8);
    let (a, b) = (w.pod(0, 2), w.pod(1, 2));
    let listener = w.listen(b, 80);
    w.loss = 200;
    let c = w.connect(a, b.at(80)).unwrap();
    let (s, _) = w.accept(b, listener);
    w.write_all(a, c, &[7; 20_000]);
    w.stack(a).tcp_close(c);
    let mut got = 0;
    loop {
        match w.read(b, s).unwrap().len() {
            0 => break,
            n => got += n,
        }
    }
    assert_eq!(got, 20_000);
}

#[test]
fn a_peer_that_vanished_is_given_up() {
    let mut w = World::new(2, 9);
    let (a, b) = (w.pod(0, 2), w.pod(1, 2));
    let listener = w.listen(b, 80);
    let c = w.connect(a, b.at(80)).unwrap();
    w.accept(b, listener);
    w.loss = 1000;
    w.write_all(a, c, b"anybody?");
    assert_eq!(w.read(a, c), Err(NetError::TimedOut(b.at(80))));
    let c2 = {
        w.loss = 0;
        let c2 = w.connect(a, b.at(80)).unwrap();
        w.accept(b, listener);
        c2
    };
    let hour = w.now.plus_secs(7200);
    while w.advance(hour) {}
    let idle = w.stack(a).tcp_poll_readable(c2, Waker::noop());
    assert!(idle.is_pending(), "an idle connection stays for ever");
}

#[test]
fn a_closed_connection_whose_peer_is_silent_goes_after_a_minute() {
    let mut w = World::new(2, 10);
    let (a, b) = (w.pod(0, 2), w.pod(1, 2));
    let listener = w.listen(b, 80);
    let c = w.connect(a, b.at(80)).unwrap();
    w.accept(b, listener);
    w.stack(a).tcp_close(c);
    w.settle();
    assert_eq!(
        w.stack(a).socket_count(),
        1,
        "the peer has not closed its half"
    );
    let later = w.now.plus_secs(61);
    while w.advance(later) {}
    assert_eq!(w.stack(a).socket_count(), 0);
}

#[test]
fn datagrams_keep_their_borders() {
    let mut w = World::new(2, 11);
    let (a, b) = (w.pod(0, 2), w.pod(1, 2));
    let (server, _) = w.stack(b).udp_bind(sa("0.0.0.0:53")).unwrap();
    let (client, local) = w.stack(a).udp_bind(sa("0.0.0.0:0")).unwrap();
    for size in [0, 1, 512, 1422] {
        w.stack(a)
            .udp_send(client, b.at(53), &vec![9; size])
            .unwrap();
        let got = w
            .wait(1, |w| w.stack(b).udp_poll_recv(server, Waker::noop()))
            .unwrap();
        assert_eq!((got.0, got.1.len()), (a.at(local.port()), size));
    }
    let large = w.stack(a).udp_send(client, b.at(53), &[0; 1423]);
    assert_eq!(
        large,
        Err(NetError::MessageSize {
            size: 1423,
            max: 1422
        })
    );
    w.stack(a).udp_send(client, b.at(54), b"x").unwrap();
    w.settle();
    assert_eq!(w.stack(a).udp_take_refused(client), Some(b.at(54)));
    for _ in 0..1000 {
        w.stack(a).udp_send(client, b.at(53), &[0; 1000]).unwrap();
        w.settle();
    }
    assert!(
        w.stack(b).drops()[&DropReason::BufferFull] > 700,
        "the queue is bounded"
    );
}

#[test]
fn pings_come_back_and_hops_run_out() {
    let mut w = World::new(2, 12);
    let (a, b) = (w.pod(0, 2), w.pod(1, 2));
    for (to, answers) in [
        (b.ip, true),
        (a.ip, true),
        (Ipv4Addr::new(10, 244, 1, 9), false),
    ] {
        w.stack(a).ping(to, 1, 1).unwrap();
        w.settle();
        assert_eq!(
            w.stack(a).ping_answered(1, 1, Waker::noop()),
            answers,
            "{to}"
        );
        w.stack(a).ping_forget(1, 1);
    }
}

#[test]
fn ten_thousand_connections_leave_nothing() {
    let mut w = World::new(1, 13);
    let (a, b) = (w.pod(0, 2), w.pod(0, 3));
    let listener = w.listen(b, 80);
    for i in 0..10_000 {
        let c = w.stack(a).tcp_connect(b.at(80), None).unwrap();
        w.settle();
        let Poll::Ready(Ok((s, _))) = w.stack(b).tcp_poll_accept(listener, Waker::noop()) else {
            panic!("no connection {i}");
        };
        w.stack(a).tcp_close(c);
        w.settle();
        w.stack(b).tcp_close(s);
        w.settle();
    }
    assert_eq!(
        (w.stack(a).socket_count(), w.stack(b).socket_count()),
        (0, 1)
    );
    assert!(w.nodes[0].router().conntrack().len() <= 20_000);
    let later = w.now.plus_secs(130);
    w.advance(later);
    assert_eq!(w.nodes[0].router().conntrack().len(), 0);
    assert_eq!(w.nodes[0].next_timeout(), None, "no timer is left");
}

#[test]
fn a_removed_pod_resets_its_peers() {
    let mut w = World::new(2, 14);
    let (a, b) = (w.pod(0, 2), w.pod(1, 2));
    let listener = w.listen(b, 80);
    let c = w.connect(a, b.at(80)).unwrap();
    w.accept(b, listener);
    let now = w.now;
    w.nodes[1].remove_pod(b.stack, now);
    assert_eq!(w.read(a, c), Err(NetError::ConnectionReset(b.at(80))));
    assert!(w.nodes[1].stack(b.stack).is_none());
    let again = w.pod(1, 2);
    assert_ne!(again.stack, b.stack);
}
