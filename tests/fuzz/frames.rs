//! Frames of peers, chosen by libFuzzer: see `ocs_tests::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    ocs_tests::fuzz::run(bytes);
});
