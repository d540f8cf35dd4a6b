//! Problems that prevent a file from being written and that the user can resolve.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

use serde::Serialize;
use ts_rs::TS;

/// A problem with a file that the user can resolve. The page has a message for each problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum FileProblem {
    /// The file is a mount point, for example a file mounted into a container, and cannot be replaced.
    Mounted,
    /// The file belongs to another user in a folder where only owners may replace files, or the file is marked as
    /// immutable.
    Protected,
    /// The user is not allowed to create files in the folder.
    NotPermitted,
    /// The existing file cannot be read, so replacing it would lose its other lines.
    Unreadable,
    /// The file system is read-only.
    ReadOnly,
    /// The disk is full, or the user's quota is used up.
    Full,
    /// The folder does not exist.
    NoFolder,
    /// Another program has changed the file since it was read.
    Changed,
    /// The path leads to a folder, a device or a pipe.
    NotAFile,
    /// The file is too large to be of the expected kind, so it was probably chosen by mistake.
    TooLarge,
    /// The file is not UTF-8 text, so adding a line in UTF-8 would damage it.
    NotUtf8,
    /// The path is a link whose target is missing or is in a missing folder.
    BrokenLink,
    /// The path is a link that leads back to itself.
    LinkLoop,
    /// Programs interpret a line of the file in contradictory ways. See [`UnclearLine`].
    UnclearLine,
    /// A line of the file uses the variable in an unsupported way. See [`UnclearLine`].
    UnclearUse,
    /// A line of the file may set the variable without naming it. See [`UnclearLine`].
    OtherCode,
}

impl FileProblem {
    /// Returns the problem that caused an I/O error, if the user can resolve it.
    pub fn from_io_error(error: &io::Error) -> Option<Self> {
        // A library may have wrapped the system's error to add the path.
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = cause {
            if let Some(problem) = error.downcast_ref::<Self>() {
                return Some(*problem);
            }
            if let Some(unclear) = error.downcast_ref::<UnclearLine>() {
                return Some(unclear.problem);
            }
            if let Some(error) = error.downcast_ref::<io::Error>() {
                if let Some(problem) = error.raw_os_error().and_then(Self::from_os_error_code) {
                    return Some(problem);
                }
                if let Some(inner) = error.get_ref() {
                    cause = Some(inner);
                    continue;
                }
            }
            cause = error.source();
        }
        None
    }

    fn from_os_error_code(code: i32) -> Option<Self> {
        #[cfg(unix)]
        {
            use rustix::io::Errno;
            if code == Errno::PERM.raw_os_error() {
                return Some(Self::Protected);
            }
            if code == Errno::LOOP.raw_os_error() {
                return Some(Self::LinkLoop);
            }
        }
        match io::Error::from_raw_os_error(code).kind() {
            ErrorKind::ResourceBusy => Some(Self::Mounted),
            ErrorKind::PermissionDenied => Some(Self::NotPermitted),
            ErrorKind::ReadOnlyFilesystem => Some(Self::ReadOnly),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some(Self::Full),
            ErrorKind::NotFound | ErrorKind::NotADirectory => Some(Self::NoFolder),
            ErrorKind::IsADirectory => Some(Self::NotAFile),
            _ => None,
        }
    }
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mounted => "the file is a mount point and cannot be replaced",
            Self::Protected => "the file belongs to another user or is protected against changes",
            Self::NotPermitted => "this user may not create files in the folder",
            Self::Unreadable => "this user may not read the file",
            Self::ReadOnly => "the file system is read-only",
            Self::Full => "the disk is full, or a quota is used up",
            Self::NoFolder => "the folder does not exist",
            Self::Changed => "another program has changed the file",
            Self::NotAFile => "the path does not lead to a regular file",
            Self::TooLarge => "the file is larger than 128 KiB",
            Self::NotUtf8 => "the file is not UTF-8 text",
            Self::BrokenLink => "the target of the link does not exist",
            Self::LinkLoop => "the link leads back to itself",
            Self::UnclearLine => "a line of the file cannot be changed safely",
            Self::UnclearUse => "a line of the file uses the variable in an unsupported way",
            Self::OtherCode => "a line of the file may set the variable by running other code",
        })
    }
}

impl Error for FileProblem {}

/// A line that prevents a safe edit of the file: after the edit, programs could read wrong values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnclearLine {
    /// The line number, counted from 1.
    pub line: u32,
    /// The variable that cannot be set.
    pub variable: &'static str,
    /// The problem with the line.
    pub problem: FileProblem,
}

impl UnclearLine {
    /// Returns the unclear line that caused an I/O error, if there is one.
    pub fn from_io_error(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl fmt::Display for UnclearLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, variable, problem } = self;
        match problem {
            FileProblem::UnclearUse => {
                write!(f, "line {line} of the file uses {variable} in an unsupported way")
            }
            FileProblem::OtherCode => write!(f, "line {line} of the file may set {variable} by running other code"),
            _ => write!(f, "line {line} of the file cannot be changed safely: programs would read it differently"),
        }
    }
}

impl Error for UnclearLine {}

impl From<UnclearLine> for io::Error {
    fn from(unclear: UnclearLine) -> Self {
        Self::other(unclear)
    }
}

/// Describes an I/O error on a file, for a terminal or a log.
pub fn describe_io_error(error: &io::Error) -> String {
    FileProblem::from_io_error(error).map_or_else(|| error.to_string(), |problem| problem.to_string())
}

impl From<FileProblem> for io::Error {
    fn from(problem: FileProblem) -> Self {
        Self::other(problem)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn from_io_error_finds_nested_cause() {
        for (errno, problem) in [
            (Errno::BUSY, Some(FileProblem::Mounted)),
            (Errno::PERM, Some(FileProblem::Protected)),
            (Errno::ACCESS, Some(FileProblem::NotPermitted)),
            (Errno::ROFS, Some(FileProblem::ReadOnly)),
            (Errno::NOSPC, Some(FileProblem::Full)),
            (Errno::DQUOT, Some(FileProblem::Full)),
            (Errno::NOENT, Some(FileProblem::NoFolder)),
            (Errno::NOTDIR, Some(FileProblem::NoFolder)),
            (Errno::ISDIR, Some(FileProblem::NotAFile)),
            (Errno::LOOP, Some(FileProblem::LinkLoop)),
            (Errno::IO, None),
        ] {
            let error = io::Error::from(errno);
            assert_eq!(FileProblem::from_io_error(&error), problem, "{errno:?}");
            assert_eq!(FileProblem::from_io_error(&io::Error::other(error)), problem, "{errno:?} inside another");
        }
        assert_eq!(FileProblem::from_io_error(&FileProblem::Changed.into()), Some(FileProblem::Changed));
    }
}
