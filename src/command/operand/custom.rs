//! Resource tokens of operands: of the table, or a custom resource as far as it is known.

use super::{
    named::{CustomName, Customs, Named},
    read::OperandReader,
};
use crate::{
    catalogue::{
        CustomResources, WordMeaning,
        resource::{self, is_dns_label},
    },
    command::error::CommandError,
    excerpt::Excerpt,
    nearest::nearest,
};

impl OperandReader<'_> {
    /// The canonical and the qualified name of a token: the table's, or a custom resource's.
    pub(super) fn resource(
        &self,
        token: &str,
        named: &mut Named,
    ) -> Result<(String, String), CommandError> {
        if let Some(known) = resource::named(token) {
            return Ok(known);
        }
        match self.customs {
            Customs::Assumed if !resource::holds(token) => assumed(token, named),
            Customs::Known(cluster) if !resource::holds(token) => of_cluster(token, cluster, named),
            Customs::Assumed | Customs::Known(_) | Customs::Unknown => written_out(token),
        }
    }

    /// The same reader for what the tool gets as it was written.
    pub(super) fn without_customs(&self) -> Self {
        Self {
            customs: Customs::Unknown,
            ..*self
        }
    }
}

/// What a cluster has by the name of `token`.
fn of_cluster(
    token: &str,
    cluster: &CustomResources,
    named: &mut Named,
) -> Result<(String, String), CommandError> {
    match cluster.meaning(token) {
        WordMeaning::Nothing => Err(CommandError::NotInCluster {
            token: Excerpt::new(token),
            nearest: cluster.nearest(token),
        }),
        WordMeaning::One(one) => {
            let name = CustomName::Found {
                is_namespaced: one.is_namespaced(),
            };
            named.customs.insert(one.canonical(), name);
            Ok((one.canonical(), one.qualified(token)))
        }
        WordMeaning::Several(claimants) => Err(CommandError::AmbiguousResource {
            token: Excerpt::new(token),
            claimants,
        }),
    }
}

/// A name that stands for whatever the cluster may call so.
fn assumed(token: &str, named: &mut Named) -> Result<(String, String), CommandError> {
    let name = token.to_ascii_lowercase();
    let can_be = name.len() <= LONGEST_TOKEN && name.split('.').all(is_dns_label);
    if !can_be || name == "all" {
        return Err(unknown(token));
    }
    named.customs.insert(name.clone(), CustomName::Assumed);
    Ok((name.clone(), name))
}

/// A resource, a version and a group, each as long as it may be.
const LONGEST_TOKEN: usize = 63 + 1 + 63 + 1 + 253;

/// A custom resource that is named with its version and group.
fn written_out(token: &str) -> Result<(String, String), CommandError> {
    let mut parts = token.splitn(3, '.');
    if let (Some(plural), Some(version), Some(group)) = (parts.next(), parts.next(), parts.next())
        && is_dns_label(plural)
        && resource::is_version(version)
        && group.contains('.')
        && group.split('.').all(is_dns_label)
        // kubectl would take short and singular names of known kinds, which policies know by one
        // name.
        && !resource::has_group(group)
    {
        return Ok((format!("{plural}.{group}"), token.to_owned()));
    }
    Err(unknown(token))
}

/// The refusal of a token that the table does not hold.
fn unknown(token: &str) -> CommandError {
    // `gateways` alone could be Istio's or the Gateway API's.
    let claimants = resource::claimants(token);
    if !claimants.is_empty() {
        return CommandError::AmbiguousResource {
            token: Excerpt::new(token),
            claimants,
        };
    }
    let lower = token.to_ascii_lowercase();
    let nearest = nearest(&lower, resource::names()).map(str::to_owned);
    let group = token.split_once('.').map(|(_, group)| group);
    // Of a group that the table has, there is no such resource, whatever its version.
    let group = group.filter(|group| {
        let first = group.split('.').next().unwrap_or_default();
        let is_one = group.contains('.') && group.split('.').all(is_dns_label);
        is_one && !resource::is_version(first) && !resource::has_group(group)
    });
    CommandError::UnknownResource {
        token: Excerpt::new(token),
        nearest,
        group: group.map(str::to_owned),
    }
}
