//! What a path of the distribution API addresses.

/// Longest repository name, as registries commonly bound it.
const NAME_MAX: usize = 255;
/// Longest tag (OCI distribution specification 1.1, "Pulling manifests").
const TAG_MAX: usize = 128;

/// The target of a request below `/v2/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Whether this is a registry at all.
    Base,
    /// All repositories.
    Catalog,
    /// A repository's tags.
    Tags(String),
    /// What refers to a manifest: repository, digest.
    Referrers(String, String),
    /// A manifest: repository, tag or digest.
    Manifest(String, String),
    /// A blob: repository, digest.
    Blob(String, String),
    /// Where uploads begin.
    Uploads(String),
    /// An upload: repository, id.
    Upload(String, String),
}

/// Why a path addresses nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// No such route.
    Route,
    /// The repository's name breaks the rules.
    Name,
    /// The tag breaks the rules.
    Tag,
    /// No sha256 digest.
    Digest,
}

/// Reads what follows `/v2/`.
pub(super) fn parse(path: &str) -> Result<Target, Wrong> {
    if path.is_empty() {
        return Ok(Target::Base);
    }
    if path == "_catalog" {
        return Ok(Target::Catalog);
    }
    if let Some(name) = path.strip_suffix("/tags/list") {
        return Ok(Target::Tags(checked(name)?));
    }
    if let Some((name, id)) = path.rsplit_once("/blobs/uploads/") {
        let name = checked(name)?;
        return Ok(if id.is_empty() {
            Target::Uploads(name)
        } else {
            Target::Upload(name, id.to_owned())
        });
    }
    if let Some(name) = path.strip_suffix("/blobs/uploads") {
        return Ok(Target::Uploads(checked(name)?));
    }
    let (rest, last) = path.rsplit_once('/').ok_or(Wrong::Route)?;
    let (name, what) = rest.rsplit_once('/').ok_or(Wrong::Route)?;
    let last = last.to_owned();
    match what {
        "manifests" => {
            let name = checked(name)?;
            let good = if last.contains(':') {
                is_digest(&last)
            } else {
                is_tag(&last)
            };
            good.then(|| Target::Manifest(name, last.clone()))
                .ok_or(if last.contains(':') {
                    Wrong::Digest
                } else {
                    Wrong::Tag
                })
        }
        "blobs" | "referrers" => {
            let name = checked(name)?;
            if !is_digest(&last) {
                return Err(Wrong::Digest);
            }
            Ok(if what == "blobs" {
                Target::Blob(name, last)
            } else {
                Target::Referrers(name, last)
            })
        }
        _ => Err(Wrong::Route),
    }
}

fn checked(name: &str) -> Result<String, Wrong> {
    let good = name.len() <= NAME_MAX && name.split('/').all(is_component);
    good.then(|| name.to_owned()).ok_or(Wrong::Name)
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(part: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bounded = part.bytes().next().is_some_and(word) && part.bytes().last().is_some_and(word);
    let mut separators = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    bounded
        && separators.all(|s| matches!(s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !tag.is_empty()
        && tag.len() <= TAG_MAX
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

/// `sha256:` and 64 hexadecimal digits in lower case.
pub(super) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64
            && hex
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_address_what_the_specification_says() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        for (path, expected) in [
            ("", "Ok(Base)".to_owned()),
            ("_catalog", "Ok(Catalog)".to_owned()),
            ("a/tags/list", "Ok(Tags(\"a\"))".to_owned()),
            (
                "a/b/manifests/v1",
                "Ok(Manifest(\"a/b\", \"v1\"))".to_owned(),
            ),
            (
                "a/manifests/manifests/v1",
                "Ok(Manifest(\"a/manifests\", \"v1\"))".to_owned(),
            ),
            (
                &format!("a/manifests/{digest}"),
                format!("Ok(Manifest(\"a\", \"{digest}\"))"),
            ),
            (
                &format!("a/blobs/{digest}"),
                format!("Ok(Blob(\"a\", \"{digest}\"))"),
            ),
            (
                &format!("a/referrers/{digest}"),
                format!("Ok(Referrers(\"a\", \"{digest}\"))"),
            ),
            ("a/blobs/uploads/", "Ok(Uploads(\"a\"))".to_owned()),
            ("a/blobs/uploads", "Ok(Uploads(\"a\"))".to_owned()),
            ("a/blobs/uploads/17", "Ok(Upload(\"a\", \"17\"))".to_owned()),
            (
                "a__b/c-d.e/tags/list",
                "Ok(Tags(\"a__b/c-d.e\"))".to_owned(),
            ),
            ("A/tags/list", "Err(Name)".to_owned()),
            ("a//b/tags/list", "Err(Name)".to_owned()),
            ("../a/manifests/v1", "Err(Name)".to_owned()),
            ("a..b/manifests/v1", "Err(Name)".to_owned()),
            ("a/manifests/-v", "Err(Tag)".to_owned()),
            ("a/manifests/md5:12", "Err(Digest)".to_owned()),
            ("a/blobs/v1", "Err(Digest)".to_owned()),
            ("a/other/v1", "Err(Route)".to_owned()),
            ("a", "Err(Route)".to_owned()),
        ] {
            assert_eq!(format!("{:?}", parse(path)), expected, "{path}");
        }
        assert_eq!(
            parse(&format!("{}/tags/list", "a".repeat(256))),
            Err(Wrong::Name)
        );
    }
}
