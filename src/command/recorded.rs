//! What a record shows of an [`Invocation`]: [`Invocation::recorded_argv`].
//!
//! A credential has no place in a command line, and callers put them there all the same, mostly
//! where they are refused. So what may be one (`[masked]` of the hazards files) is written as `***`
//! and its length.
//!
//! Held by the tests below, `tests/service/fairness.rs` and the tests of `catalogue/mask.rs`.

use super::invocation::Invocation;
use crate::{
    catalogue::{Mask, OperandMask},
    excerpt::Excerpt,
};

/// What became of a command that is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// It runs.
    Allowed,
    /// It does not.
    Refused,
}

impl Invocation {
    /// Its argument vector, as records show it.
    pub fn recorded_argv(&self, recording: Recording) -> Vec<String> {
        let hides_documents = recording == Recording::Refused
            || self
                .resources()
                .iter()
                .any(|resource| resource == "secrets");
        let value = |name: &str, value: &str| match self.masks.get(name) {
            Some(Mask::Whole) => whole(value),
            Some(Mask::Pair) => pair(value),
            Some(Mask::Document) if hides_documents => whole(value),
            Some(Mask::Document) | None => value.to_owned(),
        };
        let operand = |number: usize, operand: &str| match self.operand_mask {
            Some(OperandMask::Pairs) if operand.contains('=') => pair(operand),
            Some(OperandMask::Rest) if number > 0 => whole(operand),
            Some(OperandMask::Pairs | OperandMask::Rest) | None => operand.to_owned(),
        };
        let argv = self.rendered(value, operand);
        argv.into_iter().map(without_userinfo).collect()
    }

    /// A text about it as records show it: without the values that [`Self::recorded_argv`] hides.
    pub fn recorded_text(&self, text: String) -> String {
        let masked = |name: &String| self.masks.contains_key(name);
        let flags = self.flags.iter().filter(|(name, _)| masked(name));
        let values = flags.flat_map(|(_, values)| values);
        let operands = self.operands.iter().filter(|_| self.operand_mask.is_some());
        values.chain(operands).fold(text, |text, value| {
            // Texts quote values in excerpts, or whole; of a short one nobody learns anything.
            let quoted = Excerpt::new(value);
            let text = text.replace(&quoted.to_string(), "`***`");
            match value.len() {
                0..4 => text,
                _ => text.replace(value, "***"),
            }
        })
    }
}

fn whole(value: &str) -> String {
    format!("***({})", value.len())
}

fn pair(value: &str) -> String {
    match value.split_once('=') {
        Some((key, value)) => format!("{key}={}", whole(value)),
        None => whole(value),
    }
}

/// `https://user:password@host` without what stands before the `@`.
fn without_userinfo(word: String) -> String {
    let Some((scheme, rest)) = word.split_once("://") else {
        return word;
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}{path}"),
        None => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalogue::Catalogue,
        command::{parse, split},
        tool::Tool,
    };

    fn read(line: &str) -> Invocation {
        let tool: Tool = line.split(' ').next().unwrap().parse().unwrap();
        let words = split(tool, line).unwrap();
        let carried = Catalogue::carried().unwrap();
        let catalogue = carried
            .iter()
            .find(|catalogue| catalogue.tool() == tool)
            .unwrap();
        parse(catalogue, words, None).unwrap()
    }

    fn refused(line: &str) -> String {
        read(line).recorded_argv(Recording::Refused).join(" ")
    }

    #[test]
    fn what_may_be_a_credential_is_recorded_as_its_length() {
        for (line, recorded) in [
            (
                "kubectl get pods --token=MYSECRETTOKEN123",
                "kubectl --v=0 get --token=***(16) pods.v1.",
            ),
            (
                "kubectl create secret generic db --from-literal=password=HUNTER2pw",
                "kubectl --v=0 create secret generic --from-literal=password=***(9) db",
            ),
            (
                "kubectl set env deploy/web PASSWORD=HUNTER2pw MODE-",
                "kubectl --v=0 set env deployments.v1.apps/web PASSWORD=***(9) MODE-",
            ),
            (
                "kubectl config set users.a.token HUNTER2pw",
                "kubectl --v=0 config set users.a.token ***(9)",
            ),
            (
                "kubectl patch deploy web -p {}",
                "kubectl --v=0 patch --patch=***(2) deployments.v1.apps web",
            ),
            (
                "helm install web oci://r.example/c --set db.password=HUNTER2pw,a=b",
                "helm install --set=db.password=***(13) web oci://r.example/c",
            ),
            (
                "helm repo add corp https://me:HUNTER2pw@charts.example/x?a=b",
                "helm repo add corp https://***@charts.example/x?a=b",
            ),
            (
                "argocd account update-password --new-password HUNTER2pw",
                "argocd account update-password --new-password=***(9)",
            ),
        ] {
            let argv = refused(line);
            assert!(!argv.contains("HUNTER2"), "{argv}");
            let of = |text: &str| -> Vec<String> {
                let mut words: Vec<_> = text.split(' ').map(str::to_owned).collect();
                words.sort();
                words
            };
            assert_eq!(of(&argv), of(recorded), "{line}");
        }
    }

    #[test]
    fn a_document_is_recorded_of_what_is_allowed_and_not_about_secrets() {
        let allowed = |line: &str| read(line).recorded_argv(Recording::Allowed).join(" ");
        let patch = "-p '{\"spec\":{\"replicas\":2}}'";
        assert!(allowed(&format!("kubectl patch deploy/web {patch}")).contains("replicas"));
        assert!(!allowed(&format!("kubectl patch secret/db {patch}")).contains("replicas"));
    }

    #[test]
    fn a_reason_repeats_nothing_of_what_is_hidden() {
        let invocation = read("kubectl get pods --token=MYSECRETTOKEN123 --as=me");
        let text = format!(
            "--token {} and MYSECRETTOKEN123, {}",
            Excerpt::new("MYSECRETTOKEN123"),
            Excerpt::new("me")
        );
        let expected = "--token `***` and ***, `***`";
        assert_eq!(invocation.recorded_text(text), expected);
    }
}
