//! Properties of the pure rooms, for `fuzz/` and for `cargo test`: each takes any bytes and panics
//! when it does not hold.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::missing_panics_doc, reason = "a property that does not hold panics")]

use std::{sync::OnceLock, time::SystemTime};

use crate::{
    catalogue::{Catalogue, Tool},
    command::{Invocation, parse, split},
    kubeconfig::{Kubeconfig, Terms},
    output::clean,
    secret::SecretBytes,
};

fn kubectl() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        let carried = Catalogue::carried().expect("the carried catalogues load");
        carried.into_iter().find(|catalogue| catalogue.tool() == Tool::Kubectl).expect("kubectl's is among them")
    })
}

fn read(text: &str) -> Option<Invocation> {
    parse(kubectl(), split(Tool::Kubectl, text).ok()?, None).ok()
}

/// What the parser accepts, rendered and read again, is the same; and no rendered word can be taken
/// for another. Returns whether it was accepted.
pub fn command(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Some(invocation) = read(text) else { return false };
    let argv = invocation.argv();
    let (program, words) = argv.split_first().expect("argv has a first word");
    assert_eq!(program, "kubectl");
    assert_eq!(words.first().map(String::as_str), Some("--v=0"), "ends kubectl's early scan");
    let again = parse(kubectl(), words.to_vec(), None).expect("what was rendered is read");
    assert_eq!(again, invocation);
    let verb = invocation.path().words().len();
    for (place, word) in words.iter().enumerate().skip(1).take_while(|(_, word)| *word != "--") {
        match place <= verb {
            true => assert!(!word.starts_with('-'), "the verb comes first: {argv:?}"),
            false if word.starts_with('-') => assert!(word.starts_with("--") && word.contains('='), "a flag is one word: {argv:?}"),
            false => assert!(!word.is_empty() && word != "-", "{argv:?}"),
        }
    }
    true
}

/// What the kubeconfig room accepts is written with known keys only, and read again to the same.
/// Returns whether it was accepted.
pub fn kubeconfig(bytes: &[u8]) -> bool {
    let Ok(accepted) = Kubeconfig::parse(&SecretBytes::new(bytes.to_vec()), None, &Terms::default(), SystemTime::UNIX_EPOCH) else {
        return false;
    };
    let address = [203, 0, 113, 7].into();
    let written = accepted.render(address);
    let mut value: serde_json::Value = serde_json::from_slice(written.expose()).expect("it is JSON");
    only_known_keys(&value);
    // The pinned file names the certificate's host, which a caller's file may not.
    if let Some(cluster) = value.pointer_mut("/clusters/0/cluster").and_then(serde_json::Value::as_object_mut) {
        cluster.remove("tls-server-name");
    }
    let without_name = value.to_string();
    let again = Kubeconfig::parse(&SecretBytes::new(without_name.into_bytes()), None, &Terms::default(), SystemTime::UNIX_EPOCH);
    let again = again.expect("what was written is accepted");
    assert_eq!(
        (again.endpoint().port(), again.endpoint().path(), again.namespace()),
        (accepted.endpoint().port(), accepted.endpoint().path(), accepted.namespace())
    );
    true
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

/// Clean text has nothing that steers a terminal, and cleaning it again changes nothing.
pub fn output(bytes: &[u8]) {
    let text = clean(bytes);
    assert!(!text.chars().any(|character| character.is_control() && character != '\n' && character != '\t'));
    assert_eq!(clean(text.as_bytes()), text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Words that commands are made of, and words that attacks are made of.
    fn word() -> impl Strategy<Value = String> {
        let known = [
            "get",
            "describe",
            "delete",
            "logs",
            "rollout",
            "status",
            "apply",
            "view-last-applied",
            "create",
            "secret",
            "top",
            "exec",
            "pods",
            "po",
            "pod/web-0",
            "secrets",
            "deploy/web",
            "pods,svc",
            "all",
            "web-0",
            "-n",
            "web",
            "-A",
            "-o",
            "json",
            "-owide",
            "-Aowide",
            "-o=name",
            "--output=yaml",
            "--namespace",
            "-l",
            "app=web",
            "--selector=a=b",
            "--recursive",
            "-R",
            "-f",
            "x.yaml",
            "--",
            "-",
            "''",
            "--help",
            "-h",
            "--dry-run",
            "client",
            "--v=0",
            "--watch=false",
            "-w",
            "--tail=5",
            "--since=1h",
            "-c",
            "app",
            "-p",
            "--timeout=30s",
            "--for=delete",
            "--kuberc=/x",
            "-v=9",
            "--all-namespaces=true",
            "help",
            "version",
            "--client",
            "kubectl",
        ];
        prop_oneof![8 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => "[ -~]{0,12}", 1 => "-{1,2}[a-z]{1,10}=?[a-z0-9./-]{0,8}"]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        #[test]
        fn what_is_accepted_survives_rendering(words in prop::collection::vec(word(), 1..9)) {
            command(words.join(" ").as_bytes());
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,64}") {
            command(text.as_bytes());
        }

        #[test]
        fn output_is_clean(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0x1b), Just(b'['), Just(b']'), Just(0xc2), Just(0x9b)], 0..64)) {
            output(&bytes);
        }

        #[test]
        fn a_mangled_kubeconfig_is_refused_or_canonical(at in 0_usize..1100, with in "[ -~\n\t]{0,3}", cut in 0_usize..3) {
            let good = include_bytes!("../tests/corpus/kubeconfig/ok-token.yaml");
            let mut mangled = good.to_vec();
            let at = at.min(mangled.len());
            let end = (at + cut).min(mangled.len());
            mangled.splice(at..end, with.bytes());
            kubeconfig(&mangled);
        }
    }

    #[test]
    fn the_properties_meet_what_they_are_about() {
        assert!(command(b"get pods -Aowide"));
        assert!(kubeconfig(include_bytes!("../tests/corpus/kubeconfig/ok-clientcert-data.yaml")));
        assert!(!kubeconfig(b"{}"));
    }
}
