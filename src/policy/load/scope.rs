//! What a rule is about besides its verbs and flags: resources, names, namespaces, clusters.

use std::ops::Range;

use toml::Spanned;

use super::loading::{Loading, nearest};
use crate::{
    catalogue::resource,
    excerpt::Excerpt,
    policy::{
        error::PolicyError,
        file::{List, Names, RawRule},
    },
    tool::RuleLists,
};

impl Loading<'_> {
    /// A list of globs; an empty one matches nothing, which nobody means.
    pub(super) fn globs(
        &self,
        list: Option<&Spanned<List>>,
    ) -> Result<Option<Vec<String>>, PolicyError> {
        let Some(spanned) = list else { return Ok(None) };
        if spanned.get_ref().is_empty() {
            return Err(self.error(
                spanned.span(),
                "an empty list matches nothing, so this rule never matches",
                Some("leave the key out to match everything".into()),
            ));
        }
        if let Some(glob) = spanned
            .get_ref()
            .iter()
            .find(|glob| glob.get_ref().is_empty())
        {
            return Err(self.error(glob.span(), "an empty text matches nothing", None));
        }
        Ok(Some(
            spanned
                .get_ref()
                .iter()
                .map(|glob| glob.get_ref().clone())
                .collect(),
        ))
    }

    /// Globs whose characters can occur in what they are matched with.
    fn globs_of(
        &self,
        list: Option<&Spanned<List>>,
        what: &str,
        may_hold: fn(char) -> bool,
    ) -> Result<Option<Vec<String>>, PolicyError> {
        let wrong = list
            .into_iter()
            .flat_map(Spanned::get_ref)
            .find(|glob| !glob.get_ref().chars().all(|c| c == '*' || may_hold(c)));
        match wrong {
            Some(glob) => Err(self.error(
                glob.span(),
                &format!(
                    "{} is no glob of {what}, so it never matches",
                    Excerpt::new(glob.get_ref())
                ),
                None,
            )),
            None => self.globs(list),
        }
    }

    /// Globs of clusters.
    pub(super) fn clusters(&self, raw: &RawRule) -> Result<Option<Vec<String>>, PolicyError> {
        let what = "cluster names, hosts or host:port";
        self.globs_of(raw.clusters.as_ref(), what, |c| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:[]".contains(c)
        })
    }

    /// Globs of namespaces.
    pub(super) fn namespaces(&self, raw: &RawRule) -> Result<Option<Vec<String>>, PolicyError> {
        self.globs_of(raw.namespaces.as_ref(), "namespaces", |c| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
        })
    }

    /// The resources of a rule, each by its canonical name.
    pub(super) fn resources(&self, raw: &RawRule) -> Result<Option<Vec<String>>, PolicyError> {
        let Some(listed) = &raw.resources else {
            return Ok(None);
        };
        let wrong = |message: &str| Err(self.error(listed.span(), message, None));
        if raw.tool.spec().lists != RuleLists::NamesAndResources {
            return wrong("only kubectl's commands name resources");
        }
        let mut names: List = Vec::new();
        match listed.get_ref() {
            Names::Set(set) => {
                let name = set.strip_prefix('@').unwrap_or(set);
                names.extend(self.resource_set(name, listed.span())?);
            }
            Names::List(list) => {
                for name in list {
                    match name.get_ref().strip_prefix('@') {
                        Some(set) => names.extend(self.resource_set(set, name.span())?),
                        None => names.push(name.clone()),
                    }
                }
            }
        }
        if names.is_empty() {
            return wrong("an empty list matches nothing, so this rule never matches");
        }
        for name in &names {
            self.is_resource(name)?;
        }
        Ok(Some(names.into_iter().map(Spanned::into_inner).collect()))
    }

    fn resource_set(&self, name: &str, used: Range<usize>) -> Result<List, PolicyError> {
        self.set(name, used.clone()).ok_or_else(|| {
            let message = format!("there is no set {}", Excerpt::new(name));
            let known = self.sets.keys().map(String::as_str);
            self.error(used, &message, nearest(name, known))
        })
    }

    /// Refuses a name that is neither canonical nor one of a custom resource.
    fn is_resource(&self, name: &Spanned<String>) -> Result<(), PolicyError> {
        let text = name.get_ref();
        let group = text.split_once('.').map(|(_, group)| group);
        let custom = group.is_some_and(|group| group.contains('.'));
        if resource::is_canonical(text) || custom {
            return Ok(());
        }
        let known: Vec<String> = resource::all().collect();
        let help = resource::canonical(text)
            .map(|canonical| format!("its canonical name is `{canonical}`"))
            .or_else(|| nearest(text, known.iter().map(String::as_str)));
        let message = format!(
            "{} is not the canonical name of a resource",
            Excerpt::new(text)
        );
        Err(self.error(name.span(), &message, help))
    }
}
