//! The content of a pod's volumes: emptyDir, configMap, secret, downwardAPI and projected.
//!
//! Files are read when a container starts, and again when their sources changed.

use std::collections::BTreeMap;

use shared::Millis;

use crate::downward::Subject;
use crate::env::expand_strictly;
use crate::runtime::{Mount, Volume};
use crate::sources::{Sources, config_map_data, secret_data};
use crate::spec::{
    ConfigFiles, ContainerSpec, DownwardFiles, KeyToPath, Projected, TokenFile, VolumeMount,
    VolumeSpec,
};
use crate::tokens::{Standing, TokenKey, Tokens};

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
    #[error("MountVolume.SetUp failed for volume \"{volume}\" : failed to fetch token: {why}")]
    Token { volume: String, why: String },
    #[error(
        "MountVolume.SetUp failed for volume \"{volume}\" : volume type {kind} is not offered by this node, use emptyDir, configMap, secret, downwardAPI or projected"
    )]
    Unsupported { volume: String, kind: String },
}

/// Every volume of a pod by name.
pub(crate) fn resolve(
    subject: &Subject<'_>,
    sources: &Sources<'_>,
    tokens: &Tokens,
    now: Millis,
) -> Result<BTreeMap<String, Volume>, VolumeError> {
    let volumes = subject.spec.volumes.iter();
    let reader = |volume| Reader {
        volume,
        subject,
        sources,
        tokens,
        now,
    };
    volumes
        .map(|v| Ok((v.name.clone(), content(v, &reader(&v.name))?)))
        .collect()
}

fn content(volume: &VolumeSpec, reader: &Reader<'_>) -> Result<Volume, VolumeError> {
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
        reader.projected(projected, &mut files)?;
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
    tokens: &'a Tokens,
    now: Millis,
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

    fn projected(&self, from: &Projected, files: &mut Files) -> Result<(), VolumeError> {
        for source in &from.sources {
            if let Some(map) = &source.config_map {
                self.config_map(map, files)?;
            }
            if let Some(secret) = &source.secret {
                self.secret(&secret.name, &secret.items, secret.optional, files)?;
            }
            if let Some(downward) = &source.downward_api {
                self.downward(downward, files)?;
            }
            if let Some(token) = &source.service_account_token {
                self.token(token, files)?;
            }
        }
        Ok(())
    }

    fn token(&self, from: &TokenFile, files: &mut Files) -> Result<(), VolumeError> {
        let key = TokenKey::new(self.subject.pod, self.subject.spec, from);
        let failed = |why: &str| VolumeError::Token {
            volume: self.volume.into(),
            why: why.into(),
        };
        match self.tokens.standing(&key, self.now) {
            Standing::Here(token) => {
                files.insert(self.inside(&from.path)?, token.as_bytes().to_vec());
                Ok(())
            }
            Standing::Asked => Err(failed("the apiserver has not answered yet")),
            Standing::Failed(why) => Err(failed(why)),
        }
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

/// The mounts of one container; `lookup` is its environment, for `subPathExpr`.
pub(crate) fn mounts(
    container: &ContainerSpec,
    volumes: &BTreeMap<String, Volume>,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Mount>, String> {
    let mount = |m: &VolumeMount| -> Option<Result<Mount, String>> {
        let volume = volumes.get(&m.name)?;
        let sub_path = sub_path(m, &lookup);
        Some(sub_path.map(|sub_path| Mount {
            path: m.mount_path.clone(),
            volume: volume.clone(),
            sub_path,
            read_only: m.read_only || matches!(volume, Volume::Files { .. }),
        }))
    };
    container.volume_mounts.iter().filter_map(mount).collect()
}

fn sub_path(
    mount: &VolumeMount,
    lookup: &impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let path = if mount.sub_path_expr.is_empty() {
        mount.sub_path.clone()
    } else {
        expand_strictly(&mount.sub_path_expr, lookup)
            .map_err(|_| format!("missing value for {}", mount.sub_path_expr))?
    };
    if path.starts_with('/') {
        return Err(format!(
            "error SubPath `{path}` must not be an absolute path"
        ));
    }
    if path.split('/').any(|part| part == "..") {
        return Err(format!(
            "unable to provision SubPath `{path}`: must not contain '..'"
        ));
    }
    Ok(path.trim_matches('/').to_owned())
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
        let tokens = Tokens::default();
        match resolve(&subject, &Sources::new(&cache), &tokens, Millis(0)) {
            Err(error) => error.to_string(),
            Ok(mut volumes) => match volumes.remove("v").unwrap() {
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
                json!({"projected": {"sources": [{"secret": {"name": "m"}}, {"configMap": {"name": "m"}}]}}),
                "pw=hush x=1 y=2".into(),
            ),
            (
                json!({"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}),
                failed("failed to fetch token: the apiserver has not answered yet"),
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
    fn sub_paths_stay_inside_and_may_name_variables() {
        let volume = Volume::EmptyDir { name: "v".into() };
        let volumes = BTreeMap::from([("v".to_owned(), volume)]);
        let env = |name: &str| (name == "POD").then(|| "web-0".to_owned());
        for (mount, want) in [
            (json!({"subPath": "a/b/"}), Ok("a/b")),
            (json!({"subPathExpr": "logs/$(POD)"}), Ok("logs/web-0")),
            (
                json!({"subPathExpr": "logs/$(NO)"}),
                Err("missing value for logs/$(NO)"),
            ),
            (
                json!({"subPath": "/a"}),
                Err("error SubPath `/a` must not be an absolute path"),
            ),
            (
                json!({"subPath": "a/../../b"}),
                Err("unable to provision SubPath `a/../../b`: must not contain '..'"),
            ),
        ] {
            let mut mount = mount;
            (mount["name"], mount["mountPath"]) = (json!("v"), json!("/v"));
            let container: ContainerSpec =
                serde_json::from_value(json!({"volumeMounts": [mount]})).unwrap();
            let got = mounts(&container, &volumes, env).map(|m| m[0].sub_path.clone());
            assert_eq!(got, want.map(str::to_owned).map_err(str::to_owned));
        }
    }
}
