//! TLS for the TCP door: the server's certificate, the authority of its clients, and the name in a client's certificate.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, and those between it and its root.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Authority that the certificates of clients are of; `None` asks clients for none.
    pub client_authority: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("read {0}: {1}")]
    File(PathBuf, rustls::pki_types::pem::Error),
    #[error("there is no certificate in {0}")]
    Empty(PathBuf),
    #[error("use {0}: {1}")]
    Refused(PathBuf, String),
}

/// Reads the files. With an authority, a client without a certificate of it is refused before it can ask for anything.
pub fn config(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| TlsError::File(files.key.clone(), error))?;
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Refused(files.certificate.clone(), error.to_string()))?;
    let builder = match &files.client_authority {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let refused = |error: String| TlsError::Refused(path.clone(), error);
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| refused(error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().map_err(|error| refused(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    builder.with_single_cert(chain, key).map_err(|error| TlsError::Refused(files.certificate.clone(), error.to_string()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let list: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let list = list.map_err(|error| TlsError::File(path.to_owned(), error))?;
    if list.is_empty() { Err(TlsError::Empty(path.to_owned())) } else { Ok(list) }
}

/// The common name of a certificate's subject; `None` if it has none, or several. The certificate is one that TLS has verified.
/// Source: RFC 5280, sections 4.1 and 4.1.2.6.
pub fn common_name(certificate: &[u8]) -> Option<String> {
    const SEQUENCE: u8 = 0x30;
    const SET: u8 = 0x31;
    const OBJECT: u8 = 0x06;
    const VERSION: u8 = 0xa0;
    /// id-at-commonName, 2.5.4.3.
    const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
    /// UTF8String, PrintableString, IA5String; the others are not of this century.
    const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];
    let mut whole = Der(certificate).of(SEQUENCE)?;
    let mut body = whole.of(SEQUENCE)?;
    if body.0.first() == Some(&VERSION) {
        body.next()?;
    }
    // Serial number, signature, issuer, validity; then the subject.
    for _ in 0..4 {
        body.next()?;
    }
    let mut subject = body.of(SEQUENCE)?;
    let mut names = Vec::new();
    while !subject.0.is_empty() {
        let mut attributes = subject.of(SET)?;
        while !attributes.0.is_empty() {
            let mut attribute = attributes.of(SEQUENCE)?;
            if attribute.of(OBJECT)?.0 != COMMON_NAME {
                continue;
            }
            let (kind, text) = attribute.next()?;
            names.push(String::from_utf8(text.to_vec()).ok().filter(|_| TEXTS.contains(&kind))?);
        }
    }
    if names.len() == 1 { names.pop() } else { None }
}

/// Bytes in DER: tag, length, content, one after the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next element: its tag and content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first & 0x80 != 0 {
            let count = usize::from(first & 0x7f);
            let digits = rest.get(..count).filter(|_| (1..=4).contains(&count))?;
            length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
            rest = &rest[count..];
        }
        let content = rest.get(..length)?;
        self.0 = &rest[length..];
        Some((tag, content))
    }

    /// The content of the next element, which must have this tag.
    fn of(&mut self, tag: u8) -> Option<Der<'a>> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| Der(content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate as far as its subject; `names` are pairs of an attribute's last number and its text.
    fn certificate(names: &[(u8, &[u8])]) -> Vec<u8> {
        let element = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).expect("short")], content].concat();
        let names: Vec<u8> = names
            .iter()
            .flat_map(|(number, text)| {
                let attribute = [element(0x06, &[0x55, 0x04, *number]), element(0x0c, text)].concat();
                element(0x31, &element(0x30, &attribute))
            })
            .collect();
        let body = [element(0xa0, &[2, 1, 2]), element(2, &[1]), element(0x30, &[]), element(0x30, &[]), element(0x30, &[]), element(0x30, &names)].concat();
        element(0x30, &element(0x30, &body))
    }

    #[test]
    fn the_name_is_the_only_common_name_of_the_subject() {
        assert_eq!(common_name(&certificate(&[(10, b"Org"), (3, b"anna")])).as_deref(), Some("anna"));
        assert_eq!(common_name(&certificate(&[(10, b"Org")])), None);
        assert_eq!(common_name(&certificate(&[(3, b"anna"), (3, b"root")])), None, "which of them?");
        assert_eq!(common_name(&certificate(&[(3, b"\xff")])), None);
    }

    #[test]
    fn what_is_cut_off_is_no_certificate() {
        let whole = certificate(&[(3, b"anna")]);
        assert!((0..whole.len()).all(|length| common_name(&whole[..length]).is_none()));
        assert_eq!(common_name(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
