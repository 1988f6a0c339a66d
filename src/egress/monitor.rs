//! The other end of a tool's API requests: [`Monitor`]. Each is read, held against the authority of
//! the approved command, and sent on by this server with the credential that the tool has not.
//!
//! Comes in: connections of one child, plain HTTP/1.1, of which no byte is trusted. Goes out: the
//! API server's answers, and what the call did. What goes upstream is written from what was read:
//! method, target and a few headers, never the child's bytes. What is not explained is answered
//! with a Kubernetes `Status` of 403, and ends the call. May not decide what is explained: `api`
//! does. Held by `tests/service/monitor.rs` and `tests/service/lies.rs`.

use std::{
    convert::Infallible,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, UPGRADE, USER_AGENT},
};
use http_body_util::{BodyExt as _, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Semaphore, SemaphorePermit},
};
use tokio_util::sync::CancellationToken;

use super::{
    answer::{AnswerBody, broken_off, exceeded, response, status, unreachable},
    budget::{Spending, StreamWay},
    headers::{AUDIT_ID, PASSED, accepted, answered, only, wants_a_stream},
    metered::MeteredBody,
    previewing::{Previewing, WatchedEvents},
    terms::{Enforcement, MonitorMode, MonitorTerms},
    upstream::{Upstream, whole},
};
use crate::{
    api::{
        ApiPath, ApiRequest, ApiVerb, Authority, Effects, HiddenEvents, HiddenSecrets,
        NotRehearsed, Release, Sentence, ShownSecrets, ToldRevision,
    },
    excerpt::Excerpt,
    metrics,
};

/// A body of a request: the API server takes 3 MiB.
const LONGEST_BODY: usize = 3 << 20;
/// An answer that is read here: of a write, one object.
pub(super) const LONGEST_READ_ANSWER: usize = 16 << 20;
/// Answers of one call that are read here at the same time.
const WHOLE_ANSWERS: usize = 2;
/// One answer that is only passed on: more than any answer that a call may keep.
const LONGEST_ANSWER: usize = 1 << 30;
/// A request's head: paths and queries have selectors and words of commands.
const LONGEST_HEAD: usize = 64 << 10;
/// A head comes at once, from the same machine.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// Judges the API requests of one call, and sends on those that its command explains.
pub struct Monitor {
    upstream: Arc<Upstream>,
    authority: Mutex<Authority>,
    enforcement: Enforcement,
    /// What it would have changed, where nothing of it is kept.
    previewing: Option<Arc<Previewing>>,
    /// The path before the API's own, for servers behind a proxy that tells them apart by it.
    prefix: String,
    request_id: String,
    /// What takes the values of Secrets out, where the tool may not see them.
    secrets: Option<Arc<HiddenSecrets>>,
    effects: Mutex<Effects>,
    /// Turns of answers that are read whole: so many are held at once.
    whole_answers: Semaphore,
    spending: Arc<Spending>,
    /// How many requests were sent on.
    sent: AtomicU32,
    /// Cancelled at the first request that is refused, or beyond the call's budget.
    denied: CancellationToken,
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Monitor");
        shown
            .field("upstream", &self.upstream)
            .finish_non_exhaustive()
    }
}

/// How much of an answer is read here.
enum Reading {
    /// None of it: it is passed on as it comes.
    Nothing,
    /// All of it, before any is passed on.
    Whole,
    /// A line at a time.
    Events,
}

/// A request, as far as it may be sent on.
pub(super) struct Judged {
    pub(super) request: ApiRequest,
    /// What explains it; none where it is sent on without.
    pub(super) sentence: Option<Sentence>,
    is_upgrade: bool,
}

impl Judged {
    /// The Secrets whose values the tool gets.
    pub(super) fn shown(&self) -> ShownSecrets {
        let sentence = self.sentence.as_ref();
        sentence.map_or(ShownSecrets::Nothing, |sentence| sentence.shows)
    }

    /// Whether the answer says what a release consists of.
    fn tells(&self) -> Option<ToldRevision> {
        self.sentence.as_ref().and_then(|sentence| sentence.tells)
    }
}

