//! Replaces standard error so that writing to it neither fails nor blocks.
//!
//! The app can outlive the terminal that started it, and the reader of a terminal or pipe can stop reading. A write to
//! a closed terminal fails, which makes `eprintln!` panic. A write to a stalled terminal or pipe blocks the thread.
//! Libraries, GTK and WebKit's processes also write to standard error, so the descriptor itself is replaced with a
//! pipe, which a thread of this process drains. A second thread writes to the original descriptor, because a terminal
//! can block even if poll(2) reports it as ready.

#[cfg(unix)]
pub(crate) use unix::{flush, redirect_to_pipe};

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{self, Read as _, Write as _};
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::sync::{Arc, OnceLock};
    use std::time::Duration;

    use parking_lot::{Condvar, Mutex};
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;

    /// Maximum number of chunks queued for writing. Further chunks are dropped; the log file still contains their
    /// lines.
    const MAX_QUEUED_CHUNKS: usize = 64;
    /// Maximum time to wait at exit for the queued chunks to be written.
    const FLUSH_TIMEOUT: Duration = Duration::from_millis(200);

    static FORWARDER: OnceLock<Forwarder> = OnceLock::new();

    struct Forwarder {
        /// The non-blocking read end of the pipe.
        reader: Mutex<File>,
        chunks: SyncSender<Vec<u8>>,
        pending: Arc<PendingChunks>,
    }

    /// The number of chunks that have not been written yet.
    #[derive(Default)]
    struct PendingChunks {
        count: Mutex<usize>,
        written: Condvar,
    }

    /// Replaces standard error with a pipe, and starts the threads that forward its contents.
    ///
    /// # Errors
    /// Returns an error if the system provides no further file descriptor or thread. Standard error is then unchanged.
    pub(crate) fn redirect_to_pipe() -> io::Result<()> {
        let original = File::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3)?);
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&reader, true)?;
        let reader = File::from(reader);
        let ready = reader.try_clone()?;
        let (chunks, received) = sync_channel(MAX_QUEUED_CHUNKS);
        let pending = Arc::<PendingChunks>::default();
        let forwarder = Forwarder { reader: Mutex::new(reader), chunks, pending: pending.clone() };
        if FORWARDER.set(forwarder).is_err() {
            return Ok(());
        }
        let thread = |name: &str| std::thread::Builder::new().name(format!("standard error {name}"));
        thread("out").spawn(move || write_chunks(&received, original, &pending))?;
        thread("in").spawn(move || {
            // A signal that interrupts poll(2) must not end this thread.
            while matches!(poll(&mut [PollFd::new(&ready, PollFlags::IN)], None), Ok(_) | Err(Errno::INTR)) {
                drain_pipe();
            }
        })?;
        Ok(rustix::stdio::dup2_stderr(&writer)?)
    }

    /// Writes the queued chunks, within a time limit. Call this before the process exits, because exiting also ends the
    /// threads that write them.
    pub(crate) fn flush() {
        drain_pipe();
        if let Some(forwarder) = FORWARDER.get() {
            let mut count = forwarder.pending.count.lock();
            let _ = forwarder.pending.written.wait_while_for(&mut count, |count| *count > 0, FLUSH_TIMEOUT);
        }
    }

    /// Reads everything from the pipe, so that no writer blocks.
    fn drain_pipe() {
        let Some(forwarder) = FORWARDER.get() else { return };
        let mut reader = forwarder.reader.lock();
        let mut chunk = [0; 4096];
        // A read error means that the pipe is empty.
        while let Ok(read @ 1..) = reader.read(&mut chunk) {
            *forwarder.pending.count.lock() += 1;
            if forwarder.chunks.try_send(chunk[..read].to_vec()).is_err() {
                *forwarder.pending.count.lock() -= 1;
            }
        }
    }

    fn write_chunks(chunks: &Receiver<Vec<u8>>, mut original: File, pending: &PendingChunks) {
        for chunk in chunks {
            // The write fails if the terminal is closed or the disk is full. The chunk is then lost.
            let _ = original.write_all(&chunk);
            *pending.count.lock() -= 1;
            pending.written.notify_all();
        }
    }
}

/// Does nothing, because standard error is redirected only on Unix.
#[cfg(not(unix))]
pub(crate) fn redirect_to_pipe() -> std::io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn flush() {}
