//! What a caller does with a route of this service, and what that requires.
//!
//! Each route below `/api` declares its actions where it is registered (see [`crate::routes`]). The policy table of the
//! domain covers the paths of the whole platform; a test in [`crate::routes`] holds both together.

use ulkeys_domain::policy::RequiredScopes;
use ulkeys_domain::{RateLimitClass, Scope};

use Scope::{Admin, Models, Read, Training, Write};

/// What a caller does with a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Reads the summary of the account, with which clients test a key.
    ReadAccountSummary,
    /// Reads keys and their usage.
    ReadKeys,
    CreateKeys,
    RenameKeys,
    RevokeKeys,
    /// Reads the activity list.
    ReadActivity,
    /// Finds out why a key is rejected. Only the app may do this.
    DiagnoseKeys,
    /// Reads the health of the database, which contains paths. Only the app may do this.
    ReadDatabaseHealth,
    /// Reads training runs.
    ReadRuns,
    /// Downloads the checkpoint of a training run.
    DownloadCheckpoint,
    CancelOrDeleteRuns,
    /// Reports an event of a training run.
    ReportEvent,
    /// Requests an upload URL for a checkpoint.
    RequestUpload,
}

/// How a request is counted against the rate limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// The request counts against the key's limit for this class.
    Class(RateLimitClass),
    /// The handler counts the request after it has read the body, which names the run.
    ByRun,
}

impl Action {
    /// Returns the scopes that allow the action.
    pub(crate) const fn required_scopes(self) -> RequiredScopes {
        RequiredScopes::AnyOf(match self {
            Self::ReadAccountSummary => return RequiredScopes::AnyKey,
            Self::CreateKeys | Self::RenameKeys | Self::RevokeKeys => &[Admin],
            Self::ReadKeys => &[Admin, Read],
            Self::ReadActivity => &[Read, Write],
            Self::DiagnoseKeys | Self::ReadDatabaseHealth => &[],
            Self::ReadRuns | Self::DownloadCheckpoint => &[Training, Read, Write],
            Self::CancelOrDeleteRuns | Self::ReportEvent => &[Training, Write],
            Self::RequestUpload => &[Models, Training, Write],
        })
    }

    /// Returns how a request is counted.
    pub(crate) const fn counting(self) -> Counting {
        match self {
            Self::ReportEvent | Self::RequestUpload => Counting::ByRun,
            Self::DownloadCheckpoint => Counting::Class(RateLimitClass::Download),
            _ => Counting::Class(RateLimitClass::Default),
        }
    }
}
