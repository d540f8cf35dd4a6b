//! What stands behind the gateway: answers everything, and notes what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::IntoResponse as _;
use tokio::net::TcpListener;

/// A request that reached the upstream.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: Method,
    /// Path and query, as they came.
    pub target: String,
    pub headers: HeaderMap,
    pub body: usize,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        assert!(values.next().is_none(), "{name} came twice: {:?}", self.headers);
        Some(value.to_str().expect("a text"))
    }
}

pub struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Upstream {
    pub async fn start() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let notes = seen.clone();
        let answer = async move |request: Request| {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await.map_or(0, |body| body.len());
            let target = parts.uri.to_string();
            // The tests may ask for one of its own errors.
            let status = target.rsplit_once("status=").and_then(|(_, status)| status.parse().ok());
            let seen = Seen { method: parts.method, target, headers: parts.headers, body };
            notes.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
            (status.unwrap_or(StatusCode::OK), "from the upstream").into_response()
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        Self { address, seen }
    }

    /// What has reached it since this was last asked.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The one request that has reached it since.
    pub fn take_one(&self) -> Seen {
        let mut seen = self.take();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }
}
