//! Any text as the configuration file: refused, or a configuration that survives being written and
//! read again, since a labelled bag carries the one it was made with.

#![no_main]

use libfuzzer_sys::fuzz_target;
use spatial_reward::settings::Config;

fuzz_target!(|text: &str| {
    let Ok(config) = Config::from_yaml(text) else {
        return;
    };
    let written = serde_yaml::to_string(&config).expect("a valid configuration can be written");
    let read = Config::from_yaml(&written).expect("what was written is valid");
    assert_eq!(read, config);
    assert_eq!(read.digest().ok(), config.digest().ok());
    // What differs from the defaults is the whole of it.
    let changed = config.changed_yaml().expect("what differs can be written");
    let read = Config::from_yaml(&changed).expect("what differs is valid");
    assert_eq!(read.changed(), config.changed());
});
