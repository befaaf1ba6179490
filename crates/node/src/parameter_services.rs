//! The services by which ROS reads and changes a node's parameters (rcl_interfaces), and the events that
//! tell others of a change. Ours rather than r2r's, because these refuse with a reason, change several
//! parameters together, and describe them.

use std::sync::Mutex;

use r2r::rcl_interfaces::msg::{
    FloatingPointRange, IntegerRange, ListParametersResult, Parameter, ParameterDescriptor,
    ParameterEvent, ParameterValue as ValueMessage, SetParametersResult,
};
use r2r::rcl_interfaces::srv::{
    DescribeParameters, GetParameterTypes, GetParameters, ListParameters, SetParameters,
    SetParametersAtomically,
};
use r2r::{ParameterValue, QosProfile};

use super::clock;
use super::parameters::Parameters;
use crate::answers::{Answers, Hurry};
use crate::error::Result;
use crate::outgoing::Outlet;
use crate::services::{Requests, next, serve};
use spatial_reward_core::settings::Settings;

/// What the requests are about, for the log.
const ABOUT: &str = "a request about parameters";

/// The six services.
pub(crate) struct ParameterServices {
    set: Requests<SetParameters::Service>,
    set_atomically: Requests<SetParametersAtomically::Service>,
    get: Requests<GetParameters::Service>,
    list: Requests<ListParameters::Service>,
    describe: Requests<DescribeParameters::Service>,
    types: Requests<GetParameterTypes::Service>,
    events: Outlet<ParameterEvent>,
    node: String,
}

impl ParameterServices {
    /// # Errors
    /// ROS refuses a service.
    pub(crate) fn new(node: &mut r2r::Node, full_name: String) -> Result<Self> {
        Ok(Self {
            set: serve(node, "~/set_parameters")?,
            set_atomically: serve(node, "~/set_parameters_atomically")?,
            get: serve(node, "~/get_parameters")?,
            list: serve(node, "~/list_parameters")?,
            describe: serve(node, "~/describe_parameters")?,
            types: serve(node, "~/get_parameter_types")?,
            events: Outlet::new(node, "/parameter_events", QosProfile::parameter_events())?,
            node: full_name,
        })
    }

    /// Answer the requests that have come in. The new settings, if one of them changed it.
    ///
    /// # Errors
    /// ROS does not publish the change.
    pub(crate) fn answer(
        &mut self,
        parameters: &mut Parameters,
        clock: &Mutex<r2r::Clock>,
        answers: &Answers,
    ) -> Result<Option<Settings>> {
        let mut changed = Vec::new();
        while let Some(request) = next(&mut self.set, answers)? {
            let results = (request.message.parameters.iter())
                .map(|one| set(parameters, std::slice::from_ref(one), &mut changed))
                .collect();
            let response = SetParameters::Response { results };
            answers.give(Hurry::None, request, response, ABOUT)?;
        }
        while let Some(request) = next(&mut self.set_atomically, answers)? {
            let result = set(parameters, &request.message.parameters, &mut changed);
            let response = SetParametersAtomically::Response { result };
            answers.give(Hurry::None, request, response, ABOUT)?;
        }
        while let Some(request) = next(&mut self.get, answers)? {
            let values = (request.message.names.iter())
                .map(|name| message(parameters.get(name)))
                .collect();
            let response = GetParameters::Response { values };
            answers.give(Hurry::None, request, response, ABOUT)?;
        }
        while let Some(request) = next(&mut self.list, answers)? {
            let result = list(parameters, &request.message);
            let response = ListParameters::Response { result };
            answers.give(Hurry::None, request, response, ABOUT)?;
        }
        while let Some(request) = next(&mut self.describe, answers)? {
            let descriptors = (request.message.names.iter())
                .map(|name| describe(parameters, name))
                .collect();
            let response = DescribeParameters::Response { descriptors };
            answers.give(Hurry::None, request, response, ABOUT)?;
        }
        while let Some(request) = next(&mut self.types, answers)? {
            let types = (request.message.names.iter())
                .map(|name| message(parameters.get(name)).type_)
                .collect();
            let response = GetParameterTypes::Response { types };
            answers.give(Hurry::None, request, response, ABOUT)?;
        }
        if changed.is_empty() {
            return Ok(None);
        }
        self.tell(changed, clock)?;
        Ok(Some(parameters.settings().clone()))
    }

    /// Tell everybody of changed parameters.
    fn tell(&self, changed: Vec<Parameter>, clock: &Mutex<r2r::Clock>) -> Result<()> {
        let event = ParameterEvent {
            stamp: clock::message(clock::read(clock)?),
            node: self.node.clone(),
            changed_parameters: changed,
            ..ParameterEvent::default()
        };
        self.events.publish(event)
    }
}

