//! Base64 as callers write it -> bytes.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use super::error::KubeconfigError;
use crate::secret::SecretBytes;

/// The largest kubeconfig, in bytes. A file of 64 contexts with certificates is about 200 KiB.
pub(super) const LARGEST: usize = 256 * 1024;

/// Reads base64 as callers write it: standard or URL-safe, padded or not, with line breaks.
///
/// # Errors
/// [`KubeconfigError::NotBase64`], or `TooLarge` before anything is decoded.
pub fn decode(text: &str) -> Result<SecretBytes, KubeconfigError> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const LONGEST: usize = LARGEST.div_ceil(3) * 4;
    // Most is written plainly.
    if (1..=LONGEST).contains(&text.len())
        && let Ok(bytes) = ENGINE.decode(text)
    {
        return Ok(SecretBytes::new(bytes));
    }
    let stripped: Zeroizing<Vec<u8>> = Zeroizing::new(
        text.bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .map(|byte| match byte {
                b'-' => b'+',
                b'_' => b'/',
                byte => byte,
            })
            .collect(),
    );
    if stripped.len() > LONGEST {
        return Err(KubeconfigError::TooLarge {
            bytes: stripped.len() / 4 * 3,
            most: LARGEST,
        });
    }
    if stripped.is_empty() {
        return Err(KubeconfigError::Empty);
    }
    ENGINE
        .decode(&*stripped)
        .map(SecretBytes::new)
        .map_err(|_| KubeconfigError::NotBase64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_in_every_spelling_that_callers_use() {
        for text in ["YT9+Pz4/", "YT9-Pz4_", "YT9+\r\nPz4/\n", "YQ==", "YQ"] {
            assert!(decode(text).is_ok(), "{text}");
        }
        assert_eq!(
            decode("not base64!").err(),
            Some(KubeconfigError::NotBase64)
        );
        assert_eq!(decode("  ").err(), Some(KubeconfigError::Empty));
    }
}
