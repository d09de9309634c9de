//! Asks the real linker what a node offers.
//!
//! wasmtime's component linker cannot be listed, but it can be tried: for each function that an image imports, a
//! component of a few dozen bytes that imports only this function is checked against the linker. That takes
//! microseconds and no compilation of the image, and the answer is the linker's own.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType, ResourceId};
use wasmparser::types::TypesRef;

use super::inspect::{Import, Item};

/// What the engine's linkers hold.
pub(crate) struct Offers {
    engine: wasmtime::Engine,
    linker: wasmtime::component::Linker<crate::guest::Guest>,
    core: BTreeSet<(String, String)>,
    known: Mutex<BTreeMap<(String, String), bool>>,
}

/// Answers that are remembered at most; made-up names must not fill the memory.
const KNOWN_MAX: usize = 4096;

impl Offers {
    /// `core` are the functions for preview 1 by module and name.
    pub(crate) fn new(
        engine: wasmtime::Engine,
        linker: wasmtime::component::Linker<crate::guest::Guest>,
        core: BTreeSet<(String, String)>,
    ) -> Self {
        Self {
            engine,
            linker,
            core,
            known: Mutex::default(),
        }
    }

    /// What of `import` is not there, in words.
    pub(super) fn missing(&self, import: &Import, component: bool) -> Vec<String> {
        if !component {
            return import
                .items
                .keys()
                .filter(|item| !self.core.contains(&(import.name.clone(), (*item).clone())))
                .map(|item| format!("{item} in module {}", import.name))
                .collect();
        }
        let mut missing: Vec<String> = import
            .items
            .iter()
            .filter(|(item, kind)| **kind != Item::Other && !self.has(&import.name, item, **kind))
            .map(|(item, _)| item.clone())
            .collect();
        let asked = import
            .items
            .values()
            .filter(|kind| **kind != Item::Other)
            .count();
        if asked > 1 && missing.len() == asked {
            // Nothing of it is there: the interface's name says it all.
            missing = vec!["everything".to_owned()];
        }
        missing
            .into_iter()
            .map(|item| format!("{item} in interface {}", import.name))
            .collect()
    }

    fn has(&self, interface: &str, item: &str, kind: Item) -> bool {
        let key = (interface.to_owned(), item.to_owned());
        if let Some(known) = self.known.lock().get(&key) {
            return *known;
        }
        let has = self.ask(interface, item, kind);
        let mut known = self.known.lock();
        if known.len() < KNOWN_MAX {
            known.insert(key, has);
        }
        has
    }

    fn ask(&self, interface: &str, item: &str, kind: Item) -> bool {
        let probe = probe(interface, item, kind);
        let Ok(component) = wasmtime::component::Component::new(&self.engine, &probe) else {
            // A name that the probe cannot express is left to the real link, which says what is wrong with it.
            return true;
        };
        match self.linker.instantiate_pre(&component) {
            Ok(_) => true,
            // There, with another type than the probe's made-up one.
            Err(error) => !error
                .chain()
                .any(|cause| cause.to_string().contains("implementation is missing")),
        }
    }
}

/// What a component wants of the instance that it imports as `name`. `seen` are the resources of imports before it: an
/// interface that merely uses one names it again.
pub(super) fn items_of(
    types: TypesRef<'_>,
    name: &str,
    seen: &mut Vec<ResourceId>,
) -> BTreeMap<String, Item> {
    let Some(import) = types.component_item_for_import(name) else {
        return BTreeMap::new();
    };
    match import.ty {
        ComponentEntityType::Instance(id) => types[id]
            .exports
            .iter()
            .map(|(name, item)| {
                let kind = match item.ty {
                    ComponentEntityType::Func(_) => Item::Function,
                    ComponentEntityType::Type {
                        referenced: ComponentAnyTypeId::Resource(id),
                        ..
                    } if !seen.contains(&id.resource()) => {
                        seen.push(id.resource());
                        Item::Resource
                    }
                    _ => Item::Other,
                };
                (name.clone(), kind)
            })
            .collect(),
        _ => BTreeMap::new(),
    }
}

/// A component that imports `interface` with nothing but `item`, in the binary format of the component model
/// (`design/mvp/Binary.md` in its repository).
fn probe(interface: &str, item: &str, kind: Item) -> Vec<u8> {
    let mut declarations: Vec<Vec<u8>> = Vec::new();
    let method = item.strip_prefix("[method]");
    let constructor = item.strip_prefix("[constructor]");
    let owner = method
        .or_else(|| item.strip_prefix("[static]"))
        .and_then(|name| name.split_once('.'))
        .map(|(resource, _)| resource)
        .or(constructor);
    if kind == Item::Resource {
        declarations.push(export(item, &[0x03, 0x01]));
    } else {
        let mut types = 0;
        if let Some(resource) = owner {
            declarations.push(export(resource, &[0x03, 0x01]));
            types += 1;
        }
        let function: Vec<u8> = if method.is_some() {
            declarations.push(vec![0x01, 0x68, 0x00]);
            types += 1;
            let mut function = vec![0x01, 0x40, 0x01];
            function.extend(string("self"));
            function.extend([0x01, 0x01, 0x00]);
            function
        } else if constructor.is_some() {
            declarations.push(vec![0x01, 0x69, 0x00]);
            types += 1;
            vec![0x01, 0x40, 0x00, 0x00, 0x01]
        } else {
            vec![0x01, 0x40, 0x00, 0x01, 0x00]
        };
        declarations.push(function);
        declarations.push(export(item, &[0x01, types]));
    }
    let mut instance = vec![0x01, 0x42];
    instance.extend(leb(declarations.len()));
    instance.extend(declarations.concat());
    let mut import = vec![0x01, 0x00];
    import.extend(string(interface));
    import.extend([0x05, 0x00]);
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    for (section, body) in [(7, instance), (10, import)] {
        component.push(section);
        component.extend(leb(body.len()));
        component.extend(body);
    }
    component
}

fn export(name: &str, description: &[u8]) -> Vec<u8> {
    let mut out = vec![0x04, 0x00];
    out.extend(string(name));
    out.extend(description);
    out
}

fn string(text: &str) -> Vec<u8> {
    let mut out = leb(text.len());
    out.extend(text.as_bytes());
    out
}

/// Unsigned LEB128.
fn leb(mut n: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = (n & 0x7f) as u8;
        n >>= 7;
        if n == 0 {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_valid_components() {
        for (item, kind) in [
            ("get-environment", Item::Function),
            ("tcp-socket", Item::Resource),
            ("[method]tcp-socket.accept", Item::Function),
            ("[static]fields.from-list", Item::Function),
            ("[constructor]fields", Item::Function),
        ] {
            let bytes = probe("wasi:some/interface@0.2.0", item, kind);
            wasmparser::Validator::new()
                .validate_all(&bytes)
                .unwrap_or_else(|error| panic!("{item}: {error}"));
        }
    }
}
