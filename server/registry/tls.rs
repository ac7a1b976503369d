//! Connections: which authorities vouch for a registry, which certificates we show it, and whether a proxy stands between.

use crate::settings::is_loopback;
use crate::{RegistryError, Settings};
use reqwest::{Client, redirect};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A client for one host. Redirects are not followed: that is done where credentials are known.
pub(crate) fn client(settings: &Settings, host: &str, unchecked: bool) -> Result<Client, RegistryError> {
    let failed = |error: reqwest::Error| RegistryError::Settings { what: format!("prepare a connection to {host}"), reason: error.to_string() };
    let builder = Client::builder()
        .user_agent(concat!("gantry/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(settings.patience.connect)
        .pool_idle_timeout(Duration::from_secs(20))
        .tcp_keepalive(Duration::from_secs(30))
        .tls_backend_preconfigured(config(settings, host, unchecked)?);
    // As Go's clients do: the environment's proxies are for other hosts.
    let builder = if is_loopback(host) { builder.no_proxy() } else { builder };
    builder.build().map_err(failed)
}

/// True if the settings have an authority for just this registry.
pub(crate) fn has_authority(settings: &Settings, host: &str) -> bool {
    !files(settings, host, "crt").is_empty()
}

fn config(settings: &Settings, host: &str, unchecked: bool) -> Result<ClientConfig, RegistryError> {
    let provider = Arc::new(ring::default_provider());
    let failed = |reason: String| RegistryError::Settings { what: format!("prepare TLS for {host}"), reason };
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().map_err(|error| failed(error.to_string()))?;
    let builder = if unchecked {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Unchecked(provider)))
    } else {
        builder.with_root_certificates(authorities(settings, host)?)
    };
    let Some(certificate) = files(settings, host, "cert").into_iter().next() else { return Ok(builder.with_no_client_auth()) };
    let key = certificate.with_extension("key");
    let chain = certificates(&certificate)?;
    let key = PrivateKeyDer::from_pem_file(&key).map_err(|error| unreadable(&key, &error))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| failed(error.to_string()))
}

/// Those of this system, and those named for this registry.
fn authorities(settings: &Settings, host: &str) -> Result<RootCertStore, RegistryError> {
    let mut roots = RootCertStore::empty();
    let own = files(settings, host, "crt");
    // What can't be read of the system's is left out, as others do.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for path in own {
        for certificate in certificates(&path)? {
            roots.add(certificate).map_err(|error| RegistryError::Settings { what: format!("use {}", path.display()), reason: error.to_string() })?;
        }
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, RegistryError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    read.map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &rustls::pki_types::pem::Error) -> RegistryError {
    RegistryError::Settings { what: format!("read {}", path.display()), reason: error.to_string() }
}

/// Files of this kind for a registry, in the order of their names. Source: docker's `certs.d`.
fn files(settings: &Settings, host: &str, extension: &str) -> Vec<PathBuf> {
    let named = |folder: &PathBuf| folder.join(host);
    let list = settings.certs_dirs.iter().map(named).filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let mut found: Vec<PathBuf> = list.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    found.sort();
    found
}

/// For registries that the settings take as they are. The connection is sealed, and whoever stands in it may read it.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
