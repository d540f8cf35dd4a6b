//! Sends a file to a reader that may stall, or whose key may be revoked.
//!
//! A body is asked for its next piece only when the connection takes one: a stalled reader is noticed by somebody else,
//! the task that reads the file.

use std::io::{Error, Result};
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::authz::Caller;
use crate::state::ServiceState;

/// Bytes of one piece.
const CHUNK_SIZE: usize = 64 * 1024;

/// A file as a body. It ends early, so that the reader sees a broken connection, when the reader takes no piece for
/// `max_silence`, or when its key is revoked.
pub(crate) fn stream_file(state: Arc<ServiceState>, caller: Caller, file: File) -> Body {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        if let Err(error) = send_chunks(&state, &caller, file, &sender).await {
            // Does not wait for a stalled reader; it sees a truncated body.
            let _ = sender.try_send(Err(error));
        }
    });
    Body::from_stream(ReceiverStream::new(receiver))
}

async fn send_chunks(
    state: &ServiceState,
    caller: &Caller,
    mut file: File,
    sender: &mpsc::Sender<Result<Bytes>>,
) -> Result<()> {
    let mut checked = Instant::now();
    loop {
        let mut piece = Vec::with_capacity(CHUNK_SIZE);
        if file.read_buf(&mut piece).await? == 0 {
            return Ok(());
        }
        let sent = sender.send_timeout(Ok(piece.into()), state.config.checkpoints.max_silence).await;
        sent.map_err(|_| Error::other("the reader has stalled or gone"))?;
        if checked.elapsed() >= state.config.timing.revalidate_interval {
            checked = Instant::now();
            if caller.revalidate(state).await.is_err() {
                return Err(Error::other("the reader's key is not accepted any more"));
            }
        }
    }
}
