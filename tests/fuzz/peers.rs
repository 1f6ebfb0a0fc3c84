//! Messages of peers, chosen by libFuzzer: see `ocs_outside`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    ocs_outside::Target::named("peers").play(bytes);
});
