//! JSON Schemas of the tools' arguments and answers, as MCP clients can read them.

use std::sync::Arc;

use rmcp::model::JsonObject;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::Value;

use crate::{
    gate::Arguments,
    tool::{AccessKind, Tool},
};

pub(super) fn schema<T: schemars::JsonSchema>() -> Arc<JsonObject> {
    let mut schema = schemars::schema_for!(T);
    // Formats like `int32` are OpenAPI's; JSON Schema validators in clients warn about them.
    RecursiveTransform(|schema: &mut schemars::Schema| {
        schema.remove("format");
    })
    .transform(&mut schema);
    Arc::new(schema.as_object().cloned().unwrap_or_default())
}

/// The arguments' schema, without those that only other tools take. An optional argument is one
/// that may be left out; saying that it may also be null makes some clients (Gemini's function
/// declarations) refuse the tool.
pub(super) fn input_schema(tool: Tool) -> Arc<JsonObject> {
    let mut schema = schemars::Schema::from(schema::<Arguments>().as_ref().clone());
    RecursiveTransform(|schema: &mut schemars::Schema| {
        let Some(Value::Array(types)) = schema.get("type") else {
            return;
        };
        if let [first, Value::String(null)] = types.as_slice()
            && null == "null"
        {
            let first = first.clone();
            schema.insert("type".into(), first);
        }
    })
    .transform(&mut schema);
    let mut schema = schema.as_object().cloned().unwrap_or_default();
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        let of_argocd = |name: &str| name.starts_with("argocd_");
        let of_kubernetes =
            |name: &str| ["kubeconfig", "context", "cluster", "namespace"].contains(&name);
        properties.retain(|name, _| match tool.spec().access {
            AccessKind::Argocd => !of_kubernetes(name),
            AccessKind::Kubeconfig => !of_argocd(name),
            AccessKind::Nothing => !of_kubernetes(name) && !of_argocd(name),
        });
    }
    Arc::new(schema)
}
