//! How a hub is reached, as its own tools are told.

use std::path::PathBuf;

use hf_hub::Cache;

const PUBLIC_HUB: &str = "https://huggingface.co";

/// How a hub is reached and where its files are kept.
#[derive(Clone)]
pub struct HubOptions {
    /// Scheme and host, without a slash at the end.
    pub endpoint: String,
    /// The folder that holds `models--org--name` folders; `None` where there is no home to keep it in.
    pub cache: Option<PathBuf>,
    /// Sent to the endpoint, and to nobody it forwards to.
    pub token: Option<String>,
    /// Take what the cache has and never ask the hub.
    pub offline: bool,
    /// How often in a row a transfer may get nowhere before it is given up.
    pub retries: u32,
}

impl HubOptions {
    /// Options as the hub's own tools read them from the environment, given as a function from a
    /// variable's name to its value: `HF_ENDPOINT`, `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`, `HOME`,
    /// `HF_TOKEN` (else the file `token` beside the cache) and `HF_HUB_OFFLINE`.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let home = value("HF_HOME").map(PathBuf::from).or_else(|| {
            let caches = value("XDG_CACHE_HOME").map(PathBuf::from);
            let caches = caches.or_else(|| Some(PathBuf::from(value("HOME")?).join(".cache")));
            Some(caches?.join("huggingface"))
        });
        let cache = value("HF_HUB_CACHE")
            .map(PathBuf::from)
            .or_else(|| Some(home.as_ref()?.join("hub")));
        let token = value("HF_TOKEN").map(|token| token.trim().to_owned());
        let token = token.or_else(|| Cache::new(home?.join("hub")).token());
        let endpoint = value("HF_ENDPOINT").unwrap_or_else(|| PUBLIC_HUB.into());
        let offline = value("HF_HUB_OFFLINE").is_some_and(|value| {
            matches!(
                value.trim().to_lowercase().as_str(),
                "1" | "true" | "yes" | "on"
            )
        });
        Self {
            endpoint: endpoint.trim().trim_end_matches('/').to_owned(),
            cache,
            token,
            offline,
            retries: 5,
        }
    }
}
