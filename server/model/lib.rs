//! gantry-model
