//! Image names as people write them: `nginx`, `nginx:1.27`, `docker.io/library/nginx:latest`, `host:5000/a/b@sha256:...`.

use std::fmt;

/// Registries whose last path component names a well-known image, which an alias may stand in for.
const WELL_KNOWN: [&str; 9] = [
    "docker.io/library",
    "index.docker.io/library",
    "registry.k8s.io",
    "registry.k8s.io/e2e-test-images",
    "k8s.gcr.io",
    "gcr.io/google-containers",
    "gcr.io/google-samples",
    "mirror.gcr.io/library",
    "public.ecr.aws/docker/library",
];

/// A parsed image name, in full form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Registry and path: `docker.io/library/nginx`.
    pub repository: String,
    /// The tag, `latest` when none was written.
    pub tag: String,
    /// `sha256:...` when the name is pinned.
    pub digest: Option<String>,
}

/// Why a name is no image name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Failed to apply default image tag \"{name}\": couldn't parse image name \"{name}\": invalid reference format: {why}"
)]
pub struct InvalidReference {
    name: String,
    why: &'static str,
}

impl Reference {
    /// Parses a name with the rules of the distribution specification; a name without a registry is Docker Hub's.
    ///
    /// # Errors
    /// When it is no image name.
    pub fn parse(name: &str) -> Result<Self, InvalidReference> {
        let fail = |why| {
            Err(InvalidReference {
                name: name.to_owned(),
                why,
            })
        };
        let (rest, digest) = match name.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (name, None),
        };
        if let Some(digest) = digest {
            let hex = digest.strip_prefix("sha256:").unwrap_or("");
            if hex.len() != 64
                || !hex
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
            {
                return fail("the digest must be sha256: and 64 hexadecimal digits");
            }
        }
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, tag),
            _ => (rest, "latest"),
        };
        let word = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if tag.is_empty()
            || tag.len() > 128
            || !tag.bytes().all(word)
            || tag.starts_with(['.', '-'])
        {
            return fail("the tag must be 1 to 128 letters, digits, '_', '.' or '-'");
        }
        if path.is_empty() || path.len() > 255 {
            return fail("the name must have 1 to 255 characters");
        }
        let (registry, path) = match path.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
                (first, rest)
            }
            _ => ("docker.io", path),
        };
        if let Some(why) = registry_fault(registry) {
            return fail(why);
        }
        let component = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| word(b) && !b.is_ascii_uppercase())
                && !part.starts_with(['.', '_', '-'])
                && !part.ends_with(['.', '_', '-'])
        };
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return fail("repository name must be lowercase");
        }
        if !path.split('/').all(component) {
            return fail(
                "each part of the path must be lower-case letters, digits and single separators",
            );
        }
        let hub = registry == "docker.io" && !path.contains('/');
        let path = if hub {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        Ok(Self {
            repository: format!("{registry}/{path}"),
            tag: tag.to_owned(),
            digest: digest.map(str::to_owned),
        })
    }

    /// The last part of the path: `nginx`.
    #[must_use]
    pub fn short_name(&self) -> &str {
        self.repository
            .rsplit('/')
            .next()
            .unwrap_or(&self.repository)
    }

    /// The names under which an alias may be declared, most particular first. Only images of well-known registries
    /// have any: somebody's own `example.com/nginx` is never replaced.
    #[must_use]
    pub fn alias_names(&self) -> Vec<String> {
        let Some((registry, name)) = self.repository.rsplit_once('/') else {
            return Vec::new();
        };
        if !WELL_KNOWN.contains(&registry) {
            return Vec::new();
        }
        vec![
            format!("{name}:{}", self.tag),
            format!("{name}_{}", self.tag),
            name.to_owned(),
        ]
    }
}

/// What is wrong with `HOST` or `HOST:PORT` in front of a path.
fn registry_fault(registry: &str) -> Option<&'static str> {
    let (host, port) = match registry.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (registry, None),
    };
    if host.is_empty() {
        return Some("the registry has a port and no host name in front of it");
    }
    let is_port = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse().is_ok_and(|n: u16| n > 0)
    };
    if !port.is_none_or(is_port) {
        return Some("the registry's port must be a number from 1 to 65535");
    }
    let known = |b: u8| b.is_ascii_alphanumeric() || b".-".contains(&b);
    if !host.bytes().all(known) {
        return Some("the registry's host name must be letters, digits, '-' and '.'");
    }
    let mut labels = host.split('.');
    if labels.clone().any(str::is_empty) {
        return Some(
            "the registry's host name must not begin or end with '.', or have two of them in a row",
        );
    }
    labels
        .any(|label| label.starts_with('-') || label.ends_with('-'))
        .then_some("no part of the registry's host name may begin or end with '-'")
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.repository, self.tag)?;
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_full_form() {
        let digest = format!("sha256:{}", "a1".repeat(32));
        let pinned = format!("nginx@{digest}");
        let pinned_full = format!("docker.io/library/nginx:latest@{digest}");
        for (name, full) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("library/nginx", "docker.io/library/nginx:latest"),
            (
                "docker.io/library/nginx:latest",
                "docker.io/library/nginx:latest",
            ),
            ("docker.io/nginx", "docker.io/library/nginx:latest"),
            ("bitnami/nginx", "docker.io/bitnami/nginx:latest"),
            (
                "glasshouse.dev/hello-http",
                "glasshouse.dev/hello-http:latest",
            ),
            ("localhost:5000/a/b:v1", "localhost:5000/a/b:v1"),
            ("localhost/a", "localhost/a:latest"),
            (&pinned, &pinned_full),
        ] {
            assert_eq!(Reference::parse(name).unwrap().to_string(), full, "{name}");
        }
    }

    #[test]
    fn bad_names_are_refused() {
        for name in [
            "",
            ":",
            ":tag",
            "a b",
            "Nginx",
            "a//b",
            "/a",
            "a/",
            "-a",
            "a:",
            "a:b:c",
            "a@sha256:12",
            "a:-x",
            "näme",
            "a..",
            "../a",
            "a@b@c",
        ] {
            assert!(Reference::parse(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_registry_is_said() {
        for (name, why) in [
            ("example.com:port/a", "port must be a number"),
            ("example.com:/a", "port must be a number"),
            ("example.com:70000/a", "port must be a number"),
            ("example.com:+80/a", "port must be a number"),
            ("localhost:1:2/a", "port must be a number"),
            (":5000/a", "no host name in front"),
            (".example.com/a", "must not begin or end with '.'"),
            ("example..com/a", "two of them in a row"),
            ("-example.com/a", "may begin or end with '-'"),
            ("my_host.com/a", "must be letters, digits"),
        ] {
            let error = Reference::parse(name).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        for name in ["a.b-c.d:65535/x", "LOCALHOST.lan/x", "127.0.0.1:5000/x"] {
            assert!(Reference::parse(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn only_well_known_images_have_aliases() {
        for (name, aliases) in [
            ("nginx:1.27", "nginx:1.27 nginx_1.27 nginx"),
            (
                "registry.k8s.io/busybox",
                "busybox:latest busybox_latest busybox",
            ),
            ("example.com/nginx", ""),
            ("bitnami/nginx", ""),
        ] {
            assert_eq!(
                Reference::parse(name).unwrap().alias_names().join(" "),
                aliases,
                "{name}"
            );
        }
    }
}
