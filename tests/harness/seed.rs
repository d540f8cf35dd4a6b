//! Creates databases for tests: with realistic keys, with extreme keys, and with very many keys.
//!
//! All data is written through the store, so that each database is one that the service itself could have created. Only
//! [`seed_bulk`] bypasses the store, because a hundred thousand commits would take minutes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt as _, SeedableRng as _};
use rusqlite::{Connection, params};
use serde_json::json;
use ulkeys_domain::decision::Decision;
use ulkeys_domain::training::{ConsolePart, EpochReport, ModelId, ModelRef, RunCompletion, RunStart, RunUpdate, Slug};
use ulkeys_domain::{AccountId, Actor, KeyId, KeyName, KeyRecord, Scopes, Secret, Timestamp};
use ulkeys_store::{
    AccountStore, AuditContext, ClientUsage, HourlyCount, MILLIS_PER_HOUR, RejectedRequests, ReportedBy, SqliteStore,
    Store as _, UsageBatch,
};

/// A key to create. All times are given in hours before now.
#[derive(Debug, Clone, Copy)]
pub struct SeedKey {
    /// Current name of the key.
    pub name: &'static str,
    /// Scopes of the key, separated by spaces.
    pub scopes: &'static str,
    /// Hours since the key was created.
    pub made: u64,
    /// Hours since the key was last used.
    pub used: Option<u64>,
    /// Hours since the key was last used for a request that needed its `admin` scope.
    pub needed_admin: Option<u64>,
    /// Previous name of the key, and the number of hours since the key was renamed.
    pub renamed: Option<(&'static str, u64)>,
    /// Hours since the key was revoked.
    pub revoked: Option<u64>,
    /// The name of the key that this one replaces, and the replaced key's age in hours.
    pub replaces: Option<(&'static str, u64)>,
    /// Clients that use the key, each with its user agent and its address.
    pub programs: &'static [(&'static str, &'static str)],
    /// Rejected requests: each entry contains a reason, and the number of requests in one hour. The first entry is for
    /// the hour of the last use, and each further entry is for the hour before the previous one.
    pub refused: &'static [(Decision, u64)],
    /// Training runs that use the key.
    pub runs: &'static [SeedRun],
}

/// A training run to create.
#[derive(Debug, Clone, Copy)]
pub struct SeedRun {
    /// Name of the model.
    pub name: &'static str,
    /// Hours since the run started.
    pub started: u64,
    /// Planned number of epochs.
    pub planned: u32,
    /// Number of trained epochs.
    pub trained: u32,
    /// How the run ended: `Some(None)` if it succeeded, `Some(Some(reason))` if it failed, `None` if it is still
    /// running.
    pub ended: Option<Option<&'static str>>,
}

const HOURS_PER_DAY: u64 = 24;
const LOOPBACK: &str = "127.0.0.1";

impl SeedKey {
    /// Creates a key that has never been used.
    pub const fn new(name: &'static str, scopes: &'static str, made: u64) -> Self {
        Self {
            name,
            scopes,
            made,
            used: None,
            needed_admin: None,
            renamed: None,
            revoked: None,
            replaces: None,
            programs: &[],
            refused: &[],
            runs: &[],
        }
    }

    /// Sets how many hours ago the key was last used, and by which clients.
    pub const fn with_usage(self, hours_ago: u64, programs: &'static [(&'static str, &'static str)]) -> Self {
        Self { used: Some(hours_ago), programs, ..self }
    }
}

/// The keys of a small team: keys of different ages, keys with each reason for a warning, a key that is being replaced,
/// and revoked keys.
pub const TEAM_KEYS: &[SeedKey] = &[
    SeedKey {
        runs: &[
            SeedRun { name: "forklift-detector", started: 200, planned: 50, trained: 51, ended: Some(None) },
            SeedRun {
                name: "forklift-detector-large",
                started: 70,
                planned: 100,
                trained: 17,
                ended: Some(Some("CUDA out of memory. Tried to allocate 2.44 GiB (GPU 0; 23.69 GiB total capacity)")),
            },
            SeedRun { name: "pallet-counter", started: 3, planned: 80, trained: 34, ended: None },
        ],
        refused: &[(Decision::Limit, 12)],
        ..SeedKey::new("training-server", "training", 41 * HOURS_PER_DAY)
            .with_usage(0, &[("ultralytics/8.4.190 (Linux; x86_64)", LOOPBACK), ("python-requests/2.32.3", LOOPBACK)])
    },
    SeedKey {
        refused: &[(Decision::Scope, 4)],
        ..SeedKey::new("ci-pipeline", "models datasets", 33 * HOURS_PER_DAY).with_usage(2, &[("curl/8.9.1", LOOPBACK)])
    },
    SeedKey::new("edge-camera-07", "models read", 120 * HOURS_PER_DAY)
        .with_usage(27, &[("ul/0.3.2", "192.168.178.41"), ("ul/0.3.1", "192.168.178.41")]),
    SeedKey {
        renamed: Some(("phone", 11 * HOURS_PER_DAY)),
        ..SeedKey::new("mobile-app", "read", 12 * HOURS_PER_DAY)
            .with_usage(6 * HOURS_PER_DAY, &[("okhttp/4.12.0", "10.20.0.8")])
    },
    SeedKey::new("labeling-team", "datasets", 200 * HOURS_PER_DAY)
        .with_usage(100 * HOURS_PER_DAY, &[("labeltool/2.1", LOOPBACK)]),
    SeedKey::new("nightly-export", "models write", 30),
    SeedKey::new("conference-demo", "training models datasets read", 45 * HOURS_PER_DAY),
    SeedKey {
        needed_admin: Some(40 * HOURS_PER_DAY),
        ..SeedKey::new("workspace-admin", "admin", 61 * HOURS_PER_DAY).with_usage(5, &[("", LOOPBACK)])
    },
    SeedKey {
        refused: &[(Decision::Revoked, 31)],
        ..SeedKey::new("inference-gateway", "models read", 130 * HOURS_PER_DAY)
            .with_usage(4, &[("python-httpx/0.28.1", "10.20.0.15")])
    },
    SeedKey {
        replaces: Some(("inference-gateway", 130 * HOURS_PER_DAY)),
        ..SeedKey::new("inference-gateway", "models read", 2).with_usage(1, &[("python-httpx/0.28.1", "10.20.0.15")])
    },
    SeedKey {
        revoked: Some(9 * HOURS_PER_DAY),
        ..SeedKey::new("old-laptop", "read write", 80 * HOURS_PER_DAY).with_usage(10 * HOURS_PER_DAY, &[("", LOOPBACK)])
    },
    SeedKey { revoked: Some(26), ..SeedKey::new("trial-account", "training", 60 * HOURS_PER_DAY) },
];

/// Keys at every stage of a rotation.
pub const ROTATING_KEYS: &[SeedKey] = &[
    SeedKey::new("not-begun", "models read", 130 * HOURS_PER_DAY).with_usage(
        4,
        &[("python-httpx/0.28.1", "10.20.0.15"), ("", LOOPBACK), ("curl/8.9.1", LOOPBACK), ("ul/0.3.2", LOOPBACK)],
    ),
    SeedKey::new("created", "training", 120 * HOURS_PER_DAY).with_usage(1, &[("ultralytics/8.4.190", LOOPBACK)]),
    SeedKey { replaces: Some(("created", 120 * HOURS_PER_DAY)), ..SeedKey::new("created", "training", 1) },
    SeedKey::new("both-in-use", "datasets", 110 * HOURS_PER_DAY)
        .with_usage(0, &[("python-requests/2.32.3", "10.20.0.8"), ("labeltool/2.1", LOOPBACK)]),
    SeedKey {
        replaces: Some(("both-in-use", 110 * HOURS_PER_DAY)),
        ..SeedKey::new("both-in-use", "datasets", 30).with_usage(1, &[("labeltool/2.1", LOOPBACK)])
    },
    SeedKey::new("moved", "read", 100 * HOURS_PER_DAY).with_usage(3 * HOURS_PER_DAY, &[("okhttp/4.12.0", "10.20.0.9")]),
    SeedKey::new("weekly", "models", 95 * HOURS_PER_DAY)
        .with_usage(2 * HOURS_PER_DAY, &[("okhttp/4.12.0", "10.20.0.9"), ("weekly-report/1.4", "10.20.0.12")]),
    SeedKey {
        replaces: Some(("weekly", 95 * HOURS_PER_DAY)),
        ..SeedKey::new("weekly", "models", HOURS_PER_DAY).with_usage(0, &[("okhttp/4.13.0", "10.20.0.9")])
    },
    SeedKey {
        replaces: Some(("moved", 100 * HOURS_PER_DAY)),
        ..SeedKey::new("moved", "read", 4 * HOURS_PER_DAY).with_usage(0, &[("okhttp/4.12.0", "10.20.0.9")])
    },
];

/// Keys with names that a malicious program might choose. The first key's fields have their longest possible values.
pub const HOSTILE_KEYS: &[SeedKey] = &[
    SeedKey {
        renamed: Some(("MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM", 100)),
        refused: &[(Decision::Limit, 4_000_000), (Decision::Scope, 1)],
        runs: &[SeedRun {
            name: "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww",
            started: 9,
            planned: 20_000,
            trained: 3,
            ended: None,
        }],
        ..SeedKey::new(
            "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
            "training models datasets read write admin",
            9000,
        )
        .with_usage(
            1,
            &[(
                "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
                "fd12:3456:789a:bcde:f012:3456:789a:bcde",
            )],
        )
    },
    SeedKey::new("a name of many words that goes on until the very last allowed c", "read", 500)
        .with_usage(30, &[("", LOOPBACK)]),
    SeedKey::new("<b>bold</b> & \"quoted\" {{7*7}}", "read", 400),
    SeedKey::new("مفتاح الخادم 123", "training", 300).with_usage(3, &[("<img src=x>", LOOPBACK)]),
    SeedKey::new("學習伺服器・推論用", "models", 200),
    SeedKey::new("Z̸͖͋a̷͇͌l̶̳̇g̷̱̈o̵̜͐", "datasets", 100),
    SeedKey::new("👩‍💻🏳️‍🌈🇧🇷🧑🏽‍🚀👨‍👩‍👧‍👦🔑🗝️🔐", "read", 90),
    SeedKey { revoked: Some(3), ..SeedKey::new("مفتاح ملغى", "training", 300) },
];

/// Creates a database with these keys, as if the service had created, renamed and revoked them and recorded their usage
/// and training runs.
///
/// # Errors
/// Returns an error if the database cannot be written or a sample is invalid.
pub async fn seed_database(path: &Path, samples: &[SeedKey]) -> Result<()> {
    let store = SqliteStore::open(path)?;
    let account = store.account(AccountId::EMBEDDED);
    let now = SystemTime::now();
    // Move all times another 130 seconds into the past, so that nothing that happened "0 hours ago" is in the future.
    let ago = |hours: u64| Timestamp::from(now - Duration::from_secs(hours * 3600 + 130));
    let audit =
        |agent: &str| AuditContext { actor: Actor::Session, peer: [127, 0, 0, 1].into(), user_agent: agent.into() };

    // Simulate that the service has run on eight days, because the store deletes old entries only if it has run on that
    // many days. Record the usage after these purges, because a purge changes usage times that are later than its own
    // time.
    for days in (1..=8).rev() {
        store.purge_old_entries(ago(days * 24), Duration::from_hours(90 * 24)).await?;
    }

    // Sort the events by time, because the store numbers them in the order in which they are recorded.
    let mut ids = BTreeMap::new();
    let mut events: Vec<(u64, SeedEvent<'_>)> = Vec::new();
    for sample in samples {
        let id = KeyId::generate(&mut SysRng)?;
        ids.insert((sample.name, sample.made), id);
        events.push((sample.made, SeedEvent::Made(id, sample)));
        if let Some(last) = sample.used {
            events.push((first_use_hours_ago(sample, last), SeedEvent::FirstUsed(id, sample)));
            events.push((last, SeedEvent::Used(id, sample)));
        }
        events.extend(sample.renamed.map(|(_, hours)| (hours, SeedEvent::Renamed(id, sample))));
        events.extend(sample.revoked.map(|hours| (hours, SeedEvent::Revoked(id))));
    }
    events.sort_by_key(|(hours, _)| std::cmp::Reverse(*hours));
    for (hours, event) in events {
        match event {
            SeedEvent::Made(id, sample) => {
                let secret = Secret::generate(&mut SysRng)?;
                let name = KeyName::parse(sample.renamed.map_or(sample.name, |(before, _)| before))?;
                let scopes = Scopes::parse(sample.scopes.split(' '))?;
                let replaces = match sample.replaces {
                    Some(key) => Some(*ids.get(&key).context("the key to replace does not exist")?),
                    None => None,
                };
                let key = KeyRecord { replaces, ..KeyRecord::new(id, name, secret.prefix(), scopes, ago(hours)) };
                account.insert(key, secret.hash(), audit("")).await?;
            }
            SeedEvent::Renamed(id, sample) => {
                account.rename(&id, KeyName::parse(sample.name)?, ago(hours), audit("")).await?;
            }
            SeedEvent::Revoked(id) => drop(account.revoke(&id, ago(hours), audit("")).await?),
            SeedEvent::FirstUsed(id, sample) => {
                let sources = client_usage(id, sample, 1, ago(hours))?;
                store.record_usage(UsageBatch { clients: sources, ..UsageBatch::empty() }.into()).await?;
            }
            SeedEvent::Used(id, sample) => {
                store.record_usage(usage_batch(id, sample, hours, ago)?.into()).await?;
                for run in sample.runs {
                    seed_training_run(&*account, id, run, ago).await?;
                }
            }
        }
    }
    Ok(())
}

enum SeedEvent<'a> {
    Made(KeyId, &'a SeedKey),
    FirstUsed(KeyId, &'a SeedKey),
    Used(KeyId, &'a SeedKey),
    Renamed(KeyId, &'a SeedKey),
    Revoked(KeyId),
}

/// Returns how many hours ago a key was first used. The first use is at most two weeks before the last use, and not
/// before the key was created.
fn first_use_hours_ago(sample: &SeedKey, last: u64) -> u64 {
    sample.made.min(last + 14 * HOURS_PER_DAY)
}

/// Creates the requests from the two weeks before the key's last use, with more requests by day than by night.
fn usage_batch(id: KeyId, sample: &SeedKey, last: u64, ago: impl Fn(u64) -> Timestamp) -> Result<UsageBatch> {
    let since = first_use_hours_ago(sample, last);
    let hour = |hours: u64| ago(hours).as_millis().div_euclid(MILLIS_PER_HOUR);
    let mut batch = UsageBatch { last_used: vec![(id, ago(last))], ..UsageBatch::empty() };
    batch.admin_used = sample.needed_admin.map(|hours| (id, ago(hours))).into_iter().collect();
    let mut rng = StdRng::seed_from_u64(sample.made);
    for hours in last..since {
        let busy = if (7..20).contains(&(hour(hours).rem_euclid(24))) { 60 } else { 6 };
        let requests = rng.random_range(0..busy) * rng.random_range(0..4);
        if requests > 0 {
            batch.counts.push(HourlyCount { key: id, hour: hour(hours), outcome: Decision::Accepted, requests });
        }
    }
    batch.clients = client_usage(id, sample, 430, ago(last))?;
    for (index, (outcome, requests)) in (0_u64..).zip(sample.refused) {
        let (first, requests) = (ago(last + index), *requests);
        batch.counts.push(HourlyCount { key: id, hour: hour(last + index), outcome: *outcome, requests });
        let peer: IpAddr = sample.programs.first().map_or(LOOPBACK, |(_, peer)| peer).parse()?;
        let agent = sample.programs.first().map_or("", |(agent, _)| agent);
        let last = first.saturating_add(Duration::from_secs(60));
        batch.rejected.push(RejectedRequests {
            key: Some(id),
            outcome: *outcome,
            peer,
            user_agent: agent.into(),
            first,
            last,
            requests,
        });
    }
    Ok(batch)
}

/// Creates usage with `requests` requests from each of a key's clients, all at the time `at`.
fn client_usage(id: KeyId, sample: &SeedKey, requests: u64, at: Timestamp) -> Result<Vec<ClientUsage>> {
    let source = |&(agent, peer): &(&str, &str)| -> Result<ClientUsage> {
        Ok(ClientUsage { key: id, peer: peer.parse()?, user_agent: agent.into(), first: at, last: at, requests })
    };
    sample.programs.iter().map(source).collect()
}

/// Creates a run with its epochs, as if a training program had reported them.
async fn seed_training_run(
    account: &dyn AccountStore,
    key: KeyId,
    run: &SeedRun,
    ago: impl Fn(u64) -> Timestamp,
) -> Result<()> {
    let started = ago(run.started);
    let feed = |minutes: u64| ReportedBy {
        actor: Actor::Key(key),
        at: started.saturating_add(Duration::from_secs(minutes * 60)),
    };
    let target = ModelRef::Named { project: Slug::of_project("warehouse"), name: Slug::of(run.name, "train") };
    let start = RunStart {
        epochs: Some(run.planned),
        device: Some("cuda:0".into()),
        train_args: Some(json!({ "model": "yolo26n.pt", "data": "warehouse.yaml", "imgsz": 640, "batch": 16 })),
        environment: Some(json!({ "python": "3.12.7", "torch": "2.9.1+cu128", "gpu": "NVIDIA L4" })),
        ..RunStart::default()
    };
    let begun = account
        .start_run(ModelId::generate(&mut SysRng)?, target, start, feed(0))
        .await?
        .context("cannot start a run")?;
    for epoch in 0..run.trained {
        let progress = 1.0 - (-f64::from(epoch) / 12.0).exp();
        let metrics = [
            ("train/box_loss", 2.4 - 1.5 * progress),
            ("train/cls_loss", 3.1 - 2.2 * progress),
            ("metrics/precision(B)", 0.87 * progress),
            ("metrics/recall(B)", 0.81 * progress),
            ("metrics/mAP50(B)", 0.84 * progress),
            ("metrics/mAP50-95(B)", 0.61 * progress),
        ];
        let change = RunUpdate::Epoch(EpochReport {
            epoch,
            metrics: metrics.map(|(name, value)| (name.to_owned(), Some(value))).into(),
            fitness: Some(0.63 * progress),
            best_fitness: Some(0.63 * progress),
            ..EpochReport::default()
        });
        account.record_update(begun.run_id, change, feed(u64::from(epoch) + 1)).await?;
    }
    let printed = ConsolePart { chunk_id: Some(0), content: "Ultralytics 8.4.190 🚀 Python-3.12.7 CUDA:0\n".into() };
    account.record_update(begun.run_id, RunUpdate::Console(printed), feed(1)).await?;
    let end = feed(u64::from(run.trained) + 1);
    match run.ended {
        None => {}
        Some(None) => {
            let results = Some(json!({ "metrics": { "metrics/mAP50-95(B)": 0.611 }, "bestEpoch": run.planned - 4 }));
            let classes = Some(["forklift", "pallet", "person"].map(str::to_owned).into());
            let ending = RunCompletion { results, class_names: classes, ..RunCompletion::default() };
            account.record_update(begun.run_id, RunUpdate::Complete(ending), end).await?;
        }
        Some(Some(reason)) => {
            account.record_update(begun.run_id, RunUpdate::Failed(reason.to_owned()), end).await?;
        }
    }
    Ok(())
}

/// Creates a database with `count` active keys. Returns the plaintexts of `sample` keys, which are spread evenly over
/// all keys. Inserts the rows directly into the tables that the store has created, which takes only seconds.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn seed_bulk(path: &Path, count: usize, sample: usize) -> Result<Vec<String>> {
    drop(SqliteStore::open(path)?);
    // This generator is fast, and its fixed seed makes the data reproducible. It does not have to be secure, because
    // the generated keys protect no real data.
    let mut rng = StdRng::seed_from_u64(count as u64);
    let now = Timestamp::from(SystemTime::now()).as_millis();
    let all_scopes: Vec<String> = ["read", "training read", "models datasets read", "read write"]
        .iter()
        .map(|names| Scopes::parse(names.split(' ')).map(|scopes| scopes.to_string()))
        .collect::<Result<_, _>>()?;
    let mut taken = Vec::with_capacity(sample);
    let mut connection = Connection::open(path)?;
    // Do not wait until data is on the disk, because the database does not have to survive a crash.
    connection.pragma_update(None, "synchronous", "OFF")?;
    let transaction = connection.transaction()?;
    {
        let mut insert = transaction.prepare(
            "INSERT INTO keys (account_id, id, name, normalized_name, prefix, hash, scopes, created_at, last_used_at)
             VALUES (1, ?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for number in 0..count {
            let secret = Secret::generate(&mut rng)?;
            let age = rng.random_range(0..400 * HOURS_PER_DAY.cast_signed() * MILLIS_PER_HOUR);
            let used = rng.random_bool(0.8).then(|| now - rng.random_range(0..=age));
            insert.execute(params![
                KeyId::generate(&mut rng)?.as_str(),
                format!("key {number}"),
                secret.prefix().as_str(),
                secret.hash().as_bytes(),
                all_scopes[number % all_scopes.len()],
                now - age,
                used,
            ])?;
            if number % (count / sample.max(1)).max(1) == 0 && taken.len() < sample {
                taken.push(secret.expose().to_owned());
            }
        }
    }
    transaction.commit()?;
    Ok(taken)
}
