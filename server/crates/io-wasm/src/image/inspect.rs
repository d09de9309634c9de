//! Looks into an image before anything is stored or compiled: what kind of program it is, and whether a node offers
//! what it imports.

use std::collections::BTreeMap;

use wasmparser::{Encoding, ExternalKind, Parser, Payload, Validator};

use super::IMAGE_BYTES_MAX;
use super::config::{ImageConfig, SECTION};
use super::probe::Offers;

/// How an image runs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum ImageKind {
    /// A component that exports `wasi:http/incoming-handler` 0.2: served on its container port.
    Http,
    /// A component that exports `wasi:cli/run` 0.2: runs as a process.
    Command,
    /// A core module with `_start` for WASI preview 1: runs as a process without sockets.
    Preview1,
}

impl ImageKind {
    /// In words.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Http => "http component",
            Self::Command => "command component",
            Self::Preview1 => "WASI preview 1 module",
        }
    }
}

/// What is in an image.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImageInfo {
    /// How it runs.
    pub kind: ImageKind,
    /// What it imports: interfaces of a component, `module.function` of a core module.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
    /// Its size in bytes.
    pub size: usize,
    /// How it is started.
    pub config: ImageConfig,
}

/// Why a file cannot be an image here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing at all.
    #[error("the file is empty")]
    Empty,
    /// Larger than an image may be.
    #[error(
        "the file has {size} bytes; an image may have at most {max} (32 MiB): build it in release mode and strip it"
    )]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// Something else than Wasm.
    #[error("the file is not WebAssembly: it begins with {found}, not with \\0asm")]
    NotWasm {
        /// What it looks like.
        found: String,
    },
    /// A version of the format that nobody runs.
    #[error(
        "the file is WebAssembly of a format version that Glasshouse does not run ({found}): build a module (version 1) or a component (version 13)"
    )]
    WrongVersion {
        /// The version bytes.
        found: String,
    },
    /// Cut off, damaged, or using a proposal that is not offered.
    #[error(
        "the file is damaged or uses a WebAssembly feature that is not offered: {message} (at byte {offset})"
    )]
    Invalid {
        /// What the validator says.
        message: String,
        /// Where.
        offset: usize,
    },
    /// Nothing to start.
    #[error(
        "{what}; it exports {exports}. Glasshouse runs components that export wasi:http/incoming-handler@0.2 or wasi:cli/run@0.2, and core modules with _start (WASI preview 1)"
    )]
    NothingToRun {
        /// What is wrong.
        what: &'static str,
        /// What it does export.
        exports: String,
    },
    /// Needs what no node has.
    #[error("the image needs {} that no node offers: {}", if .missing.len() == 1 { "an import" } else { "imports" }, .missing.join(", "))]
    MissingImports {
        /// Each as `function in interface`.
        missing: Vec<String>,
    },
}

/// One import, with the functions wanted of an interface.
#[derive(Default)]
struct Surface {
    component: bool,
    imports: Vec<Import>,
    exports: Vec<String>,
    functions: Vec<String>,
    config: ImageConfig,
}

/// What an image asks of its host under one name.
pub(super) struct Import {
    /// The interface, or the core module's import module.
    pub(super) name: String,
    /// What it wants of it.
    pub(super) items: BTreeMap<String, Item>,
}

/// What is wanted of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Function,
    Resource,
    Other,
}

/// Looks at `bytes`; `offers` says what nodes have.
///
/// # Errors
/// The reason for which they cannot be an image, in words for whoever uploaded them.
pub(crate) fn inspect(bytes: &[u8], offers: &Offers) -> Result<ImageInfo, Refusal> {
    check_header(bytes)?;
    let surface = read_surface(bytes)?;
    let kind = kind(&surface)?;
    let missing: Vec<String> = surface
        .imports
        .iter()
        .flat_map(|import| offers.missing(import, surface.component))
        .collect();
    if !missing.is_empty() {
        return Err(Refusal::MissingImports { missing });
    }
    let imports = surface
        .imports
        .iter()
        .flat_map(|import| {
            let items = import.items.keys();
            if surface.component {
                vec![import.name.clone()]
            } else {
                items
                    .map(|item| format!("{}.{item}", import.name))
                    .collect()
            }
        })
        .collect();
    Ok(ImageInfo {
        kind,
        imports,
        exports: surface.exports,
        size: bytes.len(),
        config: surface.config,
    })
}

fn check_header(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.is_empty() {
        return Err(Refusal::Empty);
    }
    if bytes.len() > IMAGE_BYTES_MAX {
        return Err(Refusal::TooLarge {
            size: bytes.len(),
            max: IMAGE_BYTES_MAX,
        });
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(Refusal::NotWasm {
            found: looks_like(bytes),
        });
    }
    match bytes.get(4..8) {
        None => Err(Refusal::Invalid {
            message: "the file ends inside its header".to_owned(),
            offset: bytes.len(),
        }),
        Some([1, 0, 0, 0] | [0x0d, 0, 1, 0]) => Ok(()),
        Some(version) => Err(Refusal::WrongVersion {
            found: format!("{version:02x?}"),
        }),
    }
}

