//! A [`Kubeconfig`] -> what this server needs to speak to its API server itself: [`Transport`].
//!
//! A tool whose API requests are judged holds no credential; this server puts it on each request
//! that it sends on. Nothing here prints.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, InvalidHeaderValue},
};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WantsClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{
    CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName, UnixTime, pem::PemObject,
};
use zeroize::Zeroizing;

use super::{base64::decode, canonical::Kubeconfig};
use crate::{
    endpoint::EndpointHost,
    secret::{SecretBytes, SecretString},
};

/// How an API server is verified, and how this server identifies itself to it.
pub struct Transport {
    tls: ClientConfig,
    server_name: ServerName<'static>,
    authorization: Option<SecretString>,
    impersonated: Option<(String, Vec<String>)>,
}

/// Why a kubeconfig cannot be used by this server itself.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The client certificate or its key.
    #[error("the client certificate of the kubeconfig cannot be used for TLS")]
    Certificate(#[source] rustls::Error),
    /// The key's form.
    #[error("the client key of the kubeconfig cannot be used for TLS")]
    Key,
    /// The server's name.
    #[error("the server's name cannot be verified")]
    Name(#[from] InvalidDnsNameError),
    /// A credential with characters that no header has.
    #[error("the credential of the kubeconfig cannot be sent in a header")]
    Header(#[from] InvalidHeaderValue),
    /// TLS itself.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

impl Transport {
    /// TLS with the client's certificate, which offers no protocol yet.
    pub fn tls(&self) -> &ClientConfig {
        &self.tls
    }

    /// The name that the server's certificate has to be for.
    pub fn server_name(&self) -> ServerName<'static> {
        self.server_name.clone()
    }

    /// Puts on a request what identifies the caller, or whom it impersonates. What was there under
    /// these names goes.
    ///
    /// # Errors
    /// [`TransportError::Header`] for characters that no header has.
    pub fn identify(&self, headers: &mut HeaderMap) -> Result<(), TransportError> {
        if let Some(authorization) = &self.authorization {
            let mut value = HeaderValue::from_str(authorization.expose())?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        if let Some((user, groups)) = &self.impersonated {
            headers.insert(IMPERSONATE_USER, HeaderValue::from_str(user)?);
            for group in groups {
                headers.append(IMPERSONATE_GROUP, HeaderValue::from_str(group)?);
            }
        }
        Ok(())
    }
}

const IMPERSONATE_USER: HeaderName = HeaderName::from_static("impersonate-user");
const IMPERSONATE_GROUP: HeaderName = HeaderName::from_static("impersonate-group");

impl Kubeconfig {
    /// Makes what this server needs to be the client of the API server itself.
    ///
    /// # Errors
    /// [`TransportError`] when a part of the kubeconfig is none that TLS or HTTP takes.
    pub fn transport(&self) -> Result<Transport, TransportError> {
        let credential = self.credential();
        let server_name = match (&self.cluster().tls_server_name, self.endpoint().host()) {
            (Some(name), _) => ServerName::try_from(name.clone())?,
            (None, EndpointHost::Name(name)) => ServerName::try_from(name.clone())?,
            (None, EndpointHost::Address(address)) => ServerName::from(*address),
        };
        let token = credential.token.as_ref();
        let bearer = token.map(|token| Zeroizing::new(format!("Bearer {}", token.expose())));
        let basic = credential.password.as_ref().map(|(name, password)| {
            let pair = Zeroizing::new(format!("{name}:{}", password.expose()));
            Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())))
        });
        let authorization = bearer.or(basic);
        Ok(Transport {
            tls: self.client_config()?,
            server_name,
            authorization: authorization
                .map(|mut text| SecretString::new(std::mem::take(&mut *text))),
            impersonated: credential.impersonated.clone(),
        })
    }

    fn client_config(&self) -> Result<ClientConfig, TransportError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TransportError::Tls)?;
        let authority = self.cluster().certificate_authority.as_ref();
        let builder = if self.cluster().insecure_skip_tls_verify {
            let verifier = Arc::new(Unverified(provider));
            builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
        } else {
            let roots = authority.map_or_else(public_authorities, |authority| {
                let mut roots = RootCertStore::empty();
                // One that cannot be an anchor verifies nothing.
                roots.add_parsable_certificates(authority.certificates());
                roots
            });
            builder.with_root_certificates(roots)
        };
        self.with_client_certificate(builder)
    }

    fn with_client_certificate(
        &self,
        builder: rustls::ConfigBuilder<ClientConfig, WantsClientCert>,
    ) -> Result<ClientConfig, TransportError> {
        let Some((certificates, key)) = &self.credential().client_certificate else {
            return Ok(builder.with_no_client_auth());
        };
        let pem: SecretBytes = decode(key.expose()).map_err(|_| TransportError::Key)?;
        let key = PrivateKeyDer::from_pem_slice(pem.expose()).map_err(|_| TransportError::Key)?;
        let chain = certificates.certificates().collect();
        builder
            .with_client_auth_cert(chain, key)
            .map_err(TransportError::Certificate)
    }
}

/// The authorities that this host trusts, as Go's tools would use them.
fn public_authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Takes any certificate, as `insecure-skip-tls-verify` asks for; the operator has allowed it. That
/// the server has its key is verified still.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
