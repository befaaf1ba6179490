//! Message definitions (`ros2msg` text) as trees of fields and as lists of primitive ones in wire order, and how two of
//! them differ. CDR carries no field names: comparing definitions is the only way to notice that a
//! bag's message has another layout than the one compiled in, and reading by one the only way to find a field by its name.

use std::collections::HashMap;
use std::fmt;

/// Hostile definitions could nest without end or multiply; real ones stay far below these.
const MAX_DEPTH: usize = 16;
const MAX_FIELDS: usize = 4096;
const MAX_NAME_BYTES: usize = 255;

/// What one field holds, as its type's definition says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// A number, a text or a truth value, by the name of its type.
    Primitive(String),
    /// The fields of a message in wire order. Their names are in lower case: ROS 1 wrote some (`K`, `D`) in capitals that
    /// ROS 2 does not.
    Message(Vec<(String, Shape)>),
    /// So many of one shape.
    Array(Box<Shape>, usize),
    /// A count, then as many of one shape.
    Sequence(Box<Shape>),
}

impl Shape {
    /// Parses a definition with the definitions of its dependencies concatenated. Those of `known`
    /// stand in for dependencies that are left out. Fails with what is wrong with the text.
    pub(super) fn parse(type_name: &str, text: &str, known: &str) -> Result<Self, String> {
        let root = short_name(type_name);
        let mut definitions = sections(&root, known);
        definitions.extend(sections(&root, text));
        let mut building = Building {
            definitions,
            lines_left: MAX_FIELDS,
        };
        building.message(&root, MAX_DEPTH)
    }

    /// Whether there is a field at a path such as `detections.score`; through lists it goes on with what they hold.
    pub(super) fn has(&self, path: &str) -> bool {
        let (name, rest) = match path.split_once('.') {
            Some((name, rest)) => (name, Some(rest)),
            None => (path, None),
        };
        match self {
            Self::Primitive(_) => false,
            Self::Array(element, _) | Self::Sequence(element) => element.has(path),
            Self::Message(fields) => (fields.iter().find(|(field, _)| field == name))
                .is_some_and(|(_, shape)| rest.is_none_or(|rest| shape.has(rest))),
        }
    }

    /// Whether a field at any depth is of this primitive type.
    pub(super) fn holds(&self, primitive: &str) -> bool {
        match self {
            Self::Primitive(own) => own == primitive,
            Self::Array(element, _) | Self::Sequence(element) => element.holds(primitive),
            Self::Message(fields) => fields.iter().any(|(_, shape)| shape.holds(primitive)),
        }
    }

    fn flatten(&self, path: String, fields: &mut Vec<Field>) {
        match self {
            Self::Primitive(primitive) => fields.push(Field {
                primitive: primitive.clone(),
                path,
            }),
            Self::Message(inner) => {
                for (name, shape) in inner {
                    let dot = if path.is_empty() { "" } else { "." };
                    shape.flatten(format!("{path}{dot}{name}"), fields);
                }
            }
            Self::Array(element, count) => element.flatten(format!("{path}[{count}]"), fields),
            Self::Sequence(element) => element.flatten(format!("{path}[]"), fields),
        }
    }
}

/// One primitive field of a flattened message, such as `string` at `detections[].header.frame_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    primitive: String,
    path: String,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.primitive, self.path)
    }
}

/// A message type's primitive fields in wire order. Comments, constants, default values, bounds
/// and the way that types are qualified leave no trace in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    fields: Vec<Field>,
}

impl Layout {
    /// As [`Shape::parse`].
    pub(super) fn parse(type_name: &str, text: &str, known: &str) -> Result<Self, String> {
        let mut fields = Vec::new();
        Shape::parse(type_name, text, known)?.flatten(String::new(), &mut fields);
        Ok(Self { fields })
    }

    /// The first field at which the two part, in words, and how many fields before it agree.
    pub(super) fn difference(&self, known: &Self) -> Option<(usize, String)> {
        let agreeing = self
            .fields
            .iter()
            .zip(&known.fields)
            .take_while(|(here, there)| here == there)
            .count();
        let words = match (self.fields.get(agreeing), known.fields.get(agreeing)) {
            (None, None) => return None,
            (Some(extra), None) => format!("it adds '{extra}' at the end"),
            (None, Some(missing)) => format!("it ends before '{missing}'"),
            (Some(here), Some(there)) => format!("it has '{here}' where '{there}' is known"),
        };
        Some((agreeing, words))
    }
}

