//! Starts a real service with a real database on a real port, and sends requests as the app, with a key, or without a
//! credential.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::SysRng;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use ulkeys_domain::{AccountId, Actor, KeyId, KeyName, KeyRecord, RateLimits, Scope, Scopes, Secret, Timestamp};
use ulkeys_service::{
    Account, CheckpointConfig, Config, DatabaseMonitor, KeyService, SessionToken, Timing, TrainingConfig, system_clock,
};
use ulkeys_store::{AuditContext, SqliteStore, Store as _};

use crate::log_capture;

pub struct TestService {
    pub address: SocketAddr,
    pub session: String,
    pub folder: tempfile::TempDir,
    http: reqwest::Client,
    shutdown: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
}

impl Drop for TestService {
    /// Checks that no key was logged during the test.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            log_capture::assert_no_key_logged();
        }
    }
}

impl TestService {
    /// Starts a service with rate limits that no test reaches.
    pub async fn start() -> Self {
        Self::start_in(tempfile::tempdir().expect("temporary folder")).await
    }

    pub async fn start_in(folder: tempfile::TempDir) -> Self {
        Self::start_with(folder, |_| {}).await
    }

    pub async fn start_limited(limits: RateLimits) -> Self {
        Self::start_with(tempfile::tempdir().expect("temporary folder"), |config| config.limits = limits.into()).await
    }

    /// Starts a service after applying `change` to its configuration.
    pub async fn start_with(folder: tempfile::TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self::start_all(folder, vec![listener], change).await
    }

    pub async fn start_on(listeners: Vec<TcpListener>) -> Self {
        Self::start_all(tempfile::tempdir().expect("temporary folder"), listeners, |_| {}).await
    }

    async fn start_all(
        folder: tempfile::TempDir,
        listeners: Vec<TcpListener>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        log_capture::start_capture();
        let (database, record) = (folder.path().join("keys.db"), folder.path().join("state/revocations"));
        let store = Arc::new(SqliteStore::open_with_record(&database, &record, system_clock).expect("database"));
        let address = listeners[0].local_addr().expect("bound");
        let token = SessionToken::generate(&mut SysRng).expect("randomness");
        let session = token.expose().to_owned();
        let account = Account { username: "ada".into(), name: "Ada Lovelace".into() };
        let checkpoints = CheckpointConfig::in_folder(folder.path().join("checkpoints"));
        let limits = RateLimits::uniform(u32::MAX);
        let mut config = Config {
            session: token,
            account,
            clock: system_clock,
            limits: limits.into(),
            checkpoints,
            training: TrainingConfig::default(),
            database: Some(DatabaseMonitor::new(&store, &database, &record)),
            timing: Timing::default(),
        };
        change(&mut config);
        let service = KeyService::load(store, config).await.expect("the keys can be read");
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(service.serve(listeners, shutdown.clone()));
        Self { address, session, folder, http: reqwest::Client::new(), shutdown, server }
    }

    /// Shuts the service down gracefully and returns its folder.
    pub async fn stop(mut self) -> tempfile::TempDir {
        self.shutdown.cancel();
        (&mut self.server).await.expect("no panic").expect("no failure");
        std::mem::replace(&mut self.folder, tempfile::tempdir().expect("temporary folder"))
    }

    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }

    pub fn bearer(&self, token: &str, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(token)
    }

    pub fn app(&self, method: Method, path: &str) -> RequestBuilder {
        self.bearer(&self.session, method, path)
    }

    /// Creates a key as the app does. Returns the identifier and the plaintext of the key.
    pub async fn create_key(&self, name: &str, scopes: &[&str]) -> (String, String) {
        let body = json!({ "name": name, "scopes": scopes });
        let answer = self.app(Method::POST, "/api/api-keys").json(&body).send().await.expect("answered");
        let (status, body) = read_json(answer).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        (text(&body["keyId"]), text(&body["key"]))
    }

    pub async fn revoke_key(&self, key_id: &str) {
        let answer = self.app(Method::DELETE, &format!("/api/api-keys/{key_id}")).send().await.expect("answered");
        assert_eq!(answer.status(), StatusCode::OK);
    }

    pub async fn get_summary(&self, token: &str) -> Response {
        self.bearer(token, Method::GET, "/api/account/summary").send().await.expect("answered")
    }

    /// Waits until the usage of a key satisfies `is_complete`, and returns the usage.
    pub async fn wait_for_usage(&self, key_id: &str, is_complete: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let path = format!("/api/api-keys/{key_id}/usage");
            let (_, usage) = read_json(self.app(Method::GET, &path).send().await.expect("answered")).await;
            if is_complete(&usage) {
                return usage;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "timed out: {usage}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the usage of a key includes `count` clients, and returns the usage.
    pub async fn wait_for_clients(&self, key_id: &str, count: usize) -> Value {
        self.wait_for_usage(key_id, |usage| usage["sources"].as_array().is_some_and(|sources| sources.len() == count))
            .await
    }

    /// Returns a key as it appears in the app's list of keys, or `Null` if the list does not contain the key.
    pub async fn listed_key(&self, key_id: &str) -> Value {
        let (_, body) = read_json(self.app(Method::GET, "/api/api-keys").send().await.expect("answered")).await;
        let keys = body["keys"].as_array().expect("a list");
        keys.iter().find(|key| key["keyId"] == key_id).cloned().unwrap_or(Value::Null)
    }
}

pub async fn read_json(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let body = tokio::time::timeout(Duration::from_secs(10), response.json()).await.expect("in time");
    (status, body.expect("a JSON body"))
}

pub fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

/// Returns the time `days` days ago.
pub fn days_ago(days: u64) -> Timestamp {
    system_clock().saturating_sub(Duration::from_hours(24 * days))
}

/// The name of a key, its age in days, and a function that changes its record.
pub type SeededKey<'a> = (&'a str, u64, fn(&mut KeyRecord));

/// Starts a service with a database that already contains keys.
pub async fn start_with_keys(keys: &[SeededKey<'_>]) -> TestService {
    let folder = tempfile::tempdir().expect("temporary folder");
    let store = SqliteStore::open(&folder.path().join("keys.db")).expect("database");
    for (name, age, change) in keys {
        let secret = Secret::generate(&mut SysRng).expect("randomness");
        let id = KeyId::generate(&mut SysRng).expect("randomness");
        let name = KeyName::parse(name).expect("valid");
        let scopes = Scopes::new([Scope::Read]).expect("not empty");
        let mut record = KeyRecord::new(id, name, secret.prefix(), scopes, days_ago(*age));
        change(&mut record);
        let audit =
            AuditContext { actor: Actor::Session, peer: std::net::Ipv4Addr::LOCALHOST.into(), user_agent: "".into() };
        store.account(AccountId::EMBEDDED).insert(record, secret.hash(), audit).await.expect("inserted");
    }
    drop(store);
    TestService::start_in(folder).await
}

pub async fn get_ok(service: &TestService, path: &str) -> Value {
    let (status, body) = read_json(service.app(Method::GET, path).send().await.expect("answered")).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    body
}
