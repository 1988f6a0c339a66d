//! Operands of helm: releases and charts.

use super::{
    named::Named,
    read::{OperandReader, is_object_name},
};
use crate::command::error::CommandError;

impl OperandReader<'_> {
    pub(super) fn names_then_chart(
        &self,
        operands: &[String],
        named: &mut Named,
    ) -> Result<(), CommandError> {
        let Some((chart, releases)) = operands.split_last() else {
            return Ok(());
        };
        named.charts.push(self.chart(chart)?);
        for release in releases {
            named.names.push(self.name(release)?);
        }
        Ok(())
    }

    /// A chart that somebody serves. What is on this machine is nobody's chart.
    fn chart(&self, word: &str) -> Result<String, CommandError> {
        let of_host = word
            .strip_prefix("oci://")
            .or_else(|| word.strip_prefix("https://"));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/.:_+-".contains(&byte);
        let served = of_host.is_some_and(|rest| {
            rest.bytes().all(plain)
                && !rest.starts_with('/')
                && !rest
                    .split('/')
                    .any(|segment| matches!(segment, "" | "." | ".."))
        });
        let in_repository = word
            .split_once('/')
            .is_some_and(|(repository, chart)| is_object_name(repository) && is_object_name(chart));
        if served || in_repository {
            Ok(word.to_owned())
        } else {
            Err(self.refused(word, "it is a chart on this machine, and there are none"))
        }
    }
}
