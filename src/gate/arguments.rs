//! What a caller sends, the same over every door.

use serde::{Deserialize, Deserializer};
use utoipa::{
    ToSchema,
    openapi::schema::{ObjectBuilder, Type},
};

use http::HeaderMap;

use super::request::{CarriedKubeconfig, Request};
use crate::{
    argocd::Carried,
    command::filter_names,
    data::SentFiles,
    excerpt::Excerpt,
    secret::SecretString,
    tool::{AccessKind, Tool},
};

/// A command and where to run it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The command line, with or without the leading tool name, and filters behind it.
    #[schema(schema_with = command_schema)]
    pub command: String,
    /// The namespace, like `--namespace`; a different one in the command is an error.
    pub namespace: Option<String>,
    /// A kubeconfig in base64. The header X-Kubeconfig wins, and keeps it out of a model's sight.
    #[schema(value_type = Option<String>)]
    pub kubeconfig: Option<SecretString>,
    /// A text that the command reads as its standard input: `apply -f -`. It may stand behind the
    /// command instead: `apply -f - <<'EOF'`, the text, and a line `EOF`.
    #[schema(value_type = Option<String>)]
    pub stdin: Option<SecretString>,
    /// Texts that the command reads as files, by name: `apply -f web.yaml`.
    #[serde(default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>, example = json!({ "web.yaml": "kind: Deployment\n…" }))]
    pub files: SentFiles,
    /// A context of the kubeconfig, instead of its current one.
    pub context: Option<String>,
    /// A cluster that the operator has named, instead of a kubeconfig; GET /clusters lists them.
    pub cluster: Option<String>,
    /// argocd only: the Argo CD server, as HOST:PORT. The header X-Argocd-Server wins.
    pub argocd_server: Option<String>,
    /// argocd only: a token of an account. The header X-Argocd-Auth-Token wins, and keeps it out of
    /// a model's sight.
    #[schema(value_type = Option<String>)]
    pub argocd_auth_token: Option<SecretString>,
    /// argocd only: the server's certificate authority, PEM in base64. The header X-Argocd-Ca wins.
    pub argocd_ca: Option<String>,
    /// A deadline like `30s` or `1m30s`; a number is of seconds.
    #[schema(example = "30s")]
    #[serde(default, deserialize_with = "timeout")]
    pub timeout: Option<String>,
    /// The most bytes of output in the answer, up to what the server and the policy let it have.
    #[schema(minimum = 1, example = 262_144)]
    pub max_output: Option<usize>,
    /// Leaves out blanks that say nothing: the padding of tables, the indentation of JSON.
    #[serde(default)]
    pub compact: bool,
    /// Only tells whether the command may run, and if not what may; nothing runs, and no credential
    /// is needed.
    #[serde(default)]
    pub explain: bool,
    /// Runs the command as a preview: nothing that it writes is kept, and `effects.preview` tells what
    /// would become of each object.
    pub dry_run: Option<DryRun>,
}

/// Where a preview is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DryRun {
    /// At the API server, which answers each write as if it were done.
    Server,
}

/// A duration as Go writes it, or a number of seconds, as models do.
fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Timeout {
        Seconds(serde_json::Number),
        Text(String),
    }
    let given = Option::<Timeout>::deserialize(deserializer)?;
    Ok(given.map(|given| match given {
        Timeout::Seconds(seconds) => format!("{seconds}s"),
        Timeout::Text(text) => text,
    }))
}

/// Says in the schema what a command may be.
fn about_commands() -> String {
    format!(
        "The command line, with or without the leading tool name: `get pods -n default`. Filters may \
         stand behind it: `| grep -v Running | head -20` (the filters are {}). There is no shell: no \
         redirections, variables or other programs.",
        filter_names()
    )
}

fn command_schema() -> utoipa::openapi::Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(about_commands()))
        .examples(["get pods -n default"])
        .build()
}

/// The part of a request that travels in headers, where a model does not see it.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    /// The value of X-Kubeconfig.
    pub kubeconfig: Option<SecretString>,
    /// X-Argocd-Server, X-Argocd-Auth-Token and X-Argocd-Ca.
    pub argocd: Carried,
    /// The name that the client's program gives itself; nobody vouches for it.
    pub client: Option<Excerpt>,
}

impl Headers {
    /// The names of the headers that hold a credential.
    pub const SECRET: [&str; 3] = ["authorization", "x-kubeconfig", "x-argocd-auth-token"];

