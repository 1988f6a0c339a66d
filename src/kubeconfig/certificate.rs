//! PEM in base64 -> certificates and keys that were understood, written again.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rustls::crypto::ring::sign::any_supported_type;
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{PemObject, SectionKind},
};
use x509_parser::{
    asn1_rs::{Any, Class, Tag},
    certificate::X509Certificate,
    prelude::FromDer,
};
use zeroize::Zeroizing;

use super::{base64::decode, error::KubeconfigError};
use crate::secret::SecretString;

/// More than any chain or bundle of authorities has.
const MOST_CERTIFICATES: usize = 64;

/// Certificates that parse and have not expired.
pub(super) struct Certificates {
    /// Each in DER.
    sections: Vec<Vec<u8>>,
    /// The public key of the first one, as SubjectPublicKeyInfo.
    public_key: Vec<u8>,
    /// What each of them says of itself.
    identities: Vec<CertificateFacts>,
}

/// What a certificate says of itself, in DER.
struct CertificateFacts {
    public_key: Vec<u8>,
    subject: Vec<u8>,
    issuer: Vec<u8>,
}

/// Reads base64 of one or more PEM certificates, which have to be valid still.
pub(super) fn certificates(
    data: &str,
    line: usize,
    key: &'static str,
    now: SystemTime,
) -> Result<Certificates, KubeconfigError> {
    let wrong = || KubeconfigError::Pem {
        line,
        key,
        expected: "certificates",
    };
    let pem = decode(data).map_err(|_| wrong())?;
    if !is_plain_pem(pem.expose()) {
        return Err(wrong());
    }
    let mut public_key = None;
    let mut expiries = Vec::new();
    let mut sections = Vec::new();
    let mut identities = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.expose()) {
        let (kind, der) = section.map_err(|_| wrong())?;
        let (rest, certificate) = X509Certificate::from_der(&der).map_err(|_| wrong())?;
        if kind != SectionKind::Certificate
            || !rest.is_empty()
            || sections.len() == MOST_CERTIFICATES
        {
            return Err(wrong());
        }
        expiries
            .push(u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or_default());
        public_key.get_or_insert_with(|| certificate.public_key().raw.to_vec());
        identities.push(CertificateFacts {
            public_key: certificate.public_key().raw.to_vec(),
            subject: certificate.subject().as_raw().to_vec(),
            issuer: certificate.issuer().as_raw().to_vec(),
        });
        sections.push(der);
    }
    let public_key = public_key.ok_or_else(wrong)?;
    // A bundle of authorities may hold old ones beside the present one; what identifies the caller
    // is the first.
    let last = match key {
        "certificate-authority-data" => expiries.iter().max(),
        _ => expiries.first(),
    };
    if let Some(&at) = last.filter(|at| SystemTime::UNIX_EPOCH + Duration::from_secs(**at) < now) {
        return Err(KubeconfigError::Expired { line, key, at });
    }
    Ok(Certificates {
        sections,
        public_key,
        identities,
    })
}

impl Certificates {
    /// Whether a server that these verify may be one that `others` verify: they have a key in
    /// common, or one of these was issued by one of the others. Go takes a server's own certificate
    /// for an authority too (crypto/x509, Verify).
    pub(super) fn may_verify_for(&self, others: &Self) -> bool {
        self.identities.iter().any(|own| {
            others.identities.iter().any(|other| {
                let issued = own.issuer != own.subject && own.issuer == other.subject;
                own.public_key == other.public_key || issued
            })
        })
    }

    /// Each of them, in their order.
    pub(super) fn certificates(&self) -> impl Iterator<Item = CertificateDer<'static>> {
        self.sections.iter().cloned().map(CertificateDer::from)
    }

    /// Base64 of their PEM form, as it is written for the child.
    pub(super) fn data(&self) -> String {
        BASE64_STANDARD.encode(self.pem())
    }

    fn pem(&self) -> String {
        self.sections
            .iter()
            .map(|der| pem_text("CERTIFICATE", der).to_string())
            .collect()
    }
}

/// PEM certificates that a server's is verified against, written again from what was understood.
///
/// Only [`CertificateAuthority::parse`] makes one.
///
/// ```compile_fail,E0451
/// let forged = kube_airlock::kubeconfig::CertificateAuthority { pem: todo!() };
/// ```
#[derive(Clone, Debug)]
pub struct CertificateAuthority {
    pem: String,
}

