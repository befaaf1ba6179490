//! What is asked for and what is answered: from a request's head to the question at the model's desk and back. A body is always
//! read or passed over before something is answered, or a client that still sends would miss what it is told.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::budget::{NoShare, Share};
use crate::chat::Chat;
use crate::door::{Stranger, random_hex, stranger};
use crate::job::{Job, Place};
use crate::metrics::Gauges;
use crate::picture::Pictures;
use crate::refusal::Refusal;
use crate::shared::Shared;
use crate::told::{self, Completion};
use spatial_reward_core::question::{Asked, MarkedPicture};

/// A body is held as it came, as words in JSON and as the bytes that those mean.
const COPIES: u64 = 3;
/// So many times the longest body is passed over at most.
const PASSED_OVER: usize = 4;
/// Nobody is told to come back later than that.
const LONGEST_RETRY_S: f64 = 60.0;

const JSON: &str = "application/json";

type Answer = Response<Full<Bytes>>;

/// Answers one request.
pub(crate) async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> Answer {
    let begin = Instant::now();
    let (head, body) = request.into_parts();
    let answer = match routed(&shared, &head, body).await {
        Ok(answer) => answer,
        Err(refusal) => refused(&refusal),
    };
    let status = answer.status();
    shared.metrics.request(status.as_u16());
    tracing::debug!(
        "{} {} {} in {:.0} ms",
        head.method,
        head.uri.path(),
        status.as_u16(),
        1000.0 * begin.elapsed().as_secs_f64()
    );
    answer
}

async fn routed(shared: &Arc<Shared>, head: &Parts, body: Incoming) -> Result<Answer, Refusal> {
    let path = head.uri.path();
    let model = path.strip_prefix("/v1/models/");
    let expected = match path {
        "/v1/chat/completions" => Some(Method::POST),
        "/health" | "/metrics" | "/v1/models" => Some(Method::GET),
        _ => model.map(|_| Method::GET),
    };
    let allowed = admitted(shared, head).and_then(|()| match expected {
        None => {
            let why = format!("there is no {path} here: /v1/chat/completions and /v1/models");
            Err(Refusal::new(StatusCode::NOT_FOUND, why))
        }
        Some(expected) if head.method != expected => {
            let why = format!("{path} takes {expected}");
            Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, why))
        }
        Some(_) => Ok(()),
    });
    if let Err(refusal) = allowed {
        pass_over(shared, body).await;
        return Err(refusal);
    }
    match (path, model) {
        ("/v1/chat/completions", _) => chat(shared, &head.headers, body).await,
        ("/metrics", _) => {
            const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
            let gauges = Gauges {
                waiting: shared.waiting(),
                held_bytes: shared.budget.taken(),
            };
            Ok(answer(
                StatusCode::OK,
                PROMETHEUS,
                shared.metrics.text(&gauges),
            ))
        }
        ("/v1/models", _) => {
            let all = json!({"object": "list", "data": [told::model(shared)]});
            Ok(of_json(StatusCode::OK, &all))
        }
        (_, Some(name)) => {
            told::check_model(shared, name)?;
            Ok(of_json(StatusCode::OK, &told::model(shared)))
        }
        _ if shared.is_ending() => Err(is_ending()),
        _ => {
            let health = json!({"status": "ok", "model": shared.options.model});
            Ok(of_json(StatusCode::OK, &health))
        }
    }
}

/// Whether this client may ask for that.
fn admitted(shared: &Shared, head: &Parts) -> Result<(), Refusal> {
    let forbidden = |why| Err(Refusal::new(StatusCode::FORBIDDEN, why).code("forbidden"));
    match stranger(&shared.names, &head.headers) {
        Some(Stranger::Name) => {
            return forbidden(
                "this server is asked for by a name of its machine only (the header Host): 127.0.0.1 or localhost, \
                 or beyond it an address or a name that it was told",
            );
        }
        Some(Stranger::Page) => return forbidden("a page of another server asks"),
        None => {}
    }
    let Some(token) = &shared.options.token else {
        return Ok(());
    };
    // Whoever watches over it need not be able to ask.
    if head.uri.path() == "/health" {
        return Ok(());
    }
    let told = head.headers.get(AUTHORIZATION);
    let told = told.and_then(|told| told.to_str().ok()).unwrap_or_default();
    let told = told
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match told.is_some_and(|(_, told)| token.is(told.trim())) {
        true => Ok(()),
        false => {
            let why = "the token is missing or wrong: send it as Authorization: Bearer TOKEN (api_key of OpenAI's clients)";
            Err(Refusal::new(StatusCode::UNAUTHORIZED, why).code("invalid_api_key"))
        }
    }
}

