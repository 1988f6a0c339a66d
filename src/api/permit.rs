//! [`Permit`]: one sentence of a table, filled in for a command, and whether a request is one of
//! those that it explains.

use super::{
    ask::AskedVerb,
    body::{BodyError, BodyFacts},
    kept::KeptObjects,
    keys,
    seen::SeenNames,
    selector::Selector,
    sentence::{Sentence, is_named},
    writing::{BodyRule, WrittenBody},
};
use crate::api_request::{ApiPath, ApiRequest, ApiVerb, Query, ResourcePath};

/// Requests that a command may make.
#[derive(Debug)]
pub(super) struct Permit {
    pub verbs: Vec<AskedVerb>,
    pub what: What,
    /// What the query has to hold.
    pub query: Vec<Requirement>,
    /// What the bodies of its writes may say.
    pub body: BodyRule,
    pub sentence: Sentence,
}

/// What a permit is about.
#[derive(Debug)]
pub(super) enum What {
    /// A path outside of resources; `{…}` stands for one segment.
    Path(String),
    /// This request and no other, its query too.
    Request(Box<ApiRequest>),
    /// The objects of a release, as far as the call has read it; and collections of their types where
    /// they are.
    Objects {
        /// Whether its hooks are meant, which are none of the others.
        are_hooks: bool,
        /// What of them.
        subresource: Option<String>,
    },
    /// A resource.
    Resource(ResourcePermit),
}

/// A resource, and which of its objects.
#[derive(Clone, Debug)]
pub(super) struct ResourcePermit {
    /// The canonical name.
    pub resource: String,
    pub subresource: Option<String>,
    pub places: ApiPlaces,
    pub names: ObjectNames,
}

/// Where objects may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ApiPlaces {
    /// Outside of namespaces, where the resource is or may be.
    pub outside: bool,
    /// In collections over all namespaces.
    pub across: bool,
    /// In any one namespace.
    pub any: bool,
    /// In these.
    pub these: Vec<String>,
}

/// Which objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ObjectNames {
    /// Whole collections.
    pub every: bool,
    /// Any single one.
    pub any: bool,
    /// Single ones: a name, or the beginning of one with a number behind it (`…v#`).
    pub told: Vec<String>,
    /// Those that earlier answers named; of these alone that begin so.
    pub seen: Option<Vec<String>>,
    /// Those called like an object of these resources that earlier answers named.
    pub alike: Vec<String>,
}

/// What a key of a query has to be.
#[derive(Debug)]
pub(super) struct Requirement {
    pub key: String,
    pub value: KeyValue,
}

/// The value of a key.
#[derive(Debug)]
pub(super) enum KeyValue {
    /// This one, and it has to be there.
    Is(String),
    /// Any single one, or none.
    Any,
    /// `true`, `false` or none; what the switch says that the command has.
    Switch(bool),
    /// These, in their order.
    Each(Vec<String>),
    /// A selector with a requirement for each of these patterns.
    Selects(Vec<SelectorPattern>),
}

/// A requirement of a selector. One that is less than written selects more.
#[derive(Debug)]
pub(super) enum SelectorPattern {
    /// This one.
    Is(String),
    /// Any one.
    Some,
    /// One that begins so, and goes on.
    Begins(String),
    /// This, and behind it the name of a hook of the release.
    OfHook(String),
    /// This, and behind it the name of an object that the command is about.
    OfName {
        /// What stands before the name.
        head: String,
        told: Vec<String>,
        /// The resources of which answers may have named it.
        of: Vec<String>,
    },
}

/// How near a permit came to a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Miss {
    /// It is about something else.
    Unsaid,
    /// It is about another namespace.
    Place,
    /// It is about other objects.
    Name,
    /// The same, and not all names were kept.
    TooManyNames,
    /// This key of the query differs.
    Query(String),
}

impl Permit {
    /// The sentence.
    pub(super) fn sentence(&self) -> &Sentence {
        &self.sentence
    }

    /// Whether what an object of this name says of a release counts, because the command names it.
    pub(super) fn tells_of(&self, name: &str) -> bool {
        match (&self.what, self.sentence.tells) {
            (What::Resource(permit), Some(_)) => permit.names.told.iter().any(|told| told == name),
            _ => false,
        }
    }

    /// The resources whose names it takes from earlier answers.
    pub(super) fn wants(&self) -> impl Iterator<Item = &str> {
        let (own, alike) = match &self.what {
            What::Resource(permit) => {
                let own = permit.names.seen.as_ref().map(|_| permit.resource.as_str());
                (own, permit.names.alike.as_slice())
            }
            What::Objects { .. } | What::Path(_) | What::Request(_) => (None, [].as_slice()),
        };
        let patterns = self
            .query
            .iter()
            .flat_map(|requirement| match &requirement.value {
                KeyValue::Selects(patterns) => patterns.as_slice(),
                _ => &[],
            });
        let of_patterns = patterns.flat_map(|pattern| match pattern {
            SelectorPattern::OfName { of, .. } => of.as_slice(),
            _ => &[],
        });
        let others = alike.iter().chain(of_patterns);
        own.into_iter().chain(others.map(String::as_str))
    }

