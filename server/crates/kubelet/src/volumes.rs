//! The content of a pod's volumes: emptyDir, configMap, secret, downwardAPI and projected.
//!
//! Files are read when a container starts; a running container keeps what it was started with.

use std::collections::BTreeMap;

use crate::downward::Subject;
use crate::runtime::{Mount, Volume};
use crate::sources::{Sources, config_map_data, secret_data};
use crate::spec::{ConfigFiles, ContainerSpec, DownwardFiles, KeyToPath, VolumeSpec};

type Files = BTreeMap<String, Vec<u8>>;

/// Why a pod's volumes are not ready; said in a `FailedMount` event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VolumeError {
    #[error("MountVolume.SetUp failed for volume \"{volume}\" : {kind} \"{name}\" not found")]
    NotFound {
        volume: String,
        kind: &'static str,
        name: String,
    },
    #[error(
        "MountVolume.SetUp failed for volume \"{volume}\" : references non-existent config key: {key}"
    )]
    NoKey { volume: String, key: String },
    #[error(
        "MountVolume.SetUp failed for volume \"{volume}\" : invalid path: {path} must stay inside the volume"
    )]
    Path { volume: String, path: String },
    #[error(
        "MountVolume.SetUp failed for volume \"{volume}\" : volume type {kind} is not offered by this node, use emptyDir, configMap, secret, downwardAPI or projected"
    )]
    Unsupported { volume: String, kind: String },
}

/// Every volume of a pod by name.
pub(crate) fn resolve(
    subject: &Subject<'_>,
    sources: &Sources<'_>,
) -> Result<BTreeMap<String, Volume>, VolumeError> {
    let volumes = subject.spec.volumes.iter();
    volumes
        .map(|v| Ok((v.name.clone(), content(v, subject, sources)?)))
        .collect()
}

fn content(
    volume: &VolumeSpec,
    subject: &Subject<'_>,
    sources: &Sources<'_>,
) -> Result<Volume, VolumeError> {
    let reader = Reader {
        volume: &volume.name,
        subject,
        sources,
    };
    let mut files = Files::new();
    if let Some(map) = &volume.config_map {
        reader.config_map(map, &mut files)?;
    } else if let Some(secret) = &volume.secret {
        reader.secret(
            &secret.secret_name,
            &secret.items,
            secret.optional,
            &mut files,
        )?;
    } else if let Some(downward) = &volume.downward_api {
        reader.downward(downward, &mut files)?;
    } else if let Some(projected) = &volume.projected {
        for source in &projected.sources {
            if let Some(map) = &source.config_map {
                reader.config_map(map, &mut files)?;
            }
            if let Some(secret) = &source.secret {
                reader.secret(&secret.name, &secret.items, secret.optional, &mut files)?;
            }
            if let Some(downward) = &source.downward_api {
                reader.downward(downward, &mut files)?;
            }
        }
    } else if volume.empty_dir.is_some() || volume.other.is_empty() {
        return Ok(Volume::EmptyDir {
            name: volume.name.clone(),
        });
    } else {
        let kind = volume.other.keys().next().cloned().unwrap_or_default();
        return Err(VolumeError::Unsupported {
            volume: volume.name.clone(),
            kind,
        });
    }
    Ok(Volume::Files {
        name: volume.name.clone(),
        files,
    })
}

struct Reader<'a> {
    volume: &'a str,
    subject: &'a Subject<'a>,
    sources: &'a Sources<'a>,
}

