//! helm: a release of two revisions, which the bare helm has made of a chart.

use crate::{Row, does, exits, fails, refused, same};

pub fn rows() -> Vec<Row> {
    vec![
        same("list -n {ns}", "greeting-1.0.0"),
        same("list -A", "greeting-1.0.0"),
        same("list -n {ns} -o json", "\"revision\":\"2\""),
        same("list -n {ns} --short --filter ^we --max 5", "web"),
        same("status web -n {ns}", "STATUS: deployed"),
        same("status web -n {ns} -o json", "\"name\":\"web\""),
        same("status web -n {ns} --revision 1", "Say hello."),
        same("history web -n {ns}", "superseded"),
        same("history web -n {ns} --max 1 -o yaml", "revision: 2"),
        same("get values web -n {ns}", "greeting: hi"),
        same("get values web -n {ns} --all -o json", "hi"),
        same("get manifest web -n {ns}", "web-greeting"),
        same("get notes web -n {ns}", "Say hi."),
        same("get hooks web -n {ns}", "helm.sh/hook: test"),
        same("get metadata web -n {ns}", "CHART: greeting"),
        same("get all web -n {ns}", "USER-SUPPLIED VALUES"),
        fails("status nosuch -n {ns}", 1, "release: not found"),
        same("version", "v4.3.2"),
        same("version --short", "v4.3.2"),
        does("list --help", "Usage:"),
        does("help status", "Usage:"),
        does(
            "rollback web 1 -n {ns} --wait --timeout 20s",
            "Rollback was a success",
        ),
        same("get values web -n {ns}", "null"),
        does(
            "rollback web -n {ns} --dry-run=server",
            "Rollback was a success",
        ),
        does("test web -n {ns} --timeout 25s", "Succeeded"),
        does("uninstall web -n {ns} --dry-run", "uninstalled"),
        does("uninstall web -n {ns} --keep-history", "uninstalled"),
        same("list -n {ns} --uninstalled", "greeting-1.0.0"),
        does("rollback web 2 -n {ns}", "Rollback was a success"),
        does("uninstall web -n {ns} --wait --timeout 20s", "uninstalled"),
        exits("uninstall web -n {ns}", 1, "not found"),
        // Charts do not come with a request yet, and are not fetched.
        refused(
            "install two ./chart",
            "invalid_command",
            "a chart on this machine",
        ),
        refused(
            "install two oci://charts.example.com/two",
            "tool_unavailable",
            "not enabled yet",
        ),
        refused(
            "upgrade web https://charts.example.com/web-1.tgz",
            "tool_unavailable",
            "not enabled yet",
        ),
        refused(
            "show values stable/web",
            "tool_unavailable",
            "not enabled yet",
        ),
        refused(
            "template web oci://charts.example.com/two",
            "tool_unavailable",
            "not enabled yet",
        ),
        refused("lint ./chart", "invalid_command", "a chart on this machine"),
        refused("search hub web", "policy_denied", "never allowed"),
        refused("search repo web", "policy_denied", "never allowed"),
        refused("repo list", "policy_denied", "never allowed"),
        refused("plugin list", "policy_denied", "never allowed"),
        refused(
            "registry login example.com",
            "policy_denied",
            "never allowed",
        ),
        refused("env", "policy_denied", "never allowed"),
        refused("dependency list ./chart", "policy_denied", "never allowed"),
    ]
}
