//! OCI image manifests: what they refer to, and which of their layers is the program.
//!
//! Read are the OCI and Docker image manifests and indexes (OCI image specification 1.1), the CNCF's Wasm artifact
//! (config `application/vnd.wasm.config.v0+json`, one layer `application/wasm`), the older forms of the same, and
//! ordinary container images whose layers hold one `.wasm` file. Written is the CNCF's form.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Digest;

/// An OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI index: one manifest per platform.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker's image manifest, version 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's list of manifests.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The config of the CNCF's Wasm artifact.
pub const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// The layer of the CNCF's Wasm artifact.
pub const WASM_LAYER: &str = "application/wasm";
/// Largest manifest in bytes: what registries commonly take.
pub const MANIFEST_BYTES_MAX: usize = 4 << 20;
/// Most blobs or manifests that one manifest may refer to.
const REFERENCES_MAX: usize = 1000;

/// Layers that are a program as they are.
const PROGRAM_LAYERS: [&str; 3] = [
    WASM_LAYER,
    "application/vnd.wasm.content.layer.v1+wasm",
    "application/vnd.module.wasm.content.layer.v1+wasm",
];
/// Layers that are archives of files.
const ARCHIVE_LAYERS: [&str; 3] = [
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
];

/// Why bytes are no manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Larger than [`MANIFEST_BYTES_MAX`].
    #[error("the manifest has {0} bytes, more than {MANIFEST_BYTES_MAX}")]
    TooLarge(usize),
    /// Not JSON of the right shape.
    #[error("the manifest cannot be read: {0}")]
    Malformed(String),
    /// Of another version, or said to be something else than it is.
    #[error("{0}")]
    Unsupported(String),
}

/// A reference to content by digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// For an index: what the manifest is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What the content is when it is an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Free text by key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Value>,
}

/// What an image is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `wasm`.
    #[serde(default)]
    pub architecture: String,
    /// `wasip1`, `wasip2`, `wasi`.
    #[serde(default)]
    pub os: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u32,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<Value>,
}

/// A manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its own media type.
    pub media_type: String,
    /// What it is when it is an artifact: its `artifactType`, else its config's media type.
    pub artifact_type: Option<String>,
    /// The manifest that it is about.
    pub subject: Option<Digest>,
    /// Free text by key.
    pub annotations: Option<Value>,
    /// What it holds.
    pub content: Content,
}

/// What a manifest holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// An image or another artifact: a config and layers.
    Image {
        /// How it is started, and what it is for.
        config: Descriptor,
        /// Its content.
        layers: Vec<Descriptor>,
    },
    /// A choice of manifests.
    Index(Vec<Descriptor>),
}

/// Where a manifest's program is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// This blob is it.
    Layer(Descriptor),
    /// It is a file in these archives, the last of which win.
    Archives(Vec<Descriptor>),
    /// It is in this manifest.
    Manifest(Digest),
}

