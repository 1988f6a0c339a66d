//! A walk through an object by fields and their types, which knows where it is: [`Field`].

use std::fmt;

use serde_json::Value;

/// A field of an object that breaks a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// `spec.containers[0].securityContext.privileged`; empty for the object itself.
    pub path: String,
    /// What of it, as the end of a sentence about the field: `is true`.
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.is_empty() {
            true => f.write_str(&self.what),
            false => write!(f, "{} {}", self.path, self.what),
        }
    }
}

/// A value and where it stands.
#[derive(Clone)]
pub(super) struct Field<'o> {
    pub(super) value: &'o Value,
    path: String,
}

impl<'o> Field<'o> {
    pub(super) fn of(value: &'o Value) -> Self {
        Self {
            value,
            path: String::new(),
        }
    }

    /// What breaks a condition here.
    pub(super) fn breach<T>(&self, what: impl Into<String>) -> Result<T, Breach> {
        Err(Breach {
            path: self.path.clone(),
            what: what.into(),
        })
    }

    /// A field of it; absent and null are the same.
    pub(super) fn get(&self, key: &str) -> Result<Option<Self>, Breach> {
        let Value::Object(fields) = self.value else {
            return self.breach("is not a mapping");
        };
        let found = fields.get(key).filter(|value| !value.is_null());
        Ok(found.map(|value| self.inner(key, value)))
    }

    fn inner(&self, key: &str, value: &'o Value) -> Self {
        let path = match self.path.is_empty() {
            true => key.to_owned(),
            false => format!("{}.{key}", self.path),
        };
        Self { value, path }
    }

    /// A field some steps inside.
    pub(super) fn at(&self, keys: &[&str]) -> Result<Option<Self>, Breach> {
        let mut field = self.clone();
        for key in keys {
            match field.get(key)? {
                Some(inner) => field = inner,
                None => return Ok(None),
            }
        }
        Ok(Some(field))
    }

    /// The items of a list in it; none where it is absent.
    pub(super) fn items(&self, key: &str) -> Result<Vec<Self>, Breach> {
        match self.get(key)? {
            Some(list) => list.elements(),
            None => Ok(Vec::new()),
        }
    }

    fn elements(&self) -> Result<Vec<Self>, Breach> {
        let Value::Array(items) = self.value else {
            return self.breach("is not a list");
        };
        let element = |(index, value): (usize, &'o Value)| Self {
            value,
            path: format!("{}[{index}]", self.path),
        };
        Ok(items.iter().enumerate().map(element).collect())
    }

    /// The fields and items of it, whatever it is.
    pub(super) fn children(&self) -> Vec<(&'o str, Self)> {
        match self.value {
            Value::Object(fields) => fields
                .iter()
                .map(|(key, value)| (key.as_str(), self.inner(key, value)))
                .collect(),
            Value::Array(_) => {
                let elements = self.elements().unwrap_or_default();
                elements.into_iter().map(|element| ("", element)).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<(bool, Self)>, Breach> {
        match self.get(key)? {
            None => Ok(None),
            Some(field) => match field.value {
                Value::Bool(value) => Ok(Some((*value, field))),
                _ => field.breach("is not a boolean"),
            },
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<(&'o str, Self)>, Breach> {
        match self.get(key)? {
            None => Ok(None),
            Some(field) => match field.value {
                Value::String(value) => Ok(Some((value.as_str(), field))),
                _ => field.breach("is not a text"),
            },
        }
    }

    pub(super) fn integer(&self, key: &str) -> Result<Option<(i64, Self)>, Breach> {
        match self.get(key)? {
            None => Ok(None),
            Some(field) => match field.value.as_i64() {
                Some(value) => Ok(Some((value, field))),
                None => field.breach("is not a whole number"),
            },
        }
    }

    /// Breaks the condition where a flag is set.
    pub(super) fn not_set(&self, key: &str) -> Result<(), Breach> {
        match self.flag(key)? {
            Some((true, field)) => field.breach("is true"),
            _ => Ok(()),
        }
    }

    /// Breaks the condition where a text is another one than these.
    pub(super) fn one_of(&self, key: &str, accepted: &[&str]) -> Result<(), Breach> {
        match self.text(key)? {
            Some((text, field)) if !accepted.contains(&text) => field.is(text),
            _ => Ok(()),
        }
    }

    /// Breaks the condition with the text that it is.
    pub(super) fn is<T>(&self, text: &str) -> Result<T, Breach> {
        self.breach(format!("is {}", crate::excerpt::Excerpt::new(text)))
    }
}
