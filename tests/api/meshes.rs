//! istioctl, and a tool in its place: which pods a port may be forwarded to, and who gets a token.

use kube_airlock::api::Authority;
use serde_json::{Value, json};

use crate::{authority, lies::read};

struct Case {
    command: &'static str,
    /// Requests whose answers named these objects of `NAMESPACE/NAME`.
    answered: &'static [(&'static str, &'static [&'static str])],
    honest: &'static [&'static str],
    lies: &'static [&'static str],
}

#[test]
fn no_port_is_forwarded_to_what_the_command_is_not_about() {
    let mut lies = 0;
    let mut wrong = Vec::new();
    for case in CASES {
        let mut authority = authority(case.command);
        for (line, names) in case.answered {
            let request = read(line).unwrap();
            if let Err(error) = authority.explain(&request) {
                wrong.push(format!("{}: {line}: {error}", case.command));
            }
            let names = names.iter().map(|name| name.split_once('/').unwrap());
            let names =
                names.map(|(namespace, name)| (Some(namespace).filter(|it| !it.is_empty()), name));
            authority.learn(&request, names);
        }
        for honest in case.honest {
            if let Err(error) = authority.explain(&read(honest).unwrap()) {
                wrong.push(format!("{}: {honest}: {error}", case.command));
            }
        }
        for lie in case.lies {
            lies += 1;
            let Ok(request) = read(lie) else { continue };
            if let Ok(sentence) = authority.explain(&request) {
                wrong.push(format!("{}: {lie}: {}", case.command, sentence.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(lies >= 50, "{lies}");
}

#[test]
fn of_a_namespace_that_is_enrolled_nothing_but_the_waypoints_label_changes() {
    let command = "istioctl waypoint apply -n lab --name own --enroll-namespace --wait=false";
    let (shown, update) = ("GET /api/v1/namespaces/lab", "PUT /api/v1/namespaces/lab");
    let namespace = json!({
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": {
            "name": "lab",
            "uid": "u",
            "resourceVersion": "7",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"kubernetes.io/metadata.name": "lab", "pod-security.kubernetes.io/enforce": "restricted"},
        },
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    });
    let mut own = authority(command);
    let judged = |authority: &Authority, body: &Value| {
        let body = body.to_string();
        let update = read(update).unwrap();
        assert!(authority.explain(&update).is_ok());
        authority.explain_body(&update, "application/json", body.as_bytes())
    };
    let mut enrolled = namespace.clone();
    enrolled["metadata"]["labels"]["istio.io/use-waypoint"] = "own".into();
    assert!(judged(&own, &enrolled).is_err(), "it was not read");
    let shown = read(shown).unwrap();
    assert!(own.wants(&shown));
    own.learn_answer(&shown, namespace.to_string().as_bytes());
    assert_eq!(judged(&own, &enrolled), Ok(()));
    for (pointer, lie) in [
        ("/metadata/labels/istio.io~1use-waypoint", json!("other")),
        (
            "/metadata/labels/pod-security.kubernetes.io~1enforce",
            json!("privileged"),
        ),
        (
            "/metadata/labels",
            json!({"kubernetes.io/metadata.name": "lab", "istio.io/use-waypoint": "own"}),
        ),
        ("/metadata/resourceVersion", json!("8")),
        ("/metadata/name", json!("web")),
        ("/spec/finalizers", json!([])),
    ] {
        let mut body = enrolled.clone();
        *body.pointer_mut(pointer).unwrap() = lie;
        assert!(judged(&own, &body).is_err(), "{body}");
    }
    enrolled["metadata"]["labels"]["istio-injection"] = "disabled".into();
    assert!(judged(&own, &enrolled).is_err());
    let without = authority("istioctl waypoint apply -n lab --name own --wait=false");
    assert!(without.explain(&read(update).unwrap()).is_err());
}

const ISTIOD: (&str, &[&str]) = (
    "GET /api/v1/namespaces/istio-system/pods?fieldSelector=status.phase%3DRunning&labelSelector=app%3Distiod",
    &["istio-system/istiod-1"],
);

const CASES: &[Case] = &[
    Case {
        command: "istioctl version",
        answered: &[ISTIOD],
        honest: &["GET /api/v1/namespaces/istio-system/pods/istiod-1/portforward"],
        lies: &[
            "GET /api/v1/namespaces/istio-system/pods/ingress-1/portforward",
            "GET /api/v1/namespaces/default/pods/istiod-1/portforward",
            "GET /api/v1/namespaces/istio-system/pods/istiod-1/exec?command=id",
            "GET /api/v1/namespaces/istio-system/pods/istiod-1/attach",
            "GET /api/v1/namespaces/istio-system/pods",
            "GET /api/v1/namespaces/istio-system/pods?labelSelector=app%3Dingress",
            "GET /api/v1/namespaces/default/pods?labelSelector=app%3Distiod",
            "GET /api/v1/pods?labelSelector=app%3Distiod",
            "POST /api/v1/namespaces/istio-system/serviceaccounts/default/token",
            "GET /api/v1/namespaces/istio-system/secrets",
            "GET /api/v1/namespaces/istio-system/configmaps/istio",
        ],
    },
    Case {
        command: "istioctl proxy-status",
        answered: &[ISTIOD],
        honest: &[
            "POST /api/v1/namespaces/istio-system/serviceaccounts/default/token",
            "POST /api/v1/namespaces/istio-system/pods/istiod-1/portforward",
        ],
        lies: &[
            "POST /api/v1/namespaces/istio-system/serviceaccounts/istiod/token",
            "POST /api/v1/namespaces/default/serviceaccounts/default/token",
            "POST /api/v1/namespaces/kube-system/serviceaccounts/default/token",
            "POST /api/v1/namespaces/istio-system/serviceaccounts",
            "GET /api/v1/namespaces/istio-system/serviceaccounts/default",
            "GET /api/v1/namespaces/default/pods/web-0/portforward",
        ],
    },
    Case {
        command: "istioctl proxy-config cluster web-0.web",
        answered: &[],
        honest: &[
            "GET /api/v1/namespaces/web/pods/web-0",
            "GET /api/v1/namespaces/web/pods/web-0/portforward",
        ],
        lies: &[
            "GET /api/v1/namespaces/web/pods/web-1/portforward",
            "GET /api/v1/namespaces/default/pods/web-0/portforward",
            "GET /api/v1/namespaces/istio-system/pods/istiod-1/portforward",
            "GET /api/v1/namespaces/web/pods",
            "GET /api/v1/namespaces/web/pods?labelSelector=app%3Dweb",
            "GET /api/v1/namespaces/web/pods/web-0/exec?command=id",
            "GET /api/v1/namespaces/web/pods/web-0/log",
            "GET /apis/apps/v1/namespaces/web/deployments/web-0",
            "GET /api/v1/namespaces/web/secrets",
            "POST /api/v1/namespaces/istio-system/serviceaccounts/default/token",
        ],
    },
    Case {
        command: "istioctl proxy-config cluster deploy/app -n web",
        answered: &[(
            "GET /api/v1/namespaces/web/pods?labelSelector=app%3Dapp",
            &["web/app-1"],
        )],
        honest: &[
            "GET /apis/apps/v1/namespaces/web/deployments/app",
            "GET /api/v1/namespaces/web/pods/app-1/portforward",
        ],
        lies: &[
            "GET /apis/apps/v1/namespaces/web/deployments/other",
            "GET /apis/apps/v1/namespaces/web/statefulsets/app",
            "GET /api/v1/namespaces/web/services/app",
            "GET /api/v1/namespaces/web/pods/app/portforward",
            "GET /api/v1/namespaces/web/pods/other-1/portforward",
            "GET /api/v1/namespaces/other/pods/app-1/portforward",
            "GET /api/v1/namespaces/web/pods",
        ],
    },
    Case {
        command: "istioctl proxy-config rootca-compare web-0 db-0.lab",
        answered: &[],
        honest: &[
            "GET /api/v1/namespaces/default/pods/web-0/portforward",
            "GET /api/v1/namespaces/lab/pods/db-0/portforward",
        ],
        lies: &[
            "GET /api/v1/namespaces/web/pods/web-0/portforward",
            "GET /api/v1/namespaces/default/pods/other/portforward",
        ],
    },
    Case {
        command: "istioctl x metrics web",
        answered: &[(
            "GET /api/v1/namespaces/istio-system/pods?labelSelector=app.kubernetes.io%2Fname%3Dprometheus",
            &["istio-system/prometheus-1"],
        )],
        honest: &["GET /api/v1/namespaces/istio-system/pods/prometheus-1/portforward"],
        lies: &[
            "GET /api/v1/namespaces/istio-system/pods?labelSelector=app%3Distiod",
            "GET /api/v1/namespaces/istio-system/pods/istiod-1/portforward",
            "GET /api/v1/namespaces/default/pods/web/portforward",
        ],
    },
    Case {
        command: "istioctl analyze -n web",
        answered: &[],
        honest: &[
            "GET /api/v1/namespaces/web",
            "GET /api/v1/services?watch=true",
        ],
        lies: &[
            "GET /api/v1/secrets?watch=true",
            "GET /api/v1/secrets?fieldSelector=type%3DOpaque&watch=true",
            "GET /api/v1/namespaces/istio-system/secrets",
            "GET /api/v1/namespaces/web/secrets/credential",
            "GET /api/v1/serviceaccounts",
            "GET /apis/rbac.authorization.k8s.io/v1/clusterroles",
            "GET /api/v1/namespaces/web/pods/web-0/portforward",
            "DELETE /apis/networking.istio.io/v1/namespaces/web/virtualservices/web",
        ],
    },
    Case {
        command: "istioctl tag remove canary --skip-confirmation",
        answered: &[(
            "GET /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations?labelSelector=istio.io%2Ftag%3Dcanary",
            &["/istio-revision-tag-canary"],
        )],
        honest: &[
            "DELETE /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/istio-revision-tag-canary",
        ],
        lies: &[
            "GET /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
            "GET /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations?labelSelector=istio.io%2Ftag%3Ddefault",
            "DELETE /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/istio-sidecar-injector",
            "DELETE /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
            "DELETE /api/v1/namespaces/istio-system/services/istiod",
        ],
    },
    Case {
        command: "istioctl waypoint delete one -n web",
        answered: &[(
            "GET /apis/gateway.networking.k8s.io/v1/namespaces/web/gateways",
            &["web/one", "web/two"],
        )],
        honest: &["DELETE /apis/gateway.networking.k8s.io/v1/namespaces/web/gateways/one"],
        lies: &[
            "DELETE /apis/gateway.networking.k8s.io/v1/namespaces/web/gateways/two",
            "DELETE /apis/gateway.networking.k8s.io/v1/namespaces/web/gateways",
            "DELETE /apis/networking.istio.io/v1/namespaces/web/gateways/one",
        ],
    },
];
