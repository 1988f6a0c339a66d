//! Resolves once, vets every address. The only maker of [`Pinned`].

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use super::{
    address::{Allowed, Forbidden},
    listener::Listening,
    monitor::Monitor,
    tunnel::Tunnel,
    upstream::{Upstream, Upstreams},
};
use crate::{
    endpoint::{Endpoint, EndpointHost},
    kubeconfig::{Kubeconfig, Rendered, TransportError},
};

/// The one server that a child may connect to. Only [`pin`] and [`Pinned::nowhere`] make one:
///
/// ```compile_fail,E0423
/// let anywhere = kube_airlock::egress::Pinned(None);
/// ```
#[must_use]
#[derive(Debug)]
pub struct Pinned(Option<Pin>);

#[derive(Debug)]
struct Pin {
    endpoint: Endpoint,
    /// All that the name has, vetted, the first to be dialled first.
    addresses: Vec<SocketAddr>,
    /// What takes the child's requests in the server's place.
    monitor: Option<Arc<Monitor>>,
}

/// A resolver that does not answer within this is down; kubectl itself waits 5 s per attempt.
const RESOLVE_WITHIN: Duration = Duration::from_secs(5);

/// Why an endpoint is not pinned.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// An address that may not be dialled.
    #[error("the server {endpoint} is at {address}, and {}", .why.as_str())]
    Forbidden {
        /// The server.
        endpoint: String,
        /// Its address.
        address: IpAddr,
        /// Why not.
        why: Forbidden,
    },
    /// A server that the operator does not list.
    #[error("the server {endpoint} is none of those that this server reaches")]
    NotListed {
        /// The server.
        endpoint: String,
    },
    /// A name without an address.
    #[error("the name {name} does not resolve")]
    Unresolved {
        /// The name.
        name: String,
        /// The resolver's error.
        source: Option<io::Error>,
    },
}

impl EgressError {
    /// What to do instead, in one sentence.
    pub fn help(&self) -> String {
        match self {
            Self::Forbidden { address, why: Forbidden::ThisHost, .. } => {
                format!("an operator can open it with `--egress-allow {address}:PORT`")
            }
            Self::Forbidden { .. } => "use the address that the API server has in its network".into(),
            Self::NotListed { .. } => "an operator lists the servers under [egress] as `only`".into(),
            Self::Unresolved { .. } => "check the `server` of the kubeconfig; the name has to resolve where this server runs".into(),
        }
    }
}

impl Pinned {
    /// For a child that connects nowhere.
    pub fn nowhere() -> Self {
        Self(None)
    }

    /// The address that is dialled first.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0
            .as_ref()
            .and_then(|pin| pin.addresses.first().copied())
    }

    /// Whether the child dials by itself what it is pinned to, instead of asking a proxy.
    pub fn is_direct(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|pin| pin.endpoint.bypasses_proxies())
    }

    /// This server's own way there, of `principal` with the credential of `kubeconfig`, as
    /// `known_by` holds it. None where nobody is reached.
    ///
    /// # Errors
    /// When the kubeconfig is none that this server can use itself.
    pub fn upstream(
        &self,
        upstreams: &Upstreams,
        principal: &str,
        kubeconfig: &Kubeconfig,
        known_by: &Rendered,
    ) -> Result<Option<Arc<Upstream>>, TransportError> {
        let Some(pin) = &self.0 else { return Ok(None) };
        let (authority, addresses) = (pin.endpoint.authority(), &pin.addresses);
        let transport = || kubeconfig.transport();
        let known_by = known_by.expose();
        upstreams
            .of(principal, known_by, authority, addresses, transport)
            .map(Some)
    }

    /// The same server, reached by `monitor` alone: the child's requests end there.
    pub fn judged_by(self, monitor: Arc<Monitor>) -> Self {
        Self(self.0.map(|pin| Pin {
            monitor: Some(monitor),
            ..pin
        }))
    }

    /// The server, `host:port`, as a child writes it that knows it by plain HTTP: where its requests
    /// are judged. One that asks no proxy may know its address alone.
    pub fn plain_server(&self, asks_proxy_always: bool) -> Option<String> {
        let pin = self.0.as_ref().filter(|pin| pin.monitor.is_some())?;
        match self.is_direct() && !asks_proxy_always {
            true => self.address().map(|address| address.to_string()),
            false => Some(pin.endpoint.authority()),
        }
    }

    /// What takes the child's requests in the server's place, where something does.
    pub fn monitor(&self) -> Option<&Arc<Monitor>> {
        self.0.as_ref().and_then(|pin| pin.monitor.as_ref())
    }

    /// The way there, for one child, and to itself where it listens.
    pub fn tunnel(&self, listening: Option<Listening>) -> Option<Arc<Tunnel>> {
        let pin = self.0.as_ref()?;
        let (authority, addresses) = (pin.endpoint.authority(), pin.addresses.clone());
        let monitor = pin.monitor.clone();
        Some(Tunnel::new(authority, addresses, listening, monitor))
    }
}

