//! What is recorded beside calls: refused logins, callers, clusters, tools.

use std::{fs, io::Read as _};

use crate::{
    harness::{Server, eventually, kubeconfig_of, only_the_servers},
    settings::{Settings, hanging_call, log, metric, records, silent_server, token},
};

/// The status of a request with a token that nobody has.
fn guess(server: &Server) -> u16 {
    let headers = [("Authorization", "Bearer airlock_guessed-and-secret")];
    server.send("GET", "/calls", &headers, b"").status
}

#[test]
fn refused_logins_are_recorded_with_their_peer_and_bounded() {
    let (_, web) = token("web");
    let settings = Settings::of(&web);
    let server = settings.serve(&[]);
    for _ in 0..60 {
        assert_eq!(guess(&server), 401);
    }
    eventually("they are recorded", || {
        records(&server, "login").len() >= 10
    });
    let logins = records(&server, "login");
    assert!(logins.len() <= 12, "{} records", logins.len());
    let first = &logins[0];
    assert!(
        first["peer"].as_str().unwrap().starts_with("127.0.0.1:"),
        "{first}"
    );
    assert_eq!(
        (
            first["code"].as_str(),
            first["door"].as_str(),
            first["refused"].as_u64()
        ),
        (Some("unauthenticated"), Some("rest"), Some(1))
    );
    let everything = fs::read_to_string(&server.audit).unwrap() + &log(&server);
    assert!(!everything.contains("guessed-and-secret"));
    assert!(log(&server).contains("somebody was not let in"));
    assert_eq!(
        metric(&server, r#"airlock_refusals_total{code="unauthenticated"}"#),
        Some(60.0)
    );
}

#[test]
fn a_removed_callers_running_calls_end() {
    let (of_web, web) = token("web");
    let (of_other, other) = token("other");
    let settings = Settings::of(&format!("{web}\n{other}"));
    let server = settings.serve(&[]);
    let kubeconfig = silent_server();
    let mut gone = hanging_call(&server, Some(&of_web), &kubeconfig);
    let mut stays = hanging_call(&server, Some(&of_other), &kubeconfig);
    eventually("both run", || server.children().len() == 2);
    settings.write(&other);
    let mut answer = String::new();
    gone.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 401")
            && answer.contains("the operator has removed this caller"),
        "{answer}"
    );
    eventually("it has ended", || server.children().len() == 1);
    let change = &records(&server, "callers")[0];
    assert_eq!(change["removed"], serde_json::json!(["web"]), "{change}");
    assert!(log(&server).contains(r#"removed=["web"]"#));
    assert!(
        records(&server, "end")
            .iter()
            .any(|record| record["code"] == "unauthenticated")
    );
    // Nobody else's ended.
    answer.clear();
    stays.read_to_string(&mut answer).unwrap();
    assert!(!answer.contains("removed"), "{answer}");
}

#[test]
fn tools_and_clusters_are_recorded_as_they_come_and_change() {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let kubeconfig = |server: &str| BASE64_STANDARD.decode(kubeconfig_of(server)).unwrap();
    let settings = Settings::of("[clusters.staging]\nkubeconfig = \"staging\"\n");
    let file = settings.folder.path().join("staging");
    let write = |server: &str| {
        fs::write(&file, kubeconfig(server)).unwrap();
        only_the_servers(&file);
    };
    write("https://192.0.2.1:6443");
    let server = settings.serve(&[]);
    let tool = || {
        let records = records(&server, "tool");
        records
            .into_iter()
            .find(|record| record["program"] == "kubectl" && record["state"] == "available")
    };
    eventually("kubectl is recorded", || tool().is_some());
    let tool = tool().unwrap();
    assert!(
        tool["digest"].as_str().unwrap().starts_with("sha256:") && tool["version"].is_string(),
        "{tool}"
    );
    write("https://192.0.2.2:6443");
    eventually("the change is recorded", || {
        records(&server, "cluster").len() == 1
    });
    fs::write(&file, "no kubeconfig").unwrap();
    eventually("and the broken one", || {
        records(&server, "cluster").len() == 2
    });
    let changes = records(&server, "cluster");
    assert_eq!(
        (
            changes[0]["cluster"].as_str(),
            changes[0]["taken"].as_bool(),
            changes[0]["target"].as_str(),
            changes[1]["taken"].as_bool(),
        ),
        (
            Some("staging"),
            Some(true),
            Some("https://192.0.2.2:6443"),
            Some(false)
        ),
        "{changes:?}"
    );
    assert_eq!(
        metric(&server, r#"airlock_reload_successful{of="clusters"}"#),
        Some(0.0)
    );
}
