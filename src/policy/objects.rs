//! What a rule says about the objects that a command carries: [`Objects`].
//!
//! Comes in: [`Facts`]. Goes out: for an allow rule, whether each object is one that it lists and meets its
//! conditions; for the others, whether any is one that they list. A rule without a list is about no
//! command with objects: nobody who wrote it thought of them. Held by the tests of this room and by the
//! fuzz target `monotonic`.

use super::{facts::Facts, mismatch::Mismatch, resources::Resources};
use crate::{
    catalogue::resource,
    conditions::ObjectCondition,
    glob,
    manifest::{ManifestObject, Naming},
};

/// The objects that a rule lists, by one entry or several.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Objects(pub(super) Vec<ObjectEntry>);

/// Some objects. A list that is absent accepts anything.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ObjectEntry {
    pub(super) resources: Option<Resources>,
    /// Globs of names.
    pub(super) names: Option<Vec<String>>,
    /// Globs of namespaces, beside those of the rule.
    pub(super) namespaces: Option<Vec<String>>,
    /// Globs of `KEY=VALUE`, each of which a label has to match.
    pub(super) labels: Vec<String>,
    /// What an object has to meet for the rule to accept it.
    pub(super) conditions: Vec<ObjectCondition>,
}

/// Why a rule does not accept an object.
enum Unfit {
    /// Its resource, and those that are listed.
    Resource,
    /// Its name, its namespace or its labels.
    Scope(&'static str),
    /// A condition.
    Breach(String),
}

/// The lists of a rule that are about what a command names, and about what it carries.
pub(super) struct ObjectScope<'r> {
    pub(super) resources: Option<&'r Resources>,
    pub(super) namespaces: Option<&'r Vec<String>>,
    pub(super) names: Option<&'r Vec<String>>,
}

/// Refuses the objects of a command for an allow rule that is about none.
pub(super) fn accept_none<'a>(facts: Facts<'a>) -> Result<(), Mismatch<'a>> {
    match facts.objects.first() {
        None => Ok(()),
        Some(object) => Err(Mismatch::Objects {
            first: shown(0, object),
        }),
    }
}

impl Objects {
    /// The resources that its entries list.
    pub(super) fn resources(&self) -> impl Iterator<Item = &Resources> {
        self.0.iter().filter_map(|entry| entry.resources.as_ref())
    }

    /// Whether an allow rule with these accepts the objects of the command, all within its namespaces;
    /// else the first that it does not.
    pub(super) fn accept<'a>(
        &self,
        namespaces: Option<&Vec<String>>,
        facts: Facts<'a>,
    ) -> Result<(), Mismatch<'a>> {
        if facts.objects.is_empty() || !facts.invocation.resources().is_empty() {
            return Err(Mismatch::NoObjects);
        }
        for (index, object) in facts.objects.iter().enumerate() {
            let mut nearest = Unfit::Resource;
            let mut unfits = self.0.iter().map(|entry| entry.unfit(namespaces, object));
            let fits = unfits.any(|unfit| match unfit {
                None => true,
                Some(unfit) => {
                    if unfit.depth() >= nearest.depth() {
                        nearest = unfit;
                    }
                    false
                }
            });
            if !fits {
                return Err(Mismatch::Object {
                    object: shown(index, object),
                    depth: nearest.depth(),
                    why: match nearest {
                        Unfit::Resource => format!("{} is not accepted here", object.resource()),
                        Unfit::Scope(why) => why.to_owned(),
                        Unfit::Breach(breach) => breach,
                    },
                });
            }
        }
        Ok(())
    }
}

