//! gantry-pages
