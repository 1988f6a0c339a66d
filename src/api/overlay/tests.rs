use serde_json::json;

use super::*;

const POD: &str = "/api/v1/namespaces/web/pods/a";

fn request(line: &str) -> ApiRequest {
    let (method, target) = line.split_once(' ').unwrap();
    ApiRequest::read(method, target).unwrap()
}

fn object(kind: &str, name: &str, more: &Value) -> Value {
    let mut object = json!({
        "kind": kind, "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "web", "generation": 1, "labels": {"app": name}},
    });
    merge(&mut object, more);
    object
}

/// An overlay of a pod `a` that is deleted, and a pod `b` that is created.
fn moved() -> Overlay {
    let mut overlay = Overlay::default();
    let was = Before::Was(object("Pod", "a", &json!({})));
    let status = json!({"kind": "Status", "status": "Success"});
    overlay
        .take(&request(&format!("DELETE {POD}")), was, &status)
        .unwrap();
    let made = object("Pod", "b", &json!({"status": {"phase": "Pending"}}));
    let create = request("POST /api/v1/namespaces/web/pods");
    overlay.take(&create, Before::Nothing, &made).unwrap();
    overlay
}

#[test]
fn what_is_deleted_is_gone_and_what_is_created_is_there() {
    let mut overlay = moved();
    let read = |overlay: &Overlay, line: &str| overlay.answer(&request(line));
    let gone = read(&overlay, &format!("GET {POD}")).unwrap();
    assert_eq!(
        (gone.status, &gone.body["message"]),
        (404, &json!("pods \"a\" not found"))
    );
    assert_eq!(
        read(&overlay, &format!("GET {POD}/log")).unwrap().status,
        404
    );
    let made = read(&overlay, "GET /api/v1/namespaces/web/pods/b").unwrap();
    assert_eq!(made.body["status"]["phase"], "Pending");
    for untouched in [
        "GET /api/v1/namespaces/other/pods/a",
        "GET /api/v1/namespaces/web/services/a",
    ] {
        assert_eq!(read(&overlay, untouched), None, "{untouched}");
    }
    // Writes that the server could not answer, since it has the one and not the other.
    for line in [
        format!("PATCH {POD}"),
        format!("DELETE {POD}"),
        format!("POST {POD}/eviction"),
    ] {
        let answer = overlay.write(&request(&line), "application/merge-patch+json", b"{}");
        assert_eq!(answer.unwrap().unwrap().status, 404, "{line}");
    }
    let patch = request("PATCH /api/v1/namespaces/web/pods/b");
    let body = br#"{"metadata":{"labels":{"app":null,"tier":"x"}}}"#;
    let answer = overlay.write(&patch, "application/merge-patch+json", body);
    let labels = &answer.unwrap().unwrap().body["metadata"]["labels"];
    assert_eq!(labels, &json!({"tier": "x"}));
    let put = request("PUT /api/v1/namespaces/web/pods/b");
    let body = br#"{"kind":"Pod","metadata":{"name":"b"}}"#;
    let answer = overlay
        .write(&put, "application/json", body)
        .unwrap()
        .unwrap();
    assert_eq!(
        answer.body,
        json!({"kind": "Pod", "metadata": {"name": "b", "namespace": "web"}})
    );
    let strategic = overlay.write(&patch, "application/strategic-merge-patch+json", b"{}");
    assert_eq!(strategic.unwrap().unwrap().body, answer.body);
    assert!(overlay.objects().any(|object| object.lacks_changes));
    let delete = request("DELETE /api/v1/namespaces/web/pods/b");
    assert_eq!(
        overlay.write(&delete, "", b"").unwrap().unwrap().status,
        200
    );
    assert_eq!(
        read(&overlay, "GET /api/v1/namespaces/web/pods/b")
            .unwrap()
            .status,
        404
    );
}