impl Reader<'_> {
    fn config_map(&self, from: &ConfigFiles, files: &mut Files) -> Result<(), VolumeError> {
        let namespace = self.subject.pod.namespace();
        let data = self
            .sources
            .config_map(namespace, &from.name)
            .map(config_map_data);
        self.keyed(
            "configmap",
            &from.name,
            data,
            &from.items,
            from.optional,
            files,
        )
    }

    fn secret(
        &self,
        name: &str,
        items: &[KeyToPath],
        optional: bool,
        files: &mut Files,
    ) -> Result<(), VolumeError> {
        let data = self
            .sources
            .secret(self.subject.pod.namespace(), name)
            .map(secret_data);
        self.keyed("secret", name, data, items, optional, files)
    }

    fn keyed(
        &self,
        kind: &'static str,
        name: &str,
        data: Option<Files>,
        items: &[KeyToPath],
        optional: bool,
        files: &mut Files,
    ) -> Result<(), VolumeError> {
        let Some(mut data) = data else {
            let (volume, name) = (self.volume.into(), name.into());
            return if optional {
                Ok(())
            } else {
                Err(VolumeError::NotFound { volume, kind, name })
            };
        };
        if items.is_empty() {
            files.extend(data);
            return Ok(());
        }
        for item in items {
            match data.get_mut(&item.key) {
                Some(content) => {
                    files.insert(self.inside(&item.path)?, content.clone());
                }
                None if optional => {}
                None => {
                    let (volume, key) = (self.volume.into(), item.key.clone());
                    return Err(VolumeError::NoKey { volume, key });
                }
            }
        }
        Ok(())
    }

    fn downward(&self, from: &DownwardFiles, files: &mut Files) -> Result<(), VolumeError> {
        for item in &from.items {
            let field = item.field_ref.as_ref().and_then(|f| self.subject.field(f));
            let resource = item.resource_field_ref.as_ref();
            let value = field.or_else(|| resource.and_then(|r| self.subject.resource(r, None)));
            let value = value.unwrap_or_default().into_bytes();
            files.insert(self.inside(&item.path)?, value);
        }
        Ok(())
    }

    /// A relative path that does not climb out (`validateLocalDescendingPath`).
    fn inside(&self, path: &str) -> Result<String, VolumeError> {
        let climbs = path.starts_with('/') || path.split('/').any(|part| part == "..");
        if path.is_empty() || climbs {
            let (volume, path) = (self.volume.into(), path.into());
            return Err(VolumeError::Path { volume, path });
        }
        Ok(path.into())
    }
}

/// The mounts of one container. A `subPath` of a file volume holds the files below it; one of an emptyDir is a directory
/// of the same volume, named to the engine as `NAME/SUBPATH`.
pub(crate) fn mounts(container: &ContainerSpec, volumes: &BTreeMap<String, Volume>) -> Vec<Mount> {
    let mount = |m: &crate::spec::VolumeMount| {
        let volume = volumes.get(&m.name)?;
        Some(Mount {
            path: m.mount_path.clone(),
            volume: if m.sub_path.is_empty() {
                volume.clone()
            } else {
                below(volume, &m.sub_path)
            },
            read_only: m.read_only || matches!(volume, Volume::Files { .. }),
        })
    };
    container.volume_mounts.iter().filter_map(mount).collect()
}

