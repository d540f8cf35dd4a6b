//! Generates the TypeScript declarations of the types that cross IPC. The generated file is committed, and a test
//! checks that it is up to date.

use ts_rs::{Config, TS};
use ulkeys_api::schema::{
    self, ActivityKind, AttentionReason, CheckpointState, Decision, KeyStatus, OutsideChange, RunStatus, Scope, SortBy,
};
use ulkeys_api::training::{
    CancelledRun, Checkpoint, DeletedRun, Epoch, RunDetails, RunSummary, StorageUse, TrainingRun, TrainingRunDetails,
    TrainingRunList, TrainingStorage,
};
use ulkeys_api::{
    ActivityEntry, ActivityEvent, ActivityPage, ApiKey, ChangeCount, CheckReport, CheckResult, CreateKey,
    DatabaseHealth, DatabaseProblem, DiskFull, ErrorCode, FormatProblem, HourlyUsage, KeyClient, KeyCounts, KeyEvent,
    KeyList, KeyUsage, KeyUse, ListedKey, RecordFailure, RejectionGroup, RevokedKey, RotationPartner, StopCause,
    WritesStopped,
};
use ulkeys_domain::RateLimits;
use ulkeys_domain::storage::StorageLimits;
use ulkeys_local::env_file::EnvFilePlan;
use ulkeys_local::file_access_loss::FileAccessLoss;
use ulkeys_local::file_problem::FileProblem;
use ulkeys_local::git_risk::GitRisk;
use ulkeys_local::keychain_index::UndeletableReason;
use ulkeys_local::locale::FormatRegions;
use ulkeys_local::paths::FileLocations;
use ulkeys_local::relocation::RelocationError;
use ulkeys_local::settings::{
    CLIPBOARD_SECONDS_RANGE, Closing, IgnoredReason, IgnoredSetting, Language, NumberRange, PORT_RANGE, Preferences,
    ROTATION_DAYS_RANGE, SettingsProblem, Theme,
};

use crate::activity_export::ExportFormat;
use crate::clipboard::ClipboardState;
use crate::commands::about::{About, ThirdPartyPackage};
use crate::commands::activity::ExportedActivity;
use crate::commands::list::for_each_command;
use crate::commands::one_time::RevealedKey;
use crate::error::{AppErrorCode, CommandError, CommandErrorCode};
use crate::events::AppEvent;
use crate::menu::MenuAction;
use crate::one_time_secret::{CloseReason, OneTimeState, UnsavedKey};
use crate::quit_confirmation::{QuitQuestion, UsesInProgress};
use crate::seal::SealedKey;
use crate::service_status::{PortUser, ServiceHost, ServiceStatus};

macro_rules! commands_with_arguments {
    ($($module:ident::$command:ident($($argument:ident),*) in [$($window:literal),*];)*) => {
        &[$((stringify!($command), &[$(stringify!($argument)),*])),*]
    };
}

/// Each command with the names of its arguments.
const COMMANDS: &[(&str, &[&str])] = for_each_command!(commands_with_arguments);

const BINDINGS_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ui/src/lib/ipc/bindings/index.ts");

fn generate_bindings() -> String {
    let config = Config::default();
    let mut text = "// Generated from the Rust types by `cargo xtask bindings`. Do not edit.\n".to_owned();
    macro_rules! export_types {
        ($($type:ty),+ $(,)?) => {
            $(text.push_str(&format!("\nexport {}\n", <$type as TS>::decl(&config)));)+
        };
    }
    export_types!(
        Scope,
        AttentionReason,
        ApiKey,
        ListedKey,
        RotationPartner,
        KeyList,
        KeyStatus,
        SortBy,
        KeyCounts,
        CreateKey,
        RevokedKey,
        KeyUse,
        RejectionGroup,
        KeyEvent,
        Decision,
        HourlyUsage,
        KeyClient,
        KeyUsage,
        OutsideChange,
        ActivityKind,
        ActivityEvent,
        ActivityEntry,
        ActivityPage,
        ExportFormat,
        ExportedActivity,
        FormatProblem,
        CheckResult,
        CheckReport,
        RunStatus,
        RunSummary,
        TrainingRun,
        TrainingRunList,
        Epoch,
        CheckpointState,
        Checkpoint,
        RunDetails,
        TrainingRunDetails,
        CancelledRun,
        DeletedRun,
        StorageUse,
        TrainingStorage,
        ErrorCode,
        DatabaseProblem,
        ChangeCount,
        StopCause,
        WritesStopped,
        RecordFailure,
        DiskFull,
        DatabaseHealth,
        PortUser,
        ServiceHost,
        ServiceStatus,
        NumberRange,
        IgnoredReason,
        IgnoredSetting,
        SettingsProblem,
        RelocationError,
        FileLocations,
        UnsavedKey,
        CloseReason,
        OneTimeState,
        Closing,
        Language,
        FormatRegions,
        Theme,
        schema::RateLimits,
        schema::StorageLimits,
        Preferences,
        MenuAction,
        QuitQuestion,
        UsesInProgress,
        UndeletableReason,
        AppEvent,
        ClipboardState,
        SealedKey,
        RevealedKey,
        GitRisk,
        FileAccessLoss,
        EnvFilePlan,
        FileProblem,
        ThirdPartyPackage,
        About,
        AppErrorCode,
        CommandErrorCode,
        CommandError,
    );
    macro_rules! export_defaults {
        ($($name:literal: $type:ident),+ $(,)?) => {
            $(
                let value = serde_json::to_string(&$type::default()).expect("JSON");
                text.push_str(&format!("\nexport const {}: {} = {value};\n", $name, stringify!($type)));
            )+
        };
    }
    export_defaults!("DEFAULT_LIMITS": RateLimits, "DEFAULT_STORAGE_LIMITS": StorageLimits);
    for (name, range) in [
        ("PORT_RANGE", NumberRange::from_range(&PORT_RANGE)),
        ("CLIPBOARD_SECONDS_RANGE", NumberRange::from_range(&CLIPBOARD_SECONDS_RANGE)),
        ("ROTATION_DAYS_RANGE", NumberRange::from_range(&ROTATION_DAYS_RANGE)),
        ("LIMIT_RANGE", NumberRange::from_range(&RateLimits::ALLOWED_RANGE)),
        ("STORAGE_LIMIT_RANGE", NumberRange::from_range(&StorageLimits::ALLOWED_RANGE)),
    ] {
        let value = serde_json::to_string(&range).expect("JSON");
        text.push_str(&format!("\nexport const {name}: NumberRange = {value};\n"));
    }
    text.push_str("\nexport type CommandArguments = {");
    for (command, arguments) in COMMANDS {
        let names: Vec<_> = arguments.iter().map(|name| format!("'{name}'")).collect();
        let names = if names.is_empty() { "never".to_owned() } else { names.join(" | ") };
        text.push_str(&format!(" {command}: {names},"));
    }
    text.push_str(" };\n");
    text
}

#[test]
fn committed_bindings_match_rust_types() {
    let generated = generate_bindings();
    if std::env::var_os("UPDATE_BINDINGS").is_some() {
        std::fs::write(BINDINGS_PATH, &generated).expect("written");
    }
    let committed = std::fs::read_to_string(BINDINGS_PATH).expect("readable");
    assert!(committed == generated, "run `cargo xtask bindings` and commit the result");
}