/// Resolves the host of `endpoint` and vets every answer.
///
/// # Errors
/// [`EgressError`] when nothing answers, or when any of the addresses may not be dialled.
pub async fn pin(endpoint: &Endpoint, allowed: &Allowed) -> Result<Pinned, EgressError> {
    if !allowed.lists(endpoint) {
        return Err(EgressError::NotListed {
            endpoint: endpoint.to_string(),
        });
    }
    let port = endpoint.port();
    let addresses = match endpoint.host() {
        EndpointHost::Address(address) => vec![*address],
        EndpointHost::Name(name) => resolve(name, port).await?,
    };
    for &address in &addresses {
        allowed
            .vet(address, port, is_own)
            .map_err(|why| EgressError::Forbidden {
                endpoint: endpoint.to_string(),
                address,
                why,
            })?;
    }
    if addresses.is_empty() {
        return Err(EgressError::Unresolved {
            name: endpoint.host().to_string(),
            source: None,
        });
    }
    let mut addresses: Vec<SocketAddr> = addresses
        .into_iter()
        .map(|address| SocketAddr::new(address, port))
        .collect();
    // IPv4 first: a host without IPv6 connectivity still gets AAAA answers.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.truncate(MOST_ADDRESSES);
    Ok(Pinned(Some(Pin {
        endpoint: endpoint.clone(),
        addresses,
        monitor: None,
    })))
}

/// As many as are tried before a caller would give up.
const MOST_ADDRESSES: usize = 8;

/// Whether this host has the address: what listens on all of its own is reached by it.
fn is_own(address: IpAddr) -> bool {
    // Every call asks. Only what a host has can be bound there, and to try costs a twentieth of the
    // list of interfaces.
    let bound = UdpSocket::bind((address, 0));
    if bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrNotAvailable) {
        return false;
    }
    // It has it, or lets anything be bound (ip_nonlocal_bind), or has no descriptor left.
    let mut interfaces = nix::ifaddrs::getifaddrs()
        .into_iter()
        .flatten()
        .filter_map(|interface| interface.address);
    interfaces.any(|found| {
        let v4 = found.as_sockaddr_in().map(|found| IpAddr::V4(found.ip()));
        v4.or_else(|| found.as_sockaddr_in6().map(|found| IpAddr::V6(found.ip()))) == Some(address)
    })
}

async fn resolve(name: &str, port: u16) -> Result<Vec<IpAddr>, EgressError> {
    let unresolved = |source| EgressError::Unresolved {
        name: name.to_owned(),
        source,
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the room that resolves names"
    )]
    let lookup = tokio::net::lookup_host((name, port));
    let answer = tokio::time::timeout(RESOLVE_WITHIN, lookup)
        .await
        .map_err(|_| unresolved(None))?
        .map_err(|error| unresolved(Some(error)))?;
    let addresses: Vec<IpAddr> = answer.map(|address| address.ip()).collect();
    if addresses.is_empty() {
        Err(unresolved(None))
    } else {
        Ok(addresses)
    }
}
