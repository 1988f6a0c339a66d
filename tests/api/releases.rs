//! helm, and a tool in its place: what a release consists of is what the revision says that the command is
//! about, and its Secrets are the only ones that are seen.

use kube_airlock::api::{ApiRequest, Authority, ShownSecrets};
use serde_json::{Value, json};

use crate::{authority, traces::release};

struct Case {
    command: &'static str,
    /// Requests, and the revisions in their answers as `tests/corpus/api-traces/` has them.
    answered: &'static [(&'static str, &'static [&'static str])],
    honest: &'static [&'static str],
    lies: &'static [&'static str],
}

fn read(request: &str) -> Option<ApiRequest> {
    let (method, target) = request.split_once(' ').unwrap();
    ApiRequest::read(method, target).ok()
}

fn learned(case: &Case) -> Authority {
    let mut authority = authority(case.command);
    for (line, releases) in case.answered {
        let request = read(line).unwrap();
        let sentence = authority.explain(&request);
        let tells = sentence
            .unwrap_or_else(|error| panic!("{line}: {error}"))
            .tells;
        let releases = releases.iter().map(|text| release(text)).collect();
        if let Some(tells) = tells {
            authority.learn_releases(&request, tells, releases);
        }
    }
    authority
}

#[test]
fn nothing_is_asked_of_what_a_release_does_not_hold() {
    let mut lies = 0;
    let mut wrong = Vec::new();
    for case in CASES {
        let authority = learned(case);
        for honest in case.honest {
            if let Err(error) = authority.explain(&read(honest).unwrap()) {
                wrong.push(format!("{}: {honest}: {error}", case.command));
            }
        }
        for lie in case.lies {
            lies += 1;
            let Some(request) = read(lie) else { continue };
            if let Ok(sentence) = authority.explain(&request) {
                wrong.push(format!("{}: {lie}: {}", case.command, sentence.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(lies >= 60, "{lies}");
}

#[test]
fn only_the_secrets_of_releases_are_seen_as_they_are() {
    for (command, line, expected) in [
        (
            "helm list -n web",
            "GET /api/v1/namespaces/web/secrets?labelSelector=owner%3Dhelm",
            ShownSecrets::Releases,
        ),
        ("helm status web -n web", OF_WEB, ShownSecrets::Releases),
        (
            "helm uninstall web -n web",
            "GET /api/v1/namespaces/web/secrets/sh.helm.release.v1.web.v3",
            ShownSecrets::Releases,
        ),
        (
            "helm rollback web 1 -n web --wait",
            "GET /api/v1/namespaces/web/secrets?watch=true",
            ShownSecrets::Nothing,
        ),
        (
            "helm rollback web 1 -n web --wait",
            "GET /api/v1/namespaces/web/secrets/web-credential",
            ShownSecrets::Nothing,
        ),
        (
            "helm status web -n web",
            "GET /api/v1/namespaces/web/secrets/web-credential",
            ShownSecrets::Nothing,
        ),
        (
            "istioctl analyze -A",
            "GET /api/v1/secrets?fieldSelector=type!%3Dhelm.sh%2Frelease.v1%2Ctype!%3Dkubernetes.io%2Fservice-account-token&watch=true",
            ShownSecrets::Certificates,
        ),
        (
            "istioctl analyze -A",
            "GET /api/v1/namespaces/istio-system/secrets?labelSelector=istio%2FmultiCluster%3Dtrue",
            ShownSecrets::Nothing,
        ),
        (
            "kubectl get secrets -n web",
            "GET /api/v1/namespaces/web/secrets?limit=500",
            ShownSecrets::Nothing,
        ),
    ] {
        let authority = match command.starts_with("helm") {
            true => learned(&Case {
                command,
                answered: if command.contains("list") { &[] } else { THREE },
                honest: &[],
                lies: &[],
            }),
            false => authority(command),
        };
        let sentence = authority.explain(&read(line).unwrap()).cloned();
        let shows = sentence
            .unwrap_or_else(|error| panic!("{command}: {line}: {error}"))
            .shows;
        assert_eq!(shows, expected, "{command}: {line}");
    }
}

#[test]
fn a_new_revision_is_one_of_its_release_and_nothing_else() {
    let authority = learned(&Case {
        command: "helm rollback web 1 -n web",
        answered: THREE,
        honest: &[],
        lies: &[],
    });
    let request = read("POST /api/v1/namespaces/web/secrets").unwrap();
    assert!(authority.explain(&request).is_ok());
    let revision = json!({
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {
            "name": "sh.helm.release.v1.web.v4",
            "creationTimestamp": null,
            "labels": {"name": "web", "owner": "helm", "status": "pending-rollback", "version": "4"},
        },
        "data": {"release": "SDRzSQ=="},
        "type": "helm.sh/release.v1",
    });
    let is_explained = |body: &Value| {
        let body = body.to_string();
        let judged = authority.explain_body(&request, "application/json", body.as_bytes());
        judged.is_ok()
    };
    assert!(is_explained(&revision));
    for (pointer, lie) in [
        ("/metadata/name", json!("sh.helm.release.v1.other.v4")),
        ("/metadata/name", json!("sh.helm.release.v1.web.v4x")),
        ("/metadata/name", json!("sh.helm.release.v1.web.v")),
        ("/metadata/name", Value::Null),
        (
            "/metadata",
            json!({"generateName": "sh.helm.release.v1.web.v4"}),
        ),
        ("/data", json!({"release": "SDRzSQ==", "token": "SDRzSQ=="})),
        ("/type", json!("kubernetes.io/service-account-token")),
    ] {
        let mut body = revision.clone();
        *body.pointer_mut(pointer).unwrap() = lie;
        assert!(!is_explained(&body), "{body}");
    }
    for (key, lie) in [
        ("namespace", json!("payments")),
        (
            "annotations",
            json!({"kubernetes.io/service-account.name": "default"}),
        ),
        ("finalizers", json!(["example.com/never"])),
    ] {
        let mut body = revision.clone();
        body["metadata"][key] = lie;
        assert!(!is_explained(&body), "{body}");
    }
}

const OF_WEB: &str = "GET /api/v1/namespaces/web/secrets?labelSelector=name%3Dweb%2Cowner%3Dhelm";

/// Three revisions, of which the newest has a Secret and a kind that no table holds.
const THREE: &[(&str, &[&str])] = &[(
    OF_WEB,
    &[
        "1 configmaps:web/web-first",
        "2 configmaps:web/web-second deployments.apps:web/web",
        "3 configmaps:web/web-third deployments.apps:web/web secrets:web/web-credential clusterroles.rbac.authorization.k8s.io:/web-reader ?proxy.example.net:web/web ?proxy.example.net:/web !jobs.batch:web/web-test",
    ],
)];

const CASES: &[Case] = &[
    Case {
        command: "helm list -n web",
        answered: &[],
        honest: &[
            "GET /version",
            "GET /api/v1/namespaces/web/secrets?labelSelector=owner%3Dhelm",
        ],
        lies: &[
            "GET /api/v1/namespaces/web/secrets",
            "GET /api/v1/namespaces/web/secrets?labelSelector=owner%3Dother",
            "GET /api/v1/namespaces/payments/secrets?labelSelector=owner%3Dhelm",
            "GET /api/v1/secrets?labelSelector=owner%3Dhelm",
            "GET /api/v1/namespaces/web/secrets?labelSelector=owner%3Dhelm&watch=true",
            "GET /api/v1/namespaces/web/secrets?labelSelector=owner%3Dhelm&fieldSelector=type%3DOpaque",
            "GET /api/v1/namespaces/web/secrets/sh.helm.release.v1.web.v1",
            "GET /api/v1/namespaces/web/configmaps?labelSelector=owner%3Dhelm",
            "DELETE /api/v1/namespaces/web/secrets?labelSelector=owner%3Dhelm",
        ],
    },
    Case {
        command: "helm status web -n web",
        answered: THREE,
        honest: &[
            "GET /api/v1/namespaces/web/configmaps/web-third",
            "GET /apis/apps/v1/namespaces/web/deployments/web",
            "GET /apis/rbac.authorization.k8s.io/v1/clusterroles/web-reader",
            "GET /apis/example.net/v1/namespaces/web/proxies/web",
            "GET /api/v1/namespaces/web/pods?labelSelector=app%3Dweb",
        ],
        lies: &[
            "GET /api/v1/namespaces/web/configmaps/web-first",
            "GET /api/v1/namespaces/web/configmaps/web-second",
            "GET /api/v1/namespaces/web/configmaps",
            "GET /api/v1/namespaces/web/secrets/other",
            "GET /api/v1/namespaces/payments/secrets/web-credential",
            "GET /apis/batch/v1/namespaces/web/jobs/web-test",
            "GET /apis/example.net/v1/namespaces/web/others/web",
            "GET /apis/example.com/v1/namespaces/web/proxies/web",
            "GET /apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin",
            "GET /apis/rbac.authorization.k8s.io/v1/clusterroles",
            "GET /api/v1/namespaces/web/pods",
            "GET /api/v1/namespaces/web/pods/web-0/log",
            "GET /api/v1/namespaces/web/pods/web-0/exec?command=id",
            "PATCH /api/v1/namespaces/web/configmaps/web-third",
            "DELETE /apis/apps/v1/namespaces/web/deployments/web",
            "PUT /api/v1/namespaces/web/secrets/sh.helm.release.v1.web.v3",
            "GET /api/v1/namespaces/web/secrets/sh.helm.release.v1.other.v3",
        ],
    },
    Case {
        command: "helm status web -n web --revision 1",
        answered: &[(
            "GET /api/v1/namespaces/web/secrets/sh.helm.release.v1.web.v1",
            &["1 configmaps:web/web-first"],
        )],
        honest: &["GET /api/v1/namespaces/web/configmaps/web-first"],
        lies: &[
            "GET /api/v1/namespaces/web/secrets/sh.helm.release.v1.web.v2",
            "GET /api/v1/namespaces/web/secrets/sh.helm.release.v1.web.v11",
            "GET /api/v1/namespaces/web/configmaps/web-second",
        ],
    },
    Case {
        command: "helm rollback web 1 -n web --wait",
        answered: &[
            THREE[0],
            (
                "GET /api/v1/namespaces/web/secrets/sh.helm.release.v1.web.v1",
                &["1 configmaps:web/web-first"],
            ),
        ],
        honest: &[
            "POST /api/v1/namespaces/web/secrets",
            "PUT /api/v1/namespaces/web/secrets/sh.helm.release.v1.web.v4",
            "PATCH /api/v1/namespaces/web/configmaps/web-first?fieldManager=helm&force=false",
            "DELETE /api/v1/namespaces/web/configmaps/web-third",
            "GET /api/v1/namespaces/web/configmaps?watch=true",
        ],
        lies: &[
            "PATCH /api/v1/namespaces/web/configmaps/web-second?force=false",
            "PATCH /api/v1/namespaces/web/configmaps/other?force=false",
            "PATCH /api/v1/namespaces/payments/configmaps/web-first?force=false",
            "PATCH /api/v1/namespaces/web/configmaps/web-first?force=true",
            "PATCH /apis/apps/v1/namespaces/web/deployments/other?force=false",
            "PATCH /apis/apps/v1/namespaces/web/deployments/web/scale",
            "PATCH /apis/apps/v1/namespaces/web/statefulsets/web",
            "POST /api/v1/namespaces/web/pods",
            "POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            "DELETE /api/v1/namespaces/web/secrets/credential",
            "DELETE /api/v1/namespaces/web/configmaps",
            "DELETE /api/v1/namespaces/web/configmaps/other",
            "PUT /api/v1/namespaces/web/secrets/sh.helm.release.v1.other.v4",
            "GET /api/v1/namespaces/web/secrets/sh.helm.release.v1.other.v1",
            "GET /api/v1/namespaces/payments/secrets/sh.helm.release.v1.web.v1",
            "GET /api/v1/configmaps?watch=true",
            "GET /api/v1/namespaces/web/serviceaccounts?watch=true",
            "GET /api/v1/namespaces/web/pods/web-0/log",
            "GET /api/v1/namespaces/web/pods/web-0/exec?command=id",
            "GET /api/v1/namespaces/web/pods/web-0/portforward",
            "POST /api/v1/namespaces/web/serviceaccounts/default/token",
        ],
    },
    Case {
        command: "helm uninstall web -n web",
        answered: THREE,
        honest: &[
            "DELETE /apis/apps/v1/namespaces/web/deployments/web",
            "DELETE /api/v1/namespaces/web/secrets/sh.helm.release.v1.web.v1",
        ],
        lies: &[
            "DELETE /api/v1/namespaces/web/configmaps/web-first",
            "DELETE /apis/apps/v1/namespaces/web/deployments/other",
            "DELETE /apis/apps/v1/namespaces/web/deployments",
            "DELETE /api/v1/namespaces/web",
            "DELETE /api/v1/namespaces/web/secrets/sh.helm.release.v1.other.v1",
            "DELETE /api/v1/namespaces/web/secrets?labelSelector=owner%3Dhelm",
            "PATCH /apis/apps/v1/namespaces/web/deployments/web",
            "DELETE /apis/example.net/v1/namespaces/payments/proxies/web",
        ],
    },
    Case {
        command: "helm test web -n web --logs",
        answered: THREE,
        honest: &[
            "PATCH /apis/batch/v1/namespaces/web/jobs/web-test?fieldManager=helm&force=false",
        ],
        lies: &[
            "PATCH /apis/apps/v1/namespaces/web/deployments/web?force=false",
            "DELETE /api/v1/namespaces/web/configmaps/web-third",
            "GET /api/v1/namespaces/web/secrets/web-credential",
            "PATCH /apis/batch/v1/namespaces/web/jobs/other?force=false",
            "GET /api/v1/namespaces/web/pods/web-0/log",
        ],
    },
    Case {
        command: "helm rollback web 1 -n web --dry-run=server",
        answered: THREE,
        honest: &["GET /api/v1/namespaces/web/secrets/sh.helm.release.v1.web.v1"],
        lies: &[
            "POST /api/v1/namespaces/web/secrets",
            "PUT /api/v1/namespaces/web/secrets/sh.helm.release.v1.web.v4",
            "PATCH /api/v1/namespaces/web/configmaps/web-third?force=false",
            "DELETE /api/v1/namespaces/web/configmaps/web-third",
        ],
    },
];
