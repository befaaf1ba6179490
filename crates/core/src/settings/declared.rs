//! The declarations as data, read out of the JSON schema that schemars derives from the fields: for validation, the ROS
//! parameters, the default file and the documentation.

use std::sync::OnceLock;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::config::Config;
use crate::error::{Error, Result};

/// A group of settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Its key.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// In the order of their declaration.
    pub settings: Vec<Declared>,
}

/// One setting, as it is declared.
#[derive(Debug, Clone, PartialEq)]
pub struct Declared {
    /// Dotted: `section.key`, or `section.group.key`.
    pub name: String,
    /// The type of its value.
    pub kind: Kind,
    /// Null where it is left out.
    pub default: Value,
    /// As physics writes it; `None` for a plain number or a word.
    pub unit: Option<String>,
    /// What a number may be.
    pub bounds: Bounds,
    /// What it means.
    pub description: String,
    /// The words it may be; empty where any will do.
    pub choices: Vec<Choice>,
    /// It may change while a node runs.
    pub live: bool,
    /// A node has it as a parameter.
    pub node: bool,
}

/// A word that a setting may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// As it is typed.
    pub name: String,
    /// What it means.
    pub description: String,
}

/// The type of a setting's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// true or false
    Bool,
    /// a whole number
    Integer,
    /// a number
    Real,
    /// a text
    Text,
    /// a list of texts
    Texts,
    /// a list of groups, which only a file of settings has
    Groups,
    /// a number, or none
    OptionalReal,
    /// a text, or none
    OptionalText,
    /// a whole number of a group that may be left out as a whole
    OptionalInteger,
}

/// What a number may be.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bounds {
    /// The smallest, and whether it is excluded.
    pub lower: Option<(f64, bool)>,
    /// The largest, and whether it is excluded.
    pub upper: Option<(f64, bool)>,
    /// An odd number.
    pub odd: bool,
}

impl Bounds {
    fn of(schema: &Value) -> Self {
        let bound = |inclusive: &str, exclusive: &str| {
            let number = |key: &str| schema.get(key).and_then(Value::as_f64);
            let excluded = number(exclusive).map(|value| (value, true));
            excluded.or_else(|| number(inclusive).map(|value| (value, false)))
        };
        Self {
            lower: bound("minimum", "exclusiveMinimum"),
            upper: bound("maximum", "exclusiveMaximum"),
            odd: schema.pointer("/not/multipleOf") == Some(&Value::from(2)),
        }
    }

    /// Whether it is a finite number within.
    pub fn holds(&self, value: f64) -> bool {
        let above = |(bound, excluded)| {
            if excluded {
                value > bound
            } else {
                value >= bound
            }
        };
        let below = |(bound, excluded)| {
            if excluded {
                value < bound
            } else {
                value <= bound
            }
        };
        value.is_finite()
            && self.lower.is_none_or(above)
            && self.upper.is_none_or(below)
            && !(self.odd && value % 2.0 == 0.0)
    }

    /// In words: `in (0, 10]`, `above 0`, `0 or more`; empty where anything goes.
    pub fn in_words(&self, unit: Option<&str>) -> String {
        let unit = unit.map_or_else(String::new, |unit| format!(" {unit}"));
        let odd = if self.odd { "odd and " } else { "" };
        match (self.lower, self.upper) {
            (Some((low, open)), Some((high, closed))) => {
                let (left, right) = (if open { '(' } else { '[' }, if closed { ')' } else { ']' });
                format!("{odd}in {left}{low}, {high}{right}{unit}")
            }
            (Some((low, true)), None) => format!("{odd}above {low}{unit}"),
            (Some((low, false)), None) => format!("{odd}{low}{unit} or more"),
            (None, Some((high, true))) => format!("{odd}below {high}{unit}"),
            (None, Some((high, false))) => format!("{odd}{high}{unit} or less"),
            (None, None) => odd.trim_end_matches(" and ").to_owned(),
        }
    }
}

