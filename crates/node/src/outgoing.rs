//! The one door for what the node says: every message, every answer and every log line passes it. Texts come in from
//! whoever publishes, and go out as C strings, which a zero byte ends: r2r panics over one that holds any.
//! clippy.toml forbids the ways around this door.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use r2r::diagnostic_msgs::msg::{DiagnosticArray, DiagnosticStatus, KeyValue};
use r2r::lifecycle_msgs::msg::{State, Transition, TransitionDescription, TransitionEvent};
use r2r::lifecycle_msgs::srv::{
    ChangeState, GetAvailableStates, GetAvailableTransitions, GetState,
};
use r2r::rcl_interfaces::msg::{
    ListParametersResult, Parameter, ParameterDescriptor, ParameterEvent, ParameterValue,
    SetParametersResult,
};
use r2r::rcl_interfaces::srv::{
    DescribeParameters, GetParameterTypes, GetParameters, ListParameters, SetParameters,
    SetParametersAtomically,
};
use r2r::sensor_msgs::msg::CompressedImage;
use r2r::spatial_reward::msg::StepReward;
use r2r::spatial_reward::srv::AnnotateStep;
use r2r::std_msgs::msg::{Bool, Float64, Header};
use r2r::std_srvs::srv::Trigger;
use r2r::{
    LogSeverity, Publisher, QosProfile, ServiceRequest, WrappedServiceTypeSupport,
    WrappedTypesupport,
};

use crate::error::{Result, ros};
use spatial_reward_core::step::Step;

/// Stands where a text has a character that cannot be sent.
const REPLACEMENT: &str = "\u{fffd}";

/// Bytes of somebody else's text that are shown, in a log line or in the diagnostics: what is longer is for a machine.
const LONGEST: usize = 4096;

/// Something that goes out, with the texts that it holds.
pub(crate) trait Outgoing {
    /// Show every text, however deep.
    fn each_text(&mut self, visit: &mut dyn FnMut(&mut String));
}

impl Outgoing for String {
    fn each_text(&mut self, visit: &mut dyn FnMut(&mut String)) {
        visit(self);
    }
}

impl<T: Outgoing> Outgoing for Vec<T> {
    fn each_text(&mut self, visit: &mut dyn FnMut(&mut String)) {
        for one in self {
            one.each_text(visit);
        }
    }
}

/// `Message { fields }`: those that are texts, or hold some. The test below finds a forgotten one.
macro_rules! outgoing {
    ($($message:path { $($field:ident),* })*) => {$(
        impl Outgoing for $message {
            fn each_text(&mut self, visit: &mut dyn FnMut(&mut String)) {
                let _ = &visit;
                $(self.$field.each_text(visit);)*
            }
        }
    )*};
}

outgoing! {
    AnnotateStep::Response { message, step }
    Bool {}
    ChangeState::Response {}
    CompressedImage { header, format }
    DescribeParameters::Response { descriptors }
    DiagnosticArray { header, status }
    DiagnosticStatus { name, message, hardware_id, values }
    Float64 {}
    GetAvailableStates::Response { available_states }
    GetAvailableTransitions::Response { available_transitions }
    GetParameterTypes::Response {}
    GetParameters::Response { values }
    GetState::Response { current_state }
    Header { frame_id }
    KeyValue { key, value }
    ListParameters::Response { result }
    ListParametersResult { names, prefixes }
    Parameter { name, value }
    ParameterDescriptor { name, description, additional_constraints }
    ParameterEvent { node, new_parameters, changed_parameters, deleted_parameters }
    ParameterValue { string_value, string_array_value }
    SetParameters::Response { results }
    SetParametersAtomically::Response { result }
    SetParametersResult { reason }
    State { label }
    Step { frame_id, answer }
    StepReward {
        header, distance_kind, reward_kind, reason, answer, estimator, fingertip_origin, target_origin
    }
    Transition { label }
    TransitionDescription { transition, start_state, goal_state }
    TransitionEvent { transition, start_state, goal_state }
    Trigger::Response { message }
}

/// The message as it can be sent.
fn sendable<M: Outgoing>(mut message: M) -> M {
    let mut first = None;
    message.each_text(&mut |text| {
        if let Cow::Owned(replaced) = as_c_text(text) {
            *text = replaced;
            first.get_or_insert_with(|| text.clone());
        }
    });
    if let Some(text) = first {
        tell_of_replacement(&text);
    }
    message
}

/// A text that C can hold.
fn as_c_text(text: &str) -> Cow<'_, str> {
    match text.contains('\0') {
        true => Cow::Owned(text.replace('\0', REPLACEMENT)),
        false => Cow::Borrowed(text),
    }
}

/// Once: whoever sends such a text sends it again and again.
fn tell_of_replacement(text: &str) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !TOLD.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            "a text that came in has a zero byte, which ROS cannot carry: it goes out as {:?}",
            shortened(text)
        );
    }
}

/// A step as it can be sent.
pub(crate) fn sendable_step(step: &Step) -> Cow<'_, Step> {
    match step.frame_id.contains('\0') || step.answer.contains('\0') {
        true => Cow::Owned(sendable(step.clone())),
        false => Cow::Borrowed(step),
    }
}

/// A text of somebody else's that people are to read: its beginning, where it is long.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST {
        return Cow::Borrowed(text);
    }
    let shown = &text[..text.floor_char_boundary(LONGEST)];
    let left_out = text.len() - shown.len();
    Cow::Owned(format!("{shown}... ({left_out} more bytes)"))
}

