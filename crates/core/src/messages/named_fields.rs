//! A serialized message read by the definition of its type, so that its fields are found by their names, wherever in it
//! they are: for types whose layout differs from version to version in what nobody here needs.

use super::cdr;
use super::schema::Shape;
use crate::error::{Error, Result};

/// A field's content. Text and bytes are borrowed from the message.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    /// Of any width; beyond 64 bits with a sign it saturates.
    Integer(i64),
    Real(f64),
    Text(&'a str),
    /// A list of one-byte numbers.
    Bytes(&'a [u8]),
    List(Vec<Value<'a>>),
    Message(Vec<(&'a str, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// The field at a path such as `bbox.center`; `None` where there is none.
    pub(super) fn at(&self, path: &str) -> Option<&Value<'a>> {
        path.split('.').try_fold(self, |value, name| match value {
            Value::Message(fields) => fields
                .iter()
                .find(|(field, _)| *field == name)
                .map(|(_, value)| value),
            _ => None,
        })
    }

    /// A number of either kind.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Value::Integer(value) => Some(*value as f64),
            Value::Real(value) => Some(*value),
            _ => None,
        }
    }

    /// A text, or a whole number written as one.
    pub(super) fn word(&self) -> Option<String> {
        match self {
            Value::Text(text) => Some((*text).to_owned()),
            Value::Integer(value) => Some(value.to_string()),
            _ => None,
        }
    }

    /// The elements of a list; none of anything else.
    pub(super) fn items(&self) -> &[Value<'a>] {
        match self {
            Value::List(items) => items,
            _ => &[],
        }
    }
}

/// Reads a message of this shape; also says how many bytes follow it.
///
/// # Errors
/// `Error::Decode` for an encapsulation other than plain CDR, a message that ends early, and text that is no UTF-8.
pub(super) fn read<'a>(
    type_name: &str,
    shape: &'a Shape,
    bytes: &'a [u8],
) -> Result<(Value<'a>, usize)> {
    let (order, body) = cdr::body(type_name, bytes)?;
    let mut reading = Reading { body, at: 0, order };
    let value = reading.value(shape).ok_or_else(|| {
        Error::decode(
            type_name,
            format!(
                "a message of {} bytes is cut short or has another layout than its type says",
                bytes.len()
            ),
        )
    })?;
    Ok((value, body.len() - reading.at))
}

struct Reading<'a> {
    body: &'a [u8],
    at: usize,
    order: cdr::ByteOrder,
}

impl<'a> Reading<'a> {
    /// `None` where the message does not fit the shape. What is built is bounded by the message's bytes, for every
    /// element of a list has at least one.
    fn value(&mut self, shape: &'a Shape) -> Option<Value<'a>> {
        Some(match shape {
            Shape::Primitive(primitive) => self.primitive(primitive)?,
            // ROS 2 gives a message without fields one byte.
            Shape::Message(fields) if fields.is_empty() => {
                self.take(1)?;
                Value::Message(Vec::new())
            }
            Shape::Message(fields) => {
                let mut values = Vec::with_capacity(fields.len());
                for (name, shape) in fields {
                    values.push((name.as_str(), self.value(shape)?));
                }
                Value::Message(values)
            }
            Shape::Array(element, count) => self.list(element, *count)?,
            Shape::Sequence(element) => {
                let count = u32::from_ne_bytes(self.number()?);
                self.list(element, usize::try_from(count).ok()?)?
            }
        })
    }

    fn list(&mut self, element: &'a Shape, count: usize) -> Option<Value<'a>> {
        if count > self.body.len() - self.at {
            return None;
        }
        let is_byte = matches!(element, Shape::Primitive(name) if matches!(name.as_str(), "uint8" | "int8" | "bool"));
        if is_byte {
            return self.take(count).map(Value::Bytes);
        }
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(self.value(element)?);
        }
        Some(Value::List(items))
    }

    fn primitive(&mut self, name: &str) -> Option<Value<'a>> {
        Some(match name {
            "bool" | "uint8" => Value::Integer(u8::from_ne_bytes(self.number()?).into()),
            "int8" => Value::Integer(i8::from_ne_bytes(self.number()?).into()),
            "int16" => Value::Integer(i16::from_ne_bytes(self.number()?).into()),
            "uint16" => Value::Integer(u16::from_ne_bytes(self.number()?).into()),
            "int32" => Value::Integer(i32::from_ne_bytes(self.number()?).into()),
            "uint32" => Value::Integer(u32::from_ne_bytes(self.number()?).into()),
            "int64" => Value::Integer(i64::from_ne_bytes(self.number()?)),
            "uint64" => {
                let value = u64::from_ne_bytes(self.number()?);
                Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
            }
            "float32" => Value::Real(f32::from_ne_bytes(self.number()?).into()),
            "float64" => Value::Real(f64::from_ne_bytes(self.number()?)),
            "string" => {
                let count = usize::try_from(u32::from_ne_bytes(self.number()?)).ok()?;
                let bytes = self.take(count)?;
                // The count is with the zero at the end, which some writers leave out.
                let text = bytes.strip_suffix(&[0]).unwrap_or(bytes);
                Value::Text(std::str::from_utf8(text).ok()?)
            }
            // A wide string's characters have no size that all agree on.
            _ => return None,
        })
    }

