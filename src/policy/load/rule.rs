//! One rule: its keys, each read by the file beside this one that knows it, and what they rule out
//! together.

use std::num::{NonZeroU32, NonZeroU64};

use toml::Spanned;

use super::loading::{Loading, long_name};
use crate::{
    policy::{
        bounds::RuleBounds,
        effect::{Effect, RuleId},
        error::{PolicyError, position},
        file::RawRule,
        rule::Rule,
    },
    tool::RuleLists,
    unit::{Bytes, NotASize, go_duration},
};

impl Loading<'_> {
    /// The rule that `raw` means.
    pub(super) fn rule(&self, raw: &RawRule) -> Result<Rule, PolicyError> {
        let chosen = self.verbs(raw)?;
        let accepted = self.flags(raw, &chosen)?;
        if raw.effect == Effect::Deny {
            self.only_what_a_deny_rule_has(raw)?;
        }
        self.can_match(raw)?;
        let details = self.details(raw, &chosen)?;
        let number = |most: &Option<Spanned<usize>>| most.as_ref().map(|most| *most.get_ref());
        let flag_name = |flag: &Spanned<String>| long_name(flag.get_ref()).to_owned();
        Ok(Rule {
            id: RuleId {
                id: raw.id.get_ref().clone(),
                file: self.file.name.clone(),
                line: position(&self.file.text, raw.id.span().start).0,
            },
            effect: raw.effect,
            reason: raw.reason.clone(),
            hint: raw.hint.clone(),
            tool: raw.tool,
            callers: self.callers(raw)?,
            clusters: self.clusters(raw)?,
            resources: self.resources(raw)?,
            require: raw.require.iter().map(flag_name).collect(),
            max_operands: number(&raw.max_operands),
            max_names: number(&raw.max_names),
            opened_clusters: Vec::new(),
            names: self.names(raw, &chosen)?,
            namespaces: self.namespaces(raw)?,
            charts: self.globs(raw.charts.as_ref())?,
            after_dash: raw.after_dash,
            inject: self.injected(raw, &raw.inject, &accepted.flags, &chosen)?,
            inject_piped: raw
                .inject_piped
                .as_ref()
                .map(|added| self.injected(raw, added, &accepted.flags, &chosen))
                .transpose()?,
            clamp: self.clamped(raw, &accepted.flags, &chosen)?,
            bounds: self.bounds(raw)?,
            rate: self.rate(raw)?,
            details,
            objects: self.objects(raw)?,
            beyond: raw.beyond.as_ref().map(|id| id.get_ref().clone()),
            examples: raw
                .matches
                .iter()
                .map(|one| one.get_ref().clone())
                .collect(),
            by_name: chosen.by_name,
            verbs: chosen.verbs,
            flag_classes: accepted.classes,
            flags: accepted.flags,
        })
    }

    /// Refuses charts where there are none, and a rule that wants a name and accepts none.
    fn can_match(&self, raw: &RawRule) -> Result<(), PolicyError> {
        let names_charts = raw.tool.spec().lists == RuleLists::NamesAndCharts;
        if let (Some(charts), false) = (&raw.charts, names_charts) {
            return Err(self.error(charts.span(), "only helm's commands name charts", None));
        }
        let none =
            |most: &Option<Spanned<usize>>| most.as_ref().is_some_and(|most| *most.get_ref() == 0);
        let named = raw.names.as_ref().or(raw.charts.as_ref());
        match named {
            Some(names) if none(&raw.max_operands) || none(&raw.max_names) => Err(self.error(
                names.span(),
                "this rule wants a name and accepts none, so it never matches",
                None,
            )),
            _ => Ok(()),
        }
    }

    fn only_what_a_deny_rule_has(&self, raw: &RawRule) -> Result<(), PolicyError> {
        const BOUNDS: &str = "a deny rule starts nothing, so it bounds nothing";
        let wrong = [
            raw.require.first().map(|flag| {
                let message = "`require` makes an allow rule narrower; a deny rule lists `flags`";
                (flag.span(), message)
            }),
            raw.added().next().map(|(flag, _)| {
                let message = "a deny rule starts nothing, so it adds no flag";
                (flag.span(), message)
            }),
            raw.clamp.first().map(|flag| {
                let message = "a deny rule starts nothing, so it brings no value down";
                (flag.span(), message)
            }),
            raw.max_operands
                .as_ref()
                .map(|most| (most.span(), "`max_operands` makes an allow rule narrower")),
            raw.max_names
                .as_ref()
                .map(|most| (most.span(), "`max_names` makes an allow rule narrower")),
            raw.timeout.as_ref().map(|timeout| (timeout.span(), BOUNDS)),
            raw.max_output.as_ref().map(|most| (most.span(), BOUNDS)),
            raw.max_lines.as_ref().map(|most| (most.span(), BOUNDS)),
            raw.max_data.as_ref().map(|most| (most.span(), BOUNDS)),
            raw.max_objects.as_ref().map(|most| (most.span(), BOUNDS)),
            raw.after_dash
                .then(|| (raw.id.span(), "`after_dash` makes an allow rule wider")),
        ];
        match wrong.into_iter().flatten().next() {
            Some((span, message)) => Err(self.error(span, message, None)),
            None => Ok(()),
        }
    }

    fn bounds(&self, raw: &RawRule) -> Result<RuleBounds, PolicyError> {
        let timeout = raw.timeout.as_ref().map(|text| {
            go_duration(text.get_ref())
                .filter(|timeout| !timeout.is_zero())
                .ok_or_else(|| {
                    let message = "a timeout is a duration like 30s or 5m, and not 0";
                    self.error(text.span(), message, None)
                })
        });
        let size = |key: &str, given: &Option<Spanned<String>>| {
            let Some(text) = given else { return Ok(None) };
            let bytes = text.get_ref().parse().map(Bytes::length);
            bytes.map(Some).map_err(|_: NotASize| {
                let message = format!("{key} is a size like 64KiB or 1MiB, and not 0");
                self.error(text.span(), &message, None)
            })
        };
        let max_lines = raw.max_lines.as_ref().map(|most| {
            NonZeroU64::new(*most.get_ref()).ok_or_else(|| {
                let message = "max_lines is a number of lines, and not 0";
                self.error(most.span(), message, None)
            })
        });
        let max_objects = raw.max_objects.as_ref().map(|most| {
            NonZeroU32::new(*most.get_ref()).ok_or_else(|| {
                let message = "max_objects is a number of objects, and not 0";
                self.error(most.span(), message, None)
            })
        });
        Ok(RuleBounds {
            timeout: timeout.transpose()?,
            max_output_bytes: size("max_output", &raw.max_output)?,
            max_data_bytes: size("max_data", &raw.max_data)?,
            max_lines: max_lines.transpose()?,
            max_objects: max_objects.transpose()?,
        })
    }
}
