//! Standard error that neither fails nor blocks.
//!
//! The app outlives the terminal that started it, and a terminal or pipe may have a reader that stopped reading. A write to
//! the first fails, and Rust's `eprintln!` panics then; a write to the second blocks its thread. Libraries, GTK and
//! WebKit's processes write there, too. So the descriptor itself becomes a pipe that a thread of this process empties.
//! Another thread writes, because a terminal can block even where it reports that it is ready (poll(2)).

#[cfg(unix)]
pub(crate) use unix::{decouple, flush};

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{self, Read as _, Write as _};
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;

    /// How many chunks wait for a reader. Further ones are dropped: the log file has them.
    const MAX_WAITING: usize = 64;
    /// How long the end of the process waits for a reader.
    const FLUSH_TIME: Duration = Duration::from_millis(200);

    static FORWARDING: OnceLock<Forwarding> = OnceLock::new();

    struct Forwarding {
        /// The end of the pipe that this process reads, which does not block.
        reader: Mutex<File>,
        chunks: SyncSender<Vec<u8>>,
        waiting: Arc<Waiting>,
    }

    /// How many chunks are not written yet.
    #[derive(Default)]
    struct Waiting {
        count: Mutex<usize>,
        written: Condvar,
    }

    /// Puts a pipe in the place of standard error, and starts the threads behind it.
    ///
    /// # Errors
    /// When the system has no descriptor or thread left. Then standard error is as it was.
    pub(crate) fn decouple() -> io::Result<()> {
        let original = File::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3)?);
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&reader, true)?;
        let reader = File::from(reader);
        let ready = reader.try_clone()?;
        let (chunks, received) = sync_channel(MAX_WAITING);
        let waiting = Arc::<Waiting>::default();
        let forwarding = Forwarding { reader: Mutex::new(reader), chunks, waiting: waiting.clone() };
        if FORWARDING.set(forwarding).is_err() {
            return Ok(());
        }
        let thread = |name: &str| std::thread::Builder::new().name(format!("standard error {name}"));
        thread("out").spawn(move || write(&received, original, &waiting))?;
        thread("in").spawn(move || {
            // A signal that interrupts the wait is no reason to end.
            while matches!(poll(&mut [PollFd::new(&ready, PollFlags::IN)], None), Ok(_) | Err(Errno::INTR)) {
                drain();
            }
        })?;
        Ok(rustix::stdio::dup2_stderr(&writer)?)
    }

    /// Writes out what was printed so far, for a limited time. For the end of the process, which ends the threads, too.
    pub(crate) fn flush() {
        drain();
        if let Some(forwarding) = FORWARDING.get() {
            let count = lock(&forwarding.waiting.count);
            let _ = forwarding.waiting.written.wait_timeout_while(count, FLUSH_TIME, |count| *count > 0);
        }
    }

    /// Takes everything out of the pipe, so that nobody who prints has to wait.
    fn drain() {
        let Some(forwarding) = FORWARDING.get() else { return };
        let mut reader = lock(&forwarding.reader);
        let mut chunk = [0; 4096];
        // An error means that the pipe is empty.
        while let Ok(read @ 1..) = reader.read(&mut chunk) {
            *lock(&forwarding.waiting.count) += 1;
            if forwarding.chunks.try_send(chunk[..read].to_vec()).is_err() {
                *lock(&forwarding.waiting.count) -= 1;
            }
        }
    }

    fn write(chunks: &Receiver<Vec<u8>>, mut original: File, waiting: &Waiting) {
        for chunk in chunks {
            // It fails where nobody reads any more, or the disk is full.
            let _ = original.write_all(&chunk);
            *lock(&waiting.count) -= 1;
            waiting.written.notify_all();
        }
    }

    fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// On other systems, standard error is left as it is.
#[cfg(not(unix))]
pub(crate) fn decouple() -> std::io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn flush() {}
