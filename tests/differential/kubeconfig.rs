//! Does client-go find in a kubeconfig what our parser finds, and the same again in what we write?
//!
//! tools/kubeconfig-oracle is client-go, asked what it makes of a file. The files are those of
//! tests/corpus and generated ones: every way of writing YAML and JSON, PEM and base64 that an
//! honest caller or a crafty one has, some of them damaged. What the parser accepts must be the
//! same server, identity and namespace to client-go as in the file for the child, but for the
//! pinned address, and as in the masked one, but for the secrets. So must what an operator mounts
//! as a named cluster, which may refer to files.
//!
//! `AIRLOCK_TEST_DIFFERENTIAL` is the number of generated files, `AIRLOCK_TEST_SEED` what they are
//! made from (keys are new in each run). A file that differs is kept, and a message shows no
//! secret.

use std::{
    collections::BTreeMap,
    env, fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Instant, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use kube_airlock::{
    clusters::{ClusterSource, Clusters},
    endpoint::EndpointHost,
    kubeconfig::{Allowances, Impersonation, Kubeconfig, TokenSource},
    secret::{SecretBytes, SecretString},
};
use rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::{answers, built, random::Random};

#[test]
fn client_go_reads_every_accepted_kubeconfig_of_the_corpus_as_the_parser_does() {
    let oracle = built("kubeconfig-oracle", ".");
    let mut tally = Tally::default();
    let mut files: Vec<_> = fs::read_dir("tests/corpus/kubeconfig")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let samples: Vec<_> = files
        .iter()
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .map(|path| Sample {
            name: path.display().to_string(),
            ..Sample::of(fs::read(path).unwrap())
        })
        .collect();
    tally.compare(&oracle, &samples);
    let honest = samples
        .iter()
        .filter(|sample| sample.name.contains("/ok-"))
        .count();
    assert!(
        honest > 0 && tally.accepted >= honest,
        "{} of the {honest} honest files are accepted",
        tally.accepted
    );
    tally.assert_none_differs("corpus");
}

#[test]
fn client_go_reads_every_accepted_kubeconfig_as_the_parser_does() {
    let count = env::var("AIRLOCK_TEST_DIFFERENTIAL").map_or(500, |text| {
        text.parse().expect("AIRLOCK_TEST_DIFFERENTIAL is a number")
    });
    let seed = env::var("AIRLOCK_TEST_SEED").map_or(0x2545_f491_4f6c_dd1d, |text| {
        text.parse().expect("AIRLOCK_TEST_SEED is a number")
    });
    let oracle = built("kubeconfig-oracle", ".");
    let start = Instant::now();
    let mut author = Author::new(identities(&oracle), seed);
    let mut tally = Tally::default();
    while tally.written < count {
        let numbers = tally.written..count.min(tally.written + BATCH);
        let batch: Vec<_> = numbers.map(|number| author.sample(number)).collect();
        tally.compare(&oracle, &batch);
    }
    println!(
        "{:.1} s; AIRLOCK_TEST_SEED={seed}",
        start.elapsed().as_secs_f64()
    );
    tally.assert_none_differs(&format!("AIRLOCK_TEST_SEED={seed}"));
    assert!(
        3 * tally.accepted >= tally.written,
        "only {} of {} files are accepted",
        tally.accepted,
        tally.written
    );
}

#[test]
fn client_go_reads_every_accepted_kubeconfig_of_an_operator_as_the_parser_does() {
    let count = env::var("AIRLOCK_TEST_DIFFERENTIAL").map_or(300, |text| {
        text.parse().expect("AIRLOCK_TEST_DIFFERENTIAL is a number")
    });
    let seed = env::var("AIRLOCK_TEST_SEED").map_or(0x2545_f491_4f6c_dd1d, |text| {
        text.parse().expect("AIRLOCK_TEST_SEED is a number")
    });
    let oracle = built("kubeconfig-oracle", ".");
    let mut author = Author::new(identities(&oracle), seed);
    let mut tally = Tally::default();
    while tally.written < count {
        // Kubeconfigs of clusters are refused where others may read them.
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
        let mounts = tempfile::tempdir().unwrap();
        let numbers = tally.written..count.min(tally.written + BATCH);
        let batch: Vec<_> = numbers
            .map(|number| author.mounted_sample(number, mounts.path()))
            .collect();
        tally.compare(&oracle, &batch);
    }
    tally.assert_none_differs(&format!("mounted, AIRLOCK_TEST_SEED={seed}"));
    assert!(
        3 * tally.accepted >= tally.written,
        "only {} of {} files are accepted",
        tally.accepted,
        tally.written
    );
}

/// Files that are asked about at once; each is some 20 KiB, written four times.
const BATCH: usize = 250;

/// Where client-go refuses a caller's file that we accept, on purpose: what cannot be read cannot
/// be read differently, and the child's file is written anew.
const LENIENT: [(&str, &str); 9] = [
    (
        "illegal base64 data",
        "URL-safe and unpadded base64, and spaces in it, are understood",
    ),
    (
        "specifying a root certificates file with the insecure flag",
        "the authority is left out where nothing is verified",
    ),
    (
        " will override",
        "an operator's file beside the data of the same is left out",
    ),
    (".preferences", "dropped, whatever is in it"),
    (".extensions", "dropped, whatever is in them"),
    (
        "to use exec authentication plugin",
        "never run, so how to run it does not matter",
    ),
    ("invalid interactiveMode", "the same"),
    ("ExecConfig.", "the same"),
    (
        "yaml: ",
        "YAML that is newer than client-go's reader, or JSON with tabs or `\\/`",
    ),
];

/// Where the tool refuses it too, in words of its own: a damaged point of a curve is still a
/// certificate to a reader of DER.
const LEFT_TO_THE_TOOL: [(&str, &str); 2] = [
    (
        "parse certificate: P256 ",
        "its point is checked by whoever uses it",
    ),
    ("parse certificate: P384 ", "the same"),
];

/// The token of the operator's, in the place of a plugin's.
const OPERATORS_TOKEN: &str = "operators-token";

/// One kubeconfig and what it is read with.
#[derive(Clone)]
struct Sample {
    name: String,
    text: Vec<u8>,
    context: Option<String>,
    allowances: Allowances,
    /// The same written in the plainest way, where that is known.
    twin: Option<String>,
    /// Where an operator mounts it, beside the files that it refers to.
    mounted: Option<PathBuf>,
}

impl Sample {
    fn of(text: Vec<u8>) -> Self {
        Self {
            name: String::new(),
            text,
            context: None,
            allowances: Allowances::default(),
            twin: None,
            mounted: None,
        }
    }
}

/// The oracle's answer (tools/kubeconfig-oracle).
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reading {
    scheme: String,
    host: String,
    port: String,
    path: String,
    #[serde(rename = "TLSServerName")]
    tls_server_name: String,
    insecure: bool,
    #[serde(deserialize_with = "or_none")]
    authorities: Vec<String>,
    namespace: String,
    token: String,
    username: String,
    password: String,
    #[serde(deserialize_with = "or_none")]
    certificates: Vec<String>,
    #[serde(deserialize_with = "or_none")]
    key: String,
    impersonate: Impersonated,
    plugin: String,
    #[serde(rename = "TLSError")]
    tls_error: String,
    error: String,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
struct Impersonated {
    #[serde(rename = "UserName")]
    user: String,
    #[serde(rename = "UID")]
    uid: String,
    #[serde(rename = "Groups", deserialize_with = "or_none")]
    groups: Vec<String>,
    #[serde(rename = "Extra", deserialize_with = "or_none")]
    extra: BTreeMap<String, Vec<String>>,
}

/// Go writes what is empty as null.
fn or_none<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Reading {
    fn refusal(&self) -> Option<&str> {
        [&self.error, &self.tls_error]
            .into_iter()
            .find(|error| !error.is_empty())
            .map(String::as_str)
    }

    /// Whether client-go would ask nobody who they are (client-go v0.37.2
    /// tools/clientcmd/client_config.go, canIdentifyUser).
    fn identifies(&self) -> bool {
        [&self.token, &self.username, &self.plugin]
            .iter()
            .any(|text| !text.is_empty())
            || !self.certificates.is_empty()
    }

    /// The same, where the operator's token takes the place of the plugin: what the caller says of
    /// how its server is verified, and of a path there, is not used.
    fn with_operators_token(&self, kubeconfig: &Kubeconfig) -> Self {
        if kubeconfig.token_file().is_none() {
            return self.clone();
        }
        Self {
            path: "/".into(),
            tls_server_name: String::new(),
            insecure: false,
            authorities: Vec::new(), // the source of these tests has none
            ..self.clone()
        }
    }

    /// What client-go should find in the file for the child, when it found `self` in the caller's.
    fn rendered(&self, kubeconfig: &Kubeconfig, address: IpAddr) -> Self {
        let named = self.host.to_ascii_lowercase();
        // Only a server that Go dials without its proxy is written by its address.
        let (host, name) = match (
            kubeconfig.endpoint().bypasses_proxies(),
            kubeconfig.endpoint().host(),
        ) {
            (false, _) => (named, self.tls_server_name.clone()),
            (true, EndpointHost::Name(_)) if self.tls_server_name.is_empty() => {
                (address.to_string(), named)
            }
            (true, _) => (address.to_string(), self.tls_server_name.clone()),
        };
        // A token of the caller's own goes before the plugin (client-go v0.37.2
        // plugin/pkg/client/auth/exec/exec.go, RoundTrip).
        let token = if self.plugin.is_empty() || !self.token.is_empty() {
            &self.token
        } else {
            OPERATORS_TOKEN
        };
        Self {
            host,
            port: self.port_or_default().to_string(),
            tls_server_name: name,
            authorities: if self.insecure {
                Vec::new()
            } else {
                self.authorities.clone()
            },
            token: token.to_owned(),
            plugin: String::new(),
            tls_error: String::new(),
            ..self.clone()
        }
    }

    /// What client-go should find in the file that a person is shown. Its key is none.
    fn masked(&self) -> Self {
        let mask = |shown: bool| {
            if shown {
                "REDACTED".to_owned()
            } else {
                String::new()
            }
        };
        Self {
            host: self.host.to_ascii_lowercase(),
            port: self.port_or_default().to_string(),
            authorities: if self.insecure {
                Vec::new()
            } else {
                self.authorities.clone()
            },
            token: mask(!self.token.is_empty() || !self.plugin.is_empty()),
            password: mask(!self.username.is_empty() || !self.password.is_empty()),
            plugin: String::new(),
            ..self.without_key()
        }
    }

    fn without_key(&self) -> Self {
        Self {
            key: String::new(),
            tls_error: String::new(),
            ..self.clone()
        }
    }

    fn port_or_default(&self) -> u16 {
        if self.port.is_empty() {
            443
        } else {
            self.port.parse().unwrap()
        }
    }

    /// The fields in which `self` is not `expected`, without secrets.
    fn difference(&self, expected: &Self) -> Vec<String> {
        let fields = |reading: &Self| match serde_json::to_value(reading).unwrap() {
            Value::Object(fields) => fields,
            other => panic!("{other}"),
        };
        let (read, expected) = (fields(self), fields(expected));
        let shown = |name: &str, value: &Value| match name {
            "Authorities" | "Certificates" => {
                format!("{} certificates", value.as_array().unwrap().len())
            }
            "Key" | "Password" | "Token" => format!("{} bytes", value.as_str().unwrap().len()),
            _ => value.to_string(),
        };
        let differ = read
            .iter()
            .filter(|(name, value)| expected[*name] != **value);
        differ
            .map(|(name, value)| {
                format!(
                    "{name}: {}, not {}",
                    shown(name, value),
                    shown(name, &expected[name])
                )
            })
            .collect()
    }
}

#[derive(Default)]
struct Tally {
    written: usize,
    accepted: usize,
    lenient: BTreeMap<&'static str, usize>,
    differences: Vec<String>,
}

impl Tally {
    fn compare(&mut self, oracle: &Path, samples: &[Sample]) {
        self.written += samples.len();
        let accepted: Vec<_> = samples
            .iter()
            .filter_map(|sample| Some((sample, accepted(sample)?)))
            .collect();
        let questions: Vec<_> = accepted
            .iter()
            .flat_map(|(sample, accepted)| accepted.questions(sample))
            .collect();
        let readings = ask(oracle, &questions);
        for ((sample, accepted), readings) in accepted.iter().zip(readings.chunks(QUESTIONS)) {
            self.accepted += 1;
            let wrong = self.wrong(accepted, readings, sample.twin.is_some());
            if !wrong.is_empty() {
                let kept = Path::new(env!("CARGO_TARGET_TMPDIR"))
                    .join(format!("{}.yaml", sample.name.replace('/', "-")));
                fs::write(&kept, &sample.text).unwrap();
                self.differences.push(format!(
                    "{} --context={:?}:\n  {}",
                    kept.display(),
                    sample.context,
                    wrong.join("\n  ")
                ));
            }
        }
    }

    fn wrong(&mut self, accepted: &Accepted, readings: &[Reading], has_twin: bool) -> Vec<String> {
        let [own, twin, rendered, masked] = readings else {
            panic!("{} answers", readings.len())
        };
        let mut wrong = Vec::new();
        let left_to_the_tool = |refusal: &str| {
            LEFT_TO_THE_TOOL
                .iter()
                .find(|(reason, _)| refusal.contains(reason))
        };
        if let (Some((reason, _)), Some(_)) = (
            own.refusal().and_then(left_to_the_tool),
            rendered.refusal().and_then(left_to_the_tool),
        ) {
            *self.lenient.entry(reason).or_default() += 1;
            return wrong;
        }
        let meant = match own.refusal() {
            None => Some(own),
            Some(refusal) => match LENIENT.iter().find(|(reason, _)| refusal.contains(reason)) {
                Some((reason, _)) => {
                    *self.lenient.entry(reason).or_default() += 1;
                    has_twin.then_some(twin)
                }
                None => {
                    wrong.push(format!("client-go refuses it: {refusal}"));
                    None
                }
            },
        };
        if let Some(refusal) = meant.and_then(Reading::refusal) {
            wrong.push(format!(
                "client-go refuses it when it is written plainly: {refusal}"
            ));
        }
        if let Some(refusal) = rendered.refusal() {
            wrong.push(format!("client-go refuses the child's: {refusal}"));
        }
        if !masked.error.is_empty() {
            wrong.push(format!(
                "client-go refuses the masked one: {}",
                masked.error
            ));
        }
        if [rendered, masked]
            .iter()
            .any(|reading| reading.error.is_empty() && !reading.identifies())
        {
            wrong.push("client-go asks for a user name: there is no credential".to_owned());
        }
        if wrong.is_empty()
            && let Some(meant) = meant.filter(|meant| meant.refusal().is_none())
        {
            let meant = meant.with_operators_token(&accepted.kubeconfig);
            let endpoint = accepted.kubeconfig.endpoint();
            let ours = (
                endpoint.host().to_string(),
                endpoint.port(),
                format!("/{}", endpoint.path().trim_start_matches('/')),
            );
            let host = if meant.host.contains(':') {
                format!("[{}]", meant.host)
            } else {
                meant.host.clone()
            };
            let theirs = (
                host.to_ascii_lowercase(),
                meant.port_or_default(),
                meant.path.clone(),
            );
            if ours != theirs || meant.scheme != "https" {
                wrong.push(format!("client-go connects to {theirs:?}, not to {ours:?}"));
            }
            if accepted.kubeconfig.namespace() != meant.namespace {
                wrong.push(format!(
                    "client-go's namespace is {:?}, not {:?}",
                    meant.namespace,
                    accepted.kubeconfig.namespace()
                ));
            }
            let rendered =
                rendered.difference(&meant.rendered(&accepted.kubeconfig, accepted.address));
            wrong.extend(
                rendered
                    .into_iter()
                    .map(|field| format!("in the child's, {field}")),
            );
            let masked = masked.without_key().difference(&meant.masked());
            wrong.extend(
                masked
                    .into_iter()
                    .map(|field| format!("in the masked one, {field}")),
            );
        }
        wrong
    }

    fn assert_none_differs(&self, what: &str) {
        println!(
            "{what}: {} of {} files accepted, {} differences",
            self.accepted,
            self.written,
            self.differences.len()
        );
        for (reason, why) in LENIENT.iter().chain(&LEFT_TO_THE_TOOL) {
            println!(
                "  {} that client-go refuses, {reason:?}: {why}",
                self.lenient.get(reason).unwrap_or(&0)
            );
        }
        let shown = self
            .differences
            .iter()
            .take(20)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n");
        assert!(
            self.differences.is_empty(),
            "{what}: {} of {} files differ\n{shown}",
            self.differences.len(),
            self.accepted
        );
    }
}

struct Accepted {
    kubeconfig: Arc<Kubeconfig>,
    address: IpAddr,
    masked: serde_json::Value,
}

fn accepted(sample: &Sample) -> Option<Accepted> {
    let kubeconfig = match &sample.mounted {
        Some(path) => of_operator(path, sample)?,
        None => Arc::new(of_caller(sample)?),
    };
    let address = match kubeconfig.endpoint().host() {
        EndpointHost::Address(address) => *address,
        EndpointHost::Name(_) => Ipv4Addr::new(203, 0, 113, 7).into(),
    };
    Some(Accepted {
        masked: kubeconfig.masked(),
        kubeconfig,
        address,
    })
}

fn of_caller(sample: &Sample) -> Option<Kubeconfig> {
    let read = |text| {
        Kubeconfig::parse(
            &SecretBytes::new(text),
            sample.context.as_deref(),
            &sample.allowances,
            SystemTime::now(),
        )
    };
    let read_compacted = read(sample.text.clone());
    // A backslash anywhere has the text read letter by letter (src/yaml/compact.rs).
    let read_whole = read([b"# \\\n", sample.text.as_slice()].concat());
    assert_eq!(
        read_compacted.is_ok(),
        read_whole.is_ok(),
        "{}: {:?}, {:?}",
        sample.name,
        read_compacted.err(),
        read_whole.err()
    );
    let mut kubeconfig = read_compacted.ok()?;
    if kubeconfig.token_file().is_some() {
        kubeconfig
            .put_token(SecretString::new(OPERATORS_TOKEN.into()))
            .unwrap();
    }
    Some(kubeconfig)
}

fn of_operator(path: &Path, sample: &Sample) -> Option<Arc<Kubeconfig>> {
    let source = ClusterSource {
        name: "mounted".into(),
        kubeconfig: path.to_owned(),
        context: sample.context.clone(),
        server_user: None,
    };
    Clusters::load(vec![source], sample.allowances.clone())
        .ok()?
        .get("mounted")
}

/// How many questions there are about an accepted file.
const QUESTIONS: usize = 4;

impl Accepted {
    fn questions(&self, sample: &Sample) -> [Value; QUESTIONS] {
        let question = |bytes: &[u8], context: &Option<String>| json!({ "kubeconfig": BASE64_STANDARD.encode(bytes), "context": context });
        let own = match &sample.mounted {
            Some(path) => json!({ "path": path, "context": sample.context }),
            None => question(&sample.text, &sample.context),
        };
        [
            own,
            question(
                sample
                    .twin
                    .as_ref()
                    .map_or(&sample.text, |twin| twin.as_bytes()),
                &sample.context,
            ),
            question(self.kubeconfig.render(self.address).expose(), &None),
            question(self.masked.to_string().as_bytes(), &None),
        ]
    }
}

/// client-go's readings of these.
fn ask(oracle: &Path, questions: &[Value]) -> Vec<Reading> {
    let oracle = &mut Command::new(oracle);
    oracle
        .env_clear()
        .current_dir("/")
        .env("HOME", "/nonexistent");
    answers(
        oracle,
        &questions.iter().map(Value::to_string).collect::<Vec<_>>(),
    )
}

/// A certificate and its key, as PEM; the key in each form that it has.
struct Identity {
    certificate: String,
    keys: Vec<String>,
}

/// One of each kind of key that we accept.
fn identities(oracle: &Path) -> Vec<Identity> {
    #[derive(Deserialize)]
    struct Printed {
        pkcs8: String,
        older: String,
    }
    let own = [
        &PKCS_ECDSA_P256_SHA256,
        &PKCS_ECDSA_P384_SHA384,
        &PKCS_ED25519,
    ]
    .map(|kind| (KeyPair::generate_for(kind).unwrap(), None));
    let printed = Command::new(oracle)
        .arg("keys")
        .env_clear()
        .output()
        .unwrap();
    assert!(printed.status.success(), "the oracle prints no keys");
    let printed = serde_json::Deserializer::from_slice(&printed.stdout)
        .into_iter::<Printed>()
        .map(Result::unwrap);
    let others = printed.map(|key| (KeyPair::from_pem(&key.pkcs8).unwrap(), Some(key.older)));
    let identity = |(key, older): (KeyPair, Option<String>)| Identity {
        certificate: CertificateParams::new(vec!["x.example".into()])
            .unwrap()
            .self_signed(&key)
            .unwrap()
            .pem()
            .replace("\r\n", "\n"),
        keys: [key.serialize_pem().replace("\r\n", "\n")]
            .into_iter()
            .chain(older)
            .collect(),
    };
    own.into_iter().chain(others).map(identity).collect()
}

/// A value in a kubeconfig.
#[derive(Clone)]
enum Node {
    /// PEM, to be written as base64.
    Data(String),
    List(Vec<Node>),
    Map(Vec<(&'static str, Node)>),
    /// Written without quotes: null, a boolean, a number.
    Plain(&'static str),
    Text(String),
}

impl Node {
    /// The plainest way to say it, without what is in [`LENIENT`].
    fn json(&self) -> Value {
        match self {
            Self::Data(pem) => BASE64_STANDARD.encode(pem).into(),
            Self::List(items) => items.iter().map(Self::json).collect(),
            Self::Map(entries) => {
                let insecure = entries.iter().any(|(key, node)| {
                    *key == "insecure-skip-tls-verify" && matches!(node, Self::Plain("true"))
                });
                let kept = entries.iter().filter(|(key, _)| match *key {
                    "certificate-authority-data" => !insecure,
                    key => key != "extensions" && key != "preferences",
                });
                let mut map: Value = kept
                    .map(|(key, node)| ((*key).to_owned(), node.json()))
                    .collect();
                if map.get("command").is_some() {
                    map["interactiveMode"] = "Never".into();
                }
                map
            }
            Self::Plain(text) => serde_json::from_str(text).unwrap_or(Value::Null),
            Self::Text(text) => text.as_str().into(),
        }
    }
}

fn text(text: &str) -> Node {
    Node::Text(text.into())
}

const NAMES: &str = "\
    a¦kubernetes-admin@kubernetes¦arn:aws:eks:eu-west-1:111122223333:cluster/web¦gke_project_europe-west1-b_web¦a b¦a  b¦ a¦a ¦ü¦日本¦\
    \u{1f680}¦null¦~¦true¦No¦1¦0x1f¦1e3¦12:30¦2024-01-01¦=¦<<¦-¦- x¦?¦? x¦:¦x: y¦x:¦:x¦#x¦x #y¦x#y¦'¦\"¦it's¦\\¦\\n¦@x¦`x¦%x¦&x¦*x¦\
    !x¦|¦>¦{a}¦[a]¦a,b¦a]¦..¦---¦...¦a\u{a0}b¦a\u{200b}b";

const SERVERS: &[&str] = &[
    "https://k8s.example.com:6443",
    "https://k8s.example.com",
    "https://K8S.Example.COM:6443",
    "https://k8s.example.com:443/",
    "https://k8s.example.com:6443//",
    "https://rancher.example.com/k8s/clusters/c-abc12",
    "https://rancher.example.com/k8s/clusters/c-ABC12/",
    "https://rancher.example.com:8443/a_b/.c/d..e//",
    "https://10.1.2.3:6443",
    "https://10.1.2.3",
    "https://[2001:db8::1]:6443",
    "https://[2001:DB8::A]",
    "https://[2001:db8::1:0:0:1]/x",
    "https://[::ffff:10.0.0.1]:6443",
    "https://[::1]:1",
    "https://xn--bcher-kva.example:6443",
    "https://a",
    "https://1.2.3.4.example:65535",
    "https://0.example:0",
    "https://k8s.example.com:",
    "https://K8s.example.com.:6443",
];

const TOKENS: &str = "\
    fake-token¦eyJhbGciOiJub25lIn0.eyJzdWIiOiJmYWtlIn0.c2ln¦abcdef.0123456789abcdef¦a:b¦k8s-aws-v1.aHR0cHM6Ly94¦\
    31ada4fd-adec-460c-809a-9e56ceb75269¦¦1e5¦1e400¦0x1f¦0X1F¦0o17¦0b11¦0b12¦017¦08¦+1¦-1¦--1¦+-1¦_1¦1_¦1__0¦1_000¦.5¦5.¦._5¦.e5¦\
    1.2.3¦1:30¦1:3:0.5¦2024-01-01¦2024-1-1T1:2:3Z¦0x_1¦0x¦-0x1¦-0b1¦true¦tRue¦y¦yEs¦off¦null¦Null¦nULL¦~¦~a¦~~¦=¦=a¦a=¦-¦-a¦--¦---¦\
    ...¦.¦.inf¦-.inf¦.InF¦.nan¦inf¦nan¦:¦:a¦a:¦/¦//a";

const WORDS: &str = "\
    jane¦¦ ¦jane ¦a b¦é¦\u{1f680}¦a:b¦#x¦x: y¦'\"\\¦null¦1¦a/b¦\\x41¦{}¦%41¦\
    \u{2028}¦a\u{2028}b¦a\u{2029}b¦a\u{85}b¦a\u{85}¦a\u{feff}b¦\u{feff}a¦a\u{fffe}b¦a\u{7f}b¦a\nb¦a\u{a0}b¦a\u{e000}b¦a\u{ad}b";

const NAMESPACES: &str = "\
    default¦web¦a-b¦kube-system¦0¦1e5¦0x1¦null¦y¦off¦¦12-30¦2024-01-01";

/// What editors and `echo` leave around a token in a file.
const SPACES: &[&str] = &["", "", "", "\n", "\n", "\r\n", " ", "\t\n\n"];

/// The folder that a kubeconfig is in, and how many files have been written for it.
struct Mounts {
    folder: PathBuf,
    written: usize,
}

/// Writes kubeconfigs: most of them legal, in every spelling that YAML has.
struct Author {
    identities: Vec<Identity>,
    /// Whether this file may have spellings that are not legal everywhere, or not legal at all.
    daring: bool,
    state: u64,
}

impl Random for Author {
    fn state(&mut self) -> &mut u64 {
        &mut self.state
    }
}

impl Author {
    fn new(identities: Vec<Identity>, seed: u64) -> Self {
        Self {
            identities,
            daring: false,
            state: seed.max(1),
        }
    }

    fn sample(&mut self, number: usize) -> Sample {
        self.daring = self.chance(25);
        let allowances = self.allowances();
        let (file, context) = self.file(&allowances);
        let file = self.shuffled(file);
        let mut written = self.document(&file);
        let damaged = self.chance(20);
        if damaged {
            written = self.damaged(&written);
        }
        if self.chance(10) {
            written = written.replace('\n', "\r\n");
        }
        let twin = (!damaged && !self.daring).then(|| file.json().to_string());
        Sample {
            name: format!("generated-{number}"),
            text: written.into_bytes(),
            context,
            allowances,
            twin,
            mounted: None,
        }
    }

    /// One that an operator mounts in a folder of `mounts`. Its twin refers to no files.
    fn mounted_sample(&mut self, number: usize, mounts: &Path) -> Sample {
        self.daring = false;
        let allowances = Allowances {
            token_sources: Vec::new(),
            ..self.allowances()
        };
        let (file, context) = self.file(&allowances);
        let folder = mounts.join(number.to_string());
        fs::create_dir_all(folder.join("kube/pki")).unwrap();
        let mut own = Mounts {
            folder: folder.join("kube"),
            written: 0,
        };
        let twin = Some(file.json().to_string());
        let referring = self.referring(file, &mut own);
        let referring = self.shuffled(referring);
        let text = self.document(&referring).into_bytes();
        let path = own.folder.join("config");
        fs::write(&path, &text).unwrap();
        Sample {
            name: format!("mounted-{number}"),
            text,
            context,
            allowances,
            twin,
            mounted: Some(path),
        }
    }

    /// With files in the place of data and tokens, or beside them.
    fn referring(&mut self, node: Node, mounts: &mut Mounts) -> Node {
        let entries = match node {
            Node::Map(entries) => entries,
            Node::List(items) => {
                return Node::List(
                    items
                        .into_iter()
                        .map(|item| self.referring(item, mounts))
                        .collect(),
                );
            }
            other => return other,
        };
        let mut referring = Vec::new();
        for (key, node) in entries {
            let (reference, content) = match (key, &node) {
                ("certificate-authority-data", Node::Data(pem)) => {
                    ("certificate-authority", pem.clone())
                }
                ("client-certificate-data", Node::Data(pem)) => ("client-certificate", pem.clone()),
                ("client-key-data", Node::Data(pem)) => ("client-key", pem.clone()),
                ("token", Node::Text(token)) => (
                    "tokenFile",
                    format!("{}{token}{}", self.pick(SPACES), self.pick(SPACES)),
                ),
                _ => {
                    referring.push((key, self.referring(node, mounts)));
                    continue;
                }
            };
            match (self.below(10), reference) {
                (0..=5, _) => referring.push((reference, self.mount(&content, mounts))),
                // The data goes first, the token does not.
                (6, "tokenFile") => referring.extend([
                    (key, text("other-token")),
                    (reference, self.mount(&content, mounts)),
                ]),
                (6, _) => {
                    let other = self.one_of_identities().certificate.clone();
                    referring.extend([(key, node), (reference, self.mount(&other, mounts))]);
                }
                _ => referring.push((key, node)),
            }
        }
        Node::Map(referring)
    }

    /// Writes a file, and says its path as people do.
    fn mount(&mut self, content: &str, mounts: &mut Mounts) -> Node {
        mounts.written += 1;
        let name = format!(
            "{}{}",
            self.pick(&["a", "ca.crt", "a b", "ü", "#x", "null", "x: y", "~"]),
            mounts.written
        );
        let absolute = format!("{}/", mounts.folder.display());
        let (path, shown) = match self.below(6) {
            0 => (format!("pki/{name}"), format!("./pki/{name}")),
            1 => (format!("../{name}"), format!("../{name}")),
            2 => (format!("pki/{name}"), format!("{absolute}pki/{name}")),
            3 => (format!("pki/{name}"), format!("pki/../pki//{name}")),
            _ => (name.clone(), name),
        };
        fs::write(mounts.folder.join(path), content).unwrap();
        Node::Text(shown)
    }

    /// What a kubeconfig holds, and the context that is asked for.
    fn file(&mut self, allowances: &Allowances) -> (Node, Option<String>) {
        let names: [Vec<String>; 3] = std::array::from_fn(|_| self.names());
        let [clusters, users, contexts] = &names;
        let mut entries = vec![
            ("apiVersion", text("v1")),
            ("kind", text("Config")),
            (
                "clusters",
                self.entries(clusters, "cluster", |author| author.cluster(allowances)),
            ),
            (
                "users",
                self.entries(users, "user", |author| author.user(allowances)),
            ),
            (
                "contexts",
                self.entries(contexts, "context", |author| {
                    author.context(clusters, users)
                }),
            ),
        ];
        let context = self.chance(40).then(|| self.one_of(contexts));
        match if context.is_some() { self.below(10) } else { 9 } {
            0 => entries.push(("current-context", Node::Plain("null"))),
            1 => {}
            2 => entries.push(("current-context", text(""))),
            _ => entries.push(("current-context", Node::Text(self.one_of(contexts)))),
        }
        if self.chance(30) {
            let preferences = [
                Node::Map(vec![]),
                Node::Map(vec![("colors", Node::Plain("true"))]),
                Node::Plain("null"),
                Node::Plain("7"),
            ];
            let among = if self.daring {
                &preferences
            } else {
                &preferences[..3]
            };
            entries.push(("preferences", self.one_of(among)));
        }
        if self.chance(20) {
            entries.push(("extensions", self.extensions()));
        }
        (Node::Map(entries), context)
    }

    fn allowances(&mut self) -> Allowances {
        if self.chance(40) {
            return Allowances::default();
        }
        let all = || vec!["*".to_owned()];
        let source = TokenSource {
            plugin: "aws eks get-token".into(),
            clusters: vec!["*:*".into()],
            certificate_authority: None,
            token_file: "/nonexistent".into(),
        };
        Allowances {
            named_only: false,
            insecure_skip_tls_verify: true,
            passwords: true,
            tls_server_name: true,
            impersonation: Impersonation {
                users: all(),
                groups: all(),
            },
            token_sources: vec![source],
        }
    }

    fn names(&mut self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for _ in 0..=self.below(3) {
            let name = if self.chance(50) {
                format!("n{}", names.len())
            } else {
                self.word_of(NAMES).to_owned()
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    fn entries(
        &mut self,
        names: &[String],
        inner: &'static str,
        mut node: impl FnMut(&mut Self) -> Node,
    ) -> Node {
        let entry = |name: &String| {
            Node::Map(vec![
                ("name", Node::Text(name.clone())),
                (inner, node(self)),
            ])
        };
        Node::List(names.iter().map(entry).collect())
    }

    fn cluster(&mut self, allowances: &Allowances) -> Node {
        // The last ones are refused.
        let server = if self.chance(97) {
            self.pick(&SERVERS[..SERVERS.len() - 2])
        } else {
            self.pick(SERVERS)
        };
        let mut entries = vec![("server", text(server))];
        match self.below(10) {
            0..=5 => entries.push(("certificate-authority-data", self.authorities())),
            6 => entries.push(("certificate-authority-data", Node::Plain("null"))),
            _ => {}
        }
        match self.below(10) {
            0 | 1 => entries.push(("insecure-skip-tls-verify", Node::Plain("false"))),
            2 if allowances.insecure_skip_tls_verify => {
                entries.push(("insecure-skip-tls-verify", Node::Plain("true")))
            }
            _ => {}
        }
        if allowances.tls_server_name && self.chance(30) {
            let names = [
                text("kubernetes.default.svc"),
                text("kubernetes"),
                text("a-1.example"),
                text("1.2.3.4"),
                Node::Plain("null"),
            ];
            entries.push(("tls-server-name", self.one_of(&names)));
        }
        if self.chance(5) {
            entries.push(("disable-compression", Node::Plain("true")));
        }
        if self.chance(15) {
            entries.push(("extensions", self.extensions()));
        }
        Node::Map(entries)
    }

    fn user(&mut self, allowances: &Allowances) -> Node {
        let mut entries = Vec::new();
        let kind = self.below(10);
        if kind < 6 || self.chance(10) {
            let token = if self.chance(60) {
                "fake-token"
            } else {
                self.word_of(TOKENS)
            };
            entries.push(("token", text(token)));
        } else if self.chance(10) {
            entries.push(("token", Node::Plain("null")));
        }
        if kind >= 5 && !(allowances.passwords && kind == 9) {
            let at = self.below(self.identities.len());
            let certificate = self.identities[at].certificate.clone();
            let chain = match self.below(4) {
                0 => certificate.clone() + &self.one_of_identities().certificate.clone(),
                _ => certificate,
            };
            let key = self.one_of(&self.identities[at].keys.clone());
            entries.push(("client-certificate-data", self.pem(&chain)));
            entries.push(("client-key-data", self.pem(&key)));
        }
        if allowances.passwords && (kind == 9 || self.chance(3)) {
            entries.push(("username", text(self.word_of(WORDS))));
            entries.push(("password", text(self.word_of(WORDS))));
        }
        if self.chance(20) && !allowances.impersonation.users.is_empty() {
            let user = if self.chance(80) {
                text("system:serviceaccount:web:ci")
            } else {
                text(self.word_of(WORDS))
            };
            entries.push((
                "as",
                if self.chance(5) {
                    Node::Plain("null")
                } else {
                    user
                },
            ));
            if self.chance(50) {
                let groups = (0..self.below(3))
                    .map(|_| text(self.word_of(WORDS)))
                    .collect();
                entries.push((
                    "as-groups",
                    if self.chance(10) {
                        Node::Plain("null")
                    } else {
                        Node::List(groups)
                    },
                ));
            }
        }
        if !allowances.token_sources.is_empty() && self.chance(15) {
            if self.chance(80) {
                entries.retain(|(key, _)| key.starts_with("as"));
            }
            entries.push(("exec", self.plugin()));
        }
        if self.chance(10) {
            entries.push(("extensions", self.extensions()));
        }
        Node::Map(entries)
    }

    fn plugin(&mut self) -> Node {
        let version = self.pick(&[
            "client.authentication.k8s.io/v1",
            "client.authentication.k8s.io/v1beta1",
        ]);
        let args = [
            "--region",
            "eu-west-1",
            "eks",
            "get-token",
            "--cluster-name",
            "web",
        ]
        .map(text)
        .to_vec();
        let mut entries = vec![
            ("apiVersion", text(version)),
            ("command", text("aws")),
            ("args", Node::List(args)),
        ];
        if self.chance(90) {
            entries.push(("interactiveMode", text("IfAvailable")));
        }
        if self.chance(30) {
            entries.push((
                "env",
                Node::List(vec![Node::Map(vec![
                    ("name", text("AWS_PROFILE")),
                    ("value", text("web")),
                ])]),
            ));
        }
        Node::Map(entries)
    }

    fn context(&mut self, clusters: &[String], users: &[String]) -> Node {
        let mut entries = vec![
            ("cluster", Node::Text(self.one_of(clusters))),
            ("user", Node::Text(self.one_of(users))),
        ];
        match self.below(10) {
            0..=4 => entries.push(("namespace", text(self.word_of(NAMESPACES)))),
            5 => entries.push(("namespace", Node::Plain("null"))),
            _ => {}
        }
        if self.chance(10) {
            entries.push(("extensions", self.extensions()));
        }
        Node::Map(entries)
    }

    /// As minikube writes them, and some that nobody does.
    fn extensions(&mut self) -> Node {
        let values = [
            text("Fri, 02 Jan 2026 10:00:00 UTC"),
            text("1.35"),
            text("a: b"),
            Node::Plain("1"),
            Node::Plain("1.5e3"),
            Node::Plain("true"),
            Node::Plain("null"),
            Node::List(vec![]),
            Node::Map(vec![
                ("server", text("https://other.example")),
                ("token", text("other")),
            ]),
        ];
        let extension = Node::Map(vec![
            ("provider", text("minikube.sigs.k8s.io")),
            ("value", self.one_of(&values)),
        ]);
        let list = Node::List(vec![Node::Map(vec![
            ("name", text("cluster_info")),
            ("extension", extension),
        ])]);
        let others = [Node::List(vec![]), Node::Plain("null"), Node::Map(vec![])];
        if self.chance(90) {
            list
        } else {
            self.one_of(&others)
        }
    }

    fn authorities(&mut self) -> Node {
        let mut bundle = String::new();
        for _ in 0..=self.below(3) {
            bundle += &self.one_of_identities().certificate.clone();
        }
        self.pem(&bundle)
    }

    fn one_of_identities(&mut self) -> &Identity {
        let at = self.below(self.identities.len());
        &self.identities[at]
    }

    /// PEM in one of the ways in which people and programs write it.
    fn pem(&mut self, pem: &str) -> Node {
        let lines = |edit: fn(&str) -> String| pem.lines().map(edit).collect::<String>();
        let pem = match self.below(60) {
            0 => pem.replace('\n', "\r\n"),
            1 => format!("subject=CN = x\nissuer=CN = y\n{pem}"),
            2 => pem.replace("-----END", "\n-----END"),
            3 => pem.trim_end().to_owned(),
            4 => format!("\n\n{pem}\n\n"),
            5 => lines(|line| format!("{line} \n")),
            6 => lines(|line| format!("{line}\t\n")),
            7 => lines(|line| {
                if line.starts_with('-') {
                    format!("\n{line}\n")
                } else {
                    line.to_owned()
                }
            }),
            8 => lines(|line| {
                if line.starts_with('-') {
                    format!("{line}\n")
                } else {
                    line.as_bytes()
                        .chunks(7)
                        .map(|part| format!("{}\n", std::str::from_utf8(part).unwrap()))
                        .collect()
                }
            }),
            9 => format!("# -----BEGIN\n{pem}# end\n"),
            10 => format!(
                "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{pem}"
            ),
            11 => pem.replace('\n', "\r"),
            12 => pem.replacen("-----\n-----", "----- x\n-----", 1),
            13 => self.damaged(pem),
            _ => pem.to_owned(),
        };
        Node::Data(pem)
    }

    /// Base64 in one of the ways in which people and programs write it; the second is one line of
    /// JSON's.
    fn base64(&mut self, data: &str) -> String {
        let standard = BASE64_STANDARD.encode(data);
        match self.below(30) {
            0 => standard.replace('+', "-").replace('/', "_"),
            1 => standard.trim_end_matches('=').to_owned(),
            2 | 3 => folded(&standard, 76, "\n"),
            4 => folded(&standard, 64, "\n") + "\n",
            5 => folded(&standard, 64, "\r\n"),
            6 => folded(&standard, 64, " "),
            _ => standard,
        }
    }

    fn shuffled(&mut self, node: Node) -> Node {
        match node {
            Node::Map(mut entries) => {
                if self.chance(30) {
                    for last in (1..entries.len()).rev() {
                        let other = self.below(last + 1);
                        entries.swap(last, other);
                    }
                }
                Node::Map(
                    entries
                        .into_iter()
                        .map(|(key, node)| (key, self.shuffled(node)))
                        .collect(),
                )
            }
            Node::List(items) => {
                Node::List(items.into_iter().map(|item| self.shuffled(item)).collect())
            }
            other => other,
        }
    }

    fn document(&mut self, file: &Node) -> String {
        if self.chance(15) {
            return self.as_json(file);
        }
        let mut written = String::new();
        if self.chance(20) {
            written += self.pick(&["# mine\n", "\n\n", "  # mine\n\n", "#\n"]);
        }
        if self.chance(20) {
            written += self.pick(&["---\n", "--- # mine\n", "---\n\n", "--- \n"]);
        }
        if self.chance(10) {
            written += &self.flow(file);
            written += "\n";
        } else {
            for line in self.lines(file) {
                written += &line;
                written += "\n";
            }
        }
        if self.chance(10) {
            written += self.pick(&[
                "...\n",
                "... # end\n",
                "# end",
                "\n\n",
                "# end\n",
                "...",
                "...\n# end\n",
            ]);
        }
        if self.chance(5) {
            written.trim_end_matches('\n').to_owned()
        } else {
            written
        }
    }

    fn as_json(&mut self, file: &Node) -> String {
        fn spelled(author: &mut Author, node: &Node) -> Value {
            match node {
                Node::Data(pem) => author.base64(pem).into(),
                Node::List(items) => items.iter().map(|item| spelled(author, item)).collect(),
                Node::Map(entries) => entries
                    .iter()
                    .map(|(key, node)| ((*key).to_owned(), spelled(author, node)))
                    .collect(),
                Node::Plain(_) | Node::Text(_) => node.json(),
            }
        }
        let value = spelled(self, file);
        match self.below(3) {
            0 => value.to_string(),
            1 => serde_json::to_string_pretty(&value).unwrap() + "\n",
            _ => {
                let pretty = serde_json::to_string_pretty(&value).unwrap();
                let tabs = pretty.lines().map(|line| {
                    let rest = line.trim_start();
                    "\t".repeat((line.len() - rest.len()) / 2) + rest
                });
                tabs.collect::<Vec<_>>().join("\n")
            }
        }
    }

    /// A block of YAML, indented by nothing.
    fn lines(&mut self, node: &Node) -> Vec<String> {
        let mut lines = Vec::new();
        match node {
            Node::Map(entries) if !entries.is_empty() => {
                for (key, value) in entries {
                    self.interruption(&mut lines);
                    let key = self.key(key);
                    let colon = if self.chance(3) {
                        format!("? {key}\n:")
                    } else {
                        key + self.pick(&[":", ":", ":", ":", ":", " :"])
                    };
                    self.entry(colon, value, &mut lines);
                }
            }
            Node::List(items) if !items.is_empty() => {
                for item in items {
                    self.interruption(&mut lines);
                    match item {
                        Node::Map(entries) if !entries.is_empty() && self.chance(80) => {
                            let mut block = self.lines(item);
                            // `-` and a comment or a blank line, then the block.
                            let first = block
                                .iter()
                                .position(|line| {
                                    !line.trim_start().starts_with('#') && !line.trim().is_empty()
                                })
                                .unwrap();
                            block.drain(..first);
                            let dash = self.pick(&["- ", "- ", "- ", "-   "]);
                            let rest = " ".repeat(dash.len());
                            let prefixed = block.into_iter().enumerate();
                            lines.extend(prefixed.map(|(at, line)| {
                                if at == 0 {
                                    format!("{dash}{line}")
                                } else {
                                    indented(&rest, line)
                                }
                            }));
                        }
                        item => self.entry("-".to_owned(), item, &mut lines),
                    }
                }
            }
            scalar => lines.push(self.flow(scalar)),
        }
        lines
    }

    /// What stands behind `key:` or `-`.
    fn entry(&mut self, head: String, value: &Node, lines: &mut Vec<String>) {
        let is_list = head == "-";
        let mut head: Vec<String> = head.lines().map(str::to_owned).collect();
        let last = head.pop().unwrap();
        lines.extend(head);
        let nested = match value {
            Node::Map(entries) => !entries.is_empty(),
            Node::List(items) => !items.is_empty(),
            _ => false,
        };
        if nested && self.chance(90) {
            let comment = self.pick(&["", "", "", "", "", " ", " # mine"]);
            lines.push(last + comment);
            let least = usize::from(is_list || matches!(value, Node::Map(_)) || self.chance(50));
            let indent = " ".repeat(if self.chance(60) {
                2 * least
            } else {
                least * (1 + self.below(4))
            });
            let block = self.lines(value);
            lines.extend(block.into_iter().map(|line| indented(&indent, line)));
            return;
        }
        if let Some((header, block)) = self.block_scalar(value) {
            lines.push(format!("{last} {header}"));
            lines.extend(block);
            return;
        }
        let gap = if self.daring && self.chance(2) {
            self.pick(&["\t", " \t"])
        } else {
            self.pick(&[" ", " ", " ", "  "])
        };
        let flow = self.flow(value);
        let tail = if !flow.contains('\n') && self.chance(8) {
            self.pick(&[" # mine", "  ", " #", "\t# mine", " # it's \"mine\": {[&*"])
        } else {
            ""
        };
        let mut parts = flow.split('\n');
        lines.push(format!("{last}{gap}{}{tail}", parts.next().unwrap()));
        lines.extend(parts.map(|part| indented("    ", part.to_owned())));
    }

    /// `|` and `>`, for what has no first space and is not empty.
    fn block_scalar(&mut self, node: &Node) -> Option<(String, Vec<String>)> {
        let (value, chance) = match node {
            Node::Data(pem) => (self.base64(pem), 15),
            Node::Text(value) => (value.clone(), 4),
            _ => return None,
        };
        let simple = !value.is_empty()
            && !value.contains('\r')
            && !value.starts_with([' ', '\n', '\u{2028}'])
            && !value.ends_with("\n\n");
        if !simple || !self.chance(chance) {
            return None;
        }
        let folds = !value.contains('\n') && !value.ends_with(' ') && self.chance(40);
        let chomp = match value.strip_suffix('\n') {
            Some(_) => "",
            None if self.chance(80) || !matches!(node, Node::Data(_)) => "-",
            None => self.pick(&["", "+"]),
        };
        let style = if folds { '>' } else { '|' };
        let (indent, explicit) = match self.below(5) {
            0 => ("   ", "3"),
            1 => ("    ", ""),
            _ => ("  ", ""),
        };
        // An indentation indicator counts from the parent's, which is not ours to know in a list.
        let explicit = if explicit.is_empty() || self.chance(50) {
            ""
        } else {
            explicit
        };
        let header = if self.chance(50) {
            format!("{style}{explicit}{chomp}")
        } else {
            format!("{style}{chomp}{explicit}")
        };
        let folded = if folds {
            value.replacen(' ', "\n", usize::from(!value.contains("  ")))
        } else {
            value
        };
        let lines = folded
            .trim_end_matches('\n')
            .split('\n')
            .map(|line| indented(indent, line.to_owned()))
            .collect();
        Some((header, lines))
    }

    fn interruption(&mut self, lines: &mut Vec<String>) {
        if self.chance(3) {
            lines.push(
                self.pick(&[
                    "# mine",
                    "",
                    "#",
                    "  # more to the right",
                    "# token: other",
                    "   ",
                ])
                .to_owned(),
            );
        }
    }

    fn key(&mut self, key: &str) -> String {
        match self.below(20) {
            0 => format!("\"{key}\""),
            1 => format!("'{key}'"),
            2 => self.double_quoted(key).replace("\\\n", ""),
            _ => key.to_owned(),
        }
    }

    /// A value in one expression, in which a line break may be followed by any indentation.
    fn flow(&mut self, node: &Node) -> String {
        let space = |author: &mut Self| match author.daring && author.chance(5) {
            true => "\t",
            false => author.pick(&["", " ", "", " ", "  ", "\n"]),
        };
        match node {
            Node::Map(entries) => {
                let mut parts = Vec::new();
                for (key, value) in entries {
                    let key = self.key(key);
                    let colon = if self.daring && self.chance(3) {
                        ":\t"
                    } else {
                        self.pick(&[": ", ": ", ": ", " : ", ":\n "])
                    };
                    let value = self.flow_scalar_or(value);
                    parts.push(format!("{}{key}{colon}{value}", space(self)));
                }
                let end = if !parts.is_empty() && self.chance(5) {
                    ","
                } else {
                    ""
                };
                format!("{{{}{end}{}}}", parts.join(","), space(self))
            }
            Node::List(items) => {
                let mut parts = Vec::new();
                for item in items {
                    parts.push(space(self).to_owned() + &self.flow_scalar_or(item));
                }
                let end = if !parts.is_empty() && self.chance(5) {
                    ","
                } else {
                    ""
                };
                format!("[{}{end}{}]", parts.join(","), space(self))
            }
            Node::Plain("null") => self.pick(&["null", "~", "Null", "NULL", ""]).to_owned(),
            Node::Plain(text) => (*text).to_owned(),
            Node::Data(pem) => {
                let data = self.base64(pem);
                if data.contains(['\n', '\r']) {
                    self.double_quoted(&data)
                } else {
                    self.scalar(&data)
                }
            }
            Node::Text(text) => self.scalar(text),
        }
    }

    /// In a flow collection a plain scalar has fewer characters.
    fn flow_scalar_or(&mut self, node: &Node) -> String {
        let written = self.flow(node);
        match node {
            Node::Text(text) if written.contains([',', '[', ']', '{', '}']) && self.chance(95) => {
                self.double_quoted(text)
            }
            _ => written,
        }
    }

    fn scalar(&mut self, text: &str) -> String {
        let is_simple = text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_./+=@:".contains(c))
            && !text.ends_with(':')
            && !["false", "n", "no", "null", "off", "on", "true", "y", "yes"]
                .contains(&text.to_ascii_lowercase().as_str());
        match self.below(10) {
            // Not always legal, and not always this text: both must see that.
            0..=6 if is_simple || self.daring && self.chance(15) => text.to_owned(),
            7 | 8 if !text.contains('\n') => {
                format!("'{}'", self.broken(&text.replace('\'', "''")))
            }
            _ => self.double_quoted(text),
        }
    }

    fn double_quoted(&mut self, text: &str) -> String {
        let mut quoted = String::new();
        let wild = self.chance(15);
        for character in text.chars() {
            let code = u32::from(character);
            match character {
                '"' | '\\' => quoted.extend(['\\', character]),
                '\n' => quoted += "\\n",
                '\r' => quoted += "\\r",
                '\t' => quoted += "\\t",
                '/' if wild && self.daring && self.chance(5) => quoted += "\\/",
                _ if wild && self.chance(5) && code < 0x100 => quoted += &format!("\\x{code:02x}"),
                _ if wild && self.chance(5) && code < 0x1_0000 => {
                    quoted += &format!("\\u{code:04X}")
                }
                _ if wild && self.chance(5) => quoted += &format!("\\U{code:08x}"),
                '\u{85}' => quoted += "\\N",
                '\u{2028}' => quoted += "\\L",
                '\u{2029}' => quoted += "\\P",
                '\u{a0}' => quoted += "\\_",
                '\u{7f}' | '\u{feff}' | '\u{fffe}' => quoted += &format!("\\u{code:04x}"),
                // Nothing, on two lines.
                'a'..='z' if wild && self.chance(1) => quoted.extend(['\\', '\n', character]),
                _ => quoted.push(character),
            }
        }
        format!("\"{}\"", self.broken(&quoted))
    }

    /// A single space may be a line break between quotes.
    fn broken(&mut self, text: &str) -> String {
        match text.split_once(' ') {
            Some((left, right))
                if !left.is_empty()
                    && !left.ends_with(['\\', '\n'])
                    && !right.is_empty()
                    && !right.starts_with(' ')
                    && self.chance(30) =>
            {
                format!("{left}\n{right}")
            }
            _ => text.to_owned(),
        }
    }

    /// One or two small changes anywhere.
    fn damaged(&mut self, text: &str) -> String {
        const BITS: &str = "\
            :¦ ¦\n¦\t¦: ¦#¦ #¦-¦- ¦?¦? ¦,¦[¦]¦{¦}¦'¦\"¦\\¦|¦>¦&a ¦*a¦!¦!!str ¦%¦@¦`¦~¦=¦<<: ¦\u{a0}¦\u{200b}¦\u{3000}¦é¦\u{1f680}¦null¦--- ¦\
            \n---\n¦\n...\n¦\n\n¦\n ¦  ¦\u{7}¦\u{fffe}¦\u{e000}¦A¦0¦-----¦-----BEGIN CERTIFICATE-----\n¦-----END CERTIFICATE-----\n";
        let mut characters: Vec<char> = text.chars().collect();
        for _ in 0..=self.below(2) {
            // Most of a file is base64, where little can go wrong.
            let mut at = self.below(characters.len() + 1);
            for _ in 0..20 {
                let near = &characters[at.saturating_sub(2)..(at + 2).min(characters.len())];
                if near.iter().any(|c| !c.is_ascii_alphanumeric()) {
                    break;
                }
                at = self.below(characters.len() + 1);
            }
            match self.below(4) {
                0 if at < characters.len() => drop(characters.remove(at)),
                1 if at < characters.len() => {
                    let start = characters[..at]
                        .iter()
                        .rposition(|c| *c == '\n')
                        .map_or(0, |found| found + 1);
                    let end = characters[at..]
                        .iter()
                        .position(|c| *c == '\n')
                        .map_or(characters.len(), |found| at + found + 1);
                    let line: Vec<char> = characters[start..end].to_vec();
                    let to = if self.chance(50) {
                        start..end
                    } else {
                        start..start
                    };
                    characters.splice(to.clone(), if to.is_empty() { line } else { Vec::new() });
                }
                2 if at < characters.len() => {
                    let bit = self.word_of(BITS);
                    characters.splice(at..=at, bit.chars());
                }
                _ => {
                    let bit = self.word_of(BITS);
                    characters.splice(at..at, bit.chars());
                }
            }
        }
        characters.into_iter().collect()
    }

    fn one_of<T: Clone>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())].clone()
    }

    /// One of the texts between the broken bars.
    fn word_of(&mut self, among: &'static str) -> &'static str {
        let words: Vec<&str> = among.split('¦').collect();
        self.pick(&words)
    }
}

fn indented(by: &str, line: String) -> String {
    if line.is_empty() {
        line
    } else {
        format!("{by}{line}")
    }
}

fn folded(text: &str, width: usize, with: &str) -> String {
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(width)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    lines.join(with)
}
