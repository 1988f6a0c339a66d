//! Files as installers, editors and laptops leave them, and the names in them.

use super::*;

#[test]
fn a_trap_in_an_entry_that_is_not_chosen_is_refused_too() {
    let text = PLAIN.replace(
        "contexts:",
        "- name: other\n  user: {exec: {command: x}}\ncontexts:",
    );
    let error = refused(&text);
    assert_eq!(
        error.to_string(),
        "the kubeconfig has the key `users[].user.exec` on line 12, which is not accepted; it is of the user `other`, which \
         the chosen context does not use"
    );
    assert!(
        error.help().contains("--flatten --minify"),
        "{}",
        error.help()
    );
    // Of one that is used, there is nothing to leave out.
    let used = PLAIN.replace("    token: fake-token", "    exec: {command: x}");
    assert!(matches!(refused(&used), KubeconfigError::Key { .. }));
}

fn bytes(text: &str) -> SecretBytes {
    SecretBytes::new(text.as_bytes().to_vec())
}

#[test]
fn what_installers_leave_out_and_editors_put_in_front_is_no_matter() {
    let head = "apiVersion: v1\nkind: Config\n";
    for text in [
        PLAIN.replace(head, ""),
        PLAIN.replace(head, "apiVersion: v1\nkind: \"\"\n"),
        PLAIN.replace(head, "apiVersion:\nkind: Config\n"),
        format!("\u{feff}{PLAIN}"),
        format!("\u{feff}{}", PLAIN.replace('\n', "\r\n")),
        PLAIN.replace("    token:", "    as-user-extra: {}\n    token:"),
        PLAIN.replace("    token:", "    as-user-extra:\n    token:"),
        PLAIN.replace(
            "    server:",
            "    tls-server-name: k8s.internal\n    server:",
        ),
    ] {
        assert!(parse(&text).is_ok(), "{text}: {:?}", parse(&text).err());
    }
    for text in [
        PLAIN.replace("kind: Config", "kind: Pod"),
        PLAIN.replace("apiVersion: v1", "apiVersion: v2"),
    ] {
        assert_eq!(refused(&text), KubeconfigError::NotConfig);
    }
    let extra = PLAIN.replace("    token:", "    as-user-extra: {a: [b]}\n    token:");
    assert!(matches!(refused(&extra), KubeconfigError::Key { .. }));
    assert!(
        parse(&format!("{PLAIN}\u{feff}")).is_err(),
        "a mark that is not in front is a character"
    );
}

#[test]
fn an_operators_token_goes_to_no_server_that_proves_another_name() {
    let plugin = PLAIN
        .replace(
            "token: fake-token",
            "exec: {command: aws, args: [eks, get-token]}",
        )
        .replace(
            "    server:",
            "    tls-server-name: other.example.com\n    server:",
        );
    let mut allowances = Allowances {
        token_sources: vec![TokenSource {
            plugin: "aws eks get-token".into(),
            clusters: vec!["k8s.example.com:6443".into()],
            certificate_authority: None,
            token_file: "/run/token".into(),
        }],
        ..Allowances::default()
    };
    assert_eq!(
        parse_with(&plugin, &allowances).err(),
        Some(KubeconfigError::OperatorsToken { line: 6 })
    );
    allowances.tls_server_name = true;
    assert!(parse_with(&plugin, &allowances).is_ok());
}

#[test]
fn base64_of_base64_is_called_so() {
    let once = BASE64_STANDARD.encode(PLAIN);
    assert_eq!(refused(&once), KubeconfigError::Base64Twice);
    assert_ne!(
        parse(&BASE64_STANDARD.encode("no kubeconfig")).err(),
        Some(KubeconfigError::Base64Twice)
    );
}

#[test]
fn an_unknown_context_is_told_those_that_there_are() {
    let allowances = Allowances::default();
    let error = Outline::parse(&bytes(PLAIN), Some("prod"), &allowances).unwrap_err();
    assert_eq!(error.help(), "contexts of this kubeconfig: `x`");
    let found = Kubeconfig::parse(
        &bytes(PLAIN),
        Some("prod"),
        &allowances,
        SystemTime::UNIX_EPOCH,
    );
    assert_eq!(found.err(), Some(error));
}

#[test]
fn an_outline_has_names_and_no_credential() {
    let outline = Outline::parse(&bytes(PLAIN), None, &Allowances::default()).unwrap();
    let value: serde_json::Value = serde_json::from_slice(outline.render().expose()).unwrap();
    assert_eq!(
        value,
        serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "x", "users": [],
            "clusters": [{"name": "c", "cluster": {"server": "https://k8s.example.com:6443"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "", "namespace": "web"}}],
        })
    );
}
