//! The objects of a rule: each entry with its resources, its scope and its conditions.
//!
//! Comes in: `[[rule.objects]]` and `beyond`. Goes out: [`Objects`]. Conditions make an allow rule narrower; what
//! denies or asks lists objects by what they are alone, so that nobody dodges it by a field. Held by the tests of
//! the policy room.

use toml::Spanned;

use super::loading::Loading;
use crate::{
    conditions::ObjectCondition,
    policy::{
        effect::Effect,
        error::PolicyError,
        file::{RawObjects, RawRule},
        objects::{ObjectEntry, Objects},
        resources::Resources,
    },
    tool::RuleLists,
};

impl Loading<'_> {
    /// What the rule says about objects.
    pub(super) fn objects(&self, raw: &RawRule) -> Result<Option<Objects>, PolicyError> {
        if let (Some(beyond), Effect::Allow | Effect::Deny) = (&raw.beyond, raw.effect) {
            let message = "only a confirm rule asks about what another rule does not accept";
            return Err(self.error(beyond.span(), message, None));
        }
        if raw.objects.is_empty() {
            return Ok(None);
        }
        if raw.tool.spec().lists != RuleLists::NamesAndResources {
            let message = "only kubectl's commands carry objects";
            return Err(self.error(raw.id.span(), message, None));
        }
        let listed = [
            raw.resources.as_ref().map(Spanned::span),
            raw.names.as_ref().map(Spanned::span),
            raw.max_names.as_ref().map(Spanned::span),
        ];
        if let Some(span) = listed.into_iter().flatten().next() {
            let message = "this is about what a command names, and this rule is about the objects that it carries";
            let help = "list it in [[rule.objects]]".to_owned();
            return Err(self.error(span, message, Some(help)));
        }
        let entries = raw.objects.iter().map(|entry| self.entry(raw, entry));
        Ok(Some(Objects(entries.collect::<Result<_, _>>()?)))
    }

    fn entry(&self, raw: &RawRule, entry: &RawObjects) -> Result<ObjectEntry, PolicyError> {
        let conditions: Vec<ObjectCondition> = entry
            .pod_security
            .iter()
            .map(|level| ObjectCondition::PodSecurity(*level.get_ref()))
            .chain(
                self.globs(entry.images.as_ref())?
                    .map(ObjectCondition::Images),
            )
            .chain(
                entry
                    .forbid
                    .iter()
                    .map(|one| ObjectCondition::Forbid(*one.get_ref())),
            )
            .collect();
        let first = [
            entry.pod_security.as_ref().map(Spanned::span),
            entry.images.as_ref().map(Spanned::span),
            entry.forbid.first().map(Spanned::span),
        ];
        if let (Effect::Deny, Some(span)) = (raw.effect, first.into_iter().flatten().next()) {
            let message = "a condition makes an allow rule narrower; a deny rule lists objects";
            return Err(self.error(span, message, None));
        }
        for label in &entry.labels {
            self.has_no_blank_at_its_ends(label)?;
            if label.get_ref().is_empty() || label.get_ref().starts_with(['=', '*']) {
                let message = "this is not `KEY=VALUE` or `KEY`, and no label has it";
                return Err(self.error(label.span(), message, None));
            }
        }
        let resources = entry.resources.as_ref().map(|listed| {
            let names = self.names_of(listed)?;
            let names = names.into_iter().map(Spanned::into_inner).collect();
            Ok(Resources::new(names))
        });
        Ok(ObjectEntry {
            resources: resources.transpose()?,
            names: self.globs(entry.names.as_ref())?,
            namespaces: self.namespaces_of(entry.namespaces.as_ref())?,
            labels: entry
                .labels
                .iter()
                .map(|label| label.get_ref().clone())
                .collect(),
            conditions,
        })
    }
}
