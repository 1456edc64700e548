//! Generates the Kotlin, Swift and Python code of the exported objects; see `bindings/generate`.

fn main() {
    uniffi::uniffi_bindgen_main();
}
