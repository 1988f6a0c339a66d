//! What to do instead of a key that is refused.

use super::error::KubeconfigError;
use crate::yaml::key_name;

/// How to get a token without this credential plugin, which is told by its program.
pub(super) fn in_place_of(command: &str) -> &'static str {
    match command
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or(command)
        .trim_end_matches(".exe")
    {
        "aws" | "aws-iam-authenticator" => {
            "credential plugins are not run; put a token under `token` instead of `exec`: what `aws eks get-token --cluster-name NAME --query status.token --output text` prints (it lasts 15 minutes), or `kubectl create token NAME`"
        }
        "gcloud" | "gke-gcloud-auth-plugin" => {
            "credential plugins are not run; put a token under `token` instead of `exec`: what `gcloud auth print-access-token` prints (it lasts an hour), or `kubectl create token NAME`"
        }
        "az" | "kubelogin" => {
            "credential plugins are not run; put a token under `token` instead of `exec`: what `az account get-access-token --resource 6dae42f8-4368-4678-94ff-3960e28e3630 --query accessToken --output tsv` prints (it lasts about an hour), or `kubectl create token NAME`"
        }
        _ => {
            "credential plugins are not run; put a short-lived token under `token` instead of `exec`: `status.token` of what the plugin prints, or `kubectl create token NAME`"
        }
    }
}

/// A refused key, with what to do instead where that is known.
pub(super) fn unknown(place: &str, key: &str, line: usize) -> KubeconfigError {
    let name = key.strip_suffix("-data").unwrap_or(key);
    let fix = match name {
        "auth-provider" => {
            "auth providers are not run; put a short-lived token under `token` instead: what `kubectl create token NAME` prints, or your cloud's command (for GKE `gcloud auth print-access-token`)"
        }
        "tokenFile" => "files are not read; put the token itself under `token`",
        "client-certificate" | "client-key" | "certificate-authority" => {
            "files are not read; `kubectl config view --raw --flatten --minify` puts their content into the kubeconfig"
        }
        "proxy-url" => "proxies are not used; remove the key",
        "insecure-skip-tls-verify" => {
            "certificates are verified; give the cluster's `certificate-authority-data` (an operator can set `allow_insecure_skip_tls_verify` under [kubeconfig])"
        }
        "username" | "password" => {
            "passwords are not accepted; use a token or a client certificate (an operator can set `allow_passwords` under [kubeconfig])"
        }
        "as" | "as-groups" => {
            "impersonation is not accepted; use a kubeconfig of that identity (an operator can list whom under [kubeconfig.impersonation])"
        }
        "as-uid" | "as-user-extra" => {
            "impersonation with a uid or extra fields is not accepted; use a kubeconfig of that identity"
        }
        _ => "remove it: this server accepts only keys that it knows",
    };
    KubeconfigError::Key {
        line,
        key: format!("{place}{}", key_name(key).to_string().trim_matches('`')),
        fix,
    }
}
