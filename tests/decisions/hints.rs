//! Does a hint lead on in one step? Each refusal here is answered as a program would answer it: with what the hint
//! says and nothing else. The command that comes of it has to pass.

use super::explained;

/// A command that is refused under a shipped policy, and what its hint leads to.
const LED_ON: [(&str, &str, &str, &str); 46] = [
    ("read-only", "kubectl", "k get pods", "get pods"),
    (
        "read-only",
        "kubectl",
        "sudo kubectl get pods -A",
        "get pods -A",
    ),
    (
        "read-only",
        "kubectl",
        "$ kubectl get pods | head -3",
        "get pods | head -3",
    ),
    (
        "read-only",
        "kubectl",
        "/usr/bin/kubectl get pods",
        "get pods",
    ),
    (
        "read-only",
        "kubectl",
        "watch -n 2 kubectl get pods",
        "get pods",
    ),
    (
        "read-only",
        "kubectl",
        "KUBECONFIG=/x kubectl get pods",
        "get pods",
    ),
    (
        "read-only",
        "kubectl",
        "get pods -n web || true",
        "get pods -n web",
    ),
    (
        "read-only",
        "kubectl",
        "kubectl get pods 2>/dev/null || echo none",
        "kubectl get pods 2>/dev/null",
    ),
    (
        "read-only",
        "kubectl",
        "get pods -A | grep -v Running; kubectl get nodes",
        "get pods -A | grep -v Running",
    ),
    (
        "read-only",
        "kubectl",
        "get pods && kubectl get svc",
        "get pods",
    ),
    ("read-only", "kubectl", "helm list", "helm list"),
    ("read-only", "kubectl", "gte pods", "get pods"),
    ("read-only", "kubectl", "gett pods", "get pods"),
    ("read-only", "kubectl", "pods", "get pods"),
    ("read-only", "kubectl", "watch pods", "get pods"),
    ("read-only", "kubectl", "list pods", "get pods"),
    ("read-only", "kubectl", "log web-0", "logs web-0"),
    ("read-only", "kubectl", "whoami", "auth whoami"),
    (
        "standard",
        "kubectl",
        "restart deploy/web",
        "rollout restart deploy/web",
    ),
    ("read-only", "kubectl", "get podz", "get pods"),
    ("read-only", "kubectl", "get deploymnets", "get deployments"),
    (
        "read-only",
        "kubectl",
        "get gateway",
        "get gateways.networking.istio.io",
    ),
    (
        "read-only",
        "kubectl",
        "get pods --al-namespaces",
        "get pods --all-namespaces",
    ),
    ("read-only", "kubectl", "version --short", "version"),
    (
        "read-only",
        "kubectl",
        "logs web-0 --lines=20",
        "logs web-0 --tail=20",
    ),
    (
        "read-only",
        "kubectl",
        "logs web-0 --tail=100000",
        "logs web-0 --tail=5000",
    ),
    (
        "read-only",
        "kubectl",
        "get pods --kubeconfig ~/.kube/config",
        "get pods",
    ),
    (
        "read-only",
        "kubectl",
        "get pods --chunk-size=0",
        "get pods --chunk-size=500",
    ),
    (
        "read-only",
        "kubectl",
        "get pods -o jsonpath={range .items[*]}{.metadata.name}{\"\\n\"}{end}",
        "get pods -o jsonpath='{range .items[*]}{.metadata.name}{\"\\n\"}{end}'",
    ),
    (
        "read-only",
        "kubectl",
        "get pods | rg web",
        "get pods | grep -E web",
    ),
    (
        "read-only",
        "kubectl",
        "wait pod/web-0 --timeout=5s",
        "wait pod/web-0 --timeout=5s --for=create",
    ),
    (
        "read-only",
        "kubectl",
        "rollout status deploy/web --watch=true",
        "rollout status deploy/web --watch=false",
    ),
    ("read-only", "helm", "list --all", "list"),
    ("read-only", "helm", "list -a", "list"),
    (
        "standard",
        "helm",
        "status web --show-resources",
        "status web",
    ),
    ("standard", "helm", "status web --show-desc", "status web"),
    ("read-only", "helm", "kubectl get pods", "kubectl get pods"),
    (
        "standard",
        "helm",
        "rollback web 3 --timeout=1h",
        "rollback web 3 --timeout=60s",
    ),
    (
        "read-only",
        "istioctl",
        "describe pod web-0",
        "x describe pod web-0",
    ),
    ("read-only", "istioctl", "status", "proxy-status"),
    ("read-only", "istioctl", "precheck", "x precheck"),
    ("read-only", "argocd", "apps", "app list"),
    ("read-only", "argocd", "app status web", "app get web"),
    (
        "read-only",
        "argocd",
        "app logs web --since 60",
        "app logs web --since-seconds 60",
    ),
    (
        "read-only",
        "argocd",
        "app logs web --tail=0",
        "app logs web --tail=5000",
    ),
    (
        "read-only",
        "argocd",
        "app get-resource web",
        "app get-resource web --kind=ConfigMap",
    ),
];