impl Manifest {
    /// Reads a manifest. `declared` is the media type that it was sent with.
    ///
    /// # Errors
    /// When it is none, or none that is supported.
    pub fn parse(bytes: &[u8], declared: Option<&str>) -> Result<Self, ManifestError> {
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(ManifestError::TooLarge(bytes.len()));
        }
        let document: Document = serde_json::from_slice(bytes)
            .map_err(|error| ManifestError::Malformed(error.to_string()))?;
        let unsupported = |text: String| Err(ManifestError::Unsupported(text));
        if document.schema_version != 2 {
            return unsupported(format!(
                "manifests of schema version {} are not supported: use version 2",
                document.schema_version
            ));
        }
        if let (Some(inside), Some(declared)) = (&document.media_type, declared)
            && inside != declared
        {
            return unsupported(format!(
                "the manifest calls itself {inside} but was sent as {declared}"
            ));
        }
        let references = document.layers.iter().chain(&document.manifests);
        if references.map(Vec::len).sum::<usize>() > REFERENCES_MAX {
            return unsupported(format!("the manifest has more than {REFERENCES_MAX} parts"));
        }
        let media_type = document.media_type.or(declared.map(str::to_owned));
        let (fallback, content) = match (document.config, document.layers, document.manifests) {
            (Some(config), Some(layers), None) => (OCI_MANIFEST, Content::Image { config, layers }),
            (None, None, Some(manifests)) => (OCI_INDEX, Content::Index(manifests)),
            _ => {
                return Err(ManifestError::Malformed(
                    "it must have either a config and layers, or manifests".to_owned(),
                ));
            }
        };
        let artifact_type = document.artifact_type.or_else(|| match &content {
            Content::Image { config, .. } => Some(config.media_type.clone()),
            Content::Index(_) => None,
        });
        Ok(Self {
            media_type: media_type.unwrap_or_else(|| fallback.to_owned()),
            artifact_type,
            subject: document.subject.map(|subject| subject.digest),
            annotations: document.annotations,
            content,
        })
    }

    /// The blobs that must be there before the manifest is.
    #[must_use]
    pub fn blobs(&self) -> Vec<&Descriptor> {
        match &self.content {
            Content::Image { config, layers } => std::iter::once(config).chain(layers).collect(),
            Content::Index(_) => Vec::new(),
        }
    }

    /// The manifests that an index chooses from.
    #[must_use]
    pub fn manifests(&self) -> &[Descriptor] {
        match &self.content {
            Content::Image { .. } => &[],
            Content::Index(manifests) => manifests,
        }
    }

    /// Where the program is.
    ///
    /// # Errors
    /// When there is none, in words for whoever wants to run it.
    pub fn program(&self) -> Result<Program, String> {
        let (config, layers) = match &self.content {
            Content::Index(manifests) => return choose(manifests),
            Content::Image { config, layers } => (config, layers),
        };
        let programs: Vec<&Descriptor> = layers
            .iter()
            .filter(|layer| PROGRAM_LAYERS.contains(&layer.media_type.as_str()))
            .collect();
        match programs.as_slice() {
            [program] => return Ok(Program::Layer((*program).clone())),
            [] => {}
            several => {
                return Err(format!(
                    "it has {} Wasm layers; an image has one program",
                    several.len()
                ));
            }
        }
        let archives: Vec<Descriptor> = layers
            .iter()
            .filter(|layer| ARCHIVE_LAYERS.contains(&layer.media_type.as_str()))
            .cloned()
            .collect();
        if archives.is_empty() {
            return Err(format!(
                "it is no Wasm image: its config is {} and it has no {WASM_LAYER} layer",
                config.media_type
            ));
        }
        Ok(Program::Archives(archives))
    }
}

/// The manifest of an index for Wasm, or its only one.
fn choose(manifests: &[Descriptor]) -> Result<Program, String> {
    let wasm = manifests.iter().find(|manifest| {
        let platform = manifest.platform.as_ref();
        platform.is_some_and(|p| p.architecture == "wasm" || p.os.starts_with("wasi"))
    });
    match (wasm, manifests) {
        (Some(found), _) | (None, [found]) => Ok(Program::Manifest(found.digest)),
        _ => Err("none of its platforms is wasm".to_owned()),
    }
}

