//! The writes of a call in preview, of which nothing is kept: [`Monitor::rehearse`].
//!
//! Comes in: a write of the tool that its command explains, whatever it says of dry runs. Goes out: the
//! API server's answer to its dry run, and what the tool reads after it. What has no dry run is not sent.
//! May not send a write on that does not say that nothing is kept: [`Rehearsed`] alone makes one that may
//! go. Held by `tests/service/preview.rs`.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE},
    request::Parts,
    response::Parts as AnswerParts,
};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use serde_json::Value;

use super::{
    answer::{AnswerBody, broken_off, exceeded, response, status, unreachable},
    headers::{PASSED, answered},
    monitor::{Judged, LONGEST_READ_ANSWER, Monitor},
    previewing::Previewing,
    upstream::whole,
};
use crate::{
    api::{
        ApiPath, ApiRequest, ApiVerb, Before, NotRehearsed, OverlaidAnswer, OverlayFull,
        OverlayState, Query, Rehearsed, ResourcePath, ShownSecrets,
    },
    excerpt::Excerpt,
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Monitor {
    /// Sends the dry run of a write, and takes what comes of it for what is.
    pub(super) async fn rehearse(
        &self,
        previewing: &Arc<Previewing>,
        judged: &Judged,
        sent: &Parts,
        body: &Bytes,
    ) -> Result<Response<AnswerBody>, Response<AnswerBody>> {
        let request = &judged.request;
        let media_type = sent.headers.get(CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        let media_type = media_type.unwrap_or_default();
        let rehearsed = Rehearsed::of(request, media_type, body);
        let rehearsed = rehearsed.map_err(|why| self.not_rehearsed(previewing, request, why))?;
        if self.authority().makes_hook(request, media_type, body) {
            let why =
                "it is a hook, which would run in the cluster; `--no-hooks` previews the rest";
            return Err(self.not_previewed(previewing, request, why));
        }
        let full = |full: OverlayFull| self.not_previewed(previewing, request, &full.to_string());
        let write = self.noted().note_rehearsal(request);
        let laid = previewing.overlay().write(request, media_type, body);
        if let Some(answer) = laid.map_err(full)? {
            let told = answer.body.to_string();
            self.noted().answered(write, answer.status, told.as_bytes());
            return self.overlaid(request, judged.shown(), &answer);
        }
        let before = self.before(previewing, request, &sent.headers).await?;
        let version = self.authority().version_of(request);
        self.noted().note_version(write, version);
        let mut headers = self.headers(&sent.headers, &PASSED)?;
        headers.remove(ACCEPT_ENCODING);
        headers.insert(ACCEPT, JSON);
        if rehearsed.media_type.is_some() {
            headers.insert(CONTENT_TYPE, JSON);
        }
        let body = Bytes::from(rehearsed.body);
        let upstream = self.upstream_request(&sent.method, &rehearsed.request, headers, body)?;
        let (head, read) = self.read_whole(upstream).await?;
        let headers = answered(&head.headers, request).unwrap_or_default();
        self.noted().answered(write, head.status.as_u16(), &read);
        self.misses_namespace(previewing, request, head.status);
        let told = match head.status.is_success() {
            false => read,
            true => {
                let answer: Value =
                    serde_json::from_slice(&read).map_err(|error| broken_off(&error))?;
                let told = previewing.overlay().take(request, before, &answer);
                let told = Bytes::from(told.map_err(full)?.to_string());
                self.authority().learn_answer(request, &told);
                told
            }
        };
        let told = self.without_secrets(request, told, judged.shown())?;
        Ok(read_here(head.status, headers, told))
    }

    /// Answers in the API server's place, as a preview has made it.
    #[expect(
        clippy::result_large_err,
        reason = "the error is an answer, which is sent at once"
    )]
    pub(super) fn overlaid(
        &self,
        request: &ApiRequest,
        shown: ShownSecrets,
        answer: &OverlaidAnswer,
    ) -> Result<Response<AnswerBody>, Response<AnswerBody>> {
        let body = Bytes::from(answer.body.to_string());
        let code = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
        if code.is_success() {
            self.authority().learn_answer(request, &body);
        }
        let told = self.without_secrets(request, body, shown)?;
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, JSON)]);
        Ok(read_here(code, headers, told))
    }

    /// The answer to what has no dry run. The tool is not ended for it: it has asked what its command
    /// explains.
    pub(super) fn not_rehearsed(
        &self,
        previewing: &Previewing,
        request: &ApiRequest,
        why: NotRehearsed,
    ) -> Response<AnswerBody> {
        match why {
            NotRehearsed::Connects | NotRehearsed::Token => {
                self.not_previewed(previewing, request, &why.to_string())
            }
            NotRehearsed::Unread => {
                let (verb, target) = (request.verb, request.target());
                self.refuse(&format!("{verb} {}: {why}", Excerpt::new(&target)))
            }
        }
    }

    fn not_previewed(
        &self,
        previewing: &Previewing,
        request: &ApiRequest,
        why: &str,
    ) -> Response<AnswerBody> {
        let (verb, path) = (request.verb, request.path.to_string());
        let told = format!("{verb} {}: {why}", Excerpt::new(&path).text());
        previewing.misses(told.clone());
        status(StatusCode::FORBIDDEN, "Forbidden", &told)
    }

    /// Notes that an object has no dry run whose namespace is only to be made.
    fn misses_namespace(&self, previewing: &Previewing, request: &ApiRequest, code: StatusCode) {
        let ApiPath::Resource(ResourcePath {
            namespace: Some(namespace),
            ..
        }) = &request.path
        else {
            return;
        };
        if code == StatusCode::NOT_FOUND && previewing.overlay().creates_namespace(namespace) {
            let (verb, path) = (request.verb, request.path.to_string());
            let path = Excerpt::new(&path);
            let path = path.text();
            previewing.misses(format!("{verb} {path}: the namespace is not there yet, and the API server looks at nothing in it"));
        }
    }

    /// Sends a request on, and reads its answer to the end.
    async fn read_whole(
        &self,
        upstream: Request<Full<Bytes>>,
    ) -> Result<(AnswerParts, Bytes), Response<AnswerBody>> {
        let answer = self.upstream().send(upstream).await;
        let (head, body) = answer.map_err(|error| unreachable(&error))?.into_parts();
        let _turn = self.turn_of_whole_answer().await;
        let read = whole(self.metered(body), LONGEST_READ_ANSWER).await;
        Ok((head, read.map_err(|error| broken_off(&*error))?))
    }

    /// What the object of a write is, as the server has it, where the preview does not know it.
    async fn before(
        &self,
        previewing: &Previewing,
        request: &ApiRequest,
        sent: &HeaderMap,
    ) -> Result<Before, Response<AnswerBody>> {
        let ApiPath::Resource(path) = &request.path else {
            return Ok(Before::Nothing);
        };
        let is_known = previewing.overlay().state(path) != OverlayState::Untouched;
        if path.name.is_none() || is_known {
            return Ok(Before::Nothing);
        }
        self.spending().request().map_err(exceeded)?;
        let path = ResourcePath {
            subresource: None,
            ..path.clone()
        };
        let looked = ApiRequest {
            method: Method::GET,
            verb: ApiVerb::Get,
            path: ApiPath::Resource(path),
            query: Query::default(),
        };
        let mut headers = self.headers(sent, &[])?;
        headers.insert(ACCEPT, JSON);
        let upstream = self.upstream_request(&Method::GET, &looked, headers, Bytes::new())?;
        self.noted().note(&looked);
        let (head, read) = self.read_whole(upstream).await?;
        Ok(match head.status {
            StatusCode::OK => {
                self.authority().learn_versions(&looked, &read);
                Before::Was(serde_json::from_slice(&read).map_err(|error| broken_off(&error))?)
            }
            StatusCode::NOT_FOUND => Before::Nothing,
            other => Before::Unread(other.as_u16()),
        })
    }
}

/// An answer that was read here.
fn read_here(code: StatusCode, mut headers: HeaderMap, body: Bytes) -> Response<AnswerBody> {
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let body = UnsyncBoxBody::new(Full::new(body).map_err(Into::into));
    response(code, headers, body)
}
