//! TypeScript's view of the types that cross IPC: generated from Rust, committed, and held in step here.

use ts_rs::{Config, TS};
use ulkeys_domain::decision::Decision;
use ulkeys_domain::storage::StorageLimits;
use ulkeys_domain::training::{Checkpoint, CheckpointState, Epoch, RunDetails, RunStatus, RunSummary};
use ulkeys_domain::wire::training::{
    CancelledRun, DeletedRun, StorageUse, TrainingRun, TrainingRunDetails, TrainingRunList, TrainingStorage,
};
use ulkeys_domain::wire::{
    ActivityEntry, ActivityEvent, ActivityKind, ActivityPage, ApiKey, ChangeCount, CheckReport, CheckResult, CreateKey,
    DatabaseHealth, DatabaseProblem, DiskFull, ErrorBody, ErrorCode, FormatProblem, HourlyUsage, KeyClient, KeyCounts,
    KeyEvent, KeyList, KeyStatus, KeyUsage, KeyUse, OutsideChange, RecordFailure, RevokedKey, SortBy, StopCause,
    WritesStopped,
};
use ulkeys_domain::{AttentionReason, RateLimits, Scope};

use crate::access::AccessLoss;
use crate::activity_export::ExportFormat;
use crate::closing::QuitQuestion;
use crate::commands::activity::ExportedActivity;
use crate::commands::one_time::RevealedKey;
use crate::env_file::EnvFilePlan;
use crate::error::CommandError;
use crate::file_problem::FileProblem;
use crate::git::GitRisk;
use crate::locale::Regions;
use crate::menu::MenuAction;
use crate::one_time::{Loss, LostKey, OneTimeState};
use crate::paths::Places;
use crate::relocation::RelocationError;
use crate::saved_keys::LeftReason;
use crate::seal::SealedKey;
use crate::settings::{
    CLIPBOARD_SECONDS, IgnoredReason, IgnoredSetting, Language, NumberRange, PORTS, Preferences, ROTATION_DAYS,
    SettingsProblem, Theme,
};
use crate::status::{AppEvent, ClipboardState, PortUser, ServiceStatus};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ui/src/lib/ipc/bindings/index.ts");

fn generate() -> String {
    let config = Config::default();
    let mut text = "// Generated from the Rust types by `cargo xtask bindings`. Do not edit.\n".to_owned();
    macro_rules! declare {
        ($($type:ty),+ $(,)?) => {
            $(text.push_str(&format!("\nexport {}\n", <$type as TS>::decl(&config)));)+
        };
    }
    declare!(
        Scope,
        AttentionReason,
        ApiKey,
        KeyList,
        KeyStatus,
        SortBy,
        KeyCounts,
        CreateKey,
        RevokedKey,
        KeyUse,
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
        ErrorBody,
        DatabaseProblem,
        ChangeCount,
        StopCause,
        WritesStopped,
        RecordFailure,
        DiskFull,
        DatabaseHealth,
        PortUser,
        ServiceStatus,
        NumberRange,
        IgnoredReason,
        IgnoredSetting,
        SettingsProblem,
        RelocationError,
        Places,
        LostKey,
        Loss,
        OneTimeState,
        Language,
        Regions,
        Theme,
        RateLimits,
        StorageLimits,
        Preferences,
        MenuAction,
        QuitQuestion,
        LeftReason,
        AppEvent,
        ClipboardState,
        SealedKey,
        RevealedKey,
        GitRisk,
        AccessLoss,
        EnvFilePlan,
        FileProblem,
        CommandError,
    );
    macro_rules! default_of {
        ($($name:literal: $type:ident),+ $(,)?) => {
            $(
                let value = serde_json::to_string(&$type::default()).expect("JSON");
                text.push_str(&format!("\nexport const {}: {} = {value};\n", $name, stringify!($type)));
            )+
        };
    }
    default_of!("DEFAULT_LIMITS": RateLimits, "DEFAULT_STORAGE_LIMITS": StorageLimits);
    for (name, range) in [
        ("PORT_RANGE", NumberRange::of(&PORTS)),
        ("CLIPBOARD_SECONDS_RANGE", NumberRange::of(&CLIPBOARD_SECONDS)),
        ("ROTATION_DAYS_RANGE", NumberRange::of(&ROTATION_DAYS)),
        ("LIMIT_RANGE", NumberRange::of(&RateLimits::RANGE)),
        ("STORAGE_LIMIT_RANGE", NumberRange::of(&StorageLimits::RANGE)),
    ] {
        let value = serde_json::to_string(&range).expect("JSON");
        text.push_str(&format!("\nexport const {name}: NumberRange = {value};\n"));
    }
    text
}

#[test]
fn the_committed_bindings_are_those_of_the_rust_types() {
    let generated = generate();
    if std::env::var_os("UPDATE_BINDINGS").is_some() {
        std::fs::write(PATH, &generated).expect("written");
    }
    let committed = std::fs::read_to_string(PATH).expect("readable");
    assert!(committed == generated, "run `cargo xtask bindings` and commit the result");
}
