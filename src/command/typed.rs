//! A command as a person would type it: [`Invocation::typed`].
//!
//! Comes in: an invocation. Goes out: a text that the catalogue reads as the same invocation, or the
//! rendered argv where no shorter text is read so. For reports; nothing is started from it.
//!
//! Held by the tests below.

use super::{Invocation, parse, split};
use crate::catalogue::{Catalogue, Flag, flag_named, resource};

impl Invocation {
    /// Returns the command as a person would type it, without what only the rendering adds.
    pub fn typed(&self, catalogue: &Catalogue) -> String {
        let argv = self.argv();
        let is_same = |text: &str| {
            let words = split(self.tool, text);
            let read = words.map(|words| parse(catalogue, words, None));
            matches!(read, Ok(Ok(read)) if read.argv() == argv)
        };
        let short: Vec<String> = self.operands.iter().map(|word| shortened(word)).collect();
        let all = self.words(catalogue, &short);
        if is_same(&all) {
            return all;
        }
        // A name may look like a type: `delete pods a.v1.b`.
        let mut operands = self.operands.clone();
        for (at, word) in short.into_iter().enumerate() {
            let Some(operand) = operands.get_mut(at) else {
                continue;
            };
            let full = std::mem::replace(operand, word);
            if !is_same(&self.words(catalogue, &operands)) {
                operands.splice(at..=at, [full]);
            }
        }
        match self.words(catalogue, &operands) {
            text if is_same(&text) => text,
            _ => joined(&argv),
        }
    }

    /// The operands that are neither types nor names: revisions, containers, KEY=VALUE.
    pub fn unnamed_operands(&self) -> Vec<&str> {
        let is_named = |word: &str| {
            let name = word.split_once('/').map_or(word, |(_, name)| name);
            let mut types = shortened(word);
            types.truncate(types.find('/').unwrap_or(types.len()));
            let mut types = types.split(',').map(str::to_owned);
            self.names()
                .iter()
                .any(|known| known == name || known == word)
                || self.charts().iter().any(|chart| chart == word)
                || types.all(|name| self.resources().contains(&name))
        };
        let words = self.operands.iter().map(String::as_str);
        words.filter(|word| !is_named(word)).collect()
    }

    /// The tool, the verb, these operands, then the flags: as help texts write commands.
    fn words(&self, catalogue: &Catalogue, operands: &[String]) -> String {
        let lineage = catalogue.lineage(&self.path).unwrap_or_default();
        let mut words = vec![self.tool.as_str().to_owned()];
        words.extend(self.path.words().iter().cloned());
        words.extend(operands.iter().cloned());
        for (name, values) in &self.flags {
            let flag = flag_named(&lineage, name);
            words.extend(
                values
                    .iter()
                    .flat_map(|value| flag_words(flag, name, value)),
            );
        }
        if let Some(rest) = &self.after_dash {
            words.push("--".to_owned());
            words.extend(rest.iter().cloned());
        }
        joined(&words)
    }
}

/// `-n web`, `--watch`, `--output=json`.
fn flag_words(flag: Option<&Flag>, name: &str, value: &str) -> Vec<String> {
    let is_bare = flag.is_some_and(|flag| flag.value_if_bare.as_deref() == Some(value));
    match flag.and_then(|flag| flag.shorthand) {
        _ if is_bare => vec![format!("--{name}")],
        Some(letter) if name == "namespace" => vec![format!("-{letter}"), value.to_owned()],
        _ => vec![format!("--{name}={value}")],
    }
}

/// `deployments.v1.apps/web` as `deployments.apps/web`, and `pods.v1.` as `pods`.
fn shortened(word: &str) -> String {
    let (types, name) = match word.split_once('/') {
        Some((types, name)) => (types, Some(name)),
        None => (word, None),
    };
    let types: Vec<String> = types.split(',').map(without_version).collect();
    match name {
        Some(name) => format!("{}/{name}", types.join(",")),
        None => types.join(","),
    }
}

fn without_version(qualified: &str) -> String {
    let versioned = qualified.split_once('.').and_then(|(plural, rest)| {
        let (version, group) = rest.split_once('.')?;
        resource::is_version(version).then_some((plural, group))
    });
    match versioned {
        Some((plural, "")) => plural.to_owned(),
        Some((plural, group)) => format!("{plural}.{group}"),
        None => qualified.to_owned(),
    }
}

/// Words with quotes where a shell, and [`split`], need them.
fn joined(words: &[String]) -> String {
    let quoted = |word: &String| match needs_quotes(word) {
        true => shlex::try_quote(word).map_or_else(|_| word.clone(), Into::into),
        false => word.clone(),
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

fn needs_quotes(word: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
    word.is_empty() || !word.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::Tool;

    #[test]
    fn what_a_person_would_type_means_the_same() {
        let catalogues = Catalogue::carried().unwrap();
        for (sent, typed) in [
            ("kubectl --v=0 get pods.v1.", "kubectl get pods"),
            (
                "kubectl get deploy,po web -nshop -o json",
                "kubectl get deployments.apps,pods web -n shop --output=json",
            ),
            (
                "kubectl get po -Ao 'jsonpath={.items[*].metadata.name}'",
                "kubectl get pods --all-namespaces '--output=jsonpath={.items[*].metadata.name}'",
            ),
            (
                "kubectl delete pods.v1. pods.v1.x",
                "kubectl delete pods pods.v1.x",
            ),
            (
                "kubectl exec web-0 -n web -- sh -c 'id; ls'",
                "kubectl exec web-0 -n web -- sh -c 'id; ls'",
            ),
            ("helm rollback web 2", "helm rollback web 2"),
            ("argocd app get team-a/web", "argocd app get team-a/web"),
        ] {
            let tool: Tool = sent.split(' ').next().unwrap().parse().unwrap();
            let mut known = catalogues.iter();
            let catalogue = known.find(|catalogue| catalogue.tool() == tool).unwrap();
            let read = |text| parse(catalogue, split(tool, text).unwrap(), None).unwrap();
            let shown = read(sent).typed(catalogue);
            assert_eq!(shown, typed);
            assert_eq!(read(&shown).argv(), read(sent).argv());
        }
    }
}
