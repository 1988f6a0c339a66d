//! A kubeconfig as a whole: what is accepted, and what each refused one is refused for.

mod certificate;
mod outline;

use std::{path::Path, time::SystemTime};

use ::base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use super::*;
use crate::{
    secret::{SecretBytes, SecretString},
    yaml::{Construct, YamlError},
};

const PLAIN: &str = "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster:\n    server: https://k8s.example.com:6443\nusers:\n- name: u\n  user:\n    token: fake-token\ncontexts:\n- name: x\n  context: {cluster: c, user: u, namespace: web}\ncurrent-context: x\n";

fn parse(text: &str) -> Result<Kubeconfig, KubeconfigError> {
    Kubeconfig::parse(
        &SecretBytes::new(text.as_bytes().to_vec()),
        None,
        &Allowances::default(),
        SystemTime::UNIX_EPOCH,
    )
}

fn refused(text: &str) -> KubeconfigError {
    parse(text)
        .err()
        .unwrap_or_else(|| panic!("accepted: {text}"))
}

#[test]
fn a_plain_one_is_written_again_with_fixed_names() {
    let rendered = parse(PLAIN).unwrap().render("203.0.113.7".parse().unwrap());
    let value: serde_json::Value = serde_json::from_slice(rendered.expose()).unwrap();
    assert_eq!(
        value,
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "context",
            "clusters": [{ "name": "cluster", "cluster": { "server": "https://k8s.example.com:6443" } }],
            "users": [{ "name": "user", "user": { "token": "fake-token" } }],
            "contexts": [{ "name": "context", "context": { "cluster": "cluster", "user": "user", "namespace": "web" } }],
        })
    );
}

#[test]
fn a_server_that_go_dials_without_its_proxy_is_named_by_its_address() {
    let rendered = parse(&PLAIN.replace("k8s.example.com", "localhost"))
        .unwrap()
        .render("127.0.0.1".parse().unwrap());
    let value: serde_json::Value = serde_json::from_slice(rendered.expose()).unwrap();
    assert_eq!(
        value["clusters"][0]["cluster"],
        json!({ "server": "https://127.0.0.1:6443", "tls-server-name": "localhost" })
    );
}

#[test]
fn a_key_that_runs_or_reads_is_refused_with_its_line_and_the_fix() {
    let exec = PLAIN.replace("    token: fake-token\n", "    exec: {command: ./x}\n");
    let error = refused(&exec);
    assert_eq!(error.line(), Some(10));
    assert!(matches!(&error, KubeconfigError::Key { key, .. } if key == "users[].user.exec"));
    assert!(error.help().contains("kubectl create token"));
    for key in [
        "tokenFile: /x",
        "auth-provider: {name: oidc}",
        "as: admin",
        "username: a",
        "Exec: {}",
        "client-key: /k",
        "impersonate: x",
    ] {
        assert!(
            matches!(
                refused(&PLAIN.replace("token: fake-token", key)),
                KubeconfigError::Key { .. }
            ),
            "{key}"
        );
    }
    for key in [
        "insecure-skip-tls-verify: true",
        "insecure-skip-tls-verify: yes",
        "proxy-url: http://x",
        "certificate-authority: /x",
    ] {
        let text = PLAIN.replace("    server:", &format!("    {key}\n    server:"));
        assert!(
            matches!(refused(&text), KubeconfigError::Key { .. }),
            "{key}"
        );
    }
}

#[test]
fn a_credential_plugin_is_answered_with_the_command_that_prints_its_token() {
    for (command, instead) in [
        (
            "aws",
            "`aws eks get-token --cluster-name NAME --query status.token --output text`",
        ),
        (
            "C:\\bin\\gke-gcloud-auth-plugin.exe",
            "`gcloud auth print-access-token`",
        ),
        (
            "/usr/local/bin/kubelogin",
            "`az account get-access-token --resource 6dae42f8-4368-4678-94ff-3960e28e3630",
        ),
        ("./x", "`kubectl create token NAME`"),
    ] {
        let error = refused(&PLAIN.replace(
            "token: fake-token",
            &format!("exec: {{command: '{command}'}}"),
        ));
        assert!(
            error.help().contains(instead),
            "{command}: {}",
            error.help()
        );
    }
}

