//! Names: what a resolver in a pod gets, byte for byte where that matters.

use std::str::FromStr;

use hickory_proto::op::{Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};

use super::*;
use crate::dns::{Data, Found, Kind, Names, answer, candidates};

#[derive(Debug)]
struct Zone;

impl Names for Zone {
    fn lookup(&self, name: &str, kind: Kind) -> Found {
        let data = match name {
            "web.default.svc.cluster.local" => vec![Data::A(Ipv4Addr::new(10, 96, 0, 50))],
            "many.default.svc.cluster.local" => (0..60)
                .map(|i| Data::A(Ipv4Addr::new(10, 244, 0, i)))
                .collect(),
            "out.default.svc.cluster.local" => vec![Data::Cname("example.com".into())],
            "alias.default.svc.cluster.local" => {
                vec![Data::Cname("web.default.svc.cluster.local".into())]
            }
            "loop.default.svc.cluster.local" => {
                vec![Data::Cname("loop.default.svc.cluster.local".into())]
            }
            "_http._tcp.web.default.svc.cluster.local" => vec![Data::Srv {
                priority: 0,
                weight: 100,
                port: 80,
                target: "web.default.svc.cluster.local".into(),
            }],
            name if name.ends_with("cluster.local") => return Found::NoName,
            _ => return Found::Foreign,
        };
        let fits = |d: &Data| {
            matches!(
                (d, kind),
                (Data::A(_), Kind::A) | (Data::Cname(_), _) | (Data::Srv { .. }, Kind::Srv)
            )
        };
        let data: Vec<_> = data.into_iter().filter(fits).collect();
        if data.is_empty() {
            Found::Nothing
        } else {
            Found::Data(data)
        }
    }
}

fn query(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.id = 0x1234;
    message.add_query(Query::query(Name::from_str(name).unwrap(), kind));
    message.to_vec().unwrap()
}

fn check(name: &str, kind: RecordType, want: &str) {
    let reply = answer(&Zone, &query(name, kind), false).unwrap();
    let reply = Message::from_vec(&reply).unwrap();
    assert_eq!(reply.metadata.id, 0x1234);
    let answers: Vec<_> = reply.answers.iter().map(|r| r.data.to_string()).collect();
    let soa = if reply.authorities.is_empty() {
        ""
    } else {
        " +SOA"
    };
    let got = format!(
        "{:?} {}{soa}",
        reply.metadata.response_code,
        answers.join(",")
    );
    assert_eq!(got, want, "{name} {kind}");
}

#[test]
fn questions_are_answered_as_coredns_does() {
    use RecordType as T;
    for (name, kind, want) in [
        ("web.default.svc.cluster.local.", T::A, "NoError 10.96.0.50"),
        ("WEB.Default.svc.cluster.local.", T::A, "NoError 10.96.0.50"),
        ("web.default.svc.cluster.local.", T::AAAA, "NoError  +SOA"),
        ("none.default.svc.cluster.local.", T::A, "NXDomain  +SOA"),
        ("example.com.", T::A, "Refused "),
        (
            "out.default.svc.cluster.local.",
            T::A,
            "NoError example.com.",
        ),
        (
            "alias.default.svc.cluster.local.",
            T::A,
            "NoError web.default.svc.cluster.local.,10.96.0.50",
        ),
        (
            "_http._tcp.web.default.svc.cluster.local.",
            T::SRV,
            "NoError 0 100 80 web.default.svc.cluster.local.",
        ),
    ] {
        check(name, kind, want);
    }
}

#[test]
fn large_answers_are_cut_over_udp_only() {
    let asked = query("many.default.svc.cluster.local.", RecordType::A);
    let udp = answer(&Zone, &asked, false).unwrap();
    assert!(udp.len() <= 512);
    assert!(Message::from_vec(&udp).unwrap().metadata.truncation);
    let tcp = Message::from_vec(&answer(&Zone, &asked, true).unwrap()).unwrap();
    assert_eq!((tcp.answers.len(), tcp.metadata.truncation), (60, false));
}

#[test]
fn what_is_no_question_is_refused_or_ignored() {
    let good = query("web.default.svc.cluster.local.", RecordType::A);
    for len in 0..good.len() {
        let reply = answer(&Zone, &good[..len], false);
        let code = reply.map(|r| Message::from_vec(&r).unwrap().metadata.response_code);
        let want = (len >= 12).then_some(ResponseCode::FormErr);
        assert_eq!(code, want, "{len} bytes");
    }
    let response = Message::response(1, OpCode::Query).to_vec().unwrap();
    assert_eq!(
        answer(&Zone, &response, false),
        None,
        "two servers must not talk for ever"
    );
    let looped = answer(
        &Zone,
        &query("loop.default.svc.cluster.local.", RecordType::A),
        false,
    );
    assert!(looped.is_some());
    let mut rng = 7_u64;
    for _ in 0..10_000 {
        let mut bytes = good.clone();
        for _ in 0..4 {
            rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (rng >> 33) as usize % bytes.len();
            bytes[at] = (rng >> 20) as u8;
        }
        let _ = answer(&Zone, &bytes, rng & 1 == 0);
    }
}

#[test]
fn short_names_are_completed() {
    let search = [
        "default.svc.cluster.local".to_owned(),
        "svc.cluster.local".to_owned(),
    ];
    for (name, want) in [
        (
            "web",
            &[
                "web.default.svc.cluster.local",
                "web.svc.cluster.local",
                "web",
            ][..],
        ),
        (
            "Web.Prod",
            &[
                "web.prod.default.svc.cluster.local",
                "web.prod.svc.cluster.local",
                "web.prod",
            ],
        ),
        (
            "a.b.c.d.e.f",
            &[
                "a.b.c.d.e.f",
                "a.b.c.d.e.f.default.svc.cluster.local",
                "a.b.c.d.e.f.svc.cluster.local",
            ],
        ),
        ("web.", &["web"]),
    ] {
        assert_eq!(candidates(name, &search), want, "{name}");
    }
}

#[tokio::test]
async fn a_pod_asks_the_cluster_dns_over_udp_and_tcp() {
    let w = World::new(1).await;
    w.nodes[0].set_zone(Arc::new(Zone));
    let pod = w.pod(0, 2);
    let asked = query("web.default.svc.cluster.local.", RecordType::A);
    let socket = pod.udp_bind(sa("0.0.0.0:0")).unwrap();
    socket.send_to(&asked, sa("10.96.0.10:53")).await.unwrap();
    let mut buf = [0; 512];
    let (len, from) = within(socket.recv_from(&mut buf)).await.unwrap();
    assert_eq!(from, sa("10.96.0.10:53"));
    let udp = buf[..len].to_vec();
    assert_eq!(Message::from_vec(&udp).unwrap().answers.len(), 1);
    let mut framed = (asked.len() as u16).to_be_bytes().to_vec();
    framed.extend_from_slice(&asked);
    let stream = within(pod.tcp_connect(sa("10.96.0.10:53"), None))
        .await
        .unwrap();
    let tcp = ask(stream, &framed).await;
    assert_eq!(tcp[2..], udp);
    for (name, want) in [
        ("web", Some("10.96.0.50")),
        ("alias.default", Some("10.96.0.50")),
        ("localhost", Some("127.0.0.1")),
        ("10.1.2.3", Some("10.1.2.3")),
        ("none", None),
        ("out", None),
        ("loop", None),
    ] {
        let got = pod.resolve(name).await.ok().map(|a| a[0].to_string());
        assert_eq!(got.as_deref(), want, "{name}");
    }
    w.end().await;
}
