//! The model behind an HTTP endpoint; the door to `reqwest`.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};
use slipstream_catalog::pg_catalog::session_info::SettingsSource;
use slipstream_engine::{Error, ErrorKind, Result};

use crate::pgvector::Kind;
use crate::settings::duration;

/// Texts in one request.
const TEXTS: usize = 64;
/// Requests of one batch that are on their way at once.
const REQUESTS: usize = 4;
/// How often a request is made before its error counts.
const ATTEMPTS: u32 = 3;
/// How long to wait before the second attempt; before the third it is four times that.
const PAUSE: Duration = Duration::from_millis(100);

/// A model, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Model {
    url: String,
    name: String,
    key: String,
    dimensions: u32,
    timeout: Duration,
}

/// What became of a request.
enum Failure {
    /// Another attempt may do better.
    Passing(Error),
    Lasting(Error),
}

impl Model {
    /// The model that the settings of a session name.
    pub(crate) fn of(settings: &dyn SettingsSource) -> Model {
        let get = |name: &str| settings.get(name).unwrap_or_default();
        let base = get("slipstream.embed_base_url");
        Model {
            url: format!("{}/embeddings", base.trim_end_matches('/')),
            name: get("slipstream.embed_model"),
            key: settings.unmasked("slipstream.embed_key").unwrap_or_default(),
            dimensions: get("slipstream.embed_dimensions").parse().unwrap_or(1),
            timeout: duration(&get("slipstream.embed_timeout")).unwrap_or(Duration::from_secs(30)),
        }
    }

    pub(crate) fn dimensions(&self) -> u32 {
        self.dimensions
    }

    /// The vectors of some texts. Each text is asked for once.
    pub(crate) async fn embed(&self, texts: &[&str]) -> Result<HashMap<String, Vec<f32>>> {
        let mut unique: Vec<String> = texts.iter().map(|text| text.to_string()).collect();
        unique.sort_unstable();
        unique.dedup();
        let mut requests = Vec::new();
        for part in unique.chunks(TEXTS) {
            requests.push(self.ask(part.to_vec()));
        }
        let parts: Vec<Vec<Vec<f32>>> = stream::iter(requests).buffered(REQUESTS).try_collect().await?;
        Ok(unique.into_iter().zip(parts.into_iter().flatten()).collect())
    }

    /// The vectors of the texts of one request, in their order.
    async fn ask(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS {
            match self.ask_once(&texts).await {
                Ok(vectors) => return Ok(vectors),
                Err(Failure::Lasting(error)) => return Err(error),
                Err(Failure::Passing(error)) => {
                    tracing::debug!(%error, "embed: another attempt");
                    tokio::time::sleep(pause).await;
                    pause *= 4;
                }
            }
        }
        self.ask_once(&texts).await.map_err(|failure| match failure {
            Failure::Passing(error) | Failure::Lasting(error) => error,
        })
    }

