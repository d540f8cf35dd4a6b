//! Sending a file to a reader who may stall, or whose key may be revoked meanwhile.
//!
//! A body is asked for its next piece only when the connection takes one: a stalled reader is noticed by somebody else, the
//! task that reads the file.

use std::io::{Error, Result};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::auth::Caller;
use crate::state::AppState;

/// Bytes of one piece.
const CHUNK_SIZE: usize = 64 * 1024;
/// How often a key is looked at while its holder reads.
const REVALIDATE_INTERVAL: Duration = Duration::from_secs(10);

/// A file as a body. It ends early, so that the reader sees a broken connection, when the reader takes no piece for
/// `max_silence`, or when its key is revoked.
pub(crate) fn stream_file(state: AppState, caller: Caller, file: File) -> Body {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        if let Err(error) = pump(&state, &caller, file, &sender).await {
            // Who takes nothing is not waited for: he finds an end that comes too early for the length.
            let _ = sender.try_send(Err(error));
        }
    });
    Body::from_stream(ReceiverStream::new(receiver))
}

async fn pump(state: &AppState, caller: &Caller, mut file: File, sender: &mpsc::Sender<Result<Bytes>>) -> Result<()> {
    let mut checked = Instant::now();
    loop {
        let mut piece = Vec::with_capacity(CHUNK_SIZE);
        if file.read_buf(&mut piece).await? == 0 {
            return Ok(());
        }
        let sent = sender.send_timeout(Ok(piece.into()), state.config.checkpoints.max_silence).await;
        sent.map_err(|_| Error::other("the reader has stalled or gone"))?;
        if checked.elapsed() >= REVALIDATE_INTERVAL {
            checked = Instant::now();
            if caller.revalidate(state).await.is_err() {
                return Err(Error::other("the reader's key is not accepted any more"));
            }
        }
    }
}
