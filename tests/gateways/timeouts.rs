//! Tests pauses that are longer than one minute, a common default timeout of gateways.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::{StreamExt as _, stream};
use reqwest::{Body, Method, StatusCode};

use crate::gateway::Gateway;
use crate::gateway_fixture::{FixtureOptions, GatewayFixture};

const PAUSE_DURATION: Duration = Duration::from_secs(75);
/// Maximum time until a request is rejected, as stated in the comparison table. It is this long because Traefik waits
/// 30 seconds for the response to a key check, which its configuration file cannot change.
const REJECTION_DEADLINE: Duration = Duration::from_secs(35);
/// Size of a body that does not fit into the buffers between client and upstream: those of the gateway and of the four
/// sockets.
const LARGE_BODY_BYTES: usize = 64 << 20;

/// Four requests pause for different reasons: the upstream computes its response, the client pauses its upload, the
/// upstream pauses reading the upload, and the client pauses reading the response.
pub async fn pause_of_75_seconds_ends_no_request(gateway: Gateway) {
    let fixture = GatewayFixture::start(gateway).await;
    let (_, key) = fixture.service.create_key("patient", &["models"]).await.expect("created");
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

/// The configuration files of nginx and Caddy set a timeout of ten seconds for the key check.
pub async fn request_is_rejected_within_35_seconds_if_key_service_hangs(gateway: Gateway) {
    // This listener accepts connections but never sends a response.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let asked = Some(silent.local_addr().expect("bound"));
    let fixture = GatewayFixture::start_with(gateway, FixtureOptions { asked, ..FixtureOptions::default() }).await;
    let (_, key) = fixture.service.create_key("key", &["models"]).await.expect("created");
    let answers =
        ["/predict/x", "/api/models"].map(|target| fixture.request_with_key(&key, Method::GET, target).send());
    let answers =
        tokio::time::timeout(REJECTION_DEADLINE, futures_util::future::join_all(answers)).await.expect("no timeout");
    for answer in answers {
        let status = answer.expect("answered").status();
        assert!(status.is_server_error(), "{gateway:?}: {status}");
    }
    assert_eq!(fixture.upstream.take_received().len(), 0);
}
