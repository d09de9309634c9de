//! The parsed forms of a stored object, each made once for all who share it.

use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::Value;
use shared::Object;

/// Parsed forms of an object, or places for them. Whoever writes an object hands its value on in one, so that those
/// who watch need not parse what was just written: only the revision is missing before the commit.
#[derive(Debug, Default)]
pub struct Decoded {
    whole: OnceLock<Object>,
    /// Without managed fields, which are most of many objects: what components keep.
    glance: OnceLock<Object>,
    at_hand: Mutex<Option<Value>>,
}

impl From<Object> for Decoded {
    fn from(object: Object) -> Self {
        Self {
            whole: object.into(),
            ..Self::default()
        }
    }
}

impl Decoded {
    /// With the value as it is to be written, without resourceVersion.
    pub(crate) fn at_hand(value: Value) -> Self {
        Self {
            at_hand: Mutex::new(Some(value)),
            ..Self::default()
        }
    }

    /// The form that needs no work and has all but perhaps managed fields.
    pub(crate) fn ready(&self) -> Option<&Object> {
        self.glance.get().or_else(|| self.whole.get())
    }

    /// The whole object, if it needs no work.
    pub(crate) fn ready_whole(&self) -> Option<&Object> {
        self.whole.get()
    }

    /// The whole object, made at most once.
    pub(crate) fn whole<E>(&self, make: impl FnOnce() -> Result<Object, E>) -> Result<&Object, E> {
        get_or_make(&self.whole, make)
    }

    /// The object without managed fields, made at most once, of the value at hand if that is still there.
    pub(crate) fn glance<E>(
        &self,
        make: impl FnOnce(Option<Value>) -> Result<Object, E>,
    ) -> Result<&Object, E> {
        get_or_make(&self.glance, || make(self.take()))
    }

    /// Takes the value at hand away.
    pub(crate) fn take(&self) -> Option<Value> {
        self.at_hand
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

fn get_or_make<E>(
    place: &OnceLock<Object>,
    make: impl FnOnce() -> Result<Object, E>,
) -> Result<&Object, E> {
    if let Some(object) = place.get() {
        return Ok(object);
    }
    let object = make()?;
    Ok(place.get_or_init(|| object))
}