fn parse_with(text: &str, allowances: &Allowances) -> Result<Kubeconfig, KubeconfigError> {
    Kubeconfig::parse(
        &SecretBytes::new(text.as_bytes().to_vec()),
        None,
        allowances,
        SystemTime::UNIX_EPOCH,
    )
}

fn rendered(kubeconfig: &Kubeconfig) -> serde_json::Value {
    serde_json::from_slice(kubeconfig.render("203.0.113.7".parse().unwrap()).expose()).unwrap()
}

#[test]
fn what_the_operator_accepts_is_accepted_and_nothing_else() {
    let cluster = |keys: &str| PLAIN.replace("    server:", &format!("    {keys}\n    server:"));
    let user = |keys: &str| PLAIN.replace("    token: fake-token", &format!("    {keys}"));
    let insecure = Allowances {
        insecure_skip_tls_verify: true,
        ..Allowances::default()
    };
    let found = parse_with(&cluster("insecure-skip-tls-verify: true"), &insecure).unwrap();
    assert_eq!(
        rendered(&found)["clusters"][0]["cluster"]["insecure-skip-tls-verify"],
        true
    );
    let named = Allowances {
        tls_server_name: true,
        ..Allowances::default()
    };
    let found = parse_with(&cluster("tls-server-name: other.example.com"), &named).unwrap();
    assert_eq!(
        rendered(&found)["clusters"][0]["cluster"]["tls-server-name"],
        "other.example.com"
    );
    assert!(matches!(
        parse_with(&cluster("tls-server-name: 'a b'"), &named),
        Err(KubeconfigError::Shape { .. })
    ));
    let passwords = Allowances {
        passwords: true,
        ..Allowances::default()
    };
    let found = parse_with(
        &user("username: anna\n    password: fake-password"),
        &passwords,
    )
    .unwrap();
    assert_eq!(
        rendered(&found)["users"][0]["user"],
        json!({ "username": "anna", "password": "fake-password" })
    );
    assert!(matches!(
        parse_with(&user("username: anna"), &passwords),
        Err(KubeconfigError::Missing {
            key: "password",
            ..
        })
    ));
    let impersonation = Impersonation {
        users: vec!["ci-*".into()],
        groups: vec!["dev".into()],
    };
    let impersonating = Allowances {
        impersonation,
        ..Allowances::default()
    };
    let with = |keys: &str| {
        parse_with(
            &user(&format!("token: fake-token\n    {keys}")),
            &impersonating,
        )
    };
    let found = with("as: ci-web\n    as-groups: [dev]").unwrap();
    assert_eq!(rendered(&found)["users"][0]["user"]["as"], "ci-web");
    assert_eq!(
        rendered(&found)["users"][0]["user"]["as-groups"],
        json!(["dev"])
    );
    for keys in [
        "as: admin",
        "as: ci-web\n    as-groups: [dev, 'system:masters']",
    ] {
        assert!(
            matches!(with(keys), Err(KubeconfigError::Impersonation { .. })),
            "{keys}"
        );
    }
    assert!(matches!(
        with("as-groups: [dev]"),
        Err(KubeconfigError::Missing { key: "as", .. })
    ));
    assert!(matches!(
        with("as: ci-web\n    as-uid: '0'"),
        Err(KubeconfigError::Key { .. })
    ));
    // None of it without its own term.
    for allowances in [&insecure, &named, &passwords, &impersonating] {
        let others = ["proxy-url: http://x", "certificate-authority: /x"]
            .map(cluster)
            .into_iter()
            .chain(["tokenFile: /x", "exec: {command: x}"].map(user));
        for text in others {
            assert!(
                matches!(
                    parse_with(&text, allowances),
                    Err(KubeconfigError::Key { .. })
                ),
                "{text}"
            );
        }
    }
}

