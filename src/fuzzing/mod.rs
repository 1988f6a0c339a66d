//! Properties of the pure rooms, and of the words that the sandbox's two processes exchange: each
//! takes any bytes and panics when it does not hold.
//!
//! `fuzz/` calls them with bytes that libFuzzer makes (`make fuzz`), `cargo test` with those of
//! proptest and with every seed in `fuzz/corpus/`.
//!
//! | property | claims |
//! |---|---|
//! | [`api_request()`] | a request of the Kubernetes API that is accepted has one spelling, which is written and read again to the same one |
//! | [`api_response()`] | of the Secrets in an answer each value becomes a mark, nothing else changes, and events are the same however their stream is cut |
//! | [`audit()`] | the verifier takes any bytes; no byte and no line of a chain changes, goes, comes or moves unnoticed |
//! | [`split()`] | what the words room accepts has no live shell syntax, and a POSIX shell reads the same words |
//! | [`pipeline()`] | a POSIX shell cuts what is accepted at the same bars, and each filter renders to words that read again to it |
//! | [`here_document()`] | what is taken for the here-document of a command, a POSIX shell hands over byte for byte, and runs nothing else |
//! | [`parse`] | what the parser accepts renders to words that mean nothing else, and reads again to the same |
//! | [`policy_load`] | no text is too odd for the policy loader, and each refusal points into the text |
//! | [`decide`] | what a shipped policy allows, it allows again as it was rendered; nothing forbidden is in it, and nothing that was neither sent nor told |
//! | [`discovery()`] | whatever a cluster says that it has, no word becomes a core or known resource, and what the tool gets means the same again |
//! | [`monotonic()`] | more denials, fewer allowances and more files never allow more; order changes nothing |
//! | [`never_allow`] | no policy that loads allows what no policy may, wherever and however it is spelt |
//! | [`kubeconfig()`] | what the kubeconfig room accepts is written with known keys only, and accepted again |
//! | [`rejected_key`] | what stands under a key of a kubeconfig that is refused or dropped is written and said nowhere |
//! | [`manifest()`] | what the manifest room accepts has kind, name and namespace, and is written as JSON in which every reader finds the same |
//! | [`message()`] | a message between the server and its spawner is written and read again to the same one |
//! | [`output()`] | clean text cannot steer a terminal, and stays as it is when it is cleaned again |
//! | [`yaml()`] | what the strict reader of YAML accepts is within its bounds, and reads again to the same as JSON and letter by letter |
//! | [`redact()`] | nothing of a Secret is told, whatever stands before it and however the stream is cut; a ConfigMap is |
//!
//! Each returns whether the bytes came as far as what it is about: a property that nothing reaches
//! holds for nothing, and the tests want to know.

#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a property that does not hold panics"
)]

mod api_request;
mod api_response;
mod audit;
mod catalogues;
mod choices;
mod command;
mod discovery;
mod forbidden;
mod here_document;
mod kubeconfig;
mod manifest;
mod message;
mod monotonic;
mod never;
mod output;
mod policy;
mod redact;
mod split;
mod yaml;

pub use api_request::api_request;
pub use api_response::api_response;
pub use audit::audit;
pub use command::parse;
pub use discovery::discovery;
pub use here_document::here_document;
pub use kubeconfig::{kubeconfig, rejected_key};
pub use manifest::manifest;
pub use message::message;
pub use monotonic::monotonic;
pub use never::never_allow;
pub use output::output;
pub use policy::{decide, policy_load};
pub use redact::redact;
pub use split::{pipeline, split};
pub use yaml::yaml;

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    type Property = fn(&[u8]) -> bool;

    const PROPERTIES: [(&str, Property); 18] = [
        ("api_request", api_request),
        ("api_response", api_response),
        ("audit", audit),
        ("decide", decide),
        ("discovery", discovery),
        ("here_document", here_document),
        ("kubeconfig", kubeconfig),
        ("manifest", manifest),
        ("message", message),
        ("monotonic", monotonic),
        ("never_allow", never_allow),
        ("output", output),
        ("parse", parse),
        ("policy_load", policy_load),
        ("redact", redact),
        ("rejected_key", rejected_key),
        ("split", split),
        ("yaml", yaml),
    ];

    fn names_in(folder: &str) -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let entries =
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        entries
            .map(|entry| {
                entry
                    .unwrap()
                    .path()
                    .file_stem()
                    .unwrap()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect()
    }

    #[test]
    fn every_property_is_a_fuzz_target_and_has_seeds() {
        let properties: BTreeSet<String> = PROPERTIES
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        assert_eq!(names_in("fuzz/fuzz_targets"), properties);
        assert_eq!(names_in("fuzz/corpus"), properties);
    }

    /// Seeds that do not reach it are worth having as well: near misses.
    #[test]
    fn every_seed_holds_and_enough_of_them_reach_what_the_property_is_about() {
        for (name, property) in PROPERTIES {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("fuzz/corpus")
                .join(name);
            let (mut seeds, mut reached) = (0, 0);
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                println!("{}", path.display()); // shown when it does not hold
                seeds += 1;
                reached += usize::from(property(&fs::read(path).unwrap()));
            }
            assert!(reached >= 8, "{name}: {reached} of {seeds} seeds reach it");
        }
    }
}
