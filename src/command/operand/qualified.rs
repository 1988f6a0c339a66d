//! Operands that hold a namespace: workloads of istioctl, applications of argocd.

use super::{named::Named, read::OperandReader};
use crate::{
    catalogue::resource,
    command::error::CommandError,
    tool::{Applications, Reach},
};

impl OperandReader<'_> {
    /// `NAME[.NAMESPACE]` and `TYPE/NAME[.NAMESPACE]`: the last dot behind the last slash counts
    /// (istioctl/pkg/util/handlers/handlers.go, inferNsInfo).
    pub(super) fn workloads(
        &self,
        reach: Reach,
        operands: &[String],
        named: &mut Named,
    ) -> Result<(), CommandError> {
        // Without a workload they are about all of them.
        named.everywhere = operands.is_empty();
        named.reach(reach);
        for word in operands {
            let (resource, object) = word
                .rsplit_once('/')
                .map_or((None, word.as_str()), |(resource, object)| {
                    (Some(resource), object)
                });
            // Of a type that no table holds nobody knows what it is.
            let canonical = match resource {
                Some(resource) => resource::canonical(&self.name(resource)?),
                None => Some("pods".to_owned()),
            };
            let (name, namespace) = object
                .rsplit_once('.')
                .map_or((object, None), |(name, namespace)| (name, Some(namespace)));
            let name = self
                .name(name)
                .map_err(|_| self.refused(word, "it is not the name of an object"))?;
            if let Some(canonical) = canonical {
                named.object(&canonical, Some(&name));
            }
            named.names.push(name);
            if let Some(namespace) = namespace {
                named.namespaces.push(self.namespace(word, namespace)?);
            }
        }
        Ok(())
    }

    /// `[NAMESPACE/]NAME` of applications and sets of them, and what stands behind.
    pub(super) fn applications(
        &self,
        which: Applications,
        operands: &[String],
        named: &mut Named,
    ) -> Result<(), CommandError> {
        let selects = ["selector", "project"]
            .iter()
            .any(|name| self.flags.contains_key(*name));
        let one = operands.len().min(1);
        let (applications, rest) = match which {
            Applications::All => {
                if let (Some(word), true) = (operands.first(), selects) {
                    return Err(
                        self.refused(word, "a name and a selector or project exclude each other")
                    );
                }
                (operands, &[][..])
            }
            Applications::First => (operands.get(..one).unwrap_or_default(), &[][..]),
            Applications::FirstThenNames => operands.split_at(one),
            Applications::None => (&[][..], &[][..]),
            Applications::Outside => (&[][..], operands),
        };
        // Lists and selections span all namespaces; projects, clusters and accounts are in none.
        named.everywhere = which == Applications::Outside
            || applications.is_empty() && named.namespaces.is_empty();
        for word in applications {
            let (namespace, name) = word
                .split_once('/')
                .map_or((None, word.as_str()), |(namespace, name)| {
                    (Some(namespace), name)
                });
            named.names.push(
                self.name(name)
                    .map_err(|_| self.refused(word, "it is not the name of an application"))?,
            );
            if let Some(namespace) = namespace {
                named.namespaces.push(self.namespace(word, namespace)?);
            }
        }
        named.names.extend(rest.iter().cloned());
        Ok(())
    }
}
