//! Does the API server read a request line as our reader does?
//!
//! tools/request-oracle is `k8s.io/apiserver`'s resolver behind Go's own HTTP reader. Lines are made
//! of what tools send, of what could be misread, and of both with a few bytes changed. For every line
//! that the reader accepts both must find the same verb, group, version, namespace, resource, name,
//! subresource, selectors and query; and the same again in the target that is written from the parts.
//!
//! `AIRLOCK_TEST_REQUESTS` is the number of lines, `AIRLOCK_TEST_SEED` what they are made from.

use std::{collections::BTreeMap, env, process::Command, time::Instant};

use kube_airlock::api::{ApiPath, ApiRequest, KubeletPath, ResourcePath};
use serde::{Deserialize, Deserializer};

use crate::{answers, built, random::Random};

#[test]
fn the_api_server_reads_every_accepted_request_as_our_reader_does() {
    let count = env::var("AIRLOCK_TEST_REQUESTS").map_or(200_000, |text| {
        text.parse().expect("AIRLOCK_TEST_REQUESTS is a number")
    });
    let seed = env::var("AIRLOCK_TEST_SEED").map_or(0x2545_f491_4f6c_dd1d, |text| {
        text.parse().expect("AIRLOCK_TEST_SEED is a number")
    });
    let oracle = built("request-oracle", ".");
    let start = Instant::now();
    let mut author = Author { state: seed };
    let (mut accepted, mut resources) = (0, 0);
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    let mut asked = Vec::new();
    for _ in 0..count {
        let (method, target) = author.line();
        match ApiRequest::read(&method, &target) {
            Ok(request) => {
                accepted += 1;
                resources += usize::from(matches!(request.path, ApiPath::Resource(_)));
                let written = format!("{} {}", request.method, request.target());
                asked.push((format!("{method} {target}"), request.clone()));
                asked.push((written, request));
            }
            Err(odd) => *refused.entry(odd.to_string()).or_default() += 1,
        }
    }
    let lines: Vec<String> = asked.iter().map(|(line, _)| line.clone()).collect();
    let readings: Vec<Reading> = answers(&mut Command::new(&oracle), &lines);
    let differences: Vec<String> = asked
        .iter()
        .zip(readings)
        .filter_map(|((line, request), reading)| {
            let meant = Reading::meant(request);
            (meant != reading)
                .then(|| format!("{line}\n  ours:   {meant:?}\n  theirs: {reading:?}"))
        })
        .collect();
    println!(
        "{accepted} of {count} lines accepted, {resources} of them resources, {} differences, {:.1} s; AIRLOCK_TEST_SEED={seed}",
        differences.len(),
        start.elapsed().as_secs_f64()
    );
    for (why, times) in &refused {
        println!("{times:>8}  {why}");
    }
    let shown = differences.iter().take(20).map(String::as_str);
    assert!(
        differences.is_empty(),
        "{} of {accepted} requests differ, AIRLOCK_TEST_SEED={seed}\n{}",
        differences.len(),
        shown.collect::<Vec<_>>().join("\n")
    );
    // Otherwise nothing was compared, or nothing that is hard.
    assert!(4 * accepted >= count && 2 * resources >= accepted && refused.len() >= 20);
}

/// The oracle's answer (tools/request-oracle).
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
struct Reading {
    is_resource: bool,
    path: String,
    verb: String,
    group: String,
    version: String,
    namespace: String,
    resource: String,
    subresource: String,
    name: String,
    #[serde(deserialize_with = "or_none")]
    parts: Vec<String>,
    field_selector: String,
    label_selector: String,
    #[serde(deserialize_with = "or_none")]
    query: BTreeMap<String, Vec<String>>,
    error: String,
}

/// Go writes what is empty as null.
fn or_none<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Reading {
    /// What the resolver should find in a request.
    fn meant(request: &ApiRequest) -> Self {
        let mut meant = Self {
            path: request.path.to_string(),
            verb: request.verb.to_string(),
            ..Self::default()
        };
        for (key, value) in request.query.iter() {
            meant
                .query
                .entry(key.into())
                .or_default()
                .push(value.into());
        }
        match &request.path {
            ApiPath::Kubelet(KubeletPath { node, endpoint }) => {
                let parts = ["nodes", node, "proxy"]
                    .into_iter()
                    .chain(endpoint.split('/'));
                meant.is_resource = true;
                meant.version = "v1".into();
                meant.resource = "nodes".into();
                meant.subresource = "proxy".into();
                meant.name.clone_from(node);
                meant.parts = parts.map(str::to_owned).collect();
            }
            ApiPath::Other(_) => {
                // The resolver has got as far as the group's version.
                return meant;
            }
            ApiPath::Resource(resource) => meant.be(request, resource),
        }
        meant
    }

    fn be(&mut self, request: &ApiRequest, resource: &ResourcePath) {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        self.is_resource = true;
        self.group.clone_from(&resource.group);
        self.version.clone_from(&resource.version);
        self.namespace = text(&resource.namespace);
        self.resource.clone_from(&resource.resource);
        self.subresource = text(&resource.subresource);
        self.name = request.name().unwrap_or_default().to_owned();
        let parts = [&resource.name, &resource.subresource];
        self.parts = std::iter::once(resource.resource.clone())
            .chain(parts.into_iter().flatten().cloned())
            .collect();
        if ["list", "watch", "deletecollection"].contains(&self.verb.as_str()) {
            let selector = |key| request.query.get(key).unwrap_or_default().to_owned();
            self.field_selector = selector("fieldSelector");
            self.label_selector = selector("labelSelector");
        }
    }
}

