//! Addresses that are never dialled, in every mapped form, and the operator's exceptions. Pure.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use crate::{
    endpoint::{Endpoint, EndpointHost},
    glob,
};

/// Why an address is not dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// Broadcast, multicast, unspecified, reserved.
    NotUnicast,
    /// Link-local, and what cloud providers answer metadata on.
    Metadata,
    /// This host, by a loopback address or one of its interfaces'.
    ThisHost,
}

impl Forbidden {
    /// The reason, as a caller reads it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotUnicast => "it is no unicast address",
            Self::Metadata => "it is a link-local or metadata address",
            Self::ThisHost => {
                "it is an address of this host, which only the operator's `egress.allow` opens"
            }
        }
    }
}

/// The operator's `egress.allow`, which opens servers on this host, and `egress.only`.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    rules: Vec<AllowRule>,
    /// The only servers that are reached, before a name is resolved.
    only: Option<Vec<OnlyRule>>,
}

/// A server that is reached: addresses, or a glob of names with a port or any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnlyRule {
    /// A literal address inside.
    Addresses(AllowRule),
    /// A name, whatever it resolves to.
    Names {
        /// A glob, lower case.
        name: String,
        /// Without one, any.
        port: Option<u16>,
    },
}

/// Why a text is not an [`OnlyRule`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither ADDRESS/PREFIX:PORT nor NAME:PORT, where a name may hold `*`")]
pub struct OnlyError(String);

impl FromStr for OnlyRule {
    type Err = OnlyError;

    fn from_str(text: &str) -> Result<Self, OnlyError> {
        if let Ok(rule) = text.parse() {
            return Ok(Self::Addresses(rule));
        }
        let wrong = || OnlyError(text.to_owned());
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(port.parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.*".contains(c);
        // What has no letter is an address that was misspelt.
        let is_name =
            name.chars().all(plain) && name.contains(|c: char| c.is_ascii_lowercase() || c == '*');
        if !is_name || port == Some(0) {
            return Err(wrong());
        }
        Ok(Self::Names {
            name: name.to_owned(),
            port,
        })
    }
}

impl OnlyRule {
    fn covers(&self, host: &EndpointHost, port: u16) -> bool {
        match (self, host) {
            (Self::Addresses(rule), EndpointHost::Address(address)) => {
                rule.covers(unmapped(*address), port)
            }
            (Self::Names { name, port: of }, EndpointHost::Name(host)) => {
                glob::matches(name, host) && of.is_none_or(|of| of == port)
            }
            (Self::Addresses(_), EndpointHost::Name(_))
            | (Self::Names { .. }, EndpointHost::Address(_)) => false,
        }
    }
}

/// `CIDR` or `CIDR:PORT[,PORT…]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowRule {
    network: IpAddr,
    prefix: u8,
    ports: Vec<u16>,
}

/// Why a text is not an [`AllowRule`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not ADDRESS, ADDRESS/PREFIX or either with :PORT[,PORT…]; IPv6 stands in brackets"
)]
pub struct AllowError(String);

impl FromStr for AllowRule {
    type Err = AllowError;

    fn from_str(text: &str) -> Result<Self, AllowError> {
        let wrong = || AllowError(text.to_owned());
        let (network, ports) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((inside, after)) => {
                let (prefix, ports) = after
                    .split_once(':')
                    .map_or((after, None), |(prefix, ports)| (prefix, Some(ports)));
                (format!("{inside}{prefix}"), ports.map(str::to_owned))
            }
            None => text
                .split_once(':')
                .map_or((text.to_owned(), None), |(network, ports)| {
                    (network.to_owned(), Some(ports.to_owned()))
                }),
        };
        let (address, prefix) = network
            .split_once('/')
            .map_or((network.as_str(), None), |(address, prefix)| {
                (address, Some(prefix))
            });
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix
            .map_or(Ok(longest), str::parse)
            .map_err(|_| wrong())?;
        let ports: Vec<u16> = ports
            .as_deref()
            .map_or(Ok(Vec::new()), |ports| {
                ports.split(',').map(str::parse).collect()
            })
            .map_err(|_| wrong())?;
        if prefix > longest || ports.contains(&0) {
            return Err(wrong());
        }
        Ok(Self {
            network: address,
            prefix,
            ports,
        })
    }
}

