//! Is a wrong command set right in one step, by its hint alone?

use serde_json::Value;

use crate::{airlock, text};

/// What agents write: slips, flags and words of other tools and versions, shell, and what a policy keeps to itself.
const UNDER_READ_ONLY: &str = "
kubectl gte pods
kubectl descirbe pod web-0
kubectl rollout stauts deploy/web
kubectl api-resource
kubectl log web-0
kubectl kubectl get pods
kubectl get deployement web
kubectl get nodess
kubectl get all pods
kubectl get pods --namspace web
kubectl get po web-0 -n web --outptu json
kubectl get pods --all-namespace
kubectl get pods -o yamll
kubectl get pods --output=jsn
kubectl get pod -n
kubectl get pods -n web -n shop
kubectl get pods --kubeconfig /root/.kube/config
kubectl get pods -A -w
kubectl get pods; id
kubectl get pods && kubectl get nodes
kubectl logs -f web-0
kubectl logs web-0 --tail all
kubectl logs web-0 --since 5minutes
kubectl top pod --sort cpu
kubectl version --short
kubectl wait pod/web-0
kubectl delete pod web-0
helm lst
helm histroy web
helm get metdata web
helm status web
kubectl logs web-0 -tail 5
helm list --all-namespace
helm list --output ymal
helm list -n
helm list --all
helm list --kube-context prod
istioctl proxy-stats
istioctl analyse
istioctl versoin
istioctl install
istioctl analyze --all-namespace
istioctl proxy-config cluser web-0
istioctl pc listener web-0 --prot 80
istioctl pc route web-0 -o yml
istioctl x descirbe pod web-0
argocd app ls
argocd apps list
argocd app gte web
argocd app resorces web
argocd proj lst
argocd app get web --outptu json
argocd app get web -o jsonn
argocd app logs web --follow
argocd app get web --server argo.example.com
";

const UNDER_STANDARD: &str = "
kubectl scale deploy web
kubectl scale deploy web --replicas three
kubectl scale deploy web --replica 3
kubectl label pods web-0 a=b --overwite
kubectl delete pod web-0 --dry-run=sever
";

#[test]
fn more_than_fifty_wrong_commands_are_set_right_in_one_step_by_their_hints() {
    let (mut seen, mut still_wrong) = (0, vec![]);
    for (policy, lines) in [
        ("builtin:read-only", UNDER_READ_ONLY),
        ("builtin:standard", UNDER_STANDARD),
    ] {
        let wrong: Vec<String> = lines.trim().lines().map(str::to_owned).collect();
        let told = explained(policy, &wrong);
        let steps = wrong.iter().zip(&told).map(|(line, told)| {
            assert_eq!(told["effect"], "deny", "{line} is not wrong: {told}");
            let (reason, hint) = (&told["reason"], &told["hint"]);
            followed(line, reason.as_str().unwrap(), hint.as_str().unwrap())
                .unwrap_or_else(|| format!("nobody can follow {hint}"))
        });
        let right: Vec<String> = steps.collect();
        for ((line, right), told) in wrong.iter().zip(&right).zip(explained(policy, &right)) {
            if told["effect"] != "allow" {
                still_wrong.push(format!(
                    "`{line}` became `{right}`: {}, {}",
                    told["reason"], told["hint"]
                ));
            }
        }
        seen += wrong.len();
    }
    assert!(seen > 50, "{seen}");
    assert!(still_wrong.is_empty(), "{}", still_wrong.join("\n"));
}

fn explained(policy: &str, lines: &[String]) -> Vec<Value> {
    let input: String = lines.iter().map(|line| format!("{line:?}\n")).collect();
    let output = airlock(
        &["policy", "explain", "--policy", policy, "--batch"],
        &input,
    );
    let told: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(told.len(), lines.len(), "{}", text(&output.stderr));
    told
}

/// What somebody sends next who knows no more than the answer: the hint's first proposal, done to the word that the
/// reason names.
fn followed(line: &str, reason: &str, hint: &str) -> Option<String> {
    let (tool, _) = line.split_once(' ')?;
    let words: Vec<&str> = line.split(' ').collect();
    let quoted: Vec<&str> = reason.split('`').skip(1).step_by(2).collect();
    let flags = reason.split(' ').filter(|word| word.starts_with('-'));
    let wrong = quoted.into_iter().chain(flags).find_map(|named| {
        let is_it = |word: &&str| -> bool {
            let (flag, value) = word.split_once('=').unwrap_or((word, ""));
            *word == named || flag == named || value == named
        };
        let at = words.iter().rposition(is_it)?;
        Some((at, named))
    });
    let with = |at: usize, new: &str| {
        let mut words = words.clone();
        words[at] = new;
        words.join(" ")
    };
    let without = |at: usize| {
        let (flag, next) = (words[at], words.get(at + 1));
        let takes_next = flag.starts_with("--")
            && !flag.contains('=')
            && next.is_some_and(|next| !next.starts_with('-'));
        let end = at + 1 + usize::from(takes_next);
        [&words[..at], &words[end.min(words.len())..]]
            .concat()
            .join(" ")
    };
    let proposal = between(hint, "`", "`").unwrap_or_default();
    let doing = hint.split('`').next().unwrap_or_default();
    match doing {
        "did you mean " => wrong.map(|(at, named)| with(at, &words[at].replace(named, proposal))),
        "send " if proposal.starts_with(tool) => Some(proposal.to_owned()),
        "send " => Some(format!("{tool} {proposal}")),
        "write " if proposal.contains(' ') => Some(format!("{tool} {proposal}")),
        "write " => wrong.map(|(at, _)| with(at, proposal)),
        _ if hint.starts_with("add ") => {
            let added = between(hint, "add ", ";").unwrap_or(&hint[4..]);
            Some(format!("{line} {}", added.replace("NUMBER", "3")))
        }
        _ if hint.starts_with("give a duration like ") => wrong.map(|(at, _)| with(at, "30s")),
        _ if hint.starts_with("give a whole number") => wrong.map(|(at, _)| with(at, "3")),
        _ if hint.starts_with("give --") && hint.ends_with(" once") => {
            let last = words.iter().rposition(|word| *word == "-n")?;
            Some([&words[..last], &words[last + 2..]].concat().join(" "))
        }
        _ if hint.starts_with("leave it out") || hint.contains("leave the flag out") => {
            wrong.map(|(at, _)| without(at))
        }
        _ if hint.starts_with("leave -") => {
            let named = between(hint, "leave ", " out")?;
            let at = words.iter().position(|word| {
                word.starts_with('-') && named.split([' ', ',']).any(|name| name == *word)
            })?;
            Some(without(at))
        }
        // Another command. kubectl's ask about what the wrong one was about.
        _ if proposal == "kubectl get" => Some(format!("{proposal} {}", words[2..].join(" "))),
        _ if proposal.starts_with(tool) => Some(proposal.to_owned()),
        _ => None,
    }
}

fn between<'t>(text: &'t str, begin: &str, end: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(begin)?;
    rest.split_once(end).map(|(found, _)| found)
}
