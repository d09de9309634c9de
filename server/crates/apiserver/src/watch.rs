//! watch: which events a watcher sees. How they are written is in [`crate::frame`].
//!
//! The shell turns every committed event into one shared [`Change`] and hands it to each [`WatchCursor`] whose prefix
//! it has. What a watcher sees of an object that enters or leaves its selection follows the original's watch cache:
//! ADDED on entry, DELETED with the last state that was in view on exit.

use std::sync::Arc;

use serde_json::json;
use shared::{Kind, Revision, Status};
use store::{Event, EventKind, Key, ReadError, Snapshot};

use crate::decoded::Decoded;
use crate::frame::{Frames, WatchFrame, Word};
use crate::item::Item;
use crate::read::{not_from_the_future, parse_version};
use crate::selection::Selection;
use crate::server::{ApiServer, Context, Phase, Target};
use crate::{convert, refuse};

/// How many events are read from history at once when a watcher catches up.
const CATCH_UP_CHUNK: usize = 1000;
/// How often a watcher that asked for bookmarks gets one, in seconds.
pub const BOOKMARK_EVERY_S: u64 = 60;
/// The shortest time after which the server ends a watch that set no `timeoutSeconds`; the longest is twice that
/// (`--min-request-timeout`).
pub const MIN_WATCH_TIMEOUT_S: u64 = 1800;

/// One committed event of an object, parsed and encoded at most once however many watch it.
#[derive(Debug)]
pub struct Change {
    key: Key,
    revision: Revision,
    current: Option<Item>,
    previous: Option<Item>,
    /// What a deletion shows: the last state, as of the revision of the deletion.
    removed: Option<Item>,
    pub(crate) frames: Frames,
}

impl Change {
    fn new(kind: &'static Kind, event: &Event, decoded: Arc<Decoded>) -> Self {
        let revision = event.kv.mod_revision;
        let current = (event.kind == EventKind::Put)
            .then(|| Item::written(kind, event.kv.value.clone(), revision, decoded));
        let previous = event
            .previous
            .as_ref()
            .map(|kv| Item::stored(kind, kv.value.clone(), kv.mod_revision));
        let removed = previous.as_ref().filter(|_| current.is_none());
        Self {
            key: event.kv.key.clone(),
            revision,
            removed: removed.map(|item| item.at(revision)),
            current,
            previous,
            frames: Frames::default(),
        }
    }

    /// The store key.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The kind of the object, as it is stored.
    #[must_use]
    pub fn kind(&self) -> Option<&'static Kind> {
        let item = self.current.as_ref().or(self.previous.as_ref());
        item.map(Item::kind)
    }

    /// The revision that it happened at.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The object after the change; `None` when it was deleted.
    #[must_use]
    pub fn current(&self) -> Option<&Item> {
        self.current.as_ref()
    }

    /// The object before the change; `None` when it was created.
    #[must_use]
    pub fn previous(&self) -> Option<&Item> {
        self.previous.as_ref()
    }
}

/// Where a watcher is and what it wants to see.
#[derive(Debug)]
pub struct WatchCursor {
    kind: &'static Kind,
    prefix: String,
    selection: Selection,
    position: Revision,
}

impl WatchCursor {
    /// The kind watched.
    #[must_use]
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// The key prefix of everything it can see.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Everything up to this revision was seen.
    #[must_use]
    pub fn position(&self) -> Revision {
        self.position
    }

    /// Nothing up to `revision` concerns this watcher that it was not told.
    pub fn advance(&mut self, revision: Revision) {
        self.position = self.position.max(revision);
    }

    /// Takes in changes in the order of their commits, whole commits at a time; those it has seen are skipped.
    ///
    /// # Errors
    /// 500 when a stored object is damaged.
    pub fn next(&mut self, changes: &[Arc<Change>]) -> Result<Vec<WatchFrame>, Status> {
        let seen = self.position;
        let mut frames = Vec::new();
        for change in changes.iter().filter(|c| c.revision > seen) {
            self.position = self.position.max(change.revision);
            if change.key.starts_with(&self.prefix) {
                frames.extend(self.judge(change)?);
            }
        }
        Ok(frames)
    }

    fn judge(&self, change: &Arc<Change>) -> Result<Option<WatchFrame>, Status> {
        if let (false, Some(item)) = (self.selection.is_everything(), &change.current) {
            // All who select look at the parsed form, which somebody will need anyway; at the state before, only they.
            item.glance()?;
        }
        let (before, after) = (
            self.view(change.previous.as_ref())?,
            self.view(change.current.as_ref())?,
        );
        let (word, item) = match (before, after) {
            (None, Some(item)) => (Word::Added, item),
            (Some(_), Some(item)) => (Word::Modified, item),
            (Some(item), None) => (Word::Deleted, self.last(change, &item)),
            (None, None) => return Ok(None),
        };
        let shared = (!convert::is_converted(self.kind)).then(|| change.clone());
        Ok(Some(WatchFrame::new(word, item, shared)))
    }

    /// The last state that was in view: shared by all watchers when the object is gone, and not only out of view.
    fn last(&self, change: &Change, seen: &Item) -> Item {
        match &change.removed {
            Some(item) if !convert::is_converted(self.kind) => item.clone(),
            _ => seen.at(change.revision),
        }
    }

    /// The item if it is in view.
    fn view(&self, item: Option<&Item>) -> Result<Option<Item>, Status> {
        let Some(item) = item else { return Ok(None) };
        let converted = convert::is_converted(self.kind).then(|| item.viewed_as(self.kind));
        let item = converted.as_ref().unwrap_or(item);
        Ok(self.selection.matches(item)?.then(|| item.clone()))
    }

