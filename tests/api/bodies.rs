//! Bodies beyond what honest commands change: a tool that gets an honest command, sends an honest
//! request, and says more in its body.
//!
//! Each case has honest bodies, which have to be explained, so that no lie is refused for the want of
//! a field.

use kube_airlock::api::{ApiRequest, Authority};

use crate::authority;

/// Bodies of one request of one command; each is `FORM JSON`.
struct Bodies {
    command: &'static str,
    request: &'static str,
    /// What earlier requests of the call were answered.
    answered: &'static [(&'static str, &'static str)],
    honest: &'static [&'static str],
    lies: &'static [&'static str],
}

/// What a form of bodies is called on the wire.
pub fn media_type(form: &str) -> &str {
    match form {
        "apply" => "application/apply-patch+yaml",
        "json" => "application/json-patch+json",
        "merge" => "application/merge-patch+json",
        "object" => "application/json",
        "strategic" => "application/strategic-merge-patch+json",
        other => other,
    }
}

fn read(request: &str) -> ApiRequest {
    let (method, target) = request.split_once(' ').unwrap();
    ApiRequest::read(method, target).unwrap()
}

fn judged(authority: &Authority, request: &str, body: &str) -> Result<(), String> {
    let (form, body) = body.split_once(' ').unwrap();
    let request = read(request);
    assert!(authority.explain(&request).is_ok(), "{request:?}");
    let judged = authority.explain_body(&request, media_type(form), body.as_bytes());
    judged.map_err(|error| error.to_string())
}

