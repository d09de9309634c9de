//! The dashboard's files, as the server binary embeds them.

use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY,
};
use axum::http::{HeaderMap, Response, StatusCode};

/// Files by path relative to the site's root, such as `index.html`.
#[derive(Clone, Copy, Debug)]
pub struct Assets(pub &'static [(&'static str, &'static [u8])]);

/// Where the page finds its token.
const TOKEN_PLACE: &str = "{{token}}";

/// Shown when the binary was built without a dashboard.
const NO_DASHBOARD: &str = "<!doctype html><html lang=en><title>Glasshouse</title><p>This binary was built without \
                            its dashboard. Build it with: cargo xtask build</p></html>";

impl Assets {
    /// The page itself, with its token filled in; never cached, because the token changes with every start.
    #[must_use]
    pub fn page(self, token: &str) -> Response<Body> {
        let page = self
            .find("index.html")
            .and_then(|b| std::str::from_utf8(b).ok())
            .unwrap_or(NO_DASHBOARD);
        let mut response = Response::new(Body::from(page.replace(TOKEN_PLACE, token)));
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// One file, compressed where the build did that and the request takes it so. Names carry a hash of the content,
    /// so that browsers may keep them for ever.
    #[must_use]
    pub fn file(self, path: &str, request: &HeaderMap) -> Response<Body> {
        let path = path.trim_start_matches('/');
        let Some(content) = self.find(path) else {
            let mut response = Response::new(Body::from("404 page not found\n"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        };
        let small = self.find(&format!("{path}.br"));
        let taken = small.filter(|_| takes_brotli(request));
        let mut response = Response::new(Body::from(taken.unwrap_or(content)));
        let headers = response.headers_mut();
        if small.is_some() {
            headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        }
        if taken.is_some() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
        headers.insert(
            CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        );
        response
    }

    fn find(self, path: &str) -> Option<&'static [u8]> {
        self.0
            .iter()
            .find(|(name, _)| *name == path)
            .map(|(_, content)| *content)
    }
}

/// RFC 9110 section 12.5.3: `br` is named, and not with a weight of 0.
fn takes_brotli(request: &HeaderMap) -> bool {
    let lists = request.get_all(ACCEPT_ENCODING).into_iter();
    let codings = lists
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','));
    let mut parts = codings.map(|c| c.split_once(';').unwrap_or((c, "")));
    parts.any(|(name, weight)| {
        let weight = weight.trim().strip_prefix("q=").map(str::parse::<f32>);
        name.trim().eq_ignore_ascii_case("br") && !matches!(weight, Some(Ok(0.0)))
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("js") => "text/javascript",
        Some("wasm") => "application/wasm",
        Some("css") => "text/css",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("json") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASSETS: Assets = Assets(&[
        ("index.html", b"<meta content=\"{{token}}\">"),
        ("app-1.js", b"x"),
        ("app-1.wasm", b"long"),
        ("app-1.wasm.br", b"s"),
    ]);

    #[test]
    fn files_have_their_types_and_strangers_are_not_found() {
        for (path, code, kind) in [
            ("/app-1.js", 200, "text/javascript"),
            ("/../etc/passwd", 404, ""),
        ] {
            let response = ASSETS.file(path, &HeaderMap::new());
            let found = response
                .headers()
                .get(CONTENT_TYPE)
                .map_or("", |v| v.to_str().unwrap());
            assert_eq!((response.status().as_u16(), found), (code, kind), "{path}");
        }
    }

    #[test]
    fn files_come_compressed_to_whoever_takes_them_so() {
        for (path, accepts, want) in [
            ("/app-1.wasm", "gzip, deflate, br, zstd", "br"),
            ("/app-1.wasm", "BR;q=0.5", "br"),
            ("/app-1.wasm", "br;q=0, gzip", ""),
            ("/app-1.wasm", "brotli", ""),
            ("/app-1.wasm", "", ""),
            ("/app-1.js", "br", ""),
        ] {
            let request = HeaderMap::from_iter([(ACCEPT_ENCODING, accepts.parse().unwrap())]);
            let response = ASSETS.file(path, &request);
            let headers = response.headers();
            let coding = headers
                .get(CONTENT_ENCODING)
                .map_or("", |v| v.to_str().unwrap());
            assert_eq!(coding, want, "{path} {accepts}");
            let kind = if path.ends_with("js") {
                "text/javascript"
            } else {
                "application/wasm"
            };
            assert_eq!(headers.get(CONTENT_TYPE).unwrap(), kind);
        }
    }
}
