//! [`Authority`]: what one command may ask of the Kubernetes API, and whether it explains a request.
//!
//! Made of the table of its tool ([`ApiTable`]) and of what the command names, once per call. What no
//! sentence explains is refused. ObjectNames that the command does not tell (the pods of a workload, the
//! members of a selector) are those that earlier answers of the same call named
//! ([`Authority::learn`]). What the body of a write changes has to be what the command changes
//! ([`Authority::explain_body`]).
//!
//! Held by the tests beside this file and by `tests/corpus/api-traces/`.

use std::{collections::BTreeMap, fmt, sync::LazyLock};

use super::{
    answer::names_of,
    body::{BodyError, BodyFacts},
    compile::Compiler,
    kept::KeptObjects,
    permit::{Miss, Permit},
    release::Release,
    seen::SeenNames,
    selector::Selector,
    sentence::{Sentence, ToldRevision},
    table::ApiTable,
    versions::SeenVersions,
    writing::WrittenBody,
};
use crate::{
    api_request::{ApiPath, ApiRequest, ApiVerb},
    command::Invocation,
    excerpt::Excerpt,
    manifest::ManifestObject,
    tool::{AccessKind, Tool},
};

/// What one command may ask of the Kubernetes API.
#[derive(Debug)]
pub struct Authority {
    permits: Vec<Permit>,
    seen: SeenNames,
    kept: KeptObjects,
    versions: SeenVersions,
    /// The newest revision of the release, where a list of all was read.
    newest: Option<u64>,
}

/// A request that the approved command does not explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unexplained {
    request: String,
    miss: Miss,
}

/// The tables that this build carries. One that cannot be read is none, so that its tool asks
/// nothing; a test reads them all.
static TABLES: LazyLock<BTreeMap<Tool, ApiTable>> = LazyLock::new(|| {
    let readable = |tool: Tool| Some((tool, ApiTable::from_toml(tool, tool.spec().api?).ok()?));
    Tool::all().filter_map(readable).collect()
});

impl ApiTable {
    /// The table of a tool; none for one that asks the Kubernetes API nothing.
    pub fn of(tool: Tool) -> Option<&'static Self> {
        TABLES.get(&tool)
    }
}

impl Authority {
    /// What `invocation` may ask, where `namespace_of_context` is the namespace of one that names
    /// none. A verb without an entry may ask nothing.
    pub fn of(invocation: &Invocation, namespace_of_context: &str) -> Self {
        Self::carrying(invocation, &[], namespace_of_context)
    }

    /// What `invocation` may ask, of which `objects` are those of its manifest.
    pub fn carrying(
        invocation: &Invocation,
        objects: &[ManifestObject],
        namespace_of_context: &str,
    ) -> Self {
        let asks = invocation.tool().spec().access == AccessKind::Kubeconfig;
        let table = ApiTable::of(invocation.tool()).filter(|_| asks && !invocation.is_offline());
        let permits = table.map_or_else(Vec::new, |table| {
            Compiler::new(table, invocation, objects, namespace_of_context).permits()
        });
        let wanted = permits.iter().flat_map(Permit::wants);
        let seen = SeenNames::of(wanted.map(str::to_owned));
        Self {
            permits,
            seen,
            kept: KeptObjects::default(),
            versions: SeenVersions::default(),
            newest: None,
        }
    }

    /// Takes an answer of the API server: the names of its objects, and the object itself where the
    /// command may put another in its place.
    pub fn learn_answer(&mut self, request: &ApiRequest, answer: &[u8]) {
        if request.writes() || self.may_write(request) {
            self.learn_versions(request, answer);
        }
        if self.keeps(request) {
            self.kept.keep(request, answer);
        }
        if self.edits(request) {
            self.kept.keep_lists(request, answer);
        }
        if self.wants_names(request) {
            let names = names_of(answer);
            let names = names.iter();
            let names = names.map(|(namespace, name)| (namespace.as_deref(), name.as_str()));
            self.learn(request, names);
        }
    }

