//! Untrusted bytes -> a canonical kubeconfig.

use std::time::SystemTime;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::choices::Choices;
use crate::{
    kubeconfig::{Allowances, Kubeconfig, KubeconfigError, TokenSource},
    secret::SecretBytes,
    yaml::YamlError,
};

/// What the kubeconfig room accepts is written with known keys only, and read again to the same.
/// Returns whether it was accepted.
pub fn kubeconfig(bytes: &[u8]) -> bool {
    let Ok(accepted) = parse(bytes) else {
        return false;
    };
    let address = [203, 0, 113, 7].into();
    let written = accepted.render(address);
    // A backslash anywhere has the text read letter by letter (src/yaml/compact.rs).
    let whole = parse(&[b"# \\\n", bytes].concat()).expect("what is read compacted is read whole");
    assert!(
        whole.render(address).expose() == written.expose(),
        "what is read compacted is read differently whole"
    );
    let mut value: serde_json::Value =
        serde_json::from_slice(written.expose()).expect("it is JSON");
    only_known_keys(&value);
    // The pinned file names the certificate's host, which a caller's file may not.
    if let Some(cluster) = value
        .pointer_mut("/clusters/0/cluster")
        .and_then(serde_json::Value::as_object_mut)
    {
        cluster.remove("tls-server-name");
    }
    let again = parse(value.to_string().as_bytes()).expect("what was written is accepted");
    assert_eq!(
        (
            again.endpoint().port(),
            again.endpoint().path(),
            again.namespace()
        ),
        (
            accepted.endpoint().port(),
            accepted.endpoint().path(),
            accepted.namespace()
        )
    );
    true
}

/// On a day before any certificate ended.
fn parse(bytes: &[u8]) -> Result<Kubeconfig, KubeconfigError> {
    Kubeconfig::parse(
        &SecretBytes::new(bytes.to_vec()),
        None,
        &Allowances::default(),
        SystemTime::UNIX_EPOCH,
    )
}

fn only_known_keys(value: &serde_json::Value) {
    const KNOWN: [&str; 18] = [
        "apiVersion",
        "kind",
        "clusters",
        "users",
        "contexts",
        "current-context",
        "name",
        "cluster",
        "user",
        "context",
        "server",
        "tls-server-name",
        "certificate-authority-data",
        "token",
        "client-certificate-data",
        "client-key-data",
        "namespace",
        "preferences",
    ];
    match value {
        serde_json::Value::Object(entries) => {
            for (key, value) in entries {
                assert!(KNOWN.contains(&key.as_str()), "{key}");
                only_known_keys(value);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(only_known_keys),
        _ => {}
    }
}

/// Stands in values of keys that are refused or dropped. No DNS name, namespace or path.
const REJECTED: &str = "Rejected_5f1e7a";
/// Stands in credentials.
const CREDENTIAL: &str = "Credential_90d3bc";

/// A file with keys that nobody accepts: what stands under them is in nothing that the room writes
/// or says, and what it says has no credential either. Returns whether the file could be read as
/// far as its keys.
pub fn rejected_key(bytes: &[u8]) -> bool {
    let mut choices = Choices::new(bytes);
    let allowances = if choices.once_in(2) {
        opened()
    } else {
        Allowances::default()
    };
    let mut file = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{ "name": "c", "cluster": { "server": "https://k8s.example.com" } }],
        "users": [{ "name": "u", "user": { "token": CREDENTIAL } }],
        "contexts": [{ "name": "x", "context": { "cluster": "c", "user": "u" } }],
    });
    for _ in 0..=choices.below(3) {
        plant(&mut file, &mut choices);
    }
    let mut text = if choices.once_in(2) {
        format!("{file:#}")
    } else {
        file.to_string()
    };
    if choices.once_in(4) {
        let at = text.len() * choices.below(256) / 256;
        text.replace_range(
            at..=at,
            choices.pick::<&str>(&["", "\"", "&a ", "\u{85}", "}"]),
        );
    }
    let hides = |out: &str, hidden: &[&str]| {
        for canary in hidden {
            assert!(
                !out.contains(canary) && !out.contains(&BASE64_STANDARD.encode(canary)),
                "{canary} is told: {out}\n{text}"
            );
        }
    };
    match Kubeconfig::parse(
        &SecretBytes::new(text.clone().into_bytes()),
        None,
        &allowances,
        SystemTime::UNIX_EPOCH,
    ) {
        Ok(accepted) => {
            hides(
                &String::from_utf8_lossy(accepted.render([203, 0, 113, 7].into()).expose()),
                &[REJECTED],
            );
            hides(&accepted.masked().to_string(), &[REJECTED, CREDENTIAL]);
            true
        }
        Err(error) => {
            hides(
                &format!("{error} {error:?} {}", error.help()),
                &[REJECTED, CREDENTIAL],
            );
            !matches!(error, KubeconfigError::Yaml(YamlError::Syntax { .. }))
        }
    }
}

