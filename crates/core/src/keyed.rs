//! A JSON value for serde in which an object is read by its keys only. serde would also read a list as an object, by the
//! position of the fields, so that `{ "checkpoint": ["runs"] }` would pass.

use serde::de::value::{BorrowedStrDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, Unexpected, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Map, Value};

/// A value, and all values inside it.
#[derive(Clone, Copy)]
pub(crate) struct Keyed<'v>(pub &'v Value);

type Object = Map<String, Value>;

fn of_object<'v, V: Visitor<'v>>(object: &'v Object, visitor: V) -> Result<V::Value, Error> {
    let mut entries = MapDeserializer::new(object.iter().map(|(key, value)| (key.as_str(), Keyed(value))));
    let value = visitor.visit_map(&mut entries)?;
    entries.end()?;
    Ok(value)
}

fn of_list<'v, V: Visitor<'v>>(list: &'v [Value], visitor: V) -> Result<V::Value, Error> {
    let mut entries = SeqDeserializer::new(list.iter().map(Keyed));
    let value = visitor.visit_seq(&mut entries)?;
    entries.end()?;
    Ok(value)
}

impl<'v> IntoDeserializer<'v, Error> for Keyed<'v> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Keyed<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(list) => of_list(list, visitor),
            Value::Object(object) => of_object(object, visitor),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(object) if object.len() == 1 => {
                let (key, value) = object.iter().next().ok_or_else(|| Error::custom("an empty object"))?;
                visitor.visit_enum(Chosen { key, value })
            }
            other => other.deserialize_enum(name, variants, visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// A variant of an enum as `{ key: value }`.
struct Chosen<'v> {
    key: &'v str,
    value: &'v Value,
}

impl<'v> EnumAccess<'v> for Chosen<'v> {
    type Error = Error;
    type Variant = Keyed<'v>;

    fn variant_seed<S: DeserializeSeed<'v>>(self, seed: S) -> Result<(S::Value, Keyed<'v>), Error> {
        Ok((seed.deserialize(BorrowedStrDeserializer::new(self.key))?, Keyed(self.value)))
    }
}

impl<'v> VariantAccess<'v> for Keyed<'v> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Deserialize::deserialize(self)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'v>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'v>>(self, _length: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'v>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.deserialize_struct("", fields, visitor)
    }
}