    /// Takes the versions of the objects in an answer.
    pub fn learn_versions(&mut self, request: &ApiRequest, answer: &[u8]) {
        self.versions.learn(request, answer);
    }

    /// The version of the object that a request is about, as the call has read it last.
    pub fn version_of(&self, request: &ApiRequest) -> Option<String> {
        self.versions.of(request).map(str::to_owned)
    }

    /// Takes the names of an answer: `names` are the namespaces and names of its objects. Of an answer
    /// whose names no sentence asks for, none is kept.
    pub fn learn<'n>(
        &mut self,
        request: &ApiRequest,
        names: impl IntoIterator<Item = (Option<&'n str>, &'n str)>,
    ) {
        let ApiPath::Resource(resource) = &request.path else {
            return;
        };
        // The answer of a subresource is another object, or none.
        if resource.subresource.is_some() {
            return;
        }
        let of_request = resource.namespace.as_deref();
        let names = names.into_iter();
        let names = names.map(|(namespace, name)| (namespace.or(of_request), name));
        self.seen.learn(&resource.qualified(), names);
    }

    /// Takes what a release consists of: `releases` are the revisions in the answer to a request whose
    /// sentence `tells` so ([`Sentence::tells`]).
    pub fn learn_releases(
        &mut self,
        request: &ApiRequest,
        tells: ToldRevision,
        releases: Vec<Release>,
    ) {
        let newest = releases.into_iter().max_by_key(|release| release.revision);
        let Some(release) = newest else { return };
        let counts = match tells {
            // A part of them has another newest one.
            ToldRevision::Newest if !is_of_all_revisions(request) => false,
            ToldRevision::Newest => {
                self.newest = Some(release.revision);
                true
            }
            ToldRevision::Asked if self.names_revision(request) => true,
            ToldRevision::Asked => {
                let before = self.newest.and_then(|newest| newest.checked_sub(1));
                before == Some(release.revision)
            }
        };
        if counts {
            self.seen.hold(release.objects);
        }
    }

    /// Whether this write makes a hook of the release that the call has read.
    pub fn makes_hook(&self, request: &ApiRequest, media_type: &str, body: &[u8]) -> bool {
        let ApiPath::Resource(path) = &request.path else {
            return false;
        };
        let mut path = path.clone();
        match request.verb {
            ApiVerb::Create => {
                let facts = BodyFacts::read(media_type, body);
                path.name = path.name.or(facts.and_then(|facts| facts.name));
            }
            ApiVerb::Patch | ApiVerb::Update => {}
            _ => return false,
        }
        let is_held = |are_hooks| self.seen.holds(&path, are_hooks);
        path.name.is_some() && is_held(true) && !is_held(false)
    }

    /// Whether the command itself names the revision that this request reads.
    fn names_revision(&self, request: &ApiRequest) -> bool {
        let name = request.name().unwrap_or_default();
        let mut permits = self.permits.iter();
        permits.any(|permit| permit.tells_of(name))
    }

    /// Whether the answer to this request is asked for: then [`Self::learn_answer`] wants it.
    pub fn wants(&self, request: &ApiRequest) -> bool {
        self.wants_names(request)
            || self.keeps(request)
            || self.edits(request)
            || (request.verb == ApiVerb::Get && self.may_write(request))
    }

    /// Whether this reads what the command may write.
    fn may_write(&self, request: &ApiRequest) -> bool {
        let ApiPath::Resource(path) = &request.path else {
            return false;
        };
        let reads = matches!(request.verb, ApiVerb::Get | ApiVerb::List);
        reads
            && self
                .permits
                .iter()
                .any(|permit| permit.may_write(path, &self.seen))
    }

    fn edits(&self, request: &ApiRequest) -> bool {
        let ApiPath::Resource(path) = &request.path else {
            return false;
        };
        let reads = matches!(request.verb, ApiVerb::Get | ApiVerb::List);
        reads && self.permits.iter().any(|permit| permit.edits(path))
    }

    fn keeps(&self, request: &ApiRequest) -> bool {
        let ApiPath::Resource(path) = &request.path else {
            return false;
        };
        let mut permits = self.permits.iter();
        request.verb == ApiVerb::Get && permits.any(|permit| permit.replaces(path, &self.seen))
    }

    fn wants_names(&self, request: &ApiRequest) -> bool {
        matches!(&request.path, ApiPath::Resource(resource)
            if resource.subresource.is_none() && self.seen.wants(&resource.qualified()))
    }

    /// The sentence that explains `request`.
    ///
    /// # Errors
    /// [`Unexplained`], when none does.
    pub fn explain(&self, request: &ApiRequest) -> Result<&Sentence, Unexplained> {
        let mut nearest = Miss::Unsaid;
        for permit in &self.permits {
            match permit.explains(request, &self.seen) {
                Ok(()) => return Ok(permit.sentence()),
                Err(miss) => nearest = nearest.max(miss),
            }
        }
        Err(Unexplained {
            request: described(request),
            miss: match self.seen.is_full() && nearest == Miss::Name {
                true => Miss::TooManyNames,
                false => nearest,
            },
        })
    }

    /// Whether the command explains the body of a request, which one of its sentences explains; what
    /// none explains is not asked.
    ///
    /// # Errors
    /// [`BodyError`], of the first sentence, when no sentence explains it.
    pub fn explain_body(
        &self,
        request: &ApiRequest,
        media_type: &str,
        body: &[u8],
    ) -> Result<(), BodyError> {
        let body = WrittenBody::new(media_type, body);
        let mut refused = None;
        for permit in &self.permits {
            if permit.explains(request, &self.seen).is_err() {
                continue;
            }
            match permit.explains_body(request, &body, &self.kept, &self.seen) {
                Ok(()) => return Ok(()),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// All that the command may ask, for reports.
    pub fn sentences(&self) -> impl Iterator<Item = &Sentence> {
        self.permits.iter().map(Permit::sentence)
    }
}

/// Whether a list of revisions leaves none out: two requirements say whose they are, and there is no
/// page, no moment in the past and no third requirement.
fn is_of_all_revisions(request: &ApiRequest) -> bool {
    let mut keys = request.query.iter().map(|(key, _)| key);
    let selector = request.query.get("labelSelector").and_then(Selector::read);
    let requirements = selector.map_or(0, |selector| selector.requirements().count());
    keys.all(|key| key == "labelSelector") && requirements == 2
}

/// `list secrets in namespace web`.
fn described(request: &ApiRequest) -> String {
    let verb = request.verb;
    let resource = match &request.path {
        ApiPath::Kubelet(_) | ApiPath::Other(_) => {
            let path = request.path.to_string();
            return format!("{verb} {}", Excerpt::new(&path).text());
        }
        ApiPath::Resource(resource) => resource,
    };
    let mut text = format!("{verb} {}", resource.qualified());
    if let Some(subresource) = &resource.subresource {
        text.push('/');
        text.push_str(subresource);
    }
    if let Some(name) = &resource.name {
        text.push(' ');
        text.push_str(name);
    }
    match &resource.namespace {
        Some(_) if resource.resource == "namespaces" => {}
        Some(namespace) => text.push_str(&format!(" in namespace {namespace}")),
        None if resource.name.is_none() => text.push_str(" of the whole cluster"),
        None => {}
    }
    text
}

impl fmt::Display for Unexplained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, miss } = self;
        write!(f, "the approved command does not explain {request}")?;
        f.write_str(match miss {
            Miss::Unsaid => "",
            Miss::Place => ": it is about another namespace",
            Miss::Name => ": neither the command nor an answer to it has that name",
            Miss::TooManyNames => ": the answers had more names than are kept",
            Miss::Query(_) => "",
        })?;
        match miss {
            Miss::Query(key) => write!(f, ": its query differs in {}", Excerpt::new(key)),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Unexplained {}

#[cfg(test)]
mod tests;
