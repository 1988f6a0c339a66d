//! What does it cost to read a kubeconfig and write the child's? `cargo bench --bench kubeconfig`
//!
//! Budgets: 2 ms for a thousand lines with 64 contexts, 20 ms for a hostile file of 256 KiB.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a measurement that fails panics"
)]

use std::{fmt::Write, hint::black_box, time::SystemTime};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use criterion::{Criterion, criterion_group, criterion_main};
use kube_airlock::{
    kubeconfig::{Allowances, Kubeconfig},
    secret::SecretBytes,
};

/// 64 clusters, users and contexts, each user with a certificate of its own.
fn large() -> String {
    let mut text = "apiVersion: v1\nkind: Config\ncurrent-context: context-7\n".to_owned();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["x".into()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let (certificate, key) = (
        BASE64_STANDARD.encode(certificate.pem()),
        BASE64_STANDARD.encode(key.serialize_pem()),
    );
    let list = |text: &mut String, name: &str, entry: &dyn Fn(usize) -> String| {
        writeln!(text, "{name}:").unwrap();
        (0..64).for_each(|number| text.push_str(&entry(number)));
    };
    list(&mut text, "clusters", &|n| {
        format!(
            "- name: cluster-{n}\n  cluster:\n    # of team {n}\n    server: https://k{n}.example.com:6443\n    certificate-authority-data: {certificate}\n"
        )
    });
    list(&mut text, "users", &|n| {
        format!(
            "- name: user-{n}\n  user:\n    client-certificate-data: {certificate}\n    client-key-data: {key}\n\n"
        )
    });
    list(&mut text, "contexts", &|n| {
        format!(
            "- name: context-{n}\n  context:\n    cluster: cluster-{n}\n    user: user-{n}\n    namespace: team-{n}\n"
        )
    });
    assert!(
        (950..1100).contains(&text.lines().count()),
        "{}",
        text.lines().count()
    );
    text
}

fn read(text: &str) -> bool {
    let parsed = Kubeconfig::parse(
        &SecretBytes::new(text.as_bytes().to_vec()),
        None,
        &Allowances::default(),
        SystemTime::now(),
    );
    parsed
        .map(|kubeconfig| kubeconfig.render([203, 0, 113, 7].into()))
        .is_ok()
}

fn kubeconfigs(criterion: &mut Criterion) {
    let large = large();
    assert!(read(&large));
    criterion.bench_function("a thousand lines, 64 contexts", |bencher| {
        bencher.iter(|| read(black_box(&large)))
    });
    let head = "apiVersion: v1\nkind: Config\nclusters:\n";
    for (kind, piece) in [
        ("flow brackets", "["),
        ("keys", "a: b\n"),
        ("entries", "- {name: a}\n"),
        ("one scalar", "x"),
        ("quotes", "'\n"),
        ("indentation", " "),
        ("comments", "#\n"),
        ("escapes", "\"\\x41\" "),
        ("question marks", "? "),
    ] {
        let hostile = format!(
            "{head}{}",
            piece.repeat((256 * 1024 - head.len()) / piece.len())
        );
        assert!(!read(&hostile), "{kind}");
        criterion.bench_function(&format!("hostile, 256 KiB of {kind}"), |bencher| {
            bencher.iter(|| read(black_box(&hostile)))
        });
    }
    // What is read as a kubeconfig to the end, and has one long value.
    let certificate = rcgen::CertificateParams::new(vec!["x".into()])
        .unwrap()
        .self_signed(&rcgen::KeyPair::generate().unwrap())
        .unwrap();
    for (kind, head, piece, tail) in [
        ("one host name", "server: https://", "xn--bcher-kva.", "com"),
        ("one path", "server: https://k8s.example.com", "/a", "/../"),
        (
            "one base64",
            "server: https://k8s.example.com\n    certificate-authority-data: ",
            "QUFB",
            "",
        ),
        (
            "one bundle",
            "server: https://k8s.example.com\n    certificate-authority-data: ",
            &BASE64_STANDARD
                .encode(certificate.pem() + "\n\n")
                .replace('=', ""),
            "",
        ),
    ] {
        let head =
            format!("apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster:\n    {head}");
        let room = 256 * 1024 - head.len() - tail.len() - 1;
        let hostile = format!("{head}{}{tail}\n", piece.repeat(room / piece.len()));
        assert!(!read(&hostile), "{kind}");
        criterion.bench_function(&format!("hostile, 256 KiB in {kind}"), |bencher| {
            bencher.iter(|| read(black_box(&hostile)))
        });
    }
}

fn short_runs() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1))
}

criterion_group! { name = benches; config = short_runs(); targets = kubeconfigs }
criterion_main!(benches);
