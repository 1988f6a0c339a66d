//! The images that an object has run, by the whole of their names.

use super::{
    field::{Breach, Field},
    pod::Pod,
};

/// Every image of a pod, with where it is named.
pub(super) fn images<'o>(pod: &Pod<'o>) -> Result<Vec<(String, Field<'o>)>, Breach> {
    let mut images = Vec::new();
    for container in pod.containers()? {
        match container.text("image")? {
            Some((image, field)) if !image.is_empty() => images.push((whole(image), field)),
            _ => return container.breach("names no image"),
        }
    }
    for volume in pod.spec.items("volumes")? {
        if let Some(image) = volume.get("image")? {
            match image.text("reference")? {
                Some((name, field)) => images.push((whole(name), field)),
                None => return image.breach("names no image"),
            }
        }
    }
    Ok(images)
}

/// The name with its registry: `nginx:1.27` is `docker.io/library/nginx:1.27` to every runtime
/// (github.com/distribution/reference normalize.go).
fn whole(image: &str) -> String {
    let is_registry = |first: &str| first.contains(['.', ':']) || first == "localhost";
    match image.split_once('/') {
        Some((first, _)) if is_registry(first) => image.to_owned(),
        Some(_) => format!("docker.io/{image}"),
        None => format!("docker.io/library/{image}"),
    }
}

/// Whether an image is named by what it is, and not by a tag that may become another one.
pub(super) fn has_digest(image: &str) -> bool {
    image.rsplit_once("@sha256:").is_some_and(|(_, digest)| {
        digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_a_registry() {
        for (image, meant) in [
            ("nginx", "docker.io/library/nginx"),
            ("team/app:1", "docker.io/team/app:1"),
            ("localhost/app", "localhost/app"),
            ("registry.corp:5000/app", "registry.corp:5000/app"),
            ("ghcr.io/a/b@sha256:0", "ghcr.io/a/b@sha256:0"),
        ] {
            assert_eq!(whole(image), meant);
        }
        assert!(has_digest(&format!("a@sha256:{}", "0".repeat(64))));
        assert!(!has_digest("a@sha256:0") && !has_digest("a:1"));
    }
}