#[test]
fn an_operators_token_goes_to_the_operators_clusters_only() {
    let source = TokenSource {
        plugin: "aws eks get-token".into(),
        clusters: vec!["*.eks.amazonaws.com".into()],
        certificate_authority: None,
        token_file: "/run/token".into(),
    };
    let allowances = Allowances {
        token_sources: vec![source],
        ..Allowances::default()
    };
    let file = |server: &str, exec: &str| {
        PLAIN
            .replace("k8s.example.com:6443", server)
            .replace("token: fake-token", &format!("exec: {exec}"))
    };
    let aws = "{apiVersion: v1, command: /usr/bin/aws, args: [--region, eu-west-1, eks, get-token, --cluster-name, web], env: null}";
    let mut found = parse_with(&file("1.eks.amazonaws.com", aws), &allowances).unwrap();
    assert_eq!(found.token_file(), Some(Path::new("/run/token")));
    let masked = found.masked();
    assert_eq!(masked["users"][0]["user"], json!({ "token": "REDACTED" }));
    assert!(
        found
            .put_token(SecretString::new("two words".into()))
            .is_err()
    );
    found
        .put_token(SecretString::new("operators-token".into()))
        .unwrap();
    assert_eq!(
        rendered(&found)["users"][0]["user"],
        json!({ "token": "operators-token" })
    );
    for (server, exec, known) in [
        ("evil.example", aws, true),
        ("1.eks.amazonaws.com.evil.example", aws, true),
        ("1.eks.amazonaws.com:9214", aws, true),
        (
            "1.eks.amazonaws.com",
            "{command: aws, args: [eks, describe-cluster]}",
            false,
        ),
        (
            "1.eks.amazonaws.com",
            "{command: ./x/evil, args: [eks, get-token]}",
            false,
        ),
    ] {
        let refused = parse_with(&file(server, exec), &allowances).err();
        assert!(
            matches!(refused, Some(KubeconfigError::Plugin { known: found, .. }) if found == known),
            "{server} {exec}: {refused:?}"
        );
    }
}

/// Attack 9: any port, path and authority of a matching host got the token.
#[test]
fn an_operators_token_takes_the_operators_authority_and_no_path() {
    let (authority, _) = certified(10);
    let source = TokenSource {
        plugin: "aws eks get-token".into(),
        clusters: vec!["*.eks.amazonaws.com:8443".into()],
        certificate_authority: None,
        token_file: "/run/token".into(),
    };
    for operators in [None, Some(authority.clone())] {
        let source = TokenSource {
            certificate_authority: operators.clone(),
            ..source.clone()
        };
        let allowances = Allowances {
            token_sources: vec![source],
            insecure_skip_tls_verify: true,
            tls_server_name: true,
            ..Allowances::default()
        };
        let (own, _) = certified(20);
        for keys in [
            format!("certificate-authority-data: {own}"),
            "insecure-skip-tls-verify: true".to_owned(),
            "tls-server-name: evil.example".to_owned(),
        ] {
            let text = PLAIN
                .replace(
                    "k8s.example.com:6443",
                    "1.eks.amazonaws.com:8443/attacker/path",
                )
                .replace(
                    "token: fake-token",
                    "exec: {command: aws, args: [eks, get-token]}",
                )
                .replace("    server:", &format!("    {keys}\n    server:"));
            let mut found =
                parse_with(&text, &allowances).unwrap_or_else(|error| panic!("{text}: {error}"));
            found
                .put_token(SecretString::new("operators-token".into()))
                .unwrap();
            let cluster = &rendered(&found)["clusters"][0]["cluster"];
            let told = cluster.to_string();
            assert!(
                !told.contains("attacker")
                    && !told.contains(&own)
                    && !told.contains("insecure")
                    && !told.contains("evil"),
                "{told}"
            );
            assert_eq!(
                cluster["certificate-authority-data"].is_string(),
                operators.is_some(),
                "{told}"
            );
        }
    }
}

fn certified(days_left: i64) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["x".into()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(1970, 1, 1)
        + std::time::Duration::from_secs(86_400 * u64::try_from(100 + days_left).unwrap());
    let certificate = parameters.self_signed(&key).unwrap();
    (
        BASE64_STANDARD.encode(certificate.pem()),
        BASE64_STANDARD.encode(key.serialize_pem()),
    )
}

