//! What a command runs with: a cluster's kubeconfig, an Argo CD server and a token, or nothing.

use std::{
    io::{self, Read},
    path::Path,
    sync::Arc,
    time::SystemTime,
};

use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::{judge::not_yet, parts::Parts, request::Request};
use crate::{
    advice::Advice,
    api::{Authority, HiddenSecrets},
    argocd::{ArgocdAccess, Variables},
    clusters::Clusters,
    command::Invocation,
    data::Data,
    egress::{
        Allowed, Enforcement, Judging, Monitor, MonitorMode, MonitorTerms, PROXY, Pinned, pin,
    },
    endpoint::Endpoint,
    excerpt::Excerpt,
    identity::Caller,
    kubeconfig::{CertificateAuthority, Kubeconfig, KubeconfigError, Outline, Rendered, decode},
    manifest::ManifestObject,
    metrics,
    output::Unshown,
    policy::{Approved, Target},
    refusal::Refusal,
    sandbox::ProfileName,
    secret::SecretString,
    store::TurnOrWait,
    tool::{AccessKind, Tool},
    trusted::{self, Holds},
};

pub(super) enum Access {
    /// For a command that contacts nobody.
    Nothing,
    Kubernetes(Arc<Kubeconfig>),
    Argocd(Box<ArgocdAccess>),
    /// For a command about the kubeconfig itself: names, and no credential.
    Outline(Outline),
}

/// The files and variables that the child of a request reads.
pub(super) struct Inputs {
    pub(super) kubeconfig: Rendered,
    /// What holds the credential where the child's own file has none: what is kept for a caller is
    /// kept by it.
    known_by: Option<Rendered>,
    /// For the child's own file.
    pub(super) authority: Option<CertificateAuthority>,
    /// The variables of its environment that hold credentials.
    pub(super) variables: Option<Variables>,
    /// What the request brings for its command to read.
    pub(super) data: Data,
}

impl Inputs {
    /// The same, with what the request brings for its command to read.
    pub(super) fn bringing(self, data: Data) -> Self {
        Self { data, ..self }
    }

    /// What holds the credential that the call has: what is kept for a caller is kept by it.
    pub(super) fn known_by(&self) -> &Rendered {
        self.known_by.as_ref().unwrap_or(&self.kubeconfig)
    }
}

impl Access {
    pub(super) fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Self::Nothing | Self::Outline(_) => None,
            Self::Kubernetes(kubeconfig) => Some(kubeconfig.endpoint()),
            Self::Argocd(argocd) => Some(argocd.endpoint()),
        }
    }

    pub(super) fn namespace(&self) -> &str {
        match self {
            Self::Kubernetes(kubeconfig) => kubeconfig.namespace(),
            Self::Nothing | Self::Argocd(_) | Self::Outline(_) => "default",
        }
    }

    /// What of the output of `approved`, which is pinned to `pinned`, is not shown as it is.
    pub(super) fn unshown(&self, pinned: &Pinned, approved: &Approved) -> Unshown {
        let by_proxy = ProfileName::of(approved.invocation()).asks_proxy_always();
        let secrets = match self {
            Self::Nothing | Self::Outline(_) => Vec::new(),
            Self::Kubernetes(kubeconfig) => kubeconfig.secrets(),
            Self::Argocd(argocd) => argocd.secrets(),
        };
        Unshown {
            secrets,
            plain_server: pinned.plain_server(by_proxy),
        }
    }

    /// Renders what the child of `approved` gets, which is pinned to `pinned`. Without a cluster it
    /// gets a kubeconfig that leads nowhere: without any, client-go looks for the credentials of a
    /// pod.
    ///
    /// `known_by` is what [`Self::judged`] returned: then the child's own file has no credential.
    pub(super) fn inputs(
        &self,
        pinned: &Pinned,
        approved: &Approved,
        known_by: Option<Rendered>,
    ) -> Inputs {
        let address = pinned.address().map(|address| address.ip());
        // Some tools name their server to a proxy even where Go would not.
        let by_proxy = ProfileName::of(approved.invocation()).asks_proxy_always();
        let proxy = by_proxy.then_some(PROXY);
        let nothing = || Inputs {
            kubeconfig: Kubeconfig::nowhere(),
            known_by: None,
            authority: None,
            variables: None,
            data: Data::default(),
        };
        match (self, address) {
            (Self::Kubernetes(kubeconfig), Some(address)) if known_by.is_some() => Inputs {
                kubeconfig: kubeconfig.render_judged(address, proxy),
                known_by,
                ..nothing()
            },
            (Self::Kubernetes(kubeconfig), Some(_)) if by_proxy => Inputs {
                kubeconfig: kubeconfig.render_with_proxy(PROXY),
                ..nothing()
            },
            (Self::Kubernetes(kubeconfig), Some(address)) => Inputs {
                kubeconfig: kubeconfig.render(address),
                ..nothing()
            },
            (Self::Argocd(argocd), Some(_)) => Inputs {
                authority: argocd.authority().cloned(),
                variables: Some(argocd.variables()),
                ..nothing()
            },
            (Self::Outline(outline), _) => Inputs {
                kubeconfig: outline.render(),
                ..nothing()
            },
            (Self::Nothing, _) | (_, None) => nothing(),
        }
    }
}

