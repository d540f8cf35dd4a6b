//! A typed client of the key service, embedded or remote.
//!
//! Deliberately absent: any knowledge of where the service runs or who embeds it, and any logging of its answers.

mod keys;
mod training;

use std::time::Duration;

use futures_util::{Stream, StreamExt as _, future};
use reqwest::header::{AUTHORIZATION, CONNECTION, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use sse_stream::SseByteStream;
use ulkeys_domain::KeyId;
use ulkeys_domain::wire::{
    ActivityKind, ActivityPage, ApiKey, CheckReport, CheckRequest, CreateKey, CreatedKey, ErrorBody, KeyEvent, KeyList,
    KeyUsage, RenameKey, RevokedKey,
};

pub use keys::KeyQuery;
pub use training::RunQuery;

/// The longest wait for an answer; the service answers within milliseconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest silence on an event stream; the service sends a comment every 15 s.
const STREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(40);
/// How often a request that may safely be repeated is tried, and the pause between.
const MAX_ATTEMPTS: u32 = 3;
const RETRY_DELAY: Duration = Duration::from_millis(150);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiClientError {
    /// The service answered that it will not.
    #[error("{0}")]
    Rejected(ErrorBody),
    /// No answer: nobody listens, or the connection broke.
    #[error("the key service does not answer")]
    Unreachable(#[source] TransportError),
    /// An answer that no key service gives.
    #[error("the key service gave an unexpected answer (HTTP {0})")]
    Unexpected(StatusCode),
    /// The credential cannot be sent in a header.
    #[error("the credential is not valid")]
    Credential,
}

/// Why a request was not sent, or its answer not received. It does not name the URL, whose query may hold what a person
/// typed, a key by mistake included.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct TransportError(reqwest::Error);

impl From<reqwest::Error> for ApiClientError {
    fn from(error: reqwest::Error) -> Self {
        Self::Unreachable(TransportError(error.without_url()))
    }
}

/// A connection to one service with one credential.
#[derive(Clone)]
pub struct ApiClient {
    http: reqwest::Client,
    base_url: String,
    authorization: HeaderValue,
}

impl ApiClient {
    /// A client of the service at `base_url` (`http://127.0.0.1:8576`), authenticated by a bearer token.
    ///
    /// # Errors
    /// [`ApiClientError::Credential`] for a token with characters that no header may hold.
    pub fn new(base_url: &str, token: &str) -> Result<Self, ApiClientError> {
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| ApiClientError::Credential)?;
        authorization.set_sensitive(true);
        let http = reqwest::Client::builder()
            // A proxy from the environment would see the credential.
            .no_proxy()
            .connect_timeout(REQUEST_TIMEOUT)
            .read_timeout(STREAM_IDLE_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { http, base_url: base_url.trim_end_matches('/').to_owned(), authorization })
    }

    /// All active keys, newest first.
    ///
    /// # Errors
    /// [`ApiClientError`], after repeating a call that found nobody.
    pub async fn list_keys(&self) -> Result<KeyList, ApiClientError> {
        self.send_with_retries(|| self.request_with_timeout(Method::GET, "/api/api-keys")).await
    }

    /// Makes a key. The answer is the only one that ever holds its plaintext.
    ///
    /// # Errors
    /// [`ApiClientError`]. The call is never repeated by itself: a lost answer would leave a key that nobody has.
    pub async fn create_key(&self, key: &CreateKey) -> Result<CreatedKey, ApiClientError> {
        // A kept connection would keep the answer in its buffers, on both sides.
        let request = self.request_with_timeout(Method::POST, "/api/api-keys").header(CONNECTION, "close");
        parse_response(request.json(key).send().await?).await
    }

    /// Revokes a key; once more for a key that is revoked already is no error.
    ///
    /// # Errors
    /// [`ApiClientError`], after repeating a call that found nobody.
    pub async fn revoke_key(&self, id: &KeyId) -> Result<RevokedKey, ApiClientError> {
        self.send_with_retries(|| self.request_with_timeout(Method::DELETE, &format!("/api/api-keys/{id}"))).await
    }

    /// Gives an active key another name.
    ///
    /// # Errors
    /// [`ApiClientError`], after repeating a call that found nobody.
    pub async fn rename_key(&self, id: &KeyId, name: &str) -> Result<ApiKey, ApiClientError> {
        let body = RenameKey { name: name.to_owned() };
        self.send_with_retries(|| self.request_with_timeout(Method::PATCH, &format!("/api/api-keys/{id}")).json(&body))
            .await
    }

    /// A key's requests of the last `hours` (at most 2,160), and the programs behind them.
    ///
    /// # Errors
    /// [`ApiClientError`], after repeating a call that found nobody.
    pub async fn get_usage(&self, id: &KeyId, hours: u32) -> Result<KeyUsage, ApiClientError> {
        self.send_with_retries(|| {
            self.request_with_timeout(Method::GET, &format!("/api/api-keys/{id}/usage?hours={hours}"))
        })
        .await
    }

    /// A page of at most `limit` entries of activity, newest first, of one key or of all, and of one kind or of all;
    /// `cursor` is the `next` of the page before.
    ///
    /// # Errors
    /// [`ApiClientError`], after repeating a call that found nobody.
    pub async fn list_activity(
        &self,
        key: Option<&KeyId>,
        kind: Option<ActivityKind>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<ActivityPage, ApiClientError> {
        let limit = limit.to_string();
        let key = key.map(|id| ("keyId", id.as_str()));
        let kind = kind.as_ref().map(|kind| ("kind", kind.as_ref()));
        let cursor = cursor.map(|cursor| ("cursor", cursor));
        let query: Vec<_> = [key, kind, cursor, Some(("limit", limit.as_str()))].into_iter().flatten().collect();
        self.send_with_retries(|| self.request_with_timeout(Method::GET, "/api/activity").query(&query)).await
    }

    /// Why a key is refused, or would be. For the app's session only.
    ///
    /// # Errors
    /// [`ApiClientError`], after repeating a call that found nobody.
    pub async fn check_key(&self, question: &CheckRequest) -> Result<CheckReport, ApiClientError> {
        // A kept connection would keep the key in its buffers, on both sides.
        let request =
            || self.request_with_timeout(Method::POST, "/api/diagnosis").header(CONNECTION, "close").json(question);
        self.send_with_retries(request).await
    }

    /// Changes from now on, beginning with [`KeyEvent::Resync`]. The stream ends when the connection does.
    ///
    /// # Errors
    /// [`ApiClientError`] when the stream cannot be opened.
    pub async fn open_event_stream(&self) -> Result<impl Stream<Item = KeyEvent> + Send + use<>, ApiClientError> {
        let request = self.authorized_request(Method::GET, "/api/api-keys/events");
        let response = request.send().await?;
        if !response.status().is_success() {
            return Err(rejection_of(response).await);
        }
        let events = SseByteStream::new(response.bytes_stream());
        let readable = events.take_while(|event| future::ready(event.is_ok())).filter_map(|event| {
            let data = event.ok().and_then(|event| event.data);
            // An event that this version does not know: list again rather than miss it.
            future::ready(data.map(|data| serde_json::from_str(&data).unwrap_or(KeyEvent::Resync)))
        });
        Ok(Box::pin(readable))
    }

    /// A request that is answered at once.
    fn request_with_timeout(&self, method: Method, path: &str) -> RequestBuilder {
        self.authorized_request(method, path).timeout(REQUEST_TIMEOUT)
    }

    fn authorized_request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base_url));
        request.header(AUTHORIZATION, self.authorization.clone())
    }

    /// For requests that do the same when they arrive twice.
    async fn send_with_retries<T: DeserializeOwned>(
        &self,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<T, ApiClientError> {
        let mut tries = 1;
        loop {
            match request().send().await {
                Ok(response) => return parse_response(response).await,
                Err(error) if tries < MAX_ATTEMPTS && error.is_connect() => tries += 1,
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }
}

async fn parse_response<T: DeserializeOwned>(response: Response) -> Result<T, ApiClientError> {
    let status = response.status();
    if !status.is_success() {
        return Err(rejection_of(response).await);
    }
    let body = response.bytes().await?;
    // The reason may quote the body, and the body may hold a secret.
    serde_json::from_slice(&body).map_err(|_| ApiClientError::Unexpected(status))
}

async fn rejection_of(response: Response) -> ApiClientError {
    let status = response.status();
    match response.json::<ErrorBody>().await {
        Ok(body) => ApiClientError::Rejected(body),
        Err(_) => ApiClientError::Unexpected(status),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[tokio::test]
    async fn failed_request_does_not_name_its_url() {
        // Nothing listens on the port: it is reserved, and closed again.
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("free").port();
        let client = ApiClient::new(&format!("http://127.0.0.1:{port}"), "token").expect("a client");
        let query = KeyQuery { text: "what-somebody-typed".to_owned(), limit: 50, ..KeyQuery::default() };
        let error = client.list_key_page(&query, 90).await.expect_err("nobody answers");
        assert!(matches!(error, ApiClientError::Unreachable(_)), "{error:?}");
        let mut text = format!("{error:?}");
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            text += &format!(" {error}");
            cause = error.source();
        }
        assert!(error.source().is_some_and(|cause| cause.source().is_some()), "the cause is kept: {text}");
        assert!(!text.contains("what-somebody-typed") && !text.contains("/api/"), "{text}");
    }
}
