//! What is said to a request that gets no answer: a status, and the error's body in OpenAI's form.

use std::borrow::Cow;

use hyper::StatusCode;
use serde_json::{Value, json};

/// Why a request gets no answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    kind: &'static str,
    message: String,
    /// The field that is wrong.
    param: Option<String>,
    code: Option<&'static str>,
    /// When it is worth asking again.
    pub(crate) retry_after_s: Option<u64>,
}

impl Refusal {
    /// One that says nothing but its status and words.
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let kind = match status.as_u16() {
            401 => "authentication_error",
            403 => "permission_error",
            429 => "rate_limit_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        Self {
            status,
            kind,
            message: message.into(),
            param: None,
            code: None,
            retry_after_s: None,
        }
    }

    /// A field that cannot be what it is.
    pub(crate) fn field(param: impl Into<Cow<'static, str>>, why: impl std::fmt::Display) -> Self {
        let param = param.into();
        Self {
            param: Some(param.clone().into_owned()),
            ..Self::new(StatusCode::BAD_REQUEST, format!("{param}: {why}"))
        }
    }

    /// What the error is called for programs.
    pub(crate) fn code(self, code: &'static str) -> Self {
        Self {
            code: Some(code),
            ..self
        }
    }

    /// The same with another status.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after_s: Some(seconds),
            ..self
        }
    }

    pub(crate) fn body(&self) -> Value {
        json!({"error": {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
        }})
    }
}
