//! [`Ask`]: `get, list operands`, `connect pods/exec`, `get /version`: what a sentence of a table lets
//! a verb do, and to what.

use crate::api_request::ApiVerb;

/// What is asked, of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub verbs: Vec<AskedVerb>,
    pub on: On,
    pub subresource: Option<Subresource>,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AskedVerb {
    /// This verb of the API.
    Verb(ApiVerb),
    /// A connection to a subresource: a GET that becomes a WebSocket, or a POST that becomes SPDY.
    Connect,
}

/// To what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum On {
    /// The objects that the command's operands name.
    Operands,
    /// The objects that a release holds, as far as the call has read it.
    Objects,
    /// Its hooks, which are none of those.
    Hooks,
    /// The objects of the command's manifest.
    Manifest,
    /// The objects, or the path, that this flag names.
    Flag(String),
    /// A path outside of resources; `{…}` stands for one segment.
    Path(String),
    /// This resource, by its canonical name.
    Resource(String),
}

/// Which subresource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subresource {
    /// This one.
    Named(String),
    /// The one that this flag names.
    Flag(String),
}

impl Ask {
    /// Whether one of its requests may be about a single object.
    pub(super) fn is_about_one(&self) -> bool {
        let of_collection = [ApiVerb::List, ApiVerb::Watch].map(AskedVerb::Verb);
        !self.verbs.iter().all(|verb| of_collection.contains(verb))
    }

    /// Reads `VERB[, VERB…] WHAT[/SUBRESOURCE]`.
    ///
    /// # Errors
    /// A sentence that names the word that is none.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let Some((verbs, what)) = text.rsplit_once(' ') else {
            return Err(format!("`{text}` is not \"VERB WHAT\""));
        };
        let verbs = verbs.split(", ").map(asked).collect::<Result<_, _>>()?;
        if what.starts_with('/') {
            return Ok(Self {
                verbs,
                on: On::Path(what.to_owned()),
                subresource: None,
            });
        }
        let (what, subresource) = match what.split_once('/') {
            Some((what, sub)) => (what, Some(sub)),
            None => (what, None),
        };
        let on = match (what, what.strip_prefix("--")) {
            (_, Some(flag)) => On::Flag(flag.to_owned()),
            ("operands", _) => On::Operands,
            ("objects", _) => On::Objects,
            ("hooks", _) => On::Hooks,
            ("manifest", _) => On::Manifest,
            ("", _) => return Err(format!("`{text}` says of nothing what is asked")),
            _ => On::Resource(what.to_owned()),
        };
        let subresource = subresource.map(|sub| match sub.strip_prefix("--") {
            Some(flag) => Subresource::Flag(flag.to_owned()),
            None => Subresource::Named(sub.to_owned()),
        });
        Ok(Self {
            verbs,
            on,
            subresource,
        })
    }

    /// Whether it reaches single objects of a resource that it names itself, so that the sentence has
    /// to say which.
    pub(super) fn needs_names(&self) -> bool {
        let reaches_one = |asked: &AskedVerb| match asked {
            AskedVerb::Verb(ApiVerb::List | ApiVerb::Watch) => false,
            AskedVerb::Verb(ApiVerb::Create) => self.subresource.is_some(),
            _ => true,
        };
        matches!(self.on, On::Resource(_)) && self.verbs.iter().any(reaches_one)
    }
}

impl AskedVerb {
    /// Whether a request with this verb is one of these.
    pub(super) fn covers(self, verb: ApiVerb) -> bool {
        match self {
            Self::Verb(own) => own == verb,
            Self::Connect => matches!(verb, ApiVerb::Get | ApiVerb::Create),
        }
    }

    /// Whether it changes what the cluster holds.
    pub(super) fn writes(self) -> bool {
        match self {
            Self::Verb(ApiVerb::Get | ApiVerb::List | ApiVerb::Watch) | Self::Connect => false,
            Self::Verb(_) => true,
        }
    }

    /// The word of a table.
    pub(super) fn word(self) -> String {
        match self {
            Self::Verb(verb) => verb.to_string(),
            Self::Connect => "connect".into(),
        }
    }
}

fn asked(word: &str) -> Result<AskedVerb, String> {
    Ok(AskedVerb::Verb(match word {
        "get" => ApiVerb::Get,
        "list" => ApiVerb::List,
        "watch" => ApiVerb::Watch,
        "create" => ApiVerb::Create,
        "update" => ApiVerb::Update,
        "patch" => ApiVerb::Patch,
        "delete" => ApiVerb::Delete,
        // No tool deletes a collection: what is deleted has a name.
        "connect" => return Ok(AskedVerb::Connect),
        _ => return Err(format!("`{word}` is no verb of a table")),
    }))
}