impl ObjectScope<'_> {
    /// Whether a deny or confirm rule with these lists is about one of the command's objects. One that
    /// lists objects is about no command without.
    pub(super) fn touches(&self, listed: Option<&Objects>, facts: Facts<'_>) -> bool {
        let mut objects = facts.objects.iter();
        objects.any(|object| self.touches_object(listed, object))
    }

    fn touches_object(&self, listed: Option<&Objects>, object: &ManifestObject) -> bool {
        let in_namespaces = |globs: &Vec<String>| {
            let namespace = object.namespace();
            namespace.is_some_and(|namespace| one_of(globs, namespace))
                // What is done to a namespace is done to all in it.
                || object.resource() == "namespaces" && may_be_named(globs, object)
        };
        let is_listed = |entry: &ObjectEntry| {
            entry.lists(object)
                && entry.namespaces.as_ref().is_none_or(in_namespaces)
                && entry
                    .names
                    .as_ref()
                    .is_none_or(|globs| may_be_named(globs, object))
                && entry.has_labels(object)
        };
        let denied = |resources: &Resources| match resource::is_canonical(object.resource()) {
            true => resources.list(object.resource()),
            false => resources.may_mean(object.resource()),
        };
        self.resources.is_none_or(denied)
            && self.namespaces.is_none_or(in_namespaces)
            && self.names.is_none_or(|globs| may_be_named(globs, object))
            && listed.is_none_or(|objects| objects.0.iter().any(is_listed))
    }
}

impl Unfit {
    /// How far the match got: what came nearest was meant.
    fn depth(&self) -> u8 {
        match self {
            Self::Resource => 0,
            Self::Scope(_) => 1,
            Self::Breach(_) => 2,
        }
    }
}

impl ObjectEntry {
    /// Why an entry does not accept an object.
    fn unfit(&self, of_rule: Option<&Vec<String>>, object: &ManifestObject) -> Option<Unfit> {
        if !self.lists(object) {
            return Some(Unfit::Resource);
        }
        let within = [of_rule, self.namespaces.as_ref()];
        for globs in within.into_iter().flatten() {
            match object.namespace() {
                Some(namespace) if one_of(globs, namespace) => {}
                // A namespace is in itself.
                None if object.resource() == "namespaces" && is_named(globs, object) => {}
                Some(_) => return Some(Unfit::Scope("its namespace is not accepted here")),
                None if object.resource() == "namespaces" => {
                    return Some(Unfit::Scope("this namespace is not accepted here"));
                }
                // A rule about namespaces is not about what lives outside of them, unless it lists
                // that by name.
                None if self.names_resource_of(object) => {}
                None => return Some(Unfit::Scope("it lives outside of namespaces")),
            }
        }
        let is_accepted = |globs: &Vec<String>| is_named(globs, object);
        if !self.names.as_ref().is_none_or(is_accepted) {
            return Some(Unfit::Scope("its name is not accepted here"));
        }
        if !self.has_labels(object) {
            return Some(Unfit::Scope(
                "it does not have the labels that are wanted here",
            ));
        }
        let mut conditions = self.conditions.iter();
        let breach = conditions.find_map(|condition| condition.breach(object));
        breach.map(|breach| Unfit::Breach(breach.to_string()))
    }

    fn lists(&self, object: &ManifestObject) -> bool {
        let mut listed = self.resources.iter();
        listed.all(|resources| resources.list(object.resource()))
    }

    fn names_resource_of(&self, object: &ManifestObject) -> bool {
        let mut entries = self.resources.iter().flat_map(Resources::entries);
        entries.any(|name| name == object.resource())
    }

    fn has_labels(&self, object: &ManifestObject) -> bool {
        self.labels.iter().all(|wanted| {
            let (key, value) = wanted.split_once('=').unwrap_or((wanted, "*"));
            let mut labels = object.labels().iter();
            labels.any(|(of_key, of_value)| key == of_key && glob::matches(value, of_value))
        })
    }
}

fn one_of(globs: &[String], value: &str) -> bool {
    globs.iter().any(|glob| glob::matches(glob, value))
}

/// Whether an object is called so, whatever the API server ends its name with.
fn is_named(globs: &[String], object: &ManifestObject) -> bool {
    match object.naming() {
        Naming::Name(name) => one_of(globs, name),
        Naming::Beginning(start) => globs
            .iter()
            .any(|glob| glob::covers_extensions(glob, start)),
    }
}

/// Whether an object is called so, or may be once the API server has ended its name.
fn may_be_named(globs: &[String], object: &ManifestObject) -> bool {
    match object.naming() {
        Naming::Name(name) => one_of(globs, name),
        Naming::Beginning(start) => globs
            .iter()
            .any(|glob| glob::matches_extension(glob, start)),
    }
}

/// `objects[2] Deployment shop/web`
fn shown(index: usize, object: &ManifestObject) -> String {
    format!("objects[{index}] {object}")
}
