//! get and list: resourceVersion semantics, pages, selectors.
//!
//! Rules: `kubernetes.io/docs/reference/using-api/api-concepts` (resource versions, retrieving large result sets).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use shared::{Revision, Status};
use store::{KeyValue, ReadError, Snapshot};

use crate::answer::Listing;
use crate::convert::storage_kind;
use crate::item::Item;
use crate::refuse;
use crate::selection::Selection;
use crate::server::{ApiServer, Context, Phase, Target};

/// How many keys are read at a time while a selector looks for enough objects to fill a page.
const CHUNK: usize = 1000;
const TOO_OLD: &str = "The provided continue parameter is too old to display a consistent list result. You can start \
     a new list without the continue parameter, or use the continue token in this response to retrieve the remainder \
     of the results. Continuing with the provided token results in an inconsistent list - objects that were created, \
     modified, or deleted between the time the first chunk was returned and now may show up in the list.";
/// The revision in a token that goes on with whatever is there by then.
const INCONSISTENT: i64 = -1;

impl Target<'_> {
    /// The key prefix of the collection: of the request's namespace, or of all.
    pub(crate) fn prefix(&self) -> String {
        let prefix = storage_kind(self.kind).storage_prefix();
        if self.request.namespace.is_empty() {
            prefix
        } else {
            format!("{prefix}{}/", self.request.namespace)
        }
    }

    pub(crate) fn item(&self, kv: &KeyValue) -> Item {
        Item::stored(self.kind, kv.value.clone(), kv.mod_revision)
    }

    /// The stored object that the request names.
    pub(crate) fn find(&self, snapshot: &Snapshot) -> Option<Item> {
        snapshot
            .get(&self.key(&self.request.name))
            .map(|kv| self.item(kv))
    }

    /// The same, or 404.
    pub(crate) fn existing(&self, snapshot: &Snapshot) -> Result<Item, Status> {
        self.find(snapshot).ok_or_else(|| self.not_found())
    }
}

impl ApiServer {
    pub(crate) fn get(&self, target: &Target<'_>, ctx: &mut Context<'_>) -> Result<Item, Status> {
        ctx.observer.enter(Phase::Read);
        let asked = &target.request.options.resource_version;
        let at_least = parse_version(asked).map_err(|why| Status::failure(500, "", why))?;
        not_from_the_future(at_least, ctx.snapshot)?;
        target.existing(ctx.snapshot)
    }

    pub(crate) fn list(
        &self,
        target: &Target<'_>,
        ctx: &mut Context<'_>,
    ) -> Result<Listing, Status> {
        let options = &target.request.options;
        let selection = Selection::parse(
            target.kind,
            &options.label_selector,
            &options.field_selector,
        )?;
        ctx.observer.enter(Phase::Read);
        let page = Page::of(target, ctx.snapshot)?;
        read_page(target, &selection, &page, ctx.snapshot)
    }
}

/// Which part of a collection to read, and as of when.
struct Page {
    prefix: String,
    start_after: Option<String>,
    at: Revision,
    is_exact: bool,
    limit: usize,
    is_continued: bool,
}

impl Page {
    fn of(target: &Target<'_>, snapshot: &Snapshot) -> Result<Self, Status> {
        let options = &target.request.options;
        let asked = parse_version(&options.resource_version)
            .map_err(|why| Status::bad_request(format!("invalid resource version: {why}")))?;
        let prefix = target.prefix();
        if !options.continue_token.is_empty() {
            if asked != 0 {
                return Err(Status::bad_request(
                    "specifying resource version is not allowed when using continue",
                ));
            }
            let (at, start) = parse_token(&options.continue_token)
                .map_err(|why| Status::bad_request(format!("invalid continue token: {why}")))?;
            let at = at.unwrap_or_else(|| snapshot.revision());
            let start_after = Some(format!("{prefix}{start}"));
            let limit = options.limit;
            return Ok(Self {
                prefix,
                start_after,
                at,
                is_exact: true,
                limit,
                is_continued: true,
            });
        }
        not_from_the_future(asked, snapshot)?;
        let how = options.resource_version_match.as_str();
        // Without a match, a limit asks for exactly this version (api-concepts, "resourceVersion unset" table).
        let is_exact = how == "Exact" || (how.is_empty() && options.limit > 0 && asked > 0);
        let at = if is_exact {
            Revision(asked)
        } else {
            snapshot.revision()
        };
        Ok(Self {
            prefix,
            start_after: None,
            at,
            is_exact,
            limit: options.limit,
            is_continued: false,
        })
    }
}

impl Page {
    /// Why the page cannot be read. Whoever was in the middle of a list is told how to go on without consistency.
    fn refuse(&self, error: &ReadError) -> Status {
        match error {
            ReadError::Compacted { .. } if self.is_continued => {
                let last = self.start_after.as_deref().unwrap_or_default();
                let name = last.strip_prefix(self.prefix.as_str()).unwrap_or_default();
                let mut status = Status::expired(TOO_OLD);
                status
                    .metadata
                    .insert("continue".into(), token(INCONSISTENT, name).into());
                status
            }
            ReadError::Compacted { .. } => {
                Status::expired("The resourceVersion for the provided list is too old.")
            }
            ReadError::Future { requested, current } => {
                refuse::from_the_future(requested.0, current.0)
            }
        }
    }
}

