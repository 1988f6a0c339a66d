//! [`Compiler`]: the sentences of a verb and what a command names -> [`Permit`]s.
//!
//! Knows no request. What a sentence needs and the command does not have (a flag, an operand) makes
//! the sentence say nothing.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    ask::{AskedVerb, On, Subresource},
    json::{read_json, read_yaml},
    manifested::ManifestedBody,
    permit::{ApiPlaces, KeyValue, ObjectNames, Permit, Requirement, ResourcePermit, What},
    requirement::{is_selector, requirement},
    sentence::Sentence,
    table::{ApiTable, Rehearsal, SentenceForm, WritingForm},
    writing::{BodyForm, BodyRule},
};
use crate::{
    api_request::{ApiRequest, ApiVerb},
    catalogue::resource,
    command::{Invocation, NamedObject},
    manifest::{ManifestObject, Naming},
    tool::OperandGrammar,
};

/// A command, and the table of its tool.
pub(super) struct Compiler<'a> {
    table: &'a ApiTable,
    invocation: &'a Invocation,
    manifest: &'a [ManifestObject],
    context: &'a str,
    rehearsal: Rehearsal,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(
        table: &'a ApiTable,
        invocation: &'a Invocation,
        manifest: &'a [ManifestObject],
        context: &'a str,
    ) -> Self {
        Self {
            table,
            invocation,
            manifest,
            context,
            rehearsal: table.rehearsal(invocation.flag("dry-run")),
        }
    }

    /// What the command may ask.
    pub(super) fn permits(&self) -> Vec<Permit> {
        let sentences = self.table.sentences(self.invocation.path());
        let counts = |form: &&SentenceForm| {
            let mut when = form.when.iter();
            when.all(|condition| condition.holds(self.invocation)) && self.names_one_of(&form.of)
        };
        let forms = sentences.iter().filter(counts);
        forms.flat_map(|form| self.of_form(form)).collect()
    }

    fn of_form(&self, form: &SentenceForm) -> Vec<Permit> {
        let mut verbs = form.ask.verbs.clone();
        if self.rehearsal == Rehearsal::Nothing && !says_dry_run(form) {
            verbs.retain(|asked| !asked.writes());
        }
        if verbs.is_empty() {
            return Vec::new();
        }
        match &form.ask.on {
            On::Path(path) => vec![self.permit(form, verbs, What::Path(path.clone()), Vec::new())],
            On::Flag(flag) => match self.invocation.flag(flag) {
                Some(path) if path.starts_with('/') => self.requests(form, &verbs, path),
                _ => self.resources(form, &verbs, self.invocation.objects_of_flags()),
            },
            On::Objects | On::Hooks => self.objects(form, &verbs),
            On::Manifest => self.manifest_objects(form, &verbs),
            On::Operands => self.resources(form, &verbs, self.invocation.objects()),
            On::Resource(resource) => {
                let names = self.names(form, resource, &[]);
                self.resource(form, &verbs, resource, names)
            }
        }
    }

    /// A flag's value that is a request by itself.
    fn requests(&self, form: &SentenceForm, verbs: &[AskedVerb], target: &str) -> Vec<Permit> {
        let method = match verbs {
            [AskedVerb::Verb(ApiVerb::Delete)] => "DELETE",
            _ => "GET",
        };
        let Ok(request) = ApiRequest::read(method, target) else {
            return Vec::new();
        };
        let verbs = vec![AskedVerb::Verb(request.verb)];
        let what = What::Request(Box::new(request));
        vec![self.permit(form, verbs, what, Vec::new())]
    }

    /// The objects of the manifest, each where it is.
    fn manifest_objects(&self, form: &SentenceForm, verbs: &[AskedVerb]) -> Vec<Permit> {
        let objects = self.manifest.iter();
        let permits = objects.flat_map(|object| {
            let names = ObjectNames {
                told: match object.naming() {
                    Naming::Name(name) => vec![name.clone()],
                    Naming::Beginning(_) => Vec::new(),
                },
                ..ObjectNames::default()
            };
            let places = ApiPlaces {
                outside: object.namespace().is_none(),
                these: object.namespace().map(str::to_owned).into_iter().collect(),
                ..ApiPlaces::default()
            };
            let permit = ResourcePermit {
                resource: object.resource().to_owned(),
                subresource: None,
                places,
                names,
            };
            let manifested = || match form.writing {
                WritingForm::Manifest => Some(ManifestedBody::of(object.value())),
                _ => None,
            };
            self.of_each_kind(form, verbs, &permit, manifested)
        });
        permits.collect()
    }

    /// The objects of a release.
    fn objects(&self, form: &SentenceForm, verbs: &[AskedVerb]) -> Vec<Permit> {
        let kinds: [fn(&AskedVerb) -> bool; 2] = [|asked| !asked.writes(), |asked| asked.writes()];
        let permits = kinds.into_iter().filter_map(|is_of_kind| {
            let verbs: Vec<AskedVerb> = verbs.iter().copied().filter(is_of_kind).collect();
            let query = self.query(form, &verbs, &ObjectNames::default())?;
            let subresource = match &form.ask.subresource {
                Some(Subresource::Named(name)) => Some(name.clone()),
                Some(Subresource::Flag(_)) | None => None,
            };
            let what = What::Objects {
                are_hooks: form.ask.on == On::Hooks,
                subresource,
            };
            (!verbs.is_empty()).then(|| self.permit(form, verbs, what, query))
        });
        permits.collect()
    }

    /// The objects that a command names, by their types.
    fn resources(
        &self,
        form: &SentenceForm,
        verbs: &[AskedVerb],
        objects: &[NamedObject],
    ) -> Vec<Permit> {
        let mut by_resource: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for object in objects {
            let names = by_resource.entry(&object.resource).or_default();
            names.extend(object.name.clone());
        }
        let permits = by_resource.into_iter().flat_map(|(resource, told)| {
            let is_meant = form.of.is_empty() || self.is_of(&form.of, resource);
            match is_meant {
                true => {
                    let names = self.names(form, resource, &told);
                    self.resource(form, verbs, resource, names)
                }
                false => Vec::new(),
            }
        });
        permits.collect()
    }

    fn resource(
        &self,
        form: &SentenceForm,
        verbs: &[AskedVerb],
        resource: &str,
        names: Option<ObjectNames>,
    ) -> Vec<Permit> {
        let subresource = match &form.ask.subresource {
            None => Some(None),
            Some(Subresource::Named(name)) => Some(Some(name.clone())),
            Some(Subresource::Flag(flag)) => {
                self.invocation.flag(flag).map(|name| Some(name.to_owned()))
            }
        };
        let (Some(names), Some(subresource)) = (names, subresource) else {
            return Vec::new();
        };
        let permit = ResourcePermit {
            resource: resource.to_owned(),
            subresource,
            places: self.places(form, resource),
            names,
        };
        self.of_each_kind(form, verbs, &permit, || None)
    }

    /// The permits of collections, of single reads and of writes, which have other queries; the bodies of
    /// writes may say what is `manifested`, where that is told.
    fn of_each_kind(
        &self,
        form: &SentenceForm,
        verbs: &[AskedVerb],
        permit: &ResourcePermit,
        manifested: impl Fn() -> Option<ManifestedBody>,
    ) -> Vec<Permit> {
        let permits = KINDS_OF_VERBS.into_iter().filter_map(|is_of_kind| {
            let verbs: Vec<AskedVerb> = verbs.iter().copied().filter(is_of_kind).collect();
            if verbs.is_empty() {
                return None;
            }
            let query = self.query(form, &verbs, &permit.names)?;
            let what = What::Resource(permit.clone());
            let writes = verbs.iter().any(|asked| asked.writes());
            Some(match writes.then(&manifested).flatten() {
                Some(body) => {
                    self.permit_to_write(form, verbs, what, query, BodyRule::Manifest(body))
                }
                None => self.permit(form, verbs, what, query),
            })
        });
        permits.collect()
    }

    fn permit(
        &self,
        form: &SentenceForm,
        verbs: Vec<AskedVerb>,
        what: What,
        query: Vec<Requirement>,
    ) -> Permit {
        let writes = verbs.iter().any(|asked| asked.writes());
        let body = self.body(form, writes, &what);
        self.permit_to_write(form, verbs, what, query, body)
    }

    /// A permit, of which the bodies of its writes may say what `body` says.
    fn permit_to_write(
        &self,
        form: &SentenceForm,
        verbs: Vec<AskedVerb>,
        what: What,
        query: Vec<Requirement>,
        body: BodyRule,
    ) -> Permit {
        let writes = verbs.iter().any(|asked| asked.writes());
        let deletes = verbs.contains(&AskedVerb::Verb(ApiVerb::Delete));
        let creates = verbs.contains(&AskedVerb::Verb(ApiVerb::Create));
        let names = match &what {
            What::Resource(permit) if creates => permit.names.told.clone(),
            _ => Vec::new(),
        };
        let sentence = Sentence {
            text: super::wording::text(&verbs, &what, &query, &body),
            why: form.why.clone(),
            names,
            rehearses_in_body: writes
                && self.rehearsal == Rehearsal::DryRunAll
                && (deletes || form.rehearses_in_body),
            shows: form.shows,
            tells: form.tells,
        };
        Permit {
            verbs,
            what,
            query,
            body,
            sentence,
        }
    }

    /// What the bodies of its writes may say.
    fn body(&self, form: &SentenceForm, writes: bool, what: &What) -> BodyRule {
        let resource = match what {
            What::Resource(permit) => permit.resource.as_str(),
            What::Objects { .. } | What::Path(_) | What::Request(_) => "",
        };
        match &form.writing {
            _ if !writes => BodyRule::Unwritten,
            WritingForm::Unwritten => BodyRule::Unwritten,
            // Each object has its own.
            WritingForm::Manifest => BodyRule::Unwritten,
            WritingForm::Any => BodyRule::Any,
            WritingForm::Changes(changes) => {
                let changes = changes.iter();
                let filled = changes.flat_map(|change| change.of(self.invocation, resource));
                BodyRule::Changes(filled.collect())
            }
            WritingForm::Patch(flag) => {
                let patch_form = match self.invocation.flag("type") {
                    None | Some("strategic") => BodyForm::Strategic,
                    Some("merge") => BodyForm::Merge,
                    Some("json") => BodyForm::Operations,
                    Some(_) => return BodyRule::Changes(Vec::new()),
                };
                BodyRule::Patch(patch_form, self.invocation.flag(flag).and_then(document))
            }
        }
    }

    /// Which objects of `resource`; `told` are those that the command names. None where it has no such
    /// names.
    fn names(&self, form: &SentenceForm, resource: &str, told: &[String]) -> Option<ObjectNames> {
        let mut names = ObjectNames::default();
        if form.names.is_empty() {
            match (&form.ask.on, told.is_empty()) {
                (On::Resource(_), _) => names.every = true,
                (_, false) => names.told = told.to_vec(),
                // All of a type, and its members, where one of those can be asked for: the names of a
                // list that nothing but a list may follow need not be known, and it may be a large one.
                (_, true) => {
                    names.every = true;
                    names.seen = form.ask.is_about_one().then(Vec::new);
                }
            }
            return Some(names);
        }
        for word in &form.names {
            match word.as_str() {
                "any" => names.any = true,
                "seen" => names.seen = Some(Vec::new()),
                "same" => {
                    names.told.extend_from_slice(self.invocation.names());
                    names.alike.extend_from_slice(self.invocation.resources());
                }
                "own" => names.told.extend(self.own_namespaces()),
                "context" => names.told.push(self.base_namespace()),
                "names" => names.told.extend_from_slice(self.invocation.names()),
                "told" => {
                    let objects = self.invocation.objects().iter();
                    let of_type = objects.filter(|object| object.resource == resource);
                    names.told.extend(of_type.filter_map(|it| it.name.clone()));
                }
                "operands" if self.invocation.names().is_empty() => {
                    names.every = true;
                    names.seen = Some(Vec::new());
                }
                "operands" => names.told.extend_from_slice(self.invocation.names()),
                "beginnings" if self.invocation.names_beginnings() => {
                    names.every = true;
                    names.seen = Some(self.invocation.names().to_vec());
                }
                "beginnings" => {}
                word => match word.strip_prefix("--") {
                    Some(flag) => {
                        let (flag, default) = match flag.split_once('|') {
                            Some((flag, default)) => (flag, Some(default)),
                            None => (flag, None),
                        };
                        let value = self.invocation.flag(flag).or(default);
                        names.told.extend(value.map(str::to_owned));
                    }
                    None => names.told.extend(self.filled(word)),
                },
            }
        }
        (names != ObjectNames::default()).then_some(names)
    }

    /// A word of the table with `{name}` in it, for each name of the command; `{revision}` is that of a
    /// release, or any number.
    fn filled(&self, word: &str) -> Vec<String> {
        let word = &word.replace("{revision}", self.revision().unwrap_or("#"));
        match word.split_once("{name}") {
            None => vec![word.clone()],
            Some((head, tail)) => {
                let names = self.invocation.names().iter();
                names.map(|name| format!("{head}{name}{tail}")).collect()
            }
        }
    }

    /// The revision of a release that the command names; 0 is the newest, or the one before it.
    fn revision(&self) -> Option<&str> {
        let operand = match self.grammar() {
            OperandGrammar::NameThenRevision => self.invocation.operands().get(1),
            _ => None,
        };
        let revision = operand.map(String::as_str);
        let revision = revision.or_else(|| self.invocation.flag("revision"));
        revision.filter(|revision| revision.bytes().any(|digit| digit != b'0'))
    }

    fn grammar(&self) -> OperandGrammar {
        let verb = self.invocation.path().words().iter();
        let verb: Vec<&str> = verb.map(String::as_str).collect();
        (self.invocation.tool().spec().operands)(&verb)
    }

    fn places(&self, form: &SentenceForm, resource: &str) -> ApiPlaces {
        let mut places = ApiPlaces::default();
        if resource::is_cluster_scoped(resource) || self.invocation.has_found_outside(resource) {
            places.outside = true;
            return places;
        }
        // Rules take it for what may live outside of namespaces, too.
        let is_known = resource::is_namespaced(resource) || self.invocation.has_found(resource);
        places.outside = !is_known && form.places.is_empty();
        match form.places.as_slice() {
            [] => self.place("own", &mut places),
            words => words.iter().for_each(|word| self.place(word, &mut places)),
        }
        places
    }

    /// Adds what a word of `in` stands for.
    fn place(&self, word: &str, places: &mut ApiPlaces) {
        match word {
            "own" if self.is_everywhere() => self.place("all", places),
            "own" => places.these.extend(self.own_namespaces()),
            "all" => {
                places.across = true;
                places.any = true;
            }
            "any" => places.any = true,
            "outside" => places.outside = true,
            "names" => places.these.extend_from_slice(self.invocation.names()),
            word => match word.strip_prefix("--") {
                Some(flag) => self.place_of_flag(flag, places),
                None => places.these.push(word.to_owned()),
            },
        }
    }

    /// `FLAG`, or `FLAG|WORD,WORD` with what counts where the flag is not given.
    fn place_of_flag(&self, flag: &str, places: &mut ApiPlaces) {
        let (flag, default) = flag.split_once('|').unwrap_or((flag, ""));
        match self.invocation.flags().get(flag) {
            Some(values) => {
                let elements = values.iter().flat_map(|value| value.split(','));
                places.these.extend(elements.map(str::to_owned));
            }
            None => {
                let words = default.split(',').filter(|word| !word.is_empty());
                words.for_each(|word| self.place(word, places));
            }
        }
    }

    fn is_everywhere(&self) -> bool {
        self.invocation.flag("all-namespaces") == Some("true")
    }

    /// The namespaces of the command's operands, else of its flag, else of its context.
    fn own_namespaces(&self) -> Vec<String> {
        if self.is_everywhere() {
            return Vec::new();
        }
        let mut namespaces = Vec::new();
        if matches!(self.grammar(), OperandGrammar::Workloads(_)) {
            let of_operands = self.invocation.operand_namespaces();
            namespaces.extend_from_slice(of_operands);
            // Each of them names its own, or is in the command's.
            if !of_operands.is_empty() && of_operands.len() == self.invocation.operands().len() {
                return namespaces;
            }
        }
        namespaces.push(self.base_namespace());
        namespaces
    }

    /// The namespace of the command's flag, else of its context.
    fn base_namespace(&self) -> String {
        let own = self.invocation.flag("namespace").unwrap_or(self.context);
        own.to_owned()
    }

    /// What the query has to hold. None when a selector of the command could be read in two ways.
    fn query(
        &self,
        form: &SentenceForm,
        verbs: &[AskedVerb],
        names: &ObjectNames,
    ) -> Option<Vec<Requirement>> {
        let mut query = Vec::new();
        let collects = verbs.iter().any(|asked| is_collection(*asked));
        let writes = verbs.iter().any(|asked| asked.writes());
        for (key, value) in &form.query {
            if is_selector(key) && !collects {
                continue;
            }
            query.extend(requirement(self.invocation, key, value)?);
        }
        // The command's own selectors, where the sentence has none.
        let of_command = matches!(form.ask.on, On::Operands) && collects && names.every;
        for (key, flag) in [
            ("labelSelector", "selector"),
            ("fieldSelector", "field-selector"),
        ] {
            if of_command && !form.query.contains_key(key) {
                query.extend(requirement(self.invocation, key, &format!("--{flag}"))?);
            }
        }
        let in_query = self.rehearsal == Rehearsal::DryRunAll && !form.rehearses_in_body;
        if writes && in_query && !says_dry_run(form) {
            let value = match verbs.contains(&AskedVerb::Verb(ApiVerb::Delete)) {
                // Its body says it: the server does not look at the query of one that has a body.
                true => KeyValue::Any,
                false => KeyValue::Is("All".into()),
            };
            query.push(Requirement {
                key: "dryRun".into(),
                value,
            });
        }
        Some(query)
    }

    /// Whether the command names an object of one of these resources.
    fn names_one_of(&self, of: &[String]) -> bool {
        let mut objects = self.invocation.objects().iter();
        of.is_empty() || objects.any(|object| self.is_of(of, &object.resource))
    }

    /// Whether `resource` is one of these: `!pods` is any but that one, `outside` any that lives
    /// outside of namespaces, or may.
    fn is_of(&self, of: &[String], resource: &str) -> bool {
        of.iter().any(|word| match word.strip_prefix('!') {
            Some(other) => other != resource,
            None if word == "outside" => {
                !resource::is_namespaced(resource) && !self.is_found_inside(resource)
            }
            None => word == resource,
        })
    }

    fn is_found_inside(&self, resource: &str) -> bool {
        self.invocation.has_found(resource) && !self.invocation.has_found_outside(resource)
    }
}

/// Collections and writes have queries that single reads do not have.
const KINDS_OF_VERBS: [fn(&AskedVerb) -> bool; 3] = [
    |asked| is_collection(*asked),
    |asked| !is_collection(*asked) && !asked.writes(),
    |asked| asked.writes(),
];

/// The patch that a command has, in JSON or in YAML.
fn document(text: &str) -> Option<Value> {
    read_json(text.as_bytes()).or_else(|| read_yaml(text))
}

fn is_collection(asked: AskedVerb) -> bool {
    matches!(asked, AskedVerb::Verb(ApiVerb::List | ApiVerb::Watch))
}

/// Whether the sentence itself says that it is a dry run, as `diff` does.
fn says_dry_run(form: &SentenceForm) -> bool {
    form.query.contains_key("dryRun")
}
