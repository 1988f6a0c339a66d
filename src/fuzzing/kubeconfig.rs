//! Untrusted bytes -> a canonical kubeconfig.

use std::time::SystemTime;

use crate::{
    kubeconfig::{Kubeconfig, KubeconfigError, Terms},
    secret::SecretBytes,
};

/// What the kubeconfig room accepts is written with known keys only, and read again to the same.
/// Returns whether it was accepted.
pub fn kubeconfig(bytes: &[u8]) -> bool {
    let Ok(accepted) = parse(bytes) else { return false };
    let address = [203, 0, 113, 7].into();
    let written = accepted.render(address);
    let mut value: serde_json::Value = serde_json::from_slice(written.expose()).expect("it is JSON");
    only_known_keys(&value);
    // The pinned file names the certificate's host, which a caller's file may not.
    if let Some(cluster) = value.pointer_mut("/clusters/0/cluster").and_then(serde_json::Value::as_object_mut) {
        cluster.remove("tls-server-name");
    }
    let again = parse(value.to_string().as_bytes()).expect("what was written is accepted");
    assert_eq!(
        (again.endpoint().port(), again.endpoint().path(), again.namespace()),
        (accepted.endpoint().port(), accepted.endpoint().path(), accepted.namespace())
    );
    true
}

/// On a day before any certificate ended.
fn parse(bytes: &[u8]) -> Result<Kubeconfig, KubeconfigError> {
    Kubeconfig::parse(&SecretBytes::new(bytes.to_vec()), None, &Terms::default(), SystemTime::UNIX_EPOCH)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

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
        assert!(kubeconfig(include_bytes!("../../tests/corpus/kubeconfig/ok-clientcert-data.yaml")));
        assert!(!kubeconfig(b"{}"));
    }
}
