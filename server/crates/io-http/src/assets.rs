//! The dashboard's files, as the server binary embeds them.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};

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

    /// One file. Names carry a hash of the content, so that browsers may keep them for ever.
    #[must_use]
    pub fn file(self, path: &str) -> Response<Body> {
        let path = path.trim_start_matches('/');
        let Some(content) = self.find(path) else {
            let mut response = Response::new(Body::from("404 page not found\n"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        };
        let mut response = Response::new(Body::from(content));
        let headers = response.headers_mut();
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
    ]);

    #[test]
    fn files_have_their_types_and_strangers_are_not_found() {
        for (path, code, kind) in [
            ("/app-1.js", 200, "text/javascript"),
            ("/../etc/passwd", 404, ""),
        ] {
            let response = ASSETS.file(path);
            let found = response
                .headers()
                .get(CONTENT_TYPE)
                .map_or("", |v| v.to_str().unwrap());
            assert_eq!((response.status().as_u16(), found), (code, kind), "{path}");
        }
    }
}
