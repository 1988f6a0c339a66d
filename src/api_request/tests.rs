use super::*;

fn read(target: &str) -> ApiRequest {
    ApiRequest::read("GET", target).unwrap_or_else(|odd| panic!("{target}: {odd}"))
}

fn resource(request: &ApiRequest) -> &ResourcePath {
    match &request.path {
        ApiPath::Resource(resource) => resource,
        other => panic!("{other} is no resource"),
    }
}

#[test]
fn a_request_is_what_its_path_and_its_query_say() {
    let pod = "/api/v1/namespaces/web/pods/web-0";
    let rows = [
        (
            "GET",
            "/api/v1/namespaces/web/pods?limit=500",
            ApiVerb::List,
            "pods",
        ),
        (
            "GET",
            "/apis/apps/v1/deployments?watch=true",
            ApiVerb::Watch,
            "deployments.apps",
        ),
        (
            "GET",
            "/apis/apps/v1/deployments?watch=0",
            ApiVerb::List,
            "deployments.apps",
        ),
        ("GET", "/api/v1/namespaces/web", ApiVerb::Get, "namespaces"),
        ("GET", "/api/v1/namespaces", ApiVerb::List, "namespaces"),
        (
            "PUT",
            "/api/v1/namespaces/web/finalize",
            ApiVerb::Update,
            "namespaces",
        ),
        (
            "GET",
            "/api/v1/namespaces/web/pods/web-0/log?follow=true&tailLines=10",
            ApiVerb::Get,
            "pods",
        ),
        (
            "POST",
            "/api/v1/namespaces/web/pods?dryRun=All&fieldManager=kubectl-run",
            ApiVerb::Create,
            "pods",
        ),
        (
            "POST",
            "/api/v1/namespaces/web/pods/web-0/eviction",
            ApiVerb::Create,
            "pods",
        ),
        (
            "GET",
            "/api/v1/namespaces/web/pods/web-0/exec?command=ls&command=-l&stdout=true",
            ApiVerb::Get,
            "pods",
        ),
        ("PATCH", pod, ApiVerb::Patch, "pods"),
        ("PUT", pod, ApiVerb::Update, "pods"),
        ("DELETE", pod, ApiVerb::Delete, "pods"),
        (
            "DELETE",
            "/api/v1/namespaces/web/pods",
            ApiVerb::DeleteCollection,
            "pods",
        ),
    ];
    for (method, target, verb, qualified) in rows {
        let request = ApiRequest::read(method, target).unwrap();
        assert_eq!(request.verb, verb, "{target}");
        assert_eq!(resource(&request).qualified(), qualified);
        assert_eq!(request.target(), target);
    }
    let other = read("/readyz?verbose");
    assert_eq!(other.path, ApiPath::Other("/readyz".to_owned()));
    assert_eq!(other.target(), "/readyz?verbose");
}

#[test]
fn a_subresource_of_a_namespace_is_no_resource_in_it() {
    let status = read("/api/v1/namespaces/web/status");
    assert_eq!(resource(&status).subresource.as_deref(), Some("status"));
    assert_eq!(resource(&status).qualified(), "namespaces");
    let other = read("/api/v1/namespaces/web/statuses");
    assert_eq!(resource(&other).qualified(), "statuses");
}

#[test]
fn a_selector_of_one_name_is_that_name() {
    let name = |target: &str| read(target).name().map(str::to_owned);
    let pods = "/api/v1/namespaces/web/pods";
    assert_eq!(name(&format!("{pods}/db")), Some("db".to_owned()));
    let selected = format!("{pods}?fieldSelector=status.phase%3DRunning,metadata.name%3D%3Ddb");
    assert_eq!(name(&selected), Some("db".to_owned()));
    assert_eq!(
        name(&format!("{pods}?fieldSelector=metadata.name!%3Ddb")),
        None
    );
    let collection = format!("{pods}?fieldSelector=metadata.name%3Ddb");
    let deleted = ApiRequest::read("DELETE", &collection).unwrap();
    assert_eq!(deleted.name(), None, "as the resolver has it");
}

#[test]
fn of_all_proxies_only_the_numbers_of_a_kubelet_are_a_request() {
    let summary = read("/api/v1/nodes/n1/proxy/stats/summary");
    let ApiPath::Kubelet(KubeletPath { node, endpoint }) = summary.path else {
        panic!("{:?}", summary.path)
    };
    assert_eq!((node.as_str(), endpoint), ("n1", "stats/summary"));
    for target in [
        "/api/v1/nodes/n1/proxy",
        "/api/v1/nodes/n1/proxy/run/web/web-0/app",
        "/api/v1/nodes/n1/proxy/logs",
        "/api/v1/nodes/n1:9100/proxy/metrics",
        "/api/v1/nodes/n1/proxy/stats/summary?only_cpu_and_memory=true",
        "/api/v1/namespaces/web/services/web/proxy",
        "/api/v1/namespaces/web/pods/web-0:8080/proxy/metrics",
        "/apis/example.com/v1/namespaces/web/widgets/w/proxy/metrics",
        "/api/v1/proxy/nodes/n1/metrics",
    ] {
        assert!(ApiRequest::read("GET", target).is_err(), "{target}");
    }
    let posted = ApiRequest::read("POST", "/api/v1/nodes/n1/proxy/metrics");
    assert_eq!(posted, Err(Odd::Method("POST".to_owned())));
}