impl fmt::Display for AllowRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
        let port = if ports.is_empty() {
            String::new()
        } else {
            format!(":{}", ports.join(","))
        };
        match self.network {
            IpAddr::V4(network) => write!(f, "{network}/{}{port}", self.prefix),
            IpAddr::V6(network) => write!(f, "[{network}]/{}{port}", self.prefix),
        }
    }
}

impl AllowRule {
    fn covers(&self, address: IpAddr, port: u16) -> bool {
        let inside = match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                self.prefix == 0
                    || (u32::from(network) ^ u32::from(address)) >> (32 - u32::from(self.prefix))
                        == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                self.prefix == 0
                    || (u128::from(network) ^ u128::from(address)) >> (128 - u32::from(self.prefix))
                        == 0
            }
            _ => false,
        };
        inside && (self.ports.is_empty() || self.ports.contains(&port))
    }
}

impl Allowed {
    /// The operator's rules.
    pub fn new(rules: Vec<AllowRule>) -> Self {
        Self { rules, only: None }
    }

    /// The same, with which no other servers are reached than these.
    #[must_use]
    pub fn only(self, only: Option<Vec<OnlyRule>>) -> Self {
        Self { only, ..self }
    }

    /// Whether the server is one that may be reached at all. Asks nobody: a name is looked at, and
    /// not resolved.
    pub fn lists(&self, endpoint: &Endpoint) -> bool {
        let covers = |rule: &OnlyRule| rule.covers(endpoint.host(), endpoint.port());
        self.only
            .as_ref()
            .is_none_or(|only| only.iter().any(covers))
    }

    /// Whether `address` may be dialled on `port`; `is_own` says of an address whether it is this
    /// host's.
    ///
    /// This host is the operator's to open; metadata, link-local and what is no unicast address
    /// stays shut whatever the rules say.
    ///
    /// # Errors
    /// Why not.
    pub fn vet(
        &self,
        address: IpAddr,
        port: u16,
        is_own: impl FnOnce(IpAddr) -> bool,
    ) -> Result<(), Forbidden> {
        let plain = unmapped(address);
        match class(plain).or_else(|| is_own(plain).then_some(Forbidden::ThisHost)) {
            Some(Forbidden::ThisHost) if self.rules.iter().any(|rule| rule.covers(plain, port)) => {
                Ok(())
            }
            Some(forbidden) => Err(forbidden),
            None => Ok(()),
        }
    }
}

fn class(address: IpAddr) -> Option<Forbidden> {
    match address {
        IpAddr::V4(v4) => class_v4(v4),
        IpAddr::V6(v6) => class_v6(v6),
    }
}

fn class_v4(address: Ipv4Addr) -> Option<Forbidden> {
    let [a, b, ..] = address.octets();
    if address.is_loopback() {
        return Some(Forbidden::ThisHost);
    }
    // 100.100.100.200 is Alibaba Cloud's metadata service, 168.63.129.16 Azure's host, 192.0.0.192
    // Oracle's.
    let metadata = [
        Ipv4Addr::new(100, 100, 100, 200),
        Ipv4Addr::new(168, 63, 129, 16),
        Ipv4Addr::new(192, 0, 0, 192),
    ];
    if address.is_link_local() || metadata.contains(&address) {
        return Some(Forbidden::Metadata);
    }
    (a == 0 || a >= 224 || (a == 192 && b == 0 && address.octets()[2] == 0))
        .then_some(Forbidden::NotUnicast)
}