impl Declared {
    fn new(name: String, schema: &Value, in_optional_group: bool) -> Self {
        let text = |key: &str| schema.get(key).and_then(Value::as_str).map(str::to_owned);
        let flag = |key: &str| schema.get(key).and_then(Value::as_bool);
        let choices = choices_of(schema);
        Self {
            kind: kind_of(schema, !choices.is_empty(), in_optional_group),
            default: schema.get("default").cloned().unwrap_or(Value::Null),
            unit: text("x-unit"),
            bounds: Bounds::of(schema),
            description: text("description").unwrap_or_default().replace('\n', " "),
            choices,
            live: flag("x-live").unwrap_or(false),
            node: flag("x-node").unwrap_or(true),
            name,
        }
    }

    /// Whether it may be left out.
    pub fn may_be_absent(&self) -> bool {
        let Self { kind, .. } = self;
        matches!(
            kind,
            Kind::OptionalReal | Kind::OptionalText | Kind::OptionalInteger
        )
    }

    /// Unit, bounds and choices in words; empty where anything goes.
    pub fn constraints(&self) -> String {
        let words = self.choices.iter().map(|choice| choice.name.as_str());
        match self.bounds.in_words(self.unit.as_deref()) {
            bounds if !bounds.is_empty() => bounds,
            _ if self.choices.is_empty() => self.unit.clone().unwrap_or_default(),
            _ => format!("one of {}", words.collect::<Vec<_>>().join(", ")),
        }
    }

    /// Whether a value is within the bounds.
    pub(super) fn check(&self, value: &serde_yaml::Value) -> Result<()> {
        let number = match value {
            serde_yaml::Value::Number(number) => number.as_f64(),
            _ => None,
        };
        match number {
            Some(number) if !self.bounds.holds(number) => Err(Error::ConfigValue {
                key: self.name.clone(),
                value: number.to_string(),
                expected: match self.bounds.in_words(self.unit.as_deref()) {
                    words if words.is_empty() => "a finite number".to_owned(),
                    words => words,
                },
            }),
            _ => Ok(()),
        }
    }
}

/// All sections with their settings, in the order of their declaration.
pub fn sections() -> &'static [Section] {
    static SECTIONS: OnceLock<Vec<Section>> = OnceLock::new();
    SECTIONS.get_or_init(|| {
        let schema = schema();
        // JSON's objects have no order; a YAML tree keeps that of the fields.
        let defaults = serde_yaml::to_value(Config::default()).unwrap_or_default();
        in_order(&schema, &defaults)
            .map(|(name, schema, defaults)| Section {
                name: name.to_owned(),
                description: type_description(name),
                settings: settings_of(name, schema, defaults, false),
            })
            .collect()
    })
}

/// All settings, in the order of their declaration.
pub fn declared() -> &'static [Declared] {
    static SETTINGS: OnceLock<Vec<Declared>> = OnceLock::new();
    SETTINGS.get_or_init(|| {
        let all = sections().iter().flat_map(|section| &section.settings);
        all.cloned().collect()
    })
}

/// The JSON schema (draft 2020-12) of a file of settings. Beside the standard keywords it has `x-unit`, `x-live` (may
/// change while a node runs) and `x-node` (false: no parameter of a node).
pub fn schema() -> Value {
    let mut schema = inlined::<Config>();
    if let Some(sections) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for section in sections.values_mut().filter_map(Value::as_object_mut) {
            // Said of each setting already.
            section.remove("default");
        }
    }
    schema
}

/// The words that a type of settings may be.
pub fn choices<T: JsonSchema>() -> Vec<Choice> {
    choices_of(&inlined::<T>())
}

fn inlined<T: JsonSchema>() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// What a section's type says of itself; the field that holds it is only its place.
fn type_description(section: &str) -> String {
    use super::{
        Depth, Detector, Episodes, Estimator, Filter, Geometry, Live, Matching, Model, Output,
        Photos, Regions, Reward, Segmenter, Success, Task, Topics, Tracker,
    };
    let schema = match section {
        "topics" => inlined::<Topics>(),
        "regions" => inlined::<Regions>(),
        "detector" => inlined::<Detector>(),
        "segmenter" => inlined::<Segmenter>(),
        "depth" => inlined::<Depth>(),
        "matching" => inlined::<Matching>(),
        "episodes" => inlined::<Episodes>(),
        "tracker" => inlined::<Tracker>(),
        "estimator" => inlined::<Estimator>(),
        "geometry" => inlined::<Geometry>(),
        "model" => inlined::<Model>(),
        "reward" => inlined::<Reward>(),
        "filter" => inlined::<Filter>(),
        "success" => inlined::<Success>(),
        "output" => inlined::<Output>(),
        "photos" => inlined::<Photos>(),
        "task" => inlined::<Task>(),
        "live" => inlined::<Live>(),
        _ => Value::Null,
    };
    let text = schema.get("description").and_then(Value::as_str);
    text.unwrap_or_default().replace('\n', " ")
}

