//! What one request costs in CPU, over an in-memory store: one line of JSON per scenario.
//!
//! Everything that a request does is on: decoding of the HTTP body, field checks, defaults, managed fields, admission,
//! validation, the commit and the rendered answer. There is no network and no disk in it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench reads the host's clock, prints, and stops when something fails"
)]

use std::time::Instant;

use apiserver::{ApiServer, Config, Context, HttpRequest, Outcome, Parsed, User};
use client::Request;
use shared::Millis;
use store::Store;

const PODS: &str = "/api/v1/namespaces/default/pods";
const COUNT: usize = 10_000;

struct Bench {
    server: ApiServer,
    store: Store,
    user: User,
    seed: u64,
}

impl Bench {
    fn run(&mut self, request: &Request) -> (apiserver::Answer, u16) {
        self.seed += 1;
        let snapshot = self.store.snapshot();
        let mut observer = ();
        let mut ctx = Context::new(
            &self.user,
            Millis(1_800_000_000_000),
            self.seed,
            &snapshot,
            &mut observer,
        );
        match self.server.handle(request, &mut ctx).unwrap() {
            Outcome::Answer(answer, code) => (answer, code),
            Outcome::Commit(mut proposal) => {
                let txn = std::mem::take(&mut proposal.txn);
                let committed = self.store.commit(txn).unwrap();
                proposal.answer(&committed)
            }
            other => panic!("{other:?}"),
        }
    }

    fn http(
        &mut self,
        method: &str,
        path: &str,
        query: &str,
        content_type: &str,
        body: &[u8],
    ) -> usize {
        let http = HttpRequest {
            method,
            path,
            query,
            content_type,
            user_agent: "bench/1",
            body,
            ..HttpRequest::default()
        };
        let parsed = self.server.parse(&http).unwrap();
        let representation = self.server.negotiate(&http, &parsed).unwrap();
        let Parsed::Resource(request) = parsed else {
            panic!("{path}")
        };
        let (answer, code) = self.run(&request);
        let response = self.server.render(
            representation,
            &answer,
            code,
            Millis(1_800_000_000_000),
            &[],
        );
        assert!(
            response.code < 300,
            "{method} {path}: {}",
            String::from_utf8_lossy(&response.body)
        );
        response.body.len()
    }

    fn time(&mut self, scenario: &str, times: usize, mut step: impl FnMut(&mut Self, usize)) {
        let start = Instant::now();
        for i in 0..times {
            step(self, i);
        }
        let each_us = start.elapsed().as_secs_f64() * 1e6 / times as f64;
        println!("{{\"scenario\":\"{scenario}\",\"value\":{each_us:.1},\"unit\":\"us\"}}");
    }
}

fn main() {
    let mut bench = Bench {
        server: ApiServer::new(Config::default()),
        store: Store::new(),
        user: User::new("admin", &["system:masters"]),
        seed: 0,
    };
    for request in bench.server.bootstrap() {
        bench.run(&request);
    }
    bench.time("create pod", COUNT, |b, i| {
        let body = format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"pod-{i}","labels":{{"app":"web"}}}},"spec":{{"containers":[{{"name":"web","image":"nginx:1","ports":[{{"containerPort":80}}],"resources":{{"requests":{{"cpu":"100m","memory":"64Mi"}}}}}}]}}}}"#
        );
        b.http("POST", PODS, "", "application/json", body.as_bytes());
    });
    bench.time("get pod", COUNT, |b, i| {
        b.http("GET", &format!("{PODS}/pod-{i}"), "", "", b"");
    });
    bench.time("patch pod status", COUNT, |b, i| {
        let body = br#"{"status":{"phase":"Running","podIP":"10.244.1.2"}}"#;
        b.http(
            "PATCH",
            &format!("{PODS}/pod-{i}/status"),
            "",
            "application/strategic-merge-patch+json",
            body,
        );
    });
    bench.time("apply pod label", 1000, |b, i| {
        let body = format!(r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"pod-{i}","labels":{{"x":"y"}}}}}}"#);
        b.http("PATCH", &format!("{PODS}/pod-{i}"), "fieldManager=m", "application/apply-patch+yaml", body.as_bytes());
    });
    bench.time("list 10,000 pods", 5, |b, _| {
        b.http("GET", PODS, "", "", b"");
    });
    bench.time("list 10,000 pods of a node", 5, |b, _| {
        b.http("GET", PODS, "fieldSelector=spec.nodeName%3Dnone", "", b"");
    });
    bench.time("delete pod", COUNT, |b, i| {
        b.http("DELETE", &format!("{PODS}/pod-{i}"), "", "", b"");
    });
}