#[test]
fn a_list_and_a_watch_have_what_is_there() {
    let overlay = moved();
    let pod = |name: &str| object("Pod", name, &json!({}));
    let listed = |line: &str| {
        let mut list = json!({"kind": "PodList", "metadata": {}, "items": [pod("a"), pod("c")]});
        overlay.list(&request(line), &mut list);
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for (line, expected) in [
        ("GET /api/v1/namespaces/web/pods", &["c", "b"][..]),
        ("GET /api/v1/pods", &["c", "b"]),
        (
            "GET /api/v1/namespaces/web/pods?labelSelector=app+in+(b,x)",
            &["c", "b"],
        ),
        (
            "GET /api/v1/namespaces/web/pods?labelSelector=app%3Dx",
            &["c"],
        ),
        (
            "GET /api/v1/namespaces/web/pods?labelSelector=app%21%3Db",
            &["c"],
        ),
        (
            "GET /api/v1/namespaces/web/pods?labelSelector=%21app",
            &["c"],
        ),
        (
            "GET /api/v1/namespaces/web/pods?fieldSelector=metadata.name%3Db",
            &["c", "b"],
        ),
        (
            "GET /api/v1/namespaces/web/pods?fieldSelector=status.phase%3DRunning",
            &["c"],
        ),
        ("GET /api/v1/namespaces/web/services", &["a", "c"]),
    ] {
        let line = line.replace("(b,x)", "%28b%2Cx%29");
        assert_eq!(listed(&line), expected, "{line}");
    }
    let mut table = json!({"kind": "Table", "rows": [{"object": pod("a")}, {"object": pod("c")}]});
    overlay.list(&request("GET /api/v1/namespaces/web/pods"), &mut table);
    assert_eq!(table["rows"], json!([{"object": pod("c")}]));
    let watch = request("GET /api/v1/namespaces/web/pods?watch=true");
    let event = |kind: &str, name: &str| json!({"type": kind, "object": pod(name)});
    assert_eq!(overlay.event(&watch, event("ADDED", "a")), None);
    assert_eq!(
        overlay.event(&watch, event("MODIFIED", "a")),
        Some(event("DELETED", "a"))
    );
    assert_eq!(
        overlay.event(&watch, event("ADDED", "c")),
        Some(event("ADDED", "c"))
    );
    assert_eq!(overlay.first_events(&watch), [event("DELETED", "a")]);
    let whole = request("GET /api/v1/namespaces/web/pods?watch=true&sendInitialEvents=true");
    assert!(overlay.first_events(&whole).is_empty());
    // What is no event of the API's is left, and nothing breaks.
    for odd in [
        json!(null),
        json!([1]),
        json!({"object": 1}),
        json!({"object": pod("a")}),
    ] {
        overlay.event(&watch, odd);
    }
}

#[test]
fn two_changes_of_one_object_are_put_together() {
    let mut overlay = Overlay::default();
    let was = object(
        "Deployment",
        "a",
        &json!({"spec": {"replicas": 1, "image": "x", "list": [1]}}),
    );
    let path = "/apis/apps/v1/namespaces/web/deployments/a";
    let mut take = |line: &str, answer: &Value| {
        let before = Before::Was(was.clone());
        overlay.take(&request(line), before, answer).unwrap()
    };
    // Each is what the server makes of the object as it has it.
    let mut first = was.clone();
    merge(
        &mut first,
        &json!({"spec": {"image": "y"}, "metadata": {"generation": 2}}),
    );
    take(&format!("PATCH {path}"), &first);
    let mut second = was.clone();
    merge(
        &mut second,
        &json!({"spec": {"list": [1, 2]}, "metadata": {"labels": {"app": null, "b": "1"}}}),
    );
    let told = take(&format!("PATCH {path}"), &second);
    assert_eq!(
        told["spec"],
        json!({"replicas": 1, "image": "y", "list": [1, 2]})
    );
    assert_eq!(told["metadata"]["labels"], json!({"b": "1"}));
    assert_eq!(told["metadata"]["generation"], 1, "nothing is under way");
    let scale = json!({"kind": "Scale", "spec": {"replicas": 3}});
    take(&format!("PATCH {path}/scale"), &scale);
    let read = |line: String| overlay.answer(&request(&line)).unwrap().body;
    assert_eq!(read(format!("GET {path}/scale")), scale);
    assert_eq!(
        read(format!("GET {path}"))["spec"],
        json!({"replicas": 3, "image": "y", "list": [1, 2]})
    );
}

#[test]
fn an_overlay_has_a_bound() {
    let mut overlay = Overlay::default();
    let large = "x".repeat(3 << 20);
    let create = request("POST /api/v1/namespaces/web/configmaps");
    let mut taken = (0..12).map(|at| {
        let made = object(
            "ConfigMap",
            &format!("m{at}"),
            &json!({"data": {"a": large}}),
        );
        overlay.take(&create, Before::Nothing, &made)
    });
    assert_eq!(taken.find_map(Result::err), Some(OverlayFull));
}
