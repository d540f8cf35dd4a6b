//! Runs a gateway as a child process, with its configuration file from `docs/gateways`.

use std::fs::{File, read_to_string};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use ulkeys_tests::{Child, tools_folder};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    Nginx,
    Caddy,
    Traefik,
}

/// All gateways, in the order of the columns in the comparison table.
pub const GATEWAYS: [Gateway; 3] = [Gateway::Nginx, Gateway::Caddy, Gateway::Traefik];

/// The ports that replace `:8080`, `:8576` and `:8000` in a gateway's configuration files.
pub struct Ports {
    pub gateway: u16,
    pub service: SocketAddr,
    pub upstream: SocketAddr,
    /// Whether to enable TLS in the configuration files. If so, the certificate must be in the gateway's folder.
    pub tls: bool,
}

/// The certificate and its private key. Each pair consists of the path in the configuration files of `docs/gateways`,
/// and the name of the file in the gateway's folder that is used instead.
const CERTIFICATE_FILES: [(&str, &str); 2] =
    [("/etc/ssl/certs/gateway.pem", "gateway.pem"), ("/etc/ssl/private/gateway.key", "gateway.key")];

/// The main configuration of nginx, which includes our file from `conf.d`, as a user's main configuration does. It sets
/// directives that must not affect our file. It also makes nginx run as a single process, so that no process outlives
/// the test.
const NGINX_MAIN_CONFIG: &str = "
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    ignore_invalid_headers off;
    underscores_in_headers on;
    proxy_cache_path cache keys_zone=around:1m;
    proxy_cache around;
    proxy_cache_valid any 1m;
    proxy_intercept_errors on;
    satisfy any;
    allow 127.0.0.0/8;
    deny all;
    include conf.d/*.conf;
}
";

impl Gateway {
    /// Starts the gateway with `folder` as its working directory. Each gateway needs a folder of its own.
    pub fn start(self, folder: &Path, ports: &Ports) -> Child {
        let mut command = match self {
            Self::Nginx => {
                std::fs::create_dir(folder.join("conf.d")).expect("a folder");
                copy_config("nginx.conf", &folder.join("conf.d/ul-keys.conf"), ports);
                std::fs::write(folder.join("main.conf"), NGINX_MAIN_CONFIG).expect("written");
                let mut command = Command::new(tools_folder().join("gateways/usr/sbin/nginx"));
                command.arg("-p").arg(folder).args(["-e", "stderr", "-c", "main.conf"]);
                command
            }
            Self::Caddy => {
                copy_config("Caddyfile", &folder.join("Caddyfile"), ports);
                let mut command = Command::new(tools_folder().join("gateways/usr/bin/caddy"));
                command.args(["run", "--config", "Caddyfile"]).env("HOME", folder).env_remove("XDG_CONFIG_HOME");
                command
            }
            Self::Traefik => {
                copy_config("traefik.yml", &folder.join("traefik.yml"), ports);
                copy_config("traefik-ul-keys.yml", &folder.join("traefik-ul-keys.yml"), ports);
                let mut command = Command::new(tools_folder().join("traefik/bin/traefik"));
                command.arg("--configFile=traefik.yml");
                command
            }
        };
        let log = File::create(folder.join("log")).expect("a file");
        command.current_dir(folder).stdout(log.try_clone().expect("a file")).stderr(log);
        Child::spawn(&mut command).expect("the gateway starts")
    }
}

/// Copies a configuration file of `docs/gateways` and replaces the three ports. If TLS is enabled, also uncomments the
/// lines for TLS and replaces the paths of the certificate and its key.
fn copy_config(name: &str, to: &Path, ports: &Ports) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/gateways").join(name);
    let mut text = read_to_string(file).expect("a file of docs/gateways");
    if ports.tls {
        text = enable_tls_lines(&text);
        let folder = to.ancestors().find(|folder| folder.join("gateway.pem").exists()).expect("a certificate");
        for (path, name) in CERTIFICATE_FILES {
            text = text.replace(path, folder.join(name).to_str().expect("a string"));
        }
    }
    let text = text
        .replace(":8080", &format!(":{}", ports.gateway))
        .replace(":8576", &format!(":{}", ports.service.port()))
        .replace(":8000", &format!(":{}", ports.upstream.port()));
    std::fs::write(to, text).expect("written");
}

/// Uncomments the lines for TLS in a configuration file, as a user would. Unlike ordinary comments, these lines have no
/// space after the `#`.
fn enable_tls_lines(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let begin = line.trim_start();
        let Some(code) = begin
            .strip_prefix('#')
            .filter(|code| code.starts_with(|first: char| first != ' ') || is_yaml_block_line(code))
        else {
            lines.push(line.to_owned());
            continue;
        };
        if code.starts_with("listen") {
            lines.retain(|line| !line.trim_start().starts_with("listen"));
        }
        lines.push(format!("{}{code}", &line[..line.len() - begin.len()]));
    }
    lines.join("\n")
}

/// Returns whether a commented-out line belongs to a YAML block. Such a line has two or more spaces after the `#`.
fn is_yaml_block_line(code: &str) -> bool {
    code.starts_with("  ")
}