    /// The bytes of a number in this machine's order. Numbers lie at multiples of their size.
    fn number<const SIZE: usize>(&mut self) -> Option<[u8; SIZE]> {
        self.at = self.at.next_multiple_of(SIZE);
        let mut bytes = *self.take(SIZE)?.first_chunk::<SIZE>()?;
        if self.order != cdr::ByteOrder::OF_THIS_MACHINE {
            bytes.reverse();
        }
        Some(bytes)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.body.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    const DEFINITION: &str = "\
uint8 a
Item[] items
Item[2] two
uint8[] data
Nothing nothing
float64 d
===
MSG: p/Item
string name
int64 id
float32 score
===
MSG: p/Nothing
int32 CONSTANT=3
";

    #[derive(Serialize)]
    struct Item(&'static str, i64, f32);

    fn shape() -> Shape {
        Shape::parse("p/msg/M", DEFINITION, "").unwrap()
    }

    fn message() -> Vec<u8> {
        let item = |id| Item("abc", id, 0.5);
        let data: &[u8] = &[1, 2, 3];
        let content = (
            7_u8,
            vec![item(-1)],
            (item(2), item(3)),
            data,
            9_u8,
            0.25_f64,
        );
        cdr::encode("p/msg/M", &content).unwrap()
    }

    #[test]
    fn a_field_is_found_by_its_name() {
        // given a message that another encoder wrote
        let (shape, bytes) = (shape(), message());
        // when it is read by its definition
        let (value, left) = read("p/msg/M", &shape, &bytes).unwrap();
        // then each field is what was written, through padding and a message without fields
        assert_eq!(left, 0);
        let items = value.at("items").unwrap().items();
        assert_eq!(items[0].at("name").unwrap().word().as_deref(), Some("abc"));
        assert_eq!(items[0].at("id").unwrap().word().as_deref(), Some("-1"));
        let second = &value.at("two").unwrap().items()[1];
        assert_eq!(second.at("id"), Some(&Value::Integer(3)));
        assert_eq!(second.at("score").unwrap().number(), Some(0.5));
        assert_eq!(value.at("data"), Some(&Value::Bytes(&[1, 2, 3])));
        assert_eq!(value.at("d").unwrap().number(), Some(0.25));
        assert_eq!((value.at("e"), value.at("a.b")), (None, None));
        assert!(shape.has("items.score") && shape.has("two.name") && shape.has("d"));
        assert!(!shape.has("items.bbox") && !shape.has("d.x"));
    }

    #[test]
    fn a_message_cut_short_is_refused_wherever_it_ends() {
        let (shape, bytes) = (shape(), message());
        for end in 0..bytes.len() {
            assert!(read("p/msg/M", &shape, &bytes[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_hostile_count_costs_no_memory() {
        for (definition, count) in [("Item[] items", u32::MAX), ("Item[4000000000] items", 0)] {
            let text = format!("{definition}\n===\nMSG: p/Item\nstring name\n");
            let shape = Shape::parse("p/msg/M", &text, "").unwrap();
            let bytes = cdr::encode("p/msg/M", &count).unwrap();
            assert!(read("p/msg/M", &shape, &bytes).is_err());
        }
    }
}
