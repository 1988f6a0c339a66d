//! Ways around a rule, each of which was one once: a table of rules, a command and its effect.

use super::{load, rules};
use crate::{
    catalogue::Catalogue,
    command::{parse, split},
    policy::{Facts, Target},
    tool::Tool,
};

fn effect(lines: &[&str], command: &str) -> &'static str {
    use crate::policy::Decision as D;
    let policy = load(&rules(lines)).unwrap_or_else(|error| panic!("{lines:?}: {error}"));
    let tool: Tool = command.split(' ').next().unwrap().parse().unwrap();
    let catalogues = Catalogue::carried().unwrap();
    let catalogue = catalogues
        .iter()
        .find(|catalogue| catalogue.tool() == tool)
        .unwrap();
    let Ok(invocation) = parse(catalogue, split(tool, command).unwrap(), None) else {
        return "refused";
    };
    match policy.decide(Facts::new(
        &invocation,
        &Target {
            namespace: "prod".into(),
            ..Target::default()
        },
    )) {
        D::Allow(_) => "allow",
        D::Confirm(_) => "confirm",
        D::Deny(_) => "deny",
    }
}

#[test]
fn a_rule_is_not_dodged() {
    for (rules, command, expected) in [
        // `@plain` is what is plain for the verb that is asked for.
        (
            &[r#"a verbs = ["get", "wait", "delete"]; flags = ["@plain"]"#][..],
            "kubectl delete pods --all",
            "deny",
        ),
        (
            &[r#"a verbs = ["get", "wait", "delete"]; flags = ["@plain"]"#],
            "kubectl get pods --show-labels",
            "allow",
        ),
        (
            &[r#"a tool = "argocd"; verbs = ["*"]; flags = ["@plain"]"#],
            "argocd app get web -o json",
            "deny",
        ),
        // A flag or an operand of which a confirm rule does not know.
        (
            &[
                r#"a verbs = ["delete"]; flags = ["--ignore-not-found"]"#,
                r#"c verbs = ["delete"]"#,
            ],
            "kubectl delete pod web --ignore-not-found",
            "confirm",
        ),
        (
            &[
                r#"a verbs = ["get"]; flags = ["--all-namespaces"]"#,
                r#"c verbs = ["get"]; resources = ["secrets"]"#,
            ],
            "kubectl get secrets,pods -A",
            "confirm",
        ),
        (
            &[
                r#"a verbs = ["scale"]; flags = ["--replicas"]"#,
                r#"c verbs = ["scale"]; namespaces = ["prod"]"#,
            ],
            "kubectl scale deploy/web --replicas=0",
            "confirm",
        ),
        (
            &[
                r#"a verbs = ["delete"]"#,
                r#"c verbs = ["delete"]; names = ["db"]"#,
            ],
            "kubectl delete pod db x",
            "confirm",
        ),
        (
            &[
                r#"a verbs = ["delete"]; require = ["--dry-run"]; values = { "--dry-run" = ["client"] }"#,
                r#"c verbs = ["delete"]"#,
            ],
            "kubectl delete pod x --dry-run=client",
            "allow",
        ),
        // Custom resources: their namespace, and their other names.
        (
            &[
                r#"a verbs = ["delete"]; resources = ["certificates.cert-manager.io"]; namespaces = ["team-a"]"#,
            ],
            "kubectl delete certificates.v1.cert-manager.io web",
            "deny",
        ),
        (
            &[
                r#"a verbs = ["get"]"#,
                r#"d verbs = ["get"]; resources = ["sealedsecrets.bitnami.com"]"#,
            ],
            "kubectl get sealedsecret.v1alpha1.bitnami.com",
            "deny",
        ),
        (
            &[
                r#"a verbs = ["get"]"#,
                r#"d verbs = ["get"]; resources = ["virtualservices.networking.istio.io"]"#,
            ],
            "kubectl get vs.v1.networking.istio.io",
            "deny",
        ),
        (
            &[
                r#"a verbs = ["get"]"#,
                r#"d verbs = ["get"]; resources = ["virtualservices.networking.istio.io"]"#,
            ],
            "kubectl get VirtualService",
            "deny",
        ),
        // What is brought down is judged as it runs, and as it was sent.
        (
            &[
                r#"a verbs = ["wait"]; flags = ["--for"]; values = { "--timeout" = ["..60s"] }; clamp = ["--timeout"]"#,
                r#"d verbs = ["wait"]; values = { "--timeout" = ["60s"] }"#,
            ],
            "kubectl wait pod/web --for=delete --timeout=5m",
            "deny",
        ),
        (
            &[
                r#"a verbs = ["wait"]; flags = ["--for"]; values = { "--timeout" = ["..60s"] }; clamp = ["--timeout"]"#,
                r#"d verbs = ["wait"]; values = { "--timeout" = ["2m.."] }"#,
            ],
            "kubectl wait pod/web --for=delete --timeout=5m",
            "deny",
        ),
        (
            &[
                r#"a verbs = ["wait"]; flags = ["--for"]; values = { "--timeout" = ["..60s"] }; clamp = ["--timeout"]"#,
            ],
            "kubectl wait pod/web --for=delete --timeout=0",
            "deny",
        ),
        (
            &[r#"a verbs = ["get"]; resources = ["pods"]"#],
            "kubectl get all",
            "deny",
        ),
        // Lists: every element.
        (
            &[
                r#"a verbs = ["create deployment"]; values = { "--image" = ["registry.example.com/*"] }"#,
            ],
            "kubectl create deployment a --image=registry.example.com/a,evil.example/b",
            "deny",
        ),
        (
            &[
                r#"a verbs = ["create role"]; flags = ["--verb", "--resource"]"#,
                r#"d verbs = ["create role"]; values = { "--resource" = ["secrets"] }"#,
            ],
            "kubectl create role a --verb=get --resource=pods,secrets",
            "deny",
        ),
        (
            &[
                r#"a tool = "helm"; verbs = ["upgrade"]; charts = ["oci://ok/*"]; values = { "--set" = ["image.tag=*"] }"#,
            ],
            "helm upgrade web oci://ok/web --set image.tag=1,image.repository=evil",
            "deny",
        ),
        // What stands behind `--` is an argument like any other.
        (
            &[
                r#"a verbs = ["get", "exec"]; after_dash = true"#,
                r#"d verbs = ["get"]; resources = ["secrets"]"#,
            ],
            "kubectl get -- secrets db",
            "refused",
        ),
        // Namespaces inside of operands, and verbs that have none.
        (
            &[r#"a tool = "istioctl"; verbs = ["experimental metrics"]; namespaces = ["team-a"]"#],
            "istioctl x metrics web.kube-system",
            "deny",
        ),
        (
            &[
                r#"a tool = "istioctl"; verbs = ["uninstall"]; flags = ["--revision"]; namespaces = ["team-a"]"#,
            ],
            "istioctl uninstall --revision x -n team-a",
            "deny",
        ),
        (
            &[r#"a tool = "argocd"; verbs = ["app delete"]; namespaces = ["team-a"]"#],
            "argocd app delete web",
            "deny",
        ),
        (
            &[r#"a tool = "argocd"; verbs = ["app delete"]; namespaces = ["argocd"]"#],
            "argocd app delete argocd/web",
            "allow",
        ),
        (
            &[r#"a tool = "argocd"; verbs = ["cluster rm"]; namespaces = ["argocd"]"#],
            "argocd cluster rm prod",
            "deny",
        ),
        (
            &[
                r#"a tool = "argocd"; verbs = ["app delete"]; flags = ["--selector"]; namespaces = ["team-a"]"#,
            ],
            "argocd app delete -l a=b",
            "deny",
        ),
        (
            &[
                r#"a tool = "argocd"; verbs = ["app sync"]; flags = ["--selector"]; names = ["web"]"#,
            ],
            "argocd app sync web -l a=b",
            "refused",
        ),
        (
            &[r#"a verbs = ["cluster-info dump"]; namespaces = ["prod"]"#],
            "kubectl cluster-info dump",
            "deny",
        ),
        // Prefixes, hosts, formats, and what a flag names.
        (
            &[
                r#"a verbs = ["describe"]"#,
                r#"d verbs = ["describe"]; names = ["vault-*"]"#,
            ],
            "kubectl describe pod vaul",
            "deny",
        ),
        (
            &[
                r#"a verbs = ["describe"]"#,
                r#"d verbs = ["describe"]; namespaces = ["kube-*"]"#,
            ],
            "kubectl describe ns kub",
            "deny",
        ),
        (
            &[r#"a tool = "helm"; verbs = ["template"]; charts = ["https://*.example.com/*"]"#],
            "helm template a https://evil.net/x.example.com/y.tgz",
            "deny",
        ),
        (
            &[r#"a tool = "helm"; verbs = ["template"]; charts = ["*"]"#],
            "helm template a https://a.example.com:443@evil.net/y.tgz",
            "refused",
        ),
        (
            &[
                r#"a verbs = ["get"]; values = { "--output" = ["*"] }"#,
                r#"d verbs = ["get"]; values = { "--output" = ["yaml"] }"#,
            ],
            "kubectl get pods -o YAML",
            "deny",
        ),
        (
            &[r#"a verbs = ["expose"]; flags = ["--name", "--port"]; names = ["web"]"#],
            "kubectl expose deploy web --port=80 --name=payments",
            "deny",
        ),
        (
            &[
                r#"a verbs = ["set env"]; values = { "--from" = ["*"] }"#,
                r#"d verbs = ["set env"]; resources = ["secrets"]"#,
            ],
            "kubectl set env deploy/web --from=secret/db",
            "deny",
        ),
        // What is added is judged as well.
        (
            &[
                r#"a verbs = ["get"]; inject = { "--show-labels" = "true" }"#,
                r#"d verbs = ["get"]; flags = ["--show-labels"]"#,
            ],
            "kubectl get pods",
            "deny",
        ),
        (
            &[r#"a verbs = ["logs"]; inject = { "--tail" = "500" }"#],
            "kubectl logs web --tail=-1",
            "deny",
        ),
    ] {
        assert_eq!(effect(rules, command), expected, "{rules:?}\n{command}");
    }
}