async fn chat(
    shared: &Arc<Shared>,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Answer, Refusal> {
    let limits = &shared.options.limits;
    let begun = begin_chat(shared, headers, &body);
    let (mut share, place) = match begun {
        Ok(begun) => begun,
        Err(refusal) => {
            pass_over(shared, body).await;
            return Err(refusal);
        }
    };
    let whole = timeout(limits.body, Limited::new(body, limits.body_bytes).collect());
    let body = match whole.await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_long(shared)),
        Ok(Err(error)) => {
            let why = format!("the body does not end as it should: {error}");
            return Err(Refusal::new(StatusCode::BAD_REQUEST, why));
        }
        Err(_) => {
            let seconds = limits.body.as_secs_f64();
            let why = format!("the body was not there after {seconds} s");
            return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, why));
        }
    };
    share.shrink(COPIES * body.len() as u64);
    let reading = Arc::clone(shared);
    let read = tokio::task::spawn_blocking(move || read(&reading, body, share));
    let (chat, picture, share) = read.await.map_err(|_| {
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "a bug of this program: please report it",
        )
    })??;
    let (reply, replied) = oneshot::channel();
    shared.hand(Job {
        asked: Asked {
            picture,
            history: chat.history,
            question: chat.question.clone(),
            max_new_tokens: chat.max_new_tokens,
        },
        reply,
        since: Instant::now(),
        held: (place, share),
    });
    let reply = replied.await.unwrap_or_else(|_| Err(is_ending()))?;
    let number = random_hex::<8>().unwrap_or_default();
    let completion = Completion {
        id: &format!("chatcmpl-{}{number}", shared.series),
        model: &shared.options.model,
        question: &chat.question,
        reply: &reply,
    };
    Ok(match chat.stream {
        None => answer(StatusCode::OK, JSON, completion.whole()),
        Some(stream) => {
            let events = completion.events(stream);
            answer(StatusCode::OK, "text/event-stream; charset=utf-8", events)
        }
    })
}

/// A place in the queue and memory for the body, before anything of it is read.
fn begin_chat(
    shared: &Shared,
    headers: &HeaderMap,
    body: &Incoming,
) -> Result<(Share, Place), Refusal> {
    if shared.is_ending() {
        return Err(is_ending());
    }
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    if !kind.trim().eq_ignore_ascii_case("application/json") {
        let why = "the body must be JSON (Content-Type: application/json)";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    let most = shared.options.limits.body_bytes as u64;
    // Where the length is not told, it may be the longest.
    let length = body.size_hint().exact().unwrap_or(most);
    if length > most {
        return Err(too_long(shared));
    }
    let share = take(shared, COPIES * length)?;
    let place = shared
        .place()
        .ok_or_else(|| busy(shared, "the queue is full"))?;
    Ok((share, place))
}

/// What a body asks, its pictures decoded; on a thread that may take its time.
fn read(
    shared: &Shared,
    body: Bytes,
    share: Share,
) -> Result<(Chat, MarkedPicture, Share), Refusal> {
    let mut chat = Chat::parse(&body)?;
    drop(body);
    if let Some(model) = &chat.model {
        told::check_model(shared, model)?;
    }
    let pictures = Pictures::take(&mut chat, shared.options.limits.pixels)?;
    let decoded = take(shared, pictures.decoded_bytes(chat.boxes.len()))?;
    let picture = pictures.decode(&chat)?;
    drop(share);
    Ok((chat, picture, decoded))
}

fn take(shared: &Shared, bytes: u64) -> Result<Share, Refusal> {
    shared.budget.take(bytes).map_err(|none| match none {
        NoShare::Now => busy(shared, "other requests have the memory"),
        NoShare::Ever => {
            let most = shared.options.limits.held_bytes;
            let why = format!(
                "this needs {bytes} bytes of memory, and there are {most} for all requests: fewer regions or pixels"
            );
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, why).code("request_too_large")
        }
    })
}

fn busy(shared: &Shared, why: &str) -> Refusal {
    let questions = shared.waiting() as f64;
    let wait_s = (questions * shared.metrics.seconds_a_question()).clamp(1.0, LONGEST_RETRY_S);
    let words = format!("{why}: ask again later");
    Refusal::new(StatusCode::TOO_MANY_REQUESTS, words)
        .code("rate_limit_exceeded")
        .retry_after(wait_s.ceil() as u64)
}

fn too_long(shared: &Shared) -> Refusal {
    let most = shared.options.limits.body_bytes;
    let why = format!("the body is longer than {most} bytes");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, why).code("request_too_large")
}

fn is_ending() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the server is ending").retry_after(1)
}

/// Reads on and keeps nothing, so that a client that is still sending gets to hear the answer; within limits.
async fn pass_over(shared: &Shared, mut body: Incoming) {
    let limits = &shared.options.limits;
    let most = limits.body_bytes.saturating_mul(PASSED_OVER);
    let passing = async {
        let mut passed = 0;
        while let Some(Ok(frame)) = body.frame().await {
            passed += frame.data_ref().map_or(0, Bytes::len);
            if passed > most {
                return;
            }
        }
    };
    // What is answered does not change by it.
    let _ = timeout(limits.body, passing).await;
}

fn refused(refusal: &Refusal) -> Answer {
    let mut answer = of_json(refusal.status, &refusal.body());
    let headers = answer.headers_mut();
    if let Some(seconds) = refusal.retry_after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    match refusal.status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(ALLOW, HeaderValue::from_static("GET, POST"));
        }
        _ => {}
    }
    answer
}

fn of_json(status: StatusCode, body: &Value) -> Answer {
    answer(status, JSON, body.to_string())
}

fn answer(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let headers: [(HeaderName, &'static str); 3] = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in headers {
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    answer
}
