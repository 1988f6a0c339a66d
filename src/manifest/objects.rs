//! A text -> a [`Manifest`].

use std::fmt;

use super::{
    document::documents,
    error::ManifestError,
    identity::{ManifestContext, ManifestObject},
    list::{ObjectFound, Stand, flatten},
    tree,
};
use crate::{
    secret::SecretBytes,
    yaml::{Node, write_json},
};

/// The objects of a caller's text: what a policy judges is what the tool gets.
pub struct Manifest {
    objects: Vec<ManifestObject>,
}

impl Manifest {
    /// Reads a text.
    ///
    /// # Errors
    /// [`ManifestError`]: what could be read in two ways or is no object, with its line and field.
    pub fn read(text: &str, context: &ManifestContext<'_>) -> Result<Self, ManifestError> {
        let documents = documents(text)?;
        let found = found(&documents)?;
        let objects = found
            .into_iter()
            .map(|found| ManifestObject::of(found, context))
            .collect::<Result<Vec<_>, _>>()?;
        match objects.is_empty() {
            true => Err(ManifestError::NoObject),
            false => Ok(Self { objects }),
        }
    }

    /// The objects, in the text's order; there is at least one.
    pub fn objects(&self) -> &[ManifestObject] {
        &self.objects
    }

    /// The objects themselves.
    pub fn into_objects(self) -> Vec<ManifestObject> {
        self.objects
    }

    /// What the tool gets: each object in a line of JSON.
    pub fn to_bytes(&self) -> SecretBytes {
        let mut written = Vec::new();
        for object in &self.objects {
            write_json(object.value(), &mut written);
            written.push(b'\n');
        }
        SecretBytes::new(written)
    }
}

/// Which objects there are, and nothing of what is in them.
impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.objects).finish()
    }
}

fn found(documents: &[Node]) -> Result<Vec<ObjectFound<'_>>, ManifestError> {
    let mut found = Vec::new();
    for (index, node) in documents.iter().enumerate() {
        let number = index + 1;
        let tree = tree::tree(node, number)?;
        flatten(tree, Stand::of(number, node), &mut found)?;
    }
    Ok(found)
}
