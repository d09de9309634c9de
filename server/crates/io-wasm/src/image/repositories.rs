//! The index of an image store: repositories with their tags and manifests. Plain data, kept as `index.json`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Digest;
use super::manifest::{Content, Manifest};

/// What is known of a stored manifest without reading it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) media_type: String,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// The program that it leads to, when it is an image for Wasm.
    pub(crate) program: Option<Digest>,
    /// Why there is no program.
    pub(crate) why_not: Option<String>,
    /// The blobs that it needs.
    pub(crate) blobs: Vec<Digest>,
    /// The manifests that it chooses from.
    pub(crate) manifests: Vec<Digest>,
    pub(crate) subject: Option<Digest>,
    pub(crate) artifact_type: Option<String>,
    pub(crate) annotations: Option<Value>,
}

impl Stored {
    /// A manifest whose program is not known yet.
    pub(crate) fn new(manifest: &Manifest, size: usize) -> Self {
        let children = match &manifest.content {
            Content::Image { .. } => Vec::new(),
            Content::Index(manifests) => manifests.iter().map(|m| m.digest).collect(),
        };
        Self {
            media_type: manifest.media_type.clone(),
            size: size as u64,
            program: None,
            why_not: None,
            blobs: manifest.blobs().iter().map(|blob| blob.digest).collect(),
            manifests: children,
            subject: manifest.subject,
            artifact_type: manifest.artifact_type.clone(),
            annotations: manifest.annotations.clone(),
        }
    }
}

/// One name's images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Repository {
    pub(crate) tags: BTreeMap<String, Digest>,
    pub(crate) manifests: BTreeMap<Digest, Stored>,
}

impl Repository {
    /// The manifest that a tag or a digest names.
    pub(crate) fn find(&self, reference: &str) -> Option<(Digest, &Stored)> {
        let digest = match Digest::parse(reference) {
            Some(digest) => digest,
            None => *self.tags.get(reference)?,
        };
        Some((digest, self.manifests.get(&digest)?))
    }

    /// Nothing names the manifest: no tag, no index, and it says nothing about one that is there.
    fn is_loose(&self, digest: &Digest, stored: &Stored) -> bool {
        let tagged = self.tags.values().any(|tagged| tagged == digest);
        let chosen = self
            .manifests
            .values()
            .any(|other| other.manifests.contains(digest));
        let about = stored
            .subject
            .is_some_and(|subject| self.manifests.contains_key(&subject));
        !(tagged || chosen || about)
    }
}

/// All repositories by full name: `docker.io/library/nginx`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Repositories(pub(crate) BTreeMap<String, Repository>);

impl Repositories {
    pub(crate) fn find(&self, repository: &str, reference: &str) -> Option<(Digest, &Stored)> {
        self.0.get(repository)?.find(reference)
    }

    pub(crate) fn insert(
        &mut self,
        repository: &str,
        tag: Option<&str>,
        digest: Digest,
        stored: Stored,
    ) {
        let repository = self.0.entry(repository.to_owned()).or_default();
        repository.manifests.insert(digest, stored);
        if let Some(tag) = tag {
            repository.tags.insert(tag.to_owned(), digest);
        }
    }

    /// Removes a tag, or a manifest with its tags; whether there was one.
    pub(crate) fn remove(&mut self, name: &str, reference: &str) -> bool {
        let Some(repository) = self.0.get_mut(name) else {
            return false;
        };
        let removed = match Digest::parse(reference) {
            Some(digest) => {
                repository.tags.retain(|_, tagged| *tagged != digest);
                repository.manifests.remove(&digest).is_some()
            }
            None => repository.tags.remove(reference).is_some(),
        };
        if repository.manifests.is_empty() {
            self.0.remove(name);
        }
        removed
    }

    /// Removes what nothing names any more; whether there was any.
    pub(crate) fn remove_loose(&mut self, name: &str) -> bool {
        let mut removed = false;
        while let Some(repository) = self.0.get_mut(name) {
            let loose = repository
                .manifests
                .iter()
                .find(|(digest, stored)| repository.is_loose(digest, stored))
                .map(|(digest, _)| *digest);
            let Some(loose) = loose else { break };
            repository.manifests.remove(&loose);
            removed = true;
            if repository.manifests.is_empty() {
                self.0.remove(name);
            }
        }
        removed
    }

    /// How many manifests there are.
    pub(crate) fn len(&self) -> usize {
        self.0.values().map(|r| r.manifests.len()).sum()
    }

    /// All content that is needed: manifests, their blobs, their programs.
    pub(crate) fn needed(&self) -> BTreeSet<Digest> {
        let manifests = self.0.values().flat_map(|r| &r.manifests);
        manifests
            .flat_map(|(digest, stored)| {
                std::iter::once(*digest)
                    .chain(stored.blobs.iter().copied())
                    .chain(stored.program)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::{OCI_INDEX, OCI_MANIFEST, wrap};
    use super::*;
    use serde_json::json;

    fn image(text: &str) -> (Digest, Stored) {
        let (_, bytes) = wrap(text.as_bytes());
        let manifest = Manifest::parse(&bytes, Some(OCI_MANIFEST)).unwrap();
        (Digest::of(&bytes), Stored::new(&manifest, bytes.len()))
    }

    #[test]
    fn tags_move_and_what_is_loose_goes() {
        let mut all = Repositories::default();
        let ((first, one), (second, two)) = (image("1"), image("2"));
        all.insert("r", Some("v1"), first, one.clone());
        all.insert("r", Some("latest"), first, one.clone());
        assert!(!all.remove_loose("r"));
        all.insert("r", Some("latest"), second, two);
        assert_eq!(all.find("r", "latest").unwrap().0, second);
        assert_eq!(all.find("r", &first.to_string()).unwrap().0, first);
        assert!(all.remove("r", "v1") && !all.remove("r", "v1"));
        assert!(all.remove_loose("r"));
        assert_eq!((all.len(), all.needed().len()), (1, 3));
        assert!(all.remove("r", &second.to_string()));
        assert_eq!(all, Repositories::default(), "an empty repository is none");
    }

    #[test]
    fn an_index_keeps_its_manifests_and_a_subject_its_referrers() {
        let mut all = Repositories::default();
        let ((first, one), (second, mut two)) = (image("1"), image("2"));
        let index = json!({"schemaVersion": 2, "manifests": [{"mediaType": OCI_MANIFEST, "digest": first, "size": 1}]});
        let bytes = index.to_string().into_bytes();
        let parsed = Manifest::parse(&bytes, Some(OCI_INDEX)).unwrap();
        let digest = Digest::of(&bytes);
        two.subject = Some(digest);
        all.insert("r", None, first, one);
        all.insert("r", Some("v1"), digest, Stored::new(&parsed, bytes.len()));
        all.insert("r", None, second, two);
        assert!(!all.remove_loose("r"));
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Repositories>(&text).unwrap(), all);
        assert!(all.remove("r", "v1"));
        assert!(all.remove_loose("r"));
        assert_eq!(all, Repositories::default());
    }
}
