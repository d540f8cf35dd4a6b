//! Runs nginx in front of an upstream: without a check, with a check by UL Keys, and with nginx's own check.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use ulkeys_tests::{Child, free_port, tools_folder, wait_until_blocking};

/// The path that nginx forwards to the upstream. `/forward-auth` also receives requests with this path.
pub const PATH: &str = "/api/models/x";
/// The value of the `Authorization` header that nginx's own check accepts. It is as long as the value with a key, so
/// that the requests of all cases have the same length.
pub const BASIC_AUTHORIZATION: &str = "Basic YmVuY2g6YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo=";
/// The file with the only user that nginx's own check accepts. It contains the SHA-1 hash of the password (`{SHA}`),
/// because nginx computes it faster than any other kind of hash: an `apr1` hash takes a thousand rounds of MD5. nginx
/// reads this file for each request, so a single user is the cheapest case.
const USERS: &str = "bench:{SHA}MtEMe4z5ZXDKBM438qGdhCQNOok=\n";

/// A running nginx with a server for each kind of check. All servers forward requests to the same upstream.
pub struct Nginx {
    child: Child,
    /// Address of the server that checks nothing.
    pub unchecked: String,
    /// Address of the server that asks UL Keys about each request (`auth_request`).
    pub with_ul_keys: String,
    /// Address of the server that checks a user name and a password (`auth_basic`).
    pub with_basic_auth: String,
}

impl Nginx {
    /// Starts nginx with `folder` as its working directory. `upstream` and `ul_keys` are addresses.
    pub fn start(folder: &Path, upstream: &str, ul_keys: &str) -> Result<Self> {
        let address = || free_port().map(|port| format!("127.0.0.1:{port}"));
        let (unchecked, with_ul_keys, with_basic_auth) = (address()?, address()?, address()?);
        std::fs::create_dir(folder)?;
        std::fs::write(folder.join("users"), USERS)?;
        // nginx runs as a single process, which is its own and only worker. Connections are never closed, neither those
        // of the clients nor those to the upstreams. The configuration has no more directives than the checks need, so
        // that their share of the cost is not understated.
        let config = format!(
            "
            daemon off;
            master_process off;
            pid nginx.pid;
            error_log stderr warn;
            events {{}}
            http {{
                access_log off;
                client_body_temp_path body;
                proxy_temp_path proxy;
                fastcgi_temp_path fastcgi;
                uwsgi_temp_path uwsgi;
                scgi_temp_path scgi;
                keepalive_requests 1000000000;
                proxy_http_version 1.1;
                proxy_set_header Connection '';
                upstream application {{
                    server {upstream};
                    keepalive 64;
                    keepalive_requests 1000000000;
                }}
                upstream ul_keys {{
                    server {ul_keys};
                    keepalive 64;
                    keepalive_requests 1000000000;
                }}
                server {{
                    listen {unchecked};
                    location = {PATH} {{
                        proxy_pass http://application/summary;
                    }}
                }}
                server {{
                    listen {with_ul_keys};
                    location = {PATH} {{
                        auth_request /ul-keys;
                        proxy_pass http://application/summary;
                    }}
                    location = /ul-keys {{
                        internal;
                        proxy_pass http://ul_keys/forward-auth;
                        proxy_pass_request_body off;
                        proxy_set_header Connection '';
                        proxy_set_header Content-Length '';
                        proxy_set_header Host {ul_keys};
                        proxy_set_header X-Original-Method $request_method;
                        proxy_set_header X-Original-URI $request_uri;
                    }}
                }}
                server {{
                    listen {with_basic_auth};
                    location = {PATH} {{
                        auth_basic bench;
                        auth_basic_user_file users;
                        proxy_pass http://application/summary;
                    }}
                }}
            }}
            "
        );
        std::fs::write(folder.join("nginx.conf"), config)?;
        let mut command = Command::new(tools_folder().join("gateways/usr/sbin/nginx"));
        command.current_dir(folder).arg("-p").arg(folder).args(["-e", "stderr", "-c", "nginx.conf"]);
        let child = Child::spawn(&mut command)?;
        wait_until_blocking("nginx to listen", || TcpStream::connect(&with_basic_auth).is_ok())?;
        Ok(Self { child, unchecked, with_ul_keys, with_basic_auth })
    }

    /// Returns the process ID.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }
}
