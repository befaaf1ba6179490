//! Lets the tests find the libtorch that they were linked with, so that they start without LD_LIBRARY_PATH, and tells
//! the crates that depend on this one where it is, for the same reason. A libtorch with CUDA is linked to that part too:
//! nothing calls it by name, so that a linker would leave it out, and then no GPU is seen.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Set by torch-sys' build script (`links = "tch"`).
    if let Ok(libraries) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{libraries}");
        println!("cargo::metadata=LIBTORCH_LIB={libraries}");
        if Path::new(&libraries).join("libtorch_cuda.so").exists() {
            let forced = "-Wl,--push-state,--no-as-needed,-ltorch_cuda,--pop-state";
            println!("cargo::rustc-link-arg={forced}");
            println!("cargo::metadata=LIBTORCH_CUDA={forced}");
        }
    }
}