/// Change parameters, all or none, and note those that did change.
fn set(
    parameters: &mut Parameters,
    asked: &[Parameter],
    changed: &mut Vec<Parameter>,
) -> SetParametersResult {
    let values: Vec<(&str, ParameterValue)> = (asked.iter())
        .map(|one| (one.name.as_str(), value(&one.value)))
        .collect();
    let values: Vec<(&str, &ParameterValue)> =
        values.iter().map(|(name, value)| (*name, value)).collect();
    let before: Vec<_> = (values.iter())
        .map(|(name, _)| parameters.get(name))
        .collect();
    match parameters.change(&values) {
        Ok(()) => {
            let now = values.iter().map(|(name, _)| (*name, parameters.get(name)));
            let differs = now.zip(before).filter(|((_, now), before)| now != before);
            for ((name, now), _) in differs {
                tracing::info!("parameter {name} is now {}", in_words(now.as_ref()));
                changed.push(Parameter {
                    name: name.to_owned(),
                    value: message(now),
                });
            }
            SetParametersResult {
                successful: true,
                reason: String::new(),
            }
        }
        Err(reason) => {
            tracing::warn!("a parameter is refused: {reason}");
            SetParametersResult {
                successful: false,
                reason,
            }
        }
    }
}

fn in_words(value: Option<&ParameterValue>) -> String {
    match value {
        Some(ParameterValue::Bool(value)) => value.to_string(),
        Some(ParameterValue::Integer(value)) => value.to_string(),
        Some(ParameterValue::Double(value)) => value.to_string(),
        Some(ParameterValue::String(value)) => format!("'{value}'"),
        Some(ParameterValue::StringArray(values)) => format!("{values:?}"),
        _ => "not set".to_owned(),
    }
}

fn list(parameters: &Parameters, request: &ListParameters::Request) -> ListParametersResult {
    // 0 asks for all depths.
    let deep_enough = |levels: usize| request.depth == 0 || levels as u64 <= request.depth;
    let asked_for = |name: &str| {
        let whole = request.prefixes.is_empty() && deep_enough(name.split('.').count());
        whole
            || request.prefixes.iter().any(|prefix| {
                let below = name.strip_prefix(prefix.as_str());
                match below.and_then(|rest| rest.strip_prefix('.')) {
                    Some(rest) => deep_enough(rest.split('.').count()),
                    None => name == prefix,
                }
            })
    };
    let names: Vec<String> = (parameters.names())
        .filter(|name| asked_for(name))
        .map(str::to_owned)
        .collect();
    let mut prefixes: Vec<String> = (names.iter())
        .filter_map(|name| name.rsplit_once('.'))
        .map(|(prefix, _)| prefix.to_owned())
        .collect();
    prefixes.dedup();
    ListParametersResult { names, prefixes }
}

fn describe(parameters: &Parameters, name: &str) -> ParameterDescriptor {
    let type_ = message(parameters.get(name)).type_;
    let unknown = ParameterDescriptor {
        name: name.to_owned(),
        type_,
        ..ParameterDescriptor::default()
    };
    let Some(declared) = parameters.declared(name) else {
        return unknown;
    };
    // ROS's ranges include their ends, and a value that stands for none lies outside of them.
    let range = match (declared.bounds.lower, declared.bounds.upper) {
        (Some((low, false)), Some((high, false))) if !declared.may_be_absent() => Some((low, high)),
        _ => None,
    };
    ParameterDescriptor {
        description: declared.description.clone(),
        additional_constraints: declared.constraints(),
        read_only: !parameters.may_change(declared),
        floating_point_range: (range.filter(|_| type_ == DOUBLE).into_iter())
            .map(|(from_value, to_value)| FloatingPointRange {
                from_value,
                to_value,
                step: 0.0,
            })
            .collect(),
        integer_range: (range.filter(|_| type_ == INTEGER).into_iter())
            .map(|(from_value, to_value)| IntegerRange {
                from_value: from_value as i64,
                to_value: to_value as i64,
                step: if declared.bounds.odd { 2 } else { 1 },
            })
            .collect(),
        ..unknown
    }
}

/// PARAMETER_INTEGER and PARAMETER_DOUBLE of rcl_interfaces/msg/ParameterType.
const INTEGER: u8 = 2;
const DOUBLE: u8 = 3;

/// The numbers are those of rcl_interfaces/msg/ParameterType.
fn value(message: &ValueMessage) -> ParameterValue {
    match message.type_ {
        1 => ParameterValue::Bool(message.bool_value),
        2 => ParameterValue::Integer(message.integer_value),
        3 => ParameterValue::Double(message.double_value),
        4 => ParameterValue::String(message.string_value.clone()),
        5 => ParameterValue::ByteArray(message.byte_array_value.clone()),
        6 => ParameterValue::BoolArray(message.bool_array_value.clone()),
        7 => ParameterValue::IntegerArray(message.integer_array_value.clone()),
        8 => ParameterValue::DoubleArray(message.double_array_value.clone()),
        9 => ParameterValue::StringArray(message.string_array_value.clone()),
        _ => ParameterValue::NotSet,
    }
}

fn message(value: Option<ParameterValue>) -> ValueMessage {
    let empty = ValueMessage::default();
    match value {
        Some(ParameterValue::Bool(value)) => ValueMessage {
            type_: 1,
            bool_value: value,
            ..empty
        },
        Some(ParameterValue::Integer(value)) => ValueMessage {
            type_: 2,
            integer_value: value,
            ..empty
        },
        Some(ParameterValue::Double(value)) => ValueMessage {
            type_: 3,
            double_value: value,
            ..empty
        },
        Some(ParameterValue::String(value)) => ValueMessage {
            type_: 4,
            string_value: value,
            ..empty
        },
        Some(ParameterValue::StringArray(values)) => ValueMessage {
            type_: 9,
            string_array_value: values,
            ..empty
        },
        // No parameter of ours has another type.
        _ => empty,
    }
}
