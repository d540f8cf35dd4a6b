//! A key service of its own, in this process, without the app: for programs that talk to it over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::TryStreamExt as _;
use rand::rngs::SysRng;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use ulkeys_client::ApiClient;
use ulkeys_domain::training::RunId;
use ulkeys_domain::wire::{CreateKey, KeyClient};
use ulkeys_domain::{KeyId, RateLimits};
use ulkeys_service::{Account, CheckpointConfig, Config, SessionToken, TrainingConfig, serve, system_clock};
use ulkeys_store::SqliteStore;

/// A running service with an empty database in a temporary folder.
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
        // Tests ask faster than programs.
        Self::start_with(RateLimits::uniform(u32::MAX)).await
    }

    /// The same with these limits.
    ///
    /// # Errors
    /// When there is no port, no disk or no randomness.
    pub async fn start_with(limits: RateLimits) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = Arc::new(SqliteStore::open(&folder.path().join("keys.db"))?);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let session = SessionToken::generate(&mut SysRng)?;
        let credential = session.expose().to_owned();
        let client = ApiClient::new(&format!("http://{address}"), &credential)?;
        let account = Account { username: "ada".into(), name: "Ada Lovelace".into() };
        let checkpoints = CheckpointConfig::in_folder(folder.path().join("checkpoints"));
        let config = Config {
            session,
            account,
            clock: system_clock,
            limits: limits.into(),
            checkpoints,
            training: TrainingConfig::default(),
        };
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(serve(vec![listener], store, config, shutdown.clone()));
        Ok(Self { address, client, session: credential, _folder: folder, shutdown, server })
    }

    /// Makes a key, and gives its identifier and its plaintext.
    ///
    /// # Errors
    /// When the service refuses.
    pub async fn key(&self, name: &str, scopes: &[&str]) -> Result<(KeyId, String)> {
        let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        let created = self.client.create_key(&CreateKey { name: name.to_owned(), scopes, replaces: None }).await?;
        Ok((created.info.key_id, created.key.0.expose().to_owned()))
    }

    /// The programs that have used a key, once there are any.
    ///
    /// # Errors
    /// When there are none for long.
    pub async fn sources(&self, key: &KeyId) -> Result<Vec<KeyClient>> {
        for _ in 0..200 {
            let usage = self.client.usage(key, 1).await?;
            if !usage.sources.is_empty() {
                return Ok(usage.sources);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("nobody has used the key")
    }

    /// The bytes of a run's checkpoint.
    ///
    /// # Errors
    /// When there is none.
    pub async fn checkpoint(&self, run: RunId) -> Result<Vec<u8>> {
        let pieces = self.client.run_checkpoint(run).await?;
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