    /// What happened next between its position and `snapshot`: to resume, or to close a gap. A long gap is closed in
    /// steps, so that no watcher holds all of it at a time: go on until [`Self::position`] is the snapshot's revision.
    ///
    /// # Errors
    /// 410 when the history is compacted away: the watcher has to list again.
    pub fn catch_up(&mut self, snapshot: &Snapshot) -> Result<Vec<WatchFrame>, Status> {
        let events = snapshot
            .events_after(&self.prefix, self.position, CATCH_UP_CHUNK)
            .map_err(|e| refuse_resume(&e))?;
        let changes: Vec<Arc<Change>> = events
            .iter()
            .map(|e| {
                Arc::new(Change::new(
                    convert::storage_kind(self.kind),
                    e,
                    Arc::default(),
                ))
            })
            .collect();
        let frames = self.next(&changes)?;
        if events.len() < CATCH_UP_CHUNK {
            self.advance(snapshot.revision());
        }
        Ok(frames)
    }

    /// A bookmark at its position.
    #[must_use]
    pub fn bookmark(&self) -> WatchFrame {
        self.bookmark_with(None)
    }

    fn bookmark_with(&self, annotation: Option<&str>) -> WatchFrame {
        let mut object = json!({
            "kind": self.kind.kind,
            "apiVersion": self.kind.api_version(),
            "metadata": {"resourceVersion": self.position.to_string()},
        });
        if let (Some(key), Some(metadata)) = (
            annotation,
            object.get_mut("metadata").and_then(|m| m.as_object_mut()),
        ) {
            metadata.insert("annotations".into(), json!({key: "true"}));
        }
        WatchFrame::new(Word::Bookmark, Item::made(self.kind, object), None)
    }
}

fn refuse_resume(error: &ReadError) -> Status {
    match error {
        ReadError::Compacted {
            requested,
            compacted,
        } => Status::expired(format!(
            "too old resource version: {requested} ({compacted})"
        )),
        ReadError::Future { requested, current } => refuse::from_the_future(requested.0, current.0),
    }
}

/// A watch to serve.
#[derive(Debug)]
pub struct WatchPlan {
    /// What to send first.
    pub initial: Vec<WatchFrame>,
    /// Where to go on; stands at the snapshot that the request was handled over.
    pub cursor: WatchCursor,
    /// Whether the watcher wants bookmarks.
    pub bookmarks: bool,
    /// When to end it, in seconds; 0 for the server's choice.
    pub timeout_seconds: u64,
    /// Set when the watch cannot start: send it as an ERROR frame and end.
    pub error: Option<Status>,
}

impl ApiServer {
    /// Prepares a committed event for all who watch; `None` for keys that hold no object of a served kind. `decoded`
    /// is the parsed form as its writer had it, or an empty place for it.
    #[must_use]
    pub fn change(&self, event: &Event, decoded: Arc<Decoded>) -> Option<Arc<Change>> {
        let kind = self.registry.of_key(&event.kv.key)?;
        Some(Arc::new(Change::new(kind, event, decoded)))
    }

    pub(crate) fn watch(
        &self,
        target: &Target<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<WatchPlan, Status> {
        let options = &target.request.options;
        let mut fields = options.field_selector.clone();
        if !target.request.name.is_empty() {
            // The old form: a watch of one name is a watch of the collection with that name selected.
            let joint = if fields.is_empty() { "" } else { "," };
            fields = format!("metadata.name={}{joint}{fields}", target.request.name);
        }
        let selection = Selection::parse(target.kind, &options.label_selector, &fields)?;
        ctx.observer.enter(Phase::Read);
        let from = parse_version(&options.resource_version)
            .map_err(|why| Status::bad_request(format!("invalid resource version: {why}")))?;
        not_from_the_future(from, ctx.snapshot)?;
        let cursor = WatchCursor {
            kind: target.kind,
            prefix: target.prefix(),
            selection,
            position: if from == 0 {
                ctx.snapshot.revision()
            } else {
                Revision(from)
            },
        };
        let mut plan = WatchPlan {
            initial: Vec::new(),
            cursor,
            bookmarks: options.allow_watch_bookmarks,
            timeout_seconds: options.timeout_seconds,
            error: None,
        };
        // Without a word about them they come when no version is named (`sendInitialEvents` of the API's concepts).
        if options.send_initial_events.unwrap_or(from == 0) {
            plan.cursor.position = ctx.snapshot.revision();
            plan.initial = initial_events(target, &plan.cursor, ctx.snapshot)?;
            if options.send_initial_events == Some(true) && options.allow_watch_bookmarks {
                plan.initial
                    .push(plan.cursor.bookmark_with(Some("k8s.io/initial-events-end")));
            }
        } else {
            match plan.cursor.catch_up(ctx.snapshot) {
                Ok(frames) => plan.initial = frames,
                Err(status) => plan.error = Some(status),
            }
        }
        Ok(plan)
    }
}

/// The state as it is, told as if it had just come to be.
fn initial_events(
    target: &Target<'_>,
    cursor: &WatchCursor,
    snapshot: &Snapshot,
) -> Result<Vec<WatchFrame>, Status> {
    let mut frames = Vec::new();
    for kv in snapshot.iter(&cursor.prefix) {
        let item = target.item(kv);
        if cursor.selection.matches(&item)? {
            frames.push(WatchFrame::new(Word::Added, item, None));
        }
    }
    Ok(frames)
}
