//! Standard error that neither fails nor blocks.
//!
//! The app outlives the terminal that started it, and a pipe may have a reader that stopped reading. A write to the
//! first fails, and Rust's `eprintln!` panics then; a write to the second blocks its thread. Libraries, GTK and WebKit's
//! processes write there, too. So the descriptor itself becomes a pipe that a thread of this process empties.

#[cfg(unix)]
pub(crate) use unix::{decouple, flush};

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{self, Read as _};
    use std::os::fd::{AsFd, OwnedFd};
    use std::sync::{Mutex, OnceLock, PoisonError};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    /// A pipe or terminal that is ready for writing takes as many bytes without blocking: `PIPE_BUF` of pipe(7).
    const CHUNK: usize = 4096;
    /// How long a reader may take to make room. Then lines are dropped: the log file has them.
    const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

    static FORWARDING: OnceLock<Mutex<Forwarding>> = OnceLock::new();

    struct Forwarding {
        /// The end of the pipe that this process reads, which does not block.
        reader: File,
        /// Where standard error leads.
        original: OwnedFd,
        /// Whether the last write was dropped. Then no time is spent on waiting for the next one.
        is_stuck: bool,
    }

    /// Puts a pipe in the place of standard error, and starts the thread that empties it.
    ///
    /// # Errors
    /// When the system has no descriptor or thread left. Then standard error is as it was.
    pub(crate) fn decouple() -> io::Result<()> {
        let original = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3)?;
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&reader, true)?;
        let reader = File::from(reader);
        let waiting = reader.try_clone()?;
        let forwarding = Mutex::new(Forwarding { reader, original, is_stuck: false });
        if FORWARDING.set(forwarding).is_err() {
            return Ok(());
        }
        std::thread::Builder::new().name("standard error".to_owned()).spawn(move || {
            while wait(&waiting, PollFlags::IN, None) {
                flush();
            }
        })?;
        Ok(rustix::stdio::dup2_stderr(&writer)?)
    }

    /// Forwards what was written so far. For the end of the process, which ends the thread, too.
    pub(crate) fn flush() {
        if let Some(forwarding) = FORWARDING.get() {
            forwarding.lock().unwrap_or_else(PoisonError::into_inner).forward();
        }
    }

    impl Forwarding {
        fn forward(&mut self) {
            let mut chunk = [0; CHUNK];
            // An error means that the pipe is empty.
            while let Ok(read @ 1..) = self.reader.read(&mut chunk) {
                let mut rest = &chunk[..read];
                let patience = if self.is_stuck { Timespec::default() } else { PATIENCE };
                while !rest.is_empty() {
                    self.is_stuck = !wait(&self.original, PollFlags::OUT, Some(&patience));
                    if self.is_stuck {
                        break;
                    }
                    match rustix::io::write(&self.original, rest) {
                        Ok(written) => rest = &rest[written..],
                        Err(rustix::io::Errno::INTR) => {}
                        // Nobody reads any more, or the disk is full.
                        Err(_) => break,
                    }
                }
            }
        }
    }

    /// Whether the descriptor is ready within the time. One that failed is ready, as no wait changes it.
    fn wait(descriptor: &impl AsFd, flags: PollFlags, time: Option<&Timespec>) -> bool {
        loop {
            match poll(&mut [PollFd::new(descriptor, flags)], time) {
                Err(rustix::io::Errno::INTR) => {}
                ready => return ready.is_ok_and(|ready| ready > 0),
            }
        }
    }
}

/// No other system has lines of libraries on a descriptor that is shared.
#[cfg(not(unix))]
pub(crate) fn decouple() -> std::io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn flush() {}
