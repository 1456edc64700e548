//! Members and values of a stored record that this version does not know.

use std::fmt;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// Members that a newer version has written. They are kept as they are.
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct UnknownMembers(Map<String, Value>);

impl fmt::Debug for UnknownMembers {
    /// Values are not shown, because some may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} redacted]", self.0.len())
    }
}

/// A value that a newer version may have written. If this version reads it as another one, it is
/// kept as it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct OrUnknown<T> {
    pub value: T,
    /// As it is stored; `None` if this version writes the same.
    stored: Option<Value>,
}

impl<T> From<T> for OrUnknown<T> {
    fn from(value: T) -> Self {
        OrUnknown { value, stored: None }
    }
}

impl<'de, T: DeserializeOwned + Serialize> Deserialize<'de> for OrUnknown<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Value::deserialize(deserializer)?;
        let value: T = serde_json::from_value(stored.clone()).map_err(D::Error::custom)?;
        let is_known = serde_json::to_value(&value).is_ok_and(|known| known == stored);
        Ok(OrUnknown { value, stored: (!is_known).then_some(stored) })
    }
}

impl<T: Serialize> Serialize for OrUnknown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.stored {
            Some(stored) => stored.serialize(serializer),
            None => self.value.serialize(serializer),
        }
    }
}