#[test]
fn what_has_two_spellings_is_no_request() {
    use Odd::{Method, Path, Query};
    let letter = Path("a character that no tool sends");
    let empty = Path("an empty segment");
    let dots = Path("a dot segment");
    let word = Path("a segment that is no group, resource or name");
    let twice = Query("a key twice");
    let unknown = Query("a key that no such request has");
    let value = Query("a value that its key does not have");
    let in_web = |rest: &str| format!("/api/v1/namespaces/web{rest}");
    let rows = [
        (in_web("%2fsecrets%2fdb"), &letter),
        (in_web("/%73ecrets/db"), &letter),
        (in_web("/secrets;x=y/db"), &letter),
        (in_web("/secrets/db#x"), &letter),
        (in_web("//secrets/db"), &empty),
        (in_web("/secrets/"), &empty),
        ("//api/v1/secrets".to_owned(), &empty),
        (in_web("/pods/../secrets"), &dots),
        ("/healthz/./x".to_owned(), &dots),
        (in_web("/Secrets"), &word),
        ("/api/V1/secrets".to_owned(), &word),
        ("/api/v1/namespaces/WEB/secrets".to_owned(), &word),
        (in_web("/namespaces/x"), &Path("a namespace in a namespace")),
        (in_web("/pods/a/exec/b"), &Path("more behind a subresource")),
        (
            "/api/v1/watch/secrets".to_owned(),
            &Path("the prefix watch, which is a query's"),
        ),
        (
            "https://host/api/v1/secrets".to_owned(),
            &Path("no slash before it"),
        ),
        ("*".to_owned(), &Path("no slash before it")),
        (in_web("/secrets?watch=1&watch=0"), &twice),
        (in_web("/secrets?labelSelector=a&labelSelector="), &twice),
        (in_web("/secrets?WATCH=1"), &unknown),
        (in_web("/secrets/db?watch=1"), &unknown),
        (in_web("/secrets?command=a&command=b"), &unknown),
        (in_web("/secrets?watch=yes"), &value),
        (in_web("/secrets?watch="), &value),
        (in_web("/secrets?limit=+5"), &value),
        (in_web("/secrets?limit=05"), &value),
        (
            in_web("/secrets?fieldSelector=metadata.name%3Da%2Cmetadata.name%3Db"),
            &value,
        ),
        (in_web("/secrets?fieldSelector=a%3D%5C%2Cb"), &value),
        (in_web("/secrets?fieldSelector=a%3Db,"), &value),
        (in_web("/secrets?watch"), &Query("a key without a value")),
        (in_web("/secrets?"), &Query("nothing behind its ?")),
        (in_web("/secrets?limit=5&"), &Query("a key without a value")),
        (
            in_web("/secrets?%77atch=1"),
            &Query("a key in another spelling"),
        ),
        (
            in_web("/secrets?labelSelector=%zz"),
            &Query("a % that escapes nothing"),
        ),
        (
            in_web("/secrets?labelSelector=%ff"),
            &Query("a value that is no text"),
        ),
        (
            in_web("/secrets?labelSelector=a=b;labelSelector="),
            &Query("a character that no tool sends"),
        ),
        (
            in_web("/secrets?fieldSelector=metadata.name%3Ddb&labelSelector=a%3D%3D%3D"),
            &Query("a selector of labels beside a name"),
        ),
    ];
    for (target, odd) in &rows {
        assert_eq!(
            ApiRequest::read("GET", target).as_ref(),
            Err(*odd),
            "{target}"
        );
    }
    for method in ["HEAD", "OPTIONS", "get", "LIST", ""] {
        let read = ApiRequest::read(method, "/api/v1/pods");
        assert_eq!(read, Err(Method(method.to_owned())));
    }
    for (method, target) in [
        ("POST", in_web("/pods/x")),
        ("POST", "/readyz".to_owned()),
        ("PUT", in_web("/pods")),
        ("PATCH", in_web("/pods")),
        ("DELETE", in_web("/pods/x/status")),
    ] {
        let read = ApiRequest::read(method, &target);
        assert_eq!(read, Err(Method(method.to_owned())), "{target}");
    }
    for dry in ["all", "true", ""] {
        let target = in_web(&format!("/pods?dryRun={dry}"));
        assert_eq!(ApiRequest::read("POST", &target), Err(value.clone()));
    }
    let target = in_web("/pods?DryRun=All");
    assert_eq!(ApiRequest::read("POST", &target), Err(unknown));
}

#[test]
fn a_query_has_bounds() {
    let exec = "/api/v1/namespaces/web/pods/web-0/exec?";
    let words = |count: usize| format!("{exec}{}", vec!["command=x"; count].join("&"));
    assert!(ApiRequest::read("GET", &words(128)).is_ok());
    let many = ApiRequest::read("GET", &words(161));
    assert_eq!(many, Err(Odd::Query("too many keys")));
    let long = ApiRequest::read("GET", &format!("{exec}command={}", "x".repeat(33_000)));
    assert_eq!(long, Err(Odd::Query("more than 32 KiB")));
    let long = ApiRequest::read("GET", &format!("/{}", "x".repeat(2048)));
    assert_eq!(long, Err(Odd::Path("more than 2 KiB")));
}

#[test]
fn a_key_that_is_set_has_one_value() {
    let mut request = ApiRequest::read("POST", "/api/v1/namespaces/web/pods?dryRun=All").unwrap();
    request.query.set("dryRun", "All");
    request.query.set("fieldManager", "a b");
    assert_eq!(
        request.target(),
        "/api/v1/namespaces/web/pods?dryRun=All&fieldManager=a+b"
    );
    assert_eq!(ApiRequest::read("POST", &request.target()), Ok(request));
}
