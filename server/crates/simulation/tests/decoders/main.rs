//! Every decoder of bytes from outside, against bytes that nobody meant: what is in `corpus/`, and what grows out of it.
//!
//! `cargo test` replays the corpus and mutates it with a fixed number of iterations. The same targets run under a
//! coverage-guided engine with `cargo bolero test --package simulation decoders::NAME`. What made a decoder fail is
//! kept as a file of the corpus.

#![allow(clippy::expect_used, reason = "a test that cannot begin has failed")]

mod mutate;
mod requests;

use mutate::fuzz;
use netstack::Packet;
use schema::Schema;
use shared::scenario::Scenario;
use shared::scenario::expression::Expression;
use shared::selector::{Selector, parse_fields};
use shared::{Millis, Revision};

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn protobuf_bodies() {
    let schema = Schema::built_in();
    let made = requests::objects()
        .iter()
        .filter_map(|object| schema.encode_protobuf(object))
        .collect();
    fuzz("protobuf", made, |bytes| {
        if let Ok(object) = schema.decode_protobuf(bytes) {
            assert!(object.is_object(), "{object}");
        }
    });
}

#[test]
fn texts_of_queries_and_fields() {
    fuzz("text", Vec::new(), |bytes| {
        let text = utf8(bytes);
        if let Some(quantity) = shared::quantity::Quantity::parse(&text) {
            assert!(
                schema::canonical_quantity(&text).is_some(),
                "{text} is {quantity:?}"
            );
        }
        let _ = Selector::parse(&text);
        let _ = parse_fields(&text);
        let _ = shared::path::ResourcePath::parse(&text);
        if let Some(time) = Millis::parse_rfc3339(&text) {
            assert!(
                Millis::parse_rfc3339(&time.to_string()).is_some(),
                "{text} is {time}"
            );
        }
    });
}

#[test]
fn duplicates_in_json() {
    fuzz("request", requests::bodies(), |bytes| {
        let _ = schema::duplicate_fields(bytes);
    });
}

#[test]
fn requests_over_http() {
    let server = requests::Server::new();
    fuzz("request", Vec::new(), |bytes| server.answer(bytes));
}

#[test]
fn scenario_links() {
    fuzz("link", requests::links(), |bytes| {
        if let Ok(scenario) = Scenario::decode(&utf8(bytes)) {
            scenario.validate().expect("what a link gives is valid");
        }
    });
}

#[test]
fn check_expressions() {
    fuzz("expression", Vec::new(), |bytes| {
        if let Ok(expression) = Expression::parse(&utf8(bytes)) {
            let _ = expression.holds(&|_| None);
        }
    });
}

#[test]
fn records_and_images_of_the_store() {
    let server = requests::Server::new();
    let mut image = Vec::new();
    store::image::encode(&server.snapshot(), |bytes| {
        image.extend_from_slice(bytes);
        Ok::<(), store::frame::FrameError>(())
    })
    .expect("an image");
    let mut records = Vec::new();
    let compact = store::Record {
        index: 1,
        time: Millis(0),
        body: store::Body::Compact { at: Revision(3) },
    };
    store::encode(&[compact], &mut records).expect("a batch");
    fuzz("image", vec![image, records], |bytes| {
        let _ = store::image::decode(bytes);
        let _ = store::frame::read(bytes, 0);
        let _ = store::decode(bytes, 0);
    });
}

#[test]
fn packets_from_the_wire() {
    let at = |port| std::net::SocketAddrV4::new(std::net::Ipv4Addr::new(10, 244, 0, 2), port);
    let made = vec![Packet::udp(at(1), at(53), b"question").bytes().to_vec()];
    fuzz("packet", made, |bytes| {
        if let Ok(mut packet) = Packet::from_wire(bytes.to_vec()) {
            assert!(packet.header_len() <= packet.len());
            let _ = (packet.payload(), packet.udp_data(), packet.tcp_flags());
            if let Some(flow) = packet.flow() {
                packet.set_flow(&flow);
                assert_eq!(packet.flow(), Some(flow));
            }
            let _ = packet.hop();
            let _ = packet.seal();
        }
    });
}