/// What an operator may accept, but for what would rightly be written.
fn opened() -> Allowances {
    Allowances {
        insecure_skip_tls_verify: true,
        tls_server_name: true,
        token_sources: vec![TokenSource {
            plugin: "aws eks get-token".into(),
            clusters: vec!["k8s.example.com:*".into()],
            certificate_authority: None,
            token_file: "/run/token".into(),
        }],
        ..Allowances::default()
    }
}

/// Puts one key somewhere.
fn plant(file: &mut Value, choices: &mut Choices<'_>) {
    const PLACES: [&str; 8] = [
        "",
        "/clusters/0",
        "/clusters/0/cluster",
        "/contexts/0",
        "/contexts/0/context",
        "/users/0",
        "/users/0/user",
        "/users/0/user/exec",
    ];
    const KEYS: [&str; 26] = [
        "exec",
        "auth-provider",
        "tokenFile",
        "client-certificate",
        "client-key",
        "certificate-authority",
        "proxy-url",
        "insecure-skip-tls-verify",
        "tls-server-name",
        "username",
        "password",
        "as",
        "as-uid",
        "as-groups",
        "as-user-extra",
        "extensions",
        "preferences",
        "disable-compression",
        "namespace",
        "impersonate",
        "Token",
        "token\n",
        "apiVersion",
        "kind",
        "env",
        "<<",
    ];
    let place = *choices.pick(&PLACES);
    let user = place.ends_with("/user");
    let (key, value) = match choices.below(8) {
        // Two spaces: without the only one it would be a token.
        0 if user => ("token", json!(format!("{CREDENTIAL}  {REJECTED}"))),
        1 if user => ("client-key-data", json!(BASE64_STANDARD.encode(CREDENTIAL))),
        2 if user => ("client-certificate-data", json!(format!("{REJECTED}="))),
        0 if place.ends_with("/cluster") => (
            "server",
            json!(format!("https://u:{REJECTED}@k8s.example.com")),
        ),
        1 if place.ends_with("/cluster") => (
            "server",
            json!(format!("https://k8s.example.com/?t={REJECTED}")),
        ),
        2 if place.ends_with("/cluster") => (
            "certificate-authority-data",
            json!(BASE64_STANDARD.encode(REJECTED)),
        ),
        _ => (*choices.pick(&KEYS), value(choices)),
    };
    if let Some(map) = file.pointer_mut(place).and_then(Value::as_object_mut) {
        map.insert(key.to_owned(), value);
        // The plugin's token stands for a missing one only.
        if key == "exec" && choices.once_in(2) {
            map.remove("token");
        }
    }
}

fn value(choices: &mut Choices<'_>) -> Value {
    match choices.below(6) {
        0 => json!(REJECTED),
        1 => json!([REJECTED, { "name": REJECTED }]),
        2 => json!({ REJECTED.to_lowercase(): REJECTED }),
        3 => {
            json!({ "command": "aws", "args": ["eks", "get-token", REJECTED], "env": [{ "name": "X", "value": REJECTED }], "installHint": REJECTED })
        }
        4 => json!({ "command": REJECTED, "args": [REJECTED] }),
        _ => json!({ "name": "oidc", "config": { "refresh-token": REJECTED } }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        #[test]
        fn a_rejected_key_leaves_no_trace(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
            rejected_key(&bytes);
        }

        #[test]
        fn a_mangled_kubeconfig_is_refused_or_canonical(at in 0_usize..1100, with in "[ -~\n\t]{0,3}", cut in 0_usize..3) {
            let good = include_bytes!("../../tests/corpus/kubeconfig/ok-token.yaml");
            let mut mangled = good.to_vec();
            let at = at.min(mangled.len());
            let end = (at + cut).min(mangled.len());
            mangled.splice(at..end, with.bytes());
            kubeconfig(&mangled);
        }
    }

    #[test]
    fn it_meets_what_it_is_about() {
        assert!(kubeconfig(include_bytes!(
            "../../tests/corpus/kubeconfig/ok-clientcert-data.yaml"
        )));
        assert!(!kubeconfig(b"{}"));
    }
}