impl Monitor {
    /// A monitor of a call whose command may do what `authority` says, to the server of `upstream`.
    /// `secrets` takes the values of Secrets out of what the tool reads.
    pub fn new(
        upstream: Arc<Upstream>,
        authority: Authority,
        secrets: Option<HiddenSecrets>,
        terms: MonitorTerms<'_>,
    ) -> Arc<Self> {
        let denied = CancellationToken::new();
        let previewing = match terms.mode {
            MonitorMode::InEarnest => None,
            MonitorMode::Preview => Some(Arc::default()),
        };
        Arc::new(Self {
            upstream,
            authority: Mutex::new(authority),
            enforcement: terms.enforcement,
            previewing,
            prefix: terms.prefix.to_owned(),
            request_id: terms.request_id.to_owned(),
            secrets: secrets.map(Arc::new),
            effects: Mutex::default(),
            whole_answers: Semaphore::new(WHOLE_ANSWERS),
            spending: Arc::new(Spending::new(terms.budget, denied.clone())),
            sent: AtomicU32::new(0),
            denied,
        })
    }

    /// The server that it stands for, `host:port`.
    pub(super) fn server(&self) -> &str {
        self.upstream.authority()
    }

    /// Cancelled at the first request that is refused, or beyond the call's budget.
    pub fn denied(&self) -> CancellationToken {
        self.denied.clone()
    }

    /// What the call did until now.
    pub fn effects(&self) -> Effects {
        let mut effects = self.noted().clone();
        effects.exceeded = self.spending.over().map(|over| over.to_string());
        let previewing = self.previewing.as_ref();
        effects.preview = previewing.map(|it| it.told(self.secrets.as_deref()));
        effects
    }

    pub(super) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    pub(super) fn spending(&self) -> &Arc<Spending> {
        &self.spending
    }

