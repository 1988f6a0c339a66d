//! What a command runs with: a cluster's kubeconfig, an Argo CD server and a token, or nothing.

use std::{net::IpAddr, sync::Arc};

use crate::{
    argocd::ArgocdAccess,
    egress::PROXY,
    endpoint::Endpoint,
    kubeconfig::Kubeconfig,
    secret::{SecretBytes, SecretString},
};

pub(super) enum Access {
    /// For a command that contacts nobody.
    Nothing,
    Kubernetes(Arc<Kubeconfig>),
    Argocd(Box<ArgocdAccess>),
}

/// What the child of a request gets of it.
pub(super) struct Handed {
    pub(super) kubeconfig: SecretBytes,
    /// PEM certificates for the child's own file.
    pub(super) authority: Option<String>,
    /// What the tool reads from its environment.
    pub(super) variables: Vec<(&'static str, SecretString)>,
}

impl Access {
    pub(super) fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Self::Nothing => None,
            Self::Kubernetes(kubeconfig) => Some(kubeconfig.endpoint()),
            Self::Argocd(argocd) => Some(argocd.endpoint()),
        }
    }

    pub(super) fn namespace(&self) -> &str {
        match self {
            Self::Kubernetes(kubeconfig) => kubeconfig.namespace(),
            Self::Nothing | Self::Argocd(_) => "default",
        }
    }

    /// Every text that may not be shown.
    pub(super) fn secrets(&self) -> Vec<SecretString> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Kubernetes(kubeconfig) => kubeconfig.secrets(),
            Self::Argocd(argocd) => argocd.secrets(),
        }
    }

    /// For a child that is pinned to `address`, and that names its server to a proxy even where Go
    /// would not (`by_proxy`). Without a cluster it gets a kubeconfig that leads nowhere: without
    /// any, client-go looks for the credentials of a pod.
    pub(super) fn handed(&self, address: Option<IpAddr>, by_proxy: bool) -> Handed {
        let nothing = || Handed {
            kubeconfig: Kubeconfig::nowhere(),
            authority: None,
            variables: Vec::new(),
        };
        match (self, address) {
            (Self::Kubernetes(kubeconfig), Some(_)) if by_proxy => Handed {
                kubeconfig: kubeconfig.render_with_proxy(PROXY),
                ..nothing()
            },
            (Self::Kubernetes(kubeconfig), Some(address)) => Handed {
                kubeconfig: kubeconfig.render(address),
                ..nothing()
            },
            (Self::Argocd(argocd), Some(_)) => Handed {
                authority: argocd.authority().map(str::to_owned),
                variables: argocd.variables(),
                ..nothing()
            },
            (Self::Nothing, _) | (_, None) => nothing(),
        }
    }
}
