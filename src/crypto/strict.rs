//! JSON in which no object has a duplicate name, for whatever decides identity: parsers differ in which of the two they use (RFC 8259 §4,
//! RFC 7515 §4, RFC 7519 §4), so such a document means different things to different readers.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// Reads a value from JSON.
///
/// # Errors
/// As [`serde_json::from_slice`], and when an object at any depth has a name twice, however its letters are written.
pub fn from_strict_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice::<Unique>(json)?;
    serde_json::from_slice(json)
}

/// Any value without duplicate names.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("a name appears twice"));
            }
            map.next_value::<Unique>()?;
        }
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Unique, A::Error> {
        while list.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Unique, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Unique)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_doubled_name_is_refused_at_any_depth() {
        let check = |json: &str, good: bool| assert_eq!(from_strict_json::<Value>(json.as_bytes()).is_ok(), good, "{json}");
        check(r#"{"sub": "anna", "aud": ["a", {"x": 1.5}], "n": null, "b": [true, -1, 2]}"#, true);
        check(r#"[{"a": 1}, {"a": 2}]"#, true);
        check(r#"{"sub": "anna", "sub": "boss"}"#, false);
        check(r#"{"sub": "anna", "sub": "anna"}"#, false);
        check(r#"{"sub": "anna", "s\u0075b": "boss"}"#, false);
        check(r#"{"a": {"b": [{"c": 1, "c": 2}]}}"#, false);
        check("{", false);
    }
}
