//! Operands of kubectl: objects of Kubernetes. Resources leave with version and group, which the API
//! server cannot reinterpret; policies see the canonical names.

use super::{named::Named, read::OperandReader};
use crate::{
    catalogue::resource,
    command::{adjustment::Adjustment, error::CommandError},
};

/// Last path segments of the API that are no objects.
const SUBRESOURCES: [&str; 10] = [
    "attach",
    "binding",
    "ephemeralcontainers",
    "eviction",
    "exec",
    "log",
    "portforward",
    "proxy",
    "status",
    "token",
];

impl OperandReader<'_> {
    /// Reads objects, then changes; `also` is a character of changes beside `=` and a last `-`.
    pub(super) fn objects_and_pairs(
        &self,
        also: Option<char>,
        operands: &mut [String],
        named: &mut Named,
    ) -> Result<(), CommandError> {
        // Where kubectl sees the first pair (pkg/cmd/util/helpers.go, GetResourcesAndPairs;
        // pkg/cmd/taint).
        let pair = |word: &String| {
            word.contains('=')
                || word.ends_with('-')
                || also.is_some_and(|character| word.contains(character))
        };
        let at = operands.iter().position(pair).unwrap_or(operands.len());
        let (objects, pairs) = operands.split_at_mut(at);
        let starts = |word: &String| {
            word.starts_with(|first: char| {
                first.is_ascii_alphanumeric() || first == '_' || first == '*'
            })
        };
        if let Some(word) = pairs.iter().find(|word| !pair(word) || !starts(word)) {
            return Err(self.refused(
                word,
                "behind the types and names stand changes: KEY=VALUE or KEY-",
            ));
        }
        named.pairs = pairs.to_vec();
        self.objects(objects, named)
    }

    /// Reads one object of `resource`, then at most `words` plain words.
    pub(super) fn one_object(
        &self,
        resource: &str,
        words: usize,
        operands: &mut [String],
        named: &mut Named,
    ) -> Result<(), CommandError> {
        let Some((target, rest)) = operands.split_first_mut() else {
            return Ok(());
        };
        self.object(resource, target, named)?;
        if let Some(word) = rest.get(words..).and_then(<[String]>::first) {
            return Err(self.refused(
                word,
                "this verb takes one object; what runs in a container stands behind `--`",
            ));
        }
        rest.iter().try_for_each(|word| self.name(word).map(drop))
    }

    /// `TYPE/NAME`, or a name of `resource`.
    pub(super) fn object(
        &self,
        resource: &str,
        word: &mut String,
        named: &mut Named,
    ) -> Result<(), CommandError> {
        let Some((token, object)) = word.split_once('/') else {
            named.names.push(self.name(word)?);
            named.resources.push(resource.to_owned());
            named.object(resource, Some(word));
            return Ok(());
        };
        named.names.push(self.name(object)?);
        let (canonical, qualified) = self.resource(token, named)?;
        named.object(&canonical, Some(object));
        *word = format!("{qualified}/{object}");
        named.resources.push(canonical);
        Ok(())
    }

    pub(super) fn objects(
        &self,
        operands: &mut [String],
        named: &mut Named,
    ) -> Result<(), CommandError> {
        if let Some(word) = operands.iter().find(|word| word.contains('/')) {
            if operands.first().is_some_and(|first| !first.contains('/')) {
                return Err(self.refused(word, "a name has no `/`: write TYPE NAME… or TYPE/NAME…"));
            }
            return self.typed_names(operands, named);
        }
        let Some((types, names)) = operands.split_first_mut() else {
            return Ok(());
        };
        if !names.is_empty() && types.split(',').any(is_all) {
            return Err(self.refused(types, "it stands for ten types, and names belong to one"));
        }
        let of_types = self.types(types, named)?;
        *types = of_types
            .iter()
            .map(|(_, qualified)| qualified.as_str())
            .collect::<Vec<_>>()
            .join(",");
        named.resources = of_types
            .into_iter()
            .map(|(canonical, _)| canonical)
            .collect();
        for word in &*names {
            if matches!(word.as_str(), "true" | "false") {
                return Err(self.refused(
                    word,
                    "a flag without a value takes none behind a blank; write --flag=true",
                ));
            }
            named.names.push(self.name(word)?);
        }
        for resource in named.resources.clone() {
            match names.is_empty() {
                true => named.object(&resource, None),
                false => names
                    .iter()
                    .for_each(|name| named.object(&resource, Some(name))),
            }
        }
        // `expose --selector` is what the new service selects.
        let is_expose = self
            .path
            .words()
            .first()
            .is_some_and(|word| word == "expose");
        let selects = !is_expose
            && ["selector", "field-selector", "all-namespaces"]
                .iter()
                .any(|flag| self.flags.contains_key(*flag));
        match names.first() {
            Some(word) if selects => Err(self.refused(
                word,
                "a name and a selector or --all-namespaces exclude each other",
            )),
            _ => Ok(()),
        }
    }

    /// Reads `TYPE[,TYPE]`. `all` is what every API server puts into it, so that what runs is what
    /// was judged: a cluster may put anything else there.
    fn types(&self, types: &str, named: &mut Named) -> Result<Vec<(String, String)>, CommandError> {
        let reads = matches!(self.path.words(), [verb] if verb == "get" || verb == "describe");
        let mut of_types = Vec::new();
        for token in types.split(',') {
            if !(reads && is_all(token)) {
                of_types.push(self.resource(token, named)?);
                continue;
            }
            of_types.extend(resource::ALL.into_iter().filter_map(resource::named));
            named.changes.push(Adjustment::Replaced {
                word: token.to_owned(),
                used: resource::ALL.join(","),
                why: "custom resources that this cluster may have put into it are not among them",
            });
        }
        Ok(of_types)
    }

    /// Reads `TYPE/NAME…`.
    fn typed_names(&self, operands: &mut [String], named: &mut Named) -> Result<(), CommandError> {
        for word in operands {
            let Some((_, object)) = word.split_once('/') else {
                return Err(
                    self.refused(word, "the arguments before it are TYPE/NAME and it is not")
                );
            };
            if SUBRESOURCES.contains(&object) {
                return Err(self.refused(word, "it reads like a sub-resource; write TYPE NAME if an object is really called that"));
            }
            self.object("", word, named)?;
        }
        Ok(())
    }
}

/// Whether a token is the category of every API server.
fn is_all(token: &str) -> bool {
    token.eq_ignore_ascii_case("all")
}
