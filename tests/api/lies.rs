//! Requests beyond what honest commands explain: a tool that gets an honest command and asks for more.
//!
//! Each command has an honest request, which has to be explained, so that no lie is refused for the
//! want of an entry; and what earlier answers of the call named.

use kube_airlock::api::ApiRequest;

use crate::authority;

struct Case {
    command: &'static str,
    /// Requests whose answers named these objects of `NAMESPACE/NAME`.
    answered: &'static [(&'static str, &'static [&'static str])],
    honest: &'static [&'static str],
    lies: &'static [&'static str],
}

#[test]
fn no_request_beyond_its_command_is_explained() {
    let mut lies = 0;
    let mut wrong = Vec::new();
    for case in CASES {
        let mut authority = authority(case.command);
        for (request, names) in case.answered {
            let request = read(request).unwrap_or_else(|error| panic!("{request}: {error}"));
            assert!(
                authority.explain(&request).is_ok(),
                "{}: {request:?}",
                case.command
            );
            let names = names.iter().map(|name| {
                let (namespace, name) = name.split_once('/').unwrap();
                ((!namespace.is_empty()).then_some(namespace), name)
            });
            authority.learn(&request, names);
        }
        for honest in case.honest {
            let request = read(honest).unwrap_or_else(|error| panic!("{honest}: {error}"));
            if let Err(error) = authority.explain(&request) {
                wrong.push(format!("{}: {honest}: {error}", case.command));
            }
        }
        for lie in case.lies {
            lies += 1;
            // One that is no request of the API's at all is refused before anything explains it.
            let Ok(request) = read(lie) else { continue };
            if let Ok(sentence) = authority.explain(&request) {
                wrong.push(format!(
                    "{}: {lie} is explained by {sentence:?}",
                    case.command
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(lies >= 100, "{lies}");
}

pub fn read(request: &str) -> Result<ApiRequest, String> {
    let (method, target) = request.split_once(' ').unwrap();
    ApiRequest::read(method, target).map_err(|error| error.to_string())
}

const CASES: &[Case] = &[
    Case {
        command: "kubectl get pods -n web",
        answered: &[("GET /api/v1/namespaces/web/pods?limit=500", &["web/app-1"])],
        honest: &[
            "GET /api",
            "GET /apis",
            "GET /api/v1/namespaces/web/pods?limit=500",
            "GET /api/v1/namespaces/web/pods?continue=abc&limit=500",
            "GET /api/v1/namespaces/web",
        ],
        lies: &[
            // Another namespace, or all of them.
            "GET /api/v1/namespaces/payments/pods?limit=500",
            "GET /api/v1/pods?limit=500",
            "GET /api/v1/namespaces/kube-system/pods",
            "GET /api/v1/namespaces",
            "GET /api/v1/namespaces/payments",
            // Another kind.
            "GET /api/v1/namespaces/web/secrets",
            "GET /api/v1/namespaces/web/secrets/credential",
            "GET /api/v1/secrets?fieldSelector=metadata.name%3Dcredential",
            "GET /api/v1/namespaces/web/configmaps",
            "GET /api/v1/nodes",
            "GET /apis/apps/v1/namespaces/web/deployments",
            "GET /apis/metrics.k8s.io/v1beta1/namespaces/web/pods",
            "GET /apis/example.com/v1/namespaces/web/pods",
            // More than a list.
            "GET /api/v1/namespaces/web/pods?watch=true",
            "GET /api/v1/namespaces/web/pods?watch=1&limit=500",
            "GET /api/v1/watch/namespaces/web/pods",
            "GET /api/v1/namespaces/web/pods/app-1",
            "GET /api/v1/namespaces/web/pods/app-1/log",
            "GET /api/v1/namespaces/web/pods/app-1/status",
            "GET /api/v1/namespaces/web/pods/app-1/proxy/",
            "GET /api/v1/namespaces/web/pods/app-1/proxy",
            "GET /api/v1/nodes/node1/proxy/metrics",
            "GET /api/v1/nodes/node1/proxy/pods",
            "GET /api/v1/namespaces/web/services/app:80/proxy/admin",
            "GET /api/v1/namespaces/web/pods?labelSelector=app%3Dother",
            "GET /api/v1/namespaces/web/pods?fieldSelector=spec.nodeName%3Dnode1",
            // Writes.
            "DELETE /api/v1/namespaces/web/pods",
            "DELETE /api/v1/namespaces/web/pods?labelSelector=app%3Dweb",
            "DELETE /api/v1/namespaces/web/pods/app-1",
            "DELETE /api/v1/namespaces/web",
            "POST /api/v1/namespaces/web/pods",
            "PUT /api/v1/namespaces/web/pods/app-1",
            "PATCH /api/v1/namespaces/web/pods/app-1",
            "POST /api/v1/namespaces/web/pods/app-1/exec?command=id",
            "GET /api/v1/namespaces/web/pods/app-1/exec?command=id",
            "GET /api/v1/namespaces/web/pods/app-1/attach",
            "GET /api/v1/namespaces/web/pods/app-1/portforward",
            "POST /api/v1/namespaces/web/pods/app-1/eviction",
            "POST /api/v1/namespaces/web/pods/app-1/binding",
            "POST /api/v1/namespaces/web/serviceaccounts/default/token",
            "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            "POST /apis/authentication.k8s.io/v1/tokenreviews",
            // Outside of resources.
            "GET /",
            "GET /metrics",
            "GET /logs/kubelet.log",
            "GET /debug/pprof/",
            "GET /debug/pprof/heap",
            "GET /openid/v1/jwks",
            "GET /openapi/v3",
            "GET /configz",
            "POST /api",
            // Other spellings.
            "GET /api/v1/namespaces/web%2fsecrets/credential",
            "GET /api/v1/namespaces/web/%70ods",
            "GET /api/v1/namespaces/web/pods/..%2f..%2fpayments/pods",
            "GET /api/v1/namespaces/web/../payments/pods",
            "GET /api/v1/namespaces/web/./pods",
            "GET /api/v1/namespaces/web//pods",
            "GET //api/v1/namespaces/web/pods",
            "GET /api/v1/namespaces/web/pods/",
            "GET /api/v1/namespaces/web/pods;x=y",
            "GET /api/v1/namespaces/web/Pods",
            "GET https://10.0.0.1/api/v1/namespaces/web/pods",
            "GET /api/v1/namespaces/web/pods?watch=0&watch=1",
            "GET /api/v1/namespaces/web/pods?limit=500&limit=1",
            "GET /api/v1/namespaces/web/pods?limit=500;watch=1",
            "GET /api/v1/namespaces/web/pods?WATCH=1",
            "HEAD /api/v1/namespaces/web/pods",
            "OPTIONS /api/v1/namespaces/web/pods",
            "CONNECT /api/v1/namespaces/web/pods",
        ],
    },
    Case {
        command: "kubectl get pods -n web -l app=web",
        answered: &[],
        honest: &[
            "GET /api/v1/namespaces/web/pods?labelSelector=app%3Dweb&limit=500",
            "GET /api/v1/namespaces/web/pods?labelSelector=app%3D%3Dweb",
        ],
        lies: &[
            "GET /api/v1/namespaces/web/pods",
            "GET /api/v1/namespaces/web/pods?labelSelector=",
            "GET /api/v1/namespaces/web/pods?labelSelector=app%3Dother",
            "GET /api/v1/namespaces/web/pods?labelSelector=app",
            "GET /api/v1/namespaces/web/pods?labelSelector=app!%3Dweb",
            "GET /api/v1/namespaces/web/pods?labelSelector=app+in+(web,other)",
            "GET /api/v1/namespaces/web/pods?labelSelector=x+notin+(a,app%3Dweb)",
            "GET /api/v1/namespaces/web/pods?labelSelector=x!%3Da%5C,app%3Dweb",
            "GET /api/v1/pods?labelSelector=app%3Dweb",
        ],
    },
    Case {
        command: "kubectl get pods -n web --field-selector status.phase!=Running",
        answered: &[],
        honest: &[
            "GET /api/v1/namespaces/web/pods?fieldSelector=status.phase!%3DRunning&limit=500",
        ],
        lies: &[
            "GET /api/v1/namespaces/web/pods",
            "GET /api/v1/namespaces/web/pods?fieldSelector=status.phase!%3D%3DRunning",
            "GET /api/v1/namespaces/web/pods?fieldSelector=status.phase%3DRunning",
            "GET /api/v1/namespaces/web/pods?fieldSelector=x!%3Da%5C,status.phase!%3DRunning",
        ],
    },
    Case {
        command: "kubectl get deploy app -n web",
        answered: &[],
        honest: &["GET /apis/apps/v1/namespaces/web/deployments/app"],
        lies: &[
            "GET /apis/apps/v1/namespaces/web/deployments/other",
            "GET /apis/apps/v1/namespaces/web/deployments",
            "GET /apis/apps/v1/namespaces/web/deployments?fieldSelector=metadata.name%3Dother",
            "GET /apis/apps/v1/namespaces/web/deployments?fieldSelector=metadata.namespace%3Dweb",
            "GET /apis/apps/v1/namespaces/payments/deployments/app",
            "GET /apis/apps/v1/namespaces/web/deployments/app/scale",
            "GET /apis/extensions/v1beta1/namespaces/web/deployments/app",
        ],
    },
    Case {
        command: "kubectl get pods -A",
        answered: &[],
        honest: &["GET /api/v1/pods?limit=500"],
        lies: &[
            "GET /api/v1/secrets",
            "GET /api/v1/namespaces/web/pods/app-1",
            "GET /api/v1/nodes",
        ],
    },
    Case {
        command: "kubectl get pods -n web -w",
        answered: &[],
        honest: &["GET /api/v1/namespaces/web/pods?resourceVersion=7&watch=true"],
        lies: &[
            "GET /api/v1/namespaces/web/secrets?watch=true",
            "GET /api/v1/pods?watch=true",
            "GET /api/v1/namespaces/web/pods?watch=yes",
        ],
    },
    Case {
        command: "kubectl describe pod app -n web",
        answered: &[(
            "GET /api/v1/namespaces/web/pods?limit=500",
            &["web/app-1", "web/other-1"],
        )],
        honest: &[
            "GET /api/v1/namespaces/web/pods/app",
            "GET /api/v1/namespaces/web/pods/app-1",
        ],
        lies: &[
            "GET /api/v1/namespaces/web/pods/other-1",
            "GET /api/v1/namespaces/web/pods/app-2",
            "GET /api/v1/namespaces/payments/pods/app-1",
            "GET /api/v1/namespaces/web/events",
            "GET /api/v1/events?fieldSelector=involvedObject.uid%3D1",
            "GET /api/v1/namespaces/web/secrets",
        ],
    },
    Case {
        command: "kubectl logs deploy/app -n web",
        answered: &[(
            "GET /api/v1/namespaces/web/pods?labelSelector=app%3Dapp",
            &["web/app-1"],
        )],
        honest: &["GET /api/v1/namespaces/web/pods/app-1/log?container=app"],
        lies: &[
            "GET /api/v1/namespaces/web/pods/other-1/log?container=app",
            "GET /api/v1/namespaces/payments/pods/app-1/log",
            "GET /api/v1/namespaces/web/pods",
            "GET /api/v1/namespaces/web/pods/app-1/exec?command=id",
        ],
    },
    Case {
        command: "kubectl logs web-0 -c web -n web",
        answered: &[],
        honest: &["GET /api/v1/namespaces/web/pods/web-0/log?container=web&tailLines=2"],
        lies: &[
            "GET /api/v1/namespaces/web/pods/web-0/log?container=sidecar",
            "GET /api/v1/namespaces/web/pods/web-0/log",
            "GET /api/v1/namespaces/web/pods/web-1/log?container=web",
            "GET /api/v1/namespaces/web/pods?labelSelector=app%3Dweb",
            "GET /api/v1/namespaces/web/pods/web-0/log?container=web&insecureSkipTLSVerifyBackend=true",
        ],
    },
    Case {
        command: "kubectl exec -n web web-0 -c web -- cat /etc/hostname",
        answered: &[],
        honest: &[
            "GET /api/v1/namespaces/web/pods/web-0/exec?command=cat&command=%2Fetc%2Fhostname&container=web&stderr=true&stdout=true",
            "POST /api/v1/namespaces/web/pods/web-0/exec?command=cat&command=%2Fetc%2Fhostname&container=web&stderr=true&stdout=true",
        ],
        lies: &[
            "GET /api/v1/namespaces/web/pods/web-0/exec?command=cat&command=%2Fetc%2Fshadow&container=web",
            "GET /api/v1/namespaces/web/pods/web-0/exec?command=%2Fetc%2Fhostname&command=cat&container=web",
            "GET /api/v1/namespaces/web/pods/web-0/exec?command=sh&container=web",
            "GET /api/v1/namespaces/web/pods/web-0/exec?container=web",
            "GET /api/v1/namespaces/web/pods/web-0/exec?command=cat&command=%2Fetc%2Fhostname&container=other",
            "GET /api/v1/namespaces/web/pods/web-0/exec?command=cat&command=%2Fetc%2Fhostname&container=web&stdin=true",
            "GET /api/v1/namespaces/web/pods/web-0/exec?command=cat&command=%2Fetc%2Fhostname&container=web&tty=true",
            "GET /api/v1/namespaces/web/pods/web-1/exec?command=cat&command=%2Fetc%2Fhostname&container=web",
            "GET /api/v1/namespaces/payments/pods/web-0/exec?command=cat&command=%2Fetc%2Fhostname&container=web",
            "GET /api/v1/namespaces/web/pods/web-0/attach?container=web",
            "PUT /api/v1/namespaces/web/pods/web-0/exec?command=cat&command=%2Fetc%2Fhostname&container=web",
        ],
    },
    Case {
        command: "kubectl set image deploy/app app=demo/app:2 -n web --dry-run=server",
        answered: &[],
        honest: &[
            "PATCH /apis/apps/v1/namespaces/web/deployments/app?dryRun=All&fieldManager=kubectl-set",
        ],
        lies: &[
            "PATCH /apis/apps/v1/namespaces/web/deployments/app?fieldManager=kubectl-set",
            "PATCH /apis/apps/v1/namespaces/web/deployments/app?DryRun=All",
            "PATCH /apis/apps/v1/namespaces/web/deployments/app?dryRun=",
            "PATCH /apis/apps/v1/namespaces/web/deployments/app?dryRun=All&dryRun=",
            "PUT /apis/apps/v1/namespaces/web/deployments/app?dryRun=All",
            "PATCH /apis/apps/v1/namespaces/web/deployments/app?dryRun=All&force=true",
            "PATCH /apis/apps/v1/namespaces/web/deployments/app/scale?dryRun=All",
            "PATCH /apis/apps/v1/namespaces/web/deployments/other?dryRun=All",
        ],
    },
    Case {
        command: "kubectl label deploy app a=1 -n web --dry-run=client",
        answered: &[],
        honest: &["GET /apis/apps/v1/namespaces/web/deployments/app"],
        lies: &[
            "PATCH /apis/apps/v1/namespaces/web/deployments/app",
            "PATCH /apis/apps/v1/namespaces/web/deployments/app?dryRun=All",
        ],
    },
    Case {
        command: "kubectl label pods -l app=web a=1 -n web",
        answered: &[(
            "GET /api/v1/namespaces/web/pods?labelSelector=app%3Dweb",
            &["web/web-0"],
        )],
        honest: &["PATCH /api/v1/namespaces/web/pods/web-0"],
        lies: &[
            "PATCH /api/v1/namespaces/web/pods/web-1",
            "PATCH /api/v1/namespaces/payments/pods/web-0",
            "PATCH /api/v1/namespaces/web/pods/web-0/status",
            "DELETE /api/v1/namespaces/web/pods/web-0",
            "GET /api/v1/namespaces/web/pods",
        ],
    },
    Case {
        command: "kubectl delete pods -l app=web -n web",
        answered: &[(
            "GET /api/v1/namespaces/web/pods?labelSelector=app%3Dweb",
            &["web/web-0"],
        )],
        honest: &["DELETE /api/v1/namespaces/web/pods/web-0"],
        lies: &[
            "DELETE /api/v1/namespaces/web/pods/web-1",
            "DELETE /api/v1/namespaces/web/pods",
            "DELETE /api/v1/namespaces/web/pods?labelSelector=app%3Dweb",
            "DELETE /apis/apps/v1/namespaces/web/deployments/web-0",
            "POST /api/v1/namespaces/web/pods/web-0/eviction",
        ],
    },
    Case {
        command: "kubectl drain node2 --ignore-daemonsets",
        answered: &[(
            "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dnode2&limit=500",
            &["web/app-1"],
        )],
        honest: &[
            "PATCH /api/v1/nodes/node2",
            "POST /api/v1/namespaces/web/pods/app-1/eviction",
        ],
        lies: &[
            "POST /api/v1/namespaces/web/pods/app-2/eviction",
            "POST /api/v1/namespaces/payments/pods/app-1/eviction",
            "DELETE /api/v1/namespaces/web/pods/app-1",
            "PATCH /api/v1/nodes/node1",
            "DELETE /api/v1/nodes/node2",
            "GET /api/v1/pods",
            "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dnode1",
            "GET /api/v1/pods?fieldSelector=spec.nodeName!%3Dnode2",
        ],
    },
    Case {
        command: "kubectl create configmap settings --from-literal=a=b -n web",
        answered: &[],
        honest: &["POST /api/v1/namespaces/web/configmaps?fieldManager=kubectl-create"],
        lies: &[
            "POST /api/v1/namespaces/payments/configmaps",
            "POST /api/v1/namespaces/web/secrets",
            "POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            "PUT /api/v1/namespaces/web/configmaps/settings",
            "GET /api/v1/namespaces/web/configmaps",
        ],
    },
    Case {
        command: "kubectl create rolebinding b --role=r --serviceaccount=payments:robot -n web",
        answered: &[],
        honest: &["POST /apis/rbac.authorization.k8s.io/v1/namespaces/web/rolebindings"],
        lies: &["POST /apis/rbac.authorization.k8s.io/v1/namespaces/payments/rolebindings"],
    },
    Case {
        command: "kubectl create token robot -n web",
        answered: &[],
        honest: &["POST /api/v1/namespaces/web/serviceaccounts/robot/token"],
        lies: &[
            "POST /api/v1/namespaces/web/serviceaccounts/default/token",
            "POST /api/v1/namespaces/kube-system/serviceaccounts/robot/token",
            "POST /api/v1/namespaces/web/serviceaccounts",
            "GET /api/v1/namespaces/web/secrets",
        ],
    },
    Case {
        command: "kubectl scale deploy app --replicas=2 -n web",
        answered: &[],
        honest: &["PATCH /apis/apps/v1/namespaces/web/deployments/app/scale"],
        lies: &[
            "PATCH /apis/apps/v1/namespaces/web/deployments/app",
            "PATCH /apis/apps/v1/namespaces/web/statefulsets/app/scale",
            "PATCH /apis/apps/v1/namespaces/web/deployments/other/scale",
        ],
    },
    Case {
        command: "kubectl set env deploy/app --from=secret/credential -n web",
        answered: &[],
        honest: &["GET /api/v1/namespaces/web/secrets/credential"],
        lies: &[
            "GET /api/v1/namespaces/web/secrets/other",
            "GET /api/v1/namespaces/web/secrets",
            "PATCH /api/v1/namespaces/web/secrets/credential",
        ],
    },
    Case {
        command: "kubectl get widgets.v1.example.com w -n web",
        answered: &[],
        honest: &["GET /apis/example.com/v1/namespaces/web/widgets/w"],
        lies: &[
            "GET /apis/example.org/v1/namespaces/web/widgets/w",
            "GET /apis/example.com/v1/namespaces/payments/widgets/w",
            "GET /apis/example.com/v1/widgets",
            "GET /api/v1/namespaces/web/widgets/w",
        ],
    },
    Case {
        command: "kubectl version",
        answered: &[],
        honest: &["GET /version"],
        lies: &["GET /apis", "GET /api/v1/namespaces", "GET /version/x"],
    },
    Case {
        command: "kubectl version --client",
        answered: &[],
        honest: &[],
        lies: &["GET /version"],
    },
    Case {
        command: "helm history web -n web",
        answered: &[],
        honest: &[
            "GET /version",
            "GET /api/v1/namespaces/web/secrets?labelSelector=name%3Dweb,owner%3Dhelm",
            "GET /api/v1/namespaces/web/secrets/sh.helm.release.v1.web.v12",
        ],
        lies: &[
            "GET /api/v1/namespaces/web/secrets",
            "GET /api/v1/namespaces/web/secrets?labelSelector=owner%3Dhelm",
            "GET /api/v1/namespaces/web/secrets?labelSelector=name%3Dother,owner%3Dhelm",
            "GET /api/v1/secrets?labelSelector=name%3Dweb,owner%3Dhelm",
            "GET /api/v1/namespaces/web/secrets/sh.helm.release.v1.other.v1",
            "GET /api/v1/namespaces/web/secrets/sh.helm.release.v1.web.v1.v2",
            "GET /api/v1/namespaces/web/secrets/credential",
            "PUT /api/v1/namespaces/web/secrets/sh.helm.release.v1.web.v1",
            "DELETE /api/v1/namespaces/web/secrets/sh.helm.release.v1.web.v1",
        ],
    },
];
