//! `pods/log`: forwarded to the node that runs the pod.

use apiserver::Connect;
use axum::body::{Body, Bytes};
use axum::http::Response;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use futures_util::stream::unfold;
use io_driver::backstage::LogQuery;
use shared::{Millis, Status};

use super::ApiState;

/// Opens the log and streams it.
pub(super) async fn respond(state: &ApiState, connect: Connect) -> Result<Response<Body>, Status> {
    let query = query(connect, state.api.clock().now())?;
    let pieces = state.nodes.logs(query).await?;
    let stream = unfold(pieces, |mut pieces| async move {
        let piece: Bytes = pieces.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(piece), pieces))
    });
    let mut response = Response::new(Body::from_stream(stream));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}

/// Reads `PodLogOptions`.
fn query(connect: Connect, now: Millis) -> Result<LogQuery, Status> {
    let get = |name: &str| {
        connect
            .parameters
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    };
    let flag = |name: &str| get(name).is_some_and(|v| !matches!(v, "0" | "false"));
    let number = |name: &str| {
        get(name)
            .filter(|v| !v.is_empty())
            .map(str::parse::<u64>)
            .transpose()
            .map_err(|_| {
                let value = get(name).unwrap_or_default();
                Status::bad_request(format!(
                    "{name}: Invalid value: \"{value}\": must be a non-negative integer"
                ))
            })
    };
    let since = match (number("sinceSeconds")?, get("sinceTime")) {
        (Some(_), Some(_)) => {
            return Err(Status::bad_request(
                "at most one of sinceTime or sinceSeconds may be specified",
            ));
        }
        (Some(seconds), None) => Some(Millis(now.0.saturating_sub(seconds.saturating_mul(1000)))),
        (None, Some(time)) => {
            let bad = || {
                Status::bad_request(format!(
                    "sinceTime: Invalid value: \"{time}\": must be an RFC 3339 time"
                ))
            };
            Some(Millis::parse_rfc3339(time).ok_or_else(bad)?)
        }
        (None, None) => None,
    };
    Ok(LogQuery {
        previous: flag("previous"),
        follow: flag("follow"),
        timestamps: flag("timestamps"),
        tail_lines: number("tailLines")?,
        limit_bytes: number("limitBytes")?,
        since,
        node: connect.node,
        namespace: connect.namespace,
        pod: connect.pod,
        uid: connect.uid,
        container: connect.container,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parameters: &[(&str, &str)]) -> Result<LogQuery, u16> {
        let connect = Connect {
            subresource: "log".into(),
            node: "n".into(),
            namespace: "a".into(),
            pod: "p".into(),
            uid: "u".into(),
            container: "c".into(),
            parameters: parameters
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect(),
            ..Connect::default()
        };
        query(connect, Millis(60_000)).map_err(|s| s.code)
    }

    #[test]
    fn log_options_are_read() {
        let got = read(&[
            ("follow", "true"),
            ("tailLines", "5"),
            ("sinceSeconds", "10"),
        ])
        .unwrap();
        assert_eq!(
            (got.follow, got.tail_lines, got.since),
            (true, Some(5), Some(Millis(50_000)))
        );
        for bad in [
            &[("tailLines", "-1")][..],
            &[("sinceTime", "x")],
            &[("sinceTime", "x"), ("sinceSeconds", "1")],
        ] {
            assert_eq!(read(bad), Err(400), "{bad:?}");
        }
    }
}
