//! The engine's images in the dashboard's words.

use std::collections::BTreeMap;

use bytes::Bytes;
use io_driver::backstage::Images;
use io_driver::client::Pending;
use io_wasm::image::{Image as Stored, ImageInfo};
use io_wasm::{Engine, UploadError};
use parking_lot::Mutex;
use shared::Status;
use shared::live::Image;

/// The images of this process's engine.
pub(crate) struct LocalImages {
    engine: Engine,
    /// What was found in each image, by digest: looking inside costs up to a second.
    known: Mutex<BTreeMap<String, ImageInfo>>,
}

impl LocalImages {
    pub(crate) fn new(engine: Engine) -> Self {
        Self {
            engine,
            known: Mutex::default(),
        }
    }

    fn info(&self, image: &Stored) -> Option<ImageInfo> {
        let digest = image.digest.to_string();
        if let Some(info) = self.known.lock().get(&digest) {
            return Some(info.clone());
        }
        let program = self.engine.images().program(&image.digest).ok()?;
        let info = self.engine.inspect(&program).ok()?;
        self.known.lock().insert(digest, info.clone());
        Some(info)
    }

    fn describe(&self, name: &str, aliases: &BTreeMap<String, String>) -> Option<Image> {
        let image = self.engine.images().resolve(name).ok()?;
        let info = self.info(&image)?;
        let own = aliases
            .iter()
            .filter(|(_, target)| *target == name)
            .map(|(alias, _)| alias.clone());
        let repository = name.rsplit_once(':').map_or(name, |(r, _)| r);
        let uploaded = !self.engine.images().is_sample(repository);
        Some(present(&image, info, own.collect(), uploaded))
    }
}

fn present(image: &Stored, info: ImageInfo, aliases: Vec<String>, uploaded: bool) -> Image {
    Image {
        name: image.name.clone(),
        digest: image.digest.to_string(),
        size: info.size as u64,
        what: info.kind.describe().into(),
        aliases,
        imports: info.imports,
        exports: info.exports,
        uploaded,
    }
}

fn refuse(error: &UploadError) -> Status {
    let (code, reason) = match error {
        UploadError::InvalidName(_) => (400, "BadRequest"),
        UploadError::Refused(_) | UploadError::Compile(_) => (422, "Invalid"),
        UploadError::Store(_) => (500, "InternalError"),
    };
    Status::failure(code, reason, error.to_string())
}

impl Images for LocalImages {
    fn list(&self) -> Vec<Image> {
        let aliases = self.engine.images().aliases();
        self.engine
            .images()
            .list()
            .iter()
            .filter_map(|(name, _)| self.describe(name, &aliases))
            .collect()
    }

    fn upload(&self, name: &str, module: Bytes) -> Pending<Result<Image, Status>> {
        let (engine, name) = (self.engine.clone(), name.to_owned());
        Box::pin(async move {
            let (image, info) = engine
                .add_upload(&name, module)
                .await
                .map_err(|e| refuse(&e))?;
            Ok(present(&image, info, Vec::new(), true))
        })
    }
}