    /// A turn to read an answer whole.
    pub(super) async fn turn_of_whole_answer(&self) -> Option<SemaphorePermit<'_>> {
        self.whole_answers.acquire().await.ok() // it is closed by nobody
    }

    pub(super) fn metered(&self, body: Incoming) -> MeteredBody<Incoming> {
        let spending = Arc::clone(&self.spending);
        MeteredBody { body, spending }
    }

    pub(super) fn noted(&self) -> MutexGuard<'_, Effects> {
        self.effects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn authority(&self) -> MutexGuard<'_, Authority> {
        self.authority
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves one connection of the child to its end.
    pub(super) async fn serve(
        self: &Arc<Self>,
        child: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) {
        let service = service_fn(|request| {
            let monitor = Arc::clone(self);
            async move { Ok::<_, Infallible>(monitor.answer(request).await) }
        });
        let serving = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_buf_size(LONGEST_HEAD)
            .serve_connection(TokioIo::new(child), service)
            .with_upgrades();
        let _ = serving.await; // its end is the connection's end, whatever it was
    }

    async fn answer(self: Arc<Self>, mut request: Request<Incoming>) -> Response<AnswerBody> {
        if let Err(over) = self.spending.request() {
            return exceeded(over);
        }
        // What has lied once is asked nothing more, whatever else it has under way.
        if self.denied.is_cancelled() {
            return status(StatusCode::FORBIDDEN, "Forbidden", "this call is ended");
        }
        let judged = match self.judge(&request) {
            Ok(judged) => judged,
            Err(refused) => return refused,
        };
        let taken = match (judged.is_upgrade, &self.previewing) {
            (true, Some(previewing)) => {
                let why = NotRehearsed::Connects;
                Err(self.not_rehearsed(previewing, &judged.request, why))
            }
            (true, None) => self.upgrade(judged.request, &mut request).await,
            (false, _) => self.pass(judged, request).await,
        };
        taken.unwrap_or_else(|failed| failed)
    }

    /// Reads a request and holds it against the command's authority.
    #[expect(
        clippy::result_large_err,
        reason = "the error is an answer, which is sent at once"
    )]
    fn judge(&self, request: &Request<Incoming>) -> Result<Judged, Response<AnswerBody>> {
        let target = request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str());
        let shown = || format!("{} {}", request.method(), Excerpt::new(target));
        let is_for_us = request
            .uri()
            .authority()
            .is_none_or(|asked| asked.as_str().eq_ignore_ascii_case(self.server()));
        let inside = target
            .strip_prefix(self.prefix.as_str())
            .filter(|_| is_for_us);
        let Some(inside) = inside else {
            return Err(self.refuse(&format!("{} is for another server", shown())));
        };
        let read = ApiRequest::read(request.method().as_str(), inside)
            .map_err(|odd| self.refuse(&format!("{}: {odd}", shown())))?;
        let is_upgrade = request.headers().contains_key(UPGRADE);
        if is_upgrade && !(read.connects() && wants_a_stream(request.headers())) {
            return Err(self.refuse(&format!("{} wants another protocol", shown())));
        }
        let explained = self.authority().explain(&read).cloned();
        let sentence = match explained {
            Ok(sentence) => Some(sentence),
            Err(unexplained) => {
                self.unexplained(&unexplained.to_string())?;
                None
            }
        };
        Ok(Judged {
            request: read,
            sentence,
            is_upgrade,
        })
    }

    /// What becomes of a request that is no more than unexplained.
    #[expect(
        clippy::result_large_err,
        reason = "the error is an answer, which is sent at once"
    )]
    fn unexplained(&self, told: &str) -> Result<(), Response<AnswerBody>> {
        match self.enforcement {
            Enforcement::Refuse => Err(self.refuse(told)),
            Enforcement::Tell => {
                self.note_unexplained(told, false);
                Ok(())
            }
        }
    }

    fn note_unexplained(&self, told: &str, is_refused: bool) {
        tracing::warn!(
            finding = told,
            is_refused,
            "an API request is not explained by its command"
        );
        metrics::unexplained_request(is_refused);
        self.noted().note_unexplained(told, is_refused);
    }

    /// Notes a request that is refused, ends the call, and says so to the tool.
    pub(super) fn refuse(&self, told: &str) -> Response<AnswerBody> {
        self.note_unexplained(told, true);
        self.denied.cancel();
        status(StatusCode::FORBIDDEN, "Forbidden", told)
    }

    /// Sends a request on, and its answer back.
    async fn pass(
        &self,
        judged: Judged,
        sent: Request<Incoming>,
    ) -> Result<Response<AnswerBody>, Response<AnswerBody>> {
        let (request, sentence) = (&judged.request, judged.sentence.as_ref());
        let (head, body) = sent.into_parts();
        let body = Limited::new(body, LONGEST_BODY).collect().await;
        let body = body.map_err(|_| {
            let told = "the body is larger than 3 MiB";
            status(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", told)
        })?;
        let body = body.to_bytes();
        if head.method == Method::GET && !body.is_empty() {
            let target = request.target();
            return Err(self.refuse(&format!("GET {} has a body", Excerpt::new(&target))));
        }
        self.judge_body(request, sentence, &head.headers, &body)?;
        self.spending
            .bytes(StreamWay::Sent, body.len())
            .map_err(exceeded)?;
        let rehearses = sentence.is_some_and(|sentence| sentence.rehearses_in_body);
        if !rehearses {
            self.spending.object(request).map_err(exceeded)?;
        }
        let shown = judged.shown();
        if let Some(previewing) = &self.previewing {
            if request.writes() {
                return self.rehearse(previewing, &judged, &head, &body).await;
            }
            let laid = previewing.overlay().answer(request);
            if let Some(answer) = laid {
                self.noted().note(request);
                return self.overlaid(request, shown, &answer);
            }
        }
        let lists_releases = HiddenSecrets::lists_releases(request, shown);
        let reading = self.reading(&judged);
        let mut headers = self.headers(&head.headers, &PASSED)?;
        headers.extend(accepted(request, &head.headers));
        if !matches!(reading, Reading::Nothing) {
            headers.remove(ACCEPT_ENCODING);
        }
        let asked = match lists_releases {
            // Of all Secrets that are labelled so the server gives those that are releases.
            true => HiddenSecrets::selecting_releases(request),
            false => request.clone(),
        };
        let upstream = self.upstream_request(&head.method, &asked, headers, body)?;
        let version = self.authority().version_of(request);
        let write = self.noted().note(request);
        self.noted().note_version(write, version);
        let answer = self.upstream.send(upstream).await;
        let (head, body) = answer.map_err(|error| unreachable(&error))?.into_parts();
        let body = self.metered(body);
        let mut headers = answered(&head.headers, request).ok_or_else(|| {
            let told = "the API server answers with a redirect, which is not followed";
            status(StatusCode::BAD_GATEWAY, "BadGateway", told)
        })?;
        let code = head.status.as_u16();
        let body = match reading {
            Reading::Nothing => {
                self.noted().answered(write, code, b"");
                UnsyncBoxBody::new(Limited::new(body, LONGEST_ANSWER))
            }
            Reading::Events => {
                self.noted().answered(write, code, b"");
                headers.remove(CONTENT_LENGTH);
                let events = self.events(request, shown).of_answer(body);
                UnsyncBoxBody::new(StreamBody::new(events))
            }
            Reading::Whole => {
                let _turn = self.turn_of_whole_answer().await;
                let read = whole(body, LONGEST_READ_ANSWER).await;
                let read = read.map_err(|error| broken_off(&*error))?;
                let read = self.laid_over(request, head.status, read);
                self.noted().answered(write, code, &read);
                if head.status.is_success() {
                    self.authority().learn_answer(request, &read);
                }
                if head.status == StatusCode::OK {
                    self.learn_releases(&judged, &read).await;
                }
                let told = match lists_releases {
                    true => read,
                    false => self.without_secrets(request, read, shown)?,
                };
                headers.insert(CONTENT_LENGTH, HeaderValue::from(told.len()));
                UnsyncBoxBody::new(Full::new(told).map_err(Into::into))
            }
        };
        Ok(response(head.status, headers, body))
    }

    /// Holds a body against what explains its request. One that would write a mark back, which
    /// stands where a value was, is the tool's mistake and no lie.
    #[expect(
        clippy::result_large_err,
        reason = "the error is an answer, which is sent at once"
    )]
    fn judge_body(
        &self,
        request: &ApiRequest,
        sentence: Option<&Sentence>,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<(), Response<AnswerBody>> {
        let media_type = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let media_type = media_type.unwrap_or_default();
        if headers.get_all(CONTENT_TYPE).iter().count() > 1 {
            let target = request.target();
            return Err(self.refuse(&format!(
                "{} has a body in two forms",
                Excerpt::new(&target)
            )));
        }
        let explain = |_: &Sentence| self.authority().explain_body(request, media_type, body);
        if let Some(Err(error)) = sentence.map(explain) {
            let (verb, path) = (request.verb, Excerpt::new(&request.target()));
            self.unexplained(&format!("{verb} {path}: {error}"))?;
        }
        if self.secrets.is_some() && HiddenSecrets::has_mark(body) {
            let told = "the object to write has marks in the place of values that this server takes out of Secrets";
            return Err(status(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", told));
        }
        Ok(())
    }

    /// Takes what a release consists of, where the answer to this request says it.
    async fn learn_releases(&self, judged: &Judged, answer: &Bytes) {
        let request = &judged.request;
        let (Some(tells), ApiPath::Resource(path)) = (judged.tells(), &request.path) else {
            return;
        };
        let (answer, namespace) = (answer.clone(), path.namespace.clone().unwrap_or_default());
        // A large one takes longer than others who are served here may wait.
        let reading = move || Release::all_in(&answer, &namespace);
        let releases = tokio::task::spawn_blocking(reading).await;
        let releases = releases.unwrap_or_default(); // it does not panic
        self.authority().learn_releases(request, tells, releases);
    }

    /// How much of the answer to a request is read here.
    fn reading(&self, judged: &Judged) -> Reading {
        let request = &judged.request;
        let previews = self.previewing.is_some();
        match request.verb {
            ApiVerb::List if previews => return Reading::Whole,
            ApiVerb::Watch if previews => return Reading::Events,
            _ => {}
        }
        if HiddenSecrets::lists_releases(request, judged.shown()) {
            return match judged.tells() {
                Some(_) => Reading::Whole,
                None => Reading::Nothing,
            };
        }
        let has_secrets = self.secrets.is_some() && HiddenSecrets::are_in(request);
        match (request.verb, has_secrets) {
            (ApiVerb::Watch, true) => Reading::Events,
            (ApiVerb::Watch, false) => Reading::Nothing,
            (_, true) => Reading::Whole,
            (_, false) if request.writes() || self.authority().wants(request) => Reading::Whole,
            (_, false) => Reading::Nothing,
        }
    }

    /// Takes the values of Secrets out of an answer, but those that are shown.
    #[expect(
        clippy::result_large_err,
        reason = "the error is an answer, which is sent at once"
    )]
    pub(super) fn without_secrets(
        &self,
        request: &ApiRequest,
        answer: Bytes,
        shown: ShownSecrets,
    ) -> Result<Bytes, Response<AnswerBody>> {
        let secrets = self
            .secrets
            .as_ref()
            .filter(|_| HiddenSecrets::are_in(request));
        let Some(secrets) = secrets else {
            return Ok(answer);
        };
        let hidden = secrets.hide(&answer, shown).map(Bytes::from);
        hidden.ok_or_else(|| {
            let told = "the answer about Secrets is no JSON, so that no value can be taken out";
            status(StatusCode::BAD_GATEWAY, "BadGateway", told)
        })
    }

    /// What the events of a watch become on their way.
    fn events(&self, request: &ApiRequest, shown: ShownSecrets) -> WatchedEvents {
        let secrets = self.secrets.as_ref();
        let secrets = secrets.filter(|_| HiddenSecrets::are_in(request));
        let hidden = secrets.map(|secrets| HiddenEvents::new(Arc::clone(secrets), shown));
        WatchedEvents::new(self.previewing.as_ref(), request, hidden)
    }

    /// Lays what a preview has changed over an answer to a list.
    fn laid_over(&self, request: &ApiRequest, code: StatusCode, answer: Bytes) -> Bytes {
        let previewing = self.previewing.as_ref();
        let lists = request.verb == ApiVerb::List && code == StatusCode::OK;
        let Some(previewing) = previewing.filter(|_| lists) else {
            return answer;
        };
        let Ok(mut list) = serde_json::from_slice(&answer) else {
            return answer;
        };
        previewing.overlay().list(request, &mut list);
        Bytes::from(list.to_string())
    }

    /// What of a request's headers is sent on, with what identifies the caller and the call.
    #[expect(
        clippy::result_large_err,
        reason = "the error is an answer, which is sent at once"
    )]
    pub(super) fn headers(
        &self,
        sent: &HeaderMap,
        passed: &[HeaderName],
    ) -> Result<HeaderMap, Response<AnswerBody>> {
        let mut headers = only(sent, passed);
        // The server takes what stands before the slash for the manager of the fields that it writes.
        let agent = sent.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        let own = format!("kube-airlock/{}", self.request_id);
        let agent = agent.map_or(own.clone(), |agent| format!("{agent} {own}"));
        let agent = HeaderValue::from_str(&agent).ok();
        headers.extend(agent.map(|agent| (USER_AGENT, agent)));
        // Requests of one call may be under way at once, and the server's log names each.
        let number = self.sent.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let audit_id = HeaderValue::from_str(&format!("{}-{number}", self.request_id));
        headers.extend(audit_id.ok().map(|id| (AUDIT_ID, id)));
        let identified = self.upstream.transport().identify(&mut headers);
        identified
            .map_err(|error| status(StatusCode::BAD_GATEWAY, "BadGateway", &error.to_string()))?;
        Ok(headers)
    }

    #[expect(
        clippy::result_large_err,
        reason = "the error is an answer, which is sent at once"
    )]
    pub(super) fn upstream_request(
        &self,
        method: &Method,
        request: &ApiRequest,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, Response<AnswerBody>> {
        let target = format!("{}{}", self.prefix, request.target());
        let uri = Uri::builder()
            .scheme("https")
            .authority(self.server())
            .path_and_query(target)
            .build();
        let uri =
            uri.map_err(|error| status(StatusCode::BAD_REQUEST, "BadRequest", &error.to_string()))?;
        let mut upstream = Request::new(Full::new(body));
        *upstream.method_mut() = method.clone();
        *upstream.uri_mut() = uri;
        *upstream.headers_mut() = headers;
        Ok(upstream)
    }
}
