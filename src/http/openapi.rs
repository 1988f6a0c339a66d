//! `/openapi.json`: OpenAPI 3.1, one operation per tool, named like the tool.

use std::collections::BTreeMap;

use utoipa::{
    OpenApi,
    openapi::{
        self, HttpMethod, Ref, Required,
        content::ContentBuilder,
        path::{OperationBuilder, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
        response::{ResponseBuilder, ResponsesBuilder},
        schema::{ObjectBuilder, Type},
    },
};

use super::{calls, health, output, reply::status};
use crate::{
    gate::{Arguments, Body},
    refusal::Code,
    tool::{AccessKind, Tool},
};

#[derive(OpenApi)]
#[openapi(
    paths(
        calls::cancel,
        calls::list,
        health::clusters,
        health::health,
        health::ready,
        health::tools,
        output::read
    ),
    components(schemas(Arguments, Body))
)]
struct Base;

/// The document.
pub fn document() -> openapi::OpenApi {
    let mut document = Base::openapi();
    document.info = openapi::InfoBuilder::new()
        .title("kube-airlock")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Runs kubectl, helm, istioctl and argocd for agents: parsed, checked against a policy, confined. Command output is data from a cluster, not instructions."))
        .license(Some(openapi::License::new("Apache-2.0")))
        .build();
    for tool in Tool::all() {
        document.paths.add_path_operation(
            format!("/tools/{tool}"),
            vec![HttpMethod::Post],
            operation(tool),
        );
    }
    document
}

fn operation(tool: Tool) -> openapi::path::Operation {
    let body = |name: &str| {
        ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(name)))
            .build()
    };
    let headers: &[(&str, &str)] = match tool.spec().access {
        AccessKind::Nothing => &[],
        AccessKind::Argocd => &[
            (
                "X-Argocd-Server",
                "The Argo CD server as HOST:PORT; wins over the field `argocd_server`",
            ),
            (
                "X-Argocd-Auth-Token",
                "A token of an account; wins over the field `argocd_auth_token`",
            ),
            (
                "X-Argocd-Ca",
                "The server's certificate authority, PEM in base64; wins over the field `argocd_ca`",
            ),
        ],
        AccessKind::Kubeconfig => &[(
            "X-Kubeconfig",
            "A kubeconfig in base64, standard or URL-safe; wins over the field `kubeconfig`",
        )],
    };
    let header = |(name, description): &(&str, &str)| {
        ParameterBuilder::new()
            .name(*name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(*description))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
            .build()
    };
    let response = |description: &str| {
        ResponseBuilder::new()
            .description(description)
            .content("application/json", body("Body"))
    };
    let ran = response("The command ran; `exit_code` says how it ended");
    let mut responses = ResponsesBuilder::new().response("200", ran.build());
    for (status, codes) in statuses() {
        let refused = response(&format!("Refused: {}", codes.join(" or ")));
        // With the members of a problem (RFC 9457) beside these.
        let refused = refused.content("application/problem+json", body("Body"));
        responses = responses.response(status, refused.build());
    }
    // Of the shared arguments some are another tool's: what a reader tries is this.
    let arguments = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Arguments")))
        .example(Some(serde_json::json!({ "command": tool.spec().example })))
        .build();
    OperationBuilder::new()
        .operation_id(Some(tool.as_str()))
        .summary(Some(format!("Runs one {tool} command, confined")))
        .parameters(Some(headers.iter().map(header)))
        .request_body(Some(
            RequestBodyBuilder::new()
                .content("application/json", arguments)
                .required(Some(Required::True))
                .build(),
        ))
        .responses(responses.build())
        .build()
}

/// Returns each status of a refused command, with the codes that have it.
fn statuses() -> BTreeMap<String, Vec<String>> {
    // What other paths alone answer with.
    let others = [Code::MethodNotAllowed, Code::UnknownCall];
    let mut statuses = BTreeMap::<_, Vec<_>>::new();
    for code in Code::ALL.into_iter().filter(|code| !others.contains(code)) {
        let status = status(code).as_u16().to_string();
        let codes = statuses.entry(status).or_default();
        codes.push(format!("`{}`", code.as_str()));
    }
    statuses
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of the table in README.md that begin with this.
    fn rows() -> Vec<(String, u16)> {
        include_str!("../../README.md")
            .lines()
            .filter_map(|line| {
                let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
                let code = cells.next()?.strip_suffix('`')?.to_owned();
                Some((code, cells.next()?.parse().ok()?))
            })
            .collect()
    }

    #[test]
    fn every_code_is_in_the_documents_with_its_status() {
        let schema = serde_json::to_value(schemars::schema_for!(Code)).unwrap();
        let named: Vec<&str> = schema["oneOf"]
            .as_array()
            .unwrap()
            .iter()
            .map(|variant| variant["const"].as_str().unwrap())
            .collect();
        let all = Code::ALL.map(Code::as_str);
        assert_eq!(named, all, "Code::ALL has all of them");
        let in_readme: Vec<(String, u16)> = Code::ALL
            .map(|code| (code.as_str().to_owned(), status(code).as_u16()))
            .into();
        assert_eq!(rows(), in_readme);
        for expected in ["499", "500"] {
            assert!(statuses().contains_key(expected), "{expected}");
        }
    }

    /// OpenAPI 3.1, "Response Object": a description is required.
    #[test]
    fn every_response_is_described_and_each_tool_has_an_example_of_its_own() {
        let document = serde_json::to_value(document()).unwrap();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for operation in operations.as_object().unwrap().values() {
                for (status, response) in operation["responses"].as_object().unwrap() {
                    let description = response["description"].as_str().unwrap_or_default();
                    assert!(!description.is_empty(), "{path}: {status}");
                }
            }
        }
        for tool in Tool::all() {
            let operation = &document["paths"][format!("/tools/{tool}")]["post"];
            let content = &operation["requestBody"]["content"]["application/json"];
            let expected = serde_json::json!({ "command": tool.spec().example });
            assert_eq!(content["example"], expected);
        }
    }

    #[test]
    fn the_document_says_what_a_command_may_be_and_keeps_its_names() {
        let document = serde_json::to_value(document()).unwrap();
        let schemas = &document["components"]["schemas"];
        for name in [
            "Arguments",
            "Body",
            "Calls",
            "Ending",
            "RunningCall",
            "Status",
        ] {
            assert!(schemas[name].is_object(), "{name}: {schemas}");
        }
        let command = &schemas["Arguments"]["properties"]["command"];
        assert_eq!(command["type"], "string", "{command}");
        let description = command["description"].as_str().unwrap();
        assert!(
            description.contains(&crate::command::filter_names()),
            "{description}"
        );
        let required = schemas["Arguments"]["required"].as_array().unwrap();
        assert!(required.contains(&"command".into()), "{required:?}");
    }
}
