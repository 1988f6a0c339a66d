//! What every spelling of a resource is, and is not.

use super::*;

#[test]
fn every_spelling_of_a_resource_has_one_canonical_name() {
    for (token, name) in [
        ("po", "pods"),
        ("Pod", "pods"),
        ("PODS", "pods"),
        ("pods.v1.", "pods"),
        ("pods.", "pods"),
        ("deploy", "deployments.apps"),
        ("deployments.v1.apps", "deployments.apps"),
        ("deployment.apps", "deployments.apps"),
        ("secrets.", "secrets"),
        ("SECRETS", "secrets"),
        ("Secret.v1.", "secrets"),
        ("ev", "events"),
        ("events.v1.events.k8s.io", "events.events.k8s.io"),
        ("hpa", "horizontalpodautoscalers.autoscaling"),
        (
            "virtualservices.networking.istio.io",
            "virtualservices.networking.istio.io",
        ),
    ] {
        assert_eq!(canonical(token).as_deref(), Some(name), "{token}");
    }
}

#[test]
fn a_qualified_name_is_read_as_the_same_resource_and_can_be_no_category() {
    for name in all() {
        let (_, qualified) = named(&name).unwrap();
        assert_eq!(
            canonical(&qualified).as_deref(),
            Some(name.as_str()),
            "{qualified}"
        );
        assert!(qualified.matches('.').count() >= 2, "{qualified}");
    }
}

#[test]
fn a_token_that_the_table_does_not_hold_has_no_name() {
    for token in [
        "all",
        "sneaky",
        "gateways",
        "gateway",
        "networ\u{212a}policies",
        "conf\u{130}gmaps",
        "pods.apps",
        "",
        ".",
        "secrets.v1.apps",
        "pods.v1",
    ] {
        assert_eq!(canonical(token), None, "{token}");
    }
}

#[test]
fn a_short_or_singular_name_that_one_custom_resource_has_is_that_resource() {
    for (token, name) in [
        ("vs", "virtualservices.networking.istio.io"),
        ("VirtualService", "virtualservices.networking.istio.io"),
        (
            "peerauthentication",
            "peerauthentications.security.istio.io",
        ),
        ("httproute", "httproutes.gateway.networking.k8s.io"),
        ("application", "applications.argoproj.io"),
        ("podmetrics", "pods.metrics.k8s.io"),
        ("gw", "gateways.networking.istio.io"),
        ("gtw", "gateways.gateway.networking.k8s.io"),
        // A word of the API itself stays what it is.
        ("pods", "pods"),
        ("nodes", "nodes"),
    ] {
        assert_eq!(canonical(token).as_deref(), Some(name), "{token}");
    }
    assert_eq!(
        claimants("Gateway"),
        [
            "gateways.networking.istio.io",
            "gateways.gateway.networking.k8s.io"
        ]
    );
}

#[test]
fn no_short_name_of_a_custom_resource_is_another_ones() {
    for resource in RESOURCES.iter().filter(|resource| resource.custom) {
        for short in resource.short {
            assert_eq!(canonical(short), Some(resource.canonical()), "{short}");
        }
    }
}