fn read_page(
    target: &Target<'_>,
    selection: &Selection,
    page: &Page,
    snapshot: &Snapshot,
) -> Result<Listing, Status> {
    let mut list = Listing {
        kind: target.kind,
        items: Vec::new(),
        revision: page.at,
        continue_token: String::new(),
        remaining: None,
    };
    if let (Some(name), false) = (
        selection.name(),
        target.kind.namespaced && target.request.namespace.is_empty(),
    ) && !page.is_exact
    {
        let found = snapshot.get(&target.key(name)).map(|kv| target.item(kv));
        if let Some(item) = found
            && selection.matches(&item)?
        {
            list.items.push(item);
        }
        return Ok(list);
    }
    let mut start = page.start_after.clone();
    loop {
        let want = if page.limit == 0 {
            usize::MAX
        } else {
            page.limit - list.items.len()
        };
        let chunk = if selection.is_everything() {
            want
        } else {
            want.max(CHUNK)
        };
        let range = snapshot
            .range_at(&page.prefix, start.as_deref(), chunk, page.at)
            .map_err(|e| page.refuse(&e))?;
        let (count, mut last) = (range.items.len(), None);
        for (i, kv) in range.items.iter().enumerate() {
            let item = target.item(kv);
            if !selection.matches(&item)? {
                continue;
            }
            list.items.push(item);
            if page.limit > 0 && list.items.len() == page.limit {
                last = Some((kv.key.clone(), i + 1 < count || range.more));
                break;
            }
        }
        if let Some((key, more)) = last {
            if more {
                let name = key.strip_prefix(page.prefix.as_str()).unwrap_or_default();
                list.continue_token = token(page.at.0.cast_signed(), name);
                list.remaining = selection.is_everything().then_some(range.remaining);
            }
            return Ok(list);
        }
        match range.items.last() {
            Some(kv) if range.more => start = Some(kv.key.to_string()),
            _ => return Ok(list),
        }
    }
}

pub(crate) fn not_from_the_future(asked: u64, snapshot: &Snapshot) -> Result<(), Status> {
    let current = snapshot.revision().0;
    if asked > current {
        Err(refuse::from_the_future(asked, current))
    } else {
        Ok(())
    }
}

/// Reads a resourceVersion parameter; empty is 0, "any".
pub(crate) fn parse_version(text: &str) -> Result<u64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| {
        format!(
            "resourceVersion: Invalid value: {}: strconv.ParseUint: parsing {0}: invalid syntax",
            Value::from(text)
        )
    })
}

/// The continue token: the original's, so that tools which look inside find what they expect.
fn token(at: i64, name: &str) -> String {
    URL_SAFE_NO_PAD
        .encode(json!({"v": "meta.k8s.io/v1", "rv": at, "start": format!("{name}\0")}).to_string())
}

/// Where to go on, and at which revision; `None` for whatever is the newest.
fn parse_token(token: &str) -> Result<(Option<Revision>, String), String> {
    let bytes = URL_SAFE_NO_PAD
        .decode(token.trim_end_matches('='))
        .map_err(|_| "continue key is not valid: illegal base64 data at input byte 0".to_owned())?;
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|e| format!("continue key is not valid: {e}"))?;
    let rv = value.get("rv").and_then(Value::as_i64);
    let at = match rv {
        Some(INCONSISTENT) => None,
        Some(rv) => u64::try_from(rv).ok().map(Revision),
        None => None,
    };
    let rv = rv.filter(|rv| *rv > 0 || *rv == INCONSISTENT);
    let start = value
        .get("start")
        .and_then(Value::as_str)
        .unwrap_or_default();
    match (value.get("v").and_then(Value::as_str), rv) {
        (Some("meta.k8s.io/v1"), Some(_)) if !start.is_empty() && !start.contains("..") => {
            Ok((at, start.trim_end_matches('\0').to_owned()))
        }
        (Some("meta.k8s.io/v1"), None) => {
            Err("incorrect encoded start resourceVersion (version meta.k8s.io/v1)".into())
        }
        (Some("meta.k8s.io/v1"), _) => Err(
            "continue key is not valid: encoded start key empty (version meta.k8s.io/v1)".into(),
        ),
        _ => {
            Err("continue key is not valid: server does not recognize this encoded version".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_a_round_trip_and_garbage_is_refused() {
        assert_eq!(
            parse_token(&token(7, "a/b")),
            Ok((Some(Revision(7)), "a/b".into()))
        );
        for bad in ["x", "", "e30", "!!!!", "eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ"] {
            assert!(parse_token(bad).is_err(), "{bad}");
        }
    }
}
