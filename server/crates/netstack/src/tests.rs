//! Several nodes over links that lose packets by a seed, on virtual time.

mod faults;
mod services;
mod transport;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::task::{Poll, Waker};

use shared::Millis;

use crate::segment::seal_segments;
use crate::*;

pub(crate) fn sa(text: &str) -> SocketAddrV4 {
    text.parse().unwrap()
}

/// A pod somewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pod {
    pub(crate) node: usize,
    pub(crate) stack: StackId,
    pub(crate) ip: Ipv4Addr,
}

impl Pod {
    pub(crate) fn at(&self, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(self.ip, port)
    }
}

pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) now: Millis,
    /// Packets lost of 1000 on a link.
    pub(crate) loss: u64,
    rng: u64,
}

pub(crate) fn next_random(state: &mut u64) -> u64 {
    // SplitMix64.
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl World {
    /// `count` nodes; node n has the pods 10.244.n.0/24, its own address there is .1, its node address 172.18.0.n+2.
    pub(crate) fn new(count: u8, seed: u64) -> Self {
        let now = Millis(1_000_000_000);
        let nodes = (0..count).map(|n| {
            let seed = seed ^ u64::from(n) << 32;
            let mut node = Node::new(
                NodeConfig {
                    seed,
                    ..NodeConfig::default()
                },
                now,
            );
            let bridge = Ipv4Addr::new(10, 244, n, 1);
            node.set_host_addresses(&[bridge, Ipv4Addr::new(172, 18, 0, n + 2)], &[]);
            let routes = (0..count).map(|to| Route {
                prefix: Prefix::new(Ipv4Addr::new(10, 244, to, 0), 24),
                next: if to == n {
                    Next::Local
                } else {
                    Next::Link(LinkId(to.into()))
                },
            });
            node.set_routes(routes);
            node
        });
        Self {
            nodes: nodes.collect(),
            now,
            loss: 0,
            rng: seed,
        }
    }

    pub(crate) fn pod(&mut self, node: usize, last: u8) -> Pod {
        let ip = Ipv4Addr::new(10, 244, node as u8, last);
        let stack = self.nodes[node].add_pod(ip, self.now).unwrap();
        Pod { node, stack, ip }
    }

    pub(crate) fn host(&self, node: usize) -> Pod {
        let ip = Ipv4Addr::new(10, 244, node as u8, 1);
        Pod {
            node,
            stack: node::HOST,
            ip,
        }
    }

    pub(crate) fn stack(&mut self, pod: Pod) -> &mut Stack {
        self.nodes[pod.node].stack(pod.stack).unwrap()
    }

    /// Carries packets until nothing moves at this instant.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut moved = false;
            for n in 0..self.nodes.len() {
                while self.nodes[n].poll(self.now) {}
                while let Some(out) = self.nodes[n].pop_outbound() {
                    moved = true;
                    for packet in seal_segments(out.packet) {
                        if next_random(&mut self.rng) % 1000 >= self.loss {
                            let _ =
                                self.nodes[out.link.0 as usize].inject(LinkId(n as u32), packet);
                        }
                    }
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// Lets the next timer fire; false when there is none before `until`.
    pub(crate) fn advance(&mut self, until: Millis) -> bool {
        self.settle();
        let next = self.nodes.iter().filter_map(Node::next_timeout).min();
        match next.filter(|at| *at <= until) {
            Some(at) => {
                self.now = self.now.plus_ms(1).max(at);
                self.settle();
                true
            }
            None => {
                self.now = self.now.max(until);
                self.settle();
                false
            }
        }
    }

    /// Asks until the answer comes, at most `seconds` of virtual time.
    pub(crate) fn wait<T>(&mut self, seconds: u64, mut ask: impl FnMut(&mut Self) -> Poll<T>) -> T {
        let until = self.now.plus_secs(seconds);
        loop {
            self.settle();
            if let Poll::Ready(answer) = ask(self) {
                self.settle();
                return answer;
            }
            let more = self.advance(until);
            assert!(more || self.now <= until, "nothing came in {seconds} s");
            if !more {
                if let Poll::Ready(answer) = ask(self) {
                    return answer;
                }
                panic!("nothing came in {seconds} s");
            }
        }
    }

    pub(crate) fn listen(&mut self, pod: Pod, port: u16) -> SocketId {
        let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
        self.stack(pod).tcp_listen(any, 16).unwrap().0
    }

    pub(crate) fn connect(&mut self, pod: Pod, to: SocketAddrV4) -> Result<SocketId, NetError> {
        let id = self.stack(pod).tcp_connect(to, None)?;
        self.wait(200, |w| w.stack(pod).tcp_poll_connected(id, Waker::noop()))?;
        Ok(id)
    }

    pub(crate) fn accept(&mut self, pod: Pod, listener: SocketId) -> (SocketId, SocketAddrV4) {
        self.wait(200, |w| {
            w.stack(pod).tcp_poll_accept(listener, Waker::noop())
        })
        .unwrap()
    }

    pub(crate) fn write_all(&mut self, pod: Pod, id: SocketId, mut data: &[u8]) {
        while !data.is_empty() {
            let chunk = data;
            let n = self
                .wait(2000, |w| {
                    w.stack(pod).tcp_poll_write(id, chunk, Waker::noop())
                })
                .unwrap();
            data = &data[n..];
        }
    }

    pub(crate) fn read(&mut self, pod: Pod, id: SocketId) -> Result<Vec<u8>, NetError> {
        let mut buf = vec![0; 65_536];
        let n = self.wait(2000, |w| {
            w.stack(pod).tcp_poll_read(id, &mut buf, Waker::noop())
        })?;
        buf.truncate(n);
        Ok(buf)
    }

    /// Connects, says something, has it said back, closes; what the server saw as its peer.
    pub(crate) fn echo(
        &mut self,
        client: Pod,
        to: SocketAddrV4,
        server: Pod,
        listener: SocketId,
    ) -> SocketAddrV4 {
        let c = self.connect(client, to).unwrap();
        let (s, peer) = self.accept(server, listener);
        self.write_all(client, c, b"ping");
        assert_eq!(self.read(server, s).unwrap(), b"ping");
        self.write_all(server, s, b"pong");
        assert_eq!(self.read(client, c).unwrap(), b"pong");
        assert_eq!(self.stack(client).tcp_addresses(c).unwrap().1, to);
        self.stack(client).tcp_close(c);
        self.settle();
        assert_eq!(self.read(server, s).unwrap(), b"");
        self.stack(server).tcp_close(s);
        self.settle();
        peer
    }
}
