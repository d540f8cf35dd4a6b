//! Sends many requests through the gateway while their key is being revoked. No request that starts after the
//! acknowledgment of the revocation reaches the upstream, because no gateway caches decisions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};

use crate::gateway::Gateway;
use crate::gateway_fixture::GatewayFixture;

const CONNECTION_COUNT: usize = 8;
/// Number of requests that must pass before the key is revoked. The same number of requests is sent afterwards.
const REQUESTS_PER_PHASE: usize = 2_000;

pub async fn request_after_revocation_is_rejected(gateway: Gateway) {
    let fixture = Arc::new(GatewayFixture::start(gateway).await);
    let (key_id, key) = fixture.service.create_key("hammer", &["models"]).await.expect("created");
    let revoked = Arc::new(AtomicBool::new(false));
    let passed = Arc::new(AtomicUsize::new(0));
    let loaders: Vec<_> = (0..CONNECTION_COUNT)
        .map(|number| {
            let (fixture, key, revoked, passed) = (fixture.clone(), key.clone(), revoked.clone(), passed.clone());
            let target = if number % 2 == 0 { "/api/models/a" } else { "/predict/x" };
            tokio::spawn(async move {
                let mut late = 0;
                while late < REQUESTS_PER_PHASE / CONNECTION_COUNT {
                    let is_late = revoked.load(Ordering::SeqCst);
                    let request =
                        fixture.request_with_key(&key, Method::GET, target).header("Late", is_late.to_string());
                    let answer = request.send().await.expect("answered");
                    late += usize::from(is_late);
                    match answer.status() {
                        StatusCode::OK => passed.fetch_add(1, Ordering::Relaxed),
                        status => {
                            assert_eq!(status, StatusCode::UNAUTHORIZED);
                            0
                        }
                    };
                }
            })
        })
        .collect();
    while passed.load(Ordering::Relaxed) < REQUESTS_PER_PHASE {
        assert!(!loaders.iter().any(tokio::task::JoinHandle::is_finished), "the key must work until it is revoked");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    fixture.service.client.revoke_key(&key_id).await.expect("revoked");
    revoked.store(true, Ordering::SeqCst);
    for loader in loaders {
        loader.await.expect("no panic");
    }
    let seen = fixture.upstream.take_received();
    assert!(seen.len() >= REQUESTS_PER_PHASE, "too few requests passed before the revocation: {}", seen.len());
    assert_eq!(seen.iter().filter(|seen| seen.header("late") == Some("true")).count(), 0);
}
