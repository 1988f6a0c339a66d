//! The shapes, whole and in pieces.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::*;

fn redacted_by(size: usize, text: &str) -> String {
    let mut patterns = Patterns::new();
    let mut out = Vec::new();
    text.as_bytes()
        .chunks(size)
        .for_each(|chunk| patterns.push(chunk, &mut out));
    patterns.finish(&mut out);
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn redacted(text: &str) -> String {
    let whole = redacted_by(usize::MAX, text);
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(redacted_by(size, text), whole, "in pieces of {size}");
    }
    whole
}

/// Every `«…»` in the text is taken out, and nothing else is.
#[track_caller]
fn holds(text: &str) {
    let mut expected = String::new();
    for part in text.split('«') {
        expected += part
            .split_once('»')
            .map_or(part.to_owned(), |(_, behind)| format!("[REDACTED]{behind}"))
            .as_str();
    }
    assert_eq!(redacted(&text.replace(['«', '»'], "")), expected);
}

#[test]
fn private_keys_of_every_kind_are_taken_out_and_certificates_stay() {
    for kind in [
        "",
        "RSA ",
        "EC ",
        "DSA ",
        "ENCRYPTED ",
        "OPENSSH ",
        "ED25519 ",
    ] {
        holds(&format!(
            "-----BEGIN {kind}PRIVATE KEY-----«\nMIIE+/=\nabc\n»-----END {kind}PRIVATE KEY-----\n"
        ));
    }
    holds(
        "a: -----BEGIN PGP PRIVATE KEY BLOCK-----«\nVersion: 1\n\nlQ\n»-----END PGP PRIVATE KEY BLOCK----- b",
    );
    holds(
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----\n-----BEGIN PUBLIC KEY-----\nMII\n-----END PUBLIC KEY-----\n",
    );
    holds(
        r#"{"a":"-----BEGIN EC PRIVATE KEY-----«\nMHcC\n»-----END EC PRIVATE KEY-----\n","b":"c"}"#,
    );
    holds(r#"{"a":"{\"cut\":\"-----BEGIN EC PRIVATE KEY-----«\\nMHcC»\"}","b":"c"}"#);
    holds(
        "[pod/a] -----BEGIN EC PRIVATE KEY-----«\n[pod/a] MHcC\n[pod/a] »-----END EC PRIVATE KEY-----\n[pod/a] x\n",
    );
    holds("-----BEGIN EC PRIVATE KEY-----«\nMHcC»");
    holds(
        "the words BEGIN PRIVATE KEY and END PRIVATE KEY-----, or \"-----BEGIN PRIVATE KEY-----\"",
    );
}

#[test]
fn base64_of_a_private_key_is_taken_out_from_its_first_line_on() {
    let key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIIGlRxxx\n-----END EC PRIVATE KEY-----\n";
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIBxxx\n-----END CERTIFICATE-----\n";
    for before in ["", "a", "ab", certificate] {
        let text = BASE64_STANDARD.encode(format!("{before}{key}"));
        let found = redacted(&format!("client-key-data: {text}\nb: c\n"));
        let left = found
            .strip_prefix("client-key-data: ")
            .and_then(|found| found.strip_suffix("[REDACTED]\nb: c\n"))
            .unwrap();
        let left = BASE64_STANDARD
            .decode(left.get(..left.len() / 4 * 4).unwrap())
            .unwrap();
        assert!(
            left.len() <= before.len() + "-----BEGIN EC ".len(),
            "{found}"
        );
    }
    holds(&BASE64_STANDARD.encode(certificate));
}

#[test]
fn tokens_are_taken_out() {
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln-_bmF0";
    holds(&format!(
        "token «{jwt}», \"«{jwt}»\" x«{jwt}»\n«{jwt}.a.b»\n"
    ));
    holds(
        "eyJhbGciOiJSUzI1NiJ9 eyJhbGciOiJSUzI1NiJ9.eyJ zdWI eyJ.a.b eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MTIzfQ== end.",
    );
    holds("eyJ.«eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln»");
    holds(
        "Authorization: Bearer «abc», \"authorization\":[\"bearer «a.b_c»\"] {\\\"Authorization\\\":\\\"Basic «dTpw»\\\"}",
    );
    holds(
        "curl -H 'Authorization: Bearer $TOKEN' -H 'Authorization: Bearer <token>'; Bearer authentication, the bearer token",
    );
    holds("sent Bearer «0123456789abcdefghij» and authorization.k8s.io/v1, authorization: none");
}

#[test]
fn what_never_ends_is_not_waited_for() {
    let header = format!("eyJ{}", "a".repeat(3 * LONGEST_PART));
    holds(&format!("{header} and"));
    holds(&format!(
        "«eyJhbGciOiJSUzI1NiJ9.{}» and",
        "a".repeat(3 * LONGEST_PART)
    ));
    let found = redacted(&format!(
        "-----BEGIN PRIVATE KEY-----\n{}",
        "w".repeat(LONGEST_PEM + 9)
    ));
    assert_eq!(found, "-----BEGIN PRIVATE KEY-----[REDACTED]wwwwwwwwww");
}
