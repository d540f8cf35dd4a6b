//! Standard error that neither fails nor blocks.
//!
//! The app outlives the terminal that started it, and a terminal or pipe may have a reader that stopped reading. A
//! write to the first fails, and Rust's `eprintln!` panics then; a write to the second blocks its thread. Libraries,
//! GTK and WebKit's processes write there, too. So the descriptor itself becomes a pipe that a thread of this process
//! empties. Another thread writes, because a terminal can block even where it reports that it is ready (poll(2)).

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

    /// How many chunks wait for a reader. Further ones are dropped: the log file has them.
    const MAX_QUEUED_CHUNKS: usize = 64;
    /// How long the end of the process waits for a reader.
    const FLUSH_TIMEOUT: Duration = Duration::from_millis(200);

    static FORWARDER: OnceLock<Forwarder> = OnceLock::new();

    struct Forwarder {
        /// The end of the pipe that this process reads, which does not block.
        reader: Mutex<File>,
        chunks: SyncSender<Vec<u8>>,
        pending: Arc<PendingChunks>,
    }

    /// How many chunks are not written yet.
    #[derive(Default)]
    struct PendingChunks {
        count: Mutex<usize>,
        written: Condvar,
    }

    /// Puts a pipe in the place of standard error, and starts the threads behind it.
    ///
    /// # Errors
    /// When the system has no descriptor or thread left. Then standard error is as it was.
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
            // A signal that interrupts the wait is no reason to end.
            while matches!(poll(&mut [PollFd::new(&ready, PollFlags::IN)], None), Ok(_) | Err(Errno::INTR)) {
                drain_pipe();
            }
        })?;
        Ok(rustix::stdio::dup2_stderr(&writer)?)
    }

    /// Writes out what was printed so far, for a limited time. For the end of the process, which ends the threads, too.
    pub(crate) fn flush() {
        drain_pipe();
        if let Some(forwarder) = FORWARDER.get() {
            let mut count = forwarder.pending.count.lock();
            let _ = forwarder.pending.written.wait_while_for(&mut count, |count| *count > 0, FLUSH_TIMEOUT);
        }
    }

    /// Takes everything out of the pipe, so that nobody who prints has to wait.
    fn drain_pipe() {
        let Some(forwarder) = FORWARDER.get() else { return };
        let mut reader = forwarder.reader.lock();
        let mut chunk = [0; 4096];
        // An error means that the pipe is empty.
        while let Ok(read @ 1..) = reader.read(&mut chunk) {
            *forwarder.pending.count.lock() += 1;
            if forwarder.chunks.try_send(chunk[..read].to_vec()).is_err() {
                *forwarder.pending.count.lock() -= 1;
            }
        }
    }

    fn write_chunks(chunks: &Receiver<Vec<u8>>, mut original: File, pending: &PendingChunks) {
        for chunk in chunks {
            // It fails where nobody reads any more, or the disk is full.
            let _ = original.write_all(&chunk);
            *pending.count.lock() -= 1;
            pending.written.notify_all();
        }
    }
}

/// On other systems, standard error is left as it is.
#[cfg(not(unix))]
pub(crate) fn redirect_to_pipe() -> std::io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn flush() {}
