//! Impersonation: asking under another's name (`apiserver/pkg/endpoints/filters/impersonation.go`).

use shared::Status;
use store::Snapshot;

use super::{Attributes, Decision};
use crate::server::{ApiServer, User};

/// Everybody who has a name is in it.
const AUTHENTICATED: &str = "system:authenticated";
/// Everybody else is in it.
const UNAUTHENTICATED: &str = "system:unauthenticated";

/// Whom a request asks to be handled as: the `Impersonate-*` headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Impersonation {
    /// `Impersonate-User`.
    pub user: String,
    /// `Impersonate-Group`, once per group.
    pub groups: Vec<String>,
    /// `Impersonate-Uid`.
    pub uid: String,
    /// `Impersonate-Extra-KEY`, with the decoded key in lower case.
    pub extra: Vec<(String, String)>,
}

impl Impersonation {
    /// True when nobody is impersonated.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The namespace and the name of a service account's user name.
pub(crate) fn service_account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user
        .strip_prefix("system:serviceaccount:")?
        .split_once(':')?;
    (!namespace.is_empty() && !name.is_empty() && !name.contains(':')).then_some((namespace, name))
}

impl ApiServer {
    /// The user that a request is handled as.
    ///
    /// # Errors
    /// 403 when the caller may not impersonate some part of it, 500 for groups without a user.
    pub fn impersonate(
        &self,
        caller: &User,
        asked: &Impersonation,
        snapshot: &Snapshot,
    ) -> Result<User, Status> {
        if asked.user.is_empty() {
            return Err(Status::internal(format!(
                "requested {asked:?} without impersonating a user name"
            )));
        }
        let mut user = User {
            name: asked.user.clone(),
            uid: asked.uid.clone(),
            groups: asked.groups.clone(),
            ..User::default()
        };
        let may = |group, resource, subresource, namespace, name: &str| {
            let attributes = Attributes {
                user: caller,
                verb: "impersonate",
                group,
                resource,
                subresource,
                namespace,
                name,
                path: "",
            };
            match self.authorizer.authorize(&attributes, snapshot) {
                Decision::Allow => Ok(()),
                Decision::Deny(why) => Err(attributes.refusal(&why)),
            }
        };
        if let Some((namespace, name)) = service_account(&asked.user) {
            may("", "serviceaccounts", "", namespace, name)?;
            if user.groups.is_empty() {
                let of_namespace = format!("system:serviceaccounts:{namespace}");
                user.groups = vec!["system:serviceaccounts".into(), of_namespace];
            }
        } else {
            may("", "users", "", "", &asked.user)?;
        }
        for group in &asked.groups {
            may("", "groups", "", "", group)?;
        }
        for (key, value) in &asked.extra {
            may("authentication.k8s.io", "userextras", key, "", value)?;
            user.extra
                .entry(key.clone())
                .or_default()
                .push(value.clone());
        }
        if !asked.uid.is_empty() {
            may("authentication.k8s.io", "uids", "", "", &asked.uid)?;
        }
        let own = if user.name == User::anonymous().name {
            UNAUTHENTICATED
        } else {
            AUTHENTICATED
        };
        if !user
            .groups
            .iter()
            .any(|g| g == AUTHENTICATED || g == UNAUTHENTICATED)
        {
            user.groups.push(own.into());
        }
        Ok(user)
    }
}
