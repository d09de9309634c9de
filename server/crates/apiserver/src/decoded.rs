//! The parsed form of a stored object, made once for all who share it.

use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::Value;
use shared::Object;

/// A parsed object, or a place for one. Whoever writes an object hands its value on in one, so that those who watch
/// need not parse what was just written: only the revision is missing before the commit.
#[derive(Debug, Default)]
pub struct Decoded {
    object: OnceLock<Object>,
    at_hand: Mutex<Option<Value>>,
}

impl From<Object> for Decoded {
    fn from(object: Object) -> Self {
        Self {
            object: object.into(),
            at_hand: Mutex::default(),
        }
    }
}

impl Decoded {
    /// With the value as it is to be written, without resourceVersion.
    pub(crate) fn at_hand(value: Value) -> Self {
        Self {
            object: OnceLock::new(),
            at_hand: Mutex::new(Some(value)),
        }
    }

    /// True when [`Self::object`] needs no work.
    pub(crate) fn is_ready(&self) -> bool {
        self.object.get().is_some()
    }

    /// The object; `make` makes it of the value at hand, if that is still there.
    pub(crate) fn object<E>(
        &self,
        make: impl FnOnce(Option<Value>) -> Result<Object, E>,
    ) -> Result<&Object, E> {
        if let Some(object) = self.object.get() {
            return Ok(object);
        }
        let object = make(self.take())?;
        Ok(self.object.get_or_init(|| object))
    }

    /// Takes the value at hand away.
    pub(crate) fn take(&self) -> Option<Value> {
        self.at_hand
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}
