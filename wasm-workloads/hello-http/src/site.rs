//! The files of a document root.

use std::io;
use std::path::{Path, PathBuf};

use wstd::http::body::Body;
use wstd::http::{Error, Method, Request, Response};

/// Where the images that this one stands in for keep their pages: nginx, httpd.
const ROOTS: [&str; 2] = ["/usr/share/nginx/html", "/usr/local/apache2/htdocs"];

/// The document root, when something is mounted there.
pub(crate) fn root() -> Option<&'static Path> {
    ROOTS.iter().map(Path::new).find(|root| root.is_dir())
}

/// Answers with the file that the request names.
pub(crate) fn answer(root: &Path, request: &Request<Body>) -> Result<Response<Body>, Error> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return page(405, "Method Not Allowed");
    }
    let path = request.uri().path();
    let Some(file) = file(root, path) else { return page(400, "Bad Request") };
    if file.is_dir() && !path.ends_with('/') {
        let response = Response::builder().status(301).header("location", format!("{path}/")).body(Body::empty())?;
        return Ok(response);
    }
    let file = if file.is_dir() { file.join("index.html") } else { file };
    match std::fs::read(&file) {
        Ok(content) => Ok(Response::builder().status(200).header("content-type", media_type(&file)).body(content.into())?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => page(404, "Not Found"),
        Err(error) => {
            eprintln!("{}: {error}", file.display());
            page(403, "Forbidden")
        }
    }
}

/// The file below `root` that a path of a URL names; `None` when it leads out or is no text.
fn file(root: &Path, path: &str) -> Option<PathBuf> {
    let mut file = root.to_owned();
    for part in path.split('/') {
        match decode(part)?.as_str() {
            "" | "." => {}
            part if part == ".." || part.contains(['/', '\0']) => return None,
            part => file.push(part),
        }
    }
    Some(file)
}

/// Percent-decoding (RFC 3986 section 2.1).
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = [bytes.next()?, bytes.next()?];
        out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(out).ok()
}

fn media_type(file: &Path) -> &'static str {
    match file.extension().and_then(|e| e.to_str()).unwrap_or_default() {
        "html" | "htm" => "text/html",
        "css" => "text/css",
        "js" | "mjs" => "text/javascript",
        "json" => "application/json",
        "txt" | "md" => "text/plain",
        "xml" => "text/xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "ico" => "image/x-icon",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

fn page(status: u16, what: &str) -> Result<Response<Body>, Error> {
    let body = format!("<html>\n<head><title>{status} {what}</title></head>\n<body><h1>{status} {what}</h1></body>\n</html>\n");
    Ok(Response::builder().status(status).header("content-type", "text/html").body(body.into())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_root() {
        for (path, expected) in [
            ("/", Some("/www")),
            ("/a/b.html", Some("/www/a/b.html")),
            ("/a%20b", Some("/www/a b")),
            ("//a/./b/", Some("/www/a/b")),
            ("/../etc/hosts", None),
            ("/%2e%2e/etc", None),
            ("/a%2f..%2fb", None),
            ("/%zz", None),
            ("/%ff", None),
            ("/%00", None),
        ] {
            assert_eq!(file(Path::new("/www"), path).as_deref(), expected.map(Path::new), "{path}");
        }
    }
}
