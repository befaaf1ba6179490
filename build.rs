//! With the feature `torch`, lets the program find the libtorch it was linked with, so that it starts without
//! LD_LIBRARY_PATH.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Set by the build script of spatial-reward-models.
    if let Ok(libraries) = std::env::var("DEP_SPATIAL_REWARD_MODELS_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{libraries}");
    }
    // There where that libtorch has CUDA, which nothing calls by name.
    if let Ok(forced) = std::env::var("DEP_SPATIAL_REWARD_MODELS_LIBTORCH_CUDA") {
        println!("cargo::rustc-link-arg={forced}");
    }
}
