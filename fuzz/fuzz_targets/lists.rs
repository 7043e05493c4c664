#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    e2mc_fuzz::targets::lists(bytes);
});
