//! A tree of values -> the strict structs of the accepted fields.
//!
//! Every key has to be known where it stands; a key that a client would act on (`exec`, a file
//! path, a proxy) is refused with what to do instead, and any other unknown key is refused too,
//! since a future client may give it a meaning.

use std::{convert::identity, io};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{
    allowances::Allowances,
    error::KubeconfigError,
    remedy::{in_place_of, unknown},
};
use crate::{
    secret::{SecretBytes, SecretString},
    yaml::Node,
};

/// A kubeconfig with only the fields that this server accepts.
pub struct Config {
    pub clusters: Vec<(String, Cluster)>,
    pub users: Vec<(String, User)>,
    pub contexts: Vec<(String, Context)>,
    pub current_context: Option<String>,
}

/// `clusters[].cluster`
pub struct Cluster {
    pub server: String,
    pub server_line: usize,
    pub certificate_authority_data: Option<(String, usize)>,
    pub tls_server_name: Option<(String, usize)>,
    pub insecure_skip_tls_verify: bool,
}

/// `users[].user`
#[derive(Default)]
pub struct User {
    pub line: usize,
    pub token: Option<(SecretString, usize)>,
    pub client_certificate_data: Option<(String, usize)>,
    pub client_key_data: Option<(SecretString, usize)>,
    pub username: Option<(String, usize)>,
    pub password: Option<(SecretString, usize)>,
    pub impersonate: Option<(String, usize)>,
    pub impersonate_groups: Vec<(String, usize)>,
    /// The command, its arguments and the line of a credential plugin.
    pub exec: Option<(String, Vec<String>, usize)>,
}

/// `contexts[].context`
pub struct Context {
    pub line: usize,
    pub cluster: String,
    pub user: String,
    pub namespace: Option<String>,
}

/// Reads a file that an operator's kubeconfig refers to; a caller's may refer to none.
pub type ReadFile<'a> = &'a dyn Fn(&str) -> io::Result<SecretBytes>;

impl Config {
    /// Reads the whole file, all clusters, users and contexts included.
    pub fn read(
        root: Node,
        allowances: &Allowances,
        files: Option<ReadFile<'_>>,
    ) -> Result<Self, KubeconfigError> {
        let mut config = Self {
            clusters: Vec::new(),
            users: Vec::new(),
            contexts: Vec::new(),
            current_context: None,
        };
        let (mut version, mut kind) = (None, None);
        for (key, node) in root.map("the kubeconfig")? {
            match key.as_str() {
                "apiVersion" => version = node.text("apiVersion")?,
                "kind" => kind = node.text("kind")?,
                "clusters" => {
                    config.clusters = node.entries("clusters", "cluster", |node| {
                        Cluster::read(node, allowances, files)
                    })?
                }
                "users" => {
                    config.users =
                        node.entries("users", "user", |node| User::read(node, allowances, files))?
                }
                "contexts" => {
                    config.contexts = node.entries("contexts", "context", Context::read)?
                }
                "current-context" => {
                    config.current_context = node
                        .text("current-context")?
                        .filter(|name| !name.is_empty())
                }
                "preferences" | "extensions" => {} // what minikube and old kubectl write; never passed on
                _ => return Err(unknown("", &key, node.line)),
            }
        }
        // client-go takes both as given, and installers leave them out.
        let is = |given: &Option<String>, known: &str| {
            given
                .as_deref()
                .is_none_or(|text| text.is_empty() || text == known)
        };
        if !is(&version, "v1") || !is(&kind, "Config") {
            return Err(KubeconfigError::NotConfig);
        }
        Ok(config)
    }
}

impl Cluster {
    fn read(
        node: Node,
        allowances: &Allowances,
        files: Option<ReadFile<'_>>,
    ) -> Result<Self, KubeconfigError> {
        let line = node.line;
        let (mut server, mut authority, mut tls_server_name, mut insecure_skip_tls_verify) =
            (None, None, None, false);
        let mut certificate_authority = None;
        for (key, node) in node.map("cluster")? {
            let at = node.line;
            match key.as_str() {
                "server" => server = node.text("server")?.map(|text| (text, at)),
                "certificate-authority-data" => {
                    authority = node
                        .text("certificate-authority-data")?
                        .map(|text| (text, at))
                }
                "extensions" => {}
                // Off is the default, and off is what the child gets.
                "insecure-skip-tls-verify" if node.is_plain("false") => {}
                "insecure-skip-tls-verify"
                    if allowances.insecure_skip_tls_verify && node.is_plain("true") =>
                {
                    insecure_skip_tls_verify = true
                }
                "certificate-authority" if files.is_some() => {
                    certificate_authority =
                        node.text("certificate-authority")?.map(|text| (text, at));
                }
                "tls-server-name" => {
                    tls_server_name = node.text("tls-server-name")?.map(|text| (text, at))
                }
                "disable-compression" if node.is_plain("true") || node.is_plain("false") => {}
                _ => return Err(unknown("clusters[].cluster.", &key, at)),
            }
        }
        let (server, server_line) = server.ok_or(KubeconfigError::Missing {
            line,
            key: "server",
        })?;
        Ok(Self {
            server,
            server_line,
            certificate_authority_data: content(
                files,
                authority,
                certificate_authority,
                "certificate-authority",
                identity,
            )?,
            tls_server_name,
            insecure_skip_tls_verify,
        })
    }
}

