//! Requests whose connections become streams: [`Monitor::upgrade`].
//!
//! Comes in: a request that was judged, to run something in a pod or to reach a port of it. Goes out: the
//! API server's answer, and what passes then, both ways, counted and not read. Held by
//! `tests/service/monitor.rs` and `tests/service/budgets.rs`.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::CONNECTION};
use http_body_util::{BodyExt as _, Empty, Limited, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tracing::Instrument as _;

use super::{
    answer::{AnswerBody, response, unreachable},
    budget::StreamWay,
    headers::{ANSWERED_OF_UPGRADE, PASSED_OF_UPGRADE, answered, only, protocols},
    metered::MeteredStream,
    monitor::{LONGEST_READ_ANSWER, Monitor},
};
use crate::api::ApiRequest;

impl Monitor {
    /// Sends a request on whose connection becomes a stream of its own, and carries that.
    pub(super) async fn upgrade(
        &self,
        request: ApiRequest,
        sent: &mut Request<Incoming>,
    ) -> Result<Response<AnswerBody>, Response<AnswerBody>> {
        let mut headers = self.headers(sent.headers(), &PASSED_OF_UPGRADE)?;
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        let without_bearers = protocols(sent.headers());
        headers.extend(without_bearers);
        let upstream = self.upstream_request(sent.method(), &request, headers, Bytes::new())?;
        let write = self.noted().note(&request);
        let answer = self.upstream().send_upgrade(upstream).await;
        let mut answer = answer.map_err(|error| unreachable(&error))?;
        let code = answer.status().as_u16();
        self.noted().answered(write, code, b"");
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            let (head, body) = answer.into_parts();
            let headers = answered(&head.headers, &request).unwrap_or_default();
            let body = Limited::new(self.metered(body), LONGEST_READ_ANSWER);
            let body = UnsyncBoxBody::new(body);
            return Ok(response(head.status, headers, body));
        }
        let mut headers = only(answer.headers(), &ANSWERED_OF_UPGRADE);
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        let (of_child, of_server) = (hyper::upgrade::on(sent), hyper::upgrade::on(&mut answer));
        let spending = Arc::clone(self.spending());
        let metered = move |stream, way| MeteredStream {
            stream,
            way,
            spending: Arc::clone(&spending),
        };
        let carrying = async move {
            let (Ok(child), Ok(server)) = tokio::join!(of_child, of_server) else {
                return;
            };
            let (child, server) = (TokioIo::new(child), TokioIo::new(server));
            let mut child = metered(child, StreamWay::Sent);
            let mut server = metered(server, StreamWay::Received);
            // Its end is the stream's end. Both go with the call: the child's end of it is dropped.
            let _ = tokio::io::copy_bidirectional(&mut child, &mut server).await;
        };
        tokio::spawn(carrying.in_current_span());
        let nothing = UnsyncBoxBody::new(Empty::new().map_err(Into::into));
        Ok(response(StatusCode::SWITCHING_PROTOCOLS, headers, nothing))
    }
}
