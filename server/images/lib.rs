//! gantry-images
