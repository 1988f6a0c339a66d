//! How large a manifest may be.

use crate::yaml::YamlBounds;

/// The most bytes of a manifest: all data of a request together may have no more.
pub const LARGEST: usize = 1 << 20;
/// The most objects of a manifest. What operators and meshes are installed with has 100 to 200.
pub const MOST_OBJECTS: usize = 512;

/// Larger than manifests that people and charts write. A CustomResourceDefinition is nested most, some 40
/// deep; a text of `LARGEST` bytes has a value in each eight bytes where most are keys, and half of its
/// bytes are commas and brackets in no JSON but one that is made to be slow.
pub(super) const BOUNDS: YamlBounds = YamlBounds {
    bytes: LARGEST,
    depth: 64,
    nodes: 128 * 1024,
    entries: 16 * 1024,
    documents: 1024,
    flow: 64 * 1024,
};