/// The CNCF's Wasm artifact around a program: its config and its manifest. The same program always gives the same
/// bytes.
#[must_use]
pub fn wrap(program: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let digest = Digest::of(program);
    let is_module = program.get(4..8) == Some(&[1, 0, 0, 0]);
    let config = json!({
        "created": "1970-01-01T00:00:00Z",
        "architecture": "wasm",
        "os": if is_module { "wasip1" } else { "wasip2" },
        "layerDigests": [digest],
    })
    .to_string()
    .into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": WASM_CONFIG, "digest": Digest::of(&config), "size": config.len()},
        "layers": [{"mediaType": WASM_LAYER, "digest": digest, "size": program.len()}],
    });
    (config, manifest.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(media_type: &str, content: &str) -> Value {
        json!({"mediaType": media_type, "digest": Digest::of(content.as_bytes()), "size": content.len()})
    }

    fn parse(value: &Value) -> Result<Manifest, ManifestError> {
        Manifest::parse(value.to_string().as_bytes(), None)
    }

    #[test]
    fn a_wrapped_program_is_found_again() {
        let program = b"\0asm\x0d\0\x01\0component";
        let (config, manifest) = wrap(program);
        let parsed = Manifest::parse(&manifest, Some(OCI_MANIFEST)).unwrap();
        let digests: Vec<Digest> = parsed.blobs().iter().map(|d| d.digest).collect();
        assert_eq!(digests, [Digest::of(&config), Digest::of(program)]);
        let Ok(Program::Layer(layer)) = parsed.program() else {
            panic!("{parsed:?}")
        };
        assert_eq!(layer.digest, Digest::of(program));
        assert!(String::from_utf8(config).unwrap().contains("wasip2"));
    }

    #[test]
    fn the_program_is_where_the_formats_say() {
        let config = descriptor("application/vnd.oci.image.config.v1+json", "{}");
        let image = |layers: Value| json!({"schemaVersion": 2, "config": config, "layers": layers});
        let wasm = Digest::of(b"w");
        let one = |media_type: &str| image(json!([descriptor(media_type, "w")]));
        for media_type in PROGRAM_LAYERS {
            let Ok(Program::Layer(found)) = parse(&one(media_type)).unwrap().program() else {
                panic!("{media_type}")
            };
            assert_eq!(found.digest, wasm);
        }
        for media_type in ARCHIVE_LAYERS {
            let found = parse(&one(media_type)).unwrap().program().unwrap();
            assert!(matches!(found, Program::Archives(a) if a.len() == 1));
        }
        let two = image(json!([
            descriptor(WASM_LAYER, "w"),
            descriptor(WASM_LAYER, "v")
        ]));
        let mut linux = descriptor(OCI_MANIFEST, "l");
        linux["platform"] = json!({"architecture": "amd64", "os": "linux"});
        let mut wasi = descriptor(OCI_MANIFEST, "w");
        wasi["platform"] = json!({"architecture": "wasm", "os": "wasi"});
        let index = |manifests: Value| json!({"schemaVersion": 2, "manifests": manifests});
        for (manifest, expected) in [
            (two, "Err(\"it has 2 Wasm layers; an image has one program\")".to_owned()),
            (
                one("text/plain"),
                "Err(\"it is no Wasm image: its config is application/vnd.oci.image.config.v1+json and it has no application/wasm layer\")".to_owned(),
            ),
            (index(json!([linux, wasi])), format!("Ok(Manifest({wasm}))")),
            (index(json!([linux, linux])), "Err(\"none of its platforms is wasm\")".to_owned()),
            (index(json!([linux])), format!("Ok(Manifest({}))", Digest::of(b"l"))),
        ] {
            let found = parse(&manifest).unwrap().program();
            assert_eq!(format!("{found:?}"), expected);
        }
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        let config = descriptor("a/b", "{}");
        let many: Vec<Value> = (0..=REFERENCES_MAX).map(|_| config.clone()).collect();
        for (value, expected) in [
            (json!([]), "cannot be read"),
            (json!({"schemaVersion": 2}), "either a config and layers"),
            (
                json!({"schemaVersion": 1, "config": config, "layers": []}),
                "schema version 1",
            ),
            (
                json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "config": config, "layers": []}),
                "calls itself",
            ),
            (
                json!({"schemaVersion": 2, "config": config, "layers": many}),
                "more than 1000 parts",
            ),
            (
                json!({"schemaVersion": 2, "config": {"mediaType": "a/b", "digest": "md5:1", "size": 1}, "layers": []}),
                "no sha256 digest",
            ),
        ] {
            let error =
                Manifest::parse(value.to_string().as_bytes(), Some(OCI_MANIFEST)).unwrap_err();
            assert!(error.to_string().contains(expected), "{value}: {error}");
        }
        let huge = vec![b' '; MANIFEST_BYTES_MAX + 1];
        assert_eq!(
            Manifest::parse(&huge, None),
            Err(ManifestError::TooLarge(huge.len()))
        );
    }
}