impl Access {
    /// Reads what the request brings for its tool. Help prints the environment's tokens as
    /// defaults; a command that contacts nobody gets none.
    ///
    /// # Errors
    /// The refusal of what it brings, or lacks.
    pub(super) async fn of(
        invocation: &Invocation,
        request: &Request,
        caller: &Caller,
        parts: &Parts,
    ) -> Result<Self, Refusal> {
        if invocation.is_about_the_kubeconfig() {
            return outline(request, caller, parts).await.map(Self::Outline);
        }
        if invocation.is_offline() || not_yet(invocation).is_some() {
            return Ok(Self::Nothing);
        }
        let wrong = |reason: &str, hint: &str| Err(Refusal::Request(Advice::new(reason, hint)));
        if !request.stray_fields.is_empty() {
            return wrong(
                "only argocd takes argocd_server, argocd_auth_token and argocd_ca",
                "leave them out",
            );
        }
        match request.tool.spec().access {
            AccessKind::Nothing => Ok(Self::Nothing),
            AccessKind::Kubeconfig => {
                let kubeconfig = match &request.cluster {
                    Some(name) => named_cluster(name, request, caller, parts)?,
                    None if parts.allowances.named_only => return Err(named_only(parts, caller)),
                    None => own_kubeconfig(request, caller, parts).await?,
                };
                Ok(Self::Kubernetes(kubeconfig))
            }
            AccessKind::Argocd if request.cluster.is_some() || request.context.is_some() => wrong(
                "argocd takes no cluster and no context",
                "give argocd_server and argocd_auth_token",
            ),
            AccessKind::Argocd => {
                let access = ArgocdAccess::parse(&request.argocd, SystemTime::now())?;
                Ok(Self::Argocd(Box::new(access)))
            }
        }
    }

    /// Returns what the request is aimed at, for the policy: `cluster` is the name that the
    /// operator gave it, and a kubeconfig of the caller's own may lead to one of `clusters`.
    pub(super) fn target(
        &self,
        caller: &Caller,
        cluster: Option<&str>,
        clusters: &Clusters,
    ) -> Target {
        // A command that contacts nobody is in no cluster.
        let cluster = cluster.filter(|_| self.endpoint().is_some());
        let may_be = match self {
            Self::Kubernetes(own) => clusters.reached_by(own),
            Self::Nothing | Self::Argocd(_) | Self::Outline(_) => Vec::new(),
        };
        Target {
            may_be,
            ..Target::new(caller, cluster, self.endpoint(), self.namespace())
        }
    }

    /// Puts this server in the API server's place, where the tool's requests are judged: they are
    /// those of `approved`, in the call `request_id` of `principal`, as `request` wants it.
    /// Returns with it what holds the credential, which the tool does not get then.
    ///
    /// # Errors
    /// [`Refusal::Transport`] when the kubeconfig is none that this server can use itself,
    /// [`Refusal::Tool`] where the tool's writes are not seen here, and have to be.
    pub(super) fn judged(
        &self,
        pinned: Pinned,
        (approved, objects): (&Approved, &[ManifestObject]),
        parts: &Parts,
        principal: &str,
        (request, request_id): (&Request, &str),
    ) -> Result<(Pinned, Option<Rendered>), Refusal> {
        let tool = approved.invocation().tool();
        let enforcement = match parts.judging.of(tool) {
            Judging::Require => Enforcement::Refuse,
            Judging::Prefer => Enforcement::Tell,
            Judging::Off if approved.bounds().max_objects.is_some() => {
                return Err(Refusal::Tool(not_counted(tool, approved)));
            }
            Judging::Off => return unjudged(pinned, request),
        };
        let (Self::Kubernetes(kubeconfig), Some(address)) = (self, pinned.address()) else {
            return unjudged(pinned, request);
        };
        let known_by = kubeconfig.render(address.ip());
        let upstream = pinned.upstream(&parts.upstreams, principal, kubeconfig, &known_by)?;
        let Some(upstream) = upstream else {
            return unjudged(pinned, request);
        };
        let namespace = kubeconfig.namespace();
        let authority = Authority::carrying(approved.invocation(), objects, namespace);
        let mut budget = parts.bounds.api;
        let of_rule = approved.bounds().max_objects;
        budget.objects = of_rule.map_or(budget.objects, |most| budget.objects.min(most.get()));
        let terms = MonitorTerms {
            enforcement,
            mode: match request.is_preview {
                true => MonitorMode::Preview,
                false => MonitorMode::InEarnest,
            },
            prefix: kubeconfig.endpoint().path(),
            request_id,
            budget,
        };
        let secrets = hidden_secrets(tool)?;
        let monitor = Monitor::new(upstream, authority, secrets, terms);
        Ok((pinned.judged_by(monitor), Some(known_by)))
    }