#[test]
fn every_hint_leads_to_a_command_that_passes() {
    let mut wrong = Vec::new();
    for (policy, tool, command, expected) in LED_ON {
        let refused = explained(policy, tool, &[command]).remove(0);
        let text = |key: &str| refused[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(text("effect"), "deny", "{command} is refused");
        let (reason, hint) = (text("reason"), text("hint"));
        let Some((tool, next)) = followed(tool, command, &reason, &hint) else {
            wrong.push(format!(
                "{command:?}: nobody can follow {hint:?} ({reason})"
            ));
            continue;
        };
        if next != expected {
            wrong.push(format!(
                "{command:?}: {hint:?} leads to {next:?} ({reason})"
            ));
            continue;
        }
        let found = explained(policy, &tool, &[&next]).remove(0);
        if found["effect"] == "deny" {
            wrong.push(format!("{command:?}: {hint:?} leads to {next:?}, {found}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} rows:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// What a program makes of a hint: the tool and the command that it sends next.
fn followed(tool: &str, command: &str, reason: &str, hint: &str) -> Option<(String, String)> {
    let quoted = |text: &str| -> Vec<String> {
        text.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    let first = quoted(hint).into_iter().next();
    // What is wrong: the first word of the reason that stands in the command.
    let words: Vec<&str> = command.split(' ').collect();
    let wrong = quoted(reason).into_iter().find(|quoted| {
        words
            .iter()
            .any(|word| word == quoted || word.starts_with(&format!("{quoted}=")))
    });
    let same = |command: String| Some((tool.to_owned(), command));
    if let Some(rest) = hint.strip_prefix("call the tool `") {
        let other = rest.split('`').next()?.to_owned();
        return Some((other, command.to_owned()));
    }
    if hint.starts_with("send `") {
        return same(first?);
    }
    if hint.starts_with("quote it: `") {
        let (before, _) = command.split_once(" -o ")?;
        return same(format!("{before} {}", first?));
    }
    if hint.starts_with("leave --kubeconfig out") {
        let (before, _) = command.split_once(" --kubeconfig")?;
        return same(before.to_owned());
    }
    if hint.starts_with("leave it out") {
        let wrong = wrong?;
        let kept: Vec<&str> = words.into_iter().filter(|word| *word != wrong).collect();
        return same(kept.join(" "));
    }
    if let Some(flag) = hint.strip_prefix("add ") {
        let flag = flag.split([' ', ';']).next()?;
        return same(format!("{command} {flag}"));
    }
    if let Some(rest) = hint.strip_prefix("allowed for ") {
        let (flag, values) = rest.split_once(": ")?;
        let value = values.split([',', ';']).next()?;
        let value = value.rsplit_once("..").map_or(value, |(_, most)| most);
        let (before, _) = command.split_once(&format!("{flag}="))?;
        return same(format!("{before}{flag}={value}"));
    }
    let meant = match (
        hint.strip_prefix("did you mean `"),
        hint.strip_prefix("write --"),
    ) {
        (_, Some(rest)) => format!("--{}", rest.split([' ', ';']).next()?),
        _ if ["did you mean `", "write `", "use `"]
            .iter()
            .any(|begin| hint.starts_with(begin)) =>
        {
            first?
        }
        _ => return None,
    };
    let wrong = wrong?;
    // `apps` is meant as `app list`, and `status` of `app status web` as `app get`.
    let old = quoted(reason)
        .into_iter()
        .rev()
        .find(|group| {
            meant.starts_with(&format!("{group} "))
                && command.starts_with(&format!("{group} {wrong}"))
        })
        .map_or(wrong.clone(), |group| format!("{group} {wrong}"));
    same(command.replacen(&old, &meant, 1))
}