/// `pkg/Type` for `pkg/msg/Type`, which is how definitions spell it; also for the spellings of OMG IDL
/// (`pkg::msg::Type`) and of DDS (`pkg::msg::dds_::Type_`).
pub(super) fn short_name(type_name: &str) -> String {
    let name = type_name.replace("::", "/");
    let name = match (name.split_once("/dds_/"), name.strip_suffix('_')) {
        (Some((package, _)), Some(whole)) => {
            let simple = whole.rsplit('/').next().unwrap_or(whole);
            format!("{package}/{simple}")
        }
        _ => name,
    };
    name.replacen("/msg/", "/", 1)
}

/// `pkg/msg/Type`, however a recorder has spelled it: some leave out the `msg`, as definitions do, or write the
/// name as OMG IDL or DDS do. A name that is none of these comes out as it is.
pub fn type_name(recorded: &str) -> String {
    let short = short_name(recorded);
    match short.split_once('/') {
        Some((package, name)) if !name.contains('/') => format!("{package}/msg/{name}"),
        _ => recorded.to_owned(),
    }
}

/// The lines of each type, the first section being `root`'s unless it says otherwise.
fn sections<'a>(root: &str, text: &'a str) -> HashMap<String, Vec<&'a str>> {
    let mut sections: HashMap<String, Vec<&str>> = HashMap::new();
    let mut current = root.to_owned();
    for line in text.lines().map(str::trim) {
        if line.len() >= 3 && line.bytes().all(|byte| byte == b'=') {
            continue;
        }
        if let Some(name) = line.strip_prefix("MSG:") {
            current = short_name(name.trim());
            // Should a type be defined twice, the later definition counts.
            sections.insert(current.clone(), Vec::new());
            continue;
        }
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            sections.entry(current.clone()).or_default().push(line);
        }
    }
    sections
}

struct Building<'a> {
    definitions: HashMap<String, Vec<&'a str>>,
    /// How many lines may still be followed; it bounds the work even where no field comes of it.
    lines_left: usize,
}

impl Building<'_> {
    fn message(&mut self, type_name: &str, depth_left: usize) -> Result<Shape, String> {
        let lines = self
            .definitions
            .get(type_name)
            .ok_or_else(|| format!("its definition of '{type_name}' is missing"))?
            .clone();
        let depth_left = depth_left
            .checked_sub(1)
            .ok_or_else(|| format!("'{type_name}' is nested too deeply"))?;
        let mut fields = Vec::new();
        for line in lines {
            self.lines_left = self
                .lines_left
                .checked_sub(1)
                .ok_or_else(|| format!("it has more than {MAX_FIELDS} fields"))?;
            let Some((declared, name)) = declaration(line)? else {
                continue;
            };
            let (element, count) = element_and_count(declared)?;
            let shape = match primitive(element) {
                Some(primitive) => Shape::Primitive(primitive.to_owned()),
                None => self.message(&qualified(element, type_name), depth_left)?,
            };
            let shape = match count {
                Count::One => shape,
                Count::Fixed(count) => Shape::Array(Box::new(shape), count),
                Count::Any => Shape::Sequence(Box::new(shape)),
            };
            fields.push((name.to_lowercase(), shape));
        }
        Ok(Shape::Message(fields))
    }
}

/// How many of a field's type there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    One,
    Fixed(usize),
    Any,
}

/// Type and name of a field; `None` for a constant, which is not on the wire.
fn declaration(line: &str) -> Result<Option<(&str, &str)>, String> {
    let malformed = || format!("its line '{line}' is no field");
    let (declared, rest) = line.split_once(char::is_whitespace).ok_or_else(malformed)?;
    let rest = rest.trim_start();
    let end = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(rest.len());
    let (name, value) = rest.split_at(end);
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(malformed());
    }
    let is_constant = value.trim_start().starts_with('=');
    Ok((!is_constant).then_some((declared, name)))
}

/// Splits `Type[<=3]` into `Type` and any number: a bound is not on the wire.
fn element_and_count(declared: &str) -> Result<(&str, Count), String> {
    let no_array = || format!("its type '{declared}' is no array");
    let (element, count) = match declared.split_once('[') {
        None => (declared, Count::One),
        Some((element, size)) => {
            let size = size.strip_suffix(']').ok_or_else(no_array)?;
            let count = match size.is_empty() || size.starts_with("<=") {
                true => Count::Any,
                false => Count::Fixed(size.trim().parse().map_err(|_| no_array())?),
            };
            (element, count)
        }
    };
    let element = element.split_once("<=").map_or(element, |(name, _)| name);
    Ok((element, count))
}

