//! Starts a key service, a gateway and an upstream, and sends requests through the gateway with several kinds of
//! clients.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use ulkeys_domain::RateLimits;
use ulkeys_tests::{Child, POLL_INTERVAL, Service, ServiceOptions, WAIT_TIMEOUT, free_port};

use crate::gateway::{Gateway, Ports};
use crate::upstream::Upstream;

/// IP address of the clients. The gateway connects to the service and to the upstream from 127.0.0.1, so the tests can
/// distinguish the client's address from the gateway's.
pub const CLIENT_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 7));

pub struct GatewayFixture {
    pub service: Service,
    pub upstream: Upstream,
    pub port: u16,
    http: reqwest::Client,
    gateway: Child,
    folder: TempDir,
}

/// Options for starting a [`GatewayFixture`].
#[derive(Default)]
pub struct FixtureOptions {
    /// Rate limits of the service. The default limits are too high for any test to reach.
    pub limits: Option<RateLimits>,
    /// Address of a program to use behind the gateway instead of [`Upstream`].
    pub program: Option<SocketAddr>,
    /// Whether to enable TLS in the gateway's configuration files.
    pub tls: bool,
    /// If set, the gateway sends its key checks to this address rather than to the service.
    pub asked: Option<SocketAddr>,
}

impl GatewayFixture {
    pub async fn start(gateway: Gateway) -> Self {
        Self::start_with(gateway, FixtureOptions::default()).await
    }

    pub async fn start_with(gateway: Gateway, options: FixtureOptions) -> Self {
        let mut service_options = ServiceOptions::default();
        if let Some(limits) = options.limits {
            service_options.limits = limits;
        }
        let service = Service::start_with(service_options).await.expect("a service");
        let upstream = Upstream::start().await;
        let port = free_port().expect("a free port");
        let folder = tempfile::tempdir().expect("temporary folder");
        if options.tls {
            make_certificate(folder.path());
        }
        let program = options.program.unwrap_or(upstream.address);
        let asked = options.asked.unwrap_or(service.address);
        let ports = Ports { gateway: port, service: asked, upstream: program, tls: options.tls };
        let child = gateway.start(folder.path(), &ports);
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        // By default, reqwest closes a connection if sent data is not acknowledged for 30 seconds, which is shorter
        // than the pauses in some tests.
        let http = http.tcp_user_timeout(None).local_address(CLIENT_IP).build().expect("a client");
        let mut fixture = Self { service, upstream, port, http, gateway: child, folder };
        let start = Instant::now();
        while !fixture.is_ready(&options).await {
            let ended = fixture.gateway.process().try_wait().expect("the process status");
            assert!(
                ended.is_none() && start.elapsed() < WAIT_TIMEOUT,
                "{gateway:?} does not respond: {}",
                fixture.read_log()
            );
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        assert!(fixture.upstream.take_received().is_empty());
        fixture
    }

    async fn is_ready(&self, options: &FixtureOptions) -> bool {
        if options.asked.is_some() {
            // The server that replaces the key service either accepts every request or never responds. The gateway is
            // ready when this request passes, or when this request times out because the gateway is waiting for its key
            // check.
            let request = self.anonymous_request(Method::GET, "/api/models").send();
            let answer = tokio::time::timeout(Duration::from_millis(500), request).await;
            let is_ready =
                answer.is_err() || answer.is_ok_and(|answer| answer.is_ok_and(|answer| answer.status() == 200));
            self.upstream.take_received();
            return is_ready;
        }
        if options.tls {
            return self.run_curl(&["https://127.0.0.1:{port}/api/models"]).await.starts_with("HTTP/2 401");
        }
        let answer = self.anonymous_request(Method::GET, "/api/models").send().await;
        answer.is_ok_and(|answer| answer.status() == 401)
    }

    /// Returns the gateway's log.
    pub fn read_log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Returns the addresses on which the gateway accepts connections, excluding the local addresses of its outgoing
    /// connections.
    pub fn listening_addresses(&self) -> BTreeSet<SocketAddr> {
        let all = listeners::get_all().expect("a list").into_iter();
        let own = all.filter(|one| one.process.pid == self.gateway.pid()).map(|one| one.socket);
        own.filter(|address| std::net::TcpStream::connect(address).is_ok()).collect()
    }

    /// Builds a request to the gateway, without a key.
    pub fn anonymous_request(&self, method: Method, target: &str) -> RequestBuilder {
        self.http.request(method, format!("http://127.0.0.1:{}{target}", self.port))
    }

    pub fn request_with_key(&self, key: &str, method: Method, target: &str) -> RequestBuilder {
        self.anonymous_request(method, target).bearer_auth(key)
    }

    /// Sends a request with this request line and these headers unchanged, even if no well-behaved client would send
    /// them. Returns the status if there is a response.
    pub async fn send_raw(&self, line: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let mut request = format!("{line} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n", self.port);
        let close = [("Connection", "close")];
        let close = close.iter().filter(|_| !headers.iter().any(|(name, _)| *name == "Connection"));
        for (name, value) in headers.iter().chain(close) {
            request += &format!("{name}: {value}\r\n");
        }
        parse_status(&self.exchange_bytes(&format!("{request}\r\n"), 1).await)
    }

    /// Sends bytes, and reads from the gateway until `answers` response heads have arrived or the gateway closes the
    /// connection. If `answers` is 0, reads until the connection is closed.
    pub async fn exchange_bytes(&self, request: &str, answers: usize) -> String {
        let exchange = async {
            let mut stream = self.connect().await?;
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            // A connection error counts as the end of the response.
            while let Ok(1..) = stream.read_buf(&mut answer).await {
                if answers > 0 && String::from_utf8_lossy(&answer).matches("\r\n\r\n").count() >= answers {
                    break;
                }
            }
            std::io::Result::Ok(answer)
        };
        let answer = tokio::time::timeout(WAIT_TIMEOUT, exchange).await.expect("no timeout").unwrap_or_default();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Opens a connection from [`CLIENT_IP`] to the gateway.
    pub async fn connect(&self) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((CLIENT_IP, 0).into())?;
        socket.connect(([127, 0, 0, 1], self.port).into()).await
    }

    /// Runs curl and returns the head and the body of the response. curl trusts the gateway's certificate. `{port}` in
    /// the arguments is replaced with the gateway's port.
    pub async fn run_curl(&self, arguments: &[&str]) -> String {
        let mut command = tokio::process::Command::new("curl");
        command.args(["--silent", "--include", "--http2", "--noproxy", "*", "--interface", &CLIENT_IP.to_string()]);
        command.arg("--cacert").arg(self.folder.path().join("gateway.pem"));
        command.args(arguments.iter().map(|argument| argument.replace("{port}", &self.port.to_string())));
        let output =
            tokio::time::timeout(WAIT_TIMEOUT, command.output()).await.expect("no timeout").expect("curl runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// Returns the status of a response, if it has one.
pub fn parse_status(answer: &str) -> Option<u16> {
    answer.split(' ').nth(1)?.parse().ok()
}

/// Creates a self-signed certificate for 127.0.0.1.
fn make_certificate(folder: &Path) {
    let path = |name: &str| -> PathBuf { folder.join(name) };
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=gateway"]);
    command.args(["-addext", "subjectAltName=IP:127.0.0.1", "-out"]).arg(path("gateway.pem"));
    let output = command.arg("-keyout").arg(path("gateway.key")).output().expect("openssl runs");
    assert!(output.status.success(), "{output:?}");
}