fn class_v6(address: Ipv6Addr) -> Option<Forbidden> {
    let [first, ..] = address.segments();
    if address.is_loopback() {
        return Some(Forbidden::ThisHost);
    }
    // fd00:ec2::/32 are Amazon's services (metadata, pod identity, DNS, time), fd20:ce::254 is
    // Google's metadata.
    let metadata = matches!(address.segments(), [0xfd00, 0xec2, ..])
        || address == Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254);
    if first & 0xffc0 == 0xfe80 || metadata {
        return Some(Forbidden::Metadata);
    }
    // A translator's own prefix (RFC 8215): which bits are the IPv4 address is the network's
    // choice.
    let translated = matches!(address.segments(), [0x64, 0xff9b, 1, ..]);
    (translated || address.is_unspecified() || address.is_multicast() || first & 0xffc0 == 0xfec0)
        .then_some(Forbidden::NotUnicast)
}

/// The IPv4 address inside v4-mapped, v4-compatible, NAT64, 6to4, Teredo and ISATAP forms, which a
/// network may translate back.
fn unmapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 =
        |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0, 0, 0, 0, 0xffff, 0) => v4(g, h),
        (0, 0, 0, 0, 0, 0) if g != 0 => v4(g, h),
        (0x64, 0xff9b, 0, ..) => v4(g, h),
        (0x2002, high, low, ..) => v4(high, low),
        (0x2001, 0, ..) => v4(!g, !h),
        (.., 0 | 0x200, 0x5efe) => v4(g, h), // ISATAP
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vet(address: &str, rules: &[&str]) -> Result<(), Forbidden> {
        let allowed = Allowed::new(rules.iter().map(|rule| rule.parse().unwrap()).collect());
        allowed.vet(address.parse().unwrap(), 6443, |address| {
            address == IpAddr::from([192, 0, 2, 9])
        })
    }

    #[test]
    fn never_addresses_stay_shut_in_every_form_and_under_every_rule() {
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::",
            "fe80::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "2001:db8::5efe:a9fe:a9fe",
            "100.100.100.200",
            "0.0.0.0",
            "::",
            "255.255.255.255",
            "224.0.0.1",
            "ff02::1",
            "240.0.0.1",
            "::169.254.169.254",
            "64:ff9b:1:a9fe:a9:fe00::",
        ] {
            assert!(vet(address, &["0.0.0.0/0", "[::]/0"]).is_err(), "{address}");
        }
    }

    #[test]
    fn this_host_is_the_operators_to_open() {
        assert_eq!(
            vet("192.0.2.9", &[]),
            Err(Forbidden::ThisHost),
            "an interface's address"
        );
        assert_eq!(vet("192.0.2.9", &["192.0.2.9"]), Ok(()));
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(vet(address, &[]), Err(Forbidden::ThisHost), "{address}");
        }
        assert_eq!(vet("127.0.0.1", &["127.0.0.1:6443"]), Ok(()));
        assert_eq!(
            vet("127.0.0.1", &["127.0.0.1:443"]),
            Err(Forbidden::ThisHost)
        );
        assert_eq!(vet("127.0.0.2", &["127.0.0.1"]), Err(Forbidden::ThisHost));
        assert_eq!(vet("::1", &["[::1]:6443"]), Ok(()));
    }

    #[test]
    fn servers_in_private_and_public_networks_are_open() {
        for address in [
            "10.0.0.1",
            "192.168.1.1",
            "203.0.113.7",
            "2001:db8::1",
            "fd12::1",
        ] {
            assert_eq!(vet(address, &[]), Ok(()), "{address}");
        }
    }

    #[test]
    fn rules_read_and_print() {
        for (text, shown) in [
            ("10.0.0.0/8:443,6443", "10.0.0.0/8:443,6443"),
            ("127.0.0.1", "127.0.0.1/32"),
            ("[::1]:1", "[::1]/128:1"),
            ("[fd00::]/8", "[fd00::]/8"),
        ] {
            assert_eq!(text.parse::<AllowRule>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "localhost",
            "10.0.0.0/33",
            "10.0.0.1:0",
            "10.0.0.1:x",
            "::1",
        ] {
            assert!(text.parse::<AllowRule>().is_err(), "{text}");
        }
    }
}
