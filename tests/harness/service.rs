//! Runs a key service in the test's own process, without the app, for clients that use it over HTTP.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::TryStreamExt as _;
use rand::rngs::SysRng;
use reqwest::StatusCode;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use ulkeys_api::{CreateKey, KeyClient};
use ulkeys_client::ApiClient;
use ulkeys_domain::training::RunId;
use ulkeys_domain::{DEFAULT_ROTATION_DAYS, KeyId, RateLimits};
use ulkeys_service::{
    Account, CheckpointConfig, Config, KeyService, SessionToken, Timing, TrainingConfig, system_clock,
};
use ulkeys_store::SqliteStore;

use crate::wait::{POLL_INTERVAL, WAIT_TIMEOUT};

/// Options for starting a service.
pub struct ServiceOptions {
    /// Path of the database. By default, an empty database in a temporary folder.
    pub database: Option<PathBuf>,
    /// Rate limits. The default limits are so high that no test reaches them, because tests send requests faster than
    /// real clients do.
    pub limits: RateLimits,
    /// The account that owns the keys.
    pub account: Account,
    /// Timeouts and intervals.
    pub timing: Timing,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        let account = Account { username: "ada".into(), name: "Ada Lovelace".into() };
        Self { database: None, limits: RateLimits::uniform(u32::MAX), account, timing: Timing::default() }
    }
}

/// A running service. All its files are in a temporary folder, except for a database that the options specify.
pub struct Service {
    /// Address on which the service listens.
    pub address: SocketAddr,
    /// An API client that authenticates with the app's credential.
    pub client: ApiClient,
    /// The app's credential.
    pub session: String,
    _folder: tempfile::TempDir,
    shutdown: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
}

impl Service {
    /// Starts a service on a free port of the loopback interface.
    ///
    /// # Errors
    /// Returns an error if there is no free port, the database cannot be opened, or no random numbers are available.
    pub async fn start() -> Result<Self> {
        Self::start_with(ServiceOptions::default()).await
    }

    /// Starts a service with the given options on a free port of the loopback interface.
    ///
    /// # Errors
    /// Returns an error if there is no free port, the database cannot be opened, or no random numbers are available.
    pub async fn start_with(options: ServiceOptions) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let database = options.database.unwrap_or_else(|| folder.path().join("keys.db"));
        let store = Arc::new(SqliteStore::open(&database)?);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let session = SessionToken::generate(&mut SysRng)?;
        let credential = session.expose().to_owned();
        let client = ApiClient::new(&format!("http://{address}"), &credential)?;
        let checkpoints = CheckpointConfig::in_folder(folder.path().join("checkpoints"));
        let config = Config {
            session,
            account: options.account,
            clock: system_clock,
            limits: options.limits.into(),
            checkpoints,
            training: TrainingConfig::default(),
            database: None,
            timing: options.timing,
        };
        let shutdown = CancellationToken::new();
        let service = KeyService::load(store, config).await?;
        let server = tokio::spawn(service.serve(vec![listener], shutdown.clone()));
        Ok(Self { address, client, session: credential, _folder: folder, shutdown, server })
    }

    /// Creates a key, and returns its identifier and its plaintext.
    ///
    /// # Errors
    /// Returns an error if the service rejects the request.
    pub async fn create_key(&self, name: &str, scopes: &[&str]) -> Result<(KeyId, String)> {
        let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        let new = CreateKey { name: name.to_owned(), scopes, replaces: None };
        let created = self.client.create_key(&new, DEFAULT_ROTATION_DAYS).await?;
        Ok((created.info.key_id, created.key.0.expose().to_owned()))
    }

    /// Waits until a client has used a key, and returns all clients that have used it.
    ///
    /// # Errors
    /// Returns an error if no client has used the key within [`WAIT_TIMEOUT`].
    pub async fn wait_for_clients(&self, key: &KeyId) -> Result<Vec<KeyClient>> {
        let start = Instant::now();
        loop {
            let usage = self.client.get_usage(key, 1).await?;
            if !usage.sources.is_empty() {
                return Ok(usage.sources);
            }
            ensure!(start.elapsed() < WAIT_TIMEOUT, "timed out waiting for a client to use the key");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Downloads the checkpoint of a run.
    ///
    /// # Errors
    /// Returns an error if the run has no checkpoint.
    pub async fn download_checkpoint(&self, run: RunId) -> Result<Vec<u8>> {
        let pieces = self.client.download_checkpoint(run).await?;
        let all = pieces.try_fold(Vec::new(), async |mut all, piece| {
            all.extend_from_slice(piece.as_ref());
            Ok(all)
        });
        all.await.context("cannot download the checkpoint")
    }

    /// Shuts the service down gracefully.
    ///
    /// # Errors
    /// Returns an error if the service has failed.
    pub async fn stop(&mut self) -> Result<()> {
        self.shutdown.cancel();
        Ok((&mut self.server).await??)
    }
}

/// Requests the account summary from the service on this port, with `key` as the credential, and returns the status of
/// the response.
///
/// # Errors
/// Returns an error if the service does not respond.
pub async fn request_status(port: u16, key: &str) -> Result<StatusCode> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let url = format!("http://127.0.0.1:{port}/api/account/summary");
    Ok(client.get(url).bearer_auth(key).send().await?.status())
}
