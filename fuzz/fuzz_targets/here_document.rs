//! See `src/fuzzing/`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    kube_airlock::fuzzing::here_document(bytes);
});