/// An object's fields with what they are by default, in the order of their declaration; a group that is left out by
/// default has that of the alphabet.
fn in_order<'a>(
    schema: &'a Value,
    defaults: &'a serde_yaml::Value,
) -> impl Iterator<Item = (&'a str, &'a Value, &'a serde_yaml::Value)> {
    static NULL: serde_yaml::Value = serde_yaml::Value::Null;
    let fields = schema.get("properties").and_then(Value::as_object);
    let declared = defaults.as_mapping().into_iter().flatten();
    let declared = declared.filter_map(move |(key, default)| {
        let (key, schema) = fields?.get_key_value(key.as_str()?)?;
        Some((key.as_str(), schema, default))
    });
    let left_out = fields.filter(|_| defaults.is_null()).into_iter().flatten();
    declared.chain(left_out.map(|(key, schema)| (key.as_str(), schema, &NULL)))
}

fn settings_of(
    prefix: &str,
    schema: &Value,
    defaults: &serde_yaml::Value,
    optional: bool,
) -> Vec<Declared> {
    let one = |(key, schema, default): (&str, &Value, &serde_yaml::Value)| {
        let name = format!("{prefix}.{key}");
        let has_fields = |schema: &&Value| schema.get("properties").is_some();
        let group = [Some(schema), some_of(schema)]
            .into_iter()
            .flatten()
            .find(has_fields);
        match group {
            Some(group) => settings_of(&name, group, default, true),
            None => vec![Declared::new(name, schema, optional)],
        }
    };
    in_order(schema, defaults).flat_map(one).collect()
}

/// What an optional type is where it is there.
fn some_of(schema: &Value) -> Option<&Value> {
    let alternatives = schema.get("anyOf")?.as_array()?;
    alternatives
        .iter()
        .find(|one| one.get("type") != Some(&Value::from("null")))
}

fn choices_of(schema: &Value) -> Vec<Choice> {
    let schema = some_of(schema).unwrap_or(schema);
    let one = |schema: &Value| {
        let description = schema.get("description").and_then(Value::as_str);
        Some(Choice {
            name: schema.get("const")?.as_str()?.to_owned(),
            description: description.unwrap_or_default().replace('\n', " "),
        })
    };
    let words = |schema: &Value| -> Option<Vec<Choice>> {
        if let Some(names) = schema.get("enum").and_then(Value::as_array) {
            let name = |name: &Value| {
                Some(Choice {
                    name: name.as_str()?.to_owned(),
                    description: String::new(),
                })
            };
            return Some(names.iter().filter_map(name).collect());
        }
        schema.get("oneOf")?.as_array()?.iter().map(one).collect()
    };
    words(schema).unwrap_or_default()
}

fn kind_of(schema: &Value, has_choices: bool, in_optional_group: bool) -> Kind {
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let optional = types.contains(&"null") || some_of(schema).is_some();
    match types.first() {
        Some(&"boolean") => Kind::Bool,
        Some(&"integer") if in_optional_group => Kind::OptionalInteger,
        Some(&"integer") => Kind::Integer,
        Some(&"number") if optional => Kind::OptionalReal,
        Some(&"number") => Kind::Real,
        Some(&"array") => match schema.pointer("/items/properties") {
            Some(_) => Kind::Groups,
            None => Kind::Texts,
        },
        _ if optional => Kind::OptionalText,
        _ => {
            debug_assert!(has_choices || types == ["string"], "{schema}");
            Kind::Text
        }
    }
}

/// The value of a dotted name in a tree.
pub(super) fn value_at<'a>(
    tree: &'a serde_yaml::Value,
    name: &str,
) -> Option<&'a serde_yaml::Value> {
    name.split('.').try_fold(tree, |tree, key| tree.get(key))
}