/// The differential test found each of these: client-go read it differently
/// (tests/differential/kubeconfig.rs).
#[test]
fn what_client_go_reads_differently_is_refused_or_read_as_client_go_does() {
    use KubeconfigError as E;
    let source = TokenSource {
        plugin: "aws eks get-token".into(),
        clusters: vec!["k8s.example.com:6443".into()],
        certificate_authority: None,
        token_file: "/run/token".into(),
    };
    let impersonation = Impersonation {
        users: vec!["*".into()],
        groups: vec!["*".into()],
    };
    let allowances = Allowances {
        passwords: true,
        impersonation,
        token_sources: vec![source],
        ..Allowances::default()
    };
    let with = |keys: &str| {
        parse_with(
            &PLAIN.replace("    token: fake-token", &format!("    {keys}")),
            &allowances,
        )
    };
    for (keys, code) in [
        ("as: \"a\\Nb\"", 0x85),
        ("as: \"a\\x7f\"", 0x7f),
        ("username: \"a\\Lb\"", 0x2028),
    ] {
        assert_eq!(
            with(&format!("token: fake-token\n    {keys}")).err(),
            Some(E::Yaml(YamlError::Character { line: 11, code })),
            "{keys}"
        );
    }
    assert!(matches!(
        with("username: a\n    password: \"b\\nc\""),
        Err(E::Shape { .. })
    ));
    assert!(matches!(
        with("username: a\n    password: b\n    token: fake-token"),
        Err(E::Shape {
            key: "username",
            ..
        })
    ));
    assert!(matches!(
        with("username: ''\n    password: b"),
        Err(E::Shape {
            key: "username",
            ..
        })
    ));
    let exec =
        "exec: {apiVersion: client.authentication.k8s.io/v1, command: aws, args: [eks, get-token]}";
    assert!(matches!(
        with(&format!("username: a\n    password: b\n    {exec}")),
        Err(E::Shape { key: "exec", .. })
    ));
    let own = with(&format!("token: fake-token\n    {exec}")).unwrap();
    assert_eq!(
        (own.token_file(), &rendered(&own)["users"][0]["user"]),
        (None, &json!({ "token": "fake-token" }))
    );
    let nobody = with("token: fake-token\n    as: ''").unwrap();
    assert_eq!(
        rendered(&nobody)["users"][0]["user"],
        json!({ "token": "fake-token" })
    );
}

#[test]
fn files_are_followed_for_the_operator_only() {
    let (certificate, key) = certified(1);
    let read = |path: &str| match path {
        "ca.pem" => Ok(decode(&certificate).unwrap()),
        "key.pem" => Ok(decode(&key).unwrap()),
        "token" => Ok(SecretBytes::new(b"operators-token\n".to_vec())),
        "empty" => Ok(SecretBytes::new(b" \n".to_vec())),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    };
    let mounted = |text: &str| {
        Kubeconfig::parse_mounted(
            &SecretBytes::new(text.as_bytes().to_vec()),
            None,
            &Allowances::default(),
            SystemTime::UNIX_EPOCH,
            &read,
        )
    };
    let text = PLAIN
        .replace(
            "    server:",
            "    certificate-authority: ca.pem\n    server:",
        )
        .replace(
            "token: fake-token",
            "tokenFile: token\n    client-certificate: ca.pem\n    client-key: key.pem",
        );
    let found = rendered(&mounted(&text).unwrap());
    assert_eq!(found["users"][0]["user"]["token"], "operators-token");
    let authority = found["clusters"][0]["cluster"]["certificate-authority-data"]
        .as_str()
        .unwrap();
    assert_eq!(
        found["users"][0]["user"]["client-certificate-data"],
        authority
    );
    assert!(matches!(
        mounted(&text.replace("key.pem", "none")),
        Err(KubeconfigError::File {
            key: "client-key",
            line: 13,
            ..
        })
    ));
    let empty = mounted(&text.replace("tokenFile: token", "token: other\n    tokenFile: empty"));
    assert!(matches!(
        empty,
        Err(KubeconfigError::Shape {
            key: "tokenFile",
            line: 12,
            ..
        })
    ));
    assert!(matches!(refused(&text), KubeconfigError::Key { .. }));
}