    /// Resolves the server's name once and vets every address of it.
    ///
    /// # Errors
    /// [`Refusal::Egress`] for a server that may not be reached.
    pub(super) async fn pin(&self, allowed: &Allowed) -> Result<Pinned, Refusal> {
        let Some(endpoint) = self.endpoint() else {
            return Ok(Pinned::nowhere());
        };
        let pinned = pin(endpoint, allowed).await;
        Ok(pinned.inspect_err(|_| metrics::egress_refusal())?)
    }
}

/// The way of a tool to its server whose requests are not seen here.
///
/// # Errors
/// [`Refusal::Tool`] where nothing of them may be kept, unless it reaches nobody.
fn unjudged(pinned: Pinned, request: &Request) -> Result<(Pinned, Option<Rendered>), Refusal> {
    let tool = request.tool;
    match request.is_preview && pinned.address().is_some() {
        false => Ok((pinned, None)),
        true => Err(Refusal::Tool(Advice {
            reason: format!("{tool} has no preview here: its API requests do not pass this server"),
            hint: "leave `dry_run` out, or use the tool's own dry run".into(),
        })),
    }
}

/// Why a command does not run that may change so many objects, and whose changes nobody counts.
fn not_counted(tool: Tool, approved: &Approved) -> Advice {
    let rule = approved.rule();
    Advice {
        reason: format!(
            "rule `{rule}` has `max_objects`, and what {tool} changes is not counted here"
        ),
        hint: format!(
            "an operator says `{tool} = \"require\"` or `prefer` under `[api]`, or takes `max_objects` out of the rule"
        ),
    }
}

/// What takes the values of Secrets out of what a tool reads; none for one that has to see them.
///
/// # Errors
/// When the kernel has no randomness.
fn hidden_secrets(tool: Tool) -> Result<Option<HiddenSecrets>, Refusal> {
    if !tool.spec().is_without_secrets {
        return Ok(None);
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| Refusal::Fault {
        what: "there is no randomness",
        source: io::Error::other(error),
    })?;
    Ok(Some(HiddenSecrets::new(key)))
}

/// Reads the names in what the request brings, or of the cluster that it names.
async fn outline(request: &Request, caller: &Caller, parts: &Parts) -> Result<Outline, Refusal> {
    if let Some(name) = &request.cluster {
        let kubeconfig = named_cluster(name, request, caller, parts)?;
        return Ok(Outline::of_named_cluster(name, kubeconfig.namespace()));
    }
    if parts.allowances.named_only {
        return Err(named_only(parts, caller));
    }
    let text = request.kubeconfig.text().ok_or(Refusal::NoKubeconfig)?;
    let bytes = decode(text.expose())?;
    let is_soon_read = Kubeconfig::is_soon_read(&bytes);
    let (context, allowances) = (request.context.clone(), parts.allowances.clone());
    let read = move || Outline::parse(&bytes, context.as_deref(), &allowances);
    match is_soon_read {
        true => Ok(read()?),
        false => by_turn(caller, parts, read).await,
    }
}