#[test]
fn no_body_beyond_its_command_is_explained() {
    let mut lies = 0;
    let mut wrong = Vec::new();
    for case in BODIES {
        let mut authority = authority(case.command);
        for (request, answer) in case.answered {
            let request = read(request);
            assert!(authority.explain(&request).is_ok() && authority.wants(&request));
            authority.learn_answer(&request, answer.as_bytes());
        }
        let Bodies {
            command, request, ..
        } = case;
        for honest in case.honest {
            if let Err(error) = judged(&authority, request, honest) {
                wrong.push(format!("{command}: {honest}: {error}"));
            }
        }
        for lie in case.lies {
            lies += 1;
            if judged(&authority, request, lie).is_ok() {
                wrong.push(format!("{command}: {lie} is explained"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(lies >= 100, "{lies}");
}

#[test]
fn a_refusal_says_which_field() {
    let authority = authority("kubectl scale deploy app --replicas=2 -n web");
    let request = "PATCH /apis/apps/v1/namespaces/web/deployments/app/scale";
    for (body, expected) in [
        (
            r#"merge {"spec":{"replicas":2,"a/b":{"c~d":1}}}"#,
            "its body changes `/spec/a~1b/c~0d`, which the command does not",
        ),
        (
            r#"merge {"spec":{"replicas":3}}"#,
            "its body changes `/spec/replicas`, which the command does not",
        ),
        ("merge {", "its body cannot be read"),
        (
            "application/yaml {}",
            "its body is in another form than the command's: `application/yaml`",
        ),
    ] {
        assert_eq!(judged(&authority, request, body), Err(expected.into()));
    }
}

/// A body is read to its end and no deeper than any object, however it is made up.
#[test]
fn a_body_that_is_made_to_be_long_or_deep_is_refused_soon() {
    let authority = authority("kubectl set image deploy/app app=demo/app:2 -n web");
    let request = "PATCH /apis/apps/v1/namespaces/web/deployments/app";
    let nested = |open: &str, close: &str| {
        let depth = 500_000;
        format!("strategic {}1{}", open.repeat(depth), close.repeat(depth))
    };
    let long_key = "k".repeat(1 << 20);
    let many = (0..200_000).map(|number| format!("\"{number}\":1"));
    let many: Vec<String> = many.collect();
    let since = std::time::Instant::now();
    for body in [
        nested("{\"a\":", "}"),
        nested("[", "]"),
        format!("strategic {{\"{long_key}\":{{{}}}}}", many.join(",")),
        format!(
            "json [{}{{\"op\":\"remove\",\"path\":\"/{long_key}\"}}]",
            "{\"op\":\"test\",\"path\":\"/a\"},".repeat(40_000)
        ),
    ] {
        assert!(judged(&authority, request, &body).is_err());
    }
    assert!(since.elapsed().as_secs() < 10);
}

const DEPLOYMENT: &str = "PATCH /apis/apps/v1/namespaces/web/deployments/app";

const BODIES: &[Bodies] = &[
    Bodies {
        command: "kubectl set image deploy/app app=demo/app:2 -n web",
        request: DEPLOYMENT,
        answered: &[],
        honest: &[
            r#"strategic {"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"app"}],"containers":[{"image":"demo/app:2","name":"app"}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:2"}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"initContainers":[{"name":"app","image":"demo/app:2"}]}}}}"#,
            "strategic {}",
        ],
        lies: &[
            // Another image, another container, another field of it.
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:3"}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","image":null}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","image":["demo/app:2"]}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"other","image":"demo/app:2"}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:2"},{"name":"other","image":"x"}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:2","command":["sh"]}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:2","securityContext":{"privileged":true}}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app"}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"image":"demo/app:2"}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":null}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"ephemeralContainers":[{"name":"app","image":"demo/app:2"}]}}}}"#,
            // Other fields.
            r#"strategic {"spec":{"replicas":0,"template":{"spec":{"containers":[{"name":"app","image":"demo/app:2"}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"serviceAccountName":"admin","containers":[{"name":"app","image":"demo/app:2"}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"hostPID":true}}}}"#,
            r#"strategic {"spec":{"template":null}}"#,
            r#"strategic {"metadata":{"ownerReferences":[]}}"#,
            r#"strategic {"metadata":{"finalizers":["example.com/x"]}}"#,
            r#"strategic {"metadata":{"$deleteFromPrimitiveList/finalizers":["example.com/x"]}}"#,
            r#"strategic {"metadata":{"labels":{"a":"b"}}}"#,
            r#"strategic {"metadata":{"annotations":{"kubernetes.io/change-cause":"a lie"}}}"#,
            r#"strategic {"kind":"DaemonSet"}"#,
            // Directives of a strategic merge.
            r#"strategic {"$patch":"delete"}"#,
            r#"strategic {"$patch":"replace","spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:2"}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"$patch":"delete","name":"app"}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"$patch":"replace","name":"app"},{"name":"app","image":"demo/app:2"}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"$patch":"replace","name":"app","image":"demo/app:2"}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:2","$retainKeys":["name","image"]}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"$retainKeys":["containers"],"containers":[{"name":"app","image":"demo/app:2"}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:2","$unknown":1}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"$setElementOrder/containers":{"a":1}}}}}"#,
            // Keys twice, and keys in another spelling.
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","image":"evil","image":"demo/app:2"}]}}}}"#,
            r#"strategic {"spec":{"replicas":0},"spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:2"}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","na\u006de":"other","image":"demo/app:2"}]}}}}"#,
            r#"strategic {"Spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:2"}]}}}}"#,
            // Other forms: a list that is no list of names, operations, whole objects.
            r#"merge {"spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:2"}]}}}}"#,
            r#"json [{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"demo/app:2"}]"#,
            r#"json [{"op":"add","path":"/spec/template/spec/containers/-","value":{"name":"other","image":"demo/app:2"}}]"#,
            r#"apply {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"app"},"spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:2"}]}}}}"#,
            r#"apply {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"app"}}"#,
            "application/apply-patch+cbor {}",
            "application/vnd.kubernetes.protobuf {}",
            "application/yaml {}",
            "text/plain {}",
            "application/json {}",
            "strategic [1]",
            "strategic 1",
            "strategic null",
            r#"strategic {"spec":{}}{"spec":1}"#,
        ],
    },
    Bodies {
        command: "kubectl set image cronjob/nightly *=demo/job:2 -n web",
        request: "PATCH /apis/batch/v1/namespaces/web/cronjobs/nightly",
        answered: &[],
        honest: &[
            r#"strategic {"spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[{"name":"job","image":"demo/job:2"},{"name":"side","image":"demo/job:2"}]}}}}}}"#,
        ],
        lies: &[
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"job","image":"demo/job:2"}]}}}}"#,
            r#"strategic {"spec":{"schedule":"* * * * *"}}"#,
            r#"strategic {"spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[{"name":"job","image":"demo/job:3"}]}}}}}}"#,
        ],
    },
    Bodies {
        command: "kubectl label deploy app tier=web old- example.com/a=1 -n web --overwrite",
        request: DEPLOYMENT,
        answered: &[],
        honest: &[
            r#"merge {"metadata":{"labels":{"tier":"web","old":null,"example.com/a":"1"}}}"#,
            r#"json [{"op":"add","path":"/metadata/labels/example.com~1a","value":"1"}]"#,
            r#"json [{"op":"test","path":"/metadata/labels/other","value":"x"},{"op":"remove","path":"/metadata/labels/old"}]"#,
        ],
        lies: &[
            r#"merge {"metadata":{"labels":{"tier":"web","app":"other"}}}"#,
            r#"merge {"metadata":{"labels":{"tier":"db"}}}"#,
            r#"merge {"metadata":{"labels":{"tier":null}}}"#,
            r#"merge {"metadata":{"labels":{"old":"new"}}}"#,
            r#"merge {"metadata":{"labels":null}}"#,
            r#"merge {"metadata":{"labels":{"tier":{"web":""}}}}"#,
            r#"merge {"metadata":{"labels":{"tier":"web"},"annotations":{"tier":"web"}}}"#,
            r#"merge {"metadata":{"labels":{"tier":"web"},"namespace":"other"}}"#,
            r#"merge {"metadata":{"labels":{"tier":"web"},"resourceVersion":"7"}}"#,
            r#"merge {"metadata":{"labels":{"tier":"web"}},"spec":{"replicas":0}}"#,
            r#"merge {"metadata":{"labels":{"tier":"web"}},"spec":{"paused":{}}}"#,
            r#"merge {"metadata":{"labels":{"tier":"web"}},"$patch":"replace"}"#,
            r#"merge null"#,
            r#"merge []"#,
            // Pointers.
            r#"json [{"op":"add","path":"/metadata/labels","value":{"tier":"web"}}]"#,
            r#"json [{"op":"replace","path":"","value":{}}]"#,
            r#"json [{"op":"add","path":"/metadata/labels/example.com/a","value":"1"}]"#,
            r#"json [{"op":"add","path":"/metadata/labels/example.com~2a","value":"1"}]"#,
            r#"json [{"op":"add","path":"/metadata/labels/example.com~01a","value":"1"}]"#,
            r#"json [{"op":"add","path":"/metadata/labels/tier/../../../spec/paused","value":true}]"#,
            r#"json [{"op":"add","path":"x/metadata/labels/tier","value":"web"}]"#,
            r#"json [{"op":"add","path":"/metadata/labels/tier","value":"web"},{"op":"remove","path":"/spec/template"}]"#,
            r#"json [{"op":"copy","from":"/spec/paused","path":"/metadata/labels/tier"}]"#,
            r#"json [{"op":"move","from":"/spec/paused","path":"/metadata/labels/old"}]"#,
            r#"json [{"op":"move","from":"/metadata/labels/app","path":"/metadata/labels/tier"}]"#,
            r#"json [{"op":"add","path":"/metadata/labels/tier","path":"/spec/paused","value":"web"}]"#,
            r#"json [{"op":"ADD","path":"/metadata/labels/tier","value":"web"}]"#,
            r#"json [{"op":"add","path":"/metadata/labels/tier"}]"#,
            r#"json {"op":"remove","path":"/metadata/labels/old"}"#,
        ],
    },
    Bodies {
        command: "kubectl annotate deploy app note=1 -n web --record",
        request: DEPLOYMENT,
        answered: &[],
        honest: &[
            r#"merge {"metadata":{"annotations":{"note":"1","kubernetes.io/change-cause":"kubectl annotate deploy app note=1 --record=true"}}}"#,
        ],
        lies: &[
            r#"merge {"metadata":{"annotations":{"note":"1","kubectl.kubernetes.io/last-applied-configuration":"{}"}}}"#,
            r#"merge {"metadata":{"annotations":{"note":"2"}}}"#,
            r#"merge {"metadata":{"labels":{"note":"1"}}}"#,
        ],
    },
    Bodies {
        command: "kubectl scale deploy app --replicas=2 -n web",
        request: "PATCH /apis/apps/v1/namespaces/web/deployments/app/scale",
        answered: &[],
        honest: &[r#"merge {"spec":{"replicas":2}}"#],
        lies: &[
            r#"merge {"spec":{"replicas":20}}"#,
            r#"merge {"spec":{"replicas":null}}"#,
            r#"merge {"spec":{"replicas":2,"template":{"spec":{"hostNetwork":true}}}}"#,
            r#"merge {"spec":{"replicas":2},"metadata":{"labels":{"a":"b"}}}"#,
            r#"json [{"op":"replace","path":"/spec","value":{"replicas":2}}]"#,
        ],
    },
    Bodies {
        command: "kubectl scale deploy app --replicas=0 --current-replicas=3 -n web",
        request: "PUT /apis/apps/v1/namespaces/web/deployments/app/scale",
        answered: &[(
            "GET /apis/apps/v1/namespaces/web/deployments/app/scale",
            SCALE,
        )],
        honest: &[
            r#"object {"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"app","namespace":"web","uid":"u","resourceVersion":"7","creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{},"status":{"replicas":3,"selector":"app=app"}}"#,
            r#"object {"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"app","namespace":"web","uid":"u","resourceVersion":"7","creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{"replicas":0},"status":{"replicas":3,"selector":"app=app"}}"#,
        ],
        lies: &[
            r#"object {"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"app","namespace":"web","uid":"u","resourceVersion":"7","creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{"replicas":1},"status":{"replicas":3,"selector":"app=app"}}"#,
            // What another version of it was, or any.
            r#"object {"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"app","namespace":"web","uid":"u","resourceVersion":"8","creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{"replicas":0},"status":{"replicas":3,"selector":"app=app"}}"#,
            r#"object {"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"app","namespace":"web","uid":"u","creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{"replicas":0},"status":{"replicas":3,"selector":"app=app"}}"#,
            r#"object {"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"app","namespace":"web","uid":"u","resourceVersion":"7","creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{"replicas":0,"selector":{"a":"b"}},"status":{"replicas":3,"selector":"app=app"}}"#,
            r#"object {"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"app","namespace":"web","uid":"u","resourceVersion":"7","creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{"replicas":0},"status":{"replicas":3,"selector":"app=app"}}"#,
            r#"object {"spec":{"replicas":0}}"#,
            "object {}",
            "object []",
            "merge {}",
            "application/vnd.kubernetes.protobuf k8s",
        ],
    },
    Bodies {
        command: "kubectl scale deploy app --replicas=0 --current-replicas=3 -n web",
        request: "PUT /apis/apps/v1/namespaces/web/deployments/app/scale",
        answered: &[],
        honest: &[],
        lies: &[
            r#"object {"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"app","namespace":"web"},"spec":{"replicas":0}}"#,
        ],
    },
    Bodies {
        command: "kubectl rollout restart deploy/app -n web",
        request: DEPLOYMENT,
        answered: &[],
        honest: &[
            r#"strategic {"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-11-30T15:00:00Z"}}}}}"#,
            r#"strategic {"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-11-30T16:00:00+01:00"}}}}}"#,
        ],
        lies: &[
            r#"strategic {"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-11-30T15:00:00Z"}},"spec":{"containers":[{"name":"app","image":"other"}]}}}}"#,
            r#"strategic {"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"a secret that is told"}}}}}"#,
            r#"strategic {"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":null}}}}}"#,
            r#"strategic {"spec":{"template":{"metadata":{"annotations":{"sidecar.istio.io/inject":"false"}}}}}"#,
            r#"strategic {"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-11-30T15:00:00Z"}}}"#,
        ],
    },
    Bodies {
        command: "kubectl rollout pause deploy/app -n web",
        request: DEPLOYMENT,
        answered: &[],
        honest: &[r#"strategic {"spec":{"paused":true}}"#],
        lies: &[
            r#"strategic {"spec":{"paused":false}}"#,
            r#"strategic {"spec":{"paused":true,"replicas":0}}"#,
            r#"strategic {"spec":{"paused":"true"}}"#,
        ],
    },
    Bodies {
        command: "kubectl rollout resume deploy/app -n web",
        request: DEPLOYMENT,
        answered: &[],
        honest: &[r#"strategic {"spec":{"paused":null}}"#],
        lies: &[
            r#"strategic {"spec":{"paused":true}}"#,
            r#"strategic {"spec":null}"#,
        ],
    },
    Bodies {
        command: "kubectl rollout undo deploy/app -n web",
        request: DEPLOYMENT,
        answered: &[],
        honest: &[
            r#"json [{"op":"replace","path":"/spec/template","value":{"spec":{"containers":[]}}},{"op":"replace","path":"/metadata/annotations","value":{"a":"b"}}]"#,
        ],
        lies: &[
            r#"json [{"op":"replace","path":"/spec","value":{}}]"#,
            r#"json [{"op":"replace","path":"/spec/replicas","value":0}]"#,
            r#"json [{"op":"replace","path":"/metadata","value":{}}]"#,
            r#"json [{"op":"replace","path":"/metadata/labels","value":{}}]"#,
        ],
    },
    Bodies {
        command: "kubectl rollout undo ds/agent -n web",
        request: "PATCH /apis/apps/v1/namespaces/web/daemonsets/agent",
        answered: &[],
        honest: &[
            r#"strategic {"spec":{"template":{"$patch":"replace","spec":{"containers":[]}}}}"#,
        ],
        lies: &[
            r#"strategic {"spec":{"$patch":"replace","template":{"spec":{"containers":[]}}}}"#,
            r#"strategic {"metadata":{"annotations":{"a":"b"}}}"#,
        ],
    },
    Bodies {
        command: "kubectl cordon node2",
        request: "PATCH /api/v1/nodes/node2",
        answered: &[],
        honest: &[r#"strategic {"spec":{"unschedulable":true}}"#],
        lies: &[
            r#"strategic {"spec":{"unschedulable":true,"taints":[{"key":"a","effect":"NoExecute"}]}}"#,
            r#"strategic {"spec":{"unschedulable":false}}"#,
            r#"strategic {"spec":{"unschedulable":null}}"#,
            r#"strategic {"spec":{"unschedulable":true},"metadata":{"labels":{"a":"b"}}}"#,
        ],
    },
    Bodies {
        command: "kubectl uncordon node2",
        request: "PATCH /api/v1/nodes/node2",
        answered: &[],
        honest: &[r#"strategic {"spec":{"unschedulable":null}}"#],
        lies: &[r#"strategic {"spec":{"unschedulable":true}}"#],
    },
    Bodies {
        command: "kubectl drain node2 --ignore-daemonsets",
        request: "PATCH /api/v1/nodes/node2",
        answered: &[],
        honest: &[r#"strategic {"spec":{"unschedulable":true}}"#],
        lies: &[r#"strategic {"spec":{"taints":null}}"#],
    },
    Bodies {
        command: "kubectl taint node node2 k=v:NoSchedule old- --overwrite",
        request: "PATCH /api/v1/nodes/node2",
        answered: &[("GET /api/v1/nodes/node2", NODE)],
        honest: &[
            r#"strategic {"spec":{"taints":[{"effect":"NoSchedule","key":"k","value":"v"},{"key":"kept","effect":"NoExecute"}]}}"#,
        ],
        lies: &[
            r#"strategic {"spec":{"taints":[{"effect":"NoSchedule","key":"k","value":"v"}]}}"#,
            r#"strategic {"spec":{"taints":[{"effect":"NoSchedule","key":"k","value":"w"},{"key":"kept","effect":"NoExecute"}]}}"#,
            r#"strategic {"spec":{"taints":[{"effect":"NoExecute","key":"k","value":"v"},{"key":"kept","effect":"NoExecute"}]}}"#,
            r#"strategic {"spec":{"taints":[{"effect":"NoSchedule","key":"k","value":"v"},{"key":"kept","effect":"NoExecute"},{"key":"more","effect":"NoExecute"}]}}"#,
            r#"strategic {"spec":{"taints":null}}"#,
            r#"strategic {"spec":{"taints":[]}}"#,
            r#"strategic {"spec":{"taints":{"$patch":"delete"}}}"#,
            r#"strategic {"spec":{"unschedulable":true}}"#,
            r#"strategic {"metadata":{"labels":{"k":"v"}}}"#,
        ],
    },
    Bodies {
        command: "kubectl set env deploy/app A=1 B- -n web -c app",
        request: DEPLOYMENT,
        answered: &[],
        honest: &[
            r#"strategic {"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"app"}],"containers":[{"name":"app","$setElementOrder/env":[{"name":"A"}],"env":[{"name":"A","value":"1"},{"$patch":"delete","name":"B"}]}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","env":[{"name":"A","value":"1","valueFrom":null}]}]}}}}"#,
        ],
        lies: &[
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","env":[{"name":"A","value":"2"}]}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","env":[{"name":"C","value":"1"}]}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"other","env":[{"name":"A","value":"1"}]}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","env":[{"$patch":"delete","name":"C"}]}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","env":[{"$patch":"replace"}]}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","env":null}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"credential","key":"a"}}}]}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","envFrom":[{"secretRef":{"name":"credential"}}]}]}}}}"#,
        ],
    },
    Bodies {
        command: "kubectl set serviceaccount deploy app robot -n web",
        request: DEPLOYMENT,
        answered: &[],
        honest: &[
            r#"strategic {"spec":{"template":{"spec":{"serviceAccount":"robot","serviceAccountName":"robot"}}}}"#,
        ],
        lies: &[
            r#"strategic {"spec":{"template":{"spec":{"serviceAccountName":"admin"}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"serviceAccountName":"robot","automountServiceAccountToken":true}}}}"#,
        ],
    },
    Bodies {
        command: "kubectl set resources deploy app --limits=cpu=1 -n web",
        request: DEPLOYMENT,
        answered: &[],
        honest: &[
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","resources":{"limits":{"cpu":"1"}}}]}}}}"#,
        ],
        lies: &[
            r#"strategic {"spec":{"template":{"spec":{"containers":[{"name":"app","image":"x"}]}}}}"#,
            r#"strategic {"spec":{"template":{"spec":{"nodeName":"node1"}}}}"#,
        ],
    },
    Bodies {
        command: "kubectl set selector svc app app=web -n web",
        request: "PATCH /api/v1/namespaces/web/services/app",
        answered: &[],
        honest: &[r#"strategic {"spec":{"selector":{"app":"web","old":null}}}"#],
        lies: &[
            r#"strategic {"spec":{"selector":{"app":"db"}}}"#,
            r#"strategic {"spec":{"selector":{"app":"web"},"externalIPs":["10.0.0.1"]}}"#,
            r#"strategic {"spec":{"type":"NodePort"}}"#,
        ],
    },
    Bodies {
        command: "kubectl set subject rolebinding reader --user=x -n web",
        request: "PATCH /apis/rbac.authorization.k8s.io/v1/namespaces/web/rolebindings/reader",
        answered: &[(
            "GET /apis/rbac.authorization.k8s.io/v1/namespaces/web/rolebindings/reader",
            r#"{"metadata":{"name":"reader","namespace":"web"},"subjects":[{"kind":"ServiceAccount","name":"robot","namespace":"web"}]}"#,
        )],
        honest: &[
            r#"strategic {"subjects":[{"kind":"ServiceAccount","name":"robot","namespace":"web"},{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"x"}]}"#,
        ],
        lies: &[
            r#"strategic {"subjects":[{"kind":"ServiceAccount","name":"robot","namespace":"web"},{"apiGroup":"rbac.authorization.k8s.io","kind":"Group","name":"x"}]}"#,
            r#"strategic {"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"x"}]}"#,
            r#"strategic {"roleRef":{"kind":"ClusterRole","name":"cluster-admin"}}"#,
        ],
    },
    Bodies {
        command: r#"kubectl patch deploy app -n web -p '{"spec":{"replicas":3}}'"#,
        request: DEPLOYMENT,
        answered: &[],
        honest: &[
            r#"strategic {"spec":{"replicas":3}}"#,
            "strategic { \"spec\" : {\"replicas\":3}}",
        ],
        lies: &[
            r#"strategic {"spec":{"replicas":4}}"#,
            r#"strategic {"spec":{"replicas":3,"paused":true}}"#,
            r#"strategic {}"#,
            r#"merge {"spec":{"replicas":3}}"#,
            r#"json [{"op":"replace","path":"/spec/replicas","value":3}]"#,
            r#"apply {"spec":{"replicas":3}}"#,
        ],
    },
    Bodies {
        command: r#"kubectl patch deploy app -n web --type=merge -p 'spec: {replicas: 3}'"#,
        request: DEPLOYMENT,
        answered: &[],
        honest: &[r#"merge {"spec":{"replicas":3}}"#],
        lies: &[
            r#"strategic {"spec":{"replicas":3}}"#,
            r#"merge {"spec":{"replicas":"3"}}"#,
        ],
    },
    Bodies {
        command: r#"kubectl patch deploy app -n web --type=json -p '[{"op":"remove","path":"/spec/paused"}]'"#,
        request: DEPLOYMENT,
        answered: &[],
        honest: &[r#"json [{"op":"remove","path":"/spec/paused"}]"#],
        lies: &[
            r#"json [{"op":"remove","path":"/spec/paused"},{"op":"remove","path":"/spec/replicas"}]"#,
            r#"merge {"spec":{"paused":null}}"#,
        ],
    },
    Bodies {
        command: "kubectl create configmap settings --from-literal=a=b -n web",
        request: "POST /api/v1/namespaces/web/configmaps",
        answered: &[],
        honest: &[
            r#"object {"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"settings","creationTimestamp":null},"data":{"a":"b"}}"#,
        ],
        lies: &[
            r#"object {"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"settings"},"data":{"a":"c"}}"#,
            r#"object {"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"settings"},"data":{"a":"b","c":"d"}}"#,
            r#"object {"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"settings","labels":{"a":"b"}},"data":{"a":"b"}}"#,
            r#"object {"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"settings","ownerReferences":[{"uid":"a"}]},"data":{"a":"b"}}"#,
            r#"object {"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"settings","finalizers":["a/b"]},"data":{"a":"b"}}"#,
            r#"object {"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"other"},"data":{"a":"b"}}"#,
            r#"object {"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"settings","namespace":"other"},"data":{"a":"b"}}"#,
            "application/yaml a: b",
            "application/vnd.kubernetes.protobuf k8s",
        ],
    },
    Bodies {
        command: "kubectl create secret generic s --from-literal=a=b -n web",
        request: "POST /api/v1/namespaces/web/secrets",
        answered: &[],
        honest: &[r#"object {"kind":"Secret","metadata":{"name":"s"},"data":{"a":"Yg=="}}"#],
        lies: &[
            r#"object {"kind":"Secret","metadata":{"name":"s"},"data":{"a":"Yw=="}}"#,
            r#"object {"kind":"Secret","metadata":{"name":"s"},"data":{"a":"Yg=="},"type":"kubernetes.io/service-account-token"}"#,
            r#"object {"kind":"Secret","metadata":{"name":"s","annotations":{"kubernetes.io/service-account.name":"admin"}},"data":{"a":"Yg=="}}"#,
        ],
    },
    Bodies {
        command: "kubectl create deployment d --image=demo/app:1 --replicas=2 -n web",
        request: "POST /apis/apps/v1/namespaces/web/deployments",
        answered: &[],
        honest: &[
            r#"object {"kind":"Deployment","metadata":{"name":"d","labels":{"app":"d"}},"spec":{"replicas":2,"selector":{"matchLabels":{"app":"d"}},"strategy":{},"template":{"metadata":{"labels":{"app":"d"}},"spec":{"containers":[{"name":"app","image":"demo/app:1","resources":{}}]}}},"status":{}}"#,
        ],
        lies: &[
            r#"object {"kind":"Deployment","metadata":{"name":"d"},"spec":{"replicas":3}}"#,
            r#"object {"kind":"Deployment","metadata":{"name":"d","labels":{"app":"other"}},"spec":{"replicas":2}}"#,
            r#"object {"kind":"Deployment","metadata":{"name":"d"},"spec":{"template":{"spec":{"containers":[{"name":"app","image":"other"}]}}}}"#,
            r#"object {"kind":"Deployment","metadata":{"name":"d"},"spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:1","command":["sh"]}]}}}}"#,
            r#"object {"kind":"Deployment","metadata":{"name":"d"},"spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:1"}],"hostPID":true}}}}"#,
            r#"object {"kind":"Deployment","metadata":{"name":"d"},"spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:1"}],"volumes":[{"name":"a","hostPath":{"path":"/"}}]}}}}"#,
            r#"object {"kind":"Deployment","metadata":{"name":"d"},"spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:1","securityContext":{"privileged":true}}]}}}}"#,
        ],
    },
    Bodies {
        command: "kubectl create rolebinding b --role=reader --serviceaccount=web:robot -n web",
        request: "POST /apis/rbac.authorization.k8s.io/v1/namespaces/web/rolebindings",
        answered: &[],
        honest: &[
            r#"object {"kind":"RoleBinding","metadata":{"name":"b"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"reader"},"subjects":[{"kind":"ServiceAccount","name":"robot","namespace":"web"}]}"#,
        ],
        lies: &[
            r#"object {"kind":"RoleBinding","metadata":{"name":"b"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"reader"}}"#,
            r#"object {"kind":"RoleBinding","metadata":{"name":"b"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"admin"}}"#,
            r#"object {"kind":"RoleBinding","metadata":{"name":"b"},"subjects":[{"kind":"ServiceAccount","name":"robot","namespace":"payments"}]}"#,
            r#"object {"kind":"RoleBinding","metadata":{"name":"b"},"subjects":[{"kind":"User","name":"robot"}]}"#,
            r#"object {"kind":"RoleBinding","metadata":{"name":"b"},"subjects":[{"kind":"ServiceAccount","name":"default","namespace":"web"}]}"#,
        ],
    },
    Bodies {
        command: "kubectl create role r --verb=get,list --resource=pods -n web",
        request: "POST /apis/rbac.authorization.k8s.io/v1/namespaces/web/roles",
        answered: &[],
        honest: &[
            r#"object {"kind":"Role","metadata":{"name":"r"},"rules":[{"verbs":["get","list"],"apiGroups":[""],"resources":["pods"]}]}"#,
        ],
        lies: &[
            r#"object {"kind":"Role","metadata":{"name":"r"},"rules":[{"verbs":["*"],"apiGroups":[""],"resources":["pods"]}]}"#,
            r#"object {"kind":"Role","metadata":{"name":"r"},"rules":[{"verbs":["get","delete"],"apiGroups":[""],"resources":["pods"]}]}"#,
        ],
    },
    Bodies {
        command: "kubectl create token robot -n web --duration=10m",
        request: "POST /api/v1/namespaces/web/serviceaccounts/robot/token",
        answered: &[],
        honest: &[r#"object {"kind":"TokenRequest","spec":{"expirationSeconds":600}}"#],
        lies: &[
            r#"object {"kind":"TokenRequest","spec":{"expirationSeconds":86400}}"#,
            r#"object {"kind":"TokenRequest","spec":{"audiences":["vault"],"expirationSeconds":600}}"#,
            r#"object {"kind":"TokenRequest","spec":{"expirationSeconds":600,"boundObjectRef":{"kind":"Pod","name":"a"}}}"#,
        ],
    },
    Bodies {
        command: "kubectl run p --image=demo/app:1 -n web --env=A=1 -- sleep 5",
        request: "POST /api/v1/namespaces/web/pods",
        answered: &[],
        honest: &[
            r#"object {"kind":"Pod","metadata":{"name":"p","labels":{"run":"p"}},"spec":{"containers":[{"name":"p","image":"demo/app:1","args":["sleep","5"],"env":[{"name":"A","value":"1"}],"resources":{}}],"restartPolicy":"Always","dnsPolicy":"ClusterFirst"},"status":{}}"#,
        ],
        lies: &[
            r#"object {"kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"p","image":"demo/app:2"}]}}"#,
            r#"object {"kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"p","image":"demo/app:1","args":["sleep","6"]}]}}"#,
            r#"object {"kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"p","image":"demo/app:1","env":[{"name":"A","value":"2"}]}]}}"#,
            r#"object {"kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"p","image":"demo/app:1","securityContext":{"privileged":true}}]}}"#,
            r#"object {"kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"p","image":"demo/app:1"}],"serviceAccountName":"admin"}}"#,
            r#"object {"kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"p","image":"demo/app:1"}],"nodeName":"node1"}}"#,
            r#"object {"kind":"Pod","metadata":{"name":"p","ownerReferences":[{"uid":"a"}]},"spec":{"containers":[{"name":"p","image":"demo/app:1"}]}}"#,
        ],
    },
    Bodies {
        command: "kubectl delete pod web-0 -n web",
        request: "DELETE /api/v1/namespaces/web/pods/web-0",
        answered: &[],
        honest: &[
            r#"object {"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Background"}"#,
            "object ",
        ],
        lies: &[
            r#"object {"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Orphan"}"#,
            r#"object {"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0}"#,
            r#"object {"kind":"DeleteOptions","apiVersion":"v1","orphanDependents":true}"#,
            r#"object {"kind":"DeleteOptions","apiVersion":"v1","ignoreStoreReadErrorWithClusterBreakingPotential":true}"#,
            r#"object {"propagationPolicy":"Background","propagationPolicy":"Orphan"}"#,
            "application/yaml propagationPolicy: Orphan",
            "application/vnd.kubernetes.protobuf k8s",
        ],
    },
    Bodies {
        command: "kubectl delete pod web-0 -n web --force --grace-period=0",
        request: "DELETE /api/v1/namespaces/web/pods/web-0",
        answered: &[],
        honest: &[
            r#"object {"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0,"propagationPolicy":"Background"}"#,
        ],
        lies: &[r#"object {"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":30}"#],
    },
    Bodies {
        command: "kubectl debug pod/db-0 --image=demo/app:1 -n web",
        request: "PATCH /api/v1/namespaces/web/pods/db-0/ephemeralcontainers",
        answered: &[],
        honest: &[
            r#"strategic {"spec":{"$setElementOrder/ephemeralContainers":[{"name":"debugger-x"}],"ephemeralContainers":[{"image":"demo/app:1","name":"debugger-x","resources":{}}]}}"#,
        ],
        lies: &[
            r#"strategic {"spec":{"containers":[{"name":"db","image":"x"}]}}"#,
            r#"strategic {"metadata":{"labels":{"a":"b"}}}"#,
        ],
    },
];

const NODE: &str = r#"{"metadata":{"name":"node2"},"spec":{"taints":[{"key":"old","value":"1","effect":"NoSchedule"},{"key":"kept","effect":"NoExecute"},{"key":"k","value":"u","effect":"NoSchedule"}]}}"#;

const SCALE: &str = r#"{"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"app","namespace":"web","uid":"u","resourceVersion":"7","creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{"replicas":3},"status":{"replicas":3,"selector":"app=app"}}"#;