/// Write a line to ROS's log.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub(crate) fn log_line(
    text: &str,
    logger: &str,
    file: &str,
    line: Option<u32>,
    severity: LogSeverity,
) {
    let text = as_c_text(text);
    r2r::log(&shortened(&text), logger, file, line.unwrap_or(0), severity);
}

/// A publisher whose messages pass the door.
#[derive(Clone)]
pub(crate) struct Outlet<M: WrappedTypesupport> {
    publisher: Publisher<M>,
    topic: &'static str,
}

impl<M: WrappedTypesupport + Outgoing + 'static> Outlet<M> {
    /// # Errors
    /// A topic name that ROS refuses.
    pub(crate) fn new(
        node: &mut r2r::Node,
        topic: &'static str,
        quality: QosProfile,
    ) -> Result<Self> {
        let publisher = node.create_publisher(topic, quality);
        Ok(Self {
            publisher: publisher.map_err(ros(format!("publish {topic}")))?,
            topic,
        })
    }

    /// How many subscribers there are, as far as ROS tells.
    pub(crate) fn subscribers(&self) -> Option<usize> {
        self.publisher.get_inter_process_subscription_count().ok()
    }

    /// # Errors
    /// ROS refuses the message.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub(crate) fn publish(&self, message: M) -> Result<()> {
        (self.publisher.publish(&sendable(message))).map_err(ros(format!("publish {}", self.topic)))
    }
}

/// Answer a request. A caller that has gone, or is not found in time, is told to the log and is no reason
/// to end.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub(crate) fn respond<S>(request: ServiceRequest<S>, response: S::Response, what: &str)
where
    S: WrappedServiceTypeSupport + 'static,
    S::Response: Outgoing,
{
    if let Err(error) = request.respond(sendable(response)) {
        tracing::warn!("the answer to {what} did not reach its caller: {error}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Put a zero byte into every text below a value; how many there were.
    fn spoil(value: &mut Value) -> usize {
        match value {
            Value::String(text) => {
                *text = "spoilt\0text".to_owned();
                1
            }
            Value::Array(values) => values.iter_mut().map(spoil).sum(),
            Value::Object(fields) => fields.values_mut().map(spoil).sum(),
            _ => 0,
        }
    }

    /// A message with a zero byte in each of its texts goes through the door without any; each list has an element.
    fn passes<M: WrappedTypesupport + Outgoing>(message: M, texts: usize) {
        let name = std::any::type_name::<M>();
        let mut spoilt = serde_json::to_value(message).unwrap();
        assert_eq!(spoil(&mut spoilt), texts, "{name}");
        let spoilt: M = serde_json::from_value(spoilt).unwrap();
        let sent = serde_json::to_string(&sendable(spoilt)).unwrap();
        assert!(!sent.contains("\\u0000"), "{name} forgets a text: {sent}");
        assert_eq!(
            sent.matches("spoilt\u{fffd}text").count(),
            texts,
            "{name}: {sent}"
        );
    }

    fn one<T: Default>() -> Vec<T> {
        vec![T::default()]
    }

    #[test]
    fn every_text_of_every_message_can_be_sent() {
        let status = DiagnosticStatus {
            values: one(),
            ..DiagnosticStatus::default()
        };
        let value = ParameterValue {
            string_array_value: one(),
            ..ParameterValue::default()
        };
        let parameter = Parameter {
            value: value.clone(),
            ..Parameter::default()
        };
        let result = ListParametersResult {
            names: one(),
            prefixes: one(),
        };
        passes(CompressedImage::default(), 2);
        passes(
            DiagnosticArray {
                status: vec![status],
                ..DiagnosticArray::default()
            },
            6,
        );
        passes(
            ParameterEvent {
                new_parameters: vec![parameter.clone()],
                changed_parameters: vec![parameter.clone()],
                deleted_parameters: vec![parameter],
                ..ParameterEvent::default()
            },
            10,
        );
        passes(AnnotateStep::Response::default(), 9);
        passes(DescribeParameters::Response { descriptors: one() }, 3);
        passes(
            GetParameters::Response {
                values: vec![value],
            },
            2,
        );
        passes(ListParameters::Response { result }, 2);
        passes(SetParameters::Response { results: one() }, 1);
        passes(SetParametersAtomically::Response::default(), 1);
        passes(Trigger::Response::default(), 1);
        passes(GetParameterTypes::Response::default(), 0);
        passes(Bool::default(), 0);
        passes(Float64::default(), 0);
    }

    #[test]
    fn every_text_about_states_can_be_sent() {
        passes(TransitionEvent::default(), 3);
        passes(GetState::Response::default(), 1);
        passes(
            GetAvailableStates::Response {
                available_states: one(),
            },
            1,
        );
        passes(
            GetAvailableTransitions::Response {
                available_transitions: one(),
            },
            3,
        );
        passes(ChangeState::Response::default(), 0);
    }

    #[test]
    fn a_long_text_is_shown_by_its_beginning() {
        let exact = "x".repeat(LONGEST);
        assert_eq!(shortened(&exact), exact);
        // Three bytes a character, so that the bound falls into one.
        let long = "\u{20ac}".repeat(LONGEST);
        let shown = shortened(&long);
        assert!(shown.len() < LONGEST + 40 && shown.starts_with('\u{20ac}'));
        assert!(
            shown.ends_with(" more bytes)"),
            "{}",
            &shown[shown.len() - 40..]
        );
    }
}
