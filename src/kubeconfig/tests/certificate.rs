//! Certificates and keys of a kubeconfig.

use super::*;

#[test]
fn a_certificate_parses_is_valid_today_and_has_its_key() {
    let today = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(86_400 * 100);
    let with = |certificate: &str, key: &str| {
        let text = PLAIN.replace(
            "token: fake-token",
            &format!("client-certificate-data: {certificate}\n    client-key-data: {key}"),
        );
        Kubeconfig::parse(
            &SecretBytes::new(text.into_bytes()),
            None,
            &Allowances::default(),
            today,
        )
    };
    let (certificate, key) = certified(1);
    let (old, old_key) = certified(-1);
    assert!(with(&certificate, &key).is_ok());
    assert!(matches!(
        with(&certificate, &old_key),
        Err(KubeconfigError::KeyMismatch { line: 11 })
    ));
    let expired = with(&old, &old_key).err().unwrap();
    assert!(
        expired
            .to_string()
            .contains("expired at 1970-04-10T00:00:00Z"),
        "{expired}"
    );
    assert!(matches!(with(&key, &key), Err(KubeconfigError::Pem { .. })));
    let half = BASE64_STANDARD
        .encode("-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n");
    assert!(matches!(
        with(&half, &key),
        Err(KubeconfigError::Pem { .. })
    ));
}

#[test]
fn pem_that_go_reads_differently_is_refused() {
    let base64 = |pem: &str| BASE64_STANDARD.encode(pem);
    let (certificate, key) = certified(1);
    let plain = |data: &str| String::from_utf8(decode(data).unwrap().expose().clone()).unwrap();
    let (certificate, key) = (
        plain(&certificate).replace("\r\n", "\n"),
        plain(&key).replace("\r\n", "\n"),
    );
    let with = |certificate: &str, key: &str| {
        let data = format!(
            "client-certificate-data: {}\n    client-key-data: {}",
            base64(certificate),
            base64(key)
        );
        parse(&PLAIN.replace("token: fake-token", &data)).err()
    };
    assert_eq!(with(&format!("a comment\n{certificate}"), &key), None);
    for wrong in [
        certificate.replace(
            "-----END CERTIFICATE-----",
            "-----END CERTIFICATE----- and more",
        ) + &certificate,
        certificate.replace(
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN CERTIFICATE----- and more",
        ) + &certificate,
        certificate.replace("-----END", "-----BEGIN CERTIFICATE-----\n-----END"),
        certificate.replace(
            "-----BEGIN CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nProc-Type: 4\n\n",
        ),
        certificate
            .trim_end()
            .trim_end_matches("-----END CERTIFICATE-----")
            .to_owned(),
    ] {
        assert!(
            matches!(
                with(&wrong, &key),
                Some(KubeconfigError::Pem {
                    key: "client-certificate-data",
                    ..
                })
            ),
            "{wrong}"
        );
    }
    let other = "-----BEGIN DSA PRIVATE KEY-----\nMAA=\n-----END DSA PRIVATE KEY-----\n";
    assert!(matches!(
        with(&certificate, &format!("{other}{key}")),
        Some(KubeconfigError::Pem {
            key: "client-key-data",
            ..
        })
    ));
    // ECPrivateKey { 1, 32 bytes }, and no curve.
    let sec1 = [&[0x30, 0x25, 2, 1, 1, 4, 32][..], &[7; 32]].concat();
    let curveless = format!(
        "-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n",
        BASE64_STANDARD.encode(sec1)
    );
    assert_eq!(
        with(&certificate, &curveless),
        Some(KubeconfigError::KeyKind { line: 11 })
    );
}