/// Writes request lines: honest ones, crafty ones, and damaged ones of both.
struct Author {
    state: u64,
}

impl Random for Author {
    fn state(&mut self) -> &mut u64 {
        &mut self.state
    }
}

const METHODS: [&str; 14] = [
    "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "POST", "PUT", "PATCH", "DELETE",
    "DELETE", "HEAD",
];

const BASES: [&str; 11] = [
    "/api/v1",
    "/api/v1",
    "/api/v1",
    "/apis/apps/v1",
    "/apis/apps/v1",
    "/apis/batch/v1",
    "/apis/example.com/v1alpha1",
    "/api/v2",
    "/apis/metrics.k8s.io/v1beta1",
    "/API/v1",
    "/apis/v1",
];

const RESOURCES: [&str; 10] = [
    "pods",
    "pods",
    "pods",
    "secrets",
    "deployments",
    "namespaces",
    "nodes",
    "services",
    "events",
    "widgets",
];

const ODD_RESOURCES: [&str; 5] = ["status", "watch", "proxy", "Secrets", "namespaces"];

const NAMES: [&str; 15] = [
    "web",
    "web-0",
    "db",
    "default",
    "kube-system",
    "system:node",
    "a.b.c",
    "status",
    "finalize",
    "namespaces",
    "watch",
    "proxy",
    "n1",
    "web_1",
    "A",
];

const SUBRESOURCES: [&str; 13] = [
    "status",
    "scale",
    "log",
    "exec",
    "attach",
    "portforward",
    "eviction",
    "token",
    "proxy",
    "finalize",
    "ephemeralcontainers",
    "binding",
    "x",
];

const OTHERS: [&str; 21] = [
    "/",
    "/api",
    "/apis",
    "/api/v1",
    "/apis/apps",
    "/apis/apps/v1",
    "/version",
    "/readyz",
    "/livez/ping",
    "/healthz",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3",
    "/openapi/v3/apis/apps/v1",
    "/logs/kube.log",
    "/debug/pprof/heap",
    "/openid/v1/jwks",
    "/api/v1/nodes/n1/proxy/stats/summary",
    "/api/v1/nodes/n1/proxy/metrics/cadvisor",
    "/api/v1/nodes/n1/proxy/run/web/web-0/app",
    "/watch/pods",
];

const KEYS: [&str; 36] = [
    "watch",
    "watch",
    "limit",
    "continue",
    "labelSelector",
    "fieldSelector",
    "fieldSelector",
    "resourceVersion",
    "resourceVersionMatch",
    "timeoutSeconds",
    "timeout",
    "allowWatchBookmarks",
    "sendInitialEvents",
    "includeObject",
    "pretty",
    "dryRun",
    "fieldManager",
    "fieldValidation",
    "force",
    "gracePeriodSeconds",
    "propagationPolicy",
    "command",
    "container",
    "stdin",
    "stdout",
    "tty",
    "ports",
    "follow",
    "tailLines",
    "previous",
    "verbose",
    "exclude",
    "hash",
    "WATCH",
    "DryRun",
    "orphanDependents",
];

const READ_KEYS: [&str; 12] = [
    "watch",
    "watch",
    "limit",
    "fieldSelector",
    "fieldSelector",
    "labelSelector",
    "timeout",
    "pretty",
    "resourceVersion",
    "resourceVersionMatch",
    "command",
    "includeObject",
];

const VALUES: [&str; 46] = [
    "true",
    "true",
    "false",
    "1",
    "0",
    "",
    "yes",
    "TRUE",
    "False",
    "500",
    "10",
    "007",
    "-1",
    "+1",
    "1e3",
    "99999999999999999999",
    "All",
    "all",
    "Strict",
    "Background",
    "Object",
    "NotOlderThan",
    "32s",
    "metadata.name%3Ddb",
    "metadata.name%3D%3Ddb",
    "metadata.name=db",
    "metadata.name!%3Ddb",
    "metadata.name%3D",
    "metadata.name%3D..",
    "metadata.name%3Da%2Fb",
    "metadata.name%3Da%5C%2Cb",
    "status.phase%3DRunning%2Cmetadata.name%3Ddb",
    "metadata.name%3Da,metadata.name%3Db",
    "spec.nodeName=n1,status.phase!=Failed",
    ",metadata.name%3Dx",
    "app%3Dweb",
    "app+in+%28a%2Cb%29",
    "%21app",
    "a%3D%3D%3Db",
    "a;b",
    "%zz",
    "%ff",
    "a%00b",
    "a%0Ab",
    "sh",
    "a+b%20c%2Bd",
];