    /// Whether `request` is one of those that it explains.
    pub(super) fn explains(&self, request: &ApiRequest, seen: &SeenNames) -> Result<(), Miss> {
        if !self.verbs.iter().any(|asked| asked.covers(request.verb)) {
            return Err(Miss::Unsaid);
        }
        match (&self.what, &request.path) {
            (What::Request(raw), _) if **raw == *request => Ok(()),
            (What::Path(pattern), ApiPath::Other(path)) if is_path(pattern, path) => {
                self.query_holds(request, None, seen)
            }
            (
                What::Objects {
                    are_hooks,
                    subresource,
                },
                ApiPath::Resource(path),
            ) => {
                if path.subresource != *subresource || !seen.holds(path, *are_hooks) {
                    return Err(Miss::Unsaid);
                }
                self.query_holds(request, Some(path), seen)
            }
            (What::Resource(permit), ApiPath::Resource(path)) => {
                permit.is_about(path)?;
                permit.is_in(path, request.verb)?;
                permit.names(path, request, seen)?;
                self.query_holds(request, Some(path), seen)
            }
            _ => Err(Miss::Unsaid),
        }
    }

    /// Whether the body of a request that it explains says no more than the command does.
    pub(super) fn explains_body(
        &self,
        request: &ApiRequest,
        body: &WrittenBody<'_>,
        kept: &KeptObjects,
        seen: &SeenNames,
    ) -> Result<(), BodyError> {
        let names = self
            .sentence
            .explains_body(request, body.media_type, body.bytes);
        names?;
        if let (What::Objects { are_hooks, .. }, ApiPath::Resource(path)) =
            (&self.what, &request.path)
            && request.verb == ApiVerb::Create
        {
            // The path of a create has the type alone.
            let facts = BodyFacts::read(body.media_type, body.bytes).ok_or(BodyError::Unread)?;
            let mut named = path.clone();
            named.name = Some(facts.name.unwrap_or_default());
            if !seen.holds(&named, *are_hooks) {
                return Err(BodyError::Name);
            }
        }
        self.body.explains(request, body, kept)
    }

    /// Whether it writes objects of this path's resource.
    pub(super) fn may_write(&self, path: &ResourcePath, seen: &SeenNames) -> bool {
        let is_about = match &self.what {
            What::Objects { are_hooks, .. } => seen.holds(path, *are_hooks),
            What::Path(_) | What::Request(_) => false,
            What::Resource(permit) => permit.resource == path.qualified(),
        };
        is_about && self.verbs.iter().any(|verb| verb.writes())
    }

    /// Whether it edits lists of objects of this path's resource.
    pub(super) fn edits(&self, path: &ResourcePath) -> bool {
        matches!(&self.what, What::Resource(permit) if permit.is_about(path).is_ok())
            && self.body.edits()
    }

    /// Whether an object that this path names may get another one in its place, which is compared
    /// with it.
    pub(super) fn replaces(&self, path: &ResourcePath, seen: &SeenNames) -> bool {
        let replacing = [ApiVerb::Update, ApiVerb::Patch].map(AskedVerb::Verb);
        let updates = self.verbs.iter().any(|verb| replacing.contains(verb));
        let What::Resource(permit) = &self.what else {
            return false;
        };
        updates
            && self.body.compares()
            && permit.is_about(path).is_ok()
            && permit.is_in(path, ApiVerb::Update).is_ok()
            && path.name.as_ref().is_some_and(|name| {
                permit
                    .names
                    .hold(&permit.resource, path.namespace.as_deref(), name, seen)
            })
    }

    fn query_holds(
        &self,
        request: &ApiRequest,
        path: Option<&ResourcePath>,
        seen: &SeenNames,
    ) -> Result<(), Miss> {
        for requirement in &self.query {
            requirement.holds(&request.query, seen)?;
        }
        let said = |key: &str| self.query.iter().any(|requirement| requirement.key == key);
        // A collection that is asked for by a name says so in this key.
        let names_one = match &self.what {
            What::Resource(permit) => !permit.names.every,
            What::Objects { .. } => true,
            What::Path(_) | What::Request(_) => false,
        };
        for (key, value) in request.query.iter() {
            let by_name = names_one && key == "fieldSelector";
            if !said(key) && !by_name && !keys::are_plain(request.verb, path, key, value) {
                return Err(Miss::Query(key.to_owned()));
            }
        }
        Ok(())
    }
}

