//! The server: the page, its pictures, how things stand, and what the page asks for. It answers while the work goes on.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State as Shares};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::http::header::{HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::door::{CONTENT_POLICY, refusal};
use crate::shared::{Asked, Boxes, Shared, Wish};
use spatial_reward_serve::door::Token;

/// A page that asks what is new is answered after so long, new or not.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// While the work goes on, how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// Requests that are under way when the page ends have so long.
const LAST_ANSWERS: Duration = Duration::from_millis(800);

const HTML: &str = include_str!("page/pick.html");
const SCRIPT: &str = "text/javascript; charset=utf-8";
/// What the page is made of, with its types.
const ASSETS: [(&str, &str, &str); 6] = [
    (
        "pick.css",
        "text/css; charset=utf-8",
        include_str!("page/pick.css"),
    ),
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("pick.js", SCRIPT, include_str!("page/pick.js")),
    ("stage.js", SCRIPT, include_str!("page/stage.js")),
    ("curve.js", SCRIPT, include_str!("page/curve.js")),
    ("server.js", SCRIPT, include_str!("page/server.js")),
];

#[derive(Clone)]
struct Served {
    shared: Arc<Shared>,
    token: Token,
}

/// Serve until the state says that it has ended.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>, token: Token) {
    let served = Served {
        shared: Arc::clone(&shared),
        token,
    };
    let page = Router::new()
        .route("/{file}", get(asset))
        .route("/state/{after}/{known}", get(state))
        .route("/curve", get(curve))
        .route("/frames/{bag}/{frame}", get(frame))
        .route("/open/{bag}", post(open))
        .route("/boxes/{bag}", post(boxes))
        .route("/left", post(left))
        .route("/finish", post(finish));
    let page = Router::new()
        .nest("/{token}", page)
        .route("/{token}/", get(html))
        .fallback(unknown)
        .layer(from_fn_with_state(served.clone(), guard))
        .with_state(served);
    let ended = async move {
        let mut changes = shared.changes();
        while !shared.inner().state.ended {
            if changes.changed().await.is_err() {
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let serving = axum::serve(listener, page).with_graceful_shutdown(ended);
    if let Err(error) = serving.into_future().await {
        tracing::warn!("the page cannot be served any more: {error}");
    }
}

/// How long the runtime may take to end.
pub(crate) fn patience() -> Duration {
    LAST_ANSWERS
}

async fn guard(Shares(served): Shares<Served>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&served.token, request.uri().path(), request.headers()) {
        Some(why) => (StatusCode::FORBIDDEN, why).into_response(),
        None => {
            let path = request.uri().path();
            let asked = match path.rsplit('/').nth(2) {
                _ if path.ends_with("/left") => Asked::ToLeave,
                Some("state") => Asked::ToStay,
                _ => Asked::Else,
            };
            served.shared.ask(asked);
            next.run(request).await
        }
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn unknown(uri: Uri) -> Response {
    let path = uri.path().rsplit('/').next().unwrap_or_default();
    (StatusCode::NOT_FOUND, format!("there is no {path} here")).into_response()
}

fn of_type(kind: &'static str, body: impl IntoResponse) -> Response {
    ([(CONTENT_TYPE, kind)], body).into_response()
}

async fn html() -> Response {
    of_type("text/html; charset=utf-8", HTML)
}

async fn asset(Path((_, file)): Path<(String, String)>, uri: Uri) -> Response {
    match ASSETS.iter().find(|(name, _, _)| *name == file) {
        Some((_, kind, text)) => of_type(kind, *text),
        None => unknown(uri).await,
    }
}

/// How things stand, as soon as that is newer than `after`. `known` is the bag whose times the page has, -1 for none.
async fn state(
    Shares(served): Shares<Served>,
    Path((_, after, known)): Path<(String, u64, i64)>,
) -> Json<Value> {
    let shared = &served.shared;
    let mut changes = shared.changes();
    let (works, ended) = {
        let inner = shared.inner();
        let works = inner.state.open.as_ref().is_some_and(|open| open.works);
        (works, inner.state.ended)
    };
    if *changes.borrow_and_update() <= after && !ended {
        let wait = if works { PROGRESS_EVERY } else { LONGEST_WAIT };
        let _ = timeout(wait, changes.changed()).await;
    }
    let revision = *changes.borrow();
    let inner = shared.inner();
    let mut state = inner.state.clone();
    if usize::try_from(known)
        .ok()
        .is_some_and(|known| state.current == Some(known))
        && let Some(open) = &mut state.open
    {
        // They are long, and do not change.
        open.times_s.clear();
    }
    let (done, all) = inner.progress.get();
    let mut told = json!({"revision": revision, "progress": [done, all]});
    if let (Value::Object(told), Ok(Value::Object(state))) =
        (&mut told, serde_json::to_value(&state))
    {
        told.extend(state);
    }
    Json(told)
}

async fn curve(Shares(served): Shares<Served>) -> Response {
    let curve = Arc::clone(&served.shared.inner().curve);
    of_type("application/json", curve.to_string())
}

async fn frame(
    Shares(served): Shares<Served>,
    Path((_, bag, frame)): Path<(String, usize, usize)>,
) -> Response {
    let pictures = {
        let inner = served.shared.inner();
        let of_bag = inner.pictures.as_ref().filter(|(open, _)| *open == bag);
        of_bag.map(|(_, pictures)| Arc::clone(pictures))
    };
    let Some(pictures) = pictures else {
        return (StatusCode::NOT_FOUND, "this bag is not open").into_response();
    };
    match spawn_blocking(move || pictures.jpeg(frame)).await {
        Ok(Ok(jpeg)) => of_type("image/jpeg", jpeg),
        Ok(Err(why)) => (StatusCode::NOT_FOUND, why).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn is_bag(served: &Served, bag: usize) -> bool {
    bag < served.shared.inner().state.bags.len()
}

async fn open(Shares(served): Shares<Served>, Path((_, bag)): Path<(String, usize)>) -> StatusCode {
    if !is_bag(&served, bag) {
        return StatusCode::NOT_FOUND;
    }
    served.shared.wish(Wish::Open(bag));
    StatusCode::NO_CONTENT
}

async fn boxes(
    Shares(served): Shares<Served>,
    Path((_, bag)): Path<(String, usize)>,
    Json(boxes): Json<Boxes>,
) -> Response {
    if !is_bag(&served, bag) {
        return StatusCode::NOT_FOUND.into_response();
    }
    // Whoever is told of this revision or a later one knows that the curve is not of the boxes before.
    let revision = served.shared.change(|inner| {
        let shown = inner.state.current == Some(bag);
        if let Some(open) = inner.state.open.as_mut().filter(|_| shown) {
            open.works = true;
        }
    });
    served.shared.wish(Wish::Boxes(bag, boxes));
    Json(json!({"revision": revision})).into_response()
}

/// The page was closed, or is loaded again.
async fn left() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn finish(Shares(served): Shares<Served>) -> StatusCode {
    served.shared.finish();
    StatusCode::NO_CONTENT
}
