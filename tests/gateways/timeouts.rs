//! Pauses that are longer than a minute, which is the default of many a gateway.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::{StreamExt as _, stream};
use reqwest::{Body, Method, StatusCode};

use crate::gateway::Gateway;
use crate::gateway_fixture::{FixtureOptions, GatewayFixture};

const PAUSE_DURATION: Duration = Duration::from_secs(75);
/// What the table says. Traefik waits for 30 seconds, and its file cannot change that.
const REJECTION_DEADLINE: Duration = Duration::from_secs(35);
/// More than the buffers of four sockets and a gateway hold.
const LARGE_BODY_BYTES: usize = 64 << 20;

/// The upstream computes; the client pauses its upload; the upstream pauses reading it; the client pauses reading.
pub async fn pause_of_75_seconds_ends_no_request(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("patient", &["models"]).await.expect("made");
    let put = |target: &str| fixture.request_with_key(&key, Method::PUT, target);
    let body = stream::iter([true, false]).then(async |first| {
        if !first {
            tokio::time::sleep(PAUSE_DURATION).await;
        }
        Ok::<_, Infallible>(Bytes::from("piece"))
    });
    let computes = put("/predict/computes?pause=before-answer").send();
    let uploads = put("/predict/uploads").body(Body::wrap_stream(body)).send();
    let is_slow = put("/predict/is-slow?pause=before-body").body(vec![7; LARGE_BODY_BYTES]).send();
    let reads = async {
        let answer = put(&format!("/predict/reads?body={LARGE_BODY_BYTES}")).send().await?;
        tokio::time::sleep(PAUSE_DURATION).await;
        answer.bytes().await
    };
    let go_on = async {
        tokio::time::sleep(PAUSE_DURATION).await;
        fixture.upstream.resume(2);
    };
    let (computes, uploads, is_slow, reads, ()) = tokio::join!(computes, uploads, is_slow, reads, go_on);
    for answer in [computes, uploads, is_slow] {
        assert_eq!(answer.expect("answered").status(), StatusCode::OK);
    }
    assert_eq!(reads.expect("a body").len(), LARGE_BODY_BYTES);
    assert_eq!(fixture.upstream.take_received().len(), 4);
}

/// The files of nginx and Caddy say ten seconds.
pub async fn request_is_rejected_within_35_seconds_if_key_service_hangs(gateway: Gateway) {
    // Connections are taken, and nothing is answered.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let asked = Some(silent.local_addr().expect("bound"));
    let fixture = GatewayFixture::start_with(gateway, FixtureOptions { asked, ..FixtureOptions::default() }).await;
    let (_, key) = fixture.service.create_key("key", &["models"]).await.expect("made");
    let answers =
        ["/predict/x", "/api/models"].map(|target| fixture.request_with_key(&key, Method::GET, target).send());
    let answers =
        tokio::time::timeout(REJECTION_DEADLINE, futures_util::future::join_all(answers)).await.expect("in time");
    for answer in answers {
        let status = answer.expect("answered").status();
        assert!(status.is_server_error(), "{gateway:?}: {status}");
    }
    assert_eq!(fixture.upstream.take_received().len(), 0);
}
