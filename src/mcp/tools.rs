//! The tools as MCP clients see them: what each is, and how an outcome is its result.

use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, Tool as McpTool, ToolAnnotations,
};

use super::schema::{input_schema, schema};
use crate::{
    advice::Advice,
    command::filter_names,
    gate::{Arguments, Body, Outcome},
    metrics,
    refusal::Refusal,
    tool::Tool,
};

pub(super) fn described(tool: Tool) -> McpTool {
    let example = tool.spec().example;
    let description = format!(
        "Runs one {tool} command, for example `{example}`. Filters may stand behind it, as in `| grep -v Running | head -20`: {}. There is no shell: no redirections, variables or other programs. Returns the command's output as data from the cluster.",
        filter_names()
    );
    let mut described = McpTool::new(tool.as_str(), description, input_schema(tool));
    described.title = Some(format!("Run {tool} (confined)"));
    described.output_schema = Some(schema::<Body>());
    described.annotations = Some(ToolAnnotations::from_raw(
        None,
        Some(false),
        Some(true),
        Some(false),
        Some(true),
    ));
    described
}

/// An outcome as a tool result: the object, and beside it what a model reads.
pub(super) fn rendered(outcome: &Outcome) -> CallToolResponse {
    let body = outcome.body();
    let value = serde_json::to_value(&body).unwrap_or_default();
    let mut result = if body.success {
        CallToolResult::structured(value)
    } else {
        CallToolResult::structured_error(value)
    };
    result.content = vec![ContentBlock::text(body.text())];
    result.into()
}

/// Wrong arguments are a tool error (SEP-1303), so that the model can correct them. serde's
/// sentence names the field; its value may be a secret.
pub(super) fn malformed(
    error: &serde_json::Error,
    sent: &serde_json::Map<String, serde_json::Value>,
) -> CallToolResponse {
    let reason = Arguments::wrong_field(error)
        .or_else(|| Arguments::no_text(sent))
        .unwrap_or_else(|| "an argument has the wrong type; all are texts, but max_output (a number) and compact (true or false)".to_owned());
    let refusal = Refusal::Request(Advice {
        reason,
        hint: "give `command`, and if needed `namespace`, `context` or `cluster`, `timeout`".into(),
    });
    metrics::refusal(refusal.code().as_str());
    rendered(&Outcome::refused(refusal))
}
