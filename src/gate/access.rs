//! What a command runs with: a cluster's kubeconfig, an Argo CD server and a token, or nothing.

use std::{
    fs::File,
    io::{self, Read},
    net::IpAddr,
    path::Path,
    sync::{Arc, PoisonError},
    time::SystemTime,
};

use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::{call::Call, rooms::Rooms};
use crate::{
    argocd::ArgocdAccess,
    caller::Caller,
    egress::PROXY,
    endpoint::Endpoint,
    excerpt::Excerpt,
    kubeconfig::{Kubeconfig, decode},
    policy::Target,
    refusal::Refusal,
    secret::{SecretBytes, SecretString},
    tool::Tool,
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

impl Call<'_> {
    /// What the request brings for its tool.
    pub(super) async fn access(&self) -> Result<Access, Refusal> {
        let request = self.request;
        let wrong = |what: &str, hint: &str| {
            Err(Refusal::Request {
                reason: what.into(),
                hint: hint.into(),
            })
        };
        if request.tool != Tool::Argocd {
            if request.argocd_in_body {
                return wrong(
                    "only argocd takes argocd_server, argocd_auth_token and argocd_ca",
                    "leave them out",
                );
            }
            return Ok(Access::Kubernetes(self.kubeconfig().await?));
        }
        if request.cluster.is_some() || request.context.is_some() {
            return wrong(
                "argocd takes no cluster and no context",
                "give argocd_server and argocd_auth_token",
            );
        }
        Ok(Access::Argocd(Box::new(ArgocdAccess::parse(
            &request.argocd,
            SystemTime::now(),
        )?)))
    }

    /// The named cluster's kubeconfig, or the caller's own.
    async fn kubeconfig(&self) -> Result<Arc<Kubeconfig>, Refusal> {
        if let Some(name) = &self.request.cluster {
            return self.named_cluster(name);
        }
        let text = self
            .request
            .kubeconfig
            .as_ref()
            .ok_or(Refusal::NoKubeconfig)?;
        let terms = &self.rooms.terms;
        let mut kubeconfig = Kubeconfig::parse(
            &decode(text.expose())?,
            self.request.context.as_deref(),
            terms,
            SystemTime::now(),
        )?;
        if let Some(path) = kubeconfig.token_file().map(ToOwned::to_owned) {
            let what = "the operator's token for this cluster cannot be read";
            let fault = |source| Refusal::Fault { what, source };
            let token = spawn_blocking(move || token_in(&path))
                .await
                .map_err(|error| fault(io::Error::other(error)))?
                .map_err(fault)?;
            kubeconfig
                .put_token(token)
                .map_err(|_| fault(io::ErrorKind::InvalidData.into()))?;
        }
        Ok(Arc::new(kubeconfig))
    }

    /// A cluster that this caller may use; of any other it is not said whether it exists.
    fn named_cluster(&self, name: &str) -> Result<Arc<Kubeconfig>, Refusal> {
        if self.request.kubeconfig.is_some() || self.request.context.is_some() {
            let reason =
                "the request names a cluster and brings a kubeconfig or a context too".into();
            return Err(Refusal::Request {
                reason,
                hint: "give `cluster`, or `kubeconfig` and `context`".into(),
            });
        }
        let usable = usable_clusters(self.rooms, self.caller);
        match self
            .rooms
            .clusters
            .get(name)
            .filter(|_| usable.iter().any(|known| known == name))
        {
            Some(kubeconfig) => Ok(kubeconfig),
            None => {
                let hint = if usable.is_empty() {
                    "send a kubeconfig; this server names no clusters for this caller".to_owned()
                } else {
                    format!("clusters of this server: {}", usable.join(", "))
                };
                Err(Refusal::Request {
                    reason: format!("there is no cluster {} for this caller", Excerpt::new(name)),
                    hint,
                })
            }
        }
    }
}

pub(super) fn usable_clusters(rooms: &Rooms, caller: &Caller) -> Vec<String> {
    let policy = Arc::clone(&rooms.policy.read().unwrap_or_else(PoisonError::into_inner));
    let of = |name: &str, kubeconfig: &Kubeconfig| {
        Target::new(
            caller,
            Some(name),
            Some(kubeconfig.endpoint()),
            kubeconfig.namespace(),
        )
    };
    let usable = rooms
        .clusters
        .all()
        .into_iter()
        .filter(|(name, kubeconfig)| policy.reaches(&of(name, kubeconfig)));
    usable.map(|(name, _)| name).collect()
}

/// The token in an operator's file, without the line break at its end.
fn token_in(path: &Path) -> io::Result<SecretString> {
    let mut text = Zeroizing::new(String::with_capacity(LONGEST_TOKEN_FILE));
    File::open(path)?
        .take(LONGEST_TOKEN_FILE as u64)
        .read_to_string(&mut text)?;
    Ok(SecretString::new(text.trim_end().to_owned()))
}

/// Longer than any bearer token: a service account's has 1 KiB, a cloud's up to 4.
const LONGEST_TOKEN_FILE: usize = 16 * 1024;