impl Author {
    fn line(&mut self) -> (String, String) {
        let method = self.pick(&METHODS).to_owned();
        let mut target = if self.chance(12) {
            self.pick(&OTHERS).to_owned()
        } else {
            self.resource()
        };
        if self.chance(60) {
            target += &self.query(&method);
        }
        // Damage is what a reader that is not careful takes for something else.
        while self.chance(20) {
            self.damage(&mut target);
        }
        (method, target)
    }

    fn resource(&mut self) -> String {
        let mut path = self.pick(&BASES).to_owned();
        if self.chance(4) {
            path += self.pick(&["/watch", "/proxy"]);
        }
        if self.chance(60) {
            path = format!("{path}/namespaces/{}", self.pick(&NAMES));
        }
        let resource = match self.chance(10) {
            true => self.pick(&ODD_RESOURCES),
            false => self.pick(&RESOURCES),
        };
        path = format!("{path}/{resource}");
        if self.chance(55) {
            path = format!("{path}/{}", self.pick(&NAMES));
            if self.chance(45) {
                path = format!("{path}/{}", self.pick(&SUBRESOURCES));
                if self.chance(8) {
                    path = format!("{path}/{}", self.pick(&NAMES));
                }
            }
        }
        path
    }

    fn query(&mut self, method: &str) -> String {
        // One that fits its method and its key more often than not, or little would be accepted.
        let fits = self.chance(80);
        let pairs: Vec<String> = (0..1 + self.below(3))
            .map(|_| match fits {
                true => {
                    let key = match method {
                        "GET" => self.pick(&READ_KEYS),
                        "DELETE" => {
                            self.pick(&["dryRun", "gracePeriodSeconds", "propagationPolicy"])
                        }
                        _ => self.pick(&["dryRun", "fieldManager", "fieldValidation", "pretty"]),
                    };
                    format!("{key}={}", self.fitting(key))
                }
                false if self.chance(5) => self.pick(&KEYS).to_owned(),
                false => format!("{}={}", self.pick(&KEYS), self.pick(&VALUES)),
            })
            .collect();
        let between = if self.chance(3) { ";" } else { "&" };
        format!("?{}", pairs.join(between))
    }

    fn fitting(&mut self, key: &str) -> &'static str {
        match key {
            "limit" | "timeoutSeconds" | "gracePeriodSeconds" | "tailLines" | "ports" => {
                self.pick(&["0", "5", "500"])
            }
            "fieldSelector" => self.pick(&[
                "metadata.name%3Ddb",
                "metadata.name%3D%3Ddb",
                "metadata.name=a%3Ab",
                "status.phase%21%3DRunning",
                "a.b%3Dc,metadata.name%3Dx",
                "metadata.name%21%3Dx",
                "metadata.namespace%3Dweb",
                "metadata.name%3D",
            ]),
            "labelSelector" => self.pick(&[
                "app%3Dweb",
                "app+in+%28a%2Cb%29",
                "%21app",
                "a%3D%3D%3Db",
                "",
            ]),
            "timeout" => "32s",
            "dryRun" => "All",
            "fieldValidation" => "Strict",
            "includeObject" => "Object",
            "propagationPolicy" => "Orphan",
            "resourceVersionMatch" => "Exact",
            "command" | "container" | "continue" | "resourceVersion" | "fieldManager"
            | "exclude" | "hash" => self.pick(&[
                "a",
                "10",
                "a+b%20c%2Bd",
                "%C3%BC",
                "a%26b%3Dc",
                "a/b",
                "a%2Fb",
            ]),
            _ => self.pick(&["true", "false", "1", "0"]),
        }
    }

    fn damage(&mut self, target: &mut String) {
        let letters: Vec<char> = target.chars().collect();
        let at = self.below(letters.len() + 1);
        let (before, after) = letters.split_at(at);
        let before: String = before.iter().collect();
        let after: String = after.iter().collect();
        *target = match self.below(4) {
            // A letter in its other spelling.
            0 if !after.is_empty() => {
                let mut rest = after.chars();
                let first = u32::from(rest.next().unwrap());
                format!("{before}%{first:02x}{}", rest.as_str())
            }
            1 if !after.is_empty() => {
                let mut rest = after.chars();
                let first = rest.next().unwrap();
                format!("{before}{}{}", first.to_ascii_uppercase(), rest.as_str())
            }
            2 => before,
            _ => {
                let odd = self.pick(&[
                    "/",
                    "//",
                    "/./",
                    "/../",
                    "%2f",
                    "%2F",
                    "%2e%2e",
                    ";",
                    ";x=y",
                    "?",
                    "&",
                    "=",
                    "#",
                    "%",
                    "+",
                    "%00",
                    "\\",
                    "\u{fc}",
                    "a",
                    "-",
                    ".",
                    ":",
                    "_",
                    "~",
                    "*",
                    "@",
                    "watch=1",
                    "&watch=0",
                    "/watch",
                    "https://host",
                    "..",
                ]);
                format!("{before}{odd}{after}")
            }
        };
    }
}