    async fn ask_once(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, Failure> {
        let body = json!({ "model": self.name, "input": texts }).to_string();
        let mut request = client()
            .map_err(Failure::Lasting)?
            .post(&self.url)
            .timeout(self.timeout)
            .header("content-type", "application/json")
            .body(body);
        if !self.key.is_empty() {
            request = request.bearer_auth(&self.key);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_builder() => {
                let message = format!("\"{}\" is no URL of an embedding service", self.url);
                return Err(Failure::Lasting(Error::new(ErrorKind::InvalidParameter, message)));
            }
            Err(error) => return Err(Failure::Passing(self.unreachable(&error))),
        };
        let status = response.status();
        let body = response.text().await.map_err(|error| Failure::Passing(self.unreachable(&error)))?;
        if status.is_success() {
            return self.read(&body, texts.len()).map_err(Failure::Lasting);
        }
        let error = self.failed(format!("embedding service answered {}", status.as_u16())).with_detail(said(&body));
        let passes = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
        Err(if passes { Failure::Passing(error) } else { Failure::Lasting(error) })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        let why = if error.is_timeout() { "did not answer in time" } else { "cannot be reached" };
        self.failed(format!("embedding service {why}"))
            .with_hint("The settings slipstream.embed_base_url and slipstream.embed_timeout say where it is.")
    }

    fn failed(&self, message: String) -> Error {
        Error::new(ErrorKind::ExternalService, message).with_detail(format!("It was asked at {}.", self.url))
    }

    /// The vectors of an answer, in the order of the texts.
    fn read(&self, body: &str, count: usize) -> Result<Vec<Vec<f32>>> {
        let malformed = || self.failed("embedding service gave an answer that cannot be read".to_string());
        let answer: Value = serde_json::from_str(body).map_err(|_| malformed())?;
        let data = answer.get("data").and_then(Value::as_array).ok_or_else(malformed)?;
        let mut vectors = vec![Vec::new(); count];
        for (position, item) in data.iter().enumerate() {
            let index = item.get("index").and_then(Value::as_u64).map_or(position, |index| index as usize);
            let numbers = item.get("embedding").and_then(Value::as_array).ok_or_else(malformed)?;
            let place = vectors.get_mut(index).ok_or_else(malformed)?;
            Kind::check_expected(self.dimensions, numbers.len())
                .map_err(|error| error.with_hint("The setting slipstream.embed_dimensions says how many there are."))?;
            *place = numbers
                .iter()
                .map(|number| number.as_f64().map(|number| number as f32).ok_or_else(malformed))
                .collect::<Result<Vec<f32>>>()?;
            place.iter().try_for_each(|element| Kind::Vector.check_element(*element))?;
        }
        if vectors.iter().any(Vec::is_empty) { Err(malformed()) } else { Ok(vectors) }
    }
}

/// The words of an error: those of the API, or the beginning of what came instead.
fn said(body: &str) -> String {
    let answer: Option<Value> = serde_json::from_str(body).ok();
    let error = answer.as_ref().and_then(|answer| answer.get("error"));
    let message = error.and_then(|error| error.get("message").or(Some(error))).and_then(Value::as_str);
    message.map_or_else(|| body.chars().take(200).collect(), str::to_string)
}

/// The connections, which all sessions share.
fn client() -> Result<&'static reqwest::Client> {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client);
    }
    let client = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| Error::internal(format!("no HTTP client: {error}")))?;
    Ok(CLIENT.get_or_init(|| client))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(dimensions: u32) -> Model {
        Model { url: String::new(), name: String::new(), key: String::new(), dimensions, timeout: Duration::ZERO }
    }

    #[test]
    fn answers_come_in_any_order_and_are_checked() {
        let body = r#"{"data": [{"index": 1, "embedding": [3, 4]}, {"index": 0, "embedding": [1, 2.5]}]}"#;
        assert_eq!(model(2).read(body, 2).expect("reads"), [[1.0, 2.5], [3.0, 4.0]]);
        let error = model(3).read(body, 2).expect_err("another dimension");
        assert_eq!((error.kind(), error.message()), (ErrorKind::DataException, "expected 3 dimensions, not 2"));
        for (body, count) in [(body, 3), (body, 1), ("{}", 1), ("no", 1), (r#"{"data": [{"embedding": ["a", 1]}]}"#, 1)]
        {
            assert_eq!(model(2).read(body, count).expect_err(body).kind(), ErrorKind::ExternalService);
        }
        let error = model(1).read(r#"{"data": [{"embedding": [1e300]}]}"#, 1).expect_err("too large");
        assert_eq!(error.message(), "infinite value not allowed in vector");
    }

    #[test]
    fn what_the_service_says_is_passed_on() {
        assert_eq!(said(r#"{"error": {"message": "no such model"}}"#), "no such model");
        assert_eq!(said(r#"{"error": "no such model"}"#), "no such model");
        assert_eq!(said("gone"), "gone");
    }
}
