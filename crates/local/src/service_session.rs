//! Lets the programs of one person find and use the service that this person runs: its address, and a session that
//! authorizes the management of keys.
//!
//! The service writes them into a file that only its owner can read, and removes the file when it stops. The file is in
//! the folder that the system clears when the person logs out (`XDG_RUNTIME_DIR`, XDG Base Directory Specification) or,
//! without such a folder, beside the database. A session ends with its service, so a file that a killed service has
//! left behind authorizes nothing.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use ulkeys_domain::secret::write_hex;
use zeroize::Zeroizing;

use crate::files::{self, ReplacementAccess};
use crate::relocation::create_private_folder;

/// The maximum size of the file in bytes.
const MAX_FILE_BYTES: u64 = 4_096;

/// How to reach a running service.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSession {
    /// The base URL, for example `http://127.0.0.1:8576`.
    pub url: String,
    /// The process ID of the service.
    pub pid: u32,
    /// The bearer token that authorizes the management of keys.
    pub session: Zeroizing<String>,
}

/// Omits the session.
impl std::fmt::Debug for ServiceSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceSession").field("url", &self.url).field("pid", &self.pid).finish_non_exhaustive()
    }
}

/// The file of a running service. It is removed when this value is dropped.
pub struct SessionFile(PathBuf);

impl SessionFile {
    /// Writes how to reach the service that uses `database`.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn write(database: &Path, session: &ServiceSession) -> io::Result<Self> {
        let path = session_path(database);
        if let Some(folder) = path.parent() {
            create_private_folder(folder)?;
        }
        let text = Zeroizing::new(serde_json::to_vec(session)?);
        files::replace_file(&path, &text, ReplacementAccess::OwnerIfPossible)?;
        Ok(Self(path))
    }
}

impl Drop for SessionFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "cannot remove the session file");
        }
    }
}

/// Returns how to reach the service that uses `database`, or `None` if this person runs no such service. A file that
/// another person could have written is ignored.
///
/// # Errors
/// Returns an error if the file exists but cannot be read.
pub fn find_running_service(database: &Path) -> io::Result<Option<ServiceSession>> {
    let file = match open_own_file(&session_path(database)) {
        Ok(Some(file)) => file,
        Ok(None) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = Zeroizing::new(Vec::new());
    file.take(MAX_FILE_BYTES).read_to_end(&mut text)?;
    let session: ServiceSession = serde_json::from_slice(&text)
        // The error of the parser could quote the session.
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the session file is not valid"))?;
    Ok(is_process_running(session.pid).then_some(session))
}

/// Removes the session file that a killed service has left behind. The caller has opened `database`, so no other
/// service uses it.
pub fn remove_stale_session(database: &Path) {
    match std::fs::remove_file(session_path(database)) {
        Ok(()) => tracing::info!("removed the session file of a service that did not stop properly"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%error, "cannot remove a session file"),
    }
}

/// Returns the path of the session file for the service that uses `database`.
pub fn session_path(database: &Path) -> PathBuf {
    let folder = database.parent().unwrap_or(database);
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    match dirs::runtime_dir().filter(|runtime| runtime.is_dir()) {
        Some(runtime) => {
            // One person can run services with different data folders.
            let digest = Sha256::digest(folder.as_os_str().as_encoded_bytes());
            let mut name = [0; 16];
            write_hex(&digest[..8], &mut name);
            runtime.join("ul-keys").join(format!("{}.json", String::from_utf8_lossy(&name)))
        }
        None => folder.join("session.json"),
    }
}

/// Opens a file if it belongs to this person and nobody else can read or replace its content.
fn open_own_file(path: &Path) -> io::Result<Option<File>> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;

        use rustix::fs::{Mode, OFlags};
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        let metadata = file.metadata()?;
        let is_private = metadata.is_file() && metadata.mode() & 0o077 == 0;
        Ok((is_private && metadata.uid() == rustix::process::getuid().as_raw()).then_some(file))
    }
    #[cfg(not(unix))]
    File::open(path).map(Some)
}

fn is_process_running(pid: u32) -> bool {
    #[cfg(unix)]
    {
        let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
    }
    #[cfg(not(unix))]
    {
        let _ = pid;
        true
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn session(pid: u32) -> ServiceSession {
        ServiceSession { url: "http://127.0.0.1:1".to_owned(), pid, session: Zeroizing::new("uls_secret".to_owned()) }
    }

    #[test]
    fn session_is_found_while_its_service_runs() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("keys.db");
        assert_eq!(find_running_service(&database).expect("readable"), None);
        let own = session(std::process::id());
        let file = SessionFile::write(&database, &own).expect("written");
        assert_eq!(find_running_service(&database).expect("readable"), Some(own));
        let mode = file.0.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(file);
        assert_eq!(find_running_service(&database).expect("readable"), None);
        assert!(!session_path(&database).exists());
    }

    #[test]
    fn session_of_ended_process_is_not_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("keys.db");
        let mut ended = std::process::Command::new("true").spawn().expect("started");
        ended.wait().expect("ended");
        let _file = SessionFile::write(&database, &session(ended.id())).expect("written");
        assert_eq!(find_running_service(&database).expect("readable"), None);
    }

    #[test]
    fn session_file_that_others_can_access_is_ignored() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("keys.db");
        let file = SessionFile::write(&database, &session(std::process::id())).expect("written");
        std::fs::set_permissions(&file.0, std::fs::Permissions::from_mode(0o644)).expect("changed");
        assert_eq!(find_running_service(&database).expect("readable"), None);
        let elsewhere = folder.path().join("elsewhere");
        std::fs::rename(&file.0, &elsewhere).expect("moved");
        std::fs::set_permissions(&elsewhere, std::fs::Permissions::from_mode(0o600)).expect("changed");
        std::os::unix::fs::symlink(&elsewhere, &file.0).expect("linked");
        assert!(find_running_service(&database).is_err(), "a symbolic link");
    }

    #[test]
    fn errors_and_debug_output_have_no_session() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("keys.db");
        let own = session(std::process::id());
        assert!(!format!("{own:?}").contains("secret"));
        let file = SessionFile::write(&database, &own).expect("written");
        std::fs::write(&file.0, r#"{"url": "uls_secret"}"#).expect("written");
        let error = find_running_service(&database).expect_err("not valid");
        assert!(!format!("{error:?} {error}").contains("secret"), "{error:?}");
    }
}
