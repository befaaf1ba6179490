//! The body of a chat completion's request: which fields there are, which of them this model has a use for, and which ask for
//! something that it does not do. What would change the answer and is not done is refused by name, never passed over.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::refusal::Refusal;
use spatial_reward_core::frame::BoundingBox;

/// Fields of OpenAI's that change no answer of a model that always takes the likeliest token and keeps nothing.
const HARMLESS: [&str; 14] = [
    "metadata",
    "min_p",
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "seed",
    "service_tier",
    "store",
    "top_k",
    "top_p",
    "user",
    "parallel_tool_calls",
];

/// How many pictures of masks and boxes a question may be about.
pub(crate) const MOST_REGIONS: usize = 32;
/// Turns of a conversation, the question among them.
const MOST_MESSAGES: usize = 64;
/// Bytes of all words together.
const MOST_WORDS: usize = 64 << 10;

/// What is asked.
#[derive(Debug, PartialEq)]
pub(crate) struct Chat {
    pub(crate) model: Option<String>,
    /// The picture as a data URL.
    pub(crate) image: String,
    pub(crate) boxes: Vec<BoundingBox>,
    /// As data URLs.
    pub(crate) masks: Vec<String>,
    /// As a data URL.
    pub(crate) depth: Option<String>,
    /// Questions before, with their answers.
    pub(crate) history: Vec<(String, String)>,
    pub(crate) question: String,
    pub(crate) max_new_tokens: Option<usize>,
    pub(crate) stream: Option<Stream>,
}

/// The answer is to come as events.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stream {
    pub(crate) include_usage: bool,
}

#[derive(Deserialize)]
struct Body {
    model: Option<String>,
    messages: Vec<Message>,
    regions: Option<Vec<[f64; 4]>>,
    masks: Option<Vec<String>>,
    depth: Option<String>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: Option<Content>,
    tool_calls: Option<Value>,
    function_call: Option<Value>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a message's content is a text, or a list of parts with a type each"
)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    image_url: Option<ImageUrl>,
}

/// OpenAI's object, or the address itself, as some clients have it.
#[derive(Deserialize)]
#[serde(untagged, expecting = "image_url is {\"url\": \"data:image/...\"}")]
enum ImageUrl {
    Object { url: String },
    Bare(String),
}

/// A turn of the user's.
struct Turn {
    text: String,
    image: Option<String>,
}

impl Chat {
    /// From the request's body.
    ///
    /// # Errors
    /// What is wrong with it, by the field's name.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let body: Body = serde_json::from_slice(body).map_err(|error| {
            let words = format!("the body is no chat completion's request in JSON: {error}");
            Refusal::new(hyper::StatusCode::BAD_REQUEST, words).code("invalid_json")
        })?;
        for (field, value) in &body.rest {
            check_field(field, value)?;
        }
        let limits = [body.max_tokens, body.max_completion_tokens];
        if limits.contains(&Some(0)) {
            return Err(Refusal::field("max_tokens", "must be 1 or more"));
        }
        let limit = limits.into_iter().flatten().min();
        let Talk {
            image,
            history,
            question,
        } = conversation(body.messages)?;
        let regions = body.regions.unwrap_or_default();
        let masks = body.masks.unwrap_or_default();
        let count = regions.len() + masks.len();
        if count > MOST_REGIONS {
            let why = format!("{count} regions, and {MOST_REGIONS} are the most");
            return Err(Refusal::field("regions", why));
        }
        Ok(Self {
            model: body.model,
            image,
            boxes: boxes(&regions)?,
            masks,
            depth: body.depth,
            history,
            question,
            max_new_tokens: limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            stream: body.stream.unwrap_or_default().then(|| Stream {
                include_usage: (body.stream_options)
                    .and_then(|options| options.include_usage)
                    .unwrap_or_default(),
            }),
        })
    }
}

/// Whether a field may be what it is, of those that have no use here.
fn check_field(field: &str, value: &Value) -> Result<(), Refusal> {
    let is_zero = || value.as_f64() == Some(0.0);
    let is_empty = || value.as_array().is_some_and(Vec::is_empty);
    let (is_fine, why) = match field {
        _ if value.is_null() || HARMLESS.contains(&field) => return Ok(()),
        "temperature" => (
            is_zero(),
            "the model always takes the likeliest token: leave it out, or give 0",
        ),
        "n" => (
            value.as_u64() == Some(1),
            "there is one answer to a question: leave it out, or give 1",
        ),
        "presence_penalty" | "frequency_penalty" => (is_zero(), "only 0 is done"),
        "logit_bias" => (
            value.as_object().is_some_and(Map::is_empty),
            "no token is favoured here",
        ),
        "logprobs" => (
            value == &Value::Bool(false),
            "probabilities of tokens are not told; spatial_reward.confidence of the answer is that of its number",
        ),
        "top_logprobs" => (is_zero(), "probabilities of tokens are not told"),
        "tools" | "functions" => (is_empty(), "the model calls none"),
        "tool_choice" | "function_call" => (value == "none", "the model calls none"),
        "response_format" => (
            value.get("type") == Some(&Value::from("text")),
            "the answer is text; its number is in spatial_reward.distance_m",
        ),
        "modalities" => (value == &serde_json::json!(["text"]), "the answer is text"),
        "stop" => (is_empty(), "the model stops by itself, or at max_tokens"),
        "audio" | "prediction" | "reasoning_effort" | "verbosity" | "web_search_options" => {
            (false, "this model has no such thing")
        }
        _ => (false, "there is no such field"),
    };
    match is_fine {
        true => Ok(()),
        false => Err(Refusal::field(field.to_owned(), why).code("unsupported_parameter")),
    }
}

