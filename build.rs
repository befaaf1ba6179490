//! With the feature `torch`, lets the programs find the libtorch they were linked with, so that they
//! start without LD_LIBRARY_PATH.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Set by torch-sys' build script (`links = "tch"`).
    if let Ok(libraries) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{libraries}");
    }
}