/// The primitive type under one of its names, or `None` for a message type.
fn primitive(name: &str) -> Option<&str> {
    match name {
        "byte" | "char" | "octet" => Some("uint8"),
        "bool" | "int8" | "uint8" | "int16" | "uint16" | "int32" | "uint32" | "int64"
        | "uint64" | "float32" | "float64" | "string" | "wstring" => Some(name),
        _ => None,
    }
}

/// A type name as it is used in `user`'s definition, with its package.
fn qualified(name: &str, user: &str) -> String {
    if name == "Header" {
        return "std_msgs/Header".to_owned();
    }
    if name.contains('/') {
        return short_name(name);
    }
    match user.split_once('/') {
        Some((package, _)) => format!("{package}/{name}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIMPLE: &str = "\
Item[] items
string<=8 name
================================================================================
MSG: p/Item
float64[3] v
";

    fn parse(text: &str) -> Result<Layout, String> {
        Layout::parse("p/msg/M", text, "")
    }

    #[test]
    fn notation_leaves_no_trace() {
        let dressed = "\
# A comment
uint8 A=1
string B = \"x # y\"
p/msg/Item[<=5] items   # another
string name \"default\"

===
MSG: p/msg/Item
  float64[3]\tv
";
        assert_eq!(parse(SIMPLE).unwrap(), parse(dressed).unwrap());
    }

    #[test]
    fn a_type_has_one_name_however_it_is_spelled() {
        for spelled in [
            "sensor_msgs/msg/Image",
            "sensor_msgs/Image",
            "sensor_msgs::msg::Image",
            "sensor_msgs::msg::dds_::Image_",
        ] {
            assert_eq!(short_name(spelled), "sensor_msgs/Image", "{spelled}");
            assert_eq!(type_name(spelled), "sensor_msgs/msg/Image", "{spelled}");
        }
        // Of what is no message type of ROS nothing is made
        for other in [
            "",
            "Image",
            "foxglove.CompressedImage",
            "std_srvs/srv/Trigger",
            "a/b/c/d",
        ] {
            assert_eq!(type_name(other), other);
        }
    }

    #[test]
    fn the_first_differing_field_is_named() {
        let known = parse(SIMPLE).unwrap();
        for (changed, agreeing, expected) in [
            (
                SIMPLE.replace("float64[3] v", "float32[3] v"),
                0,
                "'float32 items[].v[3]' where 'float64 items[].v[3]'",
            ),
            (
                SIMPLE.replace("name", "label"),
                1,
                "'string label' where 'string name'",
            ),
            (
                SIMPLE.replace(" name", " name\nbool extra"),
                2,
                "adds 'bool extra' at the end",
            ),
            (
                SIMPLE.replace("string<=8 name\n", ""),
                1,
                "ends before 'string name'",
            ),
        ] {
            let (at, words) = parse(&changed).unwrap().difference(&known).unwrap();
            assert!(at == agreeing && words.contains(expected), "{at} {words}");
        }
        assert_eq!(known.difference(&known), None);
    }

    #[test]
    fn broken_definitions_are_refused_with_the_place() {
        let cycle = "Item i\n===\nMSG: p/Item\nItem j\n";
        let mut bomb = String::from("A0 a\n");
        for i in 0..12 {
            bomb += &format!("===\nMSG: p/A{i}\n{}", format!("A{} f\n", i + 1).repeat(9));
        }
        let bomb_without_fields = bomb.clone() + "===\nMSG: p/A12\nbool B=1\n";
        bomb += "===\nMSG: p/A12\nbool b\n";
        for (text, expected) in [
            ("q/Other x", "'q/Other' is missing"),
            ("float64", "'float64' is no field"),
            ("float64[3 x", "'float64[3' is no array"),
            ("float64 =3", "is no field"),
            (cycle, "nested too deeply"),
            (&bomb, "more than 4096 fields"),
            (&bomb_without_fields, "more than 4096 fields"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_left_out_dependency_is_taken_from_those_known() {
        let known = "MSG: p/Item\nfloat64[3] v\n";
        let alone = SIMPLE.split("====").next().unwrap();
        assert_eq!(
            Layout::parse("p/msg/M", alone, known).unwrap(),
            parse(SIMPLE).unwrap()
        );
    }
}