fn boxes(regions: &[[f64; 4]]) -> Result<Vec<BoundingBox>, Refusal> {
    let each = regions.iter().enumerate();
    each.map(|(index, &[x_min, y_min, x_max, y_max])| {
        let is_box = x_min < x_max && y_min < y_max;
        if !is_box
            || [x_min, y_min, x_max, y_max]
                .iter()
                .any(|edge| !edge.is_finite())
        {
            let why = "must be [x0, y0, x1, y1] in pixels of the picture, with x0 < x1 and y0 < y1";
            return Err(Refusal::field(format!("regions[{index}]"), why));
        }
        Ok(BoundingBox::new(x_min, y_min, x_max, y_max))
    })
    .collect()
}

/// What messages say.
struct Talk {
    image: String,
    history: Vec<(String, String)>,
    question: String,
}

/// The picture, what was said about it before, and the question.
fn conversation(messages: Vec<Message>) -> Result<Talk, Refusal> {
    let count = messages.len();
    if count > MOST_MESSAGES {
        let why = format!("{count} messages, and {MOST_MESSAGES} are the most");
        return Err(Refusal::field("messages", why));
    }
    let (mut image, mut history, mut asked) = (None, Vec::new(), None);
    let mut words = 0;
    for (index, message) in messages.into_iter().enumerate() {
        let at = format!("messages[{index}]");
        if message.tool_calls.is_some() || message.function_call.is_some() {
            return Err(Refusal::field(at, "the model calls no tools"));
        }
        let content = message.content.unwrap_or(Content::Text(String::new()));
        let is_users = match message.role.as_str() {
            "user" => true,
            "assistant" => false,
            "system" | "developer" => {
                let why = "the model was trained with a system's text of its own: ask in the user's message";
                return Err(Refusal::field(format!("{at}.role"), why));
            }
            role => {
                let why = format!("there is no role '{role}' here: user and assistant take turns");
                return Err(Refusal::field(format!("{at}.role"), why));
            }
        };
        if is_users == asked.is_some() {
            let why = "user and assistant take turns, and the user begins";
            return Err(Refusal::field(format!("{at}.role"), why));
        }
        let turn = turn(content, &at)?;
        words += turn.text.len();
        match (turn.image, asked.take()) {
            (Some(_), Some(_)) => {
                return Err(Refusal::field(at, "an answer has no picture"));
            }
            (Some(_), None) if index > 0 => {
                let why = "a conversation is about one picture, which stands in its first message";
                return Err(Refusal::field(at, why));
            }
            (picture, None) => {
                image = image.or(picture);
                asked = Some(turn.text);
            }
            (None, Some(question)) => history.push((question, turn.text)),
        }
    }
    if words > MOST_WORDS {
        let why = format!("{words} bytes of words, and {MOST_WORDS} are the most");
        return Err(Refusal::field("messages", why));
    }
    let Some(question) = asked else {
        return Err(Refusal::field(
            "messages",
            "the last one must be the user's",
        ));
    };
    let Some(image) = image else {
        let why =
            "there is no picture: the first message needs a part of type image_url with a data URL";
        return Err(Refusal::field("messages", why));
    };
    Ok(Talk {
        image,
        history,
        question,
    })
}

fn turn(content: Content, at: &str) -> Result<Turn, Refusal> {
    let parts = match content {
        Content::Text(text) => return Ok(Turn { text, image: None }),
        Content::Parts(parts) => parts,
    };
    let (mut texts, mut image) = (Vec::new(), None);
    for (index, part) in parts.into_iter().enumerate() {
        let at = format!("{at}.content[{index}]");
        match (part.kind.as_str(), part.text, part.image_url) {
            ("text", Some(text), _) => texts.push(text),
            ("image_url", _, Some(url)) => {
                let (ImageUrl::Object { url } | ImageUrl::Bare(url)) = url;
                if image.replace(url).is_some() {
                    return Err(Refusal::field(at, "there is one picture a conversation"));
                }
            }
            ("text" | "image_url", ..) => {
                return Err(Refusal::field(at, "a part has what its type says"));
            }
            (kind, ..) => {
                let why = format!("there are no parts of type '{kind}' here: text and image_url");
                return Err(Refusal::field(at, why));
            }
        }
    }
    Ok(Turn {
        text: texts.join("\n"),
        image,
    })
}
