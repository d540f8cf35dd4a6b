//! Why a file could not be written, as far as a person can do something about it.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

use serde::Serialize;
use ts_rs::TS;

/// What a person can act upon. The page has words for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) enum FileProblem {
    /// Something is mounted over the file, as over a volume's file in a container, so that nothing can take its place.
    Mounted,
    /// The file belongs to another user, in a folder where only owners may replace files, or it is marked as immutable.
    Protected,
    /// The user may not create files in the folder.
    NotPermitted,
    /// The file itself cannot be read, so that its other lines would be lost.
    Unreadable,
    /// The file system can only be read.
    ReadOnly,
    /// There is no room, or the user's share of it is used up.
    Full,
    /// The folder is not there.
    NoFolder,
    /// Another program has changed the file since it was read.
    Changed,
    /// It is a folder, a device or a pipe.
    NotAFile,
    /// It is too large to be what it is taken for.
    TooLarge,
    /// Its text is not in UTF-8, so that a line in UTF-8 would damage it.
    NotUtf8,
    /// It is a link whose target is missing, or lies in a folder that is missing.
    BrokenLink,
    /// It is a link that leads back to itself.
    LinkLoop,
    /// A line of it is read in contradictory ways by the programs that read such files, see [`UnclearLine`].
    UnclearLine,
    /// A line of it uses the variable in a way that is not understood, see [`UnclearLine`].
    UnclearUse,
    /// A line of it may set the variable without naming it, see [`UnclearLine`].
    OtherCode,
}

impl FileProblem {
    /// The problem behind an error, if it is one of these.
    pub(crate) fn from_io_error(error: &io::Error) -> Option<Self> {
        // A library may have put the path around the system's own error.
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
            Self::Mounted => "the file is a mount point, which cannot be replaced",
            Self::Protected => "the file belongs to another user or is protected against changes",
            Self::NotPermitted => "this user may not create files in the folder",
            Self::Unreadable => "this user may not read the file",
            Self::ReadOnly => "the file system is read-only",
            Self::Full => "the disk is full, or a quota is used up",
            Self::NoFolder => "the folder does not exist",
            Self::Changed => "another program has changed the file",
            Self::NotAFile => "it is not a file",
            Self::TooLarge => "the file is larger than 128 KiB",
            Self::NotUtf8 => "the text of the file is not in UTF-8",
            Self::BrokenLink => "it is a link to a place that does not exist",
            Self::LinkLoop => "it is a link that leads back to itself",
            Self::UnclearLine => "a line of the file cannot be changed safely",
            Self::UnclearUse => "a line of the file uses the variable in a way that is not understood",
            Self::OtherCode => "a line of the file may set the variable from elsewhere",
        })
    }
}

impl Error for FileProblem {}

/// A file that cannot be edited without a risk for what programs read in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnclearLine {
    /// The line, from 1.
    pub(crate) line: u32,
    /// The variable that cannot be set.
    pub(crate) variable: &'static str,
    /// What is unclear about the line.
    pub(crate) problem: FileProblem,
}

impl UnclearLine {
    /// The line behind an error, if the error is about one.
    pub(crate) fn from_io_error(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl fmt::Display for UnclearLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, variable, problem } = self;
        match problem {
            FileProblem::UnclearUse => {
                write!(f, "line {line} of the file uses {variable} in a way that is not understood")
            }
            FileProblem::OtherCode => write!(f, "line {line} of the file may set {variable} from elsewhere"),
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

/// Why a file could not be written, in words for a terminal or a log.
pub(crate) fn describe_io_error(error: &io::Error) -> String {
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
