//! A key service of its own, in this process, without the app: for programs that talk to it over HTTP.

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
use ulkeys_client::ApiClient;
use ulkeys_domain::training::RunId;
use ulkeys_domain::wire::{CreateKey, KeyClient};
use ulkeys_domain::{KeyId, RateLimits};
use ulkeys_service::{Account, CheckpointConfig, Config, SessionToken, Timing, TrainingConfig, serve, system_clock};
use ulkeys_store::SqliteStore;

use crate::wait::{POLL_INTERVAL, WAIT_TIMEOUT};

/// What a service starts with.
pub struct ServiceOptions {
    /// Its database; an empty one in a temporary folder, if not given.
    pub database: Option<PathBuf>,
    /// Limits that no test reaches, if not given: tests send requests faster than programs.
    pub limits: RateLimits,
    /// Whose keys it has.
    pub account: Account,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        let account = Account { username: "ada".into(), name: "Ada Lovelace".into() };
        Self { database: None, limits: RateLimits::uniform(u32::MAX), account }
    }
}

/// A running service. Its files other than its database are in a temporary folder.
pub struct Service {
    /// Where it listens.
    pub address: SocketAddr,
    /// A client with the credential of the app.
    pub client: ApiClient,
    /// That credential.
    pub session: String,
    _folder: tempfile::TempDir,
    shutdown: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
}

impl Service {
    /// Starts one on a free port of the loopback interface.
    ///
    /// # Errors
    /// When there is no port, no disk or no randomness.
    pub async fn start() -> Result<Self> {
        Self::start_with(ServiceOptions::default()).await
    }

    /// The same with options.
    ///
    /// # Errors
    /// When there is no port, no disk or no randomness.
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
            timing: Timing::default(),
        };
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(serve(vec![listener], store, config, shutdown.clone()));
        Ok(Self { address, client, session: credential, _folder: folder, shutdown, server })
    }

    /// Makes a key, and gives its identifier and its plaintext.
    ///
    /// # Errors
    /// When the service refuses.
    pub async fn create_key(&self, name: &str, scopes: &[&str]) -> Result<(KeyId, String)> {
        let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        let created = self.client.create_key(&CreateKey { name: name.to_owned(), scopes, replaces: None }).await?;
        Ok((created.info.key_id, created.key.0.expose().to_owned()))
    }

    /// The programs that have used a key, once there are any.
    ///
    /// # Errors
    /// When there are none for long.
    pub async fn wait_for_clients(&self, key: &KeyId) -> Result<Vec<KeyClient>> {
        let start = Instant::now();
        loop {
            let usage = self.client.get_usage(key, 1).await?;
            if !usage.sources.is_empty() {
                return Ok(usage.sources);
            }
            ensure!(start.elapsed() < WAIT_TIMEOUT, "nobody has used the key");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// The bytes of a run's checkpoint.
    ///
    /// # Errors
    /// When there is none.
    pub async fn download_checkpoint(&self, run: RunId) -> Result<Vec<u8>> {
        let pieces = self.client.download_checkpoint(run).await?;
        let all = pieces.try_fold(Vec::new(), async |mut all, piece| {
            all.extend_from_slice(piece.as_ref());
            Ok(all)
        });
        all.await.context("the checkpoint did not arrive")
    }

    /// Stops it in order.
    ///
    /// # Errors
    /// When it failed before.
    pub async fn stop(&mut self) -> Result<()> {
        self.shutdown.cancel();
        Ok((&mut self.server).await??)
    }
}

/// The status of a request for the account's summary with a key, at the service on this port.
///
/// # Errors
/// When the service does not answer.
pub async fn request_status(port: u16, key: &str) -> Result<StatusCode> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let url = format!("http://127.0.0.1:{port}/api/account/summary");
    Ok(client.get(url).bearer_auth(key).send().await?.status())
}