/// Names what people upload by mistake.
fn looks_like(bytes: &[u8]) -> String {
    let known: [(&[u8], &str); 9] = [
        (
            b"\x7fELF",
            "an ELF header (a Linux program: build for wasm32-wasip2)",
        ),
        (b"MZ", "a Windows program"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x1f\x8b", "gzip data (unpack it first)"),
        (b"(module", "WebAssembly text (assemble it first)"),
        (b"(component", "WebAssembly text (assemble it first)"),
        (b"#!", "a script"),
        (b"{", "JSON"),
        (b"\x89PNG", "a PNG picture"),
    ];
    known
        .iter()
        .find(|(magic, _)| bytes.starts_with(magic))
        .map_or_else(
            || format!("bytes {:02x?}", &bytes[..bytes.len().min(4)]),
            |(_, what)| (*what).to_owned(),
        )
}

fn invalid(error: &wasmparser::BinaryReaderError) -> Refusal {
    Refusal::Invalid {
        message: error.message().to_owned(),
        offset: error.offset(),
    }
}

/// Validates everything and collects the outermost imports and exports.
fn read_surface(bytes: &[u8]) -> Result<Surface, Refusal> {
    let types = Validator::new_with_features(features())
        .validate_all(bytes)
        .map_err(|error| invalid(&error))?;
    let mut surface = Surface::default();
    let mut depth = 0_usize;
    let mut resources = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| invalid(&error))?;
        match payload {
            Payload::Version { encoding, .. } if depth == 0 => {
                surface.component = encoding == Encoding::Component;
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if section.name() == SECTION => {
                surface.config =
                    serde_json::from_slice(section.data()).map_err(|error| Refusal::Invalid {
                        message: format!("custom section {SECTION}: {error}"),
                        offset: section.data_offset(),
                    })?;
            }
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(|error| invalid(&error))?;
                    let name = import.name.name.to_owned();
                    let items = super::probe::items_of(types.as_ref(), &name, &mut resources);
                    surface.imports.push(Import { name, items });
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(|error| invalid(&error))?;
                    surface.exports.push(export.name.name.to_owned());
                }
            }
            Payload::ImportSection(section) if depth == 0 => {
                for import in section.into_imports() {
                    let import = import.map_err(|error| invalid(&error))?;
                    core_import(&mut surface.imports, import.module, import.name);
                }
            }
            Payload::ExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(|error| invalid(&error))?;
                    if export.kind == ExternalKind::Func {
                        surface.functions.push(export.name.to_owned());
                    }
                    surface.exports.push(export.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(surface)
}

fn core_import(imports: &mut Vec<Import>, module: &str, name: &str) {
    let import = match imports.iter_mut().find(|import| import.name == module) {
        Some(import) => import,
        None => {
            imports.push(Import {
                name: module.to_owned(),
                items: BTreeMap::new(),
            });
            let last = imports.len() - 1;
            &mut imports[last]
        }
    };
    import.items.insert(name.to_owned(), Item::Other);
}

/// The proposals that the engine is configured for.
fn features() -> wasmparser::WasmFeatures {
    use wasmparser::WasmFeatures;
    WasmFeatures::WASM2
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::MEMORY64
        | WasmFeatures::COMPONENT_MODEL
}

fn kind(surface: &Surface) -> Result<ImageKind, Refusal> {
    let exports = || {
        let mut names = surface.exports.clone();
        names.truncate(8);
        if names.is_empty() {
            "nothing".to_owned()
        } else {
            names.join(", ")
        }
    };
    if !surface.component {
        if surface.functions.iter().any(|name| name == "_start") {
            return Ok(ImageKind::Preview1);
        }
        return Err(Refusal::NothingToRun {
            what: if surface.functions.iter().any(|name| name == "_initialize") {
                "the core module is a reactor (a library), not a program: it has no _start"
            } else {
                "the core module has no _start function"
            },
            exports: exports(),
        });
    }
    let has = |interface: &str| {
        surface
            .exports
            .iter()
            .any(|name| name.starts_with(interface))
    };
    if has("wasi:http/incoming-handler@0.2.") {
        Ok(ImageKind::Http)
    } else if has("wasi:cli/run@0.2.") {
        Ok(ImageKind::Command)
    } else {
        let newer = has("wasi:http/handler@0.3") || has("wasi:cli/run@0.3");
        Err(Refusal::NothingToRun {
            what: if newer {
                "the component is for WASI 0.3, which nodes do not offer yet: build it for WASI 0.2"
            } else {
                "the component has nothing that can be started"
            },
            exports: exports(),
        })
    }
}
