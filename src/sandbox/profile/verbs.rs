//! Which profile a command runs under: what its tool says that it needs, or none.

use super::name::ProfileName;
use crate::{command::Invocation, tool::Need};

impl ProfileName {
    /// The profile of a command.
    pub fn of(invocation: &Invocation) -> Self {
        if invocation.is_offline() {
            return Self::Offline;
        }
        match invocation.need() {
            Need::Helper => Self::Diff,
            Need::Ports => Self::ListenerInet,
            Need::PortsAndAddresses => Self::ListenerNetlink,
            Need::Server => Self::Plain,
            Need::SocketFile => Self::ListenerUnix,
        }
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

    #[test]
    fn every_command_has_its_profile() {
        let carried = Catalogue::carried().unwrap();
        for (tool, command, expected) in [
            (Tool::KUBECTL, "kubectl get pods", ProfileName::Plain),
            (
                Tool::KUBECTL,
                "kubectl version --client",
                ProfileName::Offline,
            ),
            (
                Tool::ISTIOCTL,
                "istioctl version --remote=false",
                ProfileName::Offline,
            ),
            (
                Tool::ISTIOCTL,
                "istioctl version",
                ProfileName::ListenerInet,
            ),
            (
                Tool::ISTIOCTL,
                "istioctl version --help",
                ProfileName::Offline,
            ),
            (
                Tool::ISTIOCTL,
                "istioctl pc listeners web-0 -n shop",
                ProfileName::ListenerInet,
            ),
            (
                Tool::ISTIOCTL,
                "istioctl x describe pod web-0",
                ProfileName::ListenerInet,
            ),
            (Tool::ISTIOCTL, "istioctl ps", ProfileName::ListenerNetlink),
            (Tool::ISTIOCTL, "istioctl analyze", ProfileName::Plain),
            (Tool::ARGOCD, "argocd app list", ProfileName::Plain),
            (
                Tool::ARGOCD,
                "argocd app list --grpc-web=false",
                ProfileName::Plain,
            ),
            (
                Tool::ARGOCD,
                "argocd app list --grpc-web",
                ProfileName::ListenerUnix,
            ),
        ] {
            let catalogue = carried
                .iter()
                .find(|catalogue| catalogue.tool() == tool)
                .unwrap();
            let invocation = parse(catalogue, split(tool, command).unwrap(), None).unwrap();
            assert_eq!(ProfileName::of(&invocation), expected, "{command}");
        }
    }
}