impl CertificateAuthority {
    /// Reads base64 of PEM certificates, one of which has to be valid `now`.
    ///
    /// # Errors
    /// When they are no certificates, or none of them is valid any more.
    pub fn parse(data: &str, now: SystemTime) -> Result<Self, KubeconfigError> {
        let certificates = certificates(data, 1, "certificate-authority-data", now)?;
        Ok(Self {
            pem: certificates.pem(),
        })
    }

    /// The content of the file that the child reads.
    pub fn pem(&self) -> &str {
        &self.pem
    }
}

/// Reads base64 of one PEM private key, which has to be that of the certificate.
pub(super) fn private_key(
    data: &SecretString,
    line: usize,
    of: &Certificates,
) -> Result<SecretString, KubeconfigError> {
    let wrong = || KubeconfigError::Pem {
        line,
        key: "client-key-data",
        expected: "a private key",
    };
    let pem = decode(data.expose()).map_err(|_| wrong())?;
    if !is_plain_pem(pem.expose()) {
        return Err(wrong());
    }
    let key = Zeroizing::new(PrivateKeyDer::from_pem_slice(pem.expose()).map_err(|_| wrong())?);
    let label = match &*key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(key) if names_its_curve(key.secret_sec1_der()) => "EC PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => return Err(KubeconfigError::KeyKind { line }),
        PrivateKeyDer::Pkcs8(_) => "PRIVATE KEY",
        _ => return Err(wrong()),
    };
    let signing = any_supported_type(&key).map_err(|_| KubeconfigError::KeyKind { line })?;
    if signing
        .public_key()
        .is_none_or(|public| public.as_ref() != of.public_key.as_slice())
    {
        return Err(KubeconfigError::KeyMismatch { line });
    }
    let text = pem_text(label, key.secret_der());
    Ok(SecretString::new(BASE64_STANDARD.encode(text.as_bytes())))
}

/// Whether Go sees the sections that we see: it leaves out a section whose first or last line says
/// more, one without the base64's padding, and one that another begins in (Go 1.26
/// encoding/pem/pem.go, Decode), and takes any kind of private key for the key (crypto/tls/tls.go,
/// X509KeyPair).
fn is_plain_pem(pem: &[u8]) -> bool {
    let (mut open, mut characters) = (None, 0);
    let plain = pem.split(|&byte| byte == b'\n').all(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line
            .iter()
            .all(|&byte| byte >= b' ' && byte != 0x7f || byte == b'\t')
        {
            return false;
        }
        let line = line.trim_ascii_end();
        if let Some(rest) = line.strip_prefix(b"-----BEGIN ") {
            characters = 0;
            return match (open, rest.strip_suffix(b"-----")) {
                (None, Some(label)) => {
                    open = Some(label);
                    !label.ends_with(b"PRIVATE KEY")
                        || [
                            b"PRIVATE KEY".as_slice(),
                            b"EC PRIVATE KEY",
                            b"RSA PRIVATE KEY",
                        ]
                        .contains(&label)
                }
                _ => false,
            };
        }
        match line.strip_prefix(b"-----END ") {
            Some(rest) => {
                open.take()
                    .is_some_and(|label| rest.strip_suffix(b"-----") == Some(label))
                    && characters % 4 == 0
            }
            None => {
                characters += line
                    .iter()
                    .filter(|byte| !byte.is_ascii_whitespace())
                    .count();
                true
            }
        }
    });
    plain && open.is_none()
}

/// Whether the third field of an ECPrivateKey is its parameters (RFC 5915, section 3), without
/// which Go reads none.
fn names_its_curve(sec1: &[u8]) -> bool {
    let third = || {
        let (_, key) = Any::from_der(sec1).ok()?;
        let (rest, _version) = Any::from_der(key.data).ok()?;
        let (rest, _private) = Any::from_der(rest).ok()?;
        Any::from_der(rest).ok().map(|(_, third)| third)
    };
    third().is_some_and(|third| third.class() == Class::ContextSpecific && third.tag() == Tag(0))
}

fn pem_text(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(BASE64_STANDARD.encode(der));
    // Room for all of it, so that growing leaves no copy of a key behind.
    let mut text = Zeroizing::new(String::with_capacity(
        body.len() + body.len() / 64 + 2 * label.len() + 40,
    ));
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    for line in body
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
    {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}
