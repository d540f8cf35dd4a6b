//! The requests that read, cancel and delete training runs.

use futures_util::{Stream, TryStreamExt as _};
use reqwest::Method;
use ulkeys_api::training::{
    CancelledRun, Console, DeletedRun, EpochList, LiveRunList, TrainingRunDetails, TrainingRunList,
};
use ulkeys_domain::KeyId;
use ulkeys_domain::training::RunId;

use crate::{ApiClient, ApiClientError, rejection_of};

/// Filter and pagination parameters for [`ApiClient::list_runs`].
#[derive(Debug, Clone, Default)]
pub struct RunQuery {
    /// Lists only runs to which this key has reported.
    pub key: Option<KeyId>,
    /// Maximum number of runs on the page, 1 to 200. `None` uses the service's default.
    pub limit: Option<u32>,
    /// The `next_cursor` of the previous page. `None` requests the first page.
    pub cursor: Option<String>,
}

impl ApiClient {
    /// Returns a page of runs, newest first.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the request fails. Failed connections are retried.
    pub async fn list_runs(&self, query: &RunQuery) -> Result<TrainingRunList, ApiClientError> {
        let key = query.key.as_ref().map(|key| ("keyId", key.to_string()));
        let limit = query.limit.map(|limit| ("limit", limit.to_string()));
        let cursor = query.cursor.as_ref().map(|cursor| ("cursor", cursor.clone()));
        let query: Vec<_> = key.into_iter().chain(limit).chain(cursor).collect();
        self.send_with_retries(|| self.request_with_timeout(Method::GET, "/api/training/runs").query(&query)).await
    }

    /// Returns the runs that are currently reporting, most recent report first.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the request fails. Failed connections are retried.
    pub async fn list_live_runs(&self) -> Result<LiveRunList, ApiClientError> {
        self.send_with_retries(|| self.request_with_timeout(Method::GET, "/api/training/runs/live")).await
    }

    /// Returns the details of a run, without its console output and without the machine's load at each epoch.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the request fails. Failed connections are retried.
    pub async fn get_run(&self, run: RunId) -> Result<TrainingRunDetails, ApiClientError> {
        self.send_with_retries(|| self.request_with_timeout(Method::GET, &format!("/api/training/runs/{run}"))).await
    }

    /// Returns at most `limit` (1 to 200) epochs of a run, including the machine's load. The page begins after the
    /// epoch `after`, which is the `next_after` of the previous page.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the request fails. Failed connections are retried.
    pub async fn list_epochs(&self, run: RunId, after: Option<u32>, limit: u32) -> Result<EpochList, ApiClientError> {
        let query: Vec<_> = after.map(|after| ("after", after)).into_iter().chain([("limit", limit)]).collect();
        let path = format!("/api/training/runs/{run}/epochs");
        self.send_with_retries(|| self.request_with_timeout(Method::GET, &path).query(&query)).await
    }

    /// Returns the stored console output of a run.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the request fails. Failed connections are retried.
    pub async fn get_console(&self, run: RunId) -> Result<Console, ApiClientError> {
        self.send_with_retries(|| self.request_with_timeout(Method::GET, &format!("/api/training/runs/{run}/console")))
            .await
    }

    /// Streams the bytes of a run's saved checkpoint.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the request fails or the run has no saved checkpoint. The stream yields an error
    /// if the connection breaks.
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

    /// Deletes a run and all its data. The run must not be running.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the request fails. Failed connections are retried.
    pub async fn delete_run(&self, run: RunId) -> Result<DeletedRun, ApiClientError> {
        self.send_with_retries(|| self.request_with_timeout(Method::DELETE, &format!("/api/training/runs/{run}"))).await
    }

    /// Cancels a run. The training process stops when it sends its next event. Succeeds if the run is already
    /// cancelled.
    ///
    /// # Errors
    /// Returns [`ApiClientError`] if the request fails. Failed connections are retried.
    pub async fn cancel_run(&self, run: RunId) -> Result<CancelledRun, ApiClientError> {
        self.send_with_retries(|| self.request_with_timeout(Method::POST, &format!("/api/training/runs/{run}/cancel")))
            .await
    }
}