fn below(volume: &Volume, sub_path: &str) -> Volume {
    match volume {
        Volume::EmptyDir { name } => Volume::EmptyDir {
            name: format!("{name}/{sub_path}"),
        },
        Volume::Files { name, files } => {
            let prefix = format!("{}/", sub_path.trim_end_matches('/'));
            let inside = files.iter().filter_map(|(path, content)| {
                let path = if path == sub_path {
                    path.rsplit('/').next()?
                } else {
                    path.strip_prefix(&prefix)?
                };
                Some((path.to_owned(), content.clone()))
            });
            Volume::Files {
                name: name.clone(),
                files: inside.collect(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KubeletConfig;
    use crate::spec::PodSpec;
    use client::{Cache, Observed};
    use serde_json::{Value, json};
    use shared::{KindRef, Object, Revision};
    use std::net::Ipv4Addr;

    fn check(volume: Value) -> String {
        let spec = json!({"volumes": [volume], "containers": [
            {"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]});
        let labels = json!({"app": "web"});
        let pod = Object::new(
            json!({"metadata": {"name": "p", "namespace": "a", "labels": labels}, "spec": spec}),
        );
        let spec = PodSpec::parse(pod.at("/spec")).unwrap();
        let config = KubeletConfig::new("n1", Ipv4Addr::new(10, 0, 0, 1));
        let subject = Subject {
            pod: &pod,
            spec: &spec,
            ip: None,
            config: &config,
        };
        let mut cache = Cache::default();
        for (plural, data) in [
            ("configmaps", json!({"x": "1", "y": "2"})),
            ("secrets", json!({"pw": "aHVzaA=="})),
        ] {
            let object =
                Object::new(json!({"metadata": {"name": "m", "namespace": "a"}, "data": data}));
            let kind = KindRef::new("", "v1", plural);
            cache.apply(Observed::Replaced {
                kind,
                revision: Revision(1),
                objects: vec![object],
            });
        }
        match resolve(&subject, &Sources::new(&cache)) {
            Err(error) => error.to_string(),
            Ok(volumes) => match mounts(&spec.containers[0], &volumes).remove(0).volume {
                Volume::EmptyDir { name } => format!("empty {name}"),
                Volume::Files { files, .. } => files
                    .iter()
                    .map(|(k, v)| format!("{k}={}", String::from_utf8_lossy(v)))
                    .collect::<Vec<_>>()
                    .join(" "),
            },
        }
    }

    #[test]
    fn volumes_hold_what_their_sources_say() {
        let failed = |rest: &str| format!("MountVolume.SetUp failed for volume \"v\" : {rest}");
        for (source, want) in [
            (json!({"emptyDir": {}}), "empty v".into()),
            (json!({}), "empty v".into()),
            (json!({"configMap": {"name": "m"}}), "x=1 y=2".into()),
            (
                json!({"configMap": {"name": "m", "items": [{"key": "y", "path": "d/z"}]}}),
                "d/z=2".into(),
            ),
            (
                json!({"configMap": {"name": "m", "items": [{"key": "q", "path": "z"}]}}),
                failed("references non-existent config key: q"),
            ),
            (
                json!({"configMap": {"name": "m", "items": [{"key": "y", "path": "../z"}]}}),
                failed("invalid path: ../z must stay inside the volume"),
            ),
            (
                json!({"configMap": {"name": "no"}}),
                failed("configmap \"no\" not found"),
            ),
            (
                json!({"configMap": {"name": "no", "optional": true}}),
                String::new(),
            ),
            (json!({"secret": {"secretName": "m"}}), "pw=hush".into()),
            (
                json!({"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}}),
                "l=app=\"web\"".into(),
            ),
            (
                json!({"projected": {"sources": [{"secret": {"name": "m"}}, {"configMap": {"name": "m"}}, {"serviceAccountToken": {"path": "token"}}]}}),
                "pw=hush x=1 y=2".into(),
            ),
            (
                json!({"hostPath": {"path": "/"}}),
                failed(
                    "volume type hostPath is not offered by this node, use emptyDir, configMap, secret, downwardAPI or projected",
                ),
            ),
        ] {
            let mut volume = source.clone();
            volume["name"] = json!("v");
            assert_eq!(check(volume), want, "{source}");
        }
    }

    #[test]
    fn a_sub_path_is_a_part_of_the_volume() {
        let files = Files::from([("a".into(), vec![1]), ("d/b".into(), vec![2])]);
        let volume = Volume::Files {
            name: "v".into(),
            files,
        };
        for (sub_path, want) in [("a", "a"), ("d", "b"), ("d/", "b"), ("d/b", "b"), ("x", "")] {
            let Volume::Files { files, .. } = below(&volume, sub_path) else {
                panic!("files")
            };
            assert_eq!(
                files.into_keys().collect::<Vec<_>>().join(" "),
                want,
                "{sub_path}"
            );
        }
    }
}