#[test]
fn yaml_that_two_readers_take_differently_is_refused() {
    use KubeconfigError as E;
    assert!(matches!(
        refused(&PLAIN.replace("token: fake-token", "token: &a fake")),
        E::Yaml(YamlError::Construct {
            construct: Construct::Anchor,
            ..
        })
    ));
    assert!(matches!(
        refused(&PLAIN.replace("token: fake-token", "token: !!str x")),
        E::Yaml(YamlError::Construct {
            construct: Construct::Tag,
            ..
        })
    ));
    assert!(matches!(
        refused(&PLAIN.replace("token: fake-token", "token: a\n    token: b")),
        E::Yaml(YamlError::DuplicateKey { line: 11, .. })
    ));
    assert!(matches!(
        refused(&format!("{PLAIN}---\na: b\n")),
        E::Yaml(YamlError::TooManyDocuments { .. })
    ));
    assert!(matches!(
        refused(&format!("%YAML 1.1\n---\n{PLAIN}")),
        E::Yaml(YamlError::Construct {
            construct: Construct::Directive,
            ..
        })
    ));
    assert!(matches!(
        refused(&PLAIN.replace("fake", "fa\u{85}ke")),
        E::Yaml(YamlError::Character { code: 0x85, .. })
    ));
    assert!(matches!(
        refused(&PLAIN.replace("fake-token", "0123")),
        E::Shape { .. }
    ));
    assert!(matches!(refused(""), E::Empty));
    assert!(matches!(refused("~"), E::Shape { .. }));
}

#[test]
fn a_kubeconfig_that_does_not_resolve_is_refused() {
    use KubeconfigError as E;
    assert!(matches!(
        refused(&PLAIN.replace("current-context: x", "current-context: z")),
        E::Dangling {
            list: "contexts",
            ..
        }
    ));
    assert!(matches!(
        refused(&PLAIN.replace("current-context: x", "")),
        E::NoContext
    ));
    assert!(matches!(
        refused(&PLAIN.replace("user: u,", "user: v,")),
        E::Dangling { list: "users", .. }
    ));
    assert!(matches!(
        refused(&PLAIN.replace("token: fake-token", "token: ''")),
        E::NoCredential { .. }
    ));
    assert!(matches!(
        refused(&PLAIN.replace("namespace: web", "namespace: ../x")),
        E::Namespace { .. }
    ));
    assert!(matches!(
        refused(&PLAIN.replace("https://k8s", "http://k8s")),
        E::Server { .. }
    ));
    assert!(matches!(
        refused(&PLAIN.replace("https://k8s", &format!("https://{}k8s", "a.".repeat(2000)))),
        E::Shape { key: "server", .. }
    ));
    assert!(matches!(
        refused(&PLAIN.replace("kind: Config", "kind: Secret")),
        E::NotConfig
    ));
}

#[test]
fn a_key_that_swallowed_its_value_is_told_without_it() {
    for keys in [
        "token:fake-token",
        "'token: fake-token'",
        "token:fake-token, 'token:fake-token'",
        "'token fake-token': x",
    ] {
        let error = refused(&PLAIN.replace("    token: fake-token", &format!("    {{{keys}}}")))
            .to_string();
        assert!(
            error.contains("token") && !error.contains("fake"),
            "{keys}: {error}"
        );
    }
}

#[test]
fn a_refused_server_is_told_without_what_may_be_a_password() {
    for (server, shown) in [
        (
            "https://jane:fake-password@k8s.example.com",
            "`https://***@***` carries a user name or password",
        ),
        (
            "jane:fake-password@k8s.example.com",
            "`https://***@***` carries a user name or password",
        ),
        (
            "https://jane:fake?password@k8s.example.com",
            "`https://***@***` carries a user name or password",
        ),
        (
            "https://k8s.example.com/?token=fake-token",
            "`https://k8s.example.com/?***` carries a query or a fragment",
        ),
        (
            "https://k8s.example.com#fake-token",
            "`https://k8s.example.com?***` carries a query or a fragment",
        ),
        (
            "https://k8s.example.com/t=fake-token",
            "the path of `https://k8s.example.com/t=***` has characters or segments that an API server's path does not",
        ),
        (
            "https://jane:fake-password.k8s.example.com/x",
            "`https://jane:f***` is not an absolute URL",
        ),
        (
            "https://[::1]:fake-token",
            "`https://[::1]:f***` is not an absolute URL",
        ),
        (
            "http://k8s.example.com/ fake-token",
            "the scheme of `http://k8s.example.com/ ***` is not https",
        ),
    ] {
        let error = refused(&PLAIN.replace("https://k8s.example.com:6443", &format!("'{server}'")))
            .to_string();
        assert!(error.ends_with(shown), "{server}: {error}");
    }
}
