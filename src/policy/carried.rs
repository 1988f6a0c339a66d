//! What a request brings -> the objects that its command carries, and what the tool reads in their place:
//! [`carried`].
//!
//! Held by `tests/service/data.rs`, and by the tests of this room.

use std::collections::BTreeSet;

use super::{facts::namespace_of_call, target::Target};
use crate::{
    command::Invocation,
    data::Data,
    manifest::{KnownKind, Manifest, ManifestContext, ManifestError, ManifestObject},
    secret::SecretString,
};

/// What says which resource a group, a version and a kind are that the table does not hold.
pub type ResolveKind<'r> = dyn Fn(&str, &str, &str) -> Option<KnownKind> + 'r;

/// Reads the manifests among what a request brings: rules judge their objects, and the tool gets these
/// written anew in their place. A text that is named and not there is nobody's.
///
/// # Errors
/// [`ManifestError`] for what cannot be read in one way.
pub fn carried(
    mut data: Data,
    invocation: &Invocation,
    target: &Target,
    resolve: &ResolveKind<'_>,
) -> Result<(Data, Vec<ManifestObject>), ManifestError> {
    let context = ManifestContext {
        namespace: namespace_of_call(invocation, target),
        resolve,
    };
    let mut objects = Vec::new();
    // A file that is named twice is one text.
    let values: BTreeSet<&str> = invocation.manifests().collect();
    for value in values {
        let Some(text) = data.text(value) else {
            continue;
        };
        let manifest = Manifest::read(text.expose(), &context)?;
        let written = String::from_utf8_lossy(manifest.to_bytes().expose()).into_owned();
        data = data.with(value, SecretString::new(written));
        objects.extend(manifest.into_objects());
    }
    Ok((data, objects))
}
