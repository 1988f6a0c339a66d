//! What a request in an argument is: the command for it, a path that is written anew, or refused.

use super::CommandError;
use crate::{
    catalogue::Catalogue,
    command::{Invocation, parse, split},
    tool::Tool,
};

fn read(text: &str) -> Result<Invocation, CommandError> {
    let catalogues = Catalogue::carried().unwrap();
    let mut catalogues = catalogues.into_iter();
    let kubectl = catalogues.find(|catalogue| catalogue.tool() == Tool::KUBECTL);
    parse(&kubectl.unwrap(), split(Tool::KUBECTL, text).unwrap(), None)
}

fn argv(text: &str) -> String {
    read(text).unwrap().argv().join(" ")
}

#[test]
fn a_request_in_an_argument_is_read_as_the_command_for_it() {
    for (command, runs) in [
        (
            "get --raw /readyz?verbose= -n web",
            "get --raw=/readyz?verbose",
        ),
        (
            "get --raw=/api/v1/nodes/n1/proxy/stats/summary",
            "get --raw=/api/v1/nodes/n1/proxy/stats/summary",
        ),
        (
            "get --raw /api/v1/pods",
            "get --all-namespaces=true --output=json pods.v1.",
        ),
        (
            "get --raw /api/v1/nodes/n1",
            "get --output=json nodes.v1. n1",
        ),
        (
            "get --raw /api/v1/namespaces/web --request-timeout=5s",
            "get --output=json --request-timeout=5s namespaces.v1. web",
        ),
        (
            "get --raw /api/v1/namespaces/web/pods/a/status",
            "get --namespace=web --output=json --subresource=status pods.v1. a",
        ),
        (
            "delete --raw /api/v1/namespaces/web/pods/a",
            "delete --namespace=web --wait=false pods.v1. a",
        ),
    ] {
        assert_eq!(argv(command), format!("kubectl --v=0 {runs}"), "{command}");
    }
    for command in [
        "get pods --raw=/readyz",
        "get --raw=/readyz -o json",
        "get --raw=readyz",
        "get --raw=https://a.example/readyz",
        "get --raw=/api/v1/pods/a",
        "get --raw=/api/v1/pods?limit=5",
        "get --raw=/api/v1/pods?watch=1",
        "get --raw=/api/v1/namespaces/web/pods/a/log",
        "get --raw=/api/v1/namespaces/web/nodes/a",
        "get --raw=/api/v1/namespaces/web%2fsecrets",
        "delete --raw=/api/v1/namespaces/web/pods",
        "delete --raw=/readyz",
        // Segments that would be flags or other words of the command.
        "delete --raw=/api/v1/namespaces/web/pods/--all",
        "get --raw=/api/v1/namespaces/web/pods/-A",
        "get --raw=/api/v1/namespaces/web/pods/--raw",
        "get --raw=/api/v1/namespaces/web/all",
        "get --raw=/api/v1/namespaces/web/po",
        "get --raw=/api/v1/namespaces/web/deployments",
    ] {
        let refused = read(command).unwrap_err();
        assert!(
            matches!(refused, CommandError::Raw { .. }),
            "{command}: {refused}"
        );
    }
}

#[test]
fn the_path_of_a_secret_is_no_command_or_one_that_no_policy_allows() {
    for path in [
        "/api/v1/secrets",
        "/api/v1/namespaces/web/secrets",
        "/api/v1/namespaces/web/secrets/db",
        "/api/v1/namespaces/web/secrets?labelSelector=a%3Db",
        "/api/v1/namespaces/web/secret",
        "/api/v2/namespaces/web/secrets",
        "/apis//v1/namespaces/web/secrets",
        "/api/v1/namespaces/web/secrets/",
        "//api/v1/namespaces/web/secrets",
        "/api//v1/namespaces/web/secrets",
        "/api/v1/namespaces/web%2fsecrets",
        "/api/v1/namespaces/web/secret%73",
        "/%61pi/v1/namespaces/web/secrets",
        "/api/v1/watch/secrets",
        "/api/v1/watch/namespaces/web/secrets/db",
        "/api/v1/proxy/namespaces/web/secrets/db",
        "/readyz/../api/v1/secrets",
        "/readyz/./../api/v1/secrets",
        "/api/v1/namespaces/web/./secrets",
        "/readyz?/../../api/v1/secrets",
        "/api/v1/namespaces/web/SECRETS",
        "/api/v1/namespaces/web/Secrets/db",
        "/API/v1/namespaces/web/secrets",
        "/api/v1/namespaces/web/secrets?watch=true",
        "/api/v1/namespaces/web/secrets/db/status",
        "/api/v1/namespaces/web/secrets;x",
        "/api/v1/namespaces/web/secrets#x",
        "api/v1/secrets",
        "https://a.example/api/v1/secrets",
    ] {
        for verb in ["get", "delete"] {
            let command = format!("{verb} --raw '{path}'");
            assert!(
                read(&command).is_ok_and(|read| read.never().is_some()) || read(&command).is_err(),
                "{command}"
            );
        }
    }
    let secret = read("get --raw=/api/v1/namespaces/web/secrets/db").unwrap();
    assert!(secret.never().is_some());
}
