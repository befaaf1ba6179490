//! Lets the tests find the libtorch that they were linked with, so that they start without LD_LIBRARY_PATH, and tells
//! the crates that depend on this one where it is, for the same reason.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Set by torch-sys' build script (`links = "tch"`).
    if let Ok(libraries) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{libraries}");
        println!("cargo::metadata=LIBTORCH_LIB={libraries}");
    }
}