/// Reads the kubeconfig that the request brings.
async fn own_kubeconfig(
    request: &Request,
    caller: &Caller,
    parts: &Parts,
) -> Result<Arc<Kubeconfig>, Refusal> {
    let text = request.kubeconfig.text().ok_or(Refusal::NoKubeconfig)?;
    let bytes = decode(text.expose())?;
    let is_soon_read = Kubeconfig::is_soon_read(&bytes);
    let (context, allowances) = (request.context.clone(), parts.allowances.clone());
    let read =
        move || Kubeconfig::parse(&bytes, context.as_deref(), &allowances, SystemTime::now());
    let mut kubeconfig = match is_soon_read {
        true => read()?,
        false => by_turn(caller, parts, read).await?,
    };
    if let Some(path) = kubeconfig.token_file().map(ToOwned::to_owned) {
        let what = "the operator's token for this cluster cannot be read";
        let fault = |source| Refusal::Fault { what, source };
        let token = spawn_blocking(move || token_in(&path)).await;
        let token = token
            .map_err(|error| fault(io::Error::other(error)))?
            .map_err(fault)?;
        let put = kubeconfig.put_token(token);
        put.map_err(|_| fault(io::ErrorKind::InvalidData.into()))?;
    }
    Ok(Arc::new(kubeconfig))
}

/// Reads a kubeconfig that may take long, elsewhere than other requests are served, and no more of
/// them at once than leave processors to those. Callers take turns.
async fn by_turn<T: Send + 'static>(
    caller: &Caller,
    parts: &Parts,
    read: impl FnOnce() -> Result<T, KubeconfigError> + Send + 'static,
) -> Result<T, Refusal> {
    let turn = match parts.store.reading.ask(caller.principal(), usize::MAX) {
        TurnOrWait::Now(turn) => Some(turn),
        TurnOrWait::Later(waiting) => waiting.turn().await,
    };
    let read = spawn_blocking(move || {
        let _turn = turn;
        read()
    });
    let read = read.await.map_err(|error| Refusal::Fault {
        what: "the kubeconfig could not be read",
        source: io::Error::other(error),
    })?;
    Ok(read?)
}

/// Returns a cluster that this caller may use; of any other it is not said whether it exists.
fn named_cluster(
    name: &str,
    request: &Request,
    caller: &Caller,
    parts: &Parts,
) -> Result<Arc<Kubeconfig>, Refusal> {
    if request.kubeconfig.text().is_some() || request.context.is_some() {
        return Err(Refusal::Request(Advice {
            reason: "the request names a cluster and brings a kubeconfig or a context too".into(),
            hint: "give `cluster`, or `kubeconfig` and `context`".into(),
        }));
    }
    let usable = usable_clusters(parts, caller);
    let is_usable = usable.iter().any(|known| known == name);
    let cluster = parts.clusters.get(name).filter(|_| is_usable);
    cluster.ok_or_else(|| {
        Refusal::Request(Advice {
            reason: format!("there is no cluster {} for this caller", Excerpt::new(name)),
            hint: if usable.is_empty() {
                "send a kubeconfig; this server names no clusters for this caller".to_owned()
            } else {
                format!("clusters of this server: {}", usable.join(", "))
            },
        })
    })
}

/// Refuses a kubeconfig of the caller's, before it is read: no name in it is resolved.
fn named_only(parts: &Parts, caller: &Caller) -> Refusal {
    let usable = usable_clusters(parts, caller);
    Refusal::Request(Advice {
        reason: "this server takes no kubeconfigs; its operator names the clusters".into(),
        hint: match usable.as_slice() {
            [] => "ask the operator; no cluster is named for this caller".to_owned(),
            names => format!("give `cluster`, one of: {}", names.join(", ")),
        },
    })
}

/// Returns the names of the clusters that the caller may use under the rules in force.
pub(super) fn usable_clusters(parts: &Parts, caller: &Caller) -> Vec<String> {
    let policy = parts.policy();
    let of = |name: &str, kubeconfig: &Kubeconfig| {
        Target::new(
            caller,
            Some(name),
            Some(kubeconfig.endpoint()),
            kubeconfig.namespace(),
        )
    };
    let usable = parts
        .clusters
        .all()
        .into_iter()
        .filter(|(name, kubeconfig)| policy.reaches(&of(name, kubeconfig)));
    usable.map(|(name, _)| name).collect()
}

/// The token in an operator's file, without the line break at its end.
fn token_in(path: &Path) -> io::Result<SecretString> {
    let mut text = Zeroizing::new(String::with_capacity(LONGEST_TOKEN_FILE));
    trusted::open(path, Holds::Secret, None)?
        .take(LONGEST_TOKEN_FILE as u64)
        .read_to_string(&mut text)?;
    Ok(SecretString::new(text.trim_end().to_owned()))
}

/// Longer than any bearer token: a service account's has 1 KiB, a cloud's up to 4.
const LONGEST_TOKEN_FILE: usize = 16 * 1024;
