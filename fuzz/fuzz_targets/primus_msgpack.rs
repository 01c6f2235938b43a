#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stellar_fuzz::run("primus_msgpack", data));
