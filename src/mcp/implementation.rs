//! What the server calls itself, for people who look at a list of servers: [`implementation`].

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rmcp::model::{Icon, Implementation};

/// A chamber with two doors. Hosts show it beside the name; no model reads it.
const ICON: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="5" fill="#2b5fd9"/><path d="M5 6v12M19 6v12M8 12h8m-3-3 3 3-3 3" fill="none" stroke="#fff" stroke-width="2"/></svg>"##;

/// Returns the name, the version and the picture of this server.
pub(super) fn implementation() -> Implementation {
    let source = format!("data:image/svg+xml;base64,{}", BASE64_STANDARD.encode(ICON));
    let icon = Icon::new(source)
        .with_mime_type("image/svg+xml")
        .with_sizes(vec!["any".into()]);
    Implementation::new("kube-airlock", env!("CARGO_PKG_VERSION"))
        .with_title("kube-airlock")
        .with_description(
            "Runs kubectl, helm, istioctl and argocd, checked against a policy and confined",
        )
        .with_icons(vec![icon])
}
