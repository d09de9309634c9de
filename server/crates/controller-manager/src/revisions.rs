//! ControllerRevisions: the templates that a DaemonSet or StatefulSet had, numbered (`pkg/controller/history`).

use client::{PatchKind, Request};
use serde_json::{Value, json};
use shared::{Object, ObjectKey};

use crate::controllers::deployment::template_hash;
use crate::meta::{controller_reference, controller_revisions, map};
use crate::plan::Write;
use crate::view::View;

/// A workload's revisions, the oldest first.
pub(crate) struct History<'a> {
    owner: &'a Object,
    all: Vec<&'a Object>,
    data: Value,
}

/// The revision of the present template, or what makes it the newest one.
pub(crate) enum Newest<'a> {
    /// It is there and has the highest number.
    Is(&'a Object),
    /// This write is needed first.
    Needs(Box<Write>),
    /// Its name is taken: `status.collisionCount` has to go up.
    Collides,
}

/// What a revision keeps: the template, as the strategic merge patch that restores it.
fn data(owner: &Object) -> Value {
    let mut template = owner.at("/spec/template").cloned().unwrap_or_default();
    if let Some(map) = template.as_object_mut() {
        map.insert("$patch".into(), "replace".into());
    }
    json!({"spec": {"template": template}})
}

/// The template that a revision keeps.
pub(crate) fn template(revision: &Object) -> Value {
    let template = revision.at("/data/spec/template").cloned();
    let mut template = template.unwrap_or_default();
    if let Some(map) = template.as_object_mut() {
        map.remove("$patch");
    }
    template
}

fn number(revision: &Object) -> i64 {
    revision.int("/revision").unwrap_or(0)
}

impl<'a> History<'a> {
    pub(crate) fn of(view: &'a View, owner: &'a Object) -> Self {
        let mut all = view.controlled(owner, &controller_revisions());
        all.sort_by_key(|r| (number(r), r.created(), r.name().to_owned()));
        Self {
            owner,
            all,
            data: data(owner),
        }
    }

    /// The revision of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&'a Object> {
        self.all.iter().copied().find(|r| r.name() == name)
    }

    /// The revision of the present template. `label` is the key under which a revision carries its hash.
    pub(crate) fn newest(&self, view: &View, kind: &str, label: &str) -> Newest<'a> {
        let highest = self.all.iter().map(|r| number(r)).max().unwrap_or(0);
        let same = |r: &&&Object| r.at("/data") == Some(&self.data);
        if let Some(found) = self.all.iter().rev().find(same) {
            if number(found) == highest {
                return Newest::Is(found);
            }
            let version = found.text("/metadata/resourceVersion");
            let patch = json!({"metadata": {"uid": found.uid(), "resourceVersion": version}, "revision": highest + 1});
            let request = Request::patch(
                controller_revisions(),
                &found.key(),
                PatchKind::Merge,
                patch,
            );
            return Newest::Needs(Box::new(Write::new(request)));
        }
        let owner = self.owner;
        let collisions = owner.int("/status/collisionCount").unwrap_or(0);
        let hash = template_hash(&self.data, collisions);
        let name = format!("{}-{hash}", owner.name());
        let key = ObjectKey::new(owner.namespace(), &name);
        if view.get(&controller_revisions(), &key).is_some() {
            return Newest::Collides;
        }
        let mut labels = map(owner, "/spec/template/metadata/labels");
        labels.insert(label.into(), hash.into());
        let revision = json!({
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {
                "name": name,
                "namespace": owner.namespace(),
                "labels": labels,
                "ownerReferences": [controller_reference(owner, "apps/v1", kind)],
            },
            "data": self.data,
            "revision": highest + 1,
        });
        let request = Request::create(controller_revisions(), revision);
        Newest::Needs(Box::new(Write::new(request)))
    }

    /// Deletes the oldest revisions beyond `revisionHistoryLimit` that `is_used` does not name.
    pub(crate) fn clean_up(&self, is_used: impl Fn(&Object) -> bool) -> Vec<Write> {
        let limit = self.owner.int("/spec/revisionHistoryLimit").unwrap_or(10);
        let limit = usize::try_from(limit).unwrap_or(0);
        let unused: Vec<&&Object> = self.all.iter().filter(|r| !is_used(r)).collect();
        let surplus = unused.len().saturating_sub(limit);
        let doomed = unused.into_iter().take(surplus);
        doomed
            .map(|r| Write::new(Request::delete(controller_revisions(), &r.key(), r.uid())))
            .collect()
    }
}
