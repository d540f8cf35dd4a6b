//! Sends a checkpoint file to a client. The download is aborted if the client stalls or its key is revoked.
//!
//! hyper polls a body only when the connection can send more, so the body itself cannot detect a stalled client. The
//! task that reads the file detects it instead.

use std::io::{Error, Result};
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::caller::Caller;
use crate::checkpoints::CheckpointReader;
use crate::state::ServiceState;

/// Returns a response body that streams a file. If the client stalls for `max_silence` or its key is revoked, the body
/// ends early, which the client sees as a broken connection.
pub(crate) fn stream_file(state: Arc<ServiceState>, caller: Caller, file: CheckpointReader) -> Body {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        if let Err(error) = send_chunks(&state, &caller, file, &sender).await {
            // Do not wait for a stalled client; it sees a truncated body.
            let _ = sender.try_send(Err(error));
        }
    });
    Body::from_stream(ReceiverStream::new(receiver))
}

async fn send_chunks(
    state: &ServiceState,
    caller: &Caller,
    mut file: CheckpointReader,
    sender: &mpsc::Sender<Result<Bytes>>,
) -> Result<()> {
    let mut checked = Instant::now();
    while let Some(chunk) = file.read_chunk().await? {
        let sent = sender.send_timeout(Ok(chunk), state.config.checkpoints.max_silence).await;
        sent.map_err(|_| Error::other("the client has stalled or disconnected"))?;
        if checked.elapsed() >= state.config.timing.revalidate_interval {
            checked = Instant::now();
            if caller.revalidate().is_err() {
                return Err(Error::other("the client's key is no longer accepted"));
            }
        }
    }
    Ok(())
}
