//! Training runs: what the service knows of them, and stopping one.

use futures_util::{Stream, TryStreamExt as _};
use reqwest::Method;
use ulkeys_domain::KeyId;
use ulkeys_domain::training::{Console, RunId};
use ulkeys_domain::wire::training::{
    CancelledRun, DeletedRun, EpochList, LiveRunList, TrainingRunDetails, TrainingRunList,
};

use crate::{ApiClient, ApiClientError, rejection_of};

/// Which page of which runs.
#[derive(Debug, Clone, Default)]
pub struct RunQuery {
    /// Only those that this key fed.
    pub key: Option<KeyId>,
    /// At most so many, 1 to 200; the service's own number when not given.
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl ApiClient {
    /// A page of runs, newest first.
    ///
    /// # Errors
    /// [`ApiClientError`], after repeating a call that found nobody.
    pub async fn list_runs(&self, query: &RunQuery) -> Result<TrainingRunList, ApiClientError> {
        let key = query.key.as_ref().map(|key| ("keyId", key.to_string()));
        let limit = query.limit.map(|limit| ("limit", limit.to_string()));
        let cursor = query.cursor.as_ref().map(|cursor| ("cursor", cursor.clone()));
        let query: Vec<_> = key.into_iter().chain(limit).chain(cursor).collect();
        self.send_with_retries(|| self.request_with_timeout(Method::GET, "/api/training/runs").query(&query)).await
    }

    /// Runs that report now, the one that reported last first.
    ///
    /// # Errors
    /// [`ApiClientError`], after repeating a call that found nobody.
    pub async fn list_live_runs(&self) -> Result<LiveRunList, ApiClientError> {
        self.send_with_retries(|| self.request_with_timeout(Method::GET, "/api/training/runs/live")).await
    }

    /// Everything about a run but its console and the load of its machine at each epoch.
    ///
    /// # Errors
    /// [`ApiClientError`], after repeating a call that found nobody.
    pub async fn get_run(&self, run: RunId) -> Result<TrainingRunDetails, ApiClientError> {
        self.send_with_retries(|| self.request_with_timeout(Method::GET, &format!("/api/training/runs/{run}"))).await
    }

    /// At most `limit` (1 to 200) epochs of a run with the load of its machine: those after `after`, which is the
    /// `next_after` of the page before.
    ///
    /// # Errors
    /// [`ApiClientError`], after repeating a call that found nobody.
    pub async fn list_epochs(&self, run: RunId, after: Option<u32>, limit: u32) -> Result<EpochList, ApiClientError> {
        let query: Vec<_> = after.map(|after| ("after", after)).into_iter().chain([("limit", limit)]).collect();
        let path = format!("/api/training/runs/{run}/epochs");
        self.send_with_retries(|| self.request_with_timeout(Method::GET, &path).query(&query)).await
    }

    /// The console output of a run, as far as it is kept.
    ///
    /// # Errors
    /// [`ApiClientError`], after repeating a call that found nobody.
    pub async fn get_console(&self, run: RunId) -> Result<Console, ApiClientError> {
        self.send_with_retries(|| self.request_with_timeout(Method::GET, &format!("/api/training/runs/{run}/console")))
            .await
    }

    /// The bytes of a run's saved checkpoint, in pieces.
    ///
    /// # Errors
    /// [`ApiClientError`] when there is none, or, in the stream, when the connection breaks.
    pub async fn download_checkpoint(
        &self,
        run: RunId,
    ) -> Result<impl Stream<Item = Result<impl AsRef<[u8]> + use<>, ApiClientError>> + Send + use<>, ApiClientError>
    {
        let request = self.authorized_request(Method::GET, &format!("/api/training/runs/{run}/checkpoint"));
        let response = request.send().await?;
        if !response.status().is_success() {
            return Err(rejection_of(response).await);
        }
        Ok(response.bytes_stream().map_err(ApiClientError::from))
    }

    /// Deletes a run that is not running, with everything of it.
    ///
    /// # Errors
    /// [`ApiClientError`], after repeating a call that found nobody.
    pub async fn delete_run(&self, run: RunId) -> Result<DeletedRun, ApiClientError> {
        self.send_with_retries(|| self.request_with_timeout(Method::DELETE, &format!("/api/training/runs/{run}"))).await
    }

    /// Tells a run to stop at its next event; once more for one that was told is no error.
    ///
    /// # Errors
    /// [`ApiClientError`], after repeating a call that found nobody.
    pub async fn cancel_run(&self, run: RunId) -> Result<CancelledRun, ApiClientError> {
        self.send_with_retries(|| self.request_with_timeout(Method::POST, &format!("/api/training/runs/{run}/cancel")))
            .await
    }
}