    /// Reads the headers. A value that is no text becomes `?`, which is refused as what it is not.
    pub fn read(headers: &HeaderMap) -> Self {
        let text = |name: &str| {
            headers
                .get(name)
                .map(|value| value.to_str().unwrap_or("?").to_owned())
        };
        Self {
            kubeconfig: text("x-kubeconfig").map(SecretString::new),
            argocd: Carried {
                server: text("x-argocd-server"),
                token: text("x-argocd-auth-token").map(SecretString::new),
                authority: text("x-argocd-ca"),
            },
            client: text("user-agent").map(|name| Excerpt::new(&name)),
        }
    }
}

impl Arguments {
    /// Returns serde's sentence about a field, the field quoted; `None` for any other, which may
    /// quote a value.
    pub fn wrong_field(error: &serde_json::Error) -> Option<String> {
        let sentence = error.to_string();
        let mut parts = sentence.splitn(3, '`');
        match (parts.next(), parts.next()) {
            (
                Some(what @ ("unknown field " | "missing field " | "duplicate field ")),
                Some(name),
            ) => {
                // The names of the fields that there are: ours, and not the caller's.
                let known = parts
                    .next()
                    .and_then(|rest| rest.strip_prefix(", expected "));
                let known = known.and_then(|rest| rest.split(" at line ").next());
                let known = known.map(|known| format!("; it takes {known}"));
                let name = Excerpt::new(name);
                Some(format!("{what}{name}{}", known.unwrap_or_default()))
            }
            _ => None,
        }
    }

    /// The fields that are texts; `timeout` may be a number, too.
    const TEXTS: [&str; 10] = [
        "command",
        "namespace",
        "stdin",
        "context",
        "cluster",
        "timeout",
        "kubeconfig",
        "argocd_server",
        "argocd_auth_token",
        "argocd_ca",
    ];

    /// Returns the sentence about the first field of `sent` that should be a text and is none.
    pub fn no_text(sent: &serde_json::Map<String, serde_json::Value>) -> Option<String> {
        let is_wrong = |name: &&str| {
            let may_be = |value: &serde_json::Value| match *name {
                "command" => false,
                "timeout" => value.is_null() || value.is_number(),
                _ => value.is_null(),
            };
            let value = sent.get(*name);
            value.is_some_and(|value| !value.is_string() && !may_be(value))
        };
        let dry_run = sent.get("dry_run");
        if dry_run.is_some_and(|value| !value.is_null() && value != "server") {
            return Some("`dry_run` is `server`, or not there".to_owned());
        }
        let files_are_wrong = || match sent.get("files") {
            None | Some(serde_json::Value::Null) => false,
            Some(serde_json::Value::Object(files)) => {
                !files.values().all(serde_json::Value::is_string)
            }
            Some(_) => true,
        };
        let Some(name) = Self::TEXTS.into_iter().find(is_wrong) else {
            let what = "`files` is an object of texts by name: {\"web.yaml\": \"kind: …\"}";
            return files_are_wrong().then(|| what.to_owned());
        };
        Some(match name {
            "command" => "`command` is one text, and not a list of words".to_owned(),
            "stdin" => {
                "`stdin` is a text: a manifest in it is YAML or JSON, and not an object".to_owned()
            }
            "timeout" => "`timeout` is a number of seconds, or a text like `1m30s`".to_owned(),
            name => format!("`{name}` is a text"),
        })
    }

    /// Returns the request for `tool`; what is in the headers wins over the arguments.
    pub fn request(self, tool: Tool, headers: Headers) -> Request {
        let Headers {
            kubeconfig: header,
            argocd,
            client,
        } = headers;
        let fields = [
            ("argocd_server", self.argocd_server.is_some()),
            ("argocd_auth_token", self.argocd_auth_token.is_some()),
            ("argocd_ca", self.argocd_ca.is_some()),
        ];
        let argocds = fields.into_iter().filter(|(_, is_there)| *is_there);
        let stray_fields = match tool.spec().access {
            AccessKind::Argocd => Vec::new(),
            AccessKind::Kubeconfig | AccessKind::Nothing => argocds.map(|(name, _)| name).collect(),
        };
        Request {
            tool,
            command: self.command,
            namespace: self.namespace,
            kubeconfig: CarriedKubeconfig::choose(header, self.kubeconfig),
            context: self.context,
            cluster: self.cluster,
            stdin: self.stdin,
            files: self.files,
            stray_fields,
            argocd: Carried {
                server: argocd.server.or(self.argocd_server),
                token: argocd.token.or(self.argocd_auth_token),
                authority: argocd.authority.or(self.argocd_ca),
            },
            timeout: self.timeout,
            max_output: self.max_output,
            is_compact: self.compact,
            is_question: self.explain,
            is_preview: self.dry_run == Some(DryRun::Server),
            client,
        }
    }
}
