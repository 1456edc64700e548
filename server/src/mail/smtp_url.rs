//! The mail server of the settings: its URL, and the certificates to trust.

use std::net::IpAddr;
use std::path::Path;

use idna::domain_to_ascii;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use percent_encoding::percent_decode_str;
use url::Url;

use super::MailError;

/// The SMTP server of the settings.
pub(super) struct Server {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    /// Our name in EHLO.
    pub own_name: ClientId,
    pub account: Option<Account>,
}

pub(super) struct Account {
    pub user: String,
    pub password: String,
}

impl Server {
    /// Reads the URL; `own_name` is our name in EHLO unless the URL's path has another.
    pub fn read(url: &str, ca_file: Option<&Path>, own_name: &str) -> Result<Self, MailError> {
        let url = Url::parse(url).map_err(|_| {
            MailError::Url(
                "is not a URL such as smtps://user:password@mail.example.com; characters other than letters and digits in user and password must be percent-encoded",
            )
        })?;
        let host = host(&url)?;
        let (tls, default_port) = security(&url, &host, ca_file)?;
        let account = account(&url)?;
        let is_protected = matches!(tls, Tls::Required(_) | Tls::Wrapper(_)) || is_loopback(&host);
        if account.is_some() && !is_protected {
            return Err(MailError::Url(
                "would send user and password unencrypted; write smtps://user:password@host (TLS, port 465) or smtp://user:password@host?tls=required (STARTTLS, port 587)",
            ));
        }
        let own_name = match url.path().trim_matches('/') {
            "" => own_name.to_owned(),
            path if path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b)) => {
                path.to_owned()
            }
            _ => return Err(MailError::Url("has a path that is not a host name for EHLO")),
        };
        let (own_name, port) = (ClientId::Domain(own_name), url.port().unwrap_or(default_port));
        Ok(Server { host, port, tls, own_name, account })
    }

    pub fn describe(&self) -> String {
        let (scheme, security) = match self.tls {
            Tls::None => ("smtp", ""),
            Tls::Opportunistic(_) => ("smtp", "?tls=opportunistic"),
            Tls::Required(_) => ("smtp", "?tls=required"),
            Tls::Wrapper(_) => ("smtps", ""),
        };
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{scheme}://{host}:{}{security}", self.port)
    }
}

/// The host to connect to, as its certificate must name it.
fn host(url: &Url) -> Result<String, MailError> {
    const NO_HOST: MailError = MailError::Url("names no host");
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(NO_HOST)?;
    if let Some(literal) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return Ok(literal.to_owned());
    }
    let host = percent_decode_str(host).decode_utf8().map_err(|_| NO_HOST)?;
    domain_to_ascii(&host).map_err(|_| NO_HOST)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// The protection of the connection, and its port.
fn security(url: &Url, host: &str, ca_file: Option<&Path>) -> Result<(Tls, u16), MailError> {
    let parameters = || tls_parameters(host, ca_file);
    let pairs: Vec<_> = url.query_pairs().collect();
    let tls = match pairs.as_slice() {
        [] => None,
        [(name, value)] if name == "tls" => Some(value.as_ref()),
        _ => return Err(MailError::Url("has a parameter other than tls")),
    };
    match (url.scheme(), tls) {
        ("smtp", None) => Ok((Tls::None, 25)),
        ("smtp", Some("required")) => Ok((Tls::Required(parameters()?), 587)),
        ("smtp", Some("opportunistic")) => Ok((Tls::Opportunistic(parameters()?), 587)),
        ("smtps", None) => Ok((Tls::Wrapper(parameters()?), 465)),
        _ => Err(MailError::Url(
            "must begin with smtps://, or with smtp:// and end with ?tls=required, ?tls=opportunistic or without tls",
        )),
    }
}

fn tls_parameters(host: &str, ca_file: Option<&Path>) -> Result<TlsParameters, MailError> {
    let mut parameters = TlsParameters::builder(host.to_owned());
    if let Some(path) = ca_file {
        parameters = parameters.add_root_certificate(certificates(path)?);
    }
    parameters.build().map_err(|error| MailError::Tls(error.to_string()))
}

fn certificates(path: &Path) -> Result<Certificate, MailError> {
    let failed = |problem: String| MailError::CaFile { path: path.to_owned(), problem };
    let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    // A file without certificates would count as an empty list.
    if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
        return Err(failed("contains no certificate in PEM form".to_owned()));
    }
    Certificate::from_pem(&pem).map_err(|error| failed(error.to_string()))
}

fn account(url: &Url) -> Result<Option<Account>, MailError> {
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8();
        text.map(|text| text.into_owned())
            .map_err(|_| MailError::Url("user and password must be UTF-8"))
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) | (_, None) => Err(MailError::Url("needs a user and a password, or neither")),
        (user, Some(password)) => {
            Ok(Some(Account { user: decoded(user)?, password: decoded(password)? }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Server, MailError> {
        Server::read(url, None, "a.example")
    }

    #[test]
    fn url_names_server_and_protection() {
        let cases = [
            ("smtp://mail.example", "smtp://mail.example:25"),
            ("smtp://mail.example:2525/", "smtp://mail.example:2525"),
            ("smtp://u:p@mail.example?tls=required", "smtp://mail.example:587?tls=required"),
            ("smtp://mail.example?tls=opportunistic", "smtp://mail.example:587?tls=opportunistic"),
            ("smtps://u:p%40%2F@mail.example/me.example", "smtps://mail.example:465"),
            ("smtp://u:p@127.0.0.1", "smtp://127.0.0.1:25"),
            ("smtp://u:p@[::1]:26", "smtp://[::1]:26"),
            ("smtp://почта.рф", "smtp://xn--80a1acny.xn--p1ai:25"),
        ];
        for (url, described) in cases {
            let server = read(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(server.describe(), described);
        }
        let server = read("smtps://u:p%40%2F@mail.example/me.example").expect("a URL");
        assert_eq!(server.own_name.to_string(), "me.example");
        let account = server.account.expect("an account");
        assert_eq!((account.user.as_str(), account.password.as_str()), ("u", "p@/"));
    }

    #[test]
    fn url_error_contains_no_secret() {
        let urls = [
            "user:hunter2@mail.example",
            "http://user:hunter2@mail.example",
            "smtp://user:hunter2@mail.example",
            "smtp://user:hunter2@mail.example?tls=opportunistic",
            "smtps://user:hunter2@mail.example?tls=maybe",
            "smtps://user:hunter2@mail.example?timeout=hunter2",
            "smtps://user:hunter2#@mail.example",
            "smtps://hunter2@mail.example",
            "smtps://:hunter2@mail.example",
            "smtps://user:hunter2@",
            "smtps://user:hunter2@mail.example/a%0D%0Ahunter2",
            "smtps://user:%FFhunter2@mail.example",
            "",
        ];
        for url in urls {
            let error = read(url).err().unwrap_or_else(|| panic!("{url} is taken"));
            assert!(matches!(error, MailError::Url(_)), "{url}");
            assert!(!error.to_string().contains("hunter2"), "{url}: {error}");
        }
    }

    #[test]
    fn ca_file_must_contain_certificates() {
        let data = tempfile::tempdir().expect("a temporary directory");
        let path = data.path().join("ca.pem");
        for content in
            [None, Some(""), Some("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----")]
        {
            if let Some(content) = content {
                std::fs::write(&path, content).expect("a file");
            }
            let read = Server::read("smtps://mail.example", Some(&path), "a.example");
            assert!(
                matches!(read, Err(MailError::CaFile { .. } | MailError::Tls(_))),
                "{content:?}"
            );
        }
    }
}