impl User {
    fn read(
        node: Node,
        allowances: &Allowances,
        files: Option<ReadFile<'_>>,
    ) -> Result<Self, KubeconfigError> {
        let mut user = Self {
            line: node.line,
            ..Self::default()
        };
        let (mut client_certificate, mut client_key, mut token_file) = (None, None, None);
        let impersonates = !allowances.impersonation.users.is_empty();
        for (key, node) in node.map("user")? {
            let at = node.line;
            match key.as_str() {
                "token" => {
                    user.token = node
                        .text("token")?
                        .map(|text| (SecretString::new(text), at))
                }
                "client-certificate-data" => {
                    user.client_certificate_data =
                        node.text("client-certificate-data")?.map(|text| (text, at))
                }
                "client-key-data" => {
                    user.client_key_data = node
                        .text("client-key-data")?
                        .map(|text| (SecretString::new(text), at))
                }
                "username" if allowances.passwords => {
                    user.username = node.text("username")?.map(|text| (text, at))
                }
                "password" if allowances.passwords => {
                    user.password = node
                        .text("password")?
                        .map(|text| (SecretString::new(text), at))
                }
                "as" if impersonates => user.impersonate = node.text("as")?.map(|text| (text, at)),
                "as-groups" if impersonates => user.impersonate_groups = node.texts("as-groups")?,
                "client-certificate" if files.is_some() => {
                    client_certificate = node.text("client-certificate")?.map(|text| (text, at));
                }
                "client-key" if files.is_some() => {
                    client_key = node.text("client-key")?.map(|text| (text, at))
                }
                "tokenFile" if files.is_some() => {
                    token_file = node.text("tokenFile")?.map(|text| (text, at))
                }
                // Old kubectl and some clouds write nothing in it.
                "as-user-extra" if node.is_empty() => {}
                "exec" if !allowances.token_sources.is_empty() => user.exec = Some(exec(node)?),
                "exec" => {
                    return Err(KubeconfigError::Key {
                        line: at,
                        key: "users[].user.exec".into(),
                        fix: in_place_of(node.command()),
                    });
                }
                "extensions" => {}
                _ => return Err(unknown("users[].user.", &key, at)),
            }
        }
        user.client_certificate_data = content(
            files,
            user.client_certificate_data,
            client_certificate,
            "client-certificate",
            identity,
        )?;
        user.client_key_data = content(
            files,
            user.client_key_data,
            client_key,
            "client-key",
            SecretString::new,
        )?;
        // client-go prefers the file to a token beside it.
        if let (Some(read), Some((path, line))) = (files, token_file) {
            let bytes = referred_to(read, &path, line, "tokenFile")?;
            let text =
                std::str::from_utf8(bytes.expose()).map_err(|_| KubeconfigError::Token { line })?;
            let text = text.trim();
            // client-go would take what stands beside it.
            if text.is_empty() {
                return Err(KubeconfigError::Shape {
                    line,
                    key: "tokenFile",
                    expected: "a file that holds a token",
                });
            }
            user.token = Some((SecretString::new(text.to_owned()), line));
        }
        Ok(user)
    }
}

impl Context {
    fn read(node: Node) -> Result<Self, KubeconfigError> {
        let line = node.line;
        let (mut cluster, mut user, mut namespace) = (None, None, None);
        for (key, node) in node.map("context")? {
            match key.as_str() {
                "cluster" => cluster = node.text("cluster")?,
                "user" => user = node.text("user")?,
                "namespace" => namespace = node.text("namespace")?.filter(|name| !name.is_empty()),
                "extensions" => {}
                _ => return Err(unknown("contexts[].context.", &key, node.line)),
            }
        }
        let missing = |key| KubeconfigError::Missing { line, key };
        Ok(Self {
            line,
            cluster: cluster.ok_or(missing("cluster"))?,
            user: user.ok_or(missing("user"))?,
            namespace,
        })
    }
}

/// What stands in the kubeconfig itself, else what the file that it refers to holds, in base64; so
/// does client-go.
fn content<T>(
    files: Option<ReadFile<'_>>,
    own: Option<(T, usize)>,
    reference: Option<(String, usize)>,
    key: &'static str,
    kept: fn(String) -> T,
) -> Result<Option<(T, usize)>, KubeconfigError> {
    match (own, files, reference) {
        (None, Some(read), Some((path, line))) => {
            let bytes = referred_to(read, &path, line, key)?;
            Ok(Some((kept(BASE64_STANDARD.encode(bytes.expose())), line)))
        }
        (own, ..) => Ok(own),
    }
}

fn referred_to(
    read: ReadFile<'_>,
    path: &str,
    line: usize,
    key: &'static str,
) -> Result<SecretBytes, KubeconfigError> {
    read(path).map_err(|error| KubeconfigError::File {
        line,
        key,
        kind: error.kind(),
    })
}

/// A credential plugin, which is never run: only its name and its words are looked at.
fn exec(node: Node) -> Result<(String, Vec<String>, usize), KubeconfigError> {
    let line = node.line;
    let (mut command, mut args) = (None, Vec::new());
    for (key, node) in node.map("exec")? {
        match key.as_str() {
            "command" => command = node.text("command")?,
            "args" => {
                args = node
                    .texts("args")?
                    .into_iter()
                    .map(|(text, _)| text)
                    .collect()
            }
            // What it says about the plugin's run means nothing here.
            "apiVersion" | "env" | "installHint" | "interactiveMode" | "provideClusterInfo" => {}
            _ => return Err(unknown("users[].user.exec.", &key, node.line)),
        }
    }
    Ok((
        command.ok_or(KubeconfigError::Missing {
            line,
            key: "command",
        })?,
        args,
        line,
    ))
}
