//! A typed client for the HTTP API of the key service, which may be embedded in the app or remote.
//!
//! The client deliberately does not depend on where the service runs or on which program uses the client. It never logs
//! responses, because a response may contain a key.

mod keys;
mod training;

use std::time::Duration;

use futures_util::{Stream, StreamExt as _, future};
use reqwest::header::{AUTHORIZATION, CONNECTION, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use sse_stream::SseByteStream;
use ulkeys_api::{
    ActivityPage, ApiKey, CheckReport, CheckRequest, CreateKey, CreatedKey, ErrorBody, KeyEvent, KeyList, KeyUsage,
    RenameKey, RevokedKey,
};
use ulkeys_domain::{ActivityKind, KeyId};

pub use keys::KeyQuery;
pub use training::RunQuery;

/// Timeout of a request. The service normally responds within milliseconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Time without data after which an event stream is closed. The service sends a comment every 15 s.
const STREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(40);
/// Number of attempts for an idempotent request that cannot connect, and the delay between attempts.
const MAX_ATTEMPTS: u32 = 3;
const RETRY_DELAY: Duration = Duration::from_millis(150);

/// Why an API call failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiClientError {
    /// The service responded with an error.
    #[error("{0}")]
    Rejected(ErrorBody),
    /// There was no response, because nothing listens on the port or the connection broke.
    #[error("no response from the key service; check that it is running")]
    Unreachable(#[source] TransportError),
    /// The response does not have the format of a key service's responses.
    #[error("unexpected response from the key service (HTTP {0}); check its address and version")]
    Unexpected(StatusCode),
    /// The credential contains characters that are not allowed in a header.
    #[error("the credential contains characters that are not allowed in an HTTP header")]
    Credential,
}

/// Why sending a request or receiving its response failed. Omits the URL, because the query contains search text, which
/// may include a key that was pasted by mistake.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct TransportError(reqwest::Error);

impl From<reqwest::Error> for ApiClientError {
    fn from(error: reqwest::Error) -> Self {
        Self::Unreachable(TransportError(error.without_url()))
    }
}

/// Sends requests to one service with one credential.
#[derive(Clone)]
pub struct ApiClient {
    http: reqwest::Client,
    base_url: String,
    authorization: HeaderValue,
}

impl ApiClient {
    /// Creates a client for the service at `base_url` (such as `http://127.0.0.1:8576`), authenticated with a bearer
    /// token.
    ///
    /// # Errors
    /// Returns [`ApiClientError::Credential`] if the token contains characters that are not allowed in a header.
    pub fn new(base_url: &str, token: &str) -> Result<Self, ApiClientError> {
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| ApiClientError::Credential)?;
        authorization.set_sensitive(true);
        let http = reqwest::Client::builder()
            // Proxies that are configured in the environment are bypassed, because they would see the credential.
            .no_proxy()
            .connect_timeout(REQUEST_TIMEOUT)
            .read_timeout(STREAM_IDLE_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { http, base_url: base_url.trim_end_matches('/').to_owned(), authorization })
    }

    /// Returns all active keys, newest first.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the request fails. Failed connections are retried.
    pub async fn list_keys(&self) -> Result<KeyList, ApiClientError> {
        self.send_with_retries(|| self.request_with_timeout(Method::GET, "/api/api-keys")).await
    }

    /// Creates a key. No other response ever contains the key's plaintext. A key older than `rotation_days` (1 to
    /// 3,650) is reported as needing attention.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the request fails. The request is never retried: if the response was lost, a retry
    /// would leave an active key whose plaintext nobody has received.
    pub async fn create_key(&self, key: &CreateKey, rotation_days: u32) -> Result<CreatedKey, ApiClientError> {
        // The connection is not reused, because its buffers on both sides could retain the response, which contains the
        // key.
        let path = format!("/api/api-keys?rotationDays={rotation_days}");
        let request = self.request_with_timeout(Method::POST, &path).header(CONNECTION, "close");
        parse_response(request.json(key).send().await?).await
    }

    /// Revokes a key. Succeeds if the key is already revoked.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the request fails. Failed connections are retried.
    pub async fn revoke_key(&self, id: &KeyId) -> Result<RevokedKey, ApiClientError> {
        self.send_with_retries(|| self.request_with_timeout(Method::DELETE, &format!("/api/api-keys/{id}"))).await
    }

    /// Renames an active key. A key older than `rotation_days` (1 to 3,650) is reported as needing attention.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the request fails. Failed connections are retried.
    pub async fn rename_key(&self, id: &KeyId, name: &str, rotation_days: u32) -> Result<ApiKey, ApiClientError> {
        let body = RenameKey { name: name.to_owned() };
        let path = format!("/api/api-keys/{id}?rotationDays={rotation_days}");
        self.send_with_retries(|| self.request_with_timeout(Method::PATCH, &path).json(&body)).await
    }

    /// Returns the number of requests made with a key in each of the last `hours` (at most 2,160), and the clients that
    /// used the key.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the request fails. Failed connections are retried.
    pub async fn get_usage(&self, id: &KeyId, hours: u32) -> Result<KeyUsage, ApiClientError> {
        self.send_with_retries(|| {
            self.request_with_timeout(Method::GET, &format!("/api/api-keys/{id}/usage?hours={hours}"))
        })
        .await
    }

    /// Returns a page of at most `limit` activity entries, newest first. If `key` or `kind` is set, returns only the
    /// entries of that key or kind. `cursor` is the `next` value of the previous page.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the request fails. Failed connections are retried.
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

    /// Returns whether a request with a key would be accepted, or why it would be rejected. The service accepts this
    /// call only from the app's own session.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the request fails. Failed connections are retried.
    pub async fn check_key(&self, question: &CheckRequest) -> Result<CheckReport, ApiClientError> {
        // The connection is not reused, because its buffers on both sides could retain the key.
        let request =
            || self.request_with_timeout(Method::POST, "/api/diagnosis").header(CONNECTION, "close").json(question);
        self.send_with_retries(request).await
    }

    /// Streams the changes to keys and runs, and the rejections, that occur after this call, beginning with
    /// [`KeyEvent::Resync`]. The stream ends when the connection is closed.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the stream cannot be opened.
    pub async fn open_event_stream(&self) -> Result<impl Stream<Item = KeyEvent> + Send + use<>, ApiClientError> {
        let request = self.authorized_request(Method::GET, "/api/api-keys/events");
        let response = request.send().await?;
        if !response.status().is_success() {
            return Err(rejection_of(response).await);
        }
        let events = SseByteStream::new(response.bytes_stream());
        let readable = events.take_while(|event| future::ready(event.is_ok())).filter_map(|event| {
            let data = event.ok().and_then(|event| event.data);
            // This version of the client does not support the event, so the caller must list the keys again to avoid
            // missing a change.
            future::ready(data.map(|data| serde_json::from_str(&data).unwrap_or(KeyEvent::Resync)))
        });
        Ok(Box::pin(readable))
    }

    /// Builds a request that fails if it takes longer than [`REQUEST_TIMEOUT`].
    fn request_with_timeout(&self, method: Method, path: &str) -> RequestBuilder {
        self.authorized_request(method, path).timeout(REQUEST_TIMEOUT)
    }

    fn authorized_request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base_url));
        request.header(AUTHORIZATION, self.authorization.clone())
    }

    /// Sends an idempotent request, and retries it if the connection fails.
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
    // The parser's error may quote the body, which may contain a secret.
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
        // Nothing listens on this port: the test has bound it to get an unused number, and then released it.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .expect("a port is free")
            .port();
        let client = ApiClient::new(&format!("http://127.0.0.1:{port}"), "token").expect("the client is valid");
        let query = KeyQuery { text: "what-somebody-typed".to_owned(), limit: 50, ..KeyQuery::default() };
        let error = client.list_key_page(&query, 90).await.expect_err("the service is unreachable");
        assert!(matches!(error, ApiClientError::Unreachable(_)), "{error:?}");
        let mut text = format!("{error:?}");
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            text += &format!(" {error}");
            cause = error.source();
        }
        assert!(
            error.source().is_some_and(|cause| cause.source().is_some()),
            "the error chain includes the cause: {text}"
        );
        assert!(!text.contains("what-somebody-typed") && !text.contains("/api/"), "{text}");
    }
}