impl ResourcePermit {
    fn is_about(&self, path: &ResourcePath) -> Result<(), Miss> {
        let is_it = path.subresource == self.subresource && path.qualified() == self.resource;
        is_it.then_some(()).ok_or(Miss::Unsaid)
    }

    fn is_in(&self, path: &ResourcePath, verb: ApiVerb) -> Result<(), Miss> {
        let is_collection = path.name.is_none();
        let holds = match &path.namespace {
            // A namespace stands in the path where others have theirs, and is in none.
            Some(_) if path.resource == "namespaces" => self.places.outside,
            None => {
                let across = self.places.across && is_collection && verb != ApiVerb::Create;
                self.places.outside || across
            }
            Some(_) if self.places.any => true,
            Some(namespace) => self.places.these.contains(namespace),
        };
        holds.then_some(()).ok_or(Miss::Place)
    }

    fn names(
        &self,
        path: &ResourcePath,
        request: &ApiRequest,
        seen: &SeenNames,
    ) -> Result<(), Miss> {
        let namespace = path.within();
        let holds = match &path.name {
            Some(name) => self.names.hold(&self.resource, namespace, name, seen),
            // The name of what is created is in its body.
            None if request.verb == ApiVerb::Create => true,
            None if request.verb == ApiVerb::DeleteCollection => false,
            None => self.names.every || self.is_asked_by_name(namespace, &request.query, seen),
        };
        holds.then_some(()).ok_or(Miss::Name)
    }

    /// A collection of one: `fieldSelector=metadata.name=web`.
    fn is_asked_by_name(&self, namespace: Option<&str>, query: &Query, seen: &SeenNames) -> bool {
        let selector = query.get("fieldSelector").and_then(Selector::read);
        let name = selector.as_ref().and_then(|it| it.field("metadata.name"));
        name.is_some_and(|name| match (namespace, self.places.across) {
            (None, true) => seen.has_anywhere(&self.resource, name),
            _ => self.names.hold(&self.resource, namespace, name, seen),
        })
    }
}

impl ObjectNames {
    fn hold(&self, resource: &str, namespace: Option<&str>, name: &str, seen: &SeenNames) -> bool {
        let is_seen = |beginnings: &Vec<String>| {
            let begins = |start: &String| name.starts_with(start);
            (beginnings.is_empty() || beginnings.iter().any(begins))
                && seen.has(resource, namespace, name)
        };
        self.any
            || self.told.iter().any(|told| is_named(told, name))
            || self.seen.as_ref().is_some_and(is_seen)
            || self.alike.iter().any(|of| seen.has_anywhere(of, name))
    }
}

/// Whether `path` is `pattern`, in which `{…}` stands for one segment.
fn is_path(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let mut patterns = pattern.split('/');
    loop {
        match (patterns.next(), segments.next()) {
            (None, None) => return true,
            (Some(pattern), Some(segment)) if pattern.starts_with('{') && !segment.is_empty() => {}
            (Some(pattern), Some(segment)) if pattern == segment => {}
            _ => return false,
        }
    }
}

impl Requirement {
    fn holds(&self, query: &Query, seen: &SeenNames) -> Result<(), Miss> {
        let given = query.get(&self.key);
        let holds = match &self.value {
            KeyValue::Is(value) => given == Some(value.as_str()),
            KeyValue::Any => true,
            KeyValue::Switch(is_on) => match given {
                None | Some("false") => true,
                Some("true") => *is_on,
                Some(_) => false,
            },
            KeyValue::Each(words) => {
                let values = query.iter().filter(|(key, _)| *key == self.key);
                values.map(|(_, value)| value).eq(words)
            }
            KeyValue::Selects(patterns) => {
                let selector = given.and_then(Selector::read);
                selector.is_some_and(|selector| {
                    let has =
                        |pattern: &SelectorPattern| selector.any(|it| pattern.holds(it, seen));
                    patterns.iter().all(has)
                })
            }
        };
        holds
            .then_some(())
            .ok_or_else(|| Miss::Query(self.key.clone()))
    }
}

impl SelectorPattern {
    fn holds(&self, requirement: &str, seen: &SeenNames) -> bool {
        match self {
            Self::Is(this) => this == requirement,
            Self::Some => !requirement.is_empty(),
            Self::Begins(head) => {
                requirement.len() > head.len() && requirement.starts_with(head.as_str())
            }
            Self::OfHook(head) => {
                let name = requirement.strip_prefix(head.as_str());
                name.is_some_and(|name| seen.has_hook(name))
            }
            Self::OfName { head, told, of } => {
                requirement.strip_prefix(head.as_str()).is_some_and(|name| {
                    let is_told = told.iter().any(|told| told == name);
                    is_told || of.iter().any(|resource| seen.has_anywhere(resource, name))
                })
            }
        }
    }
}
